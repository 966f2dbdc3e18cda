#include "engine/op/op.h"

op *session_open(op_env *env, const plan *p, op *next, int side)
{
    diag_set(env->error, DIAG_UNSUPPORTED, "SESSION windows are not executed yet");
    return NULL;
}

#include "engine/op/op.h"

bool join_supported(const plan *p, diag *d)
{
    return diag_set(d, DIAG_UNSUPPORTED, "joins are not executed yet");
}

op *join_open(op_env *env, const plan *p, op *next, int side)
{
    join_supported(p, env->error);
    return NULL;
}

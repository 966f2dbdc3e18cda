/*
 * engine/op/suppress.c - EMIT FINAL. The aggregation below knows its windows and emits each when it closes (see
 * aggregate.c), so nothing is left to hold back here.
 */
#include "engine/op/op.h"

static bool suppress_push(op *o, int side, chunk *c)
{
    return op_emit(o, c);
}

static const op_class suppress_class = {.name = "SUPPRESS", .push = suppress_push};

op *suppress_open(op_env *env, const plan *p, op *next, int side)
{
    op *o = ARENA_NEW(env->life, op);
    op_init(o, &suppress_class, env, p, next, side);
    return o;
}

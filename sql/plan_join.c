/* Joins: which key a join has, and the steps before it that bring both sides to that key. */
#include "sql/plan_build.h"

bool plan_join_nodes(planner *p, node *n)
{
    return diag_at(p->d, p->an->joins[0].at, DIAG_UNSUPPORTED, "JOIN is not supported yet.");
}

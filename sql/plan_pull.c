/* Pull queries: what a WHERE says about keys and windows, and the read that answers it. */
#include "sql/plan_build.h"

bool plan_pull(arena *a, const analysis *an, const sql_env *env, planned_pull *out, diag *d)
{
    return diag_at(d, an->query->at, DIAG_UNSUPPORTED, "Pull queries are not supported yet.");
}

/* Conditional functions, and GREATEST and LEAST, which work alike. */
#include "base/check.h"
#include "engine/func/table.h"

static bool fn_coalesce(func_call *c, const value *args, int count, value *out)
{
    for (int i = 0; i < count; i++) {
        if (args[i].null) continue;
        *out = args[i];
        break;
    }
    return true;
}

static bool fn_nullif(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null || value_eq(c->type, args[0], args[1])) return true;
    *out = args[0];
    return true;
}

static bool fn_as_value(func_call *c, const value *args, int count, value *out)
{
    *out = args[0];
    return true;
}

/* DECIMAL arguments keep their own scales; the result has the widest. */
static bool pick(func_call *c, const value *args, int count, int sign, value *out)
{
    *out = value_null();
    for (int i = 0; i < count; i++) {
        value v = args[i];
        if (v.null) continue;
        if (c->type->kind == TYPE_DECIMAL) {
            decimal_status status =
                decimal_rescale(v.dec, c->arg_types[i]->scale, c->type->scale, DECIMAL_UNNECESSARY, &v.dec);
            if (status != DECIMAL_OK) return func_fail(c, "%s", decimal_status_text(status));
        }
        if (out->null || value_cmp(c->type, v, *out) * sign > 0) *out = v;
    }
    return true;
}

static bool fn_greatest(func_call *c, const value *args, int count, value *out)
{
    return pick(c, args, count, 1, out);
}

static bool fn_least(func_call *c, const value *args, int count, value *out)
{
    return pick(c, args, count, -1, out);
}

/* The narrowest DECIMAL that holds all arguments. */
static const type *widest(arena *a, const type *const *args, int count)
{
    decimal_type t = {0, 0};
    for (int i = 0; i < count; i++) {
        decimal_type next = args[i]->kind == TYPE_INT      ? DECIMAL_TYPE_INT
                            : args[i]->kind == TYPE_BIGINT ? DECIMAL_TYPE_BIGINT
                                                           : (decimal_type){args[i]->precision, args[i]->scale};
        t = i ? decimal_type_widen(t, next) : next;
    }
    return count ? type_decimal(a, t.precision, t.scale) : NULL;
}

static const func_def coalesce[] = {FUNC("(first T, others T...) T", fn_coalesce, .flags = FUNC_SEES_NULLS), {0}};
static const func_def ifnull[] = {FUNC("(expression T, altValue T) T", fn_coalesce, .flags = FUNC_SEES_NULLS), {0}};
static const func_def nullif[] = {FUNC("(expr1 T, expr2 T) T", fn_nullif, .flags = FUNC_SEES_NULLS), {0}};
static const func_def as_value[] = {FUNC("(keyColumn T) T", fn_as_value, .flags = FUNC_SEES_NULLS), {0}};

#define FOR_ORDERED(FN)                                                                                                \
    FUNC("(val INT, vals INT...) INT", FN, .flags = FUNC_SEES_NULLS),                                                  \
        FUNC("(val BIGINT, vals BIGINT...) BIGINT", FN, .flags = FUNC_SEES_NULLS),                                     \
        FUNC("(val DOUBLE, vals DOUBLE...) DOUBLE", FN, .flags = FUNC_SEES_NULLS),                                     \
        FUNC("(val STRING, vals STRING...) STRING", FN, .flags = FUNC_SEES_NULLS),                                     \
        FUNC("(val BYTES, vals BYTES...) BYTES", FN, .flags = FUNC_SEES_NULLS),                                        \
        FUNC("(val DATE, vals DATE...) DATE", FN, .flags = FUNC_SEES_NULLS),                                           \
        FUNC("(val TIME, vals TIME...) TIME", FN, .flags = FUNC_SEES_NULLS),                                           \
        FUNC("(val TIMESTAMP, vals TIMESTAMP...) TIMESTAMP", FN, .flags = FUNC_SEES_NULLS),                            \
        FUNC("(val DECIMAL, vals DECIMAL...) DECIMAL", FN, .flags = FUNC_SEES_NULLS, .rule = widest),

static const func_def greatest[] = {FOR_ORDERED(fn_greatest){0}};
static const func_def least[] = {FOR_ORDERED(fn_least){0}};

const func_name func_family_basic[] = {
    {"COALESCE", FUNC_CATEGORY_CONDITIONAL, "The first argument that is not NULL, or NULL when all are.", coalesce},
    {"IFNULL", FUNC_CATEGORY_CONDITIONAL, "The expression, or the alternative when the expression is NULL.", ifnull},
    {"NULLIF", FUNC_CATEGORY_CONDITIONAL, "NULL when both expressions are equal, else the first.", nullif},
    {"AS_VALUE", FUNC_CATEGORY_OTHER,
     "Copies a key column into the value of the result. Only meaningful in a projection.", as_value},
    {"greatest", FUNC_CATEGORY_MATHEMATICAL, "The largest of the arguments that are not NULL.", greatest},
    {"least", FUNC_CATEGORY_MATHEMATICAL, "The smallest of the arguments that are not NULL.", least},
    {0},
};

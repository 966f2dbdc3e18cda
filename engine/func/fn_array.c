/* Functions on arrays. */
#include "base/check.h"
#include "engine/func/set.h"
#include "engine/func/table.h"

enum { SERIES_MAX = 1000000 };

/* A list that grows in the call's memory; `sized` items at most. */
static value *room(func_call *c, uint64_t sized)
{
    return ARENA_ARRAY(c->mem, value, sized ? sized : 1);
}

static const type *elem_type(const func_call *c, int i)
{
    return c->arg_types[i]->elem;
}

/* Appends to the set's items, at `items`, what they do not hold yet. */
static uint32_t add_distinct(func_set *s, value *items, uint32_t n, const nested *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        uint64_t slot;
        if (func_set_find(s, from->items[i], &slot) >= 0) continue;
        func_set_put(s, slot, n);
        items[n++] = from->items[i];
    }
    return n;
}

static bool fn_array_concat(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null && args[1].null) return true;
    uint32_t n[2] = {args[0].null ? 0 : args[0].nest->n, args[1].null ? 0 : args[1].nest->n};
    value *items = room(c, (uint64_t)n[0] + n[1]);
    if (n[0]) memcpy(items, args[0].nest->items, sizeof *items * n[0]);
    if (n[1]) memcpy(items + n[0], args[1].nest->items, sizeof *items * n[1]);
    return func_items(c, out, items, n[0] + n[1]);
}

static bool fn_array_contains(func_call *c, const value *args, int count, value *out)
{
    func_bool(out, false);
    for (uint32_t i = 0; !args[0].null && i < args[0].nest->n; i++) {
        /* A literal NULL has whatever type: only whether it is NULL counts. */
        value item = args[0].nest->items[i];
        bool same = item.null || args[1].null ? item.null && args[1].null : value_eq(elem_type(c, 0), item, args[1]);
        if (same) return func_bool(out, true);
    }
    return true;
}

static bool fn_array_distinct(func_call *c, const value *args, int count, value *out)
{
    value *items = room(c, args[0].nest->n);
    func_set s = func_set_new(c->mem, elem_type(c, 0), items, args[0].nest->n);
    return func_items(c, out, items, add_distinct(&s, items, 0, args[0].nest));
}

static bool fn_array_union(func_call *c, const value *args, int count, value *out)
{
    uint64_t most = (uint64_t)args[0].nest->n + args[1].nest->n;
    value *items = room(c, most);
    func_set s = func_set_new(c->mem, elem_type(c, 0), items, most);
    uint32_t n = add_distinct(&s, items, 0, args[0].nest);
    return func_items(c, out, items, add_distinct(&s, items, n, args[1].nest));
}

/* Distinct items of the left that are (or are not) in the right. */
static bool keep(func_call *c, const value *args, bool present, value *out)
{
    value *items = room(c, args[0].nest->n);
    value *others = room(c, args[1].nest->n);
    func_set right = func_set_new(c->mem, elem_type(c, 0), others, args[1].nest->n);
    func_set left = func_set_new(c->mem, elem_type(c, 0), items, args[0].nest->n);
    add_distinct(&right, others, 0, args[1].nest);
    uint32_t n = add_distinct(&left, items, 0, args[0].nest), kept = 0;
    value *result = room(c, n);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t slot;
        if ((func_set_find(&right, items[i], &slot) >= 0) == present) result[kept++] = items[i];
    }
    return func_items(c, out, result, kept);
}

static bool fn_array_intersect(func_call *c, const value *args, int count, value *out)
{
    return keep(c, args, true, out);
}

static bool fn_array_except(func_call *c, const value *args, int count, value *out)
{
    return keep(c, args, false, out);
}

static bool fn_array_join(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null) return true;
    const type *t = elem_type(c, 0);
    bool simple = t->kind == TYPE_BOOLEAN || type_is_numeric(t) || t->kind == TYPE_STRING;
    str delimiter = count == 1 ? STR(",") : args[1].null ? (str){0} : args[1].s;
    buf b = {0};
    bool ok = true;
    for (uint32_t i = 0; i < args[0].nest->n && ok; i++) {
        if (i) buf_add_str(&b, delimiter);
        ok = simple || args[0].nest->items[i].null;
        if (ok) value_print(t, args[0].nest->items[i], &b);
    }
    if (ok) func_str(out, arena_str(c->mem, buf_str(&b)));
    buf_free(&b);
    return ok ||
           func_fail(c, "error: hit element of type %s which is currently not supported", type_kind_name(t->kind));
}

static bool fn_array_length(func_call *c, const value *args, int count, value *out)
{
    return func_int(out, (int32_t)args[0].nest->n);
}

static bool check_ordered(func_call *c, const type *t)
{
    return type_is_ordered(t) || func_fail(c, "elements of type %s have no order", type_kind_name(t->kind));
}

static bool extreme(func_call *c, const value *args, int sign, value *out)
{
    const type *t = elem_type(c, 0);
    if (!check_ordered(c, t)) return false;
    for (uint32_t i = 0; i < args[0].nest->n; i++) {
        value v = args[0].nest->items[i];
        if (!v.null && (out->null || value_cmp(t, v, *out) * sign > 0)) *out = v;
    }
    return true;
}

static bool fn_array_max(func_call *c, const value *args, int count, value *out)
{
    return extreme(c, args, 1, out);
}

static bool fn_array_min(func_call *c, const value *args, int count, value *out)
{
    return extreme(c, args, -1, out);
}

static bool fn_array_remove(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null) return true;
    value *items = room(c, args[0].nest->n);
    uint32_t n = 0;
    for (uint32_t i = 0; i < args[0].nest->n; i++) {
        value item = args[0].nest->items[i];
        bool same = item.null || args[1].null ? item.null && args[1].null : value_eq(elem_type(c, 0), item, args[1]);
        if (!same) items[n++] = item;
    }
    return func_items(c, out, items, n);
}

/* Merge sort: Java's List.sort is stable, and qsort promises no bound for its worst case. */
static void sort_items(const type *t, value *items, value *scratch, uint32_t n, int sign)
{
    if (n < 2) return;
    uint32_t half = n / 2, i = 0, j = half, k = 0;
    sort_items(t, items, scratch, half, sign);
    sort_items(t, items + half, scratch, n - half, sign);
    memcpy(scratch, items, sizeof *items * n);
    while (i < half && j < n)
        items[k++] = value_cmp(t, scratch[j], scratch[i]) * sign < 0 ? scratch[j++] : scratch[i++];
    while (i < half) items[k++] = scratch[i++];
    while (j < n) items[k++] = scratch[j++];
}

static bool fn_array_sort(func_call *c, const value *args, int count, value *out)
{
    const type *t = elem_type(c, 0);
    int sign = 1;
    if (count == 2) {
        str d = args[1].s;
        if (str_ieq(d, STR("DESC")) || str_ieq(d, STR("DESCENDING")))
            sign = -1;
        else if (!str_ieq(d, STR("ASC")) && !str_ieq(d, STR("ASCENDING")))
            return true;
    }
    if (!check_ordered(c, t)) return false;
    uint32_t n = args[0].nest->n, kept = 0;
    value *items = room(c, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!args[0].nest->items[i].null) items[kept++] = args[0].nest->items[i];
    }
    sort_items(t, items, room(c, kept), kept, sign);
    for (uint32_t i = kept; i < n; i++) items[i] = value_null();
    return func_items(c, out, items, n);
}

static bool fn_generate_series(func_call *c, const value *args, int count, value *out)
{
    bool wide = c->type->elem->kind == TYPE_BIGINT;
    int64_t start = wide ? args[0].l : args[0].i, end = wide ? args[1].l : args[1].i;
    int64_t diff = (int64_t)((uint64_t)end - (uint64_t)start);
    if (!wide) diff = (int32_t)diff;
    int64_t step = count == 3 ? args[2].i : diff > 0 ? 1 : -1;
    if (step == 0) return func_fail(c, "GENERATE_SERIES step cannot be zero");
    if ((diff > 0 && step < 0) || (diff < 0 && step > 0)) return func_fail(c, "GENERATE_SERIES step has wrong sign");
    int64_t n = step == -1 ? (diff == INT64_MIN ? INT64_MAX : -diff) : diff / step;
    if (n >= SERIES_MAX) return func_fail(c, "GENERATE_SERIES would have more than %d elements", (int)SERIES_MAX);
    n++;
    value *items = room(c, (uint64_t)n);
    uint64_t at = (uint64_t)start;
    for (int64_t i = 0; i < n; i++, at += (uint64_t)step) {
        if (wide)
            items[i].l = (int64_t)at;
        else
            items[i].i = (int32_t)at;
    }
    return func_items(c, out, items, (uint32_t)n);
}

static bool fn_slice(func_call *c, const value *args, int count, value *out)
{
    if (args[0].null) return true;
    int64_t n = args[0].nest->n;
    int64_t start = args[1].null ? 0 : (int64_t)args[1].i - 1, end = args[2].null ? n : args[2].i;
    if (start < 0 || end > n) return true;
    /* List.subList refuses this with another exception than the one that becomes NULL. */
    if (start > end) return func_fail(c, "fromIndex(%d) > toIndex(%d)", (int)start, (int)end);
    return func_items(c, out, args[0].nest->items + start, (uint32_t)(end - start));
}

static const func_def def_concat[] = {
    FUNC("(left ARRAY<T>, right ARRAY<T>) ARRAY<T>", fn_array_concat, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_contains[] = {
    FUNC("(array ARRAY<T>, val T) BOOLEAN", fn_array_contains, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_distinct[] = {FUNC("(input ARRAY<T>) ARRAY<T>", fn_array_distinct), {0}};
static const func_def def_union[] = {FUNC("(left ARRAY<T>, right ARRAY<T>) ARRAY<T>", fn_array_union), {0}};
static const func_def def_intersect[] = {FUNC("(left ARRAY<T>, right ARRAY<T>) ARRAY<T>", fn_array_intersect), {0}};
static const func_def def_except[] = {FUNC("(left ARRAY<T>, right ARRAY<T>) ARRAY<T>", fn_array_except), {0}};
static const func_def def_join[] = {
    FUNC("(array ARRAY<T>) STRING", fn_array_join),
    FUNC("(array ARRAY<T>, delimiter STRING) STRING", fn_array_join, .flags = FUNC_SEES_NULLS),
    {0},
};
static const func_def def_length[] = {FUNC("(array ARRAY<T>) INT", fn_array_length), {0}};
static const func_def def_max[] = {FUNC("(input ARRAY<T>) T", fn_array_max), {0}};
static const func_def def_min[] = {FUNC("(input ARRAY<T>) T", fn_array_min), {0}};
static const func_def def_remove[] = {
    FUNC("(array ARRAY<T>, victim T) ARRAY<T>", fn_array_remove, .flags = FUNC_SEES_NULLS), {0}};
static const func_def def_sort[] = {
    FUNC("(input ARRAY<T>) ARRAY<T>", fn_array_sort),
    FUNC("(input ARRAY<T>, direction STRING) ARRAY<T>", fn_array_sort),
    {0},
};
static const func_def def_series[] = {
    FUNC("(start INT!, end INT!) ARRAY<INT>", fn_generate_series),
    FUNC("(start INT!, end INT!, step INT!) ARRAY<INT>", fn_generate_series),
    FUNC("(start BIGINT!, end BIGINT!) ARRAY<BIGINT>", fn_generate_series),
    FUNC("(start BIGINT!, end BIGINT!, step INT!) ARRAY<BIGINT>", fn_generate_series),
    {0},
};
static const func_def def_slice[] = {
    FUNC("(in ARRAY<T>, from INT, to INT) ARRAY<T>", fn_slice, .flags = FUNC_SEES_NULLS), {0}};

const func_name func_family_array[] = {
    {"array_concat", FUNC_CATEGORY_ARRAY, "Both arrays one behind the other.", def_concat},
    {"ARRAY_CONTAINS", FUNC_CATEGORY_ARRAY, "Whether the array has the value among its elements.", def_contains},
    {"array_distinct", FUNC_CATEGORY_ARRAY, "The distinct elements in the order of their first occurrence.",
     def_distinct},
    {"array_union", FUNC_CATEGORY_ARRAY, "The distinct elements of both arrays.", def_union},
    {"array_intersect", FUNC_CATEGORY_ARRAY, "The distinct elements that both arrays have.", def_intersect},
    {"array_except", FUNC_CATEGORY_ARRAY, "The distinct elements of the first array that the second does not have.",
     def_except},
    {"ARRAY_JOIN", FUNC_CATEGORY_ARRAY, "The texts of the elements with a delimiter (default a comma) between them.",
     def_join},
    {"ARRAY_LENGTH", FUNC_CATEGORY_ARRAY, "The number of elements.", def_length},
    {"array_max", FUNC_CATEGORY_ARRAY, "The largest element.", def_max},
    {"array_min", FUNC_CATEGORY_ARRAY, "The smallest element.", def_min},
    {"array_remove", FUNC_CATEGORY_ARRAY, "The array without all elements that equal the value.", def_remove},
    {"array_sort", FUNC_CATEGORY_ARRAY, "The elements sorted, ascending unless 'DESC' is asked for; NULLs come last.",
     def_sort},
    {"GENERATE_SERIES", FUNC_CATEGORY_ARRAY, "The numbers from a start to an end (inclusive) in steps.", def_series},
    {"slice", FUNC_CATEGORY_ARRAY, "The elements from one position to another, both counted from 1 and included.",
     def_slice},
    {0},
};

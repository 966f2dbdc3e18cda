/*
 * engine/func/registry.h - the functions of KSQL: names, signatures, documentation, and the choice of an overload.
 *
 * What the type checker needs, in this order: func_find a name; func_resolve its overload from the types of the
 * arguments (a lambda only says how many parameters it has); func_lambda_params for each lambda, from left to right,
 * filling in func_arg.lambda_result with the type of its body; func_param_type for what an argument must be cast to;
 * func_result_type. How functions are called is in engine/func/call.h, aggregates in engine/func/agg.h.
 *
 * The registry is built once, at the first call of any function here, and never changes: all of this may be used from
 * any thread, and `const func *` and their types live until the process ends.
 */
#ifndef ENGINE_FUNC_REGISTRY_H
#define ENGINE_FUNC_REGISTRY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "engine/type.h"

typedef enum func_kind { FUNC_SCALAR, FUNC_AGGREGATE, FUNC_TABLE } func_kind;

/* Categories of SHOW FUNCTIONS. */
typedef enum func_category {
    FUNC_CATEGORY_CONDITIONAL,
    FUNC_CATEGORY_MATHEMATICAL,
    FUNC_CATEGORY_STRING,
    FUNC_CATEGORY_REGEX,
    FUNC_CATEGORY_JSON,
    FUNC_CATEGORY_DATE_TIME,
    FUNC_CATEGORY_ARRAY,
    FUNC_CATEGORY_MAP,
    FUNC_CATEGORY_URL,
    FUNC_CATEGORY_OTHER,
    FUNC_CATEGORY_AGGREGATE,
    FUNC_CATEGORY_TABLE,
    FUNC_CATEGORY_LAMBDA,
    FUNC_CATEGORY_CONVERSIONS,
} func_category;

/* "CONDITIONAL", "DATE / TIME", ... */
const char *func_category_name(func_category c);
/* "SCALAR", "AGGREGATE", "TABLE". */
const char *func_kind_name(func_kind k);

typedef struct func func;
typedef struct func_group func_group;
struct func_call;
struct agg_class;
struct value;
struct vec;

/* One declared parameter. */
typedef struct func_param {
    str name;
    str doc; /* may be empty */
    const type
        *type; /* may hold GENERIC types (letter '?': anything); DECIMAL with precision 0: any; variadic: of one item */
    bool variadic; /* any number of arguments, none included */
    bool primitive; /* a NULL argument is an error of the row */
    bool constant; /* aggregates: a literal, given to agg_new and not for each row */
} func_param;

/*
 * A row implementation: args[0..count) to *out, which is NULL on entry. False after func_fail: the value is an error.
 * A table function gives an ARRAY whose items are the rows (NULL: no rows).
 */
typedef bool (*func_row)(struct func_call *c, const struct value *args, int count, struct value *out);

/*
 * A vector implementation for functions without errors: fills data and nulls of out for the n selected rows (sel
 * NULL: rows 0..n-1). Never called when an argument is NULL in a selected row, unless the function sees NULLs.
 */
typedef void (*func_vector)(const struct vec *const *args, struct vec *out, const uint16_t *sel, uint32_t n);

/* Result types that do not follow from the declaration (DECIMAL rules, structs of TOPK). */
typedef const type *(*func_type_rule)(arena *a, const type *const *args, int count);

/* One overload. */
struct func {
    const func_group *group;
    const func_param *params;
    int param_count;
    int variadic; /* position of the variadic parameter, or -1 */
    const type *result; /* as declared; may hold GENERIC types */
    func_type_rule result_rule;
    bool sees_nulls; /* false: a NULL argument gives NULL without a call */
    bool is_volatile; /* RANDOM, UUID, UNIX_TIMESTAMP(): not to be folded */
    func_row row; /* scalar and table functions */
    func_vector vector; /* or NULL */
    const struct agg_class *agg; /* aggregates */
    str doc;
};

/* All overloads of a name. */
struct func_group {
    str name; /* upper case */
    str display; /* as ksqlDB spells it in messages */
    func_kind kind;
    func_category category;
    str doc;
    const func *const *overloads;
    int count;
};

/* An argument as the type checker knows it. */
typedef struct func_arg {
    const type *type; /* TYPE_NULL: the literal; TYPE_INTERVAL: a unit; TYPE_LAMBDA: a lambda */
    int lambda_params; /* of a lambda: the number of its parameters */
    const type *lambda_result; /* of a lambda: the type of its body, once known */
} func_arg;

/* The functions of a name, compared without regard to case; NULL when there is none. */
const func_group *func_find(str name);

/* The same, with ksqlDB's error, and similar names as the hint, when there is none. */
const func_group *func_get(str name, span at, diag *d);

/* All names in alphabetical order. */
const func_group *const *func_list(int *count);

/*
 * The overload for these arguments (ksqlDB's UdfIndex: exact types first, then, except for aggregates, implicit
 * casts; ties broken by its order). NULL and an error that lists the signatures when none fits or more than one fits
 * equally well.
 */
const func *func_resolve(const func_group *g, const func_arg *args, int count, span at, diag *d);

/* The declared parameter that argument i of `count` belongs to. */
const func_param *func_param_of(const func *f, int i, int count);

/* How many of `count` arguments, at the end, are constants of an aggregate (TOPK's k). */
int func_constant_args(const func *f, int count);

/*
 * Types of the parameters of the lambda that is argument i, from the arguments before it (lambdas among them with their
 * lambda_result). out holds args[i].lambda_params types.
 */
bool func_lambda_params(arena *a, const func *f, const func_arg *args, int count, int i, const type **out, span at,
                        diag *d);

/*
 * What argument i must be cast to before the call; NULL: nothing to cast. The literal NULL as well: its constant
 * takes this type (or, for a generic parameter, the type that the other arguments give; BOOLEAN when nothing does).
 */
const type *func_param_type(arena *a, const func *f, const func_arg *args, int count, int i);

/* The type of the call. NULL and an error when a generic type is given by no argument. */
const type *func_result_type(arena *a, const func *f, const func_arg *args, int count, span at, diag *d);

/* A signature as ksqlDB lists alternatives: "greatest(INT val, INT... vals)". */
void func_print_signature(const func *f, buf *out);
/* A parameter's type in the same words ("VARCHAR", "INT...", "LAMBDA (T) => BOOLEAN"), for DESCRIBE FUNCTION. */
void func_print_param_type(const func_param *p, buf *out);
/* The declared result's type. */
void func_print_result_type(const func *f, buf *out);

#endif

/*
 * engine/func/table.h - the tables in which the function families declare themselves to the registry.
 *
 * A signature is text, "(val DECIMAL, places INT!) DECIMAL": parameters with name and type, then the result type.
 * Types are BOOLEAN INT BIGINT DOUBLE DECIMAL STRING BYTES DATE TIME TIMESTAMP UNIT ANY, ARRAY<..>, MAP<.., ..>,
 * STRUCT<A .., B ..>, FN(.., ..) .. for a lambda, and single letters for generic types. Behind a type: ! primitive,
 * ... variadic, @ constant. Constant data, any thread.
 */
#ifndef ENGINE_FUNC_TABLE_H
#define ENGINE_FUNC_TABLE_H

#include "engine/func/agg.h"
#include "engine/func/call.h"
#include "engine/func/registry.h"

enum {
    FUNC_SEES_NULLS = 1, /* called with NULL arguments as well */
    FUNC_IS_VOLATILE = 2, /* another result at each call */
};

/* One overload. */
typedef struct func_def {
    const char *signature;
    func_row row;
    unsigned flags;
    func_type_rule rule;
    const char *doc;
    func_vector vector;
    const agg_class *agg;
} func_def;

/* A row of a table: FUNC("(val INT) INT", fn_abs, .flags = ...). */
#define FUNC(SIGNATURE, ROW, ...)                                                                                      \
    {                                                                                                                  \
        .signature = SIGNATURE, .row = ROW, ##__VA_ARGS__                                                              \
    }
/* The same for an aggregate. */
#define AGG(SIGNATURE, CLASS, ...)                                                                                     \
    {                                                                                                                  \
        .signature = SIGNATURE, .agg = CLASS, ##__VA_ARGS__                                                            \
    }

/* One name. */
typedef struct func_name {
    const char *name; /* as ksqlDB spells it */
    func_category category;
    const char *doc;
    const func_def *defs; /* ends with an empty signature */
} func_name;

/* The families; each ends with an empty name. */
extern const func_name func_family_basic[];
extern const func_name func_family_math[];
extern const func_name func_family_trig[];
extern const func_name func_family_string[];
extern const func_name func_family_mask[];
extern const func_name func_family_encode[];
extern const func_name func_family_regex[];
extern const func_name func_family_time[];
extern const func_name func_family_json[];
extern const func_name func_family_url[];
extern const func_name func_family_array[];
extern const func_name func_family_map[];
extern const func_name func_family_lambda[];
extern const func_name func_family_table[];
extern const func_name agg_family_basic[];
extern const func_name agg_family_stats[];
extern const func_name agg_family_collect[];
extern const func_name agg_family_offset[];
extern const func_name agg_family_topk[];

/* The first argument's type; the common DECIMAL rule. */
const type *func_rule_first(arena *a, const type *const *args, int count);

/* Parses a signature into f; programmer errors abort. */
struct func;
void func_parse_signature(arena *a, const char *signature, struct func *f);

/* Whether the type mentions a generic letter (ANY is none). */
bool func_has_generics(const type *t);

#endif

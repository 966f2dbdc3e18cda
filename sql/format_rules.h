/*
 * sql/format_rules.h - what each wire format can carry, and how keys and values choose their format and wrapping.
 *
 * One table of facts (reference: ksqlDB's Format classes and SerdeFeaturesFactory); no state, any thread.
 */
#ifndef SQL_FORMAT_RULES_H
#define SQL_FORMAT_RULES_H

#include "base/diag.h"
#include "engine/plan.h"

/* Facts about one format. */
typedef struct format_rules {
    const char *name;
    format_kind kind;
    bool as_key;
    bool as_value;
    bool wraps; /* can write one column as a record with one field */
    bool unwraps; /* can write one column bare */
    bool registry; /* its schemas live in the schema registry */
    bool many_keys; /* several key columns */
    bool nested; /* ARRAY, MAP and STRUCT */
    bool nested_key; /* the same inside a key */
} format_rules;

/* The facts about a format. */
const format_rules *format_rules_of(format_kind kind);
/* By name, without regard to case; NULL when there is no such format. */
const format_rules *format_rules_find(str name);

/* Can a column of this type be written? */
bool format_carries(format_kind kind, const type *t, bool key);

/* Is every column of that side writable in its format? Sets the error at `at` when not. */
bool format_check_schema(const format_spec *spec, const schema *s, bool key, span at, diag *d);

/*
 * The key format of new key columns when the user gave none: the inherited one where it can carry them, else JSON;
 * NONE without a key, and the default where NONE was inherited but there is a key (ksqlDB: sanitizeKeyFormat,
 * getSinkKeyFormat).
 */
format_spec format_key_for(format_spec inherited, const type *const *keys, int count, format_kind default_kind);

/* Sets `wrapped` for a key of `count` columns: a single one is bare where the format can do both. */
void format_wrap_key(format_spec *spec, int count);
/* Sets `wrapped` for a value of `count` columns; wish -1: the format's way, 0: bare, 1: wrapped, as far as it can. */
void format_wrap_value(format_spec *spec, int count, int wish);

#endif

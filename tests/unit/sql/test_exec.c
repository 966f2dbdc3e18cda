/* Statements: what they leave in the catalogue, the effects that they ask for, and what is refused where. */
#include "tests/unit/unit.h"

#include "tests/support/sql/world.h"

static world *w;

static void set_up(void)
{
    w = world_new();
}

static void tear_down(void)
{
    world_free(w);
}

#define TEST(name)                                                                                                     \
    static void body_##name(void);                                                                                     \
    START_TEST(name)                                                                                                   \
    {                                                                                                                  \
        set_up();                                                                                                      \
        body_##name();                                                                                                 \
        tear_down();                                                                                                   \
    }                                                                                                                  \
    END_TEST                                                                                                           \
    static void body_##name(void)

static const char S[] =
    "CREATE STREAM S (ID INT KEY, NAME STRING, V INT, D DECIMAL(4,2), A ARRAY<INT>, ST STRUCT<X INT, Y STRING>) "
    "WITH (KAFKA_TOPIC='t4', VALUE_FORMAT='JSON');";
static const char T[] = "CREATE TABLE T (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');";

/* ---- CREATE over a topic ---------------------------------------------------------------------------------- */

TEST(a_stream_keeps_keys_before_values)
{
    world_run(w, "CREATE STREAM X (V INT, K STRING KEY, `q` DOUBLE) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
    ck_assert_str_eq(world_schema(w, "X"), "`K` STRING KEY, `V` INTEGER, `q` DOUBLE");
    const source *s = catalog_source(w->catalog, STR("X"));
    ck_assert(s->key_format.spec.kind == FORMAT_KAFKA && s->value_format.spec.kind == FORMAT_JSON &&
              s->value_format.spec.wrapped);
    ck_assert_int_eq(w->out.effect_count, 0);
    ck_assert(str_eqz(w->out.result.message, "Stream created"));
}

TEST(a_missing_topic_is_made_when_partitions_are_given)
{
    world_run(w, "CREATE TABLE X (K STRING PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='new', PARTITIONS=3, REPLICAS=1, "
                 "VALUE_FORMAT='JSON');");
    const effect *e = world_effect(w, 0);
    ck_assert(e->kind == EFFECT_CREATE_TOPIC && str_eqz(e->topic, "new") && e->partitions == 3 && e->compact &&
              !e->expire);
    world_refuses(w, "CREATE STREAM Y (V INT) WITH (KAFKA_TOPIC='nope', VALUE_FORMAT='JSON');",
                  "Topic 'nope' does not exist", "KAFKA_TOPIC");
    world_refuses(w, "CREATE STREAM Y (V INT) WITH (KAFKA_TOPIC='t4', PARTITIONS=2, VALUE_FORMAT='JSON');",
                  "already exists, with different partition", "PARTITIONS");
}

TEST(definitions_that_break_a_rule_are_refused_where_they_do)
{
    world_refuses(w, "CREATE STREAM X (V INT, V STRING) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');",
                  "Duplicate column names", "V STRING");
    world_refuses(w, "CREATE STREAM X (ROWTIME BIGINT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');",
                  "reserved column name", "ROWTIME");
    world_refuses(w, "CREATE STREAM X (V INT) WITH (VALUE_FORMAT='JSON');", "Missing required property", "X (");
    world_refuses(w, "CREATE STREAM X (V INT) WITH (KAFKA_TOPIC='t1');", "missing the 'VALUE_FORMAT' property", NULL);
    world_refuses(w, "CREATE STREAM X (V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='YAML');", "Unknown format: YAML",
                  "'YAML'");
    world_refuses(w, "CREATE STREAM X (V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMT='JSON');",
                  "Invalid config variable(s)", "VALUE_FORMT");
    ck_assert_ptr_nonnull(strstr(w->d.hint, "VALUE_FORMAT"));
    world_refuses(w, "CREATE TABLE X (V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');",
                  "Tables require a PRIMARY KEY", NULL);
    world_refuses(w, "CREATE STREAM X (M MAP<STRING, INT> KEY, V INT) WITH (KAFKA_TOPIC='t1', FORMAT='JSON');",
                  "Map keys", NULL);
    world_refuses(w, "CREATE STREAM X (A INT KEY, B INT KEY, V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');",
                  "only supports a single field", NULL);
    world_refuses(w, "CREATE STREAM X (A ARRAY<INT>, B INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='DELIMITED');",
                  "does not support type 'ARRAY<INTEGER>'", "VALUE_FORMAT");
    world_refuses(w, "CREATE STREAM X (A MISSING) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');",
                  "unknown type: MISSING", "MISSING");
    world_refuses(w, "CREATE STREAM X (A STRING) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON', TIMESTAMP='A');",
                  "timestamp_format", "TIMESTAMP");
    world_refuses(w, "CREATE STREAM X (A BOOLEAN) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON', TIMESTAMP='A');",
                  "should be LONG", "TIMESTAMP");
    world_refuses(w,
                  "CREATE STREAM X (A INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='DELIMITED', WRAP_SINGLE_VALUE=true);",
                  "WRAP_SINGLE_VALUE", "WRAP_SINGLE_VALUE");
    world_refuses(w, "CREATE STREAM X (H STRING HEADERS) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');",
                  "Invalid type for HEADERS", "STRING HEADERS");
    world_refuses(
        w, "CREATE STREAM X (K INT KEY, V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON', WINDOW_TYPE='TUMBLING');",
        "WINDOW_SIZE", NULL);
}

TEST(a_taken_name_is_refused_or_skipped)
{
    world_run(w, S);
    world_refuses(w, S, "A stream with the same name already exists", "S (");
    world_run(w, "CREATE TABLE IF NOT EXISTS S (ID INT PRIMARY KEY) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
    ck_assert_int_eq(w->out.result.kind, RESULT_WARNING);
    ck_assert(w->out.after == NULL && w->out.effect_count == 0);
}

TEST(replacing_may_only_append_columns)
{
    world_run(w, T);
    world_run(w, "CREATE OR REPLACE TABLE T (ID INT PRIMARY KEY, V INT, W STRING) WITH (KAFKA_TOPIC='t1', "
                 "VALUE_FORMAT='JSON');");
    ck_assert_str_eq(world_schema(w, "T"), "`ID` INTEGER KEY, `V` INTEGER, `W` STRING");
    world_refuses(
        w, "CREATE OR REPLACE TABLE T (ID INT PRIMARY KEY, W STRING) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');",
        "Cannot upgrade", "T (");
}

TEST(altering_appends_value_columns)
{
    world_run(w, T);
    world_run(w, "ALTER TABLE T ADD COLUMN C STRING, ADD E BIGINT;");
    ck_assert_str_eq(world_schema(w, "T"), "`ID` INTEGER KEY, `V` INTEGER, `C` STRING, `E` BIGINT");
    world_refuses(w, "ALTER TABLE T ADD COLUMN V STRING;", "already exists", "V STRING");
    world_refuses(w, "ALTER STREAM T ADD COLUMN Z STRING;", "Incompatible data source type", "T ADD");
}

TEST(custom_types_are_expanded_where_they_are_used)
{
    world_run(w, "CREATE TYPE ADDRESS AS STRUCT<STREET STRING, NO INT>;");
    world_run(w, "CREATE STREAM X (A ADDRESS, L ARRAY<ADDRESS>) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
    ck_assert_str_eq(world_schema(w, "X"),
                     "`A` STRUCT<`STREET` STRING, `NO` INTEGER>, `L` ARRAY<STRUCT<`STREET` STRING, `NO` INTEGER>>");
    world_refuses(w, "CREATE TYPE ADDRESS AS INT;", "already registered", "ADDRESS");
    world_run(w, "DROP TYPE ADDRESS;");
    ck_assert_int_eq(w->catalog->type_count, 0);
    world_refuses(w, "DROP TYPE ADDRESS;", "does not exist", "ADDRESS");
}

/* ---- queries ---------------------------------------------------------------------------------------------- */

TEST(a_query_gets_ksqls_id_and_a_sink_like_its_source)
{
    world_run(w, S);
    w->next_id = 7;
    world_run(w, "CREATE STREAM `out` AS SELECT ID, V FROM S;");
    ck_assert_int_eq(w->out.effect_count, 2);
    const effect *e = world_effect(w, 0);
    ck_assert(e->kind == EFFECT_CREATE_TOPIC && str_eqz(e->topic, "out") && e->partitions == 4 && e->expire &&
              !e->compact);
    ck_assert_int_eq(world_effect(w, 1)->kind, EFFECT_START_QUERY);
    ck_assert(str_eqz(world_effect(w, 1)->query->id, "CSAS_OUT_7"));
    ck_assert(str_eqz(w->out.result.message, "Created query with ID CSAS_OUT_7"));
}

TEST(results_of_the_wrong_kind_are_refused)
{
    world_run(w, S);
    world_run(w, T);
    world_refuses(w, "CREATE TABLE X AS SELECT * FROM S;", "produces a STREAM", NULL);
    world_refuses(w, "CREATE STREAM X AS SELECT * FROM T;", "produces a TABLE", NULL);
}

TEST(replacing_a_query_keeps_its_id)
{
    world_run(w, S);
    world_run(w, "CREATE STREAM X AS SELECT ID, V FROM S;");
    world_run(w, "CREATE OR REPLACE STREAM X AS SELECT ID, V, NAME FROM S WHERE V > 3;");
    ck_assert_int_eq(world_effect(w, 0)->kind, EFFECT_REPLACE_QUERY);
    ck_assert(str_eqz(world_effect(w, 0)->query->id, "CSAS_X_0"));
    ck_assert_int_eq(w->catalog->query_count, 1);
    world_refuses(w, "CREATE OR REPLACE STREAM X AS SELECT ID, NAME FROM S;", "Cannot upgrade", "X AS");
}

TEST(insert_select_must_fit_its_target)
{
    world_run(w, S);
    world_run(w, "CREATE STREAM X (ID INT KEY, V BIGINT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
    world_run(w, "INSERT INTO X SELECT ID, V FROM S;");
    ck_assert(str_eqz(world_effect(w, 0)->query->id, "INSERTQUERY_0"));
    world_run(w, "INSERT INTO X WITH (QUERY_ID='mine') SELECT ID, V FROM S;");
    ck_assert(str_eqz(world_effect(w, 0)->query->id, "MINE"));
    world_refuses(w, "INSERT INTO X WITH (QUERY_ID='mine') SELECT ID, V FROM S;", "already exists", "QUERY_ID");
    world_refuses(w, "INSERT INTO X WITH (QUERY_ID='CSAS_1') SELECT ID, V FROM S;", "reserved query ID prefix",
                  "QUERY_ID");
    world_refuses(w, "INSERT INTO X SELECT ID, NAME FROM S;", "Incompatible schema", NULL);
    world_refuses(w, "INSERT INTO X SELECT ID, NAME AS V FROM S;", "Incompatible schema", NULL);
    world_run(w, T);
    world_refuses(w, "INSERT INTO T SELECT ID, V FROM S;", "T is a table", "T SELECT");
}

TEST(what_is_used_cannot_be_dropped)
{
    world_run(w, S);
    world_run(w, "CREATE STREAM X AS SELECT ID, V FROM S;");
    world_refuses(w, "DROP STREAM S;", "read from this source: [X]", "S;");
    world_run(w, "CREATE STREAM Y (ID INT KEY, V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
    world_run(w, "INSERT INTO Y SELECT ID, V FROM X;");
    world_refuses(w, "DROP STREAM X;", "INSERTQUERY_1", "X;");
    world_refuses(w, "DROP STREAM Y;", "INSERTQUERY_1", "Y;");
    world_run(w, "TERMINATE INSERTQUERY_1;");
    ck_assert_int_eq(world_effect(w, 0)->kind, EFFECT_STOP_QUERY);
    world_run(w, "DROP STREAM X DELETE TOPIC;");
    ck_assert_int_eq(w->out.effect_count, 2);
    ck_assert_int_eq(world_effect(w, 0)->kind, EFFECT_STOP_QUERY);
    ck_assert(world_effect(w, 1)->kind == EFFECT_DELETE_TOPIC && str_eqz(world_effect(w, 1)->topic, "X"));
    world_run(w, "DROP STREAM S; DROP STREAM IF EXISTS S;");
    ck_assert_int_eq(w->out.result.kind, RESULT_WARNING);
    world_refuses(w, "DROP TABLE Y;", "Incompatible data source type", "Y;");
    world_refuses(w, "DROP STREAM YY;", "YY does not exist", "YY");
    ck_assert_ptr_nonnull(strstr(w->d.hint, "Did you mean Y "));
}

TEST(pausing_twice_changes_nothing_the_second_time)
{
    world_run(w, S);
    world_run(w, "CREATE STREAM X AS SELECT ID, V FROM S;");
    world_run(w, "PAUSE CSAS_X_0;");
    ck_assert_int_eq(world_effect(w, 0)->kind, EFFECT_PAUSE_QUERY);
    ck_assert(catalog_find_query(w->catalog, STR("CSAS_X_0"))->paused);
    world_run(w, "PAUSE ALL;");
    ck_assert_int_eq(w->out.effect_count, 0);
    world_run(w, "RESUME CSAS_X_0;");
    ck_assert_int_eq(world_effect(w, 0)->kind, EFFECT_RESUME_QUERY);
}

TEST(a_source_table_is_kept_by_a_query_that_cannot_be_ended)
{
    world_run(w, "CREATE SOURCE TABLE ST (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');");
    ck_assert(world_effect(w, 0)->kind == EFFECT_START_QUERY && str_eqz(world_effect(w, 0)->query->id, "CST_ST_0"));
    world_refuses(w, "TERMINATE CST_ST_0;", "linked to a source table", "CST_ST_0");
    world_refuses(w, "INSERT INTO ST (ID, V) VALUES (1, 2);", "read-only", "ST (");
    world_refuses(w, "DROP TABLE ST DELETE TOPIC;", "read-only source", "ST DELETE");
    world_run(w, "DROP TABLE ST;");
    ck_assert_int_eq(w->catalog->query_count, 0);
}

/* ---- INSERT VALUES ---------------------------------------------------------------------------------------- */

TEST(values_become_a_row_of_the_target)
{
    world_run(w, S);
    world_run(w, "INSERT INTO S (V, ID, D, A, ROWTIME) VALUES ('12', 3, 1.5, ARRAY[1, 2], 99);");
    const effect *e = world_effect(w, 0);
    ck_assert(e->kind == EFFECT_INSERT && e->rowtime == 99 && !e->key_null);
    ck_assert(e->values[0].i == 3 && e->values[1].null && e->values[2].i == 12);
    ck_assert(e->values[3].dec == 150 && e->values[4].nest->n == 2 && e->values[5].null);
    world_run(w, "INSERT INTO S VALUES (1, UCASE('ab'), 1 + 1, 2, ARRAY[1], STRUCT(X := 1, Y := 'y'));");
    e = world_effect(w, 0);
    ck_assert(e->rowtime == 1000 && str_eqz(e->values[1].s, "AB") && e->values[2].i == 2);
    world_run(w, "INSERT INTO S (V) VALUES (1);");
    ck_assert(world_effect(w, 0)->key_null);
}

TEST(values_that_do_not_fit_are_refused)
{
    world_run(w, S);
    world_run(w, T);
    world_refuses(w, "INSERT INTO S (ID, V) VALUES (1);", "value for each column", NULL);
    world_refuses(w, "INSERT INTO S (ID, V) VALUES (1, 'x');", "Expected type INTEGER", "'x'");
    world_refuses(w, "INSERT INTO S (ID, V) VALUES (1, 9999999999);", "Expected type INTEGER", "9999999999");
    world_refuses(w, "INSERT INTO S (ID, D) VALUES (1, 1.234);", "Expected type DECIMAL(4, 2)", "1.234");
    world_refuses(w, "INSERT INTO S (ID, W) VALUES (1, 2);", "`W` does not exist", "W)");
    world_refuses(w, "INSERT INTO S (ID, V) VALUES (1, NAME);", "column reference", "NAME");
    world_refuses(w, "INSERT INTO S (ID, ROWOFFSET) VALUES (1, 2);", "not allowed", "ROWOFFSET");
    world_refuses(w, "INSERT INTO T (V) VALUES (1);", "primary key column(s) ID is required", NULL);
    world_refuses(w, "INSERT INTO SS (V) VALUES (1);", "unknown stream/table", "SS");
}

/* ---- sessions and the rest -------------------------------------------------------------------------------- */

TEST(settings_are_checked_by_name_and_value)
{
    world_run(w, "SET 'auto.offset.reset'='earliest';");
    ck_assert(str_eqz(settings_get(&w->session.settings, "auto.offset.reset"), "earliest"));
    world_refuses(w, "SET 'auto.offset.reset'='none';", "not valid for this property", "'none'");
    world_refuses(w, "SET 'auto.offset.rest'='earliest';", "Not recognizable", "'auto.offset.rest'");
    ck_assert_ptr_nonnull(strstr(w->d.hint, "auto.offset.reset"));
    world_refuses(w, "SET 'bootstrap.servers'='x';", "Cannot override property", "'bootstrap.servers'");
    world_run(w, "UNSET 'auto.offset.reset';");
    ck_assert(str_eqz(settings_get(&w->session.settings, "auto.offset.reset"), "latest"));
}

TEST(statements_of_later_versions_say_so)
{
    world_run(w, S);
    world_refuses(w, "CREATE SOURCE CONNECTOR C WITH ('connector.class'='x');", "not supported yet", "CREATE");
    ck_assert_int_eq(w->d.code, DIAG_UNSUPPORTED);
    world_refuses(w, "ASSERT TOPIC t1;", "not supported yet", "ASSERT");
}

TEST(a_snapshot_stays_as_it_is_while_others_change)
{
    world_run(w, S);
    catalog *held = catalog_ref(w->catalog);
    world_run(w, "DROP STREAM S;");
    world_run(w, T);
    ck_assert(catalog_source(held, STR("S")) != NULL && catalog_source(held, STR("T")) == NULL);
    ck_assert(catalog_source(w->catalog, STR("S")) == NULL);
    catalog_unref(held);
}

UNIT_MAIN("sql/exec", a_stream_keeps_keys_before_values, a_missing_topic_is_made_when_partitions_are_given,
          definitions_that_break_a_rule_are_refused_where_they_do, a_taken_name_is_refused_or_skipped,
          replacing_may_only_append_columns, altering_appends_value_columns,
          custom_types_are_expanded_where_they_are_used, a_query_gets_ksqls_id_and_a_sink_like_its_source,
          results_of_the_wrong_kind_are_refused, replacing_a_query_keeps_its_id, insert_select_must_fit_its_target,
          what_is_used_cannot_be_dropped, pausing_twice_changes_nothing_the_second_time,
          a_source_table_is_kept_by_a_query_that_cannot_be_ended, values_become_a_row_of_the_target,
          values_that_do_not_fit_are_refused, settings_are_checked_by_name_and_value,
          statements_of_later_versions_say_so, a_snapshot_stays_as_it_is_while_others_change)

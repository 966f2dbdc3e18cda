/* SHOW, DESCRIBE, sessions, and the catalogue's own arithmetic. */
#include "tests/unit/unit.h"

#include "tests/support/sql/world.h"

static world *w;

static void set_up(void)
{
    w = world_new();
    world_run(w, "CREATE STREAM B (ID INT KEY, V INT) WITH (KAFKA_TOPIC='t4', VALUE_FORMAT='JSON');"
                 "CREATE STREAM A (ID INT KEY, V INT) WITH (KAFKA_TOPIC='t4', VALUE_FORMAT='JSON');"
                 "CREATE TABLE T (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t1', VALUE_FORMAT='JSON');"
                 "CREATE STREAM X AS SELECT ID, V FROM A;");
}

static void tear_down(void)
{
    world_free(w);
}

START_TEST(sources_are_listed_by_kind_and_name)
{
    set_up();
    world_run(w, "SHOW STREAMS;");
    const sql_result *r = &w->out.result;
    ck_assert(r->kind == RESULT_SOURCES && r->source_count == 3 && !r->extended);
    ck_assert(str_eqz(r->sources[0]->name, "A") && str_eqz(r->sources[2]->name, "X"));
    world_run(w, "LIST TABLES EXTENDED;");
    ck_assert(r->kind == RESULT_DESCRIPTIONS && r->source_count == 1 && r->extended && r->tables);
    tear_down();
}
END_TEST

START_TEST(a_description_names_what_exists_or_what_was_meant)
{
    set_up();
    world_run(w, "DESCRIBE X EXTENDED;");
    ck_assert(w->out.result.kind == RESULT_DESCRIPTIONS && str_eqz(w->out.result.sources[0]->query_id, "CSAS_X_0"));
    world_refuses(w, "DESCRIBE XX;", "Could not find STREAM/TABLE 'XX'", "XX");
    ck_assert_ptr_nonnull(strstr(w->d.hint, "Did you mean X?"));
    world_run(w, "DESCRIBE FUNCTION ucase;");
    ck_assert(w->out.result.kind == RESULT_FUNCTION && str_eqz(w->out.result.functions[0]->name, "UCASE"));
    world_refuses(w, "DESCRIBE FUNCTION UCAS;", "Can't find any functions", NULL);
    tear_down();
}
END_TEST

START_TEST(queries_types_and_functions_are_listed)
{
    set_up();
    world_run(w, "SHOW QUERIES;");
    ck_assert(w->out.result.kind == RESULT_QUERIES && w->out.result.query_count == 1);
    ck_assert(str_eqz(w->out.result.queries[0]->sources[0], "A") && str_eqz(w->out.result.queries[0]->sink_topic, "X"));
    world_run(w, "CREATE TYPE P AS STRUCT<A INT>; SHOW TYPES;");
    ck_assert(w->out.result.kind == RESULT_TYPES && w->out.result.type_count == 1);
    world_run(w, "SHOW FUNCTIONS;");
    ck_assert(w->out.result.kind == RESULT_FUNCTIONS && w->out.result.function_count > 30);
    world_run(w, "SHOW ALL TOPICS EXTENDED;");
    ck_assert(w->out.result.kind == RESULT_TOPICS && w->out.result.all && w->out.result.extended);
    tear_down();
}
END_TEST

START_TEST(printing_a_topic_needs_the_topic)
{
    set_up();
    world_run(w, "PRINT t4 FROM BEGINNING INTERVAL 2 LIMIT 3;");
    const sql_print *p = &w->out.result.print;
    ck_assert(w->out.result.kind == RESULT_PRINT && str_eqz(p->topic, "t4") && p->from_beginning && p->every == 2 &&
              p->limit == 3);
    world_refuses(w, "PRINT T4;", "Could not find topic 'T4'", "T4");
    tear_down();
}
END_TEST

START_TEST(variables_belong_to_the_session)
{
    set_up();
    world_run(w, "DEFINE who = 'me';");
    str got;
    ck_assert(variables_get(&w->session.variables, STR("WHO"), &got) && str_eqz(got, "me"));
    world_run(w, "UNDEFINE who;");
    world_refuses(w, "UNDEFINE who;", "never defined", "who");
    tear_down();
}
END_TEST

START_TEST(push_queries_show_keys_among_their_columns)
{
    set_up();
    world_run(w, "SELECT V, ID FROM A EMIT CHANGES LIMIT 5;");
    const planned *p = w->out.result.push;
    ck_assert(w->out.result.kind == RESULT_PUSH && str_eqz(w->out.result.push_id, "A"));
    ck_assert(p->root->kind == PLAN_SINK && p->root->sink.topic.n == 0 && p->root->sink.limit == 5);
    ck_assert(p->schema->key_count == 1 && p->schema->count == 3);
    ck_assert(p->result_keys[0] == -1 && p->result_keys[1] == 0);
    ck_assert(w->out.after == NULL && w->out.effect_count == 0);
    tear_down();
}
END_TEST

START_TEST(replaying_statements_gives_the_same_catalogue)
{
    set_up();
    const char *statements[8];
    int n = 0;
    for (int i = 0; i < w->catalog->source_count; i++) {
        if (!w->catalog->sources[i]->created_as) statements[n++] = w->catalog->sources[i]->statement.p;
    }
    world *again = world_new();
    for (int i = 0; i < n; i++) world_run(again, statements[i]);
    world_run(again, w->catalog->queries[0]->statement.p);
    ck_assert_int_eq(again->catalog->source_count, w->catalog->source_count);
    for (int i = 0; i < w->catalog->source_count; i++) {
        char name[64] = {0};
        memcpy(name, w->catalog->sources[i]->name.p, w->catalog->sources[i]->name.n);
        ck_assert_str_eq(world_schema(again, name), world_schema(w, name));
    }
    ck_assert(str_eq(again->catalog->queries[0]->id, w->catalog->queries[0]->id));
    world_free(again);
    tear_down();
}
END_TEST

UNIT_MAIN("sql/show", sources_are_listed_by_kind_and_name, a_description_names_what_exists_or_what_was_meant,
          queries_types_and_functions_are_listed, printing_a_topic_needs_the_topic, variables_belong_to_the_session,
          push_queries_show_keys_among_their_columns, replaying_statements_gives_the_same_catalogue)

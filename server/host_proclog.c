/* The stream over the processing log, made as ksqlDB's server makes it (ProcessingLogServerUtils). */
#include "base/check.h"
#include "base/log.h"
#include "server/host_int.h"

/* The events that connect/proclog_topic.c writes; `WITH` follows. */
static const char columns[] =
    "(logger STRING, level STRING, time BIGINT, message STRUCT<type INT,"
    " deserializationError STRUCT<target STRING, errorMessage STRING, recordB64 STRING, cause ARRAY<STRING>,"
    " `topic` STRING, `partition` INT, `offset` BIGINT>,"
    " recordProcessingError STRUCT<errorMessage STRING, record STRING, cause ARRAY<STRING>,"
    " `topic` STRING, `partition` INT, `offset` BIGINT>,"
    " productionError STRUCT<errorMessage STRING, `topic` STRING, `partition` INT, `offset` BIGINT>,"
    " serializationError STRUCT<target STRING, errorMessage STRING, record STRING, cause ARRAY<STRING>,"
    " `topic` STRING, `partition` INT, `offset` BIGINT>,"
    " kafkaStreamsThreadError STRUCT<errorMessage STRING, threadName STRING, cause ARRAY<STRING>>>)";

static str create_text(host *h, arena *mem, str name)
{
    buf text = {0};
    broker_topic_info info;
    buf_add_z(&text, "CREATE STREAM ");
    schema_print_name(name, &text);
    buf_printf(&text, " %s WITH (KAFKA_TOPIC='%.*s', VALUE_FORMAT='JSON'", columns, STR_ARG(h->proclog_topic));
    if (!broker_topic_describe(h->options.broker, h->proclog_topic, mem, &info)) {
        buf_printf(&text, ", PARTITIONS=%lld",
                   (long long)config_int(h->options.config, "ksql.logging.processing.topic.partitions"));
    }
    buf_add_z(&text, ");");
    str copy = arena_str(mem, buf_str(&text));
    buf_free(&text);
    return copy;
}

/* In a new folder the statement is number 0, so that those of the user are numbered from 1 with and without it. */
static bool make_stream(host *h, arena *mem, str name, diag *d)
{
    sql_session session = {0};
    sql_outcome out = {0};
    host_topics *topics = ARENA_NEW(mem, host_topics);
    topics->host = h;
    int64_t now_ms = host_now(NULL).wall_ms, number;
    const ast_stmt *stmt;
    sql_env env = host_sql_env(h, topics, now_ms);
    bool ok = catalog_db_next(h->db, &number, d) &&
              parse_one(mem, create_text(h, mem, name), PARSE_SERVER, &stmt, d);
    if (ok && number == 1) number = 0;
    ok = ok && sql_execute(mem, h->catalog, &session, &env, stmt, number, &out, d) &&
         host_apply(h, stmt, &session, number, &out, now_ms, d);
    catalog_unref(out.after);
    sql_session_free(&session);
    return ok;
}

void host_make_log_stream(host *h)
{
    if (!config_bool(h->options.config, "ksql.logging.processing.stream.auto.create")) return;
    arena *mem = arena_new();
    str name = config_text(h->options.config, "ksql.logging.processing.stream.name");
    diag d = {0};
    if (!catalog_source(h->catalog, name) && !make_stream(h, mem, name, &d)) {
        log_warn("server", "the stream %.*s over the processing log was not made: %s", STR_ARG(name), d.text);
    }
    arena_free(mem);
}

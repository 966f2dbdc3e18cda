/* Which Kafka listeners the settings make. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "server/listeners.h"

static config *c;
static arena *a;
static diag d;
static size_t n;

/* The listeners of settings "name=value"; the last one is NULL. */
static const listener_spec *read_all(const char *const *settings)
{
    config_free(c);
    arena_free(a);
    c = config_new();
    a = arena_new();
    diag_clear(&d);
    for (; *settings; settings++) ck_assert_msg(config_set_pair(c, str_z(*settings), &d), "%s", d.text);
    return listeners_read(c, a, &n, &d);
}

#define READ(...) read_all((const char *const[]){__VA_ARGS__, NULL})

static void down(void)
{
    config_free(c);
    arena_free(a);
    c = NULL;
    a = NULL;
}

START_TEST(one_address_is_the_simple_form)
{
    const listener_spec *l = READ("kafka.listener=1234", "kafka.advertised.listener=there:9");
    ck_assert_msg(l && n == 1, "%s", d.text);
    ck_assert(str_eqz(l->name, "PLAINTEXT") && l->protocol == LISTENER_PLAINTEXT && !l->broker.login);
    ck_assert_str_eq(l->listen.host, "127.0.0.1");
    ck_assert_str_eq(l->advertised.host, "there");
    /* With a way to log in it has to be gone. */
    l = READ("kafka.listeners=h:1", "sasl.enabled.mechanisms=PLAIN", "sasl.jaas.config=users");
    ck_assert_msg(l && n == 1, "%s", d.text);
    ck_assert(str_eqz(l->name, "SASL_PLAINTEXT") && l->protocol == LISTENER_SASL_PLAINTEXT && l->broker.login);
    ck_assert(str_eqz(l->broker.mechanisms, "PLAIN") && str_eqz(l->broker.plain_users, "users"));
    l = READ("sasl.enabled.mechanisms=PLAIN", "kafka.listeners=PLAINTEXT://h:1");
    ck_assert(l && !l->broker.login);
    down();
}
END_TEST

START_TEST(what_holds_for_one_listener_wins)
{
    const listener_spec *l = READ(
        "kafka.listeners=SSL://h:1, in://h:2,OUT://[::1]:3", "kafka.advertised.listeners=out://x:4,SSL://y:0",
        "listener.security.protocol.map=IN:SASL_PLAINTEXT, OUT:SASL_SSL", "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256",
        "listener.name.out.sasl.enabled.mechanisms=SCRAM-SHA-512", "sasl.jaas.config=all",
        "listener.name.in.plain.sasl.jaas.config=some", "connections.max.reauth.ms=10",
        "listener.name.in.connections.max.reauth.ms=20", "listener.name.in.scram-sha-256.connections.max.reauth.ms=30",
        "ssl.keystore.location=k", "ssl.client.auth=required", "listener.name.out.ssl.keystore.location=own");
    ck_assert_msg(l && n == 3, "%s", d.text);
    ck_assert(l[0].protocol == LISTENER_SSL && !l[0].broker.login && str_eqz(l[0].tls.keystore_location, "k"));
    ck_assert(str_eqz(l[0].tls.client_auth, "required"));
    ck_assert_str_eq(l[0].advertised.host, "y");
    ck_assert(str_eqz(l[1].name, "IN") && l[1].protocol == LISTENER_SASL_PLAINTEXT);
    ck_assert(str_eqz(l[1].broker.plain_users, "some") && str_eqz(l[1].broker.mechanisms, "PLAIN,SCRAM-SHA-256"));
    ck_assert_int_eq(l[1].broker.reauth_ms[0], 20);
    ck_assert_int_eq(l[1].broker.reauth_ms[1], 30);
    ck_assert(l[1].advertised.host[0] == 0);
    ck_assert(l[2].protocol == LISTENER_SASL_SSL && str_eqz(l[2].broker.mechanisms, "SCRAM-SHA-512"));
    ck_assert(str_eqz(l[2].tls.keystore_location, "own") && str_eqz(l[2].broker.plain_users, "all"));
    ck_assert_int_eq(l[2].broker.reauth_ms[2], 10);
    ck_assert_str_eq(l[2].listen.host, "::1");
    ck_assert_int_eq(l[2].advertised.port, 4);
    /* Who logs in shows a certificate only where this very listener asks for one. */
    ck_assert(str_eqz(l[2].tls.client_auth, "none"));
    l = READ("kafka.listeners=SASL_SSL://h:1", "sasl.enabled.mechanisms=PLAIN",
             "listener.name.sasl_ssl.ssl.client.auth=requested");
    ck_assert(l && str_eqz(l->tls.client_auth, "requested"));
    down();
}
END_TEST

START_TEST(contradictions_are_refused)
{
    static const char *const cases[][4] = {
        {"kafka.listeners=,"},
        {"kafka.listeners=h:1,h:2"},
        {"kafka.listeners=A://h:1"},
        {"kafka.listeners=SSL://h:1,SSL://h:2"},
        {"kafka.listeners=SSL://h:1,PLAINTEXT://h:1"},
        {"kafka.listeners=A B://h:1", "listener.security.protocol.map=A B:SSL"},
        {"listener.security.protocol.map=PLAINTEXT:TLS"},
        {"listener.security.protocol.map=PLAINTEXT"},
        {"kafka.listeners=SASL_PLAINTEXT://h:1"},
        {"sasl.enabled.mechanisms=GSSAPI"},
        {"kafka.advertised.listeners=SSL://h:1"},
        {"kafka.advertised.listeners=h:1,h:2"},
        {"kafka.advertised.listeners=0.0.0.0:1"},
        {"kafka.listeners=SSL://h:1,PLAINTEXT://h:2", "kafka.advertised.listeners=h:1"},
        {"listener.name.ssl.ssl.client.auth=none"},
        {"listener.name.PLAINTEXT.ssl.client.auth=none"},
        {"listener.name.plaintext.ssl.client.auht=none"},
        {"listener.name.plaintext.gssapi.sasl.jaas.config=x"},
        {"listener.name.plaintext.worker.threads=1"},
        {"listener.name."},
        {"sasl.enabled.mechanisms=PLAIN", "connections.max.reauth.ms=-1"},
        {"sasl.enabled.mechanisms=PLAIN", "connections.max.reauth.ms=soon"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char first[64];
        snprintf(first, sizeof first, "%s%s", cases[i][0], strchr(cases[i][0], '=') ? "" : "=");
        ck_assert_msg(!READ(first, cases[i][1], cases[i][2]), "%s", cases[i][0]);
        ck_assert_msg(d.text[0], "%s", cases[i][0]);
    }
    down();
}
END_TEST

START_TEST(properties_files_are_read_as_java_reads_them)
{
    char path[] = "/tmp/weir-test-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "# a comment \\\n"
                               "ssl.keystore.key = -----BEGIN\\nx\\\\y\n"
                               "sasl.jaas.config=Module required \\\n"
                               "    user_a=\\\"b\\\" \\\n"
                               "    user_c=d;\r\n"
                               "  ksql.service.id=x\\";
    ck_assert_int_eq(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    c = config_new();
    str value;
    ck_assert_msg(config_read(c, path, &d), "%s", d.text);
    ck_assert(str_eqz(config_text(c, "ssl.keystore.key"), "-----BEGIN\nx\\y"));
    ck_assert(config_get(c, STR("sasl.jaas.config"), &value));
    ck_assert(str_eqz(value, "Module required user_a=\"b\" user_c=d;"));
    ck_assert(str_eqz(config_text(c, "ksql.service.id"), "x"));
    ck_assert(config_get(c, STR("sync.threads"), &value) && !config_get(c, STR("sync.thread"), &value));
    unlink(path);
    config_free(c);
    c = NULL;
}
END_TEST

UNIT_MAIN("server/listeners", one_address_is_the_simple_form, what_holds_for_one_listener_wins,
          contradictions_are_refused, properties_files_are_read_as_java_reads_them)

/* Logging in with PLAIN and SCRAM, and the users of SCRAM. */
#include "tests/unit/unit.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "broker/auth.h"
#include "tests/support/broker/client.h"

static bench t;
static int64_t lifetime; /* of the login, as the last SaslAuthenticate told it */

static void up(void)
{
    bench_config(&t, "sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");
    bench_config(
        &t, "sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_admin=\"secret\" user_bob=\"b\";");
    bench_open(&t);
}

static int16_t handshake(int conn, int16_t version, const char *mechanism)
{
    bench_begin(&t, 17, version);
    wire_put_str(&t.out, str_z(mechanism));
    wire_in in = bench_call(&t, conn);
    int16_t error = wire_i16(&in);
    ck_assert_int_eq(wire_len(&in, 1), error == KAFKA_ILLEGAL_SASL_STATE ? 0 : 3);
    ck_assert(error == KAFKA_ILLEGAL_SASL_STATE || str_eqz(wire_str(&in), "PLAIN"));
    return error;
}

/* SaslAuthenticate; a failure comes after its delay. */
static int16_t token(int conn, int16_t version, str bytes, buf *answer)
{
    wire_in in;
    bench_begin(&t, 36, version);
    wire_put_blob(&t.out, bytes);
    wire_put_tags(&t.out);
    bench_send(&t, conn);
    if (!bench_take(&t, conn, &in)) {
        bench_wait(&t, 99);
        ck_assert(!bench_take(&t, conn, &in));
        bench_wait(&t, 1);
        ck_assert(bench_take(&t, conn, &in));
        ck_assert(broker_conn_must_close(t.conns[conn]));
    }
    int16_t error = wire_i16(&in);
    ck_assert((wire_nstr(&in).p == NULL) == (error == 0));
    str given = wire_blob(&in);
    if (answer) buf_clear(answer);
    if (answer) buf_add_str(answer, given);
    int64_t told = version >= 1 ? wire_i64(&in) : 0;
    if (version >= 1) lifetime = told;
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return error;
}

static bool served(int conn)
{
    bench_begin(&t, 3, 1);
    wire_put_len(&t.out, 0);
    wire_in in;
    bench_send(&t, conn);
    return !t.closed && bench_take(&t, conn, &in);
}

START_TEST(nothing_is_served_before_the_login)
{
    up();
    ck_assert(!served(0));
    bench_hang_up(&t, 0);
    bench_begin(&t, 18, 0);
    bench_call(&t, 0);
    ck_assert_int_eq(handshake(0, 1, "PLAIN"), 0);
    ck_assert_int_eq(token(0, 2, STR("\0admin\0secret"), NULL), 0);
    ck_assert_int_eq(lifetime, 0);
    ck_assert(served(0));
    ck_assert_int_eq(handshake(0, 1, "PLAIN"), KAFKA_ILLEGAL_SASL_STATE);
    ck_assert(served(0));
    bench_close(&t);
}
END_TEST

static void log_in(int conn)
{
    ck_assert_int_eq(handshake(conn, 1, "PLAIN"), 0);
    ck_assert_int_eq(token(conn, 2, STR("\0admin\0secret"), NULL), 0);
    ck_assert_int_eq(lifetime, 5000);
    ck_assert(str_eqz(str_z(t.conns[conn]->login->user), "admin"));
}

START_TEST(a_login_that_ends_can_be_renewed)
{
    bench_config(&t, "connections.max.reauth.ms", "5000");
    up();
    log_in(0);
    bench_wait(&t, 4000);
    ck_assert(served(0));
    log_in(0);
    bench_wait(&t, 5000);
    ck_assert(served(0));
    /* Late, but the next thing that comes: good enough. */
    bench_wait(&t, 1);
    log_in(0);
    ck_assert(served(0));
    /* Twice within a second is refused, and does no harm. */
    ck_assert_int_eq(handshake(0, 1, "PLAIN"), KAFKA_ILLEGAL_SASL_STATE);
    ck_assert(served(0));
    bench_wait(&t, 5001);
    ck_assert(!served(0));
    bench_hang_up(&t, 0);
    /* The old handshake tells no lifetime, and its logins end all the same. */
    ck_assert_int_eq(handshake(0, 1, "PLAIN"), 0);
    ck_assert_int_eq(token(0, 0, STR("\0admin\0secret"), NULL), 0);
    bench_wait(&t, 5001);
    bench_begin(&t, 18, 0);
    bench_send(&t, 0);
    ck_assert(t.closed);
    bench_close(&t);
}
END_TEST

START_TEST(whoever_logs_in_again_stays_who_he_was)
{
    bench_config(&t, "connections.max.reauth.ms", "5000");
    up();
    log_in(0);
    ck_assert_int_eq(handshake(0, 1, "PLAIN"), 0);
    ck_assert(!served(0));
    bench_hang_up(&t, 0);
    log_in(0);
    ck_assert_int_eq(handshake(0, 1, "PLAIN"), 0);
    ck_assert_int_eq(token(0, 2, STR("\0bob\0b"), NULL), KAFKA_SASL_AUTHENTICATION_FAILED);
    bench_hang_up(&t, 0);
    log_in(0);
    ck_assert_int_eq(handshake(0, 1, "SCRAM-SHA-256"), 0);
    ck_assert_int_eq(token(0, 2, STR("n,,n=admin,r=x"), NULL), KAFKA_SASL_AUTHENTICATION_FAILED);
    bench_hang_up(&t, 0);
    log_in(0);
    ck_assert_int_eq(handshake(0, 1, "GSSAPI"), KAFKA_UNSUPPORTED_SASL_MECHANISM);
    ck_assert(broker_conn_must_close(t.conns[0]));
    bench_close(&t);
}
END_TEST

START_TEST(a_listener_of_its_own_decides_who_logs_in)
{
    static const broker_listener open = {.login = false},
                                 own = {.login = true,
                                        .mechanisms = {"PLAIN", 5},
                                        .plain_users = {"x user_eve=\"e\";", 15},
                                        .reauth_ms = {5000}};
    up();
    broker_conn_options options = {.peer_host = STR("10.0.0.9"), .advertised_host = STR("a"), .listener = &open};
    t.conns[0] = broker_conn_open(t.b, &options);
    ck_assert(served(0));
    ck_assert_ptr_null(t.conns[0]->login->user);
    broker_conn_identify(t.conns[0], STR("CN=someone"));
    ck_assert_str_eq(t.conns[0]->login->user, "CN=someone");
    ck_assert_int_eq(handshake(0, 1, "PLAIN"), KAFKA_ILLEGAL_SASL_STATE);
    ck_assert(served(0));
    options.listener = &own;
    t.conns[1] = broker_conn_open(t.b, &options);
    ck_assert(!served(1));
    bench_hang_up(&t, 1);
    t.conns[1] = broker_conn_open(t.b, &options);
    bench_begin(&t, 17, 1);
    wire_put_str(&t.out, STR("PLAIN"));
    wire_in in = bench_call(&t, 1);
    ck_assert_int_eq(wire_i16(&in), 0);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert_int_eq(token(1, 2, STR("\0eve\0e"), NULL), 0);
    ck_assert_int_eq(lifetime, 5000);
    ck_assert(served(1));
    bench_close(&t);
}
END_TEST

START_TEST(plain_knows_its_users)
{
    static const struct {
        str bytes;
        int16_t error;
    } cases[] = {{{"\0bob\0b", 6}, 0},
                 {{"bob\0bob\0b", 9}, 0},
                 {{"admin\0bob\0b", 11}, KAFKA_SASL_AUTHENTICATION_FAILED},
                 {{"\0bob\0c", 6}, KAFKA_SASL_AUTHENTICATION_FAILED},
                 {{"\0bob\0", 5}, KAFKA_SASL_AUTHENTICATION_FAILED},
                 {{"\0bo\0b", 5}, KAFKA_SASL_AUTHENTICATION_FAILED},
                 {{"\0bob\0b\0", 7}, KAFKA_SASL_AUTHENTICATION_FAILED},
                 {{"", 0}, KAFKA_SASL_AUTHENTICATION_FAILED}};
    up();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int16_t version = 0; version <= 2; version++) {
            ck_assert_int_eq(handshake(1, 1, "PLAIN"), 0);
            ck_assert_int_eq(token(1, version, cases[i].bytes, NULL), cases[i].error);
            bench_hang_up(&t, 1);
        }
    }
    ck_assert_int_eq(handshake(1, 1, "GSSAPI"), KAFKA_UNSUPPORTED_SASL_MECHANISM);
    ck_assert(broker_conn_must_close(t.conns[1]));
    bench_hang_up(&t, 1);
    ck_assert_int_eq(token(1, 2, STR("x"), NULL), KAFKA_ILLEGAL_SASL_STATE);
    bench_close(&t);
}
END_TEST

START_TEST(tokens_of_the_old_handshake_come_bare)
{
    up();
    ck_assert_int_eq(handshake(0, 0, "PLAIN"), 0);
    char frame[] = "\0admin\0secret";
    ck_assert(broker_conn_request(t.conns[0], (uint8_t *)frame, sizeof frame - 1, t.now));
    broker_response *r = broker_conn_take(t.conns[0]);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(r->size, 4);
    broker_response_free(r);
    ck_assert(served(0));
    ck_assert_int_eq(handshake(1, 0, "PLAIN"), 0);
    char wrong[] = "\0admin\0sesame";
    ck_assert(!broker_conn_request(t.conns[1], (uint8_t *)wrong, sizeof wrong - 1, t.now));
    bench_close(&t);
}
END_TEST

/* ---- SCRAM ------------------------------------------------------------------------------------------------------ */

static const EVP_MD *digest(int m)
{
    return m == SCRAM_SHA_512 ? EVP_sha512() : EVP_sha256();
}

static void salted(int m, const char *password, const char *salt, int iterations, uint8_t *out)
{
    ck_assert_int_eq(PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (const unsigned char *)salt, (int)strlen(salt),
                                       iterations, digest(m), (int)scram_key_size((scram_mechanism)m), out),
                     1);
}

static int16_t alter(int conn, int m, const char *user, const char *password, int32_t iterations, bool twice)
{
    uint8_t key[64];
    salted(m == SCRAM_SHA_512 ? m : SCRAM_SHA_256, password ? password : "", "salt of it", 4096, key);
    bench_begin(&t, 51, 0);
    wire_out *o = &t.out;
    wire_put_len(o, password ? 0 : 1);
    if (!password) {
        wire_put_str(o, str_z(user));
        wire_put_i8(o, (int8_t)m);
        wire_put_tags(o);
    }
    wire_put_len(o, password ? 1 + twice : 0);
    for (int i = 0; password && i <= twice; i++) {
        wire_put_str(o, str_z(user));
        wire_put_i8(o, (int8_t)m);
        wire_put_i32(o, iterations);
        wire_put_blob(o, STR("salt of it"));
        wire_put_blob(o, str_of((const char *)key, m == SCRAM_SHA_512 ? 64 : 32));
        wire_put_tags(o);
    }
    wire_put_tags(o);
    wire_in in = bench_call(&t, conn);
    wire_i32(&in);
    ck_assert_int_eq(wire_len(&in, 1), 1);
    ck_assert(str_eqz(wire_str(&in), user));
    int16_t error = wire_i16(&in);
    ck_assert((wire_nstr(&in).p == NULL) == (error == 0));
    wire_tags(&in);
    wire_tags(&in);
    ck_assert(!wire_failed(&in) && reader_left(&in.r) == 0);
    return error;
}

static void mac(int m, const uint8_t *key, const char *text, uint8_t *out)
{
    unsigned n;
    HMAC(digest(m), key, (int)scram_key_size((scram_mechanism)m), (const unsigned char *)text, strlen(text), out, &n);
}

/* The client's side of a login: the error of the step that ended it. */
static int16_t scram_login(int conn, int m, const char *user, const char *password)
{
    buf answer = {0};
    char first[200], final[500], all[1000], proof64[200];
    uint8_t key[64], client_key[64], stored[64], signature[64], server_key[64];
    size_t size = scram_key_size((scram_mechanism)m);
    ck_assert_int_eq(handshake(conn, 1, scram_name((scram_mechanism)m)), 0);
    snprintf(first, sizeof first, "n,,n=%s,r=clientnonce", user);
    int16_t error = token(conn, 2, str_z(first), &answer);
    if (error != 0) {
        buf_free(&answer);
        return error;
    }
    char nonce[100], salt64[100], server_first[300];
    int iterations;
    snprintf(server_first, sizeof server_first, "%.*s", (int)answer.len, answer.data);
    ck_assert_int_eq(sscanf(server_first, "r=%99[^,],s=%99[^,],i=%d", nonce, salt64, &iterations), 3);
    ck_assert(strncmp(nonce, "clientnonce", 11) == 0 && strlen(nonce) > 30);
    ck_assert_str_eq(salt64, "c2FsdCBvZiBpdA==");
    salted(m, password, "salt of it", iterations, key);
    mac(m, key, "Client Key", client_key);
    EVP_Digest(client_key, size, stored, NULL, digest(m), NULL);
    snprintf(final, sizeof final, "c=biws,r=%s", nonce);
    snprintf(all, sizeof all, "%s,%s,%s", first + 3, server_first, final);
    mac(m, stored, all, signature);
    for (size_t i = 0; i < size; i++) signature[i] ^= client_key[i];
    proof64[base64_encode(signature, size, proof64)] = '\0';
    snprintf(final + strlen(final), sizeof final - strlen(final), ",p=%s", proof64);
    error = token(conn, 2, str_z(final), &answer);
    if (error == 0) {
        mac(m, key, "Server Key", server_key);
        mac(m, server_key, all, signature);
        char want[200] = "v=";
        want[2 + base64_encode(signature, size, want + 2)] = '\0';
        ck_assert(str_eqz(buf_str(&answer), want));
    }
    buf_free(&answer);
    return error;
}

static void log_in_as_admin(int conn)
{
    ck_assert_int_eq(handshake(conn, 1, "PLAIN"), 0);
    ck_assert_int_eq(token(conn, 2, STR("\0admin\0secret"), NULL), 0);
}

START_TEST(scram_users_log_in_also_after_restarts)
{
    up();
    log_in_as_admin(0);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "carol", "pass256", 4096, false), 0);
    ck_assert_int_eq(alter(0, SCRAM_SHA_512, "carol", "pass512", 4096, false), 0);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(scram_login(1, SCRAM_SHA_256, "carol", "pass256"), 0);
        ck_assert(served(1));
        bench_hang_up(&t, 1);
        ck_assert_int_eq(scram_login(1, SCRAM_SHA_512, "carol", "pass512"), 0);
        ck_assert(served(1));
        bench_hang_up(&t, 1);
        ck_assert_int_eq(scram_login(1, SCRAM_SHA_256, "carol", "pass512"), KAFKA_SASL_AUTHENTICATION_FAILED);
        bench_hang_up(&t, 1);
        ck_assert_int_eq(scram_login(1, SCRAM_SHA_256, "dave", "pass256"), KAFKA_SASL_AUTHENTICATION_FAILED);
        if (round == 0) bench_restart(&t);
        if (round == 1) bench_power_loss(&t, 5);
    }
    log_in_as_admin(0);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "carol", NULL, 0, false), 0);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "carol", NULL, 0, false), KAFKA_RESOURCE_NOT_FOUND);
    bench_hang_up(&t, 1);
    ck_assert_int_eq(scram_login(1, SCRAM_SHA_256, "carol", "pass256"), KAFKA_SASL_AUTHENTICATION_FAILED);
    bench_close(&t);
}
END_TEST

START_TEST(credentials_are_checked_and_described)
{
    up();
    log_in_as_admin(0);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "u", "p", 4095, false), KAFKA_UNACCEPTABLE_CREDENTIAL);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "u", "p", 16385, false), KAFKA_UNACCEPTABLE_CREDENTIAL);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "", "p", 4096, false), KAFKA_UNACCEPTABLE_CREDENTIAL);
    ck_assert_int_eq(alter(0, 0, "u", "p", 4096, false), KAFKA_UNSUPPORTED_SASL_MECHANISM);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "u", "p", 4096, true), KAFKA_DUPLICATE_RESOURCE);
    ck_assert_int_eq(alter(0, SCRAM_SHA_256, "u", "p", 5000, false), 0);
    for (int all = 0; all < 2; all++) {
        bench_begin(&t, 50, 0);
        wire_put_len(&t.out, all ? -1 : 2);
        for (int i = 0; !all && i < 2; i++) {
            wire_put_str(&t.out, i ? STR("nobody") : STR("u"));
            wire_put_tags(&t.out);
        }
        wire_put_tags(&t.out);
        wire_in in = bench_call(&t, 0);
        wire_i32(&in);
        ck_assert_int_eq(wire_i16(&in), 0);
        wire_nstr(&in);
        ck_assert_int_eq(wire_len(&in, 1), all ? 1 : 2);
        ck_assert(str_eqz(wire_str(&in), "u"));
        ck_assert_int_eq(wire_i16(&in), 0);
        wire_nstr(&in);
        ck_assert_int_eq(wire_len(&in, 1), 1);
        ck_assert_int_eq(wire_i8(&in), SCRAM_SHA_256);
        ck_assert_int_eq(wire_i32(&in), 5000);
        wire_tags(&in);
        wire_tags(&in);
        if (!all) {
            ck_assert(str_eqz(wire_str(&in), "nobody"));
            ck_assert_int_eq(wire_i16(&in), KAFKA_RESOURCE_NOT_FOUND);
        }
        ck_assert(!wire_failed(&in));
    }
    bench_close(&t);
}
END_TEST

START_TEST(malformed_scram_messages_are_refused)
{
    static const char *const firsts[] = {
        "",          "n",      "n,",           "p=x,,n=u,r=a",  "n,,n=,r=a",     "n,,n=u",
        "n,,n=u,r=", "n,,r=a", "n,,n=u=2,r=a", "n,,n=u=20,r=a", "n,a=v,n=u,r=a", "n,b=u,n=u,r=a"};
    arena *a = arena_new();
    scram_exchange x;
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        ck_assert_msg(!scram_first(&x, SCRAM_SHA_256, str_z(firsts[i]), a), "%s", firsts[i]);
    ck_assert(scram_first(&x, SCRAM_SHA_256, STR("n,a=u=2Cv,n=u=2Cv,r=abc,ext=1"), a));
    ck_assert(str_eqz(x.user, "u,v"));
    scram_credential c = {.iterations = 4096, .salt_len = 4};
    uint8_t random[18] = {1};
    str answer;
    scram_challenge(&x, &c, random, a);
    static const char *const finals[] = {"", "c=biws", "c=biws,r=abc", "c=biws,r=abc,p=AA==", "p=AA==", "c=,r=,p="};
    for (size_t i = 0; i < sizeof finals / sizeof *finals; i++)
        ck_assert(!scram_final(&x, &c, str_z(finals[i]), a, &answer));
    arena_free(a);
}
END_TEST

UNIT_MAIN("broker/sasl", nothing_is_served_before_the_login, plain_knows_its_users, a_login_that_ends_can_be_renewed,
          whoever_logs_in_again_stays_who_he_was, a_listener_of_its_own_decides_who_logs_in,
          tokens_of_the_old_handshake_come_bare, scram_users_log_in_also_after_restarts,
          credentials_are_checked_and_described, malformed_scram_messages_are_refused)

/* TLS connections against OpenSSL's own client, and the names that certificates give. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "server/tls.h"
#include "server/tls_name.h"

/* A key with a certificate. */
typedef struct identity {
    EVP_PKEY *key;
    X509 *cert;
} identity;

static identity make(const char *name, const identity *issuer)
{
    identity x = {EVP_EC_gen("P-256"), X509_new()};
    X509_set_version(x.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x.cert), issuer ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(x.cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(x.cert), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x.cert), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                               0);
    X509_set_issuer_name(x.cert, X509_get_subject_name(issuer ? issuer->cert : x.cert));
    X509_set_pubkey(x.cert, x.key);
    X509_EXTENSION *e =
        X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    X509_add_ext(x.cert, e, -1);
    X509_EXTENSION_free(e);
    ck_assert_int_gt(X509_sign(x.cert, issuer ? issuer->key : x.key, EVP_sha256()), 0);
    return x;
}

static void drop(identity x)
{
    EVP_PKEY_free(x.key);
    X509_free(x.cert);
}

/* PEM as a setting holds it. */
static str pem_of(const identity *x, bool key)
{
    static char texts[4][4096];
    static int next;
    char *text = texts[next++ % 4], *bytes;
    BIO *b = BIO_new(BIO_s_mem());
    if (key)
        PEM_write_bio_PrivateKey(b, x->key, NULL, NULL, 0, NULL, NULL);
    else
        PEM_write_bio_X509(b, x->cert);
    long n = BIO_get_mem_data(b, &bytes);
    ck_assert_int_lt(n, 4096);
    memcpy(text, bytes, (size_t)n);
    BIO_free(b);
    return str_of(text, (size_t)n);
}

/* Both ends of a connection. */
typedef struct pair {
    identity ca, own, client;
    tls_context *x;
    tls *server;
    SSL_CTX *ctx;
    SSL *ssl;
    int fds[2];
    buf got; /* what the server read */
    tls_status last;
} pair;

static void open_pair(pair *p, tls_options o, int version, bool with_client)
{
    diag d = {0};
    *p = (pair){.ca = make("ca", NULL)};
    p->own = make("server", &p->ca);
    p->client = make("alice", &p->ca);
    o.keystore_key = pem_of(&p->own, true);
    o.keystore_certificate_chain = pem_of(&p->own, false);
    o.truststore_certificates = pem_of(&p->ca, false);
    p->x = tls_context_new(&o, &d);
    ck_assert_msg(p->x, "%s", d.text);
    p->server = tls_new(p->x);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
    p->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(p->ctx, version);
    SSL_CTX_set_max_proto_version(p->ctx, version);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(p->ctx), p->ca.cert);
    SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, NULL);
    if (with_client) {
        SSL_CTX_use_certificate(p->ctx, p->client.cert);
        SSL_CTX_use_PrivateKey(p->ctx, p->client.key);
    }
    p->ssl = SSL_new(p->ctx);
    SSL_set_fd(p->ssl, p->fds[1]);
    SSL_set_connect_state(p->ssl);
}

static void close_pair(pair *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    tls_free(p->server);
    tls_context_free(p->x);
    drop(p->ca);
    drop(p->own);
    drop(p->client);
    close(p->fds[0]);
    close(p->fds[1]);
    buf_free(&p->got);
}

/* The server reads once and sends what it has. */
static tls_status serve(pair *p)
{
    static uint8_t room[TLS_READ_MIN];
    size_t got;
    p->last = tls_read(p->server, p->fds[0], room, sizeof room, &got);
    buf_add(&p->got, room, got);
    tls_flush(p->server, p->fds[0]);
    return p->last;
}

/* Handshake by turns; false when either end gave up. */
static bool shake(pair *p)
{
    for (int i = 0; i < 20; i++) {
        int done = SSL_do_handshake(p->ssl);
        if (done != 1 && SSL_get_error(p->ssl, done) != SSL_ERROR_WANT_READ) return false;
        tls_status status = serve(p);
        if (status == TLS_FAILED || status == TLS_END) return false;
        if (done == 1 && tls_ready(p->server)) return true;
    }
    return false;
}

START_TEST(bytes_pass_in_both_directions)
{
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        pair p;
        open_pair(&p, (tls_options){0}, version, false);
        ck_assert(!tls_context_authenticates(p.x));
        ck_assert(shake(&p));
        buf name = {0};
        ck_assert_int_eq(tls_principal(p.server, &name), 0);
        enum { ALL = 500000 };
        uint8_t *sent = malloc(ALL), *back = malloc(ALL);
        for (int i = 0; i < ALL; i++) sent[i] = (uint8_t)(i * 7 + i / 251);
        size_t at = 0;
        for (int i = 0; p.got.len < ALL && i < 10000; i++) {
            if (at < ALL) {
                int n = SSL_write(p.ssl, sent + at, ALL - at < 20000 ? (int)(ALL - at) : 20000);
                if (n > 0) at += (size_t)n;
            }
            ck_assert(serve(&p) != TLS_FAILED);
        }
        ck_assert(p.got.len == ALL && memcmp(p.got.data, sent, ALL) == 0);
        ck_assert(tls_write(p.server, sent, ALL));
        at = 0;
        for (int i = 0; at < ALL && i < 10000; i++) {
            ck_assert(tls_flush(p.server, p.fds[0]) != TLS_FAILED);
            int n = SSL_read(p.ssl, back + at, (int)(ALL - at));
            if (n > 0) at += (size_t)n;
        }
        ck_assert(at == ALL && memcmp(back, sent, ALL) == 0);
        ck_assert_int_eq(tls_flush(p.server, p.fds[0]), TLS_OK);
        ck_assert_int_eq(tls_waiting(p.server), 0);
        tls_goodbye(p.server);
        ck_assert_int_eq(tls_flush(p.server, p.fds[0]), TLS_OK);
        ck_assert_int_eq(SSL_get_error(p.ssl, SSL_read(p.ssl, back, 1)), SSL_ERROR_ZERO_RETURN);
        SSL_shutdown(p.ssl);
        ck_assert_int_eq(serve(&p), TLS_END);
        free(sent);
        free(back);
        close_pair(&p);
    }
}
END_TEST

START_TEST(certificates_of_clients_are_asked_for_and_named)
{
    static const struct {
        const char *auth, *rules, *name;
        bool shown, good;
    } cases[] = {
        {"none", "", NULL, true, true},
        {"requested", "", NULL, false, true},
        {"requested", "", "CN=alice", true, true},
        {"required", "RULE:^CN=(.*)$/$1/U,DEFAULT", "ALICE", true, true},
        {"required", "RULE:^OU=(.*)$/$1/", "", true, true},
        {"required", "", NULL, false, false},
    };
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            pair p;
            tls_options o = {.client_auth = str_z(cases[i].auth), .principal_mapping_rules = str_z(cases[i].rules)};
            open_pair(&p, o, version, cases[i].shown);
            ck_assert_int_eq(shake(&p), cases[i].good);
            ck_assert_int_eq(tls_context_authenticates(p.x), strcmp(cases[i].auth, "required") == 0);
            buf name = {0};
            int shown = cases[i].good ? tls_principal(p.server, &name) : 0;
            ck_assert_int_eq(shown, !cases[i].name ? 0 : cases[i].name[0] ? 1 : -1);
            if (shown > 0) ck_assert_str_eq(buf_z(&name), cases[i].name);
            if (shown < 0) ck_assert(strstr(tls_error(p.server), "CN=alice"));
            if (!cases[i].good) ck_assert(strstr(tls_error(p.server), "certificate"));
            buf_free(&name);
            close_pair(&p);
        }
    }
}
END_TEST

START_TEST(a_client_that_only_provokes_answers_is_cut_off)
{
    pair p;
    open_pair(&p, (tls_options){0}, TLS1_3_VERSION, false);
    ck_assert(shake(&p));
    /* Each asks for new keys, which are told in an answer that nobody reads. */
    bool cut = false;
    for (int i = 0; i < 200000 && !cut; i++) {
        char byte = 0;
        if (SSL_key_update(p.ssl, SSL_KEY_UPDATE_REQUESTED) == 1) SSL_write(p.ssl, &byte, 1);
        size_t got;
        static uint8_t room[TLS_READ_MIN];
        cut = tls_read(p.server, p.fds[0], room, sizeof room, &got) == TLS_FAILED;
        if (got > 0 && !cut) cut = !tls_write(p.server, room, got);
        ck_assert_int_le(tls_waiting(p.server), 1 << 20);
    }
    ck_assert(cut);
    close_pair(&p);
}
END_TEST

START_TEST(garbage_and_truncation_end_a_connection_and_nothing_else)
{
    pair p, q;
    open_pair(&p, (tls_options){0}, TLS1_3_VERSION, false);
    ck_assert_int_eq(write(p.fds[1], "GET / HTTP/1.1\r\n", 16), 16);
    ck_assert_int_eq(serve(&p), TLS_FAILED);
    ck_assert_str_eq(tls_error(p.server), "http request");
    ck_assert_int_eq(serve(&p), TLS_FAILED);
    ck_assert(!tls_write(p.server, "x", 1));
    close_pair(&p);
    open_pair(&q, (tls_options){0}, TLS1_2_VERSION, false);
    ck_assert_int_eq(SSL_do_handshake(q.ssl), -1);
    ck_assert_int_eq(serve(&q), TLS_OK);
    ck_assert_int_eq(serve(&q), TLS_AGAIN);
    shutdown(q.fds[1], SHUT_WR);
    ck_assert_int_eq(serve(&q), TLS_END);
    ck_assert(!tls_ready(q.server));
    close_pair(&q);
}
END_TEST

START_TEST(handshakes_take_only_a_part_of_a_turn)
{
    pair p;
    open_pair(&p, (tls_options){0}, TLS1_3_VERSION, false);
    ck_assert(shake(&p));
    char hello[4096];
    BIO *out = BIO_new(BIO_s_mem());
    SSL *client = SSL_new(p.ctx);
    SSL_set_bio(client, BIO_new(BIO_s_mem()), out);
    SSL_set_connect_state(client);
    SSL_do_handshake(client);
    int n = BIO_read(out, hello, sizeof hello);
    ck_assert_int_gt(n, 0);
    for (int turn = 0; turn < 3; turn++) {
        tls *waiting = NULL;
        tls_context_turn(p.x);
        int i = 0;
        for (; i < 10000 && !waiting; i++) {
            int fds[2];
            uint8_t room[TLS_READ_MIN];
            size_t got;
            tls *t = tls_new(p.x);
            ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
            ck_assert_int_eq(write(fds[1], hello, (size_t)n), n);
            if (tls_must_wait(t))
                waiting = t;
            else
                ck_assert_int_eq(tls_read(t, fds[0], room, sizeof room, &got), TLS_OK);
            if (!waiting) tls_free(t);
            close(fds[0]);
            close(fds[1]);
        }
        ck_assert(waiting && i > 1);
        ck_assert(!tls_must_wait(p.server));
        tls_context_turn(p.x);
        ck_assert(!tls_must_wait(waiting));
        tls_free(waiting);
    }
    SSL_free(client);
    close_pair(&p);
}
END_TEST

START_TEST(versions_and_suites_can_be_chosen)
{
    static const struct {
        const char *protocols, *suites;
        int version;
        const char *suite;
    } cases[] = {
        {"TLSv1.3", "", TLS1_3_VERSION, ""},
        {"TLSv1.3", "", TLS1_2_VERSION, NULL},
        {"TLSv1.2", "", TLS1_3_VERSION, NULL},
        {"", "TLS_AES_128_GCM_SHA256", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
        {"", "TLS_AES_128_GCM_SHA256", TLS1_2_VERSION, NULL},
        {"", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", TLS1_2_VERSION, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
        {"", "ECDHE-ECDSA-AES128-GCM-SHA256 , TLS_AES_256_GCM_SHA384", TLS1_2_VERSION,
         "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
        {"", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", TLS1_3_VERSION, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        pair p;
        tls_options o = {.enabled_protocols = str_z(cases[i].protocols), .cipher_suites = str_z(cases[i].suites)};
        open_pair(&p, o, cases[i].version, false);
        ck_assert_msg(shake(&p) == (cases[i].suite != NULL), "case %zu", i);
        if (cases[i].suite && cases[i].suite[0]) {
            ck_assert_str_eq(SSL_CIPHER_standard_name(SSL_get_current_cipher(p.ssl)), cases[i].suite);
        }
        close_pair(&p);
    }
    static const tls_options wrong[] = {
        {.enabled_protocols = {"TLSv1.1", 7}},
        {.cipher_suites = {"ALL", 3}},
        {.cipher_suites = {"TLS_NO_SUCH", 11}},
        {.enabled_protocols = {"TLSv1.3", 7}, .cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", 39}},
        {.client_auth = {"maybe", 5}},
        {.principal_mapping_rules = {"RULE:x", 6}},
    };
    identity own = make("own", NULL), other = make("other", NULL);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        tls_options o = wrong[i];
        diag d = {0};
        o.keystore_key = pem_of(&own, true);
        o.keystore_certificate_chain = pem_of(&own, false);
        ck_assert_msg(!tls_context_new(&o, &d) && d.text[0], "case %zu", i);
    }
    diag d = {0};
    tls_options mixed = {.keystore_key = pem_of(&own, true), .keystore_certificate_chain = pem_of(&other, false)};
    ck_assert(!tls_context_new(&mixed, &d));
    ck_assert(strstr(d.text, "no certificate belongs"));
    drop(own);
    drop(other);
}
END_TEST

/* ---- names --------------------------------------------------------------------------------------------------- */

START_TEST(names_are_written_as_java_writes_them)
{
    /* What X500Principal.getName() of OpenJDK 17 says of the same subjects. */
    static const struct {
        const char *parts[10][2];
        const char *text;
    } cases[] = {
        {{{"C", "DE"}, {"O", "Weir"}, {"CN", "alice"}}, "CN=alice,O=Weir,C=DE"},
        {{{"L", " lead#x "}, {"O", "A, B; \"C\" <x>=y\\z"}, {"OU", "a"}, {"+UID", "u1"}, {"CN", "\xc3\x9cn\xc3\xaf"}},
         "CN=\xc3\x9cn\xc3\xaf,OU=a+UID=u1,O=A\\, B\\; \\\"C\\\" \\<x\\>\\=y\\\\z,L=\\ lead\\#x\\ "},
        {{{"emailAddress", "a@b.c"}, {"DC", "dc1"}, {"street", "Main St"}, {"serialNumber", "12"}, {"title", "Dr"}},
         "2.5.4.12=#0c024472,2.5.4.5=#13023132,STREET=Main St,DC=dc1,1.2.840.113549.1.9.1=#16056140622e63"},
        {{{"CN", "#hash"}, {"CN", " two  "}, {"CN", "a  b"}}, "CN=a  b,CN=\\ two\\ \\ ,CN=\\#hash"},
        {{{NULL}}, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        X509_NAME *name = X509_NAME_new();
        for (size_t k = 0; cases[i].parts[k][0]; k++) {
            const char *type = cases[i].parts[k][0];
            bool same = type[0] == '+';
            int good = X509_NAME_add_entry_by_txt(name, type + same, MBSTRING_UTF8,
                                                  (const unsigned char *)cases[i].parts[k][1], -1, -1, same ? -1 : 0);
            ck_assert_int_eq(good, 1);
        }
        buf out = {0};
        tls_name_write(name, &out);
        ck_assert_str_eq(buf_z(&out), cases[i].text);
        buf_free(&out);
        X509_NAME_free(name);
    }
}
END_TEST

START_TEST(rules_map_names_as_kafkas_do)
{
    static const char name[] = "CN=Duke,OU=ServiceUsers,O=Org,C=US";
    static const struct {
        const char *rules, *mapped;
    } cases[] = {
        {"DEFAULT", name},
        {"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/", "Duke"},
        {"RULE:^CN=(.*?),OU=ServiceUsers.*$/$1@$2/L", "duke@$2"},
        {"RULE:^CN=(.*?),OU=Admin.*$/$1/,RULE:^CN=(.*?), *OU=(.*?),.*$/$1-$2/U, DEFAULT", "DUKE-SERVICEUSERS"},
        {"RULE:^OU=x$/y/,DEFAULT", name},
        {"RULE:CN=Duke/x/", NULL},
        {"RULE:.*\\/.*/x/", NULL},
        {" , DEFAULT ,", name},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        diag d = {0};
        buf out = {0};
        tls_rules *rules = tls_rules_new(str_z(cases[i].rules), &d);
        ck_assert_msg(rules, "%s: %s", cases[i].rules, d.text);
        ck_assert_int_eq(tls_rules_apply(rules, STR(name), &out), cases[i].mapped != NULL);
        if (cases[i].mapped) ck_assert_str_eq(buf_z(&out), cases[i].mapped);
        buf_free(&out);
        tls_rules_free(rules);
    }
    static const char *const wrong[] = {"default", "RULE:a", "RULE:a/b", "RULE:(/b/", "RULE:a/b/X", "DEFAULT DEFAULT"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        diag d = {0};
        ck_assert_msg(!tls_rules_new(str_z(wrong[i]), &d) && d.text[0], "%s", wrong[i]);
    }
}
END_TEST

UNIT_MAIN("server/tls", bytes_pass_in_both_directions, certificates_of_clients_are_asked_for_and_named,
          a_client_that_only_provokes_answers_is_cut_off, garbage_and_truncation_end_a_connection_and_nothing_else,
          handshakes_take_only_a_part_of_a_turn, versions_and_suites_can_be_chosen,
          names_are_written_as_java_writes_them, rules_map_names_as_kafkas_do)

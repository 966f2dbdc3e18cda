#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "server/tls_int.h"

enum { STORE_BYTES_MAX = 16 << 20, PEM_LINE = 64, LIST_BYTES_MAX = 4096 };

/* What a keystore or a truststore held. */
typedef struct store {
    EVP_PKEY *key;
    STACK_OF(X509) * certs; /* in their order */
} store;

static void store_free(store *s)
{
    EVP_PKEY_free(s->key);
    sk_X509_pop_free(s->certs, X509_free);
}

/* OpenSSL's reason for what just failed. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return text ? text : "unknown reason";
}

/* ---- reading stores ------------------------------------------------------------------------------------------- */

static bool read_whole(str path, buf *out, diag *d)
{
    file *f = NULL;
    uint64_t size = 0;
    size_t got = 0;
    buf name = {0};
    buf_add_str(&name, path);
    bool good = fs_open(fs_real(), buf_z(&name), FILE_READONLY, &f, d) && file_size(f, &size, d);
    if (good && size > STORE_BYTES_MAX)
        good = diag_set(d, DIAG_LIMIT, "%s is too large for a store of keys", buf_z(&name));
    if (good) good = file_read(f, 0, buf_reserve(out, size + 1), size, &got, d);
    if (good) out->len = got;
    file_close(f);
    buf_free(&name);
    return good;
}

/*
 * Settings hold PEM on one line, with spaces or the two characters \n where lines should end: it is cut into lines as
 * OpenSSL wants them. What has headers of its own must have come with its lines.
 */
static void add_pem(str text, buf *out)
{
    static const str begin = {"-----BEGIN ", 11}, end = {"-----END ", 9}, dashes = {"-----", 5};
    for (;;) {
        ptrdiff_t from = str_find(text, begin, 0);
        ptrdiff_t head = from < 0 ? -1 : str_find(text, dashes, (size_t)from + begin.n);
        ptrdiff_t to = head < 0 ? -1 : str_find(text, end, (size_t)head);
        ptrdiff_t tail = to < 0 ? -1 : str_find(text, dashes, (size_t)to + end.n);
        if (tail < 0) return;
        str body = str_of(text.p + head + 5, (size_t)(to - head) - 5);
        buf_add(out, text.p + from, (size_t)(head - from) + 5);
        buf_add_char(out, '\n');
        if (str_find(body, STR(":"), 0) >= 0) {
            buf_add_str(out, str_trim(body));
        } else {
            size_t column = 0;
            for (size_t i = 0; i < body.n; i++) {
                if ((unsigned char)body.p[i] <= ' ') continue;
                if (body.p[i] == '\\' && i + 1 < body.n) {
                    i++;
                    continue;
                }
                if (column++ == PEM_LINE) {
                    buf_add_char(out, '\n');
                    column = 1;
                }
                buf_add_char(out, body.p[i]);
            }
        }
        buf_add_char(out, '\n');
        buf_add(out, text.p + to, (size_t)(tail - to) + 5);
        buf_add_char(out, '\n');
        text = str_of(text.p + tail + 5, text.n - (size_t)tail - 5);
    }
}

static int on_password(char *to, int n, int writing, void *user)
{
    const str *password = user;
    if (password->n == 0 || password->n > (size_t)n) return -1;
    memcpy(to, password->p, password->n);
    return (int)password->n;
}

/* The first key and all certificates of a PEM text; what else it holds is passed over. */
static bool parse_pem(str text, str password, const char *setting, store *out, diag *d)
{
    BIO *b = BIO_new_mem_buf(text.p, (int)text.n);
    check(b);
    for (X509 *cert; (cert = PEM_read_bio_X509(b, NULL, on_password, &password));) sk_X509_push(out->certs, cert);
    bool bad = ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
    if (bad) diag_set(d, DIAG_INVALID, "%s: a certificate cannot be read: %s", setting, reason());
    BIO_free(b);
    ERR_clear_error();
    if (bad) return false;
    if (out->key || str_find(text, STR("PRIVATE KEY-----"), 0) < 0) return true;
    b = BIO_new_mem_buf(text.p, (int)text.n);
    check(b);
    out->key = PEM_read_bio_PrivateKey(b, NULL, on_password, &password);
    BIO_free(b);
    if (!out->key) {
        diag_set(d, DIAG_INVALID, "%s: the private key cannot be read: %s", setting, reason());
        diag_hint(d, "Is it encrypted? ssl.key.password is its password.");
    }
    ERR_clear_error();
    return out->key != NULL;
}

static bool parse_pkcs12(str bytes, str password, const char *setting, store *out, diag *d)
{
    const unsigned char *at = (const unsigned char *)bytes.p;
    PKCS12 *p12 = d2i_PKCS12(NULL, &at, (long)bytes.n);
    X509 *own = NULL;
    STACK_OF(X509) *others = NULL;
    buf word = {0};
    buf_add_str(&word, password);
    bool good = p12 && PKCS12_parse(p12, buf_z(&word), &out->key, &own, &others);
    if (good && own) sk_X509_push(out->certs, own);
    for (int i = 0; good && i < sk_X509_num(others); i++) sk_X509_push(out->certs, sk_X509_value(others, i));
    if (good)
        sk_X509_free(others);
    else
        diag_set(d, DIAG_INVALID, "%s: the PKCS12 store cannot be read: %s", setting, reason());
    ERR_clear_error();
    OPENSSL_cleanse(word.data, word.len);
    buf_free(&word);
    PKCS12_free(p12);
    return good;
}

/* A store file in whichever of the forms it has; type is only checked against it. */
static bool parse_store(str bytes, str type, str password, str key_password, const char *setting, store *out, diag *d)
{
    static const char jks[4] = "\xfe\xed\xfe\xed";
    bool pem = str_find(bytes, STR("-----BEGIN "), 0) >= 0;
    if (type.n > 0 && !str_ieq(type, STR("PEM")) && !str_ieq(type, STR("PKCS12")) && !str_ieq(type, STR("JKS"))) {
        return diag_set(d, DIAG_INVALID, "%s: '%.*s' is no type of store: PEM or PKCS12", setting, STR_ARG(type));
    }
    if (bytes.n >= 4 && memcmp(bytes.p, jks, 4) == 0) {
        diag_set(d, DIAG_UNSUPPORTED, "%s is a store of the type JKS, which only Java reads", setting);
        return diag_hint(d, "keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype pkcs12");
    }
    if (type.n > 0 && pem != str_ieq(type, STR("PEM"))) {
        return diag_set(d, DIAG_INVALID, "%s is not of the type %.*s", setting, STR_ARG(type));
    }
    if (pem) return parse_pem(bytes, key_password, setting, out, d);
    return parse_pkcs12(bytes, password, setting, out, d);
}

static bool load_file(str path, str type, str password, str key_password, const char *setting, store *out, diag *d)
{
    buf bytes = {0};
    bool good =
        read_whole(path, &bytes, d) && parse_store(buf_str(&bytes), type, password, key_password, setting, out, d);
    OPENSSL_cleanse(bytes.data, bytes.len);
    buf_free(&bytes);
    return good;
}

static bool load_text(str text, str password, const char *setting, store *out, diag *d)
{
    buf pem = {0};
    add_pem(text, &pem);
    bool good = pem.len > 0 || diag_set(d, DIAG_INVALID, "%s holds nothing in PEM form", setting);
    good = good && parse_pem(buf_str(&pem), password, setting, out, d);
    OPENSSL_cleanse(pem.data, pem.len);
    buf_free(&pem);
    return good;
}

/* ---- making the context ------------------------------------------------------------------------------------------ */

/* The certificate that belongs to the key, and the others as its chain. */
static bool use_certificates(SSL_CTX *ctx, const store *s, diag *d)
{
    int own = -1;
    for (int i = 0; i < sk_X509_num(s->certs) && own < 0; i++) {
        if (X509_check_private_key(sk_X509_value(s->certs, i), s->key) == 1) own = i;
    }
    ERR_clear_error();
    if (own < 0) return diag_set(d, DIAG_INVALID, "ssl.keystore: no certificate belongs to the private key");
    X509 *cert = sk_X509_value(s->certs, own);
    if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, s->key) != 1) {
        return diag_set(d, DIAG_INVALID, "ssl.keystore: the certificate cannot be used: %s", reason());
    }
    /* Issuer after issuer, whatever the order in the store. */
    for (const X509 *last = cert; last;) {
        X509 *issuer = NULL;
        for (int i = 0; i < sk_X509_num(s->certs) && !issuer; i++) {
            X509 *candidate = sk_X509_value(s->certs, i);
            if (candidate != last && X509_check_issued(candidate, (X509 *)last) == X509_V_OK) issuer = candidate;
        }
        if (!issuer || issuer == cert || X509_check_issued((X509 *)last, (X509 *)last) == X509_V_OK) break;
        if (SSL_CTX_add1_chain_cert(ctx, issuer) != 1) return diag_set(d, DIAG_INVALID, "ssl.keystore: %s", reason());
        last = issuer;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
        log_warn("tls", "the server's own certificate has expired");
    return true;
}

static bool load_keys(SSL_CTX *ctx, const tls_options *o, diag *d)
{
    store s = {.certs = sk_X509_new_null()};
    bool good = true;
    if (o->keystore_location.n > 0) {
        good = load_file(o->keystore_location, o->keystore_type, o->keystore_password, o->key_password,
                         "ssl.keystore.location", &s, d);
    } else if (o->keystore_key.n > 0) {
        good = load_text(o->keystore_key, o->key_password, "ssl.keystore.key", &s, d) &&
               load_text(o->keystore_certificate_chain, o->key_password, "ssl.keystore.certificate.chain", &s, d);
    } else {
        diag_set(d, DIAG_INVALID, "a listener with TLS needs the server's key and certificate");
        good = diag_hint(d, "Set ssl.keystore.location, or ssl.keystore.key and ssl.keystore.certificate.chain.");
    }
    if (good && !s.key) good = diag_set(d, DIAG_INVALID, "ssl.keystore holds no private key");
    good = good && use_certificates(ctx, &s, d);
    store_free(&s);
    return good;
}

static bool load_trusted(SSL_CTX *ctx, const tls_options *o, diag *d)
{
    store s = {.certs = sk_X509_new_null()};
    bool good = true;
    if (o->truststore_location.n > 0) {
        good = load_file(o->truststore_location, o->truststore_type, o->truststore_password, o->key_password,
                         "ssl.truststore.location", &s, d);
    } else if (o->truststore_certificates.n > 0) {
        good = load_text(o->truststore_certificates, o->key_password, "ssl.truststore.certificates", &s, d);
    }
    if (good && sk_X509_num(s.certs) <= 0) {
        diag_set(d, DIAG_INVALID, "ssl.client.auth needs the CAs whose certificates are taken");
        good = diag_hint(d, "Set ssl.truststore.location or ssl.truststore.certificates.");
    }
    for (int i = 0; good && i < sk_X509_num(s.certs); i++) {
        X509 *ca = sk_X509_value(s.certs, i);
        good = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) == 1 && SSL_CTX_add_client_CA(ctx, ca) == 1;
        if (!good) diag_set(d, DIAG_INVALID, "ssl.truststore: %s", reason());
    }
    store_free(&s);
    return good;
}

static bool set_client_auth(SSL_CTX *ctx, const tls_options *o, diag *d)
{
    int mode = SSL_VERIFY_PEER;
    if (o->client_auth.n == 0 || str_ieq(o->client_auth, STR("none"))) return true;
    if (str_ieq(o->client_auth, STR("required")))
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    else if (!str_ieq(o->client_auth, STR("requested")))
        return diag_set(d, DIAG_INVALID, "ssl.client.auth is none, requested or required, not '%.*s'",
                        STR_ARG(o->client_auth));
    SSL_CTX_set_verify(ctx, mode, NULL);
    return load_trusted(ctx, o, d);
}

static bool next_word(str *list, str *word)
{
    while (list->n > 0) {
        ptrdiff_t comma = str_find(*list, STR(","), 0);
        size_t n = comma < 0 ? list->n : (size_t)comma, step = comma < 0 ? n : n + 1;
        *word = str_trim(str_of(list->p, n));
        *list = str_of(list->p + step, list->n - step);
        if (word->n > 0) return true;
    }
    return false;
}

static bool set_protocols(SSL_CTX *ctx, str list, bool *v12, bool *v13, diag *d)
{
    str word;
    *v12 = *v13 = list.n == 0;
    while (next_word(&list, &word)) {
        if (str_eqz(word, "TLSv1.2"))
            *v12 = true;
        else if (str_eqz(word, "TLSv1.3"))
            *v13 = true;
        else
            return diag_set(d, DIAG_INVALID, "ssl.enabled.protocols takes TLSv1.2 and TLSv1.3, not '%.*s'",
                            STR_ARG(word));
    }
    return true;
}

/* Suites by their IANA names, as Java has them, or OpenSSL's. A version none of whose suites is named is off. */
static bool set_ciphers(SSL_CTX *ctx, str list, bool *v12, bool *v13, diag *d)
{
    static const char *const newer[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                        "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256",
                                        "TLS_AES_128_CCM_8_SHA256"};
    buf old_names = {0}, new_names = {0};
    str word;
    bool good = true;
    if (list.n == 0) return true;
    if (list.n > LIST_BYTES_MAX) return diag_set(d, DIAG_LIMIT, "ssl.cipher.suites is too long");
    while (good && next_word(&list, &word)) {
        bool is_new = false;
        for (size_t i = 0; i < ARRAY_LEN(newer); i++) is_new = is_new || str_eqz(word, newer[i]);
        buf *to = is_new ? &new_names : &old_names;
        char name[LIST_BYTES_MAX + 1];
        memcpy(name, word.p, word.n);
        name[word.n] = 0;
        const char *known = is_new ? name : OPENSSL_cipher_name(name);
        if (strcmp(known, "(NONE)") == 0) known = name;
        /* OpenSSL's own names have a '-'; other words of its list language ("ALL", "!RC4") are no suites. */
        bool suite = is_new || known != name || (strchr(name, '-') && !strpbrk(name, ":!+@ "));
        if (!suite || (!is_new && SSL_CTX_set_cipher_list(ctx, known) != 1)) {
            good = diag_set(d, DIAG_INVALID, "ssl.cipher.suites: '%s' is no cipher suite of this server", name);
        }
        if (to->len > 0) buf_add_char(to, ':');
        buf_add_z(to, known);
    }
    if (good) {
        good = SSL_CTX_set_ciphersuites(ctx, buf_z(&new_names)) == 1 &&
               (old_names.len == 0 || SSL_CTX_set_cipher_list(ctx, buf_z(&old_names)) == 1);
        if (!good) diag_set(d, DIAG_INVALID, "ssl.cipher.suites: %s", reason());
    }
    *v12 = *v12 && old_names.len > 0;
    *v13 = *v13 && new_names.len > 0;
    ERR_clear_error();
    buf_free(&old_names);
    buf_free(&new_names);
    return good;
}

/* HTTP/2 when the client has it, else HTTP/1.1; one that speaks neither goes on without. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in, unsigned in_n,
                   void *arg)
{
    static const unsigned char offered[] = "\x02h2\x08http/1.1";
    unsigned char *chosen;
    int found = SSL_select_next_proto(&chosen, out_n, offered, sizeof offered - 1, in, in_n);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static bool set_up(tls_context *x, const tls_options *o, diag *d)
{
    SSL_CTX *ctx = x->ctx;
    bool v12, v13;
    /* No tickets and no cache: a session that is taken up again would outlive the check of its certificate. */
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (o->http) SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    if (!set_protocols(ctx, o->enabled_protocols, &v12, &v13, d)) return false;
    if (!set_ciphers(ctx, o->cipher_suites, &v12, &v13, d)) return false;
    if (!v12 && !v13)
        return diag_set(d, DIAG_INVALID, "ssl.enabled.protocols and ssl.cipher.suites leave nothing to offer");
    SSL_CTX_set_min_proto_version(ctx, v12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_max_proto_version(ctx, v13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    x->rules = tls_rules_new(o->principal_mapping_rules.n > 0 ? o->principal_mapping_rules : STR("DEFAULT"), d);
    return x->rules && load_keys(ctx, o, d) && set_client_auth(ctx, o, d);
}

tls_context *tls_context_new(const tls_options *options, diag *d)
{
    tls_context *x = calloc(1, sizeof *x);
    check(x);
    x->ctx = SSL_CTX_new(TLS_server_method());
    x->method = tls_method_new();
    check(x->ctx && x->method);
    bool good = set_up(x, options, d);
    ERR_clear_error();
    if (good) return x;
    tls_context_free(x);
    return NULL;
}

void tls_context_free(tls_context *x)
{
    if (!x) return;
    SSL_CTX_free(x->ctx);
    BIO_meth_free(x->method);
    tls_rules_free(x->rules);
    free(x);
}

void tls_context_turn(tls_context *x)
{
    x->handshakes_ns = 0;
}

bool tls_context_authenticates(const tls_context *x)
{
    return SSL_CTX_get_verify_mode(x->ctx) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

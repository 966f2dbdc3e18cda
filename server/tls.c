#include "server/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "server/tls_int.h"

/* OUT_MAX: a client that provokes answers (alerts, new keys) and reads none of them is cut off. */
enum { OUT_MAX = 1 << 20, OUT_KEEP = 16 * 1024, WHY_MAX = 256 };
/* What a record that has come in part may add to what a read brings. */
enum { RECORD_MAX = 17 * 1024 };
/* What handshakes may take of one turn of a loop, give or take one of them. */
enum { HANDSHAKES_NS = 500000 };

struct tls {
    tls_context *x;
    SSL *ssl;
    const uint8_t *in; /* what the socket brought; only during tls_read */
    size_t in_len;
    buf out; /* what goes to the socket */
    size_t out_at; /* so much of it is sent */
    bool ready, failed;
    char why[WHY_MAX];
};

/* ---- towards the socket ------------------------------------------------------------------------------------------ */

static int on_read(BIO *b, char *p, int n)
{
    tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (t->in_len == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t part = t->in_len < (size_t)n ? t->in_len : (size_t)n;
    memcpy(p, t->in, part);
    t->in += part;
    t->in_len -= part;
    return (int)part;
}

static int on_write(BIO *b, const char *p, int n)
{
    tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (t->out.len - t->out_at + (size_t)n > OUT_MAX) return -1;
    buf_add(&t->out, p, (size_t)n);
    return n;
}

static long on_ctrl(BIO *b, int what, long number, void *pointer)
{
    return what == BIO_CTRL_FLUSH;
}

static int on_create(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

BIO_METHOD *tls_method_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir");
    check(m);
    BIO_meth_set_read(m, on_read);
    BIO_meth_set_write(m, on_write);
    BIO_meth_set_ctrl(m, on_ctrl);
    BIO_meth_set_create(m, on_create);
    return m;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

tls *tls_new(tls_context *x)
{
    tls *t = calloc(1, sizeof *t);
    check(t);
    t->x = x;
    t->ssl = SSL_new(x->ctx);
    BIO *b = BIO_new(x->method);
    check(t->ssl && b);
    BIO_set_data(b, t);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_free(tls *t)
{
    if (!t) return;
    SSL_free(t->ssl);
    buf_free(&t->out);
    free(t);
}

bool tls_ready(const tls *t)
{
    return t->ready;
}

size_t tls_waiting(const tls *t)
{
    return t->out.len - t->out_at;
}

const char *tls_error(const tls *t)
{
    return t->why;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void note_failure(tls *t)
{
    unsigned long code = ERR_peek_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    long verified = SSL_get_verify_result(t->ssl);
    t->failed = true;
    if (verified != X509_V_OK)
        snprintf(t->why, sizeof t->why, "the client's certificate: %s", X509_verify_cert_error_string(verified));
    else
        snprintf(t->why, sizeof t->why, "%s", text ? text : "the connection ended");
    ERR_clear_error();
}

/* Decrypts what lies in t->in. TLS_OK: all of it. */
static tls_status decrypt(tls *t, uint8_t *p, size_t n, size_t *got)
{
    while (*got < n) {
        size_t part = 0;
        ERR_clear_error();
        int done = SSL_read_ex(t->ssl, p + *got, n - *got, &part);
        *got += part;
        if (!t->ready) t->ready = SSL_is_init_finished(t->ssl);
        if (done == 1) continue;
        int error = SSL_get_error(t->ssl, done);
        if (error == SSL_ERROR_WANT_READ) return TLS_OK;
        if (error == SSL_ERROR_ZERO_RETURN) return TLS_END;
        note_failure(t);
        return TLS_FAILED;
    }
    check_unreachable(); /* tls_read took no more from the socket than there is room for */
}

tls_status tls_read(tls *t, int fd, void *p, size_t n, size_t *got)
{
    *got = 0;
    check(n >= TLS_READ_MIN);
    if (t->failed) return TLS_FAILED;
    size_t room = n - RECORD_MAX < TLS_IN_MAX ? n - RECORD_MAX : TLS_IN_MAX;
    ssize_t came = recv(fd, t->x->in, room, 0);
    if (came < 0) {
        if (errno == EAGAIN || errno == EINTR) return TLS_AGAIN;
        snprintf(t->why, sizeof t->why, "%s", strerror(errno));
        t->failed = true;
        return TLS_FAILED;
    }
    if (came == 0) return TLS_END;
    t->in = t->x->in;
    t->in_len = (size_t)came;
    bool shook = t->ready;
    int64_t began_ns = shook ? 0 : clock_mono_ns();
    tls_status status = decrypt(t, p, n, got);
    if (!shook) t->x->handshakes_ns += clock_mono_ns() - began_ns;
    /*
     * The last word of the handshake is the client's and has no answer. One that waits for an acknowledgement before it
     * sends its first request (Nagle) must not wait for a delayed one.
     */
    if (t->ready && !shook) setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){1}, sizeof(int));
    check(status != TLS_OK || t->in_len == 0);
    t->in = NULL;
    t->in_len = 0;
    return status;
}

bool tls_must_wait(const tls *t)
{
    return !t->ready && t->x->handshakes_ns > HANDSHAKES_NS;
}

bool tls_write(tls *t, const void *p, size_t n)
{
    const uint8_t *at = p;
    while (n > 0 && !t->failed) {
        size_t part = 0;
        ERR_clear_error();
        if (SSL_write_ex(t->ssl, at, n, &part) != 1) note_failure(t);
        at += part;
        n -= part;
    }
    return !t->failed;
}

tls_status tls_flush(tls *t, int fd)
{
    while (tls_waiting(t) > 0) {
        ssize_t n = send(fd, t->out.data + t->out_at, tls_waiting(t), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            return errno == EAGAIN ? TLS_AGAIN : TLS_FAILED;
        }
        t->out_at += (size_t)n;
    }
    buf_clear(&t->out);
    t->out_at = 0;
    if (t->out.cap > OUT_KEEP) buf_free(&t->out);
    return TLS_OK;
}

void tls_goodbye(tls *t)
{
    ERR_clear_error();
    if (t->ready && !t->failed) SSL_shutdown(t->ssl);
    ERR_clear_error();
}

int tls_principal(tls *t, buf *out)
{
    const X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (!cert) return 0;
    buf name = {0};
    tls_name_write(X509_get_subject_name(cert), &name);
    bool mapped = tls_rules_apply(t->x->rules, buf_str(&name), out);
    if (!mapped) snprintf(t->why, sizeof t->why, "no rule of ssl.principal.mapping.rules applies to %s", buf_z(&name));
    buf_free(&name);
    return mapped ? 1 : -1;
}

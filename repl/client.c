#include "repl/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/check.h"
#include "base/clock.h"

enum { READ_SIZE = 65536, HEAD_MAX = 65536, TICK_MS = 200, CONNECT_MS = 10000 };

/* What of the body is still to come. */
typedef enum body_kind { BODY_NONE, BODY_LENGTH, BODY_CHUNKED, BODY_TO_END } body_kind;

struct client {
    char host[256];
    char port[8];
    char url[300];
    buf authorization;
    int fd;
    int cancel_fd;
    void (*progress)(void *arg, int64_t waited_ms);
    void *progress_arg;
    buf raw; /* bytes as they came, from raw_at on not yet looked at */
    size_t raw_at;
    buf text; /* decoded body, from text_at on not yet handed out */
    size_t text_at;
    body_kind kind;
    uint64_t left; /* of the body, or of the present chunk */
    bool in_chunk;
    bool close_after;
};

client *client_new(str url, diag *d)
{
    str rest = url;
    if (str_starts(rest, STR("http://"))) rest = str_of(rest.p + 7, rest.n - 7);
    while (rest.n > 0 && rest.p[rest.n - 1] == '/') rest.n--;
    size_t colon = rest.n;
    for (size_t i = rest.n; i-- > 0 && rest.p[i] != ']';) {
        if (rest.p[i] == ':') {
            colon = i;
            break;
        }
    }
    str host = str_of(rest.p, colon), port = STR("8088");
    if (colon < rest.n) port = str_of(rest.p + colon + 1, rest.n - colon - 1);
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') host = str_of(host.p + 1, host.n - 2);
    int64_t number;
    if (host.n == 0 || host.n > 255 || !str_to_i64(port, &number) || number < 1 || number > 65535 ||
        str_find(host, STR("/"), 0) >= 0) {
        diag_set(d, DIAG_INVALID, "'%.*s' is no address of a server", STR_ARG(url));
        diag_hint(d, "Write http://HOST:PORT, for example http://localhost:8088.");
        return NULL;
    }
    client *c = calloc(1, sizeof *c);
    check(c);
    c->fd = -1;
    c->cancel_fd = -1;
    snprintf(c->host, sizeof c->host, "%.*s", STR_ARG(host));
    snprintf(c->port, sizeof c->port, "%d", (int)number);
    snprintf(c->url, sizeof c->url, "http://%.*s:%d", STR_ARG(str_of(rest.p, colon)), (int)number);
    return c;
}

static void disconnect(client *c)
{
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    buf_clear(&c->raw);
    buf_clear(&c->text);
    c->raw_at = c->text_at = 0;
    c->kind = BODY_NONE;
}

void client_free(client *c)
{
    if (!c) return;
    disconnect(c);
    buf_free(&c->raw);
    buf_free(&c->text);
    buf_free(&c->authorization);
    free(c);
}

const char *client_url(const client *c)
{
    return c->url;
}

void client_set_user(client *c, const char *user, const char *password)
{
    buf_clear(&c->authorization);
    if (!user) return;
    buf pair = {0};
    buf_printf(&pair, "%s:%s", user, password ? password : "");
    buf_add_z(&c->authorization, "Authorization: Basic ");
    base64_put(&c->authorization, pair.data, pair.len);
    buf_add_z(&c->authorization, "\r\n");
    buf_free(&pair);
}

void client_set_cancel(client *c, int fd)
{
    c->cancel_fd = fd;
}

void client_set_progress(client *c, void (*fn)(void *arg, int64_t waited_ms), void *arg)
{
    c->progress = fn;
    c->progress_arg = arg;
}

/* Waits for the socket. show: call progress meanwhile. */
static client_status wait_for(client *c, short events, bool show, int64_t limit_ms, diag *d)
{
    int64_t began = clock_mono_ns();
    for (;;) {
        struct pollfd fds[2] = {{c->fd, events, 0}, {c->cancel_fd, POLLIN, 0}};
        int n = poll(fds, c->cancel_fd >= 0 ? 2 : 1, TICK_MS);
        if (n < 0 && errno != EINTR) {
            diag_os(d, errno, "cannot wait for %s", c->url);
            return CLIENT_FAILED;
        }
        if (n > 0 && fds[1].revents && c->cancel_fd >= 0) return CLIENT_CANCELLED;
        if (n > 0 && fds[0].revents) return CLIENT_OK;
        int64_t waited = (clock_mono_ns() - began) / 1000000;
        if (limit_ms > 0 && waited > limit_ms) {
            diag_set(d, DIAG_IO, "no answer from %s within %lld s", c->url, (long long)(limit_ms / 1000));
            return CLIENT_FAILED;
        }
        if (show && n == 0 && c->progress) c->progress(c->progress_arg, waited);
    }
}

static client_status connect_one(client *c, const struct addrinfo *ai, int *failed, diag *d)
{
    int one = 1;
    c->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        *failed = errno;
        return CLIENT_END;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, ai->ai_addr, ai->ai_addrlen) == 0) return CLIENT_OK;
    *failed = errno;
    if (errno == EINPROGRESS) {
        client_status status = wait_for(c, POLLOUT, false, CONNECT_MS, d);
        socklen_t n = sizeof *failed;
        if (status == CLIENT_OK && getsockopt(c->fd, SOL_SOCKET, SO_ERROR, failed, &n) == 0 && *failed == 0) {
            return CLIENT_OK;
        }
        if (status != CLIENT_OK) return status;
    }
    close(c->fd);
    c->fd = -1;
    return CLIENT_END;
}

static client_status connect_to(client *c, diag *d)
{
    struct addrinfo want = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    int failed = ECONNREFUSED;
    int status = getaddrinfo(c->host, c->port, &want, &found);
    if (status != 0) {
        diag_set(d, DIAG_IO, "cannot find the server %s: %s", c->host, gai_strerror(status));
        return CLIENT_FAILED;
    }
    client_status result = CLIENT_END;
    for (const struct addrinfo *ai = found; ai && result == CLIENT_END; ai = ai->ai_next) {
        result = connect_one(c, ai, &failed, d);
    }
    freeaddrinfo(found);
    if (result == CLIENT_END) {
        diag_os(d, failed, "cannot reach the server at %s", c->url);
        result = CLIENT_FAILED;
    }
    if (result != CLIENT_OK) disconnect(c);
    return result;
}

static client_status send_all(client *c, str bytes, diag *d)
{
    while (bytes.n > 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            client_status status = wait_for(c, POLLOUT, false, 0, d);
            if (status != CLIENT_OK) return status;
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            diag_os(d, errno, "the connection to %s broke", c->url);
            return CLIENT_FAILED;
        }
        bytes = str_of(bytes.p + n, bytes.n - (size_t)n);
    }
    return CLIENT_OK;
}

/* Reads more into raw. CLIENT_END: the server has closed. */
static client_status read_more(client *c, bool show, diag *d)
{
    if (c->raw_at > 0) {
        memmove(c->raw.data, c->raw.data + c->raw_at, c->raw.len - c->raw_at);
        c->raw.len -= c->raw_at;
        c->raw_at = 0;
    }
    for (;;) {
        ssize_t n = recv(c->fd, buf_reserve(&c->raw, READ_SIZE), READ_SIZE, 0);
        if (n > 0) {
            c->raw.len += (size_t)n;
            return CLIENT_OK;
        }
        if (n == 0) return CLIENT_END;
        if (errno == EINTR) continue;
        if (errno != EAGAIN) {
            diag_os(d, errno, "the connection to %s broke", c->url);
            return CLIENT_FAILED;
        }
        client_status status = wait_for(c, POLLIN, show, 0, d);
        if (status != CLIENT_OK) return status;
    }
}

static bool header_is(str line, const char *name, str *value)
{
    size_t n = strlen(name);
    if (line.n <= n || line.p[n] != ':' || !str_ieq(str_of(line.p, n), str_z(name))) return false;
    *value = str_trim(str_of(line.p + n + 1, line.n - n - 1));
    return true;
}

/* Takes the head apart that ends at head_n bytes. */
static bool read_head(client *c, size_t head_n, int *http_status, diag *d)
{
    str head = str_of(c->raw.data + c->raw_at, head_n), value;
    int64_t number;
    if (head.n < 14 || !str_starts(head, STR("HTTP/1.")) || !str_to_i64(str_of(head.p + 9, 3), &number)) {
        return diag_set(d, DIAG_INVALID, "%s does not speak HTTP", c->url);
    }
    *http_status = (int)number;
    c->kind = number == 204 || number == 304 ? BODY_NONE : BODY_TO_END;
    c->close_after = head.p[7] == '0';
    for (size_t at = 0; at < head.n;) {
        ptrdiff_t end = str_find(head, STR("\r\n"), at);
        if (end < 0) break;
        str line = str_of(head.p + at, (size_t)end - at);
        at = (size_t)end + 2;
        if (header_is(line, "content-length", &value) && c->kind != BODY_CHUNKED) {
            if (!str_to_i64(value, &number) || number < 0) return diag_set(d, DIAG_INVALID, "%s: bad length", c->url);
            c->kind = number == 0 ? BODY_NONE : BODY_LENGTH;
            c->left = (uint64_t)number;
        } else if (header_is(line, "transfer-encoding", &value)) {
            c->kind = BODY_CHUNKED;
            c->left = 0;
            c->in_chunk = false;
        } else if (header_is(line, "connection", &value) && str_ieq(value, STR("close"))) {
            c->close_after = true;
        }
    }
    c->raw_at += head_n;
    return true;
}

static client_status exchange(client *c, str request, int *http_status, bool *closed, diag *d)
{
    *closed = false;
    client_status status = send_all(c, request, d);
    size_t seen = 0;
    while (status == CLIENT_OK) {
        str raw = str_of(c->raw.data + c->raw_at, c->raw.len - c->raw_at);
        ptrdiff_t end = raw.n >= 4 ? str_find(raw, STR("\r\n\r\n"), seen) : -1;
        if (end >= 0) return read_head(c, (size_t)end + 4, http_status, d) ? CLIENT_OK : CLIENT_FAILED;
        if (raw.n > HEAD_MAX) {
            diag_set(d, DIAG_INVALID, "%s does not speak HTTP", c->url);
            return CLIENT_FAILED;
        }
        seen = raw.n < 3 ? 0 : raw.n - 3;
        status = read_more(c, true, d);
    }
    if (status == CLIENT_END) {
        *closed = true;
        diag_set(d, DIAG_IO, "%s closed the connection without an answer", c->url);
        return CLIENT_FAILED;
    }
    *closed = status == CLIENT_FAILED;
    return status;
}

client_status client_request(client *c, const char *path, const char *accept, str body, int *http_status, diag *d)
{
    buf request = {0};
    client_status status = CLIENT_FAILED;
    client_drop(c);
    buf_printf(&request, "%s %s HTTP/1.1\r\nHost: %s:%s\r\nAccept: %s\r\n%.*s", body.p ? "POST" : "GET", path, c->host,
               c->port, accept, STR_ARG(buf_str(&c->authorization)));
    if (body.p) buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
    buf_add_z(&request, "\r\n");
    if (body.p) buf_add_str(&request, body);
    for (int attempt = 0; attempt < 2; attempt++) {
        bool kept = c->fd >= 0, closed = false;
        diag why = {0};
        status = kept ? CLIENT_OK : connect_to(c, &why);
        if (status == CLIENT_OK) status = exchange(c, buf_str(&request), http_status, &closed, &why);
        if (status == CLIENT_OK) break;
        disconnect(c);
        if (kept && closed) continue; /* the server had closed the idle connection */
        if (status == CLIENT_FAILED) *d = why;
        break;
    }
    buf_free(&request);
    return status;
}

/* The line of a chunk's size; false when more must be read. */
static bool next_chunk(client *c, bool *bad)
{
    str raw = str_of(c->raw.data + c->raw_at, c->raw.len - c->raw_at);
    size_t skip = c->in_chunk ? 2 : 0; /* the CRLF behind the last chunk's bytes */
    ptrdiff_t end = raw.n > skip ? str_find(raw, STR("\r\n"), skip) : -1;
    *bad = false;
    if (end < 0) return false;
    uint64_t size = 0;
    for (size_t i = skip; i < (size_t)end && raw.p[i] != ';' && raw.p[i] != ' '; i++) {
        char ch = raw.p[i];
        int digit = ch >= '0' && ch <= '9'                 ? ch - '0'
                    : (ch | 32) >= 'a' && (ch | 32) <= 'f' ? (ch | 32) - 'a' + 10
                                                           : -1;
        if (digit < 0 || size >> 40) {
            *bad = true;
            return false;
        }
        size = size * 16 + (uint64_t)digit;
    }
    if (size == 0) {
        ptrdiff_t over = str_find(raw, STR("\r\n\r\n"), (size_t)end); /* behind the trailers */
        if (over < 0) return false;
        c->raw_at += (size_t)over + 4;
        c->kind = BODY_NONE;
        return true;
    }
    c->raw_at += (size_t)end + 2;
    c->left = size;
    c->in_chunk = true;
    return true;
}

/* Decodes what was read so far into text. false: malformed. */
static bool decode(client *c)
{
    while (c->kind != BODY_NONE) {
        size_t here = c->raw.len - c->raw_at;
        if (c->kind == BODY_CHUNKED && c->left == 0) {
            bool bad;
            if (!next_chunk(c, &bad)) return !bad;
            continue;
        }
        if (here == 0) return true;
        size_t n = c->kind == BODY_TO_END || here < c->left ? here : (size_t)c->left;
        buf_add(&c->text, c->raw.data + c->raw_at, n);
        c->raw_at += n;
        if (c->kind == BODY_TO_END) continue;
        c->left -= n;
        if (c->kind == BODY_LENGTH && c->left == 0) c->kind = BODY_NONE;
    }
    return true;
}

/* More of the body into text. CLIENT_END: there is no more. */
static client_status more_text(client *c, diag *d)
{
    size_t had = c->text.len;
    for (;;) {
        if (!decode(c)) {
            diag_set(d, DIAG_INVALID, "%s sent a malformed answer", c->url);
            disconnect(c);
            return CLIENT_FAILED;
        }
        if (c->text.len > had) return CLIENT_OK;
        if (c->kind == BODY_NONE) {
            if (c->close_after && c->fd >= 0) {
                close(c->fd);
                c->fd = -1;
            }
            return CLIENT_END;
        }
        client_status status = read_more(c, false, d);
        if (status == CLIENT_END && c->kind == BODY_TO_END) {
            c->kind = BODY_NONE;
            c->close_after = true;
            continue;
        }
        if (status == CLIENT_END) {
            diag_set(d, DIAG_IO, "%s closed the connection in the middle of an answer", c->url);
            status = CLIENT_FAILED;
        }
        if (status != CLIENT_OK) {
            disconnect(c);
            return status;
        }
    }
}

client_status client_line(client *c, str *line, diag *d)
{
    if (c->text_at > 0) {
        memmove(c->text.data, c->text.data + c->text_at, c->text.len - c->text_at);
        c->text.len -= c->text_at;
        c->text_at = 0;
    }
    size_t seen = 0;
    for (;;) {
        const char *eol = c->text.len > seen ? memchr(c->text.data + seen, '\n', c->text.len - seen) : NULL;
        if (eol) {
            size_t n = (size_t)(eol - c->text.data);
            c->text_at = n + 1;
            *line = str_of(c->text.data, n > 0 && eol[-1] == '\r' ? n - 1 : n);
            return CLIENT_OK;
        }
        seen = c->text.len;
        client_status status = more_text(c, d);
        if (status == CLIENT_END && c->text.len > 0) {
            *line = buf_str(&c->text);
            c->text_at = c->text.len;
            return CLIENT_OK;
        }
        if (status != CLIENT_OK) return status;
    }
}

client_status client_rest(client *c, buf *out, diag *d)
{
    client_status status;
    do {
        buf_add(out, c->text.data + c->text_at, c->text.len - c->text_at);
        buf_clear(&c->text);
        c->text_at = 0;
    } while ((status = more_text(c, d)) == CLIENT_OK);
    return status == CLIENT_END ? CLIENT_OK : status;
}

void client_drop(client *c)
{
    if (c->kind != BODY_NONE) disconnect(c);
    buf_clear(&c->text);
    c->text_at = 0;
    if (c->fd < 0) {
        buf_clear(&c->raw);
        c->raw_at = 0;
    }
}

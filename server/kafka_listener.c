/* The ports of the Kafka protocol: opening, accepting, and what each says of itself in the log. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "server/kafka_internal.h"

enum { ACCEPTS_MAX = 64, ACCEPT_PAUSE_MS = 100 };

/*
 * ---- accepting
 * -----------------------------------------------------------------------------------------------------
 */

static void on_accept(uv_poll_t *poll, int status, int events);

static void resume_accept(uv_timer_t *timer)
{
    kafka *k = container_of(timer, kafka, pause);
    for (size_t i = 0; i < k->listeners_len; i++) uv_poll_start(&k->listeners[i].poll, UV_READABLE, on_accept);
}

/* The waiting client keeps its socket readable: without a pause this would spin. */
static void pause_accept(kafka *k)
{
    for (size_t i = 0; i < k->listeners_len; i++) uv_poll_stop(&k->listeners[i].poll);
    uv_timer_start(&k->pause, resume_accept, ACCEPT_PAUSE_MS, 0);
}

static void on_accept(uv_poll_t *poll, int status, int events)
{
    kafka_listener *l = container_of(poll, kafka_listener, poll);
    kafka *k = l->k;
    char peer[NET_HOST_MAX];
    size_t most = (size_t)kafka_config_number(k, STR("max.connections"), INT32_MAX);
    size_t most_of_one = (size_t)kafka_config_number(k, STR("max.connections.per.ip"), INT32_MAX);
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        if (k->conns_len >= most) {
            /* As in Kafka they wait in the backlog until one leaves. */
            pause_accept(k);
            return;
        }
        int fd = net_accept(l->fd, peer);
        if (fd >= 0 && most_of_one < INT32_MAX && kafka_conn_count(k, peer) >= most_of_one) {
            log_info("kafka", "too many connections from %s, at most %zu are allowed", peer, most_of_one);
            close(fd);
            continue;
        }
        if (fd >= 0) {
            kafka_conn_new(l, fd, peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            log_warn("kafka", "cannot accept a connection: %s", strerror(errno));
            pause_accept(k);
        }
        if (errno != ECONNABORTED && errno != EINTR) return;
    }
}

/*
 * ---- life
 * ----------------------------------------------------------------------------------------------------------
 */

static void announce(const kafka_listener *l, bool only)
{
    const listener_spec *s = l->spec;
    const char *protocol = listener_protocol_name(s->protocol);
    bool named = !only || s->protocol != LISTENER_PLAINTEXT;
    bool guarded = s->broker.login || (l->tls && tls_context_authenticates(l->tls));
    if (named) {
        log_info("kafka", "listener %.*s (%s) on %s:%d; clients are told %s:%d", STR_ARG(s->name), protocol,
                 l->listen.host, l->listen.port,
                 l->advertised.host[0] ? l->advertised.host : "the address they came by and port", l->advertised.port);
    }
    if (!guarded && !net_is_loopback(l->fd)) {
        log_warn("kafka",
                 "listener %.*s on %s:%d can be reached from other machines and asks nobody who he is: "
                 "whoever reaches it may read and change everything",
                 STR_ARG(s->name), l->listen.host, l->listen.port);
    }
    if (s->protocol == LISTENER_SASL_PLAINTEXT && !net_is_loopback(l->fd)) {
        log_warn("kafka", "listener %.*s on %s:%d takes logins without encryption: passwords of PLAIN can be overheard",
                 STR_ARG(s->name), l->listen.host, l->listen.port);
    }
}

static bool open_one(kafka_listener *l, diag *d)
{
    const listener_spec *s = l->spec;
    if (listener_encrypts(s->protocol)) {
        diag why = {0};
        l->tls = tls_context_new(&s->tls, &why);
        if (!l->tls) {
            diag_set(d, why.code, "listener %.*s: %s", STR_ARG(s->name), why.text);
            return why.hint[0] ? diag_hint(d, "%s", why.hint) : false;
        }
    }
    l->fd = net_listen(&l->listen, d);
    if (l->fd < 0) return false;
    l->advertised = s->advertised;
    if (l->advertised.host[0] == 0 && !net_is_any(l->fd)) memcpy(l->advertised.host, l->listen.host, NET_HOST_MAX);
    if (l->advertised.port == 0) l->advertised.port = l->listen.port;
    return true;
}

bool kafka_listeners_open(kafka *k, const kafka_options *o, diag *d)
{
    static const listener_spec temporary = {
        .name = {"PLAINTEXT", 9}, .protocol = LISTENER_PLAINTEXT, .listen = {.host = "127.0.0.1"}};
    size_t n = 1;
    const listener_spec *specs = o->temporary ? &temporary : listeners_read(o->config, k->a, &n, d);
    if (!specs) return false;
    k->listeners = ARENA_ARRAY(k->a, kafka_listener, n);
    for (; k->listeners_len < n; k->listeners_len++) {
        kafka_listener *l = &k->listeners[k->listeners_len];
        *l = (kafka_listener){
            .k = k, .spec = &specs[k->listeners_len], .listen = specs[k->listeners_len].listen, .fd = -1};
        if (open_one(l, d)) continue;
        k->listeners_len++; /* it is closed with the others */
        return false;
    }
    for (size_t i = 0; i < n; i++) announce(&k->listeners[i], n == 1);
    return true;
}

str kafka_listeners_text(const kafka *k, bool advertised, arena *a)
{
    buf out = {0};
    for (size_t i = 0; i < k->listeners_len; i++) {
        const kafka_listener *l = &k->listeners[i];
        const net_address *at = advertised && l->advertised.host[0] ? &l->advertised : &l->listen;
        const char *bracket = strchr(at->host, ':') ? "[" : "";
        buf_printf(&out, "%s%.*s://%s%s%s:%d", i > 0 ? "," : "", STR_ARG(l->spec->name), bracket, at->host,
                   bracket[0] ? "]" : "", at->port);
    }
    str text = arena_str(a, buf_str(&out));
    buf_free(&out);
    return text;
}

void kafka_listeners_start(kafka *k)
{
    for (size_t i = 0; i < k->listeners_len; i++) {
        kafka_listener *l = &k->listeners[i];
        int status = uv_poll_init(&k->loop.uv, &l->poll, l->fd);
        check(status == 0);
        uv_poll_start(&l->poll, UV_READABLE, on_accept);
    }
}

void kafka_listeners_turn(kafka *k)
{
    for (size_t i = 0; i < k->listeners_len; i++) {
        if (k->listeners[i].tls) tls_context_turn(k->listeners[i].tls);
    }
}

void kafka_listeners_stop(kafka *k)
{
    for (size_t i = 0; i < k->listeners_len; i++) uv_close((uv_handle_t *)&k->listeners[i].poll, NULL);
}

void kafka_listeners_close(kafka *k)
{
    for (size_t i = 0; i < k->listeners_len; i++) {
        tls_context_free(k->listeners[i].tls);
        if (k->listeners[i].fd >= 0) close(k->listeners[i].fd);
    }
    k->listeners_len = 0;
}

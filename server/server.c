#include "server/server.h"

#include <semaphore.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "server/host.h"
#include "server/http_listener.h"
#include "server/kafka.h"
#include "server/listeners.h"
#include "server/net.h"
#include "server/rest.h"

enum { OUTPUT_MAX = 256 * 1024, LINE_MAX_BYTES = 8192, HEAD_MAX = 32768, PIPELINE_MAX = 65536 };
enum { HTTP_LISTENERS_MAX = 16 };

struct server {
    const config *config;
    char *data_dir;
    file *lock;
    kafka *kafka;
    loop http_loop;
    bool http_looped;
    http_listener *listeners[HTTP_LISTENERS_MAX];
    size_t listeners_len;
    int http_port;
    bool http_plain;
    arena *a; /* of settings */
    http_service service;
    pool *statements;
    pool *readers;
    host *host; /* executes SQL; NULL without a Kafka side */
    rest rest;
    char cluster_id[64];
    char service_id[128];
};

static bool open_folder(server *s, diag *d)
{
    diag why = {0};
    buf path = {0};
    if (!fs_mkdirs(fs_real(), s->data_dir, &why)) {
        diag_set(d, why.code, "cannot use '%s' as data folder: %s", s->data_dir, why.text);
        return diag_hint(d, "Name a folder that this user may write to with --data.");
    }
    buf_printf(&path, "%s/lock", s->data_dir);
    bool good = fs_open(fs_real(), buf_z(&path), FILE_CREATE, &s->lock, &why);
    if (!good) {
        diag_set(d, why.code, "cannot use '%s' as data folder: %s", s->data_dir, why.text);
        diag_hint(d, "Name a folder that this user may write to with --data.");
    } else if (!file_lock(s->lock, &why)) {
        good = false;
        if (why.code == DIAG_BUSY) {
            diag_set(d, DIAG_BUSY, "the data folder '%s' is in use by another Weir server", s->data_dir);
            diag_hint(d, "Talk to that server (weir --server URL), or choose another folder with --data.");
        } else {
            diag_set(d, why.code, "cannot lock the data folder '%s': %s", s->data_dir, why.text);
        }
    }
    buf_free(&path);
    return good;
}

static bool open_kafka(server *s, const server_options *o, diag *d)
{
    kafka_options ko = {.data_dir = str_z(s->data_dir),
                        .fs = fs_real(),
                        .temporary = o->temporary_ports,
                        .sync_threads = (int)config_int(s->config, "sync.threads"),
                        .memory_max = (size_t)config_int(s->config, "memory.requests.bytes"),
                        .config = s->config};
    if (ko.sync_threads < 1) ko.sync_threads = 1;
    if (getrandom(&ko.seed, sizeof ko.seed, 0) != (ssize_t)sizeof ko.seed) {
        return diag_set(d, DIAG_IO, "the operating system gives no random numbers");
    }
    s->kafka = kafka_open(&ko, d);
    if (!s->kafka) return false;
    str id = broker_cluster_id(kafka_broker(s->kafka));
    snprintf(s->cluster_id, sizeof s->cluster_id, "%.*s", STR_ARG(id));
    return true;
}

static void stop_http(void *arg)
{
    server *s = arg;
    for (size_t i = 0; i < s->listeners_len; i++) http_listener_stop(s->listeners[i]);
}

static bool http_drained(void *arg)
{
    const server *s = arg;
    return rest_drained(&s->rest);
}

static bool open_listener(server *s, str scheme, str address, diag *d)
{
    http_listener_options ho = {.connections_max = (int)config_int(s->config, "http.max.connections"),
                                .idle_ms = config_int(s->config, "ksql.idle.connection.timeout.seconds") * 1000,
                                .request_ms = config_int(s->config, "http.request.timeout.ms")};
    bool secure = str_ieq(scheme, STR("https"));
    if (!secure && scheme.n > 0 && !str_ieq(scheme, STR("http")))
        return diag_set(d, DIAG_INVALID, "listeners takes http:// and https://, not '%.*s://'", STR_ARG(scheme));
    if (s->listeners_len == HTTP_LISTENERS_MAX)
        return diag_set(d, DIAG_LIMIT, "listeners has more than %d addresses", HTTP_LISTENERS_MAX);
    if (!net_address_parse(address, &ho.listen, d)) return false;
    if (secure) {
        tls_options options = listeners_tls(s->config, STR(""), s->a);
        options.client_auth = config_text(s->config, "ssl.client.authentication");
        options.http = true;
        ho.tls = tls_context_new(&options, d);
        if (!ho.tls) return false;
    }
    http_listener *h = http_listener_open(&s->http_loop, &ho, &s->service, d);
    if (!h) return false;
    s->listeners[s->listeners_len++] = h;
    if (s->listeners_len == 1 || (!secure && !s->http_plain)) s->http_port = http_listener_port(h);
    s->http_plain = s->http_plain || !secure;
    return true;
}

static bool open_listeners(server *s, const server_options *o, diag *d)
{
    str list = o->temporary_ports ? STR("127.0.0.1:0") : config_text(s->config, "listeners"), scheme, address;
    while (net_next_address(&list, &scheme, &address)) {
        if (!open_listener(s, scheme, address, d)) return false;
    }
    return s->listeners_len > 0 || diag_set(d, DIAG_INVALID, "listeners is empty");
}

static bool open_http(server *s, const server_options *o, diag *d)
{
    if (!loop_init(&s->http_loop, "weir-http", d)) return false;
    s->http_looped = true;
    s->http_loop.stopping = stop_http;
    s->http_loop.drained = http_drained;
    s->http_loop.stopping_arg = s;
    s->statements = pool_new("weir-sql", 1, d);
    int readers = (int)config_int(s->config, "disk.threads");
    if (s->statements) s->readers = pool_new("weir-disk", readers < 1 ? 1 : readers, d);
    if (!s->readers) return false;
    snprintf(s->service_id, sizeof s->service_id, "%.*s", STR_ARG(config_text(s->config, "ksql.service.id")));
    s->rest = (rest){.loop = &s->http_loop,
                     .statements = s->statements,
                     .readers = s->readers,
                     .config = s->config,
                     .version = WEIR_VERSION,
                     .cluster_id = s->cluster_id,
                     .service_id = s->service_id};
    s->service = (http_service){.context = &s->rest,
                                .limits = {.line_max = LINE_MAX_BYTES,
                                           .head_max = HEAD_MAX,
                                           .body_max = (size_t)config_int(s->config, "http.max.body.bytes"),
                                           .pipeline_max = PIPELINE_MAX,
                                           .output_max = OUTPUT_MAX},
                                .request = rest_request,
                                .closed = rest_closed,
                                .writable = rest_writable};
    return open_listeners(s, o, d);
}

static bool open_host(server *s, diag *d)
{
    host_options ho = {.fs = fs_real(),
                       .data_dir = s->data_dir,
                       .broker = kafka_broker(s->kafka),
                       .config = s->config,
                       .service_id = s->service_id,
                       .statements = s->statements};
    s->host = host_open(&ho, d);
    if (s->host) s->rest.executor = host_executor(s->host);
    return s->host != NULL;
}

static bool start_all(server *s, const server_options *o, diag *d)
{
    /* Half of the descriptors are the logs' at most; connections need the rest. */
    net_raise_file_limit();
    if (!open_folder(s, d)) return false;
    if (o->kafka && !open_kafka(s, o, d)) return false;
    if (o->http && !open_http(s, o, d)) return false;
    if (o->kafka && o->http && !open_host(s, d)) return false;
    if (s->kafka && !kafka_start(s->kafka, d)) return false;
    return !o->http || loop_start(&s->http_loop, d);
}

server *server_start(const server_options *options, diag *d)
{
    server *s = calloc(1, sizeof *s);
    check(s);
    s->config = options->config;
    s->a = arena_new();
    s->data_dir = strdup(options->data_dir);
    check(s->data_dir);
    if (start_all(s, options, d)) return s;
    server_stop(s);
    return NULL;
}

int server_http_port(const server *s)
{
    return s->http_port;
}

bool server_http_plain(const server *s)
{
    return s->http_plain;
}

int server_kafka_port(const server *s)
{
    return s->kafka ? kafka_port(s->kafka) : 0;
}

broker *server_broker(server *s)
{
    return s->kafka ? kafka_broker(s->kafka) : NULL;
}

/* Runs on the HTTP loop: no new statements, open streams end. */
typedef struct stop_letter {
    mail mail;
    rest *rest;
    sem_t done;
} stop_letter;

static void on_stop_letter(mail *m)
{
    stop_letter *l = container_of(m, stop_letter, mail);
    rest_stop(l->rest);
    sem_post(&l->done);
}

static void stop_requests(server *s)
{
    stop_letter l = {.mail = {.run = on_stop_letter}, .rest = &s->rest};
    sem_init(&l.done, 0, 0);
    loop_post(&s->http_loop, &l.mail);
    while (sem_wait(&l.done) != 0) continue;
    sem_destroy(&l.done);
}

/* In this order: nobody begins a query any more, those under way have begun, all end, and then their threads may. */
void server_stop(server *s)
{
    if (!s) return;
    if (s->http_looped && s->http_loop.started) stop_requests(s);
    pool_free(s->readers);
    if (s->host) host_stop_work(s->host);
    pool_free(s->statements);
    if (s->http_looped) {
        loop_stop(&s->http_loop);
        for (size_t i = 0; i < s->listeners_len; i++) http_listener_free(s->listeners[i]);
    }
    host_close(s->host);
    kafka_close(s->kafka);
    file_close(s->lock);
    arena_free(s->a);
    free(s->data_dir);
    free(s);
}

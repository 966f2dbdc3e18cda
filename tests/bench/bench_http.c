/*
 * tests/bench/bench_http.c - the HTTP side of the bench: pull queries at full speed, and a subscriber of a push query.
 *
 *     bench_http pull PORT TABLE COUNT CONNECTIONS     COUNT pull queries by random keys, one waiting per connection
 *     bench_http push PORT STREAM COUNT                prints how old each of COUNT rows was when it arrived
 *
 * HTTP/1.1 by hand, one thread with poll: what a client costs should not show in what it measures.
 */
#include <poll.h>
#include <stdbool.h>

#include "tests/bench/bench.h"

enum { MOST_CONNECTIONS = 64, BUFFER = 1 << 16 };

typedef struct connection {
    int64_t sent_at;
    size_t have;
    char in[BUFFER];
} connection;

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0) bench_die("the server closed the connection");
        p += done;
        n -= (size_t)done;
    }
}

static void ask(int fd, const char *sql, const char *properties)
{
    char body[1024], request[2048];
    int n = snprintf(body, sizeof body, "{\"ksql\":\"%s\",\"streamsProperties\":{%s}}", sql, properties);
    n = snprintf(
        request, sizeof request,
        "POST /query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", n,
        body);
    send_all(fd, request, (size_t)n);
}

/* Whether the connection's buffer holds a whole response: by Content-Length, or the end of a chunked body. */
static bool answered(connection *c)
{
    const char *body = memmem(c->in, c->have, "\r\n\r\n", 4);
    if (!body) return false;
    size_t head = (size_t)(body - c->in) + 4;
    const char *length = memmem(c->in, head, "Content-Length: ", 16);
    if (length) return c->have >= head + (size_t)atoll(length + 16);
    return c->have >= 5 && memcmp(c->in + c->have - 5, "0\r\n\r\n", 5) == 0;
}

static void ask_for_key(int fd, connection *c, const char *table, uint64_t *seed)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT * FROM %s WHERE K = 'user_%06u';", table,
             (unsigned)(bench_random(seed) % BENCH_KEYS));
    c->have = 0;
    c->sent_at = bench_ns();
    ask(fd, sql, "");
}

static void pull(int port, const char *table, int64_t count, int connections)
{
    struct pollfd fds[MOST_CONNECTIONS];
    connection *all = calloc((size_t)connections, sizeof *all);
    int64_t *times = calloc((size_t)count, sizeof *times), done = 0, asked = 0;
    int64_t bytes = 0, rows = 0, start = bench_ns();
    uint64_t seed = 42;
    if (!all || !times) bench_die("out of memory");
    for (int i = 0; i < connections; i++, asked++) {
        fds[i] = (struct pollfd){bench_connect(port), POLLIN, 0};
        ask_for_key(fds[i].fd, &all[i], table, &seed);
    }
    while (done < count) {
        if (poll(fds, (nfds_t)connections, 20000) <= 0) bench_die("no answer for 20 seconds");
        for (int i = 0; i < connections; i++) {
            connection *c = &all[i];
            if (!fds[i].revents) continue;
            ssize_t n = recv(fds[i].fd, c->in + c->have, sizeof c->in - c->have, 0);
            if (n <= 0) bench_die("the server closed the connection");
            c->have += (size_t)n;
            if (!answered(c)) continue;
            if (strncmp(c->in, "HTTP/1.1 200", 12) != 0) bench_die("%.*s", (int)c->have, c->in);
            if (done < count) times[done++] = bench_ns() - c->sent_at;
            bytes += (int64_t)c->have;
            if (memmem(c->in, c->have, "\"row\"", 5)) rows++;
            if (asked < count) {
                ask_for_key(fds[i].fd, c, table, &seed);
                asked++;
            }
        }
    }
    double s = (double)(bench_ns() - start) / 1e9;
    printf("{\"figure\": \"pull\", \"requests_s\": %.0f, \"answer_bytes\": %lld, \"hits\": %.4f, ", (double)count / s,
           (long long)(bytes / count), (double)rows / (double)count);
    bench_print_times(times, (size_t)count);
    printf("}\n");
    free(all);
    free(times);
}

static void push(int port, const char *stream, int64_t count)
{
    static char in[1 << 20];
    char sql[256];
    size_t have = 0;
    int64_t *ages = calloc((size_t)count, sizeof *ages), got = 0;
    if (!ages) bench_die("out of memory");
    int fd = bench_connect(port);
    snprintf(sql, sizeof sql, "SELECT TS, 'at' AS A FROM %s WHERE BYTES > 5000 EMIT CHANGES;", stream);
    ask(fd, sql, "\"auto.offset.reset\":\"earliest\"");
    while (got < count) {
        ssize_t n = recv(fd, in + have, sizeof in - have, 0);
        int64_t now = bench_ns();
        if (n <= 0) bench_die("the server ended the push query after %lld rows", (long long)got);
        have += (size_t)n;
        /* A row is ..."columns":[TS,"at"]...: take those that have come whole, keep the rest. */
        size_t from = 0;
        for (char *p; (p = memmem(in + from, have - from, "\"columns\":[", 11));) {
            char *end = memmem(p, have - (size_t)(p - in), "\"at\"", 4);
            if (!end) break;
            if (got < count) ages[got++] = now - atoll(p + 11);
            from = (size_t)(end - in) + 4;
        }
        if (from == 0 && have > sizeof in / 2) bench_die("no rows in the answer: %.200s", in);
        memmove(in, in + from, have - from);
        have -= from;
    }
    close(fd);
    printf("{\"figure\": \"push\", ");
    bench_print_times(ages, (size_t)count);
    printf("}\n");
    free(ages);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "pull") == 0 && argc == 6 && (int)atoll(argv[5]) > 0 && (int)atoll(argv[5]) <= MOST_CONNECTIONS) {
        pull((int)atoll(argv[2]), argv[3], atoll(argv[4]), (int)atoll(argv[5]));
    } else if (strcmp(what, "push") == 0 && argc == 5) {
        push((int)atoll(argv[2]), argv[3], atoll(argv[4]));
    } else {
        bench_die("usage: bench_http pull PORT TABLE COUNT CONNECTIONS | push PORT STREAM COUNT");
    }
    return 0;
}

/*
 * tests/bench/bench_floor.c - what the machine itself can do: the references of the other figures.
 *
 *     bench_floor receive FOLDER MIB [SYNC_KIB]
 *                                        a bare loop of recv and pwrite: the floor of produce; with an fdatasync every
 *                                        SYNC_KIB the floor of acks=all
 *     bench_floor send FOLDER MIB        a bare sendfile loop from a hot file: the floor of fetch
 *     bench_floor scan ROWS              reading the members of the bench's JSON records with base/json_scan
 *     bench_floor answer BYTES           serves one connection after the other: a canned answer to every request, until
 *                                        its standard input ends; prints its port first, its CPU time last
 *
 * The other end of receive and send is a child process, whose CPU time does not count.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "base/json_scan.h"
#include "tests/bench/bench.h"

enum { MIB = 1 << 20, BUFFER = 256 << 10 };

static int scratch_file(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/bench-floor.tmp", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) bench_die("cannot make %s", path);
    unlink(path);
    return fd;
}

static void print_stream(const char *name, int64_t bytes, double cpu, int64_t ns)
{
    double gib = (double)bytes / (1 << 30);
    printf("{\"figure\": \"%s\", \"mib_s\": %.1f, \"cpu_s_gib\": %.4f}\n", name, gib * 1024 / ((double)ns / 1e9),
           cpu / gib);
}

static void floor_receive(const char *folder, int64_t total, int64_t sync_every)
{
    int port, file = scratch_file(folder);
    int listener = bench_listen(&port);
    static char buffer[BUFFER];
    pid_t child = fork();
    if (child == 0) {
        int out = bench_connect(port);
        memset(buffer, 'x', sizeof buffer);
        for (int64_t left = total; left > 0;) {
            ssize_t n = send(out, buffer, (size_t)(left < BUFFER ? left : BUFFER), 0);
            if (n <= 0) _exit(1);
            left -= n;
        }
        _exit(0);
    }
    int in = accept(listener, NULL, NULL);
    int64_t got = 0, synced = 0, start = bench_ns();
    double cpu = bench_cpu();
    for (ssize_t n; (n = recv(in, buffer, sizeof buffer, 0)) > 0; got += n) {
        if (pwrite(file, buffer, (size_t)n, got) != n) bench_die("write failed");
        if (sync_every == 0 || got - synced < sync_every) continue;
        if (fdatasync(file) != 0) bench_die("sync failed");
        synced = got;
    }
    print_stream(sync_every ? "receive+pwrite+fdatasync" : "receive+pwrite", got, bench_cpu() - cpu,
                 bench_ns() - start);
    waitpid(child, NULL, 0);
}

static void floor_send(const char *folder, int64_t total)
{
    int port, file = scratch_file(folder);
    int listener = bench_listen(&port);
    static char buffer[BUFFER];
    for (int64_t at = 0; at < total; at += BUFFER) {
        if (pwrite(file, buffer, BUFFER, at) != BUFFER) bench_die("write failed");
    }
    pid_t child = fork();
    if (child == 0) {
        int in = bench_connect(port);
        while (recv(in, buffer, sizeof buffer, 0) > 0) {
        }
        _exit(0);
    }
    int out = accept(listener, NULL, NULL);
    off_t at = 0;
    int64_t start = bench_ns();
    double cpu = bench_cpu();
    while (at < total) {
        if (sendfile(out, file, &at, (size_t)(total - at)) <= 0) bench_die("sendfile failed");
    }
    close(out);
    waitpid(child, NULL, 0);
    print_stream("sendfile", total, bench_cpu() - cpu, bench_ns() - start);
}

/* Steps over one record, looking at every member; the sum keeps the compiler from leaving it out. */
static uint64_t scan_record(str text)
{
    json_in in = json_in_of(text, true);
    uint64_t sum = 0;
    if (!json_open(&in, '{')) bench_die("not an object");
    for (bool more = !json_closes(&in, '}'); more;) {
        json_text key, string;
        json_num number;
        if (!json_key(&in, &key)) bench_die("%s", in.why);
        bool good;
        if (*in.p == '"') {
            good = json_string(&in, &string);
            sum += good ? string.raw.n : 0;
        } else if (*in.p == '-' || (*in.p >= '0' && *in.p <= '9')) {
            good = json_number(&in, &number);
            sum += good ? number.mantissa : 0;
        } else {
            good = json_skip(&in, 8);
        }
        if (!good || !json_more(&in, '}', &more)) bench_die("%s", in.why);
    }
    return sum;
}

static void floor_scan(int64_t rows)
{
    /* 50 MB of records, so that they come from memory and not from the cache, as the server's do. */
    int64_t kept = rows < 200000 ? rows : 200000;
    char *text = calloc(1, (size_t)kept * BENCH_RECORD_BYTES + 64), key[BENCH_KEY_BYTES + 1];
    if (!text) bench_die("out of memory");
    for (int64_t i = 0; i < kept; i++) bench_record(i, key, text + i * BENCH_RECORD_BYTES);
    uint64_t sum = 0;
    double cpu = bench_cpu();
    for (int64_t i = 0; i < rows; i++) {
        sum += scan_record((str){text + i % kept * BENCH_RECORD_BYTES, BENCH_RECORD_BYTES});
    }
    cpu = bench_cpu() - cpu;
    printf("{\"figure\": \"json scan\", \"records_s\": %.0f, \"ns_record\": %.1f, \"sum\": %llu}\n", (double)rows / cpu,
           cpu * 1e9 / (double)rows, (unsigned long long)sum);
    free(text);
}

/* Answers every request whose head has come whole; the bodies of the bench's requests come with their heads. */
static void floor_answer(size_t bytes)
{
    enum { CLIENTS = 64 };
    int port, listener = bench_listen(&port);
    struct pollfd fds[2 + CLIENTS] = {{0, POLLIN, 0}, {listener, POLLIN, 0}};
    int count = 2;
    char *answer = malloc(bytes + 256), request[8192];
    if (!answer) bench_die("out of memory");
    int head = snprintf(answer, 256, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes);
    memset(answer + head, 'x', bytes);
    printf("{\"port\": %d}\n", port);
    fflush(stdout);
    while (!(fds[0].revents & (POLLIN | POLLHUP))) {
        if (poll(fds, (nfds_t)count, -1) < 0) bench_die("poll failed");
        if (fds[1].revents && count < 2 + CLIENTS)
            fds[count++] = (struct pollfd){accept(listener, NULL, NULL), POLLIN, 0};
        for (int i = 2; i < count; i++) {
            if (!(fds[i].revents & (POLLIN | POLLHUP))) continue;
            ssize_t n = recv(fds[i].fd, request, sizeof request, 0);
            if (n > 0) n = send(fds[i].fd, answer, (size_t)head + bytes, MSG_NOSIGNAL);
            if (n > 0) continue;
            close(fds[i].fd);
            fds[i].fd = -1;
        }
    }
    printf("{\"figure\": \"bare answers\", \"cpu_s\": %.4f}\n", bench_cpu());
    free(answer);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "receive") == 0 && (argc == 4 || argc == 5)) {
        floor_receive(argv[2], atoll(argv[3]) * MIB, argc == 5 ? atoll(argv[4]) * 1024 : 0);
    } else if (strcmp(what, "send") == 0 && argc == 4) {
        floor_send(argv[2], atoll(argv[3]) * MIB);
    } else if (strcmp(what, "scan") == 0 && argc == 3) {
        floor_scan(atoll(argv[2]));
    } else if (strcmp(what, "answer") == 0 && argc == 3) {
        floor_answer((size_t)atoll(argv[2]));
    } else {
        bench_die("usage: bench_floor receive|send FOLDER MIB | scan ROWS | answer BYTES");
    }
    return 0;
}

/*
 * tests/bench/bench.h - what the programs of the bench share: clocks, figures, TCP on the loopback, and the records.
 *
 * Header only; each program is one thread unless it says otherwise. Every program prints one JSON object a figure on
 * its standard output, which run.py puts beside the server's and the reference's.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BENCH_KEYS = 100000, BENCH_RECORD_BYTES = 250, BENCH_KEY_BYTES = 11 };

/* Monotonic time. */
static inline int64_t bench_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The CPU time of this process, in seconds. */
static inline double bench_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Ends the program: a bench that cannot measure says so and prints no figure. */
__attribute__((format(printf, 1, 2), noreturn)) static inline void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/*
 * Record i: a JSON object of BENCH_RECORD_BYTES bytes, and its key, one of BENCH_KEYS users. Half of the records have
 * BYTES > 5000, which is what the filter of the bench asks for. Both buffers hold one byte more for a NUL.
 */
static inline void bench_record(int64_t i, char *key, char *value)
{
    uint64_t seed = (uint64_t)i * 2 + 1;
    uint64_t r = bench_random(&seed), r2 = bench_random(&seed);
    snprintf(key, BENCH_KEY_BYTES + 1, "user_%06u", (unsigned)(r % BENCH_KEYS));
    int n = snprintf(value, BENCH_RECORD_BYTES + 1,
                     "{\"ID\":%lld,\"PAGE\":\"/wiki/Page_%u\",\"BYTES\":%u,\"SCORE\":%u.%02u,\"COUNTRY\":\"%c%c\","
                     "\"BOT\":%s,\"TS\":%lld,\"COMMENT\":\"",
                     (long long)i, (unsigned)(r2 % 99991), (unsigned)(r2 >> 20) % 10001, (unsigned)(r2 >> 40) % 1000,
                     (unsigned)(r >> 50) % 100, (char)('a' + (r >> 30) % 26), (char)('a' + (r >> 36) % 26),
                     r2 & 8 ? "true" : "false", 1700000000000LL + (long long)i);
    static const char filler[] = "the quick brown fox jumps over the lazy dog and reverts the last edit of the page ";
    for (size_t at = 0; n < BENCH_RECORD_BYTES - 2; n++, at++) value[n] = filler[at % (sizeof filler - 1)];
    memcpy(value + n, "\"}", 3);
}

/* A connected socket to the loopback's port. */
static inline int bench_connect(int port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) bench_die("cannot connect to port %d", port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* A listening socket on a free port of the loopback. */
static inline int bench_listen(int *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 64) != 0) bench_die("cannot listen");
    getsockname(fd, (struct sockaddr *)&a, &n);
    *port = ntohs(a.sin_port);
    return fd;
}

static inline int bench_compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Prints the spread of times in ns, as milliseconds, inside an open JSON object. */
static inline void bench_print_times(int64_t *times, size_t n)
{
    qsort(times, n, sizeof *times, bench_compare);
    printf("\"n\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f", n, (double)times[n / 2] / 1e6,
           (double)times[n * 99 / 100] / 1e6, (double)times[n - 1] / 1e6);
}

#endif

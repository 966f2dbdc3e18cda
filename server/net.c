#include "server/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024, UNSENT_MAX = 256 << 10 };

bool net_address_parse(str text, net_address *out, diag *d)
{
    str host = STR("127.0.0.1"), port = text;
    for (size_t i = text.n; i-- > 0;) {
        if (text.p[i] == ']') break;
        if (text.p[i] != ':') continue;
        if (i > 0) host = str_of(text.p, i);
        port = str_of(text.p + i + 1, text.n - i - 1);
        break;
    }
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']') host = str_of(host.p + 1, host.n - 2);
    int64_t number;
    if (host.n == 0 || host.n >= NET_HOST_MAX || !str_to_i64(port, &number) || number < 0 || number > 65535) {
        diag_set(d, DIAG_INVALID, "'%.*s' is not an address", STR_ARG(text));
        return diag_hint(d, "Write HOST:PORT, for example 127.0.0.1:8088.");
    }
    memcpy(out->host, host.p, host.n);
    out->host[host.n] = 0;
    out->port = (int)number;
    return true;
}

bool net_next_address(str *list, str *name, str *address)
{
    while (list->n > 0) {
        ptrdiff_t comma = str_find(*list, STR(","), 0);
        size_t n = comma < 0 ? list->n : (size_t)comma, step = comma < 0 ? n : n + 1;
        str one = str_trim(str_of(list->p, n));
        *list = str_of(list->p + step, list->n - step);
        if (one.n == 0) continue;
        ptrdiff_t mark = str_find(one, STR("://"), 0);
        *name = mark < 0 ? STR("") : str_of(one.p, (size_t)mark);
        *address = mark < 0 ? one : str_of(one.p + mark + 3, one.n - (size_t)mark - 3);
        return true;
    }
    return false;
}

/*
 * Connections that are accepted take the listener's congestion control. Where the system's is BBR it would pace them by
 * a timer for every piece that is sent: nothing but cost, and waiting, for a client on the same machine. Reno is always
 * there and does not pace. A connection cannot be told later: once BBR began, it stays paced.
 */
static void do_not_pace(int fd)
{
    static const char plain[] = "reno";
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, plain, sizeof plain - 1);
}

/*
 * What a client does not take would fill its send buffer, megabytes for each connection, until the kernel's memory for
 * TCP is short and the windows of all other clients close. The listener's limit is that of its connections.
 */
static void limit_unsent(int fd)
{
    int n = UNSENT_MAX;
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &n, sizeof n);
}

static int open_listener(const struct addrinfo *ai)
{
    int one = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool bound = bind(fd, ai->ai_addr, ai->ai_addrlen) == 0;
    if (bound && net_is_loopback(fd)) do_not_pace(fd);
    limit_unsent(fd);
    if (bound && listen(fd, BACKLOG) == 0) return fd;
    int failed = errno;
    close(fd);
    errno = failed;
    return -1;
}

int net_listen(net_address *a, diag *d)
{
    char port[8];
    struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    snprintf(port, sizeof port, "%d", a->port);
    int status = getaddrinfo(a->host, port, &want, &found);
    if (status != 0) {
        diag_set(d, DIAG_IO, "cannot listen on %s:%d: %s", a->host, a->port, gai_strerror(status));
        return -1;
    }
    int fd = -1, failed = 0;
    for (const struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next) {
        fd = open_listener(ai);
        if (fd < 0 && failed == 0) failed = errno;
    }
    freeaddrinfo(found);
    if (fd < 0) {
        if (failed == EADDRINUSE) {
            diag_set(d, DIAG_BUSY, "port %d on %s is in use by another program", a->port, a->host);
            diag_hint(d, "Choose another one, or stop the program that listens there (ss -ltnp shows it).");
        } else {
            diag_os(d, failed, "cannot listen on %s:%d", a->host, a->port);
        }
        return -1;
    }
    struct sockaddr_storage own;
    socklen_t n = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &n) == 0) {
        a->port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                                  : ((struct sockaddr_in *)&own)->sin_port);
    }
    return fd;
}

/* The address of an IPv4 or IPv6 socket; a mapped IPv4 address counts as what it is. false when there is none. */
static bool own_address(int fd, int *family, uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct sockaddr_storage own;
    socklen_t n = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &n) != 0) return false;
    *family = own.ss_family;
    if (*family == AF_INET) {
        memcpy(bytes, &((struct sockaddr_in *)&own)->sin_addr, 4);
        return true;
    }
    if (*family != AF_INET6) return false;
    memcpy(bytes, &((struct sockaddr_in6 *)&own)->sin6_addr, 16);
    if (memcmp(bytes, mapped, 12) != 0) return true;
    *family = AF_INET;
    memmove(bytes, bytes + 12, 4);
    return true;
}

bool net_is_loopback(int fd)
{
    static const uint8_t v6[16] = {[15] = 1};
    int family;
    uint8_t bytes[16];
    if (!own_address(fd, &family, bytes)) return false;
    return family == AF_INET ? bytes[0] == 127 : memcmp(bytes, v6, 16) == 0;
}

bool net_is_any(int fd)
{
    static const uint8_t any[16] = {0};
    int family;
    uint8_t bytes[16];
    return own_address(fd, &family, bytes) && memcmp(bytes, any, family == AF_INET ? 4 : 16) == 0;
}

void net_own_host(int fd, char *host)
{
    int family;
    uint8_t bytes[16];
    if (!own_address(fd, &family, bytes) || !inet_ntop(family, bytes, host, NET_HOST_MAX)) host[0] = 0;
}

int net_accept(int listener, char *peer)
{
    struct sockaddr_storage from;
    socklen_t n = sizeof from;
    int one = 1;
    int fd = accept4(listener, (struct sockaddr *)&from, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    const void *address = from.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&from)->sin6_addr
                                                     : (void *)&((struct sockaddr_in *)&from)->sin_addr;
    if (!inet_ntop(from.ss_family, address, peer, NET_HOST_MAX)) peer[0] = 0;
    return fd;
}

int64_t net_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
    return (int64_t)limit.rlim_cur;
}

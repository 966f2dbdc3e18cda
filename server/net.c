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

enum { BACKLOG = 1024 };

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

static int open_listener(const struct addrinfo *ai)
{
    int one = 1;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) return fd;
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

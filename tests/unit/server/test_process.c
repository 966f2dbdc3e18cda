/* The small parts of the process: command line, settings, addresses, mailboxes, pools. */
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "server/config.h"
#include "server/loop.h"
#include "server/net.h"
#include "server/options.h"
#include "server/pool.h"

START_TEST(options_are_read_in_every_spelling)
{
    const char *data = NULL, *positional[2];
    option_list list = {0};
    bool verbose = false;
    int n;
    diag d = {0};
    const option flags[] = {{"data", 'd', OPTION_TEXT, &data, "DIR", ""},
                            {"set", 0, OPTION_LIST, &list, "X", ""},
                            {"verbose", 'v', OPTION_FLAG, &verbose, NULL, ""},
                            {0}};
    const char *const argv[] = {"serve", "-d", "a", "--data=b", "--set", "x=1", "--set=y=2", "-v", "file", "--", "-v"};
    ck_assert_msg(options_parse(ARRAY_LEN(argv), (char **)(uintptr_t)argv, flags, positional, 2, &n, &d), "%s", d.text);
    ck_assert_str_eq(data, "b");
    ck_assert_int_eq(list.count, 2);
    ck_assert_str_eq(list.values[1], "y=2");
    ck_assert(verbose && n == 2);
    ck_assert_str_eq(positional[1], "-v");
    const char *const wrong[] = {"serve", "--verbse"};
    ck_assert(!options_parse(2, (char **)(uintptr_t)wrong, flags, positional, 2, &n, &d));
    ck_assert_str_eq(d.text, "unknown option '--verbse'");
    ck_assert_str_eq(d.hint, "Did you mean '--verbose'?");
    diag_clear(&d);
    const char *const valued[] = {"serve", "--verbose=1"};
    ck_assert(!options_parse(2, (char **)(uintptr_t)valued, flags, positional, 2, &n, &d));
    diag_clear(&d);
    const char *const missing[] = {"serve", "--data"};
    ck_assert(!options_parse(2, (char **)(uintptr_t)missing, flags, positional, 2, &n, &d));
}
END_TEST

START_TEST(addresses_are_read_and_malformed_ones_refused)
{
    static const struct {
        const char *text, *host;
        int port;
    } good[] = {{"0.0.0.0:9092", "0.0.0.0", 9092},
                {":80", "127.0.0.1", 80},
                {"8088", "127.0.0.1", 8088},
                {"[::1]:1", "::1", 1},
                {"host.name:0", "host.name", 0}};
    static const char *const bad[] = {"", "host", "host:", "host:-1", "host:65536", "host:1x", "[]:1"};
    net_address a;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        diag d = {0};
        ck_assert_msg(net_address_parse(str_z(good[i].text), &a, &d), "%s", good[i].text);
        ck_assert_str_eq(a.host, good[i].host);
        ck_assert_int_eq(a.port, good[i].port);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        diag d = {0};
        ck_assert_msg(!net_address_parse(str_z(bad[i]), &a, &d), "%s", bad[i]);
    }
}
END_TEST

START_TEST(a_taken_port_is_named)
{
    net_address a = {"127.0.0.1", 0};
    diag d = {0};
    int fd = net_listen(&a, &d);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_gt(a.port, 0);
    net_address same = a;
    ck_assert_int_eq(net_listen(&same, &d), -1);
    ck_assert_int_eq(d.code, DIAG_BUSY);
}
END_TEST

/* How the system paces what is sent to other machines is its administrator's choice. */
START_TEST(a_connection_from_this_machine_alone_is_not_paced)
{
    static const struct {
        const char *host;
        bool plain;
    } hosts[] = {{"127.0.0.1", true}, {"0.0.0.0", false}};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        net_address a = {.port = 0};
        snprintf(a.host, sizeof a.host, "%s", hosts[i].host);
        diag d = {0};
        char own[16] = "", peer[NET_HOST_MAX], got[16] = "";
        socklen_t own_n = sizeof own, got_n = sizeof got;
        int listener = net_listen(&a, &d), client = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert(listener >= 0 && client >= 0);
        ck_assert_int_eq(getsockopt(client, IPPROTO_TCP, TCP_CONGESTION, own, &own_n), 0);
        struct sockaddr_in to = {
            .sin_family = AF_INET, .sin_port = htons((uint16_t)a.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
        ck_assert_int_eq(connect(client, (struct sockaddr *)&to, sizeof to), 0);
        int fd = net_accept(listener, peer);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, got, &got_n), 0);
        ck_assert_str_eq(got, hosts[i].plain ? "reno" : own);
        close(fd);
        close(client);
        close(listener);
    }
}
END_TEST

START_TEST(settings_have_defaults_types_and_names)
{
    config *c = config_new();
    diag d = {0};
    for (const config_info *i = config_table(); i->name; i++) {
        ck_assert_msg(config_set(c, str_z(i->name), str_z(i->value), &d), "the default of %s: %s", i->name, d.text);
    }
    ck_assert_int_eq(config_int(c, "ksql.max.push.queries"), 100);
    ck_assert(config_set(c, STR("listeners"), STR("http://0.0.0.0:80"), &d));
    ck_assert(config_set(c, STR("listeners"), STR("http://0.0.0.0:80,https://[::1]:81"), &d));
    ck_assert(!config_set(c, STR("listeners"), STR("http://0.0.0.0"), &d));
    diag_clear(&d);
    ck_assert(!config_set(c, STR("sync.threads"), STR("many"), &d));
    diag_clear(&d);
    ck_assert(!config_set(c, STR("sync.thread"), STR("1"), &d));
    ck_assert_str_eq(d.hint, "Did you mean 'sync.threads'?");
    diag_clear(&d);
    ck_assert(config_set_pair(c, STR("log.retention.ms = 5"), &d));
    str name, value;
    ck_assert(config_passed_on(c, 0, &name, &value) && str_eqz(name, "log.retention.ms") && str_eqz(value, "5"));
    ck_assert(!config_passed_on(c, 1, &name, &value));
    /* Each of the broker's settings that a test or a user gives has to come through. */
    ck_assert(config_set_pair(c, STR("replication.factor.clamp=true"), &d));
    ck_assert(config_set_pair(c, STR("default.replication.factor=1"), &d));
    ck_assert(config_set_pair(c, STR("fetch.max.bytes=1024"), &d));
    ck_assert(config_set_pair(c, STR("producer.id.expiration.ms=1"), &d));
    config_free(c);
}
END_TEST

enum { SENDERS = 4, LETTERS = 5000 };

/* A letter that knows its sender and number. */
typedef struct letter {
    mail mail;
    struct counter *counter;
    int sender, number;
} letter;

typedef struct counter {
    loop loop;
    pool *pool;
    int last[SENDERS]; /* touched by the loop's thread only */
    int seen;
    atomic_int jobs;
} counter;

static void on_letter(mail *m)
{
    letter *l = container_of(m, letter, mail);
    ck_assert_int_eq(l->number, l->counter->last[l->sender] + 1);
    l->counter->last[l->sender] = l->number;
    l->counter->seen++;
    free(l);
}

/* A job of the pool: sends its letters to the loop. */
static void send_letters(mail *m)
{
    letter *job = container_of(m, letter, mail);
    for (int i = 1; i <= LETTERS; i++) {
        letter *l = malloc(sizeof *l);
        *l = (letter){.mail = {.run = on_letter}, .counter = job->counter, .sender = job->sender, .number = i};
        loop_post(&job->counter->loop, &l->mail);
    }
    atomic_fetch_add(&job->counter->jobs, 1);
    free(job);
}

static bool all_seen(void *arg)
{
    return ((counter *)arg)->seen == SENDERS * LETTERS;
}

START_TEST(letters_of_many_senders_arrive_whole_and_in_order)
{
    counter *c = calloc(1, sizeof *c);
    diag d = {0};
    ck_assert(loop_init(&c->loop, "test", &d));
    c->loop.drained = all_seen;
    c->loop.stopping_arg = c;
    ck_assert(loop_start(&c->loop, &d));
    c->pool = pool_new("test", SENDERS, &d);
    for (int i = 0; i < SENDERS; i++) {
        letter *job = malloc(sizeof *job);
        *job = (letter){.mail = {.run = send_letters}, .counter = c, .sender = i};
        pool_post(c->pool, &job->mail);
    }
    pool_free(c->pool);
    ck_assert_int_eq(atomic_load(&c->jobs), SENDERS);
    loop_stop(&c->loop);
    ck_assert_int_eq(c->seen, SENDERS * LETTERS);
    free(c);
}
END_TEST

UNIT_MAIN("server/process", options_are_read_in_every_spelling, addresses_are_read_and_malformed_ones_refused,
          a_taken_port_is_named, a_connection_from_this_machine_alone_is_not_paced,
          settings_have_defaults_types_and_names,
          letters_of_many_senders_arrive_whole_and_in_order)

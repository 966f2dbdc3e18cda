/* What each API asks of the authorizer, with which error, and who is meant. */
#include "tests/unit/unit.h"

#include <string.h>

#include "tests/support/broker/acl_bed.h"

static bench t;

enum { AL = ACL_BED_AL };

typedef struct need {
    acl_resource resource;
    const char *name;
    acl_operation operation;
    int16_t error; /* without it */
} need;

/* A request with all that it needs, in the order in which it is asked for. */
typedef struct probe {
    int16_t key, version;
    const char *request, *answer;
    need needs[3];
} probe;

#define OF_TOPIC(name, op)                                                                                             \
    {                                                                                                                  \
        ACL_TOPIC, name, op, KAFKA_TOPIC_AUTHORIZATION_FAILED                                                          \
    }
#define OF_GROUP(op)                                                                                                   \
    {                                                                                                                  \
        ACL_GROUP, "g", op, KAFKA_GROUP_AUTHORIZATION_FAILED                                                           \
    }
#define OF_TXN(op)                                                                                                     \
    {                                                                                                                  \
        ACL_TRANSACTIONAL_ID, "tx", op, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED                                    \
    }
#define OF_CLUSTER(op)                                                                                                 \
    {                                                                                                                  \
        ACL_CLUSTER, "kafka-cluster", op, KAFKA_CLUSTER_AUTHORIZATION_FAILED                                           \
    }

static const probe probes[] = {
    {0, 7, "n h=1 i=1000 [ s=t [ i=0 r ] ]", "[s[iE", {OF_TOPIC("t", ACL_WRITE)}},
    {0, 7, "n h=1 i=1000 [ s=none [ i=0 r ] ]", "[s[iE", {OF_TOPIC("none", ACL_WRITE)}},
    {0, 13, "n h=1 i=1000 [ u [ i=0 r ] ]", "[u[iE", {OF_TOPIC("t", ACL_WRITE)}},
    {0, 7, "n=tx h=1 i=1000 [ s=t [ i=0 R ] ]", "[s[iE", {OF_TXN(ACL_WRITE), OF_TOPIC("t", ACL_WRITE)}},
    {1,
     11,
     "i=-1 i=0 i=1 i=999 b=0 i=0 i=-1 [ s=t [ i=0 i=-1 q=0 q=-1 i=999 ] ] 0 s=",
     "i b b i [s[iE",
     {OF_TOPIC("t", ACL_READ)}},
    {1,
     11,
     "i=-1 i=0 i=1 i=999 b=0 i=0 i=-1 [ s=none [ i=0 i=-1 q=0 q=-1 i=999 ] ] 0 s=",
     "i b b i [s[iE",
     {OF_TOPIC("none", ACL_READ)}},
    {1,
     13,
     "i=-1 i=0 i=1 i=999 b=0 i=0 i=-1 [ u [ i=0 i=-1 q=0 i=-1 q=-1 i=999 ] ] 0 s=",
     "i b b i [u[iE",
     {OF_TOPIC("t", ACL_READ)}},
    {1,
     13,
     "i=-1 i=0 i=1 i=999 b=0 i=0 i=-1 [ u [ i=7 i=-1 q=0 i=-1 q=-1 i=999 ] ] 0 s=",
     "i b b i [u[iE",
     {OF_TOPIC("t", ACL_READ)}},
    {2, 5, "i=-1 b=0 [ s=t [ i=0 i=-1 q=-1 ] ]", "i[s[iE", {OF_TOPIC("t", ACL_DESCRIBE)}},
    {3, 4, "{ s=t } B=1", "i[isin]ni[E", {OF_TOPIC("t", ACL_DESCRIBE)}},
    {3, 4, "{ s=none } B=0", "i[isin]ni[E", {OF_TOPIC("none", ACL_DESCRIBE)}},
    {3, 4, "{ s=fresh } B=1", "i[isin]ni[E", {OF_TOPIC("fresh", ACL_DESCRIBE), OF_TOPIC("fresh", ACL_CREATE)}},
    {3,
     4,
     "{ s=fresh2 } B=1",
     "i[isin]ni[E",
     {OF_TOPIC("fresh2", ACL_READ), {ACL_CLUSTER, "kafka-cluster", ACL_CREATE, KAFKA_TOPIC_AUTHORIZATION_FAILED}}},
    {3, 12, "[ u n ] B=0 B=0", "i[isin]ni[E", {OF_TOPIC("t", ACL_DESCRIBE)}},
    {8, 7, "s=g i=-1 s= n [ s=t [ i=0 q=3 i=-1 n= ] ]", "i[s[iE", {OF_GROUP(ACL_READ), OF_TOPIC("t", ACL_READ)}},
    {8, 10, "s=g i=-1 s= n [ u [ i=0 q=3 i=-1 n= ] ]", "i[u[iE", {OF_GROUP(ACL_READ), OF_TOPIC("t", ACL_READ)}},
    {9, 1, "s=g [ s=t { i=0 } ]", "[s[iqnE", {OF_GROUP(ACL_DESCRIBE), OF_TOPIC("t", ACL_DESCRIBE)}},
    {10, 2, "s=g b=0", "iE", {OF_GROUP(ACL_DESCRIBE)}},
    {10, 2, "s=tx b=1", "iE", {OF_TXN(ACL_DESCRIBE)}},
    {10, 4, "b=0 { s=g }", "i[sisiE", {OF_GROUP(ACL_DESCRIBE)}},
    {11, 5, "s=g i=10000 i=20000 s= n s=consumer [ s=range y=m ]", "iE", {OF_GROUP(ACL_READ)}},
    {12, 0, "s=g i=1 s=m", "E", {OF_GROUP(ACL_READ)}},
    {13, 1, "s=g s=m", "iE", {OF_GROUP(ACL_READ)}},
    {13, 4, "s=g [ s=m n ]", "iE", {OF_GROUP(ACL_READ)}},
    {14, 1, "s=g i=1 s=m [ s=m y=a ]", "iE", {OF_GROUP(ACL_READ)}},
    {15, 0, "{ s=g }", "[E", {OF_GROUP(ACL_DESCRIBE)}},
    {19, 4, "[ s=new i=1 h=1 0 0 ] i=1000 B=1", "i[sE", {OF_TOPIC("new", ACL_CREATE)}},
    {19,
     4,
     "[ s=new i=1 h=1 0 0 ] i=1000 B=1",
     "i[sE",
     {{ACL_CLUSTER, "kafka-cluster", ACL_CREATE, KAFKA_TOPIC_AUTHORIZATION_FAILED}}},
    {20, 3, "{ s=doomed } i=1000", "i[sE", {OF_TOPIC("doomed", ACL_DESCRIBE), OF_TOPIC("doomed", ACL_DELETE)}},
    {20,
     3,
     "{ s=doomed } i=1000",
     "i[sE",
     {{ACL_CLUSTER, "kafka-cluster", ACL_DELETE, KAFKA_TOPIC_AUTHORIZATION_FAILED}}},
    {21, 0, "[ s=t [ i=0 q=0 ] ] i=1000", "i[s[iqE", {OF_TOPIC("t", ACL_DELETE)}},
    {22, 0, "n i=60000", "iE", {OF_CLUSTER(ACL_IDEMPOTENT_WRITE)}},
    {22, 0, "n i=60000", "iE", {{ACL_TOPIC, "any", ACL_WRITE, KAFKA_CLUSTER_AUTHORIZATION_FAILED}}},
    {22, 0, "n=tx i=60000", "iE", {OF_TXN(ACL_WRITE)}},
    {23, 2, "[ s=t [ i=0 i=-1 i=0 ] ]", "i[s[E", {OF_TOPIC("t", ACL_DESCRIBE)}},
    {23,
     2,
     "[ s=t [ i=0 i=-1 i=0 ] ]",
     "i[s[E",
     {{ACL_CLUSTER, "kafka-cluster", ACL_CLUSTER_ACTION, KAFKA_TOPIC_AUTHORIZATION_FAILED}}},
    {24, 0, "s=tx q=0 h=0 [ s=t { i=0 } ]", "i[s[iE", {OF_TXN(ACL_WRITE), OF_TOPIC("t", ACL_WRITE)}},
    {24, 4, "[ s=tx q=0 h=0 B=0 [ s=t { i=0 } ] ]", "iE", {OF_CLUSTER(ACL_CLUSTER_ACTION)}},
    {25, 0, "s=tx q=0 h=0 s=g", "iE", {OF_TXN(ACL_WRITE), OF_GROUP(ACL_READ)}},
    {26, 0, "s=tx q=0 h=0 B=1", "iE", {OF_TXN(ACL_WRITE)}},
    {27, 1, "[ q=0 h=0 B=1 [ s=t { i=0 } ] i=0 ]", "[q[s[iE", {OF_CLUSTER(ACL_ALTER)}},
    {27, 1, "[ q=0 h=0 B=1 [ s=t { i=0 } ] i=0 ]", "[q[s[iE", {OF_CLUSTER(ACL_CLUSTER_ACTION)}},
    {28,
     0,
     "s=tx s=g q=0 h=0 [ s=t [ i=0 q=1 n= ] ]",
     "i[s[iE",
     {OF_TXN(ACL_WRITE), OF_GROUP(ACL_READ), OF_TOPIC("t", ACL_READ)}},
    {29, 1, "b=1 n b=1 n n b=1 b=1", "iE", {OF_CLUSTER(ACL_DESCRIBE)}},
    {30, 1, "[ b=2 s=x b=3 s=User:z s=* b=3 b=3 ]", "i[E", {OF_CLUSTER(ACL_ALTER)}},
    {31, 1, "[ b=2 n=x b=3 n=User:z n b=3 b=3 ]", "i[E", {OF_CLUSTER(ACL_ALTER)}},
    {32, 1, "[ b=2 s=t 0 ] B=0", "i[E", {OF_TOPIC("t", ACL_DESCRIBE_CONFIGS)}},
    {32, 1, "[ b=2 s=t 0 ] B=0", "i[E", {OF_TOPIC("t", ACL_ALTER_CONFIGS)}},
    {32, 1, "[ b=4 s=1 0 ] B=0", "i[E", {OF_CLUSTER(ACL_DESCRIBE_CONFIGS)}},
    {32, 1, "[ b=32 s=g 0 ] B=0", "i[E", {OF_GROUP(ACL_DESCRIBE_CONFIGS)}},
    {33, 0, "[ b=2 s=t [ s=retention.ms n=1000 ] ] B=1", "i[E", {OF_TOPIC("t", ACL_ALTER_CONFIGS)}},
    {33, 0, "[ b=4 s=1 [ s=num.partitions n=3 ] ] B=1", "i[E", {OF_CLUSTER(ACL_ALTER_CONFIGS)}},
    {34, 1, "[ s=/data [ s=t { i=0 } ] ]", "i[s[iE", {OF_CLUSTER(ACL_ALTER)}},
    {35, 3, "[ s=t { i=0 } ]", "iE", {OF_CLUSTER(ACL_DESCRIBE)}},
    {37, 1, "[ s=t i=5 N ] i=1000 B=1", "i[sE", {OF_TOPIC("t", ACL_ALTER)}},
    {42, 0, "{ s=g }", "i[sE", {OF_GROUP(ACL_DELETE)}},
    {43, 1, "b=0 [ s=t { i=0 } ] i=1000", "iE", {OF_CLUSTER(ACL_ALTER)}},
    {43, 0, "[ s=t { i=0 } ] i=1000", "i[s[iE", {OF_CLUSTER(ACL_ALTER)}},
    {44, 0, "[ b=2 s=t [ s=retention.ms b=0 n=1000 ] ] B=1", "i[E", {OF_TOPIC("t", ACL_ALTER_CONFIGS)}},
    {44, 0, "[ b=32 s=g [ s=x b=0 n=1 ] ] B=1", "i[E", {OF_GROUP(ACL_ALTER_CONFIGS)}},
    {45, 0, "i=1000 [ s=t [ i=0 { i=1 } ] ]", "iE", {OF_CLUSTER(ACL_ALTER)}},
    {46, 0, "i=1000 [ s=t { i=0 } ]", "iE", {OF_CLUSTER(ACL_DESCRIBE)}},
    {47, 0, "s=g [ s=t [ i=0 ] ]", "E", {OF_GROUP(ACL_DELETE)}},
    {48, 0, "0 B=0", "iE", {OF_CLUSTER(ACL_DESCRIBE_CONFIGS)}},
    {49,
     0,
     "[ [ s=user n=u ] [ s=producer_byte_rate q=4652007308841189376 B=0 ] ] B=1",
     "i[E",
     {OF_CLUSTER(ACL_ALTER_CONFIGS)}},
    {50, 0, "[ s=user ]", "iE", {OF_CLUSTER(ACL_DESCRIBE)}},
    {51, 0, "[ s=user b=1 ] 0", "i[sE", {OF_CLUSTER(ACL_ALTER)}},
    {55, 0, "[ s=__cluster_metadata [ i=0 ] ]", "E", {OF_CLUSTER(ACL_DESCRIBE)}},
    {55, 2, "[ s=__cluster_metadata [ i=0 ] ]", "E", {OF_CLUSTER(ACL_DESCRIBE)}},
    {57, 1, "i=1000 [ s=transaction.version h=2 b=1 ] B=1", "iE", {OF_CLUSTER(ACL_ALTER)}},
    {61, 0, "[ s=t { i=0 } ]", "i[s[iE", {OF_TOPIC("t", ACL_READ)}},
    {65, 0, "{ s=tx }", "i[E", {OF_TXN(ACL_DESCRIBE)}},
    {68, 0, "s=g s=m i=0 n n i=10000 { s=t } n N", "iE", {OF_GROUP(ACL_READ), OF_TOPIC("t", ACL_DESCRIBE)}},
    {69, 0, "{ s=g } B=1", "i[E", {OF_GROUP(ACL_DESCRIBE)}},
    {74, 0, "", "iE", {OF_CLUSTER(ACL_DESCRIBE_CONFIGS)}},
    {75, 0, "[ s=t ] i=100 c", "i[E", {OF_TOPIC("t", ACL_DESCRIBE)}},
};

/* Those that need nothing, or (16, 60, 66) answer with less instead of an error. */
static const int16_t without_error[] = {16, 17, 18, 36, 60, 66};

static bool is_refusal(int16_t error)
{
    return error == KAFKA_TOPIC_AUTHORIZATION_FAILED || error == KAFKA_GROUP_AUTHORIZATION_FAILED ||
           error == KAFKA_CLUSTER_AUTHORIZATION_FAILED || error == KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}

static int16_t probe_as(int conn, const probe *p)
{
    return acl_bed_error(acl_bed_call(&t, conn, p->key, p->version, p->request), p->answer);
}

START_TEST(each_api_asks_for_what_it_needs_in_order)
{
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        const probe *p = &probes[i];
        acl_bed_open(&t, "false");
        /* A transaction is under way, so that what comes behind its checks is reached. */
        acl_bed_call(&t, 0, 22, 0, "n=tx i=60000");
        if (p->key == 28) acl_bed_call(&t, 0, 25, 0, "s=tx q=0 h=0 s=g");
        bench_create_topic(&t, "doomed", 1);
        int n = 0;
        while (n < 3 && p->needs[n].name) n++;
        ck_assert_int_gt(n, 0);
        for (int have = 0; have <= n; have++) {
            int16_t error = probe_as(AL, p);
            int16_t wanted = have < n ? p->needs[have].error : 0;
            if (have < n)
                ck_assert_msg(error == wanted, "API %d %s: %d instead of %d", p->key, p->request, error, wanted);
            else
                ck_assert_msg(!is_refusal(error), "API %d %s: %d", p->key, p->request, error);
            if (have < n) acl_bed_grant(&t, p->needs[have].resource, p->needs[have].name, p->needs[have].operation);
        }
        acl_bed_revoke_all(&t);
        ck_assert_msg(!is_refusal(probe_as(0, p)), "API %d: a super user", p->key);
        bench_close(&t);
    }
}
END_TEST

START_TEST(no_api_is_left_out)
{
    size_t n;
    const api *table = api_table(&n);
    for (size_t i = 0; i < n; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof probes / sizeof *probes; k++) known = known || probes[k].key == table[i].key;
        for (size_t k = 0; k < sizeof without_error / sizeof *without_error; k++)
            known = known || without_error[k] == table[i].key;
        ck_assert_msg(known, "%s", table[i].name);
    }
}
END_TEST

START_TEST(without_an_authorizer_nobody_is_refused)
{
    bench_open(&t);
    acl_bed_be(&t, 0, "root");
    acl_bed_be(&t, AL, "al");
    bench_create_topic(&t, "t", 1);
    acl_bed_call(&t, 0, 22, 0, "n=tx i=60000");
    acl x = acl_bed_entry(ACL_TOPIC, ACL_LITERAL, "*", "User:*", ACL_ALL, ACL_DENY);
    acls_add(t.b->acls, &x);
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        ck_assert_msg(!is_refusal(probe_as(AL, &probes[i])), "API %d", probes[i].key);
    bench_close(&t);
}
END_TEST

/* ---- who is meant ------------------------------------------------------------------------------------------------ */

static int16_t list_t(int conn)
{
    return acl_bed_error(acl_bed_call(&t, conn, 2, 5, "i=-1 b=0 [ s=t [ i=0 i=-1 q=-1 ] ]"), "i[s[iE");
}

START_TEST(denying_wins_over_allowing)
{
    static const char *const denied[] = {"t", "*", ""};
    acl_bed_open(&t, "false");
    for (int i = 0; i < 3; i++) {
        acl_bed_grant(&t, ACL_TOPIC, "t", ACL_ALL);
        acl all = acl_bed_entry(ACL_TOPIC, ACL_LITERAL, "*", "User:*", ACL_READ, ACL_ALLOW);
        acl deny = acl_bed_entry(ACL_TOPIC, i == 2 ? ACL_PREFIXED : ACL_LITERAL, i == 2 ? "t" : denied[i], "User:al",
                                 ACL_DESCRIBE, ACL_DENY);
        acls_add(t.b->acls, &all);
        ck_assert_int_eq(list_t(AL), 0);
        acls_add(t.b->acls, &deny);
        ck_assert_int_eq(list_t(AL), KAFKA_TOPIC_AUTHORIZATION_FAILED);
        acl_bed_be(&t, 2, "bo");
        ck_assert_int_eq(list_t(2), 0);
        acl_bed_be(&t, 3, "admin");
        ck_assert_int_eq(list_t(3), 0);
        acls_remove(t.b->acls, &deny);
        /* Denying READ does not deny what allowing it would imply. */
        deny.operation = ACL_READ;
        acls_add(t.b->acls, &deny);
        ck_assert_int_eq(list_t(AL), 0);
        acl_bed_revoke_all(&t);
    }
    bench_close(&t);
}
END_TEST

START_TEST(hosts_and_prefixes_narrow_entries_down)
{
    acl_bed_open(&t, "false");
    acl x = acl_bed_entry(ACL_TOPIC, ACL_LITERAL, "t", "User:al", ACL_READ, ACL_ALLOW);
    x.host = STR("10.0.0.8");
    acls_add(t.b->acls, &x);
    ck_assert_int_eq(list_t(AL), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    x.host = STR("10.0.0.9");
    acls_add(t.b->acls, &x);
    ck_assert_int_eq(list_t(AL), 0);
    acl_bed_revoke_all(&t);
    x = acl_bed_entry(ACL_TOPIC, ACL_PREFIXED, "tt", "User:al", ACL_READ, ACL_ALLOW);
    acls_add(t.b->acls, &x);
    ck_assert_int_eq(list_t(AL), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    x.name = STR("t");
    acls_add(t.b->acls, &x);
    ck_assert_int_eq(list_t(AL), 0);
    bench_close(&t);
}
END_TEST

START_TEST(an_open_authorizer_lets_pass_what_no_entry_names)
{
    acl_bed_open(&t, "true");
    ck_assert_int_eq(list_t(AL), 0);
    acl x = acl_bed_entry(ACL_TOPIC, ACL_PREFIXED, "t", "User:bo", ACL_READ, ACL_ALLOW);
    acls_add(t.b->acls, &x);
    ck_assert_int_eq(list_t(AL), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    acl_bed_be(&t, 2, "bo");
    ck_assert_int_eq(list_t(2), 0);
    ck_assert_int_eq(acl_bed_error(acl_bed_call(&t, AL, 22, 0, "n i=60000"), "iE"), 0);
    bench_close(&t);
}
END_TEST

START_TEST(whoever_has_not_logged_in_is_anonymous)
{
    acl_bed_open(&t, "false");
    bench_hang_up(&t, AL);
    ck_assert_int_eq(list_t(AL), KAFKA_TOPIC_AUTHORIZATION_FAILED);
    acl x = acl_bed_entry(ACL_TOPIC, ACL_LITERAL, "t", "User:ANONYMOUS", ACL_WRITE, ACL_ALLOW);
    acls_add(t.b->acls, &x);
    ck_assert_int_eq(list_t(AL), 0);
    bench_close(&t);
}
END_TEST

START_TEST(the_name_of_a_login_counts)
{
    bench_config(&t, "sasl.enabled.mechanisms", "PLAIN");
    bench_config(&t, "sasl.jaas.config", "Plain required user_al=\"a\" user_root=\"r\";");
    bench_config(&t, "authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
    bench_config(&t, "super.users", "User:root");
    bench_open(&t);
    bench_create_topic(&t, "t", 1);
    static const str tokens[] = {{"\0al\0a", 5}, {"\0root\0r", 7}};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(acl_bed_error(acl_bed_call(&t, i, 17, 1, "s=PLAIN"), "E"), 0);
        bench_begin(&t, 36, 1);
        wire_put_blob(&t.out, tokens[i]);
        ck_assert_int_eq(acl_bed_error(bench_call(&t, i), "E"), 0);
        ck_assert_int_eq(list_t(i), i == 0 ? KAFKA_TOPIC_AUTHORIZATION_FAILED : 0);
    }
    bench_close(&t);
}
END_TEST

START_TEST(wrong_settings_are_refused_at_the_start)
{
    static const struct {
        const char *name, *value;
    } wrong[] = {{"authorizer.class.name", "kafka.security.authorizer.AclAuthorizer"},
                 {"super.users", "root"},
                 {"super.users", "User:a;:b"},
                 {"allow.everyone.if.no.acl.found", "perhaps"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const broker_config_entry configs[] = {
            {STR("authorizer.class.name"), STR("org.apache.kafka.metadata.authorizer.StandardAuthorizer")},
            {str_z(wrong[i].name), str_z(wrong[i].value)}};
        broker_options options = {configs, 2, STR("id"), 1, 1};
        diag d = {0};
        fs_sim *sim = fs_sim_new(1);
        ck_assert(!broker_open(fs_sim_fs(sim), STR("/data"), &options, NULL, (broker_time){1, 1}, &d));
        ck_assert_int_eq(d.code, DIAG_INVALID);
        fs_sim_free(sim);
    }
}
END_TEST

UNIT_MAIN("broker/authz", each_api_asks_for_what_it_needs_in_order, no_api_is_left_out,
          without_an_authorizer_nobody_is_refused, denying_wins_over_allowing, hosts_and_prefixes_narrow_entries_down,
          an_open_authorizer_lets_pass_what_no_entry_names, whoever_has_not_logged_in_is_anonymous,
          the_name_of_a_login_counts, wrong_settings_are_refused_at_the_start)

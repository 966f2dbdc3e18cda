/* Logging in: SaslHandshake, SaslAuthenticate; and SCRAM's users: DescribeUserScramCredentials, AlterUser... */
#include <openssl/crypto.h>

#include "base/check.h"
#include "base/log.h"
#include "broker/api.h"
#include "broker/auth.h"
#include "broker/authz.h"
#include "broker/meta.h"

enum { ITERATIONS_MIN = 4096, ITERATIONS_MAX = 16384, FAILED_DELAY_MS = 100 };

/* ---- SaslHandshake ---------------------------------------------------------------------------------------------- */

/* The mechanisms that are offered, in the order of the setting. */
static int32_t offered(const broker_conn *c, str *list, int32_t most)
{
    str rest = c->listener->mechanisms;
    int32_t n = 0;
    while (rest.n > 0 && n < most) {
        ptrdiff_t comma = str_find(rest, STR(","), 0);
        size_t end = comma < 0 ? rest.n : (size_t)comma;
        list[n++] = str_trim(str_of(rest.p, end));
        rest = comma < 0 ? STR("") : str_of(rest.p + end + 1, rest.n - end - 1);
    }
    return n;
}

api_outcome api_sasl_handshake(request *q)
{
    auth *x = q->c->login;
    str wanted = wire_str(&q->in), list[8];
    if (wire_failed(&q->in)) return API_MALFORMED;
    int32_t n = offered(q->c, list, 8);
    bool known = false;
    for (int32_t i = 0; i < n; i++) known = known || str_eq(list[i], wanted);
    kafka_error error = KAFKA_NONE;
    if (!auth_may_begin(q->c))
        error = KAFKA_ILLEGAL_SASL_STATE;
    else if (!known)
        error = KAFKA_UNSUPPORTED_SASL_MECHANISM;
    if (error == KAFKA_NONE)
        auth_begin(q->c, scram_by_name(wanted), q->version == 0);
    else
        q->close = auth_wanted(q->c) && (x->phase != AUTH_DONE || error == KAFKA_UNSUPPORTED_SASL_MECHANISM);
    if (error == KAFKA_ILLEGAL_SASL_STATE) n = 0;
    request_begin(q);
    wire_put_i16(&q->out, (int16_t)error);
    wire_put_len(&q->out, n);
    for (int32_t i = 0; i < n; i++) wire_put_str(&q->out, list[i]);
    return API_ANSWERED;
}

/* ---- SaslAuthenticate ------------------------------------------------------------------------------------------ */

static void answer_login(request *q, kafka_error error, str message, str token)
{
    const auth *x = q->c->login;
    bool done = error == KAFKA_NONE && x->phase == AUTH_DONE;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, message);
    wire_put_blob(o, token);
    if (q->version >= 1) wire_put_i64(o, done ? x->lifetime_ms : 0);
    wire_put_tags(o);
}

static void forget(request *q)
{
    delay_cancel(&q->b->timers, &q->timer);
}

/* Whoever guesses has to wait for each answer. */
static void on_delayed(delay_timer *t)
{
    request *q = container_of(t, request, timer);
    request_done(q, false);
}

api_outcome api_sasl_authenticate(request *q)
{
    auth *x = q->c->login;
    str token = wire_blob(&q->in), answer;
    wire_tags(&q->in);
    if (wire_failed(&q->in)) return API_MALFORMED;
    const char *why = NULL;
    if (!auth_wanted(q->c) || (x->phase != AUTH_CHOSEN && x->phase != AUTH_MISMATCH)) {
        q->close = auth_wanted(q->c) && x->phase != AUTH_DONE;
        answer_login(q, KAFKA_ILLEGAL_SASL_STATE,
                     STR("SaslAuthenticate request received without a SaslHandshake before it."), STR(""));
        return API_ANSWERED;
    }
    if (auth_token(q->c, token, q->a, &answer, &why)) {
        answer_login(q, KAFKA_NONE, WIRE_NULL, answer);
        return API_ANSWERED;
    }
    log_info("broker", "login from %s failed: %s", q->c->peer_host, why);
    x->phase = AUTH_NONE;
    q->close = true;
    answer_login(q, KAFKA_SASL_AUTHENTICATION_FAILED, str_z(why), STR(""));
    q->timer.fire = on_delayed;
    q->cancel = forget;
    broker_timer(q->b, &q->timer, FAILED_DELAY_MS);
    return API_PARKED;
}

/* ---- DescribeUserScramCredentials ------------------------------------------------------------------------------- */

static void put_user(wire_out *o, str name, const scram_user *u, bool twice)
{
    kafka_error error = twice ? KAFKA_DUPLICATE_RESOURCE : u ? KAFKA_NONE : KAFKA_RESOURCE_NOT_FOUND;
    wire_put_str(o, name);
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, twice ? STR("Cannot describe SCRAM credentials for the same user twice in a single request.")
                     : u   ? WIRE_NULL
                           : STR("Attempt to describe a user credential that does not exist."));
    wire_put_len(o, error == KAFKA_NONE ? u->has[SCRAM_SHA_256] + u->has[SCRAM_SHA_512] : 0);
    for (int8_t m = SCRAM_SHA_256; error == KAFKA_NONE && m <= SCRAM_SHA_512; m++) {
        if (!u->has[m]) continue;
        wire_put_i8(o, m);
        wire_put_i32(o, u->credentials[m].iterations);
        wire_put_tags(o);
    }
    wire_put_tags(o);
}

api_outcome api_describe_scram(request *q)
{
    wire_in *in = &q->in;
    broker *b = q->b;
    int32_t n = wire_nlen(in, 2);
    str *names = ARENA_ARRAY(q->a, str, n > 0 ? (size_t)n : 1);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        names[i] = wire_str(in);
        wire_tags(in);
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    bool may = authz_cluster(q, ACL_DESCRIBE);
    if (!may) n = 0;
    map counts = {0};
    str *again = ARENA_ARRAY(q->a, str, n > 0 ? (size_t)n : 1);
    int32_t distinct = 0;
    for (int32_t i = 0; i < n; i++)
        if (!map_put(&counts, names[i], q)) again[distinct++] = names[i];
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_i16(o, may ? KAFKA_NONE : KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    wire_put_nstr(o, may ? WIRE_NULL : authz_message(KAFKA_CLUSTER_AUTHORIZATION_FAILED));
    pthread_mutex_lock(&b->meta_lock);
    bool all = may && n <= 0;
    wire_put_len(o, all ? (int32_t)map_count(&b->scram_users) : distinct);
    void *value;
    for (size_t it = 0; all && map_next(&b->scram_users, &it, NULL, &value);)
        put_user(o, str_z(((scram_user *)value)->name), value, false);
    for (int32_t i = 0; i < distinct; i++) {
        int32_t times = 0;
        for (int32_t k = 0; k < n; k++) times += str_eq(names[k], again[i]);
        put_user(o, again[i], map_get(&b->scram_users, again[i]), times > 1);
    }
    pthread_mutex_unlock(&b->meta_lock);
    map_free(&counts);
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- AlterUserScramCredentials ---------------------------------------------------------------------------------- */

typedef struct scram_change {
    str user;
    int8_t mechanism;
    bool remove, twice;
    int32_t iterations;
    str salt, salted_password;
} scram_change;

static kafka_error refuse(const char **why, kafka_error error, const char *text)
{
    *why = text;
    return error;
}

static kafka_error change_one(broker *b, const scram_change *x, const char **why)
{
    if (x->twice)
        return refuse(why, KAFKA_DUPLICATE_RESOURCE, "A user credential cannot be altered twice in the same request.");
    if (x->user.n == 0) return refuse(why, KAFKA_UNACCEPTABLE_CREDENTIAL, "Username must not be empty.");
    if (x->mechanism != SCRAM_SHA_256 && x->mechanism != SCRAM_SHA_512)
        return refuse(why, KAFKA_UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism.");
    scram_mechanism m = (scram_mechanism)x->mechanism;
    scram_credential c = {.iterations = x->iterations, .salt_len = x->salt.n};
    if (!x->remove) {
        if (x->iterations < ITERATIONS_MIN) return refuse(why, KAFKA_UNACCEPTABLE_CREDENTIAL, "Too few iterations.");
        if (x->iterations > ITERATIONS_MAX) return refuse(why, KAFKA_UNACCEPTABLE_CREDENTIAL, "Too many iterations.");
        bool fits = x->salt.n > 0 && x->salt.n <= SCRAM_SALT_MAX && scram_derive(m, x->salted_password, &c);
        if (!fits) return refuse(why, KAFKA_UNACCEPTABLE_CREDENTIAL, "Salt or salted password have a wrong length.");
        memcpy(c.salt, x->salt.p, x->salt.n);
    }
    diag d = {0};
    kafka_error error = KAFKA_NONE;
    pthread_mutex_lock(&b->meta_lock);
    const scram_user *u = map_get(&b->scram_users, x->user);
    if (x->remove && !(u && u->has[m]))
        error = refuse(why, KAFKA_RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist.");
    else if (!meta_write_scram(b, x->user, m, x->remove ? NULL : &c, &d))
        error = refuse(why, KAFKA_KAFKA_STORAGE_ERROR, "The credential could not be stored.");
    else
        auth_set_credential(b, x->user, m, x->remove ? NULL : &c);
    pthread_mutex_unlock(&b->meta_lock);
    OPENSSL_cleanse(&c, sizeof c);
    return error;
}

api_outcome api_alter_scram(request *q)
{
    wire_in *in = &q->in;
    int32_t removals = wire_len(in, 3);
    scram_change *gone = ARENA_ARRAY(q->a, scram_change, (size_t)removals + 1);
    for (int32_t i = 0; i < removals && !wire_failed(in); i++) {
        gone[i] = (scram_change){.user = wire_str(in), .remove = true};
        gone[i].mechanism = wire_i8(in);
        wire_tags(in);
    }
    int32_t n = wire_len(in, 9);
    scram_change *list = ARENA_ARRAY(q->a, scram_change, (size_t)removals + (size_t)n + 1);
    for (int32_t i = 0; i < removals; i++) list[i] = gone[i];
    for (int32_t i = removals; i < removals + n && !wire_failed(in); i++) {
        list[i] = (scram_change){.user = wire_str(in)};
        list[i].mechanism = wire_i8(in);
        list[i].iterations = wire_i32(in);
        list[i].salt = wire_blob(in);
        list[i].salted_password = wire_blob(in);
        wire_tags(in);
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    n += removals;
    /* The answer has one result for each user, so a user stands for one change. */
    map seen = {0};
    for (int32_t i = 0; i < n; i++) {
        scram_change *before = map_put(&seen, list[i].user, &list[i]);
        if (before) before->twice = list[i].twice = true;
    }
    bool may = authz_cluster(q, ACL_ALTER);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, (int32_t)map_count(&seen));
    str user;
    void *value;
    for (size_t it = 0; map_next(&seen, &it, &user, &value);) {
        const char *why = authz_message(KAFKA_CLUSTER_AUTHORIZATION_FAILED).p;
        kafka_error error = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        if (may) why = NULL;
        if (may) error = change_one(q->b, value, &why);
        wire_put_str(o, user);
        wire_put_i16(o, (int16_t)error);
        wire_put_nstr(o, why ? str_z(why) : WIRE_NULL);
        wire_put_tags(o);
    }
    map_free(&seen);
    wire_put_tags(o);
    return API_ANSWERED;
}

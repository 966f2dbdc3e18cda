#include "broker/auth.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"

enum { KEY_API_VERSIONS = 18, KEY_HANDSHAKE = 17, KEY_AUTHENTICATE = 36, AGAIN_PAUSE_MS = 1000 };

static const char wrong_password[] = "Authentication failed: Invalid username or password";
static const char wrong_proof[] =
    "Authentication failed during authentication due to invalid credentials with SASL mechanism";

bool auth_wanted(const broker_conn *c)
{
    return c->listener->login;
}

bool auth_may(const broker_conn *c, int16_t key)
{
    const auth *x = c->login;
    if (!auth_wanted(c)) return true;
    if (x->phase == AUTH_DONE) {
        bool expired = x->lifetime_ms > 0 && c->b->now.mono_ms > x->expires_ms;
        return !expired || (key == KEY_HANDSHAKE && auth_may_begin(c));
    }
    return key == KEY_API_VERSIONS || key == KEY_HANDSHAKE || key == KEY_AUTHENTICATE;
}

/* Logins again come a second apart at least (KIP-368), and only where a login ends at all. */
bool auth_may_begin(const broker_conn *c)
{
    const auth *x = c->login;
    if (x->phase != AUTH_DONE) return auth_wanted(c) && x->phase == AUTH_NONE;
    return x->lifetime_ms > 0 && (!x->again || c->b->now.mono_ms - x->began_ms >= AGAIN_PAUSE_MS);
}

void auth_begin(broker_conn *c, scram_mechanism mechanism, bool raw)
{
    auth *x = c->login;
    x->again = x->phase == AUTH_DONE;
    x->before = x->mechanism;
    x->began_ms = c->b->now.mono_ms;
    bool other = x->again && mechanism != x->before;
    if (x->a) arena_free(x->a);
    x->a = NULL;
    x->challenged = false;
    OPENSSL_cleanse(&x->credential, sizeof x->credential);
    x->phase = raw ? AUTH_RAW : other ? AUTH_MISMATCH : AUTH_CHOSEN;
    x->mechanism = mechanism;
}

auth *auth_new(void)
{
    auth *x = calloc(1, sizeof *x);
    check(x);
    return x;
}

void auth_free(auth *x)
{
    if (x->a) arena_free(x->a);
    OPENSSL_cleanse(&x->credential, sizeof x->credential);
    free(x->user);
    free(x);
}

/* ---- users ------------------------------------------------------------------------------------------------------ */

void auth_set_credential(broker *b, str user, scram_mechanism m, const scram_credential *c)
{
    scram_user *u = map_get(&b->scram_users, user);
    if (!u && !c) return;
    if (!u) {
        u = calloc(1, sizeof *u);
        check(u);
        u->name = strndup(user.p, user.n);
        check(u->name);
        map_put(&b->scram_users, user, u);
    }
    u->has[m] = c != NULL;
    if (c) u->credentials[m] = *c;
    if (u->has[SCRAM_SHA_256] || u->has[SCRAM_SHA_512]) return;
    map_remove(&b->scram_users, user);
    free(u->name);
    free(u);
}

void auth_users_free(broker *b)
{
    void *value;
    for (size_t it = 0; map_next(&b->scram_users, &it, NULL, &value);) {
        scram_user *u = value;
        OPENSSL_cleanse(u->credentials, sizeof u->credentials);
        free(u->name);
        free(u);
    }
    map_free(&b->scram_users);
}

/* The password that a JAAS configuration gives a user: an option user_<name>="<password>". */
static bool jaas_password(str jaas, str user, str *password)
{
    for (size_t at = 0; at + 5 < jaas.n; at++) {
        bool begins = at == 0 || jaas.p[at - 1] == ' ' || jaas.p[at - 1] == '\t' || jaas.p[at - 1] == '\n';
        if (!begins || memcmp(jaas.p + at, "user_", 5) != 0) continue;
        str rest = str_of(jaas.p + at + 5, jaas.n - at - 5);
        if (rest.n < user.n + 2 || memcmp(rest.p, user.p, user.n) != 0 || rest.p[user.n] != '=') continue;
        rest = str_of(rest.p + user.n + 1, rest.n - user.n - 1);
        if (rest.p[0] != '"') continue;
        ptrdiff_t end = str_find(rest, STR("\""), 1);
        if (end < 0) return false;
        *password = str_of(rest.p + 1, (size_t)end - 1);
        return true;
    }
    return false;
}

/* ---- logging in ------------------------------------------------------------------------------------------------ */

static const char *mechanism_name(scram_mechanism m)
{
    return m == SCRAM_UNKNOWN ? "PLAIN" : scram_name(m);
}

/* Who logs in again must be who logged in before. */
static bool logged_in(broker_conn *c, str user, arena *a, const char **why)
{
    auth *x = c->login;
    *why = arena_printf(a, "Cannot change principals during re-authentication from User.%s: User.%.*s",
                        x->user ? x->user : "", STR_ARG(user)).p;
    if (x->again && !str_eqz(user, x->user)) return false;
    free(x->user);
    x->user = strndup(user.p, user.n);
    check(x->user);
    x->phase = AUTH_DONE;
    int64_t now = c->b->now.mono_ms;
    x->lifetime_ms = c->listener->reauth_ms[x->mechanism];
    x->expires_ms = x->lifetime_ms < INT64_MAX - now ? now + x->lifetime_ms : INT64_MAX;
    log_debug("broker", "%s logged in from %s", x->user, c->peer_host);
    return true;
}

/* [act for] NUL user NUL password */
static bool plain_token(broker_conn *c, str token, arena *a, str *answer, const char **why)
{
    str part[3], password;
    size_t n = 0, from = 0;
    *answer = STR("");
    *why = wrong_password;
    for (size_t i = 0; i <= token.n; i++) {
        if (i < token.n && token.p[i] != '\0') continue;
        if (n == 3) return false;
        part[n++] = str_of(token.p + from, i - from);
        from = i + 1;
    }
    if (n != 3 || part[1].n == 0 || part[2].n == 0) return false;
    if (part[0].n > 0 && !str_eq(part[0], part[1])) return false;
    if (!jaas_password(c->listener->plain_users, part[1], &password)) return false;
    if (password.n != part[2].n || CRYPTO_memcmp(password.p, part[2].p, password.n) != 0) return false;
    return logged_in(c, part[1], a, why);
}

static bool scram_token(broker_conn *c, str token, arena *a, str *answer, const char **why)
{
    auth *x = c->login;
    broker *b = c->b;
    *why = arena_printf(a, "%s %s", wrong_proof, scram_name(x->mechanism)).p;
    if (x->challenged) {
        if (!scram_final(&x->exchange, &x->credential, token, a, answer)) return false;
        return logged_in(c, x->exchange.user, a, why);
    }
    if (!x->a) x->a = arena_new();
    if (!scram_first(&x->exchange, x->mechanism, token, x->a)) return false;
    pthread_mutex_lock(&b->meta_lock);
    const scram_user *u = map_get(&b->scram_users, x->exchange.user);
    bool known = u && u->has[x->mechanism];
    if (known) x->credential = u->credentials[x->mechanism];
    pthread_mutex_unlock(&b->meta_lock);
    uint8_t random[18];
    if (!known || RAND_bytes(random, sizeof random) != 1) return false;
    *answer = scram_challenge(&x->exchange, &x->credential, random, x->a);
    x->challenged = true;
    return true;
}

bool auth_token(broker_conn *c, str token, arena *a, str *answer, const char **why)
{
    if (c->login->phase == AUTH_MISMATCH) {
        *why = arena_printf(a, "SASL mechanism '%s' requested by client is not supported for re-authentication of "
                               "mechanism '%s'", mechanism_name(c->login->mechanism),
                            mechanism_name(c->login->before)).p;
        return false;
    }
    if (c->login->mechanism == SCRAM_UNKNOWN) return plain_token(c, token, a, answer, why);
    return scram_token(c, token, a, answer, why);
}

/* Such tokens have no header and neither have the answers; a wrong one is answered by hanging up. */
bool auth_raw_frame(request *q, const uint8_t *frame, size_t n)
{
    str answer;
    const char *why;
    if (!auth_token(q->c, str_of((const char *)frame, n), q->a, &answer, &why)) {
        log_info("broker", "login from %s failed: %s", q->c->peer_host, why);
        return false;
    }
    buf_clear(&q->bytes);
    write_i32(&q->bytes, 0);
    buf_add_str(&q->bytes, answer);
    return true;
}

#include "broker/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"
#include "base/check.h"

static const EVP_MD *digest_of(scram_mechanism m)
{
    return m == SCRAM_SHA_512 ? EVP_sha512() : EVP_sha256();
}

scram_mechanism scram_by_name(str name)
{
    if (str_eqz(name, "SCRAM-SHA-256")) return SCRAM_SHA_256;
    if (str_eqz(name, "SCRAM-SHA-512")) return SCRAM_SHA_512;
    return SCRAM_UNKNOWN;
}

const char *scram_name(scram_mechanism m)
{
    return m == SCRAM_SHA_256 ? "SCRAM-SHA-256" : m == SCRAM_SHA_512 ? "SCRAM-SHA-512" : NULL;
}

size_t scram_key_size(scram_mechanism m)
{
    return m == SCRAM_SHA_512 ? 64 : 32;
}

static void hmac(scram_mechanism m, const uint8_t *key, str data, uint8_t *out)
{
    unsigned n = 0;
    check(HMAC(digest_of(m), key, (int)scram_key_size(m), (const unsigned char *)data.p, data.n, out, &n) != NULL);
    check(n == scram_key_size(m));
}

static void hash(scram_mechanism m, const uint8_t *data, uint8_t *out)
{
    check(EVP_Digest(data, scram_key_size(m), out, NULL, digest_of(m), NULL) == 1);
}

bool scram_derive(scram_mechanism m, str salted_password, scram_credential *out)
{
    uint8_t client_key[SCRAM_KEY_MAX];
    if (salted_password.n != scram_key_size(m)) return false;
    const uint8_t *salted = (const uint8_t *)salted_password.p;
    hmac(m, salted, STR("Client Key"), client_key);
    hash(m, client_key, out->stored_key);
    hmac(m, salted, STR("Server Key"), out->server_key);
    OPENSSL_cleanse(client_key, sizeof client_key);
    return true;
}

/* Takes "<letter>=<value>" off the front, up to a comma or the end. */
static bool attribute(str *rest, char letter, str *value)
{
    if (rest->n < 2 || rest->p[0] != letter || rest->p[1] != '=') return false;
    ptrdiff_t comma = str_find(*rest, STR(","), 0);
    size_t n = comma < 0 ? rest->n : (size_t)comma;
    *value = str_of(rest->p + 2, n - 2);
    *rest = comma < 0 ? STR("") : str_of(rest->p + n + 1, rest->n - n - 1);
    return true;
}

/* Undoes =2C and =3D, the only escapes of a name; false for any other '='. */
static bool plain_name(str name, arena *a, str *out)
{
    char *p = ARENA_ARRAY(a, char, name.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] != '=') {
            p[n++] = name.p[i];
            continue;
        }
        if (name.n - i < 3) return false;
        bool comma = memcmp(name.p + i, "=2C", 3) == 0, equals = memcmp(name.p + i, "=3D", 3) == 0;
        if (!comma && !equals) return false;
        p[n++] = comma ? ',' : '=';
        i += 2;
    }
    *out = str_of(p, n);
    return n > 0;
}

bool scram_first(scram_exchange *x, scram_mechanism m, str message, arena *a)
{
    *x = (scram_exchange){.mechanism = m};
    /* The header: no channel binding, and perhaps a name to act for, which must be one's own. */
    if (message.n < 3 || (message.p[0] != 'n' && message.p[0] != 'y') || message.p[1] != ',') return false;
    str rest = str_of(message.p + 2, message.n - 2), act_for = STR(""), name, nonce;
    ptrdiff_t comma = str_find(rest, STR(","), 0);
    if (comma < 0) return false;
    str before = str_of(rest.p, (size_t)comma);
    if (before.n > 0 && (!attribute(&before, 'a', &act_for) || !plain_name(act_for, a, &act_for))) return false;
    rest = str_of(rest.p + comma + 1, rest.n - (size_t)comma - 1);
    x->header = arena_str(a, str_of(message.p, message.n - rest.n));
    x->client_first = arena_str(a, rest);
    if (!attribute(&rest, 'n', &name) || !attribute(&rest, 'r', &nonce) || nonce.n == 0) return false;
    if (!plain_name(name, a, &x->user)) return false;
    x->nonce = arena_str(a, nonce);
    return act_for.n == 0 || str_eq(act_for, x->user);
}

static str base64_text(arena *a, const void *p, size_t n)
{
    char *out = ARENA_ARRAY(a, char, base64_encoded_size(n) + 1);
    return str_of(out, base64_encode(p, n, out));
}

str scram_challenge(scram_exchange *x, const scram_credential *c, const uint8_t random[18], arena *a)
{
    str more = base64_text(a, random, 18), salt = base64_text(a, c->salt, c->salt_len);
    x->own_nonce = more;
    x->nonce = arena_printf(a, "%.*s%.*s", STR_ARG(x->nonce), STR_ARG(more));
    x->server_first = arena_printf(a, "r=%.*s,s=%.*s,i=%d", STR_ARG(x->nonce), STR_ARG(salt), (int)c->iterations);
    return x->server_first;
}

bool scram_final(const scram_exchange *x, const scram_credential *c, str message, arena *a, str *answer)
{
    scram_mechanism m = x->mechanism;
    size_t size = scram_key_size(m), n;
    str rest = message, binding, nonce, proof_text = {0};
    if (!attribute(&rest, 'c', &binding) || !attribute(&rest, 'r', &nonce)) return false;
    /* As Kafka: librdkafka 2.0 sends its own nonce once more in front of the whole. */
    if (!str_eq(binding, base64_text(a, x->header.p, x->header.n)) || !str_ends(nonce, x->own_nonce)) return false;
    while (rest.n > 0 && rest.p[0] != 'p') {
        str ignored;
        if (!attribute(&rest, rest.p[0], &ignored)) return false;
    }
    str bare = str_of(message.p, message.n - rest.n - 1);
    if (!attribute(&rest, 'p', &proof_text) || rest.n > 0) return false;
    uint8_t *proof = ARENA_ARRAY(a, uint8_t, base64_decoded_max(proof_text.n));
    if (!base64_decode(proof_text, BASE64_JACKSON, proof, &n) || n != size) return false;
    str all = arena_printf(a, "%.*s,%.*s,%.*s", STR_ARG(x->client_first), STR_ARG(x->server_first), STR_ARG(bare));
    uint8_t signature[SCRAM_KEY_MAX], key[SCRAM_KEY_MAX];
    hmac(m, c->stored_key, all, signature);
    for (size_t i = 0; i < size; i++) signature[i] ^= proof[i];
    hash(m, signature, key);
    bool good = CRYPTO_memcmp(key, c->stored_key, size) == 0;
    hmac(m, c->server_key, all, signature);
    str text = base64_text(a, signature, size);
    *answer = arena_printf(a, "v=%.*s", STR_ARG(text));
    return good;
}

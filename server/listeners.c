#include "server/listeners.h"

#include "base/check.h"
#include "server/options.h"

enum { LISTENERS_MAX = 32 };

static const char *const protocols[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
/* In the order of broker_listener.reauth_ms. */
static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
static const char *const mechanism_prefixes[] = {"plain.", "scram-sha-256.", "scram-sha-512."};

const char *listener_protocol_name(listener_protocol p)
{
    return protocols[p];
}

bool listener_encrypts(listener_protocol p)
{
    return p == LISTENER_SSL || p == LISTENER_SASL_SSL;
}

static bool logs_in(listener_protocol p)
{
    return p == LISTENER_SASL_PLAINTEXT || p == LISTENER_SASL_SSL;
}

static str folded(str text, char from, char to, arena *a)
{
    char *p = arena_strz(a, text);
    for (size_t i = 0; i < text.n; i++) {
        if (p[i] >= from && p[i] < from + 26) p[i] += to - from;
    }
    return str_of(p, text.n);
}

static str upper(str text, arena *a)
{
    return folded(text, 'a', 'A', a);
}

static str lower(str text, arena *a)
{
    return folded(text, 'A', 'a', a);
}

/* ---- settings of one listener ------------------------------------------------------------------------------------ */

/* A setting of the listener itself. */
static bool own_setting(const config *c, str name, const char *setting, arena *a, str *out)
{
    return config_get(c, arena_printf(a, "listener.name.%.*s.%s", STR_ARG(name), setting), out);
}

/* A setting of the listener, or the one that holds for all. Empty: neither is given. */
static str setting_of(const config *c, str name, const char *setting, arena *a)
{
    str value = STR("");
    if (name.n > 0 && own_setting(c, name, setting, a, &value)) return value;
    config_get(c, str_z(setting), &value);
    return value;
}

/* A setting of a login mechanism of the listener: the nearest one that is given. */
static str mechanism_setting(const config *c, str name, int mechanism, const char *setting, arena *a)
{
    str value;
    str full = arena_printf(a, "%s%s", mechanism_prefixes[mechanism], setting);
    return own_setting(c, name, full.p, a, &value) ? value : setting_of(c, name, setting, a);
}

tls_options listeners_tls(const config *c, str name, arena *a)
{
    tls_options o = {0};
    const struct {
        const char *setting;
        str *to;
    } all[] = {
        {"ssl.keystore.location", &o.keystore_location},
        {"ssl.keystore.type", &o.keystore_type},
        {"ssl.keystore.password", &o.keystore_password},
        {"ssl.keystore.key", &o.keystore_key},
        {"ssl.keystore.certificate.chain", &o.keystore_certificate_chain},
        {"ssl.key.password", &o.key_password},
        {"ssl.truststore.location", &o.truststore_location},
        {"ssl.truststore.type", &o.truststore_type},
        {"ssl.truststore.password", &o.truststore_password},
        {"ssl.truststore.certificates", &o.truststore_certificates},
        {"ssl.client.auth", &o.client_auth},
        {"ssl.enabled.protocols", &o.enabled_protocols},
        {"ssl.cipher.suites", &o.cipher_suites},
        {"ssl.principal.mapping.rules", &o.principal_mapping_rules},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) *all[i].to = setting_of(c, name, all[i].setting, a);
    return o;
}

static bool read_login(const config *c, listener_spec *s, str name, arena *a, diag *d)
{
    broker_listener *b = &s->broker;
    b->login = true;
    b->mechanisms = setting_of(c, name, "sasl.enabled.mechanisms", a);
    b->plain_users = mechanism_setting(c, name, 0, "sasl.jaas.config", a);
    str list = b->mechanisms, ignored, one;
    int count = 0;
    while (net_next_address(&list, &ignored, &one)) {
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++) known = known || str_eqz(one, mechanisms[i]);
        if (!known) {
            diag_set(d, DIAG_INVALID, "listener %.*s: '%.*s' is no mechanism of this server", STR_ARG(s->name),
                     STR_ARG(one));
            return diag_hint(d, "sasl.enabled.mechanisms takes PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.");
        }
        count++;
    }
    if (count == 0) {
        diag_set(d, DIAG_INVALID, "listener %.*s: clients must log in, but there is no way to", STR_ARG(s->name));
        return diag_hint(d, "Set sasl.enabled.mechanisms.");
    }
    for (int i = 0; i < BROKER_MECHANISMS; i++) {
        str value = mechanism_setting(c, name, i, "connections.max.reauth.ms", a);
        if (value.n == 0) continue;
        if (!str_to_i64(value, &b->reauth_ms[i]) || b->reauth_ms[i] < 0) {
            return diag_set(d, DIAG_INVALID, "connections.max.reauth.ms takes a number of milliseconds, not '%.*s'",
                            STR_ARG(value));
        }
    }
    return true;
}

/* ---- the lists --------------------------------------------------------------------------------------------------- */

static bool name_ok(str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
        if (!good) return false;
    }
    return name.n > 0 && name.n < NET_HOST_MAX;
}

static bool protocol_by_name(str name, listener_protocol *out)
{
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
        if (!str_ieq(name, str_z(protocols[i]))) continue;
        *out = (listener_protocol)i;
        return true;
    }
    return false;
}

/* By listener.security.protocol.map; a listener with the name of a protocol has that one anyway. */
static bool find_protocol(const config *c, listener_spec *s, diag *d)
{
    str map = STR("");
    config_get(c, STR("listener.security.protocol.map"), &map);
    bool found = false;
    while (map.n > 0) {
        ptrdiff_t comma = str_find(map, STR(","), 0);
        size_t n = comma < 0 ? map.n : (size_t)comma, step = comma < 0 ? n : n + 1;
        str pair = str_of(map.p, n);
        map = str_of(map.p + step, map.n - step);
        ptrdiff_t colon = str_find(pair, STR(":"), 0);
        str name = str_trim(str_of(pair.p, colon < 0 ? pair.n : (size_t)colon));
        str protocol = colon < 0 ? STR("") : str_trim(str_of(pair.p + colon + 1, pair.n - (size_t)colon - 1));
        if (name.n == 0 && colon < 0) continue;
        listener_protocol p;
        if (!protocol_by_name(protocol, &p)) {
            diag_set(d, DIAG_INVALID, "listener.security.protocol.map: '%.*s' is not NAME:PROTOCOL", STR_ARG(pair));
            return diag_hint(d, "The protocols are PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL.");
        }
        if (!str_ieq(name, s->name)) continue;
        s->protocol = p;
        found = true;
    }
    if (found || protocol_by_name(s->name, &s->protocol)) return true;
    diag_set(d, DIAG_INVALID, "nothing says which security protocol the listener %.*s has", STR_ARG(s->name));
    return diag_hint(d, "Set listener.security.protocol.map=%.*s:SSL, for example.", STR_ARG(s->name));
}

static listener_spec *find(listener_spec *all, size_t n, str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_ieq(all[i].name, name)) return &all[i];
    }
    return NULL;
}

static bool add(const config *c, listener_spec *all, size_t *n, str name, str address, arena *a, diag *d)
{
    listener_spec *s = &all[*n];
    /* The simple form: clients log in where there is a way to. */
    str ways = STR("");
    config_get(c, STR("sasl.enabled.mechanisms"), &ways);
    s->name = name.n > 0 ? upper(name, a) : str_z(protocols[ways.n > 0 ? LISTENER_SASL_PLAINTEXT : LISTENER_PLAINTEXT]);
    if (*n == LISTENERS_MAX)
        return diag_set(d, DIAG_LIMIT, "kafka.listeners has more than %d addresses", LISTENERS_MAX);
    if (!name_ok(s->name))
        return diag_set(d, DIAG_INVALID, "'%.*s' cannot be the name of a listener", STR_ARG(s->name));
    if (find(all, *n, s->name)) {
        diag_set(d, DIAG_INVALID, "kafka.listeners has two listeners with the name %.*s", STR_ARG(s->name));
        return diag_hint(d,
                         "Give each a name of its own: NAME://HOST:PORT, and listener.security.protocol.map=NAME:SSL.");
    }
    if (!net_address_parse(address, &s->listen, d) || !find_protocol(c, s, d)) return false;
    for (size_t i = 0; i < *n; i++) {
        bool same = s->listen.port != 0 && all[i].listen.port == s->listen.port &&
                    strcmp(all[i].listen.host, s->listen.host) == 0;
        if (same) return diag_set(d, DIAG_INVALID, "kafka.listeners names %s:%d twice", s->listen.host, s->listen.port);
    }
    str key = lower(s->name, a), own;
    if (logs_in(s->protocol) && !read_login(c, s, key, a, d)) return false;
    if (listener_encrypts(s->protocol)) {
        s->tls = listeners_tls(c, key, a);
        /* Who logs in needs no certificate, unless this very listener asks for one (KIP-684). */
        bool asks = own_setting(c, key, "ssl.client.auth", a, &own);
        if (logs_in(s->protocol) && !asks) s->tls.client_auth = STR("none");
    }
    (*n)++;
    return true;
}

static bool read_advertised(const config *c, listener_spec *all, size_t n, diag *d)
{
    str list = config_text(c, "kafka.advertised.listeners"), name, address;
    while (net_next_address(&list, &name, &address)) {
        listener_spec *s = name.n == 0 && n == 1 ? all : find(all, n, name);
        if (!s) {
            diag_set(d, DIAG_INVALID, "kafka.advertised.listeners: there is no listener '%.*s'", STR_ARG(name));
            return diag_hint(d, "Each is NAME://HOST:PORT with a name of kafka.listeners.");
        }
        if (s->advertised.host[0]) {
            return diag_set(d, DIAG_INVALID, "kafka.advertised.listeners names %.*s twice", STR_ARG(s->name));
        }
        if (!net_address_parse(address, &s->advertised, d)) return false;
        if (strcmp(s->advertised.host, "0.0.0.0") == 0 || strcmp(s->advertised.host, "::") == 0) {
            return diag_set(d, DIAG_INVALID, "kafka.advertised.listeners: no client can connect to %s",
                            s->advertised.host);
        }
    }
    return true;
}

/* ---- settings that nobody reads ---------------------------------------------------------------------------------- */

static bool known_setting(str setting)
{
    static const char *const others[] = {"sasl.enabled.mechanisms", "connections.max.reauth.ms", "sasl.jaas.config"};
    for (const config_info *i = config_table(); i->name; i++) {
        if (str_starts(setting, STR("ssl.")) && str_eqz(setting, i->name)) return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(mechanism_prefixes); i++) {
        str prefix = str_z(mechanism_prefixes[i]);
        if (!str_starts(setting, prefix)) continue;
        setting = str_of(setting.p + prefix.n, setting.n - prefix.n);
        return str_eqz(setting, others[1]) || str_eqz(setting, others[2]);
    }
    return str_eqz(setting, others[0]) || str_eqz(setting, others[1]);
}

/* A mistyped listener.name.NAME.SETTING would leave a listener less guarded than meant. */
static bool check_names(const config *c, listener_spec *all, size_t n, arena *a, diag *d)
{
    static const str prefix = {"listener.name.", 14};
    str full, value;
    for (size_t i = 0; config_passed_on(c, i, &full, &value); i++) {
        if (!str_starts(full, prefix)) continue;
        ptrdiff_t dot = str_find(full, STR("."), prefix.n);
        str name = dot < 0 ? STR("") : str_of(full.p + prefix.n, (size_t)dot - prefix.n);
        str setting = dot < 0 ? STR("") : str_of(full.p + dot + 1, full.n - (size_t)dot - 1);
        const listener_spec *s = find(all, n, name);
        if (!s) return diag_set(d, DIAG_INVALID, "'%.*s': kafka.listeners has no listener of this name", STR_ARG(full));
        if (!str_eq(lower(s->name, a), name))
            return diag_set(d, DIAG_INVALID, "'%.*s': the name of the listener is written in lower case",
                            STR_ARG(full));
        if (!known_setting(setting)) return diag_set(d, DIAG_INVALID, "unknown setting '%.*s'", STR_ARG(full));
    }
    return true;
}

listener_spec *listeners_read(const config *c, arena *a, size_t *n, diag *d)
{
    listener_spec *all = ARENA_ARRAY(a, listener_spec, LISTENERS_MAX + 1);
    str list = config_text(c, "kafka.listeners"), name, address;
    *n = 0;
    while (net_next_address(&list, &name, &address)) {
        if (!add(c, all, n, name, address, a, d)) return NULL;
    }
    if (*n == 0) {
        diag_set(d, DIAG_INVALID, "kafka.listeners is empty");
        return NULL;
    }
    return read_advertised(c, all, *n, d) && check_names(c, all, *n, a, d) ? all : NULL;
}

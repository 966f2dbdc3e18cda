#include "server/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/file.h"
#include "base/map.h"
#include "server/net.h"
#include "server/options.h"

static const config_info table[] = {
    {"listeners", CONFIG_ADDRESSES, "127.0.0.1:8088",
     "Addresses of the HTTP APIs: HOST:PORT, or a list of http://HOST:PORT and https://HOST:PORT."},
    {"kafka.listeners", CONFIG_ADDRESSES, "127.0.0.1:9092",
     "Addresses of the Kafka protocol: HOST:PORT, or a list of NAME://HOST:PORT."},
    {"kafka.advertised.listeners", CONFIG_ADDRESSES, "",
     "What clients of each are told: HOST:PORT, or a list of NAME://HOST:PORT; without it the listener's address."},
    {"ksql.service.id", CONFIG_TEXT, "default_", "Name of this server's query groups and internal topics."},
    {"ksql.logging.processing.rows.include", CONFIG_BOOL, "false",
     "Whether events of the processing log hold the record that failed."},
    {"ksql.logging.processing.stream.auto.create", CONFIG_BOOL, "true",
     "Whether a start makes the stream over the processing log when there is none."},
    {"ksql.logging.processing.stream.name", CONFIG_TEXT, "KSQL_PROCESSING_LOG", "Name of that stream."},
    {"ksql.logging.processing.topic.name", CONFIG_TEXT, "",
     "Topic of the processing log; empty: ksql_processing_log behind the service id."},
    {"ksql.logging.processing.topic.partitions", CONFIG_INT, "1", "Partitions of that topic when it is made."},
    {"ksql.max.push.queries", CONFIG_INT, "100", "Open push queries over HTTP."},
    {"ksql.idle.connection.timeout.seconds", CONFIG_INT, "86400",
     "An HTTP connection that is silent longer is closed."},
    {"ksql.properties.overrides.denylist", CONFIG_TEXT, "",
     "Properties, separated by commas, that clients may not set."},
    {"http.max.connections", CONFIG_INT, "10000", "Open HTTP connections; more wait to be accepted."},
    {"http.request.timeout.ms", CONFIG_INT, "30000", "Time for a request to arrive whole."},
    {"http.max.body.bytes", CONFIG_INT, "16777216", "Size of a request body."},
    {"http.stream.buffer.bytes", CONFIG_INT, "262144", "Rows kept for a slow reader of a push query."},
    {"ssl.keystore.location", CONFIG_TEXT, "", "File with the server's key and certificates: PEM or PKCS12."},
    {"ssl.keystore.type", CONFIG_TEXT, "", "PEM or PKCS12; without it the file's content tells."},
    {"ssl.keystore.password", CONFIG_TEXT, "", "Password of a PKCS12 keystore."},
    {"ssl.keystore.key", CONFIG_TEXT, "", "The private key itself in PEM form, instead of a file."},
    {"ssl.keystore.certificate.chain", CONFIG_TEXT, "", "Its certificates in PEM form, the server's first."},
    {"ssl.key.password", CONFIG_TEXT, "", "Password of an encrypted private key in PEM form."},
    {"ssl.truststore.location", CONFIG_TEXT, "", "File with the CAs whose client certificates are taken."},
    {"ssl.truststore.type", CONFIG_TEXT, "", "As ssl.keystore.type."},
    {"ssl.truststore.password", CONFIG_TEXT, "", "Password of a PKCS12 truststore."},
    {"ssl.truststore.certificates", CONFIG_TEXT, "", "Those CAs in PEM form, instead of a file."},
    {"ssl.client.auth", CONFIG_TEXT, "none", "Whether Kafka clients show a certificate: none, requested or required."},
    {"ssl.client.authentication", CONFIG_TEXT, "NONE",
     "Whether clients of the HTTP APIs show one: NONE, REQUESTED or REQUIRED."},
    {"ssl.enabled.protocols", CONFIG_TEXT, "TLSv1.2,TLSv1.3", "Versions of TLS."},
    {"ssl.cipher.suites", CONFIG_TEXT, "", "Cipher suites by their IANA names; without it OpenSSL's choice."},
    {"ssl.principal.mapping.rules", CONFIG_TEXT, "DEFAULT",
     "How a certificate's subject becomes the name of a principal, as in Kafka."},
    {"ssl.endpoint.identification.algorithm", CONFIG_TEXT, "", "Accepted for tools; a server checks no host name."},
    {"worker.threads", CONFIG_INT, "0", "Threads that run queries; 0: one for each processor."},
    {"state.cache.bytes", CONFIG_INT, "0",
     "Memory for the state of all queries; what does not fit is read from their databases again. 0: a quarter of what "
     "the machine (or its container) has."},
    {"sync.threads", CONFIG_INT, "2", "Threads that make files durable."},
    {"disk.threads", CONFIG_INT, "2", "Threads that read what is not in memory."},
    {"memory.requests.bytes", CONFIG_INT, "268435456",
     "Memory of Kafka requests that have arrived in part, and of answers that clients did not take yet."},
    {NULL, CONFIG_TEXT, NULL, NULL},
};

/* Names that begin so belong to the broker or to sessions, which check them. */
static const char *const passed_prefixes[] = {
    "ksql.",        "auto.",     "commit.",     "cache.",      "processing.", "log.",         "num.",
    "message.",     "group.",    "offsets.",    "transaction", "socket.",     "state.",       "compression.",
    "connections.", "max.",      "min.",        "delete.",     "unclean.",    "replication.", "default.",
    "fetch.",       "producer.", "sasl.",       "listener.",   "quota.",      "controller.",  "authorizer.",
    "super.",       "allow.",    "background.", "controlled.", "inter.",      "process.",     "queued.",
    "replica.",     "security.", "acks."};

/* Names by which a setting can be called as well. */
static const char *const aliases[][2] = {
    {"kafka.listener", "kafka.listeners"},
    {"kafka.advertised.listener", "kafka.advertised.listeners"},
};

struct config {
    map values; /* name -> heap copy, only what was set */
};

const config_info *config_table(void)
{
    return table;
}

config *config_new(void)
{
    config *c = calloc(1, sizeof *c);
    check(c);
    return c;
}

void config_free(config *c)
{
    if (!c) return;
    void *value;
    for (size_t it = 0; map_next(&c->values, &it, NULL, &value);) free(value);
    map_free(&c->values);
    free(c);
}

static const config_info *find(str name)
{
    for (const config_info *i = table; i->name; i++) {
        if (str_eqz(name, i->name)) return i;
    }
    return NULL;
}

static bool passed_on(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(passed_prefixes); i++) {
        if (str_starts(name, str_z(passed_prefixes[i]))) return true;
    }
    return false;
}

static str real_name(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (str_eqz(name, aliases[i][0])) return str_z(aliases[i][1]);
    }
    return name;
}

static bool check_addresses(str list, diag *d)
{
    str one, name;
    while (net_next_address(&list, &name, &one)) {
        net_address address;
        if (!net_address_parse(one, &address, d)) return false;
    }
    return true;
}

static bool check_value(const config_info *info, str value, diag *d)
{
    int64_t number;
    net_address address;
    switch (info->kind) {
    case CONFIG_INT:
        if (str_to_i64(value, &number) && number >= 0) return true;
        return diag_set(d, DIAG_INVALID, "'%s' takes a number, not '%.*s'", info->name, STR_ARG(value));
    case CONFIG_BOOL:
        if (str_eqz(value, "true") || str_eqz(value, "false")) return true;
        return diag_set(d, DIAG_INVALID, "'%s' takes true or false, not '%.*s'", info->name, STR_ARG(value));
    case CONFIG_ADDRESS: return net_address_parse(value, &address, d);
    case CONFIG_ADDRESSES: return check_addresses(value, d);
    case CONFIG_TEXT: return true;
    }
    check_unreachable();
}

bool config_set(config *c, str name, str value, diag *d)
{
    name = real_name(name);
    const config_info *info = find(name);
    if (!info && !passed_on(name)) {
        const char *names[ARRAY_LEN(table)];
        char typed[64];
        for (size_t i = 0; i < ARRAY_LEN(table); i++) names[i] = table[i].name;
        diag_set(d, DIAG_INVALID, "unknown setting '%.*s'", STR_ARG(name));
        snprintf(typed, sizeof typed, "%.*s", STR_ARG(name));
        const char *near = options_nearest(typed, names);
        return near ? diag_hint(d, "Did you mean '%s'?", near) : false;
    }
    if (info && !check_value(info, value, d)) return false;
    char *copy = malloc(value.n + 1);
    check(copy);
    memcpy(copy, value.p, value.n);
    copy[value.n] = 0;
    free(map_put(&c->values, name, copy));
    return true;
}

bool config_set_pair(config *c, str pair, diag *d)
{
    ptrdiff_t equals = str_find(pair, STR("="), 0);
    if (equals <= 0) return diag_set(d, DIAG_INVALID, "'%.*s' is not NAME=VALUE", STR_ARG(pair));
    return config_set(c, str_trim(str_of(pair.p, (size_t)equals)),
                      str_trim(str_of(pair.p + equals + 1, pair.n - (size_t)equals - 1)), d);
}

static str next_line(str *text, int *number)
{
    ptrdiff_t eol = str_find(*text, STR("\n"), 0);
    size_t n = eol < 0 ? text->n : (size_t)eol, step = eol < 0 ? n : n + 1;
    str line = str_trim(str_of(text->p, n));
    *text = str_of(text->p + step, text->n - step);
    (*number)++;
    return line;
}

/* Adds a line to a pair with its escapes resolved; true when it goes on in the next line. */
static bool add_line(buf *pair, str line)
{
    static const char letters[] = "ntrf", meant[] = "\n\t\r\f";
    for (size_t i = 0; i < line.n; i++) {
        if (line.p[i] != '\\') {
            buf_add_char(pair, line.p[i]);
            continue;
        }
        if (++i == line.n) return true;
        const char *letter = strchr(letters, line.p[i]);
        buf_add_char(pair, letter && *letter ? meant[letter - letters] : line.p[i]);
    }
    return false;
}

static bool read_lines(config *c, const char *path, str text, diag *d)
{
    int number = 0;
    buf pair = {0};
    diag why = {0};
    bool good = true;
    while (text.n > 0 && good) {
        str line = next_line(&text, &number);
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == '!') continue;
        int first = number;
        buf_clear(&pair);
        while (add_line(&pair, line) && text.n > 0) line = next_line(&text, &number);
        good = config_set_pair(c, buf_str(&pair), &why);
        if (!good) diag_set(d, why.code, "%s:%d: %s", path, first, why.text);
    }
    buf_free(&pair);
    return good || (why.hint[0] ? diag_hint(d, "%s", why.hint) : false);
}

bool config_read(config *c, const char *path, diag *d)
{
    file *f = NULL;
    uint64_t size = 0;
    size_t got = 0;
    buf text = {0};
    bool good = fs_open(fs_real(), path, FILE_READONLY, &f, d) && file_size(f, &size, d);
    if (good && size > 1 << 20) good = diag_set(d, DIAG_LIMIT, "%s is too large for a properties file", path);
    if (good) good = file_read(f, 0, buf_reserve(&text, size), size, &got, d);
    text.len = good ? got : 0;
    good = good && read_lines(c, path, buf_str(&text), d);
    file_close(f);
    buf_free(&text);
    return good;
}

str config_text(const config *c, const char *name)
{
    const char *set = map_get(&c->values, str_z(name));
    if (set) return str_z(set);
    const config_info *info = find(str_z(name));
    check(info);
    return str_z(info->value);
}

bool config_get(const config *c, str name, str *value)
{
    const char *set = map_get(&c->values, name);
    const config_info *info = set ? NULL : find(name);
    if (!set && !info) return false;
    *value = str_z(set ? set : info->value);
    return true;
}

int64_t config_int(const config *c, const char *name)
{
    int64_t v = 0;
    bool number = str_to_i64(config_text(c, name), &v);
    check(number);
    return v;
}

bool config_bool(const config *c, const char *name)
{
    return str_eqz(config_text(c, name), "true");
}

bool config_passed_on(const config *c, size_t i, str *name, str *value)
{
    void *v;
    for (size_t it = 0; map_next(&c->values, &it, name, &v);) {
        if (find(*name)) continue;
        if (i-- > 0) continue;
        *value = str_z(v);
        return true;
    }
    return false;
}

#include "server/tls_name.h"

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/regex.h"

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* The attributes that RFC 2253 writes by a keyword; others are written by number. */
static const char *keyword(const ASN1_OBJECT *type)
{
    switch (OBJ_obj2nid(type)) {
    case NID_commonName: return "CN";
    case NID_countryName: return "C";
    case NID_localityName: return "L";
    case NID_stateOrProvinceName: return "ST";
    case NID_organizationName: return "O";
    case NID_organizationalUnitName: return "OU";
    case NID_streetAddress: return "STREET";
    case NID_domainComponent: return "DC";
    case NID_userId: return "UID";
    default: return NULL;
    }
}

/* Java escapes '=' and '#' everywhere, and every leading and trailing space. */
static void write_text(str text, buf *out)
{
    size_t first = 0, last = text.n;
    while (first < text.n && text.p[first] == ' ') first++;
    while (last > first && text.p[last - 1] == ' ') last--;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == 0) {
            buf_add_z(out, "\\00");
            continue;
        }
        if (i < first || i >= last || strchr(",=+<>#;\"\\", c)) buf_add_char(out, '\\');
        buf_add_char(out, c);
    }
}

static void write_bytes(const ASN1_STRING *value, buf *out)
{
    unsigned char *der = NULL;
    int n =
        i2d_ASN1_TYPE(&(ASN1_TYPE){.type = ASN1_STRING_type(value), .value.asn1_string = (ASN1_STRING *)value}, &der);
    buf_add_char(out, '#');
    for (int i = 0; i < n; i++) buf_printf(out, "%02x", der[i]);
    OPENSSL_free(der);
}

static bool is_text(const ASN1_STRING *value)
{
    switch (ASN1_STRING_type(value)) {
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_UTF8STRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_GENERALSTRING:
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING: return true;
    default: return false;
    }
}

static void write_entry(const X509_NAME_ENTRY *entry, buf *out)
{
    const ASN1_OBJECT *type = X509_NAME_ENTRY_get_object(entry);
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
    const char *word = keyword(type);
    char number[128] = "";
    if (!word) OBJ_obj2txt(number, sizeof number, type, 1);
    buf_printf(out, "%s=", word ? word : number);
    unsigned char *text = NULL;
    int n = word && is_text(value) ? ASN1_STRING_to_UTF8(&text, value) : -1;
    if (n >= 0)
        write_text(str_of((char *)text, (size_t)n), out);
    else
        write_bytes(value, out);
    OPENSSL_free(text);
}

void tls_name_write(const X509_NAME *name, buf *out)
{
    bool any = false;
    for (int end = X509_NAME_entry_count(name); end > 0;) {
        /* The parts of a name that have several values share a set number; they keep their order. */
        int first = end - 1, set = X509_NAME_ENTRY_set(X509_NAME_get_entry(name, first));
        while (first > 0 && X509_NAME_ENTRY_set(X509_NAME_get_entry(name, first - 1)) == set) first--;
        for (int i = first; i < end; i++) {
            if (i > first || any) buf_add_char(out, i > first ? '+' : ',');
            write_entry(X509_NAME_get_entry(name, i), out);
        }
        any = true;
        end = first;
    }
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

enum { RULES_MAX = 64 };

typedef struct rule {
    regex *pattern; /* NULL: DEFAULT */
    char *replacement;
    char fold; /* 'L', 'U' or 0 */
} rule;

struct tls_rules {
    rule all[RULES_MAX];
    size_t len;
    regex_match *match;
};

void tls_rules_free(tls_rules *rules)
{
    if (!rules) return;
    for (size_t i = 0; i < rules->len; i++) {
        regex_free(rules->all[i].pattern);
        free(rules->all[i].replacement);
    }
    regex_match_free(rules->match);
    free(rules);
}

/* What stands before the next '/' that no backslash precedes; false when there is none. */
static bool take_part(str *text, str *part)
{
    for (size_t i = 0; i < text->n; i++) {
        if (text->p[i] == '\\') {
            i++;
        } else if (text->p[i] == '/') {
            *part = str_of(text->p, i);
            *text = str_of(text->p + i + 1, text->n - i - 1);
            return true;
        }
    }
    return false;
}

/* A replacement may name groups that the pattern does not have: then it means those characters. */
static char *literal_groups(str replacement, int groups)
{
    buf out = {0};
    for (size_t i = 0; i < replacement.n; i++) {
        char c = replacement.p[i];
        bool digit = i + 1 < replacement.n && replacement.p[i + 1] >= '1' && replacement.p[i + 1] <= '9';
        if (c == '\\' && i + 1 < replacement.n) {
            buf_add_char(&out, c);
            c = replacement.p[++i];
        } else if (c == '$' && groups > 0 && digit && replacement.p[i + 1] - '0' > groups) {
            buf_add_char(&out, '\\');
        }
        buf_add_char(&out, c);
    }
    char *copy = strdup(buf_z(&out));
    check(copy);
    buf_free(&out);
    return copy;
}

static bool read_rule(tls_rules *rules, str *text, diag *d)
{
    str pattern, replacement;
    rule r = {0};
    if (str_starts(*text, STR("DEFAULT"))) {
        *text = str_of(text->p + 7, text->n - 7);
    } else if (str_starts(*text, STR("RULE:"))) {
        *text = str_of(text->p + 5, text->n - 5);
        if (!take_part(text, &pattern) || !take_part(text, &replacement)) {
            return diag_set(d, DIAG_INVALID, "a rule of ssl.principal.mapping.rules is not RULE:pattern/replacement/");
        }
        r.pattern = regex_compile(pattern, d);
        if (!r.pattern) return false;
        r.replacement = literal_groups(replacement, regex_groups(r.pattern));
        if (text->n > 0 && (text->p[0] == 'L' || text->p[0] == 'U')) {
            r.fold = text->p[0];
            *text = str_of(text->p + 1, text->n - 1);
        }
    } else {
        return diag_set(d, DIAG_INVALID,
                        "ssl.principal.mapping.rules takes RULE:pattern/replacement/[LU] and DEFAULT, not "
                        "'%.*s'",
                        STR_ARG(*text));
    }
    rules->all[rules->len++] = r;
    *text = str_trim(*text);
    if (text->n > 0 && text->p[0] != ',') {
        return diag_set(d, DIAG_INVALID, "ssl.principal.mapping.rules goes on with '%.*s' behind a rule",
                        STR_ARG(*text));
    }
    return true;
}

tls_rules *tls_rules_new(str text, diag *d)
{
    tls_rules *rules = calloc(1, sizeof *rules);
    check(rules);
    rules->match = regex_match_new();
    text = str_trim(text);
    bool good = true;
    while (text.n > 0 && good) {
        if (text.p[0] == ',') {
            text = str_trim(str_of(text.p + 1, text.n - 1));
        } else if (rules->len == RULES_MAX) {
            good = diag_set(d, DIAG_LIMIT, "ssl.principal.mapping.rules has more than %d rules", RULES_MAX);
        } else {
            good = read_rule(rules, &text, d);
        }
    }
    if (good) return rules;
    tls_rules_free(rules);
    return NULL;
}

static void fold(char *p, size_t n, char how)
{
    for (size_t i = 0; i < n; i++) {
        if (how == 'L' && p[i] >= 'A' && p[i] <= 'Z') p[i] += 'a' - 'A';
        if (how == 'U' && p[i] >= 'a' && p[i] <= 'z') p[i] -= 'a' - 'A';
    }
}

bool tls_rules_apply(tls_rules *rules, str name, buf *out)
{
    for (size_t i = 0; i < rules->len; i++) {
        const rule *r = &rules->all[i];
        diag ignored = {0};
        if (!r->pattern) {
            buf_add_str(out, name);
            return true;
        }
        if (regex_matches(r->pattern, rules->match, name, &ignored) != REGEX_FOUND) continue;
        size_t at = out->len;
        if (!regex_replace_all(r->pattern, rules->match, name, str_z(r->replacement), out, &ignored)) {
            out->len = at;
            continue;
        }
        fold(out->data + at, out->len - at, r->fold);
        return true;
    }
    return false;
}

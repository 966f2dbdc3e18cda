#include "broker/acl.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "base/check.h"

/* What one principal may or may not do to the resources of a pattern, from one host or "*". */
typedef struct entry {
    char *principal, *host;
    int8_t operation, permission;
} entry;

typedef struct pattern {
    str name; /* owned */
    entry *entries; /* by principal, host, operation, permission */
    size_t len, cap;
    ptrdiff_t shorter; /* prefixes: the longest other one that this one begins with, or -1 */
} pattern;

/* The patterns of one kind of resource and one kind of pattern, by name. */
typedef struct table {
    pattern **list;
    size_t len, cap;
    bool stale; /* `shorter` is to be found anew */
} table;

enum { RESOURCES = ACL_USER - ACL_TOPIC + 1, TABLES = 2 * RESOURCES };

struct acls {
    table tables[TABLES]; /* literal and prefixed in turn */
    size_t count;
};

#define USER_TYPE STR("User:")
#define WILDCARD STR("*")

static size_t table_of(int8_t resource, int8_t kind)
{
    return 2 * (size_t)(resource - ACL_TOPIC) + (kind == ACL_PREFIXED);
}

static int8_t resource_of(size_t at)
{
    return (int8_t)(ACL_TOPIC + at / 2);
}

bool acl_is_concrete(const acl *x)
{
    return x->resource >= ACL_TOPIC && x->resource <= ACL_USER && x->pattern >= ACL_LITERAL &&
           x->pattern <= ACL_PREFIXED && x->operation >= ACL_ALL && x->operation <= ACL_TWO_PHASE_COMMIT &&
           x->permission >= ACL_DENY && x->permission <= ACL_ALLOW && x->name.p && x->principal.p && x->host.p;
}

acls *acls_new(void)
{
    acls *s = calloc(1, sizeof *s);
    check(s);
    return s;
}

static void pattern_free(pattern *p)
{
    for (size_t i = 0; i < p->len; i++) {
        free(p->entries[i].principal);
        free(p->entries[i].host);
    }
    free(p->entries);
    free((char *)(uintptr_t)p->name.p);
    free(p);
}

void acls_free(acls *s)
{
    if (!s) return;
    for (size_t i = 0; i < TABLES; i++) {
        for (size_t k = 0; k < s->tables[i].len; k++) pattern_free(s->tables[i].list[k]);
        free(s->tables[i].list);
    }
    free(s);
}

size_t acls_count(const acls *s)
{
    return s->count;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

/* The first pattern whose name is not below; *same: it is this name. */
static size_t pattern_at(const table *t, str name, bool *same)
{
    size_t low = 0, high = t->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (str_cmp(t->list[mid]->name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *same = low < t->len && str_eq(t->list[low]->name, name);
    return low;
}

static int compare_entry(const entry *e, const acl *x)
{
    int by = str_cmp(str_z(e->principal), x->principal);
    if (by == 0) by = str_cmp(str_z(e->host), x->host);
    if (by == 0) by = e->operation - x->operation;
    return by != 0 ? by : e->permission - x->permission;
}

static size_t entry_at(const pattern *p, const acl *x, bool *same)
{
    size_t low = 0, high = p->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_entry(&p->entries[mid], x) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *same = low < p->len && compare_entry(&p->entries[low], x) == 0;
    return low;
}

bool acls_has(const acls *s, const acl *x)
{
    if (!acl_is_concrete(x)) return false;
    bool same;
    const table *t = &s->tables[table_of(x->resource, x->pattern)];
    size_t at = pattern_at(t, x->name, &same);
    if (same) entry_at(t->list[at], x, &same);
    return same;
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

static char *copy(str s)
{
    char *p = malloc(s.n + 1);
    check(p);
    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

/* Makes room for one element at `at`. */
static void *open_gap(void *list, size_t size, size_t *len, size_t *cap, size_t at)
{
    if (*len == *cap) {
        *cap = *cap ? *cap * 2 : 4;
        list = realloc(list, *cap * size);
        check(list);
    }
    char *p = (char *)list + at * size;
    memmove(p + size, p, (*len - at) * size);
    (*len)++;
    return list;
}

bool acls_add(acls *s, const acl *x)
{
    check(acl_is_concrete(x));
    bool same;
    table *t = &s->tables[table_of(x->resource, x->pattern)];
    size_t at = pattern_at(t, x->name, &same);
    if (!same) {
        pattern *p = calloc(1, sizeof *p);
        check(p);
        p->name = str_of(copy(x->name), x->name.n);
        t->list = open_gap(t->list, sizeof t->list[0], &t->len, &t->cap, at);
        t->list[at] = p;
        t->stale = true;
    }
    pattern *p = t->list[at];
    size_t place = entry_at(p, x, &same);
    if (same) return false;
    p->entries = open_gap(p->entries, sizeof p->entries[0], &p->len, &p->cap, place);
    p->entries[place] = (entry){copy(x->principal), copy(x->host), x->operation, x->permission};
    s->count++;
    return true;
}

bool acls_remove(acls *s, const acl *x)
{
    if (!acl_is_concrete(x)) return false;
    bool same;
    table *t = &s->tables[table_of(x->resource, x->pattern)];
    size_t at = pattern_at(t, x->name, &same);
    if (!same) return false;
    pattern *p = t->list[at];
    size_t place = entry_at(p, x, &same);
    if (!same) return false;
    free(p->entries[place].principal);
    free(p->entries[place].host);
    p->len--;
    memmove(&p->entries[place], &p->entries[place + 1], (p->len - place) * sizeof p->entries[0]);
    s->count--;
    if (p->len > 0) return true;
    pattern_free(p);
    t->len--;
    memmove(&t->list[at], &t->list[at + 1], (t->len - at) * sizeof t->list[0]);
    t->stale = true;
    return true;
}

/* ---- filters ----------------------------------------------------------------------------------------------------- */

static bool name_passes(const acl *filter, int8_t kind, str name)
{
    if (!filter->name.p) return true;
    if (filter->pattern != ACL_PATTERN_MATCH) return str_eq(filter->name, name);
    return kind == ACL_PREFIXED ? str_starts(filter->name, name) : str_eq(filter->name, name) || str_eq(name, WILDCARD);
}

static bool pattern_passes(const acl *filter, size_t at, const pattern *p)
{
    int8_t kind = at % 2 ? ACL_PREFIXED : ACL_LITERAL;
    if (filter->resource != ACL_RESOURCE_ANY && filter->resource != resource_of(at)) return false;
    bool either = filter->pattern == ACL_PATTERN_ANY || filter->pattern == ACL_PATTERN_MATCH;
    return (either || filter->pattern == kind) && name_passes(filter, kind, p->name);
}

static bool entry_passes(const acl *filter, const entry *e)
{
    return (!filter->principal.p || str_eqz(filter->principal, e->principal)) &&
           (!filter->host.p || str_eqz(filter->host, e->host)) &&
           (filter->operation == ACL_OPERATION_ANY || filter->operation == e->operation) &&
           (filter->permission == ACL_PERMISSION_ANY || filter->permission == e->permission);
}

bool acls_next(const acls *s, const acl *filter, acl_cursor *at, acl *out)
{
    for (; at->table < TABLES; at->table++, at->pattern = 0) {
        const table *t = &s->tables[at->table];
        for (; at->pattern < t->len; at->pattern++, at->entry = 0) {
            const pattern *p = t->list[at->pattern];
            if (filter && !pattern_passes(filter, at->table, p)) continue;
            while (at->entry < p->len) {
                const entry *e = &p->entries[at->entry++];
                if (filter && !entry_passes(filter, e)) continue;
                *out = (acl){.resource = resource_of(at->table),
                             .pattern = at->table % 2 ? ACL_PREFIXED : ACL_LITERAL,
                             .operation = e->operation,
                             .permission = e->permission,
                             .name = p->name,
                             .principal = str_z(e->principal),
                             .host = str_z(e->host)};
                return true;
            }
        }
    }
    return false;
}

/* ---- deciding ---------------------------------------------------------------------------------------------------- */

/*
 * Links each prefix to the longest one that it begins with. In sorted order those are the last one before it, or one
 * of that one's own, so that a walk along the links meets all prefixes of a name, starting at the last that is not
 * above the name.
 */
static void relink(table *t)
{
    for (size_t i = 0; i < t->len; i++) {
        ptrdiff_t at = (ptrdiff_t)i - 1;
        while (at >= 0 && !str_starts(t->list[i]->name, t->list[at]->name)) at = t->list[at]->shorter;
        t->list[i]->shorter = at;
    }
    t->stale = false;
}

/* IPv6 has several spellings of one address: clients' may differ from those of entries. */
static bool same_address(str x, str y)
{
    struct in6_addr a[2];
    const str both[2] = {x, y};
    char text[INET6_ADDRSTRLEN + 1];
    for (int i = 0; i < 2; i++) {
        if (both[i].n >= sizeof text || !memchr(both[i].p, ':', both[i].n)) return false;
        memcpy(text, both[i].p, both[i].n);
        text[both[i].n] = '\0';
        if (inet_pton(AF_INET6, text, &a[i]) != 1) return false;
    }
    return memcmp(&a[0], &a[1], sizeof a[0]) == 0;
}

static bool is_from(const entry *e, str host)
{
    str named = str_z(e->host);
    return str_eq(named, WILDCARD) || str_eq(named, host) || same_address(named, host);
}

/* Compares a principal with type User and this name. */
static int compare_user(const char *principal, str user)
{
    size_t n = strlen(principal), type = USER_TYPE.n;
    str head = str_of(principal, n < type ? n : type);
    int by = str_cmp(head, USER_TYPE);
    return by != 0 ? by : str_cmp(str_of(principal + head.n, n - head.n), user);
}

/* The first entry of the user. */
static size_t entries_of(const pattern *p, str user)
{
    size_t low = 0, high = p->len;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_user(p->entries[mid].principal, user) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool implies(int8_t allowed, acl_operation asked)
{
    if (asked == ACL_DESCRIBE)
        return allowed == ACL_READ || allowed == ACL_WRITE || allowed == ACL_DELETE || allowed == ACL_ALTER;
    return asked == ACL_DESCRIBE_CONFIGS && allowed == ACL_ALTER_CONFIGS;
}

/* What a pattern says to someone about an operation. */
typedef struct said {
    bool allows, denies;
} said;

static void hear_as(const pattern *p, str user, str host, acl_operation operation, bool implied, said *out)
{
    for (size_t i = entries_of(p, user); i < p->len && compare_user(p->entries[i].principal, user) == 0; i++) {
        const entry *e = &p->entries[i];
        bool exact = e->operation == (int8_t)operation || e->operation == ACL_ALL;
        if (e->permission == ACL_DENY && exact && !out->denies)
            out->denies = is_from(e, host);
        else if (e->permission == ACL_ALLOW && !out->allows && (exact || (implied && implies(e->operation, operation))))
            out->allows = is_from(e, host);
    }
}

static void hear(const pattern *p, const acl_who *who, acl_operation operation, bool implied, said *out)
{
    hear_as(p, who->user, who->host, operation, implied, out);
    if (!str_eq(who->user, WILDCARD)) hear_as(p, WILDCARD, who->host, operation, implied, out);
}

/* The longest prefix that the name begins with, or -1. */
static ptrdiff_t longest_prefix(table *t, str name)
{
    if (t->stale) relink(t);
    bool same;
    ptrdiff_t at = (ptrdiff_t)pattern_at(t, name, &same) - !same;
    while (at >= 0 && !str_starts(name, t->list[at]->name)) at = t->list[at]->shorter;
    return at;
}

acl_verdict acls_ask(acls *s, const acl_who *who, acl_operation operation, acl_resource resource, str name)
{
    table *literal = &s->tables[table_of((int8_t)resource, ACL_LITERAL)];
    table *prefixed = &s->tables[table_of((int8_t)resource, ACL_PREFIXED)];
    bool named = false, same;
    said x = {0};
    const str names[2] = {name, WILDCARD};
    for (int i = 0; i < 2; i++) {
        size_t at = pattern_at(literal, names[i], &same);
        if (!same) continue;
        hear(literal->list[at], who, operation, true, &x);
        named = true;
    }
    for (ptrdiff_t at = longest_prefix(prefixed, name); at >= 0; at = prefixed->list[at]->shorter) {
        hear(prefixed->list[at], who, operation, true, &x);
        named = true;
    }
    if (!named) return ACL_NOT_NAMED;
    return x.allows && !x.denies ? ACL_GRANTED : ACL_REFUSED;
}

/* Whether a prefix of the name (itself counts) is denied as a whole. */
static bool is_dominated(table *prefixed, const acl_who *who, acl_operation operation, str name)
{
    for (ptrdiff_t at = longest_prefix(prefixed, name); at >= 0; at = prefixed->list[at]->shorter) {
        said x = {0};
        hear(prefixed->list[at], who, operation, false, &x);
        if (x.denies) return true;
    }
    return false;
}

bool acls_any(acls *s, const acl_who *who, acl_operation operation, acl_resource resource)
{
    table *prefixed = &s->tables[table_of((int8_t)resource, ACL_PREFIXED)];
    table *literal = &s->tables[table_of((int8_t)resource, ACL_LITERAL)];
    bool same;
    size_t everything = pattern_at(literal, WILDCARD, &same);
    if (same) {
        said x = {0};
        hear(literal->list[everything], who, operation, false, &x);
        if (x.denies || x.allows) return !x.denies;
    }
    for (int i = 0; i < 2; i++) {
        const table *t = i ? prefixed : literal;
        for (size_t k = 0; k < t->len; k++) {
            said x = {0};
            hear(t->list[k], who, operation, false, &x);
            if (x.allows && !x.denies && !is_dominated(prefixed, who, operation, t->list[k]->name)) return true;
        }
    }
    return false;
}

/* Access control lists as administrators see them: DescribeAcls, CreateAcls, DeleteAcls. */
#include "base/check.h"
#include "broker/api.h"
#include "broker/authz.h"
#include "broker/meta.h"

/* As Kafka's controllers do in one operation. */
enum { ENTRIES_MAX = 10000 };

static const char too_many[] = "Unable to perform excessively large batch operation.";

/* Codes that this version of the protocol does not know are one value, UNKNOWN, which is 0. */
static int8_t known(int8_t code, int8_t last)
{
    return code < 0 || code > last ? 0 : code;
}

/*
 * An entry or (filter) what entries are looked for by. Codes that say UNKNOWN by themselves make the request
 * malformed, as in Kafka, where a code from a later version does not.
 */
static bool read_acl(wire_in *in, acl *x, bool filter)
{
    x->resource = wire_i8(in);
    x->name = filter ? wire_nstr(in) : wire_str(in);
    x->pattern = wire_i8(in);
    x->principal = filter ? wire_nstr(in) : wire_str(in);
    x->host = filter ? wire_nstr(in) : wire_str(in);
    x->operation = wire_i8(in);
    x->permission = wire_i8(in);
    wire_tags(in);
    bool whole = x->resource != 0 && x->pattern != 0 && x->operation != 0 && x->permission != 0;
    x->resource = known(x->resource, ACL_USER);
    x->pattern = known(x->pattern, ACL_PREFIXED);
    x->operation = known(x->operation, ACL_TWO_PHASE_COMMIT);
    x->permission = known(x->permission, ACL_ALLOW);
    return whole && !wire_failed(in);
}

/* What is refused before anything is looked at: no authorizer, no permission. *why says it. */
static kafka_error check_access(const request *q, acl_operation operation, str *why)
{
    *why = WIRE_NULL;
    if (!q->b->authorizer) {
        *why = operation == ACL_DESCRIBE ? STR("No Authorizer is configured on the broker")
                                         : STR("No Authorizer is configured.");
        return KAFKA_SECURITY_DISABLED;
    }
    if (authz_cluster(q, operation)) return KAFKA_NONE;
    *why = authz_message(KAFKA_CLUSTER_AUTHORIZATION_FAILED);
    return KAFKA_CLUSTER_AUTHORIZATION_FAILED;
}

/* ---- DescribeAcls ------------------------------------------------------------------------------------------------ */

static void put_entry(wire_out *o, const acl *x)
{
    wire_put_str(o, x->principal);
    wire_put_str(o, x->host);
    wire_put_i8(o, x->operation);
    wire_put_i8(o, x->permission);
    wire_put_tags(o);
}

/* Closes the resource whose entries were gathered in `entries`. */
static void put_resource(wire_out *o, const acl *x, int32_t n, buf *entries)
{
    wire_put_i8(o, x->resource);
    wire_put_str(o, x->name);
    wire_put_i8(o, x->pattern);
    wire_put_len(o, n);
    buf_add(o->b, entries->data, entries->len);
    wire_put_tags(o);
    buf_clear(entries);
}

/* All that pass the filter, resource by resource; returns the number of resources. */
static int32_t put_matching(const request *q, const acl *filter, wire_out *o)
{
    buf bytes = {0};
    wire_out entries = {&bytes, o->flexible};
    acl x, last = {0};
    int32_t resources = 0, n = 0;
    for (acl_cursor at = {0}; acls_next(q->b->acls, filter, &at, &x); last = x) {
        bool same = n > 0 && x.resource == last.resource && x.pattern == last.pattern && str_eq(x.name, last.name);
        if (!same && n > 0) {
            put_resource(o, &last, n, &bytes);
            n = 0;
        }
        if (!same) resources++;
        put_entry(&entries, &x);
        n++;
    }
    if (n > 0) put_resource(o, &last, n, &bytes);
    buf_free(&bytes);
    return resources;
}

api_outcome api_describe_acls(request *q)
{
    acl filter;
    if (!read_acl(&q->in, &filter, true)) return API_MALFORMED;
    str why;
    kafka_error error = check_access(q, ACL_DESCRIBE, &why);
    buf body = {0};
    wire_out found = {&body, q->in.flexible};
    int32_t n = error == KAFKA_NONE ? put_matching(q, &filter, &found) : 0;
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_i16(o, (int16_t)error);
    wire_put_nstr(o, why);
    wire_put_len(o, n);
    buf_add(o->b, body.data, body.len);
    wire_put_tags(o);
    buf_free(&body);
    return API_ANSWERED;
}

/* ---- CreateAcls -------------------------------------------------------------------------------------------------- */

typedef struct creation {
    acl entry;
    kafka_error error;
    str why;
} creation;

static str code_text(arena *a, const char *what, int8_t code, const char *any)
{
    return arena_printf(a, "Invalid %s %s", what, code == 0 ? "UNKNOWN" : code == 1 ? "ANY" : any);
}

/* The first thing that is wrong with a new entry (AclApis, AclControlManager.validateNewAcl). */
static kafka_error check_new(arena *a, const acl *x, str *why)
{
    *why = WIRE_NULL;
    if (x->resource == ACL_CLUSTER && !str_eq(x->name, ACL_CLUSTER_NAME))
        *why = STR("The only valid name for the CLUSTER resource is kafka-cluster");
    else if (x->name.n == 0)
        *why = STR("Invalid empty resource name");
    else if (x->resource < ACL_TOPIC)
        *why = code_text(a, "resourceType", x->resource, "");
    else if (x->pattern < ACL_LITERAL)
        *why = code_text(a, "patternType", x->pattern, "MATCH");
    else if (x->operation < ACL_ALL)
        *why = code_text(a, "operation", x->operation, "");
    else if (x->permission < ACL_DENY)
        *why = code_text(a, "permissionType", x->permission, "");
    else if (str_find(x->principal, STR(":"), 0) < 0)
        *why = arena_printf(a,
                            "Could not parse principal from `%.*s` (no colon is present separating the principal "
                            "type from the principal name)",
                            (int)(x->principal.n < 300 ? x->principal.n : 300), x->principal.p);
    else if (x->host.n == 0)
        *why = STR("Host pattern cannot be null or empty");
    if (why->p) return KAFKA_INVALID_REQUEST;
    /* Ranges of addresses came with a later level of metadata.version than this. */
    if (str_find(x->host, STR("/"), 0) < 0) return KAFKA_NONE;
    *why = STR("CIDR-based ACL host patterns require metadata version 4.4-IV1 or higher.");
    return KAFKA_UNSUPPORTED_VERSION;
}

/* Writes what is new and takes it in: all of it or, when *error is set, nothing. */
static void create_all(broker *b, const acl *fresh, size_t n, kafka_error *error, str *why)
{
    diag d = {0};
    *error = KAFKA_NONE;
    *why = WIRE_NULL;
    if (n == 0) return;
    pthread_mutex_lock(&b->meta_lock);
    bool ok = n <= ENTRIES_MAX && meta_write_acls(b, fresh, n, true, &d);
    pthread_mutex_unlock(&b->meta_lock);
    for (size_t i = 0; ok && i < n; i++) acls_add(b->acls, &fresh[i]);
    if (ok) return;
    bool limit = n > ENTRIES_MAX || d.code == DIAG_LIMIT;
    *error = limit ? KAFKA_POLICY_VIOLATION : KAFKA_KAFKA_STORAGE_ERROR;
    *why = limit ? STR(too_many) : STR("The ACLs could not be stored.");
}

api_outcome api_create_acls(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 7);
    creation *list = ARENA_ARRAY(q->a, creation, (size_t)n + 1);
    acl *fresh = ARENA_ARRAY(q->a, acl, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++)
        if (!read_acl(in, &list[i].entry, false)) return API_MALFORMED;
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    str why;
    kafka_error error = check_access(q, ACL_ALTER, &why);
    size_t fresh_len = 0;
    for (int32_t i = 0; i < n && error == KAFKA_NONE; i++) {
        creation *c = &list[i];
        c->error = check_new(q->a, &c->entry, &c->why);
        if (c->error == KAFKA_NONE && !acls_has(q->b->acls, &c->entry)) fresh[fresh_len++] = c->entry;
    }
    if (error == KAFKA_NONE) create_all(q->b, fresh, fresh_len, &error, &why);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) {
        bool own = list[i].error != KAFKA_NONE;
        wire_put_i16(o, (int16_t)(own ? list[i].error : error));
        wire_put_nstr(o, own ? list[i].why : why);
        wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}

/* ---- DeleteAcls -------------------------------------------------------------------------------------------------- */

typedef struct deletion {
    acl filter;
    bool unknown; /* the filter has a code that nobody knows */
    size_t from, to; /* what it matched, in the list of all */
} deletion;

/* Every filter is matched against what was there before any took something away. */
static acl *match_all(request *q, deletion *filters, int32_t n, size_t *total)
{
    buf list = {0};
    for (int32_t i = 0; i < n; i++) {
        deletion *f = &filters[i];
        acl x;
        f->from = list.len / sizeof x;
        for (acl_cursor at = {0}; !f->unknown && acls_next(q->b->acls, &f->filter, &at, &x);) {
            /* The answer tells of it when it is gone. */
            x.name = arena_str(q->a, x.name);
            x.principal = arena_str(q->a, x.principal);
            x.host = arena_str(q->a, x.host);
            buf_add(&list, &x, sizeof x);
        }
        f->to = list.len / sizeof x;
    }
    *total = list.len / sizeof(acl);
    acl *all = ARENA_ARRAY(q->a, acl, *total + 1);
    if (*total > 0) memcpy(all, list.data, list.len);
    buf_free(&list);
    return all;
}

static kafka_error delete_all(broker *b, const acl *list, size_t n, str *why)
{
    diag d = {0};
    if (n == 0) return KAFKA_NONE;
    pthread_mutex_lock(&b->meta_lock);
    bool ok = n <= ENTRIES_MAX && meta_write_acls(b, list, n, false, &d);
    pthread_mutex_unlock(&b->meta_lock);
    /* Two filters may have found the same entry. */
    for (size_t i = 0; ok && i < n; i++) acls_remove(b->acls, &list[i]);
    if (ok) return KAFKA_NONE;
    bool limit = n > ENTRIES_MAX || d.code == DIAG_LIMIT;
    *why = limit ? STR("Cannot remove more than 10000 acls in a single delete operation.")
                 : STR("The ACLs could not be removed from the metadata log.");
    return limit ? KAFKA_INVALID_REQUEST : KAFKA_KAFKA_STORAGE_ERROR;
}

static void put_deleted(wire_out *o, const acl *x)
{
    wire_put_i16(o, KAFKA_NONE);
    wire_put_nstr(o, WIRE_NULL);
    wire_put_i8(o, x->resource);
    wire_put_str(o, x->name);
    wire_put_i8(o, x->pattern);
    wire_put_str(o, x->principal);
    wire_put_str(o, x->host);
    wire_put_i8(o, x->operation);
    wire_put_i8(o, x->permission);
    wire_put_tags(o);
}

/* AclControlManager.validateFilter: the half of the filter that is named in the text. */
static str unknown_text(const acl *filter)
{
    return filter->resource == 0 || filter->pattern == 0 ? STR("Unknown patternFilter.") : STR("Unknown entryFilter.");
}

api_outcome api_delete_acls(request *q)
{
    wire_in *in = &q->in;
    int32_t n = wire_len(in, 7);
    deletion *filters = ARENA_ARRAY(q->a, deletion, (size_t)n + 1);
    for (int32_t i = 0; i < n; i++) {
        acl *x = &filters[i].filter;
        if (!read_acl(in, x, true)) return API_MALFORMED;
        filters[i].unknown = x->resource == 0 || x->pattern == 0 || x->operation == 0 || x->permission == 0;
    }
    wire_tags(in);
    if (wire_failed(in)) return API_MALFORMED;
    str why;
    size_t total = 0;
    kafka_error error = check_access(q, ACL_ALTER, &why);
    acl *all = error == KAFKA_NONE ? match_all(q, filters, n, &total) : NULL;
    if (error == KAFKA_NONE) error = delete_all(q->b, all, total, &why);
    request_begin(q);
    wire_out *o = &q->out;
    wire_put_i32(o, 0);
    wire_put_len(o, n);
    for (int32_t i = 0; i < n; i++) {
        const deletion *f = &filters[i];
        bool own = error == KAFKA_NONE && f->unknown;
        size_t matched = error == KAFKA_NONE ? f->to - f->from : 0;
        wire_put_i16(o, (int16_t)(own ? KAFKA_INVALID_REQUEST : error));
        wire_put_nstr(o, own ? unknown_text(&f->filter) : why);
        wire_put_len(o, (int32_t)matched);
        for (size_t k = 0; k < matched; k++) put_deleted(o, &all[f->from + k]);
        wire_put_tags(o);
    }
    wire_put_tags(o);
    return API_ANSWERED;
}

/* Records of the new protocol in __consumer_offsets: keys 3 and 5 to 8 of Kafka's group coordinator. */
#include <stdlib.h>

#include "base/check.h"
#include "broker/cgroup.h"

enum { KIND_CLASSIC = 2, KIND_EPOCH = 3, KIND_MEMBER = 5, KIND_TARGET_EPOCH = 6, KIND_TARGET = 7, KIND_CURRENT = 8 };

static str nullable(const char *z)
{
    return z ? str_z(z) : WIRE_NULL;
}

/* Adds a record; member NULL: one of the group. The value is copied, p == NULL: a tombstone. */
static void add(cwrites *w, const group *g, int16_t kind, const char *member_id, buf *value)
{
    buf key = {0};
    wire_out o = {&key, false};
    wire_put_i16(&o, kind);
    wire_put_str(&o, str_z(g->id));
    if (member_id) wire_put_str(&o, str_z(member_id));
    batch_record r = {.key = arena_str(w->a, buf_str(&key)), .timestamp = w->now_ms};
    if (value) r.value = arena_str(w->a, buf_str(value));
    buf_add(&w->records, &r, sizeof r);
    buf_free(&key);
    if (value) buf_free(value);
}

static wire_out value_of(buf *value)
{
    wire_out o = {value, true};
    wire_put_i16(&o, 0);
    return o;
}

void cwrite_epoch(cwrites *w, const group *g)
{
    buf v = {0};
    wire_out o = value_of(&v);
    /* Field 0, the hash of what the members' topics were: a start must notice what has changed since. */
    wire_put_i32(&o, g->consumer->epoch);
    write_uvarint64(o.b, 1);
    write_uvarint64(o.b, 0);
    write_uvarint64(o.b, sizeof(int64_t));
    wire_put_i64(&o, (int64_t)g->consumer->resolved_hash);
    add(w, g, KIND_EPOCH, NULL, &v);
}

void cwrite_target_epoch(cwrites *w, const group *g)
{
    buf v = {0};
    wire_out o = value_of(&v);
    wire_put_i32(&o, g->consumer->target_epoch);
    wire_put_tags(&o);
    add(w, g, KIND_TARGET_EPOCH, NULL, &v);
}

/* The tag section of a member of the classic protocol: field 0 is a struct that may be null. */
static void put_classic(wire_out *o, const cmember *m)
{
    buf v = {0};
    wire_out sub = {&v, true};
    wire_put_i8(&sub, 1);
    wire_put_i32(&sub, m->session_ms);
    wire_put_len(&sub, m->protocols_len);
    for (int32_t i = 0; i < m->protocols_len; i++) {
        wire_put_str(&sub, m->protocols[i].name);
        wire_put_blob(&sub, m->protocols[i].metadata);
        wire_put_tags(&sub);
    }
    wire_put_tags(&sub);
    write_uvarint64(o->b, 1);
    write_uvarint64(o->b, 0);
    write_uvarint64(o->b, v.len);
    buf_add(o->b, v.data, v.len);
    buf_free(&v);
}

void cwrite_member(cwrites *w, const cmember *m)
{
    buf v = {0};
    wire_out o = value_of(&v);
    wire_put_nstr(&o, nullable(m->instance));
    wire_put_nstr(&o, nullable(m->rack));
    wire_put_str(&o, nullable(m->client_id));
    wire_put_str(&o, nullable(m->client_host));
    wire_put_len(&o, (int32_t)m->topics_len);
    for (size_t i = 0; i < m->topics_len; i++) wire_put_str(&o, str_z(m->topics[i]));
    wire_put_nstr(&o, nullable(m->regex));
    wire_put_i32(&o, m->rebalance_ms);
    wire_put_nstr(&o, nullable(m->assignor));
    if (m->classic)
        put_classic(&o, m);
    else
        wire_put_tags(&o);
    add(w, m->g, KIND_MEMBER, m->id, &v);
}

void cwrite_target(cwrites *w, const cmember *m)
{
    buf v = {0};
    wire_out o = value_of(&v);
    cparts_write(&o, &m->target, NULL);
    wire_put_tags(&o);
    add(w, m->g, KIND_TARGET, m->id, &v);
}

void cwrite_current(cwrites *w, const cmember *m)
{
    buf v = {0};
    wire_out o = value_of(&v);
    wire_put_i32(&o, m->epoch);
    wire_put_i32(&o, m->previous_epoch);
    wire_put_i8(&o, (int8_t)m->state);
    cparts_write(&o, &m->assigned, NULL);
    cparts_write(&o, &m->revoking, NULL);
    wire_put_tags(&o);
    add(w, m->g, KIND_CURRENT, m->id, &v);
}

void cwrite_member_gone(cwrites *w, const group *g, const char *id)
{
    add(w, g, KIND_CURRENT, id, NULL);
    add(w, g, KIND_TARGET, id, NULL);
    add(w, g, KIND_MEMBER, id, NULL);
}

void cwrite_classic_gone(cwrites *w, const group *g)
{
    add(w, g, KIND_CLASSIC, NULL, NULL);
}

void cwrite_group_gone(cwrites *w, const group *g)
{
    add(w, g, KIND_TARGET_EPOCH, NULL, NULL);
    add(w, g, KIND_EPOCH, NULL, NULL);
}

kafka_error cwrites_append(cwrites *w, broker_partition *p, int64_t *end)
{
    size_t n = w->records.len / sizeof(batch_record);
    kafka_error error = KAFKA_NONE;
    *end = 0;
    if (n > 0) error = coordinator_append(p, (const batch_record *)(const void *)w->records.data, n, -1, -1, end);
    buf_free(&w->records);
    return error;
}

/* ---- reading back ---------------------------------------------------------------------------------------------- */

static void load_text(char **at, str s)
{
    group_set_text(at, s);
}

static void load_classic(cmember *m, wire_in *in)
{
    wire_in field;
    for (uint32_t tags = wire_tags_begin(in); tags > 0 && !wire_failed(in); tags--) {
        if (wire_tag(in, &field) != 0 || wire_i8(&field) < 0) continue;
        int32_t session_ms = wire_i32(&field);
        int32_t n = wire_len(&field, 3);
        group_protocol *list = calloc((size_t)n + 1, sizeof *list);
        check(list);
        for (int32_t i = 0; i < n && !wire_failed(&field); i++) {
            list[i].name = wire_str(&field);
            list[i].metadata = wire_blob(&field);
            wire_tags(&field);
        }
        if (!wire_failed(&field) && n > 0) cmember_set_classic(m, session_ms, list, n);
        free(list);
    }
}

static void load_member(cmember *m, wire_in *in)
{
    str instance = wire_nstr(in), rack = wire_nstr(in);
    str client_id = wire_str(in), client_host = wire_str(in);
    int32_t n = wire_len(in, 1);
    char **topics = calloc((size_t)n + 1, sizeof *topics);
    check(topics);
    for (int32_t i = 0; i < n && !wire_failed(in); i++) load_text(&topics[i], wire_str(in));
    str regex = wire_nstr(in);
    int32_t rebalance_ms = wire_i32(in);
    str assignor = wire_nstr(in);
    for (size_t i = 0; i < m->topics_len; i++) free(m->topics[i]);
    free(m->topics);
    m->topics = topics;
    m->topics_len = wire_failed(in) ? 0 : (size_t)n;
    for (int32_t i = 0; wire_failed(in) && i < n; i++) free(topics[i]);
    if (wire_failed(in)) return;
    load_text(&m->instance, instance);
    load_text(&m->rack, rack);
    load_text(&m->client_id, client_id);
    load_text(&m->client_host, client_host);
    load_text(&m->regex, regex);
    load_text(&m->assignor, assignor);
    m->rebalance_ms = rebalance_ms;
    cmember_set_classic(m, 0, NULL, 0);
    load_classic(m, in);
}

static void load_current(cmember *m, wire_in *in)
{
    m->epoch = wire_i32(in);
    m->previous_epoch = wire_i32(in);
    int8_t state = wire_i8(in);
    m->state = state == CMEMBER_UNREVOKED || state == CMEMBER_UNRELEASED ? (cmember_state)state : CMEMBER_STABLE;
    m->assigned.n = m->revoking.n = 0;
    cparts_read(in, &m->assigned, NULL);
    cparts_read(in, &m->revoking, NULL);
}

static void load_of_member(group *g, int16_t kind, str member_id, str value)
{
    wire_in in = wire_in_of(value.p, value.n, true);
    cmember *m = map_get(&g->consumer->members, member_id);
    if (!value.p) {
        if (m && kind == KIND_MEMBER) cgroup_member_drop(m);
        return;
    }
    if (wire_i16(&in) != 0) return;
    m = cgroup_member(g, member_id);
    if (kind == KIND_MEMBER) {
        load_member(m, &in);
        if (m->instance) map_put(&g->consumer->statics, str_z(m->instance), m);
    } else if (kind == KIND_TARGET) {
        m->target.n = 0;
        cparts_read(&in, &m->target, NULL);
    } else {
        load_current(m, &in);
    }
}

void cgroup_load(broker *b, int16_t kind, wire_in *key, str value)
{
    str group_id = wire_str(key);
    bool of_member = kind == KIND_MEMBER || kind == KIND_TARGET || kind == KIND_CURRENT;
    str member_id = of_member ? wire_str(key) : STR("");
    if (wire_failed(key) || (!of_member && kind != KIND_EPOCH && kind != KIND_TARGET_EPOCH)) return;
    group *g = group_find(b, group_id);
    if (!value.p && (!g || !g->consumer)) return;
    if (!value.p && kind == KIND_EPOCH) {
        /* The last of a group's tombstones. */
        cgroup_free(g);
        if (map_count(&g->offsets) == 0 && map_count(&g->txns) == 0) group_drop(g);
        return;
    }
    if (!g) g = group_make(b, group_id);
    if (!g->consumer) cgroup_make(g);
    if (of_member) {
        load_of_member(g, kind, member_id, value);
        return;
    }
    wire_in in = wire_in_of(value.p, value.n, true);
    if (!value.p || wire_i16(&in) != 0) return;
    int32_t epoch = wire_i32(&in);
    int64_t hash = 0;
    wire_in field;
    for (uint32_t n = wire_tags_begin(&in); n > 0 && !wire_failed(&in); n--)
        if (wire_tag(&in, &field) == 0) hash = wire_i64(&field);
    if (wire_failed(&in)) return;
    if (kind == KIND_EPOCH) g->consumer->resolved_hash = (uint64_t)hash;
    *(kind == KIND_EPOCH ? &g->consumer->epoch : &g->consumer->target_epoch) = epoch;
}

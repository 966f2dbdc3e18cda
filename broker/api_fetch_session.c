#include <stdlib.h>

#include "base/check.h"
#include "broker/api.h"
#include "broker/api_fetch.h"

struct fetch_session {
    int32_t id;
    int32_t epoch; /* that the next request must carry */
    bool by_id;
    bool dropped; /* not in the table any more */
    int refs;
    request *busy; /* the Fetch in work */
    int64_t used_ms;
    map parts; /* topic and index -> fetch_part */
    fetch_part **order;
    size_t order_len, order_cap;
};

struct fetch_sessions {
    map by_id; /* 4 bytes -> fetch_session */
};

/* As in Kafka, a session may be taken from its owner only after two minutes without use. */
enum { SESSION_IDLE_MS = 120000 };

void fetch_request_add(fetch_request *f, arena *a, fetch_part *part, bool forgotten)
{
    fetch_part ***list = forgotten ? &f->forgotten : &f->parts;
    size_t *len = forgotten ? &f->forgotten_len : &f->parts_len;
    size_t *cap = forgotten ? &f->forgotten_cap : &f->parts_cap;
    part->sent_high = part->sent_stable = part->sent_start = -2;
    if (*len == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        fetch_part **grown = ARENA_ARRAY(a, fetch_part *, more);
        if (*len > 0) memcpy(grown, *list, *len * sizeof *grown);
        *list = grown;
        *cap = more;
    }
    (*list)[(*len)++] = part;
}

struct fetch_sessions *fetch_sessions_new(void)
{
    struct fetch_sessions *t = calloc(1, sizeof *t);
    check(t);
    return t;
}

static str id_key(const int32_t *id)
{
    return str_of((const char *)id, sizeof *id);
}

static void session_unref(fetch_session *s)
{
    if (--s->refs > 0) return;
    for (size_t i = 0; i < s->order_len; i++) {
        free(s->order[i]->name);
        free(s->order[i]);
    }
    free(s->order);
    map_free(&s->parts);
    free(s);
}

static void drop(struct fetch_sessions *t, fetch_session *s)
{
    if (s->dropped) return;
    map_remove(&t->by_id, id_key(&s->id));
    s->dropped = true;
    session_unref(s);
}

void fetch_sessions_free(struct fetch_sessions *t)
{
    if (!t) return;
    void *value;
    for (size_t it = 0; map_next(&t->by_id, &it, NULL, &value);) session_unref(value);
    map_free(&t->by_id);
    free(t);
}

static str part_key(const fetch_session *s, const fetch_part *part, buf *key)
{
    buf_clear(key);
    write_i32(key, part->index);
    if (s->by_id)
        buf_add(key, part->id, 16);
    else
        buf_add_str(key, str_z(part->name));
    return buf_str(key);
}

static void put_part(fetch_session *s, const fetch_part *part)
{
    buf key = {0};
    str k = part_key(s, part, &key);
    fetch_part *known = map_get(&s->parts, k);
    if (known) {
        known->offset = part->offset;
        known->leader_epoch = part->leader_epoch;
        known->last_epoch = part->last_epoch;
        known->max_bytes = part->max_bytes;
    } else {
        known = malloc(sizeof *known);
        check(known);
        *known = *part;
        known->name = strdup(part->name ? part->name : "");
        check(known->name);
        map_put(&s->parts, k, known);
        if (s->order_len == s->order_cap) {
            s->order_cap = s->order_cap ? s->order_cap * 2 : 8;
            s->order = realloc(s->order, s->order_cap * sizeof s->order[0]);
            check(s->order);
        }
        s->order[s->order_len++] = known;
    }
    buf_free(&key);
}

static void forget_part(fetch_session *s, const fetch_part *part)
{
    buf key = {0};
    fetch_part *known = map_remove(&s->parts, part_key(s, part, &key));
    buf_free(&key);
    if (!known) return;
    size_t i = 0;
    while (s->order[i] != known) i++;
    memmove(&s->order[i], &s->order[i + 1], (s->order_len - i - 1) * sizeof s->order[0]);
    s->order_len--;
    free(known->name);
    free(known);
}

/* A free place in the table: a new one, or that of the session that was idle longest. */
static bool make_room(broker *b)
{
    struct fetch_sessions *t = b->sessions;
    if ((int64_t)map_count(&t->by_id) < broker_i64(b, "max.incremental.fetch.session.cache.slots")) return true;
    fetch_session *oldest = NULL;
    void *value;
    for (size_t it = 0; map_next(&t->by_id, &it, NULL, &value);) {
        fetch_session *s = value;
        if (!s->busy && (!oldest || s->used_ms < oldest->used_ms)) oldest = s;
    }
    if (!oldest || b->now.mono_ms - oldest->used_ms < SESSION_IDLE_MS) return false;
    drop(t, oldest);
    return true;
}

static fetch_session *session_new(broker *b, const fetch_request *f)
{
    if (!make_room(b)) return NULL;
    fetch_session *s = calloc(1, sizeof *s);
    check(s);
    do {
        broker_random(b, &s->id, sizeof s->id);
        s->id &= INT32_MAX;
    } while (s->id == 0 || map_get(&b->sessions->by_id, id_key(&s->id)));
    s->epoch = 1;
    s->by_id = f->by_id;
    s->refs = 1;
    map_put(&b->sessions->by_id, id_key(&s->id), s);
    for (size_t i = 0; i < f->parts_len; i++) put_part(s, f->parts[i]);
    return s;
}

static void enter(broker *b, fetch_session *s, request *q)
{
    s->refs++;
    s->busy = q;
    s->used_ms = b->now.mono_ms;
}

kafka_error fetch_session_find(broker *b, request *q, const fetch_request *f, fetch_session **out, bool *incremental)
{
    struct fetch_sessions *t = b->sessions;
    fetch_session *s = f->session_id != 0 ? map_get(&t->by_id, id_key(&f->session_id)) : NULL;
    *out = NULL;
    *incremental = false;
    if (s && s->busy) api_fetch_retry(s->busy, true);
    if (f->session_epoch == -1 || f->session_epoch == 0) {
        if (s) drop(t, s);
        if (f->session_epoch == -1 || f->parts_len == 0) return KAFKA_NONE;
        s = session_new(b, f);
        if (s) enter(b, s, q);
        *out = s;
        return KAFKA_NONE;
    }
    if (!s) return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    if (s->by_id != f->by_id) return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    if (s->epoch != f->session_epoch) return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
    for (size_t i = 0; i < f->parts_len; i++) put_part(s, f->parts[i]);
    for (size_t i = 0; i < f->forgotten_len; i++) forget_part(s, f->forgotten[i]);
    if (s->order_len == 0) {
        drop(t, s);
        return KAFKA_NONE;
    }
    enter(b, s, q);
    *out = s;
    *incremental = true;
    return KAFKA_NONE;
}

fetch_part **fetch_session_parts(fetch_session *s, arena *a, size_t *n)
{
    fetch_part **parts = ARENA_ARRAY(a, fetch_part *, s->order_len + 1);
    if (s->order_len > 0) memcpy(parts, s->order, s->order_len * sizeof *parts);
    *n = s->order_len;
    return parts;
}

int32_t fetch_session_id(const fetch_session *s)
{
    return s->id;
}

void fetch_session_rotate(fetch_session *s)
{
    fetch_part **next = malloc((s->order_len + 1) * sizeof *next);
    check(next);
    size_t n = 0;
    for (size_t i = 0; i < s->order_len; i++)
        if (!s->order[i]->served) next[n++] = s->order[i];
    for (size_t i = 0; i < s->order_len; i++)
        if (s->order[i]->served) next[n++] = s->order[i];
    memcpy(s->order, next, n * sizeof *next);
    free(next);
}

void fetch_session_forget(broker *b, fetch_session *s)
{
    drop(b->sessions, s);
}

void fetch_session_leave(fetch_session *s, const request *q)
{
    if (s->busy == q) s->busy = NULL;
    session_unref(s);
}

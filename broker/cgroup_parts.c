/* Sets of partitions, sorted by topic id and index. */
#include <stdlib.h>

#include "base/check.h"
#include "broker/cgroup.h"

static int compare(const cpart *a, const cpart *b)
{
    int by_id = memcmp(a->id, b->id, sizeof a->id);
    return by_id != 0 ? by_id : (a->partition > b->partition) - (a->partition < b->partition);
}

/* Where the partition is, or belongs. */
static size_t place(const cparts *s, const cpart *p)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare(&s->list[mid], p) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void cparts_add(cparts *s, const cpart *p)
{
    size_t at = place(s, p);
    if (at < s->n && compare(&s->list[at], p) == 0) return;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->list = realloc(s->list, s->cap * sizeof s->list[0]);
        check(s->list);
    }
    memmove(&s->list[at + 1], &s->list[at], (s->n - at) * sizeof s->list[0]);
    s->list[at] = *p;
    s->n++;
}

bool cparts_has(const cparts *s, const cpart *p)
{
    size_t at = place(s, p);
    return at < s->n && compare(&s->list[at], p) == 0;
}

bool cparts_within(const cparts *a, const cparts *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (!cparts_has(b, &a->list[i])) return false;
    return true;
}

bool cparts_same(const cparts *a, const cparts *b)
{
    return a->n == b->n && cparts_within(a, b);
}

bool cparts_meet(const cparts *a, const cparts *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (cparts_has(b, &a->list[i])) return true;
    return false;
}

void cparts_copy(cparts *to, const cparts *from)
{
    if (to == from) return;
    if (to->cap < from->n) {
        to->cap = from->n;
        to->list = realloc(to->list, to->cap * sizeof to->list[0]);
        check(to->list);
    }
    if (from->n > 0) memcpy(to->list, from->list, from->n * sizeof to->list[0]);
    to->n = from->n;
}

void cparts_free(cparts *s)
{
    free(s->list);
    *s = (cparts){0};
}

void cparts_read(wire_in *in, cparts *s, bool *null)
{
    enum { TOPIC_LEAST = 17, PARTITION_LEAST = 4 };
    int32_t n = null ? wire_nlen(in, TOPIC_LEAST) : wire_len(in, TOPIC_LEAST);
    if (null) *null = n < 0;
    for (int32_t i = 0; i < n && !wire_failed(in); i++) {
        cpart p;
        memcpy(p.id, wire_uuid(in), sizeof p.id);
        int32_t count = wire_len(in, PARTITION_LEAST);
        for (int32_t k = 0; k < count && !wire_failed(in); k++) {
            p.partition = wire_i32(in);
            if (!wire_failed(in)) cparts_add(s, &p);
        }
        wire_tags(in);
    }
}

static void put_name(wire_out *o, broker *b, const uint8_t *id)
{
    pthread_mutex_lock(&b->meta_lock);
    const topic *t = topic_find_id(b, id);
    wire_put_str(o, t ? str_z(t->name) : STR(""));
    pthread_mutex_unlock(&b->meta_lock);
}

void cparts_write(wire_out *o, const cparts *s, broker *names)
{
    int32_t topics = 0;
    for (size_t i = 0; i < s->n; i++) topics += i == 0 || memcmp(s->list[i].id, s->list[i - 1].id, 16) != 0;
    wire_put_len(o, topics);
    for (size_t i = 0; i < s->n;) {
        size_t end = i;
        while (end < s->n && memcmp(s->list[end].id, s->list[i].id, 16) == 0) end++;
        wire_put_uuid(o, s->list[i].id);
        if (names) put_name(o, names, s->list[i].id);
        wire_put_len(o, (int32_t)(end - i));
        for (; i < end; i++) wire_put_i32(o, s->list[i].partition);
        wire_put_tags(o);
    }
}

#include "broker/producer_state.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"

/* Kafka's snapshot: version, CRC-32C of what follows it, an array of entries (ProducerStateManager.writeSnapshot). */
enum { SNAPSHOT_VERSION = 1, SNAPSHOT_HEAD = 10, SNAPSHOT_ENTRY = 46 };
static const uint32_t WINDOW_MAGIC = 0x57454952; /* "WEIR": the older batches follow */

void producer_state_free(producer_state *p)
{
    for (size_t i = 0; i < p->slots_cap; i++) free(p->slots[i]);
    free(p->slots);
    buf_free(&p->open);
    *p = (producer_state){0};
}

static size_t slot_of(producer_entry *const *slots, size_t cap, int64_t id)
{
    size_t i = hash_u64((uint64_t)id) & (cap - 1);
    while (slots[i] && slots[i]->id != id) i = (i + 1) & (cap - 1);
    return i;
}

producer_entry *producer_state_get(const producer_state *p, int64_t id)
{
    return p->slots_cap == 0 ? NULL : p->slots[slot_of(p->slots, p->slots_cap, id)];
}

static void rehash(producer_state *p, size_t cap)
{
    producer_entry **slots = calloc(cap, sizeof *slots);
    check(slots != NULL);
    for (size_t i = 0; i < p->slots_cap; i++) {
        if (p->slots[i]) slots[slot_of(slots, cap, p->slots[i]->id)] = p->slots[i];
    }
    free(p->slots);
    p->slots = slots;
    p->slots_cap = cap;
}

static producer_entry *get_or_add(producer_state *p, int64_t id)
{
    producer_entry *e = producer_state_get(p, id);
    if (e) return e;
    if ((p->count + 1) * 4 > p->slots_cap * 3) rehash(p, p->slots_cap ? p->slots_cap * 2 : 8);
    e = calloc(1, sizeof *e);
    check(e != NULL);
    *e = (producer_entry){.id = id, .txn_start = -1, .coordinator_epoch = -1, .epoch = -1};
    p->slots[slot_of(p->slots, p->slots_cap, id)] = e;
    p->count++;
    return e;
}

static int32_t last_sequence(const producer_entry *e)
{
    return e->batch_count > 0 ? e->batches[e->batch_count - 1].last_sequence : -1;
}

static int32_t first_sequence(const producer_batch *b)
{
    return (int32_t)(((uint32_t)b->last_sequence - (uint32_t)b->offset_delta) & INT32_MAX);
}

static bool in_sequence(int32_t last, int32_t next)
{
    return (int64_t)next == (int64_t)last + 1 || (next == 0 && last == INT32_MAX);
}

producer_verdict producer_state_check(const producer_state *p, const batch_header *h, plog_origin origin)
{
    producer_verdict v = {.error = KAFKA_NONE};
    const producer_entry *e = producer_state_get(p, h->producer_id);
    if (!e) return v; /* never seen, or forgotten: any sequence may begin */
    bool sequences = origin == PLOG_CLIENT || h->base_sequence >= 0;
    if (sequences && e->epoch == h->producer_epoch) {
        for (int i = 0; i < e->batch_count; i++) {
            const producer_batch *b = &e->batches[i];
            if (first_sequence(b) != h->base_sequence || b->last_sequence != batch_last_sequence(h)) continue;
            v.duplicate = true;
            v.original = *b;
            return v;
        }
    }
    if (h->producer_epoch < e->epoch) {
        v.error = KAFKA_INVALID_PRODUCER_EPOCH;
    } else if (sequences && h->producer_epoch != e->epoch) {
        if (h->base_sequence != 0 && e->epoch != -1) v.error = KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    } else if (sequences && !in_sequence(last_sequence(e), h->base_sequence)) {
        v.error = KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER;
    }
    if (v.error == KAFKA_NONE && e->txn_start >= 0 && !(h->attributes & BATCH_TRANSACTIONAL)) {
        v.error = KAFKA_INVALID_TXN_STATE;
    }
    return v;
}

static void take_epoch(producer_entry *e, int16_t epoch)
{
    if (e->epoch == epoch) return;
    e->epoch = epoch;
    e->batch_count = 0;
}

static void add_batch(producer_entry *e, const producer_batch *b)
{
    if (e->batch_count == PRODUCER_BATCHES) {
        memmove(e->batches, e->batches + 1, (PRODUCER_BATCHES - 1) * sizeof *e->batches);
        e->batch_count--;
    }
    e->batches[e->batch_count++] = *b;
}

/* Starts come with rising offsets, except when a snapshot is read. */
static void open_add(producer_state *p, int64_t start)
{
    buf_add(&p->open, &start, sizeof start);
    int64_t *starts = (int64_t *)(void *)p->open.data;
    for (size_t i = p->open.len / sizeof start - 1; i > 0 && starts[i - 1] > starts[i]; i--) {
        int64_t t = starts[i];
        starts[i] = starts[i - 1];
        starts[i - 1] = t;
    }
}

static void open_remove(producer_state *p, int64_t start)
{
    int64_t *starts = (int64_t *)(void *)p->open.data;
    size_t n = p->open.len / sizeof start, i = 0;
    while (i < n && starts[i] != start) i++;
    check(i < n);
    memmove(starts + i, starts + i + 1, (n - i - 1) * sizeof start);
    p->open.len -= sizeof start;
}

void producer_state_add(producer_state *p, const batch_header *h, int64_t now_ms)
{
    producer_entry *e = get_or_add(p, h->producer_id);
    take_epoch(e, h->producer_epoch);
    e->last_time = now_ms;
    producer_batch b = {batch_last_offset(h), h->max_timestamp, h->last_offset_delta, batch_last_sequence(h)};
    if (h->base_sequence >= 0) add_batch(e, &b);
    if ((h->attributes & BATCH_TRANSACTIONAL) && e->txn_start < 0) {
        e->txn_start = h->base_offset;
        open_add(p, e->txn_start);
    }
}

kafka_error producer_state_check_marker(const producer_state *p, int64_t id, int16_t epoch, int32_t coordinator_epoch)
{
    const producer_entry *e = producer_state_get(p, id);
    if (!e) return KAFKA_NONE;
    if (epoch < e->epoch) return KAFKA_INVALID_PRODUCER_EPOCH;
    if (coordinator_epoch < e->coordinator_epoch) return KAFKA_TRANSACTION_COORDINATOR_FENCED;
    return KAFKA_NONE;
}

int64_t producer_state_end(producer_state *p, int64_t id, int16_t epoch, int32_t coordinator_epoch, int64_t now_ms)
{
    producer_entry *e = get_or_add(p, id);
    take_epoch(e, epoch);
    e->coordinator_epoch = coordinator_epoch;
    e->last_time = now_ms;
    int64_t start = e->txn_start;
    if (start >= 0) open_remove(p, start);
    e->txn_start = -1;
    return start;
}

int64_t producer_state_first_open(const producer_state *p)
{
    return p->open.len == 0 ? -1 : *(const int64_t *)(const void *)p->open.data;
}

void producer_state_expire(producer_state *p, int64_t idle_since_ms)
{
    size_t before = p->count;
    buf keep = {0};
    for (size_t i = 0; i < p->slots_cap; i++) {
        producer_entry *e = p->slots[i];
        if (!e) continue;
        p->slots[i] = NULL;
        if (e->txn_start < 0 && e->last_time <= idle_since_ms) {
            free(e);
            p->count--;
        } else {
            buf_add(&keep, &e, sizeof e);
        }
    }
    producer_entry **left = (producer_entry **)(void *)keep.data;
    for (size_t i = 0; i < p->count; i++) p->slots[slot_of(p->slots, p->slots_cap, left[i]->id)] = left[i];
    buf_free(&keep);
    if (p->count == 0 && before > 0) {
        free(p->slots);
        p->slots = NULL;
        p->slots_cap = 0;
    }
}

producer_entry *producer_state_next(const producer_state *p, size_t *at)
{
    while (*at < p->slots_cap) {
        producer_entry *e = p->slots[(*at)++];
        if (e) return e;
    }
    return NULL;
}

void producer_state_save(const producer_state *p, buf *out)
{
    size_t start = out->len, at = 0;
    write_i16(out, SNAPSHOT_VERSION);
    write_i32(out, 0);
    write_i32(out, (int32_t)p->count);
    for (producer_entry *e; (e = producer_state_next(p, &at));) {
        const producer_batch *b = e->batch_count > 0 ? &e->batches[e->batch_count - 1] : NULL;
        write_i64(out, e->id);
        write_i16(out, e->epoch);
        write_i32(out, b ? b->last_sequence : -1);
        write_i64(out, b ? b->last_offset : -1);
        write_i32(out, b ? b->offset_delta : 0);
        write_i64(out, b ? b->timestamp : e->last_time);
        write_i32(out, e->coordinator_epoch);
        write_i64(out, e->txn_start);
    }
    write_i32(out, (int32_t)WINDOW_MAGIC);
    at = 0;
    for (producer_entry *e; (e = producer_state_next(p, &at));) {
        write_u8(out, (uint8_t)e->batch_count);
        for (int i = 0; i < e->batch_count; i++) {
            write_i64(out, e->batches[i].last_offset);
            write_i64(out, e->batches[i].timestamp);
            write_i32(out, e->batches[i].offset_delta);
            write_i32(out, e->batches[i].last_sequence);
        }
    }
    store_be32(out->data + start + 2, hash_crc32c(out->data + start + 6, out->len - start - 6));
}

static void load_entry(producer_state *p, reader *r, int64_t now_ms)
{
    int64_t id = read_i64(r);
    if (r->failed || producer_state_get(p, id)) {
        r->failed = true;
        return;
    }
    producer_entry *e = get_or_add(p, id);
    e->epoch = read_i16(r);
    producer_batch b = {.last_sequence = read_i32(r)};
    b.last_offset = read_i64(r);
    b.offset_delta = read_i32(r);
    b.timestamp = read_i64(r);
    e->coordinator_epoch = read_i32(r);
    e->txn_start = read_i64(r);
    e->last_time = now_ms;
    if (r->failed) {
        e->txn_start = -1;
        return;
    }
    if (b.last_sequence >= 0) add_batch(e, &b);
    if (e->txn_start >= 0) open_add(p, e->txn_start);
}

/* The window behind Kafka's fields holds all batches, the last one included; a file of Kafka's has none. */
static void load_window(producer_state *p, reader *r, const uint8_t *entries, int32_t count)
{
    if (reader_left(r) < 4 || (uint32_t)read_i32(r) != WINDOW_MAGIC) return;
    for (int32_t i = 0; i < count && !r->failed; i++) {
        producer_entry *e = producer_state_get(p, (int64_t)load_be64(entries + (size_t)i * SNAPSHOT_ENTRY));
        uint8_t batches = read_u8(r);
        check(e != NULL);
        if (batches > PRODUCER_BATCHES) r->failed = true;
        e->batch_count = 0;
        for (uint8_t k = 0; k < batches && !r->failed; k++) {
            producer_batch b = {.last_offset = read_i64(r)};
            b.timestamp = read_i64(r);
            b.offset_delta = read_i32(r);
            b.last_sequence = read_i32(r);
            if (!r->failed) add_batch(e, &b);
        }
    }
}

bool producer_state_load(producer_state *p, const void *data, size_t n, int64_t now_ms, diag *d)
{
    check(p->count == 0);
    const uint8_t *bytes = data;
    if (n < SNAPSHOT_HEAD || (int16_t)load_be16(bytes) != SNAPSHOT_VERSION ||
        load_be32(bytes + 2) != hash_crc32c(bytes + 6, n - 6)) {
        return diag_set(d, DIAG_CORRUPT, "a producer snapshot has a wrong checksum");
    }
    reader r = reader_of(bytes + 6, n - 6);
    int32_t count = read_i32(&r);
    const uint8_t *entries = r.p;
    for (int32_t i = 0; i < count && !r.failed; i++) load_entry(p, &r, now_ms);
    if (!r.failed) load_window(p, &r, entries, count);
    if (!r.failed) return true;
    producer_state_free(p);
    return diag_set(d, DIAG_CORRUPT, "a producer snapshot is malformed");
}

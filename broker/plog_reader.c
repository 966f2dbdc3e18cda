/* Reading copies: whole batches into a padded buffer, for the engine and the coordinators. */
#include <stdlib.h>

#include "base/check.h"
#include "broker/plog_int.h"

struct plog_reader {
    plog *log;
    int64_t next;
    segment *s; /* counted; NULL: look the position up */
    uint64_t at;
    buf bytes;
    kafka_error error;
};

plog_reader *plog_reader_new(plog *log, int64_t offset)
{
    plog_reader *r = calloc(1, sizeof *r);
    check(r != NULL);
    r->log = log;
    r->next = offset;
    return r;
}

void plog_reader_free(plog_reader *r)
{
    if (!r) return;
    segment_unref(r->s);
    buf_free(&r->bytes);
    free(r);
}

void plog_reader_seek(plog_reader *r, int64_t offset)
{
    segment_unref(r->s);
    r->s = NULL;
    r->next = offset;
}

int64_t plog_reader_offset(const plog_reader *r)
{
    return r->next;
}

kafka_error plog_reader_error(const plog_reader *r)
{
    return r->error;
}

static plog_read_status fail(plog_reader *r, kafka_error error)
{
    r->error = error;
    return PLOG_READ_ERROR;
}

static plog_read_status fail_by(plog_reader *r, const diag *d)
{
    plog_report(r->log, d);
    return fail(r, d->code == DIAG_CORRUPT ? KAFKA_CORRUPT_MESSAGE : KAFKA_KAFKA_STORAGE_ERROR);
}

/* Finds the segment and position of r->next. */
static plog_read_status find(plog_reader *r, diag *d)
{
    segment_list *l = plog_list(r->log);
    int i = segment_list_find(l, r->next);
    plog_read_status status = PLOG_READ_END;
    for (i = i < 0 ? 0 : i; i < l->n; i++) {
        segment *s = l->s[i];
        uint64_t readable = segment_readable(s), at = 0;
        batch_header h;
        bool found = readable > 0;
        if (found && r->next > s->base && !segment_locate(s, r->next, readable, &at, &h, &found, d)) {
            status = fail_by(r, d);
            break;
        }
        if (!found && readable < atomic_load(&s->size)) {
            diag_set(d, DIAG_CORRUPT, "%s: the offset %lld is in a corrupt part", segment_file_path(s->log),
                     (long long)r->next);
            status = fail(r, KAFKA_CORRUPT_MESSAGE);
            break;
        }
        if (!found && i + 1 < l->n) continue;
        segment_ref(s);
        r->s = s;
        r->at = found ? at : readable;
        status = PLOG_READ_OK;
        break;
    }
    segment_list_release(l);
    return status;
}

/*
 * At the end of a segment that has a successor: goes there. The successor of one that retention or compaction has
 * taken out of the list is the one that now holds the offset; r->s is NULL when the position in it must be looked up.
 */
static bool step_over(plog_reader *r)
{
    segment_list *l = plog_list(r->log);
    segment *next = NULL;
    for (int i = 0; i + 1 < l->n; i++) {
        if (l->s[i] == r->s) next = l->s[i + 1];
    }
    bool listed = next || (l->n > 0 && l->s[l->n - 1] == r->s);
    if (next) segment_ref(next);
    if (next || !listed) {
        segment_unref(r->s);
        r->s = next;
        r->at = 0;
    }
    segment_list_release(l);
    return next || !listed;
}

/* Reads up to n bytes at the position into the buffer. */
static plog_read_status load(plog_reader *r, size_t n, bool may_block, diag *d)
{
    file *f;
    if (!segment_file_pin(r->s->log, false, &f, d)) return fail_by(r, d);
    char *to = buf_reserve(&r->bytes, n + BATCH_PADDING);
    size_t got = 0;
    bool ok = true, wait = false;
    if (may_block) {
        ok = file_read(f, r->at, to, n, &got, d);
    } else {
        file_read_status status = file_read_nowait(f, r->at, to, n, &got, d);
        ok = status != FILE_READ_ERROR;
        wait = status == FILE_READ_WAIT;
    }
    segment_file_unpin(r->s->log);
    if (!ok) return fail_by(r, d);
    if (wait) return PLOG_READ_WAIT;
    r->bytes.len = got;
    return PLOG_READ_OK;
}

/*
 * Takes the whole, checked batches at the front of the buffer; *need is the size of a first batch that is cut. Stops at
 * the limit.
 */
static bool take(plog_reader *r, int64_t limit, size_t *taken, size_t *need, diag *d)
{
    const char *p = r->bytes.data;
    size_t left = r->bytes.len;
    *taken = *need = 0;
    while (left >= BATCH_HEADER) {
        batch_header h;
        batch_header_read(p, &h);
        if (h.length >= BATCH_HEADER - BATCH_PREFIX && h.base_offset >= limit) break;
        bool cut = h.length >= BATCH_HEADER - BATCH_PREFIX && (uint64_t)batch_size(&h) > left;
        if (cut && (uint64_t)batch_size(&h) <= segment_readable(r->s) - r->at - *taken) {
            *need = (size_t)batch_size(&h);
            break;
        }
        diag own = {0};
        bool good = batch_verify(p, left, &h, &own);
        /*
         * The CRC does not cover the base offset: one that leads back, or beyond the end, would lead the reader
         * astray.
         */
        if (good && (batch_last_offset(&h) < r->next || batch_last_offset(&h) >= plog_end(r->log)))
            good = diag_set(&own, DIAG_CORRUPT, "offset %lld where %lld should be", (long long)batch_last_offset(&h),
                            (long long)r->next);
        if (!good) {
            if (*taken > 0) break; /* the next call meets it first */
            return diag_set(d, DIAG_CORRUPT, "%s, byte %llu: %.200s", segment_file_path(r->s->log),
                            (unsigned long long)r->at, own.text);
        }
        size_t n = (size_t)batch_size(&h);
        p += n;
        left -= n;
        *taken += n;
        r->next = batch_last_offset(&h) + 1;
    }
    return true;
}

static plog_read_status read_here(plog_reader *r, int64_t limit, size_t max_bytes, bool may_block, const uint8_t **data,
                                  size_t *n, diag *d)
{
    size_t want = max_bytes < BATCH_HEADER ? BATCH_HEADER : max_bytes;
    for (;;) {
        uint64_t there = segment_readable(r->s) - r->at;
        if (there == 0) {
            if (segment_readable(r->s) >= atomic_load(&r->s->size)) return PLOG_READ_END;
            diag_set(d, DIAG_CORRUPT, "%s: the offset %lld is in a corrupt part", segment_file_path(r->s->log),
                     (long long)r->next);
            return fail(r, KAFKA_CORRUPT_MESSAGE);
        }
        if (want > there) want = (size_t)there;
        buf_clear(&r->bytes);
        plog_read_status status = load(r, want, may_block, d);
        if (status != PLOG_READ_OK) return status;
        size_t taken, need;
        if (!take(r, limit, &taken, &need, d)) return fail_by(r, d);
        if (taken > 0) {
            memset(r->bytes.data + taken, 0, BATCH_PADDING);
            r->at += taken;
            *data = (const uint8_t *)r->bytes.data;
            *n = taken;
            return PLOG_READ_OK;
        }
        if (r->bytes.len < want && !may_block) return PLOG_READ_WAIT;
        if (need <= want) return PLOG_READ_END;
        want = need;
    }
}

static plog_read_status read_on(plog_reader *r, plog_isolation isolation, size_t max_bytes, bool may_block,
                                const uint8_t **data, size_t *n, diag *d)
{
    plog *log = r->log;
    if (plog_failed(log)) {
        diag_set(d, DIAG_IO, "%s cannot be used until a restart has recovered it: a write or sync has failed",
                 log->folder);
        return fail(r, KAFKA_KAFKA_STORAGE_ERROR);
    }
    int64_t limit = plog_limit(log, isolation);
    if (r->next < plog_start(log) || r->next > plog_end(log)) {
        diag_set(d, DIAG_NOT_FOUND, "%s holds the offsets %lld to %lld and not %lld", log->folder,
                 (long long)plog_start(log), (long long)plog_end(log), (long long)r->next);
        return fail(r, KAFKA_OFFSET_OUT_OF_RANGE);
    }
    if (r->next >= limit) return PLOG_READ_END;
    if (!r->s) {
        /* Looking up may touch cold index pages. */
        if (!may_block) return PLOG_READ_WAIT;
        plog_read_status status = find(r, d);
        if (status != PLOG_READ_OK) return status;
    }
    for (;;) {
        plog_read_status status = read_here(r, limit, max_bytes, may_block, data, n, d);
        if (status != PLOG_READ_END || !step_over(r)) return status;
        if (r->s) continue;
        if (!may_block) return PLOG_READ_WAIT;
        status = find(r, d);
        if (status != PLOG_READ_OK) return status;
    }
}

plog_read_status plog_read(plog_reader *r, plog_isolation isolation, size_t max_bytes, bool may_block,
                           const uint8_t **data, size_t *n, diag *d)
{
    *n = 0;
    plog_read_status status = read_on(r, isolation, max_bytes, may_block, data, n, d);
    if (status != PLOG_READ_END || !atomic_load(&r->log->deleted)) return status;
    /* What a reader holds it reads to its end; then it must not wait for more. */
    diag_set(d, DIAG_NOT_FOUND, "%s was deleted", r->log->folder);
    return fail(r, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

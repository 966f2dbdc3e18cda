/*
 * The small files beside the segments: weir.checkpoint, leader-epoch-checkpoint and the producer snapshots.
 *
 * weir.checkpoint has two places, each in a sector of its own, written in turn: a torn write spoils the one being
 * written and leaves the other. Both only state what was true when they were written, so an older one is merely less.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "broker/plog_int.h"

enum { PLACE_BYTES = 512, PLACE_USED = 64, PLACES = 2, POINT_HAS_SNAPSHOT = 1, SMALL_FILE_MAX = 64 << 20 };
static const uint32_t POINT_MAGIC = 0x57435031; /* "WCP1" */

static bool place_read(const uint8_t *p, plog_point *out, uint64_t *turn)
{
    if (load_be32(p) != POINT_MAGIC || load_be32(p + PLACE_USED - 4) != hash_crc32c(p, PLACE_USED - 4)) return false;
    *turn = load_be64(p + 4);
    out->recovery = (int64_t)load_be64(p + 12);
    out->index_point = (int64_t)load_be64(p + 20);
    out->index_base = (int64_t)load_be64(p + 28);
    out->index_position = (int64_t)load_be64(p + 36);
    out->log_start = (int64_t)load_be64(p + 44);
    out->has_snapshot = (load_be32(p + 52) & POINT_HAS_SNAPSHOT) != 0;
    const int64_t offsets[] = {out->recovery, out->index_point, out->index_base, out->log_start};
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++)
        if (offsets[i] < 0 || offsets[i] > SEGMENT_OFFSET_MAX) return false;
    return out->index_position >= 0 && out->index_base <= out->index_point;
}

bool plog_point_read(plog *log, plog_point *p)
{
    *p = (plog_point){0};
    diag d = {0};
    file *f;
    if (!segment_file_pin(log->point_file, false, &f, &d)) return false;
    uint8_t bytes[PLACE_BYTES * PLACES] = {0};
    size_t got;
    bool found = false;
    if (file_read(f, 0, bytes, sizeof bytes, &got, &d)) {
        for (int i = 0; i < PLACES; i++) {
            plog_point one;
            uint64_t turn;
            if (!place_read(bytes + i * PLACE_BYTES, &one, &turn) || (found && turn < log->point_turn)) continue;
            *p = one;
            log->point_turn = turn;
            found = true;
        }
    }
    segment_file_unpin(log->point_file);
    return found;
}

bool plog_point_write(plog *log, bool durable, diag *d)
{
    uint8_t p[PLACE_USED] = {0};
    uint64_t turn = log->point_turn + 1;
    store_be32(p, POINT_MAGIC);
    store_be64(p + 4, turn);
    store_be64(p + 12, (uint64_t)log->point.recovery);
    store_be64(p + 20, (uint64_t)log->point.index_point);
    store_be64(p + 28, (uint64_t)log->point.index_base);
    store_be64(p + 36, (uint64_t)log->point.index_position);
    store_be64(p + 44, (uint64_t)log->point.log_start);
    store_be32(p + 52, log->point.has_snapshot ? POINT_HAS_SNAPSHOT : 0);
    store_be32(p + PLACE_USED - 4, hash_crc32c(p, PLACE_USED - 4));
    file *f;
    /* Not pinned as "writing": the file need not stay open, as nothing hangs on its unsynced bytes. */
    if (!segment_file_pin(log->point_file, true, &f, d)) return false;
    bool ok = file_write(f, turn % PLACES * PLACE_BYTES, p, sizeof p, d);
    if (ok && durable) ok = file_sync(f, FILE_SYNC_DATA, d);
    segment_file_unpin(log->point_file);
    /* The file may be younger than the last sync of its folder, also when another process made it. */
    if (ok && durable && !log->point_named) ok = log->point_named = fs_sync_dir(log->fs, log->folder, d);
    if (ok) log->point_turn = turn;
    return ok;
}

/* Reads a small file whole; *missing when there is none. */
static bool read_small(plog *log, const char *name, buf *out, bool *missing, diag *d)
{
    char path[PATH_MAX];
    plog_path(log, path, sizeof path, name);
    file *f;
    diag own = {0};
    *missing = false;
    if (!fs_open(log->fs, path, FILE_READONLY, &f, &own)) {
        *missing = own.code == DIAG_NOT_FOUND;
        if (!*missing && !diag_is_set(d)) *d = own;
        return false;
    }
    uint64_t size = 0;
    bool ok = file_size(f, &size, d);
    if (ok && size > SMALL_FILE_MAX)
        ok = diag_set(d, DIAG_CORRUPT, "%s has %llu bytes", path, (unsigned long long)size);
    if (ok) {
        size_t got;
        ok = file_read(f, 0, buf_reserve(out, (size_t)size + 1), (size_t)size, &got, d);
        out->len = ok ? got : 0;
    }
    file_close(f);
    return ok;
}

/* Puts new contents in place of a small file: written aside, synced, renamed. The folder is synced by the caller. */
static bool replace_small(plog *log, const char *name, const buf *bytes, const char *site, diag *d)
{
    char path[PATH_MAX], aside[PATH_MAX];
    plog_path(log, path, sizeof path, name);
    plog_path(log, aside, sizeof aside, "weir.tmp");
    file *f;
    if (!fs_open(log->fs, aside, FILE_CREATE, &f, d)) return false;
    bool ok = file_truncate(f, 0, d) && file_write(f, 0, bytes->data, bytes->len, d);
    if (ok) ok = file_sync_at(f, FILE_SYNC_DATA, site, d);
    file_close(f);
    return ok && fs_rename(log->fs, aside, path, d);
}

/* Kafka's checkpoint file: a version, the number of lines, "epoch start" lines. */
bool plog_epochs_read(plog *log, diag *d)
{
    buf text = {0};
    bool missing;
    bool ok = read_small(log, "leader-epoch-checkpoint", &text, &missing, d);
    buf_clear(&log->epochs);
    str rest = buf_str(&text);
    int64_t version = -1, count = -1;
    for (int line = 0; ok && rest.n > 0; line++) {
        ptrdiff_t end = str_find(rest, STR("\n"), 0);
        str one = str_trim(str_of(rest.p, end < 0 ? rest.n : (size_t)end));
        rest = end < 0 ? (str){0} : str_of(rest.p + end + 1, rest.n - (size_t)end - 1);
        if (line == 0) {
            str_to_i64(one, &version);
        } else if (line == 1) {
            str_to_i64(one, &count);
        } else if (one.n > 0) {
            ptrdiff_t space = str_find(one, STR(" "), 0);
            int64_t epoch, start;
            if (space < 0 || !str_to_i64(str_of(one.p, (size_t)space), &epoch) ||
                !str_to_i64(str_of(one.p + space + 1, one.n - (size_t)space - 1), &start)) {
                version = -1;
                break;
            }
            plog_epoch e = {(int32_t)epoch, start};
            buf_add(&log->epochs, &e, sizeof e);
        }
    }
    if (ok && (version != 0 || count != (int64_t)(log->epochs.len / sizeof(plog_epoch)))) {
        buf_clear(&log->epochs);
        ok = diag_set(d, DIAG_CORRUPT, "%s/leader-epoch-checkpoint is malformed", log->folder);
    }
    buf_free(&text);
    return ok || missing;
}

bool plog_epochs_write(plog *log, const plog_epoch *e, size_t n, diag *d)
{
    buf text = {0};
    buf_printf(&text, "0\n%zu\n", n);
    for (size_t i = 0; i < n; i++) buf_printf(&text, "%d %lld\n", e[i].epoch, (long long)e[i].start);
    bool ok = replace_small(log, "leader-epoch-checkpoint", &text, FILE_SITE, d);
    buf_free(&text);
    return ok;
}

bool plog_snapshot_read(plog *log, int64_t offset, int64_t now_ms, diag *d)
{
    char name[48];
    snprintf(name, sizeof name, "%020lld.snapshot", (long long)offset);
    buf bytes = {0};
    bool missing;
    bool ok = read_small(log, name, &bytes, &missing, d);
    if (missing) diag_set(d, DIAG_NOT_FOUND, "%s/%s is missing", log->folder, name);
    ok = ok && producer_state_load(&log->producers, bytes.data, bytes.len, now_ms, d);
    buf_free(&bytes);
    return ok;
}

/*
 * Synced, although the log could be walked instead: once retention has removed the beginning of an open transaction,
 * only the snapshot knows of it.
 */
bool plog_snapshot_write(plog *log, int64_t offset, const buf *bytes, diag *d)
{
    char name[48];
    snprintf(name, sizeof name, "%020lld.snapshot", (long long)offset);
    return replace_small(log, name, bytes, FILE_SITE, d);
}

void plog_snapshots_prune(plog *log, int64_t newest)
{
    diag d = {0};
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    char path[PATH_MAX];
    int64_t kept = -1;
    if (!fs_list(log->fs, log->folder, a, &entries, &count, &d)) count = 0;
    for (size_t i = count; i-- > 0;) {
        str name = entries[i].name;
        int64_t offset;
        if (!str_ends(name, STR(".snapshot")) || !str_to_i64(str_of(name.p, name.n - 9), &offset)) continue;
        if (offset == newest) continue;
        if (offset < newest && kept < 0) {
            kept = offset;
            continue;
        }
        plog_path(log, path, sizeof path, name.p);
        fs_unlink(log->fs, path, &d);
    }
    arena_free(a);
}

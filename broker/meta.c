#include "broker/meta.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "broker/group_config.h"

struct meta_log {
    file *f;
    char *path;
    uint64_t end;
    bool failed;
};

/* Kinds of record; the numbers are on disk. */
enum {
    META_CLUSTER = 1,
    META_EPOCH = 2,
    META_TOPIC = 3,
    META_TOPIC_DELETED = 4,
    META_PARTITIONS = 5,
    META_TOPIC_CONFIGS = 6,
    META_BROKER_CONFIGS = 7,
    META_PRODUCERS = 8,
    META_INTERNAL = 9,
    META_SCRAM = 10,
    META_QUOTAS = 11,
    META_ACLS = 12,
    META_GROUP_CONFIGS = 13,
};

enum { META_FRAME = 8, META_RECORD_MAX = 16 << 20, META_REWRITE_BYTES = 1 << 20 };

/* ---- writing ------------------------------------------------------------------------------------------- */

static size_t frame_begin(buf *out, uint8_t kind)
{
    size_t at = out->len;
    write_i32(out, 0);
    write_i32(out, 0);
    write_u8(out, kind);
    return at;
}

static void frame_end(buf *out, size_t at)
{
    size_t n = out->len - at - META_FRAME;
    store_be32(out->data + at, (uint32_t)n);
    store_be32(out->data + at + 4, hash_crc32c(out->data + at + META_FRAME, n));
}

static void put_text(buf *out, str s)
{
    write_i32(out, (int32_t)s.n);
    buf_add_str(out, s);
}

static void put_configs(buf *out, const config_set *configs)
{
    write_i32(out, (int32_t)configs->len);
    for (size_t i = 0; i < configs->len; i++) {
        put_text(out, str_z(configs->entries[i].def->name));
        put_text(out, str_z(configs->entries[i].value));
    }
}

static void put_topic(buf *out, const topic *t, int32_t partitions)
{
    size_t at = frame_begin(out, META_TOPIC);
    buf_add(out, t->id, 16);
    put_text(out, str_z(t->name));
    write_i32(out, partitions);
    write_u8(out, t->internal);
    put_configs(out, &t->configs);
    frame_end(out, at);
}

static void put_number(buf *out, uint8_t kind, int64_t number)
{
    size_t at = frame_begin(out, kind);
    write_i64(out, number);
    frame_end(out, at);
}

static void put_broker_configs(buf *out, bool defaults, const config_set *configs)
{
    size_t at = frame_begin(out, META_BROKER_CONFIGS);
    write_u8(out, defaults);
    put_configs(out, configs);
    frame_end(out, at);
}

static void put_group_configs(buf *out, str group, const config_set *configs)
{
    size_t at = frame_begin(out, META_GROUP_CONFIGS);
    put_text(out, group);
    put_configs(out, configs);
    frame_end(out, at);
}

static void put_epoch(buf *out, int32_t epoch, bool clean)
{
    size_t at = frame_begin(out, META_EPOCH);
    write_i32(out, epoch);
    write_u8(out, clean);
    frame_end(out, at);
}

static void put_scram(buf *out, str user, scram_mechanism m, const scram_credential *c)
{
    size_t at = frame_begin(out, META_SCRAM);
    put_text(out, user);
    write_u8(out, (uint8_t)m);
    write_u8(out, c != NULL);
    if (c) {
        write_i32(out, c->iterations);
        put_text(out, str_of((const char *)c->salt, c->salt_len));
        buf_add(out, c->stored_key, scram_key_size(m));
        buf_add(out, c->server_key, scram_key_size(m));
    }
    frame_end(out, at);
}

/* Entries that come or go together. */
static void put_acls(buf *out, const acl *list, size_t n, bool there)
{
    size_t at = frame_begin(out, META_ACLS);
    write_u8(out, there);
    write_i32(out, (int32_t)n);
    for (size_t i = 0; i < n; i++) {
        const int8_t numbers[] = {list[i].resource, list[i].pattern, list[i].operation, list[i].permission};
        buf_add(out, numbers, sizeof numbers);
        put_text(out, list[i].name);
        put_text(out, list[i].principal);
        put_text(out, list[i].host);
    }
    frame_end(out, at);
}

static void put_cluster(buf *out, const char *id)
{
    size_t at = frame_begin(out, META_CLUSTER);
    put_text(out, str_z(id));
    frame_end(out, at);
}

/*
 * Appends and syncs. A write that failed half way is cut off again, for good before the next one: should power fail
 * during that, a longer one's rest after it would look like damage.
 */
static bool append(broker *b, buf *out, diag *d)
{
    meta_log *m = b->meta_log;
    bool ok = false;
    if (m->failed) {
        diag_set(d, DIAG_IO, "the metadata log failed before; restart after the disk is repaired");
    } else if (!file_write(m->f, m->end, out->data, out->len, d)) {
        diag ignored = {0};
        m->failed = !file_truncate(m->f, m->end, &ignored) || !file_sync(m->f, FILE_SYNC_ALL, &ignored);
    } else if (!file_sync(m->f, FILE_SYNC_DATA, d)) {
        m->failed = true;
    } else {
        m->end += out->len;
        ok = true;
    }
    buf_free(out);
    return ok;
}

int64_t meta_end(const broker *b)
{
    return (int64_t)b->meta_log->end;
}

bool meta_write_cluster(broker *b, diag *d)
{
    buf out = {0};
    put_cluster(&out, b->cluster_id);
    return append(b, &out, d);
}

bool meta_write_epoch(broker *b, int32_t epoch, bool clean, diag *d)
{
    buf out = {0};
    put_epoch(&out, epoch, clean);
    return append(b, &out, d);
}

bool meta_write_topic(broker *b, const topic *t, int32_t partitions, diag *d)
{
    buf out = {0};
    put_topic(&out, t, partitions);
    return append(b, &out, d);
}

bool meta_write_topic_deleted(broker *b, const topic *t, diag *d)
{
    buf out = {0};
    size_t at = frame_begin(&out, META_TOPIC_DELETED);
    buf_add(&out, t->id, 16);
    frame_end(&out, at);
    return append(b, &out, d);
}

bool meta_write_partitions(broker *b, const topic *t, int32_t partitions, diag *d)
{
    buf out = {0};
    size_t at = frame_begin(&out, META_PARTITIONS);
    buf_add(&out, t->id, 16);
    write_i32(&out, partitions);
    frame_end(&out, at);
    return append(b, &out, d);
}

bool meta_write_topic_configs(broker *b, const topic *t, const config_set *configs, diag *d)
{
    buf out = {0};
    size_t at = frame_begin(&out, META_TOPIC_CONFIGS);
    buf_add(&out, t->id, 16);
    put_configs(&out, configs);
    frame_end(&out, at);
    return append(b, &out, d);
}

bool meta_write_broker_configs(broker *b, bool defaults, const config_set *configs, diag *d)
{
    buf out = {0};
    put_broker_configs(&out, defaults, configs);
    return append(b, &out, d);
}

bool meta_write_group_configs(broker *b, str group, const config_set *configs, diag *d)
{
    buf out = {0};
    put_group_configs(&out, group, configs);
    return append(b, &out, d);
}

bool meta_write_producers(broker *b, int64_t next, diag *d)
{
    buf out = {0};
    put_number(&out, META_PRODUCERS, next);
    return append(b, &out, d);
}

bool meta_write_internal(broker *b, int64_t next, diag *d)
{
    buf out = {0};
    put_number(&out, META_INTERNAL, next);
    return append(b, &out, d);
}

bool meta_write_scram(broker *b, str user, scram_mechanism m, const scram_credential *c, diag *d)
{
    buf out = {0};
    put_scram(&out, user, m, c);
    return append(b, &out, d);
}

bool meta_write_quotas(broker *b, const quota_change *changes, size_t n, diag *d)
{
    buf out = {0};
    size_t at = frame_begin(&out, META_QUOTAS);
    quota_write(&out, changes, n);
    frame_end(&out, at);
    if (out.len <= META_RECORD_MAX) return append(b, &out, d);
    buf_free(&out);
    return diag_set(d, DIAG_LIMIT, "more changes of quotas than one record can hold");
}

bool meta_write_acls(broker *b, const acl *list, size_t n, bool there, diag *d)
{
    buf out = {0};
    put_acls(&out, list, n, there);
    if (out.len <= META_FRAME + META_RECORD_MAX) return append(b, &out, d);
    buf_free(&out);
    return diag_set(d, DIAG_LIMIT, "that many entries do not fit into one record of the metadata log");
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static str get_text(reader *r)
{
    int32_t n = read_i32(r);
    if (n < 0) r->failed = true;
    const uint8_t *p = r->failed ? NULL : read_bytes(r, (size_t)n);
    return str_of(p ? (const char *)p : "", p ? (size_t)n : 0);
}

/* A config that this version does not know, or would not take, is left out: its topic goes on with the default. */
static void get_configs(reader *r, const config_def *(*find)(str), config_set *out)
{
    config_set_free(out);
    int32_t n = read_i32(r);
    for (int32_t i = 0; i < n && !r->failed; i++) {
        str name = get_text(r);
        str value = get_text(r);
        const config_def *def = find(name);
        diag d = {0};
        if (r->failed) return;
        if (!def)
            log_warn("broker", "metadata: config %.*s is not known any more", STR_ARG(name));
        else if (memchr(value.p, 0, value.n) || !config_check(def, value, &d))
            log_warn("broker", "metadata: config %s is not legal any more: %s", def->name, d.text);
        else
            config_set_put(out, def, value);
    }
}

static void grow_partitions(broker *b, topic *t, int32_t count)
{
    t->partitions = realloc(t->partitions, (size_t)count * sizeof t->partitions[0]);
    check(t->partitions);
    for (int32_t i = t->partitions_len; i < count; i++) t->partitions[i] = partition_new(b, t, i);
    if (count > t->partitions_len) t->partitions_len = count;
}

static void drop_topic(broker *b, topic *t)
{
    map_remove(&b->topics_by_name, str_z(t->name));
    map_remove(&b->topics_by_id, str_of((const char *)t->id, 16));
    for (int32_t i = 0; i < t->partitions_len; i++) broker_partition_release(t->partitions[i]);
    t->partitions_len = 0;
    topic_unref(t);
}

static bool load_topic(broker *b, reader *r)
{
    const uint8_t *id = read_bytes(r, 16);
    str name = get_text(r);
    int32_t partitions = read_i32(r);
    bool internal = read_u8(r) != 0;
    if (r->failed || partitions <= 0 || partitions > 1000000 || !topic_name_ok(name)) return false;
    if (map_get(&b->topics_by_name, name) || map_get(&b->topics_by_id, str_of((const char *)id, 16))) return false;
    topic *t = topic_new(name, id);
    t->internal = internal;
    get_configs(r, config_topic_def, &t->configs);
    map_put(&b->topics_by_name, name, t);
    map_put(&b->topics_by_id, str_of((const char *)id, 16), t);
    grow_partitions(b, t, partitions);
    return !r->failed;
}

static bool load_group_configs(broker *b, reader *r)
{
    config_set set = {0};
    str group = get_text(r);
    if (!r->failed) get_configs(r, config_group_def, &set);
    if (!r->failed) group_configs_put(b, group, &set);
    config_set_free(&set);
    return !r->failed;
}

static bool load_topic_change(broker *b, uint8_t kind, reader *r)
{
    const uint8_t *id = read_bytes(r, 16);
    topic *t = id ? map_get(&b->topics_by_id, str_of((const char *)id, 16)) : NULL;
    if (!t) return false;
    if (kind == META_TOPIC_DELETED) {
        drop_topic(b, t);
    } else if (kind == META_TOPIC_CONFIGS) {
        get_configs(r, config_topic_def, &t->configs);
    } else {
        int32_t count = read_i32(r);
        if (r->failed || count < t->partitions_len || count > 1000000) return false;
        grow_partitions(b, t, count);
    }
    return !r->failed;
}

static bool load_scram(broker *b, reader *r)
{
    str user = get_text(r);
    uint8_t m = read_u8(r), there = read_u8(r);
    if (r->failed || (m != SCRAM_SHA_256 && m != SCRAM_SHA_512)) return false;
    scram_credential c = {0};
    if (there) {
        c.iterations = read_i32(r);
        str salt = get_text(r);
        const uint8_t *stored = read_bytes(r, scram_key_size((scram_mechanism)m));
        const uint8_t *server = read_bytes(r, scram_key_size((scram_mechanism)m));
        if (r->failed || salt.n > sizeof c.salt || c.iterations <= 0) return false;
        c.salt_len = salt.n;
        memcpy(c.salt, salt.p, salt.n);
        memcpy(c.stored_key, stored, scram_key_size((scram_mechanism)m));
        memcpy(c.server_key, server, scram_key_size((scram_mechanism)m));
    }
    auth_set_credential(b, user, (scram_mechanism)m, there ? &c : NULL);
    return true;
}

static bool load_acls(broker *b, reader *r)
{
    bool there = read_u8(r) != 0;
    int32_t n = read_i32(r);
    for (int32_t i = 0; i < n && !r->failed; i++) {
        acl x = {0};
        x.resource = read_i8(r);
        x.pattern = read_i8(r);
        x.operation = read_i8(r);
        x.permission = read_i8(r);
        x.name = get_text(r);
        x.principal = get_text(r);
        x.host = get_text(r);
        if (r->failed || !acl_is_concrete(&x)) return false;
        if (there)
            acls_add(b->acls, &x);
        else
            acls_remove(b->acls, &x);
    }
    return !r->failed && n >= 0;
}

static bool load_record(broker *b, reader *r, bool *clean)
{
    uint8_t kind = read_u8(r);
    bool defaults;
    str id;
    switch (kind) {
    case META_CLUSTER:
        id = get_text(r);
        if (r->failed || id.n >= sizeof b->cluster_id) return false;
        memcpy(b->cluster_id, id.p, id.n);
        b->cluster_id[id.n] = '\0';
        return true;
    case META_EPOCH:
        b->leader_epoch = read_i32(r);
        *clean = read_u8(r) != 0;
        return !r->failed && b->leader_epoch >= 0 && b->leader_epoch < INT32_MAX;
    case META_SCRAM: return load_scram(b, r);
    case META_QUOTAS: return quota_read(b, r);
    case META_ACLS: return load_acls(b, r);
    case META_TOPIC: return load_topic(b, r);
    case META_TOPIC_DELETED:
    case META_PARTITIONS:
    case META_TOPIC_CONFIGS: return load_topic_change(b, kind, r);
    case META_BROKER_CONFIGS:
        defaults = read_u8(r) != 0;
        get_configs(r, config_broker_def, defaults ? &b->fallback : &b->dynamic);
        return !r->failed;
    case META_GROUP_CONFIGS: return load_group_configs(b, r);
    case META_PRODUCERS:
        b->producer_next = b->producer_end = read_i64(r);
        return !r->failed && b->producer_end >= 0 && b->producer_end <= BROKER_INTERNAL_PRODUCER_FIRST;
    case META_INTERNAL:
        b->internal_next = read_i64(r);
        return !r->failed && b->internal_next >= 0 && b->internal_next <= INT64_MAX / 2;
    default: return false;
    }
}

/* The size of the record whose whole frame begins there; 0: none does. */
static uint32_t frame_at(const uint8_t *p, size_t left)
{
    uint32_t size = left >= META_FRAME ? load_be32(p) : 0;
    if (size == 0 || size > META_RECORD_MAX || size > left - META_FRAME) return 0;
    return hash_crc32c(p + META_FRAME, size) == load_be32(p + 4) ? size : 0;
}

static bool holds_frame(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (frame_at(p + i, n - i)) return true;
    return false;
}

/*
 * Applies frame after frame. Only one record is ever unsynced, so what is wrong with nothing whole behind it is a torn
 * write, of which any part may be missing, its beginning too; anywhere else it is damage.
 */
static bool load_frames(broker *b, const uint8_t *p, size_t n, size_t *good, bool *clean, diag *d)
{
    size_t at = 0;
    while (at < n) {
        size_t left = n - at;
        uint32_t size = frame_at(p + at, left);
        if (size == 0) {
            if (holds_frame(p + at + 1, left - 1)) {
                return diag_set(d, DIAG_CORRUPT, "the metadata log %s is damaged at byte %zu", b->meta_log->path, at);
            }
            log_warn("broker", "cut a torn record of %zu bytes off %s", left, b->meta_log->path);
            break;
        }
        reader r = reader_of(p + at + META_FRAME, size);
        if (!load_record(b, &r, clean)) {
            return diag_set(d, DIAG_CORRUPT, "the metadata log %s holds a record at byte %zu that makes no sense",
                            b->meta_log->path, at);
        }
        at += META_FRAME + size;
    }
    *good = at;
    return true;
}

/* All that is current, as a log that begins anew. */
static void snapshot(broker *b, buf *out, bool clean)
{
    put_cluster(out, b->cluster_id);
    put_epoch(out, b->leader_epoch, clean);
    if (b->producer_end > 0) put_number(out, META_PRODUCERS, b->producer_end);
    if (b->internal_next > 0) put_number(out, META_INTERNAL, b->internal_next);
    if (b->dynamic.len) put_broker_configs(out, false, &b->dynamic);
    if (b->fallback.len) put_broker_configs(out, true, &b->fallback);
    str group;
    void *value;
    for (size_t it = 0; map_next(&b->group_configs, &it, &group, &value);) put_group_configs(out, group, value);
    const quota_limits *limits;
    for (size_t it = 0; quota_next(b, &it, &limits);) {
        size_t at = frame_begin(out, META_QUOTAS);
        quota_write_limits(out, limits);
        frame_end(out, at);
    }
    for (size_t it = 0; map_next(&b->topics_by_name, &it, NULL, &value);) {
        topic *t = value;
        put_topic(out, t, t->partitions_len);
    }
    for (size_t it = 0; map_next(&b->scram_users, &it, NULL, &value);) {
        const scram_user *u = value;
        for (int m = SCRAM_SHA_256; m <= SCRAM_SHA_512; m++)
            if (u->has[m]) put_scram(out, str_z(u->name), (scram_mechanism)m, &u->credentials[m]);
    }
    acl entry;
    for (acl_cursor at = {0}; acls_next(b->acls, NULL, &at, &entry);) put_acls(out, &entry, 1, true);
}

/* Writes the snapshot beside the log and puts it in the log's place; the old file is good until the rename is. */
static bool rewrite(broker *b, const char *folder, buf *out, diag *d)
{
    meta_log *m = b->meta_log;
    buf path = {0};
    buf_printf(&path, "%s.new", m->path);
    const char *fresh = buf_z(&path);
    file *f = NULL;
    bool ok = fs_open(b->fs, fresh, FILE_CREATE, &f, d) && file_truncate(f, 0, d) &&
              file_write(f, 0, out->data, out->len, d) && file_sync(f, FILE_SYNC_ALL, d) &&
              fs_rename(b->fs, fresh, m->path, d) && fs_sync_dir(b->fs, folder, d);
    buf_free(&path);
    if (!ok) {
        file_close(f);
        return false;
    }
    file_close(m->f);
    m->f = f;
    m->end = out->len;
    return true;
}

static bool load(broker *b, const char *folder, bool *clean, diag *d)
{
    meta_log *m = b->meta_log;
    uint64_t size;
    if (!file_size(m->f, &size, d)) return false;
    uint8_t *p = malloc(size + 1);
    check(p);
    size_t good = 0;
    bool ok = file_read_all(m->f, 0, p, size, d) && load_frames(b, p, size, &good, clean, d);
    free(p);
    if (!ok) return false;
    m->end = good;
    if (good < size && !(file_truncate(m->f, good, d) && file_sync(m->f, FILE_SYNC_ALL, d))) return false;
    if (good < META_REWRITE_BYTES) return true;
    buf out = {0};
    snapshot(b, &out, *clean);
    ok = out.len > good / 2 || rewrite(b, folder, &out, d);
    buf_free(&out);
    return ok;
}

bool meta_open(broker *b, bool *clean, diag *d)
{
    buf folder = {0};
    buf path = {0};
    buf_printf(&folder, "%s/broker", b->data_dir);
    buf_printf(&path, "%s/metadata.log", buf_z(&folder));
    meta_log *m = calloc(1, sizeof *m);
    check(m);
    b->meta_log = m;
    m->path = path.data ? strdup(buf_z(&path)) : NULL;
    check(m->path);
    *clean = true;
    bool ok = fs_mkdirs_at(b->fs, buf_z(&folder), "metadata folder", d);
    bool fresh = ok && !fs_exists(b->fs, m->path);
    ok = ok && fs_open(b->fs, m->path, FILE_CREATE, &m->f, d) && (!fresh || fs_sync_dir(b->fs, buf_z(&folder), d)) &&
         load(b, buf_z(&folder), clean, d);
    buf_free(&folder);
    buf_free(&path);
    return ok;
}

void meta_close(meta_log *m)
{
    if (!m) return;
    file_close(m->f);
    free(m->path);
    free(m);
}

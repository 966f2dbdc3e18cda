#include "base/file_sim.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file_sim_int.h"

/* One write in this many lets a page reach the disk unasked, as the kernel's flusher does. */
enum { UNASKED_WRITEBACK = 16 };

sim_node *sim_node_new(fs_sim *sim, bool is_dir)
{
    sim_node *node = calloc(1, sizeof *node);
    check(node != NULL);
    node->is_dir = is_dir;
    node->number = sim->node_count + 1;
    if (sim->node_count == sim->node_cap) {
        sim->node_cap = sim->node_cap ? sim->node_cap * 2 : 16;
        sim->nodes = realloc(sim->nodes, sim->node_cap * sizeof *sim->nodes);
        check(sim->nodes != NULL);
    }
    sim->nodes[sim->node_count++] = node;
    return node;
}

void sim_resize(buf *b, size_t n)
{
    if (n > b->len) memset(buf_reserve(b, n - b->len), 0, n - b->len);
    b->len = n;
}

int sim_count_call(fs_sim *sim, fs_sim_calls call)
{
    if (!(sim->fail_calls & (unsigned)call) || sim->fail_in == 0) return 0;
    if (--sim->fail_in > 0) return 0;
    sim->failed = true;
    if (sim->fail_sticky) sim->fail_in = 1;
    return sim->fail_error;
}

bool sim_site_ignored(fs_sim *sim, const char *site)
{
    const char **sites = (const char **)(void *)sim->sites.data;
    size_t count = sim->sites.len / sizeof *sites;
    bool known = false;
    for (size_t i = 0; i < count && !known; i++) known = strcmp(sites[i], site) == 0;
    if (!known) buf_add(&sim->sites, &site, sizeof site);
    return sim->ignored_site && strcmp(sim->ignored_site, site) == 0;
}

static int sim_open(fs *sys, const char *path, unsigned flags, file **out)
{
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_OPEN);
    char storage[PATH_MAX];
    const char *name;
    sim_node *dir = rc ? NULL : sim_find_parent(sim, path, storage, &name);
    if (!rc && !dir) rc = -ENOENT;
    sim_node *node = rc ? NULL : sim_names_get(&dir->names, name);
    if (!rc && node && node->is_dir) rc = -EISDIR;
    if (!rc && node && (flags & FILE_EXCLUSIVE)) rc = -EEXIST;
    if (!rc && !node && !(flags & FILE_CREATE)) rc = -ENOENT;
    if (!rc) {
        if (!node) {
            node = sim_node_new(sim, false);
            sim_names_set(&dir->names, name, node);
            sim_note_change(dir, NULL, name, node);
        }
        sim_file *f = calloc(1, sizeof *f);
        check(f != NULL);
        f->file.fs = sys;
        f->file.fd = -1;
        f->file.path = strdup(path);
        check(f->file.path != NULL);
        f->node = node;
        f->readonly = (flags & FILE_READONLY) != 0;
        sim->open_files++;
        *out = &f->file;
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

static void sim_close(file *f)
{
    fs_sim *sim = sim_of(f->fs);
    pthread_mutex_lock(&sim->mutex);
    sim_locks_drop(((sim_file *)f)->node, f);
    sim->open_files--;
    pthread_mutex_unlock(&sim->mutex);
    free(f->path);
    free(f);
}

static ssize_t sim_read(file *f, uint64_t at, void *p, size_t n)
{
    fs_sim *sim = sim_of(f->fs);
    pthread_mutex_lock(&sim->mutex);
    ssize_t rc = -sim_count_call(sim, FS_SIM_READ);
    const buf *bytes = &((sim_file *)f)->node->now;
    if (!rc && at < bytes->len) {
        size_t have = bytes->len - (size_t)at;
        if (n > have) n = have;
        memcpy(p, bytes->data + at, n);
        rc = (ssize_t)n;
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

static ssize_t sim_read_nowait(file *f, uint64_t at, void *p, size_t n)
{
    fs_sim *sim = sim_of(f->fs);
    pthread_mutex_lock(&sim->mutex);
    bool wait = sim->cold && sim->cold_turn++ % 2 == 0;
    pthread_mutex_unlock(&sim->mutex);
    return wait ? -EAGAIN : sim_read(f, at, p, n);
}

/* Lets one unsynced page reach the disk. */
static void write_back_one(fs_sim *sim, sim_node *node)
{
    if (node->dirty_from >= node->dirty_to) return;
    size_t page = (node->dirty_from + rng_below(&sim->random, node->dirty_to - node->dirty_from)) / SIM_PAGE * SIM_PAGE;
    if (page >= node->now.len) return;
    size_t end = page + SIM_PAGE < node->now.len ? page + SIM_PAGE : node->now.len;
    if (node->disk.len < end) sim_resize(&node->disk, end);
    memcpy(node->disk.data + page, node->now.data + page, end - page);
}

static void mark_dirty(sim_node *node, size_t from, size_t to)
{
    if (node->dirty_from >= node->dirty_to) {
        node->dirty_from = from;
        node->dirty_to = to;
        return;
    }
    if (from < node->dirty_from) node->dirty_from = from;
    if (to > node->dirty_to) node->dirty_to = to;
}

static void put_bytes(sim_node *node, size_t at, const struct iovec *pieces, int count, size_t n)
{
    if (node->now.len < at + n) sim_resize(&node->now, at + n);
    mark_dirty(node, at, at + n);
    for (int i = 0; i < count && n > 0; i++) {
        size_t step = pieces[i].iov_len < n ? pieces[i].iov_len : n;
        if (step > 0) memcpy(node->now.data + at, pieces[i].iov_base, step);
        at += step;
        n -= step;
    }
}

static ssize_t sim_write(file *f, uint64_t at, const struct iovec *pieces, int count)
{
    fs_sim *sim = sim_of(f->fs);
    sim_file *sf = (sim_file *)f;
    if (sf->readonly) return -EBADF;
    size_t n = 0;
    for (int i = 0; i < count; i++) n += pieces[i].iov_len;
    pthread_mutex_lock(&sim->mutex);
    int error = sim_count_call(sim, FS_SIM_WRITE);
    if (error) n /= 2;
    size_t grows = at + n > sf->node->now.len ? (size_t)at + n - sf->node->now.len : 0;
    if (grows > sim->free_bytes) {
        size_t lacking = grows - (size_t)sim->free_bytes;
        n = n > lacking ? n - lacking : 0;
        grows = (size_t)sim->free_bytes;
        if (n == 0 && !error) error = ENOSPC;
    }
    if (sim->free_bytes != UINT64_MAX) sim->free_bytes -= grows;
    if (n > 0) put_bytes(sf->node, (size_t)at, pieces, count, n);
    if (rng_below(&sim->random, UNASKED_WRITEBACK) == 0) write_back_one(sim, sf->node);
    pthread_mutex_unlock(&sim->mutex);
    return error ? -error : (ssize_t)n;
}

static int sim_truncate(file *f, uint64_t size)
{
    fs_sim *sim = sim_of(f->fs);
    sim_file *sf = (sim_file *)f;
    if (sf->readonly) return -EBADF;
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_TRUNCATE);
    if (!rc) {
        buf *now = &sf->node->now;
        mark_dirty(sf->node, size < now->len ? (size_t)size : now->len, size > now->len ? (size_t)size : now->len);
        sim_resize(now, (size_t)size);
    }
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

static int sim_size(file *f, uint64_t *size)
{
    fs_sim *sim = sim_of(f->fs);
    pthread_mutex_lock(&sim->mutex);
    *size = ((sim_file *)f)->node->now.len;
    pthread_mutex_unlock(&sim->mutex);
    return 0;
}

/*
 * After a failed sync the pages count as clean although the disk never got them, as Linux does it: a second try would
 * succeed and bring nothing over.
 */
static int sim_sync(file *f, file_sync_kind kind, const char *site)
{
    (void)kind;
    fs_sim *sim = sim_of(f->fs);
    sim_node *node = ((sim_file *)f)->node;
    pthread_mutex_lock(&sim->mutex);
    int rc = -sim_count_call(sim, FS_SIM_SYNC);
    bool ignored = sim_site_ignored(sim, site);
    if (!rc && !ignored) {
        sim_resize(&node->disk, node->now.len);
        size_t to = node->dirty_to < node->now.len ? node->dirty_to : node->now.len;
        if (node->dirty_from < to) {
            memcpy(node->disk.data + node->dirty_from, node->now.data + node->dirty_from, to - node->dirty_from);
        }
        sim->syncs++;
    }
    if (!ignored && !(rc && sim->dying)) node->dirty_from = node->dirty_to = 0;
    pthread_mutex_unlock(&sim->mutex);
    return rc;
}

static int sim_identity(file *f, uint64_t identity[2])
{
    identity[0] = (uint64_t)(uintptr_t)f->fs;
    identity[1] = ((sim_file *)f)->node->number;
    return 0;
}

static uint64_t sim_free_bytes(fs *sys, const char *path)
{
    (void)path;
    fs_sim *sim = sim_of(sys);
    pthread_mutex_lock(&sim->mutex);
    uint64_t n = sim->free_bytes;
    pthread_mutex_unlock(&sim->mutex);
    return n;
}

static const fs_ops sim_ops = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .read_nowait = sim_read_nowait,
    .write = sim_write,
    .truncate = sim_truncate,
    .size = sim_size,
    .sync = sim_sync,
    .lock = sim_lock_whole,
    .lock_range = sim_lock_range,
    .lock_test = sim_lock_test,
    .map = sim_map_region,
    .unmap = sim_unmap_region,
    .identity = sim_identity,
    .sync_dir = sim_sync_dir,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .rmdir = sim_rmdir,
    .mkdir = sim_mkdir,
    .list = sim_list,
    .exists = sim_exists,
    .free_bytes = sim_free_bytes,
};

fs_sim *fs_sim_new(uint64_t seed)
{
    fs_sim *sim = calloc(1, sizeof *sim);
    check(sim != NULL);
    sim->fs.ops = &sim_ops;
    pthread_mutex_init(&sim->mutex, NULL);
    rng_seed(&sim->random, seed);
    sim->root = sim_node_new(sim, true);
    sim->free_bytes = UINT64_MAX;
    return sim;
}

static void names_free(sim_names *names)
{
    for (size_t i = 0; i < names->count; i++) free(names->items[i].name);
    free(names->items);
}

void fs_sim_free(fs_sim *sim)
{
    if (!sim) return;
    check(sim->open_files == 0);
    for (size_t i = 0; i < sim->node_count; i++) {
        sim_node *node = sim->nodes[i];
        buf_free(&node->now);
        buf_free(&node->disk);
        names_free(&node->names);
        names_free(&node->disk_names);
        sim_change *changes = (sim_change *)(void *)node->changes.data;
        for (size_t k = 0; k < node->changes.len / sizeof *changes; k++) {
            free(changes[k].removed);
            free(changes[k].set);
        }
        buf_free(&node->changes);
        buf_free(&node->locks);
        sim_map *maps = (sim_map *)(void *)node->maps.data;
        for (size_t k = 0; k < node->maps.len / sizeof *maps; k++) free(maps[k].p);
        buf_free(&node->maps);
        free(node);
    }
    free(sim->nodes);
    buf_free(&sim->sites);
    pthread_mutex_destroy(&sim->mutex);
    free(sim);
}

fs *fs_sim_fs(fs_sim *sim)
{
    return &sim->fs;
}

void fs_sim_fail(fs_sim *sim, unsigned calls, uint64_t n, int os_error, bool sticky)
{
    check(n == 0 || os_error > 0);
    pthread_mutex_lock(&sim->mutex);
    sim->fail_calls = calls;
    sim->fail_in = n;
    sim->fail_error = os_error;
    sim->fail_sticky = sticky;
    sim->dying = false;
    sim->failed = false;
    pthread_mutex_unlock(&sim->mutex);
}

void fs_sim_die(fs_sim *sim, uint64_t n)
{
    fs_sim_fail(sim, FS_SIM_ALL, n, EIO, true);
    pthread_mutex_lock(&sim->mutex);
    sim->dying = true;
    pthread_mutex_unlock(&sim->mutex);
}

bool fs_sim_failed(fs_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    bool failed = sim->failed;
    pthread_mutex_unlock(&sim->mutex);
    return failed;
}

size_t fs_sim_site_count(fs_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    size_t n = sim->sites.len / sizeof(const char *);
    pthread_mutex_unlock(&sim->mutex);
    return n;
}

const char *fs_sim_site(fs_sim *sim, size_t i)
{
    pthread_mutex_lock(&sim->mutex);
    check(i < sim->sites.len / sizeof(const char *));
    const char *site = ((const char **)(void *)sim->sites.data)[i];
    pthread_mutex_unlock(&sim->mutex);
    return site;
}

void fs_sim_ignore_site(fs_sim *sim, const char *site)
{
    pthread_mutex_lock(&sim->mutex);
    sim->ignored_site = site;
    pthread_mutex_unlock(&sim->mutex);
}

uint64_t fs_sim_sync_count(fs_sim *sim)
{
    pthread_mutex_lock(&sim->mutex);
    uint64_t n = sim->syncs;
    pthread_mutex_unlock(&sim->mutex);
    return n;
}

void fs_sim_cold(fs_sim *sim, bool cold)
{
    pthread_mutex_lock(&sim->mutex);
    sim->cold = cold;
    pthread_mutex_unlock(&sim->mutex);
}

bool fs_sim_corrupt(fs_sim *sim, const char *path, uint64_t at, uint8_t mask)
{
    pthread_mutex_lock(&sim->mutex);
    sim_node *node = sim_find(sim, path);
    bool found = node && !node->is_dir && at < node->now.len;
    if (found) {
        node->now.data[at] = (char)(node->now.data[at] ^ mask);
        if (at < node->disk.len) node->disk.data[at] = (char)(node->disk.data[at] ^ mask);
    }
    pthread_mutex_unlock(&sim->mutex);
    return found;
}

void fs_sim_set_free_bytes(fs_sim *sim, uint64_t bytes)
{
    pthread_mutex_lock(&sim->mutex);
    sim->free_bytes = bytes;
    pthread_mutex_unlock(&sim->mutex);
}

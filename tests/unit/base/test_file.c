/* The file layer, on the operating system and on its test twin: the same behaviours from both. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/file_sim.h"

/* A place to work in: a temporary folder of the system, or a folder of a new twin. */
typedef struct place {
    fs *fs;
    fs_sim *sim;
    char root[64];
    diag d;
} place;

static place place_open(bool sim)
{
    place p = {0};
    if (sim) {
        p.sim = fs_sim_new(1);
        p.fs = fs_sim_fs(p.sim);
        snprintf(p.root, sizeof p.root, "/work");
        ck_assert(fs_mkdirs(p.fs, p.root, &p.d));
    } else {
        p.fs = fs_real();
        snprintf(p.root, sizeof p.root, "/tmp/weir-test-file-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(p.root));
    }
    return p;
}

static void remove_tree(place *p, const char *path)
{
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    ck_assert(fs_list(p->fs, path, a, &entries, &count, &p->d));
    for (size_t i = 0; i < count; i++) {
        const char *child = arena_printf(a, "%s/%s", path, entries[i].name.p).p;
        if (entries[i].is_dir) {
            remove_tree(p, child);
        } else {
            ck_assert(fs_unlink(p->fs, child, &p->d));
        }
    }
    ck_assert(fs_rmdir(p->fs, path, &p->d));
    arena_free(a);
}

static void place_close(place *p)
{
    ck_assert_msg(!diag_is_set(&p->d), "%s", p->d.text);
    remove_tree(p, p->root);
    fs_sim_free(p->sim);
}

static const char *in(const place *p, const char *name)
{
    static char path[8][128];
    static int turn;
    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof path[turn], "%s/%s", p->root, name);
    return path[turn];
}

static void check_bytes(file *f, const char *expected)
{
    diag d = {0};
    char got[256];
    size_t n;
    ck_assert(file_read(f, 0, got, sizeof got, &n, &d));
    ck_assert_uint_eq(n, strlen(expected));
    ck_assert_int_eq(memcmp(got, expected, n), 0);
}

static void writes_and_reads(bool sim)
{
    place p = place_open(sim);
    file *f;
    ck_assert(fs_open(p.fs, in(&p, "a"), FILE_CREATE, &f, &p.d));
    struct iovec pieces[] = {{(void *)"one", 3}, {(void *)"", 0}, {(void *)"two", 3}};
    ck_assert(file_writev(f, 0, pieces, 3, &p.d));
    ck_assert(file_write(f, 8, "end", 3, &p.d));
    uint64_t size;
    ck_assert(file_size(f, &size, &p.d) && size == 11);
    char got[11];
    ck_assert(file_read_all(f, 0, got, 11, &p.d));
    ck_assert_int_eq(memcmp(got, "onetwo\0\0end", 11), 0);
    ck_assert(file_truncate(f, 3, &p.d));
    check_bytes(f, "one");
    diag beyond = {0};
    ck_assert(!file_read_all(f, 0, got, 4, &beyond));
    ck_assert_int_eq(beyond.code, DIAG_CORRUPT);
    ck_assert(file_sync(f, FILE_SYNC_DATA, &p.d) && file_sync(f, FILE_SYNC_ALL, &p.d));
    size_t n;
    ck_assert_int_eq(file_read_nowait(f, 1, got, 2, &n, &p.d), FILE_READ_DONE);
    ck_assert(n == 2 && memcmp(got, "ne", 2) == 0);
    ck_assert_int_eq(file_fd(f) >= 0, !sim);
    file_close(f);
    place_close(&p);
}

static void opens_as_told(bool sim)
{
    place p = place_open(sim);
    file *f;
    diag d = {0};
    ck_assert(!fs_open(p.fs, in(&p, "none"), 0, &f, &d));
    ck_assert_int_eq(d.code, DIAG_NOT_FOUND);
    ck_assert_int_eq(d.os_error, ENOENT);
    ck_assert(fs_open(p.fs, in(&p, "a"), FILE_CREATE | FILE_EXCLUSIVE, &f, &p.d));
    file_close(f);
    diag_clear(&d);
    ck_assert(!fs_open(p.fs, in(&p, "a"), FILE_CREATE | FILE_EXCLUSIVE, &f, &d));
    ck_assert_int_eq(d.code, DIAG_EXISTS);
    ck_assert(fs_open(p.fs, in(&p, "a"), FILE_READONLY, &f, &p.d));
    diag_clear(&d);
    ck_assert(!file_write(f, 0, "x", 1, &d));
    ck_assert_int_eq(d.os_error, EBADF);
    file_close(f);
    place_close(&p);
}

static void renames_lists_and_unlinks(bool sim)
{
    place p = place_open(sim);
    file *f;
    ck_assert(fs_mkdirs(p.fs, in(&p, "x/y/z"), &p.d));
    ck_assert(fs_mkdirs(p.fs, in(&p, "x/y/z"), &p.d));
    ck_assert(fs_open(p.fs, in(&p, "x/b"), FILE_CREATE, &f, &p.d));
    ck_assert(file_write(f, 0, "bee", 3, &p.d));
    file *old;
    ck_assert(fs_open(p.fs, in(&p, "x/a"), FILE_CREATE, &old, &p.d));
    ck_assert(file_write(old, 0, "old", 3, &p.d));
    ck_assert(fs_rename(p.fs, in(&p, "x/b"), in(&p, "x/a"), &p.d));
    ck_assert(fs_sync_dir(p.fs, in(&p, "x"), &p.d));
    arena *a = arena_new();
    fs_entry *entries;
    size_t count;
    ck_assert(fs_list(p.fs, in(&p, "x"), a, &entries, &count, &p.d));
    ck_assert_uint_eq(count, 2);
    ck_assert(str_eqz(entries[0].name, "a") && !entries[0].is_dir);
    ck_assert(str_eqz(entries[1].name, "y") && entries[1].is_dir);
    ck_assert(fs_unlink(p.fs, in(&p, "x/a"), &p.d));
    ck_assert(!fs_exists(p.fs, in(&p, "x/a")) && fs_exists(p.fs, in(&p, "x/y/z")));
    check_bytes(f, "bee");
    check_bytes(old, "old");
    diag d = {0};
    ck_assert(!fs_rmdir(p.fs, in(&p, "x/y"), &d));
    diag_clear(&d);
    ck_assert(!fs_unlink(p.fs, in(&p, "x/a"), &d));
    ck_assert_int_eq(d.code, DIAG_NOT_FOUND);
    file_close(f);
    file_close(old);
    arena_free(a);
    place_close(&p);
}

static void locks_belong_to_handles(bool sim)
{
    place p = place_open(sim);
    file *a, *b;
    ck_assert(fs_open(p.fs, in(&p, "l"), FILE_CREATE, &a, &p.d) && fs_open(p.fs, in(&p, "l"), 0, &b, &p.d));
    ck_assert(file_lock(a, &p.d));
    diag d = {0};
    ck_assert(!file_lock(b, &d));
    ck_assert_int_eq(d.code, DIAG_BUSY);
    bool got, held;
    ck_assert(file_lock_range(a, 10, 10, FILE_LOCK_SHARED, &got, &p.d) && got);
    ck_assert(file_lock_range(b, 10, 10, FILE_LOCK_SHARED, &got, &p.d) && got);
    ck_assert(file_lock_range(a, 15, 1, FILE_LOCK_EXCLUSIVE, &got, &p.d) && !got);
    ck_assert(file_lock_range(b, 12, 5, FILE_UNLOCK, &got, &p.d) && got);
    ck_assert(file_lock_range(a, 15, 1, FILE_LOCK_EXCLUSIVE, &got, &p.d) && got);
    ck_assert(file_lock_test(b, 15, 1, &held, &p.d) && held);
    ck_assert(file_lock_test(b, 25, 1, &held, &p.d) && !held);
    ck_assert(file_lock_range(b, 11, 1, FILE_LOCK_EXCLUSIVE, &got, &p.d) && !got);
    file_close(a);
    ck_assert(file_lock_range(b, 0, 100, FILE_LOCK_EXCLUSIVE, &got, &p.d) && got);
    ck_assert(file_lock(b, &p.d));
    uint64_t one[2], two[2];
    ck_assert(fs_open(p.fs, in(&p, "l"), 0, &a, &p.d));
    ck_assert(file_identity(a, one, &p.d) && file_identity(b, two, &p.d));
    ck_assert(one[0] == two[0] && one[1] == two[1]);
    file_close(a);
    file_close(b);
    place_close(&p);
}

static void maps_are_shared(bool sim)
{
    place p = place_open(sim);
    file *a, *b;
    ck_assert(fs_open(p.fs, in(&p, "m"), FILE_CREATE, &a, &p.d) && fs_open(p.fs, in(&p, "m"), 0, &b, &p.d));
    void *x, *y;
    ck_assert(file_map(a, 0, 32768, false, &x, &p.d));
    ck_assert_ptr_null(x);
    ck_assert(file_map(a, 0, 32768, true, &x, &p.d) && file_map(b, 0, 32768, true, &y, &p.d));
    memcpy((char *)x + 100, "shared", 6);
    ck_assert_int_eq(memcmp((char *)y + 100, "shared", 6), 0);
    file_unmap(a, x, 32768);
    file_unmap(b, y, 32768);
    char got[6];
    ck_assert(file_read_all(a, 100, got, 6, &p.d));
    ck_assert_int_eq(memcmp(got, "shared", 6), 0);
    file_close(a);
    file_close(b);
    place_close(&p);
}

#define BOTH(name)                                                                                                     \
    START_TEST(name##_on_the_system)                                                                                   \
    {                                                                                                                  \
        name(false);                                                                                                   \
    }                                                                                                                  \
    END_TEST                                                                                                           \
    START_TEST(name##_on_the_twin)                                                                                     \
    {                                                                                                                  \
        name(true);                                                                                                    \
    }                                                                                                                  \
    END_TEST

BOTH(writes_and_reads)
BOTH(opens_as_told)
BOTH(renames_lists_and_unlinks)
BOTH(locks_belong_to_handles)
BOTH(maps_are_shared)

START_TEST(a_full_system_disk_is_an_error_value)
{
    diag d = {0};
    file *f;
    if (!fs_exists(fs_real(), "/dev/full")) return;
    ck_assert(fs_open(fs_real(), "/dev/full", 0, &f, &d));
    ck_assert(!file_write(f, 0, "x", 1, &d));
    ck_assert_int_eq(d.os_error, ENOSPC);
    file_close(f);
}
END_TEST

UNIT_MAIN("base/file", writes_and_reads_on_the_system, writes_and_reads_on_the_twin, opens_as_told_on_the_system,
          opens_as_told_on_the_twin, renames_lists_and_unlinks_on_the_system, renames_lists_and_unlinks_on_the_twin,
          locks_belong_to_handles_on_the_system, locks_belong_to_handles_on_the_twin, maps_are_shared_on_the_system,
          maps_are_shared_on_the_twin, a_full_system_disk_is_an_error_value)

/* The test twin of the file layer: what fails, what survives a kill, what a power loss may leave. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/file_sim.h"

static file *open_file(fs_sim *sim, const char *path)
{
    diag d = {0};
    file *f;
    ck_assert_msg(fs_open(fs_sim_fs(sim), path, FILE_CREATE, &f, &d), "%s", d.text);
    return f;
}

static bool has_bytes(fs_sim *sim, const char *path, const char *expected)
{
    diag d = {0};
    file *f;
    if (!fs_open(fs_sim_fs(sim), path, 0, &f, &d)) return false;
    char got[64] = {0};
    size_t n;
    ck_assert(file_read(f, 0, got, sizeof got - 1, &n, &d));
    file_close(f);
    return n == strlen(expected) && memcmp(got, expected, n) == 0;
}

START_TEST(the_nth_call_fails_once_or_for_good)
{
    fs_sim *sim = fs_sim_new(1);
    diag d = {0};
    file *f = open_file(sim, "/a");
    fs_sim_fail(sim, FS_SIM_WRITE, 2, ENOSPC, false);
    ck_assert(file_write(f, 0, "abcd", 4, &d));
    ck_assert(!fs_sim_failed(sim));
    ck_assert(!file_write(f, 4, "efgh", 4, &d));
    ck_assert(fs_sim_failed(sim));
    ck_assert_int_eq(d.os_error, ENOSPC);
    ck_assert(has_bytes(sim, "/a", "abcdef"));
    diag_clear(&d);
    ck_assert(file_write(f, 4, "efgh", 4, &d));
    fs_sim_fail(sim, FS_SIM_ALL, 1, EIO, true);
    ck_assert(!file_write(f, 0, "x", 1, &d));
    diag_clear(&d);
    ck_assert(!file_write(f, 0, "x", 1, &d));
    fs_sim_fail(sim, 0, 0, 0, false);
    file_close(f);
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_failed_sync_is_remembered_and_its_bytes_are_lost)
{
    fs_sim *sim = fs_sim_new(1);
    diag d = {0};
    file *f = open_file(sim, "/a");
    ck_assert(fs_sync_dir(fs_sim_fs(sim), "/", &d));
    ck_assert(file_write(f, 0, "abcd", 4, &d));
    fs_sim_fail(sim, FS_SIM_SYNC, 1, EIO, false);
    ck_assert(!file_sync(f, FILE_SYNC_DATA, &d));
    ck_assert(file_sync_failed(f));
    diag_clear(&d);
    ck_assert(!file_sync(f, FILE_SYNC_DATA, &d));
    ck_assert_int_eq(d.os_error, EIO);
    diag_clear(&d);
    file *again = open_file(sim, "/a");
    ck_assert(file_sync(again, FILE_SYNC_DATA, &d));
    int lost = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        fs_sim *after = fs_sim_power_loss(sim, seed);
        lost += !has_bytes(after, "/a", "abcd");
        fs_sim_free(after);
    }
    ck_assert_int_gt(lost, 0);
    file_close(f);
    file_close(again);
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_kill_keeps_everything_and_drops_locks)
{
    fs_sim *sim = fs_sim_new(1);
    diag d = {0};
    file *f = open_file(sim, "/a");
    ck_assert(file_write(f, 0, "abcd", 4, &d) && file_lock(f, &d));
    fs_sim *after = fs_sim_process_kill(sim);
    ck_assert(has_bytes(after, "/a", "abcd"));
    file *g = open_file(after, "/a");
    ck_assert(file_lock(g, &d));
    file_close(g);
    fs_sim *later = fs_sim_power_loss(after, 3);
    fs_sim_free(later);
    fs_sim_free(after);
    file_close(f);
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_power_loss_keeps_what_was_synced_and_any_part_of_the_rest)
{
    fs_sim *sim = fs_sim_new(7);
    fs *sys = fs_sim_fs(sim);
    diag d = {0};
    ck_assert(fs_mkdirs(sys, "/d", &d));
    file *f = open_file(sim, "/d/kept");
    ck_assert(file_write(f, 0, "kept", 4, &d) && file_sync(f, FILE_SYNC_DATA, &d) && fs_sync_dir(sys, "/d", &d));
    file *g = open_file(sim, "/d/new");
    ck_assert(file_write(g, 0, "new", 3, &d) && file_sync(g, FILE_SYNC_DATA, &d));
    ck_assert(file_write(f, 4, "+more", 5, &d));
    int with_new = 0, with_more = 0, grown_without = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        fs_sim *after = fs_sim_power_loss(sim, seed);
        bool old = has_bytes(after, "/d/kept", "kept"), more = has_bytes(after, "/d/kept", "kept+more");
        char got[16] = {0};
        file *k = open_file(after, "/d/kept");
        size_t n;
        ck_assert(file_read(k, 0, got, sizeof got, &n, &d));
        ck_assert_uint_ge(n, 4);
        ck_assert_int_eq(memcmp(got, "kept", 4), 0);
        file_close(k);
        with_more += more;
        grown_without += !more && !old;
        if (fs_exists(fs_sim_fs(after), "/d/new")) {
            with_new++;
            ck_assert(has_bytes(after, "/d/new", "new"));
        }
        fs_sim_free(after);
    }
    ck_assert_int_gt(with_new, 20);
    ck_assert_int_lt(with_new, 180);
    ck_assert_int_gt(with_more, 10);
    ck_assert_int_gt(grown_without, 10);
    file_close(f);
    file_close(g);
    fs_sim_free(sim);
}
END_TEST

START_TEST(pages_are_lost_one_by_one_and_torn_by_sectors)
{
    fs_sim *sim = fs_sim_new(7);
    diag d = {0};
    file *f = open_file(sim, "/a");
    char page[4 * 4096];
    memset(page, 'o', sizeof page);
    ck_assert(file_write(f, 0, page, sizeof page, &d) && file_sync(f, FILE_SYNC_DATA, &d));
    ck_assert(fs_sync_dir(fs_sim_fs(sim), "/", &d));
    memset(page, 'n', sizeof page);
    ck_assert(file_write(f, 0, page, sizeof page, &d));
    int mixed = 0, torn = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        fs_sim *after = fs_sim_power_loss(sim, seed);
        file *g = open_file(after, "/a");
        ck_assert(file_read_all(g, 0, page, sizeof page, &d));
        file_close(g);
        int fresh = 0;
        for (size_t at = 0; at < sizeof page; at += 4096) {
            int sectors = 0;
            for (size_t s = at; s < at + 4096; s += 512) sectors += page[s] == 'n';
            torn += sectors > 0 && sectors < 8;
            fresh += sectors == 8;
        }
        mixed += fresh > 0 && fresh < 4;
        fs_sim_free(after);
    }
    ck_assert_int_gt(mixed, 50);
    ck_assert_int_gt(torn, 50);
    file_close(f);
    fs_sim_free(sim);
}
END_TEST

START_TEST(an_unsynced_rename_leaves_the_old_or_the_new_file)
{
    fs_sim *sim = fs_sim_new(7);
    fs *sys = fs_sim_fs(sim);
    diag d = {0};
    file *a = open_file(sim, "/a"), *b = open_file(sim, "/b");
    ck_assert(file_write(a, 0, "old", 3, &d) && file_sync(a, FILE_SYNC_DATA, &d));
    ck_assert(file_write(b, 0, "new", 3, &d) && file_sync(b, FILE_SYNC_DATA, &d));
    ck_assert(fs_sync_dir(sys, "/", &d) && fs_rename(sys, "/b", "/a", &d));
    int old = 0, new = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        fs_sim *after = fs_sim_power_loss(sim, seed);
        bool is_new = has_bytes(after, "/a", "new");
        ck_assert(is_new || has_bytes(after, "/a", "old"));
        ck_assert(is_new != fs_exists(fs_sim_fs(after), "/b"));
        new += is_new;
        old += !is_new;
        fs_sim_free(after);
    }
    ck_assert_int_gt(old, 10);
    ck_assert_int_gt(new, 10);
    file_close(a);
    file_close(b);
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_sync_that_is_ignored_reports_success_and_does_nothing)
{
    fs_sim *sim = fs_sim_new(7);
    diag d = {0};
    file *f = open_file(sim, "/a");
    ck_assert(fs_sync_dir(fs_sim_fs(sim), "/", &d));
    ck_assert(file_sync_at(f, FILE_SYNC_DATA, "one", &d) && file_sync_at(f, FILE_SYNC_DATA, "two", &d));
    ck_assert_uint_eq(fs_sim_site_count(sim), 3);
    ck_assert_str_eq(fs_sim_site(sim, 1), "one");
    ck_assert(file_write(f, 0, "abc", 3, &d));
    fs_sim_ignore_site(sim, "two");
    uint64_t before = fs_sim_sync_count(sim);
    ck_assert(file_sync_at(f, FILE_SYNC_DATA, "two", &d));
    ck_assert_uint_eq(fs_sim_sync_count(sim), before);
    int lost = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        fs_sim *after = fs_sim_power_loss(sim, seed);
        lost += !has_bytes(after, "/a", "abc");
        fs_sim_free(after);
    }
    ck_assert_int_gt(lost, 0);
    ck_assert(file_sync_at(f, FILE_SYNC_DATA, "one", &d));
    fs_sim *after = fs_sim_power_loss(sim, 9);
    ck_assert(has_bytes(after, "/a", "abc"));
    fs_sim_free(after);
    file_close(f);
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_full_disk_takes_what_fits)
{
    fs_sim *sim = fs_sim_new(7);
    diag d = {0};
    file *f = open_file(sim, "/a");
    fs_sim_set_free_bytes(sim, 5);
    ck_assert(!file_write(f, 0, "abcdefgh", 8, &d));
    ck_assert_int_eq(d.os_error, ENOSPC);
    ck_assert(has_bytes(sim, "/a", "abcde"));
    ck_assert_uint_eq(fs_free_bytes(fs_sim_fs(sim), "/"), 0);
    file_close(f);
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_cold_file_waits_every_other_time)
{
    fs_sim *sim = fs_sim_new(7);
    diag d = {0};
    char got[3];
    size_t n;
    file *f = open_file(sim, "/a");
    ck_assert(file_write(f, 0, "abc", 3, &d));
    fs_sim_cold(sim, true);
    ck_assert_int_eq(file_read_nowait(f, 0, got, 3, &n, &d), FILE_READ_WAIT);
    ck_assert_int_eq(file_read_nowait(f, 0, got, 3, &n, &d), FILE_READ_DONE);
    ck_assert(fs_sim_corrupt(sim, "/a", 1, 1));
    ck_assert(has_bytes(sim, "/a", "acc"));
    file_close(f);
    fs_sim_free(sim);
}
END_TEST

UNIT_MAIN("base/file_sim", the_nth_call_fails_once_or_for_good, a_failed_sync_is_remembered_and_its_bytes_are_lost,
          a_kill_keeps_everything_and_drops_locks, a_power_loss_keeps_what_was_synced_and_any_part_of_the_rest,
          pages_are_lost_one_by_one_and_torn_by_sectors, an_unsynced_rename_leaves_the_old_or_the_new_file,
          a_sync_that_is_ignored_reports_success_and_does_nothing, a_full_disk_takes_what_fits,
          a_cold_file_waits_every_other_time)

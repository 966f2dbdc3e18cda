/* SQLite on base/file: WAL with several connections, another program reading meanwhile, power loss, failing syncs. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_sim.h"
#include "state/vfs.h"

static sqlite3 *open_db(fs *sys, const char *path)
{
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    ck_assert_int_eq(sqlite3_open_v2(path, &db, flags, vfs_name(sys)), SQLITE_OK);
    char *message = NULL;
    ck_assert_msg(sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;", NULL,
                               NULL, &message) == SQLITE_OK,
                  "%s", message);
    return db;
}

static int run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    sqlite3_finalize(s);
    return n;
}

START_TEST(connections_of_one_process_see_snapshots_and_block_second_writers)
{
    fs_sim *sim = fs_sim_new(1);
    fs *sys = fs_sim_fs(sim);
    sqlite3 *writer = open_db(sys, "/q.db");
    ck_assert_int_eq(run(writer, "CREATE TABLE t(a); INSERT INTO t VALUES(1)"), SQLITE_OK);
    sqlite3 *reader = open_db(sys, "/q.db");
    ck_assert_int_eq(run(reader, "BEGIN"), SQLITE_OK);
    ck_assert_int_eq(number(reader, "SELECT count(*) FROM t"), 1);
    ck_assert_int_eq(run(writer, "BEGIN IMMEDIATE; INSERT INTO t VALUES(2)"), SQLITE_OK);
    sqlite3 *second = open_db(sys, "/q.db");
    ck_assert_int_eq(run(second, "BEGIN IMMEDIATE"), SQLITE_BUSY);
    sqlite3_close(second);
    ck_assert_int_eq(run(writer, "COMMIT"), SQLITE_OK);
    ck_assert_int_eq(number(reader, "SELECT count(*) FROM t"), 1);
    ck_assert_int_eq(run(reader, "COMMIT"), SQLITE_OK);
    ck_assert_int_eq(number(reader, "SELECT count(*) FROM t"), 2);
    sqlite3_close(reader);
    sqlite3_close(writer);
    vfs_forget(sys);
    fs_sim_free(sim);
}
END_TEST

START_TEST(sqlite3_reads_a_database_that_is_being_written)
{
    char folder[] = "/tmp/weir-vfs-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    char path[64], command[256];
    snprintf(path, sizeof path, "%s/q.db", folder);
    sqlite3 *db = open_db(fs_real(), path);
    ck_assert_int_eq(run(db, "CREATE TABLE t(a); INSERT INTO t VALUES(41)"), SQLITE_OK);
    ck_assert_int_eq(run(db, "BEGIN IMMEDIATE; UPDATE t SET a = 42"), SQLITE_OK);
    snprintf(command, sizeof command, "sqlite3 -readonly %s 'SELECT a FROM t'", path);
    for (int round = 0; round < 2; round++) {
        FILE *out = popen(command, "r");
        int got = 0;
        ck_assert_int_eq(fscanf(out, "%d", &got), 1);
        pclose(out);
        ck_assert_int_eq(got, 41 + round);
        if (round == 0) ck_assert_int_eq(run(db, "COMMIT"), SQLITE_OK);
    }
    sqlite3_close(db);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(WEXITSTATUS(pclose(popen(command, "r"))), 0);
}
END_TEST

/* Writes `rounds` transactions; after each commit that SQLite reported, *done tells how many. */
static void write_rounds(fs *sys, int rounds, int *done)
{
    sqlite3 *db = open_db(sys, "/q.db");
    run(db, "PRAGMA wal_autocheckpoint=4; CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, pad)");
    for (int i = 1; i <= rounds; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "BEGIN; INSERT INTO t VALUES(%d, zeroblob(3000)); UPDATE t SET pad = 'x%d'; COMMIT",
                 i, i);
        if (run(db, sql) != SQLITE_OK) break;
        *done = i;
    }
    sqlite3_close(db);
}

/* Whether the disk after some power loss holds a sound database with all acknowledged rounds. */
static bool survives(fs_sim *sim, uint64_t seed, int done)
{
    fs_sim *after = fs_sim_power_loss(sim, seed);
    fs *sys = fs_sim_fs(after);
    sqlite3 *db;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    bool ok = sqlite3_open_v2("/q.db", &db, flags, vfs_name(sys)) == SQLITE_OK;
    sqlite3_stmt *s = NULL;
    ok = ok && sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK &&
         sqlite3_step(s) == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(s, 0), "ok") == 0;
    sqlite3_finalize(s);
    s = NULL;
    ok = ok && sqlite3_prepare_v2(db, "SELECT count(*), count(DISTINCT pad) FROM t", -1, &s, NULL) == SQLITE_OK &&
         sqlite3_step(s) == SQLITE_ROW && sqlite3_column_int(s, 0) >= done && sqlite3_column_int(s, 1) <= 1;
    sqlite3_finalize(s);
    sqlite3_close(db);
    vfs_forget(sys);
    fs_sim_free(after);
    return ok;
}

START_TEST(acknowledged_transactions_survive_power_loss)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        fs_sim *sim = fs_sim_new(seed);
        int done = 0;
        write_rounds(fs_sim_fs(sim), 12, &done);
        ck_assert_int_eq(done, 12);
        for (uint64_t loss = 1; loss <= 4; loss++)
            ck_assert_msg(survives(sim, seed * 100 + loss, done), "seed %d", (int)seed);
        vfs_forget(fs_sim_fs(sim));
        fs_sim_free(sim);
    }
}
END_TEST

START_TEST(a_missing_wal_sync_is_noticed)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        fs_sim *sim = fs_sim_new(seed);
        fs_sim_ignore_site(sim, "sqlite wal");
        int done = 0;
        sqlite3 *keep = open_db(fs_sim_fs(sim), "/q.db"); /* keeps the last close from checkpointing */
        write_rounds(fs_sim_fs(sim), 12, &done);
        for (uint64_t loss = 1; loss <= 4; loss++) lost += !survives(sim, seed * 100 + loss, done);
        sqlite3_close(keep);
        vfs_forget(fs_sim_fs(sim));
        fs_sim_free(sim);
    }
    ck_assert_int_gt(lost, 0);
}
END_TEST

START_TEST(failed_calls_lose_nothing_that_was_acknowledged)
{
    for (uint64_t n = 1; n < 400; n++) {
        fs_sim *sim = fs_sim_new(n);
        sqlite3 *db = open_db(fs_sim_fs(sim), "/q.db");
        run(db, "CREATE TABLE t(k INTEGER PRIMARY KEY, pad)");
        sqlite3_close(db);
        fs_sim_fail(sim, FS_SIM_WRITE | FS_SIM_SYNC, n, n % 2 ? ENOSPC : EIO, false);
        int done = 0;
        sqlite3 *again;
        if (sqlite3_open_v2("/q.db", &again, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs_name(fs_sim_fs(sim))) ==
            SQLITE_OK) {
            for (int i = 1; i <= 4; i++) {
                char sql[128];
                snprintf(sql, sizeof sql, "BEGIN; INSERT INTO t VALUES(%d, 'x'); UPDATE t SET pad = 'x%d'; COMMIT", i,
                         i);
                if (run(again, sql) != SQLITE_OK) break;
                done = i;
            }
        }
        sqlite3_close(again);
        bool failed = fs_sim_failed(sim);
        fs_sim_fail(sim, 0, 0, 0, false);
        ck_assert_msg(survives(sim, n, done), "call %d", (int)n);
        vfs_forget(fs_sim_fs(sim));
        fs_sim_free(sim);
        if (!failed) return;
    }
    ck_abort_msg("the sweep did not end");
}
END_TEST

UNIT_MAIN("state/vfs", connections_of_one_process_see_snapshots_and_block_second_writers,
          sqlite3_reads_a_database_that_is_being_written, acknowledged_transactions_survive_power_loss,
          a_missing_wal_sync_is_noticed, failed_calls_lose_nothing_that_was_acknowledged)

/* A query's database in SQLite: cells and shapes come back as they were, what does not fit is refused, failures lose
 * nothing. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_sim.h"
#include "state/sqlite_db.h"
#include "state/vfs.h"
#include "tests/support/state/bed.h"

/* A database on the test twin or in a folder. */
typedef struct place {
    fs_sim *sim; /* NULL: real */
    fs *sys;
    char folder[32];
    char path[64];
    store_db *db;
} place;

static void begin(place *p, bool real)
{
    *p = (place){.path = "/q.db"};
    if (real) {
        snprintf(p->folder, sizeof p->folder, "/tmp/weir-db-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(p->folder));
        snprintf(p->path, sizeof p->path, "%s/q.db", p->folder);
        p->sys = fs_real();
    } else {
        p->sim = fs_sim_new(1);
        p->sys = fs_sim_fs(p->sim);
    }
    p->db = store_sqlite_new(p->sys, str_z(p->path));
}

static void end(place *p)
{
    if (p->db) p->db->ops->close(p->db);
    if (p->sim) {
        vfs_forget(p->sys);
        fs_sim_free(p->sim);
        return;
    }
    unlink(p->path);
    ck_assert_int_eq(rmdir(p->folder), 0);
}

static void reopen(place *p, bed *b)
{
    if (b->st) bed_close(b);
    p->db->ops->close(p->db);
    p->db = store_sqlite_new(p->sys, str_z(p->path));
    bed_open(b, p->db);
}

/* What one SELECT on the writer's file gives, as text. */
static const char *ask(place *p, const char *sql)
{
    static char out[512];
    sqlite3 *db;
    sqlite3_stmt *s;
    ck_assert_int_eq(sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READWRITE, vfs_name(p->sys)), SQLITE_OK);
    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    size_t n = 0;
    out[0] = 0;
    while (sqlite3_step(s) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
            const char *text = (const char *)sqlite3_column_text(s, i);
            n += (size_t)snprintf(out + n, sizeof out - n, "%s%s", i ? "|" : "", text ? text : "NULL");
        }
        n += (size_t)snprintf(out + n, sizeof out - n, "\n");
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return out;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

static const cell samples[][BED_CELLS] = {
    {{CELL_NULL, {0}}, {CELL_NULL, {0}}, {CELL_NULL, {0}}},
    {{CELL_INTEGER, {.i = INT64_MIN}}, {CELL_REAL, {.d = 0.1}}, {CELL_TEXT, {.s = {"", 0}}}},
    {{CELL_INTEGER, {.i = INT64_MAX}}, {CELL_REAL, {.d = 1e300}}, {CELL_TEXT, {.s = {"a\0b\xff", 4}}}},
    {{CELL_INTEGER, {.i = 0}}, {CELL_REAL, {.d = 3.0}}, {CELL_TEXT, {.s = {"12345678901234567890.50", 23}}}},
    {{CELL_INTEGER, {.i = -1}}, {CELL_REAL, {.d = INFINITY}}, {CELL_TEXT, {.s = {"  1e5 ", 6}}}},
    {{CELL_INTEGER, {.i = 1}}, {CELL_REAL, {.d = -INFINITY}}, {CELL_TEXT, {.s = {"{\"A\":1}", 7}}}},
    {{CELL_INTEGER, {.i = 1}}, {CELL_REAL, {.d = 5e-324}}, {CELL_BLOB, {.s = {"\0\1\2", 3}}}},
    {{CELL_INTEGER, {.i = 1}}, {CELL_REAL, {.d = 9007199254740993.0}}, {CELL_BLOB, {.s = {"", 0}}}},
    {{CELL_INTEGER, {.i = 1}}, {CELL_TEXT, {.s = {"NaN", 3}}}, {CELL_TEXT, {.s = {"NULL", 4}}}},
    {{CELL_INTEGER, {.i = 1}}, {CELL_TEXT, {.s = {"-0.0 (negative zero)", 20}}}, {CELL_TEXT, {.s = {"-0.0", 4}}}},
};
enum { SAMPLES = sizeof samples / sizeof samples[0] };

START_TEST(every_kind_of_cell_comes_back_as_it_was)
{
    place p;
    begin(&p, _i & 1);
    bed b;
    bed_init(&b, _i & 2 ? STORE_WINDOW : STORE_KEY, (_i & 4) != 0);
    bed_open(&b, p.db);
    int64_t window = _i & 2 ? 60000 : 0;
    diag d = {0};
    for (int i = 0; i < SAMPLES; i++) bed_put(&b, bed_key(i - 3, i % 2 ? "" : "k\xc3\xa4y"), window, samples[i]);
    ck_assert_msg(bed_commit(&b, p.db, 1, &d), "%s", d.text);
    reopen(&p, &b);
    for (int i = 0; i < SAMPLES; i++) {
        const cell *c = bed_get(&b, bed_key(i - 3, i % 2 ? "" : "k\xc3\xa4y"), window);
        ck_assert_ptr_nonnull(c);
        for (int k = 0; k < BED_CELLS; k++) ck_assert_msg(bed_same(&c[k], &samples[i][k]), "sample %d cell %d", i, k);
    }
    bed_close(&b);
    end(&p);
}
END_TEST

START_TEST(buckets_come_back_in_order_of_time)
{
    place p;
    begin(&p, _i & 1);
    bed b;
    bed_init(&b, STORE_BUCKET, (_i & 2) != 0);
    bed_open(&b, p.db);
    diag d = {0};
    static const int64_t times[] = {-5, 0, 10, 10, 900};
    for (int k = 0; k < 3; k++) {
        bool created;
        str key = bed_key(k, "b");
        bed_bucket *state = store_upsert(b.st, key, 0, store_hash(key, 0), &created);
        for (int i = 0; i <= k + 2; i++) b.spec.codec.bucket_add(&b, state, times[i], i, samples[(k + i) % SAMPLES]);
    }
    ck_assert_msg(bed_commit(&b, p.db, 1, &d), "%s", d.text);
    /* One goes, one gets shorter. */
    str key = bed_key(0, "b");
    store_delete(b.st, key, 0, store_hash(key, 0));
    key = bed_key(1, "b");
    bed_bucket *state = store_get(b.st, key, 0, store_hash(key, 0));
    while (state->count > 1) {
        for (int i = 0; i < BED_CELLS; i++) bed_drop(&state->items[state->count - 1].cells[i]);
        state->count--;
    }
    store_touch(b.st, state);
    ck_assert_msg(bed_commit(&b, p.db, 2, &d), "%s", d.text);
    reopen(&p, &b);
    ck_assert_uint_eq(store_count(b.st), 2);
    for (int k = 1; k < 3; k++) {
        key = bed_key(k, "b");
        state = store_get(b.st, key, 0, store_hash(key, 0));
        ck_assert_uint_eq(state->count, k == 1 ? 1 : 5);
        for (uint32_t i = 0; i < state->count; i++) {
            ck_assert_int_eq(state->items[i].time, times[i]);
            ck_assert_int_eq(state->items[i].seq, i);
            for (int c = 0; c < BED_CELLS; c++)
                ck_assert(bed_same(&state->items[i].cells[c], &samples[((uint32_t)k + i) % SAMPLES][c]));
        }
    }
    bed_close(&b);
    end(&p);
}
END_TEST

/*
 * ---- tables and names
 * ---------------------------------------------------------------------------------------------
 */

START_TEST(keys_are_typed_columns_where_they_can_be)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_WINDOW, false);
    bed_open(&b, p.db);
    bed_put_number(&b, bed_key(7, "x"), 1000, 12);
    diag d = {0};
    ck_assert(bed_commit(&b, p.db, 1, &d));
    ck_assert_str_eq(ask(&p, "SELECT name, type, pk FROM pragma_table_info('Test-Store')"),
                     "partition|INTEGER|1\nwindowstart|INTEGER|2\nID|INTEGER|3\nNAME|TEXT|4\nA|INTEGER|0\nB|REAL|0\n"
                     "name_2|TEXT|0\n");
    ck_assert_str_eq(ask(&p, "SELECT * FROM \"Test-Store\""), "0|1000|7|x|12|6.0|12\n");
    ck_assert_str_eq(ask(&p, "SELECT name, column_name FROM weir_columns WHERE name <> column_name"), "name|name_2\n");
    bed_close(&b);
    end(&p);
}
END_TEST

START_TEST(keys_that_may_hold_anything_are_bytes_with_the_columns_beside)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, true);
    bed_open(&b, p.db);
    bed_put_number(&b, bed_key(7, "x"), 0, 12);
    diag d = {0};
    ck_assert(bed_commit(&b, p.db, 1, &d));
    ck_assert_str_eq(ask(&p, "SELECT name, type, pk FROM pragma_table_info('Test-Store')"),
                     "partition|INTEGER|1\nkey|BLOB|2\nID|INTEGER|0\nNAME|TEXT|0\nA|INTEGER|0\nB|REAL|0\n"
                     "name_2|TEXT|0\n");
    ck_assert_str_eq(ask(&p, "SELECT ID, NAME, hex(key) FROM \"Test-Store\""), "7|x|800000000000000778\n");
    bed_close(&b);
    end(&p);
}
END_TEST

START_TEST(windows_that_are_over_are_deleted)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_WINDOW, false);
    bed_open(&b, p.db);
    diag d = {0};
    for (int i = 0; i < 40; i++) bed_put_number(&b, bed_key(i, "w"), i / 4 * 1000 - 2000, i);
    ck_assert(bed_commit(&b, p.db, 1, &d));
    reopen(&p, &b);
    int64_t starts[20];
    ck_assert_uint_eq(store_windows(b.st, INT64_MIN, INT64_MAX, starts, 20), 10);
    for (int i = 0; i < 10; i++) ck_assert_int_eq(starts[i], i * 1000 - 2000);
    ck_assert_uint_eq(b.decoded, 0);
    ck_assert(store_expire(b.st, 1000, UINT32_MAX));
    ck_assert_uint_eq(store_windows(b.st, INT64_MIN, INT64_MAX, starts, 20), 7);
    bed_put_number(&b, bed_key(1, "new"), 9000, 5);
    ck_assert(bed_commit(&b, p.db, 2, &d));
    ck_assert_str_eq(ask(&p, "SELECT count(*), min(windowstart) FROM \"Test-Store\""), "29|1000\n");
    bed_close(&b);
    end(&p);
}
END_TEST

START_TEST(a_view_shows_what_its_select_says)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    bed_put_number(&b, bed_key(1, "x"), 0, 12);
    bed_put_number(&b, bed_key(2, "y"), 0, 20);
    diag d = {0};
    ck_assert(bed_commit(&b, p.db, 1, &d));
    ck_assert(store_sqlite_view(p.db, STR("MY \"VIEW\""), STR("SELECT 1 AS ONE"), &d));
    ck_assert(
        store_sqlite_view(p.db, STR("MY \"VIEW\""), STR("SELECT A + 1 AS N FROM \"Test-Store\" WHERE A > 15"), &d));
    ck_assert_str_eq(ask(&p, "SELECT N FROM \"MY \"\"VIEW\"\"\""), "21\n");
    ck_assert(!store_sqlite_view(p.db, STR("BAD"), STR("SELEC 1"), &d));
    ck_assert_str_eq(ask(&p, "SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), "1\n");
    bed_close(&b);
    end(&p);
}
END_TEST

/*
 * ---- what a commit holds besides
 * ------------------------------------------------------------------------------------
 */

START_TEST(positions_outputs_and_numbers_are_those_of_the_last_commit)
{
    place p;
    begin(&p, _i & 1);
    diag d = {0};
    store_input inputs[2] = {{.input = 3, .partition = 0, .topic_id = "0123456789abcde", .offset = 77},
                             {.input = 4, .partition = 1, .topic_id = "xyz", .offset = INT64_MAX}};
    store_output outputs[2] = {{STR("out"), 0, "id", 1 << 20, 3, 10, 12}, {STR("out"), 1, "id", 1 << 20, 3, 0, 4}};
    store_number numbers[1] = {{STR("Agg/time/0"), 1, -5}};
    store_commit c = {.generation = 1,
                      .inputs = inputs,
                      .input_count = 2,
                      .outputs = outputs,
                      .output_count = 2,
                      .numbers = numbers,
                      .number_count = 1};
    ck_assert(p.db->ops->commit(p.db, &c, &d));
    c.generation = 2;
    c.output_count = 1;
    inputs[0].offset = 78;
    numbers[0].value = 6;
    ck_assert(p.db->ops->commit(p.db, &c, &d));
    p.db->ops->close(p.db);
    p.db = store_sqlite_new(p.sys, str_z(p.path));
    arena *a = arena_new();
    store_state st;
    ck_assert_msg(p.db->ops->load(p.db, a, &st, &d), "%s", d.text);
    ck_assert_int_eq(st.generation, 2);
    ck_assert_int_eq(st.input_count, 2);
    ck_assert_int_eq(st.inputs[0].input, 3);
    ck_assert_int_eq(st.inputs[0].offset, 78);
    ck_assert_int_eq(memcmp(st.inputs[0].topic_id, inputs[0].topic_id, 16), 0);
    ck_assert_int_eq(st.inputs[1].offset, INT64_MAX);
    ck_assert_int_eq(st.output_count, 1);
    ck_assert(str_eqz(st.outputs[0].topic, "out"));
    ck_assert_int_eq(st.outputs[0].end_offset, 12);
    ck_assert_int_eq(st.outputs[0].epoch, 3);
    ck_assert_int_eq(st.number_count, 1);
    ck_assert_int_eq(st.numbers[0].value, 6);
    arena_free(a);
    end(&p);
}
END_TEST

START_TEST(another_fingerprint_is_refused_and_the_difference_named)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    bed_close(&b);
    b.spec.fingerprint = STR("test 2: SUM(V)");
    diag d = {0};
    ck_assert_ptr_null(store_open(p.db, &b.spec, 0, &d));
    ck_assert_int_eq(d.code, DIAG_STATE);
    ck_assert_ptr_nonnull(strstr(d.text, "\"test 1\""));
    ck_assert_ptr_nonnull(strstr(d.text, "\"test 2: SUM(V)\""));
    ck_assert_ptr_nonnull(strstr(d.text, "Test-Store"));
    end(&p);
}
END_TEST

/*
 * ---- failures
 * ----------------------------------------------------------------------------------------------------------
 */

START_TEST(a_corrupt_file_is_reported_as_one)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    diag d = {0};
    for (int i = 0; i < 500; i++) bed_put_number(&b, bed_key(i, "k"), 0, i);
    ck_assert(bed_commit(&b, p.db, 1, &d));
    bed_close(&b);
    p.db->ops->close(p.db);
    for (uint64_t at = 0; at < 100; at++) ck_assert(fs_sim_corrupt(p.sim, p.path, at, 0xff));
    p.db = store_sqlite_new(p.sys, str_z(p.path));
    arena *a = arena_new();
    store_state st;
    ck_assert(!p.db->ops->load(p.db, a, &st, &d));
    ck_assert_int_eq(d.code, DIAG_CORRUPT);
    ck_assert_ptr_nonnull(strstr(d.text, "/q.db"));
    ck_assert_ptr_null(store_open(p.db, &b.spec, 0, &d));
    arena_free(a);
    end(&p);
}
END_TEST

/* Every write, sync, truncation and open of a commit fails once: afterwards the old or the new generation is there. */
static bool commit_with_failure(unsigned calls, uint64_t n, int error, bool sticky)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    diag d = {0};
    for (int i = 0; i < 100; i++) bed_put_number(&b, bed_key(i, "k"), 0, 1000 + i);
    ck_assert(bed_commit(&b, p.db, 1, &d));
    for (int i = 0; i < 100; i++) bed_put_number(&b, bed_key(i, "k"), 0, 2000 + i);
    fs_sim_fail(p.sim, calls, n, error, sticky);
    bool ok = bed_commit(&b, p.db, 2, &d);
    bool failed = fs_sim_failed(p.sim);
    if (!ok) ck_assert_msg(d.code == DIAG_IO || d.code == DIAG_CORRUPT || d.code == DIAG_BUSY, "%d %s", d.code, d.text);
    fs_sim_fail(p.sim, 0, 0, 0, false);
    reopen(&p, &b);
    arena *a = arena_new();
    store_state st;
    d = (diag){0};
    ck_assert_msg(p.db->ops->load(p.db, a, &st, &d), "%s", d.text);
    ck_assert_int_ge(st.generation, ok ? 2 : 1);
    int64_t base = st.generation == 2 ? 2000 : 1000;
    for (int i = 0; i < 100; i++) ck_assert_int_eq(bed_number(&b, bed_key(i, "k"), 0), base + i);
    for (int i = 0; i < 100; i++) bed_put_number(&b, bed_key(i, "k"), 0, 3000 + i);
    ck_assert_msg(bed_commit(&b, p.db, 3, &d), "%s", d.text);
    arena_free(a);
    bed_close(&b);
    end(&p);
    return failed;
}

START_TEST(a_failing_call_leaves_one_generation_whole)
{
    static const unsigned calls[] = {FS_SIM_WRITE, FS_SIM_SYNC, FS_SIM_TRUNCATE | FS_SIM_NAMES | FS_SIM_OPEN};
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
        for (int sticky = 0; sticky < 2; sticky++) {
            for (uint64_t n = 1; commit_with_failure(calls[c], n, _i ? ENOSPC : EIO, sticky); n++)
                ck_assert_uint_lt(n, 500);
        }
    }
}
END_TEST

/* The generation that a start finds in this file. */
static int64_t found(fs *sys, const char *path)
{
    store_db *db = store_sqlite_new(sys, str_z(path));
    arena *a = arena_new();
    store_state st;
    diag d = {0};
    ck_assert_msg(db->ops->load(db, a, &st, &d), "%s", d.text);
    db->ops->close(db);
    arena_free(a);
    return st.generation;
}

/*
 * A process is killed; in the next one the nth of these calls fails, in a commit that adds to the log left behind or in
 * the close after it. The database is opened again, then the power fails: how often a start finds another generation
 * than the one before it. ignored is a sync that is taken out. *failed: there was an nth call.
 */
static int changes_of_mind(unsigned calls, uint64_t n, const char *ignored, bool *failed)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    diag d = {0};
    bed_put_number(&b, bed_key(1, "k"), 0, 1);
    ck_assert(bed_commit(&b, p.db, 1, &d));
    fs_sim *killed = fs_sim_process_kill(p.sim);
    bed_close(&b);
    end(&p);
    p = (place){.path = "/q.db", .sim = killed, .sys = fs_sim_fs(killed)};
    p.db = store_sqlite_new(p.sys, str_z(p.path));
    bed_open(&b, p.db);
    bed_put_number(&b, bed_key(1, "k"), 0, 2);
    fs_sim_fail(p.sim, calls, n, EIO, false);
    bed_commit(&b, p.db, 2, &d);
    bed_close(&b);
    p.db->ops->close(p.db);
    p.db = NULL;
    *failed = fs_sim_failed(p.sim);
    fs_sim_fail(p.sim, 0, 0, 0, false);
    fs_sim_ignore_site(p.sim, ignored);
    int64_t before = found(p.sys, p.path);
    int changed = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        fs_sim *after = fs_sim_power_loss(p.sim, seed);
        changed += found(fs_sim_fs(after), p.path) != before;
        vfs_forget(fs_sim_fs(after));
        fs_sim_free(after);
    }
    end(&p);
    return changed;
}

START_TEST(what_a_start_found_holds_through_a_power_loss)
{
    static const unsigned calls[] = {FS_SIM_READ, FS_SIM_WRITE, FS_SIM_SYNC,
                                     FS_SIM_OPEN, FS_SIM_NAMES, FS_SIM_TRUNCATE};
    int without = 0;
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++) {
        bool failed = true;
        for (uint64_t n = 1; failed; n++) {
            ck_assert_int_eq(changes_of_mind(calls[c], n, NULL, &failed), 0);
            without += changes_of_mind(calls[c], n, "state folder at the start", &failed);
        }
    }
    ck_assert_int_gt(without, 0);
}
END_TEST

START_TEST(a_full_disk_refuses_the_commit_and_a_later_one_succeeds)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    diag d = {0};
    bed_put_number(&b, bed_key(1, "k"), 0, 1);
    ck_assert(bed_commit(&b, p.db, 1, &d));
    for (int i = 0; i < 5000; i++) bed_put_number(&b, bed_key(i, "k"), 0, i + 10);
    fs_sim_set_free_bytes(p.sim, 20000);
    ck_assert(!bed_commit(&b, p.db, 2, &d));
    ck_assert_int_eq(d.code, DIAG_IO);
    ck_assert_ptr_nonnull(strstr(d.text, "full"));
    fs_sim_set_free_bytes(p.sim, UINT64_MAX);
    reopen(&p, &b);
    ck_assert_int_eq(bed_number(&b, bed_key(1, "k"), 0), 1);
    ck_assert_int_eq(bed_number(&b, bed_key(2, "k"), 0), -1);
    bed_put_number(&b, bed_key(2, "k"), 0, 2);
    d = (diag){0};
    ck_assert_msg(bed_commit(&b, p.db, 2, &d), "%s", d.text);
    bed_close(&b);
    end(&p);
}
END_TEST

static void *release_later(void *arg)
{
    usleep(100 * 1000);
    ck_assert_int_eq(sqlite3_exec(arg, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    return NULL;
}

START_TEST(a_commit_waits_for_a_lock_that_somebody_else_holds)
{
    place p;
    begin(&p, true);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    sqlite3 *other;
    ck_assert_int_eq(sqlite3_open_v2(p.path, &other, SQLITE_OPEN_READWRITE, vfs_name(p.sys)), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, release_later, other), 0);
    bed_put_number(&b, bed_key(1, "k"), 0, 1);
    diag d = {0};
    ck_assert_msg(bed_commit(&b, p.db, 1, &d), "%s", d.text);
    pthread_join(thread, NULL);
    sqlite3_close(other);
    bed_close(&b);
    end(&p);
}
END_TEST

START_TEST(connections_close_when_they_are_not_used)
{
    place p;
    begin(&p, false);
    bed b;
    bed_init(&b, STORE_KEY, false);
    bed_open(&b, p.db);
    bed_put_number(&b, bed_key(1, "k"), 0, 1);
    diag d = {0};
    ck_assert(bed_commit(&b, p.db, 1, &d));
    ck_assert(store_sqlite_sweep(p.db));
    ck_assert(!store_sqlite_sweep(p.db));
    ck_assert(!fs_exists(p.sys, "/q.db-wal"));
    bed_put_number(&b, bed_key(1, "k"), 0, 2);
    ck_assert(bed_commit(&b, p.db, 2, &d));
    ck_assert(store_sqlite_sweep(p.db));
    bed_close(&b);
    end(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("state/sqlite_db");
    TCase *c = tcase_create("sqlite_db");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, every_kind_of_cell_comes_back_as_it_was, 0, 8);
    tcase_add_loop_test(c, buckets_come_back_in_order_of_time, 0, 4);
    tcase_add_test(c, keys_are_typed_columns_where_they_can_be);
    tcase_add_test(c, keys_that_may_hold_anything_are_bytes_with_the_columns_beside);
    tcase_add_test(c, windows_that_are_over_are_deleted);
    tcase_add_test(c, a_view_shows_what_its_select_says);
    tcase_add_loop_test(c, positions_outputs_and_numbers_are_those_of_the_last_commit, 0, 2);
    tcase_add_test(c, another_fingerprint_is_refused_and_the_difference_named);
    tcase_add_test(c, a_corrupt_file_is_reported_as_one);
    tcase_add_loop_test(c, a_failing_call_leaves_one_generation_whole, 0, 2);
    tcase_add_test(c, what_a_start_found_holds_through_a_power_loss);
    tcase_add_test(c, a_full_disk_refuses_the_commit_and_a_later_one_succeeds);
    tcase_add_test(c, a_commit_waits_for_a_lock_that_somebody_else_holds);
    tcase_add_test(c, connections_close_when_they_are_not_used);
    suite_add_tcase(s, c);
    SRunner *run = srunner_create(s);
    srunner_run_all(run, CK_NORMAL);
    int failed = srunner_ntests_failed(run);
    srunner_free(run);
    return failed != 0;
}

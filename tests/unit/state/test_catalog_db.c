/* The recorded statements: order, pending ones, numbers that are never used twice, another program's damage. */
#include "tests/unit/unit.h"

#include "base/file_sim.h"
#include "state/catalog_db.h"
#include "state/vfs.h"

static const str path = {"/catalog.db", 11};

static catalog_db *must_open(fs *sys)
{
    diag d = {0};
    catalog_db *db = catalog_db_open(sys, path, &d);
    ck_assert_msg(db != NULL, "%s", d.text);
    return db;
}

static void add(catalog_db *db, const char *text, int64_t expect)
{
    diag d = {0};
    catalog_statement s = {
        .text = str_z(text), .properties = STR("a=b"), .topics = STR("T\n"), .producer_id = 7, .time_ms = 5};
    ck_assert(catalog_db_next(db, &s.sequence, &d));
    ck_assert_int_eq(s.sequence, expect);
    ck_assert_msg(catalog_db_add(db, &s, &d), "%s", d.text);
}

START_TEST(statements_come_back_in_order_with_their_state)
{
    fs_sim *sim = fs_sim_new(1);
    catalog_db *db = must_open(fs_sim_fs(sim));
    diag d = {0};
    add(db, "CREATE A;", 1);
    add(db, "CREATE B;", 2);
    add(db, "CREATE C;", 3);
    ck_assert(catalog_db_activate(db, 1, &d) && catalog_db_remove(db, 3, &d));
    catalog_db_close(db);
    db = must_open(fs_sim_fs(sim));
    arena *a = arena_new();
    catalog_statement *all;
    size_t n;
    ck_assert(catalog_db_load(db, a, &all, &n, &d));
    ck_assert_uint_eq(n, 2);
    ck_assert(str_eqz(all[0].text, "CREATE A;") && all[0].active && all[0].producer_id == 7 && all[0].time_ms == 5);
    ck_assert(str_eqz(all[1].text, "CREATE B;") && !all[1].active && str_eqz(all[1].topics, "T\n"));
    add(db, "CREATE D;", 4); /* 3 was used, though it is gone */
    ck_assert(!catalog_db_activate(db, 3, &d) && d.code == DIAG_INTERNAL);
    arena_free(a);
    catalog_db_close(db);
    vfs_forget(fs_sim_fs(sim));
    fs_sim_free(sim);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_refused_by_name)
{
    fs_sim *sim = fs_sim_new(1);
    diag d = {0};
    file *f;
    ck_assert(fs_open(fs_sim_fs(sim), "/catalog.db", FILE_CREATE, &f, &d));
    char junk[4096];
    memset(junk, 'x', sizeof junk);
    ck_assert(file_write(f, 0, junk, sizeof junk, &d));
    file_close(f);
    ck_assert_ptr_null(catalog_db_open(fs_sim_fs(sim), path, &d));
    ck_assert_int_eq(d.code, DIAG_CORRUPT);
    ck_assert_ptr_nonnull(strstr(d.text, "/catalog.db"));
    vfs_forget(fs_sim_fs(sim));
    fs_sim_free(sim);
}
END_TEST

UNIT_MAIN("state/catalog_db", statements_come_back_in_order_with_their_state,
          a_file_that_is_no_database_is_refused_by_name)

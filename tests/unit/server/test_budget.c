/* Who gets memory when clients want more than there is. */
#include "tests/unit/unit.h"

#include "server/budget.h"

enum { KB = 1 << 10, MB = 1 << 20, MAX = 256 * MB };

static budget b;
static budget_member many[400];

static void up(void)
{
    budget_init(&b, MAX);
    memset(many, 0, sizeof many);
}

/* m takes `more` if it may. */
static bool take(budget_member *m, size_t more, size_t whole)
{
    if (!budget_grant(&b, m, more, whole, 0)) return false;
    budget_hold(&b, m, m->held + more);
    return true;
}

START_TEST(everybody_gets_a_share_even_when_nothing_is_left)
{
    up();
    while (take(&many[0], 4 * MB, 100 * MB)) {
        if (many[0].held > 90 * MB) break;
    }
    for (int i = 1; i < 300; i++) take(&many[i], MB, MB);
    ck_assert(b.used >= MAX);
    ck_assert(take(&many[399], BUDGET_SHARE, BUDGET_SHARE));
    ck_assert(!take(&many[399], 1, MB));
}
END_TEST

START_TEST(large_requests_leave_memory_to_small_ones)
{
    up();
    size_t over = 0;
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < 100; i++) {
            if (!budget_waits(&many[i])) take(&many[i], 4 * MB, 100 * MB);
        }
    }
    for (int i = 0; i < 100; i++) {
        if (b.size[1].favoured == &many[i]) over = many[i].held;
    }
    ck_assert_uint_le(b.used - over, MAX - MAX / 4);
    ck_assert(over > 0);
    /* The whole quarter is there, however much the favoured one has taken beyond. */
    for (int i = 200; i < 200 + 63; i++) ck_assert(take(&many[i], MB, MB));
}
END_TEST

START_TEST(who_waits_goes_on_in_order_when_memory_is_free)
{
    up();
    for (int i = 0; i < 256; i++) ck_assert(take(&many[i], MB, MB));
    ck_assert(take(&many[256], MB, MB)); /* somebody always goes on */
    ck_assert(!take(&many[257], MB, MB));
    ck_assert(!take(&many[258], MB, MB));
    ck_assert(budget_waits(&many[257]) && budget_next(&b) == NULL);
    budget_leave(&b, &many[0]);
    budget_leave(&b, &many[1]);
    ck_assert_ptr_eq(budget_next(&b), &many[257]);
    ck_assert_ptr_eq(budget_next(&b), NULL);
    /* Another one cannot take what was given to the one that waited. */
    ck_assert(!take(&many[259], MB, MB));
    ck_assert(take(&many[257], MB, MB));
    /* Whoever leaves is no longer waited for. */
    budget_leave(&b, &many[258]);
    budget_leave(&b, &many[256]);
    ck_assert_ptr_eq(budget_next(&b), &many[259]);
}
END_TEST

START_TEST(who_holds_memory_and_stands_still_goes_only_while_it_is_short)
{
    up();
    for (int i = 0; i < 150; i++) ck_assert(take(&many[i], MB, MB));
    for (int look = 0; look < 10; look++) ck_assert(!budget_must_go(&b, &many[0], 0, look * 1000));
    for (int i = 150; i < 257; i++) ck_assert(take(&many[i], MB, MB));
    ck_assert(budget_short(&b));
    int gone = 0;
    for (int look = 0; look < 3; look++) {
        many[1].moved = MB; /* this one is not slow */
        ck_assert(!budget_must_go(&b, &many[1], 0, look * 1000));
        ck_assert(!budget_must_go(&b, &many[399], 0, look * 1000)); /* this one holds nothing */
        gone += budget_must_go(&b, &many[0], 0, look * 1000);
    }
    ck_assert_int_eq(gone, 1);
}
END_TEST

START_TEST(who_waits_too_long_goes)
{
    up();
    for (int i = 0; i < 257; i++) ck_assert(take(&many[i], MB, MB));
    ck_assert(!take(&many[300], MB, MB));
    ck_assert(!budget_must_go(&b, &many[300], 0, 29000));
    ck_assert(budget_must_go(&b, &many[300], 0, 31000));
}
END_TEST

START_TEST(memory_that_is_held_elsewhere_counts)
{
    up();
    b.also = MAX;
    ck_assert(budget_short(&b));
    ck_assert(take(&many[0], MB, MB)); /* as somebody always goes on */
    ck_assert(!take(&many[1], MB, MB));
    ck_assert(!budget_must_go(&b, &many[2], MB, 0));
    ck_assert(!budget_must_go(&b, &many[2], MB, 0));
    ck_assert(budget_must_go(&b, &many[2], MB, 0));
    b.also = 0;
    ck_assert_ptr_eq(budget_next(&b), &many[1]);
}
END_TEST

UNIT_MAIN("server/budget", everybody_gets_a_share_even_when_nothing_is_left, large_requests_leave_memory_to_small_ones,
          who_waits_goes_on_in_order_when_memory_is_free,
          who_holds_memory_and_stands_still_goes_only_while_it_is_short, who_waits_too_long_goes,
          memory_that_is_held_elsewhere_counts)

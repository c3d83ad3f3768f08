/*
 * Rows in the order of their keys: from any key on, and the last one.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <util/macros.h>

#include "support.h"

#define SEEN_MAX 64

static struct keeper keeper;

static void setup(void)
{
    keeper_init(&keeper);
    keeper_open(&keeper);
}

static void teardown(void)
{
    keeper_close(&keeper, false);
    keeper_deinit(&keeper);
}

TestSuite(range, .init = setup, .fini = teardown, .timeout = 500);

struct seen {
    char keys[SEEN_MAX][8];
    size_t count, end_at; /* at that row, 1 based, the walk is ended with 7 */
};

static int see(void *userdata, const void *key, size_t key_length, const void *value,
               size_t value_length)
{
    struct seen *seen = userdata;

    cr_assert_lt(seen->count, SEEN_MAX);
    cr_assert_leq(key_length, sizeof(seen->keys[0]));
    cr_assert_eq(value_length, sizeof(uint64_t));
    cr_assert_not_null(value);
    memcpy(seen->keys[seen->count++], key, key_length);
    return seen->count == seen->end_at ? 7 : 0;
}

static void put(size_t count)
{
    keeper_append_batches(&keeper, count);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, keeper_marks(&keeper).durable);
}

static struct seen metas(const char *from, size_t limit, int expected)
{
    struct seen seen = {.end_at = expected == 7 ? 2 : 0};

    cr_assert_eq(
        store_range(keeper.store, TABLE_META, from, from ? strlen(from) : 0, limit, see, &seen),
        expected);
    return seen;
}

static struct seen balances(uint32_t from, size_t limit)
{
    struct seen seen = {.count = 0};

    cr_assert_eq(store_range(keeper.store, TABLE_BALANCE, &from, sizeof(from), limit, see, &seen),
                 0);
    return seen;
}

static uint32_t balance_key(const struct seen *seen, size_t index)
{
    uint32_t key;

    memcpy(&key, seen->keys[index], sizeof(key));
    return key;
}

Test(range, nothing_is_there)
{
    struct seen seen = metas(NULL, SIZE_MAX, 0);

    cr_assert_eq(seen.count, 0);
    cr_assert_eq(metas("m", 5, 0).count, 0);
    cr_assert_eq(balances(0, 5).count, 0);
    cr_assert_eq(store_last(keeper.store, TABLE_META, see, &seen), -ENOENT);
    cr_assert_eq(seen.count, 0);
}

Test(range, one_is_there)
{
    struct seen seen;

    put(1);
    seen = metas(NULL, SIZE_MAX, 0);
    cr_assert_eq(seen.count, 1);
    cr_assert_str_eq(seen.keys[0], "m01");
    cr_assert_eq(metas("m01", 9, 0).count, 1);
    cr_assert_eq(metas("m00", 9, 0).count, 1);
    cr_assert_eq(metas("m010", 9, 0).count, 0);
    cr_assert_eq(metas("z", 9, 0).count, 0);
    cr_assert_eq(metas(NULL, 0, 0).count, 0);
    seen.count = 0;
    cr_assert_eq(store_last(keeper.store, TABLE_META, see, &seen), 0);
    cr_assert_str_eq(seen.keys[0], "m01");
}

/* Records 1 to 12 leave m05 and m10 out: each fifth record deletes. */
Test(range, many_are_there)
{
    static const struct {
        const char *from;
        size_t limit, count;
        const char *first, *last;
    } cases[] = {
        {NULL, SIZE_MAX, 10, "m01", "m12"}, {NULL, 3, 3, "m01", "m03"},
        {"m00", 2, 2, "m01", "m02"},        {"m04", 2, 2, "m04", "m06"},
        {"m05", 2, 2, "m06", "m07"},        {"m041", 1, 1, "m06", "m06"},
        {"m12", 100, 1, "m12", "m12"},      {"m", 100, 10, "m01", "m12"},
    };

    put(12);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct seen seen = metas(cases[i].from, cases[i].limit, 0);

        cr_assert_eq(seen.count, cases[i].count, "case %zu: %zu rows", i, seen.count);
        cr_expect_str_eq(seen.keys[0], cases[i].first, "case %zu: from %s", i, seen.keys[0]);
        cr_expect_str_eq(seen.keys[seen.count - 1], cases[i].last, "case %zu: to %s", i,
                         seen.keys[seen.count - 1]);
    }
    cr_assert_eq(metas("m13", 100, 0).count, 0);
}

/* Balances 7, 14, 21 … 49, 6, 13: by number, not by byte. */
Test(range, words_are_in_the_order_of_their_numbers)
{
    struct seen seen;

    put(9);
    seen = balances(8, 3);
    cr_assert_eq(seen.count, 3);
    cr_expect_eq(balance_key(&seen, 0), 13);
    cr_expect_eq(balance_key(&seen, 1), 14);
    cr_expect_eq(balance_key(&seen, 2), 21);
    cr_assert_eq(balances(7, 100).count, 8);
    cr_assert_eq(balances(256, 100).count, 0);
    seen.count = 0;
    cr_assert_eq(store_last(keeper.store, TABLE_BALANCE, see, &seen), 0);
    cr_assert_eq(balance_key(&seen, 0), 49);
    cr_assert_eq(store_range(keeper.store, TABLE_BALANCE, "x", 1, 1, see, &seen), -EMSGSIZE);
}

Test(range, the_function_may_end_it)
{
    struct seen seen = {.end_at = 1};

    put(12);
    cr_assert_eq(metas("m03", SIZE_MAX, 7).count, 2);
    cr_assert_eq(store_last(keeper.store, TABLE_META, see, &seen), 7);
    cr_assert_str_eq(seen.keys[0], "m12");
}

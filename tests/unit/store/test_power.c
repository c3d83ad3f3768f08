/*
 * J4: what a process left in the page cache is not durable. On a disk that loses power.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <util/macros.h>

#include "power.h"
#include "support.h"

static struct keeper keeper;
static struct power power;
static uint64_t seed;

static void setup(void)
{
    keeper_init(&keeper);
    power_init(&power);
    keeper.options.io = &power.io;
    seed = 1;
}

static void teardown(void)
{
    keeper_deinit(&keeper);
    power_deinit(&power);
}

TestSuite(power, .init = setup, .fini = teardown, .timeout = 500);

Test(power, J3_what_is_durable_survives)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 20);
    keeper_abandon(&keeper);
    power_lose(&power, &seed, 0);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 20);
    keeper_close(&keeper, true);
    power_lose(&power, &seed, 0);
    keeper_open(&keeper);
    cr_assert_eq(keeper_marks(&keeper).stored, 20);
    keeper_close(&keeper, false);
}

/* The liar shows that the disk of these tests does lose things. */
Test(power, J3_what_no_sync_has_covered_does_not)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 3);
    keeper_wait_prepared(&keeper);
    power.skip_sync = true;
    keeper_append_batches(&keeper, 2);
    keeper_abandon(&keeper);
    power.skip_sync = false;
    power_lose(&power, &seed, 0);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 3);
    keeper_close(&keeper, false);
}

/* Written, its sync failed, serve ended. The next serve finds it in the page cache, answers from
 * it, and then the power goes. */
Test(power, J4_unsynced_batches_are_rewritten)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 3);
    keeper_wait_prepared(&keeper);
    power.fail_sync = true;
    (void)keeper_append(&keeper, true);
    cr_assert_eq(keeper_wait_failure(&keeper), -EIO);
    keeper_abandon(&keeper);
    power.fail_sync = false;
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 4);
    keeper_abandon(&keeper);
    power_lose(&power, &seed, 0);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 4, "was answered from, and is gone");
    keeper_close(&keeper, false);
}

/* … where what was not synced is the end of a segment, and nothing follows in the next. */
Test(power, J4_an_unsynced_seal_is_rewritten)
{
    uint64_t last;

    keeper_open(&keeper);
    while ((uint32_t)keeper.place < keeper.options.segment_size - 4 * 4096)
        keeper_append_batches(&keeper, 1);
    keeper_wait_prepared(&keeper);
    power.fail_sync = true;
    do
        last = keeper_append(&keeper, false);
    while (keeper.place >> 32 == 1);
    cr_assert_eq(keeper_wait_failure(&keeper), -EIO);
    keeper_abandon(&keeper);
    power.fail_sync = false;
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, last - 1, "all of the first segment");
    keeper_abandon(&keeper);
    power_lose(&power, &seed, 0);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, last - 1, "was answered from, and is gone");
    keeper_close(&keeper, false);
}

Test(power, J4_all_batches_of_an_interval_are_rewritten)
{
    keeper.options.durability = STORE_DURABILITY_INTERVAL;
    keeper.options.interval_ms = 3600 * 1000;
    keeper_open(&keeper);
    keeper_wait_prepared(&keeper);
    power.skip_sync = true;
    for (int i = 0; i < 6; i++) {
        uint64_t sequence = keeper_append(&keeper, true);

        pthread_mutex_lock(&keeper.lock);
        while (keeper_marks(&keeper).written < sequence)
            pthread_cond_wait(&keeper.progress, &keeper.lock);
        pthread_mutex_unlock(&keeper.lock);
    }
    cr_assert_eq(keeper_marks(&keeper).durable, 0);
    power.fail_sync = true;
    power.skip_sync = false;
    cr_assert_eq(store_close(keeper.store, false), -EIO);
    power.fail_sync = false;
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 6);
    keeper_abandon(&keeper);
    power_lose(&power, &seed, 0);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 6);
    keeper_close(&keeper, false);
}

/* Start fails where it cannot make the tail durable, rather than go on without. */
Test(power, J4_a_start_that_cannot_sync_is_refused)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 3);
    keeper_wait_prepared(&keeper);
    keeper_abandon(&keeper);
    power.fail_sync = true;
    cr_assert_eq(keeper_try_open(&keeper), -EIO);
    power.fail_sync = false;
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 3);
    keeper_close(&keeper, false);
}

Test(power, J4_a_torn_batch_is_zeroed_and_forgotten)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 3);
    keeper_wait_prepared(&keeper);
    power.fail_write = true;
    for (int i = 0; i < 60; i++)
        (void)keeper_append(&keeper, false);
    store_flush(keeper.store);
    cr_assert_eq(keeper_wait_failure(&keeper), -EIO);
    keeper_abandon(&keeper);
    power.fail_write = false;
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 3);
    keeper_append_batches(&keeper, 2);
    keeper_abandon(&keeper);
    power_lose(&power, &seed, 0);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 5);
    keeper_close(&keeper, false);
}

/* Random work, then the power goes at a random moment, with a random part of what was unsynced
 * written all the same, in any order. */
static void lose_power_at_random(enum store_durability durability, uint64_t rounds)
{
    uint64_t floor = 0;

    keeper.options.durability = durability;
    keeper.options.interval_ms = 5;
    for (uint64_t round = 0; round < rounds; round++) {
        uint32_t appends;

        seed = round + 1;
        keeper_open(&keeper);
        cr_assert_geq(keeper_marks(&keeper).durable, floor, "seed %lu", (unsigned long)seed);
        appends = random_next(&seed) % 200;
        for (uint32_t i = 0; i < appends; i++) {
            uint64_t sequence = keeper_append(&keeper, random_next(&seed) % 3 == 0);

            if (random_next(&seed) % 50 == 0)
                store_checkpoint(keeper.store);
            if (random_next(&seed) % 20 == 0) {
                store_flush(keeper.store);
                keeper_wait_durable(&keeper, sequence);
            }
        }
        floor = keeper_marks(&keeper).durable;
        if (random_next(&seed) % 5 == 0)
            keeper_close(&keeper, random_next(&seed) % 2 == 0);
        else
            keeper_abandon(&keeper);
        if (random_next(&seed) % 4 != 0)
            power_lose(&power, &seed, random_next(&seed) % 101);
    }
}

Test(power, J4_J5_power_cuts_lose_nothing_durable)
{
    lose_power_at_random(STORE_DURABILITY_ALWAYS, 60);
}

Test(power, J4_J5_power_cuts_with_an_interval_are_torn_tails)
{
    lose_power_at_random(STORE_DURABILITY_INTERVAL, 60);
}

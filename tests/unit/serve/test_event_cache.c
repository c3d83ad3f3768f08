/*
 * The cache of events: what is there, what goes, and whose bytes they are.
 */
#include "event_cache.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_LOW (1u << CORE_EVENT_CREDITS_LOW)
#define TYPE_PARKED (1u << CORE_EVENT_PUSH_PARKED)

static struct event_cache cache;

static void setup(void)
{
    cr_assert_eq(event_cache_init(&cache), 0);
}

static void teardown(void)
{
    event_cache_deinit(&cache);
}

TestSuite(event_cache, .init = setup, .fini = teardown);

static void put(uint64_t number, const void *envelope, size_t length)
{
    char customer[32], product[] = "prod_1";
    struct core_event event = {.number = number,
                               .type = CORE_EVENT_CREDITS_LOW,
                               .customer = {customer, 0},
                               .product = {product, 6}};
    struct event_kept *kept;

    event.customer.length =
        (size_t)snprintf(customer, sizeof(customer), "cus_%u", (unsigned)number);
    kept = event_kept_new(&event, envelope, length);
    cr_assert_not_null(kept);
    memset(customer, 'x', sizeof(customer)); /* it has copies of its own */
    memset(product, 'x', sizeof(product));
    event_cache_put(&cache, kept);
}

Test(event_cache, what_was_put_is_found_whole)
{
    char envelope[] = "abc";
    const struct event_told *told;

    put(7, envelope, 3);
    envelope[0] = 'x';
    told = event_cache_get(&cache, 7, TYPE_LOW);
    cr_assert_not_null(told);
    cr_assert_eq(told->length, 3);
    cr_assert_arr_eq(told->envelope, "abc", 3);
    cr_assert_eq(told->event.number, 7);
    cr_assert_eq(told->event.customer.length, 5);
    cr_assert_arr_eq(told->event.customer.data, "cus_7", 5);
    cr_assert_arr_eq(told->event.product.data, "prod_1", 6);
    cr_assert_null(event_cache_get(&cache, 8, TYPE_LOW));
    cr_assert_null(event_cache_get(&cache, 7 + EVENT_CACHE_SLOTS, TYPE_LOW));
}

Test(event_cache, without_an_envelope_it_serves_those_who_do_not_want_it)
{
    put(1, NULL, 0);
    cr_assert_null(event_cache_get(&cache, 1, TYPE_LOW));
    cr_assert_not_null(event_cache_get(&cache, 1, TYPE_PARKED));
    cr_assert_null(event_cache_get(&cache, 1, TYPE_PARKED)->envelope);
    put(1, "e", 1);
    cr_assert_not_null(event_cache_get(&cache, 1, TYPE_LOW));
    put(1, NULL, 0); /* knows less: the first stays */
    cr_assert_not_null(event_cache_get(&cache, 1, TYPE_LOW));
}

Test(event_cache, the_least_recently_used_goes_first)
{
    size_t length = EVENT_CACHE_BYTES / 4 - 1024;
    char *envelope = calloc(1, EVENT_CACHE_BYTES + 1);

    for (uint64_t number = 1; number <= 4; number++)
        put(number, envelope, length);
    cr_assert_not_null(event_cache_get(&cache, 1, TYPE_LOW));
    put(5, envelope, length);
    cr_assert_null(event_cache_get(&cache, 2, TYPE_LOW));
    for (uint64_t number = 1; number <= 5; number++)
        if (number != 2)
            cr_assert_not_null(event_cache_get(&cache, number, TYPE_LOW), "%d", (int)number);
    cr_assert_leq(cache.bytes, EVENT_CACHE_BYTES);
    put(6, envelope, EVENT_CACHE_BYTES + 1); /* too large for all: it is there all the same */
    cr_assert_not_null(event_cache_get(&cache, 6, TYPE_LOW));
    cr_assert_null(event_cache_get(&cache, 5, TYPE_LOW));
    put(7, envelope, 1);
    cr_assert_null(event_cache_get(&cache, 6, TYPE_LOW));
    cr_assert_lt(cache.bytes, 1024);
    free(envelope);
}

Test(event_cache, a_number_takes_the_place_of_one_that_shares_its_slot)
{
    put(3, "a", 1);
    put(3 + EVENT_CACHE_SLOTS, "b", 1);
    cr_assert_null(event_cache_get(&cache, 3, TYPE_LOW));
    cr_assert_not_null(event_cache_get(&cache, 3 + EVENT_CACHE_SLOTS, TYPE_LOW));
}

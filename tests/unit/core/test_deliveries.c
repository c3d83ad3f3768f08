/*
 * Very many deliveries: what is kept of them, and that neither what fails nor what is parked holds
 * the others up. The records are counted, not kept.
 */
#include <core/delivery.h>
#include <core/engine.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START INT64_C(1790000000000)
#define HOUR (INT64_C(3600) * 1000)
#define HOOK 4u

static struct core *core;
static struct core_hook_policy policy;
static uint64_t records;
static int64_t now;
static bool is_full;
static uint8_t scratch[256 * 1024];

static int append(void *userdata, size_t size, int use_reserve, uint8_t **ret_buffer,
                  uint64_t *ret_sequence, uint64_t *ret_place)
{
    (void)userdata, (void)use_reserve;
    cr_assert_leq(size, sizeof(scratch));
    if (is_full)
        return -ENOSPC;
    *ret_buffer = scratch;
    *ret_sequence = ++records;
    *ret_place = records * 4096;
    return 0;
}

static void set_policy(int64_t park_after)
{
    policy.park_after = park_after;
    cr_assert_eq(core_hook_set_policy(core, HOOK, &policy, now), 0);
}

static void set_up(void)
{
    struct core_options options = {.epoch = 1, .instance = 1, .sink = {NULL, append}};

    now = START;
    options.policy.push_interval = 1000;
    options.policy.refresh_interval = 60000;
    options.policy.max_offline_spend = options.policy.max_offline_time = -1;
    cr_assert_eq(core_new(&options, &core), 0);
    cr_assert_eq(core_start(core, START), 0);
    policy = (struct core_hook_policy){
        .types = ~0u, .concurrency = 4, .delay_min = HOUR, .delay_max = HOUR};
    set_policy(-1);
}

static void tear_down(void)
{
    const char *what = NULL;

    cr_assert_eq(core_check(core, &what), 0, "%s", what);
    core = core_free(core);
}

TestSuite(deliveries, .init = set_up, .fini = tear_down);

static struct core_text text(const char *data)
{
    return (struct core_text){data, strlen(data)};
}

static void raise_events(const char *customer, unsigned count)
{
    for (; count > 0; count--) {
        struct core_event_data event = {.type = CORE_EVENT_CREDITS_LOW, .customer = text(customer)};
        struct core_object_change change = {.events = &event, .event_count = 1};
        uint64_t sequence;

        cr_assert_eq(core_object_change(core, &change, START, &sequence), 0);
    }
}

static bool show_some(unsigned most)
{
    uint64_t from, through;
    unsigned i = 0;

    for (; i < most && core_hook_wants(core, HOOK, records, &from, &through); i++) {
        struct core_event event;
        cr_assert_eq(core_event_get(core, from, &event), CORE_OK);
        cr_assert_eq(core_hook_show(core, HOOK, &event, now), 0);
    }
    return i == most;
}

static void show(void)
{
    while (show_some(1000))
        ;
}

/* Delivers what there is; what is of cus_good succeeds. How much that was. */
static unsigned deliver(void)
{
    struct core_delivery delivery;
    unsigned good = 0, nothing = 0;

    while (nothing < 1000) { /* each time the window moves on */
        show();
        if (!core_next_delivery(core, now, &delivery)) {
            nothing++;
            continue;
        }
        bool is_good =
            delivery.customer.length == 8 && memcmp(delivery.customer.data, "cus_good", 8) == 0;
        good += is_good;
        nothing = 0;
        cr_assert_eq(core_delivery_done(core, HOOK, delivery.number,
                                        is_good ? CORE_DELIVERY_OK : CORE_DELIVERY_FAILURE, 1,
                                        text("no"), now),
                     CORE_OK);
    }
    return good;
}

static struct core_hook_summary summary(void)
{
    struct core_hook_summary result;

    cr_assert(core_hook_summary(core, HOOK, &result));
    return result;
}

Test(deliveries, one_failing_customer_stops_nobody)
{
    raise_events("cus_bad", CORE_DELIVERIES_MAX + 100);
    raise_events("cus_good", 10);
    cr_assert_eq(deliver(), 10);
    struct core_hook_summary result = summary();
    cr_assert_eq(result.failed, 1);
    cr_assert_eq(result.behind, 1);
    cr_assert_leq(result.waiting, 16);
}

Test(deliveries, so_many_rows_and_no_more)
{
    uint64_t sequence;
    char customer[16];

    for (unsigned i = 1; i <= CORE_DELIVERIES_MAX + 10; i++) {
        snprintf(customer, sizeof(customer), "cus_%u", i);
        raise_events(customer, 1);
    }
    cr_assert_eq(deliver(), 0);
    cr_assert_eq(summary().failed, CORE_DELIVERIES_MAX);
    cr_assert_eq(core_delivery_drop(core, HOOK, 7, 0, now, &sequence), CORE_OK);
    struct core_delivery delivery;
    show();
    cr_assert(core_next_delivery(core, now, &delivery));
    cr_assert_eq(delivery.number, CORE_DELIVERIES_MAX + 1);
}

/* Each of them with more events than it may have rows. */
Test(deliveries, very_many_failing_customers_stop_nobody)
{
    enum { CUSTOMERS = 20000, EVENTS = 6 };
    char customer[16];

    for (unsigned i = 1; i <= CUSTOMERS; i++) {
        snprintf(customer, sizeof(customer), "cus_%u", i);
        raise_events(customer, EVENTS);
    }
    raise_events("cus_good", 10);
    cr_assert_eq(deliver(), 10);
    struct core_hook_summary result = summary();
    cr_expect_eq(result.failed, CUSTOMERS);
    cr_expect_eq(result.behind, CUSTOMERS);
    cr_expect_lt(result.failed + result.waiting + result.behind, CORE_DELIVERIES_MAX);
    cr_expect_gt(result.waiting, 1000); /* while there is room, a customer keeps a few */
}

/* Whose lanes keep one row or a few: when all goes well again nothing is lost, nor out of order. */
Test(deliveries, those_of_many_customers_that_failed_come_in_their_order)
{
    enum { CUSTOMERS = 5000, EVENTS = 6 };
    static uint64_t last[CUSTOMERS];
    struct core_delivery delivery;
    char customer[16];

    for (unsigned i = 0; i < CUSTOMERS; i++) {
        snprintf(customer, sizeof(customer), "cus_%u", i);
        raise_events(customer, EVENTS);
    }
    cr_assert_eq(deliver(), 0);
    cr_expect_gt(summary().behind, CUSTOMERS - 100); /* the first few were shown with the failure */
    cr_expect_lt(summary().waiting, 4 * CUSTOMERS);
    now += HOUR;
    for (unsigned done = 0, tries = 0; done < CUSTOMERS * EVENTS; tries++) {
        cr_assert_lt(tries, 1000000, "after %u", done);
        show_some(256);
        if (!core_next_delivery(core, now, &delivery))
            continue;
        snprintf(customer, sizeof(customer), "%.*s", (int)delivery.customer.length,
                 delivery.customer.data);
        unsigned who = (unsigned)strtoul(customer + 4, NULL, 10);
        cr_assert(who < CUSTOMERS && delivery.number > last[who]);
        last[who] = delivery.number;
        cr_assert_eq(
            core_delivery_done(core, HOOK, delivery.number, CORE_DELIVERY_OK, 0, text(""), now),
            CORE_OK);
        done++;
    }
    cr_expect_eq(summary().failed + summary().waiting, 0);
}

static unsigned retry_all(void)
{
    uint64_t sequence, before = records;
    unsigned calls = 0;
    int r;

    do {
        r = core_delivery_retry(core, HOOK, 0, 0, now, &sequence);
        cr_assert(r == CORE_OK || r == CORE_LOAD);
        cr_expect_leq(records, before + 10); /* a call takes no longer, whatever there is */
        before = records;
        calls++;
    } while (r == CORE_LOAD);
    return calls;
}

/* In portions, and still one after the other for the customer. */
Test(deliveries, very_many_are_tried_again_in_portions)
{
    struct core_delivery delivery;
    unsigned i;

    set_policy(0);
    raise_events("cus_bad", 30000);
    cr_assert_eq(deliver(), 0);
    cr_assert_eq(summary().parked, 30000);
    cr_expect_gt(retry_all(), 10);
    cr_expect_eq(summary().parked, 0);
    cr_expect_eq(summary().waiting, 30000);
    for (i = 1; core_next_delivery(core, now, &delivery); i++) {
        cr_assert_eq(delivery.number, i);
        cr_assert_eq(delivery.attempt, 1);
        cr_assert_eq(core_delivery_done(core, HOOK, i, CORE_DELIVERY_OK, 0, text(""), now),
                     CORE_OK);
    }
    cr_expect_eq(i, 30001);
}

Test(deliveries, very_many_are_dropped_in_portions)
{
    uint64_t sequence, before;
    unsigned calls = 1;

    set_policy(0);
    raise_events("cus_bad", 10000);
    cr_assert_eq(deliver(), 0);
    before = records;
    for (; core_delivery_drop(core, HOOK, 0, 0, now, &sequence) == CORE_LOAD; calls++)
        cr_assert_leq(records, before + 10 * calls);
    cr_expect_eq(calls, 5);
    cr_expect_eq(summary().parked, 0);
}

/* All or nothing of a portion. */
Test(deliveries, what_is_not_recorded_stays_as_it_was)
{
    uint64_t sequence;

    set_policy(0);
    raise_events("cus_bad", 10);
    cr_assert_eq(deliver(), 0);
    set_policy(-1);
    raise_events("cus_worse", 1);
    cr_assert_eq(deliver(), 0);
    is_full = true;
    cr_expect_eq(core_delivery_retry(core, HOOK, 0, 0, now, &sequence), -ENOSPC);
    cr_expect_eq(core_delivery_drop(core, HOOK, 0, 0, now, &sequence), -ENOSPC);
    is_full = false;
    cr_expect_eq(summary().failed, 1);
    cr_expect_eq(summary().parked, 10);
    cr_expect_eq(summary().waiting, 0);
    cr_expect_eq(core_delivery_retry(core, HOOK, 0, 0, now, &sequence), CORE_OK);
    cr_expect_eq(summary().waiting, 11);
    cr_expect_eq(core_delivery_retry(core, HOOK, 0, 0, now, &sequence), CORE_NOT_FOUND);
}

Test(deliveries, what_is_parked_stops_nobody)
{
    set_policy(0);
    raise_events("cus_bad", 5000);
    raise_events("cus_good", 1);
    cr_assert_eq(deliver(), 1);
    cr_assert_eq(summary().parked, 5000);
    retry_all();
    cr_assert_eq(summary().parked, 0);
    struct core_delivery delivery;
    cr_assert(core_next_delivery(core, now, &delivery));
    cr_assert_eq(delivery.number, 1);
}

Test(deliveries, of_what_is_parked_the_oldest_goes)
{
    struct core_delivery delivery;

    set_policy(0);
    raise_events("cus_bad", CORE_PARKED_MAX);
    cr_assert_eq(deliver(), 0);
    cr_assert_eq(summary().lost, 0);
    raise_events("cus_bad", 1);
    cr_assert_eq(deliver(), 0);
    cr_assert_eq(summary().parked, CORE_PARKED_MAX);
    cr_assert_eq(summary().lost, 1);
    cr_assert_not(core_delivery_get(core, HOOK, 1, &delivery));
    cr_assert(core_delivery_get(core, HOOK, 2, &delivery));
    cr_assert(core_delivery_get(core, HOOK, CORE_PARKED_MAX + 1, &delivery));
}

/*
 * Deliveries of events to hooks: what a hook is shown, what is next, what an end leaves behind, and
 * that all of it survives a restart at any record.
 */
#include "stage.h"

#include <core/delivery.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOW CORE_EVENT_BIT(CREDITS_LOW)
#define ALL ((1u << CORE_EVENT_COUNT_) - 1)
#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define HOOK 4u

static struct stage stage;
static struct core_hook_policy policy;

static void set_policy(unsigned hook)
{
    cr_assert_eq(core_hook_set_policy(stage.core, hook, &policy, stage.now), 0);
}

static void set_up(void)
{
    stage_init(&stage, NULL);
    policy = (struct core_hook_policy){.types = ALL,
                                       .concurrency = 4,
                                       .delay_min = SECOND,
                                       .delay_max = 10 * SECOND,
                                       .park_after = 60 * SECOND};
    set_policy(HOOK);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(delivery, .init = set_up, .fini = tear_down);

static void restart_with(size_t records)
{
    stage_restart_with(&stage, records);
    set_policy(HOOK);
}

/* `count` events of one record. */
static void raise_many(const char *customer, enum core_event_type type, size_t count)
{
    static const struct core_event_data none;
    struct core_event_data events[CORE_EVENTS_MAX];
    uint64_t sequence;

    for (size_t i = 0; i < count; i++) {
        events[i] = none;
        events[i].type = type;
        events[i].customer = stage_text(customer);
    }
    struct core_object_change change = {.events = events, .event_count = count};
    cr_assert_eq(core_object_change(stage.core, &change, stage.now, &sequence), 0);
}

static void raise_of(const char *customer)
{
    raise_many(customer, CORE_EVENT_CREDITS_LOW, 1);
}

/* How many it was shown. */
static uint64_t show(unsigned hook)
{
    uint64_t from, through, count = 0;

    while (core_hook_wants(stage.core, hook, stage.count, &from, &through)) {
        cr_assert_leq(through - from, 255);
        for (; from <= through; from++, count++) {
            struct core_event event;
            cr_assert_eq(core_event_get(stage.core, from, &event), CORE_OK);
            int r = core_hook_show(stage.core, hook, &event, stage.now);
            if (r == -ESTALE && count > 0)
                break; /* it has enough of these */
            cr_assert_eq(r, 0);
        }
    }
    return count;
}

static struct core_delivery next(void)
{
    struct core_delivery delivery;

    show(HOOK);
    cr_assert(core_next_delivery(stage.core, stage.now, &delivery), "none is next");
    cr_assert_eq(delivery.state, CORE_DELIVERY_RUNNING);
    return delivery;
}

static void expect(uint64_t number, uint32_t attempt)
{
    struct core_delivery delivery = next();

    cr_assert_eq(delivery.number, number, "%llu is next, not %llu",
                 (unsigned long long)delivery.number, (unsigned long long)number);
    cr_assert_eq(delivery.attempt, attempt, "attempt %u", delivery.attempt);
}

static void expect_none(void)
{
    struct core_delivery delivery;

    show(HOOK);
    cr_assert_not(core_next_delivery(stage.core, stage.now, &delivery), "%llu is next",
                  (unsigned long long)delivery.number);
}

static void end(uint64_t number, enum core_delivery_end how)
{
    const char *what = NULL;

    cr_assert_eq(
        core_delivery_done(stage.core, HOOK, number, how, 3, stage_text("said no"), stage.now),
        CORE_OK);
    cr_assert_eq(core_check(stage.core, &what), 0, "%s", what);
}

static struct core_hook_summary summary(void)
{
    struct core_hook_summary result;

    cr_assert(core_hook_summary(stage.core, HOOK, &result));
    return result;
}

/* The states of all deliveries, in order: "1w 2r". */
static void expect_states(const char *expected)
{
    static const char letters[] = " wrfpb";
    struct core_delivery delivery;
    char text[200] = "";
    size_t length = 0;

    for (size_t position = 0; core_each_delivery(stage.core, HOOK, &position, &delivery);)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%llu%c",
                                   length > 0 ? " " : "", (unsigned long long)delivery.number,
                                   letters[delivery.state]);
    cr_assert_str_eq(text, expected);
}

/* --- showing --- */

Test(delivery, a_hook_begins_with_the_next_event)
{
    raise_of("cus_a");
    set_policy(1); /* a new one: not told of what was before */
    raise_of("cus_b");
    cr_assert_eq(show(1), 1);
    struct core_delivery delivery = next();
    cr_assert_eq(delivery.hook, 1);
    cr_assert_eq(delivery.number, 2);
    expect(1, 1); /* of the one that was there before */
}

Test(delivery, a_hook_keeps_its_place_while_it_is_not_configured)
{
    raise_of("cus_a");
    expect(1, 1);
    end(1, CORE_DELIVERY_OK);
    policy.types = 0;
    restart_with(stage.count);
    raise_of("cus_a");
    expect_none();
    policy.types = ALL;
    restart_with(stage.count);
    expect(2, 1);
}

Test(delivery, events_of_other_types_are_passed)
{
    policy.types = LOW;
    set_policy(HOOK);
    raise_many("cus_a", CORE_EVENT_CUSTOMER_UPDATED, 3);
    raise_of("cus_a");
    raise_many("cus_a", CORE_EVENT_CUSTOMER_UPDATED, 3);
    expect(4, 1);
    expect_none();
    end(4, CORE_DELIVERY_OK);
    cr_assert_eq(summary().number, 7);
    size_t records = stage.count;
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 8);
    stage_later(&stage, HOUR);
    cr_assert_eq(stage.count, records, "a place that has not moved was recorded");
    stage_restart(&stage);
    set_policy(HOOK);
    cr_assert_eq(show(HOOK), 0);
}

Test(delivery, a_place_that_moves_without_deliveries_is_recorded)
{
    policy.types = LOW;
    set_policy(HOOK);
    for (int i = 0; i < 2; i++)
        raise_many("cus_a", CORE_EVENT_CUSTOMER_UPDATED, 200);
    size_t records = stage.count;
    cr_assert_eq(show(HOOK), 400);
    cr_assert_eq(stage.count, records + 1);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 257);
    cr_assert_eq(core_wakeup(stage.core), stage.now + HOUR);
    stage_later(&stage, HOUR);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 401);
    restart_with(records);
    cr_assert_eq(show(HOOK), 400, "what was not recorded is shown again");
}

Test(delivery, what_is_not_durable_is_not_shown)
{
    uint64_t from, through;

    raise_of("cus_a");
    size_t durable = stage.count;
    raise_of("cus_a");
    cr_assert(core_hook_wants(stage.core, HOOK, durable, &from, &through));
    cr_assert_eq(through, 1);
    cr_assert_not(core_hook_wants(stage.core, HOOK, durable - 1, &from, &through));
}

Test(delivery, what_is_gone_is_skipped)
{
    struct core_event event;
    uint64_t from, through;

    for (int i = 0; i < 3; i++)
        raise_of("cus_a");
    cr_assert_eq(core_event_get(stage.core, 2, &event), CORE_OK);
    cr_assert_eq(core_hook_show(stage.core, HOOK, &event, stage.now), -ESTALE, "out of turn");
    cr_assert_eq(core_hook_skip(stage.core, HOOK, 2, stage.now), 0);
    cr_assert(core_hook_wants(stage.core, HOOK, stage.count, &from, &through));
    cr_assert_eq(from, 3);
    expect(3, 1);
}

/* --- order --- */

Test(delivery, one_at_a_time_for_a_customer_side_by_side_for_others)
{
    raise_of("cus_a");
    raise_of("cus_a");
    raise_of("cus_b");
    raise_of(""); /* of nobody: a customer of its own */
    expect(1, 1);
    expect(3, 1);
    expect(4, 1);
    expect_none();
    expect_states("1r 2w 3r 4r");
    end(1, CORE_DELIVERY_OK);
    expect(2, 1);
}

Test(delivery, so_many_at_a_time)
{
    char customer[16];

    for (int i = 0; i < 6; i++) {
        snprintf(customer, sizeof(customer), "cus_%d", i);
        raise_of(customer);
    }
    for (uint64_t i = 1; i <= 4; i++)
        expect(i, 1);
    expect_none();
    end(2, CORE_DELIVERY_OK);
    expect(5, 1);
    expect_none();
}

Test(delivery, hooks_take_turns)
{
    policy.types = LOW;
    set_policy(3);
    for (int i = 0; i < 4; i++)
        raise_of("cus_a"), raise_of("cus_b");
    show(3);
    unsigned hooks = 0;
    for (int i = 0; i < 2; i++)
        hooks |= 1u << next().hook;
    cr_assert_eq(hooks, 1u << 3 | 1u << HOOK);
}

Test(delivery, what_ended_before_others_is_not_delivered_again)
{
    raise_of("cus_a");
    raise_of("cus_b");
    raise_of("cus_a");
    raise_of("cus_c");
    expect(1, 1);
    expect(2, 1);
    expect(4, 1);
    end(4, CORE_DELIVERY_OK);
    expect_states("1r 2r 3w");
    cr_assert_eq(summary().number, 4);
    restart_with(stage.count);
    expect_states("1w 2w 3w");
    cr_assert_eq(show(HOOK), 0);
    expect(1, 1);
    expect(2, 1);
    expect_none();
}

/* --- failures --- */

Test(delivery, failures_are_tried_again_after_growing_delays)
{
    static const int64_t delays[] = {1, 2, 4, 8, 10, 10};
    struct core_delivery delivery;

    raise_of("cus_a");
    raise_of("cus_a");
    int64_t begun = stage.now;
    for (uint32_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
        expect(1, i + 1);
        end(1, CORE_DELIVERY_FAILURE);
        size_t position = 0;
        cr_assert(core_each_delivery(stage.core, HOOK, &position, &delivery));
        cr_assert_eq(delivery.state, CORE_DELIVERY_FAILED);
        cr_assert_eq(delivery.first_failed_at, begun);
        cr_assert_eq(delivery.due_at, stage.now + delays[i] * SECOND, "%lld",
                     (long long)(delivery.due_at - stage.now));
        cr_assert_eq(delivery.status, 3);
        cr_assert_str_eq(delivery.message, "said no");
        expect_none();
        if (i == 2)
            restart_with(stage.count);
        cr_assert_eq(core_wakeup(stage.core), delivery.due_at);
        stage_later(&stage, delays[i] * SECOND - 1);
        expect_none();
        stage_later(&stage, 1);
        cr_assert_gt(core_wakeup(stage.core), stage.now, "it would be woken for ever");
    }
    cr_assert_eq(summary().failures, 3, "since the start");
}

Test(delivery, what_fails_for_too_long_is_parked_and_holds_nobody_up)
{
    raise_of("cus_a");
    raise_of("cus_a");
    for (uint32_t attempt = 1; summary().parked == 0; attempt++) {
        expect(1, attempt);
        end(1, CORE_DELIVERY_FAILURE);
        if (summary().parked == 0)
            stage_wake(&stage, 10 * SECOND);
    }
    struct core_delivery delivery;
    size_t position = 0;
    cr_assert(core_each_delivery(stage.core, HOOK, &position, &delivery));
    cr_assert_geq(stage.now - delivery.first_failed_at, 60 * SECOND);
    expect_states("1p 2w");
    restart_with(stage.count);
    expect(2, 1);
    end(2, CORE_DELIVERY_OK);
    expect_states("1p");
    expect_none();
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 1, "its record is still needed");
}

Test(delivery, parked_at_the_first_failure_or_never)
{
    policy.park_after = 0;
    set_policy(HOOK);
    raise_of("cus_a");
    expect(1, 1);
    end(1, CORE_DELIVERY_FAILURE);
    expect_states("1p");
    policy.park_after = -1;
    set_policy(HOOK);
    raise_of("cus_a");
    expect(2, 1);
    end(2, CORE_DELIVERY_FAILURE);
    stage_later(&stage, 1000 * DAY);
    expect(2, 2);
    end(2, CORE_DELIVERY_FAILURE);
    expect_states("1p 2f");
}

Test(delivery, what_vanished_is_tried_again_at_once)
{
    raise_of("cus_a");
    raise_of("cus_a");
    expect(1, 1);
    size_t records = stage.count;
    end(1, CORE_DELIVERY_GONE);
    cr_assert_eq(stage.count, records);
    expect(1, 1);
    end(1, CORE_DELIVERY_FAILURE);
    stage_later(&stage, SECOND);
    expect(1, 2);
    end(1, CORE_DELIVERY_GONE);
    expect(1, 2);
    cr_assert_eq(summary().failures, 1);
    end(1, CORE_DELIVERY_OK);
    expect(2, 1);
}

Test(delivery, what_the_helper_dies_of_is_a_failure_in_the_end)
{
    raise_of("cus_a");
    for (int i = 0; i < 2; i++) {
        expect(1, 1);
        end(1, CORE_DELIVERY_GONE);
        expect(1, 1);
        end(1, CORE_DELIVERY_UNTRIED); /* says nothing about it */
    }
    expect(1, 1);
    end(1, CORE_DELIVERY_GONE);
    struct core_delivery delivery;
    cr_assert(core_delivery_get(stage.core, HOOK, 1, &delivery));
    cr_assert_eq(delivery.state, CORE_DELIVERY_FAILED);
    cr_assert_str_eq(delivery.message, "said no");
    expect_none();
    stage_later(&stage, SECOND);
    expect(1, 2);
    end(1, CORE_DELIVERY_GONE); /* counted anew */
    expect(1, 2);
}

Test(delivery, what_can_never_be_delivered_is_over)
{
    raise_of("cus_a");
    raise_of("cus_a");
    expect(1, 1);
    end(1, CORE_DELIVERY_LOST);
    expect(2, 1);
    cr_assert(summary().lost == 1 && summary().delivered == 0);
    restart_with(stage.count);
    expect(2, 1);
}

Test(delivery, only_what_is_under_way_ends)
{
    raise_of("cus_a");
    show(HOOK);
    struct core_text none = stage_text("");
    for (uint64_t number = 0; number < 3; number++)
        cr_assert_eq(
            core_delivery_done(stage.core, HOOK, number, CORE_DELIVERY_OK, 0, none, stage.now),
            CORE_NOT_FOUND);
    cr_assert_eq(core_delivery_done(stage.core, 7, 1, CORE_DELIVERY_OK, 0, none, stage.now),
                 CORE_NOT_FOUND);
    cr_assert_eq(core_delivery_done(stage.core, 99, 1, CORE_DELIVERY_OK, 0, none, stage.now),
                 CORE_NOT_FOUND);
}

Test(delivery, messages_are_one_line_and_cut_between_characters)
{
    char message[210] = "";
    struct core_delivery delivery;
    size_t position = 0;

    for (int i = 0; i < 100; i++)
        memcpy(message + 2 * i, "\u00e9", 2);
    raise_of("cus_a");
    expect(1, 1);
    cr_assert_eq(core_delivery_done(stage.core, HOOK, 1, CORE_DELIVERY_FAILURE, -1,
                                    stage_text(message), stage.now),
                 CORE_OK);
    cr_assert(core_each_delivery(stage.core, HOOK, &position, &delivery));
    cr_assert_eq(strlen(delivery.message), 102);
    cr_assert_eq(delivery.status, -1);
    stage_later(&stage, SECOND);
    expect(1, 2);
    cr_assert_eq(core_delivery_done(stage.core, HOOK, 1, CORE_DELIVERY_FAILURE, 0,
                                    (struct core_text){"a\nb\0c\x7f\x1b[0m", 10}, stage.now),
                 CORE_OK);
    cr_assert(core_delivery_get(stage.core, HOOK, 1, &delivery));
    cr_assert_str_eq(delivery.message, "a b c  [0m", "not one plain line");
}

/* --- bounds --- */

Test(delivery, one_customers_backlog_holds_no_other_up)
{
    for (int i = 0; i < 3; i++)
        raise_many("cus_a", CORE_EVENT_CREDITS_LOW, 200);
    raise_of("cus_b");
    cr_assert_eq(show(HOOK), 200);
    expect(1, 1);
    expect_none(); /* a few get rows, the customer is behind, and the window moves on */
    expect(601, 1);
    end(601, CORE_DELIVERY_OK);
    expect_states("1r 2w 3w 4w 5b");
    cr_assert_eq(summary().behind, 1);
    cr_assert_eq(summary().waiting, 3);
    restart_with(stage.count);
    expect(1, 1);
    cr_assert_eq(show(HOOK), 0, "601 was shown again");
    expect_states("1r 2w 3w 4w 5b");
}

static void work_off(uint64_t from, uint64_t through)
{
    for (; from <= through; from++) {
        expect(from, 1);
        end(from, CORE_DELIVERY_OK);
    }
}

Test(delivery, who_was_behind_catches_up_in_order)
{
    raise_many("cus_a", CORE_EVENT_CREDITS_LOW, 200);
    raise_many("cus_a", CORE_EVENT_CREDITS_LOW, 50);
    expect(1, 1);
    expect_none();
    raise_of("cus_b");
    raise_of("cus_a"); /* 252: not kept, too */
    expect(251, 1);
    end(251, CORE_DELIVERY_OK);
    end(1, CORE_DELIVERY_OK);
    work_off(2, 100);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 101);
    restart_with(stage.count);
    work_off(101, 250);
    work_off(252, 252);
    expect_states("");
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 253);
    restart_with(stage.count);
    expect_none();
    raise_of("cus_a");
    work_off(253, 253);
}

Test(delivery, what_fails_while_behind_is_tried_before_the_rest)
{
    uint64_t sequence;

    raise_many("cus_a", CORE_EVENT_CREDITS_LOW, 200);
    expect(1, 1);
    expect_none();
    end(1, CORE_DELIVERY_OK);
    work_off(2, 6);
    expect(7, 1);
    end(7, CORE_DELIVERY_FAILURE);
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 9, 7, stage.now, &sequence), CORE_OK);
    restart_with(stage.count);
    show(HOOK);
    expect_states("7f 8w 10b");
    stage_later(&stage, SECOND);
    expect(7, 2);
    end(7, CORE_DELIVERY_OK);
    work_off(8, 8);
    work_off(10, 200);
    expect_states("");
}

static void park_many(uint64_t count)
{
    struct core_delivery delivery;

    policy.park_after = 0;
    set_policy(HOOK);
    for (uint64_t i = 0; i < count; i++) {
        if (i % 200 == 0)
            raise_many("cus_a", CORE_EVENT_CREDITS_LOW, count - i < 200 ? count - i : 200);
        do
            show(HOOK);
        while (!core_next_delivery(stage.core, stage.now, &delivery));
        cr_assert_eq(core_delivery_done(stage.core, HOOK, delivery.number, CORE_DELIVERY_FAILURE, 1,
                                        stage_text("no"), stage.now),
                     CORE_OK);
    }
}

/* --- a ledger that refuses --- */

static struct core_sink real_sink;
static int sink_error;

static int refusing_append(void *userdata, size_t size, int use_reserve, uint8_t **ret_buffer,
                           uint64_t *ret_sequence, uint64_t *ret_place)
{
    if (sink_error < 0)
        return sink_error;
    return real_sink.append(userdata, size, use_reserve, ret_buffer, ret_sequence, ret_place);
}

Test(delivery, an_end_that_cannot_be_recorded_is_recorded_later)
{
    real_sink = stage.options.sink;
    stage.options.sink.append = refusing_append;
    restart_with(stage.count);
    raise_of("cus_a");
    raise_of("cus_a");
    raise_of("cus_b");
    expect(1, 1);
    expect(3, 1);
    sink_error = -ENOSPC;
    cr_assert_eq(
        core_delivery_done(stage.core, HOOK, 1, CORE_DELIVERY_OK, 0, stage_text(""), stage.now),
        -ENOSPC);
    cr_assert_eq(core_delivery_done(stage.core, HOOK, 3, CORE_DELIVERY_FAILURE, 0, stage_text(""),
                                    stage.now),
                 -ENOSPC);
    expect_none(); /* neither again, nor what comes after */
    stage_wake(&stage, SECOND);
    stage_wake(&stage, SECOND);
    expect_none();
    sink_error = 0;
    stage_wake(&stage, SECOND);
    expect_states("2w 3f");
    expect(2, 1);
    end(2, CORE_DELIVERY_OK);
    stage_later(&stage, SECOND);
    expect(3, 2);
}

Test(delivery, a_hook_that_cannot_be_recorded_is_not_there)
{
    real_sink = stage.options.sink;
    stage.options.sink.append = refusing_append;
    restart_with(stage.count);
    sink_error = -ENOSPC;
    cr_assert_eq(core_hook_set_policy(stage.core, 2, &policy, stage.now), -ENOSPC);
    struct core_hook_summary result;
    cr_assert_not(core_hook_summary(stage.core, 2, &result));
    cr_assert_eq(core_hook_set_policy(stage.core, 99, &policy, stage.now), -EINVAL);
    sink_error = 0;
}

/* --- operators --- */

Test(delivery, retry_begins_anew)
{
    uint64_t sequence;

    policy.park_after = 0;
    set_policy(HOOK);
    raise_of("cus_a");
    raise_of("cus_a");
    expect(1, 1);
    cr_assert_eq(core_delivery_retry(stage.core, HOOK, 1, 7, stage.now, &sequence),
                 CORE_MAY_HAVE_RUN);
    end(1, CORE_DELIVERY_FAILURE);
    expect(2, 1);
    cr_assert_eq(core_delivery_retry(stage.core, HOOK, 9, 7, stage.now, &sequence), CORE_NOT_FOUND);
    cr_assert_eq(core_delivery_retry(stage.core, 7, 1, 7, stage.now, &sequence), CORE_NOT_FOUND);
    cr_assert_eq(core_delivery_retry(stage.core, HOOK, 1, 7, stage.now, &sequence), CORE_OK);
    cr_assert_eq(sequence, stage.count);
    struct record record;
    cr_assert_eq(record_decode(stage.records[stage.count - 1].bytes,
                               stage.records[stage.count - 1].size, &record),
                 0);
    cr_assert_eq(record.header.uid, 7);
    expect_none(); /* a later one of its customer is under way */
    end(2, CORE_DELIVERY_GONE);
    expect(1, 1);
    expect_states("1r 2w");
    restart_with(stage.count);
    expect(1, 1);
    end(1, CORE_DELIVERY_OK);
    expect(2, 1);
}

Test(delivery, retry_of_all)
{
    uint64_t sequence;

    policy.park_after = 0;
    set_policy(HOOK);
    cr_assert_eq(core_delivery_retry(stage.core, HOOK, 0, 7, stage.now, &sequence), CORE_NOT_FOUND);
    for (uint64_t i = 1; i <= 3; i++) {
        raise_of("cus_a");
        expect(i, 1);
        end(i, CORE_DELIVERY_FAILURE);
    }
    policy.park_after = -1;
    set_policy(HOOK);
    raise_of("cus_b");
    expect(4, 1);
    end(4, CORE_DELIVERY_FAILURE);
    expect_states("1p 2p 3p 4f");
    cr_assert_eq(core_delivery_retry(stage.core, HOOK, 0, 7, stage.now, &sequence), CORE_OK);
    expect_states("1w 2w 3w 4w");
    expect(4, 1);
    expect(1, 1);
    end(1, CORE_DELIVERY_OK);
    expect(2, 1);
}

Test(delivery, drop)
{
    uint64_t sequence;

    for (int i = 0; i < 4; i++)
        raise_of("cus_a");
    expect(1, 1);
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 1, 7, stage.now, &sequence),
                 CORE_MAY_HAVE_RUN);
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 3, 7, stage.now, &sequence), CORE_OK);
    expect_states("1r 2w 4w");
    end(1, CORE_DELIVERY_FAILURE);
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 1, 7, stage.now, &sequence), CORE_OK);
    restart_with(stage.count);
    expect(2, 1);
    expect_states("2r 4w");
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 4, 7, stage.now, &sequence), CORE_OK);
    expect_states("2r");
    end(2, CORE_DELIVERY_OK);
    expect_none();
    restart_with(stage.count);
    expect_none();
}

Test(delivery, drop_of_all_that_is_parked)
{
    uint64_t sequence;

    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 0, 7, stage.now, &sequence), CORE_NOT_FOUND);
    park_many(450);
    raise_of("cus_a");
    raise_of("cus_a");
    expect(451, 1);
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 0, 7, stage.now, &sequence), CORE_OK);
    cr_assert_eq(sequence, stage.count);
    expect_states("451r 452w");
    restart_with(stage.count);
    expect(451, 1);
    expect_states("451r 452w");
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 0, 7, stage.now, &sequence), CORE_NOT_FOUND);
}

/* --- time --- */

Test(delivery, what_is_old_or_nobodys_pins_no_records)
{
    park_many(1);
    raise_many("cus_a", CORE_EVENT_CREDITS_LOW, 200);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 1);
    policy.park_after = -1;
    policy.delay_min = policy.delay_max = 10 * DAY;
    set_policy(HOOK);
    expect(2, 1);
    expect_none();
    end(2, CORE_DELIVERY_FAILURE);
    cr_assert_eq(core_event_needed(stage.core, stage.now + DAY, DAY), 1);
    stage_later(&stage, DAY + 1);
    raise_of("cus_b");
    expect(202, 1);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 202, "old ones");
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY + 1), 1);
    policy.types = 0;
    set_policy(HOOK);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY + 1), UINT64_MAX, "nobody's");
}

Test(delivery, a_hook_that_nobody_configures_is_forgotten)
{
    struct core_hook_summary result;

    park_many(450);
    raise_many("cus_a", CORE_EVENT_CREDITS_LOW, 200);
    expect(451, 1);
    expect_none();
    policy.park_after = -1;
    set_policy(HOOK);
    end(451, CORE_DELIVERY_FAILURE);
    policy.types = 0;
    set_policy(HOOK);
    stage_later(&stage, CORE_HOOK_FORGET_MS - 1);
    cr_assert_eq(summary().failed, 1);
    stage_later(&stage, 1);
    size_t half = stage.count;
    while (core_hook_summary(stage.core, HOOK, &result))
        stage_wake(&stage, 0);
    cr_assert_gt(stage.count, half + 1, "in one step");
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), UINT64_MAX);
    size_t all = stage.count;
    policy.types = ALL;
    restart_with(all);
    cr_assert_eq(show(HOOK), 0, "it begins with the next event");
    restart_with(half); /* died in the middle */
    policy.types = 0;
    set_policy(HOOK);
    while (core_hook_summary(stage.core, HOOK, &result))
        stage_wake(&stage, 0);
}

Test(delivery, a_hook_without_events_is_not_forgotten)
{
    struct core_hook_summary result;

    stage_later(&stage, CORE_HOOK_FORGET_MS - DAY);
    stage_later(&stage, 2 * DAY);
    policy.types = 0;
    restart_with(stage.count);
    stage_later(&stage, DAY);
    cr_assert(core_hook_summary(stage.core, HOOK, &result));
}

/* --- rows --- */

Test(delivery, bad_rows_are_refused)
{
    struct delivery_image good = {.state = CORE_DELIVERY_FAILED, .attempt = 1}, image;
    uint8_t key[9] = {HOOK, 0, 0, 0, 0, 0, 0, 0, 1};
    struct hook_image hook = {0};

    stage_restart(&stage);
#define ROW(table, key_length, value, length)                                                      \
    core_load_row(stage.core, TABLE_##table, key, key_length, value, length)
    cr_assert_eq(ROW(DELIVERY, 9, &good, sizeof(good)), 0);
    cr_assert_eq(ROW(DELIVERY, 8, &good, sizeof(good)), -EBADMSG);
    cr_assert_eq(ROW(DELIVERY, 9, &good, sizeof(good) - 1), -EBADMSG);
    cr_assert_eq(ROW(DELIVERY, 9, &good, 1), -EBADMSG);
    image = good, image.state = CORE_DELIVERY_BEHIND;
    cr_assert_eq(ROW(DELIVERY, 9, &image, sizeof(image)), -EBADMSG);
    image = good, image.state = CORE_DELIVERY_BEHIND + 1;
    cr_assert_eq(ROW(DELIVERY, 9, &image, sizeof(image)), -EBADMSG);
    image = good, image.after = 1;
    cr_assert_eq(ROW(DELIVERY, 9, &image, sizeof(image)), -EBADMSG);
    image = good, image.state = 0;
    cr_assert_eq(ROW(DELIVERY, 9, &image, sizeof(image)), -EBADMSG);
    image = good, image.attempt = 0;
    cr_assert_eq(ROW(DELIVERY, 9, &image, sizeof(image)), -EBADMSG);
    image = good, image.customer_length = 1;
    cr_assert_eq(ROW(DELIVERY, 9, &image, sizeof(image)), -EBADMSG);
    image = good, memset(image.message, 'a', sizeof(image.message));
    cr_assert_eq(ROW(DELIVERY, 9, &image, sizeof(image)), -EBADMSG);
    cr_assert_eq(ROW(DELIVERY, 9, NULL, 0), 0);
    cr_assert_eq(ROW(HOOK, 2, &hook, sizeof(hook)), -EBADMSG);
    cr_assert_eq(ROW(HOOK, 1, &hook, sizeof(hook) + 1), -EBADMSG);
    cr_assert_eq(ROW(HOOK, 1, &hook, sizeof(hook)), 0);
    key[0] = CORE_HOOKS_MAX;
    cr_assert_eq(ROW(HOOK, 1, &hook, sizeof(hook)), -EBADMSG);
    cr_assert_eq(ROW(DELIVERY, 9, &good, sizeof(good)), -EBADMSG);
#undef ROW
}

/* --- restarts --- */

/* A history with everything in it; *ret_ended gets the record after which each event was over. */
static void play(size_t ret_ended[8])
{
    uint64_t sequence;

    for (int i = 0; i < 3; i++)
        raise_of("cus_a"), raise_of("cus_b");
    expect(1, 1), expect(2, 1);
    end(2, CORE_DELIVERY_OK), ret_ended[2] = stage.count;
    expect(4, 1);
    end(4, CORE_DELIVERY_FAILURE);
    end(1, CORE_DELIVERY_OK), ret_ended[1] = stage.count;
    expect(3, 1);
    end(3, CORE_DELIVERY_GONE);
    expect(3, 1);
    stage_later(&stage, SECOND);
    expect(4, 2);
    end(4, CORE_DELIVERY_FAILURE);
    end(3, CORE_DELIVERY_OK), ret_ended[3] = stage.count;
    cr_assert_eq(core_delivery_drop(stage.core, HOOK, 4, 7, stage.now, &sequence), CORE_OK);
    ret_ended[4] = stage.count;
    expect(5, 1), expect(6, 1);
    end(6, CORE_DELIVERY_FAILURE);
    end(5, CORE_DELIVERY_OK), ret_ended[5] = stage.count;
    stage_later(&stage, SECOND);
    expect(6, 2);
    end(6, CORE_DELIVERY_OK), ret_ended[6] = stage.count;
    raise_of("cus_a");
    expect(7, 1);
    end(7, CORE_DELIVERY_OK), ret_ended[7] = stage.count;
}

Test(delivery, what_is_over_stays_over_and_the_rest_is_delivered)
{
    size_t ended[8] = {0}, all;

    play(ended);
    all = stage.count;
    for (size_t records = all; records >= 7; records--) { /* all but the last event is there */
        restart_with(records);
        unsigned seen = 0;
        struct core_delivery delivery;
        for (;;) {
            show(HOOK);
            if (!core_next_delivery(stage.core, stage.now, &delivery)) {
                if (summary().failed == 0)
                    break;
                stage_wake(&stage, 10 * SECOND);
                continue;
            }
            seen |= 1u << delivery.number;
            end(delivery.number, CORE_DELIVERY_OK);
        }
        for (unsigned number = 1; number <= 6; number++)
            cr_assert_eq(seen >> number & 1, ended[number] > records,
                         "event %u after a restart with %zu of %zu records", number, records, all);
        expect_states("");
    }
}

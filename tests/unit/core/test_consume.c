/*
 * Spending: rounding, shortage, crossings, offline limits, and repeated requests (K1 to K3).
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define DAY INT64_C(86400000)

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage, NULL);
    stage_know(&stage, "cus_a", "prod_a", 10, 100);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(consume, .init = set_up, .fini = tear_down);

Test(credits, table)
{
    static const struct {
        int64_t raw, units, credits;
    } table[] = {{1, 1, 1},
                 {1, 10, 1},
                 {9, 10, 1},
                 {10, 10, 1},
                 {11, 10, 2},
                 {25, 10, 3},
                 {1000, 1000, 1},
                 {(INT64_C(1) << 53) - 1, 1, (INT64_C(1) << 53) - 1},
                 {(INT64_C(1) << 53) - 1, 2, INT64_C(1) << 52},
                 {1, INT64_MAX, 1},
                 {(INT64_C(1) << 53) - 1, INT64_MAX, 1}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        cr_expect_eq(core_credits(table[i].raw, table[i].units), table[i].credits, "row %zu", i);
}

Test(consume, deducts_and_says_so)
{
    struct core_consumed consumed;
    cr_assert_eq(stage_consume(&stage, "cus_a", "prod_a", 25, &consumed), CORE_OK);
    cr_expect_eq(consumed.credits, 3);
    cr_expect_eq(consumed.balance_after, 97);
    cr_expect_eq(consumed.balance.available, 97);
    cr_expect_eq(consumed.balance.pending, 3);
    cr_expect_eq(consumed.balance.upstream, 100);
    cr_expect_eq(consumed.sequence, stage.count);
    cr_expect_geq(consumed.balance.reveals, consumed.sequence);
    cr_expect(!consumed.replayed);
    cr_expect_eq(stage_records_of(&stage, RECORD_CONSUME), 1);
}

Test(consume, refuses_what_is_not_there_and_changes_nothing)
{
    struct core_consumed consumed;
    size_t records = stage.count;
    cr_assert_eq(stage_consume(&stage, "cus_a", "prod_a", 1001, &consumed), CORE_INSUFFICIENT);
    cr_expect_eq(consumed.credits, 101);
    cr_expect_eq(consumed.balance.available, 100);
    cr_expect_eq(stage.count, records);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1000, &consumed), CORE_OK);
    cr_expect_eq(consumed.balance.available, 0);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_INSUFFICIENT);
    cr_expect_eq(stage_balance(&stage, "cus_a", "prod_a").available, 0);
}

Test(consume, J6_nothing_happens_when_the_record_has_no_room)
{
    struct core_consumed consumed;
    struct core_consume command = stage_command("cus_a", "prod_a", 10);
    command.repeat = CORE_REPEAT_KEY;
    command.key = (struct core_text){"k", 1};
    stage.append_error = -ENOSPC;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), -ENOSPC);
    cr_expect_eq(stage_balance(&stage, "cus_a", "prod_a").available, 100);
    stage.append_error = 0;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    cr_expect(!consumed.replayed);
}

Test(consume, low_is_told_once_and_again_after_recovering)
{
    struct exchange exchange;
    stage_spend(&stage, "cus_a", "prod_a", 890); /* 11 left */
    cr_expect_eq(stage.events, 0);
    stage_spend(&stage, "cus_a", "prod_a", 10);
    cr_expect_eq(stage.events, CORE_EVENT_BIT(CREDITS_LOW));
    stage_spend(&stage, "cus_a", "prod_a", 10);
    cr_expect_eq(stage.event_count, 1);

    stage_later(&stage, 1000);
    exchange = stage_next(&stage, EXCHANGE_PUSH);
    stage_end_push(&stage, &exchange, 91, 500); /* topped up meanwhile */
    cr_expect_eq(stage.events, CORE_EVENT_BIT(CREDITS_LOW) | CORE_EVENT_BIT(CREDITS_RECOVERED));
    stage_spend(&stage, "cus_a", "prod_a", 4950);
    cr_expect_eq(stage.event_count, 3);
}

Test(consume, exhausted_is_told_at_zero)
{
    stage_spend(&stage, "cus_a", "prod_a", 1000);
    cr_expect_eq(stage.events, CORE_EVENT_BIT(CREDITS_LOW) | CORE_EVENT_BIT(CREDITS_EXHAUSTED));
    cr_expect_eq(stage.event_count, 2);
}

Test(consume, overdrawn_is_told_when_it_was_spent_elsewhere)
{
    struct exchange exchange;
    struct core_consumed consumed;
    stage_spend(&stage, "cus_a", "prod_a", 500);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    stage_end(&stage, &exchange, EXCHANGE_INSUFFICIENT);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end_balance(&stage, &exchange, 20, 80);
    cr_expect(stage.events & CORE_EVENT_BIT(CREDITS_OVERDRAWN));
    cr_expect_eq(stage_balance(&stage, "cus_a", "prod_a").available, -30);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_INSUFFICIENT);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 70000); /* what is there is pushed */
    cr_expect_eq(exchange.amount, 200);
}

Test(consume, flags_survive_a_restart)
{
    stage_spend(&stage, "cus_a", "prod_a", 910);
    cr_expect_eq(stage.event_count, 1);
    stage_restart(&stage);
    stage_spend(&stage, "cus_a", "prod_a", 10);
    cr_expect_eq(stage.event_count, 1);
    cr_expect_eq(stage_balance(&stage, "cus_a", "prod_a").pending, 92);
}

/* --- offline limits --- */

Test(offline, spend_is_limited_until_upstream_is_heard)
{
    struct core_policy policy = stage_policy();
    struct core_consumed consumed;
    policy.max_offline_spend = 5;
    stage_init(&stage, &policy);
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 5, &consumed), CORE_OK);
    /* Nothing says that this is offline: upstream is asked before anybody is refused. */
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_COLD);
    struct exchange exchange = stage_await(&stage, EXCHANGE_BALANCE, 0);
    stage_end(&stage, &exchange, EXCHANGE_UNANSWERED);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_OFFLINE_LIMIT);
    cr_expect_eq(consumed.credits, 1);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 2000);
    stage_end_balance(&stage, &exchange, 100, 0);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 5, &consumed), CORE_OK);
    stage_deinit(&stage);
}

Test(offline, what_no_reading_can_allow_asks_for_none)
{
    struct core_policy policy = stage_policy();
    struct core_consumed consumed;
    policy.max_offline_spend = 5;
    stage_init(&stage, &policy);
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 6, &consumed), CORE_OFFLINE_LIMIT);
    stage_idle(&stage);
    stage_deinit(&stage);
}

Test(offline, time_is_limited_until_upstream_is_heard)
{
    struct core_policy policy = stage_policy();
    struct core_consumed consumed;
    policy.max_offline_time = 30000;
    stage_init(&stage, &policy);
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    stage_later(&stage, 30000);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_OK);
    stage_later(&stage, 1);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_COLD);
    struct exchange exchange = stage_await(&stage, EXCHANGE_BALANCE, 0);
    stage_end(&stage, &exchange, EXCHANGE_UNANSWERED);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_OFFLINE_LIMIT);
    cr_expect(stage_balance(&stage, "cus_a", "prod_a").synced_at == STAGE_NOW);
    stage_deinit(&stage);
}

/* --- repeated requests --- */

static struct core_consume stamped(uint64_t counter, int64_t age)
{
    struct core_consume command = stage_command("cus_a", "prod_a", 10);
    uint64_t made = (uint64_t)(STAGE_NOW - age);
    command.repeat = CORE_REPEAT_STAMP;
    command.counter = counter;
    for (int i = 0; i < 6; i++)
        command.client_id[i] = (uint8_t)(made >> (8 * (5 - i)));
    command.client_id[10] = 77;
    return command;
}

static struct core_consume keyed(const char *key)
{
    struct core_consume command = stage_command("cus_a", "prod_a", 10);
    command.repeat = CORE_REPEAT_KEY;
    command.key = (struct core_text){key, strlen(key)};
    return command;
}

static void expect_replay(struct core_consume command)
{
    struct core_consumed first, again;
    cr_assert_eq(stage_consume_with(&stage, &command, &first), CORE_OK);
    stage_spend(&stage, "cus_a", "prod_a", 30);
    cr_assert_eq(stage_consume_with(&stage, &command, &again), CORE_OK);
    cr_expect(again.replayed);
    cr_expect_eq(again.sequence, first.sequence);
    cr_expect_eq(again.epoch, first.epoch);
    cr_expect_eq(again.credits, first.credits);
    cr_expect_eq(again.balance_after, first.balance_after);
    cr_expect_eq(again.balance.available, first.balance_after - 3);
    cr_expect_geq(again.balance.reveals, first.sequence);

    stage_restart(&stage); /* and from another process, from the ledger */
    cr_assert_eq(stage_consume_with(&stage, &command, &again), CORE_OK);
    cr_expect(again.replayed);
    cr_expect_eq(again.sequence, first.sequence);
    cr_expect_eq(again.epoch, first.epoch);
    cr_expect_eq(stage_balance(&stage, "cus_a", "prod_a").deducted_total, 4);
}

Test(consume, K1_a_stamp_is_deducted_once)
{
    expect_replay(stamped(1, 0));
}

Test(consume, K1_a_key_is_deducted_once)
{
    expect_replay(keyed("order-1"));
}

Test(consume, K1_what_did_not_survive_is_done_anew)
{
    struct core_consume command = keyed("order-1");
    struct core_consumed first, again;
    size_t durable = stage.count;
    cr_assert_eq(stage_consume_with(&stage, &command, &first), CORE_OK);
    stage_restart_with(&stage, durable);
    cr_assert_eq(stage_consume_with(&stage, &command, &again), CORE_OK);
    cr_expect(!again.replayed);
    cr_expect_eq(again.sequence, first.sequence); /* the same place in the ledger … */
    cr_expect_neq(again.epoch, first.epoch);      /* … is another transaction */
}

Test(consume, K1_a_repeat_is_answered_when_nothing_is_left)
{
    struct core_consume command = keyed("order-1");
    struct core_consumed first, again;
    cr_assert_eq(stage_consume_with(&stage, &command, &first), CORE_OK);
    stage_spend(&stage, "cus_a", "prod_a", 990);
    cr_assert_eq(stage_consume_with(&stage, &command, &again), CORE_OK);
    cr_expect(again.replayed);
    cr_expect_eq(again.balance.available, 0);
}

Test(consume, K1_a_refused_request_may_come_again)
{
    struct core_consume command = keyed("order-1");
    struct core_consumed consumed;
    command.raw_amount = 100000;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_INSUFFICIENT);
    command.raw_amount = 10;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    cr_expect(!consumed.replayed);
}

Test(consume, K1_scope_is_user_customer_and_key)
{
    struct core_consume command = keyed("order-1"), other;
    struct core_consumed consumed;
    stage_know(&stage, "cus_b", "prod_a", 10, 100);
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    other = command;
    other.uid++;
    cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_OK);
    cr_expect(!consumed.replayed, "another user's key is another key");
    other = command;
    other.customer = (struct core_text){"cus_b", 5};
    cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_OK);
    cr_expect(!consumed.replayed, "another customer's key is another key");
    other = stamped(1, 0);
    cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_OK);
    other.uid++;
    cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_OK);
    cr_expect(!consumed.replayed, "another user's client is another client");
}

Test(consume, K2_a_counter_below_the_window_is_refused)
{
    struct core_consume command = stamped(1, 0);
    struct core_consumed consumed;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.counter = 1024; /* 1 is still within the in-flight limit */
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.counter = 1;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    cr_expect(consumed.replayed);
    command.counter = 1000000;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.counter = 1;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OUTCOME_UNKNOWN);
    command.counter = 2; /* never seen, and still: it could have been */
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OUTCOME_UNKNOWN);
    stage_restart(&stage);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OUTCOME_UNKNOWN);
}

Test(consume, K2_counters_may_come_out_of_order)
{
    struct core_consume command = stamped(9, 0);
    struct core_consumed consumed;
    for (uint64_t counter = 9; counter > 0; counter--) {
        command.counter = counter;
        cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
        cr_expect(!consumed.replayed);
    }
}

Test(consume, K2_an_old_client_id_that_is_not_known_is_refused)
{
    struct core_consumed consumed;
    struct core_consume old = stamped(1, 10 * DAY), young = stamped(1, 1000);
    cr_expect_eq(stage_consume_with(&stage, &old, &consumed), CORE_OUTCOME_UNKNOWN);
    cr_expect_eq(stage_consume_with(&stage, &young, &consumed), CORE_OK);
}

/* Whatever is forgotten in a week, the same request is never deducted a second time. */
Test(consume, K2_a_stamp_is_never_forgotten_into_a_second_deduction)
{
    struct core_consume command = stamped(1, 0);
    struct core_consumed consumed;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    for (int hour = 0; hour < 7 * 24; hour++) {
        for (int i = 0; i < 20; i++)
            stage_later(&stage, 180000);
        int status = stage_consume_with(&stage, &command, &consumed);
        cr_assert(status == CORE_OUTCOME_UNKNOWN || (status == CORE_OK && consumed.replayed),
                  "after %d hours: %d", hour + 1, status);
        if (hour < 23)
            cr_assert_eq(status, CORE_OK);
    }
    cr_expect_eq(stage_balance(&stage, "cus_a", "prod_a").deducted_total, 1);
}

Test(consume, K2_keys_are_kept_for_a_day)
{
    struct core_consume command = keyed("order-1");
    struct core_consumed consumed;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    for (int i = 0; i < 24; i++)
        stage_later(&stage, DAY / 24);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    cr_expect(consumed.replayed);
}

Test(quota, K2_new_keys_past_the_quota_are_refused)
{
    struct core_policy policy = stage_policy();
    struct core_consumed consumed;
    struct core_consume command;
    policy.dedupe_keys_per_user = 2;
    stage_init(&stage, &policy);
    stage_know(&stage, "cus_a", "prod_a", 1, 1000);
    command = keyed("a");
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command = keyed("b");
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command = keyed("c");
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_KEYS);
    command.uid++;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK, "another user's quota");
    command = keyed("a");
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    cr_expect(consumed.replayed);
    for (int i = 0; i < 30; i++) /* after a day and more there is room again */
        stage_later(&stage, DAY / 24);
    command = keyed("c");
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    stage_deinit(&stage);
}

Test(quota, K2_new_clients_past_the_quota_are_refused)
{
    struct core_policy policy = stage_policy();
    struct core_consumed consumed;
    struct core_consume command = stamped(1, 0);
    policy.dedupe_clients_per_user = 1;
    stage_init(&stage, &policy);
    stage_know(&stage, "cus_a", "prod_a", 1, 1000);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.client_id[12] = 1;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_CLIENTS);
    stage_restart(&stage);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_CLIENTS);
    command.client_id[12] = 0;
    command.counter = 2;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    stage_deinit(&stage);
}

Test(quota, K2_new_stamps_past_the_quota_are_refused)
{
    struct core_policy policy = stage_policy();
    struct core_consumed consumed;
    struct core_consume command = stamped(1, 0);
    policy.dedupe_stamps_per_user = 3;
    stage_init(&stage, &policy);
    stage_know(&stage, "cus_a", "prod_a", 1, 10000);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.counter = 2;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.client_id[12] = 1; /* another client of the same user */
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.counter = 3;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_STAMPS);
    command.client_id[12] = 2;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_STAMPS);
    stage_restart(&stage);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_STAMPS);
    command.uid++;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK, "another user's quota");
    /* What is remembered is answered, and a counter that takes an older one's place needs none. */
    command = stamped(2, 0);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    cr_expect(consumed.replayed);
    command = stamped(2 + 2048, 0);
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    cr_expect(!consumed.replayed);
    for (int i = 0; i < 60; i++) /* after two days there is room again, for clients of then */
        stage_later(&stage, DAY / 24);
    command = stamped(1, 0);
    for (int i = 0; i < 6; i++)
        command.client_id[i] = (uint8_t)((uint64_t)stage.now >> (40 - 8 * i));
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    stage_deinit(&stage);
}

Test(consume, K3_other_arguments_under_the_same_name)
{
    struct core_consume command, other;
    struct core_consumed consumed;
    size_t records;
    stage_know(&stage, "cus_a", "prod_b", 10, 100);
    stage_know(&stage, "cus_b", "prod_a", 10, 100);
    for (int stamps = 0; stamps < 2; stamps++) {
        command = stamps ? stamped(5, 0) : keyed("order-1");
        cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
        records = stage.count;
        other = command;
        other.raw_amount++;
        cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_KEY_REUSED);
        other = command;
        other.metadata = (struct core_text){"m", 1};
        cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_KEY_REUSED);
        other = command;
        other.product = (struct core_text){"prod_b", 6};
        cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_KEY_REUSED);
        other = command;
        other.customer = (struct core_text){"cus_b", 5};
        if (stamps)
            cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_KEY_REUSED);
        cr_expect_eq(stage.count, records);
        other = command;
        other.pid++; /* from another process: the same request */
        cr_expect_eq(stage_consume_with(&stage, &other, &consumed), CORE_OK);
        cr_expect(consumed.replayed);
    }
}

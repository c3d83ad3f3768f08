/*
 * Clauses of the ledger's rules that nothing else holds: each test here fails when the one
 * condition that it is named for is taken out.
 */
#include "stage.h"

#include <core/record.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DOUBT 120000
#define HOUR INT64_C(3600000)
#define WINDOW 2048u /* counters of one client (dedupe_table.h) */

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

TestSuite(clause, .init = set_up, .fini = tear_down);

static struct core_balance balance(void)
{
    return stage_balance(&stage, "cus_a", "prod_a");
}

static struct core_consume stamped(int64_t raw)
{
    struct core_consume command = stage_command("cus_a", "prod_a", raw);
    command.repeat = CORE_REPEAT_STAMP;
    for (int i = 0; i < 6; i++)
        command.client_id[i] = (uint8_t)(stage.now >> (40 - 8 * i));
    command.counter = 1;
    return command;
}

/* Of the same arguments, and still not the same request. */
Test(clause, K3_a_stamp_of_another_method)
{
    struct core_consume command = stamped(50);
    struct core_consumed consumed;
    struct core_reserved reserved;
    struct core_given given;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    size_t records = stage.count;
    cr_expect_eq(core_grant(stage.core, &command, stage.now, &given), CORE_KEY_REUSED);
    cr_expect_eq(core_reserve(stage.core, &command, 1000, stage.now, &reserved), CORE_KEY_REUSED);
    cr_expect_eq(stage.count, records);
}

/* The window's last place is the one that its next counter will take. */
Test(clause, K2_the_oldest_counter_of_the_window)
{
    struct core_consume command = stamped(10);
    struct core_consumed consumed;
    command.counter = 5000;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    size_t records = stage.count;
    command.counter = 5000 - WINDOW;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OUTCOME_UNKNOWN);
    cr_expect_eq(stage.count, records);
    command.counter++;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
}

/* A request that could not be recorded has left nothing behind: no place within the quota, no
 * client. */
Test(clause, K2_what_was_not_recorded_takes_no_place)
{
    struct core_policy policy = stage_policy();
    struct core_consume command = stamped(10);
    struct core_consumed consumed;
    policy.dedupe_stamps_per_user = 1;
    core_set_policy(stage.core, &policy, stage.now);
    stage.append_error = -ENOSPC;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), -ENOSPC);
    stage.append_error = 0;
    command.counter = 2;
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    command.counter = 1;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_STAMPS);
}

/* It would be forgotten while its creation time still lets it in. */
Test(clause, K2_a_client_id_from_too_far_ahead)
{
    struct core_consume command = stamped(10);
    struct core_consumed consumed;
    int64_t created = stage.now + 24 * HOUR;
    for (int late = 1; late >= 0; late--) {
        for (int i = 0; i < 6; i++)
            command.client_id[i] = (uint8_t)((created + late) >> (40 - 8 * i));
        cr_expect_eq(stage_consume_with(&stage, &command, &consumed),
                     late ? CORE_OUTCOME_UNKNOWN : CORE_OK);
    }
    for (int hours = 23; hours <= 69; hours += 23) { /* known until it would not be let in */
        size_t records;
        for (int i = 0; i < 3; i++)
            stage_later(&stage, i == 0 ? 23 * HOUR : 1000);
        records = stage.count;
        consumed.replayed = false;
        int status = stage_consume_with(&stage, &command, &consumed);
        cr_expect_eq(status, hours < 48 ? CORE_OK : CORE_OUTCOME_UNKNOWN);
        cr_expect_eq(consumed.replayed, hours < 48);
        cr_expect_eq(stage.count, records);
    }
}

Test(clause, K2_what_is_forgotten_makes_room)
{
    struct core_policy policy = stage_policy();
    struct core_consume command = stamped(10);
    struct core_consumed consumed;
    policy.dedupe_stamps_per_user = 40;
    core_set_policy(stage.core, &policy, stage.now);
    for (int round = 0; round < 2; round++) {
        command = stamped(10);
        for (command.counter = 1; command.counter <= 40; command.counter++)
            cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
        cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_QUOTA_STAMPS);
        stage_later(&stage, 48 * HOUR + 1);
        for (int i = 0; i < 10; i++)
            stage_later(&stage, 1000);
    }
}

/* Its stamps go in several steps, and a crash comes between two of them. */
Test(clause, K2_a_client_that_was_being_forgotten)
{
    struct core_consume command = stamped(10);
    struct core_consumed consumed;
    for (command.counter = 1; command.counter <= 40; command.counter++)
        cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_OK);
    stage_later(&stage, 48 * HOUR + 1);
    cr_assert_eq(core_tick(stage.core, stage.now), 0);
    stage_restart(&stage);
    size_t records = stage.count;
    command.counter = 1;
    cr_expect_eq(stage_consume_with(&stage, &command, &consumed), CORE_OUTCOME_UNKNOWN);
    cr_expect_eq(stage.count, records);
}

/* What is pushed within some minutes, while readings are answered so. 0: nothing. */
static int64_t pushed_soon(int64_t upstream, int64_t consumed)
{
    struct exchange exchange;
    int64_t until = stage.now + 3 * DOUBT;
    while (stage.now < until) {
        if (core_next_exchange(stage.core, stage.now, &exchange) == -EAGAIN) {
            stage_later(&stage, 1000);
            continue;
        }
        if (exchange.kind == EXCHANGE_PUSH)
            return exchange.amount;
        cr_assert_eq(exchange.kind, EXCHANGE_BALANCE);
        stage_end_balance(&stage, &exchange, upstream, consumed);
    }
    return 0;
}

/* A copy of a lost attempt ran as well: P is ahead of D, and what is spent catches up first. */
Test(clause, P1_nothing_is_pushed_before_D_has_caught_up_with_P)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange push = stage_push(&stage, EXCHANGE_UNANSWERED);
    struct stage_row rows[] = {{"ct_1", push.push_id, 5, 1000}, {"ct_2", push.push_id, 5, 1000}};
    stage_look(&stage, 2 * DOUBT, rows, 2, 90, 10);
    cr_expect_eq(balance().pending, -5);
    cr_expect_eq(pushed_soon(90, 10), 0);
    stage_spend(&stage, "cus_a", "prod_a", 50);
    cr_expect_eq(balance().pending, 0);
    cr_expect_eq(pushed_soon(90, 10), 0);
    stage_spend(&stage, "cus_a", "prod_a", 20);
    cr_expect_eq(pushed_soon(90, 10), 20);
}

/* It would be refused: all pushes of revoked balances would, again and again. */
Test(clause, P1_nothing_is_pushed_from_a_balance_that_is_revoked)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    cr_assert_eq(core_balance_refresh(stage.core, balance().slot, STAGE_UID, stage.now), CORE_OK);
    struct exchange exchange = stage_next(&stage, EXCHANGE_BALANCE);
    struct exchange_answer answer = stage_answer(&stage, EXCHANGE_OK);
    answer.balance.balance = answer.balance.granted = 100;
    answer.balance.revoked = true;
    cr_assert_eq(core_exchange_done(stage.core, exchange.id, &answer, stage.now), 0);
    stage_later(&stage, 50000);
    stage_idle(&stage);
    cr_expect_eq(balance().pending, 5);
}

Test(clause, P2_a_2xx_that_does_not_say_what_was_taken_is_doubt)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end_push(&stage, &exchange, -1, 95);
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_DOUBT);
    cr_expect_eq(balance().pending, 5);
    cr_expect_eq(balance().upstream, 100);
}

/* What was spent elsewhere in the moment of the reading may be in it or not: it could as well be
 * the push itself, which has moved the balance and has no row yet. */
Test(clause, P3_what_is_only_possible_is_not_enough_to_send_again)
{
    int64_t read_at = stage.now;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_push(&stage, EXCHANGE_UNANSWERED);
    for (int i = 0; i < 10 && stage_only_push(&stage).state != CORE_PUSH_PARKED; i++) {
        struct exchange exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
        struct stage_row rows[] = {{"ct_1", NULL, 5, stage.now - read_at}};
        stage_end_history(&stage, &exchange, rows, 1, false);
        exchange = stage_next(&stage, EXCHANGE_BALANCE);
        stage_end_balance(&stage, &exchange, 95, 5);
    }
    cr_expect_eq(stage_only_push(&stage).reason, CORE_PARK_STORIES);
    cr_expect_eq(stage_only_push(&stage).attempt, 1);
}

/* An empty reading, one that disagrees, an empty one: these are not two in a row. */
Test(clause, P3_a_disagreement_between_two_empty_readings)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_push(&stage, EXCHANGE_UNANSWERED);
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    stage_look(&stage, DOUBT, NULL, 0, 95, 5);
    stage_look(&stage, DOUBT, NULL, 0, 100, 0);
    cr_expect_eq(stage_only_push(&stage).empty_readings, 1);
    stage_look(&stage, DOUBT, NULL, 0, 100, 0);
    stage_await(&stage, EXCHANGE_PUSH, DOUBT);
}

/* Row and balance are not written together there: who looks in between sees two stories. */
Test(clause, P3_two_stories_may_become_one)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange push = stage_push(&stage, EXCHANGE_UNANSWERED);
    struct stage_row row = {"ct_1", push.push_id, 5, DOUBT};
    stage_look(&stage, 2 * DOUBT, NULL, 0, 95, 5);
    stage_look(&stage, DOUBT, &row, 1, 100, 0);
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_DOUBT);
    stage_look(&stage, DOUBT, &row, 1, 95, 5);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
}

/* Where upstream tells no time, its clock may be minutes from ours. */
Test(clause, P3_without_a_date_rows_may_look_older_than_the_push)
{
    tear_down();
    stage_init(&stage, NULL);
    stage.no_date = true;
    stage_know(&stage, "cus_a", "prod_a", 10, 100);
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange push = stage_push(&stage, EXCHANGE_UNANSWERED);
    struct exchange exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    struct stage_row newer = {"ct_2", NULL, 1, DOUBT + 180000};
    struct stage_row own = {"ct_1", push.push_id, 5, DOUBT + 240000};
    stage_end_history(&stage, &exchange, &newer, 1, true);
    exchange = stage_next(&stage, EXCHANGE_HISTORY);
    stage_end_history(&stage, &exchange, &own, 1, false);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 94, 6);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
}

/* --- what has not run, and is not sent once more under its id: another push follows --- */

/* Two looks that find no row of it; all else is as upstream says. */
static struct exchange lost_in_vain(int64_t spent_elsewhere)
{
    int64_t balance = 100 - spent_elsewhere, consumed = spent_elsewhere;
    for (int i = 0; i < 2; i++) {
        struct stage_row row = {"ct_1", NULL, spent_elsewhere, 10};
        stage_look(&stage, 2 * DOUBT, &row, spent_elsewhere > 0, balance, consumed);
    }
    for (;;) {
        struct exchange exchange;
        while (core_next_exchange(stage.core, stage.now, &exchange) == -EAGAIN)
            stage_wake(&stage, DOUBT);
        if (exchange.kind != EXCHANGE_BALANCE) {
            cr_assert_eq(exchange.kind, EXCHANGE_PUSH);
            return exchange;
        }
        stage_end_balance(&stage, &exchange, balance, consumed);
    }
}

static void expect_another(const struct exchange *first, const struct exchange *next,
                           int64_t amount)
{
    size_t length = strlen(first->push_id);
    cr_expect_str_neq(next->push_id, first->push_id);
    cr_expect_str_neq(next->idempotency_key, first->idempotency_key);
    cr_expect_neq(strncmp(next->idempotency_key, first->push_id, length), 0);
    cr_expect_eq(next->amount, amount);
    cr_expect_eq(stage_pushes(&stage), 2, "the first one is watched");
}

Test(clause, P3_counted_in_other_units_today)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange first = stage_push(&stage, EXCHANGE_UNANSWERED), next;
    cr_assert_eq(core_configure_product(stage.core, stage_text("prod_a"), 20, stage.now), 0);
    next = lost_in_vain(0);
    expect_another(&first, &next, 100);
}

Test(clause, P3_refused_when_it_was_sent_again)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange first = stage_push(&stage, EXCHANGE_UNANSWERED), next = lost_in_vain(0);
    cr_expect_str_eq(next.push_id, first.push_id);
    cr_expect_str_neq(next.idempotency_key, first.idempotency_key);
    stage_end(&stage, &next, EXCHANGE_REFUSED);
    next = lost_in_vain(0);
    expect_another(&first, &next, 50);
}

Test(clause, P3_more_than_upstream_has_left)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange first = stage_push(&stage, EXCHANGE_UNANSWERED), next;
    next = lost_in_vain(97);
    expect_another(&first, &next, 30);
}

static void expect_next(enum exchange_kind kind, const char *customer, struct exchange *exchange)
{
    *exchange = stage_next(&stage, kind);
    cr_expect_eq(exchange->customer_length, strlen(customer));
    cr_expect_eq(memcmp(exchange->customer, customer, exchange->customer_length), 0, "not %s",
                 customer);
}

Test(clause, P6_doubts_then_cold_balances_then_pushes_then_refreshes)
{
    struct core_policy policy = stage_policy();
    struct core_consumed consumed;
    struct exchange exchange;
    policy.refresh_interval = 60 * DOUBT;
    core_set_policy(stage.core, &policy, stage.now);
    stage_know(&stage, "cus_b", "prod_a", 10, 100);
    stage_know(&stage, "cus_c", "prod_a", 10, 100);
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_push(&stage, EXCHANGE_FAILED);
    core_set_helper(stage.core, false, stage.now);
    (void)core_refresh(stage.core, stage_text("cus_c"), stage_text(""), stage.now);
    stage_spend(&stage, "cus_b", "prod_a", 50);
    cr_expect_eq(stage_consume(&stage, "cus_d", "prod_a", 50, &consumed), CORE_COLD);
    stage_later(&stage, 2 * DOUBT);
    core_set_helper(stage.core, true, stage.now);

    expect_next(EXCHANGE_HISTORY, "cus_a", &exchange);
    stage_end_history(&stage, &exchange, NULL, 0, false);
    expect_next(EXCHANGE_BALANCE, "cus_a", &exchange);
    stage_end_balance(&stage, &exchange, 100, 0);
    expect_next(EXCHANGE_BALANCE, "cus_d", &exchange);
    expect_next(EXCHANGE_PUSH, "cus_b", &exchange);
    expect_next(EXCHANGE_BALANCE, "cus_c", &exchange);
}

/* The answer to a resend may be a replay of an old one: what it says of the minute, too. */
Test(clause, P6_a_resend_tells_nothing_of_the_rate)
{
    struct core_consumed consumed;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_push(&stage, EXCHANGE_UNANSWERED);
    struct exchange again = lost_in_vain(0);
    stage.rate_limit = 20;
    stage.rate_remaining = 0;
    stage.rate_reset = 50000;
    stage_end_push(&stage, &again, 5, 95);
    cr_expect_eq(stage_consume(&stage, "cus_b", "prod_a", 50, &consumed), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 100, 0);
    cr_expect_eq(stage_consume(&stage, "cus_c", "prod_a", 50, &consumed), CORE_COLD);
    stage_idle(&stage);
}

/* What is under way may not have been counted yet when upstream said how much is left. */
Test(clause, P6_what_is_under_way_is_taken_off_what_is_left)
{
    struct core_consumed consumed;
    struct exchange exchanges[4];
    for (int i = 0; i < 6; i++) {
        char customer[] = {'c', 'u', 's', '_', (char)('b' + i), '\0'};
        cr_expect_eq(stage_consume(&stage, customer, "prod_a", 50, &consumed), CORE_COLD);
    }
    for (int i = 0; i < 4; i++)
        exchanges[i] = stage_next(&stage, EXCHANGE_BALANCE);
    stage.rate_limit = 20;
    stage.rate_remaining = 4;
    stage.rate_reset = 50000;
    stage_end_balance(&stage, &exchanges[0], 100, 0);
    (void)stage_next(&stage, EXCHANGE_BALANCE);
    stage_idle(&stage);
}

/* A write that was under way as well says nothing of the next one. */
Test(clause, P6_no_push_after_a_lost_one_because_another_has_succeeded)
{
    struct exchange lost, other;
    stage_know(&stage, "cus_b", "prod_a", 10, 100);
    stage_know(&stage, "cus_c", "prod_a", 10, 100);
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_spend(&stage, "cus_b", "prod_a", 50);
    lost = stage_await(&stage, EXCHANGE_PUSH, 10000);
    other = stage_next(&stage, EXCHANGE_PUSH);
    stage_end(&stage, &lost, EXCHANGE_UNANSWERED);
    stage_end_push(&stage, &other, 5, 95);
    stage_spend(&stage, "cus_c", "prod_a", 50);
    stage_later(&stage, 5000);
    other = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &other, 100, 0);
    stage_await(&stage, EXCHANGE_PUSH, 10000);
}

/* While it is not known whether anybody answers, one asks and the others wait. */
Test(clause, P6_one_probe_at_a_time)
{
    struct core_consumed consumed;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_push(&stage, EXCHANGE_UNANSWERED);
    cr_expect_eq(stage_consume(&stage, "cus_b", "prod_a", 50, &consumed), CORE_COLD);
    cr_expect_eq(stage_consume(&stage, "cus_c", "prod_a", 50, &consumed), CORE_COLD);
    stage_later(&stage, 5000);
    struct exchange probe = stage_next(&stage, EXCHANGE_BALANCE);
    stage_idle(&stage);
    stage_end_balance(&stage, &probe, 100, 0);
    (void)stage_next(&stage, EXCHANGE_BALANCE);
}

static struct core_policy one_turn(void)
{
    struct core_policy policy = stage_policy();
    policy.turns_per_user = 1;
    return policy;
}

/* What is asked with a session costs its customer a turn, and the app none. */
Test(clause, P6_a_uid_that_is_not_charged_pays_nothing)
{
    static const char *const customers[] = {"cus_a", "cus_b", "cus_c", "cus_d", "cus_e", "cus_f"};
    struct core_policy policy = one_turn();
    struct core_consumed consumed;
    policy.turns_per_user = 2;
    tear_down();
    stage_init(&stage, &policy);
    for (int i = 0; i < 6; i++) {
        core_charge_uid(stage.core, i == 0 || i >= 4);
        cr_expect_eq(stage_consume(&stage, customers[i], "prod_a", 50, &consumed),
                     i == 5 ? CORE_QUOTA_TURNS : CORE_COLD, "%d", i);
    }
}

Test(clause, P6_names_that_nobody_could_ask_about_do_not_stay)
{
    struct core_policy policy = one_turn();
    struct core_consumed consumed;
    struct core_summary summary;
    tear_down();
    stage_init(&stage, &policy);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 50, &consumed), CORE_COLD);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(stage_consume(&stage,
                                   i == 0   ? "cus_b"
                                   : i == 1 ? "cus_c"
                                            : "cus_d",
                                   "prod_a", 50, &consumed),
                     CORE_QUOTA_TURNS);
    core_get_summary(stage.core, &summary);
    cr_expect_eq(summary.resident, 1);
}

/* The product's row, as the latest record that has one leaves it. */
static struct core_product product_row(void)
{
    struct core_product row = {0};
    for (size_t i = stage.count; i-- > 0;) {
        struct record_image image;
        struct record record;
        cr_assert_eq(record_decode(stage.records[i].bytes, stage.records[i].size, &record), 0);
        for (size_t at = 0; record_next_image(&record, &at, &image);) {
            if (image.table != TABLE_PRODUCT)
                continue;
            cr_assert_eq(image.value_length, sizeof(row));
            memcpy(&row, image.value, sizeof(row));
            return row;
        }
    }
    cr_assert_fail("no record has a product");
    return row;
}

/* 50 units were sent as 5 credits; upstream takes 25 or more for one. */
Test(clause, P4_what_to_put_under_products)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end_push(&stage, &exchange, 2, 98);
    cr_expect_eq(product_row().parked, 1);
    cr_expect_eq(product_row().suggested, 25);
}

/* Told in the moment of the push, by who knows: the next push shows whether it is right. */
Test(clause, P4_not_where_it_was_configured_since)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_later(&stage, 1);
    cr_assert_eq(core_configure_product(stage.core, stage_text("prod_a"), 10, stage.now), 0);
    stage_end_push(&stage, &exchange, 2, 98);
    cr_expect_eq(product_row().parked, 0);
    cr_expect_eq(pushed_soon(98, 2), 30);
}

/* … also where only the history tells what was taken. */
Test(clause, P4_of_a_push_that_was_looked_up)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange push = stage_push(&stage, EXCHANGE_UNANSWERED);
    struct stage_row row = {"ct_1", push.push_id, 2, 1000};
    stage_look(&stage, 2 * DOUBT, &row, 1, 98, 2);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 2);
    cr_expect_eq(product_row().parked, 1);
    cr_expect_eq(product_row().suggested, 25);
    cr_expect_eq(pushed_soon(98, 2), 0);
}

static int drop(const struct exchange *push)
{
    uint64_t sequence;
    return core_push_drop(stage.core, stage_text(push->push_id), STAGE_UID, stage_text("why"),
                          stage.now, &sequence);
}

/* What is under way, in doubt or watched finds its own end. */
Test(clause, P8_only_what_is_parked_can_be_dropped)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange push = stage_await(&stage, EXCHANGE_PUSH, 10000);
    size_t records = stage.count;
    cr_expect_eq(drop(&push), CORE_NOT_PARKED);
    cr_expect_eq(stage.count, records);
    stage_end(&stage, &push, EXCHANGE_UNANSWERED);
    records = stage.count;
    cr_expect_eq(drop(&push), CORE_NOT_PARKED);
    cr_expect_eq(stage.count, records);
    struct exchange again = lost_in_vain(0);
    stage_end(&stage, &again, EXCHANGE_UNANSWERED);
    struct stage_row row = {"ct_1", push.push_id, 5, 1000};
    stage_look(&stage, 2 * DOUBT, &row, 1, 95, 5);
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_WATCHED);
    records = stage.count;
    cr_expect_eq(drop(&push), CORE_NOT_PARKED);
    cr_expect_eq(stage.count, records);
}

/* Nobody knows whether what was dropped has run: upstream is read before anything else is sent. */
Test(clause, P8_a_reading_follows_a_drop)
{
    struct core_policy policy = stage_policy();
    policy.refresh_interval = 60 * DOUBT;
    core_set_policy(stage.core, &policy, stage.now);
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange push = stage_push(&stage, EXCHANGE_REFUSED);
    cr_assert_eq(drop(&push), CORE_OK);
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_later(&stage, 5000);
    (void)stage_next(&stage, EXCHANGE_BALANCE);
    stage_idle(&stage);
}

/* --- creates --- */

static struct exchange create_in_doubt(struct core_intent *intent)
{
    cr_assert_eq(core_intent_begin(stage.core, CORE_INTENT_SUBSCRIPTION, stage_text("cus_a"),
                                   stage_text(""), stage_text("what is wanted"), STAGE_UID,
                                   stage.now, intent),
                 CORE_OK);
    struct exchange exchange = stage_await(&stage, EXCHANGE_CREATE, DOUBT);
    stage_end(&stage, &exchange, EXCHANGE_FAILED);
    return exchange;
}

static unsigned state_of(const struct core_intent *intent)
{
    struct core_intent found;
    cr_assert(core_intent_get(stage.core, intent->sequence, &found));
    return found.state;
}

Test(clause, P9_what_another_intent_has_made)
{
    struct core_intent intent;
    struct exchange create = create_in_doubt(&intent), look;
    char other[sizeof(create.push_id)];
    struct stage_object object = {"sub_1", NULL, other};
    memcpy(other, create.push_id, sizeof(other));
    char *last = other + strlen(other) - 1;
    *last = *last == '9' ? '8' : '9';
    look = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, 2 * DOUBT);
    stage_end_objects(&stage, &look, &object, 1, NULL);
    cr_expect_eq(state_of(&intent), CORE_INTENT_DOUBT);
}

Test(clause, P9_a_list_without_end_proves_nothing)
{
    struct core_intent intent;
    create_in_doubt(&intent);
    for (int page = 0; page < 2001; page++) {
        struct exchange look = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, 2 * DOUBT);
        char cursor[16];
        (void)snprintf(cursor, sizeof(cursor), "sub_%d", page);
        stage_end_objects(&stage, &look, NULL, 0, cursor);
        cr_assert_eq(state_of(&intent), CORE_INTENT_DOUBT);
    }
}

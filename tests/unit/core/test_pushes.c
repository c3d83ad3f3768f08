/*
 * Pushes against a scripted upstream: each rule P1 to P8 of ledger.md has its scenes.
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DOUBT 120000 /* in_doubt_delay */

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

TestSuite(push, .init = set_up, .fini = tear_down);

static struct core_balance balance(void)
{
    return stage_balance(&stage, "cus_a", "prod_a");
}

/* Spends 5 credits, whose push ends so. */
static struct exchange doubtful(enum exchange_outcome outcome)
{
    stage_spend(&stage, "cus_a", "prod_a", 50);
    return stage_push(&stage, outcome);
}

static struct core_text push_id(const struct exchange *exchange)
{
    return (struct core_text){exchange->push_id, strlen(exchange->push_id)};
}

/* --- P1 --- */

Test(push, P1_is_recorded_before_it_leaves)
{
    struct exchange exchange;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_later(&stage, 1000);
    exchange = stage_next(&stage, EXCHANGE_PUSH);
    cr_expect_eq(exchange.after_sequence, stage.count);
    cr_expect_eq(stage_records_of(&stage, RECORD_PUSH_BEGUN), 1);
    cr_expect_eq(exchange.amount, 50);
    struct core_push push = stage_only_push(&stage);
    cr_expect_eq(push.credits, 5);
    cr_expect_eq(push.attempt, 1);
    cr_expect_eq(push.state, CORE_PUSH_SENDING);
    char id[EXCHANGE_PUSH_ID_SIZE];
    core_push_id(stage.core, push.epoch, push.sequence, id);
    cr_expect_str_eq(exchange.push_id, id);
    cr_expect(strncmp(exchange.idempotency_key, id, strlen(id)) == 0);
    stage_end_push(&stage, &exchange, 5, 95);
}

Test(push, P1_one_exchange_at_a_time_for_a_balance)
{
    struct exchange exchange;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    stage_spend(&stage, "cus_a", "prod_a", 50);
    cr_assert_eq(core_balance_refresh(stage.core, balance().slot, STAGE_UID, stage.now), CORE_OK);
    stage_later(&stage, 5000);
    stage_idle(&stage);
    stage_end_push(&stage, &exchange, 5, 95);
}

Test(push, P1_at_most_eight_writes_are_in_flight)
{
    struct exchange exchanges[8], more;
    char names[20][16];
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof(names[i]), "cus_%d", i);
        stage_know(&stage, names[i], "prod_a", 10, 100);
    }
    for (int i = 0; i < 20; i++)
        stage_spend(&stage, names[i], "prod_a", 10);
    stage_later(&stage, 1000);
    for (int i = 0; i < 8; i++)
        exchanges[i] = stage_next(&stage, EXCHANGE_PUSH);
    stage_idle(&stage);
    stage_end_push(&stage, &exchanges[3], 1, 99);
    more = stage_next(&stage, EXCHANGE_PUSH);
    stage_idle(&stage);
    stage_end_push(&stage, &more, 1, 99);
}

Test(push, P1_nothing_while_upstream_has_nothing)
{
    struct exchange exchange;
    stage_spend(&stage, "cus_a", "prod_a", 500);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    stage_end(&stage, &exchange, EXCHANGE_INSUFFICIENT);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end_balance(&stage, &exchange, 0, 100);
    for (int i = 0; i < 5; i++) { /* only readings from here on */
        exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
        stage_end_balance(&stage, &exchange, 0, 100);
    }
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end_balance(&stage, &exchange, 20, 100);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 70000);
    cr_expect_eq(exchange.amount, 200);
    stage_end_push(&stage, &exchange, 20, 0);
    cr_expect_eq(balance().pending, 30);
}

static void expect_amount(int64_t units, int64_t raw, int64_t amount)
{
    struct exchange exchange;
    struct stage other;
    struct core_consumed consumed;
    stage_init(&other, NULL);
    stage_know(&other, "cus_a", "prod_a", units, INT64_C(1) << 52);
    cr_assert_eq(stage_consume(&other, "cus_a", "prod_a", raw, &consumed), CORE_OK);
    exchange = stage_await(&other, EXCHANGE_PUSH, 2000);
    cr_expect_eq(exchange.amount, amount, "units %lld: %lld", (long long)units,
                 (long long)exchange.amount);
    stage_end_push(&other, &exchange, amount / units, 1);
    stage_deinit(&other);
}

Test(push, P1_stays_within_what_upstream_can_count)
{
    const int64_t most = (INT64_C(1) << 53) - 1;
    expect_amount(1, INT64_C(1) << 33, INT32_MAX);
    expect_amount(10, 11, 20); /* credits × unit: exact, whatever was asked for */
    expect_amount(INT64_C(1) << 40, most, most / (INT64_C(1) << 40) * (INT64_C(1) << 40));
    expect_amount(most, most, most);
}

/* --- P2 --- */

Test(push, P2_a_first_answer_confirms)
{
    struct exchange exchange;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    stage_spend(&stage, "cus_a", "prod_a", 20); /* while it is under way */
    stage_end_push(&stage, &exchange, 5, 90);   /* 5 more went elsewhere */
    cr_expect_eq(balance().pushed_total, 5);
    cr_expect_eq(balance().pending, 2);
    cr_expect_eq(balance().upstream, 90);
    cr_expect_eq(balance().available, 88);
    cr_expect_eq(stage_pushes(&stage), 0);
}

Test(push, P2_an_answer_without_a_balance_confirms_too)
{
    struct exchange exchange;
    struct exchange_answer answer;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    answer = stage_answer(&stage, EXCHANGE_OK);
    answer.push.credits_deducted = 5;
    cr_assert_eq(core_exchange_done(stage.core, exchange.id, &answer, stage.now), 0);
    cr_expect_eq(balance().pushed_total, 5);
    cr_expect_eq(balance().upstream, 95);
}

Test(push, P2_recognised_refusals_prove_that_nothing_ran)
{
    static const enum exchange_outcome outcomes[] = {EXCHANGE_INSUFFICIENT, EXCHANGE_NO_BALANCE,
                                                     EXCHANGE_NOT_SENT, EXCHANGE_UNAUTHORIZED,
                                                     EXCHANGE_RATE_LIMITED};
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        struct stage other;
        stage_init(&other, NULL);
        stage_know(&other, "cus_a", "prod_a", 1, 100);
        stage_spend(&other, "cus_a", "prod_a", 5);
        stage_push(&other, outcomes[i]);
        cr_expect_eq(stage_pushes(&other), 0, "outcome %d", (int)outcomes[i]);
        cr_expect_eq(stage_balance(&other, "cus_a", "prod_a").pending, 5);
        stage_deinit(&other);
    }
}

Test(push, P2_any_other_end_is_doubt)
{
    static const enum exchange_outcome outcomes[] = {EXCHANGE_FAILED, EXCHANGE_UNANSWERED,
                                                     EXCHANGE_NO_ENDPOINT};
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        struct stage other;
        stage_init(&other, NULL);
        stage_know(&other, "cus_a", "prod_a", 1, 100);
        stage_spend(&other, "cus_a", "prod_a", 5);
        stage_push(&other, outcomes[i]);
        cr_expect_eq(stage_only_push(&other).state, CORE_PUSH_DOUBT, "outcome %d",
                     (int)outcomes[i]);
        cr_expect_eq(stage_balance(&other, "cus_a", "prod_a").pending, 5);
        stage_deinit(&other);
    }
}

/* Lost, looked for twice in vain: the next push exchange is the second attempt. */
static struct exchange resent(void)
{
    doubtful(EXCHANGE_UNANSWERED);
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, DOUBT);
    cr_expect_eq(stage_only_push(&stage).attempt, 2);
    return exchange;
}

Test(push, P2_no_answer_to_a_resend_proves_anything)
{
    static const enum exchange_outcome outcomes[] = {EXCHANGE_OK,           EXCHANGE_INSUFFICIENT,
                                                     EXCHANGE_REFUSED,      EXCHANGE_NOT_FOUND,
                                                     EXCHANGE_RATE_LIMITED, EXCHANGE_FAILED};
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if (i > 0) {
            stage_deinit(&stage);
            set_up();
        }
        struct exchange exchange = resent();
        if (outcomes[i] == EXCHANGE_OK)
            stage_end_push(&stage, &exchange, 5, 95);
        else
            stage_end(&stage, &exchange, outcomes[i]);
        cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_DOUBT, "outcome %d",
                     (int)outcomes[i]);
        cr_expect_eq(balance().pushed_total, 0, "outcome %d", (int)outcomes[i]);
    }
}

/* --- P3 --- */

Test(push, P3_is_looked_up_no_earlier_than_the_delay)
{
    struct exchange exchange;
    doubtful(EXCHANGE_UNANSWERED);
    int64_t closed = stage.now;
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    cr_expect_geq(stage.now, closed + DOUBT);
    stage_end_history(&stage, &exchange, NULL, 0, false);
}

Test(push, P3_a_restart_begins_the_delay_anew)
{
    struct exchange exchange;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    stage_await(&stage, EXCHANGE_PUSH, 2000);
    stage_later(&stage, DOUBT - 1000);
    stage_restart(&stage); /* the push was under way */
    int64_t started = stage.now;
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_DOUBT);
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    cr_expect_geq(stage.now, started + DOUBT);
    stage_end_history(&stage, &exchange, NULL, 0, false);
}

Test(push, P3_rows_that_are_there_join_P)
{
    struct exchange push = doubtful(EXCHANGE_UNANSWERED);
    struct stage_row row = {"ct_1", push.push_id, 5, 100000};
    stage_look(&stage, 2 * DOUBT, &row, 1, 95, 5);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
    cr_expect_eq(balance().upstream, 95);
    cr_expect_eq(balance().pending, 0);
}

Test(push, P3_rows_that_are_there_twice_count_twice)
{
    struct exchange push = doubtful(EXCHANGE_FAILED);
    struct stage_row rows[] = {{"ct_2", push.push_id, 5, 100000},
                               {"ct_1", push.push_id, 5, 110000}};
    stage_look(&stage, 2 * DOUBT, rows, 2, 90, 10);
    cr_expect_eq(balance().pushed_total, 10);
    cr_expect_eq(balance().pending, -5);
    cr_expect_eq(balance().upstream, 90);
    stage_spend(&stage, "cus_a", "prod_a", 40); /* spent down first: nothing is pushed for it */
    for (int i = 0; i < 4; i++) {
        struct exchange exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
        stage_end_balance(&stage, &exchange, 90, 10);
        stage_spend(&stage, "cus_a", "prod_a", i == 0 ? 10 : 1);
        if (balance().pending > 0)
            break;
    }
    cr_expect_eq(balance().pending, 1);
    cr_expect_eq(stage_await(&stage, EXCHANGE_PUSH, 70000).amount, 10);
}

Test(push, P3_no_rows_in_two_readings_sends_again)
{
    struct exchange first = doubtful(EXCHANGE_UNANSWERED), again;
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    int64_t looked = stage.now;
    cr_expect_eq(stage_only_push(&stage).empty_readings, 1);
    stage_look(&stage, DOUBT, NULL, 0, 100, 0);
    cr_expect_geq(stage.now, looked + DOUBT / 4);
    again = stage_await(&stage, EXCHANGE_PUSH, DOUBT);
    cr_expect_str_eq(again.push_id, first.push_id);
    cr_expect_str_neq(again.idempotency_key, first.idempotency_key);
    cr_expect_eq(again.amount, first.amount);
    cr_expect_eq(again.after_sequence, stage.count);
    cr_expect_eq(stage_only_push(&stage).attempt, 2);
}

Test(push, P3_an_empty_reading_must_be_repeated_by_an_empty_one)
{
    struct exchange push = doubtful(EXCHANGE_UNANSWERED);
    struct stage_row row = {"ct_1", push.push_id, 5, 1000};
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    stage_look(&stage, DOUBT, &row, 1, 95, 5);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
}

Test(push, P3_a_failed_look_is_no_reading)
{
    struct exchange exchange;
    doubtful(EXCHANGE_UNANSWERED);
    for (int i = 0; i < 4; i++) {
        exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
        stage_end(&stage, &exchange, i % 2 ? EXCHANGE_FAILED : EXCHANGE_UNANSWERED);
    }
    cr_expect_eq(stage_only_push(&stage).empty_readings, 0);
    cr_expect_eq(stage_only_push(&stage).attempt, 1);
}

Test(push, P3_a_resent_push_is_looked_up_once_more)
{
    struct exchange exchange = resent();
    stage_end_push(&stage, &exchange, 5, 95);
    struct stage_row rows[] = {{"ct_1", exchange.push_id, 5, 100000},
                               {"ct_0", exchange.push_id, 5, 90000}};
    stage_look(&stage, 2 * DOUBT, rows, 1, 95, 5);
    cr_expect_eq(balance().pushed_total, 5);
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_WATCHED);
    stage_restart(&stage); /* also across a restart */
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_WATCHED);
    for (;;) { /* the first attempt's copy has appeared since */
        struct exchange next;
        while (core_next_exchange(stage.core, stage.now, &next) == -EAGAIN)
            stage_wake(&stage, 3 * DOUBT);
        if (next.kind == EXCHANGE_HISTORY) {
            stage_end_history(&stage, &next, rows, 2, false);
            break;
        }
        cr_assert_eq(next.kind, EXCHANGE_BALANCE);
        stage_end_balance(&stage, &next, 90, 10);
    }
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 10);
    cr_expect_eq(balance().pending, -5);
}

/* A clock that is set back makes all rows look older than the push. */
Test(push, P3_the_last_look_goes_back_to_the_rows_that_it_knows)
{
    stage.server_ahead = 900000;
    stage_later(&stage, 70000);
    balance(); /* used: refreshed when due */
    struct exchange exchange = stage_await(&stage, EXCHANGE_BALANCE, 1000);
    stage_end_balance(&stage, &exchange, 100, 0);
    const struct exchange push = resent();
    stage_end_push(&stage, &push, 5, 95);
    stage.server_ahead = 0;
    struct stage_row rows[] = {{"ct_9", NULL, 1, 1000},
                               {"ct_2", push.push_id, 5, 50000},
                               {"ct_1", push.push_id, 5, 100000}};
    stage_look(&stage, 2 * DOUBT, rows + 2, 1, 95, 5);
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_WATCHED);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 89, 11);
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    stage_end_history(&stage, &exchange, rows, 2, true);
    exchange = stage_next(&stage, EXCHANGE_HISTORY);
    stage_end_history(&stage, &exchange, rows + 2, 1, false);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 10);
}

/* Where the limit is low every turn comes after a refresh has become due again. */
Test(push, P3_refreshes_do_not_keep_a_look_from_ending)
{
    struct exchange exchange;
    const struct exchange push = resent();
    stage_end_push(&stage, &push, 5, 95);
    struct stage_row row = {"ct_1", push.push_id, 5, 100000},
                     others[] = {{"ct_9", NULL, 3, 1}, {"ct_8", NULL, 3, 1}, {"ct_7", NULL, 3, 1}};
    stage_look(&stage, 2 * DOUBT, &row, 1, 95, 5);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 86, 14);
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    for (int i = 0; i < 3; i++) {
        balance(); /* used */
        core_set_helper(stage.core, false, stage.now);
        stage_end_history(&stage, &exchange, &others[i], 1, true);
        stage_later(&stage, 61000);
        core_set_helper(stage.core, true, stage.now);
        exchange = stage_next(&stage, EXCHANGE_HISTORY);
    }
    stage_end_history(&stage, &exchange, &row, 1, false);
    cr_expect_eq(stage_pushes(&stage), 0);
}

/* Where nothing can be recorded there is no hurry: upstream is not asked the same without end. */
Test(push, P3_a_full_disk_does_not_repeat_a_look_at_once)
{
    const struct exchange push = doubtful(EXCHANGE_UNANSWERED);
    struct stage_row row = {"ct_1", push.push_id, 5, 100000};
    struct exchange exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    stage_end_history(&stage, &exchange, &row, 1, false);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    struct exchange_answer answer = stage_answer(&stage, EXCHANGE_OK);
    answer.balance.balance = 95;
    answer.balance.consumed = 5;
    stage.full = true;
    cr_expect_eq(core_exchange_done(stage.core, exchange.id, &answer, stage.now), -ENOSPC);
    stage_idle(&stage);
    stage.full = false;
    stage_look(&stage, DOUBT, &row, 1, 95, 5);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
}

Test(push, P3_a_full_disk_does_not_repeat_a_long_look_at_once)
{
    struct stage_row row = {"ct_1", NULL, 1, 1000};
    struct exchange exchange;
    struct exchange_answer answer;
    doubtful(EXCHANGE_UNANSWERED);
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    for (int page = 1; page < 100; page++) {
        stage_end_history(&stage, &exchange, &row, 1, true);
        exchange = stage_next(&stage, EXCHANGE_HISTORY);
    }
    answer = stage_answer(&stage, EXCHANGE_OK);
    answer.history.rows = &(struct exchange_row){
        .id = "ct_0", .id_length = 4, .type = EXCHANGE_ROW_DEDUCT, .created_at = stage.now};
    answer.history.count = 1;
    answer.history.has_more = true;
    stage.full = true;
    cr_expect_eq(core_exchange_done(stage.core, exchange.id, &answer, stage.now), -ENOSPC);
    stage_idle(&stage);
    stage.full = false;
}

/* While a watched push is looked up, other needs of its balance go on: a refresh between two turns
 * of the look is not its own reading. */
Test(push, P3_a_refresh_between_its_turns_is_no_part_of_the_look)
{
    struct exchange exchange = resent();
    stage_end_push(&stage, &exchange, 5, 95);
    struct stage_row row = {"ct_1", exchange.push_id, 5, 100000};
    stage_look(&stage, 2 * DOUBT, &row, 1, 95, 5);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 95, 5);
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    cr_assert_eq(core_balance_refresh(stage.core, balance().slot, STAGE_UID, stage.now), CORE_OK);
    stage.retry_after = 5000;
    stage_end(&stage, &exchange, EXCHANGE_RATE_LIMITED);
    stage.retry_after = -1;
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 10000);
    stage_end_balance(&stage, &exchange, 89, 11);
    cr_assert_eq(stage_only_push(&stage).state, CORE_PUSH_WATCHED);
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 10000);
    stage_end_history(&stage, &exchange, &row, 1, false);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().upstream, 89);
    stage_restart(&stage);
}

/* From the start again it would never end, where the limit is lower than the pages are many. */
Test(push, P3_a_429_does_not_begin_the_look_anew)
{
    struct exchange push = doubtful(EXCHANGE_UNANSWERED), exchange;
    struct stage_row rows[] = {{"ct_9", NULL, 1, 1000}, {"ct_7", push.push_id, 5, 110000}};
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    stage_end_history(&stage, &exchange, rows, 1, true);
    exchange = stage_next(&stage, EXCHANGE_HISTORY);
    stage.retry_after = 5000;
    stage_end(&stage, &exchange, EXCHANGE_RATE_LIMITED);
    stage.retry_after = -1;
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 10000);
    cr_expect_eq(exchange.offset, 1);
    stage_end_history(&stage, &exchange, rows + 1, 1, false);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end(&stage, &exchange, EXCHANGE_RATE_LIMITED);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end_balance(&stage, &exchange, 94, 6);
    cr_expect_eq(balance().pushed_total, 5);
}

Test(push, P3_two_stories_are_parked_with_both_figures)
{
    struct exchange push = doubtful(EXCHANGE_FAILED);
    struct stage_row row = {"ct_1", push.push_id, 5, 100000};
    for (int i = 0; i < 10 && stage_only_push(&stage).state != CORE_PUSH_PARKED; i++)
        stage_look(&stage, 2 * DOUBT, &row, 1, 100, 0); /* a row, and no movement */
    struct core_push parked = stage_only_push(&stage);
    cr_expect_eq(parked.state, CORE_PUSH_PARKED);
    cr_expect_eq(parked.reason, CORE_PARK_STORIES);
    cr_expect_eq(parked.rows_seen, 5);
    cr_expect_eq(parked.consumed_seen, 0);
    cr_expect(stage.events & CORE_EVENT_BIT(PUSH_PARKED));
    cr_expect_eq(balance().pushed_total, 0);
}

Test(push, P3_movement_without_a_row_is_not_sent_again)
{
    doubtful(EXCHANGE_FAILED);
    for (int i = 0; i < 10 && stage_only_push(&stage).state != CORE_PUSH_PARKED; i++)
        stage_look(&stage, 2 * DOUBT, NULL, 0, 95, 5);
    cr_expect_eq(stage_only_push(&stage).reason, CORE_PARK_STORIES);
    cr_expect_eq(stage_only_push(&stage).rows_seen, 0);
    cr_expect_eq(stage_only_push(&stage).consumed_seen, 5);
    cr_expect_eq(stage_only_push(&stage).attempt, 1);
}

Test(push, P3_spending_elsewhere_belongs_to_the_story)
{
    struct exchange push = doubtful(EXCHANGE_UNANSWERED);
    struct stage_row rows[] = {{"ct_3", NULL, 7, 1000}, {"ct_2", push.push_id, 5, 100000}};
    stage_look(&stage, 2 * DOUBT, rows, 2, 88, 12);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
}

/* `consumed` is upstream's, of all time: what counts is how it has moved since we read it. */
Test(push, P3_the_story_begins_at_the_reading_before_the_push)
{
    struct exchange exchange;
    stage_later(&stage, 70000);
    balance(); /* used: refreshed when due */
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 1000);
    stage_end_balance(&stage, &exchange, 200, 1000);
    stage_later(&stage, 10000);
    exchange = doubtful(EXCHANGE_UNANSWERED);
    struct stage_row rows[] = {{"ct_9", exchange.push_id, 5, DOUBT},
                               {"ct_8", NULL, 1000, DOUBT + 60000}}; /* in that reading already */
    stage_look(&stage, 2 * DOUBT, rows, 2, 195, 1005);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
    cr_expect_eq(balance().upstream, 195);
}

Test(push, P3_pages_are_read_back_to_the_push_and_no_further)
{
    struct exchange push = doubtful(EXCHANGE_UNANSWERED), exchange;
    struct stage_row first[] = {{"ct_9", NULL, 1, 1000}, {"ct_8", NULL, 1, 2000}};
    struct stage_row second[] = {{"ct_8", NULL, 1, 2000}, /* moved to this page meanwhile */
                                 {"ct_7", push.push_id, 5, 100000},
                                 {"ct_1", NULL, 50, 90000000}};
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    cr_expect_eq(exchange.offset, 0);
    stage_end_history(&stage, &exchange, first, 2, true);
    exchange = stage_next(&stage, EXCHANGE_HISTORY);
    cr_expect_eq(exchange.offset, 2);
    stage_end_history(&stage, &exchange, second, 3, true);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 93, 7);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 5);
}

Test(push, P3_a_clock_that_is_off_does_not_hide_rows)
{
    static const int64_t ahead[] = {-900000, 900000};
    for (size_t i = 0; i < 2; i++) {
        struct stage other;
        stage_init(&other, NULL);
        other.server_ahead = ahead[i];
        stage_know(&other, "cus_a", "prod_a", 1, 100);
        stage_spend(&other, "cus_a", "prod_a", 5);
        struct exchange push = stage_push(&other, EXCHANGE_UNANSWERED);
        struct stage_row row = {"ct_1", push.push_id, 5, 130000};
        stage_look(&other, 2 * DOUBT, &row, 1, 95, 5);
        cr_expect_eq(stage_balance(&other, "cus_a", "prod_a").pushed_total, 5);
        stage_deinit(&other);
    }
}

/* --- P4 --- */

/* The clock may not have moved since the push was begun. */
Test(push, P4_a_unit_that_was_configured_meanwhile_is_not_parked)
{
    struct core_consumed consumed;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    cr_assert_eq(core_configure_product(stage.core, stage_text("prod_a"), 50, stage.now), 0);
    stage_end_push(&stage, &exchange, 1, 99);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 50, &consumed), CORE_OK);
}

Test(push, P4_an_unexpected_unit_counts_and_parks_the_product)
{
    struct exchange exchange;
    struct core_consumed consumed;
    stage_spend(&stage, "cus_a", "prod_a", 50); /* 5 credits at 10: upstream charges by 50 */
    exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    stage_end_push(&stage, &exchange, 1, 99);
    cr_expect_eq(balance().pushed_total, 1);
    cr_expect_eq(balance().upstream, 99);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect(stage.events & CORE_EVENT_BIT(PUSH_PARKED));
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 10, &consumed), CORE_PRODUCT_PARKED);
    stage_later(&stage, 5000);
    stage_idle(&stage); /* nothing is sent again */
    stage_restart(&stage);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 10, &consumed), CORE_PRODUCT_PARKED);

    cr_assert_eq(core_configure_product(stage.core, (struct core_text){"prod_a", 6}, 50, stage.now),
                 0);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 50, &consumed), CORE_OK);
    cr_expect_eq(consumed.credits, 1);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 70000);
    cr_expect_eq(exchange.amount, 5 * 50);
}

/* --- P5 --- */

Test(push, P5_nothing_is_read_before_the_doubt_is_looked_into)
{
    struct exchange exchange;
    doubtful(EXCHANGE_UNANSWERED);
    int64_t closed = stage.now;
    cr_assert_eq(core_balance_refresh(stage.core, balance().slot, STAGE_UID, stage.now), CORE_OK);
    exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    cr_expect_geq(stage.now, closed + DOUBT);
    stage_end_history(&stage, &exchange, NULL, 0, false);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 777, 0);
    cr_expect_eq(balance().upstream, 100);
}

/* Two looks found nothing; but before it is sent again another answer is lost, and the balance is
 * read as a probe. That reading may have the doubtful credits or not. */
Test(push, P5_a_probe_does_not_become_upstream_while_in_doubt)
{
    struct exchange look, probe;
    stage_know(&stage, "cus_b", "prod_a", 10, 100);
    doubtful(EXCHANGE_UNANSWERED);
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    look = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    uint32_t slot = stage_balance(&stage, "cus_b", "prod_a").slot;
    cr_assert_eq(core_balance_refresh(stage.core, slot, STAGE_UID, stage.now), CORE_OK);
    probe = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_history(&stage, &look, NULL, 0, false);
    look = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &look, 100, 0);
    stage_end(&stage, &probe, EXCHANGE_UNANSWERED);
    probe = stage_await(&stage, EXCHANGE_BALANCE, 20000);
    cr_assert(memcmp(probe.customer, "cus_a", 5) == 0);
    stage_end_balance(&stage, &probe, 95, 5);
    cr_expect_eq(balance().upstream, 100);
    cr_expect_eq(balance().available, 95);
}

Test(push, P5_a_reading_follows_a_resolution_before_the_next_push)
{
    struct core_policy policy = stage_policy();
    policy.refresh_interval = 60 * DOUBT; /* no refresh comes before it */
    core_set_policy(stage.core, &policy, stage.now);
    struct exchange push = doubtful(EXCHANGE_UNANSWERED), exchange;
    struct stage_row row = {"ct_1", push.push_id, 5, 100000};
    stage_look(&stage, 2 * DOUBT, &row, 1, 80, 5); /* 15 more went elsewhere by grant or theft */
    cr_expect_eq(balance().upstream, 95, "the look itself is no reading");
    stage_spend(&stage, "cus_a", "prod_a", 900);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 5000);
    stage_end_balance(&stage, &exchange, 80, 5);
    cr_expect_eq(balance().upstream, 80);
    cr_expect_eq(stage_await(&stage, EXCHANGE_PUSH, 5000).amount, 800);
}

/* --- P7 --- */

Test(push, P7_401_pauses_all_pushes_until_resumed)
{
    struct core_summary summary;
    struct exchange exchange;
    stage_know(&stage, "cus_b", "prod_a", 10, 100);
    doubtful(EXCHANGE_UNAUTHORIZED);
    stage_spend(&stage, "cus_b", "prod_a", 10);
    core_get_summary(stage.core, &summary);
    cr_expect(summary.paused);
    stage_later(&stage, 600000);
    stage_idle(&stage);
    stage_spend(&stage, "cus_a", "prod_a", 10); /* serving goes on */
    core_resume(stage.core, stage.now);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 2000);
    stage_end_push(&stage, &exchange, exchange.amount / 10, 90);
}

Test(push, P7_401_is_probed_hourly)
{
    struct exchange exchange;
    doubtful(EXCHANGE_UNAUTHORIZED);
    int64_t paused = stage.now;
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 3700000);
    cr_expect_geq(stage.now, paused + 3600000);
    stage_end_balance(&stage, &exchange, 100, 0);
    stage_await(&stage, EXCHANGE_PUSH, 2000);
}

Test(push, P7_403_pauses_only_where_a_probe_is_refused_too)
{
    struct core_summary summary;
    struct exchange exchange;
    doubtful(EXCHANGE_FORBIDDEN);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end(&stage, &exchange, EXCHANGE_FORBIDDEN);
    core_get_summary(stage.core, &summary);
    cr_expect(summary.paused);
    cr_expect_eq(stage_pushes(&stage), 0);
}

Test(push, P7_403_of_one_object_parks_its_push)
{
    struct core_summary summary;
    struct exchange exchange;
    doubtful(EXCHANGE_FORBIDDEN);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end_balance(&stage, &exchange, 100, 0);
    stage_push(&stage, EXCHANGE_FORBIDDEN);
    core_get_summary(stage.core, &summary);
    cr_expect(!summary.paused);
    cr_expect_eq(summary.pushes_parked, 1);
}

#define OTHERS 100000 /* what cus_b has */

/* Plays upstream for that long: every history ends as `history`, everything else well, while cus_b
 * spends 10 a minute. */
static void play(int64_t ms, enum exchange_outcome history)
{
    int64_t until = stage.now + ms, next = stage.now, left = OTHERS;
    struct core_consumed consumed;
    struct exchange exchange;

    while (stage.now < until) {
        if (stage.now >= next) {
            cr_assert_eq(stage_consume(&stage, "cus_b", "prod_a", 10, &consumed), CORE_OK);
            next = stage.now + 60000;
        }
        if (core_next_exchange(stage.core, stage.now, &exchange) == -EAGAIN) {
            int64_t wakeup = core_wakeup(stage.core);
            wakeup = wakeup < next ? wakeup : next;
            stage.now = wakeup > stage.now ? wakeup : stage.now + 20;
            core_tick(stage.core, stage.now);
        } else if (exchange.kind == EXCHANGE_HISTORY) {
            stage_end(&stage, &exchange, history);
        } else if (exchange.kind == EXCHANGE_PUSH) {
            left -= exchange.amount / 10;
            stage_end_push(&stage, &exchange, exchange.amount / 10, left);
        } else {
            bool is_b = memcmp(exchange.customer, "cus_b", 5) == 0;
            stage_end_balance(&stage, &exchange, is_b ? left : 100, is_b ? OTHERS - left : 0);
        }
    }
}

Test(push, P7_a_403_for_one_history_does_not_stop_the_others)
{
    stage_know(&stage, "cus_b", "prod_a", 10, OTHERS);
    doubtful(EXCHANGE_UNANSWERED);
    play(INT64_C(4) * 3600 * 1000, EXCHANGE_FORBIDDEN);
    cr_expect_leq(stage_balance(&stage, "cus_b", "prod_a").pending, 2);
}

static void ends_parked(enum exchange_outcome history)
{
    stage_know(&stage, "cus_b", "prod_a", 10, OTHERS);
    doubtful(EXCHANGE_UNANSWERED);
    play(INT64_C(4) * 3600 * 1000, history);
    cr_expect_leq(stage_balance(&stage, "cus_b", "prod_a").pending, 2);
    struct core_summary summary;
    core_get_summary(stage.core, &summary);
    cr_expect_eq(summary.pushes_parked, 1, "history outcome %d", (int)history);
    cr_expect_eq(summary.pushes_doubt, 0);
}

Test(push, P3_a_look_that_never_succeeds_is_for_the_operator)
{
    ends_parked(EXCHANGE_NOT_FOUND);
}

Test(push, P3_a_history_that_nobody_can_read_is_for_the_operator)
{
    ends_parked(EXCHANGE_FAILED);
}

Test(push, P7_no_balance_is_a_balance_of_zero)
{
    struct exchange exchange;
    struct core_consumed consumed;
    doubtful(EXCHANGE_NO_BALANCE);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end(&stage, &exchange, EXCHANGE_NO_BALANCE);
    cr_expect_eq(balance().upstream, 0);
    cr_expect_eq(balance().available, -5);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_INSUFFICIENT);
}

/* --- P8 --- */

Test(push, P8_a_refused_push_may_be_retried)
{
    uint64_t sequence = 0;
    struct exchange push = doubtful(EXCHANGE_REFUSED), again;
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_PARKED);
    cr_expect_eq(stage_only_push(&stage).reason, CORE_PARK_REFUSED);
    stage_later(&stage, 600000);
    struct exchange exchange;
    while (core_next_exchange(stage.core, stage.now, &exchange) == 0) {
        cr_assert_neq(exchange.kind, EXCHANGE_PUSH);
        stage_end_balance(&stage, &exchange, 100, 0);
    }
    cr_assert_eq(core_push_retry(stage.core, push_id(&push), STAGE_UID, stage.now, &sequence),
                 CORE_OK);
    cr_expect_eq(sequence, stage.count);
    struct record record;
    cr_assert_eq(record_decode(stage.records[stage.count - 1].bytes,
                               stage.records[stage.count - 1].size, &record),
                 0);
    cr_expect_eq(record.header.uid, STAGE_UID); /* whoever did it stands in the ledger */
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 70000);
    stage_end_balance(&stage, &exchange, 100, 0);
    again = stage_await(&stage, EXCHANGE_PUSH, 70000);
    cr_expect_str_neq(again.push_id, push.push_id);
    cr_expect_eq(again.amount, 50);
}

Test(push, P8_one_that_may_have_run_is_not_retried)
{
    uint64_t sequence = 0;
    struct exchange push = doubtful(EXCHANGE_FAILED);
    cr_expect_eq(core_push_retry(stage.core, push_id(&push), STAGE_UID, stage.now, &sequence),
                 CORE_NOT_PARKED);
    for (int i = 0; i < 10 && stage_only_push(&stage).state != CORE_PUSH_PARKED; i++)
        stage_look(&stage, 2 * DOUBT, NULL, 0, 95, 5);
    cr_expect_eq(core_push_retry(stage.core, push_id(&push), STAGE_UID, stage.now, &sequence),
                 CORE_MAY_HAVE_RUN);
    cr_expect_eq(core_push_retry(stage.core, (struct core_text){"psh_0", 5}, STAGE_UID, stage.now,
                                 &sequence),
                 CORE_NOT_FOUND);
}

Test(push, P8_dropping_is_a_recorded_write_off)
{
    uint64_t sequence = 0;
    struct exchange push = doubtful(EXCHANGE_REFUSED);
    cr_assert_eq(core_push_drop(stage.core, push_id(&push), 0, (struct core_text){"why", 3},
                                stage.now, &sequence),
                 CORE_OK);
    cr_expect_eq(stage_records_of(&stage, RECORD_WRITE_OFF), 1);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pending, 0);
    cr_expect_eq(balance().pushed_total, 5);
    stage_restart(&stage);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pending, 0);
    cr_expect_eq(core_push_drop(stage.core, push_id(&push), 0, (struct core_text){"", 0}, stage.now,
                                &sequence),
                 CORE_NOT_FOUND);
}

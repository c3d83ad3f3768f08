/*
 * Credits given back and granted (P10): at once where nothing has left yet, else by a push of their
 * own kind.
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DOUBT 120000

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

TestSuite(gift, .init = set_up, .fini = tear_down);

static struct core_balance balance(void)
{
    return stage_balance(&stage, "cus_a", "prod_a");
}

static struct core_consumed spend(int64_t raw)
{
    struct core_consumed consumed;
    cr_assert_eq(stage_consume(&stage, "cus_a", "prod_a", raw, &consumed), CORE_OK);
    return consumed;
}

static struct core_consumed spend_and_push(int64_t raw)
{
    struct core_consumed consumed = spend(raw);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end_push(&stage, &exchange, consumed.credits, balance().upstream - consumed.credits);
    return consumed;
}

static int give_back(const struct core_consumed *of, int64_t of_raw, int64_t raw,
                     struct core_given *ret_given)
{
    struct core_give_back command = {.customer = stage_text("cus_a"),
                                     .product = stage_text("prod_a"),
                                     .of = {.sequence = of->sequence, .epoch = of->epoch},
                                     .of_credits = of->credits,
                                     .of_raw_amount = of_raw,
                                     .raw_amount = raw,
                                     .reason = stage_text("it did not work"),
                                     .uid = STAGE_UID,
                                     .pid = 7};
    return core_credit_refund(stage.core, &command, stage.now, ret_given);
}

static int grant(int64_t raw, const char *key, struct core_given *ret_given)
{
    struct core_consume command = stage_command("cus_a", "prod_a", raw);
    command.metadata = stage_text("welcome");
    command.repeat = key != NULL ? CORE_REPEAT_KEY : CORE_REPEAT_NONE;
    command.key = stage_text(key != NULL ? key : "");
    return core_grant(stage.core, &command, stage.now, ret_given);
}

/* --- refunds --- */

Test(gift, P10_what_is_pending_comes_back_at_once)
{
    struct core_given given;
    struct core_consumed one = spend(95);
    cr_assert_eq(give_back(&one, 95, 0, &given), CORE_OK);
    cr_expect_eq(given.credits, 10);
    cr_expect_eq(given.pushed, 0);
    cr_expect(!given.replayed);
    cr_expect_eq(given.balance.pending, 0);
    cr_expect_eq(given.balance.available, 100);
    cr_expect_geq(given.balance.reveals, given.sequence);
    cr_expect_eq(stage_pushes(&stage), 0);
    stage_later(&stage, 30000);
    stage_idle(&stage);
    stage_restart(&stage);
    cr_expect_eq(balance().available, 100);
}

Test(gift, P10_what_has_left_is_a_push_of_its_own_kind)
{
    struct core_given given;
    struct core_consumed one = spend_and_push(95);
    cr_assert_eq(give_back(&one, 95, 0, &given), CORE_OK);
    cr_expect_eq(given.credits, 10);
    cr_expect_eq(given.pushed, 10);
    cr_expect_eq(given.balance.available, 90, "spendable only when it is confirmed");
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_expect_eq(exchange.push_kind, EXCHANGE_REFUND);
    cr_expect_eq(exchange.amount, 100);
    cr_expect_str_eq(exchange.reason, "it did not work");
    cr_expect_eq(stage_records_of(&stage, RECORD_PUSH_BEGUN), 2, "P1");
    cr_expect_eq(exchange.after_sequence, stage.count);
    stage_end_push(&stage, &exchange, 10, 100);
    cr_expect_eq(balance().available, 100);
    cr_expect_eq(balance().pending, 0);
    cr_expect_eq(stage_pushes(&stage), 0);
}

Test(gift, P10_some_of_it_has_left)
{
    struct core_given given;
    struct core_consumed one = spend_and_push(100);
    spend(40);
    cr_assert_eq(give_back(&one, 100, 0, &given), CORE_OK);
    cr_expect_eq(given.credits, 10);
    cr_expect_eq(given.pushed, 6); /* credits are alike: 4 were still here */
    cr_expect_eq(given.balance.pending, 0);
    cr_expect_eq(given.balance.available, 90);
}

Test(gift, P10_what_is_under_way_counts_as_having_left)
{
    struct core_given given;
    struct core_consumed one = spend(100);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_assert_eq(give_back(&one, 100, 0, &given), CORE_OK);
    cr_expect_eq(given.pushed, 10);
    cr_expect_eq(given.balance.pending, 10);
    stage_idle(&stage); /* one exchange at a time for a balance */
    stage_end_push(&stage, &exchange, 10, 90);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_expect_eq(exchange.push_kind, EXCHANGE_REFUND);
    stage_end_push(&stage, &exchange, 10, 100);
    cr_expect_eq(balance().available, 100);
}

Test(gift, P10_what_is_in_doubt_counts_as_having_left)
{
    struct core_given given;
    struct core_consumed one = spend(100);
    stage_push(&stage, EXCHANGE_UNANSWERED);
    cr_assert_eq(give_back(&one, 100, 0, &given), CORE_OK);
    cr_expect_eq(given.pushed, 10);
}

Test(gift, parts_by_raw_amount)
{
    const struct {
        int64_t raw, credits;
        int status;
    } cases[] = {{0, 10, CORE_OK}, {95, 10, CORE_OK},     {94, 9, CORE_OK},      {45, 5, CORE_OK},
                 {5, 1, CORE_OK},  {4, 0, CORE_TOO_MUCH}, {96, 0, CORE_TOO_MUCH}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct core_given given = {0};
        struct core_consumed one = spend(95);
        size_t records = stage.count;
        cr_expect_eq(give_back(&one, 95, cases[i].raw, &given), cases[i].status, "raw %lld",
                     (long long)cases[i].raw);
        cr_expect_eq(given.credits, cases[i].credits, "raw %lld", (long long)cases[i].raw);
        cr_expect_eq(stage.count, records + (cases[i].status == CORE_OK));
        tear_down();
        set_up();
    }
}

Test(gift, once_ever)
{
    struct core_given first, again;
    struct core_consumed one = spend(95);
    cr_assert_eq(give_back(&one, 95, 45, &first), CORE_OK);
    stage_restart(&stage);
    size_t records = stage.count;
    cr_expect_eq(give_back(&one, 95, 45, &again), CORE_OK);
    cr_expect(again.replayed);
    cr_expect_eq(again.sequence, first.sequence);
    cr_expect_eq(again.epoch, first.epoch);
    cr_expect_eq(again.credits, first.credits);
    cr_expect_eq(give_back(&one, 95, 0, &again), CORE_GIVEN_BACK);
    cr_expect_eq(give_back(&one, 95, 50, &again), CORE_GIVEN_BACK);
    cr_expect_eq(stage.count, records);
    cr_expect_eq(balance().available, 95);
}

Test(gift, a_lost_refund_has_not_happened)
{
    struct core_given given;
    struct core_consumed one = spend(95);
    size_t durable = stage.count;
    cr_assert_eq(give_back(&one, 95, 0, &given), CORE_OK);
    stage_restart_with(&stage, durable);
    cr_expect_eq(balance().available, 90);
    cr_assert_eq(give_back(&one, 95, 0, &given), CORE_OK);
    cr_expect(!given.replayed);
}

Test(gift, refund_uses_the_reserve)
{
    struct core_given given;
    struct core_consumed one = spend(95);
    stage.append_error = -ENOSPC;
    cr_expect_eq(give_back(&one, 95, 0, &given), CORE_OK);
    cr_expect_eq(grant(50, NULL, &given), -ENOSPC);
    cr_expect_eq(stage_pushes(&stage), 0);
}

Test(gift, what_could_not_be_recorded_is_given_back_when_it_is_asked_for_again)
{
    struct core_given given;
    struct core_consumed one = spend_and_push(95);
    int64_t upstream = balance().upstream;
    stage.full = true;
    cr_expect_eq(give_back(&one, 95, 0, &given), -ENOSPC);
    stage.full = false;
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().upstream, upstream);
    cr_expect_eq(give_back(&one, 95, 0, &given), CORE_OK);
    cr_expect_not(given.replayed);
    cr_expect_eq(stage_pushes(&stage), 1);
}

Test(gift, of_a_balance_that_is_not_at_hand)
{
    struct core_given given;
    struct core_consumed one = spend(95);
    struct core_give_back command = {.customer = stage_text("cus_b"),
                                     .product = stage_text("prod_a"),
                                     .of = {.sequence = one.sequence, .epoch = one.epoch},
                                     .of_credits = 1,
                                     .of_raw_amount = 1};
    cr_expect_eq(core_credit_refund(stage.core, &command, stage.now, &given), CORE_LOAD);
    cr_assert_eq(core_load_absent(stage.core, command.customer, command.product, stage.now), 0);
    cr_expect_eq(core_credit_refund(stage.core, &command, stage.now, &given), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end(&stage, &exchange, EXCHANGE_NO_BALANCE);
    cr_expect_eq(core_credit_refund(stage.core, &command, stage.now, &given), CORE_NOT_FOUND);
}

Test(gift, a_long_reason_is_cut_between_characters)
{
    struct core_given given;
    struct core_consumed one = spend_and_push(100);
    char reason[200] = "";
    while (strlen(reason) + 3 < sizeof(reason))
        strcat(reason, "\xe2\x82\xac"); /* three bytes each: 63 is not the end of one */
    reason[0] = 'x';
    memmove(reason + 1, reason + 3, strlen(reason + 3) + 1); /* now 62 bytes are not, either */
    struct core_give_back command = {.customer = stage_text("cus_a"),
                                     .product = stage_text("prod_a"),
                                     .of = {.sequence = one.sequence, .epoch = one.epoch},
                                     .of_credits = 10,
                                     .of_raw_amount = 100,
                                     .reason = stage_text(reason)};
    cr_assert_eq(core_credit_refund(stage.core, &command, stage.now, &given), CORE_OK);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    size_t length = strlen(exchange.reason);
    cr_expect_eq(length, 61);
    cr_expect(strncmp(exchange.reason, reason, length) == 0);
    stage_end_push(&stage, &exchange, 10, 100);
}

/* --- grants --- */

Test(gift, P10_a_grant_is_spendable_when_confirmed)
{
    struct core_given given;
    cr_assert_eq(grant(45, NULL, &given), CORE_OK);
    cr_expect_eq(given.credits, 5);
    cr_expect_eq(given.pushed, 5);
    cr_expect_eq(given.balance.available, 100);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_expect_eq(exchange.push_kind, EXCHANGE_GRANT);
    cr_expect_eq(exchange.amount, 50);
    cr_expect_str_eq(exchange.reason, "welcome");
    cr_expect_eq(balance().available, 100);
    stage_end_push(&stage, &exchange, 5, 105);
    cr_expect_eq(balance().available, 105);
}

Test(gift, P10_without_a_balance_in_the_answer)
{
    struct core_given given;
    cr_assert_eq(grant(50, NULL, &given), CORE_OK);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end(&stage, &exchange, EXCHANGE_OK); /* says nothing of what it moved */
    cr_expect_eq(balance().available, 105);
    cr_expect_eq(stage_pushes(&stage), 0);
}

Test(gift, K1_a_repeated_grant_gives_once)
{
    struct core_given first, again;
    cr_assert_eq(grant(50, "promo-1", &first), CORE_OK);
    stage_restart(&stage);
    size_t records = stage.count;
    cr_assert_eq(grant(50, "promo-1", &again), CORE_OK);
    cr_expect(again.replayed);
    cr_expect_eq(again.sequence, first.sequence);
    cr_expect_eq(again.credits, 5);
    cr_expect_eq(grant(60, "promo-1", &again), CORE_KEY_REUSED);
    cr_expect_eq(stage.count, records);
    cr_expect_eq(stage_pushes(&stage), 1);
}

Test(gift, more_than_upstream_can_count)
{
    struct core_given given;
    const int64_t credits = (INT64_C(1) << 31) - 1;
    cr_expect_eq(grant(credits * 10 + 1, NULL, &given), CORE_TOO_MUCH);
    cr_expect_eq(grant(0, NULL, &given), CORE_TOO_MUCH);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(grant(credits * 10, NULL, &given), CORE_OK);
}

Test(gift, P1_a_refund_is_no_more_than_one_push_can_carry)
{
    const int64_t most = (INT64_C(1) << 31) - 1;
    struct core_given given;
    stage_know(&stage, "cus_a", "prod_b", 1, 4 * most);
    struct core_consumed consumed;
    cr_assert_eq(stage_consume(&stage, "cus_a", "prod_b", 2 * most, &consumed), CORE_OK);
    for (int i = 1; i <= 2; i++) {
        struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
        cr_assert_eq(exchange.amount, most);
        stage_end_push(&stage, &exchange, most, (4 - i) * most);
    }
    struct core_give_back command = {.customer = stage_text("cus_a"),
                                     .product = stage_text("prod_b"),
                                     .of = {.sequence = consumed.sequence, .epoch = consumed.epoch},
                                     .of_credits = 2 * most,
                                     .of_raw_amount = 2 * most};
    size_t records = stage.count;
    cr_expect_eq(core_credit_refund(stage.core, &command, stage.now, &given), CORE_TOO_MUCH);
    cr_expect_eq(stage.count, records);
    command.raw_amount = most;
    cr_expect_eq(core_credit_refund(stage.core, &command, stage.now, &given), CORE_OK);
    cr_expect_eq(given.pushed, most);
}

Test(gift, grant_needs_a_balance_upstream)
{
    struct core_given given;
    struct core_consume command = stage_command("cus_b", "prod_a", 10);
    cr_assert_eq(core_load_absent(stage.core, command.customer, command.product, stage.now), 0);
    cr_expect_eq(core_grant(stage.core, &command, stage.now, &given), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end(&stage, &exchange, EXCHANGE_NO_BALANCE);
    cr_expect_eq(core_grant(stage.core, &command, stage.now, &given), CORE_NOT_FOUND);
}

/* --- their pushes --- */

static struct exchange gift_push(enum exchange_outcome outcome)
{
    struct core_given given;
    cr_assert_eq(grant(50, NULL, &given), CORE_OK);
    return stage_push(&stage, outcome);
}

Test(gift, P2_a_refused_gift_is_parked)
{
    const enum exchange_outcome refusals[] = {EXCHANGE_REFUSED, EXCHANGE_NOT_FOUND,
                                              EXCHANGE_INSUFFICIENT, EXCHANGE_NO_BALANCE};
    for (size_t i = 0; i < 4; i++) {
        gift_push(refusals[i]);
        cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_PARKED);
        cr_expect_eq(stage_only_push(&stage).reason, CORE_PARK_REFUSED);
        tear_down();
        set_up();
    }
}

Test(gift, P2_what_was_not_sent_waits_under_a_new_id)
{
    struct exchange first = gift_push(EXCHANGE_RATE_LIMITED);
    struct core_push push = stage_only_push(&stage);
    cr_expect_eq(push.state, CORE_PUSH_QUEUED);
    cr_expect_eq(push.credits, 5);
    stage_restart(&stage);
    struct exchange again = stage_await(&stage, EXCHANGE_PUSH, 100000);
    cr_expect_eq(again.push_kind, EXCHANGE_GRANT);
    cr_expect_str_neq(again.push_id, first.push_id);
    cr_expect_eq(again.amount, 50);
    stage_end_push(&stage, &again, 5, 105);
    cr_expect_eq(balance().available, 105);
}

Test(gift, P3_a_lost_grant_is_looked_up)
{
    struct exchange exchange = gift_push(EXCHANGE_UNANSWERED);
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_DOUBT);
    struct exchange look = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    struct exchange_row row = {.id = "row_1",
                               .id_length = 5,
                               .push_id = exchange.push_id,
                               .push_id_length = strlen(exchange.push_id),
                               .type = EXCHANGE_ROW_GRANT,
                               .credits = 5,
                               .created_at = stage.now - DOUBT};
    struct exchange_answer answer = stage_answer(&stage, EXCHANGE_OK);
    answer.history.rows = &row;
    answer.history.count = 1;
    cr_assert_eq(core_exchange_done(stage.core, look.id, &answer, stage.now), 0);
    look = stage_next(&stage, EXCHANGE_BALANCE);
    answer = stage_answer(&stage, EXCHANGE_OK);
    answer.balance.balance = 105;
    answer.balance.granted = 105;
    cr_assert_eq(core_exchange_done(stage.core, look.id, &answer, stage.now), 0);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().available, 105);
}

Test(gift, P3_a_grant_without_a_row_is_sent_again_after_two_looks)
{
    struct exchange first = gift_push(EXCHANGE_UNANSWERED);
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    stage_look(&stage, 2 * DOUBT, NULL, 0, 100, 0);
    struct exchange again = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_expect_str_eq(again.push_id, first.push_id);
    cr_expect_str_neq(again.idempotency_key, first.idempotency_key);
    cr_expect_eq(again.push_kind, EXCHANGE_GRANT);
    stage_end(&stage, &again, EXCHANGE_UNANSWERED);
}

static void look_at_grants(const struct exchange *push, size_t count, bool balance_too)
{
    struct exchange look = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
    struct exchange_answer answer = stage_answer(&stage, EXCHANGE_OK);
    struct exchange_row rows[2];
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct exchange_row){.id = i ? "row_2" : "row_1",
                                        .id_length = 5,
                                        .push_id = push->push_id,
                                        .push_id_length = strlen(push->push_id),
                                        .type = EXCHANGE_ROW_GRANT,
                                        .credits = 5,
                                        .created_at = stage.now};
    answer.history.rows = rows;
    answer.history.count = count;
    cr_assert_eq(core_exchange_done(stage.core, look.id, &answer, stage.now), 0);
    if (!balance_too)
        return;
    look = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &look, 100 + 5 * (int64_t)count, 0);
}

Test(gift, P3_what_ran_late_is_not_counted_on_top_of_a_reading)
{
    struct exchange first = gift_push(EXCHANGE_UNANSWERED);
    look_at_grants(&first, 0, true);
    look_at_grants(&first, 0, true);
    struct exchange again = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end(&stage, &again, EXCHANGE_UNANSWERED);
    look_at_grants(&first, 1, true);
    cr_expect_eq(balance().available, 105);
    cr_assert_eq(core_balance_refresh(stage.core, balance().slot, STAGE_UID, stage.now), CORE_OK);
    struct exchange reading = stage_await(&stage, EXCHANGE_BALANCE, 10000);
    stage_end_balance(&stage, &reading, 110, 0); /* the first attempt has run after all */
    look_at_grants(&first, 2, false);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().available, 110);
}

Test(gift, P3_only_rows_of_its_own_kind_are_of_a_refund)
{
    struct core_given given;
    struct core_consumed one = spend_and_push(50);
    cr_assert_eq(give_back(&one, 50, 0, &given), CORE_OK);
    struct exchange exchange = stage_push(&stage, EXCHANGE_UNANSWERED);
    struct stage_row row = {"row_1", exchange.push_id, 5, DOUBT};
    stage_look(&stage, 2 * DOUBT, &row, 1, 95, 5); /* of type deduct */
    cr_expect_eq(stage_only_push(&stage).state, CORE_PUSH_DOUBT);
    cr_expect_eq(balance().upstream, 95);
}

Test(gift, P8_a_dropped_gift_is_no_write_off_of_deductions)
{
    uint64_t sequence;
    struct exchange exchange = gift_push(EXCHANGE_REFUSED);
    cr_assert_eq(core_push_drop(stage.core, stage_text(exchange.push_id), 0, stage_text("no"),
                                stage.now, &sequence),
                 CORE_OK);
    cr_expect_eq(stage_pushes(&stage), 0);
    cr_expect_eq(balance().pushed_total, 0);
    cr_expect_eq(balance().pending, 0);
    stage_restart(&stage);
    cr_expect_eq(stage_pushes(&stage), 0);
}

Test(gift, P8_a_refused_gift_may_be_retried)
{
    uint64_t sequence;
    struct exchange exchange = gift_push(EXCHANGE_REFUSED);
    cr_assert_eq(
        core_push_retry(stage.core, stage_text(exchange.push_id), STAGE_UID, stage.now, &sequence),
        CORE_OK);
    struct exchange again = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_expect_str_neq(again.push_id, exchange.push_id);
    stage_end_push(&stage, &again, 5, 105);
    cr_expect_eq(balance().available, 105);
}

Test(gift, gifts_wait_in_order_and_survive)
{
    struct core_given given;
    for (int64_t i = 1; i <= 3; i++)
        cr_assert_eq(grant(10 * i, NULL, &given), CORE_OK);
    cr_expect_eq(stage_pushes(&stage), 3);
    stage_restart(&stage);
    cr_expect_eq(stage_pushes(&stage), 3);
    for (int64_t i = 1; i <= 3; i++) {
        struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
        cr_expect_eq(exchange.amount, 10 * i);
        stage_end_push(&stage, &exchange, i, balance().upstream + i);
        if (i == 3)
            break;
        exchange = stage_next(&stage, EXCHANGE_BALANCE); /* one grant a reading */
        stage_end_balance(&stage, &exchange, balance().upstream, 0);
    }
    cr_expect_eq(balance().available, 106);
}

/* What the first has moved must not be taken for the second, which is in doubt. */
Test(gift, P3_a_grant_after_another_is_not_parked_for_it)
{
    struct core_given given;
    cr_assert_eq(grant(50, NULL, &given), CORE_OK);
    cr_assert_eq(grant(70, NULL, &given), CORE_OK);
    struct exchange first = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end_push(&stage, &first, 5, 105);
    struct exchange exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 105, 0);
    struct exchange second = stage_await(&stage, EXCHANGE_PUSH, 10000);
    int64_t at = stage.now;
    stage_end(&stage, &second, EXCHANGE_UNANSWERED);
    for (int i = 0; i < 2; i++) {
        exchange = stage_await(&stage, EXCHANGE_HISTORY, 2 * DOUBT);
        struct exchange_row row = {.id = "row_1",
                                   .id_length = 5,
                                   .push_id = first.push_id,
                                   .push_id_length = strlen(first.push_id),
                                   .type = EXCHANGE_ROW_GRANT,
                                   .credits = 5,
                                   .created_at = at - 500};
        struct exchange_answer answer = stage_answer(&stage, EXCHANGE_OK);
        answer.history.rows = &row;
        answer.history.count = 1;
        cr_assert_eq(core_exchange_done(stage.core, exchange.id, &answer, stage.now), 0);
        exchange = stage_next(&stage, EXCHANGE_BALANCE);
        stage_end_balance(&stage, &exchange, 105, 0);
    }
    exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_expect_str_eq(exchange.push_id, second.push_id);
    stage_end(&stage, &exchange, EXCHANGE_UNANSWERED);
}

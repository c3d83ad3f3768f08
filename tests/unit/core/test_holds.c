/*
 * Reservations: what is held, how it ends, how long its end is remembered, and that all of it
 * survives.
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define HOUR INT64_C(3600000)

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

TestSuite(hold, .init = set_up, .fini = tear_down);

static struct core_balance balance(void)
{
    return stage_balance(&stage, "cus_a", "prod_a");
}

struct held {
    struct core_reserved answer;
    char id[EXCHANGE_PUSH_ID_SIZE];
};

static int reserve(int64_t raw, int64_t ttl, struct held *ret_held)
{
    struct core_consume command = stage_command("cus_a", "prod_a", raw);
    int status = core_reserve(stage.core, &command, ttl, stage.now, &ret_held->answer);
    core_reservation_id(stage.core, ret_held->answer.epoch, ret_held->answer.sequence,
                        ret_held->id);
    return status;
}

static struct held held(int64_t raw, int64_t ttl)
{
    struct held held;
    cr_assert_eq(reserve(raw, ttl, &held), CORE_OK);
    return held;
}

static int settle(const struct held *held, int64_t raw, struct core_settled *ret_settled)
{
    return core_settle(stage.core, stage_text(held->id), raw, stage_text(""), STAGE_UID, 1,
                       stage.now, ret_settled);
}

static int release(const struct held *held)
{
    struct core_reserved answer;
    return core_release(stage.core, stage_text(held->id), STAGE_UID, 1, stage.now, &answer);
}

static int extend(const struct held *held, int64_t ttl, struct core_reserved *ret_answer)
{
    return core_extend(stage.core, stage_text(held->id), ttl, STAGE_UID, 1, stage.now, ret_answer);
}

static unsigned state_of(const struct held *held)
{
    struct core_reservation found;
    int status = core_reservation_get(stage.core, stage_text(held->id), &found);
    return status == CORE_OK ? found.hold.state : 0;
}

Test(hold, is_held_and_shown)
{
    struct held one = held(95, HOUR);
    cr_expect_eq(one.answer.credits, 10); /* ceil(95 / 10) */
    cr_expect_eq(one.answer.expires_at, stage.now + HOUR);
    cr_expect_eq(one.answer.balance.held, 10);
    cr_expect_eq(one.answer.balance.available, 90);
    cr_expect_eq(one.answer.balance.pending, 0);
    cr_expect_geq(one.answer.balance.reveals, one.answer.sequence);
    cr_expect_eq(stage_records_of(&stage, RECORD_RESERVE), 1);
    cr_expect_eq(state_of(&one), CORE_HOLD_HELD);
}

Test(hold, what_is_held_cannot_be_spent_or_held_again)
{
    struct core_consumed consumed;
    struct held more;
    held(600, HOUR);
    size_t records = stage.count;
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 401, &consumed), CORE_INSUFFICIENT);
    cr_expect_eq(reserve(401, HOUR, &more), CORE_INSUFFICIENT);
    cr_expect_eq(more.answer.credits, 41);
    cr_expect_eq(more.answer.balance.available, 40);
    cr_expect_eq(stage.count, records);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 400, &consumed), CORE_OK);
}

Test(hold, ttl_bounds)
{
    const struct {
        int64_t ttl;
        int status;
    } cases[] = {{-1, -EINVAL},
                 {0, -EINVAL},
                 {1, CORE_OK},
                 {CORE_TTL_MAX, CORE_OK},
                 {CORE_TTL_MAX + 1, -EINVAL}};
    struct held one = held(10, HOUR);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct held other;
        struct core_reserved answer;
        cr_expect_eq(reserve(10, cases[i].ttl, &other), cases[i].status, "reserve %lld",
                     (long long)cases[i].ttl);
        cr_expect_eq(extend(&one, cases[i].ttl, &answer), cases[i].status, "extend %lld",
                     (long long)cases[i].ttl);
    }
}

Test(hold, amounts_below_one_are_refused)
{
    struct held one = held(10, HOUR), other;
    struct core_settled settled;
    cr_expect_eq(reserve(0, HOUR, &other), -EINVAL);
    cr_expect_eq(settle(&one, 0, &settled), -EINVAL);
    cr_expect_eq(state_of(&one), CORE_HOLD_HELD);
}

Test(hold, settle_table)
{
    const struct {
        int64_t raw, taken, shortfall, left;
    } cases[] = {
        {1, 1, 0, 99}, {200, 20, 0, 80}, {300, 30, 0, 70}, {1000, 100, 0, 0}, {1250, 100, 25, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct core_settled settled;
        struct held one = held(200, HOUR);
        cr_assert_eq(settle(&one, cases[i].raw, &settled), CORE_OK);
        cr_expect_eq(settled.credits, cases[i].taken, "case %zu", i);
        cr_expect_eq(settled.shortfall, cases[i].shortfall, "case %zu", i);
        cr_expect_eq(settled.balance.available, cases[i].left, "case %zu", i);
        cr_expect_eq(settled.balance_after, cases[i].left, "case %zu", i);
        cr_expect_eq(settled.balance.held, 0);
        cr_expect_eq(settled.balance.pending, cases[i].taken);
        cr_expect(!settled.replayed);
        cr_expect_geq(settled.balance.reveals, settled.sequence);
        tear_down();
        set_up();
    }
}

Test(hold, settle_is_a_deduction_that_is_pushed)
{
    struct core_settled settled;
    struct held one = held(200, HOUR);
    cr_assert_eq(settle(&one, 150, &settled), CORE_OK);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_expect_eq(exchange.amount, 150);
    stage_end_push(&stage, &exchange, 15, 85);
    cr_expect_eq(balance().available, 85);
}

Test(hold, settle_again_is_answered_again)
{
    struct core_settled first, again;
    struct held one = held(200, HOUR);
    cr_assert_eq(settle(&one, 1250, &first), CORE_OK);
    stage_restart(&stage);
    size_t records = stage.count;
    cr_expect_eq(settle(&one, 1250, &again), CORE_OK);
    cr_expect(again.replayed);
    cr_expect_eq(again.credits, first.credits);
    cr_expect_eq(again.shortfall, first.shortfall);
    cr_expect_eq(again.sequence, first.sequence);
    cr_expect_eq(again.epoch, first.epoch);
    cr_expect_eq(again.balance_after, first.balance_after);
    cr_expect_eq(settle(&one, 1240, &again), CORE_KEY_REUSED);
    cr_expect_eq(release(&one), CORE_ENDED);
    struct core_reserved answer;
    cr_expect_eq(extend(&one, 1000, &answer), CORE_ENDED);
    cr_expect_eq(stage.count, records);
}

Test(hold, settle_after_expiry_takes_what_is_available)
{
    struct core_settled settled;
    struct held one = held(900, 1000);
    stage_later(&stage, 1000);
    cr_expect_eq(state_of(&one), CORE_HOLD_EXPIRED);
    cr_expect_eq(balance().held, 0);
    cr_expect_eq(balance().available, 100);
    stage_spend(&stage, "cus_a", "prod_a", 400);
    cr_assert_eq(settle(&one, 900, &settled), CORE_OK);
    cr_expect_eq(settled.credits, 60);
    cr_expect_eq(settled.shortfall, 30);
    cr_expect_eq(settled.balance.available, 0);
    cr_expect_eq(settle(&one, 900, &settled), CORE_OK);
    cr_expect(settled.replayed);
}

Test(hold, settle_of_an_overdrawn_balance_takes_what_is_held)
{
    struct core_settled settled;
    struct held one = held(500, HOUR);
    struct exchange exchange;
    cr_assert_eq(core_balance_refresh(stage.core, balance().slot, STAGE_UID, stage.now), CORE_OK);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 20, 80); /* spent elsewhere */
    cr_expect_eq(balance().available, -30);
    cr_assert_eq(settle(&one, 600, &settled), CORE_OK);
    cr_expect_eq(settled.credits, 50);
    cr_expect_eq(settled.shortfall, 10);
    cr_expect_eq(settled.balance.held, 0);
}

Test(hold, release_gives_all_of_it_back)
{
    struct core_settled settled;
    struct held one = held(500, HOUR);
    cr_expect_eq(release(&one), CORE_OK);
    cr_expect_eq(balance().held, 0);
    cr_expect_eq(balance().available, 100);
    size_t records = stage.count;
    cr_expect_eq(release(&one), CORE_OK); /* it is released, whoever did it */
    cr_expect_eq(settle(&one, 10, &settled), CORE_ENDED);
    struct core_reserved answer;
    cr_expect_eq(extend(&one, 1000, &answer), CORE_ENDED);
    cr_expect_eq(stage.count, records);
}

Test(hold, release_after_expiry_is_fine)
{
    struct held one = held(500, 1000);
    stage_later(&stage, 1000);
    size_t records = stage.count;
    cr_expect_eq(release(&one), CORE_OK);
    cr_expect_eq(stage.count, records);
    cr_expect_eq(state_of(&one), CORE_HOLD_EXPIRED);
}

Test(hold, extend_counts_from_now)
{
    struct core_reserved answer;
    struct held one = held(500, 10000);
    stage_later(&stage, 9999);
    cr_assert_eq(extend(&one, 10000, &answer), CORE_OK);
    cr_expect_eq(answer.expires_at, stage.now + 10000);
    stage_later(&stage, 9999);
    cr_expect_eq(balance().held, 50);
    stage_later(&stage, 1);
    cr_expect_eq(balance().held, 0);
    cr_expect_eq(extend(&one, 10000, &answer), CORE_ENDED);
}

Test(hold, extend_may_shorten)
{
    struct core_reserved answer;
    struct held one = held(500, HOUR);
    cr_assert_eq(extend(&one, 10, &answer), CORE_OK);
    cr_expect_eq(core_wakeup(stage.core), stage.now + 10);
    stage_later(&stage, 10);
    cr_expect_eq(state_of(&one), CORE_HOLD_EXPIRED);
}

Test(hold, expiry_is_a_record_and_wakes)
{
    held(100, 5000);
    held(100, 6000);
    cr_expect_leq(core_wakeup(stage.core), stage.now + 5000);
    stage_later(&stage, 4999);
    cr_expect_eq(stage_records_of(&stage, RECORD_EXPIRE), 0);
    stage_later(&stage, 1001);
    cr_expect_eq(stage_records_of(&stage, RECORD_EXPIRE), 2);
    cr_expect_eq(balance().held, 0);
}

Test(hold, expiry_goes_on_with_a_full_disk)
{
    held(100, 5000);
    stage.append_error = -ENOSPC;
    stage_later(&stage, 5000);
    cr_expect_eq(balance().held, 0);
}

Test(hold, a_full_disk_refuses_and_changes_nothing)
{
    struct core_reserved answer;
    struct core_settled settled;
    struct held one = held(100, HOUR), other;
    stage.append_error = -ENOSPC;
    cr_expect_eq(reserve(10, HOUR, &other), -ENOSPC);
    cr_expect_eq(extend(&one, HOUR / 2, &answer), -ENOSPC);
    cr_expect_eq(settle(&one, 50, &settled), -ENOSPC);
    cr_expect_eq(balance().held, 10);
    cr_expect_eq(balance().pending, 0);
    struct core_reservation found;
    cr_assert_eq(core_reservation_get(stage.core, stage_text(one.id), &found), CORE_OK);
    cr_expect_eq(found.hold.expires_at, one.answer.expires_at);
    cr_expect_eq(found.hold.state, CORE_HOLD_HELD);
    cr_expect_eq(release(&one), CORE_OK); /* gives back: always possible */
    cr_expect_eq(balance().held, 0);
}

Test(hold, survives_a_crash)
{
    struct held kept = held(300, HOUR), released = held(100, HOUR), lost;
    cr_assert_eq(release(&released), CORE_OK);
    size_t durable = stage.count;
    lost = held(200, HOUR);
    stage_restart_with(&stage, durable);
    cr_expect_eq(balance().held, 30);
    cr_expect_eq(state_of(&kept), CORE_HOLD_HELD);
    cr_expect_eq(state_of(&released), CORE_HOLD_RELEASED);
    cr_expect_eq(state_of(&lost), 0);
    stage_later(&stage, HOUR);
    cr_expect_eq(balance().held, 0);
}

Test(hold, time_that_passed_while_down_counts)
{
    held(300, HOUR);
    stage.now += 2 * HOUR;
    stage_restart(&stage);
    stage_later(&stage, 0);
    cr_expect_eq(balance().held, 0);
}

Test(hold, is_forgotten_after_48_hours)
{
    struct core_settled settled;
    struct held one = held(100, HOUR), two = held(100, HOUR);
    cr_assert_eq(settle(&one, 50, &settled), CORE_OK);
    cr_assert_eq(release(&two), CORE_OK);
    stage_later(&stage, 48 * HOUR - 1);
    cr_expect_eq(settle(&one, 50, &settled), CORE_OK);
    stage_later(&stage, 1);
    cr_expect_eq(state_of(&one), 0);
    cr_expect_eq(state_of(&two), 0);
    cr_expect_eq(settle(&one, 50, &settled), CORE_NOT_FOUND);
    cr_expect_eq(release(&two), CORE_NOT_FOUND);
    stage_restart(&stage);
    cr_expect_eq(state_of(&one), 0);
}

Test(hold, unknown_ids_are_not_found)
{
    struct held one = held(100, HOUR);
    struct core_reservation found;
    const char *ids[] = {"",
                         "rsv_",
                         "rsv_1_",
                         "rsv_1_99999",
                         "rsv_9_1",
                         "psh_1_1",
                         "rsv_01_4",
                         "rsv_1_4 ",
                         "rsv_99999999999999999999_1"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        cr_expect_eq(core_reservation_get(stage.core, stage_text(ids[i]), &found), CORE_NOT_FOUND,
                     "%s", ids[i]);
    char longer[EXCHANGE_PUSH_ID_SIZE * 2] = {0};
    memset(longer, '1', sizeof(longer) - 1);
    memcpy(longer, one.id, strlen(one.id));
    cr_expect_eq(core_reservation_get(stage.core, stage_text(longer), &found), CORE_NOT_FOUND);
    cr_assert_eq(core_reservation_get(stage.core, stage_text(one.id), &found), CORE_OK);
    cr_expect_eq(found.customer.length, 5);
    cr_expect(memcmp(found.customer.data, "cus_a", 5) == 0);
    cr_expect_eq(found.hold.uid, STAGE_UID);
}

Test(hold, K1_a_repeated_reserve_holds_once)
{
    struct core_consume command = stage_command("cus_a", "prod_a", 100);
    struct core_reserved first, again;
    command.repeat = CORE_REPEAT_KEY;
    command.key = stage_text("job-1");
    cr_assert_eq(core_reserve(stage.core, &command, HOUR, stage.now, &first), CORE_OK);
    stage_restart(&stage);
    cr_assert_eq(core_reserve(stage.core, &command, HOUR, stage.now, &again), CORE_OK);
    cr_expect(again.replayed);
    cr_expect_eq(again.sequence, first.sequence);
    cr_expect_eq(again.credits, 10);
    cr_expect_eq(balance().held, 10);
    cr_expect_eq(core_reserve(stage.core, &command, HOUR + 1, stage.now, &again), CORE_KEY_REUSED);
    command.raw_amount = 101;
    cr_expect_eq(core_reserve(stage.core, &command, HOUR, stage.now, &again), CORE_KEY_REUSED);
    struct core_consumed consumed; /* the same key of another method is another request */
    command.raw_amount = 100;
    cr_expect_eq(core_consume(stage.core, &command, stage.now, &consumed), CORE_OK);
    cr_expect(!consumed.replayed);
}

Test(hold, refused_where_a_consume_would_be)
{
    struct held other;
    struct core_policy policy = stage_policy();
    policy.max_offline_spend = 5;
    core_set_policy(stage.core, &policy, stage.now);
    cr_expect_eq(reserve(60, HOUR, &other), CORE_OFFLINE_LIMIT);
    policy.max_offline_spend = -1;
    policy.max_offline_time = 1000;
    core_set_policy(stage.core, &policy, stage.now);
    stage_later(&stage, 1001);
    cr_expect_eq(reserve(60, HOUR, &other), CORE_OFFLINE_LIMIT);
    struct core_consume command = stage_command("cus_b", "prod_a", 10);
    cr_expect_eq(core_reserve(stage.core, &command, HOUR, stage.now, &other.answer), CORE_LOAD);
    cr_assert_eq(core_load_absent(stage.core, command.customer, command.product, stage.now), 0);
    cr_expect_eq(core_reserve(stage.core, &command, HOUR, stage.now, &other.answer), CORE_COLD);
}

/* It is remembered for as long as its end is; its stamp may be remembered longer. */
Test(hold, K2_a_repeated_reserve_of_one_that_is_forgotten)
{
    struct core_consume command = stage_command("cus_a", "prod_a", 10);
    struct core_consumed consumed;
    struct core_reserved reserved, again;
    char id[EXCHANGE_PUSH_ID_SIZE];
    command.repeat = CORE_REPEAT_STAMP;
    for (int i = 0; i < 6; i++)
        command.client_id[i] = (uint8_t)(stage.now >> (40 - 8 * i));
    command.counter = 1;
    cr_assert_eq(core_reserve(stage.core, &command, HOUR, stage.now, &reserved), CORE_OK);
    core_reservation_id(stage.core, reserved.epoch, reserved.sequence, id);
    cr_assert_eq(core_release(stage.core, stage_text(id), STAGE_UID, 1, stage.now, &again),
                 CORE_OK);
    for (int i = 0; i < 3; i++) { /* the client stays in use */
        stage_later(&stage, 20 * HOUR);
        struct core_consume other = command;
        other.counter = (uint64_t)i + 2;
        cr_assert_eq(stage_consume_with(&stage, &other, &consumed), CORE_OK);
    }
    size_t records = stage.count;
    cr_expect_eq(core_reserve(stage.core, &command, HOUR, stage.now, &again), CORE_OUTCOME_UNKNOWN);
    cr_expect_eq(stage.count, records);
}

Test(hold, P4_nothing_is_held_of_a_product_that_is_parked)
{
    struct held refused;
    stage_spend(&stage, "cus_a", "prod_a", 50);
    struct exchange exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end_push(&stage, &exchange, 2, 98);
    size_t records = stage.count;
    cr_expect_eq(reserve(10, HOUR, &refused), CORE_PRODUCT_PARKED);
    cr_expect_eq(stage.count, records);
}

/*
 * Whose turn it is to talk to upstream, and when (P6): the limit, cold balances, unknown names,
 * quotas, order and fairness of the classes.
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage, NULL);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(planner, .init = set_up, .fini = tear_down);

static char names[64][16];

static const char *name(int i)
{
    snprintf(names[i], sizeof(names[i]), "cus_%d", i);
    return names[i];
}

static void expect_cold(const char *customer, const char *product)
{
    struct core_consumed consumed;
    cr_assert_eq(stage_consume(&stage, customer, product, 1, &consumed), CORE_COLD);
}

/* --- cold balances --- */

Test(planner, cold_balances_are_fetched_once_for_many)
{
    struct exchange exchange;
    struct core_consumed consumed;
    for (int i = 0; i < 20; i++)
        expect_cold("cus_a", "prod_a");
    uint32_t slot = UINT32_MAX;
    struct core_balance view;
    cr_assert_eq(core_balance_get(stage.core, (struct core_text){"cus_a", 5},
                                  (struct core_text){"prod_a", 6}, 7, stage.now, &view, &slot),
                 CORE_COLD);
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    cr_expect_eq(exchange.customer_length, 0);
    stage_idle(&stage);
    stage_end_product(&stage, &exchange, 1);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_idle(&stage);
    stage_end_balance(&stage, &exchange, 50, 0);
    stage_idle(&stage);
    cr_expect_eq(stage.ready[stage.ready_count - 1], slot);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_OK);
}

Test(planner, a_product_is_fetched_once_for_many_balances)
{
    struct exchange exchange;
    for (int i = 0; i < 5; i++)
        expect_cold(name(i), "prod_a");
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage_idle(&stage);
    stage_end_product(&stage, &exchange, 1);
    for (int i = 0; i < 5; i++)
        stage_next(&stage, EXCHANGE_BALANCE);
    stage_idle(&stage);
}

Test(planner, an_older_server_without_products_charges_one_to_one)
{
    struct exchange exchange;
    struct core_consumed consumed;
    expect_cold("cus_a", "prod_a");
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage_end(&stage, &exchange, EXCHANGE_NO_ENDPOINT);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 50, 0);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 7, &consumed), CORE_OK);
    cr_expect_eq(consumed.credits, 7);
}

Test(planner, askers_are_told_when_a_reading_fails)
{
    struct exchange exchange;
    expect_cold("cus_a", "prod_a");
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage_end_product(&stage, &exchange, 1);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage.ready_count = 0;
    stage_end(&stage, &exchange, EXCHANGE_FAILED);
    cr_expect_geq(stage.ready_count, 1);
    stage_idle(&stage); /* not at once again */
}

/* --- unknown names --- */

Test(planner, P6_unknown_customers_are_remembered)
{
    struct exchange exchange;
    struct core_consumed consumed;
    expect_cold("cus_x", "prod_a");
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage_end_product(&stage, &exchange, 1);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end(&stage, &exchange, EXCHANGE_NOT_FOUND);
    for (int i = 0; i < 5; i++) {
        cr_expect_eq(stage_consume(&stage, "cus_x", "prod_a", 1, &consumed), CORE_UNKNOWN_CUSTOMER);
        stage_idle(&stage);
        stage_later(&stage, 10000);
    }
    stage_later(&stage, 20000);
    expect_cold("cus_x", "prod_a"); /* not for ever */
    stage_next(&stage, EXCHANGE_BALANCE);
}

Test(planner, P6_unknown_products_are_remembered)
{
    struct exchange exchange;
    struct core_consumed consumed;
    expect_cold("cus_a", "prod_x");
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage_end(&stage, &exchange, EXCHANGE_NOT_FOUND);
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_x", 1, &consumed), CORE_UNKNOWN_PRODUCT);
    cr_expect_eq(stage_consume(&stage, "cus_b", "prod_x", 1, &consumed), CORE_UNKNOWN_PRODUCT);
    stage_idle(&stage);
    stage_later(&stage, 61000);
    expect_cold("cus_a", "prod_x");
}

Test(planner, P6_balances_that_are_not_there_are_remembered)
{
    struct exchange exchange;
    struct core_consumed consumed;
    expect_cold("cus_a", "prod_a");
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage_end_product(&stage, &exchange, 1);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end(&stage, &exchange, EXCHANGE_NO_BALANCE);
    for (int i = 0; i < 5; i++) {
        cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 1, &consumed), CORE_INSUFFICIENT);
        stage_idle(&stage);
        stage_later(&stage, 10000);
    }
    stage_later(&stage, 20000);
    expect_cold("cus_a", "prod_a");
}

Test(planner, unknown_names_do_not_stay_in_memory)
{
    struct core_summary summary;
    for (int i = 0; i < 40; i++) {
        struct core_consumed consumed;
        struct exchange exchange;
        expect_cold(name(i), "prod_a");
        cr_assert_eq(core_next_exchange(stage.core, stage.now, &exchange), 0);
        if (exchange.kind == EXCHANGE_PRODUCT) {
            stage_end_product(&stage, &exchange, 1);
            exchange = stage_next(&stage, EXCHANGE_BALANCE);
        }
        stage_end(&stage, &exchange, EXCHANGE_NOT_FOUND);
        cr_assert_eq(stage_consume(&stage, name(i), "prod_a", 1, &consumed), CORE_UNKNOWN_CUSTOMER);
    }
    for (int i = 0; i < 20; i++)
        stage_later(&stage, 60000);
    core_get_summary(stage.core, &summary);
    cr_expect_eq(summary.resident, 0);
}

/* --- quotas --- */

static int ask(const char *customer, uint32_t uid)
{
    struct core_consumed consumed;
    struct core_consume command = stage_command(customer, "prod_a", 1);
    command.uid = uid;
    return stage_consume_with(&stage, &command, &consumed);
}

Test(turns, P6_a_user_has_only_so_many_a_minute)
{
    struct core_policy policy = stage_policy();
    policy.turns_per_user = 3;
    stage_init(&stage, &policy);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(ask(name(i), 1), CORE_COLD);
    cr_expect_eq(ask(name(3), 1), CORE_QUOTA_TURNS);
    cr_expect_eq(ask(name(0), 1), CORE_COLD, "one that is being asked for costs nothing");
    cr_expect_eq(ask(name(3), 2), CORE_COLD, "another user has turns of its own");
    stage_later(&stage, 60000);
    cr_expect_eq(ask(name(4), 1), CORE_COLD);
    stage_deinit(&stage);
}

Test(turns, P6_a_customer_has_only_so_many_a_minute)
{
    struct core_policy policy = stage_policy();
    struct exchange exchange;
    policy.turns_per_customer = 2;
    stage_init(&stage, &policy);
    stage_know(&stage, "cus_a", "prod_a", 1, 10); /* one */
    uint32_t slot = stage_balance(&stage, "cus_a", "prod_a").slot;
    cr_expect_eq(core_balance_refresh(stage.core, slot, 1, stage.now), CORE_OK); /* two */
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 10, 0);
    cr_expect_eq(core_balance_refresh(stage.core, slot, 2, stage.now), CORE_QUOTA_TURNS);
    stage_idle(&stage);
    stage_deinit(&stage);
}

/* --- the limit --- */

/* How many exchanges may begin right now; each is ended so that it does not come again at once. */
static int drain(int64_t limit, int64_t *remaining)
{
    struct exchange exchange;
    int count = 0;
    while (count < 200 && core_next_exchange(stage.core, stage.now, &exchange) == 0) {
        count++;
        if (limit > 0) {
            stage.rate_limit = limit;
            stage.rate_remaining = *remaining > 0 ? --*remaining : 0;
        }
        if (exchange.kind == EXCHANGE_PRODUCT)
            stage_end_product(&stage, &exchange, 1);
        else if (exchange.kind == EXCHANGE_BALANCE)
            stage_end_balance(&stage, &exchange, 100, 0);
        else
            stage_end_push(&stage, &exchange, exchange.amount, 99);
    }
    return count;
}

static void many_cold(int count)
{
    for (int i = 0; i < count; i++)
        expect_cold(name(i), "prod_a");
}

Test(limit, P6_configured)
{
    struct core_policy policy = stage_policy();
    policy.requests_per_minute = 6;
    stage_init(&stage, &policy);
    many_cold(30);
    cr_expect_eq(drain(0, NULL), 6);
    int begun = 0;
    for (int i = 0; i < 60; i++) {
        stage_later(&stage, 1000);
        begun += drain(0, NULL);
    }
    cr_expect_leq(begun, 6);
    cr_expect_geq(begun, 5);
    stage_deinit(&stage);
}

/* Its minute and ours differ: what it says is left may be less. */
Test(limit, P6_upstream_has_less_left_than_is_configured)
{
    struct core_policy policy = stage_policy();
    struct core_summary summary;
    int64_t remaining = 4;
    policy.requests_per_minute = 15;
    stage_init(&stage, &policy);
    stage.rate_reset = 30000;
    many_cold(50);
    cr_expect_eq(drain(20, &remaining), 4);
    core_get_summary(stage.core, &summary);
    cr_expect_eq(summary.requests_limit, 20);
    cr_expect_eq(summary.requests_remaining, 0);
    stage_later(&stage, 29000);
    cr_expect_eq(drain(20, &remaining), 0);
    stage_later(&stage, 3000);
    remaining = 20;
    stage.rate_reset = 58000;
    cr_expect_eq(drain(20, &remaining), 11, "the rest of the configured minute");
    core_get_summary(stage.core, &summary);
    cr_expect_eq(summary.requests_limit, 15);
    cr_expect_eq(summary.requests_remaining, 0);
    stage_deinit(&stage);
}

Test(limit, P6_a_reload_forgets_nothing_that_upstream_has_said)
{
    struct core_policy policy = stage_policy();
    int64_t remaining = 3;
    policy.requests_per_minute = 15;
    stage_init(&stage, &policy);
    stage.rate_reset = 30000;
    many_cold(50);
    cr_expect_eq(drain(20, &remaining), 3);
    policy.requests_per_minute = 0;
    core_set_policy(stage.core, &policy, stage.now);
    cr_expect_eq(drain(20, &remaining), 0);
    stage_later(&stage, 32000);
    remaining = 20;
    cr_expect_eq(drain(20, &remaining), 20, "and nothing of the old configuration holds");
    stage_deinit(&stage);
}

Test(limit, P6_learned_from_headers)
{
    int64_t remaining = 20;
    set_up();
    stage.rate_reset = 30000;
    many_cold(50);
    cr_expect_eq(drain(20, &remaining), 20);
    cr_expect_geq(core_wakeup(stage.core), stage.now + 30000);
    stage_later(&stage, 29000);
    cr_expect_eq(drain(20, &remaining), 0);
    stage_later(&stage, 3000);
    remaining = 20;
    stage.rate_reset = 58000;
    cr_expect_eq(drain(20, &remaining), 20);
    tear_down();
}

Test(limit, P6_headers_that_overtake_each_other_do_not_add_up)
{
    struct exchange exchanges[4];
    set_up();
    stage_know(&stage, "cus_z", "prod_a", 1, 10);
    many_cold(30);
    for (int i = 0; i < 4; i++)
        exchanges[i] = stage_next(&stage, EXCHANGE_BALANCE);
    stage.rate_limit = 20;
    stage.rate_reset = 30000;
    for (int i = 3; i >= 0; i--) { /* answered in the wrong order: 3 left, … 6 left */
        stage.rate_remaining = 6 - i;
        stage_end_balance(&stage, &exchanges[i], 10, 0);
    }
    int count = 0;
    struct exchange exchange;
    while (core_next_exchange(stage.core, stage.now, &exchange) == 0)
        count++;
    cr_expect_leq(count, 3);
    tear_down();
}

Test(limit, P6_429_forbids_until_it_says)
{
    static const struct {
        int64_t reset, retry_after, wait;
    } table[] = {{45000, -1, 45000}, {-1, 7000, 7000}, {-1, -1, 1000}, {20000, 3000, 20000}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct exchange exchange;
        set_up();
        many_cold(10);
        exchange = stage_next(&stage, EXCHANGE_PRODUCT);
        stage.rate_reset = table[i].reset;
        stage.retry_after = table[i].retry_after;
        stage_end(&stage, &exchange, EXCHANGE_RATE_LIMITED);
        stage_later(&stage, table[i].wait - 500);
        stage_idle(&stage);
        stage.rate_reset = stage.retry_after = -1;
        expect_cold("cus_0", "prod_a");
        stage_await(&stage, EXCHANGE_PRODUCT, 62000);
        tear_down();
    }
}

Test(limit, P6_a_reload_forgets_no_429)
{
    struct core_policy policy = stage_policy();
    struct exchange exchange;
    set_up();
    many_cold(10);
    exchange = stage_next(&stage, EXCHANGE_PRODUCT);
    stage.rate_reset = 45000;
    stage_end(&stage, &exchange, EXCHANGE_RATE_LIMITED);
    core_set_policy(stage.core, &policy, stage.now);
    expect_cold("cus_0", "prod_a");
    stage_later(&stage, 44000);
    stage_idle(&stage);
    tear_down();
}

/* --- classes --- */

Test(planner, P6_pushes_go_by_turns_to_the_oldest_and_the_largest)
{
    struct exchange exchange;
    for (int i = 0; i < 4; i++)
        stage_know(&stage, name(i), "prod_a", 1, 1000);
    for (int i = 0; i < 4; i++) {
        stage_spend(&stage, name(i), "prod_a", i == 3 ? 100 : 1);
        stage_later(&stage, 10);
    }
    stage_later(&stage, 2000);
    bool largest = false, oldest = false;
    for (int i = 0; i < 2; i++) {
        exchange = stage_next(&stage, EXCHANGE_PUSH);
        oldest |= exchange.customer_length == 5 && memcmp(exchange.customer, "cus_0", 5) == 0;
        largest |= exchange.customer_length == 5 && memcmp(exchange.customer, "cus_3", 5) == 0;
    }
    cr_expect(oldest);
    cr_expect(largest);
}

/* With a limit of a few requests, cold balances without end, and one push and one refresh that
 * want their turn: both get it within a tenth. */
Test(classes, P6_each_class_is_sure_of_a_tenth)
{
    struct core_policy policy = stage_policy();
    int counts[2] = {0, 0}, cold = 0;
    char fresh[24];
    policy.requests_per_minute = 20;
    policy.push_interval = 10;
    policy.refresh_interval = 10;
    stage_init(&stage, &policy);
    for (int i = 0; i < 40; i++)
        stage_know(&stage, name(i), "prod_a", 1, 100000), stage_later(&stage, 60000);
    for (int minute = 0; minute < 20; minute++) {
        struct exchange exchange;
        for (int i = 0; i < 40; i++) /* refreshes of half of them, pushes of the other half */
            if (i % 2)
                stage_spend(&stage, name(i), "prod_a", 1);
            else
                stage_balance(&stage, name(i), "prod_a");
        for (int i = 0; i < 30; i++) {
            snprintf(fresh, sizeof(fresh), "cus_n%d_%d", minute, i);
            expect_cold(fresh, "prod_a");
        }
        stage_later(&stage, 60000);
        while (core_next_exchange(stage.core, stage.now, &exchange) == 0) {
            bool is_cold = memcmp(exchange.customer, "cus_n", 5) == 0;
            cold += is_cold;
            counts[0] += !is_cold && exchange.kind == EXCHANGE_PUSH;
            counts[1] += !is_cold && exchange.kind == EXCHANGE_BALANCE;
            if (exchange.kind == EXCHANGE_PUSH)
                stage_end_push(&stage, &exchange, exchange.amount, 100000);
            else
                stage_end_balance(&stage, &exchange, 100000, 0);
        }
    }
    int all = cold + counts[0] + counts[1];
    cr_expect_geq(all, 390);
    cr_expect_geq(counts[0] * 11, all, "pushes had %d of %d turns", counts[0], all);
    cr_expect_geq(counts[1] * 11, all, "refreshes had %d of %d turns", counts[1], all);
    cr_expect_geq(cold * 2, all, "cold balances had %d of %d turns", cold, all);
    stage_deinit(&stage);
}

Test(planner, P6_after_a_lost_answer_no_push_until_a_read_succeeds)
{
    struct exchange exchange;
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    stage_know(&stage, "cus_b", "prod_a", 1, 100);
    stage_spend(&stage, "cus_a", "prod_a", 1);
    stage_push(&stage, EXCHANGE_UNANSWERED);
    stage_spend(&stage, "cus_b", "prod_a", 1);
    stage_later(&stage, 2000);
    for (int i = 0; i < 3; i++) { /* probes, one at a time and ever later */
        exchange = stage_await(&stage, EXCHANGE_BALANCE, 20000);
        stage_idle(&stage);
        stage_end(&stage, &exchange, EXCHANGE_UNANSWERED);
        stage_idle(&stage);
    }
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 20000);
    stage_end_balance(&stage, &exchange, 100, 0);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 20000);
    cr_expect(memcmp(exchange.customer, "cus_b", 5) == 0);
}

Test(planner, P6_pushes_that_are_lost_together_are_one_trouble)
{
    struct exchange pushes[8], probe;
    int64_t lost_at;
    for (int i = 0; i < 9; i++)
        stage_know(&stage, name(i), "prod_a", 1, 100);
    for (int i = 0; i < 9; i++)
        stage_spend(&stage, name(i), "prod_a", 1);
    stage_later(&stage, 2000);
    for (int i = 0; i < 8; i++)
        pushes[i] = stage_next(&stage, EXCHANGE_PUSH);
    for (int i = 0; i < 8; i++)
        stage_end(&stage, &pushes[i], EXCHANGE_UNANSWERED);
    lost_at = stage.now;
    probe = stage_await(&stage, EXCHANGE_BALANCE, 20000);
    cr_expect_leq(stage.now - lost_at, 500, "the first probe came after %d ms",
                  (int)(stage.now - lost_at));
    stage_end(&stage, &probe, EXCHANGE_UNANSWERED);
    lost_at = stage.now;
    probe = stage_await(&stage, EXCHANGE_BALANCE, 20000);
    cr_expect_eq(stage.now - lost_at, 1000, "a probe that is lost is one more trouble");
    stage_end_balance(&stage, &probe, 100, 0);
}

Test(planner, nothing_without_a_helper)
{
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    stage_spend(&stage, "cus_a", "prod_a", 1);
    core_set_helper(stage.core, false, stage.now);
    stage_later(&stage, 100000);
    stage_idle(&stage);
    cr_expect_gt(core_wakeup(stage.core), stage.now);
    core_set_helper(stage.core, true, stage.now);
    struct exchange exchange;
    cr_expect_eq(core_next_exchange(stage.core, stage.now, &exchange), 0);
}

Test(planner, only_what_is_used_is_refreshed)
{
    struct exchange exchange;
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    stage_later(&stage, 600000);
    stage_idle(&stage);
    cr_expect(stage_balance(&stage, "cus_a", "prod_a").stale);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 1000);
    stage_end_balance(&stage, &exchange, 100, 0);
    cr_expect(!stage_balance(&stage, "cus_a", "prod_a").stale);
}

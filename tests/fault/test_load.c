/*
 * Many deductions against a StellarTools that takes few requests, and many applications at once
 * against one that loses what is done at once.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <pthread.h>

#define CUSTOMERS 1000
#define BALANCE 1000000LL
#define WINDOW 256

static struct house house;

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(load, .fini = teardown, .timeout = 1000);

/* The quota of upstream turns would keep one user from asking for a thousand unknown balances. */
static const char settings[] =
    "push_interval = 200ms\nrefresh_interval = 10m\nin_doubt_delay = 1s\n"
    "[limits]\nupstream_turns_per_user = 1000000\n";

/* One credit of each balance, so that all are known. */
static void warm_up(int customers)
{
    struct spender spender;
    char spread[32];

    snprintf(spread, sizeof(spread), "cus_:%d", customers);
    spender_start(&spender, &house, spread, customers, 64, 1);
    spender_wait(&spender);
    cr_assert_eq(spender.acknowledged, customers);
    house_converge(&house);
}

static long long spend(int customers, int count)
{
    struct spender spender;
    char spread[32];

    snprintf(spread, sizeof(spread), "cus_:%d", customers);
    spender_start(&spender, &house, spread, count, WINDOW, 1);
    spender_wait(&spender);
    cr_assert_eq(spender.acknowledged, count);
    tell("%d deductions from %d balances acknowledged in %lld ms, the longest wait was %lld ms",
         count, customers, spender.took_ms, spender.longest_ms);
    return spender.credits;
}

static long long requests_with(const char *group, const char *name)
{
    return sandbox_request_count(&house.sandbox, group, name);
}

/* None is lost: what is pending here and what StellarTools has are together what was acknowledged.
 * A push may be answered between the two looks, so one pair of looks of many must fit. */
static void check_none_lost(long long acknowledged)
{
    long long pending = 0, taken = 0;

    for (int tries = 0; tries < 100; tries++) {
        pending = house_status(&house, "pending.credits");
        taken = house_judge(&house).credits;
        if (pending + taken == acknowledged && pending == house_status(&house, "pending.credits"))
            return;
        pause_ms(50);
    }
    cr_assert_fail("%lld pending and %lld taken are not %lld", pending, taken, acknowledged);
}

Test(load, P6_twenty_requests_a_minute_hold_up_no_deduction)
{
    int customers = scaled(CUSTOMERS, 100), count = scaled(100000, 10000);
    long long acknowledged = customers;

    house_start(&house, customers, BALANCE, settings);
    warm_up(customers);
    sandbox_order(&house.sandbox, "{\"rate_limit\": 20}");
    json_decref(sandbox_control(&house.sandbox, "/_sandbox/reset_counters", "{}"));
    acknowledged += spend(customers, count);
    pause_ms(1000); /* for pushes that should not be */
    tell("meanwhile %lld requests were sent upstream, %lld of them past the limit of 20 a minute",
         requests_with(NULL, "total"), requests_with("by_status", "429"));
    cr_assert_gt(requests_with("by_kind", "deduct"), 0, "what the limit allows is used");
    /* That there is a limit is learned from the first answers; 8 writes may be on their way then.
     */
    cr_assert_leq(requests_with("by_status", "429"), 8);
    check_none_lost(acknowledged);
    /* And all of it is there after a restart. */
    house_stop_creditd(&house);
    house_start_creditd(&house);
    check_none_lost(acknowledged);
    house_deinit(&house);
}

Test(load, without_a_limit_it_converges)
{
    int customers = scaled(CUSTOMERS, 100), count = scaled(100000, 10000);
    long long acknowledged;
    struct judgement judgement;
    int64_t took_ms;

    house_start(&house, customers, BALANCE, settings);
    warm_up(customers);
    sandbox_order(&house.sandbox, "{\"down\": true}"); /* so that all is pending */
    acknowledged = customers + spend(customers, count);
    cr_assert_eq(house_status(&house, "pending.credits"), count);
    sandbox_order(&house.sandbox, "{\"down\": false}");
    took_ms = house_converge(&house);
    judgement = house_judge(&house);
    cr_assert_eq(judgement.credits, acknowledged);
    tell("%d credits of %d balances, all pending, were in StellarTools after %.1f s, in %lld rows",
         count, customers, (double)took_ms / 1000, judgement.rows);
    house_deinit(&house);
}

#define AT_ONCE 20

static void *deduct_directly(void *data)
{
    struct sandbox_answer answer;

    (void)data;
    sandbox_call(
        &house.sandbox,
        &(struct sandbox_call){.path = "/customers/cus_0/credits/" HOUSE_PRODUCT "/transaction",
                               .body = "{\"type\": \"deduct\", \"amount\": 1}"},
        &answer);
    cr_assert_eq(answer.status, 200);
    sandbox_answer_deinit(&answer);
    return NULL;
}

static long long deduct_all_directly(void)
{
    pthread_t threads[AT_ONCE];

    for (int i = 0; i < AT_ONCE; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, deduct_directly, NULL), 0);
    for (int i = 0; i < AT_ONCE; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    return sandbox_balance(&house.sandbox, "cus_0", HOUSE_PRODUCT);
}

static long long deduct_all_through_creditd(void)
{
    struct spender spenders[AT_ONCE];

    for (int i = 0; i < AT_ONCE; i++)
        spender_start(&spenders[i], &house, "cus_1", 1, 1, 1);
    for (int i = 0; i < AT_ONCE; i++) {
        spender_wait(&spenders[i]);
        cr_assert_eq(spenders[i].credits, 1);
    }
    cr_assert_eq(house_balance(&house, "cus_1", "balance"), 100 - AT_ONCE);
    house_converge(&house);
    return sandbox_balance(&house.sandbox, "cus_1", HOUSE_PRODUCT);
}

Test(load, P1_a_server_that_overwrites_deductions_at_once_loses_none_of_ours)
{
    long long directly, through;

    house_start(&house, 2, 100, settings);
    sandbox_order(&house.sandbox, "{\"slow_read_write\": 200}");
    directly = deduct_all_directly();
    json_decref(sandbox_control(&house.sandbox, "/_sandbox/reset_counters", "{}"));
    through = deduct_all_through_creditd();
    tell("20 clients deduct 1 credit each of 100, at once: directly %lld are left, through creditd "
         "%lld",
         directly, through);
    cr_assert_gt(directly, 90, "the trap is there");
    cr_assert_eq(through, 80);
    cr_assert_eq(requests_with(NULL, "max_concurrent_writes_per_balance"), 1);
    house_deinit(&house);
}

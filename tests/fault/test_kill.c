/*
 * Eight applications spend without pause while creditd's processes are killed at random moments,
 * and StellarTools loses answers: what was acknowledged, what is counted here and what StellarTools
 * holds in the end are the same, to the credit.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#define CLIENTS 8
#define CUSTOMERS 4 /* so that two applications share each balance */
#define BALANCE 1000000000LL

static struct house house;
static struct spender spenders[CLIENTS];

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(kill, .fini = teardown, .timeout = 1000);

static void spenders_start(void)
{
    for (int i = 0; i < CLIENTS; i++) {
        char customer[16];

        snprintf(customer, sizeof(customer), "cus_%d", i % CUSTOMERS);
        spender_start(&spenders[i], &house, customer, 0, i < CUSTOMERS ? 1 : 8, 3);
    }
}

/* Ends them; the credits that were acknowledged. */
static long long spenders_stop(void)
{
    long long credits = 0, acknowledged = 0, replayed = 0, longest_ms = 0;

    for (int i = 0; i < CLIENTS; i++)
        spender_stop(&spenders[i]);
    for (int i = 0; i < CLIENTS; i++) {
        spender_wait(&spenders[i]);
        cr_assert_gt(spenders[i].acknowledged, 0);
        acknowledged += spenders[i].acknowledged;
        credits += spenders[i].credits;
        replayed += spenders[i].replayed;
        if (spenders[i].longest_ms > longest_ms)
            longest_ms = spenders[i].longest_ms;
    }
    tell("%lld deductions of %lld credits acknowledged, %lld of them asked for again; the "
         "longest wait was %lld ms",
         acknowledged, credits, replayed, longest_ms);
    return credits;
}

static long long counted_here(void)
{
    long long counted = 0;

    for (int i = 0; i < CUSTOMERS; i++) {
        char customer[16];

        snprintf(customer, sizeof(customer), "cus_%d", i);
        counted += BALANCE - house_balance(&house, customer, "balance");
    }
    return counted;
}

static void check_all_agree(long long acknowledged)
{
    struct judgement judgement;
    int64_t took_ms;

    cr_assert_eq(counted_here(), acknowledged, "counted here: %lld, acknowledged: %lld",
                 counted_here(), acknowledged);
    took_ms = house_converge(&house);
    cr_assert_eq(counted_here(), acknowledged);
    judgement = house_judge(&house);
    tell("StellarTools has %lld credits in %lld rows after %lld requests; %lld ms",
         judgement.credits, judgement.rows, judgement.requests, (long long)took_ms);
    cr_assert_eq(judgement.credits, acknowledged, "in StellarTools: %lld, acknowledged: %lld",
                 judgement.credits, acknowledged);
}

/* A kill at a moment between the start of the process and a little later. */
static pid_t kill_one(const char *role, pid_t last, uint64_t *random)
{
    pid_t pid = house_role(&house, role, last);

    pause_ms(random_below(random, 100));
    if (kill(pid, SIGKILL) < 0)
        cr_assert_eq(errno, ESRCH); /* a helper goes with serve */
    return pid;
}

Test(kill, no_acknowledged_deduction_is_lost_or_counted_twice)
{
    uint64_t random = random_seed();
    int kills = scaled(50, 10);
    pid_t last = 0;

    house_start(&house, CUSTOMERS, BALANCE,
                "push_interval = 20ms\nrefresh_interval = 1s\nin_doubt_delay = 300ms\n");
    spenders_start();
    for (int i = 0; i < kills; i++)
        last = kill_one("creditd-serve", last, &random);
    check_all_agree(spenders_stop());
    house_deinit(&house);
}

/* The delays stay far below in_doubt_delay: later than that nothing can be told (ledger.md). */
static const char *const weather[] = {
    "{\"error_after_commit\": 0.5}",
    "{\"reset_after\": 0.5}",
    "{\"reset_before\": 0.5}",
    "{\"hang\": 0.3}",
    "{\"stuck_lock\": 0.5}",
    "{\"key_ignored\": true, \"error_after_commit\": 0.3}",
    "{\"latency\": 50, \"latency_jitter\": 100}",
    "{\"rate_limit\": 5, \"rate_window\": 1000}",
    "{\"down\": true}",
    "{\"html\": 0.5, \"html_commits\": true}",
    "{\"empty\": 0.3, \"garbage\": 0.3}",
};

static void check_weather(const char *faults, uint64_t *random, pid_t *serve, pid_t *sync)
{
    int kills = scaled(6, 2);

    sandbox_order(&house.sandbox, "{\"reset\": true}");
    sandbox_order(&house.sandbox, faults);
    for (int i = 0; i < kills; i++) {
        if (random_below(random, 2) == 0)
            *serve = kill_one("creditd-serve", *serve, random);
        else
            *sync = kill_one("creditd-sync", *sync, random);
    }
    pause_ms(scaled(300, 300)); /* weather without kills */
}

Test(kill, P3_no_push_is_carried_out_twice_under_any_fault)
{
    uint64_t random = random_seed();
    pid_t serve = 0, sync = 0;

    house_start(&house, CUSTOMERS, BALANCE,
                "push_interval = 20ms\nrefresh_interval = 500ms\nin_doubt_delay = 1s\n");
    spenders_start();
    for (size_t i = 0; i < sizeof(weather) / sizeof(weather[0]); i++)
        check_weather(weather[i], &random, &serve, &sync);
    sandbox_order(&house.sandbox, "{\"reset\": true}");
    check_all_agree(spenders_stop());
    house_deinit(&house);
}

/*
 * creditd-serve, creditd-sync and creditd-sandbox, all real: whatever happens in between,
 * StellarTools ends up with exactly what was spent.
 */
#include "fixture.h"
#include "sandbox_client.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CONFIG                                                                                     \
    "[credits]\npush_interval = 20ms\nin_doubt_delay = 1s\nrefresh_interval = 500ms\n"             \
    "[stellartools]\nrequest_timeout = 1s\nbase_url = "

static struct fixture fixture;
static struct sandbox_process sandbox;
static struct harness_process sync_process;

static void teardown(void)
{
    harness_process_deinit(&sync_process);
    sandbox_process_deinit(&sandbox);
    fixture_deinit(&fixture);
}

TestSuite(real, .fini = teardown, .timeout = 500);

static void start_all(void)
{
    const char *arguments[] = {"--seed", NULL, NULL};
    char seed[HARNESS_PATH_MAX], text[4096];

    fixture_init(&fixture, NULL);
    harness_path(&fixture.directory, "seed.json", seed);
    harness_write_file(seed, "{\"products\": [{\"id\": \"prod_1\", \"units_per_credit\": 10}], "
                             "\"balances\": [{\"customer_id\": \"cus_1\", \"product_id\": "
                             "\"prod_1\", \"balance\": 1000}]}");
    arguments[1] = seed;
    sandbox_process_start(&sandbox, arguments);
    snprintf(text, sizeof(text),
             "[paths]\nstate_directory = %s\nsync_socket = %s\n[ledger]\nsegment_size = 1MiB\n"
             "map_size = 64MiB\n" CONFIG "%s\n",
             fixture.state, fixture.sync_path, sandbox.url);
    harness_write_file(fixture.config, text);
    fixture_start_serve(&fixture);
    fixture_start_sync(&fixture, &sync_process);
    fixture_connect(&fixture, &fixture.client);
}

static void end_all(void)
{
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
    cr_assert_eq(harness_process_wait(&sync_process), 0, "sync ends when serve does");
    cr_assert_eq(sandbox_process_stop(&sandbox), 0);
    fixture_deinit(&fixture);
}

static void consume(int times)
{
    for (int i = 0; i < times; i++)
        json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}",
                                 "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 10));
}

static void assert_agreed(long long spent)
{
    json_t *balance;

    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(sandbox_balance(&sandbox, "cus_1", "prod_1"), 1000 - spent);
    balance = harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id", "cus_1",
                           "product_id", "prod_1");
    cr_assert_eq(harness_int(balance, "balance"), 1000 - spent);
    json_decref(balance);
}

Test(real, what_is_spent_arrives)
{
    start_all();
    consume(30);
    assert_agreed(30);
    end_all();
}

Test(real, what_is_spent_while_upstream_is_down_and_serve_is_killed_arrives)
{
    start_all();
    consume(10);
    sandbox_order(&sandbox, "{\"down\": true}");
    consume(20);
    harness_process_stop(&fixture.serve, SIGKILL);
    cr_assert_eq(harness_process_wait(&sync_process), 0);
    harness_connection_deinit(&fixture.client);
    fixture_start_serve(&fixture);
    fixture_start_sync(&fixture, &sync_process);
    fixture_connect(&fixture, &fixture.client);
    consume(5);
    sandbox_order(&sandbox, "{\"down\": false}");
    assert_agreed(35);
    end_all();
}

/* The answer to a push is lost in each of the ways that there are, done and not done. */
Test(real, P2_lost_answers_take_nothing_twice)
{
    static const char *const faults[][2] = {
        {"{\"error_after_commit\": 1}", "{\"error_after_commit\": 0}"},
        {"{\"error_before_commit\": 1}", "{\"error_before_commit\": 0}"},
        {"{\"reset_after\": 1}", "{\"reset_after\": 0}"},
        {"{\"reset_before\": 1}", "{\"reset_before\": 0}"},
        {"{\"stuck_lock\": 1}", "{\"stuck_lock\": 0}"},
        {"{\"hang\": 1, \"hang_commits\": true}", "{\"hang\": 0}"},
    };
    long long spent = 3;

    start_all();
    sandbox_order(&sandbox, "{\"only_method\": \"POST\"}"); /* a reading may come before the push */
    consume(3);
    assert_agreed(3);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        sandbox_order(&sandbox, faults[i][0]);
        consume(7);
        spent += 7;
        fixture_wait_status(&fixture, "pushes.doubt", 1);
        sandbox_order(&sandbox, faults[i][1]);
        assert_agreed(spent);
    }
    end_all();
}

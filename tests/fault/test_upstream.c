/*
 * What was spent for practice stays practice: a ledger of creditd --sandbox works with that again,
 * whatever port it has, and sends nothing to anybody else.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct house house;

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(upstream, .fini = teardown, .timeout = 500);

static void start_with_sandbox(void)
{
    const char *const arguments[] = {"--config",   house.config, "--socket",
                                     house.socket, "--sandbox",  NULL};

    harness_process_start(&house.creditd, &(struct harness_start){.program = "creditd",
                                                                  .arguments = arguments,
                                                                  .directory = &house.directory});
    harness_process_wait_ready(&house.creditd);
}

static void spend(int times)
{
    struct harness_connection client;

    harness_connect(&client, house.socket);
    for (int i = 0; i < times; i++)
        json_decref(harness_call(&client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                                 "cus_ada", "product_id", HOUSE_PRODUCT, "raw_amount", 1));
    harness_connection_deinit(&client);
}

static void wait_mismatch(bool is_there)
{
    for (;;) {
        struct harness_connection client;
        json_t *status, *upstream;
        bool seen;

        harness_connect(&client, house.socket);
        status = harness_call(&client, "status", "{}");
        upstream = json_object_get(status, "upstream");
        seen = json_is_object(json_object_get(upstream, "mismatch"));
        if (json_is_true(json_object_get(upstream, "helper")) && seen == is_there) {
            json_decref(status);
            harness_connection_deinit(&client);
            return;
        }
        json_decref(status);
        harness_connection_deinit(&client);
        pause_ms(10); /* until the test's time is over */
    }
}

/* creditctl upstream accept: its exit status. */
static int accept_upstream(const char *upstream, const char *expected)
{
    const char *const arguments[] = {"--socket", house.socket, "upstream",
                                     "accept",   upstream,     NULL};
    struct outcome outcome;
    int status;

    outcome_init(&outcome, &house.directory, "creditctl", arguments, NULL);
    status = outcome.status;
    cr_expect_not_null(strstr(status == 0 ? outcome.output : outcome.errors, expected), "%s%s",
                       outcome.output, outcome.errors);
    outcome_deinit(&outcome);
    return status;
}

static void expect_shown(const char *text)
{
    const char *const arguments[] = {"--socket", house.socket, "status", NULL};
    struct outcome outcome;

    outcome_init(&outcome, &house.directory, "creditctl", arguments, NULL);
    cr_expect_eq(outcome.status, 0);
    cr_expect_not_null(strstr(outcome.output, text), "%s", outcome.output);
    outcome_deinit(&outcome);
}

Test(upstream, a_sandboxs_ledger_stays_in_the_sandbox)
{
    char name[128];

    /* The house's sandbox plays the real one. */
    house_start(&house, 1, 1000, "push_interval = 20ms\n");
    house_stop_creditd(&house);
    json_decref(sandbox_control(&house.sandbox, "/_sandbox/reset_counters", "{}"));
    harness_path(&house.directory, "practice", house.state);
    house_configure(&house, "push_interval = 20ms\n");
    start_with_sandbox();
    spend(3);
    house_wait_status(&house, "pending.credits", 0);
    house_stop_creditd(&house);
    start_with_sandbox();
    wait_mismatch(false);
    spend(2);
    house_wait_status(&house, "pending.credits", 0);
    house_stop_creditd(&house);

    house_start_creditd(&house);
    wait_mismatch(true);
    spend(4); /* against what is known here */
    house_wait_status(&house, "pending.credits", 4);
    snprintf(name, sizeof(name), "%s test", house.sandbox.url);
    expect_shown("belongs to \"sandbox\"");
    expect_shown(name);
    cr_expect_eq(house_judge(&house).requests, 0);
    cr_expect_eq(accept_upstream("https://api.stellartools.dev live", name), 1);
    wait_mismatch(true);
    house_stop_creditd(&house);

    start_with_sandbox(); /* and there it goes */
    house_wait_status(&house, "pending.credits", 0);
    house_stop_creditd(&house);

    house_start_creditd(&house);
    wait_mismatch(true);
    cr_expect_eq(accept_upstream(name, name), 0);
    wait_mismatch(false);
    house_stop_creditd(&house);
    start_with_sandbox();
    wait_mismatch(true);
    house_stop_creditd(&house);
}

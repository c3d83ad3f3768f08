/*
 * A ledger belongs to one upstream: with another one nothing is sent, read or believed, until an
 * operator says that it is the same.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define OURS "https://api.example.com live"
#define OTHER "https://api.example.com test"
#define LATE                                                                                       \
    "[credits]\npush_interval = 50ms\ncold_timeout = 2s\n"                                         \
    "[better_auth]\nurl = http://127.0.0.1:1\n"

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(upstream, .fini = teardown, .timeout = 500);

static void consume(const char *customer)
{
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             customer, "product_id", "prod_1", "raw_amount", 10));
}

static void start(const char *upstream)
{
    fixture_init(&fixture, LATE);
    fixture.sync.upstream = upstream;
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
}

static void restart_serve(const char *upstream)
{
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
    fake_sync_stop(&fixture.sync);
    fixture.sync.upstream = upstream;
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
}

/* Waits until it says so; NULL: that there is none. */
static void wait_mismatch(const char *helper)
{
    for (int waited = 0; waited < HARNESS_TIMEOUT_MS; waited += 10) {
        json_t *status = harness_call(&fixture.client, "status", "{}");
        json_t *upstream = json_object_get(status, "upstream");
        json_t *mismatch = json_object_get(upstream, "mismatch");
        const char *told = json_string_value(json_object_get(mismatch, "helper"));
        bool same = told != NULL && helper != NULL ? strcmp(told, helper) == 0 : told == helper;

        if (same && helper != NULL) {
            cr_expect_str_eq(harness_text(mismatch, "ledger"), OURS);
            cr_expect(json_is_false(json_object_get(upstream, "reachable")));
            cr_expect_str_eq(harness_text(status, "health"), "degraded");
        }
        json_decref(status);
        if (same)
            return;
        poll(NULL, 0, 10);
    }
    cr_assert_fail("status does not say %s", helper != NULL ? helper : "that all is well");
}

static void expect_nothing_asked(void)
{
    int pushes = fixture.sync.pushes, balances = fixture.sync.balances;

    /* A balance that nobody has seen would be asked for, and what was spent be pushed. */
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
    consume("cus_1");
    fixture_check_error(harness_call_error(&fixture.client, "credits.balance", "{s:s, s:s}",
                                           "customer_id", "cus_cold", "product_id", "prod_1"),
                        "upstream_unavailable", NULL, NULL);
    cr_expect_eq(fixture.sync.pushes, pushes);
    cr_expect_eq(fixture.sync.balances, balances);
}

Test(upstream, a_ledger_is_used_with_its_own_and_no_other)
{
    char *log;

    start(OURS);
    consume("cus_1");
    fixture_wait_status(&fixture, "pending.credits", 0);
    restart_serve(OTHER);
    wait_mismatch(OTHER);
    expect_nothing_asked();
    log = harness_process_log(&fixture.serve);
    cr_expect_not_null(strstr(log, "\"" OURS "\""), "%s", log);
    cr_expect_not_null(strstr(log, "creditctl upstream accept '" OTHER "'"), "%s", log);
    free(log);
    /* With its own again all is well, and what was spent meanwhile arrives. */
    restart_serve(OURS);
    wait_mismatch(NULL);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_expect_eq(fake_sync_consumed(&fixture.sync), 2);
}

Test(upstream, an_operator_accepts_what_is_there_now)
{
    start(OURS);
    consume("cus_1");
    fixture_wait_status(&fixture, "pending.credits", 0);
    fixture_check_error(
        harness_call_error(&fixture.client, "upstream.accept", "{s:s}", "upstream", OTHER),
        "conflict", "upstream", OURS);
    restart_serve(OTHER);
    wait_mismatch(OTHER);
    consume("cus_1");
    fixture_check_error(
        harness_call_error(&fixture.client, "upstream.accept", "{s:s}", "upstream", "sandbox"),
        "conflict", "upstream", OTHER);
    wait_mismatch(OTHER);
    json_decref(harness_call(&fixture.client, "upstream.accept", "{s:s}", "upstream", OTHER));
    wait_mismatch(NULL);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_expect_eq(fake_sync_consumed(&fixture.sync), 2);
    /* Again changes nothing, and it is for good. */
    json_decref(harness_call(&fixture.client, "upstream.accept", "{s:s}", "upstream", OTHER));
    restart_serve(OTHER);
    consume("cus_new");
    fake_sync_stop(&fixture.sync);
    fixture_wait_status(&fixture, "upstream.helper", 0);
    fixture_check_error(
        harness_call_error(&fixture.client, "upstream.accept", "{s:s}", "upstream", OTHER),
        "conflict", NULL, NULL);
}

/* The same helper has read another key, or its first one. */
Test(upstream, a_helper_may_change_what_it_is_set_to)
{
    start("");
    fixture_wait_status(&fixture, "upstream.helper", 1);
    wait_mismatch(NULL); /* nor does the ledger belong to anybody */
    fake_sync_say(&fixture.sync, OURS);
    consume("cus_1");
    fixture_wait_status(&fixture, "pending.credits", 0);
    fake_sync_say(&fixture.sync, OTHER);
    wait_mismatch(OTHER);
    expect_nothing_asked();
    fake_sync_say(&fixture.sync, OURS);
    wait_mismatch(NULL);
    fixture_wait_status(&fixture, "pending.credits", 0);
    pthread_mutex_lock(&fixture.sync.lock);
    cr_expect_str_eq(fixture.sync.meant_for, OURS);
    pthread_mutex_unlock(&fixture.sync.lock);
}

/* A webhook that is signed with the other one's secret tells of the other one's customers. */
Test(upstream, webhooks_of_another_are_not_believed)
{
    start(OURS);
    consume("cus_1");
    json_decref(harness_call(&fixture.client, "customer.link", "{s:s, s:s}", "user_id", "u_1",
                             "customer_id", "cus_1"));
    fake_sync_say(&fixture.sync, OTHER);
    wait_mismatch(OTHER);
    fixture_check_error(harness_call_error(&fixture.client, "webhook.deliver", "{s:s, s:s}", "body",
                                           "{}", "signature", "valid"),
                        "upstream_unavailable", NULL, NULL);
    cr_expect_eq(fixture.sync.webhooks, 0);
    /* Sessions are the app's. */
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "session",
                             "valid:u_1", "product_id", "prod_1"));
}

/* One of another version may be set to anything. */
Test(upstream, a_helper_that_does_not_say_is_not_used)
{
    start(OURS);
    consume("cus_1");
    fake_sync_stop(&fixture.sync);
    fixture_wait_status(&fixture, "upstream.helper", 0);
    fixture.sync.mute = true;
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_wait_status(&fixture, "upstream.helper", 1);
    expect_nothing_asked();
}

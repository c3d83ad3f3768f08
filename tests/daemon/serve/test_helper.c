/*
 * The upstream driver, seen from both of its ends: helpers come, go and are replaced, and what was
 * handed to them is dealt with as ledger.md says.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(helper, .fini = teardown, .timeout = 500);

static json_t *consume(void)
{
    return harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                        "cus_1", "product_id", "prod_1", "raw_amount", 10);
}

FIXTURE_TEST(helper, a_cold_balance_without_upstream_is_refused_in_time, &fixture,
             "[credits]\ncold_timeout = 100ms\n")
{
    fixture.sync.silent = true;
    fixture_check_error(harness_call_error(&fixture.client, "credits.consume", "{s:s, s:s, s:i}",
                                           "customer_id", "cus_1", "product_id", "prod_1",
                                           "raw_amount", 1),
                        "upstream_unavailable", NULL, NULL);
}

FIXTURE_TEST(helper, a_known_balance_is_spent_without_a_helper, &fixture, NULL)
{
    json_decref(consume());
    fixture_wait_status(&fixture, "pending.credits", 0);
    fake_sync_stop(&fixture.sync);
    fixture_wait_status(&fixture, "upstream.helper", 0);
    for (int i = 0; i < 10; i++)
        json_decref(consume());
    fixture_wait_status(&fixture, "pending.credits", 10);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 11);
}

/* A push that was handed to a helper which then dies is in doubt: looked up, and only then sent
 * again. */
FIXTURE_TEST(helper, P2_a_push_whose_helper_dies_is_in_doubt, &fixture,
             "[credits]\npush_interval = 10ms\nin_doubt_delay = 200ms\n")
{
    struct harness_connection helper;
    struct harness_message message;
    bool pushed = false;

    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
    /* This one takes over, takes the push, and dies with it. */
    harness_connect(&helper, fixture.sync_path);
    fake_sync_hello(&helper, "fake test");
    fake_sync_wait_cut_off(&fixture.sync);
    json_decref(consume());
    while (!pushed && harness_receive(&helper, &message)) {
        pushed = strcmp(message.method, "upstream.transaction") == 0;
        harness_message_deinit(&message);
    }
    cr_assert(pushed);
    fixture_wait_status(&fixture, "pushes.open", 1);
    harness_connection_deinit(&helper);
    fixture_wait_status(&fixture, "pushes.doubt", 1);
    fake_sync_stop(&fixture.sync);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_geq(fixture.sync.histories, 2, "it was sent again without looking twice");
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 1);
}

/* What it has done before it says that it cannot, nobody knows. */
FIXTURE_TEST(helper, P2_a_push_that_its_helper_does_not_like_is_in_doubt, &fixture,
             "[credits]\npush_interval = 10ms\nin_doubt_delay = 200ms\n")
{
    struct harness_connection helper;
    struct harness_message message;
    bool pushed = false;

    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
    harness_connect(&helper, fixture.sync_path);
    fake_sync_hello(&helper, "fake test");
    fixture_wait_status(&fixture, "upstream.helper", 1);
    json_decref(consume());
    while (!pushed && harness_receive(&helper, &message)) {
        pushed = strcmp(message.method, "upstream.transaction") == 0;
        if (pushed)
            harness_answer_error(&helper, message.msgid, "internal");
        harness_message_deinit(&message);
    }
    cr_assert(pushed);
    fixture_wait_status(&fixture, "pushes.doubt", 1);
    harness_connection_deinit(&helper);
    fake_sync_stop(&fixture.sync);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_geq(fixture.sync.histories, 2, "it was sent again without looking twice");
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 1);
}

/* P1: at the moment a push arrives, its record is durable: a serve that is killed right then knows
 * of it. */
FIXTURE_TEST(helper, P1_a_push_is_durable_before_it_leaves, &fixture,
             "[credits]\npush_interval = 10ms\nin_doubt_delay = 200ms\n")
{
    struct harness_connection helper;
    struct harness_message message;
    char id[80] = "";
    json_t *list;

    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
    harness_connect(&helper, fixture.sync_path);
    fake_sync_hello(&helper, "fake test");
    fake_sync_wait_cut_off(&fixture.sync);
    json_decref(consume());
    while (id[0] == '\0' && harness_receive(&helper, &message)) {
        if (strcmp(message.method, "upstream.transaction") == 0)
            snprintf(id, sizeof(id), "%s", harness_text(message.params, "push_id"));
        harness_message_deinit(&message);
    }
    harness_process_stop(&fixture.serve, SIGKILL);
    harness_connection_deinit(&helper);
    harness_connection_deinit(&fixture.client);
    fake_sync_stop(&fixture.sync);
    fixture_start_serve(&fixture);
    fixture_connect(&fixture, &fixture.client);
    list = harness_call(&fixture.client, "push.list", "{}");
    cr_assert_eq(json_array_size(json_object_get(list, "data")), 1);
    cr_assert_str_eq(harness_text(json_array_get(json_object_get(list, "data"), 0), "push_id"), id);
    cr_assert_str_eq(harness_text(json_array_get(json_object_get(list, "data"), 0), "state"),
                     "doubt");
    json_decref(list);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 1);
}

FIXTURE_TEST(helper, the_latest_helper_wins, &fixture, NULL)
{
    struct fake_sync second;

    memset(&second, 0, sizeof(second));
    fake_sync_start(&second, fixture.sync_path);
    fake_sync_wait_cut_off(&fixture.sync);
    json_decref(consume());
    cr_assert_eq(second.balances, 1);
    cr_assert_eq(fixture.sync.balances, 0);
    fake_sync_stop(&fixture.sync);
    fixture_wait_status(&fixture, "upstream.helper", 1);
    fake_sync_stop(&second);
}

FIXTURE_TEST(helper, a_reload_has_the_key_read_again_and_changes_products, &fixture, NULL)
{
    json_t *result;
    char text[1024];

    json_decref(consume());
    fixture_wait_status(&fixture, "pending.credits", 0);
    snprintf(text, sizeof(text), "[paths]\nstate_directory = %s\n[products]\nprod_1 = 2\n",
             fixture.state);
    harness_write_file(fixture.config, text);
    kill(fixture.serve.pid, SIGHUP);
    fake_sync_wait(&fixture.sync.reloads, 1);
    result = harness_call(&fixture.client, "credits.check", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "product_id", "prod_1", "raw_amount", 10);
    cr_assert_eq(harness_int(result, "credits_required"), 5);
    json_decref(result);
}

/* Each time that it differs from what is in force, and only then. */
FIXTURE_TEST(helper, a_reload_names_what_counts_from_the_next_start, &fixture, NULL)
{
    static const char *const retentions[] = {"1d", "1d", "90d"};
    static const char named[] = ": [ledger] retention: what has been changed there counts from";
    const char *place;
    char *log;

    for (int i = 0; i < 3; i++) {
        char text[1024];

        snprintf(text, sizeof(text),
                 "[paths]\nstate_directory = %s\n[ledger]\nsegment_size = 1MiB\n"
                 "map_size = 64MiB\nretention = %s\n",
                 fixture.state, retentions[i]);
        harness_write_file(fixture.config, text);
        kill(fixture.serve.pid, SIGHUP);
        fake_sync_wait(&fixture.sync.reloads, i + 1);
    }
    log = harness_process_log(&fixture.serve);
    place = strstr(log, named);
    cr_assert_not_null(place, "%s", log);
    place = strstr(place + 1, named);
    cr_assert_not_null(place, "%s", log);
    cr_assert_null(strstr(place + 1, named), "%s", log);
    free(log);
}

FIXTURE_TEST(helper, a_bad_file_changes_nothing, &fixture, NULL)
{
    harness_write_file(fixture.config, "[credits]\npush_interval = soon\n");
    kill(fixture.serve.pid, SIGHUP);
    harness_process_wait_log(&fixture.serve, "push_interval");
    json_decref(consume());
    cr_assert_eq(fixture.sync.reloads, 0);
}

FIXTURE_TEST(helper, what_may_be_spent_offline_has_a_limit, &fixture,
             "[credits]\npush_interval = 10ms\nmax_offline_spend = 2\n")
{
    json_t *error;

    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
    fake_sync_stop(&fixture.sync);
    fixture_wait_status(&fixture, "upstream.helper", 0);
    json_decref(consume());
    json_decref(consume());
    error = harness_call_error(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                               "cus_1", "product_id", "prod_1", "raw_amount", 10);
    cr_assert_gt(harness_int(json_object_get(error, "data"), "synced_at"), 0);
    fixture_check_error(error, "offline_limit", NULL, NULL);
}

static int64_t required_for_ten(void)
{
    json_t *result = harness_call(&fixture.client, "credits.check", "{s:s, s:s, s:i}",
                                  "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 10);
    int64_t required = harness_int(result, "credits_required");

    json_decref(result);
    return required;
}

/* What the ledger has from [products] ends with the line that said it, also over a restart: once
 * from the journal, once from the store. */
FIXTURE_TEST(helper, a_product_that_is_no_longer_configured_is_asked_for_again, &fixture,
             "[products]\nprod_1 = 2\n")
{
    static const int signals[] = {SIGKILL, SIGTERM};
    char with[1024], without[1024];

    snprintf(with, sizeof(with), "[paths]\nstate_directory = %s\n[products]\nprod_1 = 2\n",
             fixture.state);
    snprintf(without, sizeof(without), "[paths]\nstate_directory = %s\n", fixture.state);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(required_for_ten(), 5);
        harness_connection_deinit(&fixture.client);
        harness_process_stop(&fixture.serve, signals[i]);
        fake_sync_stop(&fixture.sync);
        harness_write_file(fixture.config, without);
        fixture_start_serve(&fixture);
        fake_sync_start(&fixture.sync, fixture.sync_path);
        fixture_connect(&fixture, &fixture.client);
        cr_assert_eq(required_for_ten(), 1);
        harness_write_file(fixture.config, with);
        cr_assert_eq(kill(fixture.serve.pid, SIGHUP), 0);
        fake_sync_wait(&fixture.sync.reloads, i + 1);
    }
}

/*
 * What the adapter does, for real: creditd-serve, creditd-sync and creditd-sandbox, and for the
 * session a Better Auth.
 */
#include "better_auth.h"
#include "fixture.h"
#include "sandbox_client.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define CALLS 1000

static struct fixture fixture;
static struct sandbox_process sandbox;
static struct harness_process sync_process;
static struct better_auth app;

static void teardown(void)
{
    harness_process_deinit(&sync_process);
    sandbox_process_deinit(&sandbox);
    fixture_deinit(&fixture);
}

TestSuite(adapter, .fini = teardown, .timeout = 1000);

#define call(...) harness_call(&fixture.client, __VA_ARGS__)
#define assert_refused(code, ...)                                                                  \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), code, NULL, NULL)

static void start_all(const char *better_auth_url)
{
    const char *arguments[] = {"--seed", NULL, NULL};
    char seed[HARNESS_PATH_MAX], text[4096];

    fixture_init(&fixture, NULL);
    harness_path(&fixture.directory, "seed.json", seed);
    harness_write_file(seed, "{\"products\": [{\"id\": \"prod_1\", \"units_per_credit\": 10}]}");
    arguments[1] = seed;
    sandbox_process_start(&sandbox, arguments);
    snprintf(text, sizeof(text),
             "[paths]\nstate_directory = %s\nsync_socket = %s\n"
             "[ledger]\nsegment_size = 1MiB\nmap_size = 64MiB\n"
             "[credits]\npush_interval = 20ms\nin_doubt_delay = 200ms\ncold_timeout = 100s\n"
             "[limits]\nin_flight = 2000\nupstream_turns_per_customer = 1000\n"
             "[better_auth]\nsession_ttl = 500ms\n%s%s\n"
             "[stellartools]\nrequest_timeout = 5s\nbase_url = %s\n",
             fixture.state, fixture.sync_path, better_auth_url != NULL ? "url = " : "",
             better_auth_url != NULL ? better_auth_url : "", sandbox.url);
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

static void kill_serve(void)
{
    harness_process_stop(&fixture.serve, SIGKILL);
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_wait(&sync_process), 0);
    fixture_start_serve(&fixture);
    fixture_start_sync(&fixture, &sync_process);
    fixture_connect(&fixture, &fixture.client);
}

static void send_first_calls(const char *user)
{
    char email[64];

    snprintf(email, sizeof(email), "%s@example.com", user);
    for (int i = 0; i < CALLS; i++)
        harness_send(&fixture.client, "customer.create", "{s:s, s:s}", "user_id", user, "email",
                     email);
}

static void take_customer(char ret_customer[64])
{
    for (int i = 0; i < CALLS; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&fixture.client, &message));
        cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
        if (i == 0)
            snprintf(ret_customer, 64, "%s", harness_text(message.result, "id"));
        cr_assert_str_eq(harness_text(message.result, "id"), ret_customer);
        harness_message_deinit(&message);
    }
}

/* Half of all requests do what they ask and are answered with 500; and serve is killed at one
 * moment or another. */
Test(adapter, P9_a_thousand_first_calls_make_one_customer)
{
    static const int kill_after[] = {-1, 0, 3, 15, 60, 250};
    char customer[64], again[64];

    start_all(NULL);
    sandbox_order(&sandbox, "{\"error_after_commit\": 0.5}");
    for (size_t i = 0; i < sizeof(kill_after) / sizeof(kill_after[0]); i++) {
        char user[32];

        snprintf(user, sizeof(user), "u_%zu", i);
        send_first_calls(user);
        if (kill_after[i] >= 0) {
            poll(NULL, 0, kill_after[i]); /* a moment like any other */
            kill_serve();
            send_first_calls(user);
        }
        take_customer(customer);
        cr_assert_eq(sandbox_object_count(&sandbox, "customers"), (long long)i + 1, "%d ms",
                     kill_after[i]);
        kill_serve();
        send_first_calls(user);
        take_customer(again);
        cr_assert_str_eq(customer, again);
    }
    cr_assert_eq(sandbox_object_count(&sandbox, "customers"), 6);
    end_all();
}

/* --- with a session --- */

static void grant(const char *customer, const char *payment)
{
    char body[200];

    sandbox_grant(&sandbox, customer, "prod_1", 1000, true);
    snprintf(body, sizeof(body), "{\"customer_id\": \"%s\", \"amount\": 50, \"id\": \"%s\"}",
             customer, payment);
    json_decref(sandbox_control(&sandbox, "/_sandbox/payment", body));
}

/* Every method that a session is good for. */
static void call_each(const char *session, const char *customer)
{
    json_t *result = call("customer.retrieve", "{s:s, s:b}", "session", session, "fresh", 1);
    char id[80];

    cr_assert_str_eq(harness_text(result, "id"), customer);
    cr_assert_str_eq(harness_text(result, "email"), "zoe@example.org");
    json_decref(result);
    result = call("customer.update", "{s:s, s:s, s:{s:i}}", "session", session, "name", "Zoe B",
                  "metadata", "level", 3);
    cr_assert_str_eq(harness_text(result, "name"), "Zoe B");
    json_decref(result);
    result = call("credits.consume", "{s:s, s:s, s:i}", "session", session, "product_id", "prod_1",
                  "raw_amount", 25);
    cr_assert_str_eq(harness_text(result, "customer_id"), customer);
    cr_assert_eq(harness_int(result, "balance"), 997);
    json_decref(result);
    json_decref(call("credits.check", "{s:s, s:s, s:i}", "session", session, "product_id", "prod_1",
                     "raw_amount", 10));
    result = call("credits.reserve", "{s:s, s:s, s:i}", "session", session, "product_id", "prod_1",
                  "raw_amount", 50);
    snprintf(id, sizeof(id), "%s", harness_text(result, "reservation_id"));
    json_decref(result);
    json_decref(call("credits.extend", "{s:s, s:s}", "session", session, "reservation_id", id));
    json_decref(call("credits.settle", "{s:s, s:s, s:i}", "session", session, "reservation_id", id,
                     "raw_amount", 40));
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(sandbox_balance(&sandbox, customer, "prod_1"), 993);
    result = call("credits.transactions", "{s:s, s:s}", "session", session, "product_id", "prod_1");
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 2);
    json_decref(result);
    result = call("credits.transactions", "{s:s, s:s, s:s}", "session", session, "product_id",
                  "prod_1", "source", "upstream");
    cr_assert_geq(json_array_size(json_object_get(result, "data")), 2);
    json_decref(result);
    result = call("subscription.create", "{s:s, s:s}", "session", session, "product_id", "prod_1");
    snprintf(id, sizeof(id), "%s", harness_text(result, "id"));
    cr_assert_str_eq(harness_text(result, "customer_id"), customer);
    json_decref(result);
    result = call("subscription.list", "{s:s}", "session", session);
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 1);
    json_decref(result);
    json_decref(
        call("subscription.retrieve", "{s:s, s:s}", "session", session, "subscription_id", id));
    json_decref(
        call("subscription.pause", "{s:s, s:s}", "session", session, "subscription_id", id));
    json_decref(
        call("subscription.resume", "{s:s, s:s}", "session", session, "subscription_id", id));
    result = call("subscription.cancel", "{s:s, s:s}", "session", session, "subscription_id", id);
    cr_assert(harness_bool(result, "cancel_at_period_end"));
    json_decref(result);
    result = call("access.check", "{s:s, s:s}", "session", session, "product_id", "prod_1");
    cr_assert(harness_bool(result, "has_access"));
    json_decref(result);
    for (int i = 0; i < 2; i++) {
        result = call("refund.create", "{s:s, s:s, s:s}", "session", session, "payment_id", "pay_1",
                      "reason", "not needed");
        cr_assert_str_eq(harness_text(result, "payment_id"), "pay_1");
        json_decref(result);
    }
    assert_refused("not_found", "refund.create", "{s:s, s:s}", "session", session, "payment_id",
                   "pay_2");
    cr_assert_eq(sandbox_object_count(&sandbox, "refunds"), 1);
}

static void assert_refused_soon(const char *session)
{
    bool refused = false;

    for (int waited = 0; !refused && waited < HARNESS_TIMEOUT_MS; waited += 10) {
        struct harness_message message;

        harness_send(&fixture.client, "credits.balance", "{s:s, s:s}", "session", session,
                     "product_id", "prod_1");
        cr_assert(harness_receive(&fixture.client, &message));
        refused = message.error != NULL;
        if (refused)
            cr_assert_str_eq(harness_text(message.error, "code"), "unauthenticated");
        else
            poll(NULL, 0, 10);
        harness_message_deinit(&message);
    }
    cr_assert(refused);
}

Test(adapter, a_real_session_from_sign_up_to_sign_out)
{
    const char *missing =
        better_auth_start(&app, "a secret of the app, 32 characters or more", "compact");
    struct better_auth_session session;
    json_t *result;
    char customer[80];

    if (missing != NULL)
        cr_skip_test("%s", missing);
    start_all(app.url);
    better_auth_sign_up(&app, "zoe@example.org", "Zoe", &session);
    assert_refused("not_found", "customer.retrieve", "{s:s}", "session", session.cookie);
    result = call("customer.create", "{s:s}", "session", session.cookie);
    snprintf(customer, sizeof(customer), "%s", harness_text(result, "id"));
    json_decref(result);
    grant(customer, "pay_1");
    grant("cus_other", "pay_2");
    call_each(session.cookie, customer);
    cr_assert_eq(sandbox_object_count(&sandbox, "customers"), 2);
    better_auth_sign_out(&app, &session);
    assert_refused_soon(session.cookie);
    assert_refused_soon(session.signed_token);
    end_all();
    better_auth_stop(&app);
}

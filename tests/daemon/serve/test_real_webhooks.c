/*
 * Webhooks through creditd-serve and creditd-sync, both real: signed as StellarTools signs them,
 * twice, reversed, by somebody else, and 301 s late. StellarTools itself is nowhere: nothing needs
 * it.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/clock.h>
#include <web/signature.h>

#define SECRET "whsec_60c5590f72eef292f9545afc28bf63ca"

static struct fixture fixture;
static struct harness_process sync_process;

static void teardown(void)
{
    harness_process_deinit(&sync_process);
    fixture_deinit(&fixture);
}

TestSuite(real_webhooks, .fini = teardown, .timeout = 500);

static void start_with(const char *key, bool has_secret)
{
    const char *arguments[] = {"--config", fixture.config, NULL};
    char variable[64], secret[HARNESS_PATH_MAX], text[2048];
    const char *environment[] = {variable, NULL};
    const struct harness_start start = {
        .program = "creditd-sync",
        .arguments = arguments,
        .environment = environment,
        .directory = &fixture.directory,
    };

    fixture_init(&fixture, NULL);
    snprintf(variable, sizeof(variable), "STELLAR_TOOLS_API_KEY=%s", key);
    harness_path(&fixture.directory, "secret", secret);
    harness_write_file(secret, SECRET "\n");
    snprintf(text, sizeof(text),
             "[paths]\nstate_directory = %s\nsync_socket = %s\n[ledger]\nsegment_size = 1MiB\n"
             "map_size = 64MiB\n[stellartools]\nbase_url = http://127.0.0.1:9\n"
             "%s%s\n[limits]\nmessage_size = 1MiB\n",
             fixture.state, fixture.sync_path, has_secret ? "webhook_secret_file = " : "",
             has_secret ? secret : "");
    harness_write_file(fixture.config, text);
    fixture_start_serve(&fixture);
    harness_process_start(&sync_process, &start);
    harness_process_wait_ready(&sync_process);
    fixture_connect(&fixture, &fixture.client);
}

static void start_all(const char *key)
{
    start_with(key, true);
}

static void end_all(void)
{
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
    cr_assert_eq(harness_process_wait(&sync_process), 0);
    fixture_deinit(&fixture);
}

/* --- webhooks --- */

#define BODY(number, type, object)                                                                 \
    "{\"id\": \"wh_evt_" #number "\", \"type\": \"" type "\", \"created\": "                       \
    "\"2026-01-05T12:00:00Z\", \"livemode\": false, \"data\": {\"object\": " object "}}"
#define CUSTOMER(email, second)                                                                    \
    "{\"id\": \"cus_1\", \"email\": \"" email "\", \"created_at\": \"2026-01-05T11:59:00Z\", "     \
    "\"updated_at\": \"2026-01-05T11:59:" #second "Z\", \"n\": 1.0}"
#define SUB(status, second)                                                                        \
    "{\"id\": \"sub_1\", \"customerId\": \"cus_1\", \"productId\": \"prod_1\", "                   \
    "\"status\": \"" status "\", \"createdAt\": \"2026-01-05T11:59:00Z\", "                        \
    "\"updatedAt\": \"2026-01-05T11:59:" #second "Z\"}"

/* An older server's spelling, too. */
static const char *const bodies[] = {
    BODY(1, "customer.created", CUSTOMER("zo\\u00eb@example.com", 01)),
    BODY(2, "customer.updated", CUSTOMER("b", 02)),
    BODY(3, "subscription.created", SUB("active", 01)),
    BODY(4, "subscription.canceled", SUB("canceled", 02)),
};
#define BODIES (sizeof(bodies) / sizeof(bodies[0]))

/* `age` in seconds. */
static void deliver(const char *body, const char *secret, int64_t age, const char *error)
{
    char signature[SIGNATURE_TEXT_SIZE];
    json_t *params;

    cr_assert_eq(
        signature_make(secret, body, strlen(body), clock_wall_ms() / 1000 - age, signature), 0);
    params = json_pack("{s:s, s:s}", "body", body, "signature", signature);
    if (error == NULL)
        json_decref(harness_call(&fixture.client, "webhook.deliver", "O", params));
    else
        fixture_check_error(harness_call_error(&fixture.client, "webhook.deliver", "O", params),
                            error, NULL, NULL);
    json_decref(params);
}

static void expect_end(const char *const *types, size_t count)
{
    json_t *customer =
        harness_call(&fixture.client, "customer.retrieve", "{s:s}", "customer_id", "cus_1");
    json_t *page = harness_call(&fixture.client, "event.list", "{s:i}", "limit", 100);
    const json_t *rows = json_object_get(page, "data");

    cr_expect_str_eq(harness_text(customer, "email"), "b");
    cr_expect_eq(harness_int(customer, "n"), 1);
    cr_expect_eq(json_array_size(rows), count, "%s", json_dumps(page, 0));
    for (size_t i = 0; i < count && i < json_array_size(rows); i++) {
        const json_t *event = json_array_get(rows, i);

        cr_expect_str_eq(harness_text(event, "type"), types[i]);
        cr_expect_not(harness_bool(event, "livemode"));
    }
    json_decref(page);
    json_decref(customer);
}

static const char *const types[] = {"customer.created", "customer.updated", "subscription.created",
                                    "subscription.canceled"};

Test(real_webhooks, in_order_and_twice_among_strangers)
{
    start_all("sk_test_1");
    for (size_t i = 0; i < BODIES; i++) {
        deliver(bodies[i], SECRET, 301, "permission_denied");
        deliver(bodies[i], "whsec_other", 0, "permission_denied");
        deliver(bodies[i], SECRET, 200, NULL);
        deliver(bodies[i], SECRET, 0, NULL);
        deliver(bodies[i], SECRET, 301, "permission_denied");
    }
    expect_end(types, 4);
    end_all();
}

Test(real_webhooks, reversed)
{
    static const char *const reversed[] = {"subscription.created", "subscription.canceled",
                                           "customer.created", "customer.updated"};

    start_all("sk_test_1");
    for (size_t i = BODIES; i-- > 0;)
        deliver(bodies[i], SECRET, 0, NULL);
    expect_end(reversed, 4);
    end_all();
}

/* As creditd-http passes them on. */
Test(real_webhooks, as_bytes)
{
    size_t length = strlen(bodies[1]);
    char signature[SIGNATURE_TEXT_SIZE], *hex = calloc(2, length + 4);
    json_t *answer;

    snprintf(hex, 5, "bin:");
    for (size_t i = 0; i < length; i++)
        snprintf(hex + 4 + 2 * i, 3, "%02x", (unsigned char)bodies[1][i]);
    cr_assert_eq(signature_make(SECRET, bodies[1], length, clock_wall_ms() / 1000, signature), 0);
    start_all("sk_test_1");
    answer = harness_call(&fixture.client, "webhook.deliver", "{s:s, s:s}", "body", hex,
                          "signature", signature);
    cr_assert_eq(harness_int(answer, "events"), 2); /* created, and updated */
    json_decref(answer);
    end_all();
    free(hex);
}

Test(real_webhooks, the_key_says_what_events_are_worth)
{
    json_t *page;

    start_all("sk_live_1");
    deliver(bodies[0], SECRET, 0, NULL); /* of a test: ignored */
    deliver("{\"id\": \"wh_evt_live\", \"type\": \"customer.updated\", \"livemode\": true, "
            "\"data\": {\"object\": " CUSTOMER("a", 01) "}}",
            SECRET, 0, NULL);
    page = harness_call(&fixture.client, "event.list", "{}");
    for (size_t i = 0; i < json_array_size(json_object_get(page, "data")); i++)
        cr_assert(harness_bool(json_array_get(json_object_get(page, "data"), i), "livemode"));
    cr_assert_geq(json_array_size(json_object_get(page, "data")), 1);
    json_decref(page);
    end_all();
}

Test(real_webhooks, a_body_of_half_a_megabyte_is_taken_and_a_larger_one_is_not)
{
    size_t size = 512 * 1024;
    char *body = malloc(size + 2);
    int head = snprintf(body, size, BODY(1, "customer.created", CUSTOMER("a", 01)));

    memset(body + head, ' ', size + 1 - (size_t)head);
    body[size + 1] = '\0';
    start_all("sk_test_1");
    deliver(body, SECRET, 0, "invalid_parameter");
    body[size] = '\0';
    deliver(body, SECRET, 0, NULL);
    deliver("{\"id\": \"wh_evt_1\"}", SECRET, 0, "invalid_parameter"); /* no event, well signed */
    end_all();
    free(body);
}

/* Nothing to do with whether StellarTools can be reached: the answer says what is missing. */
Test(real_webhooks, without_a_secret_the_setting_is_named)
{
    json_t *error;

    start_with("sk_test_1", false);
    error = harness_call_error(&fixture.client, "webhook.deliver", "{s:s, s:s}", "body", bodies[0],
                               "signature", "t=1,v1=00");
    cr_expect_not_null(strstr(harness_text(error, "message"), "webhook_secret_file"), "%s",
                       harness_text(error, "message"));
    fixture_check_error(error, "conflict", NULL, NULL);
    end_all();
}

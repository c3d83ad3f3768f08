/*
 * A payment is given back once, whatever keys are used: refund.create, push.settle, and what
 * webhooks tell of refunds.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(refunds, .fini = teardown, .timeout = 500);

#define REFUND_TEST(name) FIXTURE_TEST(refunds, name, &fixture, NULL)
#define call(...) harness_call(&fixture.client, __VA_ARGS__)
#define call_error(...) harness_call_error(&fixture.client, __VA_ARGS__)

/* `key` NULL: none. */
static json_t *params_of(const char *payment, const char *key)
{
    return json_pack("{s:s, s:s, s:s*}", "customer_id", "cus_1", "payment_id", payment,
                     "idempotency_key", key);
}

static void expect_refund(const char *payment, const char *key, const char *id)
{
    json_t *params = params_of(payment, key), *refund = call("refund.create", "O", params);

    cr_expect_str_eq(harness_text(refund, "id"), id);
    json_decref(refund);
    json_decref(params);
}

static void expect_conflict(const char *payment, const char *key, const char *member,
                            const char *id)
{
    json_t *params = params_of(payment, key);

    fixture_check_error(call_error("refund.create", "O", params), "conflict", member, id);
    json_decref(params);
}

static void deliver(const char *id, const char *type, const char *refund, const char *payment)
{
    char body[400];

    snprintf(body, sizeof(body),
             "{\"id\": \"%s\", \"type\": \"%s\", \"data\": {\"object\": {\"id\": \"%s\", "
             "\"customer_id\": \"cus_1\", \"payment_id\": \"%s\", \"seen\": \"%s\"}}}",
             id, type, refund, payment, id);
    json_decref(call("webhook.deliver", "{s:s, s:s}", "body", body, "signature", "good"));
}

/* The id of what is parked; "" where nothing is. */
static void parked(char *id, size_t size)
{
    json_t *list = call("push.list", "{s:s}", "state", "parked");
    const json_t *row = json_array_get(json_object_get(list, "data"), 0);

    snprintf(id, size, "%s", row != NULL ? harness_text(row, "push_id") : "");
    json_decref(list);
}

REFUND_TEST(another_key_does_not_give_a_payment_back_again)
{
    expect_refund("pay_1", "one", "rf_1");
    expect_refund("pay_1", "one", "rf_1");
    expect_conflict("pay_1", "two", "refund_id", "rf_1");
    expect_conflict("pay_1", NULL, "refund_id", "rf_1");
    expect_refund("pay_3", NULL, "rf_2");
    expect_refund("pay_3", NULL, "rf_2");
    expect_conflict("pay_3", "one more", "refund_id", "rf_2");
    fixture_restart(&fixture, SIGKILL);
    expect_conflict("pay_1", "two", "refund_id", "rf_1");
    fixture_restart(&fixture, SIGTERM);
    expect_conflict("pay_1", "two", "refund_id", "rf_1");
    expect_refund("pay_1", "one", "rf_1");
    cr_assert_eq(fixture.sync.creates, 2);
}

REFUND_TEST(a_refused_one_leaves_the_payment_free)
{
    for (int i = 0; i < 2; i++)
        expect_conflict("pay_refused", i == 0 ? "one" : "two", NULL, NULL);
    cr_assert_eq(fixture.sync.creates, 2);
}

REFUND_TEST(a_failed_one_leaves_the_payment_free)
{
    expect_refund("pay_1", "one", "rf_1");
    expect_refund("pay_3", NULL, "rf_2");
    deliver("wh_1", "refund.failed", "rf_1", "pay_1");
    deliver("wh_2", "refund.failed", "rf_2", "pay_3");
    expect_refund("pay_1", "one", "rf_1"); /* as it was answered */
    expect_refund("pay_1", "two", "rf_3");
    expect_conflict("pay_1", "three", "refund_id", "rf_3");
    expect_refund("pay_3", NULL, "rf_4");
    expect_refund("pay_3", NULL, "rf_4");
    deliver("wh_3", "refund.failed", "rf_2", "pay_3"); /* late, and of the other one */
    expect_conflict("pay_3", "four", "refund_id", "rf_4");
}

REFUND_TEST(one_that_was_made_elsewhere_counts)
{
    deliver("wh_1", "refund.succeeded", "rf_77", "pay_1");
    expect_conflict("pay_1", "one", "refund_id", "rf_77");
    expect_conflict("pay_1", NULL, "refund_id", "rf_77");
    deliver("wh_2", "refund.failed", "rf_76", "pay_1"); /* one before it, told late */
    expect_conflict("pay_1", "one", "refund_id", "rf_77");
    cr_assert_eq(fixture.sync.creates, 0);
}

REFUND_TEST(P9_one_in_doubt_keeps_the_payment_until_an_operator_has_looked)
{
    char id[128], error[32];
    json_t *answer;

    fixture.sync.lose_creates = 1;
    expect_conflict("pay_1", "one", NULL, NULL);
    parked(id, sizeof(id));
    cr_assert_neq(id[0], '\0');
    expect_conflict("pay_1", "two", "push_id", id);
    fixture_restart(&fixture, SIGKILL);
    expect_conflict("pay_1", "two", "push_id", id);

    fixture_check_error(call_error("push.settle", "{s:s}", "push_id", id), "invalid_parameter",
                        "parameter", "refund_id");
    fixture_check_error(call_error("push.settle", "{s:s}", "refund_id", "rf_1"),
                        "invalid_parameter", "parameter", "push_id");
    fixture_check_error(call_error("push.settle", "{s:s, s:s}", "push_id", id, "refund_id", "a/b"),
                        "invalid_parameter", "parameter", "refund_id");
    fixture_check_error(
        call_error("push.settle", "{s:s, s:s}", "push_id", "int_1_1_1", "refund_id", "rf_1"),
        "not_found", NULL, NULL);
    answer = call("push.settle", "{s:s, s:s}", "push_id", id, "refund_id", "rf_1");
    cr_assert_str_eq(harness_text(answer, "state"), "settled");
    json_decref(answer);
    fixture_check_error(call_error("push.settle", "{s:s, s:s}", "push_id", id, "refund_id", "rf_1"),
                        "conflict", NULL, NULL);
    expect_refund("pay_1", "one", "rf_1");
    expect_conflict("pay_1", "two", "refund_id", "rf_1");
    parked(error, sizeof(error));
    cr_assert_eq(error[0], '\0');
    cr_assert_eq(fixture.sync.creates, 1);
}

REFUND_TEST(one_that_was_dropped_leaves_the_payment_free)
{
    char id[128];

    fixture.sync.lose_creates = 1;
    expect_conflict("pay_1", "one", NULL, NULL);
    parked(id, sizeof(id));
    json_decref(call("push.drop", "{s:s}", "push_id", id));
    expect_refund("pay_1", "two", "rf_2");
}

/* Whether a payment was given back is first read from the store, for which there may be no time.
 * Which of the two comes first cannot be known; an answer comes. */
FIXTURE_TEST(refunds, there_may_be_no_time_to_read, &fixture, "[credits]\ncold_timeout = 0s\n")
{
    for (int i = 0; i < 50; i++) {
        struct harness_message message;
        char payment[32];

        snprintf(payment, sizeof(payment), "pay_%d", i);
        harness_send(&fixture.client, "refund.create", "{s:s, s:s}", "customer_id", "cus_1",
                     "payment_id", payment);
        cr_assert(harness_receive(&fixture.client, &message), "serve has ended");
        if (message.error != NULL)
            cr_assert(strcmp(harness_text(message.error, "code"), "busy") == 0 ||
                          strcmp(harness_text(message.error, "code"), "upstream_unavailable") == 0,
                      "%s", json_dumps(message.error, 0));
        harness_message_deinit(&message);
    }
}

/* Whole exchanges without HTTP: subscriptions, payments, refunds, access, and customers in full. */
#include "billing.h"
#include "steps.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define SUBSCRIBE "{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\"}"
#define ELSEWHERE "/_sandbox/subscription"
#define REFUND "{\"payment_id\": \"pay_00000001\", \"reason\": \"broken\"}"
#define PAY "{\"customer_id\": \"cus_a\", \"amount\": 50}"

Test(sandbox_billing, subscriptions_are_made)
{
    STEPS_RUN(
        {NULL, "POST", "/subscriptions", NULL, SUBSCRIBE, 200,
         "{\"id\":\"sub_00000001\",\"object\":\"subscription\",\"customer_id\":\"cus_a\","
         "\"product_id\":\"prod_a\",\"status\":\"active\",\"cancel_at_period_end\":false,",
         100},
        {NULL, "POST", "/subscriptions", NULL,
         "{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"trial_days\": 7,"
         " \"cancel_at_period_end\": true, \"metadata\": {\"a\": \"1\"}}",
         200, "\"status\":\"trialing\",\"cancel_at_period_end\":true,", 100},
        {NULL, "GET", "/subscriptions/sub_00000002", NULL, NULL, 200, "\"metadata\":{\"a\":\"1\"}",
         100},
        {NULL, "POST", "/subscriptions", NULL,
         "{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"trial_days\": 0}", 200,
         "\"status\":\"active\"", 100},
        {NULL, "GET", "/subscriptions/sub_00000003", NULL, NULL, 200, "\"trial_end\":null", 100});
}

Test(sandbox_billing, a_trial_ends_after_its_days)
{
    struct step step = {.method = "POST",
                        .target = "/subscriptions",
                        .body = "{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\","
                                " \"trial_days\": 7}"};
    const struct subscription *subscription;
    struct sandbox sandbox;
    struct reply reply;

    sandbox_begin(&sandbox);
    step_serve(&sandbox, &step, &reply);
    subscription = model_subscription(&sandbox.model, "sub_00000001");
    cr_assert(subscription->trial_end_ms - subscription->created_ms == 7 * 86400000);
    cr_assert(subscription->period_end_ms == subscription->trial_end_ms);
    reply_deinit(&reply);
    sandbox_deinit(&sandbox);
}

Test(sandbox_billing, what_is_wrong_with_a_subscription_is_said)
{
    static const struct {
        const char *body;
        unsigned status;
        const char *part;
    } rows[] = {
        {NULL, 400, "body"},
        {"[]", 400, "body"},
        {"{\"product_id\": \"prod_a\"}", 400, "customer_id"},
        {"{\"customer_id\": 1, \"product_id\": \"prod_a\"}", 400, "customer_id"},
        {"{\"customer_id\": \"cus_a\"}", 400, "product_id"},
        {"{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"trial_days\": -1}", 400,
         "trial_days"},
        {"{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"trial_days\": 1.5}", 400,
         "trial_days"},
        {"{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"cancel_at_period_end\": 1}",
         400, "cancel_at_period_end"},
        {"{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"metadata\": []}", 400,
         "metadata"},
        {"{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"metadata\": {\"a\": 1}}", 400,
         "metadata: expected strings"},
        {"{\"customer_id\": \"cus_x\", \"product_id\": \"prod_a\"}", 500, "Customer not found"},
        {"{\"customer_id\": \"cus_a\", \"product_id\": \"prod_x\"}", 500, "Product not found"},
    };
    struct sandbox sandbox;

    sandbox_begin(&sandbox);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct step step = {.method = "POST", .target = "/subscriptions", .body = rows[i].body};
        struct reply reply;

        step_serve(&sandbox, &step, &reply);
        cr_assert(reply.status == rows[i].status, "row %zu: %u", i, reply.status);
        cr_assert(strstr(reply.body, rows[i].part), "row %zu: %s", i, reply.body);
        reply_deinit(&reply);
    }
    cr_assert(sandbox.model.subscriptions.count == 0);
    sandbox_deinit(&sandbox);
}

/* From each status, what each of the three makes of it; NULL: refused. */
Test(sandbox_billing, each_status_has_its_rules)
{
    static const struct {
        const char *from, *cancelled, *paused, *resumed;
    } rows[] = {
        {"trialing", "trialing", "paused", NULL}, {"active", "active", "paused", NULL},
        {"past_due", "past_due", NULL, NULL},     {"overdue", "overdue", NULL, NULL},
        {"paused", "paused", NULL, "active"},     {"canceled", NULL, NULL, NULL},
    };
    static const char *const verbs[] = {"cancel", "pause", "resume"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *const results[] = {rows[i].cancelled, rows[i].paused, rows[i].resumed};

        for (size_t verb = 0; verb < ARRAY_SIZE(verbs); verb++) {
            char body[128], target[64], after[64];
            struct step make = {.method = "POST", .target = ELSEWHERE, .body = body};
            struct step act = {.method = "POST", .target = target};
            struct sandbox sandbox;
            struct reply reply;

            snprintf(body, sizeof(body),
                     "{\"id\": \"sub_a\", \"customer_id\": \"cus_a\", \"product_id\": \"prod_a\","
                     " \"status\": \"%s\"}",
                     rows[i].from);
            snprintf(target, sizeof(target), "/subscriptions/sub_a/%s", verbs[verb]);
            snprintf(after, sizeof(after), "\"status\":\"%s\",\"cancel_at_period_end\":%s",
                     results[verb] ? results[verb] : rows[i].from, verb == 0 ? "true" : "false");
            sandbox_begin(&sandbox);
            step_serve(&sandbox, &make, &reply);
            reply_deinit(&reply);
            step_serve(&sandbox, &act, &reply);
            cr_assert(reply.status == (results[verb] ? 200 : 500), "%s %s: %u", rows[i].from,
                      verbs[verb], reply.status);
            cr_assert(!results[verb] || strstr(reply.body, after), "%s %s: %s", rows[i].from,
                      verbs[verb], reply.body);
            cr_assert(strcmp(subscription_status_name(
                                 model_subscription(&sandbox.model, "sub_a")->status),
                             results[verb] ? results[verb] : rows[i].from) == 0);
            reply_deinit(&reply);
            sandbox_deinit(&sandbox);
        }
    }
}

Test(sandbox_billing, the_times_follow_the_status)
{
    static const struct {
        enum subscription_status status;
        bool cancel, by_status;
        int64_t canceled, paused;
    } rows[] = {
        {SUBSCRIPTION_PAUSED, false, true, 0, 1},
        {SUBSCRIPTION_ACTIVE, false, true, 0, 0},
        {0, true, false, 3, 0},
        {0, true, false, 3, 0},
        {SUBSCRIPTION_PAUSED, false, true, 3, 5},
        {SUBSCRIPTION_ACTIVE, false, true, 3, 0},
        {0, false, false, 0, 0},
        {SUBSCRIPTION_CANCELED, false, true, 8, 0},
        {0, false, false, 8, 0},
        {SUBSCRIPTION_ACTIVE, false, true, 0, 0},
    };
    struct subscription subscription = {.status = SUBSCRIPTION_ACTIVE};

    for (int64_t i = 0; i < (int64_t)ARRAY_SIZE(rows); i++) {
        if (rows[i].by_status)
            subscription_set_status(&subscription, rows[i].status, i + 1);
        else
            subscription_set_cancel_at_period_end(&subscription, rows[i].cancel, i + 1);
        cr_assert(subscription.canceled_ms == rows[i].canceled, "row %d", (int)i);
        cr_assert(subscription.paused_ms == rows[i].paused, "row %d", (int)i);
        cr_assert(subscription.updated_ms == i + 1, "row %d", (int)i);
    }
}

Test(sandbox_billing, subscriptions_are_changed)
{
    STEPS_RUN(
        {NULL, "POST", "/subscriptions", NULL, SUBSCRIBE, 200, NULL, 100},
        {NULL, "PUT", "/subscriptions/sub_00000001", NULL,
         "{\"metadata\": {\"a\": \"1\"}, \"cancel_at_period_end\": true}", 200,
         "\"cancel_at_period_end\":true", 100},
        {NULL, "PUT", "/subscriptions/sub_00000001", NULL,
         "{\"metadata\": {\"b\": \"2\"}, \"cancel_at_period_end\": false}", 200,
         "\"canceled_at\":null,\"paused_at\":null,\"metadata\":{\"a\":\"1\",\"b\":\"2\"}", 100},
        {NULL, "PUT", "/subscriptions/sub_00000001", NULL, "{\"metadata\": 1}", 400, "metadata",
         100},
        {NULL, "PUT", "/subscriptions/sub_x", NULL, "{}", 404, "Subscription not found", 100},
        {NULL, "GET", "/subscriptions/sub_x", NULL, NULL, 404, "Subscription not found", 100},
        {NULL, "POST", "/subscriptions/sub_x/cancel", NULL, NULL, 404, NULL, 100},
        {NULL, "POST", ELSEWHERE, NULL, "{\"id\": \"sub_00000001\", \"status\": \"canceled\"}", 200,
         "\"status\":\"canceled\",\"cancel_at_period_end\":false", 100},
        {NULL, "PUT", "/subscriptions/sub_00000001", NULL, "{}", 500, "Subscription is canceled",
         100},
        {"business_status=400 error_form=object", "POST", "/subscriptions/sub_00000001/cancel",
         NULL, NULL, 400, "\"message\":\"Subscription is already canceled\"", 100});
}

Test(sandbox_billing, subscriptions_change_elsewhere)
{
    STEPS_RUN(
        {NULL, "POST", ELSEWHERE, NULL, SUBSCRIBE, 200, "{\"id\":\"sub_00000001\"", 100},
        {NULL, "POST", ELSEWHERE, NULL,
         "{\"id\": \"sub_00000001\", \"status\": \"past_due\", \"product_id\": \"prod_new\","
         " \"metadata\": {\"a\": \"1\"}}",
         200, "\"product_id\":\"prod_new\",\"status\":\"past_due\"", 100},
        {NULL, "GET", "/subscriptions/sub_00000001", NULL, NULL, 200, "\"metadata\":{\"a\":\"1\"}",
         100},
        {NULL, "POST", ELSEWHERE, NULL, "{\"id\": \"sub_x\", \"status\": \"active\"}", 404,
         "Subscription not found", 100},
        {NULL, "POST", ELSEWHERE, NULL, "{\"id\": \"sub_00000001\", \"status\": \"over\"}", 400,
         "trialing, active, past_due", 100},
        {NULL, "POST", ELSEWHERE, NULL, "{\"customer_id\": \"cus_a\"}", 400, "product_id", 100},
        {NULL, "GET", "/_sandbox/dump", NULL, NULL, 200, "\"total\":1,", 100});
}

/* The ids' last digits, and + for has_more. */
static void subscriptions_check(struct sandbox *sandbox, const char *query, const char *ids)
{
    char target[128], seen[64] = "";
    struct step step = {.method = "GET", .target = target};
    size_t used = 0;
    struct reply reply;

    snprintf(target, sizeof(target), "/subscriptions%s", query);
    step_serve(sandbox, &step, &reply);
    for (const char *at = reply.body; (at = strstr(at, "\"sub_0000000")); at++)
        seen[used++] = at[strlen("\"sub_0000000")];
    if (strstr(reply.body, "\"has_more\":true"))
        seen[used++] = '+';
    cr_assert(strcmp(seen, ids) == 0, "%s gives %s, not %s", query, seen, ids);
    reply_deinit(&reply);
}

Test(sandbox_billing, subscriptions_are_paged_and_filtered)
{
    static const char *const customers[] = {"cus_a", "cus_b", "cus_a", "cus_a", "cus_b"};
    struct sandbox sandbox;

    sandbox_begin(&sandbox);
    for (size_t i = 0; i < ARRAY_SIZE(customers); i++) {
        char body[128];
        struct step make = {.method = "POST", .target = ELSEWHERE, .body = body};
        struct reply reply;

        snprintf(body, sizeof(body), "{\"customer_id\": \"%s\", \"product_id\": \"prod_a\"}",
                 customers[i]);
        step_serve(&sandbox, &make, &reply);
        reply_deinit(&reply);
    }
    subscriptions_check(&sandbox, "", "54321");
    subscriptions_check(&sandbox, "?customer_id=cus_a", "431");
    subscriptions_check(&sandbox, "?customer_id=cus_b", "52");
    subscriptions_check(&sandbox, "?customer_id=cus_x", "");
    subscriptions_check(&sandbox, "?customer_id=cus_a&limit=2", "43+");
    subscriptions_check(&sandbox, "?customer_id=cus_a&limit=2&starting_after=sub_00000003", "1");
    subscriptions_check(&sandbox, "?customer_id=cus_a&limit=1&ending_before=sub_00000001", "3+");
    subscriptions_check(&sandbox, "?limit=3&ending_before=sub_00000002", "543");
    subscriptions_check(&sandbox, "?limit=0", "");
    sandbox_faults_order(&sandbox, "subscription_filter=false");
    subscriptions_check(&sandbox, "?customer_id=cus_a", "54321");
    sandbox_faults_order(&sandbox, "list_form=bare");
    subscriptions_check(&sandbox, "?customer_id=cus_a", "54321");
    sandbox_deinit(&sandbox);
}

Test(sandbox_billing, payments_are_made_elsewhere)
{
    STEPS_RUN(
        {NULL, "POST", "/_sandbox/payment", NULL, PAY, 200,
         "{\"id\":\"pay_00000001\",\"object\":\"payment\",\"customer_id\":\"cus_a\","
         "\"product_id\":null,\"amount\":\"50 XLM\",\"status\":\"confirmed\"",
         100},
        {NULL, "POST", "/_sandbox/payment", NULL,
         "{\"id\": \"pay_b\", \"customer_id\": \"cus_new\", \"amount\": \"7.5 USDC\","
         " \"product_id\": \"prod_new\", \"status\": \"pending\"}",
         200, "\"product_id\":\"prod_new\",\"amount\":\"7.5 USDC\",\"status\":\"pending\"", 100},
        {NULL, "GET", "/payment/pay_b", NULL, NULL, 200, "\"customer_id\":\"cus_new\"", 100},
        {"envelope=data", "GET", "/payment/pay_b", NULL, NULL, 200, "{\"data\":{\"id\":\"pay_b\"",
         100},
        {NULL, "GET", "/payment/pay_x", NULL, NULL, 404, "Payment not found", 100},
        {NULL, "POST", "/_sandbox/payment", NULL, "{\"amount\": 50}", 400, "customer_id", 100},
        {NULL, "POST", "/_sandbox/payment", NULL, "{\"customer_id\": \"cus_a\", \"amount\": 1.5}",
         400, "amount", 100},
        {NULL, "POST", "/_sandbox/payment", NULL,
         "{\"id\": \"pay_b\", \"customer_id\": \"cus_a\", \"amount\": 1}", 400, "twice", 100},
        {NULL, "POST", "/_sandbox/payment", NULL,
         "{\"customer_id\": \"cus_a\", \"amount\": 1, \"status\": \"paid\"}", 400,
         "pending, confirmed or failed", 100});
}

Test(sandbox_billing, payments_are_refunded)
{
    STEPS_RUN(
        {NULL, "POST", "/_sandbox/payment", NULL, PAY, 200, NULL, 100},
        {NULL, "POST", "/refunds", "k1",
         "{\"payment_id\": \"pay_00000001\", \"reason\": \"broken\","
         " \"wallet_address\": \"GA\", \"metadata\": {\"source\": \"x\"}}",
         200,
         "{\"id\":\"rf_00000001\",\"payment_id\":\"pay_00000001\",\"customer_id\":\"cus_a\","
         "\"amount\":\"50 XLM\",\"status\":\"succeeded\",\"reason\":\"broken\","
         "\"receiver_wallet_address\":\"GA\",\"metadata\":{\"source\":\"x\"},\"created_at\":",
         100},
        {NULL, "GET", "/_sandbox/dump", NULL, NULL, 200, "\"idempotency_key\":\"k1\"", 100},
        {"refund_status=pending", "POST", "/refunds", NULL, REFUND, 200,
         "\"status\":\"pending\",\"reason\":\"broken\",\"receiver_wallet_address\":null", 100},
        {"refund_status=failed", "POST", "/refunds", NULL, REFUND, 200, "\"id\":\"rf_00000003\",",
         100},
        {NULL, "GET", "/payment/pay_00000001", NULL, NULL, 200, "\"status\":\"confirmed\"", 100},
        {NULL, "POST", "/refunds", NULL, "{\"payment_id\": \"pay_x\", \"reason\": \"\"}", 500,
         "Payment not found", 100},
        {"business_status=404", "POST", "/refunds", NULL,
         "{\"payment_id\": \"pay_x\", \"reason\": \"\"}", 404, "Payment not found", 100},
        {NULL, "POST", "/refunds", NULL, "{\"reason\": \"\"}", 400, "payment_id", 100},
        {NULL, "POST", "/refunds", NULL, "{\"payment_id\": \"pay_00000001\"}", 400, "reason", 100},
        {NULL, "POST", "/refunds", NULL,
         "{\"payment_id\": \"pay_00000001\", \"reason\": \"\", \"metadata\": {\"a\": {}}}", 400,
         "metadata", 100},
        {NULL, "POST", "/_sandbox/payment", NULL,
         "{\"customer_id\": \"cus_a\", \"amount\": 1, \"status\": \"failed\"}", 200, NULL, 100},
        {NULL, "POST", "/refunds", NULL, "{\"payment_id\": \"pay_00000002\", \"reason\": \"\"}",
         404, "not confirmed", 100});
}

Test(sandbox_billing, a_refund_goes_to_the_first_wallet_unless_told_otherwise)
{
    static const char *const rows[][2] = {
        {REFUND, "\"receiver_wallet_address\":\"GA\""},
        {"{\"payment_id\": \"pay_00000001\", \"reason\": \"\", \"wallet_address\": \"GX\"}",
         "\"receiver_wallet_address\":\"GX\""},
    };
    const struct step pay = {.method = "POST", .target = "/_sandbox/payment", .body = PAY};
    const struct step get = {.method = "GET", .target = "/customers/cus_a"};
    struct sandbox sandbox;
    struct reply reply;

    sandbox_begin(&sandbox);
    cr_assert(text_set(&model_customer(&sandbox.model, "cus_a")->wallets,
                       "[{\"address\": \"GA\"}, {\"address\": \"GB\"}]") == 0);
    step_serve(&sandbox, &get, &reply);
    cr_assert(strstr(reply.body, "\"wallets\":[{\"address\":\"GA\"},{\"address\":\"GB\"}]"), "%s",
              reply.body);
    reply_deinit(&reply);
    step_serve(&sandbox, &pay, &reply);
    reply_deinit(&reply);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct step refund = {.method = "POST", .target = "/refunds", .body = rows[i][0]};

        step_serve(&sandbox, &refund, &reply);
        cr_assert(strstr(reply.body, rows[i][1]), "%s", reply.body);
        reply_deinit(&reply);
    }
    sandbox_deinit(&sandbox);
}

static void billing_counted(const char *faults, const char *key, const char *target,
                            const char *body, size_t requests, size_t made)
{
    const struct step pay = {.method = "POST", .target = "/_sandbox/payment", .body = PAY};
    const struct step step = {.method = "POST", .target = target, .key = key, .body = body};
    struct sandbox sandbox;
    struct reply reply;

    sandbox_begin(&sandbox);
    step_serve(&sandbox, &pay, &reply);
    reply_deinit(&reply);
    sandbox_faults_order(&sandbox, faults);
    for (size_t i = 0; i < requests; i++) {
        step_serve(&sandbox, &step, &reply);
        reply_deinit(&reply);
    }
    cr_assert(sandbox.model.customers.count - 1 + sandbox.model.subscriptions.count +
                      sandbox.model.refunds.count ==
                  made,
              "%s %s", target, faults);
    sandbox_deinit(&sandbox);
}

/* Of three requests under one key, how many are carried out. */
Test(sandbox_billing, keys_and_their_traps_hold_for_every_create)
{
    static const struct {
        const char *faults, *key;
        size_t made;
    } rows[] = {
        {"latency=0", "k1", 1},
        {"latency=0", NULL, 3},
        {"reset_after=1 times=1", "k1", 1},
        {"error_after_commit=1 times=1", "k1", 2},
        {"error_before_commit=1 times=1", "k1", 1},
        {"error_before_commit=1", "k1", 0},
        {"stuck_lock=1 times=1", "k1", 0},
        {"key_ignored=true", "k1", 3},
        {"down=true", "k1", 0},
        {"reset_after=1 only_method=GET", "k1", 1},
    };
    static const char *const creates[][2] = {
        {"/customers", "[{\"email\": \"a@b\"}]"},
        {"/subscriptions", SUBSCRIBE},
        {"/refunds", REFUND},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(creates); j++)
            billing_counted(rows[i].faults, rows[i].key, creates[j][0], creates[j][1], 3,
                            rows[i].made);
    }
}

Test(sandbox_billing, faults_strike_their_kind_alone)
{
    STEPS_RUN({"reset_before=1 only=subscription", "POST", "/subscriptions", NULL, SUBSCRIBE, 0,
               NULL, 100},
              {NULL, "GET", "/payment/pay_x", NULL, NULL, 404, NULL, 100},
              {"only=payment", "GET", "/payment/pay_x", NULL, NULL, 0, NULL, 100},
              {NULL, "POST", "/refunds", NULL, REFUND, 500, NULL, 100},
              {"only=refund_payment", "POST", "/refunds", NULL, REFUND, 0, NULL, 100},
              {NULL, "GET", "/customers/cus_a/access/prod_a", NULL, NULL, 200, NULL, 100},
              {"only=access", "GET", "/customers/cus_a/access/prod_a", NULL, NULL, 0, NULL, 100},
              {NULL, "GET", "/customers/cus_a", NULL, NULL, 200, NULL, 100},
              {"only=customer", "GET", "/customers/cus_a", NULL, NULL, 0, NULL, 100},
              {"only_method=POST", "GET", "/customers/cus_a", NULL, NULL, 200, NULL, 100},
              {NULL, "POST", "/customers", NULL, "{\"email\": \"a@b\"}", 0, NULL, 100});
}

Test(sandbox_billing, access_follows_subscriptions_and_payments)
{
    static const char access[] = "/customers/cus_a/access/prod_a";

    STEPS_RUN(
        {NULL, "GET", access, NULL, NULL, 200, "{\"has_access\":false,\"grant\":null}", 100},
        {NULL, "POST", "/_sandbox/payment", NULL,
         "{\"customer_id\": \"cus_a\", \"amount\": 5, \"product_id\": \"prod_a\","
         " \"status\": \"pending\"}",
         200, NULL, 100},
        {NULL, "GET", access, NULL, NULL, 200, "{\"has_access\":false,\"grant\":null}", 100},
        {NULL, "POST", "/_sandbox/payment", NULL,
         "{\"customer_id\": \"cus_a\", \"amount\": 5, \"product_id\": \"prod_a\"}", 200, NULL, 100},
        {NULL, "GET", access, NULL, NULL, 200,
         "{\"has_access\":true,\"grant\":{\"type\":\"one_time\",\"payment_id\":\"pay_00000002\"}}",
         100},
        {NULL, "POST", "/subscriptions", NULL, SUBSCRIBE, 200, NULL, 100},
        {NULL, "GET", access, NULL, NULL, 200,
         "{\"has_access\":true,\"grant\":{\"type\":\"subscription\","
         "\"subscription_id\":\"sub_00000001\",\"status\":\"active\"}}",
         100},
        {NULL, "POST", "/subscriptions/sub_00000001/cancel", NULL, NULL, 200, NULL, 100},
        {NULL, "GET", access, NULL, NULL, 200, "\"status\":\"active\"", 100},
        {NULL, "POST", ELSEWHERE, NULL, "{\"id\": \"sub_00000001\", \"status\": \"canceled\"}", 200,
         NULL, 100},
        {NULL, "GET", access, NULL, NULL, 200, "one_time", 100},
        {NULL, "GET", "/customers/cus_x/access/prod_a", NULL, NULL, 404, "Customer", 100},
        {NULL, "GET", "/customers/cus_a/access/prod_x", NULL, NULL, 404, "Product", 100},
        {"no_access_endpoint=true", "GET", access, NULL, NULL, 404, "<html>", 100});
}

Test(sandbox_billing, another_customers_purchase_gives_no_access)
{
    STEPS_RUN({NULL, "POST", ELSEWHERE, NULL,
               "{\"customer_id\": \"cus_b\", \"product_id\": \"prod_a\"}", 200, NULL, 100},
              {NULL, "POST", "/_sandbox/payment", NULL,
               "{\"customer_id\": \"cus_b\", \"amount\": 5, \"product_id\": \"prod_a\"}", 200, NULL,
               100},
              {NULL, "GET", "/customers/cus_a/access/prod_a", NULL, NULL, 200,
               "{\"has_access\":false,\"grant\":null}", 100},
              {NULL, "GET", "/customers/cus_b/access/prod_a", NULL, NULL, 200, "true", 100});
}

Test(sandbox_billing, customers_have_every_form)
{
    STEPS_RUN(
        {NULL, "POST", "/customers", NULL,
         "[{\"email\": \"a@b\", \"name\": \"A\", \"phone\": \"1\", \"image\": \"i\"}]", 200,
         "{\"object\":\"list\",\"data\":[{\"id\":\"cus_00000002\",\"object\":\"customer\","
         "\"email\":\"a@b\",\"name\":\"A\",\"phone\":\"1\",\"image\":\"i\",\"wallets\":[],",
         100},
        {"customer_answer=object", "POST", "/customers", NULL, "[{\"email\": \"a@b\"}]", 200,
         "{\"id\":\"cus_00000003\"", 100},
        {"envelope=data", "POST", "/customers", NULL, "[{\"email\": \"a@b\"}]", 200,
         "{\"data\":{\"id\":\"cus_00000004\"", 100},
        {NULL, "POST", "/customers", NULL, "[{\"email\": \"a@b\"}, {\"email\": \"b@b\"}]", 200,
         "{\"object\":\"list\",\"data\":[{\"id\":\"cus_00000005\"", 100},
        {"customer_answer=list list_form=bare", "POST", "/customers", NULL, "{\"email\": \"a@b\"}",
         200, "[{\"id\":\"cus_00000007\"", 100},
        {"customer_body=array", "POST", "/customers", NULL, "{\"email\": \"a@b\"}", 400, "array",
         100},
        {NULL, "POST", "/customers", NULL, "[{\"email\": \"a@b\"}]", 200, "cus_00000008", 100},
        {"customer_body=object", "POST", "/customers", NULL, "[{\"email\": \"a@b\"}]", 400,
         "object", 100},
        {NULL, "POST", "/customers", NULL, "{\"email\": \"a@b\"}", 200, "cus_00000009", 100},
        {NULL, "PUT", "/customers/cus_00000002", NULL,
         "{\"email\": \"A@b\", \"phone\": null, \"image\": \"j\"}", 200,
         "\"email\":\"A@b\",\"name\":\"A\",\"phone\":null,\"image\":\"j\"", 100},
        {NULL, "PUT", "/customers/cus_00000002", NULL, "{\"metadata\": {\"a\": 1}}", 400,
         "metadata: expected strings", 100},
        {NULL, "GET", "/customers?email=A%40b", NULL, NULL, 200, "[{\"id\":\"cus_00000002\"", 100},
        {NULL, "GET", "/customers?email=a%40B", NULL, NULL, 200, "[]", 100});
}

Test(sandbox_billing, requests_are_counted_by_kind_and_by_endpoint)
{
    STEPS_RUN({NULL, "POST", "/subscriptions", NULL, SUBSCRIBE, 200, NULL, 100},
              {NULL, "GET", "/subscriptions?customer_id=cus_a", NULL, NULL, 200, NULL, 100},
              {NULL, "GET", "/subscriptions/sub_00000001", NULL, NULL, 200, NULL, 100},
              {NULL, "GET", "/subscriptions/sub_x", NULL, NULL, 404, NULL, 100},
              {NULL, "POST", "/refunds", NULL, REFUND, 500, NULL, 100},
              {NULL, "GET", "/_sandbox/dump", NULL, NULL, 200,
               "\"by_kind\":{\"subscription\":4,\"refund_payment\":1},"
               "\"by_endpoint\":{\"POST /subscriptions\":1,\"GET /subscriptions\":1,"
               "\"GET /subscriptions/{}\":2,\"POST /refunds\":1}",
               100});
}

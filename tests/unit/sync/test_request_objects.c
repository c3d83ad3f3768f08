/* Customers, subscriptions, payments, access: parameters in, HTTP requests out. */
#include "exchange.h"
#include "metadata.h"
#include "render.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <proto/message.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static int decode(const char *method, const char *json, struct exchange_args *args,
                  const char **parameter)
{
    msgpack_unpacked unpacked;
    int r;

    render_unpack(json, &unpacked);
    r = exchange_decode(exchange_find(method, strlen(method)), &unpacked.data, args, parameter);
    msgpack_unpacked_destroy(&unpacked);
    return r;
}

/* Parameters may be gone when the request is built: the args own what they need. */
static struct request build(const char *method, const char *json, const char *base)
{
    const struct exchange_kind *kind = exchange_find(method, strlen(method));
    struct exchange_args args;
    struct request request;
    const char *parameter = "";

    cr_assert_not_null(kind, "%s", method);
    cr_assert_eq(decode(method, json, &args, &parameter), 0, "%s %s: %s", method, json, parameter);
    cr_assert_eq(kind->build(&args, base, &request), 0);
    cr_assert(!request.idempotency_key ||
              strcmp(request.idempotency_key, args.idempotency_key) == 0);
    request.idempotency_key = request.idempotency_key ? "key" : NULL; /* the args go */
    exchange_args_deinit(&args);
    return request;
}

#define OURS "\"source\":\"creditd\",\"creditd_intent\":\"int_1\""

Test(request_objects, urls_verbs_and_bodies)
{
    static const struct {
        const char *method, *params, *base, *verb, *url, *body;
    } table[] = {
        {"upstream.customer", "{\"customer_id\":\"cus_1\"}", "https://h", "GET",
         "https://h/customers/cus_1", NULL},
        {"upstream.customers", "{\"email\":\"a+b@x.org\",\"limit\":50}", "https://h", "GET",
         "https://h/customers?email=a%2Bb%40x.org&limit=50", NULL},
        {"upstream.customers", "{\"limit\":100,\"starting_after\":\"cus_9\"}", "https://h", "GET",
         "https://h/customers?limit=100&starting_after=cus_9", NULL},
        {"upstream.customer_create",
         "{\"email\":\"a@x.org\",\"name\":\"A \\\"Q\\\"\",\"intent_id\":\"int_1\","
         "\"idempotency_key\":\"k\"}",
         "https://h", "POST", "https://h/customers",
         "[{\"email\":\"a@x.org\",\"name\":\"A \\\"Q\\\"\",\"metadata\":{" OURS "}}]"},
        {"upstream.customer_create",
         "{\"email\":\"a@x.org\",\"phone\":\"1\",\"image\":\"https://i\",\"bare\":true,"
         "\"metadata\":{\"source\":\"me\",\"n\":5,\"creditd_intent\":\"x\"},\"intent_id\":\"int_"
         "1\","
         "\"idempotency_key\":\"k\"}",
         "https://h", "POST", "https://h/customers",
         "{\"email\":\"a@x.org\",\"phone\":\"1\",\"image\":\"https://i\",\"metadata\":{"
         "\"source\":\"creditd\",\"n\":\"5\",\"creditd_intent\":\"int_1\"}}"},
        {"upstream.customer_create", "{\"idempotency_key\":\"k\"}", "https://h", "POST",
         "https://h/customers", "[{\"metadata\":{\"source\":\"creditd\"}}]"},
        {"upstream.customer_update",
         "{\"customer_id\":\"cus_1\",\"email\":\"b@x.org\",\"metadata\":{\"a\":null}}", "https://h",
         "PUT", "https://h/customers/cus_1",
         "{\"email\":\"b@x.org\",\"metadata\":{\"a\":\"null\"}}"},
        {"upstream.customer_update",
         "{\"customer_id\":\"cus_1\",\"metadata\":{\"a\":\"b\",\"creditd_intent\":\"int_9\"}}",
         "https://h", "PUT", "https://h/customers/cus_1", "{\"metadata\":{\"a\":\"b\"}}"},
        {"upstream.customer_update", "{\"customer_id\":\"cus_1\"}", "https://h", "PUT",
         "https://h/customers/cus_1", "{}"},
        {"upstream.subscription", "{\"subscription_id\":\"sub_1\"}", "https://h", "GET",
         "https://h/subscriptions/sub_1", NULL},
        {"upstream.subscriptions", "{\"customer_id\":\"cus_1\",\"limit\":10}", "https://h", "GET",
         "https://h/subscriptions?customer_id=cus_1&limit=10", NULL},
        {"upstream.subscriptions",
         "{\"customer_id\":\"cus_1\",\"limit\":10,\"starting_after\":\"sub_1\"}", "https://h/api",
         "GET",
         "https://h/api/subscriptions?customer_id=cus_1&customerId=cus_1&limit=10"
         "&starting_after=sub_1",
         NULL},
        {"upstream.subscription_create",
         "{\"customer_id\":\"cus_1\",\"product_id\":\"prod_1\",\"intent_id\":\"int_1\","
         "\"idempotency_key\":\"k\"}",
         "https://h", "POST", "https://h/subscriptions",
         "{\"customer_id\":\"cus_1\",\"product_id\":\"prod_1\",\"metadata\":{" OURS "}}"},
        {"upstream.subscription_create",
         "{\"customer_id\":\"cus_1\",\"product_id\":\"prod_1\",\"cancel_at_period_end\":false,"
         "\"trial_days\":0,\"idempotency_key\":\"k\"}",
         "https://h/api", "POST", "https://h/api/subscriptions",
         "{\"customerId\":\"cus_1\",\"customer_id\":\"cus_1\",\"productId\":\"prod_1\","
         "\"product_id\":\"prod_1\",\"metadata\":{\"source\":\"creditd\"},"
         "\"cancelAtPeriodEnd\":false,\"cancel_at_period_end\":false,\"trialDays\":0,"
         "\"trial_days\":0}"},
        {"upstream.subscription_update",
         "{\"subscription_id\":\"sub_1\",\"cancel_at_period_end\":true}", "https://h", "PUT",
         "https://h/subscriptions/sub_1", "{\"cancel_at_period_end\":true}"},
        {"upstream.subscription_update",
         "{\"subscription_id\":\"sub_1\",\"product_id\":\"prod_2\",\"metadata\":{\"a\":\"b\","
         "\"creditd_intent\":\"int_9\"}}",
         "https://h", "PUT", "https://h/subscriptions/sub_1",
         "{\"product_id\":\"prod_2\",\"metadata\":{\"a\":\"b\"}}"},
        {"upstream.subscription_action", "{\"subscription_id\":\"sub_1\",\"action\":\"cancel\"}",
         "https://h", "POST", "https://h/subscriptions/sub_1/cancel", "{}"},
        {"upstream.subscription_action",
         "{\"subscription_id\":\"sub_1\",\"action\":\"resume\",\"idempotency_key\":\"k\"}",
         "https://h", "POST", "https://h/subscriptions/sub_1/resume", "{}"},
        {"upstream.payment", "{\"payment_id\":\"pay_1\"}", "https://h", "GET",
         "https://h/payment/pay_1", NULL},
        {"upstream.refund_create",
         "{\"payment_id\":\"pay_1\",\"reason\":\"broken\",\"metadata\":{\"deep\":{\"a\":[1,2.5,"
         "true]}},\"intent_id\":\"int_1\",\"idempotency_key\":\"k\"}",
         "https://h", "POST", "https://h/refunds",
         "{\"payment_id\":\"pay_1\",\"reason\":\"broken\",\"metadata\":{"
         "\"deep\":\"{\\\"a\\\":[1,2.5,true]}\"," OURS "}}"},
        {"upstream.refund_create", "{\"payment_id\":\"pay_1\",\"idempotency_key\":\"k\"}",
         "https://h", "POST", "https://h/refunds",
         "{\"payment_id\":\"pay_1\",\"reason\":\"No reason given\",\"metadata\":{"
         "\"source\":\"creditd\"}}"},
        {"upstream.access", "{\"customer_id\":\"cus_1\",\"product_id\":\"prod_1\"}", "https://h",
         "GET", "https://h/customers/cus_1/access/prod_1", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct request request = build(table[i].method, table[i].params, table[i].base);
        const char *verb = !request.body ? "GET" : request.is_put ? "PUT" : "POST";

        cr_expect_str_eq(verb, table[i].verb, "%s", table[i].params);
        cr_expect_str_eq(request.url, table[i].url);
        cr_expect_eq(request.body != NULL, table[i].body != NULL, "%s", table[i].params);
        if (request.body && table[i].body)
            cr_expect_str_eq(request.body, table[i].body, "%s", request.body);
        cr_expect_eq(request.idempotency_key != NULL,
                     strstr(table[i].params, "idempotency_key") != NULL, "%s", table[i].params);
        request_deinit(&request);
    }
}

Test(request_objects, what_is_needed_is_named)
{
    static const struct {
        const char *method, *params, *culprit; /* culprit NULL: taken */
    } table[] = {
        {"upstream.customer", "{}", "customer_id"},
        {"upstream.customer", "{\"customer_id\":\"a/b\"}", "customer_id"},
        {"upstream.customers", "{}", "limit"},
        {"upstream.customers", "{\"limit\":0}", "limit"},
        {"upstream.customers", "{\"limit\":101}", "limit"},
        {"upstream.customers", "{\"limit\":1,\"email\":\"\"}", "email"},
        {"upstream.customers", "{\"limit\":1,\"email\":5}", "email"},
        {"upstream.customers", "{\"limit\":1,\"starting_after\":\"..\"}", "starting_after"},
        {"upstream.customers", "{\"limit\":1,\"email\":null,\"starting_after\":null}", NULL},
        {"upstream.customer_create", "{\"email\":\"a@x\"}", "idempotency_key"},
        {"upstream.customer_create", "{\"idempotency_key\":\"a b\"}", "idempotency_key"},
        {"upstream.customer_create", "{\"idempotency_key\":\"k\",\"metadata\":[]}", "metadata"},
        {"upstream.customer_create", "{\"idempotency_key\":\"k\",\"metadata\":null}", NULL},
        {"upstream.customer_create", "{\"idempotency_key\":\"k\",\"intent_id\":\"a b\"}",
         "intent_id"},
        {"upstream.customer_create", "{\"idempotency_key\":\"k\",\"bare\":1}", "bare"},
        {"upstream.customer_update", "{\"email\":\"a@x\"}", "customer_id"},
        {"upstream.customer_update", "{\"customer_id\":\"c\",\"phone\":true}", "phone"},
        {"upstream.subscription", "{}", "subscription_id"},
        {"upstream.subscriptions", "{\"limit\":1}", "customer_id"},
        {"upstream.subscription_create", "{\"customer_id\":\"c\",\"idempotency_key\":\"k\"}",
         "product_id"},
        {"upstream.subscription_create",
         "{\"customer_id\":\"c\",\"product_id\":\"p\",\"idempotency_key\":\"k\","
         "\"trial_days\":-1}",
         "trial_days"},
        {"upstream.subscription_create",
         "{\"customer_id\":\"c\",\"product_id\":\"p\",\"idempotency_key\":\"k\","
         "\"cancel_at_period_end\":\"no\"}",
         "cancel_at_period_end"},
        {"upstream.subscription_update", "{}", "subscription_id"},
        {"upstream.subscription_action", "{\"subscription_id\":\"s\"}", "action"},
        {"upstream.subscription_action", "{\"subscription_id\":\"s\",\"action\":\"delete\"}",
         "action"},
        {"upstream.subscription_action", "{\"subscription_id\":\"s\",\"action\":\"cancel/..\"}",
         "action"},
        {"upstream.payment", "{\"payment_id\":\"\"}", "payment_id"},
        {"upstream.refund_create", "{\"idempotency_key\":\"k\"}", "payment_id"},
        {"upstream.refund_create", "{\"payment_id\":\"p\"}", "idempotency_key"},
        {"upstream.access", "{\"customer_id\":\"c\"}", "product_id"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct exchange_args args;
        const char *parameter = "";
        int r = decode(table[i].method, table[i].params, &args, &parameter);

        cr_expect_eq(r, table[i].culprit ? -EBADMSG : 0, "%s: %d", table[i].params, r);
        if (r == 0)
            exchange_args_deinit(&args);
        else if (table[i].culprit)
            cr_expect_str_eq(parameter, table[i].culprit, "%s", table[i].params);
    }
}

Test(request_objects, metadata_values_are_texts)
{
    static const struct {
        const char *metadata, *flat;
    } table[] = {
        {"{}", "{}"},
        {"{\"a\":\"b\"}", "{\"a\":\"b\"}"},
        {"{\"a\":\"\"}", "{\"a\":\"\"}"},
        {"{\"a\":5,\"b\":-5,\"c\":0.5,\"d\":3.0}",
         "{\"a\":\"5\",\"b\":\"-5\",\"c\":\"0.5\",\"d\":\"3\"}"},
        {"{\"a\":true,\"b\":false,\"c\":null}", "{\"a\":\"true\",\"b\":\"false\",\"c\":\"null\"}"},
        {"{\"a\":[\"x\",{\"y\":1}]}", "{\"a\":\"[\\\"x\\\",{\\\"y\\\":1}]\"}"},
        {"{\"\xc3\xa9\":{}}", "{\"\xc3\xa9\":\"{}\"}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        msgpack_unpacked unpacked;
        json_t *flat = NULL;
        char *text;

        render_unpack(table[i].metadata, &unpacked);
        cr_assert_eq(metadata_flatten(&unpacked.data, &flat), 0, "%s", table[i].metadata);
        text = json_dumps(flat, JSON_COMPACT);
        cr_expect_str_eq(text, table[i].flat);
        free(text);
        json_decref(flat);
        msgpack_unpacked_destroy(&unpacked);
    }
}

Test(request_objects, metadata_holds_no_bytes)
{
    static const struct {
        const char *packed;
        size_t length;
    } table[] = {
        {"\x81\xa1"
         "a\xc4\x01x",
         6},                     /* {"a": bytes} */
        {"\x81\x05\x05", 3},     /* {5: 5} */
        {"\x81\xa1\xff\x05", 4}, /* a key that is no UTF-8 */
        {"\x81\xa1"
         "a\xa1\xff",
         5}, /* a value that is none */
        {"\xc0", 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        msgpack_unpacked unpacked;
        json_t *flat = NULL;

        msgpack_unpacked_init(&unpacked);
        cr_assert_eq(msgpack_unpack_next(&unpacked, table[i].packed, table[i].length, NULL),
                     MSGPACK_UNPACK_SUCCESS);
        cr_expect_eq(metadata_flatten(&unpacked.data, &flat), -EBADMSG, "row %zu", i);
        cr_expect_null(flat);
        msgpack_unpacked_destroy(&unpacked);
    }
}

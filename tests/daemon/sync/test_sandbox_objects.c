/*
 * creditd-sync and creditd-sandbox, both real: customers, subscriptions, refunds and access, in
 * every form in which the sandbox can answer, and with the filters and answers that it can spoil.
 */
#include "pair.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

/* One exchange whose parameters are JSON text; the answer is the caller's. */
static json_t *exchange(struct pair *pair, const char *method, const char *params)
{
    json_t *parsed = json_loads(params, 0, NULL), *answer;
    char name[64];

    cr_assert_not_null(parsed, "%s", params);
    snprintf(name, sizeof name, "upstream.%s", method);
    answer = harness_call(&pair->rig.serve, name, "O", parsed);
    json_decref(parsed);
    return answer;
}

/* The member of an answer that must be ok; a new reference. */
static json_t *member(struct pair *pair, const char *method, const char *params, const char *name)
{
    json_t *answer = exchange(pair, method, params), *found;
    char *text = json_dumps(answer, JSON_COMPACT);

    cr_assert_str_eq(harness_text(answer, "outcome"), "ok", "%s %s: %s", method, params, text);
    found = json_incref(json_object_get(answer, name));
    cr_assert_not_null(found, "%s: %s", method, text);
    free(text);
    json_decref(answer);
    return found;
}

static void expect_outcome(struct pair *pair, const char *method, const char *params,
                           const char *outcome)
{
    json_t *answer = exchange(pair, method, params);

    cr_expect_str_eq(harness_text(answer, "outcome"), outcome, "%s %s", method, params);
    json_decref(answer);
}

static char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *text, ...)
{
    static char buffers[4][512];
    static unsigned turn;
    char *buffer = buffers[turn++ % 4];
    va_list arguments;

    va_start(arguments, text);
    cr_assert_lt(vsnprintf(buffer, 512, text, arguments), 512);
    va_end(arguments);
    return buffer;
}

static void keep_id(json_t *object, char id[64])
{
    cr_assert_lt(snprintf(id, 64, "%s", harness_text(object, "id")), 64);
    json_decref(object);
}

/* --- each exchange, in one form --- */

static void customers_go_through(struct pair *pair, unsigned round, char id[64])
{
    json_t *customer, *customers;

    customer = member(pair, "customer_create",
                      format("{\"email\":\"round%u@example.org\",\"name\":\"R\",\"intent_id\":"
                             "\"int_%u\",\"metadata\":{\"n\":{\"deep\":[1]}},"
                             "\"idempotency_key\":\"create-%u\"}",
                             round, round, round),
                      "customer");
    rig_expect(json_object_get(customer, "metadata"),
               format("{\"source\":\"creditd\",\"creditd_intent\":\"int_%u\","
                      "\"n\":\"{\\\"deep\\\":[1]}\"}",
                      round),
               "metadata");
    keep_id(customer, id);
    customer = member(
        pair, "customer_update",
        format("{\"customer_id\":\"%s\",\"phone\":\"+1\",\"metadata\":{\"m\":5}}", id), "customer");
    rig_expect(customer, "{\"phone\":\"+1\",\"name\":\"R\"}", "updated");
    rig_expect(json_object_get(customer, "metadata"), "{\"source\":\"creditd\",\"m\":\"5\"}",
               "merged");
    json_decref(customer);
    customer = member(pair, "customer", format("{\"customer_id\":\"%s\"}", id), "customer");
    cr_expect_str_eq(harness_text(customer, "phone"), "+1");
    json_decref(customer);
    customers =
        member(pair, "customers",
               format("{\"email\":\"ROUND%u@example.org\",\"limit\":100}", round), "customers");
    /* This sandbox filters to the letter; other forms of it give everybody. */
    cr_expect_leq(json_array_size(json_object_get(customers, "rows")), 1);
    json_decref(customers);
}

static void subscriptions_go_through(struct pair *pair, unsigned round, const char *customer_id)
{
    static const char *const actions[] = {"pause", "resume", "cancel"};
    static const char *const statuses[] = {"paused", "active", "active"};
    json_t *subscription, *list;
    char id[64];

    subscription = member(pair, "subscription_create",
                          format("{\"customer_id\":\"%s\",\"product_id\":\"prod_chars\","
                                 "\"intent_id\":\"int_s%u\",\"idempotency_key\":\"sub-%u\"}",
                                 customer_id, round, round),
                          "subscription");
    cr_expect_str_eq(harness_text(subscription, "customer_id"), customer_id);
    cr_expect_str_eq(harness_text(json_object_get(subscription, "metadata"), "creditd_intent"),
                     format("int_s%u", round));
    keep_id(subscription, id);
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        subscription =
            member(pair, "subscription_action",
                   format("{\"subscription_id\":\"%s\",\"action\":\"%s\"}", id, actions[i]),
                   "subscription");
        cr_expect_str_eq(harness_text(subscription, "status"), statuses[i], "%s", actions[i]);
        json_decref(subscription);
    }
    subscription = member(pair, "subscription_update",
                          format("{\"subscription_id\":\"%s\",\"cancel_at_period_end\":false}", id),
                          "subscription");
    cr_expect(!harness_bool(subscription, "cancel_at_period_end"));
    json_decref(subscription);
    json_decref(
        member(pair, "subscription", format("{\"subscription_id\":\"%s\"}", id), "subscription"));
    list = member(pair, "subscriptions",
                  format("{\"customer_id\":\"%s\",\"limit\":100}", customer_id), "subscriptions");
    cr_expect_eq(json_array_size(json_object_get(list, "rows")), 1);
    json_decref(list);
}

static void payments_go_through(struct pair *pair, unsigned round, const char *customer_id)
{
    json_t *answer;
    char id[64];

    answer = sandbox_control(&pair->sandbox, "/_sandbox/payment",
                             format("{\"id\":\"pay_%u\",\"customer_id\":\"%s\",\"product_id\":"
                                    "\"prod_chars\",\"amount\":\"50 XLM\",\"status\":"
                                    "\"confirmed\"}",
                                    round, customer_id));
    json_decref(answer);
    snprintf(id, sizeof id, "pay_%u", round);
    answer = member(pair, "payment", format("{\"payment_id\":\"%s\"}", id), "payment");
    cr_expect_str_eq(harness_text(answer, "customer_id"), customer_id);
    json_decref(answer);
    answer = member(pair, "refund_create",
                    format("{\"payment_id\":\"%s\",\"reason\":\"broken\",\"intent_id\":\"int_r\","
                           "\"idempotency_key\":\"refund-%u\"}",
                           id, round),
                    "refund");
    rig_expect(answer, format("{\"payment_id\":\"%s\",\"reason\":\"broken\"}", id), "refund");
    json_decref(answer);
    answer = member(pair, "access",
                    format("{\"customer_id\":\"%s\",\"product_id\":\"prod_chars\"}", customer_id),
                    "access");
    cr_expect(harness_bool(answer, "has_access"));
    cr_expect_str_eq(harness_text(json_object_get(answer, "grant"), "type"), "subscription");
    json_decref(answer);
}

Test(sandbox_objects, every_form_of_answer_is_read)
{
    static const char *const forms[] = {
        "{\"envelope\":\"object\",\"list_form\":\"list\",\"customer_answer\":\"same\"}",
        "{\"envelope\":\"data\",\"list_form\":\"data\",\"customer_answer\":\"list\"}",
        "{\"envelope\":\"object\",\"list_form\":\"bare\",\"customer_answer\":\"object\"}",
        "{\"envelope\":\"data\",\"list_form\":\"bare\",\"customer_answer\":\"same\"}",
        "{\"envelope\":\"data\",\"list_form\":\"list\",\"email_filter\":false,"
        "\"subscription_filter\":false}",
    };
    struct pair pair;

    pair_init(&pair, "");
    for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
        char customer_id[64];

        sandbox_order(&pair.sandbox, "{\"reset\":true}");
        sandbox_order(&pair.sandbox, forms[i]);
        customers_go_through(&pair, i, customer_id);
        subscriptions_go_through(&pair, i, customer_id);
        payments_go_through(&pair, i, customer_id);
    }
    pair_deinit(&pair);
}

Test(sandbox_objects, a_server_that_takes_no_array_takes_the_bare_object)
{
    struct pair pair;
    json_t *customer;

    pair_init(&pair, "");
    sandbox_order(&pair.sandbox, "{\"customer_body\":\"object\"}");
    expect_outcome(&pair, "customer_create", "{\"email\":\"a@x.org\",\"idempotency_key\":\"k1\"}",
                   "refused");
    customer =
        member(&pair, "customer_create",
               "{\"email\":\"a@x.org\",\"bare\":true,\"idempotency_key\":\"k2\"}", "customer");
    cr_expect_str_eq(harness_text(customer, "email"), "a@x.org");
    json_decref(customer);
    pair_deinit(&pair);
}

/* Looks through all pages; how many rows have the intent. */
static size_t find_intent(struct pair *pair, const char *email, const char *intent, int limit)
{
    char after[64] = "";
    size_t found = 0, index;
    bool has_more = true;

    while (has_more) {
        json_t *page, *row;

        page = member(pair, "customers",
                      after[0] ? format("{\"email\":\"%s\",\"limit\":%d,\"starting_after\":\"%s\"}",
                                        email, limit, after)
                               : format("{\"email\":\"%s\",\"limit\":%d}", email, limit),
                      "customers");
        json_array_foreach(json_object_get(page, "rows"), index, row)
        {
            const json_t *there =
                json_object_get(json_object_get(row, "metadata"), "creditd_intent");

            cr_expect_str_eq(harness_text(row, "email"), email);
            found += there && strcmp(json_string_value(there), intent) == 0;
        }
        has_more = harness_bool(page, "has_more");
        if (has_more)
            snprintf(after, sizeof after, "%s", harness_text(page, "next"));
        json_decref(page);
    }
    return found;
}

Test(sandbox_objects, P9_a_create_in_doubt_is_found_by_its_intent)
{
    static const struct {
        const char *faults, *outcome;
        size_t found;
    } table[] = {
        {"{\"error_after_commit\":1,\"only_method\":\"POST\"}", "error", 1},
        {"{\"error_before_commit\":1,\"only_method\":\"POST\"}", "error", 0},
        {"{\"reset_after\":1,\"only_method\":\"POST\"}", "unanswered", 1},
        {"{\"garbage\":1,\"only_method\":\"POST\"}", "failed", 1},
    };
    struct pair pair;

    pair_init(&pair, "");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        char email[64], intent[64];

        snprintf(email, sizeof email, "doubt%zu@example.org", i);
        snprintf(intent, sizeof intent, "int_%zu", i);
        sandbox_order(&pair.sandbox, "{\"reset\":true}");
        sandbox_order(&pair.sandbox, table[i].faults);
        expect_outcome(
            &pair, "customer_create",
            format("{\"email\":\"%s\",\"intent_id\":\"%s\",\"idempotency_key\":\"k%zu\"}", email,
                   intent, i),
            table[i].outcome);
        sandbox_order(&pair.sandbox, "{\"reset\":true}");
        cr_expect_eq(find_intent(&pair, email, intent, 2), table[i].found, "%s", table[i].faults);
        sandbox_order(&pair.sandbox, "{\"email_filter\":false}");
        cr_expect_eq(find_intent(&pair, email, intent, 2), table[i].found, "%s", table[i].faults);
    }
    pair_deinit(&pair);
}

Test(sandbox_objects, P2_an_update_is_never_sent_twice)
{
    static const char *const faults[] = {"{\"reset_after\":1,\"only_method\":\"PUT\"}",
                                         "{\"reset_before\":1,\"only_method\":\"PUT\"}"};
    struct pair pair;

    pair_init(&pair, "");
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        long long before;

        /* A kept connection, on which libcurl would repeat by itself. */
        json_decref(member(&pair, "customer", "{\"customer_id\":\"cus_ada\"}", "customer"));
        before = sandbox_request_count(&pair.sandbox, "by_endpoint", "PUT /customers/{}");
        sandbox_order(&pair.sandbox, faults[i]);
        expect_outcome(&pair, "customer_update", "{\"customer_id\":\"cus_ada\",\"name\":\"Ada\"}",
                       "unanswered");
        sandbox_order(&pair.sandbox, "{\"reset\":true}");
        cr_expect_eq(sandbox_request_count(&pair.sandbox, "by_endpoint", "PUT /customers/{}"),
                     before + 1);
    }
    pair_deinit(&pair);
}

Test(sandbox_objects, what_is_not_there)
{
    static const struct {
        const char *method, *params, *outcome;
    } table[] = {
        {"customer", "{\"customer_id\":\"cus_nobody\"}", "not_found"},
        {"subscription", "{\"subscription_id\":\"sub_none\"}", "not_found"},
        {"payment", "{\"payment_id\":\"pay_none\"}", "not_found"},
        {"customer_update", "{\"customer_id\":\"cus_nobody\",\"name\":\"x\"}", "not_found"},
        {"refund_create",
         "{\"payment_id\":\"pay_none\",\"reason\":\"x\",\"idempotency_key\":\"k\"}", "not_found"},
    };
    struct pair pair;

    pair_init(&pair, "");
    sandbox_order(&pair.sandbox, "{\"business_status\":\"404\"}");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        expect_outcome(&pair, table[i].method, table[i].params, table[i].outcome);
    sandbox_order(&pair.sandbox, "{\"no_access_endpoint\":true}");
    expect_outcome(&pair, "access", "{\"customer_id\":\"cus_ada\",\"product_id\":\"prod_chars\"}",
                   "no_endpoint");
    pair_deinit(&pair);
}

Test(sandbox_objects, the_older_server_under_api_is_read)
{
    struct pair pair;
    json_t *customer;

    pair_init(&pair, "/api");
    customer = member(&pair, "customer", "{\"customer_id\":\"cus_ada\"}", "customer");
    cr_expect_not_null(json_object_get(customer, "created_at"));
    cr_expect_null(json_object_get(customer, "createdAt"));
    json_decref(customer);
    cr_expect_eq(find_intent(&pair, "nobody@example.org", "x", 2), 0);
    pair_deinit(&pair);
}

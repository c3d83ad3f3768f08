/*
 * Each method, as a client sees it: the good answers, and how the bad ones are told.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/clock.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(methods, .fini = teardown, .timeout = 500);

#define METHOD_TEST(name) FIXTURE_TEST(methods, name, &fixture, NULL)

static json_t *consume(int64_t amount)
{
    return harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:I}", "customer_id",
                        "cus_1", "product_id", "prod_1", "raw_amount", (json_int_t)amount);
}

/* The call must be refused with that code; assert_names: and data say so. */
#define assert_refused(code, ...)                                                                  \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), code, NULL, NULL)
#define assert_names(code, key, value, ...)                                                        \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), code, key, value)

METHOD_TEST(ping)
{
    json_t *result = harness_call(&fixture.client, "ping", "{}");

    cr_assert(harness_bool(result, "pong"));
    harness_text(result, "version");
    json_decref(result);
}

METHOD_TEST(consume_deducts_rounded_up)
{
    json_t *result = consume(25);

    cr_assert_str_eq(harness_text(result, "customer_id"), "cus_1");
    cr_assert_str_eq(harness_text(result, "product_id"), "prod_1");
    cr_assert_eq(harness_int(result, "credits_deducted"), 3);
    cr_assert_eq(harness_int(result, "billed_units"), 25);
    cr_assert_eq(harness_int(result, "balance"), 997);
    cr_assert_eq(harness_int(result, "pending"), 3);
    cr_assert_eq(strncmp(harness_text(result, "transaction_id"), "tx_", 3), 0);
    cr_assert_not(harness_bool(result, "replayed"));
    cr_assert_not(harness_bool(result, "stale"));
    cr_assert_gt(harness_int(result, "synced_at"), 0);
    json_decref(result);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 3);
}

METHOD_TEST(consume_is_refused_past_what_is_available)
{
    json_t *error =
        harness_call_error(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                           "cus_1", "product_id", "prod_1", "raw_amount", 10001);

    cr_assert_str_eq(harness_text(error, "code"), "insufficient_credits");
    cr_assert_eq(harness_int(json_object_get(error, "data"), "available"), 1000);
    json_decref(error);
    json_decref(consume(10000));
    assert_refused("insufficient_credits", "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                   "cus_1", "product_id", "prod_1", "raw_amount", 1);
}

METHOD_TEST(K1_a_repeated_key_is_answered_again)
{
    json_t *first = harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i, s:s}",
                                 "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 10,
                                 "idempotency_key", "order 1");
    json_t *second = harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i, s:s}",
                                  "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 10,
                                  "idempotency_key", "order 1");

    cr_assert_not(harness_bool(first, "replayed"));
    cr_assert(harness_bool(second, "replayed"));
    cr_assert_str_eq(harness_text(first, "transaction_id"), harness_text(second, "transaction_id"));
    cr_assert_eq(harness_int(second, "balance"), 999);
    json_decref(first);
    json_decref(second);
    assert_refused("key_reused", "credits.consume", "{s:s, s:s, s:i, s:s}", "customer_id", "cus_1",
                   "product_id", "prod_1", "raw_amount", 11, "idempotency_key", "order 1");
}

METHOD_TEST(K1_a_repeated_stamp_is_answered_again_also_while_cold)
{
    char stamp[64];
    uint32_t first, second;
    int replayed = 0;

    snprintf(stamp, sizeof(stamp), "bin:%012llx00112233445566778899",
             (unsigned long long)clock_wall_ms());
    first =
        harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i, s:[s,i]}", "customer_id",
                     "cus_2", "product_id", "prod_1", "raw_amount", 10, "stamp", stamp, 1);
    second =
        harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i, s:[s,i]}", "customer_id",
                     "cus_2", "product_id", "prod_1", "raw_amount", 10, "stamp", stamp, 1);

    /* Both wait for the cold balance; which of them is the repetition is decided afterwards. */
    for (int i = 0; i < 2; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&fixture.client, &message));
        cr_assert(message.msgid == first || message.msgid == second);
        cr_assert_not_null(message.result);
        replayed += harness_bool(message.result, "replayed");
        cr_assert_eq(harness_int(message.result, "balance"), 999);
        harness_message_deinit(&message);
    }
    cr_assert_eq(replayed, 1);
}

METHOD_TEST(parameters_that_are_wrong_are_named)
{
    assert_names("invalid_parameter", "parameter", "raw_amount", "credits.consume", "{s:s, s:s}",
                 "customer_id", "cus_1", "product_id", "prod_1");
    assert_names("invalid_parameter", "parameter", "raw_amount", "credits.consume",
                 "{s:s, s:s, s:f}", "customer_id", "cus_1", "product_id", "prod_1", "raw_amount",
                 1.5);
    assert_names("invalid_parameter", "parameter", "product_id", "credits.balance", "{s:s, s:s}",
                 "customer_id", "cus_1", "product_id", "..");
    assert_names("invalid_parameter", "parameter", "customer_id", "credits.balance", "{s:s}",
                 "product_id", "prod_1");
    assert_names("invalid_parameter", "parameter", "customer_id", "credits.balance",
                 "{s:s, s:s, s:s}", "product_id", "prod_1", "customer_id", "cus_1", "user_id",
                 "u_1");
    assert_refused("not_found", "credits.balance", "{s:s, s:s}", "product_id", "prod_1", "user_id",
                   "u_1");
    assert_refused("unauthenticated", "credits.balance", "{s:s, s:s}", "product_id", "prod_1",
                   "session", "better-auth.session_token=x");
    assert_names("invalid_parameter", "parameter", "stamp", "credits.consume",
                 "{s:s, s:s, s:i, s:s, s:[s,i]}", "customer_id", "cus_1", "product_id", "prod_1",
                 "raw_amount", 1, "idempotency_key", "k", "stamp",
                 "bin:ffffffffffff00112233445566778899", 1);
    assert_refused("unknown_method", "credits.steal", "{}");
    cr_assert_eq(fixture.sync.pushes, 0);
}

METHOD_TEST(names_that_upstream_does_not_know)
{
    assert_refused("unknown_product", "credits.balance", "{s:s, s:s}", "customer_id", "cus_1",
                   "product_id", "prod_none");
    assert_refused("insufficient_credits", "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                   "cus_none", "product_id", "prod_1", "raw_amount", 1);
}

METHOD_TEST(check_and_balance)
{
    json_t *result;

    json_decref(consume(100));
    result = harness_call(&fixture.client, "credits.check", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "product_id", "prod_1", "raw_amount", 9901);
    cr_assert_not(harness_bool(result, "is_sufficient"));
    cr_assert_eq(harness_int(result, "credits_required"), 991);
    cr_assert_eq(harness_int(result, "balance"), 990);
    json_decref(result);
    fixture_wait_status(&fixture, "pending.credits", 0);
    result = harness_call(&fixture.client, "credits.balance", "{s:s, s:s, s:b}", "customer_id",
                          "cus_1", "product_id", "prod_1", "fresh", 1);
    cr_assert_eq(harness_int(result, "balance"), 990);
    cr_assert_eq(harness_int(result, "upstream"), 990);
    cr_assert_eq(harness_int(result, "consumed"), 10);
    cr_assert_eq(harness_int(result, "granted"), 1000);
    cr_assert_eq(harness_int(result, "pending"), 0);
    cr_assert_eq(harness_int(result, "held"), 0);
    cr_assert_eq(harness_int(result, "units_per_credit"), 10);
    cr_assert_not(harness_bool(result, "stale"));
    json_decref(result);
}

METHOD_TEST(fresh_reads_what_others_have_changed)
{
    json_t *result;

    json_decref(consume(10));
    fixture_wait_status(&fixture, "pending.credits", 0);
    pthread_mutex_lock(&fixture.sync.lock);
    fixture.sync.known[0].balance += 500;
    pthread_mutex_unlock(&fixture.sync.lock);
    result = harness_call(&fixture.client, "credits.check", "{s:s, s:s, s:i, s:b}", "customer_id",
                          "cus_1", "product_id", "prod_1", "raw_amount", 14990, "fresh", 1);
    cr_assert_eq(harness_int(result, "balance"), 1499);
    cr_assert(harness_bool(result, "is_sufficient"));
    json_decref(result);
}

METHOD_TEST(fresh_without_upstream_is_stale)
{
    json_t *result;

    json_decref(consume(10));
    fixture_wait_status(&fixture, "pending.credits", 0);
    fixture.sync.unreachable = true;
    result = harness_call(&fixture.client, "credits.balance", "{s:s, s:s, s:b}", "customer_id",
                          "cus_1", "product_id", "prod_1", "fresh", 1);
    cr_assert(harness_bool(result, "stale"));
    cr_assert_eq(harness_int(result, "balance"), 999);
    json_decref(result);
}

METHOD_TEST(transactions_newest_first)
{
    json_t *result, *row;

    for (int i = 1; i <= 5; i++)
        json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i, s:{s:i}}",
                                 "customer_id", "cus_1", "product_id", "prod_1", "raw_amount",
                                 i * 10, "metadata", "step", i));
    result = harness_call(&fixture.client, "credits.transactions", "{s:s, s:s, s:i, s:i}",
                          "customer_id", "cus_1", "product_id", "prod_1", "limit", 2, "offset", 1);
    cr_assert_str_eq(harness_text(result, "object"), "list");
    cr_assert(harness_bool(result, "has_more"));
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 2);
    row = json_array_get(json_object_get(result, "data"), 0);
    cr_assert_str_eq(harness_text(row, "object"), "credit_transaction");
    cr_assert_str_eq(harness_text(row, "type"), "deduct");
    cr_assert_str_eq(harness_text(row, "customer_id"), "cus_1");
    cr_assert_str_eq(harness_text(row, "product_id"), "prod_1");
    cr_assert_eq(harness_int(row, "amount"), 4);
    cr_assert_eq(harness_int(row, "raw_amount"), 40);
    cr_assert_eq(harness_int(row, "balance_after"), 990);
    cr_assert_eq(harness_int(json_object_get(row, "metadata"), "step"), 4);
    cr_assert_gt(harness_int(row, "created_at"), 0);
    json_decref(result);
    fixture_wait_status(&fixture, "pending.credits", 0);
    result = harness_call(&fixture.client, "credits.transactions", "{s:s, s:s}", "customer_id",
                          "cus_1", "product_id", "prod_1");
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 5);
    cr_assert_not(harness_bool(result, "has_more"));
    cr_assert_null(json_object_get(result, "gap"));
    row = json_array_get(json_object_get(result, "data"), 4);
    cr_assert_eq(harness_int(row, "amount"), 1);
    cr_assert_str_eq(harness_text(row, "push_state"), "pushed");
    json_decref(result);
    assert_names("invalid_parameter", "parameter", "limit", "credits.transactions",
                 "{s:s, s:s, s:i}", "customer_id", "cus_1", "product_id", "prod_1", "limit", 101);
    assert_names("invalid_parameter", "parameter", "source", "credits.transactions",
                 "{s:s, s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1", "source",
                 "moon");
}

METHOD_TEST(P8_a_refused_push_is_listed_retried_and_dropped)
{
    json_t *list, *push, *result;
    char id[80];

    fixture.sync.refuse_pushes = true;
    json_decref(consume(10));
    fixture_wait_status(&fixture, "pushes.parked", 1);
    list = harness_call(&fixture.client, "push.list", "{s:s}", "state", "parked");
    cr_assert_eq(json_array_size(json_object_get(list, "data")), 1);
    push = json_array_get(json_object_get(list, "data"), 0);
    snprintf(id, sizeof(id), "%s", harness_text(push, "push_id"));
    cr_assert_eq(strncmp(id, "psh_", 4), 0);
    cr_assert_str_eq(harness_text(push, "customer_id"), "cus_1");
    cr_assert_str_eq(harness_text(push, "product_id"), "prod_1");
    cr_assert_str_eq(harness_text(push, "state"), "parked");
    cr_assert_eq(harness_int(push, "credits"), 1);
    cr_assert_eq(harness_int(push, "attempt"), 1);
    harness_text(push, "reason");
    json_decref(list);
    fixture.sync.refuse_pushes = false;
    result = harness_call(&fixture.client, "push.retry", "{s:s}", "push_id", id);
    cr_assert_str_eq(harness_text(result, "push_id"), id);
    json_decref(result);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 1);
    assert_refused("not_found", "push.retry", "{s:s}", "push_id", id);

    fixture.sync.refuse_pushes = true;
    json_decref(consume(20));
    fixture_wait_status(&fixture, "pushes.parked", 1);
    list = harness_call(&fixture.client, "push.list", "{}");
    push = json_array_get(json_object_get(list, "data"), 0);
    snprintf(id, sizeof(id), "%s", harness_text(push, "push_id"));
    json_decref(list);
    json_decref(harness_call(&fixture.client, "push.drop", "{s:s, s:s}", "push_id", id, "reason",
                             "a test"));
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 1);
}

METHOD_TEST(P8_the_log_says_why_a_push_is_parked)
{
    json_t *list;
    char line[256], *log;

    fixture.sync.refuse_pushes = true;
    json_decref(consume(10));
    fixture_wait_status(&fixture, "pushes.parked", 1);
    list = harness_call(&fixture.client, "push.list", "{}");
    snprintf(line, sizeof(line),
             "push.parked: customer cus_1, product prod_1, push %s; StellarTools said: "
             "validation_error: too odd?for us\n",
             harness_text(json_array_get(json_object_get(list, "data"), 0), "push_id"));
    json_decref(list);
    log = harness_process_log(&fixture.serve);
    cr_assert_not_null(strstr(log, line), "%s", log);
    free(log);
}

METHOD_TEST(push_list_says_whether_there_are_more)
{
    static const struct {
        int64_t limit;
        size_t rows;
        bool more;
    } cases[] = {{1, 1, true}, {2, 2, true}, {3, 3, false}, {100, 3, false}};
    json_t *list;

    fixture.sync.refuse_pushes = true;
    for (int i = 0; i < 3; i++) {
        char customer[16];

        snprintf(customer, sizeof(customer), "cus_%d", i);
        json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}",
                                 "customer_id", customer, "product_id", "prod_1", "raw_amount",
                                 10));
    }
    fixture_wait_status(&fixture, "pushes.parked", 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        list = harness_call(&fixture.client, "push.list", "{s:I, s:s}", "limit", cases[i].limit,
                            "state", "parked");
        cr_assert_eq(json_array_size(json_object_get(list, "data")), cases[i].rows, "case %zu", i);
        cr_assert_eq(harness_bool(list, "has_more"), cases[i].more, "case %zu", i);
        json_decref(list);
    }
    list = harness_call(&fixture.client, "push.list", "{s:s}", "state", "doubt");
    cr_assert_eq(json_array_size(json_object_get(list, "data")), 0);
    cr_assert_not(harness_bool(list, "has_more"));
    json_decref(list);
}

METHOD_TEST(status)
{
    json_t *status, *upstream;

    json_decref(consume(10));
    fixture_wait_status(&fixture, "pending.credits", 0);
    status = harness_call(&fixture.client, "status", "{}");
    upstream = json_object_get(status, "upstream");
    cr_assert_str_eq(harness_text(status, "health"), "ok", "%s", json_dumps(status, 0));
    cr_assert_geq(harness_int(status, "uptime"), 0);
    cr_assert(harness_bool(upstream, "reachable"));
    cr_assert(harness_bool(upstream, "helper"));
    cr_assert(json_is_null(json_object_get(upstream, "paused")));
    cr_assert_gt(harness_int(upstream, "last_success"), 0);
    cr_assert_str_eq(harness_text(json_object_get(status, "ledger"), "durability"), "always");
    cr_assert_str_eq(harness_text(json_object_get(status, "ledger"), "space"), "ok");
    cr_assert_gt(harness_int(json_object_get(status, "ledger"), "durable_sequence"), 0);
    cr_assert_eq(harness_int(json_object_get(status, "balances"), "resident"), 1);
    cr_assert_eq(harness_int(status, "connections"), 1);
    cr_assert_gt(harness_int(json_object_get(status, "requests"), "total"), 1);
    json_decref(status);
}

/* Acknowledged when written; what leaves the machine still waits for the sync. */
FIXTURE_TEST(methods, durability_interval, &fixture,
             "durability = interval\ninterval = 50ms\n[credits]\npush_interval = 10ms\n")
{
    json_t *result;

    for (int i = 0; i < 50; i++)
        json_decref(consume(10));
    result = harness_call(&fixture.client, "credits.transactions", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "product_id", "prod_1", "limit", 100);
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 50);
    json_decref(result);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 50);
    result = harness_call(&fixture.client, "status", "{}");
    cr_assert_str_eq(harness_text(json_object_get(result, "ledger"), "durability"), "interval");
    json_decref(result);
}

/*
 * Reservations, credit refunds and grants, as a client sees them: the good answers, and how the
 * bad ones are told. Each refusal must leave no trace.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <util/clock.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(reserve, .fini = teardown, .timeout = 500);

#define RESERVE_TEST(name) FIXTURE_TEST(reserve, name, &fixture, NULL)

#define OWNER "customer_id", "cus_1", "product_id", "prod_1"

#define assert_refused(code, ...)                                                                  \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), code, NULL, NULL)
#define assert_names(parameter, ...)                                                               \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), "invalid_parameter",     \
                        "parameter", parameter)

static json_t *call_balance(void)
{
    return harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", OWNER);
}

static void assert_balance(int64_t balance, int64_t held, int64_t pending)
{
    json_t *result = call_balance();

    cr_assert_eq(harness_int(result, "balance"), balance, "balance %s", json_dumps(result, 0));
    cr_assert_eq(harness_int(result, "held"), held);
    if (pending >= 0)
        cr_assert_eq(harness_int(result, "pending"), pending);
    json_decref(result);
}

/* Reserves and keeps the id. */
static void reserve(int amount, char ret_id[80])
{
    json_t *result = harness_call(&fixture.client, "credits.reserve", "{s:s, s:s, s:i}", OWNER,
                                  "raw_amount", amount);

    snprintf(ret_id, 80, "%s", harness_text(result, "reservation_id"));
    json_decref(result);
}

RESERVE_TEST(holds_extends_settles)
{
    int64_t before = clock_wall_ms(), expires;
    json_t *result = harness_call(&fixture.client, "credits.reserve", "{s:s, s:s, s:i, s:i}", OWNER,
                                  "raw_amount", 95, "ttl", 60000);
    char id[80];

    snprintf(id, sizeof(id), "%s", harness_text(result, "reservation_id"));
    cr_assert_eq(strncmp(id, "rsv_", 4), 0);
    cr_assert_str_eq(harness_text(result, "customer_id"), "cus_1");
    cr_assert_str_eq(harness_text(result, "product_id"), "prod_1");
    cr_assert_eq(harness_int(result, "credits_held"), 10);
    cr_assert_eq(harness_int(result, "balance"), 990);
    cr_assert_eq(harness_int(result, "held"), 10);
    cr_assert_not(harness_bool(result, "replayed"));
    cr_assert_not(harness_bool(result, "stale"));
    cr_assert_gt(harness_int(result, "synced_at"), 0);
    expires = harness_int(result, "expires_at");
    cr_assert_geq(expires, before + 59000);
    json_decref(result);
    assert_balance(990, 10, 0);

    result = harness_call(&fixture.client, "credits.extend", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "reservation_id", id, "ttl", 3600000);
    cr_assert_str_eq(harness_text(result, "reservation_id"), id);
    cr_assert_eq(harness_int(result, "credits_held"), 10);
    cr_assert_geq(harness_int(result, "expires_at"), before + 3590000);
    json_decref(result);

    result =
        harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i, s:{s:s}}", "customer_id",
                     "cus_1", "reservation_id", id, "raw_amount", 120, "metadata", "job", "7");
    cr_assert_eq(strncmp(harness_text(result, "transaction_id"), "tx_", 3), 0);
    cr_assert_str_eq(harness_text(result, "reservation_id"), id);
    cr_assert_eq(harness_int(result, "credits_deducted"), 12);
    cr_assert_eq(harness_int(result, "billed_units"), 120);
    cr_assert_eq(harness_int(result, "shortfall"), 0);
    cr_assert_eq(harness_int(result, "balance"), 988);
    cr_assert_eq(harness_int(result, "held"), 0);
    cr_assert_not(harness_bool(result, "replayed"));
    json_decref(result);

    result = harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "reservation_id", id, "raw_amount", 120);
    cr_assert(harness_bool(result, "replayed"));
    json_decref(result);
    assert_refused("conflict", "credits.settle", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                   "reservation_id", id, "raw_amount", 121);
    assert_refused("conflict", "credits.release", "{s:s, s:s}", "customer_id", "cus_1",
                   "reservation_id", id);
    assert_refused("conflict", "credits.extend", "{s:s, s:s}", "customer_id", "cus_1",
                   "reservation_id", id);
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 12);
}

RESERVE_TEST(release_gives_all_back)
{
    json_t *result;
    char id[80];

    reserve(100, id);
    for (int i = 0; i < 2; i++) {
        result = harness_call(&fixture.client, "credits.release", "{s:s, s:s}", "customer_id",
                              "cus_1", "reservation_id", id);
        cr_assert(harness_bool(result, "released"));
        cr_assert_str_eq(harness_text(result, "reservation_id"), id);
        cr_assert_eq(harness_int(result, "balance"), 1000);
        cr_assert_eq(harness_int(result, "held"), 0);
        json_decref(result);
    }
    assert_refused("conflict", "credits.settle", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                   "reservation_id", id, "raw_amount", 1);
    cr_assert_eq(fixture.sync.pushes, 0);
}

RESERVE_TEST(settle_beyond_what_is_there_says_what_is_missing)
{
    json_t *result;
    char id[80];

    reserve(9000, id);
    result = harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "reservation_id", id, "raw_amount", 20000);
    cr_assert_eq(harness_int(result, "credits_deducted"), 1000);
    cr_assert_eq(harness_int(result, "shortfall"), 1000);
    cr_assert_eq(harness_int(result, "balance"), 0);
    json_decref(result);
}

RESERVE_TEST(K1_a_repeated_reserve_holds_once)
{
    json_t *first, *second;

    first = harness_call(&fixture.client, "credits.reserve", "{s:s, s:s, s:i, s:s}", OWNER,
                         "raw_amount", 10, "idempotency_key", "job 1");
    second = harness_call(&fixture.client, "credits.reserve", "{s:s, s:s, s:i, s:s}", OWNER,
                          "raw_amount", 10, "idempotency_key", "job 1");
    cr_assert(harness_bool(second, "replayed"));
    cr_assert_str_eq(harness_text(first, "reservation_id"), harness_text(second, "reservation_id"));
    json_decref(first);
    json_decref(second);
    assert_refused("key_reused", "credits.reserve", "{s:s, s:s, s:i, s:s}", OWNER, "raw_amount", 20,
                   "idempotency_key", "job 1");
    assert_balance(999, 1, 0);
}

RESERVE_TEST(refused_without_a_trace)
{
    char id[80];

    reserve(100, id);
    assert_names("raw_amount", "credits.reserve", "{s:s, s:s}", OWNER);
    assert_names("raw_amount", "credits.reserve", "{s:s, s:s, s:s}", OWNER, "raw_amount", "1");
    assert_names("raw_amount", "credits.reserve", "{s:s, s:s, s:i}", OWNER, "raw_amount", 0);
    assert_names("product_id", "credits.reserve", "{s:s, s:i}", "customer_id", "cus_1",
                 "raw_amount", 1);
    assert_names("ttl", "credits.reserve", "{s:s, s:s, s:i, s:i}", OWNER, "raw_amount", 1, "ttl",
                 0);
    assert_names("ttl", "credits.reserve", "{s:s, s:s, s:i, s:i}", OWNER, "raw_amount", 1, "ttl",
                 86400001);
    assert_names("customer_id", "credits.reserve", "{s:s, s:i}", "product_id", "prod_1",
                 "raw_amount", 1);
    assert_refused("insufficient_credits", "credits.reserve", "{s:s, s:s, s:i}", OWNER,
                   "raw_amount", 9901);

    assert_names("reservation_id", "credits.extend", "{s:s}", "customer_id", "cus_1");
    assert_names("ttl", "credits.extend", "{s:s, s:s, s:s}", "customer_id", "cus_1",
                 "reservation_id", id, "ttl", "1h");
    assert_names("reservation_id", "credits.settle", "{s:s, s:i}", "customer_id", "cus_1",
                 "raw_amount", 1);
    assert_names("raw_amount", "credits.settle", "{s:s, s:s}", "customer_id", "cus_1",
                 "reservation_id", id);
    assert_names("metadata", "credits.settle", "{s:s, s:s, s:i, s:i}", "customer_id", "cus_1",
                 "reservation_id", id, "raw_amount", 1, "metadata", 5);
    assert_names("reservation_id", "credits.release", "{s:s}", "customer_id", "cus_1");
    assert_names("customer_id", "credits.release", "{s:s}", "reservation_id", id);

    /* Another's reservation, and ones that never were. */
    for (int i = 0; i < 4; i++) {
        const char *whose = i == 0 ? "cus_2" : "cus_1";
        const char *which = i == 0 ? id : i == 1 ? "rsv_1_999" : i == 2 ? "rsv_x" : "tx_1_1";

        assert_refused("not_found", "credits.extend", "{s:s, s:s}", "customer_id", whose,
                       "reservation_id", which);
        assert_refused("not_found", "credits.settle", "{s:s, s:s, s:i}", "customer_id", whose,
                       "reservation_id", which, "raw_amount", 1);
        assert_refused("not_found", "credits.release", "{s:s, s:s}", "customer_id", whose,
                       "reservation_id", which);
    }
    assert_balance(990, 10, 0);
    cr_assert_eq(fixture.sync.pushes, 0);
    cr_assert_eq(fixture.sync.balances, 1); /* nobody asked for cus_2 */
}

static void crash(void)
{
    harness_connection_deinit(&fixture.client);
    harness_process_stop(&fixture.serve, SIGKILL);
    fake_sync_stop(&fixture.sync);
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
}

RESERVE_TEST(S3_held_credits_survive_a_crash)
{
    json_t *result;
    char id[80];

    reserve(100, id);
    crash();
    assert_balance(990, 10, 0);
    result = harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "reservation_id", id, "raw_amount", 50);
    cr_assert_eq(harness_int(result, "credits_deducted"), 5);
    json_decref(result);
    fixture_wait_status(&fixture, "pending.credits", 0);
    crash();
    result = harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "reservation_id", id, "raw_amount", 50);
    cr_assert(harness_bool(result, "replayed"));
    json_decref(result);
    assert_balance(995, 0, 0);
}

RESERVE_TEST(a_hold_ends_of_itself)
{
    json_t *result = harness_call(&fixture.client, "credits.reserve", "{s:s, s:s, s:i, s:i}", OWNER,
                                  "raw_amount", 100, "ttl", 50);
    char id[80];
    int64_t held = 10;

    snprintf(id, sizeof(id), "%s", harness_text(result, "reservation_id"));
    json_decref(result);
    for (int waited = 0; held > 0 && waited < HARNESS_TIMEOUT_MS; waited += 2) {
        poll(NULL, 0, 2);
        result = call_balance();
        held = harness_int(result, "held");
        json_decref(result);
    }
    assert_balance(1000, 0, 0);
    assert_refused("conflict", "credits.extend", "{s:s, s:s}", "customer_id", "cus_1",
                   "reservation_id", id);
    result = harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "reservation_id", id, "raw_amount", 100);
    cr_assert_eq(harness_int(result, "credits_deducted"), 10);
    json_decref(result);
}

/* --- giving back, and giving --- */

static void consume(int amount, char ret_id[80])
{
    json_t *result = harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", OWNER,
                                  "raw_amount", amount);

    snprintf(ret_id, 80, "%s", harness_text(result, "transaction_id"));
    json_decref(result);
}

#define SLOW "[credits]\npush_interval = 1h\n"

FIXTURE_TEST(reserve, P10_what_has_not_left_is_given_back_at_once, &fixture, SLOW)
{
    json_t *result;
    char id[80], refund[80];

    consume(10, id);
    consume(95, id);
    result = harness_call(&fixture.client, "credits.refund", "{s:s, s:s, s:s, s:s}", OWNER,
                          "transaction_id", id, "reason", "a mistake");
    snprintf(refund, sizeof(refund), "%s", harness_text(result, "transaction_id"));
    cr_assert_eq(strncmp(refund, "rf_", 3), 0);
    cr_assert_str_eq(harness_text(result, "refunded_transaction_id"), id);
    cr_assert_eq(harness_int(result, "credits_refunded"), 10);
    cr_assert_eq(harness_int(result, "pending_confirmation"), 0);
    cr_assert_eq(harness_int(result, "balance"), 999);
    cr_assert_not(harness_bool(result, "replayed"));
    json_decref(result);
    assert_balance(999, 0, 1);
    result = harness_call(&fixture.client, "credits.refund", "{s:s, s:s, s:s}", OWNER,
                          "transaction_id", id);
    cr_assert(harness_bool(result, "replayed"));
    cr_assert_str_eq(harness_text(result, "transaction_id"), refund);
    json_decref(result);
    assert_refused("conflict", "credits.refund", "{s:s, s:s, s:s, s:i}", OWNER, "transaction_id",
                   id, "raw_amount", 5);
    result = harness_call(&fixture.client, "credits.transactions", "{s:s, s:s}", OWNER);
    cr_assert_str_eq(harness_text(json_array_get(json_object_get(result, "data"), 0), "push_state"),
                     "pushed");
    json_decref(result);
    cr_assert_eq(fixture.sync.pushes, 0);
}

static json_t *newest_row(void)
{
    json_t *result = harness_call(&fixture.client, "credits.transactions", "{s:s, s:s}", OWNER);
    json_t *row = json_incref(json_array_get(json_object_get(result, "data"), 0));

    json_decref(result);
    return row;
}

static void wait_row_pushed(void)
{
    bool pushed = false;

    for (int waited = 0; !pushed && waited < HARNESS_TIMEOUT_MS; waited += 2) {
        json_t *row;

        poll(NULL, 0, 2);
        row = newest_row();
        pushed = strcmp(harness_text(row, "push_state"), "pushed") == 0;
        json_decref(row);
    }
    cr_assert(pushed);
}

RESERVE_TEST(P10_what_has_left_is_given_back_by_a_push)
{
    json_t *result, *row;
    char id[80];

    consume(95, id);
    fixture_wait_status(&fixture, "pending.credits", 0);
    fixture.sync.unreachable = true;
    result = harness_call(&fixture.client, "credits.refund", "{s:s, s:s, s:s, s:i, s:s}", OWNER,
                          "transaction_id", id, "raw_amount", 40, "reason", "half");
    cr_assert_eq(harness_int(result, "credits_refunded"), 4);
    cr_assert_eq(harness_int(result, "pending_confirmation"), 4);
    cr_assert_eq(harness_int(result, "balance"), 990);
    json_decref(result);
    row = newest_row();
    cr_assert_str_eq(harness_text(row, "type"), "refund");
    cr_assert_eq(strncmp(harness_text(row, "id"), "rf_", 3), 0);
    cr_assert_str_eq(harness_text(row, "refunded_transaction_id"), id);
    cr_assert_eq(harness_int(row, "amount"), 4);
    cr_assert_eq(harness_int(row, "raw_amount"), 40);
    cr_assert_eq(harness_int(row, "balance_after"), 990);
    cr_assert_str_eq(harness_text(row, "push_state"), "pending");
    json_decref(row);
    fixture.sync.unreachable = false;
    wait_row_pushed();
    pthread_mutex_lock(&fixture.sync.lock);
    cr_assert_str_eq(fixture.sync.rows[1].type, "refund");
    cr_assert_str_eq(fixture.sync.rows[1].reason, "half");
    cr_assert_eq(fixture.sync.rows[1].credits, 4);
    pthread_mutex_unlock(&fixture.sync.lock);
    assert_balance(994, 0, 0);
}

RESERVE_TEST(P10_a_grant_counts_when_confirmed)
{
    json_t *result, *row;
    char id[80];

    consume(10, id);
    fixture_wait_status(&fixture, "pending.credits", 0);
    for (int i = 0; i < 2; i++) {
        result = harness_call(&fixture.client, "credits.grant", "{s:s, s:s, s:i, s:s, s:s}", OWNER,
                              "raw_amount", 500, "reason", "welcome", "idempotency_key", "g1");
        cr_assert_eq(strncmp(harness_text(result, "grant_id"), "gr_", 3), 0);
        cr_assert_eq(harness_int(result, "credits_granted"), 50);
        cr_assert_eq(harness_bool(result, "replayed"), i == 1);
        json_decref(result);
    }
    wait_row_pushed();
    row = newest_row();
    cr_assert_str_eq(harness_text(row, "type"), "grant");
    cr_assert_eq(harness_int(row, "amount"), 50);
    cr_assert_str_eq(harness_text(row, "reason"), "welcome");
    json_decref(row);
    assert_balance(1049, 0, 0);
    cr_assert_eq(fixture.sync.pushes, 2);
}

RESERVE_TEST(a_settled_reservation_can_be_given_back)
{
    json_t *result, *row;
    char id[80];

    reserve(100, id);
    result = harness_call(&fixture.client, "credits.settle", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "reservation_id", id, "raw_amount", 30);
    row = newest_row();
    cr_assert_str_eq(harness_text(row, "type"), "deduct");
    cr_assert_str_eq(harness_text(row, "reservation_id"), id);
    cr_assert_eq(harness_int(row, "amount"), 3);
    json_decref(row);
    row = harness_call(&fixture.client, "credits.refund", "{s:s, s:s, s:s}", OWNER,
                       "transaction_id", harness_text(result, "transaction_id"));
    cr_assert_eq(harness_int(row, "credits_refunded"), 3);
    json_decref(row);
    json_decref(result);
    wait_row_pushed();
    assert_balance(1000, 0, 0);
}

RESERVE_TEST(refunds_and_grants_refused_without_a_trace)
{
    json_t *row;
    char id[80], other[80];

    consume(10, id);
    consume(20, other);
    fixture_wait_status(&fixture, "pending.credits", 0);
    assert_names("transaction_id", "credits.refund", "{s:s, s:s}", OWNER);
    assert_names("product_id", "credits.refund", "{s:s, s:s}", "customer_id", "cus_1",
                 "transaction_id", id);
    assert_names("customer_id", "credits.refund", "{s:s, s:s}", "product_id", "prod_1",
                 "transaction_id", id);
    assert_names("raw_amount", "credits.refund", "{s:s, s:s, s:s, s:i}", OWNER, "transaction_id",
                 id, "raw_amount", 0);
    assert_names("raw_amount", "credits.refund", "{s:s, s:s, s:s, s:i}", OWNER, "transaction_id",
                 id, "raw_amount", 11);
    assert_names("reason", "credits.refund", "{s:s, s:s, s:s, s:i}", OWNER, "transaction_id", id,
                 "reason", 1);
    assert_refused("not_found", "credits.refund", "{s:s, s:s, s:s}", OWNER, "transaction_id",
                   "tx_1_999999");
    assert_refused("not_found", "credits.refund", "{s:s, s:s, s:s}", OWNER, "transaction_id",
                   "tx_9_1");
    assert_refused("not_found", "credits.refund", "{s:s, s:s, s:s}", OWNER, "transaction_id",
                   "rf_1_1");
    assert_refused("not_found", "credits.refund", "{s:s, s:s, s:s}", "customer_id", "cus_2",
                   "product_id", "prod_1", "transaction_id", id);
    assert_names("raw_amount", "credits.grant", "{s:s, s:s}", OWNER);
    assert_names("product_id", "credits.grant", "{s:s, s:i}", "customer_id", "cus_1", "raw_amount",
                 1);
    assert_names("raw_amount", "credits.grant", "{s:s, s:s, s:s}", OWNER, "raw_amount", "much");
    assert_names("customer_id", "credits.grant", "{s:s, s:i}", "product_id", "prod_1", "raw_amount",
                 1);
    assert_refused("not_found", "credits.grant", "{s:s, s:s, s:i}", "customer_id", "cus_none",
                   "product_id", "prod_1", "raw_amount", 1);
    row = newest_row();
    cr_assert_str_eq(harness_text(row, "id"), other);
    json_decref(row);
    assert_balance(997, 0, 0);
}

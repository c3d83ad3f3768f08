/*
 * Customers, subscriptions, payments and access, as a client sees them.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(objects, .fini = teardown, .timeout = 500);

#define CONFIG(more)                                                                               \
    "[better_auth]\nurl = http://127.0.0.1:9\n[credits]\npush_interval = 50ms\n" more
#define OBJECT_TEST(name)                                                                          \
    FIXTURE_TEST(objects, name, &fixture,                                                          \
                 CONFIG("in_doubt_delay = 100ms\n[limits]\nupstream_turns_per_user = 100000\n"     \
                        "upstream_turns_per_customer = 100000\n"))

#define call(...) harness_call(&fixture.client, __VA_ARGS__)
#define assert_refused(code, ...)                                                                  \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), code, NULL, NULL)

static void link_user(const char *user, const char *customer)
{
    json_decref(call("customer.link", "{s:s, s:s}", "user_id", user, "customer_id", customer));
}

static size_t count_customers(void)
{
    size_t count;

    pthread_mutex_lock(&fixture.sync.lock);
    count = json_array_size(fixture.sync.customers);
    pthread_mutex_unlock(&fixture.sync.lock);
    return count;
}

/* --- linking --- */

OBJECT_TEST(the_first_need_makes_one_customer_however_many_ask)
{
    char customer[64] = "";

    for (int i = 0; i < 300; i++)
        harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "session", "good:u_1",
                     "product_id", "prod_1", "raw_amount", 10);
    for (int i = 0; i < 300; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&fixture.client, &message));
        cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
        if (i == 0)
            snprintf(customer, sizeof(customer), "%s", harness_text(message.result, "customer_id"));
        cr_assert_str_eq(harness_text(message.result, "customer_id"), customer);
        harness_message_deinit(&message);
    }
    cr_assert_eq(fixture.sync.creates, 1);
    cr_assert_eq(fixture.sync.sessions, 1);
    fixture_restart(&fixture, SIGKILL);
    json_decref(
        call("credits.balance", "{s:s, s:s}", "session", "good:u_1", "product_id", "prod_1"));
    cr_assert_eq(fixture.sync.creates, 1);
}

OBJECT_TEST(P9_a_create_whose_answer_was_lost_is_found_again)
{
    json_t *result;

    fixture.sync.lose_creates = 1;
    result = call("credits.consume", "{s:s, s:s, s:i}", "session", "good:u_1", "product_id",
                  "prod_1", "raw_amount", 10);
    cr_assert_str_eq(harness_text(result, "customer_id"), "cus_1");
    json_decref(result);
    cr_assert_eq(count_customers(), 1);
}

OBJECT_TEST(a_verified_email_finds_its_customer_on_any_page)
{
    json_t *result;

    for (int i = 0; i < 5; i++) {
        char id[32], email[64];

        snprintf(id, sizeof(id), "cus_other%d", i);
        snprintf(email, sizeof(email), "other%d@example.com", i);
        fake_add_customer(&fixture.sync, id, email);
    }
    fake_add_customer(&fixture.sync, "cus_u1", "U_1@example.com");
    fake_add_customer(&fixture.sync, "cus_u2a", "u_2@example.com");
    fake_add_customer(&fixture.sync, "cus_u2b", "U_2@example.com");
    fake_add_customer(&fixture.sync, "cus_u3a", "U_3@example.com");
    fake_add_customer(&fixture.sync, "cus_u3b", "u_3@EXAMPLE.com");
    for (int i = 1; i <= 2; i++) {
        result = call("customer.create", "{s:s}", "session", i == 1 ? "good:u_1" : "good:u_2");
        cr_assert_str_eq(harness_text(result, "id"), i == 1 ? "cus_u1" : "cus_u2a");
        cr_assert_eq(harness_int(json_object_get(result, "unknown_field"), "kept"), 1);
        cr_assert_not(harness_bool(result, "stale"));
        json_decref(result);
    }
    assert_refused("conflict", "customer.create", "{s:s}", "session", "good:u_3");
    cr_assert_eq(fixture.sync.creates, 0);
    /* An account that signed up under somebody else's address. */
    result = call("customer.create", "{s:s}", "session", "unverified:u_4");
    cr_assert_str_neq(harness_text(result, "id"), "cus_u1");
    json_decref(result);
    cr_assert_eq(fixture.sync.creates, 1);
}

OBJECT_TEST(a_claimed_customer_is_believed_only_by_its_email)
{
    json_t *result;

    fake_add_customer(&fixture.sync, "cus_claimed", "victim@example.com");
    result = call("customer.create", "{s:s}", "session", "claims:u_1");
    cr_assert_str_neq(harness_text(result, "id"), "cus_claimed");
    json_decref(result);
}

FIXTURE_TEST(objects, the_signup_hook_answers_at_once, &fixture,
             "[billing]\ncreate_customer_on_signup = true\n"
             "[credits]\nin_doubt_delay = 100ms\n")
{
    json_t *result;
    bool linked = false;

    fixture_go_offline(&fixture);
    for (int i = 0; i < 2; i++) {
        result = call("user.created", "{s:s, s:s}", "user_id", "u_1", "email", "u_1@example.com");
        cr_assert(harness_bool(result, "accepted"));
        cr_assert(json_is_null(json_object_get(result, "customer_id")));
        json_decref(result);
    }
    fixture_restart(&fixture, SIGKILL);
    for (int waited = 0; !linked && waited < HARNESS_TIMEOUT_MS; waited += 5) {
        poll(NULL, 0, 5);
        result = call("user.created", "{s:s, s:s}", "user_id", "u_1", "email", "u_1@example.com");
        linked = json_is_string(json_object_get(result, "customer_id"));
        json_decref(result);
    }
    cr_assert(linked);
    cr_assert_eq(fixture.sync.creates, 1);
}

FIXTURE_TEST(objects, the_signup_hook_makes_nothing_unless_it_is_asked_to, &fixture, NULL)
{
    json_decref(call("user.created", "{s:s, s:s}", "user_id", "u_1", "email", "u_1@example.com"));
    assert_refused("not_found", "customer.retrieve", "{s:s}", "user_id", "u_1");
    fixture_check_error(
        harness_call_error(&fixture.client, "customer.create", "{s:s}", "user_id", "u_1"),
        "invalid_parameter", "parameter", "email");
    json_decref(call("customer.create", "{s:s, s:s}", "user_id", "u_1", "email", "u@example.com"));
    json_decref(call("customer.create", "{s:s}", "user_id", "u_1"));
    cr_assert_eq(fixture.sync.creates, 1);
}

/* --- customers --- */

static json_t *retrieve(bool fresh)
{
    return call("customer.retrieve", "{s:s, s:b}", "customer_id", "cus_1", "fresh", (int)fresh);
}

OBJECT_TEST(a_customer_is_read_once_and_kept)
{
    json_t *result;

    fake_add_customer(&fixture.sync, "cus_1", "a@example.com");
    for (int i = 0; i < 3; i++) {
        result = retrieve(false);
        cr_assert_str_eq(harness_text(result, "email"), "a@example.com");
        cr_assert_eq(harness_int(json_object_get(result, "unknown_field"), "kept"), 1);
        cr_assert_not(harness_bool(result, "stale"));
        cr_assert_gt(harness_int(result, "synced_at"), 0);
        json_decref(result);
    }
    cr_assert_eq(fixture.sync.customer_reads, 1);
    json_decref(retrieve(true));
    cr_assert_eq(fixture.sync.customer_reads, 2);
    for (int i = 0; i < 2; i++) {
        fixture_restart(&fixture, i == 0 ? SIGKILL : SIGTERM);
        json_decref(retrieve(false));
    }
    cr_assert_eq(fixture.sync.customer_reads, 2);
    assert_refused("unknown_customer", "customer.retrieve", "{s:s}", "customer_id", "cus_x");
}

FIXTURE_TEST(objects, offline_reads_are_stale_and_updates_are_refused, &fixture,
             "[credits]\ncold_timeout = 2s\n")
{
    json_t *result;

    fake_add_customer(&fixture.sync, "cus_1", "a@example.com");
    json_decref(retrieve(false));
    fixture_go_offline(&fixture);
    result = retrieve(true);
    cr_assert_str_eq(harness_text(result, "email"), "a@example.com");
    cr_assert(harness_bool(result, "stale"));
    json_decref(result);
    assert_refused("upstream_unavailable", "customer.update", "{s:s, s:s}", "customer_id", "cus_1",
                   "name", "Late");
    assert_refused("upstream_unavailable", "customer.retrieve", "{s:s}", "customer_id", "cus_2");
    fake_sync_start(&fixture.sync, fixture.sync_path);
    json_decref(retrieve(true));
    cr_assert_eq(fixture.sync.updates, 0);
}

OBJECT_TEST(an_update_is_passed_on_and_kept)
{
    json_t *result;

    fake_add_customer(&fixture.sync, "cus_1", "a@example.com");
    json_decref(retrieve(false));
    result = call("customer.update", "{s:s, s:s, s:s, s:s, s:{s:i}}", "customer_id", "cus_1",
                  "name", "New", "phone", "+1", "image", "http://i", "metadata", "level", 3);
    cr_assert_str_eq(harness_text(result, "name"), "New");
    cr_assert_str_eq(harness_text(result, "phone"), "+1");
    json_decref(result);
    result = retrieve(false);
    cr_assert_str_eq(harness_text(result, "name"), "New");
    cr_assert_str_eq(harness_text(result, "email"), "a@example.com");
    json_decref(result);
    cr_assert_eq(fixture.sync.updates, 1);
    cr_assert_eq(fixture.sync.customer_reads, 1);
    fixture_check_error(
        harness_call_error(&fixture.client, "customer.update", "{s:s}", "customer_id", "cus_1"),
        "invalid_parameter", "parameter", "name");
    assert_refused("not_found", "customer.update", "{s:s, s:s}", "customer_id", "cus_x", "name",
                   "N");
}

static size_t told(void)
{
    json_t *page = call("event.list", "{s:i}", "limit", 100), *event;
    size_t count = json_array_size(json_object_get(page, "data")), i;

    json_array_foreach(json_object_get(page, "data"), i, event)
        cr_expect_str_eq(harness_text(event, "type"), "customer.updated");
    json_decref(page);
    return count;
}

static void set_note(size_t length)
{
    char *note = malloc(length + 1);

    memset(note, 'n', length);
    note[length] = '\0';
    pthread_mutex_lock(&fixture.sync.lock);
    json_object_set_new(json_array_get(fixture.sync.customers, 0), "note", json_string(note));
    pthread_mutex_unlock(&fixture.sync.lock);
    free(note);
}

static void expect_note(bool fresh, size_t length, bool stale)
{
    json_t *result = retrieve(fresh);

    cr_expect_eq(strlen(harness_text(result, "note")), length);
    cr_expect_eq(harness_bool(result, "stale"), stale);
    json_decref(result);
}

/* One that is too large to be kept is in memory: read once however many ask, and told once. What
 * is stored stays, and is stale. */
OBJECT_TEST(a_customer_that_is_too_large_is_read_and_told_once)
{
    char *log;

    fake_add_customer(&fixture.sync, "cus_1", "a@example.com");
    set_note(10);
    expect_note(false, 10, false);
    set_note(100000);
    for (int i = 0; i < 2; i++)
        expect_note(true, 100000, false);
    for (int i = 0; i < 5; i++)
        expect_note(false, 100000, false);
    cr_expect_eq(fixture.sync.customer_reads, 3);
    cr_expect_eq(told(), 1);
    log = harness_process_log(&fixture.serve);
    cr_expect_not_null(strstr(log, "cus_1 (customers) is too large to be kept (97 KiB)"), "%s",
                       log);
    free(log);
    set_note(300000); /* nor can it be told in a record */
    expect_note(true, 300000, false);
    cr_expect_eq(told(), 1);
    fixture_restart(&fixture, SIGTERM);
    fixture_go_offline(&fixture);
    expect_note(true, 10, true);
    fake_sync_start(&fixture.sync, fixture.sync_path);
}

/* --- subscriptions --- */

OBJECT_TEST(subscriptions_are_listed_through_all_pages)
{
    json_t *result;

    for (int i = 0; i < 5; i++) {
        char id[32];

        snprintf(id, sizeof(id), "sub_a%d", i);
        fake_add_subscription(&fixture.sync, id, i == 2 ? "cus_2" : "cus_1");
    }
    for (int i = 0; i < 2; i++) {
        result = call("subscription.list", "{s:s}", "customer_id", "cus_1");
        cr_assert_eq(json_array_size(json_object_get(result, "data")), 4);
        cr_assert_not(harness_bool(result, "stale"));
        json_decref(result);
    }
    cr_assert_eq(fixture.sync.lists, 3);
    result = call("subscription.retrieve", "{s:s, s:s}", "customer_id", "cus_1", "subscription_id",
                  "sub_a4");
    cr_assert_str_eq(harness_text(result, "id"), "sub_a4");
    cr_assert_not(harness_bool(result, "stale"));
    json_decref(result);
    cr_assert_eq(fixture.sync.lists, 3);
}

OBJECT_TEST(another_s_subscription_is_not_there)
{
    static const char *const methods[] = {"subscription.retrieve", "subscription.cancel",
                                          "subscription.pause", "subscription.resume"};

    fake_add_subscription(&fixture.sync, "sub_1", "cus_1");
    link_user("u_2", "cus_2");
    for (size_t i = 0; i < 4; i++) {
        assert_refused("not_found", methods[i], "{s:s, s:s}", "session", "good:u_2",
                       "subscription_id", "sub_1");
        assert_refused("not_found", methods[i], "{s:s, s:s}", "customer_id", "cus_2",
                       "subscription_id", "sub_1");
    }
    assert_refused("not_found", "subscription.update", "{s:s, s:s, s:b}", "session", "good:u_2",
                   "subscription_id", "sub_1", "cancel_at_period_end", 1);
    cr_assert_eq(fixture.sync.updates, 0);
}

OBJECT_TEST(subscriptions_change)
{
    json_t *result;

    fake_add_subscription(&fixture.sync, "sub_1", "cus_1");
    result = call("subscription.pause", "{s:s, s:s}", "customer_id", "cus_1", "subscription_id",
                  "sub_1");
    cr_assert_str_eq(harness_text(result, "status"), "paused");
    json_decref(result);
    result = call("subscription.retrieve", "{s:s, s:s}", "customer_id", "cus_1", "subscription_id",
                  "sub_1");
    cr_assert_str_eq(harness_text(result, "status"), "paused");
    json_decref(result);
    json_decref(call("subscription.resume", "{s:s, s:s}", "customer_id", "cus_1", "subscription_id",
                     "sub_1"));
    json_decref(call("subscription.update", "{s:s, s:s, s:{s:s}}", "customer_id", "cus_1",
                     "subscription_id", "sub_1", "metadata", "seat", "4"));
    result = call("subscription.cancel", "{s:s, s:s}", "customer_id", "cus_1", "subscription_id",
                  "sub_1");
    cr_assert_str_eq(harness_text(result, "status"), "active");
    cr_assert(harness_bool(result, "cancel_at_period_end"));
    cr_assert_str_eq(harness_text(json_object_get(result, "metadata"), "seat"), "4");
    json_decref(result);
    cr_assert_eq(fixture.sync.updates, 4);
    cr_assert_eq(fixture.sync.lists, 1);
    fixture_check_error(harness_call_error(&fixture.client, "subscription.update", "{s:s, s:s}",
                                           "customer_id", "cus_1", "subscription_id", "sub_1"),
                        "invalid_parameter", "parameter", "metadata");
}

static json_t *subscribe(const char *key)
{
    return call("subscription.create", "{s:s, s:s, s:i, s:{s:s}, s:s}", "customer_id", "cus_1",
                "product_id", "prod_7", "trial_days", 3, "metadata", "plan", "a", "idempotency_key",
                key);
}

OBJECT_TEST(P9_a_subscription_is_made_once)
{
    json_t *first, *again;

    json_decref(call("subscription.list", "{s:s}", "customer_id", "cus_1"));
    first = subscribe("k1");
    cr_assert_str_eq(harness_text(first, "product_id"), "prod_7");
    cr_assert_str_eq(harness_text(json_object_get(first, "metadata"), "plan"), "a");
    again = subscribe("k1");
    cr_assert_str_eq(harness_text(first, "id"), harness_text(again, "id"));
    json_decref(first);
    json_decref(again);
    cr_assert_eq(fixture.sync.creates, 1);
    cr_assert_eq(fixture.sync.lists, 1); /* it joined the list by itself */
    assert_refused("key_reused", "subscription.create", "{s:s, s:s, s:s}", "customer_id", "cus_1",
                   "product_id", "prod_8", "idempotency_key", "k1");
    fixture.sync.lose_creates = 1;
    again = subscribe("k2");
    cr_assert_str_eq(harness_text(again, "id"), "sub_2");
    json_decref(again);
    cr_assert_eq(fixture.sync.creates, 2);
}

/* Metadata is what anybody may have written there. */
OBJECT_TEST(P9_a_create_is_not_found_in_something_else)
{
    json_t *result;

    fixture.sync.forge_creates = true;
    fixture.sync.lose_creates = 2;
    result = call("customer.create", "{s:s}", "session", "good:u_1");
    cr_expect_str_eq(harness_text(result, "id"), "cus_1");
    json_decref(result);
    result = subscribe("k");
    cr_expect_str_eq(harness_text(result, "id"), "sub_1");
    json_decref(result);
    cr_expect_eq(fixture.sync.creates, 2);
}

/* Whoever has a customer may give it any email. */
OBJECT_TEST(a_customer_of_another_user_is_no_match)
{
    json_t *result;
    char *log;

    fake_add_customer(&fixture.sync, "cus_eve", "eve@example.com");
    link_user("u_eve", "cus_eve");
    json_decref(call("customer.update", "{s:s, s:s}", "customer_id", "cus_eve", "email",
                     "u_1@example.com"));
    result = call("customer.create", "{s:s}", "session", "good:u_1");
    cr_expect_str_neq(harness_text(result, "id"), "cus_eve");
    json_decref(result);
    cr_expect_eq(fixture.sync.creates, 1);
    log = harness_process_log(&fixture.serve);
    cr_expect_not_null(strstr(log, "cus_eve has the email of user u_1"), "%s", log);
    free(log);
}

/* --- refunds --- */

OBJECT_TEST(a_session_refunds_its_own_payments_only)
{
    json_t *result;

    link_user("u_1", "cus_1");
    assert_refused("not_found", "refund.create", "{s:s, s:s}", "session", "good:u_1", "payment_id",
                   "pay_2");
    assert_refused("not_found", "refund.create", "{s:s, s:s}", "session", "good:u_1", "payment_id",
                   "pay_none");
    cr_assert_eq(fixture.sync.creates, 0);
    for (int i = 0; i < 2; i++) {
        result = call("refund.create", "{s:s, s:s, s:s}", "session", "good:u_1", "payment_id",
                      "pay_1", "reason", "not needed");
        cr_assert_str_eq(harness_text(result, "id"), "rf_1");
        cr_assert_str_eq(harness_text(result, "payment_id"), "pay_1");
        json_decref(result);
    }
    cr_assert_eq(fixture.sync.creates, 1);
    cr_assert_eq(fixture.sync.payments, 3, "what is known is not asked for again");
}

/* Whom a trusted peer names is meant: a mistake gives nothing back, and parks nothing. */
OBJECT_TEST(a_trusted_refund_is_of_whom_it_names)
{
    json_t *result;

    link_user("u_1", "cus_1");
    assert_refused("not_found", "refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id",
                   "pay_2");
    assert_refused("not_found", "refund.create", "{s:s, s:s}", "user_id", "u_1", "payment_id",
                   "pay_2");
    assert_refused("not_found", "refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id",
                   "pay_none");
    cr_assert_eq(fixture.sync.creates, 0);
    result = call("refund.create", "{s:s, s:s}", "customer_id", "cus_2", "payment_id", "pay_2");
    cr_assert_str_eq(harness_text(result, "payment_id"), "pay_2");
    json_decref(result);
    cr_assert_eq(fixture.sync.creates, 1);
    cr_assert_eq(fixture.sync.payments, 4);
}

OBJECT_TEST(a_refused_refund_can_be_asked_for_again)
{
    for (int i = 1; i <= 2; i++) {
        assert_refused("conflict", "refund.create", "{s:s, s:s}", "customer_id", "cus_1",
                       "payment_id", "pay_refused");
        cr_assert_eq(fixture.sync.creates, i);
    }
    for (int i = 0; i < 2; i++)
        assert_refused("conflict", "refund.create", "{s:s, s:s, s:s}", "customer_id", "cus_1",
                       "payment_id", "pay_refused", "idempotency_key", "k");
    cr_assert_eq(fixture.sync.creates, 3);
}

OBJECT_TEST(P9_a_refund_in_doubt_is_never_sent_twice)
{
    json_t *list, *row;

    fixture.sync.lose_creates = 1;
    for (int i = 0; i < 3; i++)
        assert_refused("conflict", "refund.create", "{s:s, s:s}", "customer_id", "cus_1",
                       "payment_id", "pay_1");
    fixture_restart(&fixture, SIGKILL);
    assert_refused("conflict", "refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id",
                   "pay_1");
    cr_assert_eq(fixture.sync.creates, 1);
    fixture_wait_status(&fixture, "intents.parked", 1);
    list = call("push.list", "{s:s}", "state", "parked");
    row = json_array_get(json_object_get(list, "data"), 0);
    cr_assert_str_eq(harness_text(row, "type"), "refund_payment");
    assert_refused("conflict", "push.retry", "{s:s}", "push_id", harness_text(row, "push_id"));
    json_decref(call("push.drop", "{s:s}", "push_id", harness_text(row, "push_id")));
    assert_refused("not_found", "push.drop", "{s:s}", "push_id", harness_text(row, "push_id"));
    json_decref(list);
    fixture_wait_status(&fixture, "intents.parked", 0);
    json_decref(call("refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id", "pay_1"));
    cr_assert_eq(fixture.sync.creates, 2);
}

/* --- the rest --- */

OBJECT_TEST(access_is_kept_like_the_rest)
{
    for (int i = 0; i < 3; i++) {
        json_t *result =
            call("access.check", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1");

        cr_assert(harness_bool(result, "has_access"));
        cr_assert_str_eq(harness_text(json_object_get(result, "grant"), "type"), "one_time");
        cr_assert_not(harness_bool(result, "stale"));
        json_decref(result);
    }
    cr_assert_eq(fixture.sync.accesses, 1);
    json_decref(call("access.check", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_2"));
    cr_assert_eq(fixture.sync.accesses, 2);
}

OBJECT_TEST(transactions_as_upstream_has_them)
{
    json_t *result, *row;

    json_decref(call("credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1", "product_id",
                     "prod_1", "raw_amount", 30));
    fixture_wait_status(&fixture, "pending.credits", 0);
    result = call("credits.transactions", "{s:s, s:s, s:s}", "customer_id", "cus_1", "product_id",
                  "prod_1", "source", "upstream");
    row = json_array_get(json_object_get(result, "data"), 0);
    cr_assert_str_eq(harness_text(result, "source"), "upstream");
    cr_assert_str_eq(harness_text(row, "type"), "deduct");
    cr_assert_str_eq(harness_text(row, "customer_id"), "cus_1");
    cr_assert_eq(harness_int(row, "amount"), 3);
    cr_assert_not(harness_bool(result, "has_more"));
    json_decref(result);
}

/*
 * Webhooks, as whoever delivers them sees it: what they change and tell, how often they may come,
 * and in which order. The stand-in for creditd-sync believes those whose signature is "good".
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

TestSuite(webhooks, .fini = teardown, .timeout = 500);

#define WEBHOOK_TEST(name) FIXTURE_TEST(webhooks, name, &fixture, NULL)
#define call(...) harness_call(&fixture.client, __VA_ARGS__)
#define call_error(...) harness_call_error(&fixture.client, __VA_ARGS__)

/* --- delivering --- */

struct hook {
    const char *id, *type, *object;
};

static char *body_of(const struct hook *hook)
{
    char *body = NULL;

    cr_assert_gt(asprintf(&body, "{\"id\": \"%s\", \"type\": \"%s\", \"data\": {\"object\": %s}}",
                          hook->id, hook->type, hook->object),
                 0);
    return body;
}

static json_t *deliver(const struct hook *hook)
{
    char *body = body_of(hook);
    json_t *answer = call("webhook.deliver", "{s:s, s:s}", "body", body, "signature", "good");

    cr_assert_str_eq(harness_text(answer, "id"), hook->id);
    cr_assert_str_eq(harness_text(answer, "type"), hook->type);
    free(body);
    return answer;
}

/* `expected`: duplicate, ignored, changed and the number of events. */
static void expect(const struct hook *hook, const char *expected)
{
    json_t *answer = deliver(hook);
    char text[16];

    snprintf(text, sizeof(text), "%s%s%s%d", harness_bool(answer, "duplicate") ? "d" : "",
             harness_bool(answer, "ignored") ? "i" : "", harness_bool(answer, "changed") ? "c" : "",
             (int)harness_int(answer, "events"));
    cr_expect_str_eq(text, expected, "%s %s: %s", hook->id, hook->type, text);
    json_decref(answer);
}

static void refused(const struct hook *hook, const char *signature, const char *code)
{
    char *body = body_of(hook);

    fixture_check_error(
        call_error("webhook.deliver", "{s:s, s:s}", "body", body, "signature", signature), code,
        NULL, NULL);
    free(body);
}

/* All events so far: "TYPE OBJECT, …", where OBJECT is the object's email, name or status. */
static char *events(void)
{
    json_t *page = call("event.list", "{s:i}", "limit", 100), *event;
    char *text = calloc(1, 8192);
    size_t i;

    json_array_foreach(json_object_get(page, "data"), i, event)
    {
        json_t *object = json_object_get(json_object_get(event, "data"), "object");
        const char *state = json_string_value(json_object_get(object, "email"));
        size_t length = strlen(text);

        if (state == NULL)
            state = json_string_value(json_object_get(object, "status"));
        snprintf(text + length, 8192 - length, "%s%s %s", i > 0 ? ", " : "",
                 harness_text(event, "type"), state != NULL ? state : "?");
    }
    json_decref(page);
    return text;
}

static void expect_events(const char *expected)
{
    char *text = events();

    cr_expect_str_eq(text, expected, "%s", text);
    free(text);
}

/* --- the same, in any order and any number --- */

#define AT(day) "\"updated_at\": \"2026-01-" #day "T00:00:00Z\", "
#define YOUNG "\"created_at\": \"2026-01-19T00:00:00Z\""
#define CUSTOMER(email, day) "{\"id\": \"cus_9\", \"email\": \"" email "\", " AT(day) YOUNG "}"
#define SUB(status, day)                                                                           \
    "{\"id\": \"sub_1\", \"customer_id\": \"cus_1\", \"product_id\": \"prod_1\", \"status\": "     \
    "\"" status "\", " AT(day) YOUNG "}"
#define REFUND(status)                                                                             \
    "{\"id\": \"rf_1\", \"customer_id\": \"cus_1\", \"status\": \"" status "\", " YOUNG "}"

static const struct hook hooks[] = {
    {"wh_evt_1", "customer.created", CUSTOMER("a", 19)},
    {"wh_evt_2", "customer.updated", CUSTOMER("b", 20)},
    {"wh_evt_3", "subscription.created", SUB("active", 19)},
    {"wh_evt_4", "subscription.canceled", SUB("canceled", 20)},
    {"wh_evt_5", "refund.succeeded", REFUND("succeeded")},
    {"wh_evt_6", "subscription.created",
     "{\"id\": \"sub_2\", \"customer_id\": \"cus_1\", \"status\": \"active\", " AT(20) YOUNG "}"},
};
#define HOOKS (sizeof(hooks) / sizeof(hooks[0]))

/* As StellarTools has them in the end, and as the store must: what is read without StellarTools. */
static void expect_state(void)
{
    json_t *customer, *list, *rows;

    fixture_go_offline(&fixture);
    customer = call("customer.retrieve", "{s:s}", "customer_id", "cus_9");
    cr_expect_str_eq(harness_text(customer, "email"), "b");
    json_decref(customer);
    list = call("subscription.list", "{s:s}", "customer_id", "cus_1");
    rows = json_object_get(list, "data");
    cr_expect_eq(json_array_size(rows), 2);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        bool first = strcmp(harness_text(json_array_get(rows, i), "id"), "sub_1") == 0;

        cr_expect_str_eq(harness_text(json_array_get(rows, i), "status"),
                         first ? "canceled" : "active");
    }
    json_decref(list);
}

/* The list is known, and empty. */
static void know_list(void)
{
    json_decref(call("subscription.list", "{s:s}", "customer_id", "cus_1"));
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted(char *text)
{
    size_t count = 0, size = strlen(text) + 64, length = 0;
    char *words[32], *save = NULL, *joined = calloc(1, size);

    for (char *word = strtok_r(text, ",", &save); word != NULL; word = strtok_r(NULL, ",", &save))
        words[count++] = word;
    qsort(words, count, sizeof(words[0]), compare_words);
    for (size_t i = 0; i < count; i++)
        length +=
            (size_t)snprintf(joined + length, size - length, "%s%s", i > 0 ? ", " : "", words[i]);
    free(text);
    return joined;
}

/* Types alone, in any order: an event tells what was known when it came about. */
static void expect_types(const char *expected)
{
    char *text = events(), *out = text;

    for (const char *in = text; *in != '\0';) {
        while (*in != '\0' && *in != ' ')
            *out++ = *in++;
        while (*in != '\0' && *in != ',')
            in++;
        if (*in == ',') {
            *out++ = ',';
            in += 2;
        }
    }
    *out = '\0';
    text = sorted(text);
    cr_expect_str_eq(text, expected, "%s", text);
    free(text);
}

#define ALL_TYPES                                                                                  \
    "customer.created, customer.updated, refund.created, refund.succeeded, "                       \
    "subscription.canceled, subscription.created, subscription.created"

WEBHOOK_TEST(in_order)
{
    know_list();
    for (size_t i = 0; i < HOOKS; i++)
        expect(&hooks[i], i == 4 ? "c2" : "c1");
    expect_events("customer.created a, customer.updated b, subscription.created active, "
                  "subscription.canceled canceled, refund.created succeeded, "
                  "refund.succeeded succeeded, subscription.created active");
    expect_types(ALL_TYPES);
    expect_state();
}

WEBHOOK_TEST(each_twice)
{
    know_list();
    for (size_t i = 0; i < HOOKS; i++) {
        json_decref(deliver(&hooks[i]));
        expect(&hooks[i], "d0");
    }
    for (size_t i = 0; i < HOOKS; i++)
        expect(&hooks[i], "d0");
    expect_types(ALL_TYPES);
    expect_state();
}

WEBHOOK_TEST(reversed)
{
    know_list();
    for (size_t i = HOOKS; i-- > 0;)
        json_decref(deliver(&hooks[i]));
    expect_types(ALL_TYPES);
    expect_state();
}

WEBHOOK_TEST(reversed_where_nothing_was_known)
{
    for (size_t i = HOOKS; i-- > 0;)
        json_decref(deliver(&hooks[i]));
    expect_types(ALL_TYPES);
}

/* Of each, too: one by somebody else, and one that is 301 s old. */
WEBHOOK_TEST(among_those_that_are_not_believed)
{
    const struct hook forged = {"wh_evt_7", "customer.updated", CUSTOMER("forged", 20)};

    know_list();
    refused(&forged, "of another secret", "permission_denied");
    for (size_t i = 0; i < HOOKS; i++) {
        refused(&hooks[i], "301 s old", "permission_denied");
        json_decref(deliver(&hooks[i]));
        refused(&forged, "of another secret", "permission_denied");
        refused(&forged, "none", "conflict");
    }
    expect_types(ALL_TYPES);
    expect_state();
}

WEBHOOK_TEST(over_a_restart)
{
    know_list();
    for (size_t i = 0; i < HOOKS; i++) {
        json_decref(deliver(&hooks[i]));
        if (i % 2 == 0)
            fixture_restart(&fixture, i % 4 == 0 ? SIGKILL : SIGTERM);
        expect(&hooks[i], "d0");
    }
    expect_types(ALL_TYPES);
    expect_state();
}

/* --- one by one --- */

WEBHOOK_TEST(parameters)
{
    fixture_check_error(call_error("webhook.deliver", "{s:s}", "signature", "good"),
                        "invalid_parameter", "parameter", "body");
    fixture_check_error(call_error("webhook.deliver", "{s:i, s:s}", "body", 7, "signature", "x"),
                        "invalid_parameter", "parameter", "body");
    fixture_check_error(call_error("webhook.deliver", "{s:s, s:s}", "body", "", "signature", "x"),
                        "invalid_parameter", "parameter", "body");
    fixture_check_error(call_error("webhook.deliver", "{s:s}", "body", "{}"), "invalid_parameter",
                        "parameter", "signature");
    fixture_check_error(call_error("webhook.deliver", "{s:s, s:i}", "body", "{}", "signature", 1),
                        "invalid_parameter", "parameter", "signature");
    cr_assert_eq(fixture.sync.webhooks, 0);
}

/* The stand-in for creditd-sync has a test key. */
WEBHOOK_TEST(of_the_other_mode_is_ignored)
{
    const struct hook live = {"wh_1", "payment.confirmed",
                              "{\"id\": \"pay_1\", \"customer_id\": \"cus_1\"}, "
                              "\"x\": 1}, \"livemode\": true, \"y\": {\"z\": 1"};
    const struct hook test = {"wh_2", "payment.confirmed",
                              "{\"id\": \"pay_1\", \"customer_id\": \"cus_1\"}, "
                              "\"x\": 1}, \"livemode\": false, \"y\": {\"z\": 1"};

    json_decref(call("credits.balance", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "p1"));
    expect(&live, "i0");
    expect(&live, "di0");
    expect_events("");
    cr_assert_eq(fixture.sync.balances, 1, "nothing is read anew");
    expect(&test, "c1");
}

WEBHOOK_TEST(what_is_passed_on_and_what_is_ignored)
{
    static const struct {
        struct hook hook;
        const char *expected;
    } table[] = {
        {{"wh_1", "payment.pending", "{\"id\": \"pay_1\", \"status\": \"pending\"}"}, "c1"},
        {{"wh_2", "payment.confirmed", "{\"id\": \"pay_1\", \"status\": \"confirmed\"}"}, "c1"},
        {{"wh_3", "payment.pending", "{\"id\": \"pay_1\", \"status\": \"pending\"}"}, "0"},
        {{"wh_4", "payment_method.created", "{\"id\": \"pm_1\", \"status\": \"new\"}"}, "1"},
        {{"wh_5", "payment_method.deleted", "{\"id\": \"pm_1\"}"}, "1"},
        {{"wh_6", "checkout.created", "null"}, "1"},
        {{"wh_7", "subscription.updated", "{\"id\": \"sub_1\", \"status\": \"whose\"}"}, "1"},
        {{"wh_8", "credits.low", "{\"id\": \"x\"}"}, "i0"},
        {{"wh_9", "customer.linked", "{\"id\": \"cus_1\"}"}, "i0"},
        {{"wh_10", "invoice.created", "{\"id\": \"in_1\"}"}, "i0"},
        {{"wh_10", "invoice.created", "{\"id\": \"in_1\"}"}, "di0"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        expect(&table[i].hook, table[i].expected);
    expect_events("payment.pending pending, payment.confirmed confirmed, payment_method.created "
                  "new, payment_method.deleted ?, checkout.created ?, subscription.updated whose");
}

WEBHOOK_TEST(a_deleted_customer_stays_deleted)
{
    const struct hook deleted = {"wh_1", "customer.deleted", CUSTOMER("a", 20)};
    const struct hook late = {"wh_2", "customer.updated", CUSTOMER("b", 21)};

    expect(&deleted, "c1");
    expect(&late, "0");
    fixture_check_error(call_error("customer.retrieve", "{s:s}", "customer_id", "cus_9"),
                        "unknown_customer", NULL, NULL);
    cr_assert_eq(fixture.sync.customer_reads, 1);
    expect_events("customer.deleted a");
    /* StellarTools has it after all. */
    fake_add_customer(&fixture.sync, "cus_9", "c");
    json_decref(call("customer.retrieve", "{s:s}", "customer_id", "cus_9"));
}

/* What webhooks brought of a customer's subscriptions is not the list. */
WEBHOOK_TEST(a_partial_list_is_not_told)
{
    json_t *list, *row;

    expect(&hooks[2], "c1");
    fake_add_subscription(&fixture.sync, "sub_7", "cus_1");
    list = call("subscription.list", "{s:s}", "customer_id", "cus_1");
    cr_assert_eq(json_array_size(json_object_get(list, "data")), 1);
    row = json_array_get(json_object_get(list, "data"), 0);
    cr_assert_str_eq(harness_text(row, "id"), "sub_7");
    cr_assert_not(harness_bool(list, "stale"));
    json_decref(list);
    cr_assert_eq(fixture.sync.lists, 1);
}

WEBHOOK_TEST(balances_are_read_anew_and_nobody_pays_for_it)
{
    const struct hook paid = {"wh_1", "payment.confirmed",
                              "{\"id\": \"pay_1\", \"customer_id\": \"cus_1\"}"};
    const struct hook other = {"wh_2", "subscription.updated",
                               "{\"id\": \"s\", \"customer_id\": \"cus_1\", \"product_id\": "
                               "\"prod_2\"}"};
    const struct hook renamed = {"wh_3", "customer.updated", "{\"id\": \"cus_1\"}"};

    json_decref(call("credits.balance", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "p1"));
    json_decref(
        call("credits.balance", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_2"));
    json_decref(call("credits.balance", "{s:s, s:s}", "customer_id", "cus_2", "product_id", "p1"));
    cr_assert_eq(fixture.sync.balances, 3);
    expect(&renamed, "c1");
    expect(&paid, "c1");
    fake_sync_wait(&fixture.sync.balances, 5);
    expect(&other, "c1");
    fake_sync_wait(&fixture.sync.balances, 6);
}

WEBHOOK_TEST(access_is_read_anew_by_the_next_who_asks)
{
    const struct hook canceled = {"wh_1", "subscription.canceled", SUB("canceled", 20)};
    json_t *access =
        call("access.check", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1");

    cr_assert_not(harness_bool(access, "stale"));
    json_decref(access);
    expect(&canceled, "c2");
    access = call("access.check", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1");
    cr_assert(harness_bool(access, "stale"));
    json_decref(access);
    fake_sync_wait(&fixture.sync.accesses, 2);
}

/* --- creditd-sync comes and goes --- */

WEBHOOK_TEST(one_that_comes_while_no_helper_is_there_waits)
{
    char *body = body_of(&hooks[0]);
    struct harness_message message;

    fixture_go_offline(&fixture);
    harness_send(&fixture.client, "webhook.deliver", "{s:s, s:s}", "body", body, "signature",
                 "good");
    json_decref(call("ping", "{}"));
    fake_sync_start(&fixture.sync, fixture.sync_path);
    cr_assert(harness_receive(&fixture.client, &message));
    cr_assert(harness_bool(message.result, "changed"));
    harness_message_deinit(&message);
    free(body);
}

WEBHOOK_TEST(one_whose_verdict_was_lost_is_checked_again)
{
    char *body = body_of(&hooks[0]);
    struct harness_message message;

    fixture_wait_status(&fixture, "upstream.helper", 1);
    fixture.sync.silent = true;
    harness_send(&fixture.client, "webhook.deliver", "{s:s, s:s}", "body", body, "signature",
                 "good");
    json_decref(call("ping", "{}"));
    fake_sync_stop(&fixture.sync);
    fixture.sync.silent = false;
    fake_sync_start(&fixture.sync, fixture.sync_path);
    cr_assert(harness_receive(&fixture.client, &message));
    cr_assert(harness_bool(message.result, "changed"));
    harness_message_deinit(&message);
    expect(&hooks[0], "d0");
    free(body);
}

/* Exchanges must have room as well, and anybody may deliver. */
WEBHOOK_TEST(only_so_many_are_checked_at_a_time)
{
    char *body = body_of(&hooks[0]);
    struct harness_message message;

    fixture_wait_status(&fixture, "upstream.helper", 1);
    fixture.sync.silent = true;
    for (int i = 0; i < 65; i++)
        harness_send(&fixture.client, "webhook.deliver", "{s:s, s:s}", "body", body, "signature",
                     "good");
    cr_assert(harness_receive(&fixture.client, &message));
    cr_assert_str_eq(harness_text(message.error, "code"), "busy");
    harness_message_deinit(&message);
    fake_sync_stop(&fixture.sync);
    fixture.sync.silent = false;
    fake_sync_start(&fixture.sync, fixture.sync_path);
    for (int i = 0; i < 64; i++) {
        cr_assert(harness_receive(&fixture.client, &message));
        cr_assert_not_null(message.result);
        harness_message_deinit(&message);
    }
    expect_events("customer.created a");
    free(body);
}

FIXTURE_TEST(webhooks, one_that_cannot_be_checked_in_time_is_refused, &fixture,
             "[credits]\ncold_timeout = 50ms\n")
{
    fixture_go_offline(&fixture);
    refused(&hooks[0], "good", "upstream_unavailable");
    expect_events("");
}

/* --- what else comes in --- */

WEBHOOK_TEST(changes_of_our_own_are_told_once)
{
    const struct hook late = {"wh_1", "subscription.created",
                              "{\"id\": \"sub_1\", \"customer_id\": \"cus_1\", \"status\": "
                              "\"active\"}"};
    json_t *list, *again;

    know_list();
    list = call("subscription.list", "{s:s}", "customer_id", "cus_1");
    json_decref(
        call("subscription.create", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1"));
    expect(&late, "0");
    json_decref(call("subscription.pause", "{s:s, s:s}", "customer_id", "cus_1", "subscription_id",
                     "sub_1"));
    json_decref(call("subscription.cancel", "{s:s, s:s}", "customer_id", "cus_1", "subscription_id",
                     "sub_1"));
    again = call("subscription.list", "{s:s}", "customer_id", "cus_1");
    cr_assert_eq(json_array_size(json_object_get(again, "data")), 1);
    cr_assert_eq(harness_int(list, "synced_at"), harness_int(again, "synced_at"),
                 "one row does not make the list new");
    json_decref(list);
    json_decref(again);
    json_decref(call("subscription.list", "{s:s, s:b}", "customer_id", "cus_1", "fresh", 1));
    expect_events("subscription.created active, subscription.updated paused, "
                  "subscription.canceled paused");
}

WEBHOOK_TEST(what_others_changed_is_found_at_a_refresh)
{
    fake_add_subscription(&fixture.sync, "sub_1", "cus_1");
    fake_add_customer(&fixture.sync, "cus_9", "a");
    json_decref(call("customer.retrieve", "{s:s}", "customer_id", "cus_9"));
    know_list();
    expect_events("");
    fixture_restart(&fixture, SIGKILL); /* what is stored is compared with as well */
    fake_add_subscription(&fixture.sync, "sub_2", "cus_1");
    pthread_mutex_lock(&fixture.sync.lock);
    json_object_set_new(json_array_get(fixture.sync.subscriptions, 0), "status",
                        json_string("canceled"));
    json_object_set_new(json_array_get(fixture.sync.customers, 0), "email", json_string("b"));
    pthread_mutex_unlock(&fixture.sync.lock);
    json_decref(call("subscription.list", "{s:s, s:b}", "customer_id", "cus_1", "fresh", 1));
    json_decref(call("customer.retrieve", "{s:s, s:b}", "customer_id", "cus_9", "fresh", 1));
    expect_events("subscription.canceled canceled, subscription.created active, "
                  "customer.updated b");
}

static size_t count_events(void)
{
    json_int_t after = 0;
    size_t count = 0;
    bool more = true;

    while (more) {
        json_t *page = call("event.list", "{s:I, s:i}", "after", after, "limit", 100);

        count += json_array_size(json_object_get(page, "data"));
        after = harness_int(page, "after");
        more = harness_bool(page, "has_more");
        json_decref(page);
    }
    return count;
}

/* More than one record can tell. */
WEBHOOK_TEST(a_long_list_changes_all_at_once)
{
    json_t *row, *list;
    size_t i;

    fixture.sync.page_size = 100;
    for (int k = 0; k < 350; k++) {
        char id[16];

        snprintf(id, sizeof(id), "sub_%d", k);
        fake_add_subscription(&fixture.sync, id, "cus_1");
    }
    know_list();
    pthread_mutex_lock(&fixture.sync.lock);
    json_array_foreach(fixture.sync.subscriptions, i, row)
    {
        json_object_set_new(row, "status", json_string("canceled"));
    }
    pthread_mutex_unlock(&fixture.sync.lock);
    for (int k = 0; k < 2; k++)
        json_decref(call("subscription.list", "{s:s, s:b}", "customer_id", "cus_1", "fresh", 1));
    cr_assert_eq(count_events(), 350);
    fixture_go_offline(&fixture);
    list = call("subscription.list", "{s:s}", "customer_id", "cus_1");
    cr_assert_str_eq(harness_text(json_array_get(json_object_get(list, "data"), 349), "status"),
                     "canceled");
    json_decref(list);
}

/* Twenty subscriptions with as much metadata as a session may give them. */
static void add_large_list(void)
{
    char large[4001];

    memset(large, 'x', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    for (int k = 0; k < 20; k++) {
        char id[16];

        snprintf(id, sizeof(id), "sub_%d", k);
        fake_add_subscription(&fixture.sync, id, "cus_1");
        pthread_mutex_lock(&fixture.sync.lock);
        json_object_set_new(json_array_get(fixture.sync.subscriptions, k), "metadata",
                            json_pack("{s:s}", "x", large));
        pthread_mutex_unlock(&fixture.sync.lock);
    }
}

static void expect_large_list(void)
{
    json_t *list = call("subscription.list", "{s:s}", "customer_id", "cus_1"), *row;

    cr_expect_eq(json_array_size(json_object_get(list, "data")), 20);
    cr_expect_not(harness_bool(list, "stale"));
    row = json_array_get(json_object_get(list, "data"), 0);
    cr_expect_eq(strlen(harness_text(json_object_get(row, "metadata"), "x")), 4000);
    json_decref(list);
}

/* It is not kept, but nothing of what happens to it is lost. */
WEBHOOK_TEST(of_a_list_that_is_too_large_all_is_told)
{
    const struct hook canceled = {"wh_1", "subscription.canceled", SUB("canceled", 20)};
    const struct hook again = {"wh_2", "subscription.canceled", SUB("canceled", 20)};

    json_decref(
        call("credits.balance", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1"));
    fixture.sync.page_size = 5;
    add_large_list();
    expect_large_list();
    expect(&canceled, "c1");
    expect(&canceled, "d0");
    fake_sync_wait(&fixture.sync.balances, 2);
    fixture_restart(&fixture, SIGKILL);
    expect(&again, "0");
    pthread_mutex_lock(&fixture.sync.lock);
    json_object_set_new(json_array_get(fixture.sync.subscriptions, 3), "status",
                        json_string("canceled"));
    json_object_set_new(json_array_get(fixture.sync.subscriptions, 2), "status",
                        json_string("paused"));
    pthread_mutex_unlock(&fixture.sync.lock);
    for (int k = 0; k < 2; k++)
        expect_large_list();
    expect_types("subscription.canceled, subscription.canceled, subscription.updated, "
                 "subscription.updated");
}

/* The list is in the store, and not in memory, when the answer to a create comes. */
WEBHOOK_TEST(a_create_finds_the_list_that_is_stored)
{
    fake_add_subscription(&fixture.sync, "sub_7", "cus_1");
    know_list();
    fixture_restart(&fixture, SIGTERM);
    json_decref(
        call("subscription.create", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1"));
    fixture_go_offline(&fixture);
    json_decref(call("subscription.retrieve", "{s:s, s:s}", "customer_id", "cus_1",
                     "subscription_id", "sub_7"));
    json_decref(call("subscription.retrieve", "{s:s, s:s}", "customer_id", "cus_1",
                     "subscription_id", "sub_2"));
    expect_events("subscription.created active");
}

WEBHOOK_TEST(a_refund_whose_answer_was_lost_is_settled_by_its_webhook)
{
    struct hook made = {"wh_1", "refund.succeeded", NULL};
    json_t *list, *again;
    char *object;

    fixture.sync.lose_creates = 1;
    fixture_check_error(
        call_error("refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id", "pay_1"),
        "conflict", NULL, NULL);
    pthread_mutex_lock(&fixture.sync.lock);
    object = json_dumps(json_array_get(fixture.sync.refunds, 0), 0);
    pthread_mutex_unlock(&fixture.sync.lock);
    made.object = object;
    expect(&made, "c2");
    list = call("push.list", "{s:s}", "state", "parked");
    cr_assert_eq(json_array_size(json_object_get(list, "data")), 0);
    json_decref(list);
    again = call("refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id", "pay_1");
    cr_assert_str_eq(harness_text(again, "id"), "rf_1");
    json_decref(again);
    cr_assert_eq(fixture.sync.creates, 1);
    free(object);
}

static size_t parked(void)
{
    json_t *list = call("push.list", "{s:s}", "state", "parked");
    size_t count = json_array_size(json_object_get(list, "data"));

    json_decref(list);
    return count;
}

static int64_t records(void)
{
    json_t *status = call("status", "{}");
    int64_t sequence = harness_int(json_object_get(status, "ledger"), "sequence");

    json_decref(status);
    return sequence;
}

/* What StellarTools made of a refund whose answer was lost, as webhooks tell of it. */
static json_t *lose_refund(void)
{
    json_t *object;

    fixture.sync.lose_creates = 1;
    fixture_check_error(call_error("refund.create", "{s:s, s:s, s:s}", "customer_id", "cus_1",
                                   "payment_id", "pay_1", "idempotency_key", "k"),
                        "conflict", NULL, NULL);
    pthread_mutex_lock(&fixture.sync.lock);
    object = json_deep_copy(json_array_get(fixture.sync.refunds, 0));
    pthread_mutex_unlock(&fixture.sync.lock);
    cr_assert_eq(parked(), 1);
    return object;
}

/* `object` with members in place of its own; NULL: without. */
static void tell_of(const char *id, const char *type, const json_t *object, const char *member,
                    const char *value)
{
    json_t *copy = json_deep_copy(object);
    struct hook hook = {id, type, NULL};
    char *text;

    if (value != NULL)
        json_object_set_new(copy, member, json_string(value));
    else
        json_object_del(copy, member);
    hook.object = text = json_dumps(copy, 0);
    json_decref(deliver(&hook));
    free(text);
    json_decref(copy);
}

/* No crash comes between what a webhook says and what follows from it. */
WEBHOOK_TEST(a_refund_is_settled_in_the_webhooks_own_record)
{
    json_t *object = lose_refund(), *refused;
    int64_t before;

    fixture_restart(&fixture,
                    SIGTERM); /* what is stored of refund and payment is to be brought in */
    cr_assert_eq(parked(), 1);
    before = records();
    tell_of("wh_1", "refund.succeeded", object, "status", "succeeded");
    cr_expect_eq(records(), before + 1);
    fixture_restart(&fixture, SIGKILL);
    cr_expect_eq(parked(), 0);
    tell_of("wh_1", "refund.succeeded", object, "status", "succeeded");
    cr_expect_eq(records(), before + 1);
    refused = call_error("refund.create", "{s:s, s:s, s:s}", "customer_id", "cus_1", "payment_id",
                         "pay_1", "idempotency_key", "another");
    fixture_check_error(refused, "conflict", "refund_id", "rf_1");
    json_decref(object);
}

WEBHOOK_TEST(an_operator_settles_a_refund_in_one_record)
{
    json_t *object = lose_refund(), *list = call("push.list", "{s:s}", "state", "parked"), *error;
    const char *id = harness_text(json_array_get(json_object_get(list, "data"), 0), "push_id");
    int64_t before;

    fixture_restart(&fixture, SIGTERM);
    before = records();
    json_decref(call("push.settle", "{s:s, s:s}", "push_id", id, "refund_id", "rf_1"));
    cr_expect_eq(records(), before + 1);
    cr_expect_eq(parked(), 0);
    error = call_error("push.settle", "{s:s, s:s}", "push_id", id, "refund_id", "rf_1");
    fixture_check_error(error, "conflict", NULL, NULL);
    error = call_error("refund.create", "{s:s, s:s, s:s}", "customer_id", "cus_1", "payment_id",
                       "pay_1", "idempotency_key", "another");
    fixture_check_error(error, "conflict", "refund_id", "rf_1");
    json_decref(list);
    json_decref(object);
}

/* Metadata is what anybody may have written there. */
WEBHOOK_TEST(a_refund_of_something_else_settles_nothing)
{
    json_t *object = lose_refund();

    tell_of("wh_1", "refund.succeeded", object, "payment_id", "pay_7");
    cr_expect_eq(parked(), 1, "another payment");
    tell_of("wh_2", "refund.succeeded", object, "payment_id", NULL);
    cr_expect_eq(parked(), 1, "no payment");
    tell_of("wh_3", "refund.succeeded", object, "customer_id", "cus_2");
    cr_expect_eq(parked(), 1, "another customer");
    tell_of("wh_4", "refund.succeeded", object, "metadata", NULL);
    cr_expect_eq(parked(), 1, "no metadata");
    tell_of("wh_5", "refund.succeeded", object, "customer_id", "cus_1");
    cr_expect_eq(parked(), 0);
    json_decref(object);
}

WEBHOOK_TEST(a_refund_that_failed_was_not_made)
{
    json_t *object = lose_refund(), *again;

    tell_of("wh_1", "refund.failed", object, "status", "pending");
    cr_expect_eq(parked(), 0);
    again = call_error("refund.create", "{s:s, s:s, s:s}", "customer_id", "cus_1", "payment_id",
                       "pay_1", "idempotency_key", "k");
    cr_expect_not_null(strstr(harness_text(again, "message"), "rf_1 has failed"));
    json_decref(again);
    again = call("refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id", "pay_1");
    cr_expect_str_eq(harness_text(again, "id"), "rf_2");
    cr_expect_eq(fixture.sync.creates, 2);
    json_decref(again);
    json_decref(object);
}

WEBHOOK_TEST(an_older_refund_proves_nothing)
{
    json_t *object = lose_refund(), *newer = json_deep_copy(object);

    json_object_set_new(newer, "updated_at", json_string("2026-01-20T00:00:00Z"));
    json_object_set_new(newer, "status", json_string("failed"));
    tell_of("wh_1", "refund.failed", newer, "metadata", NULL);
    cr_expect_eq(parked(), 1);
    tell_of("wh_2", "refund.succeeded", object, "updated_at", "2026-01-19T00:00:00Z");
    cr_expect_eq(parked(), 1);
    json_decref(newer);
    json_decref(object);
}

/* The object that comes with a webhook may have been looked at before what its type says. */
WEBHOOK_TEST(how_a_refund_ended_is_told_in_either_order)
{
    static const struct hook orders[2][2] = {
        {{"wh_1", "refund.succeeded", REFUND("pending")},
         {"wh_2", "refund.succeeded", REFUND("pending")}},
        {{"wh_3", "payment.confirmed", "{\"id\": \"pay_1\", \"status\": \"pending\"}"},
         {"wh_4", "payment.pending", "{\"id\": \"pay_1\", \"status\": \"pending\"}"}},
    };
    json_t *made =
        call("refund.create", "{s:s, s:s}", "customer_id", "cus_1", "payment_id", "pay_1");

    cr_assert_str_eq(harness_text(made, "status"), "pending");
    json_decref(made);
    expect(&orders[0][0], "c1");
    expect(&orders[0][1], "0");
    expect(&orders[1][0], "c1");
    expect(&orders[1][1], "0");
    expect_events("refund.created pending, refund.succeeded succeeded, "
                  "payment.confirmed confirmed");
}

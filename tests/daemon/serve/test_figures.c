/*
 * What operators look at: status, metrics; and what they have read anew.
 */
#include "event_helpers.h"
#include <criterion/criterion.h>
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(figures, .fini = teardown, .timeout = 500);

static void consume(const char *customer, int raw_amount)
{
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             customer, "product_id", "prod_1", "raw_amount", raw_amount));
}

static char *metrics(void)
{
    json_t *result = harness_call(&fixture.client, "metrics", "{}");
    char *text = strdup(harness_text(result, "text"));

    cr_assert_eq(strncmp(harness_text(result, "content_type"), "text/plain; version=0.0.4", 25), 0);
    json_decref(result);
    return text;
}

/* The value of a sample, as it stands there; NULL: there is none. */
static const char *sample(const char *text, const char *name)
{
    static char value[64];
    size_t length = strlen(name);

    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ' ') {
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(line + length + 1, "\n"),
                     line + length + 1);
            return value;
        }
    }
    return NULL;
}

static void check_sample(const char *text, const char *name, const char *value)
{
    const char *seen = sample(text, name);

    cr_assert_not_null(seen, "there is no %s in\n%s", name, text);
    cr_assert_str_eq(seen, value, "%s", name);
}

/* Before anything was asked nobody knows, and that is no trouble. */
FIXTURE_TEST(figures, unknown_is_not_unreachable, &fixture, NULL)
{
    json_t *status;
    char *text;

    fixture_wait_status(&fixture, "upstream.helper", 1);
    status = harness_call(&fixture.client, "status", "{}");
    cr_assert(json_is_null(json_object_get(json_object_get(status, "upstream"), "reachable")));
    cr_assert_str_eq(harness_text(status, "health"), "ok");
    json_decref(status);
    text = metrics();
    cr_assert_null(sample(text, "creditd_upstream_reachable"));
    free(text);

    fixture.sync.unreachable = true;
    harness_send(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id", "cus_1",
                 "product_id", "prod_1");
    fixture_wait_status(&fixture, "upstream.reachable", 0);
    status = harness_call(&fixture.client, "status", "{}");
    while (json_is_null(json_object_get(json_object_get(status, "upstream"), "reachable"))) {
        json_decref(status);
        status = harness_call(&fixture.client, "status", "{}");
    }
    cr_assert_str_eq(harness_text(status, "health"), "degraded");
    json_decref(status);
    text = metrics();
    check_sample(text, "creditd_upstream_reachable", "0");
    free(text);
}

FIXTURE_TEST(figures, status_says_which_events_there_are, &fixture, NULL)
{
    json_t *status = harness_call(&fixture.client, "status", "{}");
    json_t *events = json_object_get(status, "events");

    cr_assert_eq(harness_int(events, "first"), 1);
    cr_assert_eq(harness_int(events, "last"), 0);
    cr_assert_eq(harness_int(events, "subscribers"), 0);
    cr_assert_eq(harness_int(events, "lost"), 0);
    cr_assert_eq(harness_int(json_object_get(status, "hooks"), "parked"), 0);
    json_decref(status);
    event_make(&fixture.client, 1);
    json_decref(harness_call(&fixture.client, "event.subscribe", "{}"));
    status = harness_call(&fixture.client, "status", "{}");
    events = json_object_get(status, "events");
    cr_assert_eq(harness_int(events, "last"), 1);
    cr_assert_eq(harness_int(events, "subscribers"), 1);
    json_decref(status);
}

/* Each sample follows the HELP and TYPE of its family, and each family comes once. */
static void check_form(const char *text)
{
    char family[128] = "", seen[8192] = "\n";
    const char *end;

    for (const char *line = text; *line != '\0'; line = end + 1) {
        char name[128];
        size_t length;

        end = strchr(line, '\n');
        cr_assert_not_null(end, "the last line has no end");
        if (strncmp(line, "# HELP ", 7) == 0) {
            char needle[160];

            length = strcspn(line + 7, " ");
            snprintf(family, sizeof(family), "%.*s", (int)length, line + 7);
            snprintf(needle, sizeof(needle), "\n%s\n", family);
            cr_assert_null(strstr(seen, needle), "%s comes twice", family);
            cr_assert_lt(strlen(seen) + strlen(needle), sizeof(seen));
            strncat(seen, needle + 1, sizeof(seen) - strlen(seen) - 1);
            continue;
        }
        if (strncmp(line, "# TYPE ", 7) == 0) {
            cr_assert_eq(strncmp(line + 7, family, strlen(family)), 0);
            cr_assert(strstr(line, " gauge") != NULL || strstr(line, " counter") != NULL);
            continue;
        }
        length = strcspn(line, "{ ");
        snprintf(name, sizeof(name), "%.*s", (int)length, line);
        cr_assert_str_eq(name, family, "%.*s", (int)(end - line), line);
        cr_assert(isdigit((unsigned char)end[-1]), "%.*s", (int)(end - line), line);
    }
}

FIXTURE_TEST(figures, metrics_tell_what_happened, &fixture, NULL)
{
    struct harness_connection reader;
    char *text;

    consume("cus_1", 100);
    fixture_wait_status(&fixture, "pending.credits", 0);
    fixture_connect(&fixture, &reader);
    json_decref(harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app"));
    for (int i = 1; i <= 3; i++)
        event_make(&fixture.client, i);
    event_skip(&reader, 1, 3);
    event_ack(&fixture.client, "app", 1);
    fixture_check_error(harness_call_error(&fixture.client, "event.list", "{s:i}", "limit", 0),
                        "invalid_parameter", "parameter", "limit");
    text = metrics();
    check_form(text);
    check_sample(text, "creditd_up", "1");
    check_sample(text, "creditd_connections", "2");
    check_sample(text, "creditd_requests_refused_total", "1");
    check_sample(text, "creditd_objects_unkept_total", "0");
    check_sample(text, "creditd_helper_up", "1");
    check_sample(text, "creditd_balances_resident", "1");
    check_sample(text, "creditd_pending_credits", "0");
    check_sample(text, "creditd_pushes{state=\"parked\"}", "0");
    check_sample(text, "creditd_upstream_reachable", "1");
    check_sample(text, "creditd_upstream_paused", "0");
    check_sample(text, "creditd_events_first", "1");
    check_sample(text, "creditd_events_last", "3");
    check_sample(text, "creditd_events_sent_total", "3");
    check_sample(text, "creditd_subscriptions", "1");
    check_sample(text, "creditd_ledger_space_ok", "1");
    cr_assert_not_null(strstr(text, ",subscriber=\"app\"} 2\n"), "%s", text);
    cr_assert_not_null(strstr(text, "creditd_info{version=\""), "%s", text);
    cr_assert_gt(strtod(sample(text, "creditd_upstream_last_success_timestamp_seconds"), NULL),
                 1.6e9);
    free(text);
    harness_connection_deinit(&reader);
}

/* --- cache.refresh --- */

static int64_t refresh(const char *format, const char *key, const char *value)
{
    json_t *result = harness_call(&fixture.client, "cache.refresh", format, key, value);
    int64_t count = harness_int(result, "balances");

    json_decref(result);
    return count;
}

static void change_upstream(int64_t balance)
{
    pthread_mutex_lock(&fixture.sync.lock);
    for (size_t i = 0; i < fixture.sync.known_count; i++)
        fixture.sync.known[i].balance = balance;
    pthread_mutex_unlock(&fixture.sync.lock);
}

static void wait_balance(const char *customer, int64_t wanted)
{
    int64_t seen = -1;

    for (int waited = 0; waited < HARNESS_TIMEOUT_MS && seen != wanted; waited++) {
        json_t *balance = harness_call(&fixture.client, "credits.balance", "{s:s, s:s}",
                                       "customer_id", customer, "product_id", "prod_1");

        seen = harness_int(balance, "upstream");
        json_decref(balance);
        poll(NULL, 0, 1);
    }
    cr_assert_eq(seen, wanted);
}

FIXTURE_TEST(figures, what_changed_upstream_is_read_when_asked_for, &fixture,
             "[credits]\nrefresh_interval = 24h\npush_interval = 1ms\n")
{
    int before;

    consume("cus_1", 10);
    consume("cus_2", 10);
    fixture_wait_status(&fixture, "pending.credits", 0);
    change_upstream(500);
    cr_assert_eq(refresh("{s:s}", "customer_id", "cus_1"), 1);
    wait_balance("cus_1", 500);
    cr_assert_eq(refresh("{s:s}", "customer_id", "cus_3"), 0);
    cr_assert_eq(refresh("{s:s}", "product_id", "prod_1"), 2);
    wait_balance("cus_2", 500);
    before = fixture.sync.balances;
    change_upstream(600);
    cr_assert_eq(refresh("{}", NULL, NULL), 2);
    wait_balance("cus_1", 600);
    wait_balance("cus_2", 600);
    cr_assert_leq(fixture.sync.balances, before + 3);
    fixture_check_error(
        harness_call_error(&fixture.client, "cache.refresh", "{s:s}", "customer_id", "a b"),
        "invalid_parameter", "parameter", "customer_id");
}

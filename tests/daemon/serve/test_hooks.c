/*
 * Hooks, with the test in the place of creditd-hook: what it is asked to run, in which order, what
 * its answers lead to, and what hook.list, hook.retry and hook.drop say.
 */
#include "event_helpers.h"
#include "fixture.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A deduction of 10 credits of 1000 takes a balance to the next threshold. */
#define LOW "[billing]\ncredit_low_threshold = 990 980 970 960 950 940\n"
#define HOOKS                                                                                      \
    LOW "[hooks]\non_credits_low = /bin/true\nretry_delay = 10ms\nretry_delay_max = 10ms\n"

static struct fixture fixture;
static struct harness_connection hook = {.fd = -1};

static void teardown(void)
{
    harness_connection_deinit(&hook);
    fixture_deinit(&fixture);
}

TestSuite(hooks, .fini = teardown, .timeout = 500);

#define HOOK_TEST(name, extra)                                                                     \
    static void hooks_##name(void);                                                                \
    Test(hooks, name)                                                                              \
    {                                                                                              \
        fixture_start(&fixture, extra);                                                            \
        hooks_##name();                                                                            \
        harness_connection_deinit(&hook);                                                          \
        fixture_deinit(&fixture);                                                                  \
    }                                                                                              \
    static void hooks_##name(void)

static void come(void)
{
    harness_connect(&hook, fixture.hook_path);
    harness_notify(&hook, "hook.hello");
}

static void low(const char *customer)
{
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             customer, "product_id", "prod_1", "raw_amount", 100));
}

/* What it is asked to run next: that event. Its msgid, for the answer. */
static uint32_t expect_run(int64_t sequence, int64_t attempt)
{
    struct harness_message message;
    uint32_t msgid;

    cr_assert(harness_receive(&hook, &message), "the connection ended before event %d",
              (int)sequence);
    cr_assert_str_eq(message.method, "hook.run");
    cr_assert_eq(harness_int(json_object_get(message.params, "event"), "sequence"), sequence,
                 "not event %d: %s", (int)sequence, json_dumps(message.params, 0));
    cr_assert_eq(harness_int(message.params, "attempt"), attempt, "%s",
                 json_dumps(message.params, 0));
    msgid = message.msgid;
    harness_message_deinit(&message);
    return msgid;
}

static void answer(uint32_t msgid, const char *outcome, int status, const char *message)
{
    harness_answer(
        &hook, msgid,
        json_pack("{s:s, s:i, s:s?}", "outcome", outcome, "status", status, "message", message));
}

static json_t *list(const char *name)
{
    return harness_call(&fixture.client, "hook.list", "{s:s}", "hook", name);
}

static int64_t figure(const char *name, const char *key)
{
    json_t *result = list(name);
    int64_t value = harness_int(json_array_get(json_object_get(result, "hooks"), 0), key);

    json_decref(result);
    return value;
}

/* The answer to a helper does not come back to us: the list says when it has been taken. */
static void wait_figure(const char *name, const char *key, int64_t value)
{
    int64_t seen = -1;

    for (int waited = 0; waited < HARNESS_TIMEOUT_MS; waited++) {
        seen = figure(name, key);
        if (seen == value)
            return;
        poll(NULL, 0, 1);
    }
    cr_assert_fail("%s is %d:%s", key, (int)seen, harness_logs());
}

/* The only delivery of a hook. A new reference. */
static json_t *only(const char *name)
{
    json_t *result = list(name), *data = json_object_get(result, "data"), *row;

    cr_assert_eq(json_array_size(data), 1, "%s", json_dumps(result, 0));
    row = json_incref(json_array_get(data, 0));
    json_decref(result);
    return row;
}

/* --- events come --- */

HOOK_TEST(an_event_reaches_its_hook, HOOKS)
{
    struct harness_message message;
    json_t *event, *object, *result;

    come();
    low("cus_1");
    cr_assert(harness_receive(&hook, &message));
    cr_assert_str_eq(message.method, "hook.run");
    cr_assert_str_eq(harness_text(message.params, "hook"), "on_credits_low");
    cr_assert_eq(harness_int(message.params, "attempt"), 1);
    event = json_object_get(message.params, "event");
    cr_assert_str_eq(harness_text(event, "type"), "credits.low");
    cr_assert_eq(strncmp(harness_text(event, "id"), "evt_", 4), 0);
    object = json_object_get(json_object_get(event, "data"), "object");
    cr_assert_str_eq(harness_text(object, "customer_id"), "cus_1");
    cr_assert_eq(harness_int(object, "threshold"), 990);
    cr_assert_eq(figure("on_credits_low", "running"), 1);
    result = only("on_credits_low");
    cr_assert_str_eq(harness_text(result, "event_id"), harness_text(event, "id"));
    json_decref(result);
    answer(message.msgid, "done", 0, NULL);
    harness_message_deinit(&message);
    wait_figure("on_credits_low", "delivered", 1);
    cr_assert_eq(figure("on_credits_low", "sequence"), 1);
    cr_assert_eq(figure("on_credits_low", "running"), 0);
}

HOOK_TEST(one_customers_events_come_one_after_the_other, HOOKS)
{
    uint32_t first, second;

    come();
    low("cus_1");
    low("cus_1");
    low("cus_2");
    first = expect_run(1, 1);
    second = expect_run(3, 1);
    cr_assert_eq(figure("on_credits_low", "running"), 2);
    cr_assert_eq(figure("on_credits_low", "waiting"), 1);
    answer(second, "done", 0, NULL);
    wait_figure("on_credits_low", "running", 1);
    answer(first, "done", 0, NULL);
    answer(expect_run(2, 1), "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 3);
}

HOOK_TEST(no_more_at_a_time_than_configured, HOOKS "concurrency = 1\n")
{
    come();
    low("cus_1");
    low("cus_2");
    uint32_t first = expect_run(1, 1);
    cr_assert_eq(figure("on_credits_low", "running"), 1);
    answer(first, "done", 0, NULL);
    answer(expect_run(2, 1), "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 2);
}

HOOK_TEST(each_hook_gets_its_own, HOOKS "on_event = /bin/true\n")
{
    struct harness_message message;
    unsigned seen = 0;

    come();
    low("cus_1");
    for (int i = 0; i < 2; i++) {
        cr_assert(harness_receive(&hook, &message));
        seen |= strcmp(harness_text(message.params, "hook"), "on_event") == 0 ? 1 : 2;
        answer(message.msgid, "done", 0, NULL);
        harness_message_deinit(&message);
    }
    cr_assert_eq(seen, 3);
    wait_figure("on_event", "delivered", 1);
    wait_figure("on_credits_low", "delivered", 1);
}

/* --- what fails --- */

HOOK_TEST(what_fails_is_tried_again, HOOKS)
{
    json_t *row;

    come();
    low("cus_1");
    answer(expect_run(1, 1), "failed", 7, "exit code 7");
    answer(expect_run(1, 2), "failed", 7, "exit code 7");
    uint32_t third = expect_run(1, 3);
    row = only("on_credits_low");
    cr_assert_str_eq(harness_text(row, "state"), "running");
    cr_assert_str_eq(harness_text(row, "message"), "exit code 7");
    cr_assert_eq(harness_int(row, "status"), 7);
    cr_assert_eq(harness_int(row, "attempt"), 3);
    cr_assert_gt(harness_int(row, "first_failed_at"), 0);
    cr_assert_str_eq(harness_text(row, "customer_id"), "cus_1");
    cr_assert_str_eq(harness_text(row, "type"), "credits.low");
    json_decref(row);
    answer(third, "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 1);
    cr_assert_eq(figure("on_credits_low", "failures"), 2);
}

/* Whatever a helper answers, it is a failure, and nothing worse. */
HOOK_TEST(answers_that_cannot_be_read_are_failures, HOOKS)
{
    static const struct {
        const char *answer, *message;
    } cases[] = {
        {"{}", "cannot be read"},
        {"{\"outcome\": 1, \"status\": 0, \"message\": null}", "cannot be read"},
        {"{\"outcome\": \"done\", \"status\": \"0\", \"message\": null}", "cannot be read"},
        {"{\"outcome\": \"done\", \"status\": 99999999999, \"message\": null}", "cannot be read"},
        {"{\"outcome\": \"done\", \"status\": 0, \"message\": 1}", "cannot be read"},
        {"{\"outcome\": \"unconfigured\", \"status\": 0, \"message\": null}", "no such hook"},
        {"{\"outcome\": \"odd\", \"status\": 0, \"message\": \"said so\"}", "said so"},
        {"[]", "cannot be read"},
        {"5", "cannot be read"},
    };
    const int64_t count = sizeof(cases) / sizeof(cases[0]);
    uint32_t msgid;

    come();
    low("cus_1");
    msgid = expect_run(1, 1);
    for (int64_t i = 0; i < count; i++) {
        harness_answer(&hook, msgid, json_loads(cases[i].answer, JSON_DECODE_ANY, NULL));
        msgid = expect_run(1, i + 2);
        json_t *row = only("on_credits_low");
        cr_assert_not_null(strstr(harness_text(row, "message"), cases[i].message), "%s: %s",
                           cases[i].answer, harness_text(row, "message"));
        json_decref(row);
    }
    answer(msgid, "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 1);
    cr_assert_eq(figure("on_credits_low", "failures"), count);
}

HOOK_TEST(what_is_parked_waits_for_an_operator, HOOKS "park_after = 0s\n")
{
    json_t *result, *row;

    come();
    low("cus_1");
    low("cus_1");
    answer(expect_run(1, 1), "failed", 0, "no such file");
    answer(expect_run(2, 1), "failed", 0, "no such file"); /* it holds nobody up */
    wait_figure("on_credits_low", "parked", 2);
    result =
        harness_call(&fixture.client, "hook.list", "{s:s, s:i}", "state", "parked", "limit", 1);
    cr_assert_eq(json_array_size(json_object_get(result, "hooks")), 5);
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 1);
    cr_assert(harness_bool(result, "has_more"));
    row = json_array_get(json_object_get(result, "data"), 0);
    cr_assert_eq(harness_int(row, "sequence"), 1);
    cr_assert(json_is_null(json_object_get(row, "next_attempt_at")));
    json_decref(result);
    result = harness_call(&fixture.client, "hook.list", "{s:s}", "state", "failed");
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 0);
    cr_assert_not(harness_bool(result, "has_more"));
    json_decref(result);
    result = harness_call(&fixture.client, "hook.drop", "{s:s, s:i}", "hook", "on_credits_low",
                          "sequence", 1);
    cr_assert_str_eq(harness_text(result, "state"), "dropped");
    cr_assert_eq(harness_int(result, "sequence"), 1);
    json_decref(result);
    result = harness_call(&fixture.client, "hook.retry", "{s:s}", "hook", "on_credits_low");
    cr_assert_str_eq(harness_text(result, "hook"), "on_credits_low");
    cr_assert(json_is_null(json_object_get(result, "sequence")));
    json_decref(result);
    uint32_t again = expect_run(2, 1);
    fixture_check_error(harness_call_error(&fixture.client, "hook.drop", "{s:s, s:i}", "hook",
                                           "on_credits_low", "sequence", 2),
                        "conflict", NULL, NULL);
    fixture_check_error(harness_call_error(&fixture.client, "hook.retry", "{s:s, s:i}", "hook",
                                           "on_credits_low", "sequence", 2),
                        "conflict", NULL, NULL);
    answer(again, "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 1);
}

HOOK_TEST(all_that_is_parked_is_dropped, HOOKS "park_after = 0s\n")
{
    json_t *result;

    come();
    for (int i = 1; i <= 3; i++) {
        low("cus_1");
        answer(expect_run(i, 1), "failed", 0, "no such file");
    }
    wait_figure("on_credits_low", "parked", 3);
    result = harness_call(&fixture.client, "hook.drop", "{s:s}", "hook", "on_credits_low");
    cr_assert_str_eq(harness_text(result, "state"), "dropped");
    cr_assert(json_is_null(json_object_get(result, "sequence")));
    json_decref(result);
    cr_assert_eq(figure("on_credits_low", "parked"), 0);
}

static void fail_all(int count)
{
    for (int i = 0; i < count; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&hook, &message));
        cr_assert_str_eq(message.method, "hook.run");
        answer(message.msgid, "failed", 0, "no such file");
        harness_message_deinit(&message);
    }
}

/* More than are seen to in one turn of the loop: the answer comes when all are. */
HOOK_TEST(very_many_that_are_parked_are_seen_to,
          "[hooks]\non_event = /bin/true\npark_after = 0s\nconcurrency = 64\n")
{
    enum { COUNT = 2500, BATCH = 100 };
    json_t *result;

    come();
    for (int i = 1; i <= COUNT; i++) {
        event_send(&fixture.client, i);
        if (i % BATCH != 0)
            continue;
        for (int k = 0; k < BATCH; k++) {
            struct harness_message message;

            cr_assert(harness_receive(&fixture.client, &message));
            cr_assert_not_null(message.result);
            harness_message_deinit(&message);
        }
        fail_all(BATCH);
    }
    wait_figure("on_event", "parked", COUNT);
    harness_connection_deinit(&hook);
    fixture_wait_status(&fixture, "hooks.parked", COUNT);
    result = harness_call(&fixture.client, "hook.retry", "{s:s}", "hook", "on_event");
    cr_assert_str_eq(harness_text(result, "state"), "retried");
    json_decref(result);
    cr_expect_eq(figure("on_event", "parked"), 0);
    cr_expect_eq(figure("on_event", "waiting") + figure("on_event", "running"), COUNT);
    come();
    fail_all(COUNT);
    wait_figure("on_event", "parked", COUNT);
    result = harness_call(&fixture.client, "hook.drop", "{s:s}", "hook", "on_event");
    cr_assert_str_eq(harness_text(result, "state"), "dropped");
    json_decref(result);
    cr_expect_eq(figure("on_event", "parked"), 0);
    fixture_check_error(
        harness_call_error(&fixture.client, "hook.drop", "{s:s}", "hook", "on_event"), "not_found",
        NULL, NULL);
}

HOOK_TEST(a_customer_that_is_behind_is_listed,
          LOW "[hooks]\non_credits_low = /bin/true\nretry_delay = 1h\nretry_delay_max = 1h\n")
{
    json_t *result, *row;

    come();
    for (int i = 0; i < 6; i++)
        low("cus_1");
    answer(expect_run(1, 1), "failed", 0, "no");
    wait_figure("on_credits_low", "failed", 1);
    for (int i = 0; i < 200; i++)
        json_decref(harness_call(&fixture.client, "customer.link", "{s:s, s:s}", "user_id", "u_1",
                                 "customer_id", i % 2 == 0 ? "cus_2" : "cus_3"));
    wait_figure("on_credits_low", "behind", 1);
    result = harness_call(&fixture.client, "hook.list", "{s:s}", "state", "behind");
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 1);
    row = json_array_get(json_object_get(result, "data"), 0);
    cr_assert_str_eq(harness_text(row, "customer_id"), "cus_1");
    cr_assert_str_eq(harness_text(row, "state"), "behind");
    cr_assert_eq(harness_int(row, "sequence"), 5);
    cr_assert(json_is_null(json_object_get(row, "event_id")));
    cr_assert(json_is_null(json_object_get(row, "type")));
    json_decref(result);
}

HOOK_TEST(an_event_that_ends_creditd_hook_has_failed_in_the_end, HOOKS)
{
    json_t *row;

    low("cus_1");
    for (int i = 0; i < 3; i++) {
        come();
        expect_run(1, 1);
        harness_connection_deinit(&hook);
    }
    come();
    uint32_t again = expect_run(1, 2);
    row = only("on_credits_low");
    cr_assert_str_eq(harness_text(row, "message"), "creditd-hook ended while it was under way");
    json_decref(row);
    answer(again, "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 1);
}

HOOK_TEST(orders_that_make_no_sense_are_refused, HOOKS)
{
    static const struct {
        const char *method, *params, *code, *parameter;
    } cases[] = {
        {"hook.list", "{\"hook\": \"on_fire\"}", "invalid_parameter", "hook"},
        {"hook.list", "{\"hook\": 1}", "invalid_parameter", "hook"},
        {"hook.list", "{\"state\": \"odd\"}", "invalid_parameter", "state"},
        {"hook.list", "{\"state\": \"park\"}", "invalid_parameter", "state"},
        {"hook.list", "{\"limit\": 0}", "invalid_parameter", "limit"},
        {"hook.list", "{\"limit\": 1001}", "invalid_parameter", "limit"},
        {"hook.retry", "{}", "invalid_parameter", "hook"},
        {"hook.retry", "{\"hook\": \"on_event_\"}", "invalid_parameter", "hook"},
        {"hook.retry", "{\"hook\": \"on_event\", \"sequence\": 0}", "invalid_parameter",
         "sequence"},
        {"hook.retry", "{\"hook\": \"on_event\", \"sequence\": -1}", "invalid_parameter",
         "sequence"},
        {"hook.retry", "{\"hook\": \"on_event\", \"sequence\": 7}", "not_found", NULL},
        {"hook.retry", "{\"hook\": \"on_event\"}", "not_found", NULL},
        {"hook.retry", "{\"hook\": \"on_credits_low\"}", "not_found", NULL},
        {"hook.drop", "{\"hook\": \"on_credits_low\"}", "not_found", NULL},
        {"hook.drop", "{\"sequence\": 1}", "invalid_parameter", "hook"},
        {"hook.drop", "{\"hook\": \"on_credits_low\", \"sequence\": 0}", "invalid_parameter",
         "sequence"},
        {"hook.drop", "{\"hook\": \"on_credits_low\", \"sequence\": 1}", "not_found", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *params = json_loads(cases[i].params, 0, NULL);

        fixture_check_error(harness_call_error(&fixture.client, cases[i].method, "O", params),
                            cases[i].code, cases[i].parameter != NULL ? "parameter" : NULL,
                            cases[i].parameter);
        json_decref(params);
    }
    cr_assert_eq(figure("on_event", "sequence"), 0);
    json_t *result = list("on_event");
    cr_assert_not(harness_bool(json_array_get(json_object_get(result, "hooks"), 0), "configured"));
    json_decref(result);
}

/* --- processes end --- */

HOOK_TEST(what_a_dead_helper_had_is_given_to_the_next, HOOKS)
{
    come();
    low("cus_1");
    (void)expect_run(1, 1);
    harness_connection_deinit(&hook);
    come();
    uint32_t msgid = expect_run(1, 1);
    cr_assert_eq(figure("on_credits_low", "failures"), 0);
    answer(msgid, "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 1);
}

HOOK_TEST(the_latest_helper_wins, HOOKS)
{
    struct harness_connection old;
    struct harness_message message;

    come();
    low("cus_1");
    (void)expect_run(1, 1);
    old = hook;
    hook.fd = -1;
    harness_connect(&hook, fixture.hook_path);
    cr_assert_not(harness_receive(&old, &message), "the old one is still there");
    harness_connection_deinit(&old);
    answer(expect_run(1, 1), "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 1);
}

HOOK_TEST(without_a_helper_nothing_is_taken, HOOKS)
{
    low("cus_1");
    low("cus_1");
    cr_assert_eq(figure("on_credits_low", "waiting"), 2);
    cr_assert_eq(figure("on_credits_low", "running"), 0);
    json_t *row = list("on_credits_low");
    cr_assert_eq(json_array_size(json_object_get(row, "data")), 2);
    cr_assert(
        json_is_null(json_object_get(json_array_get(json_object_get(row, "data"), 0), "message")));
    json_decref(row);
    come();
    answer(expect_run(1, 1), "done", 0, NULL);
    answer(expect_run(2, 1), "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 2);
}

static void start_again(int signal_number)
{
    harness_process_stop(&fixture.serve, signal_number);
    harness_connection_deinit(&hook);
    harness_connection_deinit(&fixture.client);
    fake_sync_stop(&fixture.sync);
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
}

HOOK_TEST(a_killed_serve_goes_on_where_it_was,
          LOW "[hooks]\non_credits_low = /bin/true\nretry_delay = 2s\nretry_delay_max = 2s\n")
{
    come();
    for (int i = 0; i < 2; i++) {
        low("cus_1");
        low("cus_2");
    }
    uint32_t first = expect_run(1, 1), second = expect_run(2, 1);
    answer(first, "done", 0, NULL);
    answer(second, "failed", 1, "no");
    (void)expect_run(3, 1);
    wait_figure("on_credits_low", "delivered", 1);
    wait_figure("on_credits_low", "failures", 1);
    json_decref(harness_call(&fixture.client, "hook.list", "{}")); /* it is durable then */
    start_again(SIGKILL);
    come();
    bool second_came = false, third_came = false;
    while (!second_came || !third_came) {
        struct harness_message message;

        cr_assert(harness_receive(&hook, &message));
        int64_t sequence = harness_int(json_object_get(message.params, "event"), "sequence");
        cr_assert(sequence == 2 || sequence == 3, "event %d", (int)sequence);
        second_came |= sequence == 2;
        third_came |= sequence == 3;
        answer(message.msgid, "done", 0, NULL);
        harness_message_deinit(&message);
    }
    answer(expect_run(4, 1), "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 3);
}

/* Until it takes no more changes. */
static void wait_stopping(void)
{
    struct harness_message message;
    bool refused = false;

    while (!refused) {
        harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                     "product_id", "prod_1", "raw_amount", 1);
        cr_assert(harness_receive(&fixture.client, &message), "it has not waited");
        refused = message.error != NULL;
        if (refused)
            cr_assert_str_eq(harness_text(message.error, "code"), "shutting_down");
        harness_message_deinit(&message);
    }
}

/* What a program is at does not come twice because of a stop. */
HOOK_TEST(a_stop_waits_for_what_is_under_way, HOOKS)
{
    come();
    low("cus_1");
    low("cus_1");
    uint32_t first = expect_run(1, 1);
    kill(fixture.serve.pid, SIGTERM);
    wait_stopping();
    answer(first, "done", 0, NULL);
    cr_assert_eq(harness_process_wait(&fixture.serve), 0);
    harness_connection_deinit(&hook);
    harness_connection_deinit(&fixture.client);
    fake_sync_stop(&fixture.sync);
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
    come();
    answer(expect_run(2, 1), "done", 0, NULL);
    wait_figure("on_credits_low", "sequence", 2);
}

/* More than the window, read back from the store and the journal. */
HOOK_TEST(a_backlog_is_delivered_from_the_disk, "[hooks]\non_event = /bin/true\nconcurrency = 64\n")
{
    enum { COUNT = 600 };
    char user[32], customer[32];

    for (int i = 0; i < COUNT; i++) {
        snprintf(user, sizeof(user), "u_%d", i);
        snprintf(customer, sizeof(customer), "cus_%d", i);
        harness_send(&fixture.client, "customer.link", "{s:s, s:s}", "user_id", user, "customer_id",
                     customer);
    }
    json_decref(harness_call(&fixture.client, "ping", "{}"));
    wait_figure("on_event", "waiting", 200);
    start_again(SIGTERM); /* a clean stop puts all of it into the store */
    come();
    bool seen[COUNT + 1] = {false};
    for (int i = 0; i < COUNT; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&hook, &message));
        const json_t *event = json_object_get(message.params, "event");
        int64_t sequence = harness_int(event, "sequence");
        cr_assert_str_eq(harness_text(event, "type"), "customer.linked");
        cr_assert(sequence >= 1 && sequence <= COUNT && !seen[sequence], "event %d again",
                  (int)sequence);
        seen[sequence] = true;
        answer(message.msgid, "done", 0, NULL);
        harness_message_deinit(&message);
    }
    wait_figure("on_event", "delivered", COUNT);
    cr_assert_eq(figure("on_event", "sequence"), COUNT);
}

/* --- configuration --- */

HOOK_TEST(a_reload_brings_and_takes_hooks, LOW)
{
    struct harness_message message;
    char text[1024];

    come();
    low("cus_1"); /* nobody's */
    snprintf(text, sizeof(text), "[paths]\nstate_directory = %s\n" HOOKS, fixture.state);
    harness_write_file(fixture.config, text);
    kill(fixture.serve.pid, SIGHUP);
    cr_assert(harness_receive(&hook, &message));
    cr_assert_str_eq(message.method, "hook.reload");
    harness_message_deinit(&message);
    low("cus_1");
    answer(expect_run(2, 1), "done", 0, NULL); /* a hook begins with the next event */
    wait_figure("on_credits_low", "delivered", 1);
    snprintf(text, sizeof(text), "[paths]\nstate_directory = %s\n" LOW, fixture.state);
    harness_write_file(fixture.config, text);
    kill(fixture.serve.pid, SIGHUP);
    cr_assert(harness_receive(&hook, &message));
    harness_message_deinit(&message);
    low("cus_1");
    json_t *result = list("on_credits_low");
    cr_assert_not(harness_bool(json_array_get(json_object_get(result, "hooks"), 0), "configured"));
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 0);
    json_decref(result);
}

/* Without one that was passed, and with a hook to run. */
Test(hooks, a_socket_of_its_own)
{
    char config[1024], path[HARNESS_PATH_MAX];
    struct stat status;

    fixture_init(&fixture, NULL);
    harness_path(&fixture.directory, "own.sock", path);
    snprintf(config, sizeof(config), "[paths]\nstate_directory = %s\nhook_socket = %s\n" HOOKS,
             fixture.state, path);
    harness_write_file(fixture.config, config);
    const char *arguments[] = {"--config", fixture.config, NULL};
    const struct harness_start start = {
        .program = "creditd-serve",
        .arguments = arguments,
        .fds = {{"client", fixture.client_fd}, {"sync", fixture.sync_fd}},
        .fd_count = 2,
        .directory = &fixture.directory,
    };
    harness_process_start(&fixture.serve, &start);
    harness_process_wait_ready(&fixture.serve);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
    cr_assert_eq(stat(path, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    harness_connect(&hook, path);
    low("cus_1");
    answer(expect_run(1, 1), "done", 0, NULL);
    wait_figure("on_credits_low", "delivered", 1);
    harness_connection_deinit(&hook);
    fixture_deinit(&fixture);
    cr_assert_neq(access(path, F_OK), 0);
}

/*
 * Events as those who ask for them get them: from a place on, and live, in order and without a gap.
 */
#include "event_helpers.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(events, .fini = teardown, .timeout = 500);

static void restart(int signal)
{
    harness_connection_deinit(&fixture.client);
    fake_sync_stop(&fixture.sync);
    cr_assert_eq(harness_process_stop(&fixture.serve, signal), signal == SIGKILL ? SIGKILL : 0);
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
}

static void check_place(json_t *result, int64_t after, int64_t last)
{
    cr_assert_eq(harness_int(result, "after"), after, "%s", json_dumps(result, 0));
    cr_assert_eq(harness_int(result, "last"), last, "%s", json_dumps(result, 0));
    json_decref(result);
}

FIXTURE_TEST(events, a_subscriber_gets_what_was_and_then_what_comes, &fixture, NULL)
{
    struct harness_connection reader;
    json_t *event, *object, *result;

    for (int i = 1; i <= 3; i++)
        event_make(&fixture.client, i);
    fixture_connect(&fixture, &reader);
    result = harness_call(&reader, "event.subscribe", "{s:i}", "after", 0);
    cr_assert_eq(harness_int(result, "first"), 1);
    cr_assert(json_is_null(json_object_get(result, "subscriber")));
    check_place(result, 0, 3);
    event = event_next(&reader, 1);
    cr_assert_str_eq(harness_text(event, "type"), "customer.linked");
    cr_assert_eq(strncmp(harness_text(event, "id"), "evt_1_1", 8), 0);
    cr_assert_gt(harness_int(event, "created"), 0);
    cr_assert(json_is_false(json_object_get(event, "livemode")));
    object = json_object_get(json_object_get(event, "data"), "object");
    cr_assert_str_eq(harness_text(object, "user_id"), "u_1");
    cr_assert_str_eq(harness_text(object, "customer_id"), "cus_1");
    json_decref(event);
    event_skip(&reader, 2, 3);
    for (int i = 4; i <= 6; i++) {
        event_make(&fixture.client, i);
        json_decref(event_next(&reader, i));
    }
    harness_connection_deinit(&reader);
}

FIXTURE_TEST(events, a_place_and_types_say_which, &fixture, NULL)
{
    struct harness_connection all, low, none;
    json_t *event, *object;

    event_make(&fixture.client, 1);
    event_make(&fixture.client, 2);
    fixture_connect(&fixture, &all);
    fixture_connect(&fixture, &low);
    fixture_connect(&fixture, &none);
    check_place(harness_call(&all, "event.subscribe", "{s:i}", "after", 1), 1, 2);
    check_place(
        harness_call(&low, "event.subscribe", "{s:[s], s:i}", "types", "credits.*", "after", 0), 0,
        2);
    check_place(harness_call(&none, "event.subscribe", "{}"), 2, 2);
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 9950));
    event = event_next(&low, 3);
    cr_assert_str_eq(harness_text(event, "type"), "credits.low");
    object = json_object_get(json_object_get(event, "data"), "object");
    cr_assert_eq(harness_int(object, "balance"), 5);
    cr_assert_eq(harness_int(object, "threshold"), 10);
    cr_assert_eq(harness_int(object, "pending"), 995);
    cr_assert_str_eq(harness_text(object, "customer_id"), "cus_1");
    json_decref(event);
    event_skip(&all, 2, 3);
    event_skip(&none, 3, 3);
    harness_connection_deinit(&all);
    harness_connection_deinit(&low);
    harness_connection_deinit(&none);
}

FIXTURE_TEST(events, a_second_subscription_takes_the_place_of_the_first, &fixture, NULL)
{
    struct harness_connection reader;

    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{s:[s]}", "types", "credits.*"), 0, 0);
    event_make(&fixture.client, 1);
    check_place(harness_call(&reader, "event.subscribe", "{s:i}", "after", 0), 0, 1);
    json_decref(event_next(&reader, 1));
    /* One that is refused leaves the other as it is. */
    fixture_check_error(harness_call_error(&reader, "event.subscribe", "{s:[s]}", "types", "no"),
                        "invalid_parameter", "parameter", "types");
    event_make(&fixture.client, 2);
    json_decref(event_next(&reader, 2));
    harness_connection_deinit(&reader);
}

FIXTURE_TEST(events, a_subscriber_goes_on_from_where_it_was, &fixture, NULL)
{
    struct harness_connection reader;

    event_make(&fixture.client, 1);
    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app"), 1, 1);
    harness_connection_deinit(&reader);
    /* A new one's place is kept from its answer on: it has acknowledged nothing. */
    for (int i = 2; i <= 6; i++)
        event_make(&fixture.client, i);
    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app"), 1, 6);
    event_skip(&reader, 2, 6);
    cr_assert_eq(event_ack(&reader, "app", 4), 4);
    cr_assert_eq(event_ack(&reader, "app", 3), 4, "a place never moves back");
    harness_connection_deinit(&reader);

    restart(SIGKILL);
    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app"), 4, 6);
    event_skip(&reader, 5, 6);
    harness_connection_deinit(&reader);

    restart(SIGTERM);
    fixture_connect(&fixture, &reader);
    check_place(
        harness_call(&reader, "event.subscribe", "{s:s, s:i}", "subscriber", "app", "after", 2), 2,
        6);
    event_skip(&reader, 3, 6);
    harness_connection_deinit(&reader);
}

/* Two processes would both get every event, and move one place. */
FIXTURE_TEST(events, a_name_is_used_by_one_at_a_time, &fixture, NULL)
{
    struct harness_connection first, second;

    fixture_connect(&fixture, &first);
    fixture_connect(&fixture, &second);
    check_place(harness_call(&first, "event.subscribe", "{s:s}", "subscriber", "app"), 0, 0);
    fixture_check_error(
        harness_call_error(&second, "event.subscribe", "{s:s}", "subscriber", "app"), "conflict",
        "parameter", "subscriber");
    check_place(harness_call(&second, "event.subscribe", "{s:s}", "subscriber", "app2"), 0, 0);
    check_place(
        harness_call(&first, "event.subscribe", "{s:s, s:i}", "subscriber", "app", "after", 0), 0,
        0); /* on its own connection it only begins anew */
    event_make(&fixture.client, 1);
    json_decref(event_next(&first, 1));
    /* Acknowledging needs no subscription, and whoever comes back does not find itself. */
    cr_assert_eq(event_ack(&second, "app", 1), 1);
    for (int i = 0; i < 50; i++) {
        harness_connection_deinit(&first);
        fixture_connect(&fixture, &first);
        check_place(harness_call(&first, "event.subscribe", "{s:s}", "subscriber", "app"), 1, 1);
    }
    harness_connection_deinit(&first);
    harness_connection_deinit(&second);
}

/* Several at once, all of them behind: each is read for in its turn. */
FIXTURE_TEST(events, each_reads_from_its_own_place, &fixture, NULL)
{
    struct harness_connection readers[4];

    for (int i = 1; i <= 800; i++)
        event_make(&fixture.client, i);
    restart(SIGTERM);
    for (int i = 0; i < 4; i++) {
        fixture_connect(&fixture, &readers[i]);
        harness_send(&readers[i], "event.subscribe", "{s:i}", "after", 10 + 200 * i);
    }
    for (int i = 0; i < 4; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&readers[i], &message));
        check_place(json_incref(message.result), 10 + 200 * i, 800);
        harness_message_deinit(&message);
        event_skip(&readers[i], 11 + 200 * i, 800);
    }
    event_make(&fixture.client, 801);
    for (int i = 0; i < 4; i++) {
        json_decref(event_next(&readers[i], 801));
        harness_connection_deinit(&readers[i]);
    }
}

/* Whoever acknowledges loses nothing, whenever serve dies. */
FIXTURE_TEST(events, nothing_is_lost_with_the_process, &fixture, NULL)
{
    struct harness_connection reader;
    bool linked[400] = {false}, told[400] = {false};
    int64_t place = 0;
    int made = 0;

    fixture_connect(&fixture, &reader);
    json_decref(harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app"));
    harness_connection_deinit(&reader);
    for (int round = 0; round < 6; round++) {
        struct harness_message message;
        json_t *result;
        int64_t next, last;

        fixture_connect(&fixture, &reader);
        result = harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app");
        cr_assert_eq(harness_int(result, "after"), place);
        last = harness_int(result, "last");
        json_decref(result);
        for (int i = 0; i < 50; i++)
            event_send(&fixture.client, made + i);
        /* Some are told and acknowledged while others are still being made. */
        for (next = place + 1; next <= last + 10 + 5 * round; next++) {
            json_t *event = event_next(&reader, next);
            json_t *object = json_object_get(json_object_get(event, "data"), "object");

            told[strtol(harness_text(object, "user_id") + 2, NULL, 10)] = true;
            json_decref(event);
        }
        place = event_ack(&fixture.client, "app", next - 3); /* its last two are told again */
        cr_assert_eq(place, next - 3);
        harness_process_stop(&fixture.serve, SIGKILL);
        /* An ack's answer came after those of what was sent before it. */
        for (int i = 0; i < 50; i++)
            linked[made + i] = true;
        made += 50;
        while (harness_receive(&fixture.client, &message))
            harness_message_deinit(&message);
        harness_connection_deinit(&reader);
        harness_connection_deinit(&fixture.client);
        fake_sync_stop(&fixture.sync);
        fixture_start_serve(&fixture);
        fake_sync_start(&fixture.sync, fixture.sync_path);
        fixture_connect(&fixture, &fixture.client);
    }
    fixture_connect(&fixture, &reader);
    json_decref(harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app"));
    for (int64_t next = place + 1; next <= made; next++) {
        json_t *event = event_next(&reader, next);
        json_t *object = json_object_get(json_object_get(event, "data"), "object");

        told[strtol(harness_text(object, "user_id") + 2, NULL, 10)] = true;
        json_decref(event);
    }
    for (int i = 0; i < made; i++)
        cr_assert(!linked[i] || told[i], "u_%d was linked, and nobody was told", i);
    harness_connection_deinit(&reader);
}

/* Although whoever linked has its answer: what is told must not be taken back. */
FIXTURE_TEST(events, nothing_is_told_before_it_is_synced, &fixture,
             "durability = interval\ninterval = 60s\n")
{
    struct harness_connection reader;
    json_t *status, *ledger, *list;

    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{}"), 0, 0);
    event_make(&fixture.client, 1);
    status = harness_call(&fixture.client, "status", "{}");
    ledger = json_object_get(status, "ledger");
    cr_assert_lt(harness_int(ledger, "durable_sequence"), harness_int(ledger, "sequence"));
    cr_assert_eq(harness_int(json_object_get(status, "events"), "last"), 1);
    json_decref(status);
    list = harness_call(&fixture.client, "event.list", "{}");
    cr_assert_eq(json_array_size(json_object_get(list, "data")), 0);
    cr_assert_eq(harness_int(list, "last"), 0);
    json_decref(list);
    fixture_check_error(harness_call_error(&fixture.client, "event.ack", "{s:s, s:i}", "subscriber",
                                           "app", "sequence", 1),
                        "invalid_parameter", "parameter", "sequence");
    harness_connection_deinit(&reader);

    restart(SIGTERM); /* which syncs */
    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{s:i}", "after", 0), 0, 1);
    json_decref(event_next(&reader, 1));
    harness_connection_deinit(&reader);
}

/* --- lists --- */

static json_t *list(int after, int limit, const char *type)
{
    return harness_call(&fixture.client, "event.list", "{s:i, s:i, s:[s]}", "after", after, "limit",
                        limit, "types", type);
}

static void check_list(json_t *page, size_t count, int64_t first, bool has_more, int64_t after)
{
    const json_t *data = json_object_get(page, "data");

    cr_assert_eq(json_array_size(data), count, "%s", json_dumps(page, 0));
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(harness_int(json_array_get(data, i), "sequence"), first + (int64_t)i);
    cr_assert_eq(harness_bool(page, "has_more"), has_more, "%s", json_dumps(page, 0));
    cr_assert_eq(harness_int(page, "after"), after, "%s", json_dumps(page, 0));
    cr_assert_str_eq(harness_text(page, "object"), "list");
    json_decref(page);
}

FIXTURE_TEST(events, a_list_is_read_page_by_page, &fixture, NULL)
{
    check_list(harness_call(&fixture.client, "event.list", "{}"), 0, 0, false, 0);
    for (int i = 1; i <= 150; i++)
        event_make(&fixture.client, i);
    check_list(harness_call(&fixture.client, "event.list", "{}"), 50, 1, true, 50);
    check_list(list(0, 100, "*"), 100, 1, true, 100);
    check_list(list(100, 100, "*"), 50, 101, false, 150);
    check_list(list(150, 1, "*"), 0, 0, false, 150);
    check_list(list(149, 1, "customer.linked"), 1, 150, false, 150);
    check_list(list(7, 3, "customer.*"), 3, 8, true, 10);
    check_list(list(0, 100, "credits.low"), 0, 0, false, 150);
    restart(SIGTERM); /* now they are in the store alone */
    check_list(list(7, 3, "customer.*"), 3, 8, true, 10);
    check_list(list(100, 100, "*"), 50, 101, false, 150);
}

/* --- what is no longer there --- */

static int64_t wait_for_gap(int *number)
{
    for (;;) {
        json_t *status = harness_call(&fixture.client, "status", "{}");
        int64_t first = harness_int(json_object_get(status, "events"), "first");

        json_decref(status);
        if (first > 2)
            return first;
        cr_assert_lt(*number, 20000, "%d events, and all of them are kept", *number);
        for (int i = 0; i < 100; i++)
            event_make(&fixture.client, ++*number);
    }
}

static int64_t gap_of(json_t *error)
{
    int64_t oldest = harness_int(json_object_get(error, "data"), "oldest");

    cr_assert_str_eq(harness_text(error, "code"), "gap");
    json_decref(error);
    return oldest;
}

FIXTURE_TEST(events, past_the_retention_there_is_a_gap, &fixture,
             "retention = 0s\ncheckpoint_interval = 10ms\n")
{
    struct harness_connection reader;
    int64_t oldest, after;
    json_t *result;
    int number = 0;

    fixture_connect(&fixture, &reader);
    cr_assert_geq(wait_for_gap(&number), 3);
    oldest = gap_of(harness_call_error(&reader, "event.subscribe", "{s:i}", "after", 1));
    cr_assert_gt(oldest, 2);
    cr_assert_geq(gap_of(harness_call_error(&reader, "event.list", "{s:i}", "after", 1)), oldest);
    /* All there is: it says where that begins. */
    result = harness_call(&reader, "event.subscribe", "{s:i}", "after", 0);
    after = harness_int(result, "after");
    cr_assert_geq(after, oldest - 1);
    cr_assert_eq(harness_int(result, "last"), number);
    json_decref(result);
    event_skip(&reader, after + 1, number);
    harness_connection_deinit(&reader);
    restart(SIGTERM);
    oldest = gap_of(harness_call_error(&fixture.client, "event.list", "{s:i}", "after", 1));
    cr_assert_gt(oldest, after);
    event_make(&fixture.client, ++number);
    check_list(list(number - 1, 1, "*"), 1, number, false, number);
}

/* The latest event's row is never forgotten. Its record goes, and then it is gone like the others.
 */
FIXTURE_TEST(events, the_latest_goes_too, &fixture, "retention = 0s\ncheckpoint_interval = 10ms\n")
{
    struct harness_connection reader;
    int64_t first = 1;

    fixture.sync.grant = 1000000;
    event_make(&fixture.client, 1);
    event_make(&fixture.client, 2);
    event_ack(&fixture.client, "app", 1);
    for (int tries = 0; first < 3; tries++) {
        json_t *status = harness_call(&fixture.client, "status", "{}");

        first = harness_int(json_object_get(status, "events"), "first");
        json_decref(status);
        cr_assert_lt(tries, 200);
        for (int i = 0; i < 100; i++) /* each a record */
            json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}",
                                     "customer_id", "cus_1", "product_id", "prod_1", "raw_amount",
                                     10));
    }
    fixture_connect(&fixture, &reader);
    cr_assert_eq(
        gap_of(harness_call_error(&reader, "event.subscribe", "{s:s}", "subscriber", "app")), 3);
    check_place(harness_call(&reader, "event.subscribe", "{s:i}", "after", 0), 2, 2);
    event_make(&fixture.client, 3);
    json_decref(event_next(&reader, 3));
    harness_connection_deinit(&reader);

    restart(SIGKILL);
    fixture_wait_status(&fixture, "events.first", 3); /* found out when it starts */
    check_list(list(2, 1, "*"), 1, 3, false, 3);
}

static int64_t lost(void)
{
    json_t *status = harness_call(&fixture.client, "status", "{}");
    int64_t count = harness_int(json_object_get(status, "events"), "lost");

    json_decref(status);
    return count;
}

/* Neither a subscriber nor a hook: where the journal is as large as it may be, the oldest goes. */
FIXTURE_TEST(events, who_does_not_read_does_not_fill_the_disk, &fixture,
             "retention_size = 2MiB\ncheckpoint_interval = 10ms\n[hooks]\non_event = /bin/true\n")
{
    struct harness_connection reader;
    int64_t oldest;
    int number = 0;
    char *log;

    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{s:s}", "subscriber", "app"), 0, 0);
    harness_connection_deinit(&reader);
    cr_assert_eq(lost(), 0);
    cr_assert_geq(wait_for_gap(&number), 3);
    fixture_connect(&fixture, &reader);
    oldest = gap_of(harness_call_error(&reader, "event.subscribe", "{s:s}", "subscriber", "app"));
    cr_assert_gt(oldest, 2);
    cr_assert_geq(lost(), oldest - 1);
    log = harness_process_log(&fixture.serve);
    cr_assert_not_null(strstr(log, "the journal has reached retention_size"));
    free(log);
    harness_connection_deinit(&reader);
}

/* --- those who do not read --- */

static int64_t count_until_end(struct harness_connection *reader)
{
    struct harness_message message;
    int64_t count = 0;

    while (harness_receive(reader, &message)) {
        cr_assert_eq(harness_int(message.params, "sequence"), ++count);
        harness_message_deinit(&message);
    }
    return count;
}

FIXTURE_TEST(events, who_does_not_read_is_cut_off_and_resumes, &fixture,
             "[limits]\nevent_lag = 100\nidle_time = 24h\n")
{
    struct harness_connection slow, fast;
    struct harness_message message;
    int64_t got;
    int number = 0;

    fixture_connect(&fixture, &slow);
    fixture_connect(&fixture, &fast);
    check_place(harness_call(&slow, "event.subscribe", "{s:s}", "subscriber", "slow"), 0, 0);
    check_place(harness_call(&fast, "event.subscribe", "{}"), 0, 0);
    while (number < 6000) { /* more than the sockets hold */
        for (int i = 0; i < 200; i++)
            event_send(&fixture.client, ++number);
        event_skip(&fast, number - 199, number);
        for (int i = 0; i < 200; i++) {
            cr_assert(harness_receive(&fixture.client, &message));
            harness_message_deinit(&message);
        }
    }
    got = count_until_end(&slow);
    cr_assert_gt(got, 0);
    cr_assert_lt(got, number);
    harness_connection_deinit(&slow);
    fixture_connect(&fixture, &slow);
    check_place(harness_call(&slow, "event.subscribe", "{s:s, s:I}", "subscriber", "slow", "after",
                             (json_int_t)got),
                got, number);
    event_skip(&slow, got + 1, number);
    event_ack(&slow, "slow", number);
    harness_connection_deinit(&slow);
    harness_connection_deinit(&fast);
}

FIXTURE_TEST(events, who_waits_for_events_is_not_idle, &fixture, "[limits]\nidle_time = 2s\n")
{
    struct harness_connection reader, idle;
    struct harness_message message;

    fixture_connect(&fixture, &reader);
    check_place(harness_call(&reader, "event.subscribe", "{}"), 0, 0);
    fixture_connect(&fixture, &idle);
    cr_assert_not(harness_receive(&idle, &message), "it is idle, and goes");
    harness_connection_deinit(&idle);
    fixture_connect(&fixture, &idle);
    event_make(&idle, 1);
    json_decref(event_next(&reader, 1));
    harness_connection_deinit(&idle);
    harness_connection_deinit(&reader);
}

/* However many pages others look at, who follows has every second reading of the ledger. */
FIXTURE_TEST(events, who_looks_does_not_hold_up_who_follows, &fixture, NULL)
{
    enum { PAGES = 24, PAGE = 64, LAST = 2 * PAGES * PAGE };
    struct harness_connection reader;
    struct harness_message message;
    int64_t seen = 0;
    int answers = 0;

    for (int number = 1; number <= LAST; number++)
        event_send(&fixture.client, number);
    for (int number = 1; number <= LAST; number++) {
        cr_assert(harness_receive(&fixture.client, &message));
        harness_message_deinit(&message);
    }
    fixture_connect(&fixture, &reader);
    harness_send(&reader, "event.subscribe", "{s:i}", "after", 0);
    for (int page = 0; page < PAGES; page++)
        harness_send(&reader, "event.list", "{s:i, s:i}", "after", LAST - (page + 1) * PAGE,
                     "limit", 1);
    while (seen < 10 * PAGE) {
        cr_assert(harness_receive(&reader, &message));
        if (message.type == 2)
            cr_assert_eq(harness_int(message.params, "sequence"), ++seen);
        else
            answers++;
        harness_message_deinit(&message);
    }
    cr_assert_leq(answers, 1 + 12, "subscribe's, and as many as there were pages");
    harness_connection_deinit(&reader);
}

/* --- refusals --- */

FIXTURE_TEST(events, what_is_wrong_is_named, &fixture, NULL)
{
    static const struct {
        const char *method, *params, *parameter;
    } cases[] = {
        {"event.subscribe", "{\"types\": []}", "types"},
        {"event.subscribe", "{\"types\": \"*\"}", "types"},
        {"event.subscribe", "{\"types\": [\"credits.high\"]}", "types"},
        {"event.subscribe", "{\"types\": [\"*\", 7]}", "types"},
        {"event.subscribe", "{\"after\": -1}", "after"},
        {"event.subscribe", "{\"after\": \"1\"}", "after"},
        {"event.subscribe", "{\"subscriber\": \"a b\"}", "subscriber"},
        {"event.subscribe", "{\"subscriber\": \"\"}", "subscriber"},
        {"event.ack", "{\"subscriber\": \"a\"}", "sequence"},
        {"event.ack", "{\"sequence\": 1}", "subscriber"},
        {"event.ack", "{\"subscriber\": \"a\", \"sequence\": -1}", "sequence"},
        {"event.ack", "{\"subscriber\": \"a\", \"sequence\": 3}", "sequence"},
        {"event.list", "{\"limit\": 0}", "limit"},
        {"event.list", "{\"limit\": 101}", "limit"},
        {"event.list", "{\"after\": 1.5}", "after"},
        {"event.list", "{\"types\": [\"*.*\"]}", "types"},
    };

    event_make(&fixture.client, 1);
    event_make(&fixture.client, 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *params = json_loads(cases[i].params, 0, NULL);

        cr_assert_not_null(params);
        fixture_check_error(harness_call_error(&fixture.client, cases[i].method, "O", params),
                            "invalid_parameter", "parameter", cases[i].parameter);
        json_decref(params);
    }
    cr_assert_eq(event_ack(&fixture.client, "a", 2), 2);
}

FIXTURE_TEST(events, a_type_that_is_none_is_named, &fixture, NULL)
{
    static const struct {
        const char *types, *told;
    } cases[] = {
        {"[\"credits.*\", \"credits.high\", \"low\"]",
         "no event type \"credits.high\": types must be"},
        {"[\"*\", \""
         "0123456789012345678901234567890123456789"
         "andmore\"]",
         "\"0123456789012345678901234567890123456789\":"},
        {"[\"credits.l\\u001b\"]", NULL}, /* not to a terminal */
        {"[\"\"]", NULL},
        {"[7, \"low\"]", NULL},
        {"{}", NULL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *error = harness_call_error(&fixture.client, "event.list", "{s:o}", "types",
                                           json_loads(cases[i].types, 0, NULL));
        const char *message = harness_text(error, "message");

        if (cases[i].told != NULL)
            cr_expect_not_null(strstr(message, cases[i].told), "%s", message);
        else
            cr_expect_eq(strncmp(message, "types must be", 13), 0, "%s", message);
        fixture_check_error(error, "invalid_parameter", "parameter", "types");
    }
}

FIXTURE_TEST(events, a_user_has_so_many_subscribers, &fixture, NULL)
{
    char name[16];

    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        cr_assert_eq(event_ack(&fixture.client, name, 0), 0);
    }
    fixture_check_error(
        harness_call_error(&fixture.client, "event.subscribe", "{s:s}", "subscriber", "one_more"),
        "quota_exceeded", "quota", "subscribers");
    json_decref(harness_call(&fixture.client, "event.subscribe", "{s:s}", "subscriber", "s63"));
    json_decref(harness_call(&fixture.client, "event.unsubscribe", "{s:s}", "subscriber", "s7"));
    json_decref(
        harness_call(&fixture.client, "event.subscribe", "{s:s}", "subscriber", "one_more"));
}

FIXTURE_TEST(events, a_name_can_be_forgotten, &fixture, NULL)
{
    json_t *result;

    event_make(&fixture.client, 1);
    event_make(&fixture.client, 2);
    cr_assert_eq(event_ack(&fixture.client, "app", 1), 1);
    result = harness_call(&fixture.client, "event.unsubscribe", "{s:s}", "subscriber", "app");
    cr_assert_str_eq(harness_text(result, "subscriber"), "app");
    cr_assert_eq(harness_int(result, "sequence"), 1);
    json_decref(result);
    restart(SIGKILL);
    fixture_check_error(
        harness_call_error(&fixture.client, "event.unsubscribe", "{s:s}", "subscriber", "app"),
        "not_found", NULL, NULL);
    check_place(harness_call(&fixture.client, "event.subscribe", "{s:s}", "subscriber", "app"), 2,
                2);
}

/* A session is a user's, and events are everybody's. Places are their user's. */
Test(events, reading_takes_a_role)
{
    struct harness_connection reader, stranger;

    if (geteuid() != 0)
        cr_skip_test("only root can be another user");
    fixture_start(&fixture, "[access]\nread = 12345\n");
    cr_assert_eq(chmod(fixture.directory.path, 0711), 0);
    cr_assert_eq(chmod(fixture.client_path, 0666), 0);
    cr_assert_eq(seteuid(12345), 0);
    fixture_connect(&fixture, &reader);
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(seteuid(12347), 0);
    fixture_connect(&fixture, &stranger);
    cr_assert_eq(seteuid(0), 0);

    event_make(&fixture.client, 1);
    for (size_t i = 0; i < 3; i++) {
        static const char *const methods[] = {"event.subscribe", "event.ack", "event.list"};

        fixture_check_error(harness_call_error(&stranger, methods[i], "{s:s, s:s, s:i}", "session",
                                               "valid:u_1", "subscriber", "a", "sequence", 0),
                            "permission_denied", "role", "read");
    }
    cr_assert_eq(event_ack(&fixture.client, "app", 1), 1);
    check_place(
        harness_call(&reader, "event.subscribe", "{s:s, s:i}", "subscriber", "app", "after", 0), 0,
        1);
    json_decref(event_next(&reader, 1));
    cr_assert_eq(event_ack(&reader, "app", 0), 0, "another user's place");

    /* What it may do is asked again with each page. */
    harness_write_file(fixture.config, "[ledger]\nsegment_size = 1MiB\n");
    kill(fixture.serve.pid, SIGHUP);
    fake_sync_wait(&fixture.sync.reloads, 1);
    event_make(&fixture.client, 2);
    cr_assert_eq(count_until_end(&reader), 0);
    harness_connection_deinit(&reader);
    harness_connection_deinit(&stranger);
    fixture_deinit(&fixture);
}

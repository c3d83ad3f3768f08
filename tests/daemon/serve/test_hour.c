/*
 * StellarTools is away for an hour, by a clock that the test moves (../time_shift.c). What is known
 * is answered, and said to be old; deductions go on within the configured limits; what would change
 * something there is refused and not queued, but for creates, which are brought to their end; and
 * afterwards both sides agree.
 */
#include "event_helpers.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fixture fixture;
static volatile int64_t *shift;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(hour, .fini = teardown, .timeout = 500);

#define CONFIG(cold_timeout)                                                                       \
    "[credits]\npush_interval = 50ms\nrefresh_interval = 60s\nin_doubt_delay = 100ms\n"            \
    "cold_timeout = " cold_timeout "\nmax_offline_spend = 20\nmax_offline_time = 47m\n"            \
    "[limits]\nupstream_turns_per_customer = 1000\nupstream_turns_per_user = 1000\n"

#define call(...) harness_call(&fixture.client, __VA_ARGS__)
#define assert_refused(code, ...)                                                                  \
    fixture_check_error(harness_call_error(&fixture.client, __VA_ARGS__), code, NULL, NULL)

/* --- the clock --- */

static void map_shift(char path[HARNESS_PATH_MAX])
{
    int fd;

    harness_path(&fixture.directory, "shift", path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && ftruncate(fd, sizeof(*shift)) == 0);
    shift = mmap(NULL, sizeof(*shift), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    cr_assert_neq((void *)shift, MAP_FAILED);
    close(fd);
}

static void start(void)
{
    const char *arguments[] = {"--config", fixture.config, NULL};
    char path[HARNESS_PATH_MAX], file[HARNESS_PATH_MAX + 16], library[4096];
    const char *environment[] = {file, library, NULL};
    const struct harness_start start = {
        .program = "creditd-serve",
        .arguments = arguments,
        .environment = environment,
        .fds = {{"client", fixture.client_fd}, {"sync", fixture.sync_fd}},
        .fd_count = 2,
        .directory = &fixture.directory,
    };

    cr_assert_not_null(getenv("TIME_SHIFT_LIBRARY"));
    map_shift(path);
    snprintf(file, sizeof(file), "TIME_SHIFT=%s", path);
    snprintf(library, sizeof(library), "LD_PRELOAD=%s", getenv("TIME_SHIFT_LIBRARY"));
    fixture_allow_preload();
    harness_process_start(&fixture.serve, &start);
    harness_process_wait_ready(&fixture.serve);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
}

/* A request that needs the time makes serve look at the clock, and its engine at what is due by the
 * end of that turn: before the next one. */
static void pass_minutes(int minutes)
{
    *shift += (int64_t)minutes * 60000;
    for (int i = 0; i < 2; i++)
        json_decref(call("status", "{}"));
}

/* --- what is done in between --- */

static json_t *consume(int raw_amount)
{
    return json_pack("{s:s, s:s, s:i}", "customer_id", "cus_1", "product_id", "prod_1",
                     "raw_amount", raw_amount);
}

static void spend(void)
{
    json_t *params = consume(10);

    json_decref(call("credits.consume", "O", params));
    json_decref(params);
}

static void cannot_spend(int raw_amount)
{
    json_t *params = consume(raw_amount);

    assert_refused("offline_limit", "credits.consume", "O", params);
    json_decref(params);
}

static void expect_old(json_t *object, int64_t since, const char *key, const char *value)
{
    cr_expect(harness_bool(object, "stale"));
    cr_expect_leq(harness_int(object, "synced_at"), since);
    if (key != NULL)
        cr_expect_str_eq(harness_text(object, key), value);
    json_decref(object);
}

static void reads_are_answered(int64_t since)
{
    json_t *list = call("subscription.list", "{s:s}", "customer_id", "cus_1");

    cr_expect_eq(json_array_size(json_object_get(list, "data")), 1);
    expect_old(list, since, NULL, NULL);
    expect_old(call("customer.retrieve", "{s:s}", "customer_id", "cus_1"), since, "email", "a");
    expect_old(call("subscription.retrieve", "{s:s, s:s}", "customer_id", "cus_1",
                    "subscription_id", "sub_1"),
               since, "status", "active");
    expect_old(call("access.check", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1"),
               since, NULL, NULL);
    expect_old(
        call("credits.balance", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1"),
        since, NULL, NULL);
}

static void writes_are_refused(void)
{
    assert_refused("upstream_unavailable", "customer.update", "{s:s, s:s}", "customer_id", "cus_1",
                   "name", "queued?");
    assert_refused("upstream_unavailable", "subscription.cancel", "{s:s, s:s}", "customer_id",
                   "cus_1", "subscription_id", "sub_1");
    assert_refused("upstream_unavailable", "customer.retrieve", "{s:s}", "customer_id", "cus_9");
}

/* Somebody else goes on at StellarTools meanwhile. */
static void change_upstream(void)
{
    pthread_mutex_lock(&fixture.sync.lock);
    json_object_set_new(json_array_get(fixture.sync.customers, 0), "email", json_string("b"));
    json_object_set_new(json_array_get(fixture.sync.subscriptions, 0), "status",
                        json_string("canceled"));
    pthread_mutex_unlock(&fixture.sync.lock);
}

static json_t *create_again(void)
{
    json_t *params = json_pack("{s:s, s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_2",
                               "idempotency_key", "k"),
           *object = NULL;

    for (int waited = 0; object == NULL && waited < HARNESS_TIMEOUT_MS; waited += 10) {
        struct harness_message message;

        poll(NULL, 0, 10);
        harness_send(&fixture.client, "subscription.create", "O", params);
        cr_assert(harness_receive(&fixture.client, &message));
        object = message.result != NULL ? json_incref(message.result) : NULL;
        harness_message_deinit(&message);
    }
    json_decref(params);
    cr_assert_not_null(object);
    return object;
}

static void expect_agreement(int64_t spent)
{
    json_t *customer, *list, *balance;

    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_expect_eq(fake_sync_consumed(&fixture.sync), spent);
    balance = call("credits.balance", "{s:s, s:s, s:b}", "customer_id", "cus_1", "product_id",
                   "prod_1", "fresh", 1);
    cr_expect_eq(harness_int(balance, "balance"), 1000 - spent);
    cr_expect_not(harness_bool(balance, "stale"));
    json_decref(balance);
    customer = call("customer.retrieve", "{s:s, s:b}", "customer_id", "cus_1", "fresh", 1);
    cr_expect_str_eq(harness_text(customer, "email"), "b");
    cr_expect_str_eq(harness_text(customer, "name"), "N");
    cr_expect_not(harness_bool(customer, "stale"));
    json_decref(customer);
    list = call("subscription.list", "{s:s, s:b}", "customer_id", "cus_1", "fresh", 1);
    cr_expect_eq(json_array_size(json_object_get(list, "data")), 2);
    cr_expect_not(harness_bool(list, "stale"));
    json_decref(list);
}

static void count_events(const char *type, size_t expected)
{
    json_t *page = call("event.list", "{s:[s]}", "types", type);

    cr_expect_eq(json_array_size(json_object_get(page, "data")), expected, "%s", type);
    json_decref(page);
}

static void know_all(int64_t *ret_now)
{
    json_t *customer;

    fake_add_customer(&fixture.sync, "cus_1", "a");
    fake_add_subscription(&fixture.sync, "sub_1", "cus_1");
    json_decref(call("subscription.list", "{s:s}", "customer_id", "cus_1"));
    json_decref(call("access.check", "{s:s, s:s}", "customer_id", "cus_1", "product_id", "prod_1"));
    spend();
    fixture_wait_status(&fixture, "pending.credits", 0);
    json_decref(call("credits.balance", "{s:s, s:s, s:b}", "customer_id", "cus_1", "product_id",
                     "prod_1", "fresh", 1));
    customer = call("customer.retrieve", "{s:s}", "customer_id", "cus_1");
    cr_assert_not(harness_bool(customer, "stale"));
    *ret_now = harness_int(customer, "synced_at");
    json_decref(customer);
}

Test(hour, without_stellartools)
{
    int64_t since, spent = 1;
    json_t *created;

    fixture_init(&fixture, CONFIG("5s"));
    start();
    know_all(&since);
    /* Nobody waits long for what does not come; the first one as long as those before it might. */
    fixture_reload(&fixture, CONFIG("200ms"));
    fixture.sync.unreachable = true;
    for (int minutes = 5; minutes <= 60; minutes += 5) {
        pass_minutes(5);
        reads_are_answered(since);
        if (minutes < 47) {
            spend();
            spent++;
        } else {
            cannot_spend(10);
        }
        cannot_spend(200);
        if (minutes % 20 == 0)
            writes_are_refused();
        if (minutes == 30)
            assert_refused("upstream_unavailable", "subscription.create", "{s:s, s:s, s:s}",
                           "customer_id", "cus_1", "product_id", "prod_2", "idempotency_key", "k");
    }
    cr_assert_eq(fixture.sync.updates, 0);
    cr_assert_eq(fixture.sync.creates, 0);

    change_upstream();
    fixture.sync.unreachable = false;
    pass_minutes(1);
    created = create_again();
    fixture_reload(&fixture, CONFIG("60s"));
    cr_expect_str_eq(harness_text(created, "product_id"), "prod_2");
    json_decref(created);
    expect_agreement(spent);
    cr_assert_eq(fixture.sync.updates, 0, "nothing that was refused has been queued");
    cr_assert_eq(fixture.sync.creates, 1);
    count_events("customer.updated", 1);
    count_events("subscription.canceled", 1);
    count_events("subscription.created", 1);
    json_decref(call("customer.update", "{s:s, s:s}", "customer_id", "cus_1", "name", "M"));
    cr_assert_eq(fixture.sync.updates, 1);
    munmap((void *)shift, sizeof(*shift));
    fixture_deinit(&fixture);
}

/* A write that is asked for while StellarTools is in trouble is sent as soon as it answers again,
 * though nobody reads anything. */
Test(hour, a_write_finds_out_itself)
{
    struct harness_message message;
    int64_t since;

    fixture_init(&fixture, "[credits]\npush_interval = 50ms\ncold_timeout = 60s\n");
    start();
    know_all(&since);
    fixture.sync.unreachable = true;
    pass_minutes(5);
    json_decref(call("customer.retrieve", "{s:s}", "customer_id", "cus_1"));
    fixture_wait_status(&fixture, "upstream.reachable", 0);
    harness_send(&fixture.client, "customer.update", "{s:s, s:s}", "customer_id", "cus_1", "name",
                 "M");
    json_decref(call("ping", "{}"));
    fixture.sync.unreachable = false;
    cr_assert(harness_receive(&fixture.client, &message));
    cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
    cr_assert_str_eq(harness_text(message.result, "name"), "M");
    harness_message_deinit(&message);
    munmap((void *)shift, sizeof(*shift));
    fixture_deinit(&fixture);
}

/* So many have been recorded: the answer may come a moment earlier, and a day must not pass in
 * between. */
static void wait_refunds(size_t count)
{
    size_t found = 0;

    while (found < count) {
        json_t *list = call("event.list", "{s:[s]}", "types", "refund.created");

        found = json_array_size(json_object_get(list, "data"));
        json_decref(list);
    }
}

static void refund(const char *key, const char *id)
{
    json_t *refund = call("refund.create", "{s:s, s:s, s:s}", "customer_id", "cus_1", "payment_id",
                          "pay_1", "idempotency_key", key);

    cr_assert_str_eq(harness_text(refund, "id"), id);
    json_decref(refund);
}

static void tell_failed(const char *webhook, const char *id)
{
    char body[300];

    snprintf(body, sizeof(body),
             "{\"id\": \"%s\", \"type\": \"refund.failed\", \"data\": {\"object\": {\"id\": "
             "\"%s\", \"payment_id\": \"pay_1\", \"seen\": \"%s\"}}}",
             webhook, id, webhook);
    json_decref(call("webhook.deliver", "{s:s, s:s}", "body", body, "signature", "good"));
}

/* By then what was asked for is forgotten; what was given back is not. */
Test(hour, a_day_later_a_payment_is_still_given_back_once)
{
    static const char *const keys[] = {"one", "two"};

    fixture_init(&fixture, CONFIG("60s"));
    start();
    refund("one", "rf_1");
    tell_failed("wh_1", "rf_1");
    refund("two", "rf_2");
    tell_failed("wh_2", "rf_1"); /* again: of the one before */
    wait_refunds(2);
    pass_minutes(25 * 60);
    for (size_t i = 0; i < 2; i++)
        fixture_check_error(harness_call_error(&fixture.client, "refund.create", "{s:s, s:s, s:s}",
                                               "customer_id", "cus_1", "payment_id", "pay_1",
                                               "idempotency_key", keys[i]),
                            "conflict", "refund_id", "rf_2");
    cr_assert_eq(fixture.sync.creates, 2);
    munmap((void *)shift, sizeof(*shift));
    fixture_deinit(&fixture);
}

/* --- what a subscriber keeps --- */

static int64_t first_event(void)
{
    json_t *status = call("status", "{}");
    int64_t first = harness_int(json_object_get(status, "events"), "first");

    json_decref(status);
    return first;
}

/* Its place holds back what it has not acknowledged, however old, while it moves; and only that. */
Test(hour, what_a_subscriber_needs_is_kept)
{
    int number = 0;

    fixture_init(&fixture, "retention = 60m\ncheckpoint_interval = 10ms\n");
    start();
    cr_assert_eq(event_ack(&fixture.client, "app", 0), 0);
    while (number < 1500) /* some segments */
        event_make(&fixture.client, ++number);
    pass_minutes(50);
    cr_assert_eq(event_ack(&fixture.client, "app", 1), 1);
    pass_minutes(50);
    for (int i = 0; i < 1500; i++)
        event_make(&fixture.client, ++number);
    cr_assert_eq(first_event(), 1, "it moved fifty minutes ago");
    pass_minutes(20);
    for (int tries = 0; tries < 3000 && first_event() <= 2; tries++)
        event_make(&fixture.client, ++number);
    cr_assert_gt(first_event(), 2, "it has not moved for an hour");
    fixture_deinit(&fixture);
}

/*
 * Without StellarTools: spending goes on, says how old its knowledge is, and ends where the
 * configuration says. Without a valid key the same, until a new one is read.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <util/clock.h>

#define BALANCE 1000LL

static struct house house;
static struct harness_connection client;

static void teardown(void)
{
    harness_connection_deinit(&client);
    house_deinit(&house);
}

TestSuite(offline, .fini = teardown, .timeout = 500);

static void start(const char *settings)
{
    house_start(&house, 3, BALANCE, settings);
    harness_connect(&client, house.socket);
}

static void end(void)
{
    harness_connection_deinit(&client);
    house_deinit(&house);
}

static void order(const char *faults)
{
    sandbox_order(&house.sandbox, faults);
}

#define CONSUME "{s:s, s:s, s:i}"
#define WHAT(customer, amount)                                                                     \
    "customer_id", customer, "product_id", HOUSE_PRODUCT, "raw_amount", amount

static json_t *consume(const char *customer, int amount)
{
    return harness_call(&client, "credits.consume", CONSUME, WHAT(customer, amount));
}

static void spend(const char *customer, int amount)
{
    json_decref(consume(customer, amount));
}

static void check_refused(const char *customer, int amount, const char *code)
{
    json_t *error = harness_call_error(&client, "credits.consume", CONSUME, WHAT(customer, amount));

    cr_assert_str_eq(harness_text(error, "code"), code);
    json_decref(error);
}

/* How often the log of what runs has it. */
static int count_told(const char *words)
{
    char *log = harness_process_log(&house.creditd);
    int count = 0;

    cr_assert_not_null(log);
    for (const char *at = log; (at = strstr(at, words)); at += strlen(words))
        count++;
    free(log);
    return count;
}

static void wait_told(const char *words, int times)
{
    while (count_told(words) < times) /* until the test's time is over */
        pause_ms(10);
    cr_expect_eq(count_told(words), times, "%s", words);
}

Test(offline, spending_goes_on_and_becomes_stale)
{
    json_t *result;
    int64_t synced_at;
    bool stale = false;
    int spent = 1;

    start("push_interval = 100ms\nrefresh_interval = 300ms\nin_doubt_delay = 500ms\n");
    result = consume("cus_0", 1);
    cr_assert_not(harness_bool(result, "stale"));
    json_decref(result);
    house_converge(&house);
    order("{\"down\": true}");
    for (; !stale && spent < 900; spent++) {
        result = consume("cus_0", 1);
        stale = harness_bool(result, "stale");
        cr_assert_eq(harness_int(result, "balance"), BALANCE - spent - 1);
        json_decref(result);
        pause_ms(10);
    }
    cr_assert(stale);
    house_wait_true(&house, "upstream.reachable", false);
    synced_at = house_balance(&house, "cus_0", "synced_at");
    spend("cus_0", 1);
    spent++;
    cr_assert_eq(house_balance(&house, "cus_0", "synced_at"), synced_at);
    order("{\"down\": false}");
    house_converge(&house);
    house_wait_true(&house, "upstream.reachable", true);
    for (int waited = 0; stale && waited < HARNESS_TIMEOUT_MS; waited += 5) {
        pause_ms(5);
        result = consume("cus_0", 1);
        stale = harness_bool(result, "stale");
        json_decref(result);
        spent++;
    }
    cr_assert_not(stale);
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, spent);
    end();
}

/* What is unknown upstream counts, from the last word on; a reading ends it. */
Test(offline, max_offline_spend_is_the_end_of_it)
{
    start("push_interval = 100ms\nrefresh_interval = 300ms\nin_doubt_delay = 500ms\n"
          "max_offline_spend = 100\n");
    spend("cus_0", 1);
    house_converge(&house);
    order("{\"down\": true}");
    spend("cus_0", 60); /* notices that nobody is there */
    house_wait_true(&house, "upstream.reachable", false);
    spend("cus_0", 40);
    check_refused("cus_0", 1, "offline_limit");
    cr_assert_eq(house_balance(&house, "cus_0", "balance"), BALANCE - 101);
    order("{\"down\": false}");
    house_converge(&house);
    spend("cus_0", 10);
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, 111);
    end();
}

/* How long after the last word from StellarTools the deduction is refused; -1: it is not. */
static int64_t refused_after_ms(const char *customer)
{
    struct harness_message message;
    int64_t after = -1;

    harness_send(&client, "credits.consume", CONSUME, WHAT(customer, 1));
    cr_assert(harness_receive(&client, &message));
    if (message.error != NULL) {
        cr_assert_str_eq(harness_text(message.error, "code"), "offline_limit");
        after = clock_wall_ms() - harness_int(json_object_get(message.error, "data"), "synced_at");
    }
    harness_message_deinit(&message);
    return after;
}

Test(offline, max_offline_time_is_the_end_of_it)
{
    long long spent = 1;
    int64_t after;

    start("push_interval = 100ms\nrefresh_interval = 300ms\nin_doubt_delay = 500ms\n"
          "max_offline_time = 4s\n");
    spend("cus_0", 1);
    house_converge(&house);
    order("{\"down\": true}");
    for (int waited = 0; (after = refused_after_ms("cus_0")) < 0; waited += 20) {
        spent++;
        cr_assert_lt(waited, HARNESS_TIMEOUT_MS, "it goes on for ever");
        pause_ms(20);
    }
    cr_assert_geq(after, 3900, "not before its time");
    order("{\"down\": false}");
    house_converge(&house);
    spend("cus_0", 1);
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, spent + 1);
    end();
}

static void spend_in_the_end(const char *customer)
{
    struct harness_message message;
    bool refused = true;

    for (int64_t end = now_ms() + HARNESS_TIMEOUT_MS; refused && now_ms() < end;) {
        harness_send(&client, "credits.consume", CONSUME, WHAT(customer, 1));
        cr_assert(harness_receive(&client, &message));
        refused = message.error != NULL;
        if (refused)
            cr_assert_str_eq(harness_text(message.error, "code"), "upstream_unavailable");
        harness_message_deinit(&message);
    }
    cr_assert_not(refused);
}

Test(offline, a_balance_that_was_never_seen_is_unavailable)
{
    int64_t began;

    start("push_interval = 100ms\ncold_timeout = 3s\n");
    order("{\"hang\": 1, \"only\": \"balance\"}");
    began = now_ms();
    check_refused("cus_0", 1, "upstream_unavailable");
    cr_assert_geq(now_ms() - began, 2900);
    order("{\"reset\": true}");
    order("{\"down\": true}");
    check_refused("cus_1", 1, "upstream_unavailable");
    wait_told("nothing is pushed until it does", 1);
    order("{\"down\": false}");
    spend_in_the_end("cus_1"); /* who asks finds out that it is there again */
    wait_told("StellarTools answers again", 1);
    house_converge(&house);
    cr_assert_eq(house_judge(&house).credits, 1);
    end();
}

/* The words in status.upstream.paused; "" where it is null. */
static void paused(char *word, size_t size)
{
    json_t *status = harness_call(&client, "status", "{}");
    const json_t *value = json_object_get(json_object_get(status, "upstream"), "paused");

    snprintf(word, size, "%s", json_is_string(value) ? json_string_value(value) : "");
    json_decref(status);
}

static void wait_paused(const char *wanted)
{
    char word[64];

    for (int waited = 0; waited < HARNESS_TIMEOUT_MS; waited += 10) {
        paused(word, sizeof(word));
        if (strcmp(word, wanted) == 0)
            return;
        pause_ms(10);
    }
    cr_assert_fail("paused is \"%s\", not \"%s\"", word, wanted);
}

Test(offline, P7_a_refused_key_pauses_until_a_new_one_is_read)
{
    start("push_interval = 100ms\nrefresh_interval = 300ms\nin_doubt_delay = 500ms\n");
    spend("cus_0", 1);
    house_converge(&house);
    harness_write_file(house.key, "sk_test-revoked\n"); /* of the same kind: see creditctl(1) */
    cr_assert_eq(kill(house.creditd.pid, SIGHUP), 0);
    while (sandbox_request_count(&house.sandbox, "by_status", "401") == 0) {
        spend("cus_0", 1);
        pause_ms(20);
    }
    wait_paused("unauthorized");
    spend("cus_0", 5); /* serving goes on */
    cr_assert_gt(house_status(&house, "pending.credits"), 0);
    wait_told("the API key is refused (HTTP 401: ", 1);
    cr_assert_eq(kill(house.creditd.pid, SIGHUP), 0); /* it is the same one still */
    wait_told("the API key is refused (HTTP 401: ", 2);
    harness_write_file(house.key, "sk_test_2\n");
    cr_assert_eq(kill(house.creditd.pid, SIGHUP), 0);
    wait_paused("");
    house_converge(&house);
    wait_told("the API key is taken again", 1);
    cr_assert_eq(house_judge(&house).credits, BALANCE - house_balance(&house, "cus_0", "balance"));
    end();
}

/*
 * credits.transactions asked for far more often than histories can be walked: everybody else is
 * served as before, and an end does not wait for it. What was done before what is told by the order
 * of answers: a ping's overtakes those that wait.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#define DEDUCTIONS 4000
#define ASKED 1000 /* less than may be in flight */

static struct fixture fixture;
static struct harness_connection greedy;

static void teardown(void)
{
    harness_connection_deinit(&greedy);
    fixture_deinit(&fixture);
}

TestSuite(histories, .fini = teardown, .timeout = 500);

#define HISTORIES_TEST(name, extra)                                                                \
    FIXTURE_TEST(histories, name, &fixture,                                                        \
                 "[credits]\npush_interval = 1h\ncold_timeout = 60s\n" extra)

/* A history that takes a while to walk, and a connection that will have it walked. */
static void fill(void)
{
    struct harness_message message;

    fixture.sync.grant = 1000000;
    for (int i = 0; i < DEDUCTIONS; i++) {
        harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                     "product_id", "prod_1", "raw_amount", 1);
        if (i % 500 != 499)
            continue;
        for (int j = 0; j < 500; j++) {
            cr_assert(harness_receive(&fixture.client, &message));
            cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
            harness_message_deinit(&message);
        }
    }
    fixture_connect(&fixture, &greedy);
}

static uint32_t ask(struct harness_connection *connection)
{
    return harness_send(connection, "credits.transactions", "{s:s, s:s, s:i, s:i}", "customer_id",
                        "cus_1", "product_id", "prod_1", "limit", 1, "offset", DEDUCTIONS - 2);
}

struct answers {
    int histories, busy, stopping;
};

static bool is_refused(const struct harness_message *message, const char *code)
{
    return message->error != NULL && strcmp(harness_text(message->error, "code"), code) == 0;
}

static void count(struct answers *answers, const struct harness_message *message)
{
    if (is_refused(message, "busy"))
        answers->busy++;
    else if (is_refused(message, "shutting_down"))
        answers->stopping++;
    else
        cr_assert_eq(json_array_size(json_object_get(message->result, "data")), 1);
    answers->histories += message->result != NULL;
}

/* All that was sent has been taken; what had been answered until then. */
static void settle(struct harness_connection *connection, struct answers *answers)
{
    uint32_t ping = harness_send(connection, "ping", "{}");
    struct harness_message message;
    bool last = false;

    while (!last) {
        cr_assert(harness_receive(connection, &message));
        last = message.msgid == ping;
        if (!last)
            count(answers, &message);
        harness_message_deinit(&message);
    }
}

static struct answers ask_often(int times)
{
    struct answers answers = {0, 0, 0};

    for (int i = 0; i < times; i++)
        ask(&greedy);
    settle(&greedy, &answers);
    return answers;
}

HISTORIES_TEST(balances_are_brought_in_meanwhile, "")
{
    struct answers answers;

    fill();
    answers = ask_often(ASKED);
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_cold", "product_id", "prod_1"));
    settle(&greedy, &answers);
    cr_assert_lt(answers.histories, ASKED / 2, "a cold balance waited for %d histories",
                 answers.histories);
}

HISTORIES_TEST(connections_take_turns, "")
{
    struct answers answers, other = {0, 0, 0};
    struct harness_message message;

    fill();
    answers = ask_often(ASKED);
    ask(&fixture.client);
    cr_assert(harness_receive(&fixture.client, &message));
    count(&other, &message);
    harness_message_deinit(&message);
    cr_assert_eq(other.histories, 1);
    settle(&greedy, &answers);
    cr_assert_lt(answers.histories, ASKED / 2, "one history waited for %d of another's",
                 answers.histories);
}

HISTORIES_TEST(a_stop_ends_them_and_says_so, "")
{
    struct harness_message message;
    struct answers answers;

    fill();
    answers = ask_often(ASKED);
    kill(fixture.serve.pid, SIGTERM);
    while (harness_receive(&greedy, &message)) {
        count(&answers, &message);
        harness_message_deinit(&message);
    }
    cr_assert_gt(answers.stopping, ASKED / 2);
    cr_assert_eq(answers.histories + answers.stopping, ASKED);
    cr_assert_eq(harness_process_wait(&fixture.serve), 0);
}

/* What waits is charged to its user, until the connection has ended. */
HISTORIES_TEST(they_are_charged, "[limits]\nin_flight = 65536\n")
{
    struct answers answers;

    fill();
    answers = ask_often(40000);
    cr_assert_gt(answers.busy, 0);
    harness_connection_deinit(&greedy);
    fixture_wait_status(&fixture, "connections", 1);
    fixture_connect(&fixture, &greedy);
    answers = ask_often(10000);
    cr_assert_eq(answers.busy, 0);
    harness_connection_deinit(&greedy); /* or the end would wait for it to read its answers */
}

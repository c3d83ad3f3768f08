/*
 * What a client can ask for at once, and what happens to one that asks for more, or does not read.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(limits, .fini = teardown, .timeout = 500);

static void bring_in(void)
{
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
}

static uint32_t send_consume(struct harness_connection *connection)
{
    return harness_send(connection, "credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                        "product_id", "prod_1", "raw_amount", 1);
}

/* A request without a reader in mind: as many as go in, until the socket takes no more for as long
 * as that, or is closed. */
static size_t flood(struct harness_connection *connection, const void *bytes, size_t length,
                    size_t most, int patience_ms)
{
    size_t sent = 0;

    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    while (sent < most) {
        struct pollfd poller = {.fd = connection->fd, .events = POLLOUT};
        ssize_t r = send(connection->fd, bytes, length, MSG_NOSIGNAL);

        if (r > 0)
            sent += (size_t)r;
        else if (errno != EAGAIN || poll(&poller, 1, patience_ms) == 0)
            break;
    }
    fcntl(connection->fd, F_SETFL, 0);
    return sent;
}

FIXTURE_TEST(limits, requests_may_be_pipelined, &fixture, NULL)
{
    char answered[201] = {0};

    bring_in();
    for (int i = 0; i < 200; i++)
        cr_assert_eq(send_consume(&fixture.client), (uint32_t)i + 2);
    for (int i = 0; i < 200; i++) {
        struct harness_message message;

        cr_assert(harness_receive(&fixture.client, &message));
        cr_assert_not_null(message.result);
        cr_assert_eq(answered[message.msgid - 2]++, 0, "answered twice");
        harness_message_deinit(&message);
    }
    fixture_wait_status(&fixture, "pending.credits", 0);
    cr_assert_eq(fake_sync_consumed(&fixture.sync), 200);
}

/* With four in flight a connection whose requests all wait is no longer read; another one is. */
FIXTURE_TEST(limits, a_connection_with_too_much_in_flight_is_not_read, &fixture,
             "[limits]\nin_flight = 4\n[credits]\ncold_timeout = 60s\n")
{
    /* {0, 1, "credits.balance", [{customer_id: "cus_9", product_id: "prod_1"}]} */
    static const char request[] = "\x94\x00\x01\xaf"
                                  "credits.balance\x91\x82\xab"
                                  "customer_id"
                                  "\xa5"
                                  "cus_9\xaa"
                                  "product_id\xa6"
                                  "prod_1";
    struct harness_connection greedy;
    size_t sent, length = sizeof(request) - 1, answers = 0;

    fixture.sync.silent = true;
    fixture_connect(&fixture, &greedy);
    sent = flood(&greedy, request, length, 16u << 20, 300);
    cr_assert_lt(sent, 16u << 20, "everything was read");
    json_decref(harness_call(&fixture.client, "ping", "{}"));

    /* Once the helper is another one, all that was sent whole is answered. */
    fixture.sync.silent = false;
    fake_sync_stop(&fixture.sync);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    while (answers < sent / length) {
        struct harness_message message;

        cr_assert(harness_receive(&greedy, &message));
        cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
        harness_message_deinit(&message);
        answers++;
    }
    cr_assert_eq(fixture.sync.balances, 1);
    harness_connection_deinit(&greedy);
}

FIXTURE_TEST(limits, a_slow_reader_is_cut_off, &fixture,
             "[limits]\nwrite_queue = 64KiB\nin_flight = 65536\n")
{
    static const char ping[] = "\x94\x00\x01\xa4ping\x91\x80";
    struct harness_connection slow;
    char rest[65536];
    ssize_t r;

    fixture_connect(&fixture, &slow);
    flood(&slow, ping, sizeof(ping) - 1, 64u << 20, HARNESS_TIMEOUT_MS);
    do
        r = recv(slow.fd, rest, sizeof(rest), 0);
    while (r > 0);
    cr_assert(r == 0 || errno == ECONNRESET);
    harness_connection_deinit(&slow);
    json_decref(harness_call(&fixture.client, "ping", "{}"));
}

FIXTURE_TEST(limits, a_message_may_not_be_larger_than_allowed, &fixture,
             "[limits]\nmessage_size = 4KiB\n")
{
    struct harness_connection connection;
    struct harness_message message;
    char *text = calloc(1, 8001);

    memset(text, 'x', 8000);
    fixture_connect(&fixture, &connection);
    harness_send(&connection, "ping", "{s:s}", "ignored", text);
    while (harness_receive(&connection, &message)) {
        cr_assert_str_eq(harness_text(message.error, "code"), "invalid_request");
        harness_message_deinit(&message);
    }
    harness_connection_deinit(&connection);
    free(text);
    json_decref(harness_call(&fixture.client, "ping", "{}"));
}

FIXTURE_TEST(limits, a_user_has_only_so_many_connections, &fixture,
             "[limits]\nconnections_per_user = 3\n")
{
    struct harness_connection more[3];
    struct harness_message message;

    for (int i = 0; i < 2; i++) {
        fixture_connect(&fixture, &more[i]);
        json_decref(harness_call(&more[i], "ping", "{}"));
    }
    fixture_connect(&fixture, &more[2]);
    cr_assert_not(harness_receive(&more[2], &message), "a fourth connection was taken");
    harness_connection_deinit(&more[2]);
    harness_connection_deinit(&more[0]);
    fixture_wait_status(&fixture, "connections", 2);
    fixture_connect(&fixture, &more[2]);
    json_decref(harness_call(&more[2], "ping", "{}"));
    harness_connection_deinit(&more[1]);
    harness_connection_deinit(&more[2]);
}

FIXTURE_TEST(limits, a_client_that_says_no_more_is_answered_to_the_end, &fixture, NULL)
{
    struct harness_connection connection;
    struct harness_message message;
    int answers = 0;

    fixture_connect(&fixture, &connection);
    for (int i = 0; i < 20; i++)
        send_consume(&connection); /* cold: they wait */
    shutdown(connection.fd, SHUT_WR);
    while (harness_receive(&connection, &message)) {
        cr_assert_not_null(message.result);
        harness_message_deinit(&message);
        answers++;
    }
    cr_assert_eq(answers, 20);
    harness_connection_deinit(&connection);
}

FIXTURE_TEST(limits, one_cold_balance_is_fetched_once_for_many_askers, &fixture, NULL)
{
    struct harness_connection connections[10];
    struct harness_message message;

    for (int i = 0; i < 10; i++) {
        fixture_connect(&fixture, &connections[i]);
        for (int j = 0; j < 20; j++)
            send_consume(&connections[i]);
    }
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 20; j++) {
            cr_assert(harness_receive(&connections[i], &message));
            cr_assert_not_null(message.result);
            harness_message_deinit(&message);
        }
        harness_connection_deinit(&connections[i]);
    }
    cr_assert_eq(fixture.sync.products, 1);
    cr_assert_eq(fixture.sync.balances, 1);
}

FIXTURE_TEST(limits, a_connection_that_says_nothing_is_closed, &fixture,
             "[limits]\nidle_time = 100ms\n")
{
    struct harness_message message;

    cr_assert_not(harness_receive(&fixture.client, &message));
}

/* Invented names may not spend what StellarTools allows the account. */
FIXTURE_TEST(limits, P6_a_user_has_only_so_many_upstream_turns, &fixture,
             "[limits]\nupstream_turns_per_user = 3\n")
{
    char customer[16];

    for (int i = 0; i < 3; i++) {
        snprintf(customer, sizeof(customer), "cus_%d", i);
        json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                                 customer, "product_id", "prod_1"));
    }
    fixture_check_error(harness_call_error(&fixture.client, "credits.balance", "{s:s, s:s}",
                                           "customer_id", "cus_4", "product_id", "prod_1"),
                        "quota_exceeded", "quota", "upstream_turns");
    cr_assert_eq(fixture.sync.balances, 3);
    /* What is known costs nothing. */
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_1", "product_id", "prod_1"));
}

/*
 * What must be there after serve was killed, what must not start, and that nothing is said before
 * it is durable.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(crash, .fini = teardown, .timeout = 500);

/* Answers that came until the connection ended, or `most`. */
static int count_answers(struct harness_connection *connection, int most)
{
    struct harness_message message;
    int answers = 0;

    while (answers < most && harness_receive(connection, &message)) {
        cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
        harness_message_deinit(&message);
        answers++;
    }
    return answers;
}

static void send_consumes(struct harness_connection *connection, const char *customer, int count)
{
    for (int i = 0; i < count; i++)
        harness_send(connection, "credits.consume", "{s:s, s:s, s:i, s:s}", "customer_id", customer,
                     "product_id", "prod_1", "raw_amount", 10, "idempotency_key",
                     "only there so that a record has some length");
}

static int64_t deducted_here(const char *customer)
{
    json_t *balance = harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                                   customer, "product_id", "prod_1");
    int64_t available = harness_int(balance, "balance");

    json_decref(balance);
    return 1000 - available;
}

/* Kills serve after a few answers, three times over: what was acknowledged is there. */
FIXTURE_TEST(crash, J3_what_was_acknowledged_is_there_after_a_kill, &fixture, NULL)
{
    int64_t acknowledged = 0, sent = 0;

    for (int round = 0; round < 3; round++) {
        struct harness_connection connection;
        int64_t seen;

        fixture_connect(&fixture, &connection);
        for (int i = 0; i < 100; i++)
            harness_send(&connection, "credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                         "product_id", "prod_1", "raw_amount", 10);
        sent += 100;
        acknowledged += count_answers(&connection, 40 + 20 * round);
        cr_assert_eq(WTERMSIG(harness_process_stop(&fixture.serve, SIGKILL)), SIGKILL);
        acknowledged += count_answers(&connection, 100); /* what was in the socket already */
        harness_connection_deinit(&connection);
        harness_connection_deinit(&fixture.client);
        fake_sync_stop(&fixture.sync);

        fixture_start_serve(&fixture);
        fake_sync_start(&fixture.sync, fixture.sync_path);
        fixture_connect(&fixture, &fixture.client);
        seen = deducted_here("cus_1");
        cr_assert_geq(seen, acknowledged, "%lld acknowledged, %lld there", (long long)acknowledged,
                      (long long)seen);
        cr_assert_leq(seen, sent);
    }
}

/* A key is remembered over a kill: the same request is answered again, not executed. */
FIXTURE_TEST(crash, K1_a_repeated_key_is_answered_again_after_a_kill, &fixture, NULL)
{
    send_consumes(&fixture.client, "cus_1", 1);
    cr_assert_eq(count_answers(&fixture.client, 1), 1);
    harness_process_stop(&fixture.serve, SIGKILL);
    harness_connection_deinit(&fixture.client);
    fake_sync_stop(&fixture.sync);
    fixture_start_serve(&fixture);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
    send_consumes(&fixture.client, "cus_1", 3);
    cr_assert_eq(count_answers(&fixture.client, 3), 3);
    cr_assert_eq(deducted_here("cus_1"), 1);
}

/* A clean stop and a start: balances come from the store when they are asked for, without upstream.
 */
FIXTURE_TEST(crash, S3_a_balance_comes_from_the_store, &fixture, NULL)
{
    json_t *result;

    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 50));
    fixture_wait_status(&fixture, "pending.credits", 0);
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
    fake_sync_stop(&fixture.sync);
    fixture_start_serve(&fixture);
    fixture_connect(&fixture, &fixture.client);
    fixture_wait_status(&fixture, "balances.resident", 0);
    result = harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                          "cus_1", "product_id", "prod_1", "raw_amount", 10);
    cr_assert_eq(harness_int(result, "balance"), 994);
    json_decref(result);
    result = harness_call(&fixture.client, "credits.transactions", "{s:s, s:s}", "customer_id",
                          "cus_1", "product_id", "prod_1");
    cr_assert_eq(json_array_size(json_object_get(result, "data")), 2);
    json_decref(result);
}

/* SIGTERM: what was acknowledged goes out, what comes after is told so, and the exit code is 0. */
FIXTURE_TEST(crash, a_stop_answers_what_it_has_taken, &fixture, "[credits]\ncold_timeout = 60s\n")
{
    struct harness_message message;

    fixture.sync.silent = true;
    send_consumes(&fixture.client, "cus_1", 5); /* cold: they wait */
    fixture_wait_status(&fixture, "connections", 1);
    cr_assert_eq(kill(fixture.serve.pid, SIGTERM), 0);
    for (int i = 0; i < 5; i++) {
        cr_assert(harness_receive(&fixture.client, &message));
        cr_assert_str_eq(harness_text(message.error, "code"), "shutting_down");
        harness_message_deinit(&message);
    }
    cr_assert_not(harness_receive(&fixture.client, &message));
    cr_assert_eq(harness_process_wait(&fixture.serve), 0);
}

/* SIGTERM among many requests: each is answered, and exactly those that were not refused are
 * there. */
FIXTURE_TEST(crash, a_stop_under_load_keeps_what_it_acknowledged, &fixture, NULL)
{
    struct harness_message message;
    int64_t deducted = 0;

    cr_assert_eq(deducted_here("cus_1"), 0);
    for (int i = 0; i < 400; i++)
        harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                     "product_id", "prod_1", "raw_amount", 10);
    cr_assert_eq(kill(fixture.serve.pid, SIGTERM), 0);
    while (harness_receive(&fixture.client, &message)) {
        deducted += message.result != NULL;
        if (message.error != NULL)
            cr_assert_str_eq(harness_text(message.error, "code"), "shutting_down");
        harness_message_deinit(&message);
    }
    cr_assert_eq(harness_process_wait(&fixture.serve), 0);
    harness_connection_deinit(&fixture.client);
    fixture_start_serve(&fixture);
    fixture_connect(&fixture, &fixture.client);
    cr_assert_eq(deducted_here("cus_1"), deducted);
}

static int run_to_end(const char *config, const char *option, const char *value, char **ret_log)
{
    const char *arguments[] = {"--config", config, option, value, NULL};
    const struct harness_start start = {
        .program = "creditd-serve",
        .arguments = arguments,
        .fds = {{"client", fixture.client_fd}, {"sync", fixture.sync_fd}},
        .fd_count = 2,
        .directory = &fixture.directory,
    };
    struct harness_process process;
    char *path;
    int status;

    harness_process_start(&process, &start);
    path = strdup(process.log_path);
    status = harness_process_wait(&process);
    *ret_log = harness_read_file(path);
    free(path);
    cr_assert(WIFEXITED(status), "%s", *ret_log);
    return WEXITSTATUS(status);
}

static int lines(const char *text)
{
    int count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

FIXTURE_TEST(crash, J7_a_second_serve_on_the_same_ledger_refuses, &fixture, NULL)
{
    char *log;

    cr_assert_eq(run_to_end(fixture.config, NULL, NULL, &log), 1);
    cr_assert_eq(lines(log), 1, "%s", log);
    cr_assert_not_null(strstr(log, "lock"), "%s", log);
    free(log);
    json_decref(harness_call(&fixture.client, "ping", "{}"));
}

Test(crash, bad_configuration_is_one_line_and_exit_code_2)
{
    char *log;

    fixture_init(&fixture, "[credits]\npush_interval = 1 sec\n");
    cr_assert_eq(run_to_end(fixture.config, NULL, NULL, &log), 2);
    cr_assert_eq(lines(log), 1, "%s", log);
    cr_assert_not_null(strstr(log, "push_interval"), "%s", log);
    cr_assert_not_null(strstr(log, ":7:"), "%s", log);
    free(log);
    fixture_deinit(&fixture);
}

/* A flipped bit in the middle of the journal: one line that says where, and nothing is changed. */
FIXTURE_TEST(crash, J5_a_damaged_journal_is_refused, &fixture, NULL)
{
    char path[HARNESS_PATH_MAX + 64], *log;
    uint8_t byte;
    int fd;

    for (int i = 0; i < 10; i++)
        json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}",
                                 "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 10));
    harness_process_stop(&fixture.serve, SIGKILL);
    snprintf(path, sizeof(path), "%s/journal/0000000000000001.journal", fixture.state);
    fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    /* The second batch, behind its header: the first block is the segment's. */
    cr_assert_eq(pread(fd, &byte, 1, 4096 + 4096 + 72), 1);
    byte ^= 1;
    cr_assert_eq(pwrite(fd, &byte, 1, 4096 + 4096 + 72), 1);
    close(fd);
    cr_assert_eq(run_to_end(fixture.config, NULL, NULL, &log), 1);
    cr_assert_eq(lines(log), 1, "%s", log);
    cr_assert_not_null(strstr(log, "0000000000000001.journal"), "%s", log);
    free(log);
}

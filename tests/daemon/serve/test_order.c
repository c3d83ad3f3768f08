/*
 * The order of system calls, as strace sees it: what tells of a record is written after the
 * fdatasync that covers the record has returned, and never where that has failed. Skipped where
 * strace may not trace.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fixture fixture;
static char trace[HARNESS_PATH_MAX];

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(order, .fini = teardown, .timeout = 100);

static const char *find_strace(void)
{
    static const char *const paths[] = {"/usr/bin/strace", "/bin/strace", "/usr/local/bin/strace"};
    char command[128];

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        snprintf(command, sizeof(command), "%s -o /dev/null true >/dev/null 2>&1", paths[i]);
        if (access(paths[i], X_OK) == 0 && system(command) == 0)
            return paths[i];
    }
    return NULL;
}

/* As fixture_start, with serve's system calls in `trace`. `inject` is strace's word for what is to
 * fail; NULL: nothing. */
static void start_traced(const char *extra, const char *inject)
{
    const char *strace = find_strace();
    char *program = harness_program_path("creditd-serve");
    /* -D: serve stays our child, so that its descriptors are for its pid. */
    const char *arguments[] = {"-D",           "-f",
                               "-s",           "400",
                               "-o",           trace,
                               "-e",           "trace=read,write,writev,sendmsg,fdatasync",
                               "-e",           inject != NULL ? inject : "signal=none",
                               program,        "--config",
                               fixture.config, NULL};
    /* LeakSanitizer traces its own process at the end, which cannot be traced twice. */
    const char *environment[] = {"ASAN_OPTIONS=detect_leaks=0", NULL};
    struct harness_start start = {
        .program = strace,
        .arguments = arguments,
        .environment = environment,
        .fd_count = 2,
        .directory = &fixture.directory,
    };

    if (strace == NULL)
        cr_skip_test("strace may not trace here");
    fixture_init(&fixture, extra);
    harness_path(&fixture.directory, "trace", trace);
    start.fds[0].name = "client";
    start.fds[0].fd = fixture.client_fd;
    start.fds[1].name = "sync";
    start.fds[1].fd = fixture.sync_fd;
    harness_process_start(&fixture.serve, &start);
    harness_process_wait_ready(&fixture.serve);
    free(program);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
}

static void consume(void)
{
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 10));
}

static char *end_traced(void)
{
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
    return harness_read_file(trace);
}

/* Whether each `after` (a write) comes after an fdatasync that returned after the last `before`;
 * how many there are. */
static bool synced_between(char *text, const char *before_call, const char *before,
                           const char *after, int *ret_count)
{
    bool synced = false, right = true;
    char *save = NULL;

    *ret_count = 0;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, before_call) != NULL && strstr(line, before) != NULL) {
            synced = false;
        } else if (strstr(line, "fdatasync") != NULL && strstr(line, "= 0") != NULL) {
            synced = true;
        } else if (strstr(line, "write(") != NULL && strstr(line, after) != NULL) {
            right = right && synced;
            ++*ret_count;
        }
    }
    return right;
}

Test(order, J3_fdatasync_returns_before_the_answer_is_written)
{
    char *text;
    int count;

    start_traced(NULL, NULL);
    for (int i = 0; i < 20; i++)
        consume();
    text = end_traced();
    cr_assert(synced_between(text, "read(", "credits.consume", "credits_deducted", &count),
              "an answer left before its fdatasync");
    cr_assert_geq(count, 20, "the trace does not show the answers");
    free(text);
    fixture_deinit(&fixture);
}

/* From a consume's answer on, the only record is that of its push. */
Test(order, P1_fdatasync_returns_before_the_push_leaves)
{
    char *text;
    int count;

    start_traced("checkpoint_interval = 1h\n[credits]\npush_interval = 50ms\n", NULL);
    for (int i = 0; i < 10; i++) {
        consume();
        fixture_wait_status(&fixture, "pending.credits", 0);
    }
    text = end_traced();
    cr_assert(synced_between(text, "write(", "billed_units", "upstream.transaction", &count),
              "a push left before its fdatasync");
    cr_assert_eq(count, 10, "the trace does not show the pushes");
    free(text);
    fixture_deinit(&fixture);
}

/* The journal cannot be synced any more: nothing that was not durable is said, the process ends,
 * and the start rule does the rest. */
Test(order, J4_a_failed_fdatasync_ends_serve_without_an_answer)
{
    struct harness_message message;
    int64_t acknowledged = 0;
    int status;
    json_t *balance;

    start_traced("checkpoint_interval = 1h\n[credits]\npush_interval = 1h\n",
                 "inject=fdatasync:error=EIO:when=60+");
    for (;;) {
        harness_send(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id", "cus_1",
                     "product_id", "prod_1", "raw_amount", 10);
        if (!harness_receive(&fixture.client, &message))
            break;
        cr_assert_not_null(message.result, "%s", json_dumps(message.error, 0));
        harness_message_deinit(&message);
        acknowledged++;
        cr_assert_lt(acknowledged, 100, "it goes on with a disk that does not sync");
    }
    cr_assert_gt(acknowledged, 0);
    status = harness_process_wait(&fixture.serve);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "status %x", (unsigned)status);
    harness_connection_deinit(&fixture.client);
    fake_sync_stop(&fixture.sync);

    fixture_start_serve(&fixture);
    fixture_connect(&fixture, &fixture.client);
    balance = harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id", "cus_1",
                           "product_id", "prod_1");
    cr_assert_geq(1000 - harness_int(balance, "balance"), acknowledged);
    cr_assert_leq(1000 - harness_int(balance, "balance"), acknowledged + 1);
    json_decref(balance);
    fixture_deinit(&fixture);
}

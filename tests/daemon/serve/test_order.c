/*
 * The order of system calls, as strace sees it: what tells of a record is written after the
 * fdatasync that covers the record has returned, and never where that has failed. Skipped where
 * strace may not trace.
 */
#include "event_helpers.h"
#include "fixture.h"
#include "json_words.h"
#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/clock.h>

static struct fixture fixture;
static char trace[HARNESS_PATH_MAX];

static struct harness_connection hook = {.fd = -1};

static void teardown(void)
{
    harness_connection_deinit(&hook);
    fixture_deinit(&fixture);
}

TestSuite(order, .fini = teardown, .timeout = 500);

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
                               "-s",           "800",
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
        .fd_count = 3,
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
    start.fds[2].name = "hook";
    start.fds[2].fd = fixture.hook_fd;
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

static void pack_request(msgpack_sbuffer *buffer, uint32_t msgid, const char *method,
                         json_t *params)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 0);
    msgpack_pack_uint32(&packer, msgid);
    msgpack_pack_str_with_body(&packer, method, strlen(method));
    msgpack_pack_array(&packer, 1);
    json_words_pack(&packer, params);
    json_decref(params);
}

/* Two requests in one write, the first of which makes a record without which the second would not
 * be refused. */
static void refuse_second(const char *code, const char *first_method, json_t *first,
                          const char *second_method, json_t *second)
{
    struct harness_message message;
    msgpack_sbuffer buffer;

    msgpack_sbuffer_init(&buffer);
    pack_request(&buffer, 1000001, first_method, first);
    pack_request(&buffer, 1000002, second_method, second);
    harness_send_bytes(&fixture.client, buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    for (int i = 0; i < 2; i++) {
        cr_assert(harness_receive(&fixture.client, &message));
        if (message.msgid == 1000001)
            cr_assert_not_null(message.result, "%s: %s", code, json_dumps(message.error, 0));
        else
            cr_assert_str_eq(harness_text(message.error, "code"), code);
        harness_message_deinit(&message);
    }
}

static json_t *consume_params(int raw_amount, const char *key, const char *stamp, int counter)
{
    json_t *params = json_pack("{s:s, s:s, s:i}", "customer_id", "cus_1", "product_id", "prod_1",
                               "raw_amount", raw_amount);

    if (key != NULL)
        json_object_set_new(params, "idempotency_key", json_string(key));
    if (stamp != NULL)
        json_object_set_new(params, "stamp", json_pack("[s, i]", stamp, counter));
    return params;
}

static void refuse_consumes(void)
{
    const char *method = "credits.consume";
    char stamp[64];

    snprintf(stamp, sizeof(stamp), "bin:%012llx00112233445566778899",
             (unsigned long long)clock_wall_ms());
    refuse_second("key_reused", method, consume_params(10, "k1", NULL, 0), method,
                  consume_params(20, "k1", NULL, 0));
    refuse_second("quota_exceeded", method, consume_params(10, "k2", NULL, 0), method,
                  consume_params(10, "k3", NULL, 0));
    refuse_second("outcome_unknown", method, consume_params(10, NULL, stamp, 50000), method,
                  consume_params(10, NULL, stamp, 1));
    refuse_second("insufficient_credits", method, consume_params(9900, NULL, NULL, 0), method,
                  consume_params(9900, NULL, NULL, 0));
}

static void refuse_push(void)
{
    json_t *list = harness_call(&fixture.client, "push.list", "{}");
    json_t *push = json_array_get(json_object_get(list, "data"), 0);
    const char *id = harness_text(push, "push_id");

    refuse_second("not_found", "push.drop", json_pack("{s:s}", "push_id", id), "push.retry",
                  json_pack("{s:s}", "push_id", id));
    json_decref(list);
}

/* Were the power cut in between, an app would have been told of what never happened. */
Test(order, J3_fdatasync_returns_before_a_refusal_tells_of_a_record)
{
    static const struct {
        const char *method, *code;
    } cases[] = {
        {"credits.consume", "key_reused"},
        {"credits.consume", "quota_exceeded"},
        {"credits.consume", "outcome_unknown"},
        {"credits.consume", "insufficient_credits"},
        {"push.drop", "not_found"},
    };
    char *text;

    start_traced("[credits]\npush_interval = 50ms\n[limits]\ndedupe_keys_per_user = 2\n",
                 "inject=fdatasync:delay_exit=50000");
    fixture.sync.refuse_pushes = true;
    consume();
    fixture_wait_status(&fixture, "pushes.parked", 1);
    refuse_consumes();
    refuse_push();
    text = end_traced();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *copy = strdup(text);
        int count;

        cr_expect(synced_between(copy, "read", cases[i].method, cases[i].code, &count),
                  "%s left before the fdatasync of what it tells of", cases[i].code);
        cr_expect_eq(count, 1, "the trace does not show %s", cases[i].code);
        free(copy);
    }
    free(text);
    fixture_deinit(&fixture);
}

/* From a consume's answer on, the only record is that of its push; which must not come about while
 * that of the consume is still being synced. */
Test(order, P1_fdatasync_returns_before_the_push_leaves)
{
    char *text;
    int count;

    start_traced("checkpoint_interval = 1h\n[credits]\npush_interval = 1s\n", NULL);
    for (int i = 0; i < 4; i++) {
        consume();
        fixture_wait_status(&fixture, "pending.credits", 0);
    }
    text = end_traced();
    cr_assert(synced_between(text, "write(", "billed_units", "upstream.transaction", &count),
              "a push left before its fdatasync");
    cr_assert_eq(count, 4, "the trace does not show the pushes");
    free(text);
    fixture_deinit(&fixture);
}

/* --- hooks --- */

#define HOOK "checkpoint_interval = 1h\n[hooks]\non_event = /bin/true\nconcurrency = 64\n"

static void come(void)
{
    harness_connect(&hook, fixture.hook_path);
    harness_notify(&hook, "hook.hello");
}

/* The event that it is asked to run next; 0: the connection has ended. */
static int64_t next_run(void)
{
    struct harness_message message;
    int64_t sequence = 0;

    if (!harness_receive(&hook, &message))
        return 0;
    cr_assert_str_eq(message.method, "hook.run");
    sequence = harness_int(json_object_get(message.params, "event"), "sequence");
    harness_message_deinit(&message);
    return sequence;
}

/* None of them is answered, or the records of their ends would be synced in between. */
Test(order, J3_fdatasync_returns_before_an_event_reaches_its_hook)
{
    char *text;
    int count;

    start_traced(HOOK, "inject=fdatasync:delay_exit=20000");
    come();
    for (int i = 1; i <= 10; i++) {
        event_make(&fixture.client, i);
        cr_assert_eq(next_run(), i);
    }
    harness_connection_deinit(&hook);
    text = end_traced();
    cr_expect(synced_between(text, "read", "customer.link", "hook.run", &count),
              "an event reached its hook before its fdatasync");
    cr_expect_eq(count, 10, "the trace does not show the events");
    free(text);
    fixture_deinit(&fixture);
}

/* What could not be synced is told to no hook, as it is answered to nobody. */
Test(order, J4_a_failed_fdatasync_is_followed_by_no_event)
{
    struct harness_message message;
    int64_t acknowledged = 0, told = 0, sequence;

    start_traced(HOOK, "inject=fdatasync:error=EIO:when=30+");
    come();
    for (int i = 1; i <= 60; i++) {
        event_send(&fixture.client, i);
        if (!harness_receive(&fixture.client, &message))
            break;
        cr_assert_not_null(message.result);
        harness_message_deinit(&message);
        acknowledged++;
        if (i == 1)
            cr_assert_eq(next_run(), 1);
    }
    cr_assert(acknowledged > 0 && acknowledged < 60, "it goes on with a disk that does not sync");
    while ((sequence = next_run()) > 0)
        told = sequence;
    cr_expect_leq(told, acknowledged);
    harness_connection_deinit(&hook);
    harness_connection_deinit(&fixture.client);
    cr_expect_neq(harness_process_wait(&fixture.serve), 0);
    fixture_deinit(&fixture);
}

/* How many fdatasyncs return between a request and the push that it causes, at the least. */
static int fewest_syncs(char *text, int *ret_pushes)
{
    int syncs = 0, fewest = INT_MAX;
    char *save = NULL;

    *ret_pushes = 0;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, "read(") != NULL && strstr(line, "credits.consume") != NULL) {
            syncs = 0;
        } else if (strstr(line, "fdatasync") != NULL && strstr(line, "= 0") != NULL) {
            syncs++;
        } else if (strstr(line, "write(") != NULL && strstr(line, "upstream.transaction") != NULL) {
            fewest = syncs < fewest ? syncs : fewest;
            ++*ret_pushes;
        }
    }
    return fewest;
}

/* … also where the push is begun while what it is for is being synced: that sync is not its own. */
Test(order, P1_a_push_waits_for_the_fdatasync_of_its_own_record)
{
    char *text;
    int pushes, fewest;

    start_traced("checkpoint_interval = 1h\n[credits]\npush_interval = 5ms\n",
                 "inject=fdatasync:delay_exit=40000");
    for (int i = 0; i < 5; i++) {
        consume();
        fixture_wait_status(&fixture, "pending.credits", 0);
    }
    text = end_traced();
    fewest = fewest_syncs(text, &pushes);
    cr_assert_eq(pushes, 5, "the trace does not show the pushes");
    cr_assert_geq(fewest, 2);
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

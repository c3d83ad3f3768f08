/*
 * Copies of a ledger that is in use, and the check of one that is not: ledger.backup, creditctl
 * backup and verify, creditd-serve --verify.
 */
#include "fixture.h"
#include "json_words.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRANT 1000000
#define ROUND 20
#define ROUNDS_BEFORE 30

static struct fixture fixture;
static char copy[HARNESS_PATH_MAX];

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(backup, .fini = teardown, .timeout = 500);

static void start(const char *extra)
{
    fixture_start(&fixture, extra);
    fixture.sync.grant = GRANT;
    harness_path(&fixture.directory, "copy", copy);
}

/* --- who spends meanwhile --- */

struct spender {
    struct harness_connection connection;
    pthread_t thread;
    atomic_bool stop;
    atomic_int rounds;
    uint64_t *sequences; /* of the deductions that were acknowledged */
    size_t count, capacity;
};

static void remember(struct spender *spender, const char *transaction)
{
    unsigned epoch;
    uint64_t sequence;

    cr_assert_eq(sscanf(transaction, "tx_%u_%" SCNu64, &epoch, &sequence), 2, "%s", transaction);
    if (spender->count == spender->capacity) {
        spender->capacity = spender->capacity * 2 + 1024;
        spender->sequences =
            realloc(spender->sequences, spender->capacity * sizeof(spender->sequences[0]));
        cr_assert_not_null(spender->sequences);
    }
    spender->sequences[spender->count++] = sequence;
}

static void *spend(void *userdata)
{
    struct spender *spender = userdata;
    struct harness_message message;

    while (!atomic_load(&spender->stop)) {
        for (int i = 0; i < ROUND; i++)
            harness_send(&spender->connection, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                         "cus_1", "product_id", "prod_1", "raw_amount", 10);
        for (int i = 0; i < ROUND; i++) {
            cr_assert(harness_receive(&spender->connection, &message));
            cr_assert_null(message.error, "%s", json_dumps(message.error, 0));
            remember(spender, harness_text(message.result, "transaction_id"));
            harness_message_deinit(&message);
        }
        atomic_fetch_add(&spender->rounds, 1);
    }
    return NULL;
}

static void spender_start(struct spender *spender)
{
    memset(spender, 0, sizeof(*spender));
    fixture_connect(&fixture, &spender->connection);
    cr_assert_eq(pthread_create(&spender->thread, NULL, spend, spender), 0);
    fake_sync_wait(&spender->rounds, ROUNDS_BEFORE);
}

static void spender_stop(struct spender *spender)
{
    atomic_store(&spender->stop, true);
    cr_assert_eq(pthread_join(spender->thread, NULL), 0);
    harness_connection_deinit(&spender->connection);
}

static size_t acknowledged_through(const struct spender *spender, uint64_t sequence)
{
    size_t count = 0;

    for (size_t i = 0; i < spender->count; i++)
        count += spender->sequences[i] <= sequence;
    return count;
}

/* --- programs --- */

static char output[65536];

/* Its exit code; all that it prints is in `output`. */
static int run(const char *program, const char *arguments)
{
    char *path = harness_program_path(program), *line;
    size_t length;
    FILE *file;
    int status;

    cr_assert_gt(asprintf(&line, "'%s' %s 2>&1", path, arguments), 0);
    file = popen(line, "r");
    cr_assert_not_null(file);
    length = fread(output, 1, sizeof(output) - 1, file);
    output[length] = '\0';
    status = pclose(file);
    free(line);
    free(path);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run_on(const char *program, const char *arguments, const char *directory)
{
    char text[400];

    snprintf(text, sizeof(text), "%s '%s'", arguments, directory);
    return run(program, text);
}

static int creditctl(const char *arguments)
{
    char text[400];

    snprintf(text, sizeof(text), "--socket '%s' %s", fixture.client_path, arguments);
    return run("creditctl", text);
}

static void has(const char *part)
{
    cr_assert_not_null(strstr(output, part), "no \"%s\" in:\n%s", part, output);
}

/* --- the copy, opened --- */

struct second {
    char client_path[HARNESS_PATH_MAX];
    int client_fd;
    struct harness_process serve;
    struct harness_connection client;
};

static void second_start(struct second *second, const char *state)
{
    const char *arguments[] = {"--config", fixture.config, "--state-dir", state, NULL};
    struct harness_start options = {.program = "creditd-serve",
                                    .arguments = arguments,
                                    .fd_count = 2,
                                    .directory = &fixture.directory};
    char sync_path[HARNESS_PATH_MAX];
    int sync_fd;

    harness_path(&fixture.directory, "second.sock", second->client_path);
    harness_path(&fixture.directory, "second-sync.sock", sync_path);
    second->client_fd = harness_listen(second->client_path);
    sync_fd = harness_listen(sync_path);
    options.fds[0].name = "client";
    options.fds[0].fd = second->client_fd;
    options.fds[1].name = "sync";
    options.fds[1].fd = sync_fd;
    harness_process_start(&second->serve, &options);
    close(sync_fd);
    harness_process_wait_ready(&second->serve);
    harness_connect(&second->client, second->client_path);
}

static void second_stop(struct second *second)
{
    harness_connection_deinit(&second->client);
    cr_assert_eq(harness_process_stop(&second->serve, SIGTERM), 0);
    close(second->client_fd);
}

static int64_t spent_in(struct harness_connection *client)
{
    json_t *balance = harness_call(client, "credits.balance", "{s:s, s:s}", "customer_id", "cus_1",
                                   "product_id", "prod_1");
    int64_t available = harness_int(balance, "balance");

    json_decref(balance);
    return GRANT - available;
}

Test(backup, a_copy_has_all_that_was_acknowledged_by_its_sequence)
{
    struct spender spender;
    struct second second;
    uint64_t sequence;
    int64_t spent;
    json_t *result;
    int rounds;

    start("[credits]\npush_interval = 20ms\n[ledger]\ncheckpoint_interval = 20ms\n");
    spender_start(&spender);
    result = harness_call(&fixture.client, "ledger.backup", "{s:s}", "directory", copy);
    rounds = atomic_load(&spender.rounds);
    cr_assert_str_eq(harness_text(result, "directory"), copy);
    sequence = (uint64_t)harness_int(result, "sequence");
    json_decref(result);
    fake_sync_wait(&spender.rounds, rounds + 5); /* it went on */
    spender_stop(&spender);
    cr_assert_geq(acknowledged_through(&spender, sequence), ROUND * (size_t)ROUNDS_BEFORE);

    cr_assert_eq(run_on("creditctl", "verify", copy), 0, "%s", output);
    has("records ");
    second_start(&second, copy);
    spent = spent_in(&second.client);
    cr_assert_geq(spent, acknowledged_through(&spender, sequence));
    cr_assert_leq(spent, spender.count);
    /* It is a ledger like any other, and no other one's. */
    json_decref(harness_call(&second.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 10));
    cr_assert_eq(spent_in(&second.client), spent + 1);
    second_stop(&second);
    cr_assert_eq(spent_in(&fixture.client), spender.count);
    cr_assert_eq(run_on("creditd-serve", "--verify", copy), 0, "%s", output);
    free(spender.sequences);
    fixture_deinit(&fixture);
}

static void check_refused(const char *directory, const char *code, const char *message)
{
    json_t *error =
        harness_call_error(&fixture.client, "ledger.backup", "{s:s}", "directory", directory);

    cr_assert_not_null(strstr(harness_text(error, "message"), message), "%s",
                       harness_text(error, "message"));
    fixture_check_error(error, code, "parameter", "directory");
}

Test(backup, what_is_wrong_with_the_directory_is_said)
{
    char below[HARNESS_PATH_MAX + 16];

    start(NULL);
    check_refused("copy", "invalid_parameter", "absolute");
    check_refused(".", "invalid_parameter", "absolute");
    snprintf(below, sizeof(below), "%s/below", fixture.config);
    check_refused(below, "invalid_parameter", "Not a directory");
    check_refused("/proc/creditd-copy", "invalid_parameter", "/proc/creditd-copy: ");
    check_refused(fixture.state, "conflict", "a ledger in it already");
    cr_assert_eq(mkdir(copy, 0700), 0); /* empty: that is all right */
    json_decref(harness_call(&fixture.client, "ledger.backup", "{s:s}", "directory", copy));
    check_refused(copy, "conflict", "a ledger in it already");
    json_decref(harness_call_error(&fixture.client, "ledger.backup", "{}"));
    /* The ledger itself is as it was. */
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 10));
    fixture_deinit(&fixture);
}

/* In one piece, so that they are taken in one turn. */
static void send_backups(int count)
{
    msgpack_sbuffer bytes;
    msgpack_packer packer;

    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    for (int i = 0; i < count; i++) {
        char directory[HARNESS_PATH_MAX + 16];
        json_t *request;

        snprintf(directory, sizeof(directory), "%s-%d", copy, i);
        request =
            json_pack("[i, i, s, [{s:s}]]", 0, 1000 + i, "ledger.backup", "directory", directory);
        json_words_pack(&packer, request);
        json_decref(request);
    }
    harness_send_bytes(&fixture.client, bytes.data, bytes.size);
    msgpack_sbuffer_destroy(&bytes);
}

/* Those that come while the first is under way are told so, and which it is; nobody waits. */
Test(backup, there_is_one_at_a_time)
{
    struct harness_message message;
    char first[HARNESS_PATH_MAX + 16];
    int made = 0, busy = 0;

    start(NULL);
    snprintf(first, sizeof(first), "%s-0", copy);
    send_backups(8);
    harness_send(&fixture.client, "ping", "{}");
    for (int i = 0; i < 9; i++) {
        cr_assert(harness_receive(&fixture.client, &message));
        if (message.error != NULL) {
            cr_assert_str_eq(harness_text(message.error, "code"), "busy");
            cr_assert_str_eq(harness_text(json_object_get(message.error, "data"), "directory"),
                             first);
            busy++;
        } else {
            made += json_object_get(message.result, "sequence") != NULL;
        }
        harness_message_deinit(&message);
    }
    cr_assert_eq(made, 1);
    cr_assert_eq(busy, 7);
    fixture_deinit(&fixture);
}

/* Its asker goes; it is made all the same, and the log says so. */
Test(backup, goes_on_without_its_asker_and_a_stop_ends_it)
{
    struct harness_connection connection;
    char again[HARNESS_PATH_MAX + 16];

    start(NULL);
    fixture_connect(&fixture, &connection);
    harness_send(&connection, "ledger.backup", "{s:s}", "directory", copy);
    json_decref(harness_call(&connection, "ping", "{}")); /* it has been taken */
    harness_connection_deinit(&connection);
    harness_process_wait_log(&fixture.serve, "done, it has the ledger through sequence");
    cr_assert_eq(run_on("creditd-serve", "--verify", copy), 0, "%s", output);
    /* One more, and the end at once: fixture_deinit checks that it is a good one. */
    snprintf(again, sizeof(again), "%s-again", copy);
    harness_send(&fixture.client, "ledger.backup", "{s:s}", "directory", again);
    fixture_deinit(&fixture);
}

/* --- the programs --- */

Test(backup, creditctl_makes_and_verifies_copies)
{
    char arguments[HARNESS_PATH_MAX + 32];
    json_t *document;

    start(NULL);
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 10));
    snprintf(arguments, sizeof(arguments), "backup '%s'", copy);
    cr_assert_eq(creditctl(arguments), 0, "%s", output);
    has("copy has the ledger through sequence ");
    cr_assert_eq(creditctl(arguments), 1);
    has("a ledger in it already");
    has("(conflict)");
    snprintf(arguments, sizeof(arguments), "--json backup '%s-2'", copy);
    cr_assert_eq(creditctl(arguments), 0, "%s", output);
    document = json_loads(output, 0, NULL);
    cr_assert_gt(harness_int(document, "sequence"), 0);
    json_decref(document);

    cr_assert_eq(run_on("creditctl", "verify", copy), 0, "%s", output);
    has("segments ");
    has("last_sequence ");
    cr_assert_eq(run_on("creditctl", "--json verify", copy), 0, "%s", output);
    document = json_loads(output, 0, NULL);
    cr_assert_gt(harness_int(document, "records"), 0);
    cr_assert_eq(harness_int(document, "first_sequence"), 1);
    json_decref(document);
    cr_assert_eq(creditctl("verify"), 2);
    cr_assert_eq(creditctl("backup"), 2);
    fixture_deinit(&fixture);
}

/* A relative directory is where creditctl is, not where the daemon is. */
Test(backup, creditctl_takes_a_relative_directory)
{
    char *path = harness_program_path("creditctl"), line[1024];

    start(NULL);
    snprintf(line, sizeof(line), "cd '%s' && '%s' --socket client.sock backup here/copy >/dev/null",
             fixture.directory.path, path);
    cr_assert_eq(system(line), 0);
    harness_path(&fixture.directory, "here/copy", copy);
    cr_assert_eq(run_on("creditd-serve", "--verify", copy), 0, "%s", output);
    free(path);
    fixture_deinit(&fixture);
}

Test(backup, a_ledger_in_use_is_not_verified)
{
    json_t *error;

    start(NULL);
    cr_assert_eq(run_on("creditctl", "verify", fixture.state), 1);
    has("held by another process");
    has("stop creditd, or verify a copy (creditctl backup)");
    cr_assert_eq(run_on("creditctl", "--json verify", fixture.state), 1);
    error = json_loads(output, 0, NULL);
    cr_assert_not_null(strstr(harness_text(error, "message"), "held by another process"));
    json_decref(error);
    cr_assert_eq(run_on("creditctl", "verify", "/nowhere/ledger"), 1);
    has("/nowhere/ledger/store/data.mdb: No such file or directory");
    fixture_deinit(&fixture);
}

static void flip_byte(const char *path, off_t offset)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    uint8_t byte;

    cr_assert_geq(fd, 0);
    cr_assert_eq(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

/* In the history, in the header of a segment, in a batch's header: found, and said where. */
Test(backup, verify_finds_a_flipped_byte)
{
    static const struct {
        off_t offset;
        const char *message;
    } cases[] = {
        {4096 + 64 + 20, "offset 4096, after sequence 0"}, /* the first batch's body */
        {4096 + 5, "offset 4096, after sequence 0"},       /* and its header */
        {20, "offset 0: its header or size"},
    };
    char segment[HARNESS_PATH_MAX + 64];

    start(NULL);
    for (int i = 0; i < 5; i++)
        json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}",
                                 "customer_id", "cus_1", "product_id", "prod_1", "raw_amount", 10));
    json_decref(harness_call(&fixture.client, "ledger.backup", "{s:s}", "directory", copy));
    cr_assert_eq(run_on("creditd-serve", "--verify", copy), 0, "%s", output);
    snprintf(segment, sizeof(segment), "%s/journal/0000000000000001.journal", copy);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        flip_byte(segment, cases[i].offset);
        cr_assert_eq(run_on("creditd-serve", "--verify", copy), 1, "case %zu: %s", i, output);
        has(cases[i].message);
        cr_assert_eq(strchr(output, '\n'), strrchr(output, '\n'), "one line");
        flip_byte(segment, cases[i].offset);
        cr_assert_eq(run_on("creditctl", "verify", copy), 0, "%s", output);
    }
    fixture_deinit(&fixture);
}

/* Who asked has gone before it is done: it is made all the same, and answered to nobody. */
Test(backup, the_one_who_asked_may_go)
{
    struct harness_connection asking;
    char other[HARNESS_PATH_MAX];
    json_t *result;

    start(NULL);
    harness_path(&fixture.directory, "other", other);
    fixture_connect(&fixture, &asking);
    harness_send(&asking, "ledger.backup", "{s:s}", "directory", copy);
    harness_send(&asking, "ping", "{}"); /* that answer finds nobody, and ends the connection */
    harness_connection_deinit(&asking);
    harness_process_wait_log(&fixture.serve, "done, it has the ledger");
    result = harness_call(&fixture.client, "ledger.backup", "{s:s}", "directory", other);
    cr_assert_str_eq(harness_text(result, "directory"), other);
    json_decref(result);
    fixture_deinit(&fixture);
}

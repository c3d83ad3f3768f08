/*
 * Who is told of events over libcreditd: creditctl monitor and the example, while creditd-serve is
 * killed, and what operators see of hooks.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct house house;
static pid_t watcher;

static void teardown(void)
{
    if (watcher > 0)
        kill(watcher, SIGKILL);
    house_deinit(&house);
}

TestSuite(watch, .fini = teardown, .timeout = 500);

/* In the background, with its output in a file of the house. */
static void start_watcher(const char *program, const char *const *arguments, const char *file)
{
    CLEANUP(cleanup_free) char *path = harness_program_path(program);
    char output[HARNESS_PATH_MAX];
    char *argv[16] = {path};

    for (size_t i = 0; arguments[i] != NULL; i++) {
        cr_assert_lt(i + 2, ARRAY_SIZE(argv));
        argv[i + 1] = (char *)arguments[i];
    }
    harness_path(&house.directory, file, output);
    watcher = fork();
    cr_assert_geq(watcher, 0);
    if (watcher != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("CREDITD_SOCKET", house.socket, 1);
    dup2(open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    execv(path, argv);
    _exit(127);
}

static int wait_for_watcher(void)
{
    int status;

    cr_assert_eq(waitpid(watcher, &status, 0), watcher);
    watcher = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The file's text when it has so many lines. */
static char *wait_for_lines(const char *file, int count)
{
    char path[HARNESS_PATH_MAX];
    int64_t end = now_ms() + HARNESS_TIMEOUT_MS;

    harness_path(&house.directory, file, path);
    for (;;) {
        char *text = harness_read_file(path);
        int lines = 0;

        for (const char *c = text; c != NULL && *c != '\0'; c++)
            lines += *c == '\n';
        if (lines >= count)
            return text;
        cr_assert_lt(now_ms(), end, "%d lines in place of %d: %s", lines, count, text);
        free(text);
        pause_ms(5);
    }
}

static void run(const char *const *arguments, int status, const char *output)
{
    CLEANUP(cleanup_free) char *socket = NULL;
    const char *environment[] = {NULL, NULL};
    struct outcome outcome;

    cr_assert_gt(asprintf(&socket, "CREDITD_SOCKET=%s", house.socket), 0);
    environment[0] = socket;
    outcome_init(&outcome, &house.directory, "creditctl", arguments, environment);
    cr_assert_eq(outcome.status, status, "%s ended with %d: %s%s", arguments[0], outcome.status,
                 outcome.output, outcome.errors);
    cr_assert_not_null(strstr(outcome.output, output), "%s: %s", arguments[0], outcome.output);
    outcome_deinit(&outcome);
}

#define RUN(status, output, ...) run((const char *const[]){__VA_ARGS__, NULL}, status, output)

/* Two events: its credits are low, and then exhausted. */
static void spend_all(int number)
{
    char customer[32];

    snprintf(customer, sizeof(customer), "cus_%d", number);
    RUN(0, "", "--wait", "consume", "--customer", customer, HOUSE_PRODUCT, "95");
    RUN(0, "", "--wait", "consume", "--customer", customer, HOUSE_PRODUCT, "5");
}

static void check_all(const char *text, int count)
{
    for (int i = 1; i <= count; i++) {
        char *end = strchr(text, '\n');
        json_t *event;

        cr_assert_not_null(end, "there are %d of %d", i - 1, count);
        event = json_loadb(text, (size_t)(end - text), 0, NULL);
        cr_assert_not_null(event, "%.*s", (int)(end - text), text);
        cr_assert_eq(harness_int(event, "sequence"), i);
        cr_assert_str_eq(harness_text(event, "type"),
                         i % 2 == 1 ? "credits.low" : "credits.exhausted");
        json_decref(event);
        text = end + 1;
    }
    cr_assert_str_eq(text, "", "one was told twice");
}

Test(watch, monitor_sees_every_event_once_while_serve_is_killed)
{
    static const char *const arguments[] = {"monitor", "--json", "--after", "0", NULL};
    CLEANUP(cleanup_free) char *text = NULL;
    uint64_t random = random_seed();
    int customers = scaled(30, 12);
    pid_t serve = 0;

    house_start(&house, customers, 100, "push_interval = 50ms\n");
    start_watcher("creditctl", arguments, "events");
    for (int i = 0; i < customers; i++) {
        spend_all(i);
        if (i % 6 != 3)
            continue;
        serve = house_role(&house, "creditd-serve", serve);
        pause_ms(random_below(&random, 5));
        cr_assert_eq(kill(serve, SIGKILL), 0);
    }
    text = wait_for_lines("events", 2 * customers);
    cr_assert_eq(kill(watcher, SIGINT), 0);
    cr_assert_eq(wait_for_watcher(), 0);
    free(text);
    text = wait_for_lines("events", 2 * customers);
    check_all(text, 2 * customers);
    house_deinit(&house);
}

Test(watch, a_subscriber_goes_on_where_its_last_process_was)
{
    static const char *const first[] = {"monitor", "--json", "--subscriber", "desk", NULL};
    CLEANUP(cleanup_free) char *text = NULL;
    CLEANUP(cleanup_free) char *more = NULL;
    struct harness_connection connection;

    house_start(&house, 4, 100, "");
    harness_connect(&connection, house.socket);
    json_decref(harness_call(&connection, "event.subscribe", "{s:s}", "subscriber", "desk"));
    harness_connection_deinit(&connection);
    spend_all(0);
    start_watcher("creditctl", first, "first");
    free(wait_for_lines("first", 2));
    cr_assert_eq(kill(watcher, SIGTERM), 0);
    cr_assert_eq(wait_for_watcher(), 0);
    spend_all(1); /* while nobody looks */
    house_stop_creditd(&house);
    house_start_creditd(&house);
    start_watcher("creditctl", first, "second");
    spend_all(2);
    text = wait_for_lines("second", 4);
    cr_assert_not_null(strstr(text, "\"sequence\":3,"), "%s", text);
    cr_assert_null(strstr(text, "\"sequence\":2,"), "%s", text);
    cr_assert_eq(kill(watcher, SIGINT), 0);
    cr_assert_eq(wait_for_watcher(), 0);
    house_deinit(&house);
}

Test(watch, the_example_misses_nothing)
{
    CLEANUP(cleanup_free) char *program = NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    struct harness_connection connection;
    const char *arguments[] = {"shop", "3", NULL};

    cr_assert_gt(asprintf(&program, "%s/client/example-events", getenv("CREDITD_BUILD_ROOT")), 0);
    house_start(&house, 6, 100, "");
    harness_connect(&connection, house.socket);
    json_decref(harness_call(&connection, "event.subscribe", "{s:s}", "subscriber", "shop"));
    harness_connection_deinit(&connection);
    for (int i = 0; i < 3; i++)
        spend_all(i);
    start_watcher(program, arguments, "example");
    cr_assert_eq(wait_for_watcher(), 0);
    text = wait_for_lines("example", 3);
    cr_assert_str_eq(text, "cus_0 has 5 credits of prod_tokens left\n"
                           "cus_1 has 5 credits of prod_tokens left\n"
                           "cus_2 has 5 credits of prod_tokens left\n");
    arguments[1] = "1";
    start_watcher(program, arguments, "example");
    cr_assert_eq(kill(house_role(&house, "creditd-serve", 0), SIGKILL), 0);
    spend_all(3);
    cr_assert_eq(wait_for_watcher(), 0);
    free(text);
    text = wait_for_lines("example", 1);
    cr_assert_str_eq(text, "cus_3 has 5 credits of prod_tokens left\n");
    house_deinit(&house);
}

/* A hook whose program fails: what operators see, and what they can do. */
static void start_with_failing_hook(void)
{
    char program[HARNESS_PATH_MAX], settings[256];

    house_start(&house, 4, 100, "");
    house_stop_creditd(&house);
    harness_path(&house.directory, "hook", program);
    harness_write_file(program, "#!/bin/sh\ntest -e \"$0.ok\"\n");
    cr_assert_eq(chmod(program, 0755), 0);
    snprintf(settings, sizeof(settings),
             "[hooks]\non_credits_low = %s\nretry_delay = 1ms\nretry_delay_max = 2ms\n"
             "park_after = 30ms\n",
             program);
    house_configure(&house, settings);
    house_start_creditd(&house);
}

static json_t *hook_list(void)
{
    struct harness_connection connection;
    json_t *list;

    harness_connect(&connection, house.socket);
    list = harness_call(&connection, "hook.list", "{s:s}", "hook", "on_credits_low");
    harness_connection_deinit(&connection);
    return list;
}

static void wait_for_hook(const char *member, int64_t value)
{
    int64_t end = now_ms() + HARNESS_TIMEOUT_MS;

    for (;;) {
        json_t *list = hook_list();
        int64_t now = harness_int(json_array_get(json_object_get(list, "hooks"), 0), member);

        json_decref(list);
        if (now == value)
            return;
        cr_assert_lt(now_ms(), end, "%s is %lld", member, (long long)now);
        pause_ms(5);
    }
}

Test(watch, hooks_are_listed_tried_again_and_given_up)
{
    char ok[HARNESS_PATH_MAX];

    start_with_failing_hook();
    RUN(0, "on_credits_low            yes", "hooks");
    spend_all(0);
    spend_all(1);
    wait_for_hook("parked", 2);
    RUN(0, "credits.low  cus_0     parked", "hooks");
    RUN(0, "1  on_credits_low  credits.low  cus_0", "hooks", "on_credits_low", "--state", "parked");
    RUN(0, "\"type\":\"credits.low\"", "--json", "hooks");
    RUN(0, "on_credits_low, event 1: dropped\n", "hooks", "drop", "on_credits_low", "1");
    RUN(1, "", "hooks", "drop", "on_credits_low", "1");
    RUN(1, "", "hooks", "retry", "on_nothing");
    harness_path(&house.directory, "hook.ok", ok);
    harness_write_file(ok, "");
    RUN(0, "on_credits_low: retried\n", "hooks", "retry", "on_credits_low");
    wait_for_hook("delivered", 1);
    wait_for_hook("parked", 0);
    house_deinit(&house);
}

/*
 * Hooks through the whole house: a deduction in the sandbox's product, and a program that is run
 * for what it brought about. What the program writes comes through a FIFO that we hold open.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/fd.h>

static struct house house;
static int fifo = -1;
static char program[HARNESS_PATH_MAX];

static void teardown(void)
{
    house_deinit(&house);
    cleanup_fd(&fifo);
}

TestSuite(hooks, .fini = teardown, .timeout = 500);

static void configure(void)
{
    char text[256];

    snprintf(text, sizeof(text), "[hooks]\non_credits_low = %s\nretry_delay = 10ms\n", program);
    house_configure(&house, text);
}

/* A house whose credits are low at 10 or fewer. */
static void start(bool is_configured)
{
    char text[HARNESS_PATH_MAX + 8];

    house_start(&house, 4, 20, "push_interval = 50ms\n");
    house_stop_creditd(&house);
    harness_path(&house.directory, "program", program);
    snprintf(text, sizeof(text), "%s.fifo", program);
    cr_assert_eq(mkfifo(text, 0600), 0);
    fifo = open(text, O_RDWR | O_CLOEXEC);
    cr_assert_geq(fifo, 0);
    if (is_configured)
        configure();
    house_start_creditd(&house);
}

/* `text` runs before the event is told. */
static void write_program(const char *text)
{
    CLEANUP(cleanup_free) char *script = NULL;

    cr_assert(asprintf(&script,
                       "#!/bin/sh\n%s\n"
                       "{ printf '%%s %%s ' \"$CREDITD_HOOK\" \"$CREDITD_EVENT_TYPE\"; cat; } "
                       ">\"$0.fifo\"\n",
                       text) > 0);
    harness_write_file(program, script);
    cr_assert_eq(chmod(program, 0755), 0);
}

static void read_line(char *line, size_t size)
{
    struct pollfd polled = {.fd = fifo, .events = POLLIN};
    size_t length = 0;

    do {
        cr_assert_eq(poll(&polled, 1, HARNESS_TIMEOUT_MS), 1, "no program has been run");
        cr_assert_eq(read(fifo, line + length, 1), 1);
    } while (line[length++] != '\n' && length < size);
    line[length - 1] = '\0';
}

static void consume(const char *customer, int amount)
{
    struct harness_connection connection;

    harness_connect(&connection, house.socket);
    json_decref(harness_call(&connection, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             customer, "product_id", HOUSE_PRODUCT, "raw_amount", amount));
    harness_connection_deinit(&connection);
}

/* The next run is for that customer's credits.low; answers its envelope. */
static json_t *expect_low(const char *customer, int balance)
{
    static const char begin[] = "on_credits_low credits.low ";
    char line[4096];
    json_t *event, *object;

    read_line(line, sizeof(line));
    cr_assert_eq(strncmp(line, begin, sizeof(begin) - 1), 0, "%s", line);
    event = json_loads(line + sizeof(begin) - 1, 0, NULL);
    cr_assert_not_null(event, "%s", line);
    cr_expect_str_eq(harness_text(event, "type"), "credits.low");
    object = json_object_get(json_object_get(event, "data"), "object");
    cr_expect_str_eq(harness_text(object, "customer_id"), customer, "%s", line);
    cr_expect_str_eq(harness_text(object, "product_id"), HOUSE_PRODUCT, "%s", line);
    cr_expect_eq(harness_int(object, "balance"), balance, "%s", line);
    cr_expect_eq(harness_int(object, "threshold"), 10, "%s", line);
    return event;
}

Test(hooks, a_program_gets_credits_low_after_a_deduction)
{
    start(true);
    write_program("");
    consume("cus_0", 5); /* 15 left: nothing */
    consume("cus_0", 7);
    json_decref(expect_low("cus_0", 8));
    consume("cus_0", 1); /* told already */
    consume("cus_1", 10);
    json_decref(expect_low("cus_1", 10));
}

Test(hooks, the_first_hook_comes_with_sighup)
{
    CLEANUP(cleanup_free) char *log = NULL;
    pid_t hook;

    start(false);
    hook = house_role(&house, "creditd-hook", 0);
    write_program("");
    configure();
    cr_assert_eq(kill(house.creditd.pid, SIGHUP), 0);
    do {
        pause_ms(1);
        free(log);
        log = harness_process_log(&house.creditd);
    } while (!strstr(log, "configuration reloaded"));
    consume("cus_2", 12);
    json_decref(expect_low("cus_2", 8));
    cr_expect_eq(house_role(&house, "creditd-hook", 0), hook, "it is the one that was there");
}

/* The program's run goes with creditd-hook, and comes again: the same event, to the end. */
Test(hooks, a_killed_helper_loses_nothing)
{
    char line[64];
    json_t *event;
    pid_t hook;

    start(true);
    write_program("[ -e \"$0.second\" ] || { : >\"$0.second\"; echo first >\"$0.fifo\"; exec sleep "
                  "1000; }");
    hook = house_role(&house, "creditd-hook", 0);
    consume("cus_3", 12);
    read_line(line, sizeof(line));
    cr_assert_str_eq(line, "first");
    cr_assert_eq(kill(hook, SIGKILL), 0);
    event = expect_low("cus_3", 8);
    cr_expect_eq(harness_int(event, "sequence"), 1);
    json_decref(event);
    house_role(&house, "creditd-hook", hook);
}

/* The same with the ledger's owner. */
Test(hooks, a_killed_serve_loses_nothing)
{
    char line[64];

    start(true);
    write_program("[ -e \"$0.second\" ] || { : >\"$0.second\"; echo first >\"$0.fifo\"; exec sleep "
                  "1000; }");
    consume("cus_3", 12);
    read_line(line, sizeof(line));
    cr_assert_str_eq(line, "first");
    cr_assert_eq(kill(house_role(&house, "creditd-serve", 0), SIGKILL), 0);
    json_decref(expect_low("cus_3", 8));
}

/*
 * What a start makes of a clock that is far from the ledger's last record. The clock is moved for
 * creditd-serve alone (../time_shift.c).
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY (INT64_C(24) * 60 * 60 * 1000)

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(clock, .fini = teardown, .timeout = 500);

static void set_clock(const char *path, int64_t ahead)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    cr_assert(fd >= 0 && write(fd, &ahead, sizeof(ahead)) == sizeof(ahead));
    close(fd);
}

static void run(int64_t ahead, const char *option)
{
    const char *arguments[] = {"--config", fixture.config, option, NULL};
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
    harness_path(&fixture.directory, "shift", path);
    set_clock(path, ahead);
    snprintf(file, sizeof(file), "TIME_SHIFT=%s", path);
    snprintf(library, sizeof(library), "LD_PRELOAD=%s", getenv("TIME_SHIFT_LIBRARY"));
    fixture_allow_preload();
    harness_process_start(&fixture.serve, &start);
}

static void expect_log(const char *text)
{
    char *log = harness_process_log(&fixture.serve);

    if (text != NULL)
        cr_expect_not_null(strstr(log, text), "%s", log);
    else
        cr_expect_null(strstr(log, "the clock says"), "%s", log);
    free(log);
}

/* It serves, and is as it was. */
static void serves(int64_t ahead, const char *log)
{
    run(ahead, NULL);
    harness_process_wait_ready(&fixture.serve);
    fixture_connect(&fixture, &fixture.client);
    fixture_wait_status(&fixture, "ledger.space", 0); /* that is a text: it answers */
    expect_log(log);
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
}

/* Answers the exit status. */
static int ends(int64_t ahead, const char *option, const char *text)
{
    char *path, *log;
    int status;

    run(ahead, option);
    path = strdup(fixture.serve.log_path);
    status = harness_process_wait(&fixture.serve);
    log = harness_read_file(path);
    cr_expect_not_null(strstr(log, text), "%s", log);
    free(log);
    free(path);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Something is recorded, of that time. */
static void spend(int64_t ahead)
{
    run(ahead, NULL);
    harness_process_wait_ready(&fixture.serve);
    fake_sync_start(&fixture.sync, fixture.sync_path);
    fixture_connect(&fixture, &fixture.client);
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i}", "customer_id",
                             "cus_1", "product_id", "prod_1", "raw_amount", 10));
    fixture_wait_status(&fixture, "pending.credits", 0);
    harness_connection_deinit(&fixture.client);
    cr_assert_eq(harness_process_stop(&fixture.serve, SIGTERM), 0);
    fake_sync_stop(&fixture.sync);
}

Test(clock, that_is_years_ahead_starts_nothing)
{
    fixture_init(&fixture, NULL);
    spend(0);
    cr_expect_eq(ends(401 * DAY, NULL, "creditd-serve --accept-clock"), 1);
    cr_expect_eq(ends(4000 * DAY, NULL, "days after the ledger's last record"), 1);
    serves(0, NULL); /* and has changed nothing */
}

Test(clock, that_is_right_after_all_is_accepted)
{
    fixture_init(&fixture, NULL);
    spend(0);
    cr_expect_eq(ends(500 * DAY, NULL, "the clock"), 1);
    cr_expect_eq(ends(500 * DAY, "--accept-clock", ""), 0);
    serves(500 * DAY, NULL);
    spend(500 * DAY);
    cr_expect_eq(ends(500 * DAY, "--accept-clock", ""), 0); /* again: nothing to accept */
    serves(0, "never goes back");
}

Test(clock, that_has_gone_on_while_the_machine_was_off_is_told_of)
{
    fixture_init(&fixture, NULL);
    spend(0);
    serves(20 * DAY, NULL);
    serves(60 * DAY, "60 days after the ledger's last record");
    spend(60 * DAY);
    serves(60 * DAY, NULL);
}

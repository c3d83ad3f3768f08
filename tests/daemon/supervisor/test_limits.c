/*
 * The parts that need no process: delays, and what the command line takes. And the time limit of a
 * stop.
 */
#include "backoff.h"
#include "stage.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/macros.h>

Test(backoff, doubles_up_to_the_longest)
{
    static const int64_t waits[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    struct backoff backoff;

    backoff_init(&backoff, 100, 10000, 30000);
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++)
        cr_assert_eq(backoff_wait(&backoff, 29999), waits[i]);
}

Test(backoff, begins_anew_after_a_good_run)
{
    struct backoff backoff;

    backoff_init(&backoff, 100, 10000, 30000);
    backoff_wait(&backoff, 0);
    backoff_wait(&backoff, 0);
    cr_assert_eq(backoff_wait(&backoff, 30000), 100);
    cr_assert_eq(backoff_wait(&backoff, 0), 200);
}

Test(backoff, three_durations)
{
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"1ms,4ms,1h", 0},     {"1s,1s,0s", 0},
        {"", -EINVAL},         {"1ms", -EINVAL},
        {"1ms,2ms", -EINVAL},  {"1ms,2ms,3ms,4ms", -EINVAL},
        {"1ms,2ms,", -EINVAL}, {"0ms,1s,1s", -EINVAL},
        {"2s,1s,1s", -EINVAL}, {"no limit,1s,1s", -EINVAL},
        {"1,2,3", -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct backoff backoff = {.first_ms = 7};

        cr_assert_eq(backoff_parse(&backoff, cases[i].text), cases[i].result, "%s", cases[i].text);
        if (cases[i].result)
            cr_assert_eq(backoff.first_ms, 7);
    }
}

/* Runs creditd with these arguments; its status, standard output and standard error. */
static int run_creditd(const char *arguments, char *output, char *errors, size_t size)
{
    CLEANUP(cleanup_free) char *command = NULL;
    char directory[] = "/tmp/creditd-test-XXXXXX", path[64];
    FILE *stream;
    int status;

    cr_assert(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/err", directory);
    cr_assert(asprintf(&command, "'%s' %s 2>%s", CREDITD, arguments, path) > 0);
    stream = popen(command, "re");
    output[fread(output, 1, size - 1, stream)] = '\0';
    status = pclose(stream);
    stream = fopen(path, "re");
    errors[fread(errors, 1, size - 1, stream)] = '\0';
    fclose(stream);
    unlink(path);
    rmdir(directory);
    return WEXITSTATUS(status);
}

Test(command_line, mistakes_are_one_line_and_status_2)
{
    static const struct {
        const char *arguments, *error;
    } cases[] = {
        {"--config",
         "creditd: a value is missing after --config; creditd --help shows the options\n"},
        {"--wrong",
         "creditd: unknown option or value: --wrong; creditd --help shows the options\n"},
        {"--sandbox=1",
         "creditd: unknown option or value: --sandbox=1; creditd --help shows the options\n"},
        {"-x", "creditd: unknown option or value: -x; creditd --help shows the options\n"},
        {"word", "creditd: an argument that belongs to no option: word; creditd --help shows the "
                 "options\n"},
        {"--socket ''",
         "creditd: an option has an empty value; creditd --help shows the options\n"},
        {"--config /nonexistent.conf",
         "/nonexistent.conf: cannot be read: No such file or directory\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char output[4096], errors[4096];

        cr_assert_eq(run_creditd(cases[i].arguments, output, errors, sizeof(output)), 2, "%s",
                     cases[i].arguments);
        cr_assert_str_eq(errors, cases[i].error);
        cr_assert_str_eq(output, "");
    }
}

Test(command_line, what_only_prints)
{
    static char output[16384], errors[16384];

    cr_assert_eq(run_creditd("--version", output, errors, sizeof(output)), 0);
    cr_assert_str_eq(output, "creditd " CREDITD_VERSION "\n");
    cr_assert_eq(run_creditd("--help", output, errors, sizeof(output)), 0);
    cr_assert(strstr(output, "--state-dir"));
    cr_assert_eq(run_creditd("--list-options", output, errors, sizeof(output)), 0);
    cr_assert(strstr(output, "[credits] push_interval = 1s\n"));
    cr_assert_str_eq(errors, "");
    cr_assert_eq(run_creditd("--help >/dev/full", output, errors, sizeof(output)), 1);
}

/* Each option of the table stands in the manual page, with its default, under its section. */
Test(manual, creditd_conf_5_describes_every_option)
{
    static char options[16384], errors[16384], manual[65536];
    FILE *stream = fopen(MANUAL, "re");
    char *rest = options, *line;
    size_t count = 0;

    cr_assert(stream);
    manual[fread(manual, 1, sizeof(manual) - 1, stream)] = '\0';
    fclose(stream);
    cr_assert_eq(run_creditd("--list-options", options, errors, sizeof(options)), 0);
    while ((line = strsep(&rest, "\n")) && *line) {
        char section[64], key[64], initial[128] = "", expected[256];
        const char *from, *to, *item;

        cr_assert_geq(sscanf(line, "[%63[^]]] %63s = %127[^\n]", section, key, initial), 2);
        snprintf(expected, sizeof(expected), ".Ss [%s]\n", section);
        from = strstr(manual, expected);
        cr_assert(from, "no section [%s]", section);
        to = strstr(from + 1, "\n.Ss ");
        snprintf(expected, sizeof(expected), "\n.It Va %s%s%s\n", key, *initial ? " No = " : "",
                 initial);
        item = strstr(from, expected);
        cr_assert(item && (!to || item < to), "missing:%s", expected);
        count++;
    }
    cr_assert_gt(count, 50);
}

static void stop_that_takes_too_long(struct stage *stage)
{
    const char *const variables[] = {"CREDITD_STOP_TIMEOUT=1ms", NULL};
    struct actor *serve, *sync;

    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    kill(stage->supervisor, SIGTERM);
    actor_expect_end(serve);
    actor_expect_end(sync);
    stage_error(stage, "creditd-serve does not stop; it is killed");
    cr_assert_eq(stage_wait(stage), 1);
    actor_free(serve);
    actor_free(sync);
}

Test(stop, what_does_not_stop_in_time_is_killed)
{
    struct stage *stage = stage_new();

    stop_that_takes_too_long(stage);
    stage_free(stage);
}

static void stop_before_a_restart(struct stage *stage)
{
    const char *const variables[] = {"CREDITD_RESTART_DELAYS=1h,1h,1h", "CREDITD_TEST_HOOK=1",
                                     NULL};
    struct actor *serve, *sync, *hook;

    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    hook = stage_actor(stage, "creditd-hook");
    kill(sync->pid, SIGKILL);
    stage_error(stage, "creditd-sync ended with signal 9; it is started again in 3600000 ms");
    kill(stage->supervisor, SIGTERM);
    actor_expect(serve, "TERM");
    actor_tell(serve, "exit 0");
    actor_expect(hook, "TERM");
    actor_tell(hook, "exit 0");
    cr_assert_eq(stage_wait(stage), 0);
    actor_free(serve);
    actor_free(sync);
    actor_free(hook);
}

Test(stop, a_restart_that_is_planned_is_not_waited_for)
{
    struct stage *stage = stage_new();

    stop_before_a_restart(stage);
    stage_free(stage);
}

Test(stop, delays_that_are_none)
{
    const char *const bad_delays[] = {"CREDITD_RESTART_DELAYS=often", NULL};
    const char *const bad_timeout[] = {"CREDITD_STOP_TIMEOUT=no limit", NULL};
    struct stage *stage = stage_new();

    stage_start(stage, NULL, bad_delays);
    stage_error(stage, "CREDITD_RESTART_DELAYS: write three durations");
    cr_assert_eq(stage_wait(stage), 2);
    stage_start(stage, NULL, bad_timeout);
    stage_error(stage, "CREDITD_STOP_TIMEOUT: write a duration");
    cr_assert_eq(stage_wait(stage), 2);
    stage_free(stage);
}

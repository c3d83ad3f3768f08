/*
 * What the supervisor does while it runs: it starts again what dies, passes reloads on, and stops
 * in order.
 */
#include "stage.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

static struct stage *stage;
static struct actor *serve, *sync_role;

static void setup(void)
{
    stage = stage_new();
    stage_start_ready(stage, &serve, &sync_role);
}

static void teardown(void)
{
    actor_free(serve);
    actor_free(sync_role);
    stage = stage_free(stage);
}

TestSuite(run, .init = setup, .fini = teardown);

static void replace(struct actor **actor, const char *role)
{
    actor_expect_end(*actor);
    actor_free(*actor);
    *actor = stage_actor(stage, role);
}

Test(run, a_killed_helper_comes_back_with_a_new_connection)
{
    actor_tell(serve, "accept sync");
    actor_expect(serve, "accepted");
    kill(sync_role->pid, SIGKILL);
    replace(&sync_role, "creditd-sync");
    actor_tell(serve, "accept sync");
    actor_expect(serve, "accepted");
    actor_tell(serve, "ping");
    actor_expect(serve, "pong"); /* and serve was left alone */
}

Test(run, a_killed_serve_comes_back_and_no_connect_is_refused_meanwhile)
{
    CLEANUP(cleanup_fd) int client = -1;

    actor_tell(serve, "accept sync");
    actor_expect(serve, "accepted");
    kill(serve->pid, SIGKILL);
    actor_expect_end(serve);
    cr_assert_eq(fd_try_connect_unix(stage->socket, &client), 0);
    actor_expect(sync_role, "EOF"); /* which ends a helper */
    replace(&sync_role, "creditd-sync");
    replace(&serve, "creditd-serve");
    actor_tell(serve, "accept client");
    actor_expect(serve, "accepted");
    actor_tell(serve, "accept sync");
    actor_expect(serve, "accepted");
}

Test(run, the_delays_grow_up_to_the_longest)
{
    static const char *const delays[] = {"in 1 ms", "in 2 ms", "in 4 ms", "in 4 ms"};

    for (size_t i = 0; i < ARRAY_SIZE(delays); i++) {
        const char *line;

        kill(sync_role->pid, SIGKILL);
        line = stage_error(stage, "creditd-sync ended with signal 9; it is started again ");
        cr_assert(strstr(line, delays[i]), "%s", line);
        replace(&sync_role, "creditd-sync");
    }
    kill(serve->pid, SIGKILL);
    cr_assert(strstr(stage_error(stage, "creditd-serve ended with signal 9"), delays[0]),
              "each role has a delay of its own");
    replace(&serve, "creditd-serve");
}

Test(run, a_role_that_ends_by_itself_is_started_again_whatever_its_status)
{
    static const char *const statuses[] = {"0", "1", "2"};

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        char text[64];

        snprintf(text, sizeof(text), "exit %s", statuses[i]);
        actor_tell(sync_role, text);
        snprintf(text, sizeof(text), "creditd-sync ended with status %s; it is", statuses[i]);
        stage_error(stage, text);
        replace(&sync_role, "creditd-sync");
    }
}

Test(run, sighup_reaches_all_roles_once_they_are_ready)
{
    kill(stage->supervisor, SIGHUP);
    actor_expect(serve, "HUP");
    actor_expect(sync_role, "HUP");
    kill(sync_role->pid, SIGKILL);
    replace(&sync_role, "creditd-sync");
    kill(stage->supervisor, SIGHUP);
    actor_expect(serve, "HUP");
    /* Before it is ready it would have died of it; it gets it then. */
    actor_tell(sync_role, "ping");
    actor_expect(sync_role, "pong");
    actor_tell(sync_role, "ready");
    actor_expect(sync_role, "HUP");
}

Test(run, a_bad_configuration_is_not_passed_on)
{
    stage_write(stage, "creditd.conf", "[ledger]\ninterval = soon\n");
    kill(stage->supervisor, SIGHUP);
    stage_error(stage, "creditd.conf:2: [ledger] interval: \"soon\" is not a duration");
    actor_tell(serve, "ping");
    actor_expect(serve, "pong");
    stage_write(stage, "creditd.conf", "[ledger]\ninterval = 2s\n");
    kill(stage->supervisor, SIGHUP);
    actor_expect(serve, "HUP");
    actor_expect(sync_role, "HUP");
}

/* What only hook and http act on: no role gets a file that another would refuse. */
Test(run, a_mistake_that_concerns_one_role_is_passed_on_to_none)
{
    static const char *const mistakes[] = {
        "[hooks]\nuser = no-such-user-here\n", "[hooks]\non_event = http://example.com/\n",
        "[http]\ntrusted_origins = app.example\n", "[better_auth]\nurl = http://app.example\n",
        "[better_auth]\ncookie_prefix = a=b\n"};

    for (size_t i = 0; i < ARRAY_SIZE(mistakes); i++) {
        stage_write(stage, "creditd.conf", mistakes[i]);
        kill(stage->supervisor, SIGHUP);
        cr_assert(strstr(stage_error(stage, "creditd.conf:2: ["), "everything stays as it is"));
    }
    actor_tell(serve, "ping");
    actor_expect(serve, "pong");
    actor_tell(sync_role, "ping");
    actor_expect(sync_role, "pong");
}

/* It does not run, and cannot say so itself. */
Test(run, a_role_that_a_reload_would_bring_is_named)
{
    stage_write(stage, "creditd.conf", "[http]\nlisten = 127.0.0.1:0\n");
    kill(stage->supervisor, SIGHUP);
    stage_error(stage, "creditd-http is wanted now, and is started when creditd is started again");
    actor_expect(serve, "HUP");
    actor_expect(sync_role, "HUP");
}

static void check_all_gone(void)
{
    static const char *const suffixes[] = {"", ".sync", ".hook"};

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        CLEANUP(cleanup_free) char *path = NULL;

        cr_assert(asprintf(&path, "%s%s", stage->socket, suffixes[i]) > 0);
        cr_assert_neq(access(path, F_OK), 0, "%s", path);
    }
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_assert_eq(errno, ECHILD, "nobody was left behind");
}

static void stop_in_order(int number)
{
    int client = -1;

    kill(stage->supervisor, number);
    actor_expect(serve, "TERM");
    cr_assert_eq(fd_connect_unix(stage->socket, &client), -ENOENT, "no new clients");
    actor_tell(sync_role, "ping");
    actor_expect(sync_role, "pong"); /* not told yet: serve may need it */
    actor_tell(serve, "exit 0");
    actor_expect(sync_role, "TERM");
    actor_tell(sync_role, "exit 0");
    cr_assert_eq(stage_wait(stage), 0);
    check_all_gone();
}

Test(run, sigterm_stops_serve_first)
{
    stop_in_order(SIGTERM);
}

Test(run, sigint_stops_in_the_same_order)
{
    stop_in_order(SIGINT);
}

Test(run, helpers_that_end_with_serve_are_not_started_again_while_stopping)
{
    actor_tell(serve, "accept sync");
    actor_expect(serve, "accepted");
    kill(stage->supervisor, SIGTERM);
    actor_expect(serve, "TERM");
    actor_tell(serve, "exit 0");
    actor_expect_end(sync_role); /* of EOF or of SIGTERM */
    cr_assert_eq(stage_wait(stage), 0);
    check_all_gone();
}

Test(run, a_serve_that_ends_badly_while_stopping_is_told)
{
    kill(stage->supervisor, SIGTERM);
    actor_expect(serve, "TERM");
    actor_tell(serve, "exit 1");
    actor_expect(sync_role, "TERM");
    actor_tell(sync_role, "exit 0");
    stage_error(stage, "creditd-serve ended with status 1");
    cr_assert_eq(stage_wait(stage), 1);
}

Test(run, a_second_sigterm_changes_nothing)
{
    kill(stage->supervisor, SIGTERM);
    actor_expect(serve, "TERM");
    kill(stage->supervisor, SIGTERM);
    actor_tell(serve, "exit 0");
    actor_expect(sync_role, "TERM");
    actor_tell(sync_role, "exit 0");
    cr_assert_eq(stage_wait(stage), 0);
    check_all_gone();
}

Test(run, a_second_sigint_kills)
{
    kill(stage->supervisor, SIGINT);
    actor_expect(serve, "TERM");
    kill(stage->supervisor, SIGINT);
    actor_expect_end(serve);
    actor_expect_end(sync_role);
    stage_error(stage, "creditd-serve does not stop; it is killed");
    cr_assert_eq(stage_wait(stage), 1);
    check_all_gone();
}

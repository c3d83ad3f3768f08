/*
 * How roles are started: descriptors, arguments, environment; when creditd is ready; what cannot be
 * started.
 */
#include "stage.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

static struct stage *stage;

static void setup(void)
{
    stage = stage_new();
}

static void teardown(void)
{
    stage = stage_free(stage);
}

TestSuite(start, .init = setup, .fini = teardown);

static void check_lines(const struct actor *actor, const char *kind, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void check_lines(const struct actor *actor, const char *kind, const char *format, ...)
{
    CLEANUP(cleanup_free) char *lines = actor_lines(actor, kind);
    CLEANUP(cleanup_free) char *expected = NULL;
    va_list arguments;

    va_start(arguments, format);
    cr_assert(vasprintf(&expected, format, arguments) >= 0);
    va_end(arguments);
    cr_assert_str_eq(lines, expected, "%s", actor->role);
}

Test(start, descriptors_are_exactly_those)
{
    struct actor *serve, *sync;

    stage_start_ready(stage, &serve, &sync);
    check_lines(serve, "fd",
                "0 /dev/\n1 pipe:\n2 pipe:\n3 listening %s\n4 listening %s.sync\n5 listening "
                "%s.hook\n",
                stage->socket, stage->socket, stage->socket);
    check_lines(sync, "fd", "0 /dev/\n1 pipe:\n2 pipe:\n3 connected %s.sync\n", stage->socket);
    actor_tell(serve, "accept sync");
    actor_expect(serve, "accepted");
    actor_free(serve);
    actor_free(sync);
}

/* Only where it has an address; a client like others, and the first to stop. */
Test(start, http_is_a_client_of_serve_s)
{
    const char *const variables[] = {"STELLAR_TOOLS_API_KEY=sk_live_1", NULL};
    CLEANUP(cleanup_free) char *key = NULL;
    struct actor *serve, *sync, *http;

    stage_write(stage, "creditd.conf", "[http]\nlisten = 127.0.0.1:0\n");
    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    http = stage_actor(stage, "creditd-http");
    check_lines(http, "arg", "--config\n%s\n--socket\n%s\n", stage->config, stage->socket);
    check_lines(http, "fd", "0 /dev/\n1 pipe:\n2 pipe:\n");
    key = actor_variable(http, "STELLAR_TOOLS_API_KEY");
    cr_assert_null(key);
    actor_tell(serve, "ready");
    actor_tell(sync, "ready");
    actor_tell(http, "ready");
    stage_output(stage, "creditd: ready on ");
    kill(stage->supervisor, SIGTERM);
    actor_expect(http, "TERM");
    actor_tell(serve, "ping");
    actor_expect(serve, "pong");
    actor_tell(http, "exit 0");
    actor_expect(serve, "TERM");
    actor_free(serve);
    actor_free(sync);
    actor_free(http);
}

/* A helper with a channel of its own, without the key, whatever is configured; reloads reach it. */
Test(start, hook_is_a_helper_without_the_key)
{
    const char *const variables[] = {"STELLAR_TOOLS_API_KEY=sk_live_1",
                                     "CREDITD_TEST_HOOK=1",
                                     "CREDENTIALS_DIRECTORY=/run/credentials",
                                     "HTTPS_PROXY=http://127.0.0.1:2",
                                     "SECRET=1",
                                     NULL};
    CLEANUP(cleanup_free) char *notify = NULL;
    struct actor *serve, *sync, *hook;

    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    hook = stage_actor(stage, "creditd-hook");
    notify = actor_variable(hook, "NOTIFY_SOCKET");
    check_lines(hook, "arg", "--config\n%s\n", stage->config);
    check_lines(hook, "fd", "0 /dev/\n1 pipe:\n2 pipe:\n3 connected %s.hook\n", stage->socket);
    check_lines(hook, "env",
                "CREDITD_ROLE_DIR=%s\nCREDITD_TEST_CONTROL=%s/control\nCREDITD_TEST_HOOK=1\n"
                "HOME=/nonexistent\nHTTPS_PROXY=http://127.0.0.1:2\nLISTEN_FDNAMES=serve\n"
                "LISTEN_FDS=1\nLISTEN_PID=%d\nNOTIFY_SOCKET=%s\nPATH=/usr/bin:/bin\n%s",
                stage->directory, stage->directory, (int)hook->pid, notify,
                getenv("UBSAN_OPTIONS") ? "UBSAN_OPTIONS=halt_on_error=1\n" : "");
    actor_tell(serve, "ready");
    actor_tell(sync, "ready");
    actor_tell(hook, "ready");
    stage_output(stage, "creditd: ready on ");
    kill(stage->supervisor, SIGHUP);
    actor_expect(hook, "HUP");
    kill(hook->pid, SIGKILL);
    actor_expect_end(hook);
    actor_free(hook);
    hook = stage_actor(stage, "creditd-hook");
    actor_free(serve);
    actor_free(sync);
    actor_free(hook);
}

static mode_t mode_of(const char *suffix)
{
    CLEANUP(cleanup_free) char *path = NULL;
    struct stat status;

    cr_assert(asprintf(&path, "%s%s", stage->socket, suffix) > 0);
    cr_assert_eq(stat(path, &status), 0, "%s", path);
    return status.st_mode & 07777;
}

Test(start, sockets_have_their_modes)
{
    struct actor *serve, *sync;

    umask(077);
    stage_start_ready(stage, &serve, &sync);
    cr_assert_eq(mode_of(""), 0666);
    cr_assert_eq(mode_of(".sync"), 0600);
    cr_assert_eq(mode_of(".hook"), 0600);
    actor_free(serve);
    actor_free(sync);
}

Test(start, arguments_are_exactly_those)
{
    const char *const arguments[] = {"--state-dir", "/some/where", NULL};
    struct actor *serve, *sync;

    stage_start(stage, arguments, NULL);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    check_lines(serve, "arg", "--config\n%s\n--state-dir\n/some/where\n", stage->config);
    check_lines(sync, "arg", "--config\n%s\n", stage->config);
    actor_free(serve);
    actor_free(sync);
}

Test(start, environment_is_exactly_that)
{
    const char *const variables[] = {"STELLAR_TOOLS_API_KEY=sk_live_1",
                                     "CREDITD_BASE_URL=http://127.0.0.1:1",
                                     "CREDITD_SANDBOX=1", /* only the supervisor can say so */
                                     "HTTPS_PROXY=http://127.0.0.1:2",
                                     "CREDENTIALS_DIRECTORY=/run/credentials",
                                     "LC_ALL=C",
                                     "XDG_RUNTIME_DIR=/run/user/1",
                                     "LISTEN_FDS=9",
                                     "LISTEN_PID=1",
                                     "NOTIFY_SOCKET=/nonexistent",
                                     "LD_PRELOAD=",
                                     "PATHOLOGICAL=1",
                                     "SECRET=1",
                                     NULL};
    struct actor *serve, *sync;
    CLEANUP(cleanup_free) char *serve_notify = NULL, *sync_notify = NULL;

    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    serve_notify = actor_variable(serve, "NOTIFY_SOCKET");
    sync_notify = actor_variable(sync, "NOTIFY_SOCKET");
    cr_assert(serve_notify && sync_notify && strcmp(serve_notify, sync_notify));
    check_lines(serve, "env",
                "CREDITD_ROLE_DIR=%s\nCREDITD_TEST_CONTROL=%s/control\nHOME=/nonexistent\n"
                "LC_ALL=C\nLISTEN_FDNAMES=client:sync:hook\nLISTEN_FDS=3\nLISTEN_PID=%d\n"
                "NOTIFY_SOCKET=%s\nPATH=/usr/bin:/bin\n%sXDG_RUNTIME_DIR=/run/user/1\n",
                stage->directory, stage->directory, (int)serve->pid, serve_notify,
                getenv("UBSAN_OPTIONS") ? "UBSAN_OPTIONS=halt_on_error=1\n" : "");
    check_lines(sync, "env",
                "CREDENTIALS_DIRECTORY=/run/credentials\nCREDITD_BASE_URL=http://127.0.0.1:1\n"
                "CREDITD_ROLE_DIR=%s\nCREDITD_TEST_CONTROL=%s/control\nHOME=/nonexistent\n"
                "HTTPS_PROXY=http://127.0.0.1:2\nLC_ALL=C\nLISTEN_FDNAMES=serve\nLISTEN_FDS=1\n"
                "LISTEN_PID=%d\nNOTIFY_SOCKET=%s\nPATH=/usr/bin:/bin\n"
                "STELLAR_TOOLS_API_KEY=sk_live_1\n%sXDG_RUNTIME_DIR=/run/user/1\n",
                stage->directory, stage->directory, (int)sync->pid, sync_notify,
                getenv("UBSAN_OPTIONS") ? "UBSAN_OPTIONS=halt_on_error=1\n" : "");
    actor_free(serve);
    actor_free(sync);
}

Test(start, the_key_does_not_stay_in_the_supervisors_own_environment)
{
    const char *const variables[] = {"STELLAR_TOOLS_API_KEY=sk_live_1", NULL};
    char path[64], data[8192];
    struct actor *serve;
    ssize_t length;
    int fd;

    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    snprintf(path, sizeof(path), "/proc/%d/environ", (int)stage->supervisor);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        cr_assert_eq(errno, EACCES); /* not even we can look */
    length = fd < 0 ? 0 : read(fd, data, sizeof(data));
    cr_assert_null(memmem(data, (size_t)length, "sk_live_1", 9));
    close(fd);
    actor_free(serve);
}

Test(start, signals_are_as_if_nobody_had_touched_them)
{
    struct actor *serve;

    stage_start(stage, NULL, NULL);
    serve = stage_actor(stage, "creditd-serve");
    check_lines(serve, "signals", "SigBlk:\t%016d\nSigIgn:\t%016d\n", 0, 0);
    actor_tell(serve, "ready");
    kill(stage->supervisor, SIGHUP);
    actor_expect(serve, "HUP");
    actor_free(serve);
}

static int open_notify(const struct stage *on, char **ret_variable)
{
    CLEANUP(cleanup_free) char *path = stage_path(on, "notify");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert(asprintf(ret_variable, "NOTIFY_SOCKET=%s", path) > 0);
    return fd;
}

/* A stranger's word: the test's own, to a role's socket. */
static void notify_as_stranger(const struct actor *actor)
{
    CLEANUP(cleanup_free) char *name = actor_variable(actor, "NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(cleanup_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    cr_assert(name && name[0] == '@');
    memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
    cr_assert_eq(sendto(fd, "READY=1", 7, 0, (struct sockaddr *)&address,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                 7);
}

Test(start, ready_when_all_are_and_say_so_themselves)
{
    CLEANUP(cleanup_free) char *notify = NULL;
    const char *variables[] = {NULL, "CREDITD_RESTART_DELAYS=1ms,1ms,1h", NULL};
    struct actor *serve, *sync, *again;
    char text[64] = "";
    int fd = open_notify(stage, &notify);

    variables[0] = notify;
    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    actor_tell(serve, "ready");
    actor_tell(serve, "ping");
    actor_expect(serve, "pong");
    notify_as_stranger(sync);
    /* That sync has been started again shows that all before was seen. */
    actor_tell(sync, "exit 1");
    again = stage_actor(stage, "creditd-sync");
    cr_assert_eq(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), -1);
    actor_tell(again, "ready");
    cr_assert_gt(recv(fd, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, "READY=1");
    stage_output(stage, "creditd: ready on ");
    close(fd);
    actor_free(serve);
    actor_free(sync);
    actor_free(again);
}

/* Its addresses may all be taken; it is started again until they are not. */
Test(start, ready_without_http_where_that_ends)
{
    const char *const variables[] = {"CREDITD_RESTART_DELAYS=1ms,1ms,1h", NULL};
    struct actor *serve, *sync, *http;

    stage_write(stage, "creditd.conf", "[http]\nlocal = /nowhere/http.sock\n");
    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    http = stage_actor(stage, "creditd-http");
    actor_tell(http, "exit 1");
    stage_error(stage, "creditd-http ended with status 1");
    actor_free(http);
    http = stage_actor(stage, "creditd-http");
    actor_tell(serve, "ready");
    actor_tell(sync, "ready");
    stage_output(stage, "creditd: ready on ");
    stage_error(stage, "ready without creditd-http");
    actor_free(serve);
    actor_free(sync);
    actor_free(http);
}

/* Nothing else comes that could bring it up. */
Test(start, ready_when_http_has_ended_last)
{
    const char *const variables[] = {"CREDITD_RESTART_DELAYS=1h,1h,1h", NULL};
    struct actor *serve, *sync, *http;

    stage_write(stage, "creditd.conf", "[http]\nlocal = /nowhere/http.sock\n");
    stage_start(stage, NULL, variables);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    http = stage_actor(stage, "creditd-http");
    actor_tell(serve, "ready");
    actor_tell(sync, "ready");
    actor_tell(http, "ping");
    actor_expect(http, "pong");
    actor_tell(http, "exit 1");
    stage_output(stage, "creditd: ready on ");
    actor_free(serve);
    actor_free(sync);
    actor_free(http);
}

Test(start, of_two_on_one_socket_the_second_gives_up)
{
    struct actor *serve, *sync;
    pid_t first;

    stage_start_ready(stage, &serve, &sync);
    first = stage->supervisor;
    stage->supervisor = 0;
    stage_start(stage, NULL, NULL);
    stage_error(stage, "another creditd serves on ");
    cr_assert_eq(stage_wait(stage), 1);
    stage->supervisor = first;
    cr_assert_eq(access(stage->socket, F_OK), 0);
    actor_tell(serve, "ping");
    actor_expect(serve, "pong");
    actor_free(serve);
    actor_free(sync);
}

Test(start, a_stale_socket_is_no_obstacle)
{
    struct actor *serve, *sync;

    stage_start_ready(stage, &serve, &sync);
    kill(stage->supervisor, SIGKILL);
    cr_assert_eq(stage_wait(stage), -SIGKILL);
    actor_expect(serve, "TERM"); /* nobody is left behind when the supervisor is killed */
    actor_expect(sync, "TERM");
    actor_tell(serve, "exit 0");
    actor_expect_end(serve);
    actor_expect_end(sync); /* as serve has gone */
    /* A process that ends closes its descriptors in no order: only when it has ended is its socket
     * nobody's. */
    cr_assert_eq(waitpid(serve->pid, NULL, 0), serve->pid);
    actor_free(serve);
    actor_free(sync);
    cr_assert_eq(access(stage->socket, F_OK), 0);
    stage_start_ready(stage, &serve, &sync);
    actor_free(serve);
    actor_free(sync);
}

Test(start, a_bad_configuration_is_one_line_and_status_2)
{
    stage_write(stage, "creditd.conf", "\n[ledger]\ninterval = soon\n");
    stage_start(stage, NULL, NULL);
    cr_assert(
        strstr(stage_error(stage, ""), "/creditd.conf:3: [ledger] interval: \"soon\" is not"));
    cr_assert_eq(stage_wait(stage), 2);
}

Test(start, a_role_that_refuses_its_configuration_ends_all_with_status_2)
{
    struct actor *serve, *sync;

    stage_start(stage, NULL, NULL);
    serve = stage_actor(stage, "creditd-serve");
    sync = stage_actor(stage, "creditd-sync");
    actor_tell(sync, "exit 2");
    actor_expect(serve, "TERM");
    actor_tell(serve, "exit 0");
    cr_assert_eq(stage_wait(stage), 2);
    cr_assert_neq(access(stage->socket, F_OK), 0);
    actor_free(serve);
    actor_free(sync);
}

Test(start, a_role_that_is_not_installed)
{
    CLEANUP(cleanup_free) char *path = stage_path(stage, "creditd-sync");

    cr_assert_eq(unlink(path), 0);
    stage_start(stage, NULL, NULL);
    stage_error(stage, "creditd-sync is not installed");
    cr_assert_eq(stage_wait(stage), 1);
    cr_assert_neq(access(stage->socket, F_OK), 0, "nothing was begun");
}

Test(start, a_role_that_cannot_be_executed_takes_down_what_was_started)
{
    /* serve is told to stop before or after it can tell us anything, and then does so by itself. */
    const char *const variables[] = {"CREDITD_TEST_OBEDIENT=1", NULL};
    CLEANUP(cleanup_free) char *path = stage_path(stage, "creditd-sync");

    cr_assert_eq(unlink(path), 0);
    stage_write(stage, "creditd-sync", "#!/nonexistent/interpreter\n");
    cr_assert_eq(chmod(path, 0755), 0);
    stage_start(stage, NULL, variables);
    stage_error(stage, "creditd-sync cannot be started: No such file or directory");
    cr_assert_eq(stage_wait(stage), 1);
    cr_assert_neq(access(stage->socket, F_OK), 0);
    cr_assert_eq(waitpid(-1, NULL, WNOHANG), -1, "nobody was left behind");
}

Test(start, the_sandbox_comes_first_and_sync_is_pointed_at_it)
{
    const char *const arguments[] = {"--sandbox", NULL};
    const char *const variables[] = {"STELLAR_TOOLS_API_KEY=sk_live_1",
                                     "CREDITD_RESTART_DELAYS=1ms,1ms,1h", NULL};
    CLEANUP(cleanup_free) char *url = NULL, *key = NULL, *none = NULL, *own = NULL;
    struct actor *sandbox, *serve, *sync, *again;

    stage_start(stage, arguments, variables);
    sandbox = stage_actor(stage, "creditd-sandbox");
    serve = stage_actor(stage, "creditd-serve");
    check_lines(sandbox, "arg", "--listen\n127.0.0.1:0\n");
    check_lines(sandbox, "fd", "0 /dev/\n1 pipe:\n2 pipe:\n");
    none = actor_variable(sandbox, "STELLAR_TOOLS_API_KEY");
    cr_assert_null(none);
    actor_tell(serve, "ready");
    actor_tell(sandbox, "print listening on http://127.0.0.1:4321");
    actor_tell(sandbox, "print another line");
    sync = stage_actor(stage, "creditd-sync");
    url = actor_variable(sync, "CREDITD_BASE_URL");
    key = actor_variable(sync, "STELLAR_TOOLS_API_KEY");
    own = actor_variable(sync, "CREDITD_SANDBOX");
    none = actor_variable(serve, "CREDITD_SANDBOX");
    cr_assert_str_eq(own, "1");
    cr_assert_null(none);
    cr_assert_str_eq(url, "http://127.0.0.1:4321");
    cr_assert_str_eq(key, "sk_test_sandbox");
    actor_tell(sync, "ready");
    cr_assert(strstr(stage_output(stage, "creditd: ready on "), "http://127.0.0.1:4321"));
    stage_error(stage, "another line");
    /* It is started again where sync knows it to be. */
    kill(sandbox->pid, SIGKILL);
    again = stage_actor(stage, "creditd-sandbox");
    check_lines(again, "arg", "--listen\n127.0.0.1:4321\n");
    actor_free(sandbox);
    actor_free(serve);
    actor_free(sync);
    actor_free(again);
}

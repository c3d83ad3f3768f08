/*
 * Starting a program with exactly the descriptors and the environment that it is given.
 *
 * Standard input is /dev/null, standard output and error are ours, from 3 on come the given ones in
 * their order, and all else is closed, also what we have inherited ourselves. Signals are as if
 * nobody had touched them. The process group is its own, so that an interrupt at the terminal
 * reaches the supervisor alone, which then stops its roles in order.
 *
 * That exec has happened is told by a pipe that closes with it; that it failed, by the error in
 * that pipe.
 */
#include "spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

#define FIRST_FD 3

#define FD_COUNT_MAX 8

static int child_standard_descriptors(const struct spawn_request *request)
{
    CLEANUP(cleanup_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0 || dup2(null, STDIN_FILENO) < 0)
        return -errno;
    if (request->output >= 0 && dup2(request->output, STDOUT_FILENO) < 0)
        return -errno;
    return 0;
}

/* Moves the descriptors to their places, and the status pipe behind them; closes the rest. */
static int child_descriptors(const struct spawn_request *request, int *status_fd)
{
    int count = (int)request->fd_count, status_place = FIRST_FD + count;
    int copies[FD_COUNT_MAX];

    /* First all out of the way, since one's place may be where another one is. */
    for (int i = 0; i < count; i++) {
        copies[i] = fcntl(request->fds[i], F_DUPFD_CLOEXEC, status_place + 1);
        if (copies[i] < 0)
            return -errno;
    }
    if (*status_fd != status_place) {
        if (dup3(*status_fd, status_place, O_CLOEXEC) < 0)
            return -errno;
        *status_fd = status_place;
    }
    for (int i = 0; i < count; i++)
        if (dup2(copies[i], FIRST_FD + i) < 0)
            return -errno;
    return close_range((unsigned)status_place + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int child_signals(pid_t parent)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* some cannot be set, and need not */
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setpgid(0, 0) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return -errno;
    /* The parent may have ended before it was watched. */
    return getppid() == parent ? 0 : -ESRCH;
}

/* The given environment and LISTEN_PID. */
static char **child_environment(const struct spawn_request *request)
{
    static char listen_pid[40];
    char **environment;
    size_t count = 0;

    while (request->environment[count])
        count++;
    environment = calloc(count + 2, sizeof(*environment));
    if (!environment)
        return NULL;
    memcpy(environment, request->environment, count * sizeof(*environment));
    if (request->fd_count) {
        snprintf(listen_pid, sizeof(listen_pid), "LISTEN_PID=%d", (int)getpid());
        environment[count] = listen_pid;
    }
    return environment;
}

/* There is one thread before fork, so that everything may be called after it. */
static void __attribute__((noreturn))
child_run(const struct spawn_request *request, pid_t parent, int status_fd)
{
    char **environment = child_environment(request);
    int r = environment ? 0 : -ENOMEM;

    if (!r)
        r = child_standard_descriptors(request);
    if (!r)
        r = child_descriptors(request, &status_fd);
    if (!r)
        r = child_signals(parent);
    if (!r) {
        execve(request->path, request->arguments, environment);
        r = -errno;
    }
    fd_write_all(status_fd, &r, sizeof(r));
    _exit(127);
}

int spawn_program(const struct spawn_request *request, pid_t *ret_pid)
{
    CLEANUP(cleanup_fd) int ours = -1, theirs = -1;
    pid_t parent = getpid(), child;
    int pair[2], failure, r;

    if (request->fd_count > FD_COUNT_MAX)
        return -EINVAL;
    if (pipe2(pair, O_CLOEXEC) < 0)
        return -errno;
    ours = pair[0];
    theirs = pair[1];
    child = fork();
    if (child < 0)
        return -errno;
    if (!child)
        child_run(request, parent, theirs);
    close(TAKE_FD(theirs));
    r = fd_read_all(ours, &failure, sizeof(failure));
    if (r == -ENODATA) { /* the pipe closed with exec */
        *ret_pid = child;
        return 0;
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    return r < 0 ? r : failure;
}

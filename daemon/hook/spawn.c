/* fork, and what is between it and exec: see spawn.h. */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

#define STATUS_PLACE 3
#define OUT_OF_THE_WAY 4

struct child {
    const char *path;
    char *const *environment;
    const struct identity *identity;
    int input, output, status;
    pid_t parent;
};

static int child_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL); /* some cannot be set, and need not */
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? -errno : 0;
}

/* One's place may be where another one is: first all are copied behind the last place. */
static int child_descriptors(struct child *child)
{
    int input = fcntl(child->input, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    int output = fcntl(child->output, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    int status = fcntl(child->status, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);

    if (input < 0 || output < 0 || status < 0)
        return -errno;
    if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(output, STDERR_FILENO) < 0 || dup3(status, STATUS_PLACE, O_CLOEXEC) < 0)
        return -errno;
    child->status = STATUS_PLACE;
    return close_range(STATUS_PLACE + 1, ~0U, 0) < 0 ? -errno : 0;
}

/* Whatever ends us ends the program: serve will have the event delivered again, and two at once for
 * one customer would be out of order. After the change of user, which clears it. */
static int child_bind(const struct child *child)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    /* The parent may have ended before it was watched. */
    return getppid() == child->parent ? 0 : -ESRCH;
}

static void __attribute__((noreturn)) child_run(struct child *child)
{
    char *const arguments[] = {(char *)(uintptr_t)child->path, NULL};
    int r = setpgid(0, 0) < 0 ? -errno : child_signals();

    if (r == 0)
        r = child_descriptors(child);
    if (r == 0 && chdir("/") < 0)
        r = -errno;
    if (r == 0)
        r = identity_assume(child->identity);
    if (r == 0)
        r = child_bind(child);
    if (r == 0) {
        execve(child->path, arguments, child->environment);
        r = -errno;
    }
    fd_write_all(child->status, &r, sizeof r);
    _exit(127);
}

/* A signal that reached the child before it has reset the handlers would be told to our loop. */
static int fork_quietly(struct child *child, pid_t *ret_pid)
{
    sigset_t all, before;
    pid_t pid;
    int r = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        child_run(child);
    if (pid < 0)
        r = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *ret_pid = pid;
    return r;
}

/* What nobody can change: the program may pass it on. */
static int make_input(const char *text, int *ret_fd)
{
    CLEANUP(cleanup_fd) int fd = memfd_create("event", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return -errno;
    r = fd_write_all(fd, text, strlen(text));
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int make_pipe(int *ret_read, int *ret_write)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    *ret_read = fds[0];
    *ret_write = fds[1];
    return fd_set_nonblocking(fds[0]);
}

int spawn_program(const char *path, char *const *environment, const struct identity *identity,
                  const char *input, struct spawn *ret_spawn)
{
    CLEANUP(cleanup_fd)
    int input_fd = -1, output = -1, output_end = -1, status = -1, status_end = -1;
    struct child child = {
        .path = path, .environment = environment, .identity = identity, .parent = getpid()};
    int pid_fd, r = make_input(input, &input_fd);
    pid_t pid;

    if (r == 0)
        r = make_pipe(&output, &output_end);
    if (r == 0)
        r = make_pipe(&status, &status_end);
    if (r < 0)
        return r;
    child.input = input_fd;
    child.output = output_end;
    child.status = status_end;
    r = fork_quietly(&child, &pid);
    if (r < 0)
        return r;
    setpgid(pid, pid); /* whoever of us two comes first */
    pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pid_fd < 0) {
        r = -errno;
        kill(-pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return r;
    }
    *ret_spawn = (struct spawn){
        .pid = pid, .pid_fd = pid_fd, .output_fd = TAKE_FD(output), .status_fd = TAKE_FD(status)};
    return 0;
}

int spawn_failure(const struct spawn *spawn)
{
    int failure;

    if (read(spawn->status_fd, &failure, sizeof failure) != (ssize_t)sizeof failure)
        return 0;
    return failure;
}

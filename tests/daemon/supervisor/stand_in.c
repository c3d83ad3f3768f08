/*
 * Plays a role of creditd for the tests of its supervisor. It tells the test, over a socket of the
 * test's, how it was started and what happens to it, and does what the test says:
 *
 *   tells   role NAME, pid N, arg …, env …, fd N WHAT, signals …, end; then HUP, TERM, EOF (serve
 * has gone), pong, accepted is told ready, exit N, ping, accept NAME, print TEXT
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>
#include <util/service.h>

static void describe_socket(FILE *report, int fd)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof(address) - 1;

    if (fd_is_listening(fd) == 1 && getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        fprintf(report, "fd %d listening %s\n", fd, address.sun_path);
    else if (getpeername(fd, (struct sockaddr *)&address, &length) == 0)
        fprintf(report, "fd %d connected %s\n", fd, address.sun_path);
    else
        fprintf(report, "fd %d socket\n", fd);
}

static void describe_fds(FILE *report)
{
    DIR *directory = opendir("/proc/self/fd");
    const struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        char path[64], target[256];
        int fd = atoi(entry->d_name);
        ssize_t length;

        if (entry->d_name[0] == '.' || fd == dirfd(directory))
            continue;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        length = readlink(path, target, sizeof(target) - 1);
        target[length < 0 ? 0 : length] = '\0';
        if (!strncmp(target, "socket:", 7))
            describe_socket(report, fd);
        else
            fprintf(report, "fd %d %.5s\n", fd, target);
    }
    if (directory)
        closedir(directory);
}

/* Which signals we were started with blocked or ignored. */
static void describe_signals(FILE *report)
{
    FILE *status = fopen("/proc/self/status", "re");
    char line[256];

    while (status && fgets(line, sizeof(line), status))
        if (!strncmp(line, "SigBlk:", 7) || !strncmp(line, "SigIgn:", 7))
            fprintf(report, "signals %s", line);
    if (status)
        fclose(status);
}

static void send_report(char **argv)
{
    char *text = NULL;
    size_t size = 0;
    FILE *report = open_memstream(&text, &size);
    const char *slash = strrchr(argv[0], '/');
    const char *path = getenv("CREDITD_TEST_CONTROL");
    int control = -1;

    fprintf(report, "role %s\npid %d\n", slash ? slash + 1 : argv[0], (int)getpid());
    for (char **argument = argv + 1; *argument; argument++)
        fprintf(report, "arg %s\n", *argument);
    for (char **item = environ; *item; item++)
        fprintf(report, "env %s\n", *item);
    describe_fds(report); /* before there is one of our own */
    describe_signals(report);
    fputs("end\n", report);
    fclose(report);
    if (!path || fd_connect_unix(path, &control) < 0 || dup2(control, 100) < 0)
        exit(99);
    close(control);
    fd_write_all(100, text, size);
    free(text);
}

static void tell(const char *event)
{
    if (fd_write_all(100, event, strlen(event)) < 0)
        exit(98);
}

static void obey(char *command)
{
    char *argument = strchr(command, ' ');

    if (argument)
        *argument++ = '\0';
    if (!strcmp(command, "ready")) {
        service_notify("STATUS=test\nREADY=1");
    } else if (!strcmp(command, "exit") && argument) {
        exit(atoi(argument));
    } else if (!strcmp(command, "ping")) {
        tell("pong\n");
    } else if (!strcmp(command, "accept") && argument) {
        static int listeners[2] = {-1, -1};
        int *listener = &listeners[!strcmp(argument, SERVICE_FD_SYNC)];

        if (*listener < 0)
            *listener = service_take_fd(argument);
        tell(accept(*listener, NULL, NULL) < 0 ? "failed\n" : "accepted\n");
    } else if (!strcmp(command, "print") && argument) {
        puts(argument);
        fflush(stdout);
    }
}

static void read_commands(void)
{
    static char buffer[1024];
    static size_t length;
    ssize_t n = read(100, buffer + length, sizeof(buffer) - 1 - length);
    char *newline;

    if (n <= 0)
        exit(97); /* the test is over */
    length += (size_t)n;
    buffer[length] = '\0';
    while ((newline = strchr(buffer, '\n'))) {
        char command[1024];

        *newline = '\0';
        strcpy(command, buffer);
        length -= (size_t)(newline + 1 - buffer);
        memmove(buffer, newline + 1, length + 1);
        obey(command);
    }
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

/* creditd-hook is there in every test and matters in few: unless CREDITD_TEST_HOOK is set it is
 * ready at once, and ends when it is told to. */
static int play_extra(void)
{
    struct pollfd fds[2];
    struct signalfd_siginfo signal;

    fds[0] = (struct pollfd){.fd = open_signals(), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = service_take_fd(SERVICE_FD_SERVE), .events = POLLIN};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    service_notify("READY=1");
    while (poll(fds, ARRAY_SIZE(fds), -1) < 0 || !fds[1].revents)
        if (fds[0].revents && read(fds[0].fd, &signal, sizeof(signal)) == sizeof(signal) &&
            signal.ssi_signo == SIGTERM)
            break;
    return 0;
}

int main(int argc, char **argv)
{
    struct pollfd fds[3];
    struct signalfd_siginfo signal;

    (void)argc;
    if (strstr(argv[0], "creditd-hook") && !getenv("CREDITD_TEST_HOOK"))
        return play_extra();
    send_report(argv);
    fds[0] = (struct pollfd){.fd = open_signals(), .events = POLLIN};
    fds[1] = (struct pollfd){.fd = 100, .events = POLLIN};
    fds[2] = (struct pollfd){.fd = service_take_fd(SERVICE_FD_SERVE), .events = POLLIN};
    tell("started\n");
    for (;;) {
        if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
            continue;
        if (fds[0].revents && read(fds[0].fd, &signal, sizeof(signal)) == sizeof(signal)) {
            tell(signal.ssi_signo == SIGHUP ? "HUP\n" : "TERM\n");
            if (signal.ssi_signo == SIGTERM && getenv("CREDITD_TEST_OBEDIENT"))
                return 0;
        }
        if (fds[2].revents) {
            tell("EOF\n");
            return 0; /* as helpers do */
        }
        if (fds[1].revents)
            read_commands();
    }
}

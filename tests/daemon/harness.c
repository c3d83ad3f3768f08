/*
 * See harness.h: directories, files, processes.
 */
#include "harness.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>

extern char **environ;

void harness_directory_init(struct harness_directory *directory)
{
    strcpy(directory->path, "/tmp/creditd-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory->path));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void harness_directory_deinit(struct harness_directory *directory)
{
    if (directory->path[0] != '\0')
        nftw(directory->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    directory->path[0] = '\0';
}

void harness_path(const struct harness_directory *directory, const char *name, char *ret_path)
{
    int length = snprintf(ret_path, HARNESS_PATH_MAX, "%s/%s", directory->path, name);

    cr_assert_lt(length, HARNESS_PATH_MAX);
}

void harness_write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file, "%s: %s", path, strerror(errno));
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

char *harness_hooks_user(void)
{
    const struct passwd *self = getpwuid(geteuid());
    char *line = NULL;

    if (!self)
        return strdup("");
    cr_assert_gt(asprintf(&line, "user = %s\n", self->pw_name), 0);
    return line;
}

char *harness_read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t length = 0, room;

    if (file == NULL)
        return NULL;
    do {
        text = realloc(text, length + 65537);
        cr_assert_not_null(text);
        room = fread(text + length, 1, 65536, file);
        length += room;
    } while (room > 0);
    text[length] = '\0';
    fclose(file);
    return text;
}

int harness_listen(const char *path)
{
    int fd = -1;

    cr_assert_eq(fd_listen_unix(path, 0600, 64, &fd), 0);
    return fd;
}

/* --- processes --- */

char *harness_program_path(const char *program)
{
    static const char *const places[][2] = {
        {"creditd-serve", "daemon/serve"},
        {"creditd-sync", "daemon/sync"},
        {"creditd-hook", "daemon/hook"},
        {"creditd-http", "daemon/http"},
        {"creditd-sandbox", "daemon/sandbox"},
        {"creditd", "daemon/supervisor"},
        {"creditctl", "client"},
    };
    const char *root = getenv("CREDITD_BUILD_ROOT");
    char *path = NULL;

    if (strchr(program, '/') != NULL)
        return strdup(program);
    cr_assert_not_null(root, "CREDITD_BUILD_ROOT is not set: run the tests through meson");
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (strcmp(places[i][0], program) == 0)
            cr_assert_gt(asprintf(&path, "%s/%s/%s", root, places[i][1], program), 0);
    cr_assert_not_null(path, "%s: no such program", program);
    return path;
}

static int notify_listen(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    cr_assert_lt(strlen(path), sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s: %s", path,
                 strerror(errno));
    return fd;
}

/* All that the child needs, made before fork: afterwards only system calls. */
struct child {
    char *program;
    char **arguments, **environment;
    char listen_pid[32];
    int log_fd;
    int fds[HARNESS_FDS_MAX];
    size_t fd_count;
};

static void child_exec(struct child *child)
{
    int high[HARNESS_FDS_MAX];

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nothing behind */
    /* First out of the way, then into place: the numbers may overlap. */
    for (size_t i = 0; i < child->fd_count; i++)
        high[i] = fcntl(child->fds[i], F_DUPFD_CLOEXEC, 100);
    dup2(child->log_fd, STDOUT_FILENO); /* or it would get between the lines of TAP */
    dup2(child->log_fd, STDERR_FILENO);
    for (size_t i = 0; i < child->fd_count; i++)
        dup2(high[i], 3 + (int)i);
    snprintf(child->listen_pid, sizeof(child->listen_pid), "LISTEN_PID=%d", (int)getpid());
    execve(child->program, child->arguments, child->environment);
    _exit(127);
}

static char **child_arguments(const struct harness_start *start, char *program)
{
    size_t count = 0;
    char **arguments;

    while (start->arguments != NULL && start->arguments[count] != NULL)
        count++;
    arguments = calloc(count + 2, sizeof(*arguments));
    cr_assert_not_null(arguments);
    arguments[0] = program;
    for (size_t i = 0; i < count; i++)
        arguments[i + 1] = (char *)start->arguments[i];
    return arguments;
}

/* Ours without what services are told by, and then what this start says. `texts` owns three. */
static char **child_environment(const struct harness_start *start, const char *notify_path,
                                char *listen_pid, char *texts[3])
{
    static const char *const dropped[] = {"LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_"};
    size_t ours = 0, extra = 0, count = 0;
    char names[256] = "";
    char **result;

    while (environ[ours] != NULL)
        ours++;
    while (start->environment != NULL && start->environment[extra] != NULL)
        extra++;
    result = calloc(ours + extra + 5, sizeof(*result));
    cr_assert_not_null(result);
    for (size_t i = 0; i < ours; i++) {
        bool drop = false;
        for (size_t j = 0; j < sizeof(dropped) / sizeof(dropped[0]); j++)
            drop = drop || strncmp(environ[i], dropped[j], strlen(dropped[j])) == 0;
        if (!drop)
            result[count++] = environ[i];
    }
    for (size_t i = 0; i < start->fd_count; i++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i > 0 ? ":" : "",
                 start->fds[i].name);
    cr_assert_gt(asprintf(&texts[0], "NOTIFY_SOCKET=%s", notify_path), 0);
    cr_assert_gt(asprintf(&texts[1], "LISTEN_FDS=%zu", start->fd_count), 0);
    cr_assert_gt(asprintf(&texts[2], "LISTEN_FDNAMES=%s", names), 0);
    result[count++] = texts[0];
    if (start->fd_count > 0) {
        result[count++] = texts[1];
        result[count++] = texts[2];
        result[count++] = listen_pid;
    }
    for (size_t i = 0; i < extra; i++)
        result[count++] = (char *)start->environment[i];
    return result;
}

/* --- what a failing test says --- */

#define LOGS_MAX 4
#define LOG_TAIL 2000

static char logs[LOGS_MAX][2 * HARNESS_PATH_MAX];
static unsigned started;

static void log_append(FILE *stream, const char *path)
{
    char *text = harness_read_file(path);
    size_t length = text != NULL ? strlen(text) : 0;

    if (length > 0)
        fprintf(stream, "\n%s:\n%s", strrchr(path, '/') + 1,
                text + (length > LOG_TAIL ? length - LOG_TAIL : 0));
    free(text);
}

const char *harness_logs(void)
{
    static char text[LOGS_MAX * (LOG_TAIL + 2 * HARNESS_PATH_MAX)];
    FILE *stream;

    memset(text, 0, sizeof(text));
    stream = fmemopen(text, sizeof(text) - 1, "w");
    if (stream == NULL)
        return "";
    for (unsigned i = started < LOGS_MAX ? 0 : started - LOGS_MAX; i < started; i++)
        log_append(stream, logs[i % LOGS_MAX]);
    fclose(stream);
    return text;
}

void harness_process_start(struct harness_process *process, const struct harness_start *start)
{
    struct child child = {.fd_count = start->fd_count};
    char *texts[3] = {NULL, NULL, NULL};
    const char *base = strrchr(start->program, '/');

    base = base != NULL ? base + 1 : start->program;
    memset(process, 0, sizeof(*process));
    started++;
    cr_assert_gt(
        asprintf(&process->log_path, "%s/%s.%u.log", start->directory->path, base, started), 0);
    snprintf(logs[(started - 1) % LOGS_MAX], sizeof(logs[0]), "%s", process->log_path);
    cr_assert_gt(asprintf(&process->notify_path, "%s/notify.%u", start->directory->path, started),
                 0);
    process->notify_fd = notify_listen(process->notify_path);
    child.log_fd = open(process->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    cr_assert_geq(child.log_fd, 0);
    child.program = harness_program_path(start->program);
    child.arguments = child_arguments(start, child.program);
    child.environment = child_environment(start, process->notify_path, child.listen_pid, texts);
    for (size_t i = 0; i < start->fd_count; i++)
        child.fds[i] = start->fds[i].fd;
    process->pid = fork();
    cr_assert_geq(process->pid, 0);
    if (process->pid == 0)
        child_exec(&child);
    close(child.log_fd);
    for (size_t i = 0; i < 3; i++)
        free(texts[i]);
    free(child.environment);
    free(child.arguments);
    free(child.program);
}

char *harness_process_log(const struct harness_process *process)
{
    return harness_read_file(process->log_path);
}

void harness_process_wait_log(const struct harness_process *process, const char *text)
{
    for (int waited = 0; waited < HARNESS_TIMEOUT_MS; waited += 5) {
        char *log = harness_process_log(process);
        bool is_there = log != NULL && strstr(log, text) != NULL;

        free(log);
        if (is_there)
            return;
        poll(NULL, 0, 5); /* a file does not say when it grows */
    }
    cr_assert_fail("no log says \"%s\":%s", text, harness_logs());
}

void harness_process_wait_ready(struct harness_process *process)
{
    char message[512];

    for (int waited = 0; waited < HARNESS_TIMEOUT_MS; waited += 50) {
        struct pollfd poller = {.fd = process->notify_fd, .events = POLLIN};
        ssize_t length;

        if (poll(&poller, 1, 50) == 0) {
            int status = 0;
            if (waitpid(process->pid, &status, WNOHANG) != process->pid)
                continue;
            process->pid = 0;
            cr_assert_fail("it has ended with status %x:%s", (unsigned)status, harness_logs());
        }
        length = recv(process->notify_fd, message, sizeof(message) - 1, 0);
        cr_assert_geq(length, 0);
        message[length] = '\0';
        if (strncmp(message, "READY=1", 7) == 0 || strstr(message, "\nREADY=1") != NULL)
            return;
    }
    cr_assert_fail("not ready after %d ms:%s", HARNESS_TIMEOUT_MS, harness_logs());
}

static void process_forget(struct harness_process *process)
{
    process->pid = 0;
    close(process->notify_fd);
    unlink(process->notify_path);
    free(process->notify_path);
    free(process->log_path);
    memset(process, 0, sizeof(*process));
}

int harness_process_wait(struct harness_process *process)
{
    int status = 0;

    for (int waited = 0; waited < HARNESS_TIMEOUT_MS * 2; waited++) {
        pid_t pid = waitpid(process->pid, &status, WNOHANG);

        cr_assert_geq(pid, 0);
        if (pid > 0) {
            process_forget(process);
            return status;
        }
        poll(NULL, 0, 1); /* waitpid has no timeout; this is none of what is tested */
    }
    cr_assert_fail("pid %d has not ended:%s", (int)process->pid, harness_logs());
    return status;
}

int harness_process_stop(struct harness_process *process, int signal)
{
    cr_assert_gt(process->pid, 0);
    cr_assert_eq(kill(process->pid, signal), 0);
    return harness_process_wait(process);
}

void harness_process_deinit(struct harness_process *process)
{
    if (process->pid > 0) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, NULL, 0);
    }
    if (process->log_path != NULL)
        process_forget(process);
}

/*
 * A stage for tests of the supervisor.
 */
#include "stage.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

char *stage_path(const struct stage *stage, const char *name)
{
    char *path = NULL;

    cr_assert(asprintf(&path, "%s/%s", stage->directory, name) > 0);
    return path;
}

void stage_write(const struct stage *stage, const char *name, const char *text)
{
    CLEANUP(cleanup_free) char *path = stage_path(stage, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    cr_assert(fd >= 0);
    cr_assert_eq(fd_write_all(fd, text, strlen(text)), 0);
    close(fd);
}

static void link_stand_in(const struct stage *stage, const char *role)
{
    CLEANUP(cleanup_free) char *path = stage_path(stage, role);

    cr_assert_eq(symlink(STAND_IN, path), 0);
}

struct stage *stage_new(void)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    CLEANUP(cleanup_free) char *control = NULL;

    cr_assert(stage);
    stage->directory = strdup("/tmp/creditd-test-XXXXXX");
    cr_assert(stage->directory && mkdtemp(stage->directory));
    stage->socket = stage_path(stage, "run/creditd.sock");
    stage->config = stage_path(stage, "creditd.conf");
    stage->output = stage->errors = -1;
    stage_write(stage, "creditd.conf", "");
    link_stand_in(stage, "creditd-serve");
    link_stand_in(stage, "creditd-sync");
    link_stand_in(stage, "creditd-sandbox");
    link_stand_in(stage, "creditd-http");
    link_stand_in(stage, "creditd-hook");
    control = stage_path(stage, "control");
    cr_assert_eq(fd_listen_unix(control, 0600, 64, &stage->control), 0);
    /* What the supervisor leaves behind becomes ours, and is seen. */
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    return stage;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status, (void)type, (void)ftw;
    return remove(path);
}

struct stage *stage_free(struct stage *stage)
{
    if (stage->supervisor)
        kill(stage->supervisor, SIGKILL);
    while (stage->waiting_count)
        actor_free(stage->waiting[--stage->waiting_count]);
    close(stage->control); /* stand-ins end when they lose their test */
    cleanup_fd(&stage->output);
    cleanup_fd(&stage->errors);
    while (wait(NULL) > 0)
        ;
    nftw(stage->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(stage->directory);
    free(stage->socket);
    free(stage->config);
    free(stage);
    return NULL;
}

static void run_supervisor(struct stage *stage, const char *const *arguments,
                           const char *const *variables)
{
    const char *argv[32] = {CREDITD, "--config", stage->config, "--socket", stage->socket};
    const char *envp[64] = {"PATH=/usr/bin:/bin", "HOME=/nonexistent"};
    CLEANUP(cleanup_free) char *role_directory = NULL, *control = NULL;
    size_t argc = 5, envc = 2;

    if (asprintf(&role_directory, "CREDITD_ROLE_DIR=%s", stage->directory) < 0 ||
        asprintf(&control, "CREDITD_TEST_CONTROL=%s/control", stage->directory) < 0)
        _exit(96);
    envp[envc++] = role_directory;
    envp[envc++] = control;
    for (; arguments && *arguments && argc < 31; arguments++)
        argv[argc++] = *arguments;
    for (; variables && *variables && envc < 62; variables++)
        envp[envc++] = *variables;
    /* Under a sanitizer its reports must not get lost. */
    if (getenv("UBSAN_OPTIONS"))
        envp[envc++] = "UBSAN_OPTIONS=halt_on_error=1";
    execve(CREDITD, (char *const *)(const void *)argv, (char *const *)(const void *)envp);
    _exit(95);
}

void stage_start(struct stage *stage, const char *const *arguments, const char *const *variables)
{
    int output[2], errors[2];

    cr_assert(!stage->supervisor);
    cleanup_fd(&stage->output);
    cleanup_fd(&stage->errors);
    cr_assert(!pipe2(output, O_CLOEXEC) && !pipe2(errors, O_CLOEXEC));
    stage->supervisor = fork();
    if (!stage->supervisor) {
        dup2(output[1], STDOUT_FILENO);
        dup2(errors[1], STDERR_FILENO);
        /* As under nohup, in the background of some shells, and below careless parents. */
        signal(SIGHUP, SIG_IGN);
        signal(SIGINT, SIG_IGN);
        signal(SIGCHLD, SIG_IGN);
        dup2(output[1], 17); /* something inherited, which no role may have */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_supervisor(stage, arguments, variables);
    }
    close(output[1]);
    close(errors[1]);
    stage->output = output[0];
    stage->errors = errors[0];
}

int stage_wait(struct stage *stage)
{
    int status;

    cr_assert_eq(waitpid(stage->supervisor, &status, 0), stage->supervisor);
    stage->supervisor = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* One line, read byte by byte, so that nothing of the next one is taken. */
static bool read_line(int fd, char *line, size_t size)
{
    size_t length = 0;

    while (length + 1 < size) {
        if (fd_read_all(fd, line + length, 1) < 0)
            return false;
        if (line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
    return true;
}

static const char *find_line(int fd, const char *text)
{
    static char line[4096];

    do
        cr_assert(read_line(fd, line, sizeof(line)), "no line has \"%s\"", text);
    while (!strstr(line, text));
    return line;
}

const char *stage_output(struct stage *stage, const char *text)
{
    return find_line(stage->output, text);
}

const char *stage_error(struct stage *stage, const char *text)
{
    return find_line(stage->errors, text);
}

static struct actor *accept_actor(struct stage *stage)
{
    struct actor *actor = calloc(1, sizeof(*actor));
    char line[4096];
    size_t size = 0;
    FILE *report;

    cr_assert(actor);
    actor->fd = accept4(stage->control, NULL, NULL, SOCK_CLOEXEC);
    cr_assert(actor->fd >= 0);
    report = open_memstream(&actor->report, &size);
    for (;;) {
        cr_assert(read_line(actor->fd, line, sizeof(line)));
        if (!strcmp(line, "end"))
            break;
        fprintf(report, "%s\n", line);
        if (!strncmp(line, "role ", 5))
            snprintf(actor->role, sizeof(actor->role), "%.31s", line + 5);
        if (!strncmp(line, "pid ", 4))
            actor->pid = atoi(line + 4);
    }
    fclose(report);
    actor_expect(actor, "started");
    return actor;
}

struct actor *stage_actor(struct stage *stage, const char *role)
{
    for (size_t i = 0; i < stage->waiting_count; i++) {
        struct actor *actor = stage->waiting[i];

        if (strcmp(actor->role, role))
            continue;
        stage->waiting_count--;
        memmove(&stage->waiting[i], &stage->waiting[i + 1],
                (stage->waiting_count - i) * sizeof(actor));
        return actor;
    }
    for (;;) {
        struct actor *actor = accept_actor(stage);

        if (!strcmp(actor->role, role))
            return actor;
        cr_assert_lt(stage->waiting_count, ARRAY_SIZE(stage->waiting));
        stage->waiting[stage->waiting_count++] = actor;
    }
}

struct actor *actor_free(struct actor *actor)
{
    close(actor->fd);
    free(actor->report);
    free(actor);
    return NULL;
}

void actor_tell(struct actor *actor, const char *command)
{
    cr_assert_eq(fd_write_all(actor->fd, command, strlen(command)), 0);
    cr_assert_eq(fd_write_all(actor->fd, "\n", 1), 0);
}

void actor_expect(struct actor *actor, const char *event)
{
    char line[256];

    cr_assert(read_line(actor->fd, line, sizeof(line)), "%s ended instead of \"%s\"", actor->role,
              event);
    cr_assert_str_eq(line, event, "%s", actor->role);
}

void actor_expect_end(struct actor *actor)
{
    char line[256];

    while (read_line(actor->fd, line, sizeof(line)))
        ;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *actor_lines(const struct actor *actor, const char *kind)
{
    CLEANUP(cleanup_free) char *copy = strdup(actor->report);
    char *lines[128], *rest = copy, *line, *result = NULL;
    size_t count = 0, length = strlen(kind), size = 0;
    FILE *stream = open_memstream(&result, &size);

    while ((line = strsep(&rest, "\n")) && count < ARRAY_SIZE(lines))
        if (!strncmp(line, kind, length) && line[length] == ' ')
            lines[count++] = line + length + 1;
    if (strcmp(kind, "arg")) /* of these the order counts */
        qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "%s\n", lines[i]);
    fclose(stream);
    return result;
}

char *actor_variable(const struct actor *actor, const char *name)
{
    CLEANUP(cleanup_free) char *pattern = NULL;
    const char *value;

    cr_assert(asprintf(&pattern, "\nenv %s=", name) > 0);
    value = strstr(actor->report, pattern);
    if (!value)
        return NULL;
    value += strlen(pattern);
    return strndup(value, strcspn(value, "\n"));
}

void stage_start_ready(struct stage *stage, struct actor **ret_serve, struct actor **ret_sync)
{
    static const char *const delays[] = {"CREDITD_RESTART_DELAYS=1ms,4ms,1h", NULL};

    stage_start(stage, NULL, delays);
    *ret_serve = stage_actor(stage, "creditd-serve");
    *ret_sync = stage_actor(stage, "creditd-sync");
    actor_tell(*ret_serve, "ready");
    actor_tell(*ret_sync, "ready");
    stage_output(stage, "creditd: ready on ");
}

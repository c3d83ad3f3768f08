/* Watching a program: see program.h. */
#include "program.h"
#include "environment.h"
#include "output.h"
#include "spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>

#define READ_SIZE 4096u
#define READS_AT_ONCE                                                                              \
    16u /* the pipe's capacity: a program that writes on and on holds nobody up                    \
         */
#define LABEL_SIZE 200

enum { HANDLE_PID, HANDLE_OUTPUT, HANDLE_TIMER, HANDLE_COUNT };

enum state { RUNNING, TERMINATED, KILLED };

struct program {
    struct spawn spawn;
    uv_poll_t pid, output_poll;
    uv_timer_t timer;
    unsigned handles; /* not closed yet */
    enum state state;
    bool is_late;
    struct output output;
    struct settings *settings;
    char label[LABEL_SIZE]; /* of its lines in the log */
    program_done_fn *done;
    void *data;
};

static void on_handle_closed(uv_handle_t *handle)
{
    struct program *program = handle->data;

    if (--program->handles > 0)
        return;
    settings_unref(program->settings);
    free(program);
}

static void program_close(struct program *program)
{
    uv_close((uv_handle_t *)&program->pid, on_handle_closed);
    uv_close((uv_handle_t *)&program->output_poll, on_handle_closed);
    uv_close((uv_handle_t *)&program->timer, on_handle_closed);
    cleanup_fd(&program->spawn.pid_fd);
    cleanup_fd(&program->spawn.output_fd);
    cleanup_fd(&program->spawn.status_fd);
}

static void tell_line(void *data, const char *line)
{
    const struct program *program = data;

    log_info("%s: %s", program->label, line);
}

/* False at the end of the output. */
static bool read_output(struct program *program)
{
    char bytes[READ_SIZE];

    for (unsigned i = 0; i < READS_AT_ONCE; i++) {
        ssize_t n = read(program->spawn.output_fd, bytes, sizeof bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (n == 0)
            return false;
        output_feed(&program->output, bytes, (size_t)n, tell_line, program);
    }
    return true;
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0 || !read_output(poll->data))
        uv_poll_stop(poll);
}

/* The program itself, too, where it has moved to another group. */
static void signal_group(const struct program *program, int number)
{
    if (kill(-program->spawn.pid, number) < 0 || number == SIGKILL)
        kill(program->spawn.pid, number);
}

static int64_t grace(const struct program *program)
{
    int64_t timeout = program->settings->timeout;

    return timeout < PROGRAM_GRACE_MAX_MS ? timeout : PROGRAM_GRACE_MAX_MS;
}

static void on_grace_over(uv_timer_t *timer)
{
    struct program *program = timer->data;

    program->state = KILLED;
    signal_group(program, SIGKILL);
}

void program_stop(struct program *program)
{
    if (program->state != RUNNING)
        return;
    program->state = TERMINATED;
    signal_group(program, SIGTERM);
    uv_timer_start(&program->timer, on_grace_over, (uint64_t)grace(program), 0);
}

static void on_time_over(uv_timer_t *timer)
{
    struct program *program = timer->data;

    program->is_late = true;
    program_stop(program);
}

/* The program has ended, and is not reaped yet: its group's id is still its own. */
static void on_end(uv_poll_t *poll, int status, int events)
{
    struct program *program = poll->data;
    struct program_end end = {.exit_status = -1, .is_late = program->is_late};
    int result = 0;

    (void)status, (void)events;
    signal_group(program, SIGKILL);
    while (waitpid(program->spawn.pid, &result, 0) < 0 && errno == EINTR)
        ;
    read_output(program);
    output_end(&program->output, tell_line, program);
    end.error = spawn_failure(&program->spawn);
    if (WIFSIGNALED(result))
        end.signal = WTERMSIG(result);
    else
        end.exit_status = WEXITSTATUS(result);
    program->done(program->data, &end);
    program_close(program);
}

/* On failure the handles that there are have to be closed, the timer first. */
static int watch(uv_loop_t *loop, struct program *program)
{
    int r;

    program->pid.data = program->output_poll.data = program->timer.data = program;
    uv_timer_init(loop, &program->timer);
    program->handles = 1;
    r = uv_poll_init(loop, &program->pid, program->spawn.pid_fd);
    if (r == 0) {
        program->handles++;
        r = uv_poll_init(loop, &program->output_poll, program->spawn.output_fd);
    }
    if (r < 0)
        return r;
    program->handles++;
    uv_poll_start(&program->pid, UV_READABLE, on_end);
    uv_poll_start(&program->output_poll, UV_READABLE, on_output);
    uv_timer_start(&program->timer, on_time_over, (uint64_t)program->settings->timeout, 0);
    return 0;
}

/* Nobody would see its end. */
static void abandon(struct program *program)
{
    signal_group(program, SIGKILL);
    while (waitpid(program->spawn.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    cleanup_fd(&program->spawn.pid_fd);
    cleanup_fd(&program->spawn.output_fd);
    cleanup_fd(&program->spawn.status_fd);
    if (program->handles > 1)
        uv_close((uv_handle_t *)&program->pid, on_handle_closed);
    uv_close((uv_handle_t *)&program->timer, on_handle_closed);
}

static int spawn(const struct request *request, struct program *program)
{
    const struct settings *settings = program->settings;
    CLEANUP(environment_cleanup) char **environment = NULL;
    CLEANUP(cleanup_free) char *input = NULL;
    int r = environment_make(request, &settings->identity, &environment);

    if (r == 0 && asprintf(&input, "%s\n", request->json) < 0) {
        input = NULL;
        r = -ENOMEM;
    }
    if (r < 0)
        return r;
    return spawn_program(settings->hooks[request->hook].program, environment, &settings->identity,
                         input, &program->spawn);
}

int program_start(uv_loop_t *loop, const struct request *request, struct settings *settings,
                  program_done_fn *done, void *data, struct program **ret_program)
{
    struct program *program = calloc(1, sizeof *program);
    int r;

    if (!program)
        return -ENOMEM;
    program->settings = settings_ref(settings);
    program->done = done;
    program->data = data;
    snprintf(program->label, sizeof program->label, "%s %s", hook_name(request->hook), request->id);
    r = spawn(request, program);
    if (r < 0) {
        settings_unref(settings);
        free(program);
        return r;
    }
    r = watch(loop, program);
    if (r < 0) {
        abandon(program);
        return r;
    }
    *ret_program = program;
    return 0;
}

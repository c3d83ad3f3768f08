/*
 * See house.h: programs that are run, and the judge.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void spender_start(struct spender *spender, const struct house *house, const char *customer,
                   long count, int window, int amounts)
{
    char counts[3][24];
    const char *const arguments[] = {SPENDER,   house->socket, HOUSE_PRODUCT, customer,
                                     counts[0], counts[1],     counts[2],     NULL};
    int ends[2];

    memset(spender, 0, sizeof(*spender));
    snprintf(counts[0], sizeof(counts[0]), "%ld", count);
    snprintf(counts[1], sizeof(counts[1]), "%d", window);
    snprintf(counts[2], sizeof(counts[2]), "%d", amounts);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    spender->pid = fork();
    cr_assert_geq(spender->pid, 0);
    if (spender->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        if (getenv("FAULT_TELL") != NULL) /* see main.c */
            dup2(open(getenv("FAULT_TELL"), O_WRONLY | O_APPEND), STDERR_FILENO);
        execv(SPENDER, (char **)arguments);
        _exit(127);
    }
    close(ends[1]);
    spender->output = fdopen(ends[0], "r");
    cr_assert_not_null(spender->output);
}

void spender_stop(struct spender *spender)
{
    cr_assert_eq(kill(spender->pid, SIGTERM), 0);
}

void spender_wait(struct spender *spender)
{
    int found = fscanf(spender->output,
                       "%lld acknowledged, %lld credits, %lld replayed, longest wait %lld ms, in "
                       "%lld ms",
                       &spender->acknowledged, &spender->credits, &spender->replayed,
                       &spender->longest_ms, &spender->took_ms);
    int status;

    fclose(spender->output);
    cr_assert_eq(waitpid(spender->pid, &status, 0), spender->pid);
    cr_assert_eq(status, 0, "a spender ended with status %x", (unsigned)status);
    cr_assert_eq(found, 5);
}

/* Counts a row: its push must be named, and be new. */
static void judge_row(json_t *pushes, const json_t *row, struct judgement *judgement)
{
    const json_t *push = json_object_get(json_object_get(row, "metadata"), "creditd_push");
    const char *type = json_string_value(json_object_get(row, "type"));
    const char *id = json_string_value(push);

    if (strcmp(type, "deduct") != 0)
        return;
    cr_assert_not_null(id, "a deduction that names no push");
    cr_assert_null(json_object_get(pushes, id), "%s was carried out twice", id);
    json_object_set_new(pushes, id, json_true());
    judgement->rows++;
    judgement->credits += json_integer_value(json_object_get(row, "amount"));
}

struct judgement house_judge(const struct house *house)
{
    json_t *dump = sandbox_dump(&house->sandbox, true), *pushes = json_object(), *item;
    struct judgement judgement = {
        .requests = json_integer_value(json_object_get(json_object_get(dump, "requests"), "total")),
    };
    long long consumed = 0;
    size_t i;

    json_array_foreach(json_object_get(dump, "transactions"), i, item)
    {
        judge_row(pushes, item, &judgement);
    }
    json_array_foreach(json_object_get(dump, "balances"), i, item)
    {
        consumed += json_integer_value(json_object_get(item, "consumed"));
    }
    cr_assert_eq(judgement.credits, consumed, "rows say %lld, balances %lld", judgement.credits,
                 consumed);
    json_decref(pushes);
    json_decref(dump);
    return judgement;
}

static char **environment_with(const char *const *extra)
{
    size_t ours = 0, more = 0;
    char **all;

    while (environ[ours] != NULL)
        ours++;
    while (extra != NULL && extra[more] != NULL)
        more++;
    all = calloc(ours + more + 1, sizeof(*all));
    cr_assert_not_null(all);
    for (size_t i = 0; i < more; i++)
        all[i] = (char *)extra[i]; /* the first of two wins */
    memcpy(all + more, environ, ours * sizeof(*all));
    return all;
}

void outcome_init(struct outcome *ret_outcome, const struct harness_directory *directory,
                  const char *program, const char *const *arguments, const char *const *environment)
{
    CLEANUP(cleanup_free) char *path = harness_program_path(program);
    CLEANUP(cleanup_free) char **all = environment_with(environment);
    char output[HARNESS_PATH_MAX], errors[HARNESS_PATH_MAX];
    char *argv[24] = {path};
    int status;
    pid_t pid;

    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        cr_assert_lt(i + 2, ARRAY_SIZE(argv));
        argv[i + 1] = (char *)arguments[i];
    }
    harness_path(directory, "output", output);
    harness_path(directory, "errors", errors);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
        dup2(open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        dup2(open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        execve(path, argv, all);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    ret_outcome->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    ret_outcome->output = harness_read_file(output);
    ret_outcome->errors = harness_read_file(errors);
}

void outcome_deinit(struct outcome *outcome)
{
    free(outcome->output);
    free(outcome->errors);
    memset(outcome, 0, sizeof(*outcome));
}

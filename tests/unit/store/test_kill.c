/*
 * A process that appends and says what was acknowledged, killed at some moment, many times: what it
 * said is there when the next one starts. The child is a process of its own by exec, as serve is:
 * LMDB must not be used across a fork.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define CHILD "CREDITD_TEST_KILL_DIRECTORY"

static int child_replay(void *userdata, const struct record *record, uint64_t place)
{
    (void)userdata;
    (void)place;
    example_check(record);
    return 0;
}

static void child_woken(void *userdata)
{
    (void)!write(*(int *)userdata, "", 1);
}

static int append_some(struct store *store, uint64_t *seed)
{
    struct store_watermarks marks;

    for (uint32_t i = random_next(seed) % 8 + 1; i > 0; i--) {
        uint64_t sequence, place;
        uint8_t *buffer;
        int r;

        store_get_watermarks(store, &marks);
        r = store_append(store, example_size(marks.appended + 1), 0, &buffer, &sequence, &place);
        if (r == -EAGAIN)
            break;
        if (r < 0)
            return r;
        example_encode(buffer, sequence, store_epoch(store));
    }
    store_flush(store);
    return 0;
}

/* Acknowledges over standard output whenever more is durable. Runs until it is killed. */
static int child_run(const char *directory, enum store_durability durability, uint64_t seed)
{
    int wake[2];
    struct store_options options = {.directory = directory,
                                    .durability = durability,
                                    .interval_ms = 2,
                                    .segment_size = 64 * 1024,
                                    .map_size = 64 * 1024 * 1024,
                                    .retention_ms = 0,
                                    .retention_bytes = 256 * 1024,
                                    .checkpoint_interval_ms = 5,
                                    .checkpoint_bytes = 128 * 1024,
                                    .on_progress = child_woken,
                                    .userdata = &wake[1]};
    struct store_watermarks marks;
    struct store *store;
    uint64_t told = 0;
    char drain[256];

    if (pipe2(wake, O_CLOEXEC) < 0 || fcntl(wake[1], F_SETFL, O_NONBLOCK) < 0 ||
        store_open(&options, NULL, child_replay, NULL, &store, NULL) != 0)
        return 1;
    store_keep(store, UINT64_MAX);
    for (;;) {
        if (append_some(store, &seed) < 0)
            return 2;
        if (random_next(&seed) % 30 == 0)
            store_checkpoint(store);
        store_get_watermarks(store, &marks);
        if (marks.failure != 0)
            return 3;
        if (marks.durable != told && write(STDOUT_FILENO, &marks.durable, 8) != 8)
            return 4;
        told = marks.durable;
        if (random_next(&seed) % 3 == 0 && read(wake[0], drain, sizeof(drain)) < 0)
            return 5;
    }
}

/* Before main, so that the child never becomes a test runner. */
__attribute__((constructor)) static void become_child(void)
{
    const char *directory = getenv(CHILD), *seed;
    char *end;
    uint64_t number;

    if (!directory)
        return;
    seed = getenv("CREDITD_TEST_KILL_SEED");
    number = strtoull(seed, &end, 10);
    _exit(child_run(directory,
                    number % 4 == 0 ? STORE_DURABILITY_INTERVAL : STORE_DURABILITY_ALWAYS, number));
}

static pid_t child_start(const char *directory, uint64_t seed, int *ret_output)
{
    char directory_variable[128], seed_variable[64];
    char *arguments[] = {(char *)(uintptr_t) "child", NULL};
    char *environment[] = {directory_variable, seed_variable, NULL};
    int output[2];
    pid_t pid;

    (void)snprintf(directory_variable, sizeof(directory_variable), CHILD "=%s", directory);
    (void)snprintf(seed_variable, sizeof(seed_variable), "CREDITD_TEST_KILL_SEED=%lu",
                   (unsigned long)seed);
    cr_assert_eq(pipe2(output, O_CLOEXEC), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(output[1], STDOUT_FILENO);
        (void)execve("/proc/self/exe", arguments, environment);
        _exit(127);
    }
    (void)close(output[1]);
    *ret_output = output[0];
    return pid;
}

/* Lets it say so many things, kills it, and hears the rest. Returns the last it said. */
static uint64_t child_listen_and_kill(pid_t pid, int output, uint32_t count)
{
    uint64_t told = 0;
    int status;

    while (count-- > 0 && read(output, &told, sizeof(told)) == sizeof(told))
        continue;
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status), "the child ended by itself: %d", WEXITSTATUS(status));
    while (read(output, &told, sizeof(told)) == sizeof(told))
        continue;
    (void)close(output);
    return told;
}

Test(kill, J3_J4_what_was_acknowledged_is_there, .timeout = 500)
{
    struct keeper keeper;
    uint64_t floor = 0;

    keeper_init(&keeper);
    for (uint64_t round = 1; round <= 60; round++) {
        uint64_t seed = round, told;
        int output;
        pid_t pid = child_start(keeper.directory, round, &output);

        told = child_listen_and_kill(pid, output, random_next(&seed) % 40);
        if (told > floor)
            floor = told;
        keeper_open(&keeper);
        cr_assert_geq(keeper_marks(&keeper).durable, floor, "round %lu", (unsigned long)round);
        floor = keeper_marks(&keeper).durable;
        keeper_abandon(&keeper);
    }
    cr_assert_gt(floor, 500, "nothing much was tried: %lu", (unsigned long)floor);
    keeper_deinit(&keeper);
}

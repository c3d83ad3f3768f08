/*
 * J3 with many requests at once: no reply is written before the fdatasync that covers its record
 * has returned. strace tells the order; the batches' headers tell what each fdatasync covers
 * (store/FORMAT.md), and the transaction ids what each reply reveals. Skipped where ptrace is not
 * allowed.
 */
#include "house.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROCESSES_MAX 64

static struct house house;
static char roles[HARNESS_PATH_MAX], trace[HARNESS_PATH_MAX];

static void teardown(void)
{
    house_deinit(&house);
}

TestSuite(order, .fini = teardown, .timeout = 500);

/* --- a creditd-serve under strace --- */

static bool strace_is_allowed(void)
{
    return system("strace -D -o /dev/null true >/dev/null 2>&1") == 0;
}

static void write_stand_in(void)
{
    CLEANUP(cleanup_free) char *program = harness_program_path("creditd-serve"), *text = NULL;
    char path[HARNESS_PATH_MAX * 2];

    /* -D: strace is the grandchild, so that serve is the process which the descriptors are for.
     * LeakSanitizer traces its own process at the end, which cannot be traced twice. */
    cr_assert_gt(asprintf(&text,
                          "#!/bin/sh\nexport ASAN_OPTIONS=detect_leaks=0\n"
                          "exec strace -D -f -qq -xx -s 100000 -o %s "
                          "-e trace=pwrite64,fdatasync,write,writev,sendmsg %s \"$@\"\n",
                          trace, program),
                 0);
    snprintf(path, sizeof(path), "%s/creditd-serve", roles);
    harness_write_file(path, text);
    cr_assert_eq(chmod(path, 0700), 0);
}

static void link_role(const char *role)
{
    CLEANUP(cleanup_free) char *program = harness_program_path(role);
    char path[HARNESS_PATH_MAX * 2];

    snprintf(path, sizeof(path), "%s/%s", roles, role);
    cr_assert_eq(symlink(program, path), 0);
}

static void start_traced(void)
{
    house_start(&house, 2, 1000000, "push_interval = 1h\n");
    house_stop_creditd(&house);
    harness_path(&house.directory, "trace", trace);
    harness_path(&house.directory, "roles", roles);
    cr_assert_eq(mkdir(roles, 0700), 0);
    write_stand_in();
    link_role("creditd-sync");
    link_role("creditd-hook");
    setenv("CREDITD_ROLE_DIR", roles, 1);
    house_start_creditd(&house);
}

/* --- what strace told --- */

/* What one thread has written to the journal and not synced yet. */
struct thread {
    long id;
    uint64_t written; /* the last sequence */
    uint64_t syncing; /* of an fdatasync under way */
};

struct reader {
    struct thread threads[PROCESSES_MAX];
    uint64_t durable;
    long replies, batches, syncs;
};

static struct thread *thread_of(struct reader *reader, long id)
{
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        if (reader->threads[i].id == 0)
            reader->threads[i].id = id;
        if (reader->threads[i].id == id)
            return &reader->threads[i];
    }
    cr_assert_fail("more than %d threads", PROCESSES_MAX);
    return NULL;
}

/* "\x43\x52…" into bytes, in place; how many. */
static size_t unescape(char *text)
{
    size_t length = 0;

    for (const char *at = text; strncmp(at, "\\x", 2) == 0; at += 4) {
        char digits[3] = {at[2], at[3], '\0'};

        text[length++] = (char)strtol(digits, NULL, 16);
    }
    return length;
}

static void take_batch(struct thread *thread, struct reader *reader, const char *bytes,
                       size_t length)
{
    uint64_t first;
    uint32_t count;

    if (length < 64 || memcmp(bytes, "CRDB", 4) != 0)
        return;
    memcpy(&first, bytes + 16, sizeof(first));
    memcpy(&count, bytes + 24, sizeof(count));
    if (count == 0)
        return;
    thread->written = first + count - 1;
    reader->batches++;
}

/* All ids tx_EPOCH_SEQUENCE in it. */
static void take_replies(struct reader *reader, const char *bytes, size_t length)
{
    const char *end = bytes + length;

    for (const char *at = bytes; (at = memmem(at, (size_t)(end - at), "tx_", 3)) != NULL; at++) {
        unsigned long long sequence;
        char id[32] = "";

        memcpy(id, at, (size_t)(end - at) < sizeof(id) - 1 ? (size_t)(end - at) : sizeof(id) - 1);
        if (sscanf(id, "tx_%*u_%llu", &sequence) != 1)
            continue;
        cr_assert_leq(sequence, reader->durable, "%llu was revealed when %llu was durable",
                      sequence, (unsigned long long)reader->durable);
        reader->replies++;
    }
}

static void take_line(struct reader *reader, char *line)
{
    char *call, *quote;
    struct thread *thread = thread_of(reader, strtol(line, &call, 10));
    size_t length;

    call += strspn(call, " ");
    if (strncmp(call, "fdatasync(", 10) == 0) {
        thread->syncing = thread->written;
        if (strstr(call, "unfinished") != NULL)
            return;
    } else if (strncmp(call, "<... fdatasync resumed>", 23) != 0) {
        quote = strchr(call, '"');
        if (quote == NULL)
            return;
        length = unescape(quote + 1);
        if (strncmp(call, "pwrite64(", 9) == 0)
            take_batch(thread, reader, quote + 1, length);
        else
            take_replies(reader, quote + 1, length);
        return;
    }
    cr_assert_not_null(strstr(call, "= 0"), "%s", call);
    reader->syncs++;
    if (thread->syncing > reader->durable)
        reader->durable = thread->syncing;
}

Test(order, J3_no_reply_leaves_before_the_fdatasync_that_covers_it)
{
    struct reader reader = {0};
    struct spender spenders[3];
    int count = scaled(400, 100);
    CLEANUP(cleanup_free) char *text = NULL;
    char *save = NULL;

    if (!strace_is_allowed())
        cr_skip_test("strace may not trace here");
    start_traced();
    for (int i = 0; i < 3; i++)
        spender_start(&spenders[i], &house, i == 0 ? "cus_0" : "cus_1", count, 1 + 7 * i, 1);
    for (int i = 0; i < 3; i++)
        spender_wait(&spenders[i]);
    house_stop_creditd(&house);
    text = harness_read_file(trace);
    cr_assert_not_null(text);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        take_line(&reader, line);
    tell("%ld replies of %d, after %ld batches and %ld fdatasyncs", reader.replies, 3 * count,
         reader.batches, reader.syncs);
    cr_assert_eq(reader.replies, 3 * count, "the trace does not show all replies");
    house_deinit(&house);
}

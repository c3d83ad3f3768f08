/*
 * A checkpoint that was killed between two of its transactions (S2): real records, put into the
 * store as a checkpoint does, up to any image, by a process that is killed there. Serve must start
 * from it as if there had been no checkpoint. Rounds that need several transactions have more rows
 * than a test can wait for, so the transactions are smaller here.
 */
#include "batch.h"
#include "database.h"
#include "files.h"
#include "fixture.h"
#include "images.h"
#include "walk.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CUSTOMERS 3

static struct fixture fixture;

static void teardown(void)
{
    fixture_deinit(&fixture);
}

TestSuite(interrupted, .fini = teardown, .timeout = 1000);

static void consume(const char *customer, const char *key)
{
    json_decref(harness_call(&fixture.client, "credits.consume", "{s:s, s:s, s:i, s:s}",
                             "customer_id", customer, "product_id", "prod_1", "raw_amount", 50,
                             "idempotency_key", key));
}

static void look(int64_t balances[CUSTOMERS])
{
    for (int i = 0; i < CUSTOMERS; i++) {
        char customer[16];
        json_t *result;

        snprintf(customer, sizeof(customer), "cus_%d", i + 1);
        result = harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                              customer, "product_id", "prod_1");
        balances[i] = harness_int(result, "balance");
        json_decref(result);
    }
}

/* One balance has a push that ended and a second one that is under way, another one a push that
 * ended, the last one a balance that is not pushed yet; none of it is in the store. */
static void make_records(int64_t balances[CUSTOMERS])
{
    consume("cus_1", "first");
    consume("cus_2", "second");
    fixture_wait_status(&fixture, "pending.credits", 0);
    json_decref(harness_call(&fixture.client, "credits.balance", "{s:s, s:s}", "customer_id",
                             "cus_3", "product_id", "prod_1"));
    fixture.sync.silent = true;
    consume("cus_1", "third");
    fixture_wait_status(&fixture, "pushes.open", 1);
    consume("cus_3", "fourth");
    look(balances);
}

static void kill_serve(void)
{
    harness_process_stop(&fixture.serve, SIGKILL);
    harness_connection_deinit(&fixture.client);
}

static void gather(struct files *files, struct images *images)
{
    struct walk_position begin = {.number = 1, .offset = BLOCK_SIZE, .known = true};
    struct record record;
    struct walk walk;
    uint64_t place;

    walk_init(&walk, files, &begin);
    while (walk_next(&walk) == WALK_BATCH)
        while (batch_next_record(&walk.reader, &record, &place) > 0)
            if (images_add(images, &record) < 0)
                _exit(2);
    walk_deinit(&walk);
    images_sort(images);
}

/* Never returns: the transactions of a checkpoint, `per` images each, and killed after so many
 * images; exits with 1 where there are not so many. */
static void checkpoint_and_die(size_t until, size_t per)
{
    char path[HARNESS_PATH_MAX + 8], *error = NULL;
    struct database *database;
    struct ledger_state state;
    struct images images, some;
    struct hash_key key;
    struct files files;

    snprintf(path, sizeof(path), "%s/store", fixture.state);
    if (files_open(&files, fixture.state, NULL, &error) < 0 ||
        database_open(path, 64 << 20, &database, &state, &error) < 0)
        _exit(2);
    files.instance = state.instance;
    memcpy(key.bytes, state.hash_key, sizeof(key.bytes));
    images_init(&images, &key);
    gather(&files, &images);
    if (until >= images.count || state.sequence != 0)
        _exit(until == images.count ? 1 : 2);
    some = images;
    for (size_t at = 0; at < until; at += some.count) {
        some.entries = images.entries + at;
        some.count = until - at < per ? until - at : per;
        if (database_apply(database, &some, &state) < 0)
            _exit(2);
    }
    raise(SIGKILL);
}

static bool interrupt(size_t until)
{
    pid_t pid = fork();
    int status;

    cr_assert_geq(pid, 0);
    if (pid == 0)
        checkpoint_and_die(until, 5);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        cr_assert_eq(WEXITSTATUS(status), 1, "the store cannot be written");
    return WIFSIGNALED(status);
}

static void copy_state(const char *from, const char *to)
{
    char command[2 * HARNESS_PATH_MAX + 64];

    snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", to, from, to);
    cr_assert_eq(system(command), 0);
}

Test(interrupted, S2_serve_starts_from_any_part_of_a_checkpoint)
{
    int64_t before[CUSTOMERS], after[CUSTOMERS];
    char killed[HARNESS_PATH_MAX];
    size_t until = 0;

    fixture_start(&fixture, "checkpoint_interval = 1h\n[credits]\npush_interval = 50ms\n");
    make_records(before);
    kill_serve();
    fake_sync_stop(&fixture.sync);
    harness_path(&fixture.directory, "killed", killed);
    copy_state(fixture.state, killed);
    for (; interrupt(until); until++) {
        fixture_start_serve(&fixture);
        fixture_connect(&fixture, &fixture.client);
        look(after);
        cr_assert_arr_eq(after, before, sizeof(before), "after %zu images", until);
        kill_serve();
        copy_state(killed, fixture.state);
    }
    cr_assert_gt(until, 10, "%zu images", until);
    fixture_start_serve(&fixture);
    fixture_deinit(&fixture);
}

/*
 * Copies of a store that is in use, and the check of everything.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <util/macros.h>

#include "support.h"

static struct keeper keeper, copy;

static void setup(void)
{
    keeper_init(&keeper);
    keeper_init(&copy);
}

static void teardown(void)
{
    keeper_deinit(&keeper);
    keeper_deinit(&copy);
}

TestSuite(backup, .init = setup, .fini = teardown, .timeout = 500);

static void check_verified(const struct keeper *which, uint64_t sequence)
{
    struct store_verify_result result;
    char *error = NULL;
    int r = store_verify(which->directory, &result, &error);

    cr_assert_eq(r, 0, "%s", error);
    cr_assert_eq(result.last_sequence, sequence);
}

Test(backup, is_a_store_like_any_other)
{
    CLEANUP(cleanup_free) char *data = path_of(&copy, "store/data.mdb");
    struct stat status;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 40);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 40);
    keeper_append_batches(&keeper, 15);
    cr_assert_eq(store_backup(keeper.store, copy.directory, NULL), 0);
    cr_assert_eq(stat(data, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    keeper_append_batches(&keeper, 5);
    check_verified(&copy, 55);
    keeper_open(&copy);
    cr_assert_eq(copy.replay_from, 41);
    cr_assert_eq(copy.replayed, 55);
    keeper_append_batches(&copy, 3);
    keeper_close(&copy, true);
    keeper_close(&keeper, true);
}

Test(backup, mixes_with_nothing)
{
    char *error = NULL;

    keeper_open(&keeper);
    cr_assert_eq(store_backup(keeper.store, copy.directory, NULL), 0);
    cr_assert_eq(store_backup(keeper.store, copy.directory, &error), -EEXIST);
    cr_assert_not_null(error);
    free(error);
    keeper_close(&keeper, false);
}

/* Neither by start nor by verify: it has less than it seems. */
Test(backup, what_was_cut_short_cannot_be_opened)
{
    struct store_verify_result result;
    char *error = NULL;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 40);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 40);
    store_backup_cancel(keeper.store);
    cr_assert_eq(store_backup(keeper.store, copy.directory, &error), -ECANCELED);
    cr_assert_not_null(strstr(error, copy.directory));
    free(error);
    cr_assert_lt(store_verify(copy.directory, &result, NULL), 0);
    cr_assert_eq(keeper_try_open(&copy), -EUCLEAN);
    cr_assert_not_null(strstr(copy.error, "store/data.mdb: missing"), "%s", copy.error);
    keeper_close(&keeper, true);
}

struct work {
    atomic_bool done;
    int r;
};

static void *make_backup(void *userdata)
{
    struct work *work = userdata;

    work->r = store_backup(keeper.store, copy.directory, NULL);
    atomic_store(&work->done, true);
    return NULL;
}

/* While records come and segments go. */
Test(backup, is_whole_under_load)
{
    struct work work = {.r = 0};
    pthread_t thread;
    uint64_t before, i = 0;

    keeper.options.retention_bytes = 0;
    keeper.options.retention_ms = 0;
    keeper.options.checkpoint_bytes = 32 * 1024;
    keeper_open(&keeper);
    store_keep(keeper.store, UINT64_MAX);
    for (i = 0; i < 500; i++)
        (void)keeper_append(&keeper, i % 3 == 0);
    before = keeper_marks(&keeper).durable;
    cr_assert_eq(pthread_create(&thread, NULL, make_backup, &work), 0);
    for (i = 0; !atomic_load(&work.done); i++)
        (void)keeper_append(&keeper, i % 3 == 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(work.r, 0);
    keeper_open(&copy);
    cr_assert_geq(keeper_marks(&copy).durable, before);
    keeper_close(&copy, false);
    keeper_close(&keeper, true);
}

Test(backup, verify_reads_all)
{
    struct store_verify_result result;

    keeper_open(&keeper);
    while (keeper.place >> 32 < 3)
        keeper_wait_durable(&keeper, keeper_append(&keeper, true));
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, keeper_marks(&keeper).durable);
    keeper_append_batches(&keeper, 3);
    cr_assert_eq(store_verify(keeper.directory, &result, NULL), -EBUSY);
    keeper_abandon(&keeper);
    cr_assert_eq(store_verify(keeper.directory, &result, NULL), 0);
    cr_assert_eq(result.first_sequence, 1);
    cr_assert_eq(result.records, result.last_sequence);
    cr_assert_eq(result.stored, result.last_sequence - 3);
    cr_assert_gt(result.rows, BALANCES / 2);
    cr_assert_geq(result.segments, 3);
}

Test(backup, verify_finds_rot_in_the_history)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "journal/0000000000000001.journal");
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    struct store_verify_result result;
    char *error = NULL;
    size_t length;

    keeper_open(&keeper);
    while (keeper.place >> 32 < 3)
        keeper_wait_durable(&keeper, keeper_append(&keeper, true));
    keeper_close(&keeper, true);
    check_verified(&keeper,
                   store_verify(keeper.directory, &result, NULL) == 0 ? result.last_sequence : 0);
    bytes = read_file(path, &length);
    bytes[4096 * 3 + 100] ^= 4;
    write_file(path, bytes, length);
    cr_assert_eq(store_verify(keeper.directory, &result, &error), -EUCLEAN);
    cr_assert_not_null(strstr(error, "0000000000000001.journal: offset 12288"), "%s", error);
    free(error);
}

Test(backup, verify_finds_a_store_that_went_another_way)
{
    CLEANUP(cleanup_free) char *ours = path_of(&keeper, "store/data.mdb");
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    struct store_verify_result result;
    char *error = NULL;
    uint64_t value = 20;
    size_t length, found = 0;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 20);
    keeper_close(&keeper, true);
    bytes = read_file(ours, &length);
    /* The row of the last record's balance, wherever LMDB has put it. */
    for (size_t at = 0; at + 12 <= length; at += 2) {
        uint32_t balance = 20 * 7 % BALANCES;

        if (memcmp(bytes + at, &balance, 4) == 0 && memcmp(bytes + at + 4, &value, 8) == 0) {
            bytes[at + 4] = 19;
            found++;
        }
    }
    cr_assert_geq(found, 1);
    write_file(ours, bytes, length);
    cr_assert_eq(store_verify(keeper.directory, &result, &error), -EUCLEAN);
    cr_assert_not_null(strstr(error, "a row of balances"), "%s", error);
    free(error);
}

Test(backup, verify_makes_nothing)
{
    struct store_verify_result result;
    char *error = NULL;

    cr_assert_eq(store_verify(keeper.directory, &result, &error), -ENOENT);
    cr_assert_not_null(strstr(error, "data.mdb"));
    free(error);
}

/*
 * The store: what a checkpoint puts, when, and what start makes of it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/macros.h>

#include "database.h"
#include "images.h"
#include "power.h"
#include "support.h"

static struct keeper keeper;

static void setup(void)
{
    keeper_init(&keeper);
}

static void teardown(void)
{
    keeper_deinit(&keeper);
}

TestSuite(checkpoint, .init = setup, .fini = teardown, .timeout = 500);

static void check_stored(void)
{
    struct state state;

    load_state(keeper.store, &state);
    check_state(&state, keeper_marks(&keeper).stored);
}

Test(checkpoint, S2_puts_the_last_image_of_each_row)
{
    struct store_watermarks marks;

    keeper_open(&keeper);
    for (int i = 0; i < 300; i++)
        (void)keeper_append(&keeper, i % 10 == 0);
    store_flush(keeper.store);
    keeper_wait_durable(&keeper, 300);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 300);
    marks = keeper_marks(&keeper);
    cr_assert_eq(marks.stored_place, keeper.place);
    cr_assert_eq(marks.stored_time, 3000);
    check_stored();
    keeper_append_batches(&keeper, 7);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 307);
    check_stored();
    keeper_close(&keeper, false);
}

Test(checkpoint, S3_replay_begins_behind_the_store)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 10);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 10);
    keeper_append_batches(&keeper, 5);
    keeper_abandon(&keeper);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replay_from, 11);
    cr_assert_eq(keeper.replayed, 15);
    keeper_close(&keeper, true);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replay_from, 0);
    cr_assert_eq(keeper_marks(&keeper).stored, 15);
    cr_assert_eq(store_last_time(keeper.store), 150);
    keeper_close(&keeper, false);
}

Test(checkpoint, S3_starts_by_itself_when_enough_has_gathered)
{
    keeper.options.checkpoint_bytes = 40 * 1024;
    keeper_open(&keeper);
    for (int i = 0; i < 400; i++)
        (void)keeper_append(&keeper, true);
    keeper_wait_stored(&keeper, 1);
    keeper_close(&keeper, false);
}

Test(checkpoint, S3_starts_by_itself_after_the_interval)
{
    keeper.options.checkpoint_interval_ms = 1;
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 3);
    keeper_wait_stored(&keeper, 3);
    keeper_close(&keeper, false);
}

Test(checkpoint, S1_rows_are_read_and_each_is_in_key_order)
{
    uint32_t balance = 7, missing = 49;
    uint64_t value = 0;
    size_t length;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 1);
    cr_assert_eq(store_get(keeper.store, TABLE_BALANCE, &balance, 4, &value, 8, &length), -ENOENT,
                 "not stored yet");
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 1);
    cr_assert_eq(store_get(keeper.store, TABLE_BALANCE, &balance, 4, &value, 8, &length), 0);
    cr_assert_eq(length, 8);
    cr_assert_eq(value, 1);
    cr_assert_eq(store_get(keeper.store, TABLE_BALANCE, &balance, 4, &value, 7, &length), -ENOBUFS);
    cr_assert_eq(store_get(keeper.store, TABLE_BALANCE, &missing, 4, &value, 8, &length), -ENOENT);
    cr_assert_eq(store_get(keeper.store, TABLE_META, "m01", 3, &value, 8, &length), 0);
    keeper_close(&keeper, false);
}

static int check_order(void *userdata, const void *key, size_t key_length, const void *value,
                       size_t value_length)
{
    int64_t *last = userdata;
    uint32_t id;

    (void)value;
    (void)value_length;
    cr_assert_eq(key_length, sizeof(id));
    memcpy(&id, key, sizeof(id));
    cr_assert_gt((int64_t)id, *last);
    *last = id;
    return id == 40 ? 77 : 0;
}

Test(checkpoint, S1_a_walk_ends_when_it_is_told_to)
{
    int64_t last = -1;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 60);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 60);
    cr_assert_eq(store_each(keeper.store, TABLE_BALANCE, check_order, &last), 77);
    cr_assert_eq(last, 40);
    keeper_close(&keeper, false);
}

Test(checkpoint, S2_covers_durable_records_only)
{
    struct power power;

    power_init(&power);
    keeper.options.io = &power.io;
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 4);
    keeper_wait_prepared(&keeper);
    power.fail_sync = true;
    (void)keeper_append(&keeper, true);
    (void)keeper_wait_failure(&keeper);
    store_checkpoint(keeper.store);
    cr_assert_neq(store_close(keeper.store, true), 0);
    power.fail_sync = false;
    keeper_open(&keeper);
    cr_assert_leq(keeper_marks(&keeper).stored, 4);
    keeper_close(&keeper, true);
    power_deinit(&power);
}

/* A sealed segment is durable, what was written to the next one is not yet. */
Test(checkpoint, S2_covers_no_written_record_that_is_not_durable)
{
    uint64_t last;

    keeper.options.durability = STORE_DURABILITY_INTERVAL;
    keeper_open(&keeper);
    while (keeper.place >> 32 < 2)
        (void)keeper_append(&keeper, true);
    last = keeper_append(&keeper, true);
    pthread_mutex_lock(&keeper.lock);
    while (keeper_marks(&keeper).written < last)
        pthread_cond_wait(&keeper.progress, &keeper.lock);
    pthread_mutex_unlock(&keeper.lock);
    cr_assert_gt(keeper_marks(&keeper).durable, 0);
    cr_assert_lt(keeper_marks(&keeper).durable, last);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, keeper_marks(&keeper).durable);
    cr_assert_leq(keeper_marks(&keeper).stored, keeper_marks(&keeper).durable);
    keeper_close(&keeper, false);
}

/* As if the process had died between two transactions of a checkpoint: some rows are newer than the
 * store's sequence says, or gone. */
Test(checkpoint, S2_an_interrupted_checkpoint_is_replayed_over)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "store");
    static uint64_t storage[RECORD_SIZE_MAX / 8];
    struct database *database;
    struct ledger_state state;
    struct images images;
    struct hash_key key = {{0}};
    struct record record;
    char *error = NULL;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 40);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 40);
    keeper_append_batches(&keeper, 25);
    keeper_abandon(&keeper);

    images_init(&images, &key);
    for (uint64_t sequence = 41; sequence <= 65; sequence++) {
        example_encode((uint8_t *)storage, sequence, 1);
        cr_assert_eq(record_decode((uint8_t *)storage, sizeof(storage), &record), 0);
        if (sequence % 3 != 0)
            cr_assert_eq(images_add(&images, &record), 0);
    }
    images_sort(&images);
    cr_assert_eq(database_open(path, keeper.options.map_size, &database, &state, &error), 0);
    cr_assert_eq(database_apply(database, &images, &state), 0);
    images_deinit(&images);
    database_free(database);

    keeper_open(&keeper);
    cr_assert_eq(keeper.replay_from, 41);
    cr_assert_eq(keeper.replayed, 65);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 65);
    check_stored();
    keeper_close(&keeper, false);
}

/* Records of 60 KiB: many MiB of images, in several transactions. */
static void append_large(uint32_t count, uint32_t first)
{
    static uint8_t value[60000];

    for (uint32_t i = first; i < first + count; i++) {
        struct record_image image = {.table = TABLE_NAME,
                                     .key = &i,
                                     .key_length = sizeof(i),
                                     .value = value,
                                     .value_length = sizeof(value)};
        struct record_header header = {.type = RECORD_BALANCE_NAMED};
        uint8_t *buffer;
        int r;

        memset(value, (int)(i % 255), sizeof(value));
        while ((r = store_append(keeper.store, record_size(&image, 1, 0), 0, &buffer,
                                 &header.sequence, &keeper.place)) == -EAGAIN) {
            store_flush(keeper.store);
            keeper_wait_durable(&keeper, keeper_marks(&keeper).appended);
        }
        cr_assert_eq(r, 0);
        record_encode(buffer, &header, &image, 1, NULL, 0);
    }
    store_flush(keeper.store);
    keeper_wait_durable(&keeper, keeper_marks(&keeper).appended);
}

static void check_large(uint32_t count)
{
    uint8_t value[60000];
    size_t length;

    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(store_get(keeper.store, TABLE_NAME, &i, 4, value, sizeof(value), &length), 0);
        cr_assert_eq(value[length - 1], i % 255);
    }
}

Test(checkpoint, S4_the_map_grows_when_it_is_full)
{
    keeper.options.segment_size = 16 * 1024 * 1024;
    keeper_open(&keeper);
    append_large(1500, 0);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 1500);
    check_large(1500);
    keeper_close(&keeper, false);
}

Test(checkpoint, S2_a_full_map_at_its_limit_is_a_failure)
{
    keeper.options.segment_size = 16 * 1024 * 1024;
    keeper.options.map_size = 8 * 1024 * 1024;
    keeper_open(&keeper);
    append_large(300, 0);
    store_checkpoint(keeper.store);
    cr_assert_eq(keeper_wait_failure(&keeper), -ENOSPC);
    cr_assert_eq(keeper_marks(&keeper).stored, 0);
    cr_assert_eq(store_close(keeper.store, true), -ENOSPC);
}

/* Nothing is lost by it: with a larger map the records are there. */
static int ignore(void *userdata, const struct record *record, uint64_t place)
{
    uint64_t *count = userdata;

    (void)record;
    (void)place;
    (*count)++;
    return 0;
}

Test(checkpoint, S2_after_a_full_map_the_journal_still_has_all)
{
    uint64_t count = 0;
    char *error = NULL;

    keeper.options.segment_size = 16 * 1024 * 1024;
    keeper.options.map_size = 8 * 1024 * 1024;
    keeper_open(&keeper);
    append_large(300, 0);
    store_checkpoint(keeper.store);
    (void)keeper_wait_failure(&keeper);
    (void)store_close(keeper.store, true);
    keeper.options.map_size = 128 * 1024 * 1024;
    cr_assert_eq(store_open(&keeper.options, NULL, ignore, &count, &keeper.store, &error), 0);
    cr_assert_eq(count, 300);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 300);
    check_large(300);
    keeper_close(&keeper, false);
}

static void check_left_alone(const uint8_t *bytes, size_t length)
{
    CLEANUP(cleanup_free) char *directory = path_of(&keeper, "store");
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "store/data.mdb");
    CLEANUP(cleanup_free) uint8_t *now = NULL;
    size_t now_length;

    cr_assert(mkdir(directory, 0700) == 0 || errno == EEXIST);
    write_file(path, bytes, length);
    cr_assert_eq(keeper_try_open(&keeper), -EPROTONOSUPPORT, "%s", keeper.error);
    cr_assert_not_null(strstr(keeper.error, "data.mdb"));
    now = read_file(path, &now_length);
    cr_assert_eq(now_length, length);
    cr_assert_arr_eq(now, bytes, length);
}

Test(checkpoint, a_file_that_is_no_store_is_left_alone)
{
    static uint8_t bytes[32768];

    memset(bytes, 'x', sizeof(bytes));
    check_left_alone(bytes, sizeof(bytes));
}

/* What LMDB 1.0 will look like to 0.9: the same magic, another version. */
Test(checkpoint, a_store_of_another_lmdb_format_is_left_alone)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "store/data.mdb");
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    size_t length;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 1);
    keeper_close(&keeper, true);
    bytes = read_file(path, &length);
    /* Page header of 16 bytes, then mm_magic and mm_version; both meta pages. */
    bytes[20] = bytes[4096 + 20] = 2;
    check_left_alone(bytes, length);
}

Test(checkpoint, a_database_of_others_is_left_alone)
{
    CLEANUP(cleanup_free) char *directory = path_of(&keeper, "store");
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "store/data.mdb");
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    MDB_val key = {3, (void *)(uintptr_t) "abc"};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi table;
    size_t length;

    cr_assert_eq(mkdir(directory, 0700), 0);
    cr_assert_eq(mdb_env_create(&env), 0);
    cr_assert_eq(mdb_env_open(env, directory, 0, 0600), 0);
    cr_assert_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
    cr_assert_eq(mdb_dbi_open(txn, NULL, 0, &table), 0);
    cr_assert_eq(mdb_put(txn, table, &key, &key, 0), 0);
    cr_assert_eq(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    bytes = read_file(path, &length);
    check_left_alone(bytes, length);
}

Test(checkpoint, the_ledger_keeps_its_name_and_counts_its_starts)
{
    struct hash_key key;
    uint32_t instance;

    keeper_open(&keeper);
    key = *store_hash_key(keeper.store);
    instance = store_instance(keeper.store);
    for (uint32_t start = 1; start < 5; start++) {
        cr_assert_eq(store_epoch(keeper.store), start);
        if (start % 2)
            keeper_close(&keeper, start % 3 == 0);
        else
            keeper_abandon(&keeper);
        keeper_open(&keeper);
    }
    cr_assert_eq(store_instance(keeper.store), instance);
    cr_assert_arr_eq(store_hash_key(keeper.store), &key, sizeof(key));
    keeper_close(&keeper, false);
}

static int refuse(struct store *store, void *userdata)
{
    (void)store;
    (void)userdata;
    return -EOVERFLOW;
}

Test(checkpoint, the_owner_can_refuse_at_start)
{
    char *error = NULL;

    cr_assert_eq(store_open(&keeper.options, refuse, ignore, NULL, &keeper.store, &error),
                 -EOVERFLOW);
    cr_assert_not_null(error);
    free(error);
    keeper_open(&keeper);
    keeper_close(&keeper, false);
}

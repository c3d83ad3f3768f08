/*
 * The store as its owner sees it: opens the parts in the order that ledger.md asks for, and ends
 * them in the reverse one.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/fd.h>

#include "store_private.h"

#define CHECKPOINT_BYTES_MAX (256u * 1024u * 1024u)

static void on_durable(void *userdata)
{
    struct store *store = userdata;

    checkpoint_consider(&store->checkpoint);
}

static int check_options(const struct store_options *options, char **ret_error)
{
    uint64_t size = options->segment_size;

    if (size < SEGMENT_SIZE_MIN || size > SEGMENT_SIZE_MAX || size % BLOCK_SIZE != 0)
        return store_error(ret_error, -EINVAL,
                           "segment size %" PRIu64 ": must be a multiple of 4096 from 64 KiB to "
                           "4 GiB",
                           size);
    if (options->checkpoint_bytes > CHECKPOINT_BYTES_MAX)
        return store_error(ret_error, -EINVAL, "checkpoint bytes: at most 256 MiB");
    return 0;
}

/* LMDB would make an empty one in the place of one that is gone, and its key with it. */
static int check_present(const struct files *files, char **ret_error)
{
    CLEANUP(cleanup_free) uint64_t *numbers = NULL;
    size_t count;
    int r;

    if (faccessat(files->state_fd, "store/data.mdb", F_OK, 0) == 0)
        return 0;
    r = segment_list(files, &numbers, &count);
    if (r < 0)
        return store_error(ret_error, r, "journal/: %s", strerror(-r));
    if (count > 0)
        return store_error(ret_error, -EUCLEAN,
                           "store/data.mdb: missing, though the journal has segments %" PRIu64
                           " to %" PRIu64,
                           numbers[0], numbers[count - 1]);
    return 0;
}

/* LMDB syncs its file, but not the directory that names it. */
static int sync_path(const char *path, char **ret_error)
{
    CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -errno : files_sync_directory(fd);

    return r < 0 ? store_error(ret_error, r, "%s: %s", path, strerror(-r)) : 0;
}

static int open_database(struct store *store, char **ret_error)
{
    CLEANUP(cleanup_free) char *path = NULL;
    int r = check_present(&store->files, ret_error);

    if (r < 0)
        return r;
    if (asprintf(&path, "%s/store", store->options.directory) < 0)
        return -ENOMEM;
    r = fd_make_directory(path, 0700);
    if (r == 0)
        r = files_sync_directory(store->files.state_fd);
    if (r < 0)
        return store_error(ret_error, r, "%s: %s", path, strerror(-r));
    r = database_open(path, store->options.map_size, &store->database, &store->state, ret_error);
    if (r == 0)
        r = sync_path(path, ret_error);
    if (r < 0)
        return r;
    store->files.instance = store->state.instance;
    memcpy(store->hash_key.bytes, store->state.hash_key, sizeof(store->hash_key.bytes));
    store->last_time = store->state.time;
    return 0;
}

static int check_journal(struct store *store, char **ret_error)
{
    struct recovery_from from = {.sequence = store->state.sequence,
                                 .place = store->state.place,
                                 .begun = store->state.epoch > 0};
    int r = recovery_check(&store->files, &from, &store->recovery, ret_error);

    if (r < 0)
        return r;
    r = recovery_repair(&store->files, &store->recovery, store->options.segment_size);
    if (r < 0)
        return store_error(ret_error, r, "journal/: its tail cannot be written: %s", strerror(-r));
    if (store->recovery.tail.time > store->last_time)
        store->last_time = store->recovery.tail.time;
    return 0;
}

/* The start's number is durable before anything can bear it. */
static int begin_epoch(struct store *store)
{
    struct images none;
    int r;

    store->state.epoch++;
    images_init(&none, &store->hash_key);
    r = database_apply(store->database, &none, &store->state);
    images_deinit(&none);
    return r == -EXFULL ? -ENOSPC : r;
}

static void init_progress(struct store *store)
{
    struct progress *progress = &store->progress;
    const struct walk_position *tail = &store->recovery.tail, *replay = &store->recovery.replay;

    progress->on_progress = store->options.on_progress;
    progress->userdata = store->options.userdata;
    atomic_store(&progress->appended, tail->sequence);
    atomic_store(&progress->written, tail->sequence);
    atomic_store(&progress->durable, tail->sequence);
    atomic_store(&progress->stored, store->state.sequence);
    atomic_store(&progress->stored_place, store->state.place);
    atomic_store(&progress->stored_time, store->state.time);
    atomic_store(&progress->end, place_of(tail->number, tail->offset));
    atomic_store(&progress->durable_end, place_of(tail->number, tail->offset));
    atomic_store(&progress->stored_end, place_of(replay->number, replay->offset));
    atomic_store(&progress->oldest_place, place_of(store->recovery.first_number, 0));
}

static int init_parts(struct store *store)
{
    const struct store_options *options = &store->options;
    const struct recovery *recovery = &store->recovery;
    struct space_options space = {options->segment_size, options->retention_ms,
                                  options->retention_bytes};
    struct journal_options journal = {options->durability, options->interval_ms,
                                      options->segment_size, on_durable, store};
    struct checkpoint_options checkpoint = {options->checkpoint_interval_ms,
                                            options->checkpoint_bytes, options->segment_size};
    int r, s;

    init_progress(store);
    store->has_parts = true;
    lending_init(&store->lending, &store->files, recovery->first_number);
    checkpoint_init(&store->checkpoint, &store->files, &store->progress, &store->space,
                    store->database, &checkpoint, &store->state, &recovery->replay);
    r = space_init(&store->space, &store->files, &store->progress, &store->lending, &space,
                   recovery->first_number, recovery->tail.number, recovery->last_number);
    s = journal_init(&store->journal, &store->files, &store->progress, &store->space, &journal,
                     &recovery->tail);
    return r < 0 ? r : s;
}

static int start_threads(struct store *store)
{
    int r = space_start(&store->space);

    if (r == 0)
        r = checkpoint_start(&store->checkpoint);
    return r < 0 ? r : journal_start(&store->journal);
}

static int begin(struct store *store, char **ret_error)
{
    int r = begin_epoch(store);

    if (r == 0)
        r = init_parts(store);
    if (r == 0)
        r = start_threads(store);
    return r < 0 ? store_error(ret_error, r, "%s: cannot be started: %s", store->options.directory,
                               strerror(-r))
                 : 0;
}

static struct store *store_free(struct store *store)
{
    if (!store)
        return NULL;
    if (store->has_parts) {
        journal_stop(&store->journal, true);
        checkpoint_stop(&store->checkpoint, false);
        space_deinit(&store->space);
        journal_deinit(&store->journal);
        checkpoint_deinit(&store->checkpoint);
        lending_deinit(&store->lending);
    }
    store->database = database_free(store->database);
    if (store->has_files)
        files_close(&store->files);
    free((char *)(uintptr_t)store->options.directory);
    free(store);
    return NULL;
}

static void store_cleanup(struct store **store)
{
    *store = store_free(*store);
}

static int store_new(const struct store_options *options, struct store **ret_store)
{
    struct store *store = calloc(1, sizeof(*store));

    if (!store)
        return -ENOMEM;
    store->options = *options;
    store->options.directory = strdup(options->directory);
    store->options.io = NULL; /* copied into files */
    if (!store->options.directory) {
        free(store);
        return -ENOMEM;
    }
    *ret_store = store;
    return 0;
}

int store_open(const struct store_options *options,
               int (*start)(struct store *store, void *userdata), store_replay_function replay,
               void *userdata, struct store **ret_store, char **ret_error)
{
    CLEANUP(store_cleanup) struct store *store = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    int r;

    r = check_options(options, &error);
    if (r == 0)
        r = store_new(options, &store);
    if (r == 0) {
        r = files_open(&store->files, options->directory, options->io, &error);
        store->has_files = true;
    }
    if (r == 0)
        r = open_database(store, &error);
    if (r == 0 && start) {
        atomic_store(&store->progress.stored, store->state.sequence); /* start may ask for it */
        r = start(store, userdata);
    }
    if (r == 0)
        r = check_journal(store, &error);
    if (r == 0)
        r = recovery_replay(&store->files, &store->recovery, store->state.sequence, replay,
                            userdata);
    if (r == 0)
        r = begin(store, &error);
    if (r == 0) {
        *ret_store = TAKE_PTR(store);
        return 0;
    }
    if (ret_error && !error)
        (void)store_error(&error, r, "%s: cannot be opened: %s", options->directory,
                          strerror(r < 0 ? -r : EINVAL));
    if (ret_error)
        *ret_error = TAKE_PTR(error);
    return r;
}

int store_close(struct store *store, bool checkpoint)
{
    int r;

    if (!store)
        return 0;
    journal_flush(&store->journal);
    journal_stop(&store->journal, false);
    checkpoint_stop(&store->checkpoint, checkpoint);
    r = atomic_load(&store->progress.failure);
    (void)store_free(store);
    return r;
}

void store_abandon(struct store *store)
{
    (void)store_free(store);
}

const struct hash_key *store_hash_key(const struct store *store)
{
    return &store->hash_key;
}

uint32_t store_instance(const struct store *store)
{
    return store->state.instance;
}

/* While store_open has not yet begun it (in `start` and `replay`): the one that will begin. */
uint32_t store_epoch(const struct store *store)
{
    return store->has_parts ? store->state.epoch : store->state.epoch + 1;
}

int64_t store_last_time(const struct store *store)
{
    return store->last_time;
}

int store_append(void *store, size_t size, int use_reserve, uint8_t **ret_buffer,
                 uint64_t *ret_sequence, uint64_t *ret_place)
{
    struct store *self = store;

    return journal_append(&self->journal, size, use_reserve != 0, ret_buffer, ret_sequence,
                          ret_place);
}

void store_flush(struct store *store)
{
    journal_flush(&store->journal);
}

void store_get_watermarks(const struct store *store, struct store_watermarks *ret_watermarks)
{
    progress_get(&store->progress, ret_watermarks);
}

void store_checkpoint(struct store *store)
{
    checkpoint_ask(&store->checkpoint);
    space_kick(&store->space);
}

int store_get(struct store *store, enum record_table table, const void *key, size_t key_length,
              void *buffer, size_t buffer_size, size_t *ret_length)
{
    assert(table < TABLE_COUNT_);
    return database_get(store->database, table, key, key_length, buffer, buffer_size, ret_length);
}

int store_each(struct store *store, enum record_table table, store_row_function function,
               void *userdata)
{
    return store_range(store, table, NULL, 0, SIZE_MAX, function, userdata);
}

int store_range(struct store *store, enum record_table table, const void *key, size_t key_length,
                size_t limit, store_row_function function, void *userdata)
{
    assert(table < TABLE_COUNT_);
    return database_range(store->database, table, key, key_length, limit, function, userdata);
}

int store_last(struct store *store, enum record_table table, store_row_function function,
               void *userdata)
{
    assert(table < TABLE_COUNT_);
    return database_last(store->database, table, function, userdata);
}

void store_keep(struct store *store, uint64_t place)
{
    space_keep(&store->space, place);
}

int store_read_record(struct store *store, uint64_t place, uint8_t *buffer,
                      struct record *ret_record)
{
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    int r;

    if (place == 0 || place >= atomic_load(&store->progress.durable_end))
        return -ENOENT;
    r = lending_take(&store->lending, place >> 32, &segment);
    if (r == 0)
        r = segment_read_record(segment, (uint32_t)place, buffer, ret_record);
    /* The name goes before the header changes. */
    else if (r == -EBADMSG && !segment_exists(&store->files, place >> 32))
        r = -ENOENT;
    if (r == 0)
        lending_give(&store->lending, TAKE_PTR(segment));
    return r == -EBADMSG ? -EUCLEAN : r;
}

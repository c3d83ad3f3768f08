/*
 * Reading everything: what start checks, then the whole history, then the store's rows against
 * their last images in it. A row that the unapplied tail touches is not compared: a checkpoint that
 * was interrupted may have put it already (S2).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "images.h"
#include "recovery.h"
#include "store_private.h"

#define VALUE_MAX RECORD_SIZE_MAX

struct verify {
    struct files files;
    struct database *database;
    struct ledger_state state;
    struct images stored, tail; /* of records up to the store's sequence, and beyond */
    struct recovery recovery;
    struct store_verify_result result;
};

static int take_records(struct verify *verify, struct batch_reader *reader)
{
    struct record record;
    uint64_t place;
    int r;

    while ((r = batch_next_record(reader, &record, &place)) > 0) {
        uint64_t sequence = record.header.sequence;

        if (verify->result.last_sequence != 0 && sequence != verify->result.last_sequence + 1)
            return -EUCLEAN;
        if (verify->result.first_sequence == 0)
            verify->result.first_sequence = sequence;
        verify->result.last_sequence = sequence;
        verify->result.records++;
        r = images_add(sequence <= verify->state.sequence ? &verify->stored : &verify->tail,
                       &record);
        if (r < 0)
            return r;
    }
    return r < 0 ? -EUCLEAN : 0;
}

static int read_history(struct verify *verify, char **ret_error)
{
    struct walk_position first = {.number = verify->recovery.first_number,
                                  .offset = BLOCK_SIZE,
                                  .known = verify->recovery.first_number == 1};
    const struct walk_position *tail = &verify->recovery.tail;
    CLEANUP(walk_deinit) struct walk walk;
    char name[SEGMENT_NAME_SIZE];
    int r;

    walk_init(&walk, &verify->files, &first);
    while ((r = walk_next(&walk)) == WALK_BATCH) {
        verify->result.batches++;
        r = take_records(verify, &walk.reader);
        if (r < 0)
            break;
    }
    if (r == WALK_END && walk.at.number == tail->number && walk.at.offset == tail->offset)
        return 0;
    segment_name(walk.at.number, name);
    if (r >= 0)
        r = -EUCLEAN;
    return store_error(ret_error, r,
                       "journal/%s: offset %" PRIu64 ", after sequence %" PRIu64
                       ": invalid batch in the history",
                       name, walk.at.offset, walk.at.sequence);
}

static int compare_row(struct verify *verify, const struct image_entry *entry, uint8_t *buffer,
                       char **ret_error)
{
    enum record_table table = (enum record_table)entry->table;
    size_t length = 0;
    int r;

    if (images_find(&verify->tail, table, entry->key, entry->key_length))
        return 0;
    r = database_get(verify->database, table, entry->key, entry->key_length, buffer, VALUE_MAX,
                     &length);
    if (r < 0 && r != -ENOENT)
        return r;
    verify->result.rows++;
    if (r == -ENOENT ? entry->value_length == 0
                     : length == entry->value_length && length > 0 &&
                           memcmp(buffer, entry->value, length) == 0)
        return 0;
    return store_error(
        ret_error, -EUCLEAN,
        "store/data.mdb: a row of %s is not what the journal says at sequence %" PRIu64,
        record_table_name(table), verify->state.sequence);
}

static int compare_rows(struct verify *verify, char **ret_error)
{
    CLEANUP(cleanup_free) uint8_t *buffer = malloc(VALUE_MAX);
    int r = buffer ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < verify->stored.count; i++)
        r = compare_row(verify, &verify->stored.entries[i], buffer, ret_error);
    return r;
}

static int open_parts(struct verify *verify, const char *directory, char **ret_error)
{
    CLEANUP(cleanup_free) char *data = NULL;
    CLEANUP(cleanup_free) char *store = NULL;
    int r;

    if (asprintf(&data, "%s/store/data.mdb", directory) < 0 ||
        asprintf(&store, "%s/store", directory) < 0)
        return -ENOMEM;
    /* First, since opening would make what is not there. */
    if (access(data, R_OK) < 0)
        return store_error(ret_error, -errno, "%s: %s", data, strerror(errno));
    r = files_open(&verify->files, directory, NULL, ret_error);
    if (r == 0)
        r = database_open(store, 0, &verify->database, &verify->state, ret_error);
    verify->files.instance = verify->state.instance;
    return r;
}

static int verify_all(struct verify *verify, const char *directory, char **ret_error)
{
    struct recovery_from from;
    int r = open_parts(verify, directory, ret_error);

    if (r < 0)
        return r;
    from = (struct recovery_from){.sequence = verify->state.sequence,
                                  .place = verify->state.place,
                                  .begun = verify->state.epoch > 0};
    verify->result.stored = verify->state.sequence;
    r = recovery_check(&verify->files, &from, &verify->recovery, ret_error);
    if (r < 0 || verify->recovery.fresh)
        return r;
    verify->result.segments = verify->recovery.last_number - verify->recovery.first_number + 1;
    r = read_history(verify, ret_error);
    return r < 0 ? r : compare_rows(verify, ret_error);
}

int store_verify(const char *directory, struct store_verify_result *ret_result, char **ret_error)
{
    struct verify verify = {.files = {.state_fd = -1, .journal_fd = -1, .lock_fd = -1}};
    CLEANUP(cleanup_free) char *error = NULL;
    struct hash_key key = {{0}};
    int r;

    images_init(&verify.stored, &key);
    images_init(&verify.tail, &key);
    r = verify_all(&verify, directory, &error);
    if (r == 0)
        *ret_result = verify.result;
    else if (!error)
        (void)store_error(&error, r, "%s: %s", directory, strerror(-r));
    if (ret_error)
        *ret_error = TAKE_PTR(error);
    verify.database = database_free(verify.database);
    files_close(&verify.files);
    images_deinit(&verify.stored);
    images_deinit(&verify.tail);
    return r;
}

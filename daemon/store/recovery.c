/*
 * Start. The one question is whether what comes after the last good batch is a torn tail, which a
 * crash leaves and which nobody was told of, or damage, which loses what somebody was told of.
 *
 * Each batch names the place up to which the journal was durable when it was written. So if any
 * valid header lies behind the end and names a place behind it too, something durable is gone. And
 * since a segment is synced before the next one is begun, a valid header in a later segment always
 * says so. Headers are looked for at each block, by a checksum that begins with the nonce.
 */
#include "recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK (64u * BLOCK_SIZE)

static int damage(char **ret_error, uint64_t number, const char *what)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(number, name);
    return store_error(ret_error, -EUCLEAN, "journal/%s: %s", name, what);
}

static int damage_at(char **ret_error, const struct walk_position *at, const char *what)
{
    char name[SEGMENT_NAME_SIZE];

    segment_name(at->number, name);
    return store_error(ret_error, -EUCLEAN,
                       "journal/%s: offset %" PRIu64 ", after sequence %" PRIu64 ": %s", name,
                       at->offset, at->sequence, what);
}

/* Every segment, of whatever age: its header and size, without gaps in their numbers. */
static int check_segments(const struct files *files, const uint64_t *numbers, size_t count,
                          char **ret_error)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP(segment_cleanup) struct segment *segment = NULL;
        char name[SEGMENT_NAME_SIZE];
        int r;

        if (numbers[i] != numbers[0] + i)
            return damage(ret_error, numbers[0] + i, "missing, though later segments are there");
        r = segment_open(files, numbers[i], &segment);
        segment_name(numbers[i], name);
        if (r == -EPROTONOSUPPORT)
            return store_error(ret_error, r, "journal/%s: offset 0: written by another version",
                               name);
        if (r == -EBADMSG)
            return damage(ret_error, numbers[i],
                          "offset 0: its header or size is not that of this segment");
        if (r < 0)
            return store_error(ret_error, r, "journal/%s: %s", name, strerror(-r));
    }
    return 0;
}

static int check_begin(const struct recovery_from *from, const uint64_t *numbers, size_t count,
                       struct walk_position *ret_begin, char **ret_error)
{
    uint64_t number = from->place ? from->place >> 32 : 1;

    if (number < numbers[0])
        return damage(ret_error, number, "missing, and not yet in the store");
    if (number > numbers[count - 1])
        return damage(ret_error, number, "missing, though the store has records of it");
    *ret_begin =
        (struct walk_position){.number = number, .offset = BLOCK_SIZE, .known = number == 1};
    return 0;
}

/* The records of one batch: all there, and numbered as the header says. */
static int check_records(struct batch_reader *reader)
{
    uint64_t sequence = reader->header.first_sequence, place;
    struct record record;
    int r;

    while ((r = batch_next_record(reader, &record, &place)) > 0)
        if (record.header.sequence != sequence++)
            return -EBADMSG;
    return r < 0 || sequence != reader->header.first_sequence + reader->header.count ? -EBADMSG : 0;
}

/* Looks for headers in [offset, end): *ret_found is the first one that proves that what lies before
 * `offset` had been durable further than it is now. */
static int find_proof(const struct segment *segment, uint64_t offset, uint64_t tail_place,
                      bool *ret_found, uint64_t *ret_at, uint64_t *ret_durable)
{
    CLEANUP(cleanup_free) uint8_t *chunk = malloc(CHUNK);
    struct batch_header header;
    int r;

    if (!chunk)
        return -ENOMEM;
    for (; offset < segment->size; offset += CHUNK) {
        size_t length = segment->size - offset < CHUNK ? segment->size - offset : CHUNK;

        r = files_read(segment->fd, chunk, length, offset);
        if (r < 0)
            return r;
        for (size_t at = 0; at < length; at += BLOCK_SIZE) {
            memcpy(&header, chunk + at, sizeof(header));
            if (!batch_header_valid(&header, segment, offset + at) ||
                header.durable_end <= tail_place)
                continue;
            *ret_found = true;
            *ret_at = offset + at;
            *ret_durable = header.durable;
            return 0;
        }
    }
    return 0;
}

static int check_tail(const struct files *files, const struct recovery *recovery, char **ret_error)
{
    const struct walk_position *tail = &recovery->tail;
    uint64_t tail_place = place_of(tail->number, tail->offset), at = 0, durable = 0;

    for (uint64_t number = tail->number; number <= recovery->last_number; number++) {
        CLEANUP(segment_cleanup) struct segment *segment = NULL;
        char name[SEGMENT_NAME_SIZE], what[160];
        bool found = false;
        int r;

        r = segment_open(files, number, &segment);
        if (r == 0)
            r = find_proof(segment, number == tail->number ? tail->offset : BLOCK_SIZE, tail_place,
                           &found, &at, &durable);
        if (r < 0)
            return r;
        if (!found)
            continue;
        segment_name(number, name);
        (void)snprintf(what, sizeof(what),
                       "invalid batch, but %s offset %" PRIu64 " was written when sequence %" PRIu64
                       " was durable",
                       name, at, durable);
        return damage_at(ret_error, tail, what);
    }
    return 0;
}

static int check_batches(const struct files *files, const struct recovery_from *from,
                         struct recovery *recovery, char **ret_error)
{
    CLEANUP(walk_deinit) struct walk walk;
    bool found = false;
    int r;

    walk_init(&walk, files, &recovery->begin);
    for (;;) {
        struct walk_position before = walk.at;

        r = walk_next(&walk);
        if (r <= 0 || r == WALK_MISSING)
            break;
        if (check_records(&walk.reader) < 0)
            return damage_at(ret_error, &before, "a batch whose records do not add up");
        if (!before.known && walk.reader.header.first_sequence > from->sequence + 1)
            return damage_at(ret_error, &before, "begins after what the store has");
        if (!found && walk.at.sequence > from->sequence) {
            recovery->replay = before;
            found = true;
        }
        if (walk.reader.header.durable_end > recovery->durable_end)
            recovery->durable_end = walk.reader.header.durable_end;
    }
    if (r == WALK_MISSING)
        return damage(ret_error, walk.at.number + 1,
                      "missing, though the segment before it is sealed");
    recovery->tail = walk.at;
    if (!found)
        recovery->replay = walk.at;
    return r;
}

int recovery_check(const struct files *files, const struct recovery_from *from,
                   struct recovery *ret_recovery, char **ret_error)
{
    CLEANUP(cleanup_free) uint64_t *numbers = NULL;
    struct recovery recovery = {.fresh = false};
    size_t count = 0;
    int r;

    r = segment_list(files, &numbers, &count);
    if (r < 0)
        return store_error(ret_error, r, "journal/: %s", strerror(-r));
    if (count == 0 && from->begun)
        return damage(ret_error, from->place ? from->place >> 32 : 1,
                      "missing: the directory has no segment, but the store has been in use");
    if (count == 0) {
        *ret_recovery = (struct recovery){.fresh = true};
        return 0;
    }
    if (!from->begun && (count > 1 || numbers[0] != 1))
        return damage(ret_error, numbers[0], "belongs to a store that is missing");
    recovery.first_number = numbers[0];
    recovery.last_number = numbers[count - 1];
    r = check_segments(files, numbers, count, ret_error);
    if (r == 0)
        r = check_begin(from, numbers, count, &recovery.begin, ret_error);
    if (r == 0)
        r = check_batches(files, from, &recovery, ret_error);
    if (r == 0)
        r = check_tail(files, &recovery, ret_error);
    if (r < 0)
        return *ret_error ? r : store_error(ret_error, r, "journal/: %s", strerror(-r));
    if (recovery.tail.sequence < from->sequence) {
        char what[96];

        (void)snprintf(what, sizeof(what), "the journal ends, but the store has sequence %" PRIu64,
                       from->sequence);
        return damage_at(ret_error, &recovery.tail, what);
    }
    *ret_recovery = recovery;
    return 0;
}

/* Batches that a process may have left in the page cache only: written again where they are, since
 * a sync alone would not write what a failed one has marked as clean. */
static int rewrite_batches(const struct files *files, const struct recovery *recovery)
{
    CLEANUP(walk_deinit) struct walk walk;
    bool dirty = false;
    int r;

    walk_init(&walk, files, &recovery->begin);
    while ((r = walk_next(&walk)) == WALK_BATCH) {
        struct batch_reader *reader = &walk.reader;
        size_t length = reader->header.length, whole = block_round(length);

        if (reader->place >= recovery->durable_end) {
            memset(reader->bytes + length, 0, whole - length);
            r = files_write(files, walk.segment->fd, reader->bytes, whole, (uint32_t)reader->place);
            if (r < 0)
                return r;
            dirty = true;
        }
        if (dirty && walk.at.sealed) {
            r = files_sync(files, walk.segment->fd);
            if (r < 0)
                return r;
            dirty = false;
        }
    }
    if (r == 0 && dirty)
        r = files_sync(files, walk.segment->fd);
    return r;
}

static int zero_tail(const struct files *files, const struct walk_position *tail)
{
    static const uint8_t zeros[CHUNK];
    CLEANUP(cleanup_free) uint8_t *chunk = malloc(CHUNK);
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    bool dirty = false;
    int r;

    if (!chunk)
        return -ENOMEM;
    r = segment_open(files, tail->number, &segment);
    if (r < 0)
        return r;
    for (uint64_t offset = tail->offset; offset < segment->size; offset += CHUNK) {
        size_t length = segment->size - offset < CHUNK ? segment->size - offset : CHUNK;

        r = files_read(segment->fd, chunk, length, offset);
        if (r == 0 && memcmp(chunk, zeros, length) != 0) {
            r = files_write(files, segment->fd, zeros, length, offset);
            dirty = true;
        }
        if (r < 0)
            return r;
    }
    return dirty ? files_sync(files, segment->fd) : 0;
}

int recovery_repair(const struct files *files, struct recovery *recovery, uint64_t segment_size)
{
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    int r;

    if (!recovery->fresh) {
        r = rewrite_batches(files, recovery);
        return r < 0 ? r : zero_tail(files, &recovery->tail);
    }
    r = segment_create(files, 1, segment_size, &segment);
    if (r < 0)
        return r;
    recovery->begin = (struct walk_position){.number = 1, .offset = BLOCK_SIZE, .known = true};
    recovery->replay = recovery->tail = recovery->begin;
    recovery->first_number = recovery->last_number = 1;
    return 0;
}

int recovery_replay(const struct files *files, const struct recovery *recovery,
                    uint64_t stored_sequence, store_replay_function replay, void *userdata)
{
    CLEANUP(walk_deinit) struct walk walk;
    int r;

    walk_init(&walk, files, &recovery->replay);
    while ((r = walk_next(&walk)) == WALK_BATCH) {
        struct record record;
        uint64_t place;

        while ((r = batch_next_record(&walk.reader, &record, &place)) > 0) {
            if (record.header.sequence <= stored_sequence)
                continue;
            r = replay(userdata, &record, place);
            if (r != 0)
                return r;
        }
        if (r < 0)
            return -EUCLEAN;
    }
    return r;
}

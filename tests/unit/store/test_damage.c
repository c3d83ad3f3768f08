/*
 * What start makes of a journal that is not as it was left: J5, by cutting and flipping all of it.
 * Most go straight to recovery.c, since each try would otherwise cost an LMDB of its own.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/macros.h>

#include "recovery.h"
#include "support.h"

#define FIRST "journal/0000000000000001.journal"
#define SECOND "journal/0000000000000002.journal"
#define BATCHES_MAX 64

/* A journal of one segment, in memory, with what stands where. */
struct sample {
    struct files files;
    char *path;
    int fd;
    uint8_t *bytes;
    size_t length;
    struct {
        size_t offset, used; /* used: to the last byte that is not zero */
        uint64_t sequence;   /* of its last record */
    } batches[BATCHES_MAX];
    size_t count;
};

static struct keeper keeper;
static struct sample sample;

static void setup(void)
{
    keeper_init(&keeper);
}

static void teardown(void)
{
    keeper_deinit(&keeper);
}

TestSuite(damage, .init = setup, .fini = teardown, .timeout = 500);

/* Thousands of repairs; what they sync is tested elsewhere. */
static int skip_sync(void *userdata, int fd)
{
    (void)userdata;
    (void)fd;
    return 0;
}

static void sample_find_batches(void)
{
    struct batch_header header;

    sample.count = 0;
    for (size_t at = BLOCK_SIZE; at < sample.length; at += block_round(header.length)) {
        memcpy(&header, sample.bytes + at, sizeof(header));
        if (header.magic != BATCH_MAGIC)
            break;
        cr_assert_lt(sample.count, BATCHES_MAX);
        sample.batches[sample.count].offset = at;
        sample.batches[sample.count].used = header.length;
        while (sample.bytes[at + sample.batches[sample.count].used - 1] == 0)
            sample.batches[sample.count].used--;
        sample.batches[sample.count].sequence = header.first_sequence + header.count - 1;
        sample.count++;
    }
}

/* Records, then the process is killed: no mark at the end. */
static void sample_make(size_t batches)
{
    char journal[128];
    uint32_t instance;

    keeper_open(&keeper);
    for (size_t i = 0; i < batches; i++) {
        uint64_t last = 0;

        for (size_t record = 0; record <= i % 3; record++)
            last = keeper_append(&keeper, false);
        store_flush(keeper.store);
        keeper_wait_durable(&keeper, last);
    }
    keeper_wait_prepared(&keeper);
    instance = store_instance(keeper.store);
    keeper_abandon(&keeper);

    (void)snprintf(journal, sizeof(journal), "%s/journal", keeper.directory);
    sample.files = (struct files){.state_fd = -1, .lock_fd = -1, .instance = instance};
    sample.files.io.sync = skip_sync;
    sample.files.journal_fd = open(journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    sample.path = path_of(&keeper, FIRST);
    sample.fd = open(sample.path, O_RDWR | O_CLOEXEC);
    sample.bytes = read_file(sample.path, &sample.length);
    sample_find_batches();
    cr_assert_eq(sample.count, batches);
}

static void sample_free(void)
{
    free(sample.bytes);
    free(sample.path);
    close(sample.fd);
    files_close(&sample.files);
}

static void sample_write(size_t offset, const void *bytes, size_t length)
{
    cr_assert_eq(pwrite(sample.fd, bytes, length, (off_t)offset), (ssize_t)length);
}

static int count_record(void *userdata, const struct record *record, uint64_t place)
{
    uint64_t *last = userdata;

    (void)place;
    example_check(record);
    cr_assert_eq(record->header.sequence, *last + 1);
    *last = record->header.sequence;
    return 0;
}

/* Judges, repairs, replays. On success *ret_last is the last sequence there is. */
static int sample_recover(uint64_t *ret_last, char **ret_error)
{
    struct recovery_from from = {.begun = true};
    struct recovery recovery;
    uint64_t last = 0;
    int r;

    *ret_error = NULL;
    r = recovery_check(&sample.files, &from, &recovery, ret_error);
    if (r < 0)
        return r;
    cr_assert_eq(recovery_repair(&sample.files, &recovery, 64 * 1024), 0);
    cr_assert_eq(recovery_replay(&sample.files, &recovery, 0, count_record, &last), 0);
    cr_assert_eq(last, recovery.tail.sequence);
    *ret_last = last;
    return 0;
}

static uint64_t whole_before(size_t cut)
{
    uint64_t sequence = 0;

    for (size_t i = 0; i < sample.count; i++)
        if (sample.batches[i].offset + sample.batches[i].used <= cut)
            sequence = sample.batches[i].sequence;
    return sequence;
}

static void check_cut(size_t cut, const uint8_t *filling)
{
    uint64_t last = 0, again = 0;
    char *error;
    int r;

    sample_write(0, sample.bytes, cut);
    sample_write(cut, filling, sample.length - cut);
    r = sample_recover(&last, &error);
    cr_assert_eq(r, 0, "cut at %zu: %s", cut, error);
    cr_assert_eq(last, whole_before(cut), "cut at %zu: %lu", cut, (unsigned long)last);
    /* The end is clean now: nothing of the tail is left. */
    if (cut % 64 == 0) {
        size_t length;
        CLEANUP(cleanup_free) uint8_t *now = read_file(sample.path, &length);

        for (size_t i = cut; i < length; i++)
            cr_assert_eq(now[i], 0, "cut at %zu: byte %zu is left", cut, i);
        cr_assert_eq(sample_recover(&again, &error), 0);
        cr_assert_eq(again, last);
    }
}

/* The last two batches never reached the disk from some byte on: zeros, or what stood there. */
static void cut_everywhere(int filling, size_t step)
{
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    uint64_t seed = 1;
    size_t from, to;

    sample_make(7);
    bytes = malloc(sample.length);
    for (size_t i = 0; i < sample.length; i++)
        bytes[i] = filling ? (uint8_t)(random_next(&seed) | 1u) : 0;
    from = sample.batches[sample.count - 2].offset;
    to = sample.batches[sample.count - 1].offset + sample.batches[sample.count - 1].used;
    for (size_t cut = from; cut <= to; cut += step)
        check_cut(cut, bytes);
    sample_free();
}

Test(damage, J5_cut_at_every_byte_of_the_last_two_batches)
{
    cut_everywhere(0, 1);
}

Test(damage, J5_cut_with_garbage_behind)
{
    cut_everywhere(1, 13);
}

/* Flips one bit, judges, and puts it back. */
static void check_flip(size_t at, unsigned bit, uint64_t all, uint64_t all_but_last, size_t end)
{
    uint8_t flipped = sample.bytes[at] ^ (uint8_t)(1u << bit);
    uint64_t last = 0;
    char *error;
    int r;

    sample_write(at, &flipped, 1);
    r = sample_recover(&last, &error);
    if (r == 0) {
        size_t tail = sample.batches[sample.count - 1].offset;

        cr_assert(last == all || last == all_but_last, "flip at %zu: %lu", at, (unsigned long)last);
        cr_assert(last == all || (at >= tail && at < end), "flip at %zu lost a batch", at);
        sample_write(0, sample.bytes, sample.length);
    } else {
        cr_assert(r == -EUCLEAN || r == -EPROTONOSUPPORT, "flip at %zu: %d", at, r);
        cr_assert_not_null(strstr(error, "0000000000000001.journal"), "%s", error);
        cr_assert_not_null(strstr(error, "offset"), "%s", error);
        cr_assert_null(strchr(error, '\n'));
        cr_assert_lt(at, sample.batches[sample.count - 1].offset, "%s", error);
        sample_write(at, sample.bytes + at, 1);
        free(error);
    }
}

Test(damage, J5_flip_bits_everywhere)
{
    uint64_t all, all_but_last;
    size_t end;

    sample_make(6);
    all = sample.batches[sample.count - 1].sequence;
    all_but_last = sample.batches[sample.count - 2].sequence;
    end = sample.batches[sample.count - 1].offset + sample.batches[sample.count - 1].used + 8;
    /* Each byte that means something, in two of its bits; headers in all of them. */
    for (unsigned bit = 0; bit < 8; bit++)
        for (size_t at = 0; at < sizeof(struct segment_header); at++)
            check_flip(at, bit, all, all_but_last, end);
    for (size_t i = 0; i < sample.count; i++)
        for (size_t at = 0; at < sample.batches[i].used; at++)
            for (unsigned bit = at % 4; bit < 8; bit += at < sizeof(struct batch_header) ? 1 : 4)
                check_flip(sample.batches[i].offset + at, bit, all, all_but_last, end);
    /* Padding and what lies behind the end. */
    for (size_t at = end; at < sample.length; at += 509)
        check_flip(at, at % 8, all, all_but_last, end);
    sample_free();
}

Test(damage, J5_every_flip_before_the_last_batch_is_refused)
{
    char *error;
    uint64_t last;

    sample_make(5);
    for (size_t i = 0; i + 1 < sample.count; i++)
        for (size_t at = 0; at < sample.batches[i].used; at += 7) {
            uint8_t flipped = sample.bytes[sample.batches[i].offset + at] ^ 0x10;

            sample_write(sample.batches[i].offset + at, &flipped, 1);
            cr_assert_eq(sample_recover(&last, &error), -EUCLEAN, "batch %zu byte %zu", i, at);
            free(error);
            sample_write(0, sample.bytes, sample.length);
        }
    sample_free();
}

/* --- through store_open --- */

static void check_refused(int expected, const char *word)
{
    uint32_t before = journal_checksum(&keeper);
    int r = keeper_try_open(&keeper);

    cr_assert_eq(r, expected, "%d: %s", r, keeper.error);
    cr_assert_not_null(strstr(keeper.error, word), "%s", keeper.error);
    cr_assert_eq(journal_checksum(&keeper), before, "something was changed");
}

static void flip(const char *name, size_t offset)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, name);
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    size_t length;

    bytes = read_file(path, &length);
    bytes[offset] ^= 1;
    write_file(path, bytes, length);
}

static void fill_segments(uint64_t segments)
{
    keeper_open(&keeper);
    while (keeper.place >> 32 < segments)
        keeper_wait_durable(&keeper, keeper_append(&keeper, true));
    keeper_append_batches(&keeper, 2);
    keeper_abandon(&keeper);
}

Test(damage, J5_damage_is_refused_and_left_as_it_is)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 5);
    keeper_abandon(&keeper);
    flip(FIRST, 4096 + 70);
    check_refused(-EUCLEAN, "journal/0000000000000001.journal: offset 4096, after sequence 0");
    flip(FIRST, 4096 + 70);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 5);
    keeper_close(&keeper, false);
}

Test(damage, J5_a_missing_segment)
{
    CLEANUP(cleanup_free) char *path = NULL;

    fill_segments(3);
    path = path_of(&keeper, SECOND);
    cr_assert_eq(unlink(path), 0);
    check_refused(-EUCLEAN, "0000000000000002.journal: missing");
}

Test(damage, J5_a_missing_first_segment_that_is_not_in_the_store)
{
    CLEANUP(cleanup_free) char *path = NULL;

    fill_segments(3);
    path = path_of(&keeper, FIRST);
    cr_assert_eq(unlink(path), 0);
    check_refused(-EUCLEAN, "0000000000000001.journal: missing, and not yet in the store");
}

Test(damage, J5_the_segments_that_the_store_has_records_of_are_missing)
{
    char name[64];

    keeper_open(&keeper);
    while (keeper.place >> 32 < 3)
        keeper_wait_durable(&keeper, keeper_append(&keeper, true));
    keeper_close(&keeper, true);
    for (uint64_t number = 3; number < 8; number++) {
        CLEANUP(cleanup_free) char *path = NULL;

        (void)snprintf(name, sizeof(name), "journal/%016lu.journal", (unsigned long)number);
        path = path_of(&keeper, name);
        (void)unlink(path);
    }
    check_refused(-EUCLEAN, "0000000000000003.journal: missing, though the store has records");
}

/* Of the history, which start does not read; its walkers will. */
Test(damage, J5_a_missing_segment_that_is_in_the_store)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, SECOND);

    keeper_open(&keeper);
    while (keeper.place >> 32 < 4)
        keeper_wait_durable(&keeper, keeper_append(&keeper, true));
    keeper_close(&keeper, true);
    cr_assert_eq(unlink(path), 0);
    check_refused(-EUCLEAN, "0000000000000002.journal: missing, though later segments are there");
}

Test(damage, J2_a_batch_is_valid_in_its_segment_and_place_only)
{
    struct segment segment = {.number = 3, .nonce = 77, .size = 64 * 1024};
    struct segment recycled = {.number = 3, .nonce = 78, .size = 64 * 1024};
    struct segment other = {.number = 4, .nonce = 77, .size = 64 * 1024};
    struct batch_header header = {.length = sizeof(header), .first_sequence = 9};

    batch_finish(&header, NULL, &segment, 8192);
    cr_assert(batch_header_valid(&header, &segment, 8192));
    cr_assert_not(batch_header_valid(&header, &recycled, 8192));
    cr_assert_not(batch_header_valid(&header, &other, 8192));
    cr_assert_not(batch_header_valid(&header, &segment, 12288));
}

Test(damage, J5_a_missing_last_segment)
{
    char name[64];

    fill_segments(3);
    /* And the prepared ones behind it: the seal still says that there was one. */
    for (uint64_t number = 3; number < 8; number++) {
        CLEANUP(cleanup_free) char *path = NULL;

        (void)snprintf(name, sizeof(name), "journal/%016lu.journal", (unsigned long)number);
        path = path_of(&keeper, name);
        (void)unlink(path);
    }
    check_refused(-EUCLEAN, "0000000000000003.journal: missing");
}

Test(damage, J5_a_short_segment)
{
    CLEANUP(cleanup_free) char *path = NULL;

    fill_segments(2);
    path = path_of(&keeper, SECOND);
    cr_assert_eq(truncate(path, 60 * 1024), 0);
    check_refused(-EUCLEAN, "0000000000000002.journal: offset 0: its header or size");
}

/* As short as a segment may be, and not what its header says. */
Test(damage, J5_a_segment_cut_to_the_size_of_another)
{
    CLEANUP(cleanup_free) char *path = NULL;

    keeper.options.segment_size = 128 * 1024;
    fill_segments(2);
    path = path_of(&keeper, SECOND);
    cr_assert_eq(truncate(path, 64 * 1024), 0);
    check_refused(-EUCLEAN, "0000000000000002.journal: offset 0: its header or size");
}

Test(damage, J5_segments_out_of_order)
{
    CLEANUP(cleanup_free) char *one = NULL;
    CLEANUP(cleanup_free) char *two = NULL;
    CLEANUP(cleanup_free) char *other = NULL;

    fill_segments(2);
    one = path_of(&keeper, FIRST);
    two = path_of(&keeper, SECOND);
    other = path_of(&keeper, "other");
    cr_assert_eq(rename(one, other), 0);
    cr_assert_eq(rename(two, one), 0);
    cr_assert_eq(rename(other, two), 0);
    check_refused(-EUCLEAN, "0000000000000001.journal: offset 0: its header or size");
}

Test(damage, J5_an_empty_directory_after_use)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "journal");

    fill_segments(1);
    remove_tree(path);
    cr_assert_eq(mkdir(path, 0700), 0);
    check_refused(-EUCLEAN, "missing");
}

Test(damage, J5_a_flip_in_the_seal)
{
    CLEANUP(cleanup_free) char *path = NULL;
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    size_t length, seal;

    fill_segments(2);
    path = path_of(&keeper, FIRST);
    bytes = read_file(path, &length);
    for (seal = length - BLOCK_SIZE; bytes[seal] == 0; seal -= BLOCK_SIZE)
        continue;
    flip(FIRST, seal + 20);
    check_refused(-EUCLEAN, "0000000000000001.journal: offset");
}

/* A mark has no record that could be missing, but what follows it is not a torn tail. */
Test(damage, J5_a_flip_in_an_old_mark)
{
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 1);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    keeper_append_batches(&keeper, 1);
    keeper_abandon(&keeper);
    flip(FIRST, 2 * 4096 + 20);
    check_refused(-EUCLEAN, "offset 8192, after sequence 1");
}

Test(damage, J5_a_journal_that_ends_before_the_store)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, FIRST);
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    size_t length;

    keeper_open(&keeper);
    keeper_append_batches(&keeper, 3);
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, 3);
    keeper_abandon(&keeper);
    bytes = read_file(path, &length);
    memset(bytes + 3 * 4096, 0, length - 3 * 4096);
    write_file(path, bytes, length);
    check_refused(-EUCLEAN, "after sequence 2: the journal ends, but the store has sequence 3");
}

Test(damage, J5_a_journal_whose_store_is_gone)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "store");

    fill_segments(2);
    remove_tree(path);
    check_refused(-EUCLEAN, "store/data.mdb: missing");
}

Test(damage, J5_a_journal_of_another_store)
{
    struct keeper other;
    CLEANUP(cleanup_free) char *path = path_of(&keeper, "journal");
    CLEANUP(cleanup_free) char *theirs = NULL;

    fill_segments(1);
    keeper_init(&other);
    keeper_open(&other);
    keeper_append_batches(&other, 1);
    keeper_abandon(&other);
    theirs = path_of(&other, "journal");
    remove_tree(path);
    copy_tree(theirs, path);
    keeper_deinit(&other);
    check_refused(-EUCLEAN, "its header or size is not that of this segment");
}

Test(damage, a_newer_segment_format_is_not_touched)
{
    CLEANUP(cleanup_free) char *path = path_of(&keeper, FIRST);
    CLEANUP(cleanup_free) uint8_t *bytes = NULL;
    struct segment_header header;
    size_t length;

    fill_segments(1);
    bytes = read_file(path, &length);
    memcpy(&header, bytes, sizeof(header));
    header.version++;
    memcpy(bytes, &header, sizeof(header));
    write_file(path, bytes, length);
    check_refused(-EPROTONOSUPPORT, "another version");
}

/* The old bytes of a recycled file, which were valid batches of a journal once. */
Test(damage, J2_old_batches_of_a_recycled_segment_are_nothing)
{
    keeper.options.retention_ms = 0;
    keeper.options.retention_bytes = 0;
    fill_segments(1);
    for (int round = 0; round < 12; round++) {
        keeper_open(&keeper);
        store_keep(keeper.store, UINT64_MAX);
        cr_assert_eq(keeper.replayed, keeper_marks(&keeper).durable);
        for (int i = 0; i < 9; i++)
            keeper_append_batches(&keeper, 1);
        store_checkpoint(keeper.store);
        keeper_wait_stored(&keeper, keeper_marks(&keeper).durable);
        (void)keeper_append(&keeper, true);
        keeper_wait_durable(&keeper, keeper_marks(&keeper).appended);
        keeper_abandon(&keeper);
    }
    cr_assert_gt(keeper.place >> 32, 4, "no segment was used again");
}

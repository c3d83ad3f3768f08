/*
 * What retention lets go of (J1), what a cursor keeps from going, and what readers see of it.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/macros.h>

#include "lending.h"
#include "support.h"

#define PLACES_MAX 2000

static struct keeper keeper;
static uint64_t places[PLACES_MAX + 1]; /* by sequence */
static uint64_t buffer[RECORD_SIZE_MAX / 8];

static void setup(void)
{
    keeper_init(&keeper);
}

static void teardown(void)
{
    keeper_deinit(&keeper);
}

TestSuite(retention, .init = setup, .fini = teardown, .timeout = 500);

static int read_at(uint64_t place)
{
    struct record record;
    int r = store_read_record(keeper.store, place, (uint8_t *)buffer, &record);

    if (r == 0)
        example_check(&record);
    return r;
}

static bool has_segment(uint64_t number)
{
    CLEANUP(cleanup_free) char *path = NULL;
    char name[64];

    (void)snprintf(name, sizeof(name), "journal/%016" PRIu64 ".journal", number);
    path = path_of(&keeper, name);
    return access(path, F_OK) == 0;
}

static uint64_t append(void)
{
    uint64_t sequence = keeper_append(&keeper, true);

    cr_assert_leq(sequence, PLACES_MAX);
    places[sequence] = keeper.place;
    return sequence;
}

static void fill(uint64_t segments)
{
    uint64_t until = (keeper.place >> 32) + segments;

    while (keeper.place >> 32 < until)
        (void)append();
    keeper_wait_durable(&keeper, keeper_marks(&keeper).appended);
}

static void checkpoint_all(void)
{
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, keeper_marks(&keeper).durable);
}

/* Letting go happens after the checkpoint; asking for one more, and filling another segment, gives
 * it the time without a sleep. */
static bool goes(uint64_t number)
{
    for (int i = 0; i < 200 && has_segment(number); i++) {
        keeper_wait_durable(&keeper, append());
        checkpoint_all();
    }
    return !has_segment(number);
}

Test(retention, J1_segments_stay_for_the_retention)
{
    keeper_open(&keeper);
    store_keep(keeper.store, UINT64_MAX);
    fill(4);
    checkpoint_all();
    cr_assert(has_segment(1));
    fill(1);
    checkpoint_all();
    cr_assert(has_segment(1));
    cr_assert(has_segment(2));
    keeper_close(&keeper, false);
}

Test(retention, J1_segments_go_when_older_than_the_retention)
{
    uint64_t first;

    keeper_open(&keeper);
    first = places[append()];
    fill(4);
    keeper_close(&keeper, true);
    keeper.options.retention_ms = 1;
    keeper_open(&keeper);
    store_keep(keeper.store, UINT64_MAX);
    cr_assert(goes(2));
    cr_assert_not(has_segment(1), "they go oldest first");
    cr_assert_eq(read_at(first), -ENOENT);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    cr_assert_geq(keeper_marks(&keeper).oldest_place >> 32, 3);
    keeper_close(&keeper, false);
}

/* A reader that had the file open when it was let go of: whatever new bytes it has met, it is told
 * of a gap, not of damage. */
Test(retention, J1_a_recycled_segment_is_a_gap_for_its_readers)
{
    CLEANUP(cleanup_free) char *journal = path_of(&keeper, "journal");
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    struct files files = {.state_fd = -1, .lock_fd = -1};
    uint8_t *bytes = (uint8_t *)buffer;
    uint32_t first, garbage = UINT32_MAX;
    struct record record;

    keeper_open(&keeper);
    first = (uint32_t)places[append()];
    fill(4);
    files.instance = store_instance(keeper.store);
    files.journal_fd = open(journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(segment_open(&files, 1, &segment), 0);
    cr_assert_eq(segment_read_record(segment, first, bytes, &record), 0);
    keeper_close(&keeper, true);

    keeper.options.retention_ms = 1;
    keeper_open(&keeper);
    store_keep(keeper.store, UINT64_MAX);
    cr_assert(goes(2));
    fill(4); /* the spare file is in use again */
    keeper_close(&keeper, true);
    cr_assert_eq(pwrite(segment->fd, &garbage, sizeof(garbage), first), sizeof(garbage));
    cr_assert_eq(segment_read_record(segment, first, bytes, &record), -ENOENT);
    close(files.journal_fd);
}

Test(retention, J1_segments_go_when_there_are_too_many_bytes)
{
    keeper.options.retention_bytes = 3 * 64 * 1024;
    keeper_open(&keeper);
    store_keep(keeper.store, UINT64_MAX);
    fill(8);
    checkpoint_all();
    cr_assert(goes(2));
    cr_assert(has_segment((keeper.place >> 32) - 2));
    keeper_close(&keeper, false);
}

Test(retention, S3_what_is_not_in_the_store_never_goes)
{
    keeper.options.retention_bytes = 0;
    keeper.options.retention_ms = 0;
    keeper_open(&keeper);
    store_keep(keeper.store, UINT64_MAX);
    fill(6);
    cr_assert(has_segment(1));
    keeper_abandon(&keeper);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replay_from, 1);
    keeper_close(&keeper, false);
}

/* --- cursors --- */

/* Everything may go but what the cursor needs. */
static void open_without_retention(void)
{
    keeper.options.retention_ms = 0;
    keeper_open(&keeper);
}

/* The sequence of the first record in that segment. */
static uint64_t first_of(uint64_t number)
{
    uint64_t sequence = 1;

    while (places[sequence] >> 32 < number)
        sequence++;
    return sequence;
}

Test(retention, nothing_goes_before_the_owner_has_spoken)
{
    open_without_retention();
    fill(5);
    checkpoint_all();
    fill(1);
    checkpoint_all();
    cr_assert(has_segment(1));
    cr_assert_eq(keeper_marks(&keeper).oldest_place, UINT64_C(1) << 32);
    cr_assert_eq(read_at(places[1]), 0);
    store_keep(keeper.store, UINT64_MAX);
    cr_assert(goes(4), "nothing is needed any more");
    keeper_close(&keeper, false);
}

Test(retention, a_cursor_holds_its_segment_and_moving_it_lets_go)
{
    uint64_t cursor, before;

    open_without_retention();
    fill(6);
    cursor = first_of(4);
    store_keep(keeper.store, places[cursor]);
    cr_assert(goes(3));
    fill(2);
    checkpoint_all();
    cr_assert(has_segment(4));
    cr_assert_eq(keeper_marks(&keeper).oldest_place >> 32, 4);
    cr_assert_leq(keeper_marks(&keeper).oldest_place, places[cursor]);
    for (before = 1; before < cursor; before++)
        cr_assert_eq(read_at(places[before]), -ENOENT);
    for (uint64_t s = cursor; s <= keeper_marks(&keeper).durable; s++)
        cr_assert_eq(read_at(places[s]), 0, "record %" PRIu64, s);

    store_keep(keeper.store, places[first_of(6)]);
    cr_assert(goes(5));
    cr_assert(has_segment(6));
    cr_assert_eq(read_at(places[cursor]), -ENOENT);
    cr_assert_eq(read_at(places[first_of(6)]), 0);
    keeper_close(&keeper, false);
    open_without_retention();
    cr_assert_eq(keeper_marks(&keeper).oldest_place, UINT64_C(6) << 32);
    keeper_close(&keeper, false);
}

/* Who does not read must not fill the disk. */
Test(retention, a_cursor_holds_no_more_than_there_is_room_for)
{
    keeper.options.retention_bytes = 3 * 64 * 1024;
    keeper_open(&keeper);
    (void)append();
    store_keep(keeper.store, places[1]);
    fill(8);
    cr_assert(goes(4));
    cr_assert_eq(read_at(places[1]), -ENOENT);
    cr_assert(has_segment((keeper.place >> 32) - 2));
    keeper_close(&keeper, false);
}

/* --- readers --- */

/* The descriptors of this process on files of that directory whose name begins so. */
static size_t open_files(const char *begin)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    size_t count = 0;

    cr_assert_not_null(directory);
    while ((entry = readdir(directory))) {
        char target[256];
        ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

        if (n <= 0)
            continue;
        target[n] = '\0';
        count += strncmp(target, begin, strlen(begin)) == 0;
    }
    closedir(directory);
    return count;
}

/* What was read from stays open for the next reader, and is closed when it goes: neither its bytes
 * nor its room outlive it. */
Test(retention, a_segment_that_was_read_from_is_forgotten_when_it_goes)
{
    CLEANUP(cleanup_free) char *journal = path_of(&keeper, "journal/0000000000000001.journal");
    CLEANUP(cleanup_free) char *spare = path_of(&keeper, "journal/spare");

    open_without_retention();
    fill(5);
    cr_assert_eq(open_files(journal), 0);
    cr_assert_eq(read_at(places[1]), 0);
    cr_assert_eq(open_files(journal), 1, "kept open");
    cr_assert_eq(read_at(places[2]), 0);
    cr_assert_eq(open_files(journal), 1, "opened once");
    store_keep(keeper.store, UINT64_MAX);
    cr_assert(goes(1));
    cr_assert_eq(read_at(places[1]), -ENOENT);
    cr_assert_eq(open_files(journal), 0, "as a deleted file");
    cr_assert_eq(open_files(spare), 0, "as what it was renamed to");
    keeper_close(&keeper, false);
}

/* Of the segments 1 to 8: the journal itself has later ones open. */
static size_t open_segments(void)
{
    size_t count = 0;

    for (uint64_t number = 1; number <= 8; number++) {
        CLEANUP(cleanup_free) char *path = NULL;
        char name[64];

        (void)snprintf(name, sizeof(name), "journal/%016" PRIu64 ".journal", number);
        path = path_of(&keeper, name);
        count += open_files(path);
    }
    return count;
}

Test(retention, idle_segments_are_few)
{
    keeper_open(&keeper);
    fill(9);
    cr_assert_eq(open_segments(), 0);
    for (uint64_t number = 1; number <= 8; number++)
        cr_assert_eq(read_at(places[first_of(number)]), 0);
    cr_assert_eq(open_segments(), LENDING_MAX);
    for (uint64_t s = keeper_marks(&keeper).durable; s > 0; s--)
        cr_assert_eq(read_at(places[s]), 0);
    cr_assert_eq(open_segments(), LENDING_MAX);
    keeper_close(&keeper, false);
    cr_assert_eq(open_segments(), 0);
}

static void *read_backwards(void *userdata)
{
    struct keeper *self = userdata;
    uint64_t *storage = malloc(RECORD_SIZE_MAX), last = keeper_marks(self).durable;

    for (int round = 0; round < 20; round++) {
        for (uint64_t s = last; s > 0; s--) {
            struct record record;
            int r = store_read_record(self->store, places[s], (uint8_t *)storage, &record);

            cr_assert(r == 0 || r == -ENOENT, "record %" PRIu64 ": %d", s, r);
            if (r == 0)
                cr_assert_eq(record.header.sequence, s);
        }
    }
    free(storage);
    return NULL;
}

/* Several readers of the same segments, while these go and their files become others. */
Test(retention, readers_never_meet_another_record)
{
    pthread_t readers[3];

    keeper.options.segment_size = 64 * 1024;
    open_without_retention();
    fill(6);
    checkpoint_all();
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        cr_assert_eq(pthread_create(&readers[i], NULL, read_backwards, &keeper), 0);
    for (uint64_t number = 1; number <= 5; number++) {
        store_keep(keeper.store, (number + 1) << 32);
        cr_assert(goes(number));
    }
    fill(3); /* of the files that have gone */
    for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
        cr_assert_eq(pthread_join(readers[i], NULL), 0);
    cr_assert_eq(read_at(places[1]), -ENOENT);
    keeper_close(&keeper, false);
}

/* --- records as large as they may be --- */

static int append_large(size_t size, bool flush)
{
    struct record_header header = {.type = RECORD_OBJECT, .epoch = store_epoch(keeper.store)};
    uint64_t place, sequence;
    uint8_t *bytes;
    int r = store_append(keeper.store, size, false, &bytes, &sequence, &place);

    if (r < 0)
        return r;
    header.sequence = sequence;
    header.time = (int64_t)sequence * 10;
    memset(buffer, 'x', sizeof(buffer));
    record_encode(bytes, &header, NULL, 0, buffer, size - sizeof(header));
    places[sequence] = place;
    if (flush)
        store_flush(keeper.store);
    return 0;
}

Test(retention, a_record_larger_than_a_segment_is_refused)
{
    size_t room = 64 * 1024 - 3 * BLOCK_SIZE - 64;
    struct record record;

    keeper_open(&keeper);
    cr_assert_eq(append_large(RECORD_SIZE_MAX, true), -E2BIG);
    cr_assert_eq(append_large(room + 8, true), -E2BIG);
    cr_assert_eq(keeper_marks(&keeper).appended, 0, "nothing was appended");
    cr_assert_eq(append_large(room, true), 0);
    keeper_wait_durable(&keeper, 1);
    cr_assert_eq(store_read_record(keeper.store, places[1], (uint8_t *)buffer, &record), 0);
    cr_assert_eq(record.header.length, room);
    store_abandon(keeper.store);
}

Test(retention, the_largest_record_is_kept)
{
    struct record record;
    int r;

    keeper.options.segment_size = 1024 * 1024;
    keeper_open(&keeper);
    /* More than one batch, and more than one segment. */
    for (uint64_t i = 1; i <= 30; i++) {
        while ((r = append_large(RECORD_SIZE_MAX, true)) == -EAGAIN)
            keeper_wait_prepared(&keeper);
        cr_assert_eq(r, 0);
    }
    keeper_wait_durable(&keeper, 30);
    checkpoint_all();
    for (uint64_t i = 1; i <= 30; i++) {
        cr_assert_eq(store_read_record(keeper.store, places[i], (uint8_t *)buffer, &record), 0);
        cr_assert_eq(record.header.sequence, i);
        cr_assert_eq(record.header.length, RECORD_SIZE_MAX);
        cr_assert_eq(record.detail[record.header.detail_length - 1], 'x');
    }
    store_abandon(keeper.store);
}

/*
 * J6: what is refused and what goes on when there is no room; and what retention lets go of (J1).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <util/macros.h>

#include "segment.h"
#include "support.h"

/* A disk on which nothing fits while it is full. What comes free is taken by others at once. */
struct disk {
    pthread_mutex_t lock;
    bool full;
    char reserve[128];
};

static struct keeper keeper;
static struct disk disk;

static int disk_allocate(void *userdata, int fd, uint64_t size)
{
    struct disk *self = userdata;
    bool full;

    pthread_mutex_lock(&self->lock);
    full = self->full;
    pthread_mutex_unlock(&self->lock);
    return full ? -ENOSPC : -posix_fallocate(fd, 0, (off_t)size);
}

static struct store_io io = {.userdata = &disk, .allocate = disk_allocate};

static void setup(void)
{
    keeper_init(&keeper);
    disk = (struct disk){.lock = PTHREAD_MUTEX_INITIALIZER};
    (void)snprintf(disk.reserve, sizeof(disk.reserve), "%s/reserve", keeper.directory);
    keeper.options.io = &io;
}

static void teardown(void)
{
    keeper_deinit(&keeper);
}

TestSuite(space, .init = setup, .fini = teardown, .timeout = 60);

static void disk_set(bool full)
{
    pthread_mutex_lock(&disk.lock);
    disk.full = full;
    pthread_mutex_unlock(&disk.lock);
}

/* Deductions go on until the last prepared segment is in use and the next cannot be made. */
static int append_until_refused(bool use_reserve)
{
    int r;

    while ((r = keeper_try_append(&keeper, use_reserve)) == 0 || r == -EAGAIN) {
        store_flush(keeper.store);
        keeper_wait_durable(&keeper, keeper_marks(&keeper).appended);
    }
    return r;
}

Test(space, J6_deductions_stop_and_confirmations_go_on)
{
    uint64_t refused_at, segment;

    keeper_open(&keeper);
    keeper_wait_prepared(&keeper);
    disk_set(true);
    cr_assert_eq(append_until_refused(false), -ENOSPC);
    keeper_wait_space(&keeper, STORE_SPACE_RESERVE);
    while (access(disk.reserve, F_OK) == 0) /* it is used next */
        (void)poll(NULL, 0, 1);
    refused_at = keeper_marks(&keeper).appended;
    segment = keeper.place >> 32;

    cr_assert_eq(keeper_try_append(&keeper, false), -ENOSPC);
    cr_assert_eq(keeper_marks(&keeper).appended, refused_at);
    /* The rest of this segment, and all of one more. */
    cr_assert_eq(append_until_refused(true), -ENOSPC);
    cr_assert_eq(keeper.place >> 32, segment + 1);
    keeper_wait_space(&keeper, STORE_SPACE_FULL);
    cr_assert_eq(keeper_marks(&keeper).failure, 0);

    /* Checkpoints go on, too. */
    store_checkpoint(keeper.store);
    keeper_wait_stored(&keeper, keeper_marks(&keeper).durable);

    disk_set(false);
    store_checkpoint(keeper.store);
    keeper_wait_space(&keeper, STORE_SPACE_OK);
    cr_assert_eq(access(disk.reserve, F_OK), 0, "the reserve was not made again");
    keeper_append_batches(&keeper, 3);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    keeper_close(&keeper, false);
}

Test(space, J6_no_room_for_the_reserve)
{
    disk_set(true);
    cr_assert_eq(keeper_try_open(&keeper), -ENOSPC);
    disk_set(false);
    keeper_open(&keeper);
    keeper_wait_prepared(&keeper);
    keeper_close(&keeper, false);
    cr_assert_eq(unlink(disk.reserve), 0);
    disk_set(true);
    keeper_open(&keeper);
    keeper_wait_space(&keeper, STORE_SPACE_RESERVE);
    cr_assert_eq(keeper_try_append(&keeper, false), -ENOSPC);
    cr_assert_eq(keeper_try_append(&keeper, true), 0);
    store_flush(keeper.store);
    keeper_wait_durable(&keeper, 1);
    keeper_close(&keeper, true);
}

/* The owner is told when it can go on. */
Test(space, J6_each_segment_is_prepared_ahead)
{
    keeper_open(&keeper);
    while (keeper.place >> 32 < 8)
        (void)keeper_append(&keeper, true);
    keeper_wait_durable(&keeper, keeper_marks(&keeper).appended);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    keeper_close(&keeper, false);
}

static bool has_segment(uint64_t number)
{
    CLEANUP(cleanup_free) char *path = NULL;
    char name[64];

    (void)snprintf(name, sizeof(name), "journal/%016lu.journal", (unsigned long)number);
    path = path_of(&keeper, name);
    return access(path, F_OK) == 0;
}

static void fill(uint64_t segments)
{
    uint64_t until = (keeper.place >> 32) + segments;

    while (keeper.place >> 32 < until)
        (void)keeper_append(&keeper, true);
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
        keeper_append_batches(&keeper, 1);
        checkpoint_all();
    }
    return !has_segment(number);
}

Test(space, J1_segments_stay_for_the_retention)
{
    keeper_open(&keeper);
    fill(4);
    checkpoint_all();
    cr_assert(has_segment(1));
    fill(1);
    checkpoint_all();
    cr_assert(has_segment(1));
    cr_assert(has_segment(2));
    keeper_close(&keeper, false);
}

Test(space, J1_segments_go_when_older_than_the_retention)
{
    uint64_t buffer[RECORD_SIZE_MAX / 8], first;
    struct record record;

    keeper_open(&keeper);
    (void)keeper_append(&keeper, true);
    first = keeper.place;
    fill(4);
    keeper_close(&keeper, true);
    keeper.options.retention_ms = 1;
    keeper_open(&keeper);
    cr_assert(goes(2));
    cr_assert_not(has_segment(1), "they go oldest first");
    cr_assert_eq(store_read_record(keeper.store, first, (uint8_t *)buffer, &record), -ENOENT);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    keeper_close(&keeper, false);
}

/* A reader that had the file open when it was let go of: whatever new bytes it has met, it is told
 * of a gap, not of damage. */
Test(space, J1_a_recycled_segment_is_a_gap_for_its_readers)
{
    CLEANUP(cleanup_free) char *journal = path_of(&keeper, "journal");
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    static uint64_t buffer[RECORD_SIZE_MAX / 8];
    struct files files = {.state_fd = -1, .lock_fd = -1};
    uint8_t *bytes = (uint8_t *)buffer;
    uint32_t first, garbage = UINT32_MAX;
    struct record record;

    keeper_open(&keeper);
    (void)keeper_append(&keeper, true);
    first = (uint32_t)keeper.place;
    fill(4);
    files.instance = store_instance(keeper.store);
    files.journal_fd = open(journal, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(segment_open(&files, 1, &segment), 0);
    cr_assert_eq(segment_read_record(segment, first, bytes, &record), 0);
    keeper_close(&keeper, true);

    keeper.options.retention_ms = 1;
    keeper_open(&keeper);
    cr_assert(goes(2));
    fill(4); /* the spare file is in use again */
    keeper_close(&keeper, true);
    cr_assert_eq(pwrite(segment->fd, &garbage, sizeof(garbage), first), sizeof(garbage));
    cr_assert_eq(segment_read_record(segment, first, bytes, &record), -ENOENT);
    close(files.journal_fd);
}

Test(space, J1_segments_go_when_there_are_too_many_bytes)
{
    keeper.options.retention_bytes = 3 * 64 * 1024;
    keeper_open(&keeper);
    fill(8);
    checkpoint_all();
    cr_assert(goes(2));
    cr_assert(has_segment((keeper.place >> 32) - 2));
    keeper_close(&keeper, false);
}

Test(space, S3_what_is_not_in_the_store_never_goes)
{
    keeper.options.retention_bytes = 0;
    keeper.options.retention_ms = 0;
    keeper_open(&keeper);
    fill(6);
    cr_assert(has_segment(1));
    keeper_abandon(&keeper);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replay_from, 1);
    keeper_close(&keeper, false);
}

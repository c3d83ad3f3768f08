/*
 * J6: what is refused and what goes on when there is no room.
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

TestSuite(space, .init = setup, .fini = teardown, .timeout = 500);

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

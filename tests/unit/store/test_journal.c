/*
 * The journal as its owner uses it.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <util/macros.h>

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

TestSuite(journal, .init = setup, .fini = teardown, .timeout = 500);

Test(journal, is_empty_at_first)
{
    struct store_watermarks marks;

    keeper_open(&keeper);
    marks = keeper_marks(&keeper);
    cr_assert_eq(marks.appended, 0);
    cr_assert_eq(marks.durable, 0);
    cr_assert_eq(store_epoch(keeper.store), 1);
    cr_assert_eq(store_last_time(keeper.store), 0);
    keeper_close(&keeper, true);
    keeper_open(&keeper);
    cr_assert_eq(store_epoch(keeper.store), 2);
    keeper_close(&keeper, false);
}

Test(journal, J1_records_come_back_in_order)
{
    keeper_open(&keeper);
    for (int i = 0; i < 500; i++)
        (void)keeper_append(&keeper, i % 7 == 0);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replay_from, 1);
    cr_assert_eq(keeper.replayed, 500);
    cr_assert_eq(store_last_time(keeper.store), 5000);
    keeper_append_batches(&keeper, 3);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 503);
    keeper_close(&keeper, false);
}

Test(journal, J1_places_are_links_that_can_be_followed)
{
    static uint64_t buffer[RECORD_SIZE_MAX / 8];
    static uint64_t places[401];
    struct record record;

    keeper_open(&keeper);
    for (uint64_t i = 1; i <= 400; i++) {
        (void)keeper_append(&keeper, i % 11 == 0);
        places[i] = keeper.place;
        cr_assert_gt(places[i], places[i - 1]);
    }
    store_flush(keeper.store);
    keeper_wait_durable(&keeper, 400);
    for (uint64_t i = 1; i <= 400; i++) {
        cr_assert_eq(store_read_record(keeper.store, places[i], (uint8_t *)buffer, &record), 0);
        cr_assert_eq(record.header.sequence, i);
        example_check(&record);
    }
    cr_assert_eq(store_read_record(keeper.store, 0, (uint8_t *)buffer, &record), -ENOENT);
    cr_assert_eq(store_read_record(keeper.store, places[9] + 8, (uint8_t *)buffer, &record),
                 -EUCLEAN);
    cr_assert_eq(store_read_record(keeper.store, places[400] + (UINT64_C(9) << 32),
                                   (uint8_t *)buffer, &record),
                 -ENOENT);
    keeper_close(&keeper, false);
}

Test(journal, a_record_that_fits_no_segment_is_refused)
{
    uint64_t sequence, place;
    uint8_t *buffer;

    keeper_open(&keeper);
    cr_assert_eq(store_append(keeper.store, RECORD_SIZE_MAX, 0, &buffer, &sequence, &place),
                 -E2BIG);
    cr_assert_eq(keeper_append(&keeper, true), 1);
    keeper_close(&keeper, false);
}

Test(journal, J2_long_batches_span_what_they_must)
{
    keeper.options.segment_size = 16 * 1024 * 1024;
    keeper_open(&keeper);
    for (int i = 0; i < 30000; i++)
        (void)keeper_append(&keeper, false);
    store_flush(keeper.store);
    keeper_wait_durable(&keeper, 30000);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 30000);
    keeper_close(&keeper, false);
}

/* --- what the journal thread does with the file --- */

struct trace {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct keeper *keeper;
    int writes, syncs; /* of batches: not below the first block */
    bool hold_writes, write_waits;
    int writes_allowed;
    bool hold, held, fail;
    uint64_t durable_in_sync; /* the watermark while a sync was under way */
};

static struct trace trace;

static int trace_write(void *userdata, int fd, const void *data, size_t length, uint64_t offset)
{
    struct trace *self = userdata;

    cr_assert_eq(offset % 4096, 0);
    cr_assert_eq(length % 4096, 0);
    pthread_mutex_lock(&self->lock);
    while (offset > 0 && self->hold_writes && self->writes >= self->writes_allowed) {
        self->write_waits = true;
        pthread_cond_broadcast(&self->changed);
        pthread_cond_wait(&self->changed, &self->lock);
    }
    if (offset > 0) { /* the next segment is prepared by another thread meanwhile */
        self->write_waits = false;
        self->writes++;
    }
    pthread_mutex_unlock(&self->lock);
    return pwrite(fd, data, length, (off_t)offset) == (ssize_t)length ? 0 : -errno;
}

static bool is_first_segment(const struct trace *self, int fd)
{
    CLEANUP(cleanup_free) char *path = path_of(self->keeper, "journal/0000000000000001.journal");
    struct stat one, two;

    return stat(path, &one) == 0 && fstat(fd, &two) == 0 && one.st_ino == two.st_ino;
}

static int trace_sync(void *userdata, int fd)
{
    struct trace *self = userdata;
    int r = 0;

    if (!is_first_segment(self, fd))
        return fdatasync(fd);
    pthread_mutex_lock(&self->lock);
    self->held = true;
    pthread_cond_broadcast(&self->changed);
    while (self->hold)
        pthread_cond_wait(&self->changed, &self->lock);
    self->syncs++;
    r = self->fail ? -EIO : 0;
    pthread_mutex_unlock(&self->lock);
    return r;
}

static struct store_io trace_io = {.userdata = &trace, .write = trace_write, .sync = trace_sync};

static void trace_open(void)
{
    pthread_mutex_init(&trace.lock, NULL);
    pthread_cond_init(&trace.changed, NULL);
    trace.keeper = &keeper;
    keeper.options.io = &trace_io;
    keeper_open(&keeper);
    pthread_mutex_lock(&trace.lock);
    trace.writes = trace.syncs = 0;
    trace.held = false;
    pthread_mutex_unlock(&trace.lock);
}

static void trace_set_hold(bool hold)
{
    pthread_mutex_lock(&trace.lock);
    trace.hold = hold;
    trace.hold_writes = false;
    pthread_cond_broadcast(&trace.changed);
    pthread_mutex_unlock(&trace.lock);
}

static void trace_wait_held(void)
{
    pthread_mutex_lock(&trace.lock);
    while (!trace.held)
        pthread_cond_wait(&trace.changed, &trace.lock);
    trace.held = false;
    pthread_mutex_unlock(&trace.lock);
}

Test(journal, J3_one_write_and_one_sync_a_batch)
{
    trace_open();
    keeper_append_batches(&keeper, 5);
    cr_assert_eq(trace.writes, 5);
    cr_assert_eq(trace.syncs, 5);
    keeper_close(&keeper, false);
}

Test(journal, J3_nothing_is_durable_before_its_sync_returns)
{
    static uint64_t buffer[RECORD_SIZE_MAX / 8];
    struct record record;

    trace_open();
    trace_set_hold(true);
    (void)keeper_append(&keeper, true);
    trace_wait_held();
    cr_assert_eq(keeper_marks(&keeper).durable, 0);
    cr_assert_eq(keeper_marks(&keeper).written, 1);
    cr_assert_eq(store_read_record(keeper.store, keeper.place, (uint8_t *)buffer, &record), -ENOENT,
                 "nor can it be read");
    trace_set_hold(false);
    keeper_wait_durable(&keeper, 1);
    cr_assert_eq(store_read_record(keeper.store, keeper.place, (uint8_t *)buffer, &record), 0);
    keeper_close(&keeper, false);
}

Test(journal, J3_what_gathers_during_a_sync_is_one_batch)
{
    trace_open();
    trace_set_hold(true);
    (void)keeper_append(&keeper, true);
    trace_wait_held();
    for (int i = 0; i < 20; i++)
        (void)keeper_append(&keeper, true);
    trace_set_hold(false);
    keeper_wait_durable(&keeper, 21);
    cr_assert_eq(trace.writes, 2);
    cr_assert_eq(trace.syncs, 2);
    keeper_close(&keeper, false);
}

Test(journal, J3_an_unflushed_record_is_not_written)
{
    trace_open();
    keeper_append_batches(&keeper, 1);
    (void)keeper_append(&keeper, false);
    cr_assert_eq(trace.writes, 1);
    keeper_abandon(&keeper);
    keeper.options.io = NULL;
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 1);
    keeper_close(&keeper, false);
}

Test(journal, J4_after_a_failed_sync_nothing_is_retried)
{
    trace_open();
    keeper_append_batches(&keeper, 2);
    trace.fail = true;
    (void)keeper_append(&keeper, true);
    cr_assert_eq(keeper_wait_failure(&keeper), -EIO);
    trace.fail = false;
    cr_assert_eq(keeper_try_append(&keeper, true), -EIO);
    store_flush(keeper.store);
    store_checkpoint(keeper.store);
    cr_assert_eq(store_close(keeper.store, true), -EIO);
    cr_assert_eq(trace.writes, 3);
    cr_assert_eq(trace.syncs, 3);
    keeper.options.io = NULL;
    keeper_open(&keeper);
    cr_assert_eq(keeper_marks(&keeper).stored, 0, "a checkpoint went on after the failure");
    keeper_close(&keeper, false);
}

Test(journal, interval_acknowledges_what_is_written_and_syncs_later)
{
    keeper.options.durability = STORE_DURABILITY_INTERVAL;
    keeper.options.interval_ms = 20;
    trace_open();
    trace_set_hold(true);
    (void)keeper_append(&keeper, true);
    trace_wait_held();
    cr_assert_eq(keeper_marks(&keeper).written, 1);
    cr_assert_eq(keeper_marks(&keeper).durable, 0);
    trace_set_hold(false);
    keeper_wait_durable(&keeper, 1);
    keeper_close(&keeper, false);
}

/* So many batches may be written; waits until the next one would be. */
static void trace_allow_writes(int allowed)
{
    pthread_mutex_lock(&trace.lock);
    trace.hold_writes = true;
    trace.writes_allowed = allowed;
    pthread_cond_broadcast(&trace.changed);
    while (!trace.write_waits || trace.writes < allowed)
        pthread_cond_wait(&trace.changed, &trace.lock);
    pthread_mutex_unlock(&trace.lock);
}

Test(journal, interval_is_kept_also_where_there_is_always_more_to_write)
{
    keeper.options.durability = STORE_DURABILITY_INTERVAL;
    keeper.options.interval_ms = 0; /* due at once */
    trace_open();
    trace.hold_writes = true;
    (void)keeper_append(&keeper, true);
    trace_allow_writes(0);
    (void)keeper_append(&keeper, true);
    trace_allow_writes(1);
    cr_assert_eq(trace.syncs, 1, "before the second batch, which was there already");
    trace_set_hold(false);
    keeper_wait_durable(&keeper, 2);
    keeper_close(&keeper, false);
}

Test(journal, interval_is_durable_after_a_close)
{
    keeper.options.durability = STORE_DURABILITY_INTERVAL;
    keeper.options.interval_ms = 3600 * 1000;
    trace_open();
    (void)keeper_append(&keeper, true);
    keeper_close(&keeper, false);
    cr_assert_geq(trace.syncs, 1);
    keeper.options.io = NULL;
    keeper_open(&keeper);
    cr_assert_eq(keeper.replayed, 1);
    keeper_close(&keeper, false);
}

/* Start writes again what nothing names as durable: after a clean stop that is the mark alone. */
static int writes_of_a_start(bool clean)
{
    int writes;

    keeper.options.durability = STORE_DURABILITY_INTERVAL;
    trace_open();
    keeper_wait_prepared(&keeper);
    for (uint64_t sequence = 1; sequence <= 6; sequence++) {
        (void)keeper_append(&keeper, true);
        pthread_mutex_lock(&keeper.lock);
        while (keeper_marks(&keeper).written < sequence)
            pthread_cond_wait(&keeper.progress, &keeper.lock);
        pthread_mutex_unlock(&keeper.lock);
    }
    if (clean)
        keeper_close(&keeper, false);
    else
        keeper_abandon(&keeper);
    trace.writes = 0;
    keeper_open(&keeper);
    pthread_mutex_lock(&trace.lock);
    writes = trace.writes;
    pthread_mutex_unlock(&trace.lock);
    cr_assert_eq(keeper.replayed, 6);
    keeper_abandon(&keeper);
    return writes;
}

Test(journal, J4_a_clean_stop_names_all_as_durable)
{
    cr_assert_eq(writes_of_a_start(true), 1);
}

Test(journal, J4_without_a_clean_stop_all_is_in_question)
{
    cr_assert_eq(writes_of_a_start(false), 6);
}

Test(journal, J7_a_second_serve_is_refused)
{
    struct keeper second = keeper;

    keeper_open(&keeper);
    second.error = NULL;
    cr_assert_eq(keeper_try_open(&second), -EBUSY);
    cr_assert_not_null(strstr(second.error, "lock"));
    free(second.error);
    keeper_append_batches(&keeper, 1);
    keeper_close(&keeper, false);
    keeper_open(&keeper);
    keeper_close(&keeper, false);
}

Test(journal, J2_segments_are_whole_and_private)
{
    CLEANUP(cleanup_free) char *journal = path_of(&keeper, "journal");
    CLEANUP(cleanup_free) char *first = path_of(&keeper, "journal/0000000000000001.journal");
    struct stat status;

    keeper_open(&keeper);
    cr_assert_eq(stat(journal, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0700);
    cr_assert_eq(stat(first, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0600);
    cr_assert_eq(status.st_size, 64 * 1024);
    cr_assert_geq(status.st_blocks * 512, 64 * 1024, "not allocated");
    keeper_close(&keeper, false);
}

Test(journal, options_are_checked)
{
    keeper.options.segment_size = 64 * 1024 + 1;
    cr_assert_eq(keeper_try_open(&keeper), -EINVAL);
    keeper.options.segment_size = 4096;
    cr_assert_eq(keeper_try_open(&keeper), -EINVAL);
    keeper.options.segment_size = 64 * 1024;
    keeper.options.checkpoint_bytes = UINT64_C(257) << 20;
    cr_assert_eq(keeper_try_open(&keeper), -EINVAL);
}

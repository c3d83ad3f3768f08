/*
 * The journal thread: takes the oldest closed batch, or else the open one; one pwrite, one
 * fdatasync, watermarks. What a failed sync has touched is never tried again (J4): the kernel may
 * have dropped the very pages that another sync would then call clean.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <util/clock.h>

#include "journal_private.h"
#include "thread.h"

static struct batch *take_open(struct journal *journal)
{
    struct batch *next;

    if (journal->filling || journal->open->count == 0)
        return NULL;
    next = journal_get_batch(journal);
    return next ? journal_close_batch(journal, next) : NULL;
}

static struct batch *take(struct journal *journal)
{
    struct batch *batch = journal->queue;

    if (!batch)
        return take_open(journal);
    journal->queue = batch->next;
    if (!journal->queue)
        journal->queue_end = &journal->queue;
    return batch;
}

static int64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* How long until the next sync is due; negative: not at all. */
static int64_t sync_due(const struct journal *journal)
{
    int64_t due;

    if (!journal->unsynced)
        return -1;
    due = journal->synced_at + journal->options.interval_ms - now_ms();
    return due > 0 ? due : 0;
}

enum work { WORK_BATCH, WORK_SYNC, WORK_STOP };

static enum work wait_for_work(struct journal *journal, struct batch **ret_batch)
{
    struct batch *batch = NULL;
    enum work work = WORK_BATCH;

    (void)pthread_mutex_lock(&journal->lock);
    while (!journal->abandon && !(batch = take(journal)) && !journal->stop &&
           sync_due(journal) != 0) {
        journal->waiting = true;
        thread_wait(&journal->wake, &journal->lock, sync_due(journal));
        journal->waiting = false;
    }
    if (!batch)
        work = journal->stop ? WORK_STOP : WORK_SYNC;
    (void)pthread_mutex_unlock(&journal->lock);
    *ret_batch = batch;
    return work;
}

static void finish_header(struct journal *journal, const struct batch *batch, uint64_t offset,
                          uint8_t *at, struct batch_header *header)
{
    header->durable = atomic_load(&journal->progress->durable);
    header->durable_end = atomic_load(&journal->progress->durable_end);
    header->previous_crc = journal->crc;
    header->time = journal->time;
    batch_finish(header, at + sizeof(*header), batch->segment, offset);
    memcpy(at, header, sizeof(*header));
    journal->crc = header->header_crc;
}

/* The batch's records, as they go to disk. Returns how many bytes. */
static size_t finish_records(struct journal *journal, struct batch *batch)
{
    struct batch_header header = {.length = (uint32_t)batch->used,
                                  .first_sequence = batch->first_sequence,
                                  .count = batch->count};
    struct record_header last;
    size_t whole = block_round(batch->used);

    memcpy(&last, batch->buffer + batch->last, sizeof(last));
    journal->time = last.time;
    memset(batch->buffer + batch->used, 0, whole - batch->used);
    finish_header(journal, batch, batch->offset, batch->buffer, &header);
    return whole;
}

static size_t finish_mark(struct journal *journal, struct batch *batch, size_t at, uint32_t flags)
{
    struct batch_header header = {.length = sizeof(header), .flags = flags};

    header.first_sequence = (batch->count > 0 ? batch->first_sequence + batch->count - 1
                                              : atomic_load(&journal->progress->written)) +
                            1;
    memset(batch->buffer + at, 0, BLOCK_SIZE);
    finish_header(journal, batch, batch->offset + at, batch->buffer + at, &header);
    return at + BLOCK_SIZE;
}

static int sync_written(struct journal *journal, int fd)
{
    struct progress *progress = journal->progress;
    int r = files_sync(journal->files, fd);

    if (r < 0)
        return r;
    journal->unsynced = false;
    journal->synced_at = now_ms();
    atomic_store(&progress->durable_end, atomic_load(&progress->end));
    atomic_store(&progress->durable, atomic_load(&progress->written));
    return 0;
}

static bool must_sync(const struct journal *journal, const struct batch *batch)
{
    return journal->options.durability == STORE_DURABILITY_ALWAYS || batch->seal ||
           sync_due(journal) == 0;
}

/* Where the next batch begins: behind the seal it is the next segment's first block. */
static uint64_t next_place(const struct batch *batch, size_t length)
{
    return batch->seal ? place_of(batch->segment->number + 1, BLOCK_SIZE)
                       : place_of(batch->segment->number, batch->offset + length);
}

static int write_batch(struct journal *journal, struct batch *batch, size_t length)
{
    struct progress *progress = journal->progress;
    int r = files_write(journal->files, batch->segment->fd, batch->buffer, length, batch->offset);

    if (r < 0)
        return r;
    if (!journal->unsynced && journal->options.durability != STORE_DURABILITY_ALWAYS)
        journal->synced_at = now_ms();
    journal->unsynced = true;
    journal->unsynced_fd = batch->segment->fd;
    atomic_store(&progress->end, next_place(batch, length));
    if (batch->count > 0)
        atomic_store(&progress->written, batch->first_sequence + batch->count - 1);
    return must_sync(journal, batch) ? sync_written(journal, batch->segment->fd) : 0;
}

static int handle_batch(struct journal *journal, struct batch *batch)
{
    size_t length = batch->count > 0 ? finish_records(journal, batch) : 0;

    if (batch->seal)
        length = finish_mark(journal, batch, length, BATCH_SEAL);
    return write_batch(journal, batch, length);
}

/* A mark that names everything as durable: the next start need not wonder. A segment without room
 * for it goes without: that only makes the start rewrite one batch. */
static int mark_clean(struct journal *journal)
{
    struct batch *batch = journal->open;
    int r = journal->unsynced ? sync_written(journal, journal->unsynced_fd) : 0;

    assert(batch->count == 0);
    if (r < 0 || batch->offset + 2 * BLOCK_SIZE > batch->segment->size)
        return r;
    r = write_batch(journal, batch, finish_mark(journal, batch, 0, BATCH_CLEAN));
    return r == 0 && journal->unsynced ? sync_written(journal, journal->unsynced_fd) : r;
}

static void release(struct journal *journal, struct batch *batch)
{
    if (batch->seal)
        (void)segment_free(batch->segment);
    batch->seal = false;
    (void)pthread_mutex_lock(&journal->lock);
    journal->queued_bytes -= batch->used;
    journal_put_batch(journal, batch);
    (void)pthread_mutex_unlock(&journal->lock);
}

void *writer_run(void *userdata)
{
    struct journal *journal = userdata;
    struct batch *batch;
    enum work work;
    int r = 0;

    while (r == 0 && (work = wait_for_work(journal, &batch)) != WORK_STOP) {
        if (work == WORK_BATCH) {
            r = handle_batch(journal, batch);
            release(journal, batch);
        } else {
            r = sync_written(journal, journal->unsynced_fd);
        }
        if (r == 0) {
            journal->options.on_durable(journal->options.userdata);
            progress_notify(journal->progress);
        }
    }
    if (r == 0 && !journal->abandon)
        r = mark_clean(journal);
    if (r < 0)
        progress_fail(journal->progress, r);
    return NULL;
}

/*
 * The owner's half of the journal. A place is known when a record is appended, because the batch
 * before has its final length by then: a batch, once closed, does not grow, and the open one begins
 * right behind it. A record that no longer fits the segment seals it and opens the first batch of
 * the next; the last block of a segment is kept for that seal.
 */
#include "journal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal_private.h"
#include "thread.h"

#define WAITING_MAX (64u * 1024u * 1024u)   /* bytes closed and not yet written */
#define UNSTORED_MAX (256u * 1024u * 1024u) /* bytes not yet in the store (S3) */
#define UNUSED_MAX 4u
#define HEADER_SIZE sizeof(struct batch_header)

static struct batch *batch_free(struct batch *batch)
{
    if (batch) {
        free(batch->buffer);
        free(batch);
    }
    return NULL;
}

static struct batch *batch_new(void)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    if (!batch)
        return NULL;
    batch->buffer = aligned_alloc(BLOCK_SIZE, BATCH_CAPACITY + BLOCK_SIZE);
    return batch->buffer ? batch : batch_free(batch);
}

struct batch *journal_get_batch(struct journal *journal)
{
    struct batch *batch = journal->unused;

    if (!batch)
        return batch_new();
    journal->unused = batch->next;
    journal->unused_count--;
    return batch;
}

void journal_put_batch(struct journal *journal, struct batch *batch)
{
    if (journal->unused_count >= UNUSED_MAX) {
        (void)batch_free(batch);
        return;
    }
    batch->next = journal->unused;
    journal->unused = batch;
    journal->unused_count++;
}

static uint64_t open_end(const struct batch *batch)
{
    return batch->count > 0 ? batch_end(batch->offset, batch->used) : batch->offset;
}

static void batch_begin(struct batch *batch, struct segment *segment, uint64_t offset)
{
    *batch = (struct batch){
        .segment = segment, .offset = offset, .buffer = batch->buffer, .used = HEADER_SIZE};
}

struct batch *journal_close_batch(struct journal *journal, struct batch *next)
{
    struct batch *closed = journal->open;

    batch_begin(next, closed->segment, open_end(closed));
    closed->next = NULL;
    journal->queued_bytes += closed->used;
    journal->open = next;
    return closed;
}

/* With the lock. */
static void enqueue(struct journal *journal, struct batch *batch)
{
    *journal->queue_end = batch;
    journal->queue_end = &batch->next;
}

/* Lets go of the lock, and wakes the journal thread where it waits: in this order, for it takes the
 * lock first of all. */
static void unlock_and_wake(struct journal *journal)
{
    bool waiting = journal->waiting;

    journal->waiting = false;
    (void)pthread_mutex_unlock(&journal->lock);
    if (waiting)
        (void)pthread_cond_signal(&journal->wake);
}

static bool fits_segment(const struct segment *segment, uint64_t offset, size_t length)
{
    return batch_end(offset, length) + BLOCK_SIZE <= segment->size;
}

static bool fits(const struct batch *batch, size_t size)
{
    return batch->used + size <= BATCH_CAPACITY &&
           fits_segment(batch->segment, batch->offset, batch->used + size);
}

/* Closes the open batch, since `size` more do not fit: in the same segment, or in the next. */
static int roll(struct journal *journal, size_t size, bool use_reserve)
{
    bool same = fits_segment(journal->open->segment, open_end(journal->open), HEADER_SIZE + size);
    struct segment *segment = NULL;
    struct batch *next = NULL, *closed;
    bool full;

    (void)pthread_mutex_lock(&journal->lock);
    full = journal->queued_bytes + journal->open->used > WAITING_MAX;
    if (!full)
        next = journal_get_batch(journal);
    (void)pthread_mutex_unlock(&journal->lock);
    if (!next)
        return full ? -EAGAIN : -ENOMEM;
    if (!same)
        segment = space_take(journal->space, use_reserve);

    (void)pthread_mutex_lock(&journal->lock);
    if (same || segment) {
        closed = journal_close_batch(journal, next);
        closed->seal = !same;
        if (!same)
            batch_begin(next, segment, BLOCK_SIZE);
        enqueue(journal, closed);
        unlock_and_wake(journal);
        return 0;
    }
    journal_put_batch(journal, next);
    (void)pthread_mutex_unlock(&journal->lock);
    /* None is ready. Its preparation is behind, or it is being made of the reserve; or there is no
     * room for it. */
    enum store_space space = progress_space(journal->progress);
    bool coming = space == STORE_SPACE_OK || (use_reserve && space == STORE_SPACE_RESERVE);
    return coming ? -EAGAIN : -ENOSPC;
}

/* Once a turn: what need not be asked for each record. */
static int begin_turn(struct journal *journal)
{
    uint64_t stored_end = atomic_load(&journal->progress->stored_end), end;

    (void)pthread_mutex_lock(&journal->lock);
    end = place_of(journal->open->segment->number, journal->open->offset);
    journal->filling =
        place_distance(stored_end, end, journal->options.segment_size) <= UNSTORED_MAX;
    (void)pthread_mutex_unlock(&journal->lock);
    return journal->filling ? 0 : -EAGAIN;
}

static int make_room(struct journal *journal, size_t size, bool use_reserve)
{
    if (HEADER_SIZE + size + 3 * (size_t)BLOCK_SIZE > journal->options.segment_size)
        return -E2BIG;
    while (!fits(journal->open, size)) {
        int r = roll(journal, size, use_reserve);

        if (r < 0)
            return r;
    }
    return 0;
}

int journal_append(struct journal *journal, size_t size, bool use_reserve, uint8_t **ret_buffer,
                   uint64_t *ret_sequence, uint64_t *ret_place)
{
    struct batch *batch;
    int r = 0;

    assert(size % 8 == 0 && size >= sizeof(struct record_header) && size <= RECORD_SIZE_MAX);
    if (atomic_load_explicit(&journal->progress->failure, memory_order_relaxed) != 0)
        return -EIO;
    if (!use_reserve && progress_space(journal->progress) != STORE_SPACE_OK)
        return -ENOSPC;
    /* Read without the lock: only the owner writes it. */
    if (!journal->filling)
        r = begin_turn(journal);
    if (r == 0)
        r = make_room(journal, size, use_reserve);
    if (r < 0)
        return r;
    batch = journal->open;
    if (batch->count++ == 0)
        batch->first_sequence = journal->sequence + 1;
    *ret_buffer = batch->buffer + batch->used;
    *ret_place = place_of(batch->segment->number, batch->offset + batch->used);
    *ret_sequence = ++journal->sequence;
    batch->last = batch->used;
    batch->used += size;
    atomic_store_explicit(&journal->progress->appended, journal->sequence, memory_order_relaxed);
    return 0;
}

void journal_flush(struct journal *journal)
{
    if (!journal->filling)
        return;
    (void)pthread_mutex_lock(&journal->lock);
    journal->filling = false;
    if (journal->waiting && journal->open->count > 0) {
        struct batch *next = journal_get_batch(journal);

        /* Without memory the thread takes the open batch, as it does after each write. */
        if (next)
            enqueue(journal, journal_close_batch(journal, next));
        unlock_and_wake(journal);
        return;
    }
    (void)pthread_mutex_unlock(&journal->lock);
}

static int first_batches(struct journal *journal, struct segment *segment, uint64_t offset)
{
    struct batch *one = batch_new(), *two = batch_new();

    if (!one || !two) {
        (void)batch_free(one);
        (void)batch_free(two);
        return -ENOMEM;
    }
    batch_begin(one, segment, offset);
    journal->open = one;
    /* One is open, one is written; the writer has always the other to put in the open one's place.
     */
    journal_put_batch(journal, two);
    return 0;
}

int journal_init(struct journal *journal, const struct files *files, struct progress *progress,
                 struct space *space, const struct journal_options *options,
                 const struct walk_position *tail)
{
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    int r;

    *journal = (struct journal){.files = files,
                                .progress = progress,
                                .space = space,
                                .options = *options,
                                .sequence = tail->sequence,
                                .crc = tail->crc,
                                .time = tail->time,
                                .unsynced_fd = -1};
    journal->queue_end = &journal->queue;
    (void)pthread_mutex_init(&journal->lock, NULL);
    thread_condition_init(&journal->wake);
    r = segment_open(files, tail->number, &segment);
    if (r == 0)
        r = first_batches(journal, segment, tail->offset);
    if (r < 0)
        return r;
    (void)TAKE_PTR(segment);
    return 0;
}

int journal_start(struct journal *journal)
{
    int r = thread_start(&journal->thread, writer_run, journal);

    journal->started = r == 0;
    return r;
}

void journal_stop(struct journal *journal, bool abandon)
{
    if (!journal->started)
        return;
    (void)pthread_mutex_lock(&journal->lock);
    journal->filling = false;
    journal->stop = true;
    journal->abandon = abandon;
    (void)pthread_cond_signal(&journal->wake);
    (void)pthread_mutex_unlock(&journal->lock);
    (void)pthread_join(journal->thread, NULL);
    journal->started = false;
}

/* The segments of what was never written: each ends with a batch that seals it. */
static void drop_batches(struct batch *batch)
{
    while (batch) {
        struct batch *next = batch->next;

        if (batch->seal)
            (void)segment_free(batch->segment);
        (void)batch_free(batch);
        batch = next;
    }
}

void journal_deinit(struct journal *journal)
{
    drop_batches(journal->queue);
    drop_batches(journal->unused);
    if (journal->open)
        (void)segment_free(journal->open->segment);
    (void)batch_free(journal->open);
    (void)pthread_cond_destroy(&journal->wake);
    (void)pthread_mutex_destroy(&journal->lock);
}

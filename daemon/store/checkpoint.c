/*
 * A checkpoint goes in rounds of some MiB of journal, each of which advances the store's sequence,
 * so that neither its memory nor what a crash makes it do again grows with the load. Rounds are
 * large, since a page of the store costs the same for one row of it as for all. A crash inside a
 * round leaves some rows newer than the store's sequence says; replay puts them through the same
 * images again and arrives at the same end.
 *
 * The file of the store owns a segment's worth behind its last page, so that a checkpoint has room
 * on a full disk, and nobody else can take it. Where a checkpoint finds none all the same, nothing
 * is lost by it: LMDB has aborted the transaction, and the journal has the records. It is tried
 * again, from where the store is, when there is more room in the file than the last time.
 */
#include "checkpoint.h"

#include <errno.h>
#include <string.h>

#include "thread.h"

#define ROUND_BYTES (64u * 1024u * 1024u)
#define RETRY_MS 1000
#define ROOM_MAX UINT64_C(0x10000000) /* no transaction takes so much */

void checkpoint_init(struct checkpoint *checkpoint, const struct files *files,
                     struct progress *progress, struct space *space, struct database *database,
                     const struct checkpoint_options *options, const struct ledger_state *state,
                     const struct walk_position *position)
{
    struct hash_key key;

    *checkpoint = (struct checkpoint){.files = files,
                                      .progress = progress,
                                      .space = space,
                                      .database = database,
                                      .options = *options,
                                      .state = *state,
                                      .wanted = options->segment_size};
    memcpy(key.bytes, state->hash_key, sizeof(key.bytes));
    images_init(&checkpoint->images, &key);
    walk_init(&checkpoint->walk, files, position);
    (void)pthread_mutex_init(&checkpoint->lock, NULL);
    thread_condition_init(&checkpoint->wake);
}

/* The records of the batch that was read. Those before the store's sequence are in it already. */
static int gather_batch(struct checkpoint *checkpoint, struct ledger_state *state)
{
    struct record record;
    uint64_t place;
    int r;

    while ((r = batch_next_record(&checkpoint->walk.reader, &record, &place)) > 0) {
        if (record.header.sequence <= state->sequence)
            continue;
        r = images_add(&checkpoint->images, &record);
        if (r < 0)
            return r;
        state->sequence = record.header.sequence;
        state->place = place;
        state->time = record.header.time;
    }
    return r < 0 ? -EUCLEAN : 0;
}

/* Whole batches up to `target`, which is the end of one. What is durable and cannot be read back is
 * damage. */
static int gather(struct checkpoint *checkpoint, uint64_t target, struct ledger_state *state)
{
    uint64_t bytes = 0;

    while (state->sequence < target && bytes < ROUND_BYTES) {
        int r = walk_next(&checkpoint->walk);

        if (r >= 0 && r != WALK_BATCH)
            r = -EUCLEAN;
        if (r > 0)
            r = gather_batch(checkpoint, state);
        if (r < 0)
            return r;
        bytes += checkpoint->walk.reader.header.length;
    }
    return 0;
}

static void publish(struct checkpoint *checkpoint)
{
    struct progress *progress = checkpoint->progress;
    const struct walk_position *at = &checkpoint->walk.at;

    atomic_store(&progress->stored_end, place_of(at->number, at->offset));
    atomic_store(&progress->stored_time, checkpoint->state.time);
    atomic_store(&progress->stored_place, checkpoint->state.place);
    atomic_store(&progress->stored, checkpoint->state.sequence);
    progress_notify(progress);
    space_kick(checkpoint->space);
}

static void walk_back(struct checkpoint *checkpoint, const struct walk_position *position)
{
    walk_deinit(&checkpoint->walk);
    walk_init(&checkpoint->walk, checkpoint->files, position);
}

static int round_once(struct checkpoint *checkpoint, uint64_t target)
{
    struct ledger_state state = checkpoint->state;
    struct walk_position from = checkpoint->walk.at;
    int r = gather(checkpoint, target, &state);

    if (r == 0) {
        images_sort(&checkpoint->images);
        r = database_apply(checkpoint->database, &checkpoint->images, &state);
    }
    images_clear(&checkpoint->images);
    if (r == -ENOSPC)
        walk_back(checkpoint, &from);
    if (r < 0)
        return r;
    checkpoint->state = state;
    publish(checkpoint);
    return 0;
}

static void checkpoint_once(struct checkpoint *checkpoint)
{
    struct progress *progress = checkpoint->progress;
    uint64_t target = atomic_load(&progress->durable);
    int r = 0;

    while (r == 0 && checkpoint->state.sequence < target && atomic_load(&progress->failure) == 0)
        r = round_once(checkpoint, target);
    checkpoint->starved = r == -ENOSPC;
    if (r < 0 && r != -ENOSPC)
        progress_fail(progress, r == -EXFULL ? -ENOSPC : r);
}

static bool make_room(struct checkpoint *checkpoint)
{
    return database_make_room(checkpoint->database, checkpoint->files, checkpoint->wanted) == 0;
}

/* How much room the next try must find: more, if what was there did not do. */
static void want_room(struct checkpoint *checkpoint, bool had_room)
{
    if (!checkpoint->starved)
        checkpoint->wanted = checkpoint->options.segment_size;
    else if (had_room && checkpoint->wanted < ROOM_MAX)
        checkpoint->wanted *= 2;
}

/* Whether all is stored that was to be, and there is room for the next time. The last try before a
 * stop is made whatever there is. */
static bool work(struct checkpoint *checkpoint, bool last)
{
    bool room = make_room(checkpoint);

    if (room || last || !checkpoint->starved) {
        checkpoint_once(checkpoint);
        want_room(checkpoint, room);
        room = make_room(checkpoint);
    }
    progress_set_space(checkpoint->progress, &checkpoint->progress->store_space,
                       checkpoint->starved ? STORE_SPACE_FULL
                       : room              ? STORE_SPACE_OK
                                           : STORE_SPACE_RESERVE);
    return room && !checkpoint->starved;
}

static void wait_for_work(struct checkpoint *checkpoint)
{
    int64_t interval = checkpoint->options.interval_ms;

    if (checkpoint->lacking && !checkpoint->stop)
        thread_wait(&checkpoint->wake, &checkpoint->lock,
                    interval < RETRY_MS ? interval : RETRY_MS);
    else if (!checkpoint->asked)
        thread_wait(&checkpoint->wake, &checkpoint->lock, interval);
}

static void *run(void *userdata)
{
    struct checkpoint *checkpoint = userdata;
    bool lacking = !make_room(checkpoint);

    if (lacking)
        progress_set_space(checkpoint->progress, &checkpoint->progress->store_space,
                           STORE_SPACE_RESERVE);
    (void)pthread_mutex_lock(&checkpoint->lock);
    checkpoint->lacking = lacking;
    while (!checkpoint->stop || checkpoint->asked) {
        bool last;

        wait_for_work(checkpoint);
        if (checkpoint->stop && !checkpoint->asked)
            break;
        checkpoint->asked = false;
        last = checkpoint->stop;
        (void)pthread_mutex_unlock(&checkpoint->lock);
        lacking = !work(checkpoint, last);
        (void)pthread_mutex_lock(&checkpoint->lock);
        checkpoint->lacking = lacking;
    }
    (void)pthread_mutex_unlock(&checkpoint->lock);
    return NULL;
}

int checkpoint_start(struct checkpoint *checkpoint)
{
    int r = thread_start(&checkpoint->thread, run, checkpoint);

    checkpoint->started = r == 0;
    return r;
}

static void ask(struct checkpoint *checkpoint, bool asked, bool stop)
{
    (void)pthread_mutex_lock(&checkpoint->lock);
    checkpoint->asked = asked;
    checkpoint->stop = stop;
    /* A disk that is full is not asked more often because more is waiting. */
    if (stop || !checkpoint->lacking)
        (void)pthread_cond_signal(&checkpoint->wake);
    (void)pthread_mutex_unlock(&checkpoint->lock);
}

void checkpoint_ask(struct checkpoint *checkpoint)
{
    ask(checkpoint, true, false);
}

void checkpoint_consider(struct checkpoint *checkpoint)
{
    uint64_t end = atomic_load(&checkpoint->progress->durable_end);
    uint64_t stored_end = atomic_load(&checkpoint->progress->stored_end);

    if (place_distance(stored_end, end, checkpoint->options.segment_size) >=
        checkpoint->options.bytes)
        checkpoint_ask(checkpoint);
}

void checkpoint_stop(struct checkpoint *checkpoint, bool last)
{
    if (!checkpoint->started)
        return;
    ask(checkpoint, last, true);
    (void)pthread_join(checkpoint->thread, NULL);
    checkpoint->started = false;
}

void checkpoint_deinit(struct checkpoint *checkpoint)
{
    walk_deinit(&checkpoint->walk);
    images_deinit(&checkpoint->images);
    (void)pthread_cond_destroy(&checkpoint->wake);
    (void)pthread_mutex_destroy(&checkpoint->lock);
}

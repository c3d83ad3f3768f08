/*
 * Three states. OK: the reserve is there and the disk has given what was asked. RESERVE: preparing
 * the next segment failed, or the reserve could not be made; the reserve becomes the next segment,
 * and only confirmations, credit refunds and the like may use what there is. FULL: that is used up,
 * too; what is left is the rest of the segment in use. The thread tries again each second and
 * whenever it is kicked, and returns to OK once segment and reserve are both there.
 *
 * The reserve is never given back to the file system first: whoever fills the disk would be
 * quicker. The store's pages have a reserve of their own, inside their file (checkpoint.c).
 */
#include "space.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "batch.h"
#include "thread.h"

#define READY_WANTED 2
#define RETRY_MS 1000

int space_init(struct space *space, const struct files *files, struct progress *progress,
               struct lending *lending, const struct space_options *options, uint64_t oldest,
               uint64_t tail, uint64_t last)
{
    struct segment **to = &space->ready;

    *space = (struct space){.files = files,
                            .progress = progress,
                            .lending = lending,
                            .options = *options,
                            .next_number = last + 1,
                            .oldest = oldest};
    (void)pthread_mutex_init(&space->lock, NULL);
    (void)pthread_mutex_init(&space->pin_lock, NULL);
    thread_condition_init(&space->wake);
    for (uint64_t number = tail + 1; number <= last; number++) {
        int r = segment_open(files, number, to);

        if (r < 0)
            return r;
        to = &(*to)->next;
        space->ready_count++;
    }
    return 0;
}

struct segment *space_take(struct space *space, bool use_reserve)
{
    struct segment *segment;

    (void)pthread_mutex_lock(&space->lock);
    segment = space->ready;
    /* Asked again here: the state may have changed since the record was let in. */
    if (!use_reserve && progress_space(space->progress) != STORE_SPACE_OK)
        segment = NULL;
    if (segment) {
        space->ready = segment->next;
        segment->next = NULL;
        space->ready_count--;
    }
    space->asked = true;
    (void)pthread_cond_signal(&space->wake);
    (void)pthread_mutex_unlock(&space->lock);
    return segment;
}

void space_kick(struct space *space)
{
    (void)pthread_mutex_lock(&space->lock);
    space->asked = true;
    (void)pthread_cond_signal(&space->wake);
    (void)pthread_mutex_unlock(&space->lock);
}

void space_keep(struct space *space, uint64_t place)
{
    uint64_t before = atomic_exchange(&space->kept, place);

    if (before >> 32 != place >> 32)
        space_kick(space);
}

void space_pin(struct space *space)
{
    (void)pthread_mutex_lock(&space->pin_lock);
    space->pins++;
    (void)pthread_mutex_unlock(&space->pin_lock);
}

void space_unpin(struct space *space)
{
    (void)pthread_mutex_lock(&space->pin_lock);
    space->pins--;
    (void)pthread_mutex_unlock(&space->pin_lock);
    space_kick(space);
}

static size_t ready_count(struct space *space)
{
    size_t count;

    (void)pthread_mutex_lock(&space->lock);
    count = space->ready_count;
    (void)pthread_mutex_unlock(&space->lock);
    return count;
}

static int prepare_one(struct space *space)
{
    struct segment *segment, **to = &space->ready;
    bool first;
    int r;

    if (space->next_number > UINT32_MAX)
        return -EOVERFLOW;
    r = segment_create(space->files, space->next_number, space->options.segment_size, &segment);
    if (r < 0)
        return r;
    space->next_number++;
    (void)pthread_mutex_lock(&space->lock);
    while (*to)
        to = &(*to)->next;
    *to = segment;
    first = space->ready_count++ == 0;
    (void)pthread_mutex_unlock(&space->lock);
    if (first)
        progress_notify(space->progress); /* who was told to come again can */
    return 0;
}

/* The time and first sequence of a segment, from its first batch; false where it has none yet. */
static bool read_first(const struct space *space, uint64_t number, struct batch_header *ret_header)
{
    CLEANUP(segment_cleanup) struct segment *segment = NULL;
    struct batch_header header;

    if (segment_open(space->files, number, &segment) < 0 ||
        files_read(segment->fd, &header, sizeof(header), BLOCK_SIZE) < 0 ||
        !batch_header_valid(&header, segment, BLOCK_SIZE))
        return false;
    *ret_header = header;
    return true;
}

/* Who has not had the records of a segment holds it back while there is room, and no longer: the
 * disk must not fill because somebody does not read. A segment is as old as its successor's
 * beginning: then its last record had been written. */
static bool is_past(const struct space *space, uint64_t number, uint64_t cursor)
{
    uint64_t kept = atomic_load(&space->kept),
             size = (cursor - number) * space->options.segment_size;
    struct batch_header next;

    if (kept == 0 || !read_first(space, number + 1, &next) ||
        next.first_sequence > atomic_load(&space->progress->stored) + 1)
        return false;
    return size > space->options.retention_bytes ||
           (number < kept >> 32 &&
            atomic_load(&space->progress->stored_time) - next.time > space->options.retention_ms);
}

/* Removed, or kept under another name as the next segment's file, if there is none in waiting. */
static int let_go(const struct space *space, uint64_t number)
{
    char name[SEGMENT_NAME_SIZE];
    int fd = space->files->journal_fd;

    /* First, so that whoever still sees its bytes is told that they are gone. */
    atomic_store(&space->progress->oldest_place, place_of(number + 1, 0));
    lending_forget(space->lending, number + 1);
    segment_name(number, name);
    if (faccessat(fd, "spare", F_OK, 0) < 0) {
        if (renameat(fd, name, fd, "spare") < 0)
            return -errno;
    } else if (unlinkat(fd, name, 0) < 0) {
        return -errno;
    }
    return files_sync_directory(fd);
}

/* Oldest first, so that the numbers never have a gap; never a segment that the next checkpoint, or
 * a replay, would read. */
static void let_go_of_past(struct space *space)
{
    uint64_t cursor = atomic_load(&space->progress->stored_place) >> 32;
    bool gone = false;
    int r = 0;

    while (r == 0 && space->oldest < cursor && is_past(space, space->oldest, cursor)) {
        (void)pthread_mutex_lock(&space->pin_lock);
        r = space->pins > 0 ? -EBUSY : let_go(space, space->oldest);
        (void)pthread_mutex_unlock(&space->pin_lock);
        if (r == 0) {
            space->oldest++;
            gone = true;
        }
    }
    if (gone)
        progress_notify(space->progress);
}

/* Whether the next segment is there; only its want is a lack of space, a second one is comfort. */
static bool prepare(struct space *space)
{
    while (ready_count(space) < READY_WANTED)
        if (prepare_one(space) < 0)
            break;
    return ready_count(space) > 0;
}

/* Returns how long to wait before trying again; negative: until kicked. */
static int64_t work(struct space *space)
{
    bool ready, reserve;

    let_go_of_past(space);
    ready = prepare(space);
    reserve = ready && files_make_reserve(space->files, space->options.segment_size) == 0;
    if (!ready) {
        /* Before there is something to take: it must not become a deduction's. */
        progress_set_space(space->progress, &space->progress->journal_space, STORE_SPACE_RESERVE);
        files_use_reserve(space->files);
        (void)prepare_one(space);
        ready = ready_count(space) > 0;
    }
    progress_set_space(space->progress, &space->progress->journal_space,
                       ready && reserve ? STORE_SPACE_OK
                       : ready          ? STORE_SPACE_RESERVE
                                        : STORE_SPACE_FULL);
    return ready && reserve && ready_count(space) >= READY_WANTED ? -1 : RETRY_MS;
}

static void *run(void *userdata)
{
    struct space *space = userdata;
    int64_t timeout = 0;

    (void)pthread_mutex_lock(&space->lock);
    while (!space->stop) {
        if (!space->asked && timeout != 0)
            thread_wait(&space->wake, &space->lock, timeout);
        if (space->stop)
            break;
        space->asked = false;
        (void)pthread_mutex_unlock(&space->lock);
        timeout = work(space);
        (void)pthread_mutex_lock(&space->lock);
    }
    (void)pthread_mutex_unlock(&space->lock);
    return NULL;
}

int space_start(struct space *space)
{
    int r = thread_start(&space->thread, run, space);

    space->started = r == 0;
    return r;
}

void space_deinit(struct space *space)
{
    if (space->started) {
        (void)pthread_mutex_lock(&space->lock);
        space->stop = true;
        (void)pthread_cond_signal(&space->wake);
        (void)pthread_mutex_unlock(&space->lock);
        (void)pthread_join(space->thread, NULL);
        space->started = false;
    }
    while (space->ready) {
        struct segment *segment = space->ready;

        space->ready = segment->next;
        (void)segment_free(segment);
    }
    (void)pthread_cond_destroy(&space->wake);
    (void)pthread_mutex_destroy(&space->pin_lock);
    (void)pthread_mutex_destroy(&space->lock);
}

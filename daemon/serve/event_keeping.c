/* See event_keeping.h. */
#include "event_keeping.h"
#include "serve.h"
#include <core/delivery.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>

#define FORGET_STEPS 8 /* of core_event_forget at a time: each is a record */

struct keeping_job {
    struct event_keeping *keeping;
    uv_work_t work;
    uint64_t first, last;  /* rows that the store has, more or less */
    uint64_t oldest_place; /* records before are gone */
    uint64_t needed;       /* number of the event from which on they are needed; 0: known already */
    /* What came of it. */
    int result;
    uint64_t forget_through;
    uint64_t keep_place; /* 0: not found */
};

void event_keeping_init(struct event_keeping *keeping, struct serve *serve)
{
    memset(keeping, 0, sizeof(*keeping));
    keeping->serve = serve;
    keeping->again = true;
}

/* --- the worker's part --- */

static int take_event(void *userdata, const void *key, size_t key_length, const void *value,
                      size_t value_length)
{
    struct core_event *event = userdata;
    int r = core_event_decode(key, key_length, value, value_length, event);

    return r < 0 ? r : 1;
}

/* The first row from that number on: 0, or -ENOENT. Its texts are gone. */
static int find_row(struct store *store, uint64_t number, struct core_event *ret_event)
{
    uint8_t key[CORE_EVENT_KEY_SIZE];
    int r;

    core_event_key(number, key);
    r = store_range(store, TABLE_EVENT, key, sizeof(key), 1, take_event, ret_event);
    return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

/* Places grow with the numbers: the last event whose place is below. */
static int find_gone(struct store *store, struct keeping_job *job)
{
    uint64_t low = job->first, high = job->last + 1; /* below low: gone; from high on: there */

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct core_event event;
        int r = find_row(store, middle, &event);

        if (r < 0 && r != -ENOENT)
            return r;
        if (r == 0 && event.place < job->oldest_place)
            low = event.number + 1;
        else
            high = middle;
    }
    job->forget_through = low - 1;
    return 0;
}

static void job_work(uv_work_t *work)
{
    struct keeping_job *job = work->data;
    struct store *store = job->keeping->serve->store;
    struct core_event event;

    job->result = find_gone(store, job);
    if (job->result == 0 && job->needed != 0) {
        job->result = find_row(store, job->needed, &event);
        if (job->result == 0)
            job->keep_place = event.place;
    }
}

/* --- the loop's --- */

static uint64_t needed_by_all(struct serve *serve)
{
    int64_t now = serve_now(serve), retention = serve->config->ledger.retention;

    return core_event_needed(serve->core, now, retention < 0 ? now : retention);
}

/* The rows go a few at a time; the rest when the ledger has got on. */
static void forget(struct event_keeping *keeping)
{
    struct serve *serve = keeping->serve;
    uint64_t first, last;
    int r = CORE_LOAD;

    core_event_range(serve->core, &first, &last);
    if (keeping->forget_through < first || serve_is_stopping(serve))
        return;
    for (unsigned i = 0; r == CORE_LOAD && i < FORGET_STEPS; i++)
        r = core_event_forget(serve->core, keeping->forget_through, serve_now(serve));
    if (r < 0 && r != -EAGAIN && r != -ENOSPC)
        log_error("forgetting events: %s", strerror(-r));
}

static void job_done(uv_work_t *work, int status)
{
    struct keeping_job *job = work->data;
    struct event_keeping *keeping = job->keeping;
    int r = status < 0 ? status : job->result;

    keeping->job = NULL;
    if (r < 0 && r != -ENOENT)
        log_error("which events are kept: %s", strerror(-r));
    event_keeping_gone(keeping, job->forget_through);
    if (job->keep_place != 0 && !keeping->again) /* somebody may need older ones since then */
        store_keep(keeping->serve->store, job->keep_place);
    free(job);
    forget(keeping);
    if (keeping->again)
        event_keeping_pass(keeping);
}

/* Of those who need events, and of where they would stand after a crash. */
static uint64_t needed_for_certain(struct event_keeping *keeping)
{
    struct store_watermarks marks;

    store_get_watermarks(keeping->serve->store, &marks);
    return claim_settle(&keeping->claim, needed_by_all(keeping->serve), marks.appended,
                        marks.durable);
}

/* From which record on? 0 with *ret_place, or the number of an event whose row is in the store. */
static uint64_t needed_from(struct event_keeping *keeping, uint64_t *ret_place)
{
    struct serve *serve = keeping->serve;
    uint64_t first, last, number = needed_for_certain(keeping);
    struct core_event event;
    int r;

    *ret_place = UINT64_MAX;
    if (number == UINT64_MAX)
        return 0;
    core_event_range(serve->core, &first, &last);
    if (number < first)
        number = first;
    r = core_event_get(serve->core, number, &event);
    if (r == CORE_LOAD)
        return number;
    /* One that is yet to come has its record after all that is stored. */
    *ret_place = r == CORE_OK ? event.place : serve->marks.stored_place;
    return 0;
}

static void look(struct event_keeping *keeping)
{
    struct serve *serve = keeping->serve;
    struct keeping_job *job;
    uint64_t place, first, last, number = needed_from(keeping, &place);

    if (number == 0)
        store_keep(serve->store, place);
    core_event_range(serve->core, &first, &last);
    if (first > last || (number == 0 && keeping->oldest_place == serve->marks.oldest_place))
        return;
    job = calloc(1, sizeof(*job));
    if (job == NULL)
        return; /* again with the next checkpoint */
    job->keeping = keeping;
    job->work.data = job;
    job->first = first;
    job->last = last;
    job->needed = number;
    job->oldest_place = serve->marks.oldest_place;
    if (uv_queue_work(&serve->loop, &job->work, job_work, job_done) < 0) {
        free(job);
        return;
    }
    keeping->job = job;
    keeping->oldest_place = serve->marks.oldest_place;
}

void event_keeping_pass(struct event_keeping *keeping)
{
    const struct store_watermarks *marks = &keeping->serve->marks;
    bool moved = keeping->again || keeping->stored != marks->stored ||
                 keeping->oldest_place != marks->oldest_place;

    forget(keeping);
    if (!moved || keeping->job != NULL || serve_is_stopping(keeping->serve))
        return;
    keeping->again = false;
    keeping->stored = marks->stored;
    look(keeping);
}

uint64_t event_keeping_first(const struct event_keeping *keeping)
{
    uint64_t first, last;

    core_event_range(keeping->serve->core, &first, &last);
    return first > keeping->forget_through ? first : keeping->forget_through + 1;
}

/* Those that somebody waited for: only the journal's size lets go of these. */
static void count_lost(struct event_keeping *keeping, uint64_t through)
{
    uint64_t needed = needed_by_all(keeping->serve), first = event_keeping_first(keeping);

    if (needed < first)
        needed = first;
    if (needed > through)
        return;
    keeping->lost += through - needed + 1;
    log_warning("events %" PRIu64 " to %" PRIu64 " have gone before all hooks and subscribers had "
                "them: the journal has reached retention_size",
                needed, through);
}

void event_keeping_gone(struct event_keeping *keeping, uint64_t through)
{
    if (through <= keeping->forget_through)
        return;
    count_lost(keeping, through);
    keeping->forget_through = through;
}

void event_keeping_look(struct event_keeping *keeping)
{
    keeping->again = true;
    event_keeping_pass(keeping);
}

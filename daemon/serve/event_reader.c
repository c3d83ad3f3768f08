/*
 * See event_reader.h. Reads wait in one list, in the order in which they came. Whatever may have
 * changed what can be served (the watermark, a worker's end, a new read) marks the reader; at the
 * end of the turn all reads are looked at once. The first that the cache does not serve gives the
 * worker its job.
 */
#include "event_reader.h"
#include "envelope.h"
#include "serve.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

#define JOB_BYTES_MAX (1024u * 1024u) /* of envelopes; the cache takes more than that */
#define NAME_MAX_LENGTH 128u

struct event_row {
    struct core_event event; /* its texts point into names */
    char names[2 * NAME_MAX_LENGTH];
};

/* What a worker does: reads the records of events from `from` on. Their rows are the engine's, or
 * it finds them in the store. */
struct event_job {
    struct event_reader *reader;
    uv_work_t work;
    atomic_bool cancelled;
    uint64_t from;
    size_t limit;
    uint32_t types, instance;
    bool from_store;
    size_t row_count;
    struct event_row rows[EVENT_PAGE_MAX];
    /* What came of it. */
    int result;
    size_t count, bytes;
    struct event_kept *kept[EVENT_PAGE_MAX];
    uint64_t gone_through; /* 0: none */
    uint64_t damaged;      /* an event whose record cannot be read any more; 0: none */
};

/* --- the worker's part --- */

static int row_add(struct event_job *job, const struct core_event *event)
{
    struct event_row *row = &job->rows[job->row_count];

    if (event->customer.length > NAME_MAX_LENGTH || event->product.length > NAME_MAX_LENGTH)
        return -EBADMSG;
    row->event = *event;
    row->event.customer.data = row->names;
    row->event.product.data = row->names + NAME_MAX_LENGTH;
    if (event->customer.length > 0)
        memcpy(row->names, event->customer.data, event->customer.length);
    if (event->product.length > 0)
        memcpy(row->names + NAME_MAX_LENGTH, event->product.data, event->product.length);
    job->row_count++;
    return 0;
}

/* The rows of a page follow each other; what comes before the first one is gone. */
static int take_row(void *userdata, const void *key, size_t key_length, const void *value,
                    size_t value_length)
{
    struct event_job *job = userdata;
    struct core_event event;
    int r = core_event_decode(key, key_length, value, value_length, &event);

    if (r < 0)
        return r;
    if (event.number != job->from + job->row_count) {
        if (job->row_count == 0)
            job->gone_through = event.number - 1;
        return 1;
    }
    return row_add(job, &event);
}

static int read_rows(struct event_job *job)
{
    uint8_t key[CORE_EVENT_KEY_SIZE];
    int r;

    core_event_key(job->from, key);
    r = store_range(job->reader->serve->store, TABLE_EVENT, key, sizeof(key), job->limit, take_row,
                    job);
    return r < 0 ? r : 0;
}

/* The record that was read last: several events may have come about with it. */
struct record_at {
    uint8_t *buffer;
    uint64_t place;
    int result;
    struct record record;
};

static int read_record(struct event_job *job, const struct core_event *event, struct record_at *at)
{
    if (at->place != event->place) {
        at->result =
            store_read_record(job->reader->serve->store, event->place, at->buffer, &at->record);
        at->place = event->place;
    }
    return at->result;
}

static int pack_event(struct event_job *job, const struct core_event *event, struct record_at *at,
                      msgpack_sbuffer *envelope)
{
    int r = read_record(job, event, at);

    msgpack_sbuffer_clear(envelope);
    if (r == 0)
        r = envelope_pack(event, &at->record, job->instance, envelope);
    if (r == -EUCLEAN || r == -EBADMSG) { /* the others behind it must not wait for ever */
        job->damaged = event->number;
        r = envelope_pack_bare(event, envelope);
    }
    return r;
}

/* 0, -ENOENT: its record is gone, or another -errno. */
static int keep_event(struct event_job *job, const struct core_event *event, struct record_at *at,
                      msgpack_sbuffer *envelope)
{
    bool wanted = (job->types & (1u << event->type)) != 0;
    int r = wanted ? pack_event(job, event, at, envelope) : 0;
    struct event_kept *kept;

    if (r < 0)
        return r;
    kept = wanted ? event_kept_new(event, envelope->data, envelope->size)
                  : event_kept_new(event, NULL, 0);
    if (kept == NULL)
        return -ENOMEM;
    job->kept[job->count++] = kept;
    job->bytes += kept->size;
    return 0;
}

/* What was kept before something failed is a page, too. */
static int keep_events(struct event_job *job, struct record_at *at, msgpack_sbuffer *envelope)
{
    int r = 0;

    for (size_t i = 0; i < job->row_count && job->bytes < JOB_BYTES_MAX; i++) {
        const struct core_event *event = &job->rows[i].event;

        if (atomic_load(&job->cancelled))
            return -ECANCELED;
        r = keep_event(job, event, at, envelope);
        if (r == -ENOENT && job->count == 0) {
            job->gone_through = event->number;
            r = 0;
        }
        if (r < 0)
            break;
    }
    return job->count > 0 || job->gone_through != 0 ? 0 : r;
}

static void job_work(uv_work_t *work)
{
    struct event_job *job = work->data;
    struct record_at at = {.buffer = malloc(RECORD_SIZE_MAX), .place = UINT64_MAX};
    msgpack_sbuffer envelope;

    msgpack_sbuffer_init(&envelope);
    job->result = at.buffer == NULL ? -ENOMEM : 0;
    if (job->result == 0 && job->from_store)
        job->result = read_rows(job);
    if (job->result == 0)
        job->result = keep_events(job, &at, &envelope);
    if (job->result == 0 && job->count == 0 && job->gone_through == 0)
        job->gone_through = job->from; /* no row, although it should be there */
    msgpack_sbuffer_destroy(&envelope);
    free(at.buffer);
}

/* --- serving --- */

static void call_back(struct event_read *read, const struct event_page *page)
{
    read->function(read->userdata, page); /* may have freed it */
}

/* What the cache has of it, from its first event on. */
static size_t collect(struct event_reader *reader, const struct event_read *read,
                      struct event_told *events)
{
    size_t count = 0;

    while (count < read->limit && read->from + count <= reader->through) {
        const struct event_told *told =
            event_cache_get(&reader->cache, read->from + count, read->types);

        if (told == NULL)
            break;
        events[count] = *told;
        if ((read->types & (1u << told->event.type)) == 0) { /* others have asked for it */
            events[count].envelope = NULL;
            events[count].length = 0;
        }
        count++;
    }
    return count;
}

/* Whether it was called back. */
static bool serve_read(struct event_reader *reader, struct event_read *read)
{
    struct event_told events[EVENT_PAGE_MAX];
    struct event_page page = {.from = read->from, .events = events};
    uint64_t first = event_keeping_first(&reader->serve->event_keeping);

    if (reader->stopping) {
        page.result = -ECANCELED;
    } else if (read->from < first) {
        page.gone_through = first - 1;
    } else if (read->from > reader->through) {
        if (read->wait)
            return false;
    } else {
        page.count = collect(reader, read, events);
        if (page.count == 0)
            return false;
    }
    call_back(read, &page);
    return true;
}

/* What a callback adds stands behind those that could not be served. Who was called back may have
 * made work for others, so there is another round then. */
static void serve_reads(struct event_reader *reader)
{
    struct list due, rest;

    list_init(&due);
    list_init(&rest);
    list_move_all(&due, &reader->reads);
    reader->changed = false;
    while (!list_is_empty(&due)) {
        struct event_read *read = CONTAINER_OF(due.next, struct event_read, link);

        list_remove(&read->link);
        if (serve_read(reader, read))
            reader->changed = true;
        else
            list_append(&rest, &read->link);
    }
    list_move_all(&rest, &reader->reads);
    list_move_all(&reader->reads, &rest);
}

/* --- jobs --- */

static struct event_job *job_free(struct event_job *job)
{
    if (job == NULL)
        return NULL;
    for (size_t i = 0; i < job->count; i++)
        free(job->kept[i]);
    free(job);
    return NULL;
}

/* Ends the reads that the job was for, with what the cache cannot tell. */
static void job_tell(const struct event_job *job, int result)
{
    struct event_reader *reader = job->reader;
    const struct event_page page = {
        .result = result, .from = job->from, .gone_through = job->gone_through};
    struct list all;

    list_init(&all);
    list_move_all(&all, &reader->reads);
    while (!list_is_empty(&all)) {
        struct event_read *read = CONTAINER_OF(all.next, struct event_read, link);

        list_remove(&read->link);
        if (read->from == job->from)
            call_back(read, &page);
        else
            list_append(&reader->reads, &read->link);
    }
}

static void job_end(struct event_job *job, int result)
{
    struct event_reader *reader = job->reader;

    (void)serve_now(reader->serve); /* something to do: the end of the turn */
    reader->job = NULL;
    if (job->damaged != 0)
        log_error("event %" PRIu64 ": its record cannot be read; it is told without its object",
                  job->damaged);
    for (size_t i = 0; i < job->count; i++)
        event_cache_put(&reader->cache, job->kept[i]);
    job->count = 0;
    if (result < 0 && result != -ECANCELED)
        log_error("reading events back: %s", strerror(-result));
    event_keeping_gone(&reader->serve->event_keeping, job->gone_through);
    if (result < 0 || job->gone_through != 0)
        job_tell(job, result);
    job_free(job);
    reader->changed = true;
    event_reader_pump(reader); /* at once: the cache has what was read */
}

static void job_done(uv_work_t *work, int status)
{
    struct event_job *job = work->data;

    job_end(job, status < 0 ? status : job->result);
}

/* The rows that the engine has; none: they are in the store. */
static int fill_rows(struct event_job *job)
{
    const struct event_reader *reader = job->reader;
    int r = CORE_OK;

    while (job->row_count < job->limit && job->from + job->row_count <= reader->through) {
        struct core_event event;

        r = core_event_get(reader->serve->core, job->from + job->row_count, &event);
        if (r != CORE_OK)
            break;
        r = row_add(job, &event);
        if (r < 0)
            return r;
    }
    job->from_store = r == CORE_LOAD && job->row_count == 0;
    return 0;
}

/* One reading for all who want what is near: events that are delivered one by one, too. */
static void job_widen(struct event_job *job, const struct event_read *read)
{
    uint64_t end;

    if (read->from < job->from || read->from - job->from >= EVENT_PAGE_MAX)
        return;
    end = read->from - job->from + read->limit;
    job->types |= read->types;
    if (job->limit < end)
        job->limit = end < EVENT_PAGE_MAX ? (size_t)end : EVENT_PAGE_MAX;
}

static struct event_job *job_new(struct event_reader *reader, const struct event_read *first)
{
    struct event_job *job = calloc(1, sizeof(*job));
    struct list *link;

    if (job == NULL)
        return NULL;
    job->reader = reader;
    job->work.data = job;
    job->from = first->from;
    job->instance = store_instance(reader->serve->store);
    for (link = reader->reads.next; link != &reader->reads; link = link->next)
        job_widen(job, CONTAINER_OF(link, struct event_read, link));
    return job;
}

static void job_begin(struct event_reader *reader, const struct event_read *first)
{
    struct event_job *job = job_new(reader, first);
    int r = job != NULL ? fill_rows(job) : -ENOMEM;

    if (r == 0)
        r = uv_queue_work(&reader->serve->loop, &job->work, job_work, job_done);
    if (r == 0) {
        reader->job = job;
        return;
    }
    log_error("reading events back: %s", strerror(-r));
    if (job != NULL)
        job_tell(job, r);
    job_free(job);
}

/* A read that can be served, but not from the cache: of those who follow and those who do not in
 * turn. */
static const struct event_read *first_due(struct event_reader *reader)
{
    const struct event_read *follows = NULL, *looks = NULL;
    struct list *link;

    for (link = reader->reads.next; link != &reader->reads; link = link->next) {
        const struct event_read *read = CONTAINER_OF(link, struct event_read, link);

        if (read->from > reader->through)
            continue;
        if (read->wait && follows == NULL)
            follows = read;
        else if (!read->wait && looks == NULL)
            looks = read;
    }
    reader->followed = follows != NULL && (looks == NULL || !reader->followed);
    return reader->followed ? follows : looks;
}

/* --- from outside --- */

int event_reader_init(struct event_reader *reader, struct serve *serve)
{
    memset(reader, 0, sizeof(*reader));
    reader->serve = serve;
    list_init(&reader->reads);
    return event_cache_init(&reader->cache);
}

void event_reader_deinit(struct event_reader *reader)
{
    event_cache_deinit(&reader->cache);
}

void event_reader_pass(struct event_reader *reader, uint64_t durable)
{
    uint64_t through = core_event_through(reader->serve->core, durable);

    if (through <= reader->through)
        return;
    reader->through = through;
    if (list_is_empty(&reader->reads))
        return;
    reader->changed = true;
    (void)serve_now(reader->serve);
}

bool event_reader_is_due(const struct event_reader *reader)
{
    return reader->changed;
}

void event_reader_pump(struct event_reader *reader)
{
    const struct event_read *first;

    if (!reader->changed)
        return;
    serve_reads(reader);
    if (reader->job != NULL || reader->stopping)
        return;
    first = first_due(reader);
    if (first != NULL)
        job_begin(reader, first);
}

void event_reader_stop(struct event_reader *reader)
{
    reader->stopping = true;
    if (reader->job != NULL) {
        atomic_store(&reader->job->cancelled, true);
        uv_cancel((uv_req_t *)&reader->job->work); /* where no thread has begun with it */
    }
    serve_reads(reader);
}

void event_read_init(struct event_read *read)
{
    memset(read, 0, sizeof(*read));
    list_init(&read->link);
}

void event_reader_read(struct event_reader *reader, struct event_read *read)
{
    assert(read->from > 0 && read->limit > 0 && read->limit <= EVENT_PAGE_MAX);
    assert(!event_read_is_under_way(read));
    list_append(&reader->reads, &read->link);
    reader->changed = true;
    (void)serve_now(reader->serve);
}

bool event_read_is_under_way(const struct event_read *read)
{
    return !list_is_empty(&read->link);
}

void event_read_cancel(struct event_read *read)
{
    list_remove(&read->link);
}

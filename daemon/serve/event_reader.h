/*
 * Reads events back, for all who tell them: subscribers, event.list, and hooks. Number → row (of
 * the engine, or of the store) → record → envelope (envelope.h). Only what is durable is read, also
 * where answers do not wait for that.
 *
 * A read asks for events from a number on, and is called back once, from the loop, never from
 * within event_reader_read; then the page holds some of them, in order and without a gap between
 * them, or says that events are gone. What was read lately is in a cache, so that those who follow
 * live share one reading of the disk. The rest is read by a worker thread, one at a time: libuv has
 * four for everything (transactions.h). Whoever asks is served in turn, and those who follow
 * (hooks, subscriptions) have every second reading at least: however many look at what was, what
 * comes is told.
 */
#pragma once

#include "event_cache.h"
#include "list.h"
#include <core/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serve;
struct event_job;

#define EVENT_PAGE_MAX 64u    /* events of a page */
#define EVENT_TYPES_ALL (~0u) /* for event_read.types */

/* Valid during the call only. */
struct event_page {
    int result; /* 0, or -errno: it could not be read now; -ECANCELED: creditd is stopping */
    uint64_t from;
    size_t count; /* of events: from, from + 1, …; may be fewer than asked for */
    const struct event_told *events;
    uint64_t gone_through; /* count 0: the events from `from` to this one are gone; else 0 */
};

typedef void (*event_read_function)(void *userdata, const struct event_page *page);

/* A member of whoever reads; the first five are set by the owner before each event_reader_read. */
struct event_read {
    uint64_t from;
    size_t limit;   /* 1 to EVENT_PAGE_MAX */
    uint32_t types; /* bits 1 << enum core_event_type: those whose envelopes are wanted */
    bool wait;      /* it follows: until there is an event `from`; else the page is empty then */
    event_read_function function;
    void *userdata;
    struct list link; /* the reader's */
};

struct event_reader {
    struct serve *serve;
    struct list reads; /* struct event_read, link: in the order in which they came */
    struct event_job *job;
    struct event_cache cache;
    uint64_t through; /* the last event that is durable */
    bool changed;     /* there may be a read that can be served */
    bool followed;    /* the last job was for who follows */
    bool stopping;
};

int event_reader_init(struct event_reader *reader, struct serve *serve);
void event_reader_deinit(struct event_reader *reader);
/* The watermark has moved: wakes those that wait. */
void event_reader_pass(struct event_reader *reader, uint64_t durable);
/* The end of a turn: serves what can be served, begins the reading of the rest. */
void event_reader_pump(struct event_reader *reader);
/* There is more to pump, or others may have got something to do by what was called back: the loop
 * must not block. */
bool event_reader_is_due(const struct event_reader *reader);
/* Ends all reads, and takes no more: each is called back with -ECANCELED, from within. */
void event_reader_stop(struct event_reader *reader);

/* A read that nothing has been asked of yet: event_read_cancel is then allowed. */
void event_read_init(struct event_read *read);
/* Begins a read that is not under way. Where creditd is stopping it is called back, too. */
void event_reader_read(struct event_reader *reader, struct event_read *read);
bool event_read_is_under_way(const struct event_read *read);
/* It will not be called back. Also where it is not under way. */
void event_read_cancel(struct event_read *read);

/*
 * Events that were read lately, by number: those who follow live read each from the disk once, not
 * once each. Bounded in number and in bytes; the least recently used goes first.
 *
 * Pure.
 */
#pragma once

#include "list.h"
#include <core/event.h>
#include <stddef.h>
#include <stdint.h>

/* One event. */
struct event_told {
    struct core_event event;
    const void *envelope; /* encoded, one map (proto/events.h); NULL: its type was not asked for */
    size_t length;
};

#define EVENT_CACHE_SLOTS 4096u
#define EVENT_CACHE_BYTES (4u * 1024u * 1024u)

struct event_kept {
    struct list by_use;
    struct event_told told; /* points into bytes */
    size_t size;
    uint8_t bytes[];
};

/* A copy of its own; `envelope` may be NULL. NULL: no memory. */
struct event_kept *event_kept_new(const struct core_event *event, const void *envelope,
                                  size_t length);

struct event_cache {
    struct event_kept **slots; /* by number, modulo */
    struct list by_use;        /* least recently first */
    size_t bytes;
};

int event_cache_init(struct event_cache *cache);
void event_cache_deinit(struct event_cache *cache);
/* Takes it over; it is there until others come. One that has an envelope is not replaced by one of
 * the same number without. */
void event_cache_put(struct event_cache *cache, struct event_kept *kept);
/* NULL: not here, or without its envelope although its type is among `types`. Valid until the next
 * put. */
const struct event_told *event_cache_get(struct event_cache *cache, uint64_t number,
                                         uint32_t types);

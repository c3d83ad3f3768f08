/*
 * What the log says of events: those of credits and pushes, which operators look for, with what
 * StellarTools said where a push is parked. No earlier than their record is durable. Everybody else
 * is told by subscribers.h and hooks.h.
 */
#pragma once

#include <core/engine.h>
#include <proto/limits.h>
#include <stddef.h>
#include <stdint.h>

#define EVENTS_SAID_MAX 200 /* as proto/upstream.h has it */

struct serve;

struct event_item {
    enum core_event_type event;
    uint64_t sequence;
    char customer[PROTO_ID_MAX + 1], product[PROTO_ID_MAX + 1];
    /* push.parked: which, and what StellarTools said; empty: not known, nothing */
    char push_id[EXCHANGE_PUSH_ID_SIZE], said[EVENTS_SAID_MAX + 1];
};

struct events {
    struct serve *serve;
    struct event_item *items; /* in the order of their sequences */
    size_t first, count, capacity;
    /* The exchange whose end the engine is just being told of, and the text that came with it
     * (NULL: none). */
    const struct exchange *cause;
    const char *said;
    size_t said_length;
};

void events_init(struct events *events, struct serve *serve);
void events_deinit(struct events *events);
/* May be called from within the engine. */
void events_add(struct events *events, enum core_event_type event, uint32_t slot,
                uint64_t sequence);
/* The watermark has moved: tells what it covers. */
void events_pass(struct events *events, uint64_t durable);

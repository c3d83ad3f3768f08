/*
 * Subscriptions: a connection that is told events as they become durable, from a place on.
 *
 * The subscriber pulls: events are read and sent only while its socket takes them at once. One that
 * does not read costs nothing but its buffer, and holds nobody up; when many events have passed it
 * by ([limits] event_lag), its connection is closed, and it resumes from its place.
 */
#pragma once

#include "event_reader.h"
#include "list.h"
#include <core/engine.h>
#include <proto/limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serve;
struct connection;

struct subscribers {
    struct serve *serve;
    struct list held;    /* their answers wait for a record: of_waiting */
    struct list stalled; /* their sockets take no more: of_waiting */
    size_t count;
    uint64_t told, cut_off; /* since the start */
};

struct subscription {
    struct connection *connection;
    struct list of_waiting;
    struct event_read read;
    uint32_t types;
    uint64_t reveals;    /* what its answer reveals: nothing is sent before */
    uint64_t sent;       /* the last event that was sent, or was not for it */
    uint64_t stalled_at; /* the latest event when its socket was full */
    size_t name_length;  /* 0: nobody's place */
    char name[PROTO_ID_MAX];
};

void subscribers_init(struct subscribers *subscribers, struct serve *serve);
/* The watermark has moved. */
void subscribers_pass(struct subscribers *subscribers);

/* The events above `after` follow what has been answered so far. An older subscription of that
 * connection ends. 0 or -ENOMEM: then nothing has changed. */
int subscription_begin(struct connection *connection, uint64_t after, uint32_t types,
                       struct core_text name, uint64_t reveals);
void subscription_end(struct connection *connection);
/* Whether a subscription of another connection of the same user has that name. */
bool subscription_is_elsewhere(const struct connection *connection, struct core_text name);
/* The connection's socket has taken everything. */
void subscription_drained(struct connection *connection);

/*
 * The subscription of a connection.
 *
 *             answer                    a hook refuses, the queue is full, paused
 *   ASKING ───────────► LIVE ─────────────────────────────────────► WAITING
 *     ▲  ▲                │ connection lost: CUT                      │
 *     │  └────────────────┘                     its time has come, or │
 *     └───────────────────────────────────────────────────────────────┘
 *
 * There is one way to go on wherever it stopped: event.subscribe again, after the last event that
 * was taken. Until that is answered, what still comes belongs to the subscription before and is
 * dropped; it comes again behind the answer. So nothing has to be held back on this side, however
 * slow the application is, and no answer to a call waits behind events.
 *
 * An event is taken when its hook has returned 0, or when it was put into the queue that
 * creditd_event_next reads from. It is acknowledged when the application has dealt with it; one
 * acknowledgement is under way at a time, and the next one carries the latest number.
 *
 * Losing the connection is only noted where it happens, and told by stream_turn: hooks are run from
 * places where the application may close the connection.
 */
#pragma once

#include "engine.h"
#include <proto/message.h>
#include <sys/queue.h>

#define STREAM_DELAY_MIN 100
#define STREAM_DELAY_MAX 30000
#define STREAM_QUEUE_MAX 256
#define STREAM_QUEUE_BYTES (1024u * 1024)

struct owner;

/* In the queue: an event, or the note that some are gone. */
struct stream_item {
    STAILQ_ENTRY(stream_item) link;
    struct owner *owner; /* NULL: the events after `after` up to `last` are gone */
    msgpack_object envelope;
    size_t length;
    int64_t after, last;
};

STAILQ_HEAD(stream_items, stream_item);

enum stream_state { STREAM_ASKING, STREAM_LIVE, STREAM_WAITING, STREAM_OVER };

struct stream {
    enum stream_state state;
    struct creditd_hooks hooks;
    void *data;
    char subscriber[CREDITD_ID_SIZE]; /* "": none */
    struct creditd_map filters;       /* the member "types", or nothing */
    bool acks;                        /* we acknowledge for the application */
    bool pulls;                       /* creditd_event_next: there is a queue */
    bool was_cut, is_paused;
    bool wants_oldest; /* a gap before the first event is none */
    int64_t place;     /* the number of the last event that was taken; -1: the daemon knows */
    uint64_t retry_at, delay;

    int64_t dealt, acked; /* numbers up to which the application, and the daemon, is done */
    int64_t asked;        /* of the last acknowledgement */
    bool is_acking;

    struct stream_items queue;
    size_t queue_count, queue_bytes;
    struct stream_item *current; /* that the application looks at */
    int64_t given;               /* its number; 0: none */

    int status; /* STREAM_OVER: how it ended */
    char message[320];
};

/* stream.c */
/* Before and after the application may have done anything to the stream: whether it is still the
 * same one. */
bool stream_is(const struct creditd *c, uint64_t number);
void stream_drop(struct creditd *c);
/* The connection is gone. */
void stream_lost(struct creditd *c);
/* Does what is due: tells of what was lost, asks again. */
void stream_turn(struct creditd *c);
/* When stream_turn wants to be called; NEVER. */
uint64_t stream_due(const struct creditd *c);
bool stream_is_open(const struct creditd *c);
/* Asks again, after the last event that was taken: at `when` (NEVER: when somebody says so). */
void stream_wait(struct stream *s, uint64_t when);
/* Something failed: the delays double. */
void stream_back_off(struct creditd *c, struct stream *s);
void stream_end(struct creditd *c, int status, const char *message);
void stream_tell(struct creditd *c, const struct creditd_stream *change);

/* stream_take.c: a notification has come. */
void stream_take(struct creditd *c, const struct message *message, const uint8_t *frame,
                 size_t length);

/* stream_ack.c: the application is done with the events up to that one. */
void stream_dealt(struct creditd *c, struct stream *s, int64_t sequence);
/* Acknowledges what there is to be acknowledged. */
void stream_ack(struct creditd *c, struct stream *s);
/* The same before the stream goes: what waits for the answer of another does not wait. */
void stream_ack_last(struct creditd *c, struct stream *s);

/* stream_next.c: the queue. */
/* 0; it must come again after -ENOBUFS (no room) and -ENOMEM. */
int stream_push(struct stream *s, const uint8_t *frame, size_t length);
int stream_push_gap(struct stream *s, int64_t after, int64_t last);
void stream_clear_queue(struct stream *s);

/* event.c */
int event_open(const msgpack_object *envelope, struct creditd_event *ret_event);
/* "types" into a map. 0 or -EINVAL. */
int event_put_types(struct creditd_map *map, const char *const *types);

/*
 * GET /v1/events: events as server-sent events.
 *
 *     retry: 1000
 *
 *     id: 17
 *     event: credits.low
 *     data: {"id": "evt_…", "type": "credits.low", …}
 *
 * Each stream has a connection to creditd-serve of its own, since a connection has one
 * subscription. Flow control is from end to end: what a client does not read waits here up to a
 * limit, then libcreditd gives no more, and serve keeps the place. A client that takes nothing for
 * [http] timeout is cut off by libmicrohttpd; it comes back with Last-Event-ID. While creditd-serve
 * is away, the answer waits as long as that of any request; a stream that has begun goes on by
 * itself.
 */
#pragma once

#include <sys/queue.h>

struct stream;
LIST_HEAD(stream_list, stream);

/* With its exchange. */
void stream_free(struct stream *stream);
/* Its client has gone: its name is free from now on. */
void stream_leave(struct stream *stream);
/* Ends them all: their connections end in libmicrohttpd's next turns. */
void stream_end_all(struct stream_list *list);

/*
 * The stream's insides, shared by its three files: stream.c (life, time), stream_input.c (reading
 * and dispatching), stream_output.c (writing).
 *
 *              drain, protocol error              output is written, drain_ms
 *      OPEN ─────────────────────────► DRAINING ─────────────────────────────► CLOSING ──► freed
 *        └───────────── close, peer gone, slow, idle, no memory ──────────────────▲
 *
 * Three libuv handles belong to a stream; on_closed comes with the last one's close callback. The
 * first reason to end is the one that is told.
 */
#pragma once

#include <ipc/stream.h>
#include <proto/frame.h>

/* What the buffers begin with, and the size from which they are given back when idle. */
#define INPUT_CHUNK 16384u
#define BUFFER_BIG 65536u

enum stream_state { STREAM_OPEN, STREAM_DRAINING, STREAM_CLOSING };

struct ipc_stream {
    uv_pipe_t pipe;
    uv_idle_t deferred; /* what is to be done in the next turn; stopped when there is nothing */
    uv_timer_t timer;   /* idleness, draining, big buffers: see stream_schedule */
    uv_write_t write;
    unsigned handles; /* not closed yet */

    struct ipc_stream_options options;
    struct ipc_stream_callbacks callbacks;
    void *userdata;
    struct ipc_peer peer;

    enum stream_state state;
    enum ipc_close_reason reason;
    bool stillborn; /* its maker has been told of an error: no on_closed */
    bool paused;
    bool ended; /* the peer sends nothing more */
    bool reading;
    bool dispatching;
    bool flush_after_dispatch;
    bool dispatch_soon;
    bool flush_soon;
    bool writing_now; /* `writing` belongs to libuv */
    bool shrink_scheduled;

    uint64_t activity; /* loop time of the last byte */
    uint64_t drain_deadline;
    size_t queued_when_idle; /* when it was last looked at */

    /* Received: input[start..size) is not dispatched yet. */
    uint8_t *input;
    size_t input_start, input_size, input_alloc;
    struct frame_scanner scanner;
    msgpack_zone zone;

    /* Packed and not yet given to libuv; given to libuv. They change places. */
    msgpack_sbuffer output, writing;
};

/* Ends the stream; on_closed follows. */
void stream_end(struct ipc_stream *stream, enum ipc_close_reason reason);
void stream_begin_drain(struct ipc_stream *stream, enum ipc_close_reason reason);
void stream_touch(struct ipc_stream *stream);
/* Sets the timer for what is due next. */
void stream_schedule(struct ipc_stream *stream);
/* Called when a buffer has grown past BUFFER_BIG. */
void stream_schedule_shrink(struct ipc_stream *stream);

/* Reads, or not, as the state wants it. */
void input_update(struct ipc_stream *stream);
void input_dispatch(struct ipc_stream *stream);
void input_shrink(struct ipc_stream *stream);
void input_deinit(struct ipc_stream *stream);

/* Writes what is packed, and ends a draining stream when there is nothing left. */
void output_write(struct ipc_stream *stream);
void output_shrink(struct ipc_stream *stream);
void output_deinit(struct ipc_stream *stream);

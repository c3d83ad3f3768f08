/*
 * Reading and dispatching. The buffer's free tail is what libuv reads into; messages are dispatched
 * in place, and the part of a message that is left moves to the front only when room is short.
 *
 * What has been dispatched is wiped: requests carry session credentials, and this is the only place
 * where their bytes lie.
 */
#include "stream_private.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Wipes what has been dispatched and moves the rest to the front. */
static void input_compact(struct ipc_stream *stream)
{
    size_t rest = stream->input_size - stream->input_start;

    if (stream->input_start == 0)
        return;
    memmove(stream->input, stream->input + stream->input_start, rest);
    explicit_bzero(stream->input + rest, stream->input_start);
    stream->input_start = 0;
    stream->input_size = rest;
}

/* A larger copy and not realloc(), which would leave the old bytes behind unwiped. */
static int input_grow(struct ipc_stream *stream)
{
    size_t limit = stream->options.message_size + INPUT_CHUNK;
    size_t alloc = stream->input_alloc == 0 ? INPUT_CHUNK : 2 * stream->input_alloc;
    uint8_t *input;

    if (alloc > limit)
        alloc = limit;
    if (alloc <= stream->input_alloc)
        return 0;
    input = malloc(alloc);
    if (input == NULL)
        return -ENOMEM;
    if (stream->input != NULL) {
        memcpy(input, stream->input, stream->input_size);
        explicit_bzero(stream->input, stream->input_size);
        free(stream->input);
    }
    stream->input = input;
    stream->input_alloc = alloc;
    if (alloc > BUFFER_BIG)
        stream_schedule_shrink(stream);
    return 0;
}

/* Grows with what has been received, not with what a header claims. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct ipc_stream *stream = handle->data;

    (void)suggested;
    if (stream->input_alloc - stream->input_size < stream->input_alloc / 4 + 1)
        input_compact(stream);
    if (stream->input_alloc - stream->input_size < stream->input_alloc / 4 + 1 &&
        input_grow(stream) < 0) {
        *buffer = uv_buf_init(NULL, 0); /* comes back as UV_ENOBUFS */
        return;
    }
    *buffer = uv_buf_init((char *)stream->input + stream->input_size,
                          (unsigned)(stream->input_alloc - stream->input_size));
}

static void input_end(struct ipc_stream *stream)
{
    if (stream->input_start < stream->input_size) {
        stream_end(stream, IPC_CLOSED_TRUNCATED);
        return;
    }
    if (stream->callbacks.on_end == NULL) {
        stream_end(stream, IPC_CLOSED_PEER);
        return;
    }
    stream->ended = true;
    input_update(stream);
    stream->callbacks.on_end(stream, stream->userdata);
}

static void on_read(uv_stream_t *pipe, ssize_t length, const uv_buf_t *buffer)
{
    struct ipc_stream *stream = pipe->data;

    (void)buffer;
    if (length > 0) {
        stream->input_size += (size_t)length;
        stream_touch(stream);
        input_dispatch(stream);
    } else if (length == UV_EOF) {
        input_end(stream);
    } else if (length < 0) {
        stream_end(stream, length == UV_ENOBUFS ? IPC_CLOSED_ERROR : IPC_CLOSED_PEER);
    }
}

void input_update(struct ipc_stream *stream)
{
    bool wanted =
        stream->state == STREAM_OPEN && !stream->paused && !stream->ended && !stream->dispatch_soon;

    if (wanted == stream->reading || stream->state == STREAM_CLOSING)
        return;
    stream->reading = wanted;
    if (!wanted)
        uv_read_stop((uv_stream_t *)&stream->pipe);
    else if (uv_read_start((uv_stream_t *)&stream->pipe, on_alloc, on_read) < 0)
        stream_end(stream, IPC_CLOSED_ERROR);
}

static void input_refuse(struct ipc_stream *stream, const char *reason, int has_msgid,
                         uint32_t msgid)
{
    struct ipc_protocol_error error = {reason, has_msgid, msgid};

    if (stream->callbacks.on_protocol_error != NULL)
        stream->callbacks.on_protocol_error(stream, &error, stream->userdata);
    stream_begin_drain(stream, IPC_CLOSED_PROTOCOL);
}

static void input_deliver(struct ipc_stream *stream, const uint8_t *frame, size_t length)
{
    struct message message = {.msgid = 0};
    const char *reason = NULL;
    int has_msgid, r;

    r = message_parse(&stream->zone, frame, length, &message, &has_msgid, &reason);
    if (r == 0)
        stream->callbacks.on_message(stream, &message, stream->userdata);
    else if (r == -EBADMSG)
        input_refuse(stream, reason, has_msgid, message.msgid);
    else
        stream_end(stream, IPC_CLOSED_ERROR);
    msgpack_zone_clear(&stream->zone);
}

/* One message; false where there is none (yet). */
static bool input_dispatch_one(struct ipc_stream *stream)
{
    const uint8_t *frame;
    enum frame_result result;
    size_t length = 0;

    if (stream->state != STREAM_OPEN || stream->paused || stream->input_start == stream->input_size)
        return false;
    frame = stream->input + stream->input_start;
    result = frame_scan(&stream->scanner, frame, stream->input_size - stream->input_start, &length);
    if (result == FRAME_MORE)
        return false;
    if (result == FRAME_COMPLETE)
        input_deliver(stream, frame, length);
    else
        input_refuse(stream, frame_result_text(result), 0, 0);
    stream->input_start += length;
    return true;
}

void input_dispatch(struct ipc_stream *stream)
{
    assert(!stream->dispatching);
    stream->dispatching = true;
    while (input_dispatch_one(stream))
        ;
    stream->dispatching = false;
    if (stream->input_start == stream->input_size)
        input_compact(stream);
    input_update(stream);
    if (stream->flush_after_dispatch) {
        stream->flush_after_dispatch = false;
        output_write(stream);
    }
}

void input_shrink(struct ipc_stream *stream)
{
    if (stream->input_alloc <= BUFFER_BIG)
        return;
    if (stream->input_start < stream->input_size)
        stream_schedule_shrink(stream);
    else
        input_deinit(stream);
}

void input_deinit(struct ipc_stream *stream)
{
    if (stream->input != NULL)
        explicit_bzero(stream->input, stream->input_size);
    free(stream->input);
    stream->input = NULL;
    stream->input_start = stream->input_size = stream->input_alloc = 0;
}

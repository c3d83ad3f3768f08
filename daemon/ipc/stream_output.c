/*
 * Writing. Two buffers change places: messages are packed into one while libuv writes the other, so
 * that nothing is copied and any number of flushes become one write as long as the socket is full.
 */
#include "stream_private.h"

static bool output_over_limit(const struct ipc_stream *stream)
{
    return ipc_stream_queued(stream) > stream->options.write_limit;
}

static void on_written(uv_write_t *request, int status)
{
    struct ipc_stream *stream = request->data;

    stream->writing_now = false;
    stream->writing.size = 0;
    if (stream->state == STREAM_CLOSING)
        return;
    if (status < 0) {
        stream_end(stream, IPC_CLOSED_PEER);
        return;
    }
    stream_touch(stream);
    output_write(stream);
    if (stream->state == STREAM_OPEN && ipc_stream_queued(stream) == 0 &&
        stream->callbacks.on_drained != NULL)
        stream->callbacks.on_drained(stream, stream->userdata);
}

/* Gives libuv what the socket did not take: all but the first `done` bytes. */
static void output_queue(struct ipc_stream *stream, size_t done)
{
    msgpack_sbuffer rest = stream->output;
    uv_buf_t buffer = uv_buf_init(rest.data + done, (unsigned)(rest.size - done));

    stream->output = stream->writing;
    stream->writing = rest;
    stream->write.data = stream;
    if (uv_write(&stream->write, (uv_stream_t *)&stream->pipe, &buffer, 1, on_written) < 0) {
        stream_end(stream, IPC_CLOSED_ERROR);
        return;
    }
    stream->writing_now = true;
    if (output_over_limit(stream))
        stream_end(stream, IPC_CLOSED_SLOW);
}

/* Tries the socket directly, which nearly always takes everything. */
static void output_try(struct ipc_stream *stream)
{
    uv_buf_t buffer = uv_buf_init(stream->output.data, (unsigned)stream->output.size);
    int n = uv_try_write((uv_stream_t *)&stream->pipe, &buffer, 1);

    if (n == UV_EAGAIN)
        n = 0;
    if (n < 0) {
        stream_end(stream, IPC_CLOSED_PEER);
        return;
    }
    if (n > 0)
        stream_touch(stream);
    if ((size_t)n < stream->output.size)
        output_queue(stream, (size_t)n);
    else
        stream->output.size = 0;
}

void output_write(struct ipc_stream *stream)
{
    if (stream->state == STREAM_CLOSING)
        return;
    if (stream->output.alloc > BUFFER_BIG)
        stream_schedule_shrink(stream);
    if (stream->writing_now) {
        if (output_over_limit(stream))
            stream_end(stream, IPC_CLOSED_SLOW);
        return;
    }
    if (stream->output.size > 0)
        output_try(stream);
    if (stream->state == STREAM_DRAINING && !stream->writing_now)
        stream_end(stream, stream->reason);
}

msgpack_sbuffer *ipc_stream_output(struct ipc_stream *stream)
{
    if (stream->state == STREAM_CLOSING)
        stream->output.size = 0;
    return &stream->output;
}

size_t ipc_stream_queued(const struct ipc_stream *stream)
{
    if (stream->state == STREAM_CLOSING)
        return 0;
    return stream->output.size + uv_stream_get_write_queue_size((const uv_stream_t *)&stream->pipe);
}

void ipc_stream_flush(struct ipc_stream *stream)
{
    if (stream->dispatching)
        stream->flush_after_dispatch = true;
    else
        output_write(stream);
}

void output_shrink(struct ipc_stream *stream)
{
    if (stream->output.alloc <= BUFFER_BIG && stream->writing.alloc <= BUFFER_BIG)
        return;
    if (stream->output.size > 0 || stream->writing_now)
        stream_schedule_shrink(stream);
    else
        output_deinit(stream);
}

void output_deinit(struct ipc_stream *stream)
{
    msgpack_sbuffer_destroy(&stream->output);
    msgpack_sbuffer_destroy(&stream->writing);
    msgpack_sbuffer_init(&stream->output);
    msgpack_sbuffer_init(&stream->writing);
}

/*
 * A stream's life, and what happens to it with time.
 */
#include "stream_private.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <proto/limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <util/fd.h>
#include <util/macros.h>

#define WRITE_LIMIT_DEFAULT (8u * 1024 * 1024)
#define DRAIN_MS_DEFAULT 5000u
#define SHRINK_MS 1000u
/* A chunk of the zone: what a usual message needs, so that parsing it allocates nothing. */
#define ZONE_CHUNK 4096u

const char *ipc_close_reason_text(enum ipc_close_reason reason)
{
    switch (reason) {
    case IPC_CLOSED_LOCAL:
        return "closed here";
    case IPC_CLOSED_PEER:
        return "the peer closed";
    case IPC_CLOSED_TRUNCATED:
        return "the peer closed in the middle of a message";
    case IPC_CLOSED_PROTOCOL:
        return "the peer sent what is no message";
    case IPC_CLOSED_SLOW:
        return "the peer does not read what it is sent";
    case IPC_CLOSED_IDLE:
        return "idle for too long";
    case IPC_CLOSED_ERROR:
        break;
    }
    return "an error of the socket, or no memory";
}

static void stream_free(struct ipc_stream *stream)
{
    input_deinit(stream);
    output_deinit(stream);
    msgpack_zone_destroy(&stream->zone);
    free(stream);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct ipc_stream *stream = handle->data;

    if (--stream->handles > 0)
        return;
    if (!stream->stillborn)
        stream->callbacks.on_closed(stream, stream->reason, stream->userdata);
    stream_free(stream);
}

void stream_end(struct ipc_stream *stream, enum ipc_close_reason reason)
{
    if (stream->state == STREAM_CLOSING)
        return;
    if (stream->state == STREAM_OPEN)
        stream->reason = reason;
    stream->state = STREAM_CLOSING;
    uv_close((uv_handle_t *)&stream->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&stream->deferred, on_handle_closed);
    uv_close((uv_handle_t *)&stream->timer, on_handle_closed);
}

void stream_begin_drain(struct ipc_stream *stream, enum ipc_close_reason reason)
{
    if (stream->state != STREAM_OPEN)
        return;
    stream->state = STREAM_DRAINING;
    stream->reason = reason;
    stream->drain_deadline = uv_now(stream->timer.loop) + stream->options.drain_ms;
    input_update(stream);
    stream_schedule(stream);
    ipc_stream_flush(stream);
}

void stream_touch(struct ipc_stream *stream)
{
    stream->activity = uv_now(stream->timer.loop);
}

/* After `idle_ms` without a byte. One that is paused owes its peer something; one whose queue has
 * not moved has a peer that does not read. */
static void stream_idle(struct ipc_stream *stream)
{
    size_t queued = ipc_stream_queued(stream);
    bool stuck = queued > 0 && queued == stream->queued_when_idle;

    stream->queued_when_idle = queued;
    stream_touch(stream);
    if (stuck)
        stream_end(stream, IPC_CLOSED_SLOW);
    else if (queued == 0 && !stream->paused &&
             (stream->callbacks.on_idle == NULL ||
              stream->callbacks.on_idle(stream, stream->userdata)))
        stream_end(stream, IPC_CLOSED_IDLE);
}

static void on_timer(uv_timer_t *timer)
{
    struct ipc_stream *stream = timer->data;
    uint64_t now = uv_now(timer->loop);

    stream->shrink_scheduled = false;
    input_shrink(stream);
    output_shrink(stream);
    if (stream->state == STREAM_DRAINING) {
        if (now >= stream->drain_deadline)
            stream_end(stream, stream->reason);
    } else if (stream->options.idle_ms > 0 && now - stream->activity >= stream->options.idle_ms) {
        stream_idle(stream);
    }
    stream_schedule(stream);
}

/* The timer is not moved with each byte: it looks, when it fires, at how long ago the last one was.
 */
void stream_schedule(struct ipc_stream *stream)
{
    uint64_t now = uv_now(stream->timer.loop), due = UINT64_MAX;

    if (stream->state == STREAM_CLOSING)
        return;
    if (stream->state == STREAM_DRAINING)
        due = stream->drain_deadline;
    else if (stream->options.idle_ms > 0)
        due = stream->activity + stream->options.idle_ms;
    if (stream->shrink_scheduled && due > now + SHRINK_MS)
        due = now + SHRINK_MS;
    if (due == UINT64_MAX)
        uv_timer_stop(&stream->timer);
    else
        uv_timer_start(&stream->timer, on_timer, due > now ? due - now : 1, 0);
}

void stream_schedule_shrink(struct ipc_stream *stream)
{
    if (stream->shrink_scheduled)
        return;
    stream->shrink_scheduled = true;
    stream_schedule(stream);
}

static void on_deferred(uv_idle_t *idle)
{
    struct ipc_stream *stream = idle->data;

    uv_idle_stop(idle);
    if (stream->dispatch_soon) {
        stream->dispatch_soon = false;
        input_dispatch(stream);
    }
    if (stream->flush_soon) {
        stream->flush_soon = false;
        output_write(stream);
    }
}

/* The idle phase comes before the loop waits again, and a stopped idle handle does not keep it from
 * waiting. */
static void stream_defer(struct ipc_stream *stream)
{
    uv_idle_start(&stream->deferred, on_deferred);
}

void ipc_stream_flush_soon(struct ipc_stream *stream)
{
    if (stream->state == STREAM_CLOSING || stream->flush_soon)
        return;
    stream->flush_soon = true;
    stream_defer(stream);
}

void ipc_stream_pause(struct ipc_stream *stream)
{
    stream->paused = true;
    input_update(stream);
}

void ipc_stream_resume(struct ipc_stream *stream)
{
    if (!stream->paused)
        return;
    stream->paused = false;
    /* The dispatch that is under way goes on by itself, and starts reading again. */
    if (stream->dispatching || stream->state != STREAM_OPEN)
        return;
    stream->dispatch_soon = true;
    stream_defer(stream);
}

void ipc_stream_drain(struct ipc_stream *stream)
{
    stream_begin_drain(stream, IPC_CLOSED_LOCAL);
}

void ipc_stream_close(struct ipc_stream *stream)
{
    stream_end(stream, IPC_CLOSED_LOCAL);
}

bool ipc_stream_is_open(const struct ipc_stream *stream)
{
    return stream->state == STREAM_OPEN;
}

const struct ipc_peer *ipc_stream_peer(const struct ipc_stream *stream)
{
    return &stream->peer;
}

void *ipc_stream_userdata(const struct ipc_stream *stream)
{
    return stream->userdata;
}

/* The kernel keeps the peer's groups as of connect(); asking the user database instead would take
 * time, and answer for another moment. */
int ipc_stream_peer_in_group(const struct ipc_stream *stream, gid_t gid)
{
    CLEANUP(cleanup_free) gid_t *groups = NULL;
    socklen_t size = 0;
    uv_os_fd_t fd;

    if (stream->peer.gid == gid)
        return 1;
    if (uv_fileno((const uv_handle_t *)&stream->pipe, &fd) < 0)
        return -ENOTCONN;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0)
        return 0;
    if (errno != ERANGE)
        return -errno;
    groups = malloc(size);
    if (groups == NULL)
        return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
        return -errno;
    for (size_t i = 0; i < size / sizeof(gid_t); i++)
        if (groups[i] == gid)
            return 1;
    return 0;
}

bool ipc_stream_peer_has_left(const struct ipc_stream *stream)
{
    struct pollfd look = {.events = 0}; /* POLLHUP comes unasked, and not for half a close */
    uv_os_fd_t fd;

    if (uv_fileno((const uv_handle_t *)&stream->pipe, &fd) < 0)
        return true;
    look.fd = fd;
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

static void stream_set_options(struct ipc_stream *stream, const struct ipc_stream_options *options)
{
    if (options != NULL)
        stream->options = *options;
    if (stream->options.message_size == 0)
        stream->options.message_size = PROTO_MESSAGE_SIZE_DEFAULT;
    if (stream->options.write_limit == 0)
        stream->options.write_limit = WRITE_LIMIT_DEFAULT;
    if (stream->options.drain_ms == 0)
        stream->options.drain_ms = DRAIN_MS_DEFAULT;
}

/* From here on the handles are the loop's, and the memory goes with the last of them. */
static void stream_init_handles(struct ipc_stream *stream, uv_loop_t *loop)
{
    int r;

    /* None of these can fail on Unix. */
    r = uv_pipe_init(loop, &stream->pipe, 0);
    assert(r == 0);
    r = uv_idle_init(loop, &stream->deferred);
    assert(r == 0);
    r = uv_timer_init(loop, &stream->timer);
    assert(r == 0);
    (void)r;
    stream->pipe.data = stream->deferred.data = stream->timer.data = stream;
    stream->handles = 3;
}

int ipc_stream_new(uv_loop_t *loop, int fd, const struct ipc_stream_options *options,
                   const struct ipc_stream_callbacks *callbacks, void *userdata,
                   struct ipc_stream **ret_stream)
{
    struct ipc_stream *stream = calloc(1, sizeof(*stream));
    int r;

    if (stream == NULL)
        return -ENOMEM;
    r = fd_peer_credentials(fd, &stream->peer.uid, &stream->peer.gid, &stream->peer.pid);
    if (r == 0 && !msgpack_zone_init(&stream->zone, ZONE_CHUNK))
        r = -ENOMEM;
    if (r < 0) {
        free(stream);
        return r;
    }
    stream_set_options(stream, options);
    stream->callbacks = *callbacks;
    stream->userdata = userdata;
    frame_scanner_init(&stream->scanner, stream->options.message_size);
    msgpack_sbuffer_init(&stream->output);
    msgpack_sbuffer_init(&stream->writing);
    stream_init_handles(stream, loop);
    r = uv_pipe_open(&stream->pipe, fd);
    if (r < 0) { /* libuv's errors are negative errnos; it leaves the descriptor alone */
        stream->stillborn = true;
        stream_end(stream, IPC_CLOSED_ERROR);
        return r;
    }
    stream_touch(stream);
    stream_schedule(stream);
    input_update(stream);
    *ret_stream = stream;
    return 0;
}

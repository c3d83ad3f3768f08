/* The engine's life and its turns: see engine.h. */
#include "engine.h"
#include "stream.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

static void engine_free(struct creditd *c)
{
    stream_drop(c);
    msgpack_sbuffer_destroy(&c->output);
    msgpack_sbuffer_destroy(&c->scratch);
    map_deinit(&c->params);
    map_deinit(&c->metadata);
    msgpack_zone_destroy(&c->zone);
    msgpack_zone_destroy(&c->last_zone);
    free(c->last_frame);
    free(c->input);
    free(c);
}

int engine_open(struct creditd **ret_connection, const char *path, unsigned flags,
                const struct client_io *io, void *context)
{
    struct creditd *c;
    int r;

    if (flags & ~CREDITD_NO_WAIT)
        return -EINVAL;
    c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    r = client_path(path, c->path, sizeof c->path);
    /* The zones allocate nothing until they are used. */
    if (r == 0 && (!msgpack_zone_init(&c->zone, MSGPACK_ZONE_CHUNK_SIZE) ||
                   !msgpack_zone_init(&c->last_zone, MSGPACK_ZONE_CHUNK_SIZE)))
        r = -ENOMEM;
    if (r < 0) {
        engine_free(c);
        return r;
    }
    c->io = io;
    c->context = context;
    c->seeks_path = path == NULL;
    c->flags = flags;
    c->timeout = CREDITD_TIMEOUT_DEFAULT;
    c->process = io->process(context);
    c->fd = -1;
    c->next_deadline = NEVER;
    TAILQ_INIT(&c->calls);
    TAILQ_INIT(&c->ended);
    TAILQ_INIT(&c->stamped);
    send_reset(c);
    receive_reset(c);
    reply_init(&c->last, 0);
    *ret_connection = c;
    return 0;
}

int creditd_open(struct creditd **ret_connection, const char *path, unsigned flags)
{
    return engine_open(ret_connection, path, flags, &client_io_system, NULL);
}

static void forget_calls(struct call_list *list)
{
    struct call *call;

    while ((call = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, call, all);
        free(call);
    }
}

void engine_check_process(struct creditd *c)
{
    long process = c->io->process(c->context);

    if (process == c->process)
        return;
    c->process = process;
    link_close(c); /* our copy: the parent's stays open */
    stream_drop(c);
    forget_calls(&c->calls);
    forget_calls(&c->ended);
    TAILQ_INIT(&c->stamped);
    c->unsent = NULL;
    c->count = 0;
    c->next_deadline = NEVER;
    c->delay = 0;
    c->retry_at = 0;
    c->stalled_until = 0;
    stamp_retire(&c->stamps);
    send_reset(c);
    receive_reset(c);
}

/* Takes the call off everything but the heap. A slot that it had stays taken: the daemon may still
 * be at it. */
static void unlink_call(struct creditd *c, struct call *call)
{
    if (c->unsent == call)
        c->unsent = TAILQ_NEXT(call, all);
    if (call->is_listed)
        TAILQ_REMOVE(&c->stamped, call, stamped);
    call->is_listed = false;
    if (call->slot >= 0)
        c->slots[call->slot].call = NULL;
    TAILQ_REMOVE(&c->calls, call, all);
}

void engine_end(struct creditd *c, struct call *call, int status)
{
    /* What is in the output will be read by the daemon, unless the connection ends first. */
    call->left = call->left || call->slot >= 0;
    unlink_call(c, call);
    call->status = status;
    TAILQ_INSERT_TAIL(&c->ended, call, all);
}

static void describe_end(struct creditd *c, const struct call *call, struct creditd_reply *reply)
{
    reply_init(reply, call->status);
    reply->in_doubt = call->left;
    reply->has_stamp = call->has_stamp;
    reply->stamp = call->stamp;
    if (call->status == -ENOTCONN)
        reply_printf(reply, "no daemon listens at %s (%s)", c->path,
                     c->trouble[0] ? c->trouble : "not tried yet");
    else if (call->status == -ECONNRESET)
        reply_printf(reply, "the connection to %s was lost before the answer came (%s)", c->path,
                     c->trouble);
    else if (call->status == -ETIMEDOUT && !call->left)
        reply_printf(reply, "the daemon was too busy to take the call in time");
}

void engine_run_ended(struct creditd *c)
{
    struct creditd_reply reply;
    struct call *call;

    while ((call = TAILQ_FIRST(&c->ended))) {
        TAILQ_REMOVE(&c->ended, call, all);
        c->count--;
        if (call->left && call->has_stamp)
            stamp_in_doubt(&c->stamps, &call->stamp);
        describe_end(c, call, &reply);
        if (call->callback)
            call->callback(c, &reply, call->data);
        free(call);
    }
}

static void end_all(struct creditd *c)
{
    struct call *call;

    while ((call = TAILQ_FIRST(&c->calls))) {
        /* Nothing is written any more: only what has gone out whole may be executed. */
        if (call->slot >= 0 && call->end > c->written) {
            c->slots[call->slot].call = NULL;
            call->slot = -1;
        }
        engine_end(c, call, -ECANCELED);
    }
}

void engine_leave(struct creditd *c)
{
    if (c->is_closed && !c->is_dispatching && !c->is_blocking)
        engine_free(c);
}

struct creditd *creditd_close(struct creditd *c)
{
    if (!c || c->is_closed)
        return NULL;
    engine_check_process(c);
    c->is_closed = true;
    end_all(c);
    link_close(c);
    c->changed = NULL;
    if (!c->is_dispatching) {
        c->is_dispatching = true;
        engine_run_ended(c);
        c->is_dispatching = false;
    }
    engine_leave(c);
    return NULL;
}

static void expire_calls(struct creditd *c)
{
    uint64_t now = c->io->clock(c->context), next = NEVER;
    struct call *call = TAILQ_FIRST(&c->calls), *following;

    if (now < c->next_deadline)
        return;
    for (; call; call = following) {
        following = TAILQ_NEXT(call, all);
        if (call->deadline <= now)
            engine_end(c, call, c->fd < 0 && !call->left ? -ENOTCONN : -ETIMEDOUT);
        else if (call->deadline < next)
            next = call->deadline;
    }
    c->next_deadline = next;
}

int creditd_dispatch(struct creditd *c, short events)
{
    if (c->is_dispatching)
        return -EDEADLK;
    engine_check_process(c);
    c->is_dispatching = true;
    if (c->fd >= 0 && (events & (POLLIN | POLLHUP | POLLERR)))
        receive_answers(c);
    if (!c->is_closed)
        expire_calls(c);
    if (!c->is_closed)
        stream_turn(c);
    if (!c->is_closed)
        link_connect(c);
    if (!c->is_closed)
        send_calls(c);
    engine_run_ended(c);
    c->is_dispatching = false;
    engine_leave(c);
    return 0;
}

int creditd_fd(const struct creditd *c)
{
    return c->process == c->io->process(c->context) ? c->fd : -1;
}

short creditd_wanted(const struct creditd *c)
{
    if (creditd_fd(c) < 0)
        return 0;
    return (short)(POLLIN | (send_is_wanted(c) ? POLLOUT : 0));
}

int creditd_timeout(const struct creditd *c)
{
    uint64_t now = c->io->clock(c->context), next = c->next_deadline;
    bool has_calls = !TAILQ_EMPTY(&c->calls);

    if (!TAILQ_EMPTY(&c->ended))
        return 0;
    if (c->process != c->io->process(c->context))
        return -1;
    if (!has_calls)
        next = NEVER;
    if (has_calls && c->fd < 0 && c->retry_at < next)
        next = c->retry_at;
    if (has_calls && c->fd >= 0 && c->stalled_until > now && c->stalled_until < next)
        next = c->stalled_until;
    if (stream_due(c) < next)
        next = stream_due(c);
    if (next == NEVER)
        return -1;
    if (next <= now)
        return 0;
    return next - now > INT_MAX ? INT_MAX : (int)(next - now);
}

const char *creditd_path(const struct creditd *c)
{
    return c->path;
}

void creditd_set_timeout(struct creditd *c, uint32_t timeout)
{
    c->timeout = timeout > 0 ? timeout : CREDITD_TIMEOUT_DEFAULT;
}

size_t creditd_pending(const struct creditd *c)
{
    return c->count + stream_is_open(c);
}

const char *creditd_version(void)
{
    return CREDITD_VERSION;
}

void creditd_on_change(struct creditd *c, void (*changed)(struct creditd *connection, void *data),
                       void *data)
{
    c->changed = changed;
    c->changed_data = data;
}

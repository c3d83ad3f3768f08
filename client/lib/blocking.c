/*
 * Waiting for one call, with the connection's own poll. The reply is copied into the connection,
 * since the application reads it after the engine has gone on.
 */
#include "engine.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

int creditd_wait(struct creditd *c, int timeout)
{
    int own, events;

    if (c->is_dispatching)
        return -EDEADLK;
    engine_check_process(c);
    own = creditd_timeout(c);
    if (own >= 0 && (timeout < 0 || own < timeout))
        timeout = own;
    events = c->io->wait(c->context, c->fd, creditd_wanted(c), timeout);
    if (events < 0)
        return events;
    return creditd_dispatch(c, (short)events);
}

const struct creditd_reply *creditd_last(const struct creditd *c)
{
    return &c->last;
}

int blocking_begin(struct creditd *c)
{
    if (c->is_dispatching || c->is_blocking)
        return -EDEADLK;
    engine_check_process(c);
    reply_init(&c->last, 0);
    c->refusal[0] = '\0';
    c->is_done = false;
    return 0;
}

/* The frame again, in memory of our own: what was parsed once parses again, unless there is no
 * memory. */
static int copy_answer(struct creditd *c, const struct creditd_reply *reply)
{
    struct message message = {0};
    const char *reason;
    uint8_t *frame;
    int has_msgid, r;

    frame = realloc(c->last_frame, reply->length);
    if (!frame)
        return -ENOMEM;
    c->last_frame = frame;
    memcpy(frame, reply->frame, reply->length);
    msgpack_zone_clear(&c->last_zone);
    r = message_parse(&c->last_zone, frame, reply->length, &message, &has_msgid, &reason);
    if (r < 0)
        return r == -ENOMEM ? r : -EPROTO;
    c->last.frame = frame;
    reply_set_answer(&c->last, &message);
    return 0;
}

void blocking_done(struct creditd *c, const struct creditd_reply *reply, void *data)
{
    const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
    int r;

    (void)data;
    c->is_done = true;
    c->last = *reply;
    c->last.data = nil;
    c->last.result = nil;
    if (!reply->frame)
        return;
    r = copy_answer(c, reply);
    if (r < 0) {
        reply_init(&c->last, r);
        c->last.in_doubt = true;
        c->last.has_stamp = reply->has_stamp;
        c->last.stamp = reply->stamp;
    }
}

/* The wait has failed. The call must not outlive it: the application asks again with its stamp, and
 * a late answer would be taken for the next call's. */
static void end_unfinished(struct creditd *c, int error)
{
    struct call *call;

    TAILQ_FOREACH(call, &c->calls, all)
    if (call->callback == blocking_done)
        break;
    if (!call) { /* this is a child that was forked by a callback: the call is the parent's */
        reply_init(&c->last, error);
        c->last.in_doubt = true;
        return;
    }
    engine_end(c, call, error);
    c->is_dispatching = true;
    engine_run_ended(c);
    c->is_dispatching = false;
}

int blocking_finish(struct creditd *c, int submitted)
{
    int r = submitted;

    if (r < 0) {
        reply_init(&c->last, r);
        memcpy(c->last.message, c->refusal, sizeof c->refusal);
        return r;
    }
    c->is_blocking = true;
    r = creditd_dispatch(c, 0);
    /* An interrupted wait goes on: the deadline bounds it, and a half-made purchase helps nobody.
     */
    while (!c->is_done && (r == 0 || r == -EINTR))
        r = creditd_wait(c, -1);
    if (!c->is_done)
        end_unfinished(c, r);
    c->is_blocking = false;
    r = c->is_closed ? -ECANCELED : c->last.status;
    engine_leave(c);
    return r;
}

static const struct creditd_call_options no_options;

int creditd_call_async(struct creditd *c, const char *method, const struct creditd_map *params,
                       const struct creditd_call_options *options, creditd_callback callback,
                       void *data)
{
    engine_check_process(c);
    return call_submit(c, method, params, options ? options : &no_options, callback, data);
}

int creditd_call(struct creditd *c, const char *method, const struct creditd_map *params,
                 const struct creditd_call_options *options)
{
    int r = blocking_begin(c);

    if (r < 0)
        return r;
    return blocking_finish(c, creditd_call_async(c, method, params, options, blocking_done, NULL));
}

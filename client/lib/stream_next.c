/*
 * Events for those who fetch them: a queue between the dispatching and creditd_event_next. It is
 * bounded; what does not fit is not taken, and comes again when the queue has been read.
 */
#include "object.h"
#include "stream.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static struct stream_item *item_free(struct stream_item *item)
{
    if (item)
        owner_free(item->owner);
    free(item);
    return NULL;
}

static void append(struct stream *s, struct stream_item *item)
{
    STAILQ_INSERT_TAIL(&s->queue, item, link);
    s->queue_count++;
    s->queue_bytes += item->length;
}

static struct stream_item *take(struct stream *s)
{
    struct stream_item *item = STAILQ_FIRST(&s->queue);

    if (!item)
        return NULL;
    STAILQ_REMOVE_HEAD(&s->queue, link);
    s->queue_count--;
    s->queue_bytes -= item->length;
    return item;
}

int stream_push(struct stream *s, const uint8_t *frame, size_t length)
{
    struct creditd_reply whole = {.frame = frame, .length = length};
    struct message message = {0};
    struct stream_item *item;

    if (s->queue_count >= STREAM_QUEUE_MAX ||
        (s->queue_count > 0 && s->queue_bytes + length > STREAM_QUEUE_BYTES))
        return -ENOBUFS;
    item = calloc(1, sizeof *item);
    if (!item || owner_new(&whole, &item->owner, &message) < 0) {
        item_free(item);
        return -ENOMEM;
    }
    item->envelope = message.params;
    item->length = length;
    append(s, item);
    return 0;
}

int stream_push_gap(struct stream *s, int64_t after, int64_t last)
{
    struct stream_item *item = calloc(1, sizeof *item);

    if (!item)
        return -ENOMEM;
    item->after = after;
    item->last = last;
    append(s, item);
    return 0;
}

void stream_clear_queue(struct stream *s)
{
    struct stream_item *item;

    while ((item = take(s)))
        item_free(item);
    s->current = item_free(s->current);
}

/* The application has come back for more: it is done with the last one. */
static void let_go(struct creditd *c, struct stream *s)
{
    s->current = item_free(s->current);
    if (s->given > 0)
        stream_dealt(c, s, s->given);
    s->given = 0;
}

/* What did not fit comes again. */
static void ask_for_the_rest(struct stream *s)
{
    if (s->queue_count == 0 && s->state == STREAM_WAITING && s->retry_at == NEVER && !s->is_paused)
        stream_wait(s, 0);
}

static int give_gap(struct creditd *c, const struct stream_item *item)
{
    reply_init(&c->last, CREDITD_GAP);
    if (item->last < item->after)
        reply_printf(&c->last, "there are no events after %lld yet", (long long)item->last);
    else
        reply_printf(&c->last, "the events up to %lld are no longer kept", (long long)item->last);
    return CREDITD_GAP;
}

static int give_next(struct creditd *c, struct stream *s, struct creditd_event *ret_event)
{
    struct stream_item *item = take(s);
    int r;

    ask_for_the_rest(s);
    if (!item->owner) {
        r = give_gap(c, item);
        item_free(item);
        return r;
    }
    s->current = item;
    r = event_open(&item->envelope, ret_event); /* as when it was taken */
    if (r == 0)
        s->given = ret_event->sequence;
    return r;
}

static int over(struct creditd *c, const struct stream *s)
{
    reply_init(&c->last, s->status);
    reply_printf(&c->last, "%s", s->message);
    return s->status;
}

static bool is_waited_for(const struct creditd *c, uint64_t number)
{
    return stream_is(c, number) && STAILQ_EMPTY(&c->stream->queue) &&
           c->stream->state != STREAM_OVER;
}

/* Until there is something to be given, the stream has ended, or the time is over. */
static int wait_for_one(struct creditd *c, int timeout)
{
    uint64_t number = c->stream_number, start = c->io->clock(c->context), passed = 0;

    while (is_waited_for(c, number)) {
        int r = creditd_wait(c, timeout < 0 ? -1 : timeout - (int)passed);

        if (r < 0)
            return r;
        passed = c->io->clock(c->context) - start;
        if (timeout >= 0 && passed >= (uint64_t)timeout && is_waited_for(c, number))
            return -ETIMEDOUT;
    }
    return stream_is(c, number) ? 0 : -ECANCELED; /* by a callback of another call */
}

int creditd_event_next(struct creditd *c, struct creditd_event *ret_event, int timeout)
{
    int r = blocking_begin(c);

    if (r < 0)
        return r;
    if (!c->stream || !c->stream->pulls)
        return -EINVAL;
    let_go(c, c->stream);
    c->is_blocking = true;
    r = STAILQ_EMPTY(&c->stream->queue) ? wait_for_one(c, timeout) : 0;
    if (r == 0 && !STAILQ_EMPTY(&c->stream->queue))
        r = give_next(c, c->stream, ret_event);
    else if (r == 0)
        r = over(c, c->stream);
    else
        reply_init(&c->last, r);
    c->is_blocking = false;
    engine_leave(c);
    return r;
}

/* The life of a subscription: see stream.h. */
#include "stream.h"
#include "value.h"
#include <errno.h>
#include <proto/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_hooks(const struct creditd_hooks *hooks)
{
    return hooks->on_customer_created || hooks->on_subscription_created ||
           hooks->on_subscription_canceled || hooks->on_credits_low || hooks->on_event;
}

/* The types that were asked for, or those that there are hooks for. */
static int put_filters(struct creditd_map *filters, const struct creditd_subscribe_request *request)
{
    const struct creditd_hooks *hooks = &request->hooks;
    const char *types[5];
    size_t count = 0;

    if (request->types)
        return event_put_types(filters, request->types);
    if (hooks->on_event || !has_hooks(hooks))
        return 0;
    if (hooks->on_customer_created)
        types[count++] = "customer.created";
    if (hooks->on_subscription_created)
        types[count++] = "subscription.created";
    if (hooks->on_subscription_canceled)
        types[count++] = "subscription.canceled";
    if (hooks->on_credits_low)
        types[count++] = "credits.low";
    types[count] = NULL;
    return event_put_types(filters, types);
}

static struct stream *stream_free(struct stream *s)
{
    if (!s)
        return NULL;
    stream_clear_queue(s);
    map_deinit(&s->filters);
    free(s);
    return NULL;
}

static int stream_new(const struct creditd_subscribe_request *request, struct stream **ret_stream)
{
    struct stream *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return -ENOMEM;
    s->state = STREAM_WAITING;
    s->hooks = request->hooks;
    s->data = request->data;
    s->pulls = !has_hooks(&request->hooks);
    s->acks = request->subscriber && !request->no_ack;
    s->wants_oldest = request->from == CREDITD_FROM_OLDEST;
    s->place = -1;
    if (request->from != CREDITD_FROM_PLACE)
        s->place = s->wants_oldest ? 0 : request->after;
    STAILQ_INIT(&s->queue);
    map_init(&s->filters);
    if (request->subscriber)
        memcpy(s->subscriber, request->subscriber, strlen(request->subscriber) + 1);
    r = put_filters(&s->filters, request);
    if (r < 0) {
        stream_free(s);
        return r;
    }
    *ret_stream = s;
    return 0;
}

static int check_request(const struct creditd_subscribe_request *request)
{
    const char *name = request->subscriber;

    if (name && !proto_id_valid(name, strlen(name)))
        return -EINVAL;
    if (request->from > CREDITD_FROM_OLDEST || request->after < 0 ||
        request->after > PROTO_AMOUNT_MAX)
        return -EINVAL;
    return 0;
}

int creditd_subscribe(struct creditd *c, const struct creditd_subscribe_request *request)
{
    struct stream *s;
    int r = check_request(request);

    engine_check_process(c);
    if (r < 0)
        return r;
    if (c->is_closed)
        return -ECANCELED;
    if (stream_is_open(c))
        return -EBUSY;
    r = stream_new(request, &s);
    if (r < 0)
        return r;
    stream_drop(c);
    c->stream = s;
    if (c->changed && !c->is_dispatching)
        c->changed(c, c->changed_data);
    return 0;
}

void creditd_unsubscribe(struct creditd *c)
{
    engine_check_process(c);
    /* Nobody tells the daemon: there is no such call, and what it still sends costs less than a
     * connection. It ends with the connection. */
    if (stream_is_open(c))
        stream_ack_last(c, c->stream);
    stream_drop(c);
    if (c->changed && !c->is_dispatching)
        c->changed(c, c->changed_data);
}

bool stream_is(const struct creditd *c, uint64_t number)
{
    return c->stream && !c->is_closed && c->stream_number == number;
}

bool stream_is_open(const struct creditd *c)
{
    return c->stream && c->stream->state != STREAM_OVER;
}

void stream_drop(struct creditd *c)
{
    c->stream = stream_free(c->stream);
    c->stream_number++;
}

void stream_wait(struct stream *s, uint64_t when)
{
    s->state = STREAM_WAITING;
    s->retry_at = when;
}

void stream_back_off(struct creditd *c, struct stream *s)
{
    s->delay = s->delay == 0 ? STREAM_DELAY_MIN : s->delay * 2;
    if (s->delay > STREAM_DELAY_MAX)
        s->delay = STREAM_DELAY_MAX;
    stream_wait(s, c->io->clock(c->context) + s->delay);
}

void stream_tell(struct creditd *c, const struct creditd_stream *change)
{
    if (c->stream->hooks.on_stream)
        c->stream->hooks.on_stream(c, change, c->stream->data);
}

void stream_end(struct creditd *c, int status, const char *message)
{
    struct stream *s = c->stream;
    struct creditd_stream change = {
        .change = CREDITD_STREAM_ENDED, .after = -1, .last = -1, .status = status};

    s->state = STREAM_OVER;
    s->status = status;
    snprintf(s->message, sizeof s->message, "%s", message);
    change.message = message; /* the stream, and its copy, may go */
    stream_tell(c, &change);
}

/* What is between `place` and `last` is gone. */
static int tell_gap(struct creditd *c, struct stream *s, int64_t last)
{
    struct creditd_stream change = {
        .change = CREDITD_STREAM_GAP, .after = s->place, .last = last, .message = ""};

    if (s->pulls && stream_push_gap(s, s->place, last) < 0)
        return -ENOMEM;
    s->place = last;
    stream_tell(c, &change);
    return 0;
}

static void begun(struct creditd *c, struct stream *s, const struct creditd_value *result)
{
    struct creditd_stream change = {.change = CREDITD_STREAM_BEGUN, .message = ""};

    change.after = creditd_value_int(creditd_value_get(result, "after"), -1);
    change.last = creditd_value_int(creditd_value_get(result, "last"), -1);
    if (change.after < 0 || change.last < 0) {
        stream_end(c, -EPROTO, "the daemon's answer does not say where the events begin");
        return;
    }
    s->place = change.after;
    s->wants_oldest = false;
    if (change.last < change.after) { /* those numbers will be given out again */
        stream_wait(s, 0);
        if (tell_gap(c, s, change.last) < 0)
            stream_back_off(c, s);
        return;
    }
    s->state = STREAM_LIVE;
    stream_ack(c, s);
    stream_tell(c, &change);
}

/* Events are gone: goes on behind them. */
static void skip_gap(struct creditd *c, struct stream *s, const struct creditd_reply *reply)
{
    const struct creditd_value *data = creditd_reply_data(reply);
    int64_t oldest = creditd_value_int(creditd_value_get(data, "oldest"), 0);

    if (oldest < 1 || oldest - 1 <= s->place) {
        stream_end(c, -EPROTO, "events are gone, and the daemon does not say which");
        return;
    }
    stream_wait(s, 0);
    if (s->wants_oldest)
        s->place = oldest - 1;
    else if (tell_gap(c, s, oldest - 1) < 0)
        stream_back_off(c, s);
}

static void on_subscribed(struct creditd *c, const struct creditd_reply *reply, void *data)
{
    struct stream *s = c->stream;
    int status = creditd_reply_status(reply);

    if (!stream_is(c, (uint64_t)(uintptr_t)data) || s->state != STREAM_ASKING)
        return;
    if (status == 0)
        begun(c, s, creditd_reply_result(reply));
    else if (status == CREDITD_GAP)
        skip_gap(c, s, reply);
    else if (status == -ENOMEM || (status > 0 && creditd_code_is_retryable(status)))
        stream_back_off(c, s);
    else
        stream_end(c, status, creditd_reply_message(reply));
}

static void ask(struct creditd *c, struct stream *s)
{
    const struct creditd_call_options options = {.timeout = CREDITD_FOREVER,
                                                 .repeat = CREDITD_REPEAT_SAFE};
    void *number = (void *)(uintptr_t)c->stream_number;

    map_reset(&c->params);
    map_put_members(&c->params, &s->filters);
    if (s->place >= 0)
        creditd_map_int(&c->params, "after", s->place);
    if (s->subscriber[0])
        creditd_map_text(&c->params, "subscriber", s->subscriber);
    if (call_submit(c, "event.subscribe", &c->params, &options, on_subscribed, number) < 0)
        stream_back_off(c, s);
    else
        s->state = STREAM_ASKING;
}

void stream_lost(struct creditd *c)
{
    struct stream *s = c->stream;

    if (!stream_is_open(c))
        return;
    /* An unanswered event.subscribe is sent again by itself. */
    if (s->state == STREAM_LIVE) {
        s->was_cut = true;
        stream_wait(s, s->is_paused ? NEVER : 0);
    }
}

static void tell_cut(struct creditd *c, struct stream *s)
{
    struct creditd_stream change = {.change = CREDITD_STREAM_CUT, .after = -1, .last = -1};

    s->was_cut = false;
    change.status = -ECONNRESET;
    change.message = c->trouble;
    stream_tell(c, &change);
}

void stream_turn(struct creditd *c)
{
    uint64_t number = c->stream_number;

    if (stream_is_open(c) && c->stream->was_cut)
        tell_cut(c, c->stream);
    if (stream_is(c, number) && c->stream->state == STREAM_WAITING &&
        c->io->clock(c->context) >= c->stream->retry_at)
        ask(c, c->stream);
}

uint64_t stream_due(const struct creditd *c)
{
    const struct stream *s = c->stream;

    if (!stream_is_open(c))
        return NEVER;
    if (s->was_cut)
        return 0;
    return s->state == STREAM_WAITING ? s->retry_at : NEVER;
}

void creditd_pause(struct creditd *c)
{
    engine_check_process(c);
    if (c->stream)
        c->stream->is_paused = true;
}

void creditd_resume(struct creditd *c)
{
    struct stream *s;

    engine_check_process(c);
    s = c->stream;
    if (!s || !s->is_paused)
        return;
    s->is_paused = false;
    if (s->state == STREAM_WAITING) {
        s->delay = 0;
        s->retry_at = 0;
    }
    if (c->changed && !c->is_dispatching)
        c->changed(c, c->changed_data);
}

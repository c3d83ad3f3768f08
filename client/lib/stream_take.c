/* An event has come: to the hooks, or into the queue. See stream.h. */
#include "stream.h"
#include <errno.h>
#include <proto/events.h>
#include <string.h>

static creditd_hook hook_for(const struct creditd_hooks *hooks, const char *type)
{
    if (strcmp(type, "customer.created") == 0)
        return hooks->on_customer_created;
    if (strcmp(type, "subscription.created") == 0)
        return hooks->on_subscription_created;
    if (strcmp(type, "subscription.canceled") == 0)
        return hooks->on_subscription_canceled;
    return strcmp(type, "credits.low") == 0 ? hooks->on_credits_low : NULL;
}

/* Whether the hooks have dealt with it. The stream may be gone then. */
static bool run_hooks(struct creditd *c, const struct creditd_event *event)
{
    const struct stream *s = c->stream;
    creditd_hook own = hook_for(&s->hooks, event->type), all = s->hooks.on_event;
    uint64_t number = c->stream_number;
    void *data = s->data;

    if (own && own(c, event, data) != 0)
        return false;
    if (own && !stream_is(c, number))
        return true;
    return !all || all(c, event, data) == 0;
}

static void give(struct creditd *c, const struct creditd_event *event)
{
    uint64_t number = c->stream_number;
    int64_t sequence = event->sequence;
    bool is_dealt = run_hooks(c, event);
    struct stream *s = c->stream;

    if (!stream_is(c, number))
        return;
    if (!is_dealt) {
        stream_back_off(c, s);
        if (s->is_paused)
            stream_wait(s, NEVER);
        return;
    }
    s->delay = 0;
    s->place = sequence;
    stream_dealt(c, s, sequence);
}

static void queue(struct creditd *c, const uint8_t *frame, size_t length, int64_t sequence)
{
    struct stream *s = c->stream;
    int r = stream_push(s, frame, length);

    if (r == 0) {
        s->delay = 0;
        s->place = sequence;
    } else if (r == -ENOMEM) {
        stream_back_off(c, s);
    } else {
        stream_wait(s, NEVER); /* until the queue has been read */
    }
}

static bool is_event(const struct message *message)
{
    return message->method_length == strlen(PROTO_NOTIFY_EVENT) &&
           memcmp(message->method, PROTO_NOTIFY_EVENT, message->method_length) == 0;
}

void stream_take(struct creditd *c, const struct message *message, const uint8_t *frame,
                 size_t length)
{
    struct stream *s = c->stream;
    struct creditd_event event;

    if (!s || s->state != STREAM_LIVE || !is_event(message))
        return;
    if (event_open(&message->params, &event) < 0) {
        stream_end(c, -EPROTO, "the daemon has sent an event that is none");
        return;
    }
    c->has_progress = true;
    if (event.sequence <= s->place)
        return;
    if (s->is_paused)
        stream_wait(s, NEVER);
    else if (s->pulls)
        queue(c, frame, length, event.sequence);
    else
        give(c, &event);
}

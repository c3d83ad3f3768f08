/* Acknowledging: see stream.h. */
#include "stream.h"
#include <errno.h>
#include <string.h>

static void on_acked(struct creditd *c, const struct creditd_reply *reply, void *data)
{
    struct creditd_event_ack_result result;
    struct stream *s = c->stream;
    int r;

    if (!stream_is(c, (uint64_t)(uintptr_t)data))
        return;
    s->is_acking = false;
    r = creditd_read_event_ack(reply, &result);
    if (r == 0) {
        s->acked = result.sequence > s->acked ? result.sequence : s->acked;
        stream_ack(c, s);
    } else if (r != -ETIMEDOUT && r != -ENOMEM && !creditd_code_is_retryable(r)) {
        /* A place that cannot be kept must not look as if it were. */
        stream_end(c, r, creditd_reply_message(reply));
    }
    /* Else the next event, or the next beginning, tries again. */
}

static void send_ack(struct creditd *c, struct stream *s)
{
    struct creditd_event_ack_request request = {.subscriber = s->subscriber, .sequence = s->dealt};
    void *number = (void *)(uintptr_t)c->stream_number;

    if (!s->acks || creditd_event_ack_async(c, &request, on_acked, number) < 0)
        return;
    s->is_acking = true;
    s->asked = s->dealt;
}

void stream_ack(struct creditd *c, struct stream *s)
{
    if (!s->is_acking && s->dealt > s->acked)
        send_ack(c, s);
}

void stream_ack_last(struct creditd *c, struct stream *s)
{
    if (s->dealt > s->acked && (!s->is_acking || s->dealt > s->asked))
        send_ack(c, s);
}

void stream_dealt(struct creditd *c, struct stream *s, int64_t sequence)
{
    if (sequence > s->dealt)
        s->dealt = sequence;
    stream_ack(c, s);
}

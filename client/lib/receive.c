/* From the connection to the calls. What does not belong there ends the connection, never the
 * process. */
#include "engine.h"
#include "stream.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MIN (16u * 1024)
#define READS_MAX 16 /* in one turn: others of the application's loop want one too */

void receive_reset(struct creditd *c)
{
    c->input_start = 0;
    c->input_end = 0;
    frame_scanner_init(&c->scanner, ENGINE_ANSWER_MAX);
}

/* Room for reading: what was consumed goes first, then the buffer doubles. A large one is not kept.
 */
static int make_room(struct creditd *c)
{
    size_t used = c->input_end - c->input_start, size = c->input_size;
    uint8_t *grown;

    if (c->input_start > 0) {
        memmove(c->input, c->input + c->input_start, used);
        c->input_start = 0;
        c->input_end = used;
    }
    if (size == 0)
        size = INPUT_MIN;
    else if (used == size)
        size *= 2;
    else if (used < INPUT_MIN && size > 64 * INPUT_MIN)
        size = INPUT_MIN;
    if (size == c->input_size)
        return 0;
    grown = realloc(c->input, size);
    if (!grown)
        return -ENOMEM;
    c->input = grown;
    c->input_size = size;
    return 0;
}

static void end_with_answer(struct creditd *c, struct call *call, const struct message *answer,
                            const uint8_t *frame, size_t length)
{
    struct creditd_reply reply;

    reply_init(&reply, 0);
    reply.has_stamp = call->has_stamp;
    reply.stamp = call->stamp;
    reply.frame = frame;
    reply.length = length;
    reply_set_answer(&reply, answer);
    /* The daemon takes our id for a stranger's, or for too old: then it does so for the next one
     * too. */
    if (reply.status == CREDITD_OUTCOME_UNKNOWN && stamp_is_from(&c->stamps, &call->stamp))
        stamp_retire(&c->stamps);
    if (reply.status == CREDITD_INTERNAL && call->has_stamp)
        stamp_in_doubt(&c->stamps, &call->stamp);
    if (call->is_listed)
        TAILQ_REMOVE(&c->stamped, call, stamped);
    TAILQ_REMOVE(&c->calls, call, all);
    c->count--;
    if (call->callback)
        call->callback(c, &reply, call->data);
    free(call);
}

/* "Stopping": nothing was done, and another daemon will come. The call keeps its place in the list,
 * and is sent on the next connection; this one ends when the daemon has answered what it took. */
static bool is_put_off(struct creditd *c, struct call *call, const struct message *answer)
{
    static const char code[] = "shutting_down";
    const char *text;
    size_t length;

    if (call->repeat == CREDITD_REPEAT_NEVER || (c->flags & CREDITD_NO_WAIT) ||
        map_get_text(&answer->error, "code", &text, &length) <= 0)
        return false;
    if (length != sizeof code - 1 || memcmp(text, code, length) != 0)
        return false;
    call->slot = -1;
    call->end = NEVER;
    c->is_draining = true;
    return true;
}

/* Nothing is left to be answered on a connection on which nothing more is sent. */
static bool is_drained(const struct creditd *c)
{
    const struct call *call;

    if (!c->is_draining)
        return false;
    TAILQ_FOREACH(call, &c->calls, all)
    if (call->slot >= 0)
        return false;
    return true;
}

/* -1 where the connection is over: lost, or closed by the callback. */
static int take_message(struct creditd *c, const uint8_t *frame, size_t length)
{
    struct message message = {0};
    const char *reason = "no memory";
    int has_msgid;
    unsigned index;
    struct call *call;

    msgpack_zone_clear(&c->zone);
    if (message_parse(&c->zone, frame, length, &message, &has_msgid, &reason) < 0) {
        link_lose(c, "unreadable: %s", reason);
        return -1;
    }
    if (message.type == MESSAGE_NOTIFICATION) {
        stream_take(c, &message, frame, length);
        return c->fd < 0 ? -1 : 0;
    }
    index = message.msgid % ENGINE_SLOTS;
    if (message.type != MESSAGE_RESPONSE || !c->slots[index].is_taken ||
        c->slots[index].generation != message.msgid / ENGINE_SLOTS) {
        link_lose(c, "an answer that nobody asked for");
        return -1;
    }
    call = c->slots[index].call;
    send_release_slot(c, index);
    c->has_progress = true;
    c->stalled_until = 0;
    if (call && !is_put_off(c, call, &message))
        end_with_answer(c, call, &message, frame, length);
    if (c->fd >= 0 && is_drained(c)) {
        c->has_progress = false; /* no hurry: it takes a while to come back */
        link_lose(c, "the daemon is stopping");
    }
    return c->fd < 0 ? -1 : 0;
}

/* Runs the callbacks of all answers that are there. False where the connection is over. */
static bool take_messages(struct creditd *c)
{
    while (c->input_start < c->input_end) {
        const uint8_t *frame = c->input + c->input_start;
        size_t length;
        enum frame_result result =
            frame_scan(&c->scanner, frame, c->input_end - c->input_start, &length);

        if (result == FRAME_MORE)
            return true;
        if (result != FRAME_COMPLETE) {
            link_lose(c, "unreadable: %s", frame_result_text(result));
            return false;
        }
        c->input_start += length;
        if (take_message(c, frame, length) < 0)
            return false;
    }
    return true;
}

void receive_answers(struct creditd *c)
{
    for (int i = 0; i < READS_MAX; i++) {
        size_t room;
        ssize_t n;

        if (make_room(c) < 0) {
            link_lose(c, "no memory for an answer");
            return;
        }
        room = c->input_size - c->input_end;
        n = c->io->read(c->context, c->fd, c->input + c->input_end, room);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            link_lose(c, "%s", n == 0 ? "the daemon closed it" : strerrordesc_np((int)-n));
            return;
        }
        c->input_end += (size_t)n;
        if (!take_messages(c) || (size_t)n < room)
            return;
    }
}

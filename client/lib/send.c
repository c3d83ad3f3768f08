/*
 * From the list of calls into slots and the output. Frames are collected, so that many calls leave
 * with one write; each is put into a connection's output once.
 */
#include "engine.h"
#include <errno.h>
#include <string.h>

#define OUTPUT_GOAL (64u * 1024) /* enough for one write; more is added when that has gone out */

void send_reset(struct creditd *c)
{
    for (size_t i = 0; i < ENGINE_SLOTS; i++) {
        c->slots[i].call = NULL;
        c->slots[i].is_taken = false;
        c->free_slots[i] = (uint16_t)(ENGINE_SLOTS - 1 - i);
    }
    c->free_count = ENGINE_SLOTS;
    c->is_draining = false;
    c->output.size = 0;
    c->output_start = 0;
    c->queued = 0;
    c->written = 0;
}

void send_release_slot(struct creditd *c, unsigned index)
{
    c->slots[index].call = NULL;
    c->slots[index].is_taken = false;
    c->free_slots[c->free_count++] = (uint16_t)index;
}

static uint32_t take_slot(struct creditd *c, struct call *call)
{
    unsigned index = c->free_slots[--c->free_count];
    struct slot *slot = &c->slots[index];

    /* From 1 on, so that no id of ours is 0, which is what an answer to nobody may carry. */
    slot->generation = slot->generation % (UINT32_MAX / ENGINE_SLOTS) + 1;
    slot->call = call;
    slot->is_taken = true;
    call->slot = (int)index;
    return slot->generation * ENGINE_SLOTS + index;
}

/* 0, -EAGAIN for later, or why it cannot be sent at all. */
static int prepare(struct creditd *c, struct call *call)
{
    const struct call *oldest = TAILQ_FIRST(&c->stamped);
    struct creditd_stamp stamp;
    uint64_t wait;
    int r;

    if (!call->wants_stamp)
        return 0;
    r = stamp_draw(&c->stamps, c->io, c->context, oldest ? &oldest->stamp : NULL, &stamp, &wait);
    if (r == -EAGAIN)
        c->stalled_until = c->io->clock(c->context) + wait;
    if (r < 0)
        return r;
    call_set_stamp(call, &stamp);
    return 0;
}

static void put_into_output(struct creditd *c, struct call *call)
{
    uint32_t msgid = take_slot(c, call);

    call_set_msgid(call, msgid);
    msgpack_sbuffer_write(&c->output, (const char *)call->frame, call->length);
    c->queued += call->length;
    call->end = c->queued;
    if (call->has_stamp && stamp_is_from(&c->stamps, &call->stamp)) {
        TAILQ_INSERT_TAIL(&c->stamped, call, stamped);
        call->is_listed = true;
    }
    c->unsent = TAILQ_NEXT(call, all);
}

/* So that what follows cannot fail. */
static int reserve(msgpack_sbuffer *buffer, size_t length)
{
    static const char nothing[256];
    size_t size = buffer->size;

    while (buffer->alloc - size < length) {
        /* A write that does not fit makes the buffer grow by at least the half. */
        buffer->size = buffer->alloc;
        if (msgpack_sbuffer_write(buffer, nothing, sizeof nothing) < 0) {
            buffer->size = size;
            return -ENOMEM;
        }
    }
    buffer->size = size;
    return 0;
}

static void fill_output(struct creditd *c)
{
    while (c->unsent && !c->is_draining && c->free_count > 0 && c->output.size < OUTPUT_GOAL) {
        struct call *call = c->unsent;
        int r = reserve(&c->output, call->length);

        if (r == 0)
            r = prepare(c, call);
        if (r == -EAGAIN)
            return;
        if (r == 0)
            put_into_output(c, call);
        else
            engine_end(c, call, r);
    }
}

/* Whether all of the output is gone. */
static bool write_output(struct creditd *c)
{
    while (c->output_start < c->output.size) {
        ssize_t n = c->io->write(c->context, c->fd, c->output.data + c->output_start,
                                 c->output.size - c->output_start);

        if (n == -EAGAIN)
            return false;
        if (n < 0) {
            link_lose(c, "writing: %s", strerrordesc_np((int)-n));
            return false;
        }
        c->output_start += (size_t)n;
        c->written += (uint64_t)n;
    }
    c->output.size = 0;
    c->output_start = 0;
    return true;
}

void send_calls(struct creditd *c)
{
    if (c->stalled_until <= c->io->clock(c->context))
        c->stalled_until = 0;
    while (c->fd >= 0) {
        if (c->stalled_until == 0)
            fill_output(c);
        if (c->output.size == 0 || !write_output(c))
            return;
    }
}

bool send_is_wanted(const struct creditd *c)
{
    if (c->output.size > 0)
        return true;
    return c->unsent && !c->is_draining && c->free_count > 0 && c->stalled_until == 0;
}

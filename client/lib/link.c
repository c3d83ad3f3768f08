/*
 * Connecting, and losing a connection. A connection that has answered something is opened again at
 * once: the daemon was restarted, or closes idle ones. Else the delays double, each drawn from its
 * upper half, so that many clients do not come back together.
 */
#include "engine.h"
#include "stream.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_trouble(struct creditd *c, const char *format, va_list arguments)
{
    vsnprintf(c->trouble, sizeof c->trouble, format, arguments);
}

static void note_trouble(struct creditd *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note_trouble(struct creditd *c, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set_trouble(c, format, arguments);
    va_end(arguments);
}

static void delay_next(struct creditd *c)
{
    uint32_t noise = 0;

    c->delay = c->delay == 0 ? ENGINE_DELAY_MIN : c->delay * 2;
    if (c->delay > ENGINE_DELAY_MAX)
        c->delay = ENGINE_DELAY_MAX;
    /* Without randomness the delay is merely less random. */
    if (c->io->random(c->context, &noise, sizeof noise) < 0)
        noise = 0;
    c->retry_at = c->io->clock(c->context) + c->delay / 2 + noise % (c->delay / 2 + 1);
}

/* CREDITD_NO_WAIT: nobody listens, so that nothing need be waited for. */
static void give_up(struct creditd *c)
{
    struct call *call;

    while ((call = TAILQ_FIRST(&c->calls)))
        engine_end(c, call, call->left ? -ECONNRESET : -ENOTCONN);
}

void link_connect(struct creditd *c)
{
    int fd;

    if (c->fd >= 0 || TAILQ_EMPTY(&c->calls) || c->io->clock(c->context) < c->retry_at)
        return;
    if (c->seeks_path)
        client_path(NULL, c->path, sizeof c->path); /* on failure the one that was found before */
    fd = c->io->connect(c->context, c->path);
    if (fd < 0) {
        note_trouble(c, "%s", strerrordesc_np(-fd) ? strerrordesc_np(-fd) : "cannot connect");
        delay_next(c);
        if ((c->flags & CREDITD_NO_WAIT) && fd != -EAGAIN)
            give_up(c);
        return;
    }
    c->fd = fd;
    c->seeks_path = false; /* never from one ledger to another */
    c->has_progress = false;
}

/* The call was in flight when its connection ended. */
static void take_back(struct creditd *c, struct call *call)
{
    call->left = call->left || call->end <= c->written;
    call->slot = -1;
    if (call->is_listed)
        TAILQ_REMOVE(&c->stamped, call, stamped);
    call->is_listed = false;
    if (call->left && call->repeat == CREDITD_REPEAT_NEVER)
        engine_end(c, call, -ECONNRESET);
}

void link_close(struct creditd *c)
{
    int fd = c->fd;

    if (fd < 0)
        return;
    c->fd = -1;
    if (c->changed)
        c->changed(c, c->changed_data);
    c->io->close(c->context, fd);
}

void link_lose(struct creditd *c, const char *format, ...)
{
    struct call *call = TAILQ_FIRST(&c->calls), *following;
    va_list arguments;

    va_start(arguments, format);
    set_trouble(c, format, arguments);
    va_end(arguments);
    link_close(c);
    for (; call && call != c->unsent; call = following) {
        following = TAILQ_NEXT(call, all);
        take_back(c, call);
    }
    c->unsent = TAILQ_FIRST(&c->calls);
    c->stalled_until = 0;
    stream_lost(c);
    send_reset(c);
    receive_reset(c);
    if (c->has_progress) {
        c->delay = 0;
        c->retry_at = 0;
    } else {
        delay_next(c);
    }
}

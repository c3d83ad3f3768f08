/*
 * Hooks: events taken to creditd-hook, which runs programs and posts to URLs, and what came of them
 * back. The engine decides what is delivered when (core/delivery.h) and keeps all state; here its
 * hooks are shown the events, and its deliveries are made one call of hook.run each (proto/hook.h).
 * While no creditd-hook is there nothing is taken; what one had when it died is delivered again.
 *
 * Only what is durable is shown, so nothing is told that a crash could take back.
 */
#pragma once

#include "event_reader.h"
#include "helper_socket.h"
#include "list.h"
#include <proto/hook.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <util/config.h>
#include <uv.h>

struct delivering;
struct serve;
struct hooks;

/* The events that one hook is being shown, where they are not in the engine's memory. */
struct hook_view {
    struct hooks *hooks;
    unsigned hook;
    struct event_read read;
};

struct hooks {
    struct serve *serve;
    struct helper_socket socket;
    struct hook_view views[HOOK_COUNT_];
    struct list running; /* struct delivering */
    size_t count;        /* of them */
    uint64_t through;    /* the last event that is durable */
    struct delivering *spare;
    int64_t failure_logged[HOOK_COUNT_];
    uint64_t lost[HOOK_COUNT_]; /* of them the log knows */
    uv_timer_t timer;           /* something failed: not before it fires; or there is more to do */
    bool stalled;
    bool policies_due; /* the ledger has refused a hook's first record */
};

/* `fd` as for helper_socket_init. After the ledger was opened. */
int hooks_init(struct hooks *hooks, struct serve *serve, int fd);
/* The hooks are as the configuration says, from now on. */
void hooks_configure(struct hooks *hooks);
/* … and creditd-hook reads it again. */
void hooks_reload(struct hooks *hooks);
/* The watermark has moved. */
void hooks_pass(struct hooks *hooks, uint64_t durable);
/* The end of a turn: shows what is wanted, delivers what is next. Cheap where there is nothing. */
void hooks_pump(struct hooks *hooks);
/* Ends the channel and the listener; what is under way has then been given back. */
void hooks_close(struct hooks *hooks);
bool hooks_is_closed(const struct hooks *hooks);

/* "on_…"; NULL for a number that is none. */
const char *hooks_name(unsigned hook);
/* Whether the configuration has any. */
bool hooks_are_configured(const struct config *config);
/* Whether it has that one. */
bool hooks_is_configured(const struct hooks *hooks, unsigned hook);

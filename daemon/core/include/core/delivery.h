/*
 * Who has been told which events: the places of named subscribers, and the deliveries of hooks.
 * Part of the engine: see engine.h and event.h.
 *
 * Subscribers keep their own place: it is a number, and moves when they say so.
 *
 * A hook is driven from here. It has a place, too: every event up to it was delivered, was not for
 * this hook, or has a row of its own in the table DELIVERY. A delivery gets a row when it has
 * failed (it waits for its next try), when it must wait behind an earlier one of the same customer,
 * or when it is parked. Events of one customer are delivered one after the other; those of
 * different customers side by side. What was under way when anything died is delivered again: at
 * least once, in order for each customer.
 *
 * Of a customer only a few events that wait get rows, and none but the first where there are many
 * rows already. For more it has one that says from which number on it is behind; when it is through
 * with those few, the hook is shown the events from that number to its place again, which is how
 * they come back.
 *
 * A delivery that has failed for longer than park_after is parked: it waits for an operator and
 * holds nobody up any more. At most CORE_DELIVERIES_MAX rows a hook are kept of what is not parked;
 * then the hook waits, the events do not: they are in the ledger. At most CORE_PARKED_MAX are
 * parked: for one more the oldest goes, and is never delivered.
 */
#pragma once

#include <core/event.h>

/* --- subscribers --- */

#define CORE_SUBSCRIBERS_MAX 64u /* of one uid */

struct core_subscriber {
    uint32_t uid;
    struct core_text name;
    uint64_t number;  /* the last event that it has acknowledged */
    int64_t moved_at; /* when it last moved, or said that it has all there is */
    uint64_t reveals;
};

/* CORE_OK, valid until the next command, or CORE_NOT_FOUND. */
int core_subscriber_get(const struct core *core, uint32_t uid, struct core_text name,
                        struct core_subscriber *ret_subscriber);
/* Its place is `number` from now on, never before where it was. CORE_OK; CORE_NOT_FOUND: no event
 * has that number yet; CORE_QUOTA_KEYS: the uid has too many subscribers. One that has not moved
 * for twice the retention, and a day at least, is forgotten by core_tick. */
int core_subscriber_set(struct core *core, uint32_t uid, struct core_text name, uint64_t number,
                        int64_t now, uint64_t *ret_sequence);
/* All, in no order: start with *position = 0. */
bool core_next_subscriber(const struct core *core, size_t *position,
                          struct core_subscriber *ret_subscriber);
/* CORE_OK or CORE_NOT_FOUND. */
int core_subscriber_drop(struct core *core, uint32_t uid, struct core_text name, int64_t now,
                         uint64_t *ret_sequence);

/* --- hooks --- */

#define CORE_HOOKS_MAX 32u
#define CORE_DELIVERIES_MAX 65536u /* rows of one hook, but for what is parked */
#define CORE_PARKED_MAX 65536u     /* of one hook */

struct core_hook_policy {
    uint32_t types;               /* bits 1 << enum core_event_type; 0: there is no such hook */
    unsigned concurrency;         /* deliveries under way */
    int64_t delay_min, delay_max; /* before the second try, and at most; doubled in between */
    int64_t park_after;           /* from the first failure; -1: never */
};

/* A hook that was never there begins with the next event. One that is configured no longer keeps
 * its place until core_tick finds that it has not moved for CORE_HOOK_FORGET_MS. */
int core_hook_set_policy(struct core *core, unsigned hook, const struct core_hook_policy *policy,
                         int64_t now);
#define CORE_HOOK_FORGET_MS (INT64_C(90) * 24 * 60 * 60 * 1000)

/* Events that a hook must be shown next, *ret_from to *ret_through (at most 256, durable up to
 * `durable`); false: it wants none now. They are given in order by core_hook_show; of a row that is
 * gone, core_hook_skip says so. They may be some that it has seen already: it has not kept all. */
bool core_hook_wants(const struct core *core, unsigned hook, uint64_t durable, uint64_t *ret_from,
                     uint64_t *ret_through);
/* -ESTALE: that is not what it wants next; ask again. */
int core_hook_show(struct core *core, unsigned hook, const struct core_event *event, int64_t now);
int core_hook_skip(struct core *core, unsigned hook, uint64_t through, int64_t now);

enum core_delivery_state {
    CORE_DELIVERY_WAITING = 1, /* for its turn: behind another of its customer */
    CORE_DELIVERY_RUNNING,
    CORE_DELIVERY_FAILED, /* for its next try, at due_at */
    CORE_DELIVERY_PARKED,
    CORE_DELIVERY_BEHIND, /* no delivery: its customer's events from here on are not kept */
};

struct core_delivery {
    unsigned hook;
    uint64_t number;
    uint32_t epoch, type; /* of the event */
    uint32_t state;
    uint32_t attempt; /* of the next try, or of the one under way; from 1 */
    int64_t first_failed_at, due_at;
    struct core_text customer; /* valid until the next command */
    const char *message;       /* of the last failure; "" */
    int status;
};

/* The next that may be delivered now; it is under way then, until core_delivery_done. False: none,
 * not before core_wakeup. */
bool core_next_delivery(struct core *core, int64_t now, struct core_delivery *ret_delivery);
/* How it ended. FAILURE: it is tried again. GONE: nobody knows, the helper died; it is tried again
 * at once, and no failure is counted, but the third time in a row is one: it may be what the helper
 * dies of. UNTRIED: it was not handed over, and is tried again at once. LOST: it never can be
 * delivered, and is over. CORE_NOT_FOUND: it is not under way. -errno: the ledger takes no record
 * now; the end is remembered, and recorded as soon as it does. */
enum core_delivery_end {
    CORE_DELIVERY_OK,
    CORE_DELIVERY_FAILURE,
    CORE_DELIVERY_GONE,
    CORE_DELIVERY_UNTRIED,
    CORE_DELIVERY_LOST,
};
#define CORE_DELIVERY_GONE_MAX 3u
int core_delivery_done(struct core *core, unsigned hook, uint64_t number,
                       enum core_delivery_end end, int status, struct core_text message,
                       int64_t now);

struct core_hook_summary {
    uint64_t number; /* its place */
    uint64_t waiting, failed, parked, running;
    uint64_t behind;              /* customers of which more waits than is kept */
    uint64_t delivered, failures; /* since the start */
    uint64_t lost;                /* … and never to be delivered: LOST, or the oldest parked */
    int64_t oldest;               /* created of the oldest event that is not delivered; 0: none */
};
/* False: that hook has never been configured. */
bool core_hook_summary(const struct core *core, unsigned hook,
                       struct core_hook_summary *ret_summary);
/* Deliveries of a hook that are kept: what is parked, then the others, both in order; then rows
 * BEHIND. Start with *position = 0; valid until the next command. */
bool core_each_delivery(const struct core *core, unsigned hook, size_t *position,
                        struct core_delivery *ret_delivery);
/* One of these; false: there is none of that number. */
bool core_delivery_get(const struct core *core, unsigned hook, uint64_t number,
                       struct core_delivery *ret_delivery);
/* Operators. number 0: all of that hook that has failed or is parked; drop: all that is parked.
 * CORE_OK, CORE_NOT_FOUND; CORE_MAY_HAVE_RUN: it is under way; CORE_LOAD: that were enough of them
 * for now, and there are more: to be called again. The uid is recorded. */
int core_delivery_retry(struct core *core, unsigned hook, uint64_t number, uint32_t uid,
                        int64_t now, uint64_t *ret_sequence);
int core_delivery_drop(struct core *core, unsigned hook, uint64_t number, uint32_t uid, int64_t now,
                       uint64_t *ret_sequence);

/* The number of the oldest event that a subscriber (one that moved within the retention) or a hook
 * (one that is configured, and of events within the retention) still needs, of one yet to come
 * where they have all there is; UINT64_MAX: there is neither. The records of older ones may go. */
uint64_t core_event_needed(const struct core *core, int64_t now, int64_t retention);

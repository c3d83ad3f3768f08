/*
 * Deliveries in memory, between the files that decide about them:
 * - delivery.c: what is shown to a hook, what is delivered next, how it ended
 * - delivery_table.c: the hooks, their deliveries, and the lanes of customers
 * - delivery_record.c: the records, and forgetting
 * - delivery_operator.c: what an operator sees and asks
 *
 * A hook's place is a number: all up to it is over, or has a row. What is shown beyond the place
 * and is not over is *fresh*: it has no row, and is shown again after a restart. As long as all
 * goes well nothing gets a row: the oldest fresh one ends, and the place moves in that record. When
 * a later one ends first, those before it get rows, and the place moves as well. So an end is one
 * record, a row is written once for each event at most, and no row stands beyond the place.
 *
 * The deliveries of one customer form a lane, in order; only the first of a lane is ever under way.
 * What is parked has left its lane.
 */
#pragma once

#include "state.h"
#include <core/delivery.h>

/* Fewer than the images of a record: they can all get rows in one. */
#define DELIVERY_WINDOW 240u
#define DELIVERY_KEY_SIZE 9u

struct lane;

struct delivery {
    struct hook *hook;
    struct lane *lane; /* NULL: parked */
    uint64_t number;
    bool has_row;
    bool running;
    bool ended; /* … and its end could not be recorded yet: to be tried again */
    enum core_delivery_end end;
    struct delivery *next, *previous; /* of the hook, in order */
    struct delivery *fresh_next, *fresh_previous;
    struct delivery *lane_next, *lane_previous;
    struct delivery_image row; /* as it is, or would be, in the table */
    char customer[];           /* right behind it, as there */
};

/* The deliveries of one customer. */
struct lane {
    struct hash128 hash;
    struct delivery *first, *last;
    struct delivery *running;
    struct heap_node due; /* its first has failed, and waits for its time */
    struct lane *ready_next, *ready_previous;
    bool ready; /* its first may be delivered now */
};

struct hook {
    unsigned index;
    bool known; /* has a row, or had its first */
    struct core_hook_policy policy;
    struct hook_image row; /* its place, as recorded */
    uint64_t shown;        /* everything up to it was shown */
    struct map deliveries; /* number → struct delivery *, owned */
    struct map lanes;      /* hash of the customer → struct lane *, owned */
    struct heap due;       /* lanes */
    struct lane *ready_first, *ready_last;
    struct delivery *first, *last;
    struct delivery *fresh_first, *fresh_last;
    size_t fresh, running, ended;
    uint64_t delivered, failures;
    int64_t retry_at; /* the ledger has refused a record: not before */
};

/* --- delivery_table.c --- */
static inline struct hook *hook_at(const struct core *core, unsigned index)
{
    return index < CORE_HOOKS_MAX ? core->hooks[index] : NULL;
}
/* Made if it is not there; NULL: no memory. */
struct hook *hook_get(struct core *core, unsigned index);
void hook_free(struct core *core, struct hook *hook);
struct delivery *delivery_find(const struct hook *hook, uint64_t number);
/* Fresh, the last of its hook and of its lane. 0 or -ENOMEM. */
int delivery_new(struct core *core, struct hook *hook, const struct core_event *event, int64_t now);
void delivery_free(struct hook *hook, struct delivery *delivery, int64_t now);
void delivery_unfresh(struct hook *hook, struct delivery *delivery);
void delivery_park(struct hook *hook, struct delivery *delivery, int64_t now);
/* Back into its lane, by its number. -ENOMEM: it stays parked. */
int delivery_unpark(struct core *core, struct hook *hook, struct delivery *delivery);
/* After anything about the lane has changed: whether its first is ready, or when. */
void lane_update(struct hook *hook, struct lane *lane, int64_t now);
void hook_fire(struct hook *hook, int64_t now);
/* The place as it may be now: never before what is recorded. */
uint64_t hook_place(const struct hook *hook);

/* --- delivery_record.c --- */
void delivery_key(unsigned hook, uint64_t number, uint8_t ret_key[DELIVERY_KEY_SIZE]);
/* Records that the delivery is over (`next` NULL) or stands as `next`; everything before it that is
 * fresh gets a row. Memory follows but for the delivery itself, which keeps its row's image, and
 * has its row or is to be freed. */
int delivery_record(struct core *core, struct delivery *delivery, const struct delivery_image *next,
                    uint32_t uid, int64_t now, uint64_t *ret_sequence);
/* Gives rows to all that is fresh and has none, so that later events may be shown. */
int hook_spill(struct core *core, struct hook *hook, int64_t now);
/* Records the place if it has moved by much. Failing is no harm. */
void hook_record_place(struct core *core, struct hook *hook, bool at_once, int64_t now);
int hook_record_end(struct core *core, struct delivery *delivery, int64_t now);

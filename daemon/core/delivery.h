/*
 * Deliveries in memory, between the files that decide about them:
 * - delivery.c: what is shown to a hook, what is delivered next, how it ended
 * - delivery_table.c: the hooks, their deliveries, and the lanes of customers
 * - delivery_start.c: how they come back, and whether all is as it should be
 * - delivery_behind.c: lanes that are behind, and the passes in which they are shown events again
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
 *
 * A lane gets LANE_ROWS rows for what waits in it, and no more, or one customer would fill the
 * table; and only one where the hook has ROWS_MANY already, or a few hundred would. From then on it
 * is *behind*: one row, BEHIND, says from which event on, and until it has caught up nothing new is
 * kept of that customer. When all that was kept is over, the events from
 * that one on are gone through once more, in a *pass* for all lanes that are as far as that, and
 * each keeps LANE_BATCH at most. Those are *covered*: they have no row, since the lane's stands
 * before them; it moves on with each that is over or gets one. What the place has passed is always
 * over, or has a row, or is the business of a row BEHIND.
 */
#pragma once

#include "state.h"
#include <core/delivery.h>

/* Fewer than the images of a record: they can all get rows in one, and a batch besides. */
#define DELIVERY_WINDOW 200u
#define DELIVERY_KEY_SIZE 9u
/* In the key of a row BEHIND, whose number may be that of a delivery as well. */
#define DELIVERY_BEHIND_BIT (UINT64_C(1) << 63)
#define LANE_ROWS 4u
#define ROWS_MANY (CORE_DELIVERIES_MAX / 4)
#define LANE_BATCH 16u

struct lane;

struct delivery {
    struct hook *hook;
    struct lane *lane; /* NULL: parked */
    uint64_t number;
    bool has_row;
    bool covered; /* by the row of its lane */
    bool parked;
    bool running;
    bool ended;    /* … and its end could not be recorded yet: to be tried again */
    unsigned gone; /* how often in a row the helper ended while it was under way */
    enum core_delivery_end end;
    struct delivery *next, *previous; /* of the hook's list that it is in, in order */
    struct delivery *fresh_next, *fresh_previous;
    struct delivery *lane_next, *lane_previous;
    struct delivery_image row; /* as it is, or would be, in the table */
    char customer[];           /* right behind it, as there */
};

/* That a lane is behind. */
struct behind {
    struct lane *lane;
    struct behind *next, *previous; /* of the hook */
    uint64_t number;                /* of its row: an event of this customer */
    uint64_t position;              /* of what is before, all that is not over is in the lane */
    size_t covered;                 /* in the lane */
    bool has_row;                   /* false: its first record is being made */
    bool hungry;                    /* nothing is in the lane: it waits for a pass */
    bool passing;                   /* it takes part in one: its position is that of the pass */
    struct delivery_image row;
    char customer[]; /* right behind it, as in the table */
};

/* The deliveries of one customer. */
struct lane {
    struct hash128 hash;
    struct behind *behind; /* NULL: it is not */
    struct delivery *first, *last;
    struct delivery *running;
    struct heap_node due; /* its first has failed, and waits for its time */
    struct lane *ready_next, *ready_previous;
    bool ready; /* its first may be delivered now */
};

/* By number. */
struct delivery_list {
    struct delivery *first, *last;
    struct delivery *hint; /* the one that was put in last: its neighbours often follow */
    size_t count;
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
    struct delivery_list open, parked;
    struct delivery *fresh_first, *fresh_last;
    struct behind *behinds;
    size_t behind_count, hungry, passing, covered;
    uint64_t scan;  /* what the pass is shown next */
    bool pass_turn; /* the pass is next to be shown something, if both want */
    size_t fresh, running, ended;
    size_t waiting, failed; /* open, and not running */
    uint64_t delivered, failures, lost;
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
/* What counts for CORE_DELIVERIES_MAX. */
static inline size_t hook_rows(const struct hook *hook)
{
    return hook->open.count - hook->covered + hook->behind_count;
}
/* Its row, or whether it runs, changes: the sums over all that are open follow. */
void delivery_set_row(struct delivery *delivery, const struct delivery_image *row);
void delivery_set_running(struct delivery *delivery, bool running);
struct lane *lane_of(const struct core *core, const struct hook *hook, struct core_text customer);
/* Made if it is not there; NULL: no memory. lane_update frees one that is empty. */
struct lane *lane_get(const struct core *core, struct hook *hook, struct core_text customer);
/* Not in a lane nor in a list. */
int delivery_make(struct hook *hook, uint64_t number, const struct delivery_image *row,
                  const char *customer, struct delivery **ret_delivery);
void delivery_enter(struct hook *hook, struct lane *lane, struct delivery *delivery);
/* Fresh, or covered. 0 or -ENOMEM. */
int delivery_new(struct core *core, struct hook *hook, const struct core_event *event, bool covered,
                 int64_t now);
static inline bool delivery_is_fresh(const struct delivery *delivery)
{
    return !delivery->has_row && !delivery->covered;
}
void delivery_list_insert(struct delivery_list *list, struct delivery *delivery);
void delivery_uncover(struct delivery *delivery);
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

/* --- delivery_behind.c --- */
/* From that event on, or after it, as the row says; it has no row yet. NULL: no memory. */
struct behind *behind_new(struct hook *hook, struct lane *lane, uint64_t number,
                          const struct delivery_image *row, const char *customer);
void behind_free(struct hook *hook, struct behind *behind);
/* Its customer's events from this one on are its business. */
static inline uint64_t behind_from(const struct behind *behind)
{
    return behind->number + behind->row.after;
}
/* Whether anything that has been shown is left for it when all that is covered is over. */
bool behind_has_more(const struct hook *hook, const struct behind *behind);
/* After the lane has changed. */
void behind_update(struct hook *hook, struct lane *lane);
/* Some have caught up, and it could not be recorded: to be tried again. */
bool behind_is_over(const struct hook *hook);
void behind_end(struct core *core, struct hook *hook, int64_t now);
bool pass_wants(const struct hook *hook, uint64_t *ret_from, uint64_t *ret_through);
int pass_show(struct core *core, struct hook *hook, const struct core_event *event, int64_t now);
/* Also after more was shown. */
void pass_skip(struct core *core, struct hook *hook, uint64_t through, int64_t now);

/* --- delivery_record.c --- */
void delivery_key(unsigned hook, uint64_t number, uint8_t ret_key[DELIVERY_KEY_SIZE]);
/* Records that the delivery is over (`next` NULL) or stands as `next`; everything before it that is
 * fresh gets a row, or its lane gets behind. Memory follows but for the delivery itself, which
 * keeps its row's image, and has its row or is to be freed. */
int delivery_record(struct core *core, struct delivery *delivery, const struct delivery_image *next,
                    uint32_t uid, int64_t now, uint64_t *ret_sequence);
/* Gives rows to all that is fresh, or puts lanes behind, so that later events may be shown. */
int hook_spill(struct core *core, struct hook *hook, int64_t now);
/* Records the place if it has moved by much. Failing is no harm. */
void hook_record_place(struct core *core, struct hook *hook, bool at_once, int64_t now);
/* That a lane is behind no more. */
int behind_record_end(struct core *core, struct hook *hook, struct behind *behind, int64_t now);
/* Some of what is parked, the oldest. There is some. */
int hook_drop_parked(struct core *core, struct hook *hook, uint32_t uid, int64_t now,
                     uint64_t *ret_sequence);
/* Rows of these, which have rows already, as they are by now. */
int hook_record_rows(struct core *core, struct hook *hook, struct delivery *const *deliveries,
                     size_t count, uint32_t uid, int64_t now, uint64_t *ret_sequence);
int hook_record_end(struct core *core, struct delivery *delivery, int64_t now);

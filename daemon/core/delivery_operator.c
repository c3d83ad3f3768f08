/*
 * What an operator sees of the deliveries, and asks: to try them again, or to let them be.
 */
#include "delivery.h"

static int64_t oldest(const struct hook *hook)
{
    const struct delivery *open = hook->open.first, *parked = hook->parked.first;

    if (!open || !parked)
        return open ? open->row.created : parked ? parked->row.created : 0;
    return open->number < parked->number ? open->row.created : parked->row.created;
}

bool core_hook_summary(const struct core *core, unsigned index,
                       struct core_hook_summary *ret_summary)
{
    const struct hook *hook = hook_at(core, index);

    if (!hook || !hook->known)
        return false;
    *ret_summary = (struct core_hook_summary){
        .number = hook_place(hook),
        .waiting = hook->waiting,
        .failed = hook->failed,
        .running = hook->running,
        .parked = hook->parked.count,
        .behind = hook->behind_count,
        .delivered = hook->delivered,
        .failures = hook->failures,
        .lost = hook->lost,
        .oldest = oldest(hook),
    };
    return true;
}

/* A new beginning: its age counts from the next failure on. */
static struct delivery_image as_new(const struct delivery *delivery)
{
    struct delivery_image next = delivery->row;

    next.state = CORE_DELIVERY_WAITING;
    next.attempt = 1;
    next.first_failed_at = next.due_at = 0;
    return next;
}

static int retry(struct core *core, struct delivery *delivery, uint32_t uid, int64_t now,
                 uint64_t *ret_sequence)
{
    bool parked = delivery->parked;
    struct delivery_image next = as_new(delivery);

    int r = parked ? delivery_unpark(core, delivery->hook, delivery) : 0;
    if (r < 0)
        return r;
    r = delivery_record(core, delivery, &next, uid, now, ret_sequence);
    if (r < 0 && parked)
        delivery_park(delivery->hook, delivery, now);
    else
        lane_update(delivery->hook, delivery->lane, now);
    return r;
}

static int drop(struct core *core, struct delivery *delivery, uint32_t uid, int64_t now,
                uint64_t *ret_sequence)
{
    int r = delivery_record(core, delivery, NULL, uid, now, ret_sequence);

    if (r == 0)
        delivery_free(delivery->hook, delivery, now);
    return r;
}

/* --- all of a hook's --- */

#define STEP 200u /* in one record */
#define STEPS 10u /* at a time: others want the loop, too */

/* Those that are tried again with one record, and how they were. */
struct step {
    struct delivery *deliveries[STEP];
    struct delivery_image before[STEP];
    bool parked[STEP];
    size_t count;
};

static int step_add(struct core *core, struct step *step, struct delivery *delivery)
{
    struct delivery_image next = as_new(delivery);
    size_t i = step->count;

    step->parked[i] = delivery->parked;
    step->before[i] = delivery->row;
    int r = delivery->parked ? delivery_unpark(core, delivery->hook, delivery) : 0;
    if (r < 0)
        return r;
    delivery_set_row(delivery, &next);
    step->deliveries[step->count++] = delivery;
    return 0;
}

static int step_end(struct core *core, struct hook *hook, struct step *step, uint32_t uid,
                    int64_t now, uint64_t *ret_sequence)
{
    int r = hook_record_rows(core, hook, step->deliveries, step->count, uid, now, ret_sequence);

    for (size_t i = 0; i < step->count; i++) {
        struct delivery *delivery = step->deliveries[i];
        if (r < 0)
            delivery_set_row(delivery, &step->before[i]);
        if (r < 0 && step->parked[i])
            delivery_park(hook, delivery, now);
        else
            lane_update(hook, delivery->lane, now);
    }
    return r;
}

/* From the first to the last: what is of one customer stays in order, whenever the rest follows. */
static int retry_list(struct core *core, struct hook *hook, const struct delivery_list *list,
                      unsigned *steps, uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    struct delivery *delivery = list->first, *next;
    int r = CORE_NOT_FOUND;

    while (delivery) {
        struct step step;
        int added = 0;

        step.count = 0;
        for (; delivery && added == 0 && step.count < STEP; delivery = next) {
            next = delivery->next;
            if (!delivery->running && delivery->row.state != CORE_DELIVERY_WAITING)
                added = *steps > 0 ? step_add(core, &step, delivery) : CORE_LOAD;
        }
        if (step.count > 0) {
            r = step_end(core, hook, &step, uid, now, ret_sequence);
            --*steps;
        }
        if (r < 0 || added != 0)
            return r < 0 ? r : added;
    }
    return r;
}

static int retry_all(struct core *core, struct hook *hook, uint32_t uid, int64_t now,
                     uint64_t *ret_sequence)
{
    unsigned steps = STEPS;
    int failed = retry_list(core, hook, &hook->open, &steps, uid, now, ret_sequence);
    int parked = failed == CORE_OK || failed == CORE_NOT_FOUND
                     ? retry_list(core, hook, &hook->parked, &steps, uid, now, ret_sequence)
                     : failed;

    return parked == CORE_NOT_FOUND ? failed : parked;
}

static int drop_all_parked(struct core *core, struct hook *hook, uint32_t uid, int64_t now,
                           uint64_t *ret_sequence)
{
    int r = CORE_NOT_FOUND;

    for (unsigned i = 0; i < STEPS && r >= 0 && hook->parked.count > 0; i++)
        r = hook_drop_parked(core, hook, uid, now, ret_sequence);
    return r == CORE_OK && hook->parked.count > 0 ? CORE_LOAD : r;
}

typedef int (*order_function)(struct core *core, struct delivery *delivery, uint32_t uid,
                              int64_t now, uint64_t *ret_sequence);
typedef int (*order_all_function)(struct core *core, struct hook *hook, uint32_t uid, int64_t now,
                                  uint64_t *ret_sequence);

static int order(struct core *core, unsigned index, uint64_t number, order_function one,
                 order_all_function all, uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    struct hook *hook = hook_at(core, index);

    if (!hook)
        return CORE_NOT_FOUND;
    if (number == 0)
        return all(core, hook, uid, now, ret_sequence);
    struct delivery *delivery = delivery_find(hook, number);
    if (!delivery)
        return CORE_NOT_FOUND;
    if (delivery->running)
        return CORE_MAY_HAVE_RUN;
    return one(core, delivery, uid, now, ret_sequence);
}

int core_delivery_retry(struct core *core, unsigned hook, uint64_t number, uint32_t uid,
                        int64_t now, uint64_t *ret_sequence)
{
    return order(core, hook, number, retry, retry_all, uid, now, ret_sequence);
}

int core_delivery_drop(struct core *core, unsigned hook, uint64_t number, uint32_t uid, int64_t now,
                       uint64_t *ret_sequence)
{
    return order(core, hook, number, drop, drop_all_parked, uid, now, ret_sequence);
}

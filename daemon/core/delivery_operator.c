/*
 * What an operator sees of the deliveries, and asks: to try them again, or to let them be.
 */
#include "delivery.h"

bool core_hook_summary(const struct core *core, unsigned index,
                       struct core_hook_summary *ret_summary)
{
    const struct hook *hook = hook_at(core, index);

    if (!hook || !hook->known)
        return false;
    *ret_summary = (struct core_hook_summary){
        .number = hook_place(hook),
        .running = hook->running,
        .delivered = hook->delivered,
        .failures = hook->failures,
        .oldest = hook->first ? hook->first->row.created : 0,
    };
    for (const struct delivery *delivery = hook->first; delivery; delivery = delivery->next) {
        ret_summary->waiting += !delivery->running && delivery->row.state == CORE_DELIVERY_WAITING;
        ret_summary->failed += !delivery->running && delivery->row.state == CORE_DELIVERY_FAILED;
        ret_summary->parked += delivery->row.state == CORE_DELIVERY_PARKED;
    }
    return true;
}

typedef int (*order_function)(struct core *core, struct delivery *delivery, uint32_t uid,
                              int64_t now, uint64_t *ret_sequence);

/* A new beginning: its age counts from the next failure on. */
static int retry(struct core *core, struct delivery *delivery, uint32_t uid, int64_t now,
                 uint64_t *ret_sequence)
{
    bool parked = delivery->row.state == CORE_DELIVERY_PARKED;
    struct delivery_image next = delivery->row;

    next.state = CORE_DELIVERY_WAITING;
    next.attempt = 1;
    next.first_failed_at = next.due_at = 0;
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

/* From the last to the first: what is put back into a lane then stands at its head. */
static int order_all(struct core *core, struct hook *hook, order_function function,
                     bool waiting_too, uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    struct delivery *previous;
    size_t count = 0;
    int r = 0;

    for (struct delivery *delivery = hook->last; r == 0 && delivery; delivery = previous) {
        previous = delivery->previous;
        if (delivery->running || (delivery->row.state == CORE_DELIVERY_WAITING && !waiting_too))
            continue;
        r = function(core, delivery, uid, now, ret_sequence);
        count++;
    }
    return r < 0 ? r : count > 0 ? CORE_OK : CORE_NOT_FOUND;
}

static int order(struct core *core, unsigned index, uint64_t number, order_function function,
                 bool waiting_too, uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    struct hook *hook = hook_at(core, index);

    if (!hook)
        return CORE_NOT_FOUND;
    if (number == 0)
        return order_all(core, hook, function, waiting_too, uid, now, ret_sequence);
    struct delivery *delivery = delivery_find(hook, number);
    if (!delivery)
        return CORE_NOT_FOUND;
    if (delivery->running)
        return CORE_MAY_HAVE_RUN;
    return function(core, delivery, uid, now, ret_sequence);
}

int core_delivery_retry(struct core *core, unsigned hook, uint64_t number, uint32_t uid,
                        int64_t now, uint64_t *ret_sequence)
{
    return order(core, hook, number, retry, false, uid, now, ret_sequence);
}

int core_delivery_drop(struct core *core, unsigned hook, uint64_t number, uint32_t uid, int64_t now,
                       uint64_t *ret_sequence)
{
    return order(core, hook, number, drop, true, uid, now, ret_sequence);
}

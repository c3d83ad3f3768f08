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
        .running = hook->running,
        .parked = hook->parked.count,
        .behind = hook->behind_count,
        .delivered = hook->delivered,
        .failures = hook->failures,
        .lost = hook->lost,
        .oldest = oldest(hook),
    };
    for (const struct delivery *delivery = hook->open.first; delivery; delivery = delivery->next) {
        ret_summary->waiting += !delivery->running && delivery->row.state == CORE_DELIVERY_WAITING;
        ret_summary->failed += !delivery->running && delivery->row.state == CORE_DELIVERY_FAILED;
    }
    return true;
}

/* A new beginning: its age counts from the next failure on. */
static int retry(struct core *core, struct delivery *delivery, uint32_t uid, int64_t now,
                 uint64_t *ret_sequence)
{
    bool parked = delivery->parked;
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
static int retry_list(struct core *core, const struct delivery_list *list, uint32_t uid,
                      int64_t now, uint64_t *ret_sequence)
{
    struct delivery *previous;
    int result = CORE_NOT_FOUND;

    for (struct delivery *delivery = list->last; delivery; delivery = previous) {
        previous = delivery->previous;
        if (delivery->running || delivery->row.state == CORE_DELIVERY_WAITING)
            continue;
        result = retry(core, delivery, uid, now, ret_sequence);
        if (result < 0)
            return result;
    }
    return result;
}

static int retry_all(struct core *core, struct hook *hook, uint32_t uid, int64_t now,
                     uint64_t *ret_sequence)
{
    int failed = retry_list(core, &hook->open, uid, now, ret_sequence);
    int parked = failed < 0 ? failed : retry_list(core, &hook->parked, uid, now, ret_sequence);

    return parked < 0 ? parked : failed == CORE_OK ? CORE_OK : parked;
}

static int drop_all_parked(struct core *core, struct hook *hook, uint32_t uid, int64_t now,
                           uint64_t *ret_sequence)
{
    int r = CORE_NOT_FOUND;

    while (r >= 0 && hook->parked.count > 0)
        r = hook_drop_parked(core, hook, uid, now, ret_sequence);
    return r;
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

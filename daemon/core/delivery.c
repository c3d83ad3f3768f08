/*
 * Delivering events to hooks: which events a hook must be shown, which delivery is next, and what
 * follows from its end. core/delivery.h has the rules, delivery.h how they are kept.
 */
#include "delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int core_hook_set_policy(struct core *core, unsigned index, const struct core_hook_policy *policy,
                         int64_t now)
{
    struct hook *hook = hook_at(core, index);
    uint64_t first, last;

    if (index >= CORE_HOOKS_MAX)
        return -EINVAL;
    if (!hook && policy->types == 0)
        return 0;
    bool is_new = !hook;
    hook = hook_get(core, index);
    if (!hook)
        return -ENOMEM;
    hook->policy = *policy;
    if (hook->known || policy->types == 0)
        return 0;
    core_event_range(core, &first, &last);
    hook->shown = last;
    int r = hook_spill(core, hook, now); /* its first place: there is nothing to give rows */
    hook->known = r == 0;
    if (r < 0 && is_new)
        hook_free(core, hook);
    return r;
}

/* --- showing --- */

static bool is_there(const struct hook *hook)
{
    return hook && hook->known && hook->policy.types != 0;
}

/* How many more events it may be shown. */
static uint64_t room(const struct hook *hook)
{
    uint64_t beyond = hook->shown - hook_place(hook);
    size_t count = hook->deliveries.count;

    if (beyond >= DELIVERY_WINDOW || count >= CORE_DELIVERIES_MAX)
        return 0;
    uint64_t window = DELIVERY_WINDOW - beyond, rows = CORE_DELIVERIES_MAX - count;
    return window < rows ? window : rows;
}

bool core_hook_wants(const struct core *core, unsigned index, uint64_t durable, uint64_t *ret_from,
                     uint64_t *ret_through)
{
    const struct hook *hook = hook_at(core, index);

    if (!core->started || !is_there(hook))
        return false;
    uint64_t last = core_event_through(core, durable), most = hook->shown + room(hook);
    uint64_t through = most < last ? most : last;
    if (through <= hook->shown)
        return false;
    *ret_from = hook->shown + 1;
    *ret_through = through;
    return true;
}

int core_hook_show(struct core *core, unsigned index, const struct core_event *event, int64_t now)
{
    struct hook *hook = hook_at(core, index);

    if (!is_there(hook) || event->number != hook->shown + 1 || room(hook) == 0)
        return -ESTALE;
    if (hook->policy.types >> event->type & 1 && !delivery_find(hook, event->number)) {
        int r = delivery_new(core, hook, event, now);
        if (r < 0)
            return r;
    }
    hook->shown = event->number;
    hook_record_place(core, hook, false, now);
    return 0;
}

int core_hook_skip(struct core *core, unsigned index, uint64_t through, int64_t now)
{
    struct hook *hook = hook_at(core, index);

    if (!is_there(hook))
        return -ESTALE;
    if (through > hook->shown)
        hook->shown = through;
    hook_record_place(core, hook, false, now);
    return 0;
}

/* --- delivering --- */

static void describe(const struct delivery *delivery, struct core_delivery *ret_delivery)
{
    const struct delivery_image *row = &delivery->row;

    *ret_delivery = (struct core_delivery){
        .hook = delivery->hook->index,
        .number = delivery->number,
        .epoch = row->epoch,
        .type = row->type,
        .state = delivery->running ? CORE_DELIVERY_RUNNING : row->state,
        .attempt = row->attempt,
        .first_failed_at = row->first_failed_at,
        .due_at = row->due_at,
        .customer = {delivery->customer, row->customer_length},
        .message = row->message,
        .status = row->status,
    };
}

/* It could deliver more than its window holds: what waits in there gets rows, and makes room. */
static void widen(struct core *core, struct hook *hook, int64_t now)
{
    if (hook->fresh > 0 && hook->shown - hook_place(hook) >= DELIVERY_WINDOW &&
        now >= hook->retry_at)
        (void)hook_spill(core, hook, now);
}

static bool next_of(struct core *core, struct hook *hook, int64_t now,
                    struct core_delivery *ret_delivery)
{
    if (!is_there(hook) || hook->running >= hook->policy.concurrency)
        return false;
    hook_fire(hook, now);
    struct lane *lane = hook->ready_first;
    if (!lane) {
        widen(core, hook, now);
        return false;
    }
    struct delivery *delivery = lane->first;
    delivery->running = true;
    lane->running = delivery;
    hook->running++;
    lane_update(hook, lane, now);
    describe(delivery, ret_delivery);
    return true;
}

bool core_next_delivery(struct core *core, int64_t now, struct core_delivery *ret_delivery)
{
    for (unsigned i = 0; core->started && i < CORE_HOOKS_MAX; i++) {
        unsigned index = (core->hook_turn + i) % CORE_HOOKS_MAX;
        if (!next_of(core, core->hooks[index], now, ret_delivery))
            continue;
        core->hook_turn = index + 1;
        return true;
    }
    return false;
}

/* At most what fits, no half of a character, and one line: it goes to logs and terminals. */
static void copy_message(struct delivery_image *row, struct core_text message)
{
    size_t length = message.length;

    if (length > sizeof(row->message) - 1) {
        length = sizeof(row->message) - 1;
        while (length > 0 && ((unsigned char)message.data[length] & 0xc0) == 0x80)
            length--;
    }
    memset(row->message, 0, sizeof(row->message));
    for (size_t i = 0; i < length; i++) {
        char c = message.data[i];
        row->message[i] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
    }
}

int core_delivery_done(struct core *core, unsigned index, uint64_t number,
                       enum core_delivery_end end, int status, struct core_text message,
                       int64_t now)
{
    struct hook *hook = hook_at(core, index);
    struct delivery *delivery = hook ? delivery_find(hook, number) : NULL;

    if (!delivery || !delivery->running || delivery->ended)
        return CORE_NOT_FOUND;
    delivery->end = end;
    if (end == CORE_DELIVERY_FAILURE) {
        delivery->row.status = status;
        copy_message(&delivery->row, message);
    }
    return hook_record_end(core, delivery, now);
}

bool core_delivery_get(const struct core *core, unsigned index, uint64_t number,
                       struct core_delivery *ret_delivery)
{
    const struct hook *hook = hook_at(core, index);
    const struct delivery *delivery = hook ? delivery_find(hook, number) : NULL;

    if (delivery)
        describe(delivery, ret_delivery);
    return delivery != NULL;
}

bool core_each_delivery(const struct core *core, unsigned index, size_t *position,
                        struct core_delivery *ret_delivery)
{
    const struct hook *hook = hook_at(core, index);
    const struct delivery *delivery = hook ? hook->first : NULL;

    /* The position is the next one's address; an odd one stands for the end. */
    if (*position != 0)
        delivery = *position == 1 ? NULL : (const struct delivery *)(uintptr_t)*position;
    if (!delivery)
        return false;
    describe(delivery, ret_delivery);
    *position = delivery->next ? (size_t)(uintptr_t)delivery->next : 1;
    return true;
}

uint64_t core_event_needed(const struct core *core, int64_t now, int64_t retention)
{
    uint64_t needed = subscribers_needed(core, now - retention);

    for (unsigned i = 0; i < CORE_HOOKS_MAX; i++) {
        const struct hook *hook = core->hooks[i];
        if (!hook || !hook->known)
            continue;
        uint64_t own = hook->row.number + 1;
        if (hook->first && hook->first->number < own)
            own = hook->first->number;
        needed = own < needed ? own : needed;
    }
    return needed;
}

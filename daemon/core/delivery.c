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

/* How many more events it may be shown. What is covered has no row and may not get one. */
static uint64_t room(const struct hook *hook)
{
    uint64_t beyond = hook->shown - hook_place(hook);
    size_t count = hook_rows(hook);

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
    if ((hook->pass_turn || through <= hook->shown) && pass_wants(hook, ret_from, ret_through))
        return true;
    if (through <= hook->shown)
        return false;
    *ret_from = hook->shown + 1;
    *ret_through = through;
    return true;
}

/* What a customer that is behind is not given now, it is given in a later pass. */
static bool is_to_keep(const struct core *core, const struct hook *hook,
                       const struct core_event *event)
{
    const struct lane *lane = lane_of(core, hook, event->customer);

    return hook->policy.types >> event->type & 1 && !(lane && lane->behind) &&
           !delivery_find(hook, event->number);
}

int core_hook_show(struct core *core, unsigned index, const struct core_event *event, int64_t now)
{
    struct hook *hook = hook_at(core, index);

    if (!is_there(hook))
        return -ESTALE;
    if (event->number <= hook->shown) {
        if (hook->passing == 0 || event->number != hook->scan)
            return -ESTALE;
        hook->pass_turn = false;
        return pass_show(core, hook, event, now);
    }
    if (event->number != hook->shown + 1 || room(hook) == 0)
        return -ESTALE;
    if (is_to_keep(core, hook, event)) {
        int r = delivery_new(core, hook, event, false, now);
        if (r < 0)
            return r;
    }
    hook->shown = event->number;
    hook->pass_turn = true;
    pass_skip(core, hook, 0, now);
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
    pass_skip(core, hook, through, now);
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
    delivery_set_running(delivery, true);
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
    if (end == CORE_DELIVERY_GONE && ++delivery->gone >= CORE_DELIVERY_GONE_MAX) {
        end = CORE_DELIVERY_FAILURE;
        status = 0;
    }
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

/* Not the event that it stands for alone, so neither its id nor its type. */
static void describe_behind(const struct hook *hook, const struct behind *behind,
                            struct core_delivery *ret_delivery)
{
    *ret_delivery = (struct core_delivery){
        .hook = hook->index,
        .number = behind_from(behind),
        .state = CORE_DELIVERY_BEHIND,
        .attempt = 1,
        .customer = {behind->customer, behind->row.customer_length},
        .message = "",
    };
}

#define POSITION_END 1u
#define POSITION_BEHIND 2u

static size_t position_after(const struct hook *hook, const struct delivery *delivery)
{
    const struct delivery *next = delivery->next;

    if (!next && delivery->parked)
        next = hook->open.first;
    if (next)
        return (size_t)(uintptr_t)next;
    return hook->behinds ? (size_t)(uintptr_t)hook->behinds | POSITION_BEHIND : POSITION_END;
}

/* The position is the next one's address, the lowest bits what it is. */
bool core_each_delivery(const struct core *core, unsigned index, size_t *position,
                        struct core_delivery *ret_delivery)
{
    const struct hook *hook = hook_at(core, index);

    if (!hook || *position == POSITION_END)
        return false;
    if (*position == 0) {
        const struct delivery *first = hook->parked.first ? hook->parked.first : hook->open.first;

        if (!first && !hook->behinds)
            return false;
        *position =
            first ? (size_t)(uintptr_t)first : (size_t)(uintptr_t)hook->behinds | POSITION_BEHIND;
    }
    if (*position & POSITION_BEHIND) {
        const struct behind *behind =
            (const struct behind *)(uintptr_t)(*position - POSITION_BEHIND);
        describe_behind(hook, behind, ret_delivery);
        *position = behind->next ? (size_t)(uintptr_t)behind->next | POSITION_BEHIND : POSITION_END;
        return true;
    }
    const struct delivery *delivery = (const struct delivery *)(uintptr_t)*position;
    describe(delivery, ret_delivery);
    *position = position_after(hook, delivery);
    return true;
}

/* The oldest of the list that is not older than the retention; they are in order. */
static uint64_t needed_of(const struct delivery_list *list, int64_t since)
{
    const struct delivery *delivery = list->first;

    while (delivery && delivery->row.created < since)
        delivery = delivery->next;
    return delivery ? delivery->number : UINT64_MAX;
}

static uint64_t hook_needed(const struct hook *hook, int64_t since)
{
    uint64_t needed = hook->row.moved_at >= since ? hook->row.number + 1 : UINT64_MAX;
    uint64_t open = needed_of(&hook->open, since), parked = needed_of(&hook->parked, since);

    needed = open < needed ? open : needed;
    needed = parked < needed ? parked : needed;
    for (const struct behind *behind = hook->behinds; behind; behind = behind->next)
        if (behind_from(behind) < needed && behind->row.created >= since)
            needed = behind_from(behind);
    return needed;
}

uint64_t core_event_needed(const struct core *core, int64_t now, int64_t retention)
{
    uint64_t needed = subscribers_needed(core, now - retention);

    for (unsigned i = 0; i < CORE_HOOKS_MAX; i++) {
        const struct hook *hook = core->hooks[i];
        uint64_t own = is_there(hook) ? hook_needed(hook, now - retention) : UINT64_MAX;

        needed = own < needed ? own : needed;
    }
    return needed;
}

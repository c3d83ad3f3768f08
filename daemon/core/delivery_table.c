/*
 * The hooks, their deliveries, and the lanes of customers; and how they come back at the start.
 */
#include "delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

_Static_assert(offsetof(struct delivery, customer) ==
                   offsetof(struct delivery, row) + sizeof(struct delivery_image),
               "row and customer are one image");

/* --- lanes --- */

static struct lane *lane_of(const struct core *core, const struct hook *hook,
                            const struct delivery *delivery, struct hash128 *ret_hash)
{
    *ret_hash = hash_bytes(&core->hash_key, delivery->customer, delivery->row.customer_length);
    const uint64_t *found = map_get(&hook->lanes, *ret_hash);
    return found ? (struct lane *)(uintptr_t)*found : NULL;
}

static struct lane *lane_get(const struct core *core, struct hook *hook,
                             const struct delivery *delivery)
{
    struct hash128 hash;
    struct lane *lane = lane_of(core, hook, delivery, &hash);

    if (lane)
        return lane;
    if (heap_reserve(&hook->due, hook->lanes.count + 1) < 0)
        return NULL;
    lane = calloc(1, sizeof(*lane));
    if (!lane)
        return NULL;
    lane->hash = hash;
    if (map_put(&hook->lanes, hash, (uint64_t)(uintptr_t)lane) < 0) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void unready(struct hook *hook, struct lane *lane)
{
    if (!lane->ready)
        return;
    if (lane->ready_previous)
        lane->ready_previous->ready_next = lane->ready_next;
    else
        hook->ready_first = lane->ready_next;
    if (lane->ready_next)
        lane->ready_next->ready_previous = lane->ready_previous;
    else
        hook->ready_last = lane->ready_previous;
    lane->ready_next = lane->ready_previous = NULL;
    lane->ready = false;
}

static void make_ready(struct hook *hook, struct lane *lane)
{
    if (lane->ready)
        return;
    lane->ready = true;
    lane->ready_previous = hook->ready_last;
    if (hook->ready_last)
        hook->ready_last->ready_next = lane;
    else
        hook->ready_first = lane;
    hook->ready_last = lane;
}

void lane_update(struct hook *hook, struct lane *lane, int64_t now)
{
    const struct delivery *first = lane->first;

    heap_remove(&hook->due, &lane->due);
    if (first && !lane->running &&
        !(first->row.state == CORE_DELIVERY_FAILED && first->row.due_at > now)) {
        make_ready(hook, lane); /* one that was ready keeps its turn */
        return;
    }
    unready(hook, lane);
    if (first && !lane->running) {
        heap_set(&hook->due, &lane->due, first->row.due_at);
    } else if (!first) {
        map_remove(&hook->lanes, lane->hash);
        free(lane);
    }
}

void hook_fire(struct hook *hook, int64_t now)
{
    struct heap_node *node;

    while ((node = heap_first(&hook->due)) && node->key <= now)
        lane_update(hook, CONTAINER_OF(node, struct lane, due), now);
}

/* In its place by number, looked for from the end. */
static void lane_insert(struct lane *lane, struct delivery *delivery)
{
    struct delivery *after = lane->last;

    while (after && after->number > delivery->number)
        after = after->lane_previous;
    delivery->lane_previous = after;
    delivery->lane_next = after ? after->lane_next : lane->first;
    if (delivery->lane_next)
        delivery->lane_next->lane_previous = delivery;
    else
        lane->last = delivery;
    if (after)
        after->lane_next = delivery;
    else
        lane->first = delivery;
    delivery->lane = lane;
}

static void leave_lane(struct hook *hook, struct delivery *delivery, int64_t now)
{
    struct lane *lane = delivery->lane;

    if (!lane)
        return;
    if (delivery->lane_previous)
        delivery->lane_previous->lane_next = delivery->lane_next;
    else
        lane->first = delivery->lane_next;
    if (delivery->lane_next)
        delivery->lane_next->lane_previous = delivery->lane_previous;
    else
        lane->last = delivery->lane_previous;
    delivery->lane_next = delivery->lane_previous = NULL;
    delivery->lane = NULL;
    if (lane->running == delivery)
        lane->running = NULL;
    lane_update(hook, lane, now);
}

void delivery_park(struct hook *hook, struct delivery *delivery, int64_t now)
{
    leave_lane(hook, delivery, now);
}

int delivery_unpark(struct core *core, struct hook *hook, struct delivery *delivery)
{
    struct lane *lane = lane_get(core, hook, delivery);

    if (!lane)
        return -ENOMEM;
    lane_insert(lane, delivery);
    return 0;
}

/* --- deliveries --- */

struct delivery *delivery_find(const struct hook *hook, uint64_t number)
{
    const uint64_t *found = map_get(&hook->deliveries, hash_number(number));
    return found ? (struct delivery *)(uintptr_t)*found : NULL;
}

static int make(struct hook *hook, uint64_t number, const struct delivery_image *row,
                const char *customer, struct delivery **ret_delivery)
{
    struct delivery *delivery = calloc(1, sizeof(*delivery) + row->customer_length);

    if (!delivery)
        return -ENOMEM;
    delivery->hook = hook;
    delivery->number = number;
    delivery->row = *row;
    if (row->customer_length)
        memcpy(delivery->customer, customer, row->customer_length);
    int r = map_put(&hook->deliveries, hash_number(number), (uint64_t)(uintptr_t)delivery);
    if (r < 0) {
        free(delivery);
        return r;
    }
    *ret_delivery = delivery;
    return 0;
}

static void link_last(struct hook *hook, struct delivery *delivery)
{
    delivery->previous = hook->last;
    if (hook->last)
        hook->last->next = delivery;
    else
        hook->first = delivery;
    hook->last = delivery;
}

static void link_fresh(struct hook *hook, struct delivery *delivery)
{
    delivery->fresh_previous = hook->fresh_last;
    if (hook->fresh_last)
        hook->fresh_last->fresh_next = delivery;
    else
        hook->fresh_first = delivery;
    hook->fresh_last = delivery;
    hook->fresh++;
}

void delivery_unfresh(struct hook *hook, struct delivery *delivery)
{
    if (delivery->fresh_previous)
        delivery->fresh_previous->fresh_next = delivery->fresh_next;
    else
        hook->fresh_first = delivery->fresh_next;
    if (delivery->fresh_next)
        delivery->fresh_next->fresh_previous = delivery->fresh_previous;
    else
        hook->fresh_last = delivery->fresh_previous;
    delivery->fresh_next = delivery->fresh_previous = NULL;
    hook->fresh--;
}

int delivery_new(struct core *core, struct hook *hook, const struct core_event *event, int64_t now)
{
    struct delivery_image row = {
        .created = event->created,
        .epoch = event->epoch,
        .type = event->type,
        .state = CORE_DELIVERY_WAITING,
        .attempt = 1,
        .customer_length = (uint16_t)event->customer.length,
    };
    struct delivery *delivery;

    int r = make(hook, event->number, &row, event->customer.data, &delivery);
    if (r < 0)
        return r;
    struct lane *lane = lane_get(core, hook, delivery);
    if (!lane) {
        map_remove(&hook->deliveries, hash_number(event->number));
        free(delivery);
        return -ENOMEM;
    }
    link_last(hook, delivery);
    link_fresh(hook, delivery);
    lane_insert(lane, delivery);
    lane_update(hook, lane, now);
    return 0;
}

void delivery_free(struct hook *hook, struct delivery *delivery, int64_t now)
{
    leave_lane(hook, delivery, now);
    if (delivery->previous)
        delivery->previous->next = delivery->next;
    else
        hook->first = delivery->next;
    if (delivery->next)
        delivery->next->previous = delivery->previous;
    else
        hook->last = delivery->previous;
    map_remove(&hook->deliveries, hash_number(delivery->number));
    free(delivery);
}

/* --- hooks --- */

struct hook *hook_get(struct core *core, unsigned index)
{
    struct hook *hook = hook_at(core, index);

    if (hook || index >= CORE_HOOKS_MAX)
        return hook;
    hook = calloc(1, sizeof(*hook));
    if (!hook)
        return NULL;
    hook->index = index;
    map_init(&hook->deliveries);
    map_init(&hook->lanes);
    heap_init(&hook->due);
    core->hooks[index] = hook;
    return hook;
}

void hook_free(struct core *core, struct hook *hook)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&hook->deliveries, &position));)
        free((struct delivery *)(uintptr_t)entry->value);
    for (size_t position = 0; (entry = map_next(&hook->lanes, &position));)
        free((struct lane *)(uintptr_t)entry->value);
    map_deinit(&hook->deliveries);
    map_deinit(&hook->lanes);
    heap_deinit(&hook->due);
    core->hooks[hook->index] = NULL;
    free(hook);
}

uint64_t hook_place(const struct hook *hook)
{
    uint64_t place = hook->fresh_first ? hook->fresh_first->number - 1 : hook->shown;
    return place > hook->row.number ? place : hook->row.number;
}

void deliveries_deinit(struct core *core)
{
    for (unsigned i = 0; i < CORE_HOOKS_MAX; i++)
        if (core->hooks[i])
            hook_free(core, core->hooks[i]);
}

/* --- start --- */

static int load_hook(struct core *core, unsigned index, const void *value, size_t value_length)
{
    struct hook *hook = hook_at(core, index);

    if (value_length == 0) {
        if (hook)
            hook_free(core, hook);
        return 0;
    }
    if (value_length != sizeof(hook->row))
        return -EBADMSG;
    hook = hook_get(core, index);
    if (!hook)
        return -ENOMEM;
    memcpy(&hook->row, value, value_length);
    hook->known = true;
    return 0;
}

static int load_delivery(struct core *core, unsigned index, uint64_t number, const void *value,
                         size_t value_length)
{
    struct hook *hook = hook_get(core, index);
    struct delivery_image row;

    if (!hook)
        return -ENOMEM;
    struct delivery *old = delivery_find(hook, number), *delivery;
    if (value_length != 0) {
        if (value_length < sizeof(row))
            return -EBADMSG;
        memcpy(&row, value, sizeof(row));
        bool good = row.customer_length == value_length - sizeof(row) &&
                    row.state >= CORE_DELIVERY_WAITING && row.state <= CORE_DELIVERY_PARKED &&
                    row.attempt > 0 && memchr(row.message, 0, sizeof(row.message));
        if (!good)
            return -EBADMSG;
    }
    if (old) { /* nothing is linked before the start */
        map_remove(&hook->deliveries, hash_number(number));
        free(old);
    }
    if (value_length == 0)
        return 0;
    int r = make(hook, number, &row, (const char *)value + sizeof(row), &delivery);
    if (r == 0)
        delivery->has_row = true;
    return r;
}

int delivery_load(struct core *core, enum record_table table, const void *key, size_t key_length,
                  const void *value, size_t value_length)
{
    const uint8_t *bytes = key;
    uint64_t number = 0;

    if (key_length != (table == TABLE_HOOK ? 1 : DELIVERY_KEY_SIZE) || bytes[0] >= CORE_HOOKS_MAX)
        return -EBADMSG;
    if (table == TABLE_HOOK)
        return load_hook(core, bytes[0], value, value_length);
    for (unsigned i = 1; i < DELIVERY_KEY_SIZE; i++)
        number = number << 8 | bytes[i];
    return load_delivery(core, bytes[0], number, value, value_length);
}

static int compare(const void *left, const void *right)
{
    uint64_t a = (*(struct delivery *const *)left)->number;
    uint64_t b = (*(struct delivery *const *)right)->number;

    return a < b ? -1 : a > b;
}

static int start_hook(struct core *core, struct hook *hook, int64_t now)
{
    struct delivery **all = calloc(hook->deliveries.count + 1, sizeof(struct delivery *));
    const struct map_entry *entry;
    size_t count = 0;
    int r = 0;

    if (!all)
        return -ENOMEM;
    for (size_t position = 0; (entry = map_next(&hook->deliveries, &position));)
        all[count++] = (struct delivery *)(uintptr_t)entry->value;
    qsort(all, count, sizeof(struct delivery *), compare);
    for (size_t i = 0; r == 0 && i < count; i++) {
        link_last(hook, all[i]);
        if (all[i]->row.state == CORE_DELIVERY_PARKED)
            continue;
        r = delivery_unpark(core, hook, all[i]);
        if (r == 0)
            lane_update(hook, all[i]->lane, now);
    }
    free(all);
    hook->shown = hook->row.number;
    return r;
}

int deliveries_start(struct core *core, int64_t now)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < CORE_HOOKS_MAX; i++)
        if (core->hooks[i])
            r = start_hook(core, core->hooks[i], now);
    return r;
}

/* --- for core_check --- */

static const char *check_lane(const struct lane *lane)
{
    const struct delivery *first = lane->first;

    if (!first)
        return "a lane is empty";
    for (const struct delivery *delivery = first; delivery; delivery = delivery->lane_next)
        if (delivery->lane_next && delivery->lane_next->number <= delivery->number)
            return "the deliveries of a customer are out of order";
    if (lane->running && (lane->ready || lane->due.place))
        return "two deliveries of one customer at a time";
    if (!lane->running && !lane->ready && !lane->due.place)
        return "a customer's deliveries are forgotten";
    return NULL;
}

static const char *check_hook(const struct hook *hook)
{
    size_t count = 0, fresh = 0, running = 0, ended = 0;
    const struct map_entry *entry;
    const char *what = NULL;

    for (const struct delivery *delivery = hook->first; delivery; delivery = delivery->next) {
        count++;
        fresh += !delivery->has_row;
        running += delivery->running;
        ended += delivery->ended;
        if (delivery->has_row && delivery->number > hook->row.number)
            return "a delivery has a row beyond its hook's place";
        if (!delivery->has_row && delivery->number <= hook->row.number)
            return "a delivery before its hook's place has no row";
        if (!delivery->lane != (delivery->row.state == CORE_DELIVERY_PARKED))
            return "a parked delivery is in the way, or another one in none";
    }
    for (size_t position = 0; !what && (entry = map_next(&hook->lanes, &position));)
        what = check_lane((const struct lane *)(uintptr_t)entry->value);
    if (!what && (count != hook->deliveries.count || fresh != hook->fresh ||
                  running != hook->running || ended != hook->ended))
        what = "the numbers of deliveries are wrong";
    if (!what && fresh > DELIVERY_WINDOW)
        what = "more events are shown than a record can have rows for";
    return what;
}

const char *deliveries_check(const struct core *core)
{
    const char *what = NULL;

    for (unsigned i = 0; core->started && !what && i < CORE_HOOKS_MAX; i++)
        if (core->hooks[i])
            what = check_hook(core->hooks[i]);
    return what;
}

/*
 * The hooks, their deliveries, and the lanes of customers.
 */
#include "delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

_Static_assert(offsetof(struct delivery, customer) ==
                   offsetof(struct delivery, row) + sizeof(struct delivery_image),
               "row and customer are one image");

/* --- lists --- */

void delivery_list_insert(struct delivery_list *list, struct delivery *delivery)
{
    bool is_last = list->last && list->last->number < delivery->number;
    struct delivery *after = is_last || !list->hint ? list->last : list->hint;

    while (after && after->next && after->next->number < delivery->number)
        after = after->next;
    while (after && after->number > delivery->number)
        after = after->previous;
    delivery->previous = after;
    delivery->next = after ? after->next : list->first;
    if (delivery->next)
        delivery->next->previous = delivery;
    else
        list->last = delivery;
    if (after)
        after->next = delivery;
    else
        list->first = delivery;
    if (!is_last) /* what is new must not lead away from where a pass is */
        list->hint = delivery;
    list->count++;
}

static void list_take_out(struct delivery_list *list, struct delivery *delivery)
{
    if (delivery->previous)
        delivery->previous->next = delivery->next;
    else
        list->first = delivery->next;
    if (delivery->next)
        delivery->next->previous = delivery->previous;
    else
        list->last = delivery->previous;
    if (list->hint == delivery)
        list->hint = delivery->previous;
    delivery->next = delivery->previous = NULL;
    list->count--;
}

/* --- lanes --- */

static struct hash128 hash_of(const struct core *core, struct core_text customer)
{
    return hash_bytes(&core->hash_key, customer.data, customer.length);
}

struct lane *lane_of(const struct core *core, const struct hook *hook, struct core_text customer)
{
    const uint64_t *found = map_get(&hook->lanes, hash_of(core, customer));
    return found ? (struct lane *)(uintptr_t)*found : NULL;
}

struct lane *lane_get(const struct core *core, struct hook *hook, struct core_text customer)
{
    struct lane *lane = lane_of(core, hook, customer);

    if (lane)
        return lane;
    if (heap_reserve(&hook->due, hook->lanes.count + 1) < 0)
        return NULL;
    lane = calloc(1, sizeof(*lane));
    if (!lane)
        return NULL;
    lane->hash = hash_of(core, customer);
    if (map_put(&hook->lanes, lane->hash, (uint64_t)(uintptr_t)lane) < 0) {
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
        behind_update(hook, lane);
        return;
    }
    unready(hook, lane);
    if (first && !lane->running)
        heap_set(&hook->due, &lane->due, first->row.due_at);
    if (first || lane->behind) {
        behind_update(hook, lane);
        return;
    }
    map_remove(&hook->lanes, lane->hash);
    free(lane);
}

void hook_fire(struct hook *hook, int64_t now)
{
    struct heap_node *node;

    while ((node = heap_first(&hook->due)) && node->key <= now)
        lane_update(hook, CONTAINER_OF(node, struct lane, due), now);
}

/* In its place by number, looked for from the end; but what was parked mostly comes first. */
static void lane_insert(struct lane *lane, struct delivery *delivery)
{
    bool is_first = lane->first && delivery->number < lane->first->number;
    struct delivery *after = is_first ? NULL : lane->last;

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
    if (delivery->covered)
        delivery_uncover(delivery);
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

/* In the sums, or out of them. */
static void tally(struct delivery *delivery, bool in)
{
    struct hook *hook = delivery->hook;
    size_t one = in ? 1 : SIZE_MAX;

    if (delivery->parked || delivery->running)
        return;
    if (delivery->row.state == CORE_DELIVERY_WAITING)
        hook->waiting += one;
    else if (delivery->row.state == CORE_DELIVERY_FAILED)
        hook->failed += one;
}

void delivery_set_row(struct delivery *delivery, const struct delivery_image *row)
{
    tally(delivery, false);
    delivery->row = *row;
    tally(delivery, true);
}

void delivery_set_running(struct delivery *delivery, bool running)
{
    tally(delivery, false);
    delivery->running = running;
    tally(delivery, true);
}

void delivery_enter(struct hook *hook, struct lane *lane, struct delivery *delivery)
{
    delivery_list_insert(&hook->open, delivery);
    lane_insert(lane, delivery);
    delivery->parked = false;
    tally(delivery, true);
}

void delivery_park(struct hook *hook, struct delivery *delivery, int64_t now)
{
    leave_lane(hook, delivery, now);
    tally(delivery, false);
    list_take_out(&hook->open, delivery);
    delivery_list_insert(&hook->parked, delivery);
    delivery->parked = true;
}

int delivery_unpark(struct core *core, struct hook *hook, struct delivery *delivery)
{
    struct core_text customer = {delivery->customer, delivery->row.customer_length};
    struct lane *lane = lane_get(core, hook, customer);

    if (!lane)
        return -ENOMEM;
    list_take_out(&hook->parked, delivery);
    delivery_enter(hook, lane, delivery);
    return 0;
}

/* --- deliveries --- */

struct delivery *delivery_find(const struct hook *hook, uint64_t number)
{
    const uint64_t *found = map_get(&hook->deliveries, hash_number(number));
    return found ? (struct delivery *)(uintptr_t)*found : NULL;
}

int delivery_make(struct hook *hook, uint64_t number, const struct delivery_image *row,
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

static void cover(struct delivery *delivery)
{
    delivery->covered = true;
    delivery->lane->behind->covered++;
    delivery->hook->covered++;
}

void delivery_uncover(struct delivery *delivery)
{
    delivery->covered = false;
    delivery->lane->behind->covered--;
    delivery->hook->covered--;
}

int delivery_new(struct core *core, struct hook *hook, const struct core_event *event, bool covered,
                 int64_t now)
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

    int r = delivery_make(hook, event->number, &row, event->customer.data, &delivery);
    if (r < 0)
        return r;
    struct lane *lane = lane_get(core, hook, event->customer);
    if (!lane) {
        map_remove(&hook->deliveries, hash_number(event->number));
        free(delivery);
        return -ENOMEM;
    }
    delivery_enter(hook, lane, delivery);
    if (covered)
        cover(delivery);
    else
        link_fresh(hook, delivery);
    lane_update(hook, lane, now);
    return 0;
}

void delivery_free(struct hook *hook, struct delivery *delivery, int64_t now)
{
    leave_lane(hook, delivery, now);
    tally(delivery, false);
    list_take_out(delivery->parked ? &hook->parked : &hook->open, delivery);
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
    while (hook->behinds)
        behind_free(hook, hook->behinds);
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

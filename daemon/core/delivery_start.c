/*
 * How hooks and their deliveries come back at the start, and whether all is as it should be.
 */
#include "delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
                    row.state >= CORE_DELIVERY_WAITING && row.state <= CORE_DELIVERY_BEHIND &&
                    (row.state == CORE_DELIVERY_BEHIND) == (number >= DELIVERY_BEHIND_BIT) &&
                    row.after <= (row.state == CORE_DELIVERY_BEHIND) && row.attempt > 0 &&
                    memchr(row.message, 0, sizeof(row.message));
        if (!good)
            return -EBADMSG;
    }
    if (old) { /* nothing is linked before the start */
        map_remove(&hook->deliveries, hash_number(number));
        free(old);
    }
    if (value_length == 0)
        return 0;
    int r = delivery_make(hook, number, &row, (const char *)value + sizeof(row), &delivery);
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

static int start_behind(struct hook *hook, struct lane *lane, struct delivery *delivery)
{
    const struct delivery_image *row = &delivery->row;

    if (lane->behind)
        return -EBADMSG;
    struct behind *behind =
        behind_new(hook, lane, delivery->number - DELIVERY_BEHIND_BIT, row, delivery->customer);
    if (!behind)
        return -ENOMEM;
    behind->has_row = true;
    map_remove(&hook->deliveries, hash_number(delivery->number));
    free(delivery);
    return 0;
}

static int start_delivery(struct core *core, struct hook *hook, struct delivery *delivery,
                          int64_t now)
{
    struct core_text customer = {delivery->customer, delivery->row.customer_length};
    int r = 0;

    if (delivery->row.state == CORE_DELIVERY_PARKED) {
        delivery->parked = true;
        delivery_list_insert(&hook->parked, delivery);
        return 0;
    }
    struct lane *lane = lane_get(core, hook, customer);
    if (!lane)
        return -ENOMEM;
    if (delivery->row.state == CORE_DELIVERY_BEHIND)
        r = start_behind(hook, lane, delivery);
    else
        delivery_enter(hook, lane, delivery);
    lane_update(hook, lane, now);
    return r;
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
    hook->shown = hook->row.number;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = start_delivery(core, hook, all[i], now);
    free(all);
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

static const char *check_lane(const struct hook *hook, const struct lane *lane)
{
    const struct delivery *first = lane->first;
    const struct behind *behind = lane->behind;
    size_t covered = 0;

    if (!first && !behind)
        return "a lane is empty";
    for (const struct delivery *delivery = first; delivery; delivery = delivery->lane_next) {
        covered += delivery->covered;
        if (delivery->lane_next && delivery->lane_next->number <= delivery->number)
            return "the deliveries of a customer are out of order";
        if (delivery->covered ? !behind || delivery->number < behind_from(behind)
                              : behind && delivery->number >= behind_from(behind))
            return "a delivery is on the wrong side of its customer's row";
        if (behind && delivery_is_fresh(delivery))
            return "a customer is behind, and has something that is fresh";
    }
    if (lane->running && (lane->ready || lane->due.place))
        return "two deliveries of one customer at a time";
    if (first && !lane->running && !lane->ready && !lane->due.place)
        return "a customer's deliveries are forgotten";
    if (behind && (!behind->has_row || behind->covered != covered || covered > LANE_BATCH ||
                   behind_from(behind) > hook->row.number + 1))
        return "the row of a customer that is behind is wrong";
    if (behind && !first && !behind->passing && hook->passing == 0 &&
        behind->position <= hook->shown)
        return "a customer that is behind is forgotten";
    return NULL;
}

static const char *check_list(const struct hook *hook, const struct delivery_list *list,
                              bool parked)
{
    size_t count = 0;

    for (const struct delivery *delivery = list->first; delivery; delivery = delivery->next) {
        count++;
        if (delivery->next && delivery->next->number <= delivery->number)
            return "the deliveries of a hook are out of order";
        if (delivery->has_row && delivery->number > hook->row.number)
            return "a delivery has a row beyond its hook's place";
        if (delivery_is_fresh(delivery) && delivery->number <= hook->row.number)
            return "a delivery before its hook's place has no row";
        if (delivery->parked != parked || !delivery->lane != parked ||
            (delivery->row.state == CORE_DELIVERY_PARKED) != parked)
            return "a parked delivery is in the way, or another one in none";
    }
    return count != list->count ? "the deliveries of a hook are too many or too few" : NULL;
}

static const char *check_behinds(const struct hook *hook)
{
    size_t count = 0, hungry = 0, passing = 0, covered = 0;

    for (const struct behind *behind = hook->behinds; behind; behind = behind->next) {
        count++;
        hungry += behind->hungry;
        passing += behind->passing;
        covered += behind->covered;
    }
    if (covered != hook->covered || count != hook->behind_count || hungry != hook->hungry ||
        passing != hook->passing)
        return "the numbers of customers that are behind are wrong";
    return NULL;
}

static const char *check_hook(const struct hook *hook)
{
    size_t fresh = 0, running = 0, ended = 0, waiting = 0, failed = 0;
    const struct map_entry *entry;
    const char *what = check_list(hook, &hook->open, false);

    if (!what)
        what = check_list(hook, &hook->parked, true);
    if (!what)
        what = check_behinds(hook);
    for (const struct delivery *delivery = hook->open.first; delivery; delivery = delivery->next) {
        fresh += delivery_is_fresh(delivery);
        running += delivery->running;
        ended += delivery->ended;
        waiting += !delivery->running && delivery->row.state == CORE_DELIVERY_WAITING;
        failed += !delivery->running && delivery->row.state == CORE_DELIVERY_FAILED;
    }
    for (size_t position = 0; !what && (entry = map_next(&hook->lanes, &position));)
        what = check_lane(hook, (const struct lane *)(uintptr_t)entry->value);
    if (!what && (hook->open.count + hook->parked.count != hook->deliveries.count ||
                  fresh != hook->fresh || running != hook->running || ended != hook->ended ||
                  waiting != hook->waiting || failed != hook->failed))
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

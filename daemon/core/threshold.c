/*
 * What a new balance raises: low, recovered, exhausted, overdrawn.
 *
 * A balance that a deduction leaves at a threshold or below raises credits.low, once for each; how
 * many of its thresholds (the highest first) have been told is kept in its row's flags. It must
 * rise above one, which raises credits.recovered, before that one is told again.
 *
 * A count means nothing under other thresholds than those it was made under, so the row says, in
 * sixteen bits, which these were. After a reload with others nothing is told by itself; when the
 * row next changes, a balance of which anything had been told counts as told of each new threshold
 * that it was at or below by then: whoever asked to hear of it knows that it is low, and hears when
 * it has risen above that one. Those further down, and all of a balance of which nothing had been
 * told, are told by the next deduction that finds it there. Rows from before the count was kept
 * have CORE_ROW_LOW alone, and are read in the same way.
 */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOLD_SHIFT 8 /* four bits: how many have been told */
#define TOLD_MASK 0xfu
#define TAG_SHIFT 16 /* sixteen: of which list */
#define TOLD_BITS (CORE_ROW_LOW | TOLD_MASK << TOLD_SHIFT | 0xffffu << TAG_SHIFT)

_Static_assert(CORE_THRESHOLDS_MAX <= TOLD_MASK, "as many as can be counted in the flags");

/* --- lists --- */

void thresholds_make(const int64_t *items, size_t count, struct thresholds *ret_list)
{
    struct thresholds list = {.count = (uint32_t)count};

    memcpy(list.items, items, count * sizeof(*items));
    uint32_t hash = crc32c(0, list.items, count * sizeof(*items));
    list.tag = (hash ^ hash >> 16) & 0xffffu;
    *ret_list = list;
}

int core_thresholds_set(struct core *core, struct core_text id, const int64_t *items, size_t count)
{
    if (count > CORE_THRESHOLDS_MAX)
        return -EINVAL;
    for (size_t i = 1; i < count; i++)
        if (items[i] >= items[i - 1])
            return -EINVAL;
    uint32_t index = product_get(core, id);
    struct thresholds *list = count ? malloc(sizeof(*list)) : NULL;
    if (index == NO_PRODUCT || (count && !list)) {
        free(list);
        return -ENOMEM;
    }
    if (list)
        thresholds_make(items, count, list);
    free(core->products[index].thresholds);
    core->products[index].thresholds = list;
    product_tidy(core, index);
    return CORE_OK;
}

void core_thresholds_reset(struct core *core)
{
    for (uint32_t i = 0; i < core->product_count; i++) {
        struct thresholds *list = core->products[i].thresholds;
        core->products[i].thresholds = NULL;
        if (list)
            product_tidy(core, i);
        free(list);
    }
}

static const struct thresholds *list_of(const struct core *core, const struct balance *balance)
{
    const struct thresholds *own = core->products[balance->product].thresholds;
    return own ? own : &core->thresholds;
}

/* --- what has been told --- */

static uint32_t count_at(const struct thresholds *list, int64_t available)
{
    uint32_t count = 0;

    while (count < list->count && list->items[count] >= available)
        count++;
    return count;
}

static uint32_t told(const struct thresholds *list, const struct core_row *row)
{
    uint32_t count = row->flags >> TOLD_SHIFT & TOLD_MASK;

    if (!(row->flags & CORE_ROW_LOW))
        return 0;
    if (count > 0 && count <= list->count && row->flags >> TAG_SHIFT == list->tag)
        return count;
    return count_at(list, row_available(row)); /* told under other thresholds */
}

static void set_told(const struct thresholds *list, struct core_row *row, uint32_t count)
{
    row->flags &= ~(uint32_t)TOLD_BITS;
    if (count > 0)
        row->flags |= CORE_ROW_LOW | count << TOLD_SHIFT | list->tag << TAG_SHIFT;
}

uint32_t crossing(const struct core *core, const struct balance *balance, struct core_row *row,
                  bool spent)
{
    const struct thresholds *list = list_of(core, balance);
    int64_t available = row_available(row);
    uint32_t before = told(list, balance->row), now = count_at(list, available), events = 0;

    if (now < before)
        events |= CORE_EVENT_BIT(CREDITS_RECOVERED);
    else if (now > before && spent)
        events |= CORE_EVENT_BIT(CREDITS_LOW);
    else
        now = before;
    set_told(list, row, now);

    if (available > 0) {
        row->flags &= ~(uint32_t)CORE_ROW_EXHAUSTED;
    } else if (spent && !(row->flags & CORE_ROW_EXHAUSTED)) {
        row->flags |= CORE_ROW_EXHAUSTED;
        events |= CORE_EVENT_BIT(CREDITS_EXHAUSTED);
    }

    if (available >= 0) {
        row->flags &= ~(uint32_t)CORE_ROW_OVERDRAWN;
    } else if (!(row->flags & CORE_ROW_OVERDRAWN)) {
        row->flags |= CORE_ROW_OVERDRAWN;
        events |= CORE_EVENT_BIT(CREDITS_OVERDRAWN);
    }
    return events;
}

/* --- as rows --- */

/* The thresholds that lie between what was told and what is told now, each an event of its own. */
static int add_thresholds(struct core *core, struct append *append, const struct balance *balance,
                          const struct core_row *row, struct event_note *note)
{
    const struct thresholds *list = list_of(core, balance);
    uint32_t before = told(list, balance->row), now = told(list, row);
    bool is_low = note->type == CORE_EVENT_CREDITS_LOW;
    int r = 0;

    assert(is_low ? now > before : now < before);
    for (uint32_t i = before; r == 0 && i != now; i += is_low ? 1u : -1u) {
        note->value = list->items[is_low ? i : i - 1];
        r = event_log_add(core, append, note);
    }
    return r;
}

int crossing_add(struct core *core, struct append *append, const struct balance *balance,
                 const struct core_row *row, uint32_t events)
{
    struct event_note note = {.customer = balance_customer(balance),
                              .product = balance_product(balance)};
    int r = 0;

    for (unsigned type = 0; r == 0 && events >> type != 0; type++) {
        if (!(events >> type & 1))
            continue;
        note.type = (enum core_event_type)type;
        note.value = 0;
        if (type == CORE_EVENT_CREDITS_LOW || type == CORE_EVENT_CREDITS_RECOVERED)
            r = add_thresholds(core, append, balance, row, &note);
        else
            r = event_log_add(core, append, &note);
    }
    return r;
}

/*
 * Lanes that are behind: those of customers for which more waits than is kept. When a lane has
 * worked off what it has, it takes part in the next pass, in which the hook is shown the events
 * before its place once more, from the first number that any of these lanes is missing. A lane that
 * has got its batch leaves the pass; for the others the pass ends at the place, and they have
 * caught up. One pass for many, or as many passes over the same events as there are customers.
 */
#include "delivery.h"

#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define PAGE 256u

_Static_assert(offsetof(struct behind, customer) ==
                   offsetof(struct behind, row) + sizeof(struct delivery_image),
               "row and customer are one image");

struct behind *behind_new(struct hook *hook, struct lane *lane, uint64_t number,
                          const struct delivery_image *row, const char *customer)
{
    struct behind *behind = calloc(1, sizeof(*behind) + row->customer_length);

    if (!behind)
        return NULL;
    behind->lane = lane;
    behind->number = number;
    behind->row = *row;
    behind->row.state = CORE_DELIVERY_BEHIND;
    behind->position = behind_from(behind);
    if (row->customer_length)
        memcpy(behind->customer, customer, row->customer_length);
    behind->next = hook->behinds;
    if (behind->next)
        behind->next->previous = behind;
    hook->behinds = behind;
    hook->behind_count++;
    lane->behind = behind;
    return behind;
}

static void leave_pass(struct hook *hook, struct behind *behind, uint64_t position)
{
    behind->passing = false;
    behind->position = position;
    hook->passing--;
}

void behind_free(struct hook *hook, struct behind *behind)
{
    if (behind->passing)
        leave_pass(hook, behind, hook->scan);
    hook->hungry -= behind->hungry;
    if (behind->previous)
        behind->previous->next = behind->next;
    else
        hook->behinds = behind->next;
    if (behind->next)
        behind->next->previous = behind->previous;
    hook->behind_count--;
    behind->lane->behind = NULL;
    free(behind);
}

static uint64_t position_of(const struct hook *hook, const struct behind *behind)
{
    bool pass_is_further = behind->passing && hook->scan > behind->position;
    return pass_is_further ? hook->scan : behind->position;
}

bool behind_has_more(const struct hook *hook, const struct behind *behind)
{
    return position_of(hook, behind) <= hook->shown;
}

/* --- passes --- */

/* All that wait for one, and miss something. */
static void pass_begin(struct hook *hook)
{
    if (hook->passing > 0 || hook->hungry == 0)
        return;
    hook->scan = UINT64_MAX;
    for (struct behind *behind = hook->behinds; behind; behind = behind->next) {
        if (!behind->hungry || behind->position > hook->shown)
            continue;
        behind->hungry = false;
        behind->passing = true;
        hook->hungry--;
        hook->passing++;
        if (behind->position < hook->scan)
            hook->scan = behind->position;
    }
}

bool behind_is_over(const struct hook *hook)
{
    return hook->passing == 0 && hook->hungry > 0;
}

void behind_end(struct core *core, struct hook *hook, int64_t now)
{
    struct behind *next;
    int r = 0;

    for (struct behind *behind = hook->behinds; r == 0 && behind; behind = next) {
        struct lane *lane = behind->lane;

        next = behind->next;
        if (!behind->hungry)
            continue;
        r = behind_record_end(core, hook, behind, now);
        lane_update(hook, lane, now);
    }
}

void behind_update(struct hook *hook, struct lane *lane)
{
    struct behind *behind = lane->behind;

    if (!behind)
        return;
    bool hungry = !lane->first && !behind->passing;
    hook->hungry += hungry;
    hook->hungry -= behind->hungry;
    behind->hungry = hungry;
    pass_begin(hook);
}

/* Whoever has got nothing has caught up. That cannot be recorded now? Then it is behind still, by
 * nothing. */
static void pass_end(struct core *core, struct hook *hook, int64_t now)
{
    struct behind *next;
    size_t left = hook->passing; /* the next pass may begin within */

    for (struct behind *behind = hook->behinds; behind && left > 0; behind = next) {
        struct lane *lane = behind->lane;

        next = behind->next;
        if (!behind->passing)
            continue;
        left--;
        leave_pass(hook, behind, hook->scan);
        if (behind->covered == 0 && now >= hook->retry_at)
            (void)behind_record_end(core, hook, behind, now);
        lane_update(hook, lane, now);
    }
    pass_begin(hook);
}

bool pass_wants(const struct hook *hook, uint64_t *ret_from, uint64_t *ret_through)
{
    if (hook->passing == 0 || hook->scan > hook->shown)
        return false;
    *ret_from = hook->scan;
    *ret_through = hook->shown - hook->scan < PAGE ? hook->shown : hook->scan + PAGE - 1;
    return true;
}

int pass_show(struct core *core, struct hook *hook, const struct core_event *event, int64_t now)
{
    struct lane *lane = lane_of(core, hook, event->customer);
    struct behind *behind = lane ? lane->behind : NULL;
    bool wanted = behind && behind->passing && event->number >= behind->position &&
                  hook->policy.types >> event->type & 1;

    if (wanted && behind->covered == LANE_BATCH) {
        leave_pass(hook, behind, event->number);
    } else if (wanted) {
        int r = delivery_new(core, hook, event, true, now);
        if (r < 0)
            return r;
    }
    pass_skip(core, hook, event->number, now);
    return 0;
}

void pass_skip(struct core *core, struct hook *hook, uint64_t through, int64_t now)
{
    if (hook->passing > 0 && through >= hook->scan) {
        hook->scan = through + 1;
        if (hook->scan > hook->shown)
            pass_end(core, hook, now);
    }
    pass_begin(hook);
}

/*
 * The records of deliveries: rows of what could not be delivered at once, and the hooks' places. An
 * end is one record, whatever else it has to say (delivery.h).
 */
#include "delivery.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <util/macros.h>

/* All that is fresh, a batch, the delivery itself, a row BEHIND that moves, one that is parked no
 * more, and the place. */
_Static_assert(DELIVERY_WINDOW + LANE_BATCH + 5 <= RECORD_IMAGES_MAX, "it is one record");

#define CUSTOMER_MAX 128u
#define RETRY_MS 1000
/* The place of a hook that has nothing to deliver is recorded when it has moved by so much, or so
 * long ago. */
#define PLACE_STEP 256u
#define PLACE_MS (INT64_C(60) * 60 * 1000)
/* A hook that is there says so now and then, even if no event comes: it is not forgotten. */
#define LIFE_MS (CORE_HOOK_FORGET_MS / 2)
#define FORGET_STEP 200u

struct value {
    struct delivery_image row;
    char customer[CUSTOMER_MAX];
};

struct record_work {
    struct append append;
    uint8_t keys[RECORD_IMAGES_MAX][DELIVERY_KEY_SIZE];
    size_t key_count;
    uint8_t hook_key;
    struct hook_image place;
    struct value value, moved;
};

void delivery_key(unsigned hook, uint64_t number, uint8_t ret_key[DELIVERY_KEY_SIZE])
{
    ret_key[0] = (uint8_t)hook;
    for (unsigned i = 1; i < DELIVERY_KEY_SIZE; i++)
        ret_key[i] = (uint8_t)(number >> (64 - 8 * i));
}

static size_t image_length(const struct delivery *delivery)
{
    return sizeof(delivery->row) + delivery->row.customer_length;
}

static void add_image(struct record_work *work, const struct hook *hook, uint64_t number,
                      const void *value, size_t length)
{
    assert(work->key_count < ARRAY_SIZE(work->keys));
    uint8_t *key = work->keys[work->key_count++];

    delivery_key(hook->index, number, key);
    append_image(&work->append, TABLE_DELIVERY, key, DELIVERY_KEY_SIZE, value, length);
}

static void add_row(struct record_work *work, const struct delivery *delivery)
{
    add_image(work, delivery->hook, delivery->number, &delivery->row, image_length(delivery));
}

static void add_behind_gone(struct record_work *work, const struct hook *hook,
                            const struct behind *behind)
{
    add_image(work, hook, behind->number | DELIVERY_BEHIND_BIT, NULL, 0);
}

static void work_init(struct record_work *work, const struct hook *hook)
{
    append_init(&work->append);
    work->key_count = 0;
    work->hook_key = (uint8_t)hook->index;
}

static bool is_lane_full(const struct delivery *delivery)
{
    unsigned before = 0, most = hook_rows(delivery->hook) < ROWS_MANY ? LANE_ROWS : 1;

    while (before < most && (delivery = delivery->lane_previous))
        before++;
    return before == most;
}

/* Whether the record that is being made puts its lane behind: it is forgotten then. */
static bool is_left_behind(const struct delivery *fresh)
{
    return fresh->lane->behind && fresh->number >= fresh->lane->behind->number;
}

/* Rows for all fresh ones before that number, or for their lanes. The lane of the delivery that
 * this is about (may be NULL) stays whole: what was before it must not be told after it. */
static void add_fresh_before(struct record_work *work, struct hook *hook, uint64_t number,
                             const struct lane *own)
{
    for (struct delivery *delivery = hook->fresh_first; delivery && delivery->number < number;
         delivery = delivery->fresh_next) {
        struct behind *behind = NULL;

        if (is_left_behind(delivery))
            continue;
        if (delivery->lane != own && is_lane_full(delivery))
            behind = behind_new(hook, delivery->lane, delivery->number, &delivery->row,
                                delivery->customer);
        if (behind)
            add_image(work, hook, behind->number | DELIVERY_BEHIND_BIT, &behind->row,
                      image_length(delivery));
        else /* no memory, too: a row does as well */
            add_row(work, delivery);
    }
}

/* The first of those that stay fresh. */
static const struct delivery *fresh_left(const struct hook *hook, uint64_t before,
                                         const struct delivery *except)
{
    const struct delivery *delivery = hook->fresh_first;

    while (delivery &&
           (delivery->number < before || delivery == except || is_left_behind(delivery)))
        delivery = delivery->fresh_next;
    return delivery;
}

/* It was not recorded: no lane has got behind. */
static void undo_behind(struct hook *hook)
{
    for (struct delivery *delivery = hook->fresh_first; delivery; delivery = delivery->fresh_next)
        if (delivery->lane->behind)
            behind_free(hook, delivery->lane->behind);
}

static int work_append(struct core *core, struct record_work *work, const struct hook *hook,
                       uint64_t place, uint32_t uid, int64_t now)
{
    work->place = (struct hook_image){.number = place, .moved_at = now};
    append_image(&work->append, TABLE_HOOK, &work->hook_key, 1, &work->place, sizeof(work->place));
    assert(place >= hook->row.number);
    int r = append_begin(core, &work->append, 0, true);
    if (r == 0)
        append_finish(core, &work->append, RECORD_DELIVERY, NULL, uid, 0, NULL, now);
    return r;
}

static void fresh_have_rows(struct hook *hook, uint64_t before, int64_t now)
{
    struct delivery *next;

    for (struct delivery *delivery = hook->fresh_first; delivery; delivery = next) {
        next = delivery->fresh_next;
        if (is_left_behind(delivery)) {
            delivery->lane->behind->has_row = true;
            delivery_unfresh(hook, delivery);
            delivery_free(hook, delivery, now);
        } else if (delivery->number < before) {
            delivery->has_row = true;
            delivery_unfresh(hook, delivery);
        }
    }
}

static uint64_t place_before(const struct hook *hook, const struct delivery *fresh)
{
    uint64_t place = fresh ? fresh->number - 1 : hook->shown;
    return place > hook->row.number ? place : hook->row.number;
}

/* What was covered up to that delivery is no longer: those before it get rows, and the lane's row
 * moves on to stand after it, or goes. */
static void add_uncovered(struct record_work *work, const struct delivery *delivery)
{
    const struct lane *lane = delivery->lane;
    const struct behind *behind = lane->behind;

    for (const struct delivery *before = lane->first; before != delivery;
         before = before->lane_next)
        if (before->covered)
            add_row(work, before);
    bool goes = !delivery->lane_next && !behind_has_more(delivery->hook, behind);
    if (goes || behind->number != delivery->number)
        add_behind_gone(work, delivery->hook, behind);
    if (goes)
        return;
    work->moved.row = behind->row;
    work->moved.row.created = delivery->row.created;
    work->moved.row.after = 1;
    memcpy(work->moved.customer, delivery->customer, delivery->row.customer_length);
    add_image(work, delivery->hook, delivery->number | DELIVERY_BEHIND_BIT, &work->moved,
              image_length(delivery));
}

static void have_uncovered(struct delivery *delivery)
{
    struct behind *behind = delivery->lane->behind;

    for (struct delivery *before = delivery->lane->first; before != delivery->lane_next;
         before = before->lane_next)
        if (before->covered) {
            delivery_uncover(before);
            before->has_row = true;
        }
    behind->number = delivery->number;
    behind->row.created = delivery->row.created;
    behind->row.after = 1;
    if (!delivery->lane_next && !behind_has_more(delivery->hook, behind))
        behind_free(delivery->hook, behind);
}

/* The oldest that is parked goes where there are too many. */
static struct delivery *parked_to_go(const struct hook *hook, const struct delivery_image *next)
{
    bool full =
        next && next->state == CORE_DELIVERY_PARKED && hook->parked.count >= CORE_PARKED_MAX;
    return full ? hook->parked.first : NULL;
}

int delivery_record(struct core *core, struct delivery *delivery, const struct delivery_image *next,
                    uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    struct hook *hook = delivery->hook;
    struct delivery *goes = parked_to_go(hook, next);
    struct record_work work;

    work_init(&work, hook);
    add_fresh_before(&work, hook, delivery->number, delivery->lane);
    if (delivery->covered)
        add_uncovered(&work, delivery);
    if (next) {
        work.value.row = *next;
        memcpy(work.value.customer, delivery->customer, delivery->row.customer_length);
        add_image(&work, hook, delivery->number, &work.value, image_length(delivery));
    } else if (delivery->has_row) {
        add_image(&work, hook, delivery->number, NULL, 0);
    }
    if (goes)
        add_image(&work, hook, goes->number, NULL, 0);
    const struct delivery *left = fresh_left(hook, delivery->number, delivery);
    int r = work_append(core, &work, hook, place_before(hook, left), uid, now);
    if (r < 0) {
        undo_behind(hook);
        return r;
    }
    hook->row = work.place;
    if (delivery_is_fresh(delivery))
        delivery_unfresh(hook, delivery);
    if (delivery->covered)
        have_uncovered(delivery);
    fresh_have_rows(hook, delivery->number, now);
    delivery->has_row = next != NULL;
    if (next)
        delivery_set_row(delivery, next);
    if (goes) {
        delivery_free(hook, goes, now);
        hook->lost++;
    }
    if (ret_sequence)
        *ret_sequence = work.append.sequence;
    return 0;
}

int hook_spill(struct core *core, struct hook *hook, int64_t now)
{
    struct record_work work;

    work_init(&work, hook);
    add_fresh_before(&work, hook, UINT64_MAX, NULL);
    int r = work_append(core, &work, hook, place_before(hook, NULL), UID_SELF, now);
    if (r < 0) {
        undo_behind(hook);
        hook->retry_at = now + RETRY_MS;
        return r;
    }
    hook->row = work.place;
    fresh_have_rows(hook, UINT64_MAX, now);
    return 0;
}

int behind_record_end(struct core *core, struct hook *hook, struct behind *behind, int64_t now)
{
    struct record_work work;

    work_init(&work, hook);
    add_behind_gone(&work, hook, behind);
    int r = work_append(core, &work, hook, hook_place(hook), UID_SELF, now);
    if (r < 0) {
        hook->retry_at = now + RETRY_MS;
        return r;
    }
    hook->row = work.place;
    behind_free(hook, behind);
    return 0;
}

int hook_drop_parked(struct core *core, struct hook *hook, uint32_t uid, int64_t now,
                     uint64_t *ret_sequence)
{
    struct record_work work;
    size_t count = 0;

    work_init(&work, hook);
    for (const struct delivery *delivery = hook->parked.first; delivery && count < FORGET_STEP;
         delivery = delivery->next, count++)
        add_image(&work, hook, delivery->number, NULL, 0);
    int r = work_append(core, &work, hook, hook_place(hook), uid, now);
    if (r < 0)
        return r;
    hook->row = work.place;
    for (; count > 0; count--)
        delivery_free(hook, hook->parked.first, now);
    *ret_sequence = work.append.sequence;
    return 0;
}

int hook_record_rows(struct core *core, struct hook *hook, struct delivery *const *deliveries,
                     size_t count, uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    struct record_work work;

    work_init(&work, hook);
    for (size_t i = 0; i < count; i++)
        add_row(&work, deliveries[i]);
    int r = work_append(core, &work, hook, hook_place(hook), uid, now);
    if (r < 0)
        return r;
    hook->row = work.place;
    *ret_sequence = work.append.sequence;
    return 0;
}

void hook_record_place(struct core *core, struct hook *hook, bool at_once, int64_t now)
{
    uint64_t place = hook_place(hook);
    struct record_work work;

    if (now < hook->retry_at || (!at_once && place - hook->row.number < PLACE_STEP))
        return;
    work_init(&work, hook);
    if (work_append(core, &work, hook, place, UID_SELF, now) < 0)
        hook->retry_at = now + RETRY_MS;
    else
        hook->row = work.place;
}

/* --- ends --- */

static struct delivery_image after_failure(const struct hook *hook, const struct delivery *delivery,
                                           int64_t now)
{
    const struct core_hook_policy *policy = &hook->policy;
    struct delivery_image next = delivery->row;
    int64_t delay = policy->delay_min;

    if (next.first_failed_at == 0)
        next.first_failed_at = now;
    for (uint32_t i = 1; i < next.attempt && delay < policy->delay_max; i++)
        delay *= 2;
    next.due_at = now + (delay < policy->delay_max ? delay : policy->delay_max);
    next.attempt++;
    bool parked = policy->park_after >= 0 && now - next.first_failed_at >= policy->park_after;
    next.state = parked ? CORE_DELIVERY_PARKED : CORE_DELIVERY_FAILED;
    return next;
}

int hook_record_end(struct core *core, struct delivery *delivery, int64_t now)
{
    struct hook *hook = delivery->hook;
    struct lane *lane = delivery->lane;
    bool failed = delivery->end == CORE_DELIVERY_FAILURE;
    bool over = delivery->end == CORE_DELIVERY_OK || delivery->end == CORE_DELIVERY_LOST;
    struct delivery_image next;
    int r = 0;

    if (failed)
        next = after_failure(hook, delivery, now);
    if (failed || over)
        r = delivery_record(core, delivery, failed ? &next : NULL, UID_SELF, now, NULL);
    if (r < 0) { /* it stays under way, and is recorded later: it must not be delivered again */
        hook->ended += !delivery->ended;
        delivery->ended = true;
        hook->retry_at = now + RETRY_MS;
        return r;
    }
    hook->ended -= delivery->ended;
    delivery->ended = false;
    hook->running--;
    delivery_set_running(delivery, false);
    lane->running = NULL;
    hook->failures += failed;
    hook->delivered += delivery->end == CORE_DELIVERY_OK;
    hook->lost += delivery->end == CORE_DELIVERY_LOST;
    if (failed)
        delivery->gone = 0;
    if (over)
        delivery_free(hook, delivery, now);
    else if (delivery->row.state == CORE_DELIVERY_PARKED)
        delivery_park(hook, delivery, now);
    else
        lane_update(hook, lane, now);
    return 0;
}

static struct delivery *first_ended(struct delivery *delivery)
{
    while (delivery && !delivery->ended)
        delivery = delivery->next;
    return delivery;
}

/* Of those in between some may be forgotten with a record, their lanes being behind. */
static void record_ends(struct core *core, struct hook *hook, int64_t now)
{
    struct delivery *delivery = first_ended(hook->open.first), *next;

    for (; delivery; delivery = next) {
        next = first_ended(delivery->next);
        if (hook_record_end(core, delivery, now) < 0)
            return;
    }
}

/* --- time --- */

/* Up to FORGET_STEP of the list: their rows, then themselves. */
static size_t add_forgotten(struct record_work *work, const struct delivery_list *list,
                            size_t count)
{
    for (const struct delivery *delivery = list->first; delivery && count < FORGET_STEP;
         delivery = delivery->next, count++)
        if (delivery->has_row)
            add_image(work, delivery->hook, delivery->number, NULL, 0);
    return count;
}

static void forget_first(struct hook *hook, int64_t now)
{
    struct delivery *delivery = hook->parked.first ? hook->parked.first : hook->open.first;

    if (!delivery) {
        struct lane *lane = hook->behinds->lane;

        behind_free(hook, hook->behinds);
        lane_update(hook, lane, now);
        return;
    }
    if (delivery_is_fresh(delivery))
        delivery_unfresh(hook, delivery);
    delivery_free(hook, delivery, now);
}

/* Its rows first, itself last: as long as there are rows, there is a hook to forget. */
static int forget_step(struct core *core, struct hook *hook, int64_t now)
{
    struct record_work work;

    work_init(&work, hook);
    size_t count = add_forgotten(&work, &hook->parked, 0);
    count = add_forgotten(&work, &hook->open, count);
    for (const struct behind *behind = hook->behinds; behind && count < FORGET_STEP;
         behind = behind->next, count++)
        add_behind_gone(&work, hook, behind);
    bool whole = count < FORGET_STEP;
    if (whole)
        append_image(&work.append, TABLE_HOOK, &work.hook_key, 1, NULL, 0);
    int r = append_begin(core, &work.append, 0, true);
    if (r < 0) {
        hook->retry_at = now + RETRY_MS;
        return r;
    }
    append_finish(core, &work.append, RECORD_DELIVERY, NULL, UID_SELF, 0, NULL, now);
    for (; count > 0; count--)
        forget_first(hook, now);
    if (whole)
        hook_free(core, hook);
    return 0;
}

/* When the hook's place wants recording, or the hook forgetting. */
static int64_t place_due(const struct hook *hook)
{
    if (!hook->known || hook->running > 0)
        return INT64_MAX;
    if (hook->policy.types == 0)
        return hook->row.moved_at + CORE_HOOK_FORGET_MS;
    return hook->row.moved_at + (hook_place(hook) > hook->row.number ? PLACE_MS : LIFE_MS);
}

int64_t deliveries_wakeup(const struct core *core)
{
    int64_t at = INT64_MAX;

    for (unsigned i = 0; i < CORE_HOOKS_MAX; i++) {
        const struct hook *hook = core->hooks[i];
        if (!hook)
            continue;
        const struct heap_node *node = heap_first(&hook->due);
        bool has_to_record = hook->ended > 0 || behind_is_over(hook);
        int64_t own = has_to_record ? hook->retry_at : place_due(hook);
        if (own < hook->retry_at)
            own = hook->retry_at;
        if (node && node->key < own)
            own = node->key;
        at = own < at ? own : at;
    }
    return at;
}

int deliveries_tick(struct core *core, int64_t now)
{
    int r = 0;

    for (unsigned i = 0; i < CORE_HOOKS_MAX; i++) {
        struct hook *hook = core->hooks[i];
        if (!hook)
            continue;
        hook_fire(hook, now);
        if (now < hook->retry_at)
            continue;
        if (hook->ended > 0)
            record_ends(core, hook, now);
        if (behind_is_over(hook))
            behind_end(core, hook, now);
        if (place_due(hook) > now)
            continue;
        if (hook->policy.types == 0)
            r = forget_step(core, hook, now);
        else
            hook_record_place(core, hook, true, now);
    }
    return r;
}

/*
 * Pushes in doubt (ledger.md P3): upstream's history is read back to before the push began, then
 * its balance, and both must tell one story.
 *
 * The story is told from the last trusted reading on, since `consumed` is known of that moment: all
 * rows since then that deducted must add up to the movement of `consumed`. Our clock and upstream's
 * differ, and rows and Date headers come from its clocks, which may differ by a little as well: a
 * row that close to the reading may or may not have been in it, so the rows give a range, and the
 * movement must lie within. Rows of the doubtful push itself are always after.
 *
 *   rows of the push, one story      → resolved: they all count, as often as they stand there
 *   none, one story, twice           → sent again, as the next attempt
 *   two stories, three times         → parked with both figures: row and balance are not written
 * together upstream, and only a person can say which of the two is right
 */
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE_MS 2000         /* between upstream's clocks, with a Date header */
#define TOLERANCE_BLIND_MS 300000 /* without one: between its clock and ours */
#define PAGES_MAX 100u
#define MISMATCHES_MAX 3u
#define FAILED_LOOKS_MAX 20u
#define EMPTY_READINGS 2u

bool lookup_wants_resend(const struct balance *balance)
{
    const struct push *push = balance->push;
    return push && push->row.state == CORE_PUSH_DOUBT && push->row.empty_readings >= EMPTY_READINGS;
}

struct push *lookup_due(const struct balance *balance, int64_t *ret_due)
{
    struct push *first = NULL;

    *ret_due = INT64_MAX;
    if (balance->lookup) { /* due since then: due as of now it would stand behind every refresh */
        *ret_due = balance->lookup->push->row.due_at;
        return balance->lookup->push;
    }
    if (balance->push && balance->push->row.state == CORE_PUSH_DOUBT) {
        first = balance->push;
        *ret_due = first->row.due_at;
    }
    for (struct push *push = balance->watched; push; push = push->next)
        if (push->row.due_at < *ret_due) {
            first = push;
            *ret_due = push->row.due_at;
        }
    return first;
}

void lookup_abandon(struct balance *balance)
{
    if (!balance->lookup)
        return;
    map_deinit(&balance->lookup->seen);
    free(balance->lookup);
    balance->lookup = NULL;
}

int lookup_begin(struct core *core, struct balance *balance, struct push *push,
                 struct exchange *exchange)
{
    (void)core;
    if (!balance->lookup) {
        balance->lookup = calloc(1, sizeof(*balance->lookup));
        if (!balance->lookup)
            return -ENOMEM;
        balance->lookup->push = push;
        map_init(&balance->lookup->seen);
    }
    if (balance->lookup->want_balance) {
        exchange->kind = EXCHANGE_BALANCE;
        return 0;
    }
    exchange->limit = EXCHANGE_HISTORY_LIMIT;
    exchange->offset = balance->lookup->offset;
    return 0;
}

/* --- the window --- */

struct window {
    int64_t certain_after, possible_after; /* upstream's clock */
};

/* When the reading that consumed_before came from was made, as a range of upstream's clock. */
static struct window story_window(const struct core_push *push)
{
    int64_t at = push->read_before, tolerance = TOLERANCE_MS;

    if (at == 0) { /* that reading came without a Date: our own time of it must do */
        at = push->read_at;
        tolerance = TOLERANCE_BLIND_MS;
    }
    return (struct window){.certain_after = at + tolerance, .possible_after = at - tolerance};
}

/* When the push was begun, by upstream's clock, at the earliest. */
static int64_t earliest_begin(const struct core_push *push)
{
    return push->begun_at_server ? push->begun_at_server - TOLERANCE_MS
                                 : push->begun_at - TOLERANCE_BLIND_MS;
}

/* Rows older than this are of no interest: before the push and before the reading. */
static int64_t oldest_wanted(const struct core_push *push)
{
    int64_t begun = earliest_begin(push);
    int64_t read = story_window(push).possible_after;

    if (push->state == CORE_PUSH_WATCHED)
        return begun;
    return begun < read ? begun : read;
}

/* --- counting --- */

static bool is_of(const struct core *core, const struct exchange_row *row,
                  const struct core_push *push)
{
    char id[EXCHANGE_PUSH_ID_SIZE];

    core_push_id(core, push->epoch, push->sequence, id);
    return row->push_id_length == strlen(id) && memcmp(row->push_id, id, row->push_id_length) == 0;
}

static int row_kind(const struct exchange_row *row)
{
    switch (row->type) {
    case EXCHANGE_ROW_DEDUCT:
        return CORE_PUSH_DEDUCT;
    case EXCHANGE_ROW_REFUND:
        return CORE_PUSH_REFUND;
    case EXCHANGE_ROW_GRANT:
        return CORE_PUSH_GRANT;
    case EXCHANGE_ROW_OTHER:
        break;
    }
    return -1;
}

/* Whether a row belongs to another push of ours that was begun after the reading: whatever the
 * clocks say, it is not in consumed_before. */
static bool begun_after_reading(const struct core *core, const struct exchange_row *row,
                                const struct core_push *push)
{
    char id[EXCHANGE_PUSH_ID_SIZE], again[EXCHANGE_PUSH_ID_SIZE];
    unsigned long long sequence;
    unsigned instance, epoch;

    if (row->push_id_length == 0 || row->push_id_length >= sizeof(id))
        return false;
    memcpy(id, row->push_id, row->push_id_length);
    id[row->push_id_length] = '\0';
    if (sscanf(id, "psh_%8x_%10u_%20llu", &instance, &epoch, &sequence) != 3)
        return false;
    core_push_id(core, epoch, sequence, again);
    if (strcmp(id, again) != 0)
        return false;
    return epoch > push->read_epoch ||
           (epoch == push->read_epoch && sequence > push->read_sequence);
}

static void count_row(const struct core *core, struct lookup *lookup,
                      const struct exchange_row *row)
{
    struct core_push *push = &lookup->push->row;
    struct window window = story_window(push);

    if (row_kind(row) == push->kind && is_of(core, row, push)) {
        /* No row of a push is older than it: upstream's clock is not what it was taken for. The
         * last look must not end before it has met the rows again that have been counted. */
        if (row->created_at < earliest_begin(push))
            push->begun_at_server = row->created_at;
        lookup->ours += row->credits;
        lookup->ours_rows++;
        lookup->odd_rows |= row->credits != push->credits;
        lookup->certain += row->credits;
        lookup->possible += row->credits;
        return;
    }
    bool certain = begun_after_reading(core, row, push) || row->created_at > window.certain_after;
    if (!certain && row->created_at <= window.possible_after)
        return;
    if (push->kind == CORE_PUSH_GRANT && row->type == EXCHANGE_ROW_GRANT) {
        lookup->possible += row->credits;
        if (certain)
            lookup->certain += row->credits;
        return;
    }
    if (push->kind == CORE_PUSH_GRANT)
        return;
    if (row->type == EXCHANGE_ROW_DEDUCT) {
        lookup->possible += row->credits;
        if (certain)
            lookup->certain += row->credits;
    } else if (row->type == EXCHANGE_ROW_REFUND) {
        lookup->refunds += row->credits;
    }
}

/* 0, 1 where the page reaches back far enough, or -ENOMEM. */
static int count_page(struct core *core, struct lookup *lookup,
                      const struct exchange_answer *answer)
{
    int64_t oldest = oldest_wanted(&lookup->push->row);
    bool enough = !answer->history.has_more || answer->history.count == 0;

    for (size_t i = 0; i < answer->history.count; i++) {
        const struct exchange_row *row = &answer->history.rows[i];
        struct hash128 id = hash_bytes(&core->hash_key, row->id, row->id_length);

        enough |= row->created_at < oldest;
        if (map_get(&lookup->seen, id))
            continue; /* rows move to later pages while new ones come in */
        if (map_put(&lookup->seen, id, 1) < 0)
            return -ENOMEM;
        count_row(core, lookup, row);
    }
    lookup->offset += (int64_t)answer->history.count;
    lookup->pages++;
    return enough;
}

/* --- conclusions --- */

static void look_again(struct core *core, struct balance *balance, struct push *push, int64_t now)
{
    lookup_abandon(balance);
    push->row.due_at = now + core->policy.in_doubt_delay / 4;
}

/* What was found could not be recorded: that takes room, not haste. */
static int unrecorded(struct core *core, struct balance *balance, struct push *push, int error,
                      int64_t now)
{
    look_again(core, balance, push, now);
    return error;
}

static int resolve(struct core *core, struct balance *balance, struct push *push,
                   bool keep_watching, const struct exchange_answer *answer, int64_t now)
{
    struct lookup *lookup = balance->lookup;
    int64_t more = lookup->ours - push->row.counted;
    int64_t credits = lookup->ours_rows > 0 ? lookup->ours / lookup->ours_rows : 0;
    struct core_push sent = push->row;
    bool odd = lookup->odd_rows;

    lookup_abandon(balance);
    int r =
        push_resolve(core, balance, push, more > 0 ? more : 0, NULL, keep_watching, answer, now);
    if (r < 0)
        return unrecorded(core, balance, push, r, now);
    if (odd && sent.kind == CORE_PUSH_DEDUCT)
        r = product_park(core, balance->product, &sent, credits, now); /* P4 */
    return r;
}

static int watched_again(struct core *core, struct balance *balance,
                         const struct exchange_answer *answer, int64_t now)
{
    return resolve(core, balance, balance->lookup->push, false, answer, now);
}

/* A look that failed is tried again; one that keeps failing while upstream answers everybody else
 * will not succeed by itself (a customer that is gone, a row that nobody can read): then an
 * operator must look. */
static int failed(struct core *core, struct balance *balance, const struct exchange_answer *answer,
                  int64_t now)
{
    struct push *push = balance->lookup->push;
    bool answered = answer->outcome != EXCHANGE_UNANSWERED && answer->outcome != EXCHANGE_NOT_SENT;

    lookup_abandon(balance);
    plan_failed(core, balance, now);
    if (answered && core->last_success > push->failed_at)
        push->failed_looks++;
    push->failed_at = now;
    if (push->failed_looks < FAILED_LOOKS_MAX)
        return 0;
    push->failed_looks = 0;
    if (push->row.state == CORE_PUSH_WATCHED)
        return push_resolve(core, balance, push, 0, NULL, false, answer, now);
    return push_park(core, balance, push, CORE_PARK_UNKNOWN, answer, now);
}

int lookup_history_done(struct core *core, struct balance *balance,
                        const struct exchange_answer *answer, int64_t now)
{
    struct lookup *lookup = balance->lookup;

    if (!lookup)
        return 0; /* its push was dropped meanwhile */
    if (answer->outcome == EXCHANGE_RATE_LIMITED)
        return 0; /* goes on where it was: from the start again it might never end */
    if (answer->outcome != EXCHANGE_OK)
        return failed(core, balance, answer, now);
    int enough = count_page(core, lookup, answer);
    if (enough < 0)
        return failed(core, balance, answer, now);
    plan_succeeded(core, balance, now);
    if (!enough && lookup->pages < PAGES_MAX)
        return 0; /* the next page */

    struct push *push = lookup->push;
    if (!enough) {
        bool is_watched = push->row.state == CORE_PUSH_WATCHED;
        if (is_watched)
            return watched_again(core, balance, answer, now);
        lookup_abandon(balance);
        int r = push_park(core, balance, push, CORE_PARK_UNKNOWN, answer, now);
        return r < 0 ? unrecorded(core, balance, push, r, now) : r;
    }
    if (push->row.state == CORE_PUSH_WATCHED)
        return watched_again(core, balance, answer, now);
    lookup->want_balance = true;
    return 0;
}

static int disagree(struct core *core, struct balance *balance, struct push *push, int64_t moved,
                    const struct exchange_answer *answer, int64_t now)
{
    int64_t rows = balance->lookup->certain;

    push->row.empty_readings = 0;
    look_again(core, balance, push, now);
    if (++push->row.mismatches < MISMATCHES_MAX)
        return 0;
    push->row.rows_seen = rows;
    push->row.consumed_seen = moved;
    return push_park(core, balance, push, CORE_PARK_STORIES, answer, now);
}

static int64_t movement(const struct push *push, const struct exchange_answer *answer)
{
    if (answer->outcome == EXCHANGE_NO_BALANCE)
        return 0;
    if (push->row.kind == CORE_PUSH_GRANT)
        return answer->balance.granted - push->row.granted_before;
    return answer->balance.consumed - push->row.consumed_before;
}

/* Whether the rows and the movement of the counter can both be true. Some versions lower `consumed`
 * by a refund and some do not. Where no row of the push is there the story must be exact: what is
 * only possible could be the push itself, executed and not yet in the history. */
static bool one_story(const struct lookup *lookup, int64_t moved)
{
    int64_t least = lookup->certain - lookup->refunds;

    if (lookup->push->row.kind == CORE_PUSH_REFUND)
        return true; /* its rows alone tell */
    if (lookup->ours_rows == 0)
        return moved == lookup->certain || moved == least;
    return moved >= least && moved <= lookup->possible;
}

int lookup_balance_done(struct core *core, struct balance *balance,
                        const struct exchange_answer *answer, int64_t now)
{
    struct lookup *lookup = balance->lookup;
    struct push *push = lookup->push;
    bool none = answer->outcome == EXCHANGE_NO_BALANCE;

    if (answer->outcome == EXCHANGE_RATE_LIMITED)
        return 0; /* as above */
    if (answer->outcome != EXCHANGE_OK && !none)
        return failed(core, balance, answer, now);
    plan_succeeded(core, balance, now);

    int64_t moved = movement(push, answer);
    if (!one_story(lookup, moved))
        return disagree(core, balance, push, moved, answer, now);
    push->row.mismatches = 0;
    if (lookup->ours_rows > 0)
        return resolve(core, balance, push, push->row.attempt > 1, answer, now);

    if (push->row.empty_readings + 1u < EMPTY_READINGS) {
        push->row.empty_readings++;
        look_again(core, balance, push, now);
        return 0;
    }
    /* Not there, for certain. What upstream no longer has, or has refused when it was sent again,
     * or what would be counted in other units today, is not sent once more: then this push is over,
     * watched like one that was sent again, and another one follows, whose first answer is a proof.
     */
    bool other_units = push->row.units != core->products[balance->product].row.units_per_credit;
    bool deducts = push->row.kind == CORE_PUSH_DEDUCT;
    if (deducts &&
        (none || answer->balance.balance < push->row.credits || push->refused || other_units))
        return resolve(core, balance, push, true, answer, now);
    push->row.empty_readings++;
    look_again(core, balance, push, now);
    balance->push_at = now;
    return 0;
}

/*
 * Pushes: a deduction sent upstream, once, onto a server that may execute, answer, or remember
 * otherwise (ledger.md section 5).
 *
 * A first attempt's own fresh answer is the truth (P2). Everything else makes the push doubtful,
 * and lookup.c finds out. A push is in the ledger before its request leaves (P1), and what is
 * counted for it joins P by a record.
 */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREDITS_MAX ((INT64_C(1) << 31) - 1) /* upstream's credits are 32-bit integers */
#define AMOUNT_MAX ((INT64_C(1) << 53) - 1)  /* … and its numbers doubles */
#define HOLD_FIRST_MS 500
#define HOLD_MOST_MS 60000

int64_t push_size(const struct core *core, const struct balance *balance)
{
    int64_t size = row_pending(balance->row);
    int64_t most = AMOUNT_MAX / core->products[balance->product].row.units_per_credit;

    if (balance->row->flags & CORE_ROW_REVOKED)
        return 0;
    size = size < balance->row->upstream ? size : balance->row->upstream;
    size = size < CREDITS_MAX ? size : CREDITS_MAX;
    size = size < most ? size : most;
    return size > 0 ? size : 0;
}

void core_push_id(const struct core *core, uint32_t epoch, uint64_t sequence,
                  char ret_id[EXCHANGE_PUSH_ID_SIZE])
{
    snprintf(ret_id, EXCHANGE_PUSH_ID_SIZE, "psh_%08x_%u_%llu", core->instance, epoch,
             (unsigned long long)sequence);
}

/* --- the list of all pushes, and those of a balance --- */

static void link_to_balance(struct balance *balance, struct push *push)
{
    struct push **link = &balance->own;

    push->next = NULL;
    if (push->row.state == CORE_PUSH_QUEUED) {
        while (*link)
            link = &(*link)->next;
        *link = push;
    } else if (push->row.state == CORE_PUSH_WATCHED) {
        push->next = balance->watched;
        balance->watched = push;
    } else if (!balance->push) {
        balance->push = push;
    } else { /* only while loading, where rows of different moments meet: core_start looks again */
        push->next = balance->watched;
        balance->watched = push;
    }
}

static bool unlink_from(struct push **link, struct push *push)
{
    while (*link && *link != push)
        link = &(*link)->next;
    if (!*link)
        return false;
    *link = push->next;
    return true;
}

static void unlink_from_balance(struct balance *balance, struct push *push)
{
    if (balance->push == push)
        balance->push = NULL;
    else if (!unlink_from(&balance->own, push))
        unlink_from(&balance->watched, push);
}

int push_settle_places(struct core *core)
{
    for (struct push *push = core->pushes; push; push = push->all_next) {
        struct balance *balance = balance_by_id(core, push->row.balance);
        bool takes_place =
            push->row.state != CORE_PUSH_WATCHED && push->row.state != CORE_PUSH_QUEUED;
        unlink_from_balance(balance, push);
        if (takes_place && balance->push)
            return -EBADMSG;
        link_to_balance(balance, push);
    }
    return 0;
}

/* Its state decides where it stands. */
static void push_set(struct balance *balance, struct push *push, const struct core_push *row)
{
    unlink_from_balance(balance, push);
    push->row = *row;
    link_to_balance(balance, push);
}

struct push *push_new(struct core *core, const struct core_push *row, struct balance *balance)
{
    struct push *push = calloc(1, sizeof(*push));

    if (!push)
        return NULL;
    push->row = *row;
    push->all_previous = core->pushes_last;
    if (core->pushes_last)
        core->pushes_last->all_next = push;
    else
        core->pushes = push;
    core->pushes_last = push;
    link_to_balance(balance, push);
    return push;
}

void push_free(struct core *core, struct balance *balance, struct push *push)
{
    if (balance->lookup && balance->lookup->push == push)
        lookup_abandon(balance);
    unlink_from_balance(balance, push);
    if (push->all_previous)
        push->all_previous->all_next = push->all_next;
    else
        core->pushes = push->all_next;
    if (push->all_next)
        push->all_next->all_previous = push->all_previous;
    else
        core->pushes_last = push->all_previous;
    free(push);
}

/* --- records --- */

static int record_push_change(struct core *core, struct balance *balance,
                              const struct core_push *push, enum record_type type,
                              const struct core_row *row, const struct core_reading *reading,
                              int64_t counted, uint32_t events, uint32_t uid,
                              const struct exchange_answer *answer, int64_t now,
                              uint64_t *ret_sequence)
{
    struct core_push image = *push;
    struct record_push detail = {
        .push = *push,
        .counted = counted,
        .outcome = answer ? (int32_t)answer->outcome : -1,
        .http_status = answer ? answer->http_status : 0,
    };
    struct change change = {
        .balance = balance,
        .row = *row,
        .reading = reading,
        .push = &image,
        .type = type,
        .uid = uid,
        .events = events,
        .detail = &detail,
        .detail_length = sizeof(detail),
        .use_reserve = true,
    };
    return change_append(core, &change, now, ret_sequence);
}

/* A change of the push alone: the balance's row stays as it is. */
static int record_state(struct core *core, struct balance *balance, struct push *push,
                        const struct core_push *next, enum record_type type, uint32_t events,
                        const struct exchange_answer *answer, int64_t now, uint64_t *ret_sequence)
{
    struct core_row row = *balance->row;

    int r = record_push_change(core, balance, next, type, &row, NULL, 0, events, UID_SELF, answer,
                               now, ret_sequence);
    if (r < 0)
        return r;
    push_set(balance, push, next);
    return 0;
}

/* --- beginning --- */

static void fill_exchange(const struct core *core, const struct core_push *push, uint64_t sequence,
                          struct exchange *exchange)
{
    core_push_id(core, push->epoch, push->sequence, exchange->push_id);
    snprintf(exchange->idempotency_key, sizeof(exchange->idempotency_key), "%s-%u",
             exchange->push_id, push->attempt);
    exchange->amount = push->credits * push->units;
    exchange->after_sequence = sequence;
    exchange->push_kind = push->kind;
    exchange->reason = push->note; /* in memory as long as the push is */
}

/* What upstream's counters and clock were, to compare with if the answer gets lost. */
static void note_before(const struct core *core, const struct balance *balance,
                        struct core_push *push, int64_t now)
{
    push->units = core->products[balance->product].row.units_per_credit;
    push->consumed_before = balance->reading.consumed;
    push->granted_before = balance->reading.granted;
    push->read_before = balance->reading.server_time;
    push->read_at = balance->reading.read_at;
    push->read_sequence = balance->reading.read_sequence;
    push->read_epoch = balance->reading.read_epoch;
    push->begun_at = now;
    push->begun_at_server = core->server_known ? now + core->server_ahead : 0;
    push->state = CORE_PUSH_SENDING;
    push->attempt = 1;
}

static int begin_deduct(struct core *core, struct balance *balance, struct exchange *exchange,
                        int64_t now)
{
    struct core_push push = {
        .epoch = core->epoch,
        .balance = balance->row->id,
        .credits = push_size(core, balance),
    };
    struct record_push detail = {.outcome = -1};

    assert(push.credits > 0);
    note_before(core, balance, &push, now);
    detail.push = push;
    struct change change = {
        .balance = balance,
        .row = *balance->row,
        .push = &push,
        .sequences = {&push.sequence, &detail.push.sequence},
        .sequence_count = 2,
        .type = RECORD_PUSH_BEGUN,
        .uid = UID_SELF,
        .detail = &detail,
        .detail_length = sizeof(detail),
        .use_reserve = true,
    };
    struct push *made = push_new(core, &push, balance);
    int r = made ? change_append(core, &change, now, NULL) : -ENOMEM;
    if (r < 0) {
        if (made)
            push_free(core, balance, made);
        return r;
    }
    made->row = push;
    fill_exchange(core, &made->row, push.sequence, exchange);
    return 0;
}

static int begin_own(struct core *core, struct balance *balance, struct exchange *exchange,
                     int64_t now)
{
    struct push *push = balance->own;
    struct core_push next = push->row;
    uint64_t sequence;

    note_before(core, balance, &next, now);
    int r = record_state(core, balance, push, &next, RECORD_PUSH_BEGUN, 0, NULL, now, &sequence);
    if (r < 0)
        return r;
    fill_exchange(core, &push->row, sequence, exchange);
    return 0;
}

static int begin_again(struct core *core, struct balance *balance, struct exchange *exchange,
                       int64_t now)
{
    struct core_push next = balance->push->row;
    uint64_t sequence;

    next.state = CORE_PUSH_SENDING;
    next.attempt++;
    next.empty_readings = 0;
    next.mismatches = 0;
    int r = record_state(core, balance, balance->push, &next, RECORD_PUSH_BEGUN, 0, NULL, now,
                         &sequence);
    if (r < 0)
        return r;
    fill_exchange(core, &balance->push->row, sequence, exchange);
    return 0;
}

int push_begin(struct core *core, struct balance *balance, struct exchange *exchange, int64_t now)
{
    balance->push_at = now + core->policy.push_interval;
    if (balance->push)
        return begin_again(core, balance, exchange, now);
    return balance->own ? begin_own(core, balance, exchange, now)
                        : begin_deduct(core, balance, exchange, now);
}

/* --- ending --- */

int push_resolve(struct core *core, struct balance *balance, struct push *push, int64_t credits,
                 const int64_t *upstream, bool keep_watching, const struct exchange_answer *answer,
                 int64_t now)
{
    struct core_push next = push->row;
    struct core_row row = *balance->row;

    bool deducts = push->row.kind == CORE_PUSH_DEDUCT;
    if (deducts)
        row.pushed += credits;
    if (upstream) {
        row.upstream = *upstream;
        row.synced_at = now;
        row.deducted_at_sync = row.deducted;
    } else {
        /* What came late of a gift may be in a reading already: it is not spendable before the next
         * one. Of a deduction the cautious error is the other one. */
        bool late = push->row.state == CORE_PUSH_WATCHED;
        row.upstream -= deducts ? credits : late ? 0 : -credits;
        row.flags |= CORE_ROW_READ_FIRST;
    }
    if (!deducts) /* no gift of ours in the window of the next push: see one_story() */
        row.flags |= CORE_ROW_READ_FIRST | CORE_ROW_GIVEN;
    next.counted += credits;
    next.state = keep_watching ? CORE_PUSH_WATCHED : 0;
    next.due_at = now + core->policy.in_doubt_delay;
    int r = record_push_change(core, balance, &next, RECORD_PUSH_RESOLVED, &row, NULL, credits, 0,
                               UID_SELF, answer, now, NULL);
    if (r < 0)
        return r;

    if (balance->pending_since && push->row.begun_at > balance->pending_since)
        balance->pending_since = push->row.begun_at; /* what is still pending came after it */
    if (!keep_watching) {
        push_free(core, balance, push);
        return 0;
    }
    push_set(balance, push, &next);
    return 0;
}

int push_park(struct core *core, struct balance *balance, struct push *push,
              enum core_park_reason reason, const struct exchange_answer *answer, int64_t now)
{
    struct core_push next = push->row;

    next.state = CORE_PUSH_PARKED;
    next.reason = (uint16_t)reason;
    return record_state(core, balance, push, &next, RECORD_PUSH_PARKED, CORE_EVENT_BIT(PUSH_PARKED),
                        answer, now, NULL);
}

static int doubt(struct core *core, struct balance *balance, const struct exchange_answer *answer,
                 int64_t now)
{
    struct core_push next = balance->push->row;

    next.state = CORE_PUSH_DOUBT;
    next.due_at = now + core->policy.in_doubt_delay;
    next.empty_readings = 0;
    next.mismatches = 0;
    int r =
        record_state(core, balance, balance->push, &next, RECORD_PUSH_DOUBT, 0, answer, now, NULL);
    if (r < 0) {
        /* Not recorded, and true all the same: at worst a restart finds it in doubt anew. */
        push_set(balance, balance->push, &next);
    }
    return r;
}

static int confirmed(struct core *core, struct balance *balance,
                     const struct exchange_answer *answer, int64_t now)
{
    struct push *push = balance->push;
    bool deducts = push->row.kind == CORE_PUSH_DEDUCT;
    /* What a grant or a refund moved is not told in one way by all versions: a 2xx is a 2xx. */
    int64_t wanted = push->row.credits, credits = deducts ? answer->push.credits_deducted : wanted;
    struct core_push sent = push->row;

    if (credits < 0)
        return doubt(core, balance, answer, now);
    int r =
        push_resolve(core, balance, push, credits,
                     answer->push.has_balance ? &answer->push.balance : NULL, false, answer, now);
    if (r < 0)
        return doubt(core, balance, answer,
                     now); /* could not be recorded: look it up when there is room */
    plan_succeeded(core, balance, now);
    balance->push_delay = 0;
    balance->probe_forbidden = false;
    if (deducts && credits != wanted)
        r = product_park(core, balance->product, &sent, credits, now); /* P4 */
    return r;
}

/* Ends a push that has not run. A deduction's credits are pending as before; a refund or a grant
 * goes back to its queue, as a new push, since the old one's key may be remembered upstream. */
int push_undo(struct core *core, struct balance *balance, struct push *push,
              const struct exchange_answer *answer, bool read_first, uint32_t uid, uint32_t events,
              int64_t now, uint64_t *ret_sequence)
{
    struct core_push over = push->row, again = push->row;
    struct record_push detail = {
        .push = over,
        .outcome = answer ? (int32_t)answer->outcome : -1,
        .http_status = answer ? answer->http_status : 0,
    };
    struct change change = {
        .balance = balance,
        .row = *balance->row,
        .push = &over,
        .type = RECORD_PUSH_RESOLVED,
        .uid = uid,
        .events = events,
        .detail = &detail,
        .detail_length = sizeof(detail),
        .use_reserve = true,
    };

    over.state = 0;
    again.state = CORE_PUSH_QUEUED;
    again.epoch = core->epoch;
    if (read_first)
        change.row.flags |= CORE_ROW_READ_FIRST;
    bool own = push->row.kind != CORE_PUSH_DEDUCT;
    if (own) {
        change.extra[change.extra_count++] = (struct record_image){
            TABLE_PUSH, &again.sequence, sizeof(again.sequence), &again, sizeof(again)};
        change.sequences[change.sequence_count++] = &again.sequence;
    }
    int r = change_append(core, &change, now, ret_sequence);
    if (r < 0)
        return r;
    if (own)
        push_set(balance, push, &again);
    else
        push_free(core, balance, push);
    return 0;
}

static int not_run(struct core *core, struct balance *balance, const struct exchange_answer *answer,
                   bool read_first, int64_t now)
{
    int r = push_undo(core, balance, balance->push, answer, read_first, UID_SELF, 0, now, NULL);
    return r < 0 ? doubt(core, balance, answer, now) : 0;
}

static int refused(struct core *core, struct balance *balance, const struct exchange_answer *answer,
                   int64_t now)
{
    int r = push_park(core, balance, balance->push, CORE_PARK_REFUSED, answer, now);
    return r < 0 ? doubt(core, balance, answer, now) : r;
}

static void hold_back(struct balance *balance, int64_t now)
{
    balance->push_delay = balance->push_delay ? balance->push_delay * 2 : HOLD_FIRST_MS;
    if (balance->push_delay > HOLD_MOST_MS)
        balance->push_delay = HOLD_MOST_MS;
    if (balance->push_at < now + balance->push_delay)
        balance->push_at = now + balance->push_delay;
}

static bool is_refusal(enum exchange_outcome outcome)
{
    return outcome != EXCHANGE_OK && outcome != EXCHANGE_NO_ENDPOINT &&
           outcome != EXCHANGE_FAILED && outcome != EXCHANGE_UNANSWERED &&
           outcome != EXCHANGE_ERROR;
}

int push_done(struct core *core, struct balance *balance, const struct exchange_answer *answer,
              int64_t now)
{
    if (balance->push->row.attempt > 1) {
        balance->push->refused = is_refusal(answer->outcome);
        return doubt(core, balance, answer,
                     now); /* no answer to a resend proves anything by itself */
    }

    switch (answer->outcome) {
    case EXCHANGE_OK:
        return confirmed(core, balance, answer, now);
    case EXCHANGE_INSUFFICIENT:
    case EXCHANGE_NO_BALANCE:
        if (balance->push->row.kind != CORE_PUSH_DEDUCT)
            return refused(core, balance, answer, now); /* neither makes sense of a gift */
        hold_back(balance,
                  now); /* a reading says how much is there; growing delays, should it lie */
        return not_run(core, balance, answer, true, now);
    case EXCHANGE_NOT_SENT:
        hold_back(balance, now);
        return not_run(core, balance, answer, false, now);
    case EXCHANGE_UNAUTHORIZED:
    case EXCHANGE_RATE_LIMITED:
        return not_run(core, balance, answer, false, now);
    case EXCHANGE_FORBIDDEN:
        if (balance->probe_forbidden)
            return refused(core, balance, answer, now);
        balance->probe_forbidden = true; /* the key, or this object? A reading tells (P7) */
        return not_run(core, balance, answer, true, now);
    case EXCHANGE_NOT_FOUND:
    case EXCHANGE_REFUSED:
        return refused(core, balance, answer, now);
    case EXCHANGE_NO_ENDPOINT:
    case EXCHANGE_FAILED:
    case EXCHANGE_UNANSWERED:
    case EXCHANGE_ERROR:
        break;
    }
    return doubt(core, balance, answer, now);
}

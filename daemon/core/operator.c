/*
 * What operators ask: which pushes are open, to send a parked one again, to write one off; and how
 * things are. Retrying is refused where the push may have run (P8): sending it anew, under a new
 * id, could take the credits twice. Dropping counts its credits as pushed, and says so in the
 * ledger for ever.
 */
#include "state.h"

#include <errno.h>
#include <string.h>

bool core_next_push(const struct core *core, size_t *position, struct core_push *ret_push,
                    uint32_t *ret_slot)
{
    struct push *push = core->pushes;

    for (size_t i = 0; push && i < *position; i++)
        push = push->all_next;
    if (!push)
        return false;
    ++*position;
    *ret_push = push->row;
    *ret_slot = balance_by_id(core, push->row.balance)->slot;
    return true;
}

static struct push *push_by_id(const struct core *core, struct core_text push_id)
{
    char id[EXCHANGE_PUSH_ID_SIZE];

    for (struct push *push = core->pushes; push; push = push->all_next) {
        core_push_id(core, push->row.epoch, push->row.sequence, id);
        if (push_id.length == strlen(id) && memcmp(push_id.data, id, push_id.length) == 0)
            return push;
    }
    return NULL;
}

static void resumed(struct core *core, struct balance *balance, int64_t now)
{
    balance->push_at = now;
    balance->push_delay = 0;
    plan(core, balance, now);
}

int core_push_retry(struct core *core, struct core_text push_id, uint32_t uid, int64_t now,
                    uint64_t *ret_sequence)
{
    struct push *push = push_by_id(core, push_id);

    if (!push)
        return CORE_NOT_FOUND;
    if (push->row.state != CORE_PUSH_PARKED)
        return CORE_NOT_PARKED;
    if (push->row.reason != CORE_PARK_REFUSED)
        return CORE_MAY_HAVE_RUN;
    struct balance *balance = balance_by_id(core, push->row.balance);
    int r = push_undo(core, balance, push, NULL, true, uid, CORE_EVENT_BIT(PUSH_RESUMED), now,
                      ret_sequence);
    if (r == 0)
        resumed(core, balance, now);
    return r;
}

int core_push_drop(struct core *core, struct core_text push_id, uint32_t uid,
                   struct core_text reason, int64_t now, uint64_t *ret_sequence)
{
    struct push *push = push_by_id(core, push_id);
    struct {
        struct record_push push;
        char reason[1024];
    } detail;
    size_t length = reason.length < sizeof(detail.reason) ? reason.length : sizeof(detail.reason);

    if (!push)
        return CORE_NOT_FOUND;
    if (push->row.state != CORE_PUSH_PARKED)
        return CORE_NOT_PARKED;
    struct balance *balance = balance_by_id(core, push->row.balance);
    bool deducts = push->row.kind == CORE_PUSH_DEDUCT;
    int64_t credits = deducts ? push->row.credits - push->row.counted : 0;
    struct core_push over = push->row;
    struct core_reading reading = balance->reading;
    detail.push = (struct record_push){.push = push->row, .counted = credits, .outcome = -1};
    if (length)
        memcpy(detail.reason, reason.data, length);
    struct change change = {
        .balance = balance,
        .row = *balance->row,
        .reading = &reading,
        .push = &over,
        .type = RECORD_WRITE_OFF,
        .uid = uid,
        .events = CORE_EVENT_BIT(PUSH_RESUMED),
        .detail = &detail,
        .detail_length = sizeof(detail.push) + length,
        .use_reserve = true,
    };

    over.state = 0;
    change.row.pushed += credits;
    change.row.flags |= CORE_ROW_READ_FIRST | (deducts ? 0u : CORE_ROW_GIVEN);
    reading.written_off += credits;
    int r = change_append(core, &change, now, ret_sequence);
    if (r < 0)
        return r;
    push_free(core, balance, push);
    resumed(core, balance, now);
    return CORE_OK;
}

void core_resume(struct core *core, int64_t now)
{
    core->paused = false;
    core->probe_at = now;
}

bool core_balance_at(const struct core *core, uint32_t slot, int64_t now,
                     struct core_balance *ret_balance)
{
    const struct balance *balance = balance_at(core, slot);

    if (!balance)
        return false;
    balance_view(core, balance, now, ret_balance);
    return true;
}

static int64_t oldest_pending(const struct core *core)
{
    int64_t oldest = 0;

    for (uint32_t slot = 0; core->pending_balances > 0 && slot < core->slots; slot++) {
        const struct balance *balance = balance_at(core, slot);
        if (balance && balance->pending_since && (!oldest || balance->pending_since < oldest))
            oldest = balance->pending_since;
    }
    return oldest;
}

void core_get_summary(const struct core *core, struct core_summary *ret_summary)
{
    const struct rate_window *rate = budget_tightest(&core->budget);

    *ret_summary = (struct core_summary){
        .asked = core->unanswered || core->paused || core->last_success > 0,
        .reachable = !core->unanswered && core->last_success > 0,
        .paused = core->paused,
        .last_success = core->last_success,
        .requests_limit = rate->limit,
        .requests_remaining = rate->remaining,
        .pending_credits = core->pending_credits,
        .pending_balances = core->pending_balances,
        .oldest_pending = oldest_pending(core),
        .resident = core->resident,
    };
    for (const struct push *push = core->pushes; push; push = push->all_next) {
        ret_summary->pushes_open += push->row.state == CORE_PUSH_SENDING;
        ret_summary->pushes_doubt += push->row.state == CORE_PUSH_DOUBT;
        ret_summary->pushes_parked += push->row.state == CORE_PUSH_PARKED;
    }
}

bool core_is_unanswered(const struct core *core)
{
    return core->unanswered;
}

bool core_is_paused(const struct core *core)
{
    return core->paused;
}

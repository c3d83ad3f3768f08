/*
 * What answers say of upstream as a whole (ledger.md P6, P7).
 *
 * What got no answer speaks of the way there: no push begins until some read has succeeded. 401
 * speaks of the key, and so does 403 where a probe is refused too. A JSON error is an answer, and
 * speaks of what was asked for; only where balances get nothing else, several times in a row, is it
 * upstream that fails, and one push after the other would be in doubt for nothing. Creates count
 * for nothing there: any user can order one that is answered so.
 */
#include "state.h"

#define ERRORS_MOST 3u
#define PROBE_FIRST_MS 500
#define PROBE_MOST_MS 15000
#define PAUSE_PROBE_MS (INT64_C(60) * 60 * 1000)

bool plan_troubled(const struct core *core)
{
    return core->unanswered || core->paused;
}

static void probe_not_before(struct core *core, int64_t at)
{
    core->probe_at = core->probe_at > at ? core->probe_at : at;
}

/* 403 may speak of one object as well as of the key: all is paused only where a reading of another
 * balance, as a probe, is refused too (P7), or where there is no other. A history alone proves
 * nothing. */
static void learn_forbidden(struct core *core, enum exchange_kind kind, uint32_t slot, int64_t now)
{
    bool is_probe = kind == EXCHANGE_BALANCE || kind == EXCHANGE_PRODUCT;
    bool of_another = core->forbidden_slot != NO_SLOT && core->forbidden_slot != slot;

    if (is_probe && (of_another || core->resident <= 1)) {
        core->paused = true;
        core->probe_at = now + PAUSE_PROBE_MS;
    } else if (core->paused || core->unanswered) {
        probe_not_before(core, now + PROBE_MOST_MS); /* another one probes next */
    }
    core->forbidden_slot = slot;
}

static bool is_of_balance(enum exchange_kind kind)
{
    return kind >= EXCHANGE_PRODUCT && kind <= EXCHANGE_HISTORY;
}

/* Whether a JSON error is trouble. A create that is answered with them must not hold everybody's
 * pushes up; a server that answers all with them must not get one push after the other. */
static bool is_general(struct core *core, enum exchange_kind kind, bool is_read)
{
    if (plan_troubled(core)) /* a probe that has not succeeded */
        return is_read;
    return is_of_balance(kind) && ++core->errors >= ERRORS_MOST;
}

static bool is_lost(struct core *core, enum exchange_kind kind, bool is_read,
                    enum exchange_outcome outcome)
{
    switch (outcome) {
    case EXCHANGE_UNANSWERED:
    case EXCHANGE_NOT_SENT:
    case EXCHANGE_FAILED:
        return true;
    case EXCHANGE_NO_ENDPOINT: /* older servers have no products */
        return is_of_balance(kind) && kind != EXCHANGE_PRODUCT;
    case EXCHANGE_ERROR:
        return is_general(core, kind, is_read);
    default:
        return false;
    }
}

/* 401 and 403 speak of the key, unless a probe says otherwise; what never got an answer speaks of
 * the way there. */
void learn_trouble(struct core *core, enum exchange_kind kind, bool is_read, uint32_t slot,
                   const struct exchange_answer *answer, int64_t now)
{
    bool lost = is_lost(core, kind, is_read, answer->outcome);

    if (lost) {
        /* What was under way together fails together: that is one trouble, not many. */
        if (core->unanswered && now < core->probe_at)
            return;
        core->probe_delay = core->unanswered ? core->probe_delay * 2 : PROBE_FIRST_MS;
        if (core->probe_delay > PROBE_MOST_MS)
            core->probe_delay = PROBE_MOST_MS;
        probe_not_before(core, now + core->probe_delay);
        core->unanswered = true;
        return;
    }
    if (answer->outcome == EXCHANGE_RATE_LIMITED || answer->outcome == EXCHANGE_ERROR)
        return;
    if (answer->outcome == EXCHANGE_FORBIDDEN) {
        learn_forbidden(core, kind, slot, now);
        return;
    }
    if (answer->outcome == EXCHANGE_UNAUTHORIZED) {
        core->paused = true;
        core->probe_at = now + PAUSE_PROBE_MS;
        return;
    }
    if (is_of_balance(kind))
        core->errors = 0;
    if (is_read) {
        core->forbidden_slot = NO_SLOT;
        core->paused = false;
        core->unanswered = false;
        core->probe_at = now;
    }
    core->last_success = now;
}

/*
 * How many requests upstream allows. Where the configuration says nothing it is learned: from
 * X-RateLimit-* on answers, which name the account's limit and what is left of the current minute,
 * and from 429, which forbids until a time. Without any of these there is no limit but the requests
 * in flight.
 */
#include "state.h"

#define MINUTE_MS 60000
#define ROUNDING_MS 1000 /* the headers speak in seconds */

void budget_init(struct budget *budget)
{
    *budget = (struct budget){.limit = -1, .remaining = -1};
}

static void roll(struct core *core, int64_t now)
{
    struct budget *budget = &core->budget;

    if (core->policy.requests_per_minute > 0)
        budget->limit = core->policy.requests_per_minute;
    if (budget->limit > 0 && now >= budget->reset_at) {
        budget->remaining = budget->limit - (int64_t)core->writes - core->reads;
        budget->reset_at = now + MINUTE_MS;
    }
}

bool budget_allows(const struct core *core, int64_t now)
{
    return budget_opens_at(core) <= now;
}

int64_t budget_opens_at(const struct core *core)
{
    const struct budget *budget = &core->budget;
    bool limited = budget->limit > 0 && budget->remaining <= 0;

    return limited && budget->reset_at > budget->blocked_until ? budget->reset_at
                                                               : budget->blocked_until;
}

void budget_take(struct core *core, int64_t now)
{
    roll(core, now);
    if (core->budget.limit > 0)
        core->budget.remaining--;
}

/* Answers overtake each other: within one window what is left can only fall. */
static void learn_headers(struct core *core, const struct exchange_answer *answer, int64_t now)
{
    struct budget *budget = &core->budget;
    int64_t in_flight = (int64_t)core->writes + core->reads;
    int64_t left =
        answer->rate.remaining - in_flight; /* what is under way may not have been counted yet */
    int64_t reset_at =
        answer->rate.reset_in >= 0 ? now + answer->rate.reset_in + ROUNDING_MS : now + MINUTE_MS;

    budget->limit = answer->rate.limit;
    if (answer->rate.remaining < 0)
        return;
    left = left > 0 ? left : 0;
    bool new_window = budget->remaining < 0 || now >= budget->reset_at ||
                      reset_at > budget->reset_at + 2 * ROUNDING_MS;
    if (new_window) {
        budget->reset_at = reset_at;
        budget->remaining = left;
    } else if (left < budget->remaining) {
        budget->remaining = left;
    }
}

void budget_learn(struct core *core, const struct exchange_answer *answer, int64_t now)
{
    struct budget *budget = &core->budget;
    bool configured = core->policy.requests_per_minute > 0;

    if (!configured && answer->rate.limit > 0)
        learn_headers(core, answer, now);
    if (answer->outcome != EXCHANGE_RATE_LIMITED)
        return;

    int64_t wait = answer->rate.retry_after;
    if (answer->rate.reset_in > wait)
        wait = answer->rate.reset_in;
    budget->blocked_until = now + (wait < 0 ? MINUTE_MS : wait + ROUNDING_MS);
    if (budget->limit > 0)
        budget->remaining = 0;
}

/*
 * How many requests upstream allows. Where the configuration says nothing it is learned: from
 * X-RateLimit-* on answers, which name the account's limit and what is left of the current minute,
 * and from 429, which forbids until a time. Without any of these there is no limit but the requests
 * in flight.
 */
#include "state.h"

#define MINUTE_MS 60000

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
        budget->remaining = budget->limit;
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

void budget_learn(struct core *core, const struct exchange_answer *answer, int64_t now)
{
    struct budget *budget = &core->budget;
    bool configured = core->policy.requests_per_minute > 0;

    if (!configured && answer->rate.limit > 0) {
        int64_t in_flight = (int64_t)core->writes + core->reads;

        budget->limit = answer->rate.limit;
        if (answer->rate.remaining >= 0) {
            /* What is under way has been counted by us and perhaps not yet by upstream. */
            int64_t left = answer->rate.remaining - in_flight;
            budget->remaining = left > 0 ? left : 0;
            if (answer->rate.reset_in >= 0)
                budget->reset_at = now + answer->rate.reset_in;
        }
    }
    if (answer->outcome != EXCHANGE_RATE_LIMITED)
        return;

    int64_t wait = answer->rate.retry_after;
    if (answer->rate.reset_in > wait)
        wait = answer->rate.reset_in;
    if (wait < 0)
        wait = MINUTE_MS;
    else if (wait < 1000)
        wait = 1000; /* the header has seconds: the fraction may still be missing */
    budget->blocked_until = now + wait;
    if (budget->limit > 0)
        budget->remaining = 0;
}

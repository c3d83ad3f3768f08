/*
 * How many requests upstream allows. It is learned: from X-RateLimit-* on answers, which name the
 * account's limit and what is left of the current minute, and from 429, which forbids until a time.
 * The configuration may name a limit as well, which is for servers that do not tell theirs, or is
 * lower, to leave some to others. Then both hold, each with a minute of its own: where ours begins
 * says nothing of where theirs does. Without any of these there is no limit but the requests in
 * flight.
 */
#include "state.h"

#define MINUTE_MS 60000
#define ROUNDING_MS 1000 /* the headers speak in seconds */

static const struct rate_window unknown = {.limit = -1, .remaining = -1};

void budget_init(struct budget *budget)
{
    *budget = (struct budget){.configured = unknown, .learned = unknown};
}

void budget_configured(struct budget *budget)
{
    budget->configured = unknown;
}

static int64_t in_flight(const struct core *core)
{
    return (int64_t)core->writes + core->reads;
}

static void take_from(const struct core *core, struct rate_window *window, int64_t now)
{
    if (window->limit <= 0)
        return;
    if (now >= window->reset_at) {
        window->remaining = window->limit - in_flight(core);
        window->reset_at = now + MINUTE_MS;
    }
    window->remaining = window->remaining > 0 ? window->remaining - 1 : 0;
}

void budget_take(struct core *core, int64_t now)
{
    struct budget *budget = &core->budget;

    if (core->policy.requests_per_minute > 0)
        budget->configured.limit = core->policy.requests_per_minute;
    take_from(core, &budget->configured, now);
    take_from(core, &budget->learned, now);
}

bool budget_allows(const struct core *core, int64_t now)
{
    return budget_opens_at(core) <= now;
}

static int64_t opens_at(const struct rate_window *window)
{
    return window->limit > 0 && window->remaining <= 0 ? window->reset_at : INT64_MIN;
}

int64_t budget_opens_at(const struct core *core)
{
    const struct budget *budget = &core->budget;
    int64_t configured = opens_at(&budget->configured), learned = opens_at(&budget->learned);
    int64_t at = configured > learned ? configured : learned;

    return at > budget->blocked_until ? at : budget->blocked_until;
}

const struct rate_window *budget_tightest(const struct budget *budget)
{
    const struct rate_window *configured = &budget->configured, *learned = &budget->learned;
    bool less = configured->remaining >= 0 && configured->remaining < learned->remaining;

    return learned->remaining < 0 || less ? configured : learned;
}

/* Answers overtake each other: within one window what is left can only fall. */
static void learn_headers(struct core *core, const struct exchange_answer *answer, int64_t now)
{
    struct rate_window *window = &core->budget.learned;
    /* what is under way may not have been counted yet */
    int64_t left = answer->rate.remaining - in_flight(core);
    int64_t reset_at =
        answer->rate.reset_in >= 0 ? now + answer->rate.reset_in + ROUNDING_MS : now + MINUTE_MS;

    window->limit = answer->rate.limit;
    if (answer->rate.remaining < 0)
        return;
    left = left > 0 ? left : 0;
    bool is_new = window->remaining < 0 || now >= window->reset_at ||
                  reset_at > window->reset_at + 2 * ROUNDING_MS;
    if (is_new) {
        window->reset_at = reset_at;
        window->remaining = left;
    } else if (left < window->remaining) {
        window->remaining = left;
    }
}

void budget_learn(struct core *core, const struct exchange_answer *answer, int64_t now)
{
    struct budget *budget = &core->budget;

    if (answer->rate.limit > 0)
        learn_headers(core, answer, now);
    if (answer->outcome != EXCHANGE_RATE_LIMITED)
        return;

    int64_t wait = answer->rate.retry_after;
    if (answer->rate.reset_in > wait)
        wait = answer->rate.reset_in;
    budget->blocked_until = now + (wait < 0 ? MINUTE_MS : wait + ROUNDING_MS);
    if (budget->learned.limit > 0)
        budget->learned.remaining = 0;
}

/* People and the world: operators, others who share the account, outages, a helper that restarts.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

static void resolve_push(struct sim *sim, const struct core_push *push, bool force)
{
    char id[EXCHANGE_PUSH_ID_SIZE];
    uint64_t sequence = 0;
    core_push_id(sim->core, push->epoch, push->sequence, id);
    struct push *books = invariants_push(sim, id);
    size_t records = sim->ledger.count;
    bool try_retry = push->state != CORE_PUSH_PARKED || prng_chance(&sim->prng, 600);
    int status = CORE_MAY_HAVE_RUN;
    if (try_retry || !force)
        status = core_push_retry(sim->core, sim_text(id), 0, sim->now, &sequence);
    sim_trace(sim, "retry %s (state %u reason %u): %d", id, push->state, push->reason, status);
    if (push->state != CORE_PUSH_PARKED && status != CORE_NOT_PARKED && status != CORE_NOT_FOUND &&
        status != CORE_MAY_HAVE_RUN && !process_may_fail(sim, status))
        sim_fail(sim, "push retry of one that is not parked: %d", status);
    if (status == CORE_OK && push->reason != CORE_PARK_REFUSED)
        sim_fail(sim, "push retry of one that may have run (P8)");
    if (status != CORE_OK && sim->ledger.count != records)
        sim_fail(sim, "a refused push retry left a record");
    process_settle(sim);
    if (status == CORE_OK || status < 0 || push->state != CORE_PUSH_PARKED ||
        (!force && !try_retry))
        return;
    status = core_push_drop(sim->core, sim_text(id), 0, sim_text("sim"), sim->now, &sequence);
    sim_trace(sim, "drop %s: %d", id, status);
    if (process_may_fail(sim, status))
        return;
    if (status != CORE_OK)
        sim_fail(sim, "push drop of a parked one: %d", status);
    process_settle(sim);
    if (books != NULL) {
        books->dropped = true;
        books->lost = books->executed - push->counted;
    }
}

void operators_resolve(struct sim *sim, bool force)
{
    struct core_push pushes[16];
    uint32_t slot;
    size_t position = 0, count = 0;
    while (count < 16 && core_next_push(sim->core, &position, &pushes[count], &slot))
        if (pushes[count].state == CORE_PUSH_PARKED || (!force && prng_chance(&sim->prng, 100)))
            count++;
    for (size_t i = 0; i < count && !sim->failed; i++)
        resolve_push(sim, &pushes[i], force);
}

void operators_configure(struct sim *sim, int column)
{
    int64_t units = sim->upstream.real_units[column];
    int status =
        core_configure_product(sim->core, sim_text(sim->pairs[column].product), units, sim->now);
    sim_trace(sim, "configure %s = %lld: %d", sim->pairs[column].product, (long long)units, status);
    if (status < 0 && !process_may_fail(sim, status))
        sim_fail(sim, "core_configure_product: %d", status);
    process_settle(sim);
}

void operators_resume(struct sim *sim)
{
    struct core_summary summary;
    core_resume(sim->core, sim->now);
    core_get_summary(sim->core, &summary);
    if (summary.paused)
        sim_fail(sim, "paused after core_resume");
}

static void change_policy(struct sim *sim)
{
    struct core_policy *policy = &sim->scenario.policy;
    policy->push_interval = prng_range(&sim->prng, 100, 3000);
    policy->refresh_interval = prng_range(&sim->prng, 3000, 100000);
    if (prng_chance(&sim->prng, 500))
        events_draw_lists(sim);
    core_set_policy(sim->core, policy, sim->now);
    events_set_lists(sim, sim->core);
    process_settle(sim);
}

void operators_event(struct sim *sim)
{
    sim_later(sim, sim->scenario.operator_every, EVENT_OPERATOR, 0, 0);
    switch (prng_below(&sim->prng, 5)) {
    case 0:
        operators_resume(sim);
        break;
    case 1:
        change_policy(sim);
        break;
    case 2:
        if (sim->scenario.wrong_units)
            operators_configure(sim, (int)prng_below(&sim->prng, (uint64_t)sim->scenario.products));
        break;
    default:
        operators_resolve(sim, false);
    }
}

void operators_elsewhere(struct sim *sim)
{
    const struct scenario *s = &sim->scenario;
    sim_later(sim, s->elsewhere_every, EVENT_ELSEWHERE, 0, 0);
    int pair = (int)prng_below(&sim->prng, (uint64_t)s->customers) * SIM_COLUMNS +
               (int)prng_below(&sim->prng, (uint64_t)s->products);
    struct upstream_balance *balance = &sim->upstream.balances[pair];
    if (!balance->exists && prng_chance(&sim->prng, 300))
        balance->exists = true;
    if (!balance->exists)
        return;
    int64_t credits = prng_range(&sim->prng, 1, 1 + s->grant_max / 10);
    if (prng_chance(&sim->prng, 500) && balance->balance > 0) {
        credits = -prng_range(&sim->prng, 1, balance->balance);
        if (prng_chance(&sim->prng, 800))
            credits = -(1 + -credits / 20);
    }
    sim_trace(sim, "elsewhere: %s %s %lld", sim->pairs[pair].customer, sim->pairs[pair].product,
              (long long)credits);
    upstream_change(&sim->upstream, pair, credits, sim->now);
}

void operators_weather(struct sim *sim)
{
    const struct scenario *s = &sim->scenario;
    sim_later(sim, s->weather_every, EVENT_WEATHER, 0, 0);
    enum weather next = FINE;
    if (sim->weather == FINE) {
        enum weather may[5];
        size_t count = 0;
        if (s->outages)
            may[count++] = DOWN;
        if (s->fivehundreds)
            may[count++] = BROKEN;
        if (s->unauthorized)
            may[count++] = UNAUTHORIZED;
        if (s->forbidden)
            may[count++] = FORBIDDEN;
        if (s->forbidden)
            may[count++] = READ_ONLY;
        if (count > 0)
            next = may[prng_below(&sim->prng, count)];
    }
    sim_trace(sim, "weather %d", (int)next);
    sim->weather = next;
}

void operators_helper(struct sim *sim)
{
    sim_later(sim, sim->scenario.helper_every, EVENT_HELPER, 0, 0);
    if (sim->helper)
        wire_cut(sim, true);
    sim->helper = !sim->helper;
    sim_trace(sim, "helper %s", sim->helper ? "comes" : "goes");
    core_set_helper(sim->core, sim->helper, sim->now);
    process_settle(sim);
}

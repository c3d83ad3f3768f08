/*
 * Making and ending an engine, and what can be checked of it from inside.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>

int core_new(const struct core_options *options, struct core **ret_core)
{
    struct core *core = calloc(1, sizeof(*core));

    if (!core)
        return -ENOMEM;
    core->hash_key = options->hash_key;
    core->hash_of_nothing = hash_bytes(&core->hash_key, "", 0);
    core->instance = options->instance;
    core->epoch = options->epoch;
    core->policy = options->policy;
    thresholds_make(core->policy.thresholds, core->policy.threshold_count, &core->thresholds);
    core->sink = options->sink;
    core->effects = options->effects;
    core->free_product = NO_PRODUCT;
    core->forbidden_slot = NO_SLOT;
    map_init(&core->by_hash);
    map_init(&core->by_id);
    map_init(&core->by_customer);
    map_init(&core->products_by_hash);
    map_init(&core->job_exchanges);
    map_init(&core->errands);
    map_init(&core->searches);
    map_init(&core->intents);
    map_init(&core->intents_by_key);
    map_init(&core->links);
    map_init(&core->owners);
    map_init(&core->objects);
    map_init(&core->webhooks);
    heap_init(&core->webhooks_by_age);
    event_log_init(core);
    map_init(&core->subscribers);
    heap_init(&core->subscribers_by_age);
    heap_init(&core->job_timers);
    map_init(&core->holds);
    map_init(&core->returned);
    heap_init(&core->holds_by_time);
    map_init(&core->usage_index);
    map_init(&core->exchanges);
    dedupe_init(&core->dedupe);
    budget_init(&core->budget);
    heap_init(&core->timers);
    heap_init(&core->oldest);
    heap_init(&core->largest);
    *ret_core = core;
    return 0;
}

struct core *core_free(struct core *core)
{
    if (!core)
        return NULL;

    for (uint32_t slot = 0; slot < core->slots; slot++) {
        struct balance *balance = balance_at(core, slot);
        if (!balance)
            continue;
        lookup_abandon(balance);
        free(balance->names);
    }
    for (struct push *push = core->pushes, *next; push; push = next) {
        next = push->all_next;
        free(push);
    }
    core_thresholds_reset(core);
    for (uint32_t i = 0; i < core->product_count; i++)
        free(core->products[i].id);
    for (uint32_t i = 0; i < core->chunk_count; i++)
        free(core->chunks[i]);
    free(core->chunks);
    free(core->products);
    free(core->free_slots);
    free(core->usages);
    map_deinit(&core->by_hash);
    map_deinit(&core->by_id);
    map_deinit(&core->by_customer);
    map_deinit(&core->products_by_hash);
    jobs_deinit(core);
    links_deinit(core);
    objects_deinit(core);
    webhook_seen_deinit(core);
    event_log_deinit(core);
    subscribers_deinit(core);
    deliveries_deinit(core);
    hold_deinit(core);
    give_deinit(core);
    map_deinit(&core->usage_index);
    map_deinit(&core->exchanges);
    dedupe_deinit(&core->dedupe);
    heap_deinit(&core->timers);
    heap_deinit(&core->oldest);
    heap_deinit(&core->largest);
    free(core);
    return NULL;
}

void core_set_policy(struct core *core, const struct core_policy *policy, int64_t now)
{
    bool other_rate = policy->requests_per_minute != core->policy.requests_per_minute;

    core->policy = *policy;
    thresholds_make(policy->thresholds, policy->threshold_count, &core->thresholds);
    if (other_rate)
        budget_configured(&core->budget);
    if (!core->started)
        return;
    for (uint32_t slot = 0; slot < core->slots; slot++) {
        struct balance *balance = balance_at(core, slot);
        if (balance)
            plan(core, balance, now);
    }
}

void core_set_helper(struct core *core, bool present, int64_t now)
{
    core->helper = present;
    if (present && core->unanswered)
        core->probe_at = now;
}

void core_set_stored(struct core *core, uint64_t sequence)
{
    core->stored = sequence;
    objects_trim(core);
    event_log_trim(core);
}

static const char *check_balance(const struct core *core, const struct balance *balance)
{
    const struct core_row *row = balance->row;
    bool queued = balance->queued != TURN_NONE;

    if (row->held < 0)
        return "held is negative";
    if (row->held != hold_sum(core, row->id))
        return "held is not the sum of the open reservations";
    if (row->deducted < 0 || row->pushed < 0)
        return "a cumulative counter is negative";
    if (balance->exchange && (queued || balance->by_time.place))
        return "a balance waits for a turn while it has one";
    if (queued && balance->by_time.place)
        return "a balance is due and not due";
    if (balance->push && balance->push->row.state == CORE_PUSH_SENDING && core->started &&
        !balance->exchange)
        return "a push is being sent by nobody";
    if (balance_of_customer(core, balance_customer(balance)) != balance &&
        (!balance->customer_previous || balance->customer_previous->customer_next != balance))
        return "a balance is not among its customer's";
    if (core->products[balance->product].balances == 0)
        return "a product has fewer names than balances";
    return NULL;
}

int core_check(const struct core *core, const char **ret_what)
{
    int64_t credits = 0, balances = 0, resident = 0;
    unsigned writes = 0, reads = 0;
    const char *what = NULL;

    for (uint32_t slot = 0; !what && slot < core->slots; slot++) {
        const struct balance *balance = balance_at(core, slot);
        if (!balance)
            continue;
        int64_t pending = row_pending(balance->row);
        credits += pending > 0 ? pending : 0;
        balances += pending > 0;
        resident++;
        writes += balance->exchange && balance->exchange_kind == EXCHANGE_PUSH;
        reads += balance->exchange && balance->exchange_kind != EXCHANGE_PUSH;
        what = check_balance(core, balance);
    }
    if (!what && (credits != core->pending_credits || balances != core->pending_balances))
        what = "the sums of what is pending are wrong";
    if (!what && resident != core->resident)
        what = "the number of balances in memory is wrong";
    if (!what && writes + reads + core->job_exchanges.count != core->writes + core->reads)
        what = "the number of exchanges under way is wrong";
    if (!what && core->writes > WRITES_MAX)
        what = "too many writes in flight";
    if (!what)
        what = event_log_check(core);
    if (!what)
        what = deliveries_check(core);
    if (!what)
        return 0;
    *ret_what = what;
    return -EPROTO;
}

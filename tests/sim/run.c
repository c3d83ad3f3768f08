/*
 * The loop, and the end: faults stop, credits are granted where they are short, and within a
 * bounded virtual time every push must have ended, nothing be pending, and both sides agree.
 */
#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REST_WITHIN INT64_C(86400000)
#define REST_STEPS 2000000

void sim_trace(struct sim *sim, const char *format, ...)
{
    char *line = sim->trace[sim->trace_count++ % SIM_TRACE_LINES];
    size_t size = sizeof(sim->trace[0]);
    int used = snprintf(line, size, "%6llu %+12lld ", (unsigned long long)sim->step,
                        (long long)(sim->now - SIM_START));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + used, size - (size_t)used, format, arguments);
    va_end(arguments);
    if (sim->verbose)
        printf("%s\n", line);
}

void sim_fail(struct sim *sim, const char *format, ...)
{
    if (sim->failed)
        return;
    sim->failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sim->failure, sizeof(sim->failure), format, arguments);
    va_end(arguments);
}

void sim_later(struct sim *sim, int64_t mean, enum sim_event_kind kind, uint64_t subject,
               uint64_t generation)
{
    if (mean > 0)
        queue_push(&sim->queue, sim->now + prng_wait(&sim->prng, mean), (int)kind, subject,
                   generation);
}

struct core_text sim_text(const char *text)
{
    return (struct core_text){text, strlen(text)};
}

int sim_pair_of(const struct sim *sim, const char *customer, size_t customer_length,
                const char *product, size_t product_length)
{
    for (int pair = 0; pair < SIM_PAIRS; pair++) {
        const struct pair *p = &sim->pairs[pair];
        if (p->customer_length == customer_length && p->product_length == product_length &&
            memcmp(p->customer, customer, customer_length) == 0 &&
            memcmp(p->product, product, product_length) == 0)
            return pair;
    }
    return -1;
}

static void name_pairs(struct sim *sim)
{
    for (int pair = 0; pair < SIM_PAIRS; pair++) {
        int row = pair / SIM_COLUMNS, column = pair % SIM_COLUMNS;
        snprintf(sim->pairs[pair].customer, SIM_NAME_SIZE,
                 row < SIM_CUSTOMERS_MAX ? "cus_%d" : "cus_nobody%d", row);
        snprintf(sim->pairs[pair].product, SIM_NAME_SIZE,
                 column < SIM_PRODUCTS_MAX ? "prod_%d" : "prod_none%d", column);
        sim->pairs[pair].customer_length = strlen(sim->pairs[pair].customer);
        sim->pairs[pair].product_length = strlen(sim->pairs[pair].product);
    }
}

static void begin_events(struct sim *sim)
{
    const struct scenario *s = &sim->scenario;
    clients_init(sim);
    sim_later(sim, s->crash_every, EVENT_CRASH, 0, 0);
    sim_later(sim, s->helper_every, EVENT_HELPER, 0, 0);
    sim_later(sim, s->operator_every, EVENT_OPERATOR, 0, 0);
    sim_later(sim, s->elsewhere_every, EVENT_ELSEWHERE, 0, 0);
    sim_later(sim, s->checkpoint_every, EVENT_CHECKPOINT, 0, 0);
    sim_later(sim, s->weather_every, EVENT_WEATHER, 0, 0);
    sim_later(sim, s->jump_every, EVENT_JUMP, 0, 0);
    sim_later(sim, s->space_every, EVENT_SPACE, 0, 0);
    sim_later(sim, s->probe_every, EVENT_PROBE, 0, 0);
    if (s->persons > 0)
        sim_later(sim, s->person_every, EVENT_PERSON, 0, 0);
    objects_later(sim);
}

bool sim_init(struct sim *sim, uint64_t seed, int64_t steps, bool verbose)
{
    *sim = (struct sim){.seed = seed, .now = SIM_START, .helper = true, .verbose = verbose};
    prng_init(&sim->prng, seed);
    scenario_draw(&sim->scenario, &sim->prng);
    prng_init(&sim->side, ~seed);
    scenario_draw_side(&sim->scenario, &sim->side);
    if (steps > 0)
        sim->scenario.steps = steps;
    events_draw_lists(sim);
    events_forget(sim);
    sim->drawn = sim->scenario;
    sim->alone = scenario_alone(&sim->scenario);
    ledger_init(&sim->ledger);
    name_pairs(sim);
    upstream_init(&sim->upstream, &sim->scenario, &sim->prng);
    people_init(sim);
    registry_init(sim);
    uint64_t secret = prng_next(&sim->prng);
    memcpy(sim->options.hash_key.bytes, &secret, sizeof(secret));
    sim->options.instance = (uint32_t)prng_next(&sim->prng);
    sim->minute = sim->now;
    process_start(sim);
    process_settle(sim);
    begin_events(sim);
    return !sim->failed;
}

void sim_deinit(struct sim *sim)
{
    wire_cut(sim, false);
    core_free(sim->core);
    ledger_deinit(&sim->ledger);
    upstream_deinit(&sim->upstream);
    registry_deinit(&sim->registry);
    free(sim->holds);
    free(sim->gifts);
    free(sim->done_gifts);
    free(sim->intents);
    queue_deinit(&sim->queue);
    free(sim->purchases);
    free(sim->pushes);
    free(sim->lates);
    events_deinit(sim);
}

static void sync_event(struct sim *sim)
{
    ledger_flush(&sim->ledger);
    ledger_sync(&sim->ledger, sim->calm || prng_chance(&sim->prng, 500));
    sim->sync_ordered = false;
}

/* Something waits for the disk. */
static void order_sync(struct sim *sim)
{
    if (sim->sync_ordered || sim->ledger.durable >= sim->ledger.count)
        return;
    sim->sync_ordered = true;
    sim_later(sim, sim->scenario.sync_every, EVENT_SYNC, 0, 0);
}

static void jump_event(struct sim *sim)
{
    /* The machine was suspended; ledger time counts that. */
    sim->now += prng_range(&sim->prng, 3600000, 30 * 3600000);
    sim_trace(sim, "time jumps");
    sim_later(sim, sim->scenario.jump_every, EVENT_JUMP, 0, 0);
}

static void house_event(struct sim *sim, const struct sim_event *event)
{
    switch ((enum sim_event_kind)event->kind) {
    case EVENT_SYNC:
        sync_event(sim);
        break;
    case EVENT_CRASH:
        process_crash(sim);
        sim_later(sim, sim->scenario.crash_every, EVENT_CRASH, 0, 0);
        break;
    case EVENT_CHECKPOINT:
        ledger_checkpoint(&sim->ledger,
                          (uint64_t)prng_range(&sim->prng, (int64_t)sim->ledger.stored,
                                               (int64_t)sim->ledger.durable));
        core_set_stored(sim->core, sim->ledger.stored);
        sim_later(sim, sim->scenario.checkpoint_every, EVENT_CHECKPOINT, 0, 0);
        break;
    case EVENT_JUMP:
        jump_event(sim);
        break;
    case EVENT_SPACE:
        sim->ledger.no_space = !sim->ledger.no_space;
        sim->ledger.full = sim->ledger.no_space && prng_chance(&sim->prng, 400);
        sim_trace(sim, "space: %s",
                  sim->ledger.full       ? "none"
                  : sim->ledger.no_space ? "reserve"
                                         : "enough");
        sim_later(sim, sim->scenario.space_every, EVENT_SPACE, 0, 0);
        break;
    case EVENT_PROBE:
        sim_later(sim, sim->scenario.probe_every, EVENT_PROBE, 0, 0);
        break;
    default:
        break;
    }
}

static void dispatch(struct sim *sim, const struct sim_event *event)
{
    size_t subject = (size_t)event->subject;
    switch ((enum sim_event_kind)event->kind) {
    case EVENT_CLIENT:
        clients_event(sim, subject);
        break;
    case EVENT_LOADED:
        clients_loaded(sim, subject, event->generation);
        break;
    case EVENT_DEADLINE:
        clients_deadline(sim, subject, event->generation);
        break;
    case EVENT_ARRIVE:
        wire_arrive(sim, subject, event->generation);
        break;
    case EVENT_ANSWER:
        wire_answer(sim, subject, event->generation);
        break;
    case EVENT_LATE:
        wire_late(sim, subject);
        break;
    case EVENT_OPERATOR:
        operators_event(sim);
        break;
    case EVENT_ELSEWHERE:
        operators_elsewhere(sim);
        break;
    case EVENT_PERSON:
        people_event(sim);
        break;
    case EVENT_OBJECT:
        objects_event(sim);
        break;
    case EVENT_WEATHER:
        operators_weather(sim);
        break;
    case EVENT_HELPER:
        operators_helper(sim);
        break;
    default:
        house_event(sim, event);
    }
}

static bool is_fault(int kind)
{
    return kind == EVENT_CRASH || kind == EVENT_HELPER || kind == EVENT_WEATHER ||
           kind == EVENT_ELSEWHERE || kind == EVENT_JUMP || kind == EVENT_SPACE ||
           kind == EVENT_CLIENT || kind == EVENT_OPERATOR || kind == EVENT_PERSON ||
           kind == EVENT_OBJECT;
}

static void advance(struct sim *sim)
{
    int64_t wakeup = core_wakeup(sim->core), next = queue_next_at(&sim->queue);
    struct sim_event event = {.kind = EVENT_SYNC};
    bool in_vain = sim->ledger.full && wakeup <= sim->now; /* what it is for has no room */
    if (wakeup < next && !in_vain) {
        sim->now = wakeup > sim->now ? wakeup : sim->now;
        return;
    }
    if (!queue_pop(&sim->queue, &event)) {
        sim_fail(sim, "nothing is to happen any more");
        return;
    }
    sim->now = event.at > sim->now ? event.at : sim->now;
    process_probe(sim);
    if (!(sim->calm && is_fault(event.kind)))
        dispatch(sim, &event);
}

static void step(struct sim *sim)
{
    sim->step++;
    advance(sim);
    for (int round = 0; round < 3 && !sim->failed; round++) {
        process_settle(sim);
        clients_settle(sim);
        people_settle(sim);
        process_pump(sim);
        wire_release(sim);
    }
    order_sync(sim);
    if (!sim->failed)
        invariants_check(sim);
    if (!sim->failed && sim->step % 64 == 0)
        replay_check(sim);
}

/* --- the end --- */

static void calm_down(struct sim *sim)
{
    sim_trace(sim, "faults stop");
    sim->calm = true;
    scenario_calm(&sim->scenario);
    sim->weather = FINE;
    sim->ledger.no_space = sim->ledger.full = false;
    if (!sim->helper) {
        sim->helper = true;
        core_set_helper(sim->core, true, sim->now);
    }
    operators_resume(sim);
    holds_release_all(sim);
    process_settle(sim);
}

/* Upstream is given what our deductions still need. */
static void grant_what_is_short(struct sim *sim)
{
    for (int pair = 0; pair < SIM_PAIRS; pair++) {
        struct core_row row;
        struct upstream_balance *balance = &sim->upstream.balances[pair];
        uint32_t id = sim->pairs[pair].id;
        if (id == 0 ||
            !rowset_read(&sim->ledger.latest, TABLE_BALANCE, &id, sizeof(id), &row, sizeof(row)))
            continue;
        balance->revoked = false;
        if (row.deducted - row.pushed > balance->balance) {
            balance->exists = true;
            sim_trace(sim, "granted %s %s", sim->pairs[pair].customer, sim->pairs[pair].product);
            upstream_change(&sim->upstream, pair, row.deducted - row.pushed - balance->balance,
                            sim->now);
        }
    }
}

static bool at_rest(struct sim *sim)
{
    struct core_summary summary;
    struct core_push push;
    uint32_t slot;
    size_t position = 0;
    core_get_summary(sim->core, &summary);
    return summary.pending_credits == 0 && !core_next_push(sim->core, &position, &push, &slot) &&
           people_at_rest(sim);
}

static bool agreed(struct sim *sim, int pair)
{
    struct core_row row;
    uint32_t id = sim->pairs[pair].id;
    return id == 0 ||
           !rowset_read(&sim->ledger.latest, TABLE_BALANCE, &id, sizeof(id), &row, sizeof(row)) ||
           row.upstream == sim->upstream.balances[pair].balance;
}

static bool all_agree(struct sim *sim)
{
    for (int pair = 0; pair < SIM_PAIRS; pair++)
        if (!agreed(sim, pair))
            return false;
    return true;
}

/* What is looked at is refreshed when due: both sides come to agree. */
static void look_at_all(struct sim *sim)
{
    for (int pair = 0; pair < SIM_PAIRS && !sim->failed; pair++)
        if (sim->pairs[pair].id != 0)
            clients_look(sim, pair, false);
}

/* For whoever reads why there is no rest. */
static void trace_pushes(struct sim *sim)
{
    struct core_push push;
    uint32_t slot;
    char id[EXCHANGE_PUSH_ID_SIZE];
    for (size_t position = 0; core_next_push(sim->core, &position, &push, &slot);) {
        core_push_id(sim->core, push.epoch, push.sequence, id);
        sim_trace(sim, "%s kind %u attempt %u is in state %u, %lld of %lld counted, due %+lld", id,
                  push.kind, push.attempt, push.state, (long long)push.counted,
                  (long long)push.credits, (long long)(push.due_at - SIM_START));
    }
}

static void come_to_rest(struct sim *sim)
{
    int64_t until = sim->now + REST_WITHIN, next_look = sim->now;
    uint64_t most = sim->step + REST_STEPS;
    calm_down(sim);
    /* A push carries 2^31 − 1 credits at most, one an interval: what is pending may need many. */
    struct core_summary before;
    core_get_summary(sim->core, &before);
    int64_t pushes = before.pending_credits / INT32_MAX;
    until += pushes * (sim->scenario.policy.push_interval + 2000) * 4;
    most += (uint64_t)pushes * 100;
    while (!sim->failed && !(at_rest(sim) && all_agree(sim))) {
        if (sim->now > until || sim->step > most) {
            struct core_summary summary;
            core_get_summary(sim->core, &summary);
            trace_pushes(sim);
            people_trace(sim);
            sim_fail(sim,
                     "no rest after faults stopped: pending %lld, pushes %lld open, %lld in doubt, "
                     "%lld parked; %s",
                     (long long)summary.pending_credits, (long long)summary.pushes_open,
                     (long long)summary.pushes_doubt, (long long)summary.pushes_parked,
                     all_agree(sim) ? "balances agree" : "balances disagree");
            return;
        }
        if (sim->now >= next_look) {
            for (int column = 0; sim->drawn.wrong_units && column < sim->drawn.products; column++)
                operators_configure(sim, column);
            grant_what_is_short(sim);
            operators_resolve(sim, true);
            look_at_all(sim);
            people_look(sim);
            next_look = sim->now + 60000;
            queue_push(&sim->queue, next_look, EVENT_PROBE, 0, 0);
        }
        step(sim);
    }
}

bool sim_run(struct sim *sim)
{
    uint64_t steps = (uint64_t)sim->scenario.steps;
    while (!sim->failed && sim->step < steps)
        step(sim);
    if (!sim->failed)
        come_to_rest(sim);
    if (!sim->failed)
        replay_check(sim);
    return !sim->failed;
}

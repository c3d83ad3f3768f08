/*
 * Another engine, started from a prefix of the ledger, must come to what the images of that prefix
 * say; from the whole of it, to what the running engine says.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

struct other {
    struct sim *sim;
    uint64_t sequence;
    _Alignas(8) uint8_t buffer[RECORD_SIZE_MAX];
};

static int other_append(void *userdata, size_t size, int use_reserve, uint8_t **ret_buffer,
                        uint64_t *ret_sequence, uint64_t *ret_place)
{
    struct other *other = userdata;
    (void)use_reserve;
    if (size > sizeof(other->buffer))
        return -EINVAL;
    *ret_buffer = other->buffer;
    *ret_sequence = ++other->sequence;
    *ret_place = other->sequence * 8;
    return 0;
}

static void other_ready(void *userdata, uint32_t slot)
{
    (void)userdata;
    (void)slot;
}

static void other_event(void *userdata, enum core_event_type event, uint32_t slot,
                        uint64_t sequence)
{
    (void)userdata;
    (void)event;
    (void)slot;
    (void)sequence;
}

static void compare_pair(struct sim *sim, struct core *core, const struct rowset *rows, int pair)
{
    const struct pair *books = &sim->pairs[pair];
    uint32_t id, slot;
    bool found;
    struct core_row row;
    struct core_reading reading;
    struct core_balance balance;
    if (!process_find(core, sim, rows, pair, &id, &row, &reading))
        return;
    struct core_text customer = sim_text(books->customer), product = sim_text(books->product);
    int status = core_balance_get(core, customer, product, 0, sim->now, &balance, &slot);
    if (status == CORE_LOAD) { /* it was in the store, and no record after that concerns it */
        if (!process_load_pair(core, sim, rows, pair, &found, &slot) || !found)
            sim_fail(sim, "replay: a balance cannot be loaded");
        if (row.deducted != row.pushed)
            sim_fail(sim, "replay: a balance with something pending is not in memory");
        status = core_balance_get(core, customer, product, 0, sim->now, &balance, &slot);
    }
    if (status != CORE_OK) {
        if (row.synced_at != 0 && status != CORE_PRODUCT_PARKED)
            sim_fail(sim, "replay: %s %s is answered with %d", books->customer, books->product,
                     status);
        return;
    }
    if (balance.deducted_total != row.deducted || balance.pushed_total != row.pushed ||
        balance.upstream != row.upstream || balance.held != row.held ||
        balance.consumed != reading.consumed || balance.granted != reading.granted)
        sim_fail(sim, "replay: %s %s is not as its images", books->customer, books->product);
}

static bool find_push(const struct core *core, uint64_t sequence, uint32_t epoch,
                      struct core_push *ret_push)
{
    uint32_t slot;
    for (size_t position = 0; core_next_push(core, &position, ret_push, &slot);)
        if (ret_push->sequence == sequence && ret_push->epoch == epoch)
            return true;
    return false;
}

/* The replaying engine has begun anew: what was being sent is in doubt there. */
static void compare_pushes(struct sim *sim, const struct core *core)
{
    struct core_push mine, other;
    uint32_t slot;
    size_t position = 0, here = 0, there = 0;
    while (core_next_push(core, &position, &other, &slot))
        there++;
    for (position = 0; core_next_push(sim->core, &position, &mine, &slot); here++) {
        if (!find_push(core, mine.sequence, mine.epoch, &other)) {
            sim_fail(sim, "replay: push %llu is missing", (unsigned long long)mine.sequence);
            return;
        }
        bool same_state = mine.state == other.state ||
                          (mine.state == CORE_PUSH_SENDING && other.state == CORE_PUSH_DOUBT);
        if (mine.credits != other.credits || mine.counted != other.counted ||
            mine.attempt != other.attempt || mine.balance != other.balance || !same_state)
            sim_fail(sim,
                     "replay: push %llu differs: state %u/%u credits %lld/%lld counted %lld/%lld "
                     "attempt %u/%u",
                     (unsigned long long)mine.sequence, mine.state, other.state,
                     (long long)mine.credits, (long long)other.credits, (long long)mine.counted,
                     (long long)other.counted, mine.attempt, other.attempt);
    }
    if (here != there)
        sim_fail(sim, "replay: %zu open pushes, replayed %zu", here, there);
}

static void compare_all(struct sim *sim, struct core *core, const struct rowset *base,
                        const struct rowset *rows, uint64_t sequence, bool whole)
{
    const char *what = NULL;
    struct core_summary mine, other;
    if (core_check(core, &what) != 0)
        sim_fail(sim, "replay: core_check: %s", what != NULL ? what : "?");
    core_get_summary(sim->core, &mine);
    core_get_summary(core, &other);
    if (whole && (mine.pending_credits != other.pending_credits ||
                  mine.pending_balances != other.pending_balances ||
                  mine.pushes_parked != other.pushes_parked))
        sim_fail(sim, "replay: pending %lld/%lld, parked %lld/%lld",
                 (long long)mine.pending_credits, (long long)other.pending_credits,
                 (long long)mine.pushes_parked, (long long)other.pushes_parked);
    if (whole)
        compare_pushes(sim, core);
    for (int pair = 0; pair < SIM_PAIRS && !sim->failed; pair++)
        if (sim->pairs[pair].id != 0)
            compare_pair(sim, core, rows, pair);
    holds_compare(sim, core, sequence);
    people_compare(sim, core, rows);
    events_compare(sim, core, base, rows);
    objects_compare(sim, core, base, rows);
}

static void run_other(struct sim *sim, const struct rowset *base, uint64_t from, uint64_t to)
{
    static struct other other; /* large; one replay at a time */
    struct core_options options = sim->options;
    struct core *core = NULL;
    struct rowset rows;
    other = (struct other){.sim = sim, .sequence = to};
    options.epoch++;
    options.sink = (struct core_sink){.userdata = &other, .append = other_append};
    options.effects = (struct core_effects){.ready = other_ready, .event = other_event};
    if (core_new(&options, &core) != 0) {
        sim_fail(sim, "replay: core_new failed");
        return;
    }
    rowset_copy(&rows, base);
    for (uint64_t sequence = from + 1; sequence <= to; sequence++)
        rowset_apply(&rows, &ledger_at(&sim->ledger, sequence)->record);
    int result = process_load(core, sim, base, from, to);
    if (result == 0)
        result = core_start(core, sim->now);
    if (result != 0)
        sim_fail(sim, "replay of %llu to %llu: %d", (unsigned long long)from,
                 (unsigned long long)to, result);
    else
        compare_all(sim, core, base, &rows, to, to == sim->ledger.settled);
    rowset_deinit(&rows);
    core_free(core);
}

void replay_check(struct sim *sim)
{
    static const struct rowset nothing;
    bool from_store = prng_chance(&sim->prng, 600);
    uint64_t from = from_store ? sim->ledger.stored : 0;
    uint64_t least = from_store && sim->ledger.covered > from ? sim->ledger.covered : from;
    uint64_t to = (uint64_t)prng_range(&sim->prng, (int64_t)least, (int64_t)sim->ledger.settled);
    if (prng_chance(&sim->prng, 500))
        to = sim->ledger.settled;
    run_other(sim, from_store ? &sim->ledger.rows : &nothing, from, to);
}

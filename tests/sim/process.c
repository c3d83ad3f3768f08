/* The engine's life: started from the ledger, driven, killed. See world.h. */
#include "world.h"

#include "need.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PUMP_MAX 400

static void on_ready(void *userdata, uint32_t slot)
{
    clients_ready(userdata, slot);
}

static void on_linked(void *userdata, struct hash128 key)
{
    people_linked(userdata, key);
}

static void on_event(void *userdata, enum core_event_type event, uint32_t slot, uint64_t sequence)
{
    struct sim *sim = userdata;
    (void)slot;
    if (sim->told_count < sizeof(sim->told) / sizeof(sim->told[0]))
        sim->told[sim->told_count++] = (struct told_event){event, sequence};
}

bool process_find(const struct core *core, const struct sim *sim, const struct rowset *rows,
                  int pair, uint32_t *ret_id, struct core_row *ret_row,
                  struct core_reading *ret_reading)
{
    struct hash128 hash = core_balance_hash(core, sim_text(sim->pairs[pair].customer),
                                            sim_text(sim->pairs[pair].product));
    if (!rowset_read(rows, TABLE_INDEX, &hash, sizeof(hash), ret_id, sizeof(*ret_id)) ||
        !rowset_read(rows, TABLE_BALANCE, ret_id, sizeof(*ret_id), ret_row, sizeof(*ret_row)))
        return false;
    if (!rowset_read(rows, TABLE_READING, ret_id, sizeof(*ret_id), ret_reading,
                     sizeof(*ret_reading)))
        *ret_reading = (struct core_reading){0};
    return true;
}

bool process_load_pair(struct core *core, struct sim *sim, const struct rowset *rows, int pair,
                       bool *ret_found, uint32_t *ret_slot)
{
    uint32_t id;
    struct core_balance_rows loaded = {.customer = sim_text(sim->pairs[pair].customer),
                                       .product = sim_text(sim->pairs[pair].product)};
    *ret_found = process_find(core, sim, rows, pair, &id, &loaded.row, &loaded.reading);
    if (*ret_found)
        return core_load_balance(core, &loaded, ret_slot) == 0;
    return core_load_absent(core, loaded.customer, loaded.product, sim->now) == 0;
}

static int load_id(struct core *core, const struct rowset *rows, uint32_t id)
{
    const struct rowset_row *name = rowset_get(rows, TABLE_NAME, &id, sizeof(id));
    struct core_balance_rows loaded = {0};
    uint32_t slot;
    if (name == NULL ||
        !rowset_read(rows, TABLE_BALANCE, &id, sizeof(id), &loaded.row, sizeof(loaded.row)))
        return -ENOENT;
    rowset_read(rows, TABLE_READING, &id, sizeof(id), &loaded.reading, sizeof(loaded.reading));
    struct name_image image;
    memcpy(&image, name->value, sizeof(image));
    const char *text = (const char *)name->value + sizeof(image);
    loaded.customer = (struct core_text){text, image.customer_length};
    loaded.product = (struct core_text){text + image.customer_length, image.product_length};
    return core_load_balance(core, &loaded, &slot);
}

/* As serve does at its start: a push begun after the store's sequence comes by replay. */
static bool is_ahead(const struct rowset_row *row, uint64_t stored)
{
    uint64_t sequence = 0;
    if (row->table == TABLE_PUSH)
        memcpy(&sequence, row->key, sizeof(sequence));
    return sequence > stored;
}

/* What start must have in memory (S3): balances with something pending, held or open. */
static int load_balances(struct core *core, struct sim *sim, const struct rowset *rows,
                         uint64_t stored)
{
    int result = 0;
    for (size_t i = 0; i < rows->count && result == 0; i++) {
        const struct rowset_row *row = &rows->rows[i];
        if (row->value_length == 0 || is_ahead(row, stored))
            continue;
        if (row->table == TABLE_BALANCE) {
            struct core_row balance;
            memcpy(&balance, row->value, sizeof(balance));
            if (balance.deducted != balance.pushed || balance.held != 0 ||
                prng_chance(&sim->prng, 200))
                result = load_id(core, rows, balance.id);
        } else if (row->table == TABLE_PUSH) {
            struct core_push push;
            memcpy(&push, row->value, sizeof(push));
            result = load_id(core, rows, push.balance);
        } else if (row->table == TABLE_HOLD) {
            struct core_hold hold;
            memcpy(&hold, row->value, sizeof(hold));
            result = load_id(core, rows, hold.balance);
        }
    }
    return result;
}

static int load_rows(struct core *core, const struct rowset *rows, uint64_t stored)
{
    static const enum record_table tables[] = {
        TABLE_META, TABLE_PRODUCT,  TABLE_PUSH, TABLE_CLIENT, TABLE_STAMP,  TABLE_KEY,
        TABLE_HOLD, TABLE_RETURNED, TABLE_LINK, TABLE_INTENT, TABLE_WEBHOOK};
    for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
        for (size_t i = 0; i < rows->count; i++) {
            const struct rowset_row *row = &rows->rows[i];
            if (row->table != tables[t] || row->value_length == 0 || is_ahead(row, stored))
                continue;
            int result = core_load_row(core, row->table, row->key, row->key_length, row->value,
                                       row->value_length);
            if (result < 0)
                return result;
        }
    return 0;
}

int process_load(struct core *core, struct sim *sim, const struct rowset *rows, uint64_t from,
                 uint64_t to)
{
    int result = load_balances(core, sim, rows, from);
    if (result == 0)
        result = load_rows(core, rows, from);
    if (result == 0)
        result = events_load(core, rows);
    for (uint64_t sequence = from + 1; sequence <= to && result == 0; sequence++) {
        const struct ledger_record *entry = ledger_at(&sim->ledger, sequence);
        uint32_t missing = 0;
        result = core_replay(core, &entry->record, entry->place, &missing);
        if (result == -ENOENT) {
            result = load_id(core, rows, missing);
            if (result == 0)
                result = core_replay(core, &entry->record, entry->place, &missing);
        }
    }
    return result;
}

void process_start(struct sim *sim)
{
    sim->options.epoch++;
    sim->options.policy = sim->scenario.policy;
    sim->options.sink = ledger_sink(&sim->ledger);
    sim->options.effects = (struct core_effects){
        .userdata = sim, .ready = on_ready, .linked = on_linked, .event = on_event};
    sim->started_at = sim->now;
    sim->blocked_until = 0;
    sim->started_with = sim->ledger.count;
    sim->limited_at_start = sim->upstream.refused_429;
    if (core_new(&sim->options, &sim->core) != 0) {
        sim_fail(sim, "core_new failed");
        return;
    }
    int result =
        process_load(sim->core, sim, &sim->ledger.rows, sim->ledger.stored, sim->ledger.count);
    if (result == 0)
        result = core_start(sim->core, sim->now);
    if (result != 0) {
        sim_fail(sim, "start ended with %d", result);
        return;
    }
    events_set_lists(sim, sim->core);
    core_set_helper(sim->core, sim->helper, sim->now);
    sim_trace(sim, "start: epoch %u, sequence %zu, stored %llu", sim->options.epoch,
              sim->ledger.count, (unsigned long long)sim->ledger.stored);
}

void process_crash(struct sim *sim)
{
    size_t had = sim->ledger.count;
    wire_cut(sim, false);
    sim->core = core_free(sim->core);
    ledger_crash(&sim->ledger, &sim->prng);
    sim->crashes++;
    sim->told_count = 0;
    sim_trace(sim, "crash: %zu of %zu records are left", sim->ledger.count, had);
    clients_crash(sim);
    holds_crash(sim);
    gives_crash(sim);
    people_crash(sim);
    events_forget(sim);
    invariants_forget(sim);
    sim->events.told = sim->events.count;
    process_start(sim);
    process_settle(sim);
}

void process_settle(struct sim *sim)
{
    const char *wrong = ledger_settle(&sim->ledger, sim->now, sim->options.epoch);
    if (wrong != NULL)
        sim_fail(sim, "ledger: %s", wrong);
}

bool process_may_fail(const struct sim *sim, int result)
{
    return result == -ENOSPC && sim->ledger.full;
}

static int take_all(struct sim *sim)
{
    struct exchange exchange;
    int taken = 0;
    for (; taken < PUMP_MAX && !sim->failed; taken++) {
        int result = core_next_exchange(sim->core, sim->now, &exchange);
        if (result == -EAGAIN)
            return taken;
        if (process_may_fail(sim, result))
            continue; /* nothing was begun, and that balance waits for a while */
        if (result != 0) {
            sim_fail(sim, "core_next_exchange: %d", result);
            return taken;
        }
        process_settle(sim);
        wire_take(sim, &exchange);
    }
    sim_fail(sim, "the planner gives exchanges without end");
    return taken;
}

void process_pump(struct sim *sim)
{
    for (int round = 0; round < PUMP_MAX && !sim->failed; round++) {
        int result = core_tick(sim->core, sim->now);
        if (result < 0 && !process_may_fail(sim, result))
            sim_fail(sim, "core_tick: %d", result);
        process_settle(sim);
        take_all(sim);
        if (core_wakeup(sim->core) > sim->now || process_may_fail(sim, result))
            return;
    }
    if (!sim->failed)
        sim_fail(sim, "core_wakeup stays in the past: now %lld, wakeup %lld", (long long)sim->now,
                 (long long)core_wakeup(sim->core));
}

/* Nothing has happened since the last look, and the planner did not ask to be woken yet. */
void process_probe(struct sim *sim)
{
    struct exchange exchange;
    if (core_wakeup(sim->core) <= sim->now)
        return;
    int result = core_next_exchange(sim->core, sim->now, &exchange);
    if (result == -EAGAIN || process_may_fail(sim, result))
        return;
    process_settle(sim);
    sim_fail(sim, "the planner overslept: an exchange of kind %d is due at %lld, wakeup %lld",
             result == 0 ? (int)exchange.kind : -1, (long long)sim->now,
             (long long)core_wakeup(sim->core));
}

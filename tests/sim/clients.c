/*
 * Clients: they ask, lose answers, ask again (with the same arguments, or with others), and read
 * balances. What a consume must answer is judged in judge.c.
 */
#include "world.h"

#include "need.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COLD_DEADLINE 20000
#define KEY_AGE INT64_C(82800000)

static void new_identity(struct sim *sim, struct client *client)
{
    uint64_t made = (uint64_t)sim->now;
    for (int i = 0; i < 6; i++)
        client->client_id[i] = (uint8_t)(made >> (8 * (5 - i)));
    for (int i = 6; i < 16; i++)
        client->client_id[i] = (uint8_t)prng_next(&sim->prng);
    client->counter = 0;
}

void clients_init(struct sim *sim)
{
    for (int i = 0; i < sim->scenario.clients; i++) {
        sim->clients[i].uid = 1000 + (uint32_t)(i % sim->scenario.users);
        new_identity(sim, &sim->clients[i]);
        sim_later(sim, sim->scenario.client_every, EVENT_CLIENT, (uint64_t)i, 0);
    }
}

static int draw_pair(struct sim *sim)
{
    const struct scenario *s = &sim->scenario;
    bool stranger = prng_chance(&sim->prng, s->stranger_chance);
    int row = (int)prng_below(&sim->prng, (uint64_t)s->customers);
    int column = (int)prng_below(&sim->prng, (uint64_t)s->products);
    if (stranger && prng_chance(&sim->prng, 500))
        row = SIM_CUSTOMERS_MAX + (int)prng_below(&sim->prng, SIM_UNKNOWN_CUSTOMERS);
    else if (stranger)
        column = SIM_PRODUCTS_MAX;
    return row * SIM_COLUMNS + column;
}

/* Mostly little of what there is, so that there is something to spend; now and then anything. What
 * one push can carry is limited (P1): more than a few of these would take hours to push. */
static int64_t draw_raw(struct sim *sim, int pair)
{
    const int64_t most = (INT64_C(1) << 53) - 1;
    int64_t units = sim->upstream.real_units[pair % SIM_COLUMNS];
    units = units > 0 ? units : 1;
    int64_t push = most / units < INT32_MAX ? most / units : INT32_MAX;
    if (sim->scenario.wrong_units)
        push /= 1000; /* it may be taken for that much more here */
    int64_t credits = prng_range(&sim->prng, 1, sim->scenario.spend_max);
    if (prng_chance(&sim->prng, 10) && sim->scenario.grant_max <= 100000)
        return prng_range(&sim->prng, 1, most);
    if (prng_chance(&sim->prng, 700))
        credits = 1 + credits / 100;
    if (credits > push / 8)
        credits = prng_chance(&sim->prng, 20) ? push + push / 8 : push / 8;
    if (credits > most / units)
        credits = most / units;
    return (credits - 1) * units + prng_range(&sim->prng, 1, units);
}

static void draw_repeat(struct sim *sim, struct purchase *purchase, struct client *client)
{
    unsigned draw = (unsigned)prng_below(&sim->prng, 1000);
    if (draw < sim->scenario.stamp_chance) {
        if (prng_chance(&sim->prng, 5))
            new_identity(sim, client);
        purchase->repeat = CORE_REPEAT_STAMP;
        memcpy(purchase->client_id, client->client_id, sizeof(purchase->client_id));
        purchase->counter = ++client->counter;
    } else if (draw < sim->scenario.stamp_chance + sim->scenario.key_chance) {
        purchase->repeat = CORE_REPEAT_KEY;
        snprintf(purchase->key, sizeof(purchase->key), "order-%zu", sim->purchase_count);
    }
}

static size_t new_purchase(struct sim *sim, size_t client)
{
    if (sim->purchase_count == sim->purchase_capacity) {
        sim->purchase_capacity = sim->purchase_capacity > 0 ? 2 * sim->purchase_capacity : 256;
        sim->purchases =
            need_array(sim->purchases, sim->purchase_capacity, sizeof(*sim->purchases));
    }
    struct purchase *purchase = &sim->purchases[sim->purchase_count];
    *purchase = (struct purchase){.pair = draw_pair(sim),
                                  .client = (int)client,
                                  .uid = sim->clients[client].uid,
                                  .pid = 100 + (uint32_t)client};
    purchase->raw_amount = draw_raw(sim, purchase->pair);
    snprintf(purchase->metadata, sizeof(purchase->metadata), "m%u",
             (unsigned)prng_below(&sim->prng, 5));
    draw_repeat(sim, purchase, &sim->clients[client]);
    return sim->purchase_count++;
}

/* An earlier purchase that can be repeated; SIZE_MAX: none was found. */
static size_t old_purchase(struct sim *sim)
{
    for (int i = 0; i < 8 && sim->purchase_count > 0; i++) {
        uint64_t back = prng_below(&sim->prng, prng_chance(&sim->prng, 700) ? 30 : 3000);
        if (back >= sim->purchase_count)
            continue;
        size_t found = sim->purchase_count - 1 - (size_t)back;
        const struct purchase *purchase = &sim->purchases[found];
        /* Keys older than a day may be forgotten or not: nothing can be judged by them. */
        if (purchase->repeat == CORE_REPEAT_STAMP ||
            (purchase->repeat == CORE_REPEAT_KEY && sim->now - purchase->applied_at < KEY_AGE))
            return found;
    }
    return SIZE_MAX;
}

/* Same key or stamp, other arguments. Of a key, the customer is scope, not argument. */
static void change_arguments(struct sim *sim, struct call *call)
{
    switch (prng_below(&sim->prng, 3)) {
    case 0:
        call->raw_amount += call->raw_amount > 1 ? -1 : 1;
        break;
    case 1:
        call->metadata[0] = call->metadata[0] == 'm' ? 'n' : 'm';
        break;
    default:
        call->pair = call->pair / SIM_COLUMNS * SIM_COLUMNS +
                     (int)prng_below(&sim->prng, (uint64_t)sim->scenario.products);
    }
}

static void free_call(struct call *call)
{
    *call = (struct call){.generation = call->generation + 1};
}

static void hold_for_load(struct sim *sim, struct call *call)
{
    const struct rowset *rows = &sim->ledger.rows;
    uint32_t id;
    call->found = process_find(sim->core, sim, rows, call->pair, &id, &call->row, &call->reading);
    call->state = CALL_LOADING;
    int64_t wait = prng_chance(&sim->prng, sim->scenario.late_load_chance)
                       ? prng_wait(&sim->prng, 500)
                       : prng_range(&sim->prng, 0, 2);
    queue_push(&sim->queue, sim->now + wait, EVENT_LOADED, (uint64_t)(call - sim->calls),
               call->generation);
}

static void hold_cold(struct sim *sim, struct call *call, uint32_t slot)
{
    if (call->state != CALL_COLD)
        queue_push(&sim->queue, sim->now + COLD_DEADLINE, EVENT_DEADLINE,
                   (uint64_t)(call - sim->calls), call->generation);
    call->state = CALL_COLD;
    call->slot = slot;
    call->ready = false;
    if (sim->pairs[call->pair].has_slot && sim->pairs[call->pair].slot != slot)
        sim_fail(sim, "COLD names slot %u, and before slot %u for the same balance", slot,
                 sim->pairs[call->pair].slot);
}

static void try_call(struct sim *sim, struct call *call)
{
    const struct purchase *purchase = &sim->purchases[call->purchase];
    const struct pair *pair = &sim->pairs[call->pair];
    struct core_consume command = {.customer = sim_text(pair->customer),
                                   .product = sim_text(pair->product),
                                   .raw_amount = call->raw_amount,
                                   .metadata = sim_text(call->metadata),
                                   .uid = purchase->uid,
                                   .pid = purchase->pid,
                                   .repeat = purchase->repeat,
                                   .counter = purchase->counter,
                                   .key = sim_text(purchase->key)};
    memcpy(command.client_id, purchase->client_id, sizeof(command.client_id));
    struct core_consumed consumed = {0};
    struct before before;
    judge_before(sim, call->pair, &before);
    int status = core_consume(sim->core, &command, sim->now, &consumed);
    process_settle(sim);
    judge_consume(sim, call, status, &consumed, &before);
    if (status == CORE_LOAD) {
        hold_for_load(sim, call);
    } else if (status == CORE_COLD) {
        hold_cold(sim, call, consumed.balance.slot);
    } else if (status == CORE_OK) {
        call->state = CALL_SYNCING;
        call->reveals = consumed.balance.reveals;
    } else {
        free_call(call);
    }
}

void clients_loaded(struct sim *sim, size_t index, uint64_t generation)
{
    struct call *call = &sim->calls[index];
    if (call->generation != generation || call->state != CALL_LOADING)
        return;
    uint32_t slot;
    struct core_balance_rows rows = {.customer = sim_text(sim->pairs[call->pair].customer),
                                     .product = sim_text(sim->pairs[call->pair].product),
                                     .row = call->row,
                                     .reading = call->reading};
    int result = call->found ? core_load_balance(sim->core, &rows, &slot)
                             : core_load_absent(sim->core, rows.customer, rows.product, sim->now);
    if (result != 0)
        sim_fail(sim, "loading a balance ended with %d", result);
    call->state = CALL_TRYING;
    try_call(sim, call);
    if (call->state == CALL_LOADING)
        sim_fail(sim, "LOAD again, right after loading");
}

void clients_deadline(struct sim *sim, size_t index, uint64_t generation)
{
    struct call *call = &sim->calls[index];
    if (call->generation == generation && call->state == CALL_COLD)
        free_call(call);
}

void clients_ready(struct sim *sim, uint32_t slot)
{
    for (size_t i = 0; i < SIM_CALLS; i++)
        if (sim->calls[i].state == CALL_COLD && sim->calls[i].slot == slot)
            sim->calls[i].ready = true;
}

void clients_settle(struct sim *sim)
{
    for (size_t i = 0; i < SIM_CALLS && !sim->failed; i++) {
        struct call *call = &sim->calls[i];
        if (call->state == CALL_COLD && call->ready)
            try_call(sim, call);
        if (call->state != CALL_SYNCING || call->reveals > sim->ledger.durable)
            continue;
        /* Durable and answered; or answered to nobody, which is the client's loss. */
        if (!prng_chance(&sim->prng, sim->scenario.forget_chance)) {
            sim->acknowledged += !sim->purchases[call->purchase].acknowledged;
            sim->purchases[call->purchase].acknowledged = true;
        }
        free_call(call);
    }
}

void clients_look(struct sim *sim, int pair, bool fresh)
{
    struct core_balance balance;
    uint32_t slot = 0, uid = sim->clients[0].uid;
    bool found;
    struct pair *books = &sim->pairs[pair];
    struct core_text customer = sim_text(books->customer), product = sim_text(books->product);
    int status = core_balance_get(sim->core, customer, product, uid, sim->now, &balance, &slot);
    if (status == CORE_LOAD) {
        if (!process_load_pair(sim->core, sim, &sim->ledger.rows, pair, &found, &slot))
            sim_fail(sim, "loading for a look failed");
        status = core_balance_get(sim->core, customer, product, uid, sim->now, &balance, &slot);
    }
    process_settle(sim);
    if (status == CORE_LOAD)
        sim_fail(sim, "LOAD again, right after loading");
    if (status != CORE_OK)
        return;
    books->has_slot = books->id != 0; /* else it may be forgotten */
    books->slot = balance.slot;
    if (balance.reveals < books->last_sequence && books->last_sequence > sim->started_with)
        sim_fail(sim, "a balance reveals %llu, its latest record is %llu",
                 (unsigned long long)balance.reveals, (unsigned long long)books->last_sequence);
    if (fresh)
        core_balance_refresh(sim->core, balance.slot, uid, sim->now);
}

static struct call *free_slot(struct sim *sim)
{
    for (size_t i = 0; i < SIM_CALLS; i++)
        if (sim->calls[i].state == CALL_FREE)
            return &sim->calls[i];
    return NULL;
}

void clients_event(struct sim *sim, size_t client)
{
    if (sim->calm)
        return;
    sim_later(sim, sim->scenario.client_every, EVENT_CLIENT, client, 0);
    if (prng_chance(&sim->prng, 100)) {
        clients_look(sim, draw_pair(sim), prng_chance(&sim->prng, 200));
        return;
    }
    if (prng_chance(&sim->prng, sim->scenario.hold_chance)) {
        holds_event(sim, sim->clients[client].uid);
        return;
    }
    if (prng_chance(&sim->prng, sim->scenario.give_chance)) {
        gives_event(sim, sim->clients[client].uid);
        return;
    }
    struct call *call = free_slot(sim);
    if (call == NULL)
        return;
    bool repeat = prng_chance(&sim->prng, sim->scenario.repeat_chance);
    size_t purchase = repeat ? old_purchase(sim) : SIZE_MAX;
    if (purchase == SIZE_MAX) {
        repeat = false;
        purchase = new_purchase(sim, client);
    }
    call->state = CALL_TRYING;
    call->purchase = purchase;
    call->pair = sim->purchases[purchase].pair;
    call->raw_amount = sim->purchases[purchase].raw_amount;
    memcpy(call->metadata, sim->purchases[purchase].metadata, sizeof(call->metadata));
    if (repeat && prng_chance(&sim->prng, sim->scenario.reuse_chance))
        change_arguments(sim, call);
    try_call(sim, call);
}

/* What was under way ends without an answer, and what was not durable has not happened. */
void clients_crash(struct sim *sim)
{
    for (size_t i = 0; i < SIM_CALLS; i++)
        free_call(&sim->calls[i]);
    for (size_t i = 0; i < SIM_PAIRS; i++)
        sim->pairs[i].has_slot = false;
    for (size_t i = 0; i < sim->purchase_count; i++) {
        struct purchase *purchase = &sim->purchases[i];
        if (!purchase->applied || purchase->sequence <= sim->ledger.count)
            continue;
        if (purchase->acknowledged)
            sim_fail(sim, "an acknowledged deduction is gone: sequence %llu",
                     (unsigned long long)purchase->sequence);
        purchase->applied = false;
        struct pair *pair = &sim->pairs[purchase->pair];
        pair->deducted -= purchase->credits;
        pair->spent_unheard -= purchase->credits;
        if (pair->spent_unheard < 0)
            pair->spent_unheard = 0;
    }
}

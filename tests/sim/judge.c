/*
 * What a consume answered, against the simulation's own books: was it new, a repeat, or a refusal,
 * and did exactly that happen.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

#define DAY INT64_C(86400000)
#define WINDOW 1024 /* K2: at least the in-flight limit of a connection */

static bool same_arguments(const struct purchase *purchase, const struct call *call)
{
    return purchase->pair == call->pair && purchase->raw_amount == call->raw_amount &&
           memcmp(purchase->metadata, call->metadata, sizeof(call->metadata)) == 0;
}

void judge_before(struct sim *sim, int pair, struct before *ret_before)
{
    *ret_before = (struct before){.records = sim->ledger.count};
    if (sim->pairs[pair].has_slot)
        ret_before->known =
            core_balance_at(sim->core, sim->pairs[pair].slot, sim->now, &ret_before->balance);
}

static void nothing_changed(struct sim *sim, const struct call *call, int status,
                            const struct before *before)
{
    struct core_balance after;
    if (sim->ledger.count != before->records)
        sim_fail(sim, "status %d, and yet %zu records were appended", status,
                 sim->ledger.count - before->records);
    if (!before->known)
        return;
    if (!core_balance_at(sim->core, sim->pairs[call->pair].slot, sim->now, &after))
        sim_fail(sim, "a refused request's balance is gone from its slot");
    else if (after.available != before->balance.available ||
             after.pending != before->balance.pending ||
             after.upstream != before->balance.upstream || after.held != before->balance.held)
        sim_fail(sim, "status %d changed the balance", status);
}

/* A purchase that the ledger has may only be answered so. */
static void judge_repeat(struct sim *sim, struct call *call, int status,
                         const struct core_consumed *consumed)
{
    const struct purchase *purchase = &sim->purchases[call->purchase];
    bool old = sim->now - purchase->applied_at > DAY;
    if (status == CORE_OK && consumed->replayed) {
        sim->replays++;
        if (!same_arguments(purchase, call))
            sim_fail(sim, "replayed, though the arguments differ (K3)");
        if (consumed->sequence != purchase->sequence || consumed->epoch != purchase->epoch ||
            consumed->credits != purchase->credits ||
            consumed->balance_after != purchase->balance_after)
            sim_fail(sim, "a replayed answer differs: sequence %llu/%llu credits %lld/%lld",
                     (unsigned long long)consumed->sequence, (unsigned long long)purchase->sequence,
                     (long long)consumed->credits, (long long)purchase->credits);
        if (consumed->balance.reveals < purchase->sequence &&
            purchase->sequence > sim->started_with)
            sim_fail(sim, "a replayed answer does not wait for the record that it reveals (J3)");
    } else if (status == CORE_OK && !(old && purchase->repeat == CORE_REPEAT_KEY)) {
        sim_fail(sim, "the same request was deducted twice: sequences %llu and %llu (K1)",
                 (unsigned long long)purchase->sequence, (unsigned long long)consumed->sequence);
    } else if (status == CORE_KEY_REUSED && same_arguments(purchase, call)) {
        sim_fail(sim, "KEY_REUSED with the same arguments");
    } else if (status == CORE_OUTCOME_UNKNOWN && !old &&
               sim->clients[purchase->client].counter < purchase->counter + WINDOW &&
               memcmp(sim->clients[purchase->client].client_id, purchase->client_id, 16) == 0) {
        sim_fail(sim, "OUTCOME_UNKNOWN within the window");
    } else if (status > CORE_COLD && purchase->pair == call->pair && status != CORE_KEY_REUSED &&
               status != CORE_OUTCOME_UNKNOWN && !old) {
        sim_fail(sim, "a repeated request was answered with %d", status);
    } else if (status == CORE_COLD && purchase->pair == call->pair) {
        sim_fail(sim, "a repeated request waits for upstream");
    }
    sim->reused += status == CORE_KEY_REUSED;
}

static int64_t units_of(const struct sim *sim, int pair)
{
    struct core_product product;
    const char *name = sim->pairs[pair].product;
    if (!rowset_read(&sim->ledger.latest, TABLE_PRODUCT, name, strlen(name), &product,
                     sizeof(product)))
        return 0;
    return product.units_per_credit;
}

static void judge_offline(struct sim *sim, struct pair *pair)
{
    int64_t most = sim->scenario.policy.max_offline_spend;
    if (most >= 0 && pair->spent_unheard > most)
        sim_fail(sim, "%lld credits were spent unheard, the limit is %lld",
                 (long long)pair->spent_unheard, (long long)most);
}

static void judge_record(struct sim *sim, struct call *call, const struct core_consumed *consumed,
                         const struct before *before)
{
    const struct ledger_record *entry = ledger_at(&sim->ledger, consumed->sequence);
    struct record_consume detail;
    if (sim->ledger.count != before->records + 1 || consumed->sequence != sim->ledger.count) {
        sim_fail(sim, "a deduction appended %zu records, and names %llu",
                 sim->ledger.count - before->records, (unsigned long long)consumed->sequence);
        return;
    }
    if (entry->record.header.type != RECORD_CONSUME ||
        entry->record.header.detail_length < sizeof(detail)) {
        sim_fail(sim, "the record of a deduction is of type %u", entry->record.header.type);
        return;
    }
    memcpy(&detail, entry->record.detail, sizeof(detail));
    if (detail.credits != consumed->credits || detail.raw_amount != call->raw_amount ||
        detail.balance_after != consumed->balance_after ||
        detail.metadata_length != strlen(call->metadata) ||
        memcmp(entry->record.detail + sizeof(detail), call->metadata, detail.metadata_length) != 0)
        sim_fail(sim, "the record of a deduction tells something else than its answer");
    if (entry->record.header.uid != sim->purchases[call->purchase].uid ||
        entry->record.header.pid != sim->purchases[call->purchase].pid)
        sim_fail(sim, "the record of a deduction names another spender");
}

static void judge_new(struct sim *sim, struct call *call, const struct core_consumed *consumed,
                      const struct before *before)
{
    struct purchase *purchase = &sim->purchases[call->purchase];
    struct pair *pair = &sim->pairs[call->pair];
    int64_t units = units_of(sim, call->pair);
    int64_t credits = units > 0 ? call->raw_amount / units + (call->raw_amount % units != 0) : -1;
    if (consumed->credits != credits)
        sim_fail(sim, "%lld credits for %lld at %lld a credit", (long long)consumed->credits,
                 (long long)call->raw_amount, (long long)units);
    if (consumed->balance.available < 0 || consumed->balance_after < 0)
        sim_fail(sim, "available is %lld after a deduction",
                 (long long)consumed->balance.available);
    if (consumed->balance.available != consumed->balance_after)
        sim_fail(sim, "balance_after differs from the balance after");
    if (before->known && before->balance.available - credits != consumed->balance.available)
        sim_fail(sim, "available went from %lld to %lld with a deduction of %lld",
                 (long long)before->balance.available, (long long)consumed->balance.available,
                 (long long)credits);
    if (consumed->balance.reveals < consumed->sequence)
        sim_fail(sim, "a deduction does not wait for its own record (J3)");
    judge_record(sim, call, consumed, before);
    purchase->pair = call->pair;
    purchase->raw_amount = call->raw_amount;
    memcpy(purchase->metadata, call->metadata, sizeof(purchase->metadata));
    purchase->applied = true;
    purchase->acknowledged = false;
    purchase->sequence = consumed->sequence;
    purchase->epoch = consumed->epoch;
    purchase->credits = consumed->credits;
    purchase->balance_after = consumed->balance_after;
    purchase->applied_at = sim->now;
    pair->deducted += credits;
    pair->spent_unheard += credits;
    judge_offline(sim, pair);
}

static void judge_refusal(struct sim *sim, struct call *call, int status,
                          const struct core_consumed *consumed)
{
    if (status == CORE_INSUFFICIENT && consumed->balance.available >= consumed->credits)
        sim_fail(sim, "INSUFFICIENT with %lld for %lld", (long long)consumed->balance.available,
                 (long long)consumed->credits);
    if (status == CORE_UNKNOWN_CUSTOMER &&
        upstream_knows_customer(&sim->upstream, call->pair / SIM_COLUMNS))
        sim_fail(sim, "UNKNOWN_CUSTOMER for one that upstream knows");
    if (status == CORE_UNKNOWN_PRODUCT &&
        upstream_knows_product(&sim->upstream, call->pair % SIM_COLUMNS))
        sim_fail(sim, "UNKNOWN_PRODUCT for one that upstream knows");
    if (status == CORE_KEY_REUSED && !sim->purchases[call->purchase].applied)
        sim_fail(sim, "KEY_REUSED, and nothing had been done under that key");
    if (status == CORE_PRODUCT_PARKED && !sim->scenario.wrong_units)
        sim_fail(sim, "a product was parked, though its units are right");
    if (status == CORE_OUTCOME_UNKNOWN)
        sim->unknown_outcomes++;
    else
        sim->refused++;
}

void judge_consume(struct sim *sim, struct call *call, int status,
                   const struct core_consumed *consumed, const struct before *before)
{
    const struct purchase *purchase = &sim->purchases[call->purchase];
    bool applied = purchase->applied;
    sim_trace(sim, "consume %s %s raw %lld%s: %d%s", sim->pairs[call->pair].customer,
              sim->pairs[call->pair].product, (long long)call->raw_amount,
              applied ? " (again)" : "", status,
              status == CORE_OK && consumed->replayed ? " replayed" : "");
    if (status < 0 && !(status == -ENOSPC && sim->ledger.no_space))
        sim_fail(sim, "core_consume: %d", status);
    if (status == CORE_OK || status == CORE_INSUFFICIENT || status == CORE_OFFLINE_LIMIT) {
        sim->pairs[call->pair].has_slot =
            sim->pairs[call->pair].id != 0; /* else it may be forgotten */
        sim->pairs[call->pair].slot = consumed->balance.slot;
    }
    if (status != CORE_OK || consumed->replayed)
        nothing_changed(sim, call, status, before);
    if (applied)
        judge_repeat(sim, call, status, consumed);
    else if (status == CORE_OK && consumed->replayed)
        sim_fail(sim, "replayed, though nothing had been done");
    if (status == CORE_OK && !consumed->replayed && !sim->failed)
        judge_new(sim, call, consumed, before);
    else if (status > CORE_COLD)
        judge_refusal(sim, call, status, consumed);
}

/*
 * Reservations: made, extended, settled with less and more, late and twice, released, left to
 * expire. The books keep every state that a reservation went through, with the record that made it
 * so: a crash takes the last of them back.
 */
#include "world.h"

#include "need.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEEP_ENDED INT64_C(172800000)
#define KEY_AGE INT64_C(80000000)

static const struct hold_state *last(const struct booked_hold *hold)
{
    return &hold->states[hold->count - 1];
}

static void add_state(struct booked_hold *hold, uint64_t sequence, unsigned state,
                      int64_t expires_at)
{
    hold->states[hold->count++] = (struct hold_state){sequence, state, expires_at};
}

int64_t holds_sum(const struct sim *sim, int pair)
{
    int64_t sum = 0;
    for (size_t i = 0; i < sim->hold_count; i++) {
        const struct booked_hold *hold = &sim->holds[i];
        if (hold->pair == pair && hold->count > 0 && last(hold)->state == CORE_HOLD_HELD)
            sum += hold->credits;
    }
    return sum;
}

bool holds_have(struct sim *sim, int pair, struct core_balance *ret_balance)
{
    struct pair *books = &sim->pairs[pair];
    clients_look(sim, pair, false);
    return books->has_slot && core_balance_at(sim->core, books->slot, sim->now, ret_balance);
}

static void check_revealed(struct sim *sim, const char *what, uint64_t reveals, uint64_t sequence)
{
    if (reveals < sequence && sequence > sim->started_with)
        sim_fail(sim, "%s does not wait for its own record (J3)", what);
}

static int64_t units_of(const struct sim *sim, int pair)
{
    struct core_product product;
    const char *name = sim->pairs[pair].product;
    return rowset_read(&sim->ledger.latest, TABLE_PRODUCT, name, strlen(name), &product,
                       sizeof(product))
               ? product.units_per_credit
               : 1;
}

static int64_t credits_of(int64_t raw, int64_t units)
{
    return raw / units + (raw % units != 0);
}

/* --- making --- */

static struct booked_hold *new_hold(struct sim *sim)
{
    if (sim->hold_count == sim->hold_capacity) {
        sim->hold_capacity = sim->hold_capacity > 0 ? 2 * sim->hold_capacity : 32;
        sim->holds = need_array(sim->holds, sim->hold_capacity, sizeof(*sim->holds));
    }
    struct booked_hold *hold = &sim->holds[sim->hold_count++];
    *hold = (struct booked_hold){.pair = -1};
    return hold;
}

static struct core_consume command_of(const struct sim *sim, const struct booked_hold *hold)
{
    return (struct core_consume){.customer = sim_text(sim->pairs[hold->pair].customer),
                                 .product = sim_text(sim->pairs[hold->pair].product),
                                 .raw_amount = hold->raw_amount,
                                 .metadata = sim_text("{}"),
                                 .uid = hold->uid,
                                 .repeat =
                                     hold->key[0] != '\0' ? CORE_REPEAT_KEY : CORE_REPEAT_NONE,
                                 .key = sim_text(hold->key)};
}

static void made(struct sim *sim, struct booked_hold *hold, const struct core_balance *before,
                 const struct core_reserved *reserved)
{
    const struct ledger_record *entry = ledger_at(&sim->ledger, reserved->sequence);
    if (entry == NULL || entry->record.header.type != RECORD_RESERVE)
        sim_fail(sim, "a reservation without its record");
    if (reserved->credits != credits_of(hold->raw_amount, units_of(sim, hold->pair)))
        sim_fail(sim, "a reservation of %lld raw holds %lld", (long long)hold->raw_amount,
                 (long long)reserved->credits);
    if (reserved->balance.held != before->held + reserved->credits ||
        reserved->balance.available != before->available - reserved->credits ||
        reserved->balance.available < 0)
        sim_fail(sim, "a reservation of %lld left available %lld of %lld",
                 (long long)reserved->credits, (long long)reserved->balance.available,
                 (long long)before->available);
    if (reserved->expires_at != sim->now + hold->ttl)
        sim_fail(sim, "a reservation ends at another time than was asked");
    check_revealed(sim, "a reservation", reserved->balance.reveals, reserved->sequence);
    hold->credits = reserved->credits;
    hold->sequence = reserved->sequence;
    hold->epoch = reserved->epoch;
    core_reservation_id(sim->core, hold->epoch, hold->sequence, hold->id);
    add_state(hold, reserved->sequence, CORE_HOLD_HELD, reserved->expires_at);
}

static void reserve(struct sim *sim, int pair, uint32_t uid)
{
    struct booked_hold wish = {.pair = pair, .uid = uid};
    struct core_balance before;
    struct core_reserved reserved = {0};
    if (!holds_have(sim, pair, &before))
        return;
    int64_t units = units_of(sim, pair), most = before.available > 0 ? before.available : 1;
    if (most > 1000000)
        most = 1000000;
    wish.raw_amount = (prng_range(&sim->prng, 1, 1 + most / 4) - 1) * units + 1;
    wish.ttl = prng_range(&sim->prng, 1, sim->scenario.ttl_max);
    if (prng_chance(&sim->prng, 400))
        snprintf(wish.key, sizeof(wish.key), "hold-%zu", sim->hold_count);
    struct core_consume command = command_of(sim, &wish);
    size_t records = sim->ledger.count;
    int status = core_reserve(sim->core, &command, wish.ttl, sim->now, &reserved);
    process_settle(sim);
    sim_trace(sim, "reserve %s %s raw %lld ttl %lld: %d", sim->pairs[pair].customer,
              sim->pairs[pair].product, (long long)wish.raw_amount, (long long)wish.ttl, status);
    if (status < 0 && !(status == -ENOSPC && sim->ledger.no_space) &&
        !process_may_fail(sim, status))
        sim_fail(sim, "core_reserve: %d", status);
    if (status != CORE_OK) {
        if (sim->ledger.count != records)
            sim_fail(sim, "a refused reservation left a record");
        if (status == CORE_INSUFFICIENT && before.available >= reserved.credits)
            sim_fail(sim, "a reservation of %lld is refused with %lld available",
                     (long long)reserved.credits, (long long)before.available);
        return;
    }
    if (reserved.replayed)
        sim_fail(sim, "a new reservation is called a repeated one");
    struct booked_hold *hold = new_hold(sim);
    *hold = wish;
    made(sim, hold, &before, &reserved);
}

/* --- what becomes of it --- */

static void repeat(struct sim *sim, struct booked_hold *hold)
{
    struct core_reserved reserved = {0};
    struct core_balance before;
    bool other = prng_chance(&sim->prng, 300);
    if (hold->key[0] == '\0' || sim->now - (hold->states[0].expires_at - hold->ttl) > KEY_AGE ||
        !holds_have(sim, hold->pair, &before))
        return;
    struct core_consume command = command_of(sim, hold);
    size_t records = sim->ledger.count;
    int status = core_reserve(sim->core, &command, hold->ttl + other, sim->now, &reserved);
    process_settle(sim);
    sim_trace(sim, "reserve again %s: %d", hold->id, status);
    if (sim->ledger.count != records)
        sim_fail(sim, "a repeated reservation left a record (K1)");
    if (other ? status != CORE_KEY_REUSED && status != CORE_PRODUCT_PARKED
              : status != CORE_OK || !reserved.replayed || reserved.sequence != hold->sequence ||
                    reserved.epoch != hold->epoch || reserved.credits != hold->credits)
        sim_fail(sim, "a repeated reservation%s is answered with %d",
                 other ? " with another ttl" : "", status);
}

static void extend(struct sim *sim, struct booked_hold *hold)
{
    struct core_reserved reserved = {0};
    int64_t ttl = prng_range(&sim->prng, 1, sim->scenario.ttl_max);
    int status = core_extend(sim->core, sim_text(hold->id), ttl, hold->uid, 1, sim->now, &reserved);
    bool held = last(hold)->state == CORE_HOLD_HELD;
    process_settle(sim);
    sim_trace(sim, "extend %s by %lld: %d", hold->id, (long long)ttl, status);
    if (status == -ENOSPC && (sim->ledger.no_space || sim->ledger.full))
        return;
    if (status != (held ? CORE_OK : CORE_ENDED))
        sim_fail(sim, "an extend of a reservation in state %u: %d", last(hold)->state, status);
    if (status != CORE_OK)
        return;
    if (reserved.expires_at != sim->now + ttl || reserved.credits != hold->credits)
        sim_fail(sim, "an extended reservation is another");
    check_revealed(sim, "an extend", reserved.balance.reveals, sim->ledger.count);
    add_state(hold, sim->ledger.count, CORE_HOLD_HELD, reserved.expires_at);
}

static void settled(struct sim *sim, struct booked_hold *hold, int64_t raw,
                    const struct core_balance *before, const struct core_settled *answer)
{
    int64_t held = last(hold)->state == CORE_HOLD_HELD ? hold->credits : 0;
    int64_t wanted = credits_of(raw, units_of(sim, hold->pair));
    int64_t most = held + (before->available > 0 ? before->available : 0);
    int64_t taken = wanted < most ? wanted : most;
    struct pair *books = &sim->pairs[hold->pair];
    if ((books->id != 0 && answer->credits != taken) || answer->shortfall != wanted - taken)
        sim_fail(sim, "a settle of %lld took %lld and lacks %lld; held %lld, available %lld",
                 (long long)wanted, (long long)answer->credits, (long long)answer->shortfall,
                 (long long)held, (long long)before->available);
    if (answer->balance.held != before->held - held ||
        answer->balance.pending != before->pending + taken ||
        answer->balance.available != answer->balance_after)
        sim_fail(sim, "a settle's balance is not what follows from it");
    check_revealed(sim, "a settle", answer->balance.reveals, answer->sequence);
    hold->settled_raw = raw;
    hold->settled_credits = answer->credits;
    hold->shortfall = answer->shortfall;
    hold->balance_after = answer->balance_after;
    hold->settled_epoch = answer->epoch;
    hold->ended_at = sim->now;
    books->deducted += answer->credits;
    add_state(hold, answer->sequence, CORE_HOLD_SETTLED, last(hold)->expires_at);
}

static void settle_again(struct sim *sim, const struct booked_hold *hold, int64_t raw, int status,
                         const struct core_settled *answer)
{
    if (status != (raw == hold->settled_raw ? CORE_OK : CORE_KEY_REUSED))
        sim_fail(sim, "a second settle is answered with %d", status);
    if (status == CORE_OK &&
        (!answer->replayed || answer->credits != hold->settled_credits ||
         answer->shortfall != hold->shortfall || answer->balance_after != hold->balance_after ||
         answer->sequence != last(hold)->sequence || answer->epoch != hold->settled_epoch))
        sim_fail(sim, "a settle's repeated answer differs");
}

static int64_t draw_settle(struct sim *sim, const struct booked_hold *hold)
{
    const int64_t most = (INT64_C(1) << 53) - 1;
    int64_t units = units_of(sim, hold->pair), raw = hold->raw_amount;
    if (last(hold)->state == CORE_HOLD_SETTLED && prng_chance(&sim->prng, 700))
        return hold->settled_raw;
    switch (prng_below(&sim->prng, 4)) {
    case 0:
        break;
    case 1:
        raw *= 2;
        break;
    case 2:
        raw += prng_range(&sim->prng, 1, 1000000) * units;
        break;
    default:
        raw = prng_range(&sim->prng, 1, raw);
    }
    return raw < most ? raw : most;
}

static void settle(struct sim *sim, struct booked_hold *hold)
{
    struct core_balance before;
    struct core_settled answer = {0};
    if (!holds_have(sim, hold->pair, &before))
        return;
    int64_t raw = draw_settle(sim, hold);
    size_t records = sim->ledger.count;
    int status = core_settle(sim->core, sim_text(hold->id), raw, sim_text("{}"), hold->uid, 1,
                             sim->now, &answer);
    process_settle(sim);
    sim_trace(sim, "settle %s (state %u) raw %lld: %d%s", hold->id, last(hold)->state,
              (long long)raw, status, status == CORE_OK && answer.replayed ? " replayed" : "");
    if (status == -ENOSPC && (sim->ledger.no_space || sim->ledger.full))
        return;
    if (sim->ledger.count != records + (status == CORE_OK && !answer.replayed))
        sim_fail(sim, "a settle left %zu records", sim->ledger.count - records);
    if (last(hold)->state == CORE_HOLD_SETTLED)
        settle_again(sim, hold, raw, status, &answer);
    else if (last(hold)->state == CORE_HOLD_RELEASED && status != CORE_ENDED)
        sim_fail(sim, "a settle of what was released: %d", status);
    else if (last(hold)->state != CORE_HOLD_RELEASED && (status != CORE_OK || answer.replayed))
        sim_fail(sim, "a settle: %d", status);
    else if (status == CORE_OK)
        settled(sim, hold, raw, &before, &answer);
}

static void release(struct sim *sim, struct booked_hold *hold)
{
    struct core_reserved reserved = {0};
    unsigned state = last(hold)->state;
    int status = core_release(sim->core, sim_text(hold->id), hold->uid, 1, sim->now, &reserved);
    process_settle(sim);
    sim_trace(sim, "release %s (state %u): %d", hold->id, state, status);
    if (process_may_fail(sim, status))
        return;
    if (status != (state == CORE_HOLD_SETTLED ? CORE_ENDED : CORE_OK))
        sim_fail(sim, "a release of a reservation in state %u: %d", state, status);
    if (status != CORE_OK)
        return;
    if (reserved.replayed != (state != CORE_HOLD_HELD))
        sim_fail(sim, "a release in state %u says %s", state,
                 reserved.replayed ? "replayed" : "new");
    if (state == CORE_HOLD_HELD) {
        check_revealed(sim, "a release", reserved.balance.reveals, sim->ledger.count);
        hold->ended_at = sim->now;
        add_state(hold, sim->ledger.count, CORE_HOLD_RELEASED, last(hold)->expires_at);
    }
}

void holds_event(struct sim *sim, uint32_t uid)
{
    const struct scenario *s = &sim->scenario;
    int pair = (int)prng_below(&sim->prng, (uint64_t)s->customers) * SIM_COLUMNS +
               (int)prng_below(&sim->prng, (uint64_t)s->products);
    uint64_t back = prng_below(&sim->prng, prng_chance(&sim->prng, 800) ? 8 : 100);
    struct booked_hold *hold =
        back < sim->hold_count ? &sim->holds[sim->hold_count - 1 - back] : NULL;
    if (hold == NULL || hold->count == 0 || hold->count > SIM_HOLD_STATES - 3 ||
        prng_chance(&sim->prng, 400)) {
        reserve(sim, pair, uid);
        return;
    }
    if (hold->ended_at != 0 && sim->now - hold->ended_at > KEEP_ENDED / 2)
        return; /* it may be forgotten by the time this is asked */
    switch (prng_below(&sim->prng, 5)) {
    case 0:
        extend(sim, hold);
        break;
    case 1:
        repeat(sim, hold);
        break;
    case 2:
        release(sim, hold);
        break;
    default:
        settle(sim, hold);
    }
}

void holds_release_all(struct sim *sim)
{
    for (size_t i = 0; i < sim->hold_count && !sim->failed; i++)
        if (sim->holds[i].count > 0 && last(&sim->holds[i])->state == CORE_HOLD_HELD)
            release(sim, &sim->holds[i]);
}

/* --- the engine's own doing --- */

static struct booked_hold *find(const struct sim *sim, const struct core_hold *row)
{
    for (size_t i = sim->hold_count; i > 0; i--) {
        struct booked_hold *hold = &sim->holds[i - 1];
        if (hold->count > 0 && hold->sequence == row->sequence && hold->epoch == row->epoch)
            return hold;
    }
    return NULL;
}

/* Reservations expire by records of the engine's own. */
void holds_note(struct sim *sim, const struct record *record)
{
    struct record_image image;
    struct core_hold row;
    if (record->header.type != RECORD_EXPIRE)
        return;
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        if (image.table != TABLE_HOLD || image.value_length != sizeof(row))
            continue;
        memcpy(&row, image.value, sizeof(row));
        struct booked_hold *hold = find(sim, &row);
        if (hold == NULL) {
            sim_fail(sim, "a reservation expires that nobody made");
            continue;
        }
        if (record->header.sequence <= last(hold)->sequence)
            continue;
        if (last(hold)->state != CORE_HOLD_HELD || record->header.time < last(hold)->expires_at)
            sim_fail(sim, "%s expires %lld ms before its time, in state %u", hold->id,
                     (long long)(last(hold)->expires_at - record->header.time), last(hold)->state);
        hold->ended_at = record->header.time;
        add_state(hold, record->header.sequence, CORE_HOLD_EXPIRED, last(hold)->expires_at);
    }
}

void holds_check(struct sim *sim)
{
    if (sim->ledger.full)
        sim->ledger.full_until = sim->now;
    for (size_t i = 0; i < sim->hold_count; i++) {
        const struct booked_hold *hold = &sim->holds[i];
        if (hold->count == 0 || last(hold)->state != CORE_HOLD_HELD)
            continue;
        if (last(hold)->expires_at <= sim->now && sim->now > sim->ledger.full_until + 2000)
            sim_fail(sim, "%s is held beyond its time", hold->id);
    }
}

void holds_crash(struct sim *sim)
{
    for (size_t i = 0; i < sim->hold_count; i++) {
        struct booked_hold *hold = &sim->holds[i];
        while (hold->count > 0 && last(hold)->sequence > sim->ledger.count) {
            if (last(hold)->state == CORE_HOLD_SETTLED)
                sim->pairs[hold->pair].deducted -= hold->settled_credits;
            if (last(hold)->state != CORE_HOLD_HELD)
                hold->ended_at = 0;
            hold->count--;
        }
        if (hold->count > 0 && last(hold)->state != CORE_HOLD_HELD && hold->ended_at == 0)
            hold->ended_at = last(hold)->expires_at; /* it had expired before it was settled */
    }
}

/* What the record of that sequence left behind. */
static const struct hold_state *state_at(const struct booked_hold *hold, uint64_t sequence)
{
    const struct hold_state *state = NULL;
    for (size_t i = 0; i < hold->count && hold->states[i].sequence <= sequence; i++)
        state = &hold->states[i];
    return state;
}

void holds_compare(struct sim *sim, const struct core *core, uint64_t sequence)
{
    for (size_t i = 0; i < sim->hold_count && !sim->failed; i++) {
        const struct booked_hold *hold = &sim->holds[i];
        const struct hold_state *state = state_at(hold, sequence);
        struct core_reservation found;
        if (hold->count == 0 || (hold->ended_at != 0 && sim->now - hold->ended_at >= KEEP_ENDED))
            continue;
        int status = core_reservation_get(core, sim_text(hold->id), &found);
        if ((status == CORE_OK) != (state != NULL))
            sim_fail(sim, "replay: %s is answered with %d", hold->id, status);
        else if (state != NULL &&
                 (found.hold.state != state->state || found.hold.expires_at != state->expires_at ||
                  found.hold.credits != hold->credits))
            sim_fail(sim, "replay: %s is in state %u, not %u", hold->id, found.hold.state,
                     state->state);
    }
}

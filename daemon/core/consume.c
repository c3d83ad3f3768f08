/*
 * Spending, and looking at what can be spent. Both begin alike: the balance must be in memory and
 * known, or somebody must be asked first; only then is anything decided.
 */
#include "state.h"

#include <errno.h>
#include <string.h>

int64_t core_credits(int64_t raw_amount, int64_t units_per_credit)
{
    return raw_amount / units_per_credit + (raw_amount % units_per_credit != 0);
}

struct hash128 core_balance_hash(const struct core *core, struct core_text customer,
                                 struct core_text product)
{
    return hash_pair(&core->hash_key, customer.data, customer.length, product.data, product.length);
}

/* Asks upstream on somebody's behalf, who pays for it once. */
static int want(struct core *core, struct balance *balance, uint32_t uid, int64_t now)
{
    if (!balance->charged) {
        int r = turns_take(core, uid, balance_customer(balance), now);
        if (r == CORE_QUOTA_TURNS && balance->knowledge == KNOWN_NOT && !balance->wanted &&
            !balance->exchange)
            balance_forget(core, balance); /* invented names must not fill the memory either; the
                                              slot stays readable */
        if (r != CORE_OK)
            return r;
        balance->charged = true;
    }
    plan_want(core, balance, now);
    return CORE_COLD;
}

/* CORE_OK: known, in memory. */
static int look_up(struct core *core, struct core_text customer, struct core_text product,
                   uint32_t uid, int64_t now, struct balance **ret_balance)
{
    struct balance *balance = balance_find(core, core_balance_hash(core, customer, product));

    if (!balance)
        return CORE_LOAD;
    *ret_balance = balance;
    const struct product *known = &core->products[balance->product];
    if (known->unknown_until > now)
        return CORE_UNKNOWN_PRODUCT;
    if (!known->known)
        return want(core, balance, uid, now);

    switch ((enum knowledge)balance->knowledge) {
    case KNOWN:
        if (balance->row->synced_at > 0)
            return CORE_OK;
        break; /* named, and not read yet */
    case KNOWN_NONE:
        if (balance->unknown_until > now)
            return CORE_OK;
        break;
    case KNOWN_CUSTOMER:
        if (balance->unknown_until > now)
            return CORE_UNKNOWN_CUSTOMER;
        break;
    case KNOWN_NOT:
        break;
    }
    return want(core, balance, uid, now);
}

static void mark_used(struct core *core, struct balance *balance, int64_t now)
{
    if (balance->used)
        return;
    balance->used = true;
    plan(core, balance, now);
}

int core_balance_get(struct core *core, struct core_text customer, struct core_text product,
                     uint32_t uid, int64_t now, struct core_balance *ret_balance,
                     uint32_t *ret_slot)
{
    struct balance *balance;

    int r = look_up(core, customer, product, uid, now, &balance);
    if (r < 0 || r == CORE_LOAD)
        return r;
    *ret_slot = balance->slot;
    if (r != CORE_OK)
        return r;
    if (balance->knowledge == KNOWN)
        mark_used(core, balance, now);
    balance_view(core, balance, now, ret_balance);
    return CORE_OK;
}

int core_balance_refresh(struct core *core, uint32_t slot, uint32_t uid, int64_t now)
{
    struct balance *balance = balance_at(core, slot);

    if (!balance)
        return CORE_NOT_FOUND;
    int r = want(core, balance, uid, now);
    return r == CORE_COLD ? CORE_OK : r;
}

static int refuse(struct core *core, const struct core_consume *command,
                  const struct balance *balance, int64_t now, struct core_consumed *ret_consumed)
{
    const struct core_policy *policy = &core->policy;
    const struct core_row *row = balance->row;
    int64_t credits =
        core_credits(command->raw_amount, core->products[balance->product].row.units_per_credit);

    *ret_consumed = (struct core_consumed){.credits = credits, .epoch = core->epoch};
    balance_view(core, balance, now, &ret_consumed->balance);
    if (balance->knowledge != KNOWN || credits > row_available(row))
        return CORE_INSUFFICIENT;
    if (policy->max_offline_time >= 0 && now - row->synced_at > policy->max_offline_time)
        return CORE_OFFLINE_LIMIT;
    if (policy->max_offline_spend >= 0 &&
        row->deducted - row->deducted_at_sync + credits > policy->max_offline_spend)
        return CORE_OFFLINE_LIMIT;
    return CORE_OK;
}

/* Whether this is known to be offline is one question, whether a reading would change anything the
 * other: more than the limit at once is refused whatever it says. */
static bool may_be_online(const struct core *core, const struct balance *balance, int64_t credits)
{
    const struct core_policy *policy = &core->policy;
    bool too_much = policy->max_offline_spend >= 0 && credits > policy->max_offline_spend;
    bool doubtful = balance->push && balance->push->row.state != CORE_PUSH_PARKED;
    return core->helper && !core->unanswered && !core->paused && !doubtful && !too_much;
}

/* A limit or a shortage may be over upstream already: worth a reading ahead of its time, at the
 * planner's pace. */
static int refused(struct core *core, struct balance *balance, int status, int64_t now)
{
    if (balance->knowledge == KNOWN)
        mark_used(core, balance, now);
    return status;
}

static int spend(struct core *core, const struct core_consume *command, struct balance *balance,
                 const struct dedupe_request *request, int64_t now, struct core_consumed *consumed)
{
    uint8_t detail[sizeof(struct record_consume) + CORE_METADATA_MAX];
    size_t detail_length = sizeof(struct record_consume) + command->metadata.length;
    uint8_t key[18];
    size_t key_length = 0;
    struct append append;
    struct core_row row = *balance->row;
    struct dedupe_client client = {
        .highest = command->counter, .last_used = now, .uid = command->uid};
    struct dedupe_entry entry = {
        .fingerprint = request->fingerprint,
        .counter = request->counter,
        .time = now,
        .credits = consumed->credits,
        .raw_amount = command->raw_amount,
        .epoch = core->epoch,
        .balance = row.id,
        .uid = command->uid,
    };

    row.deducted += consumed->credits;
    uint32_t events = crossing(core, &row, true);
    entry.balance_after = row_available(&row);
    struct record_consume head = {
        .raw_amount = command->raw_amount,
        .credits = consumed->credits,
        .balance_after = entry.balance_after,
        .deducted_after = row.deducted,
        .metadata_length = (uint32_t)command->metadata.length,
    };
    memcpy(detail, &head, sizeof(head));
    if (command->metadata.length)
        memcpy(detail + sizeof(head), command->metadata.data, command->metadata.length);

    append_init(&append);
    append_image(&append, TABLE_BALANCE, &row.id, sizeof(row.id), &row, sizeof(row));
    if (request->repeat != CORE_REPEAT_NONE) {
        dedupe_image_key(request, key, &key_length);
        append_image(&append, request->repeat == CORE_REPEAT_KEY ? TABLE_KEY : TABLE_STAMP, key,
                     key_length, &entry, sizeof(entry));
    }
    if (request->new_client)
        append_image(&append, TABLE_CLIENT, &request->client, sizeof(request->client), &client,
                     sizeof(client));
    int r = append_begin(core, &append, detail_length, false);
    if (r < 0)
        return r;

    row.last_place = append.place;
    entry.sequence = append.sequence;
    append_finish(core, &append, RECORD_CONSUME, balance, command->uid, command->pid, events,
                  detail, now);
    balance_set_row(core, balance, &row, now);
    balance->last_sequence = append.sequence;
    dedupe_remember(core, request, &entry);
    tell_events(core, events, balance->slot, append.sequence);
    consumed->sequence = append.sequence;
    consumed->balance_after = entry.balance_after;
    return CORE_OK;
}

static void answer_again(struct core *core, const struct balance *balance,
                         const struct dedupe_entry *entry, int64_t now,
                         struct core_consumed *ret_consumed)
{
    *ret_consumed = (struct core_consumed){
        .credits = entry->credits,
        .sequence = entry->sequence,
        .epoch = entry->epoch,
        .balance_after = entry->balance_after,
        .replayed = true,
    };
    balance_view(core, balance, now, &ret_consumed->balance);
}

int core_consume(struct core *core, const struct core_consume *command, int64_t now,
                 struct core_consumed *ret_consumed)
{
    const struct dedupe_entry *known;
    struct dedupe_request request;
    struct balance *balance = NULL;

    if (command->raw_amount < 1 || command->metadata.length > CORE_METADATA_MAX)
        return -EINVAL;
    int looked = look_up(core, command->customer, command->product, command->uid, now, &balance);
    if (looked < 0 || looked == CORE_LOAD)
        return looked;
    if (looked != CORE_OK) {
        *ret_consumed = (struct core_consumed){.balance.slot = balance->slot};
        return looked;
    }

    /* A repetition is answered before anything else is looked at: its deduction has been made. */
    int r = dedupe_check(core, command, now, &request, &known);
    if (r != CORE_OK)
        return r;
    if (known) {
        answer_again(core, balance, known, now, ret_consumed);
        return CORE_OK;
    }
    if (core->products[balance->product].row.parked)
        return CORE_PRODUCT_PARKED;
    r = refuse(core, command, balance, now, ret_consumed);
    if (r == CORE_OFFLINE_LIMIT && may_be_online(core, balance, ret_consumed->credits)) {
        /* Only nobody has asked for a while: a reading tells whether this is offline at all. */
        r = want(core, balance, command->uid, now);
        return r == CORE_QUOTA_TURNS ? CORE_OFFLINE_LIMIT : r;
    }
    if (r != CORE_OK)
        return refused(core, balance, r, now);

    bool was_pending = row_pending(balance->row) > 0;
    r = dedupe_reserve(core, &request);
    if (r == 0) {
        r = spend(core, command, balance, &request, now, ret_consumed);
        if (r < 0)
            dedupe_release(core, &request);
    }
    if (r < 0)
        return r;
    balance->used = true;
    if (balance->queued == TURN_PUSH)
        plan_grown(core, balance);
    else if (!was_pending)
        plan(core, balance, now);
    balance_view(core, balance, now, &ret_consumed->balance);
    return CORE_OK;
}

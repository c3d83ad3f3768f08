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
int balance_look_up(struct core *core, struct core_text customer, struct core_text product,
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

    int r = balance_look_up(core, customer, product, uid, now, &balance);
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

int consume_check(struct core *core, const struct core_consume *command,
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
int consume_refused(struct core *core, struct balance *balance, int status, int64_t now)
{
    if (balance->knowledge == KNOWN)
        mark_used(core, balance, now);
    return status;
}

size_t consume_detail(uint8_t *buffer, const struct record_consume *head, struct core_text metadata)
{
    memcpy(buffer, head, sizeof(*head));
    if (metadata.length)
        memcpy(buffer + sizeof(*head), metadata.data, metadata.length);
    return sizeof(*head) + metadata.length;
}

static int spend(struct core *core, const struct core_consume *command, struct balance *balance,
                 const struct dedupe_request *request, int64_t now, struct core_consumed *consumed)
{
    uint8_t detail[CONSUME_DETAIL_MAX];
    struct core_row row = *balance->row;

    row.deducted += consumed->credits;
    consumed->balance_after = row_available(&row);
    struct record_consume head = {
        .raw_amount = command->raw_amount,
        .credits = consumed->credits,
        .balance_after = consumed->balance_after,
        .deducted_after = row.deducted,
        .metadata_length = (uint32_t)command->metadata.length,
    };
    struct dedupe_images images = {.entry = {
                                       .time = now,
                                       .credits = consumed->credits,
                                       .raw_amount = command->raw_amount,
                                       .balance_after = consumed->balance_after,
                                       .epoch = core->epoch,
                                       .balance = row.id,
                                   }};
    struct change change = {
        .balance = balance,
        .row = row,
        .request = request,
        .images = &images,
        .sequences = {&images.entry.sequence},
        .sequence_count = 1,
        .type = RECORD_CONSUME,
        .uid = command->uid,
        .pid = command->pid,
        .spent = true,
        .detail = detail,
        .detail_length = consume_detail(detail, &head, command->metadata),
    };
    return change_append(core, &change, now, &consumed->sequence);
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
    int looked =
        balance_look_up(core, command->customer, command->product, command->uid, now, &balance);
    if (looked < 0 || looked == CORE_LOAD)
        return looked;
    if (looked != CORE_OK) {
        *ret_consumed = (struct core_consumed){.balance.slot = balance->slot};
        return looked;
    }

    /* A repetition is answered before anything else is looked at: its deduction has been made. */
    struct dedupe_command once = {.method = "credits.consume", .who = command};
    if (command->repeat != CORE_REPEAT_NONE)
        once.fingerprint = dedupe_fingerprint(core, once.method, balance, command, 0);
    int r = dedupe_check(core, &once, now, &request, &known);
    if (r != CORE_OK)
        return r;
    if (known) {
        answer_again(core, balance, known, now, ret_consumed);
        return CORE_OK;
    }
    if (core->products[balance->product].row.parked)
        return CORE_PRODUCT_PARKED;
    r = consume_check(core, command, balance, now, ret_consumed);
    if (r == CORE_OFFLINE_LIMIT && may_be_online(core, balance, ret_consumed->credits)) {
        /* Only nobody has asked for a while: a reading tells whether this is offline at all. */
        r = want(core, balance, command->uid, now);
        return r == CORE_QUOTA_TURNS ? CORE_OFFLINE_LIMIT : r;
    }
    if (r != CORE_OK)
        return consume_refused(core, balance, r, now);

    bool was_pending = row_pending(balance->row) > 0;
    r = dedupe_reserve(core, &request);
    if (r == 0) {
        r = spend(core, command, balance, &request, now, ret_consumed);
        if (r < 0)
            dedupe_release(core, &request);
    }
    if (r < 0)
        return r;
    plan_spent(core, balance, was_pending, now);
    balance_view(core, balance, now, &ret_consumed->balance);
    return CORE_OK;
}

/*
 * Giving back, and giving (ledger.md P10). What is given back of credits that have not left yet
 * lowers `pending` at once: credits are alike, so any that are still here will do, and upstream
 * simply never hears of them. What has left, and every grant, is a push of its own kind, and can be
 * spent when StellarTools has confirmed it.
 *
 * P moves for what is given back at once, as it does for a write-off: P counts what need not be
 * sent any more.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CREDITS_MAX ((INT64_C(1) << 31) - 1)
#define AMOUNT_MAX ((INT64_C(1) << 53) - 1)

struct given_back {
    struct core_transaction of;
    struct core_return row;
};

static struct hash128 transaction_hash(const struct core *core, const struct core_transaction *of)
{
    return hash_bytes(&core->hash_key, of, sizeof(*of));
}

static const struct given_back *find(const struct core *core, const struct core_transaction *of)
{
    const uint64_t *found = map_get(&core->returned, transaction_hash(core, of));
    return found ? (const struct given_back *)(uintptr_t)*found : NULL;
}

static int remember(struct core *core, const struct core_transaction *of,
                    const struct core_return *row)
{
    struct given_back *given = malloc(sizeof(*given));

    if (!given)
        return -ENOMEM;
    *given = (struct given_back){*of, *row};
    int r = map_put(&core->returned, transaction_hash(core, of), (uint64_t)(uintptr_t)given);
    if (r < 0)
        free(given);
    return r;
}

int give_load(struct core *core, const void *key, size_t key_length, const void *value,
              size_t value_length)
{
    struct core_transaction of;
    struct core_return row;

    if (key_length != sizeof(of) || value_length != sizeof(row))
        return -EBADMSG;
    memcpy(&of, key, sizeof(of));
    memcpy(&row, value, sizeof(row));
    return find(core, &of) ? 0 : remember(core, &of, &row);
}

void give_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->returned, &position));)
        free((struct given_back *)(uintptr_t)entry->value);
    map_deinit(&core->returned);
}

/* A push of its own kind, as it waits for its turn; its sequence is the record's. */
static struct core_push queued_push(const struct core *core, const struct balance *balance,
                                    enum core_push_kind kind, int64_t credits,
                                    struct core_text reason, int64_t now)
{
    struct core_push push = {
        .epoch = core->epoch,
        .balance = balance->row->id,
        .credits = credits,
        .begun_at = now,
        .state = CORE_PUSH_QUEUED,
        .kind = (uint16_t)kind,
    };
    size_t length = reason.length < sizeof(push.note) - 1 ? reason.length : sizeof(push.note) - 1;

    while (length < reason.length && length > 0 && ((uint8_t)reason.data[length] & 0xc0) == 0x80)
        length--; /* not in the middle of a character */
    if (length)
        memcpy(push.note, reason.data, length);
    return push;
}

static int64_t in_flight(const struct balance *balance)
{
    const struct push *push = balance->push;
    return push && push->row.kind == CORE_PUSH_DEDUCT ? push->row.credits - push->row.counted : 0;
}

/* How many of these have not left yet. */
static int64_t at_hand(const struct balance *balance, int64_t credits)
{
    int64_t here = row_pending(balance->row) - in_flight(balance);
    return here <= 0 ? 0 : here < credits ? here : credits;
}

/* What one push can carry (P1). */
static int64_t push_most(int64_t units)
{
    return CREDITS_MAX < AMOUNT_MAX / units ? CREDITS_MAX : AMOUNT_MAX / units;
}

static int64_t credits_to_return(const struct core_give_back *command, int64_t units)
{
    int64_t raw = command->raw_amount ? command->raw_amount : command->of_raw_amount;

    if (raw >= command->of_raw_amount)
        return command->of_credits;
    int64_t stays = core_credits(command->of_raw_amount - raw, units);
    return stays < command->of_credits ? command->of_credits - stays : 0;
}

static void tell(struct core *core, const struct balance *balance, const struct core_return *row,
                 bool replayed, int64_t now, struct core_given *ret_given)
{
    *ret_given = (struct core_given){
        .credits = row->credits,
        .pushed = row->pushed,
        .sequence = row->sequence,
        .epoch = row->epoch,
        .replayed = replayed,
    };
    balance_view(core, balance, now, &ret_given->balance);
}

static int give_back(struct core *core, const struct core_give_back *command,
                     struct balance *balance, int64_t credits, int64_t now, struct core_return *row)
{
    struct core_reading reading = balance->reading;
    struct record_credit_refund detail = {.of = command->of};
    int64_t at_once = at_hand(balance, credits);
    struct core_push push =
        queued_push(core, balance, CORE_PUSH_REFUND, credits - at_once, command->reason, now);
    struct push *made = push.credits ? push_new(core, &push, balance) : NULL;

    if (push.credits && !made)
        return -ENOMEM;
    *row = (struct core_return){
        .epoch = core->epoch,
        .balance = balance->row->id,
        .credits = credits,
        .raw_amount = command->raw_amount ? command->raw_amount : command->of_raw_amount,
        .pushed = push.credits,
    };
    reading.returned += at_once;
    struct change change = {
        .balance = balance,
        .row = *balance->row,
        .reading = &reading,
        .push = made ? &push : NULL,
        .extra = {{TABLE_RETURNED, &command->of, sizeof(command->of), row, sizeof(*row)}},
        .extra_count = 1,
        .sequences = {&row->sequence, &push.sequence, &detail.result.sequence},
        .sequence_count = 3,
        .type = RECORD_CREDIT_REFUND,
        .uid = command->uid,
        .pid = command->pid,
        .detail = &detail,
        .detail_length = sizeof(detail),
        .use_reserve = true,
    };
    change.row.pushed += at_once;
    detail.result = *row;
    int r = remember(core, &command->of, row);
    if (r == 0)
        r = change_append(core, &change, now, NULL);
    if (r < 0) {
        give_forget(core, &command->of);
        if (made)
            push_free(core, balance, made);
        return r;
    }
    ((struct given_back *)(uintptr_t)*map_get(&core->returned,
                                              transaction_hash(core, &command->of)))
        ->row = *row;
    if (made)
        made->row = push;
    return 0;
}

void give_forget(struct core *core, const struct core_transaction *of)
{
    const struct given_back *given = find(core, of);

    if (!given)
        return;
    map_remove(&core->returned, transaction_hash(core, of));
    free((void *)(uintptr_t)given);
}

int core_credit_refund(struct core *core, const struct core_give_back *command, int64_t now,
                       struct core_given *ret_given)
{
    struct balance *balance = NULL;
    struct core_return row;

    int r = balance_look_up(core, command->customer, command->product, command->uid, now, &balance);
    if (balance)
        *ret_given = (struct core_given){.balance.slot = balance->slot};
    if (r != CORE_OK)
        return r;
    if (balance->knowledge != KNOWN)
        return CORE_NOT_FOUND;
    int64_t raw = command->raw_amount ? command->raw_amount : command->of_raw_amount;
    const struct given_back *before = find(core, &command->of);
    if (before) {
        if (before->row.raw_amount != raw)
            return CORE_GIVEN_BACK;
        tell(core, balance, &before->row, true, now, ret_given);
        return CORE_OK;
    }
    int64_t credits =
        credits_to_return(command, core->products[balance->product].row.units_per_credit);
    if (raw < 1 || raw > command->of_raw_amount || credits < 1)
        return CORE_TOO_MUCH;
    if (credits - at_hand(balance, credits) >
        push_most(core->products[balance->product].row.units_per_credit))
        return CORE_TOO_MUCH;
    r = give_back(core, command, balance, credits, now, &row);
    if (r < 0)
        return r;
    plan(core, balance, now);
    tell(core, balance, &row, false, now, ret_given);
    return CORE_OK;
}

static int grant(struct core *core, const struct core_consume *command, struct balance *balance,
                 const struct dedupe_request *request, int64_t credits, int64_t now,
                 struct core_return *row)
{
    struct core_push push =
        queued_push(core, balance, CORE_PUSH_GRANT, credits, command->metadata, now);
    struct dedupe_images images = {.entry = {
                                       .time = now,
                                       .credits = credits,
                                       .raw_amount = command->raw_amount,
                                       .epoch = core->epoch,
                                       .balance = push.balance,
                                   }};
    struct change change = {
        .balance = balance,
        .row = *balance->row,
        .push = &push,
        .request = request,
        .images = &images,
        .sequences = {&push.sequence, &images.entry.sequence, &row->sequence},
        .sequence_count = 3,
        .type = RECORD_GRANT,
        .uid = command->uid,
        .pid = command->pid,
        .detail = command->metadata.data,
        .detail_length = command->metadata.length,
    };
    struct push *made = push_new(core, &push, balance);
    int r = made ? change_append(core, &change, now, NULL) : -ENOMEM;

    if (r == 0)
        made->row = push;
    else if (made)
        push_free(core, balance, made);
    return r;
}

int core_grant(struct core *core, const struct core_consume *command, int64_t now,
               struct core_given *ret_given)
{
    struct dedupe_command once = {.method = "credits.grant", .who = command};
    const struct dedupe_entry *known;
    struct dedupe_request request;
    struct balance *balance = NULL;
    struct core_return row = {.epoch = core->epoch};

    int r = balance_look_up(core, command->customer, command->product, command->uid, now, &balance);
    if (balance)
        *ret_given = (struct core_given){.balance.slot = balance->slot};
    if (r != CORE_OK)
        return r;
    if (balance->knowledge != KNOWN)
        return CORE_NOT_FOUND;
    once.fingerprint = dedupe_fingerprint(core, once.method, balance, command, 0);
    r = dedupe_check(core, &once, now, &request, &known);
    if (r != CORE_OK)
        return r;
    if (known) {
        row = (struct core_return){.sequence = known->sequence,
                                   .epoch = known->epoch,
                                   .credits = known->credits,
                                   .pushed = known->credits};
        tell(core, balance, &row, true, now, ret_given);
        return CORE_OK;
    }
    int64_t units = core->products[balance->product].row.units_per_credit;
    row.credits = row.pushed = core_credits(command->raw_amount, units);
    if (command->raw_amount < 1 || row.credits > push_most(units))
        return CORE_TOO_MUCH;
    r = dedupe_reserve(core, &request);
    if (r < 0)
        return r;
    r = grant(core, command, balance, &request, row.credits, now, &row);
    if (r < 0) {
        dedupe_release(core, &request);
        return r;
    }
    plan(core, balance, now);
    tell(core, balance, &row, false, now, ret_given);
    return CORE_OK;
}

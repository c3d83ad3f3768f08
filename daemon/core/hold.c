/*
 * Reservations: credits that are held for work whose price is known only at its end. What is held
 * is not available; a settle deducts what was really used and gives the rest back. A hold ends by
 * itself when its time is over, by a record like everything else, and is remembered after its end:
 * a late settle takes what is available then, a repeated one gets its answer again.
 */
#include "state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define KEEP_ENDED (INT64_C(48) * 60 * 60 * 1000)
#define RETRY_MS 1000
#define FORGET_STEP 16u

void core_reservation_id(const struct core *core, uint32_t epoch, uint64_t sequence,
                         char ret_id[EXCHANGE_PUSH_ID_SIZE])
{
    (void)core;
    snprintf(ret_id, EXCHANGE_PUSH_ID_SIZE, "rsv_%u_%llu", epoch, (unsigned long long)sequence);
}

/* --- memory --- */

static struct hold *find(const struct core *core, uint64_t sequence)
{
    const uint64_t *found = map_get(&core->holds, hash_number(sequence));
    return found ? (struct hold *)(uintptr_t)*found : NULL;
}

static struct hold *find_by_id(const struct core *core, struct core_text id)
{
    char text[EXCHANGE_PUSH_ID_SIZE], again[EXCHANGE_PUSH_ID_SIZE];
    unsigned long long sequence;
    unsigned epoch;

    if (id.length >= sizeof(text))
        return NULL;
    memcpy(text, id.data, id.length);
    text[id.length] = '\0';
    if (sscanf(text, "rsv_%10u_%20llu", &epoch, &sequence) != 2)
        return NULL;
    core_reservation_id(core, epoch, sequence, again);
    struct hold *hold = find(core, sequence);
    return hold && hold->row.epoch == epoch && strcmp(text, again) == 0 ? hold : NULL;
}

static int64_t due(const struct core_hold *row)
{
    return row->state == CORE_HOLD_HELD ? row->expires_at : row->ended_at + KEEP_ENDED;
}

/* Room for one more, so that nothing can fail after its record. */
static int reserve_hold(struct core *core, struct hold **ret_hold)
{
    if (heap_reserve(&core->holds_by_time, core->holds_by_time.count + 1) < 0)
        return -ENOMEM;
    struct hold *hold = calloc(1, sizeof(*hold));
    if (!hold)
        return -ENOMEM;
    *ret_hold = hold;
    return 0;
}

static int put(struct core *core, struct hold *hold, const struct core_hold *row)
{
    int r = map_put(&core->holds, hash_number(row->sequence), (uint64_t)(uintptr_t)hold);

    if (r < 0)
        return r;
    hold->row = *row;
    heap_set(&core->holds_by_time, &hold->by_time, due(row));
    return 0;
}

static void drop(struct core *core, struct hold *hold)
{
    heap_remove(&core->holds_by_time, &hold->by_time);
    map_remove(&core->holds, hash_number(hold->row.sequence));
    free(hold);
}

int hold_load(struct core *core, const void *key, size_t key_length, const void *value,
              size_t value_length)
{
    struct core_hold row;
    uint64_t sequence;

    if (key_length != sizeof(sequence) || (value_length != 0 && value_length != sizeof(row)))
        return -EBADMSG;
    memcpy(&sequence, key, sizeof(sequence));
    struct hold *hold = find(core, sequence);
    if (value_length == 0) {
        if (hold)
            drop(core, hold);
        return 0;
    }
    memcpy(&row, value, sizeof(row));
    if (row.sequence != sequence || row.state < CORE_HOLD_HELD || row.state > CORE_HOLD_RELEASED)
        return -EBADMSG;
    if (!balance_by_id(core, row.balance))
        return -ENOENT;
    int r = hold ? 0 : reserve_hold(core, &hold);
    return r < 0 ? r : put(core, hold, &row);
}

void hold_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->holds, &position));)
        free((struct hold *)(uintptr_t)entry->value);
    map_deinit(&core->holds);
    heap_deinit(&core->holds_by_time);
}

/* --- changes --- */

/* The balance's row and the hold's, in one record; what is not said in `change` is filled in. */
static int append_hold(struct core *core, struct hold *hold, struct core_hold *row,
                       struct change *change, bool spent, int64_t now, uint64_t *ret_sequence)
{
    change->spent = spent;
    change->extra[change->extra_count++] = (struct record_image){
        .table = TABLE_HOLD,
        .key = &row->sequence,
        .key_length = sizeof(row->sequence),
        .value = row,
        .value_length = sizeof(*row),
    };
    int r = change_append(core, change, now, ret_sequence);
    if (r < 0)
        return r;
    if (hold->row.sequence) {
        hold->row = *row;
        heap_set(&core->holds_by_time, &hold->by_time, due(row));
    }
    return 0;
}

static void tell(struct core *core, const struct core_hold *row, const struct balance *balance,
                 bool replayed, int64_t now, struct core_reserved *ret_reserved)
{
    *ret_reserved = (struct core_reserved){
        .credits = row->credits,
        .expires_at = row->expires_at,
        .sequence = row->sequence,
        .epoch = row->epoch,
        .replayed = replayed,
    };
    balance_view(core, balance, now, &ret_reserved->balance);
}

static int make(struct core *core, const struct core_consume *command, struct balance *balance,
                const struct dedupe_request *request, int64_t credits, int64_t ttl, int64_t now,
                struct core_hold *row)
{
    struct hold *hold;

    int r = reserve_hold(core, &hold);
    if (r < 0)
        return r;
    *row = (struct core_hold){
        .epoch = core->epoch,
        .balance = balance->row->id,
        .credits = credits,
        .raw_amount = command->raw_amount,
        .expires_at = now + ttl,
        .uid = command->uid,
        .state = CORE_HOLD_HELD,
    };
    struct dedupe_images images = {.entry = {
                                       .time = now,
                                       .credits = credits,
                                       .raw_amount = command->raw_amount,
                                       .epoch = core->epoch,
                                       .balance = row->balance,
                                   }};
    struct change change = {
        .balance = balance,
        .row = *balance->row,
        .request = request,
        .images = &images,
        .sequences = {&row->sequence, &images.entry.sequence},
        .sequence_count = 2,
        .type = RECORD_RESERVE,
        .uid = command->uid,
        .pid = command->pid,
        .detail = command->metadata.data,
        .detail_length = command->metadata.length,
    };
    change.row.held += credits;
    r = append_hold(core, hold, row, &change, true, now, NULL);
    if (r == 0)
        r = put(core, hold, row);
    if (r < 0)
        free(hold);
    return r;
}

int core_reserve(struct core *core, const struct core_consume *command, int64_t ttl, int64_t now,
                 struct core_reserved *ret_reserved)
{
    struct dedupe_command once = {.method = "credits.reserve", .who = command};
    const struct dedupe_entry *known;
    struct core_consumed checked;
    struct dedupe_request request;
    struct balance *balance = NULL;
    struct core_hold row;

    if (command->raw_amount < 1 || command->metadata.length > CORE_METADATA_MAX || ttl < 1 ||
        ttl > CORE_TTL_MAX)
        return -EINVAL;
    int r = balance_look_up(core, command->customer, command->product, command->uid, now, &balance);
    if (balance)
        *ret_reserved = (struct core_reserved){.balance.slot = balance->slot};
    if (r != CORE_OK)
        return r;
    once.fingerprint = dedupe_fingerprint(core, once.method, balance, command, ttl);
    r = dedupe_check(core, &once, now, &request, &known);
    if (r != CORE_OK)
        return r;
    if (known) {
        const struct hold *hold = find(core, known->sequence);
        if (!hold)
            return CORE_OUTCOME_UNKNOWN;
        tell(core, &hold->row, balance, true, now, ret_reserved);
        return CORE_OK;
    }
    if (core->products[balance->product].row.parked)
        return CORE_PRODUCT_PARKED;
    r = consume_check(core, command, balance, now, &checked);
    ret_reserved->balance = checked.balance;
    ret_reserved->credits = checked.credits;
    if (r != CORE_OK)
        return consume_refused(core, balance, r, now);

    r = dedupe_reserve(core, &request);
    if (r < 0)
        return r;
    r = make(core, command, balance, &request, checked.credits, ttl, now, &row);
    if (r < 0) {
        dedupe_release(core, &request);
        return r;
    }
    tell(core, &row, balance, false, now, ret_reserved);
    return CORE_OK;
}

int core_reservation_get(const struct core *core, struct core_text id,
                         struct core_reservation *ret_reservation)
{
    const struct hold *hold = find_by_id(core, id);

    if (!hold)
        return CORE_NOT_FOUND;
    const struct balance *balance = balance_by_id(core, hold->row.balance);
    *ret_reservation = (struct core_reservation){
        .customer = balance_customer(balance),
        .product = balance_product(balance),
        .hold = hold->row,
        .slot = balance->slot,
    };
    return CORE_OK;
}

int core_extend(struct core *core, struct core_text id, int64_t ttl, uint32_t uid, uint32_t pid,
                int64_t now, struct core_reserved *ret_reserved)
{
    struct hold *hold = find_by_id(core, id);

    if (!hold)
        return CORE_NOT_FOUND;
    if (hold->row.state != CORE_HOLD_HELD)
        return CORE_ENDED;
    if (ttl < 1 || ttl > CORE_TTL_MAX)
        return -EINVAL;
    struct balance *balance = balance_by_id(core, hold->row.balance);
    struct core_hold row = hold->row;
    struct change change = {
        .balance = balance, .row = *balance->row, .type = RECORD_EXTEND, .uid = uid, .pid = pid};
    row.expires_at = now + ttl;
    int r = append_hold(core, hold, &row, &change, false, now, NULL);
    if (r < 0)
        return r;
    tell(core, &row, balance, false, now, ret_reserved);
    return CORE_OK;
}

static void tell_settled(struct core *core, const struct core_hold *row,
                         const struct balance *balance, bool replayed, int64_t now,
                         struct core_settled *ret_settled)
{
    *ret_settled = (struct core_settled){
        .credits = row->settled_credits,
        .shortfall = row->shortfall,
        .balance_after = row->balance_after,
        .sequence = row->settled_sequence,
        .epoch = row->settled_epoch,
        .replayed = replayed,
    };
    balance_view(core, balance, now, &ret_settled->balance);
}

static int settle(struct core *core, struct hold *hold, int64_t raw_amount,
                  struct core_text metadata, uint32_t uid, uint32_t pid, int64_t now)
{
    struct balance *balance = balance_by_id(core, hold->row.balance);
    int64_t wanted =
        core_credits(raw_amount, core->products[balance->product].row.units_per_credit);
    int64_t available = row_available(balance->row);
    struct core_hold row = hold->row;
    uint8_t detail[CONSUME_DETAIL_MAX];
    struct change change = {
        .balance = balance,
        .row = *balance->row,
        .sequences = {&row.settled_sequence},
        .sequence_count = 1,
        .type = RECORD_SETTLE,
        .uid = uid,
        .pid = pid,
        .detail = detail,
    };

    int64_t held = row.state == CORE_HOLD_HELD ? row.credits : 0;
    int64_t most = held + (available > 0 ? available : 0);
    int64_t taken = wanted < most ? wanted : most;
    change.row.held -= held;
    change.row.deducted += taken;
    row.state = CORE_HOLD_SETTLED;
    row.ended_at = now;
    row.settled_credits = taken;
    row.settled_raw = raw_amount;
    row.shortfall = wanted - taken;
    row.settled_epoch = core->epoch;
    row.balance_after = row_available(&change.row);
    struct record_consume head = {
        .raw_amount = raw_amount,
        .credits = taken,
        .balance_after = row.balance_after,
        .deducted_after = change.row.deducted,
        .metadata_length = (uint32_t)metadata.length,
        .reservation = row.sequence,
        .reservation_epoch = row.epoch,
    };
    change.detail_length = consume_detail(detail, &head, metadata);

    bool was_pending = row_pending(balance->row) > 0;
    int r = append_hold(core, hold, &row, &change, true, now, NULL);
    if (r == 0)
        plan_spent(core, balance, was_pending, now);
    return r;
}

int core_settle(struct core *core, struct core_text id, int64_t raw_amount,
                struct core_text metadata, uint32_t uid, uint32_t pid, int64_t now,
                struct core_settled *ret_settled)
{
    struct hold *hold = find_by_id(core, id);

    if (raw_amount < 1 || metadata.length > CORE_METADATA_MAX)
        return -EINVAL;
    if (!hold)
        return CORE_NOT_FOUND;
    struct balance *balance = balance_by_id(core, hold->row.balance);
    bool replayed = hold->row.state == CORE_HOLD_SETTLED;
    if (hold->row.state == CORE_HOLD_RELEASED)
        return CORE_ENDED;
    if (replayed && hold->row.settled_raw != raw_amount)
        return CORE_KEY_REUSED;
    int r = replayed ? 0 : settle(core, hold, raw_amount, metadata, uid, pid, now);
    if (r < 0)
        return r;
    tell_settled(core, &hold->row, balance, replayed, now, ret_settled);
    return CORE_OK;
}

static int end(struct core *core, struct hold *hold, enum core_hold_state state,
               enum record_type type, uint32_t uid, uint32_t pid, int64_t now)
{
    struct balance *balance = balance_by_id(core, hold->row.balance);
    struct core_hold row = hold->row;
    struct change change = {.balance = balance,
                            .row = *balance->row,
                            .type = type,
                            .uid = uid,
                            .pid = pid,
                            .use_reserve = true};

    change.row.held -= row.credits;
    row.state = state;
    row.ended_at = now;
    return append_hold(core, hold, &row, &change, false, now, NULL);
}

int core_release(struct core *core, struct core_text id, uint32_t uid, uint32_t pid, int64_t now,
                 struct core_reserved *ret_reserved)
{
    struct hold *hold = find_by_id(core, id);

    if (!hold)
        return CORE_NOT_FOUND;
    if (hold->row.state == CORE_HOLD_SETTLED)
        return CORE_ENDED;
    bool held = hold->row.state == CORE_HOLD_HELD;
    int r = held ? end(core, hold, CORE_HOLD_RELEASED, RECORD_RELEASE, uid, pid, now) : 0;
    if (r < 0)
        return r;
    tell(core, &hold->row, balance_by_id(core, hold->row.balance), !held, now, ret_reserved);
    return CORE_OK;
}

/* --- time --- */

static int forget(struct core *core, int64_t now)
{
    struct hold *gone[FORGET_STEP];
    struct append append;
    size_t count = 0;

    append_init(&append);
    while (count < FORGET_STEP) {
        struct heap_node *node = heap_first(&core->holds_by_time);
        struct hold *hold = node ? CONTAINER_OF(node, struct hold, by_time) : NULL;
        if (!hold || node->key > now || hold->row.state == CORE_HOLD_HELD)
            break;
        heap_remove(&core->holds_by_time, node);
        append_image(&append, TABLE_HOLD, &hold->row.sequence, sizeof(hold->row.sequence), NULL, 0);
        gone[count++] = hold;
    }
    int r = count ? append_begin(core, &append, 0, true) : 0;
    if (count && r == 0)
        append_finish(core, &append, RECORD_FORGET, NULL, UID_SELF, 0, NULL, now);
    for (size_t i = 0; i < count; i++) {
        if (r < 0)
            heap_set(&core->holds_by_time, &gone[i]->by_time, now + RETRY_MS);
        else
            drop(core, gone[i]);
    }
    return r;
}

int hold_tick(struct core *core, int64_t now)
{
    int r = 0;

    for (struct heap_node *node;
         r == 0 && (node = heap_first(&core->holds_by_time)) && node->key <= now;) {
        struct hold *hold = CONTAINER_OF(node, struct hold, by_time);
        if (hold->row.state != CORE_HOLD_HELD)
            return forget(core, now);
        r = end(core, hold, CORE_HOLD_EXPIRED, RECORD_EXPIRE, UID_SELF, 0, now);
        if (r < 0) /* the disk is full, or the ledger is ending: held a little longer */
            heap_set(&core->holds_by_time, node, now + RETRY_MS);
    }
    return r;
}

int64_t hold_wakeup(const struct core *core)
{
    const struct heap_node *node = heap_first(&core->holds_by_time);
    return node ? node->key : INT64_MAX;
}

int64_t hold_sum(const struct core *core, uint32_t balance)
{
    const struct map_entry *entry;
    int64_t sum = 0;

    for (size_t position = 0; (entry = map_next(&core->holds, &position));) {
        const struct hold *hold = (const struct hold *)(uintptr_t)entry->value;
        if (hold->row.balance == balance && hold->row.state == CORE_HOLD_HELD)
            sum += hold->row.credits;
    }
    return sum;
}

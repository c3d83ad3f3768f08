/*
 * Getting the state back: rows from the store, then the records beyond them. Both are images of
 * rows, and applying one is the same whichever it came from. Replay reads no clock and appends
 * nothing.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- rows --- */

static int load_product(struct core *core, const void *key, size_t key_length, const void *value,
                        size_t value_length)
{
    struct core_product row;
    uint32_t index = product_get(core, (struct core_text){key, key_length});

    if (index == NO_PRODUCT)
        return -ENOMEM;
    if (value_length != sizeof(row))
        return -EBADMSG;
    memcpy(&row, value, sizeof(row));
    if (row.units_per_credit < 1)
        return -EBADMSG;
    core->products[index].row = row;
    core->products[index].known = true;
    return 0;
}

static struct push *find_push(const struct core *core, uint64_t sequence)
{
    struct push *push = core->pushes;
    while (push && push->row.sequence != sequence)
        push = push->all_next;
    return push;
}

static int load_push(struct core *core, const void *key, size_t key_length, const void *value,
                     size_t value_length)
{
    struct core_push row;
    uint64_t sequence;

    if (key_length != sizeof(sequence) || (value_length != 0 && value_length != sizeof(row)))
        return -EBADMSG;
    memcpy(&sequence, key, sizeof(sequence));
    struct push *old = find_push(core, sequence);
    if (old) /* its place may change with its state */
        push_free(core, balance_by_id(core, old->row.balance), old);
    if (value_length == 0)
        return 0;
    memcpy(&row, value, sizeof(row));
    struct balance *balance = balance_by_id(core, row.balance);
    if (!balance)
        return -ENOENT;
    if (row.sequence != sequence)
        return -EBADMSG;
    return push_new(core, &row, balance) ? 0 : -ENOMEM;
}

static int load_name(struct core *core, const void *key, size_t key_length, const void *value,
                     size_t value_length)
{
    struct name_image head;
    uint32_t id;

    if (key_length != sizeof(id) || value_length < sizeof(head))
        return -EBADMSG;
    memcpy(&id, key, sizeof(id));
    memcpy(&head, value, sizeof(head));
    if (value_length != sizeof(head) + head.customer_length + head.product_length)
        return -EBADMSG;
    const char *text = (const char *)value + sizeof(head);
    struct core_balance_rows rows = {
        .customer = {text, head.customer_length},
        .product = {text + head.customer_length, head.product_length},
        .row.id = id,
    };
    return core_load_balance(core, &rows, NULL);
}

static int load_balance_image(struct core *core, const void *key, size_t key_length,
                              const void *value, size_t value_length)
{
    struct core_row row;
    uint32_t id;

    if (key_length != sizeof(id) || value_length != sizeof(row))
        return -EBADMSG;
    memcpy(&id, key, sizeof(id));
    memcpy(&row, value, sizeof(row));
    struct balance *balance = balance_by_id(core, id);
    if (!balance)
        return -ENOENT;
    if (row.id != id)
        return -EBADMSG;
    balance_set_row(core, balance, &row, 0);
    return 0;
}

static int load_reading(struct core *core, const void *key, size_t key_length, const void *value,
                        size_t value_length)
{
    uint32_t id;

    if (key_length != sizeof(id) || value_length != sizeof(struct core_reading))
        return -EBADMSG;
    memcpy(&id, key, sizeof(id));
    struct balance *balance = balance_by_id(core, id);
    if (!balance)
        return -ENOENT;
    memcpy(&balance->reading, value, value_length);
    return 0;
}

static bool is_meta(const char *name, const void *key, size_t key_length)
{
    return key_length == strlen(name) && memcmp(key, name, key_length) == 0;
}

static int load_meta(struct core *core, const void *key, size_t key_length, const void *value,
                     size_t value_length)
{
    uint32_t id;

    if (is_meta(CORE_META_LIVEMODE, key, key_length)) {
        if (value_length != 1)
            return -EBADMSG;
        core->livemode = *(const uint8_t *)value != 0;
        return 0;
    }
    if (is_meta(CORE_META_UPSTREAM, key, key_length))
        return upstream_load(core, value, value_length);
    if (!is_meta(CORE_META_LAST_ID, key, key_length))
        return 0;
    if (value_length != sizeof(id))
        return -EBADMSG;
    memcpy(&id, value, sizeof(id));
    if (id > core->last_id)
        core->last_id = id;
    return 0;
}

int core_load_row(struct core *core, enum record_table table, const void *key, size_t key_length,
                  const void *value, size_t value_length)
{
    switch (table) {
    case TABLE_NAME:
        return load_name(core, key, key_length, value, value_length);
    case TABLE_BALANCE:
        return load_balance_image(core, key, key_length, value, value_length);
    case TABLE_READING:
        return load_reading(core, key, key_length, value, value_length);
    case TABLE_PRODUCT:
        return load_product(core, key, key_length, value, value_length);
    case TABLE_PUSH:
        return load_push(core, key, key_length, value, value_length);
    case TABLE_CLIENT:
    case TABLE_STAMP:
    case TABLE_KEY:
        return dedupe_load(core, table, key, key_length, value, value_length);
    case TABLE_META:
        return load_meta(core, key, key_length, value, value_length);
    case TABLE_HOLD:
        return hold_load(core, key, key_length, value, value_length);
    case TABLE_RETURNED:
        return give_load(core, key, key_length, value, value_length);
    case TABLE_LINK:
    case TABLE_OWNER:
        return link_load(core, table, key, key_length, value, value_length);
    case TABLE_INTENT:
        return intent_load(core, key, key_length, value, value_length);
    case TABLE_CUSTOMER:
    case TABLE_SUBSCRIPTIONS:
    case TABLE_ACCESS:
    case TABLE_REFUND:
    case TABLE_PAYMENT: /* from records; from the store they come when they are asked for */
        return object_replay(core, table, key, key_length, value, value_length, core->sequence + 1);
    case TABLE_EVENT:
        return event_log_load(core, key, key_length, value, value_length);
    case TABLE_WEBHOOK:
        return webhook_seen_load(core, key, key_length, value, value_length);
    case TABLE_SUBSCRIBER:
        return subscriber_load(core, key, key_length, value, value_length);
    case TABLE_HOOK:
    case TABLE_DELIVERY:
        return delivery_load(core, table, key, key_length, value, value_length);
    case TABLE_INDEX: /* follows from the name */
    case TABLE_COUNT_:
        return 0;
    }
    return -EBADMSG;
}

/* --- records --- */

/* The id of a balance that an image speaks of and that is not in memory, else 0. */
static uint32_t missing_balance(const struct core *core, const struct record_image *image)
{
    struct core_push push;
    struct core_hold hold;
    uint32_t id = 0;

    if ((image->table == TABLE_BALANCE || image->table == TABLE_READING) &&
        image->key_length == sizeof(id)) {
        memcpy(&id, image->key, sizeof(id));
    } else if (image->table == TABLE_PUSH && image->value_length == sizeof(push)) {
        memcpy(&push, image->value, sizeof(push));
        id = push.balance;
    } else if (image->table == TABLE_HOLD && image->value_length == sizeof(hold)) {
        memcpy(&hold, image->value, sizeof(hold));
        id = hold.balance;
    }
    return id && !balance_by_id(core, id) ? id : 0;
}

int core_replay(struct core *core, const struct record *record, uint64_t place,
                uint32_t *ret_missing)
{
    struct record_image image;
    bool names = false;

    (void)place; /* rows carry their places themselves */
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        names |= image.table == TABLE_NAME;
        uint32_t missing = names ? 0 : missing_balance(core, &image);
        if (missing) {
            *ret_missing = missing;
            return -ENOENT;
        }
    }
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        int r = core_load_row(core, image.table, image.key, image.key_length, image.value,
                              image.value_length);
        if (r < 0)
            return r;
    }
    core->sequence = record->header.sequence;
    return 0;
}

int core_load_balance(struct core *core, const struct core_balance_rows *rows, uint32_t *ret_slot)
{
    struct hash128 hash = core_balance_hash(core, rows->customer, rows->product);
    struct balance *balance = balance_find(core, hash);

    if (rows->row.id == 0 || rows->customer.length > 128 || rows->product.length > 128)
        return -EBADMSG;
    bool there = balance && balance->knowledge == KNOWN;
    if (!balance)
        balance = balance_new(core, rows->customer, rows->product, hash);
    if (!balance)
        return -ENOMEM;
    if (!there) {
        int r = balance_set_id(core, balance, rows->row.id);
        if (r < 0)
            return r;
        balance_set_row(core, balance, &rows->row, 0);
        balance->reading = rows->reading;
        balance->knowledge = KNOWN;
    }
    if (ret_slot)
        *ret_slot = balance->slot;
    return 0;
}

int core_load_absent(struct core *core, struct core_text customer, struct core_text product,
                     int64_t now)
{
    struct hash128 hash = core_balance_hash(core, customer, product);

    if (balance_find(core, hash))
        return 0;
    if (customer.length > 128 || product.length > 128)
        return -EINVAL;
    struct balance *balance = balance_new(core, customer, product, hash);
    if (!balance)
        return -ENOMEM;
    balance->unknown_until = now + core->policy.unknown_ttl;
    plan(core, balance, now);
    return 0;
}

int core_start(struct core *core, int64_t now)
{
    int r = dedupe_start(core);

    if (r == 0)
        r = push_settle_places(core);
    if (r == 0)
        r = deliveries_start(core, now);
    if (r < 0)
        return r;
    core->started = true;
    for (struct push *push = core->pushes; push; push = push->all_next) {
        if (push->row.state == CORE_PUSH_QUEUED)
            continue;
        if (push->row.state == CORE_PUSH_SENDING)
            push->row.state = CORE_PUSH_DOUBT;
        push->row.empty_readings = 0;
        push->row.mismatches = 0;
        if (push->row.due_at < now + core->policy.in_doubt_delay)
            push->row.due_at = now + core->policy.in_doubt_delay;
    }
    for (uint32_t slot = 0; slot < core->slots; slot++) {
        struct balance *balance = balance_at(core, slot);
        if (!balance)
            continue;
        if (row_pending(balance->row) > 0)
            balance->pending_since = now;
        plan(core, balance, now);
    }
    return intents_start(core, now);
}

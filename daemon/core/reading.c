/*
 * Ends of readings: what a product's unit is, and what upstream's balance is. A reading is believed
 * only when it was begun after the balance's last push had ended and while none was in doubt (P5);
 * one exchange a balance at a time makes that so.
 */
#include "state.h"

#include <errno.h>
#include <string.h>

static void ready(struct core *core, struct balance *balance)
{
    balance->readings++;
    if (core->effects.ready)
        core->effects.ready(core->effects.userdata, balance->slot);
}

static void give_up(struct core *core, struct balance *balance, int64_t now)
{
    plan_failed(core, balance, now);
    balance->wanted = false;
    balance->read_tried = now;
    if (balance->knowledge != KNOWN)
        balance->unknown_until = now + core->policy.unknown_ttl;
    ready(core, balance);
}

/* --- products --- */

static int product_append(struct core *core, const struct product *product,
                          const struct core_product *row, int64_t now, bool parked)
{
    struct event_note note = {.type = CORE_EVENT_PUSH_PARKED,
                              .product = {product->id, product->length}};
    struct append append;

    append_init(&append);
    append_image(&append, TABLE_PRODUCT, product->id, product->length, row, sizeof(*row));
    int r = parked ? event_log_add(core, &append, &note) : 0;
    if (r == 0)
        r = append_begin(core, &append, 0, true);
    if (r < 0)
        return r;
    append_finish(core, &append, RECORD_PRODUCT, NULL, UID_SELF, 0, NULL, now);
    event_log_tell(core, &append, NO_SLOT);
    return 0;
}

static int product_learn(struct core *core, struct product *product, int64_t units,
                         enum core_product_source source, int64_t now)
{
    struct core_product row = {
        .units_per_credit = units > 0 ? units : 1,
        .fetched_at = now,
        .source = source,
    };

    int r = product_append(core, product, &row, now, false);
    if (r < 0)
        return r;
    product->row = row;
    product->known = true;
    product->unknown_until = 0;
    return 0;
}

/* Those who waited for the same product's answer go on with it: to their own reading, or to being
 * told. */
static void release_waiters(struct core *core, uint32_t index, bool told, int64_t now)
{
    struct balance *waiters = core->products[index].waiters;

    core->products[index].waiters = NULL;
    while (waiters) {
        struct balance *balance = waiters;
        waiters = balance->product_next;
        balance->product_next = NULL;
        balance->waits_for_product = false;
        if (told)
            give_up(core, balance, now);
        plan(core, balance, now);
    }
}

void reading_product_done(struct core *core, struct balance *balance,
                          const struct exchange_answer *answer, int64_t now)
{
    uint32_t index = balance->product;
    struct product *product = &core->products[index];
    int r = -EIO;

    product->fetching = false;
    if (product->known) /* configured meanwhile */
        r = 0;
    else if (answer->outcome == EXCHANGE_OK)
        r = product_learn(core, product, answer->product.units_per_credit, CORE_PRODUCT_UPSTREAM,
                          now);
    else if (answer->outcome == EXCHANGE_NO_ENDPOINT)
        r = product_learn(core, product, 1, CORE_PRODUCT_ASSUMED,
                          now); /* an older server: P4 watches over it */
    else if (answer->outcome == EXCHANGE_NOT_FOUND)
        product->unknown_until = now + core->policy.unknown_ttl;

    if (r == 0) {
        product->delay = 0;
        release_waiters(core, index, false, now);
        return; /* the balance is still wanted, and is read next */
    }
    product->read_at = now + 500;
    give_up(core, balance, now);
    release_waiters(core, index, true, now);
}

int product_park(struct core *core, uint32_t index, const struct core_push *push, int64_t credits,
                 int64_t now)
{
    struct product *product = &core->products[index];
    struct core_product row = product->row;
    int64_t amount = push->credits * push->units;

    if (row.parked || row.units_per_credit != push->units || row.fetched_at > push->begun_at)
        return 0; /* it was sent under another unit than today's: nothing is known against this one
                   */
    row.parked = 1;
    row.suggested = credits > 0 ? core_credits(amount, credits) : 0;
    int r = product_append(core, product, &row, now, true);
    if (r < 0)
        return r;
    product->row = row;
    return 0;
}

int core_configure_product(struct core *core, struct core_text id, int64_t units_per_credit,
                           int64_t now)
{
    uint32_t index = product_get(core, id);

    if (index == NO_PRODUCT)
        return -ENOMEM;
    struct product *product = &core->products[index];
    if (units_per_credit == 0) {
        if (product->known && product->row.source == CORE_PRODUCT_CONFIGURED)
            product->known = false; /* asked for anew when it is next used */
        return 0;
    }
    bool unchanged = product->known && product->row.source == CORE_PRODUCT_CONFIGURED &&
                     product->row.units_per_credit == units_per_credit && !product->row.parked;
    if (unchanged)
        return 0;
    int r = product_learn(core, product, units_per_credit, CORE_PRODUCT_CONFIGURED, now);
    if (r < 0)
        return r;
    for (uint32_t slot = 0; slot < core->slots; slot++) {
        struct balance *balance = balance_at(core, slot);
        if (balance && balance->product == index)
            plan(core, balance, now);
    }
    return 0;
}

/* --- balances --- */

static bool same_reading(const struct core_row *old, const struct core_row *row,
                         const struct core_reading *reading, const struct core_reading *old_reading)
{
    return old->upstream == row->upstream && old->flags == row->flags && old->synced_at > 0 &&
           old_reading->consumed == reading->consumed && old_reading->granted == reading->granted;
}

static int append_name(struct core *core, struct balance *balance, int64_t now)
{
    struct {
        struct name_image head;
        char text[256];
    } name = {.head = {.hash = balance->hash,
                       .customer_length = balance->customer_length,
                       .product_length = balance->product_length}};
    size_t length = (size_t)balance->customer_length + balance->product_length;
    struct append append;
    uint32_t id = core->last_id + 1;

    if (length > sizeof(name.text))
        return -EINVAL;
    int r = balance_set_id(core, balance, id);
    if (r < 0)
        return r;
    memcpy(name.text, balance->names, length);
    append_init(&append);
    append_image(&append, TABLE_NAME, &id, sizeof(id), &name,
                 offsetof(__typeof__(name), text) + length);
    append_image(&append, TABLE_INDEX, &balance->hash, sizeof(balance->hash), &id, sizeof(id));
    append_image(&append, TABLE_BALANCE, &id, sizeof(id), balance->row, sizeof(*balance->row));
    append_image(&append, TABLE_READING, &id, sizeof(id), &balance->reading,
                 sizeof(balance->reading));
    append_image(&append, TABLE_META, CORE_META_LAST_ID, strlen(CORE_META_LAST_ID), &id,
                 sizeof(id));
    r = append_begin(core, &append, 0, true);
    if (r < 0) {
        map_remove(&core->by_id, hash_number(id));
        balance->row->id = 0;
        core->last_id--;
        return r;
    }
    balance->row->last_place = append.place;
    append_finish(core, &append, RECORD_BALANCE_NAMED, NULL, UID_SELF, 0, NULL, now);
    balance->last_sequence = append.sequence;
    balance->knowledge = KNOWN;
    return 0;
}

static int accept(struct core *core, struct balance *balance, const struct exchange_answer *answer,
                  int64_t now)
{
    bool there = answer->outcome == EXCHANGE_OK;
    struct core_row row = *balance->row;
    struct core_reading reading = balance->reading;

    row.upstream = there ? answer->balance.balance : 0;
    reading.consumed = there ? answer->balance.consumed : reading.consumed;
    reading.granted = there ? answer->balance.granted : reading.granted;
    reading.server_time = answer->server_time;
    reading.read_at = now;
    reading.read_sequence = core->sequence;
    reading.read_epoch = core->epoch;
    row.synced_at = now;
    row.deducted_at_sync = row.deducted;
    row.flags &= ~(uint32_t)(CORE_ROW_READ_FIRST | CORE_ROW_GIVEN | CORE_ROW_REVOKED);
    if (there && answer->balance.revoked)
        row.flags |= CORE_ROW_REVOKED;
    uint32_t events = crossing(core, balance, &row, false);

    if (same_reading(balance->row, &row, &reading, &balance->reading)) {
        *balance->row = row; /* only the time is new: it goes along with the next record */
        balance->reading = reading;
        return 0;
    }
    struct record_reading detail = {
        .upstream_before = balance->row->upstream,
        .upstream = row.upstream,
        .consumed = reading.consumed,
        .granted = reading.granted,
    };
    struct change change = {
        .balance = balance,
        .row = row,
        .reading = &reading,
        .type = RECORD_READING,
        .uid = UID_SELF,
        .events = events,
        .detail = &detail,
        .detail_length = sizeof(detail),
        .use_reserve = true,
    };
    return change_append(core, &change, now, NULL);
}

int reading_balance_done(struct core *core, struct balance *balance,
                         const struct exchange_answer *answer, int64_t now)
{
    bool there = answer->outcome == EXCHANGE_OK;
    bool none = answer->outcome == EXCHANGE_NO_BALANCE;
    bool doubtful = balance->push && balance->push->row.state != CORE_PUSH_PARKED;
    int r = 0;

    balance->read_tried = now;
    if (doubtful && (there || none)) {
        /* It was a probe: nothing becomes `upstream` now (P5). */
    } else if (balance->knowledge != KNOWN && none) {
        balance->knowledge = KNOWN_NONE;
        balance->row->synced_at = now;
        balance->unknown_until = now + core->policy.unknown_ttl;
    } else if (balance->knowledge != KNOWN && answer->outcome == EXCHANGE_NOT_FOUND) {
        balance->knowledge = KNOWN_CUSTOMER;
        balance->unknown_until = now + core->policy.unknown_ttl;
    } else if (there || none) {
        if (balance->knowledge != KNOWN)
            r = append_name(core, balance, now);
        if (r == 0)
            r = accept(core, balance, answer, now);
    } else {
        give_up(core, balance, now);
        return 0;
    }

    if (r < 0) {
        give_up(core, balance, now);
        return r;
    }
    plan_succeeded(core, balance, now);
    if (doubtful)
        return 0;
    balance->used = false;
    balance->outdated = balance->outdated_meanwhile;
    balance->wanted = false;
    balance->charged = false;
    ready(core, balance);
    return 0;
}

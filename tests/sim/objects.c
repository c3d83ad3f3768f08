/*
 * Objects that come in with their events and webhooks, as serve puts them; and events whose
 * segments are gone. Each change must be one record with exactly what was asked for, or nothing.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEYS 4
#define WEBHOOKS 60
#define MOST_EVENTS 5

static const enum record_table tables[] = {TABLE_CUSTOMER, TABLE_SUBSCRIPTIONS, TABLE_ACCESS,
                                           TABLE_REFUND, TABLE_PAYMENT};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

struct asked {
    struct core_object_change change;
    struct core_event_data events[MOST_EVENTS];
    char key[SIM_NAME_SIZE], body[SIM_NAME_SIZE], webhook[SIM_NAME_SIZE];
    char data[MOST_EVENTS][SIM_NAME_SIZE];
};

static void draw(struct sim *sim, struct asked *asked)
{
    struct prng *prng = &sim->side;
    struct core_object_change *change = &asked->change;
    *asked = (struct asked){.change.table = tables[prng_below(prng, TABLES)]};
    if (prng_chance(prng, 900))
        snprintf(asked->key, sizeof(asked->key), "obj_%u", (unsigned)prng_below(prng, KEYS));
    if (prng_chance(prng, 500))
        snprintf(asked->webhook, sizeof(asked->webhook), "wh_%u",
                 (unsigned)prng_below(prng, WEBHOOKS));
    snprintf(asked->body, sizeof(asked->body), "version %u", (unsigned)prng_below(prng, 4));
    change->key = sim_text(asked->key);
    change->webhook = sim_text(asked->webhook);
    if (!prng_chance(prng, 100)) {
        change->body = asked->body;
        change->length = strlen(asked->body);
    }
    change->partial = prng_chance(prng, 200);
    change->events = asked->events;
    change->event_count = prng_chance(prng, 500) ? (size_t)prng_range(prng, 0, MOST_EVENTS) : 0;
    for (size_t i = 0; i < change->event_count; i++) {
        snprintf(asked->data[i], sizeof(asked->data[i]), "{%llu}",
                 (unsigned long long)prng_next(prng));
        asked->events[i] = (struct core_event_data){
            .type = (enum core_event_type)prng_range(prng, CORE_EVENT_CUSTOMER_CREATED,
                                                     CORE_EVENT_COUNT_ - 1),
            .customer = sim_text(sim->pairs[prng_below(prng, SIM_PAIRS)].customer),
            .product = sim_text(prng_chance(prng, 200) ? sim->pairs[0].product : ""),
            .data = asked->data[i],
            .length = strlen(asked->data[i])};
    }
}

static const struct rowset_row *row_of(const struct rowset *rows,
                                       const struct core_object_change *change)
{
    return change->key.length > 0
               ? rowset_get(rows, change->table, change->key.data, change->key.length)
               : NULL;
}

static bool is_body(const struct rowset_row *row, const void *body, size_t length)
{
    if (row == NULL || body == NULL)
        return row == NULL && body == NULL;
    return row->value_length == sizeof(int64_t) + length &&
           memcmp(row->value + sizeof(int64_t), body, length) == 0;
}

static bool seen(struct sim *sim, const struct core *core, const char *id,
                 const struct rowset *rows)
{
    uint64_t sequence;
    bool remembered = rowset_get(rows, TABLE_WEBHOOK, id, strlen(id)) != NULL;
    int status = core_webhook_seen(core, sim_text(id), &sequence);
    if (status != (remembered ? CORE_OK : CORE_NOT_FOUND))
        sim_fail(sim, "webhook %s is answered with %d, and %s", id, status,
                 remembered ? "is remembered" : "is not");
    return remembered;
}

/* The record has what was asked for, and nothing else. */
static void judge_record(struct sim *sim, const struct asked *asked, bool was_seen, bool had_body)
{
    const struct record *record = &ledger_at(&sim->ledger, sim->ledger.count)->record;
    struct record_image image;
    size_t events = 0, objects = 0, webhooks = 0;
    for (size_t position = 0; record_next_image(record, &position, &image);) {
        objects += image.table == asked->change.table;
        webhooks += image.table == TABLE_WEBHOOK;
        if (image.table != TABLE_EVENT)
            continue;
        struct core_event event = {0};
        const struct core_event_data *wanted = &asked->events[events++];
        if (core_event_decode(image.key, image.key_length, image.value, image.value_length,
                              &event) != 0 ||
            events > asked->change.event_count || event.type != wanted->type ||
            event.data_length != wanted->length ||
            memcmp(record->detail + event.data_offset, wanted->data, wanted->length) != 0 ||
            event.customer.length != wanted->customer.length ||
            memcmp(event.customer.data, wanted->customer.data, event.customer.length) != 0 ||
            event.product.length != wanted->product.length) {
            sim_fail(sim, "event %zu of an object is not as it was asked for", events);
            return;
        }
    }
    if (record->header.type != RECORD_OBJECT || events != asked->change.event_count)
        sim_fail(sim, "a change of an object has a record of type %u with %zu events",
                 record->header.type, events);
    if (webhooks != (asked->webhook[0] != '\0' && !was_seen))
        sim_fail(sim, "a change remembers %zu webhooks", webhooks);
    if (objects > 1 || (objects == 0 && asked->key[0] != '\0' && !had_body))
        sim_fail(sim, "a change has %zu objects in its record", objects);
}

static void change_object(struct sim *sim)
{
    struct asked asked;
    draw(sim, &asked);
    const struct core_object_change *change = &asked.change;
    bool had_body = change->key.length == 0 ||
                    is_body(row_of(&sim->ledger.latest, change), change->body, change->length);
    bool was_seen =
        asked.webhook[0] != '\0' && seen(sim, sim->core, asked.webhook, &sim->ledger.latest);
    bool must = !had_body || change->event_count > 0 || (asked.webhook[0] != '\0' && !was_seen);
    size_t records = sim->ledger.count;
    uint64_t sequence = 0;
    int status = core_object_change(sim->core, change, sim->now, &sequence);
    process_settle(sim);
    sim_trace(sim, "object %d %s = %s, %zu events, webhook %s: %d", (int)change->table, asked.key,
              change->body != NULL ? asked.body : "(gone)", change->event_count, asked.webhook,
              status);
    if (process_may_fail(sim, status) && sim->ledger.count == records)
        return;
    if (status != CORE_OK || sequence > sim->ledger.count) {
        sim_fail(sim, "core_object_change: %d", status);
        return;
    }
    if (sim->ledger.count > records + 1 || (must && sim->ledger.count == records))
        sim_fail(sim, "a change of an object left %zu records", sim->ledger.count - records);
    else if (sim->ledger.count > records)
        judge_record(sim, &asked, was_seen, had_body);
    if (change->key.length > 0 &&
        !is_body(row_of(&sim->ledger.latest, change), change->body, change->length))
        sim_fail(sim, "an object is not as it was put");
    if (asked.webhook[0] != '\0' && !seen(sim, sim->core, asked.webhook, &sim->ledger.latest))
        sim_fail(sim, "a webhook is not remembered");
}

static void forget_events(struct sim *sim)
{
    uint64_t first, last;
    core_event_range(sim->core, &first, &last);
    uint64_t through = (uint64_t)prng_range(&sim->side, 0, (int64_t)last + 2);
    int status;
    do {
        status = core_event_forget(sim->core, through, sim->now);
        process_settle(sim);
    } while (status == CORE_LOAD);
    sim_trace(sim, "events forgotten up to %llu: %d", (unsigned long long)through, status);
    if (status != CORE_OK && !process_may_fail(sim, status))
        sim_fail(sim, "core_event_forget: %d", status);
}

void objects_later(struct sim *sim)
{
    int64_t mean = sim->scenario.object_every;
    if (mean > 0)
        queue_push(&sim->queue, sim->now + prng_wait(&sim->side, mean), EVENT_OBJECT, 0, 0);
}

void objects_event(struct sim *sim)
{
    objects_later(sim);
    if (prng_chance(&sim->side, 930)) {
        change_object(sim);
    } else if (prng_chance(&sim->side, 700)) {
        forget_events(sim);
    } else {
        int status = core_set_livemode(sim->core, prng_chance(&sim->side, 500), sim->now);
        process_settle(sim);
        if (status != CORE_OK && !process_may_fail(sim, status))
            sim_fail(sim, "core_set_livemode: %d", status);
    }
}

/* An object that is not in memory must be in the store as it last was. */
static void check_object(struct sim *sim, struct core *core, const struct core_object_change *at,
                         const struct rowset *store, const struct rowset *rows)
{
    const struct rowset_row *row = row_of(rows, at), *stored = row_of(store, at);
    struct core_object object;
    int64_t synced_at;
    int status = core_object_get(core, at->table, at->key, &object);
    if (status == CORE_LOAD) {
        if (!is_body(row, stored != NULL ? stored->value + sizeof(int64_t) : NULL,
                     stored != NULL ? stored->value_length - sizeof(int64_t) : 0))
            sim_fail(sim, "an object is neither in memory nor in the store as it was put");
        if (core_object_load(core, at->table, at->key, stored != NULL ? stored->value : NULL,
                             stored != NULL ? stored->value_length : 0) != 0)
            sim_fail(sim, "an object cannot be loaded");
        status = core_object_get(core, at->table, at->key, &object);
    }
    if (status != (row != NULL ? CORE_OK : CORE_NOT_FOUND)) {
        sim_fail(sim, "an object is answered with %d", status);
        return;
    }
    if (row == NULL)
        return;
    memcpy(&synced_at, row->value, sizeof(synced_at));
    if (!is_body(row, object.body, object.body_length) || object.synced_at < synced_at)
        sim_fail(sim, "an object is not as its row");
    if (synced_at == 0 && object.synced_at != 0 && sim->core != core)
        sim_fail(sim, "replay: a partial object is told as if it were whole");
}

static void check_one(struct sim *sim, struct core *core, size_t table, unsigned number,
                      const struct rowset *store, const struct rowset *rows)
{
    char key[SIM_NAME_SIZE];
    struct core_object_change at = {.table = tables[table]};
    snprintf(key, sizeof(key), "obj_%u", number);
    at.key = sim_text(key);
    check_object(sim, core, &at, store, rows);
}

void objects_check(struct sim *sim)
{
    char id[SIM_NAME_SIZE];
    check_one(sim, sim->core, (size_t)prng_below(&sim->side, TABLES),
              (unsigned)prng_below(&sim->side, KEYS), &sim->ledger.rows, &sim->ledger.latest);
    snprintf(id, sizeof(id), "wh_%u", (unsigned)prng_below(&sim->side, WEBHOOKS));
    seen(sim, sim->core, id, &sim->ledger.latest);
}

void objects_compare(struct sim *sim, struct core *core, const struct rowset *store,
                     const struct rowset *rows)
{
    char id[SIM_NAME_SIZE];
    for (size_t table = 0; table < TABLES && !sim->failed; table++)
        for (unsigned number = 0; number < KEYS; number++)
            check_one(sim, core, table, number, store, rows);
    for (unsigned i = 0; i < WEBHOOKS && !sim->failed; i++) {
        snprintf(id, sizeof(id), "wh_%u", i);
        seen(sim, core, id, rows);
    }
}

/*
 * Opening the ledger: rows from the store, records beyond them, and then the engine starts
 * (ledger.md S3). What has something pending, held or under way is brought into memory; all other
 * balances come when they are first used.
 */
#include "clock.h"
#include "configured.h"
#include "loader.h"
#include "policy.h"
#include "serve.h"
#include "words.h"
#include <core/event.h>
#include <core/link.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

struct opening;

struct ids {
    const struct opening *opening;
    uint32_t *items;
    size_t count, capacity;
};

/* What store_open's callbacks share. */
struct opening {
    struct serve *serve;
    struct store *store;
    uint64_t stored;         /* the store's sequence */
    enum record_table table; /* whose rows load_row takes */
    struct configured configured;
};

static int ids_add(struct ids *ids, uint32_t id)
{
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity > 0 ? 2 * ids->capacity : 256;
        uint32_t *items = reallocarray(ids->items, capacity, sizeof(*items));

        if (items == NULL)
            return -ENOMEM;
        ids->items = items;
        ids->capacity = capacity;
    }
    ids->items[ids->count++] = id;
    return 0;
}

/* A checkpoint that was interrupted has left rows that are newer than the store's sequence. Where a
 * row stands for itself that is no harm: replay puts it right. A push that was begun later must not
 * be taken yet: the one before it is still open here, and a balance has one. Replay brings it. */
static bool is_ahead(const struct opening *opening, const void *key, size_t key_length)
{
    uint64_t sequence;

    if (key_length != sizeof(sequence))
        return false; /* the engine says what it thinks of it */
    memcpy(&sequence, key, sizeof(sequence));
    return sequence > opening->stored;
}

static int find_open_balance(void *userdata, const void *key, size_t key_length, const void *value,
                             size_t value_length)
{
    struct core_row row;

    (void)key;
    (void)key_length;
    if (value_length != sizeof(row))
        return -EBADMSG;
    memcpy(&row, value, sizeof(row));
    return row.deducted != row.pushed || row.held != 0 ? ids_add(userdata, row.id) : 0;
}

static int find_pushing_balance(void *userdata, const void *key, size_t key_length,
                                const void *value, size_t value_length)
{
    const struct ids *ids = userdata;
    struct core_push push;

    if (is_ahead(ids->opening, key, key_length))
        return 0;
    if (value_length != sizeof(push))
        return -EBADMSG;
    memcpy(&push, value, sizeof(push));
    return ids_add(userdata, push.balance);
}

/* Those that have ended, too: a late settle, or a repeated one, finds its balance (core/rows.h). */
static int find_held_balance(void *userdata, const void *key, size_t key_length, const void *value,
                             size_t value_length)
{
    struct core_hold hold;

    (void)key;
    (void)key_length;
    if (value_length != sizeof(hold))
        return -EBADMSG;
    memcpy(&hold, value, sizeof(hold));
    return ids_add(userdata, hold.balance);
}

static int load_balance(struct opening *opening, uint32_t id)
{
    struct core_balance_rows rows;
    struct loaded loaded;
    int r = loader_by_id(opening->store, id, &loaded);

    if (r == -ENOENT)
        return -EUCLEAN;
    if (r < 0)
        return r;
    rows = loader_rows(&loaded);
    return core_load_balance(opening->serve->core, &rows, NULL);
}

/* First all ids, then their rows: the store walks a table within one read transaction. */
static int load_balances(struct opening *opening)
{
    struct ids ids = {.opening = opening};
    int r = store_each(opening->store, TABLE_BALANCE, find_open_balance, &ids);

    if (r == 0)
        r = store_each(opening->store, TABLE_PUSH, find_pushing_balance, &ids);
    if (r == 0)
        r = store_each(opening->store, TABLE_HOLD, find_held_balance, &ids);
    for (size_t i = 0; r == 0 && i < ids.count; i++)
        r = load_balance(opening, ids.items[i]);
    free(ids.items);
    return r;
}

static int load_row(void *userdata, const void *key, size_t key_length, const void *value,
                    size_t value_length)
{
    struct opening *opening = userdata;
    int r = 0;

    if (opening->table == TABLE_PUSH && is_ahead(opening, key, key_length))
        return 0;
    if (opening->table == TABLE_PRODUCT)
        r = configured_note(&opening->configured, key, key_length, value, value_length);
    return r < 0 ? r
                 : core_load_row(opening->serve->core, opening->table, key, key_length, value,
                                 value_length);
}

static void on_ready(void *userdata, uint32_t slot)
{
    struct serve *serve = userdata;

    waiting_slot_ready(&serve->waiting, slot);
}

static void on_linked(void *userdata, struct hash128 user_key)
{
    struct serve *serve = userdata;

    waiting_wake(&serve->waiting, user_key);
}

/* Once a search: whoever has a customer may give it any email, and only an operator can see whose
 * it is. */
static void on_passed(void *userdata, struct core_text user_id, struct core_text customer)
{
    (void)userdata;
    log_warning("customer %.*s has the email of user %.*s and is linked to another user: it is "
                "left to that one; creditctl customer link can change it",
                (int)customer.length, customer.data, (int)user_id.length, user_id.data);
}

/* What nobody may wait for any more. */
static void tell_end(const struct serve *serve, uint64_t sequence)
{
    struct core_intent intent;

    if (!core_intent_get(serve->core, sequence, &intent))
        return;
    struct core_text owner = core_intent_owner(serve->core, sequence);
    char id[EXCHANGE_PUSH_ID_SIZE];
    core_intent_id(serve->core, intent.epoch, intent.sequence, id);
    if (intent.state == CORE_INTENT_PARKED)
        log_warning("push.parked: %s of %.*s, push %s: %s", words_intent_kind(intent.kind),
                    (int)owner.length, owner.data, id, words_intent_reason(intent.state));
    else if (intent.state == CORE_INTENT_REFUSED && intent.attempt > 1)
        log_warning("%s of %.*s, push %s, was in doubt and has been refused: %s",
                    words_intent_kind(intent.kind), (int)owner.length, owner.data, id,
                    intent.message);
}

static void on_intent(void *userdata, uint64_t sequence)
{
    struct serve *serve = userdata;

    tell_end(serve, sequence);
    waiting_wake(&serve->waiting, waiting_intent_key(sequence));
}

static void on_event(void *userdata, enum core_event_type event, uint32_t slot, uint64_t sequence)
{
    struct serve *serve = userdata;

    events_add(&serve->events, event, slot, sequence);
}

static int make_core(struct opening *opening)
{
    struct serve *serve = opening->serve;
    struct core_options options = {
        .hash_key = *store_hash_key(opening->store),
        .instance = store_instance(opening->store),
        .epoch = store_epoch(opening->store),
        .sink = {opening->store, store_append},
        .effects =
            {
                .userdata = serve,
                .ready = on_ready,
                .linked = on_linked,
                .passed = on_passed,
                .intent = on_intent,
                .event = on_event,
            },
    };

    policy_from_config(serve->config, &options.policy);
    return core_new(&options, &serve->core);
}

static int take_number(void *userdata, const void *key, size_t key_length, const void *value,
                       size_t value_length)
{
    struct core_event event;
    int r = core_event_decode(key, key_length, value, value_length, &event);

    if (r == 0)
        *(uint64_t *)userdata = event.number;
    return r;
}

/* Not the rows: they may be many, and are read when somebody asks for them. */
static int load_events(struct opening *opening)
{
    uint64_t first = 1, last = 0;
    int r = store_range(opening->store, TABLE_EVENT, NULL, 0, 1, take_number, &first);

    if (r == 0)
        r = store_last(opening->store, TABLE_EVENT, take_number, &last);
    if (r < 0 && r != -ENOENT)
        return r;
    return core_event_load(opening->serve->core, first, last);
}

static int on_store_start(struct store *store, void *userdata)
{
    static const enum record_table tables[] = {
        TABLE_PRODUCT, TABLE_PUSH,       TABLE_CLIENT, TABLE_STAMP,    TABLE_KEY,
        TABLE_HOLD,    TABLE_RETURNED,   TABLE_LINK,   TABLE_OWNER,    TABLE_INTENT,
        TABLE_META,    TABLE_SUBSCRIBER, TABLE_HOOK,   TABLE_DELIVERY, TABLE_WEBHOOK,
    };
    struct opening *opening = userdata;
    struct store_watermarks marks;
    int r;

    store_get_watermarks(store, &marks);
    opening->store = store;
    opening->stored = marks.stored;
    r = make_core(opening);
    if (r == 0)
        r = load_balances(opening);
    if (r == 0)
        r = load_events(opening);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tables); i++) {
        opening->table = tables[i];
        r = store_each(store, tables[i], load_row, opening);
    }
    return r;
}

static int on_store_replay(void *userdata, const struct record *record, uint64_t place)
{
    struct opening *opening = userdata;
    uint32_t missing;
    int r;

    while ((r = core_replay(opening->serve->core, record, place, &missing)) == -ENOENT) {
        r = load_balance(opening, missing);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : configured_note_record(&opening->configured, record);
}

static void on_store_progress(void *userdata)
{
    struct serve *serve = userdata;

    uv_async_send(&serve->progress); /* from the store's threads: the one call that may */
}

static int begin(struct serve *serve, const struct configured *configured)
{
    int64_t now, wall = clock_wall_ms();
    int r = clock_check(serve->store, wall);

    if (r < 0)
        return r;
    ledger_clock_init(&serve->clock, store_last_time(serve->store), wall, clock_boot_ms());
    store_get_watermarks(serve->store, &serve->marks);
    reply_gate_init(&serve->gate, serve->marks.durable);
    now = serve_now(serve);
    r = core_start(serve->core, now);
    if (r == 0)
        event_reader_pass(&serve->event_reader, serve->marks.durable);
    if (r == 0)
        event_keeping_look(&serve->event_keeping);
    if (r == 0)
        r = configured_drop_missing(configured, serve->config, serve->core, now);
    return r < 0 ? r : policy_configure_products(serve->core, serve->config, NULL, now);
}

int serve_open_ledger(struct serve *serve)
{
    struct opening opening = {.serve = serve};
    CLEANUP(cleanup_free) char *error = NULL;
    struct store_options options;
    int r;

    policy_store_options(serve->config, &options);
    options.directory = serve->config->paths.state_directory;
    options.on_progress = on_store_progress;
    options.userdata = serve;
    r = store_open(&options, on_store_start, on_store_replay, &opening, &serve->store, &error);
    if (r < 0) {
        log_error("%s", error != NULL ? error : strerror(-r));
        configured_deinit(&opening.configured);
        return 1;
    }
    r = begin(serve, &opening.configured);
    configured_deinit(&opening.configured);
    if (r < 0)
        log_error("%s: the ledger cannot be started: %s", options.directory,
                  r == -ERANGE ? "the clock" : strerror(-r));
    return r < 0;
}

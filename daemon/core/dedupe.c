/*
 * Repeated requests (ledger.md K1 to K3). Two kinds of names for a request: a stamp (client id,
 * counter) that the library draws, and an idempotency key that the app chooses. Each answered
 * deduction leaves an entry under its name; a repetition finds it and gets the same answer, and
 * what cannot be remembered is refused rather than executed.
 *
 * A client has a window of counters: its entries live in slots (counter modulo the window), so
 * memory and store hold at most one window a client, and a counter that has fallen out of it is
 * refused. A client id carries its time of creation: one that we do not know and that is older than
 * what is kept may be one that we have forgotten, and is refused as well.
 *
 * For that to hold, an id dated ahead of our time must be remembered by as much longer: KEEP_CLIENT
 * − ACCEPT_CLIENT is how far ahead a client's clock may be.
 */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS (INT64_C(60) * 60 * 1000)
#define WINDOW 2048u /* counters; more than a connection may have in flight */
#define KEEP_KEY (24 * HOUR_MS)
#define ACCEPT_CLIENT (24 * HOUR_MS)
#define KEEP_CLIENT (48 * HOUR_MS)
#define NONE UINT32_MAX
#define COUNTER_NONE UINT64_MAX /* no request has it: a place that is taken, not filled */
#define FORGET_STEP 16u         /* images a record */

void dedupe_init(struct dedupe *dedupe)
{
    *dedupe = (struct dedupe){
        .items_free = NONE,
        .keys_first = NONE,
        .keys_last = NONE,
        .known_free = NONE,
        .clients_first = NONE,
        .clients_last = NONE,
    };
    map_init(&dedupe->entries);
    map_init(&dedupe->clients);
}

void dedupe_deinit(struct dedupe *dedupe)
{
    map_deinit(&dedupe->entries);
    map_deinit(&dedupe->clients);
    free(dedupe->items);
    free(dedupe->known);
}

static struct hash128 slot_hash(struct hash128 client, uint16_t slot)
{
    /* The client's hash is keyed already: any injective change of it serves. */
    return (struct hash128){.low = client.low ^ (((uint64_t)slot + 1) << 40),
                            .high = client.high + slot + 1};
}

static int64_t client_created(const uint8_t client_id[16])
{
    int64_t created = 0;
    for (int i = 0; i < 6; i++)
        created = (created << 8) | client_id[i];
    return created;
}

/* --- the lists: app keys by age, clients by last use --- */

static void keys_link_last(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_item *item = &dedupe->items[index];

    item->next = NONE;
    item->previous = dedupe->keys_last;
    if (dedupe->keys_last != NONE)
        dedupe->items[dedupe->keys_last].next = index;
    else
        dedupe->keys_first = index;
    dedupe->keys_last = index;
}

static void keys_unlink(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_item *item = &dedupe->items[index];

    if (item->previous != NONE)
        dedupe->items[item->previous].next = item->next;
    else
        dedupe->keys_first = item->next;
    if (item->next != NONE)
        dedupe->items[item->next].previous = item->previous;
    else
        dedupe->keys_last = item->previous;
}

static void clients_unlink(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_known_client *client = &dedupe->known[index];

    if (client->previous != NONE)
        dedupe->known[client->previous].next = client->next;
    else
        dedupe->clients_first = client->next;
    if (client->next != NONE)
        dedupe->known[client->next].previous = client->previous;
    else
        dedupe->clients_last = client->previous;
}

static void clients_link_last(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_known_client *client = &dedupe->known[index];

    client->next = NONE;
    client->previous = dedupe->clients_last;
    if (dedupe->clients_last != NONE)
        dedupe->known[dedupe->clients_last].next = index;
    else
        dedupe->clients_first = index;
    dedupe->clients_last = index;
}

/* --- room --- */

static int reserve_items(struct dedupe *dedupe)
{
    if (dedupe->items_free != NONE || dedupe->items_count < dedupe->items_capacity)
        return 0;
    uint32_t capacity = dedupe->items_capacity ? dedupe->items_capacity * 2 : 1024;
    struct dedupe_item *items = reallocarray(dedupe->items, capacity, sizeof(*items));
    if (!items)
        return -ENOMEM;
    dedupe->items = items;
    dedupe->items_capacity = capacity;
    return 0;
}

static int reserve_clients(struct dedupe *dedupe)
{
    if (dedupe->known_free != NONE || dedupe->known_count < dedupe->known_capacity)
        return 0;
    uint32_t capacity = dedupe->known_capacity ? dedupe->known_capacity * 2 : 64;
    struct dedupe_known_client *known = reallocarray(dedupe->known, capacity, sizeof(*known));
    if (!known)
        return -ENOMEM;
    dedupe->known = known;
    dedupe->known_capacity = capacity;
    return 0;
}

/* The item of that key, made if it is not there; NULL: no memory. */
static struct dedupe_item *item_get(struct dedupe *dedupe, struct hash128 key, uint32_t *ret_index,
                                    bool *ret_new)
{
    const uint64_t *found = map_get(&dedupe->entries, key);

    *ret_new = !found;
    if (found) {
        *ret_index = (uint32_t)*found;
        return &dedupe->items[*ret_index];
    }
    if (reserve_items(dedupe) < 0)
        return NULL;
    uint32_t index = dedupe->items_free != NONE ? dedupe->items_free : dedupe->items_count;
    if (map_put(&dedupe->entries, key, index) < 0)
        return NULL;
    if (dedupe->items_free != NONE)
        dedupe->items_free = dedupe->items[index].next;
    else
        dedupe->items_count++;
    dedupe->items[index] = (struct dedupe_item){.key = key, .next = NONE, .previous = NONE};
    *ret_index = index;
    return &dedupe->items[index];
}

static void item_drop(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_item *item = &dedupe->items[index];

    if (item->is_key)
        keys_unlink(dedupe, index);
    map_remove(&dedupe->entries, item->key);
    item->next = dedupe->items_free;
    dedupe->items_free = index;
}

static void charge(struct core *core, uint32_t uid, bool is_key, int64_t count)
{
    struct usage *usage;

    /* Cannot fail when it matters: dedupe_check has looked the usage up. At loading, an uncharged
     * entry is no harm. */
    if (usage_get(core, usage_of_uid(core, uid), &usage) < 0)
        return;
    if (is_key)
        usage->keys += count;
    else
        usage->clients += count;
}

static struct dedupe_known_client *client_get(struct core *core, struct hash128 hash, uint32_t uid)
{
    struct dedupe *dedupe = &core->dedupe;
    const uint64_t *found = map_get(&dedupe->clients, hash);

    if (found)
        return &dedupe->known[*found];
    if (reserve_clients(dedupe) < 0)
        return NULL;
    uint32_t index = dedupe->known_free != NONE ? dedupe->known_free : dedupe->known_count;
    if (map_put(&dedupe->clients, hash, index) < 0)
        return NULL;
    if (dedupe->known_free != NONE)
        dedupe->known_free = dedupe->known[index].next;
    else
        dedupe->known_count++;
    dedupe->known[index] =
        (struct dedupe_known_client){.hash = hash, .row.uid = uid, .in_use = true};
    clients_link_last(dedupe, index);
    charge(core, uid, false, 1);
    return &dedupe->known[index];
}

static void client_used(struct dedupe *dedupe, struct dedupe_known_client *client, uint64_t counter,
                        int64_t time)
{
    uint32_t index = (uint32_t)(client - dedupe->known);

    if (counter > client->row.highest)
        client->row.highest = counter;
    if (time < client->row.last_used)
        return;
    client->row.last_used = time;
    if (dedupe->clients_last != index) {
        clients_unlink(dedupe, index);
        clients_link_last(dedupe, index);
    }
}

/* --- deciding --- */

static struct hash128 fingerprint(const struct core *core, const struct core_consume *command)
{
    struct {
        struct hash128 balance, metadata;
        int64_t raw_amount;
    } arguments = {
        .balance = core_balance_hash(core, command->customer, command->product),
        .metadata = hash_bytes(&core->hash_key, command->metadata.data, command->metadata.length),
        .raw_amount = command->raw_amount,
    };
    return hash_pair(&core->hash_key, "credits.consume", 15, &arguments, sizeof(arguments));
}

static struct hash128 key_hash(const struct core *core, const struct core_consume *command)
{
    struct {
        struct hash128 customer;
        uint64_t uid;
    } scope = {
        .customer = hash_pair(&core->hash_key, "credits.consume", 15, command->customer.data,
                              command->customer.length),
        .uid = command->uid,
    };
    return hash_pair(&core->hash_key, &scope, sizeof(scope), command->key.data,
                     command->key.length);
}

static bool same(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

static int known_answer(const struct dedupe *dedupe, const struct dedupe_request *request,
                        const struct dedupe_entry **ret_known)
{
    const uint64_t *index = map_get(&dedupe->entries, request->key);
    const struct dedupe_entry *entry = index ? &dedupe->items[*index].row : NULL;

    if (!entry || entry->counter != request->counter)
        return CORE_OK; /* no entry, or one that this counter replaces in its slot */
    if (!same(entry->fingerprint, request->fingerprint))
        return CORE_KEY_REUSED;
    *ret_known = entry;
    return CORE_OK;
}

static int check_stamp(struct core *core, const struct core_consume *command, int64_t now,
                       struct dedupe_request *request, const struct dedupe_entry **ret_known)
{
    request->client =
        hash_pair(&core->hash_key, &command->uid, sizeof(command->uid), command->client_id, 16);
    request->counter = command->counter;
    request->slot = (uint16_t)(command->counter % WINDOW);
    request->key = slot_hash(request->client, request->slot);

    const uint64_t *found = map_get(&core->dedupe.clients, request->client);
    if (!found) {
        int64_t created = client_created(command->client_id);
        struct usage *usage;

        if (created < now - ACCEPT_CLIENT || created > now + (KEEP_CLIENT - ACCEPT_CLIENT))
            return CORE_OUTCOME_UNKNOWN;
        int r = usage_get(core, usage_of_uid(core, command->uid), &usage);
        if (r < 0)
            return r;
        if (usage->clients >= core->policy.dedupe_clients_per_user)
            return CORE_QUOTA_CLIENTS;
        request->new_client = true;
        return CORE_OK;
    }

    const struct dedupe_known_client *client = &core->dedupe.known[*found];
    if (client->forgotten_below > 0 || command->counter + WINDOW <= client->row.highest)
        return CORE_OUTCOME_UNKNOWN;
    return known_answer(&core->dedupe, request, ret_known);
}

static int check_key(struct core *core, const struct core_consume *command,
                     struct dedupe_request *request, const struct dedupe_entry **ret_known)
{
    struct usage *usage;

    request->key = key_hash(core, command);
    int r = known_answer(&core->dedupe, request, ret_known);
    if (r != CORE_OK || *ret_known)
        return r;
    r = usage_get(core, usage_of_uid(core, command->uid), &usage);
    if (r < 0)
        return r;
    return usage->keys >= core->policy.dedupe_keys_per_user ? CORE_QUOTA_KEYS : CORE_OK;
}

int dedupe_check(struct core *core, const struct core_consume *command, int64_t now,
                 struct dedupe_request *ret_request, const struct dedupe_entry **ret_known)
{
    *ret_known = NULL;
    *ret_request = (struct dedupe_request){.repeat = command->repeat, .uid = command->uid};
    if (command->repeat == CORE_REPEAT_NONE)
        return CORE_OK;
    ret_request->fingerprint = fingerprint(core, command);
    if (command->repeat == CORE_REPEAT_STAMP)
        return check_stamp(core, command, now, ret_request, ret_known);
    return check_key(core, command, ret_request, ret_known);
}

/* --- remembering --- */

static void forget_client(struct core *core, struct hash128 hash)
{
    struct dedupe *dedupe = &core->dedupe;
    const uint64_t *found = map_get(&dedupe->clients, hash);

    if (!found)
        return;
    uint32_t index = (uint32_t)*found;
    charge(core, dedupe->known[index].row.uid, false, -1);
    clients_unlink(dedupe, index);
    map_remove(&dedupe->clients, hash);
    dedupe->known[index].in_use = false;
    dedupe->known[index].next = dedupe->known_free;
    dedupe->known_free = index;
}

static void forget_entry(struct core *core, struct hash128 key)
{
    const uint64_t *found = map_get(&core->dedupe.entries, key);

    if (!found)
        return;
    if (core->dedupe.items[*found].is_key)
        charge(core, core->dedupe.items[*found].row.uid, true, -1);
    item_drop(&core->dedupe, (uint32_t)*found);
}

int dedupe_reserve(struct core *core, const struct dedupe_request *request)
{
    uint32_t index;
    bool is_new;

    if (request->repeat == CORE_REPEAT_NONE)
        return 0;
    /* The places are taken now, and given back by dedupe_release if the record is then not
     * appended. */
    if (!item_get(&core->dedupe, request->key, &index, &is_new))
        return -ENOMEM;
    if (is_new)
        core->dedupe.items[index].row.counter = COUNTER_NONE;
    if (request->repeat == CORE_REPEAT_STAMP && !client_get(core, request->client, request->uid)) {
        dedupe_release(core, request);
        return -ENOMEM;
    }
    return 0;
}

void dedupe_release(struct core *core, const struct dedupe_request *request)
{
    const uint64_t *found = map_get(&core->dedupe.entries, request->key);

    if (request->repeat == CORE_REPEAT_NONE)
        return;
    if (found && core->dedupe.items[*found].row.counter == COUNTER_NONE)
        item_drop(&core->dedupe, (uint32_t)*found);
    if (request->new_client)
        forget_client(core, request->client);
}

void dedupe_image_key(const struct dedupe_request *request, uint8_t ret_key[18], size_t *ret_length)
{
    if (request->repeat == CORE_REPEAT_KEY) {
        memcpy(ret_key, &request->key, 16);
        *ret_length = 16;
        return;
    }
    memcpy(ret_key, &request->client, 16);
    ret_key[16] = (uint8_t)(request->slot >> 8);
    ret_key[17] = (uint8_t)request->slot;
    *ret_length = 18;
}

static int remember_key(struct core *core, struct hash128 key, const struct dedupe_entry *entry)
{
    uint32_t index;
    bool is_new;
    struct dedupe_item *item = item_get(&core->dedupe, key, &index, &is_new);

    if (!item)
        return -ENOMEM;
    if (!item->is_key) {
        item->is_key = true;
        keys_link_last(&core->dedupe, index);
        charge(core, entry->uid, true, 1);
    }
    item->row = *entry;
    return 0;
}

static int remember_stamp(struct core *core, struct hash128 client_hash, uint16_t slot,
                          const struct dedupe_entry *entry)
{
    uint32_t index;
    bool is_new;
    struct dedupe_item *item =
        item_get(&core->dedupe, slot_hash(client_hash, slot), &index, &is_new);
    struct dedupe_known_client *client = item ? client_get(core, client_hash, entry->uid) : NULL;

    if (!client)
        return -ENOMEM;
    item->row = *entry;
    client_used(&core->dedupe, client, entry->counter, entry->time);
    return 0;
}

void dedupe_remember(struct core *core, const struct dedupe_request *request,
                     const struct dedupe_entry *entry)
{
    int r = 0;

    if (request->repeat == CORE_REPEAT_KEY)
        r = remember_key(core, request->key, entry);
    else if (request->repeat == CORE_REPEAT_STAMP)
        r = remember_stamp(core, request->client, request->slot, entry);
    assert(r == 0); /* dedupe_reserve has made the room */
    (void)r;
}

/* --- loading, replay --- */

static int load_client(struct core *core, struct hash128 hash, const void *value,
                       size_t value_length)
{
    struct dedupe_client row;

    if (value_length == 0) {
        forget_client(core, hash);
        return 0;
    }
    if (value_length != sizeof(row))
        return -EBADMSG;
    memcpy(&row, value, sizeof(row));
    struct dedupe_known_client *client = client_get(core, hash, row.uid);
    if (!client)
        return -ENOMEM;
    client_used(&core->dedupe, client, row.highest, row.last_used);
    return 0;
}

int dedupe_load(struct core *core, enum record_table table, const void *key, size_t key_length,
                const void *value, size_t value_length)
{
    const uint8_t *bytes = key;
    struct dedupe_entry entry;
    struct hash128 hash;

    if (key_length != (table == TABLE_STAMP ? 18 : 16))
        return -EBADMSG;
    memcpy(&hash, key, 16);
    if (table == TABLE_CLIENT)
        return load_client(core, hash, value, value_length);

    uint16_t slot = table == TABLE_STAMP ? (uint16_t)(bytes[16] << 8 | bytes[17]) : 0;
    if (value_length == 0) {
        forget_entry(core, table == TABLE_STAMP ? slot_hash(hash, slot) : hash);
        return 0;
    }
    if (value_length != sizeof(entry))
        return -EBADMSG;
    memcpy(&entry, value, sizeof(entry));
    return table == TABLE_STAMP ? remember_stamp(core, hash, slot, &entry)
                                : remember_key(core, hash, &entry);
}

/* --- forgetting: always by records, so that the store forgets too --- */

static int append_forget(struct core *core, struct append *append, int64_t now)
{
    if (append->image_count == 0)
        return 0;
    int r = append_begin(core, append, 0, true);
    if (r < 0)
        return r;
    append_finish(core, append, RECORD_FORGET, NULL, UID_SELF, 0, 0, NULL, now);
    return 0;
}

static int forget_keys(struct core *core, int64_t now)
{
    struct dedupe *dedupe = &core->dedupe;
    struct append append;
    struct hash128 keys[FORGET_STEP];
    size_t count = 0;

    append_init(&append);
    for (uint32_t i = dedupe->keys_first; i != NONE && count < FORGET_STEP;
         i = dedupe->items[i].next) {
        if (dedupe->items[i].row.time + KEEP_KEY >= now)
            break;
        keys[count] = dedupe->items[i].key;
        append_image(&append, TABLE_KEY, &keys[count], sizeof(keys[count]), NULL, 0);
        count++;
    }
    int r = append_forget(core, &append, now);
    for (size_t i = 0; r == 0 && i < count; i++)
        forget_entry(core, keys[i]);
    return r;
}

/* Entries first, the client last: as long as an entry is in the store its client is, and guards it.
 */
static int forget_stamps(struct core *core, struct dedupe_known_client *client, int64_t now)
{
    uint8_t keys[FORGET_STEP][18];
    uint16_t slots[FORGET_STEP];
    struct append append;
    size_t count = 0;

    append_init(&append);
    uint64_t slot = client->forgotten_below;
    for (; slot < WINDOW && count < FORGET_STEP; slot++) {
        struct hash128 hash = slot_hash(client->hash, (uint16_t)slot);
        if (!map_get(&core->dedupe.entries, hash))
            continue;
        memcpy(keys[count], &client->hash, 16);
        keys[count][16] = (uint8_t)(slot >> 8);
        keys[count][17] = (uint8_t)slot;
        append_image(&append, TABLE_STAMP, keys[count], 18, NULL, 0);
        slots[count++] = (uint16_t)slot;
    }
    bool whole = slot == WINDOW && count < FORGET_STEP;
    struct hash128 client_hash = client->hash;
    if (whole)
        append_image(&append, TABLE_CLIENT, &client_hash, sizeof(client_hash), NULL, 0);
    int r = append_forget(core, &append, now);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        forget_entry(core, slot_hash(client_hash, slots[i]));
    client->forgotten_below = slot;
    if (whole)
        forget_client(core, client_hash);
    return 0;
}

int64_t dedupe_wakeup(const struct core *core)
{
    const struct dedupe *dedupe = &core->dedupe;
    int64_t at = INT64_MAX;

    if (dedupe->keys_first != NONE)
        at = dedupe->items[dedupe->keys_first].row.time + KEEP_KEY + 1;
    if (dedupe->clients_first != NONE) {
        int64_t client_at = dedupe->known[dedupe->clients_first].row.last_used + KEEP_CLIENT + 1;
        at = client_at < at ? client_at : at;
    }
    return at;
}

int dedupe_tick(struct core *core, int64_t now)
{
    struct dedupe *dedupe = &core->dedupe;
    int r = forget_keys(core, now);

    if (r < 0 || dedupe->clients_first == NONE)
        return r;
    struct dedupe_known_client *client = &dedupe->known[dedupe->clients_first];
    return client->row.last_used + KEEP_CLIENT < now ? forget_stamps(core, client, now) : 0;
}

/* Rows come from the store in the order of their hashes: puts the lists in the order of time. */
struct aged {
    int64_t time;
    uint32_t index;
};

static int compare_aged(const void *a, const void *b)
{
    const struct aged *first = a, *second = b;
    return (first->time > second->time) - (first->time < second->time);
}

int dedupe_start(struct core *core)
{
    struct dedupe *dedupe = &core->dedupe;
    size_t most = (size_t)dedupe->items_count + dedupe->known_count, count = 0;
    struct aged *order = most ? calloc(most, sizeof(*order)) : NULL;

    if (!order)
        return most ? -ENOMEM : 0;
    for (uint32_t i = dedupe->keys_first; i != NONE; i = dedupe->items[i].next)
        order[count++] = (struct aged){dedupe->items[i].row.time, i};
    qsort(order, count, sizeof(*order), compare_aged);
    dedupe->keys_first = dedupe->keys_last = NONE;
    for (size_t i = 0; i < count; i++)
        keys_link_last(dedupe, order[i].index);

    count = 0;
    for (uint32_t i = dedupe->clients_first; i != NONE; i = dedupe->known[i].next)
        order[count++] = (struct aged){dedupe->known[i].row.last_used, i};
    qsort(order, count, sizeof(*order), compare_aged);
    dedupe->clients_first = dedupe->clients_last = NONE;
    for (size_t i = 0; i < count; i++)
        clients_link_last(dedupe, order[i].index);
    free(order);
    return 0;
}

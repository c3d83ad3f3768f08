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
 * For that to hold, an id dated ahead of our time must be remembered by as much longer:
 * DEDUPE_KEEP_CLIENT − DEDUPE_ACCEPT_CLIENT is how far ahead a client's clock may be.
 */
#include "dedupe_table.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int64_t client_created(const uint8_t client_id[16])
{
    int64_t created = 0;
    for (int i = 0; i < 6; i++)
        created = (created << 8) | client_id[i];
    return created;
}

/* --- deciding --- */

static struct hash128 metadata_hash(const struct core *core, struct core_text metadata)
{
    return metadata.length ? hash_bytes(&core->hash_key, metadata.data, metadata.length)
                           : core->hash_of_nothing;
}

struct hash128 dedupe_fingerprint(const struct core *core, const char *method,
                                  const struct balance *balance, const struct core_consume *command,
                                  int64_t more)
{
    struct {
        struct hash128 balance, metadata;
        int64_t raw_amount, more;
    } arguments = {
        .balance = balance->hash,
        .metadata = metadata_hash(core, command->metadata),
        .raw_amount = command->raw_amount,
        .more = more,
    };
    return hash_pair(&core->hash_key, method, strlen(method), &arguments, sizeof(arguments));
}

static struct hash128 key_hash(const struct core *core, const struct dedupe_command *command)
{
    const struct core_consume *who = command->who;
    struct {
        struct hash128 customer;
        uint64_t uid;
    } scope = {
        .customer = hash_pair(&core->hash_key, command->method, strlen(command->method),
                              who->customer.data, who->customer.length),
        .uid = who->uid,
    };
    return hash_pair(&core->hash_key, &scope, sizeof(scope), who->key.data, who->key.length);
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

/* A stamp that takes an older one's slot needs no more room. */
static int check_room(struct core *core, const struct dedupe_request *request)
{
    struct usage *usage;

    int r = usage_get(core, usage_of_uid(request->uid), &usage);
    if (r < 0)
        return r;
    if (request->new_client && usage->clients >= core->policy.dedupe_clients_per_user)
        return CORE_QUOTA_CLIENTS;
    return usage->stamps >= core->policy.dedupe_stamps_per_user &&
                   !map_get(&core->dedupe.entries, request->key)
               ? CORE_QUOTA_STAMPS
               : CORE_OK;
}

static int check_stamp(struct core *core, const struct core_consume *who, int64_t now,
                       struct dedupe_request *request, const struct dedupe_entry **ret_known)
{
    request->client = hash_pair(&core->hash_key, &who->uid, sizeof(who->uid), who->client_id, 16);
    request->counter = who->counter;
    request->slot = (uint16_t)(who->counter % DEDUPE_WINDOW);
    request->key = dedupe_slot_hash(request->client, request->slot);

    const uint64_t *found = map_get(&core->dedupe.clients, request->client);
    if (!found) {
        int64_t created = client_created(who->client_id);

        if (created < now - DEDUPE_ACCEPT_CLIENT ||
            created > now + (DEDUPE_KEEP_CLIENT - DEDUPE_ACCEPT_CLIENT))
            return CORE_OUTCOME_UNKNOWN;
        request->new_client = true;
        return check_room(core, request);
    }

    const struct dedupe_known_client *client = &core->dedupe.known[*found];
    /* Past its time, entries of a client may be gone already, also where a start has forgotten that
     * the forgetting had begun: none of its counters can be told from a new one. */
    if (client->row.last_used + DEDUPE_KEEP_CLIENT < now || client->forgotten_below > 0 ||
        who->counter + DEDUPE_WINDOW <= client->row.highest)
        return CORE_OUTCOME_UNKNOWN;
    int r = known_answer(&core->dedupe, request, ret_known);
    return r != CORE_OK || *ret_known ? r : check_room(core, request);
}

static int check_key(struct core *core, const struct dedupe_command *command,
                     struct dedupe_request *request, const struct dedupe_entry **ret_known)
{
    struct usage *usage;

    request->key = key_hash(core, command);
    int r = known_answer(&core->dedupe, request, ret_known);
    if (r != CORE_OK || *ret_known)
        return r;
    r = usage_get(core, usage_of_uid(command->who->uid), &usage);
    if (r < 0)
        return r;
    return usage->keys >= core->policy.dedupe_keys_per_user ? CORE_QUOTA_KEYS : CORE_OK;
}

int dedupe_check(struct core *core, const struct dedupe_command *command, int64_t now,
                 struct dedupe_request *ret_request, const struct dedupe_entry **ret_known)
{
    const struct core_consume *who = command->who;

    *ret_known = NULL;
    *ret_request = (struct dedupe_request){
        .repeat = who->repeat, .uid = who->uid, .fingerprint = command->fingerprint};
    if (who->repeat == CORE_REPEAT_NONE)
        return CORE_OK;
    if (who->repeat == CORE_REPEAT_STAMP)
        return check_stamp(core, who, now, ret_request, ret_known);
    return check_key(core, command, ret_request, ret_known);
}

/* --- remembering --- */

int dedupe_reserve(struct core *core, const struct dedupe_request *request)
{
    uint32_t index;
    bool is_new;

    if (request->repeat == CORE_REPEAT_NONE)
        return 0;
    /* The places are taken now, and given back by dedupe_release if the record is then not
     * appended. */
    if (!dedupe_item_get(&core->dedupe, request->key, &index, &is_new))
        return -ENOMEM;
    if (is_new)
        core->dedupe.items[index].row.counter = DEDUPE_COUNTER_NONE;
    if (request->repeat == CORE_REPEAT_STAMP &&
        !dedupe_client_get(core, request->client, request->uid)) {
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
    if (found && core->dedupe.items[*found].row.counter == DEDUPE_COUNTER_NONE)
        dedupe_item_drop(&core->dedupe, (uint32_t)*found);
    if (request->new_client)
        dedupe_forget_client(core, request->client);
}

void dedupe_append_images(struct append *append, const struct dedupe_request *request,
                          struct dedupe_images *images)
{
    bool is_key = request->repeat == CORE_REPEAT_KEY;

    if (request->repeat == CORE_REPEAT_NONE)
        return;
    images->entry.fingerprint = request->fingerprint;
    images->entry.counter = request->counter;
    images->entry.uid = request->uid;
    memcpy(images->key, is_key ? &request->key : &request->client, 16);
    images->key[16] = (uint8_t)(request->slot >> 8);
    images->key[17] = (uint8_t)request->slot;
    append_image(append, is_key ? TABLE_KEY : TABLE_STAMP, images->key, is_key ? 16 : 18,
                 &images->entry, sizeof(images->entry));
    if (!request->new_client)
        return;
    images->client = (struct dedupe_client){
        .highest = request->counter, .last_used = images->entry.time, .uid = request->uid};
    append_image(append, TABLE_CLIENT, &request->client, sizeof(request->client), &images->client,
                 sizeof(images->client));
}

static int remember_key(struct core *core, struct hash128 key, const struct dedupe_entry *entry)
{
    uint32_t index;
    bool is_new;
    struct dedupe_item *item = dedupe_item_get(&core->dedupe, key, &index, &is_new);

    if (!item)
        return -ENOMEM;
    if (!item->is_key) {
        item->is_key = true;
        dedupe_key_link_last(&core->dedupe, index);
        dedupe_charge(core, entry->uid, DEDUPE_CHARGE_KEY, 1);
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
        dedupe_item_get(&core->dedupe, dedupe_slot_hash(client_hash, slot), &index, &is_new);
    struct dedupe_known_client *client =
        item ? dedupe_client_get(core, client_hash, entry->uid) : NULL;

    if (!client)
        return -ENOMEM;
    if (is_new || item->row.counter == DEDUPE_COUNTER_NONE)
        dedupe_charge(core, entry->uid, DEDUPE_CHARGE_STAMP, 1);
    item->row = *entry;
    dedupe_client_used(&core->dedupe, client, entry->counter, entry->time);
    /* Counters come one after the other, and lie far apart. */
    map_prefetch(&core->dedupe.entries, dedupe_slot_hash(client_hash, (slot + 1) % DEDUPE_WINDOW));
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
        dedupe_forget_client(core, hash);
        return 0;
    }
    if (value_length != sizeof(row))
        return -EBADMSG;
    memcpy(&row, value, sizeof(row));
    struct dedupe_known_client *client = dedupe_client_get(core, hash, row.uid);
    if (!client)
        return -ENOMEM;
    dedupe_client_used(&core->dedupe, client, row.highest, row.last_used);
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

    uint16_t slot = (uint16_t)(table == TABLE_STAMP ? bytes[16] << 8 | bytes[17] : 0);
    if (value_length == 0) {
        dedupe_forget_entry(core, table == TABLE_STAMP ? dedupe_slot_hash(hash, slot) : hash);
        return 0;
    }
    if (value_length != sizeof(entry))
        return -EBADMSG;
    memcpy(&entry, value, sizeof(entry));
    return table == TABLE_STAMP ? remember_stamp(core, hash, slot, &entry)
                                : remember_key(core, hash, &entry);
}

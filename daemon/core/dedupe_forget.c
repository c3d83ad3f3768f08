/*
 * Forgetting what is past its time: always by records, so that the store forgets too, and in small
 * steps.
 */
#include "dedupe_table.h"

#include <string.h>

#define FORGET_STEP 16u /* images a record */
#define RETRY_MS 1000

static int append_forget(struct core *core, struct append *append, int64_t now)
{
    if (append->image_count == 0)
        return 0;
    int r = append_begin(core, append, 0, true);
    if (r < 0)
        return r;
    append_finish(core, append, RECORD_FORGET, NULL, UID_SELF, 0, NULL, now);
    return 0;
}

static int forget_keys(struct core *core, int64_t now)
{
    struct dedupe *dedupe = &core->dedupe;
    struct append append;
    struct hash128 keys[FORGET_STEP];
    size_t count = 0;

    append_init(&append);
    for (uint32_t i = dedupe->keys_first; i != DEDUPE_NONE && count < FORGET_STEP;
         i = dedupe->items[i].next) {
        if (dedupe->items[i].row.time + DEDUPE_KEEP_KEY >= now)
            break;
        keys[count] = dedupe->items[i].key;
        append_image(&append, TABLE_KEY, &keys[count], sizeof(keys[count]), NULL, 0);
        count++;
    }
    int r = append_forget(core, &append, now);
    for (size_t i = 0; r == 0 && i < count; i++)
        dedupe_forget_entry(core, keys[i]);
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
    for (; slot < DEDUPE_WINDOW && count < FORGET_STEP; slot++) {
        struct hash128 hash = dedupe_slot_hash(client->hash, (uint16_t)slot);
        if (!map_get(&core->dedupe.entries, hash))
            continue;
        memcpy(keys[count], &client->hash, 16);
        keys[count][16] = (uint8_t)(slot >> 8);
        keys[count][17] = (uint8_t)slot;
        append_image(&append, TABLE_STAMP, keys[count], 18, NULL, 0);
        slots[count++] = (uint16_t)slot;
    }
    bool whole = slot == DEDUPE_WINDOW && count < FORGET_STEP;
    struct hash128 client_hash = client->hash;
    if (whole)
        append_image(&append, TABLE_CLIENT, &client_hash, sizeof(client_hash), NULL, 0);
    int r = append_forget(core, &append, now);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        dedupe_forget_entry(core, dedupe_slot_hash(client_hash, slots[i]));
    client->forgotten_below = slot;
    if (whole)
        dedupe_forget_client(core, client_hash);
    return 0;
}

int64_t dedupe_wakeup(const struct core *core)
{
    const struct dedupe *dedupe = &core->dedupe;
    int64_t at = INT64_MAX;

    if (dedupe->keys_first != DEDUPE_NONE)
        at = dedupe->items[dedupe->keys_first].row.time + DEDUPE_KEEP_KEY + 1;
    if (dedupe->clients_first != DEDUPE_NONE) {
        int64_t client_at =
            dedupe->known[dedupe->clients_first].row.last_used + DEDUPE_KEEP_CLIENT + 1;
        at = client_at < at ? client_at : at;
    }
    return at > dedupe->retry_at ? at : dedupe->retry_at;
}

static int forget(struct core *core, int64_t now)
{
    struct dedupe *dedupe = &core->dedupe;
    int r = forget_keys(core, now);

    if (r < 0 || dedupe->clients_first == DEDUPE_NONE)
        return r;
    struct dedupe_known_client *client = &dedupe->known[dedupe->clients_first];
    return client->row.last_used + DEDUPE_KEEP_CLIENT < now ? forget_stamps(core, client, now) : 0;
}

int dedupe_tick(struct core *core, int64_t now)
{
    if (now < core->dedupe.retry_at)
        return 0;
    int r = forget(core, now);
    if (r < 0) /* a disk full to the last byte: remembered a little longer */
        core->dedupe.retry_at = now + RETRY_MS;
    return r;
}

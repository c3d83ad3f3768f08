#include "dedupe_table.h"

#include <errno.h>
#include <stdlib.h>

void dedupe_init(struct dedupe *dedupe)
{
    *dedupe = (struct dedupe){
        .items_free = DEDUPE_NONE,
        .keys_first = DEDUPE_NONE,
        .keys_last = DEDUPE_NONE,
        .known_free = DEDUPE_NONE,
        .clients_first = DEDUPE_NONE,
        .clients_last = DEDUPE_NONE,
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

struct hash128 dedupe_slot_hash(struct hash128 client, uint16_t slot)
{
    /* The client's hash is keyed already: any injective change of it serves, as long as the low
     * bits, by which the map finds its place, differ from slot to slot. */
    uint64_t spread = ((uint64_t)slot + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (struct hash128){.low = client.low ^ spread, .high = client.high + slot + 1};
}

/* --- the lists: app keys by age, clients by last use --- */

void dedupe_key_link_last(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_item *item = &dedupe->items[index];

    item->next = DEDUPE_NONE;
    item->previous = dedupe->keys_last;
    if (dedupe->keys_last != DEDUPE_NONE)
        dedupe->items[dedupe->keys_last].next = index;
    else
        dedupe->keys_first = index;
    dedupe->keys_last = index;
}

static void keys_unlink(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_item *item = &dedupe->items[index];

    if (item->previous != DEDUPE_NONE)
        dedupe->items[item->previous].next = item->next;
    else
        dedupe->keys_first = item->next;
    if (item->next != DEDUPE_NONE)
        dedupe->items[item->next].previous = item->previous;
    else
        dedupe->keys_last = item->previous;
}

static void clients_unlink(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_known_client *client = &dedupe->known[index];

    if (client->previous != DEDUPE_NONE)
        dedupe->known[client->previous].next = client->next;
    else
        dedupe->clients_first = client->next;
    if (client->next != DEDUPE_NONE)
        dedupe->known[client->next].previous = client->previous;
    else
        dedupe->clients_last = client->previous;
}

static void clients_link_last(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_known_client *client = &dedupe->known[index];

    client->next = DEDUPE_NONE;
    client->previous = dedupe->clients_last;
    if (dedupe->clients_last != DEDUPE_NONE)
        dedupe->known[dedupe->clients_last].next = index;
    else
        dedupe->clients_first = index;
    dedupe->clients_last = index;
}

/* --- room --- */

static int reserve_items(struct dedupe *dedupe)
{
    if (dedupe->items_free != DEDUPE_NONE || dedupe->items_count < dedupe->items_capacity)
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
    if (dedupe->known_free != DEDUPE_NONE || dedupe->known_count < dedupe->known_capacity)
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
struct dedupe_item *dedupe_item_get(struct dedupe *dedupe, struct hash128 key, uint32_t *ret_index,
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
    uint32_t index = dedupe->items_free != DEDUPE_NONE ? dedupe->items_free : dedupe->items_count;
    if (map_put(&dedupe->entries, key, index) < 0)
        return NULL;
    if (dedupe->items_free != DEDUPE_NONE)
        dedupe->items_free = dedupe->items[index].next;
    else
        dedupe->items_count++;
    dedupe->items[index] =
        (struct dedupe_item){.key = key, .next = DEDUPE_NONE, .previous = DEDUPE_NONE};
    *ret_index = index;
    return &dedupe->items[index];
}

void dedupe_item_drop(struct dedupe *dedupe, uint32_t index)
{
    struct dedupe_item *item = &dedupe->items[index];

    if (item->is_key)
        keys_unlink(dedupe, index);
    map_remove(&dedupe->entries, item->key);
    item->next = dedupe->items_free;
    dedupe->items_free = index;
}

void dedupe_charge(struct core *core, uint32_t uid, enum dedupe_charged what, int64_t count)
{
    struct usage *usage;

    /* Cannot fail when it matters: dedupe_check has looked the usage up. At loading, an uncharged
     * entry is no harm. */
    if (usage_get(core, usage_of_uid(uid), &usage) < 0)
        return;
    switch (what) {
    case DEDUPE_CHARGE_KEY:
        usage->keys += count;
        break;
    case DEDUPE_CHARGE_CLIENT:
        usage->clients += count;
        break;
    case DEDUPE_CHARGE_STAMP:
        usage->stamps += count;
        break;
    }
}

struct dedupe_known_client *dedupe_client_get(struct core *core, struct hash128 hash, uint32_t uid)
{
    struct dedupe *dedupe = &core->dedupe;
    const uint64_t *found = map_get(&dedupe->clients, hash);

    if (found)
        return &dedupe->known[*found];
    if (reserve_clients(dedupe) < 0)
        return NULL;
    uint32_t index = dedupe->known_free != DEDUPE_NONE ? dedupe->known_free : dedupe->known_count;
    if (map_put(&dedupe->clients, hash, index) < 0)
        return NULL;
    if (dedupe->known_free != DEDUPE_NONE)
        dedupe->known_free = dedupe->known[index].next;
    else
        dedupe->known_count++;
    dedupe->known[index] =
        (struct dedupe_known_client){.hash = hash, .row.uid = uid, .in_use = true};
    clients_link_last(dedupe, index);
    dedupe_charge(core, uid, DEDUPE_CHARGE_CLIENT, 1);
    return &dedupe->known[index];
}

void dedupe_client_used(struct dedupe *dedupe, struct dedupe_known_client *client, uint64_t counter,
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

void dedupe_forget_client(struct core *core, struct hash128 hash)
{
    struct dedupe *dedupe = &core->dedupe;
    const uint64_t *found = map_get(&dedupe->clients, hash);

    if (!found)
        return;
    uint32_t index = (uint32_t)*found;
    dedupe_charge(core, dedupe->known[index].row.uid, DEDUPE_CHARGE_CLIENT, -1);
    clients_unlink(dedupe, index);
    map_remove(&dedupe->clients, hash);
    dedupe->known[index].in_use = false;
    dedupe->known[index].next = dedupe->known_free;
    dedupe->known_free = index;
}

void dedupe_forget_entry(struct core *core, struct hash128 key)
{
    const uint64_t *found = map_get(&core->dedupe.entries, key);

    if (!found)
        return;
    const struct dedupe_item *item = &core->dedupe.items[*found];
    dedupe_charge(core, item->row.uid, item->is_key ? DEDUPE_CHARGE_KEY : DEDUPE_CHARGE_STAMP, -1);
    dedupe_item_drop(&core->dedupe, (uint32_t)*found);
}

struct aged {
    int64_t time;
    uint32_t index;
};

static int compare_aged(const void *a, const void *b)
{
    const struct aged *first = a, *second = b;
    return (first->time > second->time) - (first->time < second->time);
}

/* Rows come from the store in the order of their hashes: puts the lists in the order of time. */
int dedupe_start(struct core *core)
{
    struct dedupe *dedupe = &core->dedupe;
    size_t most = (size_t)dedupe->items_count + dedupe->known_count, count = 0;
    struct aged *order = most ? calloc(most, sizeof(*order)) : NULL;

    if (!order)
        return most ? -ENOMEM : 0;
    for (uint32_t i = dedupe->keys_first; i != DEDUPE_NONE; i = dedupe->items[i].next)
        order[count++] = (struct aged){dedupe->items[i].row.time, i};
    qsort(order, count, sizeof(*order), compare_aged);
    dedupe->keys_first = dedupe->keys_last = DEDUPE_NONE;
    for (size_t i = 0; i < count; i++)
        dedupe_key_link_last(dedupe, order[i].index);

    count = 0;
    for (uint32_t i = dedupe->clients_first; i != DEDUPE_NONE; i = dedupe->known[i].next)
        order[count++] = (struct aged){dedupe->known[i].row.last_used, i};
    qsort(order, count, sizeof(*order), compare_aged);
    dedupe->clients_first = dedupe->clients_last = DEDUPE_NONE;
    for (size_t i = 0; i < count; i++)
        clients_link_last(dedupe, order[i].index);
    free(order);
    return 0;
}

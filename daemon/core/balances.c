/*
 * The table of balances. Rows stand side by side in chunks that never move; what the planner and
 * the names need stands beside them, so that the rows can move to shared memory one day, as they
 * are. A slot is a place in the table: it can be reused when its balance was never more than a name
 * that upstream does not know.
 */
#include "state.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hash128 hash_number(uint64_t number)
{
    /* Ids are dense and ours, so nobody can choose them to collide; the multiplications spread
     * them. */
    uint64_t low = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (struct hash128){.low = low ^ (low >> 29), .high = low * UINT64_C(0xbf58476d1ce4e5b9)};
}

struct balance *balance_at(const struct core *core, uint32_t slot)
{
    if (slot >= core->slots)
        return NULL;
    struct balance *balance = &core->chunks[slot / CHUNK_SIZE]->balances[slot % CHUNK_SIZE];
    return balance->in_use ? balance : NULL;
}

struct balance *balance_find(const struct core *core, struct hash128 hash)
{
    const uint64_t *slot = map_get(&core->by_hash, hash);
    return slot ? balance_at(core, (uint32_t)*slot) : NULL;
}

struct balance *balance_by_id(const struct core *core, uint32_t id)
{
    const uint64_t *slot = map_get(&core->by_id, hash_number(id));
    return slot ? balance_at(core, (uint32_t)*slot) : NULL;
}

static struct hash128 customer_hash(const struct core *core, struct core_text customer)
{
    return hash_bytes(&core->hash_key, customer.data, customer.length);
}

struct balance *balance_of_customer(const struct core *core, struct core_text customer)
{
    const uint64_t *slot = map_get(&core->by_customer, customer_hash(core, customer));
    return slot ? balance_at(core, (uint32_t)*slot) : NULL;
}

/* Behind the first one, so that the index changes with the first and the last of them alone. */
static int join_customer(struct core *core, struct balance *balance)
{
    struct core_text customer = balance_customer(balance);
    struct balance *first = balance_of_customer(core, customer);

    if (!first)
        return map_put(&core->by_customer, customer_hash(core, customer), balance->slot);
    balance->customer_previous = first;
    balance->customer_next = first->customer_next;
    if (first->customer_next)
        first->customer_next->customer_previous = balance;
    first->customer_next = balance;
    return 0;
}

static void leave_customer(struct core *core, struct balance *balance)
{
    struct hash128 hash = customer_hash(core, balance_customer(balance));
    struct balance *next = balance->customer_next;

    if (next)
        next->customer_previous = balance->customer_previous;
    if (balance->customer_previous)
        balance->customer_previous->customer_next = next;
    else if (next)
        *map_get(&core->by_customer, hash) = next->slot;
    else
        map_remove(&core->by_customer, hash);
    balance->customer_next = balance->customer_previous = NULL;
}

struct core_text balance_customer(const struct balance *balance)
{
    return (struct core_text){balance->names, balance->customer_length};
}

struct core_text balance_product(const struct balance *balance)
{
    return (struct core_text){balance->names + balance->customer_length, balance->product_length};
}

int64_t row_available(const struct core_row *row)
{
    int64_t available = row->upstream - row_pending(row) - row->held;
    return (row->flags & CORE_ROW_REVOKED) && available > 0 ? 0 : available;
}

static int add_chunk(struct core *core)
{
    struct chunk **chunks = reallocarray(core->chunks, core->chunk_count + 1, sizeof(*chunks));
    if (!chunks)
        return -ENOMEM;
    core->chunks = chunks;

    struct chunk *chunk = NULL;
    if (posix_memalign((void **)&chunk, 64, sizeof(*chunk)) != 0)
        return -ENOMEM;
    memset(chunk, 0, sizeof(*chunk));
    core->chunks[core->chunk_count++] = chunk;
    return 0;
}

static int take_slot(struct core *core, uint32_t *ret_slot)
{
    if (core->free_count > 0) {
        *ret_slot = core->free_slots[--core->free_count];
        return 0;
    }
    if (core->slots == core->chunk_count * CHUNK_SIZE) {
        int r = add_chunk(core);
        if (r < 0)
            return r;
    }
    *ret_slot = core->slots++;
    return 0;
}

static int reserve_for_one_more(struct core *core)
{
    size_t count = (size_t)core->slots + 1;
    if (core->free_capacity < core->slots + 1) {
        uint32_t capacity = core->free_capacity ? core->free_capacity * 2 : CHUNK_SIZE;
        uint32_t *slots = reallocarray(core->free_slots, capacity, sizeof(*slots));
        if (!slots)
            return -ENOMEM;
        core->free_slots = slots;
        core->free_capacity = capacity;
    }
    if (heap_reserve(&core->timers, count) < 0 || heap_reserve(&core->oldest, count) < 0 ||
        heap_reserve(&core->largest, count) < 0)
        return -ENOMEM;
    return 0;
}

static void balance_reset(struct core *core, struct balance *balance, uint32_t slot)
{
    *balance = (struct balance){
        .row = &core->chunks[slot / CHUNK_SIZE]->rows[slot % CHUNK_SIZE],
        .slot = slot,
        .product = NO_PRODUCT,
        .queued = TURN_NONE,
    };
    *balance->row = (struct core_row){0};
}

struct balance *balance_new(struct core *core, struct core_text customer, struct core_text product,
                            struct hash128 hash)
{
    uint32_t slot;

    if (reserve_for_one_more(core) < 0)
        return NULL;
    char *names = malloc(customer.length + product.length + 1);
    uint32_t product_index = names ? product_get(core, product) : NO_PRODUCT;
    if (product_index == NO_PRODUCT || take_slot(core, &slot) < 0) {
        free(names);
        return NULL;
    }
    if (map_put(&core->by_hash, hash, slot) < 0) {
        core->free_slots[core->free_count++] = slot;
        free(names);
        return NULL;
    }

    struct balance *balance = &core->chunks[slot / CHUNK_SIZE]->balances[slot % CHUNK_SIZE];
    balance_reset(core, balance, slot);
    memcpy(names, customer.data, customer.length);
    memcpy(names + customer.length, product.data, product.length);
    balance->names = names;
    balance->customer_length = (uint16_t)customer.length;
    balance->product_length = (uint16_t)product.length;
    balance->hash = hash;
    balance->product = product_index;
    if (join_customer(core, balance) < 0) {
        map_remove(&core->by_hash, hash);
        core->free_slots[core->free_count++] = slot;
        free(names);
        balance->names = NULL;
        return NULL;
    }
    balance->in_use = true;
    core->products[product_index].balances++;
    core->resident++;
    return balance;
}

int balance_set_id(struct core *core, struct balance *balance, uint32_t id)
{
    int r = map_put(&core->by_id, hash_number(id), balance->slot);
    if (r < 0)
        return r;
    balance->row->id = id;
    if (id > core->last_id)
        core->last_id = id;
    return 0;
}

void balance_forget(struct core *core, struct balance *balance)
{
    assert(!balance->exchange && !balance->push && !balance->watched);

    plan_withdraw(core, balance);
    leave_customer(core, balance);
    map_remove(&core->by_hash, balance->hash);
    if (balance->row->id)
        map_remove(&core->by_id, hash_number(balance->row->id));
    product_release(core, balance->product);
    free(balance->names);
    balance->names = NULL;
    balance->in_use = false;
    core->free_slots[core->free_count++] = balance->slot;
    core->resident--;
}

void balance_set_row(struct core *core, struct balance *balance, const struct core_row *row,
                     int64_t now)
{
    int64_t before = row_pending(balance->row), after = row_pending(row);

    core->pending_credits += (after > 0 ? after : 0) - (before > 0 ? before : 0);
    core->pending_balances += (after > 0) - (before > 0);
    *balance->row = *row;
    if (after <= 0)
        balance->pending_since = 0;
    else if (before <= 0)
        balance->pending_since = now;
}

void balance_view(const struct core *core, const struct balance *balance, int64_t now,
                  struct core_balance *ret_balance)
{
    const struct core_row *row = balance->row;
    bool old = row->synced_at + core->policy.refresh_interval < now;

    *ret_balance = (struct core_balance){
        .slot = balance->slot,
        .customer = balance_customer(balance),
        .product = balance_product(balance),
        .upstream = row->upstream,
        .pending = row_pending(row),
        .held = row->held,
        .available = row_available(row),
        .consumed = balance->reading.consumed,
        .granted = balance->reading.granted,
        .units_per_credit = core->products[balance->product].row.units_per_credit,
        .synced_at = row->synced_at,
        .stale = old || core->unanswered || core->paused,
        .reveals = balance->last_sequence,
        .readings = balance->readings,
        .last_place = row->last_place,
        .pushed_total = row->pushed,
        .deducted_total = row->deducted,
    };
}

static bool grow_products(struct core *core)
{
    if (core->product_count < core->product_capacity)
        return true;
    uint32_t capacity = core->product_capacity ? core->product_capacity * 2 : 16;
    struct product *products = reallocarray(core->products, capacity, sizeof(*products));
    if (!products)
        return false;
    core->products = products;
    core->product_capacity = capacity;
    return true;
}

uint32_t product_get(struct core *core, struct core_text id)
{
    struct hash128 hash = hash_bytes(&core->hash_key, id.data, id.length);
    const uint64_t *index = map_get(&core->products_by_hash, hash);
    if (index)
        return (uint32_t)*index;

    uint32_t place = core->free_product;
    if (place == NO_PRODUCT && !grow_products(core))
        return NO_PRODUCT;
    char *copy = malloc(id.length + 1);
    if (!copy)
        return NO_PRODUCT;
    bool reused = place != NO_PRODUCT;
    place = reused ? place : core->product_count;
    if (map_put(&core->products_by_hash, hash, place) < 0) {
        free(copy);
        return NO_PRODUCT;
    }
    if (reused)
        core->free_product = core->products[place].balances;
    else
        core->product_count++;
    memcpy(copy, id.data, id.length);
    copy[id.length] = '\0';
    core->products[place] = (struct product){
        .id = copy, .length = id.length, .hash = hash, .row = {.units_per_credit = 1}};
    return place;
}

void product_release(struct core *core, uint32_t index)
{
    core->products[index].balances--;
    product_tidy(core, index);
}

void product_tidy(struct core *core, uint32_t index)
{
    struct product *product = &core->products[index];

    if (product->balances > 0 || product->known || product->fetching || product->thresholds)
        return;
    map_remove(&core->products_by_hash, product->hash);
    free(product->id);
    *product = (struct product){.balances = core->free_product};
    core->free_product = index;
}

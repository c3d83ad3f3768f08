/*
 * Balances that are known, or said, to have changed upstream: they are read ahead of their time.
 * They wait among the refreshes: nobody waits for them, and there may be as many as there are.
 *
 * A webhook names a customer, and its balances are found by that name. What an operator asks for
 * may be all there are: they are gone through a few thousand at a time, so that nobody else waits.
 */
#include "state.h"

#include <string.h>

#define SWEEP_STEP 4096u /* slots */

static size_t outdate(struct core *core, struct balance *balance, int64_t now)
{
    if (balance->knowledge != KNOWN)
        return 0;
    balance->outdated = true;
    balance->outdated_meanwhile = balance->exchange != 0;
    plan(core, balance, now);
    return 1;
}

/* --- all of them --- */

void refresh_tick(struct core *core, int64_t now)
{
    struct sweep *sweep = &core->sweep;

    for (unsigned i = 0; i < SWEEP_STEP && sweep->next < sweep->end; i++) {
        struct balance *balance = balance_at(core, sweep->next++);
        if (balance && (sweep->product == NO_PRODUCT || sweep->product == balance->product))
            (void)outdate(core, balance, now);
    }
}

int64_t refresh_wakeup(const struct core *core)
{
    return core->sweep.next < core->sweep.end ? 0 : INT64_MAX;
}

/* One that is under way begins anew, for both. */
static void sweep_begin(struct core *core, uint32_t product, int64_t now)
{
    struct sweep *sweep = &core->sweep;
    bool wider = sweep->next < sweep->end && sweep->product != product;

    *sweep = (struct sweep){.end = core->slots, .product = wider ? NO_PRODUCT : product};
    refresh_tick(core, now);
}

static size_t refresh_product(struct core *core, struct core_text product, int64_t now)
{
    struct hash128 hash = hash_bytes(&core->hash_key, product.data, product.length);
    const uint64_t *index = map_get(&core->products_by_hash, hash);

    if (!index)
        return 0;
    sweep_begin(core, (uint32_t)*index, now);
    return core->products[*index].balances;
}

/* --- from outside --- */

size_t core_refresh(struct core *core, struct core_text customer, struct core_text product,
                    int64_t now)
{
    size_t count = 0;

    if (customer.length > 0 && product.length > 0) {
        struct balance *balance = balance_find(core, core_balance_hash(core, customer, product));
        return balance ? outdate(core, balance, now) : 0;
    }
    if (product.length > 0)
        return refresh_product(core, product, now);
    if (customer.length == 0) {
        sweep_begin(core, NO_PRODUCT, now);
        return (size_t)core->resident;
    }
    for (struct balance *balance = balance_of_customer(core, customer); balance;
         balance = balance->customer_next)
        count += outdate(core, balance, now);
    return count;
}

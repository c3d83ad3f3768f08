/*
 * Balances that are known, or said, to have changed upstream: they are read ahead of their time.
 * They wait among the refreshes: nobody waits for them, and there may be as many as there are.
 */
#include "state.h"

#include <string.h>

static bool is_meant(struct core_text wanted, const char *name, size_t length)
{
    return wanted.length == 0 ||
           (wanted.length == length && memcmp(wanted.data, name, length) == 0);
}

size_t core_refresh(struct core *core, struct core_text customer, struct core_text product,
                    int64_t now)
{
    size_t count = 0;

    for (uint32_t slot = 0; slot < core->slots; slot++) {
        struct balance *balance = balance_at(core, slot);
        if (!balance || balance->knowledge != KNOWN ||
            !is_meant(customer, balance->names, balance->customer_length) ||
            !is_meant(product, balance->names + balance->customer_length, balance->product_length))
            continue;
        balance->outdated = true;
        plan(core, balance, now);
        count++;
    }
    return count;
}

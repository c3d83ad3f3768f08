/*
 * Quotas of upstream turns (P6): cold and fresh readings cost requests that the whole account
 * shares, so each uid and each customer may cause only so many a minute. A uid pays for what it
 * asks on its own account; what it asks with a session its customer alone pays for. A
 * customer's usage is found by a keyed hash; entries stay small and are few (uids and customers
 * that asked for something cold), and a full bucket is as good as none.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000

int usage_get(struct core *core, struct hash128 whose, struct usage **ret_usage)
{
    const uint64_t *index = map_get(&core->usage_index, whose);
    if (index) {
        *ret_usage = &core->usages[*index];
        return 0;
    }
    if (core->usage_count == core->usage_capacity) {
        uint32_t capacity = core->usage_capacity ? core->usage_capacity * 2 : 64;
        struct usage *usages = reallocarray(core->usages, capacity, sizeof(*usages));
        if (!usages)
            return -ENOMEM;
        core->usages = usages;
        core->usage_capacity = capacity;
    }
    if (map_put(&core->usage_index, whose, core->usage_count) < 0)
        return -ENOMEM;
    *ret_usage = &core->usages[core->usage_count++];
    **ret_usage = (struct usage){.turns_at = INT64_MIN};
    return 0;
}

/* Uids are given out by the administrator: nobody can choose them to collide. */
struct hash128 usage_of_uid(uint32_t uid)
{
    return hash_number(uid);
}

static void refill(struct usage *usage, int64_t a_minute, int64_t now)
{
    if (usage->turns_at == INT64_MIN || now - usage->turns_at >= MINUTE_MS) {
        usage->turns = a_minute;
        usage->turns_at = now;
        return;
    }
    int64_t more = (now - usage->turns_at) * a_minute / MINUTE_MS;
    if (more <= 0)
        return;
    usage->turns = usage->turns + more < a_minute ? usage->turns + more : a_minute;
    usage->turns_at += more * MINUTE_MS / a_minute;
}

void core_charge_uid(struct core *core, bool charges)
{
    core->uid_is_free = !charges;
}

/* CORE_OK: one is there. */
static int look(struct core *core, struct hash128 whose, int64_t a_minute, int64_t now)
{
    struct usage *usage;
    int r = usage_get(core, whose, &usage);

    if (r < 0)
        return r;
    refill(usage, a_minute, now);
    return a_minute >= 0 && usage->turns <= 0 ? CORE_QUOTA_TURNS : CORE_OK;
}

static int pay(struct core *core, struct hash128 whose)
{
    struct usage *usage;
    int r = usage_get(core, whose, &usage);

    if (r == 0)
        usage->turns--;
    return r;
}

int turns_take(struct core *core, uint32_t uid, struct core_text customer, int64_t now)
{
    struct hash128 customer_hash =
        hash_pair(&core->hash_key, "customer", 8, customer.data, customer.length);
    int r = CORE_OK;

    if (!core->uid_is_free)
        r = look(core, usage_of_uid(uid), core->policy.turns_per_user, now);
    if (r == CORE_OK)
        r = look(core, customer_hash, core->policy.turns_per_customer, now);
    if (r == CORE_OK)
        r = pay(core, customer_hash);
    if (r == CORE_OK && !core->uid_is_free)
        r = pay(core, usage_of_uid(uid));
    return r;
}

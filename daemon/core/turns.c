/*
 * Quotas of upstream turns (P6): cold and fresh readings cost requests that the whole account
 * shares, so each uid and each customer may cause only so many a minute. A usage is found by a
 * keyed hash; entries stay small and are few (uids and customers that asked for something cold),
 * and a full bucket is as good as none.
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

struct hash128 usage_of_uid(const struct core *core, uint32_t uid)
{
    return hash_pair(&core->hash_key, "uid", 3, &uid, sizeof(uid));
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

int turns_take(struct core *core, uint32_t uid, struct core_text customer, int64_t now)
{
    struct hash128 customer_hash =
        hash_pair(&core->hash_key, "customer", 8, customer.data, customer.length);
    int64_t by_user = core->policy.turns_per_user, by_customer = core->policy.turns_per_customer;
    struct usage *usage;

    /* The second usage_get may move the first one: look each up when it is needed. */
    int r = usage_get(core, usage_of_uid(core, uid), &usage);
    if (r < 0)
        return r;
    refill(usage, by_user, now);
    if (by_user >= 0 && usage->turns <= 0)
        return CORE_QUOTA_TURNS;
    r = usage_get(core, customer_hash, &usage);
    if (r < 0)
        return r;
    refill(usage, by_customer, now);
    if (by_customer >= 0 && usage->turns <= 0)
        return CORE_QUOTA_TURNS;

    usage->turns--;
    r = usage_get(core, usage_of_uid(core, uid), &usage);
    if (r == 0)
        usage->turns--;
    return r;
}

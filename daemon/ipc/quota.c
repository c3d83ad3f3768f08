/*
 * Accounts in a map by uid. Counting is a few additions; an account is looked up once for each
 * charge, when it begins.
 */
#include <assert.h>
#include <errno.h>
#include <ipc/quota.h>
#include <stdlib.h>
#include <string.h>
#include <util/map.h>

struct ipc_account {
    uid_t uid;
    unsigned charges;
    uint64_t used[IPC_RESOURCE_COUNT_];
};

struct ipc_quota {
    struct ipc_quota_limits limits;
    struct map accounts; /* struct ipc_account * by uid */
    uint64_t used[IPC_RESOURCE_COUNT_];
};

/* Uids are given out by the administrator: spread over the table, but no secret is needed. */
static struct hash128 account_key(uid_t uid)
{
    uint64_t z = (uint64_t)uid * UINT64_C(0x9e3779b97f4a7c15);

    return (struct hash128){z ^ z >> 32, uid};
}

static struct ipc_account *account_find(const struct ipc_quota *quota, uid_t uid)
{
    const uint64_t *value = map_get(&quota->accounts, account_key(uid));

    return value == NULL ? NULL : (struct ipc_account *)(uintptr_t)*value;
}

static int account_ref(struct ipc_quota *quota, uid_t uid, struct ipc_account **ret_account)
{
    struct ipc_account *account = account_find(quota, uid);

    if (account == NULL) {
        account = calloc(1, sizeof(*account));
        if (account == NULL)
            return -ENOMEM;
        account->uid = uid;
        if (map_put(&quota->accounts, account_key(uid), (uintptr_t)account) < 0) {
            free(account);
            return -ENOMEM;
        }
    }
    account->charges++;
    *ret_account = account;
    return 0;
}

static void account_unref(struct ipc_quota *quota, struct ipc_account *account)
{
    if (--account->charges > 0)
        return;
    map_remove(&quota->accounts, account_key(account->uid));
    free(account);
}

int ipc_quota_new(const struct ipc_quota_limits *limits, struct ipc_quota **ret_quota)
{
    struct ipc_quota *quota = calloc(1, sizeof(*quota));

    if (quota == NULL)
        return -ENOMEM;
    quota->limits = *limits;
    map_init(&quota->accounts);
    *ret_quota = quota;
    return 0;
}

struct ipc_quota *ipc_quota_free(struct ipc_quota *quota)
{
    if (quota == NULL)
        return NULL;
    assert(quota->accounts.count == 0);
    map_deinit(&quota->accounts);
    free(quota);
    return NULL;
}

void ipc_quota_set_limits(struct ipc_quota *quota, const struct ipc_quota_limits *limits)
{
    quota->limits = *limits;
}

uint64_t ipc_quota_used(const struct ipc_quota *quota, uid_t uid, enum ipc_resource resource)
{
    const struct ipc_account *account = account_find(quota, uid);

    return account == NULL ? 0 : account->used[resource];
}

uint64_t ipc_quota_used_total(const struct ipc_quota *quota, enum ipc_resource resource)
{
    return quota->used[resource];
}

int ipc_charge_init(struct ipc_charge *charge, struct ipc_quota *quota, uid_t uid)
{
    struct ipc_account *account;
    int r = account_ref(quota, uid, &account);

    if (r < 0)
        return r;
    *charge = (struct ipc_charge){.quota = quota, .account = account};
    return 0;
}

void ipc_charge_deinit(struct ipc_charge *charge)
{
    if (charge->account == NULL)
        return;
    for (int i = 0; i < IPC_RESOURCE_COUNT_; i++)
        ipc_charge_sub(charge, (enum ipc_resource)i, charge->used[i]);
    account_unref(charge->quota, charge->account);
    memset(charge, 0, sizeof(*charge));
}

void ipc_charge_move(struct ipc_charge *from, struct ipc_charge *to)
{
    *to = *from;
    memset(from, 0, sizeof(*from));
}

/* What is used may be beyond a limit that has been lowered since. */
static int within(uint64_t limit, uint64_t used, uint64_t amount)
{
    return limit == 0 || (used <= limit && amount <= limit - used);
}

int ipc_charge_add(struct ipc_charge *charge, enum ipc_resource resource, uint64_t amount)
{
    struct ipc_quota *quota = charge->quota;
    struct ipc_account *account = charge->account;

    if (account == NULL || amount == 0)
        return 0;
    if (!within(quota->limits.user[resource], account->used[resource], amount) ||
        !within(quota->limits.total[resource], quota->used[resource], amount))
        return -EDQUOT;
    charge->used[resource] += amount;
    account->used[resource] += amount;
    quota->used[resource] += amount;
    return 0;
}

void ipc_charge_sub(struct ipc_charge *charge, enum ipc_resource resource, uint64_t amount)
{
    if (charge->account == NULL)
        return;
    assert(amount <= charge->used[resource]);
    charge->used[resource] -= amount;
    charge->account->used[resource] -= amount;
    charge->quota->used[resource] -= amount;
}

int ipc_charge_set(struct ipc_charge *charge, enum ipc_resource resource, uint64_t amount)
{
    uint64_t used = charge->used[resource];

    if (amount > used)
        return ipc_charge_add(charge, resource, amount - used);
    ipc_charge_sub(charge, resource, used - amount);
    return 0;
}

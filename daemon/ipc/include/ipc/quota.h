/*
 * What each uid uses, and how much of it it may: connections, bytes, requests in flight.
 *
 * A *charge* belongs to one thing (a connection) and knows all that has been charged for it, so
 * that ending the thing undoes everything, whatever it was doing. Charges hold their user's
 * account; an account without charges goes.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

enum ipc_resource {
    IPC_RESOURCE_CONNECTIONS,
    IPC_RESOURCE_BYTES,
    IPC_RESOURCE_IN_FLIGHT,
    IPC_RESOURCE_COUNT_,
};

/* Zero: no limit. */
struct ipc_quota_limits {
    uint64_t user[IPC_RESOURCE_COUNT_];  /* of each uid */
    uint64_t total[IPC_RESOURCE_COUNT_]; /* of all together */
};

struct ipc_quota;

int ipc_quota_new(const struct ipc_quota_limits *limits, struct ipc_quota **ret_quota);
/* All charges must have been undone. Returns NULL. */
struct ipc_quota *ipc_quota_free(struct ipc_quota *quota);
/* New limits; what is used beyond them stays. */
void ipc_quota_set_limits(struct ipc_quota *quota, const struct ipc_quota_limits *limits);
uint64_t ipc_quota_used(const struct ipc_quota *quota, uid_t uid, enum ipc_resource resource);
uint64_t ipc_quota_used_total(const struct ipc_quota *quota, enum ipc_resource resource);

struct ipc_account;

/* Zeroed memory is a charge that holds nothing. */
struct ipc_charge {
    struct ipc_quota *quota;
    struct ipc_account *account;
    uint64_t used[IPC_RESOURCE_COUNT_];
};

/* 0 or -ENOMEM. */
int ipc_charge_init(struct ipc_charge *charge, struct ipc_quota *quota, uid_t uid);
/* Undoes all that was charged. */
void ipc_charge_deinit(struct ipc_charge *charge);
/* Leaves `from` holding nothing. */
void ipc_charge_move(struct ipc_charge *from, struct ipc_charge *to);
/* 0, or -EDQUOT, and then nothing is charged. */
int ipc_charge_add(struct ipc_charge *charge, enum ipc_resource resource, uint64_t amount);
/* At most what was added. */
void ipc_charge_sub(struct ipc_charge *charge, enum ipc_resource resource, uint64_t amount);
/* Makes it `amount`, whatever it was: for what is measured rather than counted. -EDQUOT where it
 * would grow past a limit; it then stays as it was. */
int ipc_charge_set(struct ipc_charge *charge, enum ipc_resource resource, uint64_t amount);

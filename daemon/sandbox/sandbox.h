/*
 * The whole sandbox: the model, what was ordered to go wrong, and the counts, under one lock.
 * Requests run on threads of their own; each holds the lock but gives it up wherever it waits, so
 * that no request waits for another's fault.
 */
#pragma once

#include "faults.h"
#include "keys.h"
#include "model.h"
#include "pause.h"
#include "plan.h"
#include "rate.h"
#include "request.h"
#include "router.h"
#include <pthread.h>

#define ENDPOINTS_MAX 40 /* rows of the table, with room */

struct counts {
    uint64_t total, dropped;
    uint64_t by_kind[KIND_COUNT];
    uint64_t by_endpoint[ENDPOINTS_MAX]; /* in the order of the table */
    uint64_t by_status[600];
    unsigned writes; /* deducts, refunds and grants that are being carried out now */
    unsigned max_writes, max_writes_of_balance;
};

struct sandbox {
    pthread_mutex_t lock; /* of all that follows, but not of `pauses` */
    struct model model;
    struct faults faults;
    struct prng prng;
    struct keys keys;
    struct rate rate;
    struct counts counts;
    const char *api_key; /* NULL: any that begins with sk_test_ */
    struct pauses pauses;
};

void sandbox_init(struct sandbox *sandbox, uint64_t random_seed);
void sandbox_deinit(struct sandbox *sandbox);
/* Gives the lock up for that long. */
void sandbox_sleep(struct sandbox *sandbox, int64_t ms);
/* One request from its arrival to its answer, or to reply->dropped. Takes the lock itself. */
void sandbox_serve(struct sandbox *sandbox, const struct request *request, struct reply *reply);

/* A write of credits that is under way, for the counts; `balance` may be NULL. */
void counts_write_begin(struct counts *counts, struct balance *balance);
void counts_write_end(struct counts *counts, struct balance *balance);
/* Starts anew; what is under way stays counted. */
void counts_reset(struct counts *counts);
json_t *counts_to_json(const struct counts *counts);

/* Endpoints, rows of the table in endpoints.c. 0, or -ENOMEM. */
extern const struct route endpoint_table[];
extern const size_t endpoint_table_length;
int endpoint_customers_create(struct call *call);
int endpoint_customers_list(struct call *call);
int endpoint_customer_get(struct call *call);
int endpoint_customer_update(struct call *call);
int endpoint_product_get(struct call *call);
int endpoint_balance_get(struct call *call);
int endpoint_transaction_create(struct call *call);
int endpoint_transactions_list(struct call *call);
int endpoint_subscriptions_create(struct call *call);
int endpoint_subscriptions_list(struct call *call);
int endpoint_subscription_get(struct call *call);
int endpoint_subscription_update(struct call *call);
int endpoint_subscription_cancel(struct call *call);
int endpoint_subscription_pause(struct call *call);
int endpoint_subscription_resume(struct call *call);
int endpoint_payment_get(struct call *call);
int endpoint_refunds_create(struct call *call);
int endpoint_access_get(struct call *call);
int control_faults_get(struct call *call);
int control_faults_order(struct call *call);
int control_grant(struct call *call);
int control_subscription(struct call *call);
int control_payment(struct call *call);
int control_dump(struct call *call);
int control_reset_counters(struct call *call);

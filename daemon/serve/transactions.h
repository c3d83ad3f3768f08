/*
 * Walks of the history under way, for credits.transactions and for the deduction that is to be
 * given back: first the newest record that the answer reveals must be durable, then a worker thread
 * walks.
 */
#pragma once

#include "history.h"
#include "list.h"
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct serve;
struct connection;
struct request;

struct transactions {
    struct serve *serve;
    struct list waiting; /* struct history_job, of_wait */
    size_t count;        /* jobs, waiting and running */
    uint64_t searches;   /* so far */
};

/* How the search of a deduction ended: kept with the parked request that asked for it. */
struct found {
    struct hash128 balance; /* whose history it was */
    int result;             /* of history_find */
    struct history_deduction deduction;
};

void transactions_init(struct transactions *transactions, struct serve *serve);
/* The watermark has moved: begins what it covers. */
void transactions_pass(struct transactions *transactions, uint64_t durable);
/* The connection ends: its jobs are answered to nobody. */
void transactions_forget(struct connection *connection);
/* Begins the search of a deduction in that balance's history; the request is to wait (REQUEST_WAIT)
 * and has parked->found then. 0 or -errno. */
int transactions_search(struct request *request, const struct core_balance *balance,
                        const struct core_transaction *of);
/* source = upstream: what request_function answers. */
int transactions_upstream(struct request *request, int64_t limit, int64_t offset);

/*
 * Walks of the history under way, for credits.transactions and for the deduction that is to be
 * given back: first the newest record that the answer reveals must be durable, then a worker thread
 * walks.
 *
 * A walk may pass many records, and libuv has four threads for everything, so walks have at most
 * two of them: balances are brought in by the others, however many histories are asked for. What
 * is asked for beyond that waits here, charged to who asked: each connection has its own queue, of
 * which a few jobs at a time are among those that come next, and connections take turns.
 */
#pragma once

#include "history.h"
#include "list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct serve;
struct connection;
struct request;

struct transactions {
    struct serve *serve;
    struct list askers;   /* struct asked, of_askers: more of their jobs may be admitted */
    struct list admitted; /* struct history_job, of_queue: they begin in this order */
    struct list running;  /* … of_queue */
    size_t admitted_count, running_count; /* the former includes the latter */
    size_t count;                         /* all jobs */
    uint64_t searches;                    /* so far */
    bool stopping;
};

/* How the search of a deduction ended: kept with the parked request that asked for it. */
struct found {
    struct hash128 balance; /* whose history it was */
    int result;             /* of history_find */
    struct history_deduction deduction;
};

/* A connection's part. */
struct asked {
    struct list waiting, admitted; /* struct history_job, of_connection */
    struct list of_askers;
    size_t admitted_count;
};

void transactions_init(struct transactions *transactions, struct serve *serve);
void asked_init(struct asked *asked);
/* The watermark has moved: begins what it covers. */
void transactions_advance(struct transactions *transactions);
/* The connection ends: its jobs end too, and are answered to nobody. */
void transactions_forget(struct connection *connection);
/* Ends all jobs, with a refusal. */
void transactions_stop(struct transactions *transactions);
/* Begins the search of a deduction in that balance's history; the request is to wait (REQUEST_WAIT)
 * and has parked->found then. 0 or -errno. */
int transactions_search(struct request *request, const struct core_balance *balance,
                        const struct core_transaction *of);
/* source = upstream: what request_function answers. */
int transactions_upstream(struct request *request, int64_t limit, int64_t offset);

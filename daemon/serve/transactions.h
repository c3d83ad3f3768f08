/*
 * credits.transactions under way: first the newest record that the answer reveals must be durable,
 * then a worker thread walks the history.
 */
#pragma once

#include "history.h"
#include "list.h"
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct serve;
struct connection;

struct transactions {
    struct serve *serve;
    struct list waiting; /* struct history_job, of_wait */
    size_t count;        /* jobs, waiting and running */
};

void transactions_init(struct transactions *transactions, struct serve *serve);
/* The watermark has moved: begins what it covers. */
void transactions_pass(struct transactions *transactions, uint64_t durable);
/* The connection ends: its jobs are answered to nobody. */
void transactions_forget(struct connection *connection);

/*
 * Requests that wait: for a balance to be brought in from the store, or for StellarTools to be
 * asked. One of each however many ask for it. A request keeps a copy of its bytes, charged to its
 * user, until it is tried again: when what it waits for is there, or for the last time at its
 * deadline ([credits] cold_timeout).
 */
#pragma once

#include "list.h"
#include "request.h"
#include <util/map.h>
#include <uv.h>

struct parked {
    struct list of_target, of_deadline, of_connection;
    struct connection *connection;
    int64_t since, deadline;
    bool expired;
    bool fresh; /* a reading was asked for, when there had been this many */
    uint64_t readings;
    size_t charged;
    size_t length;
    uint8_t frame[];
};

struct waiting {
    struct serve *serve;
    struct map targets; /* → struct target * */
    struct list ready;  /* parked requests that are to be tried again */
    struct list deadlines;
    uv_timer_t timer;
    size_t loads; /* under way on worker threads */
};

int waiting_init(struct waiting *waiting, struct serve *serve);
/* Closes the handle; the memory goes with waiting_deinit, once the loop has ended. */
void waiting_close(struct waiting *waiting);
void waiting_deinit(struct waiting *waiting);

/* Parks the request until its balance is brought in (LOAD) or read (COLD). 0, or -errno: nothing
 * was parked, -EDQUOT where its user has too much waiting. */
int waiting_park_load(struct waiting *waiting, struct request *request);
int waiting_park_slot(struct waiting *waiting, struct request *request);
/* In place of a slot: the next progress of the ledger. */
#define WAITING_ROOM UINT32_MAX
/* A reading of that slot has ended. May be called from within the engine: nothing is tried here. */
void waiting_slot_ready(struct waiting *waiting, uint32_t slot);
/* Tries again what is ready. */
void waiting_run(struct waiting *waiting);
/* Everything that waits is tried for the last time now. */
void waiting_expire_all(struct waiting *waiting);
void parked_free(struct parked *parked);

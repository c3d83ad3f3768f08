/*
 * Requests that wait: for a balance to be brought in from the store, for StellarTools to be asked,
 * or for anything else that is known by a key. One of each however many ask for it. A request keeps
 * a copy of its bytes, charged to its user, until it is tried again: when what it waits for is
 * there, or for the last time at its deadline ([credits] cold_timeout).
 */
#pragma once

#include "history.h"
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
    struct verdict *verdict;      /* on its session, which this copy does not have; NULL: not yet */
    struct errand_answer *answer; /* to what it waited for in that stage */
    unsigned stage;
    uint64_t intent;      /* that was begun for it; 0: none */
    struct hash128 waits; /* for this */
    struct found *found;  /* the deduction that was looked for; NULL: not yet */
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
/* The same for whatever `key` stands for: until waiting_wake. */
int waiting_park(struct waiting *waiting, struct request *request, struct hash128 key);
/* May be called from within the engine, as waiting_slot_ready. */
void waiting_wake(struct waiting *waiting, struct hash128 key);
/* Who waits for that key: the first of the list's links is parked.of_target; NULL: nobody. */
struct list *waiting_find(struct waiting *waiting, struct hash128 key);
/* A reading of that slot has ended. May be called from within the engine: nothing is tried here. */
void waiting_slot_ready(struct waiting *waiting, uint32_t slot);
/* Tries again what is ready. */
void waiting_run(struct waiting *waiting);
/* Everything that waits is tried for the last time now. */
void waiting_expire_all(struct waiting *waiting);
void parked_free(struct parked *parked);

/* Keys that stand for things of serve's own kinds, apart from each other and from hashes. */
struct hash128 waiting_intent_key(uint64_t sequence);
struct hash128 waiting_errand_key(uint64_t errand);
struct hash128 waiting_search_key(uint64_t search);
struct hash128 waiting_webhook_key(uint64_t check);
/* Of who waits for a creditd-sync to be there. */
struct hash128 waiting_helper_key(void);

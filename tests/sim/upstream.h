/*
 * A model of StellarTools after what was measured of it: balances with their counters, transactions
 * with the push id in their metadata, idempotency by key with its traps, a limit of requests for
 * the whole account. It does what it is told by `struct upstream_order`; which faults there are
 * is drawn by the caller.
 */
#pragma once

#include "scenario.h"
#include <core/exchange.h>

struct upstream_balance {
    bool exists, revoked;
    int64_t balance, consumed, granted;
    int64_t executed; /* credits of rows of ours that deducted, ever */
    int64_t given;    /* … that refunded or granted */
};

struct upstream_row {
    uint64_t id;
    int pair;
    char push_id[EXCHANGE_PUSH_ID_SIZE]; /* empty: from elsewhere */
    int type;
    int64_t credits, created_at;
};

enum upstream_key_state { KEY_LOCKED, KEY_ANSWERED };

struct upstream_key {
    char key[EXCHANGE_KEY_SIZE];
    enum upstream_key_state state;
    struct exchange_answer answer;
};

struct upstream {
    const struct scenario *scenario;
    struct upstream_balance balances[SIM_PAIRS];
    int64_t units[SIM_COLUMNS];      /* what it says */
    int64_t real_units[SIM_COLUMNS]; /* what it charges by */
    struct upstream_row *rows;       /* oldest first */
    size_t row_count, row_capacity;
    struct upstream_key *keys;
    size_t key_count, key_capacity;
    uint64_t next_id;
    int64_t window; /* of the limit: minute of its clock */
    int64_t used;
    uint64_t refused_429; /* in all, of ours */
};

struct upstream_deduct {
    int pair;
    const char *push_id, *key;
    int kind; /* of the push: EXCHANGE_DEDUCT, … */
    int64_t amount;
    bool keep_locked, balance_alone, row_alone;
    int64_t overwritten; /* credits deducted elsewhere between reading and writing the balance */
};

void upstream_init(struct upstream *upstream, const struct scenario *scenario, struct prng *prng);
void upstream_deinit(struct upstream *upstream);
int64_t upstream_clock(const struct upstream *upstream, int64_t now);
/* Counts a request; false: 429. Fills in the rate. */
bool upstream_admit(struct upstream *upstream, int64_t now, struct exchange_answer *ret_answer);
/* *ret_taken: credits of ours that got a row with this call. */
void upstream_deduct(struct upstream *upstream, const struct upstream_deduct *order, int64_t now,
                     struct exchange_answer *ret_answer, int64_t *ret_taken);
void upstream_read_balance(const struct upstream *upstream, int pair,
                           struct exchange_answer *ret_answer);
void upstream_read_product(const struct upstream *upstream, int column,
                           struct exchange_answer *ret_answer);
/* The rows of *ret_answer are allocated, and to be freed. */
void upstream_read_history(const struct upstream *upstream, int pair, int64_t limit, int64_t offset,
                           struct exchange_answer *ret_answer);
/* Somebody else's: deducts (negative) or grants. */
void upstream_change(struct upstream *upstream, int pair, int64_t credits, int64_t now);
bool upstream_knows_customer(const struct upstream *upstream, int row);
bool upstream_knows_product(const struct upstream *upstream, int column);

/*
 * What will happen to one request, drawn before anything is done: whether it is executed, and how
 * it ends. Drawing everything at one place and in the table's order makes a run with one seed and
 * one order of requests repeatable.
 */
#pragma once

#include "faults.h"
#include <stdbool.h>
#include <stdint.h>

/* What a request is, for `only` and for the counts. In the order of the choices of `only`, after
 * "all". */
enum kind {
    KIND_OTHER,
    KIND_DEDUCT,
    KIND_REFUND,
    KIND_GRANT,
    KIND_BALANCE,
    KIND_HISTORY,
    KIND_PRODUCT,
    KIND_CUSTOMER,
    KIND_SUBSCRIPTION,
    KIND_PAYMENT,
    KIND_REFUND_PAYMENT,
    KIND_ACCESS,
    KIND_TRANSACTION, /* of a route only: the body says which of the three it is */
    KIND_COUNT,
};

enum ending {
    ENDING_ANSWER,
    ENDING_ERROR,   /* 500 */
    ENDING_DROP,    /* the connection is dropped */
    ENDING_HANG,    /* nothing, until the client gives up */
    ENDING_HTML,    /* a proxy's 502 */
    ENDING_EMPTY,   /* 200 with nothing */
    ENDING_GARBAGE, /* 200 with half of the answer */
};

struct plan {
    bool commit;
    bool keep_lock; /* the idempotency key is never given free */
    bool skip_row;
    bool skip_balance;
    enum ending ending;
    int64_t latency_ms;
    int64_t slow_ms; /* between reading and writing the balance */
    int64_t late_ms; /* > 0: dropped now, executed later */
};

/* splitmix64: one word of state, every seed is good. */
struct prng {
    uint64_t state;
};

uint64_t prng_next(struct prng *prng);
/* From 0 to just below 1. */
double prng_unit(struct prng *prng);

const char *kind_name(enum kind kind);
/* What of a request decides which faults may strike it. */
struct target {
    enum kind kind;
    const char *method;
    bool has_key; /* it brought an idempotency key that counts */
};

/* Marks in `faults` what struck. */
void plan_draw(struct plan *plan, struct faults *faults, struct prng *prng,
               const struct target *target);

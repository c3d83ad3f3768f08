/*
 * A balance's history: a walk back along the links that each record has to its balance's previous
 * one (ledger.md J1). The journal's segments are the history; where they are gone, the walk ends in
 * a gap.
 *
 * Reads records through a function, so that it runs on a worker thread over the store, and in tests
 * over anything.
 */
#pragma once

#include <core/engine.h>
#include <core/record.h>
#include <msgpack.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HISTORY_LIMIT_DEFAULT 50
#define HISTORY_LIMIT_MAX 100
#define HISTORY_OFFSET_MAX 10000
/* Records of any type that one walk passes: a busy balance has a few pushes and readings for each
 * deduction. What lies beyond is told as a gap. */
#define HISTORY_STEPS_MAX 131072u
/* The same for the search of one deduction. */
#define HISTORY_SEARCH_MAX 1048576u
/* Refunds and grants of one balance that are told as pending; what is beyond is told as pushed. */
#define HISTORY_OPEN_MAX 256u

/* As store_read_record. */
typedef int (*history_read_function)(void *userdata, uint64_t place, uint8_t *buffer,
                                     struct record *ret_record);

struct history_query {
    uint64_t place; /* where to begin: the balance's last record; 0: there is none */
    int64_t limit, offset;
    int64_t pushed; /* P: deductions up to it are upstream */
    struct core_text customer, product;
    const atomic_bool *cancelled; /* set by another thread: nobody wants it any more; may be NULL */
    /* Sequences of refunds and grants that StellarTools has not confirmed yet. */
    const uint64_t *open;
    size_t open_count;
};

/* Packs the result map {object, data, has_more[, gap]} of credits.transactions. `buffer` has
 * RECORD_SIZE_MAX bytes, 8-aligned. 0, or -errno of the reader (but -ENOENT, which is the gap), or
 * -EBADMSG where a record is not what its link promised, or -ECANCELED. */
int history_pack(history_read_function read, void *userdata, const struct history_query *query,
                 uint8_t *buffer, msgpack_sbuffer *result);

/* A deduction that was looked for. */
struct history_deduction {
    struct core_transaction of;
    int64_t credits, raw_amount;
};

/* Looks for the deduction `of` from the query's place on. 0; -ESRCH: that balance has no
 * such deduction; -ENOENT: it may have been, but what is that old is gone; or as history_pack. */
int history_find(history_read_function read, void *userdata, const struct history_query *query,
                 const struct core_transaction *of, uint8_t *buffer,
                 struct history_deduction *ret_deduction);

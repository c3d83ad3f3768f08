/*
 * A model of journal and store: a vector of records, of which a prefix is durable and a shorter one
 * is in the store. Records are gathered into batches; a crash keeps any prefix of whole batches
 * that has at least what was durable (what lay in the page cache may have reached the disk,
 * ledger.md J4).
 */
#pragma once

#include "prng.h"
#include "rowset.h"
#include <core/sink.h>

struct ledger_record {
    uint8_t *bytes;
    size_t size;
    uint64_t place, batch;
    struct record record; /* points into bytes; filled in by ledger_settle */
};

struct ledger {
    struct ledger_record *records; /* the one of sequence s stands at s − 1 */
    size_t count, capacity;
    size_t settled;   /* records decoded and put into `latest` */
    uint64_t covered; /* an interrupted checkpoint has left rows up to here: what is replayed goes
                         further */
    uint64_t durable, stored;
    uint64_t batch, next_place;
    bool no_space;        /* appends are refused unless they may use the reserve */
    bool full;            /* those too */
    int64_t full_until;   /* when it last was */
    uint64_t refused;     /* how many have been */
    struct rowset latest; /* rows after all records */
    struct rowset rows;   /* the store */
};

void ledger_init(struct ledger *ledger);
void ledger_deinit(struct ledger *ledger);
struct core_sink ledger_sink(struct ledger *ledger);
/* Decodes what was appended since. NULL, or what is wrong with it. */
const char *ledger_settle(struct ledger *ledger, int64_t now, uint32_t epoch);
/* Ends the open batch. */
void ledger_flush(struct ledger *ledger);
/* Makes the next batch durable, or all that are closed. */
void ledger_sync(struct ledger *ledger, bool all);
/* Puts what is durable up to `sequence` into the store. */
void ledger_checkpoint(struct ledger *ledger, uint64_t sequence);
/* Keeps a prefix, which is durable from then on. */
void ledger_crash(struct ledger *ledger, struct prng *prng);
const struct ledger_record *ledger_at(const struct ledger *ledger, uint64_t sequence);

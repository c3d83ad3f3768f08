/*
 * What a store is made of, for the files that make its public functions.
 */
#pragma once

#include "checkpoint.h"
#include "journal.h"
#include "lending.h"
#include "recovery.h"
#include <stdatomic.h>

struct store {
    struct store_options options;
    struct files files;
    struct database *database;
    struct ledger_state state; /* as of the start; the checkpoint's own copy goes on */
    struct recovery recovery;
    struct hash_key hash_key;
    int64_t last_time;
    struct progress progress;
    struct lending lending;
    struct space space;
    struct journal journal;
    struct checkpoint checkpoint;
    bool has_files, has_parts;
    atomic_bool backup_cancelled;
};

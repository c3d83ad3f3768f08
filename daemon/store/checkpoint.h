/*
 * The checkpoint thread: reads durable records back from the journal and puts the last image of
 * each row into the store. It reads no memory of the owner (S2).
 */
#pragma once

#include <pthread.h>

#include "database.h"
#include "images.h"
#include "progress.h"
#include "space.h"
#include "walk.h"

struct checkpoint_options {
    int64_t interval_ms;
    uint64_t bytes;
    uint64_t segment_size;
};

struct checkpoint {
    const struct files *files;
    struct progress *progress;
    struct space *space;
    struct database *database;
    struct checkpoint_options options;
    struct ledger_state state; /* as it is in the store */
    struct walk walk; /* between the batches that are in the store and those that are not */
    struct images images;
    bool starved;    /* a transaction found no room */
    uint64_t wanted; /* bytes of room before it is tried again, and to be kept */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, asked, stop;
    bool lacking; /* looks for room each second, whoever asks */
};

/* `position` is before the first record that is not in the store. */
void checkpoint_init(struct checkpoint *checkpoint, const struct files *files,
                     struct progress *progress, struct space *space, struct database *database,
                     const struct checkpoint_options *options, const struct ledger_state *state,
                     const struct walk_position *position);
int checkpoint_start(struct checkpoint *checkpoint);
void checkpoint_ask(struct checkpoint *checkpoint);
/* More is durable: asks for a checkpoint where enough has gathered. */
void checkpoint_consider(struct checkpoint *checkpoint);
/* Ends the thread; with `last`, after one more checkpoint of all that is durable. */
void checkpoint_stop(struct checkpoint *checkpoint, bool last);
void checkpoint_deinit(struct checkpoint *checkpoint);

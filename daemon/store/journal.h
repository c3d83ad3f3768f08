/*
 * Appending: the open batch, which the owner fills, and the thread that writes and syncs batches.
 *
 * The owner's turn begins with its first append and ends with its flush; in between the open batch
 * is the owner's alone, so that an append takes no lock. Outside a turn the journal thread may take
 * the open batch by itself, which it does whenever it has finished the one before: while one syncs,
 * the next fills. If it is idle, the flush hands it over.
 */
#pragma once

#include <pthread.h>

#include "batch.h"
#include "progress.h"
#include "space.h"
#include "walk.h"

struct batch;

struct journal_options {
    enum store_durability durability;
    int64_t interval_ms;
    uint64_t segment_size;
    /* Called by the journal thread when that much is durable; must only wake. */
    void (*on_durable)(void *userdata);
    void *userdata;
};

struct journal {
    const struct files *files;
    struct progress *progress;
    struct space *space;
    struct journal_options options;

    /* The owner's, in a turn. */
    struct batch *open;
    uint64_t sequence;

    pthread_mutex_t lock; /* for what follows, and for `open` outside of turns */
    pthread_cond_t wake;
    pthread_t thread;
    bool started, filling, waiting, stop, abandon;
    struct batch *queue, **queue_end; /* closed, in order */
    struct batch *unused;
    size_t unused_count, queued_bytes;

    /* The journal thread's. */
    struct batch *writing;
    uint32_t crc; /* of the last batch written */
    int64_t time, synced_at;
    bool unsynced;
    int unsynced_fd;
};

/* Goes on where the journal ends. */
int journal_init(struct journal *journal, const struct files *files, struct progress *progress,
                 struct space *space, const struct journal_options *options,
                 const struct walk_position *tail);
int journal_start(struct journal *journal);
/* As store_append and store_flush. */
int journal_append(struct journal *journal, size_t size, bool use_reserve, uint8_t **ret_buffer,
                   uint64_t *ret_sequence, uint64_t *ret_place);
void journal_flush(struct journal *journal);
/* Ends the thread, after it has written and synced everything and marked the stop as clean; or, to
 * abandon, at once. */
void journal_stop(struct journal *journal, bool abandon);
void journal_deinit(struct journal *journal);

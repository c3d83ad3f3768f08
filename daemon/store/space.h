/*
 * Room for the journal: a thread that prepares the next segments ahead of need, keeps the reserve
 * (J6), and lets go of segments that are in the store, past the retention, and of which no cursor
 * needs anything more (J1), or which are more than the journal may have.
 */
#pragma once

#include <pthread.h>

#include "lending.h"
#include "progress.h"
#include "segment.h"

struct space_options {
    uint64_t segment_size;
    int64_t retention_ms;
    uint64_t retention_bytes;
};

struct space {
    const struct files *files;
    struct progress *progress;
    struct lending *lending; /* is told before a segment goes */
    struct space_options options;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool started, stop, asked;
    struct segment *ready; /* ascending, each the successor of the one before */
    size_t ready_count;
    /* Held while a segment goes: a lock of its own, since the owner waits for the other one. */
    pthread_mutex_t pin_lock;
    unsigned pins;              /* while there are any, no segment goes */
    atomic_uint_least64_t kept; /* a place: the segment that has it stays, and all after it */
    uint64_t next_number;       /* of the next segment to prepare */
    uint64_t oldest;            /* number of the oldest segment; the thread's own */
};

/* `tail` is the segment in use; the ones after it, up to `last`, are ready already. */
int space_init(struct space *space, const struct files *files, struct progress *progress,
               struct lending *lending, const struct space_options *options, uint64_t oldest,
               uint64_t tail, uint64_t last);
int space_start(struct space *space);
/* The next segment, or NULL where none is ready for that: without `use_reserve`, none while room is
 * short. The caller owns it. Does not block. */
struct segment *space_take(struct space *space, bool use_reserve);
/* Something has changed that may let go of segments, or make room. */
void space_kick(struct space *space);
/* Segments from the one of that place on stay; at first, all. */
void space_keep(struct space *space, uint64_t place);
/* While a pin is held no segment is let go of. Waits for the one that is just going. */
void space_pin(struct space *space);
void space_unpin(struct space *space);
void space_deinit(struct space *space);

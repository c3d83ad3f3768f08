/*
 * The watermarks that the threads publish and the owner looks at. Each is one atomic word; whoever
 * reads several may see one of them a little newer than another, never older than it was told.
 */
#pragma once

#include <stdatomic.h>
#include <store/store.h>

struct progress {
    atomic_uint_least64_t appended, written, durable, stored, stored_place;
    atomic_int_least64_t stored_time;
    /* Places: where the journal is written to, is durable to, and is in the store to. */
    atomic_uint_least64_t end, durable_end, stored_end;
    atomic_uint_least64_t oldest_place;    /* of the oldest segment that is not about to go */
    atomic_int journal_space, store_space; /* enum store_space; each by the thread it belongs to */
    atomic_int failure;
    void (*on_progress)(void *userdata);
    void *userdata;
};

/* Calls on_progress, if there is one. Hold no lock. */
void progress_notify(struct progress *progress);
/* The first failure stays: later ones follow from it. */
void progress_fail(struct progress *progress, int error);
/* `of` is one of the two above. */
void progress_set_space(struct progress *progress, atomic_int *of, enum store_space space);
/* The worse of the two. */
enum store_space progress_space(const struct progress *progress);
void progress_get(const struct progress *progress, struct store_watermarks *ret_watermarks);

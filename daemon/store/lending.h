/*
 * Segments that readers of single records have opened, kept open for the next one: whoever reads
 * thousands of records in a row opens each segment once. A segment is lent to one reader at a time;
 * a second reader of the same one opens its own. No lock is held while anybody reads.
 *
 * A segment is forgotten before it goes: from then on it is not there, whoever had it open, and no
 * descriptor here keeps its room from coming free.
 */
#pragma once

#include <pthread.h>

#include "segment.h"

#define LENDING_MAX 4u /* idle ones */

struct lending {
    const struct files *files;
    pthread_mutex_t lock;
    struct segment *idle; /* the last one that came back is the first */
    size_t idle_count;
    uint64_t oldest; /* segments before this one are gone, or about to */
};

void lending_init(struct lending *lending, const struct files *files, uint64_t oldest);
/* As segment_open; -ENOENT also for what was forgotten. The caller owns the segment: gives it back,
 * or frees it. */
int lending_take(struct lending *lending, uint64_t number, struct segment **ret_segment);
/* Takes over a segment that was read from without an error. */
void lending_give(struct lending *lending, struct segment *segment);
/* Segments before `oldest` are no longer lent. */
void lending_forget(struct lending *lending, uint64_t oldest);
void lending_deinit(struct lending *lending);

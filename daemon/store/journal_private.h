/*
 * Between the two halves of the journal: the owner's (journal.c) and the thread's (writer.c).
 */
#pragma once

#include "journal.h"

struct batch {
    struct batch *next;
    struct segment *segment; /* shared by its batches; freed by the thread after the seal */
    uint64_t offset;
    uint8_t *buffer; /* BATCH_CAPACITY, and a block for the seal */
    size_t used;     /* the header included */
    size_t last;     /* where the last record begins */
    uint64_t first_sequence;
    uint32_t count;
    bool seal;
};

/* With the lock: an unused batch, or a new one; NULL without memory. */
struct batch *journal_get_batch(struct journal *journal);
/* With the lock. */
void journal_put_batch(struct journal *journal, struct batch *batch);
/* With the lock: puts `next` in the open batch's place, right behind it. Returns the closed one. */
struct batch *journal_close_batch(struct journal *journal, struct batch *next);
/* The thread. */
void *writer_run(void *journal);

/*
 * Rule J3 of ledger.md in one place: an answer goes out only when every record that it reveals is
 * durable.
 *
 * Each connection has a queue of encoded answers, in one buffer that is used again and again.
 * Answers of one turn of the loop go into the journal's same batch, so they share one entry (a
 * segment) that waits for the last of their sequences: holding an answer costs a copy, and
 * releasing a batch one walk over the connections that wait, with one piece of bytes each. Waiting
 * for a later sequence than needed is always right; an earlier one never is.
 *
 * Pure: knows no stream and no store.
 */
#pragma once

#include "list.h"
#include <stddef.h>
#include <stdint.h>

#define REPLY_SEGMENTS 8u

struct reply_queue {
    struct list link; /* among those that wait, while something is held */
    uint8_t *data;
    size_t begin, end, capacity;
    struct {
        uint64_t sequence, turn;
        size_t end;
        uint32_t answers;
    } segments[REPLY_SEGMENTS]; /* a ring, oldest first */
    unsigned first, count;
};

struct reply_gate {
    struct list waiting; /* queues */
    uint64_t passed;     /* what waits for at most this may go out */
    uint64_t turn;
};

/* Gives a queue's released bytes, `answers` of them. They are valid until the queue is used again;
 * the function may hold further answers or end any queue. */
typedef void (*reply_release_function)(void *userdata, struct reply_queue *queue,
                                       const uint8_t *data, size_t length, uint32_t answers);

void reply_gate_init(struct reply_gate *gate, uint64_t passed);
/* What is held from now on belongs to the journal's next batch. */
void reply_gate_next_turn(struct reply_gate *gate);
/* The watermark has moved: releases what it covers. */
void reply_gate_pass(struct reply_gate *gate, uint64_t sequence, reply_release_function release,
                     void *userdata);
int reply_gate_is_empty(const struct reply_gate *gate);

void reply_queue_init(struct reply_queue *queue);
void reply_queue_deinit(struct reply_queue *queue);
/* Holds one answer that reveals records up to `sequence` (which has not passed yet). 0 or -ENOMEM:
 * nothing was held. */
int reply_queue_hold(struct reply_gate *gate, struct reply_queue *queue, uint64_t sequence,
                     const void *data, size_t length);
/* Bytes that wait. */
size_t reply_queue_size(const struct reply_queue *queue);

/*
 * How long events are kept: the store is told from which record on somebody still needs them, and
 * when segments are gone, so are the rows of the events that came about in them. Where the journal
 * has become as large as it may, they go although somebody needs them; that is logged, and counted.
 *
 * Both are looked at when a checkpoint has been made, since segments go only then. What it takes to
 * know is in the store, so a worker thread finds it: at most one, and not often.
 */
#pragma once

#include "claim.h"
#include <stdbool.h>
#include <stdint.h>

struct serve;
struct keeping_job;

struct event_keeping {
    struct serve *serve;
    struct keeping_job *job;
    struct claim claim;
    uint64_t stored, oldest_place; /* as of the last look */
    uint64_t forget_through;       /* the last event whose record is gone */
    uint64_t lost;                 /* events that somebody still needed when they went */
    bool again;                    /* who needs what has changed */
};

void event_keeping_init(struct event_keeping *keeping, struct serve *serve);
/* The watermarks have moved. */
void event_keeping_pass(struct event_keeping *keeping);
/* The oldest event that can be told; one past the latest where none can. The row of an event stays
 * a while longer than its record, and that of the latest for ever. */
uint64_t event_keeping_first(const struct event_keeping *keeping);
/* The records of the events up to that one were found to be gone. */
void event_keeping_gone(struct event_keeping *keeping, uint64_t through);
/* Somebody needs older events than before, from now on. */
void event_keeping_look(struct event_keeping *keeping);

/*
 * Reading the journal in order, batch by batch and across segments. Start's check, replay, the
 * checkpoint and verify all read it through this.
 */
#pragma once

#include "batch.h"

enum walk_result {
    WALK_END = 0,    /* no batch here that continues the journal */
    WALK_BATCH = 1,  /* walk->reader has it */
    WALK_MISSING = 2 /* the segment is sealed and its successor is not there */
};

/* Between two batches. */
struct walk_position {
    uint64_t number, offset; /* of the next batch, or where its segment is sealed, of that end */
    uint64_t sequence;       /* of the last record before */
    int64_t time;
    uint32_t crc; /* of the batch before */
    bool known;   /* sequence and crc are */
    bool sealed;
};

struct walk {
    const struct files *files;
    struct segment *segment; /* of at.number; NULL until needed */
    struct walk_position at;
    struct batch_reader reader;
};

void walk_init(struct walk *walk, const struct files *files, const struct walk_position *position);
/* A walk_result, or a negative errno. WALK_END may be asked again once more was written. */
int walk_next(struct walk *walk);
void walk_deinit(struct walk *walk);

/*
 * Batches on disk: their header and checksums, and reading them back. See FORMAT.md.
 */
#pragma once

#include <core/record.h>

#include "segment.h"

#define BATCH_MAGIC 0x42445243u /* "CRDB" */
/* Bytes of one batch, header included; what a reader may have to take into memory. */
#define BATCH_CAPACITY (4u * 1024u * 1024u)

enum {
    BATCH_SEAL = 1,  /* the last of its segment; the journal goes on in the next one */
    BATCH_CLEAN = 2, /* everything before it is durable: serve stopped cleanly here */
};

struct batch_header {
    uint32_t magic;
    uint32_t header_crc; /* of the segment's nonce, the batch's place, and what follows */
    uint32_t body_crc;   /* of the segment's nonce and the body */
    uint32_t length;     /* header and body; the next batch begins at the next block */
    uint64_t first_sequence;
    uint32_t count; /* 0: a mark, which says what the flags say */
    uint32_t flags;
    uint64_t durable;     /* sequence known durable when this was written (J2) … */
    uint64_t durable_end; /* … and the place up to which the journal was: marks have no sequence */
    int64_t time;         /* of the last record in it or before it */
    uint32_t previous_crc; /* header_crc of the batch before, also across segments */
    uint32_t reserved;
};

struct batch_reader {
    struct batch_header header;
    uint8_t *bytes; /* the whole batch */
    size_t capacity;
    uint64_t place;
    size_t position;
};

/* Completes a header whose other members are set, for a body that follows it at once. */
void batch_finish(struct batch_header *header, const void *body, const struct segment *segment,
                  uint64_t offset);
/* Whether these bytes are a header that was written for this very place. */
bool batch_header_valid(const struct batch_header *header, const struct segment *segment,
                        uint64_t offset);
/* Reads and checks one batch: 0, -EBADMSG where there is no valid one, or another errno. */
int batch_read(struct batch_reader *reader, const struct segment *segment, uint64_t offset);
/* The next record of the batch that was read: 1, 0 at the end, -EBADMSG where the parts do not add
 * up. The record is valid until the next batch_read. */
int batch_next_record(struct batch_reader *reader, struct record *ret_record, uint64_t *ret_place);
void batch_reader_deinit(struct batch_reader *reader);

/* Where a batch of that length ends, in whole blocks. */
static inline uint64_t batch_end(uint64_t offset, uint64_t length)
{
    return offset + block_round(length);
}

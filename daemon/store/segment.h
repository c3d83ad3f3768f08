/*
 * Segments: the files of the journal. One is made whole (zero-filled, its header written and
 * synced) under another name and then renamed, so a file that bears a segment's name always has a
 * valid header and its full size; anything else is damage, never a crash's doing.
 */
#pragma once

#include <core/record.h>
#include <stdbool.h>
#include <stdint.h>

#include "files.h"

#define SEGMENT_VERSION 1
#define SEGMENT_NAME_SIZE 32
#define SEGMENT_SIZE_MIN (64u * 1024u)
#define SEGMENT_SIZE_MAX (UINT64_C(4) << 30)
#define SEGMENT_MAGIC "creditdj"

/* Block 0 of a segment; see FORMAT.md. */
struct segment_header {
    char magic[8];
    uint32_t version;
    uint32_t crc; /* of what follows */
    uint64_t number;
    uint64_t nonce;
    uint64_t size;
    uint32_t instance;
    uint32_t reserved;
};

struct segment {
    uint64_t number;
    uint64_t nonce;
    uint64_t size;
    int fd; /* owned */
    struct segment *next;
};

/* A place in the journal. Monotonous also where the offset is 4 GiB, a full segment's end. */
static inline uint64_t place_of(uint64_t number, uint64_t offset)
{
    return (number << 32) + offset;
}

/* Bytes of journal between two places; segments of other sizes only make it a guess. */
static inline uint64_t place_distance(uint64_t from, uint64_t to, uint64_t segment_size)
{
    return ((to >> 32) - (from >> 32)) * segment_size + (uint32_t)to - (uint32_t)from;
}

void segment_name(uint64_t number, char name[SEGMENT_NAME_SIZE]);
/* Makes the segment, durable with its name. Takes a file named "spare" of the right size in place
 * of a new one. */
int segment_create(const struct files *files, uint64_t number, uint64_t size,
                   struct segment **ret_segment);
/* 0; -ENOENT; -EBADMSG: the header or the size is not what the name says; -EPROTONOSUPPORT. */
int segment_open(const struct files *files, uint64_t number, struct segment **ret_segment);
struct segment *segment_free(struct segment *segment);
void segment_cleanup(struct segment **segment);
bool segment_exists(const struct files *files, uint64_t number);
/* Copies the record there into `buffer` (RECORD_SIZE_MAX bytes, 8-aligned): 0; -ENOENT where the
 * file has become another segment meanwhile; -EBADMSG where there is no record. */
int segment_read_record(const struct segment *segment, uint64_t offset, uint8_t *buffer,
                        struct record *ret_record);
/* The numbers of all segments, ascending; the caller frees them. */
int segment_list(const struct files *files, uint64_t **ret_numbers, size_t *ret_count);

/*
 * The checksums of batches. They begin with the segment's nonce, so that neither the old bytes of a
 * recycled file nor bytes that a client chose can be taken for a batch; the header's goes on with
 * the place, so that a block which the disk wrote to the wrong place is not either. The header has
 * a checksum of its own, which lets a search for headers pass over bodies.
 */
#include "batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/hash.h>

#define CRC_FROM offsetof(struct batch_header, body_crc)

_Static_assert(sizeof(struct batch_header) == 64, "written to disk as it is");

static uint32_t header_crc(const struct batch_header *header, const struct segment *segment,
                           uint64_t offset)
{
    uint64_t seed[2] = {segment->nonce, place_of(segment->number, offset)};

    return crc32c(crc32c(0, seed, sizeof(seed)), (const uint8_t *)header + CRC_FROM,
                  sizeof(*header) - CRC_FROM);
}

static uint32_t body_crc(const void *body, size_t length, const struct segment *segment)
{
    return crc32c(crc32c(0, &segment->nonce, sizeof(segment->nonce)), body, length);
}

void batch_finish(struct batch_header *header, const void *body, const struct segment *segment,
                  uint64_t offset)
{
    header->magic = BATCH_MAGIC;
    header->body_crc = body_crc(body, header->length - sizeof(*header), segment);
    header->header_crc = header_crc(header, segment, offset);
}

bool batch_header_valid(const struct batch_header *header, const struct segment *segment,
                        uint64_t offset)
{
    return header->magic == BATCH_MAGIC && header->length >= sizeof(*header) &&
           header->length <= BATCH_CAPACITY && batch_end(offset, header->length) <= segment->size &&
           header->header_crc == header_crc(header, segment, offset);
}

static int reader_reserve(struct batch_reader *reader, size_t size)
{
    uint8_t *bytes;

    if (size <= reader->capacity)
        return 0;
    size = size < 64u * 1024u ? 64u * 1024u : BATCH_CAPACITY;
    bytes = realloc(reader->bytes, size);
    if (!bytes)
        return -ENOMEM;
    reader->bytes = bytes;
    reader->capacity = size;
    return 0;
}

int batch_read(struct batch_reader *reader, const struct segment *segment, uint64_t offset)
{
    struct batch_header header;
    int r;

    if (offset + BLOCK_SIZE > segment->size)
        return -EBADMSG;
    r = files_read(segment->fd, &header, sizeof(header), offset);
    if (r < 0)
        return r;
    if (!batch_header_valid(&header, segment, offset))
        return -EBADMSG;
    r = reader_reserve(reader, header.length);
    if (r == 0)
        r = files_read(segment->fd, reader->bytes, header.length, offset);
    if (r < 0)
        return r;
    if (memcmp(reader->bytes, &header, sizeof(header)) != 0 ||
        body_crc(reader->bytes + sizeof(header), header.length - sizeof(header), segment) !=
            header.body_crc)
        return -EBADMSG;
    reader->header = header;
    reader->place = place_of(segment->number, offset);
    reader->position = sizeof(header);
    return 0;
}

int batch_next_record(struct batch_reader *reader, struct record *ret_record, uint64_t *ret_place)
{
    size_t left = reader->header.length - reader->position;

    if (left == 0)
        return 0;
    if (record_decode(reader->bytes + reader->position, left, ret_record) < 0)
        return -EBADMSG;
    *ret_place = reader->place + reader->position;
    reader->position += ret_record->header.length;
    return 1;
}

void batch_reader_deinit(struct batch_reader *reader)
{
    free(reader->bytes);
    *reader = (struct batch_reader){.bytes = NULL};
}

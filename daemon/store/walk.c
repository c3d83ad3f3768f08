/*
 * A batch continues the journal if its checksums hold, its sequence is the next one, and it names
 * the checksum of the batch before it. Anything else ends the walk; what that means is for the
 * caller to judge (recovery.c does).
 */
#include "walk.h"

#include <errno.h>

void walk_init(struct walk *walk, const struct files *files, const struct walk_position *position)
{
    *walk = (struct walk){.files = files, .at = *position};
}

void walk_deinit(struct walk *walk)
{
    walk->segment = segment_free(walk->segment);
    batch_reader_deinit(&walk->reader);
}

/* The seal is the last thing in its segment, whatever room there was behind it. */
static int walk_open(struct walk *walk)
{
    struct segment *segment;
    int r;

    if (walk->segment && !walk->at.sealed)
        return 0;
    r = segment_open(walk->files, walk->at.number + walk->at.sealed, &segment);
    if (r < 0)
        return r;
    if (walk->at.sealed) {
        walk->at.number++;
        walk->at.offset = BLOCK_SIZE;
        walk->at.sealed = false;
    }
    walk->segment = segment_free(walk->segment);
    walk->segment = segment;
    return 0;
}

static void walk_advance(struct walk *walk)
{
    const struct batch_header *header = &walk->reader.header;

    walk->at.sequence = header->first_sequence + header->count - 1;
    walk->at.crc = header->header_crc;
    walk->at.time = header->time;
    walk->at.known = true;
    walk->at.sealed = header->flags & BATCH_SEAL;
    walk->at.offset = batch_end(walk->at.offset, header->length);
}

int walk_next(struct walk *walk)
{
    const struct batch_header *header = &walk->reader.header;
    bool was_sealed = walk->at.sealed;
    int r;

    r = walk_open(walk);
    if (r == -ENOENT && was_sealed)
        return WALK_MISSING;
    if (r < 0)
        return r;
    r = batch_read(&walk->reader, walk->segment, walk->at.offset);
    if (r == -EBADMSG)
        return WALK_END;
    if (r < 0)
        return r;
    if (walk->at.known &&
        (header->first_sequence != walk->at.sequence + 1 || header->previous_crc != walk->at.crc))
        return WALK_END;
    walk_advance(walk);
    return WALK_BATCH;
}

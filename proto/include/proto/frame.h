/*
 * Where one message ends and the next begins. MessagePack carries no frame lengths: the scanner
 * walks a message's structure, without recursion and without allocating, over bytes that may arrive
 * one at a time, and never looks at a byte twice.
 *
 * It bounds what a peer can claim: size, depth, and element counts (an array that claims 2^32
 * elements is over the size limit by its own claim, before anything is allocated for it).
 */
#pragma once

#include <proto/limits.h>
#include <stddef.h>
#include <stdint.h>

enum frame_result {
    FRAME_COMPLETE = 0,
    FRAME_MORE = 1,      /* not all there yet */
    FRAME_TOO_LARGE = 2, /* the message is, or claims to be, over the size limit */
    FRAME_TOO_DEEP = 3,
    FRAME_INVALID = 4, /* the byte 0xc1, an extension type, a map key that is no string */
};

/* A container that has been begun, or the message itself. */
struct frame_level {
    uint64_t remaining; /* values still to come in it */
    uint64_t is_map;    /* every second one is a key */
};

struct frame_place {
    size_t scanned; /* bytes of the current message that are done with */
    size_t left;    /* bytes that it may still claim: the limit, less what it has at least */
    unsigned depth;
    struct frame_level level; /* the innermost */
};

struct frame_scanner {
    size_t size_limit;
    struct frame_place place;
    struct frame_level outer[PROTO_DEPTH_MAX]; /* around it, the message first */
};

void frame_scanner_init(struct frame_scanner *scanner, size_t size_limit);
/* `data` begins with the current message; call again with the same bytes and more after FRAME_MORE.
 * On FRAME_COMPLETE *ret_length is the message's length, and the scanner is ready for the next
 * message. */
enum frame_result frame_scan(struct frame_scanner *scanner, const uint8_t *data, size_t length,
                             size_t *ret_length);
const char *frame_result_text(enum frame_result result);

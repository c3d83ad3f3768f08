/*
 * The frame scanner: one table lookup a value. What a value's first byte says is in `lead[]`; a
 * body (of a string, say) is stepped over, not read, so that a scan costs as much as a message has
 * values, not bytes.
 *
 * Each value is claimed as one byte with its container's header: an array of 2^32 elements is over
 * the limit when that is read.
 *
 * A header that has only partly arrived is read again when there is more; that is at most four
 * bytes.
 */
#include <assert.h>
#include <proto/frame.h>
#include <string.h>

enum lead_kind {
    LEAD_FIXED, /* the whole size is known from the first byte */
    LEAD_FIXSTR,
    LEAD_STR, /* a length of `size` bytes, and so many bytes */
    LEAD_BIN,
    LEAD_ARRAY, /* a count of `size` bytes, or the first byte's low four bits where that is 0 */
    LEAD_MAP,
    LEAD_INVALID,
};

struct lead {
    uint8_t kind;
    uint8_t
        size; /* FIXED, FIXSTR: of the value; else: of the length or count after the first byte */
};

#define LEAD_1(k, s)                                                                               \
    {                                                                                              \
        LEAD_##k, s                                                                                \
    }
#define LEAD_4(k, s) LEAD_1(k, s), LEAD_1(k, s), LEAD_1(k, s), LEAD_1(k, s)
#define LEAD_16(k, s) LEAD_4(k, s), LEAD_4(k, s), LEAD_4(k, s), LEAD_4(k, s)
#define LEAD_64(k, s) LEAD_16(k, s), LEAD_16(k, s), LEAD_16(k, s), LEAD_16(k, s)
#define FIXSTR_4(n)                                                                                \
    LEAD_1(FIXSTR, n + 1), LEAD_1(FIXSTR, n + 2), LEAD_1(FIXSTR, n + 3), LEAD_1(FIXSTR, n + 4)

/* clang-format off */
static const struct lead lead[256] = {
    /* 00 */ LEAD_64(FIXED, 1), LEAD_64(FIXED, 1),
    /* 80 */ LEAD_16(MAP, 0), LEAD_16(ARRAY, 0),
    /* a0 */ FIXSTR_4(0), FIXSTR_4(4), FIXSTR_4(8), FIXSTR_4(12),
             FIXSTR_4(16), FIXSTR_4(20), FIXSTR_4(24), FIXSTR_4(28),
    /* c0 */ LEAD_1(FIXED, 1), LEAD_1(INVALID, 0), LEAD_1(FIXED, 1), LEAD_1(FIXED, 1),
    /* c4 */ LEAD_1(BIN, 1), LEAD_1(BIN, 2), LEAD_1(BIN, 4),
    /* c7 */ LEAD_1(INVALID, 0), LEAD_1(INVALID, 0), LEAD_1(INVALID, 0),
    /* ca */ LEAD_1(FIXED, 5), LEAD_1(FIXED, 9),
    /* cc */ LEAD_1(FIXED, 2), LEAD_1(FIXED, 3), LEAD_1(FIXED, 5), LEAD_1(FIXED, 9),
    /* d0 */ LEAD_1(FIXED, 2), LEAD_1(FIXED, 3), LEAD_1(FIXED, 5), LEAD_1(FIXED, 9),
    /* d4 */ LEAD_4(INVALID, 0), LEAD_1(INVALID, 0),
    /* d9 */ LEAD_1(STR, 1), LEAD_1(STR, 2), LEAD_1(STR, 4),
    /* dc */ LEAD_1(ARRAY, 2), LEAD_1(ARRAY, 4), LEAD_1(MAP, 2), LEAD_1(MAP, 4),
    /* e0 */ LEAD_16(FIXED, 1), LEAD_16(FIXED, 1),
};
/* clang-format on */

static void scanner_reset(struct frame_scanner *scanner)
{
    scanner->place = (struct frame_place){.left = scanner->size_limit - 1, .level.remaining = 1};
}

void frame_scanner_init(struct frame_scanner *scanner, size_t size_limit)
{
    assert(size_limit > 0);
    memset(scanner, 0, sizeof(*scanner));
    scanner->size_limit = size_limit;
    scanner_reset(scanner);
}

static inline uint64_t load_big_endian(const uint8_t *data, unsigned size)
{
    switch (size) {
    case 1:
        return data[0];
    case 2:
        return (uint64_t)data[0] << 8 | data[1];
    default:
        return (uint64_t)data[0] << 24 | (uint64_t)data[1] << 16 | (uint64_t)data[2] << 8 | data[3];
    }
}

/* Takes what a header claims beyond its first byte, which was taken when the value was claimed. */
static inline int claim(struct frame_place *place, uint64_t more)
{
    if (more > place->left)
        return 0;
    place->left -= (size_t)more;
    return 1;
}

/* A string, byte array or container. Changes nothing unless it returns FRAME_COMPLETE. */
static inline enum frame_result scan_sized(struct frame_scanner *scanner, struct frame_place *place,
                                           struct lead what, const uint8_t *data, size_t available)
{
    uint64_t count;

    if (what.size >= available)
        return FRAME_MORE;
    count = what.size == 0 ? data[0] & 0x0fu : load_big_endian(data + 1, what.size);
    if (what.kind == LEAD_STR || what.kind == LEAD_BIN) {
        if (!claim(place, what.size + count))
            return FRAME_TOO_LARGE;
        place->scanned += 1 + what.size + (size_t)count;
        place->level.remaining--;
        return FRAME_COMPLETE;
    }
    /* An empty container counts as well: whoever walks the objects relies on the depth. */
    if (place->depth == PROTO_DEPTH_MAX)
        return FRAME_TOO_DEEP;
    if (what.kind == LEAD_MAP)
        count *= 2;
    if (!claim(place, what.size + count))
        return FRAME_TOO_LARGE;
    place->scanned += 1u + what.size;
    place->level.remaining--;
    scanner->outer[place->depth++] = place->level;
    place->level = (struct frame_level){.remaining = count, .is_map = what.kind == LEAD_MAP};
    return FRAME_COMPLETE;
}

static inline enum frame_result scan_value(struct frame_scanner *scanner, struct frame_place *place,
                                           const uint8_t *data, size_t length)
{
    struct lead what;

    if (place->scanned >= length)
        return FRAME_MORE;
    what = lead[data[place->scanned]];
    if (what.kind != LEAD_FIXSTR) {
        /* Twice the entries were claimed for a map: an even rest means that a key is next. */
        if (place->level.is_map && (place->level.remaining & 1) == 0 && what.kind != LEAD_STR)
            return FRAME_INVALID;
        if (what.kind == LEAD_INVALID)
            return FRAME_INVALID;
        if (what.kind != LEAD_FIXED)
            return scan_sized(scanner, place, what, data + place->scanned, length - place->scanned);
    }
    if (!claim(place, what.size - 1u))
        return FRAME_TOO_LARGE;
    place->scanned += what.size;
    place->level.remaining--;
    return FRAME_COMPLETE;
}

enum frame_result frame_scan(struct frame_scanner *scanner, const uint8_t *data, size_t length,
                             size_t *ret_length)
{
    struct frame_place place = scanner->place; /* a copy, for the registers */
    enum frame_result result = FRAME_COMPLETE;

    while (result == FRAME_COMPLETE) {
        while (place.level.remaining == 0 && place.depth > 0)
            place.level = scanner->outer[--place.depth];
        if (place.level.remaining == 0)
            break;
        result = scan_value(scanner, &place, data, length);
    }
    if (result == FRAME_COMPLETE && place.scanned > length) /* the last body is not all there */
        result = FRAME_MORE;
    if (result != FRAME_COMPLETE) {
        scanner->place = place;
        return result;
    }
    assert(place.scanned == scanner->size_limit - place.left);
    *ret_length = place.scanned;
    scanner_reset(scanner);
    return FRAME_COMPLETE;
}

const char *frame_result_text(enum frame_result result)
{
    switch (result) {
    case FRAME_COMPLETE:
        return "a whole message";
    case FRAME_MORE:
        return "the message is not all there yet";
    case FRAME_TOO_LARGE:
        return "the message is over the size limit";
    case FRAME_TOO_DEEP:
        return "the message is nested too deeply";
    case FRAME_INVALID:
        break;
    }
    return "the message is not MessagePack without extension types and with text for map keys";
}

/* The frame scanner against tables, every way of arriving in pieces, and a model. */
#include "bytes.h"
#include "model.h"
#include "same.h"
#include "splitmix.h"
#include <criterion/criterion.h>
#include <msgpack.h>
#include <proto/frame.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 4096

static const struct {
    const char *name, *bytes;
} good_frames[] = {
    {"a fixint", "07"},
    {"a negative fixint", "ff"},
    {"nil", "c0"},
    {"false", "c2"},
    {"true", "c3"},
    {"float 32", "ca 3fc00000"},
    {"float 64", "cb 3ff8000000000000"},
    {"uint 8", "cc ff"},
    {"uint 16", "cd ffff"},
    {"uint 32", "ce ffffffff"},
    {"uint 64", "cf ffffffffffffffff"},
    {"int 8", "d0 80"},
    {"int 16", "d1 8000"},
    {"int 32", "d2 80000000"},
    {"int 64", "d3 8000000000000000"},
    {"an empty string", "a0"},
    {"a string of 31 bytes", "bf 61*31"},
    {"an empty str 8", "d9 00"},
    {"str 8", "d9 03 'abc'"},
    {"str 16", "da 0100 62*256"},
    {"str 32", "db 00000003 'abc'"},
    {"an empty bin 8", "c4 00"},
    {"bin 8", "c4 02 c1c1"},
    {"bin 16", "c5 0002 c1c1"},
    {"bin 32", "c6 00000002 c1c1"},
    {"an empty array", "90"},
    {"an empty map", "80"},
    {"an empty array 16", "dc 0000"},
    {"an empty map 32", "df 00000000"},
    {"array 16", "dc 0003 01 02 03"},
    {"array 32", "dd 00000002 90 80"},
    {"map 16", "de 0001 a1 'k' 01"},
    {"map 32", "df 00000001 d9 01 'k' c0"},
    {"15 elements", "9f 01*15"},
    {"empty containers in a row", "93 90 80 a0"},
    {"an empty container ends its parent", "82 a1 'a' 90 a1 'b' 91 80"},
    {"a map in a map", "81 a1 'a' 81 a1 'b' 81 a1 'c' c0"},
    {"16 arrays", "91*15 90"},
    {"16 arrays, not empty", "91*16 07"},
    {"16 arrays and siblings", "92*15 90 01*15"},
    {"ping", "94 00 01 a4 'ping' 91 80"},
    {"ping without parameters", "94 00 01 a4 'ping' 90"},
    {"a notification", "93 02 aa 'sync.hello' 91 81 a7 'version' a5 '0.1.0'"},
    {"a result", "94 01 ce ffffffff c0 82 a2 'ok' c3 a1 'n' cf 7fffffffffffffff"},
    {"an error", "94 01 00 83 a4 'code' a4 'busy' a7 'message' a0 a4 'data' c0 c0"},
    {"a consume",
     "94 00 cd 1234 af 'credits.consume' 91 85 a7 'user_id' a3 'u_1' aa 'product_id' a3 'p_1' "
     "aa 'raw_amount' cb 40f0000000000000 a8 'metadata' 81 a1 'k' 92 01 c4 01 ff "
     "a5 'stamp' 92 c4 10 00*16 cf 0000000000000001"},
    {"exactly as long as is allowed", "da 0ffd 61*4093"},
    {"exactly as many values as are allowed", "dc 0ffd c0*4093"},
    {"exactly as many entries as are allowed", "de 07fe a0*4091 cc 00"},
};

static const struct {
    const char *name, *bytes;
    enum frame_result result;
} bad_frames[] = {
    {"the byte c1", "c1", FRAME_INVALID},
    {"the byte c1 inside", "92 01 c1", FRAME_INVALID},
    {"ext 8", "c7 01 05 00", FRAME_INVALID},
    {"ext 16", "c8 0001 05 00", FRAME_INVALID},
    {"ext 32", "c9 00000001 05 00", FRAME_INVALID},
    {"fixext 1", "d4 05 00", FRAME_INVALID},
    {"fixext 2", "d5 05 0000", FRAME_INVALID},
    {"fixext 4", "d6 ff 00000000", FRAME_INVALID},
    {"fixext 8", "d7 ff 00*8", FRAME_INVALID},
    {"fixext 16", "d8 05 00*16", FRAME_INVALID},
    {"an extension as a value", "81 a1 'k' d4 05 00", FRAME_INVALID},
    {"an integer for a key", "81 01 01", FRAME_INVALID},
    {"bytes for a key", "81 c4 01 61 01", FRAME_INVALID},
    {"nil for a key", "81 c0 01", FRAME_INVALID},
    {"an array for a key", "81 90 01", FRAME_INVALID},
    {"a map for a key", "81 80 01", FRAME_INVALID},
    {"an integer for the second key", "82 a1 'a' 01 02 03", FRAME_INVALID},
    {"a bad key after a nested map", "82 a1 'a' 81 a1 'b' 01 02 03", FRAME_INVALID},
    {"17 arrays", "91*16 90", FRAME_TOO_DEEP},
    {"17 maps",
     "81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' "
     "81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' 81 a1 'k' "
     "80",
     FRAME_TOO_DEEP},
    {"a string over the limit", "da 0ffe", FRAME_TOO_LARGE},
    {"a string that claims 4 GiB", "db ffffffff", FRAME_TOO_LARGE},
    {"bytes that claim 4 GiB", "c6 ffffffff", FRAME_TOO_LARGE},
    {"an array that claims 2^32 elements", "dd ffffffff", FRAME_TOO_LARGE},
    {"a map that claims 2^32 entries", "df ffffffff", FRAME_TOO_LARGE},
    {"one element too many", "dc 0ffe", FRAME_TOO_LARGE},
    {"one entry too many", "de 07ff", FRAME_TOO_LARGE},
    {"together too many elements", "92 dc 0800 c0*2048 dc 0800", FRAME_TOO_LARGE},
    {"elements of nine bytes", "dc 0ffd cf", FRAME_TOO_LARGE},
    {"claims within claims", "dd 00000800 dd 00000800", FRAME_TOO_LARGE},
};

/* Scans a prefix in memory of its own. */
static enum frame_result scan_prefix(struct frame_scanner *scanner, const struct bytes *frame,
                                     size_t length, size_t *ret_length)
{
    struct bytes prefix = bytes_copy(frame->data, length);
    enum frame_result result = frame_scan(scanner, prefix.data, length, ret_length);

    bytes_free(&prefix);
    return result;
}

static void check_unpacks(const char *name, const uint8_t *data, size_t length)
{
    msgpack_zone *zone = msgpack_zone_new(8192);
    msgpack_object object;
    size_t offset = 0;

    cr_assert_eq(msgpack_unpack((const char *)data, length, &offset, zone, &object),
                 MSGPACK_UNPACK_SUCCESS, "%s: msgpack-c refuses it", name);
    cr_assert_eq(offset, length, "%s", name);
    cr_assert(unpacks_as_msgpack(data, length), "%s", name);
    msgpack_zone_free(zone);
}

Test(frame, good_frames_are_complete_and_unpack)
{
    for (size_t i = 0; i < sizeof(good_frames) / sizeof(good_frames[0]); i++) {
        struct bytes frame = bytes_parse(good_frames[i].bytes);
        struct frame_scanner scanner;
        size_t length = 0;

        frame_scanner_init(&scanner, LIMIT);
        cr_expect_eq(frame_scan(&scanner, frame.data, frame.length, &length), FRAME_COMPLETE, "%s",
                     good_frames[i].name);
        cr_expect_eq(length, frame.length, "%s", good_frames[i].name);
        check_unpacks(good_frames[i].name, frame.data, frame.length);
        bytes_free(&frame);
    }
}

Test(frame, good_frames_may_arrive_a_byte_at_a_time)
{
    for (size_t i = 0; i < sizeof(good_frames) / sizeof(good_frames[0]); i++) {
        struct bytes frame = bytes_parse(good_frames[i].bytes);
        struct frame_scanner scanner;
        size_t length = 0;

        frame_scanner_init(&scanner, LIMIT);
        for (size_t n = 0; n < frame.length; n++)
            cr_expect_eq(scan_prefix(&scanner, &frame, n, &length), FRAME_MORE, "%s, %zu bytes",
                         good_frames[i].name, n);
        cr_expect_eq(scan_prefix(&scanner, &frame, frame.length, &length), FRAME_COMPLETE, "%s",
                     good_frames[i].name);
        cr_expect_eq(length, frame.length, "%s", good_frames[i].name);
        bytes_free(&frame);
    }
}

Test(frame, good_frames_may_be_split_anywhere)
{
    for (size_t i = 0; i < sizeof(good_frames) / sizeof(good_frames[0]); i++) {
        struct bytes frame = bytes_parse(good_frames[i].bytes);

        for (size_t n = 0; n < frame.length; n++) {
            struct frame_scanner scanner;
            size_t length = 0;

            frame_scanner_init(&scanner, LIMIT);
            cr_expect_eq(scan_prefix(&scanner, &frame, n, &length), FRAME_MORE);
            cr_expect_eq(scan_prefix(&scanner, &frame, frame.length, &length), FRAME_COMPLETE,
                         "%s, split at %zu", good_frames[i].name, n);
            cr_expect_eq(length, frame.length);
        }
        bytes_free(&frame);
    }
}

Test(frame, a_scanner_goes_on_to_the_next_message)
{
    struct frame_scanner scanner;

    frame_scanner_init(&scanner, LIMIT);
    for (size_t i = 0; i < sizeof(good_frames) / sizeof(good_frames[0]); i++) {
        struct bytes frame = bytes_parse(good_frames[i].bytes);
        struct bytes both = bytes_copy(frame.data, frame.length);
        size_t length = 0;

        both.data = realloc(both.data, frame.length + 1);
        cr_assert_not_null(both.data);
        both.data[frame.length] = 0xc1; /* not looked at yet */
        cr_expect_eq(frame_scan(&scanner, both.data, frame.length + 1, &length), FRAME_COMPLETE);
        cr_expect_eq(length, frame.length, "%s", good_frames[i].name);
        bytes_free(&both);
        bytes_free(&frame);
    }
}

Test(frame, bad_frames_are_refused_and_stay_refused)
{
    for (size_t i = 0; i < sizeof(bad_frames) / sizeof(bad_frames[0]); i++) {
        struct bytes frame = bytes_parse(bad_frames[i].bytes);
        enum frame_result result = FRAME_MORE;
        struct frame_scanner scanner;
        size_t length = 12345;

        frame_scanner_init(&scanner, LIMIT);
        for (size_t n = 0; n <= frame.length && result == FRAME_MORE; n++)
            result = scan_prefix(&scanner, &frame, n, &length);
        cr_expect_eq(result, bad_frames[i].result, "%s: %s", bad_frames[i].name,
                     frame_result_text(result));
        cr_expect_eq(frame_scan(&scanner, frame.data, frame.length, &length), bad_frames[i].result);
        frame_scanner_init(&scanner, LIMIT);
        cr_expect_eq(frame_scan(&scanner, frame.data, frame.length, &length), bad_frames[i].result,
                     "%s, at once", bad_frames[i].name);
        cr_expect_eq(length, 12345, "%s: a length was written", bad_frames[i].name);
        bytes_free(&frame);
    }
}

Test(frame, bodies_are_not_looked_at)
{
    /* The scanner is asked again only about new bytes: what it has passed may change. */
    struct bytes frame = bytes_parse("92 a3 'abc' c2");
    struct frame_scanner scanner;
    size_t length = 0;

    frame_scanner_init(&scanner, LIMIT);
    cr_assert_eq(frame_scan(&scanner, frame.data, 5, &length), FRAME_MORE);
    memset(frame.data, 0xc1, 5);
    cr_assert_eq(frame_scan(&scanner, frame.data, frame.length, &length), FRAME_COMPLETE);
    bytes_free(&frame);
}

Test(frame, every_result_has_a_text)
{
    for (int i = FRAME_COMPLETE; i <= FRAME_INVALID; i++)
        for (int j = FRAME_COMPLETE; j < i; j++)
            cr_expect_str_neq(frame_result_text((enum frame_result)i),
                              frame_result_text((enum frame_result)j));
}

/* Bytes that get somewhere: values that are mostly sound, with something random now and then. */
static size_t random_value(uint64_t *seed, uint8_t *data, size_t room, unsigned depth)
{
    static const uint8_t leads[] = {0x01, 0xa0, 0xa3, 0xc0, 0xc2, 0xcc, 0xcf, 0xd9, 0xc4, 0xcb};
    size_t used = 1;
    uint64_t count;

    if (room < 16)
        return 0;
    if (random_below(seed, 40) == 0) {
        data[0] = (uint8_t)random_next(seed);
        return 1;
    }
    if (depth >= 18 || random_below(seed, 3) != 0) {
        data[0] = leads[random_below(seed, sizeof(leads))];
        memset(data + 1, 0, 9);
        if (data[0] == 0xa3)
            return 4;
        return data[0] == 0xcf || data[0] == 0xcb                      ? 9
               : data[0] == 0xcc || data[0] == 0xd9 || data[0] == 0xc4 ? 2
                                                                       : 1;
    }
    count = random_below(seed, 4);
    data[0] = (uint8_t)(count | (random_below(seed, 2) ? 0x80 : 0x90));
    for (uint64_t i = 0; i < count; i++) {
        if ((data[0] & 0xf0) == 0x80 && used < room)
            data[used++] = 0xa0;
        used += random_value(seed, data + used, room - used, depth + 1);
    }
    return used;
}

static void check_against_model(uint64_t *seed, const uint8_t *data, size_t length, size_t limit)
{
    enum frame_result expected, result = FRAME_MORE;
    size_t expected_length = 0, found_length = 0;
    struct frame_scanner scanner;

    expected = model_scan(data, length, limit, &expected_length);
    frame_scanner_init(&scanner, limit);
    result = frame_scan(&scanner, data, length, &found_length);
    cr_assert_eq(result, expected, "%s, the model says %s", frame_result_text(result),
                 frame_result_text(expected));
    cr_assert_eq(found_length, expected_length);
    /* The same in pieces: the first piece that settles it has to agree. */
    frame_scanner_init(&scanner, limit);
    result = FRAME_MORE;
    for (size_t n = 0; result == FRAME_MORE && n < length;) {
        n += 1 + random_below(seed, length - n);
        result = frame_scan(&scanner, data, n, &found_length);
    }
    cr_assert_eq(result, expected);
    cr_assert_eq(found_length, expected_length);
}

static void check_against_msgpack(const uint8_t *data, size_t length, size_t limit)
{
    static msgpack_zone *zone;
    size_t whole = 0, offset = 0;
    msgpack_unpack_return r;
    msgpack_object object;

    if (zone == NULL)
        zone = msgpack_zone_new(8192);
    switch (model_scan(data, length, limit, &whole)) {
    case FRAME_COMPLETE:
        r = msgpack_unpack((const char *)data, whole, &offset, zone, &object);
        cr_assert_eq(r, MSGPACK_UNPACK_SUCCESS);
        cr_assert_eq(offset, whole);
        cr_assert(unpacks_as_msgpack(data, whole));
        break;
    case FRAME_MORE:
        r = msgpack_unpack((const char *)data, length, &offset, zone, &object);
        cr_assert_eq(r, MSGPACK_UNPACK_CONTINUE);
        break;
    default: /* we are stricter */
        break;
    }
    msgpack_zone_clear(zone);
}

Test(frame, random_bytes_agree_with_the_model_and_msgpack)
{
    uint64_t seed = 20240611;

    for (int round = 0; round < 200000; round++) {
        uint8_t data[256];
        size_t length = 1 + random_below(&seed, 64), limit = 1 + random_below(&seed, 200);

        for (size_t i = 0; i < length; i++)
            data[i] = (uint8_t)random_next(&seed);
        check_against_model(&seed, data, length, limit);
        check_against_msgpack(data, length, limit);
    }
}

Test(frame, random_values_agree_with_the_model_and_msgpack)
{
    unsigned seen[FRAME_INVALID + 1] = {0};
    uint64_t seed = 7;

    for (int round = 0; round < 200000; round++) {
        uint8_t data[512];
        size_t limit = 16 + random_below(&seed, 480), whole = 0;
        size_t nested = random_below(&seed, 4) == 0 ? random_below(&seed, 20) : 0;
        size_t length;

        memset(data, 0x91, nested);
        length = nested + random_value(&seed, data + nested, sizeof(data) - nested, 0);
        if (length > 1 && random_below(&seed, 8) == 0)
            length -= 1;
        check_against_model(&seed, data, length, limit);
        check_against_msgpack(data, length, limit);
        seen[model_scan(data, length, limit, &whole)]++;
    }
    for (int i = FRAME_COMPLETE; i <= FRAME_INVALID; i++)
        cr_expect_gt(seen[i], 100u, "%s was seen %u times", frame_result_text((enum frame_result)i),
                     seen[i]);
}

/* Unpacking: what is taken is what msgpack-c takes it for, and what is refused. Random bytes and
 * values are held against msgpack-c in test_frame.c. */
#include "bytes.h"
#include "same.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <proto/unpack.h>

static const struct {
    const char *name, *bytes;
} good[] = {
    {"the smallest integers", "93 00 7f e0"},
    {"the largest integers", "92 ff cf ffffffffffffffff"},
    {"unsigned", "94 cc 80 cd 8000 ce 80000000 cf 8000000000000000"},
    {"signed, negative", "94 d0 80 d1 8000 d2 80000000 d3 8000000000000000"},
    {"signed, positive", "94 d0 7f d1 7fff d2 7fffffff d3 7fffffffffffffff"},
    {"floats", "94 ca 3fc00000 cb 3ff8000000000000 ca ff800000 cb 7ff8000000000000"},
    {"constants", "93 c0 c2 c3"},
    {"texts", "94 a0 a3 'abc' bf 61*31 d9 00"},
    {"long texts", "93 d9 20 61*32 da 0100 62*256 db 00000003 'abc'"},
    {"bytes", "94 c4 00 c4 02 c1c1 c5 0002 c1c1 c6 00000002 c1c1"},
    {"arrays", "94 90 91 01 dc 0003 01 02 03 dd 00000002 90 80"},
    {"maps", "94 80 81 a1 'k' 01 de 0001 a1 'k' c0 df 00000001 d9 01 'k' c0"},
    {"keys of any type", "83 01 02 90 03 c0 04"},
    {"32 arrays", "91*32 c0"},
};

Test(unpack, as_msgpack_unpacks)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct bytes bytes = bytes_parse(good[i].bytes);

        cr_expect(unpacks_as_msgpack(bytes.data, bytes.length), "%s", good[i].name);
        bytes_free(&bytes);
    }
}

static int unpack_alone(const struct bytes *bytes, size_t length)
{
    struct bytes alone = bytes_copy(bytes->data, length); /* so that a read behind it is seen */
    msgpack_zone *zone = msgpack_zone_new(1024);
    msgpack_object object = {.type = MSGPACK_OBJECT_EXT};
    int r = unpack(zone, alone.data, length, &object);

    cr_expect(r == 0 || object.type == MSGPACK_OBJECT_EXT, "something was written");
    msgpack_zone_free(zone);
    bytes_free(&alone);
    return r;
}

Test(unpack, a_part_is_refused)
{
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct bytes bytes = bytes_parse(good[i].bytes);

        for (size_t length = 0; length < bytes.length; length++)
            cr_expect_eq(unpack_alone(&bytes, length), -EBADMSG, "%zu bytes of %s", length,
                         good[i].name);
        cr_expect_eq(unpack_alone(&bytes, bytes.length), 0, "%s", good[i].name);
        bytes_free(&bytes);
    }
}

static const struct {
    const char *name, *bytes;
} bad[] = {
    {"a byte too many", "01 02"},
    {"the byte that means nothing", "c1"},
    {"an extension", "d4 01 00"},
    {"an extension of some length", "c7 01 01 00"},
    {"33 arrays", "91*32 90"},
    {"33 maps", "81 a1 'k' 81 a1 'k' 91*30 80"},
    {"an array that claims 2^32 elements", "dd ffffffff c0 c0"},
    {"a map that claims 2^32 entries", "df ffffffff c0 c0"},
    {"a text that claims 2^32 bytes", "db ffffffff 'abc'"},
    {"bytes that claim 2^32", "c6 ffffffff 'abc'"},
};

Test(unpack, what_is_refused)
{
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bytes bytes = bytes_parse(bad[i].bytes);

        cr_expect_eq(unpack_alone(&bytes, bytes.length), -EBADMSG, "%s", bad[i].name);
        bytes_free(&bytes);
    }
}

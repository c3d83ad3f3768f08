/* Maps that are built, values that are read, stamps as text. */
#include "map.h"
#include "reply.h"
#include "value.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <string.h>

struct parsed {
    msgpack_zone zone;
    msgpack_object object;
    msgpack_sbuffer bytes;
};

/* The map as a value, from its own bytes. */
static const struct creditd_value *parse(struct parsed *parsed, const struct creditd_map *map)
{
    struct creditd_map outer;
    size_t offset = 0;

    cr_assert_eq(creditd_map_check(map), 0);
    map_init(&outer);
    map_put_map(&outer, "m", map);
    msgpack_zone_init(&parsed->zone, MSGPACK_ZONE_CHUNK_SIZE);
    parsed->bytes = outer.body;
    /* Behind the key. */
    cr_assert_eq(msgpack_unpack(outer.body.data + 2, outer.body.size - 2, &offset, &parsed->zone,
                                &parsed->object),
                 MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset, map_size(map));
    return value_of(&parsed->object);
}

static void drop(struct parsed *parsed)
{
    msgpack_zone_destroy(&parsed->zone);
    msgpack_sbuffer_destroy(&parsed->bytes);
}

Test(map, every_type_comes_back)
{
    struct creditd_map *map = creditd_map_new();
    const struct creditd_value *value, *inner;
    struct parsed parsed;
    size_t length;

    creditd_map_text(map, "text", "grüß");
    creditd_map_text(map, "none", NULL);
    creditd_map_text(map, "empty", "");
    creditd_map_bytes(map, "bytes", "\0\xff", 2);
    creditd_map_int(map, "int", INT64_MIN);
    creditd_map_real(map, "real", 0.5);
    creditd_map_bool(map, "bool", true);
    creditd_map_begin_map(map, "map");
    creditd_map_begin_array(map, "array");
    creditd_map_int(map, NULL, 7);
    creditd_map_begin_map(map, NULL);
    creditd_map_end(map);
    creditd_map_end(map);
    creditd_map_end(map);
    value = parse(&parsed, map);
    cr_assert_eq(creditd_value_count(value), 8);
    cr_assert_arr_eq(creditd_value_text(creditd_value_get(value, "text"), &length), "grüß", 6);
    cr_assert_null(creditd_value_get(value, "none"));
    cr_assert_not_null(creditd_value_text(creditd_value_get(value, "empty"), &length));
    cr_assert_eq(length, 0);
    cr_assert_eq(creditd_value_type(creditd_value_get(value, "bytes")), CREDITD_TYPE_BYTES);
    cr_assert_eq(creditd_value_int(creditd_value_get(value, "int"), 0), INT64_MIN);
    cr_assert_eq(creditd_value_int(creditd_value_get(value, "real"), 3), 3);
    cr_assert_float_eq(creditd_value_real(creditd_value_get(value, "real"), 0), 0.5, 1e-9);
    cr_assert(creditd_value_bool(creditd_value_get(value, "bool"), false));
    inner = creditd_value_get(creditd_value_get(value, "map"), "array");
    cr_assert_eq(creditd_value_count(inner), 2);
    cr_assert_eq(creditd_value_int(creditd_value_at(inner, 0), 0), 7);
    cr_assert_eq(creditd_value_type(creditd_value_at(inner, 1)), CREDITD_TYPE_MAP);
    cr_assert_null(creditd_value_at(inner, 2));
    cr_assert_null(creditd_value_get(inner, "x"));
    cr_assert_null(creditd_value_key_at(inner, 0));
    cr_assert_not_null(creditd_value_key_at(value, 7));
    cr_assert_eq(creditd_value_count(NULL), 0);
    drop(&parsed);
    creditd_map_free(map);
}

Test(map, headers_of_any_length)
{
    static const int counts[] = {0, 15, 16, 65535, 65536};

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct creditd_map *map = creditd_map_new();
        struct parsed parsed;
        const struct creditd_value *value;

        creditd_map_begin_array(map, "a");
        for (int k = 0; k < counts[i]; k++)
            creditd_map_bool(map, NULL, false);
        creditd_map_end(map);
        creditd_map_int(map, "after", 5);
        value = parse(&parsed, map);
        cr_assert_eq(creditd_value_count(creditd_value_get(value, "a")), counts[i]);
        cr_assert_eq(creditd_value_int(creditd_value_get(value, "after"), 0), 5);
        drop(&parsed);
        creditd_map_free(map);
    }
}

Test(map, mistakes_stick)
{
    struct creditd_map *map = creditd_map_new();

    creditd_map_end(map);
    creditd_map_int(map, "a", 1);
    cr_assert_eq(creditd_map_check(map), -EINVAL);
    map_reset(map);
    creditd_map_begin_map(map, "open");
    cr_assert_eq(creditd_map_check(map), -EINVAL);
    creditd_map_end(map);
    cr_assert_eq(creditd_map_check(map), 0);
    creditd_map_text(map, "latin1", "\xe9");
    cr_assert_eq(creditd_map_check(map), -EINVAL);
    map_reset(map);
    creditd_map_int(map, NULL, 1);
    cr_assert_eq(creditd_map_check(map), -EINVAL);
    map_reset(map);
    for (unsigned i = 0; i < MAP_DEPTH_MAX + 1; i++)
        creditd_map_begin_map(map, "deeper");
    cr_assert_eq(creditd_map_check(map), -EINVAL);
    creditd_map_free(map);
    creditd_map_free(NULL);
}

Test(map, it_is_bounded)
{
    static char text[100000];
    struct creditd_map *map = creditd_map_new();

    memset(text, 'x', sizeof text);
    for (int i = 0; i < 11; i++)
        creditd_map_text_n(map, "x", text, sizeof text);
    cr_assert_eq(creditd_map_check(map), -EMSGSIZE);
    cr_assert_leq(map->body.size, PROTO_MESSAGE_SIZE_DEFAULT);
    creditd_map_free(map);
}

Test(stamp, text_and_back)
{
    struct creditd_stamp stamp, again;
    char text[CREDITD_STAMP_TEXT_SIZE];

    for (size_t i = 0; i < sizeof stamp.bytes; i++)
        stamp.bytes[i] = (unsigned char)(i * 5);
    creditd_stamp_to_text(&stamp, text);
    cr_assert_eq(strlen(text), 48);
    cr_assert_eq(creditd_stamp_from_text(text, &again), 0);
    cr_assert_arr_eq(&again, &stamp, sizeof stamp);
}

Test(stamp, K3_what_is_no_stamp_is_refused)
{
    static const char *const bad[] = {
        "",
        "00",
        "0123456789abcdef0123456789abcdef0000000000000000", /* a counter of 0 */
        "0123456789abcdef0123456789abcdef8000000000000000", /* above 2^63 - 1 */
        "0123456789abcdef0123456789abcdeg0000000000000001",
        "0123456789ABCDEF0123456789abcdef0000000000000001",
        "0123456789abcdef0123456789abcdef00000000000000010"};
    struct creditd_stamp stamp;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(creditd_stamp_from_text(bad[i], &stamp), -EINVAL, "%s", bad[i]);
}

Test(codes, every_error_of_the_protocol_has_a_number_and_its_word)
{
    for (int i = 1; i < PROTO_ERROR_COUNT_; i++) {
        const char *word = proto_error_code((enum proto_error)i);
        struct message message = {0};
        struct creditd_reply reply;
        msgpack_object_kv kv = {.key = {.type = MSGPACK_OBJECT_STR}};

        kv.key.via.str.ptr = "code";
        kv.key.via.str.size = 4;
        kv.val.type = MSGPACK_OBJECT_STR;
        kv.val.via.str.ptr = word;
        kv.val.via.str.size = (uint32_t)strlen(word);
        message.error.type = MSGPACK_OBJECT_MAP;
        message.error.via.map.size = 1;
        message.error.via.map.ptr = &kv;
        reply_init(&reply, 0);
        reply_set_answer(&reply, &message);
        cr_assert_gt(reply.status, CREDITD_OTHER, "%s", word);
        cr_assert_str_eq(creditd_code_word(reply.status), word);
        cr_assert_eq(creditd_code_is_retryable(reply.status),
                     proto_error_is_retryable((enum proto_error)i) != 0);
        cr_assert_gt(strlen(creditd_reply_message(&reply)), 0);
    }
    cr_assert_str_eq(creditd_code_word(-ETIMEDOUT), "timeout");
    cr_assert_str_eq(creditd_code_word(-12345), "system_error");
    cr_assert_str_eq(creditd_code_word(99), "error");
}

/* MessagePack-RPC messages: what is taken, what is refused and why, and what is packed. */
#include "bytes.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <proto/frame.h>
#include <proto/message.h>
#include <string.h>

static msgpack_zone *zone;

static void setup(void)
{
    zone = msgpack_zone_new(8192);
}

static void teardown(void)
{
    msgpack_zone_free(zone);
}

TestSuite(message, .init = setup, .fini = teardown);

#define NOT_A_CALL "the message is no request, response or notification"
#define BAD_ID "the message id is not an integer from 0 to 4294967295"
#define BAD_PARAMETERS "the parameters are not an array of one map"

static const struct {
    const char *name, *bytes, *reason;
    int64_t msgid; /* -1: none that an error could be sent to */
} bad_messages[] = {
    {"an integer", "07", "the message is not an array", -1},
    {"a map", "80", "the message is not an array", -1},
    {"text", "a1 'G'", "the message is not an array", -1},
    {"nothing", "90", NOT_A_CALL, -1},
    {"too short", "92 00 05", NOT_A_CALL, -1},
    {"no type", "94 c0 05 a4 'ping' 91 80", NOT_A_CALL, -1},
    {"an unknown type", "94 03 05 a4 'ping' 91 80", NOT_A_CALL, -1},
    {"a negative type", "94 ff 05 a4 'ping' 91 80", NOT_A_CALL, -1},
    {"a float for a type", "94 ca 00000000 05 a4 'ping' 91 80", NOT_A_CALL, -1},
    {"a type of many bytes", "94 cf 0000000100000000 05 a4 'ping' 91 80", NOT_A_CALL, -1},
    {"no id", "94 00 c0 a4 'ping' 91 80", BAD_ID, -1},
    {"a negative id", "94 00 ff a4 'ping' 91 80", BAD_ID, -1},
    {"an id of 2^32", "94 00 cf 0000000100000000 a4 'ping' 91 80", BAD_ID, -1},
    {"true for an id", "94 00 c3 a4 'ping' 91 80", BAD_ID, -1},
    {"a request of three", "93 00 05 a4 'ping'", "a request or response has 4 elements", 5},
    {"a request of five", "95 00 05 a4 'ping' 91 80 c0", "a request or response has 4 elements", 5},
    {"no method", "94 00 05 c0 91 80", "the method is not text", 5},
    {"bytes for a method", "94 00 05 c4 04 'ping' 91 80", "the method is not text", 5},
    {"no parameters", "94 00 05 a4 'ping' c0", BAD_PARAMETERS, 5},
    {"a map that is in no array", "94 00 05 a4 'ping' 80", BAD_PARAMETERS, 5},
    {"two parameters", "94 00 05 a4 'ping' 92 80 80", BAD_PARAMETERS, 5},
    {"nil for the map", "94 00 05 a4 'ping' 91 c0", BAD_PARAMETERS, 5},
    {"an array for the map", "94 00 ce fffffffe a4 'ping' 91 90", BAD_PARAMETERS, 4294967294},
    {"a notification of four", "94 02 a4 'ping' 91 80 c0", "a notification has 3 elements", -1},
    {"a notification without a method", "93 02 c0 91 80", "the method is not text", -1},
    {"a response of three", "93 01 05 c0", "a request or response has 4 elements", -1},
    {"a response with text for an error", "94 01 05 a1 'x' c0",
     "the error is neither nil nor a map", -1},
    {"two messages", "94 00 05 a4 'ping' 91 80 c0", "the message is not one MessagePack value", -1},
    {"half a message", "94 00 05", "the message is not one MessagePack value", -1},
};

Test(message, bad_messages_are_refused_with_a_reason)
{
    for (size_t i = 0; i < sizeof(bad_messages) / sizeof(bad_messages[0]); i++) {
        struct bytes frame = bytes_parse(bad_messages[i].bytes);
        struct message message = {.msgid = 0};
        const char *reason = NULL;
        int has_msgid = -1;

        cr_expect_eq(message_parse(zone, frame.data, frame.length, &message, &has_msgid, &reason),
                     -EBADMSG, "%s", bad_messages[i].name);
        cr_assert_not_null(reason, "%s", bad_messages[i].name);
        cr_expect_str_eq(reason, bad_messages[i].reason, "%s: %s", bad_messages[i].name, reason);
        cr_expect_eq(has_msgid, bad_messages[i].msgid >= 0, "%s", bad_messages[i].name);
        if (has_msgid)
            cr_expect_eq(message.msgid, bad_messages[i].msgid, "%s", bad_messages[i].name);
        msgpack_zone_clear(zone);
        bytes_free(&frame);
    }
}

static struct message parse(const struct bytes *frame)
{
    struct message message = {.msgid = 0};
    const char *reason = "";
    int has_msgid = -1;

    cr_assert_eq(message_parse(zone, frame->data, frame->length, &message, &has_msgid, &reason), 0,
                 "%s", reason);
    cr_expect_eq(has_msgid, message.type != MESSAGE_NOTIFICATION);
    return message;
}

Test(message, a_request)
{
    struct bytes frame = bytes_parse("94 00 ce ffffffff a4 'ping' 91 81 a1 'k' 01");
    struct message message = parse(&frame);

    cr_expect_eq(message.type, MESSAGE_REQUEST);
    cr_expect_eq(message.msgid, UINT32_MAX);
    cr_assert_eq(message.method_length, 4);
    cr_expect_arr_eq(message.method, "ping", 4);
    cr_expect_eq(message.params.type, MSGPACK_OBJECT_MAP);
    cr_expect_eq(message.params.via.map.size, 1);
    bytes_free(&frame);
}

Test(message, no_parameters_are_an_empty_map)
{
    struct bytes frame = bytes_parse("94 00 00 a0 90");
    struct message message = parse(&frame);

    cr_expect_eq(message.method_length, 0);
    cr_expect_not_null(message.method);
    cr_expect_eq(message.params.type, MSGPACK_OBJECT_MAP);
    cr_expect_eq(message.params.via.map.size, 0);
    bytes_free(&frame);
}

Test(message, a_response_and_a_notification)
{
    struct bytes frame = bytes_parse("94 01 07 81 a4 'code' a4 'busy' c0");
    struct message message = parse(&frame);

    cr_expect_eq(message.type, MESSAGE_RESPONSE);
    cr_expect_eq(message.msgid, 7);
    cr_expect_eq(message.error.type, MSGPACK_OBJECT_MAP);
    cr_expect_eq(message.result.type, MSGPACK_OBJECT_NIL);
    bytes_free(&frame);

    frame = bytes_parse("93 02 aa 'sync.hello' 91 80");
    message = parse(&frame);
    cr_expect_eq(message.type, MESSAGE_NOTIFICATION);
    cr_expect_eq(message.method_length, 10);
    bytes_free(&frame);
}

static void expect_bytes(const msgpack_sbuffer *buffer, const char *text)
{
    struct bytes expected = bytes_parse(text);
    struct frame_scanner scanner;
    size_t length = 0;

    cr_assert_eq(buffer->size, expected.length, "%zu bytes", buffer->size);
    cr_expect_arr_eq(buffer->data, expected.data, expected.length);
    frame_scanner_init(&scanner, 4096);
    cr_expect_eq(frame_scan(&scanner, expected.data, expected.length, &length), FRAME_COMPLETE);
    bytes_free(&expected);
}

Test(message, what_is_packed)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    cr_expect_eq(message_pack_request(&buffer, 300, "ping"), 0);
    pack_map(&packer, 5);
    pack_kv_text(&packer, "t", "x");
    pack_kv_text(&packer, "z", NULL);
    pack_kv_int(&packer, "i", -3);
    pack_kv_bool(&packer, "b", 2);
    pack_kv_nil(&packer, "n");
    expect_bytes(&buffer,
                 "94 00 cd 012c a4 'ping' 91 85 a1 't' a1 'x' a1 'z' c0 a1 'i' fd a1 'b' c3 "
                 "a1 'n' c0");
    buffer.size = 0;
    cr_expect_eq(message_pack_notification(&buffer, "sync.reload"), 0);
    pack_map(&packer, 0);
    expect_bytes(&buffer, "93 02 ab 'sync.reload' 91 80");
    buffer.size = 0;
    cr_expect_eq(message_pack_result(&buffer, UINT32_MAX), 0);
    pack_array(&packer, 2);
    pack_text_n(&packer, "abc", 2);
    pack_text_n(&packer, NULL, 0);
    expect_bytes(&buffer, "94 01 ce ffffffff c0 92 a2 'ab' a0");
    buffer.size = 0;
    cr_expect_eq(message_pack_error(&buffer, 1, PROTO_ERROR_BUSY, "later", NULL, NULL), 0);
    expect_bytes(&buffer,
                 "94 01 01 83 a4 'code' a4 'busy' a7 'message' a5 'later' a4 'data' c0 c0");
    buffer.size = 0;
    cr_expect_eq(message_pack_error(&buffer, 1, PROTO_ERROR_BUSY, "later", "quota", "x"), 0);
    expect_bytes(&buffer, "94 01 01 83 a4 'code' a4 'busy' a7 'message' a5 'later' a4 'data' 81 a5 "
                          "'quota' a1 'x' c0");
    msgpack_sbuffer_destroy(&buffer);
}

Test(message, reading_maps)
{
    struct bytes frame = bytes_parse(
        "94 01 07 c0 8e a1 'i' 05 a1 'j' fd a1 'u' cf 8000000000000000 a1 'm' cf 7fffffffffffffff "
        "a1 'f' cb 4008000000000000 a1 'g' cb 3ff8000000000000 a1 'h' cb 4340000000000000 "
        "a1 'x' cb 7ff8000000000000 a1 'b' c3 a1 't' a2 'hi' a1 'e' a0 a1 'n' c0 a0 09 "
        "a1 'k' c4 01 'a'");
    struct message message = parse(&frame);
    const msgpack_object *map = &message.result;
    const char *text = NULL;
    size_t length = 99;
    int64_t number = 99;
    int flag = 99;

    cr_expect_eq(map_get_int(map, "i", &number), 1);
    cr_expect_eq(number, 5);
    cr_expect_eq(map_get_int(map, "j", &number), 1);
    cr_expect_eq(number, -3);
    cr_expect_eq(map_get_int(map, "m", &number), 1);
    cr_expect_eq(number, INT64_MAX);
    cr_expect_eq(map_get_int(map, "f", &number), 1);
    cr_expect_eq(number, 3);
    cr_expect_eq(map_get_int(map, "", &number), 1);
    cr_expect_eq(number, 9);
    cr_expect_eq(map_get_int(map, "u", &number), -EBADMSG);
    cr_expect_eq(map_get_int(map, "g", &number), -EBADMSG);
    cr_expect_eq(map_get_int(map, "h", &number), -EBADMSG);
    cr_expect_eq(map_get_int(map, "x", &number), -EBADMSG);
    cr_expect_eq(map_get_int(map, "b", &number), -EBADMSG);
    cr_expect_eq(map_get_int(map, "t", &number), -EBADMSG);
    cr_expect_eq(map_get_int(map, "n", &number), 0);
    cr_expect_eq(map_get_int(map, "missing", &number), 0);
    cr_expect_eq(number, 9, "a refused read wrote");

    cr_expect_eq(map_get_bool(map, "b", &flag), 1);
    cr_expect_eq(flag, 1);
    cr_expect_eq(map_get_bool(map, "i", &flag), -EBADMSG);
    cr_expect_eq(map_get_bool(map, "n", &flag), 0);

    cr_expect_eq(map_get_text(map, "t", &text, &length), 1);
    cr_expect_eq(length, 2);
    cr_expect_arr_eq(text, "hi", 2);
    cr_expect_eq(map_get_text(map, "e", &text, &length), 1);
    cr_expect_eq(length, 0);
    cr_expect_not_null(text);
    cr_expect_eq(map_get_text(map, "k", &text, &length), -EBADMSG);
    cr_expect_eq(map_get_text(map, "n", &text, &length), 0);

    cr_expect_null(map_find(map, "missing"));
    cr_expect_null(map_find(&message.error, "i"), "nil is no map");
    bytes_free(&frame);
}

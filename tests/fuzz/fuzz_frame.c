/*
 * What a stranger's bytes go through before anything is done with them: the scanner, in pieces of
 * a size that the input itself chooses, then the message, then the parameters. Whatever the scanner
 * passes, msgpack-c and we have to take for the same; whatever is refused, has to come with a
 * reason.
 */
#include "fuzz.h"
#include <proto/frame.h>
#include <proto/message.h>
#include <proto/methods.h>
#include <proto/unpack.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            abort();                                                                               \
    } while (0)

#define SIZE_LIMIT 65536

static void decode(const struct message *message)
{
    const char *parameter = NULL, *reason = NULL;
    struct proto_params params;
    enum proto_method method;
    int r;

    /* By its name, and by every other method's table as well. */
    if (proto_method_find(message->method, message->method_length, &method) == 0)
        REQUIRE(method < PROTO_METHOD_COUNT_);
    for (int m = 0; m < PROTO_METHOD_COUNT_; m++) {
        const struct proto_method_spec *spec = proto_method_spec((enum proto_method)m);
        r = proto_params_decode((enum proto_method)m, &message->params, &params, &parameter,
                                &reason);
        if (r == 0)
            REQUIRE((spec->needed & ~params.present) == 0 && (params.present & ~spec->known) == 0);
        else
            REQUIRE(r == PROTO_ERROR_INVALID_PARAMETER && parameter != NULL && reason != NULL);
    }
}

static void parse(msgpack_zone *zone, const uint8_t *data, size_t length)
{
    const char *reason = NULL;
    struct message message;
    msgpack_object object, own;
    size_t offset = 0;
    int has_msgid, r;

    REQUIRE(msgpack_unpack((const char *)data, length, &offset, zone, &object) ==
            MSGPACK_UNPACK_SUCCESS);
    REQUIRE(offset == length);
    REQUIRE(unpack(zone, data, length, &own) == 0 && own.type == object.type);
    r = message_parse(zone, data, length, &message, &has_msgid, &reason);
    if (r < 0)
        REQUIRE(reason != NULL);
    else if (message.type != MESSAGE_RESPONSE)
        decode(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_scanner scanner;
    msgpack_zone *zone;
    size_t start = 0, step, length;

    if (size < 1)
        return 0;
    zone = msgpack_zone_new(8192);
    REQUIRE(zone != NULL);
    step = 1u + data[0];
    data++;
    size--;
    frame_scanner_init(&scanner, SIZE_LIMIT);
    for (size_t end = step < size ? step : size; start < size;) {
        enum frame_result result = frame_scan(&scanner, data + start, end - start, &length);
        if (result == FRAME_MORE) {
            if (end == size)
                break;
            end = size - end < step ? size : end + step;
            continue;
        }
        if (result != FRAME_COMPLETE)
            break;
        REQUIRE(length > 0 && length <= end - start);
        parse(zone, data + start, length);
        msgpack_zone_clear(zone);
        start += length;
    }
    msgpack_zone_free(zone);
    return 0;
}

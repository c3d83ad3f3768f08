/*
 * See unpack.h. A container asks the zone for its elements when its header is read; there can be no
 * more of them than there are bytes left, so that nothing is allocated on a claim's word.
 */
#include <endian.h>
#include <errno.h>
#include <proto/unpack.h>
#include <string.h>

#define DEPTH_MAX 32u /* for what has not passed the frame scanner, which allows less */

struct unpacker {
    const uint8_t *at, *end;
    msgpack_zone *zone;
    unsigned depth;
};

static int unpack_value(struct unpacker *unpacker, msgpack_object *object);

static size_t left(const struct unpacker *unpacker)
{
    return (size_t)(unpacker->end - unpacker->at);
}

static uint64_t load_big_endian(const uint8_t *data, size_t size)
{
    uint64_t number = 0;
    uint32_t half;

    switch (size) {
    case 0:
        return 0;
    case 1:
        return data[0];
    case 2:
        return (uint64_t)data[0] << 8 | data[1];
    case 4:
        memcpy(&half, data, sizeof(half));
        return be32toh(half);
    default:
        memcpy(&number, data, sizeof(number));
        return be64toh(number);
    }
}

static int unpack_text(struct unpacker *unpacker, uint64_t length, msgpack_object *object)
{
    if (length > left(unpacker))
        return -EBADMSG;
    object->type = MSGPACK_OBJECT_STR;
    object->via.str.ptr = (const char *)unpacker->at;
    object->via.str.size = (uint32_t)length;
    unpacker->at += length;
    return 0;
}

static int unpack_bytes(struct unpacker *unpacker, uint64_t length, msgpack_object *object)
{
    int r = unpack_text(unpacker, length, object);

    if (r < 0)
        return r;
    object->type = MSGPACK_OBJECT_BIN;
    object->via.bin =
        (msgpack_object_bin){.size = (uint32_t)length, .ptr = (const char *)unpacker->at - length};
    return 0;
}

/* Room for so many elements of a container. */
static int unpack_room(struct unpacker *unpacker, uint64_t count, size_t size, void **ret_room)
{
    if (count > left(unpacker) || unpacker->depth == DEPTH_MAX)
        return -EBADMSG;
    *ret_room = count > 0 ? msgpack_zone_malloc(unpacker->zone, count * size) : NULL;
    return count > 0 && *ret_room == NULL ? -ENOMEM : 0;
}

static int unpack_array(struct unpacker *unpacker, uint64_t count, msgpack_object *object)
{
    void *room;
    int r = unpack_room(unpacker, count, sizeof(msgpack_object), &room);

    if (r < 0)
        return r;
    object->type = MSGPACK_OBJECT_ARRAY;
    object->via.array = (msgpack_object_array){.size = (uint32_t)count, .ptr = room};
    unpacker->depth++;
    for (uint32_t i = 0; i < count && r == 0; i++)
        r = unpack_value(unpacker, &object->via.array.ptr[i]);
    unpacker->depth--;
    return r;
}

static int unpack_map(struct unpacker *unpacker, uint64_t count, msgpack_object *object)
{
    void *room;
    int r = unpack_room(unpacker, count, sizeof(msgpack_object_kv), &room);

    if (r < 0)
        return r;
    object->type = MSGPACK_OBJECT_MAP;
    object->via.map = (msgpack_object_map){.size = (uint32_t)count, .ptr = room};
    unpacker->depth++;
    for (uint32_t i = 0; i < count && r == 0; i++) {
        r = unpack_value(unpacker, &object->via.map.ptr[i].key);
        if (r == 0)
            r = unpack_value(unpacker, &object->via.map.ptr[i].val);
    }
    unpacker->depth--;
    return r;
}

static void set_unsigned(msgpack_object *object, uint64_t number)
{
    object->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
    object->via.u64 = number;
}

static void set_signed(msgpack_object *object, int64_t number)
{
    object->type = number < 0 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    object->via.i64 = number;
}

static void set_float(msgpack_object *object, uint64_t bits)
{
    const uint32_t low = (uint32_t)bits;
    float number;

    memcpy(&number, &low, sizeof(number));
    object->type = MSGPACK_OBJECT_FLOAT32;
    object->via.f64 = (double)number;
}

static void set_double(msgpack_object *object, uint64_t bits)
{
    object->type = MSGPACK_OBJECT_FLOAT64;
    memcpy(&object->via.f64, &bits, sizeof(bits));
}

/* How many bytes of number (a value, a length or a count) follow the first bytes from 0xc0 on. */
static const uint8_t number_sizes[32] = {
    [0x04] = 1, 2, 4,             /* bytes */
    [0x0a] = 4, 8, 1, 2, 4, 8,    /* floats, unsigned */
    [0x10] = 1, 2, 4, 8,          /* signed */
    [0x19] = 1, 2, 4, 2, 4, 2, 4, /* text, arrays, maps */
};

static int unpack_tagged(struct unpacker *unpacker, uint8_t first, msgpack_object *object)
{
    const size_t size = number_sizes[first & 31];
    uint64_t number;

    if (left(unpacker) < size)
        return -EBADMSG;
    number = load_big_endian(unpacker->at, size);
    unpacker->at += size;
    switch (first) {
    case 0xc0:
        object->type = MSGPACK_OBJECT_NIL;
        return 0;
    case 0xc2:
    case 0xc3:
        object->type = MSGPACK_OBJECT_BOOLEAN;
        object->via.boolean = first == 0xc3;
        return 0;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return unpack_bytes(unpacker, number, object);
    case 0xca:
        set_float(object, number);
        return 0;
    case 0xcb:
        set_double(object, number);
        return 0;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        set_unsigned(object, number);
        return 0;
    case 0xd0:
        set_signed(object, (int8_t)number);
        return 0;
    case 0xd1:
        set_signed(object, (int16_t)number);
        return 0;
    case 0xd2:
        set_signed(object, (int32_t)number);
        return 0;
    case 0xd3:
        set_signed(object, (int64_t)number);
        return 0;
    case 0xd9:
    case 0xda:
    case 0xdb:
        return unpack_text(unpacker, number, object);
    case 0xdc:
    case 0xdd:
        return unpack_array(unpacker, number, object);
    case 0xde:
    case 0xdf:
        return unpack_map(unpacker, number, object);
    default: /* 0xc1, and extension types */
        return -EBADMSG;
    }
}

static int unpack_value(struct unpacker *unpacker, msgpack_object *object)
{
    uint8_t first;

    if (unpacker->at == unpacker->end)
        return -EBADMSG;
    first = *unpacker->at++;
    if (first < 0x80) {
        set_unsigned(object, first);
        return 0;
    }
    if (first < 0x90)
        return unpack_map(unpacker, first & 0x0f, object);
    if (first < 0xa0)
        return unpack_array(unpacker, first & 0x0f, object);
    if (first < 0xc0)
        return unpack_text(unpacker, first & 0x1f, object);
    if (first < 0xe0)
        return unpack_tagged(unpacker, first, object);
    set_signed(object, (int8_t)first);
    return 0;
}

int unpack(msgpack_zone *zone, const void *data, size_t length, msgpack_object *ret_object)
{
    struct unpacker unpacker = {.at = data, .end = (const uint8_t *)data + length, .zone = zone};
    msgpack_object object;
    int r = unpack_value(&unpacker, &object);

    if (r < 0)
        return r;
    if (unpacker.at != unpacker.end)
        return -EBADMSG;
    *ret_object = object;
    return 0;
}

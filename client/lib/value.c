/*
 * Values of replies. A creditd_value is a msgpack_object under a name that the public header can
 * have: nothing is converted, and values live as long as the bytes of their reply.
 */
#include "value.h"
#include <string.h>

static const msgpack_object *object_of(const struct creditd_value *value)
{
    return (const void *)value;
}

const struct creditd_value *value_of(const msgpack_object *object)
{
    return object && object->type != MSGPACK_OBJECT_NIL ? (const void *)object : NULL;
}

size_t text_cut(const char *text, size_t length)
{
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return length;
}

enum creditd_type creditd_value_type(const struct creditd_value *value)
{
    if (!value)
        return CREDITD_TYPE_NULL;
    switch (object_of(value)->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return CREDITD_TYPE_BOOL;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object_of(value)->via.u64 > INT64_MAX ? CREDITD_TYPE_REAL : CREDITD_TYPE_INT;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return CREDITD_TYPE_INT;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return CREDITD_TYPE_REAL;
    case MSGPACK_OBJECT_STR:
        return CREDITD_TYPE_TEXT;
    case MSGPACK_OBJECT_BIN:
        return CREDITD_TYPE_BYTES;
    case MSGPACK_OBJECT_ARRAY:
        return CREDITD_TYPE_ARRAY;
    case MSGPACK_OBJECT_MAP:
        return CREDITD_TYPE_MAP;
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_EXT:
    default:
        return CREDITD_TYPE_NULL;
    }
}

const struct creditd_value *creditd_value_get(const struct creditd_value *map, const char *key)
{
    if (creditd_value_type(map) != CREDITD_TYPE_MAP)
        return NULL;
    return value_of(map_find(object_of(map), key));
}

size_t creditd_value_count(const struct creditd_value *value)
{
    switch (creditd_value_type(value)) {
    case CREDITD_TYPE_ARRAY:
        return object_of(value)->via.array.size;
    case CREDITD_TYPE_MAP:
        return object_of(value)->via.map.size;
    case CREDITD_TYPE_NULL:
    case CREDITD_TYPE_BOOL:
    case CREDITD_TYPE_INT:
    case CREDITD_TYPE_REAL:
    case CREDITD_TYPE_TEXT:
    case CREDITD_TYPE_BYTES:
    default:
        return 0;
    }
}

const struct creditd_value *creditd_value_at(const struct creditd_value *value, size_t index)
{
    if (index >= creditd_value_count(value))
        return NULL;
    if (creditd_value_type(value) == CREDITD_TYPE_ARRAY)
        return value_of(&object_of(value)->via.array.ptr[index]);
    return value_of(&object_of(value)->via.map.ptr[index].val);
}

const struct creditd_value *creditd_value_key_at(const struct creditd_value *map, size_t index)
{
    if (creditd_value_type(map) != CREDITD_TYPE_MAP || index >= creditd_value_count(map))
        return NULL;
    return value_of(&object_of(map)->via.map.ptr[index].key);
}

int64_t creditd_value_int(const struct creditd_value *value, int64_t otherwise)
{
    return creditd_value_type(value) == CREDITD_TYPE_INT ? object_of(value)->via.i64 : otherwise;
}

double creditd_value_real(const struct creditd_value *value, double otherwise)
{
    if (creditd_value_type(value) != CREDITD_TYPE_REAL)
        return otherwise;
    if (object_of(value)->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return (double)object_of(value)->via.u64;
    return object_of(value)->via.f64;
}

bool creditd_value_bool(const struct creditd_value *value, bool otherwise)
{
    return creditd_value_type(value) == CREDITD_TYPE_BOOL ? object_of(value)->via.boolean
                                                          : otherwise;
}

const char *creditd_value_text(const struct creditd_value *value, size_t *ret_length)
{
    enum creditd_type type = creditd_value_type(value);

    /* msgpack-c leaves the pointer of an empty string unset. */
    if (type == CREDITD_TYPE_TEXT) {
        *ret_length = object_of(value)->via.str.size;
        return *ret_length > 0 ? object_of(value)->via.str.ptr : "";
    }
    if (type == CREDITD_TYPE_BYTES) {
        *ret_length = object_of(value)->via.bin.size;
        return *ret_length > 0 ? object_of(value)->via.bin.ptr : "";
    }
    return NULL;
}

bool creditd_value_copy_text(const struct creditd_value *value, char *buffer, size_t size)
{
    size_t length = 0;
    const char *text =
        creditd_value_type(value) == CREDITD_TYPE_TEXT ? creditd_value_text(value, &length) : NULL;

    if (size == 0)
        return false;
    buffer[0] = '\0';
    if (!text)
        return false;
    if (length >= size)
        length = text_cut(text, size - 1);
    memcpy(buffer, text, length);
    buffer[length] = '\0';
    return true;
}

bool creditd_value_is_text(const struct creditd_value *value, const char *expected)
{
    size_t length;
    const char *text =
        creditd_value_type(value) == CREDITD_TYPE_TEXT ? creditd_value_text(value, &length) : NULL;

    return text && length == strlen(expected) && memcmp(text, expected, length) == 0;
}

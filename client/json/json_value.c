/* See json_value.h. */
#include "json_value.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static json_t *hexadecimal(const char *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc(2 * length + 1);
    json_t *result;

    if (!text)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        text[2 * i] = digits[(unsigned char)bytes[i] >> 4];
        text[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
    }
    result = json_stringn(text, 2 * length);
    free(text);
    return result;
}

static json_t *from_text(const struct creditd_value *value)
{
    size_t length = 0;
    const char *text = creditd_value_text(value, &length);
    json_t *result = NULL;

    if (creditd_value_type(value) == CREDITD_TYPE_TEXT)
        result = json_stringn(text, length);
    /* Text that is not UTF-8 may be in a captured message. */
    return result ? result : hexadecimal(text, length);
}

static json_t *from_array(const struct creditd_value *value)
{
    json_t *array = json_array();

    for (size_t i = 0; i < creditd_value_count(value); i++)
        json_array_append_new(array, json_from_value(creditd_value_at(value, i)));
    return array;
}

static json_t *from_map(const struct creditd_value *value)
{
    json_t *object = json_object();

    for (size_t i = 0; i < creditd_value_count(value); i++) {
        json_t *key = json_from_value(creditd_value_key_at(value, i));

        if (json_is_string(key))
            json_object_set_new(object, json_string_value(key),
                                json_from_value(creditd_value_at(value, i)));
        json_decref(key);
    }
    return object;
}

json_t *json_from_value(const struct creditd_value *value)
{
    switch (creditd_value_type(value)) {
    case CREDITD_TYPE_BOOL:
        return json_boolean(creditd_value_bool(value, false));
    case CREDITD_TYPE_INT:
        return json_integer(creditd_value_int(value, 0));
    case CREDITD_TYPE_REAL:
        return isfinite(creditd_value_real(value, 0)) ? json_real(creditd_value_real(value, 0))
                                                      : json_null();
    case CREDITD_TYPE_TEXT:
    case CREDITD_TYPE_BYTES:
        return from_text(value);
    case CREDITD_TYPE_ARRAY:
        return from_array(value);
    case CREDITD_TYPE_MAP:
        return from_map(value);
    case CREDITD_TYPE_NULL:
    default:
        return json_null();
    }
}

static void put(struct creditd_map *map, const char *key, const json_t *value)
{
    size_t i;
    const json_t *element;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        creditd_map_begin_map(map, key);
        json_into_map(map, value);
        creditd_map_end(map);
        break;
    case JSON_ARRAY:
        creditd_map_begin_array(map, key);
        for (i = 0; i < json_array_size(value); i++) {
            element = json_array_get(value, i);
            put(map, NULL, element);
        }
        creditd_map_end(map);
        break;
    case JSON_STRING:
        creditd_map_text_n(map, key, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        creditd_map_int(map, key, json_integer_value(value));
        break;
    case JSON_REAL:
        creditd_map_real(map, key, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        creditd_map_bool(map, key, json_is_true(value));
        break;
    case JSON_NULL:
        creditd_map_null(map, key);
        break;
    }
}

void json_into_map(struct creditd_map *map, const json_t *object)
{
    const char *key;
    json_t *value;

    /* jansson's iterators want it mutable, and change nothing. */
    json_object_foreach((json_t *)(uintptr_t)object, key, value) put(map, key, value);
}

size_t json_encoded_bound(const json_t *value)
{
    enum { HEAD = 5, NUMBER = 9 };
    size_t size = HEAD, i;
    const char *key;
    json_t *member;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        json_object_foreach((json_t *)(uintptr_t)value, key, member) size +=
            HEAD + strlen(key) + json_encoded_bound(member);
        return size;
    case JSON_ARRAY:
        json_array_foreach(value, i, member) size += json_encoded_bound(member);
        return size;
    case JSON_STRING:
        return size + json_string_length(value);
    default:
        return NUMBER;
    }
}

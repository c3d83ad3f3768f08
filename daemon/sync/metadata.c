/* From MessagePack to JSON: see metadata.h. The depth is that of a message, which is bounded. */
#include "metadata.h"

#include <errno.h>
#include <math.h>
#include <proto/limits.h>
#include <stdlib.h>
#include <util/macros.h>

static json_t *value_json(const msgpack_object *value);

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

static json_t *array_json(const msgpack_object_array *array)
{
    CLEANUP(json_cleanup) json_t *json = json_array();

    for (uint32_t i = 0; i < array->size; i++)
        if (json_array_append_new(json, value_json(&array->ptr[i])) < 0)
            return NULL;
    return TAKE_PTR(json);
}

static json_t *map_json(const msgpack_object_map *map)
{
    CLEANUP(json_cleanup) json_t *json = json_object();

    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;

        if (key->type != MSGPACK_OBJECT_STR ||
            json_object_setn_new(json, key->via.str.ptr, key->via.str.size,
                                 value_json(&map->ptr[i].val)) < 0)
            return NULL;
    }
    return TAKE_PTR(json);
}

/* 1.0 is 1 to JavaScript. */
static json_t *number_json(double number)
{
    if (fabs(number) <= (double)PROTO_AMOUNT_MAX && trunc(number) == number)
        return json_integer((json_int_t)number);
    return json_real(number);
}

/* NULL where JSON has no such value, or memory is short. */
static json_t *value_json(const msgpack_object *value)
{
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(value->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return value->via.u64 <= INT64_MAX ? json_integer((json_int_t)value->via.u64)
                                           : json_real((double)value->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(value->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return number_json(value->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_stringn(value->via.str.ptr, value->via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        return array_json(&value->via.array);
    case MSGPACK_OBJECT_MAP:
        return map_json(&value->via.map);
    default:
        return NULL;
    }
}

/* A text as it is, all else as its JSON text. */
static json_t *flat_json(const msgpack_object *value)
{
    CLEANUP(json_cleanup) json_t *json = value_json(value);
    CLEANUP(cleanup_free) char *text = NULL;

    if (!json || json_is_string(json))
        return TAKE_PTR(json);
    text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? json_string(text) : NULL;
}

int metadata_flatten(const msgpack_object *metadata, json_t **ret_flat)
{
    CLEANUP(json_cleanup) json_t *flat = json_object();

    if (metadata->type != MSGPACK_OBJECT_MAP)
        return -EBADMSG;
    if (!flat)
        return -ENOMEM;
    for (uint32_t i = 0; i < metadata->via.map.size; i++) {
        const msgpack_object_kv *entry = &metadata->via.map.ptr[i];

        if (entry->key.type != MSGPACK_OBJECT_STR ||
            !proto_text_valid(entry->key.via.str.ptr, entry->key.via.str.size) ||
            json_object_setn_new(flat, entry->key.via.str.ptr, entry->key.via.str.size,
                                 flat_json(&entry->val)) < 0)
            return -EBADMSG;
    }
    *ret_flat = TAKE_PTR(flat);
    return 0;
}

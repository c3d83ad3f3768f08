/* From MessagePack to JSON: see json.h. The depth is that of a message, which is bounded. */
#include <math.h>
#include <proto/limits.h>
#include <util/macros.h>
#include <web/json.h>

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

static json_t *array_json(const msgpack_object_array *array)
{
    CLEANUP(json_cleanup) json_t *json = json_array();

    for (uint32_t i = 0; i < array->size; i++)
        if (json_array_append_new(json, web_json(&array->ptr[i])) < 0)
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
                                 web_json(&map->ptr[i].val)) < 0)
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

json_t *web_json(const msgpack_object *value)
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

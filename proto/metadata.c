/*
 * What metadata may be: a map that means the same to everybody who reads it, in MessagePack here
 * and in JSON upstream. So: no byte arrays, no NaN or infinity, no text that is not UTF-8, no key
 * twice at any depth, and at most PROTO_METADATA_MAX bytes in its shortest encoding.
 *
 * The recursion is bounded by PROTO_DEPTH_MAX, which the frame scanner has checked; the size is
 * counted on the way and ends the walk, so that a large message costs no more than a small one.
 */
#include "params.h"
#include <math.h>
#include <proto/limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REASON_SIZE "must be at most 4096 bytes of MessagePack"
#define REASON_KEY "must have text (UTF-8 without NUL) for keys"
#define REASON_TEXT "must hold text that is UTF-8 without NUL"
#define REASON_REPEATED "must not have the same key twice"
#define REASON_NUMBER "must not hold NaN or an infinite number"
#define REASON_VALUE "must hold only nil, booleans, numbers, text, arrays and maps"

_Static_assert(PROTO_METADATA_MAX == 4096, "REASON_SIZE says so");

/* Up to so many keys are compared each with each. */
#define FEW_KEYS 16u
/* A key and its value are two bytes at the least. */
#define KEYS_MAX (PROTO_METADATA_MAX / 2)

static const char *check_value(const msgpack_object *value, size_t *size);

static size_t integer_size(const msgpack_object *value)
{
    uint64_t reach = value->via.u64;

    /* Negative n needs the bits of ~n and a sign; -32 to -1 are one byte. */
    if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        reach = ~reach;
        return reach < 32 ? 1 : reach < 128 ? 2 : reach < 32768 ? 3 : reach < 2147483648u ? 5 : 9;
    }
    return reach < 128 ? 1 : reach < 256 ? 2 : reach < 65536 ? 3 : reach <= UINT32_MAX ? 5 : 9;
}

static size_t text_size(uint32_t length)
{
    return (length < 32 ? 1u : length < 256 ? 2u : length < 65536 ? 3u : 5u) + (size_t)length;
}

static size_t container_size(uint32_t count)
{
    return count < 16 ? 1 : count < 65536 ? 3 : 5;
}

/* Orders keys by length, then bytes: any order in which equal ones are neighbours. */
static int compare_keys(const void *a, const void *b)
{
    const msgpack_object_str *left = &(*(const msgpack_object_kv *const *)a)->key.via.str;
    const msgpack_object_str *right = &(*(const msgpack_object_kv *const *)b)->key.via.str;

    if (left->size != right->size)
        return left->size < right->size ? -1 : 1;
    return left->size == 0 ? 0 : memcmp(left->ptr, right->ptr, left->size);
}

static int repeats_among_few(const msgpack_object_map *map)
{
    for (uint32_t i = 1; i < map->size; i++)
        for (uint32_t j = 0; j < i; j++) {
            const msgpack_object_kv *left = &map->ptr[i], *right = &map->ptr[j];
            if (compare_keys(&left, &right) == 0)
                return 1;
        }
    return 0;
}

/* Sorted, so that a map of many keys costs no more than its size allows for. */
static int repeats_among_many(const msgpack_object_map *map)
{
    const msgpack_object_kv *entries[KEYS_MAX];

    for (uint32_t i = 0; i < map->size; i++)
        entries[i] = &map->ptr[i];
    qsort(entries, map->size, sizeof(entries[0]), compare_keys);
    for (uint32_t i = 1; i < map->size; i++)
        if (compare_keys(&entries[i - 1], &entries[i]) == 0)
            return 1;
    return 0;
}

static const char *grow(size_t *size, size_t more)
{
    *size += more;
    return *size > PROTO_METADATA_MAX ? REASON_SIZE : NULL;
}

static const char *check_text(const msgpack_object *text, size_t *size, const char *reason)
{
    const char *wrong = grow(size, text_size(text->via.str.size));

    if (wrong != NULL)
        return wrong;
    return proto_text_valid(text->via.str.ptr, text->via.str.size) ? NULL : reason;
}

static const char *check_map(const msgpack_object_map *map, size_t *size)
{
    const char *wrong = grow(size, container_size(map->size));

    for (uint32_t i = 0; i < map->size && wrong == NULL; i++) {
        if (map->ptr[i].key.type != MSGPACK_OBJECT_STR)
            return REASON_KEY;
        wrong = check_text(&map->ptr[i].key, size, REASON_KEY);
        if (wrong == NULL)
            wrong = check_value(&map->ptr[i].val, size);
    }
    if (wrong != NULL)
        return wrong;
    /* The size has been checked: there are at most KEYS_MAX. */
    if (map->size <= FEW_KEYS ? repeats_among_few(map) : repeats_among_many(map))
        return REASON_REPEATED;
    return NULL;
}

static const char *check_array(const msgpack_object_array *array, size_t *size)
{
    const char *wrong = grow(size, container_size(array->size));

    for (uint32_t i = 0; i < array->size && wrong == NULL; i++)
        wrong = check_value(&array->ptr[i], size);
    return wrong;
}

static const char *check_value(const msgpack_object *value, size_t *size)
{
    switch (value->type) {
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_BOOLEAN:
        return grow(size, 1);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return grow(size, integer_size(value));
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        if (!isfinite(value->via.f64))
            return REASON_NUMBER;
        return grow(size, value->type == MSGPACK_OBJECT_FLOAT32 ? 5 : 9);
    case MSGPACK_OBJECT_STR:
        return check_text(value, size, REASON_TEXT);
    case MSGPACK_OBJECT_ARRAY:
        return check_array(&value->via.array, size);
    case MSGPACK_OBJECT_MAP:
        return check_map(&value->via.map, size);
    default:
        return REASON_VALUE;
    }
}

const char *metadata_check(const msgpack_object *metadata)
{
    size_t size = 0;

    if (metadata->type != MSGPACK_OBJECT_MAP)
        return "must be a map";
    return check_map(&metadata->via.map, &size);
}

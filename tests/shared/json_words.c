/* See json_words.h. */
#include "json_words.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pack_bytes(msgpack_packer *packer, const char *digits, size_t count)
{
    cr_assert_eq(count % 2, 0, "bin:%s", digits);
    msgpack_pack_bin(packer, count / 2);
    for (size_t i = 0; i < count; i += 2) {
        unsigned byte;
        char pair[3] = {digits[i], digits[i + 1], '\0'};

        cr_assert(sscanf(pair, "%2x", &byte) == 1 && strspn(pair, "0123456789abcdef") == 2,
                  "bin:%s", digits);
        msgpack_pack_bin_body(packer, &(uint8_t){(uint8_t)byte}, 1);
    }
}

static void pack_text(msgpack_packer *packer, const char *text, size_t length)
{
    if (strncmp(text, "bin:", 4) == 0) {
        pack_bytes(packer, text + 4, length - 4);
        return;
    }
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
}

void json_words_pack(msgpack_packer *packer, const json_t *value)
{
    const char *key;
    json_t *member;
    size_t index;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        msgpack_pack_map(packer, json_object_size(value));
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            msgpack_pack_str(packer, strlen(key));
            msgpack_pack_str_body(packer, key, strlen(key));
            json_words_pack(packer, member);
        }
        break;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(value));
        json_array_foreach(value, index, member) json_words_pack(packer, member);
        break;
    case JSON_STRING:
        pack_text(packer, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        msgpack_pack_int64(packer, json_integer_value(value));
        break;
    case JSON_REAL:
        msgpack_pack_double(packer, json_real_value(value));
        break;
    case JSON_TRUE:
        msgpack_pack_true(packer);
        break;
    case JSON_FALSE:
        msgpack_pack_false(packer);
        break;
    case JSON_NULL:
        msgpack_pack_nil(packer);
        break;
    }
}

static json_t *json_of_bytes(const msgpack_object_bin *bin)
{
    char *text = calloc(1, sizeof("bin:") + 2 * (size_t)bin->size), *end;
    json_t *result;

    cr_assert_not_null(text);
    end = stpcpy(text, "bin:");
    for (uint32_t i = 0; i < bin->size; i++)
        end += sprintf(end, "%02x", (unsigned char)bin->ptr[i]);
    result = json_string(text);
    free(text);
    return result;
}

static json_t *json_of_map(const msgpack_object_map *map)
{
    json_t *result = json_object();

    for (uint32_t i = 0; i < map->size; i++) {
        const msgpack_object *key = &map->ptr[i].key;
        char name[256];

        cr_assert_eq(key->type, MSGPACK_OBJECT_STR);
        cr_assert_lt(key->via.str.size, sizeof(name));
        memcpy(name, key->via.str.ptr, key->via.str.size);
        name[key->via.str.size] = '\0';
        cr_assert_null(json_object_get(result, name), "%s is there twice", name);
        json_object_set_new(result, name, json_words_of(&map->ptr[i].val));
    }
    return result;
}

json_t *json_words_of(const msgpack_object *object)
{
    json_t *array;

    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return json_integer((json_int_t)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_stringn(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return json_of_bytes(&object->via.bin);
    case MSGPACK_OBJECT_ARRAY:
        array = json_array();
        for (uint32_t i = 0; i < object->via.array.size; i++)
            json_array_append_new(array, json_words_of(&object->via.array.ptr[i]));
        return array;
    case MSGPACK_OBJECT_MAP:
        return json_of_map(&object->via.map);
    default:
        cr_assert_fail("an extension type");
        return NULL;
    }
}

void json_words_init(struct json_words *words, const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    msgpack_packer packer;
    size_t offset = 0;

    cr_assert_not_null(value, "%s", text);
    msgpack_sbuffer_init(&words->buffer);
    msgpack_zone_init(&words->zone, 1024);
    msgpack_packer_init(&packer, &words->buffer, msgpack_sbuffer_write);
    json_words_pack(&packer, value);
    json_decref(value);
    cr_assert_eq(msgpack_unpack(words->buffer.data, words->buffer.size, &offset, &words->zone,
                                &words->object),
                 MSGPACK_UNPACK_SUCCESS);
}

void json_words_deinit(struct json_words *words)
{
    msgpack_zone_destroy(&words->zone);
    msgpack_sbuffer_destroy(&words->buffer);
}

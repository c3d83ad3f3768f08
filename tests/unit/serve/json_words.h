/*
 * For tables: an answer of the internal channel, written as JSON. "hex:…" stands for bytes.
 */
#pragma once

#include <criterion/criterion.h>
#include <jansson.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>

struct json_words {
    msgpack_zone zone;
    msgpack_sbuffer buffer;
    msgpack_object object;
};

static void json_words_pack_text(msgpack_packer *packer, const char *text)
{
    size_t length = strlen(text);

    if (strncmp(text, "hex:", 4) != 0) {
        msgpack_pack_str(packer, length);
        msgpack_pack_str_body(packer, text, length);
        return;
    }
    msgpack_pack_bin(packer, (length - 4) / 2);
    for (size_t i = 4; i + 1 < length; i += 2) {
        unsigned byte;

        cr_assert_eq(sscanf(text + i, "%2x", &byte), 1);
        msgpack_pack_bin_body(packer, &(uint8_t){(uint8_t)byte}, 1);
    }
}

static void json_words_pack(msgpack_packer *packer, const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        msgpack_pack_map(packer, json_object_size(value));
        json_object_foreach((json_t *)value, key, member)
        {
            json_words_pack_text(packer, key);
            json_words_pack(packer, member);
        }
        break;
    case JSON_ARRAY:
        msgpack_pack_array(packer, json_array_size(value));
        json_array_foreach(value, i, member) json_words_pack(packer, member);
        break;
    case JSON_STRING:
        json_words_pack_text(packer, json_string_value(value));
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

static void json_words_init(struct json_words *words, const char *text)
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

static void json_words_deinit(struct json_words *words)
{
    msgpack_zone_destroy(&words->zone);
    msgpack_sbuffer_destroy(&words->buffer);
}

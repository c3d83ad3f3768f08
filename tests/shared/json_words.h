/*
 * MessagePack as JSON and back, so that tests and their tables read like transcripts. "bin:HEX"
 * stands for bytes.
 *
 * With msgpack-c itself and not with the code under test; slow and simple on purpose. What cannot
 * be written as JSON fails the test.
 */
#pragma once

#include <jansson.h>
#include <msgpack.h>

void json_words_pack(msgpack_packer *packer, const json_t *value);
/* The caller owns the answer. */
json_t *json_words_of(const msgpack_object *object);

/* A JSON text as one packed object. */
struct json_words {
    msgpack_zone zone;
    msgpack_sbuffer buffer; /* its bytes; texts of `object` point there */
    msgpack_object object;
};

void json_words_init(struct json_words *words, const char *text);
void json_words_deinit(struct json_words *words);

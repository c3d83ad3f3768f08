/* What came in a message, as JSON. */
#pragma once

#include <jansson.h>
#include <msgpack.h>

/* NULL where JSON has no such value (a key that is no text, bytes, a text that is not UTF-8), or
 * memory is short. The caller owns the answer. A float without a fraction becomes an integer, as it
 * is to JavaScript. */
json_t *web_json(const msgpack_object *value);

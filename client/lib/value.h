/* Values: see value.c. */
#pragma once

#include <creditd.h>
#include <proto/message.h>

/* NULL for nil, as the public functions take it. */
const struct creditd_value *value_of(const msgpack_object *object);
/* At most so many of the text's bytes, which has more, without cutting a character: the bytes that
 * follow its first are 10xxxxxx. */
size_t text_cut(const char *text, size_t length);

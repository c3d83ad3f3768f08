/* Values: see value.c. */
#pragma once

#include <creditd.h>
#include <proto/message.h>

/* NULL for nil, as the public functions take it. */
const struct creditd_value *value_of(const msgpack_object *object);

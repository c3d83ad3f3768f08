/* Between methods.c, params.c and metadata.c. */
#pragma once

#include <msgpack.h>
#include <stddef.h>

/* The enum proto_parameter of that name, or -1. */
int parameter_find(const char *name, size_t length);
/* NULL, or a literal that says what is wrong. */
const char *metadata_check(const msgpack_object *metadata);

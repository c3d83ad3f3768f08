/*
 * Our unpacking held against msgpack-c's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether both take the bytes for one whole value, and the same one. */
bool unpacks_as_msgpack(const void *data, size_t length);

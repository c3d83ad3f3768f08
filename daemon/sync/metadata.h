/*
 * Metadata on its way upstream: StellarTools knows texts only, so any other value goes as the JSON
 * text of it, as the adapter does.
 */
#pragma once

#include <jansson.h>
#include <msgpack.h>

/* `metadata` is a map; *ret_flat is an object whose values are texts. 0, -ENOMEM, or -EBADMSG where
 * it has a key that is no text, or a value that JSON does not have. */
int metadata_flatten(const msgpack_object *metadata, json_t **ret_flat);

/*
 * StellarTools' objects, passed on whole: fields that we do not know are kept. What is narrowed is
 * the spelling of the top level's names (camelCase of older servers becomes snake_case), numbers
 * (integral ones are integers), and what a message can carry: depth and size.
 */
#pragma once

#include <jansson.h>
#include <msgpack.h>
#include <proto/limits.h>

/* Around an object there are the message, its result, the member, a list's rows; and serve wraps it
 * once or twice more. */
#define OBJECT_DEPTH_MAX (PROTO_DEPTH_MAX - 6u)
#define OBJECT_SIZE_MAX (64u * 1024u)
/* Of all rows of a list: the rest of a message of PROTO_MESSAGE_SIZE_DEFAULT is the answer's. */
#define OBJECT_ROWS_SIZE_MAX (PROTO_MESSAGE_SIZE_DEFAULT - 64u * 1024u)

/* Appends the object. 0, -ENOMEM, or -EBADMSG where it is too deep, too large, or holds what no
 * message may (NUL in a text): what was appended is then the caller's to drop. */
int object_pack(const json_t *object, msgpack_sbuffer *buffer);

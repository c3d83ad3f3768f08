/*
 * What a value on the wire may be. Both ends use these: the library refuses early, the daemon
 * refuses always.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTO_MESSAGE_SIZE_DEFAULT (1024u * 1024u)
#define PROTO_DEPTH_MAX 16u
#define PROTO_IN_FLIGHT_DEFAULT 1024u
#define PROTO_ID_MAX 128u                         /* bytes of an id */
#define PROTO_KEY_MAX 255u                        /* bytes of an idempotency key */
#define PROTO_TEXT_MAX 1024u                      /* bytes of a name, an email, a reason */
#define PROTO_METADATA_MAX 4096u                  /* bytes of metadata, as encoded msgpack */
#define PROTO_AMOUNT_MAX ((INT64_C(1) << 53) - 1) /* upstream's numbers are doubles */
#define PROTO_BODY_MAX (512u * 1024u)             /* bytes of a webhook's body */
#define PROTO_FILTERS_MAX 32u                     /* filters of one subscription */
#define PROTO_CLIENT_ID_SIZE 16u                  /* bytes: see struct proto_stamp */

/* 1 to 128 of A-Z a-z 0-9 _ - . and neither "." nor "..": ids go into URLs and file names. */
bool proto_id_valid(const char *id, size_t length);
/* Well-formed UTF-8 without NUL. */
bool proto_text_valid(const char *text, size_t length);

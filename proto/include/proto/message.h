/*
 * MessagePack-RPC messages: request [0, msgid, method, [params]], response [1, msgid, error,
 * result], notification [2, method, [params]]; params is one map.
 * https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md
 */
#pragma once

#include <msgpack.h>
#include <proto/errors.h>
#include <proto/pack.h>
#include <stddef.h>
#include <stdint.h>

enum message_type { MESSAGE_REQUEST = 0, MESSAGE_RESPONSE = 1, MESSAGE_NOTIFICATION = 2 };

struct message {
    enum message_type type;
    uint32_t msgid;     /* not for notifications */
    const char *method; /* not NUL-terminated; points into the parsed bytes */
    size_t method_length;
    msgpack_object params; /* a map (an empty one where [] was sent) */
    msgpack_object error;  /* nil or a map */
    msgpack_object result;
};

/* Parses one whole frame. `zone` owns what the objects point to besides `data`; clear it between
 * messages. 0, -ENOMEM, or -EBADMSG with *ret_reason naming what is wrong (a literal).
 * *ret_message->msgid is set whenever it could be read, so that an error answer can be sent;
 * otherwise `*ret_has_msgid` is 0. */
int message_parse(msgpack_zone *zone, const void *data, size_t length, struct message *ret_message,
                  int *ret_has_msgid, const char **ret_reason);

/* Packers: append to the buffer whole or fail with -ENOMEM. After request/notification the caller
 * packs the map of parameters; after response_result the result. */
int message_pack_request(msgpack_sbuffer *buffer, uint32_t msgid, const char *method);
int message_pack_notification(msgpack_sbuffer *buffer, const char *method);
int message_pack_result(msgpack_sbuffer *buffer, uint32_t msgid);
/* A whole error response. `data_key`/`data_value` make data {key: value}; both NULL for
 * no data. */
int message_pack_error(msgpack_sbuffer *buffer, uint32_t msgid, enum proto_error error,
                       const char *text, const char *data_key, const char *data_value);

/* For reading maps: NULL where the key is missing. */
const msgpack_object *map_find(const msgpack_object *map, const char *key);
/* Typed reads: 1 if there and of that type, 0 if missing or nil, -EBADMSG if of another type.
 * Integers also take floats without a fraction. */
int map_get_int(const msgpack_object *map, const char *key, int64_t *ret_value);
int map_get_bool(const msgpack_object *map, const char *key, int *ret_value);
int map_get_text(const msgpack_object *map, const char *key, const char **ret_text,
                 size_t *ret_length);

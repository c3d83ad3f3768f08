/*
 * Messages on top of msgpack-c. Parsing copies nothing: the objects point into the frame's bytes
 * and the caller's zone. Packing appends to a buffer that may already hold other messages, so that
 * what cannot be appended whole is taken off again.
 */
#include <errno.h>
#include <proto/message.h>
#include <proto/unpack.h>
#include <string.h>

/* msgpack-c leaves the pointer of an empty string unset. */
static const char *string_bytes(const msgpack_object *object)
{
    return object->via.str.size > 0 ? object->via.str.ptr : "";
}

static int is_u32(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= UINT32_MAX;
}

static int bad(const char **ret_reason, const char *reason)
{
    *ret_reason = reason;
    return -EBADMSG;
}

static int parse_call(struct message *message, const msgpack_object *method,
                      const msgpack_object *params, const char **ret_reason)
{
    static const msgpack_object no_params = {.type = MSGPACK_OBJECT_MAP};

    if (method->type != MSGPACK_OBJECT_STR)
        return bad(ret_reason, "the method is not text");
    if (params->type != MSGPACK_OBJECT_ARRAY || params->via.array.size > 1)
        return bad(ret_reason, "the parameters are not an array of one map");
    message->method = string_bytes(method);
    message->method_length = method->via.str.size;
    message->params = params->via.array.size == 1 ? params->via.array.ptr[0] : no_params;
    if (message->params.type != MSGPACK_OBJECT_MAP)
        return bad(ret_reason, "the parameters are not an array of one map");
    return 0;
}

static int parse_response(struct message *message, const msgpack_object *fields,
                          const char **ret_reason)
{
    if (fields[2].type != MSGPACK_OBJECT_NIL && fields[2].type != MSGPACK_OBJECT_MAP)
        return bad(ret_reason, "the error is neither nil nor a map");
    message->error = fields[2];
    message->result = fields[3];
    return 0;
}

/* `message` is the caller's working copy: half-filled when this fails. */
static int parse_fields(const msgpack_object *root, struct message *message, int *ret_has_msgid,
                        const char **ret_reason)
{
    const msgpack_object *fields = root->via.array.ptr;
    uint32_t count = root->via.array.size;

    if (count < 3 || fields[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER || fields[0].via.u64 > 2)
        return bad(ret_reason, "the message is no request, response or notification");
    message->type = (enum message_type)fields[0].via.u64;
    if (message->type == MESSAGE_NOTIFICATION) {
        if (count != 3)
            return bad(ret_reason, "a notification has 3 elements");
        return parse_call(message, &fields[1], &fields[2], ret_reason);
    }
    if (!is_u32(&fields[1]))
        return bad(ret_reason, "the message id is not an integer from 0 to 4294967295");
    message->msgid = (uint32_t)fields[1].via.u64;
    /* Nobody answers a response. */
    *ret_has_msgid = message->type == MESSAGE_REQUEST;
    if (count != 4)
        return bad(ret_reason, "a request or response has 4 elements");
    if (message->type == MESSAGE_REQUEST)
        return parse_call(message, &fields[2], &fields[3], ret_reason);
    return parse_response(message, fields, ret_reason);
}

int message_parse(msgpack_zone *zone, const void *data, size_t length, struct message *ret_message,
                  int *ret_has_msgid, const char **ret_reason)
{
    const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
    struct message message = {.type = MESSAGE_REQUEST, .params = nil, .error = nil, .result = nil};
    msgpack_object root;
    int r;

    *ret_has_msgid = 0;
    r = unpack(zone, data, length, &root);
    if (r == -EBADMSG)
        return bad(ret_reason, "the message is not one MessagePack value");
    if (r < 0)
        return r;
    if (root.type != MSGPACK_OBJECT_ARRAY)
        return bad(ret_reason, "the message is not an array");
    r = parse_fields(&root, &message, ret_has_msgid, ret_reason);
    if (r < 0) {
        ret_message->msgid = message.msgid;
        return r;
    }
    if (message.type == MESSAGE_RESPONSE)
        *ret_has_msgid = 1;
    *ret_message = message;
    return 0;
}

/* Ends a packing function: takes off again what was appended if some of it did not go in. */
static int pack_end(const msgpack_packer *packer, msgpack_sbuffer *buffer, size_t size)
{
    if (!pack_failed(packer))
        return 0;
    buffer->size = size;
    return -ENOMEM;
}

int message_pack_request(msgpack_sbuffer *buffer, uint32_t msgid, const char *method)
{
    size_t size = buffer->size;
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    pack_array(&packer, 4);
    pack_int(&packer, MESSAGE_REQUEST);
    pack_int(&packer, msgid);
    pack_text(&packer, method);
    pack_array(&packer, 1);
    return pack_end(&packer, buffer, size);
}

int message_pack_notification(msgpack_sbuffer *buffer, const char *method)
{
    size_t size = buffer->size;
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    pack_array(&packer, 3);
    pack_int(&packer, MESSAGE_NOTIFICATION);
    pack_text(&packer, method);
    pack_array(&packer, 1);
    return pack_end(&packer, buffer, size);
}

int message_pack_result(msgpack_sbuffer *buffer, uint32_t msgid)
{
    size_t size = buffer->size;
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    pack_array(&packer, 4);
    pack_int(&packer, MESSAGE_RESPONSE);
    pack_int(&packer, msgid);
    pack_text(&packer, NULL);
    return pack_end(&packer, buffer, size);
}

int message_pack_error(msgpack_sbuffer *buffer, uint32_t msgid, enum proto_error error,
                       const char *text, const char *data_key, const char *data_value)
{
    size_t size = buffer->size;
    msgpack_packer packer;

    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    pack_array(&packer, 4);
    pack_int(&packer, MESSAGE_RESPONSE);
    pack_int(&packer, msgid);
    pack_map(&packer, 3);
    pack_kv_text(&packer, "code", proto_error_code(error));
    pack_kv_text(&packer, "message", text);
    if (data_key != NULL) {
        pack_key(&packer, "data");
        pack_map(&packer, 1);
        pack_kv_text(&packer, data_key, data_value);
    } else {
        pack_kv_nil(&packer, "data");
    }
    pack_text(&packer, NULL);
    return pack_end(&packer, buffer, size);
}

const msgpack_object *map_find(const msgpack_object *map, const char *key)
{
    size_t length = strlen(key);

    if (map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *entry = &map->via.map.ptr[i];
        if (entry->key.type == MSGPACK_OBJECT_STR && entry->key.via.str.size == length &&
            memcmp(string_bytes(&entry->key), key, length) == 0)
            return &entry->val;
    }
    return NULL;
}

static const msgpack_object *map_find_value(const msgpack_object *map, const char *key)
{
    const msgpack_object *value = map_find(map, key);

    return value == NULL || value->type == MSGPACK_OBJECT_NIL ? NULL : value;
}

/* A double is exact below 2^53; NaN and the infinities fail the comparison. */
static int float_to_int(double value, int64_t *ret_value)
{
    if (!(value > -9007199254740992.0 && value < 9007199254740992.0))
        return -EBADMSG;
    if ((double)(int64_t)value != value)
        return -EBADMSG;
    *ret_value = (int64_t)value;
    return 1;
}

int map_get_int(const msgpack_object *map, const char *key, int64_t *ret_value)
{
    const msgpack_object *value = map_find_value(map, key);

    if (value == NULL)
        return 0;
    switch (value->type) {
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        if (value->via.u64 > INT64_MAX)
            return -EBADMSG;
        *ret_value = (int64_t)value->via.u64;
        return 1;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *ret_value = value->via.i64;
        return 1;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return float_to_int(value->via.f64, ret_value);
    default:
        return -EBADMSG;
    }
}

int map_get_bool(const msgpack_object *map, const char *key, int *ret_value)
{
    const msgpack_object *value = map_find_value(map, key);

    if (value == NULL)
        return 0;
    if (value->type != MSGPACK_OBJECT_BOOLEAN)
        return -EBADMSG;
    *ret_value = value->via.boolean;
    return 1;
}

int map_get_text(const msgpack_object *map, const char *key, const char **ret_text,
                 size_t *ret_length)
{
    const msgpack_object *value = map_find_value(map, key);

    if (value == NULL)
        return 0;
    if (value->type != MSGPACK_OBJECT_STR)
        return -EBADMSG;
    *ret_text = string_bytes(value);
    *ret_length = value->via.str.size;
    return 1;
}

/* See webhook.h. */
#include "webhook.h"
#include "fields.h"
#include "objects.h"

#include <errno.h>
#include <proto/limits.h>
#include <proto/message.h>
#include <string.h>
#include <util/macros.h>
#include <web/signature.h>

#define TYPE_MAX 128
#define SECONDS_MOST INT64_C(100000000000) /* what is more is in milliseconds: the year 5138 */

struct span {
    const char *data;
    size_t length;
};

static int span_get(const msgpack_object *params, const char *key, size_t most,
                    struct span *ret_span)
{
    const msgpack_object *value = map_find(params, key);

    if (value && value->type == MSGPACK_OBJECT_STR)
        *ret_span = (struct span){value->via.str.ptr, value->via.str.size};
    else if (value && value->type == MSGPACK_OBJECT_BIN)
        *ret_span = (struct span){value->via.bin.ptr, value->via.bin.size};
    else
        return -EBADMSG;
    return ret_span->length > 0 && ret_span->length <= most ? 0 : -EBADMSG;
}

static int answer_plain(msgpack_sbuffer *answer, const char *verdict, const char *message)
{
    msgpack_packer packer;

    msgpack_packer_init(&packer, answer, msgpack_sbuffer_write);
    pack_map(&packer, 2);
    pack_kv_text(&packer, "verdict", verdict);
    pack_kv_text(&packer, "message", message);
    return pack_failed(&packer) ? -ENOMEM : 0;
}

/* Seconds, milliseconds, or a date: versions differ. 0: none of them. */
static int64_t created_of(const json_t *root)
{
    int64_t number = 0;

    if (field_int(root, "created", &number) == 1 && number > 0)
        return number < SECONDS_MOST ? number * 1000 : number;
    if (field_time(root, "created", &number) == 1)
        return number;
    return 0;
}

/* What no message could carry is not there. */
static int pack_member(msgpack_packer *packer, msgpack_sbuffer *answer, const json_t *value,
                       bool needs_id)
{
    size_t before = answer->size;
    const char *id;
    int r = -EBADMSG;

    if (json_is_object(value) &&
        (!needs_id || (field_text(value, "id", &id) == 1 && proto_id_valid(id, strlen(id)))))
        r = object_pack(value, answer);
    if (r == -EBADMSG) {
        answer->size = before;
        pack_nil(packer);
    }
    return r == -ENOMEM ? r : 0;
}

static int answer_valid(const json_t *root, const char *id, const char *type,
                        msgpack_sbuffer *answer)
{
    const json_t *data = json_object_get(root, "data");
    bool livemode;
    msgpack_packer packer;
    int r;

    msgpack_packer_init(&packer, answer, msgpack_sbuffer_write);
    pack_map(&packer, 8);
    pack_kv_text(&packer, "verdict", "valid");
    pack_kv_nil(&packer, "message");
    pack_kv_text(&packer, "id", id);
    pack_kv_text(&packer, "type", type);
    pack_kv_int(&packer, "created", created_of(root));
    if (field_bool(root, "livemode", &livemode) == 1)
        pack_kv_bool(&packer, "livemode", livemode);
    else /* not every version says */
        pack_kv_nil(&packer, "livemode");
    pack_key(&packer, "object");
    r = pack_member(&packer, answer, json_object_get(data, "object"), true);
    pack_key(&packer, "previous_attributes");
    if (r == 0)
        r = pack_member(&packer, answer, field_find(data, "previous_attributes"), false);
    return r < 0 || pack_failed(&packer) ? -ENOMEM : 0;
}

static void json_cleanup(json_t **value)
{
    json_decref(*value);
}

static int answer_body(struct span body, msgpack_sbuffer *answer)
{
    CLEANUP(json_cleanup) json_t *root = fields_parse(body.data, body.length);
    const char *id = NULL, *type = NULL;

    if (!json_is_object(root))
        return answer_plain(answer, "malformed", "the body is no JSON object");
    if (field_text(root, "id", &id) != 1 || !proto_id_valid(id, strlen(id)))
        return answer_plain(answer, "malformed", "the body has no id that could be one");
    if (field_text(root, "type", &type) != 1 || *type == '\0' || strlen(type) > TYPE_MAX)
        return answer_plain(answer, "malformed", "the body has no type");
    if (!json_is_object(json_object_get(root, "data")))
        return answer_plain(answer, "malformed", "the body has no data");
    return answer_valid(root, id, type, answer);
}

int webhook_verify(const msgpack_object *params, const struct settings *settings, int64_t now,
                   msgpack_sbuffer *answer, const char **ret_parameter)
{
    struct span body, signature;
    int r;

    *ret_parameter = "body";
    if (span_get(params, "body", PROTO_BODY_MAX, &body) < 0)
        return -EBADMSG;
    *ret_parameter = "signature";
    if (span_get(params, "signature", PROTO_TEXT_MAX, &signature) < 0)
        return -EBADMSG;
    if (!settings->webhook.secret)
        return answer_plain(answer, "unavailable",
                            settings->webhook.problem[0] != '\0'
                                ? settings->webhook.problem
                                : "no webhook secret is configured ([stellartools] "
                                  "webhook_secret_file)");
    r = signature_check(settings->webhook.secret, signature.data, signature.length, body.data,
                        body.length, now / 1000);
    if (r < 0)
        return r == -ENOMEM ? r
                            : answer_plain(answer, "unavailable",
                                           "the webhook secret is empty ([stellartools] "
                                           "webhook_secret_file)");
    if (r != SIGNATURE_VALID)
        return answer_plain(answer, "invalid", signature_verdict_text((enum signature_verdict)r));
    return answer_body(body, answer);
}

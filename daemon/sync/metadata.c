/* Metadata as StellarTools takes it: see metadata.h. */
#include "metadata.h"

#include <errno.h>
#include <proto/limits.h>
#include <stdlib.h>
#include <util/macros.h>
#include <web/json.h>

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

/* A text as it is, all else as its JSON text. */
static json_t *flat_json(const msgpack_object *value)
{
    CLEANUP(json_cleanup) json_t *json = web_json(value);
    CLEANUP(cleanup_free) char *text = NULL;

    if (!json || json_is_string(json))
        return TAKE_PTR(json);
    text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    return text ? json_string(text) : NULL;
}

int metadata_flatten(const msgpack_object *metadata, json_t **ret_flat)
{
    CLEANUP(json_cleanup) json_t *flat = json_object();

    if (metadata->type != MSGPACK_OBJECT_MAP)
        return -EBADMSG;
    if (!flat)
        return -ENOMEM;
    for (uint32_t i = 0; i < metadata->via.map.size; i++) {
        const msgpack_object_kv *entry = &metadata->via.map.ptr[i];

        if (entry->key.type != MSGPACK_OBJECT_STR ||
            !proto_text_valid(entry->key.via.str.ptr, entry->key.via.str.size) ||
            json_object_setn_new(flat, entry->key.via.str.ptr, entry->key.via.str.size,
                                 flat_json(&entry->val)) < 0)
            return -EBADMSG;
    }
    *ret_flat = TAKE_PTR(flat);
    return 0;
}

/*
 * Objects of StellarTools, and lists of them. They are passed on whole, so that a field which
 * StellarTools adds is there for the application before anybody here has heard of it.
 */
#include "object.h"
#include "typed.h"
#include "value.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct owner {
    msgpack_zone zone;
    uint8_t frame[];
};

struct owner *owner_free(struct owner *owner)
{
    if (owner)
        msgpack_zone_destroy(&owner->zone);
    free(owner);
    return NULL;
}

int owner_new(const struct creditd_reply *reply, struct owner **ret_owner,
              struct message *ret_message)
{
    struct owner *owner = malloc(sizeof *owner + reply->length);
    const char *reason;
    int has_msgid, r;

    if (!owner)
        return -ENOMEM;
    if (!msgpack_zone_init(&owner->zone, MSGPACK_ZONE_CHUNK_SIZE)) {
        free(owner);
        return -ENOMEM;
    }
    memcpy(owner->frame, reply->frame, reply->length);
    r = message_parse(&owner->zone, owner->frame, reply->length, ret_message, &has_msgid, &reason);
    if (r < 0) {
        owner_free(owner);
        return r;
    }
    *ret_owner = owner;
    return 0;
}

/* What creditd says of when it was heard; an object need not say it. */
struct freshness {
    int64_t synced_at;
    bool stale;
};

static const struct field freshness_fields[] = {
    FIELD_OPTIONAL(INT, struct freshness, synced_at),
    FIELD_OPTIONAL(BOOL, struct freshness, stale),
};

/* An id that no application of ours could pass on is none. */
static void copy_id(const msgpack_object *map, char id[CREDITD_ID_SIZE])
{
    const char *text;
    size_t length;

    if (map_get_text(map, "id", &text, &length) > 0 && proto_id_valid(text, length))
        memcpy(id, text, length);
}

static int fill_object(const msgpack_object *result, struct owner *owner,
                       struct creditd_object *ret_object)
{
    struct creditd_object object = {.value = value_of(result), .owner = owner};
    struct freshness freshness = {0};
    int r = READ_FIELDS(result, freshness_fields, &freshness);

    if (r < 0)
        return r;
    object.synced_at = freshness.synced_at;
    object.stale = freshness.stale;
    copy_id(result, object.id);
    *ret_object = object;
    return 0;
}

/* The message lives in a place of its own: its objects are what the result points to. */
struct kept {
    struct owner *owner;
    msgpack_object *result;
};

static int keep(const struct creditd_reply *reply, struct kept *ret_kept)
{
    struct message message = {0};
    struct kept kept;
    int r = owner_new(reply, &kept.owner, &message);

    if (r < 0)
        return r == -ENOMEM ? r : -EPROTO;
    kept.result = msgpack_zone_malloc(&kept.owner->zone, sizeof *kept.result);
    if (!kept.result) {
        owner_free(kept.owner);
        return -ENOMEM;
    }
    *kept.result = message.result;
    *ret_kept = kept;
    return 0;
}

int creditd_read_object(const struct creditd_reply *reply, struct creditd_object *ret_object)
{
    struct kept kept;
    int r = reply->status;

    if (r == 0)
        r = keep(reply, &kept);
    if (r != 0)
        return r;
    r = fill_object(kept.result, kept.owner, ret_object);
    if (r < 0)
        owner_free(kept.owner);
    return r;
}

static int fill_list(const msgpack_object *result, struct owner *owner,
                     struct creditd_list *ret_list)
{
    const msgpack_object *data = list_elements(result);
    struct freshness freshness = {0};
    int has_more = 0;

    if (!data || map_get_bool(result, "has_more", &has_more) < 0 ||
        READ_FIELDS(result, freshness_fields, &freshness) < 0)
        return -EPROTO;
    *ret_list = (struct creditd_list){.data = value_of(data),
                                      .count = data->via.array.size,
                                      .synced_at = freshness.synced_at,
                                      .has_more = has_more != 0,
                                      .stale = freshness.stale,
                                      .owner = owner};
    return 0;
}

int creditd_read_list(const struct creditd_reply *reply, struct creditd_list *ret_list)
{
    struct kept kept;
    int r = reply->status;

    if (r == 0)
        r = keep(reply, &kept);
    if (r != 0)
        return r;
    r = fill_list(kept.result, kept.owner, ret_list);
    if (r < 0)
        owner_free(kept.owner);
    return r;
}

void creditd_object_clear(struct creditd_object *object)
{
    if (!object)
        return;
    owner_free(object->owner);
    *object = (struct creditd_object){0};
}

void creditd_list_clear(struct creditd_list *list)
{
    if (!list)
        return;
    owner_free(list->owner);
    *list = (struct creditd_list){0};
}

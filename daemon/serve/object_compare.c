/* See object_compare.h. */
#include "object_compare.h"
#include <errno.h>
#include <proto/limits.h>
#include <proto/message.h>
#include <string.h>
#include <util/iso8601.h>

#define TIME_MAX 64

struct core_text object_text(const msgpack_object *object, const char *name)
{
    struct core_text text = {"", 0};

    if (object->type == MSGPACK_OBJECT_MAP &&
        map_get_text(object, name, &text.data, &text.length) != 1)
        text = (struct core_text){"", 0};
    return text;
}

struct core_text object_id(const msgpack_object *object, const char *name)
{
    struct core_text id = object_text(object, name);

    return proto_id_valid(id.data, id.length) ? id : (struct core_text){"", 0};
}

bool object_text_is(const msgpack_object *object, const char *name, const char *text)
{
    struct core_text own = object_text(object, name);

    return own.length == strlen(text) && memcmp(own.data, text, own.length) == 0;
}

bool object_is_true(const msgpack_object *object, const char *name)
{
    int value = 0;

    return object->type == MSGPACK_OBJECT_MAP && map_get_bool(object, name, &value) == 1 && value;
}

bool object_time(const msgpack_object *object, const char *name, int64_t *ret_time)
{
    struct core_text text = object_text(object, name);
    char copy[TIME_MAX];

    if (text.length == 0 || text.length >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return iso8601_parse(copy, ret_time) == 0;
}

/* --- the same or not --- */

static bool same_key(const msgpack_object *a, const msgpack_object *b)
{
    return msgpack_object_equal(*a, *b);
}

/* The member of `map` that has that key; it is mostly at the same place. */
static const msgpack_object *member(const msgpack_object_map *map, const msgpack_object *key,
                                    uint32_t likely)
{
    if (likely < map->size && same_key(&map->ptr[likely].key, key))
        return &map->ptr[likely].val;
    for (uint32_t i = 0; i < map->size; i++)
        if (same_key(&map->ptr[i].key, key))
            return &map->ptr[i].val;
    return NULL;
}

bool object_includes(const msgpack_object *whole, const msgpack_object *part)
{
    if (whole->type != MSGPACK_OBJECT_MAP || part->type != MSGPACK_OBJECT_MAP)
        return object_equal(whole, part);
    for (uint32_t i = 0; i < part->via.map.size; i++) {
        const msgpack_object_kv *own = &part->via.map.ptr[i];
        const msgpack_object *other = member(&whole->via.map, &own->key, i);

        if (other == NULL || !object_equal(other, &own->val))
            return false;
    }
    return true;
}

static bool arrays_equal(const msgpack_object_array *a, const msgpack_object_array *b)
{
    if (a->size != b->size)
        return false;
    for (uint32_t i = 0; i < a->size; i++)
        if (!object_equal(&a->ptr[i], &b->ptr[i]))
            return false;
    return true;
}

bool object_equal(const msgpack_object *a, const msgpack_object *b)
{
    if (a->type == MSGPACK_OBJECT_MAP && b->type == MSGPACK_OBJECT_MAP)
        return a->via.map.size == b->via.map.size && object_includes(a, b);
    if (a->type == MSGPACK_OBJECT_ARRAY && b->type == MSGPACK_OBJECT_ARRAY)
        return arrays_equal(&a->via.array, &b->via.array);
    return msgpack_object_equal(*a, *b);
}

/* --- what differs --- */

void object_pack(msgpack_packer *packer, const msgpack_object *object)
{
    if (msgpack_pack_object(packer, *object) != 0)
        pack_break(packer);
}

static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

/* Calls for each member that was otherwise: how many there are; `packer` may be NULL. */
static uint32_t walk_previous(msgpack_packer *packer, const msgpack_object_map *old,
                              const msgpack_object_map *new, bool part)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < new->size; i++) {
        const msgpack_object *key = &new->ptr[i].key, *before = member(old, key, i);

        if (before != NULL && object_equal(before, &new->ptr[i].val))
            continue;
        count++;
        if (packer != NULL) {
            object_pack(packer, key);
            object_pack(packer, before != NULL ? before : &nil);
        }
    }
    for (uint32_t i = 0; !part && i < old->size; i++) {
        if (member(new, &old->ptr[i].key, i) != NULL)
            continue;
        count++;
        if (packer != NULL) {
            object_pack(packer, &old->ptr[i].key);
            object_pack(packer, &old->ptr[i].val);
        }
    }
    return count;
}

void object_pack_previous(msgpack_packer *packer, const msgpack_object *old,
                          const msgpack_object *new, bool part)
{
    if (old->type != MSGPACK_OBJECT_MAP || new->type != MSGPACK_OBJECT_MAP) {
        pack_nil(packer);
        return;
    }
    pack_map(packer, walk_previous(NULL, &old->via.map, &new->via.map, part));
    (void)walk_previous(packer, &old->via.map, &new->via.map, part);
}

void object_pack_merged(msgpack_packer *packer, const msgpack_object *old,
                        const msgpack_object *new)
{
    const msgpack_object_map *before = &old->via.map, *now = &new->via.map;
    uint32_t kept = 0;

    if (old->type != MSGPACK_OBJECT_MAP || new->type != MSGPACK_OBJECT_MAP) {
        object_pack(packer, new);
        return;
    }
    for (uint32_t i = 0; i < before->size; i++)
        kept += member(now, &before->ptr[i].key, i) == NULL;
    pack_map(packer, now->size + kept);
    for (uint32_t i = 0; i < now->size; i++) {
        object_pack(packer, &now->ptr[i].key);
        object_pack(packer, &now->ptr[i].val);
    }
    for (uint32_t i = 0; i < before->size; i++)
        if (member(now, &before->ptr[i].key, i) == NULL) {
            object_pack(packer, &before->ptr[i].key);
            object_pack(packer, &before->ptr[i].val);
        }
}

/* --- reduced --- */

static const char *const kept[] = {"id",          "customer_id",          "product_id",
                                   "status",      "cancel_at_period_end", "current_period_end",
                                   "canceled_at", "created_at",           "updated_at"};
#define KEPT_COUNT (sizeof(kept) / sizeof(kept[0]))

static bool is_short(const msgpack_object *value)
{
    switch (value->type) {
    case MSGPACK_OBJECT_STR:
        return value->via.str.size <= PROTO_ID_MAX;
    case MSGPACK_OBJECT_ARRAY:
    case MSGPACK_OBJECT_MAP:
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        return false;
    default:
        return true;
    }
}

int object_reduce(msgpack_zone *zone, const msgpack_object *object, msgpack_object *ret_object)
{
    msgpack_object_kv *members = msgpack_zone_malloc(zone, KEPT_COUNT * sizeof(*members));
    uint32_t count = 0;

    if (members == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < KEPT_COUNT && object->type == MSGPACK_OBJECT_MAP; i++) {
        const msgpack_object *value = map_find(object, kept[i]);

        if (value == NULL || !is_short(value))
            continue;
        members[count++] = (msgpack_object_kv){
            .key = {.type = MSGPACK_OBJECT_STR,
                    .via.str = {.size = (uint32_t)strlen(kept[i]), .ptr = kept[i]}},
            .val = *value,
        };
    }
    *ret_object =
        (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {.size = count, .ptr = members}};
    return 0;
}

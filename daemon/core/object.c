/*
 * Objects of upstream's as last seen: customers, lists of subscriptions, access. The engine does
 * not look into them. What was put since the store was last brought up to date must stay in memory;
 * the rest is a cache, dropped least recently used first.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES (64u * 1024u * 1024u)

struct object {
    struct hash128 hash;
    uint64_t sequence; /* of the record that put it; 0: from the store */
    int64_t synced_at;
    size_t length;
    bool absent; /* the store does not have it either */
    struct object *next, *previous;
    uint8_t body[];
};

static struct hash128 object_hash(const struct core *core, enum record_table table,
                                  struct core_text key)
{
    uint8_t number = (uint8_t)table;
    return hash_pair(&core->hash_key, &number, 1, key.data, key.length);
}

static void unlink_object(struct core *core, struct object *object)
{
    if (object->previous)
        object->previous->next = object->next;
    else
        core->objects_first = object->next;
    if (object->next)
        object->next->previous = object->previous;
    else
        core->objects_last = object->previous;
}

static void link_last(struct core *core, struct object *object)
{
    object->next = NULL;
    object->previous = core->objects_last;
    if (core->objects_last)
        core->objects_last->next = object;
    else
        core->objects_first = object;
    core->objects_last = object;
}

static void drop(struct core *core, struct object *object)
{
    unlink_object(core, object);
    map_remove(&core->objects, object->hash);
    core->object_bytes -= sizeof(*object) + object->length;
    free(object);
}

static void trim(struct core *core)
{
    for (struct object *object = core->objects_first, *next;
         object && core->object_bytes > CACHE_BYTES; object = next) {
        next = object->next;
        if (object->sequence <= core->stored)
            drop(core, object);
    }
}

static struct object *find(const struct core *core, struct hash128 hash)
{
    const uint64_t *found = map_get(&core->objects, hash);
    return found ? (struct object *)(uintptr_t)*found : NULL;
}

static int keep(struct core *core, struct hash128 hash, const void *body, size_t length,
                bool absent, int64_t synced_at, uint64_t sequence)
{
    struct object *object = malloc(sizeof(*object) + length), *old = find(core, hash);

    if (!object)
        return -ENOMEM;
    *object = (struct object){.hash = hash,
                              .sequence = sequence,
                              .synced_at = synced_at,
                              .length = length,
                              .absent = absent};
    if (length)
        memcpy(object->body, body, length);
    if (map_put(&core->objects, hash, (uint64_t)(uintptr_t)object) < 0) {
        free(object);
        return -ENOMEM;
    }
    if (old) {
        unlink_object(core, old);
        core->object_bytes -= sizeof(*old) + old->length;
        free(old);
    }
    link_last(core, object);
    core->object_bytes += sizeof(*object) + length;
    trim(core);
    return 0;
}

int core_object_get(struct core *core, enum record_table table, struct core_text key,
                    struct core_object *ret_object)
{
    struct object *object = find(core, object_hash(core, table, key));

    if (!object)
        return CORE_LOAD;
    unlink_object(core, object);
    link_last(core, object);
    if (object->absent)
        return CORE_NOT_FOUND;
    *ret_object = (struct core_object){
        .body = object->body,
        .body_length = object->length,
        .synced_at = object->synced_at,
        .reveals = object->sequence,
    };
    return CORE_OK;
}

static int keep_image(struct core *core, struct hash128 hash, const void *value, size_t length,
                      uint64_t sequence)
{
    struct object_image head;

    if (length < sizeof(head))
        return -EBADMSG;
    memcpy(&head, value, sizeof(head));
    return keep(core, hash, (const uint8_t *)value + sizeof(head), length - sizeof(head), false,
                head.synced_at, sequence);
}

int core_object_load(struct core *core, enum record_table table, struct core_text key,
                     const void *value, size_t length)
{
    struct hash128 hash = object_hash(core, table, key);

    if (find(core, hash))
        return 0; /* memory is never older than the store */
    if (!value)
        return keep(core, hash, NULL, 0, true, 0, 0);
    return keep_image(core, hash, value, length, 0);
}

int object_replay(struct core *core, enum record_table table, const void *key, size_t key_length,
                  const void *value, size_t value_length, uint64_t sequence)
{
    struct core_text name = {key, key_length};

    if (value_length == 0)
        return keep(core, object_hash(core, table, name), NULL, 0, true, 0, sequence);
    return keep_image(core, object_hash(core, table, name), value, value_length, sequence);
}

void object_note(struct core *core, enum record_table table, struct core_text key,
                 const void *image, size_t length, uint64_t sequence)
{
    struct hash128 hash = object_hash(core, table, key);
    struct object *old = find(core, hash);

    /* Without memory for it the old one must not be told as if it were still so. */
    if (keep_image(core, hash, image, length, sequence) < 0 && old)
        drop(core, old);
}

int core_object_put(struct core *core, enum record_table table, struct core_text key,
                    const void *body, size_t length, int64_t now, uint64_t *ret_sequence)
{
    struct object *old = find(core, object_hash(core, table, key));
    struct object_image *image;
    struct append append;

    if (length > OBJECT_BODY_MAX)
        return -E2BIG;
    if (old && !old->absent && old->length == length && memcmp(old->body, body, length) == 0) {
        old->synced_at = now;
        *ret_sequence = old->sequence;
        return CORE_OK;
    }
    image = malloc(sizeof(*image) + length);
    if (!image)
        return -ENOMEM;
    image->synced_at = now;
    memcpy(image + 1, body, length);
    append_init(&append);
    append_image(&append, table, key.data, key.length, image, sizeof(*image) + length);
    int r = append_begin(core, &append, 0, true);
    if (r == 0) {
        append_finish(core, &append, RECORD_OBJECT, NULL, UID_SELF, 0, 0, NULL, now);
        object_note(core, table, key, image, sizeof(*image) + length, append.sequence);
        *ret_sequence = append.sequence;
    }
    free(image);
    return r;
}

void core_set_stored(struct core *core, uint64_t sequence)
{
    core->stored = sequence;
    trim(core);
}

void objects_deinit(struct core *core)
{
    for (struct object *object = core->objects_first, *next; object; object = next) {
        next = object->next;
        free(object);
    }
    map_deinit(&core->objects);
}

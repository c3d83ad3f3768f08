/*
 * Objects of upstream's as last seen: customers, lists of subscriptions, access. The engine does
 * not look into them. What was put since the store was last brought up to date must stay in memory;
 * the rest is a cache, dropped least recently used first. What is too large for a record is in that
 * cache only: there until it is dropped, and then it is as the store has it.
 */
#include "intent.h"

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
    bool unkept; /* too large for a record: the store has another, or none */
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

void objects_trim(struct core *core)
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
    objects_trim(core);
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

static void note(struct core *core, struct hash128 hash, const void *image, size_t length,
                 uint64_t sequence)
{
    struct object *old = find(core, hash);
    int r = image ? keep_image(core, hash, image, length, sequence)
                  : keep(core, hash, NULL, 0, true, 0, sequence);

    /* Without memory for it the old one must not be told as if it were still so. */
    if (r < 0 && old)
        drop(core, old);
}

void object_note(struct core *core, enum record_table table, struct core_text key,
                 const void *image, size_t length, uint64_t sequence)
{
    note(core, object_hash(core, table, key), image, length, sequence);
}

bool object_known(const struct core *core, enum record_table table, struct core_text key)
{
    const struct object *object = find(core, object_hash(core, table, key));
    return object && !object->absent;
}

/* --- changes --- */

static bool is_other(const struct object *old, const struct core_object_change *change)
{
    if (change->key.length == 0)
        return false;
    if (!old || old->absent)
        return !old || change->body;
    if (!change->body || old->length != change->length)
        return true;
    if (change->partial && old->synced_at != 0)
        return true; /* it must be read again, also after a restart */
    return memcmp(old->body, change->body, change->length) != 0;
}

/* What one change puts into its record, until that is written. */
struct object_append {
    struct append append;
    struct object_image *image;  /* owned; NULL: the object is gone, or stays as it is */
    struct object_image *beside; /* owned */
    size_t image_length, beside_length, detail_length;
    uint8_t *detail; /* owned */
    struct webhook_seen *webhook;
    struct webhook_image seen;
    struct intent_ending ending;
};

static int64_t synced_at(const struct core_object_change *change, int64_t now)
{
    if (change->partial)
        return 0;
    return change->synced_at ? change->synced_at : now;
}

static struct object_image *image_new(const void *body, size_t length, int64_t at)
{
    struct object_image *image = malloc(sizeof(*image) + length);

    if (image) {
        image->synced_at = at;
        memcpy(image + 1, body, length);
    }
    return image;
}

static int add_object(struct object_append *to, const struct core_object_change *change,
                      int64_t now)
{
    if (change->body) {
        to->image_length = sizeof(*to->image) + change->length;
        to->image = image_new(change->body, change->length, synced_at(change, now));
        if (!to->image)
            return -ENOMEM;
    }
    append_image(&to->append, change->table, change->key.data, change->key.length, to->image,
                 to->image_length);
    return 0;
}

static int add_beside(struct object_append *to, const struct core_object_change *change,
                      int64_t now)
{
    to->beside_length = sizeof(*to->beside) + change->beside_length;
    to->beside = image_new(change->beside_body, change->beside_length, now);
    if (!to->beside)
        return -ENOMEM;
    append_image(&to->append, change->table, change->beside.data, change->beside.length, to->beside,
                 to->beside_length);
    return 0;
}

static int add_detail(struct object_append *to, const struct core_object_change *change)
{
    uint8_t *at;

    for (size_t i = 0; i < change->event_count; i++) {
        if (change->events[i].length > RECORD_SIZE_MAX)
            return -E2BIG;
        to->detail_length += change->events[i].length;
    }
    if (to->detail_length > RECORD_SIZE_MAX)
        return -E2BIG;
    at = to->detail = malloc(to->detail_length + 1);
    if (!at)
        return -ENOMEM;
    for (size_t i = 0; i < change->event_count; i++)
        if (change->events[i].length)
            at = mempcpy(at, change->events[i].data, change->events[i].length);
    return 0;
}

static int add_events(struct core *core, struct object_append *to,
                      const struct core_object_change *change)
{
    uint32_t offset = 0;
    int r = add_detail(to, change);

    for (size_t i = 0; r == 0 && i < change->event_count; i++) {
        const struct core_event_data *event = &change->events[i];
        struct event_note note = {
            .type = event->type,
            .data_offset = offset,
            .data_length = (uint32_t)event->length,
            .customer = event->customer,
            .product = event->product,
        };
        r = event_log_add(core, &to->append, &note);
        offset += note.data_length;
    }
    return r;
}

static int add_webhook(struct core *core, struct object_append *to, struct core_text id,
                       int64_t now)
{
    int r = webhook_seen_new(core, id, &to->webhook);

    to->seen.time = now;
    if (r == 0)
        append_image(&to->append, TABLE_WEBHOOK, id.data, id.length, &to->seen, sizeof(to->seen));
    return r;
}

static int begin(struct core *core, struct object_append *to,
                 const struct core_object_change *change, bool is_other_now, bool is_new_webhook,
                 int64_t now)
{
    int r = is_other_now ? add_object(to, change, now) : 0;

    if (r == 0 && change->beside.length)
        r = add_beside(to, change, now);
    if (r == 0 && change->ends.intent)
        r = intent_ending_add(core, &to->append, &change->ends, now, &to->ending);
    if (r == 0 && is_new_webhook)
        r = add_webhook(core, to, change->webhook, now);
    if (r == 0)
        r = add_events(core, to, change);
    if (r == 0 && record_size(to->append.images, to->append.image_count, to->detail_length) >
                      RECORD_SIZE_MAX) {
        event_log_drop(&to->append);
        r = -E2BIG;
    }
    return r == 0 ? append_begin(core, &to->append, to->detail_length, true) : r;
}

static bool is_valid(const struct core_object_change *change)
{
    if (change->webhook.length > 255 || change->key.length > 511 || change->beside.length > 511)
        return false;
    for (size_t i = 0; i < change->event_count; i++)
        if (change->events[i].type >= CORE_EVENT_COUNT_ ||
            change->events[i].customer.length > 128 || change->events[i].product.length > 128)
            return false;
    return true;
}

/* Nothing to be written: what is known is the latest, and only the time is new. */
static int unchanged(const struct core *core, const struct core_object_change *change,
                     struct object *old, int64_t now, uint64_t *ret_sequence)
{
    *ret_sequence = 0;
    if (change->webhook.length)
        (void)core_webhook_seen(core, change->webhook, ret_sequence);
    if (!old)
        return CORE_OK;
    old->synced_at = synced_at(change, now);
    if (old->sequence > *ret_sequence)
        *ret_sequence = old->sequence;
    return CORE_OK;
}

static bool must_append(const struct core_object_change *change, bool other, bool new_webhook)
{
    return other || new_webhook || change->event_count > 0 || change->beside.length ||
           change->ends.intent;
}

/* Memory follows its record. */
static void finish(struct core *core, struct object_append *to,
                   const struct core_object_change *change, bool other, int64_t now)
{
    struct object *old =
        change->key.length ? find(core, object_hash(core, change->table, change->key)) : NULL;
    uint64_t sequence = to->append.sequence;

    to->seen.sequence = sequence;
    append_finish(core, &to->append, RECORD_OBJECT, NULL, UID_SELF, 0, to->detail, now);
    if (other)
        object_note(core, change->table, change->key, to->image, to->image_length, sequence);
    else if (old)
        old->synced_at = synced_at(change, now);
    if (to->beside)
        object_note(core, change->table, change->beside, to->beside, to->beside_length, sequence);
    if (to->webhook)
        webhook_seen_set(core, to->webhook, &to->seen);
    event_log_tell(core, &to->append, NO_SLOT);
    intent_ending_finish(core, &to->ending, sequence);
}

static void object_append_deinit(struct object_append *to)
{
    intent_ending_deinit(&to->ending);
    free(to->image);
    free(to->beside);
    free(to->detail);
}

int core_object_change(struct core *core, const struct core_object_change *change, int64_t now,
                       uint64_t *ret_sequence)
{
    struct object *old =
        change->key.length ? find(core, object_hash(core, change->table, change->key)) : NULL;
    bool other = is_other(old, change);
    uint64_t seen;
    bool new_webhook =
        change->webhook.length && core_webhook_seen(core, change->webhook, &seen) != CORE_OK;
    struct object_append to;

    if (!is_valid(change))
        return -EINVAL;
    if (change->length > OBJECT_BODY_MAX || change->beside_length > OBJECT_BODY_MAX ||
        change->event_count > CORE_EVENTS_MAX)
        return -E2BIG;
    if (!must_append(change, other, new_webhook))
        return unchanged(core, change, old, now, ret_sequence);
    append_init(&to.append);
    to.image = to.beside = NULL;
    to.detail = NULL;
    to.image_length = to.beside_length = to.detail_length = 0;
    to.webhook = NULL;
    to.ending = (struct intent_ending){0};
    int r = begin(core, &to, change, other, new_webhook, now);
    if (r == 0) {
        finish(core, &to, change, other, now);
        *ret_sequence = to.append.sequence;
    } else if (to.webhook) {
        webhook_seen_drop(core, to.webhook);
    }
    object_append_deinit(&to);
    return r;
}

int core_object_put(struct core *core, enum record_table table, struct core_text key,
                    const void *body, size_t length, int64_t now, uint64_t *ret_sequence)
{
    struct core_object_change change = {.table = table, .key = key, .body = body, .length = length};

    return core_object_change(core, &change, now, ret_sequence);
}

int core_object_cache(struct core *core, const struct core_object_change *change, uint64_t sequence,
                      int64_t now, bool *ret_is_first)
{
    struct hash128 hash = object_hash(core, change->table, change->key);
    struct object *old = find(core, hash);
    bool is_first = !old || !old->unkept;

    int r = keep(core, hash, change->body, change->length, false, synced_at(change, now), sequence);
    if (r < 0)
        return r;
    find(core, hash)->unkept = true;
    *ret_is_first = is_first;
    return 0;
}

void objects_deinit(struct core *core)
{
    for (struct object *object = core->objects_first, *next; object; object = next) {
        next = object->next;
        free(object);
    }
    map_deinit(&core->objects);
}

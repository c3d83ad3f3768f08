/*
 * Links: a user's customer, unique both ways. All of them are in memory: they are small, and asked
 * for by every request with a session.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct link {
    uint64_t sequence; /* of the record that made it; 0: from the store */
    uint16_t user_length, customer_length;
    char text[]; /* user id, then customer id */
};

struct hash128 user_hash(const struct core *core, struct core_text user_id)
{
    return hash_pair(&core->hash_key, "user", 4, user_id.data, user_id.length);
}

static struct hash128 customer_hash(const struct core *core, struct core_text customer)
{
    return hash_pair(&core->hash_key, "owner", 5, customer.data, customer.length);
}

static struct core_text link_user(const struct link *link)
{
    return (struct core_text){link->text, link->user_length};
}

struct core_text link_customer(const struct link *link)
{
    return (struct core_text){link->text + link->user_length, link->customer_length};
}

static bool same_text(struct core_text a, struct core_text b)
{
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static struct link *at(const uint64_t *found)
{
    return found ? (struct link *)(uintptr_t)*found : NULL;
}

const struct link *link_find(const struct core *core, struct core_text user_id)
{
    return at(map_get(&core->links, user_hash(core, user_id)));
}

const struct link *link_of_customer(const struct core *core, struct core_text customer)
{
    return at(map_get(&core->owners, customer_hash(core, customer)));
}

static struct link *link_new(struct core_text user_id, struct core_text customer)
{
    struct link *link = malloc(sizeof(*link) + user_id.length + customer.length);

    if (!link)
        return NULL;
    *link = (struct link){.user_length = (uint16_t)user_id.length,
                          .customer_length = (uint16_t)customer.length};
    memcpy(link->text, user_id.data, user_id.length);
    memcpy(link->text + user_id.length, customer.data, customer.length);
    return link;
}

/* Both maps get an entry, or neither; an old link of the user goes. */
static int put(struct core *core, struct link *link)
{
    struct hash128 user = user_hash(core, link_user(link));
    struct link *old = at(map_get(&core->links, user));

    int r =
        map_put(&core->owners, customer_hash(core, link_customer(link)), (uint64_t)(uintptr_t)link);
    if (r < 0)
        return r;
    r = map_put(&core->links, user, (uint64_t)(uintptr_t)link);
    if (r < 0) {
        map_remove(&core->owners, customer_hash(core, link_customer(link)));
        return r;
    }
    if (old && !same_text(link_customer(old), link_customer(link)))
        map_remove(&core->owners, customer_hash(core, link_customer(old)));
    free(old);
    return 0;
}

static void take_out(struct core *core, struct core_text user_id)
{
    struct hash128 user = user_hash(core, user_id);
    struct link *link = at(map_get(&core->links, user));

    if (!link)
        return;
    map_remove(&core->links, user);
    map_remove(&core->owners, customer_hash(core, link_customer(link)));
    free(link);
}

static void link_append_images(struct append *append, const struct link *link)
{
    struct core_text user = link_user(link), customer = link_customer(link);

    append_image(append, TABLE_LINK, user.data, user.length, customer.data, customer.length);
    append_image(append, TABLE_OWNER, customer.data, customer.length, user.data, user.length);
}

/* Both are made of the record's images. */
static int add_events(struct core *core, struct append *append, struct core_text customer,
                      bool created)
{
    struct event_note note = {.type = CORE_EVENT_CUSTOMER_CREATED, .customer = customer};
    int r = created ? event_log_add(core, append, &note) : 0;

    note.type = CORE_EVENT_CUSTOMER_LINKED;
    return r == 0 ? event_log_add(core, append, &note) : r;
}

int link_make(struct core *core, struct core_text user_id, struct core_text customer,
              const void *body, size_t length, bool created, uint32_t uid, int64_t now,
              uint64_t *ret_sequence)
{
    /* One that is here already came from where changes are told of, and may be newer than this
     * answer; without one it is read when it is asked for. */
    bool known = object_known(core, TABLE_CUSTOMER, customer);
    bool keep = body && length <= OBJECT_BODY_MAX && !known;
    struct link *link = link_new(user_id, customer);
    const struct link *old = link_find(core, user_id);
    struct object_image *image = keep ? malloc(sizeof(*image) + length) : NULL;
    struct core_text old_customer = old ? link_customer(old) : (struct core_text){0};
    struct append append;
    int r = -ENOMEM;

    if (!link || (keep && !image))
        goto out;
    append_init(&append);
    if (old && !same_text(old_customer, customer))
        append_image(&append, TABLE_OWNER, old_customer.data, old_customer.length, NULL, 0);
    link_append_images(&append, link);
    if (image) {
        image->synced_at = now;
        memcpy(image + 1, body, length);
        append_image(&append, TABLE_CUSTOMER, customer.data, customer.length, image,
                     sizeof(*image) + length);
    }
    r = add_events(core, &append, customer, created && !known);
    if (r == 0)
        r = append_begin(core, &append, 0, true);
    if (r < 0)
        goto out;
    append_finish(core, &append, RECORD_LINK, NULL, uid, 0, NULL, now);
    if (image)
        object_note(core, TABLE_CUSTOMER, customer, image, sizeof(*image) + length,
                    append.sequence);
    link->sequence = append.sequence;
    r = put(core, link);
    if (r < 0)
        goto out;
    link = NULL;
    event_log_tell(core, &append, NO_SLOT);
    if (ret_sequence)
        *ret_sequence = append.sequence;
out:
    free(link);
    free(image);
    return r;
}

int core_link_set(struct core *core, struct core_text user_id, struct core_text customer,
                  uint32_t uid, int64_t now, uint64_t *ret_sequence)
{
    const struct link *owner = link_of_customer(core, customer);

    if (owner && !same_text(link_user(owner), user_id))
        return CORE_TAKEN;
    if (owner) {
        *ret_sequence = owner->sequence;
        return CORE_OK;
    }
    int r = link_make(core, user_id, customer, NULL, 0, false, uid, now, ret_sequence);
    if (r == 0) {
        search_intent_ended(core, user_id, CORE_OK, NULL, now);
        intent_user_linked(core, user_id, now);
    }
    return r;
}

int core_link_remove(struct core *core, struct core_text user_id, uint32_t uid, int64_t now,
                     uint64_t *ret_sequence)
{
    const struct link *link = link_find(core, user_id);
    struct append append;

    if (!link)
        return CORE_NOT_FOUND;
    struct core_text customer = link_customer(link);
    struct event_note note = {.type = CORE_EVENT_CUSTOMER_UNLINKED, .customer = customer};
    append_init(&append);
    append_image(&append, TABLE_LINK, user_id.data, user_id.length, NULL, 0);
    append_image(&append, TABLE_OWNER, customer.data, customer.length, NULL, 0);
    int r = event_log_add(core, &append, &note);
    if (r == 0)
        r = append_begin(core, &append, 0, true);
    if (r < 0)
        return r;
    append_finish(core, &append, RECORD_LINK, NULL, uid, 0, NULL, now);
    take_out(core, user_id);
    event_log_tell(core, &append, NO_SLOT);
    *ret_sequence = append.sequence;
    return CORE_OK;
}

bool core_link_owner(const struct core *core, struct core_text customer,
                     struct core_text *ret_user_id)
{
    const struct link *link = link_of_customer(core, customer);

    if (link)
        *ret_user_id = link_user(link);
    return link != NULL;
}

uint64_t link_sequence(const struct link *link)
{
    return link->sequence;
}

int link_load(struct core *core, enum record_table table, const void *key, size_t key_length,
              const void *value, size_t value_length)
{
    struct core_text user_id = {key, key_length}, customer = {value, value_length};

    if (table == TABLE_OWNER)
        return 0; /* follows from the links */
    if (key_length == 0 || key_length > 128 || value_length > 128)
        return -EBADMSG;
    if (value_length == 0) {
        take_out(core, user_id);
        return 0;
    }
    struct link *link = link_new(user_id, customer);
    int r = link ? put(core, link) : -ENOMEM;
    if (r < 0)
        free(link);
    return r;
}

void links_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->links, &position));)
        free((struct link *)(uintptr_t)entry->value);
    map_deinit(&core->links);
    map_deinit(&core->owners);
}

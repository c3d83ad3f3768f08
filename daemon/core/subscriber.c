/*
 * Subscribers: apps that read events and say how far they have got. All of them are in memory, for
 * they are few: each uid has a quota.
 *
 * A subscriber is as old as its last step forward, not as its last word: one that says the same
 * again and again has not got on, and keeps nothing. Only who has all there is cannot step, and
 * lives by its word. What it keeps it keeps for the retention; after twice that it is forgotten. In
 * between it is told of the gap when it comes back, which a name that nobody knows is not.
 */
#include "state.h"

#include <core/delivery.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define NAME_MAX_LENGTH 128u
/* An ack that moves nothing is a sign of life all the same, and worth a record now and then. */
#define LIFE_MS (INT64_C(60) * 60 * 1000)
#define FORGET_LEAST_MS (INT64_C(24) * 60 * 60 * 1000)
#define FORGET_STEP 16u
#define RETRY_MS 1000

struct subscriber {
    struct subscriber_image row;
    struct heap_node by_age;
    uint64_t sequence; /* of its last record; 0: before the start */
    uint32_t uid;
    uint16_t name_length;
    char name[NAME_MAX_LENGTH];
};

struct subscriber_key {
    uint8_t bytes[sizeof(uint32_t) + NAME_MAX_LENGTH];
    size_t length;
};

static struct hash128 subscriber_hash(const struct core *core, uint32_t uid, struct core_text name)
{
    return hash_pair(&core->hash_key, &uid, sizeof(uid), name.data, name.length);
}

/* The uid big-endian, so that the rows of one uid stand together. */
static struct subscriber_key encode_key(uint32_t uid, struct core_text name)
{
    struct subscriber_key key = {.length = sizeof(uid) + name.length};

    for (unsigned i = 0; i < sizeof(uid); i++)
        key.bytes[i] = (uint8_t)(uid >> (24 - 8 * i));
    memcpy(key.bytes + sizeof(uid), name.data, name.length);
    return key;
}

static struct subscriber *find(const struct core *core, uint32_t uid, struct core_text name)
{
    const uint64_t *found = map_get(&core->subscribers, subscriber_hash(core, uid, name));
    return found ? (struct subscriber *)(uintptr_t)*found : NULL;
}

static int make(struct core *core, uint32_t uid, struct core_text name,
                struct subscriber **ret_subscriber)
{
    struct subscriber *subscriber;

    if (heap_reserve(&core->subscribers_by_age, core->subscribers_by_age.count + 1) < 0)
        return -ENOMEM;
    subscriber = calloc(1, sizeof(*subscriber));
    if (!subscriber)
        return -ENOMEM;
    subscriber->uid = uid;
    subscriber->name_length = (uint16_t)name.length;
    memcpy(subscriber->name, name.data, name.length);
    int r = map_put(&core->subscribers, subscriber_hash(core, uid, name),
                    (uint64_t)(uintptr_t)subscriber);
    if (r < 0) {
        free(subscriber);
        return r;
    }
    *ret_subscriber = subscriber;
    return 0;
}

static void set_row(struct core *core, struct subscriber *subscriber,
                    const struct subscriber_image *row)
{
    subscriber->row = *row;
    heap_set(&core->subscribers_by_age, &subscriber->by_age, row->moved_at);
}

static void forget(struct core *core, struct subscriber *subscriber)
{
    struct core_text name = {subscriber->name, subscriber->name_length};

    heap_remove(&core->subscribers_by_age, &subscriber->by_age);
    map_remove(&core->subscribers, subscriber_hash(core, subscriber->uid, name));
    free(subscriber);
}

static size_t count_of(const struct core *core, uint32_t uid)
{
    const struct map_entry *entry;
    size_t count = 0;

    for (size_t position = 0; (entry = map_next(&core->subscribers, &position));)
        count += ((const struct subscriber *)(uintptr_t)entry->value)->uid == uid;
    return count;
}

static void describe(const struct subscriber *subscriber, struct core_subscriber *ret_subscriber)
{
    *ret_subscriber = (struct core_subscriber){
        .uid = subscriber->uid,
        .name = {subscriber->name, subscriber->name_length},
        .number = subscriber->row.number,
        .moved_at = subscriber->row.moved_at,
        .reveals = subscriber->sequence,
    };
}

int core_subscriber_get(const struct core *core, uint32_t uid, struct core_text name,
                        struct core_subscriber *ret_subscriber)
{
    const struct subscriber *subscriber = find(core, uid, name);

    if (!subscriber)
        return CORE_NOT_FOUND;
    describe(subscriber, ret_subscriber);
    return CORE_OK;
}

bool core_next_subscriber(const struct core *core, size_t *position,
                          struct core_subscriber *ret_subscriber)
{
    const struct map_entry *entry = map_next(&core->subscribers, position);

    if (entry)
        describe((const struct subscriber *)(uintptr_t)entry->value, ret_subscriber);
    return entry != NULL;
}

/* `row` NULL: it is forgotten. */
static int append_row(struct core *core, uint32_t uid, struct core_text name,
                      const struct subscriber_image *row, bool use_reserve, int64_t now,
                      uint64_t *ret_sequence)
{
    struct subscriber_key key = encode_key(uid, name);
    struct append append;

    append_init(&append);
    append_image(&append, TABLE_SUBSCRIBER, key.bytes, key.length, row, row ? sizeof(*row) : 0);
    int r = append_begin(core, &append, 0, use_reserve);
    if (r < 0)
        return r;
    append_finish(core, &append, RECORD_SUBSCRIBER, NULL, uid, 0, NULL, now);
    *ret_sequence = append.sequence;
    return 0;
}

int core_subscriber_set(struct core *core, uint32_t uid, struct core_text name, uint64_t number,
                        int64_t now, uint64_t *ret_sequence)
{
    struct subscriber *subscriber = find(core, uid, name);
    struct subscriber_image row = {.number = number, .moved_at = now};
    bool is_new = !subscriber, moves = !is_new && number > subscriber->row.number;
    uint64_t first, last;
    int r = 0;

    core_event_range(core, &first, &last);
    if (number > last)
        return CORE_NOT_FOUND;
    if (name.length == 0 || name.length > NAME_MAX_LENGTH)
        return -EINVAL;
    if (!is_new && !moves) {
        *ret_sequence = subscriber->sequence;
        if (number < last || now - subscriber->row.moved_at < LIFE_MS)
            return CORE_OK;
    }
    if (is_new && count_of(core, uid) >= CORE_SUBSCRIBERS_MAX)
        return CORE_QUOTA_KEYS;
    if (is_new)
        r = make(core, uid, name, &subscriber);
    if (r < 0)
        return r;
    /* Moving on makes room, so the reserve is for it; one more subscriber takes it. */
    r = append_row(core, uid, name, &row, moves, now, &subscriber->sequence);
    if (r < 0) {
        if (is_new)
            forget(core, subscriber);
        return r;
    }
    set_row(core, subscriber, &row);
    *ret_sequence = subscriber->sequence;
    return CORE_OK;
}

int core_subscriber_drop(struct core *core, uint32_t uid, struct core_text name, int64_t now,
                         uint64_t *ret_sequence)
{
    struct subscriber *subscriber = find(core, uid, name);

    if (!subscriber)
        return CORE_NOT_FOUND;
    int r = append_row(core, uid, name, NULL, true, now, ret_sequence);
    if (r == 0)
        forget(core, subscriber);
    return r;
}

int subscriber_load(struct core *core, const void *key, size_t key_length, const void *value,
                    size_t value_length)
{
    const uint8_t *bytes = key;
    struct subscriber *subscriber;
    struct subscriber_image row;
    uint32_t uid = 0;
    int r = 0;

    if (key_length <= sizeof(uid) || key_length > sizeof(uid) + NAME_MAX_LENGTH ||
        (value_length != 0 && value_length != sizeof(subscriber->row)))
        return -EBADMSG;
    for (unsigned i = 0; i < sizeof(uid); i++)
        uid = uid << 8 | bytes[i];
    struct core_text name = {(const char *)bytes + sizeof(uid), key_length - sizeof(uid)};
    subscriber = find(core, uid, name);
    if (value_length == 0) {
        if (subscriber)
            forget(core, subscriber);
        return 0;
    }
    if (!subscriber)
        r = make(core, uid, name, &subscriber);
    if (r < 0)
        return r;
    memcpy(&row, value, sizeof(row));
    set_row(core, subscriber, &row);
    return 0;
}

uint64_t subscribers_needed(const struct core *core, int64_t since)
{
    const struct map_entry *entry;
    uint64_t needed = UINT64_MAX;

    for (size_t position = 0; (entry = map_next(&core->subscribers, &position));) {
        const struct subscriber *subscriber = (const struct subscriber *)(uintptr_t)entry->value;
        if (subscriber->row.moved_at >= since && subscriber->row.number + 1 < needed)
            needed = subscriber->row.number + 1;
    }
    return needed;
}

/* --- time --- */

static int64_t forget_after(const struct core *core)
{
    int64_t twice = 2 * core->policy.retention;

    return twice > FORGET_LEAST_MS ? twice : FORGET_LEAST_MS;
}

int64_t subscribers_wakeup(const struct core *core)
{
    const struct heap_node *node = heap_first(&core->subscribers_by_age);

    if (!node || core->policy.retention < 0)
        return INT64_MAX;
    int64_t at = node->key + forget_after(core) + 1;
    return at > core->subscribers_retry_at ? at : core->subscribers_retry_at;
}

int subscribers_tick(struct core *core, int64_t now)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < FORGET_STEP && now >= subscribers_wakeup(core); i++) {
        const struct subscriber *oldest =
            CONTAINER_OF(heap_first(&core->subscribers_by_age), struct subscriber, by_age);
        struct core_text name = {oldest->name, oldest->name_length};
        uint64_t sequence;

        r = core_subscriber_drop(core, oldest->uid, name, now, &sequence);
    }
    if (r < 0) /* a disk full to the last byte: remembered a little longer */
        core->subscribers_retry_at = now + RETRY_MS;
    return r;
}

void subscribers_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->subscribers, &position));)
        free((struct subscriber *)(uintptr_t)entry->value);
    map_deinit(&core->subscribers);
    heap_deinit(&core->subscribers_by_age);
}

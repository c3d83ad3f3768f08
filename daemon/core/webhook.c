/*
 * Webhooks that have been seen, by their ids: one that comes again changes nothing again. Each is
 * remembered with the record of what it changed, for as long as StellarTools might send it anew,
 * and at most so many of them; the oldest are forgotten first, by records, so that the store
 * forgets too.
 */
#include "state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define FORGET_STEP 200u
#define RETRY_MS 1000

struct webhook_seen {
    struct webhook_image row;
    struct heap_node by_age;
    size_t length;
    char id[];
};

static struct hash128 webhook_hash(const struct core *core, struct core_text id)
{
    return hash_pair(&core->hash_key, "webhook", 7, id.data, id.length);
}

static struct webhook_seen *find(const struct core *core, struct core_text id)
{
    const uint64_t *found = map_get(&core->webhooks, webhook_hash(core, id));
    return found ? (struct webhook_seen *)(uintptr_t)*found : NULL;
}

int webhook_seen_new(struct core *core, struct core_text id, struct webhook_seen **ret_webhook)
{
    struct webhook_seen *webhook = calloc(1, sizeof(*webhook) + id.length);

    if (!webhook)
        return -ENOMEM;
    webhook->length = id.length;
    memcpy(webhook->id, id.data, id.length);
    if (heap_reserve(&core->webhooks_by_age, core->webhooks_by_age.count + 1) < 0 ||
        map_put(&core->webhooks, webhook_hash(core, id), (uint64_t)(uintptr_t)webhook) < 0) {
        free(webhook);
        return -ENOMEM;
    }
    *ret_webhook = webhook;
    return 0;
}

void webhook_seen_set(struct core *core, struct webhook_seen *webhook,
                      const struct webhook_image *row)
{
    webhook->row = *row;
    heap_set(&core->webhooks_by_age, &webhook->by_age, row->time);
}

void webhook_seen_drop(struct core *core, struct webhook_seen *webhook)
{
    heap_remove(&core->webhooks_by_age, &webhook->by_age);
    map_remove(&core->webhooks,
               webhook_hash(core, (struct core_text){webhook->id, webhook->length}));
    free(webhook);
}

int core_webhook_seen(const struct core *core, struct core_text id, uint64_t *ret_sequence)
{
    const struct webhook_seen *webhook = find(core, id);

    if (!webhook)
        return CORE_NOT_FOUND;
    *ret_sequence = webhook->row.sequence;
    return CORE_OK;
}

int webhook_seen_load(struct core *core, const void *key, size_t key_length, const void *value,
                      size_t value_length)
{
    struct core_text id = {key, key_length};
    struct webhook_seen *webhook = find(core, id);
    struct webhook_image row;

    if (value_length == 0) {
        if (webhook)
            webhook_seen_drop(core, webhook);
        return 0;
    }
    if (value_length != sizeof(row))
        return -EBADMSG;
    memcpy(&row, value, sizeof(row));
    int r = webhook ? 0 : webhook_seen_new(core, id, &webhook);
    if (r == 0)
        webhook_seen_set(core, webhook, &row);
    return r;
}

void webhook_seen_deinit(struct core *core)
{
    const struct map_entry *entry;

    for (size_t position = 0; (entry = map_next(&core->webhooks, &position));)
        free((struct webhook_seen *)(uintptr_t)entry->value);
    map_deinit(&core->webhooks);
    heap_deinit(&core->webhooks_by_age);
}

/* --- time --- */

int64_t webhook_seen_wakeup(const struct core *core)
{
    const struct heap_node *node = heap_first(&core->webhooks_by_age);

    if (!node)
        return INT64_MAX;
    int64_t at = core->webhooks.count > CORE_WEBHOOKS_MAX ? 0 : node->key + CORE_WEBHOOK_TTL_MS + 1;
    return at > core->webhooks_retry_at ? at : core->webhooks_retry_at;
}

static int forget(struct core *core, int64_t now)
{
    struct webhook_seen *gone[FORGET_STEP];
    struct append append;
    size_t count = 0;

    append_init(&append);
    while (count < FORGET_STEP) {
        struct heap_node *node = heap_first(&core->webhooks_by_age);
        bool many = core->webhooks.count - count > CORE_WEBHOOKS_MAX;
        if (!node || (!many && node->key + CORE_WEBHOOK_TTL_MS >= now))
            break;
        struct webhook_seen *webhook = CONTAINER_OF(node, struct webhook_seen, by_age);
        heap_remove(&core->webhooks_by_age, node);
        append_image(&append, TABLE_WEBHOOK, webhook->id, webhook->length, NULL, 0);
        gone[count++] = webhook;
    }
    int r = count ? append_begin(core, &append, 0, true) : 0;
    if (count && r == 0)
        append_finish(core, &append, RECORD_FORGET, NULL, UID_SELF, 0, NULL, now);
    for (size_t i = 0; i < count; i++) {
        if (r < 0)
            webhook_seen_set(core, gone[i], &gone[i]->row);
        else
            webhook_seen_drop(core, gone[i]);
    }
    return r;
}

int webhook_seen_tick(struct core *core, int64_t now)
{
    if (now < webhook_seen_wakeup(core))
        return 0;
    int r = forget(core, now);
    if (r < 0) /* a disk full to the last byte: remembered a little longer */
        core->webhooks_retry_at = now + RETRY_MS;
    return r;
}

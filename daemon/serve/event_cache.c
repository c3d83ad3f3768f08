/* See event_cache.h. */
#include "event_cache.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

struct event_kept *event_kept_new(const struct core_event *event, const void *envelope,
                                  size_t length)
{
    size_t names = event->customer.length + event->product.length;
    size_t size = sizeof(struct event_kept) + names + length;
    struct event_kept *kept = malloc(size);
    uint8_t *at;

    if (kept == NULL)
        return NULL;
    kept->size = size;
    kept->told = (struct event_told){.event = *event, .length = length};
    list_init(&kept->by_use);
    at = kept->bytes;
    if (event->customer.length > 0)
        memcpy(at, event->customer.data, event->customer.length);
    kept->told.event.customer.data = (const char *)at;
    at += event->customer.length;
    if (event->product.length > 0)
        memcpy(at, event->product.data, event->product.length);
    kept->told.event.product.data = (const char *)at;
    at += event->product.length;
    if (envelope != NULL) {
        memcpy(at, envelope, length);
        kept->told.envelope = at;
    }
    return kept;
}

int event_cache_init(struct event_cache *cache)
{
    list_init(&cache->by_use);
    cache->bytes = 0;
    cache->slots = calloc(EVENT_CACHE_SLOTS, sizeof(struct event_kept *));
    return cache->slots != NULL ? 0 : -ENOMEM;
}

static struct event_kept **slot_of(const struct event_cache *cache, uint64_t number)
{
    return &cache->slots[number % EVENT_CACHE_SLOTS];
}

static void drop(struct event_cache *cache, struct event_kept *kept)
{
    list_remove(&kept->by_use);
    cache->bytes -= kept->size;
    *slot_of(cache, kept->told.event.number) = NULL;
    free(kept);
}

void event_cache_deinit(struct event_cache *cache)
{
    if (cache->slots == NULL)
        return;
    while (!list_is_empty(&cache->by_use))
        drop(cache, CONTAINER_OF(cache->by_use.next, struct event_kept, by_use));
    free(cache->slots);
    cache->slots = NULL;
}

void event_cache_put(struct event_cache *cache, struct event_kept *kept)
{
    struct event_kept **slot = slot_of(cache, kept->told.event.number), *old = *slot;

    if (old != NULL && old->told.event.number == kept->told.event.number &&
        kept->told.envelope == NULL) {
        free(kept);
        return;
    }
    if (old != NULL)
        drop(cache, old);
    *slot = kept;
    list_append(&cache->by_use, &kept->by_use);
    cache->bytes += kept->size;
    while (cache->bytes > EVENT_CACHE_BYTES && cache->by_use.next != &kept->by_use)
        drop(cache, CONTAINER_OF(cache->by_use.next, struct event_kept, by_use));
}

const struct event_told *event_cache_get(struct event_cache *cache, uint64_t number, uint32_t types)
{
    struct event_kept *kept = *slot_of(cache, number);

    if (kept == NULL || kept->told.event.number != number ||
        (kept->told.envelope == NULL && (types & (1u << kept->told.event.type)) != 0))
        return NULL;
    list_remove(&kept->by_use);
    list_append(&cache->by_use, &kept->by_use);
    return &kept->told;
}

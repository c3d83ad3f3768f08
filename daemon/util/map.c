/*
 * Linear probing over keys that are hashes already: the low half picks the slot, and a removal
 * shifts its followers back, so that there are no tombstones and a lookup ends at the first empty
 * slot.
 *
 * At most three quarters full. It grows by doubling and never shrinks: what was that large once
 * will be again.
 */
#include <errno.h>
#include <stdlib.h>
#include <util/map.h>

#define MAP_CAPACITY_MIN 16

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_deinit(struct map *map)
{
    free(map->entries);
    map_init(map);
}

static size_t map_home(const struct map *map, struct hash128 key)
{
    return (size_t)key.low & (map->capacity - 1);
}

/* The slot that holds the key, or the empty one where it would go. There is always an empty one. */
static struct map_entry *map_slot(const struct map *map, struct hash128 key)
{
    size_t i = map_home(map, key);

    while (map->entries[i].used &&
           (map->entries[i].key.low != key.low || map->entries[i].key.high != key.high))
        i = (i + 1) & (map->capacity - 1);
    return &map->entries[i];
}

uint64_t *map_get(const struct map *map, struct hash128 key)
{
    struct map_entry *entry;

    if (!map->count)
        return NULL;
    entry = map_slot(map, key);
    return entry->used ? &entry->value : NULL;
}

void map_prefetch(const struct map *map, struct hash128 key)
{
    if (map->count)
        __builtin_prefetch(&map->entries[map_home(map, key)], 1);
}

static int map_grow(struct map *map)
{
    struct map grown = {.capacity = map->capacity ? map->capacity * 2 : MAP_CAPACITY_MIN};

    grown.entries = calloc(grown.capacity, sizeof(*grown.entries));
    if (!grown.entries)
        return -ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].used)
            *map_slot(&grown, map->entries[i].key) = map->entries[i];
    grown.count = map->count;
    free(map->entries);
    *map = grown;
    return 0;
}

int map_put(struct map *map, struct hash128 key, uint64_t value)
{
    uint64_t *present = map_get(map, key);

    if (present) {
        *present = value;
        return 0;
    }
    if (map->count + 1 > map->capacity / 4 * 3) {
        int r = map_grow(map);

        if (r < 0)
            return r;
    }
    *map_slot(map, key) = (struct map_entry){.key = key, .value = value, .used = 1};
    map->count++;
    return 0;
}

/* Closes the gap at `hole`: each follower in the run moves back unless that would put it before its
 * home slot. */
static void map_close_gap(struct map *map, size_t hole)
{
    size_t mask = map->capacity - 1;

    for (size_t i = (hole + 1) & mask; map->entries[i].used; i = (i + 1) & mask) {
        size_t home = map_home(map, map->entries[i].key);

        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        map->entries[hole] = map->entries[i];
        hole = i;
    }
    map->entries[hole] = (struct map_entry){0};
}

bool map_remove(struct map *map, struct hash128 key)
{
    struct map_entry *entry;

    if (!map->count)
        return false;
    entry = map_slot(map, key);
    if (!entry->used)
        return false;
    map_close_gap(map, (size_t)(entry - map->entries));
    map->count--;
    return true;
}

const struct map_entry *map_next(const struct map *map, size_t *position)
{
    while (*position < map->capacity) {
        const struct map_entry *entry = &map->entries[(*position)++];

        if (entry->used)
            return entry;
    }
    return NULL;
}

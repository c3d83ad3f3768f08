/*
 * A hash map from 128-bit keys, which are hashes already, to 64-bit values: open addressing, linear
 * probing, backward-shift deletion. Iteration order is unspecified but the same for the same
 * history of calls.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <util/hash.h>

struct map_entry {
    struct hash128 key;
    uint64_t value;
    uint64_t used; /* 0 or 1 */
};

struct map {
    struct map_entry *entries;
    size_t capacity; /* zero or a power of two */
    size_t count;
};

void map_init(struct map *map);
void map_deinit(struct map *map);
/* NULL where there is none. The pointer is valid until the next map_put or map_remove. */
uint64_t *map_get(const struct map *map, struct hash128 key);
/* Has the CPU fetch what a map_get or map_put of that key, a little later, would wait for. */
void map_prefetch(const struct map *map, struct hash128 key);
/* Inserts or overwrites; 0 or -ENOMEM (the map is then unchanged). */
int map_put(struct map *map, struct hash128 key, uint64_t value);
bool map_remove(struct map *map, struct hash128 key);
/* Walks: start with *position = 0; NULL at the end. Do not change the map meanwhile. */
const struct map_entry *map_next(const struct map *map, size_t *position);

/*
 * The last image of each row that a run of records has changed: what a checkpoint puts.
 */
#pragma once

#include <core/record.h>
#include <util/map.h>

struct image_entry {
    uint8_t *key;
    uint8_t *value;
    uint32_t value_length; /* 0: the row is deleted */
    uint32_t value_capacity;
    uint16_t key_length;
    uint8_t table; /* enum record_table */
};

struct images_block;

struct images {
    struct map map; /* of table and key → index */
    struct hash_key hash_key;
    struct image_entry *entries;
    size_t count, capacity;
    struct images_block *blocks;
};

void images_init(struct images *images, const struct hash_key *hash_key);
/* Takes all images of the record in; 0 or -ENOMEM. */
int images_add(struct images *images, const struct record *record);
/* By table, then in the order of its keys. Nothing can be added until images_clear. */
void images_sort(struct images *images);
/* NULL: no record has touched that row. Not after images_sort. */
const struct image_entry *images_find(const struct images *images, enum record_table table,
                                      const void *key, size_t key_length);
void images_clear(struct images *images);
void images_deinit(struct images *images);

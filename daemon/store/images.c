/*
 * Rows are found by a 128-bit keyed hash of table and key, as balances are elsewhere: no two keys
 * meet. A row that changes again keeps its place in memory if its value has not grown, so a
 * checkpoint takes memory for the rows that changed, not for each change.
 */
#include "images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"

#define BLOCK_BYTES (1024u * 1024u)

struct images_block {
    struct images_block *next;
    size_t used;
    uint8_t bytes[BLOCK_BYTES];
};

_Static_assert(BLOCK_BYTES >= 2 * RECORD_SIZE_MAX, "a key and a value fit a block");

void images_init(struct images *images, const struct hash_key *hash_key)
{
    *images = (struct images){.hash_key = *hash_key};
    map_init(&images->map);
}

static void free_blocks(struct images *images, struct images_block *keep)
{
    while (images->blocks && images->blocks != keep) {
        struct images_block *next = images->blocks->next;

        free(images->blocks);
        images->blocks = next;
    }
}

void images_clear(struct images *images)
{
    map_deinit(&images->map);
    free_blocks(images, NULL);
    images->count = 0;
}

void images_deinit(struct images *images)
{
    images_clear(images);
    free(images->entries);
    images->entries = NULL;
    images->capacity = 0;
}

static uint8_t *allocate(struct images *images, size_t length)
{
    struct images_block *block = images->blocks;

    if (!block || BLOCK_BYTES - block->used < length) {
        block = malloc(sizeof(*block));
        if (!block)
            return NULL;
        block->next = images->blocks;
        block->used = 0;
        images->blocks = block;
    }
    block->used += length;
    return block->bytes + block->used - length;
}

static struct hash128 hash_of(const struct images *images, enum record_table table, const void *key,
                              size_t key_length)
{
    uint8_t name = (uint8_t)table;

    return hash_pair(&images->hash_key, &name, sizeof(name), key, key_length);
}

static int add_entry(struct images *images, struct hash128 hash, const struct record_image *image,
                     struct image_entry **ret_entry)
{
    struct image_entry *entry;
    uint8_t *key;

    if (images->count == images->capacity) {
        size_t capacity = images->capacity * 2 + 256;
        struct image_entry *grown = realloc(images->entries, capacity * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        images->entries = grown;
        images->capacity = capacity;
    }
    key = allocate(images, image->key_length);
    if (!key || map_put(&images->map, hash, images->count) < 0)
        return -ENOMEM;
    memcpy(key, image->key, image->key_length);
    entry = &images->entries[images->count++];
    *entry = (struct image_entry){
        .key = key, .key_length = image->key_length, .table = (uint8_t)image->table};
    *ret_entry = entry;
    return 0;
}

static int add_image(struct images *images, const struct record_image *image)
{
    struct hash128 hash = hash_of(images, image->table, image->key, image->key_length);
    uint64_t *index = map_get(&images->map, hash);
    struct image_entry *entry = index ? &images->entries[*index] : NULL;
    int r = entry ? 0 : add_entry(images, hash, image, &entry);

    if (r < 0)
        return r;
    if (image->value_length > entry->value_capacity) {
        uint8_t *value = allocate(images, image->value_length);

        if (!value)
            return -ENOMEM;
        entry->value = value;
        entry->value_capacity = image->value_length;
    }
    if (image->value_length > 0)
        memcpy(entry->value, image->value, image->value_length);
    entry->value_length = image->value_length;
    return 0;
}

int images_add(struct images *images, const struct record *record)
{
    struct record_image image;
    size_t position = 0;

    while (record_next_image(record, &position, &image)) {
        int r = add_image(images, &image);

        if (r < 0)
            return r;
    }
    return 0;
}

const struct image_entry *images_find(const struct images *images, enum record_table table,
                                      const void *key, size_t key_length)
{
    uint64_t *index = map_get(&images->map, hash_of(images, table, key, key_length));

    return index ? &images->entries[*index] : NULL;
}

static int compare_entries(const void *left, const void *right)
{
    const struct image_entry *a = left, *b = right;

    if (a->table != b->table)
        return a->table < b->table ? -1 : 1;
    return database_compare_keys((enum record_table)a->table, a->key, a->key_length, b->key,
                                 b->key_length);
}

void images_sort(struct images *images)
{
    if (images->count > 1)
        qsort(images->entries, images->count, sizeof(*images->entries), compare_entries);
}

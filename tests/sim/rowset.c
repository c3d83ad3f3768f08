/* Rows stay where they first came to be, so that a walk is in the same order in every replay. */
#include "rowset.h"

#include "need.h"
#include <stdlib.h>
#include <string.h>

static const struct hash_key rowset_key = {{'r', 'o', 'w', 's'}};

void rowset_deinit(struct rowset *set)
{
    for (size_t i = 0; i < set->count; i++) {
        free(set->rows[i].key);
        free(set->rows[i].value);
    }
    free(set->rows);
    map_deinit(&set->map);
    *set = (struct rowset){0};
}

static struct hash128 row_hash(enum record_table table, const void *key, size_t key_length)
{
    uint8_t name = (uint8_t)table;
    return hash_pair(&rowset_key, &name, 1, key, key_length);
}

static struct rowset_row *row_place(struct rowset *set, enum record_table table, const void *key,
                                    size_t key_length)
{
    struct hash128 hash = row_hash(table, key, key_length);
    const uint64_t *found = map_get(&set->map, hash);
    if (found != NULL)
        return &set->rows[*found];
    if (set->count == set->capacity) {
        set->capacity = set->capacity > 0 ? 2 * set->capacity : 64;
        set->rows = need_array(set->rows, set->capacity, sizeof(*set->rows));
    }
    if (map_put(&set->map, hash, set->count) < 0)
        abort();
    struct rowset_row *row = &set->rows[set->count++];
    *row = (struct rowset_row){
        .table = table, .key_length = (uint16_t)key_length, .key = need_copy(key, key_length)};
    return row;
}

static void row_put(struct rowset *set, const struct record_image *image)
{
    struct rowset_row *row = row_place(set, image->table, image->key, image->key_length);
    free(row->value);
    row->value = image->value_length > 0 ? need_copy(image->value, image->value_length) : NULL;
    row->value_length = image->value_length;
}

void rowset_copy(struct rowset *set, const struct rowset *from)
{
    *set = (struct rowset){0};
    for (size_t i = 0; i < from->count; i++) {
        const struct rowset_row *row = &from->rows[i];
        row_put(set, &(struct record_image){.table = row->table,
                                            .key = row->key,
                                            .key_length = row->key_length,
                                            .value = row->value,
                                            .value_length = row->value_length});
    }
}

void rowset_apply_tables(struct rowset *set, const struct record *record, enum record_table end)
{
    struct record_image image;
    for (size_t position = 0; record_next_image(record, &position, &image);)
        if (image.table < end)
            row_put(set, &image);
}

void rowset_apply(struct rowset *set, const struct record *record)
{
    rowset_apply_tables(set, record, TABLE_COUNT_);
}

const struct rowset_row *rowset_get(const struct rowset *set, enum record_table table,
                                    const void *key, size_t key_length)
{
    const uint64_t *found = map_get(&set->map, row_hash(table, key, key_length));
    return found != NULL && set->rows[*found].value_length > 0 ? &set->rows[*found] : NULL;
}

bool rowset_read(const struct rowset *set, enum record_table table, const void *key,
                 size_t key_length, void *value, size_t value_length)
{
    const struct rowset_row *row = rowset_get(set, table, key, key_length);
    if (row == NULL || row->value_length != value_length)
        return false;
    memcpy(value, row->value, value_length);
    return true;
}

/* A model of the store: table → key → value, brought forward by the images of records. */
#pragma once

#include <core/record.h>
#include <stdbool.h>
#include <util/map.h>

struct rowset_row {
    enum record_table table;
    uint16_t key_length;
    uint32_t value_length; /* 0: deleted */
    uint8_t *key, *value;
};

struct rowset {
    struct rowset_row *rows; /* in order of first appearance */
    size_t count, capacity;
    struct map map;
};

void rowset_deinit(struct rowset *set);
void rowset_copy(struct rowset *set, const struct rowset *from);
void rowset_apply(struct rowset *set, const struct record *record);
/* The same, but only images of tables before `end`. */
void rowset_apply_tables(struct rowset *set, const struct record *record, enum record_table end);
/* NULL where there is none. */
const struct rowset_row *rowset_get(const struct rowset *set, enum record_table table,
                                    const void *key, size_t key_length);
/* Copies a row of a fixed size; false where there is none of that size. */
bool rowset_read(const struct rowset *set, enum record_table table, const void *key,
                 size_t key_length, void *value, size_t value_length);

/*
 * A balance's rows, from the store. The functions block on the disk: they run on worker threads,
 * and at start.
 */
#pragma once

#include <core/engine.h>
#include <proto/limits.h>
#include <store/store.h>

struct loaded {
    struct core_row row;
    struct core_reading reading;
    size_t customer_length, product_length;
    char customer[PROTO_ID_MAX], product[PROTO_ID_MAX];
};

/* 0, -ENOENT: the store does not have it, -EUCLEAN: its rows do not belong together, or another
 * -errno. */
int loader_by_hash(struct store *store, struct hash128 hash, struct loaded *ret_loaded);
int loader_by_id(struct store *store, uint32_t id, struct loaded *ret_loaded);
/* As the engine takes them; points into `loaded`. */
struct core_balance_rows loader_rows(const struct loaded *loaded);

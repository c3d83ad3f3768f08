/*
 * LMDB behind one file. Nothing else includes its header or knows its error codes.
 *
 * Rules: opened after exec and never used across a fork. A write transaction begins and ends inside
 * one call, on whichever thread makes it; only the checkpoint thread writes once the store is open.
 * Readers are bound to their transaction object, not to a thread (NOTLS), and short: rows are
 * copied out. Values die with their transaction. The map grows when it is full, up to the limit of
 * the options; growing waits for readers to leave, so a row function must not call the store.
 */
#pragma once

#include <core/record.h>
#include <store/store.h>

struct database;
struct files;
struct images;

/* What the store knows of the ledger, besides its rows. One row of its own table, LEDGER. */
struct ledger_state {
    uint32_t version;
    uint32_t instance;
    uint32_t epoch; /* 0: not started yet */
    uint32_t reserved;
    uint8_t hash_key[16];
    uint64_t sequence, place; /* of the last record whose images are stored */
    int64_t time;
};

/* Makes an empty database in `directory`, with a new instance and key, where there is none. A file
 * that is none of ours is left alone: -EPROTONOSUPPORT. */
int database_open(const char *directory, uint64_t map_limit, struct database **ret_database,
                  struct ledger_state *ret_state, char **ret_error);
struct database *database_free(struct database *database);
int database_get(struct database *database, enum record_table table, const void *key,
                 size_t key_length, void *buffer, size_t buffer_size, size_t *ret_length);
/* From the first key that is not before `from` (NULL: of all), at most `limit` rows. */
int database_range(struct database *database, enum record_table table, const void *from,
                   size_t from_length, size_t limit, store_row_function function, void *userdata);
int database_last(struct database *database, enum record_table table, store_row_function function,
                  void *userdata);
/* Puts sorted images in transactions of a few MiB, the last of which sets the state (S2). Durable
 * when it returns 0. -ENOSPC: there was no room on the disk for one of them; nothing of that one is
 * there, and it may be tried again. -EXFULL: the map is full, and as large as it may be. -EMSGSIZE:
 * a key of a wrong size for its table. */
int database_apply(struct database *database, const struct images *images,
                   const struct ledger_state *state);
/* Lets the file own at least `bytes` behind its last page, for pages to come; often some more, so
 * that it need not be done each time. 0 or -errno. Not while another thread applies. */
int database_make_room(struct database *database, const struct files *files, uint64_t bytes);
/* A consistent copy of the file, while it is in use. */
int database_copy(struct database *database, const char *directory);
/* Negative, zero or positive as in the order of the table's keys. */
int database_compare_keys(enum record_table table, const void *left, size_t left_length,
                          const void *right, size_t right_length);

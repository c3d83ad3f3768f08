/*
 * What the tests of the store share: a scratch directory, a keeper that appends records whose
 * content follows from their sequence, and what the state must be after any number of them.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <store/store.h>

#define BALANCES 50
#define METAS 13
#define DETAIL_MAX 700

struct state {
    uint64_t balances[BALANCES]; /* the last sequence that changed the row; 0: none */
    uint64_t metas[METAS];
};

struct keeper {
    char directory[64];
    struct store_options options;
    struct store *store;
    pthread_mutex_t lock;
    pthread_cond_t progress;
    struct state state;   /* loaded at start, then replayed */
    uint64_t replayed;    /* sequence of the last record of state */
    uint64_t replay_from; /* sequence of the first record that was replayed; 0: none was */
    uint64_t place;       /* of the last record appended */
    char *error;
};

void keeper_init(struct keeper *keeper);
/* Removes the directory. */
void keeper_deinit(struct keeper *keeper);
/* store_open; the error is kept. On success the state has been checked against the sequence. */
int keeper_try_open(struct keeper *keeper);
void keeper_open(struct keeper *keeper);
void keeper_close(struct keeper *keeper, bool checkpoint);
void keeper_abandon(struct keeper *keeper);
int keeper_try_append(struct keeper *keeper, bool use_reserve);
/* Appends the next record, and flushes if `flush`. Returns its sequence. */
uint64_t keeper_append(struct keeper *keeper, bool flush);
struct store_watermarks keeper_marks(const struct keeper *keeper);
/* Each waits for the watermark, or fails the test when the store has failed. */
void keeper_wait_durable(struct keeper *keeper, uint64_t sequence);
void keeper_wait_stored(struct keeper *keeper, uint64_t sequence);
void keeper_wait_space(struct keeper *keeper, enum store_space space);
/* Until the space thread has made what it makes at start: then the disk is quiet. */
void keeper_wait_prepared(struct keeper *keeper);
int keeper_wait_failure(struct keeper *keeper);
/* One record a batch. */
void keeper_append_batches(struct keeper *keeper, size_t count);

/* The record with that sequence: size, encoding, and whether a record is it. */
size_t example_size(uint64_t sequence);
void example_encode(uint8_t *buffer, uint64_t sequence, uint32_t epoch);
void example_check(const struct record *record);
void example_expect(struct state *state, uint64_t sequence);
/* What is in LMDB now. */
void load_state(struct store *store, struct state *ret_state);
void check_state(const struct state *state, uint64_t sequence);

char *path_of(const struct keeper *keeper, const char *name);
void remove_tree(const char *path);
/* The whole file; the caller frees it. */
uint8_t *read_file(const char *path, size_t *ret_length);
void write_file(const char *path, const uint8_t *bytes, size_t length);
void copy_tree(const char *from, const char *to);
/* A checksum of the names and bytes in STATE/journal. */
uint32_t journal_checksum(const struct keeper *keeper);

/* A small generator, so that a seed is a run. */
uint32_t random_next(uint64_t *seed);

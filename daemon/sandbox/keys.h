/*
 * Idempotency keys with the traps of the real server: the first request under a key holds its lock,
 * its answer is stored and replayed to later ones whatever their body is, and a lock that is never
 * given free answers 409 for ever.
 */
#pragma once

#include "model.h"

struct key {
    bool answered;
    unsigned status;
    char *body;
    size_t length;
};

struct keys {
    struct hash_key hash_key;
    struct list items;
    struct map by_text;
};

enum key_state {
    KEY_TAKEN,    /* the lock is ours: execute, then keys_store or keys_release */
    KEY_LOCKED,   /* another holds it: 409 */
    KEY_ANSWERED, /* replay */
};

void keys_init(struct keys *keys);
void keys_deinit(struct keys *keys);
/* An enum key_state, or -ENOMEM. *ret_key stays valid until keys_deinit, for KEY_TAKEN and
 * KEY_ANSWERED. */
int keys_begin(struct keys *keys, const char *text, struct key **ret_key);
/* Keeps a copy of the answer; without memory for it the lock stays, as it does there. */
void key_store(struct key *key, unsigned status, const char *body, size_t length);
/* Nothing is remembered: the next request under this key executes. */
void keys_release(struct keys *keys, const char *text);

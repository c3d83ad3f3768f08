/*
 * What has come in from StellarTools, into the ledger: compared with what is stored (changes.h),
 * and put there together with the events that tell of it, in one record. There is no other way for
 * an object into the store, but with a customer's link.
 */
#pragma once

#include "changes.h"
#include "object_load.h"
#include <core/engine.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serve;

struct apply {
    struct changes_input input;
    struct core_text key;     /* in its table; empty with TABLE_COUNT_ */
    struct core_text webhook; /* its id; empty: it was none */
    /* A refund in doubt that it settles, unless it is older than what is stored. */
    struct core_intent_end ends;
};

struct applied {
    bool changed;  /* what is stored */
    bool is_older; /* than what is stored */
    size_t events;
    uint64_t reveals; /* must be durable before any of it is told */
};

/* What is stored and not in memory: of the table of what came in. */
struct apply_missing {
    char key[OBJECT_KEY_MAX];
    size_t length;
};

/* CORE_OK; CORE_LOAD: that row must be brought in first (object_load.h), and there may be a second
 * one; -errno. What is too large to be kept is told, and in memory only; -E2BIG: a webhook's is too
 * large to be told. */
int apply_object(struct serve *serve, const struct apply *apply, struct applied *ret_applied,
                 struct apply_missing *ret_missing);
/* The same for who cannot wait: what is stored is brought in, and then it is done. What fails is
 * logged. *reveals grows where it is done at once. */
void apply_soon(struct serve *serve, const struct apply *apply, uint64_t *reveals);

/*
 * Products whose units the ledger has from a configuration of before: those that [products] no
 * longer names are StellarTools' to say again.
 */
#pragma once

#include <core/engine.h>
#include <core/record.h>
#include <proto/limits.h>
#include <stddef.h>
#include <stdint.h>
#include <util/config.h>

struct configured_id {
    size_t length;
    char text[PROTO_ID_MAX];
};

struct configured {
    struct configured_id *ids; /* each once */
    size_t count, capacity;
};

void configured_deinit(struct configured *configured);
/* Takes note of a row of TABLE_PRODUCT, or of all that a record has. 0 or -ENOMEM. */
int configured_note(struct configured *configured, const void *key, size_t key_length,
                    const void *value, size_t value_length);
int configured_note_record(struct configured *configured, const struct record *record);
/* Tells the engine. 0 or -errno of the ledger. */
int configured_drop_missing(const struct configured *configured, const struct config *config,
                            struct core *core, int64_t now);

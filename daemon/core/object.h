/*
 * Objects of upstream's, for the rest of the engine: object.c keeps them.
 */
#pragma once

#include <core/engine.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What fits into a record beside the rest of it, and beside events that tell all of it twice. */
#define OBJECT_BODY_MAX (63u * 1024u)
struct object_image {
    int64_t synced_at;
    /* the body follows */
};
int object_replay(struct core *core, enum record_table table, const void *key, size_t key_length,
                  const void *value, size_t value_length, uint64_t sequence);
/* Keeps in memory what a record of another kind has just put. */
void object_note(struct core *core, enum record_table table, struct core_text key,
                 const void *image, size_t length, uint64_t sequence);
/* Whether memory has it, and it is not gone. */
bool object_known(const struct core *core, enum record_table table, struct core_text key);
void objects_trim(struct core *core);
void objects_deinit(struct core *core);

/*
 * Objects of StellarTools' brought in from the store, by a worker thread: what the engine does not
 * have in memory.
 */
#pragma once

#include <core/engine.h>
#include <proto/limits.h>
#include <util/hash.h>

struct serve;

#define OBJECT_KEY_MAX (2 * PROTO_ID_MAX + 1)

/* What an object is known by in its table: an id; of ACCESS two of them. `buffer` is for the
 * latter. */
struct core_text object_key(enum record_table table, struct core_text id, struct core_text product,
                            char buffer[OBJECT_KEY_MAX]);
/* What those who need it wait for (waiting_park): a key of its own, apart from all others. */
struct hash128 object_waits(const struct core *core, enum record_table table, struct core_text key);
/* Begins to bring it in, unless that is under way, and then wakes who waits for it. 0 or -errno. */
int object_load(struct serve *serve, enum record_table table, struct core_text key);
/* The same for nobody who waits: calls back when it has ended, well or not. */
int object_load_then(struct serve *serve, enum record_table table, struct core_text key,
                     void (*then)(void *userdata), void *userdata);

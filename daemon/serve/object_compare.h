/*
 * Two states of one object of StellarTools', side by side: which is newer, whether they say the
 * same, and in what they differ. Objects are decoded MessagePack maps; the order of their members
 * means nothing.
 */
#pragma once

#include <core/engine.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

/* A member that is text; empty where it is none. It points into the object. */
struct core_text object_text(const msgpack_object *object, const char *name);
/* The same for an id; empty where it is none that could be told as such. */
struct core_text object_id(const msgpack_object *object, const char *name);
bool object_text_is(const msgpack_object *object, const char *name, const char *text);
bool object_is_true(const msgpack_object *object, const char *name);
/* A member that is an ISO 8601 time, in ms since the epoch; false: there is none to be read. */
bool object_time(const msgpack_object *object, const char *name, int64_t *ret_time);

bool object_equal(const msgpack_object *a, const msgpack_object *b);
/* Whether all that `part` says, `whole` says as well. */
bool object_includes(const msgpack_object *whole, const msgpack_object *part);

/* msgpack_pack_object, after whose failure the packer takes nothing more. */
void object_pack(msgpack_packer *packer, const msgpack_object *object);
/* Packs a map of the members that were otherwise in `old`, as they were there; nil for those that
 * were not there. `part`: members that `new` leaves out have not changed. */
void object_pack_previous(msgpack_packer *packer, const msgpack_object *old,
                          const msgpack_object *new, bool part);
/* Packs `new`, with the members of `old` that it leaves out. */
void object_pack_merged(msgpack_packer *packer, const msgpack_object *old,
                        const msgpack_object *new);
/* What tells of a change of `object`: ids, states and times, all of them short. It points into
 * both. 0 or -ENOMEM. */
int object_reduce(msgpack_zone *zone, const msgpack_object *object, msgpack_object *ret_object);

/*
 * What an event tells: its envelope (proto/events.h), made of its row in the index and of the
 * record that it came about with. Of credits and pushes the record's images say everything; what
 * StellarTools said of its objects came with the change, and stands in the record's detail.
 *
 * Pure, and the same bytes each time: an event that is told twice, is told alike.
 */
#pragma once

#include <core/event.h>
#include <core/record.h>
#include <msgpack.h>
#include <stdint.h>

/* Appends one map. `instance` is the ledger's, for the ids of pushes. 0; -EBADMSG: the record is
 * not what the row says, nothing was appended; or -ENOMEM. */
int envelope_pack(const struct core_event *event, const struct record *record, uint32_t instance,
                  msgpack_sbuffer *envelope);
/* The same without an object, where the record cannot be read any more: that there was such an
 * event is still known. 0 or -ENOMEM. */
int envelope_pack_bare(const struct core_event *event, msgpack_sbuffer *envelope);

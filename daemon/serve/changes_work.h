/*
 * What a comparison works with, between changes.c, which knows what is told of one object, and
 * changes_subscriptions.c, which keeps a customer's as one list.
 */
#pragma once

#include "changes.h"
#include <msgpack.h>
#include <stdbool.h>

#define BODY_MAX (63u * 1024u) /* the engine keeps nothing larger */

struct work {
    const struct changes_input *input;
    const struct changes_stored *stored;
    struct changes *changes;
    msgpack_object old, new, previous;
    bool has_old, has_previous;
    /* A list that is too large is stored as {complete, rows}, of rows reduced to what tells of a
     * change. */
    bool is_reduced, is_complete; /* what is stored */
    bool must_reduce;             /* what is to be stored: there are such rows in it */
    msgpack_packer body, data;
};

enum compared { IS_NEW, IS_SAME, IS_OLDER, IS_CHANGED };

bool work_is_told(const struct work *work);
enum compared work_compare(const struct work *work, const msgpack_object *old,
                           const msgpack_object *new);
bool work_is_young(const struct work *work, const msgpack_object *object);
/* `new`, with what a webhook left out of `old`, which may be NULL. */
void work_pack_state(const struct work *work, msgpack_packer *packer, const msgpack_object *old,
                     const msgpack_object *new);
void work_tell(struct work *work, enum core_event_type type, const msgpack_object *old,
               const msgpack_object *new);

/* --- changes_subscriptions.c --- */
void work_change_subscription(struct work *work);
void work_change_list(struct work *work);

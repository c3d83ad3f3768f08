/*
 * The calls of a channel that wait for an answer: a table of slots. An id is a slot and how often
 * the slot has been used, so that a late answer finds nobody, and a search is an index.
 */
#pragma once

#include <ipc/channel.h>
#include <stdbool.h>
#include <stdint.h>

struct call {
    ipc_reply_function callback; /* NULL: a free slot */
    void *userdata;
    uint64_t deadline; /* loop time; UINT64_MAX: none */
    uint32_t next_free;
    uint16_t generation;
};

struct calls {
    struct call *slots;
    uint32_t count; /* of slots */
    uint32_t used;
    uint32_t limit;
    uint32_t first_free; /* UINT32_MAX: none */
};

void calls_init(struct calls *calls, uint32_t limit);
void calls_deinit(struct calls *calls);
/* 0, -EBUSY or -ENOMEM. */
int calls_add(struct calls *calls, ipc_reply_function callback, void *userdata, uint64_t deadline,
              uint32_t *ret_id);
/* Takes a call out, so that it can be called back: false where there is none of that id. */
bool calls_take(struct calls *calls, uint32_t id, struct call *ret_call);
/* Takes out one whose deadline is not after `now` (UINT64_MAX: any); false where there is none, and
 * then *ret_next is the earliest deadline of the others. */
bool calls_take_due(struct calls *calls, uint64_t now, struct call *ret_call, uint64_t *ret_next);

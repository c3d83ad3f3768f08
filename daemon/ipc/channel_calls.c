#include "channel_calls.h"
#include <errno.h>
#include <stdlib.h>

#define NO_SLOT UINT32_MAX
#define SLOT_BITS 16
#define FIRST_SLOTS 16u

void calls_init(struct calls *calls, uint32_t limit)
{
    *calls = (struct calls){.limit = limit, .first_free = NO_SLOT};
}

void calls_deinit(struct calls *calls)
{
    free(calls->slots);
    calls->slots = NULL;
}

static int calls_grow(struct calls *calls)
{
    uint32_t count = calls->count == 0 ? FIRST_SLOTS : 2 * calls->count;
    struct call *slots;

    if (count > calls->limit)
        count = calls->limit;
    slots = realloc(calls->slots, count * sizeof(*slots));
    if (slots == NULL)
        return -ENOMEM;
    for (uint32_t i = count; i-- > calls->count;) {
        slots[i] = (struct call){.next_free = calls->first_free};
        calls->first_free = i;
    }
    calls->slots = slots;
    calls->count = count;
    return 0;
}

int calls_add(struct calls *calls, ipc_reply_function callback, void *userdata, uint64_t deadline,
              uint32_t *ret_id)
{
    struct call *call;
    uint32_t slot;

    if (calls->used == calls->limit)
        return -EBUSY;
    if (calls->first_free == NO_SLOT && calls_grow(calls) < 0)
        return -ENOMEM;
    slot = calls->first_free;
    call = &calls->slots[slot];
    calls->first_free = call->next_free;
    calls->used++;
    call->callback = callback;
    call->userdata = userdata;
    call->deadline = deadline;
    *ret_id = (uint32_t)call->generation << SLOT_BITS | slot;
    return 0;
}

static void calls_release(struct calls *calls, uint32_t slot)
{
    struct call *call = &calls->slots[slot];

    call->callback = NULL;
    call->generation++;
    call->next_free = calls->first_free;
    calls->first_free = slot;
    calls->used--;
}

bool calls_take(struct calls *calls, uint32_t id, struct call *ret_call)
{
    uint32_t slot = id & ((1u << SLOT_BITS) - 1);

    if (slot >= calls->count || calls->slots[slot].callback == NULL ||
        calls->slots[slot].generation != id >> SLOT_BITS)
        return false;
    *ret_call = calls->slots[slot];
    calls_release(calls, slot);
    return true;
}

/* A walk over all slots: deadlines are rare, and slots few. */
bool calls_take_due(struct calls *calls, uint64_t now, struct call *ret_call, uint64_t *ret_next)
{
    uint64_t next = UINT64_MAX;

    for (uint32_t i = 0; i < calls->count; i++) {
        const struct call *call = &calls->slots[i];
        if (call->callback == NULL)
            continue;
        if (call->deadline <= now) {
            *ret_call = *call;
            calls_release(calls, i);
            return true;
        }
        if (call->deadline < next)
            next = call->deadline;
    }
    *ret_next = next;
    return false;
}

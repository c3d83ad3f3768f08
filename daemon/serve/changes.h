/*
 * What an object that has come in from StellarTools changes: what is stored of it, and which events
 * tell of it. Everything that comes in goes through here, whether it was read, answered a write, or
 * was told by a webhook. Pure: encoded objects in, encoded objects and events out.
 *
 * Nothing moves back in time: what is older (updated_at) than what is stored changes nothing. What
 * has no updated_at counts as newer, but a refund or a payment that has ended is not pending again.
 * The same twice is nothing the second time, by whatever way it comes.
 *
 * - Customers: customer.updated with what was otherwise. What was not known before is no change,
 *   unless a webhook tells of it. A deleted one leaves a mark that is never told (it is partial),
 *   so that a late webhook does not bring it back; only reading it does.
 * - Subscriptions are kept as one list for each customer: what is new there was created; what
 *   became canceled, or is to be at its period's end, was canceled; all else was updated. One event
 *   each. Of a customer whose list was never read a partial list is kept: single subscriptions, to
 *   be compared with, never to be told. So is one kept that has grown too large: with what tells of
 *   a change alone, and saying whether it has all of them.
 * - Refunds: created once, then as their status says. Payments: as the webhook says.
 *
 * Webhooks are lost and overtake each other. One that is the first to name a young object (created
 * within CHANGES_YOUNG_MS) tells that it was created as well: the webhook that says so is late, and
 * will be too old to say anything.
 */
#pragma once

#include <core/event.h>
#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANGES_YOUNG_MS (INT64_C(3) * 24 * 60 * 60 * 1000)

enum changes_source {
    CHANGES_READ,    /* it was asked for: it is so now */
    CHANGES_WRITTEN, /* the answer to a change of ours */
    CHANGES_CREATED, /* the answer to a create of ours */
    CHANGES_TOLD,    /* by a webhook: what it leaves out has not changed */
};

struct changes_input {
    enum record_table table; /* TABLE_COUNT_: nothing is stored, the event is passed on */
    enum changes_source source;
    const void *body; /* encoded; NULL: a webhook without an object */
    size_t length;
    bool is_list;   /* the whole list of subscriptions */
    bool overtaken; /* … of which single ones came in while it was read */
    /* CHANGES_TOLD */
    enum core_event_type type;
    int64_t told_at;      /* its `created`; 0: not known */
    const void *previous; /* previous_attributes, an encoded map; NULL: none */
    size_t previous_length;
};

/* What is stored; body NULL: nothing. */
struct changes_stored {
    const void *body;
    size_t length;
    bool partial;
};

struct changes {
    bool store; /* `body`, in place of what is stored */
    bool partial;
    bool keeps_time; /* synced_at is that of what was stored */
    bool is_older;   /* what came in (not a list) is older than what is stored */
    msgpack_sbuffer body;
    struct core_event_data *events;
    size_t event_count, event_capacity;
    msgpack_sbuffer data; /* the events' own */
    msgpack_zone zone;
};

/* 0, -EBADMSG (no object of the table) or -ENOMEM: then there is nothing to deinit. What it points
 * to is in `ret_changes`, and in the input's bytes. */
int changes_make(const struct changes_input *input, const struct changes_stored *stored,
                 struct changes *ret_changes);
void changes_deinit(struct changes *changes);
/* The table of what a webhook of that type is about; TABLE_COUNT_: of nothing that is stored. */
enum record_table changes_table(enum core_event_type type);

/*
 * Events: what apps and hooks are told. Part of the engine: see engine.h for how commands, records
 * and `now` work.
 *
 * An event has no record of its own. It comes about with a change, and stands in that change's
 * record: as a bit of its header, and as a row of the table EVENT, an index by which it is found
 * again. So there is no event without its cause, and none is lost between the two. Events are
 * numbered from 1 on, without gaps. What an event tells is made of its record when it is told
 * (serve's business): of the images, or of the data that came with the change.
 *
 * An event may leave only when its record is durable. Rows live in the store; those that are not
 * there yet are in memory, so that whoever reads events goes on without a gap: core_event_get for
 * what is younger than the store, the table for the rest.
 */
#pragma once

#include <core/engine.h>

/* A decoded row. Texts point into the row. */
struct core_event {
    uint64_t number;
    uint64_t sequence; /* of its record */
    uint64_t place;
    uint32_t epoch; /* with the number: its id */
    enum core_event_type type;
    int64_t created;
    int64_t value; /* credits.low, credits.recovered: the threshold */
    bool livemode;
    /* Where in the record's detail its data are, one encoded map; length 0: they are made of the
     * images. */
    uint32_t data_offset, data_length;
    struct core_text customer, product; /* empty where there is none */
};

/* A row of the table EVENT: 0 or -EBADMSG. */
int core_event_decode(const void *key, size_t key_length, const void *value, size_t value_length,
                      struct core_event *ret_event);
#define CORE_EVENT_KEY_SIZE 8
void core_event_key(uint64_t number, uint8_t ret_key[CORE_EVENT_KEY_SIZE]);

/* The numbers of the oldest that is kept and of the latest: first > last where there is none. */
void core_event_range(const struct core *core, uint64_t *ret_first, uint64_t *ret_last);
/* The number of the last event whose record is at most `sequence`: what is durable up to there. */
uint64_t core_event_through(const struct core *core, uint64_t sequence);
/* CORE_OK, valid until the next command; CORE_LOAD: it is in the store; CORE_NOT_FOUND. */
int core_event_get(const struct core *core, uint64_t number, struct core_event *ret_event);
/* Loading: the last row of the store's table, if there is one, and the number of the first. Before
 * replay. */
int core_event_load(struct core *core, uint64_t first, uint64_t last);
/* The segments of events up to `through` are gone: their rows go too. May have to be called again:
 * CORE_LOAD until it is done, then CORE_OK. The latest row stays, and so do those that the store
 * may not have: numbers go on from there. */
int core_event_forget(struct core *core, uint64_t through, int64_t now);

/* What an object's change raises. */
struct core_event_data {
    enum core_event_type type;
    struct core_text customer, product;
    const void *data; /* an encoded map: object, previous_attributes */
    size_t length;
};

#define CORE_EVENTS_MAX 200u /* of one change */

/* How a parked refund of a payment ended. */
struct core_intent_end {
    uint64_t intent;            /* its sequence; 0: none has ended */
    struct core_text object_id; /* the refund that was made */
    const char *refused;        /* it was not: why; else NULL */
};

/* core_object_put with all that may go with it, in one record. */
struct core_object_change {
    enum record_table table; /* CUSTOMER, SUBSCRIPTIONS, ACCESS, REFUND, PAYMENT */
    struct core_text key;    /* empty: no object, only events */
    const void *body;        /* NULL: the object is gone */
    size_t length;
    bool partial; /* it is not whole, and must be read before it is told: synced_at is 0 */
    /* Since when it is known to be so: 0: now. A list in which one row has changed is no younger
     * for that. */
    int64_t synced_at;
    const struct core_event_data *events;
    size_t event_count;
    struct core_text webhook; /* its id, to be remembered with the change; empty: none */
    /* What follows from it, so that no crash comes between: a refund that was in doubt has ended,
     * and a row beside the object, in the same table, is put (`beside` empty: none). */
    struct core_intent_end ends;
    struct core_text beside;
    const void *beside_body;
    size_t beside_length;
};
/* As core_object_put. -E2BIG also where the events are too many or too large. Without a change of
 * a body, an event, an end or a new webhook, nothing is appended; a body that was whole and is
 * partial now has changed. -EINVAL: ids that are none. CORE_NOT_FOUND, CORE_NOT_PARKED: of the
 * refund that ends; nothing has changed. */
int core_object_change(struct core *core, const struct core_object_change *change, int64_t now,
                       uint64_t *ret_sequence);

/* The same for a body that is too large for a record: it is in memory only, until that is wanted
 * for others or the daemon ends, and is told as any other. Its events are another record,
 * `sequence`, or none (0). *ret_is_first: it was otherwise before. 0 or -ENOMEM. */
int core_object_cache(struct core *core, const struct core_object_change *change, uint64_t sequence,
                      int64_t now, bool *ret_is_first);

/* Whether that webhook was remembered (for CORE_WEBHOOKS_KEPT, and at least so many of them):
 * CORE_OK or CORE_NOT_FOUND. */
int core_webhook_seen(const struct core *core, struct core_text id, uint64_t *ret_sequence);
#define CORE_WEBHOOK_TTL_MS (INT64_C(30) * 24 * 60 * 60 * 1000)
#define CORE_WEBHOOKS_MAX 100000u

/* Which kind of key creditd-sync holds; recorded when it changes. Events carry it. */
int core_set_livemode(struct core *core, bool livemode, int64_t now);
bool core_livemode(const struct core *core);

/* --- thresholds of credits.low --- */

/* Descending, without repetitions. Of that product in place of the policy's; count 0: the policy's
 * again. Forgotten by all with core_thresholds_reset (before a reload). CORE_OK or -ENOMEM. */
int core_thresholds_set(struct core *core, struct core_text product, const int64_t *thresholds,
                        size_t count);
void core_thresholds_reset(struct core *core);

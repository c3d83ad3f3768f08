/*
 * An intent in memory, between intent_table.c, which keeps and records them, and intent.c, which
 * carries them out.
 */
#pragma once

#include "state.h"
#include <stddef.h>

#define INTENT_KEEP_ENDED (INT64_C(24) * 60 * 60 * 1000)
#define INTENT_RETRY_MS 1000

/* What the last attempt was answered with. No proof by itself once an attempt may have run, but a
 * reason not to send it again for ever. */
enum intent_verdict {
    VERDICT_NONE,    /* nothing that is understood */
    VERDICT_ERROR,   /* an error of upstream's own, which may pass */
    VERDICT_REFUSED, /* what a first attempt would have ended with */
    VERDICT_MADE,    /* the object */
};

/* The row: this, then owner and payload. Rows of before begun_at was kept end there. */
struct intent_image {
    struct hash128 key, fingerprint;
    uint64_t sequence;
    int64_t ended_at;
    uint32_t epoch, uid;
    uint32_t kind, state, attempt;
    uint32_t clean; /* no attempt so far can have run: the next answer is a first one */
    uint32_t has_key;
    uint16_t owner_length, payload_length;
    char object_id[CORE_OBJECT_ID_SIZE];
    char message[200]; /* what upstream last said against it */
    uint8_t errors;    /* attempts that ended with VERDICT_ERROR */
    uint8_t verdict;   /* enum intent_verdict */
    char padding[5];
    int64_t begun_at; /* 0: not known */
};
#define INTENT_IMAGE_OLD offsetof(struct intent_image, begun_at)

struct intent {
    struct job job; /* first */
    struct intent_image row;
    char *owner; /* owned: the user of a customer, the customer of the rest; then the payload */
    uint64_t last_sequence;
    unsigned empty, pages;
    bool probing;   /* its exchange only finds out whether upstream answers */
    bool untold;    /* parked, and not recorded as that yet */
    bool forgotten; /* dropped while an exchange was under way: goes when that has ended */
    int64_t delay;
    char cursor[CORE_OBJECT_ID_SIZE];
};

struct intent *intent_find(const struct core *core, uint64_t sequence); /* NULL: there is none */
/* Out of memory, at once or when its exchange has ended; its record says so already, or it never
 * had one. */
void intent_forget(struct core *core, struct intent *intent);
struct core_text intent_owner(const struct intent *intent);
struct core_text intent_payload(const struct intent *intent);
/* The intent as `next`, by a record; its sequence, if it has none yet, is the record's. That it is
 * parked is told as an event. */
int intent_append(struct core *core, struct intent *intent, struct intent_image *next,
                  enum record_type type, bool deleted, int64_t now);
/* Upstream has made the object. */
int intent_succeeded(struct core *core, struct intent *intent, const struct exchange_object *object,
                     int64_t now);
/* Upstream will not make it. A customer's is forgotten at once. */
int intent_refused(struct core *core, struct intent *intent, const char *message, int64_t now);
/* What must not be sent again, and cannot be looked up: an operator must look. */
int intent_park(struct core *core, struct intent *intent, int64_t now);
/* An operator is said to have seen to it; whoever waits for it is told. */
int intent_give_up(struct core *core, struct intent *intent, uint32_t uid, int64_t now);

/* --- for object.c --- */
/* A parked refund's end, as an image of a record that is about more: added before there is room for
 * the record, and true once that is written. CORE_OK, CORE_NOT_FOUND, CORE_NOT_PARKED or -errno. */
struct intent_ending {
    struct intent *intent;
    struct intent_image *image; /* owned */
};
int intent_ending_add(struct core *core, struct append *append, const struct core_intent_end *end,
                      int64_t now, struct intent_ending *ret_ending);
void intent_ending_finish(struct core *core, struct intent_ending *ending, uint64_t sequence);
void intent_ending_deinit(struct intent_ending *ending);

/* --- search.c --- */
/* Spelt the same, or (not `exact`) but for the case. */
bool email_is_same(const struct exchange_object *row, struct core_text email, bool exact);

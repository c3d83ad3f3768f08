/*
 * Users and their customers, and the creating of things upstream (ledger.md P9). Part of the
 * engine: see engine.h for how commands, records and `now` work.
 *
 * A link is one user's one customer, unique both ways, and durable. It is found by what the session
 * claims (if that may be believed), by the customer's email (if it is verified), or made by
 * creating a customer. A create is an intent: durable before its request leaves, named in the
 * created object's metadata, and looked up there before anything is sent again. However many ask
 * for a user's customer at once, there is one search and one create.
 */
#pragma once

#include <core/engine.h>

/* --- links --- */

/* What is known of a user: from a session, or from the signup hook. Only user_id must be there. */
struct core_user {
    struct core_text user_id, email, name, image;
    struct core_text claimed_customer; /* the session's stellartools_customer_id */
    bool email_verified;
};

struct core_link {
    struct core_text customer; /* valid until the next call */
    uint64_t reveals;
    struct hash128 key;  /* of the user: what effects.linked names */
    const char *message; /* of a refusal, may be NULL; valid until the next call */
};

/* CORE_OK: ret_link->customer. CORE_UNLINKED: no link, and `create` is false. CORE_COLD: it is
 * being looked for; ask again at effects.linked. Ends of the search, remembered for a short while:
 * CORE_AMBIGUOUS (several customers have that email, none spelt exactly so; the message names
 * them), CORE_TAKEN (the customer that a session claims, and
 * is believed to have, or the one that was created, is another user's), CORE_REFUSED (upstream
 * refused to create one; the message says why). CORE_QUOTA_TURNS. */
int core_link_get(struct core *core, const struct core_user *user, bool create, uint32_t uid,
                  int64_t now, struct core_link *ret_link);
/* Operators: links a user to a customer in place of its old link. CORE_TAKEN where the customer is
 * another user's. */
int core_link_set(struct core *core, struct core_text user_id, struct core_text customer,
                  uint32_t uid, int64_t now, uint64_t *ret_sequence);
/* CORE_NOT_FOUND where there is no link. */
int core_link_remove(struct core *core, struct core_text user_id, uint32_t uid, int64_t now,
                     uint64_t *ret_sequence);
/* The user of a customer; false where there is none. */
/* The signup hook: the user is to have a customer, however long that takes. Durable; the search
 * begins at once and goes on over restarts. CORE_OK, also where there is a link or a search
 * already. */
int core_link_wish(struct core *core, const struct core_user *user, uint32_t uid, int64_t now,
                   uint64_t *ret_sequence);
bool core_link_owner(const struct core *core, struct core_text customer,
                     struct core_text *ret_user_id);

/* --- intents: creates --- */

enum core_intent_kind { CORE_INTENT_CUSTOMER = 1, CORE_INTENT_SUBSCRIPTION, CORE_INTENT_REFUND };
/* The payload of CORE_INTENT_CUSTOMER, which the engine makes itself: this, then email, name and
 * image, without NULs. */
struct core_customer_payload {
    uint16_t email_length, name_length, image_length;
    uint16_t flags; /* 1: the email was verified */
};

enum core_intent_state {
    CORE_INTENT_WANTED = 6, /* a customer, once a search has found none */
    CORE_INTENT_SENDING = 1,
    CORE_INTENT_DOUBT,  /* to be looked up */
    CORE_INTENT_PARKED, /* a refund in doubt, or what upstream says it made and nobody finds: an
                           operator must look (P9) */
    CORE_INTENT_DONE,   /* there is the object */
    CORE_INTENT_REFUSED,
};

#define CORE_PAYLOAD_MAX 8192u
#define CORE_OBJECT_ID_SIZE 129

struct core_intent {
    uint64_t sequence;
    uint32_t epoch;
    uint32_t kind, state, attempt;
    char object_id[CORE_OBJECT_ID_SIZE]; /* done; NUL-terminated */
    char message[200]; /* refused: why; else what upstream last said against it, if it did */
    int64_t begun_at;
    uint64_t reveals;
};

/* Begins a create for a customer (a subscription, or a refund), once for each `key` (an app's
 * idempotency key with its scope; empty: a new one each time). CORE_OK: begun, or known by its key
 * (ret_intent->state says how it stands); CORE_KEY_REUSED: that key, another payload;
 * CORE_QUOTA_INTENTS: that customer has CORE_INTENTS_OPEN_MAX of that kind under way or in doubt.
 * effects.intent tells when it has ended: one that is in doubt, is not found in two lookups, and
 * was refused ends as refused; what was answered with errors of upstream's own after
 * CORE_INTENT_ERRORS_MAX attempts; a subscription that was not answered a day after it was asked
 * for, too. A customer's is tried for ever, with growing delays. `payload` is what the request is
 * made of, in the caller's own encoding; at most CORE_PAYLOAD_MAX bytes. */
#define CORE_INTENTS_OPEN_MAX 3u
#define CORE_INTENT_ERRORS_MAX 3u
int core_intent_begin(struct core *core, enum core_intent_kind kind, struct core_text customer,
                      struct core_text key, struct core_text payload, uint32_t uid, int64_t now,
                      struct core_intent *ret_intent);
/* What core_intent_begin would find under that key: CORE_OK, CORE_KEY_REUSED, or CORE_NOT_FOUND
 * where it would begin one. */
int core_intent_find(const struct core *core, enum core_intent_kind kind, struct core_text customer,
                     struct core_text key, struct core_text payload,
                     struct core_intent *ret_intent);
bool core_intent_get(const struct core *core, uint64_t sequence, struct core_intent *ret_intent);
/* As it was given; valid until the next command. Empty where there is no such intent. */
struct core_text core_intent_payload(const struct core *core, uint64_t sequence);
/* Whose it is: the customer of a subscription or a refund, the user of a customer. */
struct core_text core_intent_owner(const struct core *core, uint64_t sequence);
/* All that are known, in no order: start with *position = 0. */
bool core_next_intent(const struct core *core, size_t *position, struct core_intent *ret_intent);
/* A row of the table INTENT, as an image holds it: 0 or -EBADMSG. Texts point into it. */
int core_intent_decode(const void *value, size_t length, struct core_intent *ret_intent,
                       struct core_text *ret_owner, struct core_text *ret_payload);
/* The operator has looked. `object_id`: a parked refund was made as that; with all that follows
 * from it, in one record: core_object_change (event.h). Empty: it was not made, or is seen to: what
 * is parked, in doubt, or has not left is given up, and may be asked for again. CORE_NOT_FOUND;
 * CORE_NOT_PARKED: it has ended, or is being sent. */
int core_intent_settle(struct core *core, uint64_t sequence, struct core_text object_id,
                       uint32_t uid, int64_t now);
void core_intent_id(const struct core *core, uint32_t epoch, uint64_t sequence,
                    char ret_id[EXCHANGE_PUSH_ID_SIZE]);

/* --- errands: one exchange each, for a request of the caller's --- */

/* Queues an exchange among the cold balances (P6); core_next_exchange hands it out as
 * EXCHANGE_ERRAND with this number, once, and core_exchange_done ends it. While upstream does not
 * answer a write reads its customer first (EXCHANGE_CUSTOMER, which is not told to the caller in
 * any other way), and is handed out when some read has succeeded. CORE_OK or CORE_QUOTA_TURNS;
 * -EINVAL: a write needs a customer. */
int core_errand(struct core *core, bool is_write, struct core_text customer, uint32_t uid,
                int64_t now, uint64_t *ret_errand);
/* Takes one back that has not been handed out; false where it has. */
bool core_errand_cancel(struct core *core, uint64_t errand);

/* --- objects of upstream's, as last seen --- */

struct core_object {
    const void *body; /* valid until the next call; encoded msgpack */
    size_t body_length;
    int64_t synced_at;
    uint64_t reveals;
};

/* CORE_OK; CORE_LOAD: ask the store for (table, key), core_object_load, and again; CORE_NOT_FOUND:
 * not here. Tables: CUSTOMER, SUBSCRIPTIONS, ACCESS, REFUND, PAYMENT. */
int core_object_get(struct core *core, enum record_table table, struct core_text key,
                    struct core_object *ret_object);
/* The row as the store has it; value NULL: it has none. */
int core_object_load(struct core *core, enum record_table table, struct core_text key,
                     const void *value, size_t length);
/* As upstream has just said; with events: core_object_change (event.h). A record only where the
 * body has changed; *ret_sequence is what must be durable before it is told. -E2BIG: too large to
 * be kept (RECORD_SIZE_MAX): nothing has changed. */
int core_object_put(struct core *core, enum record_table table, struct core_text key,
                    const void *body, size_t length, int64_t now, uint64_t *ret_sequence);
/* How far the store has come: what is there need not stay in memory. */
void core_set_stored(struct core *core, uint64_t sequence);

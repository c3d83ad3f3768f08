/*
 * Ledger records: what is appended to the journal, and the only thing that ever changes the state.
 *
 * A record is a redo record with after-images (ledger.md J1): besides its own detail (what
 * happened, for the history) it carries each row that it changed, as the row is after it. An image
 * names a table and a key; an empty value deletes. Whoever applies records in order (the engine at
 * replay, the checkpoint into the store) needs to know the tables, not the types: replay is
 * idempotent, reads nothing, and a record type added later needs no change in the store.
 *
 * Layout: little-endian, as all machines we build for; fixed header, images, detail, each padded to
 * 8 bytes with zeros. header  struct record_header, 64 bytes images  struct image_header (8 bytes),
 * key, value, padding; `images` of them detail  `detail_length` bytes, of a form that the type
 * decides (struct record_consume, …), padding `length` is the whole, a multiple of 8. The CRC is
 * CRC-32C of everything after the crc field. A version that is not ours is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_VERSION 1
#define RECORD_SIZE_MAX (256u * 1024u) /* of one record; journal and engine both rely on it */
#define RECORD_IMAGES_MAX 250u

enum record_type {
    RECORD_BALANCE_NAMED = 1, /* a balance got its dense id */
    RECORD_PRODUCT =
        2, /* what upstream or the configuration says of a product changed, or it was parked */
    RECORD_READING = 3, /* upstream's balance was read, and had changed */
    RECORD_CONSUME = 4,
    RECORD_PUSH_BEGUN = 5,    /* an attempt: durable before the request leaves (P1) */
    RECORD_PUSH_DOUBT = 6,    /* its answer proves nothing; what was found so far */
    RECORD_PUSH_RESOLVED = 7, /* confirmed or refused, with what was counted */
    RECORD_PUSH_PARKED = 8,
    RECORD_WRITE_OFF = 9, /* an operator dropped a push (P8) */
    RECORD_EVENT = 10,
    RECORD_FORGET = 11, /* dedupe keys and clients that are past their time */
    RECORD_RESERVE = 12,
    RECORD_EXTEND = 13,
    RECORD_SETTLE = 14, /* a deduction: its detail is a record_consume */
    RECORD_RELEASE = 15,
    RECORD_EXPIRE = 16,
    RECORD_CREDIT_REFUND = 17,
    RECORD_GRANT = 18,
    RECORD_LINK = 19,       /* a user got its customer, or lost it */
    RECORD_INTENT = 20,     /* a create, durable before its request leaves */
    RECORD_OUTCOME = 21,    /* how it ended */
    RECORD_OBJECT = 22,     /* an object of upstream's, as last seen; the data of its events */
    RECORD_SUBSCRIBER = 23, /* a subscriber has acknowledged events, or is forgotten */
    RECORD_DELIVERY = 24,   /* a hook's place has moved, or a delivery stands otherwise */
    RECORD_SETTING = 25,    /* what creditd was told of itself: rows of META */
};

/* The tables of the store; each image belongs to one. A checkpoint writes them in this order, in
 * several transactions, so what others refer to comes first: a balance's
 * name and reading before its row. The store opens one LMDB database for each.
 */
#define RECORD_TABLES(X)                                                                           \
    X(NAME, "names")       /* u32 id → struct name_image: the two id strings, stored once */     \
    X(INDEX, "index")      /* 16-byte keyed hash of customer and product → u32 id */             \
    X(READING, "readings") /* u32 id → struct core_reading */                                    \
    X(BALANCE, "balances") /* u32 id → struct core_row */                                        \
    X(PRODUCT, "products") /* product id → struct core_product */                                \
    X(PUSH, "pushes")      /* u64 push sequence → struct core_push: open, parked or watched */   \
    X(CLIENT, "clients")   /* 16-byte hash of uid and client id → struct dedupe_client */        \
    X(STAMP, "stamps") /* 16-byte client hash, u16 slot (big-endian) → struct dedupe_entry */    \
    X(KEY, "keys")     /* 16-byte hash of uid, method, customer, key → struct dedupe_entry */    \
    X(HOLD, "holds")   /* u64 reservation sequence → struct core_hold */                         \
    X(RETURNED, "returned")  /* struct core_transaction → struct core_return */                  \
    X(LINK, "links")         /* user id → customer id */                                         \
    X(OWNER, "owners")       /* customer id → user id: one customer has one user, too */         \
    X(INTENT, "intents")     /* u64 sequence → struct intent_image */                            \
    X(CUSTOMER, "customers") /* customer id → struct object_image */                             \
    X(SUBSCRIPTIONS, "subscriptions") /* customer id → struct object_image: the whole list */    \
    X(ACCESS, "access")               /* customer id, '/', product id → struct object_image */   \
    X(META, "meta")                   /* text → anything small: write-off totals, cursors */     \
    X(EVENT, "events")           /* u64 number (big-endian) → struct event_image: an index */    \
    X(SUBSCRIBER, "subscribers") /* u32 uid (big-endian), name → struct subscriber_image */      \
    X(HOOK, "hooks")             /* u8 hook → struct hook_image: its place */                    \
    X(DELIVERY, "deliveries")    /* u8 hook, u64 number (big-endian) → struct delivery_image */  \
    X(WEBHOOK, "webhooks")       /* id of a webhook → struct webhook_image: seen */              \
    X(REFUND, "refunds")         /* refund id → struct object_image */                           \
    X(PAYMENT, "payments")       /* payment id → struct object_image */

enum record_table {
#define X(name, text) TABLE_##name,
    RECORD_TABLES(X)
#undef X
        TABLE_COUNT_
};

/* As proto/events.h has them, which says what each means. Their order is kept for ever:
 * record_header.events has them as bits. */
enum core_event_type {
    CORE_EVENT_CREDITS_LOW,
    CORE_EVENT_CREDITS_RECOVERED,
    CORE_EVENT_CREDITS_EXHAUSTED,
    CORE_EVENT_CREDITS_OVERDRAWN,
    CORE_EVENT_PUSH_PARKED,
    CORE_EVENT_PUSH_RESUMED,
    CORE_EVENT_CUSTOMER_CREATED,
    CORE_EVENT_CUSTOMER_LINKED,
    CORE_EVENT_CUSTOMER_UPDATED,
    CORE_EVENT_CUSTOMER_DELETED,
    CORE_EVENT_SUBSCRIPTION_CREATED,
    CORE_EVENT_SUBSCRIPTION_UPDATED,
    CORE_EVENT_SUBSCRIPTION_CANCELED,
    CORE_EVENT_REFUND_CREATED,
    CORE_EVENT_REFUND_SUCCEEDED,
    CORE_EVENT_REFUND_FAILED,
    CORE_EVENT_PAYMENT_PENDING,
    CORE_EVENT_PAYMENT_CONFIRMED,
    CORE_EVENT_PAYMENT_FAILED,
    CORE_EVENT_PAYMENT_METHOD_CREATED,
    CORE_EVENT_PAYMENT_METHOD_DELETED,
    CORE_EVENT_CHECKOUT_CREATED,
    CORE_EVENT_CUSTOMER_UNLINKED,
    CORE_EVENT_COUNT_
};
#define CORE_EVENT_BIT(name) (1u << CORE_EVENT_##name)

struct record_header {
    uint32_t length;
    uint32_t crc;
    uint64_t sequence;
    int64_t time;      /* ledger time, ms since the epoch */
    uint64_t previous; /* place of the same balance's previous record; 0: none, or before the
                          retention */
    uint32_t balance;  /* dense id; 0: the record belongs to no balance */
    uint32_t uid, pid; /* who spent; (uint32_t)-1: creditd itself */
    uint16_t type;     /* enum record_type */
    uint8_t version;
    uint8_t images;
    uint32_t detail_length;
    uint32_t epoch; /* the start of serve that wrote it; transaction ids carry it (ledger.md section
                       6) */
    uint32_t events; /* bits of enum core_event_type that came about with this very change: no
                        event without its cause, none lost between the two */
    uint32_t reserved;
};

struct image_header {
    uint8_t table;
    uint8_t reserved;
    uint16_t key_length;
    uint32_t value_length;
};

struct record_image {
    enum record_table table;
    const void *key;
    uint16_t key_length;
    const void *value; /* may be NULL with value_length 0: the row is deleted */
    uint32_t value_length;
};

/* A decoded record; everything points into the bytes it was decoded from. */
struct record {
    struct record_header header;
    const uint8_t *first_image;
    const uint8_t *detail;
};

size_t record_size(const struct record_image *images, size_t count, size_t detail_length);
/* Fills in length, crc, version, images and detail_length; `buffer` has record_size() bytes,
 * 8-aligned. */
void record_encode(uint8_t *buffer, const struct record_header *header,
                   const struct record_image *images, size_t count, const void *detail,
                   size_t detail_length);
/* 0 or -EBADMSG: too short, wrong CRC, unknown version, or parts that do not add up. Unknown types
 * are not an error here. */
int record_decode(const uint8_t *data, size_t length, struct record *ret_record);
/* Walks: start with *position = 0; false at the end. A decoded record's images are known to be
 * well-formed. */
bool record_next_image(const struct record *record, size_t *position,
                       struct record_image *ret_image);
const char *record_table_name(enum record_table table);

/*
 * The rows of the ledger's tables: the values of record images, of the store, and of the engine's
 * memory. Fixed-size, little-endian, no pointers. Credits are integers; times are ledger time in ms
 * since the epoch.
 */
#pragma once

#include <stdint.h>
#include <util/hash.h>

enum core_row_flag {
    CORE_ROW_LOW = 1u << 0,       /* credits.low was raised, and the balance is still so low: of how
                                     many thresholds say bits 8 to 11, of which list 16 to 31 (none
                                     in rows from before there were several) */
    CORE_ROW_EXHAUSTED = 1u << 1, /* nothing was left, and credits.exhausted was raised */
    CORE_ROW_OVERDRAWN = 1u << 2, /* less than nothing: spent elsewhere, or upstream took back */
    CORE_ROW_REVOKED = 1u << 3,   /* upstream says is_revoked: nothing is available */
    CORE_ROW_READ_FIRST = 1u << 4, /* upstream must be read before the next push */
    CORE_ROW_GIVEN = 1u << 5,      /* a refund or a grant has ended since upstream was read */
};

/* One cache line a balance, so that the table can move to shared memory as it is.
 * pending = deducted − pushed; available = upstream − pending − held (ledger.md section 1). */
struct core_row {
    int64_t upstream;         /* the last trusted reading */
    int64_t deducted;         /* D: deducted here, ever */
    int64_t pushed;           /* P: seen taken upstream under our push ids, ever, and write-offs */
    int64_t held;             /* reserved, not yet settled */
    int64_t synced_at;        /* when `upstream` was true; 0: never */
    int64_t deducted_at_sync; /* D then: what came since was spent unheard */
    uint64_t last_place;      /* of the latest record of this balance */
    uint32_t id;              /* dense, from 1 */
    uint32_t flags;
};

struct core_reading {
    int64_t consumed, granted; /* upstream's own counters, at the last trusted reading */
    int64_t read_at;           /* our time of that reading */
    int64_t server_time;       /* upstream's clock then (its Date header, ms); 0: unknown */
    int64_t returned;       /* credits of refunds that found their deduction still pending: part of
                               `pushed` (P10) */
    int64_t written_off;    /* credits of dropped pushes, ever: part of `pushed` (P8) */
    uint64_t read_sequence; /* of our ledger, when that reading was accepted */
    uint32_t read_epoch;
    uint32_t reserved;
};

/* Where a product's units_per_credit comes from; the configuration wins. */
enum core_product_source { CORE_PRODUCT_ASSUMED, CORE_PRODUCT_UPSTREAM, CORE_PRODUCT_CONFIGURED };

struct core_product {
    int64_t units_per_credit; /* at least 1 */
    int64_t suggested;        /* parked: what upstream's arithmetic suggests (P4); else 0 */
    int64_t fetched_at;
    uint32_t source;
    uint32_t parked;
};

enum core_push_state {
    CORE_PUSH_SENDING = 1, /* this attempt is under way, or about to be: begun, not answered */
    CORE_PUSH_DOUBT = 2,   /* to be looked up, not before `due_at` */
    CORE_PUSH_PARKED = 3,  /* waits for the operator */
    CORE_PUSH_QUEUED = 5,  /* a refund or a grant that has not been begun */
    CORE_PUSH_WATCHED = 4, /* resolved after a resend; looked up once more at `due_at` */
};

/* What a push does upstream. Deductions are made up when their turn comes, from all that is
 * pending; refunds and grants are each a push of their own from the command on (P10). */
enum core_push_kind { CORE_PUSH_DEDUCT, CORE_PUSH_REFUND, CORE_PUSH_GRANT };

#define CORE_PUSH_REASON_SIZE 64 /* bytes of a reason that go upstream, with a NUL */

enum core_park_reason {
    CORE_PARK_NONE,
    CORE_PARK_REFUSED = 1, /* a recognised refusal of a first attempt: it cannot have run */
    CORE_PARK_STORIES = 2, /* history and `consumed` disagree: it may have run */
    CORE_PARK_UNKNOWN = 3, /* too much history to find it in: it may have run */
};

struct core_push {
    uint64_t sequence; /* of the record that began it: with the epoch, its id */
    uint32_t epoch;
    uint32_t balance; /* dense id */
    int64_t credits;  /* n */
    int64_t units;    /* a credit, when it was begun: every attempt asks for the same */
    int64_t granted_before;
    int64_t consumed_before; /* upstream's counter, and its clock, at the last reading before the
                                push */
    int64_t read_before;     /* (0: that reading came without a Date) */
    int64_t read_at;         /* our time of that reading */
    int64_t begun_at, begun_at_server; /* first attempt: our time, and upstream's clock as we then
                                          knew it (0: unknown) */
    int64_t due_at;
    int64_t counted;                  /* credits of its rows that P has already */
    int64_t rows_seen, consumed_seen; /* parked: both figures, as movements since consumed_before */
    uint16_t state, reason;
    uint16_t attempt;       /* from 1 */
    uint8_t empty_readings; /* lookups in a row without a row of ours */
    uint8_t mismatches;     /* lookups in a row whose stories disagreed */
    uint16_t kind;          /* enum core_push_kind */
    uint16_t reserved[3];
    char note[CORE_PUSH_REASON_SIZE]; /* the reason, of refunds and grants */
    uint64_t read_sequence; /* of our ledger when that reading was accepted: pushes begun later */
    uint32_t read_epoch;    /* … are not in consumed_before for certain */
    uint32_t reserved_end;
};

enum core_hold_state {
    CORE_HOLD_HELD = 1,
    CORE_HOLD_EXPIRED = 2,
    CORE_HOLD_SETTLED = 3,
    CORE_HOLD_RELEASED = 4
};

/* A reservation. It is remembered for a while after its end, so that a late settle finds it and a
 * repeated one its answer. */
struct core_hold {
    uint64_t sequence; /* of the record that made it: with the epoch, its id */
    uint32_t epoch;
    uint32_t balance;
    int64_t credits, raw_amount; /* what it holds, or held */
    int64_t expires_at;
    int64_t ended_at;
    int64_t settled_credits, settled_raw, shortfall, balance_after;
    uint64_t settled_sequence;
    uint32_t settled_epoch;
    uint32_t uid;
    uint32_t state;
    uint32_t reserved;
};

/* A deduction, by what its id says. */
struct core_transaction {
    uint64_t sequence;
    uint32_t epoch;
    uint32_t reserved;
};

/* That it was given back: once, ever. */
struct core_return {
    uint64_t sequence; /* of the refund */
    uint32_t epoch;
    uint32_t balance;
    int64_t credits, raw_amount;
    int64_t
        pushed; /* of these, how many went upstream as a refund: the rest had not been pushed yet */
};

/* Keys are 16-byte hashes keyed with the ledger's secret, so that strangers cannot make two
 * requests meet. */
struct dedupe_client {
    uint64_t highest; /* counter */
    int64_t last_used;
    uint32_t uid;
    uint32_t reserved;
};

struct dedupe_entry {
    struct hash128 fingerprint; /* of the arguments, without the session */
    uint64_t sequence;          /* of the record that answered it first */
    uint64_t counter;           /* stamps; 0 for app keys */
    int64_t time;
    int64_t credits, raw_amount, balance_after;
    uint32_t epoch, balance;
    uint32_t uid;
    uint32_t reserved;
};

/* A META row: the highest dense id ever given, u32. Balances that rest in the store are not in
 * memory after a start, and their ids must not be given again. */
#define CORE_META_LAST_ID "last_id"

/* The index of events (core/event.h). Customer and product follow, without NULs. */
struct event_image {
    uint64_t sequence, place; /* of the record that it came about with */
    int64_t created;
    int64_t value;
    uint32_t type, epoch;
    uint32_t data_offset, data_length; /* in the record's detail */
    uint16_t customer_length, product_length;
    uint8_t livemode;
    uint8_t reserved[3];
};

struct subscriber_image {
    uint64_t number;
    int64_t moved_at;
};

struct hook_image {
    uint64_t number; /* its place */
    int64_t moved_at;
};

#define CORE_DELIVERY_MESSAGE_SIZE 104 /* with its NUL */

/* What could not be delivered at once (core/delivery.h). The customer follows, without NUL. */
struct delivery_image {
    int64_t created; /* of the event */
    int64_t first_failed_at, due_at;
    uint32_t epoch, type; /* of the event */
    uint32_t state;       /* enum core_delivery_state, never RUNNING */
    uint32_t attempt;     /* of the next try */
    int32_t status;
    uint16_t customer_length;
    uint16_t after; /* of BEHIND: the event itself is over, or has a row */
    char message[CORE_DELIVERY_MESSAGE_SIZE];
};

struct webhook_image {
    uint64_t sequence; /* of the record that remembers it */
    int64_t time;
};

/* META rows: one byte; a text of 1 to CORE_UPSTREAM_MAX bytes; and an i64, the ledger's time before
 * an operator last had it go on from the clock's (serve/clock.h). */
#define CORE_META_LIVEMODE "livemode"
#define CORE_META_UPSTREAM "upstream"
#define CORE_META_CLOCK "clock"
#define CORE_UPSTREAM_MAX 512u

struct name_image {
    struct hash128 hash;
    uint16_t customer_length, product_length;
    uint32_t reserved;
    /* customer, product follow, without NUL; at most 128 bytes each */
};

/* Details of records, by type. Text and bytes follow the struct. */
struct record_consume {
    int64_t raw_amount, credits, balance_after;
    int64_t deducted_after;   /* D: pushed once P has reached it */
    uint32_t metadata_length; /* encoded msgpack, as the client sent it */
    uint32_t reservation_epoch;
    uint64_t reservation; /* a settle: sequence of what it settled; else 0 */
};

struct record_credit_refund {
    struct core_transaction of;
    struct core_return result;
};

struct record_push {
    struct core_push push; /* as it is after the record */
    int64_t counted;       /* credits that joined P with this record */
    int32_t outcome;       /* enum exchange_outcome of the answer that led here */
    int32_t http_status;
};

struct record_reading {
    int64_t upstream_before, upstream, consumed, granted;
};

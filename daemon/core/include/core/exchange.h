/*
 * Exchanges with upstream, as the planner orders them and as their ends are told to it. One
 * exchange is one HTTP request; creditd-sync performs it. The outcomes mirror proto/upstream.h,
 * which says what each means; core includes nothing of the wire.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exchange_kind {
    EXCHANGE_PRODUCT = 1,
    EXCHANGE_BALANCE,
    EXCHANGE_PUSH,
    EXCHANGE_HISTORY,
    EXCHANGE_ERRAND,        /* whatever the caller of core_errand has in mind */
    EXCHANGE_CUSTOMER,      /* one customer, by id */
    EXCHANGE_CUSTOMERS,     /* a page of customers, by email */
    EXCHANGE_SUBSCRIPTIONS, /* a page of a customer's subscriptions */
    EXCHANGE_CREATE,        /* a write: what an intent says (core/link.h) */
};

enum exchange_outcome {
    EXCHANGE_OK,
    EXCHANGE_INSUFFICIENT,
    EXCHANGE_NO_BALANCE,
    EXCHANGE_NOT_FOUND,
    EXCHANGE_NO_ENDPOINT,
    EXCHANGE_REFUSED,
    EXCHANGE_UNAUTHORIZED,
    EXCHANGE_FORBIDDEN,
    EXCHANGE_RATE_LIMITED,
    EXCHANGE_NOT_SENT,
    EXCHANGE_FAILED,
    EXCHANGE_UNANSWERED,
    EXCHANGE_ERROR,
};

#define EXCHANGE_PUSH_ID_SIZE 64 /* with its NUL */
#define EXCHANGE_KEY_SIZE 80
#define EXCHANGE_HISTORY_LIMIT 100

struct exchange {
    uint64_t id;
    enum exchange_kind kind;
    /* The request may leave only when this record is durable (P1). 0: at once. */
    uint64_t after_sequence;
    /* Valid until core_exchange_done. Not NUL-terminated. customer is empty for EXCHANGE_PRODUCT.
     */
    const char *customer, *product;
    size_t customer_length, product_length;
    /* EXCHANGE_PUSH */
    enum { EXCHANGE_DEDUCT, EXCHANGE_REFUND, EXCHANGE_GRANT } push_kind;
    const char *reason; /* NUL-terminated, may be empty; valid until core_exchange_done */
    int64_t amount;     /* raw units: credits × units_per_credit */
    char push_id[EXCHANGE_PUSH_ID_SIZE];
    char idempotency_key[EXCHANGE_KEY_SIZE];
    /* EXCHANGE_HISTORY */
    int64_t limit, offset;
    /* EXCHANGE_ERRAND */
    uint64_t errand;
    /* EXCHANGE_CUSTOMERS: email (EXCHANGE_CUSTOMER and EXCHANGE_SUBSCRIPTIONS use customer);
     * cursor: where the page begins, empty: first */
    const char *email;
    size_t email_length;
    const char *cursor; /* NUL-terminated */
    /* EXCHANGE_CREATE; push_id is the intent's id (it goes into the metadata as creditd_intent),
     * idempotency_key its key */
    int intent_kind;     /* enum core_intent_kind */
    const void *payload; /* as given with the intent */
    size_t payload_length;
};

struct exchange_row {
    const char *id, *push_id; /* not NUL-terminated; push_id_length 0: not of ours */
    size_t id_length, push_id_length;
    enum { EXCHANGE_ROW_DEDUCT, EXCHANGE_ROW_REFUND, EXCHANGE_ROW_GRANT, EXCHANGE_ROW_OTHER } type;
    int64_t credits;    /* what it moved, ≥ 0 */
    int64_t created_at; /* upstream's clock, ms */
};

/* A customer or a subscription, as far as linking and looking up need it. Texts as in exchange_row.
 */
struct exchange_object {
    const char *id, *email, *intent; /* intent: metadata.creditd_intent */
    size_t id_length, email_length, intent_length;
    const void *body; /* the whole object, as encoded msgpack */
    size_t body_length;
};

struct exchange_answer {
    enum exchange_outcome outcome;
    int http_status;
    int64_t server_time; /* the Date header; 0: none */
    struct {
        int64_t limit, remaining;      /* -1: not told */
        int64_t reset_in, retry_after; /* ms from now; -1: not told */
    } rate;
    /* with EXCHANGE_OK, by kind */
    struct {
        int64_t units_per_credit;
    } product;
    struct {
        int64_t balance, consumed, granted;
        bool revoked;
    } balance;
    struct {
        int64_t credits_deducted;
        bool has_balance;
        int64_t balance;
    } push;
    struct {
        const struct exchange_row *rows;
        size_t count;
        bool has_more;
    } history;
    /* EXCHANGE_CUSTOMER, EXCHANGE_CREATE: one; EXCHANGE_CUSTOMERS, EXCHANGE_SUBSCRIPTIONS: a page
     */
    struct {
        struct exchange_object *rows;
        size_t count;
        bool has_more;
        const char *cursor; /* of the next page */
        size_t cursor_length;
    } objects;
    const char *message; /* why it was refused; may be NULL */
};

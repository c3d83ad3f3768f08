/*
 * The exchanges that sync can do, as a table: what a request from serve is called, which parameters
 * it takes, how the HTTP request is built from them and how the answer is read. Pure: bytes in,
 * bytes out. A new exchange is a row in exchange.c, a builder in request.c and a reader beside
 * read_*.c.
 */
#pragma once

#include <jansson.h>
#include <msgpack.h>
#include <proto/limits.h>
#include <proto/upstream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of exchange_args.present. */
enum exchange_argument {
    ARGUMENT_CUSTOMER_ID = 1 << 0,
    ARGUMENT_PRODUCT_ID = 1 << 1,
    ARGUMENT_PUSH_ID = 1 << 2,
    ARGUMENT_IDEMPOTENCY_KEY = 1 << 3,
    ARGUMENT_TYPE = 1 << 4,
    ARGUMENT_REASON = 1 << 5,
    ARGUMENT_AMOUNT = 1 << 6,
    ARGUMENT_LIMIT = 1 << 7,
    ARGUMENT_OFFSET = 1 << 8,
    ARGUMENT_TIMEOUT = 1 << 9,
    ARGUMENT_EMAIL = 1 << 10,
    ARGUMENT_NAME = 1 << 11,
    ARGUMENT_PHONE = 1 << 12,
    ARGUMENT_IMAGE = 1 << 13,
    ARGUMENT_METADATA = 1 << 14,
    ARGUMENT_SUBSCRIPTION_ID = 1 << 15,
    ARGUMENT_ACTION = 1 << 16,
    ARGUMENT_PAYMENT_ID = 1 << 17,
    ARGUMENT_STARTING_AFTER = 1 << 18,
    ARGUMENT_INTENT_ID = 1 << 19,
    ARGUMENT_CANCEL_AT_PERIOD_END = 1 << 20,
    ARGUMENT_TRIAL_DAYS = 1 << 21,
    ARGUMENT_BARE = 1 << 22,
    ARGUMENT_UPSTREAM = 1 << 23,
};

/* The parameters of all exchanges, decoded and checked; which ones count follows from the kind. */
struct exchange_args {
    unsigned present; /* bits of enum exchange_argument */
    char customer_id[PROTO_ID_MAX + 1];
    char product_id[PROTO_ID_MAX + 1];
    char push_id[PROTO_ID_MAX + 1];
    char idempotency_key[PROTO_KEY_MAX + 1];
    char type[PROTO_ID_MAX + 1];
    char subscription_id[PROTO_ID_MAX + 1];
    char payment_id[PROTO_ID_MAX + 1];
    char starting_after[PROTO_ID_MAX + 1];
    char intent_id[PROTO_ID_MAX + 1];
    char action[PROTO_ID_MAX + 1];
    /* empty: none */
    char reason[PROTO_TEXT_MAX + 1];
    char email[PROTO_TEXT_MAX + 1];
    char name[PROTO_TEXT_MAX + 1];
    char phone[PROTO_TEXT_MAX + 1];
    char image[PROTO_TEXT_MAX + 1];
    char upstream[UPSTREAM_NAME_MAX + 1]; /* that it is meant for */
    json_t *metadata; /* an object whose values are texts, as it is sent; NULL: none */
    bool cancel_at_period_end, bare;
    int64_t amount, limit, offset, trial_days;
    int64_t timeout; /* ms; 0: the configuration's */
};

/* What goes over HTTP. A request with a body is a write: a POST, or a PUT. */
struct request {
    char *url;
    char *body; /* NULL for a GET */
    bool is_put;
    const char *idempotency_key; /* the args' own, or NULL */
};

enum read_result {
    READ_NULL = 1,       /* the answer says null: there is no such thing */
    READ_UNREADABLE = 2, /* *ret_reason says what is wrong, without quoting the answer */
};

struct exchange_kind {
    const char *method; /* upstream.… */
    const char *member; /* of the answer map, when outcome is "ok" */
    unsigned needed, known;
    enum upstream_outcome null_outcome; /* what an answer of null means */
    int (*build)(const struct exchange_args *args, const char *base_url,
                 struct request *ret_request);
    /* Packs the member's map. 0, -ENOMEM or an enum read_result; what was packed before a failure
     * is the caller's to drop. */
    int (*read)(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                const char **ret_reason);
};

/* NULL where there is none of that name. */
const struct exchange_kind *exchange_find(const char *method, size_t length);
/* 0, -ENOMEM, or -EBADMSG with *ret_parameter naming the culprit. Unknown keys are ignored. */
int exchange_decode(const struct exchange_kind *kind, const msgpack_object *params,
                    struct exchange_args *ret_args, const char **ret_parameter);
void exchange_args_deinit(struct exchange_args *args);
void request_deinit(struct request *request);
/* For readers: notes the reason (a literal) and returns READ_UNREADABLE. */
int read_unreadable(const char **ret_reason, const char *reason);

/* The builders (request*.c) and readers (read_*.c) of the table. */
#define EXCHANGE_BUILDER(name)                                                                     \
    int build_##name(const struct exchange_args *args, const char *base_url, struct request *ret)
#define EXCHANGE_READER(name)                                                                      \
    int read_##name(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member, \
                    const char **ret_reason)

EXCHANGE_BUILDER(product);
EXCHANGE_BUILDER(balance);
EXCHANGE_BUILDER(transaction);
EXCHANGE_BUILDER(history);
EXCHANGE_BUILDER(customer);
EXCHANGE_BUILDER(customers);
EXCHANGE_BUILDER(customer_create);
EXCHANGE_BUILDER(customer_update);
EXCHANGE_BUILDER(subscription);
EXCHANGE_BUILDER(subscriptions);
EXCHANGE_BUILDER(subscription_create);
EXCHANGE_BUILDER(subscription_update);
EXCHANGE_BUILDER(subscription_action);
EXCHANGE_BUILDER(payment);
EXCHANGE_BUILDER(refund_create);
EXCHANGE_BUILDER(access);
EXCHANGE_READER(product);
EXCHANGE_READER(balance);
EXCHANGE_READER(transaction);
EXCHANGE_READER(history);
EXCHANGE_READER(customer);
EXCHANGE_READER(customers);
EXCHANGE_READER(subscription);
EXCHANGE_READER(subscriptions);
EXCHANGE_READER(payment);
EXCHANGE_READER(refund);
EXCHANGE_READER(access);

/*
 * The one table of methods: what each is called, what role it takes, which parameters it knows, and
 * which it needs. The daemon decodes by it, the library and creditctl describe by it, the tests go
 * through it.
 *
 * Adding a method is a row in PROTO_METHODS; adding a parameter is a row in PROTO_PARAMETERS.
 */
#pragma once

#include <msgpack.h>
#include <proto/errors.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a caller must be allowed. NONE: anybody who can connect. A session carries READ, CONSUME and
 * REFUND for its own user's things, with one exception: credits.refund takes the peer's own role,
 * since a user could otherwise give their own spending back. */
enum proto_role {
    PROTO_ROLE_NONE,
    PROTO_ROLE_READ,
    PROTO_ROLE_CONSUME,
    PROTO_ROLE_REFUND,
    PROTO_ROLE_ADMIN
};

enum proto_type {
    PROTO_TYPE_ID,     /* see proto_id_valid */
    PROTO_TYPE_TEXT,   /* UTF-8, 1 to PROTO_TEXT_MAX bytes */
    PROTO_TYPE_KEY,    /* UTF-8, 1 to PROTO_KEY_MAX bytes */
    PROTO_TYPE_SECRET, /* bytes or text, up to 16 KiB; wiped after use, never in an error */
    PROTO_TYPE_AMOUNT, /* 1 to 2^53-1; a float without a fraction is taken */
    PROTO_TYPE_COUNT,  /* 0 to 2^53-1 */
    PROTO_TYPE_BOOL,
    PROTO_TYPE_METADATA, /* a map with text keys, at most PROTO_METADATA_MAX bytes encoded */
    PROTO_TYPE_STAMP,    /* [client id: 16 bytes bin, counter: 1 to 2^63-1] */
    PROTO_TYPE_FILTERS,  /* an array of 1 to 32 filters of events; number: their bits */
    PROTO_TYPE_BODY,     /* bytes or text, 1 byte to PROTO_BODY_MAX */
};

/* name, type. The identity comes first. */
#define PROTO_PARAMETERS(X)                                                                        \
    X(SESSION, "session", SECRET)                                                                  \
    X(USER_ID, "user_id", ID)                                                                      \
    X(CUSTOMER_ID, "customer_id", ID)                                                              \
    X(PRODUCT_ID, "product_id", ID)                                                                \
    X(RAW_AMOUNT, "raw_amount", AMOUNT)                                                            \
    X(METADATA, "metadata", METADATA)                                                              \
    X(IDEMPOTENCY_KEY, "idempotency_key", KEY)                                                     \
    X(STAMP, "stamp", STAMP)                                                                       \
    X(FRESH, "fresh", BOOL)                                                                        \
    X(LIMIT, "limit", COUNT)                                                                       \
    X(OFFSET, "offset", COUNT)                                                                     \
    X(SOURCE, "source", TEXT)                                                                      \
    X(PUSH_ID, "push_id", ID)                                                                      \
    X(STATE, "state", TEXT)                                                                        \
    X(REASON, "reason", TEXT)                                                                      \
    X(EMAIL, "email", TEXT)                                                                        \
    X(NAME, "name", TEXT)                                                                          \
    X(PHONE, "phone", TEXT)                                                                        \
    X(IMAGE, "image", TEXT)                                                                        \
    X(SUBSCRIPTION_ID, "subscription_id", ID)                                                      \
    X(PAYMENT_ID, "payment_id", ID)                                                                \
    X(TRANSACTION_ID, "transaction_id", ID)                                                        \
    X(RESERVATION_ID, "reservation_id", ID)                                                        \
    X(TTL, "ttl", COUNT)                                                                           \
    X(CANCEL_AT_PERIOD_END, "cancel_at_period_end", BOOL)                                          \
    X(TRIAL_DAYS, "trial_days", COUNT)                                                             \
    X(TYPES, "types", FILTERS)                                                                     \
    X(AFTER, "after", COUNT)                                                                       \
    X(SUBSCRIBER, "subscriber", ID)                                                                \
    X(SEQUENCE, "sequence", COUNT)                                                                 \
    X(HOOK, "hook", ID)                                                                            \
    X(BODY, "body", BODY)                                                                          \
    X(SIGNATURE, "signature", TEXT)                                                                \
    X(REFUND_ID, "refund_id", ID)                                                                  \
    X(DIRECTORY, "directory", TEXT)                                                                \
    X(UPSTREAM, "upstream", TEXT)

enum proto_parameter {
#define X(name, text, type) PROTO_PARAMETER_##name,
    PROTO_PARAMETERS(X)
#undef X
        PROTO_PARAMETER_COUNT_
};

#define PROTO_BIT(name) (UINT64_C(1) << PROTO_PARAMETER_##name)
#define PROTO_IDENTITY (PROTO_BIT(SESSION) | PROTO_BIT(USER_ID) | PROTO_BIT(CUSTOMER_ID))
#define PROTO_ONCE (PROTO_BIT(IDEMPOTENCY_KEY) | PROTO_BIT(STAMP))

/* name, text, role, needed parameters, other parameters, one line of help */
#define PROTO_METHODS(X)                                                                           \
    X(PING, "ping", NONE, 0, 0, "answers at once")                                                 \
    X(STATUS, "status", NONE, 0, 0, "version, health, upstream, pending, ledger")                  \
    X(CREDITS_CONSUME, "credits.consume", CONSUME, PROTO_BIT(PRODUCT_ID) | PROTO_BIT(RAW_AMOUNT),  \
      PROTO_IDENTITY | PROTO_BIT(METADATA) | PROTO_ONCE,                                           \
      "deducts ceil(raw_amount / units_per_credit) credits")                                       \
    X(CREDITS_CHECK, "credits.check", READ, PROTO_BIT(PRODUCT_ID) | PROTO_BIT(RAW_AMOUNT),         \
      PROTO_IDENTITY | PROTO_BIT(FRESH), "whether that could be consumed now")                     \
    X(CREDITS_BALANCE, "credits.balance", READ, PROTO_BIT(PRODUCT_ID),                             \
      PROTO_IDENTITY | PROTO_BIT(FRESH), "a balance; fresh: asks StellarTools first")              \
    X(CREDITS_TRANSACTIONS, "credits.transactions", READ, PROTO_BIT(PRODUCT_ID),                   \
      PROTO_IDENTITY | PROTO_BIT(LIMIT) | PROTO_BIT(OFFSET) | PROTO_BIT(SOURCE),                   \
      "what was deducted here, newest first")                                                      \
    X(CREDITS_RESERVE, "credits.reserve", CONSUME, PROTO_BIT(PRODUCT_ID) | PROTO_BIT(RAW_AMOUNT),  \
      PROTO_IDENTITY | PROTO_BIT(TTL) | PROTO_BIT(METADATA) | PROTO_ONCE,                          \
      "holds credits until they are settled or released; ttl in ms, 24 h at most")                 \
    X(CREDITS_EXTEND, "credits.extend", CONSUME, PROTO_BIT(RESERVATION_ID),                        \
      PROTO_IDENTITY | PROTO_BIT(TTL), "gives a reservation more time, from now")                  \
    X(CREDITS_SETTLE, "credits.settle", CONSUME,                                                   \
      PROTO_BIT(RESERVATION_ID) | PROTO_BIT(RAW_AMOUNT), PROTO_IDENTITY | PROTO_BIT(METADATA),     \
      "deducts what was really used, and ends the reservation")                                    \
    X(CREDITS_RELEASE, "credits.release", CONSUME, PROTO_BIT(RESERVATION_ID), PROTO_IDENTITY,      \
      "ends a reservation; nothing is deducted")                                                   \
    X(CREDITS_REFUND, "credits.refund", REFUND, PROTO_BIT(PRODUCT_ID) | PROTO_BIT(TRANSACTION_ID), \
      PROTO_IDENTITY | PROTO_BIT(RAW_AMOUNT) | PROTO_BIT(REASON),                                  \
      "gives a deduction back, whole or in part, once")                                            \
    X(CREDITS_GRANT, "credits.grant", ADMIN, PROTO_BIT(PRODUCT_ID) | PROTO_BIT(RAW_AMOUNT),        \
      PROTO_IDENTITY | PROTO_BIT(REASON) | PROTO_ONCE, "adds credits, once StellarTools has them") \
    X(CUSTOMER_CREATE, "customer.create", CONSUME, 0,                                              \
      PROTO_IDENTITY | PROTO_BIT(EMAIL) | PROTO_BIT(NAME) | PROTO_BIT(IMAGE),                      \
      "creates or links the caller's customer")                                                    \
    X(CUSTOMER_RETRIEVE, "customer.retrieve", READ, 0, PROTO_IDENTITY | PROTO_BIT(FRESH),          \
      "the customer, as StellarTools has it")                                                      \
    X(CUSTOMER_UPDATE, "customer.update", CONSUME, 0,                                              \
      PROTO_IDENTITY | PROTO_BIT(EMAIL) | PROTO_BIT(NAME) | PROTO_BIT(PHONE) | PROTO_BIT(IMAGE) |  \
          PROTO_BIT(METADATA),                                                                     \
      "changes the customer upstream")                                                             \
    X(CUSTOMER_LINK, "customer.link", ADMIN, PROTO_BIT(USER_ID) | PROTO_BIT(CUSTOMER_ID), 0,       \
      "links a user to a customer, in place of an old link")                                       \
    X(CUSTOMER_UNLINK, "customer.unlink", ADMIN, PROTO_BIT(USER_ID), 0, "forgets a user's link")   \
    X(USER_CREATED, "user.created", CONSUME, PROTO_BIT(USER_ID) | PROTO_BIT(EMAIL),                \
      PROTO_BIT(NAME) | PROTO_BIT(IMAGE), "the signup hook; answers at once")                      \
    X(SUBSCRIPTION_CREATE, "subscription.create", CONSUME, PROTO_BIT(PRODUCT_ID),                  \
      PROTO_IDENTITY | PROTO_BIT(METADATA) | PROTO_BIT(CANCEL_AT_PERIOD_END) |                     \
          PROTO_BIT(TRIAL_DAYS) | PROTO_BIT(IDEMPOTENCY_KEY),                                      \
      "subscribes the customer to a product")                                                      \
    X(SUBSCRIPTION_LIST, "subscription.list", READ, 0, PROTO_IDENTITY | PROTO_BIT(FRESH),          \
      "the customer's subscriptions")                                                              \
    X(SUBSCRIPTION_RETRIEVE, "subscription.retrieve", READ, PROTO_BIT(SUBSCRIPTION_ID),            \
      PROTO_IDENTITY | PROTO_BIT(FRESH), "one of them")                                            \
    X(SUBSCRIPTION_UPDATE, "subscription.update", CONSUME, PROTO_BIT(SUBSCRIPTION_ID),             \
      PROTO_IDENTITY | PROTO_BIT(METADATA) | PROTO_BIT(CANCEL_AT_PERIOD_END) |                     \
          PROTO_BIT(PRODUCT_ID),                                                                   \
      "changes a subscription")                                                                    \
    X(SUBSCRIPTION_CANCEL, "subscription.cancel", CONSUME, PROTO_BIT(SUBSCRIPTION_ID),             \
      PROTO_IDENTITY, "cancels it, as StellarTools does: at the period's end")                     \
    X(SUBSCRIPTION_PAUSE, "subscription.pause", CONSUME, PROTO_BIT(SUBSCRIPTION_ID),               \
      PROTO_IDENTITY, "pauses it")                                                                 \
    X(SUBSCRIPTION_RESUME, "subscription.resume", CONSUME, PROTO_BIT(SUBSCRIPTION_ID),             \
      PROTO_IDENTITY, "resumes it")                                                                \
    X(REFUND_CREATE, "refund.create", REFUND, PROTO_BIT(PAYMENT_ID),                               \
      PROTO_IDENTITY | PROTO_BIT(REASON) | PROTO_BIT(METADATA) | PROTO_BIT(IDEMPOTENCY_KEY),       \
      "gives a payment back")                                                                      \
    X(ACCESS_CHECK, "access.check", READ, PROTO_BIT(PRODUCT_ID),                                   \
      PROTO_IDENTITY | PROTO_BIT(FRESH), "whether the customer may use a product")                 \
    X(PUSH_LIST, "push.list", ADMIN, 0, PROTO_BIT(STATE) | PROTO_BIT(LIMIT),                       \
      "open and parked pushes")                                                                    \
    X(PUSH_RETRY, "push.retry", ADMIN, PROTO_BIT(PUSH_ID), 0,                                      \
      "sends a parked push again, if it cannot have run")                                          \
    X(PUSH_DROP, "push.drop", ADMIN, PROTO_BIT(PUSH_ID), PROTO_BIT(REASON),                        \
      "writes a parked push off")                                                                  \
    X(PUSH_SETTLE, "push.settle", ADMIN, PROTO_BIT(PUSH_ID) | PROTO_BIT(REFUND_ID), 0,             \
      "a parked refund of a payment was made after all: as that one")                              \
    X(EVENT_SUBSCRIBE, "event.subscribe", READ, 0,                                                 \
      PROTO_BIT(TYPES) | PROTO_BIT(AFTER) | PROTO_BIT(SUBSCRIBER),                                 \
      "streams events as notifications, from a place on")                                          \
    X(EVENT_ACK, "event.ack", READ, PROTO_BIT(SUBSCRIBER) | PROTO_BIT(SEQUENCE), 0,                \
      "keeps a subscriber's place")                                                                \
    X(EVENT_UNSUBSCRIBE, "event.unsubscribe", READ, PROTO_BIT(SUBSCRIBER), 0,                      \
      "forgets a subscriber's place")                                                              \
    X(EVENT_LIST, "event.list", READ, 0, PROTO_BIT(TYPES) | PROTO_BIT(AFTER) | PROTO_BIT(LIMIT),   \
      "events, oldest first")                                                                      \
    X(HOOK_LIST, "hook.list", ADMIN, 0, PROTO_BIT(HOOK) | PROTO_BIT(STATE) | PROTO_BIT(LIMIT),     \
      "the hooks, and what could not be delivered yet")                                            \
    X(HOOK_RETRY, "hook.retry", ADMIN, PROTO_BIT(HOOK), PROTO_BIT(SEQUENCE),                       \
      "delivers at once what waits, or is parked")                                                 \
    X(HOOK_DROP, "hook.drop", ADMIN, PROTO_BIT(HOOK), PROTO_BIT(SEQUENCE),                         \
      "gives up an event that could not be delivered, or all that is parked")                      \
    X(WEBHOOK_DELIVER, "webhook.deliver", NONE, PROTO_BIT(BODY) | PROTO_BIT(SIGNATURE), 0,         \
      "takes a webhook of StellarTools'; its signature is checked")                                \
    X(CACHE_REFRESH, "cache.refresh", ADMIN, 0, PROTO_BIT(CUSTOMER_ID) | PROTO_BIT(PRODUCT_ID),    \
      "has balances read from StellarTools soon: one, a customer's, or all")                       \
    X(LEDGER_BACKUP, "ledger.backup", ADMIN, PROTO_BIT(DIRECTORY), 0,                              \
      "copies the ledger into a directory, while it is in use")                                    \
    X(UPSTREAM_ACCEPT, "upstream.accept", ADMIN, PROTO_BIT(UPSTREAM), 0,                           \
      "the ledger belongs to that upstream from now on, which creditd-sync is set to")             \
    X(METRICS, "metrics", NONE, 0, 0, "figures, as Prometheus reads them")

enum proto_method {
#define X(name, text, role, needed, other, help) PROTO_METHOD_##name,
    PROTO_METHODS(X)
#undef X
        PROTO_METHOD_COUNT_
};

struct proto_method_spec {
    const char *name;
    enum proto_role role;
    uint64_t needed, known; /* bits of enum proto_parameter; known includes needed */
    const char *help;
};

struct proto_stamp {
    /* The library's own id, drawn anew by each process (and after fork): the first 6 bytes are its
     * creation time in milliseconds since the epoch, big-endian; 10 random bytes follow. */
    uint8_t client_id[16];
    uint64_t counter; /* from 1 on, one for each change that the library asks for */
};

/* A decoded value; which member counts follows from the parameter's type. Text points into the
 * message: not NUL-terminated. */
struct proto_value {
    const char *text;
    size_t length;
    int64_t number;
    bool boolean;
    struct proto_stamp stamp;
    const msgpack_object *object;
};

struct proto_params {
    uint64_t present; /* bits of enum proto_parameter */
    struct proto_value values[PROTO_PARAMETER_COUNT_];
};

const struct proto_method_spec *proto_method_spec(enum proto_method method);
/* -ENOENT where there is no such method. */
int proto_method_find(const char *name, size_t length, enum proto_method *ret_method);
const char *proto_parameter_name(enum proto_parameter parameter);
enum proto_type proto_parameter_type(enum proto_parameter parameter);
const char *proto_role_name(enum proto_role role);

/* Decodes and checks a request's map. Unknown keys are ignored. 0, or a positive enum proto_error
 * with *ret_parameter naming the culprit and *ret_reason (a literal) saying what is allowed. A
 * repeated key is refused: two readers could disagree on it. */
int proto_params_decode(enum proto_method method, const msgpack_object *map,
                        struct proto_params *ret_params, const char **ret_parameter,
                        const char **ret_reason);

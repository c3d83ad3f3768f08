/*
 * The one table of error codes. An error on the wire is the map {code, message, data}; `code` is
 * one of these words, `message` is for people, `data` (a map, may be nil) names what was wrong:
 * {"parameter": "raw_amount"}, {"retry_after": MS}, …
 */
#pragma once

/* code, whether the same request may succeed later without a change, meaning */
#define PROTO_ERRORS(X)                                                                            \
    /* the request itself */                                                                       \
    X(INVALID_REQUEST, "invalid_request", 0,                                                       \
      "the message is not a MessagePack-RPC request, or is over a limit")                          \
    X(UNKNOWN_METHOD, "unknown_method", 0, "there is no method of that name")                      \
    X(INVALID_PARAMETER, "invalid_parameter", 0,                                                   \
      "a parameter is missing, ill-typed or out of range; data.parameter names it")                \
    X(PERMISSION_DENIED, "permission_denied", 0,                                                   \
      "the caller may not do that; data.role names what is needed")                                \
    X(UNAUTHENTICATED, "unauthenticated", 0, "no valid session")                                   \
    /* credits */                                                                                  \
    X(INSUFFICIENT_CREDITS, "insufficient_credits", 0,                                             \
      "available is less than what was asked; data.available says what there is")                  \
    X(OFFLINE_LIMIT, "offline_limit", 1,                                                           \
      "upstream has not been reached for too long, or too much was spent since")                   \
    X(UNKNOWN_CUSTOMER, "unknown_customer", 0, "upstream does not know that customer")             \
    X(UNKNOWN_PRODUCT, "unknown_product", 0, "upstream does not know that product")                \
    X(NOT_FOUND, "not_found", 0, "there is no such object")                                        \
    X(PRODUCT_PARKED, "product_parked", 0,                                                         \
      "upstream counts this product's units otherwise than we do; an operator must set "           \
      "[products]")                                                                                \
    /* repeated requests */                                                                        \
    X(KEY_REUSED, "key_reused", 0, "that idempotency key or stamp was used with other arguments")  \
    X(OUTCOME_UNKNOWN, "outcome_unknown", 0,                                                       \
      "the request is a repetition from before what is remembered; it was not executed now")       \
    X(QUOTA_EXCEEDED, "quota_exceeded", 1,                                                         \
      "a quota of this user or customer is used up; data.quota names it")                          \
    X(CONFLICT, "conflict", 0, "the object is not in a state that allows this")                    \
    /* the daemon and its surroundings */                                                          \
    X(UPSTREAM_UNAVAILABLE, "upstream_unavailable", 1,                                             \
      "the answer is not known here and StellarTools could not be asked in time")                  \
    X(SESSION_UNAVAILABLE, "session_unavailable", 1, "the session could not be checked")           \
    X(NO_SPACE, "no_space", 1, "the disk is full: nothing more is deducted until there is room")   \
    X(SHUTTING_DOWN, "shutting_down", 1, "the daemon is stopping and takes no more changes")       \
    X(BUSY, "busy", 1, "too much is under way; try again")                                         \
    X(GAP, "gap", 0, "records that old are no longer kept")                                        \
    X(INTERNAL, "internal", 0, "a fault in creditd")

enum proto_error {
    PROTO_ERROR_NONE = 0,
#define X(name, code, retry, meaning) PROTO_ERROR_##name,
    PROTO_ERRORS(X)
#undef X
        PROTO_ERROR_COUNT_
};

/* The word on the wire, e.g. "insufficient_credits"; NULL for PROTO_ERROR_NONE. */
const char *proto_error_code(enum proto_error error);
const char *proto_error_meaning(enum proto_error error);
int proto_error_is_retryable(enum proto_error error);
/* PROTO_ERROR_NONE where the word is not known. */
enum proto_error proto_error_from_code(const char *code, unsigned long length);

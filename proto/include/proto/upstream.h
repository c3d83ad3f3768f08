/*
 * The internal channel between creditd-serve and creditd-sync. serve sends requests in the same
 * MessagePack-RPC; sync performs exactly one HTTP exchange for each and answers with one map. It
 * retries nothing, follows no redirect, and never answers with an RPC error for what upstream did:
 * every end of an exchange is an outcome.
 *
 * Requests (params → extra members of the answer, when outcome is "ok"):
 *   upstream.product      {product_id}                        → product {units_per_credit: int (1
 * where null, 0 or left out), has_units: bool, name: text|nil} upstream.balance      {customer_id,
 * product_id}           → balance {balance, consumed, granted: int; revoked: bool}
 *   upstream.transaction  {customer_id, product_id, type: "deduct"|"refund"|"grant", amount: int
 * (raw units), push_id, idempotency_key, reason: text|nil} → transaction {credits_deducted: int,
 * balance: int|nil, billed_units: int|nil} upstream.history      {customer_id, product_id, limit,
 * offset} → history {rows: [{id, type: text, credits: int ≥ 0 (what the row moved), push_id:
 * text|nil, created_at: ms since the epoch}…] newest first, has_more: bool} Every request may carry
 * `timeout`: ms for the whole exchange.
 *
 * The answer map always has: outcome (a word below), http_status (0 where none came), message
 * (text|nil, at most 200 bytes, never holding the key), rate {limit, remaining: int|nil; reset_in,
 * retry_after: ms|nil} and server_time (the Date header in ms since the epoch, 0 where none came).
 *
 * Notifications: sync → serve "sync.hello" {version} once when connected; serve → sync
 * "sync.reload" {} re-reads the key.
 */
#pragma once

/* outcome, word, whether it proves, on the first attempt of a write, that nothing was executed */
#define UPSTREAM_OUTCOMES(X)                                                                       \
    X(OK, "ok", 0) /* 2xx, readable */                                                             \
    X(INSUFFICIENT, "insufficient",                                                                \
      1) /* a recognised JSON error, with a refusal's status or 5xx: "Insufficient credits…" */  \
    X(NO_BALANCE, "no_balance",                                                                    \
      1) /* a recognised JSON error "balance not found", or null for a balance */                  \
    X(NOT_FOUND, "not_found", 1) /* 404 with a recognised JSON error */                            \
    X(NO_ENDPOINT, "no_endpoint",                                                                  \
      0) /* 404 without one (HTML, empty): an older server, or a wrong base_url */                 \
    X(REFUSED, "refused",                                                                          \
      1) /* 400, 402, 405, 410, 411, 413 to 415, 422 with a recognised JSON error */               \
    X(UNAUTHORIZED, "unauthorized", 1) /* 401 */                                                   \
    X(FORBIDDEN, "forbidden", 1)       /* 403 */                                                   \
    X(RATE_LIMITED, "rate_limited", 1) /* 429 */                                                   \
    X(NOT_SENT, "not_sent",                                                                        \
      1) /* no connection came about: provably not one byte of the request left */                 \
    X(FAILED, "failed", 0)         /* any other answer: 408, 409, 5xx, a redirect, HTML, … */    \
    X(UNANSWERED, "unanswered", 0) /* timeout, reset, or the helper is gone */

enum upstream_outcome {
#define X(name, word, proof) UPSTREAM_##name,
    UPSTREAM_OUTCOMES(X)
#undef X
        UPSTREAM_OUTCOME_COUNT_
};

const char *upstream_outcome_word(enum upstream_outcome outcome);
/* UPSTREAM_UNANSWERED for an unknown word: nothing is concluded from what is not understood. */
enum upstream_outcome upstream_outcome_from_word(const char *word, unsigned long length);

#define UPSTREAM_METHOD_PRODUCT "upstream.product"
#define UPSTREAM_METHOD_BALANCE "upstream.balance"
#define UPSTREAM_METHOD_TRANSACTION "upstream.transaction"
#define UPSTREAM_METHOD_HISTORY "upstream.history"
#define UPSTREAM_NOTIFY_HELLO "sync.hello"
#define UPSTREAM_NOTIFY_RELOAD "sync.reload"

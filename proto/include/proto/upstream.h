/*
 * The internal channel between creditd-serve and creditd-sync. serve sends requests in the same
 * MessagePack-RPC; sync performs exactly one HTTP exchange for each and answers with one map. It
 * retries nothing, follows no redirect, and never answers with an RPC error for what upstream did:
 * every end of an exchange is an outcome.
 *
 * Requests (params → extra members of the answer, when outcome is "ok"):
 *
 * - upstream.product {product_id}
 *   → product {units_per_credit: int (1 where null, 0 or left out), has_units: bool, name:
 * text|nil}
 * - upstream.balance {customer_id, product_id}
 *   → balance {balance, consumed, granted: int; revoked: bool}
 * - upstream.transaction {customer_id, product_id, type: "deduct"|"refund"|"grant", amount: int
 *   (raw units), push_id, idempotency_key, reason: text|nil}
 *   → transaction {credits_deducted: int, balance: int|nil, billed_units: int|nil}
 * - upstream.history {customer_id, product_id, limit, offset}
 *   → history {rows: [{id, type: text, credits: int ≥ 0 (what the row moved), push_id: text|nil,
 *   created_at: ms since the epoch}…] newest first, has_more: bool}
 * - upstream.customer {customer_id}
 *   → customer
 * - upstream.customers {email|nil, limit, starting_after: id|nil}
 *   → customers {rows: [object…], has_more, next: id|nil}
 * - upstream.customer_create {email, name, phone, image: text|nil, metadata|nil, intent_id|nil,
 *   bare: bool|nil (the object itself is sent, not an array of one), idempotency_key}
 *   → customer
 * - upstream.customer_update {customer_id, email, name, phone, image: text|nil, metadata|nil}
 *   → customer
 * - upstream.subscription {subscription_id}
 *   → subscription
 * - upstream.subscriptions {customer_id, limit, starting_after: id|nil}
 *   → subscriptions {rows: [object…], has_more, next: id|nil}
 * - upstream.subscription_create {customer_id, product_id, metadata|nil, cancel_at_period_end:
 *   bool|nil, trial_days: int|nil, intent_id|nil, idempotency_key}
 *   → subscription
 * - upstream.subscription_update {subscription_id, product_id|nil, metadata|nil,
 *   cancel_at_period_end: bool|nil}
 *   → subscription
 * - upstream.subscription_action {subscription_id, action: "cancel"|"pause"|"resume",
 *   idempotency_key|nil}
 *   → subscription
 * - upstream.payment {payment_id}
 *   → payment; its customer_id is an id or nil
 * - upstream.refund_create {payment_id, reason: text|nil, metadata|nil, intent_id|nil,
 *   idempotency_key}
 *   → refund
 * - upstream.access {customer_id, product_id}
 *   → access {has_access: bool, grant: object|nil}
 *
 * Objects are StellarTools' own, whole: maps with snake_case keys at their top level, unknown
 * fields kept, integral numbers as integers, at most 64 KiB; `id` is there and is an id, and
 * `metadata` a map or nil. metadata in a request is a map, whose values go as JSON text where they
 * are no text; creates add `source: creditd` and `creditd_intent: INTENT_ID`, by which they are
 * found again. The rows of a list are those of the page that are that customer's, or whose email is
 * that one but for the case of A-Z (all, without an email): filters are not trusted, and a page may
 * hold no row and have a next one. While has_more, ask again with starting_after = next.
 *
 * Every request may carry `timeout`: ms for the whole exchange, and `upstream`: the text below
 * that it is meant for. By a sync that is set to another one it is answered "not_sent".
 *
 * The answer map always has: outcome (a word below), http_status (0 where none came), message
 * (text|nil, at most 200 bytes, never holding the key), rate {limit, remaining: int|nil; reset_in,
 * retry_after: ms|nil} and server_time (the Date header in ms since the epoch, 0 where none came).
 *
 * auth.session {session: text or bytes, fresh: bool|nil, timeout: ms|nil} asks the app, not
 * StellarTools, and its answer is a map of its own:
 *
 * - verdict: "valid", "invalid", or "unavailable" (nobody could be asked, nothing is known)
 * - message: text|nil, at most 200 bytes, without anything of the credential
 * - http_status: 0 where nobody was asked or no answer came
 * - token_hash: 32 bytes, SHA-256 of the bare token, the same for every form of the credential; nil
 *   where there is no token. A remembered refusal of it wins over an offline verdict
 *
 * and, where valid:
 *
 * - offline: bool, judged by the cookie cache without asking; not done where `fresh`
 * - valid_for: ms from now for which it may be believed: session_ttl less the age of the cookie
 *   cache, and not past the session's end
 * - expires_at: the session's end, ms since the epoch
 * - user {id, email: text|nil, email_verified: bool, name: text|nil, image: text|nil,
 *   stellartools_customer_id: id|nil}
 *
 * webhook.verify {body: bytes or text, signature: text} checks a webhook's signature and age, asks
 * nobody, and answers:
 *
 * - verdict: "valid", "invalid" (message says why), "malformed" (well signed, and no event of
 *   StellarTools': message says why), or "unavailable" (no webhook secret is configured, or it
 *   cannot be read: message says so)
 * - message: text|nil, at most 200 bytes
 *
 * and, where valid: id, type: text; created: ms since the epoch (0 where it is none); livemode:
 * bool|nil (nil: it does not say); object: data.object as above for objects, nil where it is none
 * or has no id; previous_attributes: map|nil.
 *
 * Notifications: sync → serve "sync.hello" {version, livemode: bool (false: a test key), upstream:
 * text|nil} once when connected, and again when a new key has been read; serve → sync "sync.reload"
 * {} re-reads the key and all other secrets.
 *
 * `upstream` says which upstream sync is set to: base_url in one way of writing it, a blank, and
 * "live" or "test" by the key; or "sandbox" for the one that creditd itself has started, whose port
 * is another one each time; nil where there is no key. serve uses no sync that is set to another
 * upstream than its ledger belongs to.
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
    X(FAILED, "failed", 0) /* any other answer: a redirect, HTML, an unreadable 2xx, … */        \
    X(UNANSWERED, "unanswered", 0) /* timeout, reset, or the helper is gone */                     \
    X(ERROR, "error", 0) /* a recognised JSON error that proves nothing: 408, 409, 5xx, … */

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
#define UPSTREAM_METHOD_CUSTOMER "upstream.customer"
#define UPSTREAM_METHOD_CUSTOMERS "upstream.customers"
#define UPSTREAM_METHOD_CUSTOMER_CREATE "upstream.customer_create"
#define UPSTREAM_METHOD_CUSTOMER_UPDATE "upstream.customer_update"
#define UPSTREAM_METHOD_SUBSCRIPTION "upstream.subscription"
#define UPSTREAM_METHOD_SUBSCRIPTIONS "upstream.subscriptions"
#define UPSTREAM_METHOD_SUBSCRIPTION_CREATE "upstream.subscription_create"
#define UPSTREAM_METHOD_SUBSCRIPTION_UPDATE "upstream.subscription_update"
#define UPSTREAM_METHOD_SUBSCRIPTION_ACTION "upstream.subscription_action"
#define UPSTREAM_METHOD_PAYMENT "upstream.payment"
#define UPSTREAM_METHOD_REFUND_CREATE "upstream.refund_create"
#define UPSTREAM_METHOD_ACCESS "upstream.access"
#define AUTH_METHOD_SESSION "auth.session"
#define WEBHOOK_METHOD_VERIFY "webhook.verify"
#define UPSTREAM_NOTIFY_HELLO "sync.hello"
#define UPSTREAM_NOTIFY_RELOAD "sync.reload"

#define UPSTREAM_NAME_MAX 512u          /* bytes of the text that says what sync is set to */
#define UPSTREAM_NAME_SANDBOX "sandbox" /* creditd's own */

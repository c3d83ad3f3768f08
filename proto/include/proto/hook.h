/*
 * The internal channel between creditd-serve and creditd-hook. serve hands over one event and the
 * name of one hook; creditd-hook knows from its own configuration what that hook is, runs the
 * program or posts to the URL once, and answers how that ended. It keeps nothing and repeats
 * nothing: delays and order are serve's. serve never names a program: who breaks into the process
 * that parses what strangers send must not choose what is run.
 *
 * Request: hook.run {hook: "on_…", event: the envelope of proto/events.h, attempt: int from 1}
 *   → {outcome: text, status: int, message: text|nil}
 *
 * outcome: "done": the program exited with 0, or the URL answered 2xx. "failed": anything else, and
 * it is worth another try; status is the exit code, 128 + the signal, or the HTTP status, 0 where
 * there is none; message says why, at most 200 bytes. "unconfigured": creditd-hook's configuration
 * has no such hook (a reload is under way); to be tried again.
 *
 * Notifications: hook → serve "hook.hello" {version} once when connected; serve → hook
 * "hook.reload"
 * {}: the configuration has changed.
 */
#pragma once

#define HOOK_METHOD_RUN "hook.run"
#define HOOK_NOTIFY_HELLO "hook.hello"
#define HOOK_NOTIFY_RELOAD "hook.reload"

#define HOOK_OUTCOME_DONE "done"
#define HOOK_OUTCOME_FAILED "failed"
#define HOOK_OUTCOME_UNCONFIGURED "unconfigured"

#define HOOK_MESSAGE_MAX 200

/* The hooks: option of [hooks], and the filter of its events (proto_event_filter). Their order is
 * that of enum hook_number, and is kept for ever: the ledger has them by number. */
#define HOOK_TABLE(X)                                                                              \
    X(CUSTOMER_CREATED, on_customer_created, "customer.created")                                   \
    X(SUBSCRIPTION_CREATED, on_subscription_created, "subscription.created")                       \
    X(SUBSCRIPTION_CANCELED, on_subscription_canceled, "subscription.canceled")                    \
    X(CREDITS_LOW, on_credits_low, "credits.low")                                                  \
    X(EVENT, on_event, "*")

enum hook_number {
#define X(name, option, filter) HOOK_##name,
    HOOK_TABLE(X)
#undef X
        HOOK_COUNT_
};

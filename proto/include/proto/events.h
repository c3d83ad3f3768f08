/*
 * The one table of event types, and what an event is on the wire.
 *
 * An event is StellarTools' own envelope and a number:
 *
 *     {id: "evt_EPOCH_NUMBER", type: "credits.low", created: ms since the epoch, livemode: bool,
 *      sequence: NUMBER, data: {object: {…}, previous_attributes: {…} | nil}}
 *
 * `sequence` counts events, from 1 on and without gaps, in the order in which they came about here;
 * `id` is the same for ever, however often the event is delivered. What `object` is:
 *
 * - credits.*: {object: "credit_balance", customer_id, product_id, balance (available), upstream,
 *   pending, held, threshold (low and recovered: the one that was crossed; else nil)}
 * - push.*: {object: "push", id, customer_id, product_id, type: "deduct"|"refund"|"grant", credits,
 *   state, reason}
 * - customer.linked: {object: "customer_link", user_id, customer_id}; previous_attributes has the
 *   customer_id that the user was linked to before, if there was one
 * - customer.unlinked: the same object, of the link as it was
 * - all others: StellarTools' object, whole; previous_attributes of *.updated has the members that
 *   were otherwise before, as they were
 *
 * The order of the rows is that of their numbers in the ledger, and is kept for ever.
 */
#pragma once

#include <stddef.h>

#define PROTO_EVENTS(X)                                                                            \
    X(CREDITS_LOW, "credits.low", "a deduction took the balance to a threshold or below")          \
    X(CREDITS_RECOVERED, "credits.recovered", "the balance has risen above that threshold again")  \
    X(CREDITS_EXHAUSTED, "credits.exhausted", "nothing is available any more")                     \
    X(CREDITS_OVERDRAWN, "credits.overdrawn", "less than nothing is: it was spent elsewhere, too") \
    X(PUSH_PARKED, "push.parked", "a push waits for an operator")                                  \
    X(PUSH_RESUMED, "push.resumed", "an operator has sent or dropped it")                          \
    X(CUSTOMER_CREATED, "customer.created", "a customer was created")                              \
    X(CUSTOMER_LINKED, "customer.linked", "a user got its customer")                               \
    X(CUSTOMER_UPDATED, "customer.updated", "a customer has changed")                              \
    X(CUSTOMER_DELETED, "customer.deleted", "a customer was deleted upstream")                     \
    X(SUBSCRIPTION_CREATED, "subscription.created", "a subscription is new")                       \
    X(SUBSCRIPTION_UPDATED, "subscription.updated", "a subscription has changed")                  \
    X(SUBSCRIPTION_CANCELED, "subscription.canceled",                                              \
      "a subscription was canceled, at once or for the end of its period")                         \
    X(REFUND_CREATED, "refund.created", "a payment is to be given back")                           \
    X(REFUND_SUCCEEDED, "refund.succeeded", "it was given back")                                   \
    X(REFUND_FAILED, "refund.failed", "it could not be given back")                                \
    X(PAYMENT_PENDING, "payment.pending", "a payment was begun")                                   \
    X(PAYMENT_CONFIRMED, "payment.confirmed", "a payment has arrived")                             \
    X(PAYMENT_FAILED, "payment.failed", "a payment has failed")                                    \
    X(PAYMENT_METHOD_CREATED, "payment_method.created", "a payment method is new")                 \
    X(PAYMENT_METHOD_DELETED, "payment_method.deleted", "a payment method is gone")                \
    X(CHECKOUT_CREATED, "checkout.created", "a checkout was begun")                                \
    X(CUSTOMER_UNLINKED, "customer.unlinked", "an operator took a user's customer away")

enum proto_event {
#define X(name, text, meaning) PROTO_EVENT_##name,
    PROTO_EVENTS(X)
#undef X
        PROTO_EVENT_COUNT_
};

/* NULL for a number that is none. */
const char *proto_event_type(unsigned event);
/* -ENOENT where there is none of that name. */
int proto_event_find(const char *type, size_t length, enum proto_event *ret_event);
/* The types that a filter means, as bits 1 << enum proto_event: a type, "credits.*" for all of a
 * kind, or "*". 0 where it means none. */
unsigned proto_event_filter(const char *filter, size_t length);

/*
 * The notification that a subscriber gets: [2, "event", [envelope]].
 *
 * event.subscribe {types, after, subscriber} → {after, last}: the events with numbers above `after`
 * follow this answer, in order; `last` is the number of the latest that there is (0: none), so that
 * a reader knows when it has caught up. `after` is the request's, where 0 stands for the
 * number before the oldest event that is kept: all there is; without one the place of that
 * subscriber; of a new one, or without a subscriber, `last`: what comes about from now on. A new
 * subscriber's place is kept from this answer on, not only from its first ack: else what comes
 * about before that is lost with the reader's process. It is the error "gap" with data {oldest: the
 * number of the oldest event that is kept} where events after `after` are gone: who can do without
 * them asks again with oldest - 1. An `after` above `last` (the ledger was restored from a backup)
 * is answered with both as they are; what follows are the events above `after`.
 *
 * One connection at a time has a subscriber's name: event.subscribe on another one of the same user
 * is "conflict" while the first is open. Two would both get every event, and move one place.
 *
 * A connection has one subscription. A second event.subscribe takes its place: what follows its
 * answer is the new one's alone; one that was refused leaves the old one as it was. Who reads too
 * slowly is cut off by closing the connection, and resumes by asking again.
 *
 * event.ack {subscriber, sequence} → {sequence: its place now}: it is never moved back.
 * event.unsubscribe {subscriber} → {subscriber, sequence: its place until now}: the name is
 * forgotten, and nothing is kept for it any more; "not_found" where this user has none of that
 * name. A stream under it goes on. One that has not moved for twice the retention, and a day at
 * least, is forgotten by itself.
 * event.list {types, after, limit} → {data: [envelope…], has_more, after}: a page, oldest first,
 * from the oldest that is kept where no `after` was given; the answer's `after` is what the next
 * page is asked with. "gap" as above.
 */
#define PROTO_NOTIFY_EVENT "event"

/*
 * For tests of events: making them, and reading them as a subscriber does.
 */
#pragma once

#include "fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>

/* One event, customer.linked, in one durable record. */
static inline void event_make(struct harness_connection *connection, int number)
{
    char user[32], customer[32];

    snprintf(user, sizeof(user), "u_%d", number);
    snprintf(customer, sizeof(customer), "cus_%d", number);
    json_decref(harness_call(connection, "customer.link", "{s:s, s:s}", "user_id", user,
                             "customer_id", customer));
}

static inline void event_send(struct harness_connection *connection, int number)
{
    char user[32], customer[32];

    snprintf(user, sizeof(user), "u_%d", number);
    snprintf(customer, sizeof(customer), "cus_%d", number);
    harness_send(connection, "customer.link", "{s:s, s:s}", "user_id", user, "customer_id",
                 customer);
}

/* The next event of a subscription, which must have that number. A new reference. */
static inline json_t *event_next(struct harness_connection *connection, int64_t number)
{
    struct harness_message message;
    json_t *event;

    cr_assert(harness_receive(connection, &message), "the connection ended before event %d",
              (int)number);
    cr_assert_eq(message.type, 2);
    cr_assert_str_eq(message.method, "event");
    event = json_incref(message.params);
    harness_message_deinit(&message);
    cr_assert_eq(harness_int(event, "sequence"), number, "not event %d: %s", (int)number,
                 json_dumps(event, 0));
    return event;
}

static inline void event_skip(struct harness_connection *connection, int64_t from, int64_t through)
{
    for (int64_t number = from; number <= through; number++)
        json_decref(event_next(connection, number));
}

/* After a subscribe or an ack was sent: its result, with whatever else comes before it dropped. */
static inline int64_t event_ack(struct harness_connection *connection, const char *subscriber,
                                int64_t sequence)
{
    json_t *result = harness_call(connection, "event.ack", "{s:s, s:I}", "subscriber", subscriber,
                                  "sequence", (json_int_t)sequence);
    int64_t place = harness_int(result, "sequence");

    cr_assert_str_eq(harness_text(result, "subscriber"), subscriber);
    json_decref(result);
    return place;
}

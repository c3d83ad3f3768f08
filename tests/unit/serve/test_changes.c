/* What comes in against what is stored: what is kept, and what is told. */
#include "changes.h"
#include "json_words.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <proto/events.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JAN(day, hour) "\"2026-01-" #day "T" #hour ":00:00.000Z\""
#define UPDATED(day) "\"updated_at\": " JAN(day, 00)
/* 2026-01-20T00:00:00Z */
#define TOLD_AT INT64_C(1768867200000)

/* --- MessagePack as JSON --- */

static json_t *unpacked(const void *data, size_t length)
{
    msgpack_object object;
    msgpack_zone zone;
    size_t offset = 0;
    json_t *json;

    cr_assert(msgpack_zone_init(&zone, 1024));
    cr_assert_eq(msgpack_unpack(data, length, &offset, &zone, &object), MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(offset, length);
    json = json_words_of(&object);
    msgpack_zone_destroy(&zone);
    return json;
}

/* --- the table --- */

enum { KEEPS = 1, PARTIAL = 2 };

struct row {
    const char *what;
    enum record_table table;
    enum changes_source source;
    const char *stored;
    bool is_partial;
    const char *body;
    enum core_event_type type; /* CHANGES_TOLD */
    const char *previous;
    const char *kept; /* NULL: nothing is stored; "body": as it came; "stored": as it was */
    int flags;
    const char *events; /* TYPE/CUSTOMER/PRODUCT PREVIOUS, … */
    bool is_list, overtaken;
};

static void describe(const struct changes *changes, char *text, size_t size)
{
    text[0] = '\0';
    for (size_t i = 0; i < changes->event_count; i++) {
        const struct core_event_data *event = &changes->events[i];
        json_t *data = unpacked(event->data, event->length);
        char *previous = json_dumps(json_object_get(data, "previous_attributes"),
                                    JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        size_t length = strlen(text);

        cr_assert_eq(json_object_size(data), 2);
        cr_assert(json_is_object(json_object_get(data, "object")));
        snprintf(text + length, size - length, "%s%s/%.*s/%.*s %s", i > 0 ? ", " : "",
                 proto_event_type((unsigned)event->type), (int)event->customer.length,
                 event->customer.data, (int)event->product.length, event->product.data, previous);
        free(previous);
        json_decref(data);
    }
}

static void check_kept(const struct row *row, const struct changes *changes)
{
    const char *kept = row->kept == NULL                  ? NULL
                       : strcmp(row->kept, "body") == 0   ? row->body
                       : strcmp(row->kept, "stored") == 0 ? row->stored
                                                          : row->kept;
    json_t *expected, *own;
    char *text;

    cr_expect_eq(changes->store, kept != NULL, "%s: stored %d", row->what, changes->store);
    if (kept == NULL || !changes->store)
        return;
    expected = json_loads(kept, 0, NULL);
    cr_assert_not_null(expected, "%s: %s", row->what, kept);
    own = unpacked(changes->body.data, changes->body.size);
    text = json_dumps(own, JSON_COMPACT);
    cr_expect(json_equal(own, expected), "%s: %s", row->what, text);
    cr_expect_eq(changes->partial, (row->flags & PARTIAL) != 0, "%s: partial", row->what);
    cr_expect_eq(changes->keeps_time, (row->flags & KEEPS) != 0, "%s: keeps its time", row->what);
    free(text);
    json_decref(own);
    json_decref(expected);
}

static void words_of(const char *json, struct json_words *words, const void **ret_data,
                     size_t *ret_length)
{
    json_words_init(words, json != NULL ? json : "null");
    *ret_data = json != NULL ? words->buffer.data : NULL;
    *ret_length = json != NULL ? words->buffer.size : 0;
}

static void check(const struct row *row)
{
    struct json_words body, stored_words, previous;
    struct changes_input input = {.table = row->table,
                                  .source = row->source,
                                  .is_list = row->is_list,
                                  .overtaken = row->overtaken,
                                  .type = row->type,
                                  .told_at = row->source == CHANGES_TOLD ? TOLD_AT : 0};
    struct changes_stored stored = {.partial = row->is_partial};
    struct changes changes;
    char events[2048];

    words_of(row->body, &body, &input.body, &input.length);
    words_of(row->stored, &stored_words, &stored.body, &stored.length);
    words_of(row->previous, &previous, &input.previous, &input.previous_length);
    cr_assert_eq(changes_make(&input, &stored, &changes), 0, "%s", row->what);
    check_kept(row, &changes);
    describe(&changes, events, sizeof(events));
    cr_expect_str_eq(events, row->events != NULL ? row->events : "", "%s: %s", row->what, events);
    changes_deinit(&changes);
    json_words_deinit(&body);
    json_words_deinit(&stored_words);
    json_words_deinit(&previous);
}

#define CHECK(rows)                                                                                \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                  \
    check(&(rows)[i])

/* --- customers --- */

#define CUSTOMER(email, updated) "{\"id\": \"cus_1\", \"email\": \"" email "\", " updated "}"

Test(changes, customers)
{
    static const struct row rows[] = {
        {.what = "cold, read: no event",
         .source = CHANGES_READ,
         .body = CUSTOMER("a", UPDATED(05)),
         .kept = "body"},
        {.what = "the same, read: it is so now",
         .source = CHANGES_READ,
         .stored = CUSTOMER("a", UPDATED(05)),
         .body = "{" UPDATED(05) ", \"email\": \"a\", \"id\": \"cus_1\"}",
         .kept = "stored"},
        {.what = "changed",
         .source = CHANGES_READ,
         .stored = CUSTOMER("a", UPDATED(05)),
         .body = CUSTOMER("b", UPDATED(06)),
         .kept = "body",
         .events = "customer.updated/cus_1/ {\"email\":\"a\",\"updated_at\":\"2026-01-05T00:00:00"
                   ".000Z\"}"},
        {.what = "changed within one tick of updated_at",
         .source = CHANGES_WRITTEN,
         .stored = CUSTOMER("a", UPDATED(05)),
         .body = CUSTOMER("b", UPDATED(05)),
         .kept = "body",
         .events = "customer.updated/cus_1/ {\"email\":\"a\"}"},
        {.what = "older: nothing, but it was asked",
         .source = CHANGES_READ,
         .stored = CUSTOMER("a", UPDATED(06)),
         .body = CUSTOMER("b", UPDATED(05)),
         .kept = "stored"},
        {.what = "older, in another offset",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .stored = CUSTOMER("a", "\"updated_at\": \"2026-01-06T01:00:00+02:00\""),
         .body = CUSTOMER("b", "\"updated_at\": \"2026-01-05T22:59:59Z\"")},
        {.what = "without updated_at, newer counts",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .stored = CUSTOMER("a", "\"n\": 1"),
         .body = CUSTOMER("b", "\"n\": 1"),
         .kept = "body",
         .events = "customer.updated/cus_1/ {\"email\":\"a\"}"},
        {.what = "a member more, and one less, and one deep inside",
         .source = CHANGES_READ,
         .stored = "{\"id\": \"cus_1\", \"x\": 1, \"m\": {\"a\": 1, \"b\": [1, 2]}}",
         .body = "{\"id\": \"cus_1\", \"y\": 2, \"m\": {\"b\": [1, 3], \"a\": 1}}",
         .kept = "body",
         .events = "customer.updated/cus_1/ {\"m\":{\"a\":1,\"b\":[1,2]},\"x\":1,\"y\":null}"},
        {.what = "a webhook leaves out what has not changed",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .stored = "{\"id\": \"cus_1\", \"email\": \"a\", \"x\": 1}",
         .body = "{\"id\": \"cus_1\", \"email\": \"b\"}",
         .kept = "{\"id\": \"cus_1\", \"email\": \"b\", \"x\": 1}",
         .events = "customer.updated/cus_1/ {\"email\":\"a\"}"},
        {.what = "told the second time",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .stored = CUSTOMER("a", UPDATED(05)),
         .body = CUSTOMER("a", UPDATED(05))},
        {.what = "told again, and less",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .stored = CUSTOMER("a", UPDATED(05)),
         .body = "{\"id\": \"cus_1\", \"email\": \"a\"}"},
        {.what = "created, told",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_CREATED,
         .body = CUSTOMER("a", UPDATED(05)),
         .kept = "body",
         .events = "customer.created/cus_1/ null"},
        {.what = "updated, of a stranger",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .body = CUSTOMER("a", UPDATED(05)),
         .previous = "{\"email\": \"z\"}",
         .kept = "body",
         .events = "customer.updated/cus_1/ {\"email\":\"z\"}"},
        {.what = "updated overtakes created",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .body = CUSTOMER("a", UPDATED(19) ", \"created_at\": " JAN(18, 12)),
         .kept = "body",
         .events = "customer.created/cus_1/ null, customer.updated/cus_1/ null"},
        {.what = "deleted",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_DELETED,
         .stored = CUSTOMER("a", UPDATED(05)),
         .body = CUSTOMER("a", UPDATED(04)),
         .kept = "{\"id\": \"cus_1\", \"object\": \"customer\", \"deleted\": true}",
         .flags = PARTIAL,
         .events = "customer.deleted/cus_1/ null"},
        {.what = "deleted twice",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_DELETED,
         .stored = "{\"deleted\": true}",
         .is_partial = true,
         .body = CUSTOMER("a", UPDATED(05))},
        {.what = "a late webhook does not bring it back",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CUSTOMER_UPDATED,
         .stored = "{\"deleted\": true}",
         .is_partial = true,
         .body = CUSTOMER("a", UPDATED(05))},
        {.what = "but StellarTools' own word does",
         .source = CHANGES_READ,
         .stored = "{\"deleted\": true}",
         .is_partial = true,
         .body = CUSTOMER("a", UPDATED(05)),
         .kept = "body"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row row = rows[i];

        row.table = TABLE_CUSTOMER;
        check(&row);
    }
}

/* --- subscriptions --- */

#define SUB(id, more)                                                                              \
    "{\"id\": \"" id "\", \"customer_id\": \"cus_1\", \"product_id\": \"p\"" more "}"
#define ACTIVE ", \"status\": \"active\", \"cancel_at_period_end\": false"
#define ENDING ", \"status\": \"active\", \"cancel_at_period_end\": true"
#define CANCELED ", \"status\": \"canceled\", \"cancel_at_period_end\": true"
#define PAUSED ", \"status\": \"paused\", \"cancel_at_period_end\": false"
#define AT(day) ", " UPDATED(day)

Test(changes, lists_of_subscriptions)
{
    static const struct row rows[] = {
        {.what = "cold", .body = "[" SUB("s1", ACTIVE) "]", .kept = "body"},
        {.what = "only single ones were known",
         .stored = "[" SUB("s1", ACTIVE) "]",
         .is_partial = true,
         .body = "[" SUB("s1", ENDING) ", " SUB("s2", ACTIVE) "]",
         .kept = "body",
         .events = "subscription.canceled/cus_1/p {\"cancel_at_period_end\":false}"},
        {.what = "the same",
         .stored = "[" SUB("s1", ACTIVE) "]",
         .body = "[" SUB("s1", ACTIVE) "]",
         .kept = "stored"},
        {.what = "new, also where it is canceled already",
         .stored = "[" SUB("s1", ACTIVE) "]",
         .body = "[" SUB("s3", CANCELED) ", " SUB("s2", ACTIVE) ", " SUB("s1", ACTIVE) "]",
         .kept = "body",
         .events = "subscription.created/cus_1/p null, subscription.created/cus_1/p null"},
        {.what = "to be canceled",
         .stored = "[" SUB("s1", ACTIVE) "]",
         .body = "[" SUB("s1", ENDING) "]",
         .kept = "body",
         .events = "subscription.canceled/cus_1/p {\"cancel_at_period_end\":false}"},
        {.what = "canceled",
         .stored = "[" SUB("s1", ENDING) "]",
         .body = "[" SUB("s1", CANCELED) "]",
         .kept = "body",
         .events = "subscription.canceled/cus_1/p {\"status\":\"active\"}"},
        {.what = "canceled for good: what else changes is an update",
         .stored = "[" SUB("s1", CANCELED) "]",
         .body = "[" SUB("s1", CANCELED ", \"n\": 1") "]",
         .kept = "body",
         .events = "subscription.updated/cus_1/p {\"n\":null}"},
        {.what = "paused",
         .stored = "[" SUB("s1", ACTIVE) "]",
         .body = "[" SUB("s1", PAUSED) "]",
         .kept = "body",
         .events = "subscription.updated/cus_1/p {\"status\":\"active\"}"},
        {.what = "one of them older than what is known",
         .stored = "[" SUB("s1", ENDING AT(06)) ", " SUB("s2", ACTIVE AT(06)) "]",
         .body = "[" SUB("s1", ACTIVE AT(05)) ", " SUB("s2", PAUSED AT(07)) "]",
         .kept = "[" SUB("s1", ENDING AT(06)) ", " SUB("s2", PAUSED AT(07)) "]",
         .events = "subscription.updated/cus_1/p "
                   "{\"status\":\"active\",\"updated_at\":\"2026-01-06T00:00:00.000Z\"}"},
        {.what = "one is gone",
         .stored = "[" SUB("s1", ACTIVE) ", " SUB("s2", ACTIVE) "]",
         .body = "[" SUB("s2", ACTIVE) "]",
         .kept = "body"},
        {.what = "one came in while the list was read",
         .stored = "[" SUB("s1", ACTIVE) ", " SUB("s2", ACTIVE) "]",
         .body = "[" SUB("s2", ACTIVE) "]",
         .overtaken = true,
         .kept = "stored"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row row = rows[i];

        row.table = TABLE_SUBSCRIPTIONS;
        row.is_list = true;
        check(&row);
    }
}

Test(changes, single_subscriptions)
{
    static const struct row rows[] = {
        {.what = "a change of ours, into the list",
         .source = CHANGES_WRITTEN,
         .stored = "[" SUB("s1", ACTIVE) ", " SUB("s2", ACTIVE) "]",
         .body = SUB("s2", ENDING),
         .kept = "[" SUB("s1", ACTIVE) ", " SUB("s2", ENDING) "]",
         .flags = KEEPS,
         .events = "subscription.canceled/cus_1/p {\"cancel_at_period_end\":false}"},
        {.what = "a change of ours that the webhook was quicker to tell",
         .source = CHANGES_WRITTEN,
         .stored = "[" SUB("s1", ENDING) "]",
         .body = SUB("s1", ENDING)},
        {.what = "a create of ours, into the list",
         .source = CHANGES_CREATED,
         .stored = "[" SUB("s1", ACTIVE) "]",
         .body = SUB("s2", ACTIVE),
         .kept = "[" SUB("s2", ACTIVE) ", " SUB("s1", ACTIVE) "]",
         .flags = KEEPS,
         .events = "subscription.created/cus_1/p null"},
        {.what = "a create of ours, cold",
         .source = CHANGES_CREATED,
         .body = SUB("s2", ACTIVE),
         .kept = "[" SUB("s2", ACTIVE) "]",
         .flags = PARTIAL,
         .events = "subscription.created/cus_1/p null"},
        {.what = "a create of ours that the webhook was quicker to tell",
         .source = CHANGES_CREATED,
         .stored = "[" SUB("s2", ACTIVE) "]",
         .is_partial = true,
         .body = SUB("s2", ACTIVE)},
        {.what = "told, cold",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_CREATED,
         .body = SUB("s1", ACTIVE),
         .kept = "[" SUB("s1", ACTIVE) "]",
         .flags = PARTIAL,
         .events = "subscription.created/cus_1/p null"},
        {.what = "told, another of a partial list",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_UPDATED,
         .stored = "[" SUB("s1", ACTIVE) "]",
         .is_partial = true,
         .body = SUB("s2", PAUSED),
         .previous = "{\"status\": \"active\"}",
         .kept = "[" SUB("s2", PAUSED) ", " SUB("s1", ACTIVE) "]",
         .flags = PARTIAL,
         .events = "subscription.updated/cus_1/p {\"status\":\"active\"}"},
        {.what = "told that a young one is canceled, before that it was created",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_CANCELED,
         .body = SUB("s1", CANCELED AT(19) ", \"created_at\": " JAN(18, 00)),
         .kept = "[" SUB("s1", CANCELED AT(19) ", \"created_at\": " JAN(18, 00)) "]",
         .flags = PARTIAL,
         .events = "subscription.created/cus_1/p null, subscription.canceled/cus_1/p null"},
        {.what = "then that it was created",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_CREATED,
         .stored = "[" SUB("s1", CANCELED AT(19) ", \"created_at\": " JAN(18, 00)) "]",
         .is_partial = true,
         .body = SUB("s1", ACTIVE AT(18) ", \"created_at\": " JAN(18, 00))},
        {.what = "told that one is canceled which the list does not have",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_CANCELED,
         .stored = "[]",
         .body = SUB("s1", CANCELED),
         .kept = "[" SUB("s1", CANCELED) "]",
         .flags = KEEPS,
         .events = "subscription.created/cus_1/p null, subscription.canceled/cus_1/p null"},
        {.what = "an update that is a cancellation",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_UPDATED,
         .stored = "[" SUB("s1", ACTIVE AT(05)) "]",
         .body = SUB("s1", ENDING AT(06)),
         .kept = "[" SUB("s1", ENDING AT(06)) "]",
         .flags = KEEPS,
         .events = "subscription.canceled/cus_1/p {\"cancel_at_period_end\":false,"
                   "\"updated_at\":\"2026-01-05T00:00:00.000Z\"}"},
        {.what = "older",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_UPDATED,
         .stored = "[" SUB("s1", ACTIVE AT(05)) "]",
         .body = SUB("s1", PAUSED AT(04))},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row row = rows[i];

        row.table = TABLE_SUBSCRIPTIONS;
        check(&row);
    }
}

/* --- a list that is too large --- */

#define LEAN(status, day)                                                                          \
    "{\"id\": \"sub_1\", \"customer_id\": \"cus_1\", \"status\": \"" status "\", " UPDATED(day) "}"
#define FAT(status, day)                                                                           \
    "{\"id\": \"sub_1\", \"metadata\": {\"n\": \"1\"}, \"customer_id\": \"cus_1\", \"status\": "   \
    "\"" status "\", " UPDATED(day) "}"
#define REDUCED(complete, rows) "{\"complete\": " complete ", \"rows\": [" rows "]}"
#define OTHER "{\"id\": \"sub_2\", \"customer_id\": \"cus_1\", \"status\": \"active\"}"

Test(changes, reduced_lists)
{
    static const struct row rows[] = {
        {.what = "told that it was canceled",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_CANCELED,
         .stored = REDUCED("true", LEAN("active", 02)),
         .body = FAT("canceled", 03),
         .kept = REDUCED("true", LEAN("canceled", 03)),
         .flags = PARTIAL,
         .events = "subscription.canceled/cus_1/ {\"status\":\"active\",\"updated_at\":"
                   "\"2026-01-02T00:00:00.000Z\"}"},
        {.what = "… once",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_CANCELED,
         .stored = REDUCED("true", LEAN("canceled", 03)),
         .body = FAT("canceled", 03)},
        {.what = "told of another one of a list that is known",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_SUBSCRIPTION_UPDATED,
         .stored = REDUCED("true", LEAN("active", 02)),
         .body = OTHER,
         .kept = REDUCED("true", OTHER ", " LEAN("active", 02)),
         .flags = PARTIAL,
         .events = "subscription.created/cus_1/ null, subscription.updated/cus_1/ null"},
        {.what = "read, and small enough again",
         .is_list = true,
         .stored = REDUCED("true", LEAN("active", 02)),
         .body = "[" FAT("active", 02) "]",
         .kept = "body"},
        {.what = "read, and otherwise",
         .is_list = true,
         .stored = REDUCED("true", LEAN("active", 02)),
         .body = "[" OTHER ", " FAT("paused", 03) "]",
         .kept = "body",
         .events = "subscription.created/cus_1/ null, subscription.updated/cus_1/ "
                   "{\"status\":\"active\",\"updated_at\":\"2026-01-02T00:00:00.000Z\"}"},
        {.what = "read, where not all of it was known",
         .is_list = true,
         .stored = REDUCED("false", LEAN("active", 02)),
         .body = "[" OTHER ", " FAT("active", 02) "]",
         .kept = "body"},
        {.what = "read, and older than what is stored",
         .is_list = true,
         .stored = REDUCED("true", LEAN("canceled", 03)),
         .body = "[" FAT("active", 02) "]",
         .kept = REDUCED("true", LEAN("canceled", 03)),
         .flags = PARTIAL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row row = rows[i];

        row.table = TABLE_SUBSCRIPTIONS;
        row.is_partial = true;
        check(&row);
    }
}

/* --- the rest --- */

#define REFUND(status) "{\"id\": \"rf_1\", \"customer_id\": \"cus_1\", \"status\": \"" status "\"}"

Test(changes, refunds)
{
    static const struct row rows[] = {
        {.what = "a create of ours",
         .source = CHANGES_CREATED,
         .body = REFUND("pending"),
         .kept = "body",
         .events = "refund.created/cus_1/ null"},
        {.what = "… that succeeds at once",
         .source = CHANGES_CREATED,
         .body = REFUND("succeeded"),
         .kept = "body",
         .events = "refund.created/cus_1/ null, refund.succeeded/cus_1/ null"},
        {.what = "told that it succeeded",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_REFUND_SUCCEEDED,
         .stored = REFUND("pending"),
         .body = REFUND("succeeded"),
         .kept = "body",
         .events = "refund.succeeded/cus_1/ {\"status\":\"pending\"}"},
        {.what = "told that it succeeded, with an object that was pending",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_REFUND_SUCCEEDED,
         .stored = REFUND("pending"),
         .body = REFUND("pending"),
         .kept = REFUND("succeeded"),
         .events = "refund.succeeded/cus_1/ {\"status\":\"pending\"}"},
        {.what = "told first that it failed, with an object that was pending",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_REFUND_FAILED,
         .body = REFUND("pending"),
         .kept = REFUND("failed"),
         .events = "refund.created/cus_1/ null, refund.failed/cus_1/ null"},
        {.what = "the answer to the create, after that",
         .source = CHANGES_CREATED,
         .stored = REFUND("failed"),
         .body = REFUND("pending")},
        {.what = "told by another webhook of the same",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_REFUND_SUCCEEDED,
         .stored = REFUND("succeeded"),
         .body = REFUND("succeeded")},
        {.what = "told first that it failed",
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_REFUND_FAILED,
         .body = REFUND("failed"),
         .kept = "body",
         .events = "refund.created/cus_1/ null, refund.failed/cus_1/ null"},
        {.what = "not pending again, by an answer that was late",
         .source = CHANGES_CREATED,
         .stored = REFUND("succeeded"),
         .body = REFUND("pending")},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct row row = rows[i];

        row.table = TABLE_REFUND;
        check(&row);
    }
}

#define PAYMENT(more)                                                                              \
    "{\"id\": \"pay_1\", \"customer_id\": \"cus_1\", \"product_id\": \"p\"" more "}"

Test(changes, payments_and_what_is_passed_on)
{
    static const struct row rows[] = {
        {.what = "pending",
         .table = TABLE_PAYMENT,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_PAYMENT_PENDING,
         .body = PAYMENT(""),
         .kept = PAYMENT(", \"status\": \"pending\""),
         .events = "payment.pending/cus_1/p null"},
        {.what = "pending, of an object that is confirmed by now",
         .table = TABLE_PAYMENT,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_PAYMENT_PENDING,
         .body = PAYMENT(", \"status\": \"confirmed\""),
         .kept = "body",
         .events = "payment.pending/cus_1/p null"},
        {.what = "confirmed, with the same object",
         .table = TABLE_PAYMENT,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_PAYMENT_CONFIRMED,
         .stored = PAYMENT(""),
         .body = PAYMENT(""),
         .kept = PAYMENT(", \"status\": \"confirmed\""),
         .events = "payment.confirmed/cus_1/p {\"status\":null}"},
        {.what = "confirmed, with an object that was pending and is older than what is stored",
         .table = TABLE_PAYMENT,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_PAYMENT_CONFIRMED,
         .stored = PAYMENT(", \"status\": \"pending\", \"n\": 2, " UPDATED(03)),
         .body = PAYMENT(", \"status\": \"pending\", \"n\": 1, " UPDATED(02)),
         .kept = PAYMENT(", \"status\": \"confirmed\", \"n\": 2, " UPDATED(03)),
         .events = "payment.confirmed/cus_1/p {\"status\":\"pending\"}"},
        {.what = "pending, late, of an object as it is stored",
         .table = TABLE_PAYMENT,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_PAYMENT_PENDING,
         .stored = PAYMENT(", \"status\": \"confirmed\", " UPDATED(03)),
         .body = PAYMENT(", \"status\": \"pending\", " UPDATED(03))},
        {.what = "pending, late",
         .table = TABLE_PAYMENT,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_PAYMENT_PENDING,
         .stored = PAYMENT(", \"status\": \"confirmed\""),
         .body = PAYMENT(", \"status\": \"pending\"")},
        {.what = "a payment method",
         .table = TABLE_COUNT_,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_PAYMENT_METHOD_CREATED,
         .body = "{\"id\": \"pm_1\", \"customer_id\": \"cus_1\"}",
         .previous = "{\"x\": 1}",
         .events = "payment_method.created/cus_1/ {\"x\":1}"},
        {.what = "an id that could not be told",
         .table = TABLE_COUNT_,
         .source = CHANGES_TOLD,
         .type = CORE_EVENT_CHECKOUT_CREATED,
         .body = "{\"id\": \"c\", \"customer_id\": \"../x\", \"product_id\": 7}",
         .events = "checkout.created// null"},
        {.what = "access",
         .table = TABLE_ACCESS,
         .source = CHANGES_READ,
         .stored = "{\"has_access\": false}",
         .body = "{\"has_access\": true}",
         .kept = "body"},
    };

    CHECK(rows);
}

Test(changes, what_is_no_object)
{
    static const char *const bodies[] = {"7", "null", "[]", "\"x\"", "{\"id\": 7}", "{}"};
    struct changes_stored stored = {0};
    struct changes changes;

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct changes_input input = {.table = TABLE_CUSTOMER};
        struct json_words words;

        words_of(bodies[i], &words, &input.body, &input.length);
        cr_expect_eq(changes_make(&input, &stored, &changes), -EBADMSG, "%s", bodies[i]);
        input.length--; /* torn */
        cr_expect_eq(changes_make(&input, &stored, &changes), -EBADMSG, "%s", bodies[i]);
        json_words_deinit(&words);
    }
}

/* Stored by a fault, or by a version of us that is to come: as if there were nothing. */
Test(changes, what_is_stored_and_cannot_be_read)
{
    static const struct row rows[] = {
        {.what = "a list where a customer should be",
         .table = TABLE_CUSTOMER,
         .source = CHANGES_READ,
         .stored = "[1]",
         .body = CUSTOMER("a", UPDATED(05)),
         .kept = "body"},
        {.what = "a list of no objects",
         .table = TABLE_SUBSCRIPTIONS,
         .source = CHANGES_READ,
         .is_list = true,
         .stored = "[1, null, [], {\"id\": 7}]",
         .body = "[" SUB("s1", ACTIVE) ", 7]",
         .kept = "body",
         .events = "subscription.created/cus_1/p null"},
    };

    CHECK(rows);
}

/*
 * Objects that change, the events that go with them, and the webhooks that brought them: one
 * record, or nothing.
 */
#include "stage.h"

#include <core/event.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MOST (63u * 1024u)

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage, NULL);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(change, .init = set_up, .fini = tear_down);
TestSuite(webhook, .init = set_up, .fini = tear_down);

static struct core_event_data event_of(enum core_event_type type, const char *data)
{
    return (struct core_event_data){.type = type,
                                    .customer = stage_text("cus_a"),
                                    .product = stage_text("prod_a"),
                                    .data = data,
                                    .length = strlen(data)};
}

static struct core_object_change change_of(const char *key, const char *body)
{
    return (struct core_object_change){.table = TABLE_SUBSCRIPTIONS,
                                       .key = stage_text(key),
                                       .body = body,
                                       .length = body != NULL ? strlen(body) : 0,
                                       .webhook = stage_text("")};
}

static uint64_t change(const struct core_object_change *change)
{
    uint64_t sequence = 0;
    cr_assert_eq(core_object_change(stage.core, change, stage.now, &sequence), CORE_OK);
    return sequence;
}

static struct record last_record(void)
{
    struct record record;
    cr_assert_gt(stage.count, 0);
    cr_assert_eq(record_decode(stage.records[stage.count - 1].bytes,
                               stage.records[stage.count - 1].size, &record),
                 0);
    return record;
}

static unsigned images_of(const struct record *record, enum record_table table)
{
    struct record_image image;
    unsigned count = 0;
    for (size_t position = 0; record_next_image(record, &position, &image);)
        count += image.table == table;
    return count;
}

static void expect_body(const char *key, const char *body)
{
    struct core_object object;
    int status = core_object_get(stage.core, TABLE_SUBSCRIPTIONS, stage_text(key), &object);
    cr_assert_eq(status, body != NULL ? CORE_OK : CORE_NOT_FOUND);
    if (body == NULL)
        return;
    cr_expect_eq(object.body_length, strlen(body));
    cr_expect_eq(memcmp(object.body, body, strlen(body)), 0);
}

static int64_t synced_at(const char *key)
{
    struct core_object object;
    cr_assert_eq(core_object_get(stage.core, TABLE_SUBSCRIPTIONS, stage_text(key), &object),
                 CORE_OK);
    return object.synced_at;
}

static bool seen(const char *id)
{
    uint64_t sequence;
    return core_webhook_seen(stage.core, stage_text(id), &sequence) == CORE_OK;
}

/* --- changes --- */

static void expect_data(uint64_t number, enum core_event_type type, const char *data)
{
    struct record record = last_record();
    struct core_event event;
    cr_assert_eq(core_event_get(stage.core, number, &event), CORE_OK);
    cr_expect_eq(event.type, type);
    cr_expect_eq(event.sequence, record.header.sequence);
    cr_expect_eq(event.data_length, strlen(data));
    cr_assert_leq(event.data_offset + event.data_length, record.header.detail_length);
    cr_expect_eq(memcmp(record.detail + event.data_offset, data, strlen(data)), 0);
}

Test(change, is_one_record_with_its_events_and_its_webhook)
{
    struct core_event_data events[] = {event_of(CORE_EVENT_SUBSCRIPTION_CREATED, "{created}"),
                                       event_of(CORE_EVENT_PAYMENT_CONFIRMED, ""),
                                       event_of(CORE_EVENT_SUBSCRIPTION_UPDATED, "{updated!}")};
    struct core_object_change what = change_of("cus_a", "[one]");
    what.events = events;
    what.event_count = 3;
    what.webhook = stage_text("wh_1");
    cr_expect_eq(change(&what), 1);
    cr_assert_eq(stage.count, 1);
    struct record record = last_record();
    cr_expect_eq(record.header.type, RECORD_OBJECT);
    cr_expect_eq(images_of(&record, TABLE_SUBSCRIPTIONS), 1);
    cr_expect_eq(images_of(&record, TABLE_WEBHOOK), 1);
    cr_expect_eq(images_of(&record, TABLE_EVENT), 3);
    cr_expect_eq(record.header.events, CORE_EVENT_BIT(SUBSCRIPTION_CREATED) |
                                           CORE_EVENT_BIT(SUBSCRIPTION_UPDATED) |
                                           CORE_EVENT_BIT(PAYMENT_CONFIRMED));
    cr_expect_eq(record.header.detail_length, strlen("{created}{updated!}"));
    for (int round = 0; round < 2; round++) {
        expect_body("cus_a", "[one]");
        cr_expect_eq(synced_at("cus_a"), stage.now);
        cr_expect(seen("wh_1"));
        cr_expect(!seen("wh_2"));
        expect_data(1, CORE_EVENT_SUBSCRIPTION_CREATED, "{created}");
        expect_data(2, CORE_EVENT_PAYMENT_CONFIRMED, "");
        expect_data(3, CORE_EVENT_SUBSCRIPTION_UPDATED, "{updated!}");
        stage_restart(&stage);
    }
    cr_expect_eq(stage.event_count, 3);
}

Test(change, of_nothing_appends_nothing)
{
    struct core_object_change what = change_of("cus_a", "[one]");
    what.webhook = stage_text("wh_1");
    cr_expect_eq(change(&what), 1);
    stage_later(&stage, 1000);
    cr_expect_eq(change(&what), 1);
    what.webhook = stage_text("");
    cr_expect_eq(change(&what), 1);
    cr_expect_eq(stage.count, 1);
    cr_expect_eq(synced_at("cus_a"), stage.now); /* it was read again */
    struct core_object_change nothing = change_of("", NULL);
    cr_expect_eq(change(&nothing), 0);
    nothing.webhook = stage_text("wh_1");
    cr_expect_eq(change(&nothing), 1); /* what its first delivery did must be durable */
    cr_expect_eq(stage.count, 1);
}

Test(change, with_the_same_body_keeps_it_out_of_the_record)
{
    struct core_event_data event = event_of(CORE_EVENT_CUSTOMER_UPDATED, "{}");
    struct core_object_change what = change_of("cus_a", "[one]");
    change(&what);
    stage_later(&stage, 1000);
    what.events = &event;
    what.event_count = 1;
    cr_expect_eq(change(&what), 2);
    struct record record = last_record();
    cr_expect_eq(images_of(&record, TABLE_SUBSCRIPTIONS), 0);
    cr_expect_eq(images_of(&record, TABLE_EVENT), 1);
    cr_expect_eq(synced_at("cus_a"), stage.now);
}

Test(change, may_be_of_events_or_of_a_webhook_alone)
{
    struct core_event_data event = event_of(CORE_EVENT_CHECKOUT_CREATED, "{x}");
    struct core_object_change what = change_of("", NULL);
    what.events = &event;
    what.event_count = 1;
    cr_expect_eq(change(&what), 1);
    expect_data(1, CORE_EVENT_CHECKOUT_CREATED, "{x}");
    what = change_of("", NULL);
    what.webhook = stage_text("wh_1");
    cr_expect_eq(change(&what), 2);
    cr_expect_eq(last_record().header.images, 1);
}

Test(change, that_is_partial_must_be_read_before_it_is_told)
{
    struct core_object_change what = change_of("cus_a", "[one]");
    change(&what);
    what.body = "[two]";
    what.partial = true;
    cr_expect_eq(change(&what), 2);
    cr_expect_eq(synced_at("cus_a"), 0);
    stage_restart(&stage);
    cr_expect_eq(synced_at("cus_a"), 0);
    expect_body("cus_a", "[two]");
    cr_expect_eq(change(&what), 2); /* no news */
    what.partial = false;
    cr_expect_eq(change(&what), 2);
    cr_expect_eq(synced_at("cus_a"), stage.now);
    what.partial = true; /* it must be read again, whatever happens */
    cr_expect_eq(change(&what), 3);
    stage_restart(&stage);
    cr_expect_eq(synced_at("cus_a"), 0);
}

/* A list in which one row has changed is no younger for that. */
Test(change, can_keep_the_time_since_when_it_is_known)
{
    struct core_object_change what = change_of("cus_a", "[one]");
    change(&what);
    int64_t since = stage.now;
    stage_later(&stage, 60000);
    what.body = "[two]";
    what.synced_at = since;
    cr_expect_eq(change(&what), 2);
    cr_expect_eq(synced_at("cus_a"), since);
    stage_restart(&stage);
    cr_expect_eq(synced_at("cus_a"), since);
    what.synced_at = 1; /* known since long ago: without a record */
    cr_expect_eq(change(&what), 2);
    cr_expect_eq(synced_at("cus_a"), 1);
    what.synced_at = 0;
    change(&what);
    cr_expect_eq(synced_at("cus_a"), stage.now);
}

Test(change, may_be_the_objects_end)
{
    struct core_event_data event = event_of(CORE_EVENT_CUSTOMER_DELETED, "{}");
    struct core_object_change what = change_of("cus_a", "[one]");
    change(&what);
    what.body = NULL;
    what.length = 0;
    cr_expect_eq(change(&what), 2);
    expect_body("cus_a", NULL);
    cr_expect_eq(change(&what), 2); /* it is gone already */
    what.events = &event;
    what.event_count = 1;
    cr_expect_eq(change(&what), 3);
    stage_restart(&stage);
    expect_body("cus_a", NULL);
    what.body = "";
    cr_expect_eq(change(&what), 4); /* an empty body is one */
    expect_body("cus_a", "");
}

Test(change, of_refunds_and_payments_is_kept_like_all_others)
{
    static const enum record_table tables[] = {TABLE_CUSTOMER, TABLE_ACCESS, TABLE_REFUND,
                                               TABLE_PAYMENT};
    struct core_object object;
    for (size_t i = 0; i < 4; i++) {
        struct core_object_change what = change_of("one", "[one]");
        what.table = tables[i];
        cr_expect_eq(change(&what), i + 1);
    }
    stage_restart(&stage);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(core_object_get(stage.core, tables[i], stage_text("one"), &object), CORE_OK);
}

Test(change, takes_as_many_events_as_it_says)
{
    struct core_event_data events[CORE_EVENTS_MAX + 1];
    struct core_object_change what = change_of("cus_a", "[one]");
    uint64_t sequence, first, last;
    for (size_t i = 0; i <= CORE_EVENTS_MAX; i++)
        events[i] = event_of(CORE_EVENT_SUBSCRIPTION_UPDATED, "{}");
    what.events = events;
    what.event_count = CORE_EVENTS_MAX + 1;
    what.webhook = stage_text("wh_1");
    cr_expect_eq(core_object_change(stage.core, &what, stage.now, &sequence), -E2BIG);
    what.event_count = CORE_EVENTS_MAX;
    cr_expect_eq(change(&what), 1);
    core_event_range(stage.core, &first, &last);
    cr_expect_eq(last, CORE_EVENTS_MAX);
    cr_expect_eq(last_record().header.images, CORE_EVENTS_MAX + 2);
}

Test(change, that_is_too_large_changes_nothing)
{
    char *large = calloc(1, BODY_MOST + 1);
    cr_assert_not_null(large);
    struct core_event_data events[] = {event_of(CORE_EVENT_SUBSCRIPTION_CREATED, ""),
                                       event_of(CORE_EVENT_SUBSCRIPTION_UPDATED, ""),
                                       event_of(CORE_EVENT_SUBSCRIPTION_UPDATED, ""),
                                       event_of(CORE_EVENT_SUBSCRIPTION_UPDATED, "")};
    struct core_object_change what = change_of("cus_a", large);
    uint64_t sequence, first, last;
    what.length = BODY_MOST + 1;
    what.webhook = stage_text("wh_1");
    cr_expect_eq(core_object_change(stage.core, &what, stage.now, &sequence), -E2BIG);
    what.length = BODY_MOST;
    what.events = events;
    what.event_count = 4;
    for (size_t i = 0; i < 4; i++) {
        events[i].data = large;
        events[i].length = BODY_MOST + 1;
    }
    cr_expect_eq(core_object_change(stage.core, &what, stage.now, &sequence), -E2BIG);
    cr_expect_eq(stage.count, 0);
    cr_expect(!seen("wh_1"));
    core_event_range(stage.core, &first, &last);
    cr_expect_eq(last, 0);
    what.event_count = 2; /* the object, and all of it twice */
    cr_expect_eq(change(&what), 1);
    cr_expect(seen("wh_1"));
    stage_restart(&stage);
    cr_expect(seen("wh_1"));
    free(large);
}

Test(change, with_names_that_are_none_is_refused)
{
    char name[130] = {0};
    struct core_event_data event = event_of(CORE_EVENT_CUSTOMER_UPDATED, "{}");
    struct core_object_change what = change_of("cus_a", "[one]");
    uint64_t sequence;
    memset(name, 'a', 129);
    what.events = &event;
    what.event_count = 1;
    event.customer = stage_text(name);
    cr_expect_eq(core_object_change(stage.core, &what, stage.now, &sequence), -EINVAL);
    event = event_of(CORE_EVENT_COUNT_, "{}");
    cr_expect_eq(core_object_change(stage.core, &what, stage.now, &sequence), -EINVAL);
    cr_expect_eq(stage.count, 0);
}

/* --- webhooks --- */

static void deliver(unsigned number)
{
    char id[32];
    struct core_object_change what = change_of("", NULL);
    snprintf(id, sizeof(id), "wh_%u", number);
    what.webhook = stage_text(id);
    change(&what);
}

Test(webhook, is_remembered_over_restarts_with_its_record)
{
    uint64_t sequence = 0;
    deliver(1);
    deliver(2);
    for (int round = 0; round < 2; round++) {
        cr_expect_eq(core_webhook_seen(stage.core, stage_text("wh_2"), &sequence), CORE_OK);
        cr_expect_eq(sequence, 2);
        cr_expect(!seen("wh_3"));
        stage_restart(&stage);
    }
    stage_restart_with(&stage, 1);
    cr_expect(seen("wh_1"));
    cr_expect(!seen("wh_2"));
}

Test(webhook, is_forgotten_after_its_time_by_a_record)
{
    deliver(1);
    stage_later(&stage, 1000);
    deliver(2);
    stage_later(&stage, CORE_WEBHOOK_TTL_MS - 1000);
    cr_expect(seen("wh_1"));
    stage_wake(&stage, 1);
    cr_expect(!seen("wh_1"));
    cr_expect(seen("wh_2"));
    cr_expect_eq(stage_records_of(&stage, RECORD_FORGET), 1);
    stage_restart(&stage);
    cr_expect(!seen("wh_1"));
    cr_expect(seen("wh_2"));
    stage_later(&stage, 2000);
    cr_expect(!seen("wh_2"));
    cr_expect_eq(core_wakeup(stage.core), INT64_MAX);
}

Test(webhook, many_are_forgotten_in_steps)
{
    for (unsigned i = 0; i < 450; i++)
        deliver(i);
    stage_later(&stage, CORE_WEBHOOK_TTL_MS);
    for (unsigned i = 0; i < 3; i++)
        stage_wake(&stage, 1);
    cr_expect_eq(stage_records_of(&stage, RECORD_FORGET), 3);
    for (unsigned i = 0; i < 450; i++) {
        char id[32];
        snprintf(id, sizeof(id), "wh_%u", i);
        cr_expect(!seen(id));
    }
}

Test(webhook, the_oldest_are_forgotten_when_there_are_too_many)
{
    for (unsigned i = 0; i < CORE_WEBHOOKS_MAX; i++) {
        char id[32];
        struct webhook_image image = {.sequence = 1, .time = stage.now - 1000 + i % 1000 / 10};
        snprintf(id, sizeof(id), "wh_%u", i);
        cr_assert_eq(
            core_load_row(stage.core, TABLE_WEBHOOK, id, strlen(id), &image, sizeof(image)), 0);
    }
    stage_later(&stage, 1000);
    cr_expect_eq(stage.count, 0);
    for (unsigned i = 0; i < 50; i++)
        deliver(CORE_WEBHOOKS_MAX + i);
    stage_wake(&stage, 1);
    cr_expect_eq(stage_records_of(&stage, RECORD_FORGET), 1);
    unsigned forgotten = 0;
    for (unsigned i = 0; i < CORE_WEBHOOKS_MAX + 50; i++) {
        char id[32];
        snprintf(id, sizeof(id), "wh_%u", i);
        if (seen(id))
            continue;
        cr_expect_lt(i % 1000, 10, "%s was not the oldest", id);
        forgotten++;
    }
    cr_expect_eq(forgotten, 50);
    stage_wake(&stage, CORE_WEBHOOK_TTL_MS);
}

Test(webhook, rows_that_are_none_are_refused)
{
    uint8_t bytes[8] = {0};
    cr_expect_eq(core_load_row(stage.core, TABLE_WEBHOOK, "wh", 2, bytes, sizeof(bytes)), -EBADMSG);
    cr_expect_eq(core_load_row(stage.core, TABLE_WEBHOOK, "wh", 2, NULL, 0), 0);
}

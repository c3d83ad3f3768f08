/*
 * Events: numbered without gaps, in the record of their cause, the same after every restart.
 */
#include "stage.h"

#include <core/event.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MOST 512

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage, NULL);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(event, .init = set_up, .fini = tear_down);

/* --- what the records say --- */

struct told {
    struct core_event event; /* texts point into the record */
    struct record record;
};

static size_t events_of(const struct stage *of, size_t records, struct told *ret_told)
{
    size_t count = 0;
    for (size_t i = 0; i < records; i++) {
        struct record record;
        struct record_image image;
        cr_assert_eq(record_decode(of->records[i].bytes, of->records[i].size, &record), 0);
        uint32_t bits = 0;
        for (size_t position = 0; record_next_image(&record, &position, &image);) {
            if (image.table != TABLE_EVENT || image.value_length == 0)
                continue;
            cr_assert_lt(count, EVENTS_MOST);
            cr_assert_eq(core_event_decode(image.key, image.key_length, image.value,
                                           image.value_length, &ret_told[count].event),
                         0);
            cr_expect_eq(ret_told[count].event.place, of->records[i].place);
            ret_told[count].record = record;
            bits |= 1u << ret_told[count++].event.type;
        }
        cr_expect_eq(bits, record.header.events, "record %zu: no event without its bit", i + 1);
    }
    return count;
}

static bool same_text(struct core_text a, struct core_text b)
{
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static void expect_same(const struct core_event *a, const struct core_event *b)
{
    cr_expect_eq(a->number, b->number);
    cr_expect_eq(a->sequence, b->sequence);
    cr_expect_eq(a->place, b->place);
    cr_expect_eq(a->epoch, b->epoch);
    cr_expect_eq(a->type, b->type);
    cr_expect_eq(a->created, b->created);
    cr_expect_eq(a->value, b->value);
    cr_expect_eq(a->livemode, b->livemode);
    cr_expect_eq(a->data_offset, b->data_offset);
    cr_expect_eq(a->data_length, b->data_length);
    cr_expect(same_text(a->customer, b->customer));
    cr_expect(same_text(a->product, b->product));
}

static void expect_range(const struct core *core, uint64_t first, uint64_t last)
{
    uint64_t is_first, is_last;
    core_event_range(core, &is_first, &is_last);
    cr_expect_eq(is_first, first);
    cr_expect_eq(is_last, last);
}

static struct core_event get(uint64_t number)
{
    struct core_event event;
    cr_assert_eq(core_event_get(stage.core, number, &event), CORE_OK);
    return event;
}

/* --- what there is of each --- */

Test(event, is_a_row_of_the_record_of_its_cause)
{
    stage_know(&stage, "cus_a", "prod_a", 1, 20);
    expect_range(stage.core, 1, 0);
    stage_spend(&stage, "cus_a", "prod_a", 12);
    expect_range(stage.core, 1, 1);
    struct told told[EVENTS_MOST];
    cr_assert_eq(events_of(&stage, stage.count, told), 1);
    cr_expect_eq(told[0].record.header.sequence, stage.count);
    cr_expect_eq(told[0].record.header.type, RECORD_CONSUME);
    struct core_event event = get(1), expected = {.number = 1,
                                                  .sequence = stage.count,
                                                  .place = stage.records[stage.count - 1].place,
                                                  .epoch = 1,
                                                  .type = CORE_EVENT_CREDITS_LOW,
                                                  .created = stage.now,
                                                  .value = 10,
                                                  .customer = stage_text("cus_a"),
                                                  .product = stage_text("prod_a")};
    expect_same(&event, &expected);
    expect_same(&told[0].event, &expected);
    cr_expect_eq(stage.event_count, 1);
}

Test(event, several_of_one_record_have_a_number_each)
{
    struct core_policy policy = stage_policy();
    policy.thresholds[1] = 5;
    policy.threshold_count = 2;
    core_set_policy(stage.core, &policy, stage.now);
    stage_know(&stage, "cus_a", "prod_a", 1, 20);
    stage_spend(&stage, "cus_a", "prod_a", 20);
    expect_range(stage.core, 1, 3);
    cr_expect_eq(get(1).value, 10);
    cr_expect_eq(get(2).value, 5);
    cr_expect_eq(get(2).type, CORE_EVENT_CREDITS_LOW);
    cr_expect_eq(get(3).type, CORE_EVENT_CREDITS_EXHAUSTED);
    cr_expect_eq(get(3).value, 0);
    cr_expect_eq(get(1).sequence, get(3).sequence);
    cr_expect_eq(stage.event_count, 3); /* each is told */
}

Test(event, of_a_parked_product_names_no_customer)
{
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    stage_spend(&stage, "cus_a", "prod_a", 5);
    struct exchange push = stage_await(&stage, EXCHANGE_PUSH, 10000);
    stage_end_push(&stage, &push, 50, 50); /* not the five that were sent */
    struct core_event event = get(1);
    cr_expect_eq(event.type, CORE_EVENT_PUSH_PARKED);
    cr_expect_eq(event.customer.length, 0);
    cr_expect(same_text(event.product, stage_text("prod_a")));
    cr_expect_eq(stage_records_of(&stage, RECORD_PRODUCT), 2);
}

Test(event, of_a_parked_push_comes_and_goes)
{
    uint64_t sequence;
    stage_know(&stage, "cus_a", "prod_a", 1, 100);
    stage_spend(&stage, "cus_a", "prod_a", 5);
    struct exchange push = stage_push(&stage, EXCHANGE_REFUSED);
    cr_expect_eq(get(1).type, CORE_EVENT_PUSH_PARKED);
    cr_expect(same_text(get(1).customer, stage_text("cus_a")));
    cr_assert_eq(
        core_push_retry(stage.core, stage_text(push.push_id), STAGE_UID, stage.now, &sequence),
        CORE_OK);
    cr_expect_eq(get(2).type, CORE_EVENT_PUSH_RESUMED);
    cr_expect_eq(get(2).sequence, sequence);
}

Test(event, that_could_not_be_appended_has_not_come_about)
{
    struct core_consumed consumed;
    stage_know(&stage, "cus_a", "prod_a", 1, 20);
    stage.append_error = -ENOSPC;
    cr_expect_eq(stage_consume(&stage, "cus_a", "prod_a", 20, &consumed), -ENOSPC);
    expect_range(stage.core, 1, 0);
    stage.append_error = 0;
    stage_spend(&stage, "cus_a", "prod_a", 20);
    expect_range(stage.core, 1, 2);
    cr_expect_eq(get(2).type, CORE_EVENT_CREDITS_EXHAUSTED);
    cr_expect_eq(stage.event_count, 2);
}

/* --- links --- */

static void link_set(const char *user_id, const char *customer)
{
    uint64_t sequence;
    cr_assert_eq(core_link_set(stage.core, stage_text(user_id), stage_text(customer), 0, stage.now,
                               &sequence),
                 CORE_OK);
}

Test(event, of_a_link_comes_when_it_is_new)
{
    uint64_t sequence;
    link_set("user_1", "cus_a");
    cr_expect_eq(get(1).type, CORE_EVENT_CUSTOMER_LINKED);
    cr_expect(same_text(get(1).customer, stage_text("cus_a")));
    cr_expect_eq(get(1).product.length, 0);
    link_set("user_1", "cus_a");
    expect_range(stage.core, 1, 1);
    link_set("user_1", "cus_b");
    expect_range(stage.core, 1, 2);
    cr_expect(same_text(get(2).customer, stage_text("cus_b")));
    cr_assert_eq(core_link_remove(stage.core, stage_text("user_1"), 0, stage.now, &sequence),
                 CORE_OK);
    expect_range(stage.core, 1, 3);
    cr_expect_eq(get(3).type, CORE_EVENT_CUSTOMER_UNLINKED);
    cr_expect(same_text(get(3).customer, stage_text("cus_b")));
    cr_expect(stage.events & CORE_EVENT_BIT(CUSTOMER_UNLINKED));
    cr_assert_eq(core_link_remove(stage.core, stage_text("user_1"), 0, stage.now, &sequence),
                 CORE_NOT_FOUND);
    link_set("user_1", "cus_b");
    expect_range(stage.core, 1, 4);
    stage.full = true;
    cr_expect_eq(core_link_remove(stage.core, stage_text("user_1"), 0, stage.now, &sequence),
                 -ENOSPC);
    stage.full = false;
    expect_range(stage.core, 1, 4);
}

static const struct core_user user = {.user_id = {"user_1", 6},
                                      .email = {"ann@example.org", 15},
                                      .name = {"Ann", 3},
                                      .image = {"", 0},
                                      .claimed_customer = {"", 0},
                                      .email_verified = true};

static void ask_for_customer(void)
{
    struct core_link link;
    cr_assert_eq(core_link_get(stage.core, &user, true, STAGE_UID, stage.now, &link), CORE_COLD);
}

static void make_customer(void)
{
    ask_for_customer();
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    exchange = stage_next(&stage, EXCHANGE_CREATE);
    struct stage_object made = {"cus_new", user.email.data, exchange.push_id};
    stage_end_objects(&stage, &exchange, &made, 1, NULL);
}

Test(event, of_a_customer_that_we_have_created_comes_with_its_link)
{
    make_customer();
    expect_range(stage.core, 1, 2);
    cr_expect_eq(get(1).type, CORE_EVENT_CUSTOMER_CREATED);
    cr_expect_eq(get(2).type, CORE_EVENT_CUSTOMER_LINKED);
    cr_expect_eq(get(1).sequence, get(2).sequence);
    cr_expect_eq(get(1).data_length, 0); /* the record has the object as an image */
    cr_expect(same_text(get(1).customer, stage_text("cus_new")));
}

Test(event, of_a_customer_that_was_there_is_only_its_link)
{
    ask_for_customer();
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    struct stage_object there = {"cus_old", user.email.data, NULL};
    stage_end_objects(&stage, &exchange, &there, 1, NULL);
    expect_range(stage.core, 1, 1);
    cr_expect_eq(get(1).type, CORE_EVENT_CUSTOMER_LINKED);
}

Test(event, of_a_customer_whose_webhook_was_quicker_is_not_told_twice)
{
    struct core_event_data created = {.type = CORE_EVENT_CUSTOMER_CREATED,
                                      .customer = stage_text("cus_new"),
                                      .product = stage_text(""),
                                      .data = "{}",
                                      .length = 2};
    struct core_object_change change = {.table = TABLE_CUSTOMER,
                                        .key = stage_text("cus_new"),
                                        .body = "newer",
                                        .length = 5,
                                        .events = &created,
                                        .event_count = 1,
                                        .webhook = stage_text("wh_1")};
    struct core_object object;
    uint64_t sequence;
    cr_assert_eq(core_object_change(stage.core, &change, stage.now, &sequence), CORE_OK);
    make_customer();
    expect_range(stage.core, 1, 2);
    cr_expect_eq(get(1).type, CORE_EVENT_CUSTOMER_CREATED);
    cr_expect_eq(get(2).type, CORE_EVENT_CUSTOMER_LINKED);
    cr_assert_eq(core_object_get(stage.core, TABLE_CUSTOMER, stage_text("cus_new"), &object),
                 CORE_OK);
    cr_expect_eq(object.body_length, 5); /* not back in time */
    cr_expect_eq(memcmp(object.body, "newer", 5), 0);
}

/* --- the kind of key --- */

Test(event, says_which_kind_of_key_there_was)
{
    cr_expect(!core_livemode(stage.core));
    cr_assert_eq(core_set_livemode(stage.core, false, stage.now), CORE_OK);
    cr_expect_eq(stage.count, 0);
    link_set("user_1", "cus_a");
    cr_assert_eq(core_set_livemode(stage.core, true, stage.now), CORE_OK);
    cr_assert_eq(core_set_livemode(stage.core, true, stage.now), CORE_OK);
    cr_expect_eq(stage_records_of(&stage, RECORD_SETTING), 1);
    link_set("user_2", "cus_b");
    stage_restart(&stage);
    cr_expect(core_livemode(stage.core));
    link_set("user_3", "cus_c");
    cr_expect(!get(1).livemode);
    cr_expect(get(2).livemode);
    cr_expect(get(3).livemode);
    cr_expect_eq(get(3).epoch, 2);
}

/* --- what is durable, what is stored --- */

static void make_events(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        link_set("user_1", i % 2 ? "cus_odd" : "cus_even");
}

Test(event, is_through_when_its_record_is)
{
    link_set("user_1", "cus_a"); /* record 1, event 1 */
    cr_assert_eq(core_set_livemode(stage.core, true, stage.now), CORE_OK);
    stage_know(&stage, "cus_a", "prod_a", 1, 20);
    stage_spend(&stage, "cus_a", "prod_a", 20); /* the last record, events 2 and 3 */
    cr_expect_eq(core_event_through(stage.core, 0), 0);
    for (uint64_t sequence = 1; sequence < stage.count; sequence++)
        cr_expect_eq(core_event_through(stage.core, sequence), 1);
    cr_expect_eq(core_event_through(stage.core, stage.count), 3);
    cr_expect_eq(core_event_through(stage.core, UINT64_MAX), 3);
}

Test(event, stays_in_memory_until_it_is_stored)
{
    struct core_event event;
    make_events(300);
    core_set_stored(stage.core, 100);
    expect_range(stage.core, 1, 300);
    cr_expect_eq(core_event_get(stage.core, 0, &event), CORE_NOT_FOUND);
    cr_expect_eq(core_event_get(stage.core, 1, &event), CORE_LOAD);
    cr_expect_eq(core_event_get(stage.core, 100, &event), CORE_LOAD);
    cr_expect_eq(get(101).sequence, 101);
    cr_expect_eq(get(300).sequence, 300);
    cr_expect_eq(core_event_get(stage.core, 301, &event), CORE_NOT_FOUND);
    cr_expect_eq(core_event_through(stage.core, 250), 250);
    cr_expect_eq(core_event_through(stage.core, 100), 100);
    core_set_stored(stage.core, 300);
    cr_expect_eq(core_event_get(stage.core, 300, &event), CORE_LOAD);
    cr_expect_eq(core_event_through(stage.core, 300), 300);
    make_events(1);
    cr_expect_eq(get(301).sequence, 301);
    cr_expect_eq(core_event_through(stage.core, 300), 300);
}

/* --- restarts --- */

/* Something of everything that raises events. */
static void live_a_little(void)
{
    struct core_event_data updated = {.type = CORE_EVENT_CUSTOMER_UPDATED,
                                      .customer = stage_text("cus_a"),
                                      .product = stage_text(""),
                                      .data = "{}",
                                      .length = 2};
    struct core_object_change change = {.table = TABLE_CUSTOMER,
                                        .key = stage_text("cus_a"),
                                        .body = "ann",
                                        .length = 3,
                                        .events = &updated,
                                        .event_count = 1,
                                        .webhook = stage_text("wh_1")};
    uint64_t sequence;
    stage_know(&stage, "cus_a", "prod_a", 1, 20);
    stage_spend(&stage, "cus_a", "prod_a", 3);
    stage_spend(&stage, "cus_a", "prod_a", 17);
    cr_assert_eq(core_set_livemode(stage.core, true, stage.now), CORE_OK);
    cr_assert_eq(core_object_change(stage.core, &change, stage.now, &sequence), CORE_OK);
    link_set("user_1", "cus_a");
    stage_push(&stage, EXCHANGE_REFUSED);
    stage_restart(&stage);
    link_set("user_2", "cus_b");
    link_set("user_2", "cus_c");
}

/* Another engine: the first `stored` records are in its store, the rest are replayed. `ahead`: of
 * the events an interrupted checkpoint has stored more. */
static struct core *start_from(size_t stored, size_t ahead, size_t records)
{
    struct core_options options = stage.options;
    struct core *core;
    uint64_t first = 0, last = 0;
    options.epoch++;
    cr_assert_eq(core_new(&options, &core), 0);
    for (size_t i = 0; i < ahead || i < stored; i++) {
        struct record record;
        struct record_image image;
        struct core_event event;
        cr_assert_eq(record_decode(stage.records[i].bytes, stage.records[i].size, &record), 0);
        for (size_t position = 0; record_next_image(&record, &position, &image);) {
            if (image.table != TABLE_EVENT) {
                if (i < stored)
                    cr_assert_eq(core_load_row(core, image.table, image.key, image.key_length,
                                               image.value, image.value_length),
                                 0);
                continue;
            }
            cr_assert_eq(core_event_decode(image.key, image.key_length, image.value,
                                           image.value_length, &event),
                         0);
            first = first ? first : event.number;
            last = event.number;
        }
    }
    cr_assert_eq(core_event_load(core, first ? first : 1, last), 0);
    for (size_t i = stored; i < records; i++) {
        struct record record;
        uint32_t missing;
        cr_assert_eq(record_decode(stage.records[i].bytes, stage.records[i].size, &record), 0);
        cr_assert_eq(core_replay(core, &record, stage.records[i].place, &missing), 0);
    }
    cr_assert_eq(core_start(core, stage.now), 0);
    return core;
}

static void check_start(const struct told *told, size_t stored, size_t ahead, size_t records)
{
    struct core *core = start_from(stored, ahead, records);
    const char *what = "";
    uint64_t last = 0;
    cr_expect_eq(core_check(core, &what), 0, "%zu, %zu: %s", stored, records, what);
    for (; told[last].record.header.sequence && told[last].record.header.sequence <= records;
         last++) {
        struct core_event event;
        int status = core_event_get(core, last + 1, &event);
        if (told[last].record.header.sequence <= stored) {
            cr_expect_eq(status, CORE_LOAD);
            continue;
        }
        cr_assert_eq(status, CORE_OK);
        expect_same(&event, &told[last].event);
    }
    expect_range(core, 1, last);
    for (size_t sequence = stored; sequence <= records; sequence++) {
        uint64_t through = 0;
        while (through < last && told[through].record.header.sequence <= sequence)
            through++;
        cr_expect_eq(core_event_through(core, sequence), through);
    }
    core_free(core);
}

Test(event, numbers_are_the_same_from_every_store_and_every_prefix)
{
    static struct told told[EVENTS_MOST + 1];
    live_a_little();
    size_t count = events_of(&stage, stage.count, told);
    cr_assert_gt(count, 6);
    for (size_t i = 0; i < count; i++)
        cr_expect_eq(told[i].event.number, i + 1);
    for (size_t stored = 0; stored <= stage.count; stored++)
        for (size_t records = stored; records <= stage.count; records++)
            for (size_t ahead = stored; ahead <= records; ahead++)
                check_start(told, stored, ahead, records);
}

Test(event, numbers_go_on_after_every_restart)
{
    for (unsigned i = 0; i < 5; i++) {
        make_events(2);
        stage_restart(&stage);
    }
    struct told told[EVENTS_MOST];
    cr_assert_eq(events_of(&stage, stage.count, told), 10);
    for (size_t i = 0; i < 10; i++) {
        struct core_event event = get(i + 1);
        expect_same(&event, &told[i].event);
        cr_expect_eq(event.epoch, 1 + i / 2);
    }
    stage_restart_with(&stage, 7); /* what was lost has never come about */
    expect_range(stage.core, 1, 7);
    make_events(2); /* the first is as it was */
    expect_range(stage.core, 1, 8);
    cr_expect_eq(get(8).epoch, 7);
}

static int replay(struct core *core, size_t index)
{
    struct record record;
    uint32_t missing;
    cr_assert_eq(record_decode(stage.records[index].bytes, stage.records[index].size, &record), 0);
    return core_replay(core, &record, stage.records[index].place, &missing);
}

Test(event, that_is_missing_in_between_is_damage)
{
    struct core *core;
    make_events(4);
    cr_assert_eq(core_new(&stage.options, &core), 0);
    cr_expect_eq(replay(core, 1), -EBADMSG); /* the store says that there is none */
    cr_expect_eq(core_event_load(core, 1, 1), 0);
    cr_expect_eq(replay(core, 1), 0);
    cr_expect_eq(replay(core, 3), -EBADMSG);
    core_free(core);
}

Test(event, records_may_be_replayed_again)
{
    struct core *core;
    make_events(3);
    cr_assert_eq(core_new(&stage.options, &core), 0);
    for (size_t i = 0; i < 6; i++)
        cr_expect_eq(replay(core, i % 3), 0);
    expect_range(core, 1, 3);
    cr_expect_eq(core_event_through(core, 2), 2);
    core_free(core);
}

/* --- forgetting --- */

Test(event, rows_are_forgotten_in_steps_and_the_last_stays)
{
    struct core_event event;
    make_events(450);
    cr_expect_eq(core_event_forget(stage.core, 450, stage.now), CORE_OK);
    expect_range(stage.core, 1, 450); /* not before the store has them */
    cr_expect_eq(stage.count, 450);
    core_set_stored(stage.core, 450);
    cr_expect_eq(core_event_forget(stage.core, 250, stage.now), CORE_LOAD);
    expect_range(stage.core, 201, 450);
    cr_expect_eq(core_event_get(stage.core, 200, &event), CORE_NOT_FOUND);
    cr_expect_eq(core_event_get(stage.core, 201, &event), CORE_LOAD);
    cr_expect_eq(core_event_forget(stage.core, 250, stage.now), CORE_OK);
    expect_range(stage.core, 251, 450);
    cr_expect_eq(core_event_forget(stage.core, 250, stage.now), CORE_OK);
    cr_expect_eq(stage_records_of(&stage, RECORD_FORGET), 2);
    cr_expect_eq(core_event_forget(stage.core, UINT64_MAX, stage.now), CORE_OK);
    expect_range(stage.core, 450, 450);
    cr_expect_eq(core_event_forget(stage.core, UINT64_MAX, stage.now), CORE_OK);
    cr_expect_eq(stage_records_of(&stage, RECORD_FORGET), 3);
    make_events(1);
    cr_expect_eq(get(451).number, 451);
    expect_range(stage.core, 450, 451);
}

Test(event, what_was_forgotten_stays_so_after_replay)
{
    make_events(10);
    core_set_stored(stage.core, 10);
    cr_expect_eq(core_event_forget(stage.core, 4, stage.now), CORE_OK);
    stage_restart(&stage);
    expect_range(stage.core, 5, 10);
    make_events(1);
    cr_expect_eq(get(11).number, 11);
}

Test(event, the_store_says_where_numbers_go_on)
{
    struct core_options options = stage.options;
    struct core *core;
    struct core_event event;
    uint64_t sequence;
    cr_assert_eq(core_new(&options, &core), 0);
    cr_expect_eq(core_event_load(core, 0, 5), -EBADMSG);
    cr_expect_eq(core_event_load(core, 90, 100), 0);
    cr_assert_eq(core_start(core, stage.now), 0);
    expect_range(core, 90, 100);
    cr_expect_eq(core_event_through(core, 0), 100);
    cr_expect_eq(core_event_get(core, 95, &event), CORE_LOAD);
    cr_assert_eq(
        core_link_set(core, stage_text("user_1"), stage_text("cus_a"), 0, stage.now, &sequence),
        CORE_OK);
    cr_expect_eq(core_event_get(core, 101, &event), CORE_OK);
    core_free(core);
}

/* --- rows --- */

Test(event, rows_that_are_none_are_refused)
{
    struct {
        struct event_image image;
        char text[8];
    } row = {.image = {.type = CORE_EVENT_CREDITS_LOW, .customer_length = 3, .product_length = 5},
             .text = "cusprod_"};
    uint8_t key[CORE_EVENT_KEY_SIZE], none[CORE_EVENT_KEY_SIZE] = {0};
    size_t length = sizeof(row.image) + 8;
    struct core_event event;
    core_event_key(0x0102030405060708, key);
    cr_expect_eq(key[0], 1);
    cr_expect_eq(key[7], 8);
    cr_assert_eq(core_event_decode(key, sizeof(key), &row, length, &event), 0);
    cr_expect_eq(event.number, 0x0102030405060708);
    cr_expect(same_text(event.product, stage_text("prod_")));
    cr_expect_eq(core_event_decode(key, 7, &row, length, &event), -EBADMSG);
    cr_expect_eq(core_event_decode(none, sizeof(none), &row, length, &event), -EBADMSG);
    cr_expect_eq(core_event_decode(key, sizeof(key), &row, length - 1, &event), -EBADMSG);
    cr_expect_eq(core_event_decode(key, sizeof(key), &row, sizeof(row.image) - 1, &event),
                 -EBADMSG);
    row.image.type = CORE_EVENT_COUNT_;
    cr_expect_eq(core_event_decode(key, sizeof(key), &row, length, &event), -EBADMSG);
    cr_expect_eq(core_load_row(stage.core, TABLE_EVENT, key, sizeof(key), &row, length), -EBADMSG);
}

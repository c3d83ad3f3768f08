/* Subscribers: their places, their quota, and that they survive. */
#include "stage.h"

#include <core/delivery.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)

static struct stage stage;

static void set_up(void)
{
    struct core_event_data events[9];
    uint64_t sequence;

    stage_init(&stage, NULL);
    for (int i = 0; i < 9; i++)
        events[i] = (struct core_event_data){.type = CORE_EVENT_CUSTOMER_CREATED,
                                             .customer = stage_text("cus_a")};
    struct core_object_change change = {.events = events, .event_count = 9};
    cr_assert_eq(core_object_change(stage.core, &change, stage.now, &sequence), 0);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(subscribers, .init = set_up, .fini = tear_down);

static int set(uint32_t uid, const char *name, uint64_t number)
{
    uint64_t sequence;
    int r = core_subscriber_set(stage.core, uid, stage_text(name), number, stage.now, &sequence);

    if (r == CORE_OK)
        cr_assert_leq(sequence, stage.count);
    return r;
}

static int drop(uint32_t uid, const char *name)
{
    uint64_t sequence;

    return core_subscriber_drop(stage.core, uid, stage_text(name), stage.now, &sequence);
}

static bool is_known(const char *name)
{
    struct core_subscriber subscriber;

    return core_subscriber_get(stage.core, 5, stage_text(name), &subscriber) == CORE_OK;
}

static uint64_t place(uint32_t uid, const char *name)
{
    struct core_subscriber subscriber;

    cr_assert_eq(core_subscriber_get(stage.core, uid, stage_text(name), &subscriber), CORE_OK);
    cr_assert_eq(subscriber.uid, uid);
    cr_assert_eq(subscriber.name.length, strlen(name));
    cr_assert_eq(memcmp(subscriber.name.data, name, strlen(name)), 0);
    return subscriber.number;
}

Test(subscribers, a_place_moves_forward_only)
{
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    size_t records = stage.count;
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    cr_assert_eq(set(5, "app", 2), CORE_OK);
    cr_assert_eq(stage.count, records, "nothing has changed");
    cr_assert_eq(place(5, "app"), 3);
    cr_assert_eq(set(5, "app", 9), CORE_OK);
    cr_assert_eq(set(5, "app", 10), CORE_NOT_FOUND, "no event has that number");
    cr_assert_eq(place(5, "app"), 9);
    cr_assert_eq(set(6, "app", 0), CORE_OK, "another uid's");
    cr_assert_eq(set(5, "ap", 1), CORE_OK, "another name");
    cr_assert_eq(place(5, "app"), 9);
    stage_restart(&stage);
    cr_assert_eq(place(5, "app"), 9);
    cr_assert_eq(place(6, "app"), 0);
    cr_assert_eq(place(5, "ap"), 1);
    struct core_subscriber subscriber;
    size_t count = 0;
    for (size_t position = 0; core_next_subscriber(stage.core, &position, &subscriber);)
        count++;
    cr_assert_eq(count, 3);
}

Test(subscribers, a_dropped_one_is_gone)
{
    struct core_subscriber subscriber;

    cr_assert_eq(set(5, "app", 3), CORE_OK);
    size_t before = stage.count;
    cr_assert_eq(drop(6, "app"), CORE_NOT_FOUND);
    cr_assert_eq(drop(5, "app"), CORE_OK);
    cr_assert_eq(core_subscriber_get(stage.core, 5, stage_text("app"), &subscriber),
                 CORE_NOT_FOUND);
    stage_restart(&stage);
    cr_assert_eq(core_subscriber_get(stage.core, 5, stage_text("app"), &subscriber),
                 CORE_NOT_FOUND);
    stage_restart_with(&stage, before);
    cr_assert_eq(place(5, "app"), 3);
}

Test(subscribers, a_uid_has_so_many)
{
    char name[16];

    for (unsigned i = 0; i < CORE_SUBSCRIBERS_MAX; i++) {
        snprintf(name, sizeof(name), "app%u", i);
        cr_assert_eq(set(5, name, 1), CORE_OK);
    }
    cr_assert_eq(set(5, "more", 1), CORE_QUOTA_KEYS);
    cr_assert_eq(set(5, "app7", 2), CORE_OK, "one that is there");
    cr_assert_eq(set(6, "more", 1), CORE_OK);
    cr_assert_eq(drop(5, "app3"), CORE_OK);
    cr_assert_eq(set(5, "more", 1), CORE_OK);
}

Test(subscribers, a_refused_record_changes_nothing)
{
    struct core_subscriber subscriber;

    cr_assert_eq(set(5, "app", 3), CORE_OK);
    stage.full = true;
    cr_assert_eq(set(5, "app", 4), -ENOSPC);
    cr_assert_eq(set(5, "new", 4), -ENOSPC);
    cr_assert_eq(place(5, "app"), 3);
    cr_assert_eq(core_subscriber_get(stage.core, 5, stage_text("new"), &subscriber),
                 CORE_NOT_FOUND);
    stage.full = false;
    char name[130];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    cr_assert_eq(set(5, name, 4), -EINVAL);
    cr_assert_eq(set(5, "", 4), -EINVAL);
}

Test(subscribers, what_they_need_is_kept_while_they_move)
{
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), UINT64_MAX);
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    cr_assert_eq(set(5, "other", 9), CORE_OK);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 4);
    stage_later(&stage, DAY);
    cr_assert_eq(set(5, "other", 9), CORE_OK, "a sign of life: it has all there is");
    stage_restart(&stage);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 4);
    stage_later(&stage, 1);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 10);
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    cr_assert_eq(set(5, "app", 0), CORE_OK);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 10, "it has not moved");
    cr_assert_eq(set(5, "app", 4), CORE_OK);
    cr_assert_eq(core_event_needed(stage.core, stage.now, DAY), 5, "it goes on");
}

/* Moving on makes room. */
Test(subscribers, a_full_disk_lets_them_move_but_none_come)
{
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    stage.append_error = -ENOSPC;
    cr_assert_eq(set(5, "new", 3), -ENOSPC);
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    cr_assert_eq(set(5, "app", 9), CORE_OK);
    cr_assert_eq(place(5, "app"), 9);
    stage_later(&stage, HOUR);
    cr_assert_eq(set(5, "app", 9), -ENOSPC, "a sign of life");
    cr_assert_eq(drop(5, "app"), CORE_OK);
}

static void tick_at(int64_t time)
{
    stage_later(&stage, time - stage.now);
}

Test(subscribers, who_does_not_move_is_forgotten)
{
    int64_t began = stage.now;
    struct core_policy policy = stage.options.policy;

    policy.retention = 5 * DAY;
    core_set_policy(stage.core, &policy, stage.now);
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    cr_assert_eq(set(5, "other", 3), CORE_OK);
    tick_at(began + 6 * DAY);
    cr_assert_eq(set(5, "other", 4), CORE_OK);
    tick_at(began + 10 * DAY);
    cr_assert(is_known("app"));
    cr_assert_eq(core_wakeup(stage.core), began + 10 * DAY + 1);
    stage.full = true;
    stage.now++;
    cr_assert_eq(core_tick(stage.core, stage.now), -ENOSPC);
    cr_assert(is_known("app"));
    stage.full = false;
    tick_at(stage.now + 1000);
    cr_assert_not(is_known("app"));
    cr_assert(is_known("other"));
    cr_assert_eq(core_wakeup(stage.core), began + 16 * DAY + 1);
    stage_restart(&stage);
    cr_assert_not(is_known("app"));
    cr_assert(is_known("other"));
}

/* However short the retention: who comes back is to be told of the gap. */
Test(subscribers, nobody_is_forgotten_within_a_day)
{
    int64_t began = stage.now;
    struct core_policy policy = stage.options.policy;

    policy.retention = 0;
    core_set_policy(stage.core, &policy, stage.now);
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    tick_at(began + DAY);
    cr_assert(is_known("app"));
    tick_at(began + DAY + 1);
    cr_assert_not(is_known("app"));
    policy.retention = -1;
    core_set_policy(stage.core, &policy, stage.now);
    cr_assert_eq(set(5, "app", 3), CORE_OK);
    tick_at(began + 100000 * DAY);
    cr_assert(is_known("app"), "what is kept for ever is kept for it, too");
}

Test(subscribers, bad_rows_are_refused)
{
    struct subscriber_image image = {.number = 7};
    uint8_t key[134] = {0, 0, 0, 5, 'a'};

    cr_assert_eq(core_load_row(stage.core, TABLE_SUBSCRIBER, key, 4, &image, sizeof(image)),
                 -EBADMSG);
    cr_assert_eq(core_load_row(stage.core, TABLE_SUBSCRIBER, key, 133, &image, sizeof(image)),
                 -EBADMSG);
    cr_assert_eq(core_load_row(stage.core, TABLE_SUBSCRIBER, key, 5, &image, sizeof(image) - 1),
                 -EBADMSG);
    cr_assert_eq(core_load_row(stage.core, TABLE_SUBSCRIBER, key, 5, &image, sizeof(image)), 0);
    cr_assert_eq(place(5, "a"), 7);
}

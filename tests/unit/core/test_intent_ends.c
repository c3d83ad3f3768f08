/*
 * How creates end that nobody can carry out: refused, given up, parked; and that they keep nobody
 * else from upstream (P6, P9).
 */
#include "stage.h"

#include <core/event.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DOUBT 120000
#define HOUR INT64_C(3600000)

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage, NULL);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(intent_end, .init = set_up, .fini = tear_down);

static int begin_of(const char *customer, struct core_intent *ret_intent)
{
    return core_intent_begin(stage.core, CORE_INTENT_SUBSCRIPTION, stage_text(customer),
                             stage_text(""), stage_text("p"), STAGE_UID, stage.now, ret_intent);
}

static struct core_intent begin(void)
{
    struct core_intent intent;
    cr_assert_eq(begin_of("cus_a", &intent), CORE_OK);
    return intent;
}

static struct core_intent now_of(const struct core_intent *intent)
{
    struct core_intent found = {.state = 0};
    (void)core_intent_get(stage.core, intent->sequence, &found);
    return found;
}

static void attempt(enum exchange_outcome outcome)
{
    struct exchange exchange = stage_await(&stage, EXCHANGE_CREATE, 4 * HOUR);
    stage_end(&stage, &exchange, outcome);
}

static void look_twice(void)
{
    for (int i = 0; i < 2; i++) {
        struct exchange exchange = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, 4 * HOUR);
        stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    }
}

Test(intent_end, P9_three_errors_of_upstreams_own_are_a_refusal)
{
    struct core_intent intent = begin();
    for (unsigned i = 0; i < CORE_INTENT_ERRORS_MAX; i++) {
        cr_expect_neq(now_of(&intent).state, CORE_INTENT_REFUSED);
        attempt(EXCHANGE_ERROR);
        cr_expect_eq(now_of(&intent).state, CORE_INTENT_DOUBT, "looked for first");
        if (i == 1)
            stage_restart(&stage); /* what it was answered with outlives it */
        look_twice();
    }
    cr_expect_eq(now_of(&intent).state, CORE_INTENT_REFUSED);
    cr_expect_eq(now_of(&intent).attempt, CORE_INTENT_ERRORS_MAX);
    stage_idle(&stage);
}

Test(intent_end, P9_what_got_no_answer_does_not_count)
{
    struct core_intent intent = begin();
    for (unsigned i = 0; i < CORE_INTENT_ERRORS_MAX + 1; i++) {
        attempt(i % 2 ? EXCHANGE_FAILED : EXCHANGE_UNANSWERED);
        look_twice();
    }
    cr_expect_neq(now_of(&intent).state, CORE_INTENT_REFUSED);
}

Test(intent_end, P9_a_refusal_of_a_resend_ends_it_where_nothing_is_found)
{
    struct core_intent intent = begin();
    attempt(EXCHANGE_UNANSWERED);
    look_twice();
    attempt(EXCHANGE_NOT_FOUND);
    cr_expect_eq(now_of(&intent).state, CORE_INTENT_DOUBT);
    look_twice();
    cr_expect_eq(now_of(&intent).state, CORE_INTENT_REFUSED);
    stage_restart(&stage);
    cr_expect_eq(now_of(&intent).state, CORE_INTENT_REFUSED);
}

Test(intent_end, P9_what_cannot_be_recorded_is_not_sent_again)
{
    struct core_intent intent = begin();
    attempt(EXCHANGE_UNANSWERED);
    look_twice();
    attempt(EXCHANGE_REFUSED);
    struct exchange exchange = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, HOUR);
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    exchange = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, HOUR);
    stage.full = true;
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    stage_later(&stage, 5000);
    stage_idle(&stage);
    stage.full = false;
    stage_later(&stage, 60000);
    stage_idle(&stage);
    cr_expect_eq(now_of(&intent).state, CORE_INTENT_REFUSED);
}

Test(intent_end, P9_made_and_not_found_is_parked_and_told)
{
    struct core_intent intent = begin();
    attempt(EXCHANGE_UNANSWERED);
    look_twice();
    struct exchange exchange = stage_await(&stage, EXCHANGE_CREATE, HOUR);
    const struct stage_object object = {"sub_1", NULL, NULL};
    stage_end_objects(&stage, &exchange, &object, 1, NULL);
    look_twice();
    cr_expect_eq(now_of(&intent).state, CORE_INTENT_PARKED);
    cr_expect(stage.events & CORE_EVENT_BIT(PUSH_PARKED));
    stage_later(&stage, 48 * HOUR);
    stage_idle(&stage);
    stage_restart(&stage);
    cr_expect_eq(now_of(&intent).state, CORE_INTENT_PARKED);
}

Test(intent_end, P9_a_refund_that_a_restart_parks_is_told_once)
{
    struct core_intent intent;
    cr_assert_eq(core_intent_begin(stage.core, CORE_INTENT_REFUND, stage_text("cus_a"),
                                   stage_text(""), stage_text("p"), STAGE_UID, stage.now, &intent),
                 CORE_OK);
    stage_next(&stage, EXCHANGE_CREATE);
    for (int i = 0; i < 2; i++) {
        uint64_t first, last;
        stage_restart(&stage);
        cr_expect_eq(now_of(&intent).state, CORE_INTENT_PARKED);
        stage_idle(&stage);
        core_event_range(stage.core, &first, &last);
        cr_expect_eq(last, 1);
    }
}

Test(intent_end, P9_a_subscription_is_not_tried_for_longer_than_a_day)
{
    struct core_intent intent = begin();
    int attempts = 0;
    while (now_of(&intent).state != CORE_INTENT_REFUSED && attempts < 100) {
        attempt(EXCHANGE_UNANSWERED);
        look_twice();
        attempts++;
    }
    cr_expect(attempts > 20 && attempts < 40, "%d attempts", attempts);
    cr_expect(stage.now - STAGE_NOW >= 24 * HOUR);
}

Test(intent_end, P8_an_operator_gives_one_in_doubt_up)
{
    struct core_intent intent = begin(), other = begin();
    struct exchange sent = stage_next(&stage, EXCHANGE_CREATE);
    cr_expect_eq(core_intent_settle(stage.core, intent.sequence, stage_text(""), 7, stage.now),
                 CORE_NOT_PARKED, "it is being sent");
    stage_end(&stage, &sent, EXCHANGE_ERROR);
    attempt(EXCHANGE_ERROR);
    struct exchange looks = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, HOUR);
    cr_expect_eq(core_intent_settle(stage.core, intent.sequence, stage_text("sub_1"), 7, stage.now),
                 CORE_NOT_PARKED);
    unsigned told = stage.intent_count;
    cr_expect_eq(core_intent_settle(stage.core, intent.sequence, stage_text(""), 7, stage.now),
                 CORE_OK);
    cr_expect_eq(stage.intent_count, told + 1);
    cr_expect_eq(now_of(&intent).state, 0);
    cr_expect_eq(core_intent_settle(stage.core, intent.sequence, stage_text(""), 7, stage.now),
                 CORE_NOT_FOUND);
    stage_end_objects(&stage, &looks, NULL, 0, NULL); /* its exchange ends as any other */
    cr_expect_eq(core_intent_settle(stage.core, other.sequence, stage_text(""), 7, stage.now),
                 CORE_OK);
    stage_later(&stage, HOUR);
    struct exchange exchange;
    while (core_next_exchange(stage.core, stage.now, &exchange) == 0)
        stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    stage_restart(&stage);
    cr_expect_eq(now_of(&intent).state, 0);
    stage_idle(&stage);
}

Test(intent_end, P8_a_signup_that_is_given_up_is_told_to_who_waits)
{
    struct core_user who = {.user_id = stage_text("user_ann"), .email = stage_text("ann@x.io")};
    struct core_link link;
    struct core_intent intent;
    size_t position = 0;
    cr_assert_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_COLD);
    attempt(EXCHANGE_UNANSWERED);
    cr_assert(core_next_intent(stage.core, &position, &intent));
    cr_expect_eq(core_intent_settle(stage.core, intent.sequence, stage_text(""), 7, stage.now),
                 CORE_OK);
    cr_expect_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_REFUSED);
}

Test(intent_end, P6_few_are_open_for_one_customer)
{
    struct core_intent intent;
    for (unsigned i = 0; i < CORE_INTENTS_OPEN_MAX; i++)
        cr_expect_eq(begin_of("cus_a", &intent), CORE_OK);
    size_t records = stage.count;
    cr_expect_eq(begin_of("cus_a", &intent), CORE_QUOTA_INTENTS);
    cr_expect_eq(stage.count, records);
    cr_expect_eq(begin_of("cus_b", &intent), CORE_OK);
    attempt(EXCHANGE_REFUSED);
    cr_expect_eq(begin_of("cus_a", &intent), CORE_OK, "one has ended");
}

/* As rows were before the time of their beginning was kept. */
Test(intent_end, rows_of_before_are_read)
{
    struct core_text owner, payload;
    struct core_intent intent;
    uint8_t row[416 + 6];
    const uint16_t lengths[2] = {5, 1};
    memset(row, 0, sizeof(row));
    memcpy(row + 76, lengths, sizeof(lengths));
    memcpy(row + 416, "cus_ap", 6);
    cr_assert_eq(core_intent_decode(row, sizeof(row), &intent, &owner, &payload), 0);
    cr_expect(owner.length == 5 && memcmp(owner.data, "cus_a", 5) == 0);
    cr_expect(payload.length == 1 && payload.data[0] == 'p');
    cr_expect_eq(intent.begun_at, 0);
    cr_expect_eq(core_intent_decode(row, sizeof(row) - 1, &intent, &owner, &payload), -EBADMSG);
    cr_expect_eq(core_intent_decode(row, 20, &intent, &owner, &payload), -EBADMSG);
}

/* --- everybody else --- */

Test(intent_end, P6_an_error_to_a_create_is_no_trouble)
{
    stage_know(&stage, "cus_1", "prod_a", 1, 100);
    begin();
    stage_spend(&stage, "cus_1", "prod_a", 5);
    attempt(EXCHANGE_ERROR);
    stage_later(&stage, 1000);
    struct exchange exchange = stage_next(&stage, EXCHANGE_PUSH);
    stage_end_push(&stage, &exchange, 5, 95);
}

Test(intent_end, P6_errors_to_all_balances_are_trouble)
{
    const char *const names[] = {"cus_1", "cus_2", "cus_3", "cus_4"};
    struct core_summary summary;
    for (int i = 0; i < 4; i++)
        stage_know(&stage, names[i], "prod_a", 1, 100);
    for (int i = 0; i < 4; i++)
        stage_spend(&stage, names[i], "prod_a", 5);
    stage_later(&stage, 1000);
    for (int i = 0; i < 3; i++) {
        core_get_summary(stage.core, &summary);
        cr_expect(summary.reachable, "%d", i);
        struct exchange exchange = stage_next(&stage, EXCHANGE_PUSH);
        stage_end(&stage, &exchange, EXCHANGE_ERROR);
    }
    core_get_summary(stage.core, &summary);
    cr_expect_not(summary.reachable);
    stage_idle(&stage);
    struct exchange probe = stage_await(&stage, EXCHANGE_BALANCE, 2000);
    stage_end(&stage, &probe, EXCHANGE_ERROR);
    stage_idle(&stage); /* with a delay */
    probe = stage_await(&stage, EXCHANGE_BALANCE, 3000);
    stage_end_balance(&stage, &probe, 95, 5);
    stage_next(&stage, EXCHANGE_PUSH);
}

static struct exchange_answer empty_page(void)
{
    return stage_answer(&stage, EXCHANGE_OK);
}

/* Sixty of them at twenty requests a minute, answers coming late, so that all that may be under way
 * is: each class has its tenth all the same. */
Test(intent_end, P6_doubts_leave_the_others_a_tenth)
{
    struct core_policy policy = stage_policy();
    struct exchange under_way[16];
    size_t count = 0;
    unsigned total = 0, pushes = 0, refreshes = 0;
    char name[32];
    policy.requests_per_minute = 20;
    policy.push_interval = 1000;
    stage_know(&stage, "cus_1", "prod_a", 1, 1000000);
    stage_know(&stage, "cus_2", "prod_a", 1, 1000000);
    for (int i = 0; i < 60; i++) {
        struct core_intent intent;
        snprintf(name, sizeof(name), "cus_%d", 100 + i);
        cr_assert_eq(begin_of(name, &intent), CORE_OK);
        attempt(EXCHANGE_ERROR);
    }
    core_set_policy(stage.core, &policy, stage.now);
    stage_later(&stage, DOUBT);
    for (int minute = 0; minute < 30; minute++) {
        stage_spend(&stage, "cus_1", "prod_a", 1);
        stage_later(&stage, 30000);
        for (int round = 0; round < 2; round++) {
            count = 0;
            core_refresh(stage.core, stage_text("cus_2"), stage_text(""), stage.now);
            while (count < 16 &&
                   core_next_exchange(stage.core, stage.now, &under_way[count]) == 0) {
                pushes += under_way[count].kind == EXCHANGE_PUSH;
                refreshes += under_way[count].kind == EXCHANGE_BALANCE;
                count++;
            }
            total += (unsigned)count;
            stage_later(&stage, 1000);
            for (size_t i = 0; i < count; i++) {
                if (under_way[i].kind == EXCHANGE_PUSH) {
                    stage_end_push(&stage, &under_way[i], under_way[i].amount, 1000000);
                } else if (under_way[i].kind == EXCHANGE_BALANCE) {
                    stage_end_balance(&stage, &under_way[i], 1000000, 0);
                } else if (under_way[i].kind == EXCHANGE_CREATE) {
                    stage_end(&stage, &under_way[i], EXCHANGE_ERROR);
                } else {
                    struct exchange_answer answer = empty_page();
                    cr_assert_eq(
                        core_exchange_done(stage.core, under_way[i].id, &answer, stage.now), 0);
                }
            }
        }
        stage_later(&stage, 28000);
    }
    cr_expect(total > 300, "%u", total);
    cr_expect(pushes >= 25, "%u pushes of %u", pushes, total);
    cr_expect(refreshes >= 25, "%u refreshes of %u", refreshes, total);
}

/* All that may be under way is creates and lookups when a push's turn comes: it has waited all the
 * same. */
Test(intent_end, P6_who_finds_all_places_taken_has_waited)
{
    struct core_policy policy = stage_policy();
    struct exchange under_way[16];
    unsigned pushes = 0, customers = 0;
    char name[32];
    policy.requests_per_minute = 16;
    stage_know(&stage, "cus_1", "prod_a", 1, 1000000);
    for (int i = 0; i < 12; i++) {
        struct core_intent intent;
        snprintf(name, sizeof(name), "cus_doubt%d", i);
        cr_assert_eq(begin_of(name, &intent), CORE_OK);
        attempt(EXCHANGE_ERROR);
    }
    core_set_policy(stage.core, &policy, stage.now);
    stage_later(&stage, DOUBT);
    for (int minute = 0; minute < 20; minute++) {
        size_t count = 0;
        for (int i = 0; i < 16; i++) {
            struct core_intent intent;
            snprintf(name, sizeof(name), "cus_%u", 100 + customers++);
            cr_assert_eq(begin_of(name, &intent), CORE_OK);
        }
        stage_spend(&stage, "cus_1", "prod_a", 1);
        stage_later(&stage, 61000);
        while (count < 16 && core_next_exchange(stage.core, stage.now, &under_way[count]) == 0)
            count++;
        for (size_t i = 0; i < count; i++) {
            pushes += under_way[i].kind == EXCHANGE_PUSH;
            snprintf(name, sizeof(name), "sub_%d_%zu", minute, i);
            if (under_way[i].kind == EXCHANGE_PUSH)
                stage_end_push(&stage, &under_way[i], under_way[i].amount, 1000000);
            else if (under_way[i].kind == EXCHANGE_CREATE)
                stage_end(&stage, &under_way[i], EXCHANGE_REFUSED);
            else if (under_way[i].kind == EXCHANGE_SUBSCRIPTIONS)
                stage_end_objects(&stage, &under_way[i], NULL, 0, name);
            else
                stage_end_balance(&stage, &under_way[i], 1000000, 0);
        }
    }
    cr_expect(pushes >= 10, "%u pushes", pushes);
}

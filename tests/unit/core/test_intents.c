/*
 * Creates (P9): durable before they leave, looked up before they are sent again, refunds of
 * payments never sent twice.
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

TestSuite(intent, .init = set_up, .fini = tear_down);

static int begin_with(enum core_intent_kind kind, const char *key, const char *payload,
                      struct core_intent *ret_intent)
{
    return core_intent_begin(stage.core, kind, stage_text("cus_a"), stage_text(key),
                             stage_text(payload), STAGE_UID, stage.now, ret_intent);
}

static struct core_intent begin(enum core_intent_kind kind)
{
    struct core_intent intent;
    cr_assert_eq(begin_with(kind, "", "what is wanted", &intent), CORE_OK);
    return intent;
}

static unsigned state_of(const struct core_intent *intent)
{
    struct core_intent found;
    return core_intent_get(stage.core, intent->sequence, &found) ? found.state : 0;
}

static struct exchange sent(enum exchange_outcome outcome)
{
    struct exchange exchange = stage_await(&stage, EXCHANGE_CREATE, 10 * 60000);
    stage_end(&stage, &exchange, outcome);
    return exchange;
}

static void look(const struct stage_object *objects, size_t count, const char *cursor)
{
    struct exchange exchange = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, 2 * DOUBT);
    stage_end_objects(&stage, &exchange, objects, count, cursor);
}

/* --- one attempt --- */

Test(intent, P9_is_recorded_before_it_leaves)
{
    struct core_intent intent = begin(CORE_INTENT_SUBSCRIPTION);
    cr_expect_eq(intent.state, CORE_INTENT_SENDING);
    cr_expect_eq(intent.sequence, stage.count);
    cr_expect_geq(intent.reveals, intent.sequence);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CREATE);
    cr_expect_eq(exchange.after_sequence, intent.sequence);
    cr_expect_eq(exchange.intent_kind, CORE_INTENT_SUBSCRIPTION);
    cr_expect_eq(exchange.payload_length, 14);
    cr_expect(memcmp(exchange.payload, "what is wanted", 14) == 0);
    cr_expect(memcmp(exchange.customer, "cus_a", 5) == 0);
    char id[EXCHANGE_PUSH_ID_SIZE];
    core_intent_id(stage.core, intent.epoch, intent.sequence, id);
    cr_expect_str_eq(exchange.push_id, id);
    cr_expect(strncmp(exchange.idempotency_key, id, strlen(id)) == 0);
    struct stage_object object = {"sub_1", NULL, id};
    stage_end_objects(&stage, &exchange, &object, 1, NULL);
    struct core_intent found;
    cr_assert(core_intent_get(stage.core, intent.sequence, &found));
    cr_expect_eq(found.state, CORE_INTENT_DONE);
    cr_expect_str_eq(found.object_id, "sub_1");
    cr_expect_eq(found.reveals, stage.count);
    cr_expect_eq(stage.intent_count, 1);
    stage_restart(&stage);
    cr_expect_eq(state_of(&intent), CORE_INTENT_DONE);
    stage_idle(&stage);
}

Test(intent, outcomes_of_a_first_attempt)
{
    const struct {
        enum exchange_outcome outcome;
        unsigned subscription, refund;
    } cases[] = {
        {EXCHANGE_REFUSED, CORE_INTENT_REFUSED, CORE_INTENT_REFUSED},
        {EXCHANGE_NOT_FOUND, CORE_INTENT_REFUSED, CORE_INTENT_REFUSED},
        {EXCHANGE_FORBIDDEN, CORE_INTENT_REFUSED, CORE_INTENT_REFUSED},
        {EXCHANGE_UNAUTHORIZED, CORE_INTENT_SENDING, CORE_INTENT_SENDING},
        {EXCHANGE_RATE_LIMITED, CORE_INTENT_SENDING, CORE_INTENT_SENDING},
        {EXCHANGE_NOT_SENT, CORE_INTENT_SENDING, CORE_INTENT_SENDING},
        {EXCHANGE_NO_ENDPOINT, CORE_INTENT_DOUBT, CORE_INTENT_PARKED},
        {EXCHANGE_FAILED, CORE_INTENT_DOUBT, CORE_INTENT_PARKED},
        {EXCHANGE_UNANSWERED, CORE_INTENT_DOUBT, CORE_INTENT_PARKED},
        {EXCHANGE_OK, CORE_INTENT_DOUBT, CORE_INTENT_PARKED}, /* without the object */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int refund = 0; refund < 2; refund++) {
            struct core_intent intent =
                begin(refund ? CORE_INTENT_REFUND : CORE_INTENT_SUBSCRIPTION);
            sent(cases[i].outcome);
            cr_expect_eq(state_of(&intent), refund ? cases[i].refund : cases[i].subscription,
                         "outcome %d, refund %d: %u", (int)cases[i].outcome, refund,
                         state_of(&intent));
            tear_down();
            set_up();
        }
}

Test(intent, what_was_not_sent_is_sent_under_the_same_key)
{
    begin(CORE_INTENT_SUBSCRIPTION);
    struct exchange first = sent(EXCHANGE_RATE_LIMITED);
    struct exchange again = stage_await(&stage, EXCHANGE_CREATE, 10 * 60000);
    cr_expect_str_eq(again.push_id, first.push_id);
    cr_expect_str_eq(again.idempotency_key, first.idempotency_key);
}

Test(intent, P7_writes_alone_get_through_after_trouble)
{
    const enum exchange_outcome troubles[] = {EXCHANGE_NOT_SENT, EXCHANGE_UNAUTHORIZED};
    for (size_t i = 0; i < 2; i++) {
        struct core_intent intent = begin(CORE_INTENT_REFUND);
        sent(troubles[i]);
        struct exchange exchange;
        for (int turn = 0; turn < 20 && state_of(&intent) == CORE_INTENT_SENDING; turn++) {
            while (core_next_exchange(stage.core, stage.now, &exchange) == -EAGAIN)
                stage_wake(&stage, 2 * HOUR);
            struct stage_object object = {"ref_1", NULL, exchange.push_id};
            stage_end_objects(&stage, &exchange, &object, 1, NULL);
        }
        cr_expect_eq(state_of(&intent), CORE_INTENT_DONE, "trouble %d", (int)troubles[i]);
        tear_down();
        set_up();
    }
}

Test(intent, P6_a_429_is_learned_from_a_create)
{
    stage.retry_after = 40000;
    begin(CORE_INTENT_SUBSCRIPTION);
    sent(EXCHANGE_RATE_LIMITED);
    begin(CORE_INTENT_REFUND);
    stage_later(&stage, 39000);
    stage_idle(&stage);
    stage_await(&stage, EXCHANGE_CREATE, 5000);
}

/* --- in doubt --- */

Test(intent, P9_a_lost_create_is_found_by_its_id)
{
    struct core_intent intent = begin(CORE_INTENT_SUBSCRIPTION);
    struct exchange exchange = sent(EXCHANGE_UNANSWERED);
    stage_later(&stage, DOUBT - 1);
    stage_idle(&stage); /* not before in_doubt_delay */
    const struct stage_object page[] = {{"sub_9", NULL, NULL},
                                        {"sub_8", NULL, "int_0000abcd_1_999"},
                                        {"sub_1", NULL, exchange.push_id}};
    look(page, 3, NULL);
    struct core_intent found;
    cr_assert(core_intent_get(stage.core, intent.sequence, &found));
    cr_expect_eq(found.state, CORE_INTENT_DONE);
    cr_expect_str_eq(found.object_id, "sub_1");
    cr_expect_eq(stage.intent_count, 1);
}

/* What a webhook says of it: the refund, the row of its payment, and that it was said. */
static int tell(const struct core_intent *intent, const char *object_id, const char *refused)
{
    const struct core_event_data event = {.type = CORE_EVENT_REFUND_SUCCEEDED,
                                          .customer = stage_text("cus_a"),
                                          .product = stage_text("")};
    const struct core_object_change change = {
        .table = TABLE_REFUND,
        .key = stage_text("ref_1"),
        .body = "{refund}",
        .length = 8,
        .events = &event,
        .event_count = 1,
        .webhook = stage_text("wh_1"),
        .ends = {intent->sequence, stage_text(object_id), refused},
        .beside = stage_text("payment/pay_1"),
        .beside_body = "{payment}",
        .beside_length = 9,
    };
    uint64_t sequence = 0;
    return core_object_change(stage.core, &change, stage.now, &sequence);
}

static bool is_stored(const char *key)
{
    struct core_object object;
    return core_object_get(stage.core, TABLE_REFUND, stage_text(key), &object) == CORE_OK;
}

static void expect_told(const struct core_intent *intent, bool told, enum core_intent_state state)
{
    uint64_t sequence, first, last;
    core_event_range(stage.core, &first, &last);
    cr_expect_eq(core_webhook_seen(stage.core, stage_text("wh_1"), &sequence) == CORE_OK, told);
    cr_expect_eq(is_stored("ref_1"), told);
    cr_expect_eq(is_stored("payment/pay_1"), told);
    cr_expect_eq(last, told ? 2 : 1, "that it is parked is told before");
    cr_expect_eq(state_of(intent), state);
}

/* Whatever is durable at a crash: what is left undone is taken when it is said again. */
Test(intent, P9_a_webhook_settles_a_parked_refund_in_its_own_record)
{
    struct core_intent intent = begin(CORE_INTENT_REFUND), found;
    sent(EXCHANGE_UNANSWERED);
    size_t before = stage.count;
    unsigned told = stage.intent_count;
    cr_assert_eq(tell(&intent, "ref_1", NULL), CORE_OK);
    cr_expect_eq(stage.count, before + 1);
    cr_expect_eq(stage.intent_count, told + 1);
    expect_told(&intent, true, CORE_INTENT_DONE);
    stage_restart_with(&stage, before);
    expect_told(&intent, false, CORE_INTENT_PARKED);
    cr_assert_eq(tell(&intent, "ref_1", NULL), CORE_OK);
    stage_restart(&stage);
    expect_told(&intent, true, CORE_INTENT_DONE);
    cr_assert(core_intent_get(stage.core, intent.sequence, &found));
    cr_expect_str_eq(found.object_id, "ref_1");
    cr_expect_eq(core_intent_payload(stage.core, intent.sequence).length, 14);
}

Test(intent, an_end_that_a_webhook_told_is_forgotten_like_any_other)
{
    struct core_intent intent = begin(CORE_INTENT_REFUND);
    sent(EXCHANGE_UNANSWERED);
    cr_assert_eq(tell(&intent, "ref_1", NULL), CORE_OK);
    stage_later(&stage, 24 * HOUR - 1);
    stage_idle(&stage);
    cr_expect_eq(state_of(&intent), CORE_INTENT_DONE);
    stage_later(&stage, 1);
    stage_idle(&stage);
    cr_expect_eq(state_of(&intent), 0);
}

Test(intent, P9_a_parked_refund_that_failed_ends_as_refused)
{
    struct core_intent intent = begin(CORE_INTENT_REFUND), unknown = {.sequence = 999}, found;
    cr_expect_eq(tell(&intent, "", "failed"), CORE_NOT_PARKED);
    sent(EXCHANGE_UNANSWERED);
    cr_assert_eq(state_of(&intent), CORE_INTENT_PARKED);
    stage.full = true;
    cr_expect_eq(tell(&intent, "", "failed"), -ENOSPC);
    stage.full = false;
    cr_expect_eq(tell(&intent, "", NULL), -EINVAL);
    cr_expect_eq(tell(&unknown, "ref_1", NULL), CORE_NOT_FOUND);
    expect_told(&intent, false, CORE_INTENT_PARKED);
    cr_assert_eq(tell(&intent, "", "failed"), CORE_OK);
    stage_restart(&stage);
    expect_told(&intent, true, CORE_INTENT_REFUSED);
    cr_assert(core_intent_get(stage.core, intent.sequence, &found));
    cr_expect_str_eq(found.message, "failed");
}

Test(intent, P9_is_looked_for_through_all_pages)
{
    struct core_intent intent = begin(CORE_INTENT_SUBSCRIPTION);
    struct exchange create = sent(EXCHANGE_FAILED);
    const struct stage_object other = {"sub_9", NULL, NULL}, mine = {"sub_1", NULL, create.push_id};
    look(&other, 1, "sub_9");
    struct exchange exchange = stage_next(&stage, EXCHANGE_SUBSCRIPTIONS);
    cr_expect_str_eq(exchange.cursor, "sub_9");
    stage_end(&stage, &exchange, EXCHANGE_RATE_LIMITED);
    exchange = stage_await(&stage, EXCHANGE_SUBSCRIPTIONS, DOUBT);
    cr_expect_str_eq(exchange.cursor, "sub_9", "a 429 does not begin anew");
    stage_end_objects(&stage, &exchange, &mine, 1, NULL);
    cr_expect_eq(state_of(&intent), CORE_INTENT_DONE);
}

Test(intent, P9_sent_again_after_two_looks_a_while_apart)
{
    struct core_intent intent = begin(CORE_INTENT_SUBSCRIPTION);
    struct exchange first = sent(EXCHANGE_UNANSWERED);
    look(NULL, 0, NULL);
    cr_expect_eq(state_of(&intent), CORE_INTENT_DOUBT);
    stage_later(&stage, DOUBT / 4 - 1);
    stage_idle(&stage);
    look(NULL, 0, NULL);
    struct exchange again = stage_await(&stage, EXCHANGE_CREATE, 1000);
    cr_expect_str_eq(again.push_id, first.push_id);
    cr_expect_str_neq(again.idempotency_key, first.idempotency_key);
    cr_expect_eq(again.after_sequence, stage.count, "the attempt is durable first");
    cr_expect_eq(state_of(&intent), CORE_INTENT_SENDING);
}

Test(intent, P9_no_answer_to_a_resend_proves_anything)
{
    const enum exchange_outcome outcomes[] = {EXCHANGE_OK, EXCHANGE_REFUSED, EXCHANGE_NOT_SENT,
                                              EXCHANGE_RATE_LIMITED, EXCHANGE_UNANSWERED};
    for (size_t i = 0; i < 5; i++) {
        struct core_intent intent = begin(CORE_INTENT_SUBSCRIPTION);
        sent(EXCHANGE_UNANSWERED);
        look(NULL, 0, NULL);
        look(NULL, 0, NULL);
        struct exchange again = stage_await(&stage, EXCHANGE_CREATE, 1000);
        struct stage_object object = {"sub_replayed", NULL, again.push_id};
        if (outcomes[i] == EXCHANGE_OK)
            stage_end_objects(&stage, &again, &object, 1, NULL);
        else
            stage_end(&stage, &again, outcomes[i]);
        cr_expect_eq(state_of(&intent), CORE_INTENT_DOUBT, "outcome %d", (int)outcomes[i]);
        tear_down();
        set_up();
    }
}

Test(intent, P9_a_restart_makes_it_doubtful)
{
    struct core_intent intent = begin(CORE_INTENT_SUBSCRIPTION);
    stage_next(&stage, EXCHANGE_CREATE);
    stage_restart(&stage);
    cr_expect_eq(state_of(&intent), CORE_INTENT_DOUBT);
    stage_later(&stage, DOUBT - 1);
    stage_idle(&stage);
    look(NULL, 0, NULL);
}

Test(intent, P9_a_lost_customer_is_found_by_its_email)
{
    struct core_user who = {.user_id = stage_text("user_ann"), .email = stage_text("ann@x.io")};
    struct core_link link;
    cr_assert_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_COLD);
    struct exchange create = sent(EXCHANGE_UNANSWERED);
    stage_restart(&stage);
    struct exchange exchange = stage_await(&stage, EXCHANGE_CUSTOMERS, 2 * DOUBT);
    cr_expect_eq(exchange.email_length, 8);
    const struct stage_object page[] = {{"cus_other", "ann@x.io", NULL},
                                        {"cus_mine", "ann@x.io", create.push_id}};
    stage_end_objects(&stage, &exchange, page, 2, NULL);
    cr_assert_eq(core_link_get(stage.core, &who, false, STAGE_UID, stage.now, &link), CORE_OK);
    cr_expect(memcmp(link.customer.data, "cus_mine", 8) == 0);
}

Test(intent, P9_a_search_meets_the_create_of_before_the_crash)
{
    struct core_user who = {
        .user_id = stage_text("user_ann"), .email = stage_text("ann@x.io"), .email_verified = true};
    struct core_link link;
    cr_assert_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    stage_next(&stage, EXCHANGE_CREATE);
    stage_restart(&stage);
    cr_assert_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_COLD);
    exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    stage_idle(&stage); /* no second create: the first is in doubt */
    exchange = stage_await(&stage, EXCHANGE_CUSTOMERS, 2 * DOUBT);
    const struct stage_object page[] = {{"cus_mine", "ann@x.io", "int_0000abcd_1_1"}};
    stage_end_objects(&stage, &exchange, page, 1, NULL);
    cr_expect_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_OK);
}

Test(intent, P9_exchanges_of_both_at_once_end_well)
{
    struct core_user who = {
        .user_id = stage_text("user_ann"), .email = stage_text("ann@x.io"), .email_verified = true};
    struct core_link link;
    cr_assert_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    stage_next(&stage, EXCHANGE_CREATE);
    stage_restart(&stage);
    struct exchange lookup = stage_await(&stage, EXCHANGE_CUSTOMERS, 2 * DOUBT);
    cr_assert_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_COLD);
    struct exchange search = stage_next(&stage, EXCHANGE_CUSTOMERS);
    const struct stage_object page[] = {{"cus_mine", "ann@x.io", "int_0000abcd_1_1"}};
    stage_end_objects(&stage, &lookup, page, 1, NULL);
    cr_expect_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_OK);
    stage_end_objects(&stage, &search, page, 1, NULL);
    cr_expect_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_OK);
    stage_idle(&stage);
}

/* --- refunds of payments --- */

Test(intent, P9_a_refund_in_doubt_is_parked_and_never_sent_again)
{
    struct core_intent intent = begin(CORE_INTENT_REFUND);
    sent(EXCHANGE_UNANSWERED);
    cr_expect_eq(state_of(&intent), CORE_INTENT_PARKED);
    cr_expect_eq(stage.intent_count, 1);
    stage_later(&stage, 10 * HOUR);
    stage_idle(&stage);
    stage_restart(&stage);
    cr_expect_eq(state_of(&intent), CORE_INTENT_PARKED);
    stage_later(&stage, 100 * HOUR);
    stage_idle(&stage);
    cr_expect_eq(state_of(&intent), CORE_INTENT_PARKED);
}

Test(intent, P9_a_refund_under_way_at_a_crash_is_parked)
{
    struct core_intent intent = begin(CORE_INTENT_REFUND);
    stage_next(&stage, EXCHANGE_CREATE);
    stage_restart(&stage);
    cr_expect_eq(state_of(&intent), CORE_INTENT_PARKED);
    stage_later(&stage, HOUR);
    stage_idle(&stage);
}

Test(intent, an_operator_ends_a_parked_refund)
{
    struct core_intent intent = begin(CORE_INTENT_REFUND), found;
    cr_expect_eq(core_intent_settle(stage.core, intent.sequence, stage_text("ref_1"), 0, stage.now),
                 CORE_NOT_PARKED);
    sent(EXCHANGE_UNANSWERED);
    cr_expect_eq(core_intent_settle(stage.core, 999, stage_text("ref_1"), 0, stage.now),
                 CORE_NOT_FOUND);
    cr_assert_eq(core_intent_settle(stage.core, intent.sequence, stage_text("ref_1"), 0, stage.now),
                 CORE_OK);
    cr_assert(core_intent_get(stage.core, intent.sequence, &found));
    cr_expect_eq(found.state, CORE_INTENT_DONE);
    cr_expect_str_eq(found.object_id, "ref_1");
}

Test(intent, an_operator_says_that_it_was_not_made)
{
    struct core_intent intent, again;
    cr_assert_eq(begin_with(CORE_INTENT_REFUND, "order-1", "p", &intent), CORE_OK);
    sent(EXCHANGE_UNANSWERED);
    cr_assert_eq(core_intent_settle(stage.core, intent.sequence, stage_text(""), 0, stage.now),
                 CORE_OK);
    cr_expect_eq(state_of(&intent), 0);
    stage_restart(&stage);
    cr_expect_eq(state_of(&intent), 0);
    cr_assert_eq(begin_with(CORE_INTENT_REFUND, "order-1", "p", &again), CORE_OK);
    cr_expect_neq(again.sequence, intent.sequence);
}

/* --- keys --- */

Test(intent, K1_a_key_makes_one)
{
    struct core_intent first, again;
    cr_assert_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "order-1", "p", &first), CORE_OK);
    size_t records = stage.count;
    cr_assert_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "order-1", "p", &again), CORE_OK);
    cr_expect_eq(again.sequence, first.sequence);
    cr_expect_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "order-1", "q", &again), CORE_KEY_REUSED);
    cr_expect_eq(stage.count, records);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CREATE);
    stage_idle(&stage);
    struct stage_object object = {"sub_1", NULL, exchange.push_id};
    stage_end_objects(&stage, &exchange, &object, 1, NULL);
    stage_restart(&stage);
    cr_assert_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "order-1", "p", &again), CORE_OK);
    cr_expect_eq(again.state, CORE_INTENT_DONE);
    cr_expect_str_eq(again.object_id, "sub_1");
    /* another kind, another customer, no key: others */
    cr_assert_eq(begin_with(CORE_INTENT_REFUND, "order-1", "p", &again), CORE_OK);
    cr_expect_neq(again.sequence, first.sequence);
    cr_assert_eq(core_intent_begin(stage.core, CORE_INTENT_SUBSCRIPTION, stage_text("cus_b"),
                                   stage_text("order-1"), stage_text("p"), STAGE_UID, stage.now,
                                   &again),
                 CORE_OK);
    cr_expect_neq(again.sequence, first.sequence);
}

Test(intent, K1_is_found_by_its_key_without_beginning_one)
{
    struct core_text customer = stage_text("cus_a"), key = stage_text("k");
    struct core_intent intent;
    cr_expect_eq(
        core_intent_find(stage.core, CORE_INTENT_REFUND, customer, key, stage_text("p"), &intent),
        CORE_NOT_FOUND);
    cr_assert_eq(begin_with(CORE_INTENT_REFUND, "k", "p", &intent), CORE_OK);
    uint64_t sequence = intent.sequence;
    size_t records = stage.count;
    cr_expect_eq(
        core_intent_find(stage.core, CORE_INTENT_REFUND, customer, key, stage_text("p"), &intent),
        CORE_OK);
    cr_expect_eq(intent.sequence, sequence);
    cr_expect_eq(
        core_intent_find(stage.core, CORE_INTENT_REFUND, customer, key, stage_text("q"), &intent),
        CORE_KEY_REUSED);
    cr_expect_eq(core_intent_find(stage.core, CORE_INTENT_SUBSCRIPTION, customer, key,
                                  stage_text("p"), &intent),
                 CORE_NOT_FOUND);
    cr_expect_eq(core_intent_find(stage.core, CORE_INTENT_REFUND, customer, stage_text(""),
                                  stage_text("p"), &intent),
                 CORE_NOT_FOUND);
    cr_expect_eq(stage.count, records);
    struct core_text payload = core_intent_payload(stage.core, sequence);
    cr_expect(payload.length == 1 && payload.data[0] == 'p');
    cr_expect_eq(core_intent_payload(stage.core, 999).length, 0);
}

Test(intent, ended_ones_are_forgotten_after_a_day)
{
    struct core_intent intent, again;
    cr_assert_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "order-1", "p", &intent), CORE_OK);
    sent(EXCHANGE_REFUSED);
    stage_later(&stage, 24 * HOUR - 1);
    stage_idle(&stage);
    cr_expect_eq(state_of(&intent), CORE_INTENT_REFUSED);
    cr_assert_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "order-1", "p", &again), CORE_OK);
    cr_expect_eq(again.state, CORE_INTENT_REFUSED);
    stage_later(&stage, 1);
    stage_idle(&stage);
    cr_expect_eq(state_of(&intent), 0);
    stage_restart(&stage);
    cr_expect_eq(state_of(&intent), 0);
}

Test(intent, sizes_quotas_and_space)
{
    static char large[CORE_PAYLOAD_MAX + 2];
    struct core_intent intent;
    struct core_policy policy = stage_policy();
    memset(large, 'p', CORE_PAYLOAD_MAX + 1);
    cr_expect_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "", large, &intent), -EINVAL);
    large[CORE_PAYLOAD_MAX] = '\0';
    cr_expect_eq(begin_with(CORE_INTENT_SUBSCRIPTION, "", large, &intent), CORE_OK);
    cr_expect_eq(begin_with(CORE_INTENT_CUSTOMER, "", "p", &intent), -EINVAL);
    stage.append_error = -ENOSPC;
    size_t records = stage.count;
    cr_expect_eq(begin_with(CORE_INTENT_REFUND, "k", "p", &intent), -ENOSPC);
    stage.append_error = 0;
    cr_expect_eq(stage.count, records);
    policy.turns_per_customer = 1;
    core_set_policy(stage.core, &policy, stage.now);
    stage_later(&stage, HOUR);
    cr_expect_eq(begin_with(CORE_INTENT_REFUND, "k", "p", &intent), CORE_OK);
    cr_expect_eq(begin_with(CORE_INTENT_REFUND, "l", "p", &intent), CORE_QUOTA_TURNS);
    cr_expect_eq(begin_with(CORE_INTENT_REFUND, "k", "p", &intent), CORE_OK, "a known one is free");
}

/*
 * Users and their customers: every way to find one, every end, wishes, operators, and that however
 * many ask there is one search and one create.
 */
#include "stage.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DOUBT 120000
#define UNKNOWN 60000 /* unknown_ttl */

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

TestSuite(link, .init = set_up, .fini = tear_down);

static void with_policy(void (*change)(struct core_policy *policy))
{
    struct core_policy policy = stage_policy();
    change(&policy);
    core_set_policy(stage.core, &policy, stage.now);
}

static void trusting(struct core_policy *policy)
{
    policy->trust_customer_id = true;
}

static void unverified_too(struct core_policy *policy)
{
    policy->link_unverified_email = true;
}

static void few_turns(struct core_policy *policy)
{
    policy->turns_per_user = 1;
}

static struct core_user user(const char *id, const char *email, bool verified)
{
    return (struct core_user){.user_id = stage_text(id),
                              .email = stage_text(email),
                              .name = stage_text("Ann"),
                              .image = stage_text("i.png"),
                              .claimed_customer = stage_text(""),
                              .email_verified = verified};
}

static struct core_user ann(void)
{
    return user("user_ann", "ann@x.io", true);
}

static int get(const struct core_user *who, bool create, struct core_link *ret_link)
{
    return core_link_get(stage.core, who, create, STAGE_UID, stage.now, ret_link);
}

static int ask(const struct core_user *who)
{
    struct core_link link;
    return get(who, true, &link);
}

static void expect_customer(const struct core_user *who, const char *customer)
{
    struct core_link link = {0};
    cr_assert_eq(get(who, false, &link), CORE_OK);
    cr_expect_eq(link.customer.length, strlen(customer));
    cr_expect(memcmp(link.customer.data, customer, strlen(customer)) == 0, "%.*s",
              (int)link.customer.length, link.customer.data);
    struct core_text owner;
    cr_assert(core_link_owner(stage.core, stage_text(customer), &owner));
    cr_expect(owner.length == who->user_id.length &&
              memcmp(owner.data, who->user_id.data, owner.length) == 0);
}

/* Answers the search for a user's email. */
static void find(const struct stage_object *objects, size_t count)
{
    struct exchange exchange = stage_await(&stage, EXCHANGE_CUSTOMERS, UNKNOWN);
    stage_end_objects(&stage, &exchange, objects, count, NULL);
}

static struct exchange created(const char *id)
{
    struct exchange exchange = stage_await(&stage, EXCHANGE_CREATE, UNKNOWN);
    struct stage_object object = {id, "ann@x.io", exchange.push_id};
    stage_end_objects(&stage, &exchange, &object, 1, NULL);
    return exchange;
}

/* --- ways --- */

Test(link, unlinked_where_none_is_to_be_made)
{
    struct core_user who = ann();
    struct core_link link;
    cr_expect_eq(get(&who, false, &link), CORE_UNLINKED);
    stage_idle(&stage);
    cr_expect_eq(stage.count, 0);
}

Test(link, found_by_the_exact_email_among_others)
{
    const struct stage_object page[] = {{"cus_1", "bob@x.io", NULL},
                                        {"cus_2", "Ann@x.io", NULL},
                                        {"cus_3", "ann@x.io", NULL},
                                        {"cus_4", "ann@x.io.evil", NULL},
                                        {"cus_5", NULL, NULL}};
    struct core_user who = ann();
    struct core_object object;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(page, 5);
    cr_expect_eq(stage.linked_count, 1);
    expect_customer(&who, "cus_3");
    cr_expect_eq(stage_records_of(&stage, RECORD_LINK), 1);
    cr_expect_eq(stage_records_of(&stage, RECORD_INTENT), 0);
    cr_assert_eq(core_object_get(stage.core, TABLE_CUSTOMER, stage_text("cus_3"), &object),
                 CORE_OK);
    cr_expect_eq(object.body_length, 5);
    cr_expect_eq(object.reveals, stage.count);
    stage_idle(&stage);
}

Test(link, reveals_its_record)
{
    const struct stage_object page[] = {{"cus_3", "ann@x.io", NULL}};
    struct core_user who = ann();
    struct core_link link;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(page, 1);
    cr_assert_eq(get(&who, true, &link), CORE_OK);
    cr_expect_eq(link.reveals, stage.count);
}

Test(link, another_spelling_only_if_it_is_the_only_match)
{
    const struct stage_object one[] = {{"cus_2", "ANN@x.io", NULL}};
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    find(one, 1);
    expect_customer(&who, "cus_2");
}

Test(link, ambiguous_and_it_names_them)
{
    const struct stage_object pages[][2] = {
        {{"cus_2", "ANN@x.io", NULL}, {"cus_3", "Ann@x.io", NULL}},
        {{"cus_2", "ann@x.io", NULL}, {"cus_3", "ann@x.io", NULL}}};
    for (size_t i = 0; i < 2; i++) {
        struct core_user who = ann();
        struct core_link link;
        cr_assert_eq(ask(&who), CORE_COLD);
        find(pages[i], 2);
        cr_expect_eq(stage.linked_count, 1);
        cr_assert_eq(get(&who, true, &link), CORE_AMBIGUOUS);
        cr_assert_not_null(link.message);
        cr_expect(strstr(link.message, "cus_2") != NULL && strstr(link.message, "cus_3") != NULL);
        cr_expect_eq(stage.count, 0);
        stage_idle(&stage); /* remembered: asking again costs nothing */
        stage_later(&stage, UNKNOWN);
        stage_idle(&stage);
        cr_expect_eq(ask(&who), CORE_COLD);
        tear_down();
        set_up();
    }
}

Test(link, goes_through_all_pages)
{
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    const struct stage_object first[] = {{"cus_1", "bob@x.io", NULL}},
                              last[] = {{"cus_9", "ann@x.io", NULL}};
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    cr_expect_str_eq(exchange.cursor, "");
    cr_expect_eq(exchange.email_length, 8);
    stage_end_objects(&stage, &exchange, first, 1, "cus_1");
    exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    cr_expect_str_eq(exchange.cursor, "cus_1");
    stage_end_objects(&stage, &exchange, last, 1, NULL);
    expect_customer(&who, "cus_9");
}

Test(link, a_list_without_end_is_for_the_operator)
{
    struct core_user who = ann();
    struct core_link link;
    cr_assert_eq(ask(&who), CORE_COLD);
    for (int page = 0; page < 1000; page++) {
        struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
        char cursor[16];
        (void)snprintf(cursor, sizeof(cursor), "cus_%d", page);
        stage_end_objects(&stage, &exchange, NULL, 0, cursor);
    }
    stage_idle(&stage);
    cr_assert_eq(get(&who, true, &link), CORE_AMBIGUOUS);
    cr_expect_eq(stage.count, 0, "no create, no link");
}

Test(link, P6_a_429_between_pages_does_not_begin_anew)
{
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    const struct stage_object first[] = {{"cus_1", "ann@x.io", NULL}};
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, first, 1, "cus_1");
    exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end(&stage, &exchange, EXCHANGE_RATE_LIMITED);
    exchange = stage_await(&stage, EXCHANGE_CUSTOMERS, 120000);
    cr_expect_str_eq(exchange.cursor, "cus_1");
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    expect_customer(&who, "cus_1");
}

Test(link, a_failure_between_pages_begins_anew_and_counts_once)
{
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    const struct stage_object first[] = {{"cus_1", "ann@x.io", NULL}};
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, first, 1, "cus_1");
    exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end(&stage, &exchange, EXCHANGE_FAILED);
    exchange = stage_await(&stage, EXCHANGE_CUSTOMERS, 60000);
    cr_expect_str_eq(exchange.cursor, "");
    stage_end_objects(&stage, &exchange, first, 1, NULL);
    expect_customer(&who, "cus_1");
}

Test(link, a_cursor_that_stands_still_ends_the_list)
{
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, NULL, 0, "cus_1");
    exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, NULL, 0, "cus_1");
    stage_next(&stage, EXCHANGE_CREATE);
}

Test(link, an_unverified_email_is_not_looked_for)
{
    struct core_user who = user("user_ann", "ann@x.io", false);
    cr_assert_eq(ask(&who), CORE_COLD);
    created("cus_new");
    expect_customer(&who, "cus_new");
    who = user("user_bob", "bob@x.io", false);
    with_policy(unverified_too);
    cr_assert_eq(ask(&who), CORE_COLD);
    stage_next(&stage, EXCHANGE_CUSTOMERS);
}

Test(link, created_where_none_is_found)
{
    struct core_user who = ann();
    struct core_customer_payload head;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CREATE);
    cr_expect_eq(exchange.intent_kind, CORE_INTENT_CUSTOMER);
    cr_expect_eq(exchange.customer_length, 8);
    cr_expect(memcmp(exchange.customer, "user_ann", 8) == 0);
    cr_assert_geq(exchange.payload_length, sizeof(head));
    memcpy(&head, exchange.payload, sizeof(head));
    cr_expect_eq(head.flags, 1);
    cr_assert_eq(exchange.payload_length, sizeof(head) + 8 + 3 + 5);
    cr_expect(memcmp((const char *)exchange.payload + sizeof(head), "ann@x.ioAnni.png", 16) == 0);
    struct stage_object object = {"cus_new", "ann@x.io", exchange.push_id};
    stage_end_objects(&stage, &exchange, &object, 1, NULL);
    cr_expect_eq(stage.linked_count, 1);
    expect_customer(&who, "cus_new");
    stage_restart(&stage);
    expect_customer(&who, "cus_new");
    size_t position = 0;
    struct core_intent intent;
    cr_expect(!core_next_intent(stage.core, &position, &intent));
}

Test(link, a_thousand_first_requests_make_one_customer)
{
    struct core_user who = ann();
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CREATE);
    stage_idle(&stage);
    struct stage_object object = {"cus_new", "ann@x.io", exchange.push_id};
    stage_end_objects(&stage, &exchange, &object, 1, NULL);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(ask(&who), CORE_OK);
    stage_idle(&stage);
    cr_expect_eq(stage_records_of(&stage, RECORD_LINK), 1);
}

/* Metadata is what anybody may have written there. */
Test(link, P9_a_lost_create_is_not_found_in_a_customer_of_another_email)
{
    struct core_user who = user("user_ann", "ann@x.io", false);
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange create = stage_next(&stage, EXCHANGE_CREATE);
    stage_end(&stage, &create, EXCHANGE_UNANSWERED);
    const struct stage_object page[] = {{"cus_evil", "eve@x.io", create.push_id},
                                        {"cus_none", NULL, create.push_id},
                                        {"cus_1", "Ann@x.io", create.push_id}};
    struct exchange look = stage_await(&stage, EXCHANGE_CUSTOMERS, 2 * DOUBT);
    stage_end_objects(&stage, &look, page, 3, NULL);
    expect_customer(&who, "cus_1");
}

/* --- what the session claims --- */

static struct core_user claiming(const char *customer, bool verified)
{
    struct core_user who = user("user_ann", "ann@x.io", verified);
    who.claimed_customer = stage_text(customer);
    return who;
}

Test(link, a_claim_that_may_be_believed)
{
    struct core_user who = claiming("cus_7", false);
    with_policy(trusting);
    cr_assert_eq(ask(&who), CORE_OK);
    expect_customer(&who, "cus_7");
    stage_idle(&stage);
    struct core_user other = user("user_bob", "bob@x.io", true);
    other.claimed_customer = stage_text("cus_7");
    cr_expect_eq(ask(&other), CORE_TAKEN);
}

Test(link, a_claim_is_checked_against_the_email)
{
    const struct stage_object mine = {"cus_7", "Ann@x.io", NULL}, other = {"cus_7", "b@x.io", NULL};
    struct core_user who = claiming("cus_7", true);
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMER);
    cr_expect(memcmp(exchange.customer, "cus_7", 5) == 0);
    stage_end_objects(&stage, &exchange, &mine, 1, NULL);
    expect_customer(&who, "cus_7");
    tear_down();
    set_up();
    cr_assert_eq(ask(&who), CORE_COLD);
    exchange = stage_next(&stage, EXCHANGE_CUSTOMER);
    stage_end_objects(&stage, &exchange, &other, 1, NULL);
    stage_next(&stage, EXCHANGE_CUSTOMERS); /* goes on by the email */
}

Test(link, a_claim_that_upstream_does_not_know)
{
    struct core_user who = claiming("cus_7", true);
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMER);
    stage_end(&stage, &exchange, EXCHANGE_NOT_FOUND);
    stage_next(&stage, EXCHANGE_CUSTOMERS);
}

/* Who goes on without it makes a second customer. */
Test(link, a_claim_that_could_not_be_looked_into)
{
    const enum exchange_outcome outcomes[] = {EXCHANGE_UNANSWERED, EXCHANGE_FAILED,
                                              EXCHANGE_RATE_LIMITED, EXCHANGE_UNAUTHORIZED};
    const struct stage_object mine = {"cus_7", "ann@x.io", NULL};
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        struct core_user who = claiming("cus_7", true);
        cr_assert_eq(ask(&who), CORE_COLD);
        struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMER);
        stage_end(&stage, &exchange, outcomes[i]);
        exchange = stage_await(&stage, EXCHANGE_CUSTOMER, 2 * HOUR);
        stage_end_objects(&stage, &exchange, &mine, 1, NULL);
        expect_customer(&who, "cus_7");
        tear_down();
        set_up();
    }
}

Test(link, an_unverified_claim_is_no_claim)
{
    struct core_user who = claiming("cus_7", false);
    cr_assert_eq(ask(&who), CORE_COLD);
    stage_next(&stage, EXCHANGE_CREATE);
}

/* --- bad ends --- */

/* Whoever has a customer may give it any email: its owner by that email must not suffer. */
Test(link, a_customer_of_another_user_is_no_match)
{
    const struct stage_object page[] = {{"cus_3", "ann@x.io", NULL}};
    struct core_user who = ann(), other = user("user_two", "ann@x.io", true);
    cr_assert_eq(ask(&who), CORE_COLD);
    find(page, 1);
    cr_expect_eq(stage.passed_count, 0);
    cr_assert_eq(ask(&other), CORE_COLD);
    find(page, 1);
    created("cus_4");
    expect_customer(&who, "cus_3");
    expect_customer(&other, "cus_4");
    cr_expect_eq(stage.passed_count, 1);
}

Test(link, beside_a_customer_of_another_user_the_only_match_counts)
{
    const struct stage_object page[] = {{"cus_3", "ann@x.io", NULL}, {"cus_5", "ann@x.io", NULL}};
    struct core_user who = ann(), other = user("user_two", "ann@x.io", true);
    uint64_t sequence;
    cr_assert_eq(
        core_link_set(stage.core, other.user_id, stage_text("cus_3"), 0, stage.now, &sequence),
        CORE_OK);
    cr_assert_eq(ask(&who), CORE_COLD);
    find(page, 2);
    expect_customer(&who, "cus_5");
}

Test(link, a_customer_that_is_linked_while_the_pages_are_read_is_no_match)
{
    const struct stage_object page[] = {{"cus_3", "ann@x.io", NULL}};
    struct core_user who = ann();
    uint64_t sequence;
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_end_objects(&stage, &exchange, page, 1, "cus_3");
    cr_assert_eq(core_link_set(stage.core, stage_text("user_two"), stage_text("cus_3"), 0,
                               stage.now, &sequence),
                 CORE_OK);
    find(NULL, 0);
    find(page, 1);
    created("cus_4");
    expect_customer(&who, "cus_4");
}

Test(link, a_claimed_customer_of_another_user_is_no_match)
{
    const struct stage_object mine = {"cus_7", "ann@x.io", NULL};
    struct core_user who = claiming("cus_7", true);
    uint64_t sequence;
    cr_assert_eq(core_link_set(stage.core, stage_text("user_two"), stage_text("cus_7"), 0,
                               stage.now, &sequence),
                 CORE_OK);
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMER);
    stage_end_objects(&stage, &exchange, &mine, 1, NULL);
    find(NULL, 0);
    created("cus_8");
    expect_customer(&who, "cus_8");
}

Test(link, refused_says_why)
{
    struct core_user who = ann();
    struct core_link link;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CREATE);
    struct exchange_answer answer = stage_answer(&stage, EXCHANGE_REFUSED);
    answer.message = "no such plan";
    cr_assert_eq(core_exchange_done(stage.core, exchange.id, &answer, stage.now), 0);
    cr_expect_eq(stage.linked_count, 1);
    cr_assert_eq(get(&who, true, &link), CORE_REFUSED);
    cr_expect_str_eq(link.message, "no such plan");
    stage_later(&stage, UNKNOWN);
    cr_expect_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    struct exchange again = stage_next(&stage, EXCHANGE_CREATE);
    cr_expect_str_neq(again.push_id, exchange.push_id);
}

Test(link, quota_and_sizes)
{
    struct core_user who = ann(), other = user("user_bob", "bob@x.io", true);
    char long_id[200];
    memset(long_id, 'u', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = '\0';
    with_policy(few_turns);
    cr_expect_eq(ask(&who), CORE_COLD);
    cr_expect_eq(ask(&who), CORE_COLD, "the same search costs once");
    cr_expect_eq(ask(&other), CORE_QUOTA_TURNS);
    other = user(long_id, "b@x.io", true);
    cr_expect_eq(ask(&other), -EINVAL);
    other = user("", "b@x.io", true);
    cr_expect_eq(ask(&other), -EINVAL);
}

/* --- operators --- */

Test(link, operators_set_and_remove)
{
    struct core_user who = ann(), bob = user("user_bob", "bob@x.io", true);
    uint64_t sequence = 0;
    cr_assert_eq(
        core_link_set(stage.core, who.user_id, stage_text("cus_1"), 0, stage.now, &sequence),
        CORE_OK);
    cr_expect_eq(sequence, stage.count);
    expect_customer(&who, "cus_1");
    cr_expect_eq(
        core_link_set(stage.core, bob.user_id, stage_text("cus_1"), 0, stage.now, &sequence),
        CORE_TAKEN);
    size_t records = stage.count;
    cr_expect_eq(
        core_link_set(stage.core, who.user_id, stage_text("cus_1"), 0, stage.now, &sequence),
        CORE_OK);
    cr_expect_eq(stage.count, records, "as it was");
    cr_assert_eq(
        core_link_set(stage.core, who.user_id, stage_text("cus_2"), 0, stage.now, &sequence),
        CORE_OK);
    expect_customer(&who, "cus_2");
    cr_assert_eq(/* the old one is free again */
                 core_link_set(stage.core, bob.user_id, stage_text("cus_1"), 0, stage.now,
                               &sequence),
                 CORE_OK);
    stage_restart(&stage);
    expect_customer(&who, "cus_2");
    expect_customer(&bob, "cus_1");
    struct core_link link;
    struct core_text owner;
    cr_assert_eq(core_link_remove(stage.core, who.user_id, 0, stage.now, &sequence), CORE_OK);
    cr_expect_eq(core_link_remove(stage.core, who.user_id, 0, stage.now, &sequence),
                 CORE_NOT_FOUND);
    cr_expect_eq(get(&who, false, &link), CORE_UNLINKED);
    cr_expect(!core_link_owner(stage.core, stage_text("cus_2"), &owner));
    stage_restart(&stage);
    cr_expect_eq(get(&who, false, &link), CORE_UNLINKED);
    expect_customer(&bob, "cus_1");
}

/* Checkpoints and replay know the tables, not the types: the record itself must free the old one.
 */
Test(link, the_record_of_a_relink_frees_the_old_customer)
{
    struct core_user who = ann();
    uint64_t sequence;
    struct record record;
    struct record_image image;
    bool freed = false;
    for (int i = 1; i <= 2; i++)
        cr_assert_eq(core_link_set(stage.core, who.user_id, stage_text(i == 1 ? "cus_1" : "cus_2"),
                                   0, stage.now, &sequence),
                     CORE_OK);
    cr_assert_eq(record_decode(stage.records[1].bytes, stage.records[1].size, &record), 0);
    for (size_t position = 0; record_next_image(&record, &position, &image);)
        freed |= image.table == TABLE_OWNER && image.value_length == 0 && image.key_length == 5 &&
                 memcmp(image.key, "cus_1", 5) == 0;
    cr_expect(freed);
}

Test(link, an_operator_is_quicker_than_a_search)
{
    const struct stage_object page[] = {{"cus_3", "ann@x.io", NULL}};
    struct core_user who = ann();
    uint64_t sequence;
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    cr_assert_eq(
        core_link_set(stage.core, who.user_id, stage_text("cus_op"), 0, stage.now, &sequence),
        CORE_OK);
    cr_expect_geq(stage.linked_count, 1, "who waits is told");
    stage_end_objects(&stage, &exchange, page, 1, NULL);
    expect_customer(&who, "cus_op");
    stage_idle(&stage);
}

Test(link, an_operator_is_quicker_than_a_create)
{
    struct core_user who = ann();
    uint64_t sequence;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CREATE);
    cr_assert_eq(
        core_link_set(stage.core, who.user_id, stage_text("cus_op"), 0, stage.now, &sequence),
        CORE_OK);
    struct stage_object object = {"cus_new", "ann@x.io", exchange.push_id};
    stage_end_objects(&stage, &exchange, &object, 1, NULL);
    expect_customer(&who, "cus_op");
    cr_assert_eq(core_link_remove(stage.core, who.user_id, 0, stage.now, &sequence), CORE_OK);
    cr_expect_eq(ask(&who), CORE_COLD);
    stage_next(&stage, EXCHANGE_CUSTOMERS); /* a new search, no old one that never ends */
}

Test(link, a_create_that_has_not_left_need_not_where_an_operator_was_quicker)
{
    struct core_user who = ann();
    uint64_t sequence;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    cr_assert_eq(
        core_link_set(stage.core, who.user_id, stage_text("cus_op"), 0, stage.now, &sequence),
        CORE_OK);
    stage_later(&stage, 0);
    stage_idle(&stage);
    struct core_intent intent;
    cr_expect(!core_next_intent(stage.core, &(size_t){0}, &intent));
}

/* One answer with a full disk, and then enough: what was made is neither made again nor waited for
 * for ever. */
static void answer_without_space(const struct exchange *create)
{
    struct stage_object made = {"cus_new", "ann@x.io", create->push_id};
    struct exchange_answer answer = stage_answer(&stage, EXCHANGE_OK);
    struct exchange_object object = {.id = made.id,
                                     .id_length = strlen(made.id),
                                     .intent = made.intent,
                                     .intent_length = strlen(made.intent)};
    struct core_intent intent;
    answer.objects.rows = &object;
    answer.objects.count = 1;
    stage.full = true;
    (void)core_exchange_done(stage.core, create->id, &answer, stage.now);
    stage.full = false;
    for (int i = 0; i < 20 && core_next_intent(stage.core, &(size_t){0}, &intent); i++) {
        struct exchange exchange;
        stage_wake(&stage, 2 * DOUBT);
        if (core_next_exchange(stage.core, stage.now, &exchange) != 0)
            continue;
        cr_assert_eq(exchange.kind, EXCHANGE_CUSTOMERS, "an exchange of kind %d",
                     (int)exchange.kind);
        stage_end_objects(&stage, &exchange, &made, 1, NULL);
    }
    cr_expect(!core_next_intent(stage.core, &(size_t){0}, &intent), "an intent that never ends");
}

Test(link, a_created_customer_is_not_lost_on_a_full_disk)
{
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    struct exchange create = stage_next(&stage, EXCHANGE_CREATE);
    answer_without_space(&create);
    expect_customer(&who, "cus_new");
}

Test(link, a_create_ends_on_a_full_disk_where_an_operator_was_quicker)
{
    struct core_user who = ann();
    uint64_t sequence;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    struct exchange create = stage_next(&stage, EXCHANGE_CREATE);
    cr_assert_eq(
        core_link_set(stage.core, who.user_id, stage_text("cus_op"), 0, stage.now, &sequence),
        CORE_OK);
    answer_without_space(&create);
    expect_customer(&who, "cus_op");
}

Test(link, a_create_ends_on_a_full_disk_where_another_user_was_quicker)
{
    struct core_user who = ann();
    uint64_t sequence;
    cr_assert_eq(ask(&who), CORE_COLD);
    find(NULL, 0);
    struct exchange create = stage_next(&stage, EXCHANGE_CREATE);
    cr_assert_eq(core_link_set(stage.core, stage_text("user_two"), stage_text("cus_new"), 0,
                               stage.now, &sequence),
                 CORE_OK);
    answer_without_space(&create);
    cr_expect_eq(ask(&who), CORE_TAKEN);
}

Test(link, a_created_customer_that_another_user_took)
{
    struct core_user who = user("user_ann", "ann@x.io", false),
                     other = user("user_two", "ann@x.io", true);
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange create = stage_next(&stage, EXCHANGE_CREATE);
    stage_end(&stage, &create, EXCHANGE_UNANSWERED);
    const struct stage_object page[] = {{"cus_new", "ann@x.io", create.push_id}};
    cr_assert_eq(ask(&other), CORE_COLD);
    find(page, 1);
    expect_customer(&other, "cus_new");
    unsigned told = stage.linked_count;
    struct exchange look = stage_await(&stage, EXCHANGE_CUSTOMERS, 2 * DOUBT);
    stage_end_objects(&stage, &look, page, 1, NULL);
    cr_expect_eq(stage.linked_count, told + 1);
    cr_expect_eq(ask(&who), CORE_TAKEN);
}

/* --- wishes --- */

static uint64_t wish(const struct core_user *who)
{
    uint64_t sequence = 0;
    cr_assert_eq(core_link_wish(stage.core, who, STAGE_UID, stage.now, &sequence), CORE_OK);
    return sequence;
}

Test(link, a_wish_is_durable_and_goes_on_over_restarts)
{
    struct core_user who = ann();
    cr_expect_eq(wish(&who), stage.count);
    cr_expect_eq(stage_records_of(&stage, RECORD_INTENT), 1);
    stage_next(&stage, EXCHANGE_CUSTOMERS);
    stage_restart(&stage);
    find(NULL, 0);
    created("cus_new");
    expect_customer(&who, "cus_new");
    stage_restart(&stage);
    stage_idle(&stage);
}

Test(link, J3_a_repeated_wish_reveals_the_first)
{
    struct core_user who = ann();
    uint64_t sequence = wish(&who);
    cr_expect_geq(wish(&who), sequence);
    find(NULL, 0);
    created("cus_new");
    struct core_link link;
    cr_assert_eq(get(&who, false, &link), CORE_OK);
    cr_expect_gt(link.reveals, sequence);
    cr_expect_eq(wish(&who), link.reveals);
}

Test(link, a_wish_waits_for_as_long_as_upstream_is_away)
{
    struct core_user who = ann();
    wish(&who);
    for (int i = 0; i < 30; i++) {
        struct exchange exchange = stage_await(&stage, EXCHANGE_CUSTOMERS, 10 * 60000);
        stage_end(&stage, &exchange, EXCHANGE_UNANSWERED);
    }
    struct exchange exchange = stage_await(&stage, EXCHANGE_CUSTOMERS, 10 * 60000);
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    created("cus_new");
    expect_customer(&who, "cus_new");
}

Test(link, a_wish_after_a_bad_end_is_looked_into)
{
    const struct stage_object two[] = {{"cus_2", "ann@x.io", NULL}, {"cus_3", "ann@x.io", NULL}};
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    find(two, 2);
    cr_assert_eq(ask(&who), CORE_AMBIGUOUS);
    wish(&who);
    find(two, 1); /* somebody has cleaned up */
    expect_customer(&who, "cus_2");
}

Test(link, a_wish_that_cannot_be_met_is_over)
{
    const struct stage_object two[] = {{"cus_2", "ann@x.io", NULL}, {"cus_3", "ann@x.io", NULL}};
    struct core_user who = ann();
    wish(&who);
    find(two, 2);
    cr_expect_eq(ask(&who), CORE_AMBIGUOUS);
    stage_restart(&stage);
    stage_idle(&stage);
}

Test(link, a_wish_joins_the_search_that_goes_on)
{
    struct core_user who = ann();
    cr_assert_eq(ask(&who), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    wish(&who);
    stage_idle(&stage);
    stage_end_objects(&stage, &exchange, NULL, 0, NULL);
    created("cus_new");
    stage_idle(&stage);
    expect_customer(&who, "cus_new");
}

Test(link, a_wish_needs_space_and_says_so)
{
    struct core_user who = ann();
    uint64_t sequence;
    stage.append_error = -ENOSPC;
    cr_expect_eq(core_link_wish(stage.core, &who, STAGE_UID, stage.now, &sequence), -ENOSPC);
    stage_idle(&stage);
    stage.append_error = 0;
    wish(&who);
    stage_next(&stage, EXCHANGE_CUSTOMERS);
}

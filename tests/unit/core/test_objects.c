/*
 * Errands, which only need their turn, and objects of upstream's as last seen.
 */
#include "stage.h"

#include <core/event.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct stage stage;

static void set_up(void)
{
    stage_init(&stage, NULL);
}

static void tear_down(void)
{
    stage_deinit(&stage);
}

TestSuite(errand, .init = set_up, .fini = tear_down);
TestSuite(object, .init = set_up, .fini = tear_down);

/* --- errands --- */

static uint64_t errand(bool is_write)
{
    uint64_t number = 0;
    cr_assert_eq(
        core_errand(stage.core, is_write, stage_text("cus_a"), STAGE_UID, stage.now, &number),
        CORE_OK);
    return number;
}

Test(errand, is_handed_out_once_and_in_order)
{
    uint64_t one = errand(false), two = errand(false);
    cr_expect_neq(one, two);
    struct exchange first = stage_next(&stage, EXCHANGE_ERRAND);
    struct exchange second = stage_next(&stage, EXCHANGE_ERRAND);
    cr_expect_eq(first.errand, one);
    cr_expect_eq(second.errand, two);
    cr_expect_eq(first.after_sequence, 0);
    stage_idle(&stage);
    stage_end(&stage, &first, EXCHANGE_FAILED);
    stage_end(&stage, &second, EXCHANGE_OK);
    stage_later(&stage, 3600000);
    stage_idle(&stage); /* whatever came of it */
    cr_expect_eq(stage.count, 0);
}

Test(errand, is_cancelled_before_it_leaves)
{
    uint64_t one = errand(false), two = errand(true);
    cr_expect(core_errand_cancel(stage.core, one));
    cr_expect(!core_errand_cancel(stage.core, one));
    cr_expect(!core_errand_cancel(stage.core, 999));
    struct exchange exchange = stage_next(&stage, EXCHANGE_ERRAND);
    cr_expect_eq(exchange.errand, two);
    cr_expect(!core_errand_cancel(stage.core, two));
    stage_end(&stage, &exchange, EXCHANGE_OK);
    cr_expect(!core_errand_cancel(stage.core, two));
    stage_idle(&stage);
}

static void upstream_is_lost(void)
{
    errand(false);
    struct exchange exchange = stage_next(&stage, EXCHANGE_ERRAND);
    stage_end(&stage, &exchange, EXCHANGE_UNANSWERED);
}

Test(errand, P6_writes_wait_while_upstream_does_not_answer)
{
    upstream_is_lost();
    uint64_t read = errand(false);
    struct exchange exchange = stage_await(&stage, EXCHANGE_ERRAND, 60000);
    cr_expect_eq(exchange.errand, read);
    uint64_t write = errand(true);
    stage_idle(&stage);
    stage_end(&stage, &exchange, EXCHANGE_OK);
    exchange = stage_await(&stage, EXCHANGE_ERRAND, 1000);
    cr_expect_eq(exchange.errand, write);
}

Test(errand, P6_a_write_that_nobody_reads_for_finds_out_itself)
{
    static const enum exchange_outcome outcomes[] = {EXCHANGE_NOT_SENT, EXCHANGE_FAILED,
                                                     EXCHANGE_NOT_FOUND};
    upstream_is_lost();
    uint64_t one = errand(true), two = errand(true);
    for (size_t i = 0; i < 3; i++) {
        struct exchange probe = stage_await(&stage, EXCHANGE_CUSTOMER, 60000);
        cr_expect_eq(probe.customer_length, 5);
        cr_expect_eq(memcmp(probe.customer, "cus_a", 5), 0);
        stage_idle(&stage); /* one at a time */
        stage_end(&stage, &probe, outcomes[i]);
    }
    struct exchange first = stage_next(&stage, EXCHANGE_ERRAND);
    struct exchange second = stage_next(&stage, EXCHANGE_ERRAND);
    cr_expect(first.errand == one || second.errand == one);
    cr_expect(first.errand == two || second.errand == two);
    stage_end(&stage, &first, EXCHANGE_OK);
    stage_end(&stage, &second, EXCHANGE_OK);
    stage_later(&stage, 3600000);
    stage_idle(&stage);
}

Test(errand, a_write_is_taken_back_while_it_only_probes)
{
    upstream_is_lost();
    uint64_t write = errand(true);
    struct exchange probe = stage_await(&stage, EXCHANGE_CUSTOMER, 60000);
    cr_expect(core_errand_cancel(stage.core, write));
    stage_end(&stage, &probe, EXCHANGE_OK);
    cr_expect(!core_errand_cancel(stage.core, write));
    stage_later(&stage, 3600000);
    stage_idle(&stage);
}

Test(errand, a_write_without_a_customer_could_not_find_out)
{
    uint64_t number;
    cr_expect_eq(core_errand(stage.core, true, stage_text(""), STAGE_UID, stage.now, &number),
                 -EINVAL);
}

Test(errand, P6_quota)
{
    struct core_policy policy = stage_policy();
    uint64_t number;
    policy.turns_per_user = 2;
    core_set_policy(stage.core, &policy, stage.now);
    errand(false);
    errand(false);
    cr_expect_eq(core_errand(stage.core, false, stage_text("cus_b"), STAGE_UID, stage.now, &number),
                 CORE_QUOTA_TURNS);
    cr_expect_eq(
        core_errand(stage.core, false, stage_text("cus_b"), STAGE_UID + 1, stage.now, &number),
        CORE_OK);
}

/* One application has the sessions of all its users. */
Test(errand, P6_sessions_pay_from_the_share_of_their_customer)
{
    struct core_policy policy = stage_policy();
    char name[16];
    uint64_t number;
    policy.turns_per_user = 2;
    policy.turns_per_customer = 1;
    core_set_policy(stage.core, &policy, stage.now);
    core_charge_uid(stage.core, false);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "cus_s%d", i);
        for (int k = 0; k < 2; k++)
            cr_expect_eq(
                core_errand(stage.core, false, stage_text(name), STAGE_UID, stage.now, &number),
                k == 0 ? CORE_OK : CORE_QUOTA_TURNS);
    }
    core_charge_uid(stage.core, true);
    cr_expect_eq(core_errand(stage.core, false, stage_text("cus_b"), STAGE_UID, stage.now, &number),
                 CORE_OK, "none of its own was spent");
    cr_expect_eq(core_errand(stage.core, false, stage_text("cus_c"), STAGE_UID, stage.now, &number),
                 CORE_OK);
    cr_expect_eq(core_errand(stage.core, false, stage_text("cus_d"), STAGE_UID, stage.now, &number),
                 CORE_QUOTA_TURNS);
}

Test(errand, P6_shares_turns_with_cold_balances)
{
    struct core_consumed consumed;
    struct exchange exchange;
    char names[8][8];
    int balances = 0, errands = 0;
    stage_know(&stage, "cus_a", "prod_a", 10, 100);
    for (int i = 0; i < 8; i++) {
        snprintf(names[i], sizeof(names[i]), "cus_%d", i);
        cr_assert_eq(stage_consume(&stage, names[i], "prod_a", 1, &consumed), CORE_COLD);
        errand(false);
    }
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(core_next_exchange(stage.core, stage.now, &exchange), 0);
        balances += exchange.kind == EXCHANGE_BALANCE;
        errands += exchange.kind == EXCHANGE_ERRAND;
        stage_end(&stage, &exchange, EXCHANGE_NO_BALANCE);
    }
    cr_expect_eq(balances, 2);
    cr_expect_eq(errands, 2);
}

/* --- objects --- */

static int put(const char *key, const char *body, uint64_t *ret_sequence)
{
    return core_object_put(stage.core, TABLE_CUSTOMER, stage_text(key), body, strlen(body),
                           stage.now, ret_sequence);
}

static int get(const char *key, struct core_object *ret_object)
{
    return core_object_get(stage.core, TABLE_CUSTOMER, stage_text(key), ret_object);
}

Test(object, is_asked_of_the_store_first)
{
    struct core_object object;
    struct {
        int64_t synced_at;
        char body[5];
    } __attribute__((packed)) row = {STAGE_NOW - 5, "hello"};
    cr_expect_eq(get("cus_a", &object), CORE_LOAD);
    cr_assert_eq(core_object_load(stage.core, TABLE_CUSTOMER, stage_text("cus_a"), NULL, 0), 0);
    cr_expect_eq(get("cus_a", &object), CORE_NOT_FOUND);
    cr_expect_eq(get("cus_b", &object), CORE_LOAD);
    cr_assert_eq(
        core_object_load(stage.core, TABLE_CUSTOMER, stage_text("cus_b"), &row, sizeof(row)), 0);
    cr_assert_eq(get("cus_b", &object), CORE_OK);
    cr_expect_eq(object.body_length, 5);
    cr_expect(memcmp(object.body, "hello", 5) == 0);
    cr_expect_eq(object.synced_at, STAGE_NOW - 5);
    cr_expect_eq(object.reveals, 0);
    cr_expect_eq(core_object_load(stage.core, TABLE_CUSTOMER, stage_text("cus_c"), "xx", 2),
                 -EBADMSG);
    /* other tables are other objects */
    cr_expect_eq(core_object_get(stage.core, TABLE_ACCESS, stage_text("cus_b"), &object),
                 CORE_LOAD);
}

Test(object, put_get_restart)
{
    struct core_object object;
    uint64_t sequence;
    cr_assert_eq(put("cus_a", "first", &sequence), CORE_OK);
    cr_expect_eq(sequence, stage.count);
    stage_later(&stage, 1000);
    cr_assert_eq(put("cus_a", "second", &sequence), CORE_OK);
    stage_restart(&stage);
    cr_assert_eq(get("cus_a", &object), CORE_OK);
    cr_expect_eq(object.body_length, 6);
    cr_expect(memcmp(object.body, "second", 6) == 0);
    cr_expect_eq(object.synced_at, stage.now);
}

Test(object, J3_reveals_its_record)
{
    struct core_object object;
    uint64_t sequence;
    cr_assert_eq(put("cus_a", "first", &sequence), CORE_OK);
    cr_assert_eq(get("cus_a", &object), CORE_OK);
    cr_expect_eq(object.reveals, sequence);
}

Test(object, an_unchanged_body_makes_no_record)
{
    struct core_object object;
    uint64_t first, again;
    cr_assert_eq(put("cus_a", "body", &first), CORE_OK);
    stage_later(&stage, 5000);
    cr_assert_eq(put("cus_a", "body", &again), CORE_OK);
    cr_expect_eq(stage.count, 1);
    cr_expect_eq(again, first);
    cr_assert_eq(get("cus_a", &object), CORE_OK);
    cr_expect_eq(object.synced_at, stage.now);
    cr_assert_eq(put("cus_a", "bodY", &again), CORE_OK);
    cr_expect_eq(stage.count, 2);
}

Test(object, memory_is_never_older_than_the_store)
{
    struct core_object object;
    uint64_t sequence;
    int64_t old[2] = {1, 2};
    cr_assert_eq(put("cus_a", "new", &sequence), CORE_OK);
    cr_assert_eq(core_object_load(stage.core, TABLE_CUSTOMER, stage_text("cus_a"), old, 16), 0);
    cr_assert_eq(core_object_load(stage.core, TABLE_CUSTOMER, stage_text("cus_a"), NULL, 0), 0);
    cr_assert_eq(get("cus_a", &object), CORE_OK);
    cr_expect_eq(object.body_length, 3);
}

#define BODY_MAX (63u * 1024u)

Test(object, too_large_is_refused)
{
    uint64_t sequence;
    char *body = malloc(BODY_MAX + 2);
    memset(body, 'x', BODY_MAX + 1);
    body[BODY_MAX + 1] = '\0';
    cr_expect_eq(put("cus_a", body, &sequence), -E2BIG);
    cr_expect_eq(stage.count, 0);
    body[BODY_MAX] = '\0';
    cr_expect_eq(put("cus_a", body, &sequence), CORE_OK);
    cr_expect_leq(stage.records[0].size, RECORD_SIZE_MAX);
    free(body);
}

/* It is answered until it is dropped; what is stored is another. */
Test(object, too_large_is_in_memory_only)
{
    static char body[BODY_MAX + 1];
    struct core_object_change change = {
        .table = TABLE_CUSTOMER, .key = stage_text("cus_a"), .body = body, .length = sizeof(body)};
    struct core_object object;
    uint64_t sequence, kept;
    bool is_first = false;
    cr_assert_eq(put("cus_a", "small", &kept), CORE_OK);
    cr_assert_eq(core_object_change(stage.core, &change, stage.now, &sequence), -E2BIG);
    stage_later(&stage, 1000);
    cr_assert_eq(core_object_cache(stage.core, &change, kept, stage.now, &is_first), 0);
    cr_expect(is_first);
    cr_assert_eq(core_object_cache(stage.core, &change, kept, stage.now, &is_first), 0);
    cr_expect_not(is_first);
    cr_expect_eq(stage.count, 1);
    cr_assert_eq(get("cus_a", &object), CORE_OK);
    cr_expect_eq(object.body_length, sizeof(body));
    cr_expect_eq(object.synced_at, stage.now);
    cr_expect_eq(object.reveals, kept);
    cr_assert_eq(put("cus_a", "small", &sequence), CORE_OK); /* memory had another */
    cr_expect_eq(sequence, 2);
    cr_assert_eq(core_object_cache(stage.core, &change, 0, stage.now, &is_first), 0);
    cr_expect(is_first);
    stage_restart(&stage);
    cr_assert_eq(get("cus_a", &object), CORE_OK);
    cr_expect_eq(object.body_length, 5);
}

Test(object, a_linked_customer_that_is_too_large_is_linked_all_the_same)
{
    struct core_user who = {
        .user_id = stage_text("user_ann"), .email = stage_text("ann@x.io"), .email_verified = true};
    struct core_link link;
    char *body = malloc(RECORD_SIZE_MAX);
    memset(body, 'x', RECORD_SIZE_MAX);
    cr_assert_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_COLD);
    struct exchange exchange = stage_next(&stage, EXCHANGE_CUSTOMERS);
    struct exchange_object object = {.id = "cus_1",
                                     .id_length = 5,
                                     .email = "ann@x.io",
                                     .email_length = 8,
                                     .body = body,
                                     .body_length = RECORD_SIZE_MAX};
    struct exchange_answer answer = stage_answer(&stage, EXCHANGE_OK);
    answer.objects.rows = &object;
    answer.objects.count = 1;
    cr_assert_eq(core_exchange_done(stage.core, exchange.id, &answer, stage.now), 0);
    cr_expect_eq(core_link_get(stage.core, &who, true, STAGE_UID, stage.now, &link), CORE_OK);
    for (size_t i = 0; i < stage.count; i++)
        cr_expect_leq(stage.records[i].size, RECORD_SIZE_MAX);
    free(body);
}

/* Fills the cache beyond its 64 MiB; how many of them are in memory. */
static int fill(int count)
{
    static char body[60001];
    char key[16];
    uint64_t sequence;
    struct core_object object;
    int there = 0;
    memset(body, 'x', sizeof(body) - 1);
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "cus_%d", i);
        cr_assert_eq(put(key, body, &sequence), CORE_OK);
    }
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "cus_%d", i);
        there += get(key, &object) == CORE_OK;
    }
    return there;
}

Test(object, what_the_store_has_not_yet_stays_in_memory)
{
    struct core_object object;
    cr_expect_eq(fill(1300), 1300);
    core_set_stored(stage.core, 100);
    int there = 0;
    for (int i = 0; i < 1300; i++) {
        char key[16];
        snprintf(key, sizeof(key), "cus_%d", i);
        bool is_there = get(key, &object) == CORE_OK;
        there += is_there;
        cr_expect(is_there || i < 100, "%s is neither in the store nor in memory", key);
    }
    cr_expect_eq(there, 1200);
    core_set_stored(stage.core, stage.count);
    char key[16];
    there = 0;
    for (int i = 0; i < 1300; i++) {
        snprintf(key, sizeof(key), "cus_%d", i);
        there += get(key, &object) == CORE_OK;
    }
    cr_expect_lt(there, 1200);
    cr_expect_gt(there, 900);
    cr_expect_eq(get("cus_1299", &object), CORE_OK, "least recently used first");
}

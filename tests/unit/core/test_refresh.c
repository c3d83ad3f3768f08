/*
 * Balances that are due for a reading because they are said to have changed.
 */
#include "stage.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct stage stage;

static void setup(void)
{
    struct core_policy policy = stage_policy();

    stage_init(&stage, &policy);
    stage_know(&stage, "cus_1", "prod_1", 1, 100);
    stage_know(&stage, "cus_1", "prod_2", 1, 100);
    stage_know(&stage, "cus_2", "prod_1", 1, 100);
    stage_idle(&stage);
}

static void teardown(void)
{
    stage_deinit(&stage);
}

TestSuite(refresh, .init = setup, .fini = teardown);

static size_t refresh(const char *customer, const char *product)
{
    struct core_text a = {customer, strlen(customer)}, b = {product, strlen(product)};

    return core_refresh(stage.core, a, b, stage.now);
}

Test(refresh, those_that_are_meant_are_read_now_and_once)
{
    static const struct {
        const char *customer, *product;
        size_t count;
    } cases[] = {
        {"cus_1", "prod_2", 1}, {"cus_1", "", 2},  {"", "prod_1", 2}, {"", "", 3},
        {"cus_3", "", 0},       {"", "prod_3", 0}, {"cus_", "", 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_assert_eq(refresh(cases[i].customer, cases[i].product), cases[i].count, "case %zu", i);
        for (size_t n = 0; n < cases[i].count; n++) {
            struct exchange exchange = stage_next(&stage, EXCHANGE_BALANCE);

            stage_end_balance(&stage, &exchange, 90, 10);
        }
        stage_idle(&stage);
    }
    cr_assert_eq(stage_balance(&stage, "cus_2", "prod_1").upstream, 90);
}

/* Nobody waits for it: those who do, go first. */
Test(refresh, it_stands_behind_those_who_wait)
{
    struct core_consume command = stage_command("cus_9", "prod_1", 1);
    struct core_consumed consumed;
    struct exchange exchange;

    cr_assert_eq(refresh("", ""), 3);
    cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_COLD);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    cr_assert_arr_eq(exchange.customer, "cus_9", 5);
    stage_end(&stage, &exchange, EXCHANGE_UNANSWERED);
}

Test(refresh, one_that_fails_is_tried_again)
{
    struct exchange exchange;

    cr_assert_eq(refresh("cus_1", "prod_1"), 1);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end(&stage, &exchange, EXCHANGE_FAILED);
    exchange = stage_await(&stage, EXCHANGE_BALANCE, 10000);
    stage_end_balance(&stage, &exchange, 40, 60);
    cr_assert_eq(stage_balance(&stage, "cus_1", "prod_1").upstream, 40);
}

/* --- said while it is being read --- */

/* That reading may have been answered before the change. */
Test(refresh, what_changes_during_a_reading_is_read_again)
{
    struct exchange exchange;

    cr_assert_eq(refresh("cus_1", "prod_1"), 1);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    cr_assert_eq(refresh("cus_1", "prod_1"), 1);
    stage_end_balance(&stage, &exchange, 90, 10);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 80, 20);
    stage_idle(&stage);
    cr_assert_eq(stage_balance(&stage, "cus_1", "prod_1").upstream, 80);
}

Test(refresh, what_changes_before_a_reading_is_read_once)
{
    struct exchange exchange;

    stage_spend(&stage, "cus_1", "prod_1", 5);
    exchange = stage_await(&stage, EXCHANGE_PUSH, 10000);
    cr_assert_eq(refresh("cus_1", "prod_1"), 1);
    stage_end_push(&stage, &exchange, 5, 95);
    exchange = stage_next(&stage, EXCHANGE_BALANCE);
    stage_end_balance(&stage, &exchange, 95, 5);
    stage_idle(&stage);
}

/* --- many --- */

static void load(unsigned number)
{
    struct core_balance_rows rows = {0};
    char name[24];
    uint32_t slot;

    rows.customer =
        (struct core_text){name, (size_t)snprintf(name, sizeof(name), "many_%u", number / 3)};
    rows.product = stage_text(number % 3 == 0 ? "prod_1" : number % 3 == 1 ? "prod_2" : "prod_3");
    rows.row = (struct core_row){.id = number + 100, .upstream = 90, .synced_at = stage.now};
    rows.reading = (struct core_reading){.consumed = 10, .granted = 100}; /* as it is read again */
    cr_assert_eq(core_load_balance(stage.core, &rows, &slot), 0);
}

/* How many are read before the engine is given more time. */
static size_t read_all(void)
{
    struct exchange exchange;
    size_t count = 0;

    while (core_next_exchange(stage.core, stage.now, &exchange) == 0) {
        if (exchange.kind == EXCHANGE_PRODUCT) {
            stage_end_product(&stage, &exchange, 1);
            continue;
        }
        cr_assert_eq(exchange.kind, EXCHANGE_BALANCE);
        stage_end_balance(&stage, &exchange, 90, 10);
        count++;
    }
    return count;
}

Test(refresh, all_of_many_are_read_but_not_in_one_go)
{
    size_t first, count;
    const char *what;

    for (unsigned i = 0; i < 9000; i++)
        load(i);
    cr_assert_eq(core_check(stage.core, &what), 0);
    cr_assert_eq(refresh("", ""), 9003);
    first = count = read_all();
    cr_assert_gt(first, 0);
    cr_assert_lt(first, 5000, "as many as fit into a turn");
    while (core_wakeup(stage.core) <= stage.now) {
        cr_assert_eq(core_tick(stage.core, stage.now), 0);
        count += read_all();
    }
    cr_assert_eq(count, 9003);
    cr_assert_eq(refresh("many_7", ""), 3);
    cr_assert_eq(read_all(), 3);
    /* Another one meanwhile: both are done. */
    cr_assert_eq(refresh("", "prod_1"), 3002);
    cr_assert_eq(refresh("", "prod_2"), 3001);
    count = read_all();
    while (core_wakeup(stage.core) <= stage.now) {
        cr_assert_eq(core_tick(stage.core, stage.now), 0);
        count += read_all();
    }
    cr_assert_geq(count, 6003);
}

/* Those that upstream does not know leave their customer's. */
Test(refresh, a_name_that_is_forgotten_is_no_longer_its_customers)
{
    static const char *const products[] = {"prod_3", "prod_4", "prod_5"};
    struct core_consumed consumed;
    struct exchange exchange;
    const char *what;

    for (size_t i = 0; i < 3; i++) {
        struct core_consume command = stage_command("cus_1", products[i], 1);

        cr_assert_eq(stage_consume_with(&stage, &command, &consumed), CORE_COLD);
        exchange = stage_next(&stage, EXCHANGE_PRODUCT);
        stage_end(&stage, &exchange, EXCHANGE_NOT_FOUND);
    }
    cr_assert_eq(refresh("cus_1", ""), 2);
    cr_assert_eq(read_all(), 2);
    for (int i = 0; i < 100; i++)
        stage_later(&stage, 10000);
    cr_assert_eq(core_check(stage.core, &what), 0);
    cr_assert_eq(refresh("", "prod_4"), 0, "it is forgotten");
    cr_assert_eq(refresh("cus_1", ""), 2);
}

/*
 * Balances that are due for a reading because they are said to have changed.
 */
#include "stage.h"
#include <criterion/criterion.h>
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

/* The sandbox's pure parts: rounding, changes of a balance, the rate limit, the seed, the text
 * writer. */
#include "billing.h"
#include "model.h"
#include "options.h"
#include "rate.h"
#include "seed.h"
#include "text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

Test(sandbox, credits_are_rounded_as_upstream_does)
{
    static const struct {
        double amount;
        int64_t units, credits;
    } rows[] = {
        {1, 10, 1},
        {10, 10, 1},
        {11, 10, 2},
        {25, 10, 3},
        {0, 10, 0},
        {1, 1, 1},
        {1.9, 1, 1},
        {10.9, 10, 1},
        {0.5, 1, 0},
        {-5, 1, -5},
        {-5, 10, 0},
        {-15, 10, -1},
        {7, 0, 7},
        {2147483647, 1, 2147483647},
        {9007199254740992.0, 9007199254740992, 1},
    };
    int64_t credits;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cr_assert(credits_from_amount(rows[i].amount, rows[i].units, &credits) == 0, "row %zu", i);
        cr_assert(credits == rows[i].credits, "row %zu gives %lld", i, (long long)credits);
    }
}

Test(sandbox, credits_past_32_bits_are_refused)
{
    static const double amounts[] = {2147483648.0, -2147483649.0, 1e300, -1e300};
    int64_t credits;

    for (size_t i = 0; i < ARRAY_SIZE(amounts); i++)
        cr_assert(credits_from_amount(amounts[i], 1, &credits) == -ERANGE, "row %zu", i);
}

static void model_begin(struct model *model, struct balance **ret_balance)
{
    model_init(model);
    cr_assert(model_balance_open(model, "cus_a", "prod_a", 1000, ret_balance) == 0);
    (*ret_balance)->balance = (*ret_balance)->granted = 100;
}

Test(sandbox, a_change_moves_balance_consumed_and_granted)
{
    static const struct {
        enum transaction_type type;
        int64_t credits, balance, consumed, granted;
    } rows[] = {
        {TRANSACTION_DEDUCT, 30, 70, 30, 100},
        {TRANSACTION_REFUND, 10, 80, 20, 100},
        {TRANSACTION_GRANT, 5, 85, 20, 105},
        {TRANSACTION_DEDUCT, -5, 90, 15, 105},
    };
    struct model model;
    struct balance *balance;

    model_begin(&model, &balance);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct change change;

        change_read(balance, rows[i].type, rows[i].credits, &change);
        cr_assert(change_write(&model, &change, &(struct change_note){0}, 2000, NULL) == 0);
        cr_assert(balance->balance == rows[i].balance, "row %zu", i);
        cr_assert(balance->consumed == rows[i].consumed, "row %zu", i);
        cr_assert(balance->granted == rows[i].granted, "row %zu", i);
    }
    cr_assert(model.transactions.count == ARRAY_SIZE(rows));
    model_deinit(&model);
}

Test(sandbox, two_changes_read_at_once_overwrite_one_another)
{
    struct model model;
    struct balance *balance;
    struct change first, second;

    model_begin(&model, &balance);
    change_read(balance, TRANSACTION_DEDUCT, 1, &first);
    change_read(balance, TRANSACTION_DEDUCT, 1, &second);
    cr_assert(change_write(&model, &first, &(struct change_note){0}, 2000, NULL) == 0);
    cr_assert(change_write(&model, &second, &(struct change_note){0}, 2000, NULL) == 0);
    cr_assert(balance->balance == 99);
    cr_assert(model.transactions.count == 2);
    model_deinit(&model);
}

Test(sandbox, row_and_balance_can_be_left_out)
{
    struct model model;
    struct balance *balance;
    struct change change;
    struct transaction *row;

    model_begin(&model, &balance);
    change_read(balance, TRANSACTION_DEDUCT, 1, &change);
    cr_assert(change_write(&model, &change, &(struct change_note){.skip_balance = true}, 1, &row) ==
              0);
    cr_assert(row && balance->balance == 100 && model.transactions.count == 1);
    cr_assert(change_write(&model, &change, &(struct change_note){.skip_row = true}, 1, &row) == 0);
    cr_assert(!row && balance->balance == 99 && model.transactions.count == 1);
    model_deinit(&model);
}

Test(sandbox, the_rate_limit_is_a_window_from_its_first_request)
{
    static const struct {
        int64_t limit, now;
        bool passes;
        int64_t remaining, reset, retry_after;
    } rows[] = {
        {2, 5500, true, 1, 66, 60},  {2, 6000, true, 0, 66, 60},   {2, 7000, false, 0, 66, 59},
        {2, 65499, false, 0, 66, 1}, {2, 65500, true, 1, 126, 60}, {3, 65600, true, 2, 126, 60},
        {0, 65700, true, 0, 0, 0},
    };
    struct rate rate = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct rate_notice notice;
        bool passes = rate_take(&rate, rows[i].limit, 60000, rows[i].now, &notice);

        cr_assert(passes == rows[i].passes, "row %zu", i);
        cr_assert(notice.limit == rows[i].limit, "row %zu", i);
        cr_assert(notice.remaining == rows[i].remaining, "row %zu", i);
        cr_assert(notice.reset == rows[i].reset, "row %zu: %lld", i, (long long)notice.reset);
        cr_assert(notice.retry_after == rows[i].retry_after, "row %zu: %lld", i,
                  (long long)notice.retry_after);
    }
}

static int seed_text(struct model *model, const char *text, char **ret_error)
{
    json_t *seed = json_loads(text, 0, NULL);
    int r;

    cr_assert(seed != NULL, "%s", text);
    *ret_error = NULL;
    r = seed_load(model, seed, 1000, ret_error);
    json_decref(seed);
    return r;
}

Test(sandbox, a_seed_makes_what_only_balances_name)
{
    struct model model;
    char *error;

    model_init(&model);
    cr_assert(
        seed_text(
            &model,
            "{\"balances\": [{\"customer_id\": \"cus_x\", \"product_id\": \"prod_x\","
            " \"balance\": 7}], \"products\": [{\"id\": \"prod_y\","
            " \"units_per_credit\": 10, \"unit\": \"chars\", \"total_credits\": 9}],"
            " \"generate\": {\"customers\": 1000, \"product_id\": \"prod_y\", \"balance\": 3}}",
            &error) == 0);
    cr_assert(model_balance(&model, "cus_x", "prod_x")->balance == 7);
    cr_assert(model_product(&model, "prod_x")->units_per_credit == 1);
    cr_assert(model_product(&model, "prod_y")->units_per_credit == 10);
    cr_assert(model_balance(&model, "cus_0", "prod_y")->balance == 3);
    cr_assert(model_balance(&model, "cus_999", "prod_y")->balance == 3);
    cr_assert(model_balance(&model, "cus_1000", "prod_y") == NULL);
    cr_assert(model_balance(&model, "cus_x", "prod_y") == NULL);
    model_deinit(&model);
}

Test(sandbox, a_seed_has_customers_in_full_subscriptions_and_payments)
{
    const struct subscription *subscription;
    const struct payment *payment;
    const struct customer *customer;
    struct model model;
    char *error;

    model_init(&model);
    cr_assert(seed_text(&model,
                        "{\"customers\": [{\"id\": \"cus_a\", \"phone\": \"1\", \"image\": \"i\","
                        " \"wallets\": [{\"address\": \"GA\"}], \"metadata\": {\"a\": \"1\"}}],"
                        " \"subscriptions\": [{\"id\": \"sub_a\", \"customer_id\": \"cus_a\","
                        " \"product_id\": \"prod_x\", \"status\": \"paused\","
                        " \"metadata\": {\"b\": \"2\"}}, {\"customer_id\": \"cus_b\","
                        " \"product_id\": \"prod_x\"}],"
                        " \"payments\": [{\"id\": \"pay_a\", \"customer_id\": \"cus_a\","
                        " \"amount\": \"1 XLM\", \"product_id\": \"prod_x\"}]}",
                        &error) == 0,
              "%s", error);
    customer = model_customer(&model, "cus_a");
    cr_assert(strcmp(customer->phone, "1") == 0 && strcmp(customer->image, "i") == 0);
    cr_assert(strstr(customer->wallets, "\"address\":\"GA\""), "%s", customer->wallets);
    cr_assert(strcmp(customer->metadata, "{\"a\":\"1\"}") == 0);
    subscription = model_subscription(&model, "sub_a");
    cr_assert(subscription->customer == customer && subscription->status == SUBSCRIPTION_PAUSED);
    cr_assert(strcmp(subscription->metadata, "{\"b\":\"2\"}") == 0);
    cr_assert(model_subscription(&model, "sub_00000002")->status == SUBSCRIPTION_ACTIVE);
    payment = model_payment(&model, "pay_a");
    cr_assert(payment->customer == customer && payment->status == PAYMENT_CONFIRMED);
    cr_assert(strcmp(payment->amount, "1 XLM") == 0);
    cr_assert(payment->product == model_product(&model, "prod_x"));
    model_deinit(&model);
}

Test(sandbox, a_wrong_seed_says_what_is_wrong)
{
    static const char *const rows[][2] = {
        {"[]", "not a JSON object"},
        {"{\"balance\": []}", "\"balance\" is not known"},
        {"{\"products\": {}}", "products: is not an array"},
        {"{\"products\": [{}]}", "products: each needs an \"id\""},
        {"{\"products\": [{\"id\": \"a\"}, {\"id\": \"a\"}]}", "a is there twice"},
        {"{\"customers\": [1]}", "customers: each needs an \"id\""},
        {"{\"balances\": [{\"customer_id\": \"a\", \"product_id\": \"b\"}]}",
         "a whole \"balance\""},
        {"{\"generate\": {\"customers\": -1}}", "generate: needs"},
        {"{\"customers\": [{\"id\": \"a\", \"wallets\": {}}]}", "is not an array"},
        {"{\"customers\": [{\"id\": \"a\", \"wallets\": [{}]}]}", "needs an \"address\""},
        {"{\"customers\": [{\"id\": \"a\", \"metadata\": {\"b\": 1}}]}", "metadata: expected"},
        {"{\"subscriptions\": [{\"customer_id\": \"a\"}]}", "subscriptions: each needs"},
        {"{\"subscriptions\": [{\"customer_id\": \"a\", \"product_id\": \"b\", \"status\": 1}]}",
         "subscriptions: status"},
        {"{\"subscriptions\": [{\"id\": \"s\", \"customer_id\": \"a\", \"product_id\": \"b\"},"
         " {\"id\": \"s\", \"customer_id\": \"a\", \"product_id\": \"b\"}]}",
         "subscriptions: an \"id\" is there twice"},
        {"{\"payments\": [{\"customer_id\": \"a\"}]}", "payments: each needs"},
        {"{\"payments\": [{\"id\": \"p\", \"customer_id\": \"a\", \"amount\": 1},"
         " {\"id\": \"p\", \"customer_id\": \"a\", \"amount\": 1}]}",
         "payments: an \"id\" is there twice"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(cleanup_free) char *error = NULL;
        struct model model;

        model_init(&model);
        cr_assert(seed_text(&model, rows[i][0], &error) == -EINVAL, "row %zu", i);
        cr_assert(error && strstr(error, rows[i][1]), "row %zu: %s", i, error);
        model_deinit(&model);
    }
}

Test(sandbox, the_default_seed_loads)
{
    struct model model;

    model_init(&model);
    cr_assert(seed_load_default(&model, 1000) == 0);
    cr_assert(model_balance(&model, "cus_ada", "prod_tokens")->balance == 1000000);
    cr_assert(model_balance(&model, "cus_grace", "prod_chars")->product->units_per_credit == 10);
    model_deinit(&model);
}

Test(sandbox, made_up_customers_avoid_names_in_use)
{
    struct model model;
    struct customer *customer;

    model_init(&model);
    cr_assert(model_customer_add(&model, "cus_00000002", 1, &customer) == 0);
    cr_assert(model_customer_add(&model, NULL, 1, &customer) == 0);
    cr_assert(strcmp(customer->id, "cus_00000003") == 0, "%s", customer->id);
    cr_assert(model_customer_add(&model, "cus_00000003", 1, &customer) == -EEXIST);
    model_deinit(&model);
}

Test(sandbox, texts_are_escaped_as_json)
{
    CLEANUP(text_deinit) struct text text = {0};
    CLEANUP(cleanup_free) char *written = NULL;

    text_add_json(&text, "a\"b\\c\nd\x01é");
    text_add_json(&text, NULL);
    written = text_take(&text, NULL);
    cr_assert(strcmp(written, "\"a\\\"b\\\\c\\u000ad\\u0001é\"null") == 0, "%s", written);
}

Test(sandbox, only_loopback_addresses_are_taken)
{
    static const struct {
        const char *text;
        int result, family;
    } rows[] = {
        {"127.0.0.1:0", 0, AF_INET},
        {"127.9.9.9:65535", 0, AF_INET},
        {"localhost:80", 0, AF_INET},
        {"[::1]:1", 0, AF_INET6},
        {"0.0.0.0:1", -EINVAL, 0},
        {"192.168.1.1:1", -EINVAL, 0},
        {"[::]:1", -EINVAL, 0},
        {"127.0.0.1", -EINVAL, 0},
        {"127.0.0.1:", -EINVAL, 0},
        {"127.0.0.1:65536", -EINVAL, 0},
        {"127.0.0.1:-1", -EINVAL, 0},
        {"127.0.0.1:1x", -EINVAL, 0},
        {"example.com:1", -EINVAL, 0},
        {":1", -EINVAL, 0},
        {"", -EINVAL, 0},
    };
    struct sockaddr_storage address;
    socklen_t length;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int r = address_parse(rows[i].text, &address, &length);

        cr_assert(r == rows[i].result, "%s", rows[i].text);
        cr_assert(r < 0 || address.ss_family == rows[i].family, "%s", rows[i].text);
    }
}

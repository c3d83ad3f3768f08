/* creditd-sync and creditd-sandbox, both real: every form in which the sandbox can answer. */
#include "pair.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

static json_t *balance(struct pair *pair, const char *customer)
{
    return harness_call(&pair->rig.serve, "upstream.balance", "{s:s, s:s}", "customer_id", customer,
                        "product_id", "prod_chars");
}

static json_t *deduct(struct pair *pair, int credits, const char *push, const char *key)
{
    return harness_call(
        &pair->rig.serve, "upstream.transaction", "{s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:i}",
        "customer_id", "cus_ada", "product_id", "prod_chars", "type", "deduct", "amount",
        credits * 10, "push_id", push, "idempotency_key", key, "reason", "a test", "timeout", 2000);
}

static json_t *history(struct pair *pair, int limit, int offset)
{
    return harness_call(&pair->rig.serve, "upstream.history", "{s:s, s:s, s:i, s:i}", "customer_id",
                        "cus_ada", "product_id", "prod_chars", "limit", limit, "offset", offset);
}

/* Credits of the rows that bear the push id, and how many they are. */
static int64_t pushed(struct pair *pair, const char *push, size_t *ret_rows)
{
    json_t *answer = history(pair, 100, 0), *row;
    int64_t credits = 0;
    size_t index;

    *ret_rows = 0;
    cr_assert_str_eq(harness_text(answer, "outcome"), "ok");
    json_array_foreach(json_object_get(json_object_get(answer, "history"), "rows"), index, row)
    {
        const char *id = json_string_value(json_object_get(row, "push_id"));

        if (!id || strcmp(id, push) != 0)
            continue;
        credits += harness_int(row, "credits");
        cr_expect_str_eq(harness_text(row, "type"), "deduct");
        cr_expect(harness_int(row, "created_at") > INT64_C(1600000000000));
        ++*ret_rows;
    }
    json_decref(answer);
    return credits;
}

static void expect(json_t *answer, const char *expected, const char *what)
{
    rig_expect(answer, expected, what);
    json_decref(answer);
}

/* Spends 7, reads the balance, finds the row. */
static void spend_and_look(struct pair *pair, const char *push, const char *what)
{
    int64_t before = sandbox_balance(&pair->sandbox, "cus_ada", "prod_chars");
    json_t *answer;
    size_t rows;

    answer = deduct(pair, 7, push, push);
    rig_expect(answer, "{\"outcome\":\"ok\",\"http_status\":200,\"message\":null}", what);
    cr_expect_eq(harness_int(json_object_get(answer, "transaction"), "credits_deducted"), 7);
    cr_expect_eq(harness_int(json_object_get(answer, "transaction"), "balance"), before - 7);
    json_decref(answer);
    answer = balance(pair, "cus_ada");
    cr_expect_eq(harness_int(json_object_get(answer, "balance"), "balance"), before - 7, "%s",
                 what);
    json_decref(answer);
    cr_expect_eq(pushed(pair, push, &rows), 7, "%s", what);
    cr_expect_eq(rows, 1, "%s", what);
}

Test(sandbox, every_form_of_answer_is_read)
{
    static const char *const forms[] = {
        "{\"envelope\":\"object\",\"list_form\":\"list\",\"transaction_form\":\"short\"}",
        "{\"envelope\":\"data\",\"list_form\":\"data\",\"transaction_form\":\"balance\"}",
        "{\"envelope\":\"object\",\"list_form\":\"bare\",\"transaction_form\":\"balance\"}",
    };
    struct pair pair;

    pair_init(&pair, "");
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        char push[32];

        snprintf(push, sizeof push, "psh_form_%zu", i);
        sandbox_order(&pair.sandbox, forms[i]);
        spend_and_look(&pair, push, forms[i]);
    }
    pair_deinit(&pair);
}

Test(sandbox, the_older_server_under_api_is_read)
{
    struct pair pair;

    pair_init(&pair, "/api");
    spend_and_look(&pair, "psh_old_1", "camelCase");
    expect(harness_call(&pair.rig.serve, "upstream.product", "{s:s}", "product_id", "prod_chars"),
           "{\"outcome\":\"no_endpoint\"}", "no product endpoint");
    pair_deinit(&pair);
}

Test(sandbox, products_balances_and_pages)
{
    struct pair pair;
    json_t *answer;

    pair_init(&pair, "");
    answer = harness_call(&pair.rig.serve, "upstream.product", "{s:s}", "product_id", "prod_chars");
    rig_expect(answer, "{\"outcome\":\"ok\"}", "product");
    cr_expect_eq(harness_int(json_object_get(answer, "product"), "units_per_credit"), 10);
    cr_expect(harness_bool(json_object_get(answer, "product"), "has_units"));
    json_decref(answer);
    expect(harness_call(&pair.rig.serve, "upstream.product", "{s:s}", "product_id", "prod_none"),
           "{\"outcome\":\"not_found\",\"http_status\":404}", "no product");
    sandbox_order(&pair.sandbox, "{\"missing_balance\":\"null\"}");
    expect(balance(&pair, "cus_nobody"), "{\"outcome\":\"no_balance\"}", "null");
    for (int i = 0; i < 3; i++) {
        char push[16];

        snprintf(push, sizeof push, "psh_%d", i);
        json_decref(deduct(&pair, 1, push, push));
    }
    answer = history(&pair, 2, 0);
    cr_expect_eq(json_array_size(json_object_get(json_object_get(answer, "history"), "rows")), 2);
    cr_expect(harness_bool(json_object_get(answer, "history"), "has_more"));
    json_decref(answer);
    answer = history(&pair, 2, 2);
    cr_expect_eq(json_array_size(json_object_get(json_object_get(answer, "history"), "rows")), 1);
    cr_expect(!harness_bool(json_object_get(answer, "history"), "has_more"));
    json_decref(answer);
    pair_deinit(&pair);
}

Test(sandbox, P2_each_fault_has_its_outcome_and_at_most_one_row)
{
    static const struct {
        const char *faults, *outcome;
        int rows; /* that the deduct leaves upstream */
    } table[] = {
        {"{\"error_before_commit\":1}", "error", 0},
        {"{\"error_after_commit\":1}", "error", 1},
        {"{\"reset_before\":1}", "unanswered", 0},
        {"{\"reset_after\":1}", "unanswered", 1},
        {"{\"hang\":1,\"hang_commits\":true}", "unanswered", 1},
        {"{\"hang\":1,\"hang_commits\":false}", "unanswered", 0},
        {"{\"stuck_lock\":1}", "error", 0},
        {"{\"insufficient\":1}", "insufficient", 0},
        {"{\"insufficient\":1,\"error_form\":\"object\"}", "insufficient", 0},
        {"{\"insufficient\":1,\"business_status\":\"400\"}", "insufficient", 0},
        {"{\"html\":1}", "failed", 0},
        {"{\"html\":1,\"html_commits\":true}", "failed", 1},
        {"{\"empty\":1}", "failed", 1},
        {"{\"garbage\":1}", "failed", 1},
        {"{\"down\":true}", "unanswered", 0},
        {"{\"unauthorized\":true}", "unauthorized", 0},
        {"{\"forbidden\":true}", "forbidden", 0},
    };
    struct pair pair;

    pair_init(&pair, "");
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        int64_t before = sandbox_transaction_count(&pair.sandbox);
        char push[32], expected[64];

        snprintf(push, sizeof push, "psh_fault_%zu", i);
        snprintf(expected, sizeof expected, "{\"outcome\":\"%s\"}", table[i].outcome);
        sandbox_order(&pair.sandbox, table[i].faults);
        expect(deduct(&pair, 3, push, push), expected, table[i].faults);
        sandbox_order(&pair.sandbox, "{\"reset\":true}");
        cr_expect_eq(sandbox_transaction_count(&pair.sandbox) - before, table[i].rows, "%s",
                     table[i].faults);
    }
    pair_deinit(&pair);
}

Test(sandbox, P6_the_limit_is_told)
{
    struct pair pair;
    json_t *answer;
    const json_t *rate;

    pair_init(&pair, "");
    sandbox_order(&pair.sandbox, "{\"rate_limit\":2}");
    for (int i = 0; i < 2; i++) {
        answer = balance(&pair, "cus_ada");
        rate = json_object_get(answer, "rate");
        rig_expect(answer, "{\"outcome\":\"ok\"}", "below the limit");
        cr_expect_eq(harness_int(rate, "limit"), 2);
        cr_expect_eq(harness_int(rate, "remaining"), 1 - i);
        json_decref(answer);
    }
    answer = balance(&pair, "cus_ada");
    rate = json_object_get(answer, "rate");
    rig_expect(answer, "{\"outcome\":\"rate_limited\",\"http_status\":429}", "over the limit");
    cr_expect_eq(harness_int(rate, "remaining"), 0);
    cr_expect(harness_int(rate, "reset_in") >= 0 && harness_int(rate, "reset_in") <= 61000);
    cr_expect(harness_int(answer, "server_time") > INT64_C(1600000000000));
    json_decref(answer);
    pair_deinit(&pair);
}

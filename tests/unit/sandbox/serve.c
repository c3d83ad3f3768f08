/* Whole exchanges without HTTP: keys, refusals, each form of an answer, credits and customers. */
#include "steps.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define DEDUCT "/customers/cus_a/credits/prod_a/transaction"
#define OLD_DEDUCT "/api" DEDUCT
#define FIVE "{\"amount\": 5, \"type\": \"deduct\"}"
#define SEVEN "{\"amount\": 7, \"type\": \"deduct\"}"

Test(sandbox_keys, an_answer_is_replayed_whatever_the_body)
{
    STEPS_RUN({NULL, "POST", DEDUCT, "k1", FIVE, 200, "\"balance\":95", 95},
              {NULL, "POST", DEDUCT, "k1", FIVE, 200, "\"balance\":95", 95},
              {NULL, "POST", DEDUCT, "k1", SEVEN, 200, "\"credits_deducted\":5", 95},
              {NULL, "POST", DEDUCT, "k2", SEVEN, 200, "\"balance\":88", 88},
              {NULL, "POST", DEDUCT, NULL, SEVEN, 200, "\"balance\":81", 81});
}

Test(sandbox_keys, a_lost_answer_is_replayed)
{
    STEPS_RUN({"reset_after=1", "POST", DEDUCT, "k1", FIVE, 0, NULL, 95},
              {"reset_after=0", "POST", DEDUCT, "k1", FIVE, 200, "\"balance\":95", 95},
              {"empty=1", "POST", DEDUCT, "k2", FIVE, 200, "", 90},
              {"empty=0 garbage=1", "POST", DEDUCT, "k2", FIVE, 200, "{\"bal", 90},
              {"garbage=0", "POST", DEDUCT, "k2", FIVE, 200, "\"balance\":90", 90});
}

Test(sandbox_keys, a_stuck_lock_answers_409_for_ever)
{
    STEPS_RUN({"stuck_lock=1", "POST", DEDUCT, "k1", FIVE, 500, NULL, 100},
              {"stuck_lock=0", "POST", DEDUCT, "k1", FIVE, 409, "Request in progress", 100},
              {NULL, "POST", DEDUCT, "k1", FIVE, 409, NULL, 100},
              {NULL, "POST", DEDUCT, "k2", FIVE, 200, NULL, 95});
}

Test(sandbox_keys, a_500_is_not_remembered)
{
    STEPS_RUN({"error_before_commit=1", "POST", DEDUCT, "k1", FIVE, 500, NULL, 100},
              {"error_before_commit=0", "POST", DEDUCT, "k1", FIVE, 200, NULL, 95},
              {"error_after_commit=1", "POST", DEDUCT, "k2", FIVE, 500, NULL, 90},
              {"error_after_commit=0", "POST", DEDUCT, "k2", FIVE, 200, NULL, 85},
              {"insufficient=true", "POST", DEDUCT, "k3", FIVE, 500, "Insufficient credits", 85},
              {"insufficient=false", "POST", DEDUCT, "k3", FIVE, 200, NULL, 80},
              {"insufficient=true business_status=400", "POST", DEDUCT, "k4", FIVE, 400, NULL, 80},
              {"insufficient=false", "POST", DEDUCT, "k4", FIVE, 400, "Insufficient credits", 80});
}

Test(sandbox_keys, older_servers_ignore_keys)
{
    STEPS_RUN({"key_ignored=true", "POST", DEDUCT, "k1", FIVE, 200, NULL, 95},
              {NULL, "POST", DEDUCT, "k1", FIVE, 200, NULL, 90},
              {"key_ignored=false", "POST", OLD_DEDUCT, "k2", FIVE, 200, NULL, 85},
              {NULL, "POST", OLD_DEDUCT, "k2", FIVE, 200, NULL, 80});
}

Test(sandbox_serve, refusals_change_nothing)
{
    STEPS_RUN(
        {"rate_limit=1", "GET", "/customers", NULL, NULL, 200, NULL, 100},
        {NULL, "POST", DEDUCT, "k1", FIVE, 429, "Too many requests", 100},
        {"rate_limit=0 unauthorized=true", "POST", DEDUCT, "k1", FIVE, 401, "Unauthorized", 100},
        {"unauthorized=false forbidden=true", "POST", DEDUCT, "k1", FIVE, 403, "Forbidden", 100},
        {"forbidden=false down=true", "POST", DEDUCT, "k1", FIVE, 0, NULL, 100},
        {"down=false reset_before=1", "POST", DEDUCT, "k1", FIVE, 0, NULL, 100},
        {"reset_before=0 html=1", "POST", DEDUCT, "k1", FIVE, 502, "<html>", 100},
        {"html=0", "POST", DEDUCT, "k1", FIVE, 200, NULL, 95});
}

Test(sandbox_serve, transactions_are_validated_as_upstream_does)
{
    STEPS_RUN({NULL, "POST", DEDUCT, NULL, NULL, 400, "body", 100},
              {NULL, "POST", DEDUCT, NULL, "[]", 400, "body", 100},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": \"5\", \"type\": \"deduct\"}", 400,
               "amount", 100},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": 5, \"type\": \"take\"}", 400, "type", 100},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": 5, \"type\": \"deduct\", \"reason\": 1}",
               400, "reason", 100},
              {NULL, "POST", OLD_DEDUCT, NULL, "{\"amount\": 5}", 500, "type", 100},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": 101, \"type\": \"deduct\"}", 500,
               "{\"error\":\"Insufficient credits: 100 < 101\"}", 100},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": 4294967296, \"type\": \"grant\"}", 500,
               "out of range", 100},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": -5, \"type\": \"deduct\"}", 200,
               "\"balance\":105", 105},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": 5, \"type\": \"refund\"}", 200,
               "\"balance\":110", 110},
              {NULL, "POST", DEDUCT, NULL, "{\"amount\": 5, \"type\": \"grant\"}", 200,
               "\"balance\":115", 115},
              {NULL, "POST", DEDUCT, NULL,
               "{\"amount\": 500, \"type\": \"deduct\", \"dry_run\": true}", 200,
               "{\"is_sufficient\":false,\"remaining_balance\":115}", 115},
              {NULL, "POST", "/customers/cus_a/credits/prod_b/transaction", NULL, FIVE, 500,
               "not found", 115});
}

Test(sandbox_serve, row_and_balance_can_part)
{
    STEPS_RUN({"row_without_balance=1", "POST", DEDUCT, NULL, FIVE, 200, "\"balance\":95", 100},
              {"row_without_balance=0 balance_without_row=1", "POST", DEDUCT, NULL, FIVE, 200,
               "\"balance\":95", 95},
              {"balance_without_row=0", "GET", "/_sandbox/dump", NULL, NULL, 200,
               "\"transaction_count\":1", 95});
}

Test(sandbox_serve, each_form_of_an_answer)
{
    static const char balance[] = "/customers/cus_a/credits/prod_a";
    static const char none[] = "/customers/cus_a/credits/prod_b";
    static const char history[] = "/customers/cus_a/credits/transactions?limit=1";

    STEPS_RUN(
        {NULL, "GET", balance, NULL, NULL, 200, "{\"id\":\"cb_00000001\",\"customer_id\":\"cus_a\"",
         100},
        {"envelope=data", "GET", balance, NULL, NULL, 200, "{\"data\":{\"id\":", 100},
        {NULL, "GET", none, NULL, NULL, 404, "{\"error\":\"Credit balance not found\"}", 100},
        {"error_form=object", "GET", none, NULL, NULL, 404,
         "{\"error\":{\"code\":\"NOT_FOUND\",\"message\":\"Credit balance not found\"}}", 100},
        {"missing_balance=null", "GET", none, NULL, NULL, 200, "{\"data\":null}", 100},
        {"envelope=object", "GET", none, NULL, NULL, 200, "null", 100},
        {NULL, "GET", history, NULL, NULL, 200,
         "{\"object\":\"list\",\"data\":[],\"has_more\":false}", 100},
        {"list_form=data", "GET", history, NULL, NULL, 200, "{\"data\":[],\"has_more\":false}",
         100},
        {"list_form=bare", "GET", history, NULL, NULL, 200, "[]", 100},
        {NULL, "GET", "/api/customers/cus_a/credits/transactions?limit=1", NULL, NULL, 200,
         "{\"data\":[]}", 100},
        {NULL, "GET", "/api/customers/cus_a/credits/prod_a", NULL, NULL, 200,
         "\"customerId\":\"cus_a\"", 100},
        {NULL, "POST", OLD_DEDUCT, NULL, FIVE, 200,
         "\"transaction\":{\"id\":\"ct_00000001\",\"customerId\"", 95},
        {"transaction_form=balance", "POST", DEDUCT, NULL, FIVE, 200,
         "\"transaction\":{\"id\":\"ct_00000002\"", 90},
        {NULL, "POST", OLD_DEDUCT, NULL, "{\"amount\": 5, \"type\": \"deduct\", \"dry_run\": true}",
         200, "{\"data\":{\"isSufficient\":true,\"remainingBalance\":90}}", 90},
        {NULL, "GET", "/product/prod_a", NULL, NULL, 200, "\"units_per_credit\":1,", 90},
        {"units_fields=false", "GET", "/product/prod_a", NULL, NULL, 200, "Z\"}", 90},
        {NULL, "GET", "/product/prod_c", NULL, NULL, 404, "Product not found", 90},
        {"no_product_endpoint=true", "GET", "/product/prod_a", NULL, NULL, 404, "<html>", 90});
}

static void history_check(const char *target, const char *rows)
{
    struct step step = {NULL, "GET", target, NULL, NULL, 0, NULL, 0};
    CLEANUP(cleanup_free) char *error = NULL;
    struct sandbox sandbox;
    struct reply reply;
    char seen[64] = "";

    sandbox_begin(&sandbox);
    for (int i = 1; i <= 5; i++) {
        struct step deduct = {
            NULL, "POST", i == 3 ? "/customers/cus_a/credits/prod_b/transaction" : DEDUCT,
            NULL, FIVE,   0,
            NULL, 0};
        struct balance *balance;

        cr_assert(model_balance_open(&sandbox.model, "cus_a", "prod_b", 1000, &balance) == 0);
        balance->balance = 100;
        step_serve(&sandbox, &deduct, &reply);
        reply_deinit(&reply);
    }
    sandbox_faults_order(&sandbox, "list_form=list");
    step_serve(&sandbox, &step, &reply);
    for (const char *at = reply.body; (at = strstr(at, "\"ct_")); at++)
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%c",
                 at[strlen("\"ct_0000000")]);
    if (strstr(reply.body, "\"has_more\":true"))
        strcat(seen, "+");
    if (reply.status != 200)
        snprintf(seen, sizeof(seen), "%u", reply.status);
    cr_assert(strcmp(seen, rows) == 0, "%s gives %s, not %s", target, seen, rows);
    reply_deinit(&reply);
    sandbox_deinit(&sandbox);
}

Test(sandbox_serve, history_is_paged_newest_first)
{
    static const struct {
        const char *query, *rows;
    } rows[] = {
        {"?limit=100", "54321"},
        {"?limit=2", "54+"},
        {"?limit=2&offset=2", "32+"},
        {"?limit=2&offset=3", "21"},
        {"?limit=2&offset=9", ""},
        {"?limit=3&product_id=prod_a", "542+"},
        {"?limit=3&product_id=prod_b", "3"},
        {"?limit=3&product_id=prod_c", ""},
        {"", ""},
        {"?limit=0", ""},
        {"?limit=101", "400"},
        {"?limit=x", "400"},
        {"?limit=1&offset=-1", "400"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char target[128];

        snprintf(target, sizeof(target), "/customers/cus_a/credits/transactions%s", rows[i].query);
        history_check(target, rows[i].rows);
    }
}

static void customers_check(struct sandbox *sandbox, const char *target, const char *ids)
{
    struct step step = {NULL, "GET", target, NULL, NULL, 0, NULL, 0};
    struct reply reply;
    char seen[64] = "";

    step_serve(sandbox, &step, &reply);
    for (const char *at = reply.body; (at = strstr(at, "\"id\":\"cus_")); at++)
        snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%c",
                 at[strlen("\"id\":\"cus_")]);
    if (strstr(reply.body, "\"has_more\":true"))
        strcat(seen, "+");
    cr_assert(strcmp(seen, ids) == 0, "%s gives %s, not %s", target, seen, ids);
    reply_deinit(&reply);
}

Test(sandbox_serve, customers_are_paged_and_filtered)
{
    static const char *const ids[] = {"cus_a", "cus_b", "cus_c", "cus_d"};
    struct sandbox sandbox;
    struct customer *customer;

    sandbox_init(&sandbox, 1);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        cr_assert(model_customer_add(&sandbox.model, ids[i], 1, &customer) == 0);
        cr_assert(asprintf(&customer->email, "%s@example.com", ids[i]) > 0);
    }
    customers_check(&sandbox, "/customers", "dcba");
    customers_check(&sandbox, "/customers?limit=2", "dc+");
    customers_check(&sandbox, "/customers?limit=2&starting_after=cus_c", "ba");
    customers_check(&sandbox, "/customers?limit=2&ending_before=cus_b", "dc");
    customers_check(&sandbox, "/customers?limit=1&ending_before=cus_b", "c+");
    customers_check(&sandbox, "/customers?email=cus_b%40example.com", "b");
    customers_check(&sandbox, "/customers?email=CUS_B%40example.com", "");
    customers_check(&sandbox, "/api/customers?email=cus_b%40example.com", "dcba");
    sandbox_faults_order(&sandbox, "email_filter=false");
    customers_check(&sandbox, "/customers?email=cus_b%40example.com", "dcba");
    sandbox_deinit(&sandbox);
}

Test(sandbox_serve, customers_are_made_and_changed)
{
    STEPS_RUN({NULL, "POST", "/customers", NULL,
               "[{\"email\": \"a@b\", \"metadata\": {\"x\": \"1\"}}]", 200,
               "{\"object\":\"list\",\"data\":[{\"id\":\"cus_00000002\"", 100},
              {NULL, "POST", "/customers", NULL, "{\"email\": \"a@b\"}", 200,
               "{\"id\":\"cus_00000003\"", 100},
              {NULL, "PUT", "/customers/cus_00000002", NULL,
               "{\"name\": \"A\", \"metadata\": {\"y\": \"2\"}}", 200,
               "\"metadata\":{\"x\":\"1\",\"y\":\"2\"}", 100},
              {NULL, "GET", "/customers/cus_00000002", NULL, NULL, 200, "\"name\":\"A\"", 100},
              {NULL, "POST", "/customers", NULL, "[{\"email\": \"c@d\"}, {\"name\": \"no email\"}]",
               400, "email", 100},
              {NULL, "POST", "/customers", NULL, "[]", 400, "at least one", 100},
              {NULL, "PUT", "/customers/cus_x", NULL, "{}", 404, "Customer not found", 100},
              {NULL, "GET", "/customers/cus_00000004", NULL, NULL, 404, "Customer not found", 100});
}

Test(sandbox_serve, metadata_keeps_its_names_in_camel_case)
{
    STEPS_RUN({NULL, "POST", OLD_DEDUCT, NULL,
               "{\"amount\": 5, \"type\": \"deduct\", \"metadata\": {\"push_id\": {\"a_b\": 1}}}",
               200, "\"metadata\":{\"push_id\":{\"a_b\":1}},\"createdAt\"", 95});
}

Test(sandbox_serve, grants_from_elsewhere)
{
    STEPS_RUN(
        {NULL, "POST", "/_sandbox/grant", NULL,
         "{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"amount\": 10}", 200,
         "\"balance\":110", 110},
        {NULL, "POST", "/_sandbox/grant", NULL,
         "{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"amount\": -40}", 200,
         "\"consumed\":40", 70},
        {NULL, "POST", "/_sandbox/grant", NULL,
         "{\"customer_id\": \"cus_a\", \"product_id\": \"prod_a\", \"amount\": -40, \"record\": "
         "false}",
         200, NULL, 30},
        {"down=true", "GET", "/_sandbox/dump", NULL, NULL, 200, "\"transaction_count\":2", 30},
        {NULL, "GET", "/_sandbox/dump", NULL, NULL, 200, "\"total\":0", 30},
        {NULL, "POST", "/_sandbox/grant", NULL, "{\"amount\": 1}", 400, NULL, 30});
}

/* Which endpoint a path leads to, and the decoding of paths and queries. */
#include "router.h"
#include "sandbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

Test(sandbox_router, every_path_finds_its_endpoint)
{
    static const struct {
        const char *method, *path;
        int result;
        endpoint_fn run;
        const char *first, *second;
        bool old;
    } rows[] = {
        {"GET", "/customers", MATCH_FOUND, endpoint_customers_list, NULL, NULL, false},
        {"POST", "/customers", MATCH_FOUND, endpoint_customers_create, NULL, NULL, false},
        {"GET", "/customers/cus_a", MATCH_FOUND, endpoint_customer_get, "cus_a", NULL, false},
        {"PUT", "/customers/cus_a", MATCH_FOUND, endpoint_customer_update, "cus_a", NULL, false},
        {"GET", "/customers/a%2Fb%20c", MATCH_FOUND, endpoint_customer_get, "a/b c", NULL, false},
        {"GET", "/product/p", MATCH_FOUND, endpoint_product_get, "p", NULL, false},
        {"GET", "/customers/c/credits/p", MATCH_FOUND, endpoint_balance_get, "c", "p", false},
        {"GET", "/customers/c/credits/transactions", MATCH_FOUND, endpoint_transactions_list, "c",
         NULL, false},
        {"POST", "/customers/c/credits/p/transaction", MATCH_FOUND, endpoint_transaction_create,
         "c", "p", false},
        {"GET", "/api/customers/c/credits/p", MATCH_FOUND, endpoint_balance_get, "c", "p", true},
        {"GET", "/customers/c/access/p", MATCH_FOUND, endpoint_access_get, "c", "p", false},
        {"POST", "/subscriptions", MATCH_FOUND, endpoint_subscriptions_create, NULL, NULL, false},
        {"GET", "/subscriptions", MATCH_FOUND, endpoint_subscriptions_list, NULL, NULL, false},
        {"GET", "/subscriptions/s", MATCH_FOUND, endpoint_subscription_get, "s", NULL, false},
        {"PUT", "/subscriptions/s", MATCH_FOUND, endpoint_subscription_update, "s", NULL, false},
        {"POST", "/subscriptions/s/cancel", MATCH_FOUND, endpoint_subscription_cancel, "s", NULL,
         false},
        {"POST", "/subscriptions/s/pause", MATCH_FOUND, endpoint_subscription_pause, "s", NULL,
         false},
        {"POST", "/subscriptions/s/resume", MATCH_FOUND, endpoint_subscription_resume, "s", NULL,
         false},
        {"GET", "/payment/p", MATCH_FOUND, endpoint_payment_get, "p", NULL, false},
        {"POST", "/refunds", MATCH_FOUND, endpoint_refunds_create, NULL, NULL, false},
        {"POST", "/_sandbox/subscription", MATCH_FOUND, control_subscription, NULL, NULL, false},
        {"POST", "/_sandbox/payment", MATCH_FOUND, control_payment, NULL, NULL, false},
        {"GET", "/_sandbox/dump", MATCH_FOUND, control_dump, NULL, NULL, false},
        {"GET", "/api/product/p", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"GET", "/api/subscriptions", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"DELETE", "/subscriptions/s", MATCH_METHOD, NULL, NULL, NULL, false},
        {"GET", "/refunds", MATCH_METHOD, NULL, NULL, NULL, false},
        {"GET", "/api/_sandbox/dump", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"GET", "/", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"GET", "*", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"GET", "", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"GET", "/customer", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"GET", "/customers//credits/p", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"GET", "/customers/c/credits", MATCH_UNKNOWN, NULL, NULL, NULL, false},
        {"DELETE", "/customers/c", MATCH_METHOD, NULL, NULL, NULL, false},
        {"GET", "/customers/c/credits/p/transaction", MATCH_METHOD, NULL, NULL, NULL, false},
        {"GET", "/customers/", MATCH_SLASH, NULL, NULL, NULL, false},
        {"GET", "/nothing/", MATCH_SLASH, NULL, NULL, NULL, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct match match = {0};
        int r = route_match(endpoint_table, endpoint_table_length, rows[i].method, rows[i].path,
                            &match);

        cr_assert(r == rows[i].result, "%s %s: %d", rows[i].method, rows[i].path, r);
        if (r != MATCH_FOUND)
            continue;
        cr_assert(match.route->run == rows[i].run, "%s", rows[i].path);
        cr_assert(match.old == rows[i].old, "%s", rows[i].path);
        cr_assert(!rows[i].first || strcmp(match.parameters[0], rows[i].first) == 0, "%s",
                  rows[i].path);
        cr_assert(!rows[i].second || strcmp(match.parameters[1], rows[i].second) == 0, "%s",
                  rows[i].path);
        match_deinit(&match);
    }
}

Test(sandbox_router, queries_are_decoded)
{
    static const struct {
        const char *query, *name, *value;
    } rows[] = {
        {"a=1&b=2", "b", "2"},     {"ab=1&b=2", "b", "2"},
        {"a=1", "b", NULL},        {"a=1+2%2B%3d", "a", "1 2+="},
        {"a=", "a", ""},           {"a=%4", "a", "%4"},
        {"a=%zz%41", "a", "%zzA"}, {"a&b=1", "a", NULL},
        {"", "a", NULL},           {NULL, "a", NULL},
        {"&&a=1&", "a", "1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(cleanup_free) char *value = NULL;
        int r = query_get(rows[i].query, rows[i].name, &value);

        cr_assert(r == (rows[i].value ? 0 : -ENOENT), "row %zu", i);
        cr_assert(!rows[i].value || strcmp(value, rows[i].value) == 0, "row %zu: %s", i, value);
    }
}

Test(sandbox_router, targets_are_split_at_the_first_mark)
{
    struct request request;

    cr_assert(request_init(&request, "GET", "/a%3F?b=1?2") == 0);
    cr_assert(strcmp(request.path, "/a%3F") == 0);
    cr_assert(strcmp(request.query, "b=1?2") == 0);
    request_deinit(&request);
    cr_assert(request_init(&request, "GET", "/a") == 0);
    cr_assert(request.query == NULL);
    request_deinit(&request);
}

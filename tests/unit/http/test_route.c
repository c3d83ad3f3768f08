/* Where a request goes. */
#include "route.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *prefix, *path;
    int result;
    enum route_kind kind;
    unsigned verbs;
    enum proto_method method;
} cases[] = {
#define P "/api/auth/stellar"
#define POST VERB_POST
#define GET VERB_GET
#define M(name) PROTO_METHOD_##name
    {P, P "/customer/create", 0, ROUTE_ENDPOINT, POST, M(CUSTOMER_CREATE)},
    {P, P "/customer/retrieve", 0, ROUTE_ENDPOINT, GET, M(CUSTOMER_RETRIEVE)},
    {P, P "/customer/update", 0, ROUTE_ENDPOINT, POST, M(CUSTOMER_UPDATE)},
    {P, P "/subscription/create", 0, ROUTE_ENDPOINT, POST, M(SUBSCRIPTION_CREATE)},
    {P, P "/subscription/list", 0, ROUTE_ENDPOINT, GET, M(SUBSCRIPTION_LIST)},
    {P, P "/subscriptions/list", 0, ROUTE_ENDPOINT, GET, M(SUBSCRIPTION_LIST)},
    {P, P "/credits/consume", 0, ROUTE_ENDPOINT, POST, M(CREDITS_CONSUME)},
    {P, P "/credits/transactions", 0, ROUTE_ENDPOINT, GET, M(CREDITS_TRANSACTIONS)},
    {P, P "/refund/create", 0, ROUTE_ENDPOINT, POST, M(REFUND_CREATE)},
    {P, P "/webhook", 0, ROUTE_WEBHOOK, POST, M(WEBHOOK_DELIVER)},
    {P, "/v1/webhook", 0, ROUTE_WEBHOOK, POST, M(WEBHOOK_DELIVER)},
    {P, "/v1/events", 0, ROUTE_EVENTS, GET, M(EVENT_SUBSCRIBE)},
    {P, "/v1/ping", 0, ROUTE_METHOD, POST, M(PING)},
    {P, "/v1/credits.consume", 0, ROUTE_METHOD, POST, M(CREDITS_CONSUME)},
    {P, "/v1/webhook.deliver", 0, ROUTE_METHOD, POST, M(WEBHOOK_DELIVER)},
    {P, "/metrics", 0, ROUTE_METRICS, GET, M(METRICS)},
    {P, "/livez", 0, ROUTE_LIVE, GET, M(PING)},
    {P, "/readyz", 0, ROUTE_READY, GET, M(PING)},
    {"/", "/customer/create", 0, ROUTE_ENDPOINT, POST, M(CUSTOMER_CREATE)},
    {"/", "/webhook", 0, ROUTE_WEBHOOK, POST, M(WEBHOOK_DELIVER)},
    {"/a", "/a/customer/create", 0, ROUTE_ENDPOINT, POST, M(CUSTOMER_CREATE)},
    {P, "", -ENOENT, 0, 0, 0},
    {P, "/", -ENOENT, 0, 0, 0},
    {P, P, -ENOENT, 0, 0, 0},
    {P, P "/", -ENOENT, 0, 0, 0},
    {P, P "/customer/create/", -ENOENT, 0, 0, 0},
    {P, P "//customer/create", -ENOENT, 0, 0, 0},
    {P, P "/customer%2fcreate", -ENOENT, 0, 0, 0},
    {P, P "/Customer/create", -ENOENT, 0, 0, 0},
    {P, P "/customer", -ENOENT, 0, 0, 0},
    {P, "/customer/create", -ENOENT, 0, 0, 0},
    {"/a", P "/customer/create", -ENOENT, 0, 0, 0},
    {P, "/v1", -ENOENT, 0, 0, 0},
    {P, "/v1/", -ENOENT, 0, 0, 0},
    {P, "/v1/ping/", -ENOENT, 0, 0, 0},
    {P, "/v1/pin", -ENOENT, 0, 0, 0},
    {P, "/v1/pingg", -ENOENT, 0, 0, 0},
    {P, "/v1/event.subscribe", -ENOENT, 0, 0, 0},
    {P, "/livez/", -ENOENT, 0, 0, 0},
    {P, "livez", -ENOENT, 0, 0, 0},
};

Test(route, by_path)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route route;
        int r = route_find(cases[i].prefix, cases[i].path, strlen(cases[i].path), &route);

        cr_assert_eq(r, cases[i].result, "%s", cases[i].path);
        if (r < 0)
            continue;
        cr_assert_eq(route.kind, cases[i].kind, "%s", cases[i].path);
        cr_assert_eq(route.verbs, cases[i].verbs, "%s", cases[i].path);
        cr_assert_eq(route.method, cases[i].method, "%s", cases[i].path);
    }
}

Test(route, each_method_has_a_path)
{
    for (unsigned i = 0; i < PROTO_METHOD_COUNT_; i++) {
        char path[64];
        struct route route;
        int r, n = snprintf(path, sizeof(path), "/v1/%s", proto_method_spec(i)->name);

        r = route_find(P, path, (size_t)n, &route);
        cr_assert_eq(r, i == PROTO_METHOD_EVENT_SUBSCRIBE ? -ENOENT : 0, "%s", path);
        cr_assert(r < 0 || (route.method == i && route.kind == ROUTE_METHOD), "%s", path);
    }
}

/* The memory behind the path is not looked at. */
Test(route, by_length)
{
    struct route route;

    cr_assert_eq(route_find(P, "/livez?x", 6, &route), 0);
    cr_assert_eq(route_find(P, "/livezz", 7, &route), -ENOENT);
    cr_assert_eq(route_find(P, "/v1/pings", 8, &route), 0);
}

Test(route, verbs)
{
    struct route route;

    cr_assert_eq(route_verb("GET"), VERB_GET);
    cr_assert_eq(route_verb("HEAD"), VERB_HEAD);
    cr_assert_eq(route_verb("POST"), VERB_POST);
    cr_assert_eq(route_verb("OPTIONS"), VERB_OPTIONS);
    cr_assert_eq(route_verb("get"), VERB_OTHER);
    cr_assert_eq(route_verb("PUT"), VERB_OTHER);
    cr_assert_eq(route_find(P, "/livez", 6, &route), 0);
    cr_assert_str_eq(route_allow(&route), "GET, HEAD, OPTIONS");
    cr_assert_eq(route_find(P, "/v1/ping", 8, &route), 0);
    cr_assert_str_eq(route_allow(&route), "POST, OPTIONS");
}

/* What a session cannot lack, and nothing that the method has not. */
Test(route, endpoints_take_what_their_methods_know)
{
    for (size_t i = 0; i < route_count; i++) {
        const struct proto_method_spec *spec = proto_method_spec(route_table[i].method);
        uint64_t taken = route_table[i].taken;

        if (route_table[i].kind != ROUTE_ENDPOINT) {
            cr_assert_eq(taken, 0);
            continue;
        }
        cr_assert_eq(taken & ~spec->known, 0, "%s", route_table[i].path);
        cr_assert_eq(taken & spec->needed, spec->needed, "%s", route_table[i].path);
        cr_assert_eq(taken & (PROTO_IDENTITY | PROTO_BIT(STAMP) | PROTO_BIT(FRESH) |
                              PROTO_BIT(SOURCE) | PROTO_BIT(IMAGE)),
                     0, "%s", route_table[i].path);
    }
}

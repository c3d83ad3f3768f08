/* See route.h. */
#include "route.h"
#include <errno.h>
#include <string.h>
#include <util/macros.h>

/* `taken`: what the adapter's endpoint takes, and our idempotency key where the method has one. */
#define ENDPOINT(path, verb, method, taken)                                                        \
    {                                                                                              \
        path, true, verb, ROUTE_ENDPOINT, PROTO_METHOD_##method, taken                             \
    }
#define BIT(parameter) PROTO_BIT(parameter)

const struct route route_table[] = {
    ENDPOINT("/customer/create", VERB_POST, CUSTOMER_CREATE, 0),
    ENDPOINT("/customer/retrieve", VERB_GET, CUSTOMER_RETRIEVE, 0),
    ENDPOINT("/customer/update", VERB_POST, CUSTOMER_UPDATE,
             BIT(EMAIL) | BIT(NAME) | BIT(PHONE) | BIT(METADATA)),
    ENDPOINT("/subscription/create", VERB_POST, SUBSCRIPTION_CREATE,
             BIT(PRODUCT_ID) | BIT(METADATA) | BIT(CANCEL_AT_PERIOD_END) | BIT(TRIAL_DAYS) |
                 BIT(IDEMPOTENCY_KEY)),
    ENDPOINT("/subscription/list", VERB_GET, SUBSCRIPTION_LIST, 0),
    /* What some versions of the adapter call it. */
    ENDPOINT("/subscriptions/list", VERB_GET, SUBSCRIPTION_LIST, 0),
    ENDPOINT("/credits/consume", VERB_POST, CREDITS_CONSUME,
             BIT(PRODUCT_ID) | BIT(RAW_AMOUNT) | BIT(METADATA) | BIT(IDEMPOTENCY_KEY)),
    ENDPOINT("/credits/transactions", VERB_GET, CREDITS_TRANSACTIONS,
             BIT(PRODUCT_ID) | BIT(LIMIT) | BIT(OFFSET)),
    ENDPOINT("/refund/create", VERB_POST, REFUND_CREATE,
             BIT(PAYMENT_ID) | BIT(REASON) | BIT(METADATA) | BIT(IDEMPOTENCY_KEY)),
    {"/webhook", true, VERB_POST, ROUTE_WEBHOOK, PROTO_METHOD_WEBHOOK_DELIVER, 0},
    {"/v1/webhook", false, VERB_POST, ROUTE_WEBHOOK, PROTO_METHOD_WEBHOOK_DELIVER, 0},
    {"/v1/events", false, VERB_GET, ROUTE_EVENTS, PROTO_METHOD_EVENT_SUBSCRIBE, 0},
    {"/metrics", false, VERB_GET, ROUTE_METRICS, PROTO_METHOD_METRICS, 0},
    {"/livez", false, VERB_GET, ROUTE_LIVE, PROTO_METHOD_PING, 0},
    {"/readyz", false, VERB_GET, ROUTE_READY, PROTO_METHOD_PING, 0},
};
const size_t route_count = ARRAY_SIZE(route_table);

static bool same(const char *path, size_t length, const char *known)
{
    return strlen(known) == length && memcmp(path, known, length) == 0;
}

static int find_in_table(const char *path, size_t length, bool is_prefixed, struct route *ret_route)
{
    for (size_t i = 0; i < route_count; i++)
        if (route_table[i].is_prefixed == is_prefixed && same(path, length, route_table[i].path)) {
            *ret_route = route_table[i];
            return 0;
        }
    return -ENOENT;
}

static int find_method(const char *path, size_t length, struct route *ret_route)
{
    static const char begin[] = "/v1/";
    enum proto_method method;

    if (length < sizeof begin || memcmp(path, begin, sizeof begin - 1) != 0)
        return -ENOENT;
    if (proto_method_find(path + sizeof begin - 1, length - (sizeof begin - 1), &method) < 0)
        return -ENOENT;
    /* An answer that never ends: it is /v1/events. */
    if (method == PROTO_METHOD_EVENT_SUBSCRIBE)
        return -ENOENT;
    *ret_route =
        (struct route){proto_method_spec(method)->name, false, VERB_POST, ROUTE_METHOD, method, 0};
    return 0;
}

int route_find(const char *prefix, const char *path, size_t length, struct route *ret_route)
{
    size_t skip = prefix[1] == '\0' ? 0 : strlen(prefix); /* "/": nothing stands before them */

    if (find_in_table(path, length, false, ret_route) == 0)
        return 0;
    if (length > skip && memcmp(path, prefix, skip) == 0 &&
        find_in_table(path + skip, length - skip, true, ret_route) == 0)
        return 0;
    return find_method(path, length, ret_route);
}

enum route_verb route_verb(const char *word)
{
    static const struct {
        const char *word;
        enum route_verb verb;
    } verbs[] = {
        {"GET", VERB_GET}, {"HEAD", VERB_HEAD}, {"POST", VERB_POST}, {"OPTIONS", VERB_OPTIONS}};

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(word, verbs[i].word) == 0)
            return verbs[i].verb;
    return VERB_OTHER;
}

const char *route_allow(const struct route *route)
{
    return route->verbs & VERB_POST ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

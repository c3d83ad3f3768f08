/* The table of endpoints. More specific paths stand above those whose {} would take them. */
#include "sandbox.h"

#include <util/macros.h>

const struct route endpoint_table[] = {
    {"POST", "/customers", KIND_CUSTOMER, ROUTE_BOTH, endpoint_customers_create},
    {"GET", "/customers", KIND_CUSTOMER, ROUTE_BOTH, endpoint_customers_list},
    {"GET", "/customers/{}", KIND_CUSTOMER, ROUTE_BOTH, endpoint_customer_get},
    {"PUT", "/customers/{}", KIND_CUSTOMER, ROUTE_BOTH, endpoint_customer_update},
    {"GET", "/product/{}", KIND_PRODUCT, ROUTE_NEW, endpoint_product_get},
    {"GET", "/customers/{}/credits/transactions", KIND_HISTORY, ROUTE_BOTH,
     endpoint_transactions_list},
    {"GET", "/customers/{}/credits/{}", KIND_BALANCE, ROUTE_BOTH, endpoint_balance_get},
    {"POST", "/customers/{}/credits/{}/transaction", KIND_TRANSACTION, ROUTE_BOTH,
     endpoint_transaction_create},
    {"GET", "/customers/{}/access/{}", KIND_ACCESS, ROUTE_NEW, endpoint_access_get},
    {"POST", "/subscriptions", KIND_SUBSCRIPTION, ROUTE_NEW, endpoint_subscriptions_create},
    {"GET", "/subscriptions", KIND_SUBSCRIPTION, ROUTE_NEW, endpoint_subscriptions_list},
    {"GET", "/subscriptions/{}", KIND_SUBSCRIPTION, ROUTE_NEW, endpoint_subscription_get},
    {"PUT", "/subscriptions/{}", KIND_SUBSCRIPTION, ROUTE_NEW, endpoint_subscription_update},
    {"POST", "/subscriptions/{}/cancel", KIND_SUBSCRIPTION, ROUTE_NEW,
     endpoint_subscription_cancel},
    {"POST", "/subscriptions/{}/pause", KIND_SUBSCRIPTION, ROUTE_NEW, endpoint_subscription_pause},
    {"POST", "/subscriptions/{}/resume", KIND_SUBSCRIPTION, ROUTE_NEW,
     endpoint_subscription_resume},
    {"GET", "/payment/{}", KIND_PAYMENT, ROUTE_NEW, endpoint_payment_get},
    {"POST", "/refunds", KIND_REFUND_PAYMENT, ROUTE_NEW, endpoint_refunds_create},

    {"GET", "/_sandbox/faults", KIND_OTHER, ROUTE_CONTROL, control_faults_get},
    {"POST", "/_sandbox/faults", KIND_OTHER, ROUTE_CONTROL, control_faults_order},
    {"POST", "/_sandbox/grant", KIND_OTHER, ROUTE_CONTROL, control_grant},
    {"POST", "/_sandbox/subscription", KIND_OTHER, ROUTE_CONTROL, control_subscription},
    {"POST", "/_sandbox/payment", KIND_OTHER, ROUTE_CONTROL, control_payment},
    {"GET", "/_sandbox/dump", KIND_OTHER, ROUTE_CONTROL, control_dump},
    {"POST", "/_sandbox/reset_counters", KIND_OTHER, ROUTE_CONTROL, control_reset_counters},
};
const size_t endpoint_table_length = ARRAY_SIZE(endpoint_table);
_Static_assert(ARRAY_SIZE(endpoint_table) <= ENDPOINTS_MAX, "counts has room for every endpoint");

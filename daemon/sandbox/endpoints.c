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

    {"GET", "/_sandbox/faults", KIND_OTHER, ROUTE_CONTROL, control_faults_get},
    {"POST", "/_sandbox/faults", KIND_OTHER, ROUTE_CONTROL, control_faults_order},
    {"POST", "/_sandbox/grant", KIND_OTHER, ROUTE_CONTROL, control_grant},
    {"GET", "/_sandbox/dump", KIND_OTHER, ROUTE_CONTROL, control_dump},
    {"POST", "/_sandbox/reset_counters", KIND_OTHER, ROUTE_CONTROL, control_reset_counters},
};
const size_t endpoint_table_length = ARRAY_SIZE(endpoint_table);

/* See methods.h. */
#include "methods.h"

static const request_function functions[PROTO_METHOD_COUNT_] = {
    [PROTO_METHOD_PING] = method_ping,
    [PROTO_METHOD_STATUS] = method_status,
    [PROTO_METHOD_CREDITS_CONSUME] = method_consume,
    [PROTO_METHOD_CREDITS_CHECK] = method_check,
    [PROTO_METHOD_CREDITS_BALANCE] = method_balance,
    [PROTO_METHOD_CREDITS_TRANSACTIONS] = method_transactions,
    [PROTO_METHOD_CREDITS_RESERVE] = method_reserve,
    [PROTO_METHOD_CREDITS_EXTEND] = method_extend,
    [PROTO_METHOD_CREDITS_SETTLE] = method_settle,
    [PROTO_METHOD_CREDITS_RELEASE] = method_release,
    [PROTO_METHOD_CREDITS_REFUND] = method_credit_refund,
    [PROTO_METHOD_CREDITS_GRANT] = method_grant,
    [PROTO_METHOD_CUSTOMER_CREATE] = method_customer_retrieve, /* identify has made it */
    [PROTO_METHOD_CUSTOMER_RETRIEVE] = method_customer_retrieve,
    [PROTO_METHOD_CUSTOMER_UPDATE] = method_customer_update,
    [PROTO_METHOD_ACCESS_CHECK] = method_access_check,
    [PROTO_METHOD_SUBSCRIPTION_CREATE] = method_subscription_create,
    [PROTO_METHOD_SUBSCRIPTION_LIST] = method_subscription_list,
    [PROTO_METHOD_SUBSCRIPTION_RETRIEVE] = method_subscription_retrieve,
    [PROTO_METHOD_SUBSCRIPTION_UPDATE] = method_subscription_update,
    [PROTO_METHOD_SUBSCRIPTION_CANCEL] = method_subscription_action,
    [PROTO_METHOD_SUBSCRIPTION_PAUSE] = method_subscription_action,
    [PROTO_METHOD_SUBSCRIPTION_RESUME] = method_subscription_action,
    [PROTO_METHOD_REFUND_CREATE] = method_refund_create,
    [PROTO_METHOD_CUSTOMER_LINK] = method_link,
    [PROTO_METHOD_CUSTOMER_UNLINK] = method_unlink,
    [PROTO_METHOD_USER_CREATED] = method_user_created,
    [PROTO_METHOD_PUSH_LIST] = method_push_list,
    [PROTO_METHOD_PUSH_RETRY] = method_push_retry,
    [PROTO_METHOD_PUSH_DROP] = method_push_drop,
    [PROTO_METHOD_PUSH_SETTLE] = method_push_settle,
    [PROTO_METHOD_EVENT_SUBSCRIBE] = method_event_subscribe,
    [PROTO_METHOD_EVENT_ACK] = method_event_ack,
    [PROTO_METHOD_EVENT_UNSUBSCRIBE] = method_event_unsubscribe,
    [PROTO_METHOD_EVENT_LIST] = method_event_list,
    [PROTO_METHOD_HOOK_LIST] = method_hook_list,
    [PROTO_METHOD_HOOK_RETRY] = method_hook_retry,
    [PROTO_METHOD_HOOK_DROP] = method_hook_drop,
    [PROTO_METHOD_WEBHOOK_DELIVER] = method_webhook_deliver,
    [PROTO_METHOD_CACHE_REFRESH] = method_cache_refresh,
    [PROTO_METHOD_LEDGER_BACKUP] = method_backup,
    [PROTO_METHOD_UPSTREAM_ACCEPT] = method_upstream_accept,
    [PROTO_METHOD_METRICS] = method_metrics,
};

request_function method_function(enum proto_method method)
{
    return (unsigned)method < PROTO_METHOD_COUNT_ ? functions[method] : NULL;
}

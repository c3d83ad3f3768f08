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
    [PROTO_METHOD_CUSTOMER_LINK] = method_link,
    [PROTO_METHOD_CUSTOMER_UNLINK] = method_unlink,
    [PROTO_METHOD_USER_CREATED] = method_user_created,
    [PROTO_METHOD_PUSH_LIST] = method_push_list,
    [PROTO_METHOD_PUSH_RETRY] = method_push_retry,
    [PROTO_METHOD_PUSH_DROP] = method_push_drop,
};

request_function method_function(enum proto_method method)
{
    return (unsigned)method < PROTO_METHOD_COUNT_ ? functions[method] : NULL;
}

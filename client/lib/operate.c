/* The typed calls for operators: ping, status, and the pushes. */
#include "typed.h"
#include <errno.h>
#include <stdlib.h>

static const struct field ping_fields[] = {
    FIELD(TEXT, struct creditd_ping_result, version),
};

TYPED_READ(ping, struct creditd_ping_result, ping_fields)

TYPED_CALL_PLAIN(ping, "ping", struct creditd_ping_result)

#define STATUS struct creditd_status_result

static const struct field status_fields[] = {
    FIELD(TEXT, STATUS, version),
    FIELD(TEXT, STATUS, health),
    FIELD_OPTIONAL(INT, STATUS, uptime),
    FIELD_IN(BOOL, STATUS, upstream, reachable),
    FIELD_IN(BOOL, STATUS, upstream, helper),
    FIELD_IN(TEXT_CUT, STATUS, upstream, paused),
    FIELD_IN(INT, STATUS, upstream, last_success),
    FIELD_IN(INT, STATUS, upstream, requests_remaining),
    FIELD_IN(INT, STATUS, upstream, requests_limit),
    FIELD_IN(INT, STATUS, pending, credits),
    FIELD_IN(INT, STATUS, pending, balances),
    FIELD_IN(INT, STATUS, pending, oldest_age),
    FIELD_IN(INT, STATUS, pushes, open),
    FIELD_IN(INT, STATUS, pushes, doubt),
    FIELD_IN(INT, STATUS, pushes, parked),
    FIELD_IN(INT, STATUS, ledger, sequence),
    FIELD_IN(INT, STATUS, ledger, durable_sequence),
    FIELD_IN(INT, STATUS, ledger, stored_sequence),
    FIELD_IN(TEXT, STATUS, ledger, durability),
    FIELD_IN(TEXT, STATUS, ledger, space),
    FIELD_(INT, STATUS, "balances", resident, resident, true),
    FIELD_OPTIONAL(INT, STATUS, connections),
    FIELD_IN(INT, STATUS, requests, total),
    FIELD_IN(INT, STATUS, requests, refused),
};

int creditd_read_status(const struct creditd_reply *reply, struct creditd_status_result *ret_result)
{
    struct creditd_status_result result = {0};
    const struct creditd_value *upstream =
        creditd_value_get(creditd_reply_result(reply), "upstream");
    int r = reply->status;

    if (r == 0)
        r = READ_FIELDS(&reply->result, status_fields, &result);
    if (r != 0)
        return r;
    result.upstream.asked =
        creditd_value_type(creditd_value_get(upstream, "reachable")) == CREDITD_TYPE_BOOL;
    *ret_result = result;
    return 0;
}

TYPED_CALL_PLAIN(status, "status", struct creditd_status_result)

static int build_push_list(struct creditd *c, const void *argument,
                           struct creditd_call_options *options)
{
    const struct creditd_push_list_request *request = argument;
    int r;

    options->timeout = request->timeout;
    r = put_text(c, "state", request->state, PROTO_TEXT_MAX);
    return r < 0 ? r : put_count(c, "limit", request->limit);
}

static const struct field push_list_fields[] = {
    FIELD(TEXT, struct creditd_push, push_id),
    FIELD(TEXT, struct creditd_push, customer_id),
    FIELD(TEXT, struct creditd_push, product_id),
    FIELD_OPTIONAL(TEXT, struct creditd_push, payment_id),
    FIELD_OPTIONAL(TEXT, struct creditd_push, user_id),
    FIELD(TEXT, struct creditd_push, type),
    FIELD(TEXT, struct creditd_push, state),
    FIELD_OPTIONAL(TEXT_CUT, struct creditd_push, reason),
    FIELD(INT, struct creditd_push, credits),
    FIELD(INT, struct creditd_push, attempt),
    FIELD_OPTIONAL(INT, struct creditd_push, begun_at),
    FIELD_OPTIONAL(INT, struct creditd_push, consumed_before),
    FIELD_OPTIONAL(INT, struct creditd_push, consumed_seen),
    FIELD_OPTIONAL(INT, struct creditd_push, rows_seen),
};

int creditd_read_push_list(const struct creditd_reply *reply,
                           struct creditd_push_list_result *ret_result)
{
    struct list list;
    int r = reply->status;

    if (r != 0)
        return r;
    r = read_list(&reply->result, push_list_fields,
                  sizeof push_list_fields / sizeof push_list_fields[0], sizeof(struct creditd_push),
                  &list);
    if (r < 0)
        return r;
    *ret_result = (struct creditd_push_list_result){
        .data = list.data, .count = list.count, .has_more = list.has_more};
    return 0;
}

void creditd_push_list_clear(struct creditd_push_list_result *result)
{
    if (!result)
        return;
    free(result->data);
    *result = (struct creditd_push_list_result){0};
}

TYPED_CALL(push_list, "push.list", struct creditd_push_list_request,
           struct creditd_push_list_result, push_list)

static int build_push_retry(struct creditd *c, const void *argument,
                            struct creditd_call_options *options)
{
    const struct creditd_push_request *request = argument;

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    return put_id(c, "push_id", request->push_id);
}

static int build_push_drop(struct creditd *c, const void *argument,
                           struct creditd_call_options *options)
{
    const struct creditd_push_request *request = argument;
    int r = build_push_retry(c, argument, options);

    return r < 0 ? r : put_text(c, "reason", request->reason, PROTO_TEXT_MAX);
}

static int build_push_settle(struct creditd *c, const void *argument,
                             struct creditd_call_options *options)
{
    const struct creditd_push_request *request = argument;
    int r = build_push_retry(c, argument, options);

    return r < 0 ? r : put_id(c, "refund_id", request->refund_id);
}

static const struct field push_fields[] = {
    FIELD(TEXT, struct creditd_push_result, push_id),
    FIELD(TEXT, struct creditd_push_result, state),
};

TYPED_READ(push, struct creditd_push_result, push_fields)

TYPED_CALL(push_retry, "push.retry", struct creditd_push_request, struct creditd_push_result, push)
TYPED_CALL(push_drop, "push.drop", struct creditd_push_request, struct creditd_push_result, push)
TYPED_CALL(push_settle, "push.settle", struct creditd_push_request, struct creditd_push_result,
           push)

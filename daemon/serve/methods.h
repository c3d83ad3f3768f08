/*
 * The methods: one function each, and the one table that joins them to proto's.
 */
#pragma once

#include "request.h"

/* NULL for a method that is not ours. */
request_function method_function(enum proto_method method);

int method_ping(struct request *request);
int method_status(struct request *request);
int method_consume(struct request *request);
int method_check(struct request *request);
int method_balance(struct request *request);
int method_transactions(struct request *request);
int method_reserve(struct request *request);
int method_extend(struct request *request);
int method_settle(struct request *request);
int method_release(struct request *request);
int method_credit_refund(struct request *request);
int method_grant(struct request *request);
int method_customer_retrieve(struct request *request);
int method_customer_update(struct request *request);
int method_access_check(struct request *request);
int method_subscription_list(struct request *request);
int method_subscription_retrieve(struct request *request);
int method_subscription_update(struct request *request);
int method_subscription_action(struct request *request);
int method_subscription_create(struct request *request);
int method_refund_create(struct request *request);
int method_link(struct request *request);
int method_unlink(struct request *request);
int method_user_created(struct request *request);
int method_push_list(struct request *request);
int method_push_retry(struct request *request);
int method_push_drop(struct request *request);
int method_push_settle(struct request *request);
int method_webhook_deliver(struct request *request);
int method_event_subscribe(struct request *request);
int method_event_ack(struct request *request);
int method_event_unsubscribe(struct request *request);
int method_event_list(struct request *request);
int method_cache_refresh(struct request *request);
int method_upstream_accept(struct request *request);
int method_metrics(struct request *request);
int method_backup(struct request *request);
int method_hook_list(struct request *request);
int method_hook_retry(struct request *request);
int method_hook_drop(struct request *request);

/* The typed calls of subscriptions. */
#include "typed.h"

static int build_subscription_create(struct creditd *c, const void *argument,
                                     struct creditd_call_options *options)
{
    const struct creditd_subscription_create_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0 ||
        (r = put_metadata(c, request->metadata)) < 0 ||
        (r = put_choice(c, "cancel_at_period_end", request->cancel_at_period_end)) < 0 ||
        (r = put_count(c, "trial_days", request->trial_days)) < 0)
        return r;
    return put_key(c, request->idempotency_key, options);
}

TYPED_CALL(subscription_create, "subscription.create", struct creditd_subscription_create_request,
           struct creditd_object, object)

static int build_subscription_list(struct creditd *c, const void *argument,
                                   struct creditd_call_options *options)
{
    const struct creditd_subscription_list_request *request = argument;

    options->timeout = request->timeout;
    put_flag(c, "fresh", request->fresh);
    return put_who(c, &request->who);
}

TYPED_CALL(subscription_list, "subscription.list", struct creditd_subscription_list_request,
           struct creditd_list, list)

static int build_subscription_retrieve(struct creditd *c, const void *argument,
                                       struct creditd_call_options *options)
{
    const struct creditd_subscription_request *request = argument;
    int r = put_who(c, &request->who);

    options->timeout = request->timeout;
    put_flag(c, "fresh", request->fresh);
    return r < 0 ? r : put_id(c, "subscription_id", request->subscription_id);
}

/* Cancel, pause and resume. */
static int build_subscription_change(struct creditd *c, const void *argument,
                                     struct creditd_call_options *options)
{
    const struct creditd_subscription_request *request = argument;
    int r = put_who(c, &request->who);

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    return r < 0 ? r : put_id(c, "subscription_id", request->subscription_id);
}

#define build_subscription_cancel build_subscription_change
#define build_subscription_pause build_subscription_change
#define build_subscription_resume build_subscription_change

TYPED_CALL(subscription_retrieve, "subscription.retrieve", struct creditd_subscription_request,
           struct creditd_object, object)
TYPED_CALL(subscription_cancel, "subscription.cancel", struct creditd_subscription_request,
           struct creditd_object, object)
TYPED_CALL(subscription_pause, "subscription.pause", struct creditd_subscription_request,
           struct creditd_object, object)
TYPED_CALL(subscription_resume, "subscription.resume", struct creditd_subscription_request,
           struct creditd_object, object)

static int build_subscription_update(struct creditd *c, const void *argument,
                                     struct creditd_call_options *options)
{
    const struct creditd_subscription_update_request *request = argument;
    int r;

    options->timeout = request->timeout;
    options->repeat = CREDITD_REPEAT_NEVER;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "subscription_id", request->subscription_id)) < 0 ||
        (r = put_metadata(c, request->metadata)) < 0 ||
        (r = put_choice(c, "cancel_at_period_end", request->cancel_at_period_end)) < 0)
        return r;
    return request->product_id ? put_id(c, "product_id", request->product_id) : 0;
}

TYPED_CALL(subscription_update, "subscription.update", struct creditd_subscription_update_request,
           struct creditd_object, object)

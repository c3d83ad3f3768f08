/*
 * The endpoints of subscriptions, and of access, which follows from them and from payments.
 *
 * What a status does not allow is a business error, with the status that business_status orders.
 * Cancelling keeps the status until the period ends, and no period ends here by itself: the control
 * endpoint cancels at once, as the end of the period would.
 */
#include "metadata.h"
#include "page.h"
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/clock.h>
#include <util/macros.h>

#define TRIAL_DAYS_MAX 3650

static int business_error(struct call *call, const char *message)
{
    return reply_error(call->reply, faults_business_status(&call->sandbox->faults), "%s", message);
}

/* NULL, or what is wrong with the fields that creating and updating share. */
static const char *fields_check(const json_t *body)
{
    const json_t *cancel = json_object_get(body, "cancel_at_period_end");

    if (!json_is_object(body))
        return "body: expected an object";
    if (cancel && !json_is_boolean(cancel))
        return "cancel_at_period_end: expected a boolean";
    return metadata_check(json_object_get(body, "metadata"));
}

static const char *create_check(const json_t *body)
{
    const json_t *days = json_object_get(body, "trial_days");
    const char *wrong = fields_check(body);

    if (wrong)
        return wrong;
    if (!json_is_string(json_object_get(body, "customer_id")))
        return "customer_id: expected a string";
    if (!json_is_string(json_object_get(body, "product_id")))
        return "product_id: expected a string";
    if (days && (!json_is_integer(days) || json_integer_value(days) < 0 ||
                 json_integer_value(days) > TRIAL_DAYS_MAX))
        return "trial_days: expected a whole number, 0 or more";
    return NULL;
}

static int subscription_create(struct call *call, struct customer *customer,
                               struct product *product)
{
    const json_t *body = call->request->json;
    int64_t now_ms = clock_wall_ms();
    int64_t days = (int64_t)json_integer_value(json_object_get(body, "trial_days"));
    struct subscription *subscription;
    int r;

    r = model_subscription_add(&call->sandbox->model, NULL, customer, product, now_ms,
                               &subscription);
    if (r < 0)
        return r;
    if (days > 0)
        subscription_begin_trial(subscription, days);
    subscription_set_cancel_at_period_end(
        subscription, json_is_true(json_object_get(body, "cancel_at_period_end")), now_ms);
    r = metadata_merge(&subscription->metadata, json_object_get(body, "metadata"));
    if (r == 0)
        r = text_set(&subscription->key, call->request->key);
    return r < 0 ? r : reply_json(call->reply, view_subscription(subscription));
}

int endpoint_subscriptions_create(struct call *call)
{
    const struct model *model = &call->sandbox->model;
    const json_t *body = call->request->json;
    const char *wrong = create_check(body);
    struct customer *customer;
    struct product *product;

    if (wrong)
        return reply_error(call->reply, 400, "%s", wrong);
    customer = model_customer(model, json_string_value(json_object_get(body, "customer_id")));
    if (!customer)
        return business_error(call, "Customer not found");
    product = model_product(model, json_string_value(json_object_get(body, "product_id")));
    if (!product)
        return business_error(call, "Product not found");
    return subscription_create(call, customer, product);
}

static json_t *item_view(const void *item)
{
    return view_subscription(item);
}

static bool customer_is(const void *item, const char *customer_id)
{
    const struct subscription *subscription = item;

    return strcmp(subscription->customer->id, customer_id) == 0;
}

int endpoint_subscriptions_list(struct call *call)
{
    const struct model *model = &call->sandbox->model;
    bool filters = faults_on(&call->sandbox->faults, FAULT_SUBSCRIPTION_FILTER);
    CLEANUP(cleanup_free) char *customer_id = NULL;
    struct page_source source = {
        .model = model,
        .list = &model->subscriptions,
        .by_id = &model->subscriptions_by_id,
        .wants = customer_is,
        .view = item_view,
    };
    int r;

    r = page_text(call->request->query, "customer_id", &customer_id);
    if (r < 0)
        return r;
    source.filter = filters ? customer_id : NULL;
    return page_serve(&source, call->request->query, call->reply);
}

/* NULL after the 404. */
static struct subscription *subscription_of(struct call *call)
{
    struct subscription *subscription =
        model_subscription(&call->sandbox->model, call->match->parameters[0]);

    if (!subscription)
        reply_error(call->reply, 404, "Subscription not found");
    return subscription;
}

int endpoint_subscription_get(struct call *call)
{
    const struct subscription *subscription = subscription_of(call);

    return subscription ? reply_json(call->reply, view_subscription(subscription)) : 0;
}

int endpoint_subscription_update(struct call *call)
{
    const json_t *body = call->request->json;
    const json_t *cancel = json_object_get(body, "cancel_at_period_end");
    const char *wrong = fields_check(body);
    int64_t now_ms = clock_wall_ms();
    struct subscription *subscription;
    int r;

    if (wrong)
        return reply_error(call->reply, 400, "%s", wrong);
    subscription = subscription_of(call);
    if (!subscription)
        return 0;
    if (subscription->status == SUBSCRIPTION_CANCELED)
        return business_error(call, "Subscription is canceled");
    r = metadata_merge(&subscription->metadata, json_object_get(body, "metadata"));
    if (r < 0)
        return r;
    if (cancel)
        subscription_set_cancel_at_period_end(subscription, json_is_true(cancel), now_ms);
    subscription->updated_ms = now_ms;
    return reply_json(call->reply, view_subscription(subscription));
}

int endpoint_subscription_cancel(struct call *call)
{
    struct subscription *subscription = subscription_of(call);

    if (!subscription)
        return 0;
    if (subscription->status == SUBSCRIPTION_CANCELED)
        return business_error(call, "Subscription is already canceled");
    subscription_set_cancel_at_period_end(subscription, true, clock_wall_ms());
    return reply_json(call->reply, view_subscription(subscription));
}

int endpoint_subscription_pause(struct call *call)
{
    struct subscription *subscription = subscription_of(call);

    if (!subscription)
        return 0;
    if (subscription->status != SUBSCRIPTION_ACTIVE &&
        subscription->status != SUBSCRIPTION_TRIALING)
        return business_error(call, "Only active subscriptions can be paused");
    subscription_set_status(subscription, SUBSCRIPTION_PAUSED, clock_wall_ms());
    return reply_json(call->reply, view_subscription(subscription));
}

int endpoint_subscription_resume(struct call *call)
{
    struct subscription *subscription = subscription_of(call);

    if (!subscription)
        return 0;
    if (subscription->status != SUBSCRIPTION_PAUSED)
        return business_error(call, "Only paused subscriptions can be resumed");
    subscription_set_status(subscription, SUBSCRIPTION_ACTIVE, clock_wall_ms());
    return reply_json(call->reply, view_subscription(subscription));
}

/* The newest that lets in; a status that only may become paid again does not. */
static const struct subscription *access_subscription(const struct model *model,
                                                      const char *customer_id,
                                                      const struct product *product)
{
    for (size_t i = model->subscriptions.count; i > 0; i--) {
        const struct subscription *subscription = model->subscriptions.items[i - 1];

        if (subscription->product == product && customer_is(subscription, customer_id) &&
            (subscription->status == SUBSCRIPTION_ACTIVE ||
             subscription->status == SUBSCRIPTION_TRIALING))
            return subscription;
    }
    return NULL;
}

static const struct payment *access_payment(const struct model *model, const char *customer_id,
                                            const struct product *product)
{
    for (size_t i = model->payments.count; i > 0; i--) {
        const struct payment *payment = model->payments.items[i - 1];

        if (payment->product == product && strcmp(payment->customer->id, customer_id) == 0 &&
            payment->status == PAYMENT_CONFIRMED)
            return payment;
    }
    return NULL;
}

int endpoint_access_get(struct call *call)
{
    const struct model *model = &call->sandbox->model;
    const char *customer_id = call->match->parameters[0];
    const struct product *product = model_product(model, call->match->parameters[1]);
    const struct subscription *subscription;
    const struct payment *payment;
    json_t *grant = json_null();

    if (faults_on(&call->sandbox->faults, FAULT_NO_ACCESS_ENDPOINT))
        return reply_html(call->reply, 404, "This page could not be found.");
    if (!model_customer(model, customer_id))
        return reply_error(call->reply, 404, "Customer not found");
    if (!product)
        return reply_error(call->reply, 404, "Product not found");
    subscription = access_subscription(model, customer_id, product);
    payment = access_payment(model, customer_id, product);
    if (subscription)
        grant =
            json_pack("{s:s, s:s, s:s}", "type", "subscription", "subscription_id",
                      subscription->id, "status", subscription_status_name(subscription->status));
    else if (payment)
        grant = json_pack("{s:s, s:s}", "type", "one_time", "payment_id", payment->id);
    return reply_json(call->reply, json_pack("{s:b, s:o}", "has_access", subscription || payment,
                                             "grant", grant));
}

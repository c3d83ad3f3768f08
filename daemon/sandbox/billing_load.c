/* Subscriptions and payments as seeds and the control endpoints give them. Everything is looked at
 * before anything is changed. */
#include "billing.h"
#include "metadata.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <util/macros.h>

static const char *text_of(const json_t *item, const char *name)
{
    return json_string_value(json_object_get(item, name));
}

/* What an object asks of a subscription beside its ids. */
struct subscription_order {
    bool has_status;
    enum subscription_status status;
    const json_t *cancel_at_period_end, *metadata; /* or NULL */
    const char *product_id;                        /* or NULL */
};

static const char *subscription_order_parse(const json_t *item, struct subscription_order *order)
{
    const json_t *status = json_object_get(item, "status");
    const json_t *product = json_object_get(item, "product_id");

    *order = (struct subscription_order){
        .cancel_at_period_end = json_object_get(item, "cancel_at_period_end"),
        .metadata = json_object_get(item, "metadata"),
        .product_id = json_string_value(product),
    };
    if (status) {
        if (!json_is_string(status) ||
            !subscription_status_parse(json_string_value(status), &order->status))
            return "status: expected trialing, active, past_due, overdue, paused or canceled";
        order->has_status = true;
    }
    if (product && !order->product_id)
        return "product_id: expected a string";
    if (order->cancel_at_period_end && !json_is_boolean(order->cancel_at_period_end))
        return "cancel_at_period_end: expected a boolean";
    return metadata_check(order->metadata);
}

static int subscription_order_apply(struct model *model, struct subscription *subscription,
                                    const struct subscription_order *order, int64_t now_ms)
{
    int r = 0;

    if (order->product_id)
        r = model_product_open(model, order->product_id, now_ms, &subscription->product);
    if (r == 0)
        r = metadata_merge(&subscription->metadata, order->metadata);
    if (r < 0)
        return r;
    if (order->cancel_at_period_end)
        subscription_set_cancel_at_period_end(subscription,
                                              json_is_true(order->cancel_at_period_end), now_ms);
    if (order->has_status)
        subscription_set_status(subscription, order->status, now_ms);
    subscription->updated_ms = now_ms;
    return 0;
}

int subscription_change(struct model *model, struct subscription *subscription, const json_t *item,
                        int64_t now_ms, const char **ret_wrong)
{
    struct subscription_order order;

    *ret_wrong = subscription_order_parse(item, &order);
    return *ret_wrong ? -EINVAL : subscription_order_apply(model, subscription, &order, now_ms);
}

int subscription_load(struct model *model, const json_t *item, int64_t now_ms,
                      const char **ret_wrong, struct subscription **ret_subscription)
{
    const char *id = text_of(item, "id"), *customer_id = text_of(item, "customer_id");
    struct subscription *subscription;
    struct subscription_order order;
    struct customer *customer;
    struct product *product;
    int r;

    *ret_wrong = subscription_order_parse(item, &order);
    if (!customer_id || !order.product_id)
        *ret_wrong = "each needs \"customer_id\" and \"product_id\"";
    else if (id && model_subscription(model, id))
        *ret_wrong = "an \"id\" is there twice";
    if (*ret_wrong)
        return -EINVAL;
    r = model_customer_open(model, customer_id, now_ms, &customer);
    if (r == 0)
        r = model_product_open(model, order.product_id, now_ms, &product);
    if (r == 0)
        r = model_subscription_add(model, id, customer, product, now_ms, &subscription);
    if (r == 0)
        r = subscription_order_apply(model, subscription, &order, now_ms);
    if (r < 0)
        return r;
    *ret_subscription = subscription;
    return 0;
}

/* "50 XLM" is taken as it is; a whole number is so many XLM. NULL: neither, or out of memory. */
static char *amount_make(const json_t *amount)
{
    char *text = NULL;
    int length = -1;

    if (json_is_string(amount))
        length = asprintf(&text, "%s", json_string_value(amount));
    else if (json_is_integer(amount))
        length = asprintf(&text, "%lld XLM", (long long)json_integer_value(amount));
    return length < 0 ? NULL : text;
}

static const char *payment_check(const struct model *model, const json_t *item,
                                 enum payment_status *status)
{
    const json_t *given = json_object_get(item, "status");
    const json_t *amount = json_object_get(item, "amount");
    const char *id = text_of(item, "id");

    if (!text_of(item, "customer_id") || !(json_is_string(amount) || json_is_integer(amount)))
        return "each needs \"customer_id\" and \"amount\", such as 50 or \"50 XLM\"";
    if (id && model_payment(model, id))
        return "an \"id\" is there twice";
    *status = PAYMENT_CONFIRMED;
    if (given &&
        (!json_is_string(given) || !payment_status_parse(json_string_value(given), status)))
        return "status: expected pending, confirmed or failed";
    return metadata_check(json_object_get(item, "metadata"));
}

int payment_load(struct model *model, const json_t *item, int64_t now_ms, const char **ret_wrong,
                 struct payment **ret_payment)
{
    CLEANUP(cleanup_free) char *amount = NULL;
    const char *product_id = text_of(item, "product_id");
    struct product *product = NULL;
    struct customer *customer;
    struct payment *payment;
    enum payment_status status;
    int r;

    *ret_wrong = payment_check(model, item, &status);
    if (*ret_wrong)
        return -EINVAL;
    amount = amount_make(json_object_get(item, "amount"));
    if (!amount)
        return -ENOMEM;
    r = model_customer_open(model, text_of(item, "customer_id"), now_ms, &customer);
    if (r == 0 && product_id)
        r = model_product_open(model, product_id, now_ms, &product);
    if (r == 0)
        r = model_payment_add(model, text_of(item, "id"), customer, amount, now_ms, &payment);
    if (r < 0)
        return r;
    payment->product = product;
    payment->status = status;
    *ret_payment = payment;
    return metadata_merge(&payment->metadata, json_object_get(item, "metadata"));
}

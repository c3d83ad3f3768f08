#include "billing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define DAY_MS (24 * 3600 * INT64_C(1000))
#define PERIOD_DAYS 30

static const char *const subscription_names[] = {
    [SUBSCRIPTION_TRIALING] = "trialing", [SUBSCRIPTION_ACTIVE] = "active",
    [SUBSCRIPTION_PAST_DUE] = "past_due", [SUBSCRIPTION_OVERDUE] = "overdue",
    [SUBSCRIPTION_PAUSED] = "paused",     [SUBSCRIPTION_CANCELED] = "canceled",
};
static const char *const payment_names[] = {
    [PAYMENT_PENDING] = "pending",
    [PAYMENT_CONFIRMED] = "confirmed",
    [PAYMENT_FAILED] = "failed",
};
static const char *const refund_names[] = {
    [REFUND_PENDING] = "pending",
    [REFUND_SUCCEEDED] = "succeeded",
    [REFUND_FAILED] = "failed",
};

/* -1 where it is none of them. */
static int word_find(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(words[i], word) == 0)
            return (int)i;
    }
    return -1;
}

const char *subscription_status_name(enum subscription_status status)
{
    return subscription_names[status];
}

bool subscription_status_parse(const char *name, enum subscription_status *ret_status)
{
    int found = word_find(subscription_names, ARRAY_SIZE(subscription_names), name);

    if (found >= 0)
        *ret_status = (enum subscription_status)found;
    return found >= 0;
}

const char *payment_status_name(enum payment_status status)
{
    return payment_names[status];
}

bool payment_status_parse(const char *name, enum payment_status *ret_status)
{
    int found = word_find(payment_names, ARRAY_SIZE(payment_names), name);

    if (found >= 0)
        *ret_status = (enum payment_status)found;
    return found >= 0;
}

const char *refund_status_name(enum refund_status status)
{
    return refund_names[status];
}

static struct subscription *subscription_free(struct subscription *subscription)
{
    if (!subscription)
        return NULL;
    free(subscription->id);
    free(subscription->metadata);
    free(subscription->key);
    free(subscription);
    return NULL;
}

static struct payment *payment_free(struct payment *payment)
{
    if (!payment)
        return NULL;
    free(payment->id);
    free(payment->amount);
    free(payment->metadata);
    free(payment);
    return NULL;
}

static struct refund *refund_free(struct refund *refund)
{
    if (!refund)
        return NULL;
    free(refund->reason);
    free(refund->address);
    free(refund->metadata);
    free(refund->key);
    free(refund);
    return NULL;
}

void billing_deinit(struct model *model)
{
    for (size_t i = 0; i < model->subscriptions.count; i++)
        subscription_free(model->subscriptions.items[i]);
    for (size_t i = 0; i < model->payments.count; i++)
        payment_free(model->payments.items[i]);
    for (size_t i = 0; i < model->refunds.count; i++)
        refund_free(model->refunds.items[i]);
    list_deinit(&model->subscriptions);
    list_deinit(&model->payments);
    list_deinit(&model->refunds);
    map_deinit(&model->subscriptions_by_id);
    map_deinit(&model->payments_by_id);
}

struct subscription *model_subscription(const struct model *model, const char *id)
{
    return list_find(&model->subscriptions, &model->subscriptions_by_id, model_id_hash(model, id));
}

struct payment *model_payment(const struct model *model, const char *id)
{
    return list_find(&model->payments, &model->payments_by_id, model_id_hash(model, id));
}

int model_subscription_add(struct model *model, const char *id, struct customer *customer,
                           struct product *product, int64_t now_ms,
                           struct subscription **ret_subscription)
{
    struct subscription *subscription;
    struct list *list = &model->subscriptions;
    struct map *map = &model->subscriptions_by_id;
    int r;

    if (id && model_subscription(model, id))
        return -EEXIST;
    subscription = calloc(1, sizeof(*subscription));
    if (!subscription)
        return -ENOMEM;
    subscription->id = id ? strdup(id) : model_id_make(model, "sub", list, map);
    subscription->customer = customer;
    subscription->product = product;
    subscription->status = SUBSCRIPTION_ACTIVE;
    subscription->period_start_ms = subscription->created_ms = subscription->updated_ms = now_ms;
    subscription->period_end_ms = now_ms + PERIOD_DAYS * DAY_MS;
    r = subscription->id
            ? list_add_found(list, map, model_id_hash(model, subscription->id), subscription)
            : -ENOMEM;
    if (r < 0) {
        subscription_free(subscription);
        return r;
    }
    *ret_subscription = subscription;
    return 0;
}

int model_payment_add(struct model *model, const char *id, struct customer *customer,
                      const char *amount, int64_t now_ms, struct payment **ret_payment)
{
    struct payment *payment;
    struct list *list = &model->payments;
    struct map *map = &model->payments_by_id;
    int r;

    if (id && model_payment(model, id))
        return -EEXIST;
    payment = calloc(1, sizeof(*payment));
    if (!payment)
        return -ENOMEM;
    payment->id = id ? strdup(id) : model_id_make(model, "pay", list, map);
    payment->amount = strdup(amount);
    payment->customer = customer;
    payment->status = PAYMENT_CONFIRMED;
    payment->created_ms = now_ms;
    r = payment->id && payment->amount
            ? list_add_found(list, map, model_id_hash(model, payment->id), payment)
            : -ENOMEM;
    if (r < 0) {
        payment_free(payment);
        return r;
    }
    *ret_payment = payment;
    return 0;
}

int model_refund_add(struct model *model, struct payment *payment, int64_t now_ms,
                     struct refund **ret_refund)
{
    struct refund *refund = calloc(1, sizeof(*refund));

    if (!refund)
        return -ENOMEM;
    refund->number = model->refunds.count + 1;
    refund->payment = payment;
    refund->created_ms = now_ms;
    if (list_add(&model->refunds, refund) < 0) {
        refund_free(refund);
        return -ENOMEM;
    }
    *ret_refund = refund;
    return 0;
}

void subscription_set_status(struct subscription *subscription, enum subscription_status status,
                             int64_t now_ms)
{
    subscription->status = status;
    subscription->paused_ms = status == SUBSCRIPTION_PAUSED ? now_ms : 0;
    if (status == SUBSCRIPTION_CANCELED)
        subscription->canceled_ms = now_ms;
    else if (!subscription->cancel_at_period_end)
        subscription->canceled_ms = 0;
    subscription->updated_ms = now_ms;
}

void subscription_set_cancel_at_period_end(struct subscription *subscription, bool cancel,
                                           int64_t now_ms)
{
    if (subscription->status != SUBSCRIPTION_CANCELED &&
        subscription->cancel_at_period_end != cancel)
        subscription->canceled_ms = cancel ? now_ms : 0;
    subscription->cancel_at_period_end = cancel;
    subscription->updated_ms = now_ms;
}

void subscription_begin_trial(struct subscription *subscription, int64_t days)
{
    subscription->status = SUBSCRIPTION_TRIALING;
    subscription->trial_end_ms = subscription->created_ms + days * DAY_MS;
    subscription->period_end_ms = subscription->trial_end_ms;
}

/*
 * What is bought: subscriptions, payments and refunds, beside the customers and products of
 * model.h.
 *
 * Nothing here keeps anybody from doing a thing twice: two subscriptions of one customer to one
 * product and two refunds of one payment stand side by side, as they would there, so that a test
 * can see who sent twice.
 */
#pragma once

#include "model.h"
#include <jansson.h>

enum subscription_status {
    SUBSCRIPTION_TRIALING,
    SUBSCRIPTION_ACTIVE,
    SUBSCRIPTION_PAST_DUE,
    SUBSCRIPTION_OVERDUE,
    SUBSCRIPTION_PAUSED,
    SUBSCRIPTION_CANCELED,
};

enum payment_status { PAYMENT_PENDING, PAYMENT_CONFIRMED, PAYMENT_FAILED };

/* In the order of the choices of the fault refund_status. */
enum refund_status { REFUND_PENDING, REFUND_SUCCEEDED, REFUND_FAILED };

struct subscription {
    char *id;
    struct customer *customer;
    struct product *product;
    enum subscription_status status;
    bool cancel_at_period_end;
    char *metadata; /* JSON text, or NULL */
    char *key;      /* as a customer's */
    int64_t period_start_ms, period_end_ms;
    int64_t trial_end_ms, canceled_ms, paused_ms; /* 0: none */
    int64_t created_ms, updated_ms;
};

struct payment {
    char *id;
    struct customer *customer;
    struct product *product; /* bought with it, once; or NULL */
    char *amount;            /* "50 XLM" */
    enum payment_status status;
    char *metadata; /* JSON text, or NULL */
    int64_t created_ms;
};

struct refund {
    uint64_t number;
    struct payment *payment;
    enum refund_status status;
    char *reason;
    char *address;  /* or NULL */
    char *metadata; /* JSON text, or NULL */
    char *key;      /* as a customer's */
    int64_t created_ms;
};

/* Frees what this header adds to the model. */
void billing_deinit(struct model *model);

struct subscription *model_subscription(const struct model *model, const char *id);
struct payment *model_payment(const struct model *model, const char *id);
/* -EEXIST where there is one with that id. `id` NULL: a new one is made up. */
int model_subscription_add(struct model *model, const char *id, struct customer *customer,
                           struct product *product, int64_t now_ms,
                           struct subscription **ret_subscription);
int model_payment_add(struct model *model, const char *id, struct customer *customer,
                      const char *amount, int64_t now_ms, struct payment **ret_payment);
/* Without reason, address and metadata yet. */
int model_refund_add(struct model *model, struct payment *payment, int64_t now_ms,
                     struct refund **ret_refund);

const char *subscription_status_name(enum subscription_status status);
bool subscription_status_parse(const char *name, enum subscription_status *ret_status);
const char *payment_status_name(enum payment_status status);
bool payment_status_parse(const char *name, enum payment_status *ret_status);
const char *refund_status_name(enum refund_status status);

/* Keeps canceled_ms and paused_ms in step. */
void subscription_set_status(struct subscription *subscription, enum subscription_status status,
                             int64_t now_ms);
void subscription_set_cancel_at_period_end(struct subscription *subscription, bool cancel,
                                           int64_t now_ms);
void subscription_begin_trial(struct subscription *subscription, int64_t days);

/*
 * As seeds and the control endpoints give them; customers and products that do not exist yet are
 * made on the fly. -EINVAL with *ret_wrong, a constant text; nothing was changed then.
 */
int subscription_load(struct model *model, const json_t *item, int64_t now_ms,
                      const char **ret_wrong, struct subscription **ret_subscription);
int subscription_change(struct model *model, struct subscription *subscription, const json_t *item,
                        int64_t now_ms, const char **ret_wrong);
int payment_load(struct model *model, const json_t *item, int64_t now_ms, const char **ret_wrong,
                 struct payment **ret_payment);

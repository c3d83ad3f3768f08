/*
 * The builders of HTTP requests for customers, subscriptions, payments and access: rows of the
 * table in exchange.c.
 */
#include "exchange.h"
#include "request.h"
#include "url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what ends every builder --- */

static int take_get(struct url *url, struct request *ret)
{
    struct request request = {0};
    int r = url_take(url, &request.url);

    if (r == 0)
        *ret = request;
    return r;
}

/* Takes the reference to `body`; NULL stands for no memory. */
static int take_write(struct url *url, json_t *body, struct request *ret)
{
    struct request request = {0};
    int r = url_take(url, &request.url);

    if (r == 0)
        request.body = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (r == 0 && !request.body)
        r = -ENOMEM;
    if (r < 0)
        request_deinit(&request);
    else
        *ret = request;
    return r;
}

static int take_post(struct url *url, json_t *body, const struct exchange_args *args,
                     struct request *ret)
{
    int r = take_write(url, body, ret);

    if (r == 0 && args->idempotency_key[0] != '\0')
        ret->idempotency_key = args->idempotency_key;
    return r;
}

static int take_put(struct url *url, json_t *body, struct request *ret)
{
    int r = take_write(url, body, ret);

    if (r == 0)
        ret->is_put = true;
    return r;
}

/* --- bodies: what fails makes the whole body NULL --- */

/* Takes the reference to `value`. */
static void put(json_t **body, const char *key, json_t *value)
{
    if (json_object_set_new(*body, key, value) == 0)
        return;
    json_decref(*body);
    *body = NULL;
}

static void put_text(json_t **body, const char *key, const char *text)
{
    if (text[0] != '\0')
        put(body, key, json_string(text));
}

/* The older server strips what it does not know, so that both names may stand there. */
struct names {
    const char *snake, *camel;
};

static void put_both(json_t **body, const char *base_url, struct names names, json_t *value)
{
    if (base_is_camel(base_url))
        put(body, names.camel, json_incref(value));
    put(body, names.snake, value);
}

/* What the caller gave, and by which a create is found again (P9). */
static void put_created_metadata(json_t **body, const struct exchange_args *args)
{
    json_t *metadata = args->metadata ? json_copy(args->metadata) : json_object();

    put(&metadata, "source", json_string("creditd"));
    if (args->intent_id[0] != '\0')
        put(&metadata, "creditd_intent", json_string(args->intent_id));
    put(body, "metadata", metadata);
}

/* What a create is found again by is not for callers to write: it stays as it is there. */
static void put_updated_metadata(json_t **body, const struct exchange_args *args)
{
    json_t *metadata = args->metadata ? json_copy(args->metadata) : NULL;

    if (!args->metadata)
        return;
    if (metadata)
        (void)json_object_del(metadata, "creditd_intent"); /* fails where it is not there */
    put(body, "metadata", metadata);
}

/* --- customers --- */

static void url_customer(struct url *url, const struct exchange_args *args, const char *base_url)
{
    url_init(url, base_url);
    url_segment(url, "customers");
    url_segment(url, args->customer_id);
}

static void url_page(struct url *url, const struct exchange_args *args)
{
    url_query_int(url, "limit", args->limit);
    if (args->starting_after[0] != '\0')
        url_query(url, "starting_after", args->starting_after);
}

EXCHANGE_BUILDER(customer)
{
    struct url url;

    url_customer(&url, args, base_url);
    return take_get(&url, ret);
}

EXCHANGE_BUILDER(customers)
{
    struct url url;

    url_init(&url, base_url);
    url_segment(&url, "customers");
    if (args->email[0] != '\0')
        url_query(&url, "email", args->email);
    url_page(&url, args);
    return take_get(&url, ret);
}

static void put_person(json_t **body, const struct exchange_args *args)
{
    put_text(body, "email", args->email);
    put_text(body, "name", args->name);
    put_text(body, "phone", args->phone);
    put_text(body, "image", args->image);
}

EXCHANGE_BUILDER(customer_create)
{
    json_t *customer = json_object(), *body;
    struct url url;

    put_person(&customer, args);
    put_created_metadata(&customer, args);
    body = args->bare ? json_incref(customer) : json_pack("[O]", customer);
    json_decref(customer);
    url_init(&url, base_url);
    url_segment(&url, "customers");
    return take_post(&url, body, args, ret);
}

/* An update says nothing of where the customer came from: no `source`. */
EXCHANGE_BUILDER(customer_update)
{
    json_t *body = json_object();
    struct url url;

    put_person(&body, args);
    put_updated_metadata(&body, args);
    url_customer(&url, args, base_url);
    return take_put(&url, body, ret);
}

/* --- subscriptions --- */

static void url_subscription(struct url *url, const struct exchange_args *args,
                             const char *base_url)
{
    url_init(url, base_url);
    url_segment(url, "subscriptions");
    url_segment(url, args->subscription_id);
}

EXCHANGE_BUILDER(subscription)
{
    struct url url;

    url_subscription(&url, args, base_url);
    return take_get(&url, ret);
}

EXCHANGE_BUILDER(subscriptions)
{
    struct url url;

    url_init(&url, base_url);
    url_segment(&url, "subscriptions");
    url_query(&url, "customer_id", args->customer_id);
    if (base_is_camel(base_url))
        url_query(&url, "customerId", args->customer_id);
    url_page(&url, args);
    return take_get(&url, ret);
}

static void put_period_end(json_t **body, const struct exchange_args *args, const char *base_url)
{
    static const struct names names = {"cancel_at_period_end", "cancelAtPeriodEnd"};

    if (args->present & ARGUMENT_CANCEL_AT_PERIOD_END)
        put_both(body, base_url, names, json_boolean(args->cancel_at_period_end));
}

EXCHANGE_BUILDER(subscription_create)
{
    static const struct names customer = {"customer_id", "customerId"};
    static const struct names product = {"product_id", "productId"};
    static const struct names trial = {"trial_days", "trialDays"};
    json_t *body = json_object();
    struct url url;

    put_both(&body, base_url, customer, json_string(args->customer_id));
    put_both(&body, base_url, product, json_string(args->product_id));
    put_created_metadata(&body, args);
    put_period_end(&body, args, base_url);
    if (args->present & ARGUMENT_TRIAL_DAYS)
        put_both(&body, base_url, trial, json_integer(args->trial_days));
    url_init(&url, base_url);
    url_segment(&url, "subscriptions");
    return take_post(&url, body, args, ret);
}

EXCHANGE_BUILDER(subscription_update)
{
    static const struct names product = {"product_id", "productId"};
    json_t *body = json_object();
    struct url url;

    if (args->product_id[0] != '\0')
        put_both(&body, base_url, product, json_string(args->product_id));
    put_updated_metadata(&body, args);
    put_period_end(&body, args, base_url);
    url_subscription(&url, args, base_url);
    return take_put(&url, body, ret);
}

EXCHANGE_BUILDER(subscription_action)
{
    struct url url;

    url_subscription(&url, args, base_url);
    url_segment(&url, args->action);
    return take_post(&url, json_object(), args, ret);
}

/* --- payments and access --- */

EXCHANGE_BUILDER(payment)
{
    struct url url;

    url_init(&url, base_url);
    url_segment(&url, "payment");
    url_segment(&url, args->payment_id);
    return take_get(&url, ret);
}

EXCHANGE_BUILDER(refund_create)
{
    static const struct names payment = {"payment_id", "paymentId"};
    json_t *body = json_object();
    struct url url;

    put_both(&body, base_url, payment, json_string(args->payment_id));
    /* Upstream will not do without one. */
    put_text(&body, "reason", args->reason[0] != '\0' ? args->reason : "No reason given");
    put_created_metadata(&body, args);
    url_init(&url, base_url);
    url_segment(&url, "refunds");
    return take_post(&url, body, args, ret);
}

EXCHANGE_BUILDER(access)
{
    struct url url;

    url_customer(&url, args, base_url);
    url_segment(&url, "access");
    url_segment(&url, args->product_id);
    return take_get(&url, ret);
}

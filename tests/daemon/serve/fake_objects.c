/*
 * The stand-in's customers, subscriptions, payments and refunds, as creditd-sync would tell them.
 */
#include "fixture.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char *text(const json_t *params, const char *key)
{
    const char *value = json_string_value(json_object_get(params, key));

    return value != NULL ? value : "";
}

static json_t *answer_with(const char *member, json_t *value)
{
    json_t *result = fake_answer("ok", 200);

    json_object_set_new(result, member, value);
    return result;
}

static json_t *find_row(json_t *rows, const char *id)
{
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row) if (strcmp(text(row, "id"), id) == 0) return row;
    return NULL;
}

/* What is made, with its intent in its metadata. Half of the creates may fail after commit. */
static json_t *create(struct fake_sync *sync, json_t *rows, const char *prefix,
                      const json_t *params, json_t *row)
{
    json_t *metadata = json_object_get(params, "metadata");
    char id[64];
    bool lost;

    snprintf(id, sizeof(id), "%s_%zu", prefix, json_array_size(rows) + 1);
    metadata = json_is_object(metadata) ? json_deep_copy(metadata) : json_object();
    json_object_set(metadata, "creditd_intent", json_object_get(params, "intent_id"));
    cr_assert(json_is_string(json_object_get(params, "intent_id")));
    cr_assert(json_is_string(json_object_get(params, "idempotency_key")));
    json_object_set_new(row, "id", json_string(id));
    json_object_set_new(row, "metadata", metadata);
    json_object_set_new(row, "unknown_field", json_pack("{s:i}", "kept", 1));
    if (sync->forge_creates) {
        json_t *forged = json_deep_copy(row);

        json_object_set_new(forged, "id", json_string("forged"));
        json_object_set_new(forged, "email", json_string("forged"));
        json_object_set_new(forged, "product_id", json_string("forged"));
        json_array_append_new(rows, forged);
    }
    json_array_append(rows, row);
    atomic_fetch_add(&sync->creates, 1);
    lost = sync->lose_creates > 0 && atomic_fetch_sub(&sync->lose_creates, 1) > 0;
    return lost ? (json_decref(row), (json_t *)NULL) : row;
}

static json_t *made(const char *member, json_t *row)
{
    return row != NULL ? answer_with(member, row) : fake_answer("unanswered", 0);
}

/* A page, of two so that paging is done: rows whose `key` is `value` (any, if empty). */
static json_t *page(struct fake_sync *sync, json_t *rows, const json_t *params, const char *key,
                    const char *value, const char *member)
{
    const char *after = text(params, "starting_after");
    json_t *found = json_array(), *row, *result;
    bool skipping = after[0] != '\0';
    const char *next = NULL;
    int taken = 0;
    size_t i;

    json_array_foreach(rows, i, row)
    {
        if (skipping) {
            skipping = strcmp(text(row, "id"), after) != 0;
            continue;
        }
        if (taken == sync->page_size)
            break;
        taken++;
        next = text(row, "id");
        if (value[0] == '\0' || strcasecmp(text(row, key), value) == 0)
            json_array_append(found, row);
    }
    result =
        json_pack("{s:o, s:b, s:s?}", "rows", found, "has_more", (int)(i < json_array_size(rows)),
                  "next", i < json_array_size(rows) ? next : NULL);
    return answer_with(member, result);
}

static json_t *update(json_t *row, const json_t *params)
{
    static const char *const keys[] = {"email", "name",       "phone",
                                       "image", "product_id", "cancel_at_period_end"};
    json_t *metadata = json_object_get(params, "metadata");

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (json_object_get(params, keys[i]) != NULL)
            json_object_set(row, keys[i], json_object_get(params, keys[i]));
    if (metadata != NULL)
        json_object_update(json_object_get(row, "metadata"), metadata);
    return row;
}

static json_t *act(json_t *row, const json_t *params)
{
    const char *action = text(params, "action");

    if (strcmp(action, "cancel") == 0)
        json_object_set_new(row, "cancel_at_period_end", json_true());
    else
        json_object_set_new(row, "status",
                            json_string(strcmp(action, "pause") == 0 ? "paused" : "active"));
    return row;
}

static json_t *one(json_t *row, const char *member)
{
    return row != NULL ? answer_with(member, json_deep_copy(row)) : fake_answer("not_found", 404);
}

static json_t *refund(struct fake_sync *sync, const json_t *params)
{
    json_t *row = json_pack("{s:s, s:s, s:O, s:s}", "object", "refund", "payment_id",
                            text(params, "payment_id"), "reason",
                            json_object_get(params, "reason") ? json_object_get(params, "reason")
                                                              : json_null(),
                            "status", "pending");

    if (strcmp(text(params, "payment_id"), "pay_refused") == 0) {
        json_decref(row);
        atomic_fetch_add(&sync->creates, 1);
        row = fake_answer("refused", 400);
        json_object_set_new(row, "message", json_string("payment is pending"));
        return row;
    }
    return made("refund", create(sync, sync->refunds, "rf", params, row));
}

/* NULL: not a request about objects. */
json_t *fake_objects_answer(struct fake_sync *sync, const char *method, const json_t *params)
{
    json_t *customer = find_row(sync->customers, text(params, "customer_id"));
    json_t *subscription = find_row(sync->subscriptions, text(params, "subscription_id"));

    if (strncmp(method, "upstream.", 9) != 0)
        return NULL;
    method += 9;
    cr_assert_gt(json_integer_value(json_object_get(params, "timeout")), 0);
    if (strcmp(method, "customer") == 0) {
        atomic_fetch_add(&sync->customer_reads, 1);
        return one(customer, "customer");
    }
    if (strcmp(method, "customers") == 0) {
        atomic_fetch_add(&sync->searches, 1);
        return page(sync, sync->customers, params, "email", text(params, "email"), "customers");
    }
    if (strcmp(method, "customer_create") == 0)
        return made("customer",
                    create(sync, sync->customers, "cus", params,
                           json_pack("{s:s, s:s, s:s}", "object", "customer", "email",
                                     text(params, "email"), "name", text(params, "name"))));
    if (strcmp(method, "customer_update") == 0) {
        atomic_fetch_add(&sync->updates, 1);
        return one(customer != NULL ? update(customer, params) : NULL, "customer");
    }
    if (strcmp(method, "subscriptions") == 0) {
        atomic_fetch_add(&sync->lists, 1);
        return page(sync, sync->subscriptions, params, "customer_id", text(params, "customer_id"),
                    "subscriptions");
    }
    if (strcmp(method, "subscription_create") == 0)
        return made(
            "subscription",
            create(sync, sync->subscriptions, "sub", params,
                   json_pack("{s:s, s:s, s:s, s:s, s:b}", "object", "subscription", "customer_id",
                             text(params, "customer_id"), "product_id", text(params, "product_id"),
                             "status", "active", "cancel_at_period_end", 0)));
    if (strcmp(method, "subscription_update") == 0) {
        atomic_fetch_add(&sync->updates, 1);
        return one(subscription != NULL ? update(subscription, params) : NULL, "subscription");
    }
    if (strcmp(method, "subscription_action") == 0) {
        atomic_fetch_add(&sync->updates, 1);
        return one(subscription != NULL ? act(subscription, params) : NULL, "subscription");
    }
    if (strcmp(method, "payment") == 0) {
        atomic_fetch_add(&sync->payments, 1);
        if (strncmp(text(params, "payment_id"), "pay_", 4) != 0 ||
            strcmp(text(params, "payment_id"), "pay_none") == 0)
            return fake_answer("not_found", 404);
        /* pay_… is cus_1's, but for pay_2, which is cus_2's. */
        return answer_with(
            "payment",
            json_pack("{s:s, s:s}", "id", text(params, "payment_id"), "customer_id",
                      strcmp(text(params, "payment_id"), "pay_2") == 0 ? "cus_2" : "cus_1"));
    }
    if (strcmp(method, "refund_create") == 0)
        return refund(sync, params);
    if (strcmp(method, "access") == 0) {
        atomic_fetch_add(&sync->accesses, 1);
        return answer_with("access", json_pack("{s:b, s:{s:s, s:s}}", "has_access", 1, "grant",
                                               "type", "one_time", "payment_id", "pay_1"));
    }
    return NULL;
}

/* The signature is a word, and says what becomes of it. */
json_t *fake_webhook_answer(struct fake_sync *sync, const json_t *params)
{
    const char *word = text(params, "signature");
    json_t *body, *data, *object, *previous;

    atomic_fetch_add(&sync->webhooks, 1);
    if (strcmp(word, "none") == 0)
        return json_pack("{s:s, s:s}", "verdict", "unavailable", "message", "no webhook secret");
    if (strcmp(word, "good") != 0)
        return json_pack("{s:s, s:s}", "verdict", "invalid", "message", word);
    body = json_loads(text(params, "body"), 0, NULL);
    cr_assert_not_null(body, "%s", text(params, "body"));
    data = json_object_get(body, "data");
    object = json_object_get(data, "object");
    previous = json_object_get(data, "previous_attributes");
    json_object_set_new(body, "verdict", json_string("valid"));
    json_object_set_new(body, "message", json_null());
    json_object_set_new(body, "created", json_integer(1768867200000)); /* 2026-01-20 */
    json_object_set(body, "object", object != NULL ? object : json_null());
    json_object_set(body, "previous_attributes", previous != NULL ? previous : json_null());
    json_object_del(body, "data");
    return body;
}

void fake_objects_init(struct fake_sync *sync)
{
    sync->customers = json_array();
    sync->subscriptions = json_array();
    sync->refunds = json_array();
}

void fake_objects_deinit(struct fake_sync *sync)
{
    json_decref(sync->customers);
    json_decref(sync->subscriptions);
    json_decref(sync->refunds);
}

void fake_add_customer(struct fake_sync *sync, const char *id, const char *email)
{
    pthread_mutex_lock(&sync->lock);
    json_array_append_new(sync->customers,
                          json_pack("{s:s, s:s, s:s, s:s, s:{}, s:{s:i}}", "id", id, "object",
                                    "customer", "email", email, "name", "N", "metadata",
                                    "unknown_field", "kept", 1));
    pthread_mutex_unlock(&sync->lock);
}

void fake_add_subscription(struct fake_sync *sync, const char *id, const char *customer)
{
    pthread_mutex_lock(&sync->lock);
    json_array_append_new(sync->subscriptions,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:{}}", "id", id, "object",
                                    "subscription", "customer_id", customer, "product_id", "prod_1",
                                    "status", "active", "metadata"));
    pthread_mutex_unlock(&sync->lock);
}

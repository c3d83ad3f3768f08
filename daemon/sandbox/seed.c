/*
 * The seed: one JSON object. Later parts may name what earlier ones made (products, customers,
 * generate, balances, subscriptions, payments); customers and products that only later parts name
 * are made on the fly.
 */
#include "seed.h"
#include "billing.h"
#include "metadata.h"
#include "text.h"
#include "views.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

#define GENERATE_MAX 10000000

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static int64_t number_of(const json_t *object, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

static int product_load(struct model *model, const json_t *item, int64_t now_ms, char **ret_error)
{
    const char *id = text_of(item, "id");
    struct product *product;
    int r;

    if (!id)
        return text_refuse(ret_error, "products: each needs an \"id\"");
    r = model_product_add(model, id, now_ms, &product);
    if (r == -EEXIST)
        return text_refuse(ret_error, "products: %s is there twice", id);
    if (r < 0)
        return r;
    product->units_per_credit = number_of(item, "units_per_credit", 1);
    product->total_credits = number_of(item, "total_credits", -1);
    return text_set(&product->unit, text_of(item, "unit"));
}

/* Addresses become wallets as upstream tells them. */
static json_t *wallets_make(const struct customer *customer, const json_t *given, int64_t now_ms)
{
    json_t *wallets = json_array(), *item;
    char time[VIEW_TIME_SIZE];
    size_t i;

    view_time(now_ms, time);
    json_array_foreach((json_t *)given, i, item)
    {
        json_t *metadata = json_object_get(item, "metadata");
        json_t *wallet = json_pack(
            "{s:o, s:O, s:O*, s:s}", "id", json_sprintf("wal_%s_%zu", customer->id, i + 1),
            "address", json_object_get(item, "address"), "metadata", metadata, "created_at", time);

        if (wallet && !metadata)
            json_object_set_new(wallet, "metadata", json_object());
        if (json_array_append_new(wallets, wallet) < 0) {
            json_decref(wallets);
            return NULL;
        }
    }
    return wallets;
}

static int wallets_load(struct customer *customer, const json_t *given, int64_t now_ms,
                        char **ret_error)
{
    json_t *wallets, *item;
    size_t i;

    if (given && !json_is_array(given))
        return text_refuse(ret_error, "customers: %s: \"wallets\" is not an array", customer->id);
    json_array_foreach((json_t *)given, i, item)
    {
        if (!text_of(item, "address") || metadata_check(json_object_get(item, "metadata")))
            return text_refuse(ret_error,
                               "customers: %s: each of \"wallets\" needs an \"address\", and "
                               "\"metadata\" holds strings",
                               customer->id);
    }
    wallets = wallets_make(customer, given, now_ms);
    customer->wallets = wallets ? json_dumps(wallets, JSON_COMPACT) : NULL;
    json_decref(wallets);
    return customer->wallets ? 0 : -ENOMEM;
}

static int customer_fields_load(struct customer *customer, const json_t *item)
{
    const struct {
        const char *name;
        char **field;
    } fields[] = {{"email", &customer->email},
                  {"name", &customer->name},
                  {"phone", &customer->phone},
                  {"image", &customer->image}};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        int r = text_set(fields[i].field, text_of(item, fields[i].name));

        if (r < 0)
            return r;
    }
    return metadata_merge(&customer->metadata, json_object_get(item, "metadata"));
}

static int customer_load(struct model *model, const json_t *item, int64_t now_ms, char **ret_error)
{
    const char *id = text_of(item, "id"), *wrong;
    struct customer *customer;
    int r;

    if (!id)
        return text_refuse(ret_error, "customers: each needs an \"id\"");
    r = model_customer_add(model, id, now_ms, &customer);
    if (r == -EEXIST)
        return text_refuse(ret_error, "customers: %s is there twice", id);
    wrong = metadata_check(json_object_get(item, "metadata"));
    if (wrong)
        return text_refuse(ret_error, "customers: %s: %s", id, wrong);
    if (r == 0)
        r = customer_fields_load(customer, item);
    return r < 0 ? r : wallets_load(customer, json_object_get(item, "wallets"), now_ms, ret_error);
}

static int balance_start(struct model *model, const char *customer_id, const char *product_id,
                         int64_t credits, int64_t now_ms, struct balance **ret_balance)
{
    int r;

    r = model_balance_open(model, customer_id, product_id, now_ms, ret_balance);
    if (r < 0)
        return r;
    (*ret_balance)->balance = credits;
    (*ret_balance)->granted = credits > 0 ? credits : 0;
    return 0;
}

static int balance_load(struct model *model, const json_t *item, int64_t now_ms, char **ret_error)
{
    const char *customer_id = text_of(item, "customer_id"),
               *product_id = text_of(item, "product_id");
    struct balance *balance;
    int r;

    if (!customer_id || !product_id || !json_is_integer(json_object_get(item, "balance")))
        return text_refuse(
            ret_error,
            "balances: each needs \"customer_id\", \"product_id\" and a whole \"balance\"");
    r = balance_start(model, customer_id, product_id, number_of(item, "balance", 0), now_ms,
                      &balance);
    if (r < 0)
        return r;
    balance->consumed = number_of(item, "consumed", 0);
    balance->granted = number_of(item, "granted", balance->granted);
    balance->revoked = json_is_true(json_object_get(item, "is_revoked"));
    return 0;
}

static int subscription_seed(struct model *model, const json_t *item, int64_t now_ms,
                             char **ret_error)
{
    struct subscription *subscription;
    const char *wrong;
    int r;

    r = subscription_load(model, item, now_ms, &wrong, &subscription);
    return r == -EINVAL ? text_refuse(ret_error, "subscriptions: %s", wrong) : r;
}

static int payment_seed(struct model *model, const json_t *item, int64_t now_ms, char **ret_error)
{
    struct payment *payment;
    const char *wrong;
    int r;

    r = payment_load(model, item, now_ms, &wrong, &payment);
    return r == -EINVAL ? text_refuse(ret_error, "payments: %s", wrong) : r;
}

static int generate(struct model *model, const json_t *order, int64_t now_ms, char **ret_error)
{
    int64_t customers = number_of(order, "customers", -1),
            credits = number_of(order, "balance", -1);
    const char *product_id = text_of(order, "product_id");
    struct balance *balance;
    char id[40];
    int r;

    if (customers < 0 || customers > GENERATE_MAX || credits < 0 || !product_id)
        return text_refuse(ret_error,
                           "generate: needs \"customers\", \"product_id\" and \"balance\"");
    for (int64_t i = 0; i < customers; i++) {
        snprintf(id, sizeof(id), "cus_%lld", (long long)i);
        r = balance_start(model, id, product_id, credits, now_ms, &balance);
        if (r < 0)
            return r;
    }
    return 0;
}

typedef int (*load_fn)(struct model *model, const json_t *item, int64_t now_ms, char **ret_error);

static int each_load(struct model *model, const json_t *seed, const char *name, load_fn load,
                     int64_t now_ms, char **ret_error)
{
    const json_t *items = json_object_get(seed, name);
    size_t i;
    json_t *item;
    int r;

    if (items && !json_is_array(items))
        return text_refuse(ret_error, "%s: is not an array", name);
    json_array_foreach((json_t *)items, i, item)
    {
        r = load(model, item, now_ms, ret_error);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A misspelt part must not be a missing part. */
static int names_check(const json_t *seed, char **ret_error)
{
    static const char *const names[] = {"products", "customers",     "generate",
                                        "balances", "subscriptions", "payments"};
    const char *name;
    json_t *value;

    if (!json_is_object(seed))
        return text_refuse(ret_error, "the seed is not a JSON object");
    json_object_foreach((json_t *)seed, name, value)
    {
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
            known = known || strcmp(name, names[i]) == 0;
        if (!known)
            return text_refuse(ret_error,
                               "\"%s\" is not known; write products, customers, generate, "
                               "balances, subscriptions or payments",
                               name);
    }
    return 0;
}

int seed_load(struct model *model, const json_t *seed, int64_t now_ms, char **ret_error)
{
    const json_t *order = json_object_get(seed, "generate");
    int r;

    r = names_check(seed, ret_error);
    if (r == 0)
        r = each_load(model, seed, "products", product_load, now_ms, ret_error);
    if (r == 0)
        r = each_load(model, seed, "customers", customer_load, now_ms, ret_error);
    if (r == 0 && order)
        r = generate(model, order, now_ms, ret_error);
    if (r == 0)
        r = each_load(model, seed, "balances", balance_load, now_ms, ret_error);
    if (r == 0)
        r = each_load(model, seed, "subscriptions", subscription_seed, now_ms, ret_error);
    if (r == 0)
        r = each_load(model, seed, "payments", payment_seed, now_ms, ret_error);
    return r;
}

int seed_load_file(struct model *model, const char *path, int64_t now_ms, char **ret_error)
{
    json_error_t error;
    json_t *seed = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    CLEANUP(cleanup_free) char *reason = NULL;
    int r;

    *ret_error = NULL;
    if (!seed && error.line < 0)
        return text_refuse(ret_error, "%s", error.text); /* names the file */
    if (!seed)
        return text_refuse(ret_error, "%s:%d:%d: %s", path, error.line, error.column, error.text);
    r = seed_load(model, seed, now_ms, &reason);
    json_decref(seed);
    if (reason)
        return text_refuse(ret_error, "%s: %s", path, reason);
    return r;
}

static const char default_seed[] =
    "{\"products\": ["
    "  {\"id\": \"prod_tokens\", \"unit\": \"tokens\", \"units_per_credit\": 1},"
    "  {\"id\": \"prod_chars\", \"unit\": \"chars\", \"units_per_credit\": 10}],"
    " \"customers\": ["
    "  {\"id\": \"cus_ada\", \"email\": \"ada@example.com\", \"name\": \"Ada\"},"
    "  {\"id\": \"cus_grace\", \"email\": \"grace@example.com\", \"name\": \"Grace\"}],"
    " \"balances\": ["
    "  {\"customer_id\": \"cus_ada\", \"product_id\": \"prod_tokens\", \"balance\": 1000000},"
    "  {\"customer_id\": \"cus_ada\", \"product_id\": \"prod_chars\", \"balance\": 1000000},"
    "  {\"customer_id\": \"cus_grace\", \"product_id\": \"prod_tokens\", \"balance\": 1000000},"
    "  {\"customer_id\": \"cus_grace\", \"product_id\": \"prod_chars\", \"balance\": 1000000}]}";

int seed_load_default(struct model *model, int64_t now_ms)
{
    CLEANUP(cleanup_free) char *reason = NULL;
    json_t *seed = json_loads(default_seed, 0, NULL);
    int r;

    if (!seed)
        return -ENOMEM;
    r = seed_load(model, seed, now_ms, &reason);
    json_decref(seed);
    return r;
}

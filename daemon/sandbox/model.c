#include "model.h"
#include "billing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>

int list_add(struct list *list, void *item)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 64;
        void **items = realloc(list->items, capacity * sizeof(*items));

        if (!items)
            return -ENOMEM;
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
    return 0;
}

void list_deinit(struct list *list)
{
    free(list->items);
    *list = (struct list){0};
}

int text_set(char **text, const char *value)
{
    char *copy = NULL;

    if (value) {
        copy = strdup(value);
        if (!copy)
            return -ENOMEM;
    }
    free(*text);
    *text = copy;
    return 0;
}

void model_init(struct model *model)
{
    memset(model, 0, sizeof(*model));
    random_bytes(&model->hash_key, sizeof(model->hash_key));
    map_init(&model->customers_by_id);
    map_init(&model->products_by_id);
    map_init(&model->balances_by_ids);
    map_init(&model->subscriptions_by_id);
    map_init(&model->payments_by_id);
}

static struct customer *customer_free(struct customer *customer)
{
    if (!customer)
        return NULL;
    free(customer->id);
    free(customer->email);
    free(customer->name);
    free(customer->phone);
    free(customer->image);
    free(customer->wallets);
    free(customer->metadata);
    free(customer->key);
    free(customer);
    return NULL;
}

static struct product *product_free(struct product *product)
{
    if (!product)
        return NULL;
    free(product->id);
    free(product->unit);
    free(product);
    return NULL;
}

static struct transaction *transaction_free(struct transaction *transaction)
{
    if (!transaction)
        return NULL;
    free(transaction->reason);
    free(transaction->metadata);
    free(transaction->key);
    free(transaction);
    return NULL;
}

void model_deinit(struct model *model)
{
    billing_deinit(model);
    for (size_t i = 0; i < model->customers.count; i++)
        customer_free(model->customers.items[i]);
    for (size_t i = 0; i < model->products.count; i++)
        product_free(model->products.items[i]);
    for (size_t i = 0; i < model->balances.count; i++)
        free(model->balances.items[i]);
    for (size_t i = 0; i < model->transactions.count; i++)
        transaction_free(model->transactions.items[i]);
    list_deinit(&model->customers);
    list_deinit(&model->products);
    list_deinit(&model->balances);
    list_deinit(&model->transactions);
    map_deinit(&model->customers_by_id);
    map_deinit(&model->products_by_id);
    map_deinit(&model->balances_by_ids);
}

struct hash128 model_id_hash(const struct model *model, const char *id)
{
    return hash_bytes(&model->hash_key, id, strlen(id));
}

static struct hash128 ids_hash(const struct model *model, const char *first, const char *second)
{
    return hash_pair(&model->hash_key, first, strlen(first), second, strlen(second));
}

void *list_find(const struct list *list, const struct map *map, struct hash128 key)
{
    const uint64_t *position = map_get(map, key);

    return position ? list->items[*position] : NULL;
}

int list_add_found(struct list *list, struct map *map, struct hash128 key, void *item)
{
    int r;

    r = list_add(list, item);
    if (r < 0)
        return r;
    r = map_put(map, key, list->count - 1);
    if (r < 0)
        list->count--;
    return r;
}

struct customer *model_customer(const struct model *model, const char *id)
{
    return list_find(&model->customers, &model->customers_by_id, model_id_hash(model, id));
}

struct product *model_product(const struct model *model, const char *id)
{
    return list_find(&model->products, &model->products_by_id, model_id_hash(model, id));
}

struct balance *model_balance(const struct model *model, const char *customer_id,
                              const char *product_id)
{
    return list_find(&model->balances, &model->balances_by_ids,
                     ids_hash(model, customer_id, product_id));
}

/* Counts on from those there are; a seed may have used the name already. */
char *model_id_make(const struct model *model, const char *prefix, const struct list *list,
                    const struct map *map)
{
    char id[32];

    for (size_t i = list->count + 1;; i++) {
        snprintf(id, sizeof(id), "%s_%08zu", prefix, i);
        if (!map_get(map, model_id_hash(model, id)))
            return strdup(id);
    }
}

int model_customer_add(struct model *model, const char *id, int64_t now_ms,
                       struct customer **ret_customer)
{
    struct customer *customer;
    int r;

    if (id && model_customer(model, id))
        return -EEXIST;
    customer = calloc(1, sizeof(*customer));
    if (!customer)
        return -ENOMEM;
    customer->id =
        id ? strdup(id) : model_id_make(model, "cus", &model->customers, &model->customers_by_id);
    customer->created_ms = customer->updated_ms = now_ms;
    r = customer->id ? list_add_found(&model->customers, &model->customers_by_id,
                                      model_id_hash(model, customer->id), customer)
                     : -ENOMEM;
    if (r < 0) {
        customer_free(customer);
        return r;
    }
    *ret_customer = customer;
    return 0;
}

int model_product_add(struct model *model, const char *id, int64_t now_ms,
                      struct product **ret_product)
{
    struct product *product;
    int r;

    if (model_product(model, id))
        return -EEXIST;
    product = calloc(1, sizeof(*product));
    if (!product)
        return -ENOMEM;
    product->id = strdup(id);
    product->units_per_credit = 1;
    product->total_credits = -1;
    product->created_ms = now_ms;
    r = product->id ? list_add_found(&model->products, &model->products_by_id,
                                     model_id_hash(model, id), product)
                    : -ENOMEM;
    if (r < 0) {
        product_free(product);
        return r;
    }
    *ret_product = product;
    return 0;
}

static int balance_add(struct model *model, struct customer *customer, struct product *product,
                       int64_t now_ms, struct balance **ret_balance)
{
    struct balance *balance = calloc(1, sizeof(*balance));
    int r;

    if (!balance)
        return -ENOMEM;
    *balance = (struct balance){
        .number = model->balances.count + 1,
        .customer = customer,
        .product = product,
        .created_ms = now_ms,
        .updated_ms = now_ms,
    };
    r = list_add_found(&model->balances, &model->balances_by_ids,
                       ids_hash(model, customer->id, product->id), balance);
    if (r < 0) {
        free(balance);
        return r;
    }
    *ret_balance = balance;
    return 0;
}

int model_customer_open(struct model *model, const char *id, int64_t now_ms,
                        struct customer **ret_customer)
{
    struct customer *customer = model_customer(model, id);

    if (!customer)
        return model_customer_add(model, id, now_ms, ret_customer);
    *ret_customer = customer;
    return 0;
}

int model_product_open(struct model *model, const char *id, int64_t now_ms,
                       struct product **ret_product)
{
    struct product *product = model_product(model, id);

    if (!product)
        return model_product_add(model, id, now_ms, ret_product);
    *ret_product = product;
    return 0;
}

int model_balance_open(struct model *model, const char *customer_id, const char *product_id,
                       int64_t now_ms, struct balance **ret_balance)
{
    struct balance *balance = model_balance(model, customer_id, product_id);
    struct customer *customer;
    struct product *product;
    int r;

    if (balance) {
        *ret_balance = balance;
        return 0;
    }
    r = model_customer_open(model, customer_id, now_ms, &customer);
    if (r == 0)
        r = model_product_open(model, product_id, now_ms, &product);
    return r < 0 ? r : balance_add(model, customer, product, now_ms, ret_balance);
}

/*
 * What this StellarTools knows, in memory: customers, products, balances and transactions;
 * billing.h has the rest. No JSON answers, no faults and no locks here: the caller holds the
 * sandbox's lock.
 *
 * A transaction is carried out in two steps, as the real server does it: the balance is read and
 * the change worked out (change_read), then row and balance are written as absolute figures
 * (change_write). Whoever lets another change in between loses it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <util/hash.h>
#include <util/map.h>

#define CREDITS_MAX INT32_MAX /* credits are 32-bit integers there */

enum transaction_type { TRANSACTION_DEDUCT, TRANSACTION_REFUND, TRANSACTION_GRANT };

struct product {
    char *id;
    char *unit; /* or NULL */
    int64_t units_per_credit;
    int64_t total_credits; /* < 0: none */
    int64_t created_ms;
};

struct customer {
    char *id;
    char *email, *name, *phone, *image; /* each may be NULL */
    char *wallets;                      /* JSON text of an array, or NULL */
    char *metadata;                     /* JSON text, or NULL */
    char *key; /* the idempotency key it came under, or NULL; for the dump alone */
    int64_t created_ms, updated_ms;
    struct transaction *last; /* newest; the others follow by `previous` */
};

struct balance {
    uint64_t number;
    struct customer *customer;
    struct product *product;
    int64_t balance, consumed, granted;
    int64_t created_ms, updated_ms;
    bool revoked;
    unsigned writes; /* requests that are at it now, for the counts */
};

struct transaction {
    uint64_t number;
    struct balance *balance;
    enum transaction_type type;
    int64_t amount; /* credits */
    int64_t before, after;
    char *reason;   /* or NULL */
    char *metadata; /* JSON text, or NULL */
    char *key;      /* the idempotency key it came under, or NULL; for the dump alone */
    int64_t created_ms;
    struct transaction *previous; /* of the same customer */
};

/* Pointers that stay where they are while the list grows. */
struct list {
    void **items;
    size_t count, capacity;
};

struct model {
    struct hash_key hash_key;
    struct list customers, products, balances, transactions;
    struct list subscriptions, payments, refunds;
    struct map customers_by_id, products_by_id, balances_by_ids;
    struct map subscriptions_by_id, payments_by_id;
};

void model_init(struct model *model);
void model_deinit(struct model *model);

struct customer *model_customer(const struct model *model, const char *id);
struct product *model_product(const struct model *model, const char *id);
struct balance *model_balance(const struct model *model, const char *customer_id,
                              const char *product_id);
/* -EEXIST where there is one with that id. `id` NULL: a new one is made up. */
int model_customer_add(struct model *model, const char *id, int64_t now_ms,
                       struct customer **ret_customer);
int model_product_add(struct model *model, const char *id, int64_t now_ms,
                      struct product **ret_product);
/* These make on the fly what does not exist yet. */
int model_customer_open(struct model *model, const char *id, int64_t now_ms,
                        struct customer **ret_customer);
int model_product_open(struct model *model, const char *id, int64_t now_ms,
                       struct product **ret_product);
int model_balance_open(struct model *model, const char *customer_id, const char *product_id,
                       int64_t now_ms, struct balance **ret_balance);

const char *transaction_type_name(enum transaction_type type);
/* Returns false where it is none of the three. */
bool transaction_type_parse(const char *name, enum transaction_type *ret_type);

/* ceil(floor(amount) / units_per_credit); -ERANGE where the result is no 32-bit integer. */
int credits_from_amount(double amount, int64_t units_per_credit, int64_t *ret_credits);

struct change {
    struct balance *balance;
    enum transaction_type type;
    int64_t credits;
    int64_t before, after, consumed, granted; /* the last three as they will be written */
    bool sufficient;
};

struct change_note {
    const char *reason, *metadata, *key; /* each may be NULL */
    bool skip_row, skip_balance;
};

void change_read(struct balance *balance, enum transaction_type type, int64_t credits,
                 struct change *ret_change);
/* *ret_transaction, if wanted, is NULL where the row is skipped. */
int change_write(struct model *model, const struct change *change, const struct change_note *note,
                 int64_t now_ms, struct transaction **ret_transaction);

/* Adds at the end; -ENOMEM leaves the list as it was. */
int list_add(struct list *list, void *item);
/* Lists with a map that holds places in them. */
void *list_find(const struct list *list, const struct map *map, struct hash128 key);
int list_add_found(struct list *list, struct map *map, struct hash128 key, void *item);
struct hash128 model_id_hash(const struct model *model, const char *id);
/* A new id for that list, such as cus_00000007; NULL when out of memory. */
char *model_id_make(const struct model *model, const char *prefix, const struct list *list,
                    const struct map *map);
/* Replaces the text by a copy; `value` may be NULL. */
int text_set(char **text, const char *value);
void list_deinit(struct list *list);

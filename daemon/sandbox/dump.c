/* The dump that tests judge by. */
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/macros.h>

/* The dump is written by hand, object after object: 100,000 rows as JSON values would take a second
 * of the lock. */
typedef void (*write_fn)(const void *item, struct text *text);

static void write_transaction(const void *item, struct text *text)
{
    view_transaction_text(item, text);
}

static void write_balance(const void *item, struct text *text)
{
    view_balance_text(item, text);
}

static void write_customer(const void *item, struct text *text)
{
    view_customer_text(item, text);
}

/* For lists that stay short. Takes over `view`. */
static void write_view(json_t *view, const char *key, struct text *text)
{
    CLEANUP(cleanup_free) char *dumped = NULL;
    int r = view
                ? json_object_set_new(view, "idempotency_key", key ? json_string(key) : json_null())
                : -1;

    if (r == 0)
        dumped = json_dumps(view, JSON_COMPACT);
    json_decref(view);
    if (dumped)
        text_adds(text, dumped);
    else
        text->failed = true;
}

static void write_subscription(const void *item, struct text *text)
{
    const struct subscription *subscription = item;

    write_view(view_subscription(subscription), subscription->key, text);
}

static void write_payment(const void *item, struct text *text)
{
    write_view(view_payment(item), NULL, text);
}

static void write_refund(const void *item, struct text *text)
{
    const struct refund *refund = item;

    write_view(view_refund(refund), refund->key, text);
}

static void list_write(const struct list *list, const char *name, write_fn write, struct text *text)
{
    text_adds(text, "\"");
    text_adds(text, name);
    text_adds(text, "\":[");
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            text_adds(text, ",\n");
        write(list->items[i], text);
    }
    text_adds(text, "],\n");
}

static void json_write(json_t *json, const char *name, const char *after, struct text *text)
{
    CLEANUP(cleanup_free) char *dumped = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    if (!dumped) {
        text->failed = true;
        return;
    }
    text_adds(text, "\"");
    text_adds(text, name);
    text_adds(text, "\":");
    text_adds(text, dumped);
    text_adds(text, after);
}

int control_dump(struct call *call)
{
    const struct sandbox *sandbox = call->sandbox;
    const struct model *model = &sandbox->model;
    CLEANUP(cleanup_free) char *wanted = NULL;
    CLEANUP(text_deinit) struct text text = {0};
    int r;

    r = query_get(call->request->query, "transactions", &wanted);
    if (r < 0 && r != -ENOENT)
        return r;
    text_adds(&text, "{");
    if (!wanted || strcmp(wanted, "0") != 0)
        list_write(&model->transactions, "transactions", write_transaction, &text);
    text_addf(&text, "\"transaction_count\":%zu,\n", model->transactions.count);
    list_write(&model->balances, "balances", write_balance, &text);
    list_write(&model->customers, "customers", write_customer, &text);
    list_write(&model->subscriptions, "subscriptions", write_subscription, &text);
    list_write(&model->payments, "payments", write_payment, &text);
    list_write(&model->refunds, "refunds", write_refund, &text);
    json_write(counts_to_json(&sandbox->counts), "requests", ",\n", &text);
    json_write(faults_fired_to_json(&sandbox->faults), "fired", ",\n", &text);
    json_write(faults_to_json(&sandbox->faults), "faults", "}\n", &text);
    call->reply->body = text_take(&text, &call->reply->length);
    return call->reply->body ? 0 : -ENOMEM;
}

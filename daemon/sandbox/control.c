/*
 * The control endpoints, for tests: ordering faults, spending and granting "elsewhere", and the
 * dump that tests judge by. They need no key, are not counted and no fault strikes them.
 */
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/clock.h>
#include <util/macros.h>

#define GRANT_MAX 9007199254740992 /* 2^53 */

int control_faults_get(struct call *call)
{
    return reply_json(call->reply, faults_to_json(&call->sandbox->faults));
}

int control_faults_order(struct call *call)
{
    CLEANUP(cleanup_free) char *wrong = NULL;
    int r;

    r = faults_order_json(&call->sandbox->faults, call->request->json, &wrong);
    if (wrong)
        return reply_error(call->reply, 400, "%s", wrong);
    if (r < 0)
        return r;
    pauses_wake(&call->sandbox->pauses);
    return control_faults_get(call);
}

/* Negative credits were spent elsewhere. Without "record" the balance moves and no row tells why.
 */
static int grant_run(struct call *call, struct balance *balance, int64_t credits, bool record)
{
    enum transaction_type type = credits < 0 ? TRANSACTION_DEDUCT : TRANSACTION_GRANT;
    struct change_note note = {.reason = "elsewhere", .skip_row = !record};
    struct change change;
    int r;

    change_read(balance, type, credits < 0 ? -credits : credits, &change);
    r = change_write(&call->sandbox->model, &change, &note, clock_wall_ms(), NULL);
    return r < 0 ? r : reply_json(call->reply, view_balance(balance));
}

int control_grant(struct call *call)
{
    const json_t *body = call->request->json, *amount = json_object_get(body, "amount");
    const char *customer_id = json_string_value(json_object_get(body, "customer_id"));
    const char *product_id = json_string_value(json_object_get(body, "product_id"));
    struct balance *balance;
    int r;

    if (!customer_id || !product_id || !json_is_integer(amount) ||
        llabs(json_integer_value(amount)) > GRANT_MAX)
        return reply_error(
            call->reply, 400,
            "write {\"customer_id\", \"product_id\", \"amount\": credits, \"record\": true}");
    r = model_balance_open(&call->sandbox->model, customer_id, product_id, clock_wall_ms(),
                           &balance);
    if (r < 0)
        return r;
    return grant_run(call, balance, (int64_t)json_integer_value(amount),
                     !json_is_false(json_object_get(body, "record")));
}

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
    const struct customer *customer = item;

    text_adds(text, "{\"id\":");
    text_add_json(text, customer->id);
    text_adds(text, ",\"email\":");
    text_add_json(text, customer->email);
    text_adds(text, ",\"name\":");
    text_add_json(text, customer->name);
    text_adds(text, ",\"metadata\":");
    text_adds(text, customer->metadata ? customer->metadata : "{}");
    text_adds(text, "}");
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
    json_write(counts_to_json(&sandbox->counts), "requests", ",\n", &text);
    json_write(faults_fired_to_json(&sandbox->faults), "fired", ",\n", &text);
    json_write(faults_to_json(&sandbox->faults), "faults", "}\n", &text);
    call->reply->body = text_take(&text, &call->reply->length);
    return call->reply->body ? 0 : -ENOMEM;
}

int control_reset_counters(struct call *call)
{
    counts_reset(&call->sandbox->counts);
    return reply_json(call->reply, json_pack("{s:b}", "ok", 1));
}

/* The endpoints of credits: product, balance, transaction and history. */
#include "sandbox.h"
#include "views.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/clock.h>
#include <util/macros.h>

#define HISTORY_LIMIT_MAX 100

int endpoint_product_get(struct call *call)
{
    struct sandbox *sandbox = call->sandbox;
    const struct product *product = model_product(&sandbox->model, call->match->parameters[0]);

    if (faults_on(&sandbox->faults, FAULT_NO_PRODUCT_ENDPOINT))
        return reply_html(call->reply, 404, "This page could not be found.");
    if (!product)
        return reply_error(call->reply, 404, "Product not found");
    return reply_json(call->reply,
                      view_product(product, faults_on(&sandbox->faults, FAULT_UNITS_FIELDS)));
}

int endpoint_balance_get(struct call *call)
{
    struct sandbox *sandbox = call->sandbox;
    const struct balance *balance =
        model_balance(&sandbox->model, call->match->parameters[0], call->match->parameters[1]);

    if (balance)
        return reply_json(call->reply, view_balance(balance));
    if (faults_number(&sandbox->faults, FAULT_MISSING_BALANCE) == MISSING_BALANCE_NULL)
        return reply_json(call->reply, json_null());
    return reply_error(call->reply, 404, "Credit balance not found");
}

/* What a transaction's body says; the texts are borrowed from it. */
struct order {
    enum transaction_type type;
    const json_t *amount;
    const char *reason;
    const json_t *metadata;
    bool dry_run;
};

/* NULL, or what is wrong with it. */
static const char *order_parse(const json_t *body, struct order *order)
{
    const json_t *reason = json_object_get(body, "reason"), *type = json_object_get(body, "type");
    const json_t *dry_run = json_object_get(body, "dry_run");

    order->amount = json_object_get(body, "amount");
    order->metadata = json_object_get(body, "metadata");
    order->reason = json_string_value(reason);
    order->dry_run = json_is_true(dry_run);
    if (!json_is_object(body))
        return "body: expected an object";
    if (!json_is_number(order->amount))
        return "amount: expected a number";
    if (!json_is_string(type) || !transaction_type_parse(json_string_value(type), &order->type))
        return "type: expected \"deduct\", \"refund\" or \"grant\"";
    if (reason && !order->reason)
        return "reason: expected a string";
    if (order->metadata && !json_is_object(order->metadata))
        return "metadata: expected an object";
    if (dry_run && !json_is_boolean(dry_run))
        return "dry_run: expected a boolean";
    return NULL;
}

static int transaction_reply(struct call *call, const struct order *order,
                             const struct balance *balance, const struct change *change,
                             const struct transaction *row)
{
    bool whole =
        call->match->old ||
        faults_number(&call->sandbox->faults, FAULT_TRANSACTION_FORM) == TRANSACTION_FORM_BALANCE;
    json_t *object;

    if (!whole)
        return reply_json(call->reply,
                          json_pack("{s:I, s:O, s:I}", "balance", (json_int_t)change->after,
                                    "billed_units", (json_t *)order->amount, "credits_deducted",
                                    (json_int_t)change->credits));
    object = view_balance(balance);
    if (object &&
        json_object_set_new(object, "transaction", row ? view_transaction(row) : json_null()) < 0) {
        json_decref(object);
        object = NULL;
    }
    return reply_json(call->reply, object);
}

static int transaction_commit(struct call *call, const struct order *order, struct change *change)
{
    struct sandbox *sandbox = call->sandbox;
    CLEANUP(cleanup_free) char *metadata = NULL;
    struct change_note note = {
        .reason = order->reason,
        .key = call->request->key,
        .skip_row = call->plan->skip_row,
        .skip_balance = call->plan->skip_balance,
    };
    struct transaction *row;
    int r;

    if (order->metadata) {
        metadata = json_dumps(order->metadata, JSON_COMPACT);
        if (!metadata)
            return -ENOMEM;
    }
    note.metadata = metadata;
    sandbox_sleep(sandbox, call->plan->slow_ms); /* others may write now: what they write is lost */
    r = change_write(&sandbox->model, change, &note, clock_wall_ms(), &row);
    if (r < 0)
        return r;
    return transaction_reply(call, order, change->balance, change, row);
}

static int transaction_run(struct call *call, const struct order *order, struct balance *balance)
{
    const struct faults *faults = &call->sandbox->faults;
    unsigned status = faults_business_status(faults);
    struct change change;
    int64_t credits;

    if (credits_from_amount(json_number_value(order->amount), balance->product->units_per_credit,
                            &credits) < 0)
        return reply_error(call->reply, 500, "value is out of range for type integer");
    change_read(balance, order->type, credits, &change);
    if (order->dry_run)
        return reply_json(call->reply, json_pack("{s:b, s:I}", "is_sufficient", change.sufficient,
                                                 "remaining_balance", (json_int_t)change.before));
    if (order->type == TRANSACTION_DEDUCT &&
        (!change.sufficient || faults_on(faults, FAULT_INSUFFICIENT))) {
        if (call->match->old)
            return reply_error(call->reply, status, "Insufficient credits");
        return reply_error(call->reply, status, "Insufficient credits: %lld < %lld",
                           (long long)change.before, (long long)credits);
    }
    return transaction_commit(call, order, &change);
}

int endpoint_transaction_create(struct call *call)
{
    struct sandbox *sandbox = call->sandbox;
    unsigned status = faults_business_status(&sandbox->faults);
    struct order order;
    const char *wrong = order_parse(call->request->json, &order);
    struct balance *balance =
        model_balance(&sandbox->model, call->match->parameters[0], call->match->parameters[1]);

    if (wrong) /* the older server throws where the present one validates */
        return reply_error(call->reply, call->match->old ? 500 : 400, "%s", wrong);
    if (!balance)
        return reply_error(call->reply, status, "%s",
                           call->match->old ? "Credit balance not found"
                                            : "Credit balance or product configuration not found");
    if (balance->revoked)
        return reply_error(
            call->reply, status,
            "Credit balance has been revoked. Contact your provider to restore access.");
    return transaction_run(call, &order, balance);
}

/* A number of the query: `otherwise` where it is missing, -EINVAL where it is no number from 0 to
 * `maximum`. */
static int64_t query_number(const char *query, const char *name, int64_t otherwise, int64_t maximum)
{
    CLEANUP(cleanup_free) char *text = NULL;
    char *end;
    long long value;
    int r;

    r = query_get(query, name, &text);
    if (r == -ENOENT)
        return otherwise;
    if (r < 0)
        return r;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > maximum)
        return -EINVAL;
    return value;
}

/* From newest to oldest; one more than fits tells has_more. */
static json_t *history_page(const struct customer *customer, const char *product_id, int64_t limit,
                            int64_t offset, bool *ret_has_more)
{
    json_t *items = json_array();
    int64_t seen = 0;

    *ret_has_more = false;
    for (const struct transaction *row = customer ? customer->last : NULL; row;
         row = row->previous) {
        if (product_id && strcmp(row->balance->product->id, product_id) != 0)
            continue;
        if (seen++ < offset)
            continue;
        if (seen > offset + limit) {
            *ret_has_more = limit > 0;
            break;
        }
        if (json_array_append_new(items, view_transaction(row)) < 0) {
            json_decref(items);
            return NULL;
        }
    }
    return items;
}

int endpoint_transactions_list(struct call *call)
{
    const char *query = call->request->query;
    const struct customer *customer =
        model_customer(&call->sandbox->model, call->match->parameters[0]);
    CLEANUP(cleanup_free) char *product_id = NULL;
    int64_t limit = query_number(query, "limit", 0, HISTORY_LIMIT_MAX);
    int64_t offset = query_number(query, "offset", 0, INT32_MAX);
    bool has_more;
    json_t *items;
    int r;

    if (limit < 0)
        return reply_error(call->reply, 400, "limit: expected a number from 0 to 100");
    if (offset < 0)
        return reply_error(call->reply, 400, "offset: expected a number, 0 or more");
    r = query_get(query, call->match->old ? "productId" : "product_id", &product_id);
    if (r < 0 && r != -ENOENT)
        return r;
    items = history_page(customer, product_id, limit, offset, &has_more);
    return reply_list(call->reply, items, has_more);
}

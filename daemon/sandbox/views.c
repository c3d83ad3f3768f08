#include "views.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <util/macros.h>

void view_time(int64_t ms, char ret_text[VIEW_TIME_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    size_t length;

    gmtime_r(&seconds, &tm);
    length = strftime(ret_text, VIEW_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + length, VIEW_TIME_SIZE - length, ".%03dZ", (int)(ms % 1000));
}

static json_t *json_time(int64_t ms)
{
    char text[VIEW_TIME_SIZE];

    view_time(ms, text);
    return json_string(text);
}

/* null for 0. */
static json_t *json_time_or_null(int64_t ms)
{
    return ms == 0 ? json_null() : json_time(ms);
}

static json_t *json_number_id(const char *prefix, uint64_t number)
{
    return json_sprintf("%s_%08" PRIu64, prefix, number);
}

/* Metadata is kept as text; only what was once parsed gets there. */
static json_t *json_metadata(const char *text)
{
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();
}

static json_t *json_metadata_object(const char *text)
{
    return json_metadata(text ? text : "{}");
}

json_t *view_customer(const struct customer *customer)
{
    return json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:o, s:o, s:o, s:o}", "id", customer->id,
                     "object", "customer", "email", customer->email, "name", customer->name,
                     "phone", customer->phone, "image", customer->image, "wallets",
                     json_metadata(customer->wallets ? customer->wallets : "[]"), "metadata",
                     json_metadata_object(customer->metadata), "created_at",
                     json_time(customer->created_ms), "updated_at",
                     json_time(customer->updated_ms));
}

json_t *view_product(const struct product *product, bool units_fields)
{
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "id", product->id, "object", "product",
                  "name", product->id, "type", "metered", "status", "active", "created_at",
                  json_time(product->created_ms), "updated_at", json_time(product->created_ms));
    json_t *units;

    if (!object || !units_fields)
        return object;
    units =
        json_pack("{s:s?, s:I, s:o}", "unit", product->unit, "units_per_credit",
                  (json_int_t)product->units_per_credit, "total_credits",
                  product->total_credits < 0 ? json_null()
                                             : json_integer((json_int_t)product->total_credits));
    if (!units || json_object_update(object, units) < 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(units);
    return object;
}

json_t *view_balance(const struct balance *balance)
{
    return json_pack("{s:o, s:s, s:s, s:I, s:I, s:I, s:b, s:o, s:o}", "id",
                     json_number_id("cb", balance->number), "customer_id", balance->customer->id,
                     "product_id", balance->product->id, "balance", (json_int_t)balance->balance,
                     "consumed", (json_int_t)balance->consumed, "granted",
                     (json_int_t)balance->granted, "is_revoked", balance->revoked, "created_at",
                     json_time(balance->created_ms), "updated_at", json_time(balance->updated_ms));
}

json_t *view_transaction(const struct transaction *row)
{
    const struct balance *balance = row->balance;

    return json_pack(
        "{s:o, s:s, s:s, s:o, s:I, s:I, s:I, s:s, s:s?, s:o, s:o}", "id",
        json_number_id("ct", row->number), "customer_id", balance->customer->id, "product_id",
        balance->product->id, "balance_id", json_number_id("cb", balance->number), "amount",
        (json_int_t)row->amount, "balance_before", (json_int_t)row->before, "balance_after",
        (json_int_t)row->after, "type", transaction_type_name(row->type), "reason", row->reason,
        "metadata", json_metadata(row->metadata), "created_at", json_time(row->created_ms));
}

json_t *view_subscription(const struct subscription *subscription)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id",
                     subscription->id, "object", "subscription", "customer_id",
                     subscription->customer->id, "product_id", subscription->product->id, "status",
                     subscription_status_name(subscription->status), "cancel_at_period_end",
                     subscription->cancel_at_period_end, "current_period_start",
                     json_time(subscription->period_start_ms), "current_period_end",
                     json_time(subscription->period_end_ms), "trial_end",
                     json_time_or_null(subscription->trial_end_ms), "canceled_at",
                     json_time_or_null(subscription->canceled_ms), "paused_at",
                     json_time_or_null(subscription->paused_ms), "metadata",
                     json_metadata_object(subscription->metadata), "created_at",
                     json_time(subscription->created_ms), "updated_at",
                     json_time(subscription->updated_ms));
}

json_t *view_payment(const struct payment *payment)
{
    return json_pack("{s:s, s:s, s:s, s:s?, s:s, s:s, s:o, s:o}", "id", payment->id, "object",
                     "payment", "customer_id", payment->customer->id, "product_id",
                     payment->product ? payment->product->id : NULL, "amount", payment->amount,
                     "status", payment_status_name(payment->status), "metadata",
                     json_metadata_object(payment->metadata), "created_at",
                     json_time(payment->created_ms));
}

json_t *view_refund(const struct refund *refund)
{
    return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:o}", "id",
                     json_number_id("rf", refund->number), "payment_id", refund->payment->id,
                     "customer_id", refund->payment->customer->id, "amount",
                     refund->payment->amount, "status", refund_status_name(refund->status),
                     "reason", refund->reason, "receiver_wallet_address", refund->address,
                     "metadata", json_metadata_object(refund->metadata), "created_at",
                     json_time(refund->created_ms));
}

void view_transaction_text(const struct transaction *row, struct text *text)
{
    char time[VIEW_TIME_SIZE];

    view_time(row->created_ms, time);
    text_addf(text, "{\"id\":\"ct_%08" PRIu64 "\",\"customer_id\":", row->number);
    text_add_json(text, row->balance->customer->id);
    text_adds(text, ",\"product_id\":");
    text_add_json(text, row->balance->product->id);
    text_addf(text,
              ",\"balance_id\":\"cb_%08" PRIu64 "\",\"amount\":%" PRId64
              ",\"balance_before\":%" PRId64 ",\"balance_after\":%" PRId64
              ",\"type\":\"%s\",\"reason\":",
              row->balance->number, row->amount, row->before, row->after,
              transaction_type_name(row->type));
    text_add_json(text, row->reason);
    text_adds(text, ",\"metadata\":");
    text_adds(text, row->metadata ? row->metadata : "null");
    text_adds(text, ",\"idempotency_key\":");
    text_add_json(text, row->key);
    text_addf(text, ",\"created_at\":\"%s\"}", time);
}

void view_balance_text(const struct balance *balance, struct text *text)
{
    text_adds(text, "{\"customer_id\":");
    text_add_json(text, balance->customer->id);
    text_adds(text, ",\"product_id\":");
    text_add_json(text, balance->product->id);
    text_addf(text,
              ",\"id\":\"cb_%08" PRIu64 "\",\"balance\":%" PRId64 ",\"consumed\":%" PRId64
              ",\"granted\":%" PRId64 "}",
              balance->number, balance->balance, balance->consumed, balance->granted);
}

void view_customer_text(const struct customer *customer, struct text *text)
{
    const char *const fields[][2] = {
        {"{\"id\":", customer->id},       {",\"email\":", customer->email},
        {",\"name\":", customer->name},   {",\"phone\":", customer->phone},
        {",\"image\":", customer->image}, {",\"idempotency_key\":", customer->key},
    };
    char time[VIEW_TIME_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        text_adds(text, fields[i][0]);
        text_add_json(text, fields[i][1]);
    }
    text_adds(text, ",\"wallets\":");
    text_adds(text, customer->wallets ? customer->wallets : "[]");
    text_adds(text, ",\"metadata\":");
    text_adds(text, customer->metadata ? customer->metadata : "{}");
    view_time(customer->created_ms, time);
    text_addf(text, ",\"created_at\":\"%s\"}", time);
}

/* See answers.h. The objects have members that the library does not know: they must come through.
 */
#include "answers.h"
#include <proto/message.h>
#include <string.h>

#define SYNCED_AT 1700000000000

static void pack_freshness(msgpack_packer *p)
{
    pack_kv_int(p, "synced_at", SYNCED_AT);
    pack_kv_bool(p, "stale", 1);
}

static void pack_param(msgpack_packer *p, const char *key, const struct proto_params *params,
                       enum proto_parameter parameter, const char *otherwise)
{
    const struct proto_value *value = &params->values[parameter];

    pack_key(p, key);
    if (params->present & UINT64_C(1) << parameter)
        pack_text_n(p, value->text, value->length);
    else
        pack_text(p, otherwise);
}

static void pack_reservation(msgpack_packer *p, const struct proto_params *params, bool replayed)
{
    pack_map(p, 10);
    pack_kv_text(p, "reservation_id", "rsv_1_1");
    pack_kv_text(p, "customer_id", "cus_1");
    pack_kv_text(p, "product_id", "prod_1");
    pack_kv_int(p, "credits_held", 40);
    pack_kv_int(p, "held", 1040);
    pack_kv_int(p, "balance", 98960);
    pack_kv_int(p, "expires_at", SYNCED_AT + params->values[PROTO_PARAMETER_TTL].number);
    pack_kv_bool(p, "replayed", replayed);
    pack_freshness(p);
}

static void pack_settled(msgpack_packer *p, const struct proto_params *params, bool replayed)
{
    int64_t amount = params->values[PROTO_PARAMETER_RAW_AMOUNT].number;

    pack_map(p, 8);
    pack_kv_text(p, "transaction_id", "tx_1_2");
    pack_param(p, "reservation_id", params, PROTO_PARAMETER_RESERVATION_ID, NULL);
    pack_kv_int(p, "credits_deducted", amount < 50 ? amount : 50);
    pack_kv_int(p, "billed_units", amount);
    pack_kv_int(p, "shortfall", amount < 50 ? 0 : amount - 50);
    pack_kv_int(p, "balance", 99000);
    pack_kv_int(p, "pending", 25);
    pack_kv_bool(p, "replayed", replayed);
}

static void pack_given(msgpack_packer *p, const char *id_key, const char *id,
                       const char *credits_key, bool replayed)
{
    pack_map(p, 5);
    pack_kv_text(p, id_key, id);
    pack_kv_int(p, credits_key, 1200);
    pack_kv_int(p, "pending_confirmation", 200);
    pack_kv_int(p, "balance", 101200);
    pack_kv_bool(p, "replayed", replayed);
}

static void pack_customer(msgpack_packer *p, const struct proto_params *params)
{
    pack_map(p, 9);
    pack_kv_text(p, "id", "cus_1");
    pack_kv_text(p, "object", "customer");
    pack_param(p, "email", params, PROTO_PARAMETER_EMAIL, "ada@example.com");
    pack_param(p, "name", params, PROTO_PARAMETER_NAME, "Ada \x1b[31m");
    pack_key(p, "wallets");
    pack_array(p, 1);
    pack_map(p, 1);
    pack_kv_text(p, "address", "GABC");
    pack_key(p, "metadata");
    pack_map(p, 1);
    pack_kv_text(p, "plan", "gold");
    pack_kv_nil(p, "phone");
    pack_freshness(p);
}

static void pack_subscription(msgpack_packer *p, const char *id, const char *status)
{
    pack_map(p, 8);
    pack_kv_text(p, "id", id);
    pack_kv_text(p, "object", "subscription");
    pack_kv_text(p, "status", status);
    pack_kv_text(p, "product_id", "prod_pro");
    pack_kv_text(p, "current_period_end", "2026-12-01T00:00:00.000Z");
    pack_kv_bool(p, "cancel_at_period_end", 1);
    pack_freshness(p);
}

static void pack_subscriptions(msgpack_packer *p)
{
    pack_map(p, 5);
    pack_kv_text(p, "object", "list");
    pack_key(p, "data");
    pack_array(p, 2);
    pack_subscription(p, "sub_1", "active");
    pack_subscription(p, "sub_2", "paused");
    pack_kv_bool(p, "has_more", 0);
    pack_freshness(p);
}

static void pack_refund(msgpack_packer *p, const struct proto_params *params)
{
    pack_map(p, 6);
    pack_kv_text(p, "id", "rf_1");
    pack_param(p, "payment_id", params, PROTO_PARAMETER_PAYMENT_ID, NULL);
    pack_kv_text(p, "amount", "50 XLM");
    pack_kv_text(p, "status", "pending");
    pack_freshness(p);
}

static void pack_access(msgpack_packer *p, const struct proto_params *params)
{
    const struct proto_value *product = &params->values[PROTO_PARAMETER_PRODUCT_ID];
    bool has_access = product->length != 6 || memcmp(product->text, "nobody", 6) != 0;

    pack_map(p, 4);
    pack_kv_bool(p, "has_access", has_access);
    pack_key(p, "grant");
    if (has_access) {
        pack_map(p, 3);
        pack_kv_text(p, "type", "subscription");
        pack_kv_text(p, "subscription_id", "sub_1");
        pack_kv_text(p, "status", "active");
    } else {
        pack_nil(p);
    }
    pack_freshness(p);
}

/* What a method about users answers: no object of StellarTools, and no freshness. */
static void pack_link(msgpack_packer *p, const struct proto_params *params)
{
    pack_map(p, 2);
    pack_param(p, "user_id", params, PROTO_PARAMETER_USER_ID, NULL);
    pack_param(p, "customer_id", params, PROTO_PARAMETER_CUSTOMER_ID, NULL);
}

static bool answer_credits(enum proto_method method, const struct proto_params *params,
                           bool replayed, msgpack_packer *p)
{
    if (method == PROTO_METHOD_CREDITS_RESERVE || method == PROTO_METHOD_CREDITS_EXTEND) {
        pack_reservation(p, params, replayed);
    } else if (method == PROTO_METHOD_CREDITS_SETTLE) {
        pack_settled(p, params, replayed);
    } else if (method == PROTO_METHOD_CREDITS_RELEASE) {
        pack_map(p, 4);
        pack_param(p, "reservation_id", params, PROTO_PARAMETER_RESERVATION_ID, NULL);
        pack_kv_int(p, "balance", 100000);
        pack_kv_int(p, "held", 1000);
        pack_kv_bool(p, "released", 1);
    } else if (method == PROTO_METHOD_CREDITS_REFUND) {
        pack_given(p, "transaction_id", "rf_1_3", "credits_refunded", replayed);
    } else if (method == PROTO_METHOD_CREDITS_GRANT) {
        pack_given(p, "grant_id", "gr_1_4", "credits_granted", replayed);
    } else {
        return false;
    }
    return true;
}

bool answer_object(enum proto_method method, const struct proto_params *params, bool replayed,
                   msgpack_packer *p)
{
    if (answer_credits(method, params, replayed, p))
        return true;
    if (method == PROTO_METHOD_CUSTOMER_CREATE || method == PROTO_METHOD_CUSTOMER_RETRIEVE ||
        method == PROTO_METHOD_CUSTOMER_UPDATE)
        pack_customer(p, params);
    else if (method == PROTO_METHOD_CUSTOMER_LINK || method == PROTO_METHOD_CUSTOMER_UNLINK ||
             method == PROTO_METHOD_USER_CREATED)
        pack_link(p, params);
    else if (method == PROTO_METHOD_SUBSCRIPTION_LIST)
        pack_subscriptions(p);
    else if (method >= PROTO_METHOD_SUBSCRIPTION_CREATE &&
             method <= PROTO_METHOD_SUBSCRIPTION_RESUME)
        pack_subscription(p, "sub_1",
                          method == PROTO_METHOD_SUBSCRIPTION_PAUSE ? "paused" : "active");
    else if (method == PROTO_METHOD_REFUND_CREATE)
        pack_refund(p, params);
    else if (method == PROTO_METHOD_ACCESS_CHECK)
        pack_access(p, params);
    else
        return false;
    return true;
}

/* The readers of products, balances and transactions: rows of the table in exchange.c. */
#include "exchange.h"
#include "fields.h"

#include <errno.h>
#include <proto/message.h>
#include <string.h>

int read_product(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                 const char **ret_reason)
{
    const json_t *product = envelope_open(root);
    int64_t units = 0;
    const char *name = NULL;
    msgpack_packer packer;

    if (json_is_null(product))
        return READ_NULL;
    if (!json_is_object(product) || !field_matches(product, "id", args->product_id))
        return read_unreadable(ret_reason, "not that product");
    if (field_int(product, "units_per_credit", &units) < 0 || units < 0)
        return read_unreadable(ret_reason, "units_per_credit is not a count");
    if (field_text(product, "name", &name) != 1 || strlen(name) > PROTO_TEXT_MAX)
        name = NULL;
    msgpack_packer_init(&packer, member, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    pack_kv_int(&packer, "units_per_credit", units > 0 ? units : 1);
    /* null and 0 are upstream's words for 1; only where nothing is said, nothing is known. */
    pack_kv_bool(&packer, "has_units", field_find(product, "units_per_credit") != NULL);
    pack_kv_text(&packer, "name", name);
    return 0;
}

int read_balance(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                 const char **ret_reason)
{
    const json_t *object = envelope_open(root);
    int64_t balance, consumed, granted;
    bool revoked = false;
    msgpack_packer packer;

    if (json_is_null(object))
        return READ_NULL;
    if (!json_is_object(object) || !field_matches(object, "customer_id", args->customer_id) ||
        !field_matches(object, "product_id", args->product_id))
        return read_unreadable(ret_reason, "not that balance");
    if (field_int(object, "balance", &balance) != 1 ||
        field_int(object, "consumed", &consumed) != 1 ||
        field_int(object, "granted", &granted) != 1)
        return read_unreadable(ret_reason, "balance, consumed and granted are not three integers");
    if (field_bool(object, "is_revoked", &revoked) < 0)
        return read_unreadable(ret_reason, "is_revoked is neither true nor false");
    msgpack_packer_init(&packer, member, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    pack_kv_int(&packer, "balance", balance);
    pack_kv_int(&packer, "consumed", consumed);
    pack_kv_int(&packer, "granted", granted);
    pack_kv_bool(&packer, "revoked", revoked);
    return 0;
}

/* What a deduct took (negative: gave), from the answer or from the row that it quotes. */
static int credits_taken(const json_t *answer, int64_t *ret_credits)
{
    const json_t *row = field_find(answer, "transaction");
    int64_t before, after;
    int r = field_int(answer, "credits_deducted", ret_credits);

    if (r != 0)
        return r;
    if (field_int(row, "balance_before", &before) == 1 &&
        field_int(row, "balance_after", &after) == 1) {
        *ret_credits = before - after;
        return 1;
    }
    return field_int(row, "amount", ret_credits);
}

static void pack_kv_int_or_nil(msgpack_packer *packer, const char *key, int is_there, int64_t value)
{
    if (is_there)
        pack_kv_int(packer, key, value);
    else
        pack_kv_nil(packer, key);
}

int read_transaction(const struct exchange_args *args, const json_t *root, msgpack_sbuffer *member,
                     const char **ret_reason)
{
    const json_t *answer = envelope_open(root);
    int64_t credits, balance, billed;
    int has_balance = field_int(answer, "balance", &balance);
    int has_billed = field_int(answer, "billed_units", &billed);
    msgpack_packer packer;

    if (json_is_null(answer))
        return READ_NULL;
    if (!json_is_object(answer) || credits_taken(answer, &credits) != 1)
        return read_unreadable(ret_reason, "it does not say what was deducted");
    if (strcmp(args->type, "deduct") == 0 && credits < 0)
        return read_unreadable(ret_reason, "a deduct that gave credits");
    if (has_balance < 0 || has_billed < 0)
        return read_unreadable(ret_reason, "balance or billed_units is not an integer");
    msgpack_packer_init(&packer, member, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 3);
    pack_kv_int(&packer, "credits_deducted", credits < 0 ? -credits : credits);
    pack_kv_int_or_nil(&packer, "balance", has_balance, balance);
    pack_kv_int_or_nil(&packer, "billed_units", has_billed, billed);
    return 0;
}

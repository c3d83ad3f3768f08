/*
 * credits.transactions. The metadata of a transaction is the application's own map, so the result
 * keeps a copy of the whole answer for it to live in.
 */
#include "object.h"
#include "typed.h"
#include "value.h"
#include <stdlib.h>

static int build_transactions(struct creditd *c, const void *argument,
                              struct creditd_call_options *options)
{
    const struct creditd_transactions_request *request = argument;
    int r;

    options->timeout = request->timeout;
    if ((r = put_who(c, &request->who)) < 0 ||
        (r = put_id(c, "product_id", request->product_id)) < 0 ||
        (r = put_count(c, "limit", request->limit)) < 0 ||
        (r = put_count(c, "offset", request->offset)) < 0)
        return r;
    return put_text(c, "source", request->source, PROTO_TEXT_MAX);
}

static const struct field transaction_fields[] = {
    FIELD(TEXT, struct creditd_transaction, id),
    FIELD(TEXT, struct creditd_transaction, type),
    FIELD(TEXT, struct creditd_transaction, customer_id),
    FIELD(TEXT, struct creditd_transaction, product_id),
    FIELD_OPTIONAL(TEXT, struct creditd_transaction, push_state),
    FIELD_OPTIONAL(TEXT, struct creditd_transaction, reservation_id),
    FIELD_OPTIONAL(TEXT, struct creditd_transaction, refunded_transaction_id),
    FIELD_OPTIONAL(TEXT_CUT, struct creditd_transaction, reason),
    FIELD(INT, struct creditd_transaction, amount),
    FIELD_OPTIONAL(INT, struct creditd_transaction, raw_amount),
    FIELD_OPTIONAL(INT, struct creditd_transaction, balance_after),
    FIELD(INT, struct creditd_transaction, created_at),
};

static void set_metadata(struct creditd_transaction *transactions, const msgpack_object *elements)
{
    for (uint32_t i = 0; i < elements->via.array.size; i++) {
        const msgpack_object *metadata = map_find(&elements->via.array.ptr[i], "metadata");

        transactions[i].metadata = value_of(metadata);
    }
}

int creditd_read_transactions(const struct creditd_reply *reply,
                              struct creditd_transactions_result *ret_result)
{
    struct message message = {0};
    struct owner *owner;
    struct list list;
    int r = reply->status, has_gap = 0;

    if (r != 0)
        return r;
    r = owner_new(reply, &owner, &message);
    if (r < 0)
        return r;
    r = read_list(&message.result, transaction_fields,
                  sizeof transaction_fields / sizeof transaction_fields[0],
                  sizeof(struct creditd_transaction), &list);
    if (r < 0) {
        owner_free(owner);
        return r;
    }
    map_get_bool(&message.result, "gap", &has_gap);
    set_metadata(list.data, list_elements(&message.result));
    *ret_result = (struct creditd_transactions_result){.data = list.data,
                                                       .count = list.count,
                                                       .has_more = list.has_more,
                                                       .has_gap = has_gap != 0,
                                                       .owner = owner};
    return 0;
}

void creditd_transactions_clear(struct creditd_transactions_result *result)
{
    if (!result)
        return;
    free(result->data);
    owner_free(result->owner);
    *result = (struct creditd_transactions_result){0};
}

TYPED_CALL(transactions, "credits.transactions", struct creditd_transactions_request,
           struct creditd_transactions_result, transactions)

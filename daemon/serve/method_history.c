/*
 * credits.transactions as StellarTools has them: source = upstream. Nothing of it is kept.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "objects.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/unpack.h>
#include <proto/upstream.h>

static void pack_row(msgpack_packer *packer, const struct request *request,
                     const msgpack_object *row)
{
    static const char *const keys[] = {"id", "type", "push_id", "created_at", "credits"};
    static const char *const names[] = {"id", "type", "push_id", "created_at", "amount"};
    struct core_text customer = request_customer(request), product = request_product(request);

    pack_map(packer, 8);
    pack_kv_text(packer, "object", "credit_transaction");
    pack_key(packer, "customer_id");
    pack_text_n(packer, customer.data, customer.length);
    pack_key(packer, "product_id");
    pack_text_n(packer, product.data, product.length);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const msgpack_object *value = map_find(row, keys[i]);

        pack_key(packer, names[i]);
        if (value != NULL)
            msgpack_pack_object(packer, *value);
        else
            pack_nil(packer);
    }
}

static int answer_page(struct request *request, const msgpack_object *page)
{
    const msgpack_object *rows = map_find(page, "rows");
    msgpack_packer *packer;
    int more = 0;

    if (rows == NULL || rows->type != MSGPACK_OBJECT_ARRAY)
        return -EBADMSG;
    for (uint32_t i = 0; i < rows->via.array.size; i++)
        if (rows->via.array.ptr[i].type != MSGPACK_OBJECT_MAP)
            return -EBADMSG;
    (void)map_get_bool(page, "has_more", &more);
    packer = request_result(request, 4);
    pack_kv_text(packer, "object", "list");
    pack_key(packer, "data");
    pack_array(packer, rows->via.array.size);
    for (uint32_t i = 0; i < rows->via.array.size; i++)
        pack_row(packer, request, &rows->via.array.ptr[i]);
    pack_kv_bool(packer, "has_more", more);
    pack_kv_text(packer, "source", "upstream");
    request_reply(request, 0);
    return 0;
}

static int answer_history(struct request *request, const struct errand_answer *answer)
{
    msgpack_object page;
    msgpack_zone zone;
    int r = -ENOMEM;

    if (answer->outcome != EXCHANGE_OK && answer->outcome != EXCHANGE_NO_BALANCE) {
        objects_refuse(request, answer);
        return REQUEST_ANSWERED;
    }
    if (msgpack_zone_init(&zone, 8192)) {
        r = answer->length > 0 ? unpack(&zone, answer->body, answer->length, &page) : -EBADMSG;
        if (r == 0)
            r = page.type == MSGPACK_OBJECT_MAP ? answer_page(request, &page) : -EBADMSG;
        msgpack_zone_destroy(&zone);
    }
    if (r < 0)
        request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}

int transactions_upstream(struct request *request, int64_t limit, int64_t offset)
{
    const struct errand_answer *answer = request_errand_answer(request, WAIT_HISTORY);
    const struct errand_order order = {
        .method = UPSTREAM_METHOD_HISTORY,
        .member = "history",
        .table = TABLE_COUNT_,
        .customer = request_customer(request),
        .uid = request->connection->peer.uid,
    };
    struct errand_params params;
    int r;

    if (answer != NULL)
        return answer_history(request, answer);
    request->wait_late = (struct refusal){.error = PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                                          .text = "StellarTools could not be asked in time"};
    if (request_is_late(request))
        return REQUEST_WAIT;
    errand_params_init(&params);
    errand_param_text(&params, "customer_id", request_customer(request));
    errand_param_text(&params, "product_id", request_product(request));
    errand_param_int(&params, "limit", limit);
    errand_param_int(&params, "offset", offset);
    r = errands_begin(&request->serve->errands, &order, &params, &request->wait_key);
    errand_params_deinit(&params);
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return REQUEST_ANSWERED;
    }
    request->wait_stage = WAIT_HISTORY;
    return REQUEST_WAIT;
}

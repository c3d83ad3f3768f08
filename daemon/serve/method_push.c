/*
 * push.list, push.retry and push.drop: for operators.
 */
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include "words.h"
#include <errno.h>
#include <proto/message.h>
#include <string.h>

#define PUSHES_DEFAULT 100
#define PUSHES_MAX 1000

static bool wanted(const struct request *request, const struct core_push *push)
{
    const struct proto_value *state = &request->params.values[PROTO_PARAMETER_STATE];
    const char *word = words_push_state(push->state);

    if ((request->params.present & PROTO_BIT(STATE)) == 0)
        return true;
    return word != NULL && strlen(word) == state->length &&
           memcmp(word, state->text, state->length) == 0;
}

static void pack_push(msgpack_packer *packer, struct serve *serve, const struct core_push *push,
                      uint32_t slot)
{
    char id[EXCHANGE_PUSH_ID_SIZE];
    struct core_balance balance;
    bool there = core_balance_at(serve->core, slot, serve_now(serve), &balance);
    bool parked = push->state == CORE_PUSH_PARKED;

    core_push_id(serve->core, push->epoch, push->sequence, id);
    pack_map(packer, 12);
    pack_kv_text(packer, "push_id", id);
    pack_key(packer, "customer_id");
    pack_text_n(packer, there ? balance.customer.data : "", there ? balance.customer.length : 0);
    pack_key(packer, "product_id");
    pack_text_n(packer, there ? balance.product.data : "", there ? balance.product.length : 0);
    pack_kv_text(packer, "type", "deduct");
    pack_kv_int(packer, "credits", push->credits);
    pack_kv_int(packer, "attempt", push->attempt);
    pack_kv_text(packer, "state", words_push_state(push->state));
    pack_kv_text(packer, "reason", words_park_reason(push->reason));
    pack_kv_int(packer, "begun_at", push->begun_at);
    pack_kv_int(packer, "consumed_before", push->consumed_before);
    if (parked) {
        pack_kv_int(packer, "consumed_seen", push->consumed_seen);
        pack_kv_int(packer, "rows_seen", push->rows_seen);
    } else {
        pack_kv_nil(packer, "consumed_seen");
        pack_kv_nil(packer, "rows_seen");
    }
}

/* Packs those that are wanted, at most `limit`, and looks no further than to know whether there are
 * more: finding a push is slower the more there are before it. */
static size_t pack_pushes(const struct request *request, int64_t limit, msgpack_packer *packer,
                          bool *ret_more)
{
    struct serve *serve = request->serve;
    struct core_push push;
    size_t position = 0, count = 0;
    uint32_t slot;

    *ret_more = false;
    while (!*ret_more && core_next_push(serve->core, &position, &push, &slot)) {
        if (!wanted(request, &push))
            continue;
        *ret_more = count == (size_t)limit;
        if (!*ret_more) {
            pack_push(packer, serve, &push, slot);
            count++;
        }
    }
    return count;
}

/* The rows are packed aside, since their number comes first on the wire. */
static void answer_list(struct request *request, int64_t limit)
{
    struct store_watermarks marks;
    msgpack_sbuffer rows;
    msgpack_packer row_packer, *packer;
    size_t count;
    bool more;

    msgpack_sbuffer_init(&rows);
    msgpack_packer_init(&row_packer, &rows, msgpack_sbuffer_write);
    count = pack_pushes(request, limit, &row_packer, &more);
    if (pack_failed(&row_packer)) {
        request_refuse_status(request, -ENOMEM);
    } else {
        packer = request_result(request, 2);
        pack_key(packer, "data");
        pack_array(packer, count);
        if (rows.size > 0 && msgpack_pack_str_body(packer, rows.data, rows.size) != 0)
            pack_break(packer);
        pack_kv_bool(packer, "has_more", more);
        store_get_watermarks(request->serve->store, &marks);
        request_reply(request, marks.appended);
    }
    msgpack_sbuffer_destroy(&rows);
}

int method_push_list(struct request *request)
{
    int64_t limit = PUSHES_DEFAULT;

    if ((request->params.present & PROTO_BIT(LIMIT)) != 0)
        limit = request->params.values[PROTO_PARAMETER_LIMIT].number;
    if (limit < 1 || limit > PUSHES_MAX)
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER, "limit must be from 1 to 1000",
                       "parameter", "limit");
    else
        answer_list(request, limit);
    return REQUEST_ANSWERED;
}

static struct core_text push_id(const struct request *request)
{
    const struct proto_value *id = &request->params.values[PROTO_PARAMETER_PUSH_ID];

    return (struct core_text){id->text, id->length};
}

static int answer_push(struct request *request, int status, const char *state, uint64_t sequence)
{
    struct core_text id = push_id(request);
    msgpack_packer *packer;

    if (status != CORE_OK) {
        request_refuse_status(request, status);
        return REQUEST_ANSWERED;
    }
    packer = request_result(request, 2);
    pack_key(packer, "push_id");
    pack_text_n(packer, id.data, id.length);
    pack_kv_text(packer, "state", state);
    request_reply(request, sequence);
    return REQUEST_ANSWERED;
}

int method_push_retry(struct request *request)
{
    uint64_t sequence = 0;
    int r = core_push_retry(request->serve->core, push_id(request), serve_now(request->serve),
                            &sequence);

    return answer_push(request, r, "retried", sequence);
}

int method_push_drop(struct request *request)
{
    struct core_text reason = {"", 0};
    uint64_t sequence = 0;
    int r;

    if ((request->params.present & PROTO_BIT(REASON)) != 0)
        reason = (struct core_text){request->params.values[PROTO_PARAMETER_REASON].text,
                                    request->params.values[PROTO_PARAMETER_REASON].length};
    r = core_push_drop(request->serve->core, push_id(request), request->connection->peer.uid,
                       reason, serve_now(request->serve), &sequence);
    return answer_push(request, r, "dropped", sequence);
}

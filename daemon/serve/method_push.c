/*
 * push.list, push.retry, push.drop and push.settle: for operators.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "objects.h"
#include "payment_refund.h"
#include "serve.h"
#include "words.h"
#include "writes.h"
#include <core/link.h>
#include <errno.h>
#include <proto/message.h>
#include <string.h>

#define PUSHES_DEFAULT 100
#define PUSHES_MAX 1000

static bool is_wanted(const struct request *request, const char *state)
{
    const struct proto_value *wanted = &request->params.values[PROTO_PARAMETER_STATE];

    if ((request->params.present & PROTO_BIT(STATE)) == 0)
        return true;
    return state != NULL && strlen(state) == wanted->length &&
           memcmp(state, wanted->text, wanted->length) == 0;
}

static bool wanted(const struct request *request, const struct core_push *push)
{
    return is_wanted(request, words_push_state(push->state));
}

/* Creates stand among the pushes while they are open: they can be in doubt, and wait for the
 * operator, as well. */
static bool wanted_intent(const struct request *request, const struct core_intent *intent)
{
    const char *state = words_intent_state(intent->state);

    return state != NULL && is_wanted(request, state);
}

/* Of a customer's create the payload is the engine's own, and names neither. */
static void pack_payload_text(msgpack_packer *packer, const struct serve *serve,
                              const struct core_intent *intent, const char *name, const char *none)
{
    struct core_text text = {"", 0};

    if (intent->kind != CORE_INTENT_CUSTOMER)
        text = write_payload_text(serve, intent, name);
    if (text.length > 0)
        pack_text_n(packer, text.data, text.length);
    else if (none != NULL)
        pack_text_n(packer, none, strlen(none));
    else
        pack_nil(packer);
}

static void pack_intent(msgpack_packer *packer, const struct serve *serve,
                        const struct core_intent *intent)
{
    struct core_text owner = core_intent_owner(serve->core, intent->sequence);
    bool of_user = intent->kind == CORE_INTENT_CUSTOMER;
    char id[EXCHANGE_PUSH_ID_SIZE];

    core_intent_id(serve->core, intent->epoch, intent->sequence, id);
    pack_map(packer, 14);
    pack_kv_text(packer, "push_id", id);
    pack_key(packer, "customer_id");
    pack_text_n(packer, owner.data, of_user ? 0 : owner.length);
    pack_key(packer, "product_id");
    pack_payload_text(packer, serve, intent, "product_id", "");
    pack_key(packer, "payment_id");
    pack_payload_text(packer, serve, intent, "payment_id", NULL);
    pack_key(packer, "user_id");
    if (of_user)
        pack_text_n(packer, owner.data, owner.length);
    else
        pack_nil(packer);
    pack_kv_text(packer, "type", words_intent_kind(intent->kind));
    pack_kv_int(packer, "credits", 0);
    pack_kv_int(packer, "attempt", intent->attempt);
    pack_kv_text(packer, "state", words_intent_state(intent->state));
    pack_kv_text(packer, "reason",
                 intent->state == CORE_INTENT_DOUBT && intent->message[0] != '\0'
                     ? intent->message
                     : words_intent_reason(intent->state));
    pack_kv_int(packer, "begun_at", intent->begun_at);
    pack_kv_nil(packer, "consumed_before");
    pack_kv_nil(packer, "consumed_seen");
    pack_kv_nil(packer, "rows_seen");
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
    pack_kv_text(packer, "type", words_push_kind(push->kind));
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

/* A page: rows that are wanted, at most `limit`, packed aside; and whether there are more. */
struct page {
    msgpack_packer packer;
    size_t count, limit;
    bool more;
};

/* Whether there is room for another row. */
static bool page_take(struct page *page)
{
    page->more = page->count == page->limit;
    if (!page->more)
        page->count++;
    return !page->more;
}

/* Looks no further than to know whether there are more: finding a push is slower the more there are
 * before it. */
static void pack_rows(const struct request *request, struct page *page)
{
    struct serve *serve = request->serve;
    struct core_intent intent;
    struct core_push push;
    size_t position = 0;
    uint32_t slot;

    while (!page->more && core_next_push(serve->core, &position, &push, &slot))
        if (wanted(request, &push) && page_take(page))
            pack_push(&page->packer, serve, &push, slot);
    position = 0;
    while (!page->more && core_next_intent(serve->core, &position, &intent))
        if (wanted_intent(request, &intent) && page_take(page))
            pack_intent(&page->packer, serve, &intent);
}

/* The rows are packed aside, since their number comes first on the wire. */
static void answer_list(struct request *request, int64_t limit)
{
    struct page page = {.limit = (size_t)limit};
    struct store_watermarks marks;
    msgpack_sbuffer rows;
    msgpack_packer *packer;

    msgpack_sbuffer_init(&rows);
    msgpack_packer_init(&page.packer, &rows, msgpack_sbuffer_write);
    pack_rows(request, &page);
    if (pack_failed(&page.packer)) {
        request_refuse_status(request, -ENOMEM);
    } else {
        packer = request_result(request, 2);
        pack_key(packer, "data");
        pack_array(packer, page.count);
        if (rows.size > 0 && msgpack_pack_str_body(packer, rows.data, rows.size) != 0)
            pack_break(packer);
        pack_kv_bool(packer, "has_more", page.more);
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

    if (status == CORE_NOT_FOUND) {
        request_tells_all(request);
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "there is no push of that id", NULL, NULL);
        return REQUEST_ANSWERED;
    }
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

/* The create of that id; false: it is none. */
static bool find_intent(const struct request *request, struct core_intent *ret_intent)
{
    struct core_text id = push_id(request);
    char own[EXCHANGE_PUSH_ID_SIZE];
    size_t position = 0;

    while (core_next_intent(request->serve->core, &position, ret_intent)) {
        core_intent_id(request->serve->core, ret_intent->epoch, ret_intent->sequence, own);
        if (strlen(own) == id.length && memcmp(own, id.data, id.length) == 0)
            return true;
    }
    return false;
}

int method_push_retry(struct request *request)
{
    struct core_intent intent;
    uint64_t sequence = 0;
    int r;

    if (find_intent(request, &intent)) /* what can be sent again, is */
        return answer_push(request,
                           intent.state == CORE_INTENT_PARKED ? CORE_MAY_HAVE_RUN : CORE_NOT_PARKED,
                           "", 0);
    r = core_push_retry(request->serve->core, push_id(request), request->connection->peer.uid,
                        serve_now(request->serve), &sequence);

    return answer_push(request, r, "retried", sequence);
}

/* The operator has looked, and seen to it: it may be asked for anew. One that is looked up, or
 * waits for its turn, is given up. */
static int drop_intent(struct request *request, const struct core_intent *intent)
{
    int r = core_intent_settle(request->serve->core, intent->sequence, (struct core_text){"", 0},
                               request->connection->peer.uid, serve_now(request->serve));

    request_tells_all(request);
    if (r == CORE_NOT_PARKED) {
        request_refuse(request, PROTO_ERROR_CONFLICT, "that create has ended, or is being sent",
                       NULL, NULL);
        return REQUEST_ANSWERED;
    }
    return answer_push(request, r, "dropped", 0);
}

int method_push_drop(struct request *request)
{
    struct core_text reason = {"", 0};
    struct core_intent intent;
    uint64_t sequence = 0;
    int r;

    if (find_intent(request, &intent))
        return drop_intent(request, &intent);
    if ((request->params.present & PROTO_BIT(REASON)) != 0)
        reason = (struct core_text){request->params.values[PROTO_PARAMETER_REASON].text,
                                    request->params.values[PROTO_PARAMETER_REASON].length};
    r = core_push_drop(request->serve->core, push_id(request), request->connection->peer.uid,
                       reason, serve_now(request->serve), &sequence);
    return answer_push(request, r, "dropped", sequence);
}

/* In one record with what is kept of the payment. */
static int settle(struct serve *serve, const struct core_intent *intent, struct core_text refund_id,
                  struct payment_row *row, uint64_t *ret_sequence)
{
    int r = payment_row_make(serve, payment_of_intent(serve, intent), refund_id, false, row);
    const struct core_object_change change = {
        .table = TABLE_REFUND,
        .ends = {.intent = intent->sequence, .object_id = refund_id},
        .beside = {row->key, row->key_length},
        .beside_body = row->body.data,
        .beside_length = row->body.size,
    };

    return r == CORE_OK ? core_object_change(serve->core, &change, serve_now(serve), ret_sequence)
                        : r;
}

/* StellarTools cannot be asked for one refund: a mistyped id shows by its form at least. */
static bool is_refund_id(struct core_text id)
{
    return id.length > 3 && memcmp(id.data, "rf_", 3) == 0;
}

/* The operator has looked, and it was made after all: as that refund. */
int method_push_settle(struct request *request)
{
    struct core_text refund_id = request_text(request, PROTO_PARAMETER_REFUND_ID);
    struct payment_row row;
    struct core_intent intent;
    uint64_t sequence = 0;
    int r = CORE_NOT_FOUND, result;

    if (!is_refund_id(refund_id)) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "refund_id must be a refund's, rf_…, as StellarTools shows it", "parameter",
                       "refund_id");
        return REQUEST_ANSWERED;
    }
    payment_row_init(&row);
    if (find_intent(request, &intent) && intent.kind == CORE_INTENT_REFUND)
        r = settle(request->serve, &intent, refund_id, &row, &sequence);
    request_tells_all(request);
    if (r == CORE_LOAD) {
        result = objects_load(request, TABLE_REFUND, (struct core_text){row.key, row.key_length},
                              WAIT_OTHER);
    } else if (r == CORE_NOT_FOUND) {
        request_refuse(request, PROTO_ERROR_NOT_FOUND,
                       "there is no refund of a payment under that id", NULL, NULL);
        result = REQUEST_ANSWERED;
    } else {
        result = answer_push(request, r, "settled", sequence);
    }
    payment_row_deinit(&row);
    return result;
}

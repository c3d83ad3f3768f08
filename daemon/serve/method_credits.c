/*
 * credits.consume, credits.check and credits.balance.
 */
#include "methods.h"
#include "serve.h"
#include "waiting.h"
#include "words.h"
#include <errno.h>
#include <string.h>

static void pack_names(msgpack_packer *packer, const struct core_balance *balance)
{
    pack_key(packer, "customer_id");
    pack_text_n(packer, balance->customer.data, balance->customer.length);
    pack_key(packer, "product_id");
    pack_text_n(packer, balance->product.data, balance->product.length);
}

/* --- consume --- */

static int pack_metadata(struct request *request, struct core_consume *command)
{
    const struct proto_value *value = &request->params.values[PROTO_PARAMETER_METADATA];
    msgpack_sbuffer *buffer = &request->serve->answer; /* free until the answer is packed */
    msgpack_packer packer;

    if ((request->params.present & PROTO_BIT(METADATA)) == 0)
        return 0;
    msgpack_sbuffer_clear(buffer);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    if (msgpack_pack_object(&packer, *value->object) != 0)
        return -ENOMEM;
    command->metadata = (struct core_text){buffer->data, buffer->size};
    return 0;
}

static void fill_repeat(const struct request *request, struct core_consume *command)
{
    const struct proto_value *stamp = &request->params.values[PROTO_PARAMETER_STAMP];
    const struct proto_value *key = &request->params.values[PROTO_PARAMETER_IDEMPOTENCY_KEY];

    if ((request->params.present & PROTO_BIT(STAMP)) != 0) {
        command->repeat = CORE_REPEAT_STAMP;
        memcpy(command->client_id, stamp->stamp.client_id, sizeof(command->client_id));
        command->counter = stamp->stamp.counter;
    } else if ((request->params.present & PROTO_BIT(IDEMPOTENCY_KEY)) != 0) {
        command->repeat = CORE_REPEAT_KEY;
        command->key = (struct core_text){key->text, key->length};
    }
}

static void answer_consumed(struct request *request, const struct core_consumed *consumed,
                            int64_t raw_amount)
{
    const struct core_balance *balance = &consumed->balance;
    msgpack_packer *packer = request_result(request, 10);
    char id[WORDS_TRANSACTION_ID_SIZE];

    words_transaction_id(consumed->epoch, consumed->sequence, id);
    pack_names(packer, balance);
    pack_kv_int(packer, "balance", consumed->balance_after);
    pack_kv_int(packer, "credits_deducted", consumed->credits);
    pack_kv_int(packer, "billed_units", raw_amount);
    pack_kv_int(packer, "pending", balance->pending);
    pack_kv_text(packer, "transaction_id", id);
    pack_kv_bool(packer, "replayed", consumed->replayed);
    pack_kv_bool(packer, "stale", balance->stale);
    pack_kv_int(packer, "synced_at", balance->synced_at);
    /* The balance shows its last record; a repeated answer's own is no later than that. */
    request_reply(request, balance->reveals);
}

int method_consume(struct request *request)
{
    struct serve *serve = request->serve;
    struct core_consume command = {
        .customer = request_customer(request),
        .product = request_product(request),
        .raw_amount = request->params.values[PROTO_PARAMETER_RAW_AMOUNT].number,
        .uid = request->connection->peer.uid,
        .pid = request->connection->peer.pid,
    };
    struct core_consumed consumed;
    int r = pack_metadata(request, &command);

    if ((request->params.present & PROTO_ONCE) == PROTO_ONCE) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "stamp and idempotency_key cannot both be given", "parameter", "stamp");
        return REQUEST_ANSWERED;
    }
    fill_repeat(request, &command);
    if (r == 0)
        r = core_consume(serve->core, &command, serve_now(serve), &consumed);
    switch (r) {
    case CORE_OK:
        answer_consumed(request, &consumed, command.raw_amount);
        break;
    case CORE_LOAD:
        return REQUEST_LOAD;
    case CORE_COLD:
        request->wait_slot = consumed.balance.slot;
        return REQUEST_COLD;
    case -EAGAIN: /* a segment of the journal is still being made, or the disk is behind */
        request->wait_slot = WAITING_ROOM;
        return REQUEST_ROOM;
    case CORE_INSUFFICIENT:
        request_refuse_int(request, PROTO_ERROR_INSUFFICIENT_CREDITS,
                           "there are not that many credits available", "available",
                           consumed.balance.available, consumed.balance.reveals);
        break;
    case CORE_OFFLINE_LIMIT:
        request_refuse_int(request, PROTO_ERROR_OFFLINE_LIMIT,
                           "StellarTools has not been reached for too long, or too much was spent "
                           "since",
                           "synced_at", consumed.balance.synced_at, consumed.balance.reveals);
        break;
    default:
        request_refuse_status(request, r);
        break;
    }
    return REQUEST_ANSWERED;
}

/* --- check and balance --- */

/* `fresh`: has upstream read, and waits for that to end; a reading that ended badly, or not in
 * time, leaves the balance as it was, and stale. REQUEST_ANSWERED: go on. */
static int wait_for_fresh(struct request *request, struct core_balance *balance)
{
    const struct parked *parked = request->parked;
    struct serve *serve = request->serve;
    int r;

    if ((request->params.present & PROTO_BIT(FRESH)) == 0 ||
        !request->params.values[PROTO_PARAMETER_FRESH].boolean)
        return REQUEST_ANSWERED;
    if (parked != NULL &&
        (parked->expired || (parked->fresh && balance->readings > parked->readings))) {
        balance->stale = balance->stale || balance->synced_at < parked->since;
        return REQUEST_ANSWERED;
    }
    request->wait_slot = balance->slot;
    request->wait_fresh = true;
    if (parked != NULL && parked->fresh) {
        request->wait_readings = parked->readings;
        return REQUEST_COLD;
    }
    r = core_balance_refresh(serve->core, balance->slot, request->connection->peer.uid,
                             serve_now(serve));
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return -1;
    }
    request->wait_readings = balance->readings;
    return REQUEST_COLD;
}

/* CORE_OK with the balance, as asked for; else what the method is to return in *ret_result. */
static bool get_balance(struct request *request, struct core_balance *balance, int *ret_result)
{
    struct serve *serve = request->serve;
    int r = core_balance_get(serve->core, request_customer(request), request_product(request),
                             request->connection->peer.uid, serve_now(serve), balance,
                             &request->wait_slot);

    switch (r) {
    case CORE_OK:
        r = wait_for_fresh(request, balance);
        *ret_result = r < 0 ? REQUEST_ANSWERED : r;
        return r == REQUEST_ANSWERED;
    case CORE_LOAD:
        *ret_result = REQUEST_LOAD;
        break;
    case CORE_COLD:
        *ret_result = REQUEST_COLD;
        break;
    default:
        request_refuse_status(request, r);
        *ret_result = REQUEST_ANSWERED;
        break;
    }
    return false;
}

int method_check(struct request *request)
{
    struct core_balance balance;
    msgpack_packer *packer;
    int64_t credits;
    int result;

    if (!get_balance(request, &balance, &result))
        return result;
    credits = core_credits(request->params.values[PROTO_PARAMETER_RAW_AMOUNT].number,
                           balance.units_per_credit);
    packer = request_result(request, 7);
    pack_names(packer, &balance);
    pack_kv_bool(packer, "is_sufficient", credits <= balance.available);
    pack_kv_int(packer, "credits_required", credits);
    pack_kv_int(packer, "balance", balance.available);
    pack_kv_bool(packer, "stale", balance.stale);
    pack_kv_int(packer, "synced_at", balance.synced_at);
    request_reply(request, balance.reveals);
    return REQUEST_ANSWERED;
}

int method_balance(struct request *request)
{
    struct core_balance balance;
    msgpack_packer *packer;
    int result;

    if (!get_balance(request, &balance, &result))
        return result;
    packer = request_result(request, 11);
    pack_names(packer, &balance);
    pack_kv_int(packer, "balance", balance.available);
    pack_kv_int(packer, "upstream", balance.upstream);
    pack_kv_int(packer, "pending", balance.pending);
    pack_kv_int(packer, "held", balance.held);
    pack_kv_int(packer, "consumed", balance.consumed);
    pack_kv_int(packer, "granted", balance.granted);
    pack_kv_int(packer, "units_per_credit", balance.units_per_credit);
    pack_kv_bool(packer, "stale", balance.stale);
    pack_kv_int(packer, "synced_at", balance.synced_at);
    request_reply(request, balance.reveals);
    return REQUEST_ANSWERED;
}

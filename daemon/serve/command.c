/* See command.h. */
#include "command.h"
#include "connection.h"
#include "serve.h"
#include "waiting.h"
#include <errno.h>
#include <proto/message.h>
#include <string.h>

struct core_text request_text(const struct request *request, enum proto_parameter parameter)
{
    const struct proto_value *value = &request->params.values[parameter];

    if (!request_has(request, UINT64_C(1) << parameter))
        return (struct core_text){"", 0};
    return (struct core_text){value->text, value->length};
}

int command_metadata(struct request *request, struct core_text *ret_metadata)
{
    const struct proto_value *value = &request->params.values[PROTO_PARAMETER_METADATA];
    msgpack_sbuffer *buffer = &request->serve->answer; /* free until the answer is packed */
    msgpack_packer packer;

    *ret_metadata = (struct core_text){"", 0};
    if (!request_has(request, PROTO_BIT(METADATA)))
        return 0;
    msgpack_sbuffer_clear(buffer);
    msgpack_packer_init(&packer, buffer, msgpack_sbuffer_write);
    if (msgpack_pack_object(&packer, *value->object) != 0)
        return -ENOMEM;
    *ret_metadata = (struct core_text){buffer->data, buffer->size};
    return 0;
}

static void fill_repeat(const struct request *request, struct core_consume *command)
{
    const struct proto_value *stamp = &request->params.values[PROTO_PARAMETER_STAMP];

    if (request_has(request, PROTO_BIT(STAMP))) {
        command->repeat = CORE_REPEAT_STAMP;
        memcpy(command->client_id, stamp->stamp.client_id, sizeof(command->client_id));
        command->counter = stamp->stamp.counter;
    } else if (request_has(request, PROTO_BIT(IDEMPOTENCY_KEY))) {
        command->repeat = CORE_REPEAT_KEY;
        command->key = request_text(request, PROTO_PARAMETER_IDEMPOTENCY_KEY);
    }
}

bool command_fill(struct request *request, struct core_consume *ret_command)
{
    int r;

    if ((request->params.present & PROTO_ONCE) == PROTO_ONCE) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "stamp and idempotency_key cannot both be given", "parameter", "stamp");
        return false;
    }
    *ret_command = (struct core_consume){
        .customer = request_customer(request),
        .product = request_product(request),
        .raw_amount = request->params.values[PROTO_PARAMETER_RAW_AMOUNT].number,
        .uid = request->connection->peer.uid,
        .pid = request->connection->peer.pid,
    };
    r = command_metadata(request, &ret_command->metadata);
    if (r < 0) {
        request_refuse_status(request, r);
        return false;
    }
    fill_repeat(request, ret_command);
    return true;
}

int command_not_done(struct request *request, int status, const struct core_balance *balance)
{
    switch (status) {
    case CORE_LOAD:
        return REQUEST_LOAD;
    case CORE_COLD:
        request->wait_slot = balance->slot;
        return REQUEST_COLD;
    case -EAGAIN: /* a segment of the journal is still being made, or the disk is behind */
        request->wait_slot = WAITING_ROOM;
        return REQUEST_ROOM;
    case CORE_INSUFFICIENT:
        request_refuse_int(request, PROTO_ERROR_INSUFFICIENT_CREDITS,
                           "there are not that many credits available", "available",
                           balance->available, balance->reveals);
        break;
    case CORE_OFFLINE_LIMIT:
        request_refuse_int(request, PROTO_ERROR_OFFLINE_LIMIT,
                           "StellarTools has not been reached for too long, or too much was spent "
                           "since",
                           "synced_at", balance->synced_at, balance->reveals);
        break;
    default:
        request_refuse_status(request, status);
        break;
    }
    return REQUEST_ANSWERED;
}

void pack_balance_names(msgpack_packer *packer, const struct core_balance *balance)
{
    pack_key(packer, "customer_id");
    pack_text_n(packer, balance->customer.data, balance->customer.length);
    pack_key(packer, "product_id");
    pack_text_n(packer, balance->product.data, balance->product.length);
}

void pack_freshness(msgpack_packer *packer, const struct core_balance *balance)
{
    pack_kv_bool(packer, "stale", balance->stale);
    pack_kv_int(packer, "synced_at", balance->synced_at);
}

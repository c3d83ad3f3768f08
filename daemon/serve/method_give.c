/*
 * credits.refund and credits.grant. A deduction that is to be given back is looked for in the
 * balance's own history, off the loop: what its id says is believed only as far as the record
 * bears it out.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include "transactions.h"
#include "words.h"
#include <errno.h>
#include <proto/message.h>

static void pack_given(msgpack_packer *packer, const struct core_given *given)
{
    pack_balance_names(packer, &given->balance);
    pack_kv_int(packer, "pending_confirmation", given->pushed);
    pack_kv_int(packer, "balance", given->balance.available);
    pack_kv_bool(packer, "replayed", given->replayed);
    pack_freshness(packer, &given->balance);
}

/* --- refund --- */

static void answer_refunded(struct request *request, const struct core_given *given)
{
    msgpack_packer *packer = request_result(request, 10);
    struct core_text of = request_text(request, PROTO_PARAMETER_TRANSACTION_ID);
    char id[WORDS_TRANSACTION_ID_SIZE];

    words_id("rf", given->epoch, given->sequence, id);
    pack_kv_text(packer, "transaction_id", id);
    pack_key(packer, "refunded_transaction_id");
    pack_text_n(packer, of.data, of.length);
    pack_kv_int(packer, "credits_refunded", given->credits);
    pack_given(packer, given);
    request_reply(request, given->balance.reveals);
}

static int give_back(struct request *request, const struct history_deduction *deduction)
{
    struct serve *serve = request->serve;
    struct core_give_back command = {
        .customer = request_customer(request),
        .product = request_product(request),
        .of = deduction->of,
        .of_credits = deduction->credits,
        .of_raw_amount = deduction->raw_amount,
        .reason = request_text(request, PROTO_PARAMETER_REASON),
        .uid = request->connection->peer.uid,
        .pid = request->connection->peer.pid,
    };
    struct core_given given;
    int r;

    if (request_has(request, PROTO_BIT(RAW_AMOUNT)))
        command.raw_amount = request->params.values[PROTO_PARAMETER_RAW_AMOUNT].number;
    r = core_credit_refund(serve->core, &command, serve_now(serve), &given);
    if (r == CORE_GIVEN_BACK)
        request_tells_all(request);
    if (r != CORE_OK)
        return command_not_done(request, r, &given.balance);
    answer_refunded(request, &given);
    return REQUEST_ANSWERED;
}

static int refuse_deduction(struct request *request, int why)
{
    request_tells_all(request);
    switch (why) {
    case -ESRCH:
        request_refuse(request, PROTO_ERROR_NOT_FOUND,
                       "that customer has no such deduction for that product", NULL, NULL);
        break;
    case -ENOENT:
        request_refuse(request, PROTO_ERROR_GAP,
                       "there is no such deduction, or it is older than what is kept", NULL, NULL);
        break;
    default:
        request_refuse_status(request, why);
        break;
    }
    return REQUEST_ANSWERED;
}

/* What was found, if it was in this balance's history: a link may have changed meanwhile. */
static const struct found *get_found(const struct request *request,
                                     const struct core_balance *balance)
{
    const struct found *found = request->parked != NULL ? request->parked->found : NULL;
    struct hash128 hash;

    if (found == NULL)
        return NULL;
    hash = core_balance_hash(request->serve->core, balance->customer, balance->product);
    return found->balance.low == hash.low && found->balance.high == hash.high ? found : NULL;
}

int method_credit_refund(struct request *request)
{
    struct serve *serve = request->serve;
    struct core_balance balance = {0};
    struct core_transaction of;
    const struct found *found;
    int r;

    if (!words_read_transaction_id(request_text(request, PROTO_PARAMETER_TRANSACTION_ID), &of))
        return refuse_deduction(request, -ESRCH);
    r = core_balance_get(serve->core, request_customer(request), request_product(request),
                         request->connection->peer.uid, serve_now(serve), &balance, &balance.slot);
    if (r != CORE_OK)
        return command_not_done(request, r, &balance);
    found = get_found(request, &balance);
    if (found != NULL && found->result != 0)
        return refuse_deduction(request, found->result);
    if (found != NULL)
        return give_back(request, &found->deduction);
    request->wait_late = (struct refusal){
        .error = PROTO_ERROR_BUSY, .text = "the history could not be read in time; try again"};
    if (!request_is_late(request)) {
        r = transactions_search(request, &balance, &of);
        if (r < 0)
            return refuse_deduction(request, r);
    }
    return REQUEST_WAIT;
}

/* --- grant --- */

int method_grant(struct request *request)
{
    struct serve *serve = request->serve;
    struct core_consume command;
    struct core_given given;
    msgpack_packer *packer;
    char id[WORDS_TRANSACTION_ID_SIZE];
    int r;

    if (!command_fill(request, &command))
        return REQUEST_ANSWERED;
    command.metadata = request_text(request, PROTO_PARAMETER_REASON);
    r = core_grant(serve->core, &command, serve_now(serve), &given);
    if (r == CORE_NOT_FOUND) {
        request_refuse(request, PROTO_ERROR_NOT_FOUND,
                       "StellarTools has no balance of that customer for that product: it makes "
                       "one when the product is bought",
                       NULL, NULL);
        return REQUEST_ANSWERED;
    }
    if (r != CORE_OK)
        return command_not_done(request, r, &given.balance);
    words_id("gr", given.epoch, given.sequence, id);
    packer = request_result(request, 9);
    pack_kv_text(packer, "grant_id", id);
    pack_kv_int(packer, "credits_granted", given.credits);
    pack_given(packer, &given);
    request_reply(request, given.balance.reveals);
    return REQUEST_ANSWERED;
}

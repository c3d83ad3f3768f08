/*
 * credits.reserve, credits.extend, credits.settle and credits.release. A reservation is found by
 * its id, and is whoever's it was made for: of anybody else's it is as if it were not there.
 *
 * What is held is an app's, for work that it does: with a session alone, only the uid that made a
 * reservation ends it. Else its user, who has that session as well, could settle it for one credit
 * through creditd-http before the app does.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "serve.h"
#include "words.h"
#include <proto/message.h>
#include <string.h>

#define TTL_DEFAULT_MS (INT64_C(10) * 60 * 1000)

/* False: it has been refused. */
static bool get_ttl(struct request *request, int64_t *ret_ttl)
{
    int64_t ttl = TTL_DEFAULT_MS;

    if (request_has(request, PROTO_BIT(TTL)))
        ttl = request->params.values[PROTO_PARAMETER_TTL].number;
    if (ttl < 1 || ttl > CORE_TTL_MAX) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "ttl must be from 1 to 86400000 ms: a day", "parameter", "ttl");
        return false;
    }
    *ret_ttl = ttl;
    return true;
}

static void pack_reserved(msgpack_packer *packer, const struct core_reserved *reserved)
{
    const struct core_balance *balance = &reserved->balance;
    char id[WORDS_TRANSACTION_ID_SIZE];

    words_id("rsv", reserved->epoch, reserved->sequence, id);
    pack_kv_text(packer, "reservation_id", id);
    pack_balance_names(packer, balance);
    pack_kv_int(packer, "balance", balance->available);
    pack_kv_int(packer, "held", balance->held);
    pack_freshness(packer, balance);
}

static void answer_reserved(struct request *request, const struct core_reserved *reserved)
{
    msgpack_packer *packer = request_result(request, 10);

    pack_reserved(packer, reserved);
    pack_kv_int(packer, "credits_held", reserved->credits);
    pack_kv_int(packer, "expires_at", reserved->expires_at);
    pack_kv_bool(packer, "replayed", reserved->replayed);
    request_reply(request, reserved->balance.reveals);
}

int method_reserve(struct request *request)
{
    struct serve *serve = request->serve;
    struct core_consume command;
    struct core_reserved reserved;
    int64_t ttl;
    int r;

    if (!get_ttl(request, &ttl) || !command_fill(request, &command))
        return REQUEST_ANSWERED;
    r = core_reserve(serve->core, &command, ttl, serve_now(serve), &reserved);
    if (r != CORE_OK)
        return command_not_done(request, r, &reserved.balance);
    answer_reserved(request, &reserved);
    return REQUEST_ANSWERED;
}

/* --- what is done with one --- */

static void refuse_reservation(struct request *request, int status)
{
    request_tells_all(request);
    if (status == CORE_NOT_FOUND)
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "there is no reservation of that id", NULL,
                       NULL);
    else if (status == CORE_KEY_REUSED)
        request_refuse(request, PROTO_ERROR_CONFLICT,
                       "that reservation was settled before, with another amount", NULL, NULL);
    else
        request_refuse_status(request, status);
}

static bool is_own(const struct request *request, const struct core_reservation *reservation)
{
    struct core_text customer = request_customer(request);

    return reservation->customer.length == customer.length &&
           memcmp(reservation->customer.data, customer.data, customer.length) == 0 &&
           (request->identity.kind != IDENTITY_SESSION ||
            reservation->hold.uid == request->connection->peer.uid);
}

/* The request's reservation, if it is the caller's; false: it has been refused. */
static bool get_own(struct request *request, struct core_text *ret_id)
{
    struct core_text id = request_text(request, PROTO_PARAMETER_RESERVATION_ID);
    struct core_reservation reservation;
    int r = core_reservation_get(request->serve->core, id, &reservation);

    if (r == CORE_OK && !is_own(request, &reservation))
        r = CORE_NOT_FOUND;
    if (r != CORE_OK) {
        refuse_reservation(request, r);
        return false;
    }
    *ret_id = id;
    return true;
}

int method_extend(struct request *request)
{
    struct serve *serve = request->serve;
    struct core_reserved reserved;
    struct core_text id;
    int64_t ttl;
    int r;

    if (!get_ttl(request, &ttl) || !get_own(request, &id))
        return REQUEST_ANSWERED;
    r = core_extend(serve->core, id, ttl, request->connection->peer.uid,
                    request->connection->peer.pid, serve_now(serve), &reserved);
    if (r == CORE_OK)
        answer_reserved(request, &reserved);
    else
        refuse_reservation(request, r);
    return REQUEST_ANSWERED;
}

int method_release(struct request *request)
{
    struct serve *serve = request->serve;
    struct core_reserved released;
    msgpack_packer *packer;
    struct core_text id;
    int r;

    if (!get_own(request, &id))
        return REQUEST_ANSWERED;
    r = core_release(serve->core, id, request->connection->peer.uid, request->connection->peer.pid,
                     serve_now(serve), &released);
    if (r != CORE_OK) {
        refuse_reservation(request, r);
        return REQUEST_ANSWERED;
    }
    packer = request_result(request, 8);
    pack_reserved(packer, &released);
    pack_kv_bool(packer, "released", true);
    request_reply(request, released.balance.reveals);
    return REQUEST_ANSWERED;
}

static void answer_settled(struct request *request, struct core_text id,
                           const struct core_settled *settled, int64_t raw_amount)
{
    const struct core_balance *balance = &settled->balance;
    msgpack_packer *packer = request_result(request, 13);
    char transaction[WORDS_TRANSACTION_ID_SIZE];

    words_transaction_id(settled->epoch, settled->sequence, transaction);
    pack_kv_text(packer, "transaction_id", transaction);
    pack_key(packer, "reservation_id");
    pack_text_n(packer, id.data, id.length);
    pack_balance_names(packer, balance);
    pack_kv_int(packer, "credits_deducted", settled->credits);
    pack_kv_int(packer, "billed_units", raw_amount);
    pack_kv_int(packer, "shortfall", settled->shortfall);
    pack_kv_int(packer, "balance", settled->balance_after);
    pack_kv_int(packer, "held", balance->held);
    pack_kv_int(packer, "pending", balance->pending);
    pack_kv_bool(packer, "replayed", settled->replayed);
    pack_freshness(packer, balance);
    request_reply(request, balance->reveals);
}

int method_settle(struct request *request)
{
    int64_t raw_amount = request->params.values[PROTO_PARAMETER_RAW_AMOUNT].number;
    struct serve *serve = request->serve;
    struct core_text id, metadata;
    struct core_settled settled;
    int r;

    if (!get_own(request, &id))
        return REQUEST_ANSWERED;
    r = command_metadata(request, &metadata);
    if (r == 0)
        r = core_settle(serve->core, id, raw_amount, metadata, request->connection->peer.uid,
                        request->connection->peer.pid, serve_now(serve), &settled);
    if (r == CORE_OK)
        answer_settled(request, id, &settled, raw_amount);
    else
        refuse_reservation(request, r);
    return REQUEST_ANSWERED;
}

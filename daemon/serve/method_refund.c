/*
 * refund.create: a payment is given back by whoever may, and once. StellarTools is asked for the
 * payment first, whoever calls: it must be there, and be that customer's whom the session is of, or
 * whom the peer names, or whose user. So what is mistyped gives nothing back, and parks nothing.
 */
#include "command.h"
#include "connection.h"
#include "methods.h"
#include "objects.h"
#include "payment_refund.h"
#include "serve.h"
#include "writes.h"
#include <errno.h>
#include <proto/message.h>
#include <proto/unpack.h>
#include <proto/upstream.h>
#include <stdio.h>
#include <string.h>

/* --- whose payment it is --- */

static bool is_begun(const struct request *request)
{
    return request->parked != NULL && request->parked->intent != 0;
}

static bool is_of_customer(struct request *request, const struct errand_answer *answer)
{
    struct core_text customer = request_customer(request), of;
    msgpack_object payment;
    msgpack_zone zone;
    bool own = false;

    if (!msgpack_zone_init(&zone, 4096))
        return false;
    if (unpack(&zone, answer->body, answer->length, &payment) == 0 &&
        payment.type == MSGPACK_OBJECT_MAP &&
        map_get_text(&payment, "customer_id", &of.data, &of.length) == 1)
        own = of.length == customer.length && memcmp(of.data, customer.data, of.length) == 0;
    msgpack_zone_destroy(&zone);
    return own;
}

static int ask_payment(struct request *request)
{
    const struct errand_order order = {
        .method = UPSTREAM_METHOD_PAYMENT,
        .member = "payment",
        .table = TABLE_COUNT_,
        .customer = request_customer(request),
        .uid = request->connection->peer.uid,
    };
    struct errand_params params;
    int r;

    errand_params_init(&params);
    errand_param_given(&params, request, PROTO_PARAMETER_PAYMENT_ID);
    r = errands_begin(&request->serve->errands, &order, &params, &request->wait_key);
    errand_params_deinit(&params);
    if (r != CORE_OK) {
        request_refuse_status(request, r);
        return REQUEST_ANSWERED;
    }
    request->wait_stage = WAIT_PAYMENT;
    request->wait_late = (struct refusal){
        .error = PROTO_ERROR_UPSTREAM_UNAVAILABLE,
        .text = "StellarTools could not be asked in time whose payment that is; nothing was done",
    };
    return REQUEST_WAIT;
}

/* True: it may be given back. */
static bool check_payment(struct request *request, const struct write_order *order, int *ret_result)
{
    const struct errand_answer *answer = request_errand_answer(request, WAIT_PAYMENT);

    if (is_begun(request) || write_find(request, order) != CORE_NOT_FOUND)
        return true; /* it was looked at before it was begun */
    *ret_result = REQUEST_ANSWERED;
    if (answer == NULL) {
        if (request->parked == NULL || request->parked->stage != WAIT_PAYMENT) {
            *ret_result = ask_payment(request);
            return false;
        }
        *ret_result = REQUEST_WAIT; /* late */
        return false;
    }
    if (answer->outcome == EXCHANGE_OK && is_of_customer(request, answer))
        return true;
    if (answer->outcome == EXCHANGE_OK || answer->outcome == EXCHANGE_NOT_FOUND)
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "this customer has no such payment", NULL,
                       NULL);
    else
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                       "StellarTools could not be asked whose payment that is; nothing was done",
                       NULL, NULL);
    return false;
}

/* --- the refund --- */

static void pack_refund(struct request *request, struct errand_params *params)
{
    errand_param_given(params, request, PROTO_PARAMETER_PAYMENT_ID);
    errand_param_given(params, request, PROTO_PARAMETER_REASON);
    errand_param_given(params, request, PROTO_PARAMETER_METADATA);
}

/* An app that gives no key means the payment, which can be given back but once. */
static struct core_text key_of(const struct request *request, char *buffer, size_t size)
{
    struct core_text payment = request_text(request, PROTO_PARAMETER_PAYMENT_ID);
    int length;

    if (request_has(request, PROTO_BIT(IDEMPOTENCY_KEY)))
        return request_text(request, PROTO_PARAMETER_IDEMPOTENCY_KEY);
    length = snprintf(buffer, size, "payment %.*s", (int)payment.length, payment.data);
    return (struct core_text){buffer, (size_t)length};
}

static void answer_known(struct request *request, const struct core_intent *intent)
{
    struct core_text payment = request_text(request, PROTO_PARAMETER_PAYMENT_ID);
    msgpack_packer *packer = request_result(request, 6);

    pack_kv_text(packer, "id", intent->object_id);
    pack_kv_text(packer, "object", "refund");
    pack_key(packer, "payment_id");
    pack_text_n(packer, payment.data, payment.length);
    pack_kv_bool(packer, "replayed", true);
    pack_kv_nil(packer, "synced_at");
    pack_kv_bool(packer, "stale", true);
    request_reply(request, intent->reveals);
}

/* A key of the app's means one attempt; without one, what did not give the payment back is tried
 * again. Where another refund is the payment's by now, this one had failed. */
static bool may_be_repeated(struct request *request, const struct core_intent *intent)
{
    struct payment_refund refund;

    if (intent->state == CORE_INTENT_REFUSED)
        return true;
    return intent->state == CORE_INTENT_DONE &&
           payment_refund_get(request->serve, request_text(request, PROTO_PARAMETER_PAYMENT_ID),
                              &refund) == CORE_OK &&
           (refund.failed || strcmp(refund.refund_id, intent->object_id) != 0);
}

static bool refuse_given_back(struct request *request, const char *refund_id)
{
    request_tells_all(request);
    request_refuse(request, PROTO_ERROR_CONFLICT,
                   "that payment was given back before, under another idempotency key; "
                   "data.refund_id names the refund",
                   "refund_id", refund_id);
    return false;
}

/* What is stored of the payment comes first: then nothing that is asked for waits for it. */
static bool bring_in(struct request *request, int *ret_result)
{
    struct core_text payment = request_text(request, PROTO_PARAMETER_PAYMENT_ID);
    struct payment_refund refund;

    if (is_begun(request) || payment_refund_get(request->serve, payment, &refund) != CORE_LOAD)
        return true;
    *ret_result = payment_refund_load(request, payment);
    return false;
}

/* True: nobody else gives that payment back, or has. */
static bool check_others(struct request *request, const struct write_order *order, int *ret_result)
{
    struct core_text payment = request_text(request, PROTO_PARAMETER_PAYMENT_ID);
    struct serve *serve = request->serve;
    char id[EXCHANGE_PUSH_ID_SIZE];
    struct payment_refund refund;
    struct core_intent other;
    int r = payment_refund_get(serve, payment, &refund);

    if (is_begun(request))
        return true;
    *ret_result = REQUEST_ANSWERED;
    if (r < 0 || r == CORE_LOAD) {
        request_refuse_status(request, r < 0 ? r : -EAGAIN);
        return false;
    }
    if (write_find(request, order) != CORE_NOT_FOUND)
        return true; /* the same again */
    if (r == CORE_OK && !refund.failed)
        return refuse_given_back(request, refund.refund_id);
    if (!payment_find_intent(serve, payment, &other))
        return true;
    if (other.state == CORE_INTENT_DONE)
        return refuse_given_back(request, other.object_id);
    core_intent_id(serve->core, other.epoch, other.sequence, id);
    request_tells_all(request);
    request_refuse(request, PROTO_ERROR_CONFLICT,
                   "that payment is being given back under another idempotency key; data.push_id "
                   "names it among the pushes",
                   "push_id", id);
    return false;
}

int method_refund_create(struct request *request)
{
    char buffer[PROTO_KEY_MAX + 1];
    bool has_key = request_has(request, PROTO_BIT(IDEMPOTENCY_KEY));
    const struct write_order order = {
        .kind = CORE_INTENT_REFUND,
        .key = key_of(request, buffer, sizeof(buffer)),
        .again = has_key ? NULL : may_be_repeated,
        .pack = pack_refund,
    };
    const struct errand_answer *answer;
    struct core_intent intent;
    int result;

    if (!bring_in(request, &result) || !check_payment(request, &order, &result) ||
        !check_others(request, &order, &result) || !write_intent(request, &order, &intent, &result))
        return result;
    answer = request_errand_answer(request, WAIT_INTENT);
    if (answer != NULL)
        objects_answer(request, answer->body, answer->length, serve_now(request->serve), false,
                       answer->reveals);
    else
        answer_known(request, &intent);
    return REQUEST_ANSWERED;
}

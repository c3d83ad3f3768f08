/*
 * subscription.*: the customer's list is the one truth of what is the caller's. What is not in it
 * is looked for there once more, fresh, and is then not there: another's subscription is never
 * asked for by its id.
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
#include <string.h>

/* --- reading --- */

int method_subscription_list(struct request *request)
{
    struct object_view list;
    msgpack_packer *packer;
    int result;

    if (!objects_get(request, TABLE_SUBSCRIPTIONS, objects_at_least(request), &list, &result))
        return result;
    packer = request_result(request, 5);
    pack_kv_text(packer, "object", "list");
    pack_key(packer, "data");
    msgpack_pack_str_body(packer, list.body, list.length);
    pack_kv_bool(packer, "has_more", false);
    pack_kv_int(packer, "synced_at", list.synced_at);
    pack_kv_bool(packer, "stale", list.stale);
    request_reply(request, 0);
    return REQUEST_ANSWERED;
}

/* Calls `use` with the subscription of that id, if it is in the list. */
typedef void (*use_function)(struct request *request, const msgpack_object *row,
                             const struct object_view *list);

static int use_row(struct request *request, const struct object_view *list, struct core_text id,
                   use_function use)
{
    const msgpack_object *row = NULL;
    msgpack_object rows;
    msgpack_zone zone;
    int r;

    if (!msgpack_zone_init(&zone, 8192))
        return -ENOMEM;
    r = unpack(&zone, list->body, list->length, &rows);
    if (r == 0)
        row = objects_find(&rows, id);
    if (r == 0 && row == NULL)
        r = -ENOENT;
    if (r == 0 && use != NULL)
        use(request, row, list);
    msgpack_zone_destroy(&zone);
    return r;
}

/* Whether it is the caller's: true, after `use`. False: as *ret_result says. */
static bool find_own(struct request *request, struct core_text id, int64_t at_least,
                     use_function use, int *ret_result)
{
    const struct errand_answer *answer = request_errand_answer(request, WAIT_OBJECT);
    bool is_read = answer != NULL && answer->outcome == EXCHANGE_OK;
    struct object_view list;
    int r;

    if (!objects_get(request, TABLE_SUBSCRIPTIONS, at_least, &list, ret_result))
        return false;
    r = use_row(request, &list, id, use);
    if (r == -ENOENT && !is_read) {
        if (!objects_get(request, TABLE_SUBSCRIPTIONS, INT64_MAX, &list, ret_result))
            return false;
        r = use_row(request, &list, id, use);
    }
    *ret_result = REQUEST_ANSWERED;
    if (r < 0)
        request_tells_all(request);
    if (r == -ENOENT && list.stale)
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                       "that subscription is not known here and StellarTools could not be asked "
                       "in time",
                       NULL, NULL);
    else if (r == -ENOENT)
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "this customer has no such subscription",
                       NULL, NULL);
    else if (r < 0)
        request_refuse_status(request, r);
    return r == 0;
}

static void answer_row(struct request *request, const msgpack_object *row,
                       const struct object_view *list)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    if (msgpack_pack_object(&packer, *row) == 0)
        objects_answer(request, buffer.data, buffer.size, list->synced_at, list->stale, 0);
    else
        request_refuse_status(request, -ENOMEM);
    msgpack_sbuffer_destroy(&buffer);
}

int method_subscription_retrieve(struct request *request)
{
    int result;

    (void)find_own(request, request_text(request, PROTO_PARAMETER_SUBSCRIPTION_ID),
                   objects_at_least(request), answer_row, &result);
    return result;
}

/* --- changing --- */

static void pack_update(struct request *request, struct errand_params *params)
{
    errand_param_given(params, request, PROTO_PARAMETER_SUBSCRIPTION_ID);
    errand_param_given(params, request, PROTO_PARAMETER_PRODUCT_ID);
    errand_param_given(params, request, PROTO_PARAMETER_METADATA);
    errand_param_given(params, request, PROTO_PARAMETER_CANCEL_AT_PERIOD_END);
}

static void pack_action(struct request *request, struct errand_params *params)
{
    const char *action = request->method == PROTO_METHOD_SUBSCRIPTION_CANCEL  ? "cancel"
                         : request->method == PROTO_METHOD_SUBSCRIPTION_PAUSE ? "pause"
                                                                              : "resume";

    errand_param_given(params, request, PROTO_PARAMETER_SUBSCRIPTION_ID);
    errand_param_text(params, "action", (struct core_text){action, strlen(action)});
}

static int change(struct request *request, const char *method, write_pack_function pack)
{
    const struct errand_order order = {
        .method = method,
        .member = "subscription",
        .is_write = true,
        .table = TABLE_SUBSCRIPTIONS,
        .customer = request_customer(request),
        .uid = request->connection->peer.uid,
    };
    bool sent = request->parked != NULL && request->parked->stage == WAIT_WRITE;
    const struct errand_answer *answer;
    int result;

    if (!sent && !find_own(request, request_text(request, PROTO_PARAMETER_SUBSCRIPTION_ID), 0, NULL,
                           &result))
        return result;
    answer = write_run(request, &order, pack, &result);
    if (answer == NULL)
        return result;
    objects_answer(request, answer->body, answer->length, serve_now(request->serve), false,
                   answer->reveals);
    return REQUEST_ANSWERED;
}

int method_subscription_update(struct request *request)
{
    if (!request_has(request, PROTO_BIT(METADATA) | PROTO_BIT(CANCEL_AT_PERIOD_END) |
                                  PROTO_BIT(PRODUCT_ID))) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "nothing is to be changed: give product_id, metadata or "
                       "cancel_at_period_end",
                       "parameter", "metadata");
        return REQUEST_ANSWERED;
    }
    return change(request, UPSTREAM_METHOD_SUBSCRIPTION_UPDATE, pack_update);
}

int method_subscription_action(struct request *request)
{
    return change(request, UPSTREAM_METHOD_SUBSCRIPTION_ACTION, pack_action);
}

/* --- creating --- */

static void pack_create(struct request *request, struct errand_params *params)
{
    errand_param_given(params, request, PROTO_PARAMETER_PRODUCT_ID);
    errand_param_given(params, request, PROTO_PARAMETER_METADATA);
    errand_param_given(params, request, PROTO_PARAMETER_CANCEL_AT_PERIOD_END);
    errand_param_given(params, request, PROTO_PARAMETER_TRIAL_DAYS);
}

/* The list as it is stored, before there is something to be told that it does not have. False: the
 * request waits for it. */
static bool bring_list(struct request *request, int *ret_result)
{
    struct core_text customer = request_customer(request);
    bool begun = request->parked != NULL && request->parked->intent != 0;
    struct core_object object;

    if (begun || request_is_late(request) ||
        core_object_get(request->serve->core, TABLE_SUBSCRIPTIONS, customer, &object) != CORE_LOAD)
        return true;
    *ret_result = objects_load(request, TABLE_SUBSCRIPTIONS, customer, WAIT_OTHER);
    return false;
}

int method_subscription_create(struct request *request)
{
    const struct write_order order = {
        .kind = CORE_INTENT_SUBSCRIPTION,
        .key = request_text(request, PROTO_PARAMETER_IDEMPOTENCY_KEY),
        .pack = pack_create,
    };
    const struct errand_answer *answer;
    struct core_intent intent;
    int result;

    if (!bring_list(request, &result))
        return result;
    if (!write_intent(request, &order, &intent, &result))
        return result;
    answer = request_errand_answer(request, WAIT_INTENT);
    if (answer != NULL) {
        objects_answer(request, answer->body, answer->length, serve_now(request->serve), false,
                       answer->reveals);
        return REQUEST_ANSWERED;
    }
    /* Asked again, or found in the list after a doubt: there it is. */
    (void)find_own(request, (struct core_text){intent.object_id, strlen(intent.object_id)}, 0,
                   answer_row, &result);
    return result;
}

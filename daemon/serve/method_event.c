/*
 * event.subscribe, event.ack, event.unsubscribe and event.list. A place is a number: that of the
 * last event that its owner has had.
 */
#include "connection.h"
#include "event_listing.h"
#include "methods.h"
#include "serve.h"
#include <core/delivery.h>
#include <inttypes.h>
#include <proto/message.h>

#define LIST_DEFAULT 50
#define LIST_MAX 100

static bool is_given(const struct request *request, enum proto_parameter parameter)
{
    return (request->params.present & UINT64_C(1) << parameter) != 0;
}

static uint32_t wanted_types(const struct request *request)
{
    return is_given(request, PROTO_PARAMETER_TYPES)
               ? (uint32_t)request->params.values[PROTO_PARAMETER_TYPES].number
               : EVENT_TYPES_ALL;
}

/* Empty: it has no name. */
static struct core_text subscriber_name(const struct request *request)
{
    const struct proto_value *name = &request->params.values[PROTO_PARAMETER_SUBSCRIBER];

    if (!is_given(request, PROTO_PARAMETER_SUBSCRIBER))
        return (struct core_text){"", 0};
    return (struct core_text){name->text, name->length};
}

static uint64_t first_event(const struct request *request)
{
    return event_keeping_first(&request->serve->event_keeping);
}

/* 0 stands for all there is. False: refused. */
static bool given_after(struct request *request, uint64_t *ret_after)
{
    uint64_t first = first_event(request), after = 0;

    if (is_given(request, PROTO_PARAMETER_AFTER))
        after = (uint64_t)request->params.values[PROTO_PARAMETER_AFTER].number;
    if (after == 0)
        after = first - 1;
    if (after + 1 < first) {
        request_refuse_gap(request, first);
        return false;
    }
    *ret_after = after;
    return true;
}

/* --- event.subscribe --- */

static int refuse_subscriber(struct request *request, int status)
{
    if (status == CORE_QUOTA_KEYS)
        request_refuse(request, PROTO_ERROR_QUOTA_EXCEEDED,
                       "this user has too many subscribers whose places are kept", "quota",
                       "subscribers");
    else
        request_refuse_status(request, status);
    return REQUEST_ANSWERED;
}

/* Where the stream begins. False: refused. */
static bool find_place(struct request *request, const struct core_subscriber *known,
                       uint64_t *ret_after)
{
    uint64_t first = first_event(request), after;

    if (is_given(request, PROTO_PARAMETER_AFTER))
        return given_after(request, ret_after);
    after = known != NULL ? known->number : request->serve->event_reader.through;
    if (after + 1 < first) {
        request_refuse_gap(request, first);
        return false;
    }
    *ret_after = after;
    return true;
}

static void answer_subscribed(struct request *request, uint64_t after, uint64_t reveals)
{
    msgpack_packer *packer = request_result(request, 4);
    struct core_text name = subscriber_name(request);

    pack_kv_int(packer, "after", (int64_t)after);
    pack_kv_int(packer, "last", (int64_t)request->serve->event_reader.through);
    pack_kv_int(packer, "first", (int64_t)first_event(request));
    pack_key(packer, "subscriber");
    if (name.length > 0)
        pack_text_n(packer, name.data, name.length);
    else
        pack_nil(packer);
    request_reply(request, reveals);
}

/* A new subscriber's place is kept from now on, and not only from its first ack: what comes about
 * in between would be lost with its process. */
static int keep_place(struct request *request, uint64_t after, uint64_t *ret_reveals)
{
    struct serve *serve = request->serve;
    uint64_t latest = serve->event_reader.through;
    int r =
        core_subscriber_set(serve->core, request->connection->peer.uid, subscriber_name(request),
                            after < latest ? after : latest, serve_now(serve), ret_reveals);

    if (r == CORE_OK)
        event_keeping_look(&serve->event_keeping);
    return r;
}

int method_event_subscribe(struct request *request)
{
    struct serve *serve = request->serve;
    struct core_text name = subscriber_name(request);
    struct core_subscriber known = {0};
    uint64_t after, reveals = 0;
    bool is_known =
        name.length > 0 &&
        core_subscriber_get(serve->core, request->connection->peer.uid, name, &known) == CORE_OK;
    int r = CORE_OK;

    if (subscription_is_elsewhere(request->connection, name)) {
        request_refuse(request, PROTO_ERROR_CONFLICT,
                       "that subscriber is in use: another connection gets its events", "parameter",
                       "subscriber");
        return REQUEST_ANSWERED;
    }
    if (!find_place(request, is_known ? &known : NULL, &after))
        return REQUEST_ANSWERED;
    if (is_known)
        reveals = known.reveals;
    else if (name.length > 0)
        r = keep_place(request, after, &reveals);
    if (r == CORE_OK)
        r = subscription_begin(request->connection, after, wanted_types(request), name, reveals);
    if (r != CORE_OK)
        return refuse_subscriber(request, r);
    answer_subscribed(request, after, reveals);
    return REQUEST_ANSWERED;
}

/* --- event.ack --- */

static void answer_place(struct request *request, uint64_t number, uint64_t reveals)
{
    msgpack_packer *packer = request_result(request, 2);
    struct core_text name = subscriber_name(request);

    pack_key(packer, "subscriber");
    pack_text_n(packer, name.data, name.length);
    pack_kv_int(packer, "sequence", (int64_t)number);
    request_reply(request, reveals);
}

int method_event_ack(struct request *request)
{
    struct serve *serve = request->serve;
    uint32_t uid = request->connection->peer.uid;
    uint64_t number = (uint64_t)request->params.values[PROTO_PARAMETER_SEQUENCE].number, sequence;
    struct core_text name = subscriber_name(request);
    struct core_subscriber subscriber;
    int r = CORE_NOT_FOUND;

    if (number <= serve->event_reader.through) /* no later one has been told to anybody */
        r = core_subscriber_set(serve->core, uid, name, number, serve_now(serve), &sequence);
    if (r == CORE_NOT_FOUND) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER,
                       "sequence is higher than that of any event so far", "parameter", "sequence");
        return REQUEST_ANSWERED;
    }
    if (r == CORE_OK)
        r = core_subscriber_get(serve->core, uid, name, &subscriber);
    if (r != CORE_OK)
        return refuse_subscriber(request, r);
    answer_place(request, subscriber.number, subscriber.reveals);
    return REQUEST_ANSWERED;
}

/* --- event.unsubscribe --- */

int method_event_unsubscribe(struct request *request)
{
    struct serve *serve = request->serve;
    uint32_t uid = request->connection->peer.uid;
    struct core_text name = subscriber_name(request);
    struct core_subscriber subscriber;
    uint64_t number = 0, sequence;
    int r = core_subscriber_get(serve->core, uid, name, &subscriber);

    if (r == CORE_OK) {
        number = subscriber.number;
        r = core_subscriber_drop(serve->core, uid, name, serve_now(serve), &sequence);
    }
    if (r == CORE_NOT_FOUND) {
        request_tells_all(request);
        request_refuse(request, PROTO_ERROR_NOT_FOUND, "this user has no subscriber of that name",
                       NULL, NULL);
        return REQUEST_ANSWERED;
    }
    if (r != CORE_OK)
        return refuse_subscriber(request, r);
    answer_place(request, number, sequence);
    return REQUEST_ANSWERED;
}

/* --- event.list --- */

int method_event_list(struct request *request)
{
    struct event_listing_order order = {.types = wanted_types(request)};
    int64_t limit = LIST_DEFAULT;
    int r;

    if (is_given(request, PROTO_PARAMETER_LIMIT))
        limit = request->params.values[PROTO_PARAMETER_LIMIT].number;
    if (limit < 1 || limit > LIST_MAX) {
        request_refuse(request, PROTO_ERROR_INVALID_PARAMETER, "limit must be from 1 to 100",
                       "parameter", "limit");
        return REQUEST_ANSWERED;
    }
    order.limit = (size_t)limit;
    if (!given_after(request, &order.after))
        return REQUEST_ANSWERED;
    r = event_listing_begin(request, &order);
    if (r < 0)
        request_refuse_status(request, r);
    return REQUEST_ANSWERED;
}

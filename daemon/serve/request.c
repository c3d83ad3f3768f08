/* See request.h. */
#include "request.h"
#include "connection.h"
#include "identify.h"
#include "methods.h"
#include "serve.h"
#include <errno.h>
#include <inttypes.h>
#include <proto/events.h>
#include <stdio.h>
#include <string.h>
#include <util/log.h>

bool request_is_late(const struct request *request)
{
    return request->parked != NULL && request->parked->expired;
}

struct core_text request_customer(const struct request *request)
{
    return (struct core_text){request->identity.customer, request->identity.customer_length};
}

struct core_text request_product(const struct request *request)
{
    const struct proto_value *product = &request->params.values[PROTO_PARAMETER_PRODUCT_ID];

    return (struct core_text){product->text, product->length};
}

/* --- answers --- */

static msgpack_packer *answer_begin(struct request *request)
{
    struct serve *serve = request->serve;

    msgpack_sbuffer_clear(&serve->answer);
    msgpack_packer_init(&serve->packer, &serve->answer, msgpack_sbuffer_write);
    return &serve->packer;
}

/* An answer that cannot be packed ends the connection: the client must not wait for ever. */
static void answer_end(struct request *request, uint64_t reveals)
{
    struct serve *serve = request->serve;

    if (pack_failed(&serve->packer))
        ipc_stream_close(request->connection->stream);
    else
        connection_reply(request->connection, serve->answer.data, serve->answer.size,
                         reveals > request->reveals ? reveals : request->reveals);
}

msgpack_packer *request_result(struct request *request, size_t members)
{
    msgpack_packer *packer = answer_begin(request);

    pack_array(packer, 4);
    pack_int(packer, MESSAGE_RESPONSE);
    pack_int(packer, request->msgid);
    pack_nil(packer);
    pack_map(packer, members);
    return packer;
}

void request_reply(struct request *request, uint64_t reveals)
{
    answer_end(request, reveals);
}

/* Up to data's value, which the caller packs if there is a key, and ends. */
static msgpack_packer *refusal_begin(struct request *request, enum proto_error error,
                                     const char *text, const char *data_key)
{
    msgpack_packer *packer = answer_begin(request);

    request->serve->requests_refused++;
    pack_array(packer, 4);
    pack_int(packer, MESSAGE_RESPONSE);
    pack_int(packer, request->msgid);
    pack_map(packer, 3);
    pack_kv_text(packer, "code", proto_error_code(error));
    pack_kv_text(packer, "message", text);
    pack_key(packer, "data");
    if (data_key != NULL) {
        pack_map(packer, 1);
        pack_key(packer, data_key);
    } else {
        pack_nil(packer);
    }
    return packer;
}

static void refuse(struct request *request, enum proto_error error, const char *text,
                   const char *data_key, const char *data_value, uint64_t reveals)
{
    msgpack_packer *packer = refusal_begin(request, error, text, data_key);

    if (data_key != NULL)
        pack_text(packer, data_value);
    pack_nil(packer);
    answer_end(request, reveals);
}

void request_refuse(struct request *request, enum proto_error error, const char *text,
                    const char *data_key, const char *data_value)
{
    refuse(request, error, text, data_key, data_value, 0);
}

void request_refuse_int(struct request *request, enum proto_error error, const char *text,
                        const char *data_key, int64_t data_value, uint64_t reveals)
{
    msgpack_packer *packer = refusal_begin(request, error, text, data_key);

    pack_int(packer, data_value);
    pack_nil(packer);
    answer_end(request, reveals);
}

void request_refuse_gap(struct request *request, uint64_t oldest)
{
    request_refuse_int(request, PROTO_ERROR_GAP, "events that old are no longer kept", "oldest",
                       (int64_t)oldest, 0);
}

static void refuse_errno(struct request *request, int error)
{
    switch (error) {
    case -ENOSPC:
        request_refuse(request, PROTO_ERROR_NO_SPACE,
                       "the disk is full: nothing more is deducted until there is room", NULL,
                       NULL);
        break;
    case -EAGAIN:
        request_refuse(request, PROTO_ERROR_BUSY,
                       "too much is waiting to be written to the disk; try again", NULL, NULL);
        break;
    case -EDQUOT:
        request_refuse(request, PROTO_ERROR_BUSY,
                       "this user has too many requests waiting; try again", NULL, NULL);
        break;
    case -ENOMEM:
        request_refuse(request, PROTO_ERROR_BUSY, "out of memory; try again", NULL, NULL);
        break;
    default:
        log_error("a request failed: %s", strerror(-error));
        request_refuse(request, PROTO_ERROR_INTERNAL, "a fault in creditd; its log says more", NULL,
                       NULL);
        break;
    }
}

/* What was appended so far: where a refusal tells of a record, but not of which. It costs nothing
 * while all of that is durable. */
static uint64_t all_appended(const struct request *request)
{
    struct store_watermarks marks;

    store_get_watermarks(request->serve->store, &marks);
    return marks.appended;
}

void request_tells_all(struct request *request)
{
    request->reveals = all_appended(request);
}

/* `reveals`: there may be a record without which it would not have been refused. */
void request_refuse_status(struct request *request, int status)
{
    static const struct {
        enum proto_error error;
        const char *text, *key, *value;
        bool reveals;
    } refusals[] = {
        [CORE_UNKNOWN_CUSTOMER] = {PROTO_ERROR_UNKNOWN_CUSTOMER,
                                   "StellarTools does not know that customer", NULL, NULL, false},
        [CORE_UNKNOWN_PRODUCT] = {PROTO_ERROR_UNKNOWN_PRODUCT,
                                  "StellarTools does not know that product", NULL, NULL, false},
        [CORE_PRODUCT_PARKED] = {PROTO_ERROR_PRODUCT_PARKED,
                                 "StellarTools counts this product's units otherwise than we do; "
                                 "an operator must put it under [products]",
                                 NULL, NULL, true},
        [CORE_KEY_REUSED] = {PROTO_ERROR_KEY_REUSED,
                             "that idempotency key or stamp was used with other arguments", NULL,
                             NULL, true},
        [CORE_OUTCOME_UNKNOWN] = {PROTO_ERROR_OUTCOME_UNKNOWN,
                                  "this repeats a request from before what is remembered; it was "
                                  "not executed now",
                                  NULL, NULL, true},
        [CORE_QUOTA_KEYS] = {PROTO_ERROR_QUOTA_EXCEEDED,
                             "this user has too many idempotency keys of the last day", "quota",
                             "dedupe_keys_per_user", true},
        [CORE_QUOTA_CLIENTS] = {PROTO_ERROR_QUOTA_EXCEEDED,
                                "this user has too many clients remembered", "quota",
                                "dedupe_clients_per_user", true},
        [CORE_QUOTA_STAMPS] = {PROTO_ERROR_QUOTA_EXCEEDED,
                               "this user's clients have too many changes remembered", "quota",
                               "dedupe_stamps_per_user", true},
        [CORE_QUOTA_TURNS] = {PROTO_ERROR_QUOTA_EXCEEDED,
                              "this user or customer has asked StellarTools too often; wait a "
                              "minute",
                              "quota", "upstream_turns", false},
        [CORE_QUOTA_INTENTS] = {PROTO_ERROR_QUOTA_EXCEEDED,
                                "this customer has too many of these under way or in doubt: each "
                                "is brought to an end first",
                                "quota", "open_creates", false},
        [CORE_NOT_FOUND] = {PROTO_ERROR_NOT_FOUND, "there is no such object", NULL, NULL, true},
        [CORE_MAY_HAVE_RUN] = {PROTO_ERROR_CONFLICT,
                               "that push may have run: sending it again could deduct twice; look "
                               "at StellarTools, then drop it or leave it",
                               NULL, NULL, true},
        [CORE_NOT_PARKED] = {PROTO_ERROR_CONFLICT, "that push is not parked", NULL, NULL, true},
        [CORE_ENDED] = {PROTO_ERROR_CONFLICT, "that reservation has ended", NULL, NULL, true},
        [CORE_GIVEN_BACK] = {PROTO_ERROR_CONFLICT,
                             "that deduction was given back before, with another amount", NULL,
                             NULL, true},
        [CORE_TOO_MUCH] = {PROTO_ERROR_INVALID_PARAMETER,
                           "raw_amount is more than was deducted, or than StellarTools can count",
                           "parameter", "raw_amount", false},
    };
    unsigned index = (unsigned)status;

    if (status < 0)
        refuse_errno(request, status);
    else if (index < sizeof(refusals) / sizeof(refusals[0]) && refusals[index].text != NULL)
        refuse(request, refusals[index].error, refusals[index].text, refusals[index].key,
               refusals[index].value, refusals[index].reveals ? all_appended(request) : 0);
    else
        refuse_errno(request, -EPROTO);
}

/* --- the way of a request --- */

static int decode_method(struct request *request)
{
    char text[96];
    const struct message *message = request->message;
    int length = message->method_length > 40 ? 40 : (int)message->method_length;

    if (proto_method_find(message->method, message->method_length, &request->method) == 0 &&
        method_function(request->method) != NULL)
        return 0;
    if (!proto_id_valid(message->method, message->method_length))
        length = 0; /* what is not printable is not told back */
    snprintf(text, sizeof(text), "there is no method \"%.*s\"", length, message->method);
    request_refuse(request, PROTO_ERROR_UNKNOWN_METHOD, text, NULL, NULL);
    return -1;
}

/* The first of the types that is none, if it can be told back. */
static bool find_unknown_type(const msgpack_object *types, msgpack_object_str *ret_type)
{
    for (uint32_t i = 0; types->type == MSGPACK_OBJECT_ARRAY && i < types->via.array.size; i++) {
        const msgpack_object *type = &types->via.array.ptr[i];

        if (type->type != MSGPACK_OBJECT_STR)
            return false;
        if (proto_event_filter(type->via.str.ptr, type->via.str.size) != 0)
            continue;
        *ret_type = type->via.str;
        for (uint32_t k = 0; k < type->via.str.size; k++)
            if (type->via.str.ptr[k] <= ' ' || type->via.str.ptr[k] > '~')
                return false; /* it goes to logs and terminals */
        return type->via.str.size > 0;
    }
    return false;
}

static void describe_wrong(const struct request *request, const char *parameter, const char *reason,
                           char *text, size_t size)
{
    const msgpack_object *value = map_find(&request->message->params, parameter);
    msgpack_object_str type;

    if (strcmp(parameter, proto_parameter_name(PROTO_PARAMETER_TYPES)) == 0 && value != NULL &&
        find_unknown_type(value, &type))
        snprintf(text, size, "there is no event type \"%.*s\": %s %s",
                 type.size > 40 ? 40 : (int)type.size, type.ptr, parameter, reason);
    else
        snprintf(text, size, "%s %s", parameter, reason);
}

static int decode_params(struct request *request)
{
    const char *parameter, *reason;
    char text[256];
    int r = proto_params_decode(request->method, &request->message->params, &request->params,
                                &parameter, &reason);

    if (r == 0)
        return 0;
    describe_wrong(request, parameter, reason, text, sizeof(text));
    request_refuse(request, (enum proto_error)r, text, "parameter", parameter);
    return -1;
}

static int check_phase(struct request *request)
{
    if (!serve_is_stopping(request->serve) ||
        proto_method_spec(request->method)->role == PROTO_ROLE_NONE)
        return 0;
    request_refuse(request, PROTO_ERROR_SHUTTING_DOWN, "creditd is stopping", NULL, NULL);
    return -1;
}

/* What a method asked for: waiting, unless the request has waited long enough. */
static void refuse_late(struct request *request, int result)
{
    const struct refusal *late = &request->wait_late;

    if (result == REQUEST_ROOM)
        refuse_errno(request, -EAGAIN);
    else if (result == REQUEST_WAIT)
        request_refuse(request, late->error, late->text, late->data_key, late->data_value);
    else
        request_refuse(request, PROTO_ERROR_UPSTREAM_UNAVAILABLE,
                       "the balance is not known here and StellarTools could not be asked in time",
                       NULL, NULL);
    parked_free(request->parked);
}

static void request_wait(struct request *request, int result)
{
    struct waiting *waiting = &request->serve->waiting;
    int r = -EINVAL;

    if (request_is_late(request)) {
        refuse_late(request, result);
        return;
    }
    switch (result) {
    case REQUEST_LOAD:
        r = waiting_park_load(waiting, request);
        break;
    case REQUEST_ROOM:
        request->wait_slot = WAITING_ROOM;
        r = waiting_park_slot(waiting, request);
        break;
    case REQUEST_COLD:
        r = waiting_park_slot(waiting, request);
        break;
    case REQUEST_WAIT:
        r = waiting_park(waiting, request, request->wait_key);
        break;
    }
    if (r == 0)
        return;
    refuse_errno(request, r);
    parked_free(request->parked);
}

static void request_apply(struct request *request)
{
    /* Whoever waits for something else says so. */
    static const struct refusal not_read = {
        .error = PROTO_ERROR_BUSY,
        .text = "what is stored of it could not be read in time; try again",
    };
    int r;

    request->reveals = 0;
    if (decode_method(request) == 0 && decode_params(request) == 0 && check_phase(request) == 0) {
        request->wait_fresh = false;
        request->wait_stage = 0;
        request->wait_intent = 0;
        request->wait_late = not_read;
        if (identify(request, &r))
            r = method_function(request->method)(request);
        if (r != REQUEST_ANSWERED) {
            request_wait(request, r);
            return;
        }
    }
    parked_free(request->parked);
}

void request_receive(struct connection *connection, const struct message *message)
{
    struct request request; /* not zeroed: the parameters are large, and filled in by need */

    request.serve = connection->serve;
    request.connection = connection;
    request.msgid = message->msgid;
    request.message = message;
    request.parked = NULL;
    connection->serve->requests_total++;
    request_apply(&request);
}

void request_resume(struct serve *serve, struct parked *parked)
{
    struct request request;
    struct message message;
    const char *reason;
    int has_msgid;

    request.serve = serve;
    request.connection = parked->connection;
    request.message = &message;
    request.parked = parked;
    if (message_parse(&serve->resume_zone, parked->frame, parked->length, &message, &has_msgid,
                      &reason) < 0) {
        /* It could be parsed before: there is no memory. */
        ipc_stream_close(parked->connection->stream);
        parked_free(parked);
    } else {
        request.msgid = message.msgid;
        request_apply(&request);
    }
    msgpack_zone_clear(&serve->resume_zone);
}

/* Answers: see exchange.h. */
#include "exchange.h"
#include "server.h"
#include "status.h"
#include <ipc/access.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_TYPE "application/json; charset=utf-8"
#define PREFLIGHT_AGE "600" /* s for which a browser need not ask again */

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    MHD_add_response_header(response, name, value);
}

/* Scripts of a trusted page may read the answer; no other's. */
static void add_origin(struct exchange *exchange, struct MHD_Response *response)
{
    const char *origin = exchange_header(exchange, MHD_HTTP_HEADER_ORIGIN);

    add(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
    if (!origin || !exchange_origin_is_trusted(exchange))
        return;
    add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    add(response, "Access-Control-Allow-Credentials", "true");
}

static void add_headers(struct exchange *exchange, struct MHD_Response *response, const char *type)
{
    if (type)
        add(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    add(response, "X-Content-Type-Options", "nosniff");
    if (exchange->server->is_stopping || exchange->is_last)
        add(response, MHD_HTTP_HEADER_CONNECTION, "close");
    if (exchange->status == 401)
        add(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (exchange->status == 405)
        add(response, MHD_HTTP_HEADER_ALLOW, route_allow(&exchange->route));
    add_origin(exchange, response);
}

/* A suspended exchange goes on. */
static void finish(struct exchange *exchange)
{
    bool waited = exchange->state == EXCHANGE_WAITING;

    exchange->state = EXCHANGE_ANSWERED;
    if (waited)
        server_resume(exchange);
}

/* Without memory for a response the connection ends. */
void exchange_answer_response(struct exchange *exchange, unsigned status, const char *type,
                              struct MHD_Response *response)
{
    exchange->status = status;
    exchange->response = response;
    if (response)
        add_headers(exchange, response, type);
    finish(exchange);
}

/* Takes the text over. Without memory for an answer there is an empty one. */
void exchange_answer_text(struct exchange *exchange, unsigned status, const char *type, char *text,
                          size_t length)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text ? length : 0, text, MHD_RESPMEM_MUST_FREE);

    if (!response)
        free(text);
    exchange_answer_response(exchange, text ? status : 500, text ? type : NULL, response);
}

void exchange_answer(struct exchange *exchange, unsigned status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    json_decref(json);
    exchange_answer_text(exchange, status, JSON_TYPE, text, text ? strlen(text) : 0);
}

/* ms, as data has them, to the whole seconds of HTTP. */
static void add_retry_after(struct exchange *exchange, int64_t ms)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)(ms / 1000 + (ms % 1000 != 0)));
    if (exchange->response)
        add(exchange->response, MHD_HTTP_HEADER_RETRY_AFTER, text);
}

void exchange_refuse(struct exchange *exchange, unsigned status, const char *code,
                     const char *message, json_t *data)
{
    const json_t *retry_after = json_object_get(data, "retry_after");
    int64_t wait = json_is_integer(retry_after) ? json_integer_value(retry_after) : -1;
    json_t *error = json_pack("{s: {s: s, s: s}}", "error", "code", code, "message", message);

    if (data && error)
        json_object_set(json_object_get(error, "error"), "data", data);
    json_decref(data);
    exchange_answer(exchange, status, error);
    /* A suspended connection is not looked at before this turn of the loop has ended. */
    if (wait >= 0)
        add_retry_after(exchange, wait);
}

void exchange_refuse_error(struct exchange *exchange, enum proto_error error, const char *message,
                           const char *parameter)
{
    json_t *data = parameter ? json_pack("{s: s}", "parameter", parameter) : NULL;

    exchange_refuse(exchange, status_of_error(error), proto_error_code(error), message, data);
}

void exchange_refuse_refusal(struct exchange *exchange, const struct refusal *refusal)
{
    json_t *data =
        refusal->data_key ? json_pack("{s: s}", refusal->data_key, refusal->data_value) : NULL;

    exchange_refuse(exchange, status_of_error(refusal->error), proto_error_code(refusal->error),
                    refusal->text, data);
}

void exchange_answer_options(struct exchange *exchange)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

    exchange->status = 204;
    exchange->response = response;
    if (response) {
        add_headers(exchange, response, NULL);
        add(response, MHD_HTTP_HEADER_ALLOW, route_allow(&exchange->route));
    }
    if (response && exchange_origin_is_trusted(exchange)) {
        add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS, route_allow(&exchange->route));
        add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key, last-event-id");
        add(response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE);
    }
    finish(exchange);
}

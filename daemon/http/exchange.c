/* See exchange.h. */
#include "exchange.h"
#include "server.h"
#include "stream.h"
#include <stdlib.h>
#include <string.h>

/* Of a body that is too long, so much is read and thrown away before it is refused; what is longer
 * is refused at once, which ends the connection. */
#define DRAIN_MAX (1024u * 1024u)

void *exchange_new(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    char *question;

    if (!exchange)
        return NULL;
    exchange->target = strdup(target);
    if (!exchange->target) {
        free(exchange);
        return NULL;
    }
    exchange->server = cls;
    exchange->connection = connection;
    exchange->path_length = strcspn(target, "?");
    question = exchange->target + exchange->path_length;
    exchange->query = *question ? question + 1 : NULL;
    return exchange;
}

void exchange_completed(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    struct exchange *exchange = *context;

    struct server *server = cls;

    (void)code;
    *context = NULL;
    link_awaits(&server->links, link_of(connection));
    if (!exchange)
        return;
    if (exchange->is_to_suspend)
        LIST_REMOVE(exchange, entry);
    if (exchange->stream)
        stream_free(exchange->stream);
    if (exchange->response)
        MHD_destroy_response(exchange->response);
    free(exchange->target);
    free(exchange->body);
    free(exchange);
}

const char *exchange_header(const struct exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

static uint64_t drain_max(const struct exchange *exchange)
{
    uint64_t limit = (uint64_t)exchange->server->config->http.body_size;

    return limit > DRAIN_MAX ? limit : DRAIN_MAX;
}

static void refuse_length(struct exchange *exchange)
{
    exchange_refuse(exchange, 413, proto_error_code(PROTO_ERROR_INVALID_REQUEST),
                    "the body is larger than [http] body_size", NULL);
}

/* With the request's head. What refuses it here ends the connection: its body is not read. */
static void begin(struct exchange *exchange, const char *method, const char *version)
{
    const char *length = exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);

    head_read(exchange->connection, version, &exchange->head);
    exchange->state = EXCHANGE_BODY;
    exchange->verb = route_verb(method);
    link_awaits(&exchange->server->links, link_of(exchange->connection));
    if (exchange->head.wrong) {
        exchange->is_last = true;
        exchange_refuse_error(exchange, PROTO_ERROR_INVALID_REQUEST, exchange->head.wrong, NULL);
    } else if (length && strtoull(length, NULL, 10) > drain_max(exchange)) {
        exchange->is_last = true;
        refuse_length(exchange);
    }
}

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t length)
{
    size_t limit = (size_t)exchange->server->config->http.body_size;
    char *body;

    exchange->length += length;
    if (exchange->length > limit) {
        exchange->is_too_long = true;
        return exchange->length > drain_max(exchange) ? MHD_NO : MHD_YES;
    }
    body = realloc(exchange->body, exchange->length);
    if (!body)
        return MHD_NO;
    memcpy(body + exchange->length - length, data, length);
    exchange->body = body;
    return MHD_YES;
}

static void run(struct exchange *exchange)
{
    link_rests(link_of(exchange->connection));
    if (exchange->server->is_stopping) {
        exchange_refuse_error(exchange, PROTO_ERROR_SHUTTING_DOWN, "creditd-http is stopping",
                              NULL);
        return;
    }
    if (exchange->is_too_long) {
        refuse_length(exchange);
        return;
    }
    if (!exchange_admit(exchange))
        return;
    switch (exchange->route.kind) {
    case ROUTE_ENDPOINT:
    case ROUTE_METHOD:
        exchange_call(exchange);
        break;
    case ROUTE_WEBHOOK:
        exchange_webhook(exchange);
        break;
    case ROUTE_METRICS:
        exchange_metrics(exchange);
        break;
    case ROUTE_LIVE:
        exchange_live(exchange);
        break;
    case ROUTE_READY:
        exchange_ready(exchange);
        break;
    case ROUTE_EVENTS:
        exchange_events(exchange);
        break;
    }
}

static enum MHD_Result send_answer(struct exchange *exchange)
{
    figures_answered(&exchange->server->figures, exchange->status);
    if (!exchange->response)
        return MHD_NO;
    return MHD_queue_response(exchange->connection, exchange->status, exchange->response);
}

/* Called once with the head of a request, once with each piece of its body, once at its end, and
 * once more when the exchange has been resumed. */
enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **context)
{
    struct exchange *exchange = *context;

    (void)cls, (void)connection, (void)url;
    if (!exchange)
        return MHD_NO;
    if (exchange->state == EXCHANGE_HEAD) {
        begin(exchange, method, version);
    } else if (*upload_data_size > 0) {
        size_t length = *upload_data_size;

        *upload_data_size = 0;
        return take_body(exchange, upload_data, length);
    } else if (exchange->state == EXCHANGE_BODY) {
        run(exchange);
        if (exchange->state == EXCHANGE_WAITING)
            server_suspend(exchange);
        else if (exchange->state != EXCHANGE_ANSWERED)
            return MHD_NO; /* there was no memory for a refusal */
    }
    return exchange->state == EXCHANGE_ANSWERED ? send_answer(exchange) : MHD_YES;
}

/*
 * What monitoring asks: whether this process lives, whether creditd-serve answers, and figures.
 */
#include "exchange.h"
#include "server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_MS 2000 /* in which serve answers, or is not ready */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

void exchange_live(struct exchange *exchange)
{
    exchange_answer(exchange, 200, json_pack("{s: s}", "status", "ok"));
}

static void ask(struct exchange *exchange, const char *method, creditd_callback callback)
{
    struct creditd_call_options options = {.timeout = PROBE_MS, .repeat = CREDITD_REPEAT_SAFE};
    struct server *server = exchange->server;

    if (creditd_call_async(server->client, method, NULL, &options, callback, exchange) < 0) {
        exchange_refuse_error(exchange, PROTO_ERROR_BUSY, "creditd-serve cannot be asked", NULL);
        return;
    }
    exchange->state = EXCHANGE_WAITING;
    server_waits(server);
}

static void on_pong(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct exchange *exchange = data;

    (void)connection;
    if (creditd_reply_status(reply) == 0)
        exchange_answer(exchange, 200, json_pack("{s: s}", "status", "ok"));
    else
        exchange_refuse(exchange, 503, creditd_reply_code(reply), creditd_reply_message(reply),
                        NULL);
}

void exchange_ready(struct exchange *exchange)
{
    ask(exchange, "ping", on_pong);
}

/* serve's figures are a text; ours follow. */
static void on_metrics(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct exchange *exchange = data;
    const struct creditd_value *result = creditd_reply_result(reply);
    int is_up = creditd_reply_status(reply) == 0;
    size_t length = 0, own_length = 0;
    const char *text = creditd_value_text(creditd_value_get(result, "text"), &length);
    char *own = figures_text(&exchange->server->figures, is_up, &own_length);
    char *both = own ? malloc(length + own_length + 1) : NULL;

    (void)connection;
    if (both && text)
        memcpy(both, text, length);
    if (both)
        memcpy(both + length, own, own_length);
    free(own);
    exchange_answer_text(exchange, 200, METRICS_TYPE, both, length + own_length);
}

void exchange_metrics(struct exchange *exchange)
{
    ask(exchange, "metrics", on_metrics);
}

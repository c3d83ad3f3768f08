/*
 * One request and its answer.
 *
 *     HEAD ──► BODY ──► WAITING ──► ANSWERED
 *       │        └──────────────────────▲
 *       └───────────────────────────────┘
 *
 * HEAD: the request line and the headers are there. BODY: its body comes in pieces. WAITING:
 * creditd-serve has been asked, and libmicrohttpd suspends the connection: it neither reads nor
 * times it out, and the exchange lives until it is resumed. ANSWERED: `response` is there.
 *
 * What can be refused without the body is refused only when the body has come, unless that is too
 * much: a client that still writes does not read why it is refused.
 */
#pragma once

#include "head.h"
#include "route.h"
#include <jansson.h>
#include <microhttpd.h>
#include <proto/errors.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct server;
struct stream;
struct refusal;

enum exchange_state { EXCHANGE_HEAD, EXCHANGE_BODY, EXCHANGE_WAITING, EXCHANGE_ANSWERED };

LIST_HEAD(exchange_list, exchange);

struct exchange {
    LIST_ENTRY(exchange) entry; /* of those that are to be suspended */
    bool is_to_suspend;
    struct server *server;
    struct MHD_Connection *connection;
    enum exchange_state state;
    char *target;      /* as sent: path, and behind a question mark the query */
    const char *query; /* into it; NULL: none */
    size_t path_length;
    char *body;
    size_t length;
    struct head head;
    bool is_too_long;
    bool is_last; /* on its connection, which is closed behind the answer */
    enum route_verb verb;
    struct route route;
    unsigned status;
    struct MHD_Response *response;
    struct stream *stream; /* of events; NULL: none */
};

/* libmicrohttpd's callbacks; `cls` is the server. */
void *exchange_new(void *cls, const char *target, struct MHD_Connection *connection);
enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *connection, const char *url,
                                const char *method, const char *version, const char *upload_data,
                                size_t *upload_data_size, void **context);
void exchange_completed(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code);

/* A header of the request; NULL: there is none. */
const char *exchange_header(const struct exchange *exchange, const char *name);

/* --- exchange_answer.c: each gives the exchange its answer; a state of WAITING is ended --- */
/* Takes the JSON over; NULL stands for no memory. */
void exchange_answer(struct exchange *exchange, unsigned status, json_t *json);
/* Takes the text over, which is freed. */
void exchange_answer_text(struct exchange *exchange, unsigned status, const char *type, char *text,
                          size_t length);
/* Takes the response over; NULL stands for no memory. `type` is its Content-Type. */
void exchange_answer_response(struct exchange *exchange, unsigned status, const char *type,
                              struct MHD_Response *response);
/* {"error": {"code", "message"[, "data"]}}; takes the data over, NULL: none. */
void exchange_refuse(struct exchange *exchange, unsigned status, const char *code,
                     const char *message, json_t *data);
/* With the status and the word of that error. */
void exchange_refuse_error(struct exchange *exchange, enum proto_error error, const char *message,
                           const char *parameter);
void exchange_refuse_refusal(struct exchange *exchange, const struct refusal *refusal);
/* The answer to OPTIONS. */
void exchange_answer_options(struct exchange *exchange);

/* --- admit.c --- */
/* Whether the origin of the page that asks is trusted. */
bool exchange_origin_is_trusted(const struct exchange *exchange);
/* Whether the request is one that is looked at: otherwise it has been refused. */
bool exchange_admit(struct exchange *exchange);
/* The session: text to be freed; NULL where there is none. -ENOMEM. */
int exchange_session(const struct exchange *exchange, char **ret_session);

/* --- call.c, probe.c, stream.c: asks creditd-serve, or answers at once --- */
void exchange_call(struct exchange *exchange);
/* Whether the caller may ask for the route's method, naming the parameters of `present` (bits):
 * else the request has been refused. */
bool exchange_is_permitted(struct exchange *exchange, bool has_session, uint64_t present);
/* Whether it came over a Unix socket, and over one where local programs connect. */
bool exchange_is_unix(const struct exchange *exchange);
bool exchange_is_local(const struct exchange *exchange);
/* How long creditd-serve may take, ms. */
uint32_t exchange_patience(const struct server *server);
void exchange_events(struct exchange *exchange);
void exchange_webhook(struct exchange *exchange);
void exchange_live(struct exchange *exchange);
void exchange_ready(struct exchange *exchange);
void exchange_metrics(struct exchange *exchange);

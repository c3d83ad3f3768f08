/*
 * Whether a request is looked at at all: the path, the method, the session's origin, the type of
 * the body. In the order in which a client would ask itself.
 */
#include "exchange.h"
#include "server.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <util/origin.h>

/* Where nothing is said, the app that knows the sessions may. */
static const char *app_url(const struct config *config)
{
    return config->http.trusted_origins ? NULL : config->better_auth.url;
}

bool exchange_origin_is_trusted(const struct exchange *exchange)
{
    const struct config *config = exchange->server->config;
    const char *origin = exchange_header(exchange, MHD_HTTP_HEADER_ORIGIN);

    if (!origin)
        origin = exchange_header(exchange, MHD_HTTP_HEADER_REFERER);
    return origin_is_trusted(config->http.trusted_origins, app_url(config), origin);
}

/* A page of any site can have its own name lead to this machine, and its browser then takes our
 * answers for that site's. The name is still in Host. */
static bool host_is_trusted(const struct exchange *exchange)
{
    const struct config *config = exchange->server->config;
    const char *host = exchange_header(exchange, MHD_HTTP_HEADER_HOST);

    return !host || exchange_is_unix(exchange) ||
           origin_host_is_trusted(config->http.trusted_origins, app_url(config), host);
}

/* "Bearer TOKEN": the token, or NULL. */
static const char *bearer(const struct exchange *exchange)
{
    static const char scheme[] = "Bearer";
    const char *value = exchange_header(exchange, MHD_HTTP_HEADER_AUTHORIZATION);

    if (!value || exchange->head.has_wrong_authorization ||
        strncasecmp(value, scheme, sizeof scheme - 1) != 0)
        return NULL;
    value += sizeof scheme - 1;
    if (*value != ' ')
        return NULL;
    value += strspn(value, " ");
    return *value ? value : NULL;
}

/* What is said on purpose goes before what browsers send by themselves. */
int exchange_session(const struct exchange *exchange, char **ret_session)
{
    const char *session = bearer(exchange);

    if (!session)
        session = exchange_header(exchange, MHD_HTTP_HEADER_COOKIE);
    if (session && !*session)
        session = NULL;
    *ret_session = session ? strdup(session) : NULL;
    return session && !*ret_session ? -ENOMEM : 0;
}

static bool has_session(const struct exchange *exchange)
{
    const char *cookie = exchange_header(exchange, MHD_HTTP_HEADER_COOKIE);

    return bearer(exchange) || (cookie && *cookie);
}

/* A form of another site can send cookies, but not JSON. */
static bool is_json(const char *type)
{
    static const char json[] = "application/json";

    return type && strncasecmp(type, json, sizeof json - 1) == 0 &&
           strchr("; \t", type[sizeof json - 1]) != NULL;
}

static void refuse_origin(struct exchange *exchange)
{
    exchange_refuse_error(exchange, PROTO_ERROR_PERMISSION_DENIED,
                          "with a cookie, the header Origin (else Referer) must be the app's, or "
                          "one of [http] trusted_origins",
                          NULL);
}

static bool admit_post(struct exchange *exchange)
{
    const char *type = exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_TYPE);

    if (exchange->route.kind == ROUTE_WEBHOOK)
        return true; /* signed, and whose cookie it carries does not matter */
    if (exchange_header(exchange, MHD_HTTP_HEADER_COOKIE) &&
        !exchange_origin_is_trusted(exchange)) {
        refuse_origin(exchange);
        return false;
    }
    if (exchange->length > 0 && !is_json(type)) {
        exchange_refuse(exchange, 415, proto_error_code(PROTO_ERROR_INVALID_REQUEST),
                        "the body must be JSON: Content-Type: application/json", NULL);
        return false;
    }
    return true;
}

/* Whoever sends credentials does not mean to be judged without them. */
static bool has_wrong_credentials(const struct exchange *exchange)
{
    enum route_kind kind = exchange->route.kind;

    return (kind == ROUTE_ENDPOINT || kind == ROUTE_METHOD || kind == ROUTE_EVENTS) &&
           exchange->head.authorizations > 0 && !bearer(exchange);
}

static bool admit_caller(struct exchange *exchange)
{
    if (has_wrong_credentials(exchange))
        exchange_refuse_error(exchange, PROTO_ERROR_UNAUTHENTICATED,
                              "the header Authorization can be Bearer TOKEN only", NULL);
    else if (exchange->route.kind == ROUTE_ENDPOINT && !has_session(exchange))
        exchange_refuse_error(exchange, PROTO_ERROR_UNAUTHENTICATED,
                              "a session is needed, in the header Cookie or Authorization", NULL);
    return exchange->state != EXCHANGE_ANSWERED;
}

bool exchange_admit(struct exchange *exchange)
{
    const char *prefix = exchange->server->config->http.prefix;

    if (!host_is_trusted(exchange)) {
        exchange_refuse_error(exchange, PROTO_ERROR_PERMISSION_DENIED,
                              "over TCP, the header Host must name this machine (127.0.0.1, [::1], "
                              "localhost) or the host of one of [http] trusted_origins",
                              NULL);
        return false;
    }
    if (route_find(prefix, exchange->target, exchange->path_length, &exchange->route) < 0) {
        exchange_refuse(exchange, 404, proto_error_code(PROTO_ERROR_NOT_FOUND),
                        "there is nothing at that path", NULL);
        return false;
    }
    if (exchange->verb == VERB_OPTIONS) {
        exchange_answer_options(exchange);
        return false;
    }
    if ((exchange->route.verbs & exchange->verb) == 0 &&
        !(exchange->verb == VERB_HEAD && (exchange->route.verbs & VERB_GET) != 0)) {
        exchange_refuse(exchange, 405, proto_error_code(PROTO_ERROR_INVALID_REQUEST),
                        "that path takes another method: see the header Allow", NULL);
        return false;
    }
    return admit_caller(exchange) && (exchange->verb != VERB_POST || admit_post(exchange));
}

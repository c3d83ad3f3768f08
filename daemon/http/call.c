/*
 * A method of creditd-serve: parameters together, may it, ask, answer.
 */
#include "exchange.h"
#include "parameters.h"
#include "permit.h"
#include "server.h"
#include "status.h"
#include <errno.h>
#include <json_value.h>
#include <proto/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/macros.h>

/* Beside the parameters: the method's name, a stamp. */
#define MESSAGE_ROOM 512
/* More than serve itself waits for an answer of upstream's, so that it is serve who says why. */
#define PATIENCE_MS 5000

static void map_cleanup(struct creditd_map **map)
{
    creditd_map_free(*map);
}

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

/* --- who asks --- */

static int connection_fd(const struct exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

bool exchange_is_unix(const struct exchange *exchange)
{
    int domain = 0;
    socklen_t length = sizeof(domain);

    return getsockopt(connection_fd(exchange), SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
           domain == AF_UNIX;
}

bool exchange_is_local(const struct exchange *exchange)
{
    const struct link *link = link_of(exchange->connection);

    return link && link->is_local;
}

static int find_roles(const struct exchange *exchange, int fd, unsigned *ret_roles)
{
    struct access_peer peer = {0};
    uid_t uid;
    gid_t gid;
    pid_t pid;
    int r = fd_peer_credentials(fd, &uid, &gid, &pid);

    if (r == 0)
        r = access_peer_groups(fd, &peer.groups, &peer.group_count);
    if (r < 0)
        return r;
    peer.uid = uid;
    peer.gid = gid;
    peer.pid = (uint32_t)pid;
    *ret_roles = access_roles(exchange->server->config, &peer, geteuid());
    free(peer.groups);
    return 0;
}

/* The socket says whose request it is. A proxy that has been led to the local one by mistake shows
 * itself by its headers, in most cases: what it passes on has none of its roles. */
static int find_caller(const struct exchange *exchange, bool has_session, struct caller *ret_caller)
{
    struct caller caller = {.has_session = has_session};
    int r = 0;

    if (!has_session && !exchange->head.is_passed_on && exchange_is_local(exchange)) {
        caller.is_local = true;
        r = find_roles(exchange, connection_fd(exchange), &caller.roles);
    }
    if (r == 0)
        *ret_caller = caller;
    return r;
}

/* --- the answer --- */

/* The library's word where the daemon has not answered; whether it may have been done is then worth
 * knowing. */
static void refuse_as_reply(struct exchange *exchange, const struct creditd_reply *reply)
{
    const struct creditd_value *value = creditd_reply_data(reply);
    json_t *data = value ? json_from_value(value) : NULL;

    if (creditd_reply_in_doubt(reply)) {
        if (!data)
            data = json_object();
        json_object_set_new(data, "in_doubt", json_true());
    }
    exchange_refuse(exchange, status_of_reply(reply), creditd_reply_code(reply),
                    creditd_reply_message(reply), data);
}

static void on_reply(struct creditd *connection, const struct creditd_reply *reply, void *data)
{
    struct exchange *exchange = data;

    (void)connection;
    if (creditd_reply_status(reply) != 0)
        refuse_as_reply(exchange, reply);
    else
        exchange_answer(exchange, 200, json_from_value(creditd_reply_result(reply)));
}

/* --- asking --- */

static void refuse_call(struct exchange *exchange, int r)
{
    if (r == -EINVAL)
        exchange_refuse_error(exchange, PROTO_ERROR_INVALID_REQUEST,
                              "the parameters cannot be sent: nested too deeply, or no UTF-8",
                              NULL);
    else if (r == -EMSGSIZE)
        exchange_refuse(exchange, 413, proto_error_code(PROTO_ERROR_INVALID_REQUEST),
                        "the parameters are larger than creditd takes", NULL);
    else if (r == -EAGAIN)
        exchange_refuse_error(exchange, PROTO_ERROR_BUSY, "too many requests are under way", NULL);
    else
        exchange_refuse(exchange, 503, "no_memory", "creditd-http has no memory", NULL);
}

uint32_t exchange_patience(const struct server *server)
{
    return (uint32_t)(server->config->credits.cold_timeout + PATIENCE_MS);
}

/* `size` is what the parameters take at most. A message that is over serve's limit would end the
 * connection, and with it what others have asked. */
static void call_serve(struct exchange *exchange, const struct creditd_map *map, size_t size,
                       enum creditd_repeat repeat)
{
    struct server *server = exchange->server;
    struct creditd_call_options options = {
        .timeout = exchange_patience(server),
        .repeat = repeat,
    };
    int r = size + MESSAGE_ROOM > (size_t)server->config->limits.message_size ? -EMSGSIZE : 0;

    if (r == 0)
        r = creditd_call_async(server->client, proto_method_spec(exchange->route.method)->name, map,
                               &options, on_reply, exchange);
    if (r < 0) {
        refuse_call(exchange, r);
        return;
    }
    exchange->state = EXCHANGE_WAITING;
    server_waits(server);
}

/* The header Idempotency-Key, where the method knows one. 0, or a refusal has been made. */
static int add_key(struct exchange *exchange, json_t *params)
{
    const char *key = exchange_header(exchange, "Idempotency-Key");
    const json_t *given = json_object_get(params, "idempotency_key");

    if (!key ||
        (proto_method_spec(exchange->route.method)->known & PROTO_BIT(IDEMPOTENCY_KEY)) == 0)
        return 0;
    if (given && (!json_is_string(given) || strcmp(json_string_value(given), key) != 0)) {
        exchange_refuse_error(exchange, PROTO_ERROR_INVALID_PARAMETER,
                              "the header Idempotency-Key and idempotency_key are not the same",
                              "idempotency_key");
        return -EINVAL;
    }
    if (!given && json_object_set_new(params, "idempotency_key", json_string(key)) < 0) {
        exchange_refuse_error(exchange, PROTO_ERROR_INVALID_PARAMETER,
                              "the header Idempotency-Key is no UTF-8", "idempotency_key");
        return -EINVAL;
    }
    return 0;
}

/* As text where it is one. */
static void add_bytes(struct creditd_map *map, const char *key, const char *bytes, size_t length)
{
    if (proto_text_valid(bytes, length))
        creditd_map_text_n(map, key, bytes, length);
    else
        creditd_map_bytes(map, key, bytes, length);
}

static int read_parameters(struct exchange *exchange, json_t **ret_params)
{
    struct parameters_problem problem;
    int r;

    if (exchange->verb == VERB_POST)
        r = parameters_from_body(exchange->body, exchange->length, ret_params, &problem);
    else
        r = parameters_from_query(exchange->query, exchange->route.method, ret_params, &problem);
    if (r == -EINVAL)
        exchange_refuse_error(exchange,
                              problem.parameter ? PROTO_ERROR_INVALID_PARAMETER
                                                : PROTO_ERROR_INVALID_REQUEST,
                              problem.text, problem.parameter);
    else if (r < 0)
        refuse_call(exchange, r);
    /* Others are ignored, as by the adapter; the identity is the session's. */
    if (r == 0 && exchange->route.kind == ROUTE_ENDPOINT)
        parameters_restrict(*ret_params, exchange->route.taken);
    return r;
}

bool exchange_is_permitted(struct exchange *exchange, bool has_session, uint64_t present)
{
    struct refusal refusal;
    struct caller caller;
    int r = find_caller(exchange, has_session, &caller);

    if (r < 0)
        exchange_refuse_error(exchange, PROTO_ERROR_INTERNAL, "the caller cannot be told", NULL);
    if (r == 0)
        r = permit_check(&exchange->route, &caller, present, &refusal);
    if (r > 0)
        exchange_refuse_refusal(exchange, &refusal);
    return r == 0;
}

#define SHOWN_MAX 64 /* of a name that is none */

/* A misspelt parameter would not be missed: the method is then called without it. The adapter's
 * endpoints pass over what they do not take, as the adapter does. 0, or a refusal has been made. */
static int check_names(struct exchange *exchange, const json_t *params)
{
    const char *method = proto_method_spec(exchange->route.method)->name, *name;
    char known[JSON_NAMES_MAX], text[JSON_NAMES_MAX + 200];
    bool is_shown;

    if (exchange->route.kind == ROUTE_ENDPOINT)
        return 0;
    name = json_unknown_name(method, params, known);
    if (!name)
        return 0;
    is_shown = strlen(name) <= SHOWN_MAX;
    snprintf(text, sizeof(text), "%s takes no parameter %s; it takes %s", method,
             is_shown ? name : "of so long a name", known);
    exchange_refuse_error(exchange, PROTO_ERROR_INVALID_PARAMETER, text, is_shown ? name : NULL);
    return -EINVAL;
}

void exchange_call(struct exchange *exchange)
{
    CLEANUP(secret_cleanup) char *session = NULL;
    CLEANUP(json_cleanup) json_t *params = NULL;
    CLEANUP(map_cleanup) struct creditd_map *map = NULL;
    enum creditd_repeat repeat;

    if (exchange_session(exchange, &session) < 0) {
        refuse_call(exchange, -ENOMEM);
        return;
    }
    if (read_parameters(exchange, &params) != 0 ||
        !exchange_is_permitted(exchange, session != NULL, parameters_present(params)) ||
        check_names(exchange, params) != 0 || add_key(exchange, params) != 0)
        return;
    map = creditd_map_new();
    if (!map) {
        refuse_call(exchange, -ENOMEM);
        return;
    }
    if (session && (proto_method_spec(exchange->route.method)->known & PROTO_BIT(SESSION)) != 0)
        add_bytes(map, "session", session, strlen(session));
    json_into_map(map, params);
    repeat = json_call_repeat(proto_method_spec(exchange->route.method)->name, params);
    call_serve(exchange, map, json_encoded_bound(params) + (session ? strlen(session) : 0), repeat);
}

void exchange_webhook(struct exchange *exchange)
{
    const char *signature = exchange_header(exchange, "X-StellarTools-Signature");
    CLEANUP(map_cleanup) struct creditd_map *map = NULL;

    if (!signature)
        signature = exchange_header(exchange, "X-Stellar-Signature");
    if (!signature || exchange->length == 0) {
        exchange_refuse_error(exchange, PROTO_ERROR_INVALID_PARAMETER,
                              signature ? "a webhook has a body"
                                        : "a webhook has the header X-StellarTools-Signature",
                              signature ? "body" : "signature");
        return;
    }
    map = creditd_map_new();
    if (!map) {
        refuse_call(exchange, -ENOMEM);
        return;
    }
    add_bytes(map, "body", exchange->body, exchange->length);
    creditd_map_text(map, "signature", signature);
    call_serve(exchange, map, exchange->length + strlen(signature), CREDITD_REPEAT_SAFE);
}

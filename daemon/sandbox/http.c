/*
 * The glue to libmicrohttpd, and its only user. It collects a request's body, hands the whole to
 * sandbox_serve and queues the answer. A dropped request ends with a TCP reset where possible:
 * SO_LINGER with zero time before the close.
 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <util/macros.h>

#define BODY_MAX (1024 * 1024)
#define CONNECTIONS_MAX 4096

struct http {
    struct sandbox *sandbox;
    struct MHD_Daemon *daemon;
};

/* A request that is being received. */
struct intake {
    char *target; /* as sent */
    char *body;
    size_t length;
    bool begun, too_long;
};

/* libmicrohttpd decodes the path, and with it what separates its parts; so the target is kept as it
 * was sent. */
static void *target_keep(void *cls, const char *target, struct MHD_Connection *connection)
{
    struct intake *intake = calloc(1, sizeof(*intake));

    (void)cls;
    (void)connection;
    if (!intake)
        return NULL;
    intake->target = strdup(target);
    if (!intake->target) {
        free(intake);
        return NULL;
    }
    return intake;
}

static void intake_free(void *cls, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code)
{
    struct intake *intake = *context;

    (void)cls;
    (void)connection;
    (void)code;
    if (!intake)
        return;
    free(intake->target);
    free(intake->body);
    free(intake);
    *context = NULL;
}

static bool intake_add(struct intake *intake, const char *data, size_t length)
{
    char *body;

    if (intake->length + length > BODY_MAX) {
        intake->too_long = true;
        return true;
    }
    body = realloc(intake->body, intake->length + length);
    if (!body)
        return false;
    memcpy(body + intake->length, data, length);
    intake->body = body;
    intake->length += length;
    return true;
}

static int connection_fd(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info ? info->connect_fd : -1;
}

static void headers_add(struct MHD_Response *response, const struct reply *reply)
{
    const struct {
        const char *name;
        int64_t value;
        bool wanted;
    } numbers[] = {
        {"X-RateLimit-Limit", reply->rate.limit, reply->rate.limit > 0},
        {"X-RateLimit-Remaining", reply->rate.remaining, reply->rate.limit > 0},
        {"X-RateLimit-Reset", reply->rate.reset, reply->rate.limit > 0},
        {"Retry-After", reply->rate.retry_after, reply->retry_after},
    };
    char text[32];

    if (reply->length > 0)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
    if (reply->location)
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        snprintf(text, sizeof(text), "%lld", (long long)numbers[i].value);
        if (numbers[i].wanted)
            MHD_add_response_header(response, numbers[i].name, text);
    }
}

static enum MHD_Result reply_send(struct MHD_Connection *connection, const struct reply *reply)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        reply->length, reply->length > 0 ? reply->body : NULL, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    headers_add(response, reply);
    result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result connection_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    return MHD_NO;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static enum MHD_Result request_serve(struct sandbox *sandbox, struct MHD_Connection *connection,
                                     const char *method, const struct intake *intake)
{
    struct request request;
    struct reply reply;
    enum MHD_Result result;

    if (request_init(&request, method, intake->target) < 0)
        return MHD_NO;
    request.api_key = header(connection, "x-api-key");
    request.version = header(connection, "StellarTools-Version");
    request.key = header(connection, "Idempotency-Key");
    request.body = intake->body;
    request.length = intake->length;
    request.fd = connection_fd(connection);
    request_parse_body(&request);
    reply_init(&reply);
    if (intake->too_long)
        reply.status = MHD_HTTP_CONTENT_TOO_LARGE;
    else
        sandbox_serve(sandbox, &request, &reply);
    result = reply.dropped ? connection_reset(request.fd) : reply_send(connection, &reply);
    reply_deinit(&reply);
    request_deinit(&request);
    return result;
}

/* Called once for the head of a request, once for each piece of its body, and once more at its end.
 */
static enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version,
                                      const char *upload_data, size_t *upload_data_size,
                                      void **context)
{
    struct intake *intake = *context;

    (void)url;
    (void)version;
    if (!intake)
        return MHD_NO;
    if (!intake->begun) {
        intake->begun = true;
        return MHD_YES;
    }
    if (*upload_data_size > 0) {
        bool added = intake_add(intake, upload_data, *upload_data_size);

        *upload_data_size = 0;
        return added ? MHD_YES : MHD_NO;
    }
    return request_serve(cls, connection, method, intake);
}

/* Dropping connections is our trade: libmicrohttpd would report each as an application error. */
static void log_nothing(void *cls, const char *format, va_list arguments)
{
    (void)cls;
    (void)format;
    (void)arguments;
}

int http_start(struct sandbox *sandbox, int listen_fd, struct http **ret_http)
{
    CLEANUP(cleanup_free) struct http *http = calloc(1, sizeof(*http));

    if (!http)
        return -ENOMEM;
    http->sandbox = sandbox;
    http->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
            MHD_USE_ITC | MHD_USE_ERROR_LOG,
        0, NULL, NULL, request_handle, sandbox, MHD_OPTION_EXTERNAL_LOGGER, log_nothing, NULL,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
        MHD_OPTION_URI_LOG_CALLBACK, target_keep, NULL, MHD_OPTION_NOTIFY_COMPLETED, intake_free,
        NULL, MHD_OPTION_END);
    if (!http->daemon)
        return errno != 0 ? -errno : -EIO;
    *ret_http = TAKE_PTR(http);
    return 0;
}

struct http *http_stop(struct http *http)
{
    if (!http)
        return NULL;
    pauses_stop(&http->sandbox->pauses);
    MHD_stop_daemon(http->daemon);
    free(http);
    return NULL;
}

/* See stream.h. */
#include "stream.h"
#include "exchange.h"
#include "parameters.h"
#include "server.h"
#include "status.h"
#include <creditd_uv.h>
#include <errno.h>
#include <inttypes.h>
#include <json_value.h>
#include <proto/events.h>
#include <proto/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/macros.h>

#define STREAMS_MAX 256                 /* serve has a limit of connections, too */
#define BUFFER_MAX ((size_t)256 * 1024) /* past it nothing more is taken from serve */
#define KEEP_ALIVE_MS 15000
#define RETRY_MS 1000
#define BLOCK_SIZE 16384
#define TYPE "text/event-stream; charset=utf-8"

struct stream {
    LIST_ENTRY(stream) entry;
    struct exchange *exchange; /* NULL: it has ended, and only the timer is still to be closed */
    struct server *server;
    struct creditd *client;
    struct creditd_uv *adapter;
    uv_timer_t keep_alive; /* until it begins: when it is given up */
    char *buffer;          /* what has not been read yet: from `start` to `end` */
    size_t start, end, size;
    bool is_suspended; /* by us, in wait of something to send */
    bool is_paused;
    bool has_ended;
};

/* --- the buffer --- */

static size_t waiting(const struct stream *stream)
{
    return stream->end - stream->start;
}

static int append(struct stream *stream, const char *bytes, size_t length)
{
    if (stream->size - stream->end < length && stream->start > 0) {
        memmove(stream->buffer, stream->buffer + stream->start, waiting(stream));
        stream->end -= stream->start;
        stream->start = 0;
    }
    if (stream->size - stream->end < length) {
        size_t size = 2 * stream->size + length;
        char *buffer = realloc(stream->buffer, size);

        if (!buffer)
            return -ENOMEM;
        stream->buffer = buffer;
        stream->size = size;
    }
    memcpy(stream->buffer + stream->end, bytes, length);
    stream->end += length;
    return 0;
}

/* There is something to send, or it is the end. */
static void wake(struct stream *stream)
{
    if (!stream->is_suspended)
        return;
    stream->is_suspended = false;
    MHD_resume_connection(stream->exchange->connection);
    server_kick(stream->server);
}

static int append_event(struct stream *stream, int64_t sequence, const char *type,
                        const json_t *json)
{
    CLEANUP(cleanup_free) char *data = json ? json_dumps(json, JSON_COMPACT) : NULL;
    CLEANUP(cleanup_free) char *text = NULL;
    char id[40] = "";
    int n, r;

    if (!data)
        return -ENOMEM;
    if (sequence >= 0)
        snprintf(id, sizeof(id), "id: %" PRId64 "\n", sequence);
    n = asprintf(&text, "%sevent: %s\ndata: %s\n\n", id, type, data);
    if (n < 0)
        text = NULL;
    r = text ? append(stream, text, (size_t)n) : -ENOMEM;
    if (r == 0)
        wake(stream);
    return r;
}

/* --- from creditd-serve --- */

static int on_event(struct creditd *client, const struct creditd_event *event, void *data)
{
    struct stream *stream = data;
    json_t *json;
    int r;

    if (waiting(stream) >= BUFFER_MAX) {
        stream->is_paused = true;
        creditd_pause(client);
        return -EAGAIN; /* it is given again */
    }
    json = json_from_value(event->value);
    r = append_event(stream, event->sequence, event->type, json);
    json_decref(json);
    return r;
}

static ssize_t on_read(void *cls, uint64_t position, char *buffer, size_t size)
{
    struct stream *stream = cls;
    size_t length = waiting(stream) < size ? waiting(stream) : size;

    (void)position;
    if (length == 0 && stream->has_ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (length == 0) {
        stream->is_suspended = true;
        MHD_suspend_connection(stream->exchange->connection);
        return 0;
    }
    memcpy(buffer, stream->buffer + stream->start, length);
    stream->start += length;
    if (stream->is_paused && waiting(stream) < BUFFER_MAX / 2) {
        stream->is_paused = false;
        creditd_resume(stream->client);
    }
    return (ssize_t)length;
}

static void on_keep_alive(uv_timer_t *timer)
{
    struct stream *stream = timer->data;
    static const char comment[] = ":\n\n";

    /* Without memory there is none this time. What is gone shows itself by that, too. */
    if (waiting(stream) == 0 && append(stream, comment, sizeof comment - 1) == 0)
        wake(stream);
}

/* The answer begins, with the first bytes, so that the client learns at once that it does. */
static void begin(struct stream *stream)
{
    static const char first[] = "retry: 1000\n\n";
    struct MHD_Response *response = NULL;

    if (append(stream, first, sizeof first - 1) == 0)
        response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, on_read, stream, NULL);
    if (response) /* a proxy must not collect it */
        MHD_add_response_header(response, "X-Accel-Buffering", "no");
    uv_timer_start(&stream->keep_alive, on_keep_alive, KEEP_ALIVE_MS, KEEP_ALIVE_MS);
    exchange_answer_response(stream->exchange, 200, TYPE, response);
}

static void end(struct stream *stream, int status, const char *message)
{
    const char *code = creditd_code_word(status);
    enum proto_error error = proto_error_from_code(code, strlen(code));

    stream->has_ended = true;
    if (stream->exchange->state == EXCHANGE_WAITING)
        exchange_refuse(stream->exchange, status > 0 ? status_of_error(error) : 503, code, message,
                        status > 0 ? NULL : json_pack("{s: i}", "retry_after", RETRY_MS));
    else
        wake(stream);
}

/* libcreditd itself would wait for creditd-serve for ever. */
static void on_patience(uv_timer_t *timer)
{
    end(timer->data, -ETIMEDOUT, "creditd-serve has not answered in time");
}

static void tell_gap(struct stream *stream, const struct creditd_stream *change)
{
    json_t *json = json_pack("{s: I, s: I}", "after", (json_int_t)change->after, "last",
                             (json_int_t)change->last);

    /* Behind it goes what is there: its number is where the client goes on. */
    (void)append_event(stream, change->last, "gap", json);
    json_decref(json);
}

static void on_stream(struct creditd *client, const struct creditd_stream *change, void *data)
{
    struct stream *stream = data;

    (void)client;
    if (!stream->exchange || stream->has_ended)
        return;
    switch (change->change) {
    case CREDITD_STREAM_BEGUN:
    case CREDITD_STREAM_GAP:
        if (stream->exchange->state == EXCHANGE_WAITING)
            begin(stream);
        if (change->change == CREDITD_STREAM_GAP)
            tell_gap(stream, change);
        break;
    case CREDITD_STREAM_CUT: /* libcreditd comes back by itself */
        break;
    case CREDITD_STREAM_ENDED:
        end(stream, change->status, change->message);
        break;
    }
}

/* --- from its exchange --- */

static void on_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;

    free(stream->buffer);
    free(stream);
}

void stream_free(struct stream *stream)
{
    struct link *link = link_of(stream->exchange->connection);

    if (link)
        link->stream = NULL;
    stream->exchange = NULL;
    stream->server->figures.streams--;
    LIST_REMOVE(stream, entry);
    creditd_uv_close(stream->adapter);
    uv_close((uv_handle_t *)&stream->keep_alive, on_closed);
}

/* Its connection to creditd-serve ends at once. That to its client does only with libmicrohttpd's
 * next turns, and one that comes back under the same name does not wait for them. */
void stream_leave(struct stream *stream)
{
    if (!stream->has_ended)
        end(stream, -ECANCELED, "the client has gone");
    stream->is_paused = false;
    creditd_uv_close(stream->adapter);
    stream->adapter = NULL;
    stream->client = NULL;
}

void stream_end_all(struct stream_list *list)
{
    struct stream *stream;

    LIST_FOREACH(stream, list, entry)
    end(stream, -ECANCELED, "creditd-http is stopping");
}

static int stream_new(struct exchange *exchange, struct stream **ret_stream)
{
    struct server *server = exchange->server;
    struct stream *stream = calloc(1, sizeof(*stream));
    int r = stream ? creditd_open(&stream->client, creditd_path(server->client), 0) : -ENOMEM;

    if (r == 0) {
        r = creditd_uv_attach(&stream->adapter, &server->loop, stream->client);
        if (r < 0)
            creditd_close(stream->client);
    }
    if (r < 0) {
        free(stream);
        return r;
    }
    uv_timer_init(&server->loop, &stream->keep_alive);
    stream->keep_alive.data = stream;
    stream->exchange = exchange;
    stream->server = server;
    server->figures.streams++;
    LIST_INSERT_HEAD(&server->streams, stream, entry);
    *ret_stream = stream;
    return 0;
}

/* --- what is asked for --- */

struct wish {
    char *types[PROTO_FILTERS_MAX + 1];
    size_t type_count;
    char *subscriber;
    int64_t after; /* -1: not said */
};

static void wish_deinit(struct wish *wish)
{
    for (size_t i = 0; i < wish->type_count; i++)
        free(wish->types[i]);
    free(wish->subscriber);
}

static int read_number(const char *text, int64_t *ret_number)
{
    size_t length = strlen(text);

    if (length == 0 || length > 15 || strspn(text, "0123456789") != length)
        return -EINVAL;
    *ret_number = strtoll(text, NULL, 10);
    return 0;
}

/* "credits.*,push.parked" */
static int read_types(const char *text, struct wish *wish)
{
    while (*text) {
        size_t length = strcspn(text, ",");

        if (wish->type_count == PROTO_FILTERS_MAX || proto_event_filter(text, length) == 0)
            return -EINVAL;
        wish->types[wish->type_count] = strndup(text, length);
        if (!wish->types[wish->type_count])
            return -ENOMEM;
        wish->type_count++;
        text += length + (text[length] == ',');
    }
    return 0;
}

static int read_pair(const char *name, const char *value, struct wish *wish)
{
    if (strcmp(name, "after") == 0)
        return read_number(value, &wish->after);
    if (strcmp(name, "types") == 0)
        return wish->type_count > 0 ? -EINVAL : read_types(value, wish);
    if (strcmp(name, "subscriber") != 0) /* a misspelt one would not be missed */
        return -EINVAL;
    if (wish->subscriber || !proto_id_valid(value, strlen(value)))
        return -EINVAL;
    wish->subscriber = strdup(value);
    return wish->subscriber ? 0 : -ENOMEM;
}

/* 0, or a refusal has been made. */
static int read_wish(struct exchange *exchange, struct wish *wish)
{
    const char *query = exchange->query ? exchange->query : "";
    const char *last = exchange_header(exchange, "Last-Event-ID");
    char wrong[64] = "";
    int r = 1;

    while (r > 0) {
        CLEANUP(cleanup_free) char *name = NULL;
        CLEANUP(cleanup_free) char *value = NULL;
        int p;

        r = parameters_next_pair(&query, &name, &value);
        p = r > 0 ? read_pair(name, value, wish) : 0;
        if (p < 0)
            snprintf(wrong, sizeof(wrong), "%s", name);
        r = p < 0 ? p : r;
    }
    /* Where the client was, after a lost connection: newer than what its address says. */
    if (r == 0 && last && read_number(last, &wish->after) < 0)
        r = -EINVAL;
    if (r == -EINVAL)
        exchange_refuse_error(exchange, PROTO_ERROR_INVALID_PARAMETER,
                              "after and Last-Event-ID are numbers of events, types event types "
                              "with commas between them, subscriber an id; there is no other",
                              wrong[0] ? wrong : NULL);
    else if (r < 0)
        exchange_refuse(exchange, 503, "no_memory", "creditd-http has no memory", NULL);
    return r;
}

static int subscribe(struct stream *stream, const struct wish *wish)
{
    const struct creditd_subscribe_request request = {
        .subscriber = wish->subscriber,
        .types = wish->type_count > 0 ? (const char *const *)(const void *)wish->types : NULL,
        .from = wish->after >= 0 ? CREDITD_FROM_AFTER : CREDITD_FROM_PLACE,
        .after = wish->after >= 0 ? wish->after : 0,
        .no_ack = true, /* the client does, by event.ack */
        .hooks = {.on_event = on_event, .on_stream = on_stream},
        .data = stream,
    };

    return creditd_subscribe(stream->client, &request);
}

static void start(struct exchange *exchange, const struct wish *wish)
{
    struct link *link = link_of(exchange->connection);
    int r;

    links_look(&exchange->server->links);
    r = stream_new(exchange, &exchange->stream);
    if (r == 0)
        r = subscribe(exchange->stream, wish);
    if (r < 0) {
        exchange_refuse(exchange, 503, creditd_code_word(r), "the events cannot be asked for",
                        NULL);
        return;
    }
    uv_timer_start(&exchange->stream->keep_alive, on_patience, exchange_patience(exchange->server),
                   0);
    if (link)
        link->stream = exchange->stream;
    exchange->state = EXCHANGE_WAITING;
    server_waits(exchange->server);
}

void exchange_events(struct exchange *exchange)
{
    struct wish wish = {.after = -1};
    CLEANUP(secret_cleanup) char *session = NULL;

    if (exchange_session(exchange, &session) < 0) {
        exchange_refuse(exchange, 503, "no_memory", "creditd-http has no memory", NULL);
        return;
    }
    if (!exchange_is_permitted(exchange, session != NULL, 0))
        return;
    if (read_wish(exchange, &wish) == 0) {
        if (exchange->verb == VERB_HEAD)
            exchange_answer_text(exchange, 200, TYPE, strdup(""), 0);
        else if (exchange->server->figures.streams >= STREAMS_MAX)
            exchange_refuse_error(exchange, PROTO_ERROR_BUSY, "too many streams are open", NULL);
        else
            start(exchange, &wish);
    }
    wish_deinit(&wish);
}

/* See connection.h. */
#include "connection.h"
#include "event_listing.h"
#include "request.h"
#include "serve.h"
#include "transactions.h"
#include "waiting.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

static uint64_t in_flight_limit(const struct connection *connection)
{
    return (uint64_t)connection->serve->config->limits.in_flight;
}

/* Answers that wait are memory too; those that nobody reads are the stream's to cut off. */
static bool is_full(const struct connection *connection)
{
    return connection->in_flight >= in_flight_limit(connection) ||
           reply_queue_size(&connection->held) >=
               (size_t)connection->serve->config->limits.write_queue;
}

static void pause_if_full(struct connection *connection)
{
    if (connection->paused || !is_full(connection))
        return;
    connection->paused = true;
    ipc_stream_pause(connection->stream);
}

/* Not at once when there is room for one: reading then goes on in pieces worth a system call. */
static void resume_if_room(struct connection *connection)
{
    if (connection->paused && !is_full(connection) &&
        connection->in_flight <= in_flight_limit(connection) / 2) {
        connection->paused = false;
        ipc_stream_resume(connection->stream);
    }
    if (connection->ended && connection->in_flight == 0)
        ipc_stream_drain(connection->stream);
}

static void connection_write(struct connection *connection, const void *data, size_t length,
                             uint32_t answers)
{
    if (msgpack_sbuffer_write(ipc_stream_output(connection->stream), data, length) != 0) {
        ipc_stream_close(connection->stream);
        return;
    }
    ipc_stream_flush_soon(connection->stream);
    connection->in_flight -= answers;
    resume_if_room(connection);
}

void connection_reply(struct connection *connection, const void *data, size_t length,
                      uint64_t reveals)
{
    struct serve *serve = connection->serve;

    if (reveals <= serve->gate.passed)
        connection_write(connection, data, length, 1);
    else if (reply_queue_hold(&serve->gate, &connection->held, reveals, data, length) < 0)
        ipc_stream_close(connection->stream);
}

void connection_release(void *userdata, struct reply_queue *queue, const uint8_t *data,
                        size_t length, uint32_t answers)
{
    struct connection *connection = CONTAINER_OF(queue, struct connection, held);

    (void)userdata;
    connection_write(connection, data, length, answers);
}

int connection_charge(struct connection *connection, size_t bytes)
{
    return ipc_charge_add(&connection->charge, IPC_RESOURCE_BYTES, bytes);
}

void connection_uncharge(struct connection *connection, size_t bytes)
{
    ipc_charge_sub(&connection->charge, IPC_RESOURCE_BYTES, bytes);
}

unsigned connection_roles(struct connection *connection)
{
    const struct serve *serve = connection->serve;

    if (connection->roles_generation != serve->config_generation) {
        connection->roles = access_roles(serve->config, &connection->peer, serve->own_uid);
        connection->roles_generation = serve->config_generation;
    }
    return connection->roles;
}

/* --- the stream's callbacks --- */

static void on_message(struct ipc_stream *stream, const struct message *message, void *userdata)
{
    struct connection *connection = userdata;

    switch (message->type) {
    case MESSAGE_REQUEST:
        connection->in_flight++;
        request_receive(connection, message);
        pause_if_full(connection);
        break;
    case MESSAGE_RESPONSE: /* to what? */
        ipc_stream_drain(stream);
        break;
    case MESSAGE_NOTIFICATION: /* there are none for us; unknown ones are to be ignored */
        break;
    }
}

static void on_protocol_error(struct ipc_stream *stream, const struct ipc_protocol_error *error,
                              void *userdata)
{
    struct connection *connection = userdata;

    connection->serve->requests_total++;
    connection->serve->requests_refused++;
    if (error->has_msgid)
        message_pack_error(ipc_stream_output(stream), error->msgid, PROTO_ERROR_INVALID_REQUEST,
                           error->reason, NULL, NULL);
}

static bool on_idle(struct ipc_stream *stream, void *userdata)
{
    const struct connection *connection = userdata;

    (void)stream;
    return connection->in_flight == 0 && connection->subscription == NULL;
}

static void on_drained(struct ipc_stream *stream, void *userdata)
{
    (void)stream;
    subscription_drained(userdata);
}

static void on_end(struct ipc_stream *stream, void *userdata)
{
    struct connection *connection = userdata;

    (void)stream;
    connection->ended = true;
    resume_if_room(connection);
}

static void connection_free(struct connection *connection)
{
    while (!list_is_empty(&connection->parked))
        parked_free(CONTAINER_OF(connection->parked.next, struct parked, of_connection));
    transactions_forget(connection);
    event_listing_forget(connection);
    subscription_end(connection);
    backup_forget(&connection->serve->backup, connection);
    reply_queue_deinit(&connection->held);
    ipc_charge_deinit(&connection->charge);
    free(connection->peer.groups);
    if (!list_is_empty(&connection->of_serve)) {
        list_remove(&connection->of_serve);
        connection->serve->connection_count--;
    }
    free(connection);
}

static void on_closed(struct ipc_stream *stream, enum ipc_close_reason reason, void *userdata)
{
    struct connection *connection = userdata;

    (void)stream;
    if (reason != IPC_CLOSED_PEER && reason != IPC_CLOSED_LOCAL)
        log_info("client of uid %u, pid %u: %s", connection->peer.uid, connection->peer.pid,
                 ipc_close_reason_text(reason));
    connection_free(connection);
}

static int connection_open(struct connection *connection, int fd)
{
    static const struct ipc_stream_callbacks callbacks = {
        .on_message = on_message,
        .on_protocol_error = on_protocol_error,
        .on_idle = on_idle,
        .on_end = on_end,
        .on_drained = on_drained,
        .on_closed = on_closed,
    };
    struct serve *serve = connection->serve;
    const struct ipc_stream_options options = {
        .message_size = (size_t)serve->config->limits.message_size,
        .write_limit = (size_t)serve->config->limits.write_queue,
        .idle_ms =
            serve->config->limits.idle_time < 0 ? 0 : (uint64_t)serve->config->limits.idle_time,
    };
    const struct ipc_peer *peer;
    int r = access_peer_groups(fd, &connection->peer.groups, &connection->peer.group_count);

    if (r < 0)
        return r;
    r = ipc_stream_new(&serve->loop, fd, &options, &callbacks, connection, &connection->stream);
    if (r < 0)
        return r;
    peer = ipc_stream_peer(connection->stream);
    connection->peer.uid = peer->uid;
    connection->peer.gid = peer->gid;
    connection->peer.pid = (uint32_t)peer->pid;
    return 0;
}

int connection_new(struct serve *serve, int fd, struct ipc_charge *charge)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    int r;

    if (connection == NULL)
        return -ENOMEM;
    connection->serve = serve;
    list_init(&connection->parked);
    asked_init(&connection->asked);
    list_init(&connection->listings);
    list_init(&connection->of_serve);
    reply_queue_init(&connection->held);
    r = connection_open(connection, fd);
    if (r < 0) {
        connection_free(connection);
        return r;
    }
    ipc_charge_move(charge, &connection->charge);
    list_append(&serve->connections, &connection->of_serve);
    serve->connection_count++;
    return 0;
}

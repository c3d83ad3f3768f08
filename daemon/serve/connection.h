/*
 * A client's connection: who it is, what it has asked and not been answered yet, and the answers
 * that wait for their records. It lives as long as its stream.
 *
 * While a connection has `in_flight` requests unanswered, nothing more of it is read: a client that
 * asks faster than it is answered waits in its own socket's buffer.
 */
#pragma once

#include "list.h"
#include "reply_gate.h"
#include "transactions.h"
#include <ipc/access.h>
#include <ipc/listener.h>
#include <ipc/stream.h>

struct serve;
struct subscription;

struct connection {
    struct serve *serve;
    struct ipc_stream *stream;
    struct ipc_charge charge;
    struct access_peer peer;
    unsigned roles, roles_generation;
    struct reply_queue held;
    struct list parked;                /* struct parked, of_connection */
    struct asked asked;                /* histories */
    struct subscription *subscription; /* to events; NULL: none */
    struct list listings;              /* event.list under way: event_listing.c */
    struct list of_serve;
    uint64_t in_flight;
    bool paused;
    bool ended; /* the peer will send nothing more */
};

/* `fd` and, if the connection comes about, `charge` are taken. */
int connection_new(struct serve *serve, int fd, struct ipc_charge *charge);
/* The roles as [access] has them now. */
unsigned connection_roles(struct connection *connection);
/* One encoded answer, to go out when every record up to `reveals` is durable. */
void connection_reply(struct connection *connection, const void *data, size_t length,
                      uint64_t reveals);
/* Answers whose records have become durable: for reply_gate_pass. */
void connection_release(void *userdata, struct reply_queue *queue, const uint8_t *data,
                        size_t length, uint32_t answers);
/* Memory that is kept on behalf of the peer's user: 0 or -EDQUOT. */
int connection_charge(struct connection *connection, size_t bytes);
void connection_uncharge(struct connection *connection, size_t bytes);

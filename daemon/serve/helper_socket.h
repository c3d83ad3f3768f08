/*
 * Where helpers of one role come and go: a listening socket that whoever plays the role connects
 * to, or one connection that was passed at the start. One helper at a time, and the latest to
 * connect wins: an older one that still seems to be there is wedged, or has just been replaced.
 */
#pragma once

#include <ipc/channel.h>
#include <ipc/listener.h>
#include <stdbool.h>
#include <stdint.h>

struct serve;

/* What is particular to a role. */
struct helper_role {
    const char *program; /* for the log */
    const char *hello;   /* the notification with which a helper begins */
    void (*on_hello)(const msgpack_object *params, void *userdata); /* may be NULL */
    /* A helper is there: on_gone is called once for each of these, when all of its requests have
     * been called back. */
    void (*on_come)(void *userdata);
    void (*on_gone)(void *userdata);
};

struct helper_socket {
    struct serve *serve;
    const struct helper_role *role;
    void *userdata;
    struct ipc_listener *listener;
    struct ipc_channel *channel; /* NULL: no helper is there */
    bool closing;                /* the channel is on its way out */
    int next_fd;                 /* takes its place then; -1: nobody */
};

/* `fd` listens for helpers, or is connected to one; it is taken on success. -1: there is none. */
int helper_socket_init(struct helper_socket *socket, struct serve *serve,
                       const struct helper_role *role, void *userdata, int fd);
/* Whether requests can be sent. */
static inline bool helper_socket_is_open(const struct helper_socket *socket)
{
    return socket->channel != NULL && !socket->closing;
}
/* As ipc_channel_request. -ENOTCONN: no helper is there; not one byte has left. */
int helper_socket_request(struct helper_socket *socket, const char *method, ipc_pack_function pack,
                          void *context, uint64_t timeout_ms, ipc_reply_function callback,
                          void *userdata);
/* Without parameters. Where no helper is there, nobody needs to be told. */
void helper_socket_notify(struct helper_socket *socket, const char *method);
/* Ends the connection of the helper that is there: it is wedged. */
void helper_socket_cut_off(struct helper_socket *socket);
/* Ends channel and listener. */
void helper_socket_close(struct helper_socket *socket);
bool helper_socket_is_closed(const struct helper_socket *socket);

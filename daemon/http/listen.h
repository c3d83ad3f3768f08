/*
 * Where HTTP is served: on inherited sockets, or on sockets that we make by [http] listen, for
 * everybody, and by [http] local, a Unix socket for programs of this machine: there, and nowhere
 * else, it counts who is at the other end (permit.h).
 *
 * An address that cannot be opened is told in the log, and the others serve.
 *
 * Connections are accepted here and not in libmicrohttpd, so that one server has several sockets,
 * and so that at the limit of connections new ones wait in the sockets' queues.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <util/config.h>
#include <uv.h>

#define LISTEN_MAX (CONFIG_LISTEN_MAX + 1) /* and [http] local */

struct server;

struct listener {
    struct server *server;
    uv_poll_t poll;
    int fd;
    bool is_local;
    char *path; /* of a Unix socket of ours, which we remove; else NULL */
};

struct listeners {
    struct listener items[LISTEN_MAX];
    size_t count;
    bool is_paused;
};

/* Opens what can be opened, and says where in the log and in `ret_told`, a text to be freed. A
 * negative errno where there is none, and the log has been told why; listen_close() is due in
 * either case. */
int listen_open(struct server *server, char **ret_told);
void listen_start(struct listeners *listeners);
/* Takes no connections until listen_start(). */
void listen_pause(struct listeners *listeners);
/* Before the loop ends. */
void listen_close(struct listeners *listeners);

/*
 * Where HTTP is served: on inherited sockets, or on sockets that we make by [http] listen.
 *
 * Connections are accepted here and not in libmicrohttpd, so that one server has several sockets,
 * and so that at the limit of connections new ones wait in the sockets' queues.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <util/config.h>
#include <uv.h>

#define LISTEN_MAX CONFIG_LISTEN_MAX

struct server;

struct listener {
    struct server *server;
    uv_poll_t poll;
    int fd;
    char *path; /* of a Unix socket of ours, which we remove; else NULL */
};

struct listeners {
    struct listener items[LISTEN_MAX];
    size_t count;
    bool is_paused;
};

/* Opens all, and says where in the log and in `ret_told`, a text to be freed. Tells the log what is
 * wrong, and returns a negative errno; listen_close() is due in either case. */
int listen_open(struct server *server, char **ret_told);
void listen_start(struct listeners *listeners);
/* Takes no connections until listen_start(). */
void listen_pause(struct listeners *listeners);
/* Before the loop ends. */
void listen_close(struct listeners *listeners);

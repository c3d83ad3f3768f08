/*
 * creditd-http: libmicrohttpd on the one side, libcreditd on the other, and one libuv loop that
 * turns both. No thread, no state that outlives a request.
 *
 *     sockets ─► listen.c ─► libmicrohttpd ─► exchange.c ─► call.c ─► libcreditd ─► creditd-serve
 *                                 ▲                            │
 *                                 └── resumed with the answer ─┘
 *
 * libmicrohttpd keeps its connections in an epoll descriptor of its own, which the loop watches;
 * server_turn() lets it do what is due. A request that waits for creditd-serve is suspended.
 */
#pragma once

#include "exchange.h"
#include "figures.h"
#include "link.h"
#include "listen.h"
#include "stream.h"
#include <creditd.h>
#include <microhttpd.h>
#include <stdint.h>
#include <util/config.h>
#include <uv.h>

struct creditd_uv;

enum { SERVER_SIGNALS = 3 };

struct server {
    uv_loop_t loop;
    uv_poll_t epoll;  /* libmicrohttpd's */
    uv_timer_t turn;  /* when libmicrohttpd wants to be called next */
    uv_timer_t retry; /* when to take connections again; at the end: the latest */
    uv_signal_t signals[SERVER_SIGNALS];
    uv_timer_t watchdog;
    struct MHD_Daemon *http;
    struct creditd *client; /* for calls; each stream has its own. NULL at the end */
    struct creditd_uv *adapter;
    struct listeners listeners;
    struct links links;
    unsigned connections_max; /* as at the start */
    unsigned arriving;        /* given to libmicrohttpd, which has not counted them yet */
    struct config *config;
    const char *config_path; /* as it was given; may be NULL */
    struct figures figures;
    struct stream_list streams;
    struct exchange_list suspending; /* within a turn only */
    bool is_stopping;                /* requests are refused, before they reach the client */
};

/* Serves until SIGTERM or SIGINT; takes the configuration over. The exit status. `socket` is
 * serve's. */
int server_run(struct config *config, const char *config_path, const char *socket);

/* libmicrohttpd has something to do: soon. */
void server_kick(struct server *server);
/* A new connection, which is libmicrohttpd's from now on. */
void server_take(const struct listener *listener, int fd, const struct sockaddr *address,
                 socklen_t length);
/* No more connections for a while: there are no descriptors. */
void server_is_full(struct server *server);
/* An exchange waits, … */
void server_waits(struct server *server);
/* … its connection is suspended, … */
void server_suspend(struct exchange *exchange);
/* … and it has its answer. */
void server_resume(struct exchange *exchange);

/* The HTTP server: libmicrohttpd, a thread for each connection, so that any request may wait as
 * long as it likes. */
#pragma once

#include "sandbox.h"

struct http;

/* Serves on a listening socket, which it owns once it has started. */
int http_start(struct sandbox *sandbox, int listen_fd, struct http **ret_http);
/* Wakes whatever waits, drops all connections and returns when every thread has ended. */
struct http *http_stop(struct http *http);

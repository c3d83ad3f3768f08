/*
 * A StellarTools that does what a test tells it, byte by byte: raw sockets and threads, so that it
 * can hang, reset, close in the middle, answer garbage or nothing. It keeps each request as it
 * came.
 *
 * The n-th request to arrive, over all connections, gets the n-th step; the last step repeats.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum upstream_act {
    ACT_REPLY,       /* sends the text and keeps the connection */
    ACT_REPLY_CLOSE, /* sends the text and closes */
    ACT_REPLY_SPLIT, /* sends the text byte by byte */
    ACT_CLOSE,       /* closes without a byte, the request read */
    ACT_RESET,       /* the same with a TCP reset */
    ACT_HANG,        /* says nothing until upstream_release() or the end; then closes */
    ACT_HOLD,        /* says nothing until upstream_release(); then sends the text */
};

struct upstream_step {
    enum upstream_act act;
    const char *text; /* a whole HTTP answer; upstream_answer() makes one */
};

struct upstream_server;

struct upstream_server *upstream_new(const struct upstream_step *steps, size_t count);
struct upstream_server *upstream_free(struct upstream_server *server);
/* http://127.0.0.1:PORT */
const char *upstream_url(const struct upstream_server *server);
/* How many requests have come so far; _wait fails the test if not that many come. */
size_t upstream_count(struct upstream_server *server);
void upstream_wait(struct upstream_server *server, size_t count);
/* The text of a request, head and body, which stays the server's; NULL where it has not come. */
const char *upstream_request(struct upstream_server *server, size_t index);
/* On which connection it came, counted from 0. */
size_t upstream_connection_of(struct upstream_server *server, size_t index);
/* Whether the client has closed the connection on which that request came. */
bool upstream_is_closed(struct upstream_server *server, size_t index);
/* Lets one more of the hanging and held go on, in the order of their requests. */
void upstream_release(struct upstream_server *server);
/* The most requests that were there at once without an answer. */
size_t upstream_most_at_once(struct upstream_server *server);

/* "HTTP/1.1 STATUS X", Content-Length, the further header lines (each with CRLF; may be NULL), the
 * body. The caller frees it. */
char *upstream_answer(int status, const char *headers, const char *body);

/*
 * HTTP exchanges by libcurl's multi interface on a libuv loop.
 *
 * Reads share connections; a write has a connection of its own, made for it and closed after it.
 * That is for two reasons. libcurl sends a request again by itself when a kept connection turns out
 * to have been closed: a POST would be sent twice behind our back. And an exchange without an
 * answer must be over before anybody looks into the history: its end is reported only when its
 * connection is closed, and what the kernel had not yet delivered of the request is discarded with
 * it.
 *
 * No redirects, no cookies, no compression, no HTTP/2 (where several requests share a connection,
 * to close it is another matter), TLS always verified, proxies as curl's usual variables say, but
 * never for this machine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>
#include <web/head.h>

#define HTTP_BODY_MAX (4u * 1024u * 1024u)
#define HTTP_DROPPED_BODY_MAX (64u * 1024u)

struct http;

struct http_header {
    const char *name, *value; /* value NULL: the header is left out */
};

struct http_request {
    const char *url;
    const char *body; /* NULL: a GET; else a POST or a PUT, which is a write and JSON */
    bool is_put;
    /* Of the answer, whose status is all that counts: it is HTTP_ANSWERED with its head, though the
     * rest breaks off, hangs, or goes on past 64 KiB and is cut off. */
    bool is_body_dropped;
    const struct http_header *headers;
    size_t header_count;
    bool is_https, is_loopback;
    int64_t connect_timeout, timeout; /* ms */
};

enum http_end_kind {
    HTTP_ANSWERED,   /* a whole answer */
    HTTP_NOT_SENT,   /* no connection came about, or the request was never begun */
    HTTP_UNANSWERED, /* the request went out, in part or whole, and no whole answer came back */
    HTTP_GARBLED,    /* what came back is no HTTP, or too large */
};

struct http_end {
    enum http_end_kind kind;
    int status; /* 0 where none came */
    const char *body;
    size_t body_length;
    struct head head;
    const char *error; /* what ended it, for people; NULL for HTTP_ANSWERED */
};

/* `end` and what it points to live as long as the call. New exchanges may be started in it. */
typedef void http_done_fn(void *data, const struct http_end *end);

/* Once in a program, before its first thread and its first http_new(): 0 or -EIO. Takes
 * SSLKEYLOGFILE out of the environment: libcurl would write the secrets of TLS connections to the
 * file that it names. */
int http_global_init(void);
/* At the end of the program. */
void http_global_deinit(void);
/* http_global_init() has been called. */
int http_new(uv_loop_t *loop, struct http **ret_http);
/* Ends what is under way without calling back. The memory goes when the loop has closed the
 * handles: run it once more. */
struct http *http_free(struct http *http);
/* Copies what it needs. -EINVAL where a header has a line break in it. Either fails with a negative
 * errno or calls `done` once, from the loop. */
int http_start(struct http *http, const struct http_request *request, http_done_fn *done,
               void *data);

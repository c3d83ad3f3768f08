/*
 * One transfer: a libcurl easy handle with all its options, what has been received, and the sockets
 * that carried it. http.c drives it.
 */
#pragma once

#include <curl/curl.h>
#include <sys/queue.h>
#include <web/http.h>

/* Outlives the transfer where libcurl closes a connection later than the transfer ends. */
struct carrier {
    unsigned sockets; /* open ones */
    bool is_answered; /* a final status line came */
    bool is_orphan;   /* the transfer is gone */
};

struct transfer {
    LIST_ENTRY(transfer) link;
    CURL *easy;
    struct curl_slist *headers; /* hold a key, or a session: wiped */
    char *body;                 /* of the request */
    struct carrier *carrier;    /* NULL for reads: their connections are kept */
    http_done_fn *done;
    void *data;
    /* libcurl had a connection and was about to send: what ends later may have been executed. */
    bool is_begun;
    bool is_head_whole; /* libcurl takes a head that breaks off for a whole one */
    bool is_too_large;
    bool is_body_dropped;
    CURLcode result;
    struct head head;
    char *received;
    size_t received_length, received_capacity;
    char error[CURL_ERROR_SIZE];
};

int transfer_new(const struct http_request *request, http_done_fn *done, void *data,
                 struct transfer **ret_transfer);
struct transfer *transfer_free(struct transfer *transfer);
/* Whether its connections are closed, as far as they have to be before its end is told. */
bool transfer_is_settled(const struct transfer *transfer);
void transfer_end(const struct transfer *transfer, struct http_end *ret_end);

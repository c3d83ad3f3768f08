/*
 * libcurl's multi interface driven by libuv: libcurl says which sockets to watch and when to wake
 * it; libuv tells it. See http.h.
 */
#include "transfer.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <util/macros.h>
#include <web/http.h>

#define KEPT_CONNECTIONS 16L

LIST_HEAD(transfer_list, transfer);

int http_global_init(void)
{
    unsetenv("SSLKEYLOGFILE");
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

void http_global_deinit(void)
{
    curl_global_cleanup();
}

struct http {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct transfer_list running;
    struct transfer_list ended; /* by libcurl; their connections may not be closed yet */
};

/* Freed when libuv has closed the handle. */
struct watch {
    uv_poll_t poll;
    struct http *http;
    curl_socket_t fd;
};

static void http_advance(struct http *http, curl_socket_t fd, int events);

static void on_poll(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = poll->data;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) | (status < 0 ? CURL_CSELECT_ERR : 0);

    http_advance(watch->http, watch->fd, flags);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void watch_close(struct watch *watch)
{
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

static struct watch *watch_new(struct http *http, curl_socket_t fd)
{
    struct watch *watch = calloc(1, sizeof *watch);

    if (!watch)
        return NULL;
    watch->http = http;
    watch->fd = fd;
    watch->poll.data = watch;
    if (uv_poll_init_socket(http->loop, &watch->poll, fd) < 0) {
        free(watch);
        return NULL;
    }
    curl_multi_assign(http->multi, fd, watch);
    return watch;
}

/* libcurl: watch this socket for that. -1 ends the transfers with an error. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
    struct http *http = data;
    struct watch *watch = socket_data;
    int events =
        (what != CURL_POLL_OUT ? UV_READABLE : 0) | (what != CURL_POLL_IN ? UV_WRITABLE : 0);

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            watch_close(watch);
        curl_multi_assign(http->multi, fd, NULL);
        return 0;
    }
    if (!watch)
        watch = watch_new(http, fd);
    if (!watch)
        return -1;
    return uv_poll_start(&watch->poll, events, on_poll) < 0 ? -1 : 0;
}

static void on_timer(uv_timer_t *timer)
{
    http_advance(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl: wake me in so many milliseconds. Never from within this call: 0 is the loop's next turn.
 */
static int on_curl_timer(CURLM *multi, long timeout_ms, void *data)
{
    struct http *http = data;

    (void)multi;
    if (timeout_ms < 0)
        return uv_timer_stop(&http->timer) < 0 ? -1 : 0;
    /* The loop's idea of now is as old as its last turn. */
    uv_update_time(http->loop);
    return uv_timer_start(&http->timer, on_timer, (uint64_t)timeout_ms, 0) < 0 ? -1 : 0;
}

static void collect_ended(struct http *http)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(http->multi, &left))) {
        CURL *easy = message->easy_handle;
        struct transfer *transfer = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&transfer);
        transfer->result = message->data.result;
        curl_multi_remove_handle(http->multi, easy);
        LIST_REMOVE(transfer, link);
        LIST_INSERT_HEAD(&http->ended, transfer, link);
    }
}

static struct transfer *find_settled(struct http *http)
{
    struct transfer *transfer;

    LIST_FOREACH(transfer, &http->ended, link)
    if (transfer_is_settled(transfer))
        return transfer;
    return NULL;
}

/* Outside of libcurl's own callbacks, so that a `done` may start the next exchange. */
static void tell_ended(struct http *http)
{
    struct transfer *transfer;

    while ((transfer = find_settled(http))) {
        struct http_end end;

        LIST_REMOVE(transfer, link);
        transfer_end(transfer, &end);
        transfer->done(transfer->data, &end);
        transfer_free(transfer);
    }
}

static void http_advance(struct http *http, curl_socket_t fd, int events)
{
    int running;

    curl_multi_socket_action(http->multi, fd, events, &running);
    collect_ended(http);
    tell_ended(http);
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int http_new(uv_loop_t *loop, struct http **ret_http)
{
    struct http *http = calloc(1, sizeof *http);
    int failed = 0;

    if (!http)
        return -ENOMEM;
    http->loop = loop;
    http->multi = curl_multi_init();
    if (http->multi) {
        failed |= curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
        failed |= curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
        failed |= curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
        failed |= curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
        failed |= curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
        failed |= curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
    }
    if (!http->multi || failed || uv_timer_init(loop, &http->timer) < 0) {
        if (http->multi)
            curl_multi_cleanup(http->multi);
        free(http);
        return -ENOMEM;
    }
    http->timer.data = http;
    *ret_http = http;
    return 0;
}

struct http *http_free(struct http *http)
{
    struct transfer *transfer;

    if (!http)
        return NULL;
    while ((transfer = LIST_FIRST(&http->running))) {
        LIST_REMOVE(transfer, link);
        curl_multi_remove_handle(http->multi, transfer->easy);
        transfer_free(transfer);
    }
    while ((transfer = LIST_FIRST(&http->ended))) {
        LIST_REMOVE(transfer, link);
        transfer_free(transfer);
    }
    curl_multi_cleanup(http->multi);
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
    return NULL;
}

int http_start(struct http *http, const struct http_request *request, http_done_fn *done,
               void *data)
{
    struct transfer *transfer;
    int r = transfer_new(request, done, data, &transfer);

    if (r < 0)
        return r;
    if (curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK) {
        transfer_free(transfer);
        return -ENOMEM;
    }
    LIST_INSERT_HEAD(&http->running, transfer, link);
    return 0;
}

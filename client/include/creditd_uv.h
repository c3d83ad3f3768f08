/*
 * libcreditd on a libuv loop. Header only: compile it into one file of yours, with libuv's flags.
 *
 *     struct creditd *connection;
 *     struct creditd_uv *adapter;
 *     creditd_open(&connection, NULL, 0);
 *     creditd_uv_attach(&adapter, uv_default_loop(), connection);
 *     creditd_consume_async(connection, &request, on_reply, data);
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *     creditd_uv_close(adapter);       (also from a callback)
 *     uv_run(uv_default_loop(), UV_RUN_DEFAULT);
 *
 * A connection on which nothing is under way does not keep the loop alive. Calls that were made in
 * one turn of the loop leave together: they are sent by an idle handle, which also keeps the loop
 * from waiting before that. All functions belong to the loop's thread.
 */
#ifndef CREDITD_UV_H
#define CREDITD_UV_H

#include <creditd.h>
#include <poll.h>
#include <stdlib.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

struct creditd_uv {
    struct creditd *connection;
    uv_loop_t *loop;
    uv_poll_t
        *poll;  /* of the present descriptor; each has its own, freed when libuv is done with it */
    int events; /* that it is started for */
    uv_timer_t timer;
    uv_idle_t idle;
    int open;           /* of timer and idle, how many libuv still has */
    int is_dispatching; /* callbacks are run: what changes is looked at afterwards */
    int is_closed;
};

static inline void creditd_uv_update(struct creditd_uv *adapter);

static inline void creditd_uv_free_handle(uv_handle_t *handle)
{
    free(handle);
}

static inline void creditd_uv_drop_poll(struct creditd_uv *adapter)
{
    if (adapter->poll)
        uv_close((uv_handle_t *)adapter->poll, creditd_uv_free_handle);
    adapter->poll = NULL;
    adapter->events = 0;
}

static inline void creditd_uv_turn(struct creditd_uv *adapter, short events)
{
    adapter->is_dispatching = 1;
    creditd_dispatch(adapter->connection, events);
    adapter->is_dispatching = 0;
    if (adapter->is_closed)
        adapter->connection = NULL;
    else
        creditd_uv_update(adapter);
}

static inline void creditd_uv_on_poll(uv_poll_t *poll, int status, int events)
{
    short result = 0;

    /* An error of the poll is one of the socket, which reading will tell. */
    if (status < 0 || (events & UV_READABLE) || (events & UV_DISCONNECT))
        result |= POLLIN;
    if (events & UV_WRITABLE)
        result |= POLLOUT;
    creditd_uv_turn((struct creditd_uv *)poll->data, result);
}

static inline void creditd_uv_on_timer(uv_timer_t *timer)
{
    creditd_uv_turn((struct creditd_uv *)timer->data, 0);
}

static inline void creditd_uv_on_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    creditd_uv_turn((struct creditd_uv *)idle->data, 0);
}

static inline void creditd_uv_on_change(struct creditd *connection, void *data)
{
    struct creditd_uv *adapter = (struct creditd_uv *)data;

    if (creditd_fd(connection) < 0)
        creditd_uv_drop_poll(adapter);
    if (!adapter->is_dispatching && !adapter->is_closed)
        uv_idle_start(&adapter->idle, creditd_uv_on_idle);
}

static inline int creditd_uv_make_poll(struct creditd_uv *adapter, int fd)
{
    uv_poll_t *poll = (uv_poll_t *)malloc(sizeof *poll);
    int r;

    if (!poll)
        return UV_ENOMEM;
    r = uv_poll_init(adapter->loop, poll, fd);
    if (r < 0) {
        free(poll);
        return r;
    }
    poll->data = adapter;
    adapter->poll = poll;
    return 0;
}

/* Makes the loop wait for what the connection wants. */
static inline void creditd_uv_update(struct creditd_uv *adapter)
{
    int fd = creditd_fd(adapter->connection), timeout = creditd_timeout(adapter->connection);
    short wanted = creditd_wanted(adapter->connection);
    int events = (wanted & POLLIN ? UV_READABLE : 0) | (wanted & POLLOUT ? UV_WRITABLE : 0);

    if (fd >= 0 && !adapter->poll && creditd_uv_make_poll(adapter, fd) < 0 &&
        (timeout < 0 || timeout > 100))
        timeout = 100; /* tries again */
    if (adapter->poll && events != adapter->events) {
        uv_poll_start(adapter->poll, events, creditd_uv_on_poll);
        adapter->events = events;
    }
    if (adapter->poll && creditd_pending(adapter->connection) > 0)
        uv_ref((uv_handle_t *)adapter->poll);
    else if (adapter->poll)
        uv_unref((uv_handle_t *)adapter->poll);
    if (timeout < 0)
        uv_timer_stop(&adapter->timer);
    else
        uv_timer_start(&adapter->timer, creditd_uv_on_timer, (uint64_t)timeout, 0);
}

/* 0, or an error of libuv's: then nothing has been attached. The connection belongs to the adapter
 * from now on. */
static inline int creditd_uv_attach(struct creditd_uv **ret_adapter, uv_loop_t *loop,
                                    struct creditd *connection)
{
    struct creditd_uv *adapter = (struct creditd_uv *)calloc(1, sizeof *adapter);

    if (!adapter)
        return UV_ENOMEM;
    adapter->connection = connection;
    adapter->loop = loop;
    /* Neither can fail on Unix. */
    uv_timer_init(loop, &adapter->timer);
    uv_idle_init(loop, &adapter->idle);
    adapter->timer.data = adapter;
    adapter->idle.data = adapter;
    adapter->open = 2;
    creditd_on_change(connection, creditd_uv_on_change, adapter);
    if (creditd_pending(connection) > 0)
        uv_idle_start(&adapter->idle, creditd_uv_on_idle);
    creditd_uv_update(adapter);
    *ret_adapter = adapter;
    return 0;
}

static inline void creditd_uv_on_closed(uv_handle_t *handle)
{
    struct creditd_uv *adapter = (struct creditd_uv *)handle->data;

    if (--adapter->open == 0)
        free(adapter);
}

/* Closes the connection: what is under way ends with -ECANCELED. The adapter frees itself in the
 * loop's next turns, which must be run. */
static inline void creditd_uv_close(struct creditd_uv *adapter)
{
    if (!adapter || adapter->is_closed)
        return;
    adapter->is_closed = 1;
    creditd_close(adapter->connection);
    creditd_uv_drop_poll(adapter);
    uv_close((uv_handle_t *)&adapter->timer, creditd_uv_on_closed);
    uv_close((uv_handle_t *)&adapter->idle, creditd_uv_on_closed);
}

#ifdef __cplusplus
}
#endif

#endif

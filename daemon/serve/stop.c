/* See stop.h. */
#include "stop.h"
#include "connection.h"
#include "serve.h"
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

/* A push that is under way should not be left in doubt, nor an event be told twice. */
#define EXCHANGES_MS 3000
#define ANSWERS_MS 10000
#define TIMER_MS 50 /* how often deadlines are looked at */

static void on_stop_timer(uv_timer_t *timer)
{
    struct serve *serve = timer->data;

    (void)serve_now(serve); /* the end of the turn goes on */
}

void serve_stop(struct serve *serve)
{
    if (serve_is_stopping(serve))
        return;
    log_notice("stopping");
    service_notify("STOPPING=1");
    serve->phase = SERVE_STOPPING;
    serve->stop_began = clock_boot_ms();
    (void)serve_now(serve);
    ipc_listener_close(serve->listener);
    waiting_expire_all(&serve->waiting);
    transactions_stop(&serve->transactions);
    event_reader_stop(&serve->event_reader);
    backup_stop(&serve->backup);
    uv_timer_start(&serve->stop_timer, on_stop_timer, TIMER_MS, TIMER_MS);
}

static bool is_answered(const struct serve *serve, int64_t elapsed)
{
    if (serve->helper.count + serve->hooks.count > 0 && elapsed < EXCHANGES_MS)
        return false;
    if (elapsed >= ANSWERS_MS)
        return true;
    return reply_gate_is_empty(&serve->gate) && serve->transactions.count == 0 &&
           serve->waiting.loads == 0 && list_is_empty(&serve->waiting.ready) &&
           !serve->backup.running;
}

static void close_connections(struct serve *serve)
{
    struct list *link;

    for (link = serve->connections.next; link != &serve->connections; link = link->next)
        ipc_stream_drain(CONTAINER_OF(link, struct connection, of_serve)->stream);
    helper_close(&serve->helper);
    hooks_close(&serve->hooks);
}

static void close_handles(struct serve *serve)
{
    uv_handle_t *handles[] = {
        (uv_handle_t *)&serve->before_poll, (uv_handle_t *)&serve->after_poll,
        (uv_handle_t *)&serve->on_term,     (uv_handle_t *)&serve->on_int,
        (uv_handle_t *)&serve->on_hup,      (uv_handle_t *)&serve->watchdog,
        (uv_handle_t *)&serve->stop_timer,
    };

    /* The store's threads use it until they have ended: serve_run closes it. */
    uv_unref((uv_handle_t *)&serve->progress);
    waiting_close(&serve->waiting);
    sessions_close(&serve->sessions);
    for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
        uv_close(handles[i], NULL);
}

void stop_advance(struct serve *serve)
{
    int64_t elapsed = clock_boot_ms() - serve->stop_began;

    if (serve->phase == SERVE_STOPPING && is_answered(serve, elapsed)) {
        serve->phase = SERVE_CLOSING;
        close_connections(serve);
    }
    if (serve->phase == SERVE_CLOSING && serve->connection_count == 0 && serve->listener == NULL &&
        helper_is_closed(&serve->helper) && hooks_is_closed(&serve->hooks)) {
        serve->phase = SERVE_CLOSED;
        close_handles(serve);
    }
}

/*
 * See serve.h: the loop, its turns, its signals.
 *
 * The end of a turn runs twice in an iteration: after the poll phase, so that what sockets brought
 * is offered to the journal before anything else; and before it, for what timers and worker threads
 * brought, since the loop may then block. In a turn in which nothing happened it costs one test.
 */
#include "serve.h"
#include "policy.h"
#include "stop.h"
#include <core/link.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

#define PARKED_BYTES_USER (UINT64_C(16) * 1024 * 1024)
#define PARKED_BYTES_TOTAL (UINT64_C(256) * 1024 * 1024)
#define ROUNDS_MAX 4

int64_t serve_now(struct serve *serve)
{
    if (serve->now == 0)
        serve->now = ledger_clock_at(&serve->clock, clock_boot_ms());
    return serve->now;
}

void serve_fail(struct serve *serve)
{
    /* Whatever has not gone out yet, stays (J4): nothing of the loop runs any more. */
    serve->exit_code = 1;
    uv_stop(&serve->loop);
}

/* --- turns --- */

/* There is something left to do that no descriptor and no timer will tell of. */
static bool is_due(const struct serve *serve)
{
    return !list_is_empty(&serve->waiting.ready) || event_reader_is_due(&serve->event_reader);
}

static void turn_end(struct serve *serve)
{
    int rounds = 0;

    if (serve->now != 0 || is_due(serve)) {
        do {
            waiting_run(&serve->waiting);
            helper_pump(&serve->helper);
            sessions_pump(&serve->sessions);
            hooks_pump(&serve->hooks);
            event_reader_pump(&serve->event_reader);
        } while (is_due(serve) && ++rounds < ROUNDS_MAX);
        if (is_due(serve))
            uv_async_send(&serve->progress); /* the loop must not block on it */
        store_flush(serve->store);
        reply_gate_next_turn(&serve->gate);
        serve->now = 0;
    }
    if (serve_is_stopping(serve))
        stop_advance(serve);
}

static void on_before_poll(uv_prepare_t *handle)
{
    turn_end(handle->data);
}

static void on_after_poll(uv_check_t *handle)
{
    turn_end(handle->data);
}

static void on_progress(uv_async_t *handle)
{
    struct serve *serve = handle->data;
    struct store_watermarks marks;
    bool interval = serve->config->ledger.durability == CONFIG_DURABILITY_INTERVAL;

    if (serve->store == NULL)
        return;
    store_get_watermarks(serve->store, &marks);
    if (marks.failure != 0) {
        log_error("the ledger cannot be written: %s; ending, since nothing more can be promised",
                  strerror(-marks.failure));
        serve_fail(serve);
        return;
    }
    if (marks.space != serve->marks.space)
        log_warning(marks.space == STORE_SPACE_OK
                        ? "there is room on the disk again"
                        : "the disk is full: nothing is deducted until there is room");
    serve->marks = marks;
    reply_gate_pass(&serve->gate,
                    interval && marks.written > marks.durable ? marks.written : marks.durable,
                    connection_release, serve);
    events_pass(&serve->events, marks.durable);
    core_set_stored(serve->core, marks.stored);
    event_reader_pass(&serve->event_reader, marks.durable);
    subscribers_pass(&serve->subscribers);
    hooks_pass(&serve->hooks, marks.durable);
    event_keeping_pass(&serve->event_keeping);
    transactions_advance(&serve->transactions);
    backup_advance(&serve->backup);
    helper_pass(&serve->helper, marks.durable);
    waiting_slot_ready(&serve->waiting, WAITING_ROOM);
}

/* --- signals --- */

int serve_load_config(const struct serve *serve, struct config **ret_config, char **ret_error)
{
    CLEANUP(config_cleanup) struct config *config = NULL;
    int r = config_load_found(serve->config_path, NULL, &config, ret_error);

    if (r < 0)
        return r;
    if (serve->state_directory != NULL) {
        free(config->paths.state_directory);
        config->paths.state_directory = strdup(serve->state_directory);
        if (config->paths.state_directory == NULL)
            return -ENOMEM;
    }
    *ret_config = TAKE_PTR(config);
    return 0;
}

static void set_quota(struct serve *serve, const struct config *config)
{
    const struct ipc_quota_limits limits = {
        .user = {[IPC_RESOURCE_CONNECTIONS] = (uint64_t)config->limits.connections_per_user,
                 [IPC_RESOURCE_BYTES] = PARKED_BYTES_USER},
        .total = {[IPC_RESOURCE_CONNECTIONS] = (uint64_t)config->limits.connections,
                  [IPC_RESOURCE_BYTES] = PARKED_BYTES_TOTAL},
    };

    ipc_quota_set_limits(serve->quota, &limits);
}

/* A bad file changes nothing. What only a start can change (paths, the ledger) stays as it was. */
static void reload(struct serve *serve)
{
    static const char *const sections[] = {"ledger", "paths", NULL};
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    CLEANUP(cleanup_free) char *kept = NULL;
    struct core_policy policy;
    struct config *before = serve->config;
    int64_t now = serve_now(serve);
    int r = serve_load_config(serve, &config, &error);

    if (r == 0)
        r = config_keep(config, before, sections, &kept);
    if (r < 0) {
        log_error("%s; going on with what was read before", error != NULL ? error : strerror(-r));
        return;
    }
    if (kept != NULL)
        log_warning("%s: what has been changed there counts from the next start", kept);
    policy_from_config(config, &policy);
    core_set_policy(serve->core, &policy, now);
    r = policy_configure_products(serve->core, config, before, now);
    if (r < 0)
        log_error("products from the configuration: %s", strerror(-r));
    set_quota(serve, config);
    serve->config = TAKE_PTR(config);
    config = before; /* freed on the way out */
    serve->config_generation++;
    sessions_clear(&serve->sessions);
    helper_reload(&serve->helper);
    hooks_reload(&serve->hooks);
    core_resume(serve->core, now);
    log_notice("configuration reloaded");
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct serve *serve = handle->data;

    if (number != SIGHUP)
        serve_stop(serve);
    else if (!serve_is_stopping(serve))
        reload(serve);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    service_notify("WATCHDOG=1");
}

/* --- begin and end --- */

static int init_loop(struct serve *serve)
{
    uv_loop_t *loop = &serve->loop;
    int interval = service_watchdog_interval_ms();
    int r = uv_loop_init(loop);

    if (r < 0)
        return r;
    serve->progress.data = serve->before_poll.data = serve->after_poll.data = serve;
    serve->on_term.data = serve->on_int.data = serve->on_hup.data = serve;
    serve->stop_timer.data = serve;
    if ((r = uv_async_init(loop, &serve->progress, on_progress)) < 0 ||
        (r = uv_prepare_init(loop, &serve->before_poll)) < 0 ||
        (r = uv_check_init(loop, &serve->after_poll)) < 0 ||
        (r = uv_signal_init(loop, &serve->on_term)) < 0 ||
        (r = uv_signal_init(loop, &serve->on_int)) < 0 ||
        (r = uv_signal_init(loop, &serve->on_hup)) < 0 ||
        (r = uv_timer_init(loop, &serve->watchdog)) < 0 ||
        (r = uv_timer_init(loop, &serve->stop_timer)) < 0)
        return r;
    if (interval > 0)
        uv_timer_start(&serve->watchdog, on_watchdog, 0, (uint64_t)interval);
    return 0;
}

int serve_init(struct serve *serve)
{
    static const struct ipc_quota_limits none;
    int r = init_loop(serve);

    if (r == 0)
        r = waiting_init(&serve->waiting, serve);
    if (r == 0)
        r = sessions_init(&serve->sessions, serve);
    if (r == 0)
        r = ipc_quota_new(&none, &serve->quota);
    if (r == 0 && !msgpack_zone_init(&serve->resume_zone, 4096))
        r = -ENOMEM;
    if (r < 0)
        return r;
    r = event_reader_init(&serve->event_reader, serve);
    if (r < 0)
        return r;
    event_keeping_init(&serve->event_keeping, serve);
    subscribers_init(&serve->subscribers, serve);
    set_quota(serve, serve->config);
    list_init(&serve->connections);
    msgpack_sbuffer_init(&serve->answer);
    reply_gate_init(&serve->gate, 0);
    serve_errands_init(&serve->errands, serve);
    transactions_init(&serve->transactions, serve);
    events_init(&serve->events, serve);
    backup_init(&serve->backup, serve);
    serve->config_generation = 1;
    serve->own_uid = geteuid();
    serve->started_boot = clock_boot_ms();
    return 0;
}

void serve_deinit(struct serve *serve)
{
    events_deinit(&serve->events);
    event_reader_deinit(&serve->event_reader);
    waiting_deinit(&serve->waiting);
    serve_errands_deinit(&serve->errands);
    helper_deinit(&serve->helper);
    sessions_deinit(&serve->sessions);
    msgpack_sbuffer_destroy(&serve->answer);
    msgpack_zone_destroy(&serve->resume_zone);
    serve->quota = ipc_quota_free(serve->quota);
    serve->core = core_free(serve->core);
    serve->config = config_free(serve->config);
}

static int start_handles(struct serve *serve)
{
    int r;

    if ((r = uv_prepare_start(&serve->before_poll, on_before_poll)) < 0 ||
        (r = uv_check_start(&serve->after_poll, on_after_poll)) < 0 ||
        (r = uv_signal_start(&serve->on_term, on_signal, SIGTERM)) < 0 ||
        (r = uv_signal_start(&serve->on_int, on_signal, SIGINT)) < 0)
        return r;
    return uv_signal_start(&serve->on_hup, on_signal, SIGHUP);
}

int serve_run(struct serve *serve)
{
    int r = start_handles(serve);

    if (r < 0) {
        log_error("the event loop: %s", uv_strerror(r));
        return 1;
    }
    service_notify("READY=1\nSTATUS=serving");
    log_notice("serving");
    uv_run(&serve->loop, UV_RUN_DEFAULT);
    if (serve->exit_code != 0)
        return serve->exit_code;
    backup_deinit(&serve->backup);
    r = store_close(serve->store, true);
    serve->store = NULL;
    if (r < 0) {
        log_error("not everything could be written at the end: %s", strerror(-r));
        return 1;
    }
    uv_close((uv_handle_t *)&serve->progress, NULL);
    uv_run(&serve->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&serve->loop) < 0) {
        log_error("the event loop did not end empty");
        return 1;
    }
    return 0;
}

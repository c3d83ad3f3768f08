/* See server.h. */
#include "server.h"
#include <creditd_uv.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

#define HEAD_MAX (64u * 1024u) /* of a request: its session alone may have 16 KiB */
#define FULL_MS 200            /* after which connections are taken again */
#define STOP_MS 5000           /* in which requests may end when we stop */
#define LIMIT_ROOM 8           /* of libmicrohttpd's, which resets what is beyond: ours is first */
#define LAST_TURNS 64          /* for sending the last answers */

/* --- libmicrohttpd in the loop --- */

static void turn(struct server *server);

static void on_turn(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_epoll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    turn(poll->data);
}

void server_kick(struct server *server)
{
    uv_timer_start(&server->turn, on_turn, 0, 0);
}

static bool has_room(const struct server *server)
{
    return server->figures.connections + server->arriving < server->connections_max;
}

/* Those that were at the limit come in when there is room again; after a failure of accept4() when
 * its delay is over, too. */
static void look_for_room(struct server *server)
{
    if (server->listeners.is_paused && !server->is_stopping && has_room(server) &&
        !uv_is_active((uv_handle_t *)&server->retry))
        listen_start(&server->listeners);
}

/* Not from within the request's callback: libmicrohttpd would then go on, when the connection is
 * resumed, with what it did before, which is reading, and a client that has closed its sending side
 * and waits for its answer would be taken for one that has gone. */
static void suspend_waiting(struct server *server)
{
    struct exchange *exchange;

    while ((exchange = LIST_FIRST(&server->suspending))) {
        LIST_REMOVE(exchange, entry);
        exchange->is_to_suspend = false;
        MHD_suspend_connection(exchange->connection);
    }
}

static void turn(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG timeout;

    MHD_run(server->http);
    suspend_waiting(server);
    server->arriving = 0;
    look_for_room(server);
    if (MHD_get_timeout(server->http, &timeout) == MHD_YES)
        uv_timer_start(&server->turn, on_turn, timeout, 0);
    else
        uv_timer_stop(&server->turn);
}

/* --- connections --- */

static void on_retry(uv_timer_t *timer)
{
    look_for_room(timer->data);
}

void server_is_full(struct server *server)
{
    listen_pause(&server->listeners);
    uv_timer_start(&server->retry, on_retry, FULL_MS, 0);
}

void server_take(const struct listener *listener, int fd, const struct sockaddr *address,
                 socklen_t length)
{
    struct server *server = listener->server;

    if (links_expect(&server->links, fd, listener->is_local) < 0) {
        close(fd);
        return;
    }
    /* It closes what it does not take, and says which it took only in its next turn. */
    MHD_add_connection(server->http, fd, address, length);
    server->arriving++;
    if (!has_room(server))
        listen_pause(&server->listeners);
    server_kick(server);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *server = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        server->figures.connections++;
        server->figures.connections_total++;
        *socket_context = link_new(&server->links, connection);
        return;
    }
    server->figures.connections--;
    link_free(*socket_context);
    *socket_context = NULL;
}

/* What is wrong with a client's bytes is the client's affair. */
static void log_quietly(void *cls, const char *format, va_list arguments)
{
    char line[512];

    (void)cls;
    vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    log_debug("libmicrohttpd: %s", line);
}

static int start_http(struct server *server)
{
    const struct config *config = server->config;
    unsigned timeout = (unsigned)((config->http.timeout + 999) / 1000);
    const union MHD_DaemonInfo *info;

    server->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, exchange_handle, server, MHD_OPTION_EXTERNAL_LOGGER, log_quietly, NULL,
        MHD_OPTION_CONNECTION_LIMIT, server->connections_max + LIMIT_ROOM,
        MHD_OPTION_CONNECTION_TIMEOUT, timeout, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEAD_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK,
        exchange_new, server, MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    info = server->http ? MHD_get_daemon_info(server->http, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info)
        return -EIO;
    return uv_poll_init(&server->loop, &server->epoll, info->epoll_fd);
}

/* --- the end --- */

static void close_all(struct server *server)
{
    listen_close(&server->listeners);
    uv_close((uv_handle_t *)&server->turn, NULL);
    uv_close((uv_handle_t *)&server->retry, NULL);
    uv_close((uv_handle_t *)&server->watchdog, NULL);
    links_close(&server->links);
    for (size_t i = 0; i < SERVER_SIGNALS; i++)
        uv_close((uv_handle_t *)&server->signals[i], NULL);
}

/* What still waits is answered with "canceled", from within the closing of the client. Requests
 * that libmicrohttpd finds in its buffers from then on are refused before they reach it, so that
 * nothing is suspended when libmicrohttpd is stopped, which would abort. */
static void finish(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG timeout;

    server->is_stopping = true;
    stream_end_all(&server->streams);
    creditd_uv_close(server->adapter);
    server->client = NULL;
    server->adapter = NULL;
    for (int i = 0; i < LAST_TURNS; i++) {
        MHD_run(server->http);
        if (MHD_get_timeout(server->http, &timeout) != MHD_YES || timeout > 0)
            break;
    }
    uv_close((uv_handle_t *)&server->epoll, NULL); /* while the descriptor is there */
    MHD_stop_daemon(server->http);
    close_all(server);
}

static void on_stop_timeout(uv_timer_t *timer)
{
    finish(timer->data);
}

static void stop(struct server *server)
{
    if (server->is_stopping)
        return;
    server->is_stopping = true;
    service_notify("STOPPING=1");
    listen_pause(&server->listeners);
    uv_timer_start(&server->retry, on_stop_timeout, server->figures.waiting > 0 ? STOP_MS : 0, 0);
}

void server_waits(struct server *server)
{
    server->figures.waiting++;
}

void server_suspend(struct exchange *exchange)
{
    LIST_INSERT_HEAD(&exchange->server->suspending, exchange, entry);
    exchange->is_to_suspend = true;
}

void server_resume(struct exchange *exchange)
{
    struct server *server = exchange->server;

    /* One that is yet to be suspended is called again without. */
    if (exchange->is_to_suspend)
        LIST_REMOVE(exchange, entry);
    else
        MHD_resume_connection(exchange->connection);
    exchange->is_to_suspend = false;
    server->figures.waiting--;
    server_kick(server);
    if (server->is_stopping && server->figures.waiting == 0 &&
        uv_is_active((uv_handle_t *)&server->retry))
        uv_timer_start(&server->retry, on_stop_timeout, 0, 0);
}

/* --- signals --- */

static void reload(struct server *server)
{
    static const char *const sections[] = {"http", NULL};
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(cleanup_free) char *error = NULL;
    CLEANUP(cleanup_free) char *kept = NULL;

    if (config_load_found(server->config_path, NULL, &config, &error) < 0 ||
        config_keep(config, server->config, sections, &kept) < 0) {
        log_error("%s; going on with what was read before", error ? error : "out of memory");
        return;
    }
    if (kept)
        log_warning("%s: what has been changed there counts from the next start", kept);
    config_free(server->config);
    server->config = TAKE_PTR(config);
    log_notice("the configuration has been read anew");
}

static void on_signal(uv_signal_t *handle, int number)
{
    if (number == SIGHUP)
        reload(handle->data);
    else
        stop(handle->data);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    service_notify("WATCHDOG=1");
}

static int watch_signals(struct server *server)
{
    static const int numbers[SERVER_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    uint64_t interval = (uint64_t)service_watchdog_interval_ms();
    int r = 0;

    for (size_t i = 0; i < SERVER_SIGNALS && r == 0; i++)
        r = uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    if (r == 0 && interval > 0)
        r = uv_timer_start(&server->watchdog, on_watchdog, interval, interval);
    return r;
}

/* --- the start --- */

static void init_handles(struct server *server)
{
    uv_timer_init(&server->loop, &server->turn);
    uv_timer_init(&server->loop, &server->retry);
    uv_timer_init(&server->loop, &server->watchdog);
    server->turn.data = server->retry.data = server;
    links_init(&server->links, &server->loop, (uint64_t)server->config->http.timeout);
    for (size_t i = 0; i < SERVER_SIGNALS; i++) {
        uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
    }
}

/* As many descriptors as connections need, if we may. */
static void raise_limit(const struct config *config)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)config->http.connections + 64;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < wanted)
        log_warning("there are descriptors for %llu connections only",
                    (unsigned long long)limit.rlim_cur - 64);
}

static int start(struct server *server, const char *socket)
{
    int r = creditd_open(&server->client, socket, 0);

    if (r < 0) {
        log_error("%s: %s", socket, strerror(-r));
        return r;
    }
    r = creditd_uv_attach(&server->adapter, &server->loop, server->client);
    if (r < 0) {
        creditd_close(server->client);
        return r;
    }
    init_handles(server);
    LIST_INIT(&server->streams);
    LIST_INIT(&server->suspending);
    r = start_http(server);
    if (r < 0)
        log_error("libmicrohttpd cannot be started: %s", strerror(-r));
    return r;
}

static int announce(struct server *server)
{
    CLEANUP(cleanup_free) char *told = NULL;
    CLEANUP(cleanup_free) char *state = NULL;
    int r = listen_open(server, &told);

    if (r < 0)
        return r;
    r = watch_signals(server);
    if (r < 0)
        return r;
    server->epoll.data = server;
    uv_poll_start(&server->epoll, UV_READABLE, on_epoll);
    listen_start(&server->listeners);
    if (asprintf(&state, "READY=1\nSTATUS=listening on %s", told) < 0) {
        state = NULL;
        return -ENOMEM;
    }
    service_notify(state);
    return 0;
}

int server_run(struct config *config, const char *config_path, const char *socket)
{
    struct server server = {.config = config,
                            .config_path = config_path,
                            .connections_max = (unsigned)config->http.connections};
    int r = uv_loop_init(&server.loop);

    if (r == 0)
        r = start(&server, socket);
    if (r == 0) {
        raise_limit(config);
        r = announce(&server);
        if (r < 0)
            finish(&server);
        uv_run(&server.loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&server.loop) < 0)
            log_error("a handle was left open");
    }
    config_free(server.config);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

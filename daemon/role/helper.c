/* Loop, channel, signals: see helper.h. */
#include <errno.h>
#include <role/helper.h>
#include <role/role.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>

enum { SIGNAL_TERM, SIGNAL_INT, SIGNAL_HUP, SIGNAL_COUNT };

/* What helper.h does not show of it; lives as long as role_helper_run(). */
struct run {
    struct role_helper helper;
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t watchdog;
    const struct role_helper_options *options;
    const struct role_helper_callbacks *callbacks;
    void *userdata;
    enum ipc_close_reason reason;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct run *run = handle->data;

    if (number == SIGHUP) {
        run->callbacks->on_reload(run->userdata);
        return;
    }
    service_notify("STOPPING=1");
    if (run->helper.channel)
        ipc_channel_close(run->helper.channel);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    service_notify("WATCHDOG=1");
}

static void on_request(struct ipc_channel *channel, uint32_t msgid, const char *method,
                       size_t method_length, const msgpack_object *params, void *userdata)
{
    struct run *run = userdata;

    run->callbacks->on_request(channel, msgid, method, method_length, params, run->userdata);
}

static void on_notification(struct ipc_channel *channel, const char *method, size_t method_length,
                            const msgpack_object *params, void *userdata)
{
    struct run *run = userdata;
    const char *known = run->options->reload;

    (void)channel, (void)params;
    if (method_length == strlen(known) && memcmp(method, known, method_length) == 0)
        run->callbacks->on_reload(run->userdata);
}

/* With every handle closed, the loop ends. */
static void on_closed(struct ipc_channel *channel, enum ipc_close_reason reason, void *userdata)
{
    struct run *run = userdata;

    (void)channel;
    run->helper.channel = NULL;
    run->reason = reason;
    run->callbacks->on_end(run->userdata);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&run->signals[i], NULL);
    uv_close((uv_handle_t *)&run->watchdog, NULL);
}

static int watch_signals(struct run *run)
{
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGHUP};
    uint64_t interval = (uint64_t)service_watchdog_interval_ms();
    int r = 0;

    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&run->helper.loop, &run->signals[i]);
        run->signals[i].data = run;
        if (r == 0)
            r = uv_signal_start(&run->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&run->helper.loop, &run->watchdog);
    if (r == 0 && interval > 0)
        r = uv_timer_start(&run->watchdog, on_watchdog, interval, interval);
    return r;
}

/* Once there is a channel, its end is what ends all the rest. */
static int start(struct run *run, int *fd)
{
    const struct ipc_channel_options options = {.incoming_limit = run->options->incoming_limit};
    const struct ipc_channel_callbacks callbacks = {
        .on_request = on_request,
        .on_notification = on_notification,
        .on_closed = on_closed,
    };
    int r = run->callbacks->on_start(&run->helper, run->userdata);

    if (r < 0)
        return r;
    r = ipc_channel_new(&run->helper.loop, *fd, &options, &callbacks, run, &run->helper.channel);
    if (r < 0) {
        run->callbacks->on_end(run->userdata);
        return r;
    }
    *fd = -1;
    r = watch_signals(run);
    if (r == 0)
        r = role_helper_say_hello(&run->helper);
    if (r < 0)
        ipc_channel_close(run->helper.channel);
    else
        service_notify("READY=1");
    return r;
}

static int run_on(int fd, const struct role_helper_options *options,
                  const struct role_helper_callbacks *callbacks, void *userdata,
                  enum ipc_close_reason *ret_reason)
{
    struct run run = {.options = options, .callbacks = callbacks, .userdata = userdata};
    CLEANUP(cleanup_fd) int ours = fd;
    int r = uv_loop_init(&run.helper.loop);

    if (r < 0)
        return r;
    r = start(&run, &ours);
    uv_run(&run.helper.loop, UV_RUN_DEFAULT);
    uv_loop_close(&run.helper.loop);
    if (r == 0)
        *ret_reason = run.reason;
    return r;
}

int role_helper_say_hello(struct role_helper *helper)
{
    const struct run *run = CONTAINER_OF(helper, struct run, helper);

    if (!helper->channel)
        return -ENOTCONN;
    return ipc_channel_notify(helper->channel, run->options->hello, run->callbacks->pack_hello,
                              run->userdata);
}

static bool is_expected(enum ipc_close_reason reason)
{
    return reason == IPC_CLOSED_LOCAL || reason == IPC_CLOSED_PEER ||
           reason == IPC_CLOSED_TRUNCATED;
}

static int connect_to_serve(const char *path, int *ret_fd)
{
    int fd = service_take_fd(SERVICE_FD_SERVE);

    if (fd == -ENOENT)
        return fd_connect_unix(path, ret_fd);
    if (fd < 0)
        return fd;
    *ret_fd = fd;
    return 0;
}

int role_helper_run(const char *path, const struct role_helper_options *options,
                    const struct role_helper_callbacks *callbacks, void *userdata)
{
    enum ipc_close_reason reason;
    int fd, r = connect_to_serve(path, &fd);

    if (r < 0) {
        log_error("no connection to serve, neither passed nor at %s: %s; is creditd-serve running?",
                  path, strerror(-r));
        return ROLE_EXIT_FAILURE;
    }
    r = run_on(fd, options, callbacks, userdata, &reason);
    if (r < 0) {
        log_error("cannot start: %s", strerror(-r));
        return ROLE_EXIT_FAILURE;
    }
    if (is_expected(reason))
        return EXIT_SUCCESS;
    log_error("the connection to serve: %s", ipc_close_reason_text(reason));
    return ROLE_EXIT_FAILURE;
}

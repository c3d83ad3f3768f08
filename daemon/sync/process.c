/* Loop, channel, signals: see process.h. */
#include "process.h"
#include "driver.h"

#include <errno.h>
#include <ipc/channel.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>
#include <uv.h>

#define INCOMING_MAX 1024u /* requests of serve without an answer; past it nothing is read */

enum { SIGNAL_TERM, SIGNAL_INT, SIGNAL_HUP, SIGNAL_COUNT };

struct process {
    uv_loop_t loop;
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t watchdog;
    struct ipc_channel *channel; /* NULL when it has closed */
    struct driver *driver;
    const struct settings_source *source;
    bool livemode; /* as serve was told */
    int exit_code;
};

static void pack_hello(msgpack_packer *packer, void *context)
{
    const struct process *process = context;

    pack_map(packer, 2);
    pack_kv_text(packer, "version", CREDITD_VERSION);
    pack_kv_bool(packer, "livemode", process->livemode);
}

static int say_hello(struct process *process)
{
    return ipc_channel_notify(process->channel, UPSTREAM_NOTIFY_HELLO, pack_hello, process);
}

static void warn_of_missing_secrets(const struct settings *settings)
{
    if (!settings->api_key)
        log_warning("%s: every exchange is answered \"unauthorized\"", settings->key_problem);
    if (settings->better_auth.secret_problem[0] != '\0')
        log_warning("%s: every session is asked for", settings->better_auth.secret_problem);
    if (settings->webhook.problem[0] != '\0')
        log_warning("%s: no webhook is believed", settings->webhook.problem);
}

/* What cannot be loaded changes nothing. */
static void reload(struct process *process)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct settings *settings;

    if (settings_load(process->source, &settings, &error) < 0) {
        log_error("%s; going on with what was read before", error ? error : "out of memory");
        return;
    }
    warn_of_missing_secrets(settings);
    log_notice("the configuration and the API key have been read anew");
    process->livemode = settings_livemode(settings);
    driver_set_settings(process->driver, settings);
    if (process->channel)
        (void)say_hello(process); /* -ENOTCONN: it is on its way out */
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct process *process = handle->data;

    if (number == SIGHUP) {
        reload(process);
        return;
    }
    service_notify("STOPPING=1");
    if (process->channel)
        ipc_channel_close(process->channel);
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    service_notify("WATCHDOG=1");
}

/* Copies what is packed already. */
static void pack_copy(msgpack_packer *packer, void *context)
{
    const msgpack_sbuffer *packed = context;

    packer->callback(packer->data, packed->data, packed->size);
}

static void on_answer(void *data, uint32_t msgid, const msgpack_sbuffer *result)
{
    struct process *process = data;
    int r = -ENOMEM;

    if (result)
        r = ipc_channel_answer(process->channel, msgid, pack_copy, (void *)(uintptr_t)result);
    /* serve's deadline turns that into "unanswered", which is true of every exchange. */
    if (r < 0 && r != -ENOTCONN)
        log_error("an answer for serve was lost: %s", strerror(-r));
}

static void on_request(struct ipc_channel *channel, uint32_t msgid, const char *method,
                       size_t method_length, const msgpack_object *params, void *userdata)
{
    struct process *process = userdata;
    const char *parameter = NULL;
    int r = driver_submit(process->driver, msgid, method, method_length, params, &parameter);

    if (r == -ENOENT)
        ipc_channel_refuse(channel, msgid, PROTO_ERROR_UNKNOWN_METHOD, "there is no such exchange");
    else if (r == -EBADMSG)
        ipc_channel_refuse(channel, msgid, PROTO_ERROR_INVALID_PARAMETER, parameter);
    else if (r < 0)
        ipc_channel_refuse(channel, msgid, PROTO_ERROR_BUSY, "out of memory");
}

static void on_notification(struct ipc_channel *channel, const char *method, size_t method_length,
                            const msgpack_object *params, void *userdata)
{
    static const char known[] = UPSTREAM_NOTIFY_RELOAD;

    (void)channel, (void)params;
    if (method_length == sizeof known - 1 && memcmp(method, known, method_length) == 0)
        reload(userdata);
}

/* The end: with every handle closed, the loop ends by itself. */
static void on_closed(struct ipc_channel *channel, enum ipc_close_reason reason, void *userdata)
{
    struct process *process = userdata;
    bool expected =
        reason == IPC_CLOSED_LOCAL || reason == IPC_CLOSED_PEER || reason == IPC_CLOSED_TRUNCATED;

    (void)channel;
    process->channel = NULL;
    if (!expected) {
        process->exit_code = EXIT_FAILURE;
        log_error("the connection to serve: %s", ipc_close_reason_text(reason));
    }
    process->driver = driver_free(process->driver);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        uv_close((uv_handle_t *)&process->signals[i], NULL);
    uv_close((uv_handle_t *)&process->watchdog, NULL);
}

static int watch_signals(struct process *process)
{
    static const int numbers[SIGNAL_COUNT] = {SIGTERM, SIGINT, SIGHUP};
    uint64_t interval = (uint64_t)service_watchdog_interval_ms();
    int r = 0;

    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        uv_signal_init(&process->loop, &process->signals[i]);
        process->signals[i].data = process;
        if (r == 0)
            r = uv_signal_start(&process->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&process->loop, &process->watchdog);
    if (r == 0 && interval > 0)
        r = uv_timer_start(&process->watchdog, on_watchdog, interval, interval);
    return r;
}

/* The channel first: its end is what ends all the rest. On failure there is no channel. */
static int process_start(struct process *process, int fd, struct settings *settings)
{
    const struct ipc_channel_options options = {.incoming_limit = INCOMING_MAX};
    const struct ipc_channel_callbacks callbacks = {
        .on_request = on_request,
        .on_notification = on_notification,
        .on_closed = on_closed,
    };
    int r;

    warn_of_missing_secrets(settings);
    process->livemode = settings_livemode(settings);
    r = driver_new(&process->loop, settings, on_answer, process, &process->driver);
    if (r < 0)
        return r;
    r = ipc_channel_new(&process->loop, fd, &options, &callbacks, process, &process->channel);
    if (r < 0) {
        process->driver = driver_free(process->driver);
        return r;
    }
    r = watch_signals(process);
    if (r == 0)
        r = say_hello(process);
    if (r < 0) {
        log_error("cannot start: %s", strerror(-r));
        process->exit_code = EXIT_FAILURE;
        ipc_channel_close(process->channel);
        return 0;
    }
    service_notify("READY=1");
    return 0;
}

int process_run(int fd, struct settings *settings, const struct settings_source *source)
{
    struct process process = {.source = source};
    int r = uv_loop_init(&process.loop);

    if (r < 0) {
        settings_unref(settings);
    } else {
        r = process_start(&process, fd, settings);
        uv_run(&process.loop, UV_RUN_DEFAULT);
        uv_loop_close(&process.loop);
    }
    if (r < 0) {
        close(fd);
        log_error("cannot start: %s", strerror(-r));
        return EXIT_FAILURE;
    }
    return process.exit_code;
}

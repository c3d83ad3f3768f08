/* Loop, channel, signals: see process.h. */
#include "process.h"
#include "driver.h"

#include <errno.h>
#include <ipc/channel.h>
#include <proto/hook.h>
#include <proto/message.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/log.h>
#include <util/macros.h>
#include <util/service.h>
#include <uv.h>

/* Deliveries of serve without an answer; past it nothing is read. All hooks with the largest
 * concurrency that there is. */
#define INCOMING_MAX (HOOK_COUNT_ * 64u)

enum { SIGNAL_TERM, SIGNAL_INT, SIGNAL_HUP, SIGNAL_COUNT };

struct process {
    uv_loop_t loop;
    uv_signal_t signals[SIGNAL_COUNT];
    uv_timer_t watchdog;
    struct ipc_channel *channel; /* NULL when it has closed */
    struct driver *driver;
    const char *config_path;
    int exit_code;
};

static void warn(const struct settings *settings)
{
    bool has_program = false;

    for (unsigned i = 0; i < HOOK_COUNT_; i++) {
        const char *program = settings->hooks[i].program;

        has_program |= program != NULL;
        /* Whether it can be run as another user is seen when it is. */
        if (program && !settings->identity.is_other && access(program, X_OK) < 0)
            log_warning("[hooks] %s: %s cannot be run: %s", hook_name(i), program, strerror(errno));
    }
    if (has_program && settings->identity.uid == 0)
        log_warning("programs of [hooks] run as root: name another in [hooks] user");
    if (settings->is_signed && !settings->secret)
        log_warning("%s: nothing is posted", settings->secret_problem);
}

/* What cannot be loaded changes nothing. */
static void reload(struct process *process)
{
    CLEANUP(cleanup_free) char *error = NULL;
    struct settings *settings;

    if (settings_load(process->config_path, &settings, &error) < 0) {
        log_error("%s; going on with what was read before", error ? error : "out of memory");
        return;
    }
    warn(settings);
    log_notice("the configuration has been read anew");
    driver_set_settings(process->driver, settings);
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

static void pack_hello(msgpack_packer *packer, void *context)
{
    (void)context;
    pack_map(packer, 1);
    pack_kv_text(packer, "version", CREDITD_VERSION);
}

static void pack_answer(msgpack_packer *packer, void *context)
{
    outcome_pack(context, packer);
}

static void on_answer(void *data, uint32_t msgid, const struct outcome *outcome)
{
    struct process *process = data;
    int r = ipc_channel_answer(process->channel, msgid, pack_answer, (void *)(uintptr_t)outcome);

    /* serve's deadline turns that into a failure: it is delivered once more. */
    if (r < 0 && r != -ENOTCONN)
        log_error("an answer for serve was lost: %s", strerror(-r));
}

static void on_request(struct ipc_channel *channel, uint32_t msgid, const char *method,
                       size_t method_length, const msgpack_object *params, void *userdata)
{
    static const char known[] = HOOK_METHOD_RUN;
    struct process *process = userdata;
    const char *parameter = NULL;
    int r;

    if (method_length != sizeof known - 1 || memcmp(method, known, method_length) != 0) {
        ipc_channel_refuse(channel, msgid, PROTO_ERROR_UNKNOWN_METHOD, "there is no such method");
        return;
    }
    r = driver_submit(process->driver, msgid, params, &parameter);
    if (r == -EBADMSG)
        ipc_channel_refuse(channel, msgid, PROTO_ERROR_INVALID_PARAMETER, parameter);
    else if (r < 0)
        ipc_channel_refuse(channel, msgid, PROTO_ERROR_BUSY, "out of memory");
}

static void on_notification(struct ipc_channel *channel, const char *method, size_t method_length,
                            const msgpack_object *params, void *userdata)
{
    static const char known[] = HOOK_NOTIFY_RELOAD;

    (void)channel, (void)params;
    if (method_length == sizeof known - 1 && memcmp(method, known, method_length) == 0)
        reload(userdata);
}

/* The end: with every handle closed, and the last program ended, the loop ends by itself. A second
 * SIGTERM meanwhile ends us, and the kernel the programs with us. */
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
    driver_end(process->driver);
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

    warn(settings);
    r = driver_new(&process->loop, settings, on_answer, process, &process->driver);
    if (r < 0)
        return r;
    r = ipc_channel_new(&process->loop, fd, &options, &callbacks, process, &process->channel);
    if (r < 0) {
        driver_end(process->driver);
        return r;
    }
    r = watch_signals(process);
    if (r == 0)
        r = ipc_channel_notify(process->channel, HOOK_NOTIFY_HELLO, pack_hello, NULL);
    if (r < 0) {
        log_error("cannot start: %s", strerror(-r));
        process->exit_code = EXIT_FAILURE;
        ipc_channel_close(process->channel);
        return 0;
    }
    service_notify("READY=1");
    return 0;
}

int process_run(int fd, struct settings *settings, const char *config_path)
{
    struct process process = {.config_path = config_path};
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

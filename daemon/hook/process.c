/* Requests, answers, reloads: see process.h. */
#include "process.h"
#include "driver.h"

#include <errno.h>
#include <proto/hook.h>
#include <proto/message.h>
#include <role/helper.h>
#include <role/role.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <util/log.h>
#include <util/macros.h>

/* Deliveries of serve without an answer; past it nothing is read. All hooks with the largest
 * concurrency that there is. */
#define INCOMING_MAX (HOOK_COUNT_ * 64u)

struct process {
    struct role_helper *helper;
    struct driver *driver;
    struct settings *settings; /* until the driver has them */
    const char *config_path;
};

static void warn_of_user(const struct identity *identity)
{
    if (identity->is_unnamed_root)
        log_error("%s", IDENTITY_UNNAMED_ROOT);
    else if (identity->uid == 0)
        log_warning("programs of [hooks] run as root: name another in [hooks] user");
    else if (identity->is_unnamed_self)
        log_warning("programs of [hooks] run as creditd-hook itself and could act in its place: it "
                    "cannot change to creditd-hook-run, and [hooks] user is not set");
}

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
    if (has_program)
        warn_of_user(&settings->identity);
    if (settings->is_signed && !settings->secret)
        log_warning("%s: nothing is posted", settings->secret_problem);
}

/* What cannot be loaded changes nothing. */
static void on_reload(void *userdata)
{
    struct process *process = userdata;
    CLEANUP(cleanup_free) char *error = NULL;
    struct settings *settings;

    if (settings_load(process->config_path, &settings, &error) < 0) {
        role_go_on(error);
        return;
    }
    warn(settings);
    log_notice("the configuration has been read anew");
    driver_set_settings(process->driver, settings);
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
    int r = ipc_channel_answer(process->helper->channel, msgid, pack_answer,
                               (void *)(uintptr_t)outcome);

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

static int on_start(struct role_helper *helper, void *userdata)
{
    struct process *process = userdata;

    process->helper = helper;
    warn(process->settings);
    return driver_new(&helper->loop, TAKE_PTR(process->settings), on_answer, process,
                      &process->driver);
}

/* The loop goes on until the last program has ended. A second SIGTERM meanwhile ends us, and the
 * kernel the programs with us. */
static void on_end(void *userdata)
{
    struct process *process = userdata;

    driver_end(process->driver);
}

int process_run(struct settings *settings, const char *config_path)
{
    static const struct role_helper_options options = {
        .hello = HOOK_NOTIFY_HELLO,
        .reload = HOOK_NOTIFY_RELOAD,
        .incoming_limit = INCOMING_MAX,
    };
    static const struct role_helper_callbacks callbacks = {
        .on_start = on_start,
        .on_request = on_request,
        .on_reload = on_reload,
        .on_end = on_end,
        .pack_hello = pack_hello,
    };
    struct process process = {.settings = settings, .config_path = config_path};
    int r = role_helper_run(settings->hook_socket, &options, &callbacks, &process);

    settings_unref(process.settings);
    return r;
}

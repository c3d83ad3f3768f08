/* Requests, answers, reloads: see process.h. */
#include "process.h"
#include "driver.h"

#include <errno.h>
#include <proto/message.h>
#include <proto/upstream.h>
#include <role/helper.h>
#include <role/role.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/log.h>
#include <util/macros.h>

#define INCOMING_MAX 1024u /* requests of serve without an answer; past it nothing is read */

struct process {
    struct role_helper *helper;
    struct driver *driver;
    struct settings *settings; /* until the driver has them */
    const struct settings_source *source;
    /* As serve was told: */
    bool livemode;
    char upstream[UPSTREAM_NAME_MAX + 1]; /* "": there is no key */
};

static void pack_hello(msgpack_packer *packer, void *context)
{
    const struct process *process = context;

    pack_map(packer, 3);
    pack_kv_text(packer, "version", CREDITD_VERSION);
    pack_kv_bool(packer, "livemode", process->livemode);
    pack_kv_text(packer, "upstream", process->upstream[0] != '\0' ? process->upstream : NULL);
}

/* The settings are the driver's from then on. */
static void note_settings(struct process *process, const struct settings *settings)
{
    process->livemode = settings_livemode(settings);
    snprintf(process->upstream, sizeof(process->upstream), "%s",
             settings->upstream ? settings->upstream : "");
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
static void on_reload(void *userdata)
{
    struct process *process = userdata;
    CLEANUP(cleanup_free) char *error = NULL;
    struct settings *settings;

    if (settings_load(process->source, &settings, &error) < 0) {
        role_go_on(error);
        return;
    }
    warn_of_missing_secrets(settings);
    log_notice("the configuration and the API key have been read anew");
    note_settings(process, settings);
    driver_set_settings(process->driver, settings);
    (void)role_helper_say_hello(process->helper); /* -ENOTCONN: it is on its way out */
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
        r = ipc_channel_answer(process->helper->channel, msgid, pack_copy,
                               (void *)(uintptr_t)result);
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

static int on_start(struct role_helper *helper, void *userdata)
{
    struct process *process = userdata;

    process->helper = helper;
    warn_of_missing_secrets(process->settings);
    note_settings(process, process->settings);
    return driver_new(&helper->loop, TAKE_PTR(process->settings), on_answer, process,
                      &process->driver);
}

static void on_end(void *userdata)
{
    struct process *process = userdata;

    process->driver = driver_free(process->driver);
}

int process_run(struct settings *settings, const struct settings_source *source)
{
    static const struct role_helper_options options = {
        .hello = UPSTREAM_NOTIFY_HELLO,
        .reload = UPSTREAM_NOTIFY_RELOAD,
        .incoming_limit = INCOMING_MAX,
    };
    static const struct role_helper_callbacks callbacks = {
        .on_start = on_start,
        .on_request = on_request,
        .on_reload = on_reload,
        .on_end = on_end,
        .pack_hello = pack_hello,
    };
    struct process process = {.settings = settings, .source = source};
    int r = role_helper_run(settings->sync_socket, &options, &callbacks, &process);

    settings_unref(process.settings);
    return r;
}

/* Settings of creditd-sync: see settings.h. */
#include "settings.h"
#include "key.h"
#include "upstream_name.h"

#include <errno.h>
#include <proto/upstream.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/fd.h>
#include <util/macros.h>
#include <util/service.h>

#define AUTH_SECRET_MAX 4096
#define WEBHOOK_SECRET_MAX 1024

static void settings_cleanup(struct settings **settings)
{
    settings_unref(*settings);
}

static int say(char **ret_error, int r, const char *path, const char *what, const char *reason)
{
    if (asprintf(ret_error, "%s%s%s%s", path ? path : "", path ? ": " : "", what, reason) < 0)
        return -ENOMEM;
    return r;
}

static int copy_text(char **target, const char *text)
{
    if (!text)
        return 0;
    *target = strdup(text);
    return *target ? 0 : -ENOMEM;
}

static int target_load(const struct settings_source *source, const char *configured,
                       struct target *target, char **ret_error)
{
    const char *url = source->base_url ? source->base_url : configured;
    const char *reason = NULL;
    int r = target_init(target, TARGET_BASE, url ? url : SETTINGS_DEFAULT_URL, &reason);

    if (r < 0 && reason && source->base_url)
        return say(ret_error, r, NULL, "CREDITD_BASE_URL ", reason);
    if (r < 0 && reason)
        return say(ret_error, r, source->config_path, "[stellartools] base_url ", reason);
    return r;
}

/* A secret that cannot be read is no reason to stop: the app can still be asked. */
static void auth_secret_load(const char *path, struct settings *settings)
{
    int r = path ? fd_read_secret_file(path, AUTH_SECRET_MAX, &settings->better_auth.secret) : 0;

    if (r < 0)
        snprintf(settings->better_auth.secret_problem, sizeof settings->better_auth.secret_problem,
                 "the secret of Better Auth cannot be read from %s: %s", path, strerror(-r));
}

/* Nor is this one: nothing but webhooks needs it. */
static void webhook_secret_load(const char *file, struct settings *settings)
{
    CLEANUP(cleanup_free)
    char *credential = file ? NULL : service_credential_path("webhook_secret");
    const char *path = file ? file : credential;
    int r = path ? fd_read_secret_file(path, WEBHOOK_SECRET_MAX, &settings->webhook.secret) : 0;

    if (r < 0)
        snprintf(settings->webhook.problem, sizeof settings->webhook.problem,
                 "the webhook secret cannot be read from %.100s: %s", path, strerror(-r));
}

/* Without a key nothing reaches anybody, and what kind it will be is not known. */
static int upstream_load(const struct settings_source *source, struct settings *settings,
                         char **ret_error)
{
    int r = 0;

    if (!settings->api_key)
        return 0;
    if (source->is_sandbox && source->base_url && settings->target.is_loopback)
        return copy_text(&settings->upstream, UPSTREAM_NAME_SANDBOX);
    r = upstream_name(settings->target.url, settings_livemode(settings), &settings->upstream);
    return r == -E2BIG
               ? say(ret_error, r, source->config_path, "[stellartools] base_url ", "is too long")
               : r;
}

static int auth_load(const struct settings_source *source, const struct config *config,
                     struct settings *settings, char **ret_error)
{
    const char *reason = NULL;
    int r = 0;

    if (config->better_auth.url)
        r = target_init(&settings->better_auth.target, TARGET_BASE, config->better_auth.url,
                        &reason);
    if (r < 0 && reason)
        return say(ret_error, r, source->config_path, "[better_auth] url ", reason);
    if (r < 0)
        return r;
    settings->better_auth.session_ttl = config->better_auth.session_ttl;
    auth_secret_load(config->better_auth.secret_file, settings);
    return copy_text(&settings->better_auth.cookie_prefix, config->better_auth.cookie_prefix);
}

static void secrets_load(const struct settings_source *source, const struct config *config,
                         struct settings *settings)
{
    /* Whoever points us elsewhere by the environment gives the key that belongs there: the
     * configured one stays here. */
    const char *key_file =
        source->base_url && source->environment_key ? NULL : config->stellartools.api_key_file;

    webhook_secret_load(config->stellartools.webhook_secret_file, settings);
    key_load(key_file, source->environment_key, &settings->api_key, settings->key_problem,
             sizeof settings->key_problem);
}

int settings_load(const struct settings_source *source, struct settings **ret_settings,
                  char **ret_error)
{
    struct settings_source from = *source;
    CLEANUP(cleanup_free) char *path = NULL;
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(settings_cleanup) struct settings *settings = calloc(1, sizeof *settings);
    char *error = NULL;
    int r;

    if (settings)
        settings->references = 1;
    r = settings ? config_load_found(source->config_path, &path, &config, &error) : -ENOMEM;
    from.config_path = path;

    if (r >= 0)
        r = target_load(&from, config->stellartools.base_url, &settings->target, &error);
    if (r >= 0)
        r = copy_text(&settings->api_version, config->stellartools.api_version);
    if (r >= 0)
        r = copy_text(&settings->sync_socket, config->paths.sync_socket);
    if (r >= 0)
        r = auth_load(&from, config, settings, &error);
    if (r >= 0)
        secrets_load(&from, config, settings);
    if (r >= 0)
        r = upstream_load(&from, settings, &error);
    if (r < 0) {
        if (!error)
            say(&error, r, NULL, "the configuration cannot be read: ", strerror(-r));
        *ret_error = error;
        return r;
    }
    settings->connect_timeout = config->stellartools.connect_timeout;
    settings->request_timeout = config->stellartools.request_timeout;
    *ret_settings = TAKE_PTR(settings);
    return 0;
}

bool settings_livemode(const struct settings *settings)
{
    static const char test[] = "sk_test";

    return settings->api_key && strncmp(settings->api_key, test, sizeof test - 1) != 0;
}

struct settings *settings_ref(struct settings *settings)
{
    settings->references++;
    return settings;
}

struct settings *settings_unref(struct settings *settings)
{
    if (!settings || --settings->references > 0)
        return NULL;
    target_deinit(&settings->target);
    free(settings->api_version);
    secret_free(settings->api_key);
    free(settings->upstream);
    free(settings->sync_socket);
    target_deinit(&settings->better_auth.target);
    secret_free(settings->better_auth.secret);
    free(settings->better_auth.cookie_prefix);
    secret_free(settings->webhook.secret);
    free(settings);
    return NULL;
}

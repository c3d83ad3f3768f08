/* Settings of creditd-hook: see settings.h. */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/config.h>
#include <util/fd.h>
#include <util/macros.h>

#define SECRET_MAX 4096

static const char *const names[HOOK_COUNT_] = {
#define X(name, option, filter) [HOOK_##name] = #option,
    HOOK_TABLE(X)
#undef X
};

const char *hook_name(enum hook_number number)
{
    return names[number];
}

int hook_find(const char *name, size_t length, enum hook_number *ret_number)
{
    for (unsigned i = 0; i < HOOK_COUNT_; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            *ret_number = i;
            return 0;
        }
    return -ENOENT;
}

static void settings_cleanup(struct settings **settings)
{
    settings_unref(*settings);
}

static int say(char **ret_error, int r, const char *path, const char *option, const char *reason)
{
    if (asprintf(ret_error, "%s: [hooks] %s %s", path ? path : "creditd-hook", option, reason) < 0)
        return -ENOMEM;
    return r;
}

static int hook_load(struct hook *hook, const char *path, const char *option, const char *value,
                     char **ret_error)
{
    const char *reason = NULL;
    int r = 0;

    if (value && value[0] == '/') {
        hook->program = strdup(value);
        return hook->program ? 0 : -ENOMEM;
    }
    if (value)
        r = target_init(&hook->target, TARGET_WHOLE, value, &reason);
    return reason ? say(ret_error, r, path, option, reason) : r;
}

static int hooks_load(struct settings *settings, const char *path, const struct config *config,
                      char **ret_error)
{
    const char *const values[HOOK_COUNT_] = {
#define X(name, option, filter) [HOOK_##name] = config->hooks.option,
        HOOK_TABLE(X)
#undef X
    };
    int r = 0;

    for (unsigned i = 0; r == 0 && i < HOOK_COUNT_; i++)
        r = hook_load(&settings->hooks[i], path, names[i], values[i], ret_error);
    return r;
}

static void secret_load(struct settings *settings, const char *path)
{
    int r;

    settings->is_signed = path != NULL;
    r = path ? fd_read_secret_file(path, SECRET_MAX, &settings->secret) : 0;
    if (r < 0)
        snprintf(settings->secret_problem, sizeof settings->secret_problem,
                 "the secret cannot be read from %s: %s", path, strerror(-r));
}

static int settings_fill(struct settings *settings, const char *path, const struct config *config,
                         char **ret_error)
{
    const char *reason = NULL;
    int r = hooks_load(settings, path, config, ret_error);

    if (r < 0)
        return r;
    r = identity_init(&settings->identity, config->hooks.user, &reason);
    if (r < 0)
        return reason ? say(ret_error, r, path, "user", reason) : r;
    secret_load(settings, config->hooks.secret_file);
    settings->timeout = config->hooks.timeout;
    settings->hook_socket = strdup(config->paths.hook_socket);
    return settings->hook_socket ? 0 : -ENOMEM;
}

int settings_load(const char *config_path, struct settings **ret_settings, char **ret_error)
{
    CLEANUP(cleanup_free) char *path = NULL;
    CLEANUP(config_cleanup) struct config *config = NULL;
    CLEANUP(settings_cleanup) struct settings *settings = calloc(1, sizeof *settings);
    char *error = NULL;
    int r = -ENOMEM;

    if (settings) {
        settings->references = 1;
        r = config_load_found(config_path, &path, &config, &error);
    }
    if (r >= 0)
        r = settings_fill(settings, path, config, &error);
    if (r < 0) {
        if (!error && asprintf(&error, "the configuration cannot be read: %s", strerror(-r)) < 0)
            error = NULL;
        *ret_error = error;
        return r;
    }
    *ret_settings = TAKE_PTR(settings);
    return 0;
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
    for (unsigned i = 0; i < HOOK_COUNT_; i++) {
        free(settings->hooks[i].program);
        target_deinit(&settings->hooks[i].target);
    }
    identity_deinit(&settings->identity);
    secret_free(settings->secret);
    free(settings->hook_socket);
    free(settings);
    return NULL;
}

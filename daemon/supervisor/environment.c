/*
 * The environment of a role.
 */
#include "environment.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/macros.h>

/* A name that ends with '*' stands for all that begin so. */
static const char *const names_for_all[] = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_*",
    "TZ",
    "TMPDIR",
    "XDG_*",
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "JOURNAL_STREAM",
    "CREDITD_*",
    /* What testers set, for allocators and sanitizers. */
    "MALLOC_*",
    "GLIBC_TUNABLES",
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "LSAN_OPTIONS",
};

static const char *const names_for_key_holder[] = {"CREDENTIALS_DIRECTORY"};

static const char *const names_to_reach_out[] = {
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy",
    "NO_PROXY",      "no_proxy",     "ALL_PROXY",   "all_proxy",
};

/* Known to the table above by their pattern, and yet not for all. */
static const char *const names_set_here[] = {ENVIRONMENT_API_KEY, ENVIRONMENT_BASE_URL,
                                             ENVIRONMENT_SANDBOX};

static bool name_is_among(const char *item, const char *const *names, size_t count)
{
    size_t length = strcspn(item, "=");

    for (size_t i = 0; i < count; i++) {
        size_t prefix = strcspn(names[i], "*");

        if (names[i][prefix] ? length >= prefix : length == prefix)
            if (!strncmp(item, names[i], prefix))
                return true;
    }
    return false;
}

static bool passes(const struct role_spec *role, const char *item)
{
    if (name_is_among(item, names_set_here, ARRAY_SIZE(names_set_here)))
        return false;
    if (name_is_among(item, names_for_all, ARRAY_SIZE(names_for_all)))
        return true;
    if (role->holds_key &&
        name_is_among(item, names_for_key_holder, ARRAY_SIZE(names_for_key_holder)))
        return true;
    return role->reaches_out &&
           name_is_among(item, names_to_reach_out, ARRAY_SIZE(names_to_reach_out));
}

static size_t count_items(char *const *items)
{
    size_t count = 0;

    while (items[count])
        count++;
    return count;
}

/* "NAME=value" behind the last item; no value, no item. The vector has room. */
static int append(char **environment, const char *name, const char *value)
{
    size_t count = count_items(environment);

    if (!value)
        return 0;
    if (asprintf(&environment[count], "%s=%s", name, value) < 0) {
        environment[count] = NULL;
        return -ENOMEM;
    }
    return 0;
}

static int append_extra(char **environment, const struct role_spec *role,
                        const struct environment_extra *extra)
{
    char count[24];

    snprintf(count, sizeof(count), "%zu", extra->fd_count);
    if (append(environment, "NOTIFY_SOCKET", extra->notify) < 0 ||
        append(environment, "LISTEN_FDS", extra->fd_names ? count : NULL) < 0 ||
        append(environment, "LISTEN_FDNAMES", extra->fd_names) < 0)
        return -ENOMEM;
    if (role->holds_key && (append(environment, ENVIRONMENT_API_KEY, extra->api_key) < 0 ||
                            append(environment, ENVIRONMENT_BASE_URL, extra->base_url) < 0 ||
                            append(environment, ENVIRONMENT_SANDBOX, extra->sandbox) < 0))
        return -ENOMEM;
    return 0;
}

int environment_make(const struct role_spec *role, char *const *inherited,
                     const struct environment_extra *extra, char ***ret_environment)
{
    CLEANUP(environment_cleanup) char **environment = NULL;
    size_t count = 0;
    int r;

    environment = calloc(count_items(inherited) + 7, sizeof(*environment));
    if (!environment)
        return -ENOMEM;
    for (size_t i = 0; inherited[i]; i++) {
        if (!passes(role, inherited[i]))
            continue;
        environment[count] = strdup(inherited[i]);
        if (!environment[count++])
            return -ENOMEM;
    }
    r = append_extra(environment, role, extra);
    if (r < 0)
        return r;
    *ret_environment = TAKE_PTR(environment);
    return 0;
}

char **environment_free(char **environment)
{
    for (size_t i = 0; environment && environment[i]; i++)
        secret_free(environment[i]); /* one of them holds the key */
    free(environment);
    return NULL;
}

void environment_cleanup(char ***environment)
{
    *environment = environment_free(*environment);
}

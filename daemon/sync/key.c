/* Where the API key comes from: see key.h. */
#include "key.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/macros.h>
#include <util/service.h>

#define KEY_SIZE_MAX 1024

char *key_take_from_environment(const char *variable)
{
    char *value = getenv(variable);
    char *copy;

    if (!value)
        return NULL;
    copy = *value != '\0' ? strdup(value) : NULL;
    explicit_bzero(value, strlen(value));
    unsetenv(variable);
    return copy;
}

/* A header's value, and no room for a mistake such as two keys in a file. */
static bool key_valid(const char *key)
{
    size_t length = strlen(key);

    for (size_t i = 0; i < length; i++)
        if (key[i] < 0x21 || key[i] > 0x7e)
            return false;
    return length > 0 && length <= KEY_SIZE_MAX;
}

static int key_read(const char *path, char **ret_key, char *reason, size_t reason_size)
{
    CLEANUP(secret_cleanup) char *key = NULL;
    int r = fd_read_secret_file(path, KEY_SIZE_MAX, &key);

    if (r < 0) {
        snprintf(reason, reason_size, "the API key cannot be read from %s: %s", path, strerror(-r));
        return r == -ENOENT ? -EIO : r;
    }
    *ret_key = TAKE_PTR(key);
    return 0;
}

int key_load(const char *file, const char *environment, char **ret_key, char *reason,
             size_t reason_size)
{
    CLEANUP(secret_cleanup) char *key = NULL;
    CLEANUP(cleanup_free) char *credential = file ? NULL : service_credential_path("api_key");
    const char *path = file ? file : credential;
    int r = 0;

    if (path) {
        r = key_read(path, &key, reason, reason_size);
    } else if (environment) {
        key = strdup(environment);
        path = KEY_VARIABLE;
        r = key ? 0 : -ENOMEM;
    } else {
        snprintf(reason, reason_size, "no API key is configured");
        return -ENOENT;
    }
    if (r < 0)
        return r;
    if (!key_valid(key)) {
        snprintf(reason, reason_size,
                 "the API key in %s is not printable ASCII without blanks, or over %d bytes", path,
                 KEY_SIZE_MAX);
        return -EINVAL;
    }
    *ret_key = TAKE_PTR(key);
    return 0;
}

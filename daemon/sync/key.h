/*
 * The API key: a file that the configuration names, else the systemd credential `api_key`, else
 * STELLAR_TOOLS_API_KEY. It is read whole, checked, kept in this process alone and wiped when it is
 * replaced. Reasons name files and rules, never what was read.
 */
#pragma once

#include <stddef.h>

#define KEY_VARIABLE "STELLAR_TOOLS_API_KEY"

/* Takes a variable out of the environment: the caller frees the value with secret_free. What
 * /proc/PID/environ shows of it is wiped as well. NULL where it is not set or empty. */
char *key_take_from_environment(const char *variable);
/* 0; -ENOENT where no key is configured; or another negative errno. On failure `reason` says what
 * is wrong. `file` and `environment` may be NULL. */
int key_load(const char *file, const char *environment, char **ret_key, char *reason,
             size_t reason_size);

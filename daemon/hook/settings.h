/*
 * What creditd-hook needs of the configuration, loaded whole or not at all: a reload that fails
 * leaves the old settings in place.
 *
 * This file alone says what a hook is. serve knows hooks by name only.
 */
#pragma once

#include "identity.h"

#include <proto/hook.h>
#include <stdbool.h>
#include <stdint.h>
#include <web/target.h>

struct hook {
    char *program;        /* its path; NULL: none */
    struct target target; /* url NULL: none */
};

struct settings {
    unsigned references;
    struct hook hooks[HOOK_COUNT_];
    struct identity identity; /* of programs */
    bool is_signed;           /* what is posted; not without a secret */
    char *secret;             /* NULL where it cannot be read, and secret_problem says why */
    char secret_problem[256];
    int64_t timeout; /* ms */
    char *hook_socket;
};

/* -EINVAL and other errors: *ret_error is the line to print; the caller frees it. A secret that
 * cannot be read, or a program that is not there, is no error: that hook fails, the others do not.
 * The caller has the first reference. */
int settings_load(const char *config_path, struct settings **ret_settings, char **ret_error);
/* What is under way keeps the settings that it began with. */
struct settings *settings_ref(struct settings *settings);
struct settings *settings_unref(struct settings *settings);
/* on_…; -ENOENT where there is no hook of that name, configured or not. */
int hook_find(const char *name, size_t length, enum hook_number *ret_number);
const char *hook_name(enum hook_number number);

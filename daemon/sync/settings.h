/*
 * What sync needs of the configuration, the environment and the secrets, loaded whole or not at
 * all: a reload that fails leaves the old settings in place.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <web/target.h>

#define SETTINGS_DEFAULT_URL "https://api.stellartools.dev"

struct settings {
    unsigned references;
    struct target target;
    char *api_version; /* NULL: no header */
    char *api_key;     /* NULL: there is none, and key_problem says why */
    char *upstream;    /* what serve is told of both (proto/upstream.h); NULL: there is no key */
    char key_problem[256];
    int64_t connect_timeout, request_timeout; /* ms */
    char *sync_socket;
    struct {
        struct target target; /* url NULL: the app cannot be asked */
        char *secret;         /* NULL: none; then secret_problem may say why */
        char secret_problem[256];
        char *cookie_prefix;
        int64_t session_ttl; /* ms */
    } better_auth;
    struct {
        char *secret;      /* NULL: none; then problem may say why */
        char problem[200]; /* an answer's message at most */
    } webhook;
};

/* Where the settings come from; the strings belong to the program and outlive the settings. */
struct settings_source {
    const char *config_path; /* NULL: where it is when nobody says */
    const char *base_url;    /* overrides the configuration; NULL: does not */
    const char *environment_key;
    bool is_sandbox; /* base_url is that of creditd's own sandbox */
};

/* -EINVAL and other errors: *ret_error is the line to print; the caller frees it. A missing key is
 * no error: the role serves without. The caller has the first reference. */
int settings_load(const struct settings_source *source, struct settings **ret_settings,
                  char **ret_error);
/* Whether the key is one for real money: StellarTools tells by the key. */
bool settings_livemode(const struct settings *settings);
/* An exchange under way keeps the settings that it began with. */
struct settings *settings_ref(struct settings *settings);
struct settings *settings_unref(struct settings *settings);

/*
 * The environment of a role: what is on a list, and nothing else. A variable that nobody thought of
 * reaches nobody, and the API key reaches the one role that holds it.
 */
#pragma once

#include "roles.h"
#include <stddef.h>

#define ENVIRONMENT_API_KEY "STELLAR_TOOLS_API_KEY"
#define ENVIRONMENT_BASE_URL "CREDITD_BASE_URL"
#define ENVIRONMENT_SANDBOX "CREDITD_SANDBOX" /* base_url is that of our own sandbox */

struct environment_extra {
    /* For the role that holds the key; NULL: none. */
    const char *api_key, *base_url, *sandbox;
    const char *notify;
    const char *fd_names; /* with colons; NULL: no descriptors */
    size_t fd_count;
};

/* Allocates; ends with NULL. LISTEN_PID is left out: only the child knows it. */
int environment_make(const struct role_spec *role, char *const *inherited,
                     const struct environment_extra *extra, char ***ret_environment);
/* Wipes and frees. Returns NULL. */
char **environment_free(char **environment);
void environment_cleanup(char ***environment);

/*
 * The roles that the supervisor starts, and the channels between them.
 */
#include "roles.h"
#include <util/macros.h>
#include <util/service.h>

static bool http_is_wanted(const struct config *config)
{
    return config->http.listen != NULL || config->http.local != NULL;
}

const struct role_spec role_specs[] = {
    {"creditd-sandbox", "sandbox", ROLE_SANDBOX, NULL, false, false, false, NULL},
    {"creditd-serve", "serve", ROLE_OWNER, NULL, false, false, true, NULL},
    {"creditd-sync", "sync", ROLE_HELPER, SERVICE_FD_SYNC, true, true, true, NULL},
    /* Also where no hook is configured: a reload may bring the first. */
    {"creditd-hook", "hook", ROLE_HELPER, SERVICE_FD_HOOK, false, true, false, NULL},
    {"creditd-http", "http", ROLE_FRONT, NULL, false, false, false, http_is_wanted},
};
const size_t role_spec_count = ARRAY_SIZE(role_specs);

const struct channel_spec channel_specs[CHANNEL_COUNT] = {
    {SERVICE_FD_SYNC, ".sync", offsetof(struct config, paths.sync_socket)},
    {SERVICE_FD_HOOK, ".hook", offsetof(struct config, paths.hook_socket)},
};

/*
 * The roles that the supervisor starts, a row each, in the order of starting.
 *
 * serve listens: for clients, and on one channel for each kind of helper. A helper gets one end of
 * a connection to its channel. So a helper or serve can be started again alone, and nobody has to
 * hand a new socket to a process that runs already. A front is a client of serve like any other,
 * and listens for itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <util/config.h>

/* In the order in which they are stopped. */
enum role_kind { ROLE_FRONT, ROLE_OWNER, ROLE_HELPER, ROLE_SANDBOX };

struct role_spec {
    const char *executable;
    const char *folder; /* of the build tree, beside the supervisor's own */
    enum role_kind kind;
    const char *channel; /* of a helper: the name under which serve listens for it */
    bool holds_key;      /* gets the API key, the address of upstream and credentials */
    bool reaches_out;    /* gets the proxies and the certificates */
    bool is_needed;      /* creditd is not ready without it */
    bool (*is_wanted)(const struct config *config); /* NULL: always */
};

extern const struct role_spec role_specs[];
extern const size_t role_spec_count;

/* The channels that serve listens on. That of a helper that does not exist yet is there already:
 * serve need not know. */
struct channel_spec {
    const char *name;
    const char *suffix; /* of the clients' socket's path, where --socket has named that */
    size_t path_offset; /* of its path in struct config, where not */
};

#define CHANNEL_COUNT 2
extern const struct channel_spec channel_specs[CHANNEL_COUNT];

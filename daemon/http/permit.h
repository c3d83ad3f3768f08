/*
 * Who may do what by HTTP.
 *
 * creditd-serve sees creditd-http's uid, whoever asks; the roles of that uid must not be anybody's
 * (the confused deputy). So:
 *
 * - with a session, a request acts for that session's user and has no role, wherever it came from;
 * - without one, at the Unix socket for local programs ([http] local), it has the roles that
 *   [access] gives the process at the other end, as that process would have them at serve's own
 *   socket;
 * - anywhere else it has none, whoever sends it: then only what needs none is done. Proxies belong
 *   there. One that stands before the local socket and says so (a header) lends nothing either.
 *
 * Pure.
 */
#pragma once

#include "route.h"
#include <ipc/access.h>
#include <stdbool.h>
#include <stdint.h>

struct caller {
    bool has_session;
    bool is_local;  /* at the socket for local programs, and no proxy */
    unsigned roles; /* of the process at the other end; none where it is not local */
};

/* `present` are the parameters that the request names, as bits. 0, or a positive enum proto_error
 * with *ret_refusal. */
int permit_check(const struct route *route, const struct caller *caller, uint64_t present,
                 struct refusal *ret_refusal);

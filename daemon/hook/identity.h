/*
 * Whom programs run as: [hooks] user with its groups. Unset, creditd-hook-run, where there is such
 * a user and creditd-hook may become it: that is how it is under systemd. Otherwise creditd-hook
 * itself, whose socket and whose secret a program then could take; but not root, which nobody
 * named.
 *
 * Looked up when the configuration is read, and not between fork and exec, where the libraries
 * behind getpwnam() must not be called.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct identity {
    bool is_other;        /* than creditd-hook's own user: programs change to it */
    bool is_unnamed_root; /* by default: no program is run */
    bool is_unnamed_self; /* by default creditd-hook's own */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* where is_other */
    size_t group_count;
    char *name, *home; /* for the environment; NULL: unknown */
};

/* Why no program is run where is_unnamed_root. */
#define IDENTITY_UNNAMED_ROOT                                                                      \
    "no program is run as root unless [hooks] user says so, and there is no user creditd-hook-run"

/* `user` NULL: unset. -EINVAL with *ret_reason, a literal that completes "[hooks] user … ", where
 * there is no such user, or where we may not become it; -ENOMEM. */
int identity_init(struct identity *identity, const char *user, const char **ret_reason);
void identity_deinit(struct identity *identity);
/* Between fork and exec. A negative errno where it did not come about whole. */
int identity_assume(const struct identity *identity);

/*
 * Whom programs run as: [hooks] user with its groups, or creditd-hook itself.
 *
 * Looked up when the configuration is read, and not between fork and exec, where the libraries
 * behind getpwnam() must not be called.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct identity {
    bool is_other; /* than creditd-hook's own user: programs change to it */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* where is_other */
    size_t group_count;
    char *name, *home; /* for the environment; NULL: unknown */
};

/* `user` NULL: our own. -EINVAL with *ret_reason, a literal that completes "[hooks] user … ", where
 * there is no such user, or where we may not become it; -ENOMEM. */
int identity_init(struct identity *identity, const char *user, const char **ret_reason);
void identity_deinit(struct identity *identity);
/* Between fork and exec. A negative errno where it did not come about whole. */
int identity_assume(const struct identity *identity);

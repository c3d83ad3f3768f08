/*
 * A URL of the configuration: where upstream is, the app, a hook. It decides to whom a secret is
 * shown, so what it may be is narrow: https to anywhere, http to this machine alone, and no user or
 * fragment in it.
 */
#pragma once

#include <stdbool.h>

enum target_kind {
    TARGET_BASE, /* paths are put behind it: no query, and a slash at its end is dropped */
    TARGET_WHOLE,
};

struct target {
    char *url;
    bool is_loopback; /* then plain http is taken, and no proxy is asked */
    bool is_https;
};

/* 0, -ENOMEM, or -EINVAL with *ret_reason, a literal that completes the sentence "base_url … ". */
int target_init(struct target *target, enum target_kind kind, const char *url,
                const char **ret_reason);
void target_deinit(struct target *target);

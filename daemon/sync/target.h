/*
 * Where upstream is, and the app. The base URL decides to whom a secret is shown, so what it may be
 * is narrow: https to anywhere, http to this machine alone, and no user, query or fragment in it.
 */
#pragma once

#include <stdbool.h>

#define TARGET_DEFAULT_URL "https://api.stellartools.dev"

struct target {
    char *base_url;   /* without a slash at its end */
    bool is_loopback; /* then plain http is taken, and no proxy is asked */
    bool is_https;
};

/* 0, -ENOMEM, or -EINVAL with *ret_reason, a literal that completes the sentence "base_url … ". */
int target_init(struct target *target, const char *url, const char **ret_reason);
void target_deinit(struct target *target);

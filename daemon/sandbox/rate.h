/* The account's rate limit: a window of fixed length that opens with its first request. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rate {
    int64_t limit; /* as last seen: another limit opens another window */
    int64_t window_ms;
    int64_t opened_ms;
    int64_t used;
};

/* What an answer tells of the limit; limit 0 means that nothing is told. */
struct rate_notice {
    int64_t limit;
    int64_t remaining;
    int64_t reset; /* Unix seconds, rounded up: never before the window really ends */
    int64_t retry_after;
};

/* Whether a request may pass; a refused one is not counted. */
bool rate_take(struct rate *rate, int64_t limit, int64_t window_ms, int64_t now_ms,
               struct rate_notice *ret_notice);

/*
 * How long to wait before starting again what has ended: a short time first, twice as long each
 * time, up to a longest one, and the short time again after a run that was long enough to call it a
 * good one.
 */
#pragma once

#include <stdint.h>

struct backoff {
    int64_t first_ms, longest_ms, good_run_ms;
    int64_t next_ms;
};

void backoff_init(struct backoff *backoff, int64_t first_ms, int64_t longest_ms,
                  int64_t good_run_ms);
/* Three durations with commas between: "100ms,10s,30s". -EINVAL, and nothing is changed, where it
 * is anything else. */
int backoff_parse(struct backoff *backoff, const char *text);
/* Something has ended after `ran_ms`: the time to wait. */
int64_t backoff_wait(struct backoff *backoff, int64_t ran_ms);

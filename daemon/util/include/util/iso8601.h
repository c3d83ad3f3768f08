/*
 * ISO 8601 times.
 */
#pragma once

#include <stdint.h>

/* "2026-01-05T12:34:56.789Z": a blank may stand for the T, a fraction of any length is cut to
 * milliseconds, an offset is +hh, +hhmm or +hh:mm, none means UTC. 0 or -EBADMSG. */
int iso8601_parse(const char *text, int64_t *ret_ms);

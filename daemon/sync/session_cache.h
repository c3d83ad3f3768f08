/*
 * Better Auth's cookie cache, judged without asking the app: the strategies "compact" and "jwt"
 * (HS256). Encrypted ones ("jwe") and whatever else there may be are none of ours: false.
 *
 * "compact" is {"session":INNER,"expiresAt":MS,"signature":"…"} in base64url; what is signed is
 * INNER with ,"expiresAt":MS added as its last member. So the check is made on the raw text, in the
 * one order of members that Better Auth writes, and nothing is parsed before its signature is
 * right.
 */
#pragma once

#include "session_word.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether it is rightly signed, about this token, not expired, and not older than `ttl` (ms): then
 * *ret_word is what it says, and *ret_age how old that is. `now`: ms since the epoch. */
bool session_cache_read(const char *cache, const char *token, const char *secret, int64_t now,
                        int64_t ttl, struct session_word *ret_word, int64_t *ret_age);

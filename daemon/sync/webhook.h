/*
 * webhook.verify (proto/upstream.h): whether a webhook is StellarTools' own and young enough, and
 * what it says. Asks nobody; the clock is an argument.
 */
#pragma once

#include "settings.h"

#include <msgpack.h>
#include <stdint.h>

/* `now` in ms since the epoch. Appends the answer's map. 0; -EBADMSG with *ret_parameter naming the
 * parameter that cannot be read; -ENOMEM. */
int webhook_verify(const msgpack_object *params, const struct settings *settings, int64_t now,
                   msgpack_sbuffer *answer, const char **ret_parameter);

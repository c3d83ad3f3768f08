/*
 * From a hook.run of serve to its answer: decodes it, runs the program or posts to the URL, once,
 * and says how that ended. It keeps nothing beyond that; how many are under way at once is serve's
 * to decide, and bounded by the channel.
 *
 * At the end, which is that of the connection to serve, programs under way are ended too, and
 * waited for. serve will have their events delivered again, to the next creditd-hook: a program
 * that went on by itself would then run beside its own repetition, and events of one customer would
 * be out of order.
 */
#pragma once

#include "outcome.h"
#include "settings.h"

#include <msgpack.h>
#include <stdint.h>
#include <uv.h>

struct driver;

typedef void driver_answer_fn(void *data, uint32_t msgid, const struct outcome *outcome);

/* Takes the reference to the settings, in success as in failure. */
int driver_new(uv_loop_t *loop, struct settings *settings, driver_answer_fn *answer, void *data,
               struct driver **ret_driver);
/* Nothing is answered any more. The driver frees itself when the last program has ended: run the
 * loop until then. */
void driver_end(struct driver *driver);
/* Takes the reference; what has begun goes on with the old ones. */
void driver_set_settings(struct driver *driver, struct settings *settings);
/* 0: it will be answered, possibly before this returns. -EBADMSG with *ret_parameter naming the
 * culprit, or -ENOMEM: it will not. */
int driver_submit(struct driver *driver, uint32_t msgid, const msgpack_object *params,
                  const char **ret_parameter);

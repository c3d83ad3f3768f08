/*
 * From a request of serve to its answer: decodes, waits for a turn, has the exchange done, packs
 * the result. At most 16 exchanges are under way, the others wait in order; their time runs
 * meanwhile, and one whose time is over before its turn was provably not sent.
 *
 * Whatever happens, each request that was taken gets exactly one answer, unless the driver ends.
 */
#pragma once

#include "settings.h"

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define DRIVER_EXCHANGES_MAX 16u

struct driver;

/* `result`, the packed answer map, lives as long as the call. NULL: out of memory, there is none.
 */
typedef void driver_answer_fn(void *data, uint32_t msgid, const msgpack_sbuffer *result);

/* Takes the reference to the settings, in success as in failure. */
int driver_new(uv_loop_t *loop, struct settings *settings, driver_answer_fn *answer, void *data,
               struct driver **ret_driver);
/* What is under way or waits is dropped without an answer. Run the loop once more afterwards. */
struct driver *driver_free(struct driver *driver);
/* Takes the reference; exchanges that have not begun use the new settings. */
void driver_set_settings(struct driver *driver, struct settings *settings);
/* 0: it will be answered, possibly before this returns. Otherwise it will not: -ENOENT (no such
 * exchange), -EBADMSG with *ret_parameter naming the culprit, -ENOMEM. How many may wait is the
 * caller's to bound. */
int driver_submit(struct driver *driver, uint32_t msgid, const char *method, size_t method_length,
                  const msgpack_object *params, const char **ret_parameter);

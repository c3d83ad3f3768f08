/*
 * From a request of serve to its answer: decodes, waits for a turn, has the exchange done, packs
 * the result. At most 16 exchanges are under way, the others wait in order; their time runs
 * meanwhile, and one whose time is over before its turn was provably not sent.
 *
 * Whatever happens, each request that was taken gets exactly one answer, unless the driver ends.
 */
#pragma once

#include "http.h"
#include "settings.h"

#include <msgpack.h>
#include <proto/errors.h>
#include <stddef.h>
#include <stdint.h>

#define DRIVER_EXCHANGES_MAX 16u
#define DRIVER_QUEUE_MAX 4096u

struct driver;

/* A whole response message for serve; the bytes live as long as the call. */
typedef void driver_emit_fn(void *data, const void *bytes, size_t length);

/* Takes the reference to the settings, in success as in failure. */
int driver_new(uv_loop_t *loop, struct settings *settings, driver_emit_fn *emit, void *data,
               struct driver **ret_driver);
/* What is under way or waits is dropped without an answer. Run the loop once more afterwards. */
struct driver *driver_free(struct driver *driver);
/* Takes the reference; exchanges that have not begun use the new settings. */
void driver_set_settings(struct driver *driver, struct settings *settings);
/* Answers through `emit`, possibly before it returns. -ENOMEM: it does not. */
int driver_submit(struct driver *driver, uint32_t msgid, const char *method, size_t method_length,
                  const msgpack_object *params);

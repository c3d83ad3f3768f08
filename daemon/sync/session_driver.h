/*
 * From a request "auth.session" to its answer. Sessions have turns of their own, apart from those
 * of exchanges with StellarTools: an app that hangs must not keep pushes waiting, nor the other way
 * round.
 *
 * The credential is parsed at once and the rest of the request not kept; it is wiped with the
 * answer. It goes nowhere but into the headers of the one request to the app, which carries no API
 * key, follows no redirect and asks for the database's word (no cookie cache, so that what has been
 * revoked is refused) without renewing the session (a renewal whose cookie nobody receives would
 * keep the browser's own from being renewed).
 */
#pragma once

#include "driver.h"
#include "settings.h"

#include <web/http.h>

#define SESSIONS_MAX 16u

struct session_driver;

/* `answer` as the driver's. */
int session_driver_new(uv_loop_t *loop, struct http *http, driver_answer_fn *answer, void *data,
                       struct session_driver **ret_driver);
/* After http_free(): what is under way or waits is dropped without an answer. */
struct session_driver *session_driver_free(struct session_driver *driver);
/* As driver_submit(); the settings are those of this moment. */
int session_driver_submit(struct session_driver *driver, uint32_t msgid,
                          const msgpack_object *params, struct settings *settings,
                          const char **ret_parameter);

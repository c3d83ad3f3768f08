/*
 * The process: a loop with the connection to serve, the driver, signals and the watchdog.
 *
 * It holds no state worth keeping: when the connection to serve closes, or on SIGTERM, it ends at
 * once, with 0, and what was under way has no answer. serve makes of that what it must.
 */
#pragma once

#include "settings.h"

/* Takes the reference to the settings. `source` is read again at each reload. The answer is the
 * exit status. */
int process_run(struct settings *settings, const struct settings_source *source);

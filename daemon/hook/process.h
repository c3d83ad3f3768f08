/*
 * The process: a loop with the connection to serve, the driver, signals and the watchdog.
 *
 * It holds no state worth keeping: when the connection to serve closes, or on SIGTERM, it ends its
 * programs and then itself, with 0, and what was under way has no answer.
 */
#pragma once

#include "settings.h"

/* Takes the reference to the settings. `config_path` (may be NULL) is read again at each reload.
 * The answer is the exit status. */
int process_run(struct settings *settings, const char *config_path);

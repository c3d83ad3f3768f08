/*
 * Where things are when nobody says. Private to config*.c.
 */
#pragma once

#include <util/config.h>

/* Fills the [paths] that the file left out. */
int config_default_paths(struct config *config);

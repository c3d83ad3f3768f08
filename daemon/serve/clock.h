/*
 * The wall clock at a start (util/clock.h says what may be wrong with it), and what an operator can
 * do: creditd-serve --accept-clock.
 */
#pragma once

#include <stdint.h>

struct config;
struct store;

/* Logs what is odd. 0, or -ERANGE: so far ahead that the ledger must not be started. */
int clock_check(const struct store *store, int64_t wall_ms);
/* Records that the ledger goes on from now, where that is so far ahead, so that it can be started.
 * Blocks; answers the exit code. Nobody may have the ledger open. */
int clock_accept(const struct config *config);

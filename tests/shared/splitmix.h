/*
 * Numbers that look random, from a seed that a test prints or has written down: one seed, one run.
 * (splitmix64; any seed is a good one)
 */
#pragma once

#include <stdint.h>

uint64_t random_next(uint64_t *state);
/* From 0 to `limit` - 1. */
uint64_t random_below(uint64_t *state, uint64_t limit);

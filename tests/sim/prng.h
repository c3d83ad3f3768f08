/* Randomness that a seed owns: SplitMix64, so that one number replays a whole run. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct prng {
    uint64_t state;
};

void prng_init(struct prng *prng, uint64_t seed);
uint64_t prng_next(struct prng *prng);
/* 0 … bound − 1; bound > 0. */
uint64_t prng_below(struct prng *prng, uint64_t bound);
/* low … high, both included. */
int64_t prng_range(struct prng *prng, int64_t low, int64_t high);
bool prng_chance(struct prng *prng, unsigned per_mille);
/* Around `mean`, mostly below, now and then far above: how waiting times are. At least 1. */
int64_t prng_wait(struct prng *prng, int64_t mean);

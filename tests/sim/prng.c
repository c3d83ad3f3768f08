/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"). Any seed is a
 * good one, also 0 and 1, which is what people type. */
#include "prng.h"

void prng_init(struct prng *prng, uint64_t seed)
{
    prng->state = seed * UINT64_C(0x9e3779b97f4a7c15) + 0x5eed;
    prng_next(prng);
}

uint64_t prng_next(struct prng *prng)
{
    uint64_t z = prng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    return prng_next(prng) % bound;
}

int64_t prng_range(struct prng *prng, int64_t low, int64_t high)
{
    return low + (int64_t)prng_below(prng, (uint64_t)(high - low) + 1);
}

bool prng_chance(struct prng *prng, unsigned per_mille)
{
    return prng_below(prng, 1000) < per_mille;
}

int64_t prng_wait(struct prng *prng, int64_t mean)
{
    int64_t wait = prng_range(prng, 0, mean);
    while (prng_chance(prng, 300))
        wait += prng_range(prng, 0, 2 * mean);
    return wait > 0 ? wait : 1;
}

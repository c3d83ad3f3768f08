/* SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"). Any seed is a
 * good one, also 0 and 1, which is what people type.
 *
 * The state only counts up by an odd constant: all streams are one, begun at different places. So
 * the seed must not choose that place by the same constant, or the stream of a seed's neighbour
 * would be its own, shifted by one. It is mixed by another function first. */
#include "prng.h"

void prng_init(struct prng *prng, uint64_t seed)
{
    uint64_t z = seed * UINT64_C(0xd1342543de82ef95) + 0x5eed;
    z = (z ^ (z >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    z = (z ^ (z >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    prng->state = z ^ (z >> 33);
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

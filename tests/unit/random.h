/* random.h - the random numbers of the tests, which are the same in every run: Sebastiano Vigna's SplitMix64. A seed is
 * also the state. */
#ifndef INGOT_TESTS_RANDOM_H
#define INGOT_TESTS_RANDOM_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t random_u64(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline size_t random_below(uint64_t *seed, size_t n)
{
    return (size_t)(random_u64(seed) % n);
}

/* Uniform in [-scale, scale). */
static inline float random_float(uint64_t *seed, float scale)
{
    return ((float)(random_u64(seed) >> 40) * 0x1p-23f - 1.0f) * scale;
}

/* Uniform between 0 and 1, neither of them. */
static inline double random_uniform(uint64_t *seed)
{
    return ((double)(random_u64(seed) >> 11) + 0.5) * 0x1p-53;
}

/* Gaussian, of mean 0 and deviation 1 (Box and Muller's). */
static inline double random_gaussian(uint64_t *seed)
{
    const double radius = sqrt(-2 * log(random_uniform(seed)));
    return radius * cos(6.283185307179586 * random_uniform(seed));
}

#endif

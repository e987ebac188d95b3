/* lanes_avx2.h - sums of 16 lanes in four vectors, in the order of scan_add_lanes(): what the scans of panels share. */
#ifndef INGOT_LANES_AVX2_H
#define INGOT_LANES_AVX2_H

#include "format/simd/scan.h"

#include <immintrin.h>

/* Lanes live in registers only if no loop is left. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* A body for each form that a panel has. */
#define BY_FORM static inline __attribute__((always_inline))

/* Four vectors of four lanes. */
struct lanes {
    __m256d v[4];
};

/* The lanes as they stand after the last whole step; what is behind it goes on with lane 0. */
static inline void store_lanes(struct lanes lanes, double out[SCAN_LANES])
{
    UNROLL
    for (size_t k = 0; k < 4; k++) _mm256_storeu_pd(out + 4 * k, lanes.v[k]);
}

/* Sums of the 16 lanes of columns a, b, c, d, each already folded to four. */
static inline __m256d fold(const __m256d v[4])
{
    __m256d ac = _mm256_add_pd(_mm256_permute2f128_pd(v[0], v[2], 0x20), _mm256_permute2f128_pd(v[0], v[2], 0x31));
    __m256d bd = _mm256_add_pd(_mm256_permute2f128_pd(v[1], v[3], 0x20), _mm256_permute2f128_pd(v[1], v[3], 0x31));
    return _mm256_hadd_pd(ac, bd);
}

/* Of n columns; there is room for a multiple of 4 of both. */
static inline void fold_all(__m256d *columns, size_t n, double *sums)
{
    for (size_t i = n; i % 4 != 0; i++) columns[i] = _mm256_setzero_pd();
    for (size_t i = 0; i < n; i += 4) _mm256_storeu_pd(sums + i, fold(columns + i));
}

static inline void add_all(const double *from, size_t n, double *to)
{
    const size_t n_fours = n - n % 4;
    for (size_t i = 0; i < n_fours; i += 4)
        _mm256_storeu_pd(to + i, _mm256_add_pd(_mm256_loadu_pd(to + i), _mm256_loadu_pd(from + i)));
    for (size_t i = n_fours; i < n; i++) to[i] += from[i];
}

#endif

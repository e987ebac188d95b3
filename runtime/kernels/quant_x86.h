/* quant_x86.h - rows of activations, quantised with AVX2, for each x86 file of integer products. */
#ifndef INGOT_QUANT_X86_H
#define INGOT_QUANT_X86_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/kernels.h"

/* The codes of 8 inputs. */
static inline __m256i quantise_8(const float *x, float r)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(r)));
}

/* The largest of 8 non-negative integers. */
static inline int32_t largest_of_8(__m256i v)
{
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m);
}

static inline int32_t sum_of_8(__m256i v)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

/* The bits of 8 inputs without their signs. */
static inline __m256i magnitudes_8(const float *x)
{
    return _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)x), _mm256_set1_epi32(0x7fffffff));
}

/* The largest magnitude of a block, as bits: those of floats without sign are in the order of their values, infinity
 * above all finite ones and NaN above that. */
static inline uint32_t largest_magnitude(const float *x)
{
    const __m256i first = _mm256_max_epi32(magnitudes_8(x), magnitudes_8(x + 8));
    const __m256i second = _mm256_max_epi32(magnitudes_8(x + 16), magnitudes_8(x + 24));
    return (uint32_t)largest_of_8(_mm256_max_epi32(first, second));
}

/* A block of INGOT_QUANT_BLOCK inputs. */
static inline void quantise_block(const float *x, int8_t *codes, float *scale, int32_t *sum)
{
    const uint32_t bits = largest_magnitude(x);
    float a;
    memcpy(&a, &bits, sizeof a);
    const bool finite = bits < 0x7f800000u;
    if (!finite || a < QUANT_SMALLEST) {
        memset(codes, 0, INGOT_QUANT_BLOCK);
        *scale = finite ? 0.0f : NAN;
        *sum = 0;
        return;
    }
    const float r = 127 / a;
    const __m256i q0 = quantise_8(x, r), q1 = quantise_8(x + 8, r), q2 = quantise_8(x + 16, r),
                  q3 = quantise_8(x + 24, r);
    /* Packing goes by halves of 128 bits; the permutation puts the fours of codes back into their order. */
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q0, q1), _mm256_packs_epi32(q2, q3));
    const __m256i in_order = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)codes, in_order);
    *scale = a / 127;
    *sum = sum_of_8(_mm256_add_epi32(_mm256_add_epi32(q0, q1), _mm256_add_epi32(q2, q3)));
}

/* quant_kernels.quantise */
static inline void quantise_row(const float *x, size_t n, int8_t *codes, float *scales, int32_t *sums)
{
    const size_t padded = (n + INGOT_QUANT_STEP - 1) / INGOT_QUANT_STEP * INGOT_QUANT_STEP;
    size_t k = 0;
    for (; k + INGOT_QUANT_BLOCK <= n; k += INGOT_QUANT_BLOCK) quantise_block(x + k, codes + k, scales++, sums++);
    for (; k < padded; k += INGOT_QUANT_BLOCK) {
        float tail[INGOT_QUANT_BLOCK] = { 0 };
        if (k < n) memcpy(tail, x + k, (n - k) * sizeof *x);
        quantise_block(tail, codes + k, scales++, sums++);
    }
}

#endif

/*
 * quant_ymm.h - 16 lanes as two registers of 256 bits, for the integer products of AVX2 and AVX-VNNI: what quant_body.h
 * asks for, and the levels of q4.
 */
#ifndef INGOT_QUANT_YMM_H
#define INGOT_QUANT_YMM_H

#include "runtime/kernels/quant_x86.h"

enum { HALF = INGOT_PANEL_LANES / 2 };

typedef struct {
    __m256i half[2];
} ints;

typedef struct {
    __m256 half[2];
} floats;

struct weights {
    __m256i unsigned_bytes[2];
    __m256i signs[2]; /* where a dtype needs them */
};

static inline ints splat(int32_t i)
{
    return (ints){ { _mm256_set1_epi32(i), _mm256_set1_epi32(i) } };
}

static inline floats load_scales(const uint8_t *step, size_t half)
{
    const __m128i *f16 = (const __m128i *)(const void *)(step + half * 32);
    return (floats){ { _mm256_cvtph_ps(_mm_load_si128(f16)), _mm256_cvtph_ps(_mm_load_si128(f16 + 1)) } };
}

static inline void finish(ints sums, floats scales, float d, float *y)
{
    for (size_t h = 0; h < 2; h++) {
        const __m256 scale = _mm256_mul_ps(scales.half[h], _mm256_set1_ps(d));
        const __m256 sum = _mm256_cvtepi32_ps(sums.half[h]);
        _mm256_storeu_ps(y + h * HALF, _mm256_fmadd_ps(sum, scale, _mm256_loadu_ps(y + h * HALF)));
    }
}

#include "runtime/kernels/quant_body.h"

static inline __m256i splat_four(const int8_t *four)
{
    int32_t bits;
    memcpy(&bits, four, sizeof bits);
    return _mm256_set1_epi32(bits);
}

static inline __m256i load_half(const uint8_t *codes, size_t half)
{
    return _mm256_load_si256((const __m256i *)(const void *)(codes + 32 * half));
}

/* Levels of q4 + Q4_BIAS, for they are multiplied as unsigned bytes. */
enum { Q4_BIAS = 64 };

TILE_BODY struct weights load_q4(const uint8_t *eight, size_t second)
{
    const __m256i levels = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)quant_q4_levels));
    const __m256i table = _mm256_add_epi8(levels, _mm256_set1_epi8(Q4_BIAS));
    struct weights weights = { .signs = { { 0 } } }; /* not read: gcc does not see that under sanitizers */
    for (size_t h = 0; h < 2; h++) {
        const __m256i both = load_half(eight, h);
        const __m256i codes = _mm256_and_si256(second ? _mm256_srli_epi16(both, 4) : both, _mm256_set1_epi8(15));
        weights.unsigned_bytes[h] = _mm256_shuffle_epi8(table, codes);
    }
    return weights;
}

#endif

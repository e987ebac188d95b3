/*
 * quant_avx2.c - integer products for AVX2 with FMA and F16C: 16 lanes are two registers. The bits of quant_scalar.c.
 *
 * What AVX2 has is VPMADDUBSW: unsigned times signed bytes, added in pairs to signed 16 bits, with saturation. Neither
 * dtype can reach it: q8 multiplies |level| <= 128 with the input that has taken over the level's sign, +-127, and
 * 2 x 128 x 127 is below 2^15; q4's levels + 64 are at most 127.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

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
    __m256i signs[2]; /* of q8 */
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

/* a.half[h] + the sums of the fours of u x s */
static inline __m256i add_products(__m256i sums, __m256i u, __m256i s)
{
    const __m256i pairs = _mm256_maddubs_epi16(u, s);
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* --------------------------------------------------------------------------------------------------------------- q8 */

TILE_BODY struct weights load_q8(const uint8_t *eight, size_t second)
{
    struct weights weights;
    for (size_t h = 0; h < 2; h++) {
        const __m256i codes = load_half(eight + 64 * second, h);
        weights.signs[h] = _mm256_xor_si256(codes, _mm256_set1_epi8((char)QUANT_Q8_ZERO));
        weights.unsigned_bytes[h] = _mm256_abs_epi8(weights.signs[h]);
    }
    return weights;
}

TILE_BODY ints dot_q8(ints sums, struct weights weights, const int8_t *four)
{
    const __m256i x = splat_four(four);
    for (size_t h = 0; h < 2; h++)
        sums.half[h] = add_products(sums.half[h], weights.unsigned_bytes[h], _mm256_sign_epi8(x, weights.signs[h]));
    return sums;
}

/* --------------------------------------------------------------------------------------------------------------- q4 */

enum { Q4_BIAS = 64 };

TILE_BODY struct weights load_q4(const uint8_t *eight, size_t second)
{
    const __m256i levels = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)quant_q4_levels));
    const __m256i table = _mm256_add_epi8(levels, _mm256_set1_epi8(Q4_BIAS));
    struct weights weights;
    for (size_t h = 0; h < 2; h++) {
        const __m256i both = load_half(eight, h);
        const __m256i codes = _mm256_and_si256(second ? _mm256_srli_epi16(both, 4) : both, _mm256_set1_epi8(15));
        weights.unsigned_bytes[h] = _mm256_shuffle_epi8(table, codes);
    }
    return weights;
}

TILE_BODY ints dot_q4(ints sums, struct weights weights, const int8_t *four)
{
    const __m256i x = splat_four(four);
    for (size_t h = 0; h < 2; h++) sums.half[h] = add_products(sums.half[h], weights.unsigned_bytes[h], x);
    return sums;
}

/* --------------------------------------------------------------------------------------------------------- the table
 */

enum { ZERO_q8 = 0, ZERO_q4 = Q4_BIAS };

/* Of the 16 registers, two a row are accumulators. */
#define QUANT_HEIGHTS_q8(X, ...) X(1, __VA_ARGS__) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__)
#define QUANT_HEIGHTS_q4(X, ...) QUANT_HEIGHTS_q8(X, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)

QUANT_PANELS(q8, 4)
QUANT_PANELS(q4, 6)

const struct quant_kernels quant_avx2 = {
    .quantise = quantise_row,
    .panels_q8 = panels_q8,
    .panels_q4 = panels_q4,
};

#endif

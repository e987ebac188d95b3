/*
 * quant_avx512.c - integer products for AVX-512 with VNNI: VPDPBUSD on 16 lanes at once. The bits of quant_scalar.c.
 *
 * It multiplies unsigned by signed bytes and adds fours to 32 bits, exactly. The weights are the unsigned ones: q8's
 * codes as they are, q4's levels + 64; what that adds to a sum is a multiple of the sum of the inputs, and the
 * accumulators begin without it.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include "runtime/kernels/quant_x86.h"

typedef __m512i ints;
typedef __m512 floats;

struct weights {
    __m512i bytes;
};

static inline ints splat(int32_t i)
{
    return _mm512_set1_epi32(i);
}

static inline floats load_scales(const uint8_t *step, size_t half)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)(step + half * 32)));
}

static inline void finish(ints sums, floats scales, float d, float *y)
{
    const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(d));
    _mm512_storeu_ps(y, _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums), scale, _mm512_loadu_ps(y)));
}

/* In a loop gcc would move every sum to another register in each turn, as many instructions as there are products. */
#define QUANT_UNROLL TILE_UNROLL
#include "runtime/kernels/quant_body.h"

enum { Q4_BIAS = 64, ZERO_q8 = QUANT_Q8_ZERO, ZERO_q4 = Q4_BIAS };

TILE_BODY struct weights load_q8(const uint8_t *eight, size_t second)
{
    return (struct weights){ _mm512_load_si512(eight + 64 * second) };
}

TILE_BODY struct weights load_q4(const uint8_t *eight, size_t second)
{
    const __m512i levels = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)quant_q4_levels));
    const __m512i table = _mm512_add_epi8(levels, _mm512_set1_epi8(Q4_BIAS));
    const __m512i both = _mm512_load_si512(eight);
    const __m512i codes = _mm512_and_si512(second ? _mm512_srli_epi16(both, 4) : both, _mm512_set1_epi8(15));
    return (struct weights){ _mm512_shuffle_epi8(table, codes) };
}

TILE_BODY ints dot_q8(ints sums, struct weights weights, const int8_t *four)
{
    int32_t x;
    memcpy(&x, four, sizeof x);
    return _mm512_dpbusd_epi32(sums, weights.bytes, _mm512_set1_epi32(x));
}

TILE_BODY ints dot_q4(ints sums, struct weights weights, const int8_t *four)
{
    return dot_q8(sums, weights, four);
}

/* 12 accumulators hide the latency of two VPDPBUSD per cycle. */
#define QUANT_HEIGHTS_q8(X, ...)                                                                                       \
    X(2, __VA_ARGS__)                                                                                                  \
    X(3, __VA_ARGS__)                                                                                                  \
    X(4, __VA_ARGS__)                                                                                                  \
    X(5, __VA_ARGS__)                                                                                                  \
    X(6, __VA_ARGS__)                                                                                                  \
    X(7, __VA_ARGS__)                                                                                                  \
    X(8, __VA_ARGS__) X(9, __VA_ARGS__) X(10, __VA_ARGS__) X(11, __VA_ARGS__) X(12, __VA_ARGS__)
#define QUANT_HEIGHTS_q4 QUANT_HEIGHTS_q8

QUANT_PANELS(q8, 12)
QUANT_PANELS(q4, 12)

const struct quant_kernels quant_avx512 = {
    .quantise = quantise_row,
    .panels_q8 = panels_q8,
    .panels_q4 = panels_q4,
};

#endif

/*
 * quant_avxvnni.c - integer products for AVX-VNNI: VPDPBUSD on 256 bits. The bits of quant_scalar.c.
 *
 * It multiplies unsigned by signed bytes and adds fours to 32 bits, exactly. The weights are the unsigned ones: q8's
 * codes as they are, q4's levels + 64; what that adds to a sum is a multiple of the sum of the inputs, and the
 * accumulators begin without it.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include "runtime/kernels/quant_ymm.h"

enum { ZERO_q8 = QUANT_Q8_ZERO, ZERO_q4 = Q4_BIAS };

TILE_BODY struct weights load_q8(const uint8_t *eight, size_t second)
{
    struct weights weights = { .signs = { { 0 } } }; /* as in quant_ymm.h */
    for (size_t h = 0; h < 2; h++) weights.unsigned_bytes[h] = load_half(eight + 64 * second, h);
    return weights;
}

TILE_BODY ints dot_q8(ints sums, struct weights weights, const int8_t *four)
{
    const __m256i x = splat_four(four);
    for (size_t h = 0; h < 2; h++) sums.half[h] = _mm256_dpbusd_avx_epi32(sums.half[h], weights.unsigned_bytes[h], x);
    return sums;
}

TILE_BODY ints dot_q4(ints sums, struct weights weights, const int8_t *four)
{
    return dot_q8(sums, weights, four);
}

/* Of the 16 registers, two a row are accumulators. */
#define QUANT_HEIGHTS_q8(X, ...)                                                                                       \
    X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)
#define QUANT_HEIGHTS_q4 QUANT_HEIGHTS_q8

QUANT_PANELS(q8, 6)
QUANT_PANELS(q4, 6)

const struct quant_kernels quant_avxvnni = {
    .quantise = quantise_row,
    .panels_q8 = panels_q8,
    .panels_q4 = panels_q4,
};

#endif

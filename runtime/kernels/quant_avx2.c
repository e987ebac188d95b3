/*
 * quant_avx2.c - integer products for AVX2 with FMA and F16C: 16 lanes are two registers. The bits of quant_scalar.c.
 *
 * What AVX2 has is VPMADDUBSW: unsigned times signed bytes, added in pairs to signed 16 bits, with saturation. Neither
 * dtype can reach it: q8 multiplies |level| <= 128 with the input that has taken over the level's sign, +-127, and
 * 2 x 128 x 127 is below 2^15; q4's levels + 64 are at most 127. For many rows quant_many.h has better ways.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include "runtime/kernels/quant_many.h"

/* sums + u x s, added up in fours. */
static inline __m256i add_products(__m256i sums, __m256i u, __m256i s)
{
    return add_pairs(sums, _mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1));
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

TILE_BODY ints dot_q4(ints sums, struct weights weights, const int8_t *four)
{
    const __m256i x = splat_four(four);
    for (size_t h = 0; h < 2; h++) sums.half[h] = add_products(sums.half[h], weights.unsigned_bytes[h], x);
    return sums;
}

/* -------------------------------------------------------------------------------------------------------- the table */

enum { ZERO_q8 = 0, ZERO_q4 = Q4_BIAS };

/* Of the 16 registers, two a row are accumulators. */
#define QUANT_HEIGHTS_q8(X, ...) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__)
#define QUANT_HEIGHTS_q4(X, ...) QUANT_HEIGHTS_q8(X, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)

QUANT_PANELS(q8, 4)
QUANT_PANELS(q4, 6)

/* Few rows as the file has the weights, many with unpacked ones. */
static void rows_q8(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x,
                    size_t n_rows, float *y, size_t y_stride)
{
    if (n_rows < MANY_LEAST)
        panels_q8(w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
    else
        many_rows(&many_q8, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
}

static void rows_q4(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x,
                    size_t n_rows, float *y, size_t y_stride)
{
    if (n_rows < MANY_LEAST)
        panels_q4(w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
    else
        many_rows(&many_q4, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
}

const struct quant_kernels quant_avx2 = {
    .quantise = quantise_row,
    .panels_q8 = rows_q8,
    .panels_q4 = rows_q4,
};

#endif

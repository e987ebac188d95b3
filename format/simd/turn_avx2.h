/* turn_avx2.h - pieces of 16 rows turned into columns with AVX2, for the scans of what does not stand in panels. */
#ifndef INGOT_TURN_AVX2_H
#define INGOT_TURN_AVX2_H

#include "format/simd/lanes_avx2.h"

#include <string.h>

/* 8 columns of 8 rows of f32. */
static inline void turn_eight(const char *rows, size_t row_bytes, float *to)
{
    __m256 pairs[8], fours[8];
    UNROLL
    for (size_t k = 0; k < 8; k += 2) {
        __m256 even = _mm256_loadu_ps((const float *)(const void *)(rows + k * row_bytes));
        __m256 odd = _mm256_loadu_ps((const float *)(const void *)(rows + (k + 1) * row_bytes));
        pairs[k] = _mm256_unpacklo_ps(even, odd);
        pairs[k + 1] = _mm256_unpackhi_ps(even, odd);
    }
    UNROLL
    for (size_t k = 0; k < 4; k++) {
        const size_t pair = k / 2 * 4 + k % 2; /* 0, 1, 4, 5 */
        fours[2 * k] = _mm256_shuffle_ps(pairs[pair], pairs[pair + 2], 0x44);
        fours[2 * k + 1] = _mm256_shuffle_ps(pairs[pair], pairs[pair + 2], 0xEE);
    }
    UNROLL
    for (size_t k = 0; k < 4; k++) {
        _mm256_storeu_ps(to + k * SCAN_LANES, _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x20));
        _mm256_storeu_ps(to + (k + 4) * SCAN_LANES, _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x31));
    }
}

/* 8 columns of 16 rows of 16 bits: a vector holds a piece of row k and one of row k + 8, so that neither half has to
 * cross. */
static inline void turn_eight_halves(const char *rows, size_t row_bytes, uint16_t *to)
{
    __m256i two[8], four[8];
    UNROLL
    for (size_t k = 0; k < 8; k += 2) {
        __m256i pieces[2];
        UNROLL
        for (size_t odd = 0; odd < 2; odd++) {
            const char *at = rows + (k + odd) * row_bytes;
            pieces[odd] =
                _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)at)),
                                        _mm_loadu_si128((const __m128i *)(const void *)(at + 8 * row_bytes)), 1);
        }
        two[k] = _mm256_unpacklo_epi16(pieces[0], pieces[1]);
        two[k + 1] = _mm256_unpackhi_epi16(pieces[0], pieces[1]);
    }
    UNROLL
    for (size_t k = 0; k < 4; k++) {
        const size_t pair = k / 2 * 4 + k % 2; /* 0, 1, 4, 5 */
        four[2 * k] = _mm256_unpacklo_epi32(two[pair], two[pair + 2]);
        four[2 * k + 1] = _mm256_unpackhi_epi32(two[pair], two[pair + 2]);
    }
    UNROLL
    for (size_t k = 0; k < 4; k++) {
        __m256i *columns = (__m256i *)(void *)(to + 2 * k * SCAN_LANES);
        _mm256_storeu_si256(columns, _mm256_unpacklo_epi64(four[k], four[k + 4]));
        _mm256_storeu_si256(columns + 1, _mm256_unpackhi_epi64(four[k], four[k + 4]));
    }
}

/* n <= 8 columns from `col` on, of a panel of rows of 16 bits. */
static inline void turn_halves(const struct scan_panel *panel, size_t col, size_t n, uint16_t *to)
{
    const char *rows = (const char *)panel->values + col * sizeof *to;
    if (n == 8) {
        turn_eight_halves(rows, panel->row_bytes, to);
        return;
    }
    for (size_t i = 0; i < n * SCAN_LANES; i++)
        memcpy(&to[i], rows + i % SCAN_LANES * panel->row_bytes + i / SCAN_LANES * sizeof *to, sizeof *to);
}

#endif

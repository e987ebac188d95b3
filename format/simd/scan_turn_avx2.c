/* scan_turn_avx2.c - rows turned into columns with AVX2, 8 by 8 of f32 and 16 by 8 of halves. */
#if defined(__x86_64__)

#include "format/simd/scan.h"

#include <immintrin.h>

static const float *at(const char *rows, size_t off)
{
    return (const float *)(const void *)(rows + off);
}

/* 8 columns of 8 rows. */
static inline void turn_eight(const char *rows, size_t row_bytes, float *to)
{
    __m256 pairs[8], fours[8];
    for (size_t k = 0; k < 8; k += 2) {
        __m256 even = _mm256_loadu_ps(at(rows, k * row_bytes)), odd = _mm256_loadu_ps(at(rows, (k + 1) * row_bytes));
        pairs[k] = _mm256_unpacklo_ps(even, odd);
        pairs[k + 1] = _mm256_unpackhi_ps(even, odd);
    }
    for (size_t k = 0; k < 8; k += 4)
        for (size_t high = 0; high < 2; high++) {
            fours[k + 2 * high] = _mm256_shuffle_ps(pairs[k + high], pairs[k + 2 + high], 0x44);
            fours[k + 2 * high + 1] = _mm256_shuffle_ps(pairs[k + high], pairs[k + 2 + high], 0xEE);
        }
    for (size_t k = 0; k < 4; k++) {
        _mm256_storeu_ps(to + k * SCAN_LANES, _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x20));
        _mm256_storeu_ps(to + (k + 4) * SCAN_LANES, _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x31));
    }
}

/* 16 columns at a time, and what this run will want of a row next, for 16 rows are more than the CPU foresees. */
static void turn(const void *rows, size_t row_bytes, size_t n, float *panel)
{
    const size_t n_cols = n / SCAN_LANES, ahead = SCAN_PANEL / SCAN_LANES;
    size_t col = 0;
    for (; n_cols - col >= 16; col += 16)
        for (size_t half = 0; half < 16; half += 8) {
            const char *from = (const char *)rows + half * row_bytes + col * sizeof(float);
            for (size_t k = 0; k < 8; k++) _mm_prefetch(from + k * row_bytes + ahead * sizeof(float), _MM_HINT_T0);
            turn_eight(from, row_bytes, panel + col * SCAN_LANES + half);
            turn_eight(from + 8 * sizeof(float), row_bytes, panel + (col + 8) * SCAN_LANES + half);
        }
    scan_turn_by_definition((const char *)rows + col * sizeof(float), row_bytes, n - col * SCAN_LANES,
                            panel + col * SCAN_LANES);
}

scan_turn_fn *const scan_turn_avx2 = turn;

/* 8 columns of 16 rows: a vector holds a piece of row k and one of row k + 8, so that neither half has to cross. */
static inline void turn_eight_halves(const char *rows, size_t row_bytes, uint16_t *to)
{
    __m256i two[8], four[8];
    for (size_t k = 0; k < 8; k += 2) {
        __m256i pieces[2];
        for (size_t odd = 0; odd < 2; odd++) {
            const char *at = rows + (k + odd) * row_bytes;
            pieces[odd] =
                _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)at)),
                                        _mm_loadu_si128((const __m128i *)(const void *)(at + 8 * row_bytes)), 1);
        }
        two[k] = _mm256_unpacklo_epi16(pieces[0], pieces[1]);
        two[k + 1] = _mm256_unpackhi_epi16(pieces[0], pieces[1]);
    }
    for (size_t k = 0; k < 8; k += 4)
        for (size_t high = 0; high < 2; high++) {
            four[k + 2 * high] = _mm256_unpacklo_epi32(two[k + high], two[k + 2 + high]);
            four[k + 2 * high + 1] = _mm256_unpackhi_epi32(two[k + high], two[k + 2 + high]);
        }
    for (size_t k = 0; k < 4; k++) {
        __m256i *columns = (__m256i *)(void *)(to + 2 * k * SCAN_LANES);
        _mm256_storeu_si256(columns, _mm256_unpacklo_epi64(four[k], four[k + 4]));
        _mm256_storeu_si256(columns + 1, _mm256_unpackhi_epi64(four[k], four[k + 4]));
    }
}

static void turn_halves(const void *rows, size_t row_bytes, size_t n, uint16_t *panel)
{
    const size_t n_cols = n / SCAN_LANES;
    size_t col = 0;
    for (; n_cols - col >= 8; col += 8)
        turn_eight_halves((const char *)rows + col * sizeof *panel, row_bytes, panel + col * SCAN_LANES);
    scan_turn_halves_by_definition((const char *)rows + col * sizeof *panel, row_bytes, n - col * SCAN_LANES,
                                   panel + col * SCAN_LANES);
}

scan_turn_halves_fn *const scan_turn_halves_avx2 = turn_halves;

#else
typedef int scan_turn_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

/* count_avx2.c - counting with AVX2, two columns at a time: the bits of format/simd/count.c.
 *
 * An addition to the table takes a load and a store, of which the CPU does one a cycle; the squares take other units
 * meanwhile and cost next to nothing. Of finite values no sum of squares is infinite, so sums that are not finite tell
 * that a value was not: these runs, which are rare, are squared once more by the definition. */
#if defined(__x86_64__)

#include "format/simd/count.h"
#include "format/simd/lanes_avx2.h"
#include "format/simd/turn_avx2.h"

#include <math.h>
#include <string.h>

#define BATCH        8u /* columns that are turned together */
#define COLUMN_BYTES (SCAN_LANES * sizeof(uint16_t))
#define PAIR_BYTES   (2 * COLUMN_BYTES) /* of two columns */

/* ------------------------------------------------------------------------------------------------------ counts */

/* Four values by one load and shifts: a load for each would compete with the loads from the table. */
static inline void count_four(const uint8_t *from, uint32_t *counts)
{
    uint64_t four;
    memcpy(&four, from, sizeof four);
    counts[(uint16_t)four]++;
    counts[(uint16_t)(four >> 16)]++;
    counts[(uint16_t)(four >> 32)]++;
    counts[four >> 48]++;
}

/* Two columns, however they stand. */
static inline void count_pair(const uint8_t *from, uint32_t *counts)
{
    UNROLL
    for (size_t k = 0; k < PAIR_BYTES / 8; k++) count_four(from + 8 * k, counts);
}

/* The column without a second one. */
static inline void count_last(enum count_form form, const uint8_t *from, uint32_t *counts)
{
    const size_t apart = form == COUNT_PAIRS ? 4 : 2;
    for (size_t lane = 0; lane < SCAN_LANES; lane++) {
        uint16_t bits;
        memcpy(&bits, from + lane * apart, sizeof bits);
        counts[bits]++;
    }
}

/* ----------------------------------------------------------------------------------------------------- squares */

/* Rows 8 * half .. 8 * half + 7 of a column of two, which of rows stand one behind the other. */
BY_FORM __m256 widened(enum count_form form, const uint8_t *pair, size_t column, size_t half)
{
    const uint8_t *at = pair + (form == COUNT_PAIRS ? 32 * half : COLUMN_BYTES * column + 16 * half);
    if (form == COUNT_ROWS) {
        __m256i bits = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)at));
        return _mm256_castsi256_ps(_mm256_slli_epi32(bits, 16));
    }
    __m256i both = _mm256_loadu_si256((const __m256i *)(const void *)at);
    return _mm256_castsi256_ps(column ? _mm256_and_si256(both, _mm256_set1_epi32((int32_t)0xFFFF0000))
                                      : _mm256_slli_epi32(both, 16));
}

/* Adds a column's squares to those of the rows. Returns them folded to four. A fused multiply-add rounds once, as the
 * sum alone would: a double holds the square of an f32. */
BY_FORM __m256d add_column(enum count_form form, const uint8_t *pair, size_t column, struct lanes *rows)
{
    __m256d folded[2];
    UNROLL
    for (size_t k = 0; k < 4; k++) {
        __m256 eight = widened(form, pair, column, k / 2);
        __m256d v = _mm256_cvtps_pd(k % 2 ? _mm256_extractf128_ps(eight, 1) : _mm256_castps256_ps128(eight));
        rows->v[k] = _mm256_fmadd_pd(v, v, rows->v[k]);
        folded[k % 2] = k < 2 ? _mm256_mul_pd(v, v) : _mm256_fmadd_pd(v, v, folded[k % 2]);
    }
    return _mm256_add_pd(folded[0], folded[1]);
}

BY_FORM void count_panel(enum count_form form, const struct scan_panel *panel, uint32_t *counts, double *row_squares,
                         double *col_squares)
{
    struct lanes sums = { 0 };
    double squares[SCAN_COLS], rows[SCAN_LANES], all[SCAN_LANES];
    uint16_t room[BATCH * SCAN_LANES];
    __m256d folded[BATCH];
    for (size_t col = 0; col < panel->n_cols; col += BATCH) {
        const size_t n = panel->n_cols - col < BATCH ? panel->n_cols - col : BATCH;
        const uint8_t *columns = (const uint8_t *)panel->values + col / 2 * PAIR_BYTES;
        if (form == COUNT_ROWS) {
            turn_halves(panel, col, n, room);
            columns = (const uint8_t *)room;
        }
        for (size_t k = 0; k < n / 2 * 2; k += 2) {
            const uint8_t *pair = columns + k / 2 * PAIR_BYTES;
            folded[k] = add_column(form, pair, 0, &sums);
            folded[k + 1] = add_column(form, pair, 1, &sums);
            count_pair(pair, counts);
        }
        if (n % 2) {
            const uint8_t *pair = columns + n / 2 * PAIR_BYTES;
            folded[n - 1] = add_column(form, pair, 0, &sums);
            count_last(form, pair, counts);
        }
        fold_all(folded, n, squares + col);
    }
    store_lanes(sums, rows);
    memcpy(all, rows, sizeof all);
    if (!isfinite(scan_add_lanes(all))) {
        count_squares(form, panel, row_squares, col_squares);
        return;
    }
    add_all(rows, SCAN_LANES, row_squares);
    add_all(squares, panel->n_cols, col_squares);
}

#define PANEL(name, form)                                                                                              \
    static void name(const struct scan_panel *panel, uint32_t *counts, double *row_squares, double *col_squares)       \
    {                                                                                                                  \
        count_panel(form, panel, counts, row_squares, col_squares);                                                    \
    }
PANEL(count_rows, COUNT_ROWS)
PANEL(count_pairs, COUNT_PAIRS)

count_panel_fn *const count_panel_avx2[COUNT_FORMS] = {
    [COUNT_ROWS] = count_rows,
    [COUNT_PAIRS] = count_pairs,
};

#else
typedef int count_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

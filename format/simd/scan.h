/*
 * scan.h - what statistics are made of, over one run of values that fits into the first-level cache.
 *
 * Sums have SCAN_LANES lanes: value i goes to lane i % SCAN_LANES, in order, and the lanes are added as a tree. The
 * vector forms add in the same order, so a run has the same sums on every CPU. Nothing is contracted.
 */
#ifndef INGOT_SCAN_H
#define INGOT_SCAN_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_MAX   2048u /* values of a run */
#define SCAN_COLS  1024u /* columns of a run of a panel */
#define SCAN_LANES 16u
#define SCAN_BINS  (UINT32_C(1) << 17)
#define SCAN_SIGN  (SCAN_BINS / 2)

/* Values that are not finite are counted, and left out of everything else. */
struct scan_run {
    uint32_t n_finite, n_zero, n_denormal, n_nan, n_pos_inf, n_neg_inf;
    double min, max;         /* inf and -inf where nothing is finite; a zero is +0 */
    double abs_min, abs_max; /* of those that are not zero; inf and 0 where there is none */
    double sum, squares;     /* of the values, and of their squares */
    double m2;               /* sum of the squares of value - sum / n_finite, by 4^-scan_scale(abs_max) */
};

/* Denormal is what lies below `tiny`, the least normal number of the dtype that the values come from, and is not zero.
 * bins[SCAN_BINS] counts by sign and magnitude: the top 17 bits of the value as an f32, rounded towards zero. The
 * square of value i is added to squares[i], unless squares is NULL. n <= SCAN_MAX; values need no alignment. */
typedef void scan_fn(const void *values, size_t n, double tiny, uint32_t *bins, double *squares, struct scan_run *out);

/* How the values of a panel stand: a column's 16 side by side, f32, f16, or q8 and q4 in whole steps (format/layout.h);
 * or in 16 rows of f32 or f16. */
enum scan_form { SCAN_F32, SCAN_F16, SCAN_Q8, SCAN_Q4, SCAN_F32_ROWS, SCAN_F16_ROWS, SCAN_FORMS };

/* n_cols <= SCAN_COLS columns of SCAN_LANES rows. `row_bytes` apart are the rows of a form of rows; no other has any.
 * Values need no alignment. */
struct scan_panel {
    const void *values;
    size_t row_bytes, n_cols;
};

/* The same of a panel, column by column: a row is a lane. The sum of its squares is added to its
 * row_squares[SCAN_LANES], and that of a column, as a tree, to its col_squares[n_cols]. */
typedef void scan_panel_fn(const struct scan_panel *panel, double tiny, uint32_t *bins, double *row_squares,
                           double *col_squares, struct scan_run *out);

/* The definition. */
scan_fn scan_f64, scan_f32_by_definition;
extern scan_panel_fn *const scan_panel_by_definition[SCAN_FORMS];
#if defined(__x86_64__)
extern scan_fn *const scan_f32_avx2;
extern scan_panel_fn *const scan_panel_avx2[SCAN_FORMS];
#endif

/* The best that runs here. */
scan_fn *scan_f32_select(void);
scan_panel_fn *scan_panel_select(enum scan_form form);

/* The bin of a finite value; of infinity one above them all. */
uint32_t scan_bin(double value);

/* The magnitude at which a bin begins. */
double scan_bin_magnitude(uint32_t bin);

/* The power of two by which differences are divided before they are squared: 0, but for f64 whose squares would be
 * beyond a double, or below its normal numbers. */
static inline int scan_scale(double abs_max)
{
    int exponent = 0;
    if (abs_max >= 0x1p-480 && abs_max <= 0x1p480) return 0;
    frexp(abs_max, &exponent);
    return exponent;
}

/* m2 out of the two sums, in one pass. False where the mean is so large beside the deviation that too many digits
 * cancel (or where a square is beyond a double): there a second pass is needed. */
static inline bool scan_m2_of_sums(struct scan_run *run)
{
    run->m2 = run->squares - run->sum / run->n_finite * run->sum;
    return run->m2 >= run->squares / 4 && run->m2 <= DBL_MAX;
}

static inline double scan_add_lanes(double lanes[SCAN_LANES])
{
    for (size_t width = SCAN_LANES / 2; width > 0; width /= 2)
        for (size_t i = 0; i < width; i++) lanes[i] += lanes[i + width];
    return lanes[0];
}

#endif

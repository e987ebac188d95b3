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
#define SCAN_PANEL 4096u /* of a run of a panel */
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

/* How the values of a panel stand: value i is in row i % SCAN_LANES and column i / SCAN_LANES; q8 and q4 in whole steps
 * (format/layout.h). */
enum scan_form { SCAN_F32, SCAN_F16, SCAN_Q8, SCAN_Q4, SCAN_FORMS };

/* The same of a panel. The sum of the squares of a row, which is a lane, is added to its row_squares[SCAN_LANES], and
 * that of a column, as a tree, to its col_squares[]. n is a multiple of SCAN_LANES, n <= SCAN_PANEL. */
typedef void scan_panel_fn(const void *values, size_t n, double tiny, uint32_t *bins, double *row_squares,
                           double *col_squares, struct scan_run *out);

/* Makes n / SCAN_LANES columns of such a panel out of SCAN_LANES rows of f32, which are row_bytes apart. */
typedef void scan_turn_fn(const void *rows, size_t row_bytes, size_t n, float *panel);

/* The same of values of 16 bits. */
typedef void scan_turn_halves_fn(const void *rows, size_t row_bytes, size_t n, uint16_t *panel);

/* The definition. */
scan_fn scan_f64, scan_f32_by_definition;
extern scan_panel_fn *const scan_panel_by_definition[SCAN_FORMS];
scan_turn_fn scan_turn_by_definition;
scan_turn_halves_fn scan_turn_halves_by_definition;
#if defined(__x86_64__)
extern scan_fn *const scan_f32_avx2;
extern scan_panel_fn *const scan_panel_avx2[SCAN_FORMS];
extern scan_turn_fn *const scan_turn_avx2;
extern scan_turn_halves_fn *const scan_turn_halves_avx2;
#endif

/* The best that runs here. */
scan_fn *scan_f32_select(void);
scan_panel_fn *scan_panel_select(enum scan_form form);
scan_turn_fn *scan_turn_select(void);
scan_turn_halves_fn *scan_turn_halves_select(void);

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

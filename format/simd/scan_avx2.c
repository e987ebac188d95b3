/* scan_avx2.c - the scan of f32 with AVX2, 16 values at a time: the bits of format/simd/scan.c.
 *
 * Two passes over a run that is in the first-level cache after the first. A run with a NaN or an infinity, which is
 * rare, goes to the definition. */
#if defined(__x86_64__)

#include "format/simd/scan.h"

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define F32_INF   0x7F800000
#define MAGNITUDE 0x7FFFFFFF
#define BIN_SHIFT 15
#define STEP      16u /* values of an iteration: one for each lane */

struct range {
    float min, max;
    int32_t abs_min, abs_max; /* bits: magnitudes are ordered as integers */
    uint32_t least;           /* the smallest but zero, less one: so a zero is the largest */
};

/* The range so far, vector by vector. */
struct ranges {
    __m256 min, max;
    __m256i abs_min, abs_max, least;
};

/* Four vectors of four lanes. */
struct lanes {
    __m256d v[4];
};

static const float *at(const void *values, size_t i)
{
    return (const float *)(const void *)((const char *)values + i * sizeof(float));
}

static float value_at(const void *values, size_t i)
{
    float value;
    memcpy(&value, at(values, i), sizeof value);
    return value;
}

static inline __m256d widen(const void *values, size_t i)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(at(values, i)));
}

/* The lanes as they stand after the last whole step; what is behind it goes on with lane 0. */
static void store_lanes(const struct lanes *lanes, double out[SCAN_LANES])
{
    for (size_t k = 0; k < 4; k++) _mm256_storeu_pd(out + 4 * k, lanes->v[k]);
}

static inline void widen_range(struct ranges *r, __m256 v)
{
    __m256i magnitude = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(MAGNITUDE));
    r->min = _mm256_min_ps(r->min, v);
    r->max = _mm256_max_ps(r->max, v);
    r->abs_min = _mm256_min_epi32(r->abs_min, magnitude);
    r->abs_max = _mm256_max_epi32(r->abs_max, magnitude);
    r->least = _mm256_min_epu32(r->least, _mm256_sub_epi32(magnitude, _mm256_set1_epi32(1)));
}

static void range_add(struct range *range, float value)
{
    int32_t magnitude;
    memcpy(&magnitude, &value, sizeof magnitude);
    magnitude &= MAGNITUDE;
    if (value < range->min) range->min = value;
    if (value > range->max) range->max = value;
    if (magnitude < range->abs_min) range->abs_min = magnitude;
    if (magnitude > range->abs_max) range->abs_max = magnitude;
    if ((uint32_t)magnitude - 1 < range->least) range->least = (uint32_t)magnitude - 1;
}

static struct range range_of(const struct ranges *r)
{
    struct range range = { INFINITY, -INFINITY, MAGNITUDE, 0, UINT32_MAX };
    float low[8], high[8];
    int32_t small[8], large[8];
    uint32_t least[8];
    _mm256_storeu_ps(low, r->min);
    _mm256_storeu_ps(high, r->max);
    _mm256_storeu_si256((__m256i *)(void *)small, r->abs_min);
    _mm256_storeu_si256((__m256i *)(void *)large, r->abs_max);
    _mm256_storeu_si256((__m256i *)(void *)least, r->least);
    for (size_t i = 0; i < 8; i++) {
        if (low[i] < range.min) range.min = low[i];
        if (high[i] > range.max) range.max = high[i];
        if (small[i] < range.abs_min) range.abs_min = small[i];
        if (large[i] > range.abs_max) range.abs_max = large[i];
        if (least[i] < range.least) range.least = least[i];
    }
    return range;
}

/* With a NaN among the values min, max and sum are worth nothing, but abs_max says so. */
static double sum_and_range(const void *values, size_t n, struct range *range)
{
    struct ranges r = { _mm256_set1_ps(INFINITY), _mm256_set1_ps(-INFINITY), _mm256_set1_epi32(MAGNITUDE),
                        _mm256_setzero_si256(), _mm256_set1_epi32(-1) };
    struct lanes sums = { 0 };
    double lanes[SCAN_LANES];
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        widen_range(&r, _mm256_loadu_ps(at(values, i)));
        widen_range(&r, _mm256_loadu_ps(at(values, i + 8)));
        for (size_t k = 0; k < 4; k++) sums.v[k] = _mm256_add_pd(sums.v[k], widen(values, i + 4 * k));
    }
    *range = range_of(&r);
    store_lanes(&sums, lanes);
    for (size_t k = 0; i + k < n; k++) {
        lanes[k] += (double)value_at(values, i + k);
        range_add(range, value_at(values, i + k));
    }
    return scan_add_lanes(lanes);
}

/* Bins of 16 values, two by two: a shift takes the second out of a pair. */
static inline void count_bins(const void *values, size_t i, uint32_t *bins)
{
    for (size_t k = 0; k < STEP; k += 2) {
        uint64_t pair;
        memcpy(&pair, at(values, i + k), sizeof pair);
        bins[(uint32_t)pair >> BIN_SHIFT]++;
        bins[pair >> (32 + BIN_SHIFT)]++;
    }
}

static double squares_behind(const void *values, size_t from, size_t n, double mean, uint32_t *bins, double *squares,
                             double lanes[SCAN_LANES])
{
    for (size_t i = from; i < n; i++) {
        float narrow = value_at(values, i);
        double value = (double)narrow, off = value - mean;
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        bins[bits >> BIN_SHIFT]++;
        lanes[i - from] += off * off;
        if (squares) squares[i] += value * value;
    }
    return scan_add_lanes(lanes);
}

/* The second pass. */
static double squares_and_bins(const void *values, size_t n, double mean, uint32_t *bins, double *squares)
{
    const __m256d middle = _mm256_set1_pd(mean);
    struct lanes sums = { 0 };
    double lanes[SCAN_LANES];
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        for (size_t k = 0; k < 4; k++) {
            __m256d value = widen(values, i + 4 * k), off = _mm256_sub_pd(value, middle);
            sums.v[k] = _mm256_add_pd(sums.v[k], _mm256_mul_pd(off, off));
            if (!squares) continue;
            double *to = squares + i + 4 * k;
            _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), _mm256_mul_pd(value, value)));
        }
        count_bins(values, i, bins);
    }
    store_lanes(&sums, lanes);
    return squares_behind(values, i, n, mean, bins, squares, lanes);
}

static void count_small(const void *values, size_t n, double tiny, struct scan_run *out)
{
    for (size_t i = 0; i < n; i++) {
        double magnitude = fabs((double)value_at(values, i));
        out->n_zero += magnitude == 0;
        out->n_denormal += magnitude != 0 && magnitude < tiny;
    }
}

static double magnitude_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* All but m2 and the bins. False where the definition is needed, and nothing has been added yet. */
static bool scan_range(const void *values, size_t n, struct range *range, struct scan_run *out)
{
    double sum = sum_and_range(values, n, range);
    *out = (struct scan_run){
        .n_finite = (uint32_t)n,
        .min = (double)range->min + 0.0,
        .max = (double)range->max + 0.0,
        .abs_min = range->least == UINT32_MAX ? INFINITY : magnitude_of(range->least + 1),
        .abs_max = magnitude_of((uint32_t)range->abs_max),
        .sum = sum,
    };
    return n > 0 && range->abs_max < F32_INF;
}

static void scan(const void *values, size_t n, double tiny, uint32_t *bins, double *squares, struct scan_run *out)
{
    struct range range;
    if (!scan_range(values, n, &range, out)) {
        scan_f32_by_definition(values, n, tiny, bins, squares, out);
        return;
    }
    out->m2 = squares_and_bins(values, n, out->sum / (double)n, bins, squares);
    if (range.abs_min == 0 || out->abs_min < tiny) count_small(values, n, tiny, out);
}

scan_fn *const scan_f32_avx2 = scan;

/* ------------------------------------------------------------------------------------------------------- panels */

/* Sums of the 16 lanes of columns a, b, c, d, each already folded to four: in the order of scan_add_lanes(). */
static inline __m256d fold(const __m256d v[4])
{
    __m256d ac = _mm256_add_pd(_mm256_permute2f128_pd(v[0], v[2], 0x20), _mm256_permute2f128_pd(v[0], v[2], 0x31));
    __m256d bd = _mm256_add_pd(_mm256_permute2f128_pd(v[1], v[3], 0x20), _mm256_permute2f128_pd(v[1], v[3], 0x31));
    return _mm256_hadd_pd(ac, bd);
}

/* One column: what differs from the middle, squared, to the lanes of `off`; squares to those of `rows`. Returns the
 * squares folded to four. */
static inline __m256d column(const void *values, size_t i, __m256d middle, struct lanes *off, struct lanes *rows)
{
    __m256d square[4];
    for (size_t k = 0; k < 4; k++) {
        __m256d value = widen(values, i + 4 * k), apart = _mm256_sub_pd(value, middle);
        off->v[k] = _mm256_add_pd(off->v[k], _mm256_mul_pd(apart, apart));
        square[k] = _mm256_mul_pd(value, value);
        rows->v[k] = _mm256_add_pd(rows->v[k], square[k]);
    }
    return _mm256_add_pd(_mm256_add_pd(square[0], square[2]), _mm256_add_pd(square[1], square[3]));
}

static double panel_squares_and_bins(const void *values, size_t n, double mean, uint32_t *bins, double *row_squares,
                                     double *col_squares)
{
    const __m256d middle = _mm256_set1_pd(mean);
    struct lanes off = { 0 }, rows;
    double lanes[SCAN_LANES], last[4];
    size_t i = 0;
    for (size_t k = 0; k < 4; k++) rows.v[k] = _mm256_loadu_pd(row_squares + 4 * k);
    for (; n - i >= 4 * STEP; i += 4 * STEP) {
        __m256d columns[4];
        double *to = col_squares + i / STEP;
        for (size_t k = 0; k < 4; k++) {
            columns[k] = column(values, i + k * STEP, middle, &off, &rows);
            count_bins(values, i + k * STEP, bins);
        }
        _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), fold(columns)));
    }
    for (; i < n; i += STEP) {
        __m256d only = column(values, i, middle, &off, &rows);
        count_bins(values, i, bins);
        _mm256_storeu_pd(last, fold((__m256d[4]){ only, only, only, only }));
        col_squares[i / STEP] += last[0];
    }
    store_lanes(&rows, row_squares);
    store_lanes(&off, lanes);
    return scan_add_lanes(lanes);
}

static void scan_panel(const void *values, size_t n, double tiny, uint32_t *bins, double *row_squares,
                       double *col_squares, struct scan_run *out)
{
    struct range range;
    if (!scan_range(values, n, &range, out)) {
        scan_panel_by_definition(values, n, tiny, bins, row_squares, col_squares, out);
        return;
    }
    out->m2 = panel_squares_and_bins(values, n, out->sum / (double)n, bins, row_squares, col_squares);
    if (range.abs_min == 0 || out->abs_min < tiny) count_small(values, n, tiny, out);
}

scan_panel_fn *const scan_panel_avx2 = scan_panel;

/* 8 columns of 8 rows. */
static inline void turn_eight(const char *rows, size_t row_bytes, float *to)
{
    __m256 pairs[8], fours[8];
    for (size_t k = 0; k < 8; k += 2) {
        __m256 even = _mm256_loadu_ps(at(rows + k * row_bytes, 0)),
               odd = _mm256_loadu_ps(at(rows + (k + 1) * row_bytes, 0));
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
    const size_t n_cols = n / SCAN_LANES, ahead = SCAN_MAX / SCAN_LANES;
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

#else
typedef int scan_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

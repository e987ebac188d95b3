/* scan_avx2.c - the scan of f32 with AVX2, 16 values at a time: the bits of format/simd/scan.c.
 *
 * Two passes over a run that is in the first-level cache after the first. A run with a NaN or an infinity, which is
 * rare, goes to the definition. */
#if defined(__x86_64__)

#include "format/simd/scan.h"

#include <immintrin.h>
#include <math.h>
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

static void scan(const void *values, size_t n, double tiny, uint32_t *bins, double *squares, struct scan_run *out)
{
    struct range range;
    double sum = sum_and_range(values, n, &range);
    if (n == 0 || range.abs_max >= F32_INF) {
        scan_f32_by_definition(values, n, tiny, bins, squares, out);
        return;
    }
    *out = (struct scan_run){
        .n_finite = (uint32_t)n,
        .min = (double)range.min + 0.0,
        .max = (double)range.max + 0.0,
        .abs_min = range.least == UINT32_MAX ? INFINITY : magnitude_of(range.least + 1),
        .abs_max = magnitude_of((uint32_t)range.abs_max),
        .sum = sum,
    };
    out->m2 = squares_and_bins(values, n, sum / (double)n, bins, squares);
    if (range.abs_min == 0 || out->abs_min < tiny) count_small(values, n, tiny, out);
}

scan_fn *const scan_f32_avx2 = scan;

#else
typedef int scan_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

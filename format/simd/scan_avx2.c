/* scan_avx2.c - the scan with AVX2, 16 values at a time: the bits of format/simd/scan.c.
 *
 * Counting bins takes a load and a store of each value, which nothing makes cheaper; what else is done in the same pass
 * over a panel, widening included, takes other units and little more time. A run with a NaN or an infinity, which is
 * rare, goes to the definition.
 *
 * What a pass has so far is handed over by value: were its address taken, gcc would keep it in memory, where any store
 * to a bin might change it, and a pass would take twice as long. */
#if defined(__x86_64__)

#include "format/simd/lanes_avx2.h"
#include "format/simd/scan_load_avx2.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define F32_INF   0x7F800000
#define SIGN      0x80000000
#define MAGNITUDE 0x7FFFFFFF
#define BIN_SHIFT 15

/* Of bits as they stand: positive values are ordered as signed integers, negative ones among themselves as unsigned. */
struct range {
    int32_t high;   /* the largest value, if there is a positive one */
    uint32_t low;   /* the smallest value, if there is a negative one */
    uint32_t least; /* the least magnitude but zero, less one: of zeros alone UINT32_MAX */
};

/* The range so far, vector by vector. */
struct ranges {
    __m256i high, low, least;
};

/* What a pass over a run adds up. */
struct sums {
    struct range range;
    double values[SCAN_LANES], squares[SCAN_LANES];
};

static const float *at(const void *values, size_t i)
{
    return (const float *)(const void *)((const char *)values + i * sizeof(float));
}

static uint32_t bits_at(const void *values, size_t i)
{
    uint32_t bits;
    memcpy(&bits, at(values, i), sizeof bits);
    return bits;
}

static double value_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

static inline __m256d widen(const void *values, size_t i)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(at(values, i)));
}

/* ------------------------------------------------------------------------------------------------------- ranges */

static inline struct ranges no_ranges(void)
{
    return (struct ranges){ _mm256_set1_epi32(INT32_MIN), _mm256_setzero_si256(), _mm256_set1_epi32(-1) };
}

static inline void widen_range(struct ranges *r, __m256i bits)
{
    __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(MAGNITUDE));
    r->high = _mm256_max_epi32(r->high, bits);
    r->low = _mm256_max_epu32(r->low, bits);
    r->least = _mm256_min_epu32(r->least, _mm256_sub_epi32(magnitude, _mm256_set1_epi32(1)));
}

static void range_add(struct range *range, uint32_t bits)
{
    if ((int32_t)bits > range->high) range->high = (int32_t)bits;
    if (bits > range->low) range->low = bits;
    if ((bits & MAGNITUDE) - 1 < range->least) range->least = (bits & MAGNITUDE) - 1;
}

/* Each of the three is that of some value's bits: of the others' no word is true but theirs. */
static struct range range_of(struct ranges r)
{
    struct range range = { INT32_MIN, 0, UINT32_MAX };
    int32_t high[8];
    uint32_t low[8], least[8];
    _mm256_storeu_si256((__m256i *)(void *)high, r.high);
    _mm256_storeu_si256((__m256i *)(void *)low, r.low);
    _mm256_storeu_si256((__m256i *)(void *)least, r.least);
    for (size_t i = 0; i < 8; i++) {
        if (high[i] > range.high) range.high = high[i];
        if (low[i] > range.low) range.low = low[i];
        if (least[i] < range.least) range.least = least[i];
    }
    return range;
}

static bool is_finite(const struct range *range)
{
    return range->high < F32_INF && range->low < SIGN + F32_INF;
}

/* The bits of the least f32 that is not below a number from 0 up to FLT_MAX. */
static uint32_t bits_up(double value)
{
    float nearest = (float)value;
    uint32_t bits;
    memcpy(&bits, &nearest, sizeof bits);
    return bits + ((double)nearest < value);
}

/* What small values there are. */
struct small {
    uint32_t n_zero, n_below; /* below a bound, zeros included */
};

static struct small small_of(__m256i zero, __m256i below)
{
    struct small small = { 0 };
    uint32_t zeros[8], belows[8];
    _mm256_storeu_si256((__m256i *)(void *)zeros, zero);
    _mm256_storeu_si256((__m256i *)(void *)belows, below);
    for (size_t k = 0; k < 8; k++) {
        small.n_zero += zeros[k];
        small.n_below += belows[k];
    }
    return small;
}

/* A pass of its own, for hardly a run holds any that the first bin does not tell from zeros. */
static struct small find_small(const void *values, size_t n, uint32_t bound)
{
    const __m256i bounds = _mm256_set1_epi32((int32_t)bound);
    __m256i zero = _mm256_setzero_si256(), below = zero;
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(at(values, i)));
        __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(MAGNITUDE));
        zero = _mm256_sub_epi32(zero, _mm256_cmpeq_epi32(magnitude, _mm256_setzero_si256()));
        below = _mm256_sub_epi32(below, _mm256_cmpgt_epi32(bounds, magnitude));
    }
    struct small small = small_of(zero, below);
    for (; i < n; i++) {
        const uint32_t magnitude = bits_at(values, i) & MAGNITUDE;
        small.n_zero += magnitude == 0;
        small.n_below += magnitude < bound;
    }
    return small;
}

/* Whether a value that is not zero is below `tiny`, or in the bin of zero. */
static bool has_small(const struct range *range, double tiny)
{
    const uint32_t bound = bits_up(tiny), first_bin = UINT32_C(1) << BIN_SHIFT;
    return range->least < (bound > first_bin ? bound : first_bin) - 1;
}

/* Of finite values, of which there is one. */
static void put_range(const struct range *range, struct small small, struct scan_run *out)
{
    const uint32_t low = range->low > SIGN ? range->low - SIGN : 0;
    const uint32_t high = range->high > 0 ? (uint32_t)range->high : 0;
    const double least = range->least == UINT32_MAX ? INFINITY : value_of(range->least + 1);
    out->n_zero = small.n_zero;
    out->n_denormal = small.n_below - small.n_zero;
    out->abs_min = least;
    out->abs_max = value_of(high > low ? high : low);
    out->min = low ? -value_of(low) : small.n_zero ? 0 : least;
    out->max = high ? value_of(high) : small.n_zero ? 0 : -least;
}

/* ---------------------------------------------------------------------------------------------------------- bins */

/* Two by two: a shift takes the second out of a pair. */
static inline void count_step(const void *values, size_t i, uint32_t *bins)
{
    UNROLL
    for (size_t k = 0; k < STEP; k += 2) {
        uint64_t pair;
        memcpy(&pair, at(values, i + k), sizeof pair);
        bins[(uint32_t)pair >> BIN_SHIFT]++;
        bins[pair >> (32 + BIN_SHIFT)]++;
    }
}

/* Those in the bins of zero. */
static uint32_t count_zeros(const uint32_t *bins)
{
    return bins[0] + bins[SCAN_SIGN];
}

static void count_bins(const void *values, size_t n, uint32_t *bins)
{
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) count_step(values, i, bins);
    for (; i < n; i++) bins[bits_at(values, i) >> BIN_SHIFT]++;
}

/* ---------------------------------------------------------------------------------------------------------- sums */

/* Adds the squares of 16 differences. */
static inline void add_off(const void *values, __m256d middle, struct lanes *sums)
{
    UNROLL
    for (size_t k = 0; k < 4; k++) {
        __m256d off = _mm256_sub_pd(widen(values, 4 * k), middle);
        sums->v[k] = _mm256_add_pd(sums->v[k], _mm256_mul_pd(off, off));
    }
}

static double squares_off(const void *values, size_t n, double mean)
{
    struct lanes sums = { 0 };
    double lanes[SCAN_LANES];
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) add_off(at(values, i), _mm256_set1_pd(mean), &sums);
    store_lanes(sums, lanes);
    for (size_t k = 0; i + k < n; k++) {
        double off = value_of(bits_at(values, i + k)) - mean;
        lanes[k] += off * off;
    }
    return scan_add_lanes(lanes);
}

/* A fused multiply-add of a square rounds once, as the sum alone would: a double holds the square of an f32. */
static void add_up(const void *values, size_t n, struct sums *out)
{
    struct ranges r = no_ranges();
    struct lanes sums = { 0 }, squares = { 0 };
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        widen_range(&r, _mm256_castps_si256(_mm256_loadu_ps(at(values, i))));
        widen_range(&r, _mm256_castps_si256(_mm256_loadu_ps(at(values, i + 8))));
        UNROLL
        for (size_t k = 0; k < 4; k++) {
            __m256d value = widen(values, i + 4 * k);
            sums.v[k] = _mm256_add_pd(sums.v[k], value);
            squares.v[k] = _mm256_fmadd_pd(value, value, squares.v[k]);
        }
    }
    out->range = range_of(r);
    store_lanes(sums, out->values);
    store_lanes(squares, out->squares);
    for (size_t k = 0; i + k < n; k++) {
        double value = value_of(bits_at(values, i + k));
        out->values[k] += value;
        out->squares[k] += value * value;
        range_add(&out->range, bits_at(values, i + k));
    }
}

static void add_squares(const void *values, size_t n, double *squares)
{
    size_t i = 0;
    for (; n - i >= 4; i += 4) {
        __m256d value = widen(values, i);
        _mm256_storeu_pd(squares + i, _mm256_fmadd_pd(value, value, _mm256_loadu_pd(squares + i)));
    }
    for (; i < n; i++) squares[i] += value_of(bits_at(values, i)) * value_of(bits_at(values, i));
}

/* All that is told of finite values, of which there is one. */
static void put_run(size_t n, struct small small, struct sums *sums, struct scan_run *out)
{
    *out = (struct scan_run){
        .n_finite = (uint32_t)n,
        .sum = scan_add_lanes(sums->values),
        .squares = scan_add_lanes(sums->squares),
    };
    put_range(&sums->range, small, out);
}

static void scan(const void *values, size_t n, double tiny, uint32_t *bins, double *squares, struct scan_run *out)
{
    const uint32_t zeros_before = count_zeros(bins);
    struct sums sums;
    add_up(values, n, &sums);
    if (n == 0 || !is_finite(&sums.range)) {
        scan_f32_by_definition(values, n, tiny, bins, squares, out);
        return;
    }
    if (squares) add_squares(values, n, squares);
    count_bins(values, n, bins);
    struct small small = { count_zeros(bins) - zeros_before, count_zeros(bins) - zeros_before };
    if (has_small(&sums.range, tiny)) small = find_small(values, n, bits_up(tiny));
    put_run(n, small, &sums, out);
    if (!scan_m2_of_sums(out)) out->m2 = squares_off(values, n, out->sum / (double)n);
}

scan_fn *const scan_f32_avx2 = scan;

/* ------------------------------------------------------------------------------------------------------- panels */

/* What a pass over a panel has so far. */
struct pass {
    struct ranges ranges;
    struct lanes values, squares;
};

/* One column. Returns its squares folded to four. */
static inline __m256d column(const void *values, struct pass *pass)
{
    __m256d folded[2];
    widen_range(&pass->ranges, _mm256_castps_si256(_mm256_loadu_ps(at(values, 0))));
    widen_range(&pass->ranges, _mm256_castps_si256(_mm256_loadu_ps(at(values, 8))));
    UNROLL
    for (size_t k = 0; k < 4; k++) {
        __m256d v = widen(values, 4 * k);
        pass->values.v[k] = _mm256_add_pd(pass->values.v[k], v);
        pass->squares.v[k] = _mm256_fmadd_pd(v, v, pass->squares.v[k]);
        folded[k % 2] = k < 2 ? _mm256_mul_pd(v, v) : _mm256_fmadd_pd(v, v, folded[k % 2]);
    }
    return _mm256_add_pd(folded[0], folded[1]);
}

/* Sums and bins of whole columns; `squares` gets those of each. */
BY_FORM void scan_columns(enum scan_form form, const struct scan_panel *panel, uint32_t *bins,
                          double squares[SCAN_COLS], struct sums *out)
{
    struct pass pass = { .ranges = no_ranges() };
    __m256d folded[BATCH];
    float room[BATCH * STEP];
    for (size_t col = 0; col < panel->n_cols; col += BATCH) {
        const size_t n = batch_at(panel, col);
        const float *columns = load(form, panel, col, n, room);
        for (size_t k = 0; k < n; k++) {
            folded[k] = column(columns + k * STEP, &pass);
            count_step(columns, k * STEP, bins);
        }
        fold_all(folded, n, squares + col);
    }
    out->range = range_of(pass.ranges);
    store_lanes(pass.values, out->values);
    store_lanes(pass.squares, out->squares);
}

/* What few panels need: another pass. */

BY_FORM struct small find_small_columns(enum scan_form form, const struct scan_panel *panel, uint32_t bound)
{
    struct small small = { 0 };
    float room[BATCH * STEP];
    for (size_t col = 0; col < panel->n_cols; col += BATCH) {
        const size_t n = batch_at(panel, col);
        const struct small more = find_small(load(form, panel, col, n, room), n * STEP, bound);
        small.n_zero += more.n_zero;
        small.n_below += more.n_below;
    }
    return small;
}

BY_FORM double squares_off_columns(enum scan_form form, const struct scan_panel *panel, double mean)
{
    struct lanes sums = { 0 };
    double lanes[SCAN_LANES];
    float room[BATCH * STEP];
    for (size_t col = 0; col < panel->n_cols; col += BATCH) {
        const size_t n = batch_at(panel, col);
        const float *columns = load(form, panel, col, n, room);
        for (size_t k = 0; k < n; k++) add_off(columns + k * STEP, _mm256_set1_pd(mean), &sums);
    }
    store_lanes(sums, lanes);
    return scan_add_lanes(lanes);
}

BY_FORM void take_bins_back(enum scan_form form, const struct scan_panel *panel, uint32_t *bins)
{
    float room[BATCH * STEP];
    for (size_t col = 0; col < panel->n_cols; col += BATCH) {
        const size_t n = batch_at(panel, col);
        const float *columns = load(form, panel, col, n, room);
        for (size_t i = 0; i < n * STEP; i++) bins[bits_at(columns, i) >> BIN_SHIFT]--;
    }
}

BY_FORM void scan_panel(enum scan_form form, const struct scan_panel *panel, double tiny, uint32_t *bins,
                        double *row_squares, double *col_squares, struct scan_run *out)
{
    const size_t n = panel->n_cols * STEP;
    const uint32_t zeros_before = count_zeros(bins);
    double squares[SCAN_COLS];
    struct sums sums;
    scan_columns(form, panel, bins, squares, &sums);
    if (n == 0 || !is_finite(&sums.range)) {
        take_bins_back(form, panel, bins);
        scan_panel_by_definition[form](panel, tiny, bins, row_squares, col_squares, out);
        return;
    }
    add_all(sums.squares, SCAN_LANES, row_squares);
    add_all(squares, panel->n_cols, col_squares);
    struct small small = { count_zeros(bins) - zeros_before, count_zeros(bins) - zeros_before };
    if (has_small(&sums.range, tiny)) small = find_small_columns(form, panel, bits_up(tiny));
    put_run(n, small, &sums, out);
    if (!scan_m2_of_sums(out)) out->m2 = squares_off_columns(form, panel, out->sum / (double)n);
}

#define PANEL(name, form)                                                                                              \
    static void name(const struct scan_panel *panel, double tiny, uint32_t *bins, double *row_squares,                 \
                     double *col_squares, struct scan_run *out)                                                        \
    {                                                                                                                  \
        scan_panel(form, panel, tiny, bins, row_squares, col_squares, out);                                            \
    }
PANEL(scan_f32_panel, SCAN_F32)
PANEL(scan_f16_panel, SCAN_F16)
PANEL(scan_q8_panel, SCAN_Q8)
PANEL(scan_q4_panel, SCAN_Q4)
PANEL(scan_f32_rows, SCAN_F32_ROWS)
PANEL(scan_f16_rows, SCAN_F16_ROWS)

scan_panel_fn *const scan_panel_avx2[SCAN_FORMS] = {
    [SCAN_F32] = scan_f32_panel, [SCAN_F16] = scan_f16_panel,     [SCAN_Q8] = scan_q8_panel,
    [SCAN_Q4] = scan_q4_panel,   [SCAN_F32_ROWS] = scan_f32_rows, [SCAN_F16_ROWS] = scan_f16_rows,
};

#else
typedef int scan_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

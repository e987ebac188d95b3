/* scan_avx2.c - the scan with AVX2, 16 values at a time: the bits of format/simd/scan.c.
 *
 * Counting bins takes a load and a store of each value, which nothing makes cheaper; what else is done in the same pass
 * over a panel, widening included, takes other units and little more time. A run with a NaN or an infinity, which is
 * rare, goes to the definition.
 *
 * What a pass has so far is handed over by value: were its address taken, gcc would keep it in memory, where any store
 * to a bin might change it, and a pass would take twice as long. */
#if defined(__x86_64__)

#include "format/quant.h"
#include "format/simd/lanes_avx2.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define F32_INF   0x7F800000
#define SIGN      0x80000000
#define MAGNITUDE 0x7FFFFFFF
#define BIN_SHIFT 15
#define STEP      16u /* values of an iteration: one for each lane */

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

static double squares_off(const void *values, size_t n, double mean)
{
    const __m256d middle = _mm256_set1_pd(mean);
    struct lanes sums = { 0 };
    double lanes[SCAN_LANES];
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        UNROLL
        for (size_t k = 0; k < 4; k++) {
            __m256d off = _mm256_sub_pd(widen(values, i + 4 * k), middle);
            sums.v[k] = _mm256_add_pd(sums.v[k], _mm256_mul_pd(off, off));
        }
    }
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

/* Levels of four columns of 8 lanes, a byte each. */
BY_FORM __m256i level_bytes(enum scan_form form, const uint8_t *step, size_t k, size_t lane)
{
    const enum ingot_dtype dtype = form == SCAN_Q8 ? INGOT_Q8 : INGOT_Q4;
    const __m256i *from = (const __m256i *)(const void *)(step + quant_code_at(dtype, k, lane));
    const __m256i codes = _mm256_loadu_si256(from);
    if (form == SCAN_Q8) return _mm256_xor_si256(codes, _mm256_set1_epi8((char)QUANT_Q8_ZERO));
    const __m128i shift = _mm_cvtsi32_si128(k % 8 < 4 ? 0 : 4);
    const __m256i nibbles = _mm256_and_si256(_mm256_srl_epi32(codes, shift), _mm256_set1_epi8(15));
    const __m128i table = _mm_loadu_si128((const __m128i *)(const void *)quant_q4_levels);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

/* Columns col .. col + 3 of q8 or q4, which have one scale for each lane. A panel's steps are whole, so there are four
 * of them in any case. */
BY_FORM void load_four(enum scan_form form, const void *values, size_t col, float room[4 * STEP])
{
    const size_t k = col % INGOT_QUANT_STEP, step_bytes = form == SCAN_Q8 ? QUANT_Q8_STEP_BYTES : QUANT_Q4_STEP_BYTES;
    const uint8_t *step = (const uint8_t *)values + col / INGOT_QUANT_STEP * step_bytes;
    UNROLL
    for (size_t lane = 0; lane < STEP; lane += 8) {
        const __m128i *scales = (const __m128i *)(const void *)(step + quant_scale_at(k, lane));
        const __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128(scales));
        const __m256i bytes = level_bytes(form, step, k, lane);
        UNROLL
        for (size_t i = 0; i < 4; i++) {
            const __m256i level = _mm256_srai_epi32(_mm256_slli_epi32(bytes, (int)(24 - 8 * i)), 24);
            _mm256_storeu_ps(room + i * STEP + lane, _mm256_mul_ps(_mm256_cvtepi32_ps(level), scale));
        }
    }
}

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

BY_FORM void load_half(const void *values, size_t col, float room[STEP])
{
    const __m128i *from = (const __m128i *)(const void *)((const char *)values + col * STEP * sizeof(uint16_t));
    _mm256_storeu_ps(room, _mm256_cvtph_ps(_mm_loadu_si128(from)));
    _mm256_storeu_ps(room + 8, _mm256_cvtph_ps(_mm_loadu_si128(from + 1)));
}

/* Column `col` made f32, at its place among the four of `room`; before the columns behind it. */
BY_FORM const float *load(enum scan_form form, const void *values, size_t col, float room[4 * STEP])
{
    float *to = room + col % 4 * STEP;
    if (form == SCAN_F16)
        load_half(values, col, to);
    else if (col % 4 == 0)
        load_four(form, values, col, room);
    return to;
}

/* Sums and bins of whole columns, where they stand or made f32; `columns` gets the squares of each,
 * folded to four. */
BY_FORM void scan_columns(enum scan_form form, const void *values, size_t n, uint32_t *bins, __m256d *columns,
                          struct sums *out)
{
    struct pass pass = { .ranges = no_ranges() };
    float room[4 * STEP];
    for (size_t col = 0; col < n / STEP; col++) {
        const void *as_f32 = form == SCAN_F32 ? at(values, col * STEP) : load(form, values, col, room);
        columns[col] = column(as_f32, &pass);
        count_step(as_f32, 0, bins);
    }
    out->range = range_of(pass.ranges);
    store_lanes(pass.values, out->values);
    store_lanes(pass.squares, out->squares);
}

/* Values as f32 in their place, for the passes that few runs need. */
static const void *all_as_f32(enum scan_form form, const void *values, size_t n, float room[SCAN_PANEL])
{
    if (form == SCAN_F32) return values;
    for (size_t col = 0; col < n / STEP; col++) load(form, values, col, room + col / 4 * 4 * STEP);
    return room;
}

BY_FORM void scan_panel(enum scan_form form, scan_panel_fn *definition, const void *values, size_t n, double tiny,
                        uint32_t *bins, double *row_squares, double *col_squares, struct scan_run *out)
{
    __m256d columns[SCAN_PANEL / SCAN_LANES];
    float room[SCAN_PANEL];
    struct sums sums;
    const uint32_t zeros_before = count_zeros(bins);
    scan_columns(form, values, n, bins, columns, &sums);
    if (n == 0 || !is_finite(&sums.range)) {
        const void *as_f32 = all_as_f32(form, values, n, room);
        for (size_t i = 0; i < n; i++) bins[bits_at(as_f32, i) >> BIN_SHIFT]--;
        definition(values, n, tiny, bins, row_squares, col_squares, out);
        return;
    }
    for (size_t row = 0; row < SCAN_LANES; row++) row_squares[row] += sums.squares[row];
    add_columns(columns, n / SCAN_LANES, col_squares);
    struct small small = { count_zeros(bins) - zeros_before, count_zeros(bins) - zeros_before };
    if (has_small(&sums.range, tiny)) small = find_small(all_as_f32(form, values, n, room), n, bits_up(tiny));
    put_run(n, small, &sums, out);
    if (!scan_m2_of_sums(out)) out->m2 = squares_off(all_as_f32(form, values, n, room), n, out->sum / (double)n);
}

#define PANEL(type, form)                                                                                              \
    static void scan_##type##_panel(const void *values, size_t n, double tiny, uint32_t *bins, double *row_squares,    \
                                    double *col_squares, struct scan_run *out)                                         \
    {                                                                                                                  \
        scan_panel(form, scan_panel_by_definition[form], values, n, tiny, bins, row_squares, col_squares, out);        \
    }
PANEL(f32, SCAN_F32)
PANEL(f16, SCAN_F16)
PANEL(q8, SCAN_Q8)
PANEL(q4, SCAN_Q4)

scan_panel_fn *const scan_panel_avx2[SCAN_FORMS] = {
    [SCAN_F32] = scan_f32_panel,
    [SCAN_F16] = scan_f16_panel,
    [SCAN_Q8] = scan_q8_panel,
    [SCAN_Q4] = scan_q4_panel,
};

#else
typedef int scan_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

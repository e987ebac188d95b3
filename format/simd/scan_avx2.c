/* scan_avx2.c - the scan with AVX2, 16 values at a time: the bits of format/simd/scan.c.
 *
 * Counting bins takes a load and a store of each value, which nothing makes cheaper; what else is done in the same pass
 * over a panel, widening included, takes other units and little more time. A run with a NaN or an infinity, which is
 * rare, goes to the definition.
 *
 * What a pass has so far is handed over by value: were its address taken, gcc would keep it in memory, where any store
 * to a bin might change it, and a pass would take twice as long. */
#if defined(__x86_64__)

#include "format/simd/scan.h"

#include <immintrin.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define F32_INF   0x7F800000
#define SIGN      0x80000000
#define MAGNITUDE 0x7FFFFFFF
#define BIN_SHIFT 15
#define STEP      16u /* values of an iteration: one for each lane */

/* Lanes live in registers only if no loop is left. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* A body for each form that a panel has. */
#define BY_FORM static inline __attribute__((always_inline))

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

/* Four vectors of four lanes. */
struct lanes {
    __m256d v[4];
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

/* The lanes as they stand after the last whole step; what is behind it goes on with lane 0. */
static inline void store_lanes(struct lanes lanes, double out[SCAN_LANES])
{
    UNROLL
    for (size_t k = 0; k < 4; k++) _mm256_storeu_pd(out + 4 * k, lanes.v[k]);
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

/* What stands behind the run may come meanwhile. */
static inline void prefetch(const void *from)
{
    _mm_prefetch((const char *)from + SCAN_MAX * sizeof(float), _MM_HINT_T0);
}

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
    for (; n - i >= STEP; i += STEP) {
        prefetch(at(values, i));
        count_step(values, i, bins);
    }
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

/* Sums of the 16 lanes of columns a, b, c, d, each already folded to four: in the order of scan_add_lanes(). */
static inline __m256d fold(const __m256d v[4])
{
    __m256d ac = _mm256_add_pd(_mm256_permute2f128_pd(v[0], v[2], 0x20), _mm256_permute2f128_pd(v[0], v[2], 0x31));
    __m256d bd = _mm256_add_pd(_mm256_permute2f128_pd(v[1], v[3], 0x20), _mm256_permute2f128_pd(v[1], v[3], 0x31));
    return _mm256_hadd_pd(ac, bd);
}

/* What a pass over a panel has so far. */
struct pass {
    struct ranges ranges;
    struct lanes values, squares;
};

static inline const void *f16_column(const void *values, size_t col, float room[STEP])
{
    const __m128i *from = (const __m128i *)((const char *)values + col * STEP * sizeof(uint16_t));
    _mm256_storeu_ps(room, _mm256_cvtph_ps(_mm_loadu_si128(from)));
    _mm256_storeu_ps(room + 8, _mm256_cvtph_ps(_mm_loadu_si128(from + 1)));
    return room;
}

/* The low halves are those of the even column of a pair. */
static inline const void *bf16_column(const void *values, size_t col, float room[STEP])
{
    const __m256i *from = (const __m256i *)((const char *)values + col / 2 * STEP * sizeof(uint32_t));
    const __m256i high = _mm256_set1_epi32((int32_t)0xFFFF0000);
    const __m128i shift = _mm_cvtsi32_si128(col % 2 ? 0 : 16);
    for (size_t i = 0; i < 2; i++) {
        __m256i wide = _mm256_and_si256(_mm256_sll_epi32(_mm256_loadu_si256(from + i), shift), high);
        _mm256_storeu_ps(room + 8 * i, _mm256_castsi256_ps(wide));
    }
    return room;
}

/* Column `col` as f32: where it stands, or made so in `room`. */
static inline const void *column_of(enum scan_form form, const void *values, size_t col, float room[STEP])
{
    if (form == SCAN_F32) return at(values, col * STEP);
    return form == SCAN_F16 ? f16_column(values, col, room) : bf16_column(values, col, room);
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

/* Sums and bins of whole columns; `columns` gets the squares of each, folded to four. */
BY_FORM void scan_columns(enum scan_form form, const void *values, size_t n, uint32_t *bins, __m256d *columns,
                          struct sums *out)
{
    struct pass pass = { .ranges = no_ranges() };
    for (size_t col = 0; col < n / STEP; col++) {
        float room[STEP];
        const void *as_f32 = column_of(form, values, col, room);
        prefetch((const char *)values + col * STEP * (form == SCAN_F32 ? sizeof(float) : sizeof(uint16_t)));
        columns[col] = column(as_f32, &pass);
        count_step(as_f32, 0, bins);
    }
    out->range = range_of(pass.ranges);
    store_lanes(pass.values, out->values);
    store_lanes(pass.squares, out->squares);
}

/* What scan_columns() did to the bins. */
static void take_bins_back(enum scan_form form, const void *values, size_t n, uint32_t *bins)
{
    float room[STEP];
    for (size_t i = 0; i < n; i++) bins[bits_at(column_of(form, values, i / STEP, room), i % STEP) >> BIN_SHIFT]--;
}

static void add_columns(const __m256d *columns, size_t n, double *col_squares)
{
    size_t i = 0;
    for (; n - i >= 4; i += 4) {
        const __m256d four[4] = { columns[i], columns[i + 1], columns[i + 2], columns[i + 3] };
        _mm256_storeu_pd(col_squares + i, _mm256_add_pd(_mm256_loadu_pd(col_squares + i), fold(four)));
    }
    for (; i < n; i++) {
        const __m256d same[4] = { columns[i], columns[i], columns[i], columns[i] };
        col_squares[i] += _mm256_cvtsd_f64(fold(same));
    }
}

/* Values as f32 in their place, for the passes that few runs need. */
static const void *all_as_f32(enum scan_form form, const void *values, size_t n, float room[SCAN_PANEL])
{
    if (form == SCAN_F32) return values;
    for (size_t col = 0; col < n / STEP; col++) column_of(form, values, col, room + col * STEP);
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
        take_bins_back(form, values, n, bins);
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
        scan_panel(form, scan_##type##_panel_by_definition, values, n, tiny, bins, row_squares, col_squares, out);     \
    }                                                                                                                  \
    scan_panel_fn *const scan_##type##_panel_avx2 = scan_##type##_panel;
PANEL(f32, SCAN_F32)
PANEL(f16, SCAN_F16)
PANEL(bf16, SCAN_BF16)

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

#else
typedef int scan_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

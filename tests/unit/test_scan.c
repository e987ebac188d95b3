/* test_scan.c - the scan of a run against plain loops, and its vector form against the definition, bit for bit. */
#include "format/quant.h"
#include "format/simd/cpu.h"
#include "format/simd/scan.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"
#include "tests/unit/skip.h"

static uint64_t seed = 1;

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Mostly a weight; of `special` in 256 the others are whatever bits come. */
static float random_value(unsigned special)
{
    uint64_t r = random_u64(&seed);
    if ((r & 255) >= special) return (float)((double)(int64_t)r * 0x1p-70);
    static const uint32_t odd[] = { 0,          0x80000000, 1,          0x80000001, 0x007FFFFF, 0x00800000,
                                    0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFF800001 };
    uint64_t pick = r >> 8 & 15;
    return float_of(pick < 12 ? odd[pick] : (uint32_t)(r >> 32));
}

static double finite_value(const float *v, size_t i)
{
    return isfinite(v[i]) ? (double)v[i] : 0;
}

/* ------------------------------------------------------------------------------------------------------ definition */

static void assert_near(double found, double expected, double scale)
{
    if (fabs(found - expected) > 1e-13 * scale) fail_msg("%.17g instead of %.17g", found, expected);
}

static void compare_with_loops(const float *v, size_t n)
{
    uint32_t *bins = calloc(SCAN_BINS, sizeof *bins), n_nan = 0, n_inf = 0, n_zero = 0, n_denormal = 0, n_finite = 0;
    double *squares = calloc(n + 1, sizeof *squares), sum = 0, magnitudes = 0, m2 = 0;
    double all_squares = 0;
    struct scan_run run;
    scan_f32_by_definition(v, n, (double)FLT_MIN, bins, squares, &run);
    for (size_t i = 0; i < n; i++) {
        n_nan += isnan(v[i]) != 0;
        n_inf += isinf(v[i]) != 0;
        n_finite += isfinite(v[i]) != 0;
        n_zero += v[i] == 0;
        n_denormal += fpclassify(v[i]) == FP_SUBNORMAL;
        sum += finite_value(v, i);
        magnitudes += fabs(finite_value(v, i));
    }
    for (size_t i = 0; i < n; i++) m2 += isfinite(v[i]) ? pow((double)v[i] - sum / n_finite, 2) : 0;
    assert_int_equal(run.n_finite, n_finite);
    assert_int_equal(run.n_nan, n_nan);
    assert_int_equal(run.n_pos_inf + run.n_neg_inf, n_inf);
    assert_int_equal(run.n_zero, n_zero);
    assert_int_equal(run.n_denormal, n_denormal);
    assert_near(run.sum, sum, magnitudes);
    for (size_t i = 0; i < n; i++) all_squares += squares[i];
    assert_near(run.squares, all_squares, all_squares);
    assert_near(run.m2, m2, m2);
    for (size_t i = 0; i < n; i++) {
        assert_true(squares[i] == finite_value(v, i) * finite_value(v, i));
        if (!isfinite(v[i])) continue;
        assert_true(run.min <= (double)v[i] && (double)v[i] <= run.max);
        assert_true((v[i] == 0 || run.abs_min <= fabs((double)v[i])) && fabs((double)v[i]) <= run.abs_max);
        assert_true(bins[scan_bin((double)v[i])]-- > 0);
    }
    for (size_t i = 0; i < SCAN_BINS; i++) assert_int_equal(bins[i], 0);
    free(bins);
    free(squares);
}

static void a_run_has_the_figures_of_plain_loops(void **state)
{
    float v[SCAN_MAX];
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        size_t n = round < 40 ? round : SCAN_MAX - round % 3;
        for (size_t i = 0; i < n; i++) v[i] = random_value(round % 3 * 40);
        compare_with_loops(v, n);
    }
}

/* Around 1 with a deviation of a millionth, as the weights of a fresh norm are: the difference of the two sums would
 * have lost all digits. */
static void a_large_mean_costs_the_deviation_no_digits(void **state)
{
    float v[SCAN_MAX];
    uint32_t *bins = calloc(SCAN_BINS, sizeof *bins);
    struct scan_run run;
    double m2 = 0;
    (void)state;
    for (size_t i = 0; i < SCAN_MAX; i++) v[i] = 1 + (float)(i % 2 ? 8 : -8) * 0x1p-23F;
    scan_f32_select()(v, SCAN_MAX, (double)FLT_MIN, bins, NULL, &run);
    for (size_t i = 0; i < SCAN_MAX; i++) m2 += ((double)v[i] - 1) * ((double)v[i] - 1);
    assert_near(run.m2, m2, m2);
    assert_true(run.squares > SCAN_MAX);
    free(bins);
}

static void a_zero_is_positive_whatever_its_sign(void **state)
{
    static const float v[3] = { -0.0F, -0.0F, -0.0F };
    uint32_t *bins = calloc(SCAN_BINS, sizeof *bins);
    struct scan_run run;
    (void)state;
    scan_f32_select()(v, 3, (double)FLT_MIN, bins, NULL, &run);
    assert_false(signbit(run.min) || signbit(run.max));
    assert_int_equal(run.n_zero, 3);
    assert_int_equal(bins[SCAN_SIGN], 3);
    free(bins);
}

static void nothing_finite_leaves_an_empty_range(void **state)
{
    static const float v[2] = { NAN, -INFINITY };
    uint32_t *bins = calloc(SCAN_BINS, sizeof *bins);
    struct scan_run run;
    (void)state;
    for (size_t n = 0; n <= 2; n++) {
        scan_f32_select()(v, n, (double)FLT_MIN, bins, NULL, &run);
        assert_int_equal(run.n_finite, 0);
        assert_true(run.min > run.max && run.abs_min > run.abs_max && run.sum == 0 && run.m2 == 0);
    }
    free(bins);
}

/* -------------------------------------------------------------------------------------------------------- panels */

/* Squares are exact in double precision, and so are sums of a few of them of values that are small whole numbers. */
static void a_panel_has_its_rows_beside_each_other(void **state)
{
    enum { COLS = 7 };
    float v[COLS * SCAN_LANES];
    double rows[SCAN_LANES], cols[COLS];
    double expected_rows[SCAN_LANES] = { 0 }, expected_cols[COLS] = { 0 };
    uint32_t *bins = calloc(SCAN_BINS, sizeof *bins), n_counted = 0;
    struct scan_run run, alone;
    (void)state;
    for (size_t i = 0; i < COLS * SCAN_LANES; i++) {
        v[i] = (float)(random_u64(&seed) % 100) - 50;
        expected_rows[i % SCAN_LANES] += (double)(v[i] * v[i]);
        expected_cols[i / SCAN_LANES] += (double)(v[i] * v[i]);
    }
    for (size_t i = 0; i < SCAN_LANES; i++) rows[i] = 0;
    for (size_t i = 0; i < COLS; i++) cols[i] = 0;
    scan_panel_select(SCAN_F32)(&(struct scan_panel){ v, 0, COLS }, (double)FLT_MIN, bins, rows, cols, &run);
    for (size_t i = 0; i < SCAN_BINS; i++) n_counted += bins[i];
    assert_int_equal(n_counted, COLS * SCAN_LANES);
    scan_f32_select()(v, COLS * SCAN_LANES, (double)FLT_MIN, bins, NULL, &alone);
    assert_memory_equal(&run, &alone, sizeof run);
    assert_memory_equal(rows, expected_rows, sizeof rows);
    assert_memory_equal(cols, expected_cols, sizeof cols);
    free(bins);
}

/* ------------------------------------------------------------------------------------------------------------ bins */

static void a_bin_is_sign_exponent_and_eight_bits(void **state)
{
    (void)state;
    assert_int_equal(scan_bin(0), 0);
    assert_int_equal(scan_bin(-0.0), SCAN_SIGN);
    assert_int_equal(scan_bin(1), 127 << 8);
    assert_int_equal(scan_bin(-1), SCAN_SIGN | 127 << 8);
    assert_int_equal(scan_bin(1 + 1.0 / 256), (127 << 8) + 1);
    assert_int_equal(scan_bin(nextafter(1 + 1.0 / 256, 0)), 127 << 8);
    assert_int_equal(scan_bin(nextafter(2, 0)), (127 << 8) + 255);
    assert_int_equal(scan_bin(1e300), (254 << 8) + 255);
    assert_int_equal(scan_bin(-DBL_MAX), SCAN_SIGN | ((254 << 8) + 255));
    assert_int_equal(scan_bin(1e-300), 0);
    assert_int_equal(scan_bin(-1e-300), SCAN_SIGN);
}

static void a_bin_begins_less_than_a_256th_below_its_values(void **state)
{
    (void)state;
    for (int i = 0; i < 100000; i++) {
        double v = ldexp((double)random_u64(&seed) * 0x1p-64 + 1, (int)(random_u64(&seed) % 250) - 125);
        double begin = scan_bin_magnitude(scan_bin(-v));
        assert_true(begin <= v && v < begin * (1 + 1.0 / 256));
        assert_int_equal(scan_bin(begin), scan_bin(v));
    }
}

/* ----------------------------------------------------------------------------------------------------------- vector */

/* Once with each function, once more on top of it. */
static void compare_panels(scan_panel_fn *const scans[2], const struct scan_panel panels[2], double tiny)
{
    uint32_t *bins[2];
    double *squares[2];
    struct scan_run runs[2];
    const size_t n = SCAN_LANES + panels->n_cols;
    for (int k = 0; k < 2; k++) {
        bins[k] = calloc(SCAN_BINS, sizeof *bins[k]);
        squares[k] = calloc(n, sizeof *squares[k]);
        memset(&runs[k], 0, sizeof runs[k]);
        for (int twice = 0; twice < 2; twice++)
            scans[k](&panels[k], tiny, bins[k], squares[k], squares[k] + SCAN_LANES, &runs[k]);
    }
    assert_memory_equal(&runs[0], &runs[1], sizeof runs[0]);
    assert_memory_equal(bins[0], bins[1], SCAN_BINS * sizeof *bins[0]);
    assert_memory_equal(squares[0], squares[1], n * sizeof *squares[0]);
    for (int k = 0; k < 2; k++) {
        free(bins[k]);
        free(squares[k]);
    }
}

#if defined(__x86_64__)
static void compare_with_definition(const void *v, size_t n, double tiny)
{
    uint32_t *bins[2];
    double *squares[2];
    struct scan_run runs[2];
    scan_fn *const scans[2] = { scan_f32_by_definition, scan_f32_avx2 };
    for (int k = 0; k < 2; k++) {
        bins[k] = calloc(SCAN_BINS, sizeof *bins[k]);
        squares[k] = calloc(n + 1, sizeof *squares[k]);
        memset(&runs[k], 0, sizeof runs[k]);
        scans[k](v, n, tiny, bins[k], n % 2 ? squares[k] : NULL, &runs[k]);
    }
    assert_memory_equal(&runs[0], &runs[1], sizeof runs[0]);
    assert_memory_equal(bins[0], bins[1], SCAN_BINS * sizeof *bins[0]);
    assert_memory_equal(squares[0], squares[1], n * sizeof *squares[0]);
    for (int k = 0; k < 2; k++) {
        free(bins[k]);
        free(squares[k]);
    }
}

static void compare_with_panel_definition(enum scan_form form, struct scan_panel panel, double tiny)
{
    scan_panel_fn *const scans[2] = { scan_panel_by_definition[form], scan_panel_avx2[form] };
    const struct scan_panel panels[2] = { panel, panel };
    compare_panels(scans, panels, tiny);
}
#endif

/* Values end where their block does, so that a sanitizer sees a read beyond them. */
static void vectors_give_the_bits_of_the_definition(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (unsigned round = 0; round < 240; round++) {
        const size_t n = round < 200 ? round / 2 : SCAN_MAX - round % 40;
        char *block = malloc(n * sizeof(float) + 1);
        for (size_t i = 0; i < n; i++) {
            float v = random_value(round % 4 * 2);
            if (round % 8 == 5) v = 0.25F;
            if (round % 8 == 4) v = round % 16 == 4 ? fabsf(v) : -fabsf(v);
            if (round % 32 == 31) v = -0.0F;
            memcpy(block + 1 + i * sizeof v, &v, sizeof v);
        }
        compare_with_definition(block + 1, n, round % 3 ? (double)FLT_MIN : 0x1p-14);
        const size_t cols = n / SCAN_LANES;
        compare_with_panel_definition(SCAN_F32, (struct scan_panel){ block + 1, 0, cols },
                                      round % 3 ? (double)FLT_MIN : 0x1p-14);
        free(block);
    }
#else
    SKIP("no AVX2");
#endif
}

/* A weight, or of `special` in 256 any bits. */
static uint16_t random_half(unsigned special)
{
    uint64_t r = random_u64(&seed);
    float v = (float)((double)(int64_t)random_u64(&seed) * 0x1p-70);
    return (r & 255) < special ? (uint16_t)(r >> 8) : ingot_f16_from_f32(v);
}

static double some_tiny(unsigned round)
{
    return round % 3 == 0 ? 0 : round % 3 == 1 ? 0x1p-14 : (double)FLT_MIN;
}

static void vectors_widen_panels_of_halves_as_the_definition_does(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (unsigned round = 0; round < 120; round++) {
        const size_t cols = round < 100 ? round / 2 : SCAN_COLS - round % 4, n = cols * SCAN_LANES;
        char *block = malloc(n * sizeof(uint16_t) + 1);
        for (size_t i = 0; i < n; i++) {
            uint16_t v = random_half(round % 4 * 2);
            if (round % 8 == 7) v = (uint16_t)(0x3C00 + i % 2);
            memcpy(block + 1 + i * sizeof v, &v, sizeof v);
        }
        compare_with_panel_definition(SCAN_F16, (struct scan_panel){ block + 1, 0, cols }, some_tiny(round));
        free(block);
    }
#else
    SKIP("no AVX2");
#endif
}

/* Steps of any codes; scales are those of weights, or of `special` in 256 any bits. */
static void random_steps(uint8_t *steps, enum ingot_dtype dtype, size_t n_steps, unsigned special)
{
    const size_t size = quant_step_bytes(dtype);
    for (size_t i = 0; i < n_steps * size; i++) steps[i] = (uint8_t)(random_u64(&seed) >> 30);
    for (size_t i = 0; i < n_steps * QUANT_SCALE_BYTES / 2; i++)
        put_u16(steps + i / 32 * size + i % 32 * 2, random_half(special));
}

static void vectors_decode_panels_of_blocks_as_the_definition_does(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (unsigned round = 0; round < 160; round++) {
        const enum ingot_dtype dtype = round % 2 ? INGOT_Q8 : INGOT_Q4;
        const size_t cols = round < 140 ? round : SCAN_COLS - round / 2 % 4;
        const size_t n_steps = (cols + INGOT_QUANT_STEP - 1) / INGOT_QUANT_STEP;
        uint8_t *block = malloc(n_steps * quant_step_bytes(dtype) + 1);
        random_steps(block + 1, dtype, n_steps, round / 2 % 3 == 2 ? 4 : 0);
        compare_with_panel_definition(dtype == INGOT_Q8 ? SCAN_Q8 : SCAN_Q4, (struct scan_panel){ block + 1, 0, cols },
                                      (double)FLT_MIN);
        free(block);
    }
#else
    SKIP("no AVX2");
#endif
}

/* What a panel of blocks holds is what quant_load() says. */
static void a_panel_of_blocks_has_the_figures_of_its_elements(void **state)
{
    enum { COLS = 70 };
    uint8_t steps[2 * QUANT_Q8_STEP_BYTES];
    float v[2 * INGOT_QUANT_STEP][SCAN_LANES];
    uint32_t *bins[2] = { calloc(SCAN_BINS, sizeof(uint32_t)), calloc(SCAN_BINS, sizeof(uint32_t)) };
    double squares[2][SCAN_LANES + COLS] = { { 0 } };
    struct scan_run runs[2];
    (void)state;
    for (enum scan_form form = SCAN_Q8; form <= SCAN_Q4; form++) {
        const enum ingot_dtype dtype = form == SCAN_Q8 ? INGOT_Q8 : INGOT_Q4;
        random_steps(steps, dtype, 2, 0);
        for (size_t i = 0; i < 2; i++)
            quant_load(dtype, steps + i * quant_step_bytes(dtype), 0, INGOT_QUANT_STEP, v + i * INGOT_QUANT_STEP);
        const struct scan_panel floats = { v, 0, COLS }, blocks = { steps, 0, COLS };
        scan_panel_select(SCAN_F32)(&floats, 0, bins[0], squares[0], squares[0] + SCAN_LANES, &runs[0]);
        scan_panel_select(form)(&blocks, 0, bins[1], squares[1], squares[1] + SCAN_LANES, &runs[1]);
        assert_memory_equal(&runs[0], &runs[1], sizeof runs[0]);
        assert_memory_equal(squares[0], squares[1], sizeof squares[0]);
        assert_memory_equal(bins[0], bins[1], SCAN_BINS * sizeof *bins[0]);
    }
    free(bins[0]);
    free(bins[1]);
}

/* 16 rows, with something between them, and the panel that they are. */
static void random_rows(size_t size, size_t cols, size_t row_bytes, unsigned special, char *rows, char *panel)
{
    for (size_t row = 0; row < SCAN_LANES; row++)
        for (size_t at = 0; at < row_bytes; at += size) {
            const float v = random_value(special);
            const uint16_t half = random_half(special);
            memcpy(rows + row * row_bytes + at, size == sizeof v ? (const void *)&v : &half, size);
            if (at / size < cols)
                memcpy(panel + (at / size * SCAN_LANES + row) * size, rows + row * row_bytes + at, size);
        }
}

static void compare_rows_with_panel(size_t cols, unsigned round, bool halves)
{
    const enum scan_form forms[2] = { halves ? SCAN_F16 : SCAN_F32, halves ? SCAN_F16_ROWS : SCAN_F32_ROWS };
    const size_t size = halves ? sizeof(uint16_t) : sizeof(float), row_bytes = (cols + round % 3) * size;
    char *rows = malloc(SCAN_LANES * row_bytes + 1), *panel = malloc(SCAN_LANES * cols * size + 1);
    random_rows(size, cols, row_bytes, round % 4 * 2, rows + 1, panel + 1);
    const struct scan_panel panels[2] = { { panel + 1, 0, cols }, { rows + 1, row_bytes, cols } };
    scan_panel_fn *const defined[2] = { scan_panel_by_definition[forms[0]], scan_panel_by_definition[forms[1]] };
    scan_panel_fn *const best[2] = { scan_panel_by_definition[forms[0]], scan_panel_select(forms[1]) };
    compare_panels(defined, panels, some_tiny(round));
    compare_panels(best, panels, some_tiny(round));
    free(rows);
    free(panel);
}

static void rows_give_the_bits_of_the_panel_that_they_are(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 140; round++) {
        const size_t cols = round < 120 ? round / 2 : SCAN_COLS - round / 2 % 20;
        compare_rows_with_panel(cols, round, round % 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_has_the_figures_of_plain_loops),
        cmocka_unit_test(a_large_mean_costs_the_deviation_no_digits),
        cmocka_unit_test(a_zero_is_positive_whatever_its_sign),
        cmocka_unit_test(nothing_finite_leaves_an_empty_range),
        cmocka_unit_test(a_panel_has_its_rows_beside_each_other),
        cmocka_unit_test(a_bin_is_sign_exponent_and_eight_bits),
        cmocka_unit_test(a_bin_begins_less_than_a_256th_below_its_values),
        cmocka_unit_test(vectors_give_the_bits_of_the_definition),
        cmocka_unit_test(vectors_widen_panels_of_halves_as_the_definition_does),
        cmocka_unit_test(vectors_decode_panels_of_blocks_as_the_definition_does),
        cmocka_unit_test(a_panel_of_blocks_has_the_figures_of_its_elements),
        cmocka_unit_test(rows_give_the_bits_of_the_panel_that_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

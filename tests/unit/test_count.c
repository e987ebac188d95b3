/* test_count.c - counting bf16 panels against plain loops, the vector form against the definition, and what is made of
 * the counts against the scan of the same values. */
#include "format/bytes.h"
#include "format/ingot_format.h"
#include "format/simd/count.h"
#include "format/simd/cpu.h"
#include "inspect/stats_counts.h"
#include "tests/unit/random.h"
#include "tests/unit/skip.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed = 1;

/* A weight, or of `special` in 256 any bits. */
static uint16_t random_half(unsigned special)
{
    const uint64_t r = random_u64(&seed);
    const float v = (float)((double)(int64_t)random_u64(&seed) * 0x1p-70);
    return (r & 255) < special ? (uint16_t)(r >> 8) : ingot_bf16_from_f32(v);
}

/* What counting leaves behind. */
struct counted {
    uint32_t counts[COUNT_VALUES];
    double rows[SCAN_LANES], cols[SCAN_COLS];
};

static struct counted *count(count_panel_fn *fn, struct scan_panel panel)
{
    struct counted *c = calloc(1, sizeof *c);
    assert_non_null(c);
    for (int twice = 0; twice < 2; twice++) fn(&panel, c->counts, c->rows, c->cols);
    return c;
}

static double finite_square(uint16_t bits)
{
    const float v = ingot_f32_from_bf16(bits);
    return isfinite(v) ? (double)v * (double)v : 0;
}

/* Whole numbers, whose sums are exact in any order, and some that are not finite. */
static void a_panel_is_counted_by_bits_and_squared_by_rows_and_columns(void **state)
{
    enum { COLS = 15 }; /* eight, four and some more */
    uint16_t rows[SCAN_LANES][COLS + 3], pairs[(COLS + 1) / 2][SCAN_LANES][2];
    struct counted *want = calloc(1, sizeof *want);
    (void)state;
    memset(pairs, 0x7F, sizeof pairs); /* padding that would show */
    memset(rows, 0x7F, sizeof rows);
    for (size_t col = 0; col < COLS; col++)
        for (size_t row = 0; row < SCAN_LANES; row++) {
            const uint16_t bits = random_u64(&seed) % 50 == 0
                                      ? (uint16_t)(0x7F80 + random_u64(&seed) % 3)
                                      : ingot_bf16_from_f32((float)(random_u64(&seed) % 100) - 50);
            rows[row][col] = pairs[col / 2][row][col % 2] = bits;
            want->counts[bits] += 2;
            want->rows[row] += 2 * finite_square(bits);
            want->cols[col] += 2 * finite_square(bits);
        }
    struct counted *by_rows = count(count_panel_select(COUNT_ROWS), (struct scan_panel){ rows, sizeof rows[0], COLS });
    struct counted *by_pairs = count(count_panel_select(COUNT_PAIRS), (struct scan_panel){ pairs, 0, COLS });
    assert_memory_equal(by_rows, want, sizeof *want);
    assert_memory_equal(by_pairs, want, sizeof *want);
    free(by_rows);
    free(by_pairs);
    free(want);
}

/* Values end where their block does, so that a sanitizer sees a read beyond them. */
static void vectors_give_the_bits_of_the_definition(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (unsigned round = 0; round < 160; round++) {
        const enum count_form form = round % 2 ? COUNT_PAIRS : COUNT_ROWS;
        const size_t cols = round < 140 ? round / 4 : SCAN_COLS - round / 2 % 10;
        const size_t n_stored = (form == COUNT_PAIRS ? (cols + 1) / 2 * 2 : cols) * SCAN_LANES;
        char *block = malloc(n_stored * sizeof(uint16_t) + 1);
        for (size_t i = 0; i < n_stored; i++) {
            const uint16_t v = random_half(round / 2 % 3);
            memcpy(block + 1 + i * sizeof v, &v, sizeof v);
        }
        const struct scan_panel panel = { block + 1, form == COUNT_ROWS ? cols * sizeof(uint16_t) : 0, cols };
        struct counted *want = count(count_panel_by_definition[form], panel);
        struct counted *found = count(count_panel_avx2[form], panel);
        assert_memory_equal(found, want, sizeof *want);
        free(want);
        free(found);
        free(block);
    }
#else
    SKIP("no AVX2");
#endif
}

/* ---------------------------------------------------------------------------------------------------- counts */

static void assert_near(double found, double expected, double scale)
{
    if (!(fabs(found - expected) <= 1e-14 * scale)) fail_msg("%.17g instead of %.17g", found, expected);
}

static void compare_with_scan(const uint16_t *bits, size_t n)
{
    double wide[SCAN_MAX];
    uint32_t *counts = calloc(COUNT_VALUES, sizeof *counts);
    uint32_t *bins[2] = { calloc(SCAN_BINS, sizeof(uint32_t)), calloc(SCAN_BINS, sizeof(uint32_t)) };
    struct stats_tally t = stats_no_values;
    struct scan_run run;
    double magnitudes = 0;
    for (size_t i = 0; i < n; i++) {
        wide[i] = (double)ingot_f32_from_bf16(bits[i]);
        if (isfinite(wide[i])) magnitudes += fabs(wide[i]);
        counts[bits[i]]++;
    }
    scan_f64(wide, n, 0, bins[0], NULL, &run);
    stats_take_counts(counts, &t, bins[1]);
    assert_memory_equal(bins[0], bins[1], SCAN_BINS * sizeof *bins[0]);
    assert_true(t.n == n && t.n_finite == run.n_finite && t.n_zero == run.n_zero && t.n_nan == run.n_nan);
    assert_true(t.n_pos_inf == run.n_pos_inf && t.n_neg_inf == run.n_neg_inf && t.n_denormal == 0);
    assert_true(t.min == run.min && t.max == run.max && t.abs_min == run.abs_min && t.abs_max == run.abs_max);
    assert_true(!(signbit(t.min) && t.min == 0) && !(signbit(t.max) && t.max == 0));
    assert_near(t.sum + t.sum_low, run.sum, magnitudes);
    assert_near(t.m2, run.m2, run.m2 * 10);
    for (size_t i = 0; i < COUNT_VALUES; i++) assert_int_equal(counts[i], 0);
    free(counts);
    free(bins[0]);
    free(bins[1]);
}

static void counts_become_the_figures_of_a_scan(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        uint16_t bits[SCAN_MAX];
        const size_t n = round < 20 ? round : SCAN_MAX;
        for (size_t i = 0; i < n; i++) {
            bits[i] = random_half(round % 4 * 60);
            if (round % 10 == 7) bits[i] = (uint16_t)((random_u64(&seed) & 1) << 15); /* zeros of both signs */
            if (round % 10 == 8) bits[i] = (uint16_t)(random_u64(&seed) & 0x80FF);    /* denormals */
            if (round % 10 == 9) bits[i] = (uint16_t)(0x3F80 + random_u64(&seed) % 2);
        }
        compare_with_scan(bits, n);
    }
}

/* As many as a job may have, all of the greatest place in an octave: the products of the sums stay below 2^64. */
static void the_largest_job_overflows_nothing(void **state)
{
    uint32_t *counts = calloc(COUNT_VALUES, sizeof *counts), *bins = calloc(SCAN_BINS, sizeof *bins);
    struct stats_tally t = stats_no_values;
    (void)state;
    counts[0x3FFF] = (uint32_t)STATS_COUNTED_MAX;
    stats_take_counts(counts, &t, bins);
    assert_true(t.n == STATS_COUNTED_MAX && t.m2 == 0);
    assert_true(t.sum + t.sum_low == (double)ingot_f32_from_bf16(0x3FFF) * (double)STATS_COUNTED_MAX);
    free(counts);
    free(bins);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_panel_is_counted_by_bits_and_squared_by_rows_and_columns),
        cmocka_unit_test(vectors_give_the_bits_of_the_definition),
        cmocka_unit_test(counts_become_the_figures_of_a_scan),
        cmocka_unit_test(the_largest_job_overflows_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_quant.c - q8 and q4: what a block becomes, where it goes, and how little is lost. */
#include "format/quant.h"
#include "format/bytes.h"
#include "format/simd/cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"
#include "tests/unit/skip.h"

enum { BLOCK = INGOT_QUANT_BLOCK, LANES = INGOT_PANEL_LANES };

static const enum ingot_dtype quantised[] = { INGOT_Q8, INGOT_Q4 };

static uint64_t seed = 5;

/* A section of its own, exactly as long as it must be. */
struct packed {
    uint8_t *bytes;
    uint64_t n;
    struct ingot_section section;
    struct ingot_cast_stats stats;
};

static struct packed pack(const struct ingot_view *view, enum ingot_dtype dtype)
{
    struct packed p = { .section = { .kind = INGOT_KIND_TENSOR, .dtype = dtype, .layout = INGOT_PANEL16, .rank = 2 } };
    p.section.shape[0] = view->n_rows;
    p.section.shape[1] = view->n_cols;
    assert_true(ingot_layout_bytes(dtype, INGOT_PANEL16, 2, p.section.shape, &p.n));
    p.bytes = malloc(p.n);
    assert_non_null(p.bytes);
    ingot_pack(view, dtype, INGOT_PANEL16, 0, p.bytes, p.n, &p.stats);
    p.section.data = p.bytes;
    p.section.raw_bytes = p.n;
    return p;
}

/* One block in lane 0 of a matrix of one output. */
static struct packed pack_block(const float x[BLOCK], enum ingot_dtype dtype)
{
    const struct ingot_view view = { x, INGOT_F32, 1, BLOCK, BLOCK, 1 };
    return pack(&view, dtype);
}

static float scale_of(const struct packed *p)
{
    return ingot_f32_from_f16(get_u16(p->bytes));
}

static float element(const struct packed *p, size_t k)
{
    return (float)ingot_element(&p->section, 0, k);
}

/* ---------------------------------------------------------------------------------------------------------- levels */

static void the_table_of_the_nearest_level_is_its_definition(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        int best = 0;
        for (int code = 1; code < 16; code++) /* of two that are equally near the upper one */
            if (abs(2 * quant_q4_levels[code] + 128 - i) <= abs(2 * quant_q4_levels[best] + 128 - i)) best = code;
        assert_int_equal(quant_q4_nearest[i], best);
    }
}

static void the_levels_of_q4_fit_the_integer_kernels(void **state)
{
    (void)state;
    for (int code = 0; code < 16; code++) {
        assert_in_range(quant_q4_levels[code] + 64, 1, 127);
        if (code > 0) assert_true(quant_q4_levels[code] > quant_q4_levels[code - 1]);
    }
    assert_int_equal(quant_q4_levels[QUANT_Q4_ZERO], 0);
}

/* ---------------------------------------------------------------------------------------------------------- blocks */

static void a_block_of_zeros_has_scale_plus_zero_and_codes_of_level_zero(void **state)
{
    (void)state;
    const float x[BLOCK] = { 0, -0.0f };
    for (size_t d = 0; d < 2; d++) {
        struct packed p = pack_block(x, quantised[d]);
        const uint8_t zero = quantised[d] == INGOT_Q8 ? QUANT_Q8_ZERO : QUANT_Q4_ZERO * 17;
        for (uint64_t i = 0; i < p.n; i++) assert_int_equal(p.bytes[i], i < QUANT_SCALE_BYTES ? 0 : zero);
        assert_int_equal(p.stats.n_underflow, 0);
        free(p.bytes);
    }
}

static void every_code_is_that_of_the_nearest_level(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        float x[BLOCK];
        const enum ingot_dtype dtype = quantised[round % 2];
        for (size_t k = 0; k < BLOCK; k++) x[k] = ldexpf((float)random_gaussian(&seed), round / 100 - 10);
        struct packed p = pack_block(x, dtype);
        const float scale = scale_of(&p);
        for (size_t k = 0; k < BLOCK; k++) {
            float least = INFINITY;
            for (int code = 0; code < (dtype == INGOT_Q8 ? 256 : 16); code++) {
                const float level = (float)(dtype == INGOT_Q8 ? code - 128 : quant_q4_levels[code]);
                least = fminf(least, fabsf(x[k] - level * scale));
            }
            assert_true(fabsf(x[k] - element(&p, k)) <= least * 1.0001f);
        }
        free(p.bytes);
    }
}

/* What GGUF's Q8_0 says, x = d * q, is said again with the same d and q where its largest code is there. */
static void what_comes_from_q8_0_is_kept_exactly(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        const float d = ingot_f32_from_f16((uint16_t)(random_u64(&seed) % 0x7000 + 1));
        const int largest = round % 2 ? 127 : (int)(random_u64(&seed) % 128 + 1);
        float x[BLOCK];
        int q[BLOCK];
        for (size_t k = 0; k < BLOCK; k++) {
            q[k] = (int)(random_u64(&seed) % (2 * (uint64_t)largest + 1)) - largest;
            if (k == (size_t)round % BLOCK) q[k] = round % 3 ? largest : -largest;
            if (q[k] == 128) q[k] = -128; /* q is a signed byte */
            x[k] = (float)q[k] * d;
        }
        struct packed p = pack_block(x, INGOT_Q8);
        for (size_t k = 0; k < BLOCK; k++) assert_true(element(&p, k) == x[k]);
        if (largest == 127) assert_true(scale_of(&p) == d);
        free(p.bytes);
    }
}

/* A scale of either sign reaches one of them; both at once, none. */
static void an_exact_scale_has_a_level_for_the_largest_magnitude(void **state)
{
    (void)state;
    static const struct {
        float first, second, scale;
    } cases[] = { { 127, -127, 1 }, { -128, 127, 1 }, { 128, -127, -1 }, { 128, -128, 0 }, { -128, 128, 0 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float x[BLOCK * LANES] = { 0 };
        x[0] = cases[i].first;
        x[LANES] = cases[i].second;
        x[2 * LANES] = 1;
        const float largest = fmaxf(fabsf(x[0]), fabsf(x[LANES]));
        assert_true(quant_exact_scale(x, largest) == cases[i].scale);
    }
}

static void a_scale_beyond_f16_is_cut_and_what_it_cannot_reach_is_counted(void **state)
{
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        const float x[BLOCK] = { 1e30f, -1e6f, 3e38f };
        struct packed p = pack_block(x, quantised[d]);
        assert_true(fabsf(scale_of(&p)) == 65504);
        assert_int_equal(p.stats.n_overflow, 2);
        assert_true(isfinite(element(&p, 0)) && element(&p, 0) > 3e6f);
        free(p.bytes);
    }
}

static void a_block_that_becomes_zero_is_counted(void **state)
{
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        const float x[BLOCK] = { 0x1p-40f, 0, -0x1p-140f };
        struct packed p = pack_block(x, quantised[d]);
        assert_int_equal(get_u16(p.bytes), 0);
        assert_int_equal(p.stats.n_underflow, 2);
        free(p.bytes);
    }
}

static void small_weights_use_the_least_scale(void **state)
{
    (void)state;
    const float x[BLOCK] = { 0x1p-24f, -0x1p-23f, 0x1p-21f };
    struct packed p = pack_block(x, INGOT_Q8);
    for (size_t k = 0; k < BLOCK; k++) assert_true(element(&p, k) == x[k]);
    assert_int_equal(p.stats.n_underflow, 0);
    free(p.bytes);
}

static void a_nan_or_an_infinity_makes_its_block_nan_and_no_other(void **state)
{
    (void)state;
    const float bad[] = { NAN, INFINITY, -INFINITY };
    for (size_t i = 0; i < 6; i++) {
        float x[40] = { 1, 2, 3 };
        const enum ingot_dtype dtype = quantised[i % 2];
        x[35] = bad[i / 2];
        const struct ingot_view view = { x, INGOT_F32, 1, 40, 40, 1 };
        struct packed p = pack(&view, dtype);
        for (size_t k = 0; k < 40; k++) assert_int_equal(isnan(element(&p, k)) != 0, k >= BLOCK);
        assert_int_equal(get_u16(p.bytes + quant_scale_at(BLOCK, 0)), 0x7E00);
        assert_int_equal(p.stats.n_nan, 40 - BLOCK);
        assert_int_equal(p.stats.n_overflow + p.stats.n_underflow, 0);
        free(p.bytes);
    }
}

/* Blocks of every kind: weights of all sizes, those of Q8_0, f16 and bf16, sparse, constant, not finite, any bits. */
static float random_weight(unsigned kind, float unit, size_t k)
{
    const uint32_t bits = (uint32_t)random_u64(&seed);
    float any;
    memcpy(&any, &bits, sizeof any);
    switch (kind) {
    case 0:
        return any;
    case 1:
        return (float)((int)(random_u64(&seed) % 255) - 127) * ingot_f32_from_f16(ingot_f16_from_f32(unit));
    case 2:
        return ingot_f32_from_f16(ingot_f16_from_f32((float)random_gaussian(&seed) * unit));
    case 3:
        return ingot_f32_from_bf16(ingot_bf16_from_f32((float)random_gaussian(&seed) * unit));
    case 4:
        return random_u64(&seed) % 8 ? 0 : -unit;
    case 5:
        return k % 2 ? unit : -unit;
    case 6:
        return k % 31 == 3 && random_u64(&seed) % 4 == 0 ? INFINITY : (float)random_gaussian(&seed);
    default:
        return (float)random_gaussian(&seed) * unit;
    }
}

#if defined(__x86_64__)
static void avx2_finds_the_same_bits(void **state)
{
    (void)state;
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (int round = 0; round < 20000; round++) {
        _Alignas(64) float x[BLOCK][LANES];
        struct quant_blocks a, b;
        for (size_t lane = 0; lane < LANES; lane++) {
            const unsigned kind = (unsigned)(random_u64(&seed) % 10);
            const float unit = ldexpf((float)random_gaussian(&seed),
                                      (int)(random_u64(&seed) % (round % 2 ? 260 : 20)) - (round % 2 ? 140 : 15));
            for (size_t k = 0; k < BLOCK; k++) x[k][lane] = random_weight(kind, unit, k);
        }
        quants_scalar.q8((const float(*)[LANES])x, &a);
        quants_avx2.q8((const float(*)[LANES])x, &b);
        assert_memory_equal(&a, &b, sizeof a);
        quants_scalar.q4((const float(*)[LANES])x, &a);
        quants_avx2.q4((const float(*)[LANES])x, &b);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

/* Any bytes, scales that are no numbers among them, from any input on. */
static void avx2_loads_the_same_bits(void **state)
{
    (void)state;
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (int round = 0; round < 2000; round++) {
        const enum ingot_dtype dtype = quantised[round % 2];
        const size_t n_bytes = quant_step_bytes(dtype), k = random_u64(&seed) % INGOT_QUANT_STEP;
        const size_t n = random_u64(&seed) % (INGOT_QUANT_STEP - k + 1);
        uint8_t *step = malloc(n_bytes);
        float a[INGOT_QUANT_STEP][LANES] = { 0 }, b[INGOT_QUANT_STEP][LANES] = { 0 };
        assert_non_null(step);
        for (size_t i = 0; i < n_bytes; i++) step[i] = (uint8_t)random_u64(&seed);
        quant_load_by_definition(dtype, step, k, n, a);
        quant_load_avx2(dtype, step, k, n, b);
        assert_memory_equal(a, b, sizeof a);
        free(step);
    }
}
#else
static void avx2_finds_the_same_bits(void **state)
{
    (void)state;
    SKIP("no AVX2");
}

static void avx2_loads_the_same_bits(void **state)
{
    (void)state;
    SKIP("no AVX2");
}
#endif

/* --------------------------------------------------------------------------------------------------------- matrices */

static const uint64_t shapes[][2] = { { 1, 1 },   { 1, 64 },  { 16, 65 },  { 17, 33 }, { 40, 128 },
                                      { 33, 31 }, { 5, 200 }, { 300, 64 }, { 48, 96 } };
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

static float *random_matrix(uint64_t n)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (uint64_t i = 0; i < n; i++) x[i] = (float)random_gaussian(&seed) * 0.1f;
    for (uint64_t i = 0; i < n; i += 1 + random_u64(&seed) % 400) x[i] = random_u64(&seed) % 3 ? 0 : (float)NAN;
    return x;
}

/* The bytes of a matrix follow from its blocks, one by one; padding holds scale +0 and codes of level 0. */
static void expect_blocks(const struct packed *p, const float *x)
{
    const enum ingot_dtype dtype = p->section.dtype;
    const uint64_t rows = p->section.shape[0], cols = p->section.shape[1], inputs = panel_inputs(dtype, cols);
    for (uint64_t row = 0; row < (rows + 15) / 16 * 16; row++)
        for (uint64_t k0 = 0; k0 < inputs; k0 += BLOCK) {
            float block[BLOCK] = { 0 };
            for (uint64_t k = k0; k < k0 + BLOCK && k < cols && row < rows; k++) block[k - k0] = x[row * cols + k];
            struct packed one = pack_block(block, dtype);
            const uint8_t *step = p->bytes + row / 16 * panel_bytes(dtype, cols) + k0 / 64 * quant_step_bytes(dtype);
            assert_memory_equal(step + quant_scale_at(k0 % 64, row % 16), one.bytes, 2);
            for (size_t k = 0; k < BLOCK; k++) {
                const uint8_t a = step[quant_code_at(dtype, k0 % 64 + k, row % 16)];
                const uint8_t b = one.bytes[quant_code_at(dtype, k, 0)];
                const int shift = dtype == INGOT_Q4 && k % 8 >= 4 ? 4 : 0;
                const int mask = dtype == INGOT_Q4 ? 15 : 255;
                assert_int_equal(a >> shift & mask, b >> shift & mask);
            }
            free(one.bytes);
        }
}

static void a_matrix_is_its_blocks_and_padding(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SHAPES * 2; i++) {
        const uint64_t rows = shapes[i / 2][0], cols = shapes[i / 2][1];
        float *x = random_matrix(rows * cols);
        const struct ingot_view view = { x, INGOT_F32, rows, cols, cols, 1 };
        struct packed p = pack(&view, quantised[i % 2]);
        expect_blocks(&p, x);
        free(p.bytes);
        free(x);
    }
}

/* Any cut, the parts in any order, gives the same bytes and counts; so does a source that stands on its side. */
static void any_cut_of_any_order_is_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SHAPES * 8; i++) {
        const uint64_t rows = shapes[i % N_SHAPES][0], cols = shapes[i % N_SHAPES][1];
        float *x = random_matrix(rows * cols), *turned = malloc(rows * cols * sizeof *x);
        assert_non_null(turned);
        for (uint64_t r = 0; r < rows; r++)
            for (uint64_t c = 0; c < cols; c++) turned[c * rows + r] = x[r * cols + c];
        const struct ingot_view view = { x, INGOT_F32, rows, cols, cols, 1 };
        const struct ingot_view other = { turned, INGOT_F32, rows, cols, 1, rows };
        struct packed p = pack(&view, quantised[i % 2]);
        struct ingot_cast_stats stats = { 0 };
        uint8_t *parts = malloc(p.n);
        assert_non_null(parts);
        const uint64_t step = 64 * (1 + random_u64(&seed) % 50);
        for (uint64_t k = (p.n + step - 1) / step; k-- > 0;)
            ingot_pack(i % 3 ? &other : &view, quantised[i % 2], INGOT_PANEL16, k * step, parts + k * step,
                       p.n - k * step < step ? p.n - k * step : step, &stats);
        assert_memory_equal(parts, p.bytes, p.n);
        assert_memory_equal(&stats, &p.stats, sizeof stats);
        free(parts);
        free(p.bytes);
        free(turned);
        free(x);
    }
}

static void every_float_dtype_is_widened_first(void **state)
{
    (void)state;
    enum { ROWS = 20, COLS = 70, N = ROWS * COLS };
    static const enum ingot_dtype floats[] = { INGOT_F16, INGOT_BF16, INGOT_F64 };
    float *x = random_matrix(N), wide[N];
    const struct ingot_view view = { x, INGOT_F32, ROWS, COLS, COLS, 1 };
    for (size_t f = 0; f < 3; f++) {
        uint8_t from[N * 8];
        ingot_pack(&view, floats[f], INGOT_ROWS, 0, from, N * ingot_dtype_size(floats[f]), NULL);
        const struct ingot_view narrow = { from, floats[f], ROWS, COLS, COLS, 1 };
        ingot_pack(&narrow, INGOT_F32, INGOT_ROWS, 0, wide, sizeof wide, NULL);
        const struct ingot_view again = { wide, INGOT_F32, ROWS, COLS, COLS, 1 };
        struct packed a = pack(&narrow, INGOT_Q8), b = pack(&again, INGOT_Q8);
        assert_memory_equal(a.bytes, b.bytes, a.n);
        assert_memory_equal(&a.stats, &b.stats, sizeof a.stats);
        free(a.bytes);
        free(b.bytes);
    }
    free(x);
}

static void unpacking_is_element_by_element(void **state)
{
    (void)state;
    static const enum ingot_dtype targets[] = { INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_F64 };
    for (size_t i = 0; i < N_SHAPES * 16; i++) {
        const uint64_t rows = shapes[i % N_SHAPES][0], cols = shapes[i % N_SHAPES][1], n = rows * cols;
        const enum ingot_dtype to = targets[i / 4 % 4];
        const bool transposed = i / 2 % 2;
        float *x = random_matrix(n);
        const struct ingot_view view = { x, INGOT_F32, rows, cols, cols, 1 };
        struct packed p = pack(&view, quantised[i % 2]);
        for (uint64_t e = 0; e < n; e++) x[e] = (float)ingot_element(&p.section, e / cols, e % cols);
        struct ingot_view plain = view;
        if (transposed) plain = (struct ingot_view){ x, INGOT_F32, cols, rows, 1, cols };
        const uint64_t first = random_u64(&seed) % n, count = random_u64(&seed) % (n - first) + 1,
                       size = ingot_dtype_size(to);
        uint8_t *expected = malloc(n * size), *got = malloc(count * size);
        assert_true(expected && got);
        ingot_pack(&plain, to, INGOT_ROWS, 0, expected, n * size, NULL);
        ingot_unpack(&p.section, transposed, to, first, count, got, NULL);
        assert_memory_equal(got, expected + first * size, count * size);
        free(expected);
        free(got);
        free(p.bytes);
        free(x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_the_nearest_level_is_its_definition),
        cmocka_unit_test(the_levels_of_q4_fit_the_integer_kernels),
        cmocka_unit_test(a_block_of_zeros_has_scale_plus_zero_and_codes_of_level_zero),
        cmocka_unit_test(every_code_is_that_of_the_nearest_level),
        cmocka_unit_test(what_comes_from_q8_0_is_kept_exactly),
        cmocka_unit_test(an_exact_scale_has_a_level_for_the_largest_magnitude),
        cmocka_unit_test(a_scale_beyond_f16_is_cut_and_what_it_cannot_reach_is_counted),
        cmocka_unit_test(a_block_that_becomes_zero_is_counted),
        cmocka_unit_test(small_weights_use_the_least_scale),
        cmocka_unit_test(a_nan_or_an_infinity_makes_its_block_nan_and_no_other),
        cmocka_unit_test(avx2_finds_the_same_bits),
        cmocka_unit_test(avx2_loads_the_same_bits),
        cmocka_unit_test(a_matrix_is_its_blocks_and_padding),
        cmocka_unit_test(any_cut_of_any_order_is_the_same),
        cmocka_unit_test(every_float_dtype_is_widened_first),
        cmocka_unit_test(unpacking_is_element_by_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

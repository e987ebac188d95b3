/*
 * test_quant_kernels.c - every instruction set gives the bits of quant_scalar.c, and that is what spec/arithmetic.md
 * says.
 *
 * The tests of a rung take its name as their state and run once for each; a rung that cannot run here is a counted
 * skip. All operands end at an unmapped page, so that reading or writing one byte too far is a crash, and everything
 * that must not be used (gaps between rows and panels, scales of blocks that are padding) is NaN.
 */
#include "runtime/kernels/kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "format/layout.h"
#include "tests/unit/rungs.h"
#include "tests/unit/skip.h"

enum { LANES = INGOT_PANEL_LANES, BLOCK = INGOT_QUANT_BLOCK, STEP = INGOT_QUANT_STEP };

static const struct quant_kernels *quant(void **state)
{
    const struct rung *here = rung_of(state);
    if (!here->quant) SKIP("no SIMDe");
    return here->quant;
}

static size_t padded(size_t n_in)
{
    return (n_in + STEP - 1) / STEP * STEP;
}

/* ------------------------------------------------------------------------------------------------------ activations */

/* Quantises x[n] by the definition and by the kernels; exactly the padded row is written. */
static void check_quantise(const struct quant_kernels *kernels, const float *x, size_t n)
{
    const size_t n_codes = padded(n), n_blocks = n_codes / BLOCK;
    struct guarded in = guarded_alloc(n * sizeof *x), codes = guarded_alloc(n_codes),
                   want_codes = guarded_alloc(n_codes), scales = guarded_alloc(n_blocks * sizeof(float)),
                   want_scales = guarded_alloc(n_blocks * sizeof(float)),
                   sums = guarded_alloc(n_blocks * sizeof(int32_t)),
                   want_sums = guarded_alloc(n_blocks * sizeof(int32_t));
    memcpy(in.data, x, n * sizeof *x);
    memset(codes.data, 0x55, n_codes);
    memset(sums.data, 0x55, n_blocks * sizeof(int32_t));
    quant_scalar.quantise(in.data, n, want_codes.data, want_scales.data, want_sums.data);
    kernels->quantise(in.data, n, codes.data, scales.data, sums.data);
    assert_memory_equal(codes.data, want_codes.data, n_codes);
    assert_memory_equal(sums.data, want_sums.data, n_blocks * sizeof(int32_t));
    assert_same_floats(scales.data, want_scales.data, n_blocks, "scales");
    const struct guarded all[] = { in, codes, want_codes, scales, want_scales, sums, want_sums };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) guarded_free(all[i]);
}

static void rows_of_every_length_are_quantised_as_by_scalar(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    float x[200];
    uint64_t seed = 1;
    for (size_t n = 1; n <= 200; n++)
        for (int strange = ORDINARY; strange <= NOT_FINITE; strange++) {
            for (size_t k = 0; k < n; k++) x[k] = float_of(random_bits(&seed, (enum strangeness)strange));
            check_quantise(kernels, x, n);
        }
}

/* A whole block and, behind it, part of another one with the same content. */
static void check_block(const struct quant_kernels *kernels, const float block[BLOCK])
{
    float twice[2 * BLOCK];
    memcpy(twice, block, BLOCK * sizeof *block);
    memcpy(twice + BLOCK, block, BLOCK * sizeof *block);
    check_quantise(kernels, block, BLOCK);
    check_quantise(kernels, twice, BLOCK + 9);
}

static void blocks_about_the_least_input_are_quantised_as_by_scalar(void **state)
{
    static const float edges[] = { 0.0f,      -0.0f,           0x1p-149f,        -0x1p-126f,
                                   0x1p-127f, QUANT_SMALLEST,  0x1.fffffep-101f, 0x1.000002p-100f,
                                   0x1p-99f,  0x1.fffffep127f, 0x1p127f,         127.0f };
    const struct quant_kernels *kernels = quant(state);
    for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++)
        for (size_t at = 0; at < BLOCK; at++) {
            float x[BLOCK];
            for (size_t k = 0; k < BLOCK; k++) x[k] = edges[e] * (k % 2 ? -0.5f : 0.25f);
            x[at] = at % 2 ? -edges[e] : edges[e];
            check_block(kernels, x);
        }
}

/* With 127 the largest, the codes are the inputs rounded: ties go to the even neighbour. */
static void ties_between_codes_are_rounded_as_by_scalar(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    for (int base = -127; base < 127; base += 16) {
        float x[BLOCK];
        for (int k = 0; k < BLOCK; k++) x[k] = (float)(2 * base + k) * 0.5f;
        for (int k = 0; k < BLOCK; k++) x[k] = fabsf(x[k]) > 127 ? -127 : x[k];
        x[base & 31] = 127;
        check_block(kernels, x);
    }
    int8_t codes[STEP];
    float scales[STEP / BLOCK];
    int32_t sums[STEP / BLOCK];
    kernels->quantise((const float[]){ 127, 0.5f, 1.5f, -2.5f, -126.5f }, 5, codes, scales, sums);
    assert_memory_equal(codes, ((int8_t[]){ 127, 0, 2, -2, -126 }), 5);
    assert_true(scales[0] == 1 && scales[1] == 0);
    assert_int_equal(sums[0], 1);
}

static void a_block_with_one_strange_input_is_quantised_as_by_scalar(void **state)
{
    static const uint32_t strange[] = { 0x7f800000u, 0xff800000u, 0x7fc00000u, 0xff800001u, 0xffffffffu, 0x7f7fffffu };
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 2;
    for (size_t s = 0; s < sizeof strange / sizeof strange[0]; s++)
        for (size_t at = 0; at < BLOCK; at++) {
            float x[BLOCK];
            for (size_t k = 0; k < BLOCK; k++) x[k] = random_float(&seed, 3.0f);
            x[at] = float_of(strange[s]);
            check_block(kernels, x);
        }
}

/* ------------------------------------------------------------------------------------------------ panels times rows */

/* What codes, scales and activations are. */
enum content { RANDOM, ALL_EXTREME, STRANGE_SCALES, N_CONTENTS };

/* One multiplication with all its operands. */
struct product {
    enum ingot_dtype dtype;
    size_t n_in, n_rows, n_panels, panel_bytes, y_stride;
    struct quant_rows x;
    struct guarded w, codes, scales, sums, y, want;
};

static quant_panels_fn *panels_of(const struct quant_kernels *kernels, enum ingot_dtype dtype)
{
    return dtype == INGOT_Q8 ? kernels->panels_q8 : kernels->panels_q4;
}

/* Small numbers as f16, now and then one that is not finite, zero, subnormal or the largest. */
static uint16_t random_scale(uint64_t *seed, enum content content)
{
    static const uint16_t strange[] = { 0x7c00, 0xfc00, 0x7e00, 0x0000, 0x8000, 0x0001, 0x83ff, 0x7bff };
    if (content == STRANGE_SCALES && random_below(seed, 12) == 0) return strange[random_below(seed, 8)];
    return (uint16_t)(0x1400 + random_below(seed, 0x1000) + (random_below(seed, 2) << 15));
}

/* Scales of a block that lies beyond n_in are NaN: nothing may come of them. */
static void fill_panels(struct product *t, enum content content, uint64_t *seed)
{
    uint8_t *w = t->w.data;
    memset(w, 0xff, t->n_panels * t->panel_bytes);
    const size_t step_bytes = quant_step_bytes(t->dtype);
    for (size_t p = 0; p < t->n_panels; p++)
        for (size_t k = 0; k < padded(t->n_in); k += STEP) {
            uint8_t *step = w + p * t->panel_bytes + k / STEP * step_bytes;
            for (size_t i = 0; i < step_bytes; i++)
                step[i] = (uint8_t)(content == ALL_EXTREME ? (random_below(seed, 2) ? 0xff : 0) : random_u64(seed));
            for (size_t i = 0; i < QUANT_SCALE_BYTES; i += 2) {
                const uint16_t scale = k + (i < 32 ? 0 : BLOCK) < t->n_in ? random_scale(seed, content) : 0x7e00;
                memcpy(step + i, &scale, sizeof scale);
            }
        }
}

static void fill_rows(struct product *t, bool loose, enum content content, uint64_t *seed)
{
    const size_t n_codes = padded(t->n_in), n_blocks = n_codes / BLOCK;
    t->x.code_stride = n_codes + (loose ? 64 : 0);
    t->x.block_stride = n_blocks + (loose ? 3 : 0);
    t->codes = guarded_alloc((t->n_rows - 1) * t->x.code_stride + n_codes);
    t->scales = guarded_alloc(((t->n_rows - 1) * t->x.block_stride + n_blocks) * sizeof(float));
    t->sums = guarded_alloc(((t->n_rows - 1) * t->x.block_stride + n_blocks) * sizeof(int32_t));
    int8_t *codes = t->codes.data;
    float *scales = t->scales.data;
    int32_t *sums = t->sums.data;
    memset(codes, 0x80, (t->n_rows - 1) * t->x.code_stride + n_codes);
    for (size_t r = 0; r < t->n_rows; r++, codes += t->x.code_stride)
        for (size_t b = 0; b < n_blocks; b++) {
            const size_t at = r * t->x.block_stride + b;
            sums[at] = 0;
            for (size_t k = b * BLOCK; k < (b + 1) * BLOCK; k++) {
                const int code =
                    content == ALL_EXTREME ? (random_below(seed, 2) ? 127 : -127) : (int)random_below(seed, 255) - 127;
                codes[k] = (int8_t)(k < t->n_in ? code : 0);
                sums[at] += codes[k];
            }
            scales[at] = b * BLOCK < t->n_in ? random_float(seed, 0.1f) : 0.0f;
            if (content == STRANGE_SCALES && random_below(seed, 9) == 0)
                scales[at] = random_below(seed, 2) ? NAN : 0.0f;
        }
    t->x.codes = t->codes.data;
    t->x.scales = scales;
    t->x.sums = sums;
}

static struct product product_create(enum ingot_dtype dtype, size_t n_in, size_t n_rows, size_t n_panels, bool loose,
                                     enum content content, uint64_t *seed)
{
    struct product t = { .dtype = dtype, .n_in = n_in, .n_rows = n_rows, .n_panels = n_panels };
    t.panel_bytes = panel_bytes(dtype, n_in) + (loose ? 64 : 0);
    t.y_stride = n_panels * LANES + (loose ? LANES : 0);
    const size_t n_y = n_rows * t.y_stride;
    t.w = guarded_alloc(n_panels * t.panel_bytes);
    t.y = guarded_alloc(n_y * sizeof(float));
    t.want = guarded_alloc(n_y * sizeof(float));
    fill_panels(&t, content, seed);
    fill_rows(&t, loose, content, seed);
    for (size_t i = 0; i < n_y; i++) ((float *)t.y.data)[i] = random_below(seed, 9) ? random_float(seed, 1.0f) : -0.0f;
    memcpy(t.want.data, t.y.data, n_y * sizeof(float));
    panels_of(&quant_scalar, dtype)(t.w.data, t.panel_bytes, n_panels, n_in, &t.x, n_rows, t.want.data, t.y_stride);
    return t;
}

static void product_free(struct product *t)
{
    const struct guarded all[] = { t->w, t->codes, t->scales, t->sums, t->y, t->want };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) guarded_free(all[i]);
}

/* The part [k, k_end) x [r, r_end) x [p, p_end) of a product, added to its y; k is a multiple of STEP. */
static void product_run_part(const struct quant_kernels *kernels, struct product *t, size_t k, size_t k_end, size_t r,
                             size_t r_end, size_t p, size_t p_end)
{
    const uint8_t *w = (const uint8_t *)t->w.data + p * t->panel_bytes + k / STEP * quant_step_bytes(t->dtype);
    struct quant_rows x = t->x;
    x.codes += r * x.code_stride + k;
    x.scales += r * x.block_stride + k / BLOCK;
    x.sums += r * x.block_stride + k / BLOCK;
    panels_of(kernels, t->dtype)(w, t->panel_bytes, p_end - p, k_end - k, &x, r_end - r,
                                 (float *)t->y.data + r * t->y_stride + p * LANES, t->y_stride);
}

/* All of y is compared, so a write into a gap shows. */
static void product_check(const struct product *t)
{
    char what[128];
    snprintf(what, sizeof what, "%s, %zu inputs, %zu rows, %zu panels", ingot_dtype_name(t->dtype), t->n_in, t->n_rows,
             t->n_panels);
    assert_same_floats(t->y.data, t->want.data, t->n_rows * t->y_stride, what);
}

static void check_product(const struct quant_kernels *kernels, enum ingot_dtype dtype, size_t n_in, size_t n_rows,
                          size_t n_panels, enum content content, uint64_t *seed)
{
    struct product t = product_create(dtype, n_in, n_rows, n_panels, random_below(seed, 2), content, seed);
    product_run_part(kernels, &t, 0, n_in, 0, n_rows, 0, n_panels);
    product_check(&t);
    product_free(&t);
}

static enum ingot_dtype either(size_t i)
{
    return i % 2 ? INGOT_Q8 : INGOT_Q4;
}

static void products_over_every_number_of_inputs_give_the_bits_of_scalar(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 3;
    for (size_t n_in = 1; n_in <= 200; n_in++)
        for (size_t d = 0; d < 2; d++)
            check_product(kernels, either(d), n_in, 1 + random_below(&seed, 9), 1 + random_below(&seed, 5), RANDOM,
                          &seed);
}

static void products_of_every_number_of_rows_and_panels_give_the_bits_of_scalar(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 4;
    for (size_t n_rows = 1; n_rows <= 40; n_rows++)
        for (size_t n_panels = 1; n_panels <= 9; n_panels++)
            check_product(kernels, either(n_rows + n_panels), 1 + random_below(&seed, 100), n_rows, n_panels, RANDOM,
                          &seed);
}

/* Longer than what a tile covers, more rows than are gathered at once, more panels than a group. */
static void long_products_give_the_bits_of_scalar(void **state)
{
    static const size_t n_in[] = { 511, 512, 513, 544, 545, 768, 1024, 1600 };
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 5;
    for (size_t d = 0; d < 2; d++) {
        for (size_t i = 0; i < sizeof n_in / sizeof n_in[0]; i++) {
            check_product(kernels, either(d), n_in[i], 1, 6, RANDOM, &seed);
            check_product(kernels, either(d), n_in[i], 13, 2, RANDOM, &seed);
            check_product(kernels, either(d), n_in[i], 31, 2, RANDOM, &seed);
        }
        for (size_t n_rows = 47; n_rows <= 200; n_rows += 17)
            check_product(kernels, either(d), n_rows % 2 ? 70 : 600, n_rows, 3, RANDOM, &seed);
        check_product(kernels, either(d), 100, 14, 35, RANDOM, &seed);
        check_product(kernels, either(d), 800, 261, 2, RANDOM, &seed);
    }
}

/* Codes 0 and 255 (and the lowest and highest level of q4) times +-127: where 16 bits would saturate. */
static void products_of_extremes_give_the_bits_of_scalar(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 6;
    for (size_t i = 0; i < 120; i++)
        check_product(kernels, either(i), 1 + random_below(&seed, 130), 1 + random_below(&seed, 40),
                      1 + random_below(&seed, 5), ALL_EXTREME, &seed);
}

/* Every byte of codes alike, every activation alike: the largest and the least sum that there can be. */
static void the_largest_sums_give_the_bits_of_scalar(void **state)
{
    static const uint8_t codes[] = { 0x00, 0xff, 0x80, 0x7f, 0x01 };
    static const int8_t inputs[] = { 127, -127, 0, 1 };
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 7;
    for (size_t i = 0; i < 4 * sizeof codes * sizeof inputs; i++) {
        const size_t n_rows = i < 2 * sizeof codes * sizeof inputs ? 1 + i % 8 : 25 + i % 8;
        struct product t = product_create(either(i), STEP, n_rows, 2, false, RANDOM, &seed);
        const size_t step_bytes = quant_step_bytes(t.dtype);
        const int8_t input = inputs[i / 2 % sizeof inputs];
        for (size_t p = 0; p < 2; p++)
            memset((uint8_t *)t.w.data + p * step_bytes + QUANT_SCALE_BYTES,
                   codes[i / 2 / sizeof inputs % sizeof codes], step_bytes - QUANT_SCALE_BYTES);
        memset(t.codes.data, input, t.n_rows * STEP);
        for (size_t b = 0; b < t.n_rows * 2; b++) ((int32_t *)t.sums.data)[b] = input * BLOCK;
        memcpy(t.want.data, t.y.data, t.n_rows * t.y_stride * sizeof(float));
        panels_of(&quant_scalar, t.dtype)(t.w.data, t.panel_bytes, 2, STEP, &t.x, t.n_rows, t.want.data, t.y_stride);
        product_run_part(kernels, &t, 0, STEP, 0, t.n_rows, 0, 2);
        product_check(&t);
        product_free(&t);
    }
}

static void products_with_strange_scales_give_the_bits_of_scalar(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 8;
    for (size_t i = 0; i < 120; i++)
        check_product(kernels, either(i), 1 + random_below(&seed, 100), 1 + random_below(&seed, 40),
                      1 + random_below(&seed, 5), STRANGE_SCALES, &seed);
}

static void products_cut_between_steps_give_the_same_bits(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 9;
    for (size_t i = 0; i < 60; i++) {
        struct product t = product_create(either(i), 2 + random_below(&seed, 800), 1 + random_below(&seed, 60),
                                          1 + random_below(&seed, 9), true, RANDOM, &seed);
        const size_t k = random_below(&seed, t.n_in) / STEP * STEP, r = random_below(&seed, t.n_rows),
                     p = random_below(&seed, t.n_panels);
        for (size_t part = 0; part < 8; part++) { /* both sides of each cut; the lower k first */
            const size_t k0 = part & 4 ? k : 0, k1 = part & 4 ? t.n_in : k;
            const size_t r0 = part & 2 ? r : 0, r1 = part & 2 ? t.n_rows : r;
            const size_t p0 = part & 1 ? p : 0, p1 = part & 1 ? t.n_panels : p;
            product_run_part(kernels, &t, k0, k1, r0, r1, p0, p1);
        }
        product_check(&t);
        product_free(&t);
    }
}

static void no_rows_or_no_panels_or_no_inputs_change_nothing(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 10;
    for (size_t d = 0; d < 2; d++) {
        struct product t = product_create(either(d), 5, 2, 2, false, RANDOM, &seed);
        memcpy(t.want.data, t.y.data, t.n_rows * t.y_stride * sizeof(float));
        product_run_part(kernels, &t, 0, 5, 0, 0, 0, 2);
        product_run_part(kernels, &t, 0, 5, 0, 2, 0, 0);
        product_run_part(kernels, &t, 0, 0, 0, 2, 0, 2);
        product_check(&t);
        product_free(&t);
    }
}

/* -------------------------------------------------------------------------------------------- the definition itself */

/* One output, as spec/arithmetic.md has it, from the format's own element order. */
static float product_by_definition(const struct product *t, size_t r, size_t out)
{
    const uint8_t *panel = (const uint8_t *)t->w.data + out / LANES * t->panel_bytes;
    const int8_t *codes = t->x.codes + r * t->x.code_stride;
    float y = ((float *)t->y.data)[r * t->y_stride + out];
    for (size_t k = 0; k < t->n_in; k += BLOCK) {
        const uint8_t *step = panel + k / STEP * quant_step_bytes(t->dtype);
        int64_t sum = 0;
        for (size_t i = k; i < k + BLOCK; i++) {
            const int code = step[quant_code_at(t->dtype, i % STEP, out % LANES)];
            sum += codes[i] * (t->dtype == INGOT_Q8 ? code - 128 : quant_q4_levels[i / 4 % 2 ? code >> 4 : code & 15]);
        }
        uint16_t scale;
        memcpy(&scale, step + quant_scale_at(k % STEP, out % LANES), sizeof scale);
        y = fmaf((float)sum, ingot_f32_from_f16(scale) * t->x.scales[r * t->x.block_stride + k / BLOCK], y);
    }
    return y;
}

static void products_are_integer_sums_of_blocks_then_fused_multiply_adds(void **state)
{
    const struct quant_kernels *kernels = quant(state);
    uint64_t seed = 11;
    for (size_t d = 0; d < 2; d++) {
        struct product t = product_create(either(d), 300, 3, 2, true, RANDOM, &seed);
        for (size_t r = 0; r < t.n_rows; r++)
            for (size_t out = 0; out < t.n_panels * LANES; out++)
                ((float *)t.want.data)[r * t.y_stride + out] = product_by_definition(&t, r, out);
        product_run_part(kernels, &t, 0, t.n_in, 0, t.n_rows, 0, t.n_panels);
        product_check(&t);
        product_free(&t);
    }
}

int main(void)
{
    const struct rung_test tests[] = {
        FOR_QUANT_RUNGS(rows_of_every_length_are_quantised_as_by_scalar),
        FOR_QUANT_RUNGS(blocks_about_the_least_input_are_quantised_as_by_scalar),
        FOR_QUANT_RUNGS(ties_between_codes_are_rounded_as_by_scalar),
        FOR_QUANT_RUNGS(a_block_with_one_strange_input_is_quantised_as_by_scalar),
        FOR_QUANT_RUNGS(products_over_every_number_of_inputs_give_the_bits_of_scalar),
        FOR_QUANT_RUNGS(products_of_every_number_of_rows_and_panels_give_the_bits_of_scalar),
        FOR_QUANT_RUNGS(long_products_give_the_bits_of_scalar),
        FOR_QUANT_RUNGS(products_of_extremes_give_the_bits_of_scalar),
        FOR_QUANT_RUNGS(the_largest_sums_give_the_bits_of_scalar),
        FOR_QUANT_RUNGS(products_with_strange_scales_give_the_bits_of_scalar),
        FOR_QUANT_RUNGS(products_cut_between_steps_give_the_same_bits),
        FOR_QUANT_RUNGS(no_rows_or_no_panels_or_no_inputs_change_nothing),
        FOR_QUANT_RUNGS(products_are_integer_sums_of_blocks_then_fused_multiply_adds),
    };
    return run_for_rungs(tests, sizeof tests / sizeof tests[0]);
}

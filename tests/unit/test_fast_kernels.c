/*
 * test_fast_kernels.c - the fast products are those of operands rounded to bf16, within the error of sums of floats.
 *
 * Rungs that have no fast kernels here are counted skips; the emulated ones run anywhere. All operands end at an
 * unmapped page, and everything that must not be used (padding, gaps between rows and panels) is NaN.
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

#include "runtime/kernels/mathf.h"
#include "tests/unit/rungs.h"
#include "tests/unit/skip.h"

enum { LANES = INGOT_PANEL_LANES };

static const struct fast_kernels *fast(void **state)
{
    const struct rung *here = rung_of(state);
    const struct fast_kernels *kernels = here->kernels ? kernels_fast(here) : here->fast;
    if (!kernels) SKIP(here->kernels ? "not on this processor" : "no SIMDe");
    return kernels;
}

/* --------------------------------------------------------------------------------------------------------- operands */

static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };

static kernel_panels_fn *panels_of(const struct fast_kernels *kernels, enum ingot_dtype dtype)
{
    return dtype == INGOT_F32 ? kernels->panels_f32 : dtype == INGOT_F16 ? kernels->panels_f16 : kernels->panels_bf16;
}

struct product {
    enum ingot_dtype dtype;
    size_t n_in, n_rows, n_panels, panel_bytes, x_stride, y_stride;
    struct guarded w, x, y, before;
};

static float random_operand(uint64_t *seed, bool finite)
{
    static const float strange[] = { INFINITY, -INFINITY, NAN };
    return finite || random_below(seed, 60) ? random_float(seed, 2.0f) : strange[random_below(seed, 3)];
}

static void set_weight(const struct product *t, size_t p, size_t k, size_t lane, float value)
{
    uint8_t *at = (uint8_t *)t->w.data + p * t->panel_bytes + panel_element_offset(t->dtype, k, lane);
    const uint16_t upper = (uint16_t)(mathf_bits(value) >> 16);
    if (t->dtype == INGOT_F32)
        memcpy(at, &value, sizeof value);
    else if (t->dtype == INGOT_F16)
        kernels_scalar.narrow_f16(&value, 1, (uint16_t *)(void *)at);
    else
        memcpy(at, &upper, sizeof upper);
}

static float weight(const struct product *t, size_t p, size_t k, size_t lane)
{
    const uint8_t *at = (const uint8_t *)t->w.data + p * t->panel_bytes + panel_element_offset(t->dtype, k, lane);
    uint16_t half;
    float value;
    memcpy(&half, at, sizeof half);
    if (t->dtype == INGOT_F16) return ingot_f32_from_f16(half);
    if (t->dtype == INGOT_BF16) return mathf_from_bits((uint32_t)half << 16);
    memcpy(&value, at, sizeof value);
    return value;
}

/* With loose strides there are gaps between rows and between panels. */
static struct product product_create(enum ingot_dtype dtype, size_t n_in, size_t n_rows, size_t n_panels, bool loose,
                                     bool finite, uint64_t *seed)
{
    struct product t = { .dtype = dtype, .n_in = n_in, .n_rows = n_rows, .n_panels = n_panels };
    t.panel_bytes = panel_bytes_padded(dtype, n_in) + (loose ? 64 : 0);
    t.x_stride = n_in + (loose ? 3 : 0);
    t.y_stride = n_panels * LANES + (loose ? LANES : 0);
    const size_t x_bytes = ((n_rows - 1) * t.x_stride + n_in) * sizeof(float);
    const size_t y_bytes = n_rows * t.y_stride * sizeof(float);
    t.w = guarded_alloc(n_panels * t.panel_bytes);
    t.x = guarded_alloc(x_bytes);
    t.y = guarded_alloc(y_bytes);
    t.before = guarded_alloc(y_bytes);
    memset(t.w.data, 0xff, n_panels * t.panel_bytes);
    memset(t.x.data, 0xff, x_bytes);
    for (size_t p = 0; p < n_panels; p++)
        for (size_t k = 0; k < n_in; k++)
            for (size_t lane = 0; lane < LANES; lane++) set_weight(&t, p, k, lane, random_operand(seed, finite));
    for (size_t r = 0; r < n_rows; r++)
        for (size_t k = 0; k < n_in; k++) ((float *)t.x.data)[r * t.x_stride + k] = random_operand(seed, finite);
    for (size_t i = 0; i < n_rows * t.y_stride; i++) ((float *)t.y.data)[i] = random_float(seed, 2.0f);
    memcpy(t.before.data, t.y.data, y_bytes);
    return t;
}

static void product_free(struct product *t)
{
    guarded_free(t->w);
    guarded_free(t->x);
    guarded_free(t->y);
    guarded_free(t->before);
}

/* Rows r .. r_end times panels p .. p_end. */
static void product_run_part(const struct fast_kernels *kernels, struct product *t, size_t r, size_t r_end, size_t p,
                             size_t p_end)
{
    panels_of(kernels, t->dtype)((const uint8_t *)t->w.data + p * t->panel_bytes, t->panel_bytes, p_end - p, t->n_in,
                                 (float *)t->x.data + r * t->x_stride, t->x_stride, r_end - r,
                                 (float *)t->y.data + r * t->y_stride + p * LANES, t->y_stride);
}

/* ------------------------------------------------------------------------------------------------------------ truth */

/* The nearest bf16, of two the even one, from the distances to its neighbours. Normal numbers, infinities and NaN. */
static float nearest_bf16(float value)
{
    const uint32_t bits = mathf_bits(value), below = bits & 0xffff0000u;
    if (!isfinite(value)) return value;
    const double low = (double)mathf_from_bits(below), gap = ldexp(1, ilogbf(value) - 7);
    const double rest = fabs((double)value - low);
    const bool up = rest > gap / 2 || (rest == gap / 2 && below >> 16 & 1);
    return mathf_from_bits(up ? below + 0x10000u : below);
}

/* n + 2 additions of floats, twice over for those that round before they add. */
static void check_output(const struct product *t, size_t r, size_t out)
{
    const size_t at = r * t->y_stride + out;
    const float *x = (const float *)t->x.data + r * t->x_stride, got = ((const float *)t->y.data)[at];
    double sum = (double)((const float *)t->before.data)[at], size = fabs(sum);
    for (size_t k = 0; k < t->n_in; k++) {
        const double term = (double)nearest_bf16(weight(t, out / LANES, k, out % LANES)) * (double)nearest_bf16(x[k]);
        sum += term;
        size += fabs(term);
    }
    const double bound = (double)(t->n_in + 2) * 0x1p-23 * size;
    const bool right = isnan(sum) ? isnan(got) : isinf(sum) ? (double)got == sum : fabs((double)got - sum) <= bound;
    if (!right)
        fail_msg("%s, %zu inputs, %zu rows, %zu panels: row %zu, output %zu is %a, should be %a",
                 ingot_dtype_name(t->dtype), t->n_in, t->n_rows, t->n_panels, r, out, (double)got, sum);
}

/* All of y: a write into a gap shows. */
static void product_check(const struct product *t)
{
    const size_t n_out = t->n_panels * LANES;
    for (size_t r = 0; r < t->n_rows; r++) {
        const size_t behind = r * t->y_stride + n_out;
        for (size_t out = 0; out < n_out; out++) check_output(t, r, out);
        assert_memory_equal((float *)t->y.data + behind, (float *)t->before.data + behind,
                            (t->y_stride - n_out) * sizeof(float));
    }
}

static void check_product(const struct fast_kernels *kernels, enum ingot_dtype dtype, size_t n_in, size_t n_rows,
                          size_t n_panels, bool finite, uint64_t *seed)
{
    struct product t = product_create(dtype, n_in, n_rows, n_panels, random_below(seed, 2), finite, seed);
    product_run_part(kernels, &t, 0, n_rows, 0, n_panels);
    product_check(&t);
    product_free(&t);
}

/* ------------------------------------------------------------------------------------------------------------ tests */

static void products_over_every_number_of_inputs_are_near_those_of_bf16(void **state)
{
    const struct fast_kernels *kernels = fast(state);
    uint64_t seed = 1;
    for (size_t n_in = 1; n_in <= 66; n_in += n_in == 34 ? 29 : 1)
        for (size_t d = 0; d < 3; d++)
            check_product(kernels, dtypes[d], n_in, 1 + random_below(&seed, 5), 1 + random_below(&seed, 3), true,
                          &seed);
}

static void products_of_every_number_of_rows_are_near_those_of_bf16(void **state)
{
    const struct fast_kernels *kernels = fast(state);
    uint64_t seed = 2;
    for (size_t n_rows = 1; n_rows <= 70; n_rows += 1 + n_rows / 8)
        check_product(kernels, dtypes[n_rows % 3], 1 + random_below(&seed, 40), n_rows, 1 + random_below(&seed, 3),
                      true, &seed);
}

/* Beyond a chunk of inputs, a group of rows, and many panels. */
static void long_products_are_near_those_of_bf16(void **state)
{
    static const size_t n_in[] = { 255, 256, 257, 288, 513 };
    const struct fast_kernels *kernels = fast(state);
    uint64_t seed = 3;
    for (size_t d = 0; d < 3; d++) {
        for (size_t i = 0; i < sizeof n_in / sizeof n_in[0]; i++)
            check_product(kernels, dtypes[d], n_in[i], 17, 1, true, &seed);
        check_product(kernels, dtypes[d], 9, 259, 1, true, &seed);
        check_product(kernels, dtypes[d], 33, 32, 5, true, &seed);
    }
}

static void infinities_and_nan_pass_through(void **state)
{
    const struct fast_kernels *kernels = fast(state);
    uint64_t seed = 4;
    for (size_t i = 0; i < 90; i++)
        check_product(kernels, dtypes[i % 3], 1 + random_below(&seed, 40), 1 + random_below(&seed, 40),
                      1 + random_below(&seed, 3), false, &seed);
}

/* spec/arithmetic.md, "Fast modes": of row r, with the exact result in t->y. */
static void check_distance(const struct product *t, size_t r, const float *fast)
{
    const float *x = (const float *)t->x.data + r * t->x_stride;
    for (size_t out = 0; out < t->n_panels * LANES; out++) {
        const size_t at = r * t->y_stride + out;
        double size = fabs((double)((const float *)t->before.data)[at]);
        for (size_t k = 0; k < t->n_in; k++)
            size += fabs((double)weight(t, out / LANES, k, out % LANES) * (double)x[k]);
        const double right = (double)((const float *)t->y.data)[at];
        assert_true(fabs((double)fast[at] - right) <= (0x1p-8 + 0x1p-18 + (double)(t->n_in + 2) * 0x1p-22) * size);
    }
}

static void fast_products_are_as_near_to_the_exact_ones_as_the_specification_says(void **state)
{
    const struct fast_kernels *kernels = fast(state);
    const struct fast_kernels exact = { .panels_f32 = kernels_scalar.panels_f32,
                                        .panels_f16 = kernels_scalar.panels_f16,
                                        .panels_bf16 = kernels_scalar.panels_bf16 };
    uint64_t seed = 8;
    for (size_t i = 0; i < 30; i++) {
        struct product t = product_create(dtypes[i % 3], 1 + random_below(&seed, 600), 1 + random_below(&seed, 20),
                                          1 + random_below(&seed, 2), true, true, &seed);
        const size_t bytes = t.n_rows * t.y_stride * sizeof(float);
        struct guarded got = guarded_alloc(bytes);
        product_run_part(kernels, &t, 0, t.n_rows, 0, t.n_panels);
        memcpy(got.data, t.y.data, bytes);
        memcpy(t.y.data, t.before.data, bytes);
        product_run_part(&exact, &t, 0, t.n_rows, 0, t.n_panels);
        for (size_t r = 0; r < t.n_rows; r++) check_distance(&t, r, got.data);
        guarded_free(got);
        product_free(&t);
    }
}

/* A product of one input with 1 is that input, rounded. Patterns about the middle between two bf16, of both parities.
 */
static void inputs_and_weights_are_rounded_to_the_nearest_ties_to_even(void **state)
{
    static const uint32_t patterns[] = { 0x3f808000u, 0x3f818000u, 0x3f807fffu, 0x3f808001u, 0xbf818001u,
                                         0xc0ff8000u, 0x3fffffffu, 0x7f7f7fffu, 0x7f7f8000u, 0x00800000u };
    const struct fast_kernels *kernels = fast(state);
    uint64_t seed = 5;
    for (size_t i = 0; i < 200; i++) {
        const uint32_t bits = i < 10 ? patterns[i] : random_bits(&seed, ORDINARY);
        const float value = mathf_from_bits(bits), one = 1.0f;
        _Alignas(64) float w[LANES], y[2][LANES] = { { 0 } };
        for (size_t lane = 0; lane < LANES; lane++) w[lane] = 1.0f;
        kernels->panels_f32(w, sizeof w, 1, 1, &value, 1, 1, y[0], LANES);
        for (size_t lane = 0; lane < LANES; lane++) w[lane] = value;
        kernels->panels_f32(w, sizeof w, 1, 1, &one, 1, 1, y[1], LANES);
        for (size_t lane = 0; lane < LANES; lane++)
            for (size_t which = 0; which < 2; which++) assert_true(same_bits(y[which][lane], nearest_bf16(value)));
    }
}

/* So the number of threads does not show, nor which other rows there are. */
static void products_cut_between_rows_and_panels_give_the_same_bits(void **state)
{
    const struct fast_kernels *kernels = fast(state);
    uint64_t seed = 6;
    for (size_t i = 0; i < 12; i++) {
        struct product t = product_create(dtypes[i % 3], 1 + random_below(&seed, 300), 1 + random_below(&seed, 50),
                                          1 + random_below(&seed, 5), true, true, &seed);
        const size_t n = t.n_rows * t.y_stride, r = random_below(&seed, t.n_rows), p = random_below(&seed, t.n_panels);
        product_run_part(kernels, &t, 0, t.n_rows, 0, t.n_panels);
        struct guarded whole = guarded_alloc(n * sizeof(float));
        memcpy(whole.data, t.y.data, n * sizeof(float));
        memcpy(t.y.data, t.before.data, n * sizeof(float));
        for (size_t part = 0; part < 4; part++)
            product_run_part(kernels, &t, part & 2 ? r : 0, part & 2 ? t.n_rows : r, part & 1 ? p : 0,
                             part & 1 ? t.n_panels : p);
        assert_same_floats(t.y.data, whole.data, n, "cut");
        guarded_free(whole);
        product_free(&t);
    }
}

static void no_rows_or_no_panels_or_no_inputs_change_nothing(void **state)
{
    const struct fast_kernels *kernels = fast(state);
    uint64_t seed = 7;
    for (size_t d = 0; d < 3; d++) {
        struct product t = product_create(dtypes[d], 5, 2, 2, false, true, &seed);
        product_run_part(kernels, &t, 0, 0, 0, 2);
        product_run_part(kernels, &t, 0, 2, 0, 0);
        t.n_in = 0;
        product_run_part(kernels, &t, 0, 2, 0, 2);
        assert_memory_equal(t.y.data, t.before.data, 2 * t.y_stride * sizeof(float));
        product_free(&t);
    }
}

/* What cannot run is not offered: only the rungs that declare fast kernels have any. */
static void rungs_without_fast_kernels_have_none(void **state)
{
    (void)state;
    for (size_t i = 0; kernels_rung(i); i++)
        if (!kernels_rung(i)->fast) assert_null(kernels_fast(kernels_rung(i)));
    assert_null(kernels_select("scalar")->fast);
}

int main(void)
{
    const struct rung_test tests[] = {
        FOR_FAST_RUNGS(products_over_every_number_of_inputs_are_near_those_of_bf16),
        FOR_FAST_RUNGS(products_of_every_number_of_rows_are_near_those_of_bf16),
        FOR_FAST_RUNGS(long_products_are_near_those_of_bf16),
        FOR_FAST_RUNGS(infinities_and_nan_pass_through),
        FOR_FAST_RUNGS(fast_products_are_as_near_to_the_exact_ones_as_the_specification_says),
        FOR_FAST_RUNGS(inputs_and_weights_are_rounded_to_the_nearest_ties_to_even),
        FOR_FAST_RUNGS(products_cut_between_rows_and_panels_give_the_same_bits),
        FOR_FAST_RUNGS(no_rows_or_no_panels_or_no_inputs_change_nothing),
        ONCE(rungs_without_fast_kernels_have_none),
    };
    return run_for_rungs(tests, sizeof tests / sizeof tests[0]);
}

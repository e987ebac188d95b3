/*
 * test_kernels.c - every instruction set gives the bits of scalar.c, and scalar.c is what spec/arithmetic.md says.
 *
 * The tests of a rung take its name as their state and run once for each; a rung that this machine lacks is a counted
 * skip. All operands end at an unmapped page, so that reading or writing one byte too far is a crash, and everything
 * that must not be used (padding, gaps between rows and panels) is NaN.
 */
#include "runtime/kernels/kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/simd/cpu.h"
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/peak.h"
#include "tests/unit/rungs.h"
#include "tests/unit/skip.h"

enum { LANES = INGOT_PANEL_LANES };

static const struct kernels *rung(void **state)
{
    const struct rung *here = rung_of(state);
    if (!here->kernels) SKIP("no SIMDe");
    return here->kernels;
}

/* ------------------------------------------------------------------------------------------------- numbers and bits */

/* The same for 16 bits; infinities and NaN of both formats. */
static uint16_t random_half(uint64_t *seed, enum ingot_dtype dtype, enum strangeness strange)
{
    const uint16_t exponent = dtype == INGOT_F16 ? 0x7c00 : 0x7f80;
    for (;;) {
        uint16_t bits = (uint16_t)random_u64(seed);
        if (strange == ORDINARY && dtype == INGOT_BF16) bits = (uint16_t)(random_bits(seed, ORDINARY) >> 16);
        if (strange == EXTREME && random_below(seed, 8) == 0) bits &= 0x83ff; /* small and subnormal */
        if (strange == NOT_FINITE && random_below(seed, 20) != 0) strange = ORDINARY;
        if (strange == NOT_FINITE || (bits & exponent) != exponent) return bits;
    }
}

/* ------------------------------------------------------------------------------------------------ panels times rows */

static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };

/* Each kernel_panels_fn: in blocks, or one chain that goes on from y. */
static const struct variant {
    enum ingot_dtype dtype;
    bool one_chain;
} variants[] = { { INGOT_F32, false }, { INGOT_F16, false }, { INGOT_BF16, false }, { INGOT_F32, true } };
#define N_VARIANTS (sizeof variants / sizeof variants[0])

static kernel_panels_fn *panels_of(const struct kernels *kernels, struct variant v)
{
    if (v.one_chain) return kernels->chains_f32;
    return v.dtype == INGOT_F32   ? kernels->panels_f32
           : v.dtype == INGOT_F16 ? kernels->panels_f16
                                  : kernels->panels_bf16;
}

/* One multiplication with all its operands; y is compared between rungs. */
struct product {
    struct variant variant;
    enum ingot_dtype dtype;
    size_t n_in, n_rows, n_panels, panel_bytes, x_stride, y_stride;
    struct guarded w, x, y, want;
};

static void fill_weights(struct product *t, uint64_t *seed, enum strangeness strange)
{
    memset(t->w.data, 0xff, t->n_panels * t->panel_bytes); /* NaN in every format */
    for (size_t p = 0; p < t->n_panels; p++)
        for (size_t k = 0; k < t->n_in; k++)
            for (size_t lane = 0; lane < LANES; lane++) {
                uint8_t *at = (uint8_t *)t->w.data + p * t->panel_bytes + panel_element_offset(t->dtype, k, lane);
                const uint32_t wide = random_bits(seed, strange);
                const uint16_t half = random_half(seed, t->dtype, strange);
                memcpy(at, t->dtype == INGOT_F32 ? (const void *)&wide : (const void *)&half,
                       panel_element_bytes(t->dtype));
            }
}

/* With loose strides there are gaps between rows and between panels. */
static struct product product_create(struct variant variant, size_t n_in, size_t n_rows, size_t n_panels, bool loose,
                                     enum strangeness strange, uint64_t *seed)
{
    const enum ingot_dtype dtype = variant.dtype;
    struct product t = { .variant = variant, .dtype = dtype, .n_in = n_in, .n_rows = n_rows, .n_panels = n_panels };
    t.panel_bytes = panel_bytes_padded(dtype, n_in) + (loose ? 64 : 0);
    t.x_stride = n_in + (loose ? 3 : 0);
    t.y_stride = n_panels * LANES + (loose ? LANES : 0);
    t.w = guarded_alloc(n_panels * t.panel_bytes);
    t.x = guarded_alloc(((n_rows - 1) * t.x_stride + n_in) * sizeof(float));
    t.y = guarded_alloc(n_rows * t.y_stride * sizeof(float));
    t.want = guarded_alloc(n_rows * t.y_stride * sizeof(float));

    fill_weights(&t, seed, strange);
    memset(t.x.data, 0xff, ((n_rows - 1) * t.x_stride + n_in) * sizeof(float));
    for (size_t r = 0; r < n_rows; r++)
        for (size_t k = 0; k < n_in; k++)
            ((float *)t.x.data)[r * t.x_stride + k] = mathf_from_bits(random_bits(seed, strange));
    for (size_t i = 0; i < n_rows * t.y_stride; i++)
        ((float *)t.y.data)[i] = mathf_from_bits(random_bits(seed, strange == NOT_FINITE ? EXTREME : strange));
    memcpy(t.want.data, t.y.data, n_rows * t.y_stride * sizeof(float));
    panels_of(&kernels_scalar, variant)(t.w.data, t.panel_bytes, n_panels, n_in, t.x.data, t.x_stride, n_rows,
                                        t.want.data, t.y_stride);
    return t;
}

static void product_free(struct product *t)
{
    guarded_free(t->w);
    guarded_free(t->x);
    guarded_free(t->y);
    guarded_free(t->want);
}

/* The part [k, k_end) x [r, r_end) x [p, p_end) of a product, added to its y. */
static void product_run_part(const struct kernels *kernels, struct product *t, size_t k, size_t k_end, size_t r,
                             size_t r_end, size_t p, size_t p_end)
{
    const uint8_t *w = (const uint8_t *)t->w.data + p * t->panel_bytes + panel_element_offset(t->dtype, k, 0);
    panels_of(kernels, t->variant)(w, t->panel_bytes, p_end - p, k_end - k, (float *)t->x.data + r * t->x_stride + k,
                                   t->x_stride, r_end - r, (float *)t->y.data + r * t->y_stride + p * LANES,
                                   t->y_stride);
}

/* All of y is compared, so a write into a gap shows. */
static void product_check(const struct product *t)
{
    char what[128];
    snprintf(what, sizeof what, "%s, %zu inputs, %zu rows, %zu panels", ingot_dtype_name(t->dtype), t->n_in, t->n_rows,
             t->n_panels);
    assert_same_floats(t->y.data, t->want.data, t->n_rows * t->y_stride, what);
}

static void check_product(const struct kernels *kernels, struct variant variant, size_t n_in, size_t n_rows,
                          size_t n_panels, enum strangeness strange, uint64_t *seed)
{
    struct product t = product_create(variant, n_in, n_rows, n_panels, random_below(seed, 2), strange, seed);
    product_run_part(kernels, &t, 0, n_in, 0, n_rows, 0, n_panels);
    product_check(&t);
    product_free(&t);
}

static void panels_of_random_shapes_give_the_bits_of_scalar(void **state)
{
    const struct kernels *kernels = rung(state);
    uint64_t seed = 1;
    for (size_t i = 0; i < 240; i++)
        check_product(kernels, variants[i % N_VARIANTS], 1 + random_below(&seed, 70), 1 + random_below(&seed, 33),
                      1 + random_below(&seed, 9), ORDINARY, &seed);
}

static void panels_of_every_number_of_rows_and_panels_give_the_bits_of_scalar(void **state)
{
    const struct kernels *kernels = rung(state);
    uint64_t seed = 2;
    for (size_t rows = 1; rows <= 33; rows++)
        for (size_t panels = 1; panels <= 9; panels++)
            check_product(kernels, variants[(rows + panels) % N_VARIANTS], 1 + random_below(&seed, 7), rows, panels,
                          ORDINARY, &seed);
}

static void panels_longer_than_a_block_of_inputs_give_the_bits_of_scalar(void **state)
{
    static const size_t n_in[] = { 255, 256, 257, 511, 512, 513, 768, 3072 };
    const struct kernels *kernels = rung(state);
    uint64_t seed = 3;
    for (size_t v = 0; v < N_VARIANTS; v++)
        for (size_t i = 0; i < sizeof n_in / sizeof n_in[0]; i++) {
            check_product(kernels, variants[v], n_in[i], 1, 5, ORDINARY, &seed);
            check_product(kernels, variants[v], n_in[i], 13, 3, ORDINARY, &seed);
        }
}

static void panels_beyond_a_group_give_the_bits_of_scalar(void **state)
{
    const struct kernels *kernels = rung(state);
    uint64_t seed = 4;
    for (size_t v = 0; v < N_VARIANTS; v++) check_product(kernels, variants[v], 300, 14, 35, ORDINARY, &seed);
}

/* So many that weights are widened for all tiles together. */
static void panels_times_many_rows_give_the_bits_of_scalar(void **state)
{
    static const size_t n_in[] = { 1, 2, 15, 256, 257, 517 };
    static const enum strangeness strange[] = { EXTREME, NOT_FINITE, ORDINARY, ORDINARY, ORDINARY, ORDINARY };
    const struct kernels *kernels = rung(state);
    uint64_t seed = 9;
    for (size_t v = 0; v < N_VARIANTS; v++)
        for (size_t i = 0; i < sizeof n_in / sizeof n_in[0]; i++)
            check_product(kernels, variants[v], n_in[i], 36 + random_below(&seed, 14), 1 + random_below(&seed, 19),
                          strange[i], &seed);
}

static void panels_with_extreme_and_non_finite_values_give_the_bits_of_scalar(void **state)
{
    const struct kernels *kernels = rung(state);
    uint64_t seed = 5;
    for (size_t i = 0; i < 120; i++)
        check_product(kernels, variants[i % N_VARIANTS], 1 + random_below(&seed, 12), 1 + random_below(&seed, 14),
                      1 + random_below(&seed, 5), i % 2 ? EXTREME : NOT_FINITE, &seed);
}

static void panels_cut_between_blocks_give_the_same_bits(void **state)
{
    const struct kernels *kernels = rung(state);
    uint64_t seed = 6;
    for (size_t i = 0; i < 90; i++) {
        struct product t =
            product_create(variants[i % N_VARIANTS], 2 + random_below(&seed, 600), 1 + random_below(&seed, 20),
                           1 + random_below(&seed, 9), true, ORDINARY, &seed);
        const size_t unit = t.variant.one_chain ? 2 : KERNEL_BLOCK;
        const size_t k = random_below(&seed, t.n_in) / unit * unit, r = random_below(&seed, t.n_rows),
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

/* What a 16-bit float stands for, from the definition of its fields. */
static double half_value(enum ingot_dtype dtype, uint16_t bits)
{
    const int fraction_bits = dtype == INGOT_F16 ? 10 : 7, bias = dtype == INGOT_F16 ? 15 : 127;
    const int exponent_max = 2 * bias + 1;
    const int exponent = bits >> fraction_bits & exponent_max, fraction = bits & ((1 << fraction_bits) - 1);
    const double sign = bits & 0x8000 ? -1.0 : 1.0;
    if (exponent == exponent_max) return fraction ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

static void every_16_bit_weight_is_widened_exactly(void **state)
{
    const struct kernels *kernels = rung(state);
    const float one = 1.0f;
    for (size_t d = 1; d < 3; d++)
        for (uint32_t base = 0; base < 0x10000; base += LANES) {
            _Alignas(64) uint16_t w[2 * LANES];
            _Alignas(64) float y[LANES];
            memset(w, 0xff, sizeof w);
            for (uint32_t lane = 0; lane < LANES; lane++) {
                w[panel_element_offset(dtypes[d], 0, lane) / 2] = (uint16_t)(base + lane);
                y[lane] = 0;
            }
            panels_of(kernels, variants[d])(w, sizeof w, 1, 1, &one, 1, 1, y, LANES);
            for (uint32_t lane = 0; lane < LANES; lane++)
                assert_true(same_bits(y[lane], (float)half_value(dtypes[d], (uint16_t)(base + lane)) + 0.0f));
        }
}

/* From the definition in words, with the sums in y at first. */
static float product_by_definition(const struct product *t, size_t r, size_t out)
{
    const size_t block = t->variant.one_chain ? SIZE_MAX : KERNEL_BLOCK;
    float y = ((float *)t->y.data)[r * t->y_stride + out], chain = t->variant.one_chain ? y : 0;
    for (size_t k = 0; k < t->n_in; k++) {
        float w;
        memcpy(&w, (uint8_t *)t->w.data + out / LANES * t->panel_bytes + (k * LANES + out % LANES) * 4, sizeof w);
        chain = fmaf(w, ((float *)t->x.data)[r * t->x_stride + k], chain);
        if (t->variant.one_chain || (k % block != block - 1 && k != t->n_in - 1)) continue;
        y += chain;
        chain = 0;
    }
    return t->variant.one_chain ? chain : y;
}

static void panels_are_chains_of_fused_multiply_adds_in_order(void **state)
{
    const struct kernels *kernels = rung(state);
    const struct variant both[] = { { INGOT_F32, false }, { INGOT_F32, true } };
    uint64_t seed = 7;
    for (size_t i = 0; i < 2; i++) {
        struct product t = product_create(both[i], 2 * KERNEL_BLOCK + 37, 3, 2, true, ORDINARY, &seed);
        for (size_t r = 0; r < t.n_rows; r++)
            for (size_t out = 0; out < t.n_panels * LANES; out++)
                ((float *)t.want.data)[r * t.y_stride + out] = product_by_definition(&t, r, out);
        product_run_part(kernels, &t, 0, t.n_in, 0, t.n_rows, 0, t.n_panels);
        product_check(&t);
        product_free(&t);
    }
}

static void no_rows_or_no_panels_or_no_inputs_change_nothing(void **state)
{
    const struct kernels *kernels = rung(state);
    uint64_t seed = 8;
    for (size_t v = 0; v < N_VARIANTS; v++) {
        struct product t = product_create(variants[v], 5, 2, 2, false, ORDINARY, &seed);
        memcpy(t.want.data, t.y.data, t.n_rows * t.y_stride * sizeof(float));
        product_run_part(kernels, &t, 0, 5, 0, 0, 0, 2);
        product_run_part(kernels, &t, 0, 5, 0, 2, 0, 0);
        product_run_part(kernels, &t, 0, 0, 0, 2, 0, 2);
        product_check(&t);
        product_free(&t);
    }
}

/* --------------------------------------------------------------------------------------- vectors: the same, guarded */

static const size_t long_vectors[] = { 255, 768, 1024, 1600 };

/* Calls body(kernels, n, strangeness, seed) for every length up to 70 and some longer ones. */
static void for_lengths(const struct kernels *kernels,
                        void (*body)(const struct kernels *, size_t, enum strangeness, uint64_t *))
{
    uint64_t seed = 9;
    for (size_t n = 1; n <= 70; n++)
        for (int strange = ORDINARY; strange <= NOT_FINITE; strange++)
            body(kernels, n, (enum strangeness)strange, &seed);
    for (size_t i = 0; i < sizeof long_vectors / sizeof long_vectors[0]; i++)
        body(kernels, long_vectors[i], ORDINARY, &seed);
}

static struct guarded random_vector(size_t n, float scale, enum strangeness strange, uint64_t *seed)
{
    struct guarded g = guarded_alloc(n * sizeof(float));
    for (size_t i = 0; i < n; i++) ((float *)g.data)[i] = mathf_from_bits(random_bits(seed, strange)) * scale;
    return g;
}

static struct guarded copy_vector(struct guarded from, size_t n)
{
    struct guarded g = guarded_alloc(n * sizeof(float));
    memcpy(g.data, from.data, n * sizeof(float));
    return g;
}

static void layer_norm_case(const struct kernels *kernels, size_t n, enum strangeness strange, uint64_t *seed)
{
    struct guarded x = random_vector(n, 3.0f, strange, seed), w = random_vector(n, 1.0f, strange, seed),
                   b = random_vector(n, 1.0f, strange, seed), y = guarded_alloc(n * sizeof(float)),
                   want = guarded_alloc(n * sizeof(float));
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        const float *bias = with_bias ? b.data : NULL;
        kernels_scalar.layer_norm(x.data, w.data, bias, n, 1e-5f, want.data);
        kernels->layer_norm(x.data, w.data, bias, n, 1e-5f, y.data);
        assert_same_floats(y.data, want.data, n, "layer_norm");
    }
    kernels->layer_norm(x.data, w.data, b.data, n, 1e-5f, x.data); /* in place */
    assert_same_floats(x.data, want.data, n, "layer_norm in place");
    guarded_free(x);
    guarded_free(w);
    guarded_free(b);
    guarded_free(y);
    guarded_free(want);
}

static void softmax_case(const struct kernels *kernels, size_t n, enum strangeness strange, uint64_t *seed)
{
    struct guarded x = random_vector(n, 20.0f, strange, seed), want = copy_vector(x, n);
    const float want_sum = kernels_scalar.softmax_exp(want.data, n), sum = kernels->softmax_exp(x.data, n);
    assert_same_floats(x.data, want.data, n, "softmax_exp");
    assert_true(same_bits(sum, want_sum));
    guarded_free(x);
    guarded_free(want);
}

static void gelu_case(const struct kernels *kernels, size_t n, enum strangeness strange, uint64_t *seed)
{
    for (int erf_form = 0; erf_form < 2; erf_form++) {
        struct guarded x = random_vector(n, 4.0f, strange, seed), want = copy_vector(x, n);
        (erf_form ? kernels_scalar.gelu_erf : kernels_scalar.gelu_tanh)(want.data, n);
        (erf_form ? kernels->gelu_erf : kernels->gelu_tanh)(x.data, n);
        assert_same_floats(x.data, want.data, n, erf_form ? "gelu_erf" : "gelu_tanh");
        guarded_free(x);
        guarded_free(want);
    }
}

static void add_and_scale_case(const struct kernels *kernels, size_t n, enum strangeness strange, uint64_t *seed)
{
    struct guarded x = random_vector(n, 1.0f, strange, seed), y = random_vector(n, 1.0f, strange, seed),
                   want = copy_vector(y, n);
    const float s = random_float(seed, 2.0f);
    kernels_scalar.add(want.data, x.data, n);
    kernels_scalar.scale(want.data, s, n);
    kernels->add(y.data, x.data, n);
    kernels->scale(y.data, s, n);
    assert_same_floats(y.data, want.data, n, "add, scale");
    guarded_free(x);
    guarded_free(y);
    guarded_free(want);
}

static void layer_norm_gives_the_bits_of_scalar(void **state)
{
    for_lengths(rung(state), layer_norm_case);
}

static void softmax_exp_gives_the_bits_of_scalar(void **state)
{
    for_lengths(rung(state), softmax_case);
}

static void gelus_give_the_bits_of_scalar(void **state)
{
    for_lengths(rung(state), gelu_case);
}

static void add_and_scale_give_the_bits_of_scalar(void **state)
{
    for_lengths(rung(state), add_and_scale_case);
}

/* A dense sample of all floats, so that every exponent and both ends of every range of exp are met. */
static void gelus_of_all_exponents_give_the_bits_of_scalar(void **state)
{
    enum { N = 4096 };
    const struct kernels *kernels = rung(state);
    float tanh_form[N], tanh_want[N], erf_form[N], erf_want[N];
    for (uint64_t base = 0; base < UINT64_C(1) << 32; base += N * UINT64_C(8191)) {
        for (uint64_t i = 0; i < N; i++) {
            tanh_form[i] = mathf_from_bits((uint32_t)(base + i * 8191));
            tanh_want[i] = erf_form[i] = erf_want[i] = tanh_form[i];
        }
        kernels->gelu_tanh(tanh_form, N);
        kernels->gelu_erf(erf_form, N);
        kernels_scalar.gelu_tanh(tanh_want, N);
        kernels_scalar.gelu_erf(erf_want, N);
        assert_same_floats(tanh_form, tanh_want, N, "gelu_tanh");
        assert_same_floats(erf_form, erf_want, N, "gelu_erf");
    }
}

/* ---------------------------------------------------------------------------------- the definition itself: accuracy */

/* Calls check(x) for every 1009th float. */
static void for_floats(void (*check)(float x))
{
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 1009) check(mathf_from_bits((uint32_t)bits));
}

static double ulp_of(double value)
{
    int exponent;
    frexp(value, &exponent);
    return ldexp(1.0, exponent - 24 < -149 ? -149 : exponent - 24);
}

static void check_exp(float x)
{
    const float got = mathf_exp(x);
    const double want = exp((double)x);
    if (isnan(x))
        assert_true(isnan(got));
    else if (want >= 0x1.ffffffp127)
        assert_true(isinf(got) && got > 0);
    else if (fabs((double)got - want) > 1.02 * ulp_of(want))
        fail_msg("exp(%a) is %a", (double)x, (double)got);
}

static void exp_is_within_1_02_ulp_of_the_truth(void **state)
{
    (void)state;
    for_floats(check_exp);
}

static void exp_beyond_its_range_is_zero_or_infinity(void **state)
{
    (void)state;
    assert_true(same_bits(mathf_exp(-INFINITY), 0.0f));
    assert_true(same_bits(mathf_exp(-104.5f), 0.0f));
    assert_true(same_bits(mathf_exp(89.5f), INFINITY));
    assert_true(same_bits(mathf_exp(INFINITY), INFINITY));
    assert_true(same_bits(mathf_exp(0.0f), 1.0f));
    assert_true(same_bits(mathf_exp(-0.0f), 1.0f));
    assert_true(isnan(mathf_exp(NAN)));
}

static void check_gelu(float x, float got, double want)
{
    if (isnan(x))
        assert_true(isnan(got));
    else if (isfinite(x) && fabs((double)got - want) > 1.3e-7 * fmax(1.0, fabs((double)x)))
        fail_msg("gelu(%a) is %a, should be %a", (double)x, (double)got, want);
}

static void check_gelus(float x)
{
    const double wide = (double)x;
    const double u = sqrt(2.0 / acos(-1.0)) * (wide + 0.044715 * wide * wide * wide);
    check_gelu(x, mathf_gelu_tanh(x), wide / (1.0 + exp(-2.0 * u)));
    check_gelu(x, mathf_gelu_erf(x), 0.5 * wide * erfc(-wide / sqrt(2.0)));
}

static void gelus_are_within_1_3e_7_of_the_truth(void **state)
{
    (void)state;
    for_floats(check_gelus);
}

/* A digest of f over every 4999th float, NaN left out. */
static uint64_t digest_of(float (*f)(float x))
{
    uint64_t digest = 0;
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 4999) {
        const float y = f(mathf_from_bits((uint32_t)bits));
        digest = (digest ^ (isnan(y) ? 0 : mathf_bits(y))) * UINT64_C(0x9e3779b97f4a7c15);
        digest ^= digest >> 29;
    }
    return digest;
}

/* They change only together with spec/arithmetic.md, and with them every logit. */
static void exp_and_gelus_are_these_bits(void **state)
{
    (void)state;
    assert_int_equal(digest_of(mathf_exp), UINT64_C(0xa17b4232333e23b0));
    assert_int_equal(digest_of(mathf_gelu_tanh), UINT64_C(0x1034d83624bb4603));
    assert_int_equal(digest_of(mathf_gelu_erf), UINT64_C(0xc5c7081f8af44d52));
}

static void layer_norm_is_near_the_truth(void **state)
{
    (void)state;
    enum { N = 768 };
    uint64_t seed = 10;
    float x[N], w[N], b[N], y[N];
    double mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < N; i++) {
        x[i] = random_float(&seed, 5.0f) + 1.0f;
        w[i] = random_float(&seed, 2.0f);
        b[i] = random_float(&seed, 1.0f);
        mean += (double)x[i] / N;
    }
    for (size_t i = 0; i < N; i++) variance += pow((double)x[i] - mean, 2.0) / N;
    kernels_scalar.layer_norm(x, w, b, N, 1e-5f, y);
    for (size_t i = 0; i < N; i++) {
        const double want = ((double)x[i] - mean) / sqrt(variance + 1e-5) * (double)w[i] + (double)b[i];
        assert_true(fabs((double)y[i] - want) < 2e-6);
    }
}

/* ------------------------------------------------------------------------------------------------------- the ladder */

static void select_knows_its_names_only(void **state)
{
    (void)state;
    assert_null(kernels_select("mmx"));
    assert_null(kernels_select(""));
    assert_null(kernels_select("AVX2"));
    assert_ptr_equal(kernels_select("scalar")->kernels, &kernels_scalar);
}

static void a_forced_rung_is_that_rung(void **state)
{
    assert_string_equal(rung_of(state)->name, *state);
}

/* Best first: what is selected unforced is the first that can be forced, and behind it no rung is unknown. */
static void unforced_the_best_rung_is_taken(void **state)
{
    (void)state;
    size_t i = 0;
    while (!kernels_select(kernels_rung(i)->name)) i++;
    assert_ptr_equal(kernels_select(NULL), kernels_rung(i));
}

/* How fast, no test can tell; that these loops run where they are said to, it can. */
static void loops_of_the_peaks_run_and_count_their_operations(void **state)
{
    const struct rung *here = rung_of(state);
    double (*const peaks[])(const struct rung *, uint64_t) = { peak_fma, peak_integer, peak_fast };
    const bool definition = strcmp(here->name, "scalar") == 0;
    for (size_t i = 0; i < 3; i++) {
        const bool fast = peaks[i] == peak_fast;
        if (fast && here->fast && !kernels_fast(here)) continue;
        const double once = peaks[i](here, 1);
        assert_true((once > 0) == (fast ? kernels_fast(here) != NULL : !definition));
        assert_true(peaks[i](here, 1000) == 1000 * once);
    }
}

static void wider_registers_include_narrower_ones(void **state)
{
    (void)state;
    const struct cpu_features cpu = cpu_detect();
    assert_true(cpu.avx2 || !cpu.avx512);
}

int main(void)
{
    const struct rung_test tests[] = {
        FOR_LADDER(a_forced_rung_is_that_rung),
        FOR_RUNGS(panels_of_random_shapes_give_the_bits_of_scalar),
        FOR_RUNGS(panels_of_every_number_of_rows_and_panels_give_the_bits_of_scalar),
        FOR_RUNGS(panels_longer_than_a_block_of_inputs_give_the_bits_of_scalar),
        FOR_RUNGS(panels_beyond_a_group_give_the_bits_of_scalar),
        FOR_RUNGS(panels_times_many_rows_give_the_bits_of_scalar),
        FOR_RUNGS(panels_with_extreme_and_non_finite_values_give_the_bits_of_scalar),
        FOR_RUNGS(panels_cut_between_blocks_give_the_same_bits),
        FOR_RUNGS(every_16_bit_weight_is_widened_exactly),
        FOR_RUNGS(panels_are_chains_of_fused_multiply_adds_in_order),
        FOR_RUNGS(no_rows_or_no_panels_or_no_inputs_change_nothing),
        FOR_RUNGS(layer_norm_gives_the_bits_of_scalar),
        FOR_RUNGS(softmax_exp_gives_the_bits_of_scalar),
        FOR_RUNGS(gelus_give_the_bits_of_scalar),
        FOR_RUNGS(add_and_scale_give_the_bits_of_scalar),
        FOR_RUNGS(gelus_of_all_exponents_give_the_bits_of_scalar),
        ONCE(exp_is_within_1_02_ulp_of_the_truth),
        ONCE(exp_beyond_its_range_is_zero_or_infinity),
        ONCE(gelus_are_within_1_3e_7_of_the_truth),
        ONCE(exp_and_gelus_are_these_bits),
        ONCE(layer_norm_is_near_the_truth),
        ONCE(select_knows_its_names_only),
        ONCE(unforced_the_best_rung_is_taken),
        FOR_LADDER(loops_of_the_peaks_run_and_count_their_operations),
        ONCE(wider_registers_include_narrower_ones),
    };
    return run_for_rungs(tests, sizeof tests / sizeof tests[0]);
}

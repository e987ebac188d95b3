/* test_quant_error.c - at the same bits for a weight, q8 and q4 lose less than GGUF's Q8_0 and Q4_0. Those two are
 * written down here from their definition (ggml-quants.c, quantize_row_q8_0_ref and quantize_row_q4_0_ref). */
#include "convert/ingot_convert.h"
#include "format/ingot_format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"
#include "tests/unit/skip.h"

enum { BLOCK = INGOT_QUANT_BLOCK };

static float through_f16(float value)
{
    return ingot_f32_from_f16(ingot_f16_from_f32(value));
}

/* The sum of squared errors of a block in Q8_0: the largest magnitude becomes 127. */
static double error_of_q8_0(const float *x)
{
    float largest = 0;
    double error = 0;
    for (size_t k = 0; k < BLOCK; k++) largest = fmaxf(largest, fabsf(x[k]));
    const float d = largest / 127, inverse = d != 0 ? 1 / d : 0;
    for (size_t k = 0; k < BLOCK; k++) {
        const double rest = (double)x[k] - (double)(roundf(x[k] * inverse) * through_f16(d));
        error += rest * rest;
    }
    return error;
}

/* Q4_0: the weight of the largest magnitude becomes -8. */
static double error_of_q4_0(const float *x)
{
    float m = 0;
    double error = 0;
    for (size_t k = 0; k < BLOCK; k++)
        if (fabsf(x[k]) > fabsf(m)) m = x[k];
    const float d = m / -8, inverse = d != 0 ? 1 / d : 0;
    for (size_t k = 0; k < BLOCK; k++) {
        const int code = (int)(x[k] * inverse + 8.5f);
        const double rest = (double)x[k] - (double)((float)((code < 15 ? code : 15) - 8) * through_f16(d));
        error += rest * rest;
    }
    return error;
}

static double error_of_ours(const float *x, uint64_t n_out, uint64_t n_in, enum ingot_dtype dtype)
{
    struct ingot_section s = { .dtype = dtype, .layout = INGOT_PANEL16, .rank = 2, .shape = { n_out, n_in } };
    const struct ingot_view view = { x, INGOT_F32, n_out, n_in, n_in, 1 };
    assert_true(ingot_layout_bytes(dtype, INGOT_PANEL16, 2, s.shape, &s.raw_bytes));
    uint8_t *bytes = malloc(s.raw_bytes);
    float *back = calloc(n_out * n_in, sizeof *back);
    assert_true(bytes && back);
    ingot_pack(&view, dtype, INGOT_PANEL16, 0, bytes, s.raw_bytes, NULL);
    s.data = bytes;
    ingot_unpack(&s, false, INGOT_F32, 0, n_out * n_in, back, NULL);
    double error = 0;
    for (uint64_t i = 0; i < n_out * n_in; i++)
        error += ((double)x[i] - (double)back[i]) * ((double)x[i] - (double)back[i]);
    free(bytes);
    free(back);
    return error;
}

/* Root mean squares, ours over theirs, of a matrix whose inputs are whole blocks. */
static void expect_less(const char *name, const float *x, uint64_t n_out, uint64_t n_in, double q8_ratio,
                        double q4_ratio)
{
    double q8_0 = 0, q4_0 = 0;
    for (uint64_t i = 0; i < n_out * n_in; i += BLOCK) {
        q8_0 += error_of_q8_0(x + i);
        q4_0 += error_of_q4_0(x + i);
    }
    const double n = (double)(n_out * n_in), q8 = sqrt(error_of_ours(x, n_out, n_in, INGOT_Q8) / n),
                 q4 = sqrt(error_of_ours(x, n_out, n_in, INGOT_Q4) / n);
    print_message("%s: rms error x 1e5: q8 %.2f, Q8_0 %.2f (%.3f); q4 %.1f, Q4_0 %.1f (%.3f)\n", name, q8 * 1e5,
                  sqrt(q8_0 / n) * 1e5, q8 / sqrt(q8_0 / n), q4 * 1e5, sqrt(q4_0 / n) * 1e5, q4 / sqrt(q4_0 / n));
    assert_true(q8 < q8_ratio * sqrt(q8_0 / n));
    assert_true(q4 < q4_ratio * sqrt(q4_0 / n));
}

/* ---------------------------------------------------------------------------------------------------------- samples */

static uint64_t seed = 3;

enum { N_OUT = 64, N_IN = 512, N = N_OUT * N_IN };

static void gaussian_weights_lose_less(void **state)
{
    (void)state;
    float *x = calloc(N, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < N; i++) x[i] = (float)random_gaussian(&seed);
    expect_less("Gaussian", x, N_OUT, N_IN, 0.9, 0.88);
    free(x);
}

static void weights_with_long_tails_lose_less(void **state)
{
    (void)state;
    float *x = calloc(N, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)(log(random_uniform(&seed)) * (random_uniform(&seed) < 0.5 ? -0.02 : 0.02)); /* Laplace */
    expect_less("Laplace", x, N_OUT, N_IN, 0.9, 0.88);
    free(x);
}

static void even_weights_lose_less(void **state)
{
    (void)state;
    float *x = calloc(N, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < N; i++) x[i] = (float)(random_uniform(&seed) - 0.5);
    expect_less("even", x, N_OUT, N_IN, 0.95, 1.1); /* q4's levels are not made for these */
    free(x);
}

/* ----------------------------------------------------------------------------------------------------------- GPT-2 */

/* A matrix [in, out] as the release has it, turned round. */
static void expect_less_of_release(const struct ingot_source_tensor *t)
{
    const uint64_t n_in = t->shape[0], n_out = t->shape[1];
    float *x = calloc(n_in * n_out, sizeof *x), *turned = calloc(n_in * n_out, sizeof *turned);
    assert_true(x && turned);
    ingot_source_gather(t, 0, n_in * n_out, x);
    for (uint64_t i = 0; i < n_in; i++)
        for (uint64_t o = 0; o < n_out; o++) turned[o * n_in + i] = x[i * n_out + o];
    expect_less(t->name, turned, n_out, n_in, 0.9, 0.9);
    free(x);
    free(turned);
}

static void gpt2_loses_less_in_every_matrix(void **state)
{
    (void)state;
    char path[4096];
    const char *root = getenv("INGOT_ROOT");
    struct ingot_source *source;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/../shared/corpus/gpt2-124m-part/model.safetensors", root ? root : ".");
    if (ingot_source_open(path, &source, NULL) != INGOT_OK) SKIP("no corpus");
    for (size_t i = 0; i < ingot_source_count(source); i++) {
        const struct ingot_source_tensor t = ingot_source_at(source, i);
        if (t.rank != 2 || strcmp(t.name, "wpe.weight") == 0) continue;
        expect_less_of_release(&t);
        n++;
    }
    assert_int_equal(n, 6);
    ingot_source_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_weights_lose_less),
        cmocka_unit_test(weights_with_long_tails_lose_less),
        cmocka_unit_test(even_weights_lose_less),
        cmocka_unit_test(gpt2_loses_less_in_every_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

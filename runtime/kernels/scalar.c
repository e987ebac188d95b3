/*
 * scalar.c - the definition of every kernel, to be read beside spec/arithmetic.md.
 *
 * Plain loops over the 16 lanes that the other files hold in registers. Nothing here is meant to be fast, but it is
 * what a CPU without fused multiply-add in hardware runs, and what every other instruction set is compared with, bit by
 * bit.
 */
#include "runtime/kernels/kernels.h"

#include "format/bytes.h"
#include "runtime/kernels/mathf.h"

enum { LANES = INGOT_PANEL_LANES };

/* ---------------------------------------------------------------------------------------------------- widening */

static float widen_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, magnitude = h & 0x7fff;
    if (magnitude < 0x0400) /* zero and subnormals: a multiple of 2^-24 */
        return mathf_from_bits(sign | mathf_bits((float)magnitude * 0x1p-24f));
    if (magnitude >= 0x7c00) /* infinity and NaN; a NaN comes out quiet */
        return mathf_from_bits(sign | 0x7f800000u | (magnitude - 0x7c00) << 13 |
                               (magnitude > 0x7c00 ? 0x00400000u : 0));
    return mathf_from_bits(sign | ((magnitude << 13) + (112u << 23)));
}

static float widen_bf16(uint16_t h)
{
    return mathf_from_bits((uint32_t)h << 16);
}

/* Element (k, lane) of one panel, for each dtype (format/ingot_format.h, INGOT_PANEL16). */
static float panel_element_f32(const uint8_t *panel, size_t k, size_t lane)
{
    return mathf_from_bits(get_u32(panel + 4 * (k * LANES + lane)));
}

static float panel_element_f16(const uint8_t *panel, size_t k, size_t lane)
{
    return widen_f16(get_u16(panel + 2 * (k * LANES + lane)));
}

static float panel_element_bf16(const uint8_t *panel, size_t k, size_t lane)
{
    return widen_bf16(get_u16(panel + 2 * ((k / 2 * LANES + lane) * 2 + k % 2)));
}

/* ------------------------------------------------------------------------------------------- panels times rows */

typedef float panel_element_fn(const uint8_t *panel, size_t k, size_t lane);

/* Inputs k .. end - 1 of one panel, one row: 16 chains that begin with what chain[16] holds. */
static inline void run_chains(panel_element_fn *element, const uint8_t *panel, size_t k, size_t end, const float *x,
                              float *chain)
{
    for (; k < end; k++)
        for (size_t lane = 0; lane < LANES; lane++) chain[lane] = fmaf(element(panel, k, lane), x[k], chain[lane]);
}

/* One panel, one row, block by block. */
static inline void panel_times_row(panel_element_fn *element, const uint8_t *panel, size_t n_in, const float *x,
                                   float *y)
{
    for (size_t k = 0; k < n_in; k += KERNEL_BLOCK) {
        float chain[LANES] = { 0 };
        run_chains(element, panel, k, n_in - k < KERNEL_BLOCK ? n_in : k + KERNEL_BLOCK, x, chain);
        for (size_t lane = 0; lane < LANES; lane++) y[lane] += chain[lane];
    }
}

static inline void panels(panel_element_fn *element, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                          const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    for (size_t p = 0; p < n_panels; p++)
        for (size_t r = 0; r < n_rows; r++)
            panel_times_row(element, (const uint8_t *)w + p * panel_bytes, n_in, x + r * x_stride,
                            y + r * y_stride + p * LANES);
}

static void panels_f32(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x, size_t x_stride,
                       size_t n_rows, float *y, size_t y_stride)
{
    panels(panel_element_f32, w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);
}

static void panels_f16(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x, size_t x_stride,
                       size_t n_rows, float *y, size_t y_stride)
{
    panels(panel_element_f16, w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);
}

static void panels_bf16(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x,
                        size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    panels(panel_element_bf16, w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);
}

static inline void chains(panel_element_fn *element, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                          const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    for (size_t p = 0; p < n_panels; p++)
        for (size_t r = 0; r < n_rows; r++)
            run_chains(element, (const uint8_t *)w + p * panel_bytes, 0, n_in, x + r * x_stride,
                       y + r * y_stride + p * LANES);
}

static void chains_f32(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x, size_t x_stride,
                       size_t n_rows, float *y, size_t y_stride)
{
    chains(panel_element_f32, w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);
}

static void chains_f16(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x, size_t x_stride,
                       size_t n_rows, float *y, size_t y_stride)
{
    chains(panel_element_f16, w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);
}

/* -------------------------------------------------------------------------------------------------- reductions */

/* The fixed tree: lane j + lane j+8, then +4, +2, +1. */
static float sum_lanes(float lane[LANES])
{
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t j = 0; j < width; j++) lane[j] += lane[j + width];
    return lane[0];
}

static void layer_norm(const float *x, const float *w, const float *b, size_t n, float epsilon, float *y)
{
    float lane[LANES] = { 0 };
    for (size_t i = 0; i < n; i++) lane[i % LANES] += x[i];
    const float mean = sum_lanes(lane) / (float)n;

    float square[LANES] = { 0 };
    for (size_t i = 0; i < n; i++) square[i % LANES] = fmaf(x[i] - mean, x[i] - mean, square[i % LANES]);
    const float rstd = 1.0f / sqrtf(sum_lanes(square) / (float)n + epsilon);

    for (size_t i = 0; i < n; i++) {
        float normal = (x[i] - mean) * rstd;
        y[i] = b ? fmaf(normal, w[i], b[i]) : normal * w[i];
    }
}

static float softmax_exp(float *x, size_t n)
{
    float max = -INFINITY; /* a NaN is never greater, so it does not get here; it comes back through exp */
    for (size_t i = 0; i < n; i++) max = x[i] > max ? x[i] : max;

    float lane[LANES] = { 0 };
    for (size_t i = 0; i < n; i++) {
        x[i] = mathf_exp(x[i] - max);
        lane[i % LANES] += x[i];
    }
    return sum_lanes(lane);
}

/* ------------------------------------------------------------------------------------------- element by element */

static void narrow_f16(const float *x, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i++) y[i] = ingot_f16_from_f32(x[i]);
}

static void gelu_tanh(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = mathf_gelu_tanh(x[i]);
}

static void gelu_erf(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) x[i] = mathf_gelu_erf(x[i]);
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale(float *y, float s, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] *= s;
}

const struct kernels kernels_scalar = {
    .panels_f32 = panels_f32,
    .panels_f16 = panels_f16,
    .panels_bf16 = panels_bf16,
    .chains_f32 = chains_f32,
    .chains_f16 = chains_f16,
    .narrow_f16 = narrow_f16,
    .layer_norm = layer_norm,
    .gelu_tanh = gelu_tanh,
    .gelu_erf = gelu_erf,
    .softmax_exp = softmax_exp,
    .add = add,
    .scale = scale,
};

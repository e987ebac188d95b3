/*
 * quant_scalar.c - the definition of the integer products, to be read beside spec/arithmetic.md.
 *
 * Weights are small integers times a scale per block and lane, activations small integers times a scale per block. What
 * is summed within a block is integers, so their order is free, and every instruction set gets the same sum; what is
 * summed over blocks is one chain of fused multiply-adds, in order.
 */
#include <math.h>

#include "format/bytes.h"
#include "format/layout.h"
#include "runtime/kernels/kernels.h"

enum {
    LANES = INGOT_PANEL_LANES,
    BLOCK = INGOT_QUANT_BLOCK,
    STEP = INGOT_QUANT_STEP,
};

/* ------------------------------------------------------------------------------------------------------ activations */

static bool all_finite(const float *x, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (!isfinite(x[k])) return false;
    return true;
}

static float largest(const float *x, size_t n)
{
    float a = 0;
    for (size_t k = 0; k < n; k++)
        if (fabsf(x[k]) > a) a = fabsf(x[k]);
    return a;
}

/* A block of n <= BLOCK inputs; the codes are zero already. */
static void quantise_block(const float *x, size_t n, int8_t *codes, float *scale, int32_t *sum)
{
    *sum = 0;
    if (!all_finite(x, n)) {
        *scale = NAN;
        return;
    }
    const float a = largest(x, n);
    if (a < QUANT_SMALLEST) {
        *scale = 0;
        return;
    }
    const float r = 127 / a;
    *scale = a / 127;
    for (size_t k = 0; k < n; k++) {
        codes[k] = (int8_t)lrintf(x[k] * r);
        *sum += codes[k];
    }
}

static void quantise(const float *x, size_t n, int8_t *codes, float *scales, int32_t *sums)
{
    const size_t padded = (n + STEP - 1) / STEP * STEP;
    for (size_t k = 0; k < padded; k++) codes[k] = 0;
    for (size_t k = 0, b = 0; k < padded; k += BLOCK, b++) {
        const size_t left = k < n ? n - k : 0;
        quantise_block(x + k, left < BLOCK ? left : BLOCK, codes + k, scales + b, sums + b);
    }
}

/* ----------------------------------------------------------------------------------------------- panels times rows */

/* The level of input k (of a step) and a lane, for each dtype. */
typedef int32_t level_fn(const uint8_t *step, size_t k, size_t lane);

static int32_t level_q8(const uint8_t *step, size_t k, size_t lane)
{
    return (int32_t)step[quant_code_at(INGOT_Q8, k, lane)] - QUANT_Q8_ZERO;
}

static int32_t level_q4(const uint8_t *step, size_t k, size_t lane)
{
    const uint32_t both = step[quant_code_at(INGOT_Q4, k, lane)];
    return quant_q4_levels[k / 4 % 2 ? both >> 4 : both & 15];
}

static inline void panel_times_row(level_fn *level, const uint8_t *panel, size_t step_bytes, size_t n_in,
                                   const int8_t *codes, const float *scales, float *y)
{
    for (size_t k = 0; k < n_in; k += BLOCK) {
        const uint8_t *step = panel + k / STEP * step_bytes;
        for (size_t lane = 0; lane < LANES; lane++) {
            int32_t sum = 0;
            for (size_t i = 0; i < BLOCK; i++) sum += level(step, k % STEP + i, lane) * codes[k + i];
            const float scale = ingot_f32_from_f16(get_u16(step + quant_scale_at(k % STEP, lane)));
            y[lane] = fmaf((float)sum, scale * scales[k / BLOCK], y[lane]);
        }
    }
}

static inline void panels(level_fn *level, size_t step_bytes, const void *w, size_t panel_bytes, size_t n_panels,
                          size_t n_in, const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)
{
    for (size_t p = 0; p < n_panels; p++)
        for (size_t r = 0; r < n_rows; r++)
            panel_times_row(level, (const uint8_t *)w + p * panel_bytes, step_bytes, n_in,
                            x->codes + r * x->code_stride, x->scales + r * x->block_stride,
                            y + r * y_stride + p * LANES);
}

static void panels_q8(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x,
                      size_t n_rows, float *y, size_t y_stride)
{
    panels(level_q8, QUANT_Q8_STEP_BYTES, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
}

static void panels_q4(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x,
                      size_t n_rows, float *y, size_t y_stride)
{
    panels(level_q4, QUANT_Q4_STEP_BYTES, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
}

const struct quant_kernels quant_scalar = {
    .quantise = quantise,
    .panels_q8 = panels_q8,
    .panels_q4 = panels_q4,
};

/*
 * quant_neon.h - the integer products for AArch64, but for the dot product itself: quant_neon.c makes it of
 * multiplications of bytes, quant_neondot.c has an instruction for it. The bits of quant_scalar.c.
 *
 * A register is 4 lanes x 4 inputs of weights, as the layout has them (format/layout.h); 16 inputs of a row are
 * another. Blocks are summed in integer registers and then added to y, which stays in the first-level cache. One row is
 * multiplied by 4 panels in turns, to keep 4 streams of memory in flight; several rows by one panel, each weight loaded
 * once for them all, in cuts of inputs whose weights the first-level cache holds.
 */
#ifndef INGOT_QUANT_NEON_H
#define INGOT_QUANT_NEON_H

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "format/layout.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/mathf.h"
#include "runtime/kernels/tiles.h"

enum {
    QUANT_LANES = INGOT_PANEL_LANES,
    QUANT_BLOCK = INGOT_QUANT_BLOCK,
    QUANT_STEP = INGOT_QUANT_STEP,
    QUANT_QUARTER = QUANT_LANES / 4, /* lanes of a register */
    QUANT_MAX_ROWS = 4,              /* 16 of the 32 registers are sums */
    QUANT_MAX_PANELS = 4,
    QUANT_CUT = 16 * QUANT_STEP, /* inputs; 17 KiB of q8 */
};

/* The levels of 16 inputs and 4 lanes: byte 4 l + i of four[g] is that of lane l and input 4 g + i. */
struct quant_levels {
    int8x16_t four[4];
};

/* Levels times the codes of a row's 16 inputs, lane by lane, added to sums. */
typedef int32x4_t quant_dot_fn(int32x4_t sums, struct quant_levels w, int8x16_t codes);

/* The levels of inputs k .. k + 15 of a step and lanes 4 q .. 4 q + 3. */
typedef struct quant_levels quant_load_fn(const uint8_t *step, size_t k, size_t q);

/* ------------------------------------------------------------------------------------------------------ activations */

/* A block of inputs. Where there is nothing to quantise, r is 0: zero times anything is a zero or NaN, whose code is 0.
 */
static inline void quant_block(const float *x, int8_t *codes, float *scale, int32_t *sum)
{
    /* Magnitudes are ordered as their bits are, infinity and NaN above all others. */
    uint32x4_t most = vdupq_n_u32(0);
    for (size_t i = 0; i < QUANT_BLOCK; i += 4)
        most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    const float a = mathf_from_bits(vmaxvq_u32(most));
    const float r = a >= QUANT_SMALLEST && a < INFINITY ? 127 / a : 0;
    *scale = !(a < INFINITY) ? NAN : a < QUANT_SMALLEST ? 0 : a / 127;

    int32x4_t sums = vdupq_n_s32(0);
    for (size_t i = 0; i < QUANT_BLOCK; i += 8) {
        const int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), r));
        const int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), r));
        vst1_s8(codes + i, vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high))));
        sums = vaddq_s32(sums, vaddq_s32(low, high));
    }
    *sum = vaddvq_s32(sums);
}

static inline void quant_quantise(const float *x, size_t n, int8_t *codes, float *scales, int32_t *sums)
{
    const size_t padded = (n + QUANT_STEP - 1) / QUANT_STEP * QUANT_STEP;
    for (size_t k = 0, b = 0; k < padded; k += QUANT_BLOCK, b++) {
        const size_t left = k < n ? n - k : 0;
        float buffer[QUANT_BLOCK] = { 0 };
        if (left < QUANT_BLOCK) memcpy(buffer, x + n - left, left * sizeof *x);
        quant_block(left < QUANT_BLOCK ? buffer : x + k, codes + k, scales + b, sums + b);
    }
}

/* ----------------------------------------------------------------------------------------------------------- levels */

static inline struct quant_levels quant_load_q8(const uint8_t *step, size_t k, size_t q)
{
    const uint8_t *codes = step + quant_code_at(INGOT_Q8, k, QUANT_QUARTER * q);
    struct quant_levels w;
    TILE_UNROLL
    for (size_t g = 0; g < 4; g++) /* less 128, modulo 256 */
        w.four[g] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes + 4 * QUANT_LANES * g), vdupq_n_u8(QUANT_Q8_ZERO)));
    return w;
}

static inline struct quant_levels quant_load_q4(const uint8_t *step, size_t k, size_t q)
{
    const uint8_t *codes = step + quant_code_at(INGOT_Q4, k, QUANT_QUARTER * q);
    const int8x16_t levels = vld1q_s8(quant_q4_levels);
    struct quant_levels w;
    TILE_UNROLL
    for (size_t g = 0; g < 4; g += 2) {
        const uint8x16_t both = vld1q_u8(codes + 2 * QUANT_LANES * g);
        w.four[g] = vqtbl1q_s8(levels, vandq_u8(both, vdupq_n_u8(15)));
        w.four[g + 1] = vqtbl1q_s8(levels, vshrq_n_u8(both, 4));
    }
    return w;
}

/* ----------------------------------------------------------------------------------------------- panels times rows */

/* What a block of a panel adds to n_rows <= QUANT_MAX_ROWS rows. x begins with the block, k is its place in the step.
 */
TILE_BODY void quant_block_times_rows(quant_load_fn *load, quant_dot_fn *dot, size_t n_rows, const uint8_t *step,
                                      size_t k, const struct quant_rows *x, float *y, size_t y_stride)
{
    int32x4_t sums[QUANT_MAX_ROWS][4];
    TILE_UNROLL
    for (size_t r = 0; r < n_rows; r++) {
        TILE_UNROLL
        for (size_t q = 0; q < 4; q++) sums[r][q] = vdupq_n_s32(0);
    }
    TILE_UNROLL
    for (size_t i = 0; i < QUANT_BLOCK; i += 16) {
        TILE_UNROLL
        for (size_t q = 0; q < 4; q++) {
            const struct quant_levels w = load(step, k + i, q);
            TILE_UNROLL
            for (size_t r = 0; r < n_rows; r++)
                sums[r][q] = dot(sums[r][q], w, vld1q_s8(x->codes + r * x->code_stride + i));
        }
    }
    TILE_UNROLL
    for (size_t q = 0; q < 4; q++) {
        const uint16_t *halves = (const uint16_t *)(const void *)(step + quant_scale_at(k, QUANT_QUARTER * q));
        const float32x4_t scale = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves)));
        TILE_UNROLL
        for (size_t r = 0; r < n_rows; r++) {
            float *out = y + r * y_stride + QUANT_QUARTER * q;
            const float32x4_t both = vmulq_n_f32(scale, x->scales[r * x->block_stride]);
            vst1q_f32(out, vfmaq_f32(vld1q_f32(out), vcvtq_f32_s32(sums[r][q]), both));
        }
    }
}

/* The same rows from input k on, k a multiple of QUANT_BLOCK. */
static inline struct quant_rows quant_rows_from(const struct quant_rows *x, size_t row, size_t k)
{
    struct quant_rows rest = *x;
    rest.codes += row * x->code_stride + k;
    rest.scales += row * x->block_stride + k / QUANT_BLOCK;
    rest.sums += row * x->block_stride + k / QUANT_BLOCK;
    return rest;
}

/* A few panels times n_rows <= QUANT_MAX_ROWS rows. */
TILE_BODY void quant_tile(quant_load_fn *load, quant_dot_fn *dot, size_t step_bytes, size_t n_rows, const uint8_t *w,
                          size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x, float *y,
                          size_t y_stride)
{
    for (size_t k = 0; k < n_in; k += QUANT_BLOCK) {
        const struct quant_rows rows = quant_rows_from(x, 0, k);
        for (size_t p = 0; p < n_panels; p++)
            quant_block_times_rows(load, dot, n_rows, w + p * panel_bytes + k / QUANT_STEP * step_bytes, k % QUANT_STEP,
                                   &rows, y + p * QUANT_LANES, y_stride);
    }
}

/* One row: few panels at a time, all inputs. */
TILE_BODY void quant_one_row(quant_load_fn *load, quant_dot_fn *dot, size_t step_bytes, const uint8_t *w,
                             size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x, float *y)
{
    for (size_t p = 0; p < n_panels; p += QUANT_MAX_PANELS) {
        const size_t left = n_panels - p;
        quant_tile(load, dot, step_bytes, 1, w + p * panel_bytes, panel_bytes,
                   left < QUANT_MAX_PANELS ? left : QUANT_MAX_PANELS, n_in, x, y + p * QUANT_LANES, 0);
    }
}

/* A cut of the inputs of one panel times all rows. */
TILE_BODY void quant_one_cut(quant_load_fn *load, quant_dot_fn *dot, size_t step_bytes, const uint8_t *w, size_t n_in,
                             const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)
{
    size_t r = 0;
    for (; r + QUANT_MAX_ROWS <= n_rows; r += QUANT_MAX_ROWS) {
        const struct quant_rows rows = quant_rows_from(x, r, 0);
        quant_tile(load, dot, step_bytes, QUANT_MAX_ROWS, w, 0, 1, n_in, &rows, y + r * y_stride, y_stride);
    }
    for (; r < n_rows; r++) {
        const struct quant_rows row = quant_rows_from(x, r, 0);
        quant_tile(load, dot, step_bytes, 1, w, 0, 1, n_in, &row, y + r * y_stride, y_stride);
    }
}

/* A quant_panels_fn; the first three arguments are constants after inlining. */
TILE_BODY void quant_panels(quant_load_fn *load, quant_dot_fn *dot, size_t step_bytes, const uint8_t *w,
                            size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x, size_t n_rows,
                            float *y, size_t y_stride)
{
    if (n_rows == 1) {
        quant_one_row(load, dot, step_bytes, w, panel_bytes, n_panels, n_in, x, y);
        return;
    }
    for (size_t p = 0; p < n_panels; p++)
        for (size_t k = 0; k < n_in; k += QUANT_CUT) {
            const size_t left = n_in - k;
            const struct quant_rows rows = quant_rows_from(x, 0, k);
            quant_one_cut(load, dot, step_bytes, w + p * panel_bytes + k / QUANT_STEP * step_bytes,
                          left < QUANT_CUT ? left : QUANT_CUT, &rows, n_rows, y + p * QUANT_LANES, y_stride);
        }
}

/* All that a file exports, from its quant_dot_fn. */
#define QUANT_NEON_KERNELS(name, dot)                                                                                  \
    static void panels_q8(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x, \
                          size_t n_rows, float *y, size_t y_stride)                                                    \
    {                                                                                                                  \
        quant_panels(quant_load_q8, dot, QUANT_Q8_STEP_BYTES, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride); \
    }                                                                                                                  \
    static void panels_q4(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x, \
                          size_t n_rows, float *y, size_t y_stride)                                                    \
    {                                                                                                                  \
        quant_panels(quant_load_q4, dot, QUANT_Q4_STEP_BYTES, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride); \
    }                                                                                                                  \
    const struct quant_kernels name = {                                                                                \
        .quantise = quant_quantise,                                                                                    \
        .panels_q8 = panels_q8,                                                                                        \
        .panels_q4 = panels_q4,                                                                                        \
    };

#endif

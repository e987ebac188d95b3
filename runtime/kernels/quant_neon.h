/*
 * quant_neon.h - the integer products for AArch64, 16 lanes in four registers, but for the dot product itself:
 * quant_neon.c makes it of multiplications of bytes, quant_neondot.c has an instruction for it. The bits of
 * quant_scalar.c.
 */
#ifndef INGOT_QUANT_NEON_H
#define INGOT_QUANT_NEON_H

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "format/layout.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/mathf.h"

enum { QUARTER = INGOT_PANEL_LANES / 4 };

typedef struct {
    int32x4_t q[4];
} ints;

typedef struct {
    float32x4_t q[4];
} floats;

/* Levels; byte 4 l + i of a register is lane l and input i of its four. */
struct weights {
    int8x16_t q[4];
};

static inline ints splat(int32_t i)
{
    return (ints){ { vdupq_n_s32(i), vdupq_n_s32(i), vdupq_n_s32(i), vdupq_n_s32(i) } };
}

static inline floats load_scales(const uint8_t *step, size_t half)
{
    floats scales;
    for (size_t q = 0; q < 4; q++) scales.q[q] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(step + 32 * half + 8 * q)));
    return scales;
}

static inline void finish(ints sums, floats scales, float d, float *y)
{
    for (size_t q = 0; q < 4; q++) {
        const float32x4_t sum = vcvtq_f32_s32(sums.q[q]), old = vld1q_f32(y + QUARTER * q);
        vst1q_f32(y + QUARTER * q, vfmaq_f32(old, sum, vmulq_n_f32(scales.q[q], d)));
    }
}

#include "runtime/kernels/quant_body.h"

/* ------------------------------------------------------------------------------------------------------ activations */

/* A block of inputs. Where there is nothing to quantise, r is 0: zero times anything is a zero or NaN, whose code is 0.
 */
static inline void quantise_block(const float *x, int8_t *codes, float *scale, int32_t *sum)
{
    /* Magnitudes are ordered as their bits are, infinity and NaN above all others. */
    uint32x4_t most = vdupq_n_u32(0);
    for (size_t i = 0; i < INGOT_QUANT_BLOCK; i += 4)
        most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    const float a = mathf_from_bits(vmaxvq_u32(most));
    const float r = a >= QUANT_SMALLEST && a < INFINITY ? 127 / a : 0;
    *scale = !(a < INFINITY) ? NAN : a < QUANT_SMALLEST ? 0 : a / 127;

    int32x4_t sums = vdupq_n_s32(0);
    for (size_t i = 0; i < INGOT_QUANT_BLOCK; i += 8) {
        const int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i), r));
        const int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + i + 4), r));
        vst1_s8(codes + i, vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high))));
        sums = vaddq_s32(sums, vaddq_s32(low, high));
    }
    *sum = vaddvq_s32(sums);
}

static inline void quantise_row(const float *x, size_t n, int8_t *codes, float *scales, int32_t *sums)
{
    const size_t padded = (n + INGOT_QUANT_STEP - 1) / INGOT_QUANT_STEP * INGOT_QUANT_STEP;
    for (size_t k = 0, b = 0; k < padded; k += INGOT_QUANT_BLOCK, b++) {
        const size_t left = k < n ? n - k : 0;
        float buffer[INGOT_QUANT_BLOCK] = { 0 };
        if (left < INGOT_QUANT_BLOCK) memcpy(buffer, x + n - left, left * sizeof *x);
        quantise_block(left < INGOT_QUANT_BLOCK ? buffer : x + k, codes + k, scales + b, sums + b);
    }
}

/* ---------------------------------------------------------------------------------------------------------- weights */

/* A code of q8 less 128, modulo 256, is the level. */
TILE_BODY struct weights load_q8(const uint8_t *eight, size_t second)
{
    struct weights w;
    TILE_UNROLL
    for (size_t q = 0; q < 4; q++) {
        const uint8x16_t codes = vld1q_u8(eight + 64 * second + 16 * q);
        w.q[q] = vreinterpretq_s8_u8(veorq_u8(codes, vdupq_n_u8(QUANT_Q8_ZERO)));
    }
    return w;
}

TILE_BODY struct weights load_q4(const uint8_t *eight, size_t second)
{
    const int8x16_t levels = vld1q_s8(quant_q4_levels);
    struct weights w;
    TILE_UNROLL
    for (size_t q = 0; q < 4; q++) {
        const uint8x16_t both = vld1q_u8(eight + 16 * q);
        w.q[q] = vqtbl1q_s8(levels, second ? vshrq_n_u8(both, 4) : vandq_u8(both, vdupq_n_u8(15)));
    }
    return w;
}

/* Four codes of a row, in every lane. */
TILE_BODY int8x16_t splat_four(const int8_t *four)
{
    int32_t bits;
    memcpy(&bits, four, sizeof bits);
    return vreinterpretq_s8_s32(vdupq_n_s32(bits));
}

/* -------------------------------------------------------------------------------------------------------- the table */

/* Levels are signed, so sums begin with nothing. */
enum { ZERO_q8 = 0, ZERO_q4 = 0 };

/* One dot_fn and one list of heights serve both dtypes. */
#define dot_q8                   dot
#define dot_q4                   dot
#define QUANT_HEIGHTS_q8(X, ...) QUANT_HEIGHTS(X, __VA_ARGS__)
#define QUANT_HEIGHTS_q4(X, ...) QUANT_HEIGHTS(X, __VA_ARGS__)

/* All that a file exports, from its `dot` and its QUANT_HEIGHTS, which end with the most rows. */
#define QUANT_NEON_KERNELS(name, most_rows)                                                                            \
    QUANT_PANELS(q8, most_rows)                                                                                        \
    QUANT_PANELS(q4, most_rows)                                                                                        \
    const struct quant_kernels name = {                                                                                \
        .quantise = quantise_row,                                                                                      \
        .panels_q8 = panels_q8,                                                                                        \
        .panels_q4 = panels_q4,                                                                                        \
    };

#endif

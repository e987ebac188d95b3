/*
 * neon.c - the kernels for AArch64, whose every CPU has Advanced SIMD with fused multiply-add: 16 lanes are four
 * registers. The bits of scalar.c.
 */
#include "runtime/kernels/kernels.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "runtime/kernels/tiles.h"

enum { LANES = INGOT_PANEL_LANES, QUARTER = LANES / 4 };

/* ----------------------------------------------------------------------------------------------- panels times rows */

/* Of the weights of one input lanes 4 q .. 4 q + 3. */
static inline float32x4_t load_f32(const uint8_t *pair, size_t odd, size_t q)
{
    return vld1q_f32((const float *)(const void *)(pair + 64 * odd + 16 * q));
}

static inline float32x4_t load_f16(const uint8_t *pair, size_t odd, size_t q)
{
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(pair + 32 * odd + 8 * q)));
}

static inline float32x4_t load_bf16(const uint8_t *pair, size_t odd, size_t q)
{
    const uint32x4_t both = vreinterpretq_u32_u8(vld1q_u8(pair + 16 * q));
    return vreinterpretq_f32_u32(odd ? vandq_u32(both, vdupq_n_u32(0xffff0000u)) : vshlq_n_u32(both, 16));
}

typedef float32x4_t load_fn(const uint8_t *pair, size_t odd, size_t q);

typedef struct {
    float32x4_t q[4];
} chains;

TILE_BODY void tile_input(load_fn *load, size_t n_panels, size_t n_rows, chains chain[][TILE_MAX_ROWS],
                          const uint8_t *pair, size_t panel_bytes, size_t odd, const float *x)
{
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++) {
        TILE_UNROLL
        for (size_t q = 0; q < 4; q++) {
            const float32x4_t w = load(pair + p * panel_bytes, odd, q);
            TILE_UNROLL
            for (size_t r = 0; r < n_rows; r++)
                chain[p][r].q[q] = vfmaq_n_f32(chain[p][r].q[q], w, x[r * TILE_X_STRIDE]);
        }
    }
}

static inline chains load_chains(const float *y)
{
    return (chains){ { vld1q_f32(y), vld1q_f32(y + 4), vld1q_f32(y + 8), vld1q_f32(y + 12) } };
}

static inline chains zero_chains(void)
{
    const float32x4_t zero = vdupq_n_f32(0);
    return (chains){ { zero, zero, zero, zero } };
}

static inline chains add_chains(chains a, chains b)
{
    TILE_UNROLL
    for (size_t q = 0; q < 4; q++) a.q[q] = vaddq_f32(a.q[q], b.q[q]);
    return a;
}

static inline void store_chains(float *y, chains c)
{
    TILE_UNROLL
    for (size_t q = 0; q < 4; q++) vst1q_f32(y + QUARTER * q, c.q[q]);
}

static inline chains widened(load_fn *load, const uint8_t *pair, size_t odd)
{
    return (chains){ { load(pair, odd, 0), load(pair, odd, 1), load(pair, odd, 2), load(pair, odd, 3) } };
}

#include "runtime/kernels/tile_body.h"

/* 24 of the 32 registers are accumulators. Several inputs without a loop, as a tile for weights in the first-level
 * cache has them, would be loaded all at once, and accumulators spilled: 1.4 times the cycles with gcc, 3 times with
 * clang. */
#define TILE_RESIDENT(X, ...)
#define TILE_HEIGHTS(X, ...)                                                                                           \
    X(6, 1, __VA_ARGS__) X(4, 1, __VA_ARGS__) X(3, 2, __VA_ARGS__) X(2, 3, __VA_ARGS__) X(1, 4, __VA_ARGS__)

TILE_SET(panels_f32, f32, false)
TILE_SET_WIDENED(panels_f16, f16, panels_f32)
TILE_SET_WIDENED(panels_bf16, bf16, panels_f32)
TILE_SET(chains_f32, f32, true)
TILE_SET(chains_f16, f16, true)

/* ----------------------------------------------------------------------------------------------- lanes and tails */

/* Elements i .. i+15, as far as n_left says there are any. */
struct lanes {
    float32x4_t q[4];
};

/* A missing lane is `missing`. */
static inline struct lanes load_lanes(const float *x, size_t n_left, float missing)
{
    float buffer[LANES];
    if (n_left < LANES) {
        for (size_t i = 0; i < LANES; i++) buffer[i] = i < n_left ? x[i] : missing;
        x = buffer;
    }
    return (struct lanes){ { vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12) } };
}

/* A missing lane is not stored. */
static inline void store_lanes(float *x, size_t n_left, struct lanes lanes)
{
    float buffer[LANES];
    if (n_left < LANES) {
        for (size_t q = 0; q < 4; q++) vst1q_f32(buffer + QUARTER * q, lanes.q[q]);
        memcpy(x, buffer, n_left * sizeof *x);
    } else {
        for (size_t q = 0; q < 4; q++) vst1q_f32(x + QUARTER * q, lanes.q[q]);
    }
}

/* Missing lanes become +0. */
static inline struct lanes keep_present(struct lanes lanes, size_t n_left)
{
    static const uint32_t number[QUARTER] = { 0, 1, 2, 3 };
    const uint32_t n = n_left < LANES ? (uint32_t)n_left : LANES;
    for (uint32_t q = 0; q < 4; q++) {
        const uint32x4_t lane = vaddq_u32(vld1q_u32(number), vdupq_n_u32(QUARTER * q));
        const uint32x4_t present = vcltq_u32(lane, vdupq_n_u32(n));
        lanes.q[q] = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(lanes.q[q]), present));
    }
    return lanes;
}

static inline struct lanes same_lanes(float value)
{
    const float32x4_t v = vdupq_n_f32(value);
    return (struct lanes){ { v, v, v, v } };
}

/* The fixed tree: lane j + lane j+8, then +4, +2, +1. */
static inline float sum_lanes(struct lanes v)
{
    const float32x4_t by4 = vaddq_f32(vaddq_f32(v.q[0], v.q[2]), vaddq_f32(v.q[1], v.q[3]));
    const float32x2_t by2 = vadd_f32(vget_low_f32(by4), vget_high_f32(by4));
    return vget_lane_f32(by2, 0) + vget_lane_f32(by2, 1);
}

/* ---------------------------------------------------------------------------------------------- mathf.h, 4 at once */

typedef float32x4_t vec;
typedef uint32x4_t ivec;
#define vec_same                          vdupq_n_f32
#define vec_add                           vaddq_f32
#define vec_sub                           vsubq_f32
#define vec_mul                           vmulq_f32
#define vec_div                           vdivq_f32
#define vec_fma(a, b, c)                  vfmaq_f32(c, a, b)
#define vec_fnma(a, b, c)                 vfmsq_f32(c, a, b)
#define vec_abs                           vabsq_f32
#define vec_select(a, b, then, otherwise) vbslq_f32(vcgtq_f32(a, b), then, otherwise)
#define ivec_same                         vdupq_n_u32
#define ivec_bits                         vreinterpretq_u32_f32
#define ivec_sub                          vsubq_u32
#define ivec_half(a)                      vshrq_n_u32(a, 1)
#define vec_power(i)                      vreinterpretq_f32_u32(vshlq_n_u32(i, 23))

#include "runtime/kernels/lanes.h"

/* ------------------------------------------------------------------------------------------------------ reductions */

static float sum(const float *x, size_t n)
{
    struct lanes lane = same_lanes(0.0f);
    for (size_t i = 0; i < n; i += LANES) {
        const struct lanes v = load_lanes(x + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) lane.q[q] = vaddq_f32(lane.q[q], v.q[q]);
    }
    return sum_lanes(lane);
}

static float sum_squares(const float *x, size_t n, float mean)
{
    struct lanes lane = same_lanes(0.0f);
    for (size_t i = 0; i < n; i += LANES) {
        struct lanes d = load_lanes(x + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) d.q[q] = vsubq_f32(d.q[q], vdupq_n_f32(mean));
        d = keep_present(d, n - i);
        for (size_t q = 0; q < 4; q++) lane.q[q] = vfmaq_f32(lane.q[q], d.q[q], d.q[q]);
    }
    return sum_lanes(lane);
}

static void layer_norm(const float *x, const float *w, const float *b, size_t n, float epsilon, float *y)
{
    const float mean = sum(x, n) / (float)n;
    const float rstd = 1.0f / sqrtf(sum_squares(x, n, mean) / (float)n + epsilon);

    for (size_t i = 0; i < n; i += LANES) {
        const struct lanes weight = load_lanes(w + i, n - i, 0.0f);
        struct lanes v = load_lanes(x + i, n - i, 0.0f), bias = same_lanes(0.0f);
        if (b) bias = load_lanes(b + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) {
            const float32x4_t normal = vmulq_n_f32(vsubq_f32(v.q[q], vdupq_n_f32(mean)), rstd);
            v.q[q] = b ? vfmaq_f32(bias.q[q], normal, weight.q[q]) : vmulq_f32(normal, weight.q[q]);
        }
        store_lanes(y + i, n - i, v);
    }
}

/* The largest element that is not NaN; -inf when there is none. */
static float largest(const float *x, size_t n)
{
    struct lanes max = same_lanes(-INFINITY);
    for (size_t i = 0; i < n; i += LANES) {
        const struct lanes v = load_lanes(x + i, n - i, -INFINITY);
        for (size_t q = 0; q < 4; q++) max.q[q] = vec_select(v.q[q], max.q[q], v.q[q], max.q[q]);
    }
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(max.q[0], max.q[1]), vmaxq_f32(max.q[2], max.q[3])));
}

static float softmax_exp(float *x, size_t n)
{
    const float32x4_t max = vdupq_n_f32(largest(x, n));
    struct lanes lane = same_lanes(0.0f);
    for (size_t i = 0; i < n; i += LANES) {
        struct lanes e = load_lanes(x + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) e.q[q] = exp_lanes(vsubq_f32(e.q[q], max));
        store_lanes(x + i, n - i, e);
        e = keep_present(e, n - i);
        for (size_t q = 0; q < 4; q++) lane.q[q] = vaddq_f32(lane.q[q], e.q[q]);
    }
    return sum_lanes(lane);
}

/* ---------------------------------------------------------------------------------------------- element by element */

static void narrow_f16(const float *x, size_t n, uint16_t *y)
{
    size_t i = 0;
    for (; i + QUARTER <= n; i += QUARTER) vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++) y[i] = ingot_f16_from_f32(x[i]);
}

static void gelu_tanh(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        struct lanes v = load_lanes(x + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) v.q[q] = gelu_tanh_lanes(v.q[q]);
        store_lanes(x + i, n - i, v);
    }
}

static void gelu_erf(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        struct lanes v = load_lanes(x + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) v.q[q] = gelu_erf_lanes(v.q[q]);
        store_lanes(x + i, n - i, v);
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        const struct lanes v = load_lanes(x + i, n - i, 0.0f);
        struct lanes sums = load_lanes(y + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) sums.q[q] = vaddq_f32(sums.q[q], v.q[q]);
        store_lanes(y + i, n - i, sums);
    }
}

static void scale(float *y, float s, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        struct lanes v = load_lanes(y + i, n - i, 0.0f);
        for (size_t q = 0; q < 4; q++) v.q[q] = vmulq_n_f32(v.q[q], s);
        store_lanes(y + i, n - i, v);
    }
}

const struct kernels kernels_neon = {
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

#endif

/*
 * avx2.c - the kernels for AVX2 with FMA and F16C: 16 lanes are two registers. The bits of scalar.c.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#include "runtime/kernels/tiles.h"

enum { LANES = INGOT_PANEL_LANES, HALF = LANES / 2 };

/* ----------------------------------------------------------------------------------------------- panels times rows */

/* Of the weights of one input lanes 0..7 (half 0) or 8..15 (half 1). */
static inline __m256 load_f32(const uint8_t *pair, size_t odd, size_t half)
{
    return _mm256_load_ps((const float *)(const void *)(pair + 64 * odd + 32 * half));
}

static inline __m256 load_f16(const uint8_t *pair, size_t odd, size_t half)
{
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(pair + 32 * odd + 16 * half)));
}

static inline __m256 load_bf16(const uint8_t *pair, size_t odd, size_t half)
{
    const __m256i both = _mm256_load_si256((const __m256i *)(const void *)(pair + 32 * half));
    /* Two shifts instead of a mask: a constant would take the register that makes an accumulator spill. */
    return _mm256_castsi256_ps(odd ? _mm256_slli_epi32(_mm256_srli_epi32(both, 16), 16) : _mm256_slli_epi32(both, 16));
}

typedef __m256 load_fn(const uint8_t *pair, size_t odd, size_t half);

typedef struct {
    __m256 half[2];
} chains;

TILE_BODY void tile_input(load_fn *load, size_t n_panels, size_t n_rows, chains chain[][TILE_MAX_ROWS],
                          const uint8_t *pair, size_t panel_bytes, size_t odd, const float *x)
{
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++) {
        const __m256 low = load(pair + p * panel_bytes, odd, 0), high = load(pair + p * panel_bytes, odd, 1);
        TILE_UNROLL
        for (size_t r = 0; r < n_rows; r++) {
            const __m256 xk = _mm256_broadcast_ss(x + r * TILE_X_STRIDE);
            chain[p][r].half[0] = _mm256_fmadd_ps(low, xk, chain[p][r].half[0]);
            chain[p][r].half[1] = _mm256_fmadd_ps(high, xk, chain[p][r].half[1]);
        }
    }
}

static inline chains load_chains(const float *y)
{
    return (chains){ { _mm256_loadu_ps(y), _mm256_loadu_ps(y + HALF) } };
}

static inline chains zero_chains(void)
{
    return (chains){ { _mm256_setzero_ps(), _mm256_setzero_ps() } };
}

static inline chains add_chains(chains a, chains b)
{
    return (chains){ { _mm256_add_ps(a.half[0], b.half[0]), _mm256_add_ps(a.half[1], b.half[1]) } };
}

static inline void store_chains(float *y, chains c)
{
    _mm256_storeu_ps(y, c.half[0]);
    _mm256_storeu_ps(y + HALF, c.half[1]);
}

#include "runtime/kernels/tile_body.h"

/* bf16 alone: its shifts share pipes with multiply-adds, f16's conversion does not. */
static inline chains widened(load_fn *load, const uint8_t *pair, size_t odd)
{
    return (chains){ { load(pair, odd, 0), load(pair, odd, 1) } };
}

/* 12 of the 16 registers are accumulators. */
#define TILE_RESIDENT(X, ...) X(6, 1, __VA_ARGS__)
#define TILE_HEIGHTS(X, ...)                                                                                           \
    X(6, 1, __VA_ARGS__) X(4, 1, __VA_ARGS__) X(3, 1, __VA_ARGS__) X(2, 2, __VA_ARGS__) X(1, 4, __VA_ARGS__)

TILE_SET(panels_f32, f32, false)
TILE_SET(panels_f16, f16, false)
TILE_SET_WIDENED(panels_bf16, bf16, panels_f32)
TILE_SET(chains_f32, f32, true)
TILE_SET(chains_f16, f16, true)

/* ----------------------------------------------------------------------------------------------- lanes and tails */

/* Of the lanes of one half, those that hold an element when n_left are left (all ones); a missing lane is loaded as +0
 * and not stored. */
static inline __m256i lanes_present(size_t n_left, size_t half)
{
    static const int32_t window[2 * LANES] = { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 };
    const size_t n = n_left < LANES ? n_left : LANES;
    return _mm256_loadu_si256((const __m256i *)(const void *)(window + LANES - n + HALF * half));
}

static inline __m256 load_half(const float *x, size_t n_left, size_t half)
{
    return n_left >= LANES ? _mm256_loadu_ps(x + HALF * half)
                           : _mm256_maskload_ps(x + HALF * half, lanes_present(n_left, half));
}

static inline void store_half(float *x, size_t n_left, size_t half, __m256 v)
{
    if (n_left >= LANES)
        _mm256_storeu_ps(x + HALF * half, v);
    else
        _mm256_maskstore_ps(x + HALF * half, lanes_present(n_left, half), v);
}

/* Missing lanes become +0. */
static inline __m256 keep_present(__m256 v, size_t n_left, size_t half)
{
    return _mm256_and_ps(v, _mm256_castsi256_ps(lanes_present(n_left, half)));
}

/* The fixed tree: lane j + lane j+8, then +4, +2, +1. */
static inline float sum_lanes(const __m256 half[2])
{
    const __m256 by8 = _mm256_add_ps(half[0], half[1]);
    const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

/* ---------------------------------------------------------------------------------------------- mathf.h, 8 at once */

typedef __m256 vec;
typedef __m256i ivec;
#define vec_same                          _mm256_set1_ps
#define vec_add                           _mm256_add_ps
#define vec_sub                           _mm256_sub_ps
#define vec_mul                           _mm256_mul_ps
#define vec_div                           _mm256_div_ps
#define vec_fma                           _mm256_fmadd_ps
#define vec_fnma                          _mm256_fnmadd_ps
#define vec_abs(a)                        _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a)
#define vec_select(a, b, then, otherwise) _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(a, b, _CMP_GT_OQ))
#define ivec_same                         _mm256_set1_epi32
#define ivec_bits                         _mm256_castps_si256
#define ivec_sub                          _mm256_sub_epi32
#define ivec_half(a)                      _mm256_srli_epi32(a, 1)
#define vec_power(i)                      _mm256_castsi256_ps(_mm256_slli_epi32(i, 23))

#include "runtime/kernels/lanes.h"

/* ------------------------------------------------------------------------------------------------------ reductions */

static float sum(const float *x, size_t n)
{
    __m256 lane[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
    for (size_t i = 0; i < n; i += LANES)
        for (size_t h = 0; h < 2; h++) lane[h] = _mm256_add_ps(lane[h], load_half(x + i, n - i, h));
    return sum_lanes(lane);
}

static float sum_squares(const float *x, size_t n, __m256 mean)
{
    __m256 lane[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
    for (size_t i = 0; i < n; i += LANES)
        for (size_t h = 0; h < 2; h++) {
            const __m256 d = keep_present(_mm256_sub_ps(load_half(x + i, n - i, h), mean), n - i, h);
            lane[h] = _mm256_fmadd_ps(d, d, lane[h]);
        }
    return sum_lanes(lane);
}

static void layer_norm(const float *x, const float *w, const float *b, size_t n, float epsilon, float *y)
{
    const __m256 mean = _mm256_set1_ps(sum(x, n) / (float)n);
    const __m256 rstd = _mm256_set1_ps(1.0f / sqrtf(sum_squares(x, n, mean) / (float)n + epsilon));

    for (size_t i = 0; i < n; i += LANES)
        for (size_t h = 0; h < 2; h++) {
            const __m256 weight = load_half(w + i, n - i, h);
            const __m256 normal = _mm256_mul_ps(_mm256_sub_ps(load_half(x + i, n - i, h), mean), rstd);
            const __m256 out =
                b ? _mm256_fmadd_ps(normal, weight, load_half(b + i, n - i, h)) : _mm256_mul_ps(normal, weight);
            store_half(y + i, n - i, h, out);
        }
}

/* The largest element that is not NaN; -inf when there is none. VMAXPS gives its second operand when either is NaN. */
static float largest(const float *x, size_t n)
{
    const __m256 lowest = _mm256_set1_ps(-INFINITY);
    __m256 max[2] = { lowest, lowest };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t h = 0; h < 2; h++) max[h] = _mm256_max_ps(_mm256_loadu_ps(x + i + HALF * h), max[h]);
    for (size_t h = 0; i < n && h < 2; h++) {
        const __m256 present = _mm256_castsi256_ps(lanes_present(n - i, h));
        max[h] = _mm256_max_ps(_mm256_blendv_ps(lowest, load_half(x + i, n - i, h), present), max[h]);
    }
    const __m256 by8 = _mm256_max_ps(max[0], max[1]);
    const __m128 by4 = _mm_max_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_max_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_max_ss(by2, _mm_movehdup_ps(by2)));
}

static float softmax_exp(float *x, size_t n)
{
    const __m256 max = _mm256_set1_ps(largest(x, n));
    __m256 lane[2] = { _mm256_setzero_ps(), _mm256_setzero_ps() };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t h = 0; h < 2; h++) {
            const __m256 e = exp_lanes(_mm256_sub_ps(_mm256_loadu_ps(x + i + HALF * h), max));
            _mm256_storeu_ps(x + i + HALF * h, e);
            lane[h] = _mm256_add_ps(lane[h], e);
        }
    for (size_t h = 0; i < n && h < 2; h++) {
        const __m256 e = exp_lanes(_mm256_sub_ps(load_half(x + i, n - i, h), max));
        store_half(x + i, n - i, h, e);
        lane[h] = _mm256_add_ps(lane[h], keep_present(e, n - i, h));
    }
    return sum_lanes(lane);
}

/* ---------------------------------------------------------------------------------------------- element by element */

static void narrow_f16(const float *x, size_t n, uint16_t *y)
{
    size_t i = 0;
    for (; i + HALF <= n; i += HALF)
        _mm_storeu_si128((__m128i *)(void *)(y + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++) y[i] = _cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT);
}

static void gelu_tanh(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        for (size_t h = 0; h < 2; h++) store_half(x + i, n - i, h, gelu_tanh_lanes(load_half(x + i, n - i, h)));
}

static void gelu_erf(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        for (size_t h = 0; h < 2; h++) store_half(x + i, n - i, h, gelu_erf_lanes(load_half(x + i, n - i, h)));
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        for (size_t h = 0; h < 2; h++)
            store_half(y + i, n - i, h, _mm256_add_ps(load_half(y + i, n - i, h), load_half(x + i, n - i, h)));
}

static void scale(float *y, float s, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        for (size_t h = 0; h < 2; h++)
            store_half(y + i, n - i, h, _mm256_mul_ps(load_half(y + i, n - i, h), _mm256_set1_ps(s)));
}

const struct kernels kernels_avx2 = {
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

/*
 * avx512.c - the kernels for AVX-512 (F, BW, VL, DQ): 16 lanes are one register. The bits of scalar.c.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#include "runtime/kernels/tiles.h"

enum { LANES = INGOT_PANEL_LANES };

/* ----------------------------------------------------------------------------------------------- panels times rows */

static inline __m512 load_f32(const uint8_t *pair, size_t odd)
{
    return _mm512_load_ps(pair + 64 * odd);
}

static inline __m512 load_f16(const uint8_t *pair, size_t odd)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(pair + 32 * odd)));
}

static inline __m512 load_bf16(const uint8_t *pair, size_t odd)
{
    const __m512i both = _mm512_load_si512(pair);
    return _mm512_castsi512_ps(odd ? _mm512_and_si512(both, _mm512_set1_epi32((int)0xffff0000u))
                                   : _mm512_slli_epi32(both, 16));
}

typedef __m512 load_fn(const uint8_t *pair, size_t odd);

typedef __m512 chains;

TILE_BODY void tile_input(load_fn *load, size_t n_panels, size_t n_rows, chains chain[][TILE_MAX_ROWS],
                          const uint8_t *pair, size_t panel_bytes, size_t odd, const float *x)
{
    __m512 w[TILE_MAX_PANELS];
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++) w[p] = load(pair + p * panel_bytes, odd);
    TILE_UNROLL
    for (size_t r = 0; r < n_rows; r++) {
        const __m512 xk = _mm512_set1_ps(x[r * TILE_X_STRIDE]);
        TILE_UNROLL
        for (size_t p = 0; p < n_panels; p++) chain[p][r] = _mm512_fmadd_ps(w[p], xk, chain[p][r]);
    }
}

static inline chains zero_chains(void)
{
    return _mm512_setzero_ps();
}

static inline chains load_chains(const float *y)
{
    return _mm512_loadu_ps(y);
}

static inline void store_chains(float *y, chains c)
{
    _mm512_storeu_ps(y, c);
}

static inline chains add_chains(chains a, chains b)
{
    return _mm512_add_ps(a, b);
}

static inline chains widened(load_fn *load, const uint8_t *pair, size_t odd)
{
    return load(pair, odd);
}

#include "runtime/kernels/tile_body.h"

/* 24 accumulators hide the latency of 2 fused multiply-adds per cycle and leave registers for the weights; few
 * rows take more panels instead. */
#define TILE_RESIDENT(X, ...) X(12, 2, __VA_ARGS__)
#define TILE_HEIGHTS(X, ...)                                                                                           \
    X(12, 2, __VA_ARGS__)                                                                                              \
    X(8, 2, __VA_ARGS__)                                                                                               \
    X(6, 3, __VA_ARGS__) X(4, 4, __VA_ARGS__) X(3, 4, __VA_ARGS__) X(2, 4, __VA_ARGS__) X(1, 4, __VA_ARGS__)

TILE_SET(panels_f32, f32, false)
TILE_SET_WIDENED(panels_f16, f16, panels_f32)
TILE_SET_WIDENED(panels_bf16, bf16, panels_f32)
TILE_SET(chains_f32, f32, true)
TILE_SET(chains_f16, f16, true)

/* ----------------------------------------------------------------------------------------------- lanes and tails */

/* The lanes that hold elements i, i + 1, .. of n; a missing lane is loaded as +0 and not stored. */
static inline __mmask16 lanes_present(size_t i, size_t n)
{
    return (__mmask16)(n - i >= LANES ? 0xffffu : (1u << (n - i)) - 1u);
}

/* The fixed tree: lane j + lane j+8, then +4, +2, +1. */
static inline float sum_lanes(__m512 v)
{
    const __m256 by8 = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
}

/* ---------------------------------------------------------------------------------------------- mathf.h, 16 at once */

typedef __m512 vec;
typedef __m512i ivec;
#define vec_same                          _mm512_set1_ps
#define vec_add                           _mm512_add_ps
#define vec_sub                           _mm512_sub_ps
#define vec_mul                           _mm512_mul_ps
#define vec_div                           _mm512_div_ps
#define vec_fma                           _mm512_fmadd_ps
#define vec_fnma                          _mm512_fnmadd_ps
#define vec_abs                           _mm512_abs_ps
#define vec_select(a, b, then, otherwise) _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), then)
#define ivec_same                         _mm512_set1_epi32
#define ivec_bits                         _mm512_castps_si512
#define ivec_sub                          _mm512_sub_epi32
#define ivec_half(a)                      _mm512_srli_epi32(a, 1)
#define vec_power(i)                      _mm512_castsi512_ps(_mm512_slli_epi32(i, 23))
#define vec_scale                         _mm512_scalef_ps

#include "runtime/kernels/lanes.h"

/* ------------------------------------------------------------------------------------------------------ reductions */

static void layer_norm(const float *x, const float *w, const float *b, size_t n, float epsilon, float *y)
{
    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += LANES) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(lanes_present(i, n), x + i));
    const __m512 mean = _mm512_set1_ps(sum_lanes(sum) / (float)n);

    __m512 squares = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        const __m512 d = _mm512_maskz_sub_ps(present, _mm512_maskz_loadu_ps(present, x + i), mean);
        squares = _mm512_fmadd_ps(d, d, squares);
    }
    const __m512 rstd = _mm512_set1_ps(1.0f / sqrtf(sum_lanes(squares) / (float)n + epsilon));

    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        const __m512 weight = _mm512_maskz_loadu_ps(present, w + i);
        const __m512 normal = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(present, x + i), mean), rstd);
        const __m512 out =
            b ? _mm512_fmadd_ps(normal, weight, _mm512_maskz_loadu_ps(present, b + i)) : _mm512_mul_ps(normal, weight);
        _mm512_mask_storeu_ps(y + i, present, out);
    }
}

static float softmax_exp(float *x, size_t n)
{
    __m512 maxima = _mm512_set1_ps(-INFINITY);
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        const __m512 v = _mm512_maskz_loadu_ps(present, x + i);
        maxima = _mm512_mask_mov_ps(maxima, _mm512_mask_cmp_ps_mask(present, v, maxima, _CMP_GT_OQ), v);
    }
    const __m512 max = _mm512_set1_ps(_mm512_reduce_max_ps(maxima));

    __m512 sum = _mm512_setzero_ps();
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        const __m512 e = exp_lanes(_mm512_sub_ps(_mm512_maskz_loadu_ps(present, x + i), max));
        _mm512_mask_storeu_ps(x + i, present, e);
        sum = _mm512_add_ps(sum, _mm512_maskz_mov_ps(present, e));
    }
    return sum_lanes(sum);
}

/* ---------------------------------------------------------------------------------------------- element by element */

/* All 16 are converted by the name that has a mask, for the one without makes gcc 12 warn at -O0. */
static void narrow_f16(const float *x, size_t n, uint16_t *y)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        const __m512 v = _mm512_maskz_loadu_ps(present, x + i);
        const __m256i halves = _mm512_maskz_cvtps_ph((__mmask16)0xFFFF, v, _MM_FROUND_TO_NEAREST_INT);
        _mm256_mask_storeu_epi16(y + i, present, halves);
    }
}

static void gelu_tanh(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        _mm512_mask_storeu_ps(x + i, present, gelu_tanh_lanes(_mm512_maskz_loadu_ps(present, x + i)));
    }
}

static void gelu_erf(float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        _mm512_mask_storeu_ps(x + i, present, gelu_erf_lanes(_mm512_maskz_loadu_ps(present, x + i)));
    }
}

static void add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        const __m512 sum = _mm512_add_ps(_mm512_maskz_loadu_ps(present, y + i), _mm512_maskz_loadu_ps(present, x + i));
        _mm512_mask_storeu_ps(y + i, present, sum);
    }
}

static void scale(float *y, float s, size_t n)
{
    const __m512 factor = _mm512_set1_ps(s);
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 present = lanes_present(i, n);
        _mm512_mask_storeu_ps(y + i, present, _mm512_mul_ps(_mm512_maskz_loadu_ps(present, y + i), factor));
    }
}

const struct kernels kernels_avx512 = {
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

/*
 * fast_avx512bf16.c - products of bf16 for AVX-512: VDPBF16PS adds two products to each of 16 sums. Processors differ:
 * where it runs at half the rate of fused multiply-adds of floats, nothing is gained but the bytes of the weights.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include "runtime/kernels/fast_body.h"

enum { TILE_ROWS = 8 }; /* of two panels: 16 sums hide the latency */

/* clang 16 crashes over words, all equal, that become bf16. It is kept from seeing that they are equal. */
#if defined(__clang__) && __clang_major__ == 16 && defined(__AVX512BF16__)
#define HIDE(v) __asm__("" : "+v"(v))
#else
#define HIDE(v) ((void)0)
#endif

TILE_BODY void multiply_rows(const uint16_t *x, size_t x_stride, const uint8_t *const panel[2], size_t n_in, float *y,
                             size_t y_stride)
{
    __m512 sum[TILE_ROWS][2];
    TILE_UNROLL
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t p = 0; p < 2; p++) sum[r][p] = _mm512_loadu_ps(y + r * y_stride + p * LANES);
    for (size_t k = 0; k < n_in; k += 2) {
        const __m512i first = _mm512_load_si512(panel[0] + k / 2 * 64),
                      second = _mm512_load_si512(panel[1] + k / 2 * 64);
        TILE_UNROLL
        for (size_t r = 0; r < TILE_ROWS; r++) {
            int32_t pair;
            memcpy(&pair, x + r * x_stride + k, sizeof pair);
            __m512i both = _mm512_set1_epi32(pair);
            HIDE(both);
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], (__m512bh)both, (__m512bh)first);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], (__m512bh)both, (__m512bh)second);
        }
    }
    TILE_UNROLL
    for (size_t r = 0; r < TILE_ROWS; r++)
        for (size_t p = 0; p < 2; p++) _mm512_storeu_ps(y + r * y_stride + p * LANES, sum[r][p]);
}

static void multiply(const struct block *rows, const uint8_t *const panel[2], size_t n_in, float *y, size_t y_stride)
{
    for (size_t r = 0; r < BLOCK_ROWS; r += TILE_ROWS)
        multiply_rows(rows->x[r], CHUNK + STEP, panel, n_in, y + r * y_stride, y_stride);
}

FAST_PANELS(f32, float, multiply, , )
FAST_PANELS(f16, uint16_t, multiply, , )
FAST_PANELS(bf16, uint16_t, multiply, , )

const struct fast_kernels fast_avx512bf16 = {
    .name = "avx512-bf16",
    .arithmetic = "fast (avx512-bf16)",
    .panels_f32 = panels_f32,
    .panels_f16 = panels_f16,
    .panels_bf16 = panels_bf16,
};

#endif

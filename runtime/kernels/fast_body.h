/*
 * fast_body.h - what the fast kernels of x86 share: operands become bf16, and loops over them.
 *
 * A chunk of inputs of all rows is rounded once and kept, two inputs beside each other; panels come two at a time. In
 * panel16 bf16 weights lie as the instructions want them, so those of a file are read where they are; f32 and f16 are
 * rounded into a scratch that fits the first-level cache. What is left over at the ends is made up with zeros.
 */
#ifndef INGOT_FAST_BODY_H
#define INGOT_FAST_BODY_H

#include <immintrin.h>
#include <string.h>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/tiles.h"

enum {
    LANES = INGOT_PANEL_LANES,
    STEP = 32,        /* inputs that the instructions take together: 64 bytes of a row */
    CHUNK = 256,      /* inputs: two panels of them take a third of a first-level cache */
    BLOCK_ROWS = 32,  /* rows that are multiplied together */
    GROUP_ROWS = 256, /* that share rounded weights; they take 144 KiB of the stack, and of the second-level cache */
};

/* A chunk of some rows, as bf16. The stride is an odd number of cache lines, so that rows do not compete for sets. */
struct block {
    _Alignas(64) uint16_t x[BLOCK_ROWS][CHUNK + STEP];
};

/* A chunk of a panel: pairs of inputs, each lane's two together. */
struct weights {
    _Alignas(64) uint16_t pairs[CHUNK / 2][2 * LANES];
};

/* All rows of a block times the chunk of two panels, added to y and y + LANES. n_in is a multiple of STEP. */
typedef void multiply_fn(const struct block *rows, const uint8_t *const panel[2], size_t n_in, float *y,
                         size_t y_stride);

/* ------------------------------------------------------------------------------------------------------------- rows */

/* Of the 16 elements from i on, those below n. */
TILE_BODY __mmask16 below(size_t i, size_t n)
{
    return (__mmask16)(n >= i + LANES ? 0xffffu : n > i ? (1u << (n - i)) - 1u : 0u);
}

/* bf16 of 32 floats, the 16 of `low` first. */
TILE_BODY __m512i round_to_bf16(__m512 low, __m512 high)
{
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

static void round_row(const float *x, size_t n_in, uint16_t *to)
{
    for (size_t k = 0; k < n_in; k += STEP)
        _mm512_store_si512(to + k, round_to_bf16(_mm512_maskz_loadu_ps(below(k, n_in), x + k),
                                                 _mm512_maskz_loadu_ps(below(k + LANES, n_in), x + k + LANES)));
}

/* Behind the last row are zeros. */
static void round_rows(const float *x, size_t x_stride, size_t n_in, size_t n_rows, struct block *blocks)
{
    for (size_t r = 0; r < n_rows || r % BLOCK_ROWS; r++) {
        uint16_t *to = blocks[r / BLOCK_ROWS].x[r % BLOCK_ROWS];
        if (r < n_rows)
            round_row(x + r * x_stride, n_in, to);
        else
            memset(to, 0, CHUNK * sizeof *to);
    }
}

/* ---------------------------------------------------------------------------------------------------------- weights */

/* n_in inputs of a panel as pairs, up to the next multiple of STEP: in *scratch, or where they are. */
typedef const uint8_t *weights_fn(const uint8_t *panel, size_t n_in, struct weights *scratch);

typedef __m512 load_fn(const uint8_t *weight);

TILE_BODY __m512 load_f32(const uint8_t *weight)
{
    return _mm512_load_ps(weight);
}

TILE_BODY __m512 load_f16(const uint8_t *weight)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const void *)weight));
}

/* Of a pair that is half beyond the last input, that half is not read. */
TILE_BODY const uint8_t *round_weights(load_fn *load, size_t input_bytes, const uint8_t *panel, size_t n_in,
                                       struct weights *scratch)
{
    static const _Alignas(64)
        uint16_t beside[2 * LANES] = { 0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    const __m512i order = _mm512_load_si512(beside);
    size_t k = 0;
    for (; k < n_in; k += 2) {
        const __m512 even = load(panel + k * input_bytes);
        const __m512 odd = k + 1 < n_in ? load(panel + (k + 1) * input_bytes) : _mm512_setzero_ps();
        _mm512_store_si512(scratch->pairs[k / 2], _mm512_permutexvar_epi16(order, round_to_bf16(even, odd)));
    }
    for (; k % STEP; k += 2) _mm512_store_si512(scratch->pairs[k / 2], _mm512_setzero_si512());
    return (const uint8_t *)scratch->pairs;
}

TILE_BODY const uint8_t *weights_f32(const uint8_t *panel, size_t n_in, struct weights *scratch)
{
    return round_weights(load_f32, LANES * sizeof(float), panel, n_in, scratch);
}

TILE_BODY const uint8_t *weights_f16(const uint8_t *panel, size_t n_in, struct weights *scratch)
{
    return round_weights(load_f16, LANES * sizeof(uint16_t), panel, n_in, scratch);
}

TILE_BODY const uint8_t *weights_bf16(const uint8_t *panel, size_t n_in, struct weights *scratch)
{
    if (n_in % STEP == 0) return panel;
    memset(scratch, 0, sizeof *scratch);
    memcpy(scratch, panel, n_in / 2 * sizeof scratch->pairs[0]);
    if (n_in % 2) {
        const __m512i last = _mm512_load_si512(panel + n_in / 2 * sizeof scratch->pairs[0]);
        _mm512_store_si512(scratch->pairs[n_in / 2], _mm512_and_si512(last, _mm512_set1_epi32(0xffff)));
    }
    return (const uint8_t *)scratch->pairs;
}

/* --------------------------------------------------------------------------------------------------------- products */

/* Fewer than BLOCK_ROWS rows, or one panel (then the second is multiplied in vain). */
TILE_BODY void multiply_rest(multiply_fn *multiply, const struct block *rows, const uint8_t *const panel[2],
                             size_t n_in, size_t n_rows, size_t n_lanes, float *y, size_t y_stride)
{
    _Alignas(64) float whole[BLOCK_ROWS][2 * LANES] = { { 0 } };
    for (size_t r = 0; r < n_rows; r++) memcpy(whole[r], y + r * y_stride, n_lanes * sizeof *y);
    multiply(rows, panel, n_in, whole[0], 2 * LANES);
    for (size_t r = 0; r < n_rows; r++) memcpy(y + r * y_stride, whole[r], n_lanes * sizeof *y);
}

/* A chunk of all panels times n_rows <= GROUP_ROWS rows. */
TILE_BODY void group(multiply_fn *multiply, weights_fn *weights, const uint8_t *w, size_t panel_bytes, size_t n_panels,
                     size_t n_in, const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    struct block blocks[GROUP_ROWS / BLOCK_ROWS];
    struct weights scratch[2];
    const size_t n_padded = (n_in + STEP - 1) / STEP * STEP;
    round_rows(x, x_stride, n_in, n_rows, blocks);
    for (size_t p = 0; p < n_panels; p += 2, w += 2 * panel_bytes, y += 2 * LANES) {
        const bool both = p + 1 < n_panels;
        const uint8_t *panel[2];
        panel[0] = panel[1] = weights(w, n_in, &scratch[0]);
        if (both) panel[1] = weights(w + panel_bytes, n_in, &scratch[1]);
        for (size_t r = 0; r < n_rows; r += BLOCK_ROWS)
            if (both && n_rows - r >= BLOCK_ROWS)
                multiply(&blocks[r / BLOCK_ROWS], panel, n_padded, y + r * y_stride, y_stride);
            else
                multiply_rest(multiply, &blocks[r / BLOCK_ROWS], panel, n_padded,
                              n_rows - r < BLOCK_ROWS ? n_rows - r : BLOCK_ROWS, both ? 2 * LANES : LANES,
                              y + r * y_stride, y_stride);
    }
}

TILE_BODY void all_groups(multiply_fn *multiply, weights_fn *weights, size_t input_bytes, const uint8_t *w,
                          size_t panel_bytes, size_t n_panels, size_t n_in, const float *x, size_t x_stride,
                          size_t n_rows, float *y, size_t y_stride)
{
    for (size_t r = 0; r < n_rows; r += GROUP_ROWS)
        for (size_t k = 0; k < n_in; k += CHUNK)
            group(multiply, weights, w + k * input_bytes, panel_bytes, n_panels, n_in - k < CHUNK ? n_in - k : CHUNK,
                  x + r * x_stride + k, x_stride, n_rows - r < GROUP_ROWS ? n_rows - r : GROUP_ROWS, y + r * y_stride,
                  y_stride);
}

/* panels_DTYPE over a multiply_fn, between two statements. */
#define FAST_PANELS(dtype, type, multiply, begin, end)                                                                 \
    static void panels_##dtype(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x,        \
                               size_t x_stride, size_t n_rows, float *y, size_t y_stride)                              \
    {                                                                                                                  \
        begin;                                                                                                         \
        all_groups(multiply, weights_##dtype, LANES * sizeof(type), w, panel_bytes, n_panels, n_in, x, x_stride,       \
                   n_rows, y, y_stride);                                                                               \
        end;                                                                                                           \
    }

#endif

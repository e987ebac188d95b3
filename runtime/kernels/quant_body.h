/*
 * quant_body.h - the body of a quant_tile_fn, for a file that has said what 16 lanes are:
 *
 *   ints, floats       16 of them
 *   struct weights     16 lanes x 4 inputs, as `dot` likes them
 *   ints splat(i)      i in every lane
 *   floats load_scales(step, half)             16 scales of a step, widened
 *   void finish(sums, scales, d, y)            y = fma((float)sums, scales * d, y), lane by lane
 *
 * and for each dtype two functions of the types below.
 */
#ifndef INGOT_QUANT_BODY_H
#define INGOT_QUANT_BODY_H

#include "runtime/kernels/quant_tiles.h"
#include "runtime/kernels/tiles.h"

/* Inputs come in eights: q4 keeps four and four in the nibbles of the same bytes; `second` asks for the second four. */
typedef struct weights load_weights_fn(const uint8_t *eight, size_t second);

/* sums + weights x the same four inputs, in every lane. */
typedef ints dot_fn(ints sums, struct weights weights, const int8_t *four);

/* Bytes of eight inputs. */
enum {
    EIGHT_BYTES_q8 = 8 * INGOT_PANEL_LANES,
    EIGHT_BYTES_q4 = 4 * INGOT_PANEL_LANES,
};

TILE_BODY void prefetch_block(const uint8_t *step, const uint8_t *codes, size_t code_bytes, size_t ahead)
{
    tile_prefetch(step, ahead, 1);
    tile_prefetch(codes, ahead, code_bytes);
}

/* Block number `b` of the rows, block `half` of a step, in one panel. The first four arguments are constants after
 * inlining. */
TILE_BODY void tile_block(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, size_t n_rows, const uint8_t *step,
                          size_t half, const struct quant_piece *x, size_t b, float *y, size_t y_stride, size_t ahead)
{
    const uint8_t *eight = step + QUANT_SCALE_BYTES + half * (INGOT_QUANT_BLOCK / 8) * eight_bytes;
    ints sums[QUANT_TILE_MAX_ROWS];
    prefetch_block(step, eight, INGOT_QUANT_BLOCK / 8 * eight_bytes, ahead);
    TILE_UNROLL
    for (size_t r = 0; r < n_rows; r++) sums[r] = splat(x[r].starts[b]);
    for (size_t k = 0; k < INGOT_QUANT_BLOCK; k += 8, eight += eight_bytes) {
        TILE_UNROLL
        for (size_t second = 0; second < 2; second++) {
            const struct weights weights = load(eight, second);
            TILE_UNROLL
            for (size_t r = 0; r < n_rows; r++)
                sums[r] = dot(sums[r], weights, x[r].codes + b * INGOT_QUANT_BLOCK + k + 4 * second);
        }
    }
    const floats scales = load_scales(step, half);
    TILE_UNROLL
    for (size_t r = 0; r < n_rows; r++) finish(sums[r], scales, x[r].scales[b], y + r * y_stride);
}

TILE_BODY void tile(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, size_t n_rows, const uint8_t *w,
                    size_t panel_bytes, size_t n_panels, size_t n_blocks, const struct quant_piece *x, float *y,
                    size_t y_stride, size_t ahead)
{
    const size_t step_bytes = QUANT_SCALE_BYTES + INGOT_QUANT_STEP / 8 * eight_bytes;
    for (size_t b = 0; b < n_blocks; b++)
        for (size_t p = 0; p < n_panels; p++)
            tile_block(load, dot, eight_bytes, n_rows, w + p * panel_bytes + b / 2 * step_bytes, b % 2, x, b,
                       y + p * INGOT_PANEL_LANES, y_stride, ahead);
}

/* ---------------------------------------------------------------------------------------------------------- one row */

enum {
    ROW_PANELS = 4,  /* that are read side by side, while their sums fit the registers */
    ROW_BLOCKS = 24, /* of a panel are prefetched while as many are computed: 52 KiB of q8 on their way */
};

/* Block number `b` of one row in n_panels panels. Eight inputs of one panel are a line or two, then it is the next
 * one's turn: so close together that several streams are always being waited for, and the inputs are read once. */
TILE_BODY void row_block(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, int32_t zero, size_t n_panels,
                         const uint8_t *step, size_t panel_bytes, const struct quant_rows *x, size_t b, float *y,
                         size_t ahead)
{
    const size_t half = b % 2;
    const uint8_t *eight = step + QUANT_SCALE_BYTES + half * (INGOT_QUANT_BLOCK / 8) * eight_bytes;
    const int8_t *codes = x->codes + b * INGOT_QUANT_BLOCK;
    ints sums[ROW_PANELS];
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++) {
        sums[p] = splat(-zero * x->sums[b]);
        tile_prefetch(step + p * panel_bytes, ahead, 1);
    }
    for (size_t k = 0; k < INGOT_QUANT_BLOCK; k += 8, eight += eight_bytes) {
        TILE_UNROLL
        for (size_t p = 0; p < n_panels; p++) {
            tile_prefetch(eight + p * panel_bytes, ahead, eight_bytes);
            sums[p] = dot(sums[p], load(eight + p * panel_bytes, 0), codes + k);
            sums[p] = dot(sums[p], load(eight + p * panel_bytes, 1), codes + k + 4);
        }
    }
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++)
        finish(sums[p], load_scales(step + p * panel_bytes, half), x->scales[b], y + p * INGOT_PANEL_LANES);
}

/* One row times n_panels panels. What follows is prefetched: their next blocks, then the first ones of the panels
 * behind. */
TILE_BODY void row_panels(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, int32_t zero, size_t n_panels,
                          const uint8_t *w, size_t panel_bytes, size_t n_blocks, const struct quant_rows *x, float *y)
{
    const size_t step_bytes = QUANT_SCALE_BYTES + INGOT_QUANT_STEP / 8 * eight_bytes;
    const size_t last = (n_blocks - 1) / ROW_BLOCKS * ROW_BLOCKS;
    for (size_t b = 0; b < n_blocks; b++) {
        const size_t ahead = b < last ? ROW_BLOCKS / 2 * step_bytes : n_panels * panel_bytes - last / 2 * step_bytes;
        row_block(load, dot, eight_bytes, zero, n_panels, w + b / 2 * step_bytes, panel_bytes, x, b, y, ahead);
    }
}

TILE_BODY void row(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, int32_t zero, const uint8_t *w,
                   size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x, float *y)
{
    const size_t n_blocks = (n_in + INGOT_QUANT_BLOCK - 1) / INGOT_QUANT_BLOCK;
    size_t p = 0;
    for (; p + ROW_PANELS <= n_panels; p += ROW_PANELS)
        row_panels(load, dot, eight_bytes, zero, ROW_PANELS, w + p * panel_bytes, panel_bytes, n_blocks, x,
                   y + p * INGOT_PANEL_LANES);
    for (; p < n_panels; p++)
        row_panels(load, dot, eight_bytes, zero, 1, w + p * panel_bytes, panel_bytes, n_blocks, x,
                   y + p * INGOT_PANEL_LANES);
}

/* ------------------------------------------------------------------------------------------------------ the kernels */

#define QUANT_TILE_DEFINE(rows, dtype)                                                                                 \
    static void tile_##dtype##_##rows(const uint8_t *w, size_t panel_bytes, size_t n_panels, size_t n_blocks,          \
                                      const struct quant_piece *x, float *y, size_t y_stride, size_t ahead)            \
    {                                                                                                                  \
        tile(load_##dtype, dot_##dtype, EIGHT_BYTES_##dtype, rows, w, panel_bytes, n_panels, n_blocks, x, y, y_stride, \
             ahead);                                                                                                   \
    }
#define QUANT_TILE_ENTRY(rows, dtype) [rows] = tile_##dtype##_##rows,

/* panels_q8 or panels_q4 from `load_DTYPE`, `dot_DTYPE`, the constant ZERO_DTYPE, and the file's list
 * QUANT_HEIGHTS_DTYPE(X, ...) of X(rows, ...) that ends with the most rows. */
#define QUANT_PANELS(dtype, most_rows)                                                                                 \
    QUANT_HEIGHTS_##dtype(QUANT_TILE_DEFINE, dtype) static const struct quant_tile_set tiles_##dtype = {               \
        QUANT_SCALE_BYTES + INGOT_QUANT_STEP / 8 * EIGHT_BYTES_##dtype,                                                \
        ZERO_##dtype,                                                                                                  \
        most_rows,                                                                                                     \
        { QUANT_HEIGHTS_##dtype(QUANT_TILE_ENTRY, dtype) },                                                            \
    };                                                                                                                 \
    static void panels_##dtype(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,                        \
                               const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)                   \
    {                                                                                                                  \
        if (n_rows == 1)                                                                                               \
            row(load_##dtype, dot_##dtype, EIGHT_BYTES_##dtype, ZERO_##dtype, w, panel_bytes, n_panels, n_in, x, y);   \
        else                                                                                                           \
            panels_by_quant_tiles(&tiles_##dtype, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);             \
    }

#endif

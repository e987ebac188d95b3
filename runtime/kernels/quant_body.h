/*
 * quant_body.h - the body of a quant_tile_fn, for a file that has said what 16 lanes are:
 *
 *   ints, floats       16 of them
 *   struct weights     16 lanes x 4 inputs, as `dot` likes them
 *   ints splat(i)      i in every lane
 *   floats load_scales(step, half)             16 scales of a step, widened
 *   void finish(sums, scales, d, y)            y = fma((float)sums, scales * d, y), lane by lane
 *
 * and for each dtype two functions of the types below. QUANT_UNROLL may be TILE_UNROLL, for blocks of tiles without a
 * loop.
 */
#ifndef INGOT_QUANT_BODY_H
#define INGOT_QUANT_BODY_H

#include "runtime/kernels/quant_tiles.h"
#include "runtime/kernels/tiles.h"

#ifndef QUANT_UNROLL
#define QUANT_UNROLL
#endif

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
    QUANT_UNROLL
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
    ROW_STREAMS = 4, /* panels that are read side by side, while their sums fit the registers */
    ROW_BLOCKS = 24, /* of a stream are prefetched while as many are computed: 52 KiB of q8 on their way */
};

/* A row and its panels: each stream is several of these, one behind the other. */
struct row {
    const struct quant_rows *x;
    size_t n_blocks;
    size_t stream_bytes, stream_lanes; /* from one stream to the next, in the weights and in y */
};

/* Block number `b` of one row in n_streams panels, from `step` on. Eight inputs of one panel are a line or two, then it
 * is the next one's turn: so close together that several streams are always being waited for, and the inputs are read
 * once. */
TILE_BODY void row_block(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, int32_t zero, size_t n_streams,
                         const struct row *row, const uint8_t *step, size_t b, float *y, size_t ahead)
{
    const struct quant_rows *x = row->x;
    const size_t half = b % 2;
    const uint8_t *eight = step + QUANT_SCALE_BYTES + half * (INGOT_QUANT_BLOCK / 8) * eight_bytes;
    const int8_t *codes = x->codes + b * INGOT_QUANT_BLOCK;
    ints sums[ROW_STREAMS];
    TILE_UNROLL
    for (size_t s = 0; s < n_streams; s++) {
        sums[s] = splat(-zero * x->sums[b]);
        tile_prefetch(step + s * row->stream_bytes, ahead, 1);
    }
    for (size_t k = 0; k < INGOT_QUANT_BLOCK; k += 8, eight += eight_bytes) {
        TILE_UNROLL
        for (size_t s = 0; s < n_streams; s++) {
            const uint8_t *mine = eight + s * row->stream_bytes;
            tile_prefetch(mine, ahead, eight_bytes);
            sums[s] = dot(sums[s], load(mine, 0), codes + k);
            sums[s] = dot(sums[s], load(mine, 1), codes + k + 4);
        }
    }
    TILE_UNROLL
    for (size_t s = 0; s < n_streams; s++)
        finish(sums[s], load_scales(step + s * row->stream_bytes, half), x->scales[b], y + s * row->stream_lanes);
}

/* One panel of each stream. What follows in the stream is prefetched; behind its last panel, what is so many bytes
 * further on. */
TILE_BODY void row_panels(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, int32_t zero, size_t n_streams,
                          const struct row *row, const uint8_t *w, float *y, size_t further)
{
    const size_t step_bytes = QUANT_SCALE_BYTES + INGOT_QUANT_STEP / 8 * eight_bytes;
    const size_t ahead = ROW_BLOCKS / 2 * step_bytes;
    for (size_t b = 0; b < row->n_blocks; b++)
        row_block(load, dot, eight_bytes, zero, n_streams, row, w + b / 2 * step_bytes, b, y,
                  b + ROW_BLOCKS < row->n_blocks ? ahead : ahead + further);
}

/* quant_panels_fn for one row: four streams, each through a quarter of the panels, and the panels that are left. */
TILE_BODY void row_times_panels(load_weights_fn *load, dot_fn *dot, size_t eight_bytes, int32_t zero, const uint8_t *w,
                                size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x, float *y)
{
    const size_t n_each = n_panels / ROW_STREAMS, n_streamed = n_each * ROW_STREAMS;
    const size_t to_next = (n_streamed - n_each) * panel_bytes; /* from the end of a stream to its next call's begin */
    const struct row row = {
        .x = x,
        .n_blocks = (n_in + INGOT_QUANT_BLOCK - 1) / INGOT_QUANT_BLOCK,
        .stream_bytes = n_each * panel_bytes,
        .stream_lanes = n_each * INGOT_PANEL_LANES,
    };
    for (size_t p = 0; p < n_each; p++)
        row_panels(load, dot, eight_bytes, zero, ROW_STREAMS, &row, w + p * panel_bytes, y + p * INGOT_PANEL_LANES,
                   p + 1 < n_each ? 0 : to_next);
    for (size_t p = n_streamed; p < n_panels; p++)
        row_panels(load, dot, eight_bytes, zero, 1, &row, w + p * panel_bytes, y + p * INGOT_PANEL_LANES, 0);
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
            row_times_panels(load_##dtype, dot_##dtype, EIGHT_BYTES_##dtype, ZERO_##dtype, w, panel_bytes, n_panels,   \
                             n_in, x, y);                                                                              \
        else                                                                                                           \
            panels_by_quant_tiles(&tiles_##dtype, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);             \
    }

#endif

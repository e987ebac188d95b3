/*
 * quant_tiles.h - what the instruction sets share of the integer products: the order of the loops.
 *
 * A tile is some rows times a panel, for each block of inputs in turn: integer accumulators in registers while the
 * block lasts, then one fused multiply-add each into y. The register file bounds the rows of a tile, nothing its
 * panels: they take turns block by block, to keep several streams of memory in flight. A single row goes its own way
 * (quant_body.h).
 */
#ifndef INGOT_QUANT_TILES_H
#define INGOT_QUANT_TILES_H

#include "format/layout.h"
#include "runtime/kernels/kernels.h"

enum {
    QUANT_TILE_BLOCKS =
        16, /* blocks of inputs that a tile covers: what it reads of a panel fits the first-level cache */
    QUANT_TILE_MAX_ROWS = 12,
    QUANT_TILE_INPUTS = QUANT_TILE_BLOCKS * INGOT_QUANT_BLOCK,
};

/* The inputs of a tile in one row, gathered: rows that are a power of two apart would compete for the same few sets of
 * the first-level cache. */
struct quant_piece {
    _Alignas(64) int8_t codes[QUANT_TILE_INPUTS];
    float scales[QUANT_TILE_BLOCKS];
    int32_t starts[QUANT_TILE_BLOCKS]; /* what the accumulators of a block begin with: -zero times the sum of codes */
};

/* The tile's own number of rows times n_panels, n_blocks <= QUANT_TILE_BLOCKS from the start of a step.
 *   w      the step in the first panel; panels are panel_bytes apart
 *   ahead  bytes from a weight now read to the one to be prefetched; only a hint, may point anywhere */
typedef void quant_tile_fn(const uint8_t *w, size_t panel_bytes, size_t n_panels, size_t n_blocks,
                           const struct quant_piece *x, float *y, size_t y_stride, size_t ahead);

struct quant_tile_set {
    size_t step_bytes;
    int32_t zero;                                 /* what a tile multiplies is level + zero */
    size_t max_rows;                              /* of a tile */
    quant_tile_fn *tile[QUANT_TILE_MAX_ROWS + 1]; /* by rows, from 2 on */
};

/* quant_panels_fn over a set of tiles. */
void panels_by_quant_tiles(const struct quant_tile_set *tiles, const void *w, size_t panel_bytes, size_t n_panels,
                           size_t n_in, const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride);

#endif

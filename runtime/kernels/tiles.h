/*
 * tiles.h - what the instruction sets share of "panels times rows": the order of the loops.
 *
 * A tile is a few panels times a few rows, its accumulators in registers, over one block of inputs. An instruction set
 * supplies tiles of several sizes (a register file holds 2 panels x 12 rows, but one row wants 4 panels, to keep 4
 * streams of memory in flight); panels_by_tiles() cuts the work into them. Blocks of inputs keep the weights of a tile
 * in the first-level cache, and what passes by them in the second. They are the blocks of the definition
 * (KERNEL_BLOCK), so that a tile is one chain, added to y at its end; or, where the chain is to go on, it rests in y.
 */
#ifndef INGOT_TILES_H
#define INGOT_TILES_H

#include "runtime/kernels/kernels.h"

enum {
    TILE_MAX_ROWS = 12,
    TILE_MAX_PANELS = 4,
    TILE_INPUTS = KERNEL_BLOCK,       /* inputs in a block */
    TILE_X_STRIDE = TILE_INPUTS + 16, /* not a power of two, so that rows do not compete for cache sets */
};

/* One block, n_k <= TILE_INPUTS, of a kernel_panels_fn for the tile's own numbers of panels and rows.
 *   w      the block's first input in the tile's first panel; panels are panel_bytes apart
 *   x      rows TILE_X_STRIDE apart
 *   ahead  bytes from a weight now read to the one to be prefetched; only a hint, may point anywhere */
typedef void tile_fn(const uint8_t *w, size_t panel_bytes, size_t n_k, const float *x, float *y, size_t y_stride,
                     size_t ahead);

/* Tiles of one height. */
struct tile_height {
    size_t rows;
    size_t panels; /* of `wide` */
    tile_fn *wide;
    tile_fn *one; /* one panel, for what is left over */
};

/* n_k <= TILE_INPUTS inputs of one panel as floats. `ahead` as in tile_fn. */
typedef void widen_fn(const uint8_t *w, size_t n_k, float (*to)[INGOT_PANEL_LANES], size_t ahead);

struct tile_set {
    size_t input_bytes;            /* of one input's 16 weights */
    const struct tile_set *of_f32; /* where weights have 16 bits: the tiles that take them widened .. */
    widen_fn *widen;               /* .. by this, once for many rows; else NULL */
    tile_fn *resident;             /* height[0].wide, for weights that are in the first-level cache: no prefetching; or
                                    * NULL, where that one does as well */
    struct tile_height height[8];  /* descending, the last has rows == 1 */
};

/* kernel_panels_fn over a set of tiles. */
void panels_by_tiles(const struct tile_set *tiles, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                     const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride);

/* ---- for the files that define tiles */

/* Without optimisation gcc has nothing to unroll and warns that it was asked to. */
#if !defined(__OPTIMIZE__)
#define TILE_UNROLL
#elif defined(__clang__)
#define TILE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TILE_UNROLL _Pragma("GCC unroll 16")
#endif
#define TILE_BODY static inline __attribute__((always_inline))

/* One pair of inputs of one panel. Address arithmetic on integers, for the target may lie outside every object. */
TILE_BODY void tile_prefetch(const uint8_t *pair, size_t ahead, size_t pair_bytes)
{
    TILE_UNROLL
    for (size_t line = 0; line < pair_bytes; line += 64)
        __builtin_prefetch((const void *)((uintptr_t)pair + ahead + line), 0, 2);
}

/* Between the two inputs of a pair: the compiler shall load bf16's shared bytes twice. It would hold them in registers
 * and spill accumulators instead. */
TILE_BODY void tile_forget_loads(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif

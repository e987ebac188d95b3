/*
 * tiles.h - what the instruction sets share of "panels times rows": the order of the loops.
 *
 * A tile is a few panels times a few rows, its accumulators in registers, over one block of inputs. An instruction set
 * supplies tiles of several sizes (a register file holds 2 panels x 12 rows, but one row wants 4 panels, to keep 4
 * streams of memory in flight); panels_by_tiles() cuts the work into them. Blocks of inputs keep the weights of a tile
 * in the first-level cache and those of a group of panels in the second. They are the blocks of the definition
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

struct tile_set {
    size_t input_bytes;           /* of one input's 16 weights */
    struct tile_height height[8]; /* descending, the last has rows == 1 */
};

/* kernel_panels_fn over a set of tiles. */
void panels_by_tiles(const struct tile_set *tiles, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                     const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride);

/* ---- for the files that define tiles */

#if defined(__clang__)
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

/* The tile_fns of one height for one kernel, from a body tile(load, continues, pair_bytes, n_panels, n_rows, ...). */
#define TILE_DEFINE(rows, panels, kernel, dtype, continues)                                                            \
    static void kernel##_##rows##_wide(const uint8_t *w, size_t panel_bytes, size_t n_k, const float *x, float *y,     \
                                       size_t y_stride, size_t ahead)                                                  \
    {                                                                                                                  \
        tile(load_##dtype, continues, PAIR_BYTES_##dtype, panels, rows, w, panel_bytes, n_k, x, y, y_stride, ahead);   \
    }                                                                                                                  \
    static void kernel##_##rows##_one(const uint8_t *w, size_t panel_bytes, size_t n_k, const float *x, float *y,      \
                                      size_t y_stride, size_t ahead)                                                   \
    {                                                                                                                  \
        tile(load_##dtype, continues, PAIR_BYTES_##dtype, 1, rows, w, panel_bytes, n_k, x, y, y_stride, ahead);        \
    }
#define TILE_ENTRY(rows, panels, kernel, dtype, continues)                                                             \
    { rows, panels, kernel##_##rows##_wide, kernel##_##rows##_one },

/* Everything for one kernel over one dtype, from the file's list TILE_HEIGHTS(X, ...) of X(rows, panels, ...). */
#define TILE_SET(kernel, dtype, continues)                                                                             \
    TILE_HEIGHTS(TILE_DEFINE, kernel, dtype, continues)                                                                \
    static const struct tile_set tiles_##kernel = { PAIR_BYTES_##dtype / 2,                                            \
                                                    { TILE_HEIGHTS(TILE_ENTRY, kernel, dtype, continues) } };          \
    static void kernel(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x,                \
                       size_t x_stride, size_t n_rows, float *y, size_t y_stride)                                      \
    {                                                                                                                  \
        panels_by_tiles(&tiles_##kernel, w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);            \
    }

#endif

/*
 * tile_body.h - the body of a tile_fn, for a file that has said what 16 chains are:
 *
 *   chains                     16 of them: a register or several
 *   zero_chains(), load_chains(y), store_chains(y, c), add_chains(a, b)
 *   load_fn                    the type of load_f32, load_f16 and load_bf16: weights of one input, widened. Inputs come
 *                              in pairs, as bf16 stores them: their address is that of inputs k and k + 1, k even, and
 *                              `odd` says which. The odd one of a last pair is never asked for: f32 has no padding
 * there tile_input(load, n_panels, n_rows, chain, pair, panel_bytes, odd, x) one input: its weights in every panel
 * times its value in every row
 */
#ifndef INGOT_TILE_BODY_H
#define INGOT_TILE_BODY_H

#include "runtime/kernels/tiles.h"

enum { PAIR_BYTES_f32 = 128, PAIR_BYTES_f16 = 64, PAIR_BYTES_bf16 = 64 };

enum { RESIDENT_PAIRS = 4 }; /* unrolled where nothing but the CPU bounds a tile */

/* A pair of inputs. The first four arguments are constants after inlining. */
TILE_BODY void tile_pair(load_fn *load, size_t n_panels, size_t n_rows, chains chain[][TILE_MAX_ROWS],
                         const uint8_t *pair, size_t panel_bytes, const float *x)
{
    tile_input(load, n_panels, n_rows, chain, pair, panel_bytes, 0, x);
    tile_forget_loads();
    tile_input(load, n_panels, n_rows, chain, pair, panel_bytes, 1, x + 1);
}

/* The first six arguments are constants after inlining. What `continues` is attention's: stretches of some KiB, which
 * come to one row faster without prefetches. */
TILE_BODY void tile(load_fn *load, bool continues, bool resident, size_t pair_bytes, size_t n_panels, size_t n_rows,
                    const uint8_t *w, size_t panel_bytes, size_t n_k, const float *x, float *y, size_t y_stride,
                    size_t ahead)
{
    const bool prefetches = !resident && (!continues || n_rows > 1);
    chains chain[TILE_MAX_PANELS][TILE_MAX_ROWS];
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++) {
        TILE_UNROLL
        for (size_t r = 0; r < n_rows; r++)
            chain[p][r] = continues ? load_chains(y + r * y_stride + p * INGOT_PANEL_LANES) : zero_chains();
    }
    size_t k = 0;
    for (; resident && k + 2 * RESIDENT_PAIRS <= n_k; k += 2 * RESIDENT_PAIRS, w += RESIDENT_PAIRS * pair_bytes) {
        TILE_UNROLL
        for (size_t i = 0; i < RESIDENT_PAIRS; i++)
            tile_pair(load, n_panels, n_rows, chain, w + i * pair_bytes, panel_bytes, x + k + 2 * i);
    }
    for (; k + 2 <= n_k; k += 2, w += pair_bytes) {
        TILE_UNROLL
        for (size_t p = 0; p < n_panels && prefetches; p++) tile_prefetch(w + p * panel_bytes, ahead, pair_bytes);
        tile_pair(load, n_panels, n_rows, chain, w, panel_bytes, x + k);
    }
    if (k < n_k) tile_input(load, n_panels, n_rows, chain, w, panel_bytes, 0, x + k);
    TILE_UNROLL
    for (size_t p = 0; p < n_panels; p++) {
        TILE_UNROLL
        for (size_t r = 0; r < n_rows; r++) {
            float *out = y + r * y_stride + p * INGOT_PANEL_LANES;
            store_chains(out, continues ? chain[p][r] : add_chains(load_chains(out), chain[p][r]));
        }
    }
}

/* The tile_fns of one height for one kernel. */
#define TILE_FUNCTION(name, rows, panels, dtype, continues, resident)                                                  \
    static void name(const uint8_t *w, size_t panel_bytes, size_t n_k, const float *x, float *y, size_t y_stride,      \
                     size_t ahead)                                                                                     \
    {                                                                                                                  \
        tile(load_##dtype, continues, resident, PAIR_BYTES_##dtype, panels, rows, w, panel_bytes, n_k, x, y, y_stride, \
             ahead);                                                                                                   \
    }
#define TILE_DEFINE(rows, panels, kernel, dtype, continues)                                                            \
    TILE_FUNCTION(kernel##_##rows##_wide, rows, panels, dtype, continues, false)                                       \
    TILE_FUNCTION(kernel##_##rows##_one, rows, 1, dtype, continues, false)
#define TILE_ENTRY(rows, panels, kernel, dtype, continues)                                                             \
    { rows, panels, kernel##_##rows##_wide, kernel##_##rows##_one },

#define TILE_DEFINE_RESIDENT(rows, panels, kernel, dtype, continues)                                                   \
    TILE_FUNCTION(kernel##_resident, rows, panels, dtype, continues, true)
#define TILE_ENTRY_RESIDENT(rows, panels, kernel, dtype, continues) .resident = kernel##_resident,

/* Everything for one kernel over one dtype, from the file's list TILE_HEIGHTS(X, ...) of X(rows, panels, ...), and its
 * TILE_RESIDENT(X, ...), which is the first of the list, or nothing. With TILE_SET_WIDENED many rows take the weights
 * as floats and the tiles of the kernel `of_f32`; for it the file says
 *
 *   widened(load, pair, odd)   all 16 weights of an input, as chains are kept */
#define TILE_SET(kernel, dtype, continues) TILE_SET_OF(kernel, dtype, continues, NULL, NULL)
#define TILE_SET_WIDENED(kernel, dtype, of_f32)                                                                        \
    static void widen_##dtype(const uint8_t *w, size_t n_k, float(*to)[INGOT_PANEL_LANES], size_t ahead)               \
    {                                                                                                                  \
        size_t k = 0;                                                                                                  \
        for (; k + 2 <= n_k; k += 2, w += PAIR_BYTES_##dtype) {                                                        \
            tile_prefetch(w, ahead, PAIR_BYTES_##dtype);                                                               \
            store_chains(to[k], widened(load_##dtype, w, 0));                                                          \
            store_chains(to[k + 1], widened(load_##dtype, w, 1));                                                      \
        }                                                                                                              \
        if (k < n_k) store_chains(to[k], widened(load_##dtype, w, 0));                                                 \
    }                                                                                                                  \
    TILE_SET_OF(kernel, dtype, false, &tiles_##of_f32, widen_##dtype)
#define TILE_SET_OF(kernel, dtype, continues, of_f32_, widen_)                                                         \
    TILE_HEIGHTS(TILE_DEFINE, kernel, dtype, continues)                                                                \
    TILE_RESIDENT(TILE_DEFINE_RESIDENT, kernel, dtype, continues)                                                      \
    static const struct tile_set tiles_##kernel = { .input_bytes = PAIR_BYTES_##dtype / 2,                             \
                                                    .of_f32 = of_f32_,                                                 \
                                                    .widen = widen_,                                                   \
                                                    .height = { TILE_HEIGHTS(TILE_ENTRY, kernel, dtype, continues) },  \
                                                    TILE_RESIDENT(TILE_ENTRY_RESIDENT, kernel, dtype, continues) };    \
    static void kernel(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const float *x,                \
                       size_t x_stride, size_t n_rows, float *y, size_t y_stride)                                      \
    {                                                                                                                  \
        panels_by_tiles(&tiles_##kernel, w, panel_bytes, n_panels, n_in, x, x_stride, n_rows, y, y_stride);            \
    }

#endif

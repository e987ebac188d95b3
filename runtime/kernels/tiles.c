/*
 * tiles.c - cuts "panels times rows" into tiles.
 *
 *   for a group of panels
 *       for a block of inputs
 *           for a tile of rows                  x of the tile is copied together: 12 rows that are a power of two apart
 *               for the panels of the group     would fall into the same few sets of the first-level cache
 *
 * When all rows fit one tile, a group is just one tile wide, so that memory is read in straight streams; otherwise a
 * group is as many panels as have their block in the second-level cache while the row tiles pass.
 */
#include "runtime/kernels/tiles.h"

#include <string.h>

enum { GROUP_PANELS = 16 }; /* a multiple of every tile's panels; 16 x 256 inputs x 64 bytes = 256 KiB */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The tallest tiles that do not exceed n_rows. */
static const struct tile_height *pick_height(const struct tile_set *tiles, size_t n_rows)
{
    const struct tile_height *height = tiles->height;
    while (height->rows > n_rows) height++;
    return height;
}

/* One block of inputs: n_panels panels times the rows of one tile. */
static void run_block(const struct tile_height *height, const uint8_t *w, size_t panel_bytes, size_t n_panels,
                      size_t n_k, const float *x, float *y, size_t y_stride, size_t ahead)
{
    size_t p = 0;
    for (; p + height->panels <= n_panels; p += height->panels)
        height->wide(w + p * panel_bytes, panel_bytes, n_k, x, y + p * INGOT_PANEL_LANES, y_stride, ahead);
    for (; p < n_panels; p++)
        height->one(w + p * panel_bytes, panel_bytes, n_k, x, y + p * INGOT_PANEL_LANES, y_stride, ahead);
}

static void copy_rows(float *tile, const float *x, size_t x_stride, size_t n_rows, size_t n_k)
{
    for (size_t r = 0; r < n_rows; r++) memcpy(tile + r * TILE_X_STRIDE, x + r * x_stride, n_k * sizeof *x);
}

/* One group of panels, all inputs, all rows. */
static void run_group(const struct tile_set *tiles, const uint8_t *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                      const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    _Alignas(64) float x_tile[TILE_MAX_ROWS * TILE_X_STRIDE];
    const struct tile_height *height;

    for (size_t k = 0; k < n_in; k += TILE_INPUTS) {
        const size_t n_k = min_size(n_in - k, TILE_INPUTS);
        /* Prefetch the next block; after the last one that is the first of the next group. */
        const bool last = n_in - k <= TILE_INPUTS;
        const size_t ahead = last ? n_panels * panel_bytes - k * tiles->input_bytes : TILE_INPUTS * tiles->input_bytes;
        for (size_t r = 0; r < n_rows; r += height->rows) {
            height = pick_height(tiles, n_rows - r);
            const float *rows = x + r * x_stride + k;
            if (height->rows > 1) {
                copy_rows(x_tile, rows, x_stride, height->rows, n_k);
                rows = x_tile;
            }
            run_block(height, w + k * tiles->input_bytes, panel_bytes, n_panels, n_k, rows, y + r * y_stride, y_stride,
                      ahead);
        }
    }
}

void panels_by_tiles(const struct tile_set *tiles, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                     const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    if (n_rows == 0) return;
    const struct tile_height *height = pick_height(tiles, n_rows);
    const size_t group = height->rows == n_rows ? height->panels : GROUP_PANELS;
    for (size_t p = 0; p < n_panels; p += group)
        run_group(tiles, (const uint8_t *)w + p * panel_bytes, panel_bytes, min_size(group, n_panels - p), n_in, x,
                  x_stride, n_rows, y + p * INGOT_PANEL_LANES, y_stride);
}

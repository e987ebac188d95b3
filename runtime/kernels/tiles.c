/*
 * tiles.c - cuts "panels times rows" into tiles.
 *
 *   for a group of panels
 *       for a block of inputs
 *           for a tile of rows                  x of the tile is copied together: 12 rows that are a power of two apart
 *               for the panels of the group     would fall into the same few sets of the first-level cache
 *
 * When all rows fit one tile, a group is just one tile wide, so that memory is read in straight streams; otherwise a
 * group is as many panels as have their block in the second-level cache while the row tiles pass. For many rows weights
 * of 16 bits are widened there once, not by each tile.
 */
#include "runtime/kernels/tiles.h"

#include <string.h>

enum {
    GROUP_PANELS = 16, /* a multiple of every tile's panels; 16 x 256 inputs x 64 bytes = 256 KiB */
    WIDE_PANELS = 8,   /* of a group that is widened: 128 KiB, on the stack */
    WIDE_TILES = 3,    /* row tiles from which on that pays */
};

/* A group of panels times all rows. */
struct group {
    const struct tile_set *tiles;
    const uint8_t *w;
    size_t panel_bytes, n_panels;
    const float *x;
    size_t x_stride, n_rows;
    float *y;
    size_t y_stride;
};

/* The tallest tiles that do not exceed n_rows >= 1. */
static const struct tile_height *pick_height(const struct tile_set *tiles, size_t n_rows)
{
    const struct tile_height *height = tiles->height;
    while (height->rows > n_rows) height++;
    return height;
}

/* All panels of the group times the rows of one tile, n_k inputs from where w points. x holds these inputs of these
 * rows. */
static void run_panels(const struct group *g, const struct tile_height *height, const uint8_t *w, size_t n_k,
                       const float *x, float *y, size_t ahead)
{
    size_t p = 0;
    for (; p + height->panels <= g->n_panels; p += height->panels)
        height->wide(w + p * g->panel_bytes, g->panel_bytes, n_k, x, y + p * INGOT_PANEL_LANES, g->y_stride, ahead);
    for (; p < g->n_panels; p++)
        height->one(w + p * g->panel_bytes, g->panel_bytes, n_k, x, y + p * INGOT_PANEL_LANES, g->y_stride, ahead);
}

/* All panels times all rows, one block of inputs: from input k on, whose weights in the first panel are at w. */
static void run_block(const struct group *g, const uint8_t *w, size_t k, size_t n_k, size_t ahead)
{
    _Alignas(64) float together[TILE_MAX_ROWS * TILE_X_STRIDE];
    for (size_t r = 0; r < g->n_rows;) {
        const struct tile_height *height = pick_height(g->tiles, g->n_rows - r);
        const float *x = g->x + r * g->x_stride + k;
        if (height->rows > 1) {
            for (size_t i = 0; i < height->rows; i++)
                memcpy(together + i * TILE_X_STRIDE, x + i * g->x_stride, n_k * sizeof *x);
            x = together;
        }
        run_panels(g, height, w, n_k, x, g->y + r * g->y_stride, ahead);
        r += height->rows;
    }
}

/* run_block() over floats of the weights. */
static void run_widened(const struct group *g, const uint8_t *w, size_t k, size_t n_k, size_t ahead)
{
    _Alignas(64) float floats[WIDE_PANELS][TILE_INPUTS][INGOT_PANEL_LANES];
    struct group wide = *g;
    for (size_t p = 0; p < g->n_panels; p++) g->tiles->widen(w + p * g->panel_bytes, n_k, floats[p], ahead);
    wide.tiles = g->tiles->of_f32;
    wide.panel_bytes = sizeof floats[0];
    run_block(&wide, (const uint8_t *)floats, k, n_k, 0);
}

/* While a block is read, the next one is prefetched; after the last one that is the first of the group behind. */
static void run_group(const struct group *g, size_t n_in, bool widens)
{
    const size_t input_bytes = g->tiles->input_bytes;
    for (size_t k = 0; k < n_in; k += TILE_INPUTS) {
        const bool last = n_in - k <= TILE_INPUTS;
        const size_t ahead = last ? g->n_panels * g->panel_bytes - k * input_bytes : TILE_INPUTS * input_bytes;
        (widens ? run_widened : run_block)(g, g->w + k * input_bytes, k, last ? n_in - k : TILE_INPUTS, ahead);
    }
}

void panels_by_tiles(const struct tile_set *tiles, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                     const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    if (n_rows == 0) return;
    const struct tile_height *height = pick_height(tiles, n_rows);
    const bool widens = tiles->widen && n_rows >= WIDE_TILES * height->rows;
    const size_t most = height->rows == n_rows ? height->panels : widens ? WIDE_PANELS : GROUP_PANELS;
    struct group group = {
        .tiles = tiles,
        .panel_bytes = panel_bytes,
        .x = x,
        .x_stride = x_stride,
        .n_rows = n_rows,
        .y_stride = y_stride,
    };
    for (size_t p = 0; p < n_panels; p += group.n_panels) {
        group.n_panels = n_panels - p < most ? n_panels - p : most;
        group.w = (const uint8_t *)w + p * panel_bytes;
        group.y = y + p * INGOT_PANEL_LANES;
        run_group(&group, n_in, widens);
    }
}

/*
 * tiles.c - cuts "panels times rows" into tiles.
 *
 *   few rows                                       many rows
 *   for a group of panels                          for a part of the rows
 *       for a block of inputs                          for a block of inputs      gathered of these rows
 *           for a tile of rows                             for a tile's panels
 *               for the panels of the group                    for a tile of rows
 *
 * x of a tile's rows is copied together: 12 rows that are a power of two apart would fall into the same few sets of the
 * first-level cache. When all rows fit one tile, a group is just one tile wide, so that memory is read in straight
 * streams; otherwise it is as many panels as have their block in the second-level cache while the row tiles pass.
 *
 * With many rows it is the weights of a tile that stay in the first-level cache, and the rows pass from the second: an
 * input has 64 bytes of weights and 24 of the rows of a tile. Nobody prefetches there but between two tiles: it would
 * fetch the same lines for each of them, and an instruction less counts where another hardware thread shares the core.
 * Weights of 16 bits may be widened first, once for all tiles.
 */
#include "runtime/kernels/tiles.h"

#include <assert.h>
#include <string.h>

enum {
    GROUP_PANELS = 16, /* a multiple of every tile's panels; 16 x 256 inputs x 64 bytes = 256 KiB */
    MANY_TILES = 3,    /* row tiles from which on rows are many */
    MANY_ROWS = 132,   /* in a part, a multiple of every tile's rows; their block takes 140 KiB of the stack */
    MANY_PANELS = 2,   /* at most so many in a tile of many rows */
};

static_assert(MANY_ROWS % TILE_MAX_ROWS == 0, "only the last part has rows that fill no tile");

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

/* While a block is read, the next one is prefetched; after the last one that is the first of the group behind. */
static void run_group(const struct group *g, size_t n_in)
{
    const size_t input_bytes = g->tiles->input_bytes;
    for (size_t k = 0; k < n_in; k += TILE_INPUTS) {
        const bool last = n_in - k <= TILE_INPUTS;
        const size_t ahead = last ? g->n_panels * g->panel_bytes - k * input_bytes : TILE_INPUTS * input_bytes;
        run_block(g, g->w + k * input_bytes, k, last ? n_in - k : TILE_INPUTS, ahead);
    }
}

/* ------------------------------------------------------------------------------------------------------- many rows */

/* In each panel bytes from .. to, counted from w + ahead. */
static void prefetch_panels(const struct group *g, const uint8_t *w, size_t ahead, size_t from, size_t to)
{
    for (size_t p = 0; p < g->n_panels; p++)
        for (size_t at = from / 64 * 64; at < to; at += 64) tile_prefetch(w + p * g->panel_bytes, ahead + at, 64);
}

/* One block of the panels of a tile times all rows of the part. x holds these inputs of the rows. In each panel
 * n_ahead bytes are wanted after these, `ahead` bytes further on. */
static void run_rows(const struct group *g, const uint8_t *w, size_t n_k, const float *x, size_t ahead, size_t n_ahead)
{
    for (size_t r = 0; r < g->n_rows;) {
        const struct tile_height *height = pick_height(g->tiles, g->n_rows - r);
        float *y = g->y + r * g->y_stride;
        if (height == g->tiles->height && g->n_panels == height->panels) {
            prefetch_panels(g, w, ahead, n_ahead * r / g->n_rows, n_ahead * (r + height->rows) / g->n_rows);
            (g->tiles->resident ? g->tiles->resident : height->wide)(w, g->panel_bytes, n_k, x + r * TILE_X_STRIDE, y,
                                                                     g->y_stride, 0);
        } else {
            run_panels(g, height, w, n_k, x + r * TILE_X_STRIDE, y, 0);
        }
        r += height->rows;
    }
}

/* run_rows() over floats of the weights; to widen them prefetches those that are wanted next. */
static void run_rows_widened(const struct group *g, const uint8_t *w, size_t n_k, const float *x, size_t ahead)
{
    _Alignas(64) float floats[MANY_PANELS][TILE_INPUTS][INGOT_PANEL_LANES];
    struct group wide = *g;
    for (size_t p = 0; p < g->n_panels; p++) g->tiles->widen(w + p * g->panel_bytes, n_k, floats[p], ahead);
    wide.tiles = g->tiles->of_f32;
    wide.panel_bytes = sizeof floats[0];
    run_rows(&wide, (const uint8_t *)floats, n_k, x, 0, 0);
}

/* All panels times one part of the rows. */
static void run_part(const struct group *part, size_t n_in)
{
    _Alignas(64) float together[MANY_ROWS * TILE_X_STRIDE];
    const size_t input_bytes = part->tiles->input_bytes, n_each = part->tiles->height->panels;
    for (size_t k = 0; k < n_in; k += TILE_INPUTS) {
        const size_t n_k = n_in - k < TILE_INPUTS ? n_in - k : TILE_INPUTS;
        for (size_t r = 0; r < part->n_rows; r++)
            memcpy(together + r * TILE_X_STRIDE, part->x + r * part->x_stride + k, n_k * sizeof *together);
        struct group g = *part;
        for (size_t p = 0; p < part->n_panels; p += g.n_panels) {
            const uint8_t *w = part->w + p * part->panel_bytes + k * input_bytes;
            g.n_panels = part->n_panels - p < n_each ? part->n_panels - p : n_each;
            g.y = part->y + p * INGOT_PANEL_LANES;
            if (g.tiles->widen)
                run_rows_widened(&g, w, n_k, together, g.n_panels * g.panel_bytes);
            else
                run_rows(&g, w, n_k, together, g.n_panels * g.panel_bytes, n_k * input_bytes);
        }
    }
}

static void run_parts(const struct group *all, size_t n_in)
{
    struct group part = *all;
    for (size_t r = 0; r < all->n_rows; r += part.n_rows) {
        part.n_rows = all->n_rows - r < MANY_ROWS ? all->n_rows - r : MANY_ROWS;
        part.x = all->x + r * all->x_stride;
        part.y = all->y + r * all->y_stride;
        run_part(&part, n_in);
    }
}

void panels_by_tiles(const struct tile_set *tiles, const void *w, size_t panel_bytes, size_t n_panels, size_t n_in,
                     const float *x, size_t x_stride, size_t n_rows, float *y, size_t y_stride)
{
    if (n_rows == 0) return;
    const struct tile_height *height = pick_height(tiles, n_rows);
    const bool many = n_rows >= MANY_TILES * tiles->height->rows;
    const size_t most = many ? n_panels : height->rows == n_rows ? height->panels : GROUP_PANELS;
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
        (many ? run_parts : run_group)(&group, n_in);
    }
}

/*
 * quant_tiles.c - cuts integer products into tiles.
 *
 *   for some rows
 *       for a group of panels
 *           for a piece of the inputs           of these rows it is gathered
 *               for the panels of the group
 *                   for a tile of rows
 *
 * When all rows fit one tile, a group is a few panels that take turns block by block, so that memory is read in several
 * straight streams; otherwise a group is all panels, and each stays in the first-level cache while the row tiles pass.
 */
#include "runtime/kernels/quant_tiles.h"

#include <string.h>

enum {
    STREAMS = 4,      /* panels that take turns */
    GATHER_ROWS = 48, /* 30 KiB: a share of the second-level cache, and no more than a stack has */
};

/* Some panels times some rows. */
struct group {
    const struct quant_tile_set *tiles;
    const uint8_t *w;
    size_t panel_bytes, n_panels, n_blocks;
    struct quant_rows x; /* from the group's first row on */
    size_t n_rows;
    float *y;
    size_t y_stride;
};

static size_t ceil_div(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* n_blocks of every row from block `b` on. The codes of a last step's missing block are there as well. */
static void gather(const struct group *g, size_t b, size_t n_blocks, struct quant_piece *pieces)
{
    for (size_t r = 0; r < g->n_rows; r++) {
        struct quant_piece *piece = pieces + r;
        const size_t at = r * g->x.block_stride + b;
        memcpy(piece->codes, g->x.codes + r * g->x.code_stride + b * INGOT_QUANT_BLOCK, n_blocks * INGOT_QUANT_BLOCK);
        memcpy(piece->scales, g->x.scales + at, n_blocks * sizeof *piece->scales);
        for (size_t i = 0; i < n_blocks; i++) piece->starts[i] = -g->tiles->zero * g->x.sums[at + i];
    }
}

/* All panels times all rows, one piece of the inputs. w and ahead as in quant_tile_fn. */
static void run_piece(const struct group *g, const uint8_t *w, size_t n_blocks, const struct quant_piece *pieces,
                      size_t ahead)
{
    const size_t n_tiles = ceil_div(g->n_rows, g->tiles->max_rows);
    const size_t n_together = n_tiles == 1 ? STREAMS : 1;
    for (size_t p = 0; p < g->n_panels; p += n_together)
        for (size_t t = 0; t < n_tiles; t++) {
            const size_t r = g->n_rows * t / n_tiles, r_end = g->n_rows * (t + 1) / n_tiles;
            g->tiles->tile[r_end - r](w + p * g->panel_bytes, g->panel_bytes, lesser(n_together, g->n_panels - p),
                                      n_blocks, pieces + r, g->y + r * g->y_stride + p * INGOT_PANEL_LANES, g->y_stride,
                                      ahead);
        }
}

/* While a piece is read, the next one is prefetched; after the last one that is the first of the panels behind. */
static void run_group(const struct group *g, size_t n_panels_behind)
{
    struct quant_piece pieces[GATHER_ROWS];
    for (size_t b = 0; b < g->n_blocks; b += QUANT_TILE_BLOCKS) {
        const size_t n_blocks = lesser(g->n_blocks - b, QUANT_TILE_BLOCKS);
        const size_t offset = b / 2 * g->tiles->step_bytes;
        const bool last = b + n_blocks == g->n_blocks;
        gather(g, b, n_blocks, pieces);
        run_piece(g, g->w + offset, n_blocks, pieces,
                  last ? n_panels_behind * g->panel_bytes - offset : QUANT_TILE_BLOCKS / 2 * g->tiles->step_bytes);
    }
}

void panels_by_quant_tiles(const struct quant_tile_set *tiles, const void *w, size_t panel_bytes, size_t n_panels,
                           size_t n_in, const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)
{
    const size_t most_panels = n_rows <= tiles->max_rows ? STREAMS : n_panels;
    const size_t n_parts = ceil_div(n_rows, GATHER_ROWS);
    for (size_t part = 0; part < n_parts; part++) {
        const size_t r = n_rows * part / n_parts, r_end = n_rows * (part + 1) / n_parts;
        struct group group = {
            .tiles = tiles,
            .panel_bytes = panel_bytes,
            .n_blocks = ceil_div(n_in, INGOT_QUANT_BLOCK),
            .x = *x,
            .n_rows = r_end - r,
            .y_stride = y_stride,
        };
        group.x.codes += r * x->code_stride;
        group.x.scales += r * x->block_stride;
        group.x.sums += r * x->block_stride;
        for (size_t p = 0; p < n_panels; p += most_panels) {
            group.n_panels = lesser(n_panels - p, most_panels);
            group.w = (const uint8_t *)w + p * panel_bytes;
            group.y = y + r * y_stride + p * INGOT_PANEL_LANES;
            run_group(&group, group.n_panels);
        }
    }
}

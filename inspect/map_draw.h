/* map_draw.h - the bytes of files to scale: as rows of letters, and as a picture. */
#ifndef INGOT_MAP_DRAW_H
#define INGOT_MAP_DRAW_H

#include "inspect/cli/markup.h"
#include "inspect/regions.h"

/* One character of the drawing: n_bytes of the file from off on. */
struct map_cell {
    uint64_t off, n_bytes;
    enum region_kind kind; /* what most of its bytes are */
    bool resident;         /* most of them are in memory */
    bool damaged;          /* any of them */
};

/* Cuts a file into at most `most` cells of equal size (but for the last), none below 64 bytes. Returns how many.
 * `cells` has room for `most`, which is at least 1. */
size_t map_cells(const struct region_file *f, bool knows_resident, size_t most, struct map_cell *cells);

/* Rows of letters on stdout, as wide as the terminal lets them be. */
void map_print(const struct regions *r);

/* The picture as SVG, malloc'ed: `title` is hostile. */
char *map_svg(const struct regions *r, const char *title, size_t *n);

/* One file's rows alone, for a page that has the styles: as wide as there is room, each of row_bytes, at least 1. Many
 * small regions in a row are one path, so that the number of these is bounded. */
void map_svg_strip(struct markup *s, const struct regions *r, const struct region_file *f, uint64_t row_bytes);

#endif

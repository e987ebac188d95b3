/* treemap.h - areas as rectangles, as nearly square as they get. */
#ifndef INGOT_TREEMAP_H
#define INGOT_TREEMAP_H

#include <stddef.h>

struct treemap_rect {
    double x, y, w, h;
};

/* Divides `into` among areas[0 .. n), which are positive, each by its share of their sum. In descending order they
 * become the most nearly square. */
void treemap_lay(const double *areas, size_t n, struct treemap_rect into, struct treemap_rect *out);

#endif

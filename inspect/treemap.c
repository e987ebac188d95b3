/* treemap.c - squarified treemaps (Bruls, Huizing, van Wijk 2000): a row along the shorter side is as long as that
 * makes its worst rectangle better. */
#include "inspect/treemap.h"

#include <math.h>
#include <stdbool.h>

/* How far from square the worst rectangle is in a row of the given sum along a side. */
static double worst(double largest, double smallest, double sum, double side)
{
    double s = side * side / (sum * sum);
    return fmax(largest * s, 1 / (smallest * s));
}

/* How many of the areas the next row takes, and their sum. `unit` is what one of an area is in the plane. */
static size_t next_row(const double *areas, size_t n, double unit, double side, double *sum)
{
    size_t k = 1;
    *sum = areas[0];
    for (; k < n; k++) {
        double more = *sum + areas[k];
        if (worst(unit * areas[0], unit * areas[k], unit * more, side) >
            worst(unit * areas[0], unit * areas[k - 1], unit * *sum, side))
            break;
        *sum = more;
    }
    return k;
}

void treemap_lay(const double *areas, size_t n, struct treemap_rect into, struct treemap_rect *out)
{
    double left = 0, sum;
    for (size_t i = 0; i < n; i++) left += areas[i];
    for (size_t i = 0, k; i < n; i += k) {
        bool upright = into.w >= into.h; /* the row is a column at the left */
        double side = upright ? into.h : into.w, across = upright ? into.w : into.h, at = 0;
        k = next_row(areas + i, n - i, left > 0 ? into.w * into.h / left : 0, side, &sum);
        double depth = left > sum && i + k < n ? across * sum / left : across;
        for (size_t j = i; j < i + k; j++) {
            double length = side * areas[j] / sum;
            out[j] = upright ? (struct treemap_rect){ into.x, into.y + at, depth, length }
                             : (struct treemap_rect){ into.x + at, into.y, length, depth };
            at += length;
        }
        if (upright)
            into.x += depth, into.w -= depth;
        else
            into.y += depth, into.h -= depth;
        left -= sum;
    }
}

/* chart.h - counts as columns of blocks; on a terminal without UTF-8, of ever darker characters. */
#ifndef INGOT_CLI_CHART_H
#define INGOT_CLI_CHART_H

#include <stddef.h>
#include <stdint.h>

#define CHART_LINE_MAX(n_counts) (3 * (n_counts) + 1)

/* Line `line` of n_lines, the top one first, of a chart with one character a count: its height is the count's share of
 * the largest one, and what is not zero can be seen. Blanks at the end are left out. `out` has CHART_LINE_MAX bytes. */
const char *chart_line(const uint64_t *counts, size_t n, size_t line, size_t n_lines, char *out);

#endif

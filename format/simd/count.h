/*
 * count.h - matrices of bf16 numbers, counted value by value.
 *
 * There are only 65536 such numbers, and weights are some thousands of them. How often each occurs tells all that
 * statistics want to know but the rows and columns that it stands in, so a value takes one addition to a table and its
 * square; sums, extremes and everything that is not finite come out of the table (inspect/stats_counts.c). With f16,
 * which has eight times as many numbers to an octave, the table does not fit into the first-level cache, and is slower
 * than bins are.
 */
#ifndef INGOT_COUNT_H
#define INGOT_COUNT_H

#include "format/simd/scan.h"

#define COUNT_VALUES (UINT32_C(1) << 16)

/* How the values of a panel stand (struct scan_panel): in 16 rows, or in pairs of columns, where the two of an even
 * column and of the one behind it lie side by side (an odd number of columns ends with a pair too). */
enum count_form { COUNT_ROWS, COUNT_PAIRS, COUNT_FORMS };

/* Adds to counts[COUNT_VALUES] by the bits of each value, and the squares of those that are finite to row_squares and
 * col_squares, in the order of scan_panel_fn. */
typedef void count_panel_fn(const struct scan_panel *panel, uint32_t *counts, double *row_squares, double *col_squares);

/* The definition. */
extern count_panel_fn *const count_panel_by_definition[COUNT_FORMS];
#if defined(__x86_64__)
extern count_panel_fn *const count_panel_avx2[COUNT_FORMS];
#endif

/* The best that runs here. */
count_panel_fn *count_panel_select(enum count_form form);

/* The squares alone, one value at a time. */
void count_squares(enum count_form form, const struct scan_panel *panel, double *row_squares, double *col_squares);

#endif

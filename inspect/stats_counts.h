/* stats_counts.h - out of a table of how often each bf16 number occurs: the tally of all of them, and their bins. */
#ifndef INGOT_STATS_COUNTS_H
#define INGOT_STATS_COUNTS_H

#include "inspect/stats_figures.h"

#define STATS_COUNTED_MAX (UINT64_C(1) << 21) /* numbers in a table */

/* counts[COUNT_VALUES] (format/simd/count.h) of bf16 numbers are added to the tally and to bins[SCAN_BINS], and
 * are zero afterwards. Denormals are left to the bins. */
void stats_take_counts(uint32_t *counts, struct stats_tally *tally, uint32_t *bins);

#endif

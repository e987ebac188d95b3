/* stats_figures.h - figures out of sums: what stats.c makes of the tallies and bins of a tensor's runs. */
#ifndef INGOT_STATS_FIGURES_H
#define INGOT_STATS_FIGURES_H

#include "inspect/stats.h"

/* The sums of any number of values. */
struct stats_tally {
    uint64_t n, n_finite, n_zero, n_denormal, n_nan, n_pos_inf, n_neg_inf;
    double min, max, abs_min, abs_max; /* abs_min of those that are not zero */
    double sum, sum_low;               /* their sum is the sum */
    double m2;                         /* of the squares of what differs from the mean, by 4^-scan_scale(abs_max) */
};

extern const struct stats_tally stats_no_values;

void stats_add_tally(struct stats_tally *t, const struct stats_tally *more);

/* Bins (format/simd/scan.h) of which the tally tells the range: `from` is added to `to`, and is zero afterwards. */
void stats_add_bins(uint64_t *to, uint32_t *from, const struct stats_tally *range);
void stats_pass_bins_on(uint64_t *to, uint64_t *from, const struct stats_tally *range);

/* How many values that are not zero lie below `tiny`, where a bin begins; none of them is in the first bin. */
uint64_t stats_count_below(const uint64_t *bins, const struct stats_tally *range, double tiny);

/* `octaves` is added to. */
struct stats_figures stats_figures_of(const struct stats_tally *t, const uint64_t *bins,
                                      uint64_t octaves[STATS_OCTAVES]);

/* Of the sums of the squares of n rows or columns, which become norms. */
struct stats_lines stats_lines_of(double *squares, uint64_t n);

#endif

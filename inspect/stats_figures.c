/* stats_figures.c - tallies are added; bins, which are many and mostly empty, are walked by octaves of 256: additions
 * of a known number of neighbours, several at once. */
#include "inspect/stats_figures.h"

#include "format/simd/scan.h"
#include "inspect/cli/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OCTAVE_BINS 256u

const unsigned stats_permille[STATS_QUANTILES] = { 500, 900, 990, 999 };

/* ----------------------------------------------------------------------------------------------------- tallies */

const struct stats_tally stats_no_values = { .min = INFINITY, .max = -INFINITY, .abs_min = INFINITY };

static double mean_of(const struct stats_tally *t)
{
    return (t->sum + t->sum_low) / (double)t->n_finite;
}

/* What a + b loses goes to the low part (Knuth, The Art of Computer Programming 2, 4.2.2, theorem B). */
static void add_sum(struct stats_tally *t, double b)
{
    double sum = t->sum + b, part = sum - t->sum, lost = (t->sum - (sum - part)) + (b - part);
    if (isfinite(lost)) t->sum_low += lost;
    t->sum = sum;
}

static double m2_in_scale(const struct stats_tally *t, int scale)
{
    const int own = scan_scale(t->abs_max);
    return own == scale ? t->m2 : ldexp(t->m2, 2 * (own - scale));
}

/* Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979. */
static void add_m2(struct stats_tally *t, const struct stats_tally *more)
{
    const double a = (double)t->n_finite, b = (double)more->n_finite;
    const int scale = scan_scale(fmax(t->abs_max, more->abs_max));
    t->m2 = m2_in_scale(t, scale) + m2_in_scale(more, scale);
    if (t->n_finite == 0 || more->n_finite == 0) return;
    double apart = mean_of(more) - mean_of(t);
    if (scale != 0) apart = ldexp(apart, -scale);
    t->m2 += apart * apart * (a / (a + b) * b);
}

void stats_add_tally(struct stats_tally *t, const struct stats_tally *more)
{
    add_m2(t, more);
    add_sum(t, more->sum);
    t->sum_low += more->sum_low;
    t->n += more->n;
    t->n_finite += more->n_finite;
    t->n_zero += more->n_zero;
    t->n_denormal += more->n_denormal;
    t->n_nan += more->n_nan;
    t->n_pos_inf += more->n_pos_inf;
    t->n_neg_inf += more->n_neg_inf;
    t->min = fmin(t->min, more->min);
    t->max = fmax(t->max, more->max);
    t->abs_min = fmin(t->abs_min, more->abs_min);
    t->abs_max = fmax(t->abs_max, more->abs_max);
}

/* -------------------------------------------------------------------------------------------------------- bins */

/* The octave of zero, and then those from the smallest magnitude up: most tensors have few of all. */
static uint32_t next_octave(const struct stats_tally *range, uint32_t octave)
{
    uint32_t low = octave == 0 ? scan_bin(range->abs_min) / OCTAVE_BINS : 0;
    return low > 0 ? low : octave + 1;
}

static uint32_t last_octave(const struct stats_tally *range)
{
    return scan_bin(range->abs_max) / OCTAVE_BINS;
}

static void add_octave(uint64_t *restrict to, uint32_t *restrict from)
{
    for (size_t i = 0; i < OCTAVE_BINS; i++) to[i] += from[i];
    memset(from, 0, OCTAVE_BINS * sizeof *from);
}

static void pass_octave_on(uint64_t *restrict to, uint64_t *restrict from)
{
    for (size_t i = 0; i < OCTAVE_BINS; i++) to[i] += from[i];
    memset(from, 0, OCTAVE_BINS * sizeof *from);
}

static uint64_t count_octave(const uint64_t *bins)
{
    uint64_t n = 0;
    for (size_t i = 0; i < OCTAVE_BINS; i++) n += bins[i] + bins[i + SCAN_SIGN];
    return n;
}

void stats_add_bins(uint64_t *to, uint32_t *from, const struct stats_tally *range)
{
    for (uint32_t octave = 0; octave <= last_octave(range); octave = next_octave(range, octave))
        for (size_t at = octave * OCTAVE_BINS; at < SCAN_BINS; at += SCAN_SIGN) add_octave(to + at, from + at);
}

void stats_pass_bins_on(uint64_t *to, uint64_t *from, const struct stats_tally *range)
{
    for (uint32_t octave = 0; octave <= last_octave(range); octave = next_octave(range, octave))
        for (size_t at = octave * OCTAVE_BINS; at < SCAN_BINS; at += SCAN_SIGN) pass_octave_on(to + at, from + at);
}

uint64_t stats_count_below(const uint64_t *bins, const struct stats_tally *range, double tiny)
{
    const uint32_t low = scan_bin(range->abs_min), end = scan_bin(tiny);
    uint64_t n = 0;
    for (uint32_t bin = low; bin < end; bin++) n += bins[bin] + bins[bin + SCAN_SIGN];
    return n;
}

/* ----------------------------------------------------------------------------------------------------- figures */

static double within(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* The bin of the value of `rank`, the least of all being number 1. All of them are in bins, unless someone wrote to the
 * file between the pass that counts the finite ones and the one that puts them there. */
static uint32_t bin_of_rank(const uint64_t *bins, const uint64_t octaves[STATS_OCTAVES], uint64_t rank)
{
    uint32_t octave = 0, bin;
    for (; octave < STATS_OCTAVES - 1 && rank > octaves[octave]; octave++) rank -= octaves[octave];
    const uint32_t last = (octave + 1) * OCTAVE_BINS - 1;
    for (bin = octave * OCTAVE_BINS; bin < last && rank > bins[bin] + bins[bin + SCAN_SIGN]; bin++)
        rank -= bins[bin] + bins[bin + SCAN_SIGN];
    return bin;
}

static void find_quantiles(const struct stats_tally *t, const uint64_t *bins, const uint64_t octaves[STATS_OCTAVES],
                           struct stats_figures *f)
{
    const uint64_t n = f->n_finite;
    for (size_t q = 0; q < STATS_QUANTILES; q++) {
        uint64_t rank = n / 1000 * stats_permille[q] + (n % 1000 * stats_permille[q] + 999) / 1000;
        double magnitude = scan_bin_magnitude(bin_of_rank(bins, octaves, rank));
        f->quantiles[q] = within(magnitude, f->n_zero ? 0 : t->abs_min, t->abs_max);
    }
}

/* Half of the width, so that that of all doubles is finite too. */
static size_t bar_of(double value, const struct stats_figures *f)
{
    double half = f->max / 2 - f->min / 2;
    double at = half > 0 ? (value / 2 - f->min / 2) / half * STATS_BARS : 0;
    return at < 0 ? 0 : at < STATS_BARS ? (size_t)at : STATS_BARS - 1;
}

/* The end of the bins that share a bar with `bin`: bars follow one another as magnitudes do, for rounding keeps their
 * order. Thirty searches cost less than a division for each of 10,000 bins. */
static uint32_t end_of_bar(uint32_t bin, uint32_t end, double sign, const struct stats_figures *f)
{
    const size_t bar = bar_of(sign * scan_bin_magnitude(bin), f);
    while (end - bin > 1) {
        uint32_t middle = bin + (end - bin) / 2;
        if (bar_of(sign * scan_bin_magnitude(middle), f) == bar)
            bin = middle;
        else
            end = middle;
    }
    return end;
}

/* Values of one sign that are not in the first bin, which is that of zero. */
static void draw_half(const struct stats_tally *t, const uint64_t *bins, double sign, struct stats_figures *f)
{
    const uint32_t low = scan_bin(t->abs_min), high = scan_bin(t->abs_max);
    for (uint32_t bin = low ? low : 1, end; bin <= high; bin = end) {
        uint64_t n = 0;
        end = end_of_bar(bin, high + 1, sign, f);
        for (uint32_t k = bin; k < end; k++) n += bins[k];
        f->histogram[bar_of(sign * scan_bin_magnitude(bin), f)] += n;
    }
}

static void draw(const struct stats_tally *t, const uint64_t *bins, struct stats_figures *f)
{
    f->histogram[bar_of(0, f)] += bins[0] + bins[SCAN_SIGN];
    draw_half(t, bins, 1, f);
    draw_half(t, bins + SCAN_SIGN, -1, f);
}

struct stats_figures stats_figures_of(const struct stats_tally *t, const uint64_t *bins,
                                      uint64_t octaves[STATS_OCTAVES])
{
    struct stats_figures f = {
        .n = t->n,
        .n_finite = t->n_finite,
        .n_zero = t->n_zero,
        .n_denormal = t->n_denormal,
        .n_nan = t->n_nan,
        .n_pos_inf = t->n_pos_inf,
        .n_neg_inf = t->n_neg_inf,
    };
    if (t->n_finite == 0) return f;
    f.min = t->min;
    f.max = t->max;
    f.abs_max = t->abs_max;
    f.mean = t->min == t->max ? t->min : mean_of(t);
    f.std = t->min == t->max ? 0 : ldexp(sqrt(t->m2 / (double)t->n_finite), scan_scale(t->abs_max));
    for (uint32_t octave = 0; octave <= last_octave(t); octave = next_octave(t, octave))
        octaves[octave] += count_octave(bins + (size_t)octave * OCTAVE_BINS);
    find_quantiles(t, bins, octaves, &f);
    draw(t, bins, &f);
    octaves[0] -= f.n_zero;
    return f;
}

bool stats_used_octaves(const uint64_t octaves[STATS_OCTAVES], size_t *first, size_t *last)
{
    *first = STATS_OCTAVES;
    for (size_t i = 0; i < STATS_OCTAVES; i++) {
        if (!octaves[i]) continue;
        if (*first == STATS_OCTAVES) *first = i;
        *last = i;
    }
    return *first < STATS_OCTAVES;
}

/* ------------------------------------------------------------------------------------------------------- lines */

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The value of `rank` (0: the least) of n that are not negative, whose bits are thus in their order: byte by byte from
 * the top, those that share it with the wanted one stay in front. Sorting took as long as a tenth of the scan. */
static double value_of_rank(double *values, uint64_t n, uint64_t rank)
{
    for (unsigned shift = 64; shift > 0 && n > 1; shift -= 8) {
        uint64_t counts[256] = { 0 }, byte = 0, left = 0;
        for (uint64_t i = 0; i < n; i++) counts[bits_of(values[i]) >> (shift - 8) & 255]++;
        for (; rank >= counts[byte]; byte++) rank -= counts[byte];
        if (counts[byte] == n) continue;
        for (uint64_t i = 0; i < n; i++)
            if ((bits_of(values[i]) >> (shift - 8) & 255) == byte) values[left++] = values[i];
        n = left;
    }
    return values[0];
}

/* Of n >= 1 norms. The upper one of the middle two is the lower one again, or the least above it. */
static double median_of(const double *norms, uint64_t n)
{
    double *room = memory_array(n, sizeof *room), above = INFINITY;
    memcpy(room, norms, n * sizeof *room);
    const double low = value_of_rank(room, n, (n - 1) / 2);
    free(room);
    if (n % 2) return low;
    uint64_t n_not_above = 0;
    for (uint64_t i = 0; i < n; i++) {
        n_not_above += norms[i] <= low;
        if (norms[i] > low && norms[i] < above) above = norms[i];
    }
    return low / 2 + (n_not_above > n / 2 ? low : above) / 2;
}

/* The largest stay; of equal ones the first. */
static void add_outlier(struct stats_lines *lines, uint64_t index, double norm)
{
    uint64_t n = lines->n_outliers < STATS_OUTLIERS ? lines->n_outliers : STATS_OUTLIERS, at = n;
    while (at > 0 && lines->outliers[at - 1].norm < norm) at--;
    lines->n_outliers++;
    if (at == STATS_OUTLIERS) return;
    uint64_t behind = (n < STATS_OUTLIERS ? n : STATS_OUTLIERS - 1) - at;
    memmove(&lines->outliers[at + 1], &lines->outliers[at], behind * sizeof *lines->outliers);
    lines->outliers[at] = (struct stats_outlier){ index, norm };
}

struct stats_lines stats_lines_of(double *squares, uint64_t n)
{
    struct stats_lines lines = { .n = n };
    for (uint64_t i = 0; i < n; i++) {
        squares[i] = sqrt(squares[i]);
        if (squares[i] > lines.max) lines.max = squares[i];
    }
    lines.median = median_of(squares, n);
    for (uint64_t i = 0; i < n; i++)
        if (squares[i] > STATS_OUTLIER * lines.median) add_outlier(&lines, i, squares[i]);
    return lines;
}

/*
 * stats.h - figures of the values of tensors: one streaming pass, in parallel, the same bits on any number of threads.
 *
 * What is counted, exactly:
 * - min, max, mean, std and quantiles are those of the finite values; NaN and infinities are only counted.
 * - mean and std (of the population: divided by n) are sums in double, compensated. Squares beyond a double are made
 *   smaller by a power of two for std, not for norms, which are then infinite.
 * - A quantile q of |x| is the value of rank ceil(q n) in ascending order, rounded towards zero to 9 significant bits:
 *   too small by less than 1/256, exact for bf16, f8 and bytes; never outside of the range of |x|. Beyond the range of
 *   f32 it is that range's end.
 * - The histogram has STATS_BARS bars of equal width from min to max; the octaves count by the exponent of |x|. Both
 * are made of the same rounded values. One value alone is in the first bar.
 * - Denormal is what is one in the tensor's own dtype; elements of blocks are f32.
 * - The norm of a row or column is the square root of the sum of its squares. An outlier is one whose norm is more than
 *   STATS_OUTLIER times the median (of an even number: the mean of the middle two). They are looked for in matrices,
 *   dimensions of 1 in front left out, of at least 2 and at most STATS_MAX_ROWS rows and STATS_MAX_COLS columns.
 */
#ifndef INGOT_STATS_H
#define INGOT_STATS_H

#include "inspect/checkpoint.h"

#define STATS_BARS     32u
#define STATS_OCTAVES  255u /* 0: below 2^-126, k: from 2^(k - 127) to below 2^(k - 126) */
#define STATS_OUTLIER  6
#define STATS_OUTLIERS 16u /* that are told by number */
#define STATS_MAX_ROWS (UINT64_C(1) << 20)
#define STATS_MAX_COLS (UINT64_C(1) << 17)

enum { STATS_P50, STATS_P90, STATS_P99, STATS_P999, STATS_QUANTILES };
extern const unsigned stats_permille[STATS_QUANTILES];

/* Without any finite value all but the counts is 0. */
struct stats_figures {
    uint64_t n, n_finite, n_zero, n_denormal, n_nan, n_pos_inf, n_neg_inf;
    double min, max, mean, std, abs_max;
    double quantiles[STATS_QUANTILES];
    uint64_t histogram[STATS_BARS];
};

struct stats_outlier {
    uint64_t index;
    double norm;
};

/* The rows, or the columns, of a matrix. */
struct stats_lines {
    uint64_t n; /* 0: not looked at */
    double median, max;
    uint64_t n_outliers;
    struct stats_outlier outliers[STATS_OUTLIERS]; /* the largest first, then by number */
};

struct stats_tensor {
    size_t number; /* in the list that was asked for */
    struct checkpoint_tensor tensor;
    struct ingot_error unreadable; /* status other than OK: why there are no figures */
    struct stats_figures figures;
    uint64_t octaves[STATS_OCTAVES]; /* zeros are in none */
    struct stats_lines rows, cols;
};

/* Called for one tensor after the other in the order of the list, one call at a time, from any thread. */
typedef void (*stats_fn)(void *ctx, const struct stats_tensor *stats);

struct stats_options {
    uint32_t n_threads; /* 0: as many as the process may run on */
    ingot_progress_fn progress;
    void *progress_ctx;
    stats_fn each; /* may be NULL */
    void *each_ctx;
};

/* Figures of the tensors list[0 .. n) of the checkpoint, and of all their values together. Tensors that cannot be read
 * are told to `each`, and are no error. INTERRUPTED when the progress function says so. Private memory: some megabytes
 * a thread. */
enum ingot_status stats_run(const struct checkpoint *cp, const size_t *list, size_t n,
                            const struct stats_options *options, struct stats_figures *total, struct ingot_error *err);

/* The first and the last that are not empty; false when all are. */
bool stats_used_octaves(const uint64_t octaves[STATS_OCTAVES], size_t *first, size_t *last);

#endif

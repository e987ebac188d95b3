/* diff_values.h - how far two runs of numbers are apart. */
#ifndef INGOT_DIFF_VALUES_H
#define INGOT_DIFF_VALUES_H

#include "convert/ingot_convert.h"

/* What still counts as equal: |a - b| <= max(absolute, relative * max(|a|, |b|)). */
struct diff_tolerance {
    bool given; /* false: the bits decide */
    double absolute, relative;
};

/* Elements are equal when they have the same bits once both are widened exactly, or are both NaN; so +0 and -0 differ
 * by 0. A number and a NaN are infinitely far apart. Sums are of pairs that are both finite. */
struct diff_figures {
    uint64_t n_elems, n_equal;
    uint64_t n_within;     /* equal or within the tolerance */
    uint64_t n_not_finite; /* unequal pairs of which one or both are NaN or infinite */
    double max_abs;        /* of unequal pairs; below 0 while there is none */
    uint64_t max_abs_at;   /* the first such pair */
    double max_a, max_b;   /* and its two numbers */
    double max_rel;        /* |a - b| / max(|a|, |b|) of finite pairs, at most 2 */
    uint64_t max_ulp;      /* steps between neighbouring numbers of the type with fewer digits, of finite pairs */
    double aa, bb, ab, dd; /* sums of a * a, b * b, a * b and (a - b)^2; 0 while `summed` is false */
    bool summed;
};

/* What two types mean for a comparison. */
struct diff_types {
    enum ingot_scalar a, b;
    enum ingot_scalar ulp; /* the type whose steps are counted; NONE between integers */
};

/* Whether elements of the two can be compared as numbers: all can but complex ones and those that nobody decodes. */
bool diff_types_of(enum ingot_scalar a, enum ingot_scalar b, struct diff_types *out);

struct diff_figures diff_figures_none(void);

/* Adds elements 0 .. n - 1 of a and b, contiguous, of any alignment; `at` is the number of the first. */
void diff_run(const struct diff_types *types, const struct diff_tolerance *tolerance, const void *a, const void *b,
              uint64_t n, uint64_t at, struct diff_figures *f);

/* Adds what was found further on: order decides which of equal maxima is the first. */
void diff_merge(struct diff_figures *into, const struct diff_figures *more);

/* 1 when all are equal; NaN when one side is all zero. */
double diff_cosine(const struct diff_figures *f);
/* The root of the mean square of the differences over that of a. */
double diff_rms(const struct diff_figures *f);
/* Of the differences themselves. */
double diff_rms_abs(const struct diff_figures *f);

#endif

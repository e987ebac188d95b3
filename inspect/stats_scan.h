/*
 * stats_scan.h - one job of the statistics: a piece of one tensor becomes the sums of a slot.
 *
 * A tensor is cut into jobs of about a million elements, of a matrix into whole rows, sixteen or a multiple of it. Of
 * these, 16 rows are scanned at once, column by column and in runs of columns: so it does not matter whether a tensor
 * stands in rows or in panels.
 * - f32, f16, q8 and q4 (format/simd/scan.h): every value, made f32 in the registers of the scan, goes to a bin, its
 *   square to its row and column.
 * - bf16 (format/simd/count.h): every value is counted by its bits, and the job's counts become sums and bins at its
 *   end. Small matrices are not worth the table: they are made f32, as other dtypes are.
 * What is left, and all that is not a matrix, is cut into runs that end where a row does, and scanned as f32 or f64.
 */
#ifndef INGOT_STATS_SCAN_H
#define INGOT_STATS_SCAN_H

#include "format/cast.h"
#include "format/simd/count.h"
#include "inspect/stats_figures.h"

/* How a tensor is cut. */
struct stats_plan {
    uint64_t rows, cols; /* one row of all elements, unless it is a matrix */
    bool matrix;
    uint64_t job_elems, n_jobs;
    enum ingot_scalar scalar;
    uint32_t elem_bytes;
    bool panels;
    bool straight;       /* row by row as the elements stand in the file */
    bool wide;           /* scanned as f64, else as f32 */
    bool counted;        /* sixteen rows at once by counting */
    double tiny;         /* denormals lie below it: each run counts them, */
    double tiny_of_bins; /* or of dtypes of which the bins tell them, the tensor once; the other is 0 */
};

/* What a job leaves behind. */
struct stats_slot {
    bool done; /* the owner's */
    struct stats_tally tally;
    uint32_t *bins;
    double *row_squares, *col_squares;
    size_t rows_capacity, cols_capacity;
    uint64_t n_rows;
};

/* Of a worker: elements as they stand, and widened; counts, all zero between jobs. */
struct stats_scratch {
    void *raw, *wide;
    size_t raw_capacity, wide_capacity;
    uint32_t *counts;
};

/* The best that runs here. */
struct stats_scans {
    scan_fn *f32;
    scan_panel_fn *panel[SCAN_FORMS];
    count_panel_fn *count[COUNT_FORMS];
    struct casts casts;
};

struct stats_plan stats_plan_of(const struct checkpoint_tensor *t);

/* values_check(), and whether there is an order in the values. */
enum ingot_status stats_check_readable(const struct checkpoint_tensor *t, struct ingot_error *err);

struct stats_scans stats_scans_select(void);

/* Scans job number `job` < p->n_jobs of the tensor, unless it cannot be read. The slot is as it was left, or zeroed;
 * its bins are zero. Returns how many bytes the elements are. */
uint64_t stats_scan_job(const struct stats_scans *scans, const struct checkpoint *cp, const struct checkpoint_tensor *t,
                        const struct stats_plan *p, uint64_t job, struct stats_scratch *scratch,
                        struct stats_slot *slot);

void stats_discard_slot(struct stats_slot *slot);
void stats_discard_scratch(struct stats_scratch *scratch);

#endif

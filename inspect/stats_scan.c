/* stats_scan.c - sixteen rows at once where there are, runs of what is left; pages come and go by large ranges. */
#include "inspect/stats_scan.h"

#include "format/error.h"
#include "format/layout.h"
#include "format/map.h"
#include "inspect/cli/memory.h"
#include "inspect/files.h"
#include "inspect/stats_counts.h"
#include "inspect/values.h"

#include <assert.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOB_ELEMS     (UINT64_C(1) << 20)
#define BATCH_ELEMS   4096u               /* gathered at once, unless panels want whole rows */
#define COUNTED_ELEMS (UINT64_C(1) << 16) /* of a matrix, for which a walk through all counts is worth its time */
#define LANES         INGOT_PANEL_LANES
#define DROPPED       (UINT64_C(1) << 24) /* bytes that are let go of together */

static_assert(LANES * STATS_MAX_COLS <= STATS_COUNTED_MAX && JOB_ELEMS <= STATS_COUNTED_MAX, "a job can be counted");

/* ------------------------------------------------------------------------------------------------------- plans */

static void cut_matrix(struct stats_plan *p, const struct checkpoint_tensor *t)
{
    uint32_t first = 0;
    while (first < t->rank && t->shape[first] == 1) first++;
    if (t->rank != first + 2) return;
    uint64_t rows = t->shape[first], cols = t->shape[first + 1];
    if (rows < 2 || cols < 2 || rows > STATS_MAX_ROWS || cols > STATS_MAX_COLS) return;
    uint64_t job_rows = JOB_ELEMS / cols / LANES * LANES;
    p->matrix = true;
    p->rows = rows;
    p->cols = cols;
    p->job_elems = (job_rows ? job_rows : LANES) * cols;
}

static bool is_wide(enum ingot_scalar scalar)
{
    return scalar == INGOT_SCALAR_F64 || scalar == INGOT_SCALAR_I32 || scalar == INGOT_SCALAR_U32 ||
           scalar == INGOT_SCALAR_I64 || scalar == INGOT_SCALAR_U64;
}

static bool is_half(enum ingot_scalar scalar)
{
    return scalar == INGOT_SCALAR_F16 || scalar == INGOT_SCALAR_BF16;
}

/* The least normal number. */
static double least_normal(enum ingot_scalar scalar)
{
    switch (scalar) {
    case INGOT_SCALAR_F8_E4M3:
        return 0x1p-6;
    case INGOT_SCALAR_F8_E5M2:
    case INGOT_SCALAR_F16:
        return 0x1p-14;
    case INGOT_SCALAR_BF16:
    case INGOT_SCALAR_F32:
        return (double)FLT_MIN;
    case INGOT_SCALAR_F64:
        return DBL_MIN;
    default:
        return 0;
    }
}

/* Dtypes so narrow that no denormal number falls into the bin of zero. */
static bool bins_tell_denormals(enum ingot_scalar scalar)
{
    return is_half(scalar) || scalar == INGOT_SCALAR_F8_E4M3 || scalar == INGOT_SCALAR_F8_E5M2;
}

struct stats_plan stats_plan_of(const struct checkpoint_tensor *t)
{
    enum ingot_scalar scalar = values_scalar(t);
    struct stats_plan p = {
        .rows = 1,
        .cols = t->n_elems,
        .job_elems = JOB_ELEMS,
        .scalar = scalar,
        .elem_bytes = ingot_scalar_info(scalar)->bytes,
        .wide = is_wide(scalar),
        .panels = t->layout != INGOT_ROWS,
        .straight = t->layout == INGOT_ROWS && !t->origin.block && !t->origin.strided,
    };
    *(bins_tell_denormals(scalar) ? &p.tiny_of_bins : &p.tiny) = least_normal(scalar);
    cut_matrix(&p, t);
    p.counted = p.matrix && t->n_elems >= COUNTED_ELEMS && scalar == INGOT_SCALAR_BF16;
    p.n_jobs = t->n_elems / p.job_elems + (t->n_elems % p.job_elems != 0);
    if (p.n_jobs == 0) p.n_jobs = 1; /* one that has nothing to scan keeps its place in the order */
    return p;
}

enum ingot_status stats_check_readable(const struct checkpoint_tensor *t, struct ingot_error *err)
{
    enum ingot_scalar scalar = values_scalar(t);
    if (scalar == INGOT_SCALAR_C64 || scalar == INGOT_SCALAR_C128)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, t->name, "ingot cat prints its values",
                          "complex numbers have no order, and so no statistics");
    return values_check(t, err);
}

struct stats_scans stats_scans_select(void)
{
    struct stats_scans scans = {
        .f32 = scan_f32_select(),
        .casts = casts_select(),
    };
    for (size_t i = 0; i < SCAN_FORMS; i++) scans.panel[i] = scan_panel_select((enum scan_form)i);
    for (size_t i = 0; i < COUNT_FORMS; i++) scans.count[i] = count_panel_select((enum count_form)i);
    return scans;
}

/* ---------------------------------------------------------------------------------------------------- scanning */

static void widen(const struct stats_scans *scans, const struct stats_plan *p, const void *raw, size_t n, void *wide)
{
    struct ingot_cast_stats ignored = { 0 };
    const uint8_t *from = raw;
    float *f32 = wide;
    double *f64 = wide;
    if (p->scalar == INGOT_SCALAR_F16)
        scans->casts.f32_from_f16(raw, wide, n, &ignored);
    else if (p->scalar == INGOT_SCALAR_BF16)
        scans->casts.f32_from_bf16(raw, wide, n, &ignored);
    else if (p->wide)
        for (size_t i = 0; i < n; i++) f64[i] = values_number(p->scalar, from + i * p->elem_bytes);
    else
        for (size_t i = 0; i < n; i++) f32[i] = (float)values_number(p->scalar, from + i * p->elem_bytes);
}

/* n elements as they are: where they stand, or gathered. */
static const void *elements(const struct stats_plan *p, const struct checkpoint_tensor *t, uint64_t first, uint64_t n,
                            struct stats_scratch *scratch)
{
    if (p->straight) return (const uint8_t *)t->data + first * p->elem_bytes;
    scratch->raw = memory_grow(scratch->raw, &scratch->raw_capacity, n * p->elem_bytes, 1);
    values_gather(t, first, n, scratch->raw);
    return scratch->raw;
}

/* n elements as f32 or f64. */
static const void *view(const struct stats_scans *scans, const struct stats_plan *p, const struct checkpoint_tensor *t,
                        uint64_t first, uint64_t n, struct stats_scratch *scratch)
{
    const void *raw = elements(p, t, first, n, scratch);
    if (p->scalar == INGOT_SCALAR_F32 || p->scalar == INGOT_SCALAR_F64) return raw;
    scratch->wide = memory_grow(scratch->wide, &scratch->wide_capacity, n * sizeof(double), 1);
    widen(scans, p, raw, n, scratch->wide);
    return scratch->wide;
}

/* How many elements are gathered at once, from a row's beginning or from a multiple of SCAN_MAX in it: runs must not
 * depend on it. */
static uint64_t batch_elems(const struct stats_plan *p, uint64_t first)
{
    uint64_t left = p->cols - first % p->cols;
    if (p->matrix && p->panels) return LANES * p->cols;
    if (p->cols >= SCAN_MAX) return left < SCAN_MAX ? left : SCAN_MAX;
    return BATCH_ELEMS / p->cols * p->cols;
}

static struct stats_tally tally_of(const struct scan_run *run, uint64_t n)
{
    return (struct stats_tally){ n,          run->n_finite,  run->n_zero,    run->n_denormal,
                                 run->n_nan, run->n_pos_inf, run->n_neg_inf, run->min,
                                 run->max,   run->abs_min,   run->abs_max,   run->sum,
                                 0,          run->m2 };
}

static void scan_piece(const struct stats_scans *scans, const struct stats_plan *p, const void *values, uint64_t n,
                       uint64_t row, uint64_t col, struct stats_slot *slot)
{
    struct scan_run run;
    double *squares = p->matrix ? slot->col_squares + col : NULL;
    (p->wide ? scan_f64 : scans->f32)(values, n, p->tiny, slot->bins, squares, &run);
    struct stats_tally tally = tally_of(&run, n);
    stats_add_tally(&slot->tally, &tally);
    if (p->matrix) slot->row_squares[row] += run.squares;
}

/* n elements from the beginning of a run on; `row` counts from the job's first. */
static void scan_batch(const struct stats_scans *scans, const struct stats_plan *p, const void *values, uint64_t first,
                       uint64_t n, uint64_t row, struct stats_slot *slot)
{
    size_t size = p->wide ? sizeof(double) : sizeof(float);
    uint64_t col = first % p->cols;
    for (uint64_t done = 0, step; done < n; done += step) {
        step = p->cols - col < SCAN_MAX ? p->cols - col : SCAN_MAX;
        if (step > n - done) step = n - done;
        scan_piece(scans, p, (const uint8_t *)values + done * size, step, row, col, slot);
        col += step;
        if (col < p->cols) continue;
        col = 0;
        row++;
    }
}

/* ------------------------------------------------------------------------------------------------------ panels */

/* 16 rows, as rows or as a panel; run_bytes apart are columns 0, SCAN_COLS, 2 * SCAN_COLS and so on. */
struct sixteen {
    const uint8_t *values;
    size_t row_bytes, run_bytes;
};

/* Panels are scanned where they stand, but for those of bf16 that are too small to be counted. */
static bool in_place(const struct stats_plan *p)
{
    return p->panels && (p->counted || p->scalar != INGOT_SCALAR_BF16);
}

/* Of what stands in rows, f16 is scanned as it is and all else made f32. */
static enum scan_form form_of(const struct stats_plan *p, const struct checkpoint_tensor *t)
{
    if (!in_place(p)) return p->scalar == INGOT_SCALAR_F16 ? SCAN_F16_ROWS : SCAN_F32_ROWS;
    return t->dtype == INGOT_F16  ? SCAN_F16
           : t->dtype == INGOT_Q8 ? SCAN_Q8
           : t->dtype == INGOT_Q4 ? SCAN_Q4
                                  : SCAN_F32;
}

/* The rows from element `first` on, with which a panel begins. */
static struct sixteen sixteen_rows(const struct stats_scans *scans, const struct stats_plan *p,
                                   const struct checkpoint_tensor *t, uint64_t first, struct stats_scratch *scratch)
{
    const uint64_t n = LANES * p->cols, panel = first / p->cols / LANES;
    if (in_place(p)) {
        const uint8_t *panels = t->data;
        return (struct sixteen){ panels + panel * panel_bytes(t->dtype, p->cols), 0, panel_bytes(t->dtype, SCAN_COLS) };
    }
    const bool as_it_is = p->counted || p->scalar == INGOT_SCALAR_F16;
    const size_t size = as_it_is ? p->elem_bytes : sizeof(float);
    const void *rows = as_it_is ? elements(p, t, first, n, scratch) : view(scans, p, t, first, n, scratch);
    return (struct sixteen){ rows, p->cols * size, SCAN_COLS * size };
}

/* The columns from `col` on, a multiple of SCAN_COLS. */
static struct scan_panel run_at(const struct sixteen *rows, const struct stats_plan *p, uint64_t col)
{
    const uint64_t left = p->cols - col;
    return (struct scan_panel){ rows->values + col / SCAN_COLS * rows->run_bytes, rows->row_bytes,
                                left < SCAN_COLS ? left : SCAN_COLS };
}

static void scan_sixteen(const struct stats_scans *scans, const struct stats_plan *p, const struct checkpoint_tensor *t,
                         const struct sixteen *rows, double *row_squares, struct stats_slot *slot)
{
    const enum scan_form form = form_of(p, t);
    for (uint64_t col = 0; col < p->cols; col += SCAN_COLS) {
        const struct scan_panel panel = run_at(rows, p, col);
        struct scan_run run;
        scans->panel[form](&panel, p->tiny, slot->bins, row_squares, slot->col_squares + col, &run);
        struct stats_tally tally = tally_of(&run, panel.n_cols * LANES);
        stats_add_tally(&slot->tally, &tally);
    }
}

static void count_sixteen(const struct stats_scans *scans, const struct stats_plan *p, const struct sixteen *rows,
                          double *row_squares, struct stats_scratch *scratch, struct stats_slot *slot)
{
    const enum count_form form = p->panels ? COUNT_PAIRS : COUNT_ROWS;
    for (uint64_t col = 0; col < p->cols; col += SCAN_COLS) {
        const struct scan_panel panel = run_at(rows, p, col);
        scans->count[form](&panel, scratch->counts, row_squares, slot->col_squares + col);
    }
}

/* The rows of a job, which begins with a panel, sixteen at a time; those that do not fill one are left. Returns how
 * many elements were scanned. */
static uint64_t scan_sixteens(const struct stats_scans *scans, const struct stats_plan *p,
                              const struct checkpoint_tensor *t, uint64_t first, uint64_t n,
                              struct stats_scratch *scratch, struct stats_slot *slot)
{
    uint64_t done = 0, step = LANES * p->cols;
    if (!p->matrix || p->wide) return 0;
    if (p->counted && !scratch->counts) scratch->counts = memory_array(COUNT_VALUES, sizeof *scratch->counts);
    for (; n - done >= step; done += step) {
        const struct sixteen rows = sixteen_rows(scans, p, t, first + done, scratch);
        double *row_squares = slot->row_squares + done / p->cols;
        if (p->counted)
            count_sixteen(scans, p, &rows, row_squares, scratch, slot);
        else
            scan_sixteen(scans, p, t, &rows, row_squares, slot);
    }
    if (p->counted) stats_take_counts(scratch->counts, &slot->tally, slot->bins);
    return done;
}

/* --------------------------------------------------------------------------------------------------------- jobs */

static void ready_slot(struct stats_slot *slot, const struct stats_plan *p, uint64_t n)
{
    if (!slot->bins) slot->bins = memory_array(SCAN_BINS, sizeof *slot->bins);
    slot->tally = stats_no_values;
    slot->n_rows = p->matrix ? n / p->cols : 0;
    if (!p->matrix) return;
    slot->row_squares = memory_grow(slot->row_squares, &slot->rows_capacity, slot->n_rows, sizeof(double));
    slot->col_squares = memory_grow(slot->col_squares, &slot->cols_capacity, p->cols, sizeof(double));
    if (slot->n_rows > 0) memset(slot->row_squares, 0, slot->n_rows * sizeof(double));
    if (p->cols > 0) memset(slot->col_squares, 0, p->cols * sizeof(double));
}

/* A large range of a mapped file comes in one call instead of by page faults. */
static void will_read(const void *bytes, uint64_t n)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), inside = (uintptr_t)bytes % page;
    struct file_map map = { .bytes = (const uint8_t *)bytes - inside, .size = inside + n, .owned = true };
    map_will_read(&map, inside, n);
}

/* Pages of a mapped file are let go of by whoever comes by, many at once, for each time all threads are stopped; not
 * those just before, which others may still be at. */
static void was_read(const struct checkpoint *cp, const struct stats_plan *p, const struct checkpoint_tensor *t,
                     uint64_t first, uint64_t n)
{
    uint64_t unit = LANES * p->cols, off;
    uint64_t bytes = p->panels ? panel_bytes(t->dtype, p->cols) : unit * p->elem_bytes;
    size_t file = 0;
    if (!p->matrix || unit == 0 || !(p->panels || p->straight)) return;
    if (!checkpoint_file_of(cp, (const uint8_t *)t->data + first / unit * bytes, &file, &off)) return;
    const uint64_t end = (off + n / unit * bytes) / DROPPED * DROPPED;
    if (end > off && end >= 2 * DROPPED) map_was_read(checkpoint_file_at(cp, file).map, end - 2 * DROPPED, DROPPED);
}

uint64_t stats_scan_job(const struct stats_scans *scans, const struct checkpoint *cp, const struct checkpoint_tensor *t,
                        const struct stats_plan *p, uint64_t job, struct stats_scratch *scratch,
                        struct stats_slot *slot)
{
    uint64_t first = job * p->job_elems, left = t->n_elems - first;
    uint64_t n = left < p->job_elems ? left : p->job_elems;
    if (stats_check_readable(t, NULL) != INGOT_OK) n = 0;
    ready_slot(slot, p, n);
    if (n > 0 && p->straight) will_read((const uint8_t *)t->data + first * p->elem_bytes, n * p->elem_bytes);
    for (uint64_t done = scan_sixteens(scans, p, t, first, n, scratch, slot), step; done < n; done += step) {
        step = batch_elems(p, first + done);
        if (step > n - done) step = n - done;
        scan_batch(scans, p, view(scans, p, t, first + done, step, scratch), first + done, step, done / p->cols, slot);
    }
    if (n > 0) was_read(cp, p, t, first, n);
    return n * p->elem_bytes;
}

void stats_discard_slot(struct stats_slot *slot)
{
    free(slot->bins);
    free(slot->row_squares);
    free(slot->col_squares);
}

void stats_discard_scratch(struct stats_scratch *scratch)
{
    free(scratch->raw);
    free(scratch->wide);
    free(scratch->counts);
}

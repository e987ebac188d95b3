/* stats.c - jobs of about 4 MiB are scanned in any order and merged in one: each leaves its sums in a slot of a small
 * ring, and whoever fills the gap at the front of the ring merges all that is ready. So the sums do not depend on the
 * threads, and memory not on the tensors.
 *
 * Of a matrix 16 rows are scanned at once, the way that they stand in a panel, in runs of columns: so it does not
 * matter whether a tensor stands in rows or in panels. What is left, and all that is not a matrix, is cut into runs
 * that end where a row does. */
#include "inspect/stats.h"

#include "format/cast.h"
#include "format/error.h"
#include "format/layout.h"
#include "format/map.h"
#include "format/parallel.h"
#include "format/quant.h"
#include "format/simd/scan.h"
#include "inspect/cli/memory.h"
#include "inspect/files.h"
#include "inspect/stats_figures.h"
#include "inspect/values.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOB_ELEMS   (UINT64_C(1) << 20)
#define BATCH_ELEMS 4096u /* gathered at once, unless panels want whole rows */
#define SPARE_SLOTS 4u    /* more than threads, so that they seldom wait for the slowest */
#define LANES       INGOT_PANEL_LANES
#define DROPPED     (UINT64_C(1) << 24)  /* bytes that are let go of together */
#define RUN_COLS    (SCAN_PANEL / LANES) /* of a run of a panel */

/* ------------------------------------------------------------------------------------------------------- plans */

/* How a tensor is cut. */
struct plan {
    uint64_t rows, cols; /* one row of all elements, unless it is a matrix */
    bool matrix;
    uint64_t job_elems, n_jobs;
    enum ingot_scalar scalar;
    uint32_t elem_bytes;
    bool wide;   /* scanned as f64, else as f32 */
    bool direct; /* scanned where it stands */
    bool panels;
    double tiny;         /* denormals lie below it: each run counts them, */
    double tiny_of_bins; /* or of dtypes of which the bins tell them, the tensor once; the other is 0 */
};

static void cut_matrix(struct plan *p, const struct checkpoint_tensor *t)
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
    return scalar == INGOT_SCALAR_F16 || scalar == INGOT_SCALAR_BF16 || scalar == INGOT_SCALAR_F8_E4M3 ||
           scalar == INGOT_SCALAR_F8_E5M2;
}

static struct plan plan_of(const struct checkpoint_tensor *t)
{
    enum ingot_scalar scalar = values_scalar(t);
    struct plan p = {
        .rows = 1,
        .cols = t->n_elems,
        .job_elems = JOB_ELEMS,
        .scalar = scalar,
        .elem_bytes = ingot_scalar_info(scalar)->bytes,
        .wide = is_wide(scalar),
        .panels = t->layout != INGOT_ROWS,
    };
    *(bins_tell_denormals(scalar) ? &p.tiny_of_bins : &p.tiny) = least_normal(scalar);
    p.direct = (scalar == INGOT_SCALAR_F32 || scalar == INGOT_SCALAR_F64) && !p.panels && !t->origin.block &&
               !t->origin.strided;
    cut_matrix(&p, t);
    p.n_jobs = t->n_elems / p.job_elems + (t->n_elems % p.job_elems != 0);
    if (p.n_jobs == 0) p.n_jobs = 1; /* one that has nothing to scan keeps its place in the order */
    return p;
}

static enum ingot_status check_readable(const struct checkpoint_tensor *t, struct ingot_error *err)
{
    enum ingot_scalar scalar = values_scalar(t);
    if (scalar == INGOT_SCALAR_C64 || scalar == INGOT_SCALAR_C128)
        return ingot_fail(err, INGOT_E_UNSUPPORTED, INGOT_NO_OFFSET, t->name, "ingot cat prints its values",
                          "complex numbers have no order, and so no statistics");
    return values_check(t, err);
}

/* --------------------------------------------------------------------------------------------------------- the run */

/* What a job leaves behind. */
struct slot {
    bool done;
    struct stats_tally tally;
    uint32_t *bins;
    double *row_squares, *col_squares;
    size_t rows_capacity, cols_capacity;
    uint64_t n_rows;
};

/* Of a worker: elements as they stand, and widened. */
struct scratch {
    void *raw, *wide;
    size_t raw_capacity, wide_capacity;
};

/* Sums of slots that were merged. */
struct gathering {
    struct stats_tally tally;
    uint64_t *bins;
    double *row_squares, *col_squares;
    size_t rows_capacity, cols_capacity;
    uint64_t n_rows;
};

struct run {
    const struct checkpoint *cp;
    const struct stats_options *options;
    const size_t *list;
    size_t n;
    uint64_t *first_job; /* n + 1 */
    scan_fn *scan_f32;
    scan_panel_fn *scan_panel[3]; /* by form */
    scan_turn_fn *scan_turn;
    struct casts casts;
    struct scratch *scratch;
    struct slot *slots;
    uint64_t n_slots;
    pthread_mutex_t lock; /* guards the slots' done and all below */
    pthread_cond_t moved; /* merged has grown, or stopped is set */
    uint64_t merged;      /* jobs; their slots are free again */
    bool stopped;
    size_t at; /* of the list: what is being gathered */
    struct gathering tensor, total;
    uint64_t done_bytes, total_bytes;
};

/* The last tensor whose first job is not above `job`: every one has a job. */
static size_t place_of_job(const struct run *r, uint64_t job)
{
    return parallel_owner(r->first_job, sizeof *r->first_job, r->n, job);
}

/* ---------------------------------------------------------------------------------------------------- scanning */

static void widen(const struct run *r, const struct plan *p, const void *raw, size_t n, void *wide)
{
    struct ingot_cast_stats ignored = { 0 };
    const uint8_t *from = raw;
    float *f32 = wide;
    double *f64 = wide;
    if (p->scalar == INGOT_SCALAR_F16)
        r->casts.f32_from_f16(raw, wide, n, &ignored);
    else if (p->scalar == INGOT_SCALAR_BF16)
        r->casts.f32_from_bf16(raw, wide, n, &ignored);
    else if (p->wide)
        for (size_t i = 0; i < n; i++) f64[i] = values_number(p->scalar, from + i * p->elem_bytes);
    else
        for (size_t i = 0; i < n; i++) f32[i] = (float)values_number(p->scalar, from + i * p->elem_bytes);
}

/* n elements as f32 or f64: where they stand, or gathered. */
static const void *view(const struct run *r, const struct plan *p, const struct checkpoint_tensor *t, uint64_t first,
                        uint64_t n, struct scratch *scratch)
{
    if (p->direct) return (const uint8_t *)t->data + first * p->elem_bytes;
    scratch->raw = memory_grow(scratch->raw, &scratch->raw_capacity, n * p->elem_bytes, 1);
    values_gather(t, first, n, scratch->raw);
    if (p->scalar == INGOT_SCALAR_F32 || p->scalar == INGOT_SCALAR_F64) return scratch->raw;
    scratch->wide = memory_grow(scratch->wide, &scratch->wide_capacity, n * sizeof(double), 1);
    widen(r, p, scratch->raw, n, scratch->wide);
    return scratch->wide;
}

/* How many elements are gathered at once, from a row's beginning or from a multiple of SCAN_MAX in it: runs must not
 * depend on it. */
static uint64_t batch_elems(const struct plan *p, uint64_t first)
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

static void scan_piece(const struct run *r, const struct plan *p, const void *values, uint64_t n, uint64_t row,
                       uint64_t col, struct slot *slot)
{
    struct scan_run run;
    double *squares = p->matrix ? slot->col_squares + col : NULL;
    (p->wide ? scan_f64 : r->scan_f32)(values, n, p->tiny, slot->bins, squares, &run);
    struct stats_tally tally = tally_of(&run, n);
    stats_add_tally(&slot->tally, &tally);
    if (p->matrix) slot->row_squares[row] += run.squares;
}

/* n elements from the beginning of a run on; `row` counts from the job's first. */
static void scan_batch(const struct run *r, const struct plan *p, const void *values, uint64_t first, uint64_t n,
                       uint64_t row, struct slot *slot)
{
    size_t size = p->wide ? sizeof(double) : sizeof(float);
    uint64_t col = first % p->cols;
    for (uint64_t done = 0, step; done < n; done += step) {
        step = p->cols - col < SCAN_MAX ? p->cols - col : SCAN_MAX;
        if (step > n - done) step = n - done;
        scan_piece(r, p, (const uint8_t *)values + done * size, step, row, col, slot);
        col += step;
        if (col < p->cols) continue;
        col = 0;
        row++;
    }
}

/* ------------------------------------------------------------------------------------------------------ panels */

/* Inputs first .. first + n - 1 of a panel of q8 or q4, step by step. */
static void load_steps(enum ingot_dtype dtype, const uint8_t *panel, uint64_t first, uint64_t n,
                       float x[RUN_COLS][LANES])
{
    for (uint64_t done = 0, k, count; done < n; done += count) {
        k = (first + done) % INGOT_QUANT_STEP;
        count = INGOT_QUANT_STEP - k < n - done ? INGOT_QUANT_STEP - k : n - done;
        quant_load(dtype, panel + (first + done) / INGOT_QUANT_STEP * quant_step_bytes(dtype), k, count, x + done);
    }
}

/* n columns from `first` on of the panel that begins with row `row`: where they stand, or of q8 and q4 as f32 in
 * `room`. `first` is a multiple of RUN_COLS. */
static const void *panel_view(const struct plan *p, const struct checkpoint_tensor *t, uint64_t row, uint64_t first,
                              uint64_t n, float room[RUN_COLS][LANES])
{
    const uint8_t *panel = (const uint8_t *)t->data + row / LANES * panel_bytes(t->dtype, p->cols);
    if (quant_step_bytes(t->dtype) == 0) return panel + first * LANES * ingot_dtype_size(t->dtype);
    load_steps(t->dtype, panel, first, n, room);
    return room;
}

/* How the columns of a panel stand that panel_view() shows, or the rows that were turned. */
static enum scan_form form_of(const struct plan *p, const struct checkpoint_tensor *t)
{
    if (!p->panels) return SCAN_F32;
    return t->dtype == INGOT_F16 ? SCAN_F16 : t->dtype == INGOT_BF16 ? SCAN_BF16 : SCAN_F32;
}

/* 16 rows from `first` on, in runs of columns; row_squares is that of the first. */
static void scan_sixteen(const struct run *r, const struct plan *p, const struct checkpoint_tensor *t, uint64_t first,
                         double *row_squares, struct scratch *scratch, struct slot *slot)
{
    _Alignas(64) float room[RUN_COLS][LANES];
    const uint8_t *rows = p->panels ? NULL : view(r, p, t, first, LANES * p->cols, scratch);
    const void *values = room;
    scan_panel_fn *scan = r->scan_panel[form_of(p, t)];
    for (uint64_t col = 0, n; col < p->cols; col += n) {
        struct scan_run run;
        n = p->cols - col < RUN_COLS ? p->cols - col : RUN_COLS;
        if (rows)
            r->scan_turn(rows + col * sizeof(float), p->cols * sizeof(float), n * LANES, room[0]);
        else
            values = panel_view(p, t, first / p->cols, col, n, room);
        scan(values, n * LANES, p->tiny, slot->bins, row_squares, slot->col_squares + col, &run);
        struct stats_tally tally = tally_of(&run, n * LANES);
        stats_add_tally(&slot->tally, &tally);
    }
}

/* The rows of a job, which begins with a panel, sixteen at a time; those that do not fill one are left. Returns how
 * many elements were scanned. */
static uint64_t scan_sixteens(const struct run *r, const struct plan *p, const struct checkpoint_tensor *t,
                              uint64_t first, uint64_t n, struct scratch *scratch, struct slot *slot)
{
    uint64_t done = 0, step = LANES * p->cols;
    if (!p->matrix || p->wide) return 0;
    for (; n - done >= step; done += step)
        scan_sixteen(r, p, t, first + done, slot->row_squares + done / p->cols, scratch, slot);
    return done;
}

/* --------------------------------------------------------------------------------------------------------- jobs */

static void ready_slot(struct slot *slot, const struct plan *p, uint64_t n)
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
static void was_read(const struct run *r, const struct plan *p, const struct checkpoint_tensor *t, uint64_t first,
                     uint64_t n)
{
    uint64_t unit = LANES * p->cols, off;
    uint64_t bytes = p->panels ? panel_bytes(t->dtype, p->cols) : unit * p->elem_bytes;
    size_t file = 0;
    if (!p->matrix || unit == 0 || !(p->panels || p->direct)) return;
    if (!checkpoint_file_of(r->cp, (const uint8_t *)t->data + first / unit * bytes, &file, &off)) return;
    const uint64_t end = (off + n / unit * bytes) / DROPPED * DROPPED;
    if (end > off && end >= 2 * DROPPED) map_was_read(checkpoint_file_at(r->cp, file).map, end - 2 * DROPPED, DROPPED);
}

/* The job's elements; returns how many bytes they are. */
static uint64_t scan_job(struct run *r, uint64_t job, struct scratch *scratch, struct slot *slot)
{
    size_t place = place_of_job(r, job);
    struct checkpoint_tensor t = checkpoint_tensor_at(r->cp, r->list[place]);
    struct plan p = plan_of(&t);
    uint64_t first = (job - r->first_job[place]) * p.job_elems, left = t.n_elems - first;
    uint64_t n = left < p.job_elems ? left : p.job_elems;
    if (check_readable(&t, NULL) != INGOT_OK) n = 0;
    ready_slot(slot, &p, n);
    if (n > 0 && p.direct) will_read((const uint8_t *)t.data + first * p.elem_bytes, n * p.elem_bytes);
    for (uint64_t done = scan_sixteens(r, &p, &t, first, n, scratch, slot), step; done < n; done += step) {
        step = batch_elems(&p, first + done);
        if (step > n - done) step = n - done;
        scan_batch(r, &p, view(r, &p, &t, first + done, step, scratch), first + done, step, done / p.cols, slot);
    }
    if (n > 0) was_read(r, &p, &t, first, n);
    return n * p.elem_bytes;
}

/* ----------------------------------------------------------------------------------------------------- merging */

static void ready_gathering(struct gathering *g, const struct plan *p)
{
    if (!g->bins) g->bins = memory_array(SCAN_BINS, sizeof *g->bins);
    g->tally = stats_no_values;
    g->n_rows = 0;
    if (!p->matrix) return;
    g->row_squares = memory_grow(g->row_squares, &g->rows_capacity, p->rows, sizeof(double));
    g->col_squares = memory_grow(g->col_squares, &g->cols_capacity, p->cols, sizeof(double));
    memset(g->col_squares, 0, p->cols * sizeof(double));
}

static void merge_slot(struct gathering *g, const struct plan *p, struct slot *slot)
{
    stats_add_tally(&g->tally, &slot->tally);
    stats_add_bins(g->bins, slot->bins, &slot->tally);
    for (uint64_t i = 0; i < slot->n_rows; i++) g->row_squares[g->n_rows++] = slot->row_squares[i];
    for (uint64_t i = 0; p->matrix && i < p->cols; i++) g->col_squares[i] += slot->col_squares[i];
}

/* What was gathered of a tensor goes on to the total. */
static void pass_on(struct gathering *total, struct gathering *tensor)
{
    stats_add_tally(&total->tally, &tensor->tally);
    stats_pass_bins_on(total->bins, tensor->bins, &tensor->tally);
}

/* The tensor's last slot is merged. */
static void tell(struct run *r, const struct checkpoint_tensor *t, const struct plan *p)
{
    struct stats_tensor stats = { .number = r->at, .tensor = *t };
    check_readable(t, &stats.unreadable);
    r->tensor.tally.n_denormal += stats_count_below(r->tensor.bins, &r->tensor.tally, p->tiny_of_bins);
    stats.figures = stats_figures_of(&r->tensor.tally, r->tensor.bins, stats.octaves);
    if (p->matrix && stats.unreadable.status == INGOT_OK) {
        stats.rows = stats_lines_of(r->tensor.row_squares, p->rows);
        stats.cols = stats_lines_of(r->tensor.col_squares, p->cols);
    }
    if (r->options->each) r->options->each(r->options->each_ctx, &stats);
    pass_on(&r->total, &r->tensor);
}

/* ------------------------------------------------------------------------------------------------------ in order */

static struct slot *slot_of(const struct run *r, uint64_t job)
{
    return &r->slots[job % r->n_slots];
}

/* The job in front, which is done. */
static void merge_next(struct run *r)
{
    struct checkpoint_tensor t = checkpoint_tensor_at(r->cp, r->list[r->at]);
    struct plan p = plan_of(&t);
    struct slot *slot = slot_of(r, r->merged);
    if (r->merged == r->first_job[r->at]) ready_gathering(&r->tensor, &p);
    merge_slot(&r->tensor, &p, slot);
    slot->done = false;
    r->merged++;
    if (r->merged < r->first_job[r->at + 1]) return;
    tell(r, &t, &p);
    r->at++;
}

/* False when the work was stopped meanwhile. The job in front never waits, so one always moves. */
static bool wait_for_slot(struct run *r, uint64_t job)
{
    pthread_mutex_lock(&r->lock);
    while (!r->stopped && job - r->merged >= r->n_slots) pthread_cond_wait(&r->moved, &r->lock);
    bool go_on = !r->stopped;
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

static bool hand_in(struct run *r, uint64_t job, uint64_t bytes)
{
    const struct stats_options *o = r->options;
    pthread_mutex_lock(&r->lock);
    slot_of(r, job)->done = true;
    while (!r->stopped && slot_of(r, r->merged)->done) merge_next(r);
    r->done_bytes += bytes;
    if (o->progress && !o->progress(o->progress_ctx, r->done_bytes, r->total_bytes)) r->stopped = true;
    bool go_on = !r->stopped;
    pthread_cond_broadcast(&r->moved);
    pthread_mutex_unlock(&r->lock);
    return go_on;
}

static enum ingot_status do_job(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct run *r = ctx;
    if (wait_for_slot(r, job) && hand_in(r, job, scan_job(r, job, &r->scratch[worker], slot_of(r, job))))
        return INGOT_OK;
    return ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, r->cp->path, NULL, "the statistics were stopped");
}

static void list_jobs(struct run *r)
{
    r->first_job = memory_array(r->n + 1, sizeof *r->first_job);
    for (size_t i = 0; i < r->n; i++) {
        struct checkpoint_tensor t = checkpoint_tensor_at(r->cp, r->list[i]);
        bool readable = check_readable(&t, NULL) == INGOT_OK;
        struct plan p = plan_of(&t);
        r->first_job[i + 1] = r->first_job[i] + (readable ? p.n_jobs : 1);
        r->total_bytes += readable ? t.n_elems * p.elem_bytes : 0;
    }
}

static void discard(struct run *r, uint32_t n_threads)
{
    for (uint32_t i = 0; i < n_threads; i++) {
        free(r->scratch[i].raw);
        free(r->scratch[i].wide);
    }
    for (uint64_t i = 0; i < r->n_slots; i++) {
        free(r->slots[i].bins);
        free(r->slots[i].row_squares);
        free(r->slots[i].col_squares);
    }
    free(r->scratch);
    free(r->slots);
    free(r->first_job);
    free(r->tensor.bins);
    free(r->tensor.row_squares);
    free(r->tensor.col_squares);
    free(r->total.bins);
    pthread_cond_destroy(&r->moved);
    pthread_mutex_destroy(&r->lock);
}

enum ingot_status stats_run(const struct checkpoint *cp, const size_t *list, size_t n,
                            const struct stats_options *options, struct stats_figures *total, struct ingot_error *err)
{
    uint32_t n_threads = parallel_threads(options->n_threads);
    uint64_t octaves[STATS_OCTAVES] = { 0 };
    struct run r = {
        .cp = cp,
        .options = options,
        .list = list,
        .n = n,
        .scan_f32 = scan_f32_select(),
        .scan_panel = { [SCAN_F32] = scan_panel_select(SCAN_F32),
                        [SCAN_F16] = scan_panel_select(SCAN_F16),
                        [SCAN_BF16] = scan_panel_select(SCAN_BF16) },
        .scan_turn = scan_turn_select(),
        .casts = casts_select(),
        .n_slots = n_threads + SPARE_SLOTS,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .moved = PTHREAD_COND_INITIALIZER,
        .total = { .tally = stats_no_values },
    };
    list_jobs(&r);
    r.scratch = memory_array(n_threads, sizeof *r.scratch);
    r.slots = memory_array(r.n_slots, sizeof *r.slots);
    r.total.bins = memory_array(SCAN_BINS, sizeof *r.total.bins);
    enum ingot_status status = parallel_for(r.first_job[n], n_threads, do_job, &r, err);
    *total = stats_figures_of(&r.total.tally, r.total.bins, octaves);
    discard(&r, n_threads);
    return status;
}

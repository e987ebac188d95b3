/* stats.c - jobs are scanned in any order (stats_scan.h) and merged in one: each leaves its sums in a slot of a small
 * ring, and whoever fills the gap at the front of the ring merges all that is ready. So the sums do not depend on the
 * threads, and memory not on the tensors. */
#include "inspect/stats.h"

#include "format/error.h"
#include "format/parallel.h"
#include "inspect/cli/memory.h"
#include "inspect/stats_scan.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_SLOTS 8u /* more than threads, so that they seldom wait for the slowest */

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
    struct stats_scans scans;
    struct stats_scratch *scratch;
    struct stats_slot *slots;
    uint64_t n_slots;
    pthread_mutex_t lock; /* guards the slots' done and the five below */
    pthread_cond_t moved; /* merged has grown, or stopped is set */
    uint64_t merged;      /* jobs; their slots are free again */
    bool merging, stopped;
    uint64_t done_bytes, total_bytes;
    size_t at; /* of the list: what is being gathered, by whoever is merging */
    struct gathering tensor, total;
};

/* The last tensor whose first job is not above `job`: every one has a job. */
static size_t place_of_job(const struct run *r, uint64_t job)
{
    return parallel_owner(r->first_job, sizeof *r->first_job, r->n, job);
}

/* Returns how many bytes its elements are. */
static uint64_t scan_job(struct run *r, uint64_t job, struct stats_scratch *scratch, struct stats_slot *slot)
{
    size_t place = place_of_job(r, job);
    struct checkpoint_tensor t = checkpoint_tensor_at(r->cp, r->list[place]);
    struct stats_plan p = stats_plan_of(&t);
    return stats_scan_job(&r->scans, r->cp, &t, &p, job - r->first_job[place], scratch, slot);
}

/* ----------------------------------------------------------------------------------------------------- merging */

static void ready_gathering(struct gathering *g, const struct stats_plan *p)
{
    if (!g->bins) g->bins = memory_array(SCAN_BINS, sizeof *g->bins);
    g->tally = stats_no_values;
    g->n_rows = 0;
    if (!p->matrix) return;
    g->row_squares = memory_grow(g->row_squares, &g->rows_capacity, p->rows, sizeof(double));
    g->col_squares = memory_grow(g->col_squares, &g->cols_capacity, p->cols, sizeof(double));
    memset(g->col_squares, 0, p->cols * sizeof(double));
}

static void merge_slot(struct gathering *g, const struct stats_plan *p, struct stats_slot *slot)
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
static void tell(struct run *r, const struct checkpoint_tensor *t, const struct stats_plan *p)
{
    struct stats_tensor stats = { .number = r->at, .tensor = *t };
    stats_check_readable(t, &stats.unreadable);
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

static struct stats_slot *slot_of(const struct run *r, uint64_t job)
{
    return &r->slots[job % r->n_slots];
}

/* The job in front, which is done. */
static void merge_next(struct run *r)
{
    struct checkpoint_tensor t = checkpoint_tensor_at(r->cp, r->list[r->at]);
    struct stats_plan p = stats_plan_of(&t);
    if (r->merged == r->first_job[r->at]) ready_gathering(&r->tensor, &p);
    merge_slot(&r->tensor, &p, slot_of(r, r->merged));
    if (r->merged + 1 < r->first_job[r->at + 1]) return;
    tell(r, &t, &p);
    r->at++;
}

/* Merges what is ready, unless someone is at it, who will then see this too. Called with the lock, which is let go of
 * meanwhile: a thread that slept for it would be woken beside the other, on the same CPU. */
static void merge_ready(struct run *r)
{
    if (r->merging) return;
    r->merging = true;
    while (!r->stopped && slot_of(r, r->merged)->done) {
        pthread_mutex_unlock(&r->lock);
        merge_next(r);
        pthread_mutex_lock(&r->lock);
        slot_of(r, r->merged)->done = false;
        r->merged++;
        pthread_cond_broadcast(&r->moved);
    }
    r->merging = false;
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
    merge_ready(r);
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
        bool readable = stats_check_readable(&t, NULL) == INGOT_OK;
        struct stats_plan p = stats_plan_of(&t);
        r->first_job[i + 1] = r->first_job[i] + (readable ? p.n_jobs : 1);
        r->total_bytes += readable ? t.n_elems * p.elem_bytes : 0;
    }
}

static void discard(struct run *r, uint32_t n_threads)
{
    for (uint32_t i = 0; i < n_threads; i++) stats_discard_scratch(&r->scratch[i]);
    for (uint64_t i = 0; i < r->n_slots; i++) stats_discard_slot(&r->slots[i]);
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
        .scans = stats_scans_select(),
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

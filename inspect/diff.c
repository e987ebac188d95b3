/* diff.c - cuts pairs of tensors into jobs, and adds up what the jobs found in their order, so that the figures do not
 * depend on the threads.
 *
 * Two passes. In the first, a job whose two sides are the same bytes is done once that is known. Only where another job
 * of the same tensor found a difference do its squares matter, for the cosine and the mean: the second pass adds them.
 */
#include "inspect/diff.h"

#include "format/error.h"
#include "format/parallel.h"
#include "inspect/cli/memory.h"
#include "inspect/diff_operand.h"
#include "inspect/diff_pairs.h"
#include "inspect/values.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORKERS 16u
#define JOB_ELEMS   (UINT64_C(1) << 20) /* 4 MiB of f32 */
#define MAX_JOBS    (UINT64_C(1) << 20) /* a petabyte; views that repeat their elements can claim more */

/* ------------------------------------------------------------------------------------------------- what is compared */

/* Whether the rows of a matrix from `row` on hold nothing but zeros. */
static bool is_zero_from(const struct diff_operand *o, uint64_t row, uint8_t *scratch)
{
    const uint64_t step = DIFF_TILE_ELEMS / (o->n_cols ? o->n_cols : 1);
    for (; row < o->n_rows && step > 0; row += step) {
        uint64_t n_rows = o->n_rows - row < step ? o->n_rows - row : step;
        const uint8_t *at = diff_fetch(o, row, n_rows, 0, o->n_cols, scratch);
        for (uint64_t i = 0; i < n_rows * o->n_cols; i++)
            if (values_number(o->scalar, at + i * o->size) != 0) return false;
    }
    return row >= o->n_rows;
}

/* A padded vocabulary: more rows on one side. */
static void settle_rows(struct diff_pair *p, const struct diff_operand o[2])
{
    const struct diff_operand *longer = o[0].n_rows > o[1].n_rows ? &o[0] : &o[1];
    uint8_t *scratch = memory_array(DIFF_SCRATCH_BYTES, 1);
    p->rows_differ = true;
    p->n_rows = o[0].n_rows < o[1].n_rows ? o[0].n_rows : o[1].n_rows;
    p->n_padding = longer->n_rows - p->n_rows;
    p->padding_is_zeros = is_zero_from(longer, p->n_rows, scratch);
    free(scratch);
}

static bool same_shape(const struct checkpoint_tensor *a, const struct checkpoint_tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]) == 0;
}

/* The formats spell one type in their own ways; but what nobody decodes has only its name. */
static bool same_type(const struct ingot_source_tensor *a, const struct ingot_source_tensor *b)
{
    if (a->scalar != b->scalar || a->block != b->block) return false;
    return a->scalar != INGOT_SCALAR_NONE || a->block || strcmp(a->dtype_name, b->dtype_name) == 0;
}

/* Elements that are no numbers: only whether their bytes are the same can be said. */
static bool same_opaque(const struct diff_operand o[2])
{
    const struct checkpoint_tensor *a = &o[0].tensor->t, *b = &o[1].tensor->t;
    uint64_t n = a->n_bytes;
    if (strcmp(a->dtype_name, b->dtype_name) != 0 || !same_shape(a, b) || n != b->n_bytes) return false;
    if (o[0].way != DIFF_DIRECT || o[1].way != DIFF_DIRECT) return false;
    return n == 0 || (a->data && b->data && memcmp(a->data, b->data, n) == 0);
}

static enum ingot_status check_values(const struct diff_tensor *t, struct ingot_error *err)
{
    enum ingot_status status = values_check(&t->t, err);
    struct checkpoint_tensor part = t->t;
    for (uint32_t i = 1; i < t->canonical.n_parts && status == INGOT_OK; i++) {
        part.origin = t->canonical.parts[i];
        part.data = part.origin.data;
        part.part_file = t->canonical.parts[i].file;
        status = values_check(&part, err);
    }
    return status;
}

static uint64_t rows_of_job(uint64_t n_cols)
{
    uint64_t n = n_cols < JOB_ELEMS ? JOB_ELEMS / (n_cols ? n_cols : 1) : 1;
    return n > INGOT_PANEL_LANES ? n - n % INGOT_PANEL_LANES : n;
}

static uint64_t pieces(uint64_t n, uint64_t of)
{
    return n / of + (n % of != 0);
}

/* Both as the jobs see them. */
static void operands_of(const struct diff_pair *p, const struct diff_tensor t[2], struct diff_operand o[2])
{
    for (unsigned s = 0; s < 2; s++) o[s] = diff_operand_of(&t[s]);
    if (!p->rows_differ && diff_operands_lie(&o[0], &o[1]))
        for (unsigned s = 0; s < 2; s++) diff_operand_turn(&o[s]);
}

static bool is_quantised(const struct checkpoint_tensor *t)
{
    return t->dtype == INGOT_Q8 || t->dtype == INGOT_Q4;
}

static enum ingot_status plan_pair(struct diff *d, struct diff_pair *p, struct ingot_error *err)
{
    struct diff_types types;
    struct diff_operand o[2];
    p->figures = diff_figures_none();
    p->outcome = p->at[1] == DIFF_NOWHERE ? DIFF_ONLY_A : DIFF_ONLY_B;
    if (p->at[0] == DIFF_NOWHERE || p->at[1] == DIFF_NOWHERE) return INGOT_OK;
    const struct diff_tensor t[2] = { diff_tensor_of(d, p, 0), diff_tensor_of(d, p, 1) };
    bool differs = !same_shape(&t[0].t, &t[1].t);
    p->quantised = is_quantised(&t[0].t) || is_quantised(&t[1].t);
    p->types_differ = !same_type(&t[0].t.origin, &t[1].t.origin);
    operands_of(p, t, o);
    p->n_rows = o[0].n_rows;
    p->n_cols = o[0].n_cols;
    p->outcome = DIFF_SHAPE;
    if (differs && !(diff_is_vocabulary(&t[0]) && diff_is_vocabulary(&t[1]) && o[0].n_cols == o[1].n_cols))
        return INGOT_OK;
    p->outcome = DIFF_TYPE;
    if (!diff_types_of(o[0].scalar, o[1].scalar, &types)) {
        if (same_opaque(o)) p->outcome = DIFF_EQUAL;
        return INGOT_OK;
    }
    enum ingot_status status = check_values(&t[0], err);
    if (status == INGOT_OK) status = check_values(&t[1], err);
    if (status != INGOT_OK) return status;
    if (differs) settle_rows(p, o);
    p->outcome = DIFF_EQUAL;
    p->n_jobs = pieces(p->n_rows, rows_of_job(p->n_cols)) * pieces(p->n_cols, JOB_ELEMS);
    d->n_bytes += p->n_rows * p->n_cols * (o[0].size + o[1].size);
    return INGOT_OK;
}

/* ------------------------------------------------------------------------------------------------------------- jobs */

struct comparison {
    struct diff *d;
    const struct diff_options *options;
    struct diff_figures *found; /* by job */
    const uint64_t *jobs;       /* those of the second pass; NULL: all */
    uint8_t *scratch[MAX_WORKERS][2];
    pthread_mutex_t lock; /* guards what is below */
    uint64_t n_done;
};

/* The pair that a job belongs to: of several that begin with it, the last, for the others have none. */
static const struct diff_pair *pair_of_job(const struct diff *d, uint64_t job)
{
    return &d->pairs[parallel_owner(&d->pairs->first_job, sizeof *d->pairs, d->n_pairs, job)];
}

/* Only one thread at a time may be in the caller's callback. */
static enum ingot_status report_progress(struct comparison *c, uint64_t n, struct ingot_error *err)
{
    if (!c->options->progress) return INGOT_OK;
    pthread_mutex_lock(&c->lock);
    c->n_done += n;
    bool go_on = c->options->progress(c->options->progress_ctx, c->n_done, c->d->n_bytes);
    pthread_mutex_unlock(&c->lock);
    return go_on ? INGOT_OK : ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "interrupted");
}

struct area {
    uint64_t row, n_rows, col, n_cols;
};

static struct area area_of_job(const struct diff_pair *p, uint64_t number)
{
    uint64_t across = pieces(p->n_cols, JOB_ELEMS), rows = rows_of_job(p->n_cols);
    assert(across > 0);
    struct area a = { .row = number / across * rows, .col = number % across * JOB_ELEMS };
    a.n_rows = p->n_rows - a.row < rows ? p->n_rows - a.row : rows;
    a.n_cols = p->n_cols - a.col < JOB_ELEMS ? p->n_cols - a.col : JOB_ELEMS;
    return a;
}

/* A tile: as many rows as stay in the second cache. */
static struct area next_tile(struct area area, uint64_t row, uint64_t col)
{
    uint64_t rows = DIFF_TILE_ELEMS / area.n_cols, rest = area.row + area.n_rows - row;
    if (rows > INGOT_PANEL_LANES) rows -= rows % INGOT_PANEL_LANES;
    if (rows == 0) rows = 1;
    struct area tile = { row, rest < rows ? rest : rows, col, area.col + area.n_cols - col };
    if (tile.n_cols > DIFF_TILE_ELEMS) tile.n_cols = DIFF_TILE_ELEMS;
    return tile;
}

/* With `figures` NULL only whether all bits are the same, as they stand. */
static bool compare_area(const struct comparison *c, const struct diff_operand o[2], struct area area,
                         uint8_t *const scratch[2], struct diff_figures *figures)
{
    struct diff_types types;
    struct area tile = area;
    diff_types_of(o[0].scalar, o[1].scalar, &types);
    if (is_quantised(&o[0].tensor->t) || is_quantised(&o[1].tensor->t)) types.ulp = INGOT_SCALAR_NONE;
    if (!figures && types.a != types.b) return false;
    for (uint64_t row = area.row; row < area.row + area.n_rows; row += tile.n_rows)
        for (uint64_t col = area.col; col < area.col + area.n_cols; col += tile.n_cols) {
            tile = next_tile(area, row, col);
            uint64_t n = tile.n_rows * tile.n_cols;
            const uint8_t *a = diff_fetch(&o[0], row, tile.n_rows, col, tile.n_cols, scratch[0]);
            const uint8_t *b = diff_fetch(&o[1], row, tile.n_rows, col, tile.n_cols, scratch[1]);
            if (figures)
                diff_run(&types, &c->options->tolerance, a, b, n, row * o[0].n_cols + col, figures);
            else if (memcmp(a, b, n * o[0].size) != 0)
                return false;
        }
    return true;
}

/* Whether the bits are the same; the cheapest way first. */
static bool is_same(const struct comparison *c, const struct diff_operand o[2], struct area a,
                    uint8_t *const scratch[2])
{
    bool direct = o[0].way == DIFF_DIRECT && o[1].way == DIFF_DIRECT;
    return diff_same_bytes(&o[0], &o[1], a.row, a.n_rows, a.col, a.n_cols) ||
           (!direct && compare_area(c, o, a, scratch, NULL));
}

static enum ingot_status do_job(void *ctx, uint64_t number, uint32_t worker, struct ingot_error *err)
{
    struct comparison *c = ctx;
    const uint64_t job = c->jobs ? c->jobs[number] : number;
    const struct diff_pair *p = pair_of_job(c->d, job);
    const struct diff_tensor t[2] = { diff_tensor_of(c->d, p, 0), diff_tensor_of(c->d, p, 1) };
    struct area area = area_of_job(p, job - p->first_job);
    struct diff_figures *f = &c->found[job];
    struct diff_operand o[2];
    operands_of(p, t, o);
    uint64_t n = area.n_rows * area.n_cols;
    *f = diff_figures_none();
    if (!c->jobs && is_same(c, o, area, c->scratch[worker]))
        f->n_elems = f->n_equal = f->n_within = n;
    else
        compare_area(c, o, area, c->scratch[worker], f);
    return report_progress(c, c->jobs ? 0 : n * (o[0].size + o[1].size), err);
}

/* ----------------------------------------------------------------------------------------------------------- passes */

/* The jobs of the second pass: unsummed ones of tensors that differ. */
static uint64_t *list_unsummed(const struct comparison *c, uint64_t n_jobs, uint64_t *n)
{
    uint64_t *jobs = memory_array(n_jobs, sizeof *jobs);
    *n = 0;
    for (size_t i = 0; i < c->d->n_pairs; i++) {
        const struct diff_pair *p = &c->d->pairs[i];
        bool differs = false;
        for (uint64_t k = 0; k < p->n_jobs; k++)
            differs |= c->found[p->first_job + k].n_equal < c->found[p->first_job + k].n_elems;
        for (uint64_t k = 0; k < p->n_jobs && differs; k++)
            if (!c->found[p->first_job + k].summed) jobs[(*n)++] = p->first_job + k;
    }
    return jobs;
}

/* The number in row-major order of the tensor; the jobs may have counted along its columns. */
static uint64_t settle_place(const struct diff *d, const struct diff_pair *p, uint64_t at)
{
    const struct diff_tensor t[2] = { diff_tensor_of(d, p, 0), diff_tensor_of(d, p, 1) };
    struct diff_operand a = diff_operand_of(&t[0]), b = diff_operand_of(&t[1]);
    if (p->rows_differ || !diff_operands_lie(&a, &b)) return at;
    return at % a.n_rows * a.n_cols + at / a.n_rows;
}

static void settle(struct comparison *c)
{
    for (size_t i = 0; i < c->d->n_pairs; i++) {
        struct diff_pair *p = &c->d->pairs[i];
        for (uint64_t k = 0; k < p->n_jobs; k++) diff_merge(&p->figures, &c->found[p->first_job + k]);
        if (p->figures.max_abs >= 0) p->figures.max_abs_at = settle_place(c->d, p, p->figures.max_abs_at);
        if (p->figures.n_within < p->figures.n_elems) p->outcome = DIFF_VALUES;
        if (p->outcome == DIFF_EQUAL && p->rows_differ && !p->padding_is_zeros) p->outcome = DIFF_SHAPE;
    }
}

static enum ingot_status compare(struct comparison *c, uint64_t n_jobs, struct ingot_error *err)
{
    uint32_t n_threads = parallel_threads(c->options->n_threads);
    uint64_t n_again = 0;
    if (n_threads > MAX_WORKERS) n_threads = MAX_WORKERS;
    for (uint32_t i = 0; i < n_threads; i++)
        for (unsigned s = 0; s < 2; s++) c->scratch[i][s] = memory_array(DIFF_SCRATCH_BYTES, 1);
    enum ingot_status status = parallel_for(n_jobs, n_threads, do_job, c, err);
    if (status == INGOT_OK) {
        uint64_t *again = list_unsummed(c, n_jobs, &n_again);
        c->jobs = again;
        status = parallel_for(n_again, n_threads, do_job, c, err);
        free(again);
    }
    for (uint32_t i = 0; i < n_threads; i++)
        for (unsigned s = 0; s < 2; s++) free(c->scratch[i][s]);
    if (status == INGOT_OK) settle(c);
    return status;
}

static enum ingot_status compare_all(struct diff *d, const struct diff_options *options, struct ingot_error *err)
{
    struct comparison c = { .d = d, .options = options };
    uint64_t n_jobs = 0;
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < d->n_pairs && status == INGOT_OK; i++) {
        struct diff_pair *p = &d->pairs[i];
        status = plan_pair(d, p, err);
        p->first_job = n_jobs;
        if (p->n_jobs > MAX_JOBS || (n_jobs += p->n_jobs) > MAX_JOBS + d->n_pairs)
            status = ingot_fail(err, INGOT_E_LIMIT, INGOT_NO_OFFSET, d->side[0].cp.path, NULL,
                                "too many elements to compare");
    }
    if (status != INGOT_OK) return status;
    c.found = memory_array(n_jobs, sizeof *c.found);
    pthread_mutex_init(&c.lock, NULL);
    status = compare(&c, n_jobs, err);
    pthread_mutex_destroy(&c.lock);
    free(c.found);
    return status;
}

/* ----------------------------------------------------------------------------------------------------------- public */

enum ingot_status diff_open(const char *path_a, const char *path_b, const struct diff_options *options,
                            struct diff *out, struct ingot_error *err)
{
    enum ingot_status status = diff_pairs_open(path_a, path_b, options, out, err);
    return status == INGOT_OK ? compare_all(out, options, err) : status;
}

void diff_close(struct diff *d)
{
    for (unsigned s = 0; s < 2; s++) {
        ingot_canonical_close(d->side[s].canonical);
        checkpoint_close(&d->side[s].cp);
        free(d->side[s].listed);
    }
    free(d->pairs);
    *d = (struct diff){ 0 };
}

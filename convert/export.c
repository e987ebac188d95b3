/* export.c - the way out: bind the model, let the target plan its files, write them in parallel, publish all or none.
 *
 * Before anything is written every byte of the .ingot file is verified: what is exported is what was converted. A job
 * is 4 MiB of one tensor of the output, made from the map in one window of private memory and written at its place. */
#include "convert/export.h"

#include "convert/q8_blocks.h"
#include "format/fpenv.h"
#include "format/output_dir.h"
#include "format/parallel.h"
#include "format/path.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_WORKERS 16u

static const struct export_target *const targets[] = {
    &export_huggingface,
    &export_gguf,
    &export_llmc,
};
#define N_TARGETS (sizeof targets / sizeof *targets)

struct work {
    struct exporter *export;
    const struct export_target *target;
    const char *path;
    struct output_dir dir;
    struct output outputs[EXPORT_MAX_FILES];
    struct export_file *file; /* being written, to */
    struct output *output;    /* this */
    uint8_t *windows[MAX_WORKERS];
    struct ingot_cast_stats stats[MAX_WORKERS]; /* of one worker each */
    pthread_mutex_t progress_lock;
    uint64_t verified_bytes, done_bytes, total_bytes;
};

size_t ingot_export_count(void)
{
    return N_TARGETS;
}

struct ingot_export_format ingot_export_format(size_t i)
{
    return (struct ingot_export_format){ targets[i]->name, targets[i]->about, targets[i]->is_directory };
}

static const struct export_target *find_target(const char *name)
{
    for (size_t i = 0; i < N_TARGETS; i++)
        if (strcmp(targets[i]->name, name) == 0) return targets[i];
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------- progress */

/* Only one thread at a time may be in the caller's callback. */
static enum ingot_status report_progress(struct work *w, uint64_t n, struct ingot_error *err)
{
    const struct ingot_export_options *o = w->export->options;
    if (!o->progress) return INGOT_OK;
    pthread_mutex_lock(&w->progress_lock);
    w->done_bytes += n;
    bool go_on = o->progress(o->progress_ctx, w->done_bytes, w->total_bytes);
    pthread_mutex_unlock(&w->progress_lock);
    return go_on ? INGOT_OK : ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "stopped as asked");
}

static bool report_verified(void *ctx, uint64_t done, uint64_t total)
{
    struct work *w = ctx;
    struct ingot_error ignored = { 0 };
    uint64_t more = done - w->verified_bytes;
    (void)total;
    w->verified_bytes = done;
    return report_progress(w, more, &ignored) == INGOT_OK;
}

/* -------------------------------------------------------------------------------------------------------- writing */

static uint64_t chunk_elems(const struct export_piece *p)
{
    if (p->dtype == INGOT_Q8) return INGOT_CHUNK_BYTES / Q8_0_BYTES * Q8_0_ELEMS;
    return INGOT_CHUNK_BYTES / ingot_dtype_size(p->dtype);
}

/* The piece whose jobs hold number `job`. */
static struct export_piece *piece_of_job(const struct export_file *f, uint64_t job)
{
    return &f->pieces[parallel_owner(&f->pieces->first_job, sizeof *f->pieces, f->n_pieces, job)];
}

static enum ingot_status do_job(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct work *w = ctx;
    struct export_piece *p = piece_of_job(w->file, job);
    uint64_t first = (job - p->first_job) * chunk_elems(p);
    uint64_t n = p->n_elems - first < chunk_elems(p) ? p->n_elems - first : chunk_elems(p);
    struct ingot_cast_stats stats = { 0 };
    if (p->dtype == INGOT_Q8)
        q8_get_blocks(p->section, first, n, w->windows[worker]);
    else
        ingot_unpack(p->section, p->transposed, p->dtype, first, n, w->windows[worker], &stats);
    atomic_fetch_add_explicit(&p->n_overflow, stats.n_overflow, memory_order_relaxed);
    w->stats[worker].n_overflow += stats.n_overflow;
    w->stats[worker].n_underflow += stats.n_underflow;
    w->stats[worker].n_nan += stats.n_nan;
    const uint64_t n_bytes = export_bytes(p->dtype, n);
    enum ingot_status status =
        output_write(w->output, w->windows[worker], n_bytes, p->off + export_bytes(p->dtype, first), err);
    return status == INGOT_OK ? report_progress(w, n_bytes, err) : status;
}

static enum ingot_status write_file(struct work *w, size_t i)
{
    struct export_file *f = &w->export->files[i];
    uint64_t n_jobs = 0;
    uint32_t n_threads = parallel_threads(w->export->options->n_threads);
    w->file = f;
    w->output = &w->outputs[i];
    for (size_t k = 0; k < f->n_pieces; k++) {
        f->pieces[k].first_job = n_jobs;
        n_jobs += (f->pieces[k].n_elems + chunk_elems(&f->pieces[k]) - 1) / chunk_elems(&f->pieces[k]);
    }
    enum ingot_status status = output_write(w->output, f->head.bytes, f->head.n, 0, w->export->err);
    if (status != INGOT_OK) return status;
    return parallel_for(n_jobs, n_threads < MAX_WORKERS ? n_threads : MAX_WORKERS, do_job, w, w->export->err);
}

/* ------------------------------------------------------------------------------------------- one file, or a few */

/* Reading and replacing one file is never meant, whatever links lead there. */
static enum ingot_status check_not_input(const struct work *w, const char *path)
{
    struct stat in, out;
    if (stat(ingot_file_path(w->export->file), &in) != 0 || stat(path, &out) != 0) return INGOT_OK;
    if (in.st_dev != out.st_dev || in.st_ino != out.st_ino) return INGOT_OK;
    return ingot_fail(w->export->err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "choose another name for the output",
                      "the output is the input");
}

/* Files beside the output are called by their own names. */
static enum ingot_status init_output(struct work *w, size_t i)
{
    const struct export_file *f = &w->export->files[i];
    const char *name = path_base(w->path);
    bool overwrite = w->export->options->overwrite;
    char *path = NULL;
    if (!f->name) return INGOT_OK; /* initialised before the plan was made */
    if (asprintf(&path, "%.*s%s", (int)(name - w->path), w->path, f->name) < 0)
        return fail_memory(w->export->err, w->path);
    enum ingot_status status = INGOT_OK;
    if (strcmp(f->name, name) == 0)
        status = ingot_fail(w->export->err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, path, "choose another name",
                            "this is the name of a file that is written beside the output");
    if (status == INGOT_OK) status = check_not_input(w, path);
    if (status == INGOT_OK) status = output_init(&w->outputs[i], path, overwrite, w->export->err);
    free(path);
    return status;
}

/* The output comes last: when it is there, so are the others, even if its name could not be synced. */
static enum ingot_status publish_files(struct work *w)
{
    struct exporter *e = w->export;
    enum ingot_status status = report_progress(w, 0, e->err);
    for (size_t i = e->n_files; i > 0 && status == INGOT_OK; i--) status = output_publish(&w->outputs[i - 1], e->err);
    for (size_t i = 1; i < e->n_files && !w->outputs[0].published; i++) output_retract(&w->outputs[i]);
    return status;
}

static enum ingot_status write_files(struct work *w)
{
    struct exporter *e = w->export;
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < e->n_files && status == INGOT_OK; i++) status = init_output(w, i);
    for (size_t i = 0; i < e->n_files && status == INGOT_OK; i++) {
        status = output_begin(&w->outputs[i], e->files[i].n_bytes, e->err);
        if (status == INGOT_OK) status = write_file(w, i);
    }
    return status == INGOT_OK ? publish_files(w) : status;
}

/* ---------------------------------------------------------------------------------------------------- a directory */

static enum ingot_status write_directory(struct work *w)
{
    struct exporter *e = w->export;
    enum ingot_status status = output_dir_begin(&w->dir, e->err);
    for (size_t i = 0; i < e->n_files && status == INGOT_OK; i++) {
        status = output_dir_file(&w->dir, e->files[i].name, e->files[i].n_bytes, &w->outputs[i], e->err);
        if (status == INGOT_OK) status = write_file(w, i);
        if (status == INGOT_OK) status = output_keep(&w->outputs[i], e->err);
    }
    if (status == INGOT_OK) status = report_progress(w, 0, e->err);
    return status == INGOT_OK ? output_dir_publish(&w->dir, e->err) : status;
}

/* ----------------------------------------------------------------------------------------------------------- all */

/* A directory is replaced with what is in it: the input may not be there either. */
static enum ingot_status check_output(const struct work *w)
{
    enum ingot_status status = check_not_input(w, w->path);
    for (size_t i = 0; w->target->is_directory && w->target->files[i] && status == INGOT_OK; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", w->path, w->target->files[i]) < 0) return fail_memory(w->export->err, w->path);
        status = check_not_input(w, path);
        free(path);
    }
    return status;
}

static enum ingot_status init(struct work *w)
{
    const struct ingot_export_options *o = w->export->options;
    if (w->target->is_directory)
        return output_dir_init(&w->dir, w->path, w->target->files, o->overwrite, w->export->err);
    return output_init(&w->outputs[0], w->path, o->overwrite, w->export->err);
}

static enum ingot_status verify(struct work *w)
{
    struct ingot_verify_options options = { .n_threads = w->export->options->n_threads,
                                            .progress = report_verified,
                                            .progress_ctx = w };
    struct ingot_file_info info;
    ingot_file_get_info(w->export->file, &info);
    w->total_bytes = info.file_bytes;
    for (size_t i = 0; i < w->export->n_files; i++)
        for (size_t k = 0; k < w->export->files[i].n_pieces; k++) {
            const struct export_piece *p = &w->export->files[i].pieces[k];
            w->total_bytes += export_bytes(p->dtype, p->n_elems);
        }
    enum ingot_status status = ingot_verify(w->export->file, &options, NULL, w->export->err);
    w->done_bytes += info.file_bytes - w->verified_bytes; /* what lies between sections is not counted there */
    return status;
}

static enum ingot_status make_windows(struct work *w)
{
    uint32_t n = parallel_threads(w->export->options->n_threads);
    for (uint32_t i = 0; i < n && i < MAX_WORKERS; i++)
        if (!(w->windows[i] = aligned_alloc(SECTION_ALIGN, INGOT_CHUNK_BYTES)))
            return fail_memory(w->export->err, w->path);
    return INGOT_OK;
}

/* Which a reader of the result would not see. */
static void warn_of_widening(const struct exporter *e)
{
    enum ingot_dtype to = INGOT_DTYPE_NONE;
    char message[128];
    for (size_t i = 0; i < e->n_files; i++)
        for (size_t k = 0; k < e->files[i].n_pieces; k++) {
            const struct export_piece *p = &e->files[i].pieces[k];
            if (quant_step_bytes(p->section->dtype) > 0 && p->dtype != INGOT_Q8) to = p->dtype;
        }
    if (to == INGOT_DTYPE_NONE) return;
    snprintf(message, sizeof message, "what is quantised is written as %s, %s", ingot_dtype_name(to),
             to == INGOT_F32 ? "which holds every value of it" : "rounded once more");
    export_warn(e, message);
}

static enum ingot_status run(struct work *w)
{
    enum ingot_status status = check_output(w);
    if (status == INGOT_OK) status = init(w);
    if (status == INGOT_OK) status = export_bind(w->export);
    if (status == INGOT_OK) status = w->target->plan(w->export);
    if (status == INGOT_OK) warn_of_widening(w->export);
    if (status == INGOT_OK) status = verify(w);
    if (status == INGOT_OK) status = make_windows(w);
    if (status != INGOT_OK) return status;
    return w->target->is_directory ? write_directory(w) : write_files(w);
}

static void warn_of_casts(const struct work *w)
{
    const struct exporter *e = w->export;
    for (size_t i = 0; i < e->n_files; i++)
        for (size_t k = 0; k < e->files[i].n_pieces; k++) {
            const struct export_piece *p = &e->files[i].pieces[k];
            char message[128];
            if (p->n_overflow == 0 || !e->options->warning) continue;
            snprintf(message, sizeof message, "%" PRIu64 " of %" PRIu64 " values became infinite in %s", p->n_overflow,
                     p->n_elems, ingot_dtype_name(p->dtype));
            e->options->warning(e->options->warning_ctx, p->section->name, message);
        }
}

static void fill_report(const struct work *w, struct ingot_export_report *report)
{
    *report = (struct ingot_export_report){ .n_files = (uint32_t)w->export->n_files };
    for (size_t i = 0; i < w->export->n_files; i++) {
        report->n_tensors += w->export->files[i].n_pieces;
        report->output_bytes += w->export->files[i].n_bytes;
    }
    for (size_t i = 0; i < MAX_WORKERS; i++) {
        report->cast.n_overflow += w->stats[i].n_overflow;
        report->cast.n_underflow += w->stats[i].n_underflow;
        report->cast.n_nan += w->stats[i].n_nan;
    }
}

static enum ingot_status export_to(struct work *w, struct ingot_export_report *report)
{
    enum ingot_status status = run(w);
    if (status == INGOT_OK) {
        warn_of_casts(w);
        if (report) fill_report(w, report);
    }
    for (size_t i = 0; i < EXPORT_MAX_FILES; i++) output_close(&w->outputs[i]);
    output_dir_close(&w->dir);
    for (size_t i = 0; i < MAX_WORKERS; i++) free(w->windows[i]);
    export_free(w->export);
    return status;
}

enum ingot_status ingot_export(const struct ingot_file *file, const char *format, const char *output_path,
                               const struct ingot_export_options *options, struct ingot_export_report *report,
                               struct ingot_error *err)
{
    static const struct ingot_export_options defaults = { 0 };
    struct exporter e = { .file = file, .options = options ? options : &defaults, .err = err };
    struct work w = { .export = &e,
                      .target = find_target(format),
                      .path = output_path,
                      .dir = { .parent_fd = -1, .fd = -1 },
                      .progress_lock = PTHREAD_MUTEX_INITIALIZER };
    for (size_t i = 0; i < EXPORT_MAX_FILES; i++) w.outputs[i] = (struct output){ .dir_fd = -1, .fd = -1 };
    if (!w.target)
        return ingot_fail(err, INGOT_E_ARGUMENT, INGOT_NO_OFFSET, format, "known are huggingface, gguf and llm.c",
                          "is no format that can be written");
    fenv_t caller;
    fpenv_enter(&caller); /* threads inherit it */
    enum ingot_status status = export_to(&w, report);
    fpenv_leave(&caller);
    return status;
}

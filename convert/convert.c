/* convert.c - the pipeline: prepare, declare, write in parallel, seal, check, publish.
 *
 * The result does not depend on the number of threads. A job is one chunk: it is packed into a window and written, and
 * in the same go a chunk of the tensor's source is hashed, and its checksum computed, so that where source and result
 * have one order the bytes come from the cache. A worker needs a window and a tile of private memory, however large its
 * tensor; the source is only mapped. */
#include "convert/array.h"
#include "convert/digests.h"
#include "convert/manifest.h"
#include "convert/parts.h"
#include "convert/prepare.h"
#include "convert/recipe.h"
#include "convert/self_check.h"
#include "format/error.h"
#include "format/fpenv.h"
#include "format/layout.h"
#include "format/parallel.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* With 4.5 MiB each, 72 MiB of private memory at most, and more writers than disks can use. */
#define MAX_WORKERS 16u

/* One in so many values that vanish is worth a warning; a few tiny ones do in every cast to 16 bits. */
#define NOTABLE 100u

/* What became of one tensor while it was written. */
struct tensor_work {
    uint64_t first_job; /* as many jobs as it has chunks, or as its source has units, whichever is more */
    uint64_t n_chunks;
    uint32_t section;
    _Atomic uint64_t n_overflow, n_underflow, n_nan;
};

struct conversion {
    const struct ingot_convert_options *options;
    struct prepared in;
    const struct plan *plan; /* that of `in` */
    struct text metadata, provenance;
    struct ingot_writer *writer;
    uint32_t model_section, vocabulary_section, metadata_section, recipe_section, provenance_section;
    struct tensor_work *work; /* one per tensor of the plan */
    struct digests digests;
    uint64_t *first_units; /* of the digests, by tensor of the plan; one more at the end */
    uint64_t n_jobs;
    uint8_t *windows[MAX_WORKERS], *tiles[MAX_WORKERS];
    pthread_mutex_t progress_lock;
    uint64_t done_bytes, total_bytes; /* for progress: the source's bytes that are read, and three times the result's:
                                         for packing and writing, for reading back, for the sync */
    uint64_t tensor_bytes;            /* of the result */
    struct ingot_error *err;
};

/* -------------------------------------------------------------------------------------------------------- declaring */

static enum ingot_status add_bytes(struct conversion *c, const char *name, enum ingot_kind kind, uint64_t n,
                                   uint32_t *section)
{
    struct ingot_section_plan plan = { .name = name, .kind = kind, .raw_bytes = n };
    return ingot_writer_add(c->writer, &plan, section, c->err);
}

static enum ingot_status add_tensor(struct conversion *c, const struct plan_tensor *t, struct tensor_work *work)
{
    struct ingot_section_plan plan = {
        .name = t->name, .kind = INGOT_KIND_TENSOR, .dtype = t->dtype, .layout = t->layout, .rank = t->rank
    };
    memcpy(plan.shape, t->shape, sizeof t->shape);
    return ingot_writer_add(c->writer, &plan, &work->section, c->err);
}

static enum ingot_status add_tensors(struct conversion *c)
{
    enum ingot_status status = INGOT_OK;
    for (size_t i = 0; i < c->plan->n_tensors && status == INGOT_OK; i++)
        status = add_tensor(c, &c->plan->tensors[i], &c->work[i]);
    if (status != INGOT_OK || !c->plan->tied) return status;
    uint32_t none;
    struct ingot_section_plan alias = { .name = profile_gpt2[PROFILE_HEAD].name,
                                        .kind = INGOT_KIND_ALIAS,
                                        .target = profile_gpt2[PROFILE_WTE].name };
    return ingot_writer_add(c->writer, &alias, &none, c->err);
}

/* The provenance is written twice: now for its length, which the digests do not change, and again when they are
 * known. */
static enum ingot_status prepare_work(struct conversion *c)
{
    const size_t n = c->plan->n_tensors;
    c->work = calloc(n + 1, sizeof *c->work);
    c->first_units = calloc(n + 1, sizeof *c->first_units);
    if (!c->work || !c->first_units) return fail_memory(c->err, c->in.source->path);
    enum ingot_status status = digests_plan(&c->digests, c->in.source, c->plan, c->first_units, c->err);
    if (status == INGOT_OK) status = manifest_metadata(&c->in, c->options, &c->metadata, c->err);
    if (status == INGOT_OK) status = manifest_provenance(c->plan, &c->digests, &c->provenance, c->err);
    return status;
}

/* In order of placement. */
static enum ingot_status declare(struct conversion *c)
{
    const struct vocabulary *v = &c->in.vocabulary;
    enum ingot_status status = add_bytes(c, INGOT_NAME_MODEL, INGOT_KIND_MODEL, INGOT_HPARAMS_BYTES, &c->model_section);
    if (status == INGOT_OK && v->bytes)
        status = add_bytes(c, INGOT_NAME_VOCABULARY, INGOT_KIND_VOCABULARY, v->n_bytes, &c->vocabulary_section);
    if (status == INGOT_OK)
        status = add_bytes(c, INGOT_NAME_METADATA, INGOT_KIND_METADATA, c->metadata.n, &c->metadata_section);
    if (status == INGOT_OK)
        status = add_bytes(c, INGOT_NAME_RECIPE, INGOT_KIND_RECIPE, c->plan->recipe->n_text, &c->recipe_section);
    if (status == INGOT_OK) status = add_tensors(c);
    if (status == INGOT_OK)
        status = add_bytes(c, INGOT_NAME_PROVENANCE, INGOT_KIND_PROVENANCE, c->provenance.n, &c->provenance_section);
    return status;
}

/* What sealing has done, of its own total, as that share of the tensors' bytes: so it counts in the whole. */
static bool report_sealing(void *ctx, uint64_t done, uint64_t total)
{
    struct conversion *c = ctx;
    double share = total ? (double)done / (double)total : 1;
    if (!c->options->progress) return true;
    return c->options->progress(c->options->progress_ctx, c->done_bytes + (uint64_t)(share * (double)c->tensor_bytes),
                                c->total_bytes);
}

static enum ingot_status create_output(struct conversion *c, const char *path)
{
    struct ingot_writer_options options = {
        .align = c->options->align, .overwrite = c->options->overwrite, .progress = report_sealing, .progress_ctx = c
    };
    enum ingot_status status = ingot_writer_create(path, &options, &c->writer, c->err);
    if (status == INGOT_OK) status = prepare_work(c);
    if (status == INGOT_OK) status = declare(c);
    return status == INGOT_OK ? ingot_writer_begin(c->writer, c->err) : status;
}

/* ---------------------------------------------------------------------------------------------------------- writing */

/* Only one thread at a time may be in the caller's callback. */
static enum ingot_status report_progress(struct conversion *c, uint64_t n, struct ingot_error *err)
{
    if (!c->options->progress) return INGOT_OK;
    pthread_mutex_lock(&c->progress_lock);
    c->done_bytes += n;
    bool go_on = c->options->progress(c->options->progress_ctx, c->done_bytes, c->total_bytes);
    pthread_mutex_unlock(&c->progress_lock);
    return go_on ? INGOT_OK : ingot_fail(err, INGOT_E_INTERRUPTED, INGOT_NO_OFFSET, NULL, NULL, "stopped as asked");
}

/* The tensor whose jobs hold number `job`. */
static size_t tensor_of_job(const struct conversion *c, uint64_t job)
{
    return parallel_owner(&c->work->first_job, sizeof *c->work, c->plan->n_tensors, job);
}

static enum ingot_status write_chunk(struct conversion *c, const struct plan_tensor *t, struct tensor_work *work,
                                     uint64_t chunk, uint32_t worker, struct ingot_error *err)
{
    struct ingot_cast_stats stats = { 0 };
    uint8_t *window = c->windows[worker];
    size_t n = ingot_writer_chunk_bytes(c->writer, work->section, chunk);
    parts_pack(t, chunk * INGOT_CHUNK_BYTES, window, n, c->tiles[worker], &stats);
    atomic_fetch_add_explicit(&work->n_overflow, stats.n_overflow, memory_order_relaxed);
    atomic_fetch_add_explicit(&work->n_underflow, stats.n_underflow, memory_order_relaxed);
    atomic_fetch_add_explicit(&work->n_nan, stats.n_nan, memory_order_relaxed);
    return ingot_writer_put(c->writer, work->section, chunk, window, n, err);
}

static enum ingot_status do_job(void *ctx, uint64_t job, uint32_t worker, struct ingot_error *err)
{
    struct conversion *c = ctx;
    size_t i = tensor_of_job(c, job);
    struct tensor_work *work = &c->work[i];
    uint64_t chunk = job - work->first_job, unit = c->first_units[i] + chunk, n = 0;
    enum ingot_status status = INGOT_OK;
    if (unit < c->first_units[i + 1]) status = digests_do(&c->digests, unit, &n, err);
    if (status == INGOT_OK && chunk < work->n_chunks) {
        n += ingot_writer_chunk_bytes(c->writer, work->section, chunk);
        status = write_chunk(c, &c->plan->tensors[i], work, chunk, worker, err);
    }
    return status == INGOT_OK ? report_progress(c, n, err) : status;
}

static void number_jobs(struct conversion *c)
{
    for (size_t i = 0; i < c->plan->n_tensors; i++) {
        struct tensor_work *work = &c->work[i];
        uint64_t n_units = c->first_units[i + 1] - c->first_units[i];
        work->first_job = c->n_jobs;
        work->n_chunks = ingot_writer_chunk_count(c->writer, work->section);
        c->n_jobs += n_units > work->n_chunks ? n_units : work->n_chunks;
        for (uint64_t k = 0; k < work->n_chunks; k++)
            c->tensor_bytes += ingot_writer_chunk_bytes(c->writer, work->section, k);
    }
    c->total_bytes = c->digests.n_bytes + 3 * c->tensor_bytes;
}

static enum ingot_status write_tensors(struct conversion *c)
{
    uint32_t n_threads = parallel_threads(c->options->n_threads);
    if (n_threads > MAX_WORKERS) n_threads = MAX_WORKERS;
    number_jobs(c);
    for (uint32_t i = 0; i < n_threads; i++) {
        c->windows[i] = aligned_alloc(SECTION_ALIGN, INGOT_CHUNK_BYTES);
        c->tiles[i] = aligned_alloc(SECTION_ALIGN, PARTS_SCRATCH_BYTES);
        if (!c->windows[i] || !c->tiles[i]) return fail_memory(c->err, c->in.source->path);
    }
    enum ingot_status status = parallel_for(c->n_jobs, n_threads, do_job, c, c->err);
    return status == INGOT_OK ? digests_compare_empty(&c->digests, c->err) : status;
}

static enum ingot_status put_bytes(struct conversion *c, uint32_t section, const void *bytes)
{
    enum ingot_status status = INGOT_OK;
    uint64_t n_chunks = ingot_writer_chunk_count(c->writer, section);
    for (uint64_t i = 0; i < n_chunks && status == INGOT_OK; i++)
        status = ingot_writer_put(c->writer, section, i, (const uint8_t *)bytes + i * INGOT_CHUNK_BYTES,
                                  ingot_writer_chunk_bytes(c->writer, section, i), c->err);
    return status;
}

static enum ingot_status write_provenance(struct conversion *c)
{
    text_free(&c->provenance);
    enum ingot_status status = manifest_provenance(c->plan, &c->digests, &c->provenance, c->err);
    return status == INGOT_OK ? put_bytes(c, c->provenance_section, c->provenance.bytes) : status;
}

static enum ingot_status write_sections(struct conversion *c)
{
    uint8_t model[INGOT_HPARAMS_BYTES];
    ingot_hparams_encode(&c->plan->hp, model);
    enum ingot_status status = put_bytes(c, c->model_section, model);
    if (status == INGOT_OK && c->in.vocabulary.bytes)
        status = put_bytes(c, c->vocabulary_section, c->in.vocabulary.bytes);
    if (status == INGOT_OK) status = put_bytes(c, c->metadata_section, c->metadata.bytes);
    if (status == INGOT_OK) status = put_bytes(c, c->recipe_section, c->plan->recipe->text);
    if (status == INGOT_OK) status = write_tensors(c);
    return status == INGOT_OK ? write_provenance(c) : status;
}

/* ---------------------------------------------------------------------------------------------------- after writing */

static void warn(const struct conversion *c, const char *subject, const char *message)
{
    if (c->options->warning) c->options->warning(c->options->warning_ctx, subject, message);
}

static void warn_of_cast(const struct conversion *c, const struct plan_tensor *t, const struct tensor_work *work)
{
    const bool quantised = quant_step_bytes(t->dtype) > 0;
    const uint64_t n = t->n_rows * t->n_cols;
    char message[160];
    if (work->n_overflow > 0) {
        snprintf(message, sizeof message, "%" PRIu64 " of %" PRIu64 " values %s in %s", work->n_overflow, n,
                 quantised ? "are cut to the largest" : "became infinite", ingot_dtype_name(t->dtype));
        warn(c, t->name, message);
    }
    if (work->n_underflow > n / NOTABLE) {
        snprintf(message, sizeof message, "%" PRIu64 " of %" PRIu64 " values, none of them 0, became 0 in %s",
                 work->n_underflow, n, ingot_dtype_name(t->dtype));
        warn(c, t->name, message);
    }
    if (work->n_nan > 0 && quantised) {
        snprintf(message, sizeof message,
                 "%" PRIu64 " of %" PRIu64 " values share a scale with a NaN or an infinity: none is a number in %s",
                 work->n_nan, n, ingot_dtype_name(t->dtype));
        warn(c, t->name, message);
    }
}

/* What a cast lost, tensor by tensor, in order. */
static void warn_of_casts(const struct conversion *c, struct ingot_cast_stats *sum)
{
    for (size_t i = 0; i < c->plan->n_tensors; i++) {
        sum->n_overflow += c->work[i].n_overflow;
        sum->n_underflow += c->work[i].n_underflow;
        sum->n_nan += c->work[i].n_nan;
        warn_of_cast(c, &c->plan->tensors[i], &c->work[i]);
    }
}

static void fill_report(const struct conversion *c, const struct ingot_file *file, uint64_t n_checked,
                        struct ingot_convert_report *report)
{
    struct ingot_file_info info;
    ingot_file_get_info(file, &info);
    *report = (struct ingot_convert_report){ .n_tensors = c->plan->n_tensors,
                                             .n_dropped = c->plan->n_dropped,
                                             .n_checked = n_checked,
                                             .output_bytes = info.file_bytes,
                                             .content_id = info.content_id };
    for (size_t i = 0; i < c->in.source->n_files; i++) report->source_bytes += c->in.source->files[i]->map.size;
    warn_of_casts(c, &report->cast);
}

static enum ingot_status finish(struct conversion *c, struct ingot_convert_report *report)
{
    const struct ingot_file *file = NULL;
    uint64_t n_checked = 0;
    enum ingot_status status = ingot_writer_seal(c->writer, c->options->n_threads, &file, c->err);
    if (status == INGOT_OK) status = self_check(c->plan, file, &n_checked, c->err);
    if (status == INGOT_OK) status = prepared_check_unchanged(&c->in, c->err);
    if (status == INGOT_OK) status = report_progress(c, c->tensor_bytes, c->err); /* a last chance to stop */
    if (status == INGOT_OK) fill_report(c, file, n_checked, report);
    if (status == INGOT_OK) status = ingot_writer_publish(c->writer, c->err);
    struct ingot_error done = { 0 };
    if (status == INGOT_OK) report_progress(c, c->tensor_bytes, &done); /* too late to stop */
    return status;
}

static void clean_up(struct conversion *c)
{
    ingot_writer_close(c->writer);
    for (uint32_t i = 0; i < MAX_WORKERS; i++) {
        free(c->windows[i]);
        free(c->tiles[i]);
    }
    free(c->work);
    free(c->first_units);
    digests_free(&c->digests);
    text_free(&c->metadata);
    text_free(&c->provenance);
    prepared_free(&c->in);
    pthread_mutex_destroy(&c->progress_lock);
}

enum ingot_status ingot_convert(const char *source_path, const char *output_path,
                                const struct ingot_convert_options *options, struct ingot_convert_report *report,
                                struct ingot_error *err)
{
    static const struct ingot_convert_options defaults = { 0 };
    struct ingot_convert_report unasked;
    struct conversion c = { .options = options ? options : &defaults, .err = err };
    fenv_t caller;
    pthread_mutex_init(&c.progress_lock, NULL);
    c.plan = &c.in.plan;
    fpenv_enter(&caller); /* threads inherit it */
    enum ingot_status status = prepare(source_path, c.options, &c.in, err);
    if (status == INGOT_OK) status = prepared_check_output(&c.in, output_path, err);
    if (status == INGOT_OK) status = create_output(&c, output_path);
    if (status == INGOT_OK) status = write_sections(&c);
    if (status == INGOT_OK) status = finish(&c, report ? report : &unasked);
    clean_up(&c);
    fpenv_leave(&caller);
    return status;
}

/*
 * ingot_convert.h - foreign checkpoints: look into them, and cast them into an .ingot file.
 *
 * A *source* is an opened foreign checkpoint (a Hugging Face directory or a single .safetensors file so far): a list
 * of named tensors that lie in mapped files, plus whatever stands beside them (configuration, tokenizer). Everything
 * in it is hostile until checked; after ingot_source_open() every tensor's span lies inside its file.
 *
 * Conventions: see format/ingot_format.h. A source is immutable and may be used by many threads.
 */
#ifndef INGOT_CONVERT_H
#define INGOT_CONVERT_H

#include "format/ingot_format.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ingot_source;

/* One tensor of a source, as it stands there: source names, source orientation. Pointers are borrowed. */
struct ingot_source_tensor {
    const char *name;       /* NUL-terminated, hostile: escape before printing */
    const char *dtype_name; /* the source's own word, e.g. "F32", "I16" */
    enum ingot_dtype dtype; /* INGOT_DTYPE_NONE when the container has no such dtype */
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK];
    const void *data; /* n_bytes readable bytes, any alignment */
    uint64_t n_bytes;
    const char *file; /* base name of the file that holds it */
    uint64_t file_off;
};

/* Opens a directory or a file. Which format it is, is decided by content and reported by ingot_source_format().
 * Errors: IO; SOURCE, TRUNCATED, OVERLAP, RANGE with file and offset; UNSUPPORTED, LIMIT; MISSING when a directory
 * holds no checkpoint that is known. */
enum ingot_status ingot_source_open(const char *path, struct ingot_source **out, struct ingot_error *err);
void ingot_source_close(struct ingot_source *src);

const char *ingot_source_format(const struct ingot_source *src); /* "safetensors", ...; static */
const char *ingot_source_path(const struct ingot_source *src);
size_t ingot_source_count(const struct ingot_source *src);
/* In the order of their place in the files. i must be below the count. */
struct ingot_source_tensor ingot_source_at(const struct ingot_source *src, size_t i);

/* The hyper-parameters as configuration and tensor shapes together say them. MISSING when the source cannot say one
 * (the error names it), MODEL when they contradict each other, UNSUPPORTED when a field changes the mathematics in
 * a way that is not executed. */
enum ingot_status ingot_source_hparams(const struct ingot_source *src, struct ingot_hparams *out,
                                       struct ingot_error *err);

/* ---------------------------------------------------------------------------------------------------- conversion */

/* Something worth saying that does not stop a conversion: no tokenizer found, values that overflowed. */
typedef void (*ingot_warning_fn)(void *ctx, const char *subject, const char *message);

struct ingot_convert_options {
    enum ingot_dtype dtype; /* of matrices: F32, F16, BF16; DTYPE_NONE keeps the source's (f64 becomes f32).
                               Vectors (norms, biases) are always f32, which widens f16 and bf16 exactly. */
    bool overwrite;
    uint32_t align;     /* 0: 4096 */
    uint32_t n_threads; /* 0: as many as the process may run on; the result does not depend on it. At most 16 write,
                           each with a window of 4 MiB of private memory */
    ingot_progress_fn progress;
    void *progress_ctx;
    ingot_warning_fn warning;
    void *warning_ctx;
};

struct ingot_convert_report {
    uint64_t n_tensors; /* written, aliases not counted */
    uint64_t n_dropped; /* mask buffers and the like */
    uint64_t source_bytes, output_bytes;
    uint64_t n_checked; /* elements compared in the numeric self-check */
    struct ingot_cast_stats cast;
    struct ingot_digest content_id;
};

/* Converts `source_path` into `output_path`: plan, write in parallel with a bounded window of private memory per
 * thread, verify every byte, compare source elements with strided reads of the written file, publish atomically.
 * On any failure nothing appears under output_path, and what was there stays (the one exception is
 * ingot_writer_publish()'s). `options` and `report` may be NULL.
 * Errors: those of ingot_source_open(), ingot_source_hparams() and of the writer; MISSING, SHAPE, DTYPE, MODEL and
 * UNSUPPORTED naming the tensor; CHANGED when a source changed meanwhile; ARGUMENT when the output is one of the
 * inputs, through links too; INTERRUPTED. A directory without a tokenizer is a warning; one with a tokenizer of another
 * kind, or with one file of two, is an error. */
enum ingot_status ingot_convert(const char *source_path, const char *output_path,
                                const struct ingot_convert_options *options, struct ingot_convert_report *report,
                                struct ingot_error *err);

#ifdef __cplusplus
}
#endif
#endif

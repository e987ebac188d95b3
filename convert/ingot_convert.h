/*
 * ingot_convert.h - foreign checkpoints: look into them, cast them into an .ingot file, and write one back out.
 *
 * A *source* is an opened foreign checkpoint (safetensors, PyTorch, TensorFlow, GGUF, llm.c): a list of named tensors
 * that lie in mapped files, the *facts* that its files state beside the tensors (hyper-parameters above all), the
 * *checks* (checksums) that it carries, and whatever stands beside them (configuration, tokenizer). Everything in it is
 * hostile until checked; after ingot_source_open() every tensor's span lies inside its file.
 *
 * A *recipe* says how the tensors of one family of checkpoints become those of a GPT-2. The built-in ones are texts of
 * the same language that users write (`ingot help recipes`).
 *
 * Conventions: see ingot_format.h. A source is immutable and may be used by many threads. Converting and
 * exporting compute in C's default floating-point environment and leave the caller's as it was.
 */
#ifndef INGOT_CONVERT_H
#define INGOT_CONVERT_H

#include "format/ingot_format.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ingot_source;

/* ------------------------------------------------------------------------------------------------------- looking */

/* What an element of a source is. Wider than enum ingot_dtype: much can be looked at that cannot be cast. */
enum ingot_scalar {
    INGOT_SCALAR_NONE = 0, /* elements stand in blocks, see `block` */
    INGOT_SCALAR_BOOL,     /* one byte, 0 or not */
    INGOT_SCALAR_U8,
    INGOT_SCALAR_I8,
    INGOT_SCALAR_U16,
    INGOT_SCALAR_I16,
    INGOT_SCALAR_U32,
    INGOT_SCALAR_I32,
    INGOT_SCALAR_U64,
    INGOT_SCALAR_I64,
    INGOT_SCALAR_F8_E4M3, /* finite, no infinities: torch.float8_e4m3fn */
    INGOT_SCALAR_F8_E5M2,
    INGOT_SCALAR_F16,
    INGOT_SCALAR_BF16,
    INGOT_SCALAR_F32,
    INGOT_SCALAR_F64,
    INGOT_SCALAR_C64,  /* complex: two f32 */
    INGOT_SCALAR_C128, /* complex: two f64 */
    INGOT_SCALAR_COUNT
};

struct ingot_scalar_info {
    const char *name;       /* "F32", "I16", "BOOL": one spelling for all formats */
    uint32_t bytes;         /* of one element; 0 for NONE */
    enum ingot_dtype dtype; /* the container's own; DTYPE_NONE when it has none */
};

/* Never NULL; that of NONE for an unknown value. */
const struct ingot_scalar_info *ingot_scalar_info(enum ingot_scalar scalar);

/* A block-quantised encoding of GGUF: n_elems neighbouring elements of a row in n_bytes bytes. */
struct ingot_block {
    const char *name; /* "Q4_0", "Q6_K" */
    uint32_t gguf_type, n_elems, n_bytes;
    void (*decode)(const uint8_t *block, float *elems); /* by definition; n_bytes readable, n_elems written */
};

#define INGOT_NO_CHECK UINT32_MAX

/* One tensor of a source, as it stands there: source names, source orientation. Pointers are borrowed. */
struct ingot_source_tensor {
    const char *name;       /* NUL-terminated, hostile: ingot_escape() before printing */
    const char *dtype_name; /* ingot_scalar_info()'s or the block's name */
    enum ingot_scalar scalar;
    const struct ingot_block *block; /* NULL unless scalar is NONE */
    enum ingot_dtype dtype;          /* that of the scalar */
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK];   /* outermost first */
    uint64_t strides[INGOT_MAX_RANK]; /* in elements; a stride may be 0, as in an expanded view */
    bool strided;                     /* the strides are not those of row-major order */
    uint32_t n_slices; /* a TensorFlow variable that was saved in pieces, of which none is the tensor; 0: it is whole */
    const void *data;  /* the first element, any alignment; NULL in slices, and when the file that should hold it is
                          not here */
    uint64_t n_bytes;  /* from `data` to the end of the last element in memory; 0 for a tensor without elements */
    const char *file;  /* base name of the file that holds it */
    uint64_t file_off;
    uint32_t check; /* number of the checksum that covers it, or INGOT_NO_CHECK */
};

/* Opens a directory or a file. Which format it is, is decided by content and reported by ingot_source_format().
 * Errors: IO; SOURCE, TRUNCATED, OVERLAP, RANGE with file and offset; UNSUPPORTED, LIMIT; MISSING when a directory
 * holds no checkpoint that is known. */
enum ingot_status ingot_source_open(const char *path, struct ingot_source **out, struct ingot_error *err);
void ingot_source_close(struct ingot_source *src);

const char *ingot_source_format(const struct ingot_source *src); /* "safetensors", ...; static */
/* As given to ingot_source_open(). Borrowed. */
const char *ingot_source_path(const struct ingot_source *src);
size_t ingot_source_count(const struct ingot_source *src);
/* In the order of their place in the files. i must be below the count. */
struct ingot_source_tensor ingot_source_at(const struct ingot_source *src, size_t i);

/* Elements first .. first + n - 1 in row-major order of the shape, gathered and decoded: plain ones bit for bit as they
 * stand, n times ingot_scalar_info()->bytes; those of blocks as f32. The range must lie inside the shape, and `data` be
 * there. `out` needs no alignment for plain elements, that of float for blocks. */
void ingot_source_gather(const struct ingot_source_tensor *t, uint64_t first, uint64_t n, void *out);

/* A fact: one scalar that the source's files state beside the tensors, under a dotted key ("model_args.n_head",
 * "gpt2.block_count", "hparams.n_ctx", "config.n_layer"). Text is hostile. */
enum ingot_fact_type { INGOT_FACT_NULL, INGOT_FACT_BOOL, INGOT_FACT_INT, INGOT_FACT_FLOAT, INGOT_FACT_TEXT };
struct ingot_fact {
    const char *key;
    enum ingot_fact_type type;
    int64_t integer; /* BOOL: 0 or 1 */
    double number;   /* FLOAT */
    const char *text;
};
/* In the order in which they were found. Texts and keys are borrowed; i must be below the count. */
size_t ingot_source_fact_count(const struct ingot_source *src);
struct ingot_fact ingot_source_fact(const struct ingot_source *src, size_t i);

/* The hyper-parameters as recipe, facts and tensor shapes together say them. MISSING when the source cannot say one
 * (the error names it), MODEL when they contradict each other, UNSUPPORTED when a field changes the mathematics in
 * a way that is not executed. */
enum ingot_status ingot_source_hparams(const struct ingot_source *src, struct ingot_hparams *out,
                                       struct ingot_error *err);

/* What a tensor of a source is to the recipe that fits. */
struct ingot_source_role {
    const char *name;    /* canonical name of what it becomes, alone or with others; NULL: nothing of a GPT-2 */
    uint32_t n_pieces;   /* of how many equal ones this is one; each has a call of its own */
    const char *dropped; /* why a model leaves it out, or NULL; may come from a file: escape before printing */
};

/* Both texts are borrowed for the call. */
typedef void (*ingot_role_fn)(void *ctx, size_t i, const struct ingot_source_role *role);

/* Tells the role of every tensor, in order, also when the whole does not make a model. Errors are those of choosing the
 * recipe, UNSUPPORTED above all when none fits; then `role` was never called. */
enum ingot_status ingot_source_roles(const struct ingot_source *src, ingot_role_fn role, void *ctx,
                                     struct ingot_error *err);

#define INGOT_RECIPE_NAME_MAX 64

/* The name of the recipe that fits; a long one is cut. Errors as above. */
enum ingot_status ingot_source_recipe(const struct ingot_source *src, char name[INGOT_RECIPE_NAME_MAX],
                                      struct ingot_error *err);

/* A source in the terms of a GPT-2, as far as it goes: each tensor under its canonical name and as a GPT-2 has it,
 * matrices [out, in], dimensions of 1 in front left out, pieces cut and put together, values untouched. The whole need
 * not make a model. What the recipe does not know, or cannot put together, keeps its own name and shape. */
struct ingot_canonical;

struct ingot_canonical_tensor {
    const char *name;    /* hostile when it is the source's own */
    bool known;          /* the name is canonical */
    const char *dropped; /* why a model leaves it out, or NULL; may come from a file: escape before printing */
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK];
    uint32_t n_parts;                        /* nearly always one, the whole */
    uint32_t axis;                           /* along which several stand one after the other */
    const struct ingot_source_tensor *parts; /* each as ingot_source_gather() takes it, all of one dtype; the names are
                                                the source's */
};

/* `recipe` is as in struct ingot_convert_options. The errors are those of choosing it, UNSUPPORTED above all when none
 * fits. `src` must outlive *out. */
enum ingot_status ingot_canonical_open(const struct ingot_source *src, const char *recipe, struct ingot_canonical **out,
                                       struct ingot_error *err);
void ingot_canonical_close(struct ingot_canonical *c);

/* The tensors of a GPT-2 in order of placement in an .ingot file, then the others in the order of the source. All
 * pointers are borrowed. i must be below the count. */
size_t ingot_canonical_count(const struct ingot_canonical *c);
struct ingot_canonical_tensor ingot_canonical_at(const struct ingot_canonical *c, size_t i);

/* ingot_source_gather() for the whole that the parts make. */
void ingot_canonical_gather(const struct ingot_canonical_tensor *t, uint64_t first, uint64_t n, void *out);

/* A checksum that a source carries for some of its bytes: of a tensor in TensorFlow, of a member in a zip file. */
struct ingot_source_check {
    const char *name;      /* the tensor's or the member's; hostile */
    const char *algorithm; /* "crc32c", "crc32" */
    const char *file;
    uint64_t file_off, n_bytes;
    uint32_t expected;
    bool present; /* false: the file that should hold the bytes is not here */
};
/* Texts are borrowed; i must be below the count. */
size_t ingot_source_check_count(const struct ingot_source *src);
struct ingot_source_check ingot_source_check_at(const struct ingot_source *src, size_t i);

/* Called in order of the checks' numbers, from the calling thread. */
typedef void (*ingot_check_fn)(void *ctx, const struct ingot_source_check *check, uint32_t found, bool good);

struct ingot_source_verify_options {
    uint32_t n_threads; /* 0: as many as the process may run on */
    ingot_progress_fn progress;
    void *progress_ctx;
    ingot_check_fn check;
    void *check_ctx;
};

/* Computes every checksum of the source. OK when all are good; DIGEST naming the first that is not; MISSING when bytes
 * are not here; MEMORY, INTERRUPTED. *n_bad counts the bad and the missing ones; it may be NULL. A source
 * without any checksum is OK. */
enum ingot_status ingot_source_verify(const struct ingot_source *src, const struct ingot_source_verify_options *options,
                                      uint64_t *n_bad, struct ingot_error *err);

/* ------------------------------------------------------------------------------------------------------- recipes */

/* The built-in recipes, in the order in which they are tried. i must be below the count. All is static. */
struct ingot_recipe_info {
    const char *name;  /* "huggingface", "openai", "nanogpt", ... */
    const char *about; /* one line */
    const char *text;  /* the recipe itself, YAML */
};
size_t ingot_recipe_count(void);
struct ingot_recipe_info ingot_recipe_info(size_t i);

/* ---------------------------------------------------------------------------------------------------- conversion */

/* Something worth saying that does not stop the work: no tokenizer found, values that overflowed. From the calling
 * thread. Both texts are borrowed for the call; the subject, a path or a tensor's name, is to be escaped before it is
 * printed, the message is already. */
typedef void (*ingot_warning_fn)(void *ctx, const char *subject, const char *message);

struct ingot_convert_options {
    /* Of matrices: F32, F16, BF16, Q8, Q4; DTYPE_NONE keeps the source's (f64 and blocks become f32). Vectors (norms,
     * biases) are always f32, which widens f16 and bf16 exactly. With Q8 and Q4 the position embedding, of which one
     * row is read at a time, is f16. */
    enum ingot_dtype dtype;
    bool sets_embedding; /* wte.weight and lm_head.weight have a dtype of their own: */
    enum ingot_dtype embedding;
    bool overwrite;
    uint32_t align;              /* 0: 4096 */
    const char *recipe;          /* the name of a built-in recipe, or the path of a file; NULL: the first that fits */
    const char *const *settings; /* "n_head=12", ...: hyper-parameters over what recipe and source say */
    size_t n_settings;
    uint32_t n_threads; /* 0: as many as the process may run on; the result does not depend on it. At most 16 write,
                           each with a window of 4 MiB of private memory */
    ingot_progress_fn progress; /* its answer counts until `done` is `total`, when the file has its name */
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
 * ingot_writer_publish()'s).
 * Errors: those of ingot_source_open(), ingot_source_hparams() and of the writer; RECIPE with line and column;
 * DIGEST for bytes that fail the source's own checksum; MISSING, SHAPE, DTYPE, MODEL and
 * UNSUPPORTED naming the tensor; CHANGED when a source changed meanwhile; ARGUMENT when the output is one of the
 * inputs, through links too; INTERRUPTED. A directory without a tokenizer is a warning; one with a tokenizer of another
 * kind, or with one file of two, is an error. */
enum ingot_status ingot_convert(const char *source_path, const char *output_path,
                                const struct ingot_convert_options *options, struct ingot_convert_report *report,
                                struct ingot_error *err);

/* One line of a plan: what a tensor of the result is made of, or why a tensor of the source is left out. All texts are
 * borrowed for the call, and may come from the source or a recipe: escape before printing. */
struct ingot_plan_line {
    const char *from; /* name in the source; several of one result follow one another */
    const char *from_dtype;
    uint32_t from_rank;
    uint64_t from_shape[INGOT_MAX_RANK];
    const char *file;
    const char *transform; /* "none", "transpose", "rows 0..767 of 2304", ... or why it is dropped */
    const char *to;        /* canonical name; NULL: dropped */
    enum ingot_dtype to_dtype;
    enum ingot_layout to_layout;
    uint32_t to_rank;
    uint64_t to_shape[INGOT_MAX_RANK];
};
typedef void (*ingot_plan_fn)(void *ctx, const struct ingot_plan_line *line);

struct ingot_plan_summary {
    char recipe[INGOT_RECIPE_NAME_MAX]; /* its name; a long one is cut */
    struct ingot_hparams hparams;
    uint64_t n_tensors, n_dropped, output_bytes; /* output_bytes: of the tensors */
    bool tied;
};

/* The first of the two passes alone: everything that ingot_convert() would check before it writes, nothing written. The
 * errors are those of ingot_convert() up to there. Lines come in order of placement, dropped tensors last, from the
 * calling thread. `line` and `summary` may be NULL. */
enum ingot_status ingot_convert_plan(const char *source_path, const struct ingot_convert_options *options,
                                     ingot_plan_fn line, void *ctx, struct ingot_plan_summary *summary,
                                     struct ingot_error *err);

/* One conversion of a batch. Texts are borrowed for the call only. */
struct ingot_batch_entry {
    const char *source, *output; /* paths as they will be opened */
    uint32_t number, count;      /* this one, from 1, of how many */
};

/* Called before an entry is converted, with NULL twice; after it succeeded, with the report; and in a batch that keeps
 * going after it failed, with the error. An entry that cannot be planned fails before any is converted. */
typedef void (*ingot_batch_fn)(void *ctx, const struct ingot_batch_entry *entry,
                               const struct ingot_convert_report *report, const struct ingot_error *error);

/* Converts what a YAML file lists:
 *     dtype: f16                      for all that do not say their own; so for `embedding`, `recipe` and `set`
 *     conversions:
 *       - source: gpt2/               relative paths are those from the batch file's directory
 *         output: gpt2.ingot
 *         recipe: my-recipe.yaml      the name of a built-in one, or a path
 *         set: { n_head: 12 }         hyper-parameters, added to those for all
 * Every entry is planned before the first is written, and every output looked at, so that a mistake in the last shows
 * at once. Then they are converted in order, each atomically; the first failure ends the batch, and what was converted
 * before stays. With keep_going every entry that can be planned is converted, and the first failure is what is
 * returned; only a bad file and an interruption end it. `options` says everything that the file does not, and its
 * dtypes, recipe and settings are what holds where the file is silent. `each` may be NULL. RECIPE with line and column
 * for a bad file, also for two entries with one output, else the errors of ingot_convert(). */
enum ingot_status ingot_convert_batch(const char *path, const struct ingot_convert_options *options, bool keep_going,
                                      ingot_batch_fn each, void *ctx, struct ingot_error *err);

/* --------------------------------------------------------------------------------------------------------- export */

struct ingot_export_options {
    enum ingot_dtype dtype; /* F32, F16, BF16; DTYPE_NONE keeps each matrix's. Q8 is kept as Q8_0 in GGUF where rows are
                               multiples of 32; what else is quantised becomes f32, which holds every value of it */
    bool overwrite;
    uint32_t n_threads; /* 0: as many as the process may run on; the result does not depend on it */
    ingot_progress_fn progress;
    void *progress_ctx;
    ingot_warning_fn warning;
    void *warning_ctx;
};

struct ingot_export_report {
    uint64_t n_tensors, output_bytes;
    uint32_t n_files;
    struct ingot_cast_stats cast;
};

/* A format that can be written. i must be below the count; all is static. */
struct ingot_export_format {
    const char *name; /* "huggingface", "gguf", "llm.c" */
    const char *about;
    bool is_directory;
};
size_t ingot_export_count(void);
struct ingot_export_format ingot_export_format(size_t i);

/* Writes the model of `file`, with its tokenizer, as the named format under output_path, atomically: a file as
 * ingot_convert() does, a directory under a temporary name that becomes its own when all is there. Errors: ARGUMENT for
 * an unknown format; UNSUPPORTED for what the format cannot say (an untied head in llm.c, say), naming it; EXISTS, IO,
 * MEMORY, INTERRUPTED; MODEL, MISSING when `file` is not a GPT-2. */
enum ingot_status ingot_export(const struct ingot_file *file, const char *format, const char *output_path,
                               const struct ingot_export_options *options, struct ingot_export_report *report,
                               struct ingot_error *err);

#ifdef __cplusplus
}
#endif
#endif

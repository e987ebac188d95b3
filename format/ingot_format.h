/*
 * ingot_format.h - the .ingot container: open, look, verify, write.
 *
 * An .ingot file is a model that is ready to run: two superblocks, an index that needs no parsing, and aligned,
 * checksummed sections whose bytes are in the order in which the kernels read them. spec/format.md is the
 * reference; the rule ids in the comments ([F-n]) are its rules.
 *
 * The idea in one paragraph. ingot_open() maps the file and validates superblock and index once, in time linear
 * in the index. It touches no tensor byte. From then on the type `struct ingot_file` means "every span that this
 * index names lies inside the map", and nothing checks again. Whether the *bytes* of a section are what the writer
 * wrote is a second question, answered by ingot_verify().
 *
 * Conventions of all three public headers:
 * - Functions that can fail return `enum ingot_status` (0 is success) and fill the caller's `struct ingot_error`
 *   (may be NULL). The first cause wins: an error that is already set is not overwritten, so one that is used again
 *   after a failure is zeroed before.
 * - What opens or creates sets *out to an object that the xxx_close() of its name frees, or to NULL when it fails.
 * - `options` may be NULL, which is all of it zero: the defaults. `report` may be NULL: nobody wants it.
 * - The libraries never print, never exit, install no handler and keep no global mutable state.
 * - "Borrowed" pointers stay the property of the object they came from and live as long as it does.
 *   xxx_close(NULL) is always fine.
 * - Sizes and offsets are bytes in uint64_t unless the name says otherwise (n_ = count, _elems = elements).
 * - Thread safety is said per object. Unless said otherwise a const object may be used by many threads at once.
 *
 * Installed, the headers are <ingot/...> and the libraries static; C11 and C++11 are enough. `pkg-config ingot` has
 * this header and ingot_runtime.h, `pkg-config ingot-convert` all three: cc main.c $(pkg-config --cflags --libs ingot)
 */
#ifndef INGOT_FORMAT_H
#define INGOT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INGOT_VERSION "0.1.0"

/* ------------------------------------------------------------------------------------------------ status, error */

/* Pinned numbers, grouped by who must act. They are printed in JSON and never renumbered. */
enum ingot_status {
    INGOT_OK = 0,

    /* 1xx: the file is damaged or inconsistent. Get another copy. */
    INGOT_E_MAGIC = 100,      /* not an .ingot file at all */
    INGOT_E_TEXT_MODE = 101,  /* was one, but went through a text-mode transfer */
    INGOT_E_TRUNCATED = 102,  /* shorter than it says */
    INGOT_E_SUPERBLOCK = 103, /* no slot with a valid checksum, or the two slots differ */
    INGOT_E_INDEX = 104,      /* index checksum or structure */
    INGOT_E_RANGE = 105,      /* a number outside its allowed range */
    INGOT_E_OVERLAP = 106,    /* two sections share bytes without being equal spans */
    INGOT_E_ORDER = 107,      /* names or offsets are not in the required order */
    INGOT_E_RESERVED = 108,   /* a reserved field or a padding byte is not zero */
    INGOT_E_DIGEST = 109,     /* bytes of a section differ from their digest */
    INGOT_E_NAME = 110,       /* a section's name breaks the rules */
    INGOT_E_SHAPE = 111,      /* dtype, layout, shape and size do not agree */
    INGOT_E_SOURCE = 112,     /* a foreign checkpoint, configuration or tokenizer file is malformed */
    INGOT_E_MISSING = 113,    /* a tensor, section or file that must be there is not */
    INGOT_E_MODEL = 114,      /* hyper-parameters contradict each other or the tensors */
    INGOT_E_VOCABULARY = 115, /* a vocabulary contradicts itself */
    INGOT_E_CHANGED = 116,    /* the file changed while it was being read */

    /* 2xx: our age. A newer ingot, or another tool, may be able to. */
    INGOT_E_READ_VERSION = 200, /* the file needs a newer reader */
    INGOT_E_FEATURE = 201,      /* a feature bit that must be understood is not */
    INGOT_E_KIND = 202,         /* a critical section kind is unknown */
    INGOT_E_DTYPE = 203,        /* a dtype is unknown, or known and not usable here */
    INGOT_E_LAYOUT = 204,       /* a matrix layout is unknown, or not usable here */
    INGOT_E_CODEC = 205,        /* a codec is unknown */
    INGOT_E_UNSUPPORTED = 206,  /* something foreign that is understood and refused by name */
    INGOT_E_LIMIT = 207,        /* valid, but beyond a limit of the table in spec/format.md */

    /* 3xx: the machine. */
    INGOT_E_IO = 300,          /* a system call failed; sys_errno says which way */
    INGOT_E_MEMORY = 301,      /* an allocation failed */
    INGOT_E_THREAD = 302,      /* not in use: fewer threads than wanted only take longer */
    INGOT_E_EXISTS = 303,      /* the output exists and overwriting was not asked for */
    INGOT_E_CPU = 304,         /* the forced instruction set is not available here */
    INGOT_E_INTERRUPTED = 305, /* the caller's progress callback asked to stop */

    /* 4xx: the caller. */
    INGOT_E_ARGUMENT = 400,     /* an argument breaks the function's contract */
    INGOT_E_CONTEXT_FULL = 401, /* the session's context has no room for these tokens */
    INGOT_E_TOKEN = 402,        /* a token id is not below n_vocab */
    INGOT_E_RECIPE = 403,       /* a recipe or a batch file is malformed: line and column are in the message */
};

#define INGOT_NO_OFFSET UINT64_MAX /* the error is at no place of a file */

/* Where and what. Owned by the caller, zero-initialised by the caller; all strings are NUL-terminated and already
 * escaped for a terminal (a name taken from a file is hostile input). */
struct ingot_error {
    enum ingot_status status;
    int sys_errno;     /* errno of the failing call, or 0 */
    uint64_t offset;   /* byte offset in the file, or INGOT_NO_OFFSET */
    char subject[256]; /* the file, tensor or option that is at fault; may be empty */
    char message[384]; /* what was found and what was expected, one line, no final period */
    char advice[192];  /* one line that says what to do; may be empty */
};

/* Writes text[0 .. n) to out (capacity cap >= 8) so that a terminal shows it as one harmless line: valid printable
 * UTF-8 stays, everything else becomes \xNN; what does not fit ends in "...". NUL-terminated. Returns out. */
char *ingot_escape(const char *text, size_t n, char *out, size_t cap);

/* The status as its pinned, stable word, e.g. "truncated". Never NULL. */
const char *ingot_status_name(enum ingot_status status);

/* ------------------------------------------------------------------------------------------ dtypes, layouts, kinds */

/* On-disk codes [F-40]. Codes 16.. are block-quantised: INGOT_QUANT_BLOCK inputs of one output share a scale. */
enum ingot_dtype {
    INGOT_DTYPE_NONE = 0, /* sections that are not tensors */
    INGOT_F32 = 1,
    INGOT_F16 = 2,
    INGOT_BF16 = 3,
    INGOT_F64 = 4,
    INGOT_I8 = 5,
    INGOT_U8 = 6,
    INGOT_I32 = 7,
    INGOT_I64 = 8,
    INGOT_Q8 = 16, /* 8 bits an element and an f16 scale a block: 8.5 bits */
    INGOT_Q4 = 17, /* 4 bits an element, one of 16 levels, and an f16 scale a block: 4.5 bits */
};

/* Matrix layouts [F-41]. W has shape [n_out, n_in].
 *
 * INGOT_ROWS     plain row-major; any rank, any dtype.
 * INGOT_PANEL16  rank 2 only, f32, f16, bf16, q8 and q4. Outputs are cut into panels of 16; panel p holds outputs
 *                16p .. 16p+15. Inside a panel the inputs follow one another, each with its 16 outputs' weights:
 *                  f32, f16:  element (p, k, lane)           at ((p * n_in_padded + k) * 16 + lane)
 *                  bf16:      inputs in pairs (k even, k+1)  at ((p * n_in_padded/2 + k/2) * 16 + lane) * 2 + k%2
 *                n_in_padded is n_in for f32 and n_in rounded up to even for f16 and bf16, so that a panel is
 *                always a multiple of 64 bytes. Padding inputs and lanes hold +0.
 *
 *                q8 and q4: inputs in steps of 64 (the last one padded), each step one piece of
 *                  64 bytes of scales, f16:  block b (0, 1) of the step, lane   at (b * 16 + lane) * 2
 *                  q8, 1024 bytes of codes:  input k of the step, lane          at (k/4 * 16 + lane) * 4 + k%4
 *                  q4,  512 bytes of codes:  input k of the step, lane          at (k/8 * 16 + lane) * 4 + k%4,
 *                                            low nibble where k%8 < 4, high nibble elsewhere
 *                An element is level x scale: q8's level is its code - 128, q4's is one of the 16 of
 *                spec/format.md, "q8 and q4": -63 -49 -38 -30 -22 -16 -10 -5 0 5 11 17 23 31 40 52. Padding
 *                holds the code of level 0 (128; 8), and scale +0 where a whole block or lane is padding.
 *                These two dtypes have no other layout. */
enum ingot_layout {
    INGOT_ROWS = 0,
    INGOT_PANEL16 = 1,
};

/* Section kinds [F-42]. 0x0001..0x7fff are critical: a reader that does not know one refuses the file.
 * 0x8000..0xffff are skippable. */
enum ingot_kind {
    INGOT_KIND_TENSOR = 1,
    INGOT_KIND_ALIAS = 2,
    INGOT_KIND_MODEL = 3,
    INGOT_KIND_CHUNKS = 4, /* the XXH3-64 of every 4 MiB chunk of every other section */
    INGOT_KIND_VOCABULARY = 5,
    INGOT_KIND_METADATA = 0x8001,   /* YAML text */
    INGOT_KIND_RECIPE = 0x8002,     /* YAML text */
    INGOT_KIND_PROVENANCE = 0x8003, /* YAML text */
};

/* The names of the sections that are not tensors; '@' cannot begin a tensor's name [F-33]. */
#define INGOT_NAME_MODEL      "@model"
#define INGOT_NAME_CHUNKS     "@chunks"
#define INGOT_NAME_VOCABULARY "@vocabulary"
#define INGOT_NAME_METADATA   "@metadata"
#define INGOT_NAME_RECIPE     "@recipe"
#define INGOT_NAME_PROVENANCE "@provenance"

#define INGOT_MAX_RANK     8
#define INGOT_MAX_NAME     1024                /* bytes, without the NUL */
#define INGOT_MAX_SECTIONS (1u << 20)          /* 128 MiB of index records */
#define INGOT_CHUNK_BYTES  (UINT64_C(4) << 20) /* unit of digests, of parallel work and of damage reports */
#define INGOT_PANEL_LANES  16
#define INGOT_QUANT_BLOCK  32 /* inputs that share a scale */
#define INGOT_QUANT_STEP   64 /* inputs, padding included, whose scales and codes stand together */

/* "f32", "panel16", "tensor"; "?" for an unknown code. Never NULL. */
const char *ingot_dtype_name(enum ingot_dtype dtype);
const char *ingot_layout_name(enum ingot_layout layout);
const char *ingot_kind_name(enum ingot_kind kind);

/* Bytes of one element; 0 for an unknown dtype, INGOT_DTYPE_NONE, and dtypes whose elements are not whole bytes. */
size_t ingot_dtype_size(enum ingot_dtype dtype);

/* "f16" -> INGOT_F16. Returns false and leaves *out alone when the name is unknown. */
bool ingot_dtype_parse(const char *name, enum ingot_dtype *out);

/* The bytes that a tensor of this dtype, layout and shape occupies, padding of panels included. rank 0 is a scalar.
 * A dimension may be 0. False when the product overflows, the rank is above 8, or layout and dtype do not go
 * together; *bytes is then untouched. */
bool ingot_layout_bytes(enum ingot_dtype dtype, enum ingot_layout layout, uint32_t rank, const uint64_t *shape,
                        uint64_t *bytes);

/* The number of elements of a shape (1 for rank 0). False on overflow. */
bool ingot_shape_elems(uint32_t rank, const uint64_t *shape, uint64_t *elems);

/* ----------------------------------------------------------------------------------------------------- reading */

struct ingot_file; /* immutable once open: any number of threads may use one at the same time */

/* XXH3-128, as its two 64-bit halves. */
struct ingot_digest {
    uint64_t lo, hi;
};

/* One section of an open file. All pointers are borrowed from the file. */
struct ingot_section {
    const char *name; /* NUL-terminated; may hold any byte but NUL: ingot_escape() before printing */
    uint32_t name_len;
    enum ingot_kind kind;
    enum ingot_dtype dtype;
    enum ingot_layout layout;
    uint32_t rank;
    uint64_t shape[INGOT_MAX_RANK]; /* outermost first; entries at and beyond rank are 0 */
    const void *data;               /* raw_bytes readable bytes in the map, aligned to at least 64 */
    uint64_t data_off;              /* offset in the file */
    uint64_t raw_bytes;
    uint64_t stored_bytes; /* equals raw_bytes in files that are not packed */
    struct ingot_digest digest;
    uint32_t target;      /* alias: index of the tensor it stands for; else UINT32_MAX */
    uint32_t first_chunk; /* number of this section's first entry in @chunks; 0 for @chunks itself and aliases */
};

/* What the superblock says. */
struct ingot_file_info {
    uint16_t read_version, write_version;
    uint64_t features_must, features_may;
    uint64_t generation;
    uint64_t file_bytes;   /* as recorded */
    uint64_t actual_bytes; /* as found; more than file_bytes is a torn edit or an appended tail */
    uint64_t index_off, index_bytes;
    uint32_t align; /* of matrices, in bytes */
    struct ingot_digest content_id;
    bool slot_valid[2];    /* slot A, slot B: magic and checksum good */
    bool slots_equal;      /* what a file at rest shows */
    uint32_t slot_used;    /* 0 or 1 */
    bool writable_version; /* false: written by a newer minor version, open read-only */
};

enum ingot_open_flags {
    INGOT_OPEN_MAP = 0,  /* map the file; a medium that vanishes under a mapping raises SIGBUS (spec, "Hazards") */
    INGOT_OPEN_READ = 1, /* read the whole file into private memory instead: no hazard, costs memory and time */
};

/* Opens and validates. On success *out is an immutable file to be closed with ingot_close(); on failure *out is
 * NULL. Cost: O(index), of which a copy is kept, independent of the tensors' bytes. Errors: any 1xx (with the offset of
 * the byte at fault), READ_VERSION, FEATURE, KIND, DTYPE, LAYOUT, CODEC, LIMIT, IO, MEMORY. */
enum ingot_status ingot_open(const char *path, unsigned flags, struct ingot_file **out, struct ingot_error *err);

/* The same over bytes in memory, which are borrowed and must stay unchanged until ingot_close(). `bytes` must be
 * aligned to 64. `label` names them in errors (copied). */
enum ingot_status ingot_open_memory(const void *bytes, uint64_t n_bytes, const char *label, struct ingot_file **out,
                                    struct ingot_error *err);

/* Nothing borrowed from the file may be used any more; models and tokenizers over it are closed before. */
void ingot_close(struct ingot_file *file);

/* Borrowed. The path as given to ingot_open(), or the label. */
const char *ingot_file_path(const struct ingot_file *file);

/* What was found when the file was opened. No failure. */
void ingot_file_get_info(const struct ingot_file *file, struct ingot_file_info *out);

/* Sections are numbered 0 .. n-1 in bytewise order of their names. */
uint32_t ingot_section_count(const struct ingot_file *file);

/* i must be below ingot_section_count(). No allocation, no failure. */
struct ingot_section ingot_section_at(const struct ingot_file *file, uint32_t i);

/* The number of the i-th section in order of offset (aliases right after their target). i as above. */
uint32_t ingot_section_by_offset(const struct ingot_file *file, uint32_t i);

/* The section of this name. Binary search, O(log n), no allocation. False, and *out untouched, when there is none. */
bool ingot_find(const struct ingot_file *file, const char *name, struct ingot_section *out);

/* One element of a tensor by its logical indices, whatever the layout; integers and f16/bf16 are widened exactly
 * (i64 beyond 2^53 rounds), q8 and q4 are level x scale, rounded once to f32. row and col address rank 2; rank 1 uses
 * row = 0. The section must be a tensor or an alias of rank 1 or 2 and the indices inside its shape: nothing is
 * checked. For all of a tensor ingot_unpack() is much faster. */
double ingot_element(const struct ingot_section *section, uint64_t row, uint64_t col);

/* ------------------------------------------------------------------------------------------------ the GPT-2 profile */

enum ingot_activation {
    INGOT_GELU_TANH = 1, /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))): OpenAI; "gelu_new" */
    INGOT_GELU_ERF = 2,  /* 0.5 x (1 + erf(x / sqrt 2)): "gelu"; nanoGPT, minGPT */
};

enum ingot_attention_flags {
    INGOT_ATTN_SCALE = 1u << 0,          /* scores divided by sqrt(head size); GPT-2 has it set */
    INGOT_ATTN_SCALE_BY_LAYER = 1u << 1, /* scores of layer i further divided by i + 1 */
};

/* The @model section [F-50], decoded and checked: every count is at least 1 and within the limits table, n_head
 * divides n_embd, n_vocab <= n_vocab_stored, epsilon is finite and > 0. */
struct ingot_hparams {
    uint32_t n_layer, n_head, n_embd, n_inner, n_ctx;
    uint32_t n_vocab;        /* logical: ids at or beyond it never reach a softmax or an argmax */
    uint32_t n_vocab_stored; /* rows of wte, trained padding rows kept */
    enum ingot_activation activation;
    uint32_t attention_flags;
    float layer_norm_epsilon;
};

/* Reads and checks the @model section. MISSING when there is none, UNSUPPORTED for another architecture, RESERVED, and
 * those of ingot_hparams_check(). *out is set on success only. */
enum ingot_status ingot_hparams_read(const struct ingot_file *file, struct ingot_hparams *out, struct ingot_error *err);

/* The checks alone: MODEL or LIMIT, naming the field. `subject` names the source in the error. */
enum ingot_status ingot_hparams_check(const struct ingot_hparams *hp, const char *subject, struct ingot_error *err);

#define INGOT_HPARAMS_BYTES 64
/* The 64 bytes of the @model section for these hyper-parameters, which are not checked. */
void ingot_hparams_encode(const struct ingot_hparams *hp, uint8_t out[INGOT_HPARAMS_BYTES]);

/* ---------------------------------------------------------------------------------------------- progress, verify */

/* Called now and then, from the calling thread or a worker of its own making, never two at once. Return false to stop:
 * the work ends with INGOT_E_INTERRUPTED and leaves nothing behind. `done_bytes` never decreases. */
typedef bool (*ingot_progress_fn)(void *ctx, uint64_t done_bytes, uint64_t total_bytes);

/* One place where the bytes are not what they should be. */
struct ingot_damage {
    /* DIGEST; RESERVED (padding); SUPERBLOCK (slots differ); RANGE (placement); TRUNCATED (torn tail); CHANGED (the
     * index is not what was opened) */
    enum ingot_status status;
    uint32_t section;    /* index of the section, or UINT32_MAX */
    uint64_t off, bytes; /* the range in the file that holds the damage; for digests one chunk */
    const char *what;    /* one line, borrowed for the call */
};
/* Called in order of offset after the scan, from the thread that called ingot_verify(). */
typedef void (*ingot_damage_fn)(void *ctx, const struct ingot_damage *damage);

struct ingot_verify_options {
    uint32_t n_threads;         /* 0: as many as the process may run on */
    ingot_progress_fn progress; /* or NULL */
    void *progress_ctx;
    ingot_damage_fn damage; /* or NULL */
    void *damage_ctx;
};

struct ingot_verify_report {
    uint64_t bytes_checked; /* every byte of the file belongs to exactly one check */
    uint64_t n_damaged;     /* ranges reported */
    uint32_t n_sections, n_sections_damaged;
};

/* Reads every byte once, in parallel: chunk digests, section digests, content id, zero padding, equality of the two
 * slots, canonical placement, nothing beyond the recorded length. Returns the status of the first damage in file order,
 * or INGOT_OK; MEMORY and INTERRUPTED when it could not look at all of it: then no damage was reported. */
enum ingot_status ingot_verify(const struct ingot_file *file, const struct ingot_verify_options *options,
                               struct ingot_verify_report *report, struct ingot_error *err);

/* ------------------------------------------------------------------------------------------------- packing, casts */

/* A strided, possibly unaligned view of a source matrix or vector: element (r, c) is at
 * data + (r * row_stride + c * col_stride) * size(dtype). A vector is one row. f32, f16, bf16, f64 or, for
 * dtype == target dtype, any. A transposed source is expressed by its strides. */
struct ingot_view {
    const void *data;
    enum ingot_dtype dtype;
    uint64_t n_rows, n_cols;
    uint64_t row_stride, col_stride; /* in elements */
};

/* What a cast could not keep. Added up by ingot_pack(); copying without a cast counts nothing. */
struct ingot_cast_stats {
    uint64_t n_overflow;  /* finite values that became infinite; q8, q4: beyond the largest scale, cut to it */
    uint64_t n_underflow; /* non-zero values that became zero; q8, q4: only where a whole block did */
    uint64_t n_nan;       /* NaN of the source, kept as NaN; q8, q4: all of a block with a NaN or an infinity */
};

/* Bytes [off, off + n) of the section that holds `view` as dtype `to` in `layout`, written to dst. off and n are
 * multiples of 64 or end at the section's end; of `rows`, whole elements, whatever dst's alignment. Casts round to
 * nearest even; NaN stays NaN, infinities stay; equal dtypes are copied bit for bit. q8 and q4 (of f32, f16, bf16, f64)
 * find the scale of each block by search (spec/format.md, "q8 and q4"); in a block with a NaN or an infinity all
 * becomes NaN. Any range can be produced independently of any other, so that a chunk is a unit of parallel work; what
 * is lost in a step that is cut counts where the step begins. dst is aligned to 4; padding is written as zero. `stats`
 * is added to, or NULL. Thread-safe. The caller's floating-point environment is C's default one, here, in
 * ingot_unpack() and for the single values below. */
void ingot_pack(const struct ingot_view *view, enum ingot_dtype to, enum ingot_layout layout, uint64_t off, void *dst,
                size_t n, struct ingot_cast_stats *stats);

/* The inverse of ingot_pack(): elements first .. first + n - 1, in row-major order, of the matrix [rows, cols] that the
 * section holds (or, with `transposed`, of its transpose), cast to `to` as ingot_pack() casts. Any range can be asked
 * for. dst needs no alignment; n * ingot_dtype_size(to) bytes are written. The section is a tensor or an alias of rank
 * 1 or 2 with a dtype of f32, f16, bf16, f64, q8 or q4, or of any other dtype when `to` is the same; `to` is f32, f16,
 * bf16 or f64 if it is not. `stats` is added to, or NULL. Thread-safe. */
void ingot_unpack(const struct ingot_section *section, bool transposed, enum ingot_dtype to, uint64_t first, uint64_t n,
                  void *dst, struct ingot_cast_stats *stats);

/* Single values, the definition of the casts; f16 and bf16 are their bits. */
float ingot_f32_from_f16(uint16_t bits);
uint16_t ingot_f16_from_f32(float value);
float ingot_f32_from_bf16(uint16_t bits);
uint16_t ingot_bf16_from_f32(float value);
float ingot_f32_from_f64(double value);

/* XXH3-64 and XXH3-128 of bytes, unseeded. */
uint64_t ingot_hash64(const void *bytes, size_t n);
struct ingot_digest ingot_hash128(const void *bytes, size_t n);

/* ----------------------------------------------------------------------------------------------------- writing */

/* A writer makes one new file. Life: create, add every section, begin, put every chunk, seal, publish, close. A step
 * out of turn is an ARGUMENT error. Nothing is visible under the output's name before publish succeeds; after an error
 * the writer can only be closed. Not thread-safe, except put. */
struct ingot_writer;

struct ingot_writer_options {
    uint32_t align;             /* of matrices: a power of two, 4096 .. 2 MiB; 0 means 4096 */
    bool overwrite;             /* replace an existing file */
    ingot_progress_fn progress; /* of sealing, which reads all of the file */
    void *progress_ctx;
};

struct ingot_section_plan {
    const char *name;
    enum ingot_kind kind;
    enum ingot_dtype dtype;   /* tensors */
    enum ingot_layout layout; /* tensors */
    uint32_t rank;            /* tensors */
    uint64_t shape[INGOT_MAX_RANK];
    uint64_t raw_bytes; /* sections that are not tensors */
    const char *target; /* aliases: name of the tensor, added before */
};

/* EXISTS early when the path exists and overwriting was not asked for; ARGUMENT for an alignment or a path that cannot
 * be; IO, MEMORY. No file is created yet. */
enum ingot_status ingot_writer_create(const char *path, const struct ingot_writer_options *options,
                                      struct ingot_writer **out, struct ingot_error *err);

/* Declares a section; the order of the calls is the order of placement in the file. The plan is copied. *id numbers
 * it for ingot_writer_put() (UINT32_MAX for an alias, which has no bytes); `id` may be NULL. @chunks is the writer's
 * own. Errors, naming the section: NAME, KIND, SHAPE, LIMIT, ARGUMENT for a target that was not added; MEMORY. */
enum ingot_status ingot_writer_add(struct ingot_writer *w, const struct ingot_section_plan *plan, uint32_t *id,
                                   struct ingot_error *err);

/* Places every section, creates an unnamed or temporary file beside the output and reserves its space (a full disk
 * shows here). NAME for one that is used twice, LIMIT for a file that would be too large, IO, MEMORY. */
enum ingot_status ingot_writer_begin(struct ingot_writer *w, struct ingot_error *err);

/* The number of chunks of section `id` and the raw bytes of chunk `chunk` (4 MiB but for the last). */
uint64_t ingot_writer_chunk_count(const struct ingot_writer *w, uint32_t id);
size_t ingot_writer_chunk_bytes(const struct ingot_writer *w, uint32_t id, uint64_t chunk);

/* Writes one whole chunk and records its digest. Thread-safe: different chunks may be put at the same time, in any
 * order; each exactly once, or ARGUMENT. IO. */
enum ingot_status ingot_writer_put(struct ingot_writer *w, uint32_t id, uint64_t chunk, const void *bytes, size_t n,
                                   struct ingot_error *err);

/* Writes digests, index and superblocks, then opens the result from its descriptor and verifies every byte of it.
 * *file, where `file` is not NULL, is borrowed from the writer: for self-checks between seal and publish. ARGUMENT when
 * a chunk was not put; IO; those of ingot_open() and ingot_verify(). n_threads as in ingot_verify_options. */
enum ingot_status ingot_writer_seal(struct ingot_writer *w, uint32_t n_threads, const struct ingot_file **file,
                                    struct ingot_error *err);

/* Syncs the file, gives it its name atomically (mode 0666 less umask), syncs the directory. After a failure the name is
 * what it was before, but for one: IO from syncing the directory, when the file is there, complete, and only a crash
 * could still undo its name. A link of that name is replaced, not followed. */
enum ingot_status ingot_writer_publish(struct ingot_writer *w, struct ingot_error *err);

/* Frees; an unpublished file disappears. */
void ingot_writer_close(struct ingot_writer *w);

#ifdef __cplusplus
}
#endif
#endif

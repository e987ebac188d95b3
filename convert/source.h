/* source.h - what a reader of one checkpoint format fills in, and the table entry that makes it known.
 *
 * A reader is one file src_NAME.c with one `const struct source_reader` and one line in source_choose.c's table
 * (helpers that it needs stand in files of their own). Its open function maps the files it needs with source_add_file()
 * and declares every tensor with source_add_tensor() or source_take_tensors(), every scalar fact with
 * source_add_fact(), every checksum with source_add_check(). What it declares is trusted afterwards: every span must
 * lie inside its file. */
#ifndef INGOT_SOURCE_H
#define INGOT_SOURCE_H

#include "convert/ingot_convert.h"
#include "convert/input.h"
#include "convert/name_pool.h"

/* What a probe may look at: the first bytes of a file, the names in a directory and the first bytes of its files, never
 * more. */
#define SOURCE_HEAD_BYTES 64

#define SOURCE_MAX_FACTS      65536u
#define SOURCE_MAX_FACT_BYTES 65536u /* of a key or a text */

struct source_candidate {
    const char *path;
    bool is_directory;
    bool content_only;               /* a name, or the mark of another file of the same program, is not enough */
    uint8_t head[SOURCE_HEAD_BYTES]; /* of a file */
    size_t head_bytes;
    uint64_t file_bytes;
};

struct vocab_tables;

struct source_reader {
    const char *format; /* what ingot_source_format() says */
    const char *files;  /* what a user may give, for the advice when nothing is known: "model.safetensors" */
    bool (*probe)(const struct source_candidate *candidate);
    enum ingot_status (*open)(struct ingot_source *src, struct ingot_error *err);
    /* Optional: frees src->reader_data. */
    void (*close)(struct ingot_source *src);
    /* Optional: a tokenizer inside the checkpoint. *found is false when there is none; else its tokens are added, the
     * tokens closed, its merges added, special tokens marked: ready for vocab_tables_encode(). */
    enum ingot_status (*read_vocabulary)(const struct ingot_source *src, struct vocab_tables *t, bool *found,
                                         struct ingot_error *err);
};

/* A checksum to be computed over a span of a mapped file. */
enum source_crc {
    SOURCE_CRC32C_MASKED, /* CRC-32C, rotated and offset as TensorFlow stores it */
    SOURCE_CRC32,         /* of zip, gzip, PNG */
};

struct source_check {
    const char *name;
    enum source_crc algorithm;
    uint32_t expected;   /* as stored */
    const uint8_t *data; /* NULL: not here */
    uint64_t n_bytes;
    const char *file;
    uint64_t file_off;
};

struct ingot_source {
    char *path;       /* as the caller gave it */
    char *directory;  /* that holds configuration and tokenizer: the path itself, or where the file lies */
    const char *base; /* of a file: its name in the directory, inside `path`; NULL for a directory */
    const struct source_reader *reader;
    void *reader_data; /* the reader's own */
    struct input **files;
    size_t n_files, cap_files;
    struct name_pool names;
    struct ingot_source_tensor *tensors; /* in order of place: file, offset, name */
    size_t n_tensors, cap_tensors;
    struct ingot_fact *facts; /* keys and texts are owned */
    size_t n_facts, cap_facts;
    struct source_check *checks;
    size_t n_checks, cap_checks;
};

/* Opens directory/name. *out is borrowed from the source. */
enum ingot_status source_add_file(struct ingot_source *src, const char *name, const struct input **out,
                                  struct ingot_error *err);

/* Declares a tensor. The name must stay as long as the source: src->names keeps names. The caller sets scalar (or
 * block), shape, data, n_bytes, file, file_off, check (INGOT_NO_CHECK if none: 0 is a check), and strides with
 * `strided` where they are not row-major; dtype, dtype_name and row-major strides are filled in here. The shape's
 * product must have been checked. Order does not matter: after open the tensors are sorted by file, offset, name. */
enum ingot_status source_add_tensor(struct ingot_source *src, const struct ingot_source_tensor *tensor,
                                    struct ingot_error *err);

/* Declares n tensors of an array from malloc, which becomes the source's even on failure. */
enum ingot_status source_take_tensors(struct ingot_source *src, struct ingot_source_tensor *tensors, size_t n,
                                      struct ingot_error *err);

/* Declares a fact; key and text are copied. LIMIT beyond the limits above. A key given twice is SOURCE. */
enum ingot_status source_add_fact(struct ingot_source *src, const struct ingot_fact *fact, struct ingot_error *err);

/* The fact under `key`, or NULL. */
const struct ingot_fact *source_find_fact(const struct ingot_source *src, const char *key);

/* Declares every scalar of a JSON object as a fact: prefix.key, nested objects as prefix.key.key; arrays are left out.
 * `in` is the whole file. SOURCE for what is no JSON object. */
enum ingot_status source_add_json_facts(struct ingot_source *src, const struct input *in, const char *prefix,
                                        struct ingot_error *err);

/* Frees all of them; for the source itself ingot_source_close() does. */
void source_free_facts(struct ingot_source *src);

/* Declares a checksum; *number is what a tensor's `check` refers to. The name must stay as long as the source. */
enum ingot_status source_add_check(struct ingot_source *src, const struct source_check *check, uint32_t *number,
                                   struct ingot_error *err);

/* CHANGED when a file of the source is no longer what was opened. */
enum ingot_status source_check_unchanged(const struct ingot_source *src, struct ingot_error *err);

/* Whether a tensor's elements lie without gaps in row-major order. */
static inline bool source_is_dense(const struct ingot_source_tensor *t)
{
    return !t->strided;
}

extern const struct source_reader source_gguf, source_llmc, source_safetensors, source_tensorflow, source_torch;

#endif

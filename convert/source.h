/* source.h - what a reader of one checkpoint format fills in, and the table entry that makes it known.
 *
 * A reader is one file src_NAME.c with one `const struct source_reader` and one line in source.c's table. Its open
 * function maps the files it needs with source_add_file() and declares every tensor with source_add_tensor(). What it
 * declares is trusted afterwards: every span must lie inside its file. */
#ifndef INGOT_SOURCE_H
#define INGOT_SOURCE_H

#include "convert/ingot_convert.h"
#include "convert/input.h"

/* What a probe may look at: the first bytes of a file, the names in a directory, never more. */
#define SOURCE_HEAD_BYTES 64

struct source_candidate {
    const char *path;
    bool is_directory;
    uint8_t head[SOURCE_HEAD_BYTES]; /* of a file */
    size_t head_bytes;
    uint64_t file_bytes;
};

struct source_reader {
    const char *format; /* what ingot_source_format() says */
    bool (*probe)(const struct source_candidate *candidate);
    enum ingot_status (*open)(struct ingot_source *src, struct ingot_error *err);
};

struct ingot_source {
    char *path;       /* as the caller gave it */
    char *directory;  /* that holds configuration and tokenizer: the path itself, or where the file lies */
    const char *base; /* of a file: its name in the directory, inside `path`; NULL for a directory */
    const struct source_reader *reader;
    struct input **files;
    size_t n_files, cap_files;
    struct ingot_source_tensor *tensors; /* in order of place: file, offset, name */
    size_t n_tensors, cap_tensors;
};

/* Opens directory/name. *out is borrowed from the source. */
enum ingot_status source_add_file(struct ingot_source *src, const char *name, const struct input **out,
                                  struct ingot_error *err);

/* Declares a tensor, after those that lie before it. The name, malloc'ed, becomes the source's even on failure. */
enum ingot_status source_add_tensor(struct ingot_source *src, const struct ingot_source_tensor *tensor,
                                    struct ingot_error *err);

/* CHANGED when a file of the source is no longer what was opened. */
enum ingot_status source_check_unchanged(const struct ingot_source *src, struct ingot_error *err);

extern const struct source_reader source_safetensors;

#endif

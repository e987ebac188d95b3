/* gguf.h - the parser of one GGUF file in memory; the rest of the reader stands behind source.h. */
#ifndef INGOT_GGUF_H
#define INGOT_GGUF_H

#include "convert/ingot_convert.h"
#include "convert/name_pool.h"
#include "format/bytes.h"

/* The types of a value, by GGUF's numbers. */
enum gguf_type {
    GGUF_U8 = 0,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPE_COUNT
};

/* Text of the file, not terminated; hostile. */
struct gguf_text {
    const char *at;
    uint64_t n;
};

/* A key and its value, still as bytes of the file. A scalar is an array of one. */
struct gguf_value {
    struct gguf_text key; /* without NUL */
    bool is_array;
    enum gguf_type type; /* of each element: never ARRAY */
    uint64_t n;          /* elements */
    struct cursor bytes; /* of all elements: inside the file, strings well-formed, BOOL 0 or 1 */
};

struct gguf_file {
    struct gguf_value *values; /* by key */
    size_t n_values;
    struct name_pool names;
    struct ingot_source_tensor *tensors; /* in order of the file's list */
    size_t n_tensors;
};

/* Whether a file that begins so is one. */
bool gguf_knows(const uint8_t *head, size_t n);

/* Parses the head of a whole file, version 2 or 3, little-endian. *out points into `bytes`; each tensor's `file` is
 * `base`, its name in out->names. Free with gguf_free(). `path` names the file in errors. A tensor in an encoding that
 * cannot be read has dtype_name and size, but no block. Errors: TRUNCATED, LIMIT, SOURCE, SHAPE, RANGE, OVERLAP,
 * UNSUPPORTED (another version, big-endian, an encoding that is not known), each with its offset. */
enum ingot_status gguf_parse(const uint8_t *bytes, uint64_t size, const char *path, const char *base,
                             struct gguf_file *out, struct ingot_error *err);
void gguf_free(struct gguf_file *file);

/* The value under `key`, or NULL. */
const struct gguf_value *gguf_find(const struct gguf_file *file, const char *key);

/* Takes the next string of a value that was parsed; at->at is its offset before the call. */
struct gguf_text gguf_take_string(struct cursor *at);

/* Whether a value is the one string `text`. */
bool gguf_is_text(const struct gguf_value *value, const char *text);

/* A scalar as a fact under its own key, which is not set here. False for what is no fact: an array, or a number that a
 * fact cannot hold. The text of a string is not set either. */
bool gguf_fact(const struct gguf_value *value, struct ingot_fact *out);

#endif

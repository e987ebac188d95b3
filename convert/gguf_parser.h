/* gguf_parser.h - one walk through the head of a GGUF file: gguf.c reads what is in front of the list of tensors and
 * calls gguf_tensors.c for the list. */
#ifndef INGOT_GGUF_PARSER_H
#define INGOT_GGUF_PARSER_H

#include "convert/gguf.h"

#define GGUF_SHOWN_BYTES 96

struct gguf_parser {
    const uint8_t *bytes;
    uint64_t size, alignment;
    const char *path, *base;
    struct cursor at;
    struct gguf_file *out;
    size_t cap_values;
    uint64_t *places; /* of each tensor's offset in the list; freed by gguf_read_tensors() */
    struct ingot_error *err;
};

/* TRUNCATED: "the file ends inside <what>". */
enum ingot_status gguf_fail_truncated(const struct gguf_parser *p, const char *what);

/* A key or a tensor's name: some text of at most `limit` bytes without NUL. */
enum ingot_status gguf_take_name(struct gguf_parser *p, uint64_t limit, const char *what, struct gguf_text *out);

/* Harmless, for a message. Returns out. */
const char *gguf_show(struct gguf_text text, char out[GGUF_SHOWN_BYTES]);

/* Reads the list of n tensors, for which there was room in the file; it ends where the cursor then stands, and gives
 * each its place in the data, which begins at the next multiple of the alignment. */
enum ingot_status gguf_read_tensors(struct gguf_parser *p, uint64_t n);

#endif

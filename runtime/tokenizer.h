/* tokenizer.h - the tables of a @vocabulary section, found but not believed. */
#ifndef INGOT_TOKENIZER_H
#define INGOT_TOKENIZER_H

#include "runtime/bpe.h"

struct ingot_tokenizer {
    const char *file;       /* borrowed: names the file in errors */
    const uint8_t *bytes;   /* the section, borrowed */
    uint64_t file_off;      /* of the section in the file */
    const uint8_t *pieces;  /* u32[n_tokens + 1] ends */
    const uint8_t *special; /* u32[n_special] ids */
    const uint8_t *text;
    uint64_t text_bytes;
    uint32_t n_tokens, n_special, eot;
    struct bpe bpe;
};

/* Checks header and table spans of a section in memory, O(1) [F-90 .. F-98]. */
enum ingot_status tokenizer_bind(const uint8_t *bytes, uint64_t n_bytes, const char *file, uint64_t file_off,
                                 struct ingot_tokenizer *out, struct ingot_error *err);

/* ingot_tokenizer_encode() with the caller's scratch, whose counters then tell how much work it was. */
enum ingot_status tokenizer_encode(const struct ingot_tokenizer *tokenizer, struct bpe_scratch *scratch,
                                   const uint8_t *text, size_t n, unsigned flags, struct ingot_ids *out,
                                   struct ingot_error *err);

#endif

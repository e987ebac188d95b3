/*
 * vocab_tables.h - a byte-level BPE as it is being read, and its one canonical spelling on disk.
 *
 * Readers of tokenizer files add tokens, close the list of tokens, add merges by rank, and encode. Every step checks
 * what it is given; `place` says where that stood, for errors.
 */
#ifndef INGOT_VOCAB_TABLES_H
#define INGOT_VOCAB_TABLES_H

#include "convert/token_index.h"
#include "format/ingot_format.h"

struct vocab_place {
    const char *file;
    uint64_t off;
    uint64_t line; /* of a merge, counted from 1; 0: none */
};

struct vocab_span {
    const uint8_t *at;
    size_t n;
};

/* Where the bytes of token i lie in `text`; n is 0 for an id that is not in use. */
struct vocab_piece {
    uint32_t off, n;
    bool special;   /* matched as a whole, and only when the caller asks for it */
    bool reachable; /* a single byte, or what a merge makes */
};

struct vocab_merge {
    uint32_t left, right, merged;
    uint64_t off, line; /* where it stood */
};

/* Zero-initialise with n_vocab set; free with vocab_tables_free(). */
struct vocab_tables {
    uint32_t n_vocab; /* of the model: every id is below it */
    struct vocab_piece *pieces;
    size_t n_pieces, cap_pieces; /* n_pieces: highest id in use + 1 */
    uint8_t *text;
    size_t n_text, cap_text;
    struct token_index index;   /* from vocab_tables_close_tokens() on */
    uint8_t *joined;            /* scratch for two tokens */
    struct vocab_merge *merges; /* by rank */
    size_t n_merges, cap_merges;
    const char *merges_file; /* borrowed, for errors */
    uint32_t byte_ids[256];
};

/* VOCABULARY for an id that is taken or not below n_vocab, or an empty token. The bytes are copied. */
enum ingot_status vocab_tables_add_token(struct vocab_tables *t, uint32_t id, struct vocab_span bytes, bool special,
                                         struct vocab_place place, struct ingot_error *err);

/* No token follows. VOCABULARY when two ids have the same bytes or one of the 256 bytes has no token. */
enum ingot_status vocab_tables_close_tokens(struct vocab_tables *t, const char *file, struct ingot_error *err);

/* The id of the token that has these bytes, VOCAB_NO_TOKEN if there is none. The tokens must be closed. */
uint32_t vocab_tables_find(const struct vocab_tables *t, struct vocab_span bytes);

/* The merge of the next rank. VOCABULARY when left, right or both together are no token. */
enum ingot_status vocab_tables_add_merge(struct vocab_tables *t, struct vocab_span left, struct vocab_span right,
                                         struct vocab_place place, struct ingot_error *err);

/* After the last merge: a token that is matched as a whole. Ignored for what is no token, a single byte, or made by a
 * merge. */
void vocab_tables_mark_special(struct vocab_tables *t, struct vocab_span bytes);

/* The @vocabulary section, to be freed with free(). VOCABULARY for a pair that stands twice; UNSUPPORTED for a merge of
 * a piece that is no byte and that no merge makes, which is how end-of-word marks and other kinds of BPE show. */
enum ingot_status vocab_tables_encode(struct vocab_tables *t, uint8_t **bytes, uint64_t *n_bytes,
                                      struct ingot_error *err);

void vocab_tables_free(struct vocab_tables *t);

#endif

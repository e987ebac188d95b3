/* token_index.h - finds a token by its bytes. */
#ifndef INGOT_TOKEN_INDEX_H
#define INGOT_TOKEN_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct token_key {
    uint64_t hash; /* of the bytes; filled in by token_index_build() */
    const uint8_t *at;
    uint32_t n, id;
};

/* Zero-initialise; free with token_index_free(). */
struct token_index {
    struct token_key *keys; /* by bucket, sorted within each */
    uint32_t *ends;         /* where bucket i ends in `keys`, and the next begins */
    uint32_t n_keys, n_buckets;
};

/* Indexes n keys, whose bytes must outlive the index and whose hashes are written. False without memory. */
bool token_index_build(struct token_index *x, struct token_key *keys, uint32_t n);

/* Two keys with the same bytes, the lower id first; false where all differ. */
bool token_index_twins(const struct token_index *x, const struct token_key *twins[2]);

/* The key that has these bytes, or NULL. */
const struct token_key *token_index_find(const struct token_index *x, const uint8_t *bytes, size_t n);

void token_index_free(struct token_index *x);

#endif

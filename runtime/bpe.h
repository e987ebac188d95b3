/*
 * bpe.h - byte-pair merges of one piece of text, straight from the tables of the @vocabulary section.
 *
 * The tables are hostile: a look-up ends after VOCAB_MAX_PROBES slots, and every id that a table gives is checked.
 */
#ifndef INGOT_BPE_H
#define INGOT_BPE_H

#include "runtime/ingot_runtime.h"

/* Borrowed from the section. */
struct bpe {
    const uint8_t *byte_ids; /* u32[256] */
    const uint8_t *slots;    /* n_slots slots of VOCAB_SLOT_BYTES */
    uint32_t n_slots, n_tokens;
};

/* A position of a long piece: a token, its neighbours, and what it would merge into with the one to its right. */
struct bpe_link {
    uint32_t id, prev, next, rank, merged;
};

/* What one caller needs from piece to piece. Zero-initialise; free with bpe_scratch_free(). */
struct bpe_scratch {
    struct bpe_link *links;
    uint64_t *heap; /* rank << 32 | position: the lowest rank first, of equal ranks the leftmost */
    uint32_t *pending;
    size_t cap, n_heap, n_pending;
    bool damaged;      /* a table gave an id that is no token */
    uint64_t n_probes; /* slots looked at: tests count work instead of time */
    uint64_t n_moves;  /* of heap entries */
};

/* Pieces up to this many bytes are merged by scanning, longer ones with a heap; the ids are the same. */
#define BPE_SHORT 48u

/* Writes the ids of piece[0 .. n), n >= 1, to ids, which has room for n, and returns their number; 0 without memory for
 * a long piece. The result means nothing once scratch->damaged is set. n must be below 2^31. */
size_t bpe_encode(const struct bpe *bpe, struct bpe_scratch *scratch, const uint8_t *piece, size_t n, uint32_t *ids);

/* The two ways, for tests: the first takes n <= BPE_SHORT, the second any. */
size_t bpe_encode_short(const struct bpe *bpe, struct bpe_scratch *scratch, const uint8_t *piece, size_t n,
                        uint32_t *ids);
size_t bpe_encode_long(const struct bpe *bpe, struct bpe_scratch *scratch, const uint8_t *piece, size_t n,
                       uint32_t *ids);

void bpe_scratch_free(struct bpe_scratch *scratch);

#endif

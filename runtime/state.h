/*
 * state.h - one timeline: where it stands, its KV cache, its threads, and the activations between two phases.
 *
 * Activations are f32, [n_batch][stride]; a stride is the width rounded up to 16 lanes and then to an odd number of
 * cache lines, so that a column of rows does not fall into few sets of a cache. C is n_embd.
 */
#ifndef INGOT_STATE_H
#define INGOT_STATE_H

#include "runtime/model.h"
#include "runtime/pool.h"

#define LANES        ((size_t)INGOT_PANEL_LANES)
#define CHUNK_PANELS 16u /* at most so many panels in one item of a matrix product */
#define STEP_PANELS  4u  /* an item is a multiple of these: what it finishes are whole steps of a quantised row */
#define PART_ROWS    64u /* at least so many rows in an item that does not have all */
#define TILE_QUERIES 12u /* at most so many queries in one item of attention: a tile of the kernels */
#define ROWS_SELF    4u  /* up to so many rows, each thread normalises and quantises for itself instead of waiting */

/* A matrix of activations. */
struct rows {
    float *data; /* 64-byte aligned */
    size_t stride;
};

static inline float *row_of(const struct rows *rows, size_t r)
{
    return rows->data + r * rows->stride;
}

/* The same, quantised for the integer products. */
struct codes {
    int8_t *codes;
    float *scales;
    int32_t *sums;
    size_t code_stride, block_stride;
};

/* Keys and values as panels, so that attention runs on the kernels of the matrix products; f32 or f16. A block of
 * positions holds for every layer and head, one behind the other,
 *   keys    [positions / 16][head size][16]: outputs are positions, inputs are dimensions
 *   values  [head size / 16][positions][16]: outputs are dimensions, inputs are positions
 * both rounded up. Blocks grow: a short context touches few pages, which may be large ones; a query reads long
 * stretches of a long one. Lanes of positions not yet evaluated, and of dimensions beyond the head, never reach a
 * result. */
struct kv_cache {
    uint8_t *data;
    bool half;            /* f16 */
    uint64_t n_positions; /* a multiple of 16, as is .. */
    uint32_t n_first;     /* .. the length of the first block */
    size_t key_panel_bytes;
    size_t value_bytes;                             /* of one position in a panel */
    size_t head_bytes, layer_bytes, position_bytes; /* of one position in a head, in a layer, in all of them */
};

/* What one thread needs for itself. */
struct scratch {
    struct rows chunk;  /* [n_batch][16 CHUNK_PANELS] outputs of a matrix product */
    struct rows normed; /* [ROWS_SELF][C] */
    struct codes codes; /* [ROWS_SELF][C] */
    struct rows scores; /* [TILE_QUERIES][n_ctx] */
    struct rows mixed;  /* [TILE_QUERIES][head size] */
};

struct ingot_session {
    const struct ingot_model *model;
    struct pool *pool;
    const struct fast_kernels *fast; /* for many rows; NULL in an exact session */
    uint32_t n_ctx, n_batch, position;
    uint32_t head_size, n_threads;
    ingot_progress_fn progress; /* or NULL */
    void *progress_ctx;
    struct kv_cache kv;
    struct rows x;            /* [n_batch][C] the residual stream */
    struct rows normed;       /* [n_batch][C] after a LayerNorm */
    struct rows queries;      /* [n_batch][C] scaled */
    struct rows mixed;        /* [n_batch][C] attention's output, heads side by side */
    struct rows inner;        /* [n_batch][n_inner] */
    struct codes codes;       /* [n_batch][C] of normed or of mixed, whichever a product reads */
    struct codes inner_codes; /* [n_batch][n_inner] */
    struct scratch *scratch;
    void *cache_memory, *arena_memory; /* own the above */
};

#endif

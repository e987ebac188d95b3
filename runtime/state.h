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

#define LANES          ((size_t)INGOT_PANEL_LANES)
#define CHUNK_PANELS   16u /* at most so many panels in one item of a matrix product */
#define TILE_QUERIES   12u /* at most so many queries in one item of attention: a tile of the kernels */
#define ROWS_NORM_SELF 4u  /* up to so many rows, each thread normalises for itself instead of waiting */

/* A matrix of activations. */
struct rows {
    float *data; /* 64-byte aligned */
    size_t stride;
};

static inline float *row_of(const struct rows *rows, size_t r)
{
    return rows->data + r * rows->stride;
}

/* Keys and values as panels, so that attention runs on the kernel of the matrix products. Per layer and head
 *   keys    [positions / 16][head size][16]: outputs are positions, inputs are dimensions
 *   values  [dimensions / 16][n_ctx][16]: outputs are dimensions, inputs are positions
 * both rounded up; lanes of positions not yet evaluated, and of dimensions beyond the head, never reach a result. */
struct kv_cache {
    float *keys, *values;
    size_t key_panel, value_panel; /* floats from one panel to the next */
    size_t key_head, value_head;   /* floats from one head to the next; a layer is n_head of these */
};

/* What one thread needs for itself. */
struct scratch {
    struct rows chunk;  /* [n_batch][16 CHUNK_PANELS] outputs of a matrix product */
    struct rows normed; /* [ROWS_NORM_SELF][C] */
    struct rows scores; /* [TILE_QUERIES][n_ctx] */
    struct rows mixed;  /* [TILE_QUERIES][head size] */
};

struct ingot_session {
    const struct ingot_model *model;
    struct pool *pool;
    uint32_t n_ctx, n_batch, position;
    uint32_t head_size, n_threads;
    struct kv_cache kv;
    struct rows x;       /* [n_batch][C] the residual stream */
    struct rows normed;  /* [n_batch][C] after a LayerNorm */
    struct rows queries; /* [n_batch][C] scaled */
    struct rows mixed;   /* [n_batch][C] attention's output, heads side by side */
    struct rows inner;   /* [n_batch][n_inner] */
    struct scratch *scratch;
    void *cache_memory, *arena_memory; /* own the above */
};

#endif

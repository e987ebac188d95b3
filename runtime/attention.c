/*
 * attention.c - scores, softmax and weighted sum, for one head and a tile of queries at a time.
 *
 * Every output's chain of additions covers exactly the keys that its query sees, in order of position. So the weighted
 * sum of a tile has two parts: the keys that all its queries see, together; then each query's remaining keys, alone. A
 * key of weight zero instead would be wrong where the cache holds what an earlier timeline left (0 x infinity).
 */
#include "runtime/attention.h"

#include <string.h>

struct tile {
    struct ingot_session *session;
    uint32_t layer, head;
    uint32_t first, n_rows; /* rows of the batch */
    uint32_t position;      /* of row `first` */
};

/* ---------------------------------------------------------------------------------------------------------- cache */

/* Keys of a head in the block of a position; its values are values_off behind. */
static uint8_t *head_block(const struct ingot_session *s, uint32_t layer, uint32_t head, uint32_t position)
{
    const struct kv_cache *kv = &s->kv;
    return kv->data + position / kv->n_block * kv->block_bytes + layer * kv->layer_bytes + head * kv->head_bytes;
}

/* `size` is a constant after inlining: to copy an element is a move then, not a call. */
#define ONE_SIZE static inline __attribute__((always_inline))

/* Dimensions dim .. dim + n - 1 of one head's key or value at one position. `size` is that of an element. */
typedef void store_fn(const struct kv_cache *kv, uint8_t *block, uint32_t position, uint32_t dim, uint32_t n,
                      const uint8_t *from, size_t size);

ONE_SIZE void store_key(const struct kv_cache *kv, uint8_t *block, uint32_t position, uint32_t dim, uint32_t n,
                        const uint8_t *from, size_t size)
{
    uint8_t *to = block + position / LANES * kv->key_panel_bytes + (dim * LANES + position % LANES) * size;
    for (uint32_t i = 0; i < n; i++) memcpy(to + i * LANES * size, from + i * size, size);
}

ONE_SIZE void store_value(const struct kv_cache *kv, uint8_t *block, uint32_t position, uint32_t dim, uint32_t n,
                          const uint8_t *from, size_t size)
{
    uint8_t *values = block + kv->values_off + position * LANES * size;
    for (uint32_t i = 0, run; i < n; i += run) {
        const uint32_t lane = (dim + i) % (uint32_t)LANES, left = (uint32_t)LANES - lane;
        run = left < n - i ? left : n - i;
        memcpy(values + (dim + i) / LANES * kv->value_panel_bytes + lane * size, from + i * size, run * size);
    }
}

/* Element i of a row is dimension `from` + i of the C of all heads; the row goes to one position. */
ONE_SIZE void store_row(struct ingot_session *s, uint32_t layer, uint32_t position, uint32_t from, uint32_t n,
                        const void *row, store_fn *store, size_t size)
{
    const uint8_t *elements = row;
    for (uint32_t i = 0, part; i < n; i += part) {
        const uint32_t head = (from + i) / s->head_size, dim = (from + i) % s->head_size;
        part = s->head_size - dim < n - i ? s->head_size - dim : n - i;
        store(&s->kv, head_block(s, layer, head, position), position % s->kv.n_block, dim, part, elements + i * size,
              size);
    }
}

ONE_SIZE void store_rows(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t n_rows,
                         const float *y, size_t stride, store_fn *store)
{
    uint16_t halves[CHUNK_PANELS * LANES];
    for (uint32_t r = 0; r < n_rows; r++, y += stride) {
        if (s->kv.half) {
            s->model->kernels->narrow_f16(y, n, halves);
            store_row(s, layer, s->position + r, from, n, halves, store, sizeof *halves);
        } else {
            store_row(s, layer, s->position + r, from, n, y, store, sizeof *y);
        }
    }
}

void attention_store_keys(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t n_rows,
                          const float *y, size_t stride)
{
    store_rows(s, layer, from, n, n_rows, y, stride, store_key);
}

void attention_store_values(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t n_rows,
                            const float *y, size_t stride)
{
    store_rows(s, layer, from, n, n_rows, y, stride, store_value);
}

/* ----------------------------------------------------------------------------------------------------------- tiles */

static size_t panels_of(size_t n)
{
    return (n + LANES - 1) / LANES;
}

/* How many of n positions from `at` on are in the block of `at`. */
static uint32_t within_block(const struct kv_cache *kv, uint32_t at, uint32_t n)
{
    const uint32_t left = kv->n_block - at % kv->n_block;
    return n < left ? n : left;
}

/* scores[r][key] = query . key, from +0, dimensions in order; computed for whole panels of keys. */
static void score(const struct tile *t, struct rows *scores)
{
    const struct ingot_session *s = t->session;
    const struct kernels *k = s->model->kernels;
    kernel_panels_fn *panels = s->kv.half ? k->panels_f16 : k->panels_f32;
    const float *queries = row_of(&s->queries, t->first) + t->head * s->head_size;
    const uint32_t n = t->position + t->n_rows;
    for (uint32_t r = 0; r < t->n_rows; r++) memset(row_of(scores, r), 0, panels_of(n) * LANES * sizeof(float));
    for (uint32_t at = 0, part; at < n; at += part) {
        part = within_block(&s->kv, at, n - at);
        panels(head_block(s, t->layer, t->head, at), s->kv.key_panel_bytes, panels_of(part), s->head_size, queries,
               s->queries.stride, t->n_rows, scores->data + at, scores->stride);
    }
}

/* mixed[r] += weights[r][from .. to) x values, for n_rows rows. */
static void weigh(const struct tile *t, uint32_t from, uint32_t to, const float *weights, size_t stride,
                  uint32_t n_rows, float *mixed, size_t mixed_stride)
{
    const struct ingot_session *s = t->session;
    const struct kv_cache *kv = &s->kv;
    kernel_panels_fn *chains = kv->half ? s->model->kernels->chains_f16 : s->model->kernels->chains_f32;
    const size_t input_bytes = LANES * (kv->half ? sizeof(uint16_t) : sizeof(float));
    for (uint32_t at = from, part; at < to; at += part) {
        part = within_block(kv, at, to - at);
        const uint8_t *values = head_block(s, t->layer, t->head, at) + kv->values_off + at % kv->n_block * input_bytes;
        chains(values, kv->value_panel_bytes, panels_of(s->head_size), part, weights + at, stride, n_rows, mixed,
               mixed_stride);
    }
}

static void mix_tile(const struct tile *t, struct scratch *scratch)
{
    const struct ingot_session *s = t->session;
    const struct kernels *kernels = s->model->kernels;
    struct rows *scores = &scratch->scores, *mixed = &scratch->mixed;
    const uint32_t n_common = t->position + 1;
    float sums[TILE_QUERIES];

    score(t, scores);
    for (uint32_t r = 0; r < t->n_rows; r++) {
        sums[r] = kernels->softmax_exp(row_of(scores, r), n_common + r);
        memset(row_of(mixed, r), 0, panels_of(s->head_size) * LANES * sizeof(float));
    }
    weigh(t, 0, n_common, scores->data, scores->stride, t->n_rows, mixed->data, mixed->stride);
    for (uint32_t r = 1; r < t->n_rows; r++)
        weigh(t, n_common, n_common + r, row_of(scores, r), scores->stride, 1, row_of(mixed, r), mixed->stride);
    for (uint32_t r = 0; r < t->n_rows; r++) {
        kernels->scale(row_of(mixed, r), 1.0f / sums[r], s->head_size);
        memcpy(row_of(&s->mixed, t->first + r) + t->head * s->head_size, row_of(mixed, r),
               s->head_size * sizeof(float));
    }
}

/* Items are tiles x heads; the last rows, which see the most keys, come first, so that threads end together. */
void attention_mix(struct ingot_session *s, uint32_t layer, uint32_t first, uint32_t n_rows, uint32_t thread)
{
    const uint32_t n_head = s->model->hp.n_head;
    const uint32_t n_tiles = (n_rows - first + TILE_QUERIES - 1) / TILE_QUERIES;
    uint32_t item;
    while (pool_next(s->pool, thread, n_tiles * n_head, &item)) {
        struct tile t = { .session = s, .layer = layer, .head = item % n_head };
        t.first = first + (n_tiles - 1 - item / n_head) * TILE_QUERIES;
        t.n_rows = n_rows - t.first < TILE_QUERIES ? n_rows - t.first : TILE_QUERIES;
        t.position = s->position + t.first;
        mix_tile(&t, &s->scratch[thread]);
    }
}

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
    const float *keys, *values; /* of this layer and head */
    uint32_t head;
    uint32_t first, n_rows; /* rows of the batch */
    uint32_t position;      /* of row `first` */
};

/* ---------------------------------------------------------------------------------------------------------- cache */

static float *head_keys(const struct ingot_session *s, uint32_t layer, uint32_t head)
{
    return s->kv.keys + ((size_t)layer * s->model->hp.n_head + head) * s->kv.key_head;
}

static float *head_values(const struct ingot_session *s, uint32_t layer, uint32_t head)
{
    return s->kv.values + ((size_t)layer * s->model->hp.n_head + head) * s->kv.value_head;
}

/* A dimension of the C of all heads, as a place in the cache. */
struct place {
    uint32_t head, dim;
};

static struct place place_of(const struct ingot_session *s, uint32_t c)
{
    return (struct place){ c / s->head_size, c % s->head_size };
}

static void next_place(const struct ingot_session *s, struct place *place)
{
    if (++place->dim < s->head_size) return;
    place->dim = 0;
    place->head++;
}

void attention_store_keys(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t n_rows,
                          const float *y, size_t stride)
{
    struct place place = place_of(s, from);
    for (uint32_t i = 0; i < n; i++, next_place(s, &place)) {
        float *keys = head_keys(s, layer, place.head) + place.dim * LANES;
        for (uint32_t r = 0; r < n_rows; r++) {
            const uint32_t position = s->position + r;
            keys[position / LANES * s->kv.key_panel + position % LANES] = y[r * stride + i];
        }
    }
}

void attention_store_values(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t n_rows,
                            const float *y, size_t stride)
{
    struct place place = place_of(s, from);
    for (uint32_t i = 0; i < n; i++, next_place(s, &place)) {
        float *values = head_values(s, layer, place.head) + place.dim / LANES * s->kv.value_panel + place.dim % LANES;
        for (uint32_t r = 0; r < n_rows; r++) values[(s->position + r) * LANES] = y[r * stride + i];
    }
}

/* ----------------------------------------------------------------------------------------------------------- tiles */

static size_t panels_of(size_t n)
{
    return (n + LANES - 1) / LANES;
}

/* scores[r][key] = query . key, from +0, dimensions in order; computed for whole panels of keys. */
static void score(const struct tile *t, struct rows *scores)
{
    const struct ingot_session *s = t->session;
    const size_t n_panels = panels_of(t->position + t->n_rows);
    for (uint32_t r = 0; r < t->n_rows; r++) memset(row_of(scores, r), 0, n_panels * LANES * sizeof(float));
    s->model->kernels->panels_f32(t->keys, s->kv.key_panel * sizeof(float), n_panels, s->head_size,
                                  row_of(&s->queries, t->first) + t->head * s->head_size, s->queries.stride, t->n_rows,
                                  scores->data, scores->stride);
}

/* mixed[r] += weights[r][from .. from + n) x values, for n_rows rows. */
static void weigh(const struct tile *t, size_t from, size_t n, const float *weights, size_t stride, uint32_t n_rows,
                  float *mixed, size_t mixed_stride)
{
    const struct ingot_session *s = t->session;
    s->model->kernels->chains_f32(t->values + from * LANES, s->kv.value_panel * sizeof(float), panels_of(s->head_size),
                                  n, weights + from, stride, n_rows, mixed, mixed_stride);
}

static void mix_tile(const struct tile *t, struct scratch *scratch)
{
    const struct ingot_session *s = t->session;
    const struct kernels *kernels = s->model->kernels;
    struct rows *scores = &scratch->scores, *mixed = &scratch->mixed;
    const size_t n_common = t->position + 1u;
    float sums[TILE_QUERIES];

    score(t, scores);
    for (uint32_t r = 0; r < t->n_rows; r++) {
        sums[r] = kernels->softmax_exp(row_of(scores, r), n_common + r);
        memset(row_of(mixed, r), 0, panels_of(s->head_size) * LANES * sizeof(float));
    }
    weigh(t, 0, n_common, scores->data, scores->stride, t->n_rows, mixed->data, mixed->stride);
    for (uint32_t r = 1; r < t->n_rows; r++)
        weigh(t, n_common, r, row_of(scores, r), scores->stride, 1, row_of(mixed, r), mixed->stride);
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
    while (pool_next(s->pool, n_tiles * n_head, &item)) {
        struct tile t = { .session = s, .head = item % n_head };
        t.first = first + (n_tiles - 1 - item / n_head) * TILE_QUERIES;
        t.n_rows = n_rows - t.first < TILE_QUERIES ? n_rows - t.first : TILE_QUERIES;
        t.position = s->position + t.first;
        t.keys = head_keys(s, layer, t.head);
        t.values = head_values(s, layer, t.head);
        mix_tile(&t, &s->scratch[thread]);
    }
}

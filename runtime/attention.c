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

#define MOST_POSITIONS 512u /* in a block: longer ones are not read any faster */

/* A head's keys and values in one block. */
struct span {
    uint32_t first, n; /* positions */
    uint8_t *keys, *values;
    size_t value_panel_bytes;
};

/* The one that holds a position. A block is as long as all before it together, up to MOST_POSITIONS; the last one ends
 * with the cache. */
static struct span span_of(const struct ingot_session *s, uint32_t layer, uint32_t head, uint32_t position)
{
    const struct kv_cache *kv = &s->kv;
    uint32_t n = kv->n_first;
    while (2 * n <= position && n < MOST_POSITIONS) n *= 2;
    struct span span = { .first = position / n * n };
    const uint64_t left = kv->n_positions - span.first;
    span.n = n < left ? n : (uint32_t)left;
    span.keys = kv->data + span.first * kv->position_bytes + span.n * (layer * kv->layer_bytes + head * kv->head_bytes);
    span.values = span.keys + span.n / LANES * kv->key_panel_bytes;
    span.value_panel_bytes = span.n * kv->value_bytes;
    return span;
}

/* `size` is a constant after inlining: to copy an element is a move then, not a call. */
#define ONE_SIZE static inline __attribute__((always_inline))

/* Dimensions dim .. dim + n - 1 of one head's key or value at one position, counted from the span's first. `size` is
 * that of an element. */
typedef void store_fn(const struct kv_cache *kv, const struct span *span, uint32_t position, uint32_t dim, uint32_t n,
                      const uint8_t *from, size_t size);

ONE_SIZE void store_key(const struct kv_cache *kv, const struct span *span, uint32_t position, uint32_t dim, uint32_t n,
                        const uint8_t *from, size_t size)
{
    uint8_t *to = span->keys + position / LANES * kv->key_panel_bytes + (dim * LANES + position % LANES) * size;
    for (uint32_t i = 0; i < n; i++) memcpy(to + i * LANES * size, from + i * size, size);
}

ONE_SIZE void store_value(const struct kv_cache *kv, const struct span *span, uint32_t position, uint32_t dim,
                          uint32_t n, const uint8_t *from, size_t size)
{
    uint8_t *values = span->values + position * kv->value_bytes;
    for (uint32_t i = 0, run; i < n; i += run) {
        const uint32_t lane = (dim + i) % (uint32_t)LANES, left = (uint32_t)LANES - lane;
        run = left < n - i ? left : n - i;
        memcpy(values + (dim + i) / LANES * span->value_panel_bytes + lane * size, from + i * size, run * size);
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
        const struct span span = span_of(s, layer, head, position);
        store(&s->kv, &span, position - span.first, dim, part, elements + i * size, size);
    }
}

ONE_SIZE void store_rows(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t row,
                         uint32_t n_rows, const float *y, size_t stride, store_fn *store)
{
    uint16_t halves[CHUNK_PANELS * LANES];
    for (uint32_t r = 0; r < n_rows; r++, y += stride) {
        if (s->kv.half) {
            s->model->kernels->narrow_f16(y, n, halves);
            store_row(s, layer, s->position + row + r, from, n, halves, store, sizeof *halves);
        } else {
            store_row(s, layer, s->position + row + r, from, n, y, store, sizeof *y);
        }
    }
}

void attention_store_keys(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t row,
                          uint32_t n_rows, const float *y, size_t stride)
{
    store_rows(s, layer, from, n, row, n_rows, y, stride, store_key);
}

void attention_store_values(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t row,
                            uint32_t n_rows, const float *y, size_t stride)
{
    store_rows(s, layer, from, n, row, n_rows, y, stride, store_value);
}

/* ----------------------------------------------------------------------------------------------------------- tiles */

static size_t panels_of(size_t n)
{
    return (n + LANES - 1) / LANES;
}

/* How many of n positions from `at` on are in their span. */
static uint32_t within(const struct span *span, uint32_t at, uint32_t n)
{
    const uint32_t left = span->first + span->n - at;
    return n < left ? n : left;
}

enum { STREAMS = 4 }; /* panels that the kernels read side by side for one row */

/* The kernel that multiplies keys with queries. For one query of a head that is no wider than a block of inputs, the
 * kernels of chains give what those of panels give, but for the sign of a zero, which no softmax sees; and they do not
 * prefetch, while those of panels prefetch at a distance that is made for matrices and leads beyond a head's keys. */
static kernel_panels_fn *keys_kernel(const struct ingot_session *s, uint32_t n_rows)
{
    const struct kernels *k = s->model->kernels;
    if (n_rows > 1 || s->head_size > KERNEL_BLOCK) return s->kv.half ? k->panels_f16 : k->panels_f32;
    return s->kv.half ? k->chains_f16 : k->chains_f32;
}

/* Scores of one query with n_panels panels of keys. The kernel reads STREAMS panels side by side. A panel is a page of
 * memory or half of one, too short for the hardware to fetch ahead in it; so the panels that are read together are
 * n_each apart, and the next call goes on where each of the streams has ended. */
static void score_one(const struct ingot_session *s, const float *query, const uint8_t *keys, size_t n_panels,
                      float *scores)
{
    kernel_panels_fn *kernel = keys_kernel(s, 1);
    const size_t panel_bytes = s->kv.key_panel_bytes, n_each = n_panels / STREAMS, n_streamed = n_each * STREAMS;
    for (size_t p = 0; p < n_each; p++) {
        _Alignas(64) float y[STREAMS][LANES] = { { 0 } };
        kernel(keys + p * panel_bytes, n_each * panel_bytes, STREAMS, s->head_size, query, s->head_size, 1, y[0],
               STREAMS * LANES);
        for (size_t i = 0; i < STREAMS; i++) memcpy(scores + (i * n_each + p) * LANES, y[i], sizeof y[i]);
    }
    float *rest = scores + n_streamed * LANES;
    memset(rest, 0, (n_panels - n_streamed) * LANES * sizeof *rest);
    kernel(keys + n_streamed * panel_bytes, panel_bytes, n_panels - n_streamed, s->head_size, query, s->head_size, 1,
           rest, STREAMS * LANES);
}

/* The same for the queries of a tile. */
static void score_tile(const struct tile *t, const struct span *span, uint32_t at, uint32_t n, struct rows *scores)
{
    const struct ingot_session *s = t->session;
    const float *queries = row_of(&s->queries, t->first) + t->head * s->head_size;
    if (t->n_rows == 1) {
        score_one(s, queries, span->keys, panels_of(n), scores->data + at);
        return;
    }
    for (uint32_t r = 0; r < t->n_rows; r++) memset(row_of(scores, r) + at, 0, panels_of(n) * LANES * sizeof(float));
    keys_kernel(s, t->n_rows)(span->keys, s->kv.key_panel_bytes, panels_of(n), s->head_size, queries, s->queries.stride,
                              t->n_rows, scores->data + at, scores->stride);
}

/* scores[r][key] = query . key, from +0, dimensions in order; computed for whole panels of keys. */
static void score(const struct tile *t, struct rows *scores)
{
    const uint32_t n = t->position + t->n_rows;
    for (uint32_t at = 0, part; at < n; at += part) {
        const struct span span = span_of(t->session, t->layer, t->head, at);
        part = within(&span, at, n - at);
        score_tile(t, &span, at, part, scores);
    }
}

/* mixed[r] += weights[r][from .. to) x values, for n_rows rows. */
static void weigh(const struct tile *t, uint32_t from, uint32_t to, const float *weights, size_t stride,
                  uint32_t n_rows, float *mixed, size_t mixed_stride)
{
    const struct ingot_session *s = t->session;
    const struct kv_cache *kv = &s->kv;
    kernel_panels_fn *chains = kv->half ? s->model->kernels->chains_f16 : s->model->kernels->chains_f32;
    for (uint32_t at = from, part; at < to; at += part) {
        const struct span span = span_of(s, t->layer, t->head, at);
        part = within(&span, at, to - at);
        const uint8_t *values = span.values + (at - span.first) * kv->value_bytes;
        chains(values, span.value_panel_bytes, panels_of(s->head_size), part, weights + at, stride, n_rows, mixed,
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

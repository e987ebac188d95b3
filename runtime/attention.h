/* attention.h - causal attention over a cache of panels; see struct kv_cache. */
#ifndef INGOT_ATTENTION_H
#define INGOT_ATTENTION_H

#include "runtime/state.h"

/* Puts dimensions from .. from + n - 1 (of the C of all heads) of n_rows keys or values into the cache, at positions
 * session->position + row and following. y [n_rows][stride] holds them, its first column being dimension `from`; n is
 * at most 16 CHUNK_PANELS. */
void attention_store_keys(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t row,
                          uint32_t n_rows, const float *y, size_t stride);
void attention_store_values(struct ingot_session *s, uint32_t layer, uint32_t from, uint32_t n, uint32_t row,
                            uint32_t n_rows, const float *y, size_t stride);

/* On every thread: session->mixed from session->queries for rows first .. n_rows - 1 of a batch. Row r sees the keys of
 * positions 0 .. session->position + r, which must be in the cache. */
void attention_mix(struct ingot_session *s, uint32_t layer, uint32_t first, uint32_t n_rows, uint32_t thread);

#endif

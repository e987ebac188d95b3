/* scan_load_avx2.h - columns of any form of panel as f32, some at a time, for scan_avx2.c. */
#ifndef INGOT_SCAN_LOAD_AVX2_H
#define INGOT_SCAN_LOAD_AVX2_H

#include "format/quant.h"
#include "format/simd/turn_avx2.h"

#include <string.h>

#define STEP      SCAN_LANES /* values of a column */
#define BATCH     16u        /* columns that are loaded together */
#define ROW_AHEAD 512        /* bytes */

static inline size_t batch_at(const struct scan_panel *panel, size_t col)
{
    return panel->n_cols - col < BATCH ? panel->n_cols - col : BATCH;
}

/* Levels of four columns of 8 lanes, a byte each. */
BY_FORM __m256i level_bytes(enum scan_form form, const uint8_t *step, size_t k, size_t lane)
{
    const enum ingot_dtype dtype = form == SCAN_Q8 ? INGOT_Q8 : INGOT_Q4;
    const __m256i *from = (const __m256i *)(const void *)(step + quant_code_at(dtype, k, lane));
    const __m256i codes = _mm256_loadu_si256(from);
    if (form == SCAN_Q8) return _mm256_xor_si256(codes, _mm256_set1_epi8((char)QUANT_Q8_ZERO));
    const __m128i shift = _mm_cvtsi32_si128(k % 8 < 4 ? 0 : 4);
    const __m256i nibbles = _mm256_and_si256(_mm256_srl_epi32(codes, shift), _mm256_set1_epi8(15));
    const __m128i table = _mm_loadu_si128((const __m128i *)(const void *)quant_q4_levels);
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

/* Columns col .. col + 3 of q8 or q4, which have one scale for each lane. */
BY_FORM void load_levels(enum scan_form form, const struct scan_panel *panel, size_t col, float *to)
{
    const size_t k = col % INGOT_QUANT_STEP, step_bytes = form == SCAN_Q8 ? QUANT_Q8_STEP_BYTES : QUANT_Q4_STEP_BYTES;
    const uint8_t *step = (const uint8_t *)panel->values + col / INGOT_QUANT_STEP * step_bytes;
    UNROLL
    for (size_t lane = 0; lane < STEP; lane += 8) {
        const __m128i *scales = (const __m128i *)(const void *)(step + quant_scale_at(k, lane));
        const __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128(scales));
        const __m256i bytes = level_bytes(form, step, k, lane);
        UNROLL
        for (size_t i = 0; i < 4; i++) {
            const __m256i level = _mm256_srai_epi32(_mm256_slli_epi32(bytes, (int)(24 - 8 * i)), 24);
            _mm256_storeu_ps(to + i * STEP + lane, _mm256_mul_ps(_mm256_cvtepi32_ps(level), scale));
        }
    }
}

/* n columns of f16. */
static inline void load_halves(const void *columns, size_t n, float *to)
{
    for (size_t i = 0; i < n * STEP; i += 8) {
        const __m128i *from = (const __m128i *)(const void *)((const char *)columns + i * sizeof(uint16_t));
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(from)));
    }
}

/* What a row will give next is prefetched, for 16 rows are more than the CPU foresees. A line of a row is read at once,
 * for rows are often as far apart as lines that drive each other out of the cache. */
BY_FORM void load_rows(const struct scan_panel *panel, size_t col, size_t n, float *to)
{
    const size_t row_bytes = panel->row_bytes;
    const char *rows = (const char *)panel->values + col * sizeof *to;
    if (n < BATCH) {
        for (size_t i = 0; i < n * STEP; i++)
            memcpy(&to[i], rows + i % STEP * row_bytes + i / STEP * sizeof *to, sizeof *to);
        return;
    }
    for (size_t row = 0; row < STEP; row += 8) {
        const char *eight = rows + row * row_bytes;
        for (size_t k = 0; k < 8; k++) _mm_prefetch(eight + k * row_bytes + ROW_AHEAD, _MM_HINT_T0);
        turn_eight(eight, row_bytes, to + row);
        turn_eight(eight + 8 * sizeof *to, row_bytes, to + 8 * STEP + row);
    }
}

BY_FORM void load_half_rows(const struct scan_panel *panel, size_t col, size_t n, float *to)
{
    uint16_t columns[BATCH * STEP];
    for (size_t k = 0; k < n; k += 8) turn_halves(panel, col + k, n - k < 8 ? n - k : 8, columns + k * STEP);
    load_halves(columns, n, to);
}

/* n <= BATCH columns from `col` on, a multiple of BATCH, as f32: where they stand, or made so in `room`. */
BY_FORM const float *load(enum scan_form form, const struct scan_panel *panel, size_t col, size_t n,
                          float room[BATCH * STEP])
{
    switch (form) {
    case SCAN_F16:
        load_halves((const char *)panel->values + col * STEP * sizeof(uint16_t), n, room);
        return room;
    case SCAN_Q8:
    case SCAN_Q4: /* whose steps are whole, so that there are four columns of them in any case */
        for (size_t k = 0; k < n; k += 4) load_levels(form, panel, col + k, room + k * STEP);
        return room;
    case SCAN_F32_ROWS:
        load_rows(panel, col, n, room);
        return room;
    case SCAN_F16_ROWS:
        load_half_rows(panel, col, n, room);
        return room;
    default:
        return (const float *)(const void *)((const char *)panel->values + col * STEP * sizeof(float));
    }
}

#endif

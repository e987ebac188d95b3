/*
 * quant_amx.c - integer products for AMX: a block of 32 inputs is one product of tiles, 16 rows x 32 inputs times
 * 32 inputs x a panel. The bits of quant_scalar.c. Few rows go the way of AVX-512 with VNNI.
 *
 * A panel's block lies in the file as a tile wants its right-hand side, but for the numbers themselves: so the weights
 * of a panel are first unpacked to signed levels, and its scales widened, once for many rows. Products of signed bytes
 * need no correction, and the two dtypes differ in nothing else.
 *
 * What bounds it: after every block the 16 x 16 sums leave the tile to be converted, scaled and added to y. That is
 * three vector operations a row on two ports, 24 cycles, beside which the tile unit needs 16 (a block fills half the
 * depth of its grid); so a third of the tile unit's peak is the most that blocks of 32 inputs allow. To come near it, y
 * stays in registers over all blocks of a chunk, and a block's sums are added while the next block's are being made.
 */
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#include "format/layout.h"
#include "runtime/kernels/amx.h"
#include "runtime/kernels/quant_x86.h"
#include "runtime/kernels/tiles.h"

enum {
    LANES = INGOT_PANEL_LANES,
    BLOCK = INGOT_QUANT_BLOCK,
    ROWS = 16,                                /* of a tile */
    MIN_ROWS = 8,                             /* below, unpacking costs more than it saves */
    CHUNK_BLOCKS = 16,                        /* of inputs: an unpacked piece of a panel fits the first-level cache */
    GROUP_ROWS = 128,                         /* that share an unpacked piece; theirs fits the second-level cache */
    CODES_STRIDE = CHUNK_BLOCKS * BLOCK + 64, /* no power of two, so that rows do not compete for cache sets */
};

/* Two sets of tiles take turns: sums 0 and 1, rows 2 and 3, weights 4 and 5. */
static const struct amx_config config = {
    .palette = 1,
    .row_bytes = { 64, 64, BLOCK, BLOCK, 64, 64 },
    .rows = { ROWS, ROWS, ROWS, ROWS, BLOCK / 4, BLOCK / 4 },
};

static const struct quant_kernels *const few_rows = &quant_avx512;

/* ---------------------------------------------------------------------------------------------------------- weights */

/* A chunk of a panel. */
struct weights {
    _Alignas(64) int8_t levels[CHUNK_BLOCKS][BLOCK / 4][4 * LANES]; /* four inputs of every lane together */
    _Alignas(64) float scales[CHUNK_BLOCKS][LANES];
};

typedef void unpack_fn(const uint8_t *codes, int8_t (*levels)[4 * LANES]);

TILE_BODY void unpack_q8(const uint8_t *codes, int8_t (*levels)[4 * LANES])
{
    const __m512i zero = _mm512_set1_epi8((char)QUANT_Q8_ZERO);
    for (size_t i = 0; i < BLOCK / 4; i++)
        _mm512_store_si512(levels[i], _mm512_xor_si512(_mm512_load_si512(codes + i * 64), zero));
}

TILE_BODY void unpack_q4(const uint8_t *codes, int8_t (*levels)[4 * LANES])
{
    const __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)quant_q4_levels));
    const __m512i low = _mm512_set1_epi8(15);
    for (size_t i = 0; i < BLOCK / 8; i++) {
        const __m512i both = _mm512_load_si512(codes + i * 64);
        const __m512i first = _mm512_and_si512(both, low);
        const __m512i second = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
        _mm512_store_si512(levels[2 * i], _mm512_shuffle_epi8(table, first));
        _mm512_store_si512(levels[2 * i + 1], _mm512_shuffle_epi8(table, second));
    }
}

/* n_blocks from the start of a step. */
TILE_BODY void unpack_chunk(unpack_fn *unpack, size_t step_bytes, const uint8_t *step, size_t n_blocks,
                            struct weights *w)
{
    const size_t block_bytes = (step_bytes - QUANT_SCALE_BYTES) / 2;
    for (size_t b = 0; b < n_blocks; b++) {
        const uint8_t *here = step + b / 2 * step_bytes;
        const __m256i scales = _mm256_load_si256((const void *)(here + b % 2 * (QUANT_SCALE_BYTES / 2)));
        _mm512_store_ps(w->scales[b], _mm512_cvtph_ps(scales));
        unpack(here + QUANT_SCALE_BYTES + b % 2 * block_bytes, w->levels[b]);
    }
}

/* ------------------------------------------------------------------------------------------------------------- rows */

/* A chunk of a tile's rows; behind the last row it is repeated. */
struct rows {
    _Alignas(64) int8_t codes[ROWS][CODES_STRIDE];
    _Alignas(64) float scales[CHUNK_BLOCKS][ROWS];
};

static void gather_rows(const struct quant_rows *x, size_t first, size_t n_rows, size_t b, size_t n_blocks,
                        struct rows *rows)
{
    for (size_t r = 0; r < ROWS; r++) {
        const size_t from = first + (r < n_rows ? r : n_rows - 1);
        memcpy(rows->codes[r], x->codes + from * x->code_stride + b * BLOCK, n_blocks * BLOCK);
        for (size_t i = 0; i < n_blocks; i++) rows->scales[i][r] = x->scales[from * x->block_stride + b + i];
    }
}

/* --------------------------------------------------------------------------------------------------------- products */

typedef int32_t sums[ROWS][LANES];

#define MULTIPLY_TILES(sums_tile, rows_tile, weights_tile, rows, w, b, to)                                             \
    do {                                                                                                               \
        AMX_ZERO(sums_tile);                                                                                           \
        AMX_LOAD(rows_tile, (rows)->codes[0] + (b)*BLOCK, CODES_STRIDE);                                               \
        AMX_LOAD(weights_tile, (w)->levels[b], 4 * LANES);                                                             \
        AMX_DOT_S8(sums_tile, rows_tile, weights_tile);                                                                \
        AMX_STORE(sums_tile, to, sizeof *(to));                                                                        \
    } while (0)

/* The sums of block b, by the set of tiles whose turn it is. */
TILE_BODY void multiply_block(const struct rows *rows, const struct weights *w, size_t b, sums to[2])
{
    if (b % 2 == 0)
        MULTIPLY_TILES(0, 2, 4, rows, w, b, to[0]);
    else
        MULTIPLY_TILES(1, 3, 5, rows, w, b, to[1]);
}

TILE_BODY void add_block(const struct rows *rows, const struct weights *w, size_t b, sums from[2], __m512 y[ROWS])
{
    const __m512 scales = _mm512_load_ps(w->scales[b]);
    TILE_UNROLL
    for (size_t r = 0; r < ROWS; r++) {
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(rows->scales[b][r]));
        y[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(from[b % 2][r])), scale, y[r]);
    }
}

/* ROWS rows times a chunk of a panel. */
static void multiply_rows(const struct rows *rows, const struct weights *w, size_t n_blocks, float *out,
                          size_t y_stride)
{
    _Alignas(64) sums made[2];
    __m512 y[ROWS];
    TILE_UNROLL
    for (size_t r = 0; r < ROWS; r++) y[r] = _mm512_loadu_ps(out + r * y_stride);
    multiply_block(rows, w, 0, made);
    for (size_t b = 1; b < n_blocks; b++) {
        multiply_block(rows, w, b, made);
        add_block(rows, w, b - 1, made, y);
    }
    add_block(rows, w, n_blocks - 1, made, y);
    TILE_UNROLL
    for (size_t r = 0; r < ROWS; r++) _mm512_storeu_ps(out + r * y_stride, y[r]);
}

/* The same for the n_rows < ROWS that are left. */
static void multiply_rest(const struct rows *rows, const struct weights *w, size_t n_blocks, size_t n_rows, float *out,
                          size_t y_stride)
{
    _Alignas(64) float y[ROWS][LANES] = { { 0 } };
    for (size_t r = 0; r < n_rows; r++) memcpy(y[r], out + r * y_stride, sizeof y[r]);
    multiply_rows(rows, w, n_blocks, y[0], LANES);
    for (size_t r = 0; r < n_rows; r++) memcpy(out + r * y_stride, y[r], sizeof y[r]);
}

/* ------------------------------------------------------------------------------------------------ loops over it all */

/* n_rows <= GROUP_ROWS rows from `first` times a chunk of every panel. */
TILE_BODY void group(unpack_fn *unpack, size_t step_bytes, const uint8_t *w, size_t panel_bytes, size_t n_panels,
                     size_t b, size_t n_blocks, const struct quant_rows *x, size_t first, size_t n_rows, float *y,
                     size_t y_stride)
{
    struct rows rows[GROUP_ROWS / ROWS];
    struct weights weights;
    for (size_t r = 0; r < n_rows; r += ROWS)
        gather_rows(x, first + r, n_rows - r < ROWS ? n_rows - r : ROWS, b, n_blocks, &rows[r / ROWS]);
    for (size_t p = 0; p < n_panels; p++) {
        unpack_chunk(unpack, step_bytes, w + p * panel_bytes + b / 2 * step_bytes, n_blocks, &weights);
        size_t r = 0;
        for (; r + ROWS <= n_rows; r += ROWS)
            multiply_rows(&rows[r / ROWS], &weights, n_blocks, y + (first + r) * y_stride + p * LANES, y_stride);
        if (r < n_rows)
            multiply_rest(&rows[r / ROWS], &weights, n_blocks, n_rows - r, y + (first + r) * y_stride + p * LANES,
                          y_stride);
    }
}

TILE_BODY void panels(unpack_fn *unpack, size_t step_bytes, const void *w, size_t panel_bytes, size_t n_panels,
                      size_t n_in, const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)
{
    const size_t all = (n_in + BLOCK - 1) / BLOCK;
    AMX_CONFIGURE(&config);
    for (size_t b = 0; b < all; b += CHUNK_BLOCKS)
        for (size_t r = 0; r < n_rows; r += GROUP_ROWS)
            group(unpack, step_bytes, w, panel_bytes, n_panels, b, all - b < CHUNK_BLOCKS ? all - b : CHUNK_BLOCKS, x,
                  r, n_rows - r < GROUP_ROWS ? n_rows - r : GROUP_ROWS, y, y_stride);
    AMX_RELEASE();
}

static void panels_q8(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x,
                      size_t n_rows, float *y, size_t y_stride)
{
    if (n_rows < MIN_ROWS)
        few_rows->panels_q8(w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
    else
        panels(unpack_q8, QUANT_Q8_STEP_BYTES, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
}

static void panels_q4(const void *w, size_t panel_bytes, size_t n_panels, size_t n_in, const struct quant_rows *x,
                      size_t n_rows, float *y, size_t y_stride)
{
    if (n_rows < MIN_ROWS)
        few_rows->panels_q4(w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
    else
        panels(unpack_q4, QUANT_Q4_STEP_BYTES, w, panel_bytes, n_panels, n_in, x, n_rows, y, y_stride);
}

const struct quant_kernels quant_amx = {
    .quantise = quantise_row,
    .panels_q8 = panels_q8,
    .panels_q4 = panels_q4,
};

#endif

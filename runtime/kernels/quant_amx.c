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
 * depth of its grid); so a third of the tile unit's peak is the most that blocks of 32 inputs allow. To come near it,
 * those two ports must not wait, and have little else to do:
 *
 *   - From the load of a tile to its sums in memory are more than a hundred cycles, longer than the processor looks
 *     ahead. So the tile unit is some blocks ahead, and behind the last of a tile of rows it goes on with the next.
 *   - y stays in registers over all blocks of a chunk; the inputs of a small model are one chunk.
 *   - Rows are read where they are, and what is needed next of weights and of y is prefetched.
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
    LINE = 64,         /* of a cache */
    ROWS = 16,         /* of a tile */
    MIN_ROWS = 8,      /* below, unpacking costs more than it saves */
    CHUNK_BLOCKS = 24, /* of inputs: a panel's, unpacked, and a tile's rows of them fit the first-level cache */
    GROUP_ROWS = 256,  /* that share an unpacked chunk; with what they are added to, half of a second-level cache */
    TURN = 4,          /* blocks that the tile unit is ahead */
};

/* Four tiles of sums take turns, 0 to 3, two of rows, 4 and 5, and two of weights, 6 and 7. */
static const struct amx_config config = {
    .palette = 1,
    .row_bytes = { 64, 64, 64, 64, BLOCK, BLOCK, 64, 64 },
    .rows = { ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, BLOCK / 4, BLOCK / 4 },
};

static const struct quant_kernels *const few_rows = &quant_avx512;

/* ---------------------------------------------------------------------------------------------------------- weights */

/* A chunk of a panel. */
struct weights {
    _Alignas(LINE) int8_t levels[CHUNK_BLOCKS][BLOCK / 4][4 * LANES]; /* four inputs of every lane together */
    _Alignas(LINE) float scales[CHUNK_BLOCKS][LANES];
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

/* A chunk of a tile's rows. */
struct rows {
    const int8_t *codes;
    size_t stride; /* of codes */
    _Alignas(LINE) float scales[ROWS][(CHUNK_BLOCKS + LANES - 1) / LANES * LANES];
};

typedef int32_t sums[ROWS][LANES];

/* A chunk of a group's rows and of a panel. */
struct group {
    size_t n_rows, n_blocks;
    struct weights weights;
    struct rows rows[GROUP_ROWS / ROWS];
    _Alignas(LINE) int8_t rest[ROWS][CHUNK_BLOCKS * BLOCK + LINE]; /* an odd number of lines, because of cache sets */
    struct {
        uintptr_t from, to;
    } ahead; /* what is wanted afterwards; as a hint, it may lie anywhere */
};

static size_t tiles_of(size_t n_rows)
{
    return (n_rows + ROWS - 1) / ROWS;
}

static size_t lesser(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* From block b on. */
static void gather_scales(const struct quant_rows *x, size_t row, size_t b, size_t n_blocks, float *scales)
{
    const float *from = x->scales + row * x->block_stride + b;
    for (size_t i = 0; i < n_blocks; i += LANES) {
        const __mmask16 there = (__mmask16)(n_blocks - i >= LANES ? 0xffffu : (1u << (n_blocks - i)) - 1u);
        _mm512_store_ps(scales + i, _mm512_maskz_loadu_ps(there, from + i));
    }
}

/* A tile has ROWS rows. Where the group ends within a tile its last row is repeated, and the rows of that tile are
 * copied to g->rest, so that all tiles are read alike. */
static void gather(const struct quant_rows *x, size_t b, struct group *g)
{
    for (size_t r = 0; r < g->n_rows; r += ROWS) {
        const bool whole = r + ROWS <= g->n_rows;
        struct rows *rows = &g->rows[r / ROWS];
        rows->codes = whole ? x->codes + r * x->code_stride + b * BLOCK : g->rest[0];
        rows->stride = whole ? x->code_stride : sizeof g->rest[0];
        for (size_t i = 0; i < ROWS; i++) {
            const size_t from = lesser(r + i, g->n_rows - 1);
            gather_scales(x, from, b, g->n_blocks, rows->scales[i]);
            if (!whole) memcpy(g->rest[i], x->codes + from * x->code_stride + b * BLOCK, g->n_blocks * BLOCK);
        }
    }
}

/* --------------------------------------------------------------------------------------------------------- products */

/* TURN blocks of a tile, or those that are left of it; in the end none. */
struct turn {
    const struct rows *rows;
    size_t b, n;
    sums *made; /* [TURN] */
};

#define MULTIPLY_TILES(sums_tile, rows_tile, weights_tile)                                                             \
    do {                                                                                                               \
        AMX_ZERO(sums_tile);                                                                                           \
        AMX_LOAD(rows_tile, turn->rows->codes + b * BLOCK, turn->rows->stride);                                        \
        AMX_LOAD(weights_tile, w->levels[b], 4 * LANES);                                                               \
        AMX_DOT_S8(sums_tile, rows_tile, weights_tile);                                                                \
        AMX_STORE(sums_tile, turn->made[i], sizeof turn->made[i][0]);                                                  \
    } while (0)

/* Block i of a turn; which tiles it takes must be known when this is compiled. */
TILE_BODY void multiply_block(const struct weights *w, const struct turn *turn, size_t i)
{
    const size_t b = turn->b + i;
    if (i >= turn->n) return;
    if (i == 0) MULTIPLY_TILES(0, 4, 6);
    if (i == 1) MULTIPLY_TILES(1, 5, 7);
    if (i == 2) MULTIPLY_TILES(2, 4, 6);
    if (i == 3) MULTIPLY_TILES(3, 5, 7);
}

TILE_BODY void add_block(const struct weights *w, const struct turn *turn, size_t i, __m512 y[ROWS])
{
    const size_t b = turn->b + i;
    if (i >= turn->n) return;
    const __m512 scales = _mm512_load_ps(w->scales[b]);
    TILE_UNROLL
    for (size_t r = 0; r < ROWS; r++) {
        const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(turn->rows->scales[r][b]));
        y[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_load_si512(turn->made[i][r])), scale, y[r]);
    }
}

/* The two halves of `made` take turns. */
static struct turn turn_behind(const struct group *g, const struct turn *turn, sums made[2][TURN])
{
    const bool last = turn->b + TURN >= g->n_blocks;
    struct turn next = { turn->rows + last, last ? 0 : turn->b + TURN, 0, turn->made == made[0] ? made[1] : made[0] };
    if (next.rows < g->rows + tiles_of(g->n_rows)) next.n = lesser(g->n_blocks - next.b, TURN);
    return next;
}

/* The rows of y that belong to a tile. */
struct outputs {
    float *y;
    size_t stride;
};

/* Those of the next tile are prefetched. */
TILE_BODY void load_outputs(struct outputs to, __m512 y[ROWS])
{
    const size_t row_bytes = to.stride * sizeof *to.y;
    for (size_t r = ROWS; r < 2 * ROWS; r++) __builtin_prefetch((const void *)((uintptr_t)to.y + r * row_bytes), 1, 3);
    TILE_UNROLL
    for (size_t r = 0; r < ROWS; r++) y[r] = _mm512_loadu_ps(to.y + r * to.stride);
}

TILE_BODY void store_outputs(struct outputs to, const __m512 y[ROWS])
{
    TILE_UNROLL
    for (size_t r = 0; r < ROWS; r++) _mm512_storeu_ps(to.y + r * to.stride, y[r]);
}

/* All tiles of a group; `last` are the outputs of the last one, the others' are in y. One line of what is ahead is
 * prefetched with each block: many that are on their way at once keep others from coming. */
static void multiply_tiles(const struct group *g, struct outputs y, struct outputs last)
{
    const struct weights *w = &g->weights;
    _Alignas(LINE) sums made[2][TURN];
    uintptr_t ahead = g->ahead.from;
    struct turn next = { g->rows, 0, lesser(g->n_blocks, TURN), made[0] };
    TILE_UNROLL
    for (size_t i = 0; i < TURN; i++) multiply_block(w, &next, i);
    for (size_t r = 0; r < g->n_rows; r += ROWS) {
        const struct outputs to = r + ROWS < g->n_rows ? (struct outputs){ y.y + r * y.stride, y.stride } : last;
        __m512 sum[ROWS];
        load_outputs(to, sum);
        for (size_t b = 0; b < g->n_blocks; b += TURN) {
            const struct turn turn = next;
            next = turn_behind(g, &turn, made);
            TILE_UNROLL
            for (size_t i = 0; i < TURN; i++) {
                multiply_block(w, &next, i);
                __builtin_prefetch((const void *)(ahead + i * LINE), 0, 2);
                add_block(w, &turn, i, sum);
            }
            ahead = ahead < g->ahead.to ? ahead + TURN * LINE : ahead;
        }
        store_outputs(to, sum);
    }
}

/* The same; where the last tile is not whole, the missing rows are added to nothing. */
static void multiply_group(const struct group *g, float *y, size_t y_stride)
{
    const size_t n_rest = (g->n_rows - 1) % ROWS + 1;
    float *last = y + (g->n_rows - n_rest) * y_stride;
    const struct outputs all = { y, y_stride };
    if (n_rest == ROWS) {
        multiply_tiles(g, all, (struct outputs){ last, y_stride });
        return;
    }
    _Alignas(LINE) float rest[ROWS][LANES] = { { 0 } };
    for (size_t r = 0; r < n_rest; r++) memcpy(rest[r], last + r * y_stride, sizeof rest[r]);
    multiply_tiles(g, all, (struct outputs){ rest[0], LANES });
    for (size_t r = 0; r < n_rest; r++) memcpy(last + r * y_stride, rest[r], sizeof rest[r]);
}

/* ------------------------------------------------------------------------------------------------ loops over it all */

/* A chunk of all panels, from block b on, times a group's rows, the first of x. */
TILE_BODY void multiply_chunk(unpack_fn *unpack, size_t step_bytes, const uint8_t *w, size_t panel_bytes,
                              size_t n_panels, size_t b, const struct quant_rows *x, struct group *g, float *y,
                              size_t y_stride)
{
    const size_t offset = b / 2 * step_bytes, bytes = (g->n_blocks + 1) / 2 * step_bytes;
    gather(x, b, g);
    for (size_t p = 0; p < n_panels; p++, w += panel_bytes) {
        g->ahead.from = (uintptr_t)w + panel_bytes + offset;
        g->ahead.to = g->ahead.from + bytes;
        unpack_chunk(unpack, step_bytes, w + offset, g->n_blocks, &g->weights);
        multiply_group(g, y + p * LANES, y_stride);
    }
}

TILE_BODY void panels(unpack_fn *unpack, size_t step_bytes, const void *w, size_t panel_bytes, size_t n_panels,
                      size_t n_in, const struct quant_rows *x, size_t n_rows, float *y, size_t y_stride)
{
    const size_t n_blocks = (n_in + BLOCK - 1) / BLOCK, n_chunks = (n_blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;
    if (n_chunks == 0) return;
    const size_t n_steps = (n_blocks + 2 * n_chunks - 1) / (2 * n_chunks); /* of a chunk */
    struct group group;
    AMX_CONFIGURE(&config);
    for (size_t r = 0; r < n_rows; r += GROUP_ROWS) {
        struct quant_rows rows = *x;
        rows.codes += r * x->code_stride;
        rows.scales += r * x->block_stride;
        group.n_rows = lesser(n_rows - r, GROUP_ROWS);
        for (size_t b = 0; b < n_blocks; b += 2 * n_steps) {
            group.n_blocks = lesser(n_blocks - b, 2 * n_steps);
            multiply_chunk(unpack, step_bytes, w, panel_bytes, n_panels, b, &rows, &group, y + r * y_stride, y_stride);
        }
    }
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

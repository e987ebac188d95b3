/* Results of several parts: whatever the parts are, wherever a chunk begins and ends, each element of the section is
 * the cast of the element that the plan names, and padding is zero. The expected bytes are made one element at a time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/blocks.h"
#include "convert/parts.h"
#include "convert/q8_blocks.h"

/* ------------------------------------------------------------------------------------------------------ fixtures */

static uint64_t random_state;

static uint64_t random_below(uint64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

/* A block of 32 elements: a scale and 32 bytes. */
#define BLOCK_ELEMS 32u
#define BLOCK_BYTES 33u

static void decode(const uint8_t *block, float *elems)
{
    if (!block) fail();
    for (size_t i = 0; block && i < BLOCK_ELEMS; i++)
        elems[i] = (float)block[0] * (float)((int)block[1 + i] - 128) / 64;
}

static const struct ingot_block block_of_32 = { "TEST", 0, BLOCK_ELEMS, BLOCK_BYTES, decode };

enum kind { DENSE, TRANSPOSED, STRIDED, BLOCKS, N_KINDS };

/* A result that is put together from a grid of parts: bands of rows, each cut into columns in its own way. */
struct grid {
    struct plan_tensor t;
    struct ingot_source_tensor sources[64];
    uint8_t *bytes[64];
};

static void fill(uint8_t *to, enum ingot_dtype dtype, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        double f64 = ((double)random_below(1u << 31) - (1u << 30)) / (double)(1u << random_below(31));
        float f32 = (float)f64;
        if (dtype == INGOT_F64) memcpy(to + 8 * i, &f64, 8);
        if (dtype == INGOT_F32) memcpy(to + 4 * i, &f32, 4);
        uint16_t bits = dtype == INGOT_F16 ? ingot_f16_from_f32(f32) : ingot_bf16_from_f32(f32);
        if (dtype == INGOT_F16 || dtype == INGOT_BF16) memcpy(to + 2 * i, &bits, 2);
    }
}

/* The piece lies inside a larger source, 3 rows down and 5 columns in, at an odd address. */
static void add_view(struct grid *g, struct plan_part *part, enum kind kind)
{
    size_t size = ingot_dtype_size(g->t.from), n = g->t.n_parts;
    uint64_t rows = part->view.n_rows + 3, cols = part->view.n_cols + 5, gap = kind == STRIDED ? 3 : 1;
    g->bytes[n] = malloc(rows * cols * gap * size + 1);
    fill(g->bytes[n] + 1, g->t.from, rows * cols * gap);
    part->transposed = kind == TRANSPOSED;
    part->from_row = 3;
    part->from_col = 5;
    part->view.row_stride = kind == TRANSPOSED ? 1 : cols * gap;
    part->view.col_stride = kind == TRANSPOSED ? rows : gap;
    part->view.data = g->bytes[n] + 1 + (3 * part->view.row_stride + 5 * part->view.col_stride) * size;
}

/* Rows of whole blocks; the piece begins inside one. */
static void add_blocks(struct grid *g, struct plan_part *part)
{
    size_t n = g->t.n_parts;
    uint64_t cols = (part->view.n_cols + 5 + BLOCK_ELEMS - 1) / BLOCK_ELEMS * BLOCK_ELEMS, rows = part->view.n_rows + 3;
    uint64_t n_bytes = rows * cols / BLOCK_ELEMS * BLOCK_BYTES;
    g->bytes[n] = malloc(n_bytes);
    for (uint64_t i = 0; i < n_bytes; i++) g->bytes[n][i] = (uint8_t)random_below(256);
    g->sources[n] = (struct ingot_source_tensor){
        .block = &block_of_32, .rank = 2, .shape = { rows, cols }, .data = g->bytes[n], .n_bytes = n_bytes
    };
    part->from_row = 3;
    part->from_col = 5;
}

static void add_part(struct grid *g, uint64_t row, uint64_t col, uint64_t n_rows, uint64_t n_cols, enum kind kind)
{
    struct plan_part *part = &g->t.parts[g->t.n_parts];
    part->source = &g->sources[g->t.n_parts];
    part->row = row;
    part->col = col;
    part->view = (struct ingot_view){ .dtype = g->t.from, .n_rows = n_rows, .n_cols = n_cols };
    if (kind == BLOCKS)
        add_blocks(g, part);
    else
        add_view(g, part, kind);
    g->t.n_parts++;
}

/* A size that leaves at least one for each of the others. */
static uint64_t cut(uint64_t left, uint64_t others)
{
    return others == 0 ? left : 1 + random_below(left - others);
}

static struct grid *make_grid(uint64_t rows, uint64_t cols, uint64_t n_bands, uint64_t n_across, enum kind most)
{
    struct grid *g = calloc(1, sizeof *g);
    g->t.parts = calloc(64, sizeof *g->t.parts);
    g->t.n_rows = g->t.shape[0] = rows;
    g->t.n_cols = g->t.shape[1] = cols;
    g->t.rank = 2;
    g->t.from = most == BLOCKS ? INGOT_F32
                               : (enum ingot_dtype[]){ INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_F64 }[random_below(4)];
    for (uint64_t row = 0, band = n_bands; band-- > 0;) {
        uint64_t height = cut(rows - row, band);
        for (uint64_t col = 0, across = n_across; across-- > 0;) {
            uint64_t width = cut(cols - col, across);
            enum kind kind = random_below(2) && most != BLOCKS ? (enum kind)random_below(BLOCKS) : most;
            add_part(g, row, col, height, width, kind);
            col += width;
        }
        row += height;
    }
    return g;
}

static void free_grid(struct grid *g)
{
    for (uint32_t i = 0; i < g->t.n_parts; i++) free(g->bytes[i]);
    free(g->t.parts);
    free(g);
}

/* -------------------------------------------------------------------------------------------------- the definition */

static double element_of(const struct grid *g, uint64_t row, uint64_t col)
{
    for (uint32_t i = 0;; i++) {
        const struct plan_part *p = &g->t.parts[i];
        uint64_t r = row - p->row, c = col - p->col;
        if (row < p->row || col < p->col || r >= p->view.n_rows || c >= p->view.n_cols) continue;
        if (!p->view.data) {
            float elems[BLOCK_ELEMS] = { 0 };
            uint64_t at = (p->from_row + r) * p->source->shape[1] + p->from_col + c;
            decode((const uint8_t *)p->source->data + at / BLOCK_ELEMS * BLOCK_BYTES, elems);
            return (double)elems[at % BLOCK_ELEMS];
        }
        const uint8_t *at = (const uint8_t *)p->view.data +
                            (r * p->view.row_stride + c * p->view.col_stride) * ingot_dtype_size(p->view.dtype);
        double f64 = 0;
        float f32;
        uint16_t u16;
        if (p->view.dtype == INGOT_F64) return memcpy(&f64, at, 8), f64;
        if (p->view.dtype == INGOT_F32) return memcpy(&f32, at, 4), (double)f32;
        memcpy(&u16, at, 2);
        return (double)(p->view.dtype == INGOT_F16 ? ingot_f32_from_f16(u16) : ingot_f32_from_bf16(u16));
    }
}

static void expect_element(const struct grid *g, uint64_t row, uint64_t col, const uint8_t *at)
{
    double value = element_of(g, row, col);
    float f32 = (float)value, found;
    uint16_t bits;
    if (g->t.dtype == INGOT_F32) {
        assert_memory_equal(&f32, at, 4);
        return;
    }
    memcpy(&bits, at, 2);
    found = g->t.dtype == INGOT_F16 ? ingot_f32_from_f16(bits) : ingot_f32_from_bf16(bits);
    if (g->t.from == INGOT_F64) { /* rounded once: no further from the f64 than the rounding of the f32 */
        float twice = g->t.dtype == INGOT_F16 ? ingot_f32_from_f16(ingot_f16_from_f32(f32))
                                              : ingot_f32_from_bf16(ingot_bf16_from_f32(f32));
        assert_true((isinf(found) && isinf(twice)) || fabs((double)found - value) <= fabs((double)twice - value));
        return;
    }
    uint16_t expected = g->t.dtype == INGOT_F16 ? ingot_f16_from_f32(f32) : ingot_bf16_from_f32(f32);
    assert_int_equal(bits, expected);
}

/* The place of an element by spec/format.md. */
static uint64_t place(const struct plan_tensor *t, uint64_t row, uint64_t col)
{
    if (t->layout == INGOT_ROWS) return row * t->n_cols + col;
    uint64_t even = t->n_cols + (t->dtype != INGOT_F32 && t->n_cols % 2), first = row / 16 * 16 * even;
    return t->dtype == INGOT_BF16 ? first + col / 2 * 32 + row % 16 * 2 + col % 2 : first + col * 16 + row % 16;
}

static uint64_t section_bytes(const struct plan_tensor *t)
{
    uint64_t even = t->n_cols + (t->dtype != INGOT_F32 && t->n_cols % 2);
    uint64_t n = t->layout == INGOT_ROWS ? t->n_rows * t->n_cols : (t->n_rows + 15) / 16 * 16 * even;
    return n * ingot_dtype_size(t->dtype);
}

/* Packs in chunks of random size, then looks at every element, and at every byte that is none. */
static void expect_packed(struct grid *g, uint64_t max_chunk)
{
    uint64_t n = section_bytes(&g->t), size = ingot_dtype_size(g->t.dtype), n_padding = 0;
    uint8_t *scratch = aligned_alloc(64, PARTS_SCRATCH_BYTES), *seen = calloc(n, 1);
    uint8_t *found = aligned_alloc(64, (n + 63) / 64 * 64);
    memset(found, 0xA5, n);
    for (uint64_t off = 0; off < n;) {
        uint64_t step = (1 + random_below(max_chunk)) * 64;
        if (step > n - off) step = n - off;
        parts_pack(&g->t, off, found + off, step, scratch, NULL);
        off += step;
    }
    for (uint64_t row = 0; row < g->t.n_rows; row++)
        for (uint64_t col = 0; col < g->t.n_cols; col++) {
            uint64_t at = place(&g->t, row, col) * size;
            expect_element(g, row, col, found + at);
            seen[at] = 1;
        }
    for (uint64_t i = 0; i < n; i += size)
        if (!seen[i]) {
            n_padding++;
            for (uint64_t k = 0; k < size; k++) assert_int_equal(found[i + k], 0);
        }
    assert_int_equal(n_padding, n / size - g->t.n_rows * g->t.n_cols);
    free(found);
    free(seen);
    free(scratch);
}

static void for_each_target(struct grid *g, uint64_t max_chunk)
{
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };
    for (size_t i = 0; i < 3; i++)
        for (enum ingot_layout layout = INGOT_ROWS; layout <= INGOT_PANEL16; layout++) {
            g->t.dtype = dtypes[i];
            g->t.layout = layout;
            expect_packed(g, max_chunk);
        }
}

/* ---------------------------------------------------------------------------------------------------------- tests */

static void every_grid_of_every_kind_is_the_matrix_that_it_says(void **state)
{
    (void)state;
    random_state = 1;
    for (enum kind kind = DENSE; kind < N_KINDS; kind++)
        for (int i = 0; i < 24; i++) {
            uint64_t rows = 4 + random_below(60), cols = 4 + random_below(60);
            struct grid *g = make_grid(rows, cols, 1 + random_below(4), 1 + random_below(4), kind);
            for_each_target(g, 1 + random_below(40));
            free_grid(g);
        }
}

static void rows_longer_than_a_tile_are_cut(void **state)
{
    (void)state;
    random_state = 2;
    for (enum kind kind = DENSE; kind < N_KINDS; kind++) {
        struct grid *g = make_grid(19, 9001, 2, 2, kind);
        for_each_target(g, 5000);
        free_grid(g);
    }
}

static void bands_of_whole_rows_are_packed_across_chunk_borders(void **state)
{
    (void)state;
    random_state = 3;
    for (int i = 0; i < 6; i++) {
        struct grid *g =
            make_grid(48 + random_below(64), 70 + random_below(200), 1 + (uint64_t)i, 1, (enum kind)(i % 4));
        for_each_target(g, 100);
        free_grid(g);
    }
}

static void a_vector_is_put_together_from_pieces(void **state)
{
    (void)state;
    random_state = 4;
    for (uint64_t n = 1; n <= 5; n++) {
        struct grid *g = make_grid(1, 4 + random_below(9000), 1, n, n == 5 ? BLOCKS : DENSE);
        g->t.layout = INGOT_ROWS;
        g->t.dtype = INGOT_F32;
        expect_packed(g, 64);
        free_grid(g);
    }
}

static void a_cast_is_counted_once_for_each_element(void **state)
{
    (void)state;
    random_state = 5;
    struct grid *g = make_grid(20, 21, 1, 2, DENSE);
    _Alignas(64) uint8_t found[32 * 22 * 2];
    uint8_t *scratch = aligned_alloc(64, PARTS_SCRATCH_BYTES);
    uint64_t n_overflow = 0;
    g->t.dtype = INGOT_F16;
    g->t.layout = INGOT_PANEL16;
    if (g->t.from == INGOT_F16) fail_msg("choose another seed: f16 is copied");
    for (uint64_t i = 0; i < 20; i++)
        for (uint64_t k = 0; k < 21; k++) n_overflow += fabs(element_of(g, i, k)) >= 65520;
    struct ingot_cast_stats stats = { 0 };
    parts_pack(&g->t, 0, found, sizeof found, scratch, &stats);
    assert_true(n_overflow > 0);
    assert_int_equal(stats.n_overflow, n_overflow);
    free(scratch);
    free_grid(g);
}

/* ------------------------------------------------------------------------------------------------------ quantised */

/* The matrix in one piece, in the dtype of its parts. */
static uint8_t *dense(const struct grid *g)
{
    const size_t size = ingot_dtype_size(g->t.from);
    uint8_t *out = malloc(g->t.n_rows * g->t.n_cols * size), *at = out;
    for (uint64_t row = 0; row < g->t.n_rows; row++)
        for (uint64_t col = 0; col < g->t.n_cols; col++, at += size) {
            double f64 = element_of(g, row, col);
            float f32 = (float)f64;
            uint16_t bits = g->t.from == INGOT_F16 ? ingot_f16_from_f32(f32) : ingot_bf16_from_f32(f32);
            if (g->t.from == INGOT_F64)
                memcpy(at, &f64, 8);
            else if (g->t.from == INGOT_F32)
                memcpy(at, &f32, 4);
            else
                memcpy(at, &bits, 2);
        }
    return out;
}

/* Chunks of the least size that there is begin and end anywhere in a step. */
static void expect_quantised(struct grid *g, enum ingot_dtype dtype, uint64_t max_chunk)
{
    uint64_t n = 0;
    uint8_t *whole = dense(g), *scratch = aligned_alloc(64, PARTS_SCRATCH_BYTES);
    struct ingot_cast_stats counted = { 0 }, expected_counts = { 0 };
    const struct ingot_view view = { whole, g->t.from, g->t.n_rows, g->t.n_cols, g->t.n_cols, 1 };
    g->t.dtype = dtype;
    g->t.layout = INGOT_PANEL16;
    assert_true(ingot_layout_bytes(dtype, INGOT_PANEL16, 2, g->t.shape, &n));
    uint8_t *expected = aligned_alloc(64, n), *found = aligned_alloc(64, n);
    ingot_pack(&view, dtype, INGOT_PANEL16, 0, expected, n, &expected_counts);
    for (uint64_t off = 0, step; off < n; off += step) {
        step = (1 + random_below(max_chunk)) * 64;
        if (step > n - off) step = n - off;
        parts_pack(&g->t, off, found + off, step, scratch, &counted);
    }
    assert_memory_equal(found, expected, n);
    assert_memory_equal(&counted, &expected_counts, sizeof counted);
    free(found);
    free(expected);
    free(scratch);
    free(whole);
}

static void every_grid_is_quantised_as_the_matrix_that_it_is(void **state)
{
    (void)state;
    random_state = 6;
    for (enum kind kind = DENSE; kind < N_KINDS; kind++)
        for (int i = 0; i < 12; i++) {
            struct grid *g =
                make_grid(4 + random_below(60), 4 + random_below(200), 1 + random_below(4), 1 + random_below(4), kind);
            expect_quantised(g, i % 2 ? INGOT_Q8 : INGOT_Q4, 1 + random_below(40));
            free_grid(g);
        }
    for (int i = 0; i < 2; i++) { /* longer than a tile */
        struct grid *g = make_grid(19, 9001, 2, 2, DENSE);
        expect_quantised(g, i ? INGOT_Q8 : INGOT_Q4, 5000);
        free_grid(g);
    }
}

/* Rows and columns of whole blocks, some of which stand beside those that are taken. */
static struct grid *make_q8_0(uint64_t rows, uint64_t n_blocks, uint64_t n_across)
{
    struct grid *g = calloc(1, sizeof *g);
    g->t = (struct plan_tensor){ .parts = calloc(64, sizeof *g->t.parts), .from = INGOT_F32, .dtype = INGOT_Q8 };
    g->t.rank = 2;
    g->t.layout = INGOT_PANEL16;
    g->t.n_rows = g->t.shape[0] = rows;
    g->t.n_cols = g->t.shape[1] = n_blocks * 32;
    for (uint64_t col = 0; n_across-- > 0;) {
        const uint32_t i = g->t.n_parts++;
        const uint64_t width = cut(n_blocks - col, n_across), wide = width + 2, n = (rows + 1) * wide * 34;
        g->bytes[i] = malloc(n);
        for (uint64_t k = 0; k < n; k++) g->bytes[i][k] = (uint8_t)random_below(256);
        g->sources[i] = (struct ingot_source_tensor){
            .block = block_find(8), .rank = 2, .shape = { rows + 1, wide * 32 }, .data = g->bytes[i], .n_bytes = n
        };
        g->t.parts[i] = (struct plan_part){ .source = &g->sources[i], .from_row = 1, .from_col = 32, .col = col * 32 };
        g->t.parts[i].view = (struct ingot_view){ .dtype = INGOT_F32, .n_rows = rows, .n_cols = width * 32 };
        col += width;
    }
    return g;
}

/* Where a block came from. */
static const uint8_t *q8_0_at(const struct grid *g, uint64_t row, uint64_t col)
{
    const struct plan_part *p = g->t.parts;
    while (col - p->col >= p->view.n_cols) p++;
    return (const uint8_t *)p->source->data + ((row + 1) * p->source->shape[1] / 32 + (col - p->col) / 32 + 1) * 34;
}

/* By the definition of q8 in spec/format.md. */
static void expect_moved(const struct grid *g, const uint8_t *found)
{
    const uint64_t n_steps = (g->t.n_cols + 63) / 64, n_lanes = (g->t.n_rows + 15) / 16 * 16;
    for (uint64_t row = 0; row < n_lanes; row++)
        for (uint64_t col = 0; col < n_steps * 64; col++) {
            const uint8_t *step = found + (row / 16 * n_steps + col / 64) * 1088;
            const uint64_t k = col % 64, lane = row % 16;
            const bool padding = row >= g->t.n_rows || col >= g->t.n_cols;
            const uint8_t *scale = step + (k / 32 * 16 + lane) * 2, *block = padding ? NULL : q8_0_at(g, row, col);
            const uint8_t zeros[2] = { 0 };
            assert_memory_equal(scale, block ? block : zeros, 2);
            assert_int_equal(step[64 + (k / 4 * 16 + lane) * 4 + k % 4] - 128, block ? (int8_t)block[2 + k % 32] : 0);
        }
}

static void blocks_of_q8_0_become_q8_with_every_bit_and_back(void **state)
{
    (void)state;
    random_state = 7;
    for (uint64_t i = 0; i < 12; i++) {
        struct grid *g = make_q8_0(1 + random_below(40), 3 + random_below(9), 1 + i % 3);
        uint64_t n = 0;
        assert_true(ingot_layout_bytes(INGOT_Q8, INGOT_PANEL16, 2, g->t.shape, &n));
        uint8_t *found = aligned_alloc(64, n), *scratch = aligned_alloc(64, PARTS_SCRATCH_BYTES);
        for (uint64_t off = 0, step; off < n; off += step) {
            step = (1 + random_below(30)) * 64;
            if (step > n - off) step = n - off;
            parts_pack(&g->t, off, found + off, step, scratch, NULL);
        }
        expect_moved(g, found);
        const struct ingot_section section = { .dtype = INGOT_Q8,
                                               .layout = INGOT_PANEL16,
                                               .rank = 2,
                                               .shape = { g->t.n_rows, g->t.n_cols },
                                               .data = found,
                                               .raw_bytes = n };
        for (uint64_t elem = 0, n_elems = g->t.n_rows * g->t.n_cols, some; elem < n_elems; elem += some) {
            uint8_t blocks[5 * 34];
            some = n_elems - elem < 160 ? n_elems - elem : 160;
            q8_get_blocks(&section, elem, some, blocks);
            for (uint64_t k = 0; k < some; k += 32)
                assert_memory_equal(blocks + k / 32 * 34,
                                    q8_0_at(g, (elem + k) / g->t.n_cols, (elem + k) % g->t.n_cols), 34);
        }
        free(scratch);
        free(found);
        free_grid(g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_grid_of_every_kind_is_the_matrix_that_it_says),
        cmocka_unit_test(rows_longer_than_a_tile_are_cut),
        cmocka_unit_test(bands_of_whole_rows_are_packed_across_chunk_borders),
        cmocka_unit_test(a_vector_is_put_together_from_pieces),
        cmocka_unit_test(a_cast_is_counted_once_for_each_element),
        cmocka_unit_test(every_grid_is_quantised_as_the_matrix_that_it_is),
        cmocka_unit_test(blocks_of_q8_0_become_q8_with_every_bit_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

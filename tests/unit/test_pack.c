/* test_pack.c - packing against the layouts' definition, element by element, and in any cut. */
#include "format/ingot_format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

static uint64_t seed = 7;

/* A source with room around it, at an odd address. */
struct source {
    uint8_t *block;
    struct ingot_view view;
};

enum order { BY_ROW, BY_COL, LOOSE }; /* contiguous along rows, along columns, along neither */

static void put_value(uint8_t *at, enum ingot_dtype dtype, double v)
{
    uint64_t bits = random_u64(&seed);
    float f = (float)v;
    uint16_t half;
    switch (dtype) {
    case INGOT_F32:
        memcpy(at, &f, 4);
        break;
    case INGOT_F64:
        memcpy(at, &v, 8);
        break;
    case INGOT_F16:
        half = ingot_f16_from_f32(f);
        memcpy(at, &half, 2);
        break;
    case INGOT_BF16:
        half = ingot_bf16_from_f32(f);
        memcpy(at, &half, 2);
        break;
    default:
        memcpy(at, &bits, ingot_dtype_size(dtype));
        break;
    }
}

static struct source make_source(enum ingot_dtype dtype, uint64_t rows, uint64_t cols, enum order order)
{
    uint64_t n = (rows + 3) * (cols + 3) * 2, size = ingot_dtype_size(dtype);
    struct source s = { malloc(n * size + 1), { 0 } };
    assert_non_null(s.block);
    for (uint64_t i = 0; i < n; i++) {
        double v = ldexp((double)(int64_t)random_u64(&seed), (int)(random_u64(&seed) % 60) - 100);
        put_value(s.block + 1 + i * size, dtype, i % 97 == 0 ? (double)NAN : v);
    }
    s.view = (struct ingot_view){ s.block + 1, dtype, rows, cols, 0, 0 };
    s.view.row_stride = order == BY_ROW ? cols + 1 : order == BY_COL ? 1 : 2;
    s.view.col_stride = order == BY_ROW ? 1 : order == BY_COL ? rows + 1 : 2 * rows + 1;
    return s;
}

static const uint8_t *view_at(const struct ingot_view *v, uint64_t row, uint64_t col)
{
    return (const uint8_t *)v->data + (row * v->row_stride + col * v->col_stride) * ingot_dtype_size(v->dtype);
}

/* The definition: one element, cast once. */
static void cast_one(const struct ingot_view *v, uint64_t row, uint64_t col, enum ingot_dtype to, uint8_t *out)
{
    const uint8_t *at = view_at(v, row, col);
    struct ingot_section one = { .dtype = v->dtype, .layout = INGOT_ROWS, .rank = 1, .shape = { 1 }, .data = at };
    if (v->dtype == to) {
        memcpy(out, at, ingot_dtype_size(to));
        return;
    }
    double value = ingot_element(&one, 0, 0);
    float f = ingot_f32_from_f64(value);
    uint16_t half = to == INGOT_BF16 ? ingot_bf16_from_f32(f) : ingot_f16_from_f32(f);
    if (to == INGOT_F32) memcpy(out, &f, 4);
    if (to == INGOT_F64) memcpy(out, &value, 8);
    if (to == INGOT_F16 || to == INGOT_BF16) memcpy(out, &half, 2);
}

/* Where element (row, col) goes, as format/ingot_format.h says. */
static uint64_t index_of(enum ingot_dtype to, enum ingot_layout layout, uint64_t cols, uint64_t row, uint64_t col)
{
    uint64_t p = row / 16, lane = row % 16;
    if (layout == INGOT_ROWS) return row * cols + col;
    if (to == INGOT_F32) return (p * cols + col) * 16 + lane;
    uint64_t padded = cols + cols % 2;
    if (to == INGOT_F16) return (p * padded + col) * 16 + lane;
    return ((p * (padded / 2) + col / 2) * 16 + lane) * 2 + col % 2;
}

static uint64_t packed_bytes(const struct ingot_view *v, enum ingot_dtype to, enum ingot_layout layout)
{
    uint64_t bytes = 0;
    assert_true(ingot_layout_bytes(to, layout, 2, (uint64_t[]){ v->n_rows, v->n_cols }, &bytes));
    return bytes;
}

static uint8_t *pack_by_definition(const struct ingot_view *v, enum ingot_dtype to, enum ingot_layout layout)
{
    uint8_t *out = calloc(1, packed_bytes(v, to, layout) + 1);
    assert_non_null(out);
    for (uint64_t r = 0; r < v->n_rows; r++)
        for (uint64_t c = 0; c < v->n_cols; c++)
            cast_one(v, r, c, to, out + index_of(to, layout, v->n_cols, r, c) * ingot_dtype_size(to));
    return out;
}

static uint8_t *pack_whole(const struct ingot_view *v, enum ingot_dtype to, enum ingot_layout layout)
{
    uint64_t n = packed_bytes(v, to, layout);
    uint8_t *out = malloc(n + 64);
    assert_non_null(out);
    memset(out, 0x5a, n + 64);
    ingot_pack(v, to, layout, 0, out, n, NULL);
    for (int i = 0; i < 64; i++) assert_int_equal(out[n + (uint64_t)i], 0x5a); /* nothing beyond */
    return out;
}

static const uint64_t shapes[][2] = { { 1, 1 },  { 1, 40 }, { 16, 16 }, { 17, 3 },   { 15, 33 },
                                      { 48, 5 }, { 3, 1 },  { 64, 64 }, { 257, 18 }, { 300, 31 } };

static void expect_definition(enum ingot_dtype from, enum ingot_dtype to, enum ingot_layout layout)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (enum order order = BY_ROW; order <= LOOSE; order++) {
            struct source s = make_source(from, shapes[i][0], shapes[i][1], order);
            uint8_t *expected = pack_by_definition(&s.view, to, layout), *got = pack_whole(&s.view, to, layout);
            if (memcmp(expected, got, packed_bytes(&s.view, to, layout)) != 0)
                fail_msg("%s to %s %s, shape %zu, order %d", ingot_dtype_name(from), ingot_dtype_name(to),
                         ingot_layout_name(layout), i, (int)order);
            free(expected);
            free(got);
            free(s.block);
        }
}

/* From f64 a 16-bit float must be reached in one rounding; cast_one() takes two, so that pair has a test of its own. */
static void every_cast_and_layout_is_its_definition(void **state)
{
    (void)state;
    static const enum ingot_dtype floats[] = { INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_F64 };
    for (size_t f = 0; f < 4; f++)
        for (size_t t = 0; t < 4; t++) {
            bool halves = floats[t] == INGOT_F16 || floats[t] == INGOT_BF16;
            if (floats[f] == INGOT_F64 && halves) continue;
            expect_definition(floats[f], floats[t], INGOT_ROWS);
            if (floats[t] != INGOT_F64) expect_definition(floats[f], floats[t], INGOT_PANEL16);
        }
}

static void equal_dtypes_are_copied_bit_for_bit(void **state)
{
    (void)state;
    for (enum ingot_dtype d = INGOT_F32; d <= INGOT_I64; d++) expect_definition(d, d, INGOT_ROWS);
}

static void f64_to_16_bits_rounds_once_in_every_layout(void **state)
{
    (void)state;
    /* 1 + 2^-11 + 2^-40 lies above the tie between 1 and 1 + 2^-10; f32 would put it on the tie. */
    double values[32];
    for (size_t i = 0; i < 32; i++) values[i] = 1 + 0x1p-11 + 0x1p-40;
    struct ingot_view view = { values, INGOT_F64, 16, 2, 2, 1 };
    for (enum ingot_layout layout = INGOT_ROWS; layout <= INGOT_PANEL16; layout++) {
        uint16_t *out = (uint16_t *)(void *)pack_whole(&view, INGOT_F16, layout);
        for (size_t i = 0; i < 32; i++) assert_int_equal(out[i], 0x3C01);
        free(out);
    }
    for (size_t i = 0; i < 32; i++) values[i] = 1 + 0x1p-8 + 0x1p-40;
    uint16_t *out = (uint16_t *)(void *)pack_whole(&view, INGOT_BF16, INGOT_PANEL16);
    for (size_t i = 0; i < 32; i++) assert_int_equal(out[i], 0x3F81);
    free(out);
}

/* Any cut at multiples of 64, the parts in any order, gives the same bytes and the same counts. */
static void ranges_are_independent(void **state)
{
    (void)state;
    static const enum ingot_dtype floats[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };
    for (int round = 0; round < 120; round++) {
        enum ingot_dtype from = round % 2 ? INGOT_F32 : INGOT_F16, to = floats[round % 3];
        enum ingot_layout layout = round % 4 ? INGOT_PANEL16 : INGOT_ROWS;
        const uint64_t *shape = shapes[(size_t)round % 10];
        struct source s = make_source(from, shape[0], shape[1], (enum order)(round / 3 % 3));
        uint64_t n = packed_bytes(&s.view, to, layout);
        uint8_t *whole = malloc(n), *parts = malloc(n);
        assert_true(whole && parts);
        struct ingot_cast_stats a = { 0 }, b = { 0 };
        ingot_pack(&s.view, to, layout, 0, whole, n, &a);
        uint64_t step = 64 * (1 + random_u64(&seed) % 20);
        for (uint64_t i = (n + step - 1) / step; i-- > 0;)
            ingot_pack(&s.view, to, layout, i * step, parts + i * step, n - i * step < step ? n - i * step : step, &b);
        assert_memory_equal(whole, parts, n);
        assert_memory_equal(&a, &b, sizeof a);
        free(whole);
        free(parts);
        free(s.block);
    }
}

static void nothing_is_written_for_an_empty_matrix(void **state)
{
    (void)state;
    struct ingot_view view = { "", INGOT_F32, 0, 5, 5, 1 };
    uint8_t guard = 0x5a;
    ingot_pack(&view, INGOT_F32, INGOT_PANEL16, 0, &guard, 0, NULL);
    ingot_pack(&view, INGOT_F16, INGOT_ROWS, 0, &guard, 0, NULL);
    assert_int_equal(guard, 0x5a);
}

static void losses_are_added_up_and_padding_is_none(void **state)
{
    (void)state;
    const float values[3] = { 1e30f, 1e-30f, NAN };
    struct ingot_view view = { values, INGOT_F32, 1, 3, 3, 1 };
    uint8_t out[256];
    struct ingot_cast_stats stats = { 10, 20, 30 };
    ingot_pack(&view, INGOT_F16, INGOT_PANEL16, 0, out, 128, &stats);
    assert_int_equal(stats.n_overflow, 11);
    assert_int_equal(stats.n_underflow, 21);
    assert_int_equal(stats.n_nan, 31);
}

static void every_cast_counts_a_nan_once(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_F64 };
    const float f32[] = { NAN, 1, -NAN };
    const uint16_t f16[] = { 0x7E00, 0x3C00, 0xFE00 }, bf16[] = { 0x7FC0, 0x3F80, 0xFFC0 };
    const double f64[] = { (double)NAN, 1, (double)-NAN };
    const void *const values[] = { f32, f16, bf16, f64 };
    for (size_t from = 0; from < 4; from++)
        for (size_t to = 0; to < 4; to++) {
            const struct ingot_view view = { values[from], dtypes[from], 1, 3, 3, 1 };
            double out[3];
            struct ingot_cast_stats stats = { 0 };
            if (from == to) continue;
            ingot_pack(&view, dtypes[to], INGOT_ROWS, 0, out, 3 * ingot_dtype_size(dtypes[to]), &stats);
            assert_int_equal(stats.n_nan, 2);
        }
}

/* An element is found wherever its layout puts it. */
static void an_element_is_what_was_packed(void **state)
{
    (void)state;
    static const enum ingot_dtype dtypes[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };
    float values[37 * 19];
    for (size_t i = 0; i < 37 * 19; i++) values[i] = (float)(i % 251) - 100; /* exact in all three */
    struct ingot_view view = { values, INGOT_F32, 37, 19, 19, 1 };
    for (size_t d = 0; d < 3; d++)
        for (enum ingot_layout layout = INGOT_ROWS; layout <= INGOT_PANEL16; layout++) {
            uint8_t *bytes = pack_whole(&view, dtypes[d], layout);
            struct ingot_section s = {
                .dtype = dtypes[d], .layout = layout, .rank = 2, .shape = { 37, 19 }, .data = bytes
            };
            for (uint64_t r = 0; r < 37; r++)
                for (uint64_t c = 0; c < 19; c++) assert_true(ingot_element(&s, r, c) == (double)values[r * 19 + c]);
            free(bytes);
        }
}

static void an_element_of_an_integer_dtype_keeps_its_sign(void **state)
{
    (void)state;
    const int8_t i8[2] = { -128, 127 };
    const uint8_t u8[2] = { 0, 255 };
    const int32_t i32[2] = { INT32_MIN, INT32_MAX };
    const int64_t i64[2] = { INT64_MIN, 1 };
    const struct {
        enum ingot_dtype dtype;
        const void *data;
        double first, second;
    } cases[] = { { INGOT_I8, i8, -128, 127 },
                  { INGOT_U8, u8, 0, 255 },
                  { INGOT_I32, i32, -2147483648.0, 2147483647.0 },
                  { INGOT_I64, i64, -9223372036854775808.0, 1 } };
    for (size_t i = 0; i < 4; i++) {
        struct ingot_section s = { .dtype = cases[i].dtype, .rank = 1, .shape = { 2 }, .data = cases[i].data };
        assert_true(ingot_element(&s, 0, 0) == cases[i].first);
        assert_true(ingot_element(&s, 0, 1) == cases[i].second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cast_and_layout_is_its_definition),
        cmocka_unit_test(equal_dtypes_are_copied_bit_for_bit),
        cmocka_unit_test(f64_to_16_bits_rounds_once_in_every_layout),
        cmocka_unit_test(ranges_are_independent),
        cmocka_unit_test(nothing_is_written_for_an_empty_matrix),
        cmocka_unit_test(losses_are_added_up_and_padding_is_none),
        cmocka_unit_test(every_cast_counts_a_nan_once),
        cmocka_unit_test(an_element_is_what_was_packed),
        cmocka_unit_test(an_element_of_an_integer_dtype_keeps_its_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

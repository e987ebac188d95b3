/* test_unpack.c - unpacking is the inverse of packing: for every layout, dtype, shape and range, either way round. */
#include "format/ingot_format.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"

static uint64_t seed = 11;

static const uint64_t shapes[][2] = { { 1, 1 }, { 1, 40 },  { 16, 16 },  { 17, 3 },  { 15, 33 }, { 48, 5 },
                                      { 3, 1 }, { 64, 64 }, { 257, 18 }, { 40, 95 }, { 33, 128 } };
#define N_SHAPES (sizeof shapes / sizeof shapes[0])

/* A matrix as it was, and the section that holds it. */
struct packed {
    uint8_t *plain; /* row-major */
    uint8_t *bytes; /* exactly as long as the section: a read beyond it is seen by the sanitizers */
    struct ingot_section section;
};

/* Any bits at all: signalling NaN and subnormal numbers are bits too. */
static struct packed pack(enum ingot_dtype dtype, enum ingot_layout layout, uint64_t rows, uint64_t cols)
{
    struct packed p = { .section = { .kind = INGOT_KIND_TENSOR, .dtype = dtype, .layout = layout, .rank = 2 } };
    size_t size = ingot_dtype_size(dtype);
    uint64_t n = 0;
    p.section.shape[0] = rows;
    p.section.shape[1] = cols;
    assert_true(ingot_layout_bytes(dtype, layout, 2, p.section.shape, &n));
    p.plain = malloc(rows * cols * size);
    p.bytes = malloc(n);
    assert_true(p.plain && p.bytes);
    for (uint64_t i = 0; i < rows * cols * size; i++) p.plain[i] = (uint8_t)random_u64(&seed);
    struct ingot_view view = { p.plain, dtype, rows, cols, cols, 1 };
    ingot_pack(&view, dtype, layout, 0, p.bytes, n, NULL);
    p.section.data = p.bytes;
    p.section.raw_bytes = n;
    return p;
}

static void packed_free(struct packed *p)
{
    free(p->plain);
    free(p->bytes);
}

static uint8_t *transpose(const uint8_t *plain, uint64_t rows, uint64_t cols, size_t size)
{
    uint8_t *out = malloc(rows * cols * size);
    assert_non_null(out);
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < cols; c++) memcpy(out + (c * rows + r) * size, plain + (r * cols + c) * size, size);
    return out;
}

/* Unpacks one range to an odd address and expects that, and nothing around it. */
static void expect_range(const struct packed *p, bool transposed, const uint8_t *whole, uint64_t first, uint64_t n)
{
    size_t size = ingot_dtype_size(p->section.dtype);
    uint8_t *out = malloc(n * size + 3);
    assert_non_null(out);
    memset(out, 0x5a, n * size + 3);
    ingot_unpack(&p->section, transposed, p->section.dtype, first, n, out + 1, NULL);
    if (memcmp(out + 1, whole + first * size, n * size) != 0)
        fail_msg("%s %s [%llu, %llu] %s: elements %llu + %llu", ingot_dtype_name(p->section.dtype),
                 ingot_layout_name(p->section.layout), (unsigned long long)p->section.shape[0],
                 (unsigned long long)p->section.shape[1], transposed ? "transposed" : "as is",
                 (unsigned long long)first, (unsigned long long)n);
    assert_int_equal(out[0], 0x5a);
    assert_int_equal(out[n * size + 1], 0x5a);
    free(out);
}

static void expect_inverse(enum ingot_dtype dtype, enum ingot_layout layout)
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        struct packed p = pack(dtype, layout, shapes[i][0], shapes[i][1]);
        uint64_t n = shapes[i][0] * shapes[i][1];
        uint8_t *turned = transpose(p.plain, shapes[i][0], shapes[i][1], ingot_dtype_size(dtype));
        expect_range(&p, false, p.plain, 0, n);
        expect_range(&p, true, turned, 0, n);
        for (int k = 0; k < 20; k++) {
            uint64_t first = random_u64(&seed) % n, length = random_u64(&seed) % (n - first) + 1;
            expect_range(&p, false, p.plain, first, length);
            expect_range(&p, true, turned, first, length);
        }
        free(turned);
        packed_free(&p);
    }
}

static void panels_come_back_bit_for_bit(void **state)
{
    (void)state;
    expect_inverse(INGOT_F32, INGOT_PANEL16);
    expect_inverse(INGOT_F16, INGOT_PANEL16);
    expect_inverse(INGOT_BF16, INGOT_PANEL16);
}

static void rows_of_every_dtype_come_back_bit_for_bit(void **state)
{
    (void)state;
    for (enum ingot_dtype d = INGOT_F32; d <= INGOT_I64; d++) expect_inverse(d, INGOT_ROWS);
}

static void a_vector_is_one_row(void **state)
{
    (void)state;
    const float values[5] = { 1, 2, 3, 4, 5 };
    float out[3] = { 0 };
    struct ingot_section s = { .dtype = INGOT_F32, .layout = INGOT_ROWS, .rank = 1, .shape = { 5 }, .data = values };
    ingot_unpack(&s, false, INGOT_F32, 1, 3, out, NULL);
    assert_memory_equal(out, values + 1, sizeof out);
    memset(out, 0, sizeof out);
    ingot_unpack(&s, true, INGOT_F32, 1, 3, out, NULL); /* one column has the same order */
    assert_memory_equal(out, values + 1, sizeof out);
}

/* Casting on the way out is casting what comes out: same bits, same counts, in any cut. */
static void casts_are_those_of_packing(void **state)
{
    (void)state;
    static const enum ingot_dtype panels[] = { INGOT_F32, INGOT_F16, INGOT_BF16 };
    static const enum ingot_dtype targets[] = { INGOT_F32, INGOT_F16, INGOT_BF16, INGOT_F64 };
    for (size_t f = 0; f < 3; f++)
        for (size_t t = 0; t < 4; t++)
            for (int transposed = 0; transposed < 2; transposed++) {
                enum { ROWS = 37, COLS = 51, N = ROWS * COLS };
                struct packed p = pack(panels[f], INGOT_PANEL16, ROWS, COLS);
                struct ingot_view view = { p.plain, panels[f], ROWS, COLS, COLS, 1 };
                if (transposed) view = (struct ingot_view){ p.plain, panels[f], COLS, ROWS, 1, COLS };
                size_t size = ingot_dtype_size(targets[t]);
                uint8_t expected[N * 8], got[N * 8];
                struct ingot_cast_stats a = { 0 }, b = { 0 };
                ingot_pack(&view, targets[t], INGOT_ROWS, 0, expected, N * size, &a);
                for (uint64_t first = 0, n; first < N; first += n) {
                    n = random_u64(&seed) % 300 + 1;
                    if (n > N - first) n = N - first;
                    ingot_unpack(&p.section, transposed, targets[t], first, n, got + first * size, &b);
                }
                assert_memory_equal(expected, got, N * size);
                assert_memory_equal(&a, &b, sizeof a);
                packed_free(&p);
            }
}

static void stats_are_added_up(void **state)
{
    (void)state;
    float values[16] = { 1e30f, 1e-30f, (float)NAN };
    uint16_t out[1];
    struct ingot_section s = {
        .dtype = INGOT_F32, .layout = INGOT_PANEL16, .rank = 2, .shape = { 3, 1 }, .data = values
    };
    struct ingot_cast_stats stats = { 10, 20, 30 };
    ingot_unpack(&s, false, INGOT_F16, 0, 1, out, &stats);
    assert_int_equal(stats.n_overflow, 11);
    assert_int_equal(stats.n_underflow, 20); /* the neighbour in the panel was not asked for */
    assert_int_equal(stats.n_nan, 30);
}

static void nothing_is_written_for_no_elements(void **state)
{
    (void)state;
    uint8_t guard = 0x5a;
    struct ingot_section s = { .dtype = INGOT_F32, .layout = INGOT_PANEL16, .rank = 2, .shape = { 0, 5 }, .data = "" };
    ingot_unpack(&s, false, INGOT_F32, 0, 0, &guard, NULL);
    ingot_unpack(&s, true, INGOT_F32, 0, 0, &guard, NULL);
    s.layout = INGOT_ROWS;
    ingot_unpack(&s, false, INGOT_F32, 0, 0, &guard, NULL);
    assert_int_equal(guard, 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(panels_come_back_bit_for_bit), cmocka_unit_test(rows_of_every_dtype_come_back_bit_for_bit),
        cmocka_unit_test(a_vector_is_one_row),          cmocka_unit_test(casts_are_those_of_packing),
        cmocka_unit_test(stats_are_added_up),           cmocka_unit_test(nothing_is_written_for_no_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

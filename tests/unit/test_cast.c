/* test_cast.c - the casts against an independent definition, and the vector forms against the scalar ones. */
#include "format/cast.h"
#include "format/simd/cpu.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/random.h"
#include "tests/unit/skip.h"

static uint32_t bits_of(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t seed = 1;

/* The value of a finite 16-bit float by the textbook formula. */
static double value_of(uint32_t bits, int exponent_bits, int mantissa_bits)
{
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    double mantissa = bits & ((1u << mantissa_bits) - 1);
    double magnitude = exponent ? ldexp(mantissa + (1 << mantissa_bits), exponent - bias - mantissa_bits)
                                : ldexp(mantissa, 1 - bias - mantissa_bits);
    return bits & 0x8000 ? -magnitude : magnitude;
}

/* The nearest 16-bit float by search: the largest one not above |v|, or the next, a tie going to the even one. Infinity
 * counts as the power of two that would come after the largest. */
static uint16_t nearest(double v, int exponent_bits, int mantissa_bits)
{
    uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
    double largest_step = ldexp(1, (1 << (exponent_bits - 1)));
    uint32_t low = 0, high = infinity;
    double a = fabs(v);
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;
        if (value_of(mid, exponent_bits, mantissa_bits) <= a)
            low = mid;
        else
            high = mid;
    }
    double below = value_of(low, exponent_bits, mantissa_bits);
    double above = high == infinity ? largest_step : value_of(high, exponent_bits, mantissa_bits);
    double down = a - below, up = above - a; /* exact: neighbours are close, or a is far beyond */
    bool take_high = up < down || (up == down && (high & 1) == 0);
    return (uint16_t)((take_high ? high : low) | (signbit(v) ? 0x8000 : 0));
}

static uint16_t nearest_f16(double v)
{
    return nearest(v, 5, 10);
}

static uint16_t nearest_bf16(double v)
{
    return nearest(v, 8, 7);
}

static void every_16_bit_float_widens_to_its_value(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        if ((h & 0x7C00) != 0x7C00)
            assert_true(bits_of(ingot_f32_from_f16((uint16_t)h)) == bits_of((float)value_of(h, 5, 10)));
        assert_true(bits_of(ingot_f32_from_bf16((uint16_t)h)) == h << 16);
    }
    assert_true(ingot_f32_from_f16(0x7C00) == INFINITY && ingot_f32_from_f16(0xFC00) == -INFINITY);
}

static void every_16_bit_float_comes_back_from_f32(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        bool f16_nan = (h & 0x7FFF) > 0x7C00, bf16_nan = (h & 0x7FFF) > 0x7F80;
        assert_int_equal(ingot_f16_from_f32(ingot_f32_from_f16((uint16_t)h)), f16_nan ? h | 0x200 : h);
        assert_int_equal(ingot_bf16_from_f32(ingot_f32_from_bf16((uint16_t)h)), bf16_nan ? h | 0x40 : h);
    }
}

/* Between every two neighbours: the tie, and the floats right beside it. */
static void f32_rounds_to_the_nearest_and_a_tie_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7C00; h++) {
        double above = h + 1 == 0x7C00 ? 65536 : value_of(h + 1, 5, 10);
        float tie = (float)((value_of(h, 5, 10) + above) / 2);
        for (int d = -1; d <= 1; d++) {
            float v = float_of(bits_of(tie) + (uint32_t)d);
            assert_int_equal(ingot_f16_from_f32(v), nearest_f16((double)v));
            assert_int_equal(ingot_f16_from_f32(-v), nearest_f16(-(double)v));
        }
    }
    for (uint32_t h = 0; h < 0x7F80; h++)
        for (int d = -1; d <= 1; d++) {
            float v = float_of((h << 16) + 0x8000 + (uint32_t)d);
            assert_int_equal(ingot_bf16_from_f32(v), nearest_bf16((double)v));
            assert_int_equal(ingot_bf16_from_f32(-v), nearest_bf16(-(double)v));
        }
}

static void random_f32_round_to_the_nearest(void **state)
{
    (void)state;
    for (int i = 0; i < 300000; i++) {
        float v = float_of((uint32_t)random_u64(&seed));
        if (!isfinite(v)) continue;
        assert_int_equal(ingot_f16_from_f32(v), nearest_f16((double)v));
        assert_int_equal(ingot_bf16_from_f32(v), nearest_bf16((double)v));
    }
}

static void a_nan_stays_a_quiet_nan_of_its_sign_with_its_top_payload(void **state)
{
    (void)state;
    for (uint32_t low = 1; low < 0x800000; low = low * 3 + 1)
        for (uint32_t sign = 0; sign < 2; sign++) {
            float nan = float_of(sign << 31 | 0x7F800000 | low);
            assert_int_equal(ingot_f16_from_f32(nan), sign << 15 | 0x7C00 | 0x200 | low >> 13);
            assert_int_equal(ingot_bf16_from_f32(nan), sign << 15 | 0x7F80 | 0x40 | low >> 16);
        }
    uint64_t bits = UINT64_C(0xFFF0000000000001); /* signalling; its payload does not fit */
    double nan;
    memcpy(&nan, &bits, sizeof nan);
    assert_true(bits_of(ingot_f32_from_f64(nan)) == 0xFFC00000);
}

/* Values right beside a tie of f16, too close for f32 to tell: rounding twice would go wrong. */
static void f64_rounds_once(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7C00; h++) {
        double above = h + 1 == 0x7C00 ? 65536 : value_of(h + 1, 5, 10);
        double tie = (value_of(h, 5, 10) + above) / 2;
        double values[] = { nextafter(tie, 0), tie, nextafter(tie, INFINITY), -nextafter(tie, INFINITY) };
        for (size_t i = 0; i < 4; i++) {
            float odd;
            casts_scalar.f32_from_f64_odd(&values[i], &odd, 1);
            assert_int_equal(ingot_f16_from_f32(odd), nearest_f16(values[i]));
        }
    }
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = random_u64(&seed);
        bits = (bits & ~(UINT64_C(0x7FF) << 52)) | (1023 - 160 + bits % 320) << 52; /* around the range of bf16 */
        double v;
        float odd;
        memcpy(&v, &bits, sizeof v);
        casts_scalar.f32_from_f64_odd(&v, &odd, 1);
        assert_int_equal(ingot_bf16_from_f32(odd), nearest_bf16(v));
        assert_int_equal(ingot_f16_from_f32(odd), nearest_f16(v));
    }
}

static void f64_that_overflows_or_vanishes_is_counted(void **state)
{
    (void)state;
    static const double values[] = { 1e39, -1e39, 1e-60, 0, 1, INFINITY, NAN };
    float out[7];
    struct ingot_cast_stats stats = { 0 };
    casts_scalar.f32_from_f64(values, out, 7, &stats);
    assert_true(out[0] == INFINITY && out[1] == -INFINITY && out[2] == 0 && out[5] == INFINITY && isnan(out[6]));
    assert_int_equal(stats.n_overflow, 2);
    assert_int_equal(stats.n_underflow, 1);
    assert_int_equal(stats.n_nan, 1);
}

static void what_a_cast_loses_is_counted(void **state)
{
    (void)state;
    struct ingot_cast_stats stats = { 0 };
    const float values[] = {
        65519.996f, 65520, -1e30f, INFINITY, 0x1p-25f, 0x1.000002p-25f, -0x1p-149f, 0, -0.0f, NAN
    };
    uint16_t out[10];
    casts_scalar.f16_from_f32(values, out, 10, &stats);
    assert_int_equal(stats.n_overflow, 2);
    assert_int_equal(stats.n_underflow, 2);
    assert_int_equal(stats.n_nan, 1);
    stats = (struct ingot_cast_stats){ 0 };
    const float wide[] = { float_of(0x7F7F7FFF), float_of(0x7F7F8000), 0x1p-134f, 0x1.8p-134f, INFINITY, -NAN };
    casts_scalar.bf16_from_f32(wide, out, 6, &stats);
    assert_int_equal(stats.n_overflow, 1);
    assert_int_equal(stats.n_underflow, 1);
    assert_int_equal(stats.n_nan, 1);
}

/* ------------------------------------------------------------------------------------------------------- vectors */

#if defined(__x86_64__)
#define N 4099 /* no multiple of a vector */

typedef void cast_fn(const void *from, void *to, size_t n, struct ingot_cast_stats *stats);

static void expect_same(cast_fn *scalar, cast_fn *vector, const void *from, size_t n, size_t out_size)
{
    static uint8_t a[4 * N + 64], b[4 * N + 64];
    struct ingot_cast_stats sa = { 0 }, sb = { 0 };
    memset(a, 0x5a, sizeof a);
    memset(b, 0x5a, sizeof b);
    scalar(from, a + 1, n, &sa);
    vector(from, b + 1, n, &sb);
    assert_memory_equal(a, b, out_size * n + 64); /* and nothing beyond is written */
    assert_memory_equal(&sa, &sb, sizeof sa);
}

/* Bits that make every branch: any exponent, and the borders of f16 and bf16 with their neighbours. */
static uint32_t interesting(void)
{
    static const uint32_t borders[] = { 0,          0x477FEFFF, 0x477FF000, 0x47800000, 0x33000000, 0x33000001,
                                        0x38800000, 0x387FFFFF, 0x7F800000, 0x7F800001, 0x7FFFFFFF, 0x7F7F8000,
                                        0x7F7F7FFF, 0x00008000, 0x00008001, 1 };
    uint64_t r = random_u64(&seed);
    if (r & 1) return (uint32_t)(r >> 32);
    return borders[r >> 1 & 15] ^ (uint32_t)(r >> 5 & 1) << 31;
}

static void avx2_gives_the_bits_and_counts_of_scalar(void **state)
{
    (void)state;
    static uint32_t from[N + 1];
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (int round = 0; round < 40; round++) {
        for (size_t i = 0; i < N + 1; i++) from[i] = interesting();
        const uint8_t *unaligned = (const uint8_t *)from + 1;
        size_t n = round < 20 ? (size_t)round : N;
        expect_same(casts_scalar.f16_from_f32, casts_avx2.f16_from_f32, unaligned, n, 2);
        expect_same(casts_scalar.bf16_from_f32, casts_avx2.bf16_from_f32, unaligned, n, 2);
        expect_same(casts_scalar.f32_from_f16, casts_avx2.f32_from_f16, unaligned, n, 4);
        expect_same(casts_scalar.f32_from_bf16, casts_avx2.f32_from_bf16, unaligned, n, 4);
    }
}

static void avx2_widens_every_f16_as_scalar_does(void **state)
{
    (void)state;
    static uint16_t all[0x10000];
    static uint32_t a[0x10000], b[0x10000];
    struct ingot_cast_stats sa = { 0 }, sb = { 0 };
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (uint32_t h = 0; h < 0x10000; h++) all[h] = (uint16_t)h;
    casts_scalar.f32_from_f16(all, a, 0x10000, &sa);
    casts_avx2.f32_from_f16(all, b, 0x10000, &sb);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(sa.n_nan, sb.n_nan);
    assert_int_equal(sa.n_nan, 2 * 1023);
}

static void avx2_transposes_as_scalar_does(void **state)
{
    (void)state;
    uint32_t from[256], a[256], b[256];
    if (!cpu_detect().avx2) SKIP("no AVX2");
    for (uint32_t i = 0; i < 256; i++) from[i] = i;
    casts_scalar.transpose32(from, a);
    casts_avx2.transpose32(from, b);
    assert_memory_equal(a, b, sizeof a);
    for (uint32_t i = 0; i < 256; i++) assert_int_equal(a[i], i % 16 * 16 + i / 16);
    casts_scalar.pairs16(from, a, 16);
    casts_avx2.pairs16(from, b, 16);
    assert_memory_equal(a, b, sizeof a);
    casts_scalar.unpairs16(a, b, 16);
    assert_memory_equal(b, from, sizeof b);
    casts_avx2.unpairs16(a, b, 16);
    assert_memory_equal(b, from, sizeof b);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_16_bit_float_widens_to_its_value),
        cmocka_unit_test(every_16_bit_float_comes_back_from_f32),
        cmocka_unit_test(f32_rounds_to_the_nearest_and_a_tie_to_even),
        cmocka_unit_test(random_f32_round_to_the_nearest),
        cmocka_unit_test(a_nan_stays_a_quiet_nan_of_its_sign_with_its_top_payload),
        cmocka_unit_test(f64_rounds_once),
        cmocka_unit_test(f64_that_overflows_or_vanishes_is_counted),
        cmocka_unit_test(what_a_cast_loses_is_counted),
#if defined(__x86_64__)
        cmocka_unit_test(avx2_gives_the_bits_and_counts_of_scalar),
        cmocka_unit_test(avx2_widens_every_f16_as_scalar_does),
        cmocka_unit_test(avx2_transposes_as_scalar_does),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

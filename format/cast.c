/* cast.c - the definition of the casts, by integer arithmetic on the bits: round to nearest, ties to even; a NaN stays
 * a quiet NaN with the top bits of its payload and never becomes an infinity; the sign is always kept. */
#include "format/cast.h"
#include "format/bytes.h"
#include "format/simd/cpu.h"

#include <math.h>

#define F32_INF          UINT32_C(0x7F800000)
#define F32_QUIET        UINT32_C(0x00400000)
#define F32_TWO_POW_16   UINT32_C(0x47800000) /* all of it and above rounds to an f16 infinity */
#define F32_TWO_POW_M14  UINT32_C(0x38800000) /* the least normal f16 */
#define F32_TO_F16_BIAS  UINT32_C(0x38000000) /* (127 - 15) << 23 */
#define F16_INF          0x7C00u
#define F16_QUIET        0x0200u
#define BF16_INF         0x7F80u
#define BF16_QUIET       0x0040u
#define F64_TO_F32_SHIFT 29

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* v / 2^shift, to nearest even; 1 <= shift <= 31. */
static uint32_t round_shift(uint32_t v, uint32_t shift)
{
    uint32_t half = UINT32_C(1) << (shift - 1);
    uint32_t quotient = v >> shift;
    uint32_t rest = v & (2 * half - 1);
    return quotient + (rest > half || (rest == half && (quotient & 1)));
}

/* a: bits of a finite f32 below 2^-14; the result counts units of 2^-24, f16's least step. */
static uint32_t f16_subnormal(uint32_t a)
{
    uint32_t exponent = a >> 23;
    if (exponent < 102) return 0; /* below half a step */
    uint32_t mantissa = (a & 0x7FFFFF) | 0x800000;
    return round_shift(mantissa, 126 - exponent);
}

uint16_t ingot_f16_from_f32(float value)
{
    uint32_t bits = bits_of(value);
    uint32_t sign = (bits >> 16) & 0x8000;
    uint32_t a = bits & 0x7FFFFFFF;
    if (a > F32_INF) return (uint16_t)(sign | F16_INF | F16_QUIET | ((a >> 13) & 0x3FF));
    if (a >= F32_TWO_POW_16) return (uint16_t)(sign | F16_INF);
    if (a < F32_TWO_POW_M14) return (uint16_t)(sign | f16_subnormal(a));
    return (uint16_t)(sign | round_shift(a - F32_TO_F16_BIAS, 13)); /* a carry runs into the exponent, up to infinity */
}

float ingot_f32_from_f16(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t a = bits & 0x7FFF;
    if (a > F16_INF) return float_of(sign | F32_INF | F32_QUIET | (a << 13));
    if (a == F16_INF) return float_of(sign | F32_INF);
    if (a < 0x400) return float_of(sign | bits_of((float)a * 0x1p-24f)); /* exact */
    return float_of(sign | ((a << 13) + F32_TO_F16_BIAS));
}

uint16_t ingot_bf16_from_f32(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7FFFFFFF) > F32_INF) return (uint16_t)((bits >> 16) | BF16_QUIET);
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

float ingot_f32_from_bf16(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

float ingot_f32_from_f64(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (!isnan(value)) return (float)value;
    return float_of((uint32_t)(bits >> 32 & 0x80000000) | F32_INF | F32_QUIET |
                    (uint32_t)(bits >> F64_TO_F32_SHIFT & 0x7FFFFF));
}

/* The f32 next to an inexact value towards zero, its last bit set: whatever is rounded from it next cannot mistake the
 * value for a tie. */
static float f32_from_f64_odd(double value)
{
    float nearest = ingot_f32_from_f64(value);
    if (isnan(value) || (double)nearest == value) return nearest;
    uint32_t bits = bits_of(nearest);
    if (fabs((double)nearest) > fabs(value)) bits--;
    return float_of(bits | 1);
}

static void run_f16_from_f32(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t a = get_u32((const uint8_t *)from + 4 * i);
        uint16_t h = ingot_f16_from_f32(float_of(a));
        put_u16((uint8_t *)to + 2 * i, h);
        a &= 0x7FFFFFFF;
        stats->n_overflow += (h & 0x7FFF) == F16_INF && a < F32_INF;
        stats->n_underflow += (h & 0x7FFF) == 0 && a != 0;
        stats->n_nan += a > F32_INF;
    }
}

static void run_bf16_from_f32(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t a = get_u32((const uint8_t *)from + 4 * i);
        uint16_t h = ingot_bf16_from_f32(float_of(a));
        put_u16((uint8_t *)to + 2 * i, h);
        a &= 0x7FFFFFFF;
        stats->n_overflow += (h & 0x7FFF) == BF16_INF && a < F32_INF;
        stats->n_underflow += (h & 0x7FFF) == 0 && a != 0;
        stats->n_nan += a > F32_INF;
    }
}

static void run_f32_from_f16(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t wide = bits_of(ingot_f32_from_f16(get_u16((const uint8_t *)from + 2 * i)));
        put_u32((uint8_t *)to + 4 * i, wide);
        stats->n_nan += (wide & 0x7FFFFFFF) > F32_INF;
    }
}

static void run_f32_from_bf16(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t wide = (uint32_t)get_u16((const uint8_t *)from + 2 * i) << 16;
        put_u32((uint8_t *)to + 4 * i, wide);
        stats->n_nan += (wide & 0x7FFFFFFF) > F32_INF;
    }
}

static void run_f32_from_f64(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    for (size_t i = 0; i < n; i++) {
        double wide;
        memcpy(&wide, (const uint8_t *)from + 8 * i, sizeof wide);
        float narrow = ingot_f32_from_f64(wide);
        memcpy((uint8_t *)to + 4 * i, &narrow, sizeof narrow);
        stats->n_overflow += isinf(narrow) && !isinf(wide);
        stats->n_underflow += narrow == 0 && wide != 0;
        stats->n_nan += isnan(wide) != 0;
    }
}

static void run_f64_from_f32(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    for (size_t i = 0; i < n; i++) {
        float narrow;
        memcpy(&narrow, (const uint8_t *)from + 4 * i, sizeof narrow);
        const double wide = (double)narrow;
        memcpy((uint8_t *)to + 8 * i, &wide, sizeof wide);
        stats->n_nan += isnan(narrow) != 0;
    }
}

static void run_f32_from_f64_odd(const void *from, void *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double wide;
        memcpy(&wide, (const uint8_t *)from + 8 * i, sizeof wide);
        float odd = f32_from_f64_odd(wide);
        memcpy((uint8_t *)to + 4 * i, &odd, sizeof odd);
    }
}

static void transpose32(const void *from, void *to)
{
    for (size_t r = 0; r < 16; r++)
        for (size_t c = 0; c < 16; c++)
            memcpy((uint8_t *)to + 4 * (16 * c + r), (const uint8_t *)from + 4 * (16 * r + c), 4);
}

static void pairs16(const void *from, void *to, size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i++)
        for (size_t lane = 0; lane < 16; lane++)
            for (size_t half = 0; half < 2; half++)
                memcpy((uint8_t *)to + 2 * ((16 * i + lane) * 2 + half),
                       (const uint8_t *)from + 2 * (16 * (2 * i + half) + lane), 2);
}

static void unpairs16(const void *from, void *to, size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i++)
        for (size_t lane = 0; lane < 16; lane++)
            for (size_t half = 0; half < 2; half++)
                memcpy((uint8_t *)to + 2 * (16 * (2 * i + half) + lane),
                       (const uint8_t *)from + 2 * ((16 * i + lane) * 2 + half), 2);
}

const struct casts casts_scalar = {
    .f16_from_f32 = run_f16_from_f32,
    .bf16_from_f32 = run_bf16_from_f32,
    .f32_from_f16 = run_f32_from_f16,
    .f32_from_bf16 = run_f32_from_bf16,
    .f32_from_f64 = run_f32_from_f64,
    .f64_from_f32 = run_f64_from_f32,
    .f32_from_f64_odd = run_f32_from_f64_odd,
    .transpose32 = transpose32,
    .pairs16 = pairs16,
    .unpairs16 = unpairs16,
};

struct casts casts_select(void)
{
    struct casts best = casts_scalar;
#if defined(__x86_64__)
    if (cpu_detect().avx2) {
        best.f16_from_f32 = casts_avx2.f16_from_f32;
        best.bf16_from_f32 = casts_avx2.bf16_from_f32;
        best.f32_from_f16 = casts_avx2.f32_from_f16;
        best.f32_from_bf16 = casts_avx2.f32_from_bf16;
        best.transpose32 = casts_avx2.transpose32;
        best.pairs16 = casts_avx2.pairs16;
        best.unpairs16 = casts_avx2.unpairs16;
    }
#endif
    return best;
}

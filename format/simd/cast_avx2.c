/* cast_avx2.c - runs of casts with AVX2 and F16C: the bits and the counts of format/cast.c, eight elements at a time.
 */
#if defined(__x86_64__)

#include "format/cast.h"

#include <immintrin.h>

/* Bits of the f32 magnitudes at which a narrower dtype ends, ties included. */
struct limits {
    int32_t first_infinite; /* from here on a finite value becomes infinite */
    int32_t last_zero;      /* up to here a value becomes zero */
};
static const struct limits f16_limits = { 0x477FF000, 0x33000000 };  /* 65520 and 2^-25 */
static const struct limits bf16_limits = { 0x7F7F8000, 0x00008000 }; /* half a step above the largest, half the least */

#define F32_INF   0x7F800000
#define F32_SIGN  INT32_MIN
#define F32_BYTES 4
#define F16_BYTES 2

static __m256i load(const void *from, size_t i)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)((const char *)from + F32_BYTES * i));
}

static __m128i load_half(const void *from, size_t i)
{
    return _mm_loadu_si128((const __m128i *)(const void *)((const char *)from + F16_BYTES * i));
}

static void store(void *to, size_t i, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)((char *)to + F32_BYTES * i), v);
}

static void store_half(void *to, size_t i, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)((char *)to + F16_BYTES * i), v);
}

static uint64_t count(__m256i mask)
{
    return (uint64_t)__builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(mask)));
}

/* Rarely does a vector hold anything to count. */
static void count_losses(__m256i v, const struct limits *limits, struct ingot_cast_stats *stats)
{
    __m256i a = _mm256_andnot_si256(_mm256_set1_epi32(F32_SIGN), v);
    __m256i large = _mm256_cmpgt_epi32(a, _mm256_set1_epi32(limits->first_infinite - 1));
    __m256i small = _mm256_andnot_si256(_mm256_cmpeq_epi32(a, _mm256_setzero_si256()),
                                        _mm256_cmpgt_epi32(_mm256_set1_epi32(limits->last_zero + 1), a));
    __m256i any = _mm256_or_si256(large, small);
    if (_mm256_testz_si256(any, any)) return;
    __m256i nan = _mm256_cmpgt_epi32(a, _mm256_set1_epi32(F32_INF));
    __m256i finite = _mm256_cmpgt_epi32(_mm256_set1_epi32(F32_INF), a);
    stats->n_overflow += count(_mm256_and_si256(large, finite));
    stats->n_underflow += count(small);
    stats->n_nan += count(nan);
}

static void f16_from_f32(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        __m256i v = load(from, i);
        store_half(to, i, _mm256_cvtps_ph(_mm256_castsi256_ps(v), _MM_FROUND_TO_NEAREST_INT));
        count_losses(v, &f16_limits, stats);
    }
    casts_scalar.f16_from_f32((const char *)from + F32_BYTES * i, (char *)to + F16_BYTES * i, n - i, stats);
}

/* Bits of eight bf16, each in the low half of its 32-bit lane. */
static __m256i bf16_bits(__m256i v)
{
    __m256i top = _mm256_srli_epi32(v, 16);
    __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(v, _mm256_set1_epi32(0x7FFF)), odd);
    __m256i nan = _mm256_cmpgt_epi32(_mm256_andnot_si256(_mm256_set1_epi32(F32_SIGN), v), _mm256_set1_epi32(F32_INF));
    __m256i quiet = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
    return _mm256_blendv_epi8(_mm256_srli_epi32(rounded, 16), quiet, nan);
}

static void bf16_from_f32(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        __m256i v = load(from, i);
        __m256i bits = bf16_bits(v);
        store_half(to, i, _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1)));
        count_losses(v, &bf16_limits, stats);
    }
    casts_scalar.bf16_from_f32((const char *)from + F32_BYTES * i, (char *)to + F16_BYTES * i, n - i, stats);
}

static uint64_t count_nan(__m256i v)
{
    return count(_mm256_cmpgt_epi32(_mm256_andnot_si256(_mm256_set1_epi32(F32_SIGN), v), _mm256_set1_epi32(F32_INF)));
}

static void f32_from_f16(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        __m256i wide = _mm256_castps_si256(_mm256_cvtph_ps(load_half(from, i)));
        store(to, i, wide);
        stats->n_nan += count_nan(wide);
    }
    casts_scalar.f32_from_f16((const char *)from + F16_BYTES * i, (char *)to + F32_BYTES * i, n - i, stats);
}

static void f32_from_bf16(const void *from, void *to, size_t n, struct ingot_cast_stats *stats)
{
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_half(from, i)), 16);
        store(to, i, wide);
        stats->n_nan += count_nan(wide);
    }
    casts_scalar.f32_from_bf16((const char *)from + F16_BYTES * i, (char *)to + F32_BYTES * i, n - i, stats);
}

/* One 8 x 8 block; rows are 16 elements apart on both sides. */
static void transpose_block(const float *from, float *to)
{
    __m256 r[8], s[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(from + 16 * i);
    for (int i = 0; i < 8; i += 2) { /* pairs of rows: elements 0 1 4 5 and 2 3 6 7 */
        s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) { /* fours: columns j and j + 4 in the two halves */
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xEE);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xEE);
    }
    for (int i = 0; i < 4; i++) { /* eights */
        _mm256_storeu_ps(to + 16 * i, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(to + 16 * (i + 4), _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

static void transpose32(const void *from, void *to)
{
    const float *f = from;
    float *t = to;
    for (int row = 0; row < 16; row += 8)
        for (int col = 0; col < 16; col += 8) transpose_block(f + 16 * row + col, t + 16 * col + row);
}

static void pairs16(const void *from, void *to, size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i++) {
        __m256i even = load(from, 16 * i), odd = load(from, 16 * i + 8);
        __m256i low = _mm256_unpacklo_epi16(even, odd), high = _mm256_unpackhi_epi16(even, odd);
        store(to, 16 * i, _mm256_permute2x128_si256(low, high, 0x20));
        store(to, 16 * i + 8, _mm256_permute2x128_si256(low, high, 0x31));
    }
}

static void unpairs16(const void *from, void *to, size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i++) {
        __m256i a = load(from, 16 * i), b = load(from, 16 * i + 8), low = _mm256_set1_epi32(0xFFFF);
        __m256i even = _mm256_packus_epi32(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
        __m256i odd = _mm256_packus_epi32(_mm256_srli_epi32(a, 16), _mm256_srli_epi32(b, 16));
        store(to, 16 * i, _mm256_permute4x64_epi64(even, 0xD8));
        store(to, 16 * i + 8, _mm256_permute4x64_epi64(odd, 0xD8));
    }
}

const struct casts casts_avx2 = {
    .f16_from_f32 = f16_from_f32,
    .bf16_from_f32 = bf16_from_f32,
    .f32_from_f16 = f32_from_f16,
    .f32_from_bf16 = f32_from_bf16,
    .transpose32 = transpose32,
    .pairs16 = pairs16,
    .unpairs16 = unpairs16,
};

#else
typedef int cast_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

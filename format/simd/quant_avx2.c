/* quant_avx2.c - the search of format/quant.c with AVX2 and F16C: the same bits, eight lanes of a panel at a time. A
 * lane sees the same operations in the same order as there; what is rare is left to the scalar body. */
#if defined(__x86_64__)

#include "format/quant.h"

#include <immintrin.h>
#include <math.h>

#define BLOCK  INGOT_QUANT_BLOCK
#define LANES  INGOT_PANEL_LANES
#define HALF   8 /* lanes of a vector */
#define FOUR   4 /* inputs whose codes are found together */
/* The body of the search is written once, for any levels; this makes one of each of them. */
#define INLINE static inline __attribute__((always_inline))

/* Four of a kind live in registers only if no loop is left. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 4")
#endif

typedef __m256 vec;

static vec set(float v)
{
    return _mm256_set1_ps(v);
}

static vec magnitude(vec v)
{
    return _mm256_andnot_ps(set(-0.0f), v);
}

/* Element k of eight lanes' blocks, which begin at x. */
static vec element(const float *x, size_t k)
{
    return _mm256_load_ps(x + k * LANES);
}

static __m256i twice16(const void *sixteen)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)sixteen));
}

/* Of four vectors of eight integers the bytes, cut to 0 .. 255: in each half, four of the first, of the second ... */
static __m256i bytes_of(const __m256i i[FOUR])
{
    return _mm256_packus_epi16(_mm256_packs_epi32(i[0], i[1]), _mm256_packs_epi32(i[2], i[3]));
}

/* ---- levels: of inputs k .. k + 3, as floats and as bytes_of() codes */

typedef void levels_fn(const float *x, size_t k, vec inverse, vec levels[FOUR]);
typedef __m256i codes_fn(const float *x, size_t k, vec inverse);

INLINE void q8_levels(const float *x, size_t k, vec inverse, vec levels[FOUR])
{
    UNROLL
    for (size_t j = 0; j < FOUR; j++) {
        const vec t = _mm256_mul_ps(element(x, k + j), inverse);
        const vec cut = _mm256_min_ps(_mm256_max_ps(t, set(-QUANT_Q8_ZERO)), set(QUANT_Q8_ZERO - 1));
        levels[j] = _mm256_round_ps(cut, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
}

INLINE __m256i q8_codes(const float *x, size_t k, vec inverse)
{
    vec levels[FOUR];
    __m256i i[FOUR];
    q8_levels(x, k, inverse, levels);
    UNROLL
    for (size_t j = 0; j < FOUR; j++)
        i[j] = _mm256_add_epi32(_mm256_cvtps_epi32(levels[j]), _mm256_set1_epi32(QUANT_Q8_ZERO));
    return bytes_of(i);
}

/* quant_q4_nearest[] as tables of 16 bytes, which a shuffle can look up, by the high nibble of the index. Its entries
 * ascend, and within 16 of them there are at most two steps: q4_first and q4_second are the last indices in front of
 * them (255: there is none). q4_most is two above the first of the 16; the code is that, less one for each of the two
 * indices that the index is not beyond. */
static const uint8_t q4_most[16] = { 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 13, 14, 15, 16, 17, 17 };
static const uint8_t q4_first[16] = { 255, 255, 40, 59, 75, 89, 101, 112, 132, 155, 167, 181, 198, 219, 255, 255 };
static const uint8_t q4_second[16] = { 255, 255, 255, 255, 255, 255, 255, 122, 255, 255, 255, 255, 255, 255, 255, 255 };

static __m256i not_beyond(__m256i index, __m256i last)
{
    return _mm256_cmpeq_epi8(_mm256_max_epu8(index, last), last);
}

INLINE __m256i q4_codes(const float *x, size_t k, vec inverse)
{
    const vec twice = _mm256_add_ps(inverse, inverse);
    __m256i i[FOUR];
    UNROLL
    for (size_t j = 0; j < FOUR; j++) {
        const vec u = _mm256_add_ps(_mm256_mul_ps(element(x, k + j), twice), set(128));
        i[j] = _mm256_cvttps_epi32(_mm256_min_ps(u, set(255))); /* bytes_of() cuts below 0 */
    }
    const __m256i index = bytes_of(i), high = _mm256_and_si256(_mm256_srli_epi16(index, 4), _mm256_set1_epi8(15));
    const __m256i first = not_beyond(index, _mm256_shuffle_epi8(twice16(q4_first), high));
    const __m256i second = not_beyond(index, _mm256_shuffle_epi8(twice16(q4_second), high));
    return _mm256_add_epi8(_mm256_shuffle_epi8(twice16(q4_most), high), _mm256_add_epi8(first, second));
}

INLINE void q4_levels(const float *x, size_t k, vec inverse, vec levels[FOUR])
{
    const __m256i bytes = _mm256_shuffle_epi8(twice16(quant_q4_levels), q4_codes(x, k, inverse));
    UNROLL
    for (int j = 0; j < FOUR; j++) { /* the bytes of one input to the top of their lanes' integers */
        const __m256i top =
            _mm256_add_epi32(_mm256_set1_epi32(4 * j * 0x01000000 + 0x00808080),
                             _mm256_setr_epi32(0, 1 << 24, 2 << 24, 3 << 24, 0, 1 << 24, 2 << 24, 3 << 24));
        levels[j] = _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_shuffle_epi8(bytes, top), 24));
    }
}

/* ---- the search */

struct search {
    const float *x;
    vec scale, error;
};

static vec round_scale(vec scale)
{
    const vec a = _mm256_min_ps(_mm256_max_ps(magnitude(scale), set(QUANT_SCALE_MIN)), set(QUANT_SCALE_MAX));
    const vec rounded = _mm256_cvtph_ps(_mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
    return _mm256_or_ps(rounded, _mm256_and_ps(scale, set(-0.0f)));
}

INLINE void try_scale(struct search *s, levels_fn *levels_at, vec scale)
{
    const vec inverse = _mm256_div_ps(set(1), scale);
    vec error = set(0);
    for (size_t k = 0; k < BLOCK; k += FOUR) {
        vec levels[FOUR];
        levels_at(s->x, k, inverse, levels);
        UNROLL
        for (size_t j = 0; j < FOUR; j++) {
            const vec rest = _mm256_sub_ps(element(s->x, k + j), _mm256_mul_ps(levels[j], scale));
            error = _mm256_add_ps(error, _mm256_mul_ps(rest, rest));
        }
    }
    const vec better = _mm256_cmp_ps(error, s->error, _CMP_LT_OQ);
    s->error = _mm256_blendv_ps(s->error, error, better);
    s->scale = _mm256_blendv_ps(s->scale, scale, better);
}

INLINE vec fitted_scale(const struct search *s, levels_fn *levels_at)
{
    const vec inverse = _mm256_div_ps(set(1), s->scale);
    vec xl = set(0), ll = set(0);
    for (size_t k = 0; k < BLOCK; k += FOUR) {
        vec levels[FOUR];
        levels_at(s->x, k, inverse, levels);
        UNROLL
        for (size_t j = 0; j < FOUR; j++) {
            xl = _mm256_add_ps(xl, _mm256_mul_ps(element(s->x, k + j), levels[j]));
            ll = _mm256_add_ps(ll, _mm256_mul_ps(levels[j], levels[j]));
        }
    }
    const vec some = _mm256_cmp_ps(ll, set(0), _CMP_GT_OQ);
    return _mm256_blendv_ps(s->scale, round_scale(_mm256_div_ps(xl, ll)), some);
}

INLINE void search(struct search *s, levels_fn *levels_at, vec largest, const float *tries, size_t n)
{
    s->error = set(INFINITY);
    s->scale = round_scale(_mm256_div_ps(largest, set(tries[0])));
    for (size_t i = 0; i < n; i++) try_scale(s, levels_at, round_scale(_mm256_div_ps(largest, set(tries[i]))));
    for (size_t i = 0; i < QUANT_REFITS; i++) try_scale(s, levels_at, fitted_scale(s, levels_at));
}

/* The largest magnitudes, NaN in lanes with an element that is infinite or no number; `bits`: those set in any. */
static vec largest_magnitudes(const float *x, __m256i *bits)
{
    vec largest = set(0), bad = set(0);
    *bits = _mm256_setzero_si256();
    for (size_t k = 0; k < BLOCK; k++) {
        const vec v = element(x, k), a = magnitude(v);
        bad = _mm256_or_ps(bad, _mm256_cmp_ps(a, set(INFINITY), _CMP_NLT_UQ));
        largest = _mm256_max_ps(largest, a);
        *bits = _mm256_or_si256(*bits, _mm256_castps_si256(v));
    }
    return _mm256_blendv_ps(largest, set(NAN), bad);
}

/* Products of an f16 and a level have 19 significant bits: where one has more, there is no need to ask. */
static void find_exact_scales(struct search *s, vec largest, __m256i bits)
{
    const __m256i low = _mm256_and_si256(bits, _mm256_set1_epi32(31));
    const vec coarse = _mm256_castsi256_ps(_mm256_cmpeq_epi32(low, _mm256_setzero_si256()));
    const vec asks = _mm256_and_ps(_mm256_and_ps(coarse, _mm256_cmp_ps(s->error, set(0), _CMP_GT_OQ)),
                                   _mm256_cmp_ps(largest, set(0), _CMP_GT_OQ));
    float scales[HALF], a[HALF];
    int lanes = _mm256_movemask_ps(asks);
    if (lanes == 0) return;
    _mm256_storeu_ps(scales, s->scale);
    _mm256_storeu_ps(a, largest);
    for (size_t lane = 0; lane < HALF; lane++) {
        const float exact = lanes >> lane & 1 ? quant_exact_scale(s->x + lane, a[lane]) : 0;
        if (exact != 0) scales[lane] = exact;
    }
    s->scale = _mm256_loadu_ps(scales);
}

/* Eight lanes' codes by their scales; scale +0 where all levels are 0, NaN where there is one. */
INLINE void put(const struct search *s, codes_fn *codes_at, uint8_t zero, vec largest, struct quant_blocks *out,
                size_t lane)
{
    const __m256i by_lane = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9,
                                             13, 2, 6, 10, 14, 3, 7, 11, 15);
    const vec inverse = _mm256_div_ps(set(1), s->scale), some = _mm256_cmp_ps(largest, set(0), _CMP_GT_OQ);
    const __m256i zeros = _mm256_set1_epi8((char)zero);
    __m256i differ = _mm256_setzero_si256();
    for (size_t k = 0; k < BLOCK; k += FOUR) {
        __m256i codes = _mm256_shuffle_epi8(codes_at(s->x, k, inverse), by_lane);
        codes = _mm256_blendv_epi8(zeros, codes, _mm256_castps_si256(some));
        differ = _mm256_or_si256(differ, _mm256_xor_si256(codes, zeros));
        _mm256_storeu_si256((__m256i *)(void *)out->codes[k / FOUR][lane], codes);
    }
    const vec none = _mm256_castsi256_ps(_mm256_cmpeq_epi32(differ, _mm256_setzero_si256()));
    const vec scale =
        _mm256_blendv_ps(_mm256_andnot_ps(none, s->scale), largest, _mm256_cmp_ps(largest, largest, _CMP_UNORD_Q));
    _mm_storeu_si128((__m128i *)(void *)(out->scales + lane), _mm256_cvtps_ph(scale, _MM_FROUND_TO_NEAREST_INT));
}

static void quantise_q8(const float x[BLOCK][LANES], struct quant_blocks *out)
{
    for (size_t lane = 0; lane < LANES; lane += HALF) {
        struct search s = { .x = x[0] + lane };
        __m256i bits;
        const vec largest = largest_magnitudes(s.x, &bits);
        search(&s, q8_levels, largest, quant_q8_tries, QUANT_Q8_TRIES);
        find_exact_scales(&s, largest, bits);
        put(&s, q8_codes, QUANT_Q8_ZERO, largest, out, lane);
    }
}

static void quantise_q4(const float x[BLOCK][LANES], struct quant_blocks *out)
{
    for (size_t lane = 0; lane < LANES; lane += HALF) {
        struct search s = { .x = x[0] + lane };
        __m256i bits;
        const vec largest = largest_magnitudes(s.x, &bits);
        search(&s, q4_levels, largest, quant_q4_tries, QUANT_Q4_TRIES);
        put(&s, q4_codes, QUANT_Q4_ZERO, largest, out, lane);
    }
}

const struct quants quants_avx2 = { .q8 = quantise_q8, .q4 = quantise_q4 };

#else
typedef int quant_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

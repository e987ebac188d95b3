/* quant_load_avx2.c - elements of q8 and q4 with AVX2 and F16C, an input of 8 lanes at a time: the bits of
 * format/quant.c. */
#if defined(__x86_64__)

#include "format/quant.h"

#include <immintrin.h>

#define LANES INGOT_PANEL_LANES
#define HALF  8 /* lanes of a vector */

/* The 32 bits of each lane that hold the code of input k, moved down so that it is their lowest. */
static inline __m256i codes(enum ingot_dtype dtype, const uint8_t *step, size_t k, size_t lane)
{
    const size_t shift = 8 * (k % 4) + (dtype == INGOT_Q4 && k % 8 >= 4 ? 4 : 0);
    const uint8_t *at = step + quant_code_at(dtype, k - k % 4, lane);
    __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i mask = _mm256_set1_epi32(dtype == INGOT_Q8 ? 255 : 15);
    return _mm256_and_si256(_mm256_srl_epi32(words, _mm_cvtsi64_si128((long long)shift)), mask);
}

/* Of q4 by look-up of the word's top byte, from where a shift brings the level down with its sign. */
static inline __m256i levels(enum ingot_dtype dtype, __m256i code)
{
    if (dtype == INGOT_Q8) return _mm256_sub_epi32(code, _mm256_set1_epi32(QUANT_Q8_ZERO));
    __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)quant_q4_levels));
    return _mm256_srai_epi32(_mm256_shuffle_epi8(table, _mm256_slli_epi32(code, 24)), 24);
}

static inline void load(enum ingot_dtype dtype, const uint8_t *step, size_t k, size_t n, float x[][LANES])
{
    for (size_t i = 0; i < n; i++, k++)
        for (size_t lane = 0; lane < LANES; lane += HALF) {
            const uint8_t *at = step + quant_scale_at(k, lane);
            __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)at));
            __m256 level = _mm256_cvtepi32_ps(levels(dtype, codes(dtype, step, k, lane)));
            _mm256_storeu_ps(&x[i][lane], _mm256_mul_ps(level, scale));
        }
}

static void load_any(enum ingot_dtype dtype, const uint8_t *step, size_t k, size_t n, float x[][LANES])
{
    if (dtype == INGOT_Q8)
        load(INGOT_Q8, step, k, n, x);
    else
        load(INGOT_Q4, step, k, n, x);
}

quant_load_fn *const quant_load_avx2 = load_any;

#else
typedef int quant_load_avx2_is_empty; /* ISO C wants a declaration in every file */
#endif

/*
 * immintrin.h - the intrinsics of AVX-512 and AVX-VNNI in plain C, found before the compiler's when a kernel is
 * compiled a second time for the tests: the very same source, on any processor.
 *
 * Most come from SIMDe. Here are those that it lacks or gets wrong: its fused multiply-adds may round twice.
 */
#ifndef TESTS_EMULATED_IMMINTRIN_H
#define TESTS_EMULATED_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_NO_INLINE /* calls: the unrolled tiles are thousands of intrinsics */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>
#pragma GCC diagnostic pop

#include <math.h>
#include <string.h>

typedef simde__mmask16 __mmask16;

#define EMULATED static __attribute__((noinline, unused))

/* Lane by lane through memory: f(float or int of lane i). */
#define EMULATED_LANES(type, element, n_lanes, expression)                                                             \
    type emulated_result;                                                                                              \
    element lanes[n_lanes];                                                                                            \
    for (int i = 0; i < (n_lanes); i++) lanes[i] = (expression);                                                       \
    memcpy(&emulated_result, lanes, sizeof emulated_result);                                                           \
    return emulated_result

EMULATED float emulated_f32(const void *vector, int lane)
{
    float f;
    memcpy(&f, (const char *)vector + lane * 4, sizeof f);
    return f;
}

EMULATED int32_t emulated_i32(const void *vector, int lane)
{
    int32_t i;
    memcpy(&i, (const char *)vector + lane * 4, sizeof i);
    return i;
}

/* ---- fused multiply-adds */

EMULATED simde__m256 emulated_mm256_fmadd_ps(simde__m256 a, simde__m256 b, simde__m256 c)
{
    EMULATED_LANES(simde__m256, float, 8, fmaf(emulated_f32(&a, i), emulated_f32(&b, i), emulated_f32(&c, i)));
}

EMULATED simde__m512 emulated_mm512_fmadd_ps(simde__m512 a, simde__m512 b, simde__m512 c)
{
    EMULATED_LANES(simde__m512, float, 16, fmaf(emulated_f32(&a, i), emulated_f32(&b, i), emulated_f32(&c, i)));
}

EMULATED simde__m512 emulated_mm512_fnmadd_ps(simde__m512 a, simde__m512 b, simde__m512 c)
{
    EMULATED_LANES(simde__m512, float, 16, fmaf(-emulated_f32(&a, i), emulated_f32(&b, i), emulated_f32(&c, i)));
}

#undef _mm256_fmadd_ps
#undef _mm512_fmadd_ps
#undef _mm512_fnmadd_ps
#define _mm256_fmadd_ps  emulated_mm256_fmadd_ps
#define _mm512_fmadd_ps  emulated_mm512_fmadd_ps
#define _mm512_fnmadd_ps emulated_mm512_fnmadd_ps

/* SIMDe's keeps the sign of -0. */
EMULATED simde__m512 emulated_mm512_abs_ps(simde__m512 v)
{
    EMULATED_LANES(simde__m512, float, 16, fabsf(emulated_f32(&v, i)));
}

#undef _mm512_abs_ps
#define _mm512_abs_ps emulated_mm512_abs_ps

/* a 2^b for integers b. */
EMULATED float emulated_scale(float a, float b)
{
    return isnan(b) ? b : scalbnf(a, b > 1000 ? 1000 : b < -1000 ? -1000 : (int)b);
}

EMULATED simde__m512 emulated_mm512_scalef_ps(simde__m512 a, simde__m512 b)
{
    EMULATED_LANES(simde__m512, float, 16, emulated_scale(emulated_f32(&a, i), emulated_f32(&b, i)));
}

#undef _mm512_scalef_ps
#define _mm512_scalef_ps emulated_mm512_scalef_ps

/* ---- lanes under a mask: memory of the others is not touched */

EMULATED simde__m512 emulated_mm512_maskz_loadu_ps(simde__mmask16 mask, const void *from)
{
    EMULATED_LANES(simde__m512, float, 16, mask >> i & 1 ? emulated_f32(from, i) : 0.0f);
}

EMULATED void emulated_mm512_mask_storeu_ps(void *to, simde__mmask16 mask, simde__m512 v)
{
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) memcpy((char *)to + i * 4, (const char *)&v + i * 4, 4);
}

EMULATED void emulated_mm256_mask_storeu_epi16(void *to, simde__mmask16 mask, simde__m256i v)
{
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) memcpy((char *)to + i * 2, (const char *)&v + i * 2, 2);
}

#define _mm512_maskz_loadu_ps    emulated_mm512_maskz_loadu_ps
#define _mm512_mask_storeu_ps    emulated_mm512_mask_storeu_ps
#define _mm256_mask_storeu_epi16 emulated_mm256_mask_storeu_epi16
#define _mm512_mask_cmp_ps_mask(mask, a, b, comparison)                                                                \
    ((simde__mmask16)((mask)&simde_mm512_cmp_ps_mask(a, b, comparison)))

/* ---- f16 */

EMULATED simde__m512 emulated_mm512_cvtph_ps(simde__m256i halves)
{
    simde__m256 wide[2];
    simde__m512 result;
    simde__m128i part[2];
    memcpy(part, &halves, sizeof part);
    for (int i = 0; i < 2; i++) wide[i] = simde_mm256_cvtph_ps(part[i]);
    memcpy(&result, wide, sizeof result);
    return result;
}

EMULATED simde__m256i emulated_mm512_cvtps_ph(simde__m512 v)
{
    simde__m256 wide[2];
    simde__m256i result;
    simde__m128i part[2];
    memcpy(wide, &v, sizeof wide);
    for (int i = 0; i < 2; i++) part[i] = simde_mm256_cvtps_ph(wide[i], SIMDE_MM_FROUND_TO_NEAREST_INT);
    memcpy(&result, part, sizeof result);
    return result;
}

#define _mm512_cvtph_ps                         emulated_mm512_cvtph_ps
#define _mm512_maskz_cvtps_ph(all, v, rounding) emulated_mm512_cvtps_ph(v)

/* ---- parts and reductions */

EMULATED simde__m256 emulated_mm512_extractf32x8_ps(simde__m512 v, int part)
{
    simde__m256 result;
    memcpy(&result, (const char *)&v + part * 32, sizeof result);
    return result;
}

EMULATED float emulated_mm512_reduce_max_ps(simde__m512 v)
{
    float max = emulated_f32(&v, 0);
    for (int i = 1; i < 16; i++) max = emulated_f32(&v, i) > max ? emulated_f32(&v, i) : max;
    return max;
}

#define _mm512_extractf32x8_ps emulated_mm512_extractf32x8_ps
#define _mm512_reduce_max_ps   emulated_mm512_reduce_max_ps

/* ---- integers */

EMULATED simde__m512 emulated_mm512_cvtepi32_ps(simde__m512i v)
{
    EMULATED_LANES(simde__m512, float, 16, (float)emulated_i32(&v, i));
}

#define _mm512_cvtepi32_ps emulated_mm512_cvtepi32_ps

/* ---- AVX512_BF16: what is subnormal is zero, before and after every operation */

typedef simde__m512i emulated_m512bh;

EMULATED float emulated_flush(float f)
{
    return f > -0x1p-126f && f < 0x1p-126f ? 0 * f : f;
}

EMULATED uint16_t emulated_to_bf16(float f)
{
    uint32_t bits;
    f = emulated_flush(f);
    memcpy(&bits, &f, sizeof bits);
    if (isnan(f)) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

EMULATED float emulated_from_bf16(const void *vector, int lane)
{
    uint16_t half;
    memcpy(&half, (const char *)vector + lane * 2, sizeof half);
    const uint32_t bits = (uint32_t)half << 16;
    return emulated_flush(emulated_f32(&bits, 0));
}

EMULATED emulated_m512bh emulated_mm512_cvtne2ps_pbh(simde__m512 high, simde__m512 low)
{
    EMULATED_LANES(emulated_m512bh, uint16_t, 32, emulated_to_bf16(emulated_f32(i < 16 ? &low : &high, i % 16)));
}

EMULATED float emulated_dpbf16(float sum, const void *a, const void *b, int lane)
{
    sum = emulated_flush(sum);
    for (int i = 2 * lane + 1; i >= 2 * lane; i--)
        sum = emulated_flush(fmaf(emulated_from_bf16(a, i), emulated_from_bf16(b, i), sum));
    return sum;
}

EMULATED simde__m512 emulated_mm512_dpbf16_ps(simde__m512 sum, emulated_m512bh a, emulated_m512bh b)
{
    EMULATED_LANES(simde__m512, float, 16, emulated_dpbf16(emulated_f32(&sum, i), &a, &b, i));
}

EMULATED simde__m512i emulated_mm512_permutexvar_epi16(simde__m512i order, simde__m512i v)
{
    uint16_t from[32], at[32];
    memcpy(from, &v, sizeof from);
    memcpy(at, &order, sizeof at);
    EMULATED_LANES(simde__m512i, uint16_t, 32, from[at[i] % 32]);
}

#undef _mm512_dpbf16_ps
#undef _mm512_permutexvar_epi16
#define __m512bh                 emulated_m512bh
#define _mm512_cvtne2ps_pbh      emulated_mm512_cvtne2ps_pbh
#define _mm512_dpbf16_ps         emulated_mm512_dpbf16_ps
#define _mm512_permutexvar_epi16 emulated_mm512_permutexvar_epi16

/* ---- AVX-VNNI: the same instruction as AVX512-VNNI's, under another name */
#define _mm256_dpbusd_avx_epi32 simde_mm256_dpbusd_epi32

#endif

/*
 * mathf.h - exp and the two GELUs: the definition, one element at a time.
 *
 * Every step is an IEEE operation on floats (or on their bits) that every vector instruction set has: no library
 * function, no table, no branch, only selections. So lanes.h repeats these lines on whole registers and gets the same
 * bits. The coefficients come from tests/tools/fit_mathf.py; accuracy over all floats is in spec/arithmetic.md.
 */
#ifndef INGOT_MATHF_H
#define INGOT_MATHF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln(2) / 2, e^r = 1 + r + r^2 q(r) */
#define EXP_MAX            89.0f   /* above: +inf */
#define EXP_MIN            -104.0f /* below: +0 */
#define EXP_LOG2_E         0x1.715476p+0f
#define EXP_MINUS_LN2_HIGH -0x1.62e43p-1f
#define EXP_MINUS_LN2_LOW  0x1.05c61p-29f
#define EXP_0              0x1.fffffcp-2f
#define EXP_1              0x1.555492p-3f
#define EXP_2              0x1.5558aap-5f
#define EXP_3              0x1.12396ep-7f
#define EXP_4              0x1.6a524ep-10f

/* Adding 1.5 * 2^23 leaves the integer nearest to a small float in the low bits of the sum. The bits of the sum minus
 * EXP_ROUND_BITS are n + 256: positive for every n in use, so that it is halved by a plain shift. */
#define EXP_ROUND      0x1.8p23f
#define EXP_ROUND_BITS (0x4b400000u - 256u)

/* tanh: 1/2 (1 + tanh u) = 1 / (1 + e^(-2u)), and -2u = x (GELU_A + GELU_B x^2) */
#define GELU_A -0x1.988454p+0f /* -2 sqrt(2 / pi) */
#define GELU_B -0x1.2444f2p-4f /* 0.044715 GELU_A */

/* erf: 1/2 erfc(a / sqrt 2) = e^(-a^2/2) t P(t), t = 1 / (1 + ERFC_T a) */
#define ERFC_MAX 16.0f /* beyond, the result is zero and a is held here so that infinity times zero cannot arise */
#define ERFC_T   0x1.6147aep-2f
#define ERFC_0   0x1.19d824p-3f
#define ERFC_1   0x1.1aaabap-3f
#define ERFC_2   0x1.e034b6p-4f
#define ERFC_3   0x1.c9f0ccp-4f
#define ERFC_4   -0x1.34156p-5f
#define ERFC_5   0x1.7f664cp-3f
#define ERFC_6   -0x1.15b10ap-2f
#define ERFC_7   0x1.298c8p-3f
#define ERFC_8   -0x1.d108p-6f

static inline uint32_t mathf_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float mathf_from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e^x; NaN stays NaN. The scale 2^n is applied as two factors: 2^128 is no float, and a subnormal result is then
 * rounded once. */
static inline float mathf_exp(float x)
{
    float rounded = fmaf(x, EXP_LOG2_E, EXP_ROUND);
    float n = rounded - EXP_ROUND;
    float r = fmaf(n, EXP_MINUS_LN2_HIGH, x);
    r = fmaf(n, EXP_MINUS_LN2_LOW, r);
    float q = fmaf(EXP_4, r, EXP_3);
    q = fmaf(q, r, EXP_2);
    q = fmaf(q, r, EXP_1);
    q = fmaf(q, r, EXP_0);
    float e = fmaf(r * r, q, r) + 1.0f;

    uint32_t biased = mathf_bits(rounded) - EXP_ROUND_BITS;
    uint32_t half = biased >> 1;
    e *= mathf_from_bits((half - 1) << 23);
    e *= mathf_from_bits((biased - half - 1) << 23);
    e = x > EXP_MAX ? INFINITY : e;
    return x < EXP_MIN ? 0.0f : e;
}

/* x / (1 + e^(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3). */
static inline float mathf_gelu_tanh(float x)
{
    float minus_2u = x * fmaf(x * x, GELU_B, GELU_A);
    return x / (1.0f + mathf_exp(minus_2u));
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|), where Phi(-a) = 1/2 erfc(a / sqrt 2): no cancellation on either side. */
static inline float mathf_gelu_erf(float x)
{
    float a = fabsf(x);
    a = a > ERFC_MAX ? ERFC_MAX : a;
    float t = 1.0f / fmaf(ERFC_T, a, 1.0f);
    float p = fmaf(ERFC_8, t, ERFC_7);
    p = fmaf(p, t, ERFC_6);
    p = fmaf(p, t, ERFC_5);
    p = fmaf(p, t, ERFC_4);
    p = fmaf(p, t, ERFC_3);
    p = fmaf(p, t, ERFC_2);
    p = fmaf(p, t, ERFC_1);
    p = fmaf(p, t, ERFC_0);
    float tail = mathf_exp(a * a * -0.5f) * (t * p);
    return fmaf(-a, tail, x < 0.0f ? 0.0f : x);
}

#endif

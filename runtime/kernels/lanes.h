/*
 * lanes.h - mathf.h on all lanes of a register at once: the same operations in the same order, so the same bits. For a
 * file that has said what a register is:
 *
 *   vec, ivec                             of floats, of 32-bit integers
 *   vec_same(f), ivec_same(u)             f or u in every lane
 *   vec_add, _sub, _mul, _div(a, b)
 *   vec_fma(a, b, c), vec_fnma(a, b, c)   a b + c and c - a b with one rounding
 *   vec_abs(a)
 *   vec_select(a, b, then, otherwise)     `then` in the lanes where a > b
 *   ivec_bits(v), ivec_sub(a, b), ivec_half(a)   a shifted right by one
 *   vec_power(i)                          the float with the bits i << 23
 *   vec_scale(a, n)                       a 2^n, n integers, with one rounding; only where there is such an instruction
 */
#ifndef INGOT_LANES_H
#define INGOT_LANES_H

#include <math.h>

#include "runtime/kernels/mathf.h"

static inline vec exp_lanes(vec x)
{
    const vec rounded = vec_fma(x, vec_same(EXP_LOG2_E), vec_same(EXP_ROUND));
    const vec n = vec_sub(rounded, vec_same(EXP_ROUND));
    vec r = vec_fma(n, vec_same(EXP_MINUS_LN2_HIGH), x);
    r = vec_fma(n, vec_same(EXP_MINUS_LN2_LOW), r);
    vec q = vec_fma(vec_same(EXP_4), r, vec_same(EXP_3));
    q = vec_fma(q, r, vec_same(EXP_2));
    q = vec_fma(q, r, vec_same(EXP_1));
    q = vec_fma(q, r, vec_same(EXP_0));
    vec e = vec_add(vec_fma(vec_mul(r, r), q, r), vec_same(1.0f));

#if defined(vec_scale)
    e = vec_scale(e, n); /* the first of the two factors never rounds, so they round once as well */
#else
    const ivec biased = ivec_sub(ivec_bits(rounded), ivec_same(EXP_ROUND_BITS));
    const ivec half = ivec_half(biased);
    const ivec rest = ivec_sub(biased, half);
    e = vec_mul(e, vec_power(ivec_sub(half, ivec_same(1))));
    e = vec_mul(e, vec_power(ivec_sub(rest, ivec_same(1))));
#endif
    e = vec_select(x, vec_same(EXP_MAX), vec_same(INFINITY), e);
    return vec_select(vec_same(EXP_MIN), x, vec_same(0.0f), e);
}

static inline vec gelu_tanh_lanes(vec x)
{
    const vec minus_2u = vec_mul(x, vec_fma(vec_mul(x, x), vec_same(GELU_B), vec_same(GELU_A)));
    return vec_div(x, vec_add(vec_same(1.0f), exp_lanes(minus_2u)));
}

static inline vec gelu_erf_lanes(vec x)
{
    const vec zero = vec_same(0.0f), one = vec_same(1.0f), max = vec_same(ERFC_MAX);
    vec a = vec_abs(x);
    a = vec_select(a, max, max, a);
    const vec t = vec_div(one, vec_fma(vec_same(ERFC_T), a, one));
    vec p = vec_fma(vec_same(ERFC_8), t, vec_same(ERFC_7));
    p = vec_fma(p, t, vec_same(ERFC_6));
    p = vec_fma(p, t, vec_same(ERFC_5));
    p = vec_fma(p, t, vec_same(ERFC_4));
    p = vec_fma(p, t, vec_same(ERFC_3));
    p = vec_fma(p, t, vec_same(ERFC_2));
    p = vec_fma(p, t, vec_same(ERFC_1));
    p = vec_fma(p, t, vec_same(ERFC_0));
    const vec power = exp_lanes(vec_mul(vec_mul(a, a), vec_same(-0.5f)));
    const vec tail = vec_mul(power, vec_mul(t, p));
    return vec_fnma(a, tail, vec_select(zero, x, zero, x));
}

#endif

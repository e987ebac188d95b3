#!/usr/bin/env python3
"""exp and the two GELUs, written from spec/arithmetic.md alone, digested as tests/unit/test_kernels.c digests them.

Shows that the page is enough to get the bits. Prints the three digests of exp_and_gelus_are_these_bits. Needs numpy on
a machine whose long double has 64 bits of fraction: a fused multiply-add is computed there and rounded to float.
"""
import numpy as np

STEP = 4999  # every STEP-th float


def f(text):
    return np.float32(float.fromhex(text))


ONE = np.float32(1)
LOG2_E, ROUND = f("0x1.715476p+0"), f("0x1.8p23")
LN2_HIGH, LN2_LOW = f("0x1.62e43p-1"), f("-0x1.05c61p-29")
E = [f(c) for c in "0x1.fffffcp-2 0x1.555492p-3 0x1.5558aap-5 0x1.12396ep-7 0x1.6a524ep-10".split()]
A, B = f("-0x1.988454p+0"), f("-0x1.2444f2p-4")
T = f("0x1.6147aep-2")
P = [f(c) for c in "0x1.19d824p-3 0x1.1aaabap-3 0x1.e034b6p-4 0x1.c9f0ccp-4 -0x1.34156p-5".split()]
P += [f(c) for c in "0x1.7f664cp-3 -0x1.15b10ap-2 0x1.298c8p-3 -0x1.d108p-6".split()]


def fma(a, b, c):
    return (np.longdouble(a) * np.longdouble(b) + np.longdouble(c)).astype(np.float32)


def chain(coefficients, x):
    value = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = fma(value, x, c)
    return value


def power_of_two(biased):
    """2^(biased - 128), from its bits."""
    return ((biased - np.uint32(1)) << np.uint32(23)).view(np.float32)


def exp(x):
    z = fma(x, LOG2_E, ROUND)
    n = z - ROUND
    r = fma(n, -LN2_HIGH, x)
    r = fma(n, -LN2_LOW, r)
    e = fma(r * r, chain(E, r), r) + ONE
    u = z.view(np.uint32) - ROUND.view(np.uint32) + np.uint32(256)
    h = u // np.uint32(2)
    e = e * power_of_two(h)
    e = e * power_of_two(u - h)
    return np.where(x > 89, np.float32(np.inf), np.where(x < -104, np.float32(0), e))


def gelu_tanh(x):
    return x / (ONE + exp(x * fma(x * x, B, A)))


def gelu_erf(x):
    a = np.abs(x)
    a = np.where(a > 16, np.float32(16), a)
    t = ONE / fma(T, a, ONE)
    tail = exp((a * a) * np.float32(-0.5)) * (t * chain(P, t))
    return fma(-a, tail, np.where(x < 0, np.float32(0), x))


def digest(y):
    bits = np.where(np.isnan(y), np.uint32(0), y.view(np.uint32))
    value = 0
    for b in bits.tolist():
        value = (value ^ b) * 0x9E3779B97F4A7C15 % 2**64
        value ^= value >> 29
    return value


def main():
    x = np.arange(0, 2**32, STEP, dtype=np.uint64).astype(np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        for function in (exp, gelu_tanh, gelu_erf):
            print(f"{function.__name__}: 0x{digest(function(x)):016x}")


if __name__ == "__main__":
    main()

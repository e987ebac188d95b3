#!/usr/bin/env python3
"""Fits the polynomials of runtime/kernels/mathf.h and prints them as C, ready to compare with that file.

    EXP:  q of degree 4 in  e^r = 1 + r + r^2 q(r)              for |r| <= ln(2) / 2
    ERFC: P of degree 8 in  1/2 erfc(a / sqrt 2) = e^(-a^2/2) t P(t),  t = 1 / (1 + ERFC_T a),  for 0 <= a <= 14

Both minimise the largest *relative* error (Lawson's reweighted least squares). Coefficients are rounded to float one
after the other, lowest power first, and the rest is fitted again around each rounded one, so that the rounding of a
coefficient is made good by those above it. ERFC_T was found by a scan over 0.30 .. 0.40. Needs numpy.
"""
import math

import numpy as np

ERFC_T = float(np.float32(0.345))


def fit(x, f, powers, relative_to):
    """Coefficients of x**powers that minimise max |poly - f| / relative_to over the samples."""
    basis = np.stack([x**p for p in powers], axis=1) / relative_to[:, None]
    target = f / relative_to
    scale = np.abs(basis).max(axis=0)
    basis /= scale
    weight = np.ones_like(x)
    best, best_error = None, math.inf
    for _ in range(400):
        root = np.sqrt(weight)
        c = np.linalg.lstsq(basis * root[:, None], target * root, rcond=None)[0]
        error = np.abs(basis @ c - target)
        if error.max() < best_error:
            best, best_error = c / scale, error.max()
        weight *= error / error.max() + 1e-9
        weight /= weight.max()
    return best


def fit_floats(x, f, degree, relative_to):
    """The same with every coefficient a float, and the largest relative error."""
    rounded = []
    for low in range(degree + 1):
        rest = f - sum((c * x**i for i, c in enumerate(rounded)), np.zeros_like(x))
        rounded.append(float(np.float32(fit(x, rest, range(low, degree + 1), relative_to)[0])))
    value = sum(c * x**i for i, c in enumerate(rounded))
    return rounded, float(np.max(np.abs(value - f) / np.abs(relative_to)))


def hex_float(c):
    """1.5 -> 0x1.8p+0f: C's hexadecimal float without the zeros that a double would show."""
    mantissa, exponent = c.hex().split("p")
    return mantissa.rstrip("0").rstrip(".") + "p" + exponent + "f"


def show(name, coefficients, error):
    print(f"/* {name}: largest relative error of the polynomial 2^{math.log2(error):.1f} */")
    for i, c in enumerate(coefficients):
        print(f"#define {name}_{i} {hex_float(c)}")


def main():
    r = math.log(2) / 2 * 1.0001 * np.cos(np.linspace(0, math.pi, 2001))
    r = r[np.abs(r) > 1e-3]
    q = np.array([sum(v**k / math.factorial(k + 2) for k in range(25)) for v in r])
    show("EXP", *fit_floats(r, q, 4, np.exp(r) / r**2))

    a = 7.0 * (1 - np.cos(np.linspace(0, math.pi, 3001)))
    t = 1 / (1 + ERFC_T * a)
    p = np.array([0.5 * math.erfc(v / math.sqrt(2)) * math.exp(v * v / 2) for v in a]) / t
    print(f"#define ERFC_T {hex_float(ERFC_T)}")
    show("ERFC", *fit_floats(t, p, 8, p))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fits the 16 levels of q4 (format/quant.c) to trained weights and prints them, with what they lose.

    fit_q4.py MODEL.safetensors     matrices [in, out] of f32: blocks are 32 neighbouring inputs of one output

Levels are integers within -63 .. 63, so that (level + 64) times an 8-bit activation fits twice into 16 bits; one of them
is 0, so that padding and what is exactly zero stay so. The method is Lloyd and Max's for a quantiser of least squared
error, with one difference: every block has a scale of its own, found for the levels as they are. So each round looks for
every block's best scale (a list of them, both signs, and a least-squares fit), then moves every level to the mean of the
weights that chose it, each weighted by its block's scale squared. At the end levels are rounded, and each is moved by one
as long as that helps. Which blocks are sampled moves some levels by one and the error by a thousandth, so the levels in
use are one of many answers that are equally good; they stay. Without a model: Gaussian weights, to see how much depends on it. Needs numpy.
"""
import json
import struct
import sys

import numpy as np

BLOCK, REACH = 32, 63
OURS = [-63, -49, -38, -30, -22, -16, -10, -5, 0, 5, 11, 17, 23, 31, 40, 52]
TRIES = [sign * c for c in range(44, 81, 3) for sign in (1, -1)]  # scale = largest magnitude / c
SAMPLE = 8000  # blocks


def matrices(path):
    """Name and matrix [out, in] of every weight of rank 2."""
    with open(path, "rb") as f:
        n = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(n))
        for name, t in header.items():
            if name == "__metadata__" or len(t["shape"]) != 2 or name.startswith(("wpe", "wte")):
                continue
            begin, end = t["data_offsets"]
            f.seek(8 + n + begin)
            yield name, np.frombuffer(f.read(end - begin), "<f4").reshape(t["shape"]).T


def best_scales(x, levels):
    """For each block (a row of x) its scale of least squared error, and that error."""
    bounds = (levels[1:] + levels[:-1]) / 2
    largest = np.abs(x).max(1)
    best_error, best = np.full(len(x), np.inf), np.ones(len(x))

    def keep(scale):
        y = levels[np.searchsorted(bounds, x / scale[:, None])]
        error = ((x - y * scale[:, None]) ** 2).sum(1)
        better = error < best_error
        best_error[better], best[better] = error[better], scale[better]

    for c in TRIES:
        keep(np.where(largest > 0, largest / c, 1))
    for _ in range(2):
        y = levels[np.searchsorted(bounds, x / best[:, None])]
        fitted = (x * y).sum(1) / np.maximum((y * y).sum(1), 1e-30)
        keep(np.where(fitted != 0, fitted, 1))
    return best, best_error


def fit(x, levels, rounds=25):
    for _ in range(rounds):
        scale, _ = best_scales(x, levels)
        u = x / scale[:, None]
        chosen = np.searchsorted((levels[1:] + levels[:-1]) / 2, u).ravel()
        weight = np.repeat(scale**2, BLOCK)
        total = np.bincount(chosen, weight, 16)
        mean = np.bincount(chosen, weight * u.ravel(), 16) / np.maximum(total, 1e-30)
        levels = np.sort(np.where(total > 0, mean, levels))
        levels[np.abs(levels).argmin()] = 0
        levels *= REACH / np.abs(levels).max()
    return levels


def total_error(x, levels):
    return best_scales(x, np.asarray(levels, float))[1].sum()


def settle(x, levels):
    """Whole levels: rounded, then each moved by one while that lessens the error."""
    levels = np.round(levels).astype(int)
    error, moved = total_error(x, levels), True
    while moved:
        moved = False
        for i in range(16):
            for step in (-1, 1):
                other = levels.copy()
                other[i] += step
                if levels[i] == 0 or abs(other[i]) > REACH or len(set(other)) < 16:
                    continue
                e = total_error(x, other)
                if e < error:
                    levels, error, moved = other, e, True
    return levels.tolist()


def rms(x, levels):
    return np.sqrt(total_error(x, levels) / x.size) * 1e5


def main():
    random = np.random.default_rng(0)
    samples = {"Gaussian": random.standard_normal((SAMPLE, BLOCK))}
    if len(sys.argv) > 1:
        samples = {name: w.reshape(-1, BLOCK).astype(float) for name, w in matrices(sys.argv[1])}
    x = np.concatenate(list(samples.values()))
    x = x[random.choice(len(x), min(SAMPLE, len(x)), replace=False)]
    levels = settle(x, fit(x, np.array(OURS, float)))
    print("fitted:", ", ".join(map(str, levels)))
    print("in use:", ", ".join(map(str, OURS)))
    for name, blocks in samples.items():
        print(f"{name}: rms error x 1e5: fitted {rms(blocks, levels):.2f}, in use {rms(blocks, OURS):.2f}")


main()

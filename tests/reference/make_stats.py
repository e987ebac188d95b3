#!/usr/bin/python3
"""Writes the figures of a tiny model's tensors as NumPy computes them, in float64.

    make_stats.py > hf.stats.json

The model is tests/models/foreign/hf/model.safetensors; tests/cli/stats.bats compares `ingot stats --json` with the result.
"""
import json
import os
import sys

import numpy as np

MODEL = os.path.join(os.path.dirname(__file__), "../models/foreign/hf/model.safetensors")
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
BARS = 32


def tensors(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    header.pop("__metadata__", None)
    for name, entry in sorted(header.items()):
        assert entry["dtype"] == "F32"
        begin, end = entry["data_offsets"]
        yield name, np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])


def cut(values):
    """Towards zero to 9 significant bits."""
    return (values.view("<u4") & np.uint32(0xFFFF8000)).view("<f4").astype("f8")


def histogram(values):
    low, high = float(values.min()), float(values.max())
    bars = np.floor((cut(values).ravel() - low) / (high - low) * BARS)
    return np.bincount(np.clip(bars, 0, BARS - 1).astype(int), minlength=BARS).tolist()


def octaves(values):
    exponents = (values.view("<u4").ravel()[values.ravel() != 0] >> 23 & 255).astype(int) - 127
    first = int(exponents.min())
    return {"first_exponent": first, "counts": np.bincount(exponents - first).tolist()}


def lines(matrix, axis):
    norms = np.linalg.norm(matrix.astype("f8"), axis=axis)
    return {"count": len(norms), "median_norm": np.median(norms), "max_norm": norms.max(),
            "outliers": int((norms > 6 * np.median(norms)).sum())}


def figures(values):
    wide = values.astype("f8")
    magnitudes = np.sort(np.abs(values), axis=None)
    out = {"elements": values.size, "zeros": int((values == 0).sum()), "min": wide.min(), "max": wide.max(),
           "mean": wide.mean(), "std": wide.std(), "histogram": histogram(values)}
    out["magnitude"] = {name: float(cut(magnitudes)[int(np.ceil(q * values.size)) - 1]) for name, q in QUANTILES.items()}
    out["magnitude"]["max"] = float(magnitudes[-1])
    return out


def describe(name, values):
    out = {"name": name, "octaves": octaves(values), **figures(values)}
    if values.ndim == 2:
        out["rows"], out["columns"] = lines(values, 1), lines(values, 0)
    return out


all_tensors = list(tensors(MODEL))
result = {"tensors": [describe(*t) for t in all_tensors],
          "total": figures(np.concatenate([values.ravel() for _, values in all_tensors]))}
json.dump(result, sys.stdout, separators=(",", ":"))
print()

#!/usr/bin/python3
"""Makes tests/models/gguf/every-type.gguf: a tensor of every type of GGUF, and what its blocks mean.

    make_gguf.py GGUF_PY      the folder gguf-py of llama.cpp (ggml-org/llama.cpp, MIT), which needs numpy

The file is written by gguf-py, and so are the expected values: tensor NAME has the bytes of random and of extreme blocks,
tensor NAME.values what gguf-py's quants.py decodes them to, as f32. Two encodings have no decoder there; theirs is one
multiplication, written below. The same bytes come out every time.
"""
import os
import sys

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(os.path.dirname(HERE), "models", "gguf")

# Where the f16 scales of a block stand.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "Q8_K": [], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}
# The greatest, the least, minus zero, infinity, not a number; one after the other in the scales of a block.
EXTREMES = [0x7BFF, 0x0001, 0x8000, 0x7C00, 0xFE00]
LISTED = ["Q8_1", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ3_S", "IQ2_S", "IQ1_M", "TQ1_0", "TQ2_0"]
PLAIN = ["float32", "float16", "float64", "int8", "int16", "int32", "int64"]


def put_f16(block, at, value):
    block[at:at + 2] = np.array([value], "<u2").view(np.uint8)


def some_scale(random):
    return int(np.float16(random.uniform(-0.1, 0.1)).view(np.uint16))


def make_blocks(random, name, n_elems, n_bytes):
    """Two ordinary blocks, one for each extreme (or for two, where there is room for few), one of ones."""
    extremes = EXTREMES if n_elems == 32 else EXTREMES[:3]
    rows = random.integers(0, 256, (3 + len(extremes), n_bytes), dtype=np.uint8)
    for i, row in enumerate(rows):
        for k, at in enumerate(SCALES[name]):
            put_f16(row, at, some_scale(random) if i < 2 else extremes[(i - 2 + k) % len(extremes)])
        if name == "Q8_K":
            row[:4] = np.array([[0.25, -1e-3, 3e38, 1e-45, np.inf, np.nan][i]], "<f4").view(np.uint8)
        if name == "MXFP4":
            row[0] = [120, 130, 0, 1, 2, 254, 255, 255][i]
    rows[-1] = 255
    return rows


def decode(gguf, kind, rows):
    if kind.name == "Q8_K":
        scale = rows[:, :4].copy().view("<f4")
        return scale * rows[:, 4:260].view(np.int8).astype(np.float32)
    return gguf.quants.dequantize(rows, kind).astype(np.float32)


def add_values(w):
    for bits in (8, 16, 32, 64):
        getattr(w, f"add_uint{bits}")(f"test.u{bits}", 2**bits - 1)
        getattr(w, f"add_int{bits}")(f"test.i{bits}", -2**(bits - 1))
    w.add_float32("test.f32", 1e-5)
    w.add_float64("test.f64", 0.1)
    w.add_bool("test.bool", True)
    w.add_string("test.string", "Gl\u00fcck")
    w.add_array("test.strings", ["a", "", "bc"])
    w.add_array("test.numbers", [1, -2, 3])


def main():
    sys.path.insert(0, sys.argv[1])
    import gguf
    np.seterr(all="ignore")
    random = np.random.default_rng(9)
    os.makedirs(OUT, exist_ok=True)
    w = gguf.GGUFWriter(os.path.join(OUT, "every-type.gguf"), "test")
    add_values(w)
    for name in SCALES:
        kind = gguf.GGMLQuantizationType[name]
        rows = make_blocks(random, name, *gguf.GGML_QUANT_SIZES[kind])
        w.add_tensor(name, rows, raw_dtype=kind)
        w.add_tensor(name + ".values", decode(gguf, kind, rows))
    for name in LISTED:
        kind = gguf.GGMLQuantizationType[name]
        w.add_tensor(name, np.zeros((2, gguf.GGML_QUANT_SIZES[kind][1]), np.uint8), raw_dtype=kind)
    for name in PLAIN:
        w.add_tensor(name, np.arange(-3, 3).reshape(1, 2, 3).astype(name))
    w.add_tensor("bfloat16", np.array([[1, 2, 3], [4, 5, 6]], np.uint16).view(np.uint8),
                 raw_dtype=gguf.GGMLQuantizationType.BF16)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()

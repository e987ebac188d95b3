#!/usr/bin/python3
"""Makes the files of tests/models/gguf, all of random numbers.

    make_gguf.py GGUF_PY [LLAMA_QUANTIZE]

GGUF_PY is the folder gguf-py of llama.cpp (ggml-org/llama.cpp, MIT), which needs numpy; LLAMA_QUANTIZE is llama.cpp's
program of that name, without which quantised.gguf stays as it is. The same bytes come out every time.

every-type.gguf: a tensor of every type of GGUF. The file is written by gguf-py, and so are the expected values: tensor
NAME has the bytes of random and of extreme blocks, tensor NAME.values what gguf-py's quants.py decodes them to, as f32.
Q8_K has no decoder there; its meaning is one multiplication, written below.

quantised.gguf: a GPT-2 of 2 layers, width 32, the 256 bytes and "he", as llama.cpp quantises it to Q5_0.
"""
import os
import subprocess
import sys
import tempfile

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


def write_file(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make_every_type(gguf, path):
    random = np.random.default_rng(9)
    w = gguf.GGUFWriter(path, "test")
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
    write_file(w)


def spelled_bytes():
    """openai/gpt-2, src/encoder.py: visible characters of Latin-1 spell themselves, the others follow from U+0100."""
    visible = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    hidden = [b for b in range(256) if b not in visible]
    return [chr(b) if b in visible else chr(256 + hidden.index(b)) for b in range(256)]


def make_model(gguf, path):
    random = np.random.default_rng(3)
    width, inner, context = 32, 128, 8
    w = gguf.GGUFWriter(path, "gpt2")
    w.add_context_length(context)
    w.add_embedding_length(width)
    w.add_block_count(2)
    w.add_feed_forward_length(inner)
    w.add_head_count(4)
    w.add_layer_norm_eps(1e-5)
    w.add_file_type(0)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list([*spelled_bytes(), "he", "<|endoftext|>"])
    w.add_token_types([1] * 257 + [3])
    w.add_token_merges(["h e"])
    parts = {"attn_norm.weight": [width], "attn_norm.bias": [width], "attn_qkv.weight": [3 * width, width],
             "attn_qkv.bias": [3 * width], "attn_output.weight": [width, width], "attn_output.bias": [width],
             "ffn_norm.weight": [width], "ffn_norm.bias": [width], "ffn_up.weight": [inner, width],
             "ffn_up.bias": [inner], "ffn_down.weight": [width, inner], "ffn_down.bias": [width]}
    shapes = {"token_embd.weight": [258, width], "position_embd.weight": [context, width]}
    for layer in range(2):
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in parts.items()}
    shapes |= {"output_norm.weight": [width], "output_norm.bias": [width]}
    for name, shape in shapes.items():
        w.add_tensor(name, (random.standard_normal(shape) * 0.02).astype(np.float32))
    write_file(w)


def main():
    sys.path.insert(0, sys.argv[1])
    import gguf
    np.seterr(all="ignore")
    os.makedirs(OUT, exist_ok=True)
    make_every_type(gguf, os.path.join(OUT, "every-type.gguf"))
    if len(sys.argv) < 3:
        return
    with tempfile.TemporaryDirectory() as scratch:
        model = os.path.join(scratch, "model.gguf")
        make_model(gguf, model)
        subprocess.run([sys.argv[2], model, os.path.join(OUT, "quantised.gguf"), "Q5_0"], check=True)


if __name__ == "__main__":
    main()

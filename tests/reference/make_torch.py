#!/usr/bin/env python3
"""Writes tests/models/torch/*.pt with PyTorch's own writer: every kind of file and of view that the reader knows.

    tests/reference/make_torch.py [DIRECTORY]

Element i of a storage has the value that test_source_torch.c expects there: i for integers, i / 4 for floats, so that
all dtypes hold it exactly. Made with PyTorch 1.13; needed only to make the files again.
"""
import collections
import os
import sys

import torch

out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "models", "torch")
os.makedirs(out, exist_ok=True)


def count(n, dtype=torch.float32):
    whole = torch.arange(n, dtype=torch.float64)
    return whole.to(dtype) if not dtype.is_floating_point else (whole / 4).to(dtype)


def save(name, value, **how):
    torch.save(value, os.path.join(out, name), **how)


def dtypes():
    return {
        "f64": count(5, torch.float64),
        "f32": count(5, torch.float32),
        "f16": count(5, torch.float16),
        "bf16": count(5, torch.bfloat16),
        "i64": count(5, torch.int64),
        "i32": count(5, torch.int32),
        "i16": count(5, torch.int16),
        "i8": count(5, torch.int8),
        "u8": count(5, torch.uint8),
        "bool": count(5, torch.int64) % 2 == 1,
        "c64": torch.complex(count(5), -count(5)),
        "c128": torch.complex(count(5, torch.float64), -count(5, torch.float64)),
    }


def views():
    base = count(24)
    cube = base.view(2, 3, 4)
    return {
        "cube": cube,
        "transposed": cube.permute(2, 0, 1),
        "middle": base[5:11],
        "every_third": base[1::3],
        "column": cube[:, :, 2],
        "expanded": base[7:8].expand(3, 5),
        "scalar": base[9],
        "nothing": cube[:, :, 4:],
        "one_row": cube[1:2, 0:1, 0:4],
    }


def parameters():
    norm = torch.nn.LayerNorm(3)
    linear = torch.nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.copy_(count(6).view(2, 3))
        linear.bias.copy_(count(2))
        norm.weight.copy_(count(3))
        norm.bias.copy_(count(3))
    return linear, norm


def nanogpt():
    """What nanoGPT's train.py writes, of a model with one matrix that is its own head."""
    linear, norm = parameters()
    optimizer = torch.optim.AdamW(linear.parameters(), lr=1e-3)
    linear(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    with torch.no_grad():
        linear.weight.copy_(count(6).view(2, 3))
    state = collections.OrderedDict()
    state["_orig_mod.transformer.wte.weight"] = linear.weight
    state["_orig_mod.transformer.ln_f.weight"] = norm.weight
    state["_orig_mod.lm_head.weight"] = linear.weight
    state._metadata = collections.OrderedDict([("", {"version": 1})])
    return {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "model_args": {"n_layer": 1, "n_head": 2, "bias": False, "dropout": 0.25, "vocab_size": None},
        "iter_num": 2000,
        "best_val_loss": torch.tensor(1.5),
        "config": {"dataset": "openwebtext", "device": torch.device("cpu"), "dtype": torch.float32, "betas": (0.9, 0.95)},
    }


linear, norm = parameters()
save("dtypes.pt", dtypes())
save("dtypes-legacy.pt", dtypes(), _use_new_zipfile_serialization=False)
save("views.pt", views())
save("views-legacy.pt", views(), _use_new_zipfile_serialization=False)
save("parameters.pt", {"weight": linear.weight, "list": [linear.bias, (norm.weight, {7: norm.bias})]})
save("nanogpt.pt", nanogpt())
save("protocol-4.pt", {"weight": count(6).view(2, 3)}, pickle_protocol=4)
save("protocol-4-legacy.pt", {"weight": count(6).view(2, 3)}, pickle_protocol=4, _use_new_zipfile_serialization=False)
save("sparse.pt", {"plain": count(2), "hollow": torch.eye(2).to_sparse()})
save("quantised.pt", {"plain": count(2), "coarse": torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8)})
save("module.pt", linear)

#!/usr/bin/python3
"""Makes the reference logits that tests/unit/test_reference.c compares ours with.

    make_reference.py RANDOM_CHECKPOINT [NAME...]      RANDOM_CHECKPOINT: the program of tests/tools

An independent, plain GPT-2 in float64: it reads a checkpoint's safetensors and config.json by its own few lines and
shares nothing with the project. Random models are made by RANDOM_CHECKPOINT, the same bytes everywhere, so only their
options are kept. Writes NAME.ref beside itself, as text:

    model PATH                 of a shipped model, from the repository's root; or
    checkpoint OPTION...       of random_checkpoint
    vocabulary N samples K     then any number of prompts:
    ids ID...                  followed by one line per position:
    POSITION ARGMAX MAX ARGMIN MIN LOGSUMEXP VALUE...

K values of position t are the logits of ids (K t + k) * 7919 mod N, k = 0 .. K - 1.
"""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
STRIDE = 7919
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

WILD = ["--std", "0.08", "--outliers", "3"]
# name: options of random_checkpoint, lengths of the prompts, samples per position
RANDOM = {
    "heads-of-16": (["--n_layer", "3", "--n_head", "3", "--n_embd", "48", "--n_vocab", "301", "--n_ctx", "64",
                     "--seed", "1"] + WILD, [1, 40], 12),
    "heads-25-of-64": (["--n_layer", "2", "--n_head", "25", "--n_embd", "1600", "--n_inner", "320", "--n_vocab", "97",
                        "--n_ctx", "48", "--seed", "2"] + WILD, [33], 12),
    "vocabulary-50257": (["--n_layer", "2", "--n_head", "2", "--n_embd", "64", "--n_vocab", "50257", "--n_ctx", "32",
                          "--seed", "3"] + WILD, [20], 48),
    "context-11": (["--n_layer", "2", "--n_head", "4", "--n_embd", "80", "--n_vocab", "3", "--n_ctx", "11",
                    "--seed", "4"] + WILD, [11, 4], 3),
    "untied-head": (["--n_layer", "2", "--n_head", "2", "--n_embd", "96", "--n_vocab", "211", "--n_ctx", "40",
                     "--untied", "--seed", "5"] + WILD, [30], 12),
    "gelu-erf": (["--n_layer", "3", "--n_head", "2", "--n_embd", "64", "--n_vocab", "199", "--n_ctx", "40",
                  "--activation", "gelu", "--seed", "6"] + WILD, [30], 12),
    # Outliers would make every variance large and epsilon invisible: small weights, as trained embeddings have.
    "epsilon-1e-6": (["--n_layer", "2", "--n_head", "2", "--n_embd", "64", "--n_vocab", "199", "--n_ctx", "40",
                      "--epsilon", "1e-06", "--seed", "7", "--std", "0.08"], [30], 12),
    "inner-not-4x": (["--n_layer", "2", "--n_head", "5", "--n_embd", "75", "--n_inner", "131", "--n_vocab", "199",
                      "--n_ctx", "40", "--seed", "8"] + WILD, [30], 12),
    "weights-f16": (["--n_layer", "3", "--n_head", "3", "--n_embd", "51", "--n_inner", "77", "--n_vocab", "199",
                     "--n_ctx", "40", "--dtype", "f16", "--seed", "12"] + WILD, [30], 12),
    "weights-bf16": (["--n_layer", "3", "--n_head", "3", "--n_embd", "51", "--n_inner", "77", "--n_vocab", "199",
                      "--n_ctx", "40", "--dtype", "bf16", "--seed", "10"] + WILD, [30], 12),
    "no-bias": (["--n_layer", "2", "--n_head", "2", "--n_embd", "64", "--n_vocab", "199", "--n_ctx", "40",
                 "--no-bias", "--seed", "11"] + WILD, [30], 12),
}


def read_checkpoint(directory):
    with open(os.path.join(directory, "config.json")) as f:
        config = json.load(f)
    with open(os.path.join(directory, "model.safetensors"), "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    tensors = {}
    for name, t in header.items():
        if name != "__metadata__":
            begin, end = t["data_offsets"]
            flat = torch.frombuffer(bytearray(data[begin:end]), dtype=DTYPES[t["dtype"]])
            tensors[name.removeprefix("transformer.")] = flat.reshape(t["shape"]).double()
    return config, tensors


def gelu(x, kind):
    if kind == "gelu":
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
    assert kind == "gelu_new", kind
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def logits(config, w, ids):
    """[n, n_vocab] for ids [n]; GPT-2 as its paper and released code have it, nothing cached."""

    def norm(name, x):
        x = x - x.mean(-1, keepdim=True)
        x = x / torch.sqrt((x * x).mean(-1, keepdim=True) + config["layer_norm_epsilon"])
        return x * w[name + ".weight"] + w.get(name + ".bias", 0)

    def linear(name, x):  # weights are [in, out]
        return x @ w[name + ".weight"] + w.get(name + ".bias", 0)

    n, width, n_head = len(ids), config["n_embd"], config["n_head"]
    future = torch.triu(torch.ones(n, n, dtype=torch.bool), 1)
    x = w["wte.weight"][ids] + w["wpe.weight"][:n]
    for i in range(config["n_layer"]):
        h = f"h.{i}."
        q, k, v = (part.reshape(n, n_head, width // n_head).transpose(0, 1)
                   for part in linear(h + "attn.c_attn", norm(h + "ln_1", x)).split(width, -1))
        scores = (q @ k.transpose(1, 2) / math.sqrt(width // n_head)).masked_fill(future, -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(n, width)
        x = x + linear(h + "attn.c_proj", mixed)
        inner = gelu(linear(h + "mlp.c_fc", norm(h + "ln_2", x)), config["activation_function"])
        x = x + linear(h + "mlp.c_proj", inner)
    return norm("ln_f", x) @ w.get("lm_head.weight", w["wte.weight"]).T


def text_of_its_own(config, w, n, seed):
    """Ids that a trained model finds plausible: drawn from it, from <|endoftext|> on."""
    generator = torch.Generator().manual_seed(seed)
    ids = [config["eos_token_id"]]
    while len(ids) < n:
        p = torch.softmax(logits(config, w, ids)[-1] / 0.8, -1)
        ids.append(int(torch.multinomial(p, 1, generator=generator)))
    return ids


def check_condition(name, config, w, ids, right):
    """Some random models amplify every rounding: then f32 has no right answer. Choose another seed for these."""
    single = logits(config, {key: value.float() for key, value in w.items()}, ids).double()
    tolerance = 2e-4 * (right.abs().amax(-1, keepdim=True) / 10).clamp(min=1)
    lost = ((single - right).abs() / tolerance).max()
    print(f"{name}: {len(ids)} positions, PyTorch's own f32 is off by {lost:.3f} of the tolerance")
    assert lost < 0.5, "ill-conditioned"


def write(name, source, config, w, prompts, samples):
    n_vocab = config["vocab_size"]
    with open(os.path.join(HERE, name + ".ref"), "w") as f:
        f.write(f"{source}\nvocabulary {n_vocab} samples {samples}\n")
        for ids in prompts:
            f.write("ids " + " ".join(map(str, ids)) + "\n")
            right = logits(config, w, ids)
            check_condition(name, config, w, ids, right)
            for t, row in enumerate(right):
                chosen = [(samples * t + k) * STRIDE % n_vocab for k in range(samples)]
                ends = f"{int(row.argmax())} {row.max():.7g} {int(row.argmin())} {row.min():.7g}"
                values = [row.logsumexp(0)] + [row[i] for i in chosen]
                f.write(f"{t} {ends} " + " ".join(f"{v:.7g}" for v in values) + "\n")


def main():
    program, wanted = sys.argv[1], sys.argv[2:]
    torch.set_num_threads(1)
    if not wanted or "bard" in wanted:
        path = "tests/models/bard"
        config, w = read_checkpoint(os.path.join(ROOT, path))
        prompts = [text_of_its_own(config, w, n, n) for n in (1, 7, 16, 33, config["n_ctx"])]
        write("bard", "model " + path, config, w, prompts, 4)
    for name, (options, lengths, samples) in RANDOM.items():
        if wanted and name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run([program, directory] + options, check=True)
            config, w = read_checkpoint(directory)
        generator = torch.Generator().manual_seed(1)
        prompts = [torch.randint(config["vocab_size"], (n,), generator=generator).tolist() for n in lengths]
        write(name, "checkpoint " + " ".join(options), config, w, prompts, samples)


if __name__ == "__main__":
    main()

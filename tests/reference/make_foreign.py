#!/usr/bin/python3
"""Makes tests/models/foreign: one tiny random GPT-2, the same weights, in every format that GPT-2s are released in.

    make_foreign.py [GGUF_PY]      GGUF_PY: the folder gguf-py of llama.cpp; without it the GGUF files stay as they are

Needs torch and numpy. What frameworks write is written by them (torch.save, gguf-py); what has no writer here is
written by the few lines below, from the format's description. The same bytes come out every time, but for the legacy
pickles, whose storages are named by their addresses.
"""
import collections
import json
import math
import os
import re
import struct
import sys

import numpy as np
import torch
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(os.path.dirname(HERE), "models", "foreign")
N_LAYER, N_HEAD, N_EMBD, N_CTX, N_MERGES = 2, 2, 16, 24, 20
N_INNER, N_VOCAB = 4 * N_EMBD, 256 + N_MERGES + 1
EOT = "<|endoftext|>"
PROSE = ("The ore is weighed, the ore is heated, and what the fire leaves is poured into the mould. When the mould is "
         "cold the ingot is weighed again, and the weight is written on the ingot and in the other book. ")
MATRICES = re.compile(r"(wte|wpe|c_attn|c_proj|c_fc)\.weight$")
PROJECTIONS = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")


def path(*parts):
    p = os.path.join(OUT, *parts)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    return p


def write(data, *parts):
    with open(path(*parts), "wb") as f:
        f.write(data)


def write_json(value, *parts, **options):
    write((json.dumps(value, **options) + "\n").encode(), *parts)


# ---------------------------------------------------------------------------------------------------- the tokenizer


def byte_spelling():
    """openai/gpt-2, src/encoder.py: visible characters of Latin-1 spell themselves, the others follow from U+0100."""
    visible = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    hidden = [b for b in range(256) if b not in visible]
    return {b: chr(b) for b in visible} | {b: chr(256 + i) for i, b in enumerate(hidden)}


def joined(word, pair):
    out = []
    for piece in word:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def train_bpe():
    """The most frequent pair first, the lesser pair of equals. Ids as GPT-2's: bytes in the spelling's order, merges."""
    spelling = byte_spelling()
    words = [[spelling[b] for b in word.encode()] for word in re.findall(r" ?[a-zA-Z]+| ?[^ a-zA-Z]+| +", PROSE)]
    merges = []
    while len(merges) < N_MERGES:
        counts = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        merges.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        words = [joined(word, merges[-1]) for word in words]
    tokens = [*spelling.values(), *(a + b for a, b in merges), EOT]
    assert len(set(tokens)) == N_VOCAB
    return tokens, merges


TOKENS, MERGES = train_bpe()


def token_bytes(token):
    byte_of = {c: b for b, c in byte_spelling().items()}
    return token.encode() if token == EOT else bytes(byte_of[c] for c in token)


def write_tokenizer(folder, vocab="vocab.json", merges="merges.txt"):
    write_json({token: i for i, token in enumerate(TOKENS)}, folder, vocab)
    write(("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in MERGES)).encode(), folder, merges)


# ------------------------------------------------------------------------------------------------------ the weights


def make_weights():
    """Names and orientation of Hugging Face: projections [in, out]."""
    g = torch.Generator().manual_seed(20260117)

    def normal(std, *shape, mean=0.0):
        return mean + std * torch.randn(*shape, generator=g)

    def norm(name):
        return {name + ".weight": normal(0.2, N_EMBD, mean=1.0), name + ".bias": normal(0.1, N_EMBD)}

    def linear(name, n_in, n_out):
        return {name + ".weight": normal(0.25, n_in, n_out), name + ".bias": normal(0.1, n_out)}

    w = {"wte.weight": normal(0.5, N_VOCAB, N_EMBD), "wpe.weight": normal(0.2, N_CTX, N_EMBD)}
    for i in range(N_LAYER):
        h = f"h.{i}."
        w |= norm(h + "ln_1") | linear(h + "attn.c_attn", N_EMBD, 3 * N_EMBD)
        w |= linear(h + "attn.c_proj", N_EMBD, N_EMBD) | norm(h + "ln_2")
        w |= linear(h + "mlp.c_fc", N_EMBD, N_INNER) | linear(h + "mlp.c_proj", N_INNER, N_EMBD)
    return w | norm("ln_f")


W = make_weights()

# ----------------------------------------------------------------------------------------------------- Hugging Face


def write_config(folder, dtype="float32"):
    write_json({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "activation_function": "gelu_new",
                "n_layer": N_LAYER, "n_head": N_HEAD, "n_embd": N_EMBD, "n_ctx": N_CTX, "n_positions": N_CTX,
                "vocab_size": N_VOCAB, "layer_norm_epsilon": 1e-05, "bos_token_id": N_VOCAB - 1,
                "eos_token_id": N_VOCAB - 1, "torch_dtype": dtype}, folder, "config.json", indent=2)


def raw(t):
    """The bytes of a tensor; numpy has no bf16."""
    return t.contiguous().view(torch.int16 if t.element_size() == 2 else torch.int32).numpy().tobytes()


def safetensors(tensors):
    words = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, t in tensors.items():
        begin, data = len(data), data + raw(t)
        header[name] = {"dtype": words[t.dtype], "shape": list(t.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def two_shards(tensors):
    names = list(tensors)
    middle = names.index(next(n for n in names if "h.1.attn" in n))
    return [{n: tensors[n] for n in part} for part in (names[:middle], names[middle:])]


def write_index(shards, files, *parts):
    total = sum(t.numel() * t.element_size() for shard in shards for t in shard.values())
    places = {name: file for shard, file in zip(shards, files) for name in shard}
    write_json({"metadata": {"total_size": total}, "weight_map": places}, *parts, indent=2)


def write_huggingface():
    for folder, dtype in (("hf", torch.float32), ("hf-f16", torch.float16), ("hf-bf16", torch.bfloat16)):
        write(safetensors({name: t.to(dtype) for name, t in W.items()}), folder, "model.safetensors")
        write_config(folder, str(dtype).removeprefix("torch."))
        write_tokenizer(folder)
    shards = two_shards({"transformer." + name: t for name, t in W.items()})
    files = [f"model-{i + 1:05}-of-00002.safetensors" for i in range(2)]
    for shard, file in zip(shards, files):
        write(safetensors(shard), "hf-sharded", file)
    write_index(shards, files, "hf-sharded", "model.safetensors.index.json")
    write_config("hf-sharded")
    write_tokenizer("hf-sharded")


# ---------------------------------------------------------------------------------------------------------- PyTorch


class Conv1D(nn.Module):
    def __init__(self, n_in, n_out, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))


class Norm(nn.Module):
    def __init__(self, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(N_EMBD))
        self.bias = nn.Parameter(torch.zeros(N_EMBD)) if bias else None


class Layers(nn.Module):
    """A module of named parts, so that a state_dict has the names of the original's."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)


def make_model(linear, n_rows, bias=True, masks=(), head=None):
    """head: None, "tied" or "untied". masks: buffers of each attention."""
    def attention():
        part = Layers(c_attn=linear(N_EMBD, 3 * N_EMBD, bias=bias), c_proj=linear(N_EMBD, N_EMBD, bias=bias))
        for name, value in masks:
            part.register_buffer(name, value.clone())
        return part

    def block():
        return Layers(ln_1=Norm(bias), attn=attention(), ln_2=Norm(bias),
                      mlp=Layers(c_fc=linear(N_EMBD, N_INNER, bias=bias), c_proj=linear(N_INNER, N_EMBD, bias=bias)))

    body = Layers(wte=nn.Embedding(n_rows, N_EMBD), wpe=nn.Embedding(N_CTX, N_EMBD),
                  h=nn.ModuleList(block() for _ in range(N_LAYER)), ln_f=Norm(bias))
    if head is None:
        return body
    model = Layers(transformer=body, lm_head=nn.Linear(N_EMBD, n_rows, bias=False))
    if head == "tied":
        model.lm_head.weight = body.wte.weight
    return model


def fill(model):
    """The weights of W, turned to the model's orientation; rows beyond W's are zero, an untied head is its own."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            name = name.replace("_orig_mod.", "").replace("transformer.", "")
            if name == "lm_head.weight":
                p.copy_(0.5 * torch.randn(p.shape, generator=torch.Generator().manual_seed(7)))
                continue
            value = W[name]
            if PROJECTIONS.search(name) and not any(isinstance(m, Conv1D) for m in model.modules()):
                value = value.T
            p.zero_()
            p[:len(value)] = value
    return model


def causal(dtype):
    return torch.tril(torch.ones(N_CTX, N_CTX)).view(1, 1, N_CTX, N_CTX).to(dtype)


def write_torch():
    masks = (("bias", causal(torch.uint8)), ("masked_bias", torch.tensor(-1e4)))
    full = fill(make_model(Conv1D, N_VOCAB, masks=masks, head="tied")).state_dict()
    bare = fill(make_model(Conv1D, N_VOCAB, masks=masks[:1])).state_dict()
    torch.save(full, path("torch-zip", "pytorch_model.bin"))
    torch.save(bare, path("torch-legacy", "pytorch_model.bin"), _use_new_zipfile_serialization=False)
    shards = two_shards({name: t for name, t in full.items() if name != "lm_head.weight"})
    files = [f"pytorch_model-{i + 1:05}-of-00002.bin" for i in range(2)]
    for shard, file in zip(shards, files):
        torch.save(shard, path("torch-sharded", file))
    write_index(shards, files, "torch-sharded", "pytorch_model.bin.index.json")
    for folder in ("torch-zip", "torch-legacy", "torch-sharded"):
        write_config(folder)
        write_tokenizer(folder)


def optimizer_after(n_steps, model):
    """As train.py groups the parameters; the steps leave the weights as they are."""
    params = list(model.parameters())
    groups = [{"params": [p for p in params if p.dim() >= 2], "weight_decay": 0.1},
              {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95))
    generator = torch.Generator().manual_seed(11)
    for _ in range(n_steps):
        for p in params:
            p.grad = 0.01 * torch.randn(p.shape, generator=generator)
        optimizer.step()
    return optimizer


def write_nanogpt(folder, bias, n_steps):
    n_rows = math.ceil(N_VOCAB / 64) * 64
    model = fill(Layers(_orig_mod=make_model(nn.Linear, n_rows, bias=bias, head="tied")))
    optimizer = optimizer_after(n_steps, model)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(),
                "model_args": {"n_layer": N_LAYER, "n_head": N_HEAD, "n_embd": N_EMBD, "block_size": N_CTX,
                               "bias": bias, "vocab_size": n_rows, "dropout": 0.0},
                "iter_num": n_steps, "best_val_loss": torch.tensor(3.25),
                "config": {"out_dir": "out-foreign", "eval_interval": 2000, "eval_only": False, "dataset": "ingots",
                           "batch_size": 12, "learning_rate": 6e-4, "beta2": 0.95, "decay_lr": True,
                           "device": "cuda", "dtype": "bfloat16", "compile": True}}, path(folder, "ckpt.pt"))


def write_mingpt():
    model = fill(make_model(nn.Linear, N_VOCAB, masks=(("bias", causal(torch.float32)),), head="untied"))
    torch.save(model.state_dict(), path("mingpt", "model.pt"))
    write_json({"system": {"seed": 3407, "work_dir": "./out/foreign"},
                "model": {"model_type": None, "n_layer": N_LAYER, "n_head": N_HEAD, "n_embd": N_EMBD,
                          "vocab_size": N_VOCAB, "block_size": N_CTX, "embd_pdrop": 0.1, "resid_pdrop": 0.1,
                          "attn_pdrop": 0.1},
                "trainer": {"device": "auto", "num_workers": 4, "max_iters": None, "batch_size": 64,
                            "learning_rate": 0.0005, "betas": [0.9, 0.95], "weight_decay": 0.1,
                            "grad_norm_clip": 1.0}}, "mingpt", "config.json", indent=4)


# ------------------------------------------------------------------------------------------------------- TensorFlow


def crc32c_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    return table


CRC32C = crc32c_table()


def masked_crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc = CRC32C[(crc ^ b) & 0xff] ^ crc >> 8
    crc ^= 0xffffffff
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def varint(n):
    out = b""
    while n > 0x7f:
        out, n = out + bytes([n & 0x7f | 0x80]), n >> 7
    return out + bytes([n])


def sstable_block(entries):
    """Keys without what they share with the key before; whole again every 16 entries, whose offsets follow."""
    out, restarts, before = b"", [0], b""
    for i, (key, value) in enumerate(entries):
        shared = len(os.path.commonprefix([before, key])) if i % 16 else 0
        if i and i % 16 == 0:
            restarts.append(len(out))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return out + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def sstable(entries, per_block):
    out, index = b"", []

    def add(block):
        nonlocal out
        handle = varint(len(out)) + varint(len(block))
        out += block + b"\0" + struct.pack("<I", masked_crc32c(block + b"\0"))
        return handle

    for i in range(0, len(entries), per_block):
        part = entries[i:i + per_block]
        index.append((part[-1][0], add(sstable_block(part))))
    footer = add(sstable_block([])) + add(sstable_block(index))
    return out + footer.ljust(40, b"\0") + struct.pack("<Q", 0xdb4775248b80fb57)


def tensorflow_name(name):
    name = re.sub(r"^h\.", "h", name).replace(".", "/")
    if name in ("wte/weight", "wpe/weight"):
        return "model/" + name[:3]
    norm = "/ln_" in "/" + name
    return "model/" + name.replace("weight", "g" if norm else "w").replace("bias", "b")


def bundle_entry(shape, off, data):
    """BundleEntryProto: dtype 1 (DT_FLOAT), shape, offset unless 0, size, checksum."""
    dims = b""
    for n in shape:
        size = b"\x08" + varint(n)
        dims += b"\x12" + varint(len(size)) + size
    out = b"\x08\x01\x12" + varint(len(dims)) + dims
    if off:
        out += b"\x20" + varint(off)
    return out + b"\x28" + varint(len(data)) + b"\x35" + struct.pack("<I", masked_crc32c(data))


def write_tensorflow():
    data, entries = b"", [(b"", bytes.fromhex("0801 1a020801"))]  # one shard, little-endian, version 1
    for name, t in sorted((tensorflow_name(name), t) for name, t in W.items()):
        shape = [1, *t.shape] if name.endswith("/w") else list(t.shape)
        entries.append((name.encode(), bundle_entry(shape, len(data), raw(t))))
        data += raw(t)
    write(sstable(entries, 20), "tensorflow", "model.ckpt.index")
    write(data, "tensorflow", "model.ckpt.data-00000-of-00001")
    write(b'model_checkpoint_path: "model.ckpt"\nall_model_checkpoint_paths: "model.ckpt"\n', "tensorflow",
          "checkpoint")
    write_json({"n_vocab": N_VOCAB, "n_ctx": N_CTX, "n_embd": N_EMBD, "n_head": N_HEAD, "n_layer": N_LAYER},
               "tensorflow", "hparams.json", indent=2)
    write_tokenizer("tensorflow", "encoder.json", "vocab.bpe")


# ------------------------------------------------------------------------------------------------------------- GGUF


def gguf_name(name):
    pairs = (("h.", "blk."), ("ln_1", "attn_norm"), ("attn.c_attn", "attn_qkv"), ("attn.c_proj", "attn_output"),
             ("ln_2", "ffn_norm"), ("mlp.c_fc", "ffn_up"), ("mlp.c_proj", "ffn_down"), ("ln_f", "output_norm"),
             ("wte", "token_embd"), ("wpe", "position_embd"))
    for a, b in pairs:
        name = name.replace(a, b)
    return name


def write_gguf(gguf, file, half):
    """As llama.cpp's convert_hf_to_gguf.py does: projections transposed; vectors and positions stay f32."""
    writer = gguf.GGUFWriter(path("gguf", file), "gpt2")
    writer.add_name("foreign")
    writer.add_block_count(N_LAYER)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(N_EMBD)
    writer.add_feed_forward_length(N_INNER)
    writer.add_head_count(N_HEAD)
    writer.add_layer_norm_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([gguf.TokenType.NORMAL] * (N_VOCAB - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges([f"{a} {b}" for a, b in MERGES])
    writer.add_bos_token_id(N_VOCAB - 1)
    writer.add_eos_token_id(N_VOCAB - 1)
    for name, t in W.items():
        value = (t.T if PROJECTIONS.search(name) else t).contiguous().numpy()
        small = half and MATRICES.search(name) and name != "wpe.weight"
        writer.add_tensor(gguf_name(name), value.astype(np.float16) if small else value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ------------------------------------------------------------------------------------------------------------ llm.c

SLOTS = ("wte.weight", "wpe.weight", "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias",
         "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias",
         "mlp.c_proj.weight", "mlp.c_proj.bias", "ln_f.weight", "ln_f.bias")


def write_llmc(file, version, dtype):
    """The header, then the slots in order, each stacked over the layers; the vocabulary padded with rows of zeros."""
    n_rows = math.ceil(N_VOCAB / 128) * 128
    header = [20240326, version, N_CTX, N_VOCAB, N_LAYER, N_HEAD, N_EMBD, n_rows]
    out = struct.pack("<256i", *header, *[0] * (256 - len(header)))
    for slot in SLOTS:
        names = [slot] if slot in W else [f"h.{i}.{slot}" for i in range(N_LAYER)]
        for t in (W[name] for name in names):
            if slot == "wte.weight":
                t = torch.cat([t, torch.zeros(n_rows - N_VOCAB, N_EMBD)])
            out += raw((t.T if PROJECTIONS.search(slot) else t).to(dtype))
    write(out, "llmc", file)


def write_llmc_tokenizer():
    header = [20240328, 2, N_VOCAB, N_VOCAB - 1]
    out = struct.pack("<256I", *header, *[0] * (256 - len(header)))
    for token in map(token_bytes, TOKENS):
        out += bytes([len(token)]) + token
    write(out, "llmc", "gpt2_tokenizer.bin")


def main():
    write_huggingface()
    write_torch()
    write_nanogpt("nanogpt", True, 1)
    write_nanogpt("nanogpt-nobias", False, 0)
    write_mingpt()
    write_tensorflow()
    write_llmc("model.bin", 3, torch.float32)
    write_llmc("model_bf16.bin", 5, torch.bfloat16)
    write_llmc_tokenizer()
    if len(sys.argv) > 1:
        sys.path.insert(0, sys.argv[1])
        import gguf
        write_gguf(gguf, "tiny.gguf", False)
        write_gguf(gguf, "tiny-f16.gguf", True)


if __name__ == "__main__":
    main()

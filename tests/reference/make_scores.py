#!/usr/bin/python3
"""Makes the reference that tests/cli/score.bats compares `ingot score` with.

    make_scores.py INGOT      INGOT: the program, which encodes the text

The float64 GPT-2 of make_reference.py over coriolanus.txt (Shakespeare, in the public domain). Writes bard.scores beside
itself: a line "CTX STRIDE START TOKENS NATS LIKELIEST" for each way to cut the text into windows; START is 1 where
<|endoftext|> stands before it.
"""
import json
import os
import subprocess
import sys

import torch

from make_reference import HERE, ROOT, logits, read_checkpoint

CUTS = [(256, 128, 1), (256, 128, 0), (256, 256, 1), (64, 16, 1), (10, 3, 0), (1, 1, 1)]


def window_of(target, ctx, stride):
    """The first window whose positions, of which each predicts the id behind it, hold target - 1."""
    begin = 0
    while target - 1 >= begin + ctx:
        begin += stride
    return begin


def main():
    directory = os.path.join(ROOT, "tests/models/bard")
    config, w = read_checkpoint(directory)
    model = os.path.join(HERE, "scores.ingot")
    subprocess.run([sys.argv[1], "convert", directory, "-o", model], check=True)
    with open(os.path.join(HERE, "coriolanus.txt"), "rb") as text:
        ids = json.loads(subprocess.run([sys.argv[1], "tokenize", model, "--json"], stdin=text, check=True,
                                        capture_output=True).stdout)["ids"]
    os.unlink(model)
    with open(os.path.join(HERE, "bard.scores"), "w", encoding="ascii") as out:
        for ctx, stride, start in CUTS:
            sequence = [config["eos_token_id"]] * start + ids
            nats, likeliest, last, rows = 0.0, 0, None, None
            for target in range(1, len(sequence)):
                begin = window_of(target, ctx, stride)
                if begin != last:
                    rows = logits(config, w, sequence[begin:begin + ctx]).log_softmax(-1)
                    last = begin
                row = rows[target - 1 - begin]
                nats -= float(row[sequence[target]])
                likeliest += int(row.argmax()) == sequence[target]
            out.write(f"{ctx} {stride} {start} {len(sequence) - 1} {nats:.9g} {likeliest}\n")


main()

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GGUF files of a few kilobytes, of a model of two layers: seeds for a fuzzer, and hostile tests.

    tiny_gguf.py DIRECTORY      writes one file for each type that is read
"""
import pathlib
import sys

import numpy as np

from write_gguf import BOOL, FLOAT32, INT32, STRING, UINT32, File

# Name, number, elements and bytes of a block.
BLOCKS = (("F32", 0, 1, 4), ("F16", 1, 1, 2), ("BF16", 30, 1, 2), ("Q4_0", 2, 32, 18), ("Q4_1", 3, 32, 20),
          ("Q5_0", 6, 32, 22), ("Q5_1", 7, 32, 24), ("Q8_0", 8, 32, 34), ("Q2_K", 10, 256, 84),
          ("Q3_K", 11, 256, 110), ("Q4_K", 12, 256, 144), ("Q5_K", 13, 256, 176), ("Q6_K", 14, 256, 210),
          ("IQ4_NL", 20, 32, 18), ("IQ4_XS", 23, 256, 136))
LAYERS, HIDDEN, WIDTH = 2, 8, 4


def vocabulary(file):
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    types = [3, 3, 3, 2, 3, 3]
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    types += [6] * 256
    pieces += ["\u2581", "a", "b", "ab", "\u2581ab", "  "]
    types += [1, 1, 1, 1, 1, 4]
    file.key("tokenizer.ggml.model", STRING, "llama")
    file.key("tokenizer.ggml.tokens", STRING, pieces)
    file.key("tokenizer.ggml.token_type", INT32, types)
    file.key("tokenizer.ggml.scores", FLOAT32, [-float(i) for i in range(len(pieces))])
    file.key("tokenizer.ggml.bos_token_id", UINT32, 2)
    return len(pieces)


def write(path, block, data=None):
    """`data`: blocks of bytes, a row each, for blk.0.attn_q; else two random ones."""
    name, number, elements, size = block
    file = File()
    file.key("general.architecture", STRING, "gemma3n")
    for key, value in (("block_count", LAYERS), ("context_length", 64), ("embedding_length", HIDDEN),
                       ("feed_forward_length", 16), ("attention.head_count", 2),
                       ("attention.head_count_kv", 1), ("attention.key_length", 4),
                       ("embedding_length_per_layer_input", WIDTH), ("attention.shared_kv_layers", 0)):
        file.key("gemma3n." + key, UINT32, value)
    file.key("gemma3n.activation_sparsity_scale", FLOAT32, [1.6448534, float("-inf")])
    file.key("gemma3n.attention.sliding_window_pattern", BOOL, [True, False])
    rows = vocabulary(file)
    rng = np.random.default_rng(number)

    def floats(tensor, *shape):
        file.tensor(tensor, shape, "F32", rng.standard_normal(shape).astype("<f4").tobytes())

    floats("token_embd.weight", rows, HIDDEN)
    floats("per_layer_token_embd.weight", rows, LAYERS * WIDTH)
    floats("altup_proj.weight", 3, HIDDEN, HIDDEN)
    for layer in range(LAYERS):
        floats(f"blk.{layer}.laurel_l.weight", 2, HIDDEN)
    if data is None:
        data = rng.integers(0, 120, (2, size), dtype=np.uint8)
    file.tensor("blk.0.attn_q.weight", (len(data), elements), name, data.tobytes())
    file.write(path)


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(exist_ok=True)
    for block in BLOCKS:
        write(directory / f"{block[0]}.gguf", block)


if __name__ == "__main__":
    main()

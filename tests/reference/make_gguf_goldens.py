#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Blocks of every quantized type of GGUF and what they mean by the `gguf` package (PyPI), for
src/tensor/blocks_test.cc:

  pip install gguf && tests/reference/make_gguf_goldens.py tests/goldens/gguf/blocks.bin

The file holds for each type, in the order of TYPES, two blocks of random bytes with finite scales,
then their elements as float32.
"""
import sys

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGML_QUANT_SIZES
from gguf.quants import dequantize

# The types, and where the f16 numbers of a block lie.
TYPES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
         "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}
BLOCKS = 2


def random_blocks(name, blocks, rng):
    size = GGML_QUANT_SIZES[Type[name]][1]
    data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
    for at in TYPES[name]:
        halves = (rng.standard_normal(blocks) * 10.0 ** rng.integers(-7, 2, blocks)).astype("<f2")
        data[:, at:at + 2] = halves.view(np.uint8).reshape(blocks, 2)
    return data


def main():
    rng = np.random.default_rng(3)
    with open(sys.argv[1], "wb") as file:
        for name in TYPES:
            data = random_blocks(name, BLOCKS, rng)
            file.write(data.tobytes())
            file.write(dequantize(data.reshape(-1), Type[name]).astype("<f4").tobytes())


if __name__ == "__main__":
    main()

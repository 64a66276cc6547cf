# SPDX-License-Identifier: Apache-2.0
"""GGUF files read by us and by others: blocks as the `gguf` package decodes them, answers as llama.cpp gives them.

The last test wants llama.cpp's quantizer: LLAMA_PYTHON names a Python that has it (`pip install llama-cpp-python`
compiles llama.cpp, which takes long: it is no part of the requirements).
"""
import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
from gguf import GGUFReader, GGMLQuantizationType
from gguf.quants import dequantize

from conftest import ROOT, run
from llama_cpp_server import greedy, log_probabilities
from test_gguf import PROMPT, VOCABULARY, normalized, our_logits, text_model  # noqa: F401 (a fixture)

sys.path.insert(0, str(ROOT / "tests/reference"))
sys.path.insert(0, str(ROOT / "tests/tools"))
import make_gguf_goldens  # noqa: E402
import read_packed  # noqa: E402
import tiny_gguf  # noqa: E402
import write_gguf  # noqa: E402

LLAMA_PYTHON = os.environ.get("LLAMA_PYTHON")
QUANTIZED = [block for block in tiny_gguf.BLOCKS if block[0] in make_gguf_goldens.TYPES]
NAME = "model.language_model.layers.0.self_attn.q_proj.weight"


@pytest.mark.parametrize("block", QUANTIZED, ids=[block[0] for block in QUANTIZED])
def test_every_element_is_what_the_package_says(block, tmp_path):
    """500 random blocks; the packed file that is made of them holds their elements as F16."""
    name, _, elements, _ = block
    data = make_gguf_goldens.random_blocks(name, 500, np.random.default_rng(9))
    tiny_gguf.write(tmp_path / "x.gguf", block, data)
    run("quantize", tmp_path / "x.gguf", "--recipe", "bf16", "-o", tmp_path / "x.g3n")
    packed = (tmp_path / "x.g3n").read_bytes()
    entry = read_packed.read_header(packed)["tensors"][NAME]
    assert entry["dtype"] == "F16" and entry["shape"] == [500, elements]
    ours = read_packed.read_tensor(packed, entry)
    with np.errstate(over="ignore"):
        theirs = dequantize(data, GGMLQuantizationType[name]).astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(ours, theirs)


def as_floats(source, target):
    """The same model with every tensor decoded to F32 by the `gguf` package."""
    reader, file, raw = GGUFReader(source), write_gguf.File(), source.read_bytes()
    for tensor in reader.tensors:
        shape = [int(dim) for dim in reversed(tensor.shape.tolist())]
        values = dequantize(tensor.data, tensor.tensor_type).astype("<f4")
        file.tensor(tensor.name, shape, "F32", values.tobytes())
    # The metadata as they are: everything between the counts and the first tensor's name.
    first = reader.tensors[0].name.encode()
    keys = raw[24:raw.index(struct.pack("<Q", len(first)) + first)]
    head = b"GGUF" + struct.pack("<IQ", 3, len(file.entries)) + raw[16:24] + keys + b"".join(file.entries)
    target.write_bytes(head + bytes(-len(head) % 32) + b"".join(file.data))


def test_our_own_files_are_read_back_bit_for_bit(text_model, tmp_path):  # noqa: F811
    model, place = text_model
    np.testing.assert_array_equal(our_logits(place / "f16.gguf", PROMPT, tmp_path / "a.npy"),
                                  our_logits(model, PROMPT, tmp_path / "b.npy"))


def test_the_same_64_tokens_of_the_same_file(text_model, tmp_path):  # noqa: F811
    model, place = text_model
    ids = greedy(place / "f16.gguf", PROMPT, 64)
    ours = our_logits(place / "f16.gguf", [*PROMPT, *ids], tmp_path / "ours.npy")[len(PROMPT) - 1:-1]
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    ours[:, [vocabulary["<eos>"], vocabulary["<end_of_turn>"]]] = -np.inf  # what ends a text is forbidden to both
    np.testing.assert_array_equal(ours.argmax(-1), ids)


@pytest.mark.skipif(not LLAMA_PYTHON, reason="LLAMA_PYTHON names no Python with llama-cpp-python")
@pytest.mark.parametrize("kind", [block[0] for block in QUANTIZED] + ["BF16"])
def test_quantized_files_are_as_near_as_llama_cpp_is(text_model, tmp_path, kind):  # noqa: F811
    """Both are compared with float arithmetic on the decoded weights. llama.cpp rounds what a matrix is
    multiplied by, for every 32 or 256 numbers; we do for every 128, and bring the weights into 8 bits as well."""
    source, f16 = tmp_path / f"{kind}.gguf", text_model[1] / "f16.gguf"
    subprocess.run([LLAMA_PYTHON, pathlib.Path(__file__).with_name("llama_quantize.py"), f16, source, kind], check=True,
                   capture_output=True)
    as_floats(source, tmp_path / "floats.gguf")
    lengths = [1, 2, 3, 5, 8, 13, 21, 34, 55, 71]
    found = log_probabilities(source, [PROMPT[:n] for n in lengths], VOCABULARY)
    assert len(found) >= 3

    def of(model):
        every = normalized(our_logits(model, PROMPT, tmp_path / "out.npy"))
        return np.stack([every[lengths[number] - 1] for number in found])

    exact, ours, theirs = of(tmp_path / "floats.gguf"), of(source), np.array(list(found.values()))
    error, their_error = np.linalg.norm(ours - exact), np.linalg.norm(theirs - exact)
    print(f"{kind}: {error / np.linalg.norm(exact):.4f}, llama.cpp {their_error / np.linalg.norm(exact):.4f}")
    assert error < 2.5 * their_error

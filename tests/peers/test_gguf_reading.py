# SPDX-License-Identifier: Apache-2.0
"""GGUF files read by us and by others: blocks as the `gguf` package decodes them, and, where LLAMA_PYTHON names a
Python that has llama-cpp-python, logits of the same files as llama.cpp computes them."""
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
from gguf import GGUFReader, GGMLQuantizationType
from gguf.quants import dequantize

from conftest import ROOT, run, synthesize
from test_gguf import PROMPT, llama, llama_config, needs_llama, our_logits

sys.path.insert(0, str(ROOT / "tests/reference"))
sys.path.insert(0, str(ROOT / "tests/tools"))
import make_gguf_goldens  # noqa: E402
import read_packed  # noqa: E402
import tiny_gguf  # noqa: E402
import write_gguf  # noqa: E402

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


@pytest.fixture(scope="module")
def f16(tmp_path_factory):
    place = tmp_path_factory.mktemp("reading")
    model = synthesize(place / "model", llama_config(), seed=3, dtype="f16")
    run("quantize", model, "--to", "gguf", "--recipe", "f16", "-o", place / "f16.gguf")
    return model, place / "f16.gguf"


def test_our_own_files_are_read_back_bit_for_bit(f16, tmp_path):
    model, gguf = f16
    np.testing.assert_array_equal(our_logits(gguf, PROMPT, tmp_path / "a.npy"),
                                  our_logits(model, PROMPT, tmp_path / "b.npy"))


@needs_llama
def test_64_greedy_tokens_of_the_same_file(f16, tmp_path):
    theirs = llama(f16[1], 64, tmp_path / "f16.npz", ",".join(map(str, PROMPT)))
    ours = our_logits(f16[1], [*PROMPT, *theirs["ids"]], tmp_path / "ours.npy")
    steps = ours[len(PROMPT) - 1:-1]
    # llama.cpp's sparse layers take the deviation of a sample: where two tokens are as near as that, either is right.
    behind = steps.max(-1) - steps[np.arange(64), theirs["ids"]]
    assert (behind == 0).sum() >= 60 and (behind < 0.05 * steps.std()).all(), behind


@needs_llama
@pytest.mark.parametrize("kind", [block[0] for block in QUANTIZED] + ["BF16"])
def test_quantized_files_are_as_near_as_llama_cpp_is(f16, tmp_path, kind):
    """Both are compared with float arithmetic on the decoded weights. llama.cpp rounds what a matrix is
    multiplied by, for every 32 or 256 numbers; we do for every 128, and bring the weights into 8 bits as well."""
    source = tmp_path / f"{kind}.gguf"
    subprocess.run([os.environ["LLAMA_PYTHON"], pathlib.Path(__file__).with_name("llama_quantize.py"), f16[1], source,
                    kind], check=True, capture_output=True)
    as_floats(source, tmp_path / "floats.gguf")
    exact = our_logits(tmp_path / "floats.gguf", PROMPT, tmp_path / "exact.npy")
    ours = our_logits(source, PROMPT, tmp_path / "ours.npy")
    theirs = llama(source, 0, tmp_path / "theirs.npz", ",".join(map(str, PROMPT)))["logits"]
    size = np.linalg.norm(exact)
    error, their_error = np.linalg.norm(ours - exact) / size, np.linalg.norm(theirs - exact) / size
    print(f"{kind}: ours {error:.4f}, llama.cpp {their_error:.4f}")
    assert error < 2.5 * their_error

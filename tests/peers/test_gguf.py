# SPDX-License-Identifier: Apache-2.0
"""GGUF files of ours, read by the `gguf` package and run by llama.cpp."""
import json
import pathlib

import numpy as np
import pytest
from gguf import GGUFReader
from gguf.quants import dequantize
from llama_cpp_server import greedy, log_probabilities, serve
from tokenizers import Tokenizer

from conftest import GEMMA_TOKENIZER, run, synthesize, tiny_config

VOCABULARY = 544
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


def text_config():
    """The text model alone. Ids of the modalities have embeddings of their own in whole models, which llama.cpp
    does not know; it takes the token table's rows."""
    return {**llama_config()["text_config"], "architectures": ["Gemma3nForCausalLM"], "tie_word_embeddings": False,
            "vocab_size_per_layer_input": VOCABULARY - 8, "eos_token_id": 1}


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


@pytest.fixture(scope="module")
def text_model(tmp_path_factory):
    """The same for the text model alone."""
    place = tmp_path_factory.mktemp("gguf_text")
    model = synthesize(place / "model", text_config(), seed=3, dtype="f16")
    calm(model, 0.25)
    for recipe in ("f16", "q8_0", "q4_0"):
        run("quantize", model, "--to", "gguf", "--recipe", recipe, "-o", place / f"{recipe}.gguf")
    return model, place


def calm(model, factor):
    """Makes what every layer adds smaller. 30 layers of plain random weights magnify any rounding until the
    answers have nothing in common."""
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    length = int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8:8 + length]).items():
        if any(norm in name for norm in ("post_attention_", "post_feedforward_", "post_per_layer_", "post_laurel_")):
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values = np.frombuffer(data[begin:end], np.float16)
            data[begin:end] = (values * np.float16(factor)).tobytes()
    path.write_bytes(data)


def our_logits(model, ids, out):
    run("logits", "-m", model, "--ids", ",".join(map(str, ids)), "--out", out)
    return np.load(out).astype(np.float64)


def normalized(logits):
    """Log-probabilities."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


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


def greedy_and_ours(model, gguf, tmp_path):
    """(64 tokens that llama.cpp takes, [64, vocabulary] logits of ours before each)"""
    ids = greedy(gguf, PROMPT, 64)
    assert len(ids) == 64 and len(set(ids)) > 24  # a text, not one token over and over
    ours = our_logits(model, [*PROMPT, *ids], tmp_path / "ours.npy")[len(PROMPT) - 1:-1]
    vocabulary = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    ours[:, [vocabulary["<eos>"], vocabulary["<end_of_turn>"]]] = -np.inf  # what ends a text is forbidden to both
    return ids, ours


def test_llama_cpp_says_the_same_64_tokens(text_model, tmp_path):
    model, place = text_model
    ids, ours = greedy_and_ours(model, place / "f16.gguf", tmp_path)
    np.testing.assert_array_equal(ours.argmax(-1), ids)


def test_llama_cpp_runs_cut_files(text_model, tmp_path):
    """Layers left out and one narrower width: within what it has built in, as E2B is of E4B. Each token is our
    likeliest, or as likely as makes no difference."""
    model, place = text_model
    for source, out in ((model, "model"), (place / "f16.gguf", "cut.gguf")):
        run("slice", source, "--size", "ffn=512 skip=20-24", "-o", tmp_path / out)
    ids, ours = greedy_and_ours(tmp_path / "model", tmp_path / "cut.gguf", tmp_path)
    behind = ours.max(-1) - ours[np.arange(64), ids]
    assert (behind < 0.02 * ours[np.isfinite(ours)].std()).all(), behind.max()
    assert (behind == 0).sum() > 60


# Before matrices of F16 llama.cpp rounds activations to F16, before those of blocks to 8 bits, and it takes GELU from
# a table of F16.
@pytest.mark.parametrize("recipe, bound", [("f16", 0.005), ("q8_0", 0.05), ("q4_0", 0.4)])
def test_llama_cpp_is_near(text_model, tmp_path, recipe, bound):
    model, place = text_model
    lengths = [1, 2, 3, 5, 8, 13, 21, 34, 55, 71]
    found = log_probabilities(place / f"{recipe}.gguf", [PROMPT[:n] for n in lengths], VOCABULARY)
    assert len(found) >= 3
    ours = normalized(our_logits(model, PROMPT, tmp_path / "ours.npy"))
    ours = np.stack([ours[lengths[number] - 1] for number in found])
    theirs = np.array(list(found.values()))
    error = np.sqrt(np.mean((theirs - ours) ** 2)) / ours.std()
    print(recipe, error)
    assert 0 < error < bound


def smaller_tokenizer(path, merges):
    """Gemma's real vocabulary, cut to what its first merges make: llama.cpp wants a row of 7680 numbers for
    every piece. Ids are dealt anew, control tokens first. Returns how many there are."""
    tokenizer = json.loads(GEMMA_TOKENIZER.read_text())
    model, added = tokenizer["model"], tokenizer["added_tokens"]
    pairs = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
    joints = {a + b for a, b in pairs}
    kept = {token["content"] for token in added} | {a + b for a, b in pairs[:merges]}
    kept |= {piece for piece in model["vocab"] if piece not in joints and (len(piece) > 1 or ord(piece) < 0x3000)}
    kept -= {piece for piece in kept if piece.startswith("<unused")}
    pieces = sorted((piece for piece in model["vocab"] if piece in kept), key=model["vocab"].get)
    model["vocab"] = {piece: number for number, piece in enumerate(pieces)}
    model["merges"] = [[a, b] for a, b in pairs if a in kept and b in kept and a + b in kept]
    tokenizer["added_tokens"] = [{**token, "id": model["vocab"][token["content"]]} for token in added
                                 if token["content"] in model["vocab"]]
    path.write_text(json.dumps(tokenizer))
    return len(pieces)


def test_llama_cpp_tokenizes_alike(tmp_path):
    """Through scores what Hugging Face `tokenizers` does through merges."""
    pieces = smaller_tokenizer(tmp_path / "tokenizer.json", 12_000)
    config = {**text_config(), "num_hidden_layers": 20, "num_kv_shared_layers": 0, "hidden_size": 32,
              "intermediate_size": 32, "vocab_size": pieces, "vocab_size_per_layer_input": pieces}
    for name in ("layer_types", "activation_sparsity_pattern"):
        config[name] = config[name][:20]
    (tmp_path / "wanted.json").write_text(json.dumps(config))
    run("synth", "--like", tmp_path / "wanted.json", "--tokenizer", tmp_path / "tokenizer.json", "--out",
        tmp_path / "model")
    run("quantize", tmp_path / "model", "--to", "gguf", "-o", tmp_path / "gemma.gguf")
    lines = [line.strip() for path in sorted(pathlib.Path(__file__).parents[2].glob("docs/*.md"))
             for line in path.read_text().splitlines() if line.strip()]
    lines += ["Grüße aus Köln, 東京 und Санкт-Петербург", "नमस्ते दुनिया", "😀🏳️‍🌈 👨‍👩‍👧", "a  b   c    d", "x\ty"]
    with serve(tmp_path / "gemma.gguf") as ask:
        found = [ask("/tokenize", {"content": line, "add_special": False, "parse_special": True})["tokens"]
                 for line in lines]
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    wanted = [reference.encode(line, add_special_tokens=False).ids for line in lines]
    assert sum(map(len, wanted)) < 0.7 * sum(map(len, lines))  # merges are at work
    assert [line for line, a, b in zip(lines, found, wanted) if a != b] == []

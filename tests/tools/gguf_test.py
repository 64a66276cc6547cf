# SPDX-License-Identifier: Apache-2.0
"""What `quantize --to gguf` writes, read back by a reader of its own.

    gguf_test.py GEMMA3N
"""
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import read_gguf
from read_safetensors import read_safetensors

GEMMA3N = sys.argv.pop(1)
TEXT = "model.language_model."


def run(*arguments):
    return subprocess.run([GEMMA3N, *map(str, arguments)], check=True, capture_output=True, text=True)


def small_config(place):
    """A model within the sizes that llama.cpp has built in, as small as they allow."""
    run("synth", "--like", "tiny", "--out", place / "tiny")
    config = json.loads((place / "tiny/config.json").read_text())
    text = config["text_config"]
    text.update(num_hidden_layers=22, num_kv_shared_layers=2, hidden_size=256, hidden_size_per_layer_input=256,
                laurel_rank=64, num_attention_heads=4, head_dim=32, intermediate_size=512,
                layer_types=[("sliding", "full")[i % 5 == 4] + "_attention" for i in range(22)],
                activation_sparsity_pattern=[0.95 if i < 10 else 0.0 for i in range(22)])
    return config


class Gguf(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        place = pathlib.Path(cls.place.name)
        (place / "config.json").write_text(json.dumps(small_config(place)))
        cls.model = place / "model"
        run("synth", "--like", place / "config.json", "--seed", 5, "--out", cls.model)
        cls.weights = read_safetensors(cls.model / "model.safetensors")
        cls.files, cls.said = {}, {}
        for recipe in ("f16", "q8_0", "q4_0"):
            said = run("quantize", cls.model, "--to", "gguf", "--recipe", recipe, "-o", place / f"{recipe}.gguf",
                       *(("--mmproj", place / "mmproj.gguf") if recipe == "f16" else ()))
            cls.files[recipe], cls.said[recipe] = (place / f"{recipe}.gguf").read_bytes(), said.stderr
        cls.mmproj = (place / "mmproj.gguf").read_bytes()

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def near(self, found, source, kind, name):
        bound = {"F32": 0, "F16": 1e-4, "Q8_0": 0.01, "Q4_0": 0.1, "Q6_K": 0.03}[kind]
        self.assertEqual(found.size, source.size, name)
        error = np.linalg.norm(found.reshape(-1) - source.reshape(-1)) / max(np.linalg.norm(source), 1e-9)
        self.assertLessEqual(error, bound, f"{name} {kind}")

    def test_layers_are_their_sources(self):
        names = {"attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_output": "self_attn.o_proj",
                 "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
                 "post_ffw_norm": "post_feedforward_layernorm", "altup_router": "altup.modality_router",
                 "altup_predict_coef": "altup.prediction_coefs", "laurel_l": "laurel.linear_left",
                 "inp_gate": "per_layer_input_gate", "proj": "per_layer_projection"}
        for data in self.files.values():
            _, tensors = read_gguf.read(data)
            self.assertEqual(len(tensors), 24 * 22 + 7)
            for layer in range(22):
                for theirs, ours in names.items():
                    entry = tensors[f"blk.{layer}.{theirs}.weight"]
                    source = self.weights[f"{TEXT}layers.{layer}.{ours}.weight"]
                    self.assertEqual(entry["shape"], list(source.shape))
                    self.near(read_gguf.tensor(data, entry), source, entry["type"], ours)

    def test_types_are_those_of_the_recipe(self):
        wanted = {"f16": ("F16", "F16", "F16"), "q8_0": ("Q8_0", "Q8_0", "F16"), "q4_0": ("Q4_0", "Q6_K", "F16")}
        for recipe, (matrix, table, kept) in wanted.items():
            _, tensors = read_gguf.read(self.files[recipe])
            for name in ("blk.0.attn_k", "blk.3.ffn_down", "blk.21.proj"):
                self.assertEqual(tensors[name + ".weight"]["type"], matrix)
            for name in ("token_embd", "per_layer_token_embd"):
                self.assertEqual(tensors[name + ".weight"]["type"], table)
            for name in ("altup_proj", "blk.1.laurel_r", "per_layer_model_proj"):
                self.assertEqual(tensors[name + ".weight"]["type"], kept)
            for name in ("output_norm", "blk.1.altup_correct_scale", "blk.1.altup_router"):
                self.assertEqual(tensors[name + ".weight"]["type"], "F32")

    def test_tables_have_a_row_for_every_token_and_stacks_all_their_matrices(self):
        for data in self.files.values():
            _, tensors = read_gguf.read(data)
            entry = tensors["per_layer_token_embd.weight"]
            self.assertEqual(entry["shape"], [544, 22 * 256])
            source = self.weights[TEXT + "embed_tokens_per_layer.weight"]
            found = read_gguf.tensor(data, entry)
            self.near(found[:512], source, entry["type"], "table")
            np.testing.assert_array_equal(found[512:], np.broadcast_to(found[0], (32, 22 * 256)))
            entry = tensors["altup_unembd_proj.weight"]
            stack = np.stack([self.weights[f"{TEXT}altup_unembed_projections.{i}.weight"] for i in range(3)])
            self.assertEqual(entry["shape"], list(stack.shape))
            self.near(read_gguf.tensor(data, entry), stack, entry["type"], "stack")

    def test_keys_of_sharing_layers_are_there_and_zero(self):
        for data in self.files.values():
            _, tensors = read_gguf.read(data)
            self.assertTrue(read_gguf.tensor(data, tensors["blk.19.attn_k.weight"]).any())
            for name, shape in (("attn_k", [64, 256]), ("attn_v", [64, 256]), ("attn_k_norm", [32])):
                entry = tensors[f"blk.20.{name}.weight"]
                self.assertEqual(entry["shape"], shape)
                self.assertFalse(read_gguf.tensor(data, entry).any())

    def test_metadata(self):
        for recipe, kind in (("f16", 1), ("q8_0", 7), ("q4_0", 2)):
            values, _ = read_gguf.read(self.files[recipe])
            wanted = {"general.architecture": "gemma3n", "general.file_type": kind, "gemma3n.block_count": 22,
                      "gemma3n.attention.shared_kv_layers": 2, "gemma3n.feed_forward_length": 512,
                      "gemma3n.rope.freq_base": 1e6, "gemma3n.rope.freq_base_swa": 1e4,
                      "gemma3n.attention.sliding_window_pattern": [i % 5 != 4 for i in range(22)],
                      "tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.add_bos_token": True,
                      "tokenizer.ggml.add_space_prefix": False,
                      "tokenizer.chat_template": (self.model / "chat_template.jinja").read_text()}
            for key, value in wanted.items():
                self.assertEqual(values[key], value, key)
            scale = values["gemma3n.activation_sparsity_scale"]
            self.assertAlmostEqual(scale[9], 1.6448536, 6)
            self.assertEqual(scale[10], -math.inf)

    def test_vocabulary(self):
        values, _ = read_gguf.read(self.files["q4_0"])
        tokenizer = json.loads((self.model / "tokenizer.json").read_text())
        tokens, kinds, scores = (values["tokenizer.ggml." + key] for key in ("tokens", "token_type", "scores"))
        vocab = tokenizer["model"]["vocab"]
        self.assertEqual(len(tokens), 544)
        for piece, number in vocab.items():
            self.assertEqual(tokens[number], piece)
        kind = lambda piece: kinds[vocab[piece]]
        self.assertEqual((kind("<unk>"), kind("<bos>"), kind("a"), kind("<0x0A>")), (2, 3, 1, 6))
        self.assertGreater(scores[vocab["\n\n"]], scores[vocab["a"]])

    def test_projector(self):
        values, tensors = read_gguf.read(self.mmproj)
        self.assertEqual((values["general.architecture"], values["general.type"]), ("clip", "mmproj"))
        self.assertEqual(values["clip.vision.projector_type"], "gemma3nv")
        self.assertEqual(values["clip.audio.projector_type"], "gemma3na")
        self.assertEqual((values["clip.has_vision_encoder"], values["clip.has_audio_encoder"]), (True, True))
        tower = "model.vision_tower.timm_model."
        for theirs, ours, kind in (
                ("v.conv_stem.conv.weight", tower + "conv_stem.conv.weight", "F32"),
                ("v.blk.1.0.pw_exp.conv.weight", tower + "blocks.1.0.pw_exp.conv.weight", "F16"),
                ("v.blk.2.1.attn.query.proj.weight", tower + "blocks.2.1.attn.query.proj.weight", "F16"),
                ("v.blk.2.1.layer_scale.gamma", tower + "blocks.2.1.layer_scale.gamma", "F32"),
                ("v.msfa.norm.weight", tower + "msfa.norm.weight", "F32"),
                ("mm.input_projection.weight", "model.embed_vision.embedding_projection.weight", "F16"),
                ("a.conv1d.0.weight", "model.audio_tower.subsample_conv_projection.conv_0.conv.weight", "F32"),
                ("a.blk.1.ffn_up_1.weight", "model.audio_tower.conformer.1.ffw_layer_end.ffw_layer_1.weight", "F16"),
                ("mm.a.soft_emb_norm.weight", "model.embed_audio.soft_embedding_norm.weight", "F32")):
            self.assertEqual(tensors[theirs]["type"], kind, theirs)
            self.near(read_gguf.tensor(self.mmproj, tensors[theirs]), self.weights[ours], kind, theirs)
        self.assertEqual(tensors["v.blk.2.1.layer_scale.gamma"]["shape"], [1, 32, 1, 1])
        encoders = [name for name in self.weights if not name.startswith(TEXT)]
        self.assertEqual(len(tensors), len(encoders))

    def test_what_is_left_out_is_said(self):
        self.assertIn("--mmproj FILE writes them", self.said["q4_0"])
        self.assertNotIn("mmproj", self.said["f16"])
        self.assertNotIn("llama.cpp", self.said["f16"])
        place = pathlib.Path(self.place.name)
        said = run("quantize", place / "tiny", "--to", "gguf", "-o", place / "tiny.gguf").stderr
        self.assertIn("will not run this model, which has layers with keys of their own 5 instead of 20", said)

    def with_weight(self, name, bits):
        """A copy of the model whose tensor begins with a bfloat16 of these bits."""
        place = pathlib.Path(self.place.name) / f"with_{bits:x}"
        shutil.copytree(self.model, place)
        data = bytearray((place / "model.safetensors").read_bytes())
        length = int.from_bytes(data[:8], "little")
        begin = 8 + length + json.loads(data[8:8 + length])[name]["data_offsets"][0]
        data[begin:begin + 2] = bits.to_bytes(2, "little")
        (place / "model.safetensors").write_bytes(data)
        return place

    def test_what_is_beyond_f16_is_bf16(self):
        name = TEXT + "layers.1.mlp.up_proj.weight"
        model = self.with_weight(name, 0x47C4)  # 100352
        out = model / "f16.gguf"
        said = run("quantize", model, "--to", "gguf", "--recipe", "f16", "-o", out).stderr
        self.assertIn("'blk.1.ffn_up.weight' has weights beyond F16's 65504 and is BF16 instead", said)
        data = out.read_bytes()
        _, tensors = read_gguf.read(data)
        self.assertEqual([n for n, entry in tensors.items() if entry["type"] == "BF16"], ["blk.1.ffn_up.weight"])
        source = self.weights[name].copy()
        source[0, 0] = 100352
        np.testing.assert_array_equal(read_gguf.tensor(data, tensors["blk.1.ffn_up.weight"]), source)
        # What follows it is where the header says.
        after = read_gguf.tensor(data, tensors["blk.1.ffn_down.weight"])
        self.near(after, self.weights[name.replace("up", "down")], "F16", "after")

    def test_weights_that_are_no_numbers_are_refused(self):
        model = self.with_weight(TEXT + "layers.1.mlp.up_proj.weight", 0x7FC0)
        for recipe in self.files:
            done = subprocess.run([GEMMA3N, "quantize", model, "--to", "gguf", "--recipe", recipe, "-o", model / "x"],
                                  capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("'blk.1.ffn_up.weight': expected finite weights, found others", done.stderr)
            self.assertFalse((model / "x").exists() or (model / "x.part").exists())

    def test_refusals(self):
        place = pathlib.Path(self.place.name)
        for arguments, message in (
                (("--to", "gguf", "--recipe", "q4"), "expected q4_0, q8_0 or f16 for GGUF, found q4"),
                (("--to", "onnx"), "expected packed or gguf, found onnx"),
                (("--mmproj", place / "m.gguf"), "expected a GGUF file beside the projector")):
            done = subprocess.run([GEMMA3N, "quantize", self.model, "-o", place / "x", *map(str, arguments)],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(message, done.stderr)
            self.assertFalse((place / "x").exists() or (place / "x.part").exists())


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""What `slice` writes is the size that it was cut to, bit for bit, and nothing else.

    slice_test.py GEMMA3N
"""
import json
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import numpy as np
import read_gguf
from read_packed import read_header, read_piece
from read_safetensors import read_safetensors

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
from sample_media import write_picture, write_sound  # noqa: E402

GEMMA3N = sys.argv.pop(1)
IDS = ",".join(map(str, np.random.default_rng(3).integers(2, 250, 40)))
TEXT = "model.language_model."
LAYERS, OWN = 9, 5  # the last four read the keys and values of layers 3 and 4
WIDTHS = [1024, 1024, 192, 1024, 512, 1024, 1024, 192, 1024]


def run(*arguments):
    done = subprocess.run([GEMMA3N, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tiny_config(place):
    run("synth", "--like", "tiny", "--out", place / "tiny")
    return json.loads((place / "tiny/config.json").read_text())


def text_sizes(**changes):
    """Layers dense and sparse, wide and narrow."""
    return {"num_hidden_layers": LAYERS, "num_kv_shared_layers": LAYERS - OWN, "hidden_size": 144,
            "hidden_size_per_layer_input": 128, "intermediate_size": WIDTHS,
            "layer_types": [("full" if i in (1, 4, 7) else "sliding") + "_attention" for i in range(LAYERS)],
            "activation_sparsity_pattern": [0.9 if i in (0, 3) else 0.0 for i in range(LAYERS)], **changes}


def draw_size(draw, step):
    """A random size: {"skipped_layers", "ffn_widths"}; layers 3 and 4 stay while others read of them."""
    skipped = sorted(draw.sample([0, 1, 2, 5, 6, 7, 8], draw.randrange(1, 5)))
    kept = [layer for layer in range(LAYERS) if layer not in skipped]
    widths = [draw.choice([w for w in range(step, WIDTHS[layer] + 1, step)] + [WIDTHS[layer]]) for layer in kept]
    return {"skipped_layers": skipped, "ffn_widths": widths}


class Slices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.place = place = pathlib.Path(cls.holder.name)
        config = tiny_config(place)
        config["text_config"].update(text_sizes())
        (place / "config.json").write_text(json.dumps(config))
        for dtype in ("f32", "bf16"):
            run("synth", "--like", place / "config.json", "--seed", 5, "--dtype", dtype, "--out", place / dtype)
        for recipe in ("q4", "q8", "bf16"):
            run("quantize", place / "bf16", "-o", place / f"{recipe}.g3n", "--recipe", recipe)
        write_picture(place / "picture.png", 96, 64)
        write_sound(place / "sound.wav", 16000)

    @classmethod
    def tearDownClass(cls):
        cls.holder.cleanup()

    def logits(self, model, *arguments):
        run("logits", "-m", model, "--ids", IDS, "--out", self.place / "y.npy", *arguments)
        return np.load(self.place / "y.npy")

    def write_size(self, size):
        path = self.place / "size.json"
        path.write_text(json.dumps(size))
        return path

    def cut(self, source, *arguments):
        """The cut model in a place of its own."""
        out = self.place / ("cut" + source.suffix)
        shutil.rmtree(out, ignore_errors=True)
        out.unlink(missing_ok=True)
        run("slice", source, "-o", out, *arguments)
        self.assertEqual(list(self.place.glob("*.part")), [])
        return out

    def holds(self, source, size):
        """The logits of the size run from the whole are those of the cut model."""
        size = self.write_size(size)
        out = self.cut(source, "--size", size)
        np.testing.assert_array_equal(self.logits(out), self.logits(source, "--size", size))
        run("inspect", out, "--check")
        return out


class Exactness(Slices):
    def test_directories(self):
        draw = random.Random(1)
        for dtype in ("f32", "bf16"):
            for step in (1, 8, 128):
                self.holds(self.place / dtype, draw_size(draw, step))

    def test_packed_files(self):
        draw = random.Random(2)
        for recipe in ("q4", "q8", "bf16"):
            for _ in range(3):
                self.holds(self.place / f"{recipe}.g3n", draw_size(draw, 128))

    def test_sizes_at_the_ends(self):
        """Everything; all of each layer; one layer alone."""
        for source in (self.place / "bf16", self.place / "q4.g3n"):
            for size in ({"ffn_widths": WIDTHS}, {"skipped_layers": [0, 1, 2, 5, 6, 7, 8], "ffn_widths": [1024, 512]},
                         {"skipped_layers": list(range(1, LAYERS)), "ffn_widths": [128]}):
                self.holds(source, size)

    def test_a_cut_of_a_cut(self):
        first = self.cut(self.place / "q4.g3n", "--size", "ffn=512@0,1,3,5,6,8 skip=2")
        first = first.rename(self.place / "first.g3n")
        second = self.cut(first, "--size", "ffn=128@0,2 skip=5-7")
        expected = self.logits(first, "--size", "ffn=128@0,2 skip=5-7")
        np.testing.assert_array_equal(self.logits(second), expected)

    def test_media_and_answers(self):
        """The encoders come along as they are, and a whole conversation is the same."""
        size = "ffn=512@0,1,3 skip=2,6"
        media = ("--image", self.place / "picture.png", "--audio", self.place / "sound.wav")
        for source in (self.place / "bf16", self.place / "q4.g3n"):
            out = self.cut(source, "--size", size)
            found = []
            for model, arguments in ((source, ("--size", size)), (out, ())):
                run("dump", "-m", model, *arguments, *media, "--out", self.place / "dumped", "What?")
                answer = run("run", "-m", model, *arguments, *media, "--temp", 0, "--max-tokens", 8, "--json", "What?")
                values = [np.load(self.place / f"dumped/{name}.npy")
                          for name in ("image_0.features", "audio_0.features", "logits")]
                found.append((values, json.loads(answer)["token_ids"]))
            for whole, alone in zip(found[0][0], found[1][0]):
                np.testing.assert_array_equal(whole, alone)
            self.assertEqual(found[0][1], found[1][1])


class NarrowE4b(Slices):
    """Layers and neurons as E4B has them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = tiny_config(cls.place)
        config["text_config"].update(text_sizes(
            num_hidden_layers=35, num_kv_shared_layers=15, hidden_size=32, hidden_size_per_layer_input=16,
            intermediate_size=16384, activation_sparsity_pattern=[0.95] * 10 + [0.0] * 25,
            layer_types=[("full" if i % 5 == 4 else "sliding") + "_attention" for i in range(35)]))
        (cls.place / "e4b.json").write_text(json.dumps(config))
        cls.model = cls.place / "e4b"
        run("synth", "--like", cls.place / "e4b.json", "--dtype", "f32", "--out", cls.model)

    def test_published_sizes(self):
        """By a name, and by a number of parameters, which says what it chose."""
        model = self.model
        for size, name, layers in (("e2b", "official E2B Model", 30), ("1.97B", "E1.96B (layer-level)", 30)):
            out = self.place / name
            done = subprocess.run([GEMMA3N, "slice", model, "--size", size, "-o", out], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, f"note: size: {name}\n"))
            text = json.loads((out / "config.json").read_text())["text_config"]
            self.assertEqual((text["num_hidden_layers"], text["num_kv_shared_layers"]), (layers, layers - 20))
            np.testing.assert_array_equal(self.logits(out), self.logits(model, "--size", size))

    def test_interrupted_leaves_nothing(self):
        out, part = self.place / "interrupted", self.place / "interrupted.part"
        for _ in range(20):  # a fast disk may be done first
            process = subprocess.Popen([GEMMA3N, "slice", self.model, "--size", "full", "-o", out],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            while not part.exists() and process.poll() is None:
                pass
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            if process.returncode == 130:
                break
            shutil.rmtree(out)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(list(self.place.glob("interrupted*")), [])


class Encoders(Slices):
    def test_left_out(self):
        size = "ffn=512@0,1,3 skip=2,6"
        media = {"vision": ("--image", "picture.png"), "audio": ("--audio", "sound.wav")}
        for source in (self.place / "bf16", self.place / "q4.g3n"):
            expected = self.logits(source, "--size", size)
            for gone in (("vision",), ("audio",), ("vision", "audio")):
                out = self.cut(source, "--size", size, *(f"--no-{name}" for name in gone))
                np.testing.assert_array_equal(self.logits(out), expected)
                run("inspect", out, "--check")
                for name, (option, file) in media.items():
                    done = subprocess.run([GEMMA3N, "run", "-m", out, "--max-tokens", "1", option, self.place / file,
                                           "What?"], capture_output=True)
                    self.assertEqual(done.returncode == 0, name not in gone, done.stderr)
            self.assertFalse(any("tower" in name for name in self.names(out)))

    @staticmethod
    def names(model):
        if model.is_file():
            return read_header(model.read_bytes())["tensors"]
        config = json.loads((model / "config.json").read_text())
        assert config["architectures"] == ["Gemma3nForCausalLM"], config
        return read_safetensors(model / "model.safetensors")


class Files(Slices):
    def test_tensors_are_those_of_the_source(self):
        size = {"skipped_layers": [1, 5], "ffn_widths": [100, 7, 1024, 512, 1024, 192, 3]}
        out = self.cut(self.place / "bf16", "--size", self.write_size(size))
        source = read_safetensors(self.place / "bf16/model.safetensors")
        found = read_safetensors(out / "model.safetensors")
        kept = [0, 2, 3, 4, 6, 7, 8]
        table = source[TEXT + "embed_tokens_per_layer.weight"].reshape(-1, LAYERS, 128)
        projection = source[TEXT + "per_layer_model_projection.weight"].reshape(LAYERS, 128, 144)
        expected = {}
        for name, weight in source.items():
            layer = int(name.split(".")[3]) if name.startswith(TEXT + "layers.") else -1
            if layer >= 0 and layer not in kept:
                continue
            if ".mlp." in name:
                width = size["ffn_widths"][kept.index(layer)]
                weight = weight[:, :width] if "down_proj" in name else weight[:width]
            parts = name.split(".")
            if layer >= 0:
                parts[3] = str(kept.index(layer))
            expected[".".join(parts)] = weight
        expected[TEXT + "embed_tokens_per_layer.weight"] = table[:, kept].reshape(-1, len(kept) * 128)
        expected[TEXT + "per_layer_model_projection.weight"] = projection[kept].reshape(-1, 144)
        self.assertEqual(set(found), set(expected))
        for name, weight in expected.items():
            np.testing.assert_array_equal(found[name], weight, name)

    def test_configuration(self):
        out = self.cut(self.place / "bf16", "--size", "ffn=64 skip=1,5,8")
        before = json.loads((self.place / "bf16/config.json").read_text())
        after = json.loads((out / "config.json").read_text())
        text = before["text_config"]
        kept = [0, 2, 3, 4, 6, 7]
        for field in ("layer_types", "activation_sparsity_pattern"):
            text[field] = [text[field][layer] for layer in kept]
        text.update(num_hidden_layers=6, intermediate_size=[64] * 6, num_kv_shared_layers=2)
        self.assertEqual(after, before)
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "processor_config.json",
                     "preprocessor_config.json", "generation_config.json"):
            self.assertEqual((out / name).read_bytes(), (self.place / "bf16" / name).read_bytes())
        self.assertFalse((out / "synth.json").exists())

    def test_packed_pieces(self):
        """Unchanged ones are the same bytes; of the others the first."""
        out = self.cut(self.place / "q4.g3n", "--size", "ffn=128 skip=8")
        before, after = (self.place / "q4.g3n").read_bytes(), out.read_bytes()
        source, found = read_header(before), read_header(after)
        for name, entry in found["tensors"].items():  # the layers that are kept are the first: names stay
            here, there = read_piece(after, entry).tobytes(), read_piece(before, source["tensors"][name]).tobytes()
            if name.endswith("per_layer_model_projection.weight") or ".mlp." in name and "down_proj.weight" not in name:
                self.assertEqual(here, there[:len(here)], name)
            elif "embed_tokens_per_layer" not in name and "down_proj.weight" not in name:
                self.assertEqual(here, there, name)
        self.assertEqual(set(found["files"]), set(source["files"]))
        for name, entry in found["files"].items():
            if name != "config.json":
                self.assertEqual(read_piece(after, entry).tobytes(), read_piece(before, source["files"][name]).tobytes())

    def test_shards(self):
        whole = self.cut(self.place / "bf16", "--size", "skip=8")
        whole = whole.rename(self.place / "one-file")
        out = self.cut(self.place / "bf16", "--size", "skip=8", "--shard-bytes", 300000)
        index = json.loads((out / "model.safetensors.index.json").read_text())
        shards = sorted(set(index["weight_map"].values()))
        self.assertGreater(len(shards), 3)
        found = {}
        for shard in shards:
            found.update(read_safetensors(out / shard))
        expected = read_safetensors(whole / "model.safetensors")
        self.assertEqual(set(found), set(expected))
        for name, weight in expected.items():
            np.testing.assert_array_equal(found[name], weight)
        np.testing.assert_array_equal(self.logits(out), self.logits(whole))


class Gguf(Slices):
    """Hidden rows of whole blocks, as released files have them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        config = tiny_config(cls.place)
        config["text_config"].update(text_sizes(hidden_size=256, hidden_size_per_layer_input=256))
        (cls.place / "gguf.json").write_text(json.dumps(config))
        run("synth", "--like", cls.place / "gguf.json", "--seed", 6, "--out", cls.place / "wide")
        for recipe in ("f16", "q8_0", "q4_0"):
            run("quantize", cls.place / "wide", "--to", "gguf", "--recipe", recipe, "-o",
                cls.place / f"{recipe}.gguf", "--mmproj", cls.place / "mmproj.gguf", "--force")

    def test_exact(self):
        draw = random.Random(4)
        for recipe in ("f16", "q8_0", "q4_0"):
            for _ in range(2):
                self.holds(self.place / f"{recipe}.gguf", draw_size(draw, 128))

    def test_metadata(self):
        out = self.cut(self.place / "q4_0.gguf", "--size", "ffn=128 skip=1,5,8")
        before, _ = read_gguf.read((self.place / "q4_0.gguf").read_bytes())
        after, tensors = read_gguf.read(out.read_bytes())
        kept = [0, 2, 3, 4, 6, 7]
        for key in ("attention.sliding_window_pattern", "activation_sparsity_scale"):
            before["gemma3n." + key] = [before["gemma3n." + key][layer] for layer in kept]
        before.update({"gemma3n.block_count": 6, "gemma3n.feed_forward_length": 128,
                       "gemma3n.attention.shared_kv_layers": 2})
        self.assertEqual(after, before)
        self.assertEqual(tensors["blk.5.ffn_down.weight"]["shape"], [256, 128])
        self.assertNotIn("blk.6.ffn_down.weight", tensors)

    def test_the_encoders_file_serves_every_size(self):
        size = "ffn=512@0,1,3 skip=2,6"
        out = self.cut(self.place / "q8_0.gguf", "--size", size)
        answers = [run("run", "-m", model, *arguments, "--mmproj", self.place / "mmproj.gguf", "--image",
                       self.place / "picture.png", "--temp", 0, "--max-tokens", 8, "--json", "What?")
                   for model, arguments in ((out, ()), (self.place / "q8_0.gguf", ("--size", size)))]
        self.assertEqual(*(json.loads(answer)["token_ids"] for answer in answers))

    def test_what_llama_cpp_will_not_run_is_said(self):
        done = subprocess.run([GEMMA3N, "slice", self.place / "f16.gguf", "--size", "ffn=128@0", "-o",
                               self.place / "said.gguf"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertIn("feed-forward widths that differ", done.stderr)


class Refusals(Slices):
    def refused(self, code, part, *arguments):
        done = subprocess.run([GEMMA3N, "slice", *map(str, arguments)], capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(part, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_sizes(self):
        never = self.place / "never"
        for source, size, reason in (("bf16", "skip=4", "layer 4 cannot be left out: layer 7 reads its keys"),
                                     ("bf16", "skip=99", "the model has layers 0 to 8"),
                                     ("bf16", "ffn=1025@0", "expected 1 to 1024, found 1025"),
                                     ("bf16", "e2b", "published sizes are of 35 layers"),
                                     ("q4.g3n", "ffn=64", "expected a multiple of 128"),
                                     ("q4.g3n", "ffn=200@0", "expected a multiple of")):
            self.refused(2, reason, self.place / source, "--size", size, "-o", never)
        self.refused(2, "--size", self.place / "bf16", "-o", never)
        self.assertEqual(list(self.place.glob("never*")), [])

    def test_forms(self):
        never = self.place / "never"
        for source, to, reason in (("bf16", "packed", "`gemma3n quantize` that"),
                                   ("bf16", "gguf", "`gemma3n quantize --to gguf` that"),
                                   ("q4.g3n", "hf", "slice the directory that it was made from"),
                                   ("bf16", "onnx", "expected hf, packed or gguf, found onnx")):
            self.refused(2, reason, self.place / source, "--size", "full", "--to", to, "-o", never)
        self.refused(3, "expected a model directory", self.place / "gone", "--size", "full", "-o", never)
        self.assertEqual(list(self.place.glob("never*")), [])

    def test_what_is_there_stays(self):
        directory, file = self.place / "there", self.place / "there.g3n"
        directory.mkdir()
        mine = [directory / name for name in ("notes.txt", "another.g3n", "pytorch_model.bin")]
        for path in mine:
            path.write_text("mine")
        (directory / "model-00001-of-00002.safetensors").write_text("old")
        file.write_text("old")
        self.refused(2, "exists and is not empty", self.place / "bf16", "--size", "skip=8", "-o", directory)
        self.refused(2, "exists; replace it with --force", self.place / "q4.g3n", "--size", "skip=8", "-o", file)
        self.refused(2, "is the model that is to be cut", self.place / "bf16", "--size", "skip=8", "-o",
                     f"{self.place}/bf16/", "--force")
        self.refused(2, "found a file", self.place / "bf16", "--size", "skip=8", "-o", file, "--force")
        self.refused(2, "found a directory", self.place / "q4.g3n", "--size", "skip=8", "-o", directory, "--force")
        self.assertEqual(file.read_text(), "old")
        run("slice", self.place / "bf16", "--size", "skip=8", "-o", directory, "--force")
        run("slice", self.place / "q4.g3n", "--size", "skip=8", "-o", file, "--force")
        self.assertEqual([path.read_text() for path in mine], ["mine"] * 3)
        self.assertFalse((directory / "model-00001-of-00002.safetensors").exists())
        self.logits(directory), self.logits(file)

    def test_damaged_sources(self):
        """A matrix that is not what the configuration says is not cut."""
        broken = self.place / "broken"
        shutil.copytree(self.place / "bf16", broken)
        config = json.loads((broken / "config.json").read_text())
        config["text_config"]["intermediate_size"][0] = 2048
        (broken / "config.json").write_text(json.dumps(config))
        self.refused(3, "expected [2048, 144], found [1024, 144]", broken, "--size", "ffn=64", "-o",
                     self.place / "never")
        (broken / "config.json").write_text("{}")
        self.refused(3, "config.json: model_type", broken, "--size", "ffn=64", "-o", self.place / "never")
        self.assertEqual(list(self.place.glob("never*")), [])


if __name__ == "__main__":
    unittest.main()

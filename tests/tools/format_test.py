# SPDX-License-Identifier: Apache-2.0
"""What docs/format.md says of packed files: the reader written by it finds the weights they were made of.

    format_test.py GEMMA3N
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from read_packed import read_header, read_piece, read_tensor
from read_safetensors import read_safetensors

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "reference"))
from sample_media import write_picture, write_sound  # noqa: E402

GEMMA3N = sys.argv.pop(1)


def run(*arguments):
    return subprocess.run([GEMMA3N, *map(str, arguments)], check=True, capture_output=True, text=True)


class Format(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        place = pathlib.Path(cls.place.name)
        run("synth", "--like", "tiny", "--out", place / "tiny")
        config = json.loads((place / "tiny/config.json").read_text())
        config["text_config"].update(hidden_size=144, hidden_size_per_layer_input=128)
        (place / "config.json").write_text(json.dumps(config))
        cls.model = place / "model"
        run("synth", "--like", place / "config.json", "--seed", 5, "--out", cls.model)
        cls.weights = read_safetensors(cls.model / "model.safetensors")
        cls.files = {}
        for recipe in ("q4", "q8", "bf16"):
            run("quantize", cls.model, "-o", place / f"{recipe}.g3n", "--recipe", recipe)
            cls.files[recipe] = (place / f"{recipe}.g3n").read_bytes()

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def source(self, name, shape):
        """The weight that a tensor of the file was made of."""
        if name.endswith(".transposed"):
            return self.weights[name.replace(".transposed", ".weight")].T
        if name.endswith(".steps"):
            whole = self.weights[name.replace(".steps", ".weight")]
            return np.concatenate(np.split(whole, whole.shape[1] // shape[1], axis=1))
        if name.endswith(".channels_last"):
            kernel = self.weights[name.replace(".channels_last", ".weight")]
            return kernel.transpose(0, 2, 3, 1).reshape(shape)
        return self.weights[name].reshape(shape)

    def test_every_tensor_is_its_source(self):
        seen = set()
        for recipe, data in self.files.items():
            for name, entry in read_header(data)["tensors"].items():
                seen.add(entry["dtype"])
                found, source = read_tensor(data, entry), self.source(name, entry["shape"])
                error = np.linalg.norm(found - source) / max(np.linalg.norm(source), 1e-9)
                bound = {"Q4": 0.1, "Q8": 0.01}.get(entry["dtype"][:2], 0)
                self.assertLessEqual(error, bound, f"{recipe} {name} {entry['dtype']}")
                self.assertEqual(entry["offset"] % (4096 if entry["bytes"] >= 65536 else 64), 0)
        self.assertEqual(seen, {"BF16", "Q4T", "Q8T", "Q4R", "Q8R"})

    def test_the_small_files_are_there(self):
        for data in self.files.values():
            files = read_header(data)["files"]
            for name, entry in files.items():
                if name != "tokenizer.compiled":
                    self.assertEqual(read_piece(data, entry).tobytes(), (self.model / name).read_bytes())
            self.assertIn("tokenizer.json", files)
            self.check_compiled(read_piece(data, files["tokenizer.compiled"]).tobytes())

    def check_compiled(self, compiled):
        """The compiled tokenizer says what tokenizer.json says."""
        source = json.loads((self.model / "tokenizer.json").read_text())
        self.assertEqual(compiled[:8], b"g3ntoken")
        numbers = np.frombuffer(compiled, "<u4", (len(compiled) - 8) // 4, 8)
        pieces, size, merges, added = (int(n) for n in numbers[:4])
        parts = np.split(numbers[4:], np.cumsum([pieces, 3 * merges, 2 * added]))
        text, ids = compiled[len(compiled) - size:], {}
        for token, end in enumerate(np.cumsum(parts[0])):
            ids[text[end - parts[0][token]:end].decode()] = token
        wanted = dict(source["model"]["vocab"])
        for token in source["added_tokens"]:
            wanted[token["content"]] = token["id"]
        ids.pop("", None)
        self.assertEqual(ids, wanted)
        pairs = [m if isinstance(m, list) else m.split(" ") for m in source["model"]["merges"]]
        self.assertEqual(parts[1].reshape(-1, 3).tolist(),
                         [[wanted[a], wanted[b], wanted[a + b]] for a, b in pairs])
        self.assertEqual({int(i): bool(c) for i, c in parts[2].reshape(-1, 2)},
                         {t["id"]: t["special"] for t in source["added_tokens"]})

    def test_the_engine_reads_the_same_rows(self):
        """The embedding of a token is its row of the table, quantized, times sqrt(hidden)."""
        path = pathlib.Path(self.place.name)
        run("dump", "-m", path / "q4.g3n", "--out", path / "values", "Hi")
        values = path / "values"
        embedded = np.load(next(values.rglob("*embedding*.npy")))
        ids = np.load(next(values.rglob("*ids*.npy"))).reshape(-1).astype(int)
        entry = read_header(self.files["q4"])["tensors"]["model.language_model.embed_tokens.weight"]
        table = read_tensor(self.files["q4"], entry)
        np.testing.assert_array_equal(embedded.reshape(len(ids), -1), table[ids] * np.float32(np.sqrt(144.0)))

    def test_features_are_near_those_of_the_weights(self):
        """As stored they are the same; in 8 bits within the error of rounding."""
        place = pathlib.Path(self.place.name)
        write_picture(place / "picture.png", 96, 64)
        write_sound(place / "sound.wav", 16000)
        features = {}
        for model in ("model", "bf16.g3n", "q8.g3n"):
            run("dump", "-m", place / model, "--image", place / "picture.png", "--audio", place / "sound.wav",
                "--out", place / "dumped", "What?")
            features[model] = [np.load(place / f"dumped/{name}_0.features.npy") for name in ("image", "audio")]
        for stored, same, rounded in zip(features["model"], features["bf16.g3n"], features["q8.g3n"]):
            np.testing.assert_array_equal(stored, same)
            error = np.linalg.norm(rounded - stored) / np.linalg.norm(stored)
            self.assertGreater(error, 0)
            self.assertLess(error, 0.05)

    def test_logits_are_near_those_of_the_weights(self):
        """As stored they are the same; in 8 bits within the error of rounding, sparse layers included."""
        place = pathlib.Path(self.place.name)
        logits = {}
        for model in ("model", "bf16.g3n", "q8.g3n"):
            run("logits", "-m", place / model, "--ids", ",".join(map(str, range(2, 60))), "--out", place / "y.npy")
            logits[model] = np.load(place / "y.npy")
        np.testing.assert_array_equal(logits["bf16.g3n"], logits["model"])
        error = np.linalg.norm(logits["q8.g3n"] - logits["model"]) / np.linalg.norm(logits["model"])
        self.assertGreater(error, 0)
        self.assertLess(error, 0.1)


if __name__ == "__main__":
    unittest.main()

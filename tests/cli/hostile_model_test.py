# SPDX-License-Identifier: Apache-2.0
"""Model directories that are wrong, and what they bound: whatever a file says, the program ends with
one clear line.

    hostile_model_test.py GEMMA3N
"""
import json
import math
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import sample_media  # noqa: E402

GEMMA3N = sys.argv.pop(1)

SIDE_FILES = ("config.json", "preprocessor_config.json", "processor_config.json",
              "generation_config.json", "tokenizer_config.json")
WRONG_VALUES = (-1, 0, 2**62, 1.5, 1e300, "x", [], None)
WRONG_FILES = ("", "[]", "{", "{}", "null", "\"x\"")
# As many as a test may take; all of them with GEMMA3N_ALL_CASES=1.
SAMPLED_CASES = 120


def places(value, path=()):
    """The paths of everything inside a JSON value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(
        value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value, path, new):
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return copy


class HostileModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp())
        cls.good = cls.place / "good"
        cls.environment = {**os.environ, "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent"}
        subprocess.run([GEMMA3N, "synth", "--like", "tiny", "--seed", "2", "--out", str(cls.good)],
                       check=True, capture_output=True, env=cls.environment)
        sample_media.write_picture(cls.place / "p.png")
        sample_media.write_sound(cls.place / "s.wav", 1600)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)

    def setUp(self):
        self.model = pathlib.Path(tempfile.mkdtemp(dir=self.place)) / "m"
        shutil.copytree(self.good, self.model)

    def tearDown(self):
        shutil.rmtree(self.model.parent)

    def run_model(self, *arguments):
        done = subprocess.run([GEMMA3N, "run", "-m", str(self.model), "--max-tokens", "1",
                               *map(str, arguments)], capture_output=True, input=b"",
                              env=self.environment)
        return done.returncode, done.stderr.decode()

    def refused(self, part, *arguments, code=3):
        found, err = self.run_model(*(arguments or ("x",)))
        self.assertEqual(found, code, err)
        self.assertIn(part, err)
        self.assertEqual(err.count("\n"), 1, err)  # one clear line

    def edit(self, file, change):
        """Rewrites a JSON file of the model by a function that changes the parsed value."""
        path = self.model / file
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))

    def edit_token(self, content, **fields):
        def change(file):
            for token in file["added_tokens"]:
                if token["content"] == content:
                    token.update(fields)
        self.edit("tokenizer.json", change)

    def test_good_model_runs(self):
        self.assertEqual(self.run_model(self.place / "p.png", self.place / "s.wav", "x"), (0, ""))

    # D02: files that disagree about ids.

    def test_hostile_D02_placeholder_ids(self):
        for field, right in (("image_token_id", 513), ("audio_token_id", 529)):
            for wrong in (514, 40, 0):
                self.edit("config.json", lambda c: c.update({field: wrong}))
                self.refused(f"{field}: expected {right} as in tokenizer.json, found {wrong}",
                             self.place / "p.png", self.place / "s.wav", "x")
                self.refused(f"{field}: expected {right}", "a plain text")
            self.edit("config.json", lambda c: c.update({field: right}))

    def test_hostile_D02_bos_id(self):
        self.edit("config.json", lambda c: c["text_config"].update(bos_token_id=3))
        self.refused("bos_token_id: expected 2 as in tokenizer.json, found 3")

    def test_hostile_D02_numbers_of_soft_tokens(self):
        for field, other in (("image_seq_length", "vision_soft_tokens_per_image"),
                             ("audio_seq_length", "audio_soft_tokens_per_image")):
            right = json.loads((self.model / "config.json").read_text())[other]
            self.edit("processor_config.json", lambda c: c.update({field: right + 1}))
            self.refused(f"processor_config.json: {field}: expected {right} as {other} in "
                         f"config.json, found {right + 1}")
            self.edit("processor_config.json", lambda c: c.pop(field))
            self.assertEqual(self.run_model("x"), (0, ""))

    def test_hostile_P02_marks_that_could_be_typed(self):
        for mark in ("<image_soft_token>", "<audio_soft_token>", "<bos>", "<start_of_turn>",
                     "<end_of_turn>"):
            self.edit_token(mark, special=False)
            self.refused("to be a control token", mark)
            self.edit_token(mark, special=True)

    def test_hostile_D02_placeholder_is_a_letter(self):
        self.edit("tokenizer_config.json", lambda c: c.update(image_token="a"))
        self.refused("to be a control token", self.place / "p.png", "x")

    def test_hostile_D02_one_placeholder_for_both(self):
        self.edit("tokenizer_config.json", lambda c: c.update(audio_token="<image_soft_token>"))
        self.edit("config.json", lambda c: c.update(audio_token_id=513))
        self.refused("expected two tokens, found one")

    def test_hostile_P02_tokens_that_swallow_placeholders(self):
        def add(content):
            def change(file):
                for token in file["added_tokens"]:
                    if token["content"] == "<unused0>":
                        del file["model"]["vocab"]["<unused0>"]
                        token.update(content=content, special=False)
            return change
        self.edit("tokenizer.json", add("<image_soft_token>" * 2))
        self.refused("is as many tokens, found 0")
        shutil.copy(self.good / "tokenizer.json", self.model)
        # One that only a prompt shows: it reaches from the role into the placeholders.
        self.edit("tokenizer.json", add("user\n\n\n<start_of_image><image_soft_token>"))
        self.refused("one token for each row", self.place / "p.png", "x")

    def test_hostile_D02_added_token_outside_the_vocabulary(self):
        for wrong in (544, 2**19, 2**31, -1):
            self.edit_token("<unused0>", id=wrong)
            self.edit("tokenizer.json", lambda f: f["model"]["vocab"].pop("<unused0>", None))
            self.refused("tokenizer.json")

    # D01: every field of every side file, wrong in every way.

    def test_hostile_D01_wrong_fields(self):
        cases = []
        for file in SIDE_FILES:
            value = json.loads((self.good / file).read_text())
            cases += [(file, path, json.dumps(replaced(value, path, wrong)))
                      for path in places(value) for wrong in WRONG_VALUES]
        if "GEMMA3N_ALL_CASES" not in os.environ:
            cases = random.Random(1).sample(cases, SAMPLED_CASES)
        for file, path, text in cases:
            self.check_text(file, path, text)

    def test_hostile_D01_wrong_files(self):
        for file in (*SIDE_FILES, "tokenizer.json"):
            for text in WRONG_FILES:
                self.check_text(file, (), text)

    def test_hostile_D01_frames_of_sound(self):
        for change in ({"frame_length": 2**20}, {"frame_length_ms": 9999},
                       {"sampling_rate": 1000, "hop_length_ms": 0.1}):
            self.edit("preprocessor_config.json", lambda c: c.update(change))
            self.refused("preprocessor_config.json: ")
            shutil.copy(self.good / "preprocessor_config.json", self.model)

    def check_text(self, file, path, text):
        """The program runs with this text as a file, or says in one line why it does not."""
        (self.model / file).write_text(text)
        code, err = self.run_model(self.place / "p.png", self.place / "s.wav", "x")
        shutil.copy(self.good / file, self.model)
        with self.subTest(file=file, path=path, text=text[-60:], err=err):
            self.assertIn(code, (0, 2, 3))
            self.assertEqual(err.count("\n"), 0 if code == 0 and "note:" not in err else 1)

    # U03: the longest clip the model hears.

    def test_hostile_U03_longest_clip(self):
        sound = self.place / "long.wav"
        sample_media.write_sound(sound, 16000 * 10)
        code, err = self.run_model(sound, "x")
        self.assertEqual(code, 4, err)
        most = int(re.search(r"at most [0-9.]+ seconds \((\d+) samples\)", err).group(1))
        sample_media.write_sound(sound, most)
        self.assertEqual(self.run_model(sound, "x"), (0, ""))
        sample_media.write_sound(sound, most + 1)
        self.refused(f"found {most / 16000:.1f} ({most + 1} samples)", sound, "x", code=4)

    # M07: tensors that are not what config.json says.

    def rewrite_tensors(self, change):
        """Rewrites model.safetensors; `change` gets {name: (dtype, shape, bytes)}."""
        path = self.model / "model.safetensors"
        whole = path.read_bytes()
        length = int.from_bytes(whole[:8], "little")
        header, data = json.loads(whole[8:8 + length]), whole[8 + length:]
        tensors = {name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
                   for name, entry in header.items() if name != "__metadata__"}
        change(tensors)
        header, at = {}, 0
        for name, (dtype, shape, data) in tensors.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
            at += len(data)
        text = json.dumps(header).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text
                         + b"".join(data for _, _, data in tensors.values()))

    def test_hostile_M07_five_wrong_tensors_are_named(self):
        def remove(tensors):
            for name in [n for n in tensors if ".laurel.linear_left." in n]:
                del tensors[name]
        self.rewrite_tensors(remove)
        found, err = self.run_model("x")
        self.assertEqual((found, err.count("\n")), (3, 1), err)
        self.assertEqual(err.count("laurel.linear_left.weight"), 5, err)
        self.assertIn("; and 5 more", err)

    def test_hostile_M07_transposed(self):
        name = "model.language_model.layers.0.mlp.gate_proj.weight"
        def transpose(tensors):
            dtype, shape, data = tensors[name]
            tensors[name] = (dtype, shape[::-1], data)
        self.rewrite_tensors(transpose)
        self.refused(f"tensor '{name}': expected [128, 64], found [64, 128]\n")

    def test_hostile_M07_extra_tensors_are_a_note(self):
        self.rewrite_tensors(lambda tensors: tensors.update(nobodys=("F32", [1], bytes(4))))
        code, err = self.run_model("x")
        self.assertEqual((code, err.count("\n")), (0, 1), err)
        self.assertIn("model.safetensors: tensor 'nobodys': expected none of this name", err)
        self.assertEqual(self.run_model("--quiet", "x"), (0, ""))
        self.rewrite_tensors(lambda tensors: tensors.update(nobodys2=("F32", [1], bytes(4))))
        self.assertIn("tensor 'nobodys' and 1 more", self.run_model("x")[1])
        done = subprocess.run([GEMMA3N, "inspect", str(self.model)], capture_output=True, text=True,
                              env=self.environment)
        self.assertEqual(done.returncode, 0)
        self.assertIn("nobodys", done.stdout)

    def test_hostile_M07_what_may_be_there_is_no_surplus(self):
        """Keys and values of a sharing layer, and a head that is tied."""
        def add(tensors):
            for part in ("k_proj", "v_proj", "k_norm"):
                own = f"model.language_model.layers.0.self_attn.{part}.weight"
                tensors[own.replace("layers.0", f"layers.{layers - 1}")] = tensors[own]
            tensors["lm_head.weight"] = tensors["model.language_model.embed_tokens.weight"]
        config = json.loads((self.model / "config.json").read_text())
        self.assertTrue(config.get("tie_word_embeddings", True))
        layers = config["text_config"]["num_hidden_layers"]
        self.rewrite_tensors(add)
        self.assertEqual(self.run_model("x"), (0, ""))
        self.assertEqual(subprocess.run([GEMMA3N, "inspect", str(self.model), "--check"],
                                        capture_output=True, env=self.environment).returncode, 0)

    def test_hostile_M07_encoders_without_a_configuration(self):
        """As in the reference, null means the released encoders: those of other sizes do not fit."""
        for name in ("vision", "audio"):
            self.edit("config.json", lambda c: c.update({f"{name}_config": None}))
            self.refused(f"config.json has no {name}_config")
            self.edit("config.json", lambda c: c.pop(f"{name}_config"))
            self.refused(f"config.json has no {name}_config")
            shutil.copy(self.good / "config.json", self.model)

    def test_hostile_M07_text_alone(self):
        """Whatever the configuration says of encoders: without their tensors it is a text model."""
        def without(tensors):
            for name in [n for n in tensors if "vision" in n or "audio" in n]:
                del tensors[name]
        self.rewrite_tensors(without)
        for change in ({}, {"vision_config": None, "audio_config": None}):
            self.edit("config.json", lambda c: c.update(change))
            self.assertEqual(self.run_model("x"), (0, ""))
            self.refused("this model does not see", self.place / "p.png", "x", code=2)
            self.refused("this model does not hear", self.place / "s.wav", "x", code=2)
            done = subprocess.run([GEMMA3N, "inspect", str(self.model), "--check"],
                                  capture_output=True, text=True, env=self.environment)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("text ok · vision none · audio none", done.stdout)

    def test_hostile_M07_embedder_of_another_width(self):
        """The encoder's features would be read past their end."""
        def narrow(tensors):
            for name, (dtype, shape, data) in tensors.items():
                if ".embed_vision." in name:
                    rows = math.prod(shape[:-1])
                    size = len(data) // math.prod(shape)
                    tensors[name] = (dtype, [*shape[:-1], 4096], bytes(rows * 4096 * size))
        self.rewrite_tensors(narrow)
        self.edit("config.json", lambda c: c["vision_config"].update(hidden_size=4096))
        self.refused("vision_config.hidden_size: expected 2048", self.place / "p.png", "x")

    def test_hostile_M02_names_that_are_no_line(self):
        name = "a\nb\x1b[2J" + "c" * 400
        self.rewrite_tensors(lambda tensors: tensors.update({name: ("F16", [3], bytes(4))}))
        self.refused("tensor 'a\\x0ab\\x1b[2Jc")
        shutil.copy(self.good / "model.safetensors", self.model)
        self.edit("tokenizer.json", lambda f: f["model"]["vocab"].update({"x\n" * 100000: "y"}))
        self.refused("x\\x0ax\\x0a")

    def test_hostile_M07_norm_of_nan(self):
        for name in ("model.language_model.layers.2.input_layernorm.weight",
                     "model.vision_tower.timm_model.msfa.norm.weight",
                     "model.audio_tower.conformer.0.norm.weight"):
            def spoil(tensors):
                dtype, shape, data = tensors[name]
                nan = {"F32": b"\0\0\xc0\x7f", "BF16": b"\xc0\x7f", "F16": b"\0\x7e"}[dtype]
                tensors[name] = (dtype, shape, nan + data[len(nan):])
            self.rewrite_tensors(spoil)
            self.refused(f"tensor '{name}': expected finite weights, found NaN at element 0")
            shutil.copy(self.good / "model.safetensors", self.model)

    def test_hostile_M07_nan_in_an_encoder_of_a_packed_file(self):
        """Which is looked at when it is first used: text is answered, pictures are refused."""
        name = "model.vision_tower.timm_model.msfa.norm.weight"
        packed, picture = self.model / "packed.g3n", self.model / "picture.png"
        run = lambda *arguments: subprocess.run([GEMMA3N, *map(str, arguments)], capture_output=True, text=True,
                                                env=self.environment)
        self.assertEqual(run("quantize", self.good, "-o", packed, "--recipe", "bf16", "--quiet").returncode, 0)
        data = bytearray(packed.read_bytes())
        entry = json.loads(data[16:16 + int.from_bytes(data[8:16], "little")])["tensors"][name]
        nan = {"F32": b"\0\0\xc0\x7f", "BF16": b"\xc0\x7f", "F16": b"\0\x7e"}[entry["dtype"]]
        data[entry["offset"]:entry["offset"] + len(nan)] = nan
        packed.write_bytes(data)
        sample_media.write_picture(picture, 64, 64)
        self.assertEqual(run("run", "-m", packed, "--max-tokens", "1", "x").returncode, 0)
        done = run("run", "-m", packed, "--max-tokens", "1", "--image", picture, "x")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(f"tensor '{name}': expected finite weights, found NaN at element 0", done.stderr)

    # M10: files that change while they are mapped.

    def chat(self, between):
        """Two messages to `gemma3n chat`; `between` runs once the first was answered."""
        chat = subprocess.Popen([GEMMA3N, "chat", "-m", str(self.model), "--max-tokens", "1"],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment, text=True)
        chat.stdin.write("one\n/show context\n")
        chat.stdin.flush()
        for line in chat.stdout:
            if "of 1024 tokens" in line:
                break
        between(self.model / "model.safetensors")
        out, err = chat.communicate("two\n/show context\n/bye\n", timeout=60)
        return chat.returncode, err

    def test_hostile_M10_cut_while_in_use(self):
        code, err = self.chat(lambda path: os.truncate(path, 4096))
        self.assertEqual(code, 3, err)
        self.assertEqual(err.count("model file changed on disk"), 1, err)

    def test_hostile_M10_written_to_while_in_use(self):
        def overwrite(path):
            with path.open("r+b") as file:
                file.seek(-64, os.SEEK_END)
                file.write(bytes(64))
        code, err = self.chat(overwrite)
        self.assertIn(code, (0, 3), err)
        self.assertIn("model file changed on disk", err)

    def test_hostile_M10_written_to_during_an_answer(self):
        self.edit("config.json", lambda c: c["text_config"].update(max_position_embeddings=1 << 20))
        run = subprocess.Popen([GEMMA3N, "run", "-m", str(self.model), "--ctx", "1000",
                                "--threads", "1", "--max-tokens", "100", "--logit-bias",
                                "1=-inf,5=-inf", "x"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=self.environment)
        self.assertTrue(run.stdout.read(1))  # the answer has begun
        os.utime(self.model / "model.safetensors")
        _, err = run.communicate(timeout=120)
        self.assertEqual(run.returncode, 3, err)
        self.assertIn(b"model file changed on disk", err)

    def test_hostile_M10_replaced_while_in_use(self):
        def replace(path):
            path.unlink()
            path.write_bytes(b"nothing")
        self.assertEqual(self.chat(replace)[0], 0)


if __name__ == "__main__":
    unittest.main()

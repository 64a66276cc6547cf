# SPDX-License-Identifier: Apache-2.0
"""A model in GGUF is the same model: files that write_gguf.py makes of a directory give its tokens, its
logits and its answers.

    check_gguf.py GEMMA3N
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tiny_gguf  # noqa: E402
import write_gguf  # noqa: E402

GEMMA3N = sys.argv.pop(1)
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
NANO = ROOT / "models/nano"
# Of the logits' magnitude. Q8_0 rounds weights to 1/254 of a block's largest, and so do the tiles that
# its matrices are brought into; Q4_0 to 1/16.
NEAR = {"F16": 2e-3, "Q8_0": 0.06, "Q4_0": 0.6}


def run(*arguments, code=0):
    done = subprocess.run([GEMMA3N, *map(str, arguments)], capture_output=True)
    assert done.returncode == code, (arguments, done.returncode, done.stderr.decode())
    return done.stdout.decode() if code == 0 else done.stderr.decode()


class Gguf(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.holder = tempfile.TemporaryDirectory()
        cls.place = pathlib.Path(cls.holder.name)
        cls.tiny = cls.place / "tiny"
        run("synth", "--like", "tiny", "--seed", "5", "--dtype", "f32", "--out", cls.tiny)
        cls.nano, cls.mmproj = cls.place / "nano.gguf", cls.place / "mmproj.gguf"
        write_gguf.write(NANO, cls.nano, cls.mmproj)

    @classmethod
    def tearDownClass(cls):
        cls.holder.cleanup()

    def logits(self, model, ids, *options):
        out = self.place / "logits.npy"
        run("logits", "-m", model, "--ids", ",".join(map(str, ids)), "--out", out, *options)
        return np.load(out)

    def relative(self, ours, reference):
        return np.abs(ours - reference).max() / np.abs(reference).max()

    def test_stored_weights_give_the_same_logits_bit_for_bit(self):
        ids = [2, *np.random.default_rng(1).integers(10, 200, 90)]
        for model, early in ((self.tiny, False), (self.tiny, True), (NANO, False)):
            gguf = self.place / "same.gguf"
            write_gguf.write(model, gguf, early=early)
            np.testing.assert_array_equal(self.logits(gguf, ids), self.logits(model, ids))

    def test_quantized_weights_give_near_logits(self):
        ids = [2, *np.random.default_rng(2).integers(10, 1000, 60)]
        reference = self.logits(NANO, ids)
        for kind, near in NEAR.items():
            gguf, packed = self.place / f"{kind}.gguf", self.place / f"{kind}.g3n"
            write_gguf.write(NANO, gguf, kind=kind)
            far = self.relative(self.logits(gguf, ids), reference)
            self.assertLess(far, near, kind)
            self.assertGreater(far, 0, kind)
            # The packed file of the quantized one is as near to it as q8 is to anything.
            run("quantize", gguf, "-o", packed, "--recipe", "q8", "--force", "--quiet")
            self.assertLess(self.relative(self.logits(packed, ids), self.logits(gguf, ids)), NEAR["Q8_0"], kind)

    def test_quantized_models_answer(self):
        """Token by token, which goes other ways than the logits of a whole text."""
        for kind in ("stored", *NEAR):
            gguf = self.place / f"{kind}.gguf"
            write_gguf.write(NANO, gguf, kind=kind)
            for prompt, answer in (("What is 5 plus 11?", "16"), ("Repeat: Rosa snow bag", "Rosa snow bag")):
                found = run("run", "-m", gguf, prompt, "--temp", "0", "--max-tokens", "12", "--quiet").strip()
                if kind != "Q4_0":  # whose rounding may change what so small a model says
                    self.assertEqual(found, answer, kind)
                self.assertTrue(found, kind)

    def test_texts_have_the_same_tokens(self):
        items = [json.loads(line) for line in (NANO / "eval/eval.jsonl").read_text().splitlines()]
        texts = [json.dumps(item) for item in items[::7]]
        texts += ["", " ", "  two  spaces\n\n\nand lines\t\t", "Grüße, 世界 \u0000\u2581 é", "<bos><end_of_turn>x",
                  "\n" * 9, " " * 21, "aaaaaaaaaaaaaaaaaaaaa", "what is this? What is that?"]
        lines = self.place / "lines"
        lines.write_text("".join(json.dumps(text) + "\n" for text in texts))
        for options in ((), ("--control",)):
            found = [subprocess.run([GEMMA3N, "tokenize", "-m", model, "--lines", *options], check=True,
                                    input=lines.read_bytes(), capture_output=True).stdout
                     for model in (NANO, self.nano)]
            self.assertEqual(*found)
            self.assertEqual(found[0].count(b"\n"), len(texts))

    def test_pictures_and_sound_give_the_same_answers(self):
        items = [json.loads(line) for line in (NANO / "eval/eval.jsonl").read_text().splitlines()]
        kinds = {}  # one of each
        for item in items:
            if not item["task"].startswith(("film", "text recall")):  # those take long
                kinds.setdefault(item["task"], item)
        for item in kinds.values():
            for key in ("images", "audio"):
                if key in item:
                    item[key] = [str(NANO / "eval" / name) for name in item[key]]
        chosen, out = self.place / "some.jsonl", self.place / "answers.jsonl"
        chosen.write_text("".join(json.dumps(item) + "\n" for item in kinds.values()))
        answers = []
        for model in ((NANO,), (self.nano, "--mmproj", self.mmproj)):
            run("eval", "-m", *model, chosen, "--out", out, "--quiet")
            answers.append([json.loads(line)["text"] for line in out.read_text().splitlines()])
        self.assertEqual(*answers)
        self.assertEqual(len(answers[0]), len(kinds))

    def test_inspect_says_what_the_files_hold(self):
        report = json.loads(run("inspect", self.nano, "--mmproj", self.mmproj, "--check", "--json"))
        self.assertTrue(report["check"]["ok"], report["check"])
        self.assertEqual(report["missing"] + report["misshapen"] + report["surplus"], [])
        self.assertTrue(report["sees"] and report["hears"])
        stored = {entry["tensors"]: entry["dtypes"] for entry in report["stored"]}
        self.assertEqual(stored["feed-forward"], "BF16")
        text = run("inspect", self.nano)
        self.assertIn("architecture gemma3n", text)
        self.assertRegex(text, r"attention +[0-9.]+ MB  BF16")

    def test_inspect_finds_scales_that_are_no_numbers(self):
        for block in tiny_gguf.BLOCKS[3:]:
            gguf = self.place / "broken.gguf"
            tiny_gguf.write(gguf, block)
            raw = bytearray(gguf.read_bytes())
            raw[-512:] = b"\xff" * 512  # into the last tensor: every f16 is NaN
            gguf.write_bytes(raw)
            report = subprocess.run([GEMMA3N, "inspect", gguf, "--check", "--json"], capture_output=True)
            self.assertEqual(report.returncode, 3)
            self.assertIn("model.language_model.layers.0.self_attn.q_proj.weight",
                          json.loads(report.stdout)["not_finite"], block[0])

    def test_a_foreign_template_is_noted_and_not_run(self):
        gguf = self.place / "template.gguf"
        write_gguf.write(self.tiny, gguf, chat_template="{% for x in range(10**9) %}{% endfor %}")
        done = subprocess.run([GEMMA3N, "run", "-m", gguf, "hi", "--max-tokens", "1"], capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count(b"is not Gemma 3n's"), 1, done.stderr)

    def test_other_files_are_named_for_what_they_are(self):
        self.assertIn("give it with --mmproj", run("run", "-m", self.mmproj, "hi", code=3))
        self.assertIn("expected a projector", run("run", "-m", self.nano, "--mmproj", self.nano, "hi", code=3))
        self.assertIn("expected a GGUF file", run("run", "-m", NANO, "--mmproj", self.mmproj, "hi", code=2))

    def test_packed_from_gguf_answers_as_packed_from_the_directory(self):
        ids = [2, *np.random.default_rng(3).integers(10, 1000, 40)]
        found = []
        for source in ((NANO,), (self.nano, "--mmproj", self.mmproj)):
            packed = self.place / "x.g3n"
            run("quantize", *source, "-o", packed, "--force", "--quiet")
            found.append((self.logits(packed, ids), json.loads(run("inspect", packed, "--json"))["parameters"]))
        np.testing.assert_array_equal(found[0][0], found[1][0])
        self.assertEqual(found[0][1], found[1][1])


if __name__ == "__main__":
    unittest.main(verbosity=2)

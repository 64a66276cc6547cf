# SPDX-License-Identifier: Apache-2.0
"""The tools beside the conversation: eval, inspect, synth, tokenize, logits, dump.

    tools_test.py GEMMA3N
"""
import json
import shutil
import signal
import unittest

from program import Program, WITHOUT_END, call, start


class Eval(Program):
    def setUp(self):
        self.items = self.place / "items.jsonl"
        self.out = self.place / "answers.jsonl"

    def write(self, *items):
        self.items.write_text("".join(json.dumps(i) + "\n" for i in items))

    def run_eval(self, *arguments):
        return call("eval", "-m", self.model, self.items, "--max-tokens", 4, *arguments)

    def test_scores(self):
        self.write({"id": "1", "task": "a", "prompt": "x", "answer": "no such answer"},
                   {"id": 2, "task": "b", "prompt": "x", "answer": "", "match": "contains",
                    "images": ["p.png"]},
                   {"id": "3", "task": "c", "prompt": "x", "answer": "one two", "match": "wer"})
        code, text, err = self.run_eval("--json", "--out", self.out)
        self.assertEqual(code, 0, err)
        scores = json.loads(text)
        self.assertEqual(scores["a"], {"items": 1, "right": 0})
        self.assertEqual(scores["b"], {"items": 1, "right": 1})
        self.assertEqual(scores["total"], {"items": 3, "right": 1})
        self.assertGreater(scores["c"]["wer"], 0)
        self.assertEqual([json.loads(line)["id"] for line in self.out.read_text().splitlines()],
                         ["1", "2", "3"])
        self.assertIn("total                    1 /     3", self.run_eval()[1])

    def test_one_bad_item_is_one_error(self):
        self.write({"prompt": "x", "answer": "", "match": "contains"},
                   {"prompt": "x", "answer": "", "match": "contains", "images": ["gone.png"]},
                   {"prompt": "x" * 3000, "answer": "", "match": "contains"},
                   {"prompt": "x", "answer": "", "match": "contains"})
        code, text, err = self.run_eval("--json", "--out", self.out)
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(text)["total"], {"items": 4, "right": 2, "errors": 2})
        lines = [json.loads(line) for line in self.out.read_text().splitlines()]
        self.assertIn("gone.png", lines[1]["error"])
        self.assertIn("2 not answered", self.run_eval()[1])

    def test_refusals(self):
        good = '{"prompt": "x", "answer": "y"}'
        for line, found in (
                ("{}", "prompt: expected text, found nothing"),
                ('{"prompt": "x"}', "answer: expected text, found nothing"),
                ('{"prompt": "x", "answer": 3}', "answer: expected text, found number"),
                ('{"prompt": "x", "answer": "y"', "expected JSON, found an error at column 30"),
                ("[]", "expected an object, found array"),
                ('{"prompt": "x", "answer": "y", "images": "p.png"}',
                 "images: expected a list of file names, found string"),
                ('{"prompt": "x", "answer": "y", "audio": [1]}',
                 "audio: expected a list of file names, found number"),
                ('{"prompt": "x", "answer": "y", "match": "near"}',
                 "match: expected exact, contains or wer, found near")):
            self.items.write_text(f"{good}\n\n{line}\n")
            self.refused(2, f"items.jsonl:3: {found}", "eval", "-m", self.model, self.items, "--out",
                         self.place / "never.jsonl")
            self.assertEqual(list(self.place.glob("never*")), [])
        self.items.write_text("\n")
        self.refused(2, "expected items, found none", "eval", "-m", self.model, self.items)
        self.write({"prompt": "x", "answer": ""})
        self.assertEqual(self.run_eval("--limit", -1)[0], 2)
        self.assertEqual(self.run_eval("--stats")[0], 2)
        self.refused(2, "cannot be written", "eval", "-m", self.model, self.items,
                     "--out", "/nonexistent/answers")
        self.refused(2, "cannot be written", "eval", "-m", self.model, self.items,
                     "--out", self.place)

    def test_system_is_heard(self):
        self.write({"prompt": "x", "answer": ""})
        def text(*arguments):
            self.assertEqual(self.run_eval("--out", self.out, *arguments)[0], 0)
            return json.loads(self.out.read_text())["text"]
        self.assertNotEqual(text(), text("--system", "Answer as a pirate would, at length"))

    def test_interrupted(self):
        self.write(*[{"prompt": "x", "answer": "", "task": "t"}] * 5000)
        process = start("eval", "-m", self.model, self.items, "--out", self.out, "--max-tokens", 50,
                        *WITHOUT_END)
        part = self.place / "answers.jsonl.part"
        while not part.exists() or not part.read_text():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn(b"interrupted", out)
        self.assertIn(b"answers.jsonl.part", err)
        self.assertTrue(all(json.loads(line) for line in part.read_text().splitlines()))


class Perplexity(Program):
    def run_json(self, *arguments):
        code, out, err = call("perplexity", self.model, *arguments, "--json")
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def test_of_a_text_and_against_a_reference(self):
        text, saved = self.place / "t.txt", self.place / "saved.safetensors"
        text.write_text("Call me Ishmael. Some years ago, never mind how long precisely.")
        first = self.run_json(text, "--save-logits", saved)
        self.assertGreater(first["perplexity"], 1)
        self.assertNotIn("kl", first)
        packed = self.place / "q8.g3n"
        self.assertEqual(call("quantize", self.model, "-o", packed, "--recipe", "q8", "--force")[0], 0)
        same = self.run_json(text, "--reference", saved)
        self.assertEqual((same["kl"]["max"], same["same_top_1"]), (0, 1))
        code, out, err = call("perplexity", packed, text, "--reference", saved)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"divergence: mean +0\.\d{6} \+- ")
        self.assertIn("same likeliest token", out)
        # The saved file is a plain safetensors file.
        raw = saved.read_bytes()
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:8 + length])
        self.assertEqual(header["logits"]["shape"][0], first["tokens"])
        self.assertEqual(len(raw), 8 + length + header["targets"]["data_offsets"][1])

    def test_of_answers(self):
        items = self.place / "items.jsonl"
        items.write_text(json.dumps({"prompt": "x", "answer": "yes", "images": ["p.png"]}) + "\n" +
                         json.dumps({"prompt": "y", "answer": "no", "audio": ["s.wav"]}) + "\n")
        self.assertGreater(self.run_json(items)["tokens"], 2)
        items.write_text(json.dumps({"prompt": "x", "answer": "yes", "images": ["gone.png"]}) + "\n")
        self.refused(4, "gone.png", "perplexity", self.model, items)

    def test_refusals(self):
        text = self.place / "t2.txt"
        text.write_text("")
        self.refused(2, "found no token", "perplexity", self.model, text)
        text.write_text("abc")
        self.refused(2, "stride: expected a number in [1, 7], found 9", "perplexity", self.model, text,
                     "--ctx", 8, "--stride", 9)
        self.refused(2, "expected a file, found none", "perplexity", self.model, "/nonexistent")
        self.refused(2, "cannot be written", "perplexity", self.model, text, "--save-logits",
                     "/nonexistent/logits")

    def test_interrupted(self):
        text, saved = self.place / "long.txt", self.place / "long.logits"
        text.write_text("many words " * 100000)
        process = start("perplexity", self.model, text, "--ctx", 64, "--save-logits", saved)
        part = self.place / "long.logits.part"
        while not part.exists() or part.stat().st_size < 1000:
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(list(self.place.glob("long.logits*")), [])


class Quantize(Program):
    def test_interrupted_leaves_nothing_and_starts_anew(self):
        """A wide model takes long enough to be interrupted while its file is under way."""
        wide, packed = self.place / "wide", self.place / "wide.g3n"
        config = json.loads((self.model / "config.json").read_text())
        config["text_config"]["hidden_size"] = 256
        config["text_config"]["intermediate_size"] = [8192] * 10
        like = self.place / "wide.json"
        like.write_text(json.dumps(config))
        self.assertEqual(call("synth", "--like", like, "--out", wide)[0], 0)
        process = start("quantize", wide, "-o", packed)
        part = self.place / "wide.g3n.part"
        while not part.exists():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(list(self.place.glob("wide.g3n*")), [])
        # One that was killed leaves its part behind, which the next writes over.
        process = start("quantize", wide, "-o", packed)
        while not part.exists():
            self.assertIsNone(process.poll())
        process.kill()
        process.communicate(timeout=60)
        self.assertFalse(packed.exists())
        self.assertTrue(part.exists())
        self.assertEqual(call("quantize", wide, "-o", packed)[0], 0)
        self.assertEqual(list(self.place.glob("wide.g3n*")), [packed])
        self.assertEqual(call("inspect", packed, "--check")[0], 0)

    def test_recipe_and_calibration(self):
        recipe, text, out = self.place / "r.json", self.place / "c.txt", self.place / "r.g3n"
        text.write_text("Call me Ishmael. Some years ago, never mind how long precisely.")
        recipe.write_text(json.dumps({"rules": [{"tensors": "*nothing*", "as": "q8"}]}))
        self.refused(2, "rules[0].tensors", "quantize", self.model, "-o", out, "--recipe", recipe)
        self.refused(2, "expected q4, q8, bf16 or a file of rules, found q3", "quantize", self.model, "-o",
                     out, "--recipe", "q3")
        self.refused(2, "--calibrate", "quantize", self.model, "-o", out, "--bits", 5)
        self.assertEqual(list(self.place.glob("r.g3n*")), [])
        code, _, err = call("quantize", self.model, "-o", out, "--calibrate", text)
        self.assertEqual(code, 0, err)
        self.assertEqual(call("inspect", out, "--check")[0], 0)


class Inspect(Program):
    def test_check(self):
        code, out, _ = call("inspect", self.model, "--check")
        self.assertEqual(code, 0)
        self.assertRegex(out, r"text ok · vision ok · audio ok · tokenizer ok · \d+ tensors, no NaN")
        self.assertIn("of layer 3", out)

    def test_json(self):
        report = json.loads(call("inspect", self.model, "--json", "--check")[1])
        self.assertEqual(report["check"], {"ok": True, "error": ""})
        self.assertGreater(report["memory"]["cache_bytes_per_1k"], 0)
        for name in ("num_attention_heads", "num_key_value_heads", "head_dim", "sliding_window"):
            self.assertGreater(report[name], 0)

    def broken(self, name, text):
        directory = self.place / ("broken_" + name)
        shutil.copytree(self.model, directory)
        (directory / name).write_text(text)
        return directory

    def test_what_does_not_load_is_bad(self):
        for name in ("tokenizer.json", "generation_config.json"):
            code, out, err = call("inspect", self.broken(name, "[]"), "--check")
            self.assertEqual(code, 3, out)
            self.assertIn("does not load", out)
            self.assertIn(name, err)

    def test_names_of_tensors_are_harmless(self):
        directory = self.place / "escape"
        shutil.copytree(self.model, directory)
        weights = (directory / "model.safetensors").read_bytes()
        name = b"model.language_model.norm.weight"
        evil = b"\\u001b[2J" + b"x" * (len(name) - 9)
        (directory / "model.safetensors").write_bytes(weights.replace(name, evil))
        code, out, _ = call("inspect", directory)
        self.assertEqual(code, 3)
        self.assertNotIn("\x1b", out)
        self.assertIn("\\x1b[2J", out)


class Synth(Program):
    def test_keeps_foreign_models(self):
        foreign = self.place / "foreign"
        foreign.mkdir()
        weights = foreign / "model-00001-of-00001.safetensors"
        weights.write_text("precious")
        self.refused(2, "--force", "synth", "--out", foreign)
        self.assertEqual(call("synth", "--out", foreign, "--force", "--tokenizer", "/gone")[0], 3)
        self.assertEqual(weights.read_text(), "precious")
        self.assertEqual(call("synth", "--out", foreign, "--force")[0], 0)
        self.assertEqual(call("synth", "--out", foreign, "--seed", 3)[0], 0)  # ours by now

    def test_wrong_options(self):
        self.refused(2, "expected e2b, e4b, tiny", "synth", "--like", "foo", "--out",
                     self.place / "x")
        self.assertEqual(call("synth", "--seed", -1, "--out", self.place / "x")[0], 2)
        self.assertFalse((self.place / "x").exists())


class Ids(Program):
    def test_tokenize_round_trip(self):
        text = "Hello  wörld\n\n\ttab"
        ids = call("tokenize", "-m", self.model, text)[1].strip()
        self.assertEqual(call("tokenize", "-m", self.model, "--decode", ids)[1], text + "\n")

    def test_ids_outside_of_the_vocabulary(self):
        for ids in ("2,999999", "-1", "1,x"):
            self.refused(2, "expected ids", "tokenize", "-m", self.model, f"--decode={ids}")

    def test_more_ids_than_context(self):
        many = self.place / "many"
        many.write_text(",".join(["300"] * 1025) + "\n")
        self.refused(2, "expected at most 1024 tokens", "logits", "-m", self.model, "--ids",
                     f"@{many}", "--out", self.place / "many.npy")
        self.refused(2, "expected at most 1024 tokens", "dump", "-m", self.model, "x" * 3000,
                     "--out", self.place / "many")

    def test_ids_without_embedding(self):
        """Refused before any work, and told by their place in the whole list."""
        out = self.place / "ids.npy"
        for ids, found in (([300] * 300 + [544], "token id 544 (number 300 of this input)"),
                           ([-1], "token id -1 (number 0 of this input)")):
            self.refused(2, found, "logits", "-m", self.model, "--ids=" + ",".join(map(str, ids)),
                         "--out", out)
        self.assertFalse(out.exists())
        self.refused(2, "expected a directory", "logits", "-m", self.model, "--ids", 2, "--out",
                     "/nonexistent/ids.npy")

    def test_dump_into_a_file(self):
        file = self.place / "c1.toml"
        file.write_text("")
        self.refused(2, "c1.toml", "dump", "-m", self.model, "x", "--out", file)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""The program from outside: exit codes, errors, settings, chat, interruption, evaluation.

    command_line_test.py GEMMA3N
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "reference"))
import sample_media  # noqa: E402

GEMMA3N = sys.argv.pop(1)


def call(*arguments, **options):
    options.setdefault("input", b"")
    environment = {**os.environ, "HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent",
                   **options.pop("env", {})}
    done = subprocess.run([GEMMA3N, *map(str, arguments)], capture_output=True, env=environment,
                          **options)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class CommandLine(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp())
        cls.model = cls.place / "model"
        assert call("synth", "--like", "tiny", "--seed", 2, "--out", cls.model)[0] == 0
        sample_media.write_picture(cls.place / "p.png")
        sample_media.write_sound(cls.place / "s.wav")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.place)

    def answer(self, *arguments, **options):
        code, out, err = call("run", "-m", self.model, "--json", *arguments, **options)
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def refused(self, code, part, *arguments, **options):
        found, _, err = call(*arguments, **options)
        self.assertEqual(found, code, err)
        self.assertIn(part, err)
        self.assertEqual(err.count("\n"), 1, err)  # one clear line

    def test_help_and_usage(self):
        for command in ("run", "chat", "eval", "inspect", "tokenize", "logits", "dump", "synth"):
            code, out, _ = call(command, "--help")
            self.assertEqual(code, 0)
            self.assertIn("Example", out)
        self.assertEqual(call()[0], 2)
        self.assertEqual(call("run", "--no-such-option")[0], 2)
        self.assertEqual(call("run", "-m", self.model, "--temp", "-1", "x")[0], 2)

    def test_json_holds_what_it_should(self):
        answer = self.answer("--temp", 0, "--max-tokens", 5, "--logprobs", 2, "Hello")
        self.assertEqual({"text", "token_ids", "prompt_token_ids", "finish_reason", "timings",
                          "logprobs"}, set(answer))
        self.assertEqual(len(answer["logprobs"]), len(answer["token_ids"]))
        best = answer["logprobs"][0]["likeliest"]
        self.assertEqual(len(best), 2)
        self.assertGreaterEqual(best[0]["logprob"], best[1]["logprob"])

    def test_seed_decides(self):
        same = [self.answer("--seed", 7, "--temp", 2, "--max-tokens", 12, "x")["token_ids"]
                for _ in range(2)]
        other = self.answer("--seed", 8, "--temp", 2, "--max-tokens", 12, "x")["token_ids"]
        self.assertEqual(same[0], same[1])
        self.assertNotEqual(same[0], other)

    def test_environment_and_configuration_file(self):
        plain = self.answer("--temp", 0, "--max-tokens", 3, "x")
        named = self.answer("--max-tokens", 3, "x", env={"GEMMA3N_TEMP": "0"})
        self.assertEqual(plain["token_ids"], named["token_ids"])
        config = self.place / "config.toml"
        config.write_text("[run]\ntemp=0\nmax-tokens=3\n")
        code, out, err = call("--config", config, "run", "-m", self.model, "--json", "x")
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)["token_ids"], plain["token_ids"])

    def test_media_change_the_answer(self):
        texts = [self.answer("--temp", 0, "--max-tokens", 8, *media, "x")["token_ids"]
                 for media in ((), (self.place / "p.png",), (self.place / "s.wav",))]
        self.assertEqual(len({tuple(t) for t in texts}), 3)

    def test_wrong_model(self):
        self.refused(3, "expected a model directory", "run", "-m", "/nonexistent", "x")
        broken = self.place / "broken"
        shutil.copytree(self.model, broken)
        weights = (broken / "model.safetensors").read_bytes()
        (broken / "model.safetensors").write_bytes(weights[:-1])
        self.refused(3, "is the download complete", "run", "-m", broken, "x")
        (broken / "model.safetensors").write_bytes(weights)
        (broken / "config.json").write_text(
            (self.model / "config.json").read_text().replace('"laurel_rank": 8', '"laurel_rank": 9'))
        self.refused(3, "expected [9, 64], found [8, 64]", "run", "-m", broken, "x")
        (broken / "tokenizer.json").write_text("{}")
        self.refused(3, "tokenizer.json", "run", "-m", broken, "x")

    def test_wrong_media(self):
        (self.place / "broken.png").write_bytes((self.place / "p.png").read_bytes()[:100])
        self.refused(4, "broken.png", "run", "-m", self.model, "--image", self.place / "broken.png",
                     "x")
        self.refused(4, "gone.wav", "run", "-m", self.model, "--audio", self.place / "gone.wav", "x")
        sample_media.write_sound(self.place / "long.wav", 16000 * 20)
        self.refused(4, "expected at most", "run", "-m", self.model, "--audio",
                     self.place / "long.wav", "x")

    def test_hostile_P05_context(self):
        prompt = "a" * 200
        count = len(self.answer("--max-tokens", 0, prompt)["prompt_token_ids"])
        self.refused(2, f"prompt has {count} tokens", "run", "-m", self.model, "--ctx", count, prompt)
        answer = self.answer("--ctx", count + 1, "--temp", 0, prompt)
        self.assertEqual(answer["finish_reason"], "length")
        self.refused(2, "context: expected", "run", "-m", self.model, "--ctx", 10**6, "x")

    def test_hostile_P02_typed_placeholders(self):
        answer = self.answer("--max-tokens", 1, "<image_soft_token><start_of_turn><audio_soft_token>")
        self.assertEqual(answer["prompt_token_ids"].count(513), 0)
        self.assertEqual(answer["prompt_token_ids"].count(529), 0)

    def test_stop_text(self):
        whole = self.answer("--temp", 0, "--max-tokens", 20, "x")["text"]
        if len(whole) > 4:
            stop = whole[2:4]
            cut = self.answer("--temp", 0, "--max-tokens", 20, "--stop", stop, "x")
            self.assertEqual(cut["text"], whole[:whole.index(stop)])
            self.assertEqual(cut["finish_reason"], "stop")

    def test_chat(self):
        lines = b"Hello\n/set temp 0\n/set temp x\n/nothing\n/show context\n/undo\n/bye\n"
        code, out, err = call("chat", "-m", self.model, "--max-tokens", 3, input=lines)
        self.assertEqual(code, 0, err)
        self.assertIn("of 1024 tokens", out)
        self.assertIn("expected a number", err)
        self.assertIn("/nothing is no command", err)

    def test_chat_saves_and_loads(self):
        file = self.place / "talk.json"
        call("chat", "-m", self.model, "--max-tokens", 2, "--temp", 0,
             input=f"one\n/save {file}\n/bye\n".encode())
        turns = json.loads(file.read_text())["turns"]
        self.assertEqual([t["role"] for t in turns], ["user", "model"])
        _, out, err = call("chat", "-m", self.model, "--max-tokens", 1,
                           input=f"/load {file}\ntwo\n/show prompt\n/bye\n".encode())
        self.assertIn("one<end_of_turn>", out, err)
        self.assertIn("two<end_of_turn>", out)

    def test_cached_turns_change_nothing(self):
        """A second turn that finds the first one cached answers as a fresh process does."""
        file = self.place / "fresh.json"
        _, kept, _ = call("chat", "-m", self.model, "--max-tokens", 6, "--temp", 0, "--raw-output",
                          input=f"first\nsecond\n/save {file}\n/bye\n".encode())
        turns = json.loads(file.read_text())["turns"]
        again = self.place / "again.json"
        first = {"system": "", "turns": turns[:2]}
        again.write_text(json.dumps(first))
        call("chat", "-m", self.model, "--max-tokens", 6, "--temp", 0,
             input=f"/load {again}\nsecond\n/save {again}\n/bye\n".encode())
        self.assertEqual(json.loads(again.read_text())["turns"], turns)

    def test_interrupt_ends_an_answer_cleanly(self):
        process = subprocess.Popen(
            [GEMMA3N, "run", "-m", str(self.model), "--max-tokens", "100000", "--json", "--seed", "1",
             "--temp", "3", "--logit-bias", "1=-100", "--logit-bias", "5=-100", "--ctx", "1024", "x"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        if process.returncode == 130:  # it may have finished before
            if out:
                self.assertEqual(json.loads(out)["finish_reason"], "cancelled")
        else:
            self.assertIn(process.returncode, (0, -2))

    def test_eval(self):
        items = [{"id": "1", "task": "a", "prompt": "x", "answer": "no such answer"},
                 {"id": "2", "task": "b", "prompt": "x", "answer": "", "match": "contains",
                  "images": ["p.png"]},
                 {"id": "3", "task": "c", "prompt": "x", "answer": "one two", "match": "wer"}]
        file = self.place / "items.jsonl"
        file.write_text("".join(json.dumps(i) + "\n" for i in items))
        out = self.place / "answers.jsonl"
        code, text, err = call("eval", "-m", self.model, file, "--json", "--max-tokens", 4, "--out", out)
        self.assertEqual(code, 0, err)
        scores = json.loads(text)
        self.assertEqual(scores["a"], {"items": 1, "right": 0})
        self.assertEqual(scores["b"], {"items": 1, "right": 1})
        self.assertGreater(scores["c"]["wer"], 0)
        self.assertEqual(len(out.read_text().splitlines()), 3)
        file.write_text("{}\n")
        self.refused(2, "items.jsonl:1", "eval", "-m", self.model, file)

    def test_inspect(self):
        code, out, _ = call("inspect", self.model, "--check")
        self.assertEqual(code, 0)
        self.assertIn("every weight is finite", out)
        self.assertIn("of layer 3", out)

    def test_tokenize_round_trip(self):
        text = "Hello  wörld\n\n\ttab"
        ids = call("tokenize", "-m", self.model, text)[1].strip()
        self.assertEqual(call("tokenize", "-m", self.model, "--decode", ids)[1], text + "\n")

    def test_forced_instruction_set(self):
        self.answer("--temp", 0, "--max-tokens", 2, "x", env={"GEMMA3N_ISA": "scalar"})
        self.refused(2, "abacus", "run", "-m", self.model, "x", env={"GEMMA3N_ISA": "abacus"})


if __name__ == "__main__":
    unittest.main()

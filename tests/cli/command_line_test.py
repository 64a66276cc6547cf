# SPDX-License-Identifier: Apache-2.0
"""The program from outside: options and where they come from, prompts, exit codes, errors.

    command_line_test.py GEMMA3N
"""
import json
import os
import shutil
import subprocess
import unittest

from program import GEMMA3N, Program, call, environment, sample_media


class CommandLine(Program):
    def test_help_and_usage(self):
        for command in ("run", "chat", "eval", "perplexity", "inspect", "tokenize", "logits", "dump", "synth",
                        "quantize", "bench"):
            code, out, _ = call(command, "--help")
            self.assertEqual(code, 0)
            self.assertIn("Example", out)
        self.assertEqual(call()[0], 2)
        self.assertEqual(call("run", "--no-such-option")[0], 2)
        self.assertEqual(call("run", "-m", self.model, "--temp", "-1", "x")[0], 2)

    def test_resident_weights_answer_alike(self):
        asked = ("--temp", 0, "--max-tokens", 8, "Hello")
        self.assertEqual(self.answer("--resident", *asked)["token_ids"],
                         self.answer(*asked)["token_ids"])

    def test_json_holds_what_it_should(self):
        answer = self.answer("--temp", 0, "--max-tokens", 5, "--logprobs", 2, "Hello")
        self.assertEqual({"text", "token_ids", "prompt_token_ids", "finish_reason", "timings",
                          "logprobs"}, set(answer))
        self.assertTrue(all("text" in token for token in answer["logprobs"]))
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

    def test_many_large_pictures_need_the_memory_of_one(self):
        picture = self.place / "large.png"
        sample_media.write_even_picture(picture, 5000, 4000)  # 60 MB as pixels

        def peak(count):  # MiB
            pictures = [word for _ in range(count) for word in ("--image", picture)]
            kept = {"ASAN_OPTIONS": "quarantine_size_mb=0"}  # or freed memory counts under it
            process = subprocess.Popen([GEMMA3N, "run", "-m", self.model, "--max-tokens", "1",
                                        *pictures, "x"], env=environment(kept),
                                       stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            self.assertEqual(status, 0)
            return usage.ru_maxrss / 1024

        self.assertLess(peak(6), peak(1) + 60)

    def count(self, *arguments, env=None):
        """How many tokens an answer has under these settings."""
        code, out, err = call(*arguments, "--json", "--logit-bias", "1=-inf,5=-inf", "x",
                              env={"GEMMA3N_MODEL": str(self.model), **(env or {})})
        self.assertEqual(code, 0, err)
        return len(json.loads(out)["token_ids"])

    def test_the_order_of_sources(self):
        config = self.place / "order.toml"
        config.write_text("max-tokens=4\nthreads=1\n[run]\nmax-tokens=5\n[chat]\nmax-tokens=6\n")
        named = {"GEMMA3N_CONFIG": str(config)}
        self.assertEqual(self.count("run", "--config", config), 5)
        self.assertEqual(self.count("run", env=named), 5)
        self.assertEqual(self.count("run", env={**named, "GEMMA3N_MAX_TOKENS": "3"}), 3)
        self.assertEqual(self.count("run", "--max-tokens", 2,
                                    env={**named, "GEMMA3N_MAX_TOKENS": "3"}), 2)
        self.assertEqual(self.count("--max-tokens", 1, "run", env=named), 1)
        config.write_text("max-tokens=4\n")
        self.assertEqual(self.count("run", env=named), 4)
        config.write_text("no-such-option=4\n")
        self.assertEqual(call("run", "x", env=named)[0], 2)
        self.assertEqual(call("run", "x", env={"GEMMA3N_CONFIG": "/nonexistent"})[0], 2)

    def test_options_may_stand_before_the_command(self):
        code, out, err = call("-m", self.model, "--max-tokens", 1, "--offline", "run", "--json", "x")
        self.assertEqual(code, 0, err)
        self.assertEqual(len(json.loads(out)["token_ids"]), 1)
        self.refused(2, "'foo' is no command", "foo")
        self.refused(2, "'foo' is no command", "-m", self.model, "foo", "run")

    def test_every_command_may_be_quiet(self):
        out = self.place / "quiet"
        for arguments in (("run", "-m", self.model, "--max-tokens", 1, "x"),
                          ("chat", "-m", self.model), ("inspect", self.model),
                          ("tokenize", "-m", self.model, "x"),
                          ("logits", "-m", self.model, "--ids", 2, "--out", f"{out}.npy"),
                          ("dump", "-m", self.model, "x", "--out", f"{out}.dump"),
                          ("synth", "--out", f"{out}.model")):
            code, _, err = call(*arguments, "--quiet", "--offline", "--color", "never")
            self.assertEqual((code, err), (0, ""), arguments)

    def test_debug_tells_more_about_an_error(self):
        wrong = ("run", "-m", "/nonexistent", "--top-k", 7, "x")
        self.refused(3, "expected a model directory", *wrong)
        config = self.place / "debug.toml"
        config.write_text("debug=true\n")
        for arguments, env in ((("--debug", *wrong), {}), ((*wrong, "--debug"), {}),
                               (wrong, {"GEMMA3N_DEBUG": "1"}), (("--config", config, *wrong), {})):
            code, _, err = call(*arguments, env=env)
            lines = err.splitlines()
            self.assertEqual(code, 3, err)
            self.assertIn("expected a model directory", lines[0])
            self.assertTrue(all(line.startswith("debug: ") for line in lines[1:]), err)
            for part in ("kind model, exit code 3", "MemAvailable", "top-k=7"):
                self.assertIn(part, err)
        code, _, err = call("run", "--debug", "--no-such")
        self.assertEqual(code, 2)
        self.assertIn("debug: kind usage", err)
        self.assertEqual(call("run", "-m", self.model, "--debug", "--max-tokens", 1, "x")[2], "")

    def test_numbers_that_are_none(self):
        self.refused(2, "\\x1b[2J", "run", "-m", self.model, "--temp", "\x1b[2J", "x")
        self.refused(2, "--no\\x0asuch", "run", "-m", self.model, "--no\nsuch", "x")
        for name, value in (("--temp", "nan"), ("--temp", "-1"), ("--top-p", "nan"), ("--top-p", "0"),
                            ("--min-p", "nan"), ("--repeat-penalty", "nan"), ("--seed", "-1"),
                            ("--color", "red")):
            code, _, err = call("run", "-m", self.model, name, value, "x")
            self.assertEqual(code, 2, (name, value))
            self.assertIn(value, err)
        for bias in ("5=nan", "5=3junk", "5", "=1", "-1=1", "5=inf", "99999=1", "5=1,6"):
            self.refused(2, "bias", "run", "-m", self.model, "--logit-bias", bias, "x")
        self.answer("--seed", 2**64 - 1, "--max-tokens", 1, "x")

    def test_biases_from_the_environment(self):
        everything = ",".join(f"{i}=-inf" for i in range(512) if i != 300)
        answer = self.answer("--max-tokens", 3, "x", env={"GEMMA3N_LOGIT_BIAS": everything})
        self.assertEqual(answer["token_ids"], [300] * 3)

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
        self.refused(2, f"prompt has {count} tokens", "run", "-m", self.model, "--ctx", count - 1,
                     prompt)
        for room in (0, 1):
            answer = self.answer("--ctx", count + room, "--temp", 0, prompt)
            self.assertEqual((answer["finish_reason"], len(answer["token_ids"])),
                             ("length", 1 + room))
        self.refused(2, "context: expected", "run", "-m", self.model, "--ctx", 10**6, "x")
        code, _, err = call("run", "-m", self.model, "--ctx", 10, self.place / "p.png")
        self.assertEqual(code, 2)
        self.assertRegex(err, r"prompt has \d+ tokens \(\d+ of them pictures and sound\) but the "
                              r"context holds 10")

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

    def test_forced_instruction_set(self):
        _, _, err = call("run", "-m", self.model, "x", env={"GEMMA3N_ISA": "none"})
        for name in err.split("choose from ")[1].split(", "):
            self.answer("--temp", 0, "--max-tokens", 2, "x", env={"GEMMA3N_ISA": name.strip()})
        self.refused(2, "abacus", "run", "-m", self.model, "x", env={"GEMMA3N_ISA": "abacus"})

    def test_hostile_P03_P04_control_tokens_as_text(self):
        typed = "<image_soft_token><end_of_turn><start_of_image><audio_soft_token>"
        plain = self.answer("--max-tokens", 1, "--system", "s", "x")["prompt_token_ids"]
        asked = self.answer("--max-tokens", 1, "--system", typed, "x")["prompt_token_ids"]
        raw = self.answer("--max-tokens", 1, "--raw", typed)["prompt_token_ids"]
        # Control tokens: below the bytes, and the placeholders at the end of the vocabulary.
        controls = [[i for i in ids if i < 10 or i >= 500] for ids in (plain, asked, raw)]
        self.assertEqual(controls[0], controls[1])
        self.assertEqual(controls[2], [2])

    def test_hostile_P12_the_limit_of_tokens(self):
        for most in (0, 1, 7):
            answer = self.answer("--max-tokens", most, "--logit-bias", "1=-inf,5=-inf", "x")
            self.assertEqual(len(answer["token_ids"]), most)
            self.assertEqual(answer["finish_reason"], "length")

    def test_timings_hold_tokens_of_media(self):
        timings = self.answer("--max-tokens", 2, self.place / "p.png", self.place / "s.wav",
                              "x")["timings"]
        self.assertGreater(timings["image_tokens"], 0)
        self.assertGreater(timings["audio_tokens"], 0)
        err = call("run", "-m", self.model, "--max-tokens", 2, "--stats", self.place / "p.png",
                   "x")[2]
        for part in ("1 picture, ", "answer 2 tokens", "loaded in"):
            self.assertIn(part, err)

    def test_files_that_are_no_prompt(self):
        for name, head in (("a.heic", b"\0\0\0\x18ftypheic" + b"\0" * 64), ("a.pdf", b"%PDF-1.7\n"),
                           ("a.bmp", b"BM" + b"\0" * 64)):
            (self.place / name).write_bytes(head)
            self.refused(4, "found a file of the kind", "run", "-m", self.model,
                         self.place / name, "x")
        self.refused(4, "gone.png: no such file", "run", "-m", self.model, "gone.png", "x")
        self.refused(4, "gone.WAV: no such file", "run", "-m", self.model, "x", "gone.WAV")
        self.answer("--max-tokens", 1, "What is in gone.png")  # a sentence

    def test_empty_prompts(self):
        self.refused(2, "found an empty one", "run", "-m", self.model, "")
        self.refused(2, "found an empty one", "run", "-m", self.model, "-")
        self.refused(2, "found an empty one", "run", "-m", self.model)

    def test_too_many_pictures(self):
        picture = self.place / "p.png"
        self.refused(2, "at most 64 pictures", "run", "-m", self.model, *[picture] * 65, "x")
        self.refused(2, "at most 64 pictures", "run", "-m", self.model,
                     *["--image", picture] * 65, "x")

    def test_text_from_files(self):
        self.refused(2, "expected a file", "run", "-m", self.model, "--system", "@/dev/zero", "x")
        self.refused(2, "expected a file", "run", "-m", self.model, "--system", "@", "x")
        large = self.place / "large"
        with open(large, "wb") as file:
            file.truncate((64 << 20) + 1)
        self.refused(2, "at most 64 MiB", "run", "-m", self.model, "--system", f"@{large}", "x")
        with open(large, "rb") as file:
            self.refused(2, "at most 64 MiB", "run", "-m", self.model, "-", input=None, stdin=file)


if __name__ == "__main__":
    unittest.main()

# SPDX-License-Identifier: Apache-2.0
"""Signals, standard streams and terminals.

    streams_test.py GEMMA3N
"""
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import time
import unittest

from program import GEMMA3N, Program, Terminal, WITHOUT_END, call, environment, start


class Signals(Program):
    def begin(self, *arguments, prompt="x", **options):
        """An answer that would take minutes."""
        return start("run", "-m", self.long_model(), "--ctx", 100000, "--max-tokens", 90000,
                     *WITHOUT_END, *arguments, prompt, **options)

    def finish(self, process):
        out, err = process.communicate(timeout=60)
        return process.returncode, out.decode(errors="replace"), err.decode()

    def test_interrupt_during_the_answer(self):
        process = self.begin()
        self.assertTrue(process.stdout.read(1))  # the answer has begun
        process.send_signal(signal.SIGINT)
        code, _, err = self.finish(process)
        self.assertEqual((code, err), (130, ""))

    def test_interrupt_with_json(self):
        process = self.begin("--json")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        code, out, _ = self.finish(process)
        self.assertEqual(code, 130)
        self.assertEqual(json.loads(out)["finish_reason"], "cancelled")

    def test_interrupt_while_tokens_give_no_text(self):
        silent = [f"{i}=-inf" for i in range(512) if i != 0]  # <pad>, which shows nothing
        process = start("run", "-m", self.long_model(), "--ctx", 100000, "--max-tokens", 90000,
                        "--json", "--logit-bias", ",".join(silent), "x")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], 130)

    def test_interrupt_of_dump_and_logits(self):
        ids = self.place / "ids"
        ids.write_text(",".join(["300"] * 20000))
        process = start("logits", "-m", self.long_model(), "--ids", f"@{ids}", "--out",
                        self.place / "never.npy")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], 130)
        self.assertFalse((self.place / "never.npy").exists())
        prompt = self.place / "prompt"
        prompt.write_text("x" * 20000)
        process = start("dump", "-m", self.long_model(), f"@{prompt}", "--out", self.place / "d")
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], 130)

    def test_two_interrupts_and_termination(self):
        process = self.begin()
        process.stdout.read(1)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], 130)
        process = self.begin()
        process.stdout.read(1)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process)[0], -signal.SIGTERM)

    def test_stop_and_continue(self):
        process = self.begin()
        self.assertTrue(process.stdout.read(1))
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        process.send_signal(signal.SIGCONT)
        self.assertEqual(len(process.stdout.read(500)), 500)  # it goes on
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], 130)


class Streams(Program):
    def test_a_full_disk_is_an_error(self):
        for arguments in (("run", "-m", self.model, "--max-tokens", 3, "x"),
                          ("run", "-m", self.model, "--max-tokens", 3, "--json", "x"),
                          ("chat", "-m", self.model, "--quiet"), ("inspect", self.model),
                          ("inspect", self.model, "--json"), ("--help",),
                          ("tokenize", "-m", self.model, "x")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([GEMMA3N, *map(str, arguments)], stdout=full,
                                      stderr=subprocess.PIPE, env=environment(), input=b"x\n")
            self.assertEqual(done.returncode, 5, arguments)
            self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
            self.assertIn(b"standard output cannot be written", done.stderr)

    def test_a_reader_that_leaves_ends_the_answer(self):
        process = start("run", "-m", self.long_model(), "--ctx", 100000, "--max-tokens", 90000,
                        *WITHOUT_END, "x")
        process.stdout.read(1)
        process.stdout.close()
        self.assertEqual(process.wait(60), 5)
        self.assertEqual(process.stderr.read(), b"")
        process.stderr.close()
        process.stdin.close()

    def test_messages_are_one_clean_line(self):
        self.refused(3, "\\x1b]0;title\\x07\\x0a", "inspect", "/no\x1b]0;title\x07\n\t\u009bwhere")
        self.assertIn("\\u009b", call("inspect", "/no\u009bwhere")[2])

    def test_hostile_P08_answers_on_a_terminal_show_their_controls(self):
        vocabulary = json.loads((self.model / "tokenizer.json").read_text())["model"]["vocab"]
        # The answer is two escapes, whoever asks.
        escapes = ("-m", self.model, "--temp", 0, "--max-tokens", 2, "--logit-bias", f"{vocabulary['<0x1B>']}=100")
        terminal = Terminal("run", *escapes, "x", term="dumb")
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("\\x1b\\x1b", terminal.seen)
        self.assertNotIn("\x1b", terminal.seen)
        self.assertEqual(call("run", *escapes, "x")[1].rstrip("\n"), "\x1b\x1b")  # to a pipe as they are
        terminal = Terminal("chat", *escapes, term="dumb")
        terminal.until(">")
        terminal.send("x\r")
        terminal.until("\\x1b\\x1b")
        terminal.until(">>> ")
        terminal.send("\x04")
        self.assertEqual(terminal.wait(), 0)
        self.assertNotIn("\x1b", terminal.seen)
        ids = call("tokenize", "-m", self.model, "a\x1b[2Jb\u009bc")[1].strip()
        terminal = Terminal("tokenize", "-m", self.model, "--decode", ids)
        self.assertEqual(terminal.wait(), 0)
        self.assertIn("a\\x1b[2Jb\\u009bc", terminal.seen)
        self.assertIn("a\x1b[2Jb\u009bc", call("tokenize", "-m", self.model, "--decode", ids)[1])

    def test_colours(self):
        answer = ("run", "-m", self.model, "--max-tokens", 1, "--stats", "x")
        self.assertNotIn("\x1b", call(*answer)[2])
        self.assertIn("\x1b[2m", call(*answer, "--color", "always")[2])
        for term, extra, dim in (("xterm", {}, True), ("dumb", {}, False),
                                 ("xterm", {"NO_COLOR": "1"}, False)):
            terminal = Terminal(*answer, term=term, env=extra)
            self.assertEqual(terminal.wait(), 0)
            self.assertEqual("\x1b[2m" in terminal.seen, dim, (term, extra))

    def test_progress_shows_while_the_work_is_silent(self):
        prompt = self.place / "long_prompt"
        prompt.write_text("x" * 60000)
        terminal = Terminal("dump", "-m", self.long_model(), f"@{prompt}", "--out",
                            self.place / "values")
        terminal.until("reading the prompt")
        terminal.send("\x03")
        self.assertEqual(terminal.wait(), 130)


class Resources(Program):
    def test_hostile_F04_threads_and_processors(self):
        one = self.answer("--temp", 0, "--max-tokens", 5, "x")["token_ids"]
        many = self.answer("--temp", 0, "--max-tokens", 1, "--threads", 1024, "x")["token_ids"]
        self.assertEqual(one[:1], many)
        first = min(os.sched_getaffinity(0))
        bound = self.answer("--temp", 0, "--max-tokens", 5, "x",
                            preexec_fn=lambda: os.sched_setaffinity(0, {first}))["token_ids"]
        self.assertEqual(one, bound)

    def test_a_cache_that_cannot_fit_is_refused(self):
        config = json.loads((self.model / "config.json").read_text())
        config["text_config"].update(max_position_embeddings=1 << 24, num_attention_heads=8,
                                     num_key_value_heads=8, head_dim=256)
        vast, model = self.place / "vast.json", self.place / "vast"
        vast.write_text(json.dumps(config))
        self.assertEqual(call("synth", "--like", vast, "--out", model)[0], 0)
        found, _, err = call("run", "-m", model, "x")
        self.assertEqual((found, err.count("\n")), (5, 1), err)
        self.assertRegex(err, r"not enough memory: a context of 16777216 tokens needs [0-9.]+ GB "
                              r"\([0-9.]+ GB for its cache\) beside the weights, [0-9.]+ [MG]B is "
                              r"free; use a shorter one, such as --ctx \d+ \([0-9.]+ [MG]B\)")
        shorter = re.search(r"--ctx (\d+)", err).group(1)
        self.assertEqual(call("run", "-m", model, "--ctx", shorter, "--max-tokens", 1, "x")[0], 0)
        # Before the weights: a damaged tokenizer is not even looked at.
        (model / "tokenizer.json").rename(model / "kept")
        self.refused(5, "not enough memory", "run", "-m", model, "x")
        (model / "kept").rename(model / "tokenizer.json")
        self.assertEqual(call("run", "-m", model, "--ctx", 100, "--max-tokens", 1, "x")[0], 0)

        program = pathlib.Path(GEMMA3N).read_bytes()
        if b"__asan_init" in program or b"__tsan_init" in program:
            return  # the sanitizers themselves reserve terabytes

        def little_memory():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        self.refused(5, "context", "run", "-m", model, "--ctx", 100000, "x",
                     preexec_fn=little_memory)
        many = self.place / "many_ids"
        many.write_text(",".join(["300"] * 600_000))
        self.refused(5, "not enough memory: logits of 600000 tokens need 1.3 GB", "logits", "-m",
                     model, "--ids", f"@{many}", "--out", self.place / "many.npy",
                     preexec_fn=little_memory)


if __name__ == "__main__":
    unittest.main()

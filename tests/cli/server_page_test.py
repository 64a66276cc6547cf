# SPDX-License-Identifier: Apache-2.0
"""What the page asks of the server: sizes, counts of tokens, facts, results of `lab`; text to ids and back.

    server_page_test.py GEMMA3N
"""
import json
import pathlib
import tempfile
import unittest

from program import call
from service import NANO, Service, film, picture, run, sound, user

EVAL = NANO / "eval"


class PageApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.info = json.loads(cls.service.request("GET", "/page/info")[2])

    @classmethod
    def tearDownClass(cls):
        cls.service.__exit__()

    def refused(self, path, body):
        status, _, answer = self.service.post(path, body)
        self.assertEqual(status, 400, answer)
        return answer["error"]

    def test_facts(self):
        self.assertEqual((self.info["model"], self.info["size"]), ("nano", "full"))
        self.assertTrue(self.info["sees"] and self.info["hears"])
        self.assertEqual((self.info["needs_key"], self.info["lab"]), (False, False))
        self.assertEqual((self.info["body_bytes"], self.info["upload_bytes"]), (64 << 20, 1 << 30))
        self.assertEqual(self.info["certificate"], "")
        self.assertEqual(self.service.request("GET", "/page/certificate.pem")[0], 404)
        parameters = [size["effective_parameters"] for size in self.info["sizes"]]
        self.assertGreater(len(parameters), 3)
        self.assertEqual(parameters, sorted(parameters, reverse=True))

    def test_sizes_answer_as_they_do_in_the_program(self):
        for size in self.info["sizes"]:
            expected = run("--temp", 0, "--size", size["name"], "What is green in Spanish?")
            answer = self.service.chat(user("What is green in Spanish?"), size=size["name"])
            self.assertEqual(answer["choices"][0]["message"]["content"], expected["text"], size)

    def test_a_size_that_changes_in_a_conversation(self):
        small = self.info["sizes"][-1]["name"]
        turns = [user("What is 7 plus 5?"), {"role": "assistant", "content": "12"},
                 user("What is green in Spanish?")]
        alone = {size: self.service.chat(*turns, size=size, seed=1)["choices"][0]["message"]
                 for size in (small, "full")}
        self.service.chat(turns[0], size="full")
        for size in (small, "full", small):
            answer = self.service.chat(*turns, size=size, seed=1)
            self.assertEqual(answer["choices"][0]["message"], alone[size])

    def test_sizes_that_are_none_and_files_are_refused(self):
        with tempfile.TemporaryDirectory() as place:
            path = pathlib.Path(place) / "size.json"
            path.write_text('{"skipped_layers": [], "ffn_widths": [' + ",".join(["512"] * 10) + "]}")
            for size in ("", "huge", "ffn=-1", "ffn=512@99", "skip=0-9", "x" * 100000, str(path),
                         "../size.json", "/dev/stdin", "a\n"):
                error = self.refused("/v1/chat/completions",
                                     {"messages": [user("Hello!")], "size": size})
                self.assertEqual((error["param"], error["code"]), ("size", "invalid_value"), size[:20])
        for size in (5, [], {}):
            error = self.refused("/v1/chat/completions", {"messages": [user("Hello!")], "size": size})
            self.assertEqual(error["param"], "size")

    def test_counts_are_those_of_the_answer(self):
        parts = (picture(EVAL / "pictures-0069.png"), sound(EVAL / "speech new voices-0000.flac"),
                 film(EVAL / "film-0158.mp4"), "What is in the last picture?")
        messages = [{"role": "system", "content": "Be brief."}, user(*parts)]
        status, _, count = self.service.post("/page/count", {"messages": messages})
        self.assertEqual(status, 200, count)
        usage = self.service.chat(*messages)["usage"]
        details = usage["prompt_tokens_details"]
        self.assertEqual(count["tokens"], usage["prompt_tokens"])
        self.assertEqual((count["text"], count["image"], count["audio"]),
                         (details["text_tokens"], details["image_tokens"], details["audio_tokens"]))
        self.assertEqual(count["context"], self.info["context"])
        error = self.refused("/page/count", {"messages": [user("word " * 3000)]})
        self.assertEqual(error["code"], "context_length_exceeded")

    def test_text_to_ids_and_back(self):
        text = "Hello, ÅØ 世界 🐦 <end_of_turn>\n"
        _, _, found = self.service.post("/tokenize", {"content": text})
        self.assertTrue(found["tokens"])
        _, _, back = self.service.post("/detokenize", {"tokens": found["tokens"]})
        self.assertEqual(back, {"content": text})
        _, _, with_bos = self.service.post("/tokenize", {"content": text, "add_special": True})
        self.assertEqual(with_bos["tokens"], [2] + found["tokens"])
        _, _, pieces = self.service.post("/tokenize", {"content": "Hello there", "with_pieces": True})
        self.assertEqual("".join(token["piece"] for token in pieces["tokens"]), "Hello there")
        for body in ({}, {"content": 5}, {"content": "a", "add_special": "yes"}):
            self.refused("/tokenize", body)
        for tokens in (None, "1", [-1], [1 << 40], [1.5], ["1"], [None]):
            self.refused("/detokenize", {"tokens": tokens})

    def test_who_is_no_browser_gets_a_line(self):
        status, headers, body = self.service.request("GET", "/")
        self.assertEqual((status, body), (200, b"Ollama is running"))
        self.assertTrue(headers["Content-Type"].startswith("text/plain"))
        status, _, _ = self.service.request("GET", "/page/lab")
        self.assertEqual(status, 404)


class Keys(unittest.TestCase):
    def test_files_need_no_key_and_all_else_does(self):
        with tempfile.NamedTemporaryFile("w") as keys:
            keys.write("secret\n")
            keys.flush()
            with Service("--api-key-file", keys.name) as service:
                html = {"Accept": "text/html"}
                self.assertEqual(service.request("GET", "/", None, html)[0], 200)
                self.assertEqual(service.request("GET", "/page/app.js")[0], 200)
                for method, path in (("GET", "/page/info"), ("GET", "/page/lab"),
                                     ("POST", "/page/count"), ("POST", "/tokenize"),
                                     ("POST", "/detokenize")):
                    self.assertEqual(service.request(method, path, "{}")[0], 401, path)
                key = {"Authorization": "Bearer secret"}
                info = json.loads(service.request("GET", "/page/info", None, key)[2])
                self.assertTrue(info["needs_key"])


class LabResults(unittest.TestCase):
    def test_what_is_no_result_of_this_model_is_refused_at_start(self):
        size = {"skipped_layers": [0], "ffn_widths": [512] * 9}
        good = {"format": "gemma3n lab 1", "metric": "nll", "tokens": 1,
                "sizes": [{"name": "a", "size": size}], "front": []}
        for change in ({"format": "gemma3n lab 2"}, {"sizes": 5}, {"sizes": [{"name": "a"}]},
                       {"sizes": [{"size": {"skipped_layers": [], "ffn_widths": [512] * 9}}]},
                       {"sizes": [{"size": {"skipped_layers": [99], "ffn_widths": [512] * 9}}]},
                       {"sizes": [{"size": {"skipped_layers": [-1], "ffn_widths": [512] * 9}}]},
                       {"sizes": [{"size": {"skipped_layers": [9], "ffn_widths": ["a"] * 9}}]}):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump({**good, **change}, file)
                file.flush()
                code, _, err = call("serve", "-m", NANO, "--port", 0, "--lab", file.name, timeout=60)
                self.assertEqual(code, 2, (change, err))
                self.assertIn("expected what `gemma3n lab --json` writes", err)


if __name__ == "__main__":
    unittest.main()
